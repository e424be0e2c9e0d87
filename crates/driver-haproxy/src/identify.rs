//! Which entry of a balancer is which server of the plan. Pure: rows in, entries and doubts out.
//!
//! A server is found by its address. A name that says something else than the address is a contradiction, and then
//! neither server may be taken out: whichever of the two is wrong, the wrong one would go.

use crate::tables::ServerRow;
use orchestrate_model::observe::{BalancerDoubt, BalancerEntry, BalancerPlace, BalancerServer, DoubtKind};
use orchestrate_model::pool::{HaproxyBalancer, HaproxySite, SlotNames};
use orchestrate_model::{ServerName, text};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Most names that a message lists.
const MOST_LISTED: usize = 8;

/// The addresses of each server, as far as they are known.
pub(crate) type Addresses = BTreeMap<ServerName, BTreeSet<IpAddr>>;

/// What one balancer has.
pub(crate) struct Site<'a> {
    pub(crate) plan: &'a HaproxySite,
    pub(crate) rows: &'a [ServerRow],
    pub(crate) sessions: &'a BTreeMap<(String, String), u64>,
}

/// What one balancer has, in the words of the plan.
#[derive(Debug, Default)]
pub(crate) struct Identified {
    pub(crate) servers: BTreeMap<ServerName, BalancerServer>,
    pub(crate) doubts: Vec<BalancerDoubt>,
    /// Every backend with servers, whosever they are.
    pub(crate) backends: BTreeSet<String>,
    /// The names of the entries of the backends that the plan names.
    pub(crate) slots: BTreeSet<String>,
}

/// Whose an entry is.
enum Owner<'a> {
    Nobody,
    Server(&'a ServerName),
    /// By the plan's word alone.
    Stated(&'a ServerName),
    /// By its name it is the first one's, by its address the other's, if any is.
    Contradiction(&'a ServerName, Option<&'a ServerName>),
}

/// The plan's side of the comparison.
pub(crate) struct Wanted<'a> {
    pub(crate) balancer: &'a HaproxyBalancer,
    pub(crate) addresses: &'a Addresses,
}

impl<'a> Wanted<'a> {
    /// Returns every server with its entries in one balancer, and what does not fit.
    ///
    /// # Errors
    /// The statistics lack a server that the backend has.
    pub(crate) fn find(&self, site: &Site<'_>) -> Result<Identified, String> {
        let backends = site.rows.iter().map(|row| row.backend.clone()).collect();
        let named = site.rows.iter().filter(|row| site.plan.backends.contains(&row.backend));
        let slots = named.map(|row| row.slot.clone()).collect();
        let mut found = Identified { backends, slots, ..Identified::default() };
        for backend in &site.plan.backends {
            self.backend(site, backend, &mut found)?;
        }
        self.elsewhere(site, &mut found);
        for server in self.addresses.keys() {
            let there = found.servers.contains_key(server);
            if !there && found.doubts.iter().all(|doubt| doubt.server.as_ref().is_some_and(|whose| whose != server)) {
                found.doubts.push(self.missing(site, &site.plan.backends, server));
            }
        }
        Ok(found)
    }

    fn backend(&self, site: &Site<'_>, backend: &str, found: &mut Identified) -> Result<(), String> {
        let rows: Vec<&ServerRow> = site.rows.iter().filter(|row| row.backend == backend).collect();
        if rows.is_empty() {
            found.doubts.push(no_backend(site, backend));
            return Ok(());
        }
        let (mut here, mut strangers) = (BTreeSet::new(), false);
        for row in rows {
            let place = place(site.plan, row);
            let server = match self.owner(row) {
                Owner::Nobody => {
                    strangers = true;
                    continue;
                }
                Owner::Contradiction(named, owner) => {
                    here.extend(std::iter::once(named).chain(owner));
                    found.doubts.extend(self.contradiction(&place, row, named, owner));
                    continue;
                }
                Owner::Server(server) => server,
                Owner::Stated(server) => {
                    found.doubts.push(self.stated(&place, server));
                    server
                }
            };
            here.insert(server);
            let key = (row.backend.clone(), row.slot.clone());
            let Some(sessions) = site.sessions.get(&key) else {
                return Err(format!("the statistics have no sessions of {place}, although the backend has the server"));
            };
            let entry =
                BalancerEntry { admin: row.admin(), up: row.is_up(), sessions: *sessions, kept_out: row.kept_out() };
            found.servers.entry(server.clone()).or_default().entries.insert(place, entry);
        }
        // Where every entry is somebody's, a server that has none is not there and needs none. Where one is nobody's, it
        // may be the one that is missing, under an address that the plan does not know.
        if strangers {
            let missing = self.addresses.keys().filter(|server| !here.contains(server));
            found.doubts.extend(missing.map(|server| self.missing(site, &[backend.to_owned()], server)));
        }
        Ok(())
    }

    /// Says which backends that the plan does not name send traffic to servers of the pool.
    fn elsewhere(&self, site: &Site<'_>, found: &mut Identified) {
        let mut others: BTreeMap<&str, Vec<(&ServerName, &ServerRow)>> = BTreeMap::new();
        for row in site.rows.iter().filter(|row| !site.plan.backends.contains(&row.backend)) {
            let owner = row.address.and_then(|address| self.at_address(address));
            if let Some(server) = owner {
                others.entry(&row.backend).or_default().push((server, row));
            }
        }
        for (backend, rows) in others {
            let servers: BTreeSet<&str> = rows.iter().map(|(server, _)| server.short()).collect();
            let servers = listed(servers.into_iter());
            let (backend, at) = (text::name(backend), &site.plan.address);
            let (kind, text) = match self.balancer.accept_backends.get(&backend) {
                Some(words) => {
                    let text = format!(
                        "the backend {backend} at {at} goes on sending traffic to {servers}, as the plan accepts: {words}"
                    );
                    (DoubtKind::Accepted, text)
                }
                None => {
                    let text = format!(
                        "the backend {backend} at {at} sends traffic to {servers} too, and the plan does not name it: its \
                         servers would not be taken out there"
                    );
                    (DoubtKind::Unnamed, text)
                }
            };
            found.doubts.push(BalancerDoubt { server: None, kind, text });
        }
    }

    fn owner(&self, row: &ServerRow) -> Owner<'a> {
        let holder = row.address.and_then(|address| self.at_address(address));
        let stated = |(server, names): (&'a ServerName, &'a Vec<String>)| names.contains(&row.slot).then_some(server);
        if let Some(server) = self.balancer.names.iter().find_map(stated) {
            return match holder {
                Some(holder) if holder == server => Owner::Server(server),
                Some(holder) => Owner::Contradiction(server, Some(holder)),
                None => Owner::Stated(server),
            };
        }
        // Where names say nothing, where the plan states others, or where the address is that of one so called, the name
        // contradicts nothing.
        let is_named = |server: &&ServerName| {
            let names = [server.short(), server.as_str()];
            let usual = self.balancer.slots == SlotNames::ByName && !self.balancer.names.contains_key(server);
            usual && names.iter().any(|name| name.eq_ignore_ascii_case(&row.slot))
        };
        let by_name = holder.filter(is_named).or_else(|| self.addresses.keys().find(is_named));
        let looked_up = |server: &ServerName| row.fqdn.as_deref().is_some_and(|fqdn| is_fqdn(server, fqdn));
        match (by_name, holder) {
            (Some(server), Some(holder)) if server == holder => Owner::Server(server),
            (None, Some(holder)) => Owner::Server(holder),
            (Some(server), holder) if holder.is_some() || row.address.is_some() => Owner::Contradiction(server, holder),
            // Without an address it is sent nothing; the name that is looked up says whose it will be.
            (Some(server), _) if looked_up(server) => Owner::Server(server),
            (Some(_) | None, _) => Owner::Nobody,
        }
    }

    /// Returns the one server that has an address. An address that two are said to have is nobody's.
    fn at_address(&self, address: IpAddr) -> Option<&'a ServerName> {
        let mut holders = self.addresses.iter().filter(|(_, addresses)| addresses.contains(&address));
        match (holders.next(), holders.next()) {
            (Some((server, _)), None) => Some(server),
            (Some(_) | None, _) => None,
        }
    }

    fn expected(&self, server: &ServerName) -> String {
        match self.addresses.get(server) {
            Some(addresses) if !addresses.is_empty() => listed(addresses.iter().map(ToString::to_string)),
            Some(_) | None => "an address that neither the plan nor DNS has".to_owned(),
        }
    }

    fn contradiction(
        &self,
        place: &BalancerPlace,
        row: &ServerRow,
        named: &ServerName,
        owner: Option<&ServerName>,
    ) -> Vec<BalancerDoubt> {
        let found = row.address.map_or_else(|| "none".to_owned(), |address| address.to_string());
        let whose = match owner {
            Some(owner) => format!("which is {}'s", owner.short()),
            None => "which is no server's of the plan".to_owned(),
        };
        let text = format!(
            "{place} is called like {} but has another address: expected {}, found {found}, {whose}",
            named.short(),
            self.expected(named)
        );
        let concerned = std::iter::once(named).chain(owner);
        let doubt = |server: &ServerName| BalancerDoubt {
            server: Some(server.clone()),
            kind: DoubtKind::OtherAddress,
            text: text.clone(),
        };
        concerned.map(doubt).collect()
    }

    fn stated(&self, place: &BalancerPlace, server: &ServerName) -> BalancerDoubt {
        let found = place.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
        let text = format!(
            "{place} has {found}, not {}; it is taken for {} because the plan says so (names)",
            self.expected(server),
            server.short()
        );
        BalancerDoubt { server: Some(server.clone()), kind: DoubtKind::ByNameAlone, text }
    }

    fn missing(&self, site: &Site<'_>, backends: &[String], server: &ServerName) -> BalancerDoubt {
        let rows = || site.rows.iter().filter(|row| backends.contains(&row.backend));
        let there = rows().map(|row| {
            let address = row.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
            format!("{}/{} ({address})", text::name(&row.backend), text::name(&row.slot))
        });
        let names = self.balancer.names_of(server);
        let near = rows().find(|row| names.iter().any(|name| is_near(name, &row.slot)));
        let near = match near {
            Some(row) => format!("; is {} meant?", text::name(&row.slot)),
            None => String::new(),
        };
        let text = format!(
            "{} at {} does not have {} ({}); there are {}{near}",
            listed(backends.iter()),
            site.plan.address,
            server.short(),
            self.expected(server),
            listed(there)
        );
        BalancerDoubt { server: Some(server.clone()), kind: DoubtKind::NotThere, text }
    }
}

fn no_backend(site: &Site<'_>, backend: &str) -> BalancerDoubt {
    let names: BTreeSet<&str> = site.rows.iter().map(|row| row.backend.as_str()).collect();
    let at = &site.plan.address;
    let text = format!("{at} has no backend {backend} with servers; there are {}", there(backend, &names));
    BalancerDoubt { server: None, kind: DoubtKind::NotThere, text }
}

/// Says which backends that may be left alone no balancer has: a mistyped name would leave alone nothing, and the one that
/// was meant would be refused without a word about it.
pub(crate) fn accepted_in_vain(balancer: &HaproxyBalancer, backends: &BTreeSet<String>) -> Vec<BalancerDoubt> {
    let names: BTreeSet<&str> = backends.iter().map(String::as_str).collect();
    let is_there = |name: &str| names.iter().any(|there| text::name(there) == name);
    let doubt = |name: &String| {
        let text = format!(
            "accept_backends names {}, which no balancer of the plan has with servers; there are {}",
            text::name(name),
            there(name, &names)
        );
        BalancerDoubt { server: None, kind: DoubtKind::NotThere, text }
    };
    balancer.accept_backends.keys().filter(|name| !is_there(name)).map(doubt).collect()
}

/// Says which names of servers no balancer has: an entry whose name is mistyped would go on sending traffic to a server that is
/// out. Of a server that is not there at all that is said already.
pub(crate) fn named_in_vain(
    balancer: &HaproxyBalancer,
    slots: &BTreeSet<String>,
    said: &BTreeSet<BalancerDoubt>,
) -> Vec<BalancerDoubt> {
    let there_are: BTreeSet<&str> = slots.iter().map(String::as_str).collect();
    let is_missing = |server: &ServerName| {
        said.iter().any(|doubt| doubt.kind == DoubtKind::NotThere && doubt.server.as_ref() == Some(server))
    };
    let doubt = |(server, name): (&ServerName, &String)| BalancerDoubt {
        server: Some(server.clone()),
        kind: DoubtKind::NotThere,
        text: format!(
            "names says that {} is called {}, and no backend of the plan has a server of that name; there are {}",
            server.short(),
            text::name(name),
            there(name, &there_are)
        ),
    };
    let stated = balancer.names.iter().flat_map(|(server, names)| names.iter().map(move |name| (server, name)));
    stated.filter(|(server, name)| !slots.contains(*name) && !is_missing(server)).map(doubt).collect()
}

/// Returns the names that there are, with the one that may be meant.
fn there(wanted: &str, names: &BTreeSet<&str>) -> String {
    let near = match names.iter().find(|name| is_near(wanted, name)) {
        Some(near) => format!("; is {} meant?", text::name(near)),
        None => String::new(),
    };
    format!("{}{near}", listed(names.iter().map(|name| text::name(name))))
}

pub(crate) fn place(site: &HaproxySite, row: &ServerRow) -> BalancerPlace {
    BalancerPlace {
        balancer: site.address.clone(),
        backend: row.backend.clone(),
        slot: row.slot.clone(),
        address: row.address,
    }
}

fn is_fqdn(server: &ServerName, fqdn: &str) -> bool {
    fqdn.trim_end_matches('.').eq_ignore_ascii_case(server.as_str())
}

/// Whether two names are so alike that one may be meant for the other.
fn is_near(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        let kept = name.chars().take(text::LONGEST_NAME).filter(char::is_ascii_alphanumeric);
        kept.map(|c| c.to_ascii_lowercase()).collect()
    };
    let (one, other) = (plain(one), plain(other));
    one == other || strsim::jaro_winkler(&one, &other) > 0.9
}

/// Returns the first of some names in words, and how many more there are.
fn listed<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let all: Vec<String> = items.map(|item| item.to_string()).collect();
    if all.is_empty() {
        return "none".to_owned();
    }
    let rest = all.len().saturating_sub(MOST_LISTED);
    let shown = all.iter().take(MOST_LISTED).cloned().collect::<Vec<_>>().join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}
