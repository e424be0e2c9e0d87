//! Which characters a text may hold that people read and that is compared, and how lengths of time are written.

use crate::ServerName;
use jiff::SignedDuration;

/// Returns how long something took or may take, in the two largest units that say something: `45s`, `2h 05m`, `3d 04h`. What is
/// shorter than no time is written as none.
#[must_use]
pub fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes, rest) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, 0) => format!("{m}m"),
        (0, 0, m, s) => format!("{m}m {s:02}s"),
        (0, h, 0, _) => format!("{h}h"),
        (0, h, m, _) => format!("{h}h {m:02}m"),
        (d, 0, 0, _) => format!("{d}d"),
        // Without them half an hour more than a day would be called a day.
        (d, 0, m, _) => format!("{d}d 00h {m:02}m"),
        (d, h, ..) => format!("{d}d {h:02}h"),
    }
}

/// Returns a reason without the name of the server that it begins with, where that name is said in front of it.
#[must_use]
pub fn without_subject<'a>(reason: &'a str, server: &ServerName) -> &'a str {
    let without = |name: &str| reason.strip_prefix(name)?.strip_prefix(": ");
    [server.as_str(), server.short()].into_iter().find_map(without).unwrap_or(reason)
}

/// Returns whether a character cannot be seen where a text is shown, or changes how what stands around it is shown:
/// control characters, marks of direction, and characters without a width. Two texts that differ in one of these look
/// alike and are not, and what a terminal makes of them is not what was written. A blank is not hidden; line breaks and
/// tabs are, and are for each place to allow.
///
/// The list is that of the Unicode categories Cc, Cf, Zl and Zp, the variation selectors, and the letters that are drawn
/// as nothing.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns whether a text begins or ends with a blank of any kind, or holds nothing else.
#[must_use]
pub fn is_padded(text: &str) -> bool {
    text.trim() != text
}

/// Returns a number with its noun: `1 service`, `3 services`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!((count(1, "service"), count(0, "service")), ("1 service".to_owned(), "0 services".to_owned()));
    }

    #[test]
    fn what_cannot_be_seen_is_hidden_and_what_can_is_not() {
        for c in [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(is_hidden(c), "{c:?}");
            assert!(c != '\t' || c.is_control());
        }
        for c in [' ', '~', 'a', 'é', 'ß', '服', '\u{a0}', '\u{301}', '🛠', '→'] {
            assert!(!is_hidden(c), "{c:?}");
        }
        assert!(('\0'..=char::MAX).filter(|c| c.is_control()).all(is_hidden), "every control character");
    }

    #[test]
    fn blanks_at_an_end_are_seen_whatever_their_kind() {
        for padded in [" a", "a ", "\u{a0}a", "a\u{3000}", " ", "a\t"] {
            assert!(is_padded(padded), "{padded:?}");
        }
        for plain in ["a", "a b", ""] {
            assert!(!is_padded(plain), "{plain:?}");
        }
    }
}
