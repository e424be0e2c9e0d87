//! SOAP faults in the shapes that Windows gives them.

use super::envelope::new_id;
use super::names::{
    ANONYMOUS, NS_ADDRESSING, NS_CIM, NS_ENUMERATION, NS_EVENTING, NS_FAULT, NS_SOAP, NS_TRANSFER, NS_WSMAN,
    NS_WSMAN_MS, NS_XSI,
};
use super::xml::escape;

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    receiver: bool,
    subcode: &'static str,
    code: u32,
    reason: String,
    /// The text inside the detail, where it differs from the reason.
    message: Option<String>,
    /// The finer reason.
    detail: Option<&'static str>,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// The number is WS-Management's own.
    Plain,
    /// The shell plug-in refused.
    ShellPlugin,
    /// The WMI provider refused a query.
    Wmi { query: String },
    /// The number stands in `MSFT_WmiError`.
    WmiError,
}

const DETAIL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/";

impl Fault {
    fn new(subcode: &'static str, code: u32, reason: &str) -> Self {
        let reason = format!("{reason} ");
        Self { receiver: false, subcode, code, reason, message: None, detail: None, shape: Shape::Plain }
    }

    fn receiver(self) -> Self {
        Self { receiver: true, ..self }
    }

    fn with_detail(self, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    fn with_message(self, message: &str) -> Self {
        Self { message: Some(format!("{message} ")), ..self }
    }

    /// The request is no XML, or not of the shape that the operation needs.
    pub(crate) fn schema(why: &str) -> Self {
        Self::new(
            "w:SchemaValidationError",
            2_150_858_817,
            "The SOAP XML in the message does not match the corresponding XML schema definition. Change the XML and \
             retry.",
        )
        .with_message(why)
    }

    /// A header that every request needs is missing.
    pub(super) fn header_required(name: &str) -> Self {
        let text = "The WS-Management service cannot process the request. A required WS-Addressing header is missing:";
        Self::new("a:MessageInformationHeaderRequired", 2_150_858_769, &format!("{text} {name}."))
    }

    /// A header that must be understood is not.
    pub(super) fn not_understood(name: &str) -> Self {
        let text = "The WS-Management service cannot process a SOAP header in the request that is marked as \
                    mustUnderstand by the client:";
        Self::new("s:MustUnderstand", 2_150_858_768, &format!("{text} {name}."))
    }

    /// A locale that must be understood.
    pub(super) fn locale() -> Self {
        Self::new(
            "w:UnsupportedFeature",
            2_150_858_887,
            "The WS-Management service does not support the mustUnderstand attribute on the Locale header.",
        )
        .with_detail("Locale")
    }

    /// The answer may be no larger than what no answer fits into.
    pub(super) fn envelope_limit() -> Self {
        Self::new(
            "w:EncodingLimit",
            2_150_858_878,
            "The WS-Management service cannot process the request. The MaxEnvelopeSize is below the minimum of 8192.",
        )
        .with_detail("MinimumEnvelopeLimit")
    }

    /// The answer would have to go somewhere else.
    pub(super) fn addressing_mode() -> Self {
        Self::new(
            "w:UnsupportedFeature",
            2_150_858_870,
            "The WS-Management service supports answers to the anonymous address only.",
        )
        .with_detail("AddressingMode")
    }

    /// The action is none that the resource has.
    pub(super) fn action_not_supported(action: &str) -> Self {
        let text = "The WS-Management service cannot process the request. The WS-Addressing action URI is not \
                    supported:";
        Self::new("a:ActionNotSupported", 2_150_858_753, &format!("{text} {action}."))
    }

    /// There is no such resource, class or instance.
    pub(super) fn no_such_resource(resource: &str) -> Self {
        Self::new(
            "a:DestinationUnreachable",
            2_150_858_752,
            "The WS-Management service cannot process the request. The service cannot find the resource identified by \
             the resource URI and selectors.",
        )
        .with_message(&format!("There is no {resource}."))
    }

    /// The resource URI is missing.
    pub(super) fn no_resource_uri() -> Self {
        Self::new(
            "a:DestinationUnreachable",
            2_150_858_811,
            "The WS-Management service cannot process the request. The resource URI is missing or it has an incorrect \
             format.",
        )
        .with_detail("InvalidResourceURI")
    }

    /// Selectors that the resource needs are missing.
    pub(super) fn too_few_selectors() -> Self {
        Self::selectors(2_150_858_842, "The request lacks selectors that the resource needs.")
            .with_detail("InsufficientSelectors")
    }

    /// Selectors that the resource does not have.
    pub(super) fn unexpected_selectors() -> Self {
        Self::selectors(2_150_858_843, "The request has selectors that the resource does not have.")
            .with_detail("UnexpectedSelectors")
    }

    /// The shell does not exist, or does not any more.
    pub(super) fn no_such_shell() -> Self {
        Self::selectors(
            2_150_858_843,
            "The request for the Windows Remote Shell with this ShellId failed because the shell was not found on the \
             server.",
        )
        .with_detail("UnexpectedSelectors")
    }

    /// The command does not exist, or does not any more.
    pub(super) fn no_such_command() -> Self {
        Self::selectors(
            2_150_858_843,
            "The Windows Remote Shell received a request to perform an operation on a command identifier that does not \
             exist.",
        )
        .with_detail("UnexpectedSelectors")
    }

    fn selectors(code: u32, message: &str) -> Self {
        Self::new(
            "w:InvalidSelectors",
            code,
            "The WS-Management service cannot process the request because the request contained invalid selectors for \
             the resource.",
        )
        .with_message(message)
    }

    /// Nothing came within the time that the request allowed.
    pub(super) fn timed_out() -> Self {
        Self::new(
            "w:TimedOut",
            2_150_858_793,
            "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
        )
        .receiver()
    }

    /// The query is wrong.
    pub(super) fn filter(query: &str, why: &str) -> Self {
        let fault = Self::new(
            "n:CannotProcessFilter",
            2_150_858_778,
            "The data source could not process the filter. The filter might be missing or it might be invalid. Change \
             the filter and try the request again.",
        )
        .with_message(why);
        Self { shape: Shape::Wmi { query: query.to_owned() }, ..fault }
    }

    /// The dialect of the filter is not WQL.
    pub(super) fn dialect() -> Self {
        Self::new(
            "n:FilterDialectRequestedUnavailable",
            2_150_858_777,
            "The WS-Management service does not support the requested filter dialect.",
        )
    }

    /// The enumeration does not exist, or does not any more.
    pub(super) fn no_such_context() -> Self {
        Self::new(
            "n:InvalidEnumerationContext",
            2_150_858_779,
            "The WS-Management service cannot process the request because the enumeration context is not valid.",
        )
        .receiver()
    }

    /// Too many shells.
    pub(crate) fn too_many_shells() -> Self {
        let fault = Self::new(
            "w:QuotaLimit",
            2_150_859_173,
            "The WS-Management service cannot process the request. The maximum number of concurrent shells for this \
             user has been exceeded. Close existing shells or raise the quota for this user.",
        );
        Self { shape: Shape::WmiError, ..fault }
    }

    /// Too many commands that nobody has acknowledged.
    pub(super) fn too_many_commands() -> Self {
        Self::new(
            "w:QuotaLimit",
            2_150_859_174,
            "The WS-Management service cannot process the request. The maximum number of concurrent operations for this \
             user has been exceeded. Close existing operations for this user, or raise the quota for this user.",
        )
    }

    /// Known, but not allowed to.
    pub(crate) fn access_denied() -> Self {
        Self::new("w:AccessDenied", 5, "Access is denied.")
    }

    /// The program is not there.
    pub(super) fn no_such_file() -> Self {
        let fault = Self::new("w:InternalError", 2_147_942_402, "The system cannot find the file specified.");
        Self { shape: Shape::ShellPlugin, ..fault.receiver() }
    }

    /// A parameter is wrong.
    pub(super) fn parameter() -> Self {
        let fault = Self::new("w:InvalidParameter", 87, "The parameter is incorrect.").with_detail("InvalidValue");
        Self { shape: Shape::ShellPlugin, ..fault }
    }

    /// Returns the whole answer that carries the fault.
    pub(crate) fn envelope(&self, relates_to: &str, machine: &str) -> String {
        let action = match self.subcode.split(':').next() {
            Some("n") => format!("{NS_ENUMERATION}/fault"),
            Some("a") => format!("{NS_ADDRESSING}/fault"),
            _ => "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault".to_owned(),
        };
        let relates = match relates_to {
            "" => String::new(),
            id => format!("<a:RelatesTo>{}</a:RelatesTo>", escape(id)),
        };
        let side = if self.receiver { "s:Receiver" } else { "s:Sender" };
        let detail = self.detail.map(|uri| format!("<w:FaultDetail>{DETAIL}{uri}</w:FaultDetail>")).unwrap_or_default();
        format!(
            "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"{NS_SOAP}\" xmlns:a=\"{NS_ADDRESSING}\" xmlns:x=\"{NS_TRANSFER}\" \
             xmlns:e=\"{NS_EVENTING}\" xmlns:n=\"{NS_ENUMERATION}\" xmlns:w=\"{NS_WSMAN}\" xmlns:p=\"{NS_WSMAN_MS}\">\
             <s:Header><a:Action>{action}</a:Action><a:MessageID>{}</a:MessageID><a:To>{ANONYMOUS}</a:To>{relates}\
             </s:Header><s:Body><s:Fault><s:Code><s:Value>{side}</s:Value><s:Subcode><s:Value>{}</s:Value></s:Subcode>\
             </s:Code><s:Reason><s:Text xml:lang=\"en-US\">{}</s:Text></s:Reason><s:Detail>{detail}{}</s:Detail>\
             </s:Fault></s:Body></s:Envelope>",
            new_id(),
            self.subcode,
            escape(&self.reason),
            self.body(machine)
        )
    }

    fn body(&self, machine: &str) -> String {
        let code = self.code;
        let machine = escape(machine);
        let message = escape(self.message.as_deref().unwrap_or(&self.reason));
        let open = format!("<f:WSManFault xmlns:f=\"{NS_FAULT}\" Code=\"{code}\" Machine=\"{machine}\">");
        match &self.shape {
            Shape::Plain => format!("{open}<f:Message>{message}</f:Message></f:WSManFault>"),
            Shape::ShellPlugin => format!(
                "{open}<f:Message><f:ProviderFault provider=\"Shell cmd plugin\" \
                 path=\"%systemroot%\\system32\\winrscmd.dll\">{message}</f:ProviderFault></f:Message></f:WSManFault>"
            ),
            Shape::Wmi { query } => format!(
                "{open}<f:Message><f:ProviderFault provider=\"WMI Provider\" \
                 path=\"%systemroot%\\system32\\WsmWmiPl.dll\">{open}<f:Message>{message}</f:Message></f:WSManFault>\
                 <f:ExtendedError><p:__ExtendedStatus xmlns:xsi=\"{NS_XSI}\" \
                 xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/__ExtendedStatus\" \
                 xmlns:cim=\"{NS_CIM}\" xsi:type=\"p:__ExtendedStatus_Type\"><p:Description xsi:nil=\"true\"/>\
                 <p:Operation>ExecQuery</p:Operation><p:ParameterInfo>{}</p:ParameterInfo>\
                 <p:ProviderName>WinMgmt</p:ProviderName><p:StatusCode xsi:nil=\"true\"/></p:__ExtendedStatus>\
                 </f:ExtendedError></f:ProviderFault></f:Message></f:WSManFault>",
                escape(query)
            ),
            Shape::WmiError => format!(
                "<p:MSFT_WmiError b:IsCIM_Error=\"true\" xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\" \
                 xmlns:cim=\"{NS_CIM}\" xmlns:p=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError\" \
                 xsi:type=\"p:MSFT_WmiError_Type\" xmlns:xsi=\"{NS_XSI}\">\
                 <p:CIMStatusCode xsi:type=\"cim:cimUnsignedInt\">27</p:CIMStatusCode>\
                 <p:ErrorSource xsi:nil=\"true\" xsi:type=\"cim:cimString\"/>\
                 <p:Message xsi:type=\"cim:cimString\">{message}</p:Message>\
                 <p:MessageID xsi:type=\"cim:cimString\">HRESULT {code:#x}</p:MessageID>\
                 <p:error_Category xsi:type=\"cim:cimUnsignedInt\">30</p:error_Category>\
                 <p:error_Code xsi:type=\"cim:cimUnsignedInt\">{code}</p:error_Code>\
                 <p:error_Type xsi:type=\"cim:cimString\">HRESULT</p:error_Type>\
                 <p:error_WindowsErrorMessage xsi:type=\"cim:cimString\">{message}</p:error_WindowsErrorMessage>\
                 </p:MSFT_WmiError>"
            ),
        }
    }
}
