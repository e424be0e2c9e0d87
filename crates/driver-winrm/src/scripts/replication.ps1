function Get-Answer($ask) {
    $replicas = @(Get-CsManagementStoreReplicationStatus | ForEach-Object {
        @{ fqdn = [string]$_.ReplicaFqdn; upToDate = [bool]$_.UpToDate }
    })
    return @{ replicas = [object[]]$replicas }
}
