//! Diagnostics as text for a terminal or a log.
//!
//! A function of its arguments: whether colour is wanted is for the caller to say.

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::secrets::Secrets;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use orchestrate_model::readable::is_hidden;
use std::ops::Range;

/// A line that is longer than this is not shown, only its place: nobody reads it and terminals choke on it.
const LONGEST_LINE: usize = 2_000;

/// How diagnostics look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI escape sequences for colour.
    Colour,
}

/// Returns the diagnostics as text, each with file, line, column, the line itself and a caret under the place.
///
/// `source` is the text that was parsed; what looks like a secret is masked in it, see the module `secrets`.
#[must_use]
pub fn render(diagnostics: &Diagnostics, source: &str, file_name: &str, style: Style) -> String {
    let text = render_list(diagnostics.items(), source, file_name, style);
    match diagnostics.omitted() {
        0 => text,
        1 => format!("{text}\n\nand 1 more mistake"),
        more => format!("{text}\n\nand {more} more mistakes"),
    }
}

/// Returns a list of diagnostics, such as the warnings of a good plan, in the form of [`render`].
#[must_use]
pub fn render_list(diagnostics: &[Diagnostic], source: &str, file_name: &str, style: Style) -> String {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    }
    .decor_style(DecorStyle::Ascii);
    let file = File { name: file_name, source, secrets: Secrets::of(source) };
    let texts: Vec<String> = folded(diagnostics).iter().map(|item| render_one(item, &file, &renderer)).collect();
    texts.join("\n\n")
}

/// Most places of one mistake that are listed.
const MOST_PLACES: usize = 8;

/// Returns the diagnostics with equal ones told once, at the first place, with the others: two hundred pools that share a
/// mistake are one mistake to whoever reads it.
fn folded(diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut told: Vec<(&Diagnostic, Vec<String>)> = Vec::new();
    for item in diagnostics {
        let is_same = |other: &Diagnostic| {
            (item.code, item.severity, &item.message, &item.label)
                == (other.code, other.severity, &other.message, &other.label)
                && (&item.help, &item.notes) == (&other.help, &other.notes)
        };
        match told.iter_mut().find(|(other, _)| is_same(other)) {
            Some((_, places)) => places.push(format!("{}:{}", item.span.line, item.span.column)),
            None => told.push((item, Vec::new())),
        }
    }
    let with_places = |(item, places): (&Diagnostic, Vec<String>)| {
        let more = places.len().saturating_sub(MOST_PLACES);
        let text = places[..places.len() - more].join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more places") };
        if text.is_empty() { item.clone() } else { item.clone().note(format!("the same in line {text}{more}")) }
    };
    told.into_iter().map(with_places).collect()
}

/// The file that diagnostics are about.
struct File<'a> {
    name: &'a str,
    source: &'a str,
    secrets: Secrets,
}

impl File<'_> {
    /// Returns the line of a place as it may be shown, and where it stands.
    fn line(&self, place: Range<usize>) -> Option<(String, Range<usize>)> {
        if self.secrets.is_whole_file() {
            return None;
        }
        let range = shown_lines(self.source, place)?;
        let masked = self.secrets.masked(&self.source[range.clone()], range.start);
        Some((visible(masked.trim_end_matches('\r')), range))
    }
}

fn render_one(item: &Diagnostic, file: &File<'_>, renderer: &Renderer) -> String {
    let file_name = file.name;
    let level = match item.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group: Group<'_> = level
        .primary_title(item.message.as_str())
        .id(item.code.as_str())
        .elements(Vec::<Snippet<'_, Annotation<'_>>>::new());
    let shown = file.line(item.span.bytes());
    group = match &shown {
        Some((text, lines)) => {
            let start = (item.span.start - lines.start).min(text.len());
            let end = item.span.end.min(lines.end).saturating_sub(lines.start).min(text.len()).max(start);
            group.element(
                Snippet::source(text.as_str())
                    .line_start(item.span.line)
                    .path(file_name)
                    .annotation(AnnotationKind::Primary.span(start..end).label(item.label.as_str())),
            )
        }
        None => group.element(Origin::path(file_name).line(item.span.line).char_column(item.span.column)),
    };
    if shown.is_none() && !item.label.is_empty() {
        group = group.element(Level::NOTE.message(item.label.as_str()));
    }
    for note in &item.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &item.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// Returns the range of the first line of the place, unless there is none or it is too long to show.
fn shown_lines(source: &str, place: Range<usize>) -> Option<Range<usize>> {
    let before = source.get(..place.start)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = source[place.start..].find('\n').map_or(source.len(), |newline| place.start + newline);
    (end - start <= LONGEST_LINE && end > start).then_some(start..end)
}

/// Returns a line without characters that cannot be seen, each replaced by a visible one of the same length, so that
/// places still fit. What moves the cursor or turns the direction of a text around must not reach a terminal.
fn visible(line: &str) -> String {
    let replaced = |c: char| match c.len_utf8() {
        _ if c == '\t' || !is_hidden(c) => c.to_string(),
        1 => "?".to_owned(),
        2 => "\u{bf}".to_owned(),
        3 => char::REPLACEMENT_CHARACTER.to_string(),
        _ => format!("{}?", char::REPLACEMENT_CHARACTER),
    };
    line.chars().map(replaced).collect()
}
