# Starts an installer at most once per token, detached from this shell: installers refuse network logons, and a lost
# connection must not cost the exit code. The folder of the token stays: it is what says that the token was used.
$runner = @'
$ErrorActionPreference = 'Stop'
$folder = Split-Path -Parent $MyInvocation.MyCommand.Path
$run = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$folder\run.json"))
$result = @{ started = [DateTime]::UtcNow.ToString('o') }
try {
    # Held open for reading: what was checked cannot be replaced before it has ended.
    $file = [IO.File]::Open($run.installer, 'Open', 'Read', 'Read')
    $found = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($file)).Replace('-', '')
    if ($found -ne $run.sha256) { throw "the file has changed: $found" }
    $quoted = @($run.arguments | ForEach-Object { if ($_ -match '\s') { '"' + $_ + '"' } else { $_ } })
    $start = New-Object Diagnostics.ProcessStartInfo -Property @{
        FileName = $run.installer; Arguments = ($quoted -join ' '); UseShellExecute = $false
    }
    $process = [Diagnostics.Process]::Start($start)
    if ($process.WaitForExit([int]$run.deadlineSeconds * 1000)) {
        $code = [long]$process.ExitCode
    } else {
        # 1460 is ERROR_TIMEOUT.
        $process.Kill()
        $code = 1460
    }
} catch {
    $code = 1
    $result.error = [string]$_
    $native = $_.Exception.GetBaseException() -as [ComponentModel.Win32Exception]
    if ($native) { $code = [long]$native.NativeErrorCode }
}
if ($code -lt 0) { $code += 4294967296 }
$result.exitCode = $code
$result.ended = [DateTime]::UtcNow.ToString('o')
[IO.File]::WriteAllText("$folder\result.tmp", (ConvertTo-Json -InputObject $result -Compress))
[IO.File]::Move("$folder\result.tmp", "$folder\result.json")
'@
# The folder holds what SYSTEM will run, so nobody but administrators and SYSTEM may own it or write into it.
function New-ClosedFolder($path) {
    $rules = New-Object Security.AccessControl.DirectorySecurity
    $rules.SetSecurityDescriptorSddlForm('O:BAG:SYD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)')
    $folder = [IO.Directory]::CreateDirectory($path, $rules)
    $owner = $folder.GetAccessControl().GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ($owner -ne 'S-1-5-32-544' -and $owner -ne 'S-1-5-18') { throw "$path belongs to $owner" }
    $folder.SetAccessControl($rules)
}
function Get-Answer($ask) {
    $folder = "$env:ProgramData\orchestrate\$($ask.token)"
    if ([IO.File]::Exists("$folder\started")) { return @{ result = 'already'; detail = '' } }
    if (-not [IO.File]::Exists($ask.installer)) { return @{ result = 'missing-file'; detail = $ask.installer } }
    $file = [IO.File]::OpenRead($ask.installer)
    $found = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($file)).Replace('-', '')
    $file.Close()
    if ($found -ne $ask.sha256) { return @{ result = 'wrong-hash'; detail = $found.ToLowerInvariant() } }
    New-ClosedFolder "$env:ProgramData\orchestrate"
    New-ClosedFolder $folder
    try {
        [IO.File]::Open("$folder\started", 'CreateNew').Close()
    } catch [IO.IOException] {
        return @{ result = 'already'; detail = '' }
    }
    try {
        [IO.File]::WriteAllText("$folder\run.json", (ConvertTo-Json -InputObject $ask -Compress))
        [IO.File]::WriteAllText("$folder\runner.ps1", $runner)
        $scheduler = New-Object -ComObject Schedule.Service
        $scheduler.Connect()
        $task = $scheduler.NewTask(0)
        $task.Settings.DisallowStartIfOnBatteries = $false
        $task.Settings.StopIfGoingOnBatteries = $false
        $task.Settings.ExecutionTimeLimit = "PT$([int]$ask.deadlineSeconds + 600)S"
        $action = $task.Actions.Create(0)
        $action.Path = "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe"
        $action.Arguments = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File `"$folder\runner.ps1`""
        # 2 creates and never replaces, 5 is a service account.
        $registered = $scheduler.GetFolder('\').RegisterTaskDefinition(
            "orchestrate-$($ask.token)", $task, 2, 'SYSTEM', $null, 5)
    } catch {
        # Nothing can have run: the token is not used up.
        [IO.File]::Delete("$folder\started")
        return @{ result = 'failed'; detail = [string]$_ }
    }
    [void]$registered.Run($null)
    return @{ result = 'started'; detail = '' }
}
