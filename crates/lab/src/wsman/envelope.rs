//! Requests as they come in, and the envelope of answers.

use super::fault::Fault;
use super::names::{
    ANONYMOUS, NS_ADDRESSING, NS_ENUMERATION, NS_IDENTIFY, NS_SHELL, NS_SOAP, NS_TRANSFER, NS_WSMAN, NS_WSMAN_MS,
};
use super::xml::{Element, escape, parse};
use super::{Caller, LONGEST_WAIT};
use crate::world::LabServer;
use jiff::SignedDuration;
use uuid::Uuid;

/// The smallest answer that a client may ask for.
const SMALLEST_ENVELOPE: usize = 8192;

/// The largest answer when the client does not say.
const USUAL_ENVELOPE: usize = 153_600;

/// The largest answer, whatever the client says.
const LARGEST_ENVELOPE: usize = 512_000;

/// A request, taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) action: String,
    pub(crate) message_id: String,
    pub(crate) resource: String,
    header: Element,
    body: Element,
}

impl Request {
    /// Takes a message apart.
    ///
    /// # Errors
    /// The fault for a message that is no envelope.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let root = parse(text).map_err(|why| Fault::schema(&why))?;
        if !root.is(NS_SOAP, "Envelope") {
            return Err(Fault::schema("The root element is not a SOAP 1.2 envelope."));
        }
        let body = root.child(NS_SOAP, "Body").cloned();
        let body = body.ok_or_else(|| Fault::schema("The envelope has no body."))?;
        let header = root.child(NS_SOAP, "Header").cloned().unwrap_or_default();
        let text =
            |namespace, name| header.child(namespace, name).map(|found| found.text().to_owned()).unwrap_or_default();
        let action = text(NS_ADDRESSING, "Action");
        let message_id = text(NS_ADDRESSING, "MessageID");
        let resource = text(NS_WSMAN, "ResourceURI");
        Ok(Self { action, message_id, resource, header, body })
    }

    /// Returns whether the request only asks who is there.
    pub(crate) fn is_identify(&self) -> bool {
        self.body.child(NS_IDENTIFY, "Identify").is_some()
    }

    /// Checks the header.
    ///
    /// # Errors
    /// The fault for the first thing that is wrong with it.
    pub(super) fn check(&self) -> Result<(), Fault> {
        for name in ["To", "Action", "MessageID", "ReplyTo"] {
            let found = self.header.child(NS_ADDRESSING, name);
            if found.is_none_or(|element| element.text().is_empty() && element.children.is_empty()) {
                return Err(Fault::header_required(name));
            }
        }
        let reply_to = self.header.child(NS_ADDRESSING, "ReplyTo");
        let address = reply_to.and_then(|reply_to| reply_to.child(NS_ADDRESSING, "Address")).map(Element::text);
        if address != Some(ANONYMOUS) {
            return Err(Fault::addressing_mode());
        }
        for header in &self.header.children {
            let must = matches!(header.attribute_in(NS_SOAP, "mustUnderstand"), Some("true" | "1"));
            let locale = matches!(header.name.as_str(), "Locale" | "DataLocale");
            let known = known_headers(&header.namespace).contains(&header.name.as_str());
            match (must, known) {
                (true, true) if locale => return Err(Fault::locale()),
                (true, false) => return Err(Fault::not_understood(&header.name)),
                (true, true) | (false, _) => {}
            }
        }
        if self.resource.is_empty() {
            return Err(Fault::no_resource_uri());
        }
        match self.stated_envelope()? {
            Some(size) if size < SMALLEST_ENVELOPE => Err(Fault::envelope_limit()),
            Some(_) | None => Ok(()),
        }
    }

    fn stated_envelope(&self) -> Result<Option<usize>, Fault> {
        let stated = self.header.child(NS_WSMAN, "MaxEnvelopeSize").map(|size| size.text().trim().parse());
        stated.transpose().map_err(|_not_a_number| Fault::schema("MaxEnvelopeSize is not a number."))
    }

    /// Returns the largest answer in bytes; the server counts two for a character.
    pub(super) fn largest_answer(&self) -> usize {
        self.stated_envelope().ok().flatten().unwrap_or(USUAL_ENVELOPE).min(LARGEST_ENVELOPE)
    }

    /// Returns how long the client is ready to wait.
    pub(super) fn patience(&self) -> SignedDuration {
        let stated = self.header.child(NS_WSMAN, "OperationTimeout").map(Element::text);
        let stated = stated.and_then(|text| text.parse::<SignedDuration>().ok());
        stated.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }

    /// Returns the selectors.
    pub(super) fn selectors(&self) -> Vec<(String, String)> {
        self.named(NS_WSMAN, "SelectorSet", "Selector")
    }

    /// Returns the value of a selector. Names of selectors have no case.
    pub(super) fn selector(&self, name: &str) -> Option<String> {
        let mut found = self.selectors().into_iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    /// Returns the value of an option.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        let options = self.named(NS_WSMAN, "OptionSet", "Option");
        options.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn named(&self, namespace: &str, set: &str, item: &str) -> Vec<(String, String)> {
        let Some(set) = self.header.child(namespace, set) else { return Vec::new() };
        let items = set.children.iter().filter(|child| child.is(namespace, item));
        items.map(|item| (item.attribute("Name").unwrap_or_default().to_owned(), item.text().to_owned())).collect()
    }

    /// Returns the element in the body, which has to be of this kind.
    ///
    /// # Errors
    /// The fault for a body of another kind.
    pub(super) fn body(&self, namespace: &str, name: &str) -> Result<&Element, Fault> {
        let found = self.body.child(namespace, name);
        found.ok_or_else(|| Fault::schema(&format!("The body has no element {name}.")))
    }
}

/// Returns the headers of a namespace that the server understands.
fn known_headers(namespace: &str) -> &'static [&'static str] {
    match namespace {
        NS_ADDRESSING => &["To", "From", "ReplyTo", "FaultTo", "MessageID", "Action", "RelatesTo"],
        NS_WSMAN => &[
            "ResourceURI",
            "SelectorSet",
            "OptionSet",
            "MaxEnvelopeSize",
            "OperationTimeout",
            "Locale",
            "FragmentTransfer",
            "RequestTotalItemsCountEstimate",
            "RequestEPR",
        ],
        NS_WSMAN_MS => {
            &["DataLocale", "SessionId", "OperationID", "SequenceId", "ActivityId", "CompressionType", "SourceMessage"]
        }
        _ => &[],
    }
}

/// Returns a fresh id for a message.
pub(super) fn new_id() -> String {
    format!("uuid:{}", fresh_guid())
}

/// Returns a fresh id as Windows writes them.
pub(super) fn fresh_guid() -> String {
    Uuid::new_v4().hyphenated().to_string().to_ascii_uppercase()
}

/// Returns an answer that is no fault. Only the namespaces that it uses are declared, as Windows does.
pub(super) fn answer(action: &str, relates_to: &str, content: &str) -> String {
    let optional = [("x", NS_TRANSFER), ("n", NS_ENUMERATION), ("w", NS_WSMAN), ("rsp", NS_SHELL), ("p", NS_WSMAN_MS)];
    let mut declared = String::new();
    for (prefix, namespace) in optional {
        let used = content.contains(&format!("<{prefix}:"));
        let bound_inside = prefix == "p" && content.contains("xmlns:p=");
        if used && !bound_inside {
            declared.push_str(" xmlns:");
            declared.push_str(prefix);
            declared.push_str("=\"");
            declared.push_str(namespace);
            declared.push('"');
        }
    }
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"{NS_SOAP}\" xmlns:a=\"{NS_ADDRESSING}\"{declared}><s:Header>\
         <a:Action>{action}</a:Action><a:MessageID>{}</a:MessageID><a:To>{ANONYMOUS}</a:To>\
         <a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{content}</s:Body></s:Envelope>",
        new_id(),
        escape(relates_to)
    )
}

/// Returns the answer to "who is there". Only those who are known are told which system it is.
pub(super) fn identify(server: &LabServer, caller: Caller) -> String {
    let system = match caller {
        Caller::Known => server.os.version,
        Caller::Anonymous => "0.0.0",
    };
    let profile = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/basic";
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"{NS_SOAP}\"><s:Header></s:Header><s:Body>\
         <wsmid:IdentifyResponse xmlns:wsmid=\"{NS_IDENTIFY}\"><wsmid:ProtocolVersion>{NS_WSMAN}</wsmid:ProtocolVersion>\
         <wsmid:ProductVendor>orchestrate lab (imitation, not Windows)</wsmid:ProductVendor>\
         <wsmid:ProductVersion>OS: {system} SP: 0.0 Stack: 3.0</wsmid:ProductVersion><wsmid:SecurityProfiles>\
         <wsmid:SecurityProfileName>{profile}</wsmid:SecurityProfileName></wsmid:SecurityProfiles>\
         </wsmid:IdentifyResponse></s:Body></s:Envelope>"
    )
}
