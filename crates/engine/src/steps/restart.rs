//! Restarting a server, with a new boot time as the proof.

use super::block::{start_type_acts, still_stopped, they_start};
use super::under_way::{begun_by_installer, is_boot_since};
use super::{Case, Judgement, Ruling, Scratch, under_way};
use crate::constants::{BOOT_MOVES, RESTART_DEADLINE, RESTART_SHOWS, RESTARTS, SLOW_LOOK};
use crate::look::Subject;
use crate::record::{Record, StepEnd};
use crate::state::{RestartAsked, StepState, steps_of};
use jiff::Timestamp;
use orchestrate_model::act::Act;
use orchestrate_model::change::{ExitMeaning, Patch, RestartPolicy};
use orchestrate_model::hold::HoldCause;
use orchestrate_model::observe::HostFacts;
use orchestrate_model::time::after;
use orchestrate_model::{Answer, ServiceName};
use orchestrate_planner::{StepKind, safety};

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    match under_way::installer(case, scratch) {
        Some(ruling) => ruling,
        None => restarted(case, scratch),
    }
}

fn restarted(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    let own = case.subject.own;
    if let Some(why) = not_here(case) {
        return Judgement::Done(StepEnd::Skipped, why.to_owned()).into();
    }
    let asked_for = own.asks_for_restart().is_some();
    match (case.subject.plan.change().maintenance.restart, asked_for) {
        (RestartPolicy::Never, true) => {
            let text = "the installer asks for a restart; the plan says never".to_owned();
            return Judgement::Done(StepEnd::Skipped, text).into();
        }
        (RestartPolicy::Never, false) => {
            return Judgement::Done(StepEnd::Skipped, "the plan says never".to_owned()).into();
        }
        (RestartPolicy::WhenNeeded, false) => {
            let several = case.subject.plan.change().maintenance.installers.len() > 1;
            let who = if several { "no installer asks for one" } else { "the installer does not ask for one" };
            return Judgement::Done(StepEnd::Skipped, who.to_owned()).into();
        }
        (RestartPolicy::WhenNeeded, true) | (RestartPolicy::Always, _) => {}
    }
    let next = match (case.own.host.as_result(), own.restarts_since_patch().last()) {
        (Ok(host), last) if own.restart_proven.is_some() || is_new(case, host, last) => {
            let booted = host.booted.strftime("%Y-%m-%d %H:%M:%SZ");
            let records = if own.restart_proven.is_some() { Vec::new() } else { vec![under_way::proof(case, host)] };
            return Ruling { records, next: Judgement::Done(StepEnd::Done, format!("booted {booted}")) };
        }
        (Ok(host), None) => return restart(case, scratch, host.booted),
        (Ok(host), Some(last)) => return still_the_old_boot(case, scratch, host, *last),
        (Err(why), None) if !started_by_installer(case) => case.unknown(scratch, why),
        (Err(why), last) => wait(case, last.map_or(case.since, |last| last.at), why),
    };
    next.into()
}

/// Why the server is not restarted between two installers, where the plan has that done.
fn not_here(case: &Case<'_>) -> Option<&'static str> {
    let (own, step) = (case.subject.own, &case.subject.plan.steps()[case.step.0 as usize]);
    if !case.subject.plan.is_followed(step) {
        None
    } else if own.passed_over.is_some() {
        Some("no other installer is run after what was passed over")
    } else if own.in_hand != step.installer || own.token.is_none() {
        Some("the installer before it was not run")
    } else {
        None
    }
}

/// Whether the server may have to be restarted before its first installer.
pub(crate) fn restarts_first(subject: &Subject<'_>) -> bool {
    let first = subject.plan.change().maintenance.installers.first();
    first.is_some_and(Patch::restarts_first) && subject.own.tokens.is_empty() && subject.own.back.is_none()
}

/// Restarts a stopped server before its installer is run, where a restart of it is due and the plan has it made. `None` when
/// the installer may be run.
pub(super) fn first(case: &Case<'_>, scratch: &mut Scratch) -> Option<Ruling> {
    let own = case.subject.own;
    if !restarts_first(&case.subject) {
        return None;
    }
    let last = own.restarts_since_patch().last().copied();
    let host = match (case.own.host.as_result(), last) {
        (Ok(host), _) => host,
        (Err(why), None) => return Some(case.unknown(scratch, why).into()),
        (Err(why), Some(last)) => return Some(wait(case, last.at, why).into()),
    };
    let proven = own.restart_proven.is_some();
    match last {
        Some(_) if proven => {}
        Some(last) if is_new(case, host, Some(&last)) => {
            return Some(Ruling { records: vec![under_way::proof(case, host)], next: Judgement::LookAgain });
        }
        Some(last) => return Some(still_the_old_boot(case, scratch, host, last)),
        // Nothing was done to the server that a stop would have to wait for.
        None if case.is_stopping() => return None,
        None => {}
    }
    let due = match &case.own.fitness {
        Answer::Unknown(why) => Answer::Unknown(why.clone()),
        Answer::Known(fitness) => safety::due_restart(case.subject.work.server.short(), fitness),
    };
    match (due, last) {
        (Answer::Unknown(why), _) => Some(case.unknown(scratch, &why).into()),
        (Answer::Known(None), _) => None,
        (Answer::Known(Some(_)), None) => Some(restart(case, scratch, host.booted)),
        // What one restart does not take away, a second one does not either.
        (Answer::Known(Some(what)), Some(_)) => {
            Some(case.give_up(format!("{what}, and it was restarted for that a moment ago")).into())
        }
    }
}

fn started_by_installer(case: &Case<'_>) -> bool {
    matches!(case.subject.own.installer, Some((_, ExitMeaning::RestartStarted)))
}

/// Whether the server was booted by this restart, or by one that serves as well.
fn is_new(case: &Case<'_>, host: &HostFacts, last: Option<&RestartAsked>) -> bool {
    let own = case.subject.own;
    let recorded = own.snapshot.as_ref().map(|snapshot| snapshot.booted);
    let since = match (last, recorded) {
        (Some(last), _) => Some((last.at, last.booted)),
        (None, Some(_)) if started_by_installer(case) => begun_by_installer(own),
        // Somebody restarted it after the installer had ended, and not just so: twice the slack of a boot time.
        (None, Some(before)) => patch_ended(case).map(|ended| (after(ended, BOOT_MOVES * 2), before)),
        (None, None) => None,
    };
    since.is_some_and(|since| is_boot_since(case, host, since))
}

fn patch_ended(case: &Case<'_>) -> Option<Timestamp> {
    let patches = steps_of(case.subject.plan, case.subject.id).filter(|step| step.kind == StepKind::Patch);
    let ended = patches.filter_map(|patch| match &case.subject.state.steps[patch.id.0 as usize] {
        StepState::Ended { at, .. } => Some(*at),
        StepState::Pending | StepState::Running { .. } => None,
    });
    // Whatever the step says, not before the end of the installer in hand.
    ended.max().map(|at| case.subject.own.installer_ended.map_or(at, |ended| ended.max(at)))
}

/// Restarts, once every start type is Manual: what comes up by itself would take connections (promise P5).
fn restart(case: &Case<'_>, scratch: &mut Scratch, booted: Timestamp) -> Ruling {
    let Some(snapshot) = &case.subject.own.snapshot else {
        return case.give_up(format!("{} was not recorded", case.subject.work.server)).into();
    };
    match still_stopped(case) {
        Err(why) => return case.unknown(scratch, &why).into(),
        Ok(Some(again)) => return again.into(),
        Ok(None) => {}
    }
    match start_type_acts(case, snapshot) {
        Err(why) => case.unknown(scratch, &why).into(),
        Ok(acts) if !acts.is_empty() => manual_first(case, scratch, acts),
        Ok(_) => {
            let comment = format!("orchestrate: {}", case.subject.plan.change().reason);
            Judgement::Act(vec![Act::Restart { booted, comment }]).into()
        }
    }
}

/// Sets to Manual what starts by itself again before the server is restarted. An installer may have set it, which undoes
/// nothing that is held against anybody; it is said once.
fn manual_first(case: &Case<'_>, scratch: &mut Scratch, acts: Vec<Act>) -> Ruling {
    let services: Vec<ServiceName> = acts.iter().filter_map(|act| act.service().cloned()).collect();
    let text = format!(
        "{}: {} again, by the installer or another hand: set to Manual before the restart",
        case.subject.work.server,
        they_start(&services)
    );
    let note = Record::Note { work: Some(case.subject.id), text };
    let said = std::mem::replace(&mut scratch.sets_manual_again, true);
    Ruling { records: if said { Vec::new() } else { vec![note] }, next: Judgement::Act(acts) }
}

/// The restart was asked for, and the boot time is the old one. It is asked for again by the boot time that it was to
/// change: a server that has another one by now is not restarted.
fn still_the_old_boot(case: &Case<'_>, scratch: &mut Scratch, host: &HostFacts, last: RestartAsked) -> Ruling {
    let own = case.subject.own;
    if own.restart_refused.is_some() {
        return restart(case, scratch, host.booted);
    }
    let halts = case.is_stopping() && !case.subject.is_patching();
    // A look cannot tell whether it was accepted, and asking again can: the server says that it is going down already.
    if own.restart_unknown.is_some() && !halts {
        return restart(case, scratch, last.booted);
    }
    let asked = own.restarts_since_patch().len();
    if !case.is_over(last.at, RESTART_SHOWS) {
        let then =
            if asked < RESTARTS { "the restart is asked for again" } else { "the server is held out of service" };
        let why = "the boot time is still the old one".to_owned();
        let wait = case.wait_from(last.at, ("the server to go down", why), (RESTART_SHOWS, then));
        return Judgement::Wait(wait, SLOW_LOOK).into();
    }
    // The old boot time after so long is proof that the restart did not happen.
    if halts {
        return case.stopped().into();
    }
    if asked < RESTARTS {
        return restart(case, scratch, last.booted);
    }
    Judgement::Hold(
        HoldCause::RestartNotBegun,
        format!("{} was asked to restart {asked} times and has not gone down", case.subject.work.server),
        case.choices(),
    )
    .into()
}

fn wait(case: &Case<'_>, asked: Timestamp, why: &str) -> Judgement {
    if case.is_over(asked, RESTART_DEADLINE) {
        let text =
            format!("{} has not come back {RESTART_DEADLINE:#} after its restart: {why}", case.subject.work.server);
        return Judgement::Hold(HoldCause::RestartNotBack, text, case.choices());
    }
    let limit = (RESTART_DEADLINE, "the server is held out of service");
    let wait = case.wait_from(asked, ("the server to come back", why.to_owned()), limit);
    Judgement::Wait(wait, SLOW_LOOK)
}
