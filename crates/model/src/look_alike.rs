//! Dashes and quotation marks of printed text, which word processors and web pages put in the place of typed ones.

/// Returns an argument of a command as it was probably typed, where its own form begins like an option, or is quoted, with
/// characters of printed text. `None`: there is nothing of the kind. A dash or a mark inside of a text is the author's.
#[must_use]
pub fn typed(argument: &str) -> Option<String> {
    let mut words: Vec<String> = argument.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let rest = word.trim_start_matches(is_dash);
        let dashes = word.chars().take_while(|c| is_dash(*c)).count();
        let printed = word.chars().take(dashes).any(|c| c != '-');
        if printed && rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            // Two hyphens become one long dash.
            let long = dashes == 1 && word.starts_with(['\u{2014}', '\u{2015}']);
            *word = format!("{}{rest}", "-".repeat(if long { 2 } else { dashes }));
        }
    }
    let text = words.join(" ");
    let opens =
        text.char_indices().any(|(at, c)| is_quote(c) && (at == 0 || text[..at].ends_with(['=', ':', ' ', '"'])));
    let text = if opens { text.chars().map(plain_quote).collect() } else { text };
    (text != argument).then_some(text)
}

/// Returns a text as it was probably typed, where it holds blanks that are not the one of the keyboard (U+00A0 and others), or letters
/// and signs of the width of Chinese ones. `None`: there is nothing of the kind.
#[must_use]
pub fn typed_blanks(text: &str) -> Option<String> {
    let typed: String = text.chars().map(narrow).collect();
    (typed != text).then_some(typed)
}

fn narrow(c: char) -> char {
    match c {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}

/// Whether a character is a hyphen or looks like one at the beginning of an option.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// Whether a character is a quotation mark of printed text.
#[must_use]
pub fn is_quote(c: char) -> bool {
    matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}')
}

fn plain_quote(c: char) -> char {
    match c {
        '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => '"',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_wide_letters_are_told_from_typed_ones() {
        for (printed, meant) in [
            ("C:\\CU\u{a0}x", "C:\\CU x"),
            ("a\u{202f}b\u{3000}c", "a b c"),
            ("\u{ff0f}quiet", "/quiet"),
            ("\u{ff23}\u{ff1a}\\x", "C:\\x"),
        ] {
            assert_eq!(typed_blanks(printed).as_deref(), Some(meant), "{printed}");
        }
        for good in ["C:\\Gr\u{f6}\u{df}e x", "O\u{2019}Brien", ""] {
            assert_eq!(typed_blanks(good), None, "{good}");
        }
    }

    #[test]
    fn printed_dashes_and_quotes_are_told_from_texts() {
        for (printed, meant) in [
            ("\u{2013}silentmode", "-silentmode"),
            ("\u{2014}yes", "--yes"),
            ("\u{2013}\u{2013}yes", "--yes"),
            ("/a \u{2013}b", "/a -b"),
            ("\u{201c}/quiet\u{201d}", "\"/quiet\""),
            ("NAME=\u{201c}a b\u{201d}", "NAME=\"a b\""),
            ("/log:\u{2018}x\u{2019}", "/log:'x'"),
        ] {
            assert_eq!(typed(printed).as_deref(), Some(meant), "{printed}");
        }
        for good in ["-a", "--b", "", "O\u{2019}Brien.log", "a \u{2013} b", "C:\\a\u{2013}b.msi", "x=\"a\""] {
            assert_eq!(typed(good), None, "{good}");
        }
    }
}
