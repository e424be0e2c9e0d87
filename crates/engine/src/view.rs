//! What a run looks like from outside, for terminals, pages and other processes: a value, computed from the state and
//! the latest observations. Losing a view loses nothing.

use crate::record::{RunOutcome, ServerEnd, StopWhy};
use crate::state::{Alarm, Hold, RunState, StepState, steps_of, work_id};
use jiff::Timestamp;
use orchestrate_model::{Answer, PoolName, RunId, ServerName};
use orchestrate_planner::{Plan, StepId, StepKind};
use serde::{Deserialize, Serialize};

/// A run as it looks now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The run.
    pub run: Option<RunId>,
    /// The time of this view.
    pub at: Timestamp,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// Why it stops, when it does.
    pub stop: Option<StopWhy>,
    /// How it ended.
    pub ended: Option<RunOutcome>,
    /// Whether the run only brings servers back (`recover`).
    #[serde(default)]
    pub recovers: bool,
    /// The servers in the order in which they are taken.
    pub servers: Vec<ServerView>,
}

/// One server as it looks now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its pool.
    pub pool: PoolName,
    /// Its name.
    pub server: ServerName,
    /// Where it is.
    pub phase: Phase,
    /// When its work began.
    pub started: Option<Timestamp>,
    /// Whether it may be out of service on our account.
    pub out: bool,
    /// Whether it counts as failed for `stop_when`.
    #[serde(default)]
    pub failed: bool,
    /// Whether it was changed, by this start of the run or an earlier one.
    #[serde(default)]
    pub changed: bool,
    /// Sessions left, once they are counted.
    pub sessions_left: Option<Answer<u64>>,
    /// The first count of the drain in hand: sessions left are left of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_first: Option<u64>,
    /// Why its pool cannot do without it at present, and since when.
    #[serde(default)]
    pub alarm: Option<Alarm>,
    /// Since when the balancer is seen to send it new connections while it is held: another hand has put it back there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_in: Option<Timestamp>,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// Steps ended, and steps in all.
    pub steps: (u32, u32),
}

/// Where a server is in its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its turn has not come.
    Waiting,
    /// A step is in hand.
    Step {
        /// The step.
        kind: StepKind,
        /// Since when.
        since: Timestamp,
        /// Whether it is on its way back without the rest of its steps.
        back: bool,
    },
    /// The operator has to decide.
    Held(Hold),
    /// Nothing more is done to it.
    Ended(ServerEnd),
}

/// A wait, in full (promise P11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What is waited for.
    pub what: String,
    /// Why it is not so yet.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most. `None`: until it is so or somebody stops the run.
    pub until: Option<Timestamp>,
    /// What happens then.
    pub then: String,
}

impl View {
    /// Returns what a run looks like by its records. `latest` is a view that was made when the last look was: what only a
    /// look can tell (sessions left, what is waited for) is taken from it where the server is still in that step. `None`: there
    /// are neither records nor a view.
    #[must_use]
    pub fn of_records(plan: &Plan, state: &RunState, latest: Option<&Self>) -> Option<Self> {
        let at = state.last.into_iter().chain(latest.map(|view| view.at)).max()?;
        let server = |position: usize| {
            let chain: Vec<StepId> = steps_of(plan, work_id(position)).map(|step| step.id).collect();
            let mut own = ServerView::of_records((plan, state), position, &chain);
            let seen = latest.and_then(|view| view.servers.get(position)).filter(|seen| seen.is_in_step_of(&own));
            if let Some(seen) = seen {
                own.sessions_left.clone_from(&seen.sessions_left);
                own.sessions_first = seen.sessions_first;
                own.wait.clone_from(&seen.wait);
            }
            let let_in = latest.and_then(|view| view.servers.get(position)?.let_in);
            own.let_in = let_in.filter(|_| matches!(own.phase, Phase::Held(_)));
            own
        };
        Some(Self {
            run: state.header.as_ref().map(|header| header.run.clone()),
            at,
            started: state.started,
            stop: state.stop.clone(),
            ended: state.ended,
            recovers: state.recover,
            servers: (0..state.work.len()).map(server).collect(),
        })
    }
}

impl ServerView {
    fn of_records((plan, state): (&Plan, &RunState), position: usize, chain: &[StepId]) -> Self {
        let work = &plan.work()[position];
        let own = &state.work[position];
        let phase = match (&own.end, &own.held, state.step_in_hand(plan, position, chain)) {
            (Some(end), _, _) => Phase::Ended(end.clone()),
            (None, Some(hold), _) => Phase::Held(hold.clone()),
            (None, None, Some(step)) if own.started.is_some() => Phase::Step {
                kind: plan.steps()[step.0 as usize].kind,
                since: match &state.steps[step.0 as usize] {
                    StepState::Running { since } | StepState::Ended { at: since, .. } => *since,
                    StepState::Pending => state.last.unwrap_or(Timestamp::UNIX_EPOCH),
                },
                back: own.back.is_some(),
            },
            (None, None, _) => Phase::Waiting,
        };
        let ended = chain.iter().filter(|step| state.steps[step.0 as usize].is_ended()).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            pool: plan.pool_of(work).name.clone(),
            server: work.server.clone(),
            phase,
            started: own.started,
            out: own.is_out(),
            failed: own.counts_as_failed(),
            changed: own.is_changed(),
            sessions_left: None,
            sessions_first: None,
            alarm: own.alarm.clone().filter(|_| own.end.is_none()),
            let_in: None,
            wait: None,
            steps: (count(ended), count(chain.len())),
        }
    }

    /// Whether this view of a server is of the step, or of the hold, in which `now` has it.
    fn is_in_step_of(&self, now: &Self) -> bool {
        match (&self.phase, &now.phase) {
            (Phase::Step { kind, back, .. }, Phase::Step { kind: other, back: other_back, .. }) => {
                kind == other && back == other_back
            }
            (Phase::Held(hold), Phase::Held(other)) => hold.since == other.since,
            (Phase::Waiting, Phase::Waiting) => true,
            (Phase::Waiting | Phase::Step { .. } | Phase::Held(_) | Phase::Ended(_), _) => false,
        }
    }
}

impl crate::Engine {
    /// Returns what the run looks like now.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> View {
        let servers = (0..self.state.work.len()).map(|position| self.server_view(position)).collect();
        View {
            run: self.state.header.as_ref().map(|header| header.run.clone()),
            at: now,
            started: self.state.started,
            stop: self.state.stop.clone(),
            ended: self.state.ended,
            recovers: self.state.recover,
            servers,
        }
    }

    fn server_view(&self, position: usize) -> ServerView {
        let ended = self.state.work[position].end.is_some();
        ServerView {
            sessions_left: self.scratch[position].left.clone(),
            sessions_first: self.scratch[position].first_count.map(|(first, _)| first),
            wait: self.wait_of(position).filter(|_| !ended),
            let_in: self.scratch[position].let_in.filter(|_| self.state.work[position].held.is_some()),
            ..ServerView::of_records((&*self.plan, &self.state), position, &self.chains[position])
        }
    }
}
