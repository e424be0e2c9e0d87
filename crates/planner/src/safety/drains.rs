//! Whether the end of a drain can be told, asked before anybody is drained. What cannot be told then holds the server at the
//! deadline, hours later.

use super::Look;
use orchestrate_model::observe::DrainingState;
use orchestrate_model::{Answer, ServerObservation, ServiceName, Verdict};

/// Why nobody could say that a service has drained although its sessions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untold<'a> {
    /// The server has no draining state of it, in the server's words.
    Absent(&'a str),
    /// The state could not be read, and why.
    Unread(&'a str),
}

/// Returns why the end of a service's drain could not be told, if it could not. Sessions that cannot be counted are
/// another matter.
pub(crate) fn untold<'a>(look: &Look<'_>, seen: &'a ServerObservation, service: &ServiceName) -> Option<Untold<'a>> {
    let reading = seen.sessions.get(service)?;
    // What cannot be counted and is waited for by time is not asked whether it drains.
    reading.left().known()?;
    match reading.draining.as_ref()? {
        Answer::Known(DrainingState::Draining | DrainingState::NotDraining) => None,
        Answer::Known(DrainingState::Absent(_))
            if look.change.maintenance.drain.by_sessions_alone.contains(service) =>
        {
            None
        }
        Answer::Known(DrainingState::Absent(why)) => Some(Untold::Absent(why)),
        Answer::Unknown(why) => Some(Untold::Unread(why)),
    }
}

/// Returns what speaks against a server for it.
pub(super) fn problem(look: &Look<'_>, name: &str, seen: &ServerObservation, service: &ServiceName) -> Option<Verdict> {
    Some(match untold(look, seen, service)? {
        Untold::Absent(why) => Verdict::No(format!("{name}: that {service} has drained could not be proven: {why}")),
        Untold::Unread(why) => Verdict::Unknown(format!("{name}: whether {service} drains could not be read: {why}")),
    })
}
