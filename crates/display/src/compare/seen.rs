//! What the servers, the name servers and the balancers said differently. What moves by itself is left out: sessions, free
//! space, clocks.

use super::{Difference, Side, Subject, Weight};
use crate::text::list;
use orchestrate_model::observe::FileFacts;
use orchestrate_model::{Answer, PoolObservation, ServerName, ServerObservation, ServiceName, ServiceStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Returns in what the pools were seen differently, where both sides have looked.
pub(super) fn differences(before: &Side<'_>, now: &Side<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (pool, earlier) in before.seen {
        if let Some(later) = now.seen.get(pool) {
            of_pool(earlier, later, &mut found);
        }
    }
    found
}

fn tell(found: &mut Vec<Difference>, weight: Weight, about: impl ToString, text: String) {
    found.push(Difference::new(Subject::Seen, weight, text).about(about));
}

fn of_pool(before: &PoolObservation, now: &PoolObservation, found: &mut Vec<Difference>) {
    for (server, earlier) in &before.servers {
        if let Some(later) = now.servers.get(server) {
            of_server(earlier, later, found);
        }
    }
    addresses(before, now, found);
    balancer(before, now, found);
}

fn of_server(before: &ServerObservation, now: &ServerObservation, found: &mut Vec<Difference>) {
    let server = &now.server;
    if let Some((earlier, later)) = both(&before.services, &now.services, (server, "its services"), found) {
        services(server, (earlier, later), found);
    }
    if let Some((earlier, later)) = both(&before.versions, &now.versions, (server, "its versions"), found) {
        let by_name = |versions: &[orchestrate_model::version::ComponentVersion]| -> BTreeMap<String, String> {
            versions.iter().map(|each| (each.component.clone(), each.version.to_string())).collect()
        };
        versions(server, (&by_name(earlier), &by_name(later)), found);
    }
    if let Some((earlier, later)) = both(&before.file, &now.file, (server, "the installer file"), found)
        && earlier != later
    {
        let said = |file: &FileFacts| match file {
            FileFacts::Missing => "not there".to_owned(),
            FileFacts::Found { sha256 } => format!("there with SHA-256 {sha256}"),
        };
        let text = format!("{server}: the installer was {}, is {}", said(earlier), said(later));
        tell(found, Weight::Another, server, text);
    }
    let central = (server, "the central management");
    if let Some((earlier, later)) = both(&before.central_management, &now.central_management, central, found)
        && earlier.active != later.active
    {
        let said = |active: &Option<String>| active.clone().unwrap_or_else(|| "nowhere".to_owned());
        let (was, is) = (said(&earlier.active), said(&later.active));
        let text = format!("{server}: the central management was active at {was}, is at {is}");
        tell(found, Weight::Another, server, text);
    }
    if let (Some(earlier), Some(later)) = (before.host.known(), now.host.known())
        // Clocks are corrected by a second or so.
        && later.booted.duration_since(earlier.booted).as_secs().abs() > BOOT_SLACK
    {
        tell(found, Weight::Aside, server, format!("{server} has been restarted since"));
    }
}

/// By how many seconds the boot time of a server may move without a restart.
const BOOT_SLACK: i64 = 60;

/// Returns two answers where both are known. One that is missing by now is told, since the plan rests on it; one that was
/// missing is not.
fn both<'a, T>(
    before: &'a Answer<T>,
    now: &'a Answer<T>,
    (server, what): (&ServerName, &str),
    found: &mut Vec<Difference>,
) -> Option<(&'a T, &'a T)> {
    match (before, now) {
        (Answer::Known(earlier), Answer::Known(later)) => Some((earlier, later)),
        (Answer::Known(_), Answer::Unknown(why)) => {
            let text = format!("{server}: {what}: known then, not known now: {why}");
            tell(found, Weight::Matters, server, text);
            None
        }
        (Answer::Unknown(_), _) => None,
    }
}

fn services(
    server: &ServerName,
    (before, now): (&BTreeMap<ServiceName, ServiceStatus>, &BTreeMap<ServiceName, ServiceStatus>),
    found: &mut Vec<Difference>,
) {
    let names: BTreeSet<&ServiceName> = before.keys().chain(now.keys()).collect();
    // The same at many services is one line.
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        let said = match (before.get(name), now.get(name)) {
            (Some(earlier), Some(later)) => one_service(earlier, later),
            (Some(_), None) => vec!["not installed any more".to_owned()],
            (None, Some(later)) => vec![format!("installed by now ({})", state(later))],
            (None, None) => Vec::new(),
        };
        for text in said {
            alike.entry(text).or_default().push(name.as_str());
        }
    }
    for (text, names) in alike {
        tell(found, Weight::Another, server, format!("{server}: {}: {text}", list(&names)));
    }
}

fn state(service: &ServiceStatus) -> String {
    match &service.state {
        Answer::Known(state) => state.to_string(),
        Answer::Unknown(_) => "its state is not known".to_owned(),
    }
}

fn one_service(before: &ServiceStatus, now: &ServiceStatus) -> Vec<String> {
    let mut said = Vec::new();
    if let (Some(earlier), Some(later)) = (before.state.known(), now.state.known())
        && earlier != later
    {
        said.push(format!("was {earlier}, is {later}"));
    }
    if let (Some(earlier), Some(later)) = (before.start.known(), now.start.known())
        && earlier != later
    {
        said.push(format!("start type was {earlier}, is {later}"));
    }
    said
}

fn versions(
    server: &ServerName,
    (before, now): (&BTreeMap<String, String>, &BTreeMap<String, String>),
    found: &mut Vec<Difference>,
) {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let none = || "not installed".to_owned();
    let of = |map: &BTreeMap<String, String>, name: &String| map.get(name).cloned().unwrap_or_else(none);
    let mut alike: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for name in names {
        let (was, is) = (of(before, name), of(now, name));
        if was != is {
            alike.entry((was, is)).or_default().push(name);
        }
    }
    for ((was, is), names) in alike {
        // Names of components are long, and mostly all of them change at once.
        let what = match names.as_slice() {
            [first, _, ..] => format!("{} components, such as {first}", names.len()),
            few => list(few),
        };
        tell(found, Weight::Another, server, format!("{server}: {what}: was {was}, is {is}"));
    }
}

fn addresses(before: &PoolObservation, now: &PoolObservation, found: &mut Vec<Difference>) {
    let (Some(earlier), Some(later)) = (before.dns.known(), now.dns.known()) else { return };
    // By name, over all that were asked: which resolver answers first differs from look to look.
    let by_name = |dns: &orchestrate_model::observe::DnsObservation| {
        let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for answer in dns.answers.iter().chain(&dns.external) {
            if let Some(records) = answer.records.known() {
                names.entry(answer.name.to_string()).or_default().extend(&records.addresses);
            }
        }
        names
    };
    let (earlier, later) = (by_name(earlier), by_name(later));
    let said = |addresses: &BTreeSet<IpAddr>| {
        let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    };
    for (name, was) in &earlier {
        if let Some(is) = later.get(name).filter(|is| *is != was) {
            let text = format!("the records of {name} were {}, are {}", said(was), said(is));
            tell(found, Weight::Another, &now.pool, text);
        }
    }
}

fn balancer(before: &PoolObservation, now: &PoolObservation, found: &mut Vec<Difference>) {
    let known = |pool: &PoolObservation| pool.balancer.known().and_then(|seen| seen.servers.known().cloned());
    let (Some(earlier), Some(later)) = (known(before), known(now)) else { return };
    let names: BTreeSet<&ServerName> = earlier.keys().chain(later.keys()).collect();
    for server in names {
        let states = |all: &BTreeMap<ServerName, orchestrate_model::observe::BalancerServer>| {
            all.get(server).map(orchestrate_model::observe::BalancerServer::states).unwrap_or_default()
        };
        let (was, is) = (states(&earlier), states(&later));
        let places: BTreeSet<_> = was.keys().chain(is.keys()).collect();
        for place in places {
            let said = |state: Option<&orchestrate_model::observe::BalancerState>| {
                state.map_or_else(|| "not there".to_owned(), ToString::to_string)
            };
            let (was, is) = (said(was.get(place)), said(is.get(place)));
            if was != is {
                tell(found, Weight::Another, server, format!("{server}: the balancer's {place} was {was}, is {is}"));
            }
        }
    }
}
