//! `orchestrate windows`: when the plan's windows open next.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file;
use crate::terminal::output;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use orchestrate_display::{Look, duration};
use orchestrate_planner::windows::Calendar;
use std::num::NonZeroUsize;
use std::path::Path;

/// Prints the openings in the time of the plan's windows, which may not be that of this machine, and in UTC.
pub(crate) fn run(plan: &Path, most: NonZeroUsize) -> Result<Exit, Failure> {
    let change = plan_file::read(plan)?.change;
    let calendar = Calendar::new(&change.windows, &change.freezes)?;
    if calendar.is_always_open() {
        output::data("the plan names no windows: it may run at any time\n")?;
        return Ok(Exit::Done);
    }
    let mut zones: Vec<&str> = change.windows.iter().map(|window| window.timezone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let zones = zones.into_iter().filter_map(|name| TimeZoneDatabase::bundled().get(name).ok());
    let locals: Vec<Look> = zones.map(|zone| Look { zone, ..output::look() }).collect();
    let universal = Look { zone: TimeZone::UTC, ..output::look() };
    let openings = calendar.openings(Timestamp::now(), most.get().min(MOST));
    if openings.is_empty() {
        output::data("no window opens any more\n")?;
        return Ok(Exit::NoWindow);
    }
    let lines = openings.iter().map(|opening| {
        let (starts, ends) = (opening.starts, opening.ends);
        let span = |look: &Look| format!("{} to {}", look.date_time(starts), look.date_time(ends));
        let local: Vec<String> = locals.iter().map(span).collect();
        let (universal, length) = (span(&universal), duration(opening.length()));
        // Without windows, freezes are counted in UTC.
        if local.is_empty() {
            format!("{universal}  {length}\n")
        } else {
            format!("{}  ({universal})  {length}\n", local.join("  or  "))
        }
    });
    output::data(&lines.collect::<String>())?;
    Ok(Exit::Done)
}

/// More than three years of daily windows; nobody reads on.
const MOST: usize = 1000;
