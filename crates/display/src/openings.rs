//! When the windows of a plan open: for people, for programs and for calendars.

use crate::style::Look;
use crate::text::duration;
use icalendar::{Calendar, Component as _, Event};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use orchestrate_model::Change;
use orchestrate_model::window::{Freeze, FrozenDays, FrozenSpan};
use orchestrate_planner::windows::Opening;
use serde_json::{Value, json};

/// The version of the form for programs.
const VERSION: u32 = 1;

/// What is told of a plan's windows.
#[derive(Debug, Clone)]
pub struct Openings<'a> {
    /// The plan.
    pub change: &'a Change,
    /// The next openings, in order.
    pub openings: &'a [Opening],
    /// How many servers of one pool fit into each at worst, one after the other.
    pub fits: &'a [u64],
}

impl Openings<'_> {
    /// Returns a line for each opening: in the time of each window, which need not be that of this machine, and in UTC.
    #[must_use]
    pub fn text(&self, zones: &[TimeZone], look: &Look) -> String {
        let locals: Vec<Look> = zones.iter().map(|zone| Look { zone: zone.clone(), ..look.clone() }).collect();
        let universal = Look { zone: TimeZone::UTC, ..look.clone() };
        let lines = self.openings.iter().zip(self.fits).map(|(opening, fits)| {
            let span = |look: &Look| format!("{} to {}", look.date_time(opening.starts), look.date_time(opening.ends));
            let mut local: Vec<String> = locals.iter().map(span).collect();
            // Two zones may have the same time.
            local.dedup();
            let (universal, length) = (span(&universal), duration(opening.length()));
            let room = room(*fits);
            if local.is_empty() {
                format!("{universal}  {length}  {room}\n")
            } else {
                format!("{}  ({universal})  {length}  {room}\n", local.join("  or  "))
            }
        });
        lines.collect()
    }

    /// Returns the openings and freezes for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let openings = self.openings.iter().zip(self.fits).map(|(opening, fits)| {
            json!({
                "starts": opening.starts,
                "ends": opening.ends,
                "seconds": opening.length().as_secs(),
                "fits_at_worst": fits,
            })
        });
        let freezes = self.change.freezes.iter().map(|freeze| match freeze {
            Freeze::Days(FrozenDays { from, to, timezone, reason }) => {
                json!({"from": from, "to": to, "timezone": timezone, "reason": reason})
            }
            Freeze::Span(FrozenSpan { from, to, reason }) => json!({"from": from, "to": to, "reason": reason}),
        });
        json!({
            "version": VERSION,
            "name": self.change.name,
            "openings": openings.collect::<Vec<_>>(),
            "freezes": freezes.collect::<Vec<_>>(),
        })
    }

    /// Returns a calendar file (RFC 5545) with the openings and the freezes, made at `now`.
    #[must_use]
    pub fn calendar(&self, now: Timestamp) -> String {
        let mut calendar = Calendar::empty();
        for (name, value) in [("VERSION", "2.0"), ("PRODID", "-//orchestrate//windows//EN"), ("CALSCALE", "GREGORIAN")]
        {
            calendar.append_property((name, value));
        }
        calendar.name(&format!("orchestrate: {}", self.change.name));
        let stamp = universal(now);
        for (opening, fits) in self.openings.iter().zip(self.fits) {
            let servers: usize = self.change.pools.iter().map(|pool| pool.servers.len()).sum();
            let room = format!("{}\n{servers} servers in the plan; {}", self.change.reason, room(*fits));
            let mut event = self.event(&format!("maintenance: {}", self.change.name), &room, &stamp);
            event.add_property("DTSTART", universal(opening.starts));
            event.add_property("DTEND", universal(opening.ends));
            event.add_property("UID", self.uid("opening", &universal(opening.starts)));
            calendar.push(event);
        }
        for freeze in &self.change.freezes {
            let mut event = self.event(&format!("freeze: {}", freeze.reason()), "no maintenance", &stamp);
            match freeze {
                Freeze::Days(days) => {
                    event.append_property(day("DTSTART", days.from));
                    event.append_property(day("DTEND", days.to.tomorrow().unwrap_or(days.to)));
                    event.add_property("UID", self.uid("freeze", &format!("{}-{}", days.from, days.to)));
                }
                Freeze::Span(span) => {
                    event.add_property("DTSTART", universal(span.from));
                    event.add_property("DTEND", universal(span.to));
                    event.add_property("UID", self.uid("freeze", &format!("{}-{}", span.from, span.to)));
                }
            }
            calendar.push(event);
        }
        format!("{}\r\n", calendar.to_string().trim_end())
    }

    fn event(&self, summary: &str, description: &str, stamp: &str) -> Event {
        let mut event = Event::new();
        event.summary(summary).description(description).add_property("DTSTAMP", stamp);
        event
    }

    /// Returns what a calendar knows an event by, so that a newer file replaces it and does not add another.
    fn uid(&self, kind: &str, when: &str) -> String {
        let name: String = self.change.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{kind}-{when}-{name}@orchestrate")
    }
}

/// Says how many servers of one pool fit into an opening at worst, one after the other.
fn room(fits: u64) -> String {
    match fits {
        0 => "too short for a server".to_owned(),
        fits => format!("room for {fits} at worst"),
    }
}

fn universal(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn day(name: &str, day: Date) -> icalendar::Property {
    let mut property = icalendar::Property::new(name, day.strftime("%Y%m%d").to_string());
    property.add_parameter("VALUE", "DATE");
    property.done()
}
