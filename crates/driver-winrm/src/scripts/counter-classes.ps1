# Class and property names of product counters are generated on the host; the display names are in qualifiers.
# Not verified on a real host: that DisplayName is set on the classes of the product, and its language.
function Get-DisplayName($described) {
    foreach ($qualifier in $described.Qualifiers) {
        if ($qualifier.Name -eq 'DisplayName') { return [string]$qualifier.Value }
    }
    return ''
}
function Get-Answer($ask) {
    $wanted = @{}
    foreach ($object in $ask.objects) { $wanted[$object] = $object }
    $classes = @{}
    $list = Get-WmiObject -List -Namespace 'root\cimv2' -Class 'Win32_PerfFormattedData_*' -Amended
    foreach ($class in $list) {
        $title = Get-DisplayName $class
        if (-not $wanted.ContainsKey($title)) { continue }
        $properties = @{}
        foreach ($property in $class.Properties) {
            $counter = Get-DisplayName $property
            if ($counter -ne '') { $properties[$counter] = [string]$property.Name }
        }
        $classes[$wanted[$title]] = @{ class = [string]$class.Name; properties = $properties }
    }
    return @{ classes = $classes }
}
