# Says which file is at a path, by its hash. Opened so that others can read, write and delete it meanwhile.
function Get-Answer($ask) {
    if (-not [IO.File]::Exists($ask.path)) { return @{ sha256 = $null } }
    $file = [IO.File]::Open($ask.path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        $hash = [Security.Cryptography.SHA256]::Create().ComputeHash($file)
    } finally {
        $file.Close()
    }
    return @{ sha256 = [BitConverter]::ToString($hash).Replace('-', '').ToLowerInvariant() }
}
