//! Namespaces, actions and resources of the protocol.

/// SOAP 1.2.
pub const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing.
pub const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Transfer.
pub const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// WS-Enumeration.
pub const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
/// WS-Management.
pub const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// Microsoft's additions to the header.
pub const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
/// The remote shell.
pub const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// Microsoft's fault details.
pub const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
/// XML Schema instances: `nil`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Identify.
pub const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";

/// The address that says "answer on this connection".
pub const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
/// The dialect of WMI queries.
pub const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
/// The resource of the remote shell.
pub const SHELL_RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
/// The resource of WinRM's own settings.
pub const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
/// The WMI namespace that holds services, the operating system and the performance classes.
pub const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

/// Returns the resource URI of a class in `root/cimv2`. `*` stands for any class, together with a query.
#[must_use]
pub fn cimv2(class: &str) -> String {
    format!("{CIMV2}/{class}")
}

/// Returns an action of WS-Transfer: `Get`, `Create` or `Delete`.
pub(crate) fn transfer(action: &str) -> String {
    format!("{TRANSFER}/{action}")
}

/// Returns an action of WS-Enumeration: `Enumerate`, `Pull` or `Release`.
pub(crate) fn enumeration(action: &str) -> String {
    format!("{ENUMERATION}/{action}")
}

/// Returns an action, signal or state below the shell's namespace.
pub(crate) fn shell(action: &str) -> String {
    format!("{SHELL}/{action}")
}
