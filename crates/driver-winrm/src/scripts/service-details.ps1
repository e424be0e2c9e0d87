# The delayed flag is read by its name: Get-ItemProperty reads all values of a key, and stops at the first malformed one.
function Get-Answer($ask) {
    $services = @{}
    $names = New-Object System.Collections.Queue
    foreach ($name in $ask.services) { $names.Enqueue($name) }
    while ($names.Count -gt 0) {
        $name = $names.Dequeue()
        if ($services.ContainsKey($name)) { continue }
        $service = Get-Service -Name $name -ErrorAction SilentlyContinue
        if ($null -eq $service) { continue }
        $dependents = [string[]]@($service.DependentServices | ForEach-Object { $_.Name })
        $detail = @{ dependents = $dependents }
        try {
            $key = Get-Item -LiteralPath ('HKLM:\SYSTEM\CurrentControlSet\Services\' + $service.Name)
            $detail.delayed = ($key.GetValue('DelayedAutostart') -eq 1)
        } catch {
            $detail.error = "its registry key cannot be read: $($_.Exception.Message)"
        }
        $services[$name] = $detail
        foreach ($dependent in $dependents) { $names.Enqueue($dependent) }
    }
    return @{ services = $services }
}
