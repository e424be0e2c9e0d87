//! Text to a tree of nodes with their places, within limits that no plan file comes near.
//!
//! The tree keeps scalars as they are written: what `5.0` or `yes` means is decided by the key that holds it. Aliases
//! are followed within a budget; places inside them are those of the anchor, where the mistake is.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span, quoted};
use crate::events::{self, Scalars, Style, Tagged};
use crate::slips;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::localizer::ExternalMessageSource;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, Options};
use serde_saphyr::{Error, Location, NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// Largest plan file. A plan of a thousand pools with ten servers each has about half of it per thousand servers;
/// more than this is a mistake, and parsing it would cost time and memory before anybody could say so.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting. The format itself needs 8.
const MOST_DEPTH: usize = 24;
/// Most nodes, aliases followed: twice what ten thousand servers in a thousand pools have. Bounds memory to some tens of
/// megabytes.
const MOST_NODES: usize = 200_000;

/// A value in the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing, `null` or `~`.
    Nothing,
    /// A text as it is written, without quotes: plain, or in quotes, or as a block of lines.
    Scalar { text: String, plain: bool, block: bool, cut: Cut },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file, repeated keys included.
    Map(Vec<(Node, Node)>),
}

/// What follows a plain text on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing that may have been meant as a part of it.
    Nothing,
    /// After one blank a `#` with a word at it, such as `#42`.
    Word,
    /// After one blank a `#` and a blank.
    Comment,
}

impl Cut {
    /// Returns what follows the byte at which a text ends.
    fn after(end: usize, source: &str) -> Self {
        // Comments that are lined up stand further away.
        let Some(rest) = source.get(end..).and_then(|rest| rest.strip_prefix(" #")) else { return Self::Nothing };
        if rest.starts_with(|c: char| !c.is_whitespace()) { Self::Word } else { Self::Comment }
    }
}

impl Value {
    /// Returns what the value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Returns the tree of a file, or the one reason why there is none.
pub(crate) fn tree(text: &str) -> Result<Node, Box<Diagnostic>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (scalars, tagged) = events::scalars(text, MOST_NODES);
    let spanned: Result<Spanned<Raw>, Error> = serde_saphyr::from_str_with_options(text, limits());
    match (spanned, tagged) {
        (Ok(spanned), None) => Ok(node(spanned, &Source { text, scalars })),
        // A tag says what its value is, and here the key does. With some tags the value would not even be read.
        (Ok(_) | Err(Error::InvalidScalar { .. } | Error::UnsupportedTag { .. }), Some(tagged)) => {
            Err(Box::new(tag_at(&tagged, text)))
        }
        (Err(error), _) => Err(Box::new(explained(&error, text))),
    }
}

/// The text of a file, and its scalars.
struct Source<'s> {
    text: &'s str,
    scalars: Scalars<'s>,
}

fn tag_at(tagged: &Tagged, source: &str) -> Diagnostic {
    let start = tagged.start.min(source.len());
    let end = (start + tagged.tag.len()).min(source.len());
    let end = if source.is_char_boundary(end) { end } else { start };
    let span = Span { start, end, line: tagged.line.max(1), column: tagged.column.max(1) };
    unsupported(span, &format!("the tag {} is not supported", quoted(&tagged.tag)), "leave the tag out")
}

fn limits() -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: MOST_DEPTH,
        flow_nesting_limit: MOST_DEPTH,
        max_nodes: MOST_NODES,
        max_events: 3 * MOST_NODES,
        max_aliases: 2_000,
        max_anchors: 500,
        max_documents: 1,
        max_recorded_anchor_events: 50_000,
        max_total_scalar_bytes: MOST_BYTES,
    };
    serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000, max_replay_stack_depth: 8 },
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        emit_comments: false,
        with_snippet: false,
    }
}

/// A value before its text is looked up in the source.
enum Raw {
    Nothing,
    /// A single value, as the parser took it. The text that was typed comes from its events.
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

/// Returns a single value with the text that was typed, whatever the deserialiser took it for.
fn scalar(text: String, span: Span, source: &Source<'_>) -> Value {
    match source.scalars.at(span.start) {
        Some(typed) => Value::Scalar {
            text: typed.text.clone().into_owned(),
            plain: typed.style == Style::Plain,
            block: typed.style == Style::Block,
            cut: if typed.style == Style::Plain { Cut::after(span.end, source.text) } else { Cut::Nothing },
        },
        None => Value::Scalar { text, plain: false, block: false, cut: Cut::Nothing },
    }
}

/// Gives a value its place and the text it was written with. The depth of the recursion is bounded by [`MOST_DEPTH`].
fn node(raw: Spanned<Raw>, source: &Source<'_>) -> Node {
    let mut span = place(raw.defined, source.text);
    let value = match raw.value {
        Raw::Nothing => Value::Nothing,
        Raw::Text(text) => scalar(text, span, source),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (node(key, source), node(value, source))).collect())
        }
    };
    if let (Value::Map(entries), true) = (&value, span.end <= span.start) {
        // A block mapping has no width of its own: its first key stands for it.
        span = entries.first().map_or(span, |(key, _)| key.span);
    }
    Node { span, value }
}

/// Returns the place as bytes, on character boundaries and inside the source.
fn place(location: Location, source: &str) -> Span {
    let number = |value: u64| usize::try_from(value).unwrap_or(0);
    let (line, column) = (number(location.line()).max(1), number(location.column()).max(1));
    let inside = |offset: usize| {
        let mut offset = offset.min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = location.span().byte_offset().map_or_else(|| offset_of(source, line, column), number);
    let start = inside(start);
    let end = inside(start.saturating_add(location.span().byte_len().map_or(0, number))).max(start);
    let text = source[start..end].trim_end();
    Span { start, end: start + text.len(), line, column }
}

fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let start = source.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    source.get(start..).map_or(start, |rest| start + rest.chars().take(column - 1).map(char::len_utf8).sum::<usize>())
}

/// Says in our words why the parser gave up.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's errors are many, not ours, and may grow")]
fn explained(error: &Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let span =
        error.location().filter(|found| *found != Location::UNKNOWN).map_or(Span::START, |found| place(found, source));
    match error {
        Error::Eof { .. } => empty_file(),
        Error::MultipleDocuments { .. } => {
            Diagnostic::error(codes::SEVERAL_DOCUMENTS, span, "the file holds more than one document")
                .label("a second document starts here")
                .help("write one change per file")
        }
        Error::Budget { breach, .. } => over_budget(breach, span),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => too_much(span, "its aliases (`*name`) repeat too much of it"),
        Error::MergeKeyNotAllowed { .. } | Error::MergeValueNotMapOrSeqOfMaps { .. } => unsupported(
            span,
            "merge keys (`<<`) are not supported",
            "write the keys out, or use an alias for the whole value",
        ),
        Error::UnsupportedTag { tag, .. } => {
            unsupported(span, &format!("the tag {} is not supported", quoted(tag)), "leave the tag out")
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            unsupported(span, "an alias refers to the value it stands in", "write the value out")
        }
        Error::UnknownAnchor { .. } => syntax(span, "there is no anchor of this name before this alias".to_owned()),
        Error::AliasError { error, .. } => explained(error, source),
        Error::ExternalMessage { source: parser, .. } => unparsable(error, (parser, span), source),
        other => syntax(span, plain_words(other)),
    }
}

/// Says what to do about the mistakes in YAML that people make most.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's errors are many, not ours, and may grow")]
fn unparsable(error: &Error, (parser, span): (&ExternalMessageSource, Span), source: &str) -> Diagnostic {
    let ExternalMessageSource::Parser(scan) = parser else { return syntax(span, plain_words(error)) };
    if let Some(blank) = slips::blank_at(span, source) {
        return blank;
    }
    match scan.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(span),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => {
            syntax(tab_after(span, source), "a tab stands where spaces are needed".to_owned())
                .help("indent with spaces only; editors show tabs when asked to")
        }
        ErrorKind::MappingValueNotAllowed => slips::colon_before(span, source).unwrap_or_else(|| {
            syntax(span, plain_words(error))
                .help("put a text that holds `: ` in double quotes, and check the indentation of this line")
        }),
        ErrorKind::SimpleKeyExpected => slips::colon_without_space(span, source).unwrap_or_else(|| {
            syntax(span, "a key without a colon".to_owned())
                .help("write `key: value`, with a space after the colon; a text over several lines needs quotes")
        }),
        ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape => {
            if let Some(quote) = open_quote(span, source) {
                let reason = "a double quote is opened here and not closed on its line".to_owned();
                return syntax(quote, reason)
                    .help("close it; a text over several lines is written without quotes, after `>` or `|`");
            }
            syntax(span, "a backslash in double quotes begins an escape, and this is none of them".to_owned())
                .help("write Windows paths without quotes or in single quotes: 'C:\\CU\\Installer.exe'")
        }
        _ => syntax(span, plain_words(error)),
    }
}

/// Returns the double quote that an escape at the place belongs to, when it was opened on an earlier line: the text that
/// holds the escape was hardly meant to.
fn open_quote(span: Span, source: &str) -> Option<Span> {
    let opened = if source[span.start..].starts_with('"') { span.start } else { source[..span.start].rfind('"')? };
    let after = source[opened..].find('\\').map_or(span.start, |slash| (opened + slash).max(span.start));
    if !source[opened..after].contains('\n') {
        return None;
    }
    let line = source[..opened].matches('\n').count() + 1;
    let begins = source[..opened].rfind('\n').map_or(0, |newline| newline + 1);
    Some(Span { start: opened, end: opened + 1, line, column: source[begins..opened].chars().count() + 1 })
}

/// Returns the place of the first tab that begins a line, at the place or after it. The parser names the value before.
fn tab_after(span: Span, source: &str) -> Span {
    let mut start = source[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    for (after, line) in source[start..].split_inclusive('\n').take(3).enumerate() {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return Span { start: start + tab, end: start + tab + 1, line: span.line + after, column: tab + 1 };
        }
        start += line.len();
    }
    span
}

fn too_deep(span: Span) -> Diagnostic {
    too_much(span, &format!("it is nested deeper than {MOST_DEPTH} levels"))
}

/// Returns the parser's own sentence without the place, which is shown anyway.
fn plain_words(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    line.trim_start_matches("error: ").chars().filter(|c| !c.is_control()).collect()
}

/// Returns the diagnostic for a file without content.
pub(crate) fn empty_file() -> Diagnostic {
    Diagnostic::error(codes::EMPTY_FILE, Span::START, "the file is empty")
        .label("a plan was expected")
        .help("start with `version: 1`; a complete plan is in plans/contoso-front-end.yaml")
}

fn syntax(span: Span, reason: String) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, span, format!("this is not valid YAML: {reason}")).label("the reader stopped here")
}

fn unsupported(span: Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error(codes::UNSUPPORTED_YAML, span, message).label("not supported in plan files").help(help)
}

fn too_much(span: Span, reason: &str) -> Diagnostic {
    Diagnostic::error(codes::TOO_COMPLEX, span, format!("the file is too complex: {reason}"))
        .label("the reader stopped here")
        .help("no plan comes near these limits; check how the file was made")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's limits are many, not ours, and may grow")]
fn over_budget(breach: &BudgetBreach, span: Span) -> Diagnostic {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(span),
        BudgetBreach::Documents { .. } => {
            Diagnostic::error(codes::SEVERAL_DOCUMENTS, span, "the file holds more than one document")
                .label("a second document starts here")
                .help("write one change per file")
        }
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => too_much(span, "its aliases (`*name`) repeat too much of it"),
        _ => too_much(span, &format!("it holds more than {MOST_NODES} values")),
    }
}
