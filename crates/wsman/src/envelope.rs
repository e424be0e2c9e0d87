//! SOAP envelopes: what every request carries, and what is checked of every answer.

use crate::config::{Limits, Timeouts};
use crate::error::{Cause, Refusal, Unresolved};
use crate::fault::Fault;
use crate::names::{ADDRESSING, ANONYMOUS, ENUMERATION, IDENTITY, MICROSOFT, SHELL, SOAP, TRANSFER, WSMAN};
use crate::text::plain;
use crate::xml::{self, Element, child, text};
use roxmltree::Node;
use uuid::Uuid;

/// The part of a request's header that says what is asked of what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The action. Empty for Identify, which has no header at all.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// Which instance of the resource.
    pub selectors: Vec<(String, String)>,
    /// Options of the shell.
    pub options: Vec<(String, String)>,
}

impl Header {
    /// Returns the header of an action on a resource.
    #[must_use]
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), ..Self::default() }
    }

    /// Returns the header with one more selector.
    #[must_use]
    pub fn selector(mut self, name: &str, value: &str) -> Self {
        self.selectors.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the header with one more option.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What all requests of one client have in common.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) url: String,
    pub(crate) session: String,
    pub(crate) envelope_bytes: usize,
    pub(crate) operation_timeout: String,
}

impl Sender {
    pub(crate) fn new(url: String, timeouts: &Timeouts, limits: &Limits) -> Self {
        Self {
            url,
            session: fresh_id(),
            envelope_bytes: limits.envelope_bytes,
            operation_timeout: format!("PT{}S", timeouts.operation.as_secs_f64()),
        }
    }

    /// Returns a request as text, with a fresh id.
    pub(crate) fn envelope(&self, header: &Header, body: Option<Element>) -> (String, String) {
        let id = fresh_id();
        let root = Element::new("s:Envelope")
            .attribute("xmlns:s", SOAP)
            .attribute("xmlns:a", ADDRESSING)
            .attribute("xmlns:x", TRANSFER)
            .attribute("xmlns:n", ENUMERATION)
            .attribute("xmlns:w", WSMAN)
            .attribute("xmlns:p", MICROSOFT)
            .attribute("xmlns:rsp", SHELL)
            .attribute("xmlns:wsmid", IDENTITY);
        let head = if header.action.is_empty() { Element::new("s:Header") } else { self.header(header, &id) };
        let root = root.child(head).child(Element::new("s:Body").children(body));
        (id, root.render())
    }

    fn header(&self, header: &Header, id: &str) -> Element {
        let must = |name: &str, text: &str| Element::new(name).attribute("s:mustUnderstand", "true").text(text);
        let locale =
            |name: &str| Element::new(name).attribute("s:mustUnderstand", "false").attribute("xml:lang", "en-US");
        let set = |set: &str, one: &str, pairs: &[(String, String)]| {
            let parts = pairs.iter().map(|(name, value)| Element::new(one).attribute("Name", name).text(value));
            (!pairs.is_empty()).then(|| Element::new(set).children(parts.collect::<Vec<_>>()))
        };
        Element::new("s:Header")
            .child(Element::new("a:To").text(&self.url))
            .child(Element::new("a:ReplyTo").child(must("a:Address", ANONYMOUS)))
            .child(Element::new("a:MessageID").text(id))
            .child(must("a:Action", &header.action))
            .child(must("w:ResourceURI", &header.resource))
            .child(must("w:MaxEnvelopeSize", &self.envelope_bytes.to_string()))
            .child(Element::new("w:OperationTimeout").text(&self.operation_timeout))
            .child(locale("w:Locale"))
            .child(locale("p:DataLocale"))
            .child(Element::new("p:SessionId").attribute("s:mustUnderstand", "false").text(&self.session))
            .children(set("w:SelectorSet", "w:Selector", &header.selectors))
            .children(set("w:OptionSet", "w:Option", &header.options))
    }
}

fn fresh_id() -> String {
    format!("uuid:{}", Uuid::new_v4().to_string().to_uppercase())
}

/// Reads answers.
#[derive(Debug, Clone, Copy)]
pub struct Reply;

impl Reply {
    /// Returns what `read` makes of the body of an answer, after checking that it is an answer to the request `id`
    /// and no fault. Some faults name no request; an answer that names another one is not ours.
    ///
    /// # Errors
    /// The fault as a refusal, and everything that is wrong with the answer as unresolved.
    pub fn read<T>(
        answer: &str,
        id: Option<&str>,
        read: impl FnOnce(Node<'_, '_>) -> Result<T, Unresolved>,
    ) -> Result<T, Cause> {
        let document = xml::parse(answer).map_err(Cause::Unresolved)?;
        let root = document.root_element();
        let shape = |text: &str| Cause::Unresolved(Unresolved::Shape(text.to_owned()));
        if !root.has_tag_name((SOAP, "Envelope")) {
            return Err(shape("not a SOAP envelope"));
        }
        let header = child(root, SOAP, "Header");
        let relation = header.and_then(|header| child(header, ADDRESSING, "RelatesTo")).map(text);
        if let (Some(expected), Some(found)) = (id, relation)
            && !expected.eq_ignore_ascii_case(&found)
        {
            let found = plain(&found);
            return Err(Cause::Unresolved(Unresolved::WrongRelation { expected: expected.to_owned(), found }));
        }
        let body = child(root, SOAP, "Body").ok_or_else(|| shape("the body is missing"))?;
        match Fault::read(body).map_err(Cause::Unresolved)? {
            Some(fault) => Err(Cause::Refused(Refusal::Fault(Box::new(fault)))),
            None => read(body).map_err(Cause::Unresolved),
        }
    }
}
