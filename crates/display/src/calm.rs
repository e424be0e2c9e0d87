//! Waits of the live view in calm sentences: what is to be expected while a server is down is no error.

use orchestrate_engine::view::Wait;
use orchestrate_planner::StepKind;

/// What drivers say of a server that cannot be reached.
const UNREACHED: [&str; 8] = [
    "cannot connect to",
    "connection refused",
    "connection reset",
    "no route to host",
    "timed out",
    "not sent",
    "no answer within",
    "the connection was closed",
];

/// Returns a wait as a person reads it who looks at the screen. The log and the journal have it word for word.
pub(crate) fn calm(wait: &Wait, kind: StepKind) -> Wait {
    Wait { why: reason(&wait.why, kind), ..wait.clone() }
}

fn reason(why: &str, kind: StepKind) -> String {
    let lower = why.to_ascii_lowercase();
    if !UNREACHED.iter().any(|words| lower.contains(words)) {
        return without_numbers(why);
    }
    if kind == StepKind::Restart {
        return "it does not answer yet, as is to be expected while it restarts".to_owned();
    }
    // What was asked, of which address, is for the log; why there is no answer is for the person.
    let last = why.rsplit(": ").next().map(without_numbers).unwrap_or_default();
    match why.split_once(": ") {
        Some((server, _)) if server.contains('.') && !server.contains(' ') => {
            format!("{server} does not answer ({last})")
        }
        Some(_) | None => format!("no answer ({last})"),
    }
}

/// Leaves out the numbers that systems have for their errors.
fn without_numbers(text: &str) -> String {
    let Some((before, rest)) = text.split_once(" (os error ") else { return text.to_owned() };
    match rest.split_once(')') {
        Some((_, after)) => format!("{before}{}", without_numbers(after)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_restarts_does_not_answer_and_that_is_no_error() {
        let why = "Get Win32_OperatingSystem: not sent: cannot connect to 127.0.0.1:39099: connection refused";
        let calm = |why: &str, kind| reason(why, kind);
        assert_eq!(calm(why, StepKind::Restart), "it does not answer yet, as is to be expected while it restarts");
        assert_eq!(calm(why, StepKind::Soak), "no answer (connection refused)");
        let named = format!("fe2.contoso.example: {why} (os error 111)");
        assert_eq!(calm(&named, StepKind::Soak), "fe2.contoso.example does not answer (connection refused)");
    }

    #[test]
    fn other_reasons_are_as_they_are_without_numbers_of_errors() {
        for (why, said) in [
            ("32 left: RTCSRV 17", "32 left: RTCSRV 17"),
            ("the disk is full (os error 28); again", "the disk is full; again"),
            ("", ""),
        ] {
            assert_eq!(reason(why, StepKind::Drain), said);
        }
    }
}
