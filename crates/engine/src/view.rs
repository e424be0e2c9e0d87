//! What a run looks like from outside, for terminals, pages and other processes: a value, computed from the state and
//! the latest observations. Losing a view loses nothing.

use crate::record::{RunOutcome, ServerEnd, StopWhy};
use crate::state::{Alarm, Hold, StepState};
use jiff::Timestamp;
use orchestrate_model::{Answer, PoolName, RunId, ServerName};
use orchestrate_planner::StepKind;
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
    /// Sessions left, once they are counted.
    pub sessions_left: Option<Answer<u64>>,
    /// Why its pool cannot do without it at present, and since when.
    #[serde(default)]
    pub alarm: Option<Alarm>,
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
            servers,
        }
    }

    fn server_view(&self, position: usize) -> ServerView {
        let work = &self.plan.work()[position];
        let state = &self.state.work[position];
        let phase = match (&state.end, &state.held, self.step_in_hand(position)) {
            (Some(end), _, _) => Phase::Ended(end.clone()),
            (None, Some(hold), _) => Phase::Held(hold.clone()),
            (None, None, Some(step)) if state.started.is_some() => Phase::Step {
                kind: self.plan.steps()[step.0 as usize].kind,
                since: match &self.state.steps[step.0 as usize] {
                    StepState::Running { since } | StepState::Ended { at: since, .. } => *since,
                    StepState::Pending => self.state.last.unwrap_or(Timestamp::UNIX_EPOCH),
                },
                back: state.back.is_some(),
            },
            (None, None, _) => Phase::Waiting,
        };
        let ended = self.chains[position].iter().filter(|step| self.state.steps[step.0 as usize].is_ended()).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        ServerView {
            pool: self.plan.pool_of(work).name.clone(),
            server: work.server.clone(),
            phase,
            started: state.started,
            out: state.is_out(),
            sessions_left: self.scratch[position].left.clone(),
            alarm: state.alarm.clone().filter(|_| state.end.is_none()),
            wait: self.wait_of(position).filter(|_| state.end.is_none()),
            steps: (count(ended), count(self.chains[position].len())),
        }
    }
}
