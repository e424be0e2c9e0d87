//! What is said of a run that is to stop: what is finished or undone first, and what a second Ctrl-C would leave.

use crate::ahead::{Ahead, about};
use crate::log::Names;
use crate::style::{Look, Tone};
use crate::text::list;
use jiff::Timestamp;
use orchestrate_engine::View;
use orchestrate_engine::view::Phase;
use orchestrate_planner::StepKind;

/// Where somebody reads of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// In the terminal that the run belongs to.
    Here,
    /// In another one, where Ctrl-C says nothing to the run.
    Elsewhere,
}

/// Most servers that are named.
const NAMED: usize = 3;

/// Returns the lines about a run that is to stop, none about another.
#[must_use]
pub fn lines(view: &View, seat: Seat, look: &Look) -> Vec<String> {
    told(view, seat, "", look)
}

/// Returns the same with how long what is in hand usually takes.
#[must_use]
pub fn lines_with_time(view: &View, seat: Seat, (ahead, now): (&Ahead, Timestamp), look: &Look) -> Vec<String> {
    let times = (0..view.servers.len()).map(|position| ahead.until_back(view, position, now));
    let time = times.max().filter(|time| time.is_positive());
    told(view, seat, &time.map_or_else(String::new, |time| format!(", usually within {}", about(time))), look)
}

/// `time`: how long it usually takes, if that is said.
fn told(view: &View, seat: Seat, time: &str, look: &Look) -> Vec<String> {
    if view.stop.is_none() || view.ended.is_some() {
        return Vec::new();
    }
    let names = Names::from_names(view.servers.iter().map(|server| &server.server));
    let of = |wanted: &dyn Fn(&Phase) -> bool| -> Vec<&str> {
        let servers = view.servers.iter().enumerate();
        servers.filter(|(_, server)| wanted(&server.phase)).map(|(position, _)| names.at(position)).collect()
    };
    let back = of(&|phase| matches!(phase, Phase::Step { back: true, .. }));
    let on = of(&|phase| matches!(phase, Phase::Step { kind, back: false, .. } if *kind < StepKind::Patch));
    let finished = of(&|phase| matches!(phase, Phase::Step { kind, back: false, .. } if *kind >= StepKind::Patch));
    let installing = of(&|phase| matches!(phase, Phase::Step { kind: StepKind::Patch, back: false, .. }));
    let held = of(&|phase| matches!(phase, Phase::Held(_)));
    let mut first = Vec::new();
    first.extend(said(&back, "goes back as it was", "go back as they were"));
    first.extend(said(&on, "goes back as it was", "go back as they were"));
    first.extend(said(&finished, "is finished", "are finished"));
    first.extend(said(&held, "waits for your decision", "wait for your decisions"));
    let first = if first.is_empty() { "the final check of what was touched".to_owned() } else { first.join(", ") };
    let out: Vec<&str> = view
        .servers
        .iter()
        .enumerate()
        .filter(|(_, server)| server.out)
        .map(|(position, _)| names.at(position))
        .collect();
    let text = format!("stopping: first {first}{time}; {}", second((&out, &installing), seat));
    look.hang("  ", Tone::Warn, &text)
}

/// Says what a second Ctrl-C does. An installer is a process of its server: no run ends it.
pub(crate) fn second((out, installing): (&[&str], &[&str]), seat: Seat) -> String {
    let by = match seat {
        Seat::Here => "a second Ctrl-C",
        Seat::Elsewhere => "a second Ctrl-C in its terminal, or SIGTERM to its process,",
    };
    let left = match out {
        [] => String::new(),
        out => format!(" and leaves {} OUT of service", few(out)),
    };
    let installer = match installing {
        [] => String::new(),
        servers => format!("; the installer on {} goes on by itself", few(servers)),
    };
    format!("{by} ends it at once{left}{installer}")
}

fn said(servers: &[&str], one: &str, several: &str) -> Option<String> {
    match servers {
        [] => None,
        [only] => Some(format!("{only} {one}")),
        servers => Some(format!("{} {several}", few(servers))),
    }
}

fn few(servers: &[&str]) -> String {
    let more = servers.len().saturating_sub(NAMED);
    let mut named: Vec<String> = servers.iter().take(NAMED).map(|name| (*name).to_owned()).collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    list(&named)
}
