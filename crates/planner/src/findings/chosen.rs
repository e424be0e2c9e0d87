//! What a start with some of the servers takes before its turn: the order of a plan is that of all its servers.

use super::{Context, warning};
use crate::build::already_patched;
use crate::plan::{Finding, LeftOut, Plan, ServerWork};
use crate::words::{are, few};
use crate::{codes, order};
use orchestrate_model::ServerName;
use orchestrate_model::pool::Hosted;

pub(super) fn change(context: &Context<'_>, plan: &Plan, found: &mut Vec<Finding>) {
    if context.change.only.is_empty() {
        return;
    }
    let pools = &context.change.pools;
    let goes: Vec<&ServerWork> = plan.work().iter().filter(|work| work.skip.is_none()).collect();
    let has_work = |place: usize| goes.iter().any(|work| work.pool as usize == place);
    let open: Vec<Vec<&str>> = (0..pools.len()).map(|place| undone(context, plan, place)).collect();
    // Pools that wait for each other have made no plan.
    for edge in order::pool_order(context.change).unwrap_or_default().edges {
        let (before, after) = (&pools[edge.before], &pools[edge.after]);
        let waits_for = &open[edge.before];
        if waits_for.is_empty() || !has_work(edge.after) {
            continue;
        }
        let text = format!(
            "{} comes after {} ({}), of which {} {} left out by choice and not known to be done",
            after.name,
            before.name,
            edge.reason,
            few(waits_for),
            are(waits_for.len())
        );
        found.push(warning(codes::BEFORE_ITS_TURN, text).pool(after).advise(ADVICE));
    }
    for (place, pool) in pools.iter().enumerate() {
        let first = pool.first.as_ref().map(|first| first.server.short());
        if let Some(first) = first.filter(|first| has_work(place) && open[place].contains(first)) {
            let text =
                format!("{first} goes first in {}, and is left out by choice and not known to be done", pool.name);
            found.push(warning(codes::BEFORE_ITS_TURN, text).pool(pool).advise(ADVICE));
        }
    }
    for work in &goes {
        let (place, pool) = (work.pool as usize, plan.pool_of(work));
        let central = pool.server(&work.server).is_some_and(|s| s.hosts.contains(&Hosted::CentralManagement));
        if central && !open[place].is_empty() {
            let text = format!(
                "{} hosts the active central management and comes last in its pool, of which {} {} left out by choice and not \
                 known to be done",
                work.server,
                few(&open[place]),
                are(open[place].len())
            );
            found.push(warning(codes::BEFORE_ITS_TURN, text).pool(pool).server(&work.server).advise(ADVICE));
        }
    }
}

const ADVICE: &str = "Take the servers that come before it first, or make sure that they are done.";

/// The servers of a pool that are left out by choice and are not seen to be at the level.
fn undone<'a>(context: &Context<'_>, plan: &'a Plan, place: usize) -> Vec<&'a str> {
    let look = context.looks[place].as_ref();
    let is_done = |server: &ServerName| {
        look.is_some_and(|look| look.seen.servers.get(server).is_some_and(|seen| already_patched(look, seen).is_some()))
    };
    let works = plan.work().iter().filter(|work| work.pool as usize == place);
    works
        .filter(|work| plan.left_out(work) == Some(LeftOut::ByChoice) && !is_done(&work.server))
        .map(|work| work.server.short())
        .collect()
}
