//! What the windows mean for the work.

use super::{Context, note, refusal, warning};
use crate::codes;
use crate::forecast::{Forecast, room_of};
use crate::plan::Finding;
use crate::windows::{Opening, WindowState};
use crate::words::{count, list, time};
use jiff::SignedDuration;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use orchestrate_model::change::WindowFit;
use orchestrate_model::{Change, Pool, Product, Role};

/// The product's nightly work: database maintenance and the address book, both at their default times. A restart in
/// the middle of either is known to fail.
const NIGHTLY: [(Time, &str); 2] =
    [(Time::constant(1, 0, 0, 0), "database maintenance"), (Time::constant(1, 30, 0, 0), "the address book")];

/// How many openings ahead are looked at for one that is long enough.
const LOOK_AHEAD: usize = 60;

pub(super) fn change(context: &Context<'_>, forecast: &Forecast, found: &mut Vec<Finding>) {
    if context.calendar.is_always_open() {
        found.extend(nightly(context, forecast));
        return;
    }
    let openings = context.calendar.openings(context.now, LOOK_AHEAD);
    if openings.is_empty() {
        let (text, advice) = if context.change.freezes.is_empty() {
            ("no window of the plan opens from now on", "Correct the windows of the plan: they lie in the past.")
        } else {
            let advice = "Correct the windows and freezes of the plan.";
            ("no window opens from now on, as the freezes leave them", advice)
        };
        found.push(refusal(codes::NEVER_OPEN, text).advise(advice));
        return;
    }
    if let WindowState::Outside { next: Some(next) } = context.calendar.state(context.now) {
        let text = format!("no window is open now; the next one opens at {}", next.starts);
        found.push(
            note(codes::NEVER_OPEN, text).advise("Start the run then: outside a window it is refused (exit code 11)."),
        );
    }
    let longest = openings.iter().map(Opening::length).max().unwrap_or_default();
    for (pool, scope) in context.change.pools.iter().zip(context.scopes) {
        let usual = context.change.maintenance.soak;
        let first = pool.first.as_ref().map_or(usual, |first| pool.soak_of(&first.server, usual));
        let needs = room_of(context.change, scope) + (first - usual).max(SignedDuration::ZERO);
        if needs > longest {
            let takes = match context.change.maintenance.fit {
                WindowFit::Worst => "takes up to",
                WindowFit::Likely => "with its reserve likely takes",
            };
            let text = format!(
                "a server of {} {takes} {}, and no window ahead is longer than {}",
                pool.name,
                time(needs),
                time(longest)
            );
            found.push(refusal(codes::TOO_LONG, text).pool(pool).advise(too_long(context.change)));
        }
    }
    found.extend(overrun(context.change, forecast));
    found.extend(several(context.change, forecast));
    found.extend(not_all(forecast));
    found.extend(nightly(context, forecast));
}

fn too_long(change: &Change) -> &'static str {
    match change.maintenance.fit {
        WindowFit::Worst => {
            "Shorten drain.deadline, patch.deadline or soak, or make the window longer. With `fit: likely` what a server \
             likely takes has to fit, and one that takes longer ends after its window."
        }
        WindowFit::Likely => "Shorten drain.deadline, patch.deadline or soak, or make the window longer.",
    }
}

/// What the plan gives up with `fit: likely`.
fn overrun(change: &Change, forecast: &Forecast) -> Option<Finding> {
    if change.maintenance.fit == WindowFit::Worst || forecast.servers == 0 {
        return None;
    }
    let over = forecast.one_server - forecast.room;
    let text = format!(
        "a server is begun when {} are left of its window (`fit: likely`); at worst it takes {}, and ends {} after it",
        time(forecast.room),
        time(forecast.one_server),
        time(over)
    );
    let advice = "A server that has begun its patch is finished and given back whatever the time is. Have someone told who \
                  can decide then (`notify`), or leave `fit` at `worst`.";
    over.is_positive().then(|| warning(codes::MAY_OVERRUN, text).advise(advice))
}

fn several(change: &Change, forecast: &Forecast) -> Option<Finding> {
    let openings = forecast.openings.filter(|openings| *openings > 1)?;
    let per_opening = usize::try_from(forecast.batches_per_opening.unwrap_or(0)).unwrap_or(usize::MAX);
    let (one, several) = if change.maintenance.at_once == 1 { ("server", "servers") } else { ("batch", "batches") };
    let room = match per_opening {
        0 => "the next one has no room for any".to_owned(),
        1 => format!("the next one has room for 1 {one} of a pool"),
        more => format!("the next one has room for {more} {several} of a pool, one after the other"),
    };
    let text = format!(
        "{}, each out for up to {}, {} {openings} windows at worst: {room}",
        count(forecast.servers, "server"),
        time(forecast.one_server),
        if forecast.servers == 1 { "needs" } else { "need" },
    );
    let advice = "The pool stays at mixed levels in between. Sessions that end before their deadline make it shorter.";
    Some(warning(codes::SEVERAL_OPENINGS, text).advise(advice))
}

/// The windows that are left have no room for everything at worst: what does not fit is not begun, and stays undone.
fn not_all(forecast: &Forecast) -> Option<Finding> {
    if forecast.servers == 0 || forecast.begins.is_none() || forecast.ends.is_some() {
        return None;
    }
    let text = format!(
        "the windows that are still to come, as the freezes leave them, have no room for all {} at worst, each out for up to {}: \
         what does not fit is not begun",
        count(forecast.servers, "server"),
        time(forecast.one_server)
    );
    let advice = "Add windows, or make them longer. What is not begun stays at its level.";
    Some(warning(codes::SEVERAL_OPENINGS, text).advise(advice))
}

fn nightly(context: &Context<'_>, forecast: &Forecast) -> Option<Finding> {
    let concerned =
        |pool: &Pool| pool.product != Product::Generic && matches!(pool.role, Role::FrontEnd | Role::StandardEdition);
    if !context.change.pools.iter().any(concerned) {
        return None;
    }
    let (jobs, when) = if context.change.windows.is_empty() { in_the_work(forecast)? } else { in_a_window(context)? };
    let jobs = list(jobs.iter().map(|(at, what)| format!("{what} at {}", at.strftime("%H:%M"))));
    let text = format!("by default the product runs {jobs}, {when}");
    let longest = context.change.windows.iter().map(|window| window.duration).max().unwrap_or(forecast.length);
    // No beginning of what takes most of a day keeps clear of the night.
    let or = if longest > SHORT_OF_A_DAY { "state windows that keep clear of it" } else { "begin earlier" };
    let advice = format!(
        "A service that starts while it runs may fail to start. Move the nightly work (01:00 database maintenance, 01:30 address \
         book), or {or}."
    );
    Some(warning(codes::NIGHT_WORK, text).advise(advice))
}

/// What lasts longer than this cannot begin so early that it ends before the night.
const SHORT_OF_A_DAY: SignedDuration = SignedDuration::from_hours(16);

/// Jobs of the night, and the time that they fall into.
type Fallen = (Vec<(Time, &'static str)>, String);

/// Returns the jobs that fall into a window, for the window that most of them fall into.
fn in_a_window(context: &Context<'_>) -> Option<Fallen> {
    let windows = context.change.windows.iter().map(|window| (falling(window.start, window.duration), window));
    let most = windows.rev().max_by_key(|(jobs, _)| jobs.len());
    let (jobs, window) = most.filter(|(jobs, _)| !jobs.is_empty())?;
    Some((jobs, format!("inside the window that opens at {} ({})", window.start.strftime("%H:%M"), window.timezone)))
}

/// Returns the jobs that fall into the work itself at worst, where no window says when it is. No time zone is stated
/// then, so the time is UTC.
fn in_the_work(forecast: &Forecast) -> Option<Fallen> {
    let begins = forecast.begins.filter(|_| forecast.servers > 0)?;
    let jobs = falling(TimeZone::UTC.to_datetime(begins).time(), forecast.length);
    let from = begins.strftime("%Y-%m-%d %H:%MZ");
    let text = format!("in the work from {from} on, which takes up to {}", time(forecast.length));
    (!jobs.is_empty()).then(|| (jobs, format!("{text} (by UTC, since the plan states no time zone)")))
}

fn falling(start: Time, length: SignedDuration) -> Vec<(Time, &'static str)> {
    let into = |at: Time| (seconds(at) - seconds(start)).rem_euclid(24 * 3600);
    NIGHTLY.into_iter().filter(|(at, _)| into(*at) < length.as_secs()).collect()
}

fn seconds(time: Time) -> i64 {
    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}
