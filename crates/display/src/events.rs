//! The events of a run for programs: one JSON object per line.

use crate::counted::uncounted;
use crate::log::subject;
use crate::preview::Preview;
use jiff::Timestamp;
use orchestrate_engine::state::{Mark, WorkState};
use orchestrate_engine::{Record, RunState, View};
use orchestrate_model::RunId;
use orchestrate_model::change::Patch;
use orchestrate_planner::{Plan, StepId};
use serde_json::{Value, json};

/// The version of the events. It rises when a key changes its meaning or goes away; new keys and new kinds of event may
/// come at any time.
pub const EVENT_VERSION: u32 = 1;

/// Returns the event for one record.
#[must_use]
pub fn recorded(plan: &Plan, seq: u64, at: Timestamp, record: &Record) -> Value {
    let server = subject(plan, record).map(|work| plan.work_of(work).server.clone());
    let step = step_of(record).and_then(|id| plan.steps().get(id.0 as usize)).map(|step| step.kind);
    json!({
        "version": EVENT_VERSION,
        "event": "record",
        "seq": seq,
        "at": at,
        "server": server,
        "step": step,
        "record": record,
    })
}

/// Returns the first event of a new run: the plan as it was shown.
#[must_use]
pub fn preview(preview: &Preview<'_>) -> Value {
    json!({"version": EVENT_VERSION, "event": "preview", "preview": crate::preview::json(preview)})
}

/// Returns the event for a view: may be missing, may be late.
#[must_use]
pub fn progress(view: &View) -> Value {
    json!({"version": EVENT_VERSION, "event": "progress", "at": view.at, "view": bare(view)})
}

/// Returns a view without what only the live view draws with.
pub(crate) fn bare(view: &View) -> View {
    let mut view = view.clone();
    for server in &mut view.servers {
        server.sessions_first = None;
    }
    view
}

/// Returns the last event: how each server and the run ended. The exit code is that of the run's program, where it is known.
#[must_use]
pub fn summary(run: &RunId, plan: &Plan, state: &RunState, exit_code: Option<u8>) -> Value {
    json!({
        "version": EVENT_VERSION,
        "event": "summary",
        "at": state.last,
        "run": run,
        "outcome": state.ended,
        "exit_code": exit_code,
        "servers": servers(plan, state),
    })
}

/// Returns each server with how it ended.
fn servers(plan: &Plan, state: &RunState) -> Vec<Value> {
    plan.work()
        .iter()
        .zip(&state.work)
        .map(|(work, state)| {
            let mut told = json!({
                "server": work.server,
                "end": state.end,
                "out": state.is_out(),
                "sessions_cut": state.cut,
                "sessions_not_counted": uncounted(plan, work, state),
                "restarts": state.restarted(),
                "restarts_asked": state.restarts_asked(),
                "installer": state.results().last().map(|(_, code, meaning)| (code, meaning)),
                "differences": state.swept,
                "left_over": state.left_over,
                "alarms": state.alarms,
                // Not known is not none.
                "ended_by_restart": (!state.has(Mark::UncountedRestart)).then_some(&state.ended_by_restart),
                "ended_by_stop": state.ended_by_stop,
                "stopped_uncounted": state.stopped_uncounted,
                "versions": state.level,
            });
            if let Some(installers) = installers(plan, state) {
                told["installers"] = installers.into();
            }
            told
        })
        .collect()
}

/// Returns how each of several installers ended, as far as that is known; nothing where there is one.
fn installers(plan: &Plan, state: &WorkState) -> Option<Vec<Value>> {
    let all = &plan.change().maintenance.installers;
    (all.len() > 1).then(|| {
        let each = state.results().map(|(number, code, meaning)| {
            let path = all.get(number as usize).map(Patch::shown_installer);
            json!({"number": number + 1, "installer": path, "exit_code": code, "meaning": meaning})
        });
        each.collect()
    })
}

/// Returns a whole run as one document: header, outcome, servers and every record.
#[must_use]
pub fn report(run: &RunId, plan: &Plan, state: &RunState, records: &[(u64, Timestamp, Record)]) -> Value {
    json!({
        "version": EVENT_VERSION,
        "run": run,
        "plan": {"name": plan.change().name, "reason": plan.change().reason, "emergency": plan.change().emergency,
            "only": plan.change().only,
            "fingerprint": state.header.as_ref().map(|header| &header.plan)},
        "started": state.started,
        "approvals": state.header.as_ref().map(|header| &header.approvals),
        "last": state.last,
        "resumed": state.resumed,
        "outcome": state.ended,
        "stop": state.stop,
        "servers": servers(plan, state),
        "pools_seen": state.pools_seen,
        "pool_faults": state.pool_faults,
        "records": records.iter().map(|(seq, at, record)| recorded(plan, *seq, *at, record)).collect::<Vec<_>>(),
    })
}

fn step_of(record: &Record) -> Option<StepId> {
    match record {
        Record::StepStarted { step }
        | Record::Evidence { step, .. }
        | Record::StepDone { step, .. }
        | Record::Held { step, .. } => Some(*step),
        Record::Intent(intent) => Some(intent.step),
        Record::RunStarted(_)
        | Record::Resumed { .. }
        | Record::Snapshot { .. }
        | Record::Outcome { .. }
        | Record::InstallerEnded { .. }
        | Record::Reasserted { .. }
        | Record::SessionsCut { .. }
        | Record::TakenOver { .. }
        | Record::Reopened { .. }
        | Record::TurnedBack { .. }
        | Record::Decided { .. }
        | Record::ServerEnded { .. }
        | Record::StopRequested { .. }
        | Record::Swept { .. }
        | Record::LeftOver { .. }
        | Record::Installed { .. }
        | Record::LevelRead { .. }
        | Record::Booted { .. }
        | Record::Gap { .. }
        | Record::Alarm { .. }
        | Record::AllClear { .. }
        | Record::PutOff { .. }
        | Record::BalancerUndone { .. }
        | Record::StartTypesUndone { .. }
        | Record::Rebooted { .. }
        | Record::StoppedByOthers { .. }
        | Record::PoolSeen { .. }
        | Record::Note { .. }
        | Record::RunEnded { .. } => None,
    }
}
