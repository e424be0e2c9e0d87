# The folder holds what SYSTEM will run, and whose the server is, so nobody but administrators and SYSTEM may own it or write into it.
function New-ClosedFolder($path) {
    $rules = New-Object Security.AccessControl.DirectorySecurity
    $rules.SetSecurityDescriptorSddlForm('O:BAG:SYD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)')
    $folder = [IO.Directory]::CreateDirectory($path, $rules)
    $owner = $folder.GetAccessControl().GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ($owner -ne 'S-1-5-32-544' -and $owner -ne 'S-1-5-18') { throw "$path belongs to $owner" }
    $folder.SetAccessControl($rules)
}
