# The time in seconds since 1970. All times of a lease are those of this clock, whoever asks.
function Get-Seconds { return [long][Math]::Floor(([DateTime]::UtcNow - (New-Object DateTime 1970, 1, 1)).TotalSeconds) }
# Opened so that it can be replaced meanwhile.
function Read-Lease($path) {
    if (-not [IO.File]::Exists($path)) { return $null }
    $file = [IO.File]::Open($path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
        $text = (New-Object IO.StreamReader $file).ReadToEnd()
    } finally {
        $file.Close()
    }
    $lease = ConvertFrom-Json -InputObject $text
    if (-not $lease.keeper -or -not $lease.untilSeconds) { throw "$path does not say whose the server is" }
    return $lease
}
