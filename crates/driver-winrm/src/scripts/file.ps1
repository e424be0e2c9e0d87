# Says which file is at a path, by its hash. Opened so that others can read, write and delete it meanwhile.
function Get-Answer($ask) {
    if (-not [IO.File]::Exists($ask.path)) { return @{ sha256 = $null } }
    $file = [IO.File]::Open($ask.path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        # SHA256.Create() is refused on older releases where only validated cryptography is allowed.
        $hash = (New-Object Security.Cryptography.SHA256CryptoServiceProvider).ComputeHash($file)
    } finally {
        $file.Close()
    }
    return @{ sha256 = [BitConverter]::ToString($hash).Replace('-', '').ToLowerInvariant() }
}
