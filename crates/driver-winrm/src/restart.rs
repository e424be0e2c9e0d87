//! Restarting a server, once.

use crate::link::Link;
use crate::{host, outcome};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::{ActOutcome, Answer};
use orchestrate_wsman::{Outcome, plain};

/// The boot time is computed from uptime and clock, and moves by a second or so when the clock is corrected. Only a
/// difference beyond this is another boot.
const SAME_BOOT: SignedDuration = SignedDuration::from_secs(60);
/// The full path: what stands first in a path variable is not ours to trust.
const SHUTDOWN: &str = r"%SystemRoot%\System32\shutdown.exe";
/// Longest comment for the event log.
const LONGEST_COMMENT: usize = 200;

/// Asks the server to restart, unless it has been restarted since `booted`.
pub(crate) async fn ask(link: &Link, booted: Timestamp, comment: &str) -> ActOutcome {
    let now = match host::read(link).await {
        Ok(Answer::Known(facts)) => facts.booted,
        // Nothing was asked of the server yet.
        Ok(Answer::Unknown(reason)) => return ActOutcome::Retry(format!("the boot time could not be read: {reason}")),
        Err(error) => {
            return match outcome::of_error(&error) {
                ActOutcome::Failed(text) => ActOutcome::Failed(text),
                _ => ActOutcome::Retry(format!("the boot time could not be read: {error}")),
            };
        }
    };
    let moved = now.duration_since(booted);
    if moved > SAME_BOOT {
        return ActOutcome::AlreadySo;
    }
    if moved < -SAME_BOOT {
        return ActOutcome::Failed(format!(
            "{}: not restarted: expected the boot of {booted}, found an earlier one of {now}; look at its clock",
            link.wmi.host()
        ));
    }
    run(link, comment).await
}

async fn run(link: &Link, comment: &str) -> ActOutcome {
    // Five seconds let the answer out. `p:2:17` is a planned restart for a service pack or update.
    let comment = format!("\"{}\"", harmless(comment));
    let arguments = ["/r", "/t", "5", "/d", "p:2:17", "/c", comment.as_str()].map(str::to_owned);
    match link.program(SHUTDOWN, &arguments).await {
        Ok(output) => {
            let said = plain(&format!("{} {}", output.stdout, output.stderr));
            if matches!(output.exit_code, 0 | 1115 | 1190) {
                link.restart_asked();
            }
            match output.exit_code {
                0 => ActOutcome::Accepted,
                // Going down already, or told to by somebody else.
                1115 | 1190 => ActOutcome::Joined,
                5 => ActOutcome::Failed(format!("shutdown.exe ended with 5: the right to restart is missing; {said}")),
                code => outcome::of_code(code, format!("shutdown.exe ended with {code}: {said}")),
            }
        }
        Err(error) => {
            if error.outcome() == Outcome::Unknown {
                link.restart_asked();
            }
            outcome::of_error(&error)
        }
    }
}

/// The comment goes over a command line, in quotes: what could end the quotes or name a variable is left out.
fn harmless(comment: &str) -> String {
    let kept =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | ':' | ';' | '-' | '_' | '/' | '(' | ')' | '#');
    let text: String = comment.chars().map(|c| if kept(c) { c } else { ' ' }).take(LONGEST_COMMENT).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_cannot_leave_its_quotes() {
        assert_eq!(harmless("CU \"November\" & del %TEMP% | CHG0031337\r\n^!"), "CU November del TEMP CHG0031337");
        assert_eq!(harmless(&"é".repeat(500)).chars().count(), LONGEST_COMMENT);
    }
}
