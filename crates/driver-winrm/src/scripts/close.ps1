$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
function Write-Answer($value) {
    $json = ConvertTo-Json -InputObject $value -Depth 8 -Compress
    $bytes = [Text.Encoding]::UTF8.GetBytes($json)
    $mark = 'ORCHESTRATE:'
    if ($bytes.Length -gt 1000) {
        # A long answer is made short: what fits into the buffer of a pipe is one request of whoever listens.
        $stream = New-Object IO.MemoryStream
        $deflate = New-Object IO.Compression.DeflateStream $stream, ([IO.Compression.CompressionMode]::Compress)
        $deflate.Write($bytes, 0, $bytes.Length)
        $deflate.Close()
        $bytes = $stream.ToArray()
        $mark = 'ORCHESTRATE:!'
    }
    [Console]::Out.WriteLine($mark + [Convert]::ToBase64String($bytes))
}
# What says in every language what kind of error it is. HResult can be read by itself only since .NET 4.5.
function Get-Causes($problem) {
    $e = $problem.Exception
    for ($depth = 0; $e -and $depth -lt 9; $depth++) {
        $code = [Runtime.InteropServices.Marshal]::GetHRForException($e)
        @{ kind = $e.GetType().FullName; code = $code; number = ($e.Number -as [int]); text = $e.Message }
        $e = $e.InnerException
    }
}
try {
    $json = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($request))
    Write-Answer (Get-Answer (ConvertFrom-Json -InputObject $json))
    exit 0
} catch {
    Write-Answer @{ error = [string]$_; causes = [object[]]@(Get-Causes $_) }
    exit 1
}
