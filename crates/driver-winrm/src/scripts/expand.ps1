# The layout of the answer is not documented, so it is handed over as it is. Enumerations become their names, which
# ConvertTo-Json alone would turn into numbers.
function Expand-Value($value, $depth) {
    if ($null -eq $value -or $value -is [string] -or $value -is [bool]) { return $value }
    if ($value -is [enum]) { return [string]$value }
    if ($value -is [ValueType]) { return $value }
    if ($depth -le 0) { return [string]$value }
    if ($value -is [Collections.IDictionary]) {
        $copy = @{}
        foreach ($key in $value.Keys) { $copy[[string]$key] = Expand-Value $value[$key] ($depth - 1) }
        return $copy
    }
    if ($value -is [Collections.IEnumerable]) {
        return , @(foreach ($item in $value) { Expand-Value $item ($depth - 1) })
    }
    $copy = @{}
    foreach ($property in $value.PSObject.Properties) {
        try { $copy[$property.Name] = Expand-Value $property.Value ($depth - 1) } catch { $copy[$property.Name] = $null }
    }
    return $copy
}
