//! Texts of a plan file. One rule for all of them: what cannot be seen is refused, wherever it stands.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{Reader, Written, secret_key};
use crate::secrets::looks_secret;
use crate::yaml::{Cut, Node, Value};
use orchestrate_model::look_alike;
use orchestrate_model::readable::is_padded;
use schemars::{Schema, SchemaGenerator, json_schema};

/// Longest free text. Texts go into journals and reports line by line.
const LONGEST_TEXT: usize = 2_000;
/// Longest key or value of a label: both and the sign between them make one name.
const LONGEST_LABEL: usize = 63;

/// Returns a text that is neither empty nor too long. Hidden characters are refused where every text is read.
fn readable<'n>(node: &'n Node, reader: &mut Reader) -> Option<&'n str> {
    let text = reader.text(node, "a text")?;
    let owner = reader.whole_path();
    let why = if text.trim().is_empty() {
        format!("{owner} is empty")
    } else if text.chars().count() > LONGEST_TEXT {
        format!("{owner} is longer than {LONGEST_TEXT} characters")
    } else {
        return Some(text);
    };
    reader.report(Diagnostic::error(codes::BAD_TEXT, node.span, why).label("expected a readable text"));
    None
}

/// Reports a text that ends at a `#`, which begins a comment in YAML: `CU November #42` is `CU November`. With a blank behind
/// it, it is hardly a number of a ticket, except in sentences.
fn uncut(node: &Node, reader: &mut Reader, is_sentence: Sentence) -> Option<()> {
    let cut = match &node.value {
        Value::Scalar { cut, .. } => *cut,
        Value::Nothing | Value::List(_) | Value::Map(_) => Cut::Nothing,
    };
    match (cut, is_sentence) {
        (Cut::Nothing, _) | (Cut::Comment, Sentence::No) => return Some(()),
        (Cut::Word, _) | (Cut::Comment, Sentence::Yes) => {}
    }
    let why = format!("{} ends here: in YAML a `#` after a blank begins a comment", reader.whole_path());
    reader.report(
        Diagnostic::error(codes::BAD_TEXT, node.span, why)
            .label("what follows on this line is not part of it")
            .help("put the whole text in quotes; a comment stands on a line of its own"),
    );
    None
}

/// Whether a text is a sentence for people.
#[derive(Clone, Copy)]
enum Sentence {
    Yes,
    No,
}

/// A text of one or several lines, for people to read.
impl Written for String {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = readable(node, reader)?;
        uncut(node, reader, Sentence::Yes)?;
        Some(text.to_owned())
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "minLength": 1 })
    }
}

/// An argument of a command: one line, blanks at its ends included.
#[derive(Debug, Clone)]
pub(crate) struct Argument(pub(crate) String);

/// Returns a text of one line, blanks at its ends included.
fn one_line(node: &Node, reader: &mut Reader) -> Option<String> {
    let text = readable(node, reader)?;
    uncut(node, reader, Sentence::No)?;
    // A block ends with a line break that is not part of what was written in it.
    let block = matches!(node.value, Value::Scalar { block: true, .. });
    let text = if block { text.trim_end_matches('\n') } else { text };
    if !text.contains(['\n', '\t']) {
        return Some(text.to_owned());
    }
    let why = format!("{} holds a tab or a line break", reader.whole_path());
    let diagnostic = Diagnostic::error(codes::BAD_TEXT, node.span, why);
    reader.report(if block {
        diagnostic.label("expected one line").help("write it on the line of its key")
    } else {
        diagnostic
            .label("in double quotes `\\t` is a tab and `\\n` a line break")
            .help(r"write Windows paths without quotes or in single quotes: 'C:\temp\new.exe'")
    });
    None
}

impl Written for Argument {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = one_line(node, reader)?;
        let Some(typed) = look_alike::typed(&text) else { return Some(Self(text)) };
        let why = format!(
            "{} holds a dash or a quotation mark of printed text: no program takes it for the typed one",
            quoted(&text)
        );
        reader.report(
            Diagnostic::error(codes::BAD_TEXT, node.span, why)
                .label("a word processor or a web page has replaced what was typed")
                .help(format!("write {}", quoted(&typed))),
        );
        None
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        String::schema(generator)
    }
}

/// A text that stands on one line, without blanks at its ends: a name, a path, anything that is compared or looked up.
#[derive(Debug, Clone)]
pub(crate) struct Line(pub(crate) String);

impl Written for Line {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = one_line(node, reader)?;
        if !is_padded(&text) {
            return Some(Self(text));
        }
        let why = format!("{} begins or ends with a blank", reader.whole_path());
        reader.report(
            Diagnostic::error(codes::BAD_TEXT, node.span, why)
                .label("expected a text without blanks at its ends")
                .help("a blank at an end is not seen, and makes another text of it"),
        );
        None
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        String::schema(generator)
    }
}

/// The key of a label.
#[derive(Debug, Clone)]
pub(crate) struct LabelKey(pub(crate) String);

/// The value of a label.
#[derive(Debug, Clone)]
pub(crate) struct LabelValue(pub(crate) String);

fn label(node: &Node, reader: &mut Reader, odd: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let Line(text) = Line::read(node, reader)?;
    let why = if text.chars().count() > LONGEST_LABEL {
        Some(format!("it is longer than {LONGEST_LABEL} characters"))
    } else {
        odd(&text)
    };
    let Some(why) = why else { return Some(text) };
    reader.report(
        Diagnostic::error(codes::BAD_NAME, node.span, format!("{} cannot be part of a label: {why}", quoted(&text)))
            .label("expected a short word, as in `site: paris`"),
    );
    None
}

impl Written for LabelKey {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        // Labels are shown everywhere: whoever writes a secret here has to hear of it.
        if let Value::Scalar { text, .. } = &node.value
            && looks_secret(text)
        {
            reader.report(secret_key(text, node.span));
            return None;
        }
        let sign = |text: &str| text.contains('=').then(|| "`=` stands between the key and the value".to_owned());
        label(node, reader, sign).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        String::schema(generator)
    }
}

impl Written for LabelValue {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        label(node, reader, |_| None).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "minLength": 1, "maxLength": LONGEST_LABEL })
    }
}
