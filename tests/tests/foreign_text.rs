//! The two places that make text from outside fit for a line take out the same characters: the WS-Management client stands
//! alone and so has its own.

#![cfg(test)]

use orchestrate_model::text::foreign;
use orchestrate_wsman::plain;

#[test]
fn the_client_and_the_model_take_out_the_same_characters() {
    for c in '\0'..=char::MAX {
        let text = format!("a{c}b");
        assert_eq!(plain(&text), foreign(&text), "{c:?}");
    }
}

#[test]
fn a_megabyte_from_outside_is_a_line_everywhere() {
    let text = "\u{1b}[2J\u{202e}\u{200b}x".repeat(1 << 18);
    for said in [
        plain(&text),
        foreign(&text),
        orchestrate_model::Answer::<()>::unknown(&text).why_unknown().unwrap().to_owned(),
    ] {
        assert!(said.len() < 8_500, "{} bytes", said.len());
        assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{200b}']));
    }
}
