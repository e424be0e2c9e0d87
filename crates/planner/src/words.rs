//! Small words that messages are put together from.

use jiff::SignedDuration;
use std::fmt::Display;

/// Things that a message names before it counts the rest. The largest pool of the product has sixteen servers; a generic
/// pool can have thousands, whose names fill no message that anybody reads.
const LISTED: usize = 16;

/// Returns `a`, `a and b`, `a, b and c`, and of very many the first and how many more there are.
pub(crate) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if texts.len() > LISTED {
        let more = texts.len() - (LISTED - 1);
        texts.truncate(LISTED - 1);
        texts.push(format!("{more} more"));
    }
    match texts.pop() {
        None => "none".to_owned(),
        Some(last) if texts.is_empty() => last,
        Some(last) => format!("{} and {last}", texts.join(", ")),
    }
}

/// How many names a message spells out before it counts the rest.
const SPELT_OUT: usize = 4;

/// Returns the first few names, and how many more there are.
pub(crate) fn few(names: &[&str]) -> String {
    match names.len().checked_sub(SPELT_OUT) {
        None | Some(0) => list(names),
        Some(more) => format!("{} and {more} more", names[..SPELT_OUT].join(", ")),
    }
}

/// Returns `is` for one and `are` for any other number.
pub(crate) fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Returns a number of things, in the plural where it is not one.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Returns a duration as people say it: `2 h 5 min`, `45 s`.
pub(crate) fn time(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, "h"), (minutes, "min"), (rest, "s")];
    let shown: Vec<String> =
        parts.iter().filter(|(value, _)| *value != 0).map(|(value, unit)| format!("{value} {unit}")).collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_thousands_is_a_few_and_a_number() {
        assert_eq!(list(Vec::<u32>::new()), "none");
        assert_eq!(list(1..=3), "1, 2 and 3");
        assert!(list(1..=16).ends_with("15 and 16"));
        assert!(list(1..=2000).ends_with("14, 15 and 1985 more"));
    }
}
