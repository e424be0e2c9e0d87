# Gives the lease of this server back, if it is the one of whoever asks.
function Get-Answer($ask) {
    $folder = "$env:ProgramData\orchestrate"
    if (-not [IO.File]::Exists("$folder\lease.json")) { return @{ result = 'free' } }
    try {
        $lock = [IO.File]::Open("$folder\lease.lock", 'OpenOrCreate', 'ReadWrite', 'None')
    } catch [IO.IOException] {
        return @{ result = 'busy' }
    }
    try {
        $found = Read-Lease "$folder\lease.json"
        if ($null -ne $found -and $found.keeper -ne $ask.keeper) { return @{ result = 'taken' } }
        [IO.File]::Delete("$folder\lease.json")
        return @{ result = 'free' }
    } finally {
        $lock.Close()
    }
}
