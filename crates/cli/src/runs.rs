//! Runs as they are found in the state folder.

use crate::failure::Failure;
use crate::home::{Home, Place};
use orchestrate_display::status::RunStatus;
use orchestrate_engine::{RunOutcome, RunState};
use orchestrate_journal::{Entries, Holder, RunFolder, StateDir};
use orchestrate_model::PoolName;
use orchestrate_planner::Plan;

/// A run with its plan and the fold of its journal.
pub(crate) struct Found {
    pub(crate) folder: RunFolder,
    pub(crate) plan: Plan,
    pub(crate) entries: Entries,
    pub(crate) state: RunState,
}

/// Reads a run. Reading the journal checks its chain, and folding it checks that its records fit each other.
pub(crate) fn read(folder: RunFolder) -> Result<Found, Failure> {
    let plan = folder.plan()?;
    let entries = folder.entries()?;
    let state =
        fold(&plan, &entries).map_err(|why| Failure::Corrupt { path: folder.journal_path(), why: why.to_string() })?;
    Ok(Found { folder, plan, entries, state })
}

/// Returns the state that the entries amount to.
pub(crate) fn fold(plan: &Plan, entries: &Entries) -> Result<RunState, orchestrate_engine::Illegal> {
    let mut state = RunState::new(plan);
    for entry in &entries.entries {
        state.apply(plan, entry.at, &entry.record)?;
    }
    Ok(state)
}

impl Found {
    /// Returns whether the same command goes on with the run instead of beginning another: it was killed, left a server
    /// out, or was stopped by its window or by somebody before it was done. A run that stopped over a fault and left
    /// nothing out is gone on with only when somebody says `resume`.
    pub(crate) fn is_unfinished(&self) -> bool {
        let out = self.state.work.iter().any(orchestrate_engine::WorkState::is_out);
        let broken_off = match self.state.ended {
            None | Some(RunOutcome::StoppedByWindow | RunOutcome::Interrupted) => true,
            Some(
                RunOutcome::Done
                | RunOutcome::PartlyDone
                | RunOutcome::StoppedByPolicy
                | RunOutcome::Recovered
                | RunOutcome::Bug,
            ) => false,
        };
        self.state.is_unfinished() && (out || broken_off)
    }

    /// Returns the pools of the run.
    pub(crate) fn pools(&self) -> Vec<PoolName> {
        pools(&self.plan)
    }

    /// Returns who works on the run now.
    pub(crate) fn holder(&self, state: &StateDir) -> Result<Option<Holder>, Failure> {
        for pool in self.pools() {
            if let Some(holder) = state.holder(&pool)?
                && holder.run == *self.folder.id()
            {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// Returns the run for display.
    pub(crate) fn status(self, home: &Home, place: Place) -> Result<RunStatus, Failure> {
        let holder = self.holder(&home.open(place)?)?;
        let holder = holder.map(|holder| said(&holder));
        let view = self.folder.view();
        Ok(RunStatus { run: self.folder.id().clone(), plan: self.plan, state: self.state, view, holder })
    }
}

/// Returns the pools of a plan.
pub(crate) fn pools(plan: &Plan) -> Vec<PoolName> {
    plan.change().pools.iter().map(|pool| pool.name.clone()).collect()
}

/// Returns a holder in words.
pub(crate) fn said(holder: &Holder) -> String {
    let since = holder.since.strftime("%Y-%m-%d %H:%MZ");
    format!("{}@{} (process {}) since {since}", holder.user, holder.host, holder.process)
}
