//! What an answer may cost before a tree is made of it.
//!
//! A tree copies every namespace in scope to each element that declares one more, compares each attribute with those
//! before it, and looks through the scope for every prefix. A few kilobytes can ask for minutes of that. So the tags are
//! read first, in one pass, and what the tree would cost is added up: it may grow with the length of the text, and with
//! nothing else.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deepest nesting that is accepted. The deepest recorded answer, a nested provider fault, has 12.
const DEEPEST: usize = 64;

/// Most attributes of one element, declarations of namespaces included. An envelope of Windows has about ten, an
/// instance four.
const MOST_ATTRIBUTES: u64 = 64;

/// Most namespaces in scope. Recorded answers have up to sixteen, of which ten belong to the envelope.
const MOST_IN_SCOPE: u64 = 64;

/// Steps of comparing names that the tree may cost for each byte of the text. Recorded answers cost up to three; with
/// sixteen the largest answer that is read (600 KB) is parsed within some twenty milliseconds.
const STEPS_PER_BYTE: u64 = 16;

/// What any text may cost, however short: a fault is mostly an envelope with its declarations.
const STEPS_AT_LEAST: u64 = 16_384;

/// Returns why no tree is made of a text, if so. What this reader cannot read is refused, since what comes after it has
/// not been counted; what only the parser finds wrong is left to the parser.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut cost = Cost { scopes: Vec::new(), in_scope: 1, steps: 0, most: steps(text) };
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => cost.open(&tag)?,
            Ok(Event::Empty(tag)) => {
                cost.open(&tag)?;
                cost.close();
            }
            Ok(Event::End(_)) => cost.close(),
            Ok(Event::Eof) => return Ok(()),
            Ok(Event::DocType(_)) => return Err("a document type is not allowed".to_owned()),
            Err(error) => return Err(crate::text::plain(&error.to_string())),
            Ok(
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::GeneralRef(_),
            ) => {}
        }
    }
}

fn steps(text: &str) -> u64 {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    length.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_AT_LEAST)
}

/// What the tree has cost so far.
struct Cost {
    /// How many namespaces each open element has declared.
    scopes: Vec<u64>,
    in_scope: u64,
    steps: u64,
    most: u64,
}

impl Cost {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        let (mut declared, mut attributes) = (0, 0);
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| crate::text::plain(&error.to_string()))?;
            attributes += 1;
            if attribute.key.as_namespace_binding().is_some() {
                declared += 1;
            }
            if attributes > MOST_ATTRIBUTES {
                return Err(format!("an element with more than {MOST_ATTRIBUTES} attributes"));
            }
        }
        self.scopes.push(declared);
        self.in_scope += declared;
        if self.scopes.len() > DEEPEST {
            return Err(format!("nested deeper than {DEEPEST} levels"));
        }
        if self.in_scope > MOST_IN_SCOPE {
            return Err(format!("more than {MOST_IN_SCOPE} namespaces in one place"));
        }
        let names = 1 + attributes - declared;
        let copies = if declared == 0 { 0 } else { self.in_scope * self.in_scope };
        self.steps += names * self.in_scope + attributes * attributes + copies;
        if self.steps > self.most {
            return Err("it declares more namespaces than an answer of its length has use for".to_owned());
        }
        Ok(())
    }

    fn close(&mut self) {
        self.in_scope -= self.scopes.pop().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;
    use std::time::{Duration, Instant};

    fn declarations(count: usize) -> String {
        (0..count).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect()
    }

    /// Documents of some 600 KB, each the worst of its kind.
    fn hostile() -> Vec<(&'static str, String)> {
        let children = |child: &str| child.repeat(600_000 / child.len());
        let inside = |count: usize, child: &str| format!("<a{}>{}</a>", declarations(count), children(child));
        let attributes: String = (0..60_000).map(|n| format!(" a{n}=''")).collect();
        let fresh: String = (0..20_000).map(|n| format!("<b xmlns:m{n}='urn:{n}'/>")).collect();
        let shadowed = format!("{}{}", "<b xmlns:x='1'>".repeat(60), "</b>".repeat(60));
        vec![
            ("a thousand declarations and children with one each", inside(1_000, "<b xmlns:x='y'/>")),
            ("as many declarations as are allowed and children with one each", inside(62, "<b xmlns:x='y'/>")),
            ("children whose names have to be looked for", inside(63, "<n62:b/>")),
            ("attributes whose names have to be looked for", inside(63, "<b n61:a='' n62:a=''/>")),
            ("one element with all the attributes", format!("<a{attributes}/>")),
            ("one element with all the declarations", format!("<a{}/>", declarations(25_000))),
            ("a new namespace in every child", format!("<a>{fresh}</a>")),
            ("declarations over declarations", format!("<a>{}</a>", children(&shadowed))),
            ("text in pieces", format!("<a>{}</a>", children("<![CDATA[x]]>&#65;"))),
            ("comments", format!("<a>{}</a>", children("<!---->"))),
            ("an open tag", format!("<a {}", "b=' ".repeat(150_000))),
            ("angle brackets", "<".repeat(600_000)),
        ]
    }

    #[test]
    fn the_worst_answers_are_read_or_refused_within_a_moment() {
        for (what, text) in hostile() {
            let before = Instant::now();
            let refused = parse(&text).is_err();
            let took = before.elapsed();
            // Without the limits the first of them takes minutes. The room is for a busy machine and no optimisation.
            assert!(took < Duration::from_secs(5), "{what}: {took:?}, refused: {refused}");
        }
    }

    #[test]
    fn a_thousand_declarations_in_front_of_a_thousand_children_are_refused() {
        let children = "<b xmlns:x='y'/>".repeat(1_000);
        let text = format!("<a{}>{children}</a>", declarations(1_000));
        assert!(check(&text).unwrap_err().contains("attributes"));
        let spread: String =
            (0..40).map(|n| format!("<c{}>", declarations(2).replace(":n", &format!(":d{n}n")))).collect();
        let text = format!("<a>{spread}{children}{}</a>", "</c>".repeat(40));
        assert!(check(&text).unwrap_err().contains("namespaces in one place"));
        let text = format!("<a{}>{children}</a>", declarations(60));
        assert!(check(&text).unwrap_err().contains("than an answer of its length"));
    }

    #[test]
    fn a_page_of_services_with_every_declaration_that_is_ever_seen_is_read() {
        let envelope = declarations(12);
        let item = format!(
            "<p{}>{}</p>",
            declarations(5),
            "<q xmlns:cim='http://schemas.dmtf.org/wbem/wscim/1/common' i:nil='true'>RTCSRV</q>".repeat(30)
        );
        let text = format!("<a xmlns:i='urn:i'{envelope}>{}</a>", item.repeat(61));
        assert!(parse(&text).is_ok(), "{:?}", check(&text));
    }
}
