//! The preview as one page for a change board: the verdict first, then when, then whether it may, then what.

use super::alike::{Alike, Called, alike, alike_findings, subject};
use super::doing::{ANY, Doing, services};
use super::matrix::{self, Matrix};
use super::nights::{Nights, freeze_said};
use super::said::{counted, forecast, kinds_of_pools, order_by_pool, pool_steps, rules, same_of, sessions_now, why};
use super::timeline::{self, Key, Place, label};
use super::verdict::verdict;
use super::{Preview, works};
use crate::style::{Look, Tone};
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, count, duration};
use crate::words;
use jiff::Timestamp;
use orchestrate_model::window::{Day, Recurrence, Week, Window};
use orchestrate_model::{Change, ServerName};
use orchestrate_planner::plan::Certainty;
use orchestrate_planner::{Finding, Plan, Step, StepKind};
use serde::Serialize;

/// Most servers that have a place of their own in the order, and most rows of the table of times. More are told together.
const MOST_IN_ORDER: usize = 40;
const MOST_TIMES: usize = 400;
/// Most windows and freezes that are named.
const MOST_NAMED: usize = 12;

/// How a plan is started, and where.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The command that starts it, as it is typed.
    pub command: &'a str,
    /// Where that would be.
    pub on: Ground,
}

/// Where a plan is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// On the servers that the plan names.
    Real,
    /// On the lab, which imitates them.
    Lab,
}

#[derive(Debug, Serialize)]
struct Page {
    title: String,
    reason: String,
    emergency: Option<String>,
    lab: Option<&'static str>,
    instead: Option<String>,
    verdict: Vec<Said>,
    pools: Vec<String>,
    fingerprint: String,
    approval: Approval,
    asked: String,
    zone: String,
    timeline: String,
    described: String,
    times: Vec<Time>,
    row: &'static str,
    more_times: usize,
    between: Vec<String>,
    unplaced: Option<String>,
    forecast: Vec<String>,
    kinds: Vec<Kind>,
    matrix: Matrix,
    rules: Vec<Rule>,
    order: Vec<Placed>,
    order_of_pools: Vec<Rule>,
    steps: Vec<Group>,
    afterwards: Vec<StepPart>,
    /// What speaks against a start comes before everything else.
    refused: bool,
    counted: String,
    findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Said {
    tone: &'static str,
    text: String,
}

/// How the plan is approved, or why it is not.
#[derive(Debug, Serialize)]
struct Approval {
    command: Option<String>,
    said: String,
}

/// When servers go out: a line of the table that says what the timeline draws.
#[derive(Debug, Serialize)]
struct Time {
    row: String,
    servers: String,
    begins: String,
    begins_utc: String,
    ends: String,
    ends_utc: String,
    took: String,
    window: String,
}

/// A kind of step: why it stands where it stands, and what it may take.
#[derive(Debug, Serialize)]
struct Kind {
    word: &'static str,
    why: &'static str,
    class: String,
    limit: String,
}

#[derive(Debug, Serialize)]
struct Rule {
    about: String,
    said: String,
}

/// The place of a server in the order.
#[derive(Debug, Serialize)]
struct Placed {
    server: String,
    domain: String,
    said: String,
}

/// Servers to which the same would be done.
#[derive(Debug, Serialize)]
struct Group {
    heading: String,
    names: String,
    over: Option<String>,
    steps: Vec<StepPart>,
}

#[derive(Debug, Serialize)]
struct StepPart {
    word: &'static str,
    certainty: &'static str,
    tone: &'static str,
    does: Vec<Does>,
    sessions: Option<String>,
}

#[derive(Debug, Serialize)]
struct Does {
    what: String,
    services: String,
}

#[derive(Debug, Serialize)]
struct Found {
    severity: &'static str,
    tone: &'static str,
    code: String,
    message: String,
    like: Option<String>,
    advice: String,
}

/// Returns the preview as one page that needs nothing else.
///
/// # Errors
/// A template of the program is wrong.
pub fn html(preview: &Preview<'_>, start: Start<'_>, look: &Look) -> Result<String, Unwritten> {
    rendered("preview.html", &facts(preview, start, look)?)
}

/// Returns the timeline alone, as a picture.
///
/// # Errors
/// A template of the program is wrong.
pub fn svg(preview: &Preview<'_>, look: &Look) -> Result<String, Unwritten> {
    let look = whole(look);
    timeline::svg(preview, &Nights::of(preview, &look), (Place::File, &look))
}

/// Returns the look of texts that no column bounds and no colour marks.
fn whole(look: &Look) -> Look {
    Look { width: 100_000, ..Look { zone: look.zone.clone(), ..Look::plain() } }
}

fn facts(preview: &Preview<'_>, start: Start<'_>, look: &Look) -> Result<Page, Unwritten> {
    let plan = preview.plan;
    let nights = Nights::of(preview, &whole(look));
    let look = Look { zone: nights.zone.clone(), ..whole(look) };
    let called = Called::of(preview);
    let keys = timeline::keys(plan, &nights);
    let mut times = times(&nights, &called, &look);
    let more_times = times.len().saturating_sub(MOST_TIMES);
    times.truncate(MOST_TIMES);
    let many = plan.work().len() > MOST_IN_ORDER;
    let unplaced = called.list(nights.unplaced.iter().copied());
    Ok(Page {
        title: clean(&plan.change().name),
        reason: clean(&plan.change().reason),
        emergency: words::emergency(plan.change()),
        lab: (start.on == Ground::Lab)
            .then_some("LAB: made on imitated servers; it proves nothing about the real ones"),
        instead: preview.instead.map(super::Instead::text),
        verdict: verdict(preview, &look).into_iter().map(|(tone, text)| Said { tone: class(tone), text }).collect(),
        pools: kinds_of_pools(plan),
        fingerprint: preview.fingerprint.to_owned(),
        approval: approval(preview, start),
        asked: asked(preview, &look),
        zone: zone(plan.change(), preview.report.forecast.begins, &look),
        timeline: timeline::svg(preview, &nights, (Place::Page, &look))?,
        described: timeline::description(preview, &nights, &look),
        row: if nights.of == super::nights::Rows::Servers { "server" } else { "pool" },
        times,
        more_times,
        between: nights.between(&look).into_iter().take(MOST_IN_ORDER).collect(),
        unplaced: (!nights.unplaced.is_empty()).then_some(unplaced),
        forecast: forecast(preview, &look),
        kinds: kinds(plan, &keys),
        matrix: matrix::of(preview, &called),
        rules: all_rules(plan, &look),
        order: if many { Vec::new() } else { order(preview) },
        order_of_pools: if many { by_pool(plan, &called) } else { Vec::new() },
        steps: alike(preview).iter().map(|group| steps(preview, group, &called)).collect(),
        afterwards: pool_steps(plan).into_iter().map(|(step, does)| step_part(step, &does)).collect(),
        refused: plan.refusals().next().is_some(),
        counted: counted(plan.findings()),
        findings: alike_findings(plan.findings()).into_iter().map(|(first, like)| found(first, &like)).collect(),
    })
}

/// Returns the class that a tone has on the page.
pub(crate) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Strong => "strong",
        Tone::Quiet => "quiet",
        Tone::Plain => "plain",
    }
}

fn approval(preview: &Preview<'_>, start: Start<'_>) -> Approval {
    let plan = preview.plan;
    let not = |said: &str| Approval { command: None, said: said.to_owned() };
    if plan.refusals().next().is_some() {
        return not(
            "Not to be approved as it is: a start is refused until what the findings name is put right. Make this page \
                    again then.",
        );
    }
    if plan.work().iter().all(|work| work.skip.is_some()) {
        return not("There is nothing to approve.");
    }
    if preview.seen.is_empty() {
        return not(
            "This page was made without looking at the servers. Make it again with --dry-run alone before it is \
                    approved.",
        );
    }
    let said = "This command runs the plan with this fingerprint or none. Every safety question is asked again before each \
                server.";
    let command = format!("{} --approve {}", start.command, preview.fingerprint);
    Approval { command: Some(command), said: said.to_owned() }
}

/// Says when the servers were looked at.
fn asked(preview: &Preview<'_>, look: &Look) -> String {
    let servers = || preview.seen.values().flat_map(|pool| pool.servers.values());
    match (servers().map(|seen| seen.taken).min(), servers().map(|seen| seen.taken).max()) {
        (Some(first), Some(last)) if look.date_time(first) == look.date_time(last) => {
            format!("The servers were asked on {}", look.date_time(first))
        }
        (Some(first), Some(last)) => {
            format!("The servers were asked from {} to {}", look.date_time(first), look.date_time(last))
        }
        (None, _) | (_, None) => "The servers were not asked".to_owned(),
    }
}

/// Says in which time zone times are.
fn zone(change: &Change, begins: Option<Timestamp>, look: &Look) -> String {
    let mut zones: Vec<&str> = change.windows.iter().map(|window| window.timezone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    match (change.windows.first(), zones.len()) {
        (Some(first), 1) => format!("times are those of {}", clean(&first.timezone)),
        (Some(first), several) => {
            format!(
                "times are those of {}, the first of {several} time zones that the plan names",
                clean(&first.timezone)
            )
        }
        (None, _) => begins.map_or_else(String::new, |begins| look.zone_said(begins)),
    }
}

fn times(nights: &Nights<'_>, called: &Called, look: &Look) -> Vec<Time> {
    let each = nights.rows.iter().flat_map(|row| row.bars.iter().map(move |bar| (row, bar)));
    let time = |(row, bar): (&super::nights::Row<'_>, &super::nights::Bar<'_>)| {
        let placed = bar.placed;
        let names: Vec<&str> = bar.servers.iter().map(|server| called.one(server)).collect();
        let names = names.join(", ");
        let servers = match row.names.len() {
            1 => names,
            _ => format!("{} of each, of the first {names}", count(bar.servers.len() as u64, "server")),
        };
        let local = |at: Timestamp| at.to_zoned(look.zone.clone()).strftime("%a %H:%M").to_string();
        let window = placed.opening.map_or_else(
            || "any time".to_owned(),
            |opening| format!("{} to {}", local(opening.starts), local(opening.ends)),
        );
        Time {
            row: label(row),
            servers,
            begins: look.date_time(placed.begins),
            begins_utc: placed.begins.to_string(),
            ends: look.date_time(placed.ends),
            ends_utc: placed.ends.to_string(),
            took: duration(placed.ends.duration_since(placed.begins)),
            window,
        }
    };
    let mut times: Vec<Time> = each.map(time).collect();
    times.sort_by(|one, other| one.begins_utc.cmp(&other.begins_utc));
    times
}

/// Returns the kinds of steps in the plan, and those that time is kept for, in their order.
fn kinds(plan: &Plan, keys: &[Key]) -> Vec<Kind> {
    let mut kinds: Vec<StepKind> = plan.steps().iter().map(|step| step.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = |kind: StepKind| {
        let key = keys.iter().find(|key| key.kind == kind.word());
        let (class, limit) = key.map(|key| (key.class.clone(), key.limit.clone())).unwrap_or_default();
        Kind { word: kind.word(), why: words::why_here(kind), class, limit }
    };
    kinds.into_iter().map(kind).collect()
}

/// Returns the rules with the windows and freezes.
fn all_rules(plan: &Plan, look: &Look) -> Vec<Rule> {
    let change = plan.change();
    let rule = |about: &str, said: String| Rule { about: about.to_owned(), said };
    let mut told: Vec<Rule> = rules(plan).into_iter().map(|(about, said)| rule(about, said)).collect();
    if change.windows.is_empty() {
        told.push(rule("window", "none: it may run at any time".to_owned()));
    }
    told.extend(change.windows.iter().take(MOST_NAMED).map(|window| rule("window", window_said(window))));
    told.extend(change.freezes.iter().take(MOST_NAMED).map(|freeze| rule("freeze", freeze_said(freeze, look))));
    let more = change.windows.len().saturating_sub(MOST_NAMED) + change.freezes.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        told.push(rule("more", format!("{more} further windows and freezes, which the plan file names")));
    }
    told
}

/// Returns a window in words.
pub(crate) fn window_said(window: &Window) -> String {
    let days = |days: &[Day]| days.iter().map(|day| day_word(*day)).collect::<Vec<_>>().join(", ");
    let weeks = |weeks: &[Week]| weeks.iter().map(|week| week_word(*week)).collect::<Vec<_>>().join(", ");
    let when = match &window.every {
        Recurrence::Daily => "every day".to_owned(),
        Recurrence::Weekly(on) => format!("every {}", days(on)),
        Recurrence::DayOfMonth(day) => format!("on day {day} of every month"),
        Recurrence::WeeksOfMonth(of, on) => format!("on the {} {} of every month", weeks(of), days(on)),
        Recurrence::DaysAfter { weeks: of, days: on, by } => {
            format!("{by} days after the {} {} of every month", weeks(of), days(on))
        }
        Recurrence::Once(day) => format!("once, on {day}"),
    };
    let (start, length) = (window.start.strftime("%H:%M"), duration(window.duration));
    format!("{when} from {start} for {length}, time of {}", clean(&window.timezone))
}

fn day_word(day: Day) -> &'static str {
    match day {
        Day::Monday => "Monday",
        Day::Tuesday => "Tuesday",
        Day::Wednesday => "Wednesday",
        Day::Thursday => "Thursday",
        Day::Friday => "Friday",
        Day::Saturday => "Saturday",
        Day::Sunday => "Sunday",
    }
}

fn week_word(week: Week) -> &'static str {
    match week {
        Week::First => "first",
        Week::Second => "second",
        Week::Third => "third",
        Week::Fourth => "fourth",
        Week::Last => "last",
    }
}

fn order(preview: &Preview<'_>) -> Vec<Placed> {
    let each = works(preview.plan).zip(preview.waits());
    let place = |((_, work), waits): ((_, &orchestrate_planner::ServerWork), super::Waits<'_>)| Placed {
        server: work.server.to_string(),
        domain: work.upgrade_domain.as_ref().map(ToString::to_string).unwrap_or_default(),
        said: words::passed_over(preview.plan, work).unwrap_or_else(|| why(&waits)),
    };
    each.map(place).collect()
}

fn by_pool(plan: &Plan, called: &Called) -> Vec<Rule> {
    let told = order_by_pool(plan, called);
    told.into_iter().map(|(pool, said)| Rule { about: pool.to_string(), said }).collect()
}

fn steps(preview: &Preview<'_>, group: &Alike<'_>, called: &Called) -> Group {
    let work = group.works[0].1;
    let services = services(work);
    let parts = group.steps.iter().map(|(step, does)| {
        let sessions = (step.kind == StepKind::Drain && group.works.len() > 1)
            .then(|| sessions_now(preview, called, group))
            .flatten();
        StepPart { sessions, ..step_part(step, does) }
    });
    let servers: Vec<&ServerName> = group.works.iter().map(|(_, work)| &work.server).collect();
    Group {
        heading: match servers.as_slice() {
            [only] => format!("{only}: {services}"),
            several => format!("{} servers, {services} each: the same steps for each {ANY}", several.len()),
        },
        names: if servers.len() > 1 { called.list(servers.into_iter()) } else { String::new() },
        over: work.skip.as_ref().map(|over| clean(over)),
        steps: parts.collect(),
    }
}

fn step_part(step: &Step, does: &[Doing]) -> StepPart {
    let does = does.iter().map(|doing| Does {
        what: clean(&doing.what),
        services: doing.services.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", "),
    });
    StepPart {
        word: step.kind.word(),
        certainty: step.certainty.word(),
        tone: match step.certainty {
            Certainty::Proven => "good",
            Certainty::Assumed => "warn",
            Certainty::NotKnowable => "quiet",
        },
        does: does.collect(),
        sessions: None,
    }
}

fn found(finding: &Finding, like: &[&str]) -> Found {
    let place = subject(finding);
    let message = clean(&finding.message);
    let named = place.is_empty() || finding.message.contains(place);
    Found {
        severity: words::severity(finding.severity),
        tone: class(words::severity_tone(finding.severity)),
        code: clean(&finding.code),
        message: if named { message } else { format!("{place}: {message}") },
        like: same_of(like),
        advice: clean(&finding.advice),
    }
}
