//! Windows and freezes.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::{At, Reader};
use crate::written::{Every, Plan};
use jiff::SignedDuration;

/// Longest window. A longer one overlaps the next opening of any weekly rule.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
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
            Some(At { value: Every::Weeks(weeks), .. }) => {
                if let Some(days) = &weeks.days {
                    listed(reader, &days.value.0, At { value: "day", span: days.span });
                }
                if let Some(weeks) = &weeks.weeks {
                    listed(reader, &weeks.value.0, At { value: "week", span: weeks.span });
                }
            }
            Some(At { value: Every::Daily | Every::DayOfMonth(_) | Every::Date(_), .. }) | None => {}
        }
    }
    for freeze in plan.freezes.iter().flat_map(|freezes| &freezes.value) {
        let (Some(from), Some(to)) = (&freeze.value.from, &freeze.value.to) else { continue };
        if to.value < from.value {
            reader.report(
                Diagnostic::error(codes::FREEZE_REVERSED, to.span, "this freeze ends before it begins")
                    .label(format!("expected {} or later", from.value))
                    .help("`to` is the last day of the freeze, included"),
            );
        }
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
