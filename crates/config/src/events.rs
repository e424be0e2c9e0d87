//! The parser's own events: what stands between a file and its tree, with every scalar as it was typed.
//!
//! The deserialiser decides what `7E4567`, `0x10` or `!!int 1` is before it hands it over. Plans keep texts as they are
//! written, so the texts come from here, by the place of the value.

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as Place};
use std::borrow::Cow;

/// A scalar as it was typed.
#[derive(Debug)]
pub(crate) struct Typed<'s> {
    start: usize,
    /// The text without quotes and escapes.
    pub(crate) text: Cow<'s, str>,
    /// How it was written.
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// In quotes.
    Quoted,
    /// As a block after `|` or `>`.
    Block,
}

/// The scalars of a file in its order.
#[derive(Debug, Default)]
pub(crate) struct Scalars<'s>(Vec<Typed<'s>>);

impl Scalars<'_> {
    /// Returns the scalar that begins at a byte.
    pub(crate) fn at(&self, start: usize) -> Option<&Typed<'_>> {
        let position = self.0.binary_search_by_key(&start, |typed| typed.start).ok()?;
        self.0.get(position)
    }
}

/// A tag, such as `!!int`, and the byte where it stands.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) tag: String,
    pub(crate) start: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Returns the scalars of a file, up to a mistake in it or to `most`, and the first tag.
pub(crate) fn scalars(source: &str, most: usize) -> (Scalars<'_>, Option<Tagged>) {
    let mut scalars = Vec::new();
    let mut tagged = None;
    for event in Parser::new_from_str(source) {
        let Ok((event, place)) = event else { break };
        if tagged.is_none() {
            tagged = tag(&event, &place);
        }
        if let Event::Scalar(text, style, _, _) = event {
            if scalars.len() == most {
                break;
            }
            scalars.push(Typed { start: start_of(&place), text, style: of(style) });
        }
    }
    // They come in the order of the file; the search below must not depend on it.
    scalars.sort_by_key(|typed| typed.start);
    (Scalars(scalars), tagged)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's styles are not ours, and may grow")]
fn of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        _ => Style::Quoted,
    }
}

fn tag(event: &Event<'_>, place: &Place) -> Option<Tagged> {
    let tag = event.tag()?;
    let at = place.tag_start().unwrap_or(place.start);
    Some(Tagged {
        tag: tag.original(),
        start: at.byte_offset().unwrap_or_default(),
        line: at.line(),
        column: at.col() + 1,
    })
}

/// Returns the first byte of a place.
pub(crate) fn start_of(place: &Place) -> usize {
    place.start.byte_offset().unwrap_or_default()
}

/// Returns the byte after a place.
pub(crate) fn end_of(place: &Place) -> usize {
    place.end.byte_offset().unwrap_or_default()
}
