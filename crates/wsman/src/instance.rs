//! What comes back: instances of WMI classes, and a server's identity.

use crate::error::Unresolved;
use crate::names::{IDENTITY, WSMAN, XSI};
use crate::text::plain;
use crate::xml::{child, text};
use jiff::Timestamp;
use roxmltree::Node;
use std::collections::BTreeMap;

/// The properties of one instance of a class, or the out-parameters of a method. Names compare without case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    class: Option<String>,
    /// By name in lower case. An array has several values; null is `None`.
    properties: BTreeMap<String, Vec<Option<String>>>,
}

impl Instance {
    /// Returns what an element holds: a child per property, repeated for arrays.
    #[must_use]
    pub(crate) fn read(element: Node<'_, '_>) -> Self {
        let fragment = element.has_tag_name((WSMAN, "XmlFragment"));
        let mut properties: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for property in element.children().filter(Node::is_element) {
            let null = property.attribute((XSI, "nil")).is_some_and(|nil| matches!(nil, "true" | "1"));
            let name = property.tag_name().name().to_ascii_lowercase();
            properties.entry(name).or_default().push((!null).then(|| text(property)));
        }
        Self { class: (!fragment).then(|| element.tag_name().name().to_owned()), properties }
    }

    /// Returns an instance that was read in another way, with the texts of its properties. One that is missing is null.
    #[must_use]
    pub fn of_texts(class: &str, texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let property = |(name, text): (String, String)| (name.to_ascii_lowercase(), vec![Some(text)]);
        Self { class: Some(class.to_owned()), properties: texts.into_iter().map(property).collect() }
    }

    /// Returns the name of the class, where the answer names it: an answer to a query for single properties does not.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// Returns whether the property is there, null or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.properties.contains_key(&name.to_ascii_lowercase())
    }

    /// Returns the names of the properties, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    /// Returns every value of a property, without nulls.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.properties.get(&name.to_ascii_lowercase());
        values.into_iter().flatten().filter_map(Option::as_deref).collect()
    }

    /// Returns the text of a property that is there and not null.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(&name.to_ascii_lowercase())?.first()?.as_deref()
    }

    /// Returns the value of a property that is a truth value.
    #[must_use]
    pub fn truth(&self, name: &str) -> Option<bool> {
        match self.text(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// Returns the value of a property that is a whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Returns the value of a property that is a point in time.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name)?.parse().ok()
    }
}

/// What a server says it is. Proves nothing: anybody can say this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who made it.
    pub vendor: String,
    /// What it runs, such as `OS: 10.0.14393 SP: 0.0 Stack: 3.0`.
    pub version: String,
}

impl Identity {
    pub(crate) fn read(body: Node<'_, '_>) -> Result<Self, Unresolved> {
        let answer = child(body, IDENTITY, "IdentifyResponse")
            .ok_or_else(|| Unresolved::Shape("IdentifyResponse is missing".to_owned()))?;
        let part = |name| child(answer, IDENTITY, name).map(|part| plain(&text(part))).unwrap_or_default();
        Ok(Self { vendor: part("ProductVendor"), version: part("ProductVersion") })
    }
}
