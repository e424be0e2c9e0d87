//! Services without sessions while the installer runs: they are stopped as the product's own procedure has it, late, and
//! start again before the others. Their start types are left alone, since they take no connections.
//!
//! None of them is worth turning a server back for: one that does not stop runs on, and the installer then asks for a
//! restart if it has to replace a file that is in use.

use super::block::{paused_services, waits_for};
use super::{Case, Judgement, Scratch};
use crate::constants::{STOP_DEADLINE, SUPPORT_TRIES, settle_pace};
use crate::look::Subject;
use crate::record::StepEnd;
use orchestrate_model::act::Act;
use orchestrate_model::{RunState, ServiceName};

/// Returns the supporting services that are stopped for the installer: those that ran when the server was recorded, and
/// are not blocked for what they depend on.
pub(super) fn services(subject: &Subject<'_>) -> Vec<ServiceName> {
    let Some(snapshot) = subject.own.snapshot.as_ref().filter(|_| subject.plan.change().maintenance.installs()) else {
        return Vec::new();
    };
    let paused = paused_services(subject);
    let ran = |name: &&ServiceName| snapshot.services.get(*name).is_some_and(|s| s.state == RunState::Running);
    subject.work.support.iter().filter(ran).filter(|name| !paused.contains(name)).cloned().collect()
}

/// Stops them, once everything that has sessions is stopped, which `stopped` says in words.
pub(super) fn stop(case: &Case<'_>, scratch: &mut Scratch, stopped: String) -> Result<Judgement, String> {
    let names = services(&case.subject);
    let (mut acts, mut pending) = (Vec::new(), Vec::new());
    for name in &names {
        match case.state(name)? {
            RunState::Stopped => {}
            RunState::Running | RunState::Paused if !scratch.running_on.contains(name) => {
                let act = Act::Stop { service: name.clone() };
                let tried = scratch.tries.of(&act);
                let spent = tried.refused > 0 || tried.accepted + tried.unknown >= SUPPORT_TRIES;
                match waits_for(case, name)? {
                    Some(dependent) if names.contains(&dependent) && !scratch.running_on.contains(&dependent) => {
                        pending.push(format!("{name} waits for {dependent} to stop"));
                    }
                    // What depends on it is not ours to stop.
                    Some(_) => drop(scratch.running_on.insert(name.clone())),
                    None if spent => drop(scratch.running_on.insert(name.clone())),
                    None => acts.push(act),
                }
            }
            RunState::Running | RunState::Paused => {}
            state @ (RunState::StartPending
            | RunState::StopPending
            | RunState::ContinuePending
            | RunState::PausePending) => pending.push(format!("{name} is {state}")),
        }
    }
    let late = case.is_late(STOP_DEADLINE);
    Ok(if !acts.is_empty() && !late {
        Judgement::Act(acts)
    } else if !pending.is_empty() && !late {
        let limit = Some((STOP_DEADLINE, "the installer is run all the same"));
        Judgement::Wait(
            case.wait("supporting services to stop", pending.join(", "), limit),
            settle_pace(case.elapsed()),
        )
    } else {
        let mut on = Vec::new();
        for name in &names {
            let state = case.state(name)?;
            if state != RunState::Stopped {
                on.push(format!("{name} is {state}"));
            }
        }
        let support = match (names.len(), on.is_empty()) {
            (0, _) => String::new(),
            (count, true) => format!(", and {count} that support them"),
            (_, false) => format!("; supporting services that did not stop: {}", on.join(", ")),
        };
        Judgement::Done(StepEnd::Done, format!("{stopped}{support}"))
    })
}
