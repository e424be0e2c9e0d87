//! The HAProxys in front of a pool, over their runtime API.
//!
//! Belongs here: asking each HAProxy about the servers of a pool, finding them by their addresses in every backend, and
//! asking it to treat one of them differently. Does not belong here: whether a server may be taken out, and waiting until
//! its sessions have ended.
//!
//! [`HaproxyReader`] has no method that changes anything, so a preview can hold it (promise P7); [`HaproxySwitch`] is a
//! reader that can also change. Established sessions are never cut: no command that shuts sessions down is ever sent.

mod identify;
mod right;
mod runtime;
mod socket;
mod tables;

#[cfg(test)]
mod tests;

use crate::identify::{Addresses, Identified, Site, Wanted};
use crate::runtime::{Address, CommandError, Runtime};
use crate::tables::{Forced, Forcing, ServerRow, TableError};
use async_trait::async_trait;
use futures::future::join_all;
use orchestrate_driver::{ChangeBalancer, Clock, ObserveBalancer, PlanNames, Resolve};
use orchestrate_model::balancer::is_name;
use orchestrate_model::observe::{BalancerDoubt, BalancerObservation, BalancerPlace, BalancerState, DnsAsk};
use orchestrate_model::pool::{HaproxyBalancer, HaproxySite};
use orchestrate_model::{ActOutcome, Answer, PoolName, Server, ServerName, text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use thiserror::Error;

/// Why a balancer cannot be used as the plan describes it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HaproxySettingsError {
    /// The address is neither a path nor `host:port`.
    #[error(
        "{} is not an address of a runtime API; give host:port or the absolute path of a socket",
        orchestrate_model::text::quoted(found)
    )]
    Address {
        /// The text.
        found: String,
    },
    /// A name that HAProxy could not have, and that could carry a second command.
    #[error(
        "{} is not a name that HAProxy allows for a {kind}: use letters, digits and . _ : - only",
        orchestrate_model::text::quoted(found)
    )]
    Name {
        /// What was being named.
        kind: &'static str,
        /// The text.
        found: String,
    },
    /// Two servers of the pool with one name in the balancer.
    #[error("{first} and {second} are both called {name} in the balancer; give each its own under names")]
    SameName {
        /// The name in the balancer.
        name: String,
        /// A server with that name.
        first: ServerName,
        /// Another server with that name.
        second: ServerName,
    },
    /// Fewer or more addresses than HAProxys.
    #[error("there are {expected} balancers in the plan, and {found} addresses")]
    Count {
        /// How many balancers the plan names.
        expected: usize,
        /// How many addresses were given.
        found: usize,
    },
}

/// Reads the servers of one pool from its HAProxys.
#[derive(Clone)]
pub struct HaproxyReader {
    pool: PoolName,
    balancer: HaproxyBalancer,
    /// One for each balancer of the plan.
    runtimes: Vec<Runtime>,
    /// The servers with the addresses that the plan states.
    servers: Addresses,
    names: Arc<dyn Resolve>,
    clock: Clock,
}

impl fmt::Debug for HaproxyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sites = self.balancer.sites.iter().map(|site| &site.address);
        f.debug_struct("HaproxyReader").field("sites", &sites.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Reads the servers of one pool from its HAProxys, and changes what these do with them.
#[derive(Debug, Clone)]
pub struct HaproxySwitch {
    reader: HaproxyReader,
}

/// Why the state of the servers could not be read.
#[derive(Debug, Error)]
enum ReadError {
    #[error("{address}, \"{command}\": {source}")]
    Command { address: Address, command: String, source: CommandError },
    #[error("{address}, \"{command}\": {source}")]
    Table { address: Address, command: String, source: TableError },
    #[error("{address}: {reason}")]
    Incomplete { address: Address, reason: String },
}

/// The tables of one balancer, and what does not fit about the balancer itself.
struct Tables {
    rows: Vec<ServerRow>,
    sessions: BTreeMap<(String, String), u64>,
    right: Option<BalancerDoubt>,
}

impl HaproxyReader {
    /// Returns a reader for the servers of a pool after checking every name that goes into a command. Addresses that the
    /// plan does not state are asked for at `names`.
    ///
    /// # Errors
    /// An address or a name cannot be used.
    pub fn new(
        balancer: &HaproxyBalancer,
        (pool, servers): (&PoolName, &[Server]),
        names: Arc<dyn Resolve>,
        clock: Clock,
    ) -> Result<Self, HaproxySettingsError> {
        for (_, backend) in balancer.backends() {
            checked_name("backend", backend)?;
        }
        let mut owners: BTreeMap<&str, &ServerName> = BTreeMap::new();
        for (server, name) in balancer.names.iter().flat_map(|(server, names)| names.iter().map(move |n| (server, n))) {
            checked_name("server", name)?;
            if let Some(first) = owners.insert(name, server).filter(|first| *first != server) {
                let (name, first, second) = (name.clone(), first.clone(), server.clone());
                return Err(HaproxySettingsError::SameName { name, first, second });
            }
        }
        let runtimes = balancer.sites.iter().map(|site| checked_address(site.reached_at()).map(Runtime::new));
        let usual = |server: &Server| server.addresses.iter().map(IpAddr::to_canonical).collect();
        Ok(Self {
            runtimes: runtimes.collect::<Result<_, _>>()?,
            balancer: balancer.clone(),
            pool: pool.clone(),
            servers: servers.iter().map(|server| (server.name.clone(), usual(server))).collect(),
            names,
            clock,
        })
    }

    /// Returns the same reader for balancers whose hosts are looked up at the name servers of the plan, and not at those of the
    /// machine.
    #[must_use]
    pub fn found_by(mut self, names: &PlanNames) -> Self {
        for runtime in &mut self.runtimes {
            runtime.names = Some(names.clone());
        }
        self
    }

    /// Returns the same reader for runtime APIs at other addresses, such as the lab's: one for each balancer of the
    /// plan, or one that stands for all.
    ///
    /// # Errors
    /// An address cannot be used, or there are too few or too many.
    pub fn at(self, addresses: &[String]) -> Result<Self, HaproxySettingsError> {
        let expected = self.runtimes.len();
        let addresses = match addresses {
            [only] => vec![only.as_str(); expected],
            several if several.len() == expected => several.iter().map(String::as_str).collect(),
            several => return Err(HaproxySettingsError::Count { expected, found: several.len() }),
        };
        let runtimes = addresses.into_iter().map(|address| checked_address(address).map(Runtime::new));
        Ok(Self { runtimes: runtimes.collect::<Result<_, _>>()?, ..self })
    }

    async fn tables(&self, site: &HaproxySite, runtime: &Runtime) -> Result<Tables, ReadError> {
        let rows = rows(runtime).await?;
        let command = "show stat";
        let said = asked(runtime, command).await?;
        let sessions = tables::sessions(&said).map_err(|source| unreadable(runtime, command, source))?;
        Ok(Tables { rows, sessions, right: right::doubt(site, runtime).await })
    }

    async fn site(&self, site: &HaproxySite, runtime: &Runtime) -> Result<Identified, ReadError> {
        let tables = self.tables(site, runtime).await?;
        let incomplete = |reason| ReadError::Incomplete { address: runtime.address.clone(), reason };
        let addresses = self.addresses(site, &tables.rows).await.map_err(incomplete)?;
        let wanted = Wanted { balancer: &self.balancer, addresses: &addresses };
        let found = Site { plan: site, rows: &tables.rows, sessions: &tables.sessions };
        let mut identified = wanted.find(&found).map_err(incomplete)?;
        identified.doubts.extend(tables.right);
        Ok(identified)
    }

    /// Returns the addresses of the servers: those of the plan and, where these do not say whose an entry is, those of
    /// DNS. The plan's word on an address comes first.
    async fn addresses(&self, site: &HaproxySite, rows: &[ServerRow]) -> Result<Addresses, String> {
        let planned: BTreeSet<IpAddr> = self.servers.values().flatten().copied().collect();
        let is_stranger = |row: &ServerRow| {
            let stated = self.balancer.names.values().flatten().any(|name| *name == row.slot);
            !stated && row.address.is_some_and(|address| !planned.contains(&address))
        };
        let strangers = rows.iter().any(|row| site.backends.contains(&row.backend) && is_stranger(row));
        let needs = |server: &ServerName| self.servers[server].is_empty() && !self.balancer.names.contains_key(server);
        if !strangers && !self.servers.keys().any(needs) {
            return Ok(self.servers.clone());
        }
        let names: Vec<_> = self.servers.keys().map(ServerName::dns).collect();
        let said = self.names.resolve(&DnsAsk { pool: self.pool.clone(), names, external: Vec::new() }).await;
        let mut addresses = self.servers.clone();
        for (server, own) in &mut addresses {
            let answers = || said.answers.iter().filter(|answer| answer.name == server.dns());
            let known = answers().filter_map(|answer| answer.records.known()).flat_map(|records| &records.addresses);
            let known = known.map(IpAddr::to_canonical).filter(|address| !planned.contains(address));
            own.extend(known.collect::<Vec<_>>());
            let silent = answers().all(|answer| answer.records.known().is_none());
            if own.is_empty() && silent && needs(server) {
                let why = answers().find_map(|answer| answer.records.why_unknown()).unwrap_or("it was not answered");
                return Err(format!(
                    "the plan states no address of {}, and DNS does not either: {why}",
                    server.short()
                ));
            }
        }
        Ok(addresses)
    }

    fn site_of(&self, place: &BalancerPlace) -> Option<&Runtime> {
        let mut sites = self.balancer.sites.iter().zip(&self.runtimes);
        let found = sites.find(|(site, _)| site.address == place.balancer && site.backends.contains(&place.backend));
        found.map(|(_, runtime)| runtime)
    }
}

/// Returns the servers of all backends.
async fn rows(runtime: &Runtime) -> Result<Vec<ServerRow>, ReadError> {
    let command = "show servers state";
    let said = asked(runtime, command).await?;
    tables::servers(&said).map_err(|source| unreadable(runtime, command, source))
}

async fn asked(runtime: &Runtime, command: &str) -> Result<String, ReadError> {
    let failed = |source| ReadError::Command { address: runtime.address.clone(), command: command.to_owned(), source };
    runtime.command(command).await.map_err(failed)
}

fn unreadable(runtime: &Runtime, command: &str, source: TableError) -> ReadError {
    ReadError::Table { address: runtime.address.clone(), command: command.to_owned(), source }
}

#[async_trait]
impl ObserveBalancer for HaproxyReader {
    async fn observe_balancer(&self) -> BalancerObservation {
        let taken = self.clock.now();
        let sites = self.balancer.sites.iter().zip(&self.runtimes);
        let said = join_all(sites.map(|(site, runtime)| self.site(site, runtime))).await;
        let (mut known, mut doubts, mut silent) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let (mut backends, mut slots) = (BTreeSet::new(), BTreeSet::new());
        for site in said {
            match site {
                Err(error) => silent.push(error.to_string()),
                Ok(identified) => {
                    doubts.extend(identified.doubts);
                    backends.extend(identified.backends);
                    slots.extend(identified.slots);
                    for (server, seen) in identified.servers {
                        let whole: &mut orchestrate_model::observe::BalancerServer = known.entry(server).or_default();
                        whole.entries.extend(seen.entries);
                    }
                }
            }
        }
        // One that is silent may have what the others lack.
        if silent.is_empty() {
            doubts.extend(identify::accepted_in_vain(&self.balancer, &backends));
            doubts.extend(identify::named_in_vain(&self.balancer, &slots, &doubts));
        }
        let doubts = doubts.into_iter().collect();
        if silent.is_empty() {
            return BalancerObservation { doubts, ..BalancerObservation::new(taken, Answer::Known(known)) };
        }
        let servers = Answer::unknown(silent.join("; "));
        BalancerObservation { taken, servers, partly: known, doubts }
    }
}

impl HaproxySwitch {
    /// Returns a switch for the servers that `reader` reads.
    #[must_use]
    pub fn new(reader: HaproxyReader) -> Self {
        Self { reader }
    }

    /// Returns how a change ended that would be needless or cannot be made, or `None` when it is to be asked for.
    async fn before(&self, runtime: &Runtime, at: &BalancerPlace, to: BalancerState) -> Option<ActOutcome> {
        let rows = match rows(runtime).await {
            Ok(rows) => rows,
            // Nothing has been asked for yet, so that it did not happen is certain.
            Err(error @ ReadError::Table { .. }) => return Some(ActOutcome::Failed(error.to_string())),
            Err(error) => return Some(ActOutcome::Retry(error.to_string())),
        };
        let Some(row) = row_of(&rows, at) else {
            let reason = format!("{at}: there is no such server any more");
            return Some(ActOutcome::Failed(reason));
        };
        if row.address != at.address {
            let said = |address: Option<IpAddr>| address.map_or_else(|| "none".to_owned(), |one| one.to_string());
            let reason = format!(
                "{at} has another address than when it was looked at: expected {}, found {}; it is left alone",
                said(at.address),
                said(row.address)
            );
            return Some(ActOutcome::Failed(reason));
        }
        match row.forced() {
            Forced::State(state) if state == to => Some(already(at, row, to)),
            // Its weight does what a drain would do. A drain on top of it would be one that nobody had set before.
            Forced::State(BalancerState::Ready) if row.admin() == to => Some(ActOutcome::AlreadySo),
            Forced::State(_) | Forced::Both => None,
        }
    }

    /// Reads back after an answer that never came although the connection was closed in order.
    async fn after_silence(&self, runtime: &Runtime, at: &BalancerPlace, to: BalancerState) -> ActOutcome {
        match rows(runtime).await.map(|rows| row_of(&rows, at).map(ServerRow::forced)) {
            Ok(Some(Forced::State(state))) if state == to => ActOutcome::Accepted,
            Ok(_) => ActOutcome::Unknown(format!("{at}: the connection was closed before an answer came")),
            Err(error) => ActOutcome::Unknown(format!("{at}: no answer came, and reading back failed: {error}")),
        }
    }
}

fn row_of<'a>(rows: &'a [ServerRow], at: &BalancerPlace) -> Option<&'a ServerRow> {
    rows.iter().find(|row| row.backend == at.backend && row.slot == at.slot)
}

/// Says whether a state that needs no command is in force, or is overruled by something that no change of state reaches.
fn already(at: &BalancerPlace, row: &ServerRow, to: BalancerState) -> ActOutcome {
    if row.admin() == to {
        return ActOutcome::AlreadySo;
    }
    match row.forcing() {
        Forcing::Tracked => ActOutcome::Failed(format!(
            "{at} follows a tracked server that is out itself; bring that server back in the balancer"
        )),
        Forcing::Resolution => ActOutcome::Retry(format!("{at} is out because the balancer cannot resolve its name")),
        Forcing::Weight => ActOutcome::Failed(format!(
            "{at} is ready, but its weight is 0, so that it gets nothing new; give it a weight in the balancer (set server \
             {} weight 100%)",
            at.path()
        )),
        Forcing::Nothing => ActOutcome::AlreadySo,
    }
}

#[async_trait]
impl ObserveBalancer for HaproxySwitch {
    async fn observe_balancer(&self) -> BalancerObservation {
        self.reader.observe_balancer().await
    }
}

#[async_trait]
impl ChangeBalancer for HaproxySwitch {
    async fn set_balancer(&self, server: &ServerName, at: &BalancerPlace, to: BalancerState) -> ActOutcome {
        if !self.reader.servers.contains_key(server) {
            return ActOutcome::Failed(format!("{server} is not a server of the pool behind this balancer"));
        }
        let Some(runtime) = self.reader.site_of(at) else {
            return ActOutcome::Failed(format!("{at}: the plan names no such balancer or backend"));
        };
        if !is_name(&at.backend) || !is_name(&at.slot) {
            return ActOutcome::Failed(format!("{at}: this is no name that HAProxy allows"));
        }
        if let Some(outcome) = self.before(runtime, at, to).await {
            return outcome;
        }
        let word = match to {
            BalancerState::Ready => "ready",
            BalancerState::Drain => "drain",
            BalancerState::Maintenance => "maint",
        };
        let command = format!("set server {} state {word}", at.path());
        tracing::debug!(%server, address = %runtime.address, command, "asking the balancer for a change");
        let place = &runtime.address;
        match runtime.command(&command).await {
            Ok(answer) if answer.trim().is_empty() => ActOutcome::Accepted,
            Ok(answer) => ActOutcome::Failed(format!(
                "{place}, \"{command}\": answered {}",
                orchestrate_model::text::quoted(&tables::brief(&answer))
            )),
            Err(CommandError::Closed) => self.after_silence(runtime, at, to).await,
            Err(error @ CommandError::NotSent { .. }) => ActOutcome::Retry(format!("{place}, \"{command}\": {error}")),
            Err(error) => ActOutcome::Unknown(format!("{place}, \"{command}\": {error}")),
        }
    }
}

fn checked_address(text: &str) -> Result<Address, HaproxySettingsError> {
    Address::parse(text).ok_or_else(|| HaproxySettingsError::Address { found: text::name(text) })
}

fn checked_name(kind: &'static str, text: &str) -> Result<(), HaproxySettingsError> {
    let name = || HaproxySettingsError::Name { kind, found: text.to_owned() };
    if is_name(text) { Ok(()) } else { Err(name()) }
}
