//! Differences as text.

use super::{Difference, Subject, Weight};
use crate::style::{Look, Tone};

fn heading(subject: Subject) -> &'static str {
    match subject {
        Subject::Rules => "rules",
        Subject::Servers => "servers",
        Subject::Seen => "seen",
        Subject::Steps => "steps",
        Subject::Order => "order",
        Subject::Times => "times",
        Subject::Findings => "findings",
    }
}

/// Columns of a heading with the blanks after it.
const LEAD: usize = 10;

/// Returns differences by subject, one per line: what matters first, and what is said only aside after it.
#[must_use]
pub fn text(differences: &[Difference], look: &Look) -> String {
    let mut lines = Vec::new();
    let (aside, weighty): (Vec<&Difference>, Vec<&Difference>) =
        differences.iter().partition(|difference| difference.weight == Weight::Aside);
    grouped(&weighty, Tone::Plain, look, &mut lines);
    if !aside.is_empty() {
        lines.push(look.paint(Tone::Quiet, "of no weight, since it follows from the time or is only noted:"));
        grouped(&aside, Tone::Quiet, look, &mut lines);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn grouped(differences: &[&Difference], tone: Tone, look: &Look, lines: &mut Vec<String>) {
    for group in differences.chunk_by(|one, other| one.subject == other.subject) {
        for (row, difference) in group.iter().enumerate() {
            let name = if row == 0 { heading(difference.subject) } else { "" };
            let lead = format!("{name:LEAD$}- ");
            lines.extend(look.hang(&lead, tone, &difference.text));
        }
    }
}

/// Most differences that an error tells.
const TOLD: usize = 3;

/// Returns the differences that make the one another plan, in one line.
#[must_use]
pub fn brief(differences: &[Difference]) -> String {
    let grave = differences.iter().filter(|difference| difference.weight == Weight::Another);
    let all: Vec<&str> = grave.map(|difference| difference.text.as_str()).collect();
    let more = all.len().saturating_sub(TOLD);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{rest}", all.iter().take(TOLD).copied().collect::<Vec<_>>().join("; "))
}
