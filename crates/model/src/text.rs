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

/// Returns foreign text between quotes, cut at [`LONGEST_FOREIGN`] characters, with the number of each character in it that is
/// not seen or looks like a space and is none: `"Core<U+00A0>Components"`. Messages never show it in the spelling of a
/// programming language.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_FOREIGN).map(visible).collect();
    if text.chars().nth(LONGEST_FOREIGN).is_some() {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}

/// Returns one character between quotes, or its number where nobody would see it.
#[must_use]
pub fn character(c: char) -> String {
    let shown = visible(c);
    if shown.starts_with('<') && c != '<' { shown.trim_matches(['<', '>']).to_owned() } else { format!("'{c}'") }
}

fn visible(c: char) -> String {
    if c != ' ' && (is_unseen(c) || c.is_whitespace()) { format!("<U+{:04X}>", u32::from(c)) } else { c.to_string() }
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
    fn quoted_text_shows_what_is_not_seen_by_its_number_and_nothing_in_the_spelling_of_rust() {
        assert_eq!(quoted("Core\u{a0}Components"), "\"Core<U+00A0>Components\"");
        assert_eq!(quoted("C:\\CU\\a b"), "\"C:\\CU\\a b\"");
        assert_eq!(quoted("é\n\u{200b}"), "\"é<U+000A><U+200B>\"");
        assert!(quoted(&"a".repeat(500)).ends_with("aaa...\""));
        assert_eq!(
            (character('\u{a0}'), character('\''), character('<')),
            ("U+00A0".to_owned(), "'''".to_owned(), "'<'".to_owned())
        );
    }

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
