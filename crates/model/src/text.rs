//! Text from outside: what servers, balancers, name servers and scripts say, made fit for a line.
//!
//! Whatever a stranger can write ends up in a log, a journal or a terminal. There it must be no command to the terminal,
//! must not look like other text than it is, and must not be a megabyte. This is the one place that sees to it.

/// Longest piece of foreign text that is kept, in characters: a sentence or two of a message, with its file names.
pub const LONGEST_FOREIGN: usize = 400;

/// Longest name of a foreign thing that is kept, in characters. DNS names end at 253.
pub const LONGEST_NAME: usize = 128;

/// Longest reason that is kept, in characters: several pieces of foreign text with our words around them.
pub const LONGEST_REASON: usize = 2_000;

/// Returns whether a character is not seen, or changes how the text around it looks: control characters, marks of
/// direction, marks without width, and separators of lines and paragraphs.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    crate::readable::is_hidden(c)
}

/// Returns foreign text on one line, with a blank for each run of what is unseen, cut at [`LONGEST_FOREIGN`] characters.
#[must_use]
pub fn foreign(text: &str) -> String {
    bounded(text, LONGEST_FOREIGN)
}

/// Returns a foreign name in the same way, cut at [`LONGEST_NAME`] characters.
#[must_use]
pub fn name(text: &str) -> String {
    bounded(text, LONGEST_NAME)
}

/// Returns text on one line, with a blank for each run of what is unseen, cut at `most` characters with a word on what is missing.
#[must_use]
pub fn bounded(text: &str, most: usize) -> String {
    let text = text.trim_matches(|c: char| is_unseen(c) || c.is_whitespace());
    let mut kept = String::with_capacity(text.len().min(most.saturating_mul(4)));
    let mut after_blank = false;
    let mut count = 0;
    for (at, c) in text.char_indices() {
        let c = if is_unseen(c) || c.is_whitespace() { ' ' } else { c };
        if c == ' ' && after_blank {
            continue;
        }
        if count == most {
            let rest = text.len() - at;
            // Otherwise text that is cleaned again would lose the second of two blanks.
            kept.truncate(kept.trim_end().len());
            kept.push_str(" ... (");
            kept.push_str(&rest.to_string());
            kept.push_str(" bytes more)");
            break;
        }
        after_blank = c == ' ';
        count += 1;
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unseen_becomes_a_blank() {
        assert_eq!(foreign("ready\u{1b}[2J\u{202e}eno\u{200b}"), "ready [2J eno");
        assert_eq!(foreign(" one\r\n\ttwo\u{2028}three\n"), "one two three");
        assert_eq!(foreign("Zürich, 日本語, ∅"), "Zürich, 日本語, ∅");
    }

    #[test]
    fn a_megabyte_becomes_a_line() {
        let said = foreign(&"\u{202e}x\n".repeat(1 << 18));
        assert!(said.chars().count() < LONGEST_FOREIGN + 40, "{}", said.len());
        assert!(said.ends_with(" bytes more)"), "{said}");
        assert!(foreign(&" \n".repeat(1 << 19)).is_empty());
    }

    #[test]
    fn cleaning_twice_changes_nothing_more() {
        for text in ["plain", "a\u{0}b", &"y ".repeat(900)] {
            let once = foreign(text);
            assert_eq!(bounded(&once, LONGEST_REASON), once);
        }
    }
}
