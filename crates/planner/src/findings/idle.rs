//! Pools in which nothing is to be done, and of which not every server is seen to serve: no safety question says so, since none
//! is asked, and "nothing to do" must not read as "all is well".

use super::{Context, warning};
use crate::codes;
use crate::plan::{Finding, ServerWork};
use crate::standing::Standing;
use orchestrate_model::Pool;

pub(super) fn pool(context: &Context<'_>, place: usize, passed_over: &[&ServerWork], found: &mut Vec<Finding>) {
    let pool: &Pool = &context.change.pools[place];
    // Where there is work, the safety questions say it.
    let present = pool.present().count();
    let Some(look) = context.looks[place].as_ref().filter(|_| passed_over.len() == present) else { return };
    for (server, standing) in pool.servers.iter().zip(&look.standings) {
        if server.away.is_some() {
            continue;
        }
        let text = match standing {
            Standing::Serving => continue,
            Standing::Out(why) => format!("{} is not in service: {why}", server.name),
            Standing::Unknown(why) => format!("whether {} is in service is not known: {why}", server.name),
        };
        let advice = "Nothing is done to it, since it is at the level. Find out who has taken it out: an earlier run \
                      (orchestrate status, orchestrate recover), another administrator, or a fault.";
        found.push(warning(codes::IDLE_NOT_SERVING, text).pool(pool).server(&server.name).advise(advice));
    }
}
