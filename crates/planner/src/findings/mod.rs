//! What is worth saying about a plan before it runs: refusals, warnings, notes.

mod balancer;
mod central;
mod chosen;
mod dependents;
mod evidence;
mod external;
mod idle;
mod installer;
mod lease;
mod level;
mod obstacles;
mod owed;
mod resolvers;
mod services;
mod silence;
mod stated;
mod timing;

use crate::Observations;
use crate::forecast::Forecast;
use crate::order::PoolEdge;
use crate::plan::{Finding, Plan, ServerWork, Severity};
use crate::report::ServerSafety;
use crate::safety::Look;
use crate::scope::PoolScope;
use crate::windows::Calendar;
use jiff::Timestamp;
pub(crate) use obstacles::Obstacles;
pub use obstacles::tell_once;
use orchestrate_model::{Change, Pool, ServerName};
pub(crate) use resolvers::Mutes;
use std::fmt::Display;

/// All that findings are made from.
pub(crate) struct Context<'a> {
    pub(crate) change: &'a Change,
    pub(crate) seen: &'a Observations,
    /// For each pool what was seen of it, judged.
    pub(crate) looks: &'a [Option<Look<'a>>],
    pub(crate) scopes: &'a [PoolScope],
    /// The questions about each server that is to go, in the order of the plan.
    pub(crate) safety: &'a [ServerSafety],
    /// What stood in the way of many questions at once.
    pub(crate) obstacles: &'a Obstacles<'a>,
    /// Name servers that told no address.
    pub(crate) mutes: &'a Mutes,
    /// The usual order of pools where it gives way to the plan's.
    pub(crate) dropped: &'a [PoolEdge],
    pub(crate) calendar: &'a Calendar,
    pub(crate) now: Timestamp,
}

/// Returns everything found, gravest first, in an order that depends on nothing but the input.
pub(crate) fn find(context: &Context<'_>, plan: &Plan, forecast: &Forecast) -> Vec<Finding> {
    let mut found = Vec::new();
    let pools = context.change.pools.len();
    let mut safety: Vec<Vec<&ServerSafety>> = vec![Vec::new(); pools];
    let mut passed_over: Vec<Vec<&ServerWork>> = vec![Vec::new(); pools];
    let mut asked = context.safety.iter();
    for work in plan.work() {
        let place = work.pool as usize;
        if work.skip.is_some() {
            // Nothing was found out about those that are no part of the run.
            if plan.left_out(work).is_none() {
                passed_over[place].push(work);
            }
        } else if context.looks[place].is_some() {
            // The questions stand in the order of the work.
            safety[place].extend(asked.next());
        }
    }
    for (place, pool) in context.change.pools.iter().enumerate() {
        stated::pool(context, place, pool, &mut found);
        found.extend(external::unstated(pool));
        match &context.looks[place] {
            None => found.push(not_asked(pool)),
            Some(look) => {
                evidence::pool(look, &safety[place], &mut found);
                balancer::pool(look, &mut found);
                lease::pool(look, &safety[place], &mut found);
                external::records(look, &mut found);
                services::pool(look, &safety[place], &passed_over[place], &mut found);
                dependents::pool(look, &safety[place], &mut found);
                owed::pool(context, place, &passed_over[place], &mut found);
                idle::pool(context, place, &passed_over[place], &mut found);
            }
        }
    }
    central::change(context, &safety, &mut found);
    level::change(context, plan, &mut found);
    chosen::change(context, plan, &mut found);
    stated::change(context, &mut found);
    stated::drained(context, plan, &mut found);
    installer::change(context, &mut found);
    timing::change(context, forecast, &mut found);
    context.obstacles.fold(&mut found);
    context.mutes.fold(&mut found);
    found.sort_by(|a, b| {
        // Causes come before what may follow from them.
        let key = |f: &Finding| (f.severity, !CAUSES.contains(&f.code.as_str()), f.code.clone());
        key(a).cmp(&key(b)).then_with(|| (&a.pool, &a.server, &a.message).cmp(&(&b.pool, &b.server, &b.message)))
    });
    found.dedup();
    found
}

/// Returns what is found of one server, in the words in which it would be found if it were the only one that is to go. What
/// concerns its pool as a whole is not among it.
pub(crate) fn of_server(look: &Look<'_>, safety: &ServerSafety) -> Vec<Finding> {
    let (mut found, alone) = (Vec::new(), [safety]);
    evidence::pool(look, &alone, &mut found);
    lease::pool(look, &alone, &mut found);
    services::pool(look, &alone, &[], &mut found);
    dependents::pool(look, &alone, &mut found);
    found.extend(level::unread_of(look, &safety.server));
    Obstacles::of_one(look, &safety.server).fold(&mut found);
    let own = |finding: &Finding| finding.server.as_ref().is_none_or(|server| *server == safety.server);
    found.retain(|finding| own(finding) && crate::probe::is_of_server(&finding.code));
    found.sort_by(|a, b| (a.severity, &a.code, &a.message).cmp(&(b.severity, &b.code, &b.message)));
    found.dedup();
    found
}

/// What is wrong with the servers themselves: much of the rest follows from it.
const CAUSES: [&str; 4] =
    [crate::codes::UNKNOWN, crate::codes::NO_SCRIPT, crate::codes::SECOND_MACHINE, crate::codes::RECORDS_UNKNOWN];

fn not_asked(pool: &Pool) -> Finding {
    warning(
        crate::codes::NOT_ASKED,
        format!("the servers of {} were not asked: everything about them is assumed", pool.name),
    )
    .pool(pool)
    .advise("Make the preview with access to the servers and the name servers before the change is approved.")
}

pub(crate) fn refusal(code: &str, message: impl Display) -> Finding {
    finding(Severity::Refusal, code, message)
}

pub(crate) fn warning(code: &str, message: impl Display) -> Finding {
    finding(Severity::Warning, code, message)
}

pub(crate) fn note(code: &str, message: impl Display) -> Finding {
    finding(Severity::Note, code, message)
}

fn finding(severity: Severity, code: &str, message: impl Display) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        pool: None,
        server: None,
        message: message.to_string(),
        advice: String::new(),
    }
}

impl Finding {
    fn pool(mut self, pool: &Pool) -> Self {
        self.pool = Some(pool.name.clone());
        self
    }

    fn server(mut self, server: &ServerName) -> Self {
        self.server = Some(server.clone());
        self
    }

    fn advise(mut self, advice: impl Display) -> Self {
        self.advice = advice.to_string();
        self
    }
}
