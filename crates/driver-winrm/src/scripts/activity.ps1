# One call for all services: it reads performance counters and takes seconds.
function Get-Answer($ask) {
    $activity = @{}
    $errors = @{}
    $command = Find-ProductCommand 'Get-CsWindowsService'
    $all = @(& $command -ErrorAction SilentlyContinue -ErrorVariable problems)
    # The error itself goes along: its kind says more than its text, which is in the language of the server.
    $causes = @(if ($problems) { Get-Causes $problems[0] })
    if ($all.Count -eq 0) {
        $text = "Get-CsWindowsService lists nothing: $problems"
        if ($problems) { throw (New-Object Exception $text, $problems[0].Exception) } else { throw $text }
    }
    foreach ($name in $ask.services) {
        $found = $all | Where-Object { $_.Name -eq $name } | Select-Object -First 1
        if ($null -eq $found) {
            $errors[$name] = "Get-CsWindowsService does not list it. $problems"
        } elseif ($null -eq $found.ActivityLevel) {
            $errors[$name] = "it has no activity level. $problems"
        } else {
            $activity[$name] = [string]($found.ActivityLevel -join ',')
        }
    }
    return @{ activity = $activity; errors = $errors; causes = [object[]]$causes }
}
