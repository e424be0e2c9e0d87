//! Blocking a server, and stopping what was blocked once its sessions are gone.

use super::drain::{self, Left};
use super::guard::{Asking, ask};
use super::{Case, Judgement, Ruling, Scratch, support};
use crate::constants::{BLOCK_DEADLINE, CLOCK_SLACK, REASSERTIONS, RECORD_LIFETIME, STOP_DEADLINE, settle_pace};
use crate::look::Subject;
use crate::record::{Record, RecordedService, Snapshot, StepEnd};
use crate::state::{StepState, steps_of};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::Act;
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::StartTypePolicy;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::readable::count;
use orchestrate_model::{
    Answer, Lease, LeaseState, RunState, ServerName, ServerObservation, ServiceName, StartMode, StartType,
};
use orchestrate_planner::StepKind;
use orchestrate_planner::safety::{EVIDENCE_LIFETIME, Question};
use orchestrate_planner::scope::PoolScope;

/// Returns the services that are blocked on a server: those in scope that it has, with everything that depends on them,
/// in the order in which they are paused. Those that were stopped when it was recorded are among them, since somebody
/// may start them.
pub(crate) fn paused_services(subject: &Subject<'_>) -> Vec<ServiceName> {
    let Some(snapshot) = &subject.own.snapshot else {
        return subject.work.block.clone();
    };
    let recorded = |name| snapshot.services.get(name).map(|recorded| (name, recorded));
    let mut found: Vec<(&ServiceName, &RecordedService)> = subject.work.block.iter().filter_map(recorded).collect();
    let mut position = 0;
    while position < found.len() {
        for dependent in found[position].1.dependents.iter().filter_map(recorded) {
            if may_touch(dependent.0) && !found.iter().any(|(name, _)| *name == dependent.0) {
                found.push(dependent);
            }
        }
        position += 1;
    }
    found.into_iter().map(|(name, _)| name.clone()).collect()
}

/// Returns the services that must not start by themselves while the server is out. Those that were not automatic when it was
/// recorded are among them, since another hand may make them so.
fn manual_services(subject: &Subject<'_>, snapshot: &Snapshot) -> Vec<ServiceName> {
    if subject.plan.change().maintenance.start_type == StartTypePolicy::Keep {
        return Vec::new();
    }
    let paused = paused_services(subject);
    let ours = |name: &&ServiceName| paused.contains(name) || subject.work.block.contains(name);
    snapshot.services.keys().filter(ours).cloned().collect()
}

/// Whether a service would come up by itself after a restart of the server as it was recorded.
fn was_automatic(snapshot: &Snapshot, name: &ServiceName) -> bool {
    snapshot.services.get(name).is_some_and(|recorded| recorded.start.mode == StartMode::Automatic)
}

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if let Some(ruling) = guard_first_change(case, scratch) {
        return ruling;
    }
    let Some(snapshot) = &case.subject.own.snapshot else {
        return case.give_up(format!("{} was not recorded", case.subject.work.server)).into();
    };
    if let Some(again) = moved(case, snapshot) {
        return again.into();
    }
    match block_acts(case, snapshot) {
        Err(why) => case.unknown(scratch, &why).into(),
        Ok(Blocked::All(paused)) => {
            let manual = manual_services(&case.subject, snapshot);
            let changed = manual.iter().filter(|name| was_automatic(snapshot, name)).count();
            let types = count(changed, "start type");
            let proof = format!("{} paused, {types} manual, verified", count(paused, "service"));
            Judgement::Done(StepEnd::Done, proof).into()
        }
        Ok(Blocked::Acts(acts)) if takes_out(case, &acts) && !is_fresh(case, scratch) => {
            // Setting start types may have taken long; the evidence has to be fresh when the server goes.
            scratch.guarded = false;
            Judgement::LookAgain.into()
        }
        Ok(Blocked::Acts(acts)) => Judgement::Act(acts).into(),
        Ok(Blocked::Pending(why)) if case.is_over(case.begin_of_acts(scratch), BLOCK_DEADLINE) => {
            case.give_up(why).into()
        }
        Ok(Blocked::Pending(why)) => {
            let limit = (BLOCK_DEADLINE, case.given_up());
            let wait = case.wait_from(case.begin_of_acts(scratch), ("services to be paused", why), limit);
            Judgement::Wait(wait, settle_pace(case.lived(case.begin_of_acts(scratch)))).into()
        }
    }
}

/// Has a server recorded again that was not changed yet and was recorded too long ago, or is not any more as it was
/// recorded: what comes back is what it was before the first change, not a while earlier (promise P5), and what is patched
/// has not reached its level meanwhile.
pub(super) fn moved(case: &Case<'_>, snapshot: &Snapshot) -> Option<Judgement> {
    if case.subject.own.touched {
        return None;
    }
    if let Some(age) = age_of_record(case).filter(|age| *age > RECORD_LIFETIME) {
        // While it was waited another control host may have patched the server and given it back: nothing but another
        // look at its level shows that.
        let why =
            format!("{}: it was recorded {:#} ago", case.subject.work.server, SignedDuration::from_secs(age.as_secs()));
        return Some(Judgement::Reopen(vec![StepKind::Guard, StepKind::Record], why));
    }
    let services = case.own.services.known()?;
    let differs = |name: &ServiceName, recorded: &RecordedService| {
        let status = services.get(name);
        status.is_none_or(|now| {
            let state = now.state.known().is_some_and(|state| *state != recorded.state);
            state || now.start.known().is_some_and(|start| *start != recorded.start)
        })
    };
    let (name, _) = snapshot.services.iter().find(|(name, recorded)| differs(name, recorded))?;
    let why = format!("{}: {name} is not as it was recorded any more", case.subject.work.server);
    Some(Judgement::Reopen(vec![StepKind::Record], why))
}

/// How long ago the record step of the server has ended.
fn age_of_record(case: &Case<'_>) -> Option<SignedDuration> {
    let subject = &case.subject;
    let mut steps = steps_of(subject.plan, subject.id);
    let recorded = steps.find(|step| step.kind == StepKind::Record)?;
    match &subject.state.steps[recorded.id.0 as usize] {
        StepState::Ended { at, .. } => Some(case.now.duration_since(*at)),
        StepState::Pending | StepState::Running { .. } => None,
    }
}

/// Whether these acts take a server out that serves.
fn takes_out(case: &Case<'_>, acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::Pause { .. })) && all_run(case)
}

/// Whether nothing that the server serves with is known to be blocked: every service that ran when it was recorded runs,
/// or is on its way to, or nobody knows. The server then has to be taken for one that serves.
pub(crate) fn all_run(case: &Case<'_>) -> bool {
    let ran = |name: &ServiceName| {
        let recorded = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.services.get(name));
        recorded.is_some_and(|service| service.state == RunState::Running)
    };
    let names = paused_services(&case.subject);
    let serves = |name: &&ServiceName| match case.state(name) {
        Ok(RunState::Running | RunState::StartPending | RunState::ContinuePending) | Err(_) => true,
        Ok(RunState::Paused | RunState::PausePending | RunState::Stopped | RunState::StopPending) => false,
    };
    let counts = |name: &&ServiceName| ran(name) && !is_stranger(&case.subject, name);
    names.iter().filter(counts).all(|name| serves(&name))
}

/// Whether a service is blocked only because it depends on one that is, and no source knows it: whether the server serves
/// does not hang on it, and nobody can say how it usually is.
pub(super) fn is_stranger(subject: &Subject<'_>, name: &ServiceName) -> bool {
    let asked_for = PoolScope::of(subject.plan.change(), subject.pool).block;
    catalogue::service(name).is_none() && !asked_for.contains(name)
}

pub(super) fn is_fresh(case: &Case<'_>, scratch: &Scratch) -> bool {
    is_fresh_at(scratch, case.now)
}

/// Evidence from after now is none: the clock was set back since.
pub(crate) fn is_fresh_at(scratch: &Scratch, now: Timestamp) -> bool {
    let fresh = -CLOCK_SLACK..=EVIDENCE_LIFETIME;
    scratch.guarded_at.is_some_and(|at| fresh.contains(&now.duration_since(at)))
}

/// Fresh evidence right before the first change, also after an interruption (promise P2).
pub(super) fn guard_first_change(case: &Case<'_>, scratch: &mut Scratch) -> Option<Ruling> {
    if scratch.guarded {
        return None;
    }
    // A server in the middle of its patch that serves with nothing or half of it is out already: to block it again
    // changes nothing for the others.
    if case.subject.is_patching() && !all_run(case) {
        (scratch.guarded, scratch.guarded_at) = (true, Some(case.now));
        return None;
    }
    // A server that is partly blocked by us cannot be asked whether it can be blocked.
    let touched = case.subject.own.touched;
    let wanted = |question| match question {
        Question::Blockable => !touched,
        // The guard has asked, and it takes too long to be asked again: see `Look::without_file`.
        Question::Staged | Question::Fit => false,
        Question::Fresh
        | Question::Budget
        | Question::SharedBudget
        | Question::Remaining
        | Question::Quorum
        | Question::UpgradeDomain
        | Question::Coverage(_)
        | Question::Balancer
        | Question::Ready
        | Question::Replication
        | Question::CentralManagement
        | Question::Lease => true,
    };
    if let Some(again) = stand_back(case, scratch) {
        return Some(again.into());
    }
    let unknown_looks = scratch.unknown_looks;
    match ask(case, scratch, wanted) {
        Asking::Safe(_) => match lease_in_hand(case) {
            Ok(()) => {
                (scratch.guarded, scratch.guarded_at) = (true, case.seen.oldest());
                None
            }
            Err(why) => {
                // The questions were answered, and this one was not: it is these looks that count.
                scratch.unknown_looks = unknown_looks;
                Some(case.unknown(scratch, &why).into())
            }
        },
        Asking::NotYet(ruling) => Some(ruling),
    }
}

/// Gives the lease of a server back that was not changed yet, because another control host has one in the pool, and begins
/// again at the guard, where the pool is looked at without a lease. To wait with a lease in hand would look to the other one
/// as if its pool were worked on.
///
/// Of two that have taken leases at the same moment, the run that began first keeps its own for one more look: the other one
/// has given way by then, unless it is at work already.
fn stand_back(case: &Case<'_>, scratch: &Scratch) -> Option<Judgement> {
    if case.subject.own.is_changed() {
        return None;
    }
    let held = |server: &ServerObservation| match &server.lease {
        Answer::Known(LeaseState::Held(lease)) => Some((server.server.clone(), lease.clone())),
        Answer::Known(LeaseState::Free | LeaseState::Ours | LeaseState::RanOut(_)) | Answer::Unknown(_) => None,
    };
    let others: Vec<(ServerName, Lease)> = case.seen.servers.values().filter_map(held).collect();
    let (server, lease) = others.first()?;
    let run = case.subject.state.header.as_ref().map(|header| header.run.as_str())?;
    let is_first = others.iter().all(|(_, other)| run < other.run.as_str());
    if is_first && lease_in_hand(case).is_ok() && scratch.refused_looks == 0 {
        return None;
    }
    let own = case.subject.work.server.short();
    let why = format!("{own} is not begun yet: {} is in work by {lease}", server.short());
    Some(Judgement::Reopen(vec![StepKind::Guard, StepKind::Record], why))
}

/// Whether the lease of the server was taken before the look, as whoever works on its pool would have seen.
fn lease_in_hand(case: &Case<'_>) -> Result<(), String> {
    let server = &case.subject.work.server;
    match &case.own.lease {
        Answer::Known(LeaseState::Ours) => Ok(()),
        Answer::Known(LeaseState::Free | LeaseState::RanOut(_) | LeaseState::Held(_)) => {
            Err(format!("the lease of {server} could not be taken"))
        }
        Answer::Unknown(why) => Err(format!("whether the lease of {server} is ours is unknown: {why}")),
    }
}

enum Blocked {
    All(usize),
    Acts(Vec<Act>),
    Pending(String),
}

/// Compares what is with what must be: start types first, so that a restart in between finds them manual.
fn block_acts(case: &Case<'_>, snapshot: &Snapshot) -> Result<Blocked, String> {
    let manual = start_type_acts(case, snapshot)?;
    if !manual.is_empty() {
        return Ok(Blocked::Acts(manual));
    }
    let names = paused_services(&case.subject);
    let mut acts = Vec::new();
    let mut pending = Vec::new();
    for name in &names {
        match case.state(name)? {
            // Stopped takes nothing new either; it happens when a service ends by itself.
            RunState::Paused | RunState::Stopped => {}
            RunState::Running => acts.push(Act::Pause { service: name.clone() }),
            state @ (RunState::StartPending
            | RunState::StopPending
            | RunState::ContinuePending
            | RunState::PausePending) => pending.push(format!("{name} is {state}")),
        }
    }
    Ok(match (acts.is_empty(), pending.is_empty()) {
        (false, _) => Blocked::Acts(acts),
        (true, false) => Blocked::Pending(pending.join(", ")),
        (true, true) => Blocked::All(names.len()),
    })
}

/// The acts that set what is automatic to Manual.
pub(super) fn start_type_acts(case: &Case<'_>, snapshot: &Snapshot) -> Result<Vec<Act>, String> {
    let services = case.own.services.as_result().map_err(str::to_owned)?;
    let mut acts = Vec::new();
    for service in manual_services(&case.subject, snapshot) {
        let status = match services.get(&service) {
            Some(status) => status,
            // What did not start by itself and is gone does not start by itself now.
            None if !was_automatic(snapshot, &service) => continue,
            None => return Err(format!("{service} is not installed any more")),
        };
        let start = status.start.as_result().map_err(|why| format!("the start type of {service}: {why}"))?;
        if start.mode == StartMode::Automatic {
            acts.push(Act::SetStartType { service, to: StartType::MANUAL });
        }
    }
    Ok(acts)
}

/// Sets to Manual again what another hand has set back since the block step has shown it, and says so; the third time a
/// person has to look. A server that is restarted meanwhile would take connections by itself (promise P5).
pub(super) fn manual_again(case: &Case<'_>, scratch: &mut Scratch) -> Result<Option<Ruling>, String> {
    let Some(snapshot) = &case.subject.own.snapshot else { return Ok(None) };
    let acts = start_type_acts(case, snapshot)?;
    if acts.is_empty() {
        scratch.sets_manual_again = false;
        return Ok(None);
    }
    // What was set a moment ago may not show yet.
    if scratch.sets_manual_again {
        return Ok(Some(Judgement::Act(acts).into()));
    }
    let services: Vec<ServiceName> = acts.iter().filter_map(|act| act.service().cloned()).collect();
    let times = case.subject.own.start_types_undone;
    if times >= REASSERTIONS {
        let text = format!(
            "{}: start types were set to Manual {} times, and {} again: another hand sets them back",
            case.subject.work.server,
            times + 1,
            they_start(&services)
        );
        return Ok(Some(Judgement::Hold(HoldCause::BlockUndone, text, case.choices()).into()));
    }
    scratch.sets_manual_again = true;
    let record = Record::StartTypesUndone { work: case.subject.id, services };
    Ok(Some(Ruling { records: vec![record], next: Judgement::Act(acts) }))
}

/// Returns the services that must not start by themselves meanwhile and are seen to do so.
pub(crate) fn set_back(subject: &Subject<'_>, seen: &ServerObservation) -> Vec<ServiceName> {
    let Some(snapshot) = &subject.own.snapshot else { return Vec::new() };
    let automatic = |name: &ServiceName| {
        let start = seen.service(name).and_then(|status| status.start.known());
        start.is_some_and(|start| start.mode == StartMode::Automatic)
    };
    manual_services(subject, snapshot).into_iter().filter(automatic).collect()
}

/// Returns the subject of a sentence about services that start by themselves, with its verb.
pub(crate) fn they_start(services: &[ServiceName]) -> String {
    match services {
        [] => "nothing starts by itself".to_owned(),
        [one] => format!("{one} starts by itself"),
        [first, others @ ..] => format!("{first} and {} start by themselves", count(others.len(), "other service")),
    }
}

/// Returns the first steps again when a service takes work again before it is stopped. The answers that the stop waits for may be
/// long in coming, and people come meanwhile.
fn resumed(case: &Case<'_>) -> Option<Judgement> {
    let again = |name: &ServiceName| matches!(case.state(name), Ok(RunState::Running | RunState::ContinuePending));
    let name = paused_services(&case.subject).into_iter().find(again)?;
    Some(reopen(format!("{name} takes work again")))
}

pub(super) fn stop(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if let Some(again) = resumed(case) {
        return again.into();
    }
    if !scratch.guarded_stop {
        // The last look at the pool before the server cannot serve any more at once.
        let counts = |question| {
            matches!(
                question,
                Question::Fresh
                    | Question::Budget
                    | Question::SharedBudget
                    | Question::Remaining
                    | Question::Quorum
                    | Question::UpgradeDomain
                    | Question::Lease
            )
        };
        match ask(case, scratch, counts) {
            Asking::Safe(_) => scratch.guarded_stop = true,
            Asking::NotYet(ruling) => return ruling,
        }
    }
    let next = match stop_next(case) {
        Ok(Judgement::Done(_, stopped)) => support::stop(case, scratch, stopped),
        other => other,
    };
    match next {
        Ok(next) => next.into(),
        Err(why) => case.unknown(scratch, &why).into(),
    }
}

fn stop_next(case: &Case<'_>) -> Result<Judgement, String> {
    let names = paused_services(&case.subject);
    let mut acts = Vec::new();
    let mut pending = Vec::new();
    for name in &names {
        match case.state(name)? {
            RunState::Stopped => {}
            RunState::Running | RunState::ContinuePending => return Ok(reopen(format!("{name} takes work again"))),
            RunState::Paused => {
                match drain::left_of(case, name) {
                    Left::Nothing => {}
                    Left::Sessions(left) => {
                        return Ok(reopen(format!(
                            "{name} has {}",
                            count(usize::try_from(left).unwrap_or(usize::MAX), "session")
                        )));
                    }
                    Left::Time(time) => return Ok(reopen(format!("{name} was blocked less than {time:#} ago"))),
                    Left::Unknown(why) => return Err(why),
                }
                match waits_for(case, name)? {
                    None => acts.push(Act::Stop { service: name.clone() }),
                    Some(dependent) => pending.push(format!("{name} waits for {dependent} to stop")),
                }
            }
            state @ (RunState::StartPending | RunState::StopPending | RunState::PausePending) => {
                pending.push(format!("{name} is {state}"));
            }
        }
    }
    Ok(if !acts.is_empty() {
        Judgement::Act(acts)
    } else if pending.is_empty() {
        Judgement::Done(StepEnd::Done, format!("{} stopped, verified", count(names.len(), "service")))
    } else if case.is_late(STOP_DEADLINE) {
        case.give_up(format!("{}: services do not stop: {}", case.subject.work.server, pending.join(", ")))
    } else {
        let limit = Some((STOP_DEADLINE, case.given_up()));
        Judgement::Wait(case.wait("services to stop", pending.join(", "), limit), settle_pace(case.elapsed()))
    })
}

/// Returns the first steps again when a server that is to be patched or restarted is not stopped any more: somebody
/// started a service, and people may use it (promise P4).
pub(super) fn still_stopped(case: &Case<'_>) -> Result<Option<Judgement>, String> {
    for name in paused_services(&case.subject) {
        let state = case.state(&name)?;
        if state != RunState::Stopped {
            return Ok(Some(reopen(format!("{name} is {state}, another hand started it"))));
        }
    }
    Ok(None)
}

/// The product's infrastructure services are never touched.
pub(super) fn may_touch(name: &ServiceName) -> bool {
    catalogue::service(name).is_none_or(|facts| facts.drain != DrainClass::Infrastructure)
}

fn reopen(why: String) -> Judgement {
    Judgement::Reopen(vec![StepKind::Block, StepKind::Drain, StepKind::Stop], why)
}

/// A dependent that has to be stopped before `name`.
pub(super) fn waits_for(case: &Case<'_>, name: &ServiceName) -> Result<Option<ServiceName>, String> {
    let Some(recorded) = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.services.get(name)) else {
        return Ok(None);
    };
    for dependent in &recorded.dependents {
        if case.state(dependent)? != RunState::Stopped {
            return Ok(Some(dependent.clone()));
        }
    }
    Ok(None)
}
