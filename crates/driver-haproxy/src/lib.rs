//! An HAProxy in front of a pool, over its runtime API.
//!
//! Belongs here: asking one HAProxy about the servers of one backend, and asking it to treat one of them differently.
//! Does not belong here: whether a server may be taken out, and waiting until its sessions have ended.
//!
//! [`HaproxyReader`] has no method that changes anything, so a preview can hold it (promise P7); [`HaproxySwitch`] is a
//! reader that can also change. Established sessions are never cut: no command that shuts sessions down is ever sent.

mod runtime;
mod tables;

#[cfg(test)]
mod tests;

use crate::runtime::{Address, CommandError, Runtime};
use crate::tables::{Forced, Forcing, ServerRow, TableError};
use async_trait::async_trait;
use orchestrate_driver::{ChangeBalancer, Clock, ObserveBalancer};
use orchestrate_model::observe::{BalancerObservation, BalancerServer, BalancerState};
use orchestrate_model::pool::HaproxyBalancer;
use orchestrate_model::{ActOutcome, Answer, ServerName};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a balancer cannot be used as the plan describes it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HaproxySettingsError {
    /// The address is neither a path nor `host:port`.
    #[error("{found:?} is not an address of a runtime API; give host:port or the absolute path of a socket")]
    Address {
        /// The text.
        found: String,
    },
    /// A name that HAProxy could not have, and that could carry a second command.
    #[error("{found:?} is not a name that HAProxy allows for a {kind}: use letters, digits and . _ : - only")]
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
}

/// Reads the servers of one pool from one HAProxy.
#[derive(Debug, Clone)]
pub struct HaproxyReader {
    runtime: Runtime,
    backend: String,
    names: BTreeMap<ServerName, String>,
    clock: Clock,
}

/// Reads the servers of one pool from one HAProxy, and changes what it does with them.
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
    #[error("{address}: the statistics have no sessions of {server}, although the backend has the server")]
    NoSessions { address: Address, server: String },
}

impl HaproxyReader {
    /// Returns a reader for the servers of a pool after checking every name that goes into a command.
    ///
    /// # Errors
    /// The address or a name cannot be used.
    pub fn new<'a>(
        balancer: &HaproxyBalancer,
        servers: impl IntoIterator<Item = &'a ServerName>,
        clock: Clock,
    ) -> Result<Self, HaproxySettingsError> {
        let backend = checked_name("backend", &balancer.backend)?;
        let mut names = BTreeMap::new();
        let mut owners: BTreeMap<String, ServerName> = BTreeMap::new();
        for server in servers {
            let name = checked_name("server", balancer.name_of(server))?;
            match owners.insert(name.clone(), server.clone()) {
                Some(first) if first != *server => {
                    return Err(HaproxySettingsError::SameName { name, first, second: server.clone() });
                }
                Some(_) | None => names.insert(server.clone(), name),
            };
        }
        Ok(Self { runtime: Runtime::new(checked_address(&balancer.address)?), backend, names, clock })
    }

    /// Returns the same reader for a runtime API at another address, such as the lab's.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn at(self, address: &str) -> Result<Self, HaproxySettingsError> {
        Ok(Self { runtime: Runtime::new(checked_address(address)?), ..self })
    }

    /// Returns the servers of the backend by the balancer's names.
    async fn rows(&self) -> Result<BTreeMap<String, ServerRow>, ReadError> {
        let command = format!("show servers state {}", self.backend);
        let text = self.command(&command).await?;
        tables::servers(&text, &self.backend).map_err(|source| self.unreadable(command, source))
    }

    async fn sessions(&self) -> Result<BTreeMap<String, u64>, ReadError> {
        let command = "show stat".to_owned();
        let text = self.command(&command).await?;
        tables::sessions(&text, &self.backend).map_err(|source| self.unreadable(command, source))
    }

    async fn command(&self, command: &str) -> Result<String, ReadError> {
        self.runtime.command(command).await.map_err(|source| ReadError::Command {
            address: self.runtime.address.clone(),
            command: command.to_owned(),
            source,
        })
    }

    fn unreadable(&self, command: String, source: TableError) -> ReadError {
        ReadError::Table { address: self.runtime.address.clone(), command, source }
    }

    async fn read(&self) -> Result<BTreeMap<ServerName, BalancerServer>, ReadError> {
        let rows = self.rows().await?;
        let sessions = self.sessions().await?;
        let mut servers = BTreeMap::new();
        for (server, name) in &self.names {
            let Some(row) = rows.get(name) else { continue };
            let Some(sessions) = sessions.get(name) else {
                let address = self.runtime.address.clone();
                return Err(ReadError::NoSessions { address, server: name.clone() });
            };
            let seen = BalancerServer { admin: row.admin(), up: row.is_up(), sessions: *sessions };
            servers.insert(server.clone(), seen);
        }
        Ok(servers)
    }
}

#[async_trait]
impl ObserveBalancer for HaproxyReader {
    async fn observe_balancer(&self) -> BalancerObservation {
        let taken = self.clock.now();
        BalancerObservation { taken, servers: Answer::from(self.read().await) }
    }
}

impl HaproxySwitch {
    /// Returns a switch for the servers that `reader` reads.
    #[must_use]
    pub fn new(reader: HaproxyReader) -> Self {
        Self { reader }
    }

    /// Returns how a change ended that would be needless or cannot be made, or `None` when it is to be asked for.
    async fn before(&self, name: &str, to: BalancerState) -> Option<ActOutcome> {
        let backend = &self.reader.backend;
        let row = match self.reader.rows().await {
            Ok(rows) => rows.get(name).copied(),
            // Nothing has been asked for yet, so that it did not happen is certain.
            Err(error @ ReadError::Table { .. }) => return Some(ActOutcome::Failed(error.to_string())),
            Err(error) => return Some(ActOutcome::Retry(error.to_string())),
        };
        let Some(row) = row else {
            let reason = format!("the backend {backend} has no server {name}; check names in the plan");
            return Some(ActOutcome::Failed(reason));
        };
        match row.forced() {
            Forced::State(state) if state == to => Some(self.already(name, row, to)),
            // Its weight does what a drain would do. A drain on top of it would be one that nobody had set before.
            Forced::State(BalancerState::Ready) if row.admin() == to => Some(ActOutcome::AlreadySo),
            Forced::State(_) | Forced::Both => None,
        }
    }

    /// Says whether a state that needs no command is in force, or is overruled by something that no change of state
    /// reaches.
    fn already(&self, name: &str, row: ServerRow, to: BalancerState) -> ActOutcome {
        if row.admin() == to {
            return ActOutcome::AlreadySo;
        }
        match row.forcing() {
            Forcing::Tracked => ActOutcome::Failed(format!(
                "{name} follows a tracked server that is out itself; bring that server back in the balancer"
            )),
            Forcing::Resolution => {
                ActOutcome::Retry(format!("{name} is out because the balancer cannot resolve its name"))
            }
            Forcing::Weight => ActOutcome::Failed(format!(
                "{name} is ready, but its weight is 0, so that it gets nothing new; give it a weight in the balancer \
                 (set server {}/{name} weight 100%)",
                self.reader.backend
            )),
            Forcing::Nothing => ActOutcome::AlreadySo,
        }
    }

    /// Reads back after an answer that never came although the connection was closed in order.
    async fn after_silence(&self, name: &str, to: BalancerState) -> ActOutcome {
        match self.reader.rows().await.map(|rows| rows.get(name).map(ServerRow::forced)) {
            Ok(Some(Forced::State(state))) if state == to => ActOutcome::Accepted,
            Ok(_) => ActOutcome::Unknown(format!("{name}: the connection was closed before an answer came")),
            Err(error) => ActOutcome::Unknown(format!("{name}: no answer came, and reading back failed: {error}")),
        }
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
    async fn set_balancer(&self, server: &ServerName, to: BalancerState) -> ActOutcome {
        let Some(name) = self.reader.names.get(server) else {
            return ActOutcome::Failed(format!("{server} is not a server of the pool behind this balancer"));
        };
        if let Some(outcome) = self.before(name, to).await {
            return outcome;
        }
        let word = match to {
            BalancerState::Ready => "ready",
            BalancerState::Drain => "drain",
            BalancerState::Maintenance => "maint",
        };
        let command = format!("set server {}/{name} state {word}", self.reader.backend);
        tracing::debug!(%server, address = %self.reader.runtime.address, command, "asking the balancer for a change");
        let place = &self.reader.runtime.address;
        match self.reader.runtime.command(&command).await {
            Ok(answer) if answer.trim().is_empty() => ActOutcome::Accepted,
            Ok(answer) => ActOutcome::Failed(format!("{place}, \"{command}\": answered {:?}", tables::brief(&answer))),
            Err(CommandError::Closed) => self.after_silence(name, to).await,
            Err(error @ CommandError::NotSent { .. }) => ActOutcome::Retry(format!("{place}, \"{command}\": {error}")),
            Err(error) => ActOutcome::Unknown(format!("{place}, \"{command}\": {error}")),
        }
    }
}

fn checked_address(text: &str) -> Result<Address, HaproxySettingsError> {
    Address::parse(text).ok_or_else(|| HaproxySettingsError::Address { found: text.to_owned() })
}

/// Lets through exactly what HAProxy allows in a name. A line break or `;` would begin another command.
fn checked_name(kind: &'static str, text: &str) -> Result<String, HaproxySettingsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if text.is_empty() || !text.chars().all(allowed) {
        return Err(HaproxySettingsError::Name { kind, found: text.to_owned() });
    }
    Ok(text.to_owned())
}
