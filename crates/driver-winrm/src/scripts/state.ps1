# Reads the rows of services and of the operating system as WMI has them, in one question. All properties of a service are
# asked for: a query that names DelayedAutoStart fails on a server before 2016.
function Get-Texts($found, $names) {
    $row = @{}
    foreach ($name in $names) {
        # As text, which is the same in every culture.
        if ($null -ne $found.$name) { $row[$name] = [string]$found.$name }
    }
    return $row
}
function Get-Answer($ask) {
    $answer = @{}
    if ($ask.query) {
        $found = @(Get-CimInstance -Query $ask.query -OperationTimeoutSec $ask.seconds -ErrorAction Stop)
        $names = 'Name', 'DisplayName', 'State', 'StartMode', 'AcceptPause', 'DelayedAutoStart'
        $answer.services = [object[]]@(foreach ($service in $found) { Get-Texts $service $names })
    }
    if ($ask.system) {
        # By the older cmdlet, which hands times over as WMI writes them, with the distance from UTC: one that was turned into
        # local time is not certain in the hour that a clock is set back by.
        $found = @(Get-WmiObject -Class Win32_OperatingSystem -ErrorAction Stop)
        $answer.system = Get-Texts $found[0] @('LastBootUpTime', 'LocalDateTime', 'Caption', 'Version')
    }
    return $answer
}
