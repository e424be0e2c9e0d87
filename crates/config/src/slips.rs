//! Slips of the hand that the parser notices late or calls something else: a colon that is missing, and blanks that look
//! like a space and are none.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};

/// Returns the name of a blank that looks like a space, and that YAML takes for a letter.
fn blank(c: char) -> Option<String> {
    let number = u32::from(c);
    match c {
        ' ' | '\t' | '\n' | '\r' => None,
        '\u{a0}' | '\u{202f}' => Some(format!("a non-breaking space (U+{number:04X})")),
        c if c.is_whitespace() => Some(format!("a blank that is no space (U+{number:04X})")),
        _ => None,
    }
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
struct Line<'s> {
    /// From 1.
    number: usize,
    /// Where it begins.
    start: usize,
    /// Without its end and without a comment.
    text: &'s str,
}

impl Line<'_> {
    fn at(&self, from: usize, to: usize) -> Span {
        let column = self.text[..from].chars().count() + 1;
        Span { start: self.start + from, end: self.start + to, line: self.number, column }
    }

    /// Returns the first blank that is no space where YAML needs one or takes it for a part of the key: before the key, in
    /// it, and right behind its colon. In a value it is the author's.
    fn blank(&self) -> Option<(Span, String)> {
        let key = self.text.find(':').map_or(self.text.len(), |colon| colon + 1);
        let mut places = self.text.char_indices().take_while(|(at, _)| *at <= key);
        places.find_map(|(at, c)| blank(c).map(|name| (self.at(at, at + c.len_utf8()), name)))
    }
}

/// Returns the line of a place, and the last one before it that says anything.
fn around(span: Span, source: &str) -> [Option<Line<'_>>; 2] {
    let (mut start, mut before) = (0, None);
    for (position, whole) in source.split_inclusive('\n').enumerate() {
        let text = whole.trim_end_matches(['\n', '\r']);
        let comment = if text.trim_start().starts_with('#') { Some(0) } else { text.find(" #") };
        let line =
            Line { number: position + 1, start, text: text[..comment.unwrap_or(text.len())].trim_end_matches(' ') };
        if line.number >= span.line {
            return [Some(line), before];
        }
        if !line.text.trim().is_empty() {
            before = Some(line);
        }
        start += whole.len();
    }
    [None, before]
}

/// Returns the mistake that a blank which is no space is the cause of, where the parser gave up.
pub(crate) fn blank_at(span: Span, source: &str) -> Option<Diagnostic> {
    let (at, name) = around(span, source).into_iter().flatten().find_map(|line| line.blank())?;
    Some(
        Diagnostic::error(codes::SYNTAX, at, format!("this is not valid YAML: {name} stands where a space is needed"))
            .label("it looks like a space")
            .help("put an ordinary space there; text that is copied from a document or a page often has others"),
    )
}

/// Returns the name of the first blank in a text that is no space.
pub(crate) fn blank_in(text: &str) -> Option<String> {
    text.chars().find_map(blank)
}

/// Returns a key as it was probably meant.
pub(crate) fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| blank(*c).is_none()).collect()
}

/// Names the blank in a value that is refused for its sake.
pub(crate) fn blanks_named(found: &mut [Diagnostic], source: &str) {
    // These name it themselves.
    let others = |diagnostic: &&mut Diagnostic| ![codes::SYNTAX, codes::UNKNOWN_KEY].contains(&diagnostic.code);
    for diagnostic in found.iter_mut().filter(others) {
        let text = source.get(diagnostic.span.bytes()).unwrap_or_default();
        let Some((at, c)) = text.char_indices().find(|(_, c)| blank(*c).is_some()) else { continue };
        let name = blank(c).unwrap_or_default();
        let column = diagnostic.span.column + text[..at].chars().count();
        diagnostic.help =
            Some(format!("column {column} has {name}, which is no space: write an ordinary one, or none"));
    }
}

/// Returns the key without a colon that makes the colon at a place one too many: the line before goes on in this one.
pub(crate) fn colon_before(span: Span, source: &str) -> Option<Diagnostic> {
    let [Some(own), Some(before)] = around(span, source) else { return None };
    let has_key = |text: &str| text.contains(": ") || text.ends_with(':');
    let left = source.get(own.start..span.start)?;
    // Two colons on one line are another slip.
    if has_key(left) || has_key(before.text) {
        return None;
    }
    let indent = before.text.len() - before.text.trim_start_matches([' ', '-']).len();
    let text =
        before.text.get(indent..).filter(|text| !text.starts_with(['"', '\'', '[', '{', '|', '>', '&', '*', '!']))?;
    if let Some(colon) = text.find(':') {
        return Some(no_space(before.at(indent + colon, indent + colon + 1)));
    }
    let word = text.find(' ').unwrap_or(text.len());
    Some(
        Diagnostic::error(
            codes::SYNTAX,
            before.at(indent, indent + word),
            "this is not valid YAML: a key without a colon",
        )
        .label("no colon comes behind it on this line, so that the next line belongs to it")
        .help("write `key: value`, with a space after the colon"),
    )
}

/// Returns the colon at a place that the parser takes for a part of a word.
pub(crate) fn colon_without_space(span: Span, source: &str) -> Option<Diagnostic> {
    let [Some(own), _] = around(span, source) else { return None };
    let indent = own.text.len() - own.text.trim_start_matches([' ', '-']).len();
    let word = own.text[indent..].split(' ').next()?;
    let colon = word.find(':').filter(|colon| *colon + 1 < word.len())?;
    Some(no_space(own.at(indent + colon, indent + colon + 1)))
}

fn no_space(at: Span) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, at, "this is not valid YAML: a colon without a space behind it")
        .label("a space is missing here")
        .help("write `key: value`, with a space after the colon")
}

/// Most bytes that are looked at to tell how a file is encoded.
const LOOKED_AT: usize = 4096;

/// Returns whether a file is probably UTF-16 without a mark that says so: every other byte is zero.
pub(crate) fn is_unmarked_utf16(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(LOOKED_AT)];
    let zeroes = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeroes(0), zeroes(1), head.len() / 2);
    half > 1 && (even.max(odd) * 2 > half) && even.min(odd) * 4 < half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_told_from_text_and_from_other_files() {
        let little: Vec<u8> = "version: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "version: 1\nname: é\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(is_unmarked_utf16(&little) && is_unmarked_utf16(&big));
        for other in [&b"version: 1\n"[..], b"", b"\0", b"\0\0\0\0\0\0\0\0", b"a\0b"] {
            assert!(!is_unmarked_utf16(other), "{other:?}");
        }
    }
}
