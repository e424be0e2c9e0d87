function Get-Answer($ask) {
    $services = @{}
    $names = New-Object System.Collections.Queue
    foreach ($name in $ask.services) { $names.Enqueue($name) }
    while ($names.Count -gt 0) {
        $name = $names.Dequeue()
        if ($services.ContainsKey($name)) { continue }
        $service = Get-Service -Name $name -ErrorAction SilentlyContinue
        if ($null -eq $service) { continue }
        $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\' + $service.Name
        $settings = Get-ItemProperty -LiteralPath $key
        $dependents = [string[]]@($service.DependentServices | ForEach-Object { $_.Name })
        $services[$name] = @{ delayed = ($settings.DelayedAutostart -eq 1); dependents = $dependents }
        foreach ($dependent in $dependents) { $names.Enqueue($dependent) }
    }
    return @{ services = $services }
}
