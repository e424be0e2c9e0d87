//! The lab as a process of its own: started detached, found again by its directory file, ended with the run.

mod known;
mod process;
mod start;

pub(crate) use known::{About, about, all, of_change};
pub(crate) use process::{Serving, foreground, scenario, serve};
pub(crate) use start::{Given, InUse, Wanted, attach, ensure, find, rejoin, scenario_path};

use crate::failure::Failure;
use crate::home::Home;
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_lab::{LabDirectory, Scenario};
use orchestrate_model::Change;
use orchestrate_planner::Plan;
use orchestrate_planner::windows::Calendar;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Returns the name under which the lab of a change is found again: its servers are the same, whenever the work may be done.
pub(crate) fn key(change: &Change) -> String {
    let (windows, freezes) = (Vec::new(), Vec::new());
    let change = Change { windows, freezes, emergency: None, ..change.whole() };
    let body = serde_json::to_vec(&change).expect("a change serialises");
    hexadecimal(&body)
}

fn hexadecimal(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns where the directory file of a lab belongs.
pub(crate) fn path_of(home: &Home, lab: &LabDirectory) -> PathBuf {
    home.labs().join(format!("{}.json", lab.plan))
}

/// Returns where the directory file of a change's lab is.
pub(crate) fn directory_path(home: &Home, change: &Change) -> PathBuf {
    home.labs().join(format!("{}.json", key(change)))
}

/// Returns what a scenario file is recognised by.
pub(crate) fn digest(scenario: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(path) = scenario else { return Ok(None) };
    let unreadable = |source| Failure::ScenarioUnreadable { path: path.to_owned(), source };
    let body = orchestrate_files::read(path, Limit::TEXT, Whose::Anybodys).map_err(unreadable)?;
    Ok(Some(hexadecimal(&body)))
}

/// Refuses a scenario of servers, pools or services that the plan does not have.
pub(crate) fn fits(scenario: &Scenario, path: &Path, change: &Change) -> Result<(), Failure> {
    scenario.fits(change).map_err(|why| Failure::BadScenario { path: path.to_owned(), why })
}

/// Returns the time of the lab that a plan runs on, as its directory file tells it: the one that was named when the run began,
/// or that of the plan.
pub(crate) fn now(home: &Home, plan: &Plan, named: Option<&Path>) -> Option<Timestamp> {
    let own = directory_path(home, plan.change());
    let directory = LabDirectory::read(named.unwrap_or(&own)).ok()?;
    Some(directory.clock().now())
}

/// Returns the time at which a new lab begins: the one in its scenario, the next opening of the plan's windows, or now. A
/// window that is open already may be about to close, and whoever tries a plan has not come to see that.
pub(crate) fn origin(change: &Change, scenario: Option<&Path>, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Some(begins) = scenario.map(self::scenario).transpose()?.and_then(|scenario| scenario.begins) {
        return Ok(begins);
    }
    if change.windows.is_empty() {
        return Ok(now);
    }
    let openings = Calendar::new(&change.windows, &change.freezes)?.openings(now, 2);
    Ok(openings.into_iter().map(|opening| opening.starts).find(|starts| *starts >= now).unwrap_or(now))
}
