function Get-Answer($ask) {
    # Errors of a program are text on its output; its exit code decides, and says what the refusal is.
    $ErrorActionPreference = 'Continue'
    $said = & "$env:SystemRoot\System32\sc.exe" config $ask.service 'start=' 'delayed-auto' 2>&1 | Out-String
    return @{ ok = ($LASTEXITCODE -eq 0); code = $LASTEXITCODE; said = $said }
}
