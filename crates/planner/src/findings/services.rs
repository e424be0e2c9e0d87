//! What the services and versions of single servers look like.

use super::{note, refusal, warning};
use crate::codes;
use crate::plan::{Finding, ServerWork};
use crate::report::ServerSafety;
use crate::safety::{Look, Question, Untold, called, is_for_time, shown, unplanned as unplanned_on, untold};
use crate::standing::left_behind;
use crate::words::{count, few, list, time};
use orchestrate_model::catalogue;
use orchestrate_model::change::Scope;
use orchestrate_model::observe::SessionReading;
use orchestrate_model::pool::Hosted;
use orchestrate_model::version::{self, Mixed};
use orchestrate_model::{
    Answer, LeaseState, RunState, Server, ServerName, ServerObservation, ServiceName, ServiceStatus,
};
use std::collections::{BTreeMap, BTreeSet};

/// Says what the services of each server that is to go say. Servers that are passed over are not touched, so nothing is
/// asked of them.
pub(super) fn pool(look: &Look<'_>, safety: &[&ServerSafety], passed_over: &[&ServerWork], found: &mut Vec<Finding>) {
    for safety in safety {
        let Some(seen) = look.seen.servers.get(&safety.server).filter(|seen| seen.services.known().is_some()) else {
            continue;
        };
        let blockable = safety.asked.iter().any(|a| a.question == Question::Blockable && a.verdict.is_yes());
        let (mut absent, mut left) = (Vec::new(), Vec::new());
        for service in &look.scope.block {
            let Some(status) = seen.service(service) else {
                if asked_for(look, service) {
                    absent.push(service);
                }
                continue;
            };
            if !look.scope.is_stranger(service) {
                left.extend(left_behind(status, look.seen));
            }
            if !blockable {
                found.extend(unblockable(look, seen, status));
                found.extend(uncounted(look, seen, status));
            }
        }
        found.extend(interrupted(look, seen, &left));
        found.extend(missing(look, &safety.server, &absent));
    }
    for work in passed_over {
        if let Some(why) = &work.skip {
            let finding = note(codes::ALREADY_PATCHED, format!("{why}. It is passed over")).pool(look.pool);
            found.push(
                finding
                    .server(&work.server)
                    .advise("Nothing to do. A component below the level has a finding of its own."),
            );
        }
    }
    found.extend(nowhere(look));
    unplanned(look, safety, found);
    undrained(look, safety, found);
    central(look, found);
    levels(look, found);
}

/// Returns whether the plan asks for a service itself, and not only for what it depends on.
fn asked_for(look: &Look<'_>, service: &ServiceName) -> bool {
    match &look.change.maintenance.scope {
        Scope::AllServices => !look.scope.dependents.contains(service),
        Scope::Services(chosen) => chosen.contains(service),
    }
}

/// Where a service that is not in the plan was seen.
#[derive(Default)]
struct Unplanned<'a> {
    servers: BTreeSet<&'a str>,
    states: BTreeSet<String>,
    /// One of the servers.
    on: Option<&'a ServerObservation>,
}

/// Services with sessions that run and are not in the plan: one finding per service.
fn unplanned(look: &Look<'_>, safety: &[&ServerSafety], found: &mut Vec<Finding>) {
    let mut by_service: BTreeMap<&ServiceName, Unplanned<'_>> = BTreeMap::new();
    for server in safety.iter().filter_map(|safety| look.seen.servers.get(&safety.server)) {
        for (service, state) in unplanned_on(look, server) {
            let unplanned = by_service.entry(service).or_default();
            unplanned.on = Some(server);
            unplanned.servers.insert(server.server.short());
            unplanned
                .states
                .insert(state.map_or_else(|why| format!("in an unknown state ({why})"), |state| state.to_string()));
        }
    }
    for (service, Unplanned { servers, states, on }) in by_service {
        let named = catalogue::service(service);
        let status = on.and_then(|server| server.service(service));
        let facts = named.or_else(|| catalogue::by_display(&status?.display_name));
        let session = facts.map_or("its sessions", |facts| facts.session);
        let text = format!(
            "{} is {} on {} and not in the plan: the run would not drain it, and these would be cut: {session}",
            on.map_or_else(|| service.to_string(), |server| shown(server, service)),
            list(states),
            list(servers)
        );
        let pool = &look.pool.name;
        let mut advice = format!("Name it under the pool: pools: {{{pool}: {{services: [{service}]}}}}");
        let uncounted = on.and_then(|server| uncounted_beside(look, server, service));
        match (named, uncounted) {
            (None, _) => {
                let how = format!(
                    ", and say what counts its sessions under the pool's measures, or how long to wait for it: {}. If it need \
                     not run, stop it on the servers first.",
                    waited_for(service)
                );
                advice.push_str(&how);
            }
            (Some(_), Some((why, how))) => {
                let also =
                    format!(". That alone is not enough: its sessions cannot be counted as it is ({why}). {how}");
                advice.push_str(&also);
            }
            (Some(_), None) => advice.push('.'),
        }
        found.push(refusal(codes::UNPLANNED, text).pool(look.pool).advise(advice));
    }
}

/// How a plan says that a service is waited for by time.
fn waited_for(service: &ServiceName) -> String {
    format!("maintenance: {{drain: {{unmeasured: {{{service}: 30m}}}}}}")
}

/// Returns why the sessions of a service beside the plan could not be counted once it is in it, and what would help.
fn uncounted_beside(look: &Look<'_>, seen: &ServerObservation, service: &ServiceName) -> Option<(String, String)> {
    let reading = seen.sessions.get(service).filter(|_| look.pool.can_count(service))?;
    let why = reading.left().why_unknown()?.to_owned();
    let is_waited_for = is_for_time(look, Some(reading), service);
    (!is_waited_for).then(|| (why, count_it(service, Some(reading))))
}

/// What to do about a service whose sessions cannot be counted: they were read like this.
fn count_it(service: &ServiceName, reading: Option<&SessionReading>) -> String {
    let name = "name one that the server has, or keys of Get-CsWindowsService -ActivityLevel, under the pool's measures \
                (orchestrate probe PLAN --counters lists both)";
    match reading.and_then(SessionReading::uncountable) {
        Some(_absent) => format!(
            "Where the server should have these counters, rebuild them (lodctr /r, winmgmt /resyncperf); else {name}; or say how \
             long to wait for it, and what lasts longer is cut uncounted: {}.",
            waited_for(service)
        ),
        None => format!(
            "Where the account may not read counters, make it a member of Performance Monitor Users on the server; else {name}."
        ),
    }
}

/// Says so when nobody could say that services have drained: one finding for what the servers do not have, and one for
/// what they did not say.
fn undrained(look: &Look<'_>, safety: &[&ServerSafety], found: &mut Vec<Finding>) {
    let mut absent: BTreeMap<&ServiceName, (&str, BTreeSet<&str>)> = BTreeMap::new();
    let mut unread: BTreeMap<&ServiceName, (&str, BTreeSet<&str>)> = BTreeMap::new();
    let seen = safety.iter().filter_map(|safety| look.seen.servers.get(&safety.server));
    for seen in seen {
        let runs = |service: &&ServiceName| seen.service(service).is_some_and(|status| !status.is(RunState::Stopped));
        for service in look.scope.block.iter().filter(runs) {
            let (list, why) = match untold(look, seen, service) {
                None => continue,
                Some(Untold::Absent(why)) => (&mut absent, why),
                Some(Untold::Unread(why)) => (&mut unread, why),
            };
            list.entry(service).or_insert((why, BTreeSet::new())).1.insert(seen.server.short());
        }
    }
    let told = |services: &BTreeMap<&ServiceName, (&str, BTreeSet<&str>)>| {
        let each = services.iter().map(|(service, (why, servers))| format!("{service} on {} ({why})", list(servers)));
        each.collect::<Vec<_>>().join("; ")
    };
    if !absent.is_empty() {
        let text = format!(
            "it could not be proven that these have drained, and the drain would be held at its deadline of {}: {}",
            time(look.change.maintenance.drain.deadline),
            told(&absent)
        );
        let names: Vec<&str> = absent.keys().map(|service| service.as_str()).collect();
        let advice = format!(
            "Rebuild the counters of the servers (lodctr /r, winmgmt /resyncperf), where these should have them. Where they \
             have none, the sessions alone can be the proof, by name: maintenance: {{drain: {{by_sessions_alone: \
             [{}]}}}}.",
            names.join(", ")
        );
        found.push(refusal(codes::DRAIN_UNTOLD, text).pool(look.pool).advise(advice));
    }
    if !unread.is_empty() {
        let text = format!("whether these drain could not be read: {}. Unknown is not drained", told(&unread));
        let advice = "Give the account the right to read performance counters; orchestrate probe says what it lacks.";
        found.push(refusal(codes::DRAIN_UNTOLD, text).pool(look.pool).advise(advice));
    }
}

/// Says so when the central management runs where the plan does not say that it does.
fn central(look: &Look<'_>, found: &mut Vec<Finding>) {
    for server in look.pool.servers.iter().filter(|server| !server.hosts.contains(&Hosted::CentralManagement)) {
        let services = look.seen.servers.get(&server.name).and_then(|seen| seen.services.known());
        let runs = services.into_iter().flat_map(BTreeMap::values).filter(|status| {
            let central = ["MASTER", "FTA"].iter().any(|name| name.eq_ignore_ascii_case(status.name.as_str()));
            central && !status.is(RunState::Stopped)
        });
        let runs: Vec<&ServiceName> = runs.map(|status| &status.name).collect();
        if !runs.is_empty() {
            let name = &server.name;
            let text = format!(
                "{} {} on {name}, which the plan does not say to host the central management: it is neither taken last \
                 nor are the configuration replicas looked at",
                list(&runs),
                if runs.len() == 1 { "runs" } else { "run" }
            );
            let advice = format!("Say so in the plan: pools: NAME: servers: {name}: {{hosts: [central-management]}}.");
            found.push(warning(codes::CENTRAL_UNSTATED, text).pool(look.pool).server(name).advise(advice));
        }
    }
}

/// Services that the plan names for a pool and no server of it has: the one that is meant would not be drained.
fn nowhere(look: &Look<'_>) -> Option<Finding> {
    let seen = |server: &Server| look.seen.servers.get(&server.name);
    let said: Vec<&ServerObservation> =
        look.pool.servers.iter().filter_map(seen).filter(|seen| seen.services.known().is_some()).collect();
    // A server that said nothing may have it.
    if said.is_empty() || said.len() < look.pool.servers.len() {
        return None;
    }
    let named = look.pool.extra_services.iter();
    let nowhere: Vec<&ServiceName> =
        named.filter(|name| said.iter().all(|seen| seen.service(name).is_none())).collect();
    let first = nowhere.first()?;
    let text = format!(
        "no server of {} has {}, which the plan names under services: what is meant would not be drained",
        look.pool.name,
        list(&nowhere)
    );
    let there = said.iter().filter_map(|seen| seen.services.known()).flat_map(BTreeMap::keys);
    let likeness =
        |name: &ServiceName| strsim::jaro_winkler(&name.as_str().to_lowercase(), &first.as_str().to_lowercase());
    let near = there.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|name| likeness(name) > NEAR);
    let near = near.map_or_else(String::new, |name| format!("Did you mean {name}? "));
    let advice = format!("{near}Correct the name, which is the short one of the Services console, or leave it out.");
    Some(refusal(codes::NOT_INSTALLED, text).pool(look.pool).advise(advice))
}

/// How alike two names have to be for one to be meant for the other.
const NEAR: f64 = 0.85;

/// Services that are expected and not there: one finding per server. What no server has is told once.
fn missing(look: &Look<'_>, name: &ServerName, absent: &[&ServiceName]) -> Option<Finding> {
    let is_somewhere = |service: &ServiceName| look.seen.servers.values().any(|seen| seen.service(service).is_some());
    let named = |service: &ServiceName| look.pool.extra_services.contains(service);
    let absent: Vec<&ServiceName> =
        absent.iter().copied().filter(|service| !named(service) || is_somewhere(service)).collect();
    if absent.is_empty() {
        return None;
    }
    let absent = absent.as_slice();
    if matches!(look.change.maintenance.scope, Scope::Services(_)) {
        let text = format!("{name} does not have {}, which the plan asks for", list(absent));
        let finding = refusal(codes::NOT_INSTALLED, text).pool(look.pool).server(name);
        Some(finding.advise("Correct the scope, or the role of the pool."))
    } else {
        let (stated, usual): (Vec<&ServiceName>, Vec<&ServiceName>) =
            absent.iter().copied().partition(|service| named(service));
        let part = |services: &[&ServiceName], why: &str| {
            (!services.is_empty()).then(|| format!("{}, which {why}", list(services)))
        };
        let parts = [part(&usual, "its role usually runs"), part(&stated, "the plan names under services")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let text = format!("{name} does not have {}: passed over", parts.join(", nor "));
        let finding = warning(codes::NOT_INSTALLED, text).pool(look.pool).server(name);
        Some(finding.advise("Nothing to do if it is meant to be so. Otherwise correct the role of the pool."))
    }
}

/// Says what looks as an interrupted maintenance leaves it. On a server that another control host has in hand it is that
/// one's doing, which another finding says.
fn interrupted(look: &Look<'_>, seen: &ServerObservation, left: &[String]) -> Option<Finding> {
    let (first, more) = left.split_first()?;
    if matches!(&seen.lease, Answer::Known(LeaseState::Held(_))) {
        return None;
    }
    let server = &seen.server;
    let more = match more {
        [] => String::new(),
        more => {
            let named: Vec<&str> = more.iter().map(String::as_str).collect();
            format!(", and {} likewise ({})", count(more.len(), "other service"), few(&named))
        }
    };
    let text = format!(
        "{server}: {first}{more}. An earlier maintenance may have died here, and what is found would be taken for the usual state"
    );
    let advice = "Take the earlier run up again (orchestrate resume or recover), or bring the service and its start type \
                  back to what is usual by hand. An attended run asks before it takes what is found for the usual state; \
                  an unattended one is refused.";
    Some(warning(codes::INTERRUPTED, text).pool(look.pool).server(server).advise(advice))
}

fn unblockable(look: &Look<'_>, seen: &ServerObservation, status: &ServiceStatus) -> Option<Finding> {
    let (server, service) = (&seen.server, called(look, seen, &status.name));
    let text = match &status.state {
        Answer::Known(RunState::Running) if !status.accepts_pause => {
            format!("{service} on {server} runs and does not accept a pause, so it cannot be blocked")
        }
        Answer::Known(RunState::Running | RunState::Paused | RunState::Stopped) => return None,
        Answer::Known(state) => format!("{service} on {server} is {state}: it is on its way somewhere"),
        Answer::Unknown(why) => format!("the state of {service} on {server} is not known: {why}"),
    };
    let advice = if look.scope.dependents.contains(&status.name) {
        "Look at the service on the server. If it need not run during the maintenance, stop it first: what is stopped \
         does no harm."
    } else {
        "Look at the service on the server, and leave it out of the scope if it can never be blocked."
    };
    Some(refusal(codes::NOT_PAUSABLE, text).pool(look.pool).server(server).advise(advice))
}

fn uncounted(look: &Look<'_>, seen: &ServerObservation, status: &ServiceStatus) -> Option<Finding> {
    let service = &status.name;
    // Without any measure the pool is refused as a whole.
    let reading = seen.sessions.get(service);
    let counted = look.pool.can_count(service) && !is_for_time(look, reading, service) && !status.is(RunState::Stopped);
    let why = match reading.filter(|_| counted).map(|reading| reading.left()) {
        None if counted => "the server gave no reading".to_owned(),
        Some(Answer::Unknown(why)) => why,
        Some(Answer::Known(_)) | None => return None,
    };
    let text = format!("the sessions of {service} on {} cannot be counted: {why}. Unknown is not zero", seen.server);
    let advice = count_it(service, reading);
    Some(refusal(codes::NOT_COUNTABLE, text).pool(look.pool).server(&seen.server).advise(advice))
}

/// Says so when components are at different versions on the servers of the pool.
fn levels(look: &Look<'_>, found: &mut Vec<Finding>) {
    let servers = look.seen.servers.values();
    let known = servers.filter_map(|seen| Some((&seen.server, seen.versions.known()?.as_slice())));
    let mixed = version::mixed(known);
    let Some(first) = mixed.first() else {
        return;
    };
    let more = match mixed.len() - 1 {
        0 => String::new(),
        _ => format!(" (and so for {})", list(mixed[1..].iter().map(|mixed| mixed.component))),
    };
    let text = format!("the servers of {} are at different levels: {}{more}", look.pool.name, differing(first));
    let finding = warning(codes::MIXED_LEVELS, text).pool(look.pool);
    found.push(finding.advise("All servers of a pool belong on one level: finish what was begun."));
}

fn differing(mixed: &Mixed<'_>) -> String {
    let each = mixed.versions.iter().map(|(version, servers)| {
        let servers: Vec<&str> = servers.iter().map(|server| server.short()).collect();
        format!("{} at {version}", few(&servers))
    });
    format!("{} is {}", mixed.component, list(each))
}
