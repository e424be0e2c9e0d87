//! Runs as they are found in the state folder.

use crate::before::Barred;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed};
use crate::lab;
use jiff::Timestamp;
use orchestrate_display::status::RunStatus;
use orchestrate_engine::{Record, RunOutcome, RunState, View};
use orchestrate_journal::{Entries, Holder, JournalError, RunFolder, StateDir};
use orchestrate_model::{PoolName, RunId, ServerName};
use orchestrate_planner::{Plan, check};
use std::collections::BTreeSet;

/// A run with its plan and the fold of its journal.
pub(crate) struct Found {
    pub(crate) folder: RunFolder,
    pub(crate) plan: Plan,
    pub(crate) entries: Entries,
    pub(crate) state: RunState,
}

/// Reads a run. Reading the journal checks its chain, folding it checks that its records fit each other, and the plan
/// has to be the one that the journal was begun with: a plan that was changed since would be obeyed.
pub(crate) fn read(folder: RunFolder) -> Result<Found, Failure> {
    let plan = folder.plan()?;
    // Before the records: of a run that goes on the view must not be the later one.
    let view = folder.view();
    let entries = folder.entries()?;
    if entries.entries.is_empty() {
        no_records(&folder, &plan)?;
    } else {
        same_plan(&folder, &plan, &entries)?;
    }
    let state =
        fold(&plan, &entries).map_err(|why| Failure::Corrupt { path: folder.journal_path(), why: why.to_string() })?;
    set_back(&folder, view.as_ref(), (&plan, &state, &entries))?;
    Ok(Found { folder, plan, entries, state })
}

/// Refuses records that end before a server was changed which the view shows changed and out: a view is written after the
/// records that it is made of, so the journal was put back to an earlier state of it, or cut off. How the server was is not in it.
fn set_back(
    folder: &RunFolder,
    view: Option<&View>,
    (plan, state, entries): (&Plan, &RunState, &Entries),
) -> Result<(), Failure> {
    let Some(view) = view else { return Ok(()) };
    let out = |name: &ServerName| view.servers.iter().any(|seen| seen.server == *name && seen.changed && seen.out);
    let intended = |name: &&ServerName| {
        let named = |record: &Record| matches!(record, Record::Intent(intent) if intent.target.server == **name);
        entries.entries.iter().any(|entry| named(&entry.record))
    };
    let works = plan.work().iter().zip(&state.work).filter(|(work, own)| !own.is_changed() && out(&work.server));
    let lost = works.map(|(work, _)| &work.server).find(|name| !intended(name));
    let Some(server) = lost else { return Ok(()) };
    let why = format!(
        "it ends before {server} was changed, and progress.json beside it, written {}, shows {server} out of service: the \
         journal was put back to an earlier state, or cut off",
        view.at.strftime("%Y-%m-%d %H:%M:%SZ")
    );
    Err(Failure::Corrupt { path: folder.journal_path(), why })
}

/// Refuses a run without records that was begun: its first record comes before the first view, so a view says that there
/// were some.
fn no_records(folder: &RunFolder, plan: &Plan) -> Result<(), Failure> {
    if !folder.path().join("progress.json").exists() {
        return Ok(());
    }
    let out = match folder.view() {
        Some(view) => view.servers.iter().filter(|server| server.out).map(|server| server.server.to_string()).collect(),
        None => plan.work().iter().map(|work| format!("{} (perhaps)", work.server)).collect(),
    };
    Err(Barred::NoRecords { run: folder.id().to_string(), path: folder.journal_path(), out }.into())
}

/// Refuses a plan that is not the one that the journal was begun with, or that no planner has made.
fn same_plan(folder: &RunFolder, plan: &Plan, entries: &Entries) -> Result<(), Failure> {
    let corrupt = |why: String| Err(Failure::Corrupt { path: folder.journal_path(), why });
    let file = folder.path().join("plan.json");
    let found = plan.fingerprint().to_string();
    if let Some(Record::RunStarted(header)) = entries.entries.first().map(|entry| &entry.record)
        && header.plan != found
    {
        let (begun, file) = (&header.plan, file.display());
        return corrupt(format!("it was begun with the plan {begun}, and {file} is the plan {found}"));
    }
    match check::check(plan).first() {
        None => Ok(()),
        Some(violation) => corrupt(format!("its plan in {} is not sound: {violation}", file.display())),
    }
}

/// Returns the pools that a run works on, also when its plan is damaged and its folder says so elsewhere.
///
/// # Errors
/// Nothing in the folder says it.
pub(crate) fn pools_of(folder: &RunFolder) -> Result<BTreeSet<PoolName>, JournalError> {
    let why = match folder.plan() {
        Ok(plan) => return Ok(pools(&plan).into_iter().collect()),
        Err(why) => why,
    };
    // What calendars it names says nothing about its pools.
    let calendars = |_path: &str| Ok(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_vec());
    let parse = |bytes: Vec<u8>| orchestrate_config::parse_with("plan.yaml", &bytes, &calendars).ok();
    let written = folder.plan_file().ok().and_then(parse);
    if let Some(parsed) = written {
        return Ok(parsed.change.pools.into_iter().map(|pool| pool.name).collect());
    }
    folder.view().map(|view| view.servers.into_iter().map(|server| server.pool).collect()).ok_or(why)
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
                | RunOutcome::ToBeLookedAt
                | RunOutcome::PartlyDone
                | RunOutcome::StoppedByPolicy
                | RunOutcome::HeldElsewhere
                | RunOutcome::Recovered
                | RunOutcome::Bug,
            ) => false,
        };
        self.state.is_unfinished() && (out || broken_off)
    }

    /// Returns whether the run has left a server out, or may have: it is given back or finished whatever the hour.
    pub(crate) fn has_left_out(&self) -> bool {
        self.state.work.iter().any(orchestrate_engine::WorkState::is_out)
    }

    /// Returns the pools of the run.
    pub(crate) fn pools(&self) -> Vec<PoolName> {
        pools(&self.plan)
    }

    /// Returns who works on the run now.
    pub(crate) fn holder(&self, state: &StateDir) -> Result<Option<Holder>, Failure> {
        holder(state, self.folder.id(), &self.plan)
    }

    /// Returns the records of the run.
    pub(crate) fn records(&self) -> Vec<(u64, Timestamp, Record)> {
        records(&self.entries)
    }

    /// Returns the time by the clock of its servers. That of a lab which is gone stands still at the last news.
    pub(crate) fn now(&self, home: &Home, place: Place) -> Timestamp {
        match place {
            Place::Real => Timestamp::now(),
            Place::Lab => {
                let now = lab::now(home, &self.plan, Typed::lab_of(&self.folder).as_deref());
                now.or(self.state.last).unwrap_or_else(Timestamp::now)
            }
        }
    }

    /// Returns how it looks.
    pub(crate) fn view(&self) -> View {
        view(&self.folder, &self.plan, &self.state)
    }

    /// Returns the run for display.
    pub(crate) fn status(self, home: &Home, place: Place) -> Result<RunStatus, Failure> {
        let state = home.open_if_there(place)?;
        let holder = state.map(|state| self.holder(&state)).transpose()?.flatten();
        let holder = holder.map(|holder| said(&holder));
        // The view that the run leaves is written now and then: the records know more of all but the last look.
        let latest = self.folder.view();
        let view = View::of_records(&self.plan, &self.state, latest.as_ref());
        Ok(RunStatus {
            run: self.folder.id().clone(),
            ground: place.ground(),
            plan: self.plan,
            state: self.state,
            view,
            holder,
        })
    }
}

/// Returns who works on a run now.
pub(crate) fn holder(state: &StateDir, run: &RunId, plan: &Plan) -> Result<Option<Holder>, Failure> {
    for pool in pools(plan) {
        if let Some(holder) = state.holder(&pool)?
            && holder.run == *run
        {
            return Ok(Some(holder));
        }
    }
    Ok(None)
}

/// Returns the records of a run.
pub(crate) fn records(entries: &Entries) -> Vec<(u64, Timestamp, Record)> {
    entries.entries.iter().map(|entry| (entry.seq, entry.at, entry.record.clone())).collect()
}

/// Returns how a run looks. The view that the run leaves is written now and then: the records know more of all but the last look. A
/// run that was never begun looks as it would begin.
pub(crate) fn view(folder: &RunFolder, plan: &Plan, state: &RunState) -> View {
    let blank =
        |at| View { run: None, at, started: None, stop: None, ended: None, recovers: false, servers: Vec::new() };
    let latest = folder.view().unwrap_or_else(|| blank(state.last.unwrap_or_else(Timestamp::now)));
    View::of_records(plan, state, Some(&latest)).unwrap_or(latest)
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
