//! Widths, padding, wrapping and counts.

use jiff::SignedDuration;
pub use orchestrate_model::readable::duration;
use orchestrate_model::text::is_unseen;
use unicode_width::UnicodeWidthStr;

/// Returns `text` without what is unseen, which a server could use to write over the operator's screen.
#[must_use]
pub fn clean(text: &str) -> String {
    let visible = |c| match c {
        '\n' | '\t' => ' ',
        c if is_unseen(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.trim_end().chars().map(visible).collect()
}

/// Returns a running time as `H:MM:SS`, which keeps its width while it counts.
pub(crate) fn stopwatch(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns how many columns `text` takes. The text must not carry escape sequences.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns `text` filled up with spaces to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{:fill$}", "", fill = columns.saturating_sub(width(text)))
}

/// Returns `text` with spaces before it up to `columns`.
pub(crate) fn right(text: &str, columns: usize) -> String {
    format!("{:fill$}{text}", "", fill = columns.saturating_sub(width(text)))
}

/// Returns `text` cut to `columns`, with an ellipsis when something is missing.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept) + width(&c.to_string()) + 1 > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Returns `text` broken into lines of at most `columns`, at spaces where it can be.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let options = textwrap::Options::new(columns).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines: Vec<String> = textwrap::wrap(text, options).into_iter().map(|line| line.trim_end().to_owned()).collect();
    if lines.is_empty() { vec![String::new()] } else { lines }
}

/// Returns a text whose lines are broken at spaces to fit so many columns. What is broken off stands below the second column of a
/// table where the line has one, and two columns further in elsewhere.
#[must_use]
pub fn broken(text: &str, columns: usize) -> String {
    let line = |line: &str| {
        let lead = line.len() - line.trim_start_matches(' ').len();
        let table = line[lead..].find("  ").map(|at| {
            let rest = &line[lead + at..];
            lead + at + (rest.len() - rest.trim_start_matches(' ').len())
        });
        let indent = table.map_or(lead + 2, |at| width(&line[..at]));
        let indent = if indent * 2 > columns { lead + 2 } else { indent };
        let options = textwrap::Options::new(columns.max(20))
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
        textwrap::fill(line, options.subsequent_indent(&" ".repeat(indent)))
    };
    let ending = if text.ends_with('\n') { "\n" } else { "" };
    let lines: Vec<String> = text.lines().map(line).collect();
    format!("{}{ending}", lines.join("\n"))
}

/// Returns a count with its noun: `1 server`, `3 servers`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let ending = if noun.ends_with("ch") { "es" } else { "s" };
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}{ending}") }
}

/// Returns a list in words: `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_say_two_units_at_most() {
        let said = |seconds| duration(SignedDuration::from_secs(seconds));
        assert_eq!(said(0), "0s");
        assert_eq!(said(130), "2m 10s");
        assert_eq!(said(2700), "45m");
        assert_eq!(said(7200), "2h");
        assert_eq!(said(7200 + 300), "2h 05m");
        assert_eq!(said(86_400 + 3600), "1d 01h");
        assert_eq!(said(86_400 + 1800), "1d 00h 30m");
    }

    #[test]
    fn lines_are_broken_at_spaces_and_what_is_broken_off_stands_in_its_column() {
        let table = "late    6 of 6 runs end with every server back\n  assumed that no user comes back to it\n";
        let wanted =
            "late    6 of 6 runs end with\n        every server back\n  assumed that no user comes\n    back to it\n";
        assert_eq!(broken(table, 30), wanted);
        assert_eq!(broken(table, 100), table, "what fits stays as it is");
        assert_eq!(broken("a\n\n  b", 30), "a\n\n  b");
    }

    #[test]
    fn a_server_cannot_write_over_the_screen() {
        assert_eq!(clean("a\u{1b}[2Jb\r\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(pad("服务", 6), "服务  ");
        assert_eq!(cut("服务器一", 5), "服务…");
        assert_eq!(right("7", 3), "  7");
    }
}
