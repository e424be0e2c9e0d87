//! The two tables of the runtime API. Pure: text in, rows out. Columns are found by their names, never by place.

use orchestrate_model::observe::BalancerState;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why an answer is not the table that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TableError {
    /// The answer is something else, such as a message of the balancer.
    #[error("the balancer answered {found:?}")]
    NotATable { found: String },
    /// A column that the table must have.
    #[error("the table has no column {column:?}")]
    NoColumn { column: &'static str },
    /// A value that is not what the column holds.
    #[error("{server}: {column} should be a number, found {found:?}")]
    Value { server: String, column: &'static str, found: String },
    /// Two rows of one server.
    #[error("the backend lists {server} twice")]
    Twice { server: String },
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerRow {
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

    /// Returns whether the balancer holds the server for able to take traffic. A server in maintenance is not checked
    /// and so is never up.
    pub(crate) fn is_up(&self) -> bool {
        UP.contains(&self.operation)
    }

    fn has(&self, flags: u32) -> bool {
        self.admin & flags != 0
    }
}

/// Returns the servers of `backend` from `show servers state`.
pub(crate) fn servers(text: &str, backend: &str) -> Result<BTreeMap<String, ServerRow>, TableError> {
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
    let weight = place("srv_uweight")?;
    let mut rows = BTreeMap::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let values: Vec<&str> = line.split_whitespace().collect();
        let value = |place: usize| values.get(place).copied().unwrap_or_default();
        if value(in_backend) != backend {
            continue;
        }
        let server = value(named).to_owned();
        let row = ServerRow {
            operation: number(&server, "srv_op_state", value(operation))?,
            admin: number(&server, "srv_admin_state", value(admin))?,
            weight: number(&server, "srv_uweight", value(weight))?,
        };
        if rows.insert(server.clone(), row).is_some() {
            return Err(TableError::Twice { server });
        }
    }
    Ok(rows)
}

/// Returns the sessions open to each server of `backend` from `show stat`.
pub(crate) fn sessions(text: &str, backend: &str) -> Result<BTreeMap<String, u64>, TableError> {
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
        let server = value(named);
        // The backend's and the frontends' own totals stand between the servers.
        if value(in_backend) != backend || matches!(server, "BACKEND" | "FRONTEND") {
            continue;
        }
        let open = number(server, "scur", value(current))?;
        if sessions.insert(server.to_owned(), open).is_some() {
            return Err(TableError::Twice { server: server.to_owned() });
        }
    }
    Ok(sessions)
}

/// Returns the first line of an answer, cut to a length that fits into a message.
pub(crate) fn brief(answer: &str) -> String {
    answer.trim().lines().next().unwrap_or_default().chars().take(200).collect()
}

fn number<N: std::str::FromStr>(server: &str, column: &'static str, found: &str) -> Result<N, TableError> {
    let value = found.parse::<N>();
    value.map_err(|_not_a_number| TableError::Value { server: server.to_owned(), column, found: found.to_owned() })
}
