//! The one question before the first change: what is asked, and which answer is a yes.

use crate::live::Ground;
use orchestrate_planner::Plan;

/// Returns the question. On real servers a yes is the name of the pool that is begun with: it is not typed by habit.
#[must_use]
pub fn question(ground: Ground, plan: &Plan, what: &str) -> String {
    match (ground, first_pool(plan)) {
        (Ground::Real, Some(pool)) => format!("{what} Type the name of the pool, {pool}: "),
        (Ground::Real, None) => format!("{what} [y/N] "),
        (Ground::Lab, _) => format!("LAB: {what} [y/N] "),
    }
}

/// Returns whether an answer is a yes. Anything else is a no.
///
/// # Errors
/// A yes that is no name of the pool, or another name, with what was wanted.
pub fn is_yes(ground: Ground, plan: &Plan, typed: &str) -> Result<bool, String> {
    let typed = typed.trim();
    let word = typed.to_ascii_lowercase();
    match (ground, first_pool(plan)) {
        (Ground::Real, Some(pool)) if typed.eq_ignore_ascii_case(pool) => Ok(true),
        (Ground::Real, Some(_)) if matches!(word.as_str(), "" | "n" | "no") => Ok(false),
        (Ground::Real, Some(pool)) => {
            Err(format!("{} is not the name of the pool, {pool}", orchestrate_model::text::quoted(typed)))
        }
        (Ground::Real, None) | (Ground::Lab, _) => Ok(matches!(word.as_str(), "y" | "yes")),
    }
}

/// The pool whose server is taken first.
fn first_pool(plan: &Plan) -> Option<&str> {
    plan.work().first().map(|work| plan.pool_of(work).name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn on_real_servers_a_yes_is_the_name_of_the_pool() {
        let plan = fixture::plan();
        let asked = question(Ground::Real, &plan, "run this plan?");
        assert_eq!(asked, "run this plan? Type the name of the pool, pool01.contoso.example: ");
        assert_eq!(is_yes(Ground::Real, &plan, " POOL01.contoso.example\n"), Ok(true));
        for no in ["", "\n", "n", "No"] {
            assert_eq!(is_yes(Ground::Real, &plan, no), Ok(false));
        }
        for wrong in ["y", "yes", "pool01", "pool02.contoso.example"] {
            assert!(is_yes(Ground::Real, &plan, wrong).is_err_and(|why| why.contains("pool01.contoso.example")));
        }
    }

    #[test]
    fn a_lab_says_that_it_is_one() {
        let plan = fixture::plan();
        assert_eq!(question(Ground::Lab, &plan, "run this plan?"), "LAB: run this plan? [y/N] ");
        for (typed, yes) in [("y\n", true), ("YES", true), ("", false), ("pool01.contoso.example", false)] {
            assert_eq!(is_yes(Ground::Lab, &plan, typed), Ok(yes));
        }
    }
}
