//! What every form of a preview says in the same sentences.

use super::alike::{Alike, Called, alike_findings};
use super::doing::{ANY, Doing, doings, scope, sessions};
use super::{Preview, Waits};
use crate::style::Look;
use crate::text::{clean, count, duration, list};
use crate::words;
use jiff::Timestamp;
use orchestrate_model::change::WindowFit;
use orchestrate_model::{Pool, PoolName, ServerName, ServiceName, Verdict};
use orchestrate_planner::forecast::Forecast;
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::safety::{Asked, Covered, Question};
use orchestrate_planner::{Finding, Plan, Severity, Step, quorum};
use std::collections::BTreeMap;

/// Most servers that have a line, or a number, of their own. More are told together.
pub(super) const MOST_LINES: usize = 20;

/// Names the pools: those of one kind together, where they are many.
pub(super) fn pools(plan: &Plan) -> Vec<String> {
    told_pools(plan, |kind, names| format!("{kind}: {}", names.join(", ")))
}

/// Says of which kinds the pools are, each by its name only where they are few.
pub(super) fn kinds_of_pools(plan: &Plan) -> Vec<String> {
    told_pools(plan, |kind, _names| kind)
}

fn told_pools(plan: &Plan, several: impl Fn(String, &[&str]) -> String) -> Vec<String> {
    let pools = &plan.change().pools;
    if pools.len() <= MOST_LINES {
        return pools.iter().map(|pool| format!("{}: {}", pool.name, kind_of(pool))).collect();
    }
    let mut kinds: Vec<(String, Vec<&str>)> = Vec::new();
    for pool in pools {
        let kind = kind_of(pool);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.push(pool.name.as_str()),
            None => kinds.push((kind, vec![pool.name.as_str()])),
        }
    }
    let told = kinds
        .into_iter()
        .map(|(kind, names)| several(format!("{}, {kind} each", count(names.len() as u64, "pool")), &names));
    told.collect()
}

/// Returns the rules of a plan: what each is about, and the rule.
pub(super) fn rules(plan: &Plan) -> Vec<(&'static str, String)> {
    let change = plan.change();
    let mut rules = vec![
        ("blocks", scope(plan)),
        ("budget", words::budget(change)),
        ("drain", words::drain_rule(change)),
        ("stop", words::stop_when(change.stop_when)),
    ];
    rules.extend(words::approval_rule(change).map(|said| ("approval", said)));
    rules.extend(words::only(change).map(|said| ("servers", format!("{said}; the others are judged and left out"))));
    rules.extend(change.pools.iter().filter_map(|pool| Some(("first", words::first(pool)?))));
    rules.extend(change.pools.iter().filter(|pool| !pool.order.is_empty()).map(|pool| {
        let names: Vec<&str> = pool.order.iter().map(ServerName::short).collect();
        ("order", format!("{} in {}, as the plan says", names.join(", "), pool.name))
    }));
    let fabric = change.pools.iter().filter(|pool| pool.has_fabric() && pool.servers.len() > 1);
    let starts = once_each(fabric.map(|pool| (pool.name.as_str(), cold_start(pool))));
    rules.extend(starts.into_iter().map(|said| ("start", said)));
    let mut accepted: Vec<String> = Vec::new();
    for feature in &change.maintenance.accept_loss {
        accepted.push(format!("the loss of {feature}: {}", feature.loss()));
    }
    for (pool, why) in change.pools.iter().filter_map(|pool| Some((pool, pool.accept_outage.as_ref()?))) {
        accepted.push(format!("{} is without service meanwhile: {}", pool.name, clean(why)));
    }
    let alone: Vec<&str> = change.maintenance.drain.by_sessions_alone.iter().map(ServiceName::as_str).collect();
    if !alone.is_empty() {
        let text = "drained by their sessions alone where a server has no draining state, because the plan says so";
        accepted.push(format!("{}: {text}", alone.join(", ")));
    }
    rules.extend(accepted.into_iter().map(|said| ("accepted", said)));
    for channel in &change.notify {
        let on: Vec<&str> = channel.on.iter().map(|occasion| occasion.word()).collect();
        rules.push(("tells", format!("by {}: {}", channel.to.word(), on.join(", "))));
    }
    for silencing in &change.silences {
        let (by, lasts) = (silencing.by.word(), duration(silencing.lasts));
        rules.push(("silences", format!("alerts about a server while it is out, by {by}, {lasts} at a time")));
    }
    for (service, wait) in &change.maintenance.unmeasured {
        rules.push(("accepted", format!("{service} cannot be measured: waits {} instead", duration(*wait))));
    }
    rules
}

/// Returns the servers of each pool in their order, those that are passed over apart.
pub(super) fn order_by_pool<'a>(plan: &'a Plan, called: &Called) -> Vec<(&'a PoolName, String)> {
    let mut told = Vec::new();
    for pool in &plan.change().pools {
        let own = || plan.work().iter().filter(|work| plan.pool_of(work).name == pool.name);
        let go: Vec<&ServerName> = own().filter(|work| work.skip.is_none()).map(|work| &work.server).collect();
        let mut over: BTreeMap<String, Vec<&ServerName>> = BTreeMap::new();
        for (work, why) in own().filter_map(|work| Some((work, words::passed_over(plan, work)?))) {
            // What is said of a server names it.
            let why = why.replace(work.server.as_str(), ANY).replace(work.server.short(), ANY);
            over.entry(why).or_default().push(&work.server);
        }
        if !go.is_empty() {
            told.push((&pool.name, called.list(go.iter().copied())));
        }
        for (why, names) in over {
            told.push((&pool.name, format!("{}: {why}", called.list(names.iter().copied()))));
        }
    }
    told
}

/// Says why a server has its place in the order.
pub(super) fn why(waits: &Waits<'_>) -> String {
    if waits.is_empty() {
        return "first: nothing has to be finished before it".to_owned();
    }
    let said: Vec<String> = waits
        .iter()
        .map(|(name, reasons)| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            format!("after {name} ({})", reasons.join("; "))
        })
        .collect();
    said.join(", ")
}

/// Says why there is no answer to any safety question.
pub(super) fn not_asked(preview: &Preview<'_>) -> &'static str {
    if preview.seen.is_empty() {
        "not asked: this preview was made without looking at the servers"
    } else {
        "not asked: no server has anything to be done"
    }
}

/// Returns whether two questions are about features with one and the same answer, which is then shown once.
pub(super) fn alike_asked(one: &Asked, other: &Asked) -> bool {
    let features = feature(one.question).is_some() && feature(other.question).is_some();
    // What is open for one cause is told once.
    let open = matches!(one.verdict, Verdict::Unknown(_));
    (features || open) && one.verdict == other.verdict && one.advice == other.advice
}

/// Returns what several questions with one answer are called, and what each of them is about.
pub(super) fn together(questions: impl Iterator<Item = Question> + Clone) -> (String, String) {
    let features: Option<Vec<String>> = questions.clone().map(feature).collect();
    match features {
        Some(features) => (format!("{} questions: features covered", features.len()), list(&features)),
        None => {
            let names: Vec<String> = questions.map(|question| question.to_string()).collect();
            (format!("{} questions", names.len()), list(&names))
        }
    }
}

/// Returns the feature that a question is about, if it is about one.
pub(super) fn feature(question: Question) -> Option<String> {
    match question {
        Question::Coverage(Covered::Feature(feature)) => Some(feature.to_string()),
        Question::Coverage(Covered::Records | Covered::WebName | Covered::External | Covered::Entry)
        | Question::Fresh
        | Question::Budget
        | Question::SharedBudget
        | Question::Remaining
        | Question::Quorum
        | Question::UpgradeDomain
        | Question::Balancer
        | Question::Ready
        | Question::Replication
        | Question::CentralManagement
        | Question::Lease
        | Question::Blockable
        | Question::Staged
        | Question::Fit => None,
    }
}

/// Says how many sessions each server of a group has now; of many servers the sum, and the most.
pub(super) fn sessions_now(preview: &Preview<'_>, called: &Called, group: &Alike<'_>) -> Option<String> {
    let counted = group.works.iter().filter_map(|(_, work)| {
        let seen = preview.seen(work)?;
        Some((&work.server, sessions(work, seen)))
    });
    let counted: Vec<(&ServerName, u64)> = counted.collect();
    let (busiest, most) = counted.iter().max_by_key(|(_, sessions)| *sessions)?;
    if counted.len() > MOST_LINES {
        let all = counted.iter().map(|(_, sessions)| sessions).fold(0, |all: u64, one| all.saturating_add(*one));
        return Some(format!("sessions now: {all} on {} servers, most on {busiest}: {most}", counted.len()));
    }
    let each: Vec<String> =
        counted.iter().map(|(server, sessions)| format!("{} {sessions}", called.one(server))).collect();
    Some(format!("sessions now: {}", each.join(", ")))
}

/// Returns the steps of whole pools with what they would do, those that would do the same once.
pub(super) fn pool_steps(plan: &Plan) -> Vec<(&Step, Vec<Doing>)> {
    let mut told: Vec<(&Step, Vec<Doing>)> = Vec::new();
    for step in plan.steps().iter().filter(|step| matches!(step.target, StepTarget::Pool(_))) {
        let does = doings(plan, step, None);
        if told.iter().all(|(_, known)| *known != does) {
            told.push((step, does));
        }
    }
    told
}

/// Says how long it takes at worst.
pub(super) fn forecast(preview: &Preview<'_>, look: &Look) -> Vec<String> {
    let forecast = &preview.report.forecast;
    let at = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| look.date_time(time));
    let (length, likely) = (duration(forecast.length), duration(forecast.likely));
    let mut lines = vec![
        outages(preview, forecast),
        match duration(forecast.lower_bound) {
            least if least == length => {
                format!("{length} in all, likely {likely}; no order of the servers takes less")
            }
            least => format!("{length} in all, likely {likely}; no order of the servers takes less than {least}"),
        },
        match (forecast.begins, forecast.ends) {
            (Some(_), None) if forecast.servers > 0 => {
                format!("from {}; not all of it fits into the windows that are left", at(forecast.begins))
            }
            (begins, ends) => format!("from {} to {}", at(begins), at(ends)),
        },
    ];
    if let Some(openings) = forecast.openings.filter(|openings| *openings > 1) {
        lines.push(format!("spread over {}", count(openings as u64, "window")));
    }
    if let Some(batches) = forecast.batches_per_opening {
        let each = match preview.plan.change().maintenance.fit {
            WindowFit::Worst => "at worst".to_owned(),
            WindowFit::Likely => format!("of {} each, with the reserve", duration(forecast.room)),
        };
        let one = if preview.plan.change().maintenance.at_once == 1 { "server" } else { "batch" };
        lines.push(format!("the next window has room for {} {each}", count(batches, one)));
    }
    lines
}

/// Says how many servers go out, for how long, and whether at once.
fn outages(preview: &Preview<'_>, forecast: &Forecast) -> String {
    let servers = count(forecast.servers as u64, "server");
    let one = format!("{}, likely for {}", duration(forecast.one_server), duration(forecast.one_likely));
    let change = preview.plan.change();
    match (forecast.servers, change.maintenance.at_once, change.pools.len()) {
        (0, ..) => "no server goes out".to_owned(),
        (1, ..) => format!("{servers} out, for up to {one}"),
        (_, 1, 1) => format!("{servers}, one after another, each out for up to {one}"),
        (_, most, 1) => format!("{servers}, at most {most} at once, each out for up to {one}"),
        (_, most, _) => format!("{servers}, at most {most} of a pool at once, each out for up to {one}"),
    }
}

/// Counts findings by how grave they are.
pub(super) fn counted(findings: &[Finding]) -> String {
    // What was found of several servers is told once, and counts once.
    let told = alike_findings(findings);
    let many = |severity| told.iter().filter(|(finding, _)| finding.severity == severity).count() as u64;
    let counted = [Severity::Refusal, Severity::Warning, Severity::Note]
        .into_iter()
        .filter(|severity| many(*severity) > 0)
        .map(|severity| count(many(severity), words::severity(severity)));
    list(&counted.collect::<Vec<String>>())
}

/// Says of which others the same was found.
pub(super) fn same_of(like: &[&str]) -> Option<String> {
    let named = &like[..like.len().min(MOST_LINES)];
    match like.len() - named.len() {
        0 if like.is_empty() => None,
        0 => Some(format!("the same of {}", named.join(", "))),
        more => Some(format!("the same of {} and {more} more, which -o json names", named.join(", "))),
    }
}

/// Returns what is said of several pools once, with `POOL` for the name of each; what is said of one names it.
fn once_each<'p>(said: impl Iterator<Item = (&'p str, String)>) -> Vec<String> {
    let mut texts: Vec<(String, &str, usize)> = Vec::new();
    for (pool, text) in said {
        match texts.iter_mut().find(|(known, ..)| *known == text) {
            Some((_, _, pools)) => *pools += 1,
            None => texts.push((text, pool, 1)),
        }
    }
    let told = texts.into_iter().map(|(text, pool, pools)| match pools {
        1 => text.replace(EACH, pool),
        several => format!("{} ({several} pools)", text.replace(EACH, "each pool")),
    });
    told.collect()
}

/// What stands for the name of a pool until it is known of how many the same is said.
const EACH: &str = "\u{fffc}";

/// Returns what a pool needs to come up when all of it was down, which no run brings about and every operator fears.
fn cold_start(pool: &Pool) -> String {
    let servers = pool.servers.len();
    match u32::try_from(servers).ok().and_then(|servers| quorum::start(pool.product, servers)) {
        Some(need) => format!("after a full stop {EACH} starts once {need} of its {servers} servers run"),
        None => format!("after a full stop: not documented for {servers} servers ({EACH})"),
    }
}

fn kind_of(pool: &Pool) -> String {
    let servers = count(pool.servers.len() as u64, "server");
    format!("{}, {}, {servers}", pool.product.title(), pool.role)
}
