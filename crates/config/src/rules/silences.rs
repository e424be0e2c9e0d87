//! Silences of alerts.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::written::Plan;
use jiff::SignedDuration;

/// Shortest time that a silence lasts: it is extended at half of it, and attempts take seconds.
const SHORTEST: SignedDuration = SignedDuration::from_mins(2);

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    for silence in plan.silences.iter().flat_map(|silences| &silences.value) {
        let written = &silence.value.0;
        if let Some(lasts) = written.lasts.as_ref().filter(|lasts| lasts.value.0 < SHORTEST) {
            reader.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    lasts.span,
                    "a silence that ends so soon cannot be extended in time",
                )
                .label("expected at least `2m`"),
            );
        }
        let alertmanager = written.alertmanager.as_ref();
        if let Some(matchers) = alertmanager.and_then(|alertmanager| alertmanager.value.names_no_server()) {
            reader.report(
                Diagnostic::error(
                    codes::SILENCES_ALL,
                    matchers.span,
                    "these matchers do not name the server: alerts about all others would be silenced with its own",
                )
                .label("expected `{server}` or `{short}` in one of them, with = or =~")
                .help("such as `instance=~\"({server}|{short})(:[0-9]+)?\"`"),
            );
        }
    }
}
