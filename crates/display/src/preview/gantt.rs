//! The timeline of a plan as a Gantt chart of Mermaid: for the wikis and change systems that draw one from its text.

use super::Preview;
use super::nights::{Bar, Night, Nights, Part};
use super::timeline::label;
use crate::style::Look;
use crate::text::{clean, count, duration};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Most servers whose steps have bars of their own: each step takes a line of the chart.
const MOST_STEPPED: usize = 4;

/// Returns the servers of a plan, or its pools where they are many, with the time of each at worst, in the plan's zone. Of work in
/// one night each of a few servers has its steps; of more servers, and of several nights, which share one axis, each has one bar.
#[must_use]
pub fn gantt(preview: &Preview<'_>, look: &Look) -> String {
    let nights = Nights::of(preview, look);
    let (zone, several) = (&nights.zone, nights.nights.len() > 1);
    let axis = if several { "%a %d %H:%M" } else { "%H:%M" };
    let mut text = format!(
        "gantt\n  title At worst: {} ({})\n  dateFormat YYYY-MM-DD HH:mm:ss\n  axisFormat {axis}\n  \
         todayMarker off\n",
        named(&preview.plan.change().name),
        zone.iana_name().unwrap_or("UTC")
    );
    if !preview.plan.change().windows.is_empty() {
        section(&mut text, "windows");
        for Night { open, .. } in &nights.nights {
            task(&mut text, ("open", "done, "), *open, zone);
        }
    }
    for row in &nights.rows {
        section(&mut text, &label(row));
        for bar in &row.bars {
            let parts = if several || nights.rows.len() > MOST_STEPPED { &[] } else { bar.parts.as_slice() };
            bars(&mut text, bar, parts, zone);
        }
    }
    if !nights.unplaced.is_empty() {
        let servers = count(nights.unplaced.len() as u64, "server");
        let _infallible = writeln!(text, "  %% {servers} fit no opening ahead");
    }
    text
}

fn bars(text: &mut String, bar: &Bar<'_>, parts: &[Part], zone: &TimeZone) {
    if parts.is_empty() {
        let out = duration(bar.placed.ends.duration_since(bar.placed.begins));
        let name = match bar.servers {
            // The section names it.
            [_only] => format!("out for {out}"),
            servers => format!("{} out for {out}", count(servers.len() as u64, "server")),
        };
        task(text, (&name, ""), (bar.placed.begins, bar.placed.ends), zone);
        return;
    }
    // What takes no time at worst has no bar.
    for part in parts.iter().filter(|part| part.begins < part.ends) {
        task(text, (part.kind.word(), ""), (part.begins, part.ends), zone);
    }
}

fn section(text: &mut String, name: &str) {
    let _infallible = writeln!(text, "  section {}", named(name));
}

fn task(text: &mut String, (name, tags): (&str, &str), (begins, ends): (Timestamp, Timestamp), zone: &TimeZone) {
    let at = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let _infallible = writeln!(text, "    {} :{tags}{}, {}", named(name), at(begins), at(ends));
}

/// Returns text without what ends a name or begins a comment in Mermaid.
fn named(text: &str) -> String {
    let text = clean(text).replace([':', ';', ',', '#'], " ").replace("%%", "%");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
