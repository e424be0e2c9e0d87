# Handed over as it is: the spelling of its properties differs, and what stands in them may be text or an object.
function Get-Answer($ask) {
    $command = Find-ProductCommand 'Get-CsManagementStoreReplicationStatus'
    $status = & $command -CentralManagementStoreStatus
    return @{ answer = (Expand-Value $status 3) }
}
