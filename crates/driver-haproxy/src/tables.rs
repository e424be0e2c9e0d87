//! The two tables of the runtime API. Pure: text in, rows out. Columns are found by their names, never by place, and
//! what a message repeats of them is bounded.

use orchestrate_model::balancer::{KeptOut, is_name};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::text;
use std::collections::BTreeMap;
use std::net::IpAddr;
use thiserror::Error;

/// Why an answer is not the table that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TableError {
    /// The answer is something else, such as a message of the balancer.
    #[error("the balancer answered {}", text::quoted(found))]
    NotATable { found: String },
    /// A column that the table must have.
    #[error("the table has no column \"{column}\"")]
    NoColumn { column: &'static str },
    /// A value that is not what the column holds: a number, a name.
    #[error("{server}: {column} cannot be {}", text::quoted(found))]
    Value { server: String, column: &'static str, found: String },
    /// Two rows of one server.
    #[error("{backend} lists {server} twice")]
    Twice { backend: String, server: String },
}

/// The flags of `srv_admin_state`. The flag for "out by the configuration file" (4) is left out on purpose: it is a
/// memory that stays set when the server has been made ready.
mod admin {
    /// Maintenance that was asked for.
    pub(super) const FORCED_MAINT: u32 = 0x01;
    /// Maintenance of a server that is tracked.
    pub(super) const INHERITED_MAINT: u32 = 0x02;
    /// Drain that was asked for.
    pub(super) const FORCED_DRAIN: u32 = 0x08;
    /// Drain of a server that is tracked.
    pub(super) const INHERITED_DRAIN: u32 = 0x10;
    /// Maintenance because the server's name cannot be resolved (0x20), or because it was changed to a name that has
    /// not been resolved yet (0x40).
    pub(super) const UNRESOLVED: u32 = 0x20 | 0x40;
}

/// Operational states in which a server takes traffic: starting slowly (1) and running (2). Stopped is 0; a server that
/// is asking to be left alone is 3.
const UP: [u32; 2] = [1, 2];

/// One server of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerRow {
    pub(crate) backend: String,
    /// The balancer's name of it.
    pub(crate) slot: String,
    /// Where traffic goes. `None`: to a socket, nowhere yet, or to wherever the client wanted (0.0.0.0).
    pub(crate) address: Option<IpAddr>,
    /// The name that the address was looked up by, where it was.
    pub(crate) fqdn: Option<String>,
    operation: u32,
    admin: u32,
    /// The weight that the configuration, a command or an agent has set. At 0 the server gets nothing new, whatever
    /// its state.
    weight: u32,
}

/// The state that commands have set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forced {
    /// One state.
    State(BalancerState),
    /// Maintenance and drain at once, as a state file can leave behind.
    Both,
}

/// What besides commands keeps a server out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forcing {
    /// Nothing does.
    Nothing,
    /// The server it tracks.
    Tracked,
    /// Its name, which does not resolve.
    Resolution,
    /// Its weight, which is 0.
    Weight,
}

impl ServerRow {
    /// Returns what the balancer does with the server, for whatever reason.
    pub(crate) fn admin(&self) -> BalancerState {
        if self.has(admin::FORCED_MAINT | admin::INHERITED_MAINT | admin::UNRESOLVED) {
            BalancerState::Maintenance
        } else if self.has(admin::FORCED_DRAIN | admin::INHERITED_DRAIN) || self.weight == 0 {
            BalancerState::Drain
        } else {
            BalancerState::Ready
        }
    }

    /// Returns the state that was set by command, which is the one a command can change.
    pub(crate) fn forced(&self) -> Forced {
        match (self.has(admin::FORCED_MAINT), self.has(admin::FORCED_DRAIN)) {
            (false, false) => Forced::State(BalancerState::Ready),
            (false, true) => Forced::State(BalancerState::Drain),
            (true, false) => Forced::State(BalancerState::Maintenance),
            (true, true) => Forced::Both,
        }
    }

    /// Returns what keeps the server out that no command changes.
    pub(crate) fn forcing(&self) -> Forcing {
        if self.has(admin::INHERITED_MAINT | admin::INHERITED_DRAIN) {
            Forcing::Tracked
        } else if self.has(admin::UNRESOLVED) {
            Forcing::Resolution
        } else if self.weight == 0 {
            Forcing::Weight
        } else {
            Forcing::Nothing
        }
    }

    /// Returns what keeps the server out that no command changes, as it is told.
    pub(crate) fn kept_out(&self) -> Option<KeptOut> {
        // A state that was set by command comes first: it is that which keeps it out.
        if self.forced() != Forced::State(BalancerState::Ready) {
            return None;
        }
        match self.forcing() {
            Forcing::Nothing => None,
            Forcing::Tracked => Some(KeptOut::Tracked),
            Forcing::Resolution => Some(KeptOut::Resolution),
            Forcing::Weight => Some(KeptOut::Weight),
        }
    }

    /// Returns whether the balancer holds the server for able to take traffic. A server in maintenance is not checked
    /// and so is never up.
    pub(crate) fn is_up(&self) -> bool {
        UP.contains(&self.operation)
    }

    fn has(&self, flags: u32) -> bool {
        self.admin & flags != 0
    }
}

/// Returns the servers of every backend from `show servers state`.
pub(crate) fn servers(text: &str) -> Result<Vec<ServerRow>, TableError> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // The first line is the version of the format. In every version columns are named by the line that follows.
    let version = lines.next().unwrap_or_default();
    let header = lines.next().unwrap_or_default();
    let (Ok(_), Some(header)) = (version.parse::<u32>(), header.strip_prefix('#')) else {
        return Err(TableError::NotATable { found: brief(text) });
    };
    let columns: Vec<&str> = header.split_whitespace().collect();
    let place =
        |column: &'static str| columns.iter().position(|name| *name == column).ok_or(TableError::NoColumn { column });
    let (in_backend, named) = (place("be_name")?, place("srv_name")?);
    let (operation, admin) = (place("srv_op_state")?, place("srv_admin_state")?);
    let (address, weight) = (place("srv_addr")?, place("srv_uweight")?);
    let fqdn = columns.iter().position(|name| *name == "srv_fqdn");
    let mut rows = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let values: Vec<&str> = line.split_whitespace().collect();
        let value = |place: usize| values.get(place).copied().unwrap_or_default();
        let (backend, server) = (value(in_backend), value(named));
        // What HAProxy has for itself cannot be named in a plan.
        if !is_name(backend) {
            continue;
        }
        if !is_name(server) {
            return Err(TableError::Value {
                server: text::name(backend),
                column: "srv_name",
                found: text::name(server),
            });
        }
        rows.push(ServerRow {
            backend: backend.to_owned(),
            slot: server.to_owned(),
            address: address_of(value(address)),
            fqdn: fqdn.map(value).filter(|name| !matches!(*name, "" | "-")).map(str::to_owned),
            operation: number(server, "srv_op_state", value(operation))?,
            admin: number(server, "srv_admin_state", value(admin))?,
            weight: number(server, "srv_uweight", value(weight))?,
        });
    }
    let mut names: Vec<(&str, &str)> = rows.iter().map(|row| (row.backend.as_str(), row.slot.as_str())).collect();
    names.sort_unstable();
    if let Some([(backend, server), ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(TableError::Twice { backend: text::name(backend), server: text::name(server) });
    }
    Ok(rows)
}

/// Returns an address in its usual form. One that stands for none is none.
fn address_of(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    (!address.is_unspecified()).then_some(address)
}

/// Returns the sessions open to each server, by backend and name, from `show stat`.
pub(crate) fn sessions(text: &str) -> Result<BTreeMap<(String, String), u64>, TableError> {
    let Some(table) = text.trim_start().strip_prefix("# pxname,") else {
        return Err(TableError::NotATable { found: brief(text) });
    };
    let table = format!("pxname,{table}");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
    let not_a_table = |error: csv::Error| TableError::NotATable { found: brief(&error.to_string()) };
    let header = reader.headers().map_err(not_a_table)?.clone();
    let place =
        |column: &'static str| header.iter().position(|name| name == column).ok_or(TableError::NoColumn { column });
    let (in_backend, named, current) = (place("pxname")?, place("svname")?, place("scur")?);
    let mut sessions = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(not_a_table)?;
        let value = |place: usize| record.get(place).unwrap_or_default();
        let (backend, server) = (value(in_backend), value(named));
        // The backend's and the frontends' own totals stand between the servers.
        if matches!(server, "BACKEND" | "FRONTEND") {
            continue;
        }
        // What listens has a row too, and need not count anything.
        let open = match value(current) {
            "" => continue,
            current => number(server, "scur", current)?,
        };
        if sessions.insert((backend.to_owned(), server.to_owned()), open).is_some() {
            return Err(TableError::Twice { backend: text::name(backend), server: text::name(server) });
        }
    }
    Ok(sessions)
}

/// Returns the first line of an answer, cut to a length that fits into a message.
pub(crate) fn brief(answer: &str) -> String {
    text::bounded(answer.trim().lines().next().unwrap_or_default(), 200)
}

fn number<N: std::str::FromStr>(server: &str, column: &'static str, found: &str) -> Result<N, TableError> {
    let wrong = |_not_a_number| TableError::Value { server: text::name(server), column, found: text::name(found) };
    found.parse::<N>().map_err(wrong)
}
