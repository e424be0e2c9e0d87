# Lists every counter set whose display name begins as those of the product do, with its counters.
function Get-DisplayName($described) {
    foreach ($qualifier in $described.Qualifiers) {
        if ($qualifier.Name -eq 'DisplayName') { return [string]$qualifier.Value }
    }
    return ''
}
function Get-Answer($ask) {
    $sets = @()
    foreach ($class in Get-WmiObject -List -Namespace 'root\cimv2' -Class 'Win32_PerfFormattedData_*' -Amended) {
        $title = Get-DisplayName $class
        if ($title -notlike 'LS:*') { continue }
        $counters = @{}
        foreach ($property in $class.Properties) {
            $counter = Get-DisplayName $property
            if ($counter -ne '') { $counters[$counter] = [string]$property.Name }
        }
        $sets += @{ name = $title; class = [string]$class.Name; counters = $counters }
    }
    return @{ sets = [object[]]$sets }
}
