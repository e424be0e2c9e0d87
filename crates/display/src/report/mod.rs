//! The report of a run for a change ticket: who, when, which servers, how long each step took and may take, what was found, and
//! what is left to do. One set of facts, which a template turns into Markdown, a table of servers for spreadsheets.

mod course;

use crate::counted::uncounted;
use crate::log::Log;
use crate::style::Look;
use crate::summary::{self, Context};
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, duration};
use crate::words;
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::record::{Attended, StepEnd};
use orchestrate_engine::state::{self, StepState, WorkState};
use orchestrate_engine::{Record, RunState};
use orchestrate_model::version::ComponentVersion;
use orchestrate_planner::{Plan, ServerWork, StepKind, limits};
use serde::Serialize;
use std::collections::BTreeMap;

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For tickets and wikis.
    Markdown,
    /// A line per server, for spreadsheets.
    Csv,
}

/// What a report says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) reason: String,
    pub(crate) emergency: Option<String>,
    pub(crate) only: Option<String>,
    pub(crate) run: String,
    pub(crate) plan: String,
    pub(crate) started_by: String,
    pub(crate) unattended: bool,
    pub(crate) approvals: Vec<String>,
    pub(crate) taken_up: u32,
    pub(crate) outcome: String,
    pub(crate) stop: Option<String>,
    pub(crate) began: String,
    pub(crate) ended: String,
    pub(crate) took: String,
    pub(crate) zone: String,
    pub(crate) servers: Vec<ServerPart>,
    pub(crate) course: Vec<course::Line>,
    pub(crate) left: Vec<String>,
}

/// What a report says of one server.
#[derive(Debug, Serialize)]
pub(crate) struct ServerPart {
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) end: String,
    pub(crate) facts: String,
    pub(crate) began: String,
    pub(crate) ended: String,
    pub(crate) took: String,
    /// How many sessions were cut, or that this is not known.
    pub(crate) sessions_cut: String,
    pub(crate) restarts: usize,
    pub(crate) steps: Vec<StepPart>,
    /// Those that differ.
    pub(crate) versions: Vec<Component>,
    /// How many do not.
    pub(crate) unchanged: usize,
}

/// What a report says of one step.
#[derive(Debug, Serialize)]
pub(crate) struct StepPart {
    pub(crate) step: String,
    pub(crate) began: String,
    pub(crate) took: String,
    /// What it may take at most; empty where it has no limit of its own.
    pub(crate) at_most: String,
    pub(crate) result: String,
}

/// A component before and after.
#[derive(Debug, Serialize)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Returns the report of a run in a form.
///
/// # Errors
/// A template of the program is wrong.
pub fn report(
    context: Context<'_>,
    state: &RunState,
    records: &[(u64, Timestamp, Record)],
    (form, look): (Form, &Look),
) -> Result<String, Unwritten> {
    // Templates break lines; texts are whole, and without colours.
    let look = Look { width: 100_000, ..Look { zone: look.zone.clone(), ..Look::plain() } };
    let facts = facts(context, state, records, &look);
    match form {
        Form::Markdown => rendered("report.md", &facts),
        Form::Csv => csv(&facts),
    }
}

/// Returns what a report says.
pub(crate) fn facts(
    context: Context<'_>,
    state: &RunState,
    records: &[(u64, Timestamp, Record)],
    look: &Look,
) -> Report {
    let plan = context.plan;
    let header = state.header.as_ref();
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| look.date_time(at));
    let began = begun(records);
    Report {
        title: clean(&plan.change().name),
        reason: clean(&plan.change().reason),
        emergency: words::emergency(plan.change()),
        only: words::only(plan.change()),
        run: context.run.to_string(),
        plan: header.map(|header| header.plan.clone()).unwrap_or_default(),
        started_by: header.map(|header| clean(&header.by.to_string())).unwrap_or_default(),
        unattended: header.is_some_and(|header| header.attended == Attended::No),
        approvals: header.map(words::approvals).unwrap_or_default(),
        taken_up: state.resumed,
        outcome: state.ended.map_or("not ended", words::outcome).to_owned(),
        stop: state.stop.as_ref().map(|why| clean(why.text())),
        began: moment(state.started),
        ended: moment(state.ended.and(state.last)),
        took: between(state.started, state.last),
        zone: state.started.map(|at| look.zone_said(at)).unwrap_or_default(),
        servers: plan
            .work()
            .iter()
            .zip(&state.work)
            .enumerate()
            .map(|(position, each)| server(plan, (position, each), (state, &began), look))
            .collect(),
        course: course::of(Log::new(plan), plan, records, look),
        left: summary::left(context, state, look).iter().map(|text| one_line(text)).collect(),
    }
}

/// Returns when each step was last begun, by its position.
fn begun(records: &[(u64, Timestamp, Record)]) -> BTreeMap<usize, Timestamp> {
    let mut starts = BTreeMap::new();
    for (_, at, record) in records {
        if let Record::StepStarted { step } = record {
            starts.insert(step.0 as usize, *at);
        }
    }
    starts
}

fn server(
    plan: &Plan,
    (position, (work, each)): (usize, (&ServerWork, &WorkState)),
    (state, began): (&RunState, &BTreeMap<usize, Timestamp>),
    look: &Look,
) -> ServerPart {
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| look.date_time(at));
    let ended = summary::ended(plan, work, each, state);
    let mut steps = Vec::new();
    for step in state::steps_of(plan, state::work_id(position)) {
        let since = began.get(&(step.id.0 as usize)).copied();
        let (until, result) = match state.steps.get(step.id.0 as usize) {
            Some(StepState::Ended { how, at, proof }) => (Some(*at), ended_as(how, proof)),
            Some(StepState::Running { .. }) => (state.last, "not ended".to_owned()),
            Some(StepState::Pending) | None => continue,
        };
        let limit = limits::of_planned(plan.change(), &work.block, step);
        let own_limit = limit.is_positive() && !matches!(step.kind, StepKind::Verify | StepKind::Soak);
        steps.push(StepPart {
            step: step.kind.word().to_owned(),
            began: since.map(|at| look.time(at)).unwrap_or_default(),
            took: between(since, until),
            at_most: if own_limit { duration(limit) } else { String::new() },
            result,
        });
    }
    let (unchanged, versions): (Vec<_>, Vec<_>) = versions(each).into_iter().partition(|one| one.before == one.after);
    ServerPart {
        name: work.server.to_string(),
        pool: plan.pool_of(work).name.to_string(),
        end: summary::word(plan, work, each, state).to_owned(),
        facts: summary::seen(plan, work, each, state).join(", "),
        began: moment(each.started),
        ended: moment(each.started.and(ended)),
        took: between(each.started, ended),
        sessions_cut: match (each.cut.values().sum::<u64>(), uncounted(plan, work, each).is_empty()) {
            (cut, true) => cut.to_string(),
            (0, false) => "not counted".to_owned(),
            (cut, false) => format!("{cut} and more"),
        },
        restarts: each.restarted(),
        steps,
        versions,
        unchanged: unchanged.len(),
    }
}

fn ended_as(how: &StepEnd, proof: &str) -> String {
    let proof = clean(proof);
    match how {
        StepEnd::Done | StepEnd::AlreadyDone => proof,
        StepEnd::Skipped => format!("passed over: {proof}"),
    }
}

/// Returns the components whose versions were read before or after, by name.
fn versions(each: &WorkState) -> Vec<Component> {
    let Some(recorded) = each.as_recorded() else { return Vec::new() };
    let before = recorded.versions.as_slice();
    let after = each.level.as_ref().and_then(|level| level.known()).map(Vec::as_slice).unwrap_or_default();
    let of = |list: &[ComponentVersion], name: &str| {
        list.iter().find(|one| one.component == name).map_or_else(|| "-".to_owned(), |one| one.version.to_string())
    };
    let mut names: Vec<&str> = before.iter().chain(after).map(|one| one.component.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let component = |name: &&str| Component { name: clean(name), before: of(before, name), after: of(after, name) };
    names.iter().map(component).collect()
}

/// Returns a line without what it is set in columns with.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => duration(to.duration_since(from).max(SignedDuration::ZERO)),
        (None, _) | (_, None) => "-".to_owned(),
    }
}

/// Returns a line per server.
fn csv(facts: &Report) -> Result<String, Unwritten> {
    let wrong = Unwritten::because;
    let mut table = csv::Writer::from_writer(Vec::new());
    let head =
        ["run", "pool", "server", "end", "began", "ended", "took", "sessions cut", "restarts", "versions", "facts"];
    table.write_record(head).map_err(|error| wrong(&error))?;
    for server in &facts.servers {
        let read = |version: &str| if version == "-" { "not read".to_owned() } else { version.to_owned() };
        let versions = server.versions.iter();
        let versions: Vec<String> =
            versions.map(|one| format!("{} {} > {}", one.name, read(&one.before), read(&one.after))).collect();
        let (restarts, versions) = (server.restarts.to_string(), versions.join("; "));
        let fields = [
            &facts.run,
            &server.pool,
            &server.name,
            &server.end,
            &server.began,
            &server.ended,
            &server.took,
            &server.sessions_cut,
            &restarts,
            &versions,
            &server.facts,
        ];
        table.write_record(fields.map(|field| no_formula(field))).map_err(|error| wrong(&error))?;
    }
    let bytes = table.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

/// Returns a text that a spreadsheet does not take for a formula.
fn no_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) && text != "-" { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
