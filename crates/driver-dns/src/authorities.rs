//! Finds the authoritative servers of names: the name servers of each name's closest enclosing zone, their addresses,
//! and which of them can be reached.

use crate::ServersByName;
use crate::exchange::{Manner, ask};
use crate::lookup::{Lookup, wire_name};
use futures::{StreamExt, stream};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use orchestrate_driver::limits::QUESTIONS_AT_ONCE;
use orchestrate_model::DnsName;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Most rounds of questions upwards from the names to their zones. Each round goes up at least one label.
const MOST_ROUNDS: usize = 12;

/// Most addresses of one zone's servers that are tried. A directory-integrated zone lists every domain controller of
/// the forest; past this many, more of them add no evidence worth their time.
const MOST_SERVERS: usize = 64;

/// Zones with fewer labels are a registry's and not an operator's: asking their servers about internal names would
/// only tell those names to strangers.
const FEWEST_LABELS: u8 = 2;

/// Returns the reachable authoritative servers of each name, as `guide` names them.
pub(crate) async fn of_names(guide: &Lookup, names: &[DnsName], manner: Manner, port: u16) -> ServersByName {
    let wire: BTreeMap<&DnsName, Name> =
        names.iter().filter_map(|name| Some((name, wire_name(name).ok()?.to_lowercase()))).collect();
    let found = zones(guide, wire.values().cloned().collect()).await;
    // One answer can name a few thousand servers. Each zone has its share, so that a long list of one hides no other.
    let hosts: BTreeSet<Name> = found.values().flat_map(|zone| zone.hosts.iter().take(MOST_SERVERS).cloned()).collect();
    let addresses = host_addresses(guide, hosts, port).await;
    let by_apex: BTreeMap<Name, &Zone> = found.values().map(|zone| (zone.apex.clone(), zone)).collect();
    let mut reachable: BTreeMap<Name, Vec<SocketAddr>> = BTreeMap::new();
    for zone in by_apex.values() {
        let known: BTreeSet<SocketAddr> =
            zone.hosts.iter().filter_map(|host| addresses.get(host)).flatten().copied().collect();
        if known.len() > MOST_SERVERS {
            tracing::warn!(zone = %zone.apex, servers = known.len(), "only the first {MOST_SERVERS} are asked");
        }
        let servers = known.into_iter().take(MOST_SERVERS).collect();
        reachable.insert(zone.apex.clone(), with_authority(guide, &zone.apex, servers, manner).await);
    }
    let servers_of = |wire: &Name| found.get(wire).and_then(|zone| reachable.get(&zone.apex)).cloned();
    wire.iter().filter_map(|(name, wire)| Some(((*name).clone(), servers_of(wire)?))).collect()
}

/// A zone and the names of its servers.
#[derive(Debug, Clone)]
struct Zone {
    apex: Name,
    hosts: Vec<Name>,
}

/// What one answer about name servers says.
enum Step {
    /// This is the zone.
    Found(Zone),
    /// The zone begins at this name, further up.
    Up(Name),
    /// There is no telling.
    Lost,
}

/// Returns the closest enclosing zone of each name. A name whose zone cannot be told is missing.
async fn zones(guide: &Lookup, names: Vec<Name>) -> BTreeMap<Name, Zone> {
    let mut open: BTreeMap<Name, Name> = names.into_iter().map(|name| (name.clone(), name)).collect();
    let mut found = BTreeMap::new();
    for _ in 0..MOST_ROUNDS {
        let places: BTreeSet<Name> = open.values().cloned().collect();
        if places.is_empty() {
            break;
        }
        let steps = places.into_iter().map(|place| async move {
            let step = name_servers_at(guide, &place).await;
            (place, step)
        });
        let steps: BTreeMap<Name, Step> = stream::iter(steps).buffered(QUESTIONS_AT_ONCE).collect().await;
        open.retain(|name, place| match steps.get(place) {
            Some(Step::Found(zone)) => {
                found.insert(name.clone(), zone.clone());
                false
            }
            Some(Step::Up(next)) => {
                *place = next.clone();
                true
            }
            Some(Step::Lost) | None => false,
        });
    }
    found
}

async fn name_servers_at(guide: &Lookup, place: &Name) -> Step {
    match ask(&guide.seats, (guide.server, guide.manner), place, RecordType::NS).await {
        Ok(response) => step(&response, place),
        Err(reason) => {
            tracing::debug!(resolver = %guide.server, %place, %reason, "cannot tell the zone");
            Step::Lost
        }
    }
}

fn step(response: &Message, place: &Name) -> Step {
    if !matches!(response.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Step::Lost;
    }
    let hosts: Vec<Name> = response
        .answers
        .iter()
        .filter(|record| record.name == *place)
        .filter_map(|record| match &record.data {
            RData::NS(host) => Some(host.0.to_lowercase()),
            _ => None,
        })
        .collect();
    if !hosts.is_empty() {
        return Step::Found(Zone { apex: place.clone(), hosts });
    }
    // Behind an alias the start of authority is that of the alias's zone, so it says nothing about this name.
    let is_alias = response.answers.iter().any(|record| matches!(record.data, RData::CNAME(_)));
    let begins = response.authorities.iter().find(|record| matches!(record.data, RData::SOA(_)));
    let next = match begins {
        Some(record) if !is_alias && record.name != *place && record.name.zone_of(place) => record.name.to_lowercase(),
        _ => place.base_name(),
    };
    if next.num_labels() < FEWEST_LABELS { Step::Lost } else { Step::Up(next) }
}

async fn host_addresses(guide: &Lookup, hosts: BTreeSet<Name>, port: u16) -> BTreeMap<Name, Vec<SocketAddr>> {
    let asked = hosts.into_iter().map(|host| async move {
        match guide.addresses_of(&host).await {
            Ok(records) => {
                let servers = records.addresses.into_iter().map(|address| SocketAddr::new(address, port));
                Some((host, servers.collect()))
            }
            Err(reason) => {
                tracing::debug!(%host, %reason, "the address of an authoritative server is not known");
                None
            }
        }
    });
    let found: Vec<_> = stream::iter(asked).buffered(QUESTIONS_AT_ONCE / 2).collect().await;
    found.into_iter().flatten().collect()
}

/// Returns those of `servers` that answer for the zone with authority. They are tried with one question each, so that
/// servers behind a firewall cost one time limit together and not one per name.
async fn with_authority(guide: &Lookup, apex: &Name, servers: Vec<SocketAddr>, manner: Manner) -> Vec<SocketAddr> {
    let tried = servers.into_iter().map(|server| async move {
        match ask(&guide.seats, (server, manner), apex, RecordType::SOA).await {
            Ok(response) if response.metadata.authoritative => Some(server),
            Ok(response) => {
                let code = response.metadata.response_code;
                tracing::debug!(%server, zone = %apex, %code, "listed as authoritative, but does not answer as such");
                None
            }
            Err(reason) => {
                tracing::debug!(%server, zone = %apex, %reason, "an authoritative server cannot be reached");
                None
            }
        }
    });
    let reachable: Vec<_> = stream::iter(tried).buffered(QUESTIONS_AT_ONCE).collect().await;
    reachable.into_iter().flatten().collect()
}
