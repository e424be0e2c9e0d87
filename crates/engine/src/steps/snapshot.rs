//! The record step: how the server was before the first change to it.

use super::block::is_stranger;
use super::{Case, Judgement, Ruling, Scratch};
use crate::constants::{BOOT_MOVES, SELF_START, SLOW_LOOK};
use crate::record::{Record, RecordedService, Snapshot, StepEnd};
use crate::state::Mark;
use jiff::SignedDuration;
use orchestrate_model::change::ExitMeaning;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::observe::{BalancerPlace, BalancerState};
use orchestrate_model::pool::Balancer;
use orchestrate_model::readable::count;
use orchestrate_model::version::{ComponentVersion, Level, Reached};
use orchestrate_model::{RunState, ServiceName, ServiceStatus, StartMode};
use std::collections::BTreeMap;

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if case.subject.own.snapshot.is_some() && case.subject.own.touched {
        return Judgement::Done(StepEnd::AlreadyDone, "recorded before the first change".to_owned()).into();
    }
    if let Some((name, rest)) = still_starting(case) {
        let why = format!("{name} is stopped and starts by itself; the server was booted a moment ago");
        let wait = case.wait_on("services to start by themselves", why, (rest, "the server is recorded as it is"));
        return Judgement::Wait(wait, SLOW_LOOK.min(rest)).into();
    }
    match read(case, scratch) {
        Ok(None) => Judgement::LookAgain.into(),
        Ok(Some(snapshot)) if scratch.compared.is_empty() && may_be_half_updated(case, &snapshot) => {
            scratch.compared.extend(case.subject.pool.present().map(|server| server.name.clone()));
            Judgement::LookAgain.into()
        }
        Ok(Some(snapshot)) => rule(case, scratch, snapshot),
        Err(why) => case.unknown(scratch, &why).into(),
    }
}

/// A service that will soon start by itself: what is recorded in the first minutes after a boot is not how the server is.
fn still_starting<'a>(case: &'a Case<'_>) -> Option<(&'a ServiceName, SignedDuration)> {
    let host = case.own.host.known()?;
    let rest = SELF_START - host.local_time.duration_since(host.booted);
    let services = case.own.services.known()?;
    let late = |status: &ServiceStatus| {
        status.is(RunState::Stopped) && status.start.known().is_some_and(|start| start.mode == StartMode::Automatic)
    };
    let (name, _) = services.iter().find(|(_, status)| late(status))?;
    rest.is_positive().then_some((name, rest))
}

fn rule(case: &Case<'_>, scratch: &mut Scratch, snapshot: Snapshot) -> Ruling {
    scratch.versions_seen = true;
    if let Some(reason) = nothing_to_do(case, &snapshot) {
        return Judgement::NothingToDo(reason).into();
    }
    let found = foreign(case, &snapshot);
    if !found.is_empty() && !case.subject.own.accepted_as_found {
        let reason = format!(
            "{}: {}. An earlier maintenance may have died here. Nothing was changed. Mend it and choose retry, or choose \
             skip if it is meant to be so: the run will then restore what was found",
            case.subject.work.server,
            found.join("; ")
        );
        return Judgement::Hold(HoldCause::FoundState, reason, case.choices()).into();
    }
    let proof = format!(
        "{}, booted {}{}{}",
        count(snapshot.services.len(), "service"),
        snapshot.booted.strftime("%Y-%m-%d %H:%M:%SZ"),
        if snapshot.balancer.is_some() { ", balancer state" } else { "" },
        if snapshot.fabric.is_some() { ", fabric state" } else { "" }
    );
    let mut records = Vec::new();
    if let Some(Err(why)) = super::fabric::before(case) {
        let text = format!(
            "{}: the fabric state before cannot be read ({why}), so it is not compared afterwards. Not every release has \
             Get-CsPoolFabricState; where it is there, compare it by hand",
            case.subject.work.server
        );
        records.push(Record::Note { work: Some(case.subject.id), text });
    }
    records.push(Record::Snapshot { work: case.subject.id, snapshot });
    Ruling { records, next: Judgement::Done(StepEnd::Done, proof) }
}

/// Reads the snapshot. `None`: the server has named dependents that have to be looked at first.
fn read(case: &Case<'_>, scratch: &mut Scratch) -> Result<Option<Snapshot>, String> {
    let seen = case.own.services.as_result().map_err(str::to_owned)?;
    let host = case.own.host.as_result().map_err(str::to_owned)?;
    let mut services = BTreeMap::new();
    let mut more = false;
    for (name, status) in seen {
        let state = *status.state.as_result().map_err(|why| format!("the state of {name}: {why}"))?;
        let start = *status.start.as_result().map_err(|why| format!("the start type of {name}: {why}"))?;
        let dependents = status.dependents.as_result().map_err(|why| format!("what depends on {name}: {why}"))?;
        if !state.is_settled() {
            return Err(format!("{name} is {state}; it has to settle before it can be recorded"));
        }
        for dependent in dependents {
            if !seen.contains_key(dependent) {
                more |= scratch.extra.insert(dependent.clone());
            }
        }
        services.insert(name.clone(), RecordedService { state, start, dependents: dependents.clone() });
    }
    if more {
        return Ok(None);
    }
    if services.keys().all(|name| !case.subject.work.block.contains(name)) {
        return Err("none of the services in scope is installed".to_owned());
    }
    let versions = match (case.subject.plan.change().maintenance.installs(), &case.own.versions) {
        (false, versions) => versions.known().cloned().unwrap_or_default(),
        (true, versions) => versions.as_result().map_err(|why| format!("installed versions: {why}"))?.clone(),
    };
    let fabric = super::fabric::before(case).and_then(Result::ok);
    Ok(Some(Snapshot { booted: host.booted, services, versions, balancer: balancer(case)?, fabric }))
}

fn balancer(case: &Case<'_>) -> Result<Option<BTreeMap<BalancerPlace, BalancerState>>, String> {
    match case.subject.pool.load_balancing.balancer {
        Balancer::None | Balancer::Operator | Balancer::Elsewhere(_) => Ok(None),
        Balancer::Haproxy(_) => super::balancer::current(case).map(|server| Some(server.states())),
    }
}

/// Why there is nothing to do: the server is at the wanted level and nothing but a patch is asked for.
fn nothing_to_do(case: &Case<'_>, snapshot: &Snapshot) -> Option<String> {
    use orchestrate_model::change::RestartPolicy;
    if is_half_done(case, snapshot) {
        return None;
    }
    let maintenance = &case.subject.plan.change().maintenance;
    let levels: Vec<&Level> = maintenance.installers.iter().map(|patch| patch.level.as_ref()).collect::<Option<_>>()?;
    let reached = levels.iter().map(|level| match level.reached(&snapshot.versions) {
        Reached::Yes(reached) => {
            let above = level.above(&snapshot.versions);
            Some(above.unwrap_or_else(|| format!("at {reached} already; {level} is wanted")))
        }
        Reached::No(_) | Reached::NothingInstalled => None,
    });
    let reached: Vec<String> = reached.collect::<Option<_>>()?;
    let behind = levels.iter().any(|level| is_behind(case, level, &snapshot.versions));
    let passed = !reached.is_empty() && maintenance.restart != RestartPolicy::Always && !behind;
    passed.then(|| format!("it is {}", reached.join(", and ")))
}

/// Whether a server that would be passed over has components that are older than the level: only the other servers of its
/// pool can tell whether the update leaves these alone.
fn may_be_half_updated(case: &Case<'_>, snapshot: &Snapshot) -> bool {
    let mut levels = case.subject.plan.change().maintenance.levels();
    let older = levels.any(|level| level.older(&snapshot.versions).next().is_some());
    older && case.subject.pool.servers.len() > 1 && nothing_to_do(case, snapshot).is_some()
}

/// Whether another server of the pool shows that an update broke off on this one: it has a component that is older than
/// the level, and the other one has a newer version of it.
fn is_behind(case: &Case<'_>, level: &Level, versions: &[ComponentVersion]) -> bool {
    let others = || case.seen.servers.values().filter_map(|other| other.versions.known()).flatten();
    let newer = |own: &ComponentVersion| others().any(|o| o.component == own.component && o.version > own.version);
    level.older(versions).any(newer)
}

/// Whether an earlier pass has started what it did not finish: an installer without a good end, or one that asks for a
/// restart that did not come. The level alone does not show it.
fn is_half_done(case: &Case<'_>, snapshot: &Snapshot) -> bool {
    let own = case.subject.own;
    let asks = matches!(own.installer, Some((_, ExitMeaning::RestartNeeded | ExitMeaning::RestartStarted)));
    let before = own.earlier.as_ref().map(|earlier| earlier.booted);
    let rebooted = before.is_some_and(|before| snapshot.booted.duration_since(before) > BOOT_MOVES);
    own.has(Mark::HalfDone) && !(asks && rebooted)
}

/// What looks as if somebody else's maintenance was not finished.
fn foreign(case: &Case<'_>, snapshot: &Snapshot) -> Vec<String> {
    let in_scope = |name: &&ServiceName| case.subject.work.block.contains(name) && !is_stranger(&case.subject, name);
    snapshot
        .services
        .iter()
        .filter(|(name, _)| in_scope(name))
        .filter_map(|(name, service)| match (service.state, service.start.mode) {
            (RunState::Paused, _) => Some(format!("{name} was found paused")),
            (RunState::Running, StartMode::Manual | StartMode::Disabled) => {
                Some(format!("{name} runs although its start type is {}", service.start))
            }
            // A disabled service that is stopped may be one that the pool does not use; the preview compares servers.
            (RunState::Stopped, StartMode::Manual) => Some(format!("{name} is stopped and its start type is manual")),
            (
                RunState::Running
                | RunState::Stopped
                | RunState::StartPending
                | RunState::StopPending
                | RunState::ContinuePending
                | RunState::PausePending,
                _,
            ) => None,
        })
        .collect()
}
