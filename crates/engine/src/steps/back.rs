//! Bringing a server back exactly as it was recorded (promise P5), and proving at the end that it still is (P8).

use super::block::may_touch;
use super::{Case, Judgement, Ruling, Scratch, balancer, mend, support, tries, under_way};
use crate::constants::{RETURN_DEADLINE, SELF_START, SETTLE_LOOK};
use crate::look::Subject;
use crate::record::{RecordedService, Snapshot, StepEnd};
use orchestrate_model::act::Act;
use orchestrate_model::readable::count;
use orchestrate_model::{PoolObservation, RunState, ServerObservation, ServiceName, ServiceStatus, StartMode};
use orchestrate_planner::scope::each_after;

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    let Some(snapshot) = &case.subject.own.snapshot else {
        let proof = "nothing was recorded, so nothing was changed".to_owned();
        return Judgement::Done(StepEnd::AlreadyDone, proof).into();
    };
    match under_way::judge(case, scratch) {
        Some(ruling) => ruling,
        None => {
            Ruling { records: under_way::proven(case).into_iter().collect(), next: bring_back(case, scratch, snapshot) }
        }
    }
}

/// Brings back what can be: each service is a matter of its own, and one that is refused keeps no other from its place.
fn bring_back(case: &Case<'_>, scratch: &mut Scratch, snapshot: &Snapshot) -> Judgement {
    let todo = match compare(case, snapshot, &support::services(&case.subject)) {
        Ok(todo) => todo,
        Err(why) => return late_or(case, "an answer on what its services do", &why, scratch),
    };
    let late = case.is_late(RETURN_DEADLINE);
    let wanted: Vec<Act> = todo.acts.iter().chain(&todo.starts).cloned().collect();
    scratch.tries.keep(&with_balancer(case, wanted));
    let states = scratch.tries.sort(case, &todo.acts, (case.since, RETURN_DEADLINE));
    if !states.now.is_empty() && !late {
        return Judgement::Act(states.now);
    }
    // Start types last: a server that restarts in between must not come up half done. What is refused does not count:
    // with start types that stay Manual the next restart would leave the whole server down.
    let starts = scratch.tries.sort(case, &todo.starts, (case.since, RETURN_DEADLINE));
    if !starts.now.is_empty() && (late || todo.waiting.is_empty()) {
        return Judgement::Act(starts.now);
    }
    let open: Vec<String> = todo.waiting.into_iter().chain(todo.beside).chain(todo.unknown).collect();
    let again = states.again.into_iter().chain(starts.again).min();
    let over: Vec<(Act, String)> = states.over.into_iter().chain(starts.over).collect();
    match again {
        Some(again) if open.is_empty() && !late => {
            let why: Vec<String> = states.passing.into_iter().chain(starts.passing).chain(causes(&over)).collect();
            tries::wait(case, case.since, again, why.join("; "))
        }
        _ if !open.is_empty() && !late => {
            let why: Vec<String> = open.into_iter().chain(states.passing).chain(causes(&over)).collect();
            late_or(case, "services to run", &why.join(", "), scratch)
        }
        _ if over.is_empty() && open.is_empty() && states.now.is_empty() => Judgement::Done(
            StepEnd::Done,
            format!("{} as recorded, read back", count(snapshot.services.len(), "service")),
        ),
        _ => {
            let rest = states.now.into_iter().map(|act| (act.clone(), format!("{act} has not come about")));
            not_back(case, scratch, over.into_iter().chain(rest).collect(), open)
        }
    }
}

fn causes(over: &[(Act, String)]) -> impl Iterator<Item = String> {
    over.iter().map(|(_, why)| why.clone())
}

/// Everything that comes back is back, and something does not: the balancer sends people to the server again where what
/// is missing is not what they come for, and the rest is a person's.
fn not_back(case: &Case<'_>, scratch: &mut Scratch, mut over: Vec<(Act, String)>, open: Vec<String>) -> Judgement {
    let missing: Vec<ServiceName> = over.iter().filter_map(|(act, _)| stopped_by(act)).cloned().collect();
    if open.is_empty() && balancer::may_serve(case, &missing) {
        if !scratch.asks_balancer {
            scratch.asks_balancer = true;
            return Judgement::LookAgain;
        }
        let acts = balancer::restoring(case);
        if !acts.is_empty() {
            let sorted = scratch.tries.sort(case, &acts, (case.since, RETURN_DEADLINE));
            match sorted.again {
                _ if !sorted.now.is_empty() => return Judgement::Act(sorted.now),
                Some(again) => return tries::wait(case, case.since, again, sorted.passing.join("; ")),
                None => over.extend(sorted.over),
            }
        }
    }
    let server = &case.subject.work.server;
    let all = case.subject.own.snapshot.as_ref().map_or(0, |snapshot| snapshot.services.len());
    let mut parts = open;
    parts.extend(over.iter().map(|(act, why)| format!("{why}; to mend it: {}", mend::command(&case.subject, act))));
    let text = format!("{server} is not back as it was: {}. The rest of its {all} services is", parts.join("; "));
    Judgement::Hold(text, case.choices())
}

/// The acts of the way back with those of the balancers.
fn with_balancer(case: &Case<'_>, mut acts: Vec<Act>) -> Vec<Act> {
    acts.extend(balancer::restoring(case));
    acts
}

/// The service that does not serve when an act is not done.
fn stopped_by(act: &Act) -> Option<&ServiceName> {
    match act {
        Act::Start { service } | Act::Continue { service } => Some(service),
        Act::SetStartType { .. }
        | Act::Pause { .. }
        | Act::Stop { .. }
        | Act::StartInstaller(_)
        | Act::Restart { .. }
        | Act::SetBalancer { .. } => None,
    }
}

fn late_or(case: &Case<'_>, what: &str, why: &str, scratch: &mut Scratch) -> Judgement {
    scratch.unknown_looks += 1;
    if case.is_late(RETURN_DEADLINE) {
        let text = format!("{} is not back after {RETURN_DEADLINE:#}: {why}", case.subject.work.server);
        return Judgement::Hold(text, case.choices());
    }
    let limit = Some((RETURN_DEADLINE, "the server is held"));
    Judgement::Wait(case.wait(what, why.to_owned(), limit), SETTLE_LOOK)
}

#[derive(Debug, Default)]
struct Todo {
    /// What brings services back into their state.
    acts: Vec<Act>,
    /// What restores start types.
    starts: Vec<Act>,
    /// What has to come about before the start types are restored.
    waiting: Vec<String>,
    /// What else differs, on services that the run has not blocked.
    beside: Vec<String>,
    /// What is not known.
    unknown: Vec<String>,
}

fn compare(case: &Case<'_>, snapshot: &Snapshot, first: &[ServiceName]) -> Result<Todo, String> {
    let services = case.own.services.as_result().map_err(str::to_owned)?;
    let mut todo = Todo::default();
    for name in start_order(&case.subject, snapshot, first) {
        let recorded = &snapshot.services[name];
        let Some(status) = services.get(name) else {
            todo.beside.push(format!("{name} is not installed any more"));
            continue;
        };
        let start = status.start.as_result();
        // A disabled service cannot be started: its start type comes first.
        let disabled = start.is_ok_and(|start| start.mode == StartMode::Disabled)
            && recorded.start.mode != StartMode::Disabled
            && recorded.state != RunState::Stopped
            && may_touch(name);
        if disabled {
            todo.acts.push(Act::SetStartType { service: name.clone(), to: recorded.start });
            continue;
        }
        if let Err(why) = compare_state(case, name, recorded, status, &mut todo) {
            todo.unknown.push(why);
        }
        match start {
            Err(why) => todo.unknown.push(format!("the start type of {name}: {why}")),
            Ok(start) if *start != recorded.start && may_touch(name) => {
                todo.starts.push(Act::SetStartType { service: name.clone(), to: recorded.start });
            }
            Ok(_) => {}
        }
    }
    Ok(todo)
}

/// Returns the recorded services in the order in which they are started: what others depend on first, and otherwise
/// `first`, then the others as they were blocked. Windows starts what a service needs by itself; the preview says this
/// order, and a run keeps it.
fn start_order<'a>(subject: &Subject<'a>, snapshot: &'a Snapshot, first: &[ServiceName]) -> Vec<&'a ServiceName> {
    let recorded = snapshot.services.keys();
    let others = recorded.clone().filter(|name| !first.contains(name) && !subject.work.block.contains(name));
    let blocked = subject.work.block.iter().filter(|name| snapshot.services.contains_key(name));
    let first = recorded.filter(|name| first.contains(name));
    let all = first.chain(blocked).chain(others).collect();
    each_after(all, |name, other| snapshot.services[other].dependents.contains(name))
}

fn compare_state(
    case: &Case<'_>,
    name: &ServiceName,
    recorded: &RecordedService,
    status: &ServiceStatus,
    todo: &mut Todo,
) -> Result<(), String> {
    let state = *status.state.as_result().map_err(|why| format!("the state of {name}: {why}"))?;
    let service = || name.clone();
    let ours = case.subject.work.block.contains(name)
        || super::block::paused_services(&case.subject).contains(name)
        || support::services(&case.subject).contains(name);
    match (recorded.state, state) {
        // What was stopped or paused and runs now was started by somebody, or came up with the server. To stop it could
        // cut sessions, and to pause it is a decision about a server that serves, which nobody has asked for.
        (RunState::Running, RunState::Running)
        | (RunState::Paused, RunState::Paused | RunState::Running)
        | (RunState::Stopped, _) => {}
        (RunState::Running, RunState::Paused) if ours => todo.acts.push(Act::Continue { service: service() }),
        (RunState::Running | RunState::Paused, RunState::Stopped) if ours => {
            todo.acts.push(Act::Start { service: service() });
        }
        (RunState::Running | RunState::Paused, RunState::Stopped)
            if may_touch(name) && case.elapsed() >= SELF_START =>
        {
            todo.acts.push(Act::Start { service: service() });
        }
        (RunState::Running, RunState::Paused) if may_touch(name) && case.elapsed() >= SELF_START => {
            todo.acts.push(Act::Continue { service: service() });
        }
        (RunState::Running, RunState::StartPending) if name.as_str().eq_ignore_ascii_case("RTCSRV") => {
            // Events 32169 and 32174: it waits for quorum, or for the first placement of the users.
            let text = "RTCSRV is start pending, which may last an hour while the pool places its users";
            todo.waiting.push(text.to_owned());
        }
        (wanted, found) => {
            let list = if ours { &mut todo.waiting } else { &mut todo.beside };
            list.push(format!("{name} is {found}, {wanted} is wanted"));
        }
    }
    Ok(())
}

/// Returns what differs from the record, or why that is not known.
pub(super) fn differences(
    subject: &Subject<'_>,
    own: &ServerObservation,
    seen: &PoolObservation,
) -> Result<Vec<String>, String> {
    let Some(snapshot) = subject.own.as_recorded() else {
        return Ok(Vec::new());
    };
    let services = own.services.as_result().map_err(str::to_owned)?;
    let mut found = Vec::new();
    for (name, recorded) in &snapshot.services {
        let Some(status) = services.get(name) else {
            found.push(format!("{name} is not installed any more"));
            continue;
        };
        let state = *status.state.as_result().map_err(|why| format!("the state of {name}: {why}"))?;
        let start = *status.start.as_result().map_err(|why| format!("the start type of {name}: {why}"))?;
        let serves_more = recorded.state == RunState::Paused && state == RunState::Running;
        if state != recorded.state && recorded.state != RunState::Stopped && !serves_more {
            found.push(format!("{name} is {state}, it was {}", recorded.state));
        }
        if start != recorded.start {
            found.push(format!("the start type of {name} is {start}, it was {}", recorded.start));
        }
    }
    if let Some(recorded) = &snapshot.balancer {
        found.extend(super::balancer::differences(subject, recorded, seen)?);
    }
    Ok(found)
}

/// Judges the last look at a touched server.
pub(crate) fn sweep(subject: &Subject<'_>, seen: &PoolObservation) -> Result<Vec<String>, String> {
    let own = seen.servers.get(&subject.work.server).ok_or_else(|| "the server was not looked at".to_owned())?;
    differences(subject, own, seen)
}
