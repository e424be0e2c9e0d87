//! Other control hosts that work on the servers of a pool, or did.

use super::silence::Silence;
use super::{note, refusal};
use crate::codes;
use crate::plan::Finding;
use crate::report::ServerSafety;
use crate::safety::{Holds, LEASE_ADVICE, Look, Question, leases_of_others};
use orchestrate_model::Verdict;

/// Says which servers are in the hands of another control host, of which that is not known, and whose lease is taken over.
pub(super) fn pool(look: &Look<'_>, safety: &[&ServerSafety], found: &mut Vec<Finding>) {
    if safety.is_empty() {
        return;
    }
    for (server, lease, holds) in leases_of_others(look) {
        let finding = match holds {
            Holds::Still => {
                let text = format!("another control host works on {server}: {lease}");
                refusal(codes::LEASED, text).advise(LEASE_ADVICE)
            }
            Holds::NoMore => {
                let text = format!(
                    "another control host worked on {server} and has not given it back: {lease}, which has passed"
                );
                note(codes::LEASE_RAN_OUT, text).advise(
                    "See that the server is as it should be; the run takes the lease over by itself, and says so.",
                )
            }
        };
        found.push(finding.pool(look.pool).server(server));
    }
    let answers = safety.iter().filter_map(|safety| {
        safety.asked.iter().find(|asked| asked.question == Question::Lease).map(|asked| (safety, asked))
    });
    let silence = Silence::of(look);
    let unknown = answers.into_iter().find(|(safety, asked)| {
        matches!(asked.verdict, Verdict::Unknown(_)) && !silence.explains(&safety.server, asked)
    });
    if let Some((safety, asked)) = unknown {
        found.push(
            refusal(codes::LEASE_UNKNOWN, asked.verdict.text()).pool(look.pool).server(&safety.server).advise(
                "Make the server answer the script `lease`, which reads %ProgramData%\\orchestrate\\lease.json.",
            ),
        );
    }
}
