function Get-Answer($ask) {
    $command = Find-ProductCommand 'Get-CsManagementStoreReplicationStatus'
    $replicas = @(& $command | ForEach-Object {
        # One that does not say so has not said no either.
        $fresh = $null
        if ($null -ne $_.UpToDate) { $fresh = [bool]$_.UpToDate }
        @{ fqdn = [string]$_.ReplicaFqdn; upToDate = $fresh }
    })
    return @{ replicas = [object[]]$replicas }
}
