//! Windows and freezes.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::{At, Reader};
use crate::written::{AfterDays, Every, Freeze, Plan, WeeksOfMonth};
use jiff::SignedDuration;

/// Longest window. A longer one overlaps the next opening of any weekly rule.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Most windows. Every opening of four years is worked out for each, and a rule of its own for each day of a year is none.
const MOST_WINDOWS: usize = 366;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    if let Some(windows) = plan.windows.as_ref().filter(|windows| windows.value.0.len() > MOST_WINDOWS) {
        reader.report(
            Diagnostic::error(
                codes::OUT_OF_RANGE,
                windows.span,
                format!("{} windows are more than a plan can have", windows.value.0.len()),
            )
            .label(format!("expected at most {MOST_WINDOWS}"))
            .help("one window with `every: daily`, or the days of a week, says the same as many"),
        );
    }
    for window in plan.windows.iter().flat_map(|windows| &windows.value.0) {
        if let Some(duration) = window.value.duration.as_ref().filter(|duration| duration.value.0 > LONGEST_WINDOW) {
            reader.report(
                Diagnostic::error(codes::WINDOW_TOO_LONG, duration.span, "a window is open for seven days at most")
                    .label("expected at most `168h`")
                    .help("leave out `windows` when the work may be done at any time"),
            );
        }
        match &window.value.every {
            Some(At { value: Every::Days(days), span }) => listed(reader, days, At { value: "day", span: *span }),
            Some(At { value: Every::Weeks(weeks), .. }) => in_weeks(reader, weeks),
            Some(At { value: Every::After(AfterDays { after: Some(after), .. }), .. }) => {
                in_weeks(reader, &after.value);
            }
            Some(At { value: Every::Daily | Every::DayOfMonth(_) | Every::Date(_) | Every::After(_), .. }) | None => {}
        }
    }
    let has_windows = plan.windows.as_ref().is_some_and(|windows| !windows.value.0.is_empty());
    for freeze in plan.freezes.iter().flat_map(|freezes| &freezes.value) {
        let Freeze::Days(days) = &freeze.value else { continue };
        if days.timezone.is_none() && !has_windows && !reader.has(codes::UNKNOWN_KEY) {
            reader.report(
                Diagnostic::error(
                    codes::FREEZE_WITHOUT_ZONE,
                    freeze.span,
                    "nothing says in which time zone this freeze is",
                )
                .label("expected `timezone`, since there is no window whose time zone it could have")
                .help("write it beside `from` and `to`, such as `timezone: Europe/Paris`"),
            );
        }
        let (Some(from), Some(to)) = (&days.from, &days.to) else { continue };
        if to.value < from.value {
            reader.report(
                Diagnostic::error(codes::FREEZE_REVERSED, to.span, "this freeze ends before it begins")
                    .label(format!("expected {} or later", from.value))
                    .help("`to` is the last day of the freeze, included"),
            );
        }
    }
}

fn in_weeks(reader: &mut Reader, weeks: &WeeksOfMonth) {
    if let Some(days) = &weeks.days {
        listed(reader, &days.value.0, At { value: "day", span: days.span });
    }
    if let Some(weeks) = &weeks.weeks {
        listed(reader, &weeks.value.0, At { value: "week", span: weeks.span });
    }
}

/// Reports an empty list and what is in it twice.
fn listed<T: PartialEq>(reader: &mut Reader, items: &[At<T>], what: At<&str>) {
    if items.is_empty() {
        reader.report(
            Diagnostic::error(codes::BAD_TEXT, what.span, format!("no {} is given", what.value))
                .label(format!("expected at least one {}", what.value)),
        );
    }
    super::maintenance::twice(reader, items);
}
