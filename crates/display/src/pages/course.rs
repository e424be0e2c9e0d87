//! The timeline of a run: what each server did and when, and what is likely ahead of it. The picture is that of the preview.

use super::Shown;
use crate::preview::alike::Called;
use crate::preview::nights::{Bar, Night, Nights, Part, Row, Rows, Stands, named};
use crate::preview::timeline::{self, Key, Subject};
use crate::style::Look;
use crate::templates::Unwritten;
use crate::text::{clean, count};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit, ZonedRound};
use orchestrate_engine::Record;
use orchestrate_planner::forecast::Placement;
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::windows::Opening;
use orchestrate_planner::{Plan, StepId, StepKind};
use std::collections::{BTreeMap, BTreeSet};

/// Most servers that have a row of their own, as in the preview.
const MOST_SERVERS: usize = 40;
/// Most openings of a plan that a run is placed in: more than a year of weeks.
const MOST_OPENINGS: usize = 60;
/// A part of the time that is this fraction of all has a colour that is seen.
const SEEN: i64 = 250;
/// Most servers that the words about the picture name.
const MOST_DESCRIBED: usize = 16;

/// The picture and what it shows, in words.
pub(super) struct Course {
    pub(super) svg: String,
    pub(super) described: String,
}

/// Returns the timeline of a run. The look is in the zone of the plan.
pub(super) fn drawn(shown: &Shown<'_>, look: &Look) -> Result<Option<Course>, Unwritten> {
    let plan = shown.context.plan;
    // In minutes, as all times of the page that pass.
    let round = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Trunc);
    let shown = &Shown { now: shown.now.round(round).unwrap_or(shown.now), ..*shown };
    let mut each = lived(plan, shown.records, shown.is_live().then_some(shown.now));
    let until = if shown.is_live() { shown.ahead.window_end(shown.now) } else { None };
    if shown.is_live() {
        for (own, ahead) in each.iter_mut().zip(shown.ahead.steps_ahead(shown.view, shown.now)) {
            let part = |(kind, begins, ends)| Part { kind, stands: Stands::Ahead, begins, ends };
            own.extend(ahead.into_iter().map(part).filter(|part| until.is_none_or(|until| part.begins < until)));
        }
    }
    let all: Vec<Part> = each.iter().flatten().copied().collect();
    if all.is_empty() {
        return Ok(None);
    }
    let called = Called::of_plan(plan);
    let rows = if plan.work().len() <= MOST_SERVERS {
        by_server(plan, &each, &called, look)
    } else {
        by_pool(plan, &each, look)
    };
    let of = if plan.work().len() <= MOST_SERVERS { Rows::Servers } else { Rows::Pools };
    let nights = Nights { zone: look.zone.clone(), of, rows, nights: nights(shown, &all, look), unplaced: Vec::new() };
    let described = described(&nights, look);
    let keys = keys(&all, of);
    let subject = Subject {
        title: format!("Timeline: {}", clean(&plan.change().name)),
        description: described.clone(),
        keys: &keys,
        called: &called,
        now: shown.is_live().then_some(shown.now),
    };
    Ok(Some(Course { svg: timeline::of_nights(&nights, subject, look)?, described }))
}

/// What a server has in hand while records are read.
#[derive(Clone, Copy)]
struct Open {
    kind: StepKind,
    stands: Stands,
    since: Timestamp,
}

/// What a record is for the time of a server.
#[derive(Clone, Copy)]
enum Turn {
    /// A step begins, or a hold in it.
    Begins(StepKind, Stands),
    /// What was held goes on.
    GoesOn,
    /// What was in hand is over.
    Over,
}

fn turn(plan: &Plan, record: &Record) -> Option<(WorkId, Turn)> {
    let of = |step: &StepId| {
        let step = plan.steps().get(step.0 as usize)?;
        match step.target {
            StepTarget::Server(work) => Some((work, step.kind)),
            StepTarget::Pool(_) => None,
        }
    };
    if let Record::StepStarted { step } = record {
        return of(step).map(|(work, kind)| (work, Turn::Begins(kind, Stands::Was)));
    }
    if let Record::StepDone { step, .. } = record {
        return of(step).map(|(work, _)| (work, Turn::Over));
    }
    if let Record::Held { work, step, .. } = record {
        return of(step).map(|(_, kind)| (*work, Turn::Begins(kind, Stands::Held)));
    }
    if let Record::Decided { work, .. } = record {
        return Some((*work, Turn::GoesOn));
    }
    if let Record::ServerEnded { work, .. } | Record::PutOff { work, .. } = record {
        return Some((*work, Turn::Over));
    }
    None
}

/// Returns what each server did and when. What is not over lasts until `now`, or until the last record where no process works.
fn lived(plan: &Plan, records: &[(u64, Timestamp, Record)], now: Option<Timestamp>) -> Vec<Vec<Part>> {
    let mut each: Vec<(Vec<Part>, Option<Open>)> = plan.work().iter().map(|_| (Vec::new(), None)).collect();
    let mut last = records.first().map(|(_, at, _)| *at);
    for (_, at, record) in records {
        if matches!(record, Record::Resumed { .. }) {
            // Nothing was done to a server while no process worked on the run.
            for (parts, open) in &mut each {
                close(parts, *open, last.unwrap_or(*at));
                *open = open.map(|open| Open { since: *at, ..open });
            }
        }
        if matches!(record, Record::RunEnded { .. }) {
            each.iter_mut().for_each(|(parts, open)| close(parts, open.take(), *at));
        }
        if let Some((work, turn)) = turn(plan, record)
            && let Some((parts, open)) = each.get_mut(work.0 as usize)
        {
            close(parts, *open, *at);
            *open = match turn {
                Turn::Begins(kind, stands) => Some(Open { kind, stands, since: *at }),
                Turn::GoesOn => open.map(|open| Open { stands: Stands::Was, since: *at, ..open }),
                Turn::Over => None,
            };
        }
        last = Some(*at);
    }
    let end = now.or(last);
    let ended = each.into_iter().map(|(mut parts, open)| {
        close(&mut parts, open, end.unwrap_or_default());
        parts
    });
    ended.collect()
}

fn close(parts: &mut Vec<Part>, open: Option<Open>, at: Timestamp) {
    let Some(Open { kind, stands, since }) = open else { return };
    if since < at {
        parts.push(Part { kind, stands, begins: since, ends: at });
    }
}

fn placed(parts: &[Part]) -> Option<Placement> {
    let begins = parts.iter().map(|part| part.begins).min()?;
    let ends = parts.iter().map(|part| part.ends).max()?;
    Some(Placement { begins, ends, opening: None })
}

/// A row for each server that anything was done to or is ahead of. Each part is a bar of its own, which says what it is.
fn by_server<'a>(plan: &'a Plan, each: &[Vec<Part>], called: &Called, look: &Look) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for (work, parts) in plan.work().iter().zip(each).filter(|(_, parts)| !parts.is_empty()) {
        let name = called.one(&work.server);
        let bar = |part: &Part| {
            let placed = placed(std::slice::from_ref(part))?;
            Some(Bar { placed, servers: &[], parts: vec![*part], said: Some(said(name, part, look)) })
        };
        rows.push(Row { names: vec![name], bars: parts.iter().filter_map(bar).collect() });
    }
    rows
}

/// Says what a part is.
fn said(name: &str, part: &Part, look: &Look) -> String {
    let (begins, ends) = (look.moment(part.begins, part.ends), look.date_time(part.ends));
    match part.stands {
        Stands::Ahead | Stands::PoolAhead => format!("{name}: {} likely {begins} to {ends}", part.kind),
        Stands::Held => format!("{name}: held in {} {begins} to {ends}", part.kind),
        Stands::AtWorst | Stands::Was | Stands::Pool => format!("{name}: {} {begins} to {ends}", part.kind),
    }
}

/// A row for each pool, as the preview has them: the work on its servers, and what is likely ahead of them.
fn by_pool<'a>(plan: &'a Plan, each: &[Vec<Part>], look: &Look) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for pool in &plan.change().pools {
        let own = plan.work().iter().zip(each).filter(|(work, _)| plan.pool_of(work).name == pool.name);
        let own: Vec<&Part> = own.flat_map(|(_, parts)| parts).collect();
        let mut bars = Vec::new();
        for (ahead, stands) in [(false, Stands::Pool), (true, Stands::PoolAhead)] {
            let parts: Vec<&Part> =
                own.iter().copied().filter(|part| (part.stands == Stands::Ahead) == ahead).collect();
            for (begins, ends) in merged(&parts) {
                let part = Part { kind: StepKind::Drain, stands, begins, ends };
                let Some(placed) = placed(&[part]) else { continue };
                let likely = if ahead { "likely in work" } else { "in work" };
                let (begins, ends) = (look.moment(begins, ends), look.date_time(ends));
                let said = Some(format!("{}: {likely} {begins} to {ends}", pool.name));
                bars.push(Bar { placed, servers: &[], parts: vec![part], said });
            }
        }
        if !bars.is_empty() {
            rows.push(Row { names: vec![pool.name.as_str()], bars });
        }
    }
    rows
}

/// Returns the stretches of time that parts cover. What is less than a quarter of an hour apart is one stretch.
fn merged(parts: &[&Part]) -> Vec<(Timestamp, Timestamp)> {
    let mut spans: Vec<(Timestamp, Timestamp)> = parts.iter().map(|part| (part.begins, part.ends)).collect();
    spans.sort_unstable();
    let mut told: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (begins, ends) in spans {
        match told.last_mut() {
            Some(last) if begins.duration_since(last.1).as_mins() < 15 => last.1 = last.1.max(ends),
            Some(_) | None => told.push((begins, ends)),
        }
    }
    told
}

/// Returns the nights that the work was in, and is likely to be in. Work that goes on after its window is seen as such.
fn nights(shown: &Shown<'_>, all: &[Part], look: &Look) -> Vec<Night> {
    let plan = shown.context.plan;
    let first = all.iter().map(|part| part.begins).min().unwrap_or(shown.now);
    let openings: Vec<Opening> = match &shown.ahead.calendar {
        Some(calendar) if !calendar.is_always_open() => calendar.openings(first, MOST_OPENINGS),
        Some(_) | None => Vec::new(),
    };
    let mut spans: BTreeMap<Timestamp, Placement> = BTreeMap::new();
    for part in all {
        let inside = openings.iter().find(|opening| opening.starts <= part.begins && part.begins < opening.ends);
        // What was begun in no window belongs to the one before it, or to none.
        let before = openings.iter().rev().find(|opening| opening.ends <= part.begins);
        let opening = inside.or(before.filter(|opening| part.begins.duration_since(opening.ends).as_hours() < 12));
        let key = opening.map_or(Timestamp::MIN, |opening| opening.starts);
        let new = Placement { begins: part.begins, ends: part.ends, opening: opening.copied() };
        let span = spans.entry(key).or_insert(new);
        (span.begins, span.ends) = (span.begins.min(part.begins), span.ends.max(part.ends));
    }
    let spans: Vec<Placement> = spans.into_values().collect();
    let mut nights = named(&spans, plan, look);
    for night in &mut nights {
        if openings.is_empty() {
            // Nothing bounds the work, before it or after it.
            night.open = (night.from, night.until);
        }
        let own = spans.iter().filter(|span| span.begins < night.until && night.from < span.ends);
        if let Some(last) = own.filter(|span| span.opening.is_some()).map(|span| span.ends).max() {
            night.until = night.until.max(full_hour(last, look));
        }
    }
    nights
}

fn full_hour(at: Timestamp, look: &Look) -> Timestamp {
    let round = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Ceil);
    at.to_zoned(look.zone.clone()).round(round).map_or(at, |zoned| zoned.timestamp())
}

/// What the colours mean.
fn keys(all: &[Part], of: Rows) -> Vec<Key> {
    if of == Rows::Pools {
        return Vec::new();
    }
    // What is too narrow to be seen in the picture needs no colour.
    let whole: i64 = all.iter().map(|part| part.ends.duration_since(part.begins).as_secs()).sum();
    let is_seen = |part: &&Part| part.ends.duration_since(part.begins).as_secs() * SEEN >= whole;
    let shown = all.iter().filter(|part| part.stands != Stands::Held).filter(is_seen);
    let kinds: BTreeSet<StepKind> = shown.map(|part| timeline::drawn_as(part.kind)).collect();
    let key = |(position, kind): (usize, StepKind)| Key {
        number: position + 1,
        kind: kind.word().to_owned(),
        class: format!("k-{}", kind.word()),
        limit: String::new(),
    };
    kinds.into_iter().enumerate().map(key).collect()
}

/// Returns what the picture shows, in words.
fn described(nights: &Nights<'_>, look: &Look) -> String {
    let mut said = Vec::new();
    for row in nights.rows.iter().take(MOST_DESCRIBED) {
        let parts: Vec<&Part> = row.bars.iter().flat_map(|bar| &bar.parts).collect();
        let ahead = |part: &&&Part| matches!(part.stands, Stands::Ahead | Stands::PoolAhead);
        let was: Vec<&&Part> = parts.iter().filter(|part| !ahead(part)).collect();
        let name = timeline::label(row);
        let begun = was.iter().map(|part| part.begins).min();
        let ends = parts.iter().map(|part| part.ends).max();
        said.extend(begun.or(parts.first().map(|part| part.begins)).zip(ends).map(|(begins, ends)| {
            let likely = if parts.iter().any(|part| ahead(&part)) { "likely " } else { "" };
            let from = if begun.is_some() { "" } else { "likely " };
            format!("{name} {from}from {} {likely}to {}", look.moment(begins, ends), look.date_time(ends))
        }));
    }
    if nights.rows.len() > MOST_DESCRIBED {
        said.push(format!("and {} more", count((nights.rows.len() - MOST_DESCRIBED) as u64, "row")));
    }
    format!("{}.", said.join("; "))
}
