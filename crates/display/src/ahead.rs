//! What is likely ahead of a run: when it is over, how long what is in hand takes, and when its window ends.
//!
//! By the numbers that the preview forecasts with ([`limits::likely_of_step`]), along the waits of the plan. A drain counts with
//! its deadline, so most runs are over earlier.

use crate::text::duration;
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::View;
use orchestrate_engine::view::{Phase, ServerView};
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::windows::{Calendar, WindowState};
use orchestrate_planner::{Plan, StepKind, limits};

/// A step of a plan.
#[derive(Debug, Clone, Copy)]
struct Planned {
    /// Its server.
    server: Option<usize>,
    /// What it does.
    kind: StepKind,
    /// Its place among the steps of its server, where that says more than what it does: of several installers.
    place: Option<u32>,
    /// How long it likely takes.
    likely: SignedDuration,
}

/// A plan, prepared for being asked often.
#[derive(Debug, Clone)]
pub struct Ahead {
    steps: Vec<Planned>,
    /// The steps in an order in which each comes after all that it waits for.
    order: Vec<usize>,
    /// What each step waits for.
    before: Vec<Vec<usize>>,
    /// The windows. `None`: there are none that can be read.
    pub(crate) calendar: Option<Calendar>,
}

impl Ahead {
    /// Prepares a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let change = plan.change();
        let several = change.maintenance.installers.len() > 1;
        let mut places = vec![0_u32; plan.work().len()];
        let steps: Vec<Planned> = plan
            .steps()
            .iter()
            .map(|step| match step.target {
                StepTarget::Server(work) => {
                    let own = plan.work_of(work);
                    let likely = if step.kind == StepKind::Soak {
                        plan.soak_of(own)
                    } else {
                        limits::likely_of_planned(change, &own.block, step)
                    };
                    let next = &mut places[work.0 as usize];
                    let place = several.then_some(std::mem::replace(next, *next + 1));
                    Planned { server: Some(work.0 as usize), kind: step.kind, place, likely }
                }
                StepTarget::Pool(_) => {
                    Planned { server: None, kind: step.kind, place: None, likely: SignedDuration::ZERO }
                }
            })
            .collect();
        let mut before = vec![Vec::new(); steps.len()];
        let (mut after, mut waits) = (vec![Vec::new(); steps.len()], vec![0_usize; steps.len()]);
        for edge in plan.edges() {
            let (first, then) = (edge.before.0 as usize, edge.after.0 as usize);
            before[then].push(first);
            after[first].push(then);
            waits[then] += 1;
        }
        let mut order: Vec<usize> = (0..steps.len()).filter(|step| waits[*step] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for &step in &after[order[next]] {
                waits[step] -= 1;
                if waits[step] == 0 {
                    order.push(step);
                }
            }
            next += 1;
        }
        Self { steps, order, before, calendar: Calendar::new(&change.windows, &change.freezes).ok() }
    }

    /// Returns when the run is likely over, if no window interrupts it. `None` while a person has to decide about a server: how
    /// long that takes is not known.
    #[must_use]
    pub fn likely_end(&self, view: &View, now: Timestamp) -> Option<Timestamp> {
        if view.servers.iter().any(|server| matches!(server.phase, Phase::Held(_))) {
            return None;
        }
        let last = self.times(view, now).into_iter().map(|(_, ends)| ends).max().unwrap_or_default();
        now.checked_add(last).ok()
    }

    /// Returns what is likely ahead of each server, in its order: which step, from when, until when. A server that is held, and
    /// what waits for it, has nothing ahead that can be told.
    pub(crate) fn steps_ahead(&self, view: &View, now: Timestamp) -> Vec<Vec<(StepKind, Timestamp, Timestamp)>> {
        let times = self.times(view, now);
        let mut each = vec![Vec::new(); view.servers.len()];
        let mut open = vec![false; self.steps.len()];
        for &step in &self.order {
            let Planned { server, kind, .. } = self.steps[step];
            let held = server.and_then(|position| view.servers.get(position));
            let held = held.is_some_and(|server| matches!(server.phase, Phase::Held(_)));
            open[step] = held || self.before[step].iter().any(|before| open[*before]);
            let (begins, ends) = times[step];
            let (Some(position), false, true) = (server, open[step], begins < ends) else { continue };
            let (Ok(begins), Ok(ends)) = (now.checked_add(begins), now.checked_add(ends)) else { continue };
            if let Some(own) = each.get_mut(position) {
                own.push((kind, begins, ends));
            }
        }
        each
    }

    /// Returns for each step when it likely begins and ends, counted from now.
    fn times(&self, view: &View, now: Timestamp) -> Vec<(SignedDuration, SignedDuration)> {
        let mut times = vec![(SignedDuration::ZERO, SignedDuration::ZERO); self.steps.len()];
        for &step in &self.order {
            let own = self.steps[step];
            let server = own.server.and_then(|position| view.servers.get(position));
            let left = server.map_or(own.likely, |server| left(server, own, now));
            let begins = self.before[step].iter().map(|before| times[*before].1).max().unwrap_or_default();
            times[step] = (begins, begins + left);
        }
        times
    }

    /// Returns when the window ends that is open now.
    #[must_use]
    pub fn window_end(&self, now: Timestamp) -> Option<Timestamp> {
        match self.calendar.as_ref()?.state(now) {
            WindowState::Inside { ends } => ends,
            WindowState::Outside { .. } => None,
        }
    }

    /// Returns how long the step likely takes that a server has in hand.
    #[must_use]
    pub fn usual(&self, server: &ServerView, position: usize, kind: StepKind) -> Option<SignedDuration> {
        let own = |step: &&Planned| step.server == Some(position) && step.kind == kind;
        // Of several installers the one whose turn it is.
        let all = || self.steps.iter().filter(own);
        let step = all().find(|step| step.place == Some(server.steps.0)).or_else(|| all().next());
        step.map(|step| step.likely).filter(|likely| likely.is_positive())
    }

    /// Returns how long it likely takes until a server that a run in hand stops with is in service again: what is being patched is
    /// finished, and everything else goes back.
    #[must_use]
    pub fn until_back(&self, view: &View, position: usize, now: Timestamp) -> SignedDuration {
        let Some(server) = view.servers.get(position) else { return SignedDuration::ZERO };
        let Phase::Step { kind: in_hand, back, .. } = server.phase else { return SignedDuration::ZERO };
        let finished = in_hand >= StepKind::Patch && !back;
        let counts = |kind: StepKind| match kind {
            StepKind::Return | StepKind::BalancerIn | StepKind::Gate => true,
            StepKind::Patch | StepKind::Restart | StepKind::Verify => finished,
            StepKind::Guard
            | StepKind::Record
            | StepKind::BalancerOut
            | StepKind::Block
            | StepKind::Drain
            | StepKind::Stop
            | StepKind::Soak
            | StepKind::Database => false,
        };
        let own = self.steps.iter().filter(|step| step.server == Some(position) && counts(step.kind));
        own.map(|step| left(server, *step, now)).fold(SignedDuration::ZERO, |sum, more| sum + more)
    }
}

/// Returns how long a step of a server likely still takes.
fn left(server: &ServerView, step: Planned, now: Timestamp) -> SignedDuration {
    match &server.phase {
        Phase::Ended(_) => SignedDuration::ZERO,
        Phase::Waiting | Phase::Held(_) => step.likely,
        Phase::Step { kind: in_hand, since, back } => {
            // On the way there the steps are done in their order, of which several may be of one kind.
            let place = step.place.filter(|_| !*back).map(|place| place.cmp(&server.steps.0));
            match place.unwrap_or_else(|| step.kind.cmp(in_hand)) {
                std::cmp::Ordering::Less => SignedDuration::ZERO,
                std::cmp::Ordering::Equal => {
                    step.likely.saturating_sub(now.duration_since(*since)).max(SignedDuration::ZERO)
                }
                // A server on its way back does not soak.
                std::cmp::Ordering::Greater if *back && step.kind == StepKind::Soak => SignedDuration::ZERO,
                std::cmp::Ordering::Greater => step.likely,
            }
        }
    }
}

/// Returns a time that somebody plans by: in minutes, and a little longer rather than shorter.
pub(crate) fn about(length: SignedDuration) -> String {
    duration(SignedDuration::from_mins((length.as_secs().max(0) + 59) / 60))
}
