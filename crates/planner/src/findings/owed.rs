//! Servers that nothing is done to, since they are at the level, and that have a restart to come: an update that asked for one
//! is not complete before it.

use super::{Context, warning};
use crate::codes;
use crate::make::Owed;
use crate::plan::{Finding, ServerWork};
use crate::safety::due_restart;
use jiff::Timestamp;
use orchestrate_model::{Answer, Pool, ServerObservation};

pub(super) fn pool(context: &Context<'_>, place: usize, passed_over: &[&ServerWork], found: &mut Vec<Finding>) {
    let pool: &Pool = &context.change.pools[place];
    let Some(look) = &context.looks[place] else { return };
    for work in passed_over {
        let seen = look.seen.servers.get(&work.server);
        let shown = seen.and_then(|seen| seen.fitness.known()).and_then(|fitness| {
            let Answer::Known(what) = due_restart(work.server.short(), fitness) else { return None };
            what
        });
        let asked = || unmade(context.seen.owed.get(&work.server)?, seen?, context.now);
        if let Some(what) = shown.or_else(asked) {
            let text = format!("{} is at the level already, and {what}", work.server);
            let advice = "An update that asks for a restart is complete when it was made. Restart the server in a maintenance of \
                          its own.";
            found.push(warning(codes::RESTART_OWED, text).pool(pool).server(&work.server).advise(advice));
        }
    }
}

/// Returns a restart that an installer has asked for in an earlier run and that was not made since. Windows does not always
/// show it. How long the server has been up is compared, since its clock may differ from ours.
fn unmade(owed: &Owed, seen: &ServerObservation, now: Timestamp) -> Option<String> {
    let Owed { run, code, ended } = owed;
    let since = match &seen.host {
        Answer::Known(host) if host.local_time.duration_since(host.booted) < now.duration_since(*ended) => return None,
        Answer::Known(host) => format!("it is up since {}", host.booted.strftime("%Y-%m-%d %H:%M:%SZ")),
        Answer::Unknown(why) => format!("whether it was restarted since is not known: {why}"),
    };
    Some(format!("the installer of run {run} ended with {code} and so asked for a restart; {since}"))
}
