# Asks a script of ours in a scheduled task that is made for this one question: a task has its account's name on other
# machines as well, and the network logon of this shell usually has none there. Nothing stays: task, folder and answer
# are removed on every way out, and what a killed question has left is removed by the next one.
# Not verified on a real host: that the scheduler takes a managed account with logon type 1 and no password.
$boot = @'
if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
Set-Content -LiteralPath "$folder\answer" -Value "ORCHESTRATE-UNABLE:$($ExecutionContext.SessionState.LanguageMode) $($PSVersionTable.PSVersion)"
exit 3
}
$out = New-Object IO.StreamWriter ([IO.File]::Open("$folder\answer", 'Open', 'Write', 'Read'))
$out.AutoFlush = $true
[Console]::SetOut($out)
& ([ScriptBlock]::Create([IO.File]::ReadAllText("$folder\ask.txt")))
'@
function Get-BootArguments($folder) {
    $quoted = $folder.Replace("'", "''")
    $encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes("`$folder = '$quoted'`n$boot"))
    return "-NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand $encoded"
}
# Nothing where the name is not known: the files stay as they are, and the scheduler says what it thinks of the account.
function Find-Sid($account) {
    try {
        return (New-Object Security.Principal.NTAccount $account).Translate([Security.Principal.SecurityIdentifier]).Value
    } catch {
        return $null
    }
}
# One file, for one account besides administrators and SYSTEM, with one right.
function Set-FileRight($path, $sid, $right) {
    $rules = New-Object Security.AccessControl.FileSecurity
    $rules.SetSecurityDescriptorSddlForm("D:P(A;;FA;;;BA)(A;;FA;;;SY)(A;;$right;;;$sid)", 'Access')
    (New-Object IO.FileInfo $path).SetAccessControl($rules)
}
# Whoever has the answer open for writing goes on doing so.
function Read-Said($path) {
    $file = [IO.File]::Open($path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        # Once before it is read, and once after: it may have grown meanwhile.
        $text = $null
        if ($file.Length -le $ask.bytes) { $text = (New-Object IO.StreamReader $file).ReadToEnd() }
        if ($null -eq $text -or $text.Length -gt $ask.bytes) { throw "the answer is longer than $($ask.bytes) bytes" }
        return $text
    } finally {
        $file.Close()
    }
}
function Test-Missing($problem) {
    # 0x80070002, as the signed number that it is.
    return [Runtime.InteropServices.Marshal]::GetHRForException($problem.Exception.GetBaseException()) -eq -2147024894
}
# The task goes first: as long as its folder is there, the next question knows what to look for.
function Remove-Question($tasks, $id, $folder, $seconds) {
    $name = "orchestrate-$id"
    try {
        $task = $tasks.GetTask($name)
        # One that has answered ends by itself. What cannot be stopped shows below: it does not let go of its file.
        for ($wait = 0; $wait -lt $seconds * 10 -and [int]$task.State -eq 4; $wait++) { Start-Sleep -Milliseconds 100 }
        if ([int]$task.State -eq 4) { try { $task.Stop(0) } catch { $stopped = $_ } }
        $tasks.DeleteTask($name, 0)
    } catch {
        if (-not (Test-Missing $_)) { throw }
    }
    # A process that is being ended lets go of its file a moment later.
    for ($try = 1; ; $try++) {
        try {
            [IO.File]::Delete("$folder\ask.txt")
            [IO.File]::Delete("$folder\answer")
            if ([IO.Directory]::Exists($folder)) { [IO.Directory]::Delete($folder, $true) }
            return
        } catch {
            if ($try -ge 20) { throw }
            Start-Sleep -Milliseconds 100
        }
    }
}
function Get-Age($time) { return [Math]::Abs(([DateTime]::UtcNow - $time).TotalSeconds) }
function Register-Question($scheduler, $tasks, $id, $folder) {
    $task = $scheduler.NewTask(0)
    $task.Settings.DisallowStartIfOnBatteries = $false
    $task.Settings.StopIfGoingOnBatteries = $false
    $task.Settings.Priority = 4
    $task.Settings.ExecutionTimeLimit = "PT$([int]$ask.seconds)S"
    # Should nobody be left to remove it, the scheduler does. That takes a trigger that ends; it never fires, because
    # its time is over. The formats s and o are the same in every culture.
    $task.Settings.DeleteExpiredTaskAfter = 'PT0S'
    $trigger = $task.Triggers.Create(1)
    $trigger.StartBoundary = [DateTime]::UtcNow.AddDays(-1).ToString('s') + 'Z'
    $trigger.EndBoundary = [DateTime]::UtcNow.AddSeconds([int]$ask.seconds + 60).ToString('s') + 'Z'
    $task.Principal.RunLevel = 1
    $action = $task.Actions.Create(0)
    $action.Path = "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe"
    $action.Arguments = Get-BootArguments $folder
    $name = "orchestrate-$id"
    # 2 creates and never replaces; 5 is a service account, 1 is a logon with a password, which of a managed account
    # only the system has.
    if ($ask.as -eq 'system') { return $tasks.RegisterTaskDefinition($name, $task, 2, 'SYSTEM', $null, 5) }
    if ($ask.as -ne 'self') { return $tasks.RegisterTaskDefinition($name, $task, 2, $ask.as, $null, 1) }
    return $tasks.RegisterTaskDefinition($name, $task, 2, (Get-OwnName),
        [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($secret)), 1)
}
function Get-OwnName { return [Environment]::UserDomainName + '\' + [Environment]::UserName }
function Wait-Said($registered, $folder) {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $idle = 0
    while ($true) {
        Start-Sleep -Milliseconds 100
        # 2 is queued, 4 is running. A task that was just started may still show as ready.
        $state = [int]$registered.State
        if ($state -eq 2 -or $state -eq 4) { $idle = 0 } else { $idle++ }
        $said = Read-Said "$folder\answer"
        if ($said.Contains('ORCHESTRATE') -and $said.EndsWith("`n")) { return @{ result = 'said'; said = $said } }
        if ($idle -ge 50) { return @{ result = 'silent'; code = [long]$registered.LastTaskResult } }
        if ($clock.Elapsed.TotalSeconds -gt $ask.seconds) { return @{ result = 'slow' } }
    }
}
function Get-Answer($ask) {
    $root = "$env:ProgramData\orchestrate"
    New-ClosedFolder $root
    $scheduler = New-Object -ComObject Schedule.Service
    $scheduler.Connect()
    $tasks = $scheduler.GetFolder('\')
    $left = @()
    foreach ($old in [IO.Directory]::GetDirectories($root, 'ask-*')) {
        if ((Get-Age ([IO.Directory]::GetCreationTimeUtc($old))) -lt $ask.oldSeconds) { continue }
        try { Remove-Question $tasks ([IO.Path]::GetFileName($old)) $old 0 } catch { $left += "${old}: $($_.Exception.Message)" }
    }
    $id = 'ask-' + [Guid]::NewGuid().ToString('N')
    $folder = "$root\$id"
    try {
        New-ClosedFolder $folder
        [IO.File]::WriteAllText("$folder\ask.txt", [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($inner)))
        [IO.File]::WriteAllText("$folder\answer", '')
        $sid = $null
        if ($ask.as -eq 'self') { $sid = Find-Sid (Get-OwnName) } elseif ($ask.as -ne 'system') { $sid = Find-Sid $ask.as }
        if ($sid) {
            # To read, and to write without reading.
            Set-FileRight "$folder\ask.txt" $sid '0x120089'
            Set-FileRight "$folder\answer" $sid '0x120196'
        }
        try { $registered = Register-Question $scheduler $tasks $id $folder } catch {
            throw (New-Object Exception "the task cannot be registered: $($_.Exception.Message)", $_.Exception)
        }
        [void]$registered.Run($null)
        $answer = Wait-Said $registered $folder
    } catch {
        $problem = $_.Exception
    } finally {
        try { Remove-Question $tasks $id $folder $(if ($answer.said) { 5 } else { 0 }) } catch { $left += "${folder}: $($_.Exception.Message)" }
    }
    if ($problem) {
        $text = $problem.Message
        if ($left) { $text += "; and it could not be cleaned up: $($left -join '; ')" }
        throw (New-Object Exception $text, $problem)
    }
    $answer.left = [string[]]$left
    return $answer
}
