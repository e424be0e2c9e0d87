# Sets or clears the delayed flag of an automatic service.
function Get-Answer($ask) {
    $start = 'auto'
    if ($ask.delayed) { $start = 'delayed-auto' }
    # Errors of a program are text on its output; its exit code decides, and says what the refusal is.
    $ErrorActionPreference = 'Continue'
    $said = & "$env:SystemRoot\System32\sc.exe" config $ask.service 'start=' $start 2>&1 | Out-String
    $answer = @{ ok = ($LASTEXITCODE -eq 0); code = $LASTEXITCODE; said = $said }
    try {
        $key = Get-Item -LiteralPath ('HKLM:\SYSTEM\CurrentControlSet\Services\' + $ask.service) -ErrorAction Stop
        $answer.delayed = ($key.GetValue('DelayedAutostart') -eq 1)
    } catch {
        # Whoever asks reads it in another way.
        $answer.delayed = $null
    }
    return $answer
}
