# Answers a line of questions, each a number and a script that answers, so that not every question costs a process. What they
# print is held back and written at once: each piece that is written is a request of whoever listens.
$ProgressPreference = 'SilentlyContinue'
$stdout = [Console]::OpenStandardOutput()
while ($null -ne ($line = [Console]::In.ReadLine())) {
    $words = $line.Trim([char]0xFEFF).Split(' ')
    $said = New-Object IO.StringWriter
    [Console]::SetOut($said)
    for ($word = 0; $word -lt $words.Length - 1; $word += 2) {
        $text = $words[$word + 1]
        try {
            $null = & ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($text))))
        } catch {
            $problem = ConvertTo-Json -InputObject @{ error = [string]$_ } -Compress
            $problem = [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($problem))
            [Console]::Out.WriteLine('ORCHESTRATE:' + $problem)
        }
        $Error.Clear()
        # On a line of its own, whatever was printed before it.
        [Console]::Out.WriteLine("`nORCHESTRATE-DONE:$($words[$word]).")
    }
    # Answers are ASCII. What a module prints besides is not read.
    $bytes = [Text.Encoding]::ASCII.GetBytes($said.ToString())
    $stdout.Write($bytes, 0, $bytes.Length)
    $stdout.Flush()
}
exit 0
