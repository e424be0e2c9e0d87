//! `orchestrate windows`: when the plan's windows open next.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file;
use crate::terminal::output;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use orchestrate_display::{Look, duration};
use orchestrate_planner::windows::Calendar;
use std::path::Path;

pub(crate) fn run(plan: &Path, most: usize) -> Result<Exit, Failure> {
    let change = plan_file::read(plan)?.change;
    let calendar = Calendar::new(&change.windows, &change.freezes)?;
    if calendar.is_always_open() {
        output::data("the plan names no windows: it may run at any time\n")?;
        return Ok(Exit::Done);
    }
    let look = output::look();
    let universal = Look { zone: TimeZone::UTC, ..output::look() };
    let openings = calendar.openings(Timestamp::now(), most.min(MOST));
    if openings.is_empty() {
        output::data("no window opens any more\n")?;
        return Ok(Exit::StoppedByWindow);
    }
    let lines = openings.iter().map(|opening| {
        let (starts, ends) = (opening.starts, opening.ends);
        format!(
            "{} to {}  ({} to {})  {}\n",
            look.date_time(starts),
            look.date_time(ends),
            universal.date_time(starts),
            universal.date_time(ends),
            duration(opening.length())
        )
    });
    output::data(&lines.collect::<String>())?;
    Ok(Exit::Done)
}

/// More than three years of daily windows; nobody reads on.
const MOST: usize = 1000;
