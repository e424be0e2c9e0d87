# Says what would make an installer fail on this server, whatever it installs. Nothing is changed.
function Get-Answer($ask) {
    return @{
        temp = Get-Part { [string](Read-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'TEMP') }
        drive = Get-Part { [string]$env:SystemDrive }
        servicing = Get-Part { Get-Servicing }
        windowsUpdate = Get-Part { Get-WindowsUpdate }
        fileRenames = Get-Part { Get-FileRenames }
        computerRename = Get-Part { Get-ComputerRename }
    }
}
