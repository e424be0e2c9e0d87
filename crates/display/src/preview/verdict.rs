//! The verdict: what a preview comes to, for a person who reads no further.

use super::alike::alike_findings;
use super::{Preview, works};
use crate::style::{Look, Tone};
use crate::text::{clean, count, duration, list};
use orchestrate_model::Change;
use orchestrate_model::change::{AtDeadline, RestartPolicy, WindowFit};
use orchestrate_planner::Severity;

/// Returns the verdict in a few lines: whether a start would do it and to how many servers, and how long it takes.
pub(super) fn verdict(preview: &Preview<'_>, look: &Look) -> Vec<(Tone, String)> {
    let plan = preview.plan;
    let go = works(plan).filter(|(_, work)| work.skip.is_none()).count() as u64;
    let left = works(plan).filter(|(_, work)| plan.left_out(work).is_some()).count() as u64;
    let over = plan.work().len() as u64 - go - left;
    let told = |number: u64, what: &str| if number == 0 { String::new() } else { format!(", {number} {what}") };
    let over = format!("{}{}", told(over, "passed over"), told(left, "left out"));
    let todo = format!("{} {}{over}", count(go, "server"), aim(plan.change()));
    // As they are listed: what was found of several servers stands there once.
    let listed = alike_findings(plan.findings());
    let mut refusals =
        listed.iter().map(|(finding, _)| *finding).filter(|finding| finding.severity == Severity::Refusal);
    if let Some(first) = refusals.next() {
        let more = match refusals.count() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let why = clean(&first.message);
        return vec![(Tone::Bad, format!("NOT READY: a start would change nothing. {todo}. Against it: {why}{more}"))];
    }
    if go == 0 {
        return vec![(Tone::Good, format!("Nothing to do: {}", todo.trim_start_matches("0 servers ")))];
    }
    let warnings = listed.iter().filter(|(finding, _)| finding.severity == Severity::Warning).count() as u64;
    let warnings = if warnings == 0 { String::new() } else { format!(" {}, below.", count(warnings, "warning")) };
    let cut = cut(plan.change());
    let (tone, said) = if preview.report.safety.is_empty() {
        (Tone::Warn, format!("Not asked: {todo}; this preview has looked at no server. {cut}.{warnings}"))
    } else {
        (Tone::Good, format!("Ready: {todo}; every safety question is answered with yes. {cut}.{warnings}"))
    };
    std::iter::once((tone, said)).chain(how_long(preview, look).into_iter().map(|text| (Tone::Plain, text))).collect()
}

/// What the change is for.
fn aim(change: &Change) -> String {
    let levels: Vec<String> = change.maintenance.levels().map(ToString::to_string).collect();
    match (change.maintenance.installers.len(), change.maintenance.restart) {
        (1.., _) if !levels.is_empty() => format!("to patch to {}", list(&levels)),
        (1, _) => "to patch".to_owned(),
        (several @ 2.., _) => format!("to run {several} installers"),
        (0, RestartPolicy::Always) => "to restart".to_owned(),
        (0, RestartPolicy::Never | RestartPolicy::WhenNeeded) => "to take out and bring back".to_owned(),
    }
}

/// Whether sessions are cut.
fn cut(change: &Change) -> String {
    let drain = &change.maintenance.drain;
    let single = drain.per_service.values().any(|single| single.at_deadline == AtDeadline::Cut);
    if drain.at_deadline == AtDeadline::Cut {
        format!("Sessions that last longer than {} are CUT", duration(drain.deadline))
    } else if single {
        "Sessions of single services that outlast their deadline are CUT".to_owned()
    } else if drain.at_deadline == AtDeadline::Ask
        || drain.per_service.values().any(|single| single.at_deadline == AtDeadline::Ask)
    {
        "No session is cut unless a person counts it and says so".to_owned()
    } else if !change.maintenance.unmeasured.is_empty() {
        "No session that can be counted is cut".to_owned()
    } else {
        "No session is cut".to_owned()
    }
}

/// How long the work takes, likely and at worst, and in which nights by what has to fit into them.
pub(super) fn how_long(preview: &Preview<'_>, look: &Look) -> Vec<String> {
    let forecast = &preview.report.forecast;
    let windows = match forecast.openings {
        Some(openings) if openings > 1 => format!(" in {}", count(openings as u64, "window")),
        Some(_) | None => String::new(),
    };
    let when = match (forecast.begins, forecast.ends) {
        (Some(begins), Some(ends)) => format!("From {} to {}", look.date_time(begins), look.date_time(ends)),
        (Some(begins), None) => {
            format!("From {}; NOT all of it fits into the windows that are left", look.date_time(begins))
        }
        (None, _) => "NO window opens any more".to_owned(),
    };
    let (likely, worst) = (duration(forecast.likely), duration(forecast.length));
    let measured = match forecast.measured {
        0 => String::new(),
        servers => format!(" (by {} of earlier runs)", count(servers as u64, "server")),
    };
    let length = match preview.plan.change().maintenance.fit {
        WindowFit::Worst => format!("Likely {likely} of work{measured}, at worst {worst}{windows}"),
        WindowFit::Likely => {
            format!(
                "Likely {likely} of work{measured}{windows}; at worst {worst}, and then a server may end after its window"
            )
        }
    };
    vec![length, when]
}
