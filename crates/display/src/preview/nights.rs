//! Which servers go out in which night at worst: what the timeline draws and the table beside it says. Times only; no
//! measure of a picture is here.

use super::Preview;
use super::alike::Called;
use crate::style::Look;
use crate::text::{clean, duration};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{RoundMode, SignedDuration, Timestamp, Unit, Zoned, ZonedRound};
use orchestrate_model::ServerName;
use orchestrate_model::window::Freeze;
use orchestrate_planner::forecast::{PlacedBatch, Placement};
use orchestrate_planner::{Plan, StepKind, limits};
use std::collections::{BTreeMap, BTreeSet};

/// Most servers that have a row of their own. Forty rows are what fits on a sheet of paper; beyond, a row is a pool.
const MOST_SERVERS: usize = 40;

/// The longest time that is one panel. Longer work is cut into days: at twelve columns to the hour a day and a half is as
/// wide as a page.
const LONGEST: SignedDuration = SignedDuration::from_hours(36);

/// Most freezes that are named in one gap.
const MOST_FREEZES: usize = 3;

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One server.
    Servers,
    /// A pool, or several that go out at the same times.
    Pools,
}

/// When the servers of a plan go out at worst.
pub(crate) struct Nights<'a> {
    /// The time zone in which the plan thinks.
    pub(crate) zone: TimeZone,
    pub(crate) of: Rows,
    /// In the order in which they begin.
    pub(crate) rows: Vec<Row<'a>>,
    /// In the order of time.
    pub(crate) nights: Vec<Night>,
    /// Servers that fit no opening ahead, or wait for some that fit none.
    pub(crate) unplaced: Vec<&'a ServerName>,
}

/// What goes out one after the other.
pub(crate) struct Row<'a> {
    /// The names of the server or of the pools.
    pub(crate) names: Vec<&'a str>,
    pub(crate) bars: Vec<Bar<'a>>,
}

/// Servers that are out together.
pub(crate) struct Bar<'a> {
    pub(crate) placed: Placement,
    /// The servers; where several pools are alike, those of the first.
    pub(crate) servers: &'a [ServerName],
    /// What the time is for at worst, in order. Empty where a row is a pool.
    pub(crate) parts: Vec<Part>,
    /// What is said of it. `None`: when it is at worst.
    pub(crate) said: Option<String>,
}

/// What a part of a bar says of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    /// A step at its limit.
    AtWorst,
    /// A step as it was.
    Was,
    /// A hold.
    Held,
    /// A step as it likely will be.
    Ahead,
    /// Work on the servers of a pool, as it was.
    Pool,
    /// The same as it likely will be.
    PoolAhead,
}

/// A step, or a time of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: StepKind,
    pub(crate) stands: Stands,
    pub(crate) begins: Timestamp,
    pub(crate) ends: Timestamp,
}

/// A stretch of time in which servers go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Night {
    /// From this full hour.
    pub(crate) from: Timestamp,
    /// To this full hour.
    pub(crate) until: Timestamp,
    /// When the window is open in it; all of it where the plan has no windows.
    pub(crate) open: (Timestamp, Timestamp),
    /// What lies between the night before and this one. `None`: nothing does.
    pub(crate) gap: Option<Gap>,
}

/// Time between two nights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) length: SignedDuration,
    /// The freezes in it, in words.
    pub(crate) freezes: Vec<String>,
    /// Why the first of them is.
    pub(crate) reason: Option<String>,
}

impl<'a> Nights<'a> {
    pub(crate) fn of(preview: &Preview<'a>, look: &Look) -> Self {
        let zone = zone(preview.plan).unwrap_or_else(|| look.zone.clone());
        let schedule = &preview.report.forecast.schedule;
        let servers: usize = schedule.iter().map(|batch| batch.servers.len()).sum();
        let (of, rows) = if servers <= MOST_SERVERS {
            (Rows::Servers, by_server(preview, schedule))
        } else {
            (Rows::Pools, by_pool(preview.plan, schedule))
        };
        let placed: Vec<Placement> = schedule.iter().filter_map(|batch| batch.placed).collect();
        let nights = named(&placed, preview.plan, &Look { zone: zone.clone(), ..look.clone() });
        let unplaced = schedule.iter().filter(|batch| batch.placed.is_none()).flat_map(|batch| &batch.servers);
        Self { zone, of, rows, nights, unplaced: unplaced.collect() }
    }

    /// Says which freezes lie between the nights, before which.
    pub(crate) fn between(&self, look: &Look) -> Vec<String> {
        let gap = |night: &Night| {
            let gap = night.gap.as_ref().filter(|gap| !gap.freezes.is_empty())?;
            let (before, length) = (look.date_time(night.open.0), duration(gap.length));
            Some(format!("the {length} before {before}: {}", gap.freezes.join("; ")))
        };
        self.nights.iter().filter_map(gap).collect()
    }
}

/// Returns the time zone of a plan: that of its first window.
pub(crate) fn zone(plan: &Plan) -> Option<TimeZone> {
    let window = plan.change().windows.first()?;
    TimeZoneDatabase::bundled().get(&window.timezone).ok()
}

fn by_server<'a>(preview: &Preview<'a>, schedule: &'a [PlacedBatch]) -> Vec<Row<'a>> {
    let (plan, called) = (preview.plan, Called::of(preview));
    let each = schedule.iter().flat_map(|batch| batch.servers.iter().map(move |server| (batch, server)));
    let row = |(batch, server): (&'a PlacedBatch, &'a ServerName)| {
        let placed = batch.placed?;
        let servers = std::slice::from_ref(server);
        let bar = Bar { placed, servers, parts: parts(plan, server, placed.begins), said: None };
        Some(Row { names: vec![called.one(server)], bars: vec![bar] })
    };
    each.filter_map(row).collect()
}

/// Returns what the time of a server is for that begins at this moment.
fn parts(plan: &Plan, server: &ServerName, begins: Timestamp) -> Vec<Part> {
    let Some(work) = plan.work_named(server) else { return Vec::new() };
    let mut at = begins;
    let part = |(kind, limit): (StepKind, SignedDuration)| {
        let limit = if kind == StepKind::Soak { plan.soak_of(work) } else { limit };
        let begins = at;
        at = at.checked_add(limit).unwrap_or(Timestamp::MAX);
        Part { kind, stands: Stands::AtWorst, begins, ends: at }
    };
    limits::parts(plan.change(), &work.block).into_iter().map(part).collect()
}

/// Returns a row for each pool; pools that go out at the same times, so many servers each time, share one.
fn by_pool<'a>(plan: &Plan, schedule: &'a [PlacedBatch]) -> Vec<Row<'a>> {
    let short = |name: &'a str| name.split('.').next().unwrap_or(name);
    let all = &plan.change().pools;
    let apart = all.iter().map(|pool| pool.name.as_str().split('.').next()).collect::<BTreeSet<_>>().len() == all.len();
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (batch, placed) in schedule.iter().filter_map(|batch| Some((batch, batch.placed?))) {
        let place = *pools.entry(batch.pool.as_str()).or_insert(rows.len());
        if place == rows.len() {
            let name = batch.pool.as_str();
            rows.push(Row { names: vec![if apart { short(name) } else { name }], bars: Vec::new() });
        }
        rows[place].bars.push(Bar { placed, servers: &batch.servers, parts: Vec::new(), said: None });
    }
    let mut told: Vec<Row<'_>> = Vec::new();
    let mut known: BTreeMap<Vec<(Timestamp, Timestamp, usize)>, usize> = BTreeMap::new();
    for row in rows {
        let times = row.bars.iter().map(|bar| (bar.placed.begins, bar.placed.ends, bar.servers.len()));
        let place = *known.entry(times.collect()).or_insert(told.len());
        match told.get_mut(place) {
            Some(like) => like.names.extend(row.names),
            None => told.push(row),
        }
    }
    told
}

/// Returns the stretches of time that the work is in, with what lies between them. The look is in the plan's zone.
pub(crate) fn named(placed: &[Placement], plan: &Plan, look: &Look) -> Vec<Night> {
    let mut nights = nights(placed, &look.zone);
    name_gaps(&mut nights, plan, look);
    nights
}

/// Returns the stretches of time that the work is in: each opening, and the days of what is longer.
fn nights(placed: &[Placement], zone: &TimeZone) -> Vec<Night> {
    let mut nights: BTreeMap<Timestamp, Night> = BTreeMap::new();
    let mut add = |from: Timestamp, until: Timestamp, open: (Timestamp, Timestamp)| {
        let open = (open.0.max(from), open.1.min(until));
        nights.entry(from).or_insert(Night { from, until, open, gap: None });
    };
    let (first, last) = (placed.iter().map(|one| one.begins).min(), placed.iter().map(|one| one.ends).max());
    for one in placed {
        let open = match (one.opening, first, last) {
            (Some(opening), ..) => (opening.starts, opening.ends),
            (None, Some(first), Some(last)) => (first, last),
            (None, ..) => (one.begins, one.ends),
        };
        if open.1.duration_since(open.0) <= LONGEST {
            add(hour(open.0, zone, RoundMode::Trunc), hour(open.1, zone, RoundMode::Ceil), open);
            continue;
        }
        let mut day = one.begins.to_zoned(zone.clone()).start_of_day();
        while let Some((from, next)) = day.ok().and_then(|day| Some((day.timestamp(), day.tomorrow().ok()?))) {
            if from >= one.ends {
                break;
            }
            day = next.start_of_day();
            add(from, day.as_ref().map_or(Timestamp::MAX, Zoned::timestamp), open);
        }
    }
    nights.into_values().collect()
}

/// Returns the full hour before a moment or after it.
fn hour(at: Timestamp, zone: &TimeZone, mode: RoundMode) -> Timestamp {
    let round = ZonedRound::new().smallest(Unit::Hour).mode(mode);
    at.to_zoned(zone.clone()).round(round).map_or(at, |zoned| zoned.timestamp())
}

/// Says what lies between each night and the one before it.
fn name_gaps(nights: &mut [Night], plan: &Plan, look: &Look) {
    let freezes: Vec<(Timestamp, Timestamp, &Freeze)> =
        plan.change().freezes.iter().filter_map(|freeze| frozen(freeze, look)).collect();
    let mut before: Option<Timestamp> = None;
    for night in nights {
        let (from, ends) = (night.open.0, night.open.1);
        if let Some(before) = before.filter(|before| *before < from) {
            let inside = freezes.iter().filter(|(starts, ends, _)| *starts < from && before < *ends);
            let inside: Vec<&Freeze> = inside.map(|(.., freeze)| *freeze).collect();
            let reason = inside.first().map(|freeze| clean(freeze.reason()));
            let mut named: Vec<String> = inside.iter().map(|freeze| freeze_said(freeze, look)).collect();
            if named.len() > MOST_FREEZES {
                let more = named.len() - MOST_FREEZES;
                named.truncate(MOST_FREEZES);
                named.push(format!("and {more} more freezes"));
            }
            night.gap = Some(Gap { length: from.duration_since(before), freezes: named, reason });
        }
        before = Some(ends);
    }
}

/// Returns when a freeze is, with it.
pub(crate) fn frozen<'f>(freeze: &'f Freeze, look: &Look) -> Option<(Timestamp, Timestamp, &'f Freeze)> {
    match freeze {
        Freeze::Span(span) => Some((span.from, span.to, freeze)),
        Freeze::Days(days) => {
            let own = days.timezone.as_ref().and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
            let zone = own.unwrap_or_else(|| look.zone.clone());
            let midnight = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp());
            Some((midnight(days.from)?, midnight(days.to.tomorrow().ok()?)?, freeze))
        }
    }
}

/// Returns a freeze in words.
pub(crate) fn freeze_said(freeze: &Freeze, look: &Look) -> String {
    let reason = clean(freeze.reason());
    match freeze {
        Freeze::Span(span) => {
            format!("freeze from {} to {}: {reason}", look.date_time(span.from), look.date_time(span.to))
        }
        Freeze::Days(days) if days.from == days.to => format!("freeze on {}: {reason}", days.from),
        Freeze::Days(days) => format!("freeze from {} to {}, both included: {reason}", days.from, days.to),
    }
}
