//! What earlier starts have left on the pools of a plan: who works on them now, and which run a start goes on with.

use crate::access;
use crate::exit::Exit;
use crate::failure::{Failure, KEEP};
use crate::home::{Home, Place};
use crate::lab;
use crate::plan_file::PlanFile;
use crate::runs::{self, Found};
use crate::stage::Owner;
use crate::terminal::output;
use jiff::SignedDuration;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::took::took;
use orchestrate_journal::{ClaimError, JournalError, StateDir};
use orchestrate_lab::LabDirectory;
use orchestrate_model::{Change, PoolName, RunId, ServerName};
use orchestrate_planner::limits::{Earlier, LEAST_SERVERS};
use orchestrate_planner::{Owed, StepKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use thiserror::Error;

/// What an earlier start has left that bars this one.
#[derive(Debug, Error)]
pub(crate) enum Barred {
    #[error("run {run} of an earlier version of the plan is unfinished, and this plan is another one")]
    PlanChanged { run: String, program: String },
    #[error("the world moved: run {run} has worked on these pools since the servers were looked at")]
    Moved { run: String },
    #[error("which pools run {run} worked on is not known, because its plan cannot be read")]
    PoolsUnknown { run: String, path: PathBuf, source: JournalError },
    #[error("nothing is known of what was done in run {run}: {} holds no record{}", path.display(), seen_out(out))]
    NoRecords { run: String, path: PathBuf, out: Vec<String> },
}

/// The view is written now and then, so it may be older than what was done last.
fn seen_out(out: &[String]) -> String {
    let out = if out.is_empty() { "none".to_owned() } else { out.join(", ") };
    format!("; out of service when progress.json beside it was last written: {out}")
}

impl Barred {
    /// Returns the exit code and what the operator can do.
    pub(crate) fn edge(&self) -> (Exit, Option<String>) {
        match self {
            Self::PlanChanged { run, program } => (
                Exit::WorldMoved,
                Some(format!(
                    "finish it as it was planned: {program} resume {run}; or bring its servers back: {program} recover {run}"
                )),
            ),
            Self::Moved { .. } => (Exit::WorldMoved, Some("start again: it looks at the servers anew".to_owned())),
            Self::PoolsUnknown { path, .. } => (
                Exit::Bug,
                Some(format!("look at its servers; when they are in service, move {} elsewhere", path.display())),
            ),
            Self::NoRecords { .. } => (Exit::Bug, Some(KEEP.to_owned())),
        }
    }
}

/// Where a plan is about to be run.
pub(crate) struct Ground<'a> {
    pub(crate) home: &'a Home,
    pub(crate) state: &'a StateDir,
    pub(crate) place: Place,
    pub(crate) lab: Option<&'a (LabDirectory, Owner)>,
    pub(crate) file: &'a PlanFile,
}

/// How far the journal of every run reached at a moment.
pub(crate) struct Standing(BTreeMap<RunId, u64>);

impl Ground<'_> {
    fn pools(&self) -> BTreeSet<&PoolName> {
        self.file.change.pools.iter().map(|pool| &pool.name).collect()
    }

    /// Refuses pools that somebody works on now, whatever the plan of that work.
    pub(crate) fn free(&self) -> Result<(), Failure> {
        for pool in self.pools() {
            let holder = match self.state.holder(pool) {
                Ok(None) => continue,
                Ok(Some(holder)) => Some(Box::new(holder)),
                // Somebody holds it; who that is cannot be read.
                Err(JournalError::Unreadable { .. }) => None,
                Err(other) => return Err(other.into()),
            };
            return Err(ClaimError::Held { pool: pool.clone(), holder }.into());
        }
        Ok(())
    }

    /// Returns the run of this plan that an earlier start did not finish, if there is one.
    pub(crate) async fn unfinished(&self) -> Result<Option<Found>, Failure> {
        let mut open = self.pools();
        let mut told = false;
        for folder in self.state.runs()?.into_iter().rev() {
            if open.is_empty() {
                break;
            }
            // The journal of a run on other pools is not looked at: it may be damaged, or of another version.
            let worked_on = runs::pools_of(&folder).map_err(|source| Barred::PoolsUnknown {
                run: folder.id().to_string(),
                path: folder.path().to_owned(),
                source,
            })?;
            if !open.iter().any(|pool| worked_on.contains(*pool)) {
                continue;
            }
            let found = runs::read(folder)?;
            if !found.is_unfinished() {
                // What came before it on the same pools was over when it began.
                open.retain(|pool| found.state.started.is_none() || !worked_on.contains(*pool));
                continue;
            }
            let run = found.folder.id();
            if self.place == Place::Lab && !self.has_lab(&found).await {
                // Those before it are as old news.
                if !std::mem::replace(&mut told, true) {
                    output::talk(&format!("run {run} was not finished, but its lab is gone; it is not resumed"));
                }
                continue;
            }
            if access::is_same_work(found.plan.change(), &self.file.change) {
                return Ok(Some(found));
            }
            return Err(Barred::PlanChanged { run: run.to_string(), program: self.home.program.clone() }.into());
        }
        Ok(None)
    }

    /// Returns whether the servers of an unfinished run on a lab are still there. A plan that changed has a lab of its
    /// own.
    async fn has_lab(&self, found: &Found) -> bool {
        if found.plan.change() != &self.file.change {
            return lab::find(self.home, found.plan.change()).await.is_some();
        }
        match self.lab {
            Some((_, Owner::Us)) | None => false,
            // A lab that is younger than the run is another one.
            Some((lab, Owner::Earlier | Owner::Other)) => found.state.started.is_some_and(|began| began >= lab.origin),
        }
    }

    /// Returns how far every run has come.
    pub(crate) fn standing(&self) -> Result<Standing, Failure> {
        let runs = self.state.runs()?.into_iter().map(|folder| {
            let length = std::fs::metadata(folder.journal_path()).map_or(0, |file| file.len());
            (folder.id().clone(), length)
        });
        Ok(Standing(runs.collect()))
    }

    /// Refuses to go on when a run has worked on these pools since. Asked under the claim, after which no other can.
    pub(crate) fn unmoved_since(&self, before: &Standing) -> Result<(), Failure> {
        let now = self.standing()?;
        for folder in self.state.runs()?.into_iter().rev() {
            let run = folder.id();
            if before.0.get(run) == now.0.get(run) {
                continue;
            }
            // Work on nobody knows which pools may have been on these.
            let ours = runs::pools_of(&folder).map_or(true, |on| self.pools().iter().any(|pool| on.contains(*pool)));
            if ours {
                return Err(Barred::Moved { run: run.to_string() }.into());
            }
        }
        Ok(())
    }
}

/// Most runs that are read for what they have left to do, and for how long they took, newest first.
const READ_BACK: usize = 30;

/// Most servers of a pool whose times are gone by: older ones say less.
const MOST_SERVERS: usize = 40;

/// What earlier runs say of a change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// The servers on which an installer of an earlier run has asked for a restart that the run did not see, by the newest run
    /// that ran one there. Windows does not always show such a restart.
    pub(crate) owed: BTreeMap<ServerName, Owed>,
    /// How long servers of the pools took.
    pub(crate) earlier: BTreeMap<PoolName, Earlier>,
}

/// Returns what earlier runs say of a change.
pub(crate) fn past(home: &Home, place: Place, change: &Change) -> Result<Past, Failure> {
    let Some(state) = home.open_if_there(place)? else { return Ok(Past::default()) };
    let mut open: BTreeSet<&ServerName> =
        change.pools.iter().flat_map(|pool| &pool.servers).map(|server| &server.name).collect();
    let pools: BTreeSet<&PoolName> = change.pools.iter().map(|pool| &pool.name).collect();
    let mut owed = BTreeMap::new();
    let mut times: BTreeMap<PoolName, Vec<BTreeMap<StepKind, SignedDuration>>> = BTreeMap::new();
    for folder in state.runs()?.into_iter().rev().take(READ_BACK) {
        let enough = |pool: &&PoolName| times.get(*pool).is_some_and(|servers| servers.len() >= LEAST_SERVERS);
        if open.is_empty() && pools.iter().all(enough) {
            break;
        }
        // One that cannot be read bars a start where that matters; here it only has nothing to say.
        if runs::pools_of(&folder).is_ok_and(|of| !pools.iter().any(|pool| of.contains(*pool))) {
            continue;
        }
        let run = folder.id().to_string();
        let found = match runs::read(folder) {
            Ok(found) => found,
            Err(failure) => {
                tracing::warn!(
                    run,
                    why = failure.in_one_line(),
                    "whether it has left a restart to be made, and how long it took, is not known"
                );
                continue;
            }
        };
        for (pool, servers) in took(&found.plan, &found.state) {
            if pools.contains(&pool) {
                let times = times.entry(pool).or_default();
                let room = MOST_SERVERS.saturating_sub(times.len());
                times.extend(servers.into_iter().take(room));
            }
        }
        for (work, state) in found.plan.work().iter().zip(&found.state.work) {
            if state.results().next().is_none() || !open.remove(&work.server) || state.restart_proven.is_some() {
                continue;
            }
            if let Some((code, _, ended)) = state.asks_for_restart() {
                owed.insert(work.server.clone(), Owed { run: run.clone(), code, ended });
            }
        }
    }
    let earlier = times.into_iter().map(|(pool, servers)| (pool, Earlier::of(&servers)));
    Ok(Past { owed, earlier: earlier.collect() })
}

/// Returns what is said about a run that is taken up again.
pub(crate) fn told(found: &Found) -> String {
    let state = &found.state;
    let done = state.work.iter().filter(|work| work.end.as_ref().is_some_and(ServerEnd::is_done)).count();
    let works = found.plan.work().iter().zip(&state.work);
    let out: Vec<&str> = works.filter(|(_, work)| work.is_out()).map(|(work, _)| work.server.short()).collect();
    let out = if out.is_empty() { "no server is out".to_owned() } else { format!("in hand: {}", out.join(", ")) };
    let began = state.started.map(|at| output::look().date_time(at)).unwrap_or_default();
    let all = state.work.len();
    format!("run {}, begun {began}: {done} of {all} servers done, {out}", found.folder.id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Common;
    use crate::plan_file;
    use crate::stage::Planned;
    use std::path::Path;

    #[test]
    fn p12_a_run_that_somebody_else_made_while_this_start_was_asking_bars_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let home = Home::find(&Common { state_dir: Some(folder.path().to_owned()), log: None }).unwrap();
        let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml");
        let file = plan_file::read(&plan).unwrap();
        let state = home.open(Place::Real).unwrap();
        let ground = Ground { home: &home, state: &state, place: Place::Real, lab: None, file: &file };
        let planned = Planned::offline(&file.change).unwrap().plan;
        let run = |text: &str| RunId::new(text).unwrap();
        let earlier = state.create_run(&run("20261125-200000-aaaa"), &planned, &file.bytes).unwrap();
        let standing = ground.standing().unwrap();
        ground.unmoved_since(&standing).unwrap();
        let barred = |words: &str| {
            let failure = ground.unmoved_since(&standing).unwrap_err();
            assert_eq!(failure.exit(), Exit::WorldMoved);
            assert!(failure.to_string().contains(words), "{failure}");
        };
        let other = state.create_run(&run("20261125-210000-bbbb"), &planned, &file.bytes).unwrap();
        barred("run 20261125-210000-bbbb has worked on these pools");
        std::fs::remove_dir_all(other.path()).unwrap();
        ground.unmoved_since(&standing).unwrap();
        // An earlier run that somebody took up again and ended is no news only as long as it wrote nothing.
        std::fs::write(earlier.journal_path(), "{}\n").unwrap();
        barred("run 20261125-200000-aaaa has worked on these pools");
    }
}
