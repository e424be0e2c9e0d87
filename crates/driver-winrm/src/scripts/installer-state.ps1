function Read-Result($folder) {
    if (-not [IO.File]::Exists("$folder\result.json")) { return $null }
    $result = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$folder\result.json"))
    if ($result.error) { return @{ state = 'never-ran'; detail = [string]$result.error } }
    if ($result.killed) { return @{ state = 'killed'; detail = [string]$result.note } }
    if ($null -eq $result.exitCode) { return @{ state = 'finished'; detail = [string]$result.note } }
    return @{ state = 'finished'; exitCode = [long]$result.exitCode; detail = [string]$result.note }
}
# Returns the state of the task, or 0 when there is no such task. Every other error of the scheduler is one.
function Get-TaskState($name) {
    $scheduler = New-Object -ComObject Schedule.Service
    $scheduler.Connect()
    try {
        return [int]$scheduler.GetFolder('\').GetTask($name).State
    } catch {
        # 0x80070002, as the signed number that it is.
        $code = [Runtime.InteropServices.Marshal]::GetHRForException($_.Exception.GetBaseException())
        if ($code -ne -2147024894) { throw }
        return 0
    }
}
function Get-Answer($ask) {
    $folder = "$env:ProgramData\orchestrate\$($ask.token)"
    if (-not [IO.File]::Exists("$folder\started")) { return @{ state = 'not-started' } }
    $result = Read-Result $folder
    if ($null -ne $result) { return $result }
    $state = Get-TaskState "orchestrate-$($ask.token)"
    # 2 is queued, 4 is running.
    if ($state -eq 2 -or $state -eq 4) { return @{ state = 'running' } }
    # It may have ended between the two looks.
    $result = Read-Result $folder
    if ($null -ne $result) { return $result }
    # A task that was just started may still show as ready, and one that is just being made does not show at all.
    $age = [Math]::Abs(([DateTime]::UtcNow - [IO.File]::GetLastWriteTimeUtc("$folder\started")).TotalSeconds)
    if ($age -lt 60) { return @{ state = 'running' } }
    return @{ state = 'vanished' }
}
