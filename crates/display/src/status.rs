//! What is out, what waits for what, since when.

use crate::live::{self, Ground};
use crate::stopping::{self, Seat};
use crate::style::{Look, Tone};
use crate::summary::{self, Context};
use crate::text::{clean, duration, list as list_of};
use crate::words;
use jiff::Timestamp;
use orchestrate_engine::state::{self, StepState};
use orchestrate_engine::view::Phase;
use orchestrate_engine::{RunState, View, WorkState};
use orchestrate_model::RunId;
use orchestrate_planner::{Plan, ServerWork};
use serde_json::{Value, json};

/// One run as it is found in the state folder.
#[derive(Debug, Clone)]
pub struct RunStatus {
    /// The run.
    pub run: RunId,
    /// On what it works, or has worked.
    pub ground: Ground,
    /// Its plan.
    pub plan: Plan,
    /// The fold of its records.
    pub state: RunState,
    /// The latest view, when there is one.
    pub view: Option<View>,
    /// Who works on it now, in words. `None`: nobody.
    pub holder: Option<String>,
}

/// One line of the list of runs.
#[derive(Debug, Clone)]
pub enum Listed {
    /// A run.
    Run(Box<RunStatus>),
    /// A run whose files cannot be read. Nobody knows what it left out.
    Unreadable {
        /// The run.
        run: RunId,
        /// Why, with the file and the record.
        why: String,
    },
}

/// Returns one line per run, newest first as they are given.
#[must_use]
pub fn list(runs: &[Listed], look: &Look) -> String {
    let line = |listed: &Listed| match listed {
        Listed::Run(run) => {
            let began = run.state.started.map_or_else(|| "not begun".to_owned(), |at| look.date_time(at));
            format!(
                "{}  {began}  {}  {}{}",
                run.run,
                painted(run, look),
                run.ground.tag(),
                clean(&run.plan.change().name)
            )
        }
        Listed::Unreadable { run, why } => {
            let text = format!("UNREADABLE: servers may be out; {}", clean(why));
            format!("{run}  {}", look.paint(Tone::Bad, &text))
        }
    };
    let mut lines: Vec<String> = runs.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no runs".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Returns how a run is. A server that an ended run has left out is said in the tone of what is bad, whatever the end.
fn painted(run: &RunStatus, look: &Look) -> String {
    let (tone, how) = how(run);
    let out: Vec<&str> = works(run).filter(|(_, state)| state.is_out()).map(|(work, _)| work.server.short()).collect();
    let said = look.paint(tone, &how);
    if run.state.ended.is_none() || out.is_empty() {
        return said;
    }
    format!("{said}{}", look.paint(Tone::Bad, &format!(", {} OUT: {}", out.len(), list_of(&out))))
}

pub(crate) fn how(run: &RunStatus) -> (Tone, String) {
    let out = run.state.work.iter().filter(|work| work.is_out()).count();
    match (run.state.ended, &run.holder) {
        (Some(outcome), _) => (words::outcome_tone(outcome), words::outcome(outcome).to_owned()),
        (None, None) if run.state.started.is_none() => (Tone::Plain, "never begun, nothing was done".to_owned()),
        (None, Some(_)) => match held(run) {
            held if held.is_empty() => match &run.state.stop {
                None => (Tone::Good, format!("running, {out} out")),
                Some(why) => (Tone::Warn, format!("stopping ({}), {out} out", clean(why.text()))),
            },
            held => (Tone::Bad, format!("HELD, waits for your decision about {}, {out} out", list_of(&held))),
        },
        (None, None) => (Tone::Bad, format!("INTERRUPTED, {out} may be out")),
    }
}

/// Returns the servers that wait for a decision.
pub(crate) fn held(run: &RunStatus) -> Vec<&str> {
    works(run).filter(|(_, state)| state.held.is_some()).map(|(work, _)| work.server.short()).collect()
}

fn works(run: &RunStatus) -> impl Iterator<Item = (&ServerWork, &WorkState)> {
    run.plan.work().iter().zip(&run.state.work)
}

/// Returns one run in full, with how to call this program again and how to start the plan again.
#[must_use]
pub fn one(run: &RunStatus, (program, start): (&str, &str), now: Timestamp, look: &Look) -> String {
    let mut lines = vec![format!(
        "{}  {}  {}",
        look.paint(Tone::Strong, &format!("{}{}", run.ground.tag(), clean(&run.plan.change().name))),
        run.run,
        painted(run, look)
    )];
    let is_live = run.state.ended.is_none() && run.holder.is_some() && run.view.is_some();
    // The summary says it too.
    lines.extend(words::emergency(run.plan.change()).filter(|_| is_live).map(|text| format!("  {text}")));
    lines.extend(words::only(run.plan.change()).filter(|_| is_live).map(|text| format!("  {text}")));
    let approved = run.state.header.as_ref().and_then(words::approved_by);
    lines.extend(approved.filter(|_| is_live).map(|text| format!("  {text}")));
    if let Some(holder) = &run.holder {
        lines.push(format!("  worked on by {}", clean(holder)));
    }
    if let (None, Some(_), Some(view)) = (run.state.ended, &run.holder, &run.view) {
        lines.extend(in_work(run, view, program, now, look));
        lines.push(String::new());
        return lines.join("\n");
    }
    if run.state.ended.is_none() && run.holder.is_none() {
        lines.extend(broken_off(run, now, look));
    }
    let context = Context { run: &run.run, plan: &run.plan, program, start };
    lines.push(summary::summary(context, &run.state, look));
    lines.join("\n")
}

/// Returns where a run was when it was broken off: the step in hand, what was asked for and nobody knows of, and how old
/// the last news is.
pub(crate) fn broken_off(run: &RunStatus, now: Timestamp, look: &Look) -> Vec<String> {
    let Some(last) = run.state.last else { return Vec::new() };
    let ago = |at: Timestamp| duration(now.duration_since(at));
    let mut lines =
        vec![format!("  no process works on it; the last news is from {}, {} ago", look.date_time(last), ago(last))];
    for (position, (work, state)) in works(run).enumerate() {
        if !state.is_active() {
            continue;
        }
        let steps = state::steps_of(&run.plan, state::work_id(position));
        for step in steps {
            if let Some(StepState::Running { since }) = run.state.steps.get(step.id.0 as usize) {
                let (name, kind, at) = (work.server.short(), step.kind, look.date_time(*since));
                lines.push(format!("  {name} was in {kind}, since {at}, {} ago", ago(*since)));
            }
        }
    }
    for intent in run.state.open.values() {
        let name = run.plan.work_of(intent.work).server.short();
        lines
            .push(format!("  {name} was asked to {}, and whether it did is not known", clean(&intent.act.to_string())));
    }
    lines
}

fn in_work(run: &RunStatus, view: &View, program: &str, now: Timestamp, look: &Look) -> Vec<String> {
    let mut lines = vec![format!("  the latest news is {} old", duration(now.duration_since(view.at)))];
    lines.extend(stopping::lines(view, Seat::Elsewhere, look));
    for (position, server) in view.servers.iter().enumerate() {
        lines.extend(live::server(view, position, now, look));
        if let Phase::Held(hold) = &server.phase {
            let age = duration(now.duration_since(hold.since));
            let server = &server.server;
            lines.push(format!("    held for {age}; decide with:  {program} decide {} {server} CHOICE", run.run));
            lines.push(format!("    what each choice does:  {program} explain {}", hold.cause.code()));
        }
    }
    lines
}

/// Returns a line of the list for programs.
#[must_use]
pub fn listed_json(listed: &Listed) -> Value {
    match listed {
        Listed::Run(run) => json(run),
        Listed::Unreadable { run, why } => {
            json!({"version": crate::events::EVENT_VERSION, "run": run, "unreadable": why})
        }
    }
}

/// Returns one run for programs.
#[must_use]
pub fn json(run: &RunStatus) -> Value {
    json!({
        "version": crate::events::EVENT_VERSION,
        "run": run.run,
        "name": run.plan.change().name,
        "started": run.state.started,
        "approvals": run.state.header.as_ref().map(|header| &header.approvals),
        "last": run.state.last,
        "outcome": run.state.ended,
        "holder": run.holder,
        "out": run.plan.work().iter().zip(&run.state.work).filter(|(_, state)| state.is_out())
            .map(|(work, _)| &work.server).collect::<Vec<_>>(),
        "view": run.view.as_ref().map(crate::events::bare),
    })
}
