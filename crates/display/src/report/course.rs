//! What happened besides the steps: what was waited for, decided, undone by other hands, refused, cut.

use crate::log::{Log, subject};
use crate::style::{Look, Tone};
use jiff::Timestamp;
use orchestrate_engine::Record;
use orchestrate_planner::Plan;
use serde::Serialize;

/// A line of the course of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    at: String,
    server: String,
    text: String,
    /// Whether it is bad news.
    bad: bool,
}

/// Returns what the log says of a run that is no ordinary end of a step.
pub(super) fn of(mut log: Log<'_>, plan: &Plan, records: &[(u64, Timestamp, Record)], look: &Look) -> Vec<Line> {
    let mut lines = Vec::new();
    for (_, at, record) in records {
        let Some((work, tone, text)) = log.line(*at, record, look) else { continue };
        let work = work.or_else(|| subject(plan, record));
        if !(is_news(record) || matches!(tone, Tone::Warn | Tone::Bad)) {
            continue;
        }
        let server = work.map_or_else(String::new, |work| plan.work_of(work).server.short().to_owned());
        lines.push(Line { at: look.date_time(*at), server, text, bad: tone == Tone::Bad });
    }
    lines
}

/// Whether a record is told whatever its tone.
fn is_news(record: &Record) -> bool {
    matches!(
        record,
        Record::Resumed { .. }
            | Record::Decided { .. }
            | Record::StopRequested { .. }
            | Record::InstallerEnded { .. }
            | Record::Booted { .. }
            | Record::AllClear { .. }
            | Record::PoolSeen { .. }
            | Record::Swept { .. }
            // What could not be told or silenced, among others. What is noted of a server stands with its steps.
            | Record::Note { work: None, .. }
    )
}
