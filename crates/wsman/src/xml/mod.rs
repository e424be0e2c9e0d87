//! XML: a writer that escapes, and a reader that is hard to hurt.
//!
//! The reader accepts no document type definition, hence no entities of its own, and stops at limits of size, number
//! of nodes and depth, and at what a tree would cost, all before the tree is built. Names are matched by namespace and
//! local name; prefixes are never looked at.

mod limits;

use crate::error::Unresolved;
use roxmltree::{Document, Node, ParsingOptions};
use std::borrow::Cow;

/// More elements and texts than any answer of the allowed size has in practice; a page of 61 services has 3,000.
const MOST_NODES: u32 = 200_000;

/// An element to be written.
#[derive(Debug, Clone)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// Returns an empty element with this prefixed name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), attributes: Vec::new(), text: String::new(), children: Vec::new() }
    }

    /// Returns the element with one more attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the element with this text, which comes before any children.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Returns the element with one more child.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Returns the element with more children.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// Returns the element as text. Everything but names is escaped.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        escape(&self.text, out);
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

/// Writes text so that a reader gets the same text back. Characters that XML cannot carry at all become `?`, as
/// Windows writes them.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c => out.push(c),
        }
    }
}

/// Returns the text of a body, decoded as its content type says.
///
/// # Errors
/// When the bytes are not what the content type says.
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Result<Cow<'a, str>, Unresolved> {
    let charset = content_type.and_then(charset).unwrap_or_default();
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if charset == "utf-16be" => utf16(bytes, u16::from_be_bytes),
        _ if charset.starts_with("utf-16") => utf16(bytes, u16::from_le_bytes),
        _ => {
            let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
            let text = std::str::from_utf8(bytes);
            text.map(Cow::Borrowed).map_err(|error| Unresolved::NotXml(format!("not UTF-8: {error}")))
        }
    }
}

fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, Unresolved> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Unresolved::NotXml("UTF-16 with an odd number of bytes".to_owned()));
    }
    let text: Result<String, _> = char::decode_utf16(pairs.iter().copied().map(unit)).collect();
    text.map(Cow::Owned).map_err(|error| Unresolved::NotXml(format!("not UTF-16: {error}")))
}

/// Returns the document that `text` spells.
///
/// # Errors
/// When it is not well-formed, has a document type definition, or goes beyond the limits. The time that this takes grows
/// with the length of the text and with nothing else.
pub fn parse(text: &str) -> Result<Document<'_>, Unresolved> {
    limits::check(text).map_err(Unresolved::NotXml)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    // What is wrong with the document may quote it, so it is cleaned like any text of a server.
    Document::parse_with_options(text, options)
        .map_err(|error| Unresolved::NotXml(crate::text::plain(&error.to_string())))
}

/// Returns the first child element with this namespace and local name.
#[must_use]
pub fn child<'a, 'i>(node: Node<'a, 'i>, namespace: &str, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name((namespace, name)))
}

/// Returns the element reached by child steps, each a namespace and a local name.
#[must_use]
pub fn path<'a, 'i>(node: Node<'a, 'i>, steps: &[(&str, &str)]) -> Option<Node<'a, 'i>> {
    steps.iter().try_fold(node, |node, (namespace, name)| child(node, namespace, name))
}

/// Returns the text below a node, however it is split, without surrounding white space.
#[must_use]
pub fn text(node: Node<'_, '_>) -> String {
    let all: String = node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect();
    all.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[ -~äé€\u{1f600}\t\n\r]{0,60}", attribute in "[ -~\t\n]{0,30}") {
            let written = Element::new("a").attribute("b", attribute.clone()).text(text.clone()).render();
            let document = parse(&written).unwrap();
            prop_assert_eq!(document.root_element().text().unwrap_or(""), text);
            prop_assert_eq!(document.root_element().attribute("b").unwrap(), attribute);
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(text) = decode(&bytes, Some("application/soap+xml;charset=UTF-16")) {
                prop_assert!(parse(&text).is_err());
            }
            if let Ok(text) = decode(&bytes, None) {
                prop_assert!(parse(&text).is_err() || bytes.starts_with(b"<"));
            }
        }
    }

    #[test]
    fn hostile_documents_are_refused() {
        let bomb = r#"<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>"#;
        let external = r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#;
        let deep = format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000));
        let wide = format!("<a>{}</a>", "<b/>".repeat(250_000));
        let attributes = "<a b='1' b='2'/>";
        for bad in [bomb, external, deep.as_str(), wide.as_str(), attributes, "<a><b></a>", "<a>", "", "plain"] {
            assert!(parse(bad).is_err(), "{}", &bad[..bad.len().min(60)]);
        }
        let allowed = format!("{}{}", "<a>".repeat(60), "</a>".repeat(60));
        assert!(parse(&allowed).is_ok());
    }

    #[test]
    fn bodies_are_decoded_as_their_header_says() {
        let little: Vec<u8> = "<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain("<a/>".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        assert_eq!(decode(&little, Some("application/soap+xml; Charset=\"UTF-16\"")).unwrap(), "<a>é</a>");
        assert_eq!(decode(&big, None).unwrap(), "<a/>");
        assert_eq!(decode(b"\xef\xbb\xbf<a/>", Some("application/soap+xml;charset=UTF-8")).unwrap(), "<a/>");
        assert!(decode(b"\xff\xfe<", None).is_err());
        assert!(decode(b"<a>\xff</a>", None).is_err());
    }
}
