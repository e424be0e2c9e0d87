//! `--only`: the servers of a plan that a start works on. The others are looked at and judged as usual.

use crate::failure::Failure;
use orchestrate_display::clean;
use orchestrate_model::{Change, Server, ServerName};
use std::collections::BTreeSet;

/// Most names that a refusal lists.
const MOST_NAMED: usize = 10;

/// Returns a change that works on the servers of these names alone. No name is all of them, and so is every name.
///
/// # Errors
/// A name is that of no server, of several, or of one that is away.
pub(crate) fn chosen(change: Change, names: &[String]) -> Result<Change, Failure> {
    if names.is_empty() {
        return Ok(change);
    }
    let mut only: BTreeSet<ServerName> = BTreeSet::new();
    for name in names {
        only.insert(one(&change, name.trim())?);
    }
    let is_all = change.pools.iter().all(|pool| pool.present().all(|server| only.contains(&server.name)));
    Ok(if is_all { change } else { Change { only, ..change } })
}

fn one(change: &Change, name: &str) -> Result<ServerName, Failure> {
    let all = || change.pools.iter().flat_map(|pool| &pool.servers);
    let is_it = |server: &&Server| {
        server.name.as_str().eq_ignore_ascii_case(name) || server.name.short().eq_ignore_ascii_case(name)
    };
    let found: Vec<&Server> = all().filter(is_it).collect();
    let said = clean(name);
    match found.as_slice() {
        [server] => match &server.away {
            None => Ok(server.name.clone()),
            Some(away) => {
                let text = format!("--only {said}: {} is {}", server.name, clean(&away.to_string()));
                Err(Failure::Usage(text))
            }
        },
        [] => Err(Failure::Usage(format!("--only {said}: the plan has no such server; {}", near(change, name)))),
        several => {
            let names: Vec<&str> = several.iter().map(|server| server.name.as_str()).collect();
            Err(Failure::Usage(format!("--only {said}: several servers are called so: {}", names.join(", "))))
        }
    }
}

/// Names the servers that may have been meant, or else those that there are.
fn near(change: &Change, name: &str) -> String {
    let lower = name.to_lowercase();
    let all = || change.pools.iter().flat_map(|pool| &pool.servers).map(|server| &server.name);
    let is_near = |server: &&ServerName| {
        let distance = |own: &str| strsim::damerau_levenshtein(&lower, own);
        let allowed = |own: &str| (own.chars().count() / 3).max(1);
        let (short, long) = (server.short(), server.as_str());
        distance(short) <= allowed(short) || (lower.contains('.') && distance(long) <= 2)
    };
    let near: Vec<&str> = all().filter(is_near).map(ServerName::as_str).take(MOST_NAMED).collect();
    if near.is_empty() {
        let names: Vec<&str> = all().map(ServerName::as_str).take(MOST_NAMED).collect();
        format!("it has {}", names.join(", "))
    } else {
        format!("did you mean {}?", near.join(", "))
    }
}

/// Refuses to go on with a run that was begun for other servers than those that a start names. One that names none goes on
/// with the run as it was begun.
///
/// # Errors
/// The start names others.
pub(crate) fn as_begun(run: &str, begun: &Change, given: &[String], wanted: &Change) -> Result<(), Failure> {
    if given.is_empty() || begun.only == wanted.only {
        return Ok(());
    }
    let of = if begun.only.is_empty() { "all servers of the plan".to_owned() } else { names(begun) };
    let text = format!(
        "run {run} is unfinished and was begun for {of}; go on with it by a start without --only, or bring it to its end first"
    );
    Err(Failure::Usage(text))
}

/// Returns the chosen servers of a change, in short.
pub(crate) fn names(change: &Change) -> String {
    let short: Vec<&str> = change.only.iter().map(ServerName::short).collect();
    short.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = include_str!("../../../plans/contoso-front-end.yaml");

    fn change(text: &str) -> Change {
        orchestrate_config::parse("plan.yaml", text.as_bytes()).unwrap().change
    }

    fn only(change: Change, names: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let chosen = chosen(change, &names).map_err(|failure| failure.to_string())?;
        Ok(chosen.only.iter().map(|server| server.short().to_owned()).collect())
    }

    #[test]
    fn servers_are_chosen_by_short_or_full_names_in_any_case() {
        assert_eq!(only(change(PLAN), &["FE3"]).unwrap(), ["fe3"]);
        assert_eq!(only(change(PLAN), &["fe3.contoso.example", "fe1", "fe3"]).unwrap(), ["fe1", "fe3"]);
        assert!(only(change(PLAN), &["fe1", "fe2", "fe3"]).unwrap().is_empty(), "every name is all of them");
        assert!(only(change(PLAN), &[]).unwrap().is_empty());
    }

    #[test]
    fn a_name_of_no_server_is_refused_with_those_that_are_near() {
        let near = only(change(PLAN), &["fe33"]).unwrap_err();
        assert!(near.contains("did you mean") && near.contains("fe3.contoso.example"), "{near}");
        let far = only(change(PLAN), &["mailbox"]).unwrap_err();
        assert!(far.contains("it has fe1.contoso.example"), "{far}");
    }

    #[test]
    fn a_server_that_is_away_is_not_chosen() {
        let mut away = change(PLAN);
        let counts = orchestrate_model::pool::AwayCounts::InBudget;
        away.pools[0].servers[2].away = Some(orchestrate_model::pool::Away { reason: "hardware".to_owned(), counts });
        assert!(only(away.clone(), &["fe3"]).unwrap_err().contains("fe3.contoso.example is away, hardware"));
        assert!(only(away, &["fe1", "fe2"]).unwrap().is_empty(), "all that are there");
    }
}
