//! The live view: a header and one entry per server, as a function of the view and the time.

use crate::ahead::{self, Ahead};
use crate::calm::calm;
use crate::log::Names;
use crate::style::{Look, Tone};
use crate::text::{clean, count, cut, duration, pad, right, stopwatch, width, wrap};
use crate::words;
use jiff::Timestamp;
use orchestrate_engine::View;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::view::{Phase, ServerView, Wait};
use orchestrate_model::Answer;
use orchestrate_planner::{Plan, StepKind};
use std::collections::BTreeMap;

/// On what a run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// On imitated servers.
    Lab,
    /// On the servers of the plan.
    Real,
}

impl Ground {
    /// Returns the word that stands before whatever is about a lab.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Lab => "LAB ",
            Self::Real => "",
        }
    }

    /// Returns what a plan works on: the lab, or the names of its pools.
    #[must_use]
    pub fn named(self, plan: &Plan) -> String {
        let pools = &plan.change().pools;
        match (self, pools.as_slice()) {
            (Self::Lab, _) => "LAB".to_owned(),
            (Self::Real, []) => "no pool".to_owned(),
            (Self::Real, [only]) => only.name.to_string(),
            (Self::Real, [first, more @ ..]) => format!("{} and {} more", first.name, count(more.len() as u64, "pool")),
        }
    }
}

/// What a run is about, besides how it is now.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// On what it works.
    pub ground: Ground,
    /// Its plan.
    pub plan: &'a Plan,
    /// What is likely ahead of it.
    pub ahead: &'a Ahead,
}

/// The columns of a bar: of how many servers are done, and of how many sessions have ended.
const BAR: u32 = 16;

/// The same in a narrow terminal, and what is one.
const SHORT_BAR: u32 = 6;
const NARROW: usize = 60;

/// Returns the lines above the servers: on what the run works, how far it is, how long it has taken, when it is likely over.
#[must_use]
pub fn head(about: &About<'_>, view: &View, now: Timestamp, look: &Look) -> Vec<String> {
    let title = format!("{} | {}", about.ground.named(about.plan), clean(&about.plan.change().name));
    let mut lines = vec![look.paint(Tone::Strong, &cut(&title, look.width))];
    let ends = view.servers.iter().filter_map(|server| match &server.phase {
        Phase::Ended(ServerEnd::LeftOut { .. }) => None,
        Phase::Ended(end) => Some(end.is_done()),
        Phase::Waiting | Phase::Step { .. } | Phase::Held(_) => None,
    });
    let (done, given_up): (Vec<bool>, Vec<bool>) = ends.partition(|is_done| *is_done);
    // What is over and is not done has a word of its own: it is not seen by counting.
    let given_up = if given_up.is_empty() { String::new() } else { format!(", {} given up", given_up.len()) };
    let out = view.servers.iter().filter(|server| server.out).count();
    let mut parts = vec![
        progress(view, (done.len(), &given_up), look),
        format!("{out} out"),
        view.started.map_or_else(|| "-".to_owned(), |since| stopwatch(now.duration_since(since))),
    ];
    parts.extend(end(about, view, now, look));
    parts.extend(view.stop.as_ref().map(|why| format!("stopping: {}", clean(why.text()))));
    lines.extend(packed(&parts, " | ", ("", ""), look.width).iter().map(|line| look.paint(Tone::Strong, line)));
    lines
}

/// How far the run is: of all servers, or of those that a recovery brings back.
fn progress(view: &View, (done, given_up): (usize, &str), look: &Look) -> String {
    if view.recovers {
        let left = view.servers.iter().filter(|server| is_brought_back(server)).count();
        return format!("recovery: {} to bring back", count(left as u64, "server"));
    }
    let all = view.servers.len() as u64;
    format!("{} {done} of {} done{given_up}", bar(done as u64, all, look), count(all, "server"))
}

fn is_brought_back(server: &ServerView) -> bool {
    server.changed && !matches!(server.phase, Phase::Ended(_))
}

/// When the run is likely over, and when its window ends.
pub(crate) fn end(about: &About<'_>, view: &View, now: Timestamp, look: &Look) -> Vec<String> {
    if view.ended.is_some() || view.stop.is_some() || view.recovers {
        return Vec::new();
    }
    let likely = about.ahead.likely_end(view, now);
    let window = about.ahead.window_end(now);
    let said = match (likely, window) {
        (None, _) => "its end depends on you".to_owned(),
        (Some(likely), Some(window)) if likely > window => "likely not all of it in this window".to_owned(),
        (Some(likely), _) => format!("likely done by {}", look.moment(likely, now)),
    };
    let window = window.map(|window| format!("window ends {}", look.moment(window, now)));
    [Some(said), window].into_iter().flatten().collect()
}

/// Returns a bar of so many of all.
fn bar(part: u64, all: u64, look: &Look) -> String {
    let whole = if look.width < NARROW { SHORT_BAR } else { BAR };
    let filled = u32::try_from(part.min(all) * u64::from(whole) / all.max(1)).unwrap_or(whole);
    format!("[{}{}]", "#".repeat(filled as usize), "-".repeat((whole - filled) as usize))
}

/// Returns parts one after the other, on as many lines as they need. None of them is broken where it fits a line.
fn packed(parts: &[String], between: &str, (lead, indent): (&str, &str), columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + width(between) + width(part) <= columns => {
                line.push_str(between);
                line.push_str(part);
            }
            last => {
                let first = if last.is_none() { lead } else { indent };
                let broken = wrap(part, columns.saturating_sub(width(indent)).max(1));
                lines.extend(broken.iter().enumerate().map(|(row, text)| match row {
                    0 => format!("{first}{text}"),
                    _ => format!("{indent}{text}"),
                }));
            }
        }
    }
    lines
}

/// Returns the lines of one server of the live view: its phase, the time in it against what it usually takes, its sessions against
/// those of its first count, and below that what it waits for.
#[must_use]
pub fn row(about: &About<'_>, view: &View, position: usize, now: Timestamp, look: &Look) -> Vec<String> {
    let names = Names::from_names(view.servers.iter().map(|server| &server.server));
    let Some(server) = view.servers.get(position) else {
        return Vec::new();
    };
    let (tone, word) = standing(view, server);
    let (done, all) = server.steps;
    let mut parts = vec![format!("{} {}", pad(&word, 13), right(&format!("{done}/{all}"), 5))];
    let (time, late) = time(about, server, position, now);
    parts.extend(Some(time).filter(|time| !time.is_empty()));
    parts.extend(Some(drained(server, look)).filter(|said| !said.is_empty()));
    let lead = format!("  {}  ", pad(names.at(position), names.columns));
    let indent = " ".repeat(width(&lead));
    let tone = if late && tone == Tone::Plain { Tone::Warn } else { tone };
    let rows = packed(&parts, "  ", (&lead, &indent), look.width);
    let mut lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(line, row)| match line {
            // The name has no colour: it is what the eye looks for.
            0 => format!("{lead}{}", look.paint(tone, row.strip_prefix(&lead).unwrap_or(row))),
            _ => look.paint(tone, row),
        })
        .collect();
    let calmed = ServerView { wait: calmed(server), ..server.clone() };
    lines.extend(beneath(&calmed, &indent, now, look));
    lines
}

/// Returns what a server waits for, in a calm sentence.
pub(crate) fn calmed(server: &ServerView) -> Option<Wait> {
    let Phase::Step { kind, .. } = &server.phase else { return server.wait.clone() };
    server.wait.as_ref().map(|wait| calm(wait, *kind))
}

/// Returns how long a server has been in its phase, against what that usually takes, and whether it is overdue.
fn time(about: &About<'_>, server: &ServerView, position: usize, now: Timestamp) -> (String, bool) {
    let elapsed = elapsed(server, now);
    let Phase::Step { kind, since, .. } = &server.phase else { return (elapsed, false) };
    let Some(usual) = about.ahead.usual(server, position, *kind) else { return (elapsed, false) };
    let over = now.duration_since(*since).saturating_sub(usual);
    if over.as_secs() >= OVERDUE.as_secs() {
        return (format!("{elapsed}, overdue by {}", ahead::about(over)), true);
    }
    (format!("{elapsed} of usually up to {}", duration(usual)), false)
}

/// By how much a phase has to be late to be called overdue. Why a minute: times are told in minutes.
const OVERDUE: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

/// Returns the sessions left, with a bar of those that have ended since the first count.
fn drained(server: &ServerView, look: &Look) -> String {
    let said = sessions(server);
    match (&server.sessions_left, server.sessions_first) {
        (Some(Answer::Known(left)), Some(first)) if !said.is_empty() && first > 0 && *left <= first => {
            format!("{} {left} of {} left", bar(first - left, first, look), count(first, "session"))
        }
        _ => said,
    }
}

/// Returns the lines of one server for who asks once: where it is, and below that what it waits for, when it waits.
#[must_use]
pub fn server(view: &View, position: usize, now: Timestamp, look: &Look) -> Vec<String> {
    let names = Names::from_names(view.servers.iter().map(|server| &server.server));
    let Some(server) = view.servers.get(position) else {
        return Vec::new();
    };
    let (tone, phase) = standing(view, server);
    let lead = format!("  {}  ", pad(names.at(position), names.columns));
    let (done, all) = server.steps;
    let steps = right(&format!("{done}/{all}"), 5);
    let elapsed = elapsed(server, now);
    let text = format!("{} {steps}  {}  {}", pad(&phase, 15), right(&elapsed, 8), sessions(server));
    let room = look.width.saturating_sub(lead.len());
    let mut lines = vec![format!("{lead}{}", look.paint(tone, cut(&text, room).trim_end()))];
    lines.extend(beneath(server, &" ".repeat(names.columns + 4), now, look));
    lines
}

/// Returns what stands below a server: why its pool cannot do without it, and what it waits for.
fn beneath(server: &ServerView, indent: &str, now: Timestamp, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(alarm) = &server.alarm {
        let since = look.moment(alarm.since, now);
        let said = format!("the pool cannot do without it since {since}: {}", clean(&alarm.why));
        lines.extend(look.hang(indent, Tone::Bad, &said));
    }
    if let Some(since) = server.let_in {
        let since = look.moment(since, now);
        let said = format!(
            "the balancer sends it new connections since {since}, and it is held: another hand has put it back. `retry` has it \
             taken out again"
        );
        lines.extend(look.hang(indent, Tone::Bad, &said));
    }
    if let Some(said) = below(server, now, look) {
        lines.extend(look.hang(indent, Tone::Quiet, &said));
    }
    lines
}

/// Where a server is, in a word or two.
pub(crate) fn standing(view: &View, server: &ServerView) -> (Tone, String) {
    match &server.phase {
        Phase::Waiting if view.recovers && !server.changed => (Tone::Quiet, "left as it is".to_owned()),
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

/// Returns how many sessions are left, where that is counted.
pub(crate) fn sessions(server: &ServerView) -> String {
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
            let since = look.moment(hold.since, now);
            let reason = clean(&hold.reason);
            Some(format!("at {since}: {reason}; decide: {} (explain {})", choices.join(", "), hold.cause.code()))
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
        Some(until) if until >= now => format!(" until {} at most", look.moment(until, now)),
        // The process did not run, or is about to look.
        Some(until) => format!(" (its time was up {}; it is looked at anew)", look.moment(until, now)),
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
            // What is said of a time that has passed is from before a gap: the next view has the new one.
            if wait.until.is_some_and(|until| until < now) {
                continue;
            }
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
