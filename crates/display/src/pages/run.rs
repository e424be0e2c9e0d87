//! The page of a run: how it is, what has to be decided, when what happened and is likely to happen, each server's story.

use super::{Decided, Frame, Page, Piece, Shown, class, course};
use crate::answering::offers;
use crate::live::{self, About, Ground, calmed, standing};
use crate::preview::alike::Called;
use crate::report::{self, Report};
use crate::stopping::{self, Seat};
use crate::style::{Look, Tone};
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, count, duration, list};
use crate::words;
use jiff::SignedDuration;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::state::Hold;
use orchestrate_engine::view::{Phase, ServerView};
use orchestrate_model::Answer;
use serde::Serialize;

/// Most lines that are told of what happened besides the steps, on a page that goes on. The report has all.
const MOST_NEWS: usize = 100;

/// Whether a page goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is told of what changes.
    Live,
    /// It stays as it is: the report.
    Frozen,
}

#[derive(Debug, Serialize)]
struct More {
    run: String,
    own_file: bool,
    live: bool,
    over: bool,
}

/// Returns the pieces of a run's page, in their order. A piece that is the same text has not changed.
///
/// # Errors
/// A template of the program is wrong.
pub fn run(shown: &Shown<'_>, look: &Look) -> Result<Vec<Piece>, Unwritten> {
    pieces(shown, Kind::Live, &shown.look(look))
}

/// Returns the page of a run, with the pieces that [`run`] returns, or the report as a page.
///
/// # Errors
/// A template of the program is wrong.
pub fn frozen(shown: &Shown<'_>, frame: &Frame, look: &Look) -> Result<String, Unwritten> {
    page(shown, frame, pieces(shown, Kind::Frozen, &shown.look(look))?, (Kind::Frozen, false))
}

/// Returns the page of a run that goes on by itself.
///
/// # Errors
/// A template of the program is wrong.
pub fn live(shown: &Shown<'_>, frame: &Frame, look: &Look) -> Result<String, Unwritten> {
    page(shown, frame, run(shown, look)?, (Kind::Live, false))
}

/// Returns the report: the same page as one file that needs nothing else.
///
/// # Errors
/// A template of the program is wrong.
pub fn report(shown: &Shown<'_>, look: &Look) -> Result<String, Unwritten> {
    page(shown, &Frame::default(), pieces(shown, Kind::Frozen, &shown.look(look))?, (Kind::Frozen, true))
}

fn page(
    shown: &Shown<'_>,
    frame: &Frame,
    pieces: Vec<Piece>,
    (kind, own_file): (Kind, bool),
) -> Result<String, Unwritten> {
    let run = shown.context.run.to_string();
    let title = title(shown);
    let events = if kind == Kind::Live { format!("/runs/{run}/events") } else { String::new() };
    let more = More { run, own_file, live: kind == Kind::Live, over: shown.state.ended.is_some() };
    rendered("run.html", &Page { title, frame, here: "run", events, pieces, more })
}

/// Returns the title of a run's page: how it is comes first, since a tab is narrow.
#[must_use]
pub fn title(shown: &Shown<'_>) -> String {
    format!("{}: {}{}", in_a_word(shown), shown.ground.tag(), clean(&shown.context.plan.change().name))
}

/// How the run is, in a word for the title.
fn in_a_word(shown: &Shown<'_>) -> String {
    let held = held(shown);
    match (shown.state.ended, shown.holder) {
        (Some(outcome), _) => words::outcome(outcome).to_owned(),
        (None, None) => "interrupted".to_owned(),
        (None, Some(_)) if !held.is_empty() => "HELD".to_owned(),
        (None, Some(_)) => "at work".to_owned(),
    }
}

fn pieces(shown: &Shown<'_>, kind: Kind, look: &Look) -> Result<Vec<Piece>, Unwritten> {
    let mut facts = report::facts(shown.context, shown.state, shown.records, look);
    if shown.is_live() {
        // What is left of a run that goes on is what it does.
        facts.left.clear();
    }
    let mut pieces = vec![
        piece("head", "run_head.html", &head(shown, look))?,
        piece("holds", "run_holds.html", &holds(shown, kind, look))?,
        piece("timeline", "run_timeline.html", &timeline(shown, look)?)?,
    ];
    for (position, server) in shown.view.servers.iter().enumerate() {
        let row = row(shown, (position, server), &facts, look);
        pieces.push(piece(&format!("s-{position}"), "run_server.html", &row)?);
        if let Some(own) = facts.servers.get(position) {
            let (done, all) = server.steps;
            let counted = format!("{done} of {} done", count(all.into(), "step"));
            let story = Story { position, counted, open: kind == Kind::Frozen, server: own };
            pieces.push(piece(&format!("t-{position}"), "run_story.html", &story)?);
        }
    }
    let rest = Rest::of(facts, kind);
    pieces.push(piece("rest", "run_rest.html", &rest)?);
    Ok(pieces)
}

/// Returns a piece by its template.
pub(super) fn piece(id: &str, template: &str, facts: &impl Serialize) -> Result<Piece, Unwritten> {
    Ok(Piece::of(id, rendered(template, facts)?))
}

#[derive(Debug, Serialize)]
struct Said {
    tone: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
struct Head {
    verdict: Vec<Said>,
    title: String,
    lab: Option<&'static str>,
    emergency: Option<String>,
    reason: String,
    done: usize,
    all: usize,
    counted: String,
    parts: Vec<String>,
    lines: Vec<String>,
    asked: String,
}

fn head(shown: &Shown<'_>, look: &Look) -> Head {
    let plan = shown.context.plan;
    let (view, now) = (shown.view, shown.now);
    let ends = || view.servers.iter().filter_map(|server| ended(&server.phase));
    let done = ends().filter(|end| matches!(end, ServerEnd::Finished | ServerEnd::NothingToDo { .. })).count();
    let (all, given_up) = (view.servers.len(), ends().count() - done);
    let out = view.servers.iter().filter(|server| server.out).count();
    let about = About { ground: shown.ground, plan, ahead: shown.ahead };
    let mut parts = vec![format!("{out} out")];
    parts.extend((given_up > 0).then(|| format!("{given_up} given up")));
    parts.extend(live::end(&about, view, now, look).into_iter().filter(|_| shown.is_live()));
    let mut lines = Vec::new();
    if shown.is_live() {
        lines.extend(stopping::lines_with_time(view, Seat::Elsewhere, (shown.ahead, now), look));
    }
    if shown.state.ended.is_none() && shown.holder.is_none() {
        let (program, run) = (shown.context.program, shown.context.run);
        lines.push(format!(
            "To go on with it: {program} resume {run}. Only to bring back what it touched: {program} recover {run}."
        ));
    }
    lines.extend(shown.holder.filter(|_| shown.is_live()).map(|holder| format!("Worked on by {}.", clean(holder))));
    let zone = look.zone_said(now);
    Head {
        verdict: verdict(shown, look),
        title: clean(&plan.change().name),
        lab: (shown.ground == Ground::Lab).then_some("LAB: on imitated servers"),
        emergency: words::emergency(plan.change()),
        reason: clean(&plan.change().reason),
        done,
        all,
        counted: format!("{done} of {} done", count(all as u64, "server")),
        parts,
        lines: lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect(),
        asked: match shown.state.ended {
            Some(_) => format!("{}; {zone}.", shown.context.run),
            None => format!("{}; as it was {}; {zone}.", shown.context.run, look.date_time(now)),
        },
    }
}

fn ended(phase: &Phase) -> Option<&ServerEnd> {
    match phase {
        Phase::Ended(end) => Some(end),
        Phase::Waiting | Phase::Step { .. } | Phase::Held(_) => None,
    }
}

/// The servers that wait for a person, by their short names.
fn held<'a>(shown: &Shown<'a>) -> Vec<&'a str> {
    let called = Called::of_plan(shown.context.plan);
    let held = shown.view.servers.iter().filter(|server| matches!(server.phase, Phase::Held(_)));
    held.map(|server| called.one(&server.server)).collect()
}

fn verdict(shown: &Shown<'_>, look: &Look) -> Vec<Said> {
    let said = |tone: Tone, text: String| Said { tone: class(tone), text };
    let (state, out) = (shown.state, out(shown));
    let left = if out.is_empty() { String::new() } else { format!(" OUT of service: {}.", list(&out)) };
    let held = held(shown);
    let first = match (state.ended, shown.holder) {
        (Some(outcome), _) => {
            let why = state.stop.as_ref().map(|why| format!(": {}", clean(why.text()))).unwrap_or_default();
            let tone = if left.is_empty() { words::outcome_tone(outcome) } else { Tone::Bad };
            let took = state.started.zip(state.last).map(|(from, to)| duration(to.duration_since(from)));
            let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
            said(tone, format!("{}{took}{why}.{left}", sentence(words::outcome(outcome))))
        }
        (None, None) if state.started.is_none() => said(Tone::Plain, "Never begun, nothing was done.".to_owned()),
        (None, None) => {
            let last = state.last.map(|last| look.date_time(last)).unwrap_or_default();
            let may = if out.is_empty() { String::new() } else { format!(" May be out of service: {}.", list(&out)) };
            said(Tone::Bad, format!("INTERRUPTED: no process works on it; the last news is from {last}.{may}"))
        }
        (None, Some(_)) if !held.is_empty() => {
            let be = if held.len() == 1 { "is" } else { "are" };
            said(Tone::Bad, format!("HELD: {} {be} waiting for a decision.", list(&held)))
        }
        (None, Some(_)) => match &state.stop {
            Some(why) => said(Tone::Warn, format!("Stopping: {}.", clean(why.text()))),
            None if out.is_empty() => said(Tone::Good, "At work: every server is in service.".to_owned()),
            None => said(Tone::Good, format!("At work: {} out of service for it.", are(&out))),
        },
    };
    let alarms = shown.view.servers.iter().filter_map(|server| Some((server, server.alarm.as_ref()?)));
    let alarms = alarms.map(|(server, alarm)| {
        let since = look.moment(alarm.since, shown.now);
        said(Tone::Bad, format!("The pool cannot do without {} since {since}: {}", server.server, clean(&alarm.why)))
    });
    std::iter::once(first).chain(alarms).collect()
}

fn are(names: &[&str]) -> String {
    format!("{} {}", list(names), if names.len() == 1 { "is" } else { "are" })
}

/// Returns words as they begin a sentence.
fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn out<'a>(shown: &Shown<'a>) -> Vec<&'a str> {
    let called = Called::of_plan(shown.context.plan);
    let out = shown.view.servers.iter().filter(|server| server.out);
    out.map(|server| called.one(&server.server)).collect()
}

#[derive(Debug, Serialize)]
struct Holds {
    run: String,
    holds: Vec<HoldPart>,
}

#[derive(Debug, Serialize)]
struct HoldPart {
    position: usize,
    name: String,
    server: String,
    title: &'static str,
    code: &'static str,
    reason: String,
    step: &'static str,
    since: String,
    since_utc: String,
    elapsed: String,
    sessions: String,
    offers: Vec<OfferPart>,
    /// Whether a person decides by the buttons of the page.
    here: bool,
    elsewhere: &'static str,
    command: Option<String>,
}

#[derive(Debug, Serialize)]
struct OfferPart {
    choice: &'static str,
    text: String,
}

fn holds(shown: &Shown<'_>, kind: Kind, look: &Look) -> Holds {
    let servers = shown.view.servers.iter().enumerate().filter(|_| shown.is_live());
    let held = servers.filter_map(|(position, server)| match &server.phase {
        Phase::Held(hold) => Some(hold_part(shown, (position, server, hold), kind, look)),
        Phase::Waiting | Phase::Step { .. } | Phase::Ended(_) => None,
    });
    Holds { run: shown.context.run.to_string(), holds: held.collect() }
}

fn hold_part(
    shown: &Shown<'_>,
    (position, server, hold): (usize, &ServerView, &Hold),
    kind: Kind,
    look: &Look,
) -> HoldPart {
    let plan = shown.context.plan;
    let (program, run) = (shown.context.program, shown.context.run);
    let attended = shown.state.is_attended();
    let here = attended && kind == Kind::Live && shown.decided == Decided::Here;
    let offers = offers(plan, shown.view, server, hold);
    HoldPart {
        position,
        name: Called::of_plan(plan).one(&server.server).to_owned(),
        server: server.server.to_string(),
        title: hold.cause.title(),
        code: hold.cause.code(),
        reason: clean(&hold.reason),
        step: plan.steps().get(hold.step.0 as usize).map_or("a step", |step| step.kind.word()),
        since: look.moment(hold.since, shown.now),
        since_utc: hold.since.to_string(),
        elapsed: in_minutes(shown.now.duration_since(hold.since)),
        sessions: sessions(server),
        offers: offers.into_iter().map(|one| OfferPart { choice: one.choice.word(), text: one.text }).collect(),
        here,
        elsewhere: if attended {
            "Decide in a terminal:"
        } else {
            "The run is unattended: it takes the choice of the plan."
        },
        command: attended.then(|| format!("{program} decide {run} {} CHOICE", server.server)),
    }
}

#[derive(Debug, Serialize)]
struct Timeline {
    svg: String,
    described: String,
}

fn timeline(shown: &Shown<'_>, look: &Look) -> Result<Timeline, Unwritten> {
    let drawn = course::drawn(shown, look)?;
    Ok(drawn.map_or_else(
        || Timeline { svg: String::new(), described: String::new() },
        |course::Course { svg, described }| Timeline { svg, described },
    ))
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    tone: &'static str,
    word: String,
    time: String,
    late: bool,
    drained: Option<Drained>,
    sessions: String,
    alarm: Option<String>,
    wait: Option<String>,
    facts: String,
}

#[derive(Debug, Serialize)]
struct Drained {
    ended: u64,
    all: u64,
    said: String,
}

fn row(shown: &Shown<'_>, (position, server): (usize, &ServerView), facts: &Report, look: &Look) -> Row {
    let (tone, word) = standing(shown.view, server);
    let (time, late) = if shown.is_live() { time(shown, (position, server), look) } else { (String::new(), false) };
    let drained = drained(server).filter(|_| shown.is_live());
    let ended = matches!(server.phase, Phase::Ended(_)) || !shown.is_live();
    let own = facts.servers.get(position).filter(|own| ended && own.took != "-");
    let since = |at| look.moment(at, shown.now);
    Row {
        name: server.server.to_string(),
        tone: class(tone),
        word: own.filter(|_| shown.state.ended.is_some()).map_or(word, |own| own.end.clone()),
        time,
        late,
        sessions: if drained.is_none() && shown.is_live() { sessions(server) } else { String::new() },
        drained,
        alarm: server
            .alarm
            .as_ref()
            .map(|alarm| format!("The pool cannot do without it since {}: {}", since(alarm.since), clean(&alarm.why))),
        wait: calmed(server)
            .filter(|_| shown.is_live() && matches!(server.phase, Phase::Step { .. } | Phase::Waiting))
            .map(|wait| live::waiting(&wait, shown.now, look)),
        facts: own.map(said).unwrap_or_default(),
    }
}

/// How the work on a server ended, with when it began and how long it took.
fn said(own: &report::ServerPart) -> String {
    let began = format!("began {}, took {}", own.began, own.took);
    if own.facts.is_empty() { began } else { format!("{began}; {}", own.facts) }
}

/// Returns how long a server has been in its phase, in minutes, against what that usually takes, and whether it is overdue.
/// Minutes, so that a page is told of it once a minute and not all the time.
fn time(shown: &Shown<'_>, (position, server): (usize, &ServerView), look: &Look) -> (String, bool) {
    let Phase::Step { kind, since, .. } = &server.phase else { return (String::new(), false) };
    let elapsed = shown.now.duration_since(*since);
    let (minutes, at) = (in_minutes(elapsed), look.moment(*since, shown.now));
    let (done, all) = server.steps;
    let lead = format!("step {} of {all}, since {at}, for {minutes}", (done + 1).min(all));
    let Some(usual) = shown.ahead.usual(server, position, *kind) else { return (lead, false) };
    let over = elapsed.saturating_sub(usual);
    if over >= SignedDuration::from_mins(1) {
        return (format!("{lead}: overdue by {}", in_minutes(over)), true);
    }
    (format!("{lead} of usually up to {}", duration(usual)), false)
}

fn in_minutes(length: SignedDuration) -> String {
    match length.as_mins() {
        ..=0 => "less than a minute".to_owned(),
        minutes => duration(SignedDuration::from_mins(minutes)),
    }
}

fn drained(server: &ServerView) -> Option<Drained> {
    match (&server.sessions_left, server.sessions_first) {
        (Some(Answer::Known(left)), Some(all)) if all > 0 && *left <= all && !live::sessions(server).is_empty() => {
            let said = format!("{left} of {} left", count(all, "session"));
            Some(Drained { ended: all - left, all, said })
        }
        _ => None,
    }
}

fn sessions(server: &ServerView) -> String {
    live::sessions(server)
}

#[derive(Debug, Serialize)]
struct Story<'a> {
    position: usize,
    counted: String,
    open: bool,
    #[serde(flatten)]
    server: &'a report::ServerPart,
}

#[derive(Debug, Serialize)]
struct Rest {
    earlier: Option<String>,
    #[serde(flatten)]
    report: Report,
}

impl Rest {
    fn of(mut report: Report, kind: Kind) -> Self {
        report.servers.clear();
        let more = report.course.len().saturating_sub(MOST_NEWS);
        let earlier = (kind == Kind::Live && more > 0).then(|| format!("{more} earlier lines are in the report."));
        if kind == Kind::Live {
            report.course.drain(..more);
            report.course.reverse();
        }
        Self { earlier, report }
    }
}
