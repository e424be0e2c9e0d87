function Get-Answer($ask) {
    $command = Find-ProductCommand 'Get-CsManagementStoreReplicationStatus'
    $replicas = @(& $command | ForEach-Object {
        @{ fqdn = [string]$_.ReplicaFqdn; upToDate = [bool]$_.UpToDate }
    })
    return @{ replicas = [object[]]$replicas }
}
