//! The calendar: when the windows of each served plan are open, and what is frozen, in the weeks ahead.

use super::{Frame, Page, whole};
use crate::preview::nights::frozen;
use crate::preview::{freeze_said, window_said};
use crate::style::Look;
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, duration};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use orchestrate_model::Change;
use orchestrate_planner::windows::{Calendar, Opening};
use serde::Serialize;
use std::fmt::Write as _;

/// How many weeks are shown: what is approved today is run within a month.
const WEEKS: i64 = 5;
/// Most openings of a plan in that time, and most plans that are shown.
const MOST_OPENINGS: usize = 80;
const MOST_PLANS: usize = 200;

/// A plan of the served folder.
#[derive(Debug, Clone)]
pub struct Served {
    /// Its file.
    pub plan: String,
    /// What it says; or why that cannot be read.
    pub change: Result<Change, String>,
}

#[derive(Debug, Serialize)]
struct More {
    days: Vec<DayHead>,
    months: Vec<Month>,
    plans: Vec<PlanPart>,
    more: usize,
    zone: String,
}

#[derive(Debug, Serialize)]
struct Month {
    name: String,
    days: usize,
}

#[derive(Debug, Serialize)]
struct DayHead {
    number: i8,
    weekday: String,
    said: String,
    weekend: bool,
    today: bool,
}

#[derive(Debug, Serialize)]
struct PlanPart {
    title: String,
    plan: String,
    unreadable: Option<String>,
    always: bool,
    zone: String,
    cells: Vec<Cell>,
    openings: Vec<String>,
    rules: Vec<String>,
    freezes: Vec<String>,
}

/// A day of a plan.
#[derive(Debug, Serialize)]
struct Cell {
    class: String,
    said: String,
    mark: &'static str,
    today: bool,
    weekend: bool,
}

/// Returns the page.
///
/// # Errors
/// A template of the program is wrong.
pub fn calendar(plans: &[Served], now: Timestamp, frame: &Frame, look: &Look) -> Result<String, Unwritten> {
    let look = whole(look);
    let today = now.to_zoned(look.zone.clone()).date();
    let days: Vec<Date> = (0..WEEKS * 7).filter_map(|ahead| today.checked_add(ahead.days()).ok()).collect();
    let head = |day: &Date| DayHead {
        number: day.day(),
        weekday: day.strftime("%a").to_string(),
        said: day.strftime("%a %d %b").to_string(),
        weekend: is_weekend(*day),
        today: *day == today,
    };
    let mut months: Vec<Month> = Vec::new();
    for day in &days {
        let name = day.strftime("%B %Y").to_string();
        match months.last_mut() {
            Some(last) if last.name == name => last.days += 1,
            Some(_) | None => months.push(Month { name, days: 1 }),
        }
    }
    for month in &mut months {
        // A month of few days has no room for its whole name.
        if month.days < 4 {
            month.name.truncate(3);
        }
    }
    let more = More {
        days: days.iter().map(head).collect(),
        months,
        plans: plans.iter().take(MOST_PLANS).map(|plan| part(plan, &days, now, &look)).collect(),
        more: plans.len().saturating_sub(MOST_PLANS),
        zone: look.zone_said(now),
    };
    let (title, events) = ("Windows".to_owned(), String::new());
    rendered("calendar.html", &Page { title, frame, here: "windows", events, pieces: Vec::new(), more })
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday)
}

fn part(served: &Served, days: &[Date], now: Timestamp, look: &Look) -> PlanPart {
    let mut part = PlanPart {
        title: String::new(),
        plan: clean(&served.plan),
        unreadable: None,
        always: false,
        zone: String::new(),
        cells: Vec::new(),
        openings: Vec::new(),
        rules: Vec::new(),
        freezes: Vec::new(),
    };
    let read = served.change.as_ref().map_err(Clone::clone);
    let read = read
        .and_then(|change| Ok((change, Calendar::new(&change.windows, &change.freezes).map_err(|no| no.to_string())?)));
    let (change, calendar) = match read {
        Ok(read) => read,
        Err(why) => {
            part.unreadable = Some(clean(&why));
            return part;
        }
    };
    let own = change.windows.first().and_then(|window| TimeZoneDatabase::bundled().get(&window.timezone).ok());
    let zone = own.unwrap_or_else(|| look.zone.clone());
    let local = Look { zone, ..look.clone() };
    let until = now.checked_add(SignedDuration::from_hours(24 * 7 * WEEKS)).unwrap_or(now);
    let openings: Vec<Opening> = if calendar.is_always_open() {
        Vec::new()
    } else {
        calendar.openings(now, MOST_OPENINGS).into_iter().filter(|opening| opening.starts < until).collect()
    };
    part.title = clean(&change.name);
    part.always = calendar.is_always_open();
    part.zone = clean(change.windows.first().map_or("", |window| &window.timezone));
    part.cells = days.iter().map(|day| cell((change, &openings, part.always), *day, (now, &local))).collect();
    part.openings = openings.iter().map(|opening| span(opening, &local)).collect();
    part.rules = change.windows.iter().map(window_said).collect();
    part.freezes = change.freezes.iter().map(|freeze| freeze_said(freeze, &local)).collect();
    part
}

/// Returns an opening in words.
fn span(opening: &Opening, look: &Look) -> String {
    let (starts, ends) = (look.date_time(opening.starts), look.moment(opening.ends, opening.starts));
    format!("{starts} to {ends}, {}", duration(opening.length()))
}

/// Returns what a day is for a plan: windows that begin on it, that go on into it, and freezes that touch it. Days are those of the
/// plan's zone.
fn cell((change, openings, always): (&Change, &[Opening], bool), day: Date, (now, look): (Timestamp, &Look)) -> Cell {
    let bounds = bounds(day, &look.zone);
    let touches = |from: Timestamp, to: Timestamp| bounds.is_some_and(|(start, end)| from < end && start < to);
    let begins =
        |opening: &&Opening| bounds.is_some_and(|(start, end)| start <= opening.starts && opening.starts < end);
    let begun: Vec<&Opening> = openings.iter().filter(begins).collect();
    let all_day = |opening: &Opening| bounds.is_some_and(|(start, end)| opening.starts <= start && end <= opening.ends);
    let all_day = openings.iter().any(all_day);
    let goes_on = openings.iter().any(|opening| touches(opening.starts, opening.ends));
    let frozen: Vec<_> = change.freezes.iter().filter_map(|freeze| frozen(freeze, look)).collect();
    let frozen: Vec<_> = frozen.into_iter().filter(|(from, to, _)| touches(*from, *to)).collect();
    let mut said = day.strftime("%a %d %b").to_string();
    for opening in &begun {
        let (from, to) = (look.moment(opening.starts, opening.starts), look.moment(opening.ends, opening.starts));
        write!(said, "; open {from} to {to}").unwrap_or_default();
    }
    for (.., freeze) in &frozen {
        write!(said, "; {}", freeze_said(freeze, look)).unwrap_or_default();
    }
    let (class, mark) = match (begun.is_empty(), goes_on, frozen.is_empty()) {
        (false, _, true) => ("open", "open"),
        (false, _, false) => ("open frozen", "open"),
        (true, _, false) => ("frozen", "frozen"),
        (true, true, true) if all_day => ("open", "open"),
        (true, true, true) => ("tail", "until"),
        (true, false, true) if always => ("any", "any time"),
        (true, false, true) => ("", ""),
    };
    let today = now.to_zoned(look.zone.clone()).date() == day;
    Cell { class: class.to_owned(), said, mark, today, weekend: is_weekend(day) }
}

fn bounds(day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let midnight = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp());
    Some((midnight(day)?, midnight(day.tomorrow().ok()?)?))
}
