//! Rows about the product on a server: cmdlets, services, counters and versions.

use super::{Expected, NOT_ASKED, green, is_without_scripts, red, some, yellow};
use crate::codes;
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::observe::{DrainingState, SessionReading};
use orchestrate_model::probe::{Probe, Row, Topic};
use orchestrate_model::{Answer, Product, Role, RunState, ServiceName, ServiceStatus, StartMode};
use std::collections::BTreeMap;

pub(super) fn rows(probe: &Probe, expected: &Expected<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(cmdlets(probe));
    rows.push(services(probe, expected));
    rows.extend(counters(probe, expected));
    rows.extend(versions(probe));
    rows
}

/// What a cmdlet is asked for, and whether it answers or why it does not.
type Cmdlet<'a> = (&'static str, Result<(), &'a str>);

fn asked_cmdlets(probe: &Probe) -> Vec<Cmdlet<'_>> {
    let seen = &probe.seen;
    let asked = [
        ("replication status", seen.replication.as_result().map(|_| ())),
        ("readiness of the pool", seen.readiness.as_result().map(|_| ())),
        ("central management", seen.central_management.as_result().map(|_| ())),
    ];
    asked.into_iter().filter(|(_, answer)| *answer != Err(NOT_ASKED)).collect()
}

/// Returns whether cmdlets of the product are asked at all.
pub(super) fn asks_cmdlets(probe: &Probe) -> bool {
    !asked_cmdlets(probe).is_empty()
}

fn cmdlets(probe: &Probe) -> Option<Row> {
    let asked = asked_cmdlets(probe);
    if asked.is_empty() || (is_without_scripts(probe) && asked.iter().all(|(_, answer)| answer.is_err())) {
        return None;
    }
    let (good, bad): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(_, answer)| answer.is_ok());
    let words = |of: &[Cmdlet<'_>]| of.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    let Some((_, Err(why))) = bad.first() else {
        return Some(green(Topic::Cmdlets, format!("answer: {}", words(&good))));
    };
    let also = if good.is_empty() { String::new() } else { format!("; answered: {}", words(&good)) };
    Some(red(
        Topic::Cmdlets,
        format!("no answer on {}: {why}{also}", words(&bad)),
        "try the cmdlet in the product's own shell on the server with this account: where it answers there and not here, \
         the logon does not go on to a second machine, and `cmdlets` under `access.winrm` has other ways; where it does \
         not, the account lacks the role CsServerAdministrator or RTCUniversalServerAdmins",
    ))
}

fn services(probe: &Probe, expected: &Expected<'_>) -> Row {
    let found = match &probe.seen.services {
        Answer::Known(found) => found,
        Answer::Unknown(why) => return red(Topic::Services, why, "look at the row `wmi`"),
    };
    let is_of_product = |(name, status): &(&ServiceName, &ServiceStatus)| {
        catalogue::service(name).is_some_and(|facts| facts.prefixed)
            || catalogue::is_product_display(&status.display_name)
    };
    let of_product = found.iter().filter(is_of_product).count();
    if of_product == 0 {
        let todo = "a server that runs nothing of the product has nothing to drain: is it the right one?";
        return match probe.product {
            Product::Generic => yellow(Topic::Services, "none of the product", todo),
            Product::Lync2013 | Product::Sfb2015 | Product::Sfb2019 | Product::Sfbse => {
                red(Topic::Services, "none of the product", todo)
            }
        };
    }
    // With the services of a plan a dry run's findings say what is missing.
    let stated = expected.pool.filter(|_| expected.scope.is_none());
    let missing = stated.map(|pool| missing(found, pool.product, pool.role)).unwrap_or_default();
    let odd = odd(found);
    let besides: Vec<String> = found
        .iter()
        .filter(|(name, status)| {
            catalogue::service(name).is_none() && catalogue::by_display(&status.display_name).is_none()
        })
        .map(|(name, _)| name.to_string())
        .collect();
    let mut said = vec![format!("{of_product} of the product")];
    if !besides.is_empty() {
        said.push(format!("not in the catalogue: {}", some(&besides)));
    }
    if !missing.is_empty() {
        said.push(format!("expected and not there: {}", some(&missing)));
    }
    if odd.is_empty() && missing.is_empty() {
        return green(Topic::Services, format!("{}, each in its usual state", said.join("; ")));
    }
    let mut todo = Vec::new();
    if !odd.is_empty() {
        said.push(some(&odd));
        todo.push(
            "bring them to their usual state first: what a maintenance finds is what it restores; an earlier run that died \
             may have left them (`orchestrate status`)",
        );
    }
    if !missing.is_empty() {
        todo.push("check `product` and `role` of the pool in the plan: what is not installed is not drained");
    }
    yellow(Topic::Services, said.join("; "), todo.join("; "))
}

/// Returns the services that the product has on such a server and that are not there. The others that it uses, such as those
/// of Windows, are not among what is asked for by the product's display names.
fn missing(found: &BTreeMap<ServiceName, ServiceStatus>, product: Product, role: Role) -> Vec<String> {
    let own = catalogue::expected(product, role).filter(|facts| facts.prefixed);
    let names = own.filter_map(catalogue::ServiceFacts::service_name);
    names.filter(|name| !found.contains_key(name)).map(|name| name.to_string()).collect()
}

/// Returns the services with sessions that are not in the state in which a maintenance should find them.
fn odd(found: &BTreeMap<ServiceName, ServiceStatus>) -> Vec<String> {
    let drains = |name: &ServiceName| catalogue::service(name).is_some_and(|facts| facts.drain == DrainClass::Session);
    let of = |(name, status): (&ServiceName, &ServiceStatus)| {
        let start = status.start.known().map(|start| start.mode);
        match (&status.state, start) {
            (Answer::Unknown(why), _) => Some(format!("{name}: {why}")),
            (Answer::Known(_), Some(StartMode::Disabled)) => None,
            (Answer::Known(RunState::Running), Some(StartMode::Manual)) => Some(format!("{name} starts by hand only")),
            (Answer::Known(RunState::Running), _) => None,
            (Answer::Known(state), _) => Some(format!("{name} is {}", word(*state))),
        }
    };
    found.iter().filter(|(name, _)| drains(name)).filter_map(of).collect()
}

fn word(state: RunState) -> &'static str {
    match state {
        RunState::Stopped => "stopped",
        RunState::StartPending => "starting",
        RunState::StopPending => "stopping",
        RunState::Running => "running",
        RunState::ContinuePending => "continuing",
        RunState::PausePending => "pausing",
        RunState::Paused => "paused",
    }
}

/// Returns the readings of services that a run would wait for: those that run, and, where there is a plan, that it blocks.
fn waited_for<'a>(
    probe: &'a Probe,
    expected: &'a Expected<'_>,
) -> impl Iterator<Item = (&'a ServiceName, &'a SessionReading)> {
    let runs = |name: &ServiceName| match &probe.seen.services {
        Answer::Known(services) => {
            services.get(name).map_or(expected.scope.is_none(), |status| !status.is(RunState::Stopped))
        }
        Answer::Unknown(_) => true,
    };
    let is_blocked = |name: &ServiceName| expected.scope.is_none_or(|scope| scope.block.contains(name));
    probe.seen.sessions.iter().filter(move |(name, _)| runs(name) && is_blocked(name))
}

fn counters(probe: &Probe, expected: &Expected<'_>) -> Vec<Row> {
    let (mut sessions, mut measures) = (0, 0);
    let (mut read, mut silent) = (0_usize, Vec::new());
    for (service, reading) in waited_for(probe, expected) {
        match reading.left() {
            Answer::Known(left) => {
                (sessions, read) = (sessions + left, read + 1);
                measures += reading.measures.len();
            }
            Answer::Unknown(why) => silent.push(format!("{service}: {why}")),
        }
    }
    let told = format!("{} measured by {measures} values; {sessions} sessions now", are(read));
    if expected.scope.is_some() {
        // What is silent is a finding, unless the plan answers it.
        return (read > 0).then(|| green(Topic::Counters, told)).into_iter().collect();
    }
    let mut rows = Vec::new();
    if !silent.is_empty() && !is_without_scripts(probe) {
        let row = red(
            Topic::Counters,
            format!("sessions that cannot be counted: {}", some(&silent)),
            "`--counters` lists what the server has; name the right ones under `measures` of the pool, or rebuild the \
             counters on the server (`lodctr /r`)",
        );
        rows.push(Row { code: Some(codes::NOT_COUNTABLE.to_owned()), ..row });
    }
    rows.extend(undrained(probe, expected));
    if rows.is_empty() && silent.is_empty() && read > 0 {
        rows.push(green(Topic::Counters, told));
    }
    rows
}

fn are(services: usize) -> String {
    if services == 1 { "1 service is".to_owned() } else { format!("{services} services are") }
}

/// Says so when nobody could say that services have drained. Sessions that cannot be counted are another matter, and hide
/// nothing of it.
fn undrained(probe: &Probe, expected: &Expected<'_>) -> Vec<Row> {
    let (mut absent, mut unread) = (Vec::new(), Vec::new());
    for (service, reading) in waited_for(probe, expected).filter(|(_, reading)| reading.left().known().is_some()) {
        match &reading.draining {
            None | Some(Answer::Known(DrainingState::Draining | DrainingState::NotDraining)) => {}
            Some(Answer::Known(DrainingState::Absent(_))) => absent.push(service.to_string()),
            Some(Answer::Unknown(why)) => unread.push(format!("{service}: {why}")),
        }
    }
    let mut rows = Vec::new();
    if !unread.is_empty() {
        let found = format!("whether these drain cannot be read: {}", some(&unread));
        rows.push(red(Topic::Counters, found, "the account has to be a member of Performance Monitor Users"));
    }
    if !absent.is_empty() {
        let todo = format!(
            "rebuild the counters on the server (`lodctr /r`); where it has none, write `drain: {{by_sessions_alone: \
             [{}]}}` in the plan",
            absent.join(", ")
        );
        let found = format!("no counter says whether these drain: {}", some(&absent));
        rows.push(red(Topic::Counters, found, todo));
    }
    rows.into_iter().map(|row| Row { code: Some(codes::DRAIN_UNTOLD.to_owned()), ..row }).collect()
}

fn versions(probe: &Probe) -> Option<Row> {
    let row = match &probe.seen.versions {
        Answer::Known(found) if found.is_empty() => {
            yellow(Topic::Versions, "no installed component of the product was found", "is it the right server?")
        }
        Answer::Known(found) => {
            let versions = || found.iter().map(|component| &component.version);
            let (low, high) = (versions().min(), versions().max());
            let said = match (low, high) {
                (Some(low), Some(high)) if low == high => format!("all at {low}"),
                (Some(low), Some(high)) => format!("{low} to {high}"),
                (_, _) => String::new(),
            };
            green(Topic::Versions, format!("{} components, {said}", found.len()))
        }
        Answer::Unknown(_) if is_without_scripts(probe) => return None,
        Answer::Unknown(why) => red(Topic::Versions, why, "the uninstall keys of the registry have to be readable"),
    };
    Some(row)
}
