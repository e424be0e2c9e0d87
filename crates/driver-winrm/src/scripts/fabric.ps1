# The cmdlet prints text, and its warnings are part of what administrators read, so they are taken along.
function Get-Answer($ask) {
    $command = Find-ProductCommand 'Get-CsPoolFabricState'
    $arguments = @{ PoolFqdn = $ask.pool }
    # In minutes: nobody listens longer.
    if ($command.Parameters.ContainsKey('QueryTimeout')) { $arguments.QueryTimeout = 1 }
    $text = & $command @arguments 3>&1 | Out-String -Width 240 -Stream
    $lines = @($text | ForEach-Object { ([string]$_).TrimEnd() } | Where-Object { $_ -ne '' } | Select-Object -First 2000)
    return @{ lines = [object[]]$lines }
}
