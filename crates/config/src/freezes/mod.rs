//! Freezes that stand in calendar files (iCalendar, RFC 5545), made into days and spans.
//!
//! What a calendar says is worked out when the plan is read, and is part of the plan from then on: the same plan and the
//! same calendar always mean the same, whenever they are read.

mod events;
mod recurring;
mod zones;

pub(crate) use zones::of_windows;

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::Reader;
use crate::written::{Freeze, FreezeCalendar, Plan};
use orchestrate_model::window;

/// Largest calendar file that is read. Ten years of a large company's calendar are smaller.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// Reads a file that a plan names, or says why it cannot be read.
pub type Files<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// Returns the freezes of each calendar file of a plan, in the order in which the plan names them.
pub(crate) fn read(plan: &Plan, files: &Files<'_>, reader: &mut Reader) -> Vec<Vec<window::Freeze>> {
    let freezes = plan.freezes.iter().flat_map(|freezes| &freezes.value);
    let calendars = freezes.filter_map(|freeze| match &freeze.value {
        Freeze::Calendar(calendar) => Some(calendar),
        Freeze::Days(_) => None,
    });
    calendars.map(|calendar| one(calendar, plan, files, reader)).collect()
}

fn one(calendar: &FreezeCalendar, plan: &Plan, files: &Files<'_>, reader: &mut Reader) -> Vec<window::Freeze> {
    let has_windows = plan.windows.as_ref().is_some_and(|windows| !windows.value.0.is_empty());
    let Some(path) = &calendar.calendar else { return Vec::new() };
    let zone = calendar.timezone.as_ref().map(|zone| zone.value.0.as_str());
    let found = files(&path.value).and_then(|bytes| text(&bytes).and_then(|text| events::read(text, zone)));
    let whole_days = |freeze: &window::Freeze| matches!(freeze, window::Freeze::Days(days) if days.timezone.is_none());
    let trouble = match found {
        Ok(found) if !has_windows && found.iter().any(whole_days) => {
            "it has whole days, and neither a window nor `timezone` says in which time zone".to_owned()
        }
        Ok(found) => return found,
        Err(why) => why,
    };
    reader.report(
        Diagnostic::error(
            codes::BAD_CALENDAR,
            path.span,
            format!("the calendar {} cannot be used", quoted(&path.value)),
        )
        .label(trouble)
        .help("an iCalendar file is needed, as calendar programs export it: `freezes: [{calendar: freezes.ics}]`"),
    );
    Vec::new()
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > MOST_BYTES {
        return Err(format!("it is larger than {} MiB", MOST_BYTES >> 20));
    }
    let text = std::str::from_utf8(bytes).map_err(|_other| "it is not UTF-8".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests;
