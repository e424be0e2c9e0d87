//! What is told to the author of a plan file: one value per mistake, with its place.

use crate::codes::Code;
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// Most diagnostics that are kept for one file. A hostile file can hold a mistake per byte; nobody reads more.
pub(crate) const MOST_DIAGNOSTICS: usize = 100;

/// How serious a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The plan cannot be used.
    Error,
    /// The plan can be used, and its author should know this first.
    Warning,
}

/// A place in a plan file. Offsets count bytes after a byte order mark, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// The column of the first byte in characters, from 1.
    pub column: usize,
}

impl Span {
    /// The start of the file, for mistakes of the file as a whole.
    pub const START: Self = Self { start: 0, end: 0, line: 1, column: 1 };

    /// Returns the bytes of the place.
    #[must_use]
    pub fn bytes(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// One mistake or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The stable code, which `explain` has a page for.
    pub code: Code,
    /// How serious it is.
    pub severity: Severity,
    /// Where it is.
    pub span: Span,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What was expected at the place.
    pub label: String,
    /// What to do, or what was probably meant.
    pub help: Option<String>,
    /// What else belongs to it, such as the place of the first of two equal names.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// Returns an error.
    pub(crate) fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// Returns a warning.
    pub(crate) fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds what was expected.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a suggestion, if there is one.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}: {word}[{}]: {}", self.span.line, self.span.column, self.code, self.message)
    }
}

/// Every mistake of a file, sorted by place. Never empty, and at least one is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostics {
    file_name: String,
    items: Vec<Diagnostic>,
    omitted: usize,
}

impl Diagnostics {
    /// Returns the mistakes sorted by place, without repetitions, and no more than anybody reads. Errors are kept
    /// before warnings.
    pub(crate) fn new(file_name: &str, items: Vec<Diagnostic>) -> Self {
        let mut items = sorted(items);
        let found = items.len();
        if found > MOST_DIAGNOSTICS {
            items.sort_by_key(|item| item.severity);
            items.truncate(MOST_DIAGNOSTICS);
            items = sorted(items);
        }
        Self { file_name: file_name.to_owned(), omitted: found - items.len(), items }
    }

    /// Returns the mistakes in the order of the file.
    #[must_use]
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// Returns the name of the file as it was given.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns how many further mistakes were found and left out.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Returns whether all that is wrong is that the plan selects nothing, which has an exit code of its own.
    #[must_use]
    pub fn is_empty_selection(&self) -> bool {
        self.items.iter().all(|item| item.severity == Severity::Warning || item.code.is_empty_selection())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, item) in self.items.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{item}", self.file_name)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// Sorts by place and drops repetitions, which aliases cause: one mistake inside an anchor is met at each use.
pub(crate) fn sorted(mut items: Vec<Diagnostic>) -> Vec<Diagnostic> {
    fn same(item: &Diagnostic) -> (Span, Code, &str, Option<&str>) {
        // Not the message: it may name the path of the use.
        (item.span, item.code, &item.label, item.help.as_deref())
    }
    items.sort_by(|a, b| (same(a), &a.message).cmp(&(same(b), &b.message)));
    items.dedup_by(|a, b| same(a) == same(b));
    items
}

/// Returns a text from the file as it may be shown: quoted, without hidden characters, and not too long.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// Returns what stands between the quotes of [`quoted`].
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short.chars().flat_map(visible).collect()
}

fn visible(c: char) -> Vec<char> {
    match c {
        c if c.is_control() => c.escape_debug().collect(),
        // They make a text look like another one.
        c if orchestrate_model::readable::is_hidden(c) => c.escape_unicode().collect(),
        c => vec![c],
    }
}
