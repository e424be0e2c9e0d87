//! The live view: one entry per server, as a function of the view and the time.

use crate::log::Names;
use crate::style::{Look, Tone};
use crate::text::{clean, count, cut, pad, right, stopwatch, width};
use crate::words;
use jiff::Timestamp;
use orchestrate_engine::View;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::view::{Phase, ServerView, Wait};
use orchestrate_model::Answer;
use orchestrate_planner::StepKind;
use std::collections::BTreeMap;

/// Returns the line above the servers: how long the run has taken, and how far it is.
#[must_use]
pub fn head(title: &str, view: &View, now: Timestamp, look: &Look) -> String {
    let ends = view.servers.iter().filter_map(|server| match &server.phase {
        Phase::Ended(end) => Some(matches!(end, ServerEnd::Finished | ServerEnd::NothingToDo { .. })),
        Phase::Waiting | Phase::Step { .. } | Phase::Held(_) => None,
    });
    let (done, given_up): (Vec<bool>, Vec<bool>) = ends.partition(|is_done| *is_done);
    // What is over and is not done has a word of its own: it is not seen by counting.
    let given_up = if given_up.is_empty() { String::new() } else { format!(", {} given up", given_up.len()) };
    let out = view.servers.iter().filter(|server| server.out).count();
    let elapsed = view.started.map_or_else(|| "-".to_owned(), |since| stopwatch(now.duration_since(since)));
    let stop = view.stop.as_ref().map(|why| format!(" | stopping: {}", clean(why.text()))).unwrap_or_default();
    let all = count(view.servers.len() as u64, "server");
    let counts = format!(" | {elapsed} | {} of {all} done{given_up} | {out} out", done.len());
    // A long name must not push out how many servers are out.
    let title = cut(&clean(title), look.width.saturating_sub(width(&counts)));
    look.paint(Tone::Strong, &cut(&format!("{title}{counts}{stop}"), look.width))
}

/// Returns the lines of one server: where it is, and below that what it waits for, when it waits.
#[must_use]
pub fn server(view: &View, position: usize, now: Timestamp, look: &Look) -> Vec<String> {
    let names = Names::from_names(view.servers.iter().map(|server| &server.server));
    let Some(server) = view.servers.get(position) else {
        return Vec::new();
    };
    let (tone, phase) = phase(&server.phase);
    let lead = format!("  {}  ", pad(names.at(position), names.columns));
    let (done, all) = server.steps;
    let steps = right(&format!("{done}/{all}"), 5);
    let elapsed = elapsed(server, now);
    let text = format!("{} {steps}  {}  {}", pad(&phase, 15), right(&elapsed, 8), sessions(server));
    let room = look.width.saturating_sub(lead.len());
    let mut lines = vec![format!("{lead}{}", look.paint(tone, cut(&text, room).trim_end()))];
    if let Some(alarm) = &server.alarm {
        let since = look.moment(alarm.since, now);
        let said = format!("the pool cannot do without it since {since}: {}", clean(&alarm.why));
        lines.extend(look.hang(&" ".repeat(names.columns + 4), Tone::Bad, &said));
    }
    if let Some(said) = below(server, now, look) {
        lines.extend(look.hang(&" ".repeat(names.columns + 4), Tone::Quiet, &said));
    }
    lines
}

fn phase(phase: &Phase) -> (Tone, String) {
    match phase {
        Phase::Waiting => (Tone::Quiet, "waits its turn".to_owned()),
        Phase::Step { kind, back: false, .. } => (Tone::Plain, kind.word().to_owned()),
        Phase::Step { kind, back: true, .. } => (Tone::Warn, format!("back: {kind}")),
        Phase::Held(_) => (Tone::Bad, "HELD".to_owned()),
        Phase::Ended(end) => (words::end_tone(end), words::end(end).to_owned()),
    }
}

/// Returns how long the step in hand has taken.
fn elapsed(server: &ServerView, now: Timestamp) -> String {
    match &server.phase {
        Phase::Step { since, .. } => stopwatch(now.duration_since(*since)),
        Phase::Held(hold) => stopwatch(now.duration_since(hold.since)),
        Phase::Waiting | Phase::Ended(_) => String::new(),
    }
}

fn sessions(server: &ServerView) -> String {
    let counted = match &server.phase {
        Phase::Step { kind, .. } => matches!(kind, StepKind::Block | StepKind::Drain),
        Phase::Held(_) => true,
        Phase::Waiting | Phase::Ended(_) => false,
    };
    match server.sessions_left.as_ref().filter(|_| counted) {
        None => String::new(),
        Some(Answer::Known(left)) => format!("{} left", count(*left, "session")),
        Some(Answer::Unknown(why)) => format!("sessions left: unknown ({})", clean(why)),
    }
}

fn below(server: &ServerView, now: Timestamp, look: &Look) -> Option<String> {
    match &server.phase {
        Phase::Held(hold) => {
            let choices: Vec<&str> = hold.choices.iter().map(|choice| choice.word()).collect();
            Some(format!("{}; decide: {} (explain {})", clean(&hold.reason), choices.join(", "), hold.cause.code()))
        }
        Phase::Waiting | Phase::Step { .. } => server.wait.as_ref().map(|wait| waiting(wait, now, look)),
        Phase::Ended(end) => words::end_why(end).map(clean),
    }
}

/// Returns a wait in full: for what, until when and what then, why, since when (promise P11).
///
/// The order is that of what an operator needs first.
#[must_use]
pub fn waiting(wait: &Wait, now: Timestamp, look: &Look) -> String {
    let until = match wait.until {
        Some(until) => format!(" until {} at most", look.moment(until, now)),
        None => String::new(),
    };
    let why = if wait.why.is_empty() { String::new() } else { format!("; now: {}", clean(&wait.why)) };
    let then = if wait.then.is_empty() { String::new() } else { format!(", then {}", clean(&wait.then)) };
    format!("waits for {}{until}{then}{why}; since {}", clean(&wait.what), look.moment(wait.since, now))
}

/// Tells of waits where there is no live view: once when a wait begins, turns into another one, or gets another deadline, and
/// again after [`REMIND_AFTER`] for as long as it lasts.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    told: BTreeMap<usize, Told>,
    /// When waits were last looked through.
    last: Option<Timestamp>,
}

/// What was told of a server's wait, and when.
#[derive(Debug, Clone)]
struct Told {
    what: String,
    until: Option<Timestamp>,
    at: Timestamp,
}

impl Told {
    fn is_news(&self, wait: &Wait, now: Timestamp) -> bool {
        let moved = match (self.until, wait.until) {
            (Some(told), Some(until)) => until.duration_since(told).abs() >= MOVED,
            (None, None) => false,
            (None, Some(_)) | (Some(_), None) => true,
        };
        self.what != wait.what || moved || now.duration_since(self.at) >= REMIND_AFTER
    }
}

/// By how much a deadline has to move to be told again. Why five minutes: what a person plans by is told in minutes, and a
/// machine that stood still for less changes no plan.
const MOVED: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// After a jump of the time of this length the view may be one from before it: the next one is waited for. Waits are looked
/// through about once a second.
const JUMP: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

/// Why ten minutes: a log without a line for longer makes people ask whether the run is alive; at a line a minute the
/// two hours of a drain would fill a screen of their own.
pub const REMIND_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// Why half a minute: a loaded server takes that long to list its services.
const ANSWER_IS_LATE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

impl Waits {
    /// Returns the entries that are due.
    pub fn entries(&mut self, view: &View, now: Timestamp, look: &Look) -> Vec<String> {
        let names = Names::from_names(view.servers.iter().map(|server| &server.server));
        let mut entries = Vec::new();
        // A lab may be so fast that every step is a jump: none is passed over twice in a row.
        match self.last.take() {
            Some(last) if now.duration_since(last) >= JUMP => return entries,
            Some(_) | None => self.last = Some(now),
        }
        for (position, server) in view.servers.iter().enumerate() {
            let wait = match (&server.phase, &server.wait) {
                (Phase::Step { .. }, Some(wait)) => wait,
                (Phase::Step { .. } | Phase::Waiting | Phase::Held(_) | Phase::Ended(_), _) => {
                    self.told.remove(&position);
                    continue;
                }
            };
            // Most answers come within seconds, and are no news.
            if wait.until.is_none() && now.duration_since(wait.since) < ANSWER_IS_LATE {
                continue;
            }
            if self.told.get(&position).is_some_and(|told| !told.is_news(wait, now)) {
                continue;
            }
            self.told.insert(position, Told { what: wait.what.clone(), until: wait.until, at: now });
            let lead = format!("{}  {}  ", look.time(now), pad(names.at(position), names.columns));
            entries.push(look.hang(&lead, Tone::Quiet, &waiting(wait, now, look)).join("\n"));
        }
        entries
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
