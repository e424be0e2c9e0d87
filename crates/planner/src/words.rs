//! Small words that messages are put together from.

pub(crate) use orchestrate_model::readable::duration as time;
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
