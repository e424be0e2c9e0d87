# Answers one question per line, so that not every question costs a process: a number and a script that answers.
$ProgressPreference = 'SilentlyContinue'
while ($null -ne ($line = [Console]::In.ReadLine())) {
    $number, $text = $line.Trim([char]0xFEFF).Split(' ')
    try {
        $null = & ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($text))))
    } catch {
        $said = ConvertTo-Json -InputObject @{ error = [string]$_ } -Compress
        [Console]::Out.WriteLine('ORCHESTRATE:' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($said)))
    }
    $Error.Clear()
    # On a line of its own, whatever was printed before it.
    [Console]::Out.WriteLine("`nORCHESTRATE-DONE:$number.")
}
exit 0
