# Says whose the server is, with the time now, by which it is judged whether that has run out.
function Get-Answer($ask) {
    return @{ lease = (Read-Lease "$env:ProgramData\orchestrate\lease.json"); now = (Get-Seconds) }
}
