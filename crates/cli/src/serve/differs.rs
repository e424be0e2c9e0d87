//! In what two changes differ, in words, for a person who has to decide between them.

use orchestrate_display::compare;
use orchestrate_model::Change;

/// Most differences that are named.
const NAMED: usize = 5;

/// Returns in what a change differs from an earlier one.
pub(crate) fn in_words(before: &Change, now: &Change) -> String {
    let mut found: Vec<String> = compare::rules(before, now).into_iter().map(|difference| difference.text).collect();
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    if found.is_empty() { "it is another plan".to_owned() } else { found.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = include_str!("../../../../plans/contoso-front-end.yaml");

    fn change(text: &str) -> Change {
        orchestrate_config::parse("plan.yaml", text.as_bytes()).unwrap().change
    }

    #[test]
    fn what_differs_is_named_with_what_it_was_and_no_argument_is_shown() {
        let other =
            PLAN.replace("soak: 20m", "soak: 30m").replace("arguments: [/silentmode]", "arguments: [/key=hush]");
        let told = in_words(&change(PLAN), &change(&other));
        assert!(
            told.contains("after its return (soak): was 20m, is 30m")
                && told.contains("the arguments of the installer differ"),
            "{told}"
        );
        assert!(!told.contains("hush"), "{told}");
    }
}
