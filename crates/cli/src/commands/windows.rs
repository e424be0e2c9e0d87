//! `orchestrate windows`: when the plan's windows open next.

use crate::args::OpeningsFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file;
use crate::terminal::output;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use orchestrate_display::openings::Openings;
use orchestrate_planner::forecast::room;
use orchestrate_planner::windows::Calendar;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;

/// Tells the openings of a plan that has windows or freezes.
pub(crate) fn run(plan: &Path, most: NonZeroUsize, format: OpeningsFormat) -> Result<Exit, Failure> {
    let change = plan_file::read(plan)?.change;
    let calendar = Calendar::new(&change.windows, &change.freezes)?;
    let always = calendar.is_always_open();
    let now = Timestamp::now();
    let openings = if always { Vec::new() } else { calendar.openings(now, most.get()) };
    let longest = change.pools.iter().map(|pool| room(&change, pool).as_secs()).max().unwrap_or(1).max(1);
    let fits = |seconds: i64| u64::try_from(seconds / longest).unwrap_or(0);
    let fits: Vec<u64> = openings.iter().map(|opening| fits(opening.length().as_secs())).collect();
    let told = Openings { change: &change, openings: &openings, fits: &fits };
    output::data(&match format {
        OpeningsFormat::Text if always => "the plan names no windows: it may run at any time\n".to_owned(),
        OpeningsFormat::Text if openings.is_empty() => "no window opens in the next four years\n".to_owned(),
        OpeningsFormat::Text => {
            let names: BTreeSet<&str> = change.windows.iter().map(|window| window.timezone.as_str()).collect();
            let zones: Vec<_> =
                names.into_iter().filter_map(|name| TimeZoneDatabase::bundled().get(name).ok()).collect();
            told.text(&zones, &output::look())
        }
        OpeningsFormat::Json => format!("{:#}\n", told.json()),
        OpeningsFormat::Ics => told.calendar(now),
    })?;
    Ok(if always || !openings.is_empty() { Exit::Done } else { Exit::NoWindow })
}
