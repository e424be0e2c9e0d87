//! Bringing a server back exactly as it was recorded (promise P5), and proving at the end that it still is (P8).

use super::block::may_touch;
use super::tries::{Refusal, Refusals, Sorted};
use super::{Case, Judgement, Ruling, Scratch, balancer, mend, support, tries, under_way};
use crate::constants::{RETURN_DEADLINE, SELF_START, settle_pace};
use crate::look::Subject;
use crate::record::{RecordedService, Snapshot, StepEnd};
use jiff::Timestamp;
use orchestrate_model::act::Act;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::readable::count;
use orchestrate_model::{PoolObservation, RunState, ServerObservation, ServiceName, ServiceStatus, StartMode};
use orchestrate_planner::scope::each_after;
use std::ops::ControlFlow;

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
    let starts = scratch.tries.sort(case, &todo.starts, (case.since, RETURN_DEADLINE));
    // What was refused is asked for again when there is nothing else to be asked for: it may be refused for as long as the
    // step, and each time may take minutes.
    let (states_again, fresh) = scratch.tries.refused_before(states.now);
    if !fresh.is_empty() && !late {
        return Judgement::Act(fresh);
    }
    // Start types last: a server that restarts in between must not come up half done. What is refused does not count:
    // with start types that stay Manual the next restart would leave the whole server down.
    let settled = late || todo.waiting.is_empty();
    let (starts_again, fresh_starts) = scratch.tries.refused_before(starts.now);
    if !fresh_starts.is_empty() && settled {
        return Judgement::Act(fresh_starts);
    }
    // Whatever act a service waits for, even its start type alone: until it is as it was, it does not serve as it did.
    let missing: Vec<ServiceName> = todo.acts.iter().filter_map(Act::service).cloned().collect();
    let again: Vec<Act> = if late { Vec::new() } else { states_again.clone() };
    let starts_again = if settled { starts_again } else { Vec::new() };
    let left = Left {
        open: todo.waiting.into_iter().chain(todo.beside).chain(todo.unknown).collect(),
        again: states.again.into_iter().chain(starts.again).min(),
        until: states.until.max(starts.until),
        passing: states.passing.into_iter().chain(starts.passing).collect(),
        over: states.over.into_iter().chain(starts.over).collect(),
        now: again.into_iter().chain(starts_again).collect(),
        missing,
    };
    if late || (left.open.is_empty() && left.again.is_none() && left.now.is_empty()) {
        if !left.now.is_empty() {
            return Judgement::Act(left.now);
        }
        let rest = states_again.into_iter().chain(fresh).map(Refusal::not_yet);
        let left = Left { over: left.over.into_iter().chain(rest).collect(), ..left };
        return if left.is_nothing() {
            let proof = format!("{} as recorded, verified", count(snapshot.services.len(), "service"));
            Judgement::Done(StepEnd::Done, proof)
        } else {
            not_back(case, scratch, left)
        };
    }
    wait_for(case, scratch, left)
}

/// What is not as it was recorded, and nothing to be done about it now.
#[derive(Debug, Default)]
struct Left {
    /// What has to come about by itself, or is not known.
    open: Vec<(ServiceName, String)>,
    /// When the first of the acts that were refused for a time is asked for again.
    again: Option<Timestamp>,
    /// Until when the last of them is asked for.
    until: Option<Timestamp>,
    /// Those acts, and what was said against them.
    passing: Vec<Refusal>,
    /// Acts that are not asked for any more, and why.
    over: Vec<Refusal>,
    /// Acts that were refused before, and are to be asked for again now.
    now: Vec<Act>,
    /// Services that an act is wanted for before they serve as they did.
    missing: Vec<ServiceName>,
}

impl Left {
    fn is_nothing(&self) -> bool {
        self.open.is_empty() && self.passing.is_empty() && self.over.is_empty()
    }

    /// The services that do not serve as they did.
    fn missing(&self) -> Vec<ServiceName> {
        self.missing.iter().chain(self.open.iter().map(|(name, _)| name)).cloned().collect()
    }

    /// Everything in words.
    fn words(&self) -> Vec<String> {
        let open = self.open.iter().map(|(_, why)| why.clone());
        open.chain(tries::told(&self.passing)).chain(tries::told(&self.over)).collect()
    }
}

/// Waits for what may yet come, and meanwhile has the balancers send people to the server again, where they do not come for
/// what is missing: a refusal, or a service that another hand has taken away, may last as long as the step.
fn wait_for(case: &Case<'_>, scratch: &mut Scratch, left: Left) -> Judgement {
    let (mut again, mut until, mut now) = (left.again, left.until, left.now.clone());
    let mut why = left.words();
    // Services that start by themselves are back within minutes, and the server goes in whole.
    if left.open.is_empty() || case.elapsed() >= SELF_START {
        match into_balancer(case, scratch, &left) {
            ControlFlow::Break(next) => return next,
            ControlFlow::Continue(balancer) => {
                again = again.into_iter().chain(balancer.again).min();
                until = until.max(balancer.until);
                now.extend(balancer.now);
                why.extend(tries::told(&balancer.passing).into_iter().chain(tries::told(&balancer.over)));
            }
        }
    }
    if !now.is_empty() {
        return Judgement::Act(now);
    }
    match (again, until) {
        (Some(again), Some(until)) if left.open.is_empty() => {
            tries::wait(case, (case.since, until), again, why.join("; "))
        }
        (Some(_), Some(_)) | (None, _) | (_, None) => late_or(case, "services to run", &why.join(", "), scratch),
    }
}

/// Everything that comes back is back, and something does not: the rest is a person's.
fn not_back(case: &Case<'_>, scratch: &mut Scratch, left: Left) -> Judgement {
    let balancer = match into_balancer(case, scratch, &left) {
        ControlFlow::Break(next) => return next,
        ControlFlow::Continue(balancer) => balancer,
    };
    if !balancer.now.is_empty() {
        return Judgement::Act(balancer.now);
    }
    if let (Some(again), Some(until)) = (balancer.again, balancer.until) {
        return tries::wait(case, (case.since, until), again, tries::told(&balancer.passing).join("; "));
    }
    let server = &case.subject.work.server;
    let all = case.subject.own.snapshot.as_ref().map_or(0, |snapshot| snapshot.services.len());
    let mut parts: Vec<String> = left.open.into_iter().map(|(_, why)| why).collect();
    let over: Vec<Refusal> = left.passing.into_iter().chain(left.over).chain(balancer.over).collect();
    parts.extend(Refusals::of(&over).iter().map(|group| {
        let (act, services) = group.acts();
        format!("{group}; to mend it: {}", mend::command(&case.subject, act, services))
    }));
    let text =
        format!("{server} is not back as it was: {}. Everything else of its {all} services is back", parts.join("; "));
    Judgement::Hold(HoldCause::NotRestored, text, case.choices())
}

/// Has the balancers send people to the server again, where what is missing is not what they come for. Returns what
/// is to be done next for it, or what of it is not to be had now.
fn into_balancer(case: &Case<'_>, scratch: &mut Scratch, left: &Left) -> ControlFlow<Judgement, Sorted> {
    let recorded = case.subject.own.snapshot.as_ref().is_some_and(|snapshot| snapshot.balancer.is_some());
    if !recorded || !balancer::may_serve(case, &left.missing()) {
        return ControlFlow::Continue(Sorted::default());
    }
    if !scratch.asks_balancer {
        scratch.asks_balancer = true;
        return ControlFlow::Break(Judgement::LookAgain);
    }
    let sorted = scratch.tries.sort(case, &balancer::restoring(case), (case.since, RETURN_DEADLINE));
    let (again, fresh) = scratch.tries.refused_before(sorted.now);
    // What was refused, or not answered, before waits for its turn beside the services.
    if fresh.is_empty() {
        ControlFlow::Continue(Sorted { now: again, ..sorted })
    } else {
        ControlFlow::Break(Judgement::Act(fresh))
    }
}

/// The acts of the way back with those of the balancers.
fn with_balancer(case: &Case<'_>, mut acts: Vec<Act>) -> Vec<Act> {
    acts.extend(balancer::restoring(case));
    acts
}

fn late_or(case: &Case<'_>, what: &str, why: &str, scratch: &mut Scratch) -> Judgement {
    scratch.unknown_looks += 1;
    if case.is_late(RETURN_DEADLINE) {
        let text = format!("{} is not back after {RETURN_DEADLINE:#}: {why}", case.subject.work.server);
        return Judgement::Hold(HoldCause::NotRestored, text, case.choices());
    }
    let limit = Some((RETURN_DEADLINE, "the server is held"));
    Judgement::Wait(case.wait(what, why.to_owned(), limit), settle_pace(case.elapsed()))
}

#[derive(Debug, Default)]
struct Todo {
    /// What brings services back into their state.
    acts: Vec<Act>,
    /// What restores start types.
    starts: Vec<Act>,
    /// What has to come about before the start types are restored.
    waiting: Vec<(ServiceName, String)>,
    /// What else differs, on services that the run has not blocked.
    beside: Vec<(ServiceName, String)>,
    /// What is not known.
    unknown: Vec<(ServiceName, String)>,
}

fn compare(case: &Case<'_>, snapshot: &Snapshot, first: &[ServiceName]) -> Result<Todo, String> {
    let services = case.own.services.as_result().map_err(str::to_owned)?;
    let mut todo = Todo::default();
    for name in start_order(&case.subject, snapshot, first) {
        let recorded = &snapshot.services[name];
        let Some(status) = services.get(name) else {
            todo.beside.push((name.clone(), format!("{name} is not installed any more")));
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
            todo.unknown.push((name.clone(), why));
        }
        match start {
            Err(why) => todo.unknown.push((name.clone(), format!("the start type of {name}: {why}"))),
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
            todo.waiting.push((service(), text.to_owned()));
        }
        (wanted, found) => {
            let list = if ours { &mut todo.waiting } else { &mut todo.beside };
            list.push((service(), format!("{name} is {found}, {wanted} is wanted")));
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
