# Takes the lease of this server or renews it: compared and set while nobody else can do so.
function Write-Lease($folder, $ask, $until) {
    # The format u is the same in every culture; one that is spelled out has the years of the culture's own calendar.
    $lease = @{
        keeper = $ask.keeper; user = $ask.user; host = $ask.host; run = $ask.run; untilSeconds = $until
        until = (New-Object DateTime 1970, 1, 1).AddSeconds($until).ToString('u')
    }
    $bytes = [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json -InputObject $lease -Compress))
    $file = [IO.File]::Open("$folder\lease.new", 'Create', 'Write', 'None')
    try {
        $file.Write($bytes, 0, $bytes.Length)
        $file.Flush($true)
    } finally {
        $file.Close()
    }
    # It is there in full or not at all.
    if ([IO.File]::Exists("$folder\lease.json")) {
        [IO.File]::Replace("$folder\lease.new", "$folder\lease.json", [NullString]::Value)
    } else {
        [IO.File]::Move("$folder\lease.new", "$folder\lease.json")
    }
}
function Get-Answer($ask) {
    $folder = "$env:ProgramData\orchestrate"
    New-ClosedFolder $folder
    # Shared with nobody: whoever has it open is alone with the lease, and the system closes it with its process.
    try {
        $lock = [IO.File]::Open("$folder\lease.lock", 'OpenOrCreate', 'ReadWrite', 'None')
    } catch [IO.IOException] {
        return @{ result = 'busy' }
    }
    try {
        $now = Get-Seconds
        $until = $now + [long]$ask.seconds
        $from = $null
        $found = Read-Lease "$folder\lease.json"
        if ($null -ne $found -and $found.keeper -ne $ask.keeper) {
            if ([long]$found.untilSeconds -gt $now) { return @{ result = 'taken'; lease = $found } }
            $from = $found
        } elseif ($null -ne $found) {
            # What is ours is never shortened.
            $until = [Math]::Max($until, [long]$found.untilSeconds)
        }
        Write-Lease $folder $ask $until
        return @{ result = 'ours'; lease = $from }
    } finally {
        $lock.Close()
    }
}
