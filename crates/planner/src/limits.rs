//! How long each step of a server may take: one table for the forecast and the window rule of the planner, and for the
//! deadlines of the engine.
//!
//! What is promised of a window is kept only if both count the same, so no other place states these numbers.

use crate::build;
use crate::plan::{Step, StepKind};
use jiff::SignedDuration;
use orchestrate_model::change::{Patch, WindowFit};
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Change, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a server may take to be asked and recorded before its first change. Delayed automatic starts come about two
/// minutes after the others, and a server that was booted a moment ago is recorded when they have; five minutes cover
/// them. Until the first change a server for which the window becomes too short is simply not begun.
pub const SELF_START: SignedDuration = SignedDuration::from_mins(5);

/// How long services may take to be paused. A pause is an answer to a control, which the service manager gives up on
/// after 30 s; ten minutes cover a server that is slow under load.
pub const BLOCK_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// How long services may take to stop.
pub const STOP_DEADLINE: SignedDuration = SignedDuration::from_mins(20);

/// What an installer gets beyond its own deadline before it is called lost: the server ends it at its deadline, and what
/// it leaves has to be written down and read.
pub const INSTALLER_GRACE: SignedDuration = SignedDuration::from_mins(5);

/// How long the installer may be started anew while another installation runs on the server, which it says with exit code
/// 1618 and at once: three waits of five minutes, and the starts in between.
pub const INSTALLER_BUSY: SignedDuration = SignedDuration::from_mins(20);

/// How long a restart that was asked for may go unseen, refused or not carried out, before it is asked for again.
/// `shutdown` goes down after five seconds; services may hold it up for minutes.
pub const RESTART_SHOWS: SignedDuration = SignedDuration::from_mins(15);

/// How long a server may take to come back. An administrator's figure for a physical server is 15 minutes with
/// services; four times that is trouble.
pub const RESTART_DEADLINE: SignedDuration = SignedDuration::from_mins(60);

/// How long services may take to start. `RTCSRV` may stay in Start Pending for an hour while the pool places its users
/// (event 32174).
pub const RETURN_DEADLINE: SignedDuration = SignedDuration::from_mins(75);

/// How long a balancer is asked to have a server again that is good: one that is restarted, or moves to its partner, is
/// away for minutes, and a server that is given up for it is missing for the rest of the night.
pub const BALANCER_BACK: SignedDuration = SignedDuration::from_mins(20);

/// How long the proof that a server is back may take.
pub const GATE_DEADLINE: SignedDuration = SignedDuration::from_mins(60);

/// How long a server is asked what is installed on it after its patch: one that has just been restarted, or refuses shells for some
/// minutes, is not left out of service for that.
pub const VERIFY_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// What the steps take together that have no deadline of their own: the balancer before and after, the versions, and the
/// last look of each step. Each gives up after a minute without an answer.
pub const LOOKS: SignedDuration = SignedDuration::from_mins(5);

/// The steps of a server from its first change on, in their order.
const CHANGING: [StepKind; 11] = [
    StepKind::BalancerOut,
    StepKind::Block,
    StepKind::Drain,
    StepKind::Stop,
    StepKind::Patch,
    StepKind::Restart,
    StepKind::Verify,
    StepKind::Return,
    StepKind::BalancerIn,
    StepKind::Gate,
    StepKind::Soak,
];

/// Returns how long a step may take on a server on which these services are blocked. All installers with what comes between
/// them count as one patch step.
#[must_use]
pub fn of_step(change: &Change, block: &[ServiceName], kind: StepKind) -> SignedDuration {
    let installs = change.maintenance.installs();
    match kind {
        StepKind::Record => SELF_START,
        StepKind::Block => BLOCK_DEADLINE,
        StepKind::Drain => drain(change, block),
        StepKind::Stop if installs || build::restarts(change) => STOP_DEADLINE,
        StepKind::Patch => {
            let each = change.maintenance.installers.iter().map(one_installer);
            // Any installer may restart the server by itself, and the next one waits for that.
            each.reduce(|sum, next| sum + RESTART_SHOWS + RESTART_DEADLINE + next).unwrap_or(SignedDuration::ZERO)
        }
        // An installer may restart the server by itself, whatever the plan says about restarts.
        StepKind::Restart if installs || build::restarts(change) => RESTART_SHOWS + RESTART_DEADLINE,
        StepKind::Verify => VERIFY_DEADLINE + LOOKS,
        StepKind::Return => RETURN_DEADLINE,
        StepKind::BalancerIn if is_balanced(change) => BALANCER_BACK,
        StepKind::Gate => GATE_DEADLINE,
        StepKind::Soak => change.maintenance.soak,
        // What the others take is part of `LOOKS`.
        StepKind::Guard
        | StepKind::Stop
        | StepKind::Restart
        | StepKind::BalancerOut
        | StepKind::BalancerIn
        | StepKind::Database => SignedDuration::ZERO,
    }
}

/// Returns how long one installer may take, with what is tried before it.
fn one_installer(patch: &Patch) -> SignedDuration {
    patch.deadline + INSTALLER_GRACE + INSTALLER_BUSY + restart_first(patch)
}

/// Returns how long one step of a plan may take. Where there are several installers each has a step of its own, and of what
/// [`of_step`] counts as one patch step this is the part.
#[must_use]
pub fn of_planned(change: &Change, block: &[ServiceName], step: &Step) -> SignedDuration {
    let number = step.installer as usize;
    match (change.maintenance.installers.get(number), step.kind) {
        (Some(patch), StepKind::Patch) => {
            let is_last = number + 1 >= change.maintenance.installers.len();
            let has_step = build::restarts(change) && change.maintenance.restarts_between(number);
            let between = if is_last || has_step { SignedDuration::ZERO } else { RESTART_SHOWS + RESTART_DEADLINE };
            one_installer(patch) + between
        }
        (Some(_) | None, kind) => of_step(change, block, kind),
    }
}

/// Returns how long one step of a plan likely takes, in the same way.
#[must_use]
pub fn likely_of_planned(change: &Change, block: &[ServiceName], step: &Step) -> SignedDuration {
    match (change.maintenance.installers.get(step.installer as usize), step.kind) {
        (Some(patch), StepKind::Patch) => likely_of_installer(patch),
        (Some(_) | None, kind) => likely_of_step(change, block, kind),
    }
}

/// How long a restart likely takes.
const LIKELY_RESTART: SignedDuration = SignedDuration::from_mins(20);

fn likely_of_installer(patch: &Patch) -> SignedDuration {
    patch.deadline + if patch.restarts_first() { LIKELY_RESTART } else { SignedDuration::ZERO }
}

/// Whether the run has a balancer to ask.
fn is_balanced(change: &Change) -> bool {
    change.pools.iter().any(|pool| matches!(pool.load_balancing.balancer, Balancer::Haproxy(_)))
}

/// Returns how long the restart may take that is made before the installer, where the plan has one made.
#[must_use]
pub fn restart_first(patch: &Patch) -> SignedDuration {
    if patch.restarts_first() { RESTART_SHOWS + RESTART_DEADLINE } else { SignedDuration::ZERO }
}

/// Returns the longest deadline that the drain of these services has.
#[must_use]
pub fn drain(change: &Change, block: &[ServiceName]) -> SignedDuration {
    let maintenance = &change.maintenance;
    let own = block.iter().map(|service| {
        let deadline =
            maintenance.drain.per_service.get(service).map_or(maintenance.drain.deadline, |own| own.deadline);
        deadline.max(maintenance.unmeasured.get(service).copied().unwrap_or_default())
    });
    own.max().unwrap_or(maintenance.drain.deadline)
}

/// Returns what a server may spend time on, in order, and how long on each: together what has to fit into its window, without
/// the reserve. Where a plan has no such step it is time that is kept for what may become necessary, as when an installer
/// restarts the server itself.
#[must_use]
pub fn parts(change: &Change, block: &[ServiceName]) -> Vec<(StepKind, SignedDuration)> {
    let kinds = std::iter::once(StepKind::Record).chain(CHANGING);
    let of_step = match change.maintenance.fit {
        WindowFit::Worst => of_step,
        WindowFit::Likely => likely_of_step,
    };
    kinds.map(|kind| (kind, of_step(change, block, kind))).filter(|(_, limit)| limit.is_positive()).collect()
}

/// Returns what a server takes at worst from before its first change until it is proven back and has soaked.
#[must_use]
pub fn worst_case(change: &Change, block: &[ServiceName]) -> SignedDuration {
    SELF_START + from_first_change(change, block)
}

/// Returns what a server takes at worst from its first change on.
#[must_use]
pub fn from_first_change(change: &Change, block: &[ServiceName]) -> SignedDuration {
    CHANGING.into_iter().map(|kind| of_step(change, block, kind)).fold(SignedDuration::ZERO, |sum, more| sum + more)
}

/// What is kept beside the likely time of a server (`fit: likely`): to finish what takes longer, or to give the server back.
pub const RESERVE: SignedDuration = SignedDuration::from_mins(30);

/// Returns how long a step likely takes: what nineteen of twenty servers are taken to stay under. The plan's own numbers
/// stand for the drain, the installer and the soak, of which they say most. The others are assumptions, not measurements:
/// minutes where everything is well, and a tenth to a third of what the engine waits for when it is not.
#[must_use]
pub fn likely_of_step(change: &Change, block: &[ServiceName], kind: StepKind) -> SignedDuration {
    let usual = match kind {
        StepKind::Record | StepKind::BalancerIn => SignedDuration::from_mins(1),
        StepKind::Block | StepKind::Verify => SignedDuration::from_mins(2),
        StepKind::Stop => SignedDuration::from_mins(5),
        StepKind::Patch => {
            let maintenance = &change.maintenance;
            let each = maintenance.installers.iter().enumerate().map(|(number, patch)| {
                likely_of_installer(patch) + LIKELY_RESTART * i32::from(maintenance.restarts_between(number))
            });
            each.fold(SignedDuration::ZERO, |sum, more| sum + more)
        }
        StepKind::Restart | StepKind::Return => LIKELY_RESTART,
        StepKind::Gate => SignedDuration::from_mins(15),
        StepKind::Drain | StepKind::Soak | StepKind::Guard | StepKind::BalancerOut | StepKind::Database => {
            SignedDuration::MAX
        }
    };
    usual.min(of_step(change, block, kind))
}

/// Returns what a server likely takes from before its first change until it is proven back and has soaked.
#[must_use]
pub fn likely(change: &Change, block: &[ServiceName]) -> SignedDuration {
    likely_of_step(change, block, StepKind::Record) + likely_from_first_change(change, block)
}

fn likely_from_first_change(change: &Change, block: &[ServiceName]) -> SignedDuration {
    let steps = CHANGING.into_iter().map(|kind| likely_of_step(change, block, kind));
    steps.fold(SignedDuration::ZERO, |sum, more| sum + more)
}

/// The least number of servers whose times say more than the assumptions of [`likely_of_step`].
pub const LEAST_SERVERS: usize = 3;

/// How long the steps of servers of one pool have taken in earlier runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// How many servers that was.
    pub servers: usize,
    /// What nineteen of twenty of them stayed under, by step. A step that none of them had is missing.
    pub steps: BTreeMap<StepKind, SignedDuration>,
}

impl Earlier {
    /// Returns what these servers say, each by its steps.
    #[must_use]
    pub fn of(servers: &[BTreeMap<StepKind, SignedDuration>]) -> Self {
        let mut by_step: BTreeMap<StepKind, Vec<SignedDuration>> = BTreeMap::new();
        for (kind, took) in servers.iter().flatten() {
            by_step.entry(*kind).or_default().push(*took);
        }
        let most = |mut took: Vec<SignedDuration>| {
            took.sort_unstable();
            // All but one of twenty: of fewer than twenty the longest.
            let place = took.len() - 1 - took.len() / 20;
            took.get(place).copied().unwrap_or_default()
        };
        Self { servers: servers.len(), steps: by_step.into_iter().map(|(kind, took)| (kind, most(took))).collect() }
    }

    /// Whether there are enough servers to go by.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.servers >= LEAST_SERVERS
    }
}

/// The same as [`likely`], by what servers of the pool took in earlier runs where there were enough of them. The soak is what the
/// plan says, and no step takes longer than it may.
#[must_use]
pub fn likely_after(change: &Change, block: &[ServiceName], earlier: &Earlier) -> SignedDuration {
    if !earlier.counts() {
        return likely(change, block);
    }
    let kinds = std::iter::once(StepKind::Record).chain(CHANGING);
    let usual = |kind: StepKind| {
        let took = earlier.steps.get(&kind).copied().filter(|_| kind != StepKind::Soak);
        let took = took.unwrap_or_else(|| likely_of_step(change, block, kind));
        took.min(of_step(change, block, kind).max(likely_of_step(change, block, kind)))
    };
    kinds.map(usual).fold(SignedDuration::ZERO, |sum, more| sum + more)
}

/// From when on a server is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From before its first change, with its record.
    Begin,
    /// From its first change on.
    FirstChange,
}

/// Returns what has to be left of a window before a server is begun in it, by what the plan says has to fit.
#[must_use]
pub fn room(change: &Change, block: &[ServiceName], since: Since) -> SignedDuration {
    match (change.maintenance.fit, since) {
        (WindowFit::Worst, Since::Begin) => worst_case(change, block),
        (WindowFit::Worst, Since::FirstChange) => from_first_change(change, block),
        (WindowFit::Likely, Since::Begin) => likely(change, block) + RESERVE,
        (WindowFit::Likely, Since::FirstChange) => likely_from_first_change(change, block) + RESERVE,
    }
}

/// Returns what has to be left of a window for a server that has been in a step for so long, by what the plan says has to
/// fit. The reserve is for what takes longer than is likely.
#[must_use]
pub fn room_left(change: &Change, kind: StepKind, elapsed: SignedDuration) -> SignedDuration {
    match change.maintenance.fit {
        WindowFit::Worst => left(change, kind, elapsed),
        WindowFit::Likely => left_of(kind, elapsed, |step| likely_of_step(change, &[], step)),
    }
}

/// Returns what a server takes at worst that has been in a step for so long. A drain counts as over: it can be given up
/// at any time, and so can what comes before it.
#[must_use]
pub fn left(change: &Change, kind: StepKind, elapsed: SignedDuration) -> SignedDuration {
    left_of(kind, elapsed, |step| of_step(change, &[], step))
}

fn left_of(kind: StepKind, elapsed: SignedDuration, of_step: impl Fn(StepKind) -> SignedDuration) -> SignedDuration {
    let from = kind.max(StepKind::Stop);
    let steps = CHANGING.into_iter().filter(|step| *step >= from);
    let all = steps.map(&of_step).fold(SignedDuration::ZERO, |sum, more| sum + more);
    let used = if kind == from { elapsed.clamp(SignedDuration::ZERO, of_step(kind)) } else { SignedDuration::ZERO };
    all - used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_server_of_twenty_took_longer_than_does_not_count() {
        let minutes = |minutes| BTreeMap::from([(StepKind::Gate, SignedDuration::from_mins(minutes))]);
        let few: Vec<_> = [3, 9, 4].map(minutes).to_vec();
        let earlier = Earlier::of(&few);
        assert!(earlier.counts() && !Earlier::of(&few[..2]).counts());
        assert_eq!(earlier.steps[&StepKind::Gate], SignedDuration::from_mins(9));
        let many: Vec<_> = (1..=20).map(minutes).collect();
        assert_eq!(Earlier::of(&many).steps[&StepKind::Gate], SignedDuration::from_mins(19));
        assert_eq!(Earlier::of(&many).steps.get(&StepKind::Drain), None);
    }
}
