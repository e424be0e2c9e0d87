function Read-Result($folder) {
    if (-not [IO.File]::Exists("$folder\result.json")) { return $null }
    $result = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$folder\result.json"))
    return @{ state = 'finished'; exitCode = [long]$result.exitCode }
}
function Get-Answer($ask) {
    $folder = "$env:ProgramData\orchestrate\$($ask.token)"
    if (-not [IO.File]::Exists("$folder\started")) { return @{ state = 'not-started' } }
    $result = Read-Result $folder
    if ($null -ne $result) { return $result }
    $scheduler = New-Object -ComObject Schedule.Service
    $scheduler.Connect()
    $state = 0
    try { $state = $scheduler.GetFolder('\').GetTask("orchestrate-$($ask.token)").State } catch { $state = 0 }
    # 2 is queued, 4 is running.
    if ($state -eq 2 -or $state -eq 4) { return @{ state = 'running' } }
    # It may have ended between the two looks.
    $result = Read-Result $folder
    if ($null -ne $result) { return $result }
    return @{ state = 'vanished' }
}
