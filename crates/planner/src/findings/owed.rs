//! Servers that nothing is done to, since they are at the level, and that have a restart to come: an update that asked for one
//! is not complete before it.

use super::{Context, warning};
use crate::codes;
use crate::plan::{Finding, ServerWork};
use crate::safety::due_restart;
use orchestrate_model::{Answer, Pool};

pub(super) fn pool(context: &Context<'_>, place: usize, passed_over: &[&ServerWork], found: &mut Vec<Finding>) {
    let pool: &Pool = &context.change.pools[place];
    let Some(look) = &context.looks[place] else { return };
    for work in passed_over {
        let fitness = look.seen.servers.get(&work.server).map(|seen| &seen.fitness);
        let Some(Answer::Known(fitness)) = fitness else { continue };
        if let Answer::Known(Some(what)) = due_restart(work.server.short(), fitness) {
            let text = format!("{} is at the level already, and {what}", work.server);
            let advice = "An update that asks for a restart is complete when it was made. Restart the server in a maintenance of \
                          its own.";
            found.push(warning(codes::RESTART_OWED, text).pool(pool).server(&work.server).advise(advice));
        }
    }
}
