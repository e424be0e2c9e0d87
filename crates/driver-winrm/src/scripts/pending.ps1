# Signs of a restart that is due, each for itself. Values of the registry are read by their names.
function Get-Part($look) {
    try { return @{ value = (& $look) } } catch { return @{ error = [string]$_ } }
}
function Open-Key($path) {
    try { return Get-Item -LiteralPath "HKLM:\$path" } catch [Management.Automation.ItemNotFoundException] { return $null }
}
function Read-Value($path, $name) {
    $key = Open-Key $path
    if ($null -eq $key) { return $null }
    return $key.GetValue($name)
}
function Get-Utc($time) { return $time.ToUniversalTime().ToString('o') }
function Get-Servicing {
    if ($null -eq (Open-Key 'SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending')) { return $null }
    $found = @{ what = 'packages wait for a restart' }
    try {
        $noted = Get-WinEvent -FilterHashtable @{ LogName = 'Setup'; Id = 4 } -MaxEvents 1
        $found.since = Get-Utc $noted.TimeCreated
    } catch { $found.since = $null }
    return $found
}
function Get-WindowsUpdate {
    $update = 'SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update'
    if ($null -eq (Open-Key "$update\RebootRequired")) { return $null }
    $found = @{ what = 'installed updates wait for a restart' }
    try { $found.sinceUtc = Read-Value "$update\Results\Install" 'LastSuccessTime' } catch { $found.sinceUtc = $null }
    return $found
}
function Get-FileRenames {
    $pairs = @(Read-Value 'SYSTEM\CurrentControlSet\Control\Session Manager' 'PendingFileRenameOperations')
    # Source and target take turns; an empty target means that the source goes away.
    $sources = @(for ($at = 0; $at -lt $pairs.Count; $at += 2) { if ($pairs[$at]) { [string]$pairs[$at] } })
    if ($sources.Count -eq 0) { return $null }
    $first = $sources[0] -replace '^[*0-9]*\\\?\?\\', ''
    $found = @{ what = "$($sources.Count) waiting, the first is $first" }
    try { if ([IO.File]::Exists($first)) { $found.since = Get-Utc ([IO.File]::GetCreationTimeUtc($first)) } } catch { $found.since = $null }
    return $found
}
function Get-ComputerRename {
    $names = 'SYSTEM\CurrentControlSet\Control\ComputerName'
    $active = Read-Value "$names\ActiveComputerName" 'ComputerName'
    $next = Read-Value "$names\ComputerName" 'ComputerName'
    if (-not $active -or -not $next -or $active -eq $next) { return $null }
    return @{ what = "$active becomes $next" }
}
