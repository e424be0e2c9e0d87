//! The rows of services and of the operating system in one question to the PowerShell that stays, where one does.
//!
//! WMI answers them over the wire without PowerShell, and is the reference: an enumeration with its page and a read of the
//! system are three requests, and a line is two, with everything else that the look asks. Whatever is missing or odd here is
//! asked for over the wire in the same look.

use crate::host;
use crate::link::Glance;
use crate::script::{Look, Trouble};
use crate::services::{self, Rows, Wanted};
use orchestrate_model::observe::{HostFacts, Part};
use orchestrate_model::{Answer, Ask, ServiceName};
use orchestrate_wsman::Instance;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// How long WMI may take on the server for the rows of services, in seconds: far more than it takes where it is well.
const SECONDS: u32 = 10;

/// What the script says. Properties that are null are left out.
#[derive(Debug, Deserialize)]
struct Said {
    services: Option<Vec<BTreeMap<String, String>>>,
    system: Option<BTreeMap<String, String>>,
}

/// What WMI answers: the system's facts and the rows of services, each where it was asked about.
pub(crate) type First = (Option<Answer<HostFacts>>, Option<Result<Rows, String>>);

/// Returns whether a look may ask in a line what WMI answers: where it asks for services, and for something else that can be
/// in the same line. Services alone are as many requests over the wire.
pub(crate) fn is_for(ask: &Ask) -> bool {
    let parts = [Part::Host, Part::Lease, Part::Versions, Part::Fitness];
    let more = parts.into_iter().any(|part| ask.wants(part)) || !ask.sessions.is_empty() || ask.installer.is_some();
    ask.wants_services() && more
}

/// Reads rows of services by these names, and the system's facts where they are asked about.
///
/// # Errors
/// When not everything that was asked about is in the answer as it should be.
pub(crate) async fn read(glance: &Glance<'_>, ask: &Ask, names: &[ServiceName]) -> Result<First, Trouble> {
    let odd = |text: &str| Trouble::unknown(format!("script state: {text}"));
    let started = glance.link().started();
    let wanted = Wanted::of(ask);
    let query = services::whole_query(names, wanted).ok_or_else(|| odd("too many names for one query"))?;
    let request = json!({ "query": query, "system": ask.wants(Part::Host), "seconds": SECONDS });
    let Some(said) = glance.look_where_one_stays::<Said>(Look::State, &request).await? else {
        return Err(odd("no PowerShell stays here"));
    };
    // One that was there before shows that the server was not restarted since. What another says may be of another boot, and is
    // left to the wire, which needs no PowerShell.
    if glance.link().started() != started {
        return Err(odd("the process that was asked has not been there before"));
    }
    let rows = said.services.ok_or_else(|| odd("the rows of services are missing"))?;
    let rows = rows.into_iter().map(|row| Instance::of_texts("Win32_Service", row));
    let rows = services::named(rows.collect(), names, wanted).map_err(|why| odd(&why))?;
    let system = match (ask.wants(Part::Host), said.system) {
        (false, _) => None,
        (true, None) => return Err(odd("the operating system is missing")),
        (true, Some(texts)) => {
            match host::facts(&Instance::of_texts("Win32_OperatingSystem", texts.into_iter().map(with_time))) {
                Answer::Known(facts) => Some(Answer::Known(facts)),
                Answer::Unknown(reason) => return Err(odd(&reason)),
            }
        }
    };
    Ok((system, Some(Ok(rows))))
}

/// Turns a time as WMI writes it into one that the wire has.
fn with_time((name, text): (String, String)) -> (String, String) {
    let text = time(&text).unwrap_or(text);
    (name, text)
}

/// Returns a time such as `20261128003347.500000+060`, with its minutes from UTC, as `2026-11-28T00:33:47.500000+01:00`.
pub(crate) fn time(text: &str) -> Option<String> {
    let (digits, rest) = (text.get(..14)?, text.get(14..)?);
    let (fraction, minutes) = rest.strip_prefix('.')?.split_at_checked(6)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let sign = minutes.get(..1).filter(|sign| matches!(*sign, "+" | "-"))?;
    let minutes = minutes.get(1..).filter(|text| is_number(text) && text.len() == 3)?.parse::<u32>().ok()?;
    if !is_number(digits) || !is_number(fraction) {
        return None;
    }
    let (date, clock) = digits.split_at(8);
    let ((year, month, day), (hour, minute, second)) =
        ((&date[..4], &date[4..6], &date[6..]), (&clock[..2], &clock[2..4], &clock[4..]));
    let (hours, rest) = (minutes / 60, minutes % 60);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction}{sign}{hours:02}:{rest:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_wmi_are_points_in_time() {
        let read = |text: &str| time(text).and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let table = [
            ("20261128003347.500000+060", Some("2026-11-27T23:33:47.5Z")),
            ("20261128003347.000000-480", Some("2026-11-28T08:33:47Z")),
            ("20261128003347.000001+000", Some("2026-11-28T00:33:47.000001Z")),
            ("20261128003347.500000+330", Some("2026-11-27T19:03:47.5Z")),
            ("20261328003347.500000+060", None),
            ("20261128003347.500000", None),
            ("20261128003347.500000+06", None),
            ("20261128003347,500000+060", None),
            ("2026112800334ä.500000+060", None),
            ("********003347.500000+060", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
    }
}
