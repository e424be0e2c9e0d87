# Says what a maintenance needs to know of this server and of the account on it. Every part answers for itself: what
# cannot be asked is an error of its own, and costs the others nothing. Nothing is changed.
# Since 3.0: everything here. Not verified on a real host: the event and the value that say since when a restart is due.
function Invoke-Program($program, $arguments) {
    # Errors of a program are text on its output; its exit code decides.
    $ErrorActionPreference = 'Continue'
    $said = & "$env:SystemRoot\System32\$program" @arguments 2>&1 | Out-String
    if ($LASTEXITCODE -ne 0) { throw "$program ended with ${LASTEXITCODE}: $said" }
    return $said
}
function Get-FileFacts($path) {
    if (-not [IO.File]::Exists($path)) { return @{ exists = $false } }
    $facts = @{ exists = $true; encrypted = (([int][IO.File]::GetAttributes($path) -band 16384) -ne 0) }
    $facts.rules = Get-Part { (Get-Acl -LiteralPath $path).Sddl }
    $facts.drive = Get-Part { [string](New-Object IO.DriveInfo $path.Substring(0, 1)).DriveType }
    return $facts
}
function Get-Answer($ask) {
    $services = @{}
    foreach ($name in $ask.services) { $services[$name] = Get-Part { Invoke-Program 'sc.exe' @('sdshow', $name) } }
    $answer = @{
        powershell = [string]$PSVersionTable.PSVersion
        whoami = Get-Part { Invoke-Program 'whoami.exe' @('/all', '/fo', 'csv', '/nh') }
        services = $services
        scheduler = Get-Part {
            $scheduler = New-Object -ComObject Schedule.Service
            $scheduler.Connect()
            [string]$scheduler.GetFolder('\').Path
        }
        temp = Get-Part { [string](Read-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'TEMP') }
        drive = Get-Part { [string]$env:SystemDrive }
        servicing = Get-Part { Get-Servicing }
        windowsUpdate = Get-Part { Get-WindowsUpdate }
        fileRenames = Get-Part { Get-FileRenames }
        computerRename = Get-Part { Get-ComputerRename }
    }
    if ($ask.file) { $answer.file = Get-Part { Get-FileFacts $ask.file } }
    return $answer
}
