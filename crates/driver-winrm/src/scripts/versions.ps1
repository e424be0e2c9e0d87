# The uninstall keys, and not Win32_Product: listing that one makes Windows Installer check and repair every product.
# Values are read by name: Get-ItemProperty reads all values of a key, and stops at the first malformed one of any
# program. Not verified on a real host: that a cumulative update changes DisplayVersion of each component it touches.
function Read-Value($entry, $name) {
    try { return [string]$entry.GetValue($name) } catch { throw "its $name cannot be read: $($_.Exception.Message)" }
}
function Get-Answer($ask) {
    $pattern = '*'
    if ($ask.product -eq 'lync2013') { $pattern = '*Lync Server*' }
    if ($ask.product -like 'sfb*') { $pattern = '*Skype for Business Server*' }
    $found = @{}
    $unreadable = @()
    $roots = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall',
        'HKLM:\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall'
    foreach ($root in $roots) {
        try { $key = Get-Item -LiteralPath $root } catch [Management.Automation.ItemNotFoundException] { continue }
        foreach ($name in $key.GetSubKeyNames()) {
            try {
                $entry = $key.OpenSubKey($name)
                # Gone since it was listed.
                if ($null -eq $entry) { continue }
                $title = Read-Value $entry 'DisplayName'
            } catch {
                $unreadable += "${name}: $_"
                continue
            }
            if ($title -notlike $pattern) { continue }
            try { $version = Read-Value $entry 'DisplayVersion' } catch { throw "${title}: $_" }
            if ($version) { $found[$title] = $version }
        }
    }
    # Newer updates bring a cmdlet that knows the patched version; where it exists its word counts.
    if (Get-Command Get-CsServerPatchVersion -ErrorAction SilentlyContinue) {
        foreach ($patched in Get-CsServerPatchVersion) {
            $found[[string]$patched.ComponentName] = [string]$patched.Version
        }
    }
    $components = @($found.Keys | Sort-Object | ForEach-Object { @{ name = $_; version = $found[$_] } })
    return @{ components = [object[]]$components; unreadable = [string[]]$unreadable }
}
