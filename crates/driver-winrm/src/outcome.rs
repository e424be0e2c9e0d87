//! What the answer to an act means.

use crate::script::Trouble;
use orchestrate_model::ActOutcome;
use orchestrate_wsman::{Cause, Error, FaultClass, NotSent, Outcome, Refusal, Unresolved};

/// What a method of a service was to bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `PauseService`.
    Pause,
    /// `ResumeService`.
    Continue,
    /// `StartService`.
    Start,
    /// `StopService`.
    Stop,
    /// `ChangeStartMode`.
    ChangeStartMode,
}

impl Verb {
    /// Returns the method of `Win32_Service`.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Pause => "PauseService",
            Self::Continue => "ResumeService",
            Self::Start => "StartService",
            Self::Stop => "StopService",
            Self::ChangeStartMode => "ChangeStartMode",
        }
    }
}

/// Returns what a return value of `Win32_Service` means for what was wanted. Zero says that the request was accepted,
/// not that it is done.
pub(crate) fn of_return_value(verb: Verb, value: i64) -> ActOutcome {
    let text = || format!("{} returned {value}: {}", verb.method(), meaning(value));
    match (value, verb) {
        (0, _) => ActOutcome::Accepted,
        // What Windows returns for pausing a paused service is open: 24 here, 0 above.
        (6, Verb::Stop) | (10, Verb::Start | Verb::Continue) | (24, Verb::Pause) => ActOutcome::AlreadySo,
        // In the middle of another change, or somebody holds the service database.
        (5 | 11, _) => ActOutcome::Retry(text()),
        // What it needs may still be on its way up.
        (13, Verb::Start) => ActOutcome::Retry(text()),
        // The service was told and did not answer: it may still do it. And an error that has no number of its own says
        // nothing about what was done until then.
        (7 | 8, _) => ActOutcome::Unknown(text()),
        _ => ActOutcome::Failed(text()),
    }
}

fn meaning(value: i64) -> &'static str {
    match value {
        0 => "accepted",
        1 => "not supported",
        2 => "access denied; the account needs the right to control this service",
        3 => "services that depend on it are running; they have to be stopped first",
        4 => "the service does not take this control",
        5 => "the service cannot take a control in its present state",
        6 => "the service is not started",
        7 => "the service did not answer the request in time",
        8 => "a failure that has no number of its own",
        9 => "the path of its program was not found: what is installed is damaged, and no command starts it",
        10 => "the service is running already",
        11 => "the service database is locked",
        12 => "a service that it depends on is not there",
        13 => "a service that it depends on did not start",
        14 => "the service is disabled; its start type has to be set first",
        15 => "the service could not log on; its account and password are set in services.msc, under Log On",
        16 => {
            "the service is marked for deletion; it goes when all who have it open let go, at the latest by a restart"
        }
        17 => "the service has no thread",
        18 => "the service depends on itself in a circle",
        19 => "the name exists already",
        20 => "the name is invalid",
        21 => "a parameter is invalid",
        22 => "the account of the service is invalid, or may not run it; it is set in services.msc, under Log On",
        23 => "the service exists already",
        24 => "the service is paused already",
        _ => "an error that is not documented",
    }
}

/// Returns what a request that failed means for what it was to do.
pub(crate) fn of_error(error: &Error) -> ActOutcome {
    let text = error.to_string();
    match error.outcome() {
        Outcome::Unknown => ActOutcome::Unknown(text),
        Outcome::NotSent | Outcome::Refused if is_passing(error) => ActOutcome::Retry(text),
        Outcome::NotSent | Outcome::Refused => ActOutcome::Failed(text),
    }
}

/// Returns what a script that gave no answer means for what it was to do.
pub(crate) fn of_trouble(trouble: Trouble) -> ActOutcome {
    match trouble.outcome {
        Outcome::Unknown => ActOutcome::Unknown(trouble.text),
        Outcome::NotSent | Outcome::Refused if trouble.passing => ActOutcome::Retry(trouble.text),
        Outcome::NotSent | Outcome::Refused => ActOutcome::Failed(trouble.text),
    }
}

/// Whether what a program of Windows ended with passes by itself: too little memory or room in a table, a locked service
/// database, a device or a service manager that is not ready yet.
pub(crate) fn is_passing_code(code: i64) -> bool {
    matches!(code, 8 | 14 | 21 | 170 | 1055 | 1450 | 1453 | 1455 | 1816 | 1722)
}

/// Returns what a program of Windows means that did not do what it was to do, by its exit code.
pub(crate) fn of_code(code: i64, text: String) -> ActOutcome {
    match code {
        // ERROR_SERVICE_REQUEST_TIMEOUT: told, and it did not answer.
        1053 => ActOutcome::Unknown(text),
        code if is_passing_code(code) => ActOutcome::Retry(text),
        _ => ActOutcome::Failed(text),
    }
}

/// Whether what stood in the way of a request may be gone later.
pub(crate) fn is_passing(error: &Error) -> bool {
    match &*error.cause {
        // A server that is not who it should be does not become it by asking again. A handshake that broke off is
        // another matter.
        Cause::NotSent(NotSent::Tls { .. }) => false,
        Cause::NotSent(NotSent::Logon(failure)) => failure.is_passing(),
        Cause::Refused(Refusal::Logon(failure)) => failure.is_passing(),
        // What the listener of a server offers does not change by asking again; a logon that has ended is made anew.
        Cause::Refused(Refusal::NotOffered { .. }) => false,
        Cause::Refused(Refusal::LoggedOff) => true,
        Cause::NotSent(_) | Cause::Unresolved(_) => true,
        // A server that has just been restarted may not reach its domain yet; the client spaces the attempts out.
        Cause::Refused(Refusal::Unauthorized { .. }) => true,
        Cause::Refused(Refusal::Status { status, .. }) => matches!(status, 404 | 503),
        Cause::Refused(Refusal::Fault(fault)) => match fault.class() {
            FaultClass::Quota | FaultClass::TimedOut | FaultClass::Aborted | FaultClass::LostShell => true,
            FaultClass::AccessDenied
            | FaultClass::NotFound
            | FaultClass::FileNotFound
            | FaultClass::BadQuery
            | FaultClass::Malformed
            | FaultClass::LostEnumeration
            | FaultClass::Other => false,
        },
    }
}

/// Whether a server is out of reach, so that the other questions of a look need not find that out again. A 401 is
/// among these: each further question would be another failed logon.
pub(crate) fn is_out_of_reach(error: &Error) -> bool {
    match &*error.cause {
        Cause::NotSent(_)
        | Cause::Unresolved(
            Unresolved::Timeout(_) | Unresolved::Lost(_) | Unresolved::NotSealed | Unresolved::Seal(_),
        ) => true,
        Cause::Unresolved(
            Unresolved::NotXml(_)
            | Unresolved::Shape(_)
            | Unresolved::WrongRelation { .. }
            | Unresolved::TooLarge(_)
            | Unresolved::Mute(_)
            | Unresolved::CommandTimeout(_),
        ) => false,
        Cause::Refused(
            Refusal::Unauthorized { .. } | Refusal::Logon(_) | Refusal::NotOffered { .. } | Refusal::LoggedOff,
        ) => true,
        Cause::Refused(Refusal::Status { status, .. }) => matches!(status, 404 | 503),
        Cause::Refused(Refusal::Fault(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: [Verb; 5] = [Verb::Pause, Verb::Continue, Verb::Start, Verb::Stop, Verb::ChangeStartMode];

    #[test]
    fn each_return_value_means_one_thing_for_each_verb() {
        for verb in VERBS {
            for value in (0..=30).chain([-1, 4_294_967_295]) {
                let expected = match (value, verb) {
                    (0, _) => "accepted",
                    (10, Verb::Start | Verb::Continue) | (24, Verb::Pause) | (6, Verb::Stop) => "already",
                    (5 | 11, _) | (13, Verb::Start) => "retry",
                    (7 | 8, _) => "unknown",
                    _ => "failed",
                };
                let (found, text) = match of_return_value(verb, value) {
                    ActOutcome::Accepted => ("accepted", String::new()),
                    ActOutcome::AlreadySo => ("already", String::new()),
                    ActOutcome::Joined => ("joined", String::new()),
                    ActOutcome::Retry(text) => ("retry", text),
                    ActOutcome::Failed(text) => ("failed", text),
                    ActOutcome::Unknown(text) => ("unknown", text),
                };
                assert_eq!(found, expected, "{verb:?} {value}");
                assert!(text.is_empty() || text.contains(&format!("returned {value}: ")), "{text}");
            }
        }
    }

    #[test]
    fn p3_a_success_for_one_verb_is_none_for_another() {
        assert!(matches!(of_return_value(Verb::Pause, 10), ActOutcome::Failed(_)));
        assert!(matches!(of_return_value(Verb::Start, 24), ActOutcome::Failed(_)));
        assert!(matches!(of_return_value(Verb::Pause, 6), ActOutcome::Failed(_)));
    }
}
