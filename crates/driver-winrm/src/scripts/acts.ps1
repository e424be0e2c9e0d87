# Asks for changes of several services, one after the other: each by the method of WMI that has it done over the wire too, and
# a delayed start by sc.exe, which sets mode and flag at once.
function Get-Flag($name) {
    try {
        $key = Get-Item -LiteralPath ('HKLM:\SYSTEM\CurrentControlSet\Services\' + $name) -ErrorAction Stop
        return ($key.GetValue('DelayedAutostart') -eq 1)
    } catch {
        # Whoever asks reads it in another way.
        return $null
    }
}
function Invoke-Delayed($act) {
    # Errors of a program are text on its output; its exit code decides, and says what the refusal is.
    $ErrorActionPreference = 'Continue'
    $output = & "$env:SystemRoot\System32\sc.exe" config $act.service 'start=' 'delayed-auto' 2>&1 | Out-String
    return @{ code = $LASTEXITCODE; output = $output; delayed = (Get-Flag $act.service) }
}
function Invoke-Method($act, $row) {
    $said = @{}
    try {
        switch ($act.method) {
            'PauseService' { $result = $row.PauseService() }
            'ResumeService' { $result = $row.ResumeService() }
            'StartService' { $result = $row.StartService() }
            'StopService' { $result = $row.StopService() }
            'ChangeStartMode' { $result = $row.ChangeStartMode($act.mode) }
        }
        # A value that is missing would become zero as a number, which is a success.
        if ($null -ne $result -and $null -ne $result.ReturnValue) { $said.value = [long]$result.ReturnValue }
        if ($act.mode -eq 'Automatic') { $said.delayed = (Get-Flag $act.service) }
    } catch {
        $said.error = [string]$_
        $said.causes = [object[]]@(Get-Causes $_)
    }
    return $said
}
function Get-Answer($ask) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $rows = @{}
    foreach ($row in @(Get-WmiObject -Query $ask.query -ErrorAction Stop)) { $rows[[string]$row.Name] = $row }
    foreach ($act in @($ask.acts)) {
        $row = $rows[$act.service]
        if ($act.method -and $null -ne $row -and $null -eq $row.PSObject.Methods[$act.method]) {
            # Nothing was asked for yet.
            throw "a service has no method $($act.method) here"
        }
    }
    $stopped = $false
    $answers = foreach ($act in @($ask.acts)) {
        $row = $rows[$act.service]
        if ($stopped) {
            $said = @{ skipped = 'stopped' }
        } elseif ($watch.Elapsed.TotalSeconds -ge $ask.seconds) {
            $said = @{ skipped = 'late' }
        } elseif ($null -eq $row) {
            $said = @{ skipped = 'missing' }
        } elseif ($act.method) {
            $said = Invoke-Method $act $row
        } else {
            $said = Invoke-Delayed $act
        }
        $done = ($null -ne $said.value -and @($act.fine) -contains $said.value) -or ($said.code -eq 0 -and -not $act.method)
        if (-not $done -and -not $ask.onward) { $stopped = $true }
        $said.service = $act.service
        $said
    }
    return @{ acts = [object[]]@($answers) }
}
