//! The oracle: knows the true state of the world and holds every act and every claim of a run against the promises.
//!
//! It shares no code with the engine and the planner. What it knows of a run it reads from the lines of the journal, as
//! text. It excuses what nobody can know: events of the outside that are younger than the evidence may be.

mod ends;
mod evidence;
mod gaps;
mod hooks;
mod hosts;
mod lines;
mod neighbours;
mod pace;
mod promised;
mod refused;
mod watch;

use crate::world::{Ms, SECOND};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{Act, RunState, ServerName, ServiceName, StartType};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Events of the outside that are younger than this may be unknown to a guard: its evidence may be 30 s old, and an act
/// takes up to 20 s to land.
const GUARD_AGE: Ms = 55 * SECOND;

/// The same for everything else: a look may be two minutes old when it is judged.
const LOOK_AGE: Ms = 150 * SECOND;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which: `P1` to `P12`, `alive` for a run that does not come to an end with all servers back, or `fit` for an installer
    /// that is run on a server that is not fit for it.
    pub promise: &'static str,
    /// When, in milliseconds of the simulation.
    pub at_ms: i64,
    /// What happened.
    pub text: String,
}

/// How a machine was before the first act of the run.
#[derive(Debug, Clone)]
struct Baseline {
    services: Vec<(RunState, StartType)>,
    /// By backend.
    admin: Vec<BalancerState>,
}

/// What other people did to a service.
#[derive(Debug, Clone, Default)]
struct Foreign {
    /// Every value that was there before or after.
    states: Vec<RunState>,
    starts: Vec<StartType>,
    at: Ms,
    /// Whether they were the last to change it.
    last: bool,
}

/// What other people did to a server in the balancer.
#[derive(Debug, Clone, Default)]
struct ForeignAdmin {
    values: Vec<BalancerState>,
    at: Ms,
}

/// The oracle.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) violations: Vec<Violation>,
    /// The machine of each work of the plan.
    pub(crate) work: Vec<usize>,
    /// The one run that may act.
    pub(crate) holder: u32,
    /// When work may be done, by opening and end. `None`: at any time.
    pub(crate) open: Option<Vec<(Ms, Ms)>>,
    /// Whether only a preview is made.
    pub(crate) previewing: bool,
    /// How often somebody asked for a change.
    pub(crate) requests: u64,
    originals: Vec<Baseline>,
    /// By server and start.
    intents: Vec<(ServerName, u32, Value)>,
    baselines: BTreeMap<usize, Baseline>,
    foreign: BTreeMap<(usize, usize), Foreign>,
    foreign_admins: BTreeMap<usize, ForeignAdmin>,
    /// Sessions that the run says it cuts, by machine and service.
    cut: BTreeMap<(usize, String), i64>,
    /// How many sessions a person has last typed for a machine, to have them cut.
    typed: BTreeMap<usize, u64>,
    installs: BTreeMap<usize, u32>,
    /// How often each installer has ended well on a machine.
    installed: BTreeMap<(usize, usize), u32>,
    restarts: BTreeMap<usize, Vec<Ms>>,
    ended: BTreeMap<usize, String>,
    ended_at: BTreeMap<usize, Ms>,
    swept: BTreeMap<usize, (Ms, bool)>,
    /// Machines whose installer was read to have ended well and to want a restart.
    owed: BTreeSet<usize>,
    pub(crate) outcome: Option<String>,
    /// What mutated drivers remember of the acts that they did not perform.
    pub(crate) wanted: BTreeMap<(usize, ServiceName), StartType>,
    pub(crate) asked_to_run: BTreeSet<(usize, ServiceName)>,
    names: Vec<ServerName>,
    /// What the plan says of each step: its kind and its machine.
    steps: Vec<(String, Option<usize>)>,
    pace: pace::Pace,
    watch: watch::Watch,
    pub(crate) neighbours: neighbours::Neighbours,
    told: evidence::Told,
    pub(crate) promised: promised::Promised,
    pub(crate) refused: refused::Refused,
    gaps: gaps::Gaps,
    hosts: hosts::Hosts,
}

impl Oracle {
    pub(crate) fn breach(&mut self, promise: &'static str, at: Ms, text: String) {
        // The first few tell the story; a run that goes on after a breach breaks much more.
        if self.violations.len() < 8 {
            self.violations.push(Violation { promise, at_ms: at, text });
        }
    }

    pub(crate) fn has_touched(&self, at: usize) -> bool {
        self.baselines.contains_key(&at)
    }

    /// Whether the run has changed a machine and has not said since that it is back.
    pub(crate) fn is_out(&self, at: usize) -> bool {
        let back = self.ended.get(&at).is_some_and(|end| end != "out");
        self.has_touched(at) && !back
    }

    /// Machines that the run has changed and not said to be back.
    pub(crate) fn out(&self) -> Vec<usize> {
        self.baselines.keys().copied().filter(|at| self.is_out(*at)).collect()
    }

    pub(crate) fn installed(&mut self, at: usize, number: usize) {
        *self.installed.entry((at, number)).or_default() += 1;
    }

    pub(crate) fn foreign_start(&mut self, now: Ms, which: (usize, usize), values: [StartType; 2]) {
        let foreign = self.foreign.entry(which).or_default();
        foreign.starts.extend(values);
        (foreign.at, foreign.last) = (now, true);
    }

    pub(crate) fn foreign_admin(&mut self, now: Ms, at: usize, values: [BalancerState; 2]) {
        let foreign = self.foreign_admins.entry(at).or_default();
        foreign.values.extend(values);
        foreign.at = now;
        self.neighbours.at_balancer(at);
    }

    pub(crate) fn foreign_state(&mut self, now: Ms, which: (usize, usize), values: [RunState; 2]) {
        let foreign = self.foreign.entry(which).or_default();
        foreign.states.extend(values);
        (foreign.at, foreign.last) = (now, true);
    }

    /// The run has acted on a service.
    pub(crate) fn acted(&mut self, at: usize, service: usize) {
        if let Some(foreign) = self.foreign.get_mut(&(at, service)) {
            foreign.last = false;
        }
    }

    /// How a service was originally, if other people were the last to change it.
    pub(crate) fn before(&self, at: usize, service: usize) -> Option<(RunState, StartType)> {
        let foreign = self.foreign.get(&(at, service)).is_some_and(|foreign| foreign.last);
        foreign.then(|| self.originals[at].services[service])
    }

    /// How a service was before the run changed its machine.
    pub(crate) fn baseline_of(&self, at: usize, service: usize) -> Option<(RunState, StartType)> {
        self.baselines.get(&at).map(|baseline| baseline.services[service])
    }

    /// Lets a mutated act go under the intent of the act that it stands for.
    pub(crate) fn swap_intent(&mut self, at: usize, act: &Act, instead: &Act) {
        let name = self.names[at].clone();
        if self.take_intent(&name, act) {
            self.intents.push((name, self.holder, serde_json::to_value(instead).unwrap_or_default()));
        }
    }

    pub(crate) fn admin_before(&self, at: usize) -> &[BalancerState] {
        &self.originals[at].admin
    }

    /// Whether an earlier start has left an intent that never became an act.
    fn has_earlier_intent(&self, server: &ServerName) -> bool {
        self.intents.iter().any(|(of, start, _)| of == server && *start != self.holder)
    }

    /// Uses up the written intent of an act. Returns whether there was one.
    fn take_intent(&mut self, server: &ServerName, act: &Act) -> bool {
        let wanted = serde_json::to_value(act).unwrap_or_default();
        let found = self.intents.iter().position(|(of, _, written)| of == server && *written == wanted);
        found.map(|place| self.intents.remove(place)).is_some()
    }
}
