# The uninstall keys, and not Win32_Product: listing that one makes Windows Installer check and repair every product.
# Not verified on a real host: that a cumulative update changes DisplayVersion of each component it touches.
function Get-Answer($ask) {
    $pattern = '*'
    if ($ask.product -eq 'lync2013') { $pattern = '*Lync Server*' }
    if ($ask.product -like 'sfb*') { $pattern = '*Skype for Business Server*' }
    $found = @{}
    $keys = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*',
        'HKLM:\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall\*'
    foreach ($entry in Get-ItemProperty -Path $keys -ErrorAction SilentlyContinue) {
        if ($entry.DisplayName -like $pattern -and $entry.DisplayVersion) {
            $found[[string]$entry.DisplayName] = [string]$entry.DisplayVersion
        }
    }
    # Newer updates bring a cmdlet that knows the patched version; where it exists its word counts.
    if (Get-Command Get-CsServerPatchVersion -ErrorAction SilentlyContinue) {
        foreach ($patched in Get-CsServerPatchVersion) {
            $found[[string]$patched.ComponentName] = [string]$patched.Version
        }
    }
    $components = @($found.Keys | Sort-Object | ForEach-Object { @{ name = $_; version = $found[$_] } })
    return @{ components = [object[]]$components }
}
