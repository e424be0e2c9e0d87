# Reads the classes of counters that one look needs, in one question. Get-CimInstance, since 3.0, has a limit of its own for
# each class: one that is late must not take the answers of the others. Not verified on a real host: that the limit holds.
# What is not answered here is asked for by itself, so a class that cannot be read only says why.
function Get-Rows($class, $seconds) {
    $query = 'SELECT ' + (@($class.properties) -join ', ') + ' FROM ' + $class.name
    foreach ($found in @(Get-CimInstance -Query $query -OperationTimeoutSec $seconds -ErrorAction Stop)) {
        $row = @{}
        foreach ($name in $class.properties) {
            # As text, which is the same in every culture, and larger than any number of JSON.
            if ($null -ne $found.$name) { $row[$name] = [string]$found.$name }
        }
        $row
    }
}
function Get-Answer($ask) {
    $classes = @{}
    $errors = @{}
    $watch = [Diagnostics.Stopwatch]::StartNew()
    foreach ($class in $ask.classes) {
        $left = [Math]::Floor($ask.seconds - $watch.Elapsed.TotalSeconds)
        if ($left -lt 1) {
            $errors[$class.name] = 'the others took too long'
            continue
        }
        try {
            $classes[$class.name] = [object[]]@(Get-Rows $class ([Math]::Min($left, $ask.each)))
        } catch {
            $errors[$class.name] = [string]$_
        }
    }
    return @{ classes = $classes; errors = $errors }
}
