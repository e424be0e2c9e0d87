//! Reading XML into a small tree, and writing it as text.

use super::names::NS_XML;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

/// The deepest nesting that is read.
const DEEPEST: usize = 48;

/// An element with everything in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) namespace: String,
    pub(super) name: String,
    attributes: Vec<(String, String, String)>,
    pub(super) children: Vec<Self>,
    text: String,
}

impl Element {
    /// Returns whether the element has this namespace and local name.
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Returns the first child with this namespace and local name.
    pub(super) fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// Returns the text directly in the element, without the white space around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Returns the attribute without a namespace.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_in("", name)
    }

    /// Returns the attribute in a namespace.
    pub(super) fn attribute_in(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(space, local, _)| space == namespace && local == name);
        found.map(|(_, _, value)| value.as_str())
    }
}

/// Returns the root of a document, or why it is none.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                if open.len() >= DEEPEST {
                    return Err("too deeply nested".to_owned());
                }
                open.push(element(&reader, &start)?);
            }
            Event::Empty(start) => {
                let done = element(&reader, &start)?;
                close(&mut open, &mut root, done)?;
            }
            Event::End(_) => {
                let done = open.pop().ok_or("an end without a start")?;
                close(&mut open, &mut root, done)?;
            }
            Event::Text(content) => add_text(&mut open, &content.xml10_content())?,
            Event::CData(content) => add_text(&mut open, &content.xml10_content())?,
            Event::GeneralRef(reference) => {
                let text = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(character) => character.to_string(),
                    None => entity(&reference.into_inner())?.to_owned(),
                };
                add_text(&mut open, &text)?;
            }
            Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err("the document ends too early".to_owned());
    }
    root.ok_or_else(|| "there is no element".to_owned())
}

fn entity(name: &str) -> Result<&'static str, String> {
    match name {
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "amp" => Ok("&"),
        "quot" => Ok("\""),
        "apos" => Ok("'"),
        other => Err(format!("unknown entity {other}")),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, String> {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        attributes.push((bound(namespace)?, name.into_inner().to_owned(), value.into_owned()));
    }
    let name = name.into_inner().to_owned();
    Ok(Element { namespace: bound(namespace)?, name, attributes, ..Element::default() })
}

fn bound(namespace: ResolveResult<'_>) -> Result<String, String> {
    match namespace {
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Bound(namespace) => Ok(namespace.into_inner().to_owned()),
        ResolveResult::Unknown(prefix) if prefix == "xml" => Ok(NS_XML.to_owned()),
        ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix} is not declared")),
    }
}

fn close(open: &mut [Element], root: &mut Option<Element>, done: Element) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_some() => return Err("more than one root element".to_owned()),
        None => *root = Some(done),
    }
    Ok(())
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside of the root element".to_owned()),
    }
    Ok(())
}

/// Returns text that can stand in an element or an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Windows replaces what XML cannot carry.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// Returns an element with text in it.
pub(super) fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_namespace_and_text_is_unescaped() {
        let root = parse(
            r#"<?xml version="1.0"?><a xmlns="urn:1" xmlns:p="urn:2"><p:b c="1 &lt; 2" p:d='e'> x &amp;&#65;<![CDATA[<y>]]> </p:b></a>"#,
        );
        let root = root.unwrap();
        assert!(root.is("urn:1", "a"));
        let child = root.child("urn:2", "b").unwrap();
        assert_eq!(child.text(), "x &A<y>");
        assert_eq!((child.attribute("c"), child.attribute_in("urn:2", "d")), (Some("1 < 2"), Some("e")));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        let bad = ["", "text", "<a>", "<a></b>", "<a/><b/>", "<p:a/>", "<a>&unknown;</a>", "<a b='1' b='2'/>"];
        for text in bad.into_iter().chain(["<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", deep.as_str()]) {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = "a <b> & \"c\" 'd' \t ]]>";
        assert_eq!(parse(&leaf("x", text)).unwrap().text(), text);
        assert_eq!(escape("bell \u{7}"), "bell ?");
    }
}
