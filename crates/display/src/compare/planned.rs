//! What two planners' works differ in: steps, order, times and findings.

use super::{Difference, Side, Subject, Weight};
use crate::duration;
use crate::style::Look;
use crate::text::{count, list};
use crate::words;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::{Pool, PoolName, PoolObservation};
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::{EdgeReason, Finding, Plan, ServerWork, Severity, StepKind, codes};
use std::collections::{BTreeMap, BTreeSet};

/// Most differences of one kind that are told one by one.
const TOLD: usize = 40;

/// Returns in what the plans differ apart from what their files say and what was seen.
pub(super) fn differences(before: &Side<'_>, now: &Side<'_>) -> Vec<Difference> {
    let mut found = steps(before.plan, now.plan);
    found.extend(order(before.plan, now.plan));
    found.extend(times(before, now));
    found.extend(findings(before, now));
    found
}

fn another(subject: Subject, text: String) -> Difference {
    Difference::new(subject, Weight::Another, text)
}

fn works(plan: &Plan) -> BTreeMap<&str, (WorkId, &ServerWork)> {
    plan.work().iter().zip(0..).map(|(work, id)| (work.server.as_str(), (WorkId(id), work))).collect()
}

fn kinds(plan: &Plan) -> BTreeMap<StepTarget, Vec<StepKind>> {
    let mut kinds: BTreeMap<StepTarget, Vec<StepKind>> = BTreeMap::new();
    for step in plan.steps() {
        kinds.entry(step.target).or_default().push(step.kind);
    }
    kinds
}

fn steps(before: &Plan, now: &Plan) -> Vec<Difference> {
    let mut found = Vec::new();
    let (earlier_works, later_works) = (works(before), works(now));
    let (earlier_kinds, later_kinds) = (kinds(before), kinds(now));
    let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
    for (server, (id, later)) in &later_works {
        let Some((earlier_id, earlier)) = earlier_works.get(server) else { continue };
        match (&earlier.skip, &later.skip) {
            (None, Some(why)) => {
                found.push(
                    another(Subject::Steps, format!("{server}: nothing is done to it by now: {why}")).about(server),
                );
            }
            (Some(why), None) => {
                let text = format!("{server}: it is to be done by now; it was passed over before: {why}");
                found.push(another(Subject::Steps, text).about(server));
            }
            (Some(was), Some(is)) if was != is => {
                let text = format!("{server}: passed over before: {was}; passed over by now: {is}");
                found.push(another(Subject::Steps, text).about(server));
            }
            (Some(_), Some(_)) | (None, None) => {
                let of = |kinds: &BTreeMap<StepTarget, Vec<StepKind>>, id: &WorkId| {
                    kinds.get(&StepTarget::Server(*id)).cloned().unwrap_or_default()
                };
                let said = one_work((&of(&earlier_kinds, earlier_id), earlier), (&of(&later_kinds, id), later));
                for text in said {
                    match alike.iter_mut().find(|(known, _)| *known == text) {
                        Some((_, servers)) => servers.push(server),
                        None => alike.push((text, vec![server])),
                    }
                }
            }
        }
    }
    found
        .extend(alike.into_iter().map(|(text, servers)| another(Subject::Steps, format!("{}: {text}", few(&servers)))));
    let of_pools = |plan: &Plan| -> BTreeSet<String> {
        let pools = plan.steps().iter().filter_map(|step| match step.target {
            StepTarget::Pool(pool) => {
                plan.change().pools.get(pool as usize).map(|pool| format!("{} of {}", step.kind, pool.name))
            }
            StepTarget::Server(_) => None,
        });
        pools.collect()
    };
    let (earlier, later) = (of_pools(before), of_pools(now));
    found.extend(earlier.difference(&later).map(|step| another(Subject::Steps, format!("step {step} is gone"))));
    found.extend(later.difference(&earlier).map(|step| another(Subject::Steps, format!("step {step} is new"))));
    found
}

/// Names servers, the first few of many.
fn few(servers: &[&str]) -> String {
    const NAMED: usize = 6;
    let more = servers.len().saturating_sub(NAMED);
    let named: Vec<&str> = servers.iter().take(NAMED).copied().collect();
    if more == 0 { list(&named) } else { format!("{} and {more} more servers", named.join(", ")) }
}

fn one_work(before: (&[StepKind], &ServerWork), now: (&[StepKind], &ServerWork)) -> Vec<String> {
    let mut said = Vec::new();
    let ((was, earlier), (is, later)) = (before, now);
    let only = |these: &[StepKind], others: &[StepKind]| -> Vec<&'static str> {
        these.iter().filter(|kind| !others.contains(kind)).map(|kind| kind.word()).collect()
    };
    let (gone, new) = (only(was, is), only(is, was));
    if !gone.is_empty() {
        said.push(format!("without the {} {}", if gone.len() == 1 { "step" } else { "steps" }, list(&gone)));
    }
    if !new.is_empty() {
        said.push(format!("with the further {} {}", if new.len() == 1 { "step" } else { "steps" }, list(&new)));
    }
    if gone.is_empty() && new.is_empty() && was.len() != is.len() {
        let count = |kinds: &[StepKind], kind| kinds.iter().filter(|one| **one == kind).count();
        for kind in [StepKind::Patch, StepKind::Restart] {
            let (before, now) = (count(was, kind), count(is, kind));
            if before != now {
                said.push(format!("{now} {} steps, {before} before", kind.word()));
            }
        }
    } else if gone.is_empty() && new.is_empty() && was != is {
        said.push("the same steps in another order".to_owned());
    }
    for (what, was, is) in [("blocks", &earlier.block, &later.block), ("watches", &earlier.support, &later.support)] {
        let only = |these: &[orchestrate_model::ServiceName], others: &[orchestrate_model::ServiceName]| {
            let only = these.iter().filter(|name| !others.contains(name)).map(|name| name.as_str().to_owned());
            only.collect::<Vec<String>>()
        };
        let (gone, new) = (only(was, is), only(is, was));
        if !gone.is_empty() {
            said.push(format!("{what} {} no longer", list(&gone)));
        }
        if !new.is_empty() {
            said.push(format!("{what} {} too", list(&new)));
        }
        if gone.is_empty() && new.is_empty() && was != is {
            said.push(format!("{what} the same services in another order"));
        }
    }
    said
}

fn order(before: &Plan, now: &Plan) -> Vec<Difference> {
    let mut found = Vec::new();
    let names = |plan: &Plan| -> Vec<String> {
        let done = plan.work().iter().filter(|work| work.skip.is_none());
        done.map(|work| work.server.to_string()).collect()
    };
    let (was, is) = (names(before), names(now));
    let kept = |these: &[String], others: &[String]| -> Vec<String> {
        let others: BTreeSet<&String> = others.iter().collect();
        these.iter().filter(|name| others.contains(name)).cloned().collect()
    };
    let (was_kept, is_kept) = (kept(&was, &is), kept(&is, &was));
    if was_kept != is_kept {
        let shown = |names: &[String]| {
            let short: Vec<&str> = names.iter().map(|name| name.split('.').next().unwrap_or(name)).collect();
            let (first, more) = (short.len().min(16), short.len().saturating_sub(16));
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{rest}", short[..first].join(", "))
        };
        // What they begin with alike says nothing.
        let same = was_kept.iter().zip(&is_kept).take_while(|(was, is)| was == is).count();
        let from = if same == 0 { String::new() } else { format!("from number {} on ", same + 1) };
        let (was, is) = (shown(&was_kept[same..]), shown(&is_kept[same..]));
        let text = format!("{from}the servers were taken as {was}; they are taken as {is}");
        found.push(another(Subject::Order, text));
    }
    let mates = |plan: &Plan, server: &str| -> Vec<String> {
        let Some((_, work)) = works(plan).get(server).copied() else { return Vec::new() };
        let same = plan.work().iter().filter(|other| {
            other.skip.is_none() && (other.pool, other.batch) == (work.pool, work.batch) && other.server != work.server
        });
        same.map(|other| other.server.short().to_owned()).collect()
    };
    let together = before.work().len().max(now.work().len()) <= MANY;
    for server in is_kept.iter().filter(|_| together) {
        let (was, is) = (mates(before, server), mates(now, server));
        if was != is {
            let said = |mates: &[String]| match mates {
                [] => "out alone".to_owned(),
                mates => format!("out together with {}", list(mates)),
            };
            found
                .push(another(Subject::Order, format!("{server}: was {}, is {}", said(&was), said(&is))).about(server));
        }
    }
    waits(before, now, &mut found);
    found
}

/// Servers of a plan up to which it is said for each with which others it is out.
const MANY: usize = 200;

/// Tells for what a server waits in one plan and not in the other.
fn waits(before: &Plan, now: &Plan, found: &mut Vec<Difference>) {
    let waits = |plan: &Plan| -> BTreeSet<(String, String, String)> {
        let name = |step: orchestrate_planner::StepId| match plan.steps().get(step.0 as usize).map(|step| step.target) {
            Some(StepTarget::Server(work)) => plan.work_of(work).server.to_string(),
            Some(StepTarget::Pool(pool)) => plan
                .change()
                .pools
                .get(pool as usize)
                .map(|pool| format!("the work on {}", pool.name))
                .unwrap_or_default(),
            None => String::new(),
        };
        let between = plan.edges().iter().filter(|edge| edge.reason != EdgeReason::SameServer);
        between.map(|edge| (name(edge.after), name(edge.before), edge.reason.to_string())).collect()
    };
    let (earlier, later) = (waits(before), waits(now));
    let mut tell = |only: Vec<&(String, String, String)>, verb: &str| {
        let more = only.len().saturating_sub(TOLD);
        for (after, before, reason) in only.into_iter().take(TOLD) {
            let text = format!("{after} {verb} {before} ({reason})");
            found.push(another(Subject::Order, text).about(after));
        }
        if more > 0 {
            found.push(another(Subject::Order, format!("and {more} more of the kind: a server {verb} another")));
        }
    };
    tell(earlier.difference(&later).collect(), "no longer waits for");
    tell(later.difference(&earlier).collect(), "waits by now for");
}

fn times(before: &Side<'_>, now: &Side<'_>) -> Vec<Difference> {
    let (earlier, later) = (&before.report.forecast, &now.report.forecast);
    let mut found = Vec::new();
    let lengths: [(&str, SignedDuration, SignedDuration); 4] = [
        ("all of it likely takes", earlier.likely, later.likely),
        ("all of it takes at worst", earlier.length, later.length),
        ("one server likely takes", earlier.one_likely, later.one_likely),
        ("one server takes at worst", earlier.one_server, later.one_server),
    ];
    for (what, was, is) in lengths {
        if was != is {
            let text = format!("{what}: was {}, is {}", duration(was), duration(is));
            found.push(Difference::new(Subject::Times, Weight::Matters, text));
        }
    }
    // What follows from the time at which each was made says nothing of the plans.
    let weight = if before.made == now.made { Weight::Matters } else { Weight::Aside };
    let look = Look::plain();
    let moment =
        |at: Option<Timestamp>| at.map_or_else(|| "not within the windows ahead".to_owned(), |at| look.date_time(at));
    let moments = [("begins at the earliest", earlier.begins, later.begins), ("is over", earlier.ends, later.ends)];
    for (what, was, is) in moments {
        // Seconds are not shown.
        let (was, is) = (moment(was), moment(is));
        if was != is {
            found.push(Difference::new(Subject::Times, weight, format!("it {what}: was {was}, is {is}")));
        }
    }
    if earlier.openings != later.openings {
        let said = |openings: Option<usize>| {
            let number = openings.and_then(|number| u64::try_from(number).ok());
            number.map_or_else(|| "more than are ahead".to_owned(), |number| count(number, "window"))
        };
        let text = format!("windows that it needs: was {}, is {}", said(earlier.openings), said(later.openings));
        found.push(Difference::new(Subject::Times, weight, text));
    }
    found
}

/// Findings that follow from the hour at which a plan is made, or from how long the look took.
const OF_THE_HOUR: [&str; 6] =
    [codes::STALE, codes::NEVER_OPEN, codes::TOO_LONG, codes::SEVERAL_OPENINGS, codes::NIGHT_WORK, codes::MAY_OVERRUN];

fn findings(before: &Side<'_>, now: &Side<'_>) -> Vec<Difference> {
    // What one side has not asked about it cannot have found: a server that is new in one of them was never asked.
    let asked = |finding: &Finding| match &finding.pool {
        Some(pool) => is_seen(before, pool) == is_seen(now, pool),
        None => before.seen.is_empty() == now.seen.is_empty(),
    };
    let by_place = |plan: &'_ Plan| -> BTreeMap<(String, String, String), Vec<Finding>> {
        let mut all: BTreeMap<_, Vec<Finding>> = BTreeMap::new();
        for finding in plan.findings().iter().filter(|finding| asked(finding)) {
            let of = |name: Option<String>| name.unwrap_or_default();
            let pool = of(finding.pool.as_ref().map(ToString::to_string));
            let server = of(finding.server.as_ref().map(ToString::to_string));
            all.entry((finding.code.clone(), pool, server)).or_default().push(finding.clone());
        }
        all
    };
    let (earlier, later) = (by_place(before.plan), by_place(now.plan));
    let none = Vec::new();
    let mut found = Vec::new();
    let places: BTreeSet<_> = earlier.keys().chain(later.keys()).collect();
    for place in places {
        let (was, is) = (earlier.get(place).unwrap_or(&none), later.get(place).unwrap_or(&none));
        let same_hour = before.made == now.made;
        let of_the_hour = |finding: &Finding| !same_hour && OF_THE_HOUR.contains(&finding.code.as_str());
        let weight = |finding: &Finding, of_a_warning: Weight| match finding.severity {
            Severity::Note => Weight::Aside,
            Severity::Refusal | Severity::Warning if of_the_hour(finding) => Weight::Aside,
            // A refusal is told, and refuses, by itself.
            Severity::Refusal => Weight::Matters,
            Severity::Warning => of_a_warning,
        };
        let new = more_of(was, is).into_iter();
        found.extend(new.map(|finding| told(finding, weight(finding, Weight::Another), "is new")));
        let gone = more_of(is, was).into_iter();
        found.extend(gone.map(|finding| told(finding, weight(finding, Weight::Matters), "is gone")));
    }
    for pool in now.plan.change().pools.iter().map(|pool| &pool.name) {
        if before.plan.change().pool(pool).is_some() && is_seen(before, pool) != is_seen(now, pool) {
            let text =
                format!("what was found about {pool} is not compared: not all of its servers were asked for both");
            found.push(Difference::new(Subject::Findings, Weight::Aside, text).about(pool));
        }
    }
    found
}

/// Returns whether every server of a pool was asked.
fn is_seen(side: &Side<'_>, pool: &PoolName) -> bool {
    let (seen, pool) = (side.seen.get(pool), side.plan.change().pool(pool));
    let all =
        |seen: &PoolObservation, pool: &Pool| pool.servers.iter().all(|each| seen.servers.contains_key(&each.name));
    seen.zip(pool).is_some_and(|(seen, pool)| all(seen, pool))
}

/// Returns the findings that are too many in the second list. That one is worded differently, with other numbers in it, is no
/// difference.
fn more_of<'a>(less: &[Finding], more: &'a [Finding]) -> Vec<&'a Finding> {
    let known = |finding: &&Finding| less.iter().any(|known| known.message == finding.message);
    let unknown: Vec<&Finding> = more.iter().filter(|finding| !known(finding)).collect();
    // One of many servers may stand for the others.
    let stands_for = |findings: &[Finding]| findings.iter().map(|finding| further(&finding.message)).sum::<u64>();
    let grown = usize::from(stands_for(more) > stands_for(less));
    let most = more.len().saturating_sub(less.len()).max(grown);
    unknown.into_iter().take(most).collect()
}

/// Returns for how many more a finding stands, by its last words.
fn further(message: &str) -> u64 {
    let number = message.rsplit_once("(and so for ").and_then(|(_, rest)| rest.strip_suffix(" more)"));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn told(finding: &Finding, weight: Weight, what: &str) -> Difference {
    let text = format!("{} {} {what}: {}", words::severity(finding.severity), finding.code, finding.message);
    let about = finding.server.as_ref().map(ToString::to_string);
    let about = about.or_else(|| finding.pool.as_ref().map(ToString::to_string));
    Difference { about, ..Difference::new(Subject::Findings, weight, text) }
}
