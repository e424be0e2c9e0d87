$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
function Write-Answer($value) {
    $json = ConvertTo-Json -InputObject $value -Depth 8 -Compress
    $bytes = [Text.Encoding]::UTF8.GetBytes($json)
    [Console]::Out.WriteLine('ORCHESTRATE:' + [Convert]::ToBase64String($bytes))
}
try {
    $json = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($request))
    Write-Answer (Get-Answer (ConvertFrom-Json -InputObject $json))
    exit 0
} catch {
    Write-Answer @{ error = [string]$_ }
    exit 1
}
