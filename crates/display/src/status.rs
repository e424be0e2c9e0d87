//! What is out, what waits for what, since when.

use crate::live;
use crate::style::{Look, Tone};
use crate::summary::{self, Context};
use crate::text::{clean, duration, list as list_of};
use crate::words;
use jiff::Timestamp;
use orchestrate_engine::view::Phase;
use orchestrate_engine::{RunState, View};
use orchestrate_model::RunId;
use orchestrate_planner::Plan;
use serde_json::{Value, json};

/// One run as it is found in the state folder.
#[derive(Debug, Clone)]
pub struct RunStatus {
    /// The run.
    pub run: RunId,
    /// Its plan.
    pub plan: Plan,
    /// The fold of its records.
    pub state: RunState,
    /// The latest view, when there is one.
    pub view: Option<View>,
    /// Who works on it now, in words. `None`: nobody.
    pub holder: Option<String>,
}

/// Returns one line per run, newest first as they are given.
#[must_use]
pub fn list(runs: &[RunStatus], look: &Look) -> String {
    let mut lines: Vec<String> = runs
        .iter()
        .map(|run| {
            let began = run.state.started.map_or_else(|| "not begun".to_owned(), |at| look.date_time(at));
            let (tone, how) = how(run);
            format!("{}  {began}  {}  {}", run.run, look.paint(tone, &how), clean(&run.plan.change().name))
        })
        .collect();
    if lines.is_empty() {
        lines.push("no runs".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

fn how(run: &RunStatus) -> (Tone, String) {
    let out = run.state.work.iter().filter(|work| work.is_out()).count();
    match (run.state.ended, &run.holder) {
        (Some(outcome), _) => (words::outcome_tone(outcome), words::outcome(outcome).to_owned()),
        (None, Some(_)) => match held(run) {
            held if held.is_empty() => (Tone::Good, format!("running, {out} out")),
            held => (Tone::Bad, format!("HELD, waits for your decision about {}, {out} out", list_of(&held))),
        },
        (None, None) => (Tone::Bad, format!("INTERRUPTED, {out} out")),
    }
}

/// Returns the servers that wait for a decision.
fn held(run: &RunStatus) -> Vec<&str> {
    let works = run.plan.work().iter().zip(&run.state.work);
    works.filter(|(_, state)| state.held.is_some()).map(|(work, _)| work.server.short()).collect()
}

/// Returns one run in full.
#[must_use]
pub fn one(run: &RunStatus, program: &str, now: Timestamp, look: &Look) -> String {
    let (tone, how) = how(run);
    let mut lines = vec![format!(
        "{}  {}  {}",
        look.paint(Tone::Strong, &clean(&run.plan.change().name)),
        run.run,
        look.paint(tone, &how)
    )];
    if let Some(holder) = &run.holder {
        lines.push(format!("  worked on by {}", clean(holder)));
    }
    if let (None, Some(_), Some(view)) = (run.state.ended, &run.holder, &run.view) {
        lines.extend(in_work(run, view, program, now, look));
        lines.push(String::new());
        return lines.join("\n");
    }
    let context = Context { run: &run.run, plan: &run.plan, program };
    lines.push(summary::summary(context, &run.state, look));
    lines.join("\n")
}

fn in_work(run: &RunStatus, view: &View, program: &str, now: Timestamp, look: &Look) -> Vec<String> {
    let mut lines = vec![format!("  the latest news is {} old", duration(now.duration_since(view.at)))];
    for (position, server) in view.servers.iter().enumerate() {
        lines.extend(live::server(view, position, now, look));
        if let Phase::Held(hold) = &server.phase {
            let age = duration(now.duration_since(hold.since));
            let server = &server.server;
            lines.push(format!("    held for {age}; decide with:  {program} decide {} {server} CHOICE", run.run));
        }
    }
    lines
}

/// Returns one run for programs.
#[must_use]
pub fn json(run: &RunStatus) -> Value {
    json!({
        "version": crate::events::EVENT_VERSION,
        "run": run.run,
        "name": run.plan.change().name,
        "started": run.state.started,
        "last": run.state.last,
        "outcome": run.state.ended,
        "holder": run.holder,
        "out": run.plan.work().iter().zip(&run.state.work).filter(|(_, state)| state.is_out())
            .map(|(work, _)| &work.server).collect::<Vec<_>>(),
        "view": run.view,
    })
}
