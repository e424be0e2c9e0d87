//! The words that the faults of a scenario may name a request by. A word that no request has would make a fault that
//! never comes, and a test that proves nothing.

use crate::wsman::SCRIPTS;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Operations of the protocol, methods, and programs. Scripts are named besides.
const WORDS: &[&str] = &[
    "any",
    "Identify",
    "Get",
    "Enumerate",
    "Pull",
    "Release",
    "Invoke",
    "PauseService",
    "ResumeService",
    "StartService",
    "StopService",
    "InterrogateService",
    "ChangeStartMode",
    "Reboot",
    "Create",
    "Delete",
    "Command",
    "Receive",
    "Send",
    "Signal",
    "shutdown",
    "hostname",
    "whoami",
];

/// In front of a script's or program's name: the requests for its output.
const RECEIVE: &str = "Receive ";

/// The farthest that a word may be from the one that was meant.
const FARTHEST: usize = 3;

/// Reads the name of an operation, which has to be one that requests have.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    check(&given).map_err(D::Error::custom)?;
    Ok(given)
}

fn check(given: &str) -> Result<(), String> {
    let whose = given.get(..RECEIVE.len()).filter(|head| head.eq_ignore_ascii_case(RECEIVE));
    let word = whose.map_or(given, |head| &given[head.len()..]);
    if known().any(|known| known.eq_ignore_ascii_case(word)) {
        return Ok(());
    }
    let distance = |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &word.to_lowercase());
    let nearest = known().min_by_key(|known| distance(known)).filter(|known| distance(known) <= FARTHEST);
    let advice = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("expected one of: {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("no request is called `{given}`; {advice}"))
}

fn known() -> impl Iterator<Item = &'static str> {
    WORDS.iter().chain(SCRIPTS).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_no_request_has_is_refused_with_the_one_that_was_meant() {
        for good in ["any", "get", "PauseService", "installer-start", "Receive installer-start", "receive versions"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert!(check("PuaseService").unwrap_err().contains("did you mean `PauseService`?"));
        assert!(check("instaler-start").unwrap_err().contains("did you mean `installer-start`?"));
        assert!(check("frobnicate everything").unwrap_err().contains("expected one of: any, "));
    }
}
