function Get-Answer($ask) {
    # Errors of a program are text on its output; its exit code decides.
    $ErrorActionPreference = 'Continue'
    $said = & "$env:SystemRoot\System32\sc.exe" config $ask.service 'start=' 'delayed-auto' 2>&1 | Out-String
    if ($LASTEXITCODE -ne 0) { throw "sc.exe config ended with $LASTEXITCODE`: $said" }
    return @{ ok = $true }
}
