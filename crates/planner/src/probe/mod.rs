//! What the facts about one server mean for a maintenance: a row for each thing that a run would need, with what to do
//! where it lacks. Judges and asks nothing.

mod agreed;
mod machine;
mod product;
mod reach;
mod rights;
#[cfg(test)]
mod tests;

pub(crate) use agreed::is_of_server;
pub use agreed::{PoolFacts, agree, pool_rows};

use crate::scope::PoolScope;
use crate::words::time;
use jiff::SignedDuration;
use orchestrate_model::change::Patch;
use orchestrate_model::probe::{Light, Probe, Row, Topic};
use orchestrate_model::{Answer, Pool};

/// What a part that was not asked about says.
const NOT_ASKED: &str = "not asked";

/// What a server is measured by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The pool that it belongs to, where a plan says so.
    pub pool: Option<&'a Pool>,
    /// What is to be installed.
    pub installers: &'a [Patch],
    /// The services that the plan is about on such a server. What a run would refuse for them is then told by what a dry run
    /// finds ([`agree`]), and not judged here.
    pub scope: Option<&'a PoolScope>,
}

/// Returns a row for everything that could be judged, in the order in which rows are shown. What could not be asked
/// because something before it failed has no row: see [`left_out`].
#[must_use]
pub fn rows(probe: &Probe, expected: &Expected<'_>) -> Vec<Row> {
    let mut rows = reach::rows(probe, expected);
    if !matches!(&probe.logon, Some(Answer::Known(_))) {
        return rows;
    }
    rows.push(rights::wmi(probe));
    if let Answer::Known(machine) = &probe.machine {
        rows.extend(rights::rows(machine));
    }
    rows.push(machine::powershell(probe));
    rows.extend(product::rows(probe, expected));
    rows.extend(machine::rows(probe, expected));
    rows.sort_by_key(|row| row.topic);
    rows
}

/// Returns the topics that have no row because something before them failed.
#[must_use]
pub fn left_out(probe: &Probe, rows: &[Row]) -> Vec<Topic> {
    let has = |topic: Topic| rows.iter().any(|row| row.topic == topic);
    let is_let_in = matches!(&probe.logon, Some(Answer::Known(_)));
    let missing = |topic: &Topic| match topic {
        _ if has(*topic) => false,
        Topic::Account | Topic::ServiceControl | Topic::StartTypes | Topic::Tasks | Topic::Restart => true,
        Topic::PendingRestart => true,
        // These have no row where they do not apply.
        Topic::Cmdlets => is_let_in && product::asks_cmdlets(probe),
        Topic::Counters => is_let_in && !probe.seen.sessions.is_empty(),
        Topic::Installer => is_let_in && probe.seen.file.why_unknown() != Some(NOT_ASKED),
        Topic::Logon => probe.logon.is_some(),
        Topic::Tls | Topic::Name | Topic::Listeners | Topic::Transport | Topic::Clock => false,
        // A server has these only where a dry run finds something, and a pool has no others.
        Topic::Lease | Topic::Records | Topic::Balancer | Topic::Pool => false,
        Topic::Wmi | Topic::PowerShell | Topic::Services | Topic::Versions | Topic::Disk | Topic::Quotas => true,
    };
    Topic::ALL.into_iter().filter(missing).collect()
}

/// Returns the worst light of some rows.
#[must_use]
pub fn worst(rows: &[Row]) -> Light {
    rows.iter().map(|row| row.light).max().unwrap_or(Light::Green)
}

/// Whether no script runs on the server. One row says why; those that need scripts say nothing more.
fn is_without_scripts(probe: &Probe) -> bool {
    matches!(&probe.machine, Answer::Unknown(_))
}

fn green(topic: Topic, found: impl Into<String>) -> Row {
    Row { topic, light: Light::Green, found: found.into(), todo: None, code: None }
}

fn yellow(topic: Topic, found: impl Into<String>, todo: impl Into<String>) -> Row {
    Row { topic, light: Light::Yellow, found: found.into(), todo: Some(todo.into()), code: None }
}

fn red(topic: Topic, found: impl Into<String>, todo: impl Into<String>) -> Row {
    Row { topic, light: Light::Red, found: found.into(), todo: Some(todo.into()), code: None }
}

/// Returns how long something is, whichever way it lies.
fn length(length: SignedDuration) -> String {
    time(length.abs())
}

/// Returns a size as people write it, such as `41.3 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.into_iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(name, unit)| format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
    )
}

/// Names that are listed before the rest is counted.
const LISTED: usize = 6;

/// Returns some names, and how many more there are.
fn some(names: &[String]) -> String {
    let listed = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
