# Starts an installer at most once per token, detached from this shell: installers refuse network logons, and a lost
# connection must not cost the exit code. The folder of the token stays: it is what says that the token was used.
$runner = @'
$ErrorActionPreference = 'Stop'
# Whoever finds this file has run before, or is running: a task can be started again by anybody.
try { [IO.File]::Open("$folder\running", 'CreateNew').Close() } catch { exit 0 }
$run = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$folder\run.json"))
$result = @{ started = [DateTime]::UtcNow.ToString('o') }
function Format-Argument($text) {
    if ($text -eq '') { return '""' }
    if ($text.Contains('"') -or $text -notmatch '\s') { return $text }
    # A backslash in front of the closing quote would take it for its own.
    return '"' + ($text -replace '(\\+)$', '$1$1') + '"'
}
function Start-Program($path, $arguments) {
    $line = @($arguments | ForEach-Object { Format-Argument ([string]$_) }) -join ' '
    $start = New-Object Diagnostics.ProcessStartInfo -Property @{
        FileName = $path; Arguments = $line; UseShellExecute = $false
    }
    return [Diagnostics.Process]::Start($start)
}
try {
    # Held open for reading: what was checked cannot be replaced before it has ended.
    $file = [IO.File]::Open($run.installer, 'Open', 'Read', 'Read')
    $sha256 = New-Object Security.Cryptography.SHA256CryptoServiceProvider
    $found = [BitConverter]::ToString($sha256.ComputeHash($file)).Replace('-', '').ToLowerInvariant()
    if ($found -ne $run.sha256) { throw "the file has changed since it was checked; its SHA-256 is $found" }
    $system = "$env:SystemRoot\System32"
    $program = $run.installer
    $lead = @()
    # Packages are no programs: they are opened by one.
    switch ([IO.Path]::GetExtension($run.installer)) {
        '.msi' { $program = "$system\msiexec.exe"; $lead = @('/i', $run.installer) }
        '.msp' { $program = "$system\msiexec.exe"; $lead = @('/p', $run.installer) }
        '.msu' { $program = "$system\wusa.exe"; $lead = @($run.installer) }
    }
    $process = Start-Program $program ($lead + @($run.arguments))
} catch {
    # Nothing was run, so there is no exit code.
    $result.error = [string]$_
}
if ($process) {
    try {
        if ($process.WaitForExit([int]$run.deadlineSeconds * 1000)) {
            $code = [long]$process.ExitCode
            if ($code -lt 0) { $code += 4294967296 }
            $result.exitCode = $code
        } else {
            # What it has started goes down with it. An exit code that we made up could be taken for its own.
            $result.killed = $true
            $result.note = 'it was to be ended at its deadline, and something that it had started may still run'
            $killer = Start-Program "$system\taskkill.exe" @('/T', '/F', '/PID', $process.Id)
            if ($killer.WaitForExit(60000) -and $killer.ExitCode -eq 0) {
                $result.note = 'it was ended at its deadline, with everything that it had started'
            } elseif (-not $process.HasExited) {
                $process.Kill()
            }
        }
    } catch {
        $result.note = "$($result.note): $_"
    }
}
$result.ended = [DateTime]::UtcNow.ToString('o')
[IO.File]::WriteAllText("$folder\result.tmp", (ConvertTo-Json -InputObject $result -Compress))
[IO.File]::Move("$folder\result.tmp", "$folder\result.json")
# The task has done its work: nobody shall start it again.
$scheduler = New-Object -ComObject Schedule.Service
$scheduler.Connect()
$scheduler.GetFolder('\').DeleteTask("orchestrate-$($run.token)", 0)
'@
function Get-FileHash256($path) {
    $file = [IO.File]::Open($path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        # SHA256.Create() is refused on older releases where only validated cryptography is allowed.
        $sha256 = New-Object Security.Cryptography.SHA256CryptoServiceProvider
        return [BitConverter]::ToString($sha256.ComputeHash($file)).Replace('-', '').ToLowerInvariant()
    } finally {
        $file.Close()
    }
}
# The runner goes as text and not as a file to be run: a policy that wants signed scripts would refuse the file.
function Get-RunnerArguments($folder) {
    $quoted = $folder.Replace("'", "''")
    $text = "`$folder = '$quoted'; & ([ScriptBlock]::Create([IO.File]::ReadAllText(`$folder + '\runner.ps1')))"
    $encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($text))
    return "-NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand $encoded"
}
function Get-Answer($ask) {
    $folder = "$env:ProgramData\orchestrate\$($ask.token)"
    # Until the token is taken nothing can have run, so whatever goes wrong is a plain refusal.
    try {
        if ([IO.File]::Exists("$folder\started")) { return @{ result = 'already'; detail = '' } }
        if (-not [IO.File]::Exists($ask.installer)) { return @{ result = 'missing-file'; detail = $ask.installer } }
        $found = Get-FileHash256 $ask.installer
        if ($found -ne $ask.sha256) { return @{ result = 'wrong-hash'; detail = $found } }
        New-ClosedFolder "$env:ProgramData\orchestrate"
        New-ClosedFolder $folder
        [IO.File]::Open("$folder\started", 'CreateNew').Close()
    } catch {
        # Somebody else may have been faster; every other error is one.
        if ([IO.File]::Exists("$folder\started")) { return @{ result = 'already'; detail = '' } }
        return @{ result = 'failed'; detail = [string]$_ }
    }
    try {
        [IO.File]::WriteAllText("$folder\run.json", (ConvertTo-Json -InputObject $ask -Compress))
        [IO.File]::WriteAllText("$folder\runner.ps1", $runner)
        $scheduler = New-Object -ComObject Schedule.Service
        $scheduler.Connect()
        $task = $scheduler.NewTask(0)
        $task.Settings.DisallowStartIfOnBatteries = $false
        $task.Settings.StopIfGoingOnBatteries = $false
        # The usual 7 is below normal, for the processor and the disk.
        $task.Settings.Priority = 4
        $task.Settings.ExecutionTimeLimit = "PT$([int]$ask.deadlineSeconds + 600)S"
        $action = $task.Actions.Create(0)
        $action.Path = "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe"
        $action.Arguments = Get-RunnerArguments $folder
        # 2 creates and never replaces, 5 is a service account.
        $registered = $scheduler.GetFolder('\').RegisterTaskDefinition(
            "orchestrate-$($ask.token)", $task, 2, 'SYSTEM', $null, 5)
    } catch {
        # Nothing can have run: the token is not used up.
        [IO.File]::Delete("$folder\started")
        return @{ result = 'failed'; detail = [string]$_ }
    }
    # From here on the task may run, whatever is answered.
    try {
        [void]$registered.Run($null)
    } catch {
        return @{ result = 'unclear'; detail = [string]$_ }
    }
    return @{ result = 'started'; detail = '' }
}
