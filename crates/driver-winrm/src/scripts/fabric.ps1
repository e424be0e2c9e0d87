# The cmdlet prints text, and its warnings are part of what administrators read, so they are taken along.
function Get-Answer($ask) {
    $text = Get-CsPoolFabricState -PoolFqdn $ask.pool 3>&1 | Out-String -Width 240 -Stream
    $lines = @($text | ForEach-Object { ([string]$_).TrimEnd() } | Where-Object { $_ -ne '' } | Select-Object -First 2000)
    return @{ lines = [object[]]$lines }
}
