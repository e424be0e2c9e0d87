//! Names that the protocol fixes.

pub(super) const NS_SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const NS_ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
pub(super) const NS_TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
pub(super) const NS_ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
pub(super) const NS_EVENTING: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing";
pub(super) const NS_WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
pub(super) const NS_WSMAN_MS: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
pub(super) const NS_SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
pub(super) const NS_FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
pub(super) const NS_CIM: &str = "http://schemas.dmtf.org/wbem/wscim/1/common";
pub(super) const NS_XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
pub(super) const NS_IDENTIFY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
pub(super) const NS_XML: &str = "http://www.w3.org/XML/1998/namespace";

pub(super) const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
pub(super) const ACTION_GET: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
pub(super) const ACTION_CREATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create";
pub(super) const ACTION_DELETE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete";
pub(super) const ACTION_ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
pub(super) const ACTION_PULL: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull";
pub(super) const ACTION_RELEASE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Release";

pub(super) const SHELL_CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
pub(super) const SHELL_ACTION: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/";
pub(super) const COMMAND_STATE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/";
pub(super) const WMI_CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/";
pub(super) const DIALECT_WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
