function Get-Answer($ask) {
    $command = Find-ProductCommand 'Get-CsPoolUpgradeReadinessState', 'Get-CsUpgradeDomainInfo'
    $arguments = @{}
    # Both answer for the pool of this server; whether they take its name differs between releases.
    if ($command.Parameters.ContainsKey('PoolFqdn')) { $arguments.PoolFqdn = $ask.pool }
    # The older one waits until every replica is built. It is left to do so: an answer without that proves too little,
    # and whoever asks takes silence for a pool that is busy. The newer one gives up after so many minutes.
    if ($command.Parameters.ContainsKey('QueryTimeout')) { $arguments.QueryTimeout = 1 }
    $state = & $command @arguments
    return @{ answer = (Expand-Value $state 5) }
}
