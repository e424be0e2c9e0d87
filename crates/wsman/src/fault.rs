//! SOAP faults: what a server says when it refuses.

use crate::error::Unresolved;
use crate::names::{FAULT, SOAP, WSMAN};
use crate::text::plain;
use crate::xml::{child, path, text};
use roxmltree::Node;
use std::fmt;

/// A fault as it was read. All texts are clean of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Windows' number, when the fault carries one. The number of the provider, where there is one, is the cause.
    pub code: Option<u32>,
    /// The number of the provider (WMI, the shell), when it carries one of its own.
    pub provider_code: Option<u32>,
    /// The provider that refused, when named.
    pub provider: Option<String>,
    /// The local name of the subcode, such as `TimedOut`.
    pub subcode: String,
    /// What went wrong, in the server's language: the provider's words before the service's.
    pub message: String,
    /// The last part of the fault detail, such as `UnexpectedSelectors`.
    pub detail: Option<String>,
    /// The status of the answer that carried it, where that is known.
    pub http_status: Option<u16>,
}

/// What usually is missing when the account was let in and is denied something. Windows filters the rights of local
/// accounts that come over the network, whatever groups they are in.
const MISSING_RIGHT: &str = "the account was let in and lacks a right: it has to be an administrator of the server, and \
                             a local account other than the built-in Administrator is none over the network unless \
                             LocalAccountTokenFilterPolicy is 1";

/// What a fault means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// No result within the operation timeout.
    TimedOut,
    /// The shell or command does not exist (any more).
    LostShell,
    /// Too many shells or operations of this user.
    Quota,
    /// Let in, but not allowed to do this.
    AccessDenied,
    /// No such class or instance.
    NotFound,
    /// No such program.
    FileNotFound,
    /// The query is wrong, or its class does not exist.
    BadQuery,
    /// Our request is wrong.
    Malformed,
    /// The command or shell ended under the request.
    Aborted,
    /// The enumeration is gone: it can be started over.
    LostEnumeration,
    /// Anything else.
    Other,
}

impl Fault {
    /// Returns the fault in a body, if there is one.
    ///
    /// # Errors
    /// When there is a fault without a code, which the protocol does not allow.
    pub(crate) fn read(body: Node<'_, '_>) -> Result<Option<Self>, Unresolved> {
        let Some(fault) = child(body, SOAP, "Fault") else { return Ok(None) };
        let code = child(fault, SOAP, "Code").ok_or_else(|| Unresolved::Shape("a fault without a code".to_owned()))?;
        let subcode = path(code, &[(SOAP, "Subcode"), (SOAP, "Value")]).map(text).unwrap_or_default();
        let reason = path(fault, &[(SOAP, "Reason"), (SOAP, "Text")]).map(text).unwrap_or_default();
        let mut read = Self {
            code: None,
            provider_code: None,
            provider: None,
            subcode: plain(subcode.rsplit(':').next().unwrap_or_default()),
            message: plain(&reason),
            detail: None,
            http_status: None,
        };
        if let Some(detail) = child(fault, SOAP, "Detail") {
            read.read_detail(detail);
        }
        Ok(Some(read))
    }

    fn read_detail(&mut self, detail: Node<'_, '_>) {
        if let Some(uri) = child(detail, WSMAN, "FaultDetail").map(text) {
            self.detail = uri.rsplit('/').next().map(plain);
        }
        if let Some(outer) = child(detail, FAULT, "WSManFault") {
            self.code = number(outer.attribute("Code"));
            let message = child(outer, FAULT, "Message");
            if let Some(provider) = message.and_then(|message| child(message, FAULT, "ProviderFault")) {
                self.read_provider(provider);
            } else if let Some(message) = message.map(text).filter(|message| !message.is_empty()) {
                self.message = plain(&message);
            }
        }
        // The class URI of this form differs between releases, so only its local name is looked at.
        let cim = detail.children().find(|child| child.tag_name().name() == "MSFT_WmiError");
        if let Some(error) = cim {
            let part = |name: &str| error.children().find(|child| child.tag_name().name() == name).map(text);
            self.code = number(part("error_Code").as_deref());
            if let Some(message) = part("Message").filter(|message| !message.is_empty()) {
                self.message = plain(&message);
            }
        }
    }

    fn read_provider(&mut self, provider: Node<'_, '_>) {
        self.provider = provider.attribute("provider").map(plain);
        let said = match child(provider, FAULT, "WSManFault") {
            Some(inner) => {
                self.provider_code = number(inner.attribute("Code"));
                child(inner, FAULT, "Message").map(text)
            }
            None => Some(text(provider)),
        };
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            self.message = plain(&said);
        }
    }

    /// Returns what the fault means.
    #[must_use]
    pub fn class(&self) -> FaultClass {
        let cause = self.provider_code.or(self.code).and_then(by_code);
        cause.or_else(|| self.code.and_then(by_code)).unwrap_or(match self.subcode.as_str() {
            "TimedOut" => FaultClass::TimedOut,
            "AccessDenied" => FaultClass::AccessDenied,
            "QuotaLimit" => FaultClass::Quota,
            "DestinationUnreachable" => FaultClass::NotFound,
            "CannotProcessFilter" => FaultClass::BadQuery,
            "InvalidEnumerationContext" => FaultClass::LostEnumeration,
            "SchemaValidationError" | "ActionNotSupported" => FaultClass::Malformed,
            _ => FaultClass::Other,
        })
    }
}

fn by_code(code: u32) -> Option<FaultClass> {
    Some(match code {
        2_150_858_793 => FaultClass::TimedOut,
        2_150_858_843 => FaultClass::LostShell,
        // The last two: WMI's own quota, and too little memory for one more.
        2_150_859_173 | 2_150_859_174 | 0x8004_106C | 0x8004_1006 | 0x8007_000E => FaultClass::Quota,
        2_150_858_778 => FaultClass::BadQuery,
        2_150_858_817 => FaultClass::Malformed,
        // 5 as such, as HRESULT, and as WMI says it.
        5 | 0x8007_0005 | 0x8004_1003 => FaultClass::AccessDenied,
        // WBEM_E_NOT_FOUND.
        0x8004_1002 => FaultClass::NotFound,
        0x8007_0002 => FaultClass::FileNotFound,
        995 => FaultClass::Aborted,
        _ => return None,
    })
}

fn number(text: Option<&str>) -> Option<u32> {
    text.and_then(|text| text.trim().parse().ok())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.http_status {
            write!(f, "HTTP {status}, ")?;
        }
        let subcode = if self.subcode.is_empty() { "fault" } else { &self.subcode };
        write!(f, "{subcode}: {}", if self.message.is_empty() { "no text" } else { &self.message })?;
        if let Some(code) = self.provider_code.or(self.code) {
            write!(f, " (code {code}, 0x{code:08X})")?;
        }
        if let Some(provider) = &self.provider {
            write!(f, " [{provider}]")?;
        }
        match self.class() {
            FaultClass::AccessDenied => write!(f, "; {MISSING_RIGHT}"),
            FaultClass::TimedOut
            | FaultClass::LostShell
            | FaultClass::Quota
            | FaultClass::NotFound
            | FaultClass::FileNotFound
            | FaultClass::BadQuery
            | FaultClass::Malformed
            | FaultClass::Aborted
            | FaultClass::LostEnumeration
            | FaultClass::Other => Ok(()),
        }
    }
}
