function Get-Answer($ask) {
    $services = @{}
    foreach ($name in $ask.services) {
        $service = Get-Service -Name $name -ErrorAction SilentlyContinue
        if ($null -eq $service) { continue }
        $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\' + $service.Name
        $settings = Get-ItemProperty -LiteralPath $key
        $dependents = [string[]]@($service.DependentServices | ForEach-Object { $_.Name })
        $services[$name] = @{ delayed = ($settings.DelayedAutostart -eq 1); dependents = $dependents }
    }
    return @{ services = $services }
}
