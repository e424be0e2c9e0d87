//! Does another control host work on the pool? Each control host leaves a lease on the servers that it works on, so that
//! those whose claims it cannot see do not begin beside it (promise P12).

use super::look::Other;
use super::{Asked, Look, Question, questions};
use crate::words::list;
use orchestrate_model::{Answer, Lease, LeaseState, ServerName, Verdict};

/// What to do about another's lease.
pub(crate) const ADVICE: &str = "Wait until the other control host is done: it gives its leases back, and they run out when \
                                 it is gone. If it is known not to work on these servers any more and that is too late, delete \
                                 %ProgramData%\\orchestrate\\lease.json on the server.";

/// Whether no server of the pool is in the hands of another control host.
pub(super) fn question(look: &Look<'_>, server: &ServerName) -> Asked {
    let own = look.seen.servers.get(server).map(|seen| &seen.lease);
    // A server that does not answer at all counts as out, whoever works on it; and nobody begins on it.
    let answering = |other: &Other<'_>| other.seen.is_some_and(|seen| seen.services.known().is_some());
    let others = look.others(server).filter(answering);
    let leases = others.filter_map(|other| other.seen.map(|seen| (&other.server.name, Some(&seen.lease))));
    let (mut held, mut unknown) = (Vec::new(), Vec::new());
    for (name, lease) in [(server, own)].into_iter().chain(leases) {
        match lease {
            Some(Answer::Known(LeaseState::Free | LeaseState::Ours | LeaseState::RanOut(_))) => {}
            Some(Answer::Known(LeaseState::Held(lease))) => {
                held.push(format!("{} is in work by {lease}", name.short()));
            }
            Some(Answer::Unknown(why)) => unknown.push(format!("{} ({why})", name.short())),
            None => unknown.push(format!("{} (it was not seen)", name.short())),
        }
    }
    let name = server.short();
    let verdict = if !held.is_empty() {
        Verdict::No(format!("{name} may not go: another control host works on the pool: {}", list(&held)))
    } else if unknown.is_empty() {
        Verdict::Yes("no other control host works on the pool".to_owned())
    } else {
        let these = list(&unknown);
        Verdict::Unknown(format!("{name} may not go: whether another control host works on {these} is not known"))
    };
    questions::asked(Question::Lease, verdict, ADVICE)
}

/// Returns the servers of the pool that another control host has a lease of, and those whose lease has run out.
pub(crate) fn of_others<'a>(look: &'a Look<'_>) -> impl Iterator<Item = (&'a ServerName, &'a Lease, Holds)> {
    look.seen.servers.iter().filter_map(|(name, seen)| match &seen.lease {
        Answer::Known(LeaseState::Held(lease)) => Some((name, lease, Holds::Still)),
        Answer::Known(LeaseState::RanOut(lease)) => Some((name, lease, Holds::NoMore)),
        Answer::Known(LeaseState::Free | LeaseState::Ours) | Answer::Unknown(_) => None,
    })
}

/// Whether a lease holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It does.
    Still,
    /// It has run out.
    NoMore,
}
