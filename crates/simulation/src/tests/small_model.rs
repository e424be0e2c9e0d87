//! The pure engine on pools of two to four servers, with every interleaving of answers, lost acts, kills and orders
//! within a bound, by enumeration. Servers here are three words each; time passes only by waiting.

use super::actor;
use crate::scenario::small_change;
use jiff::Timestamp;
use orchestrate_engine::record::Attended;
use orchestrate_engine::view::Phase;
use orchestrate_engine::{Command, Effect, Engine, Input, Intent, Look, Record, RunHeader, Start, Ticket};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::observe::{HostFacts, Measure, Part, SessionReading};
use orchestrate_model::{
    Act, ActOutcome, Answer, PoolObservation, RunId, RunState, ServerName, ServerObservation, ServiceStatus, StartType,
};
use orchestrate_planner::{Observations, Plan, make};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How far a path may leave the straight one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Left {
    /// Answers that are unknown, or no.
    answers: u8,
    /// Acts that are lost or refused.
    acts: u8,
    kills: u8,
    orders: u8,
    /// All of these together.
    all: u8,
}

#[derive(Debug, Clone)]
enum Pending {
    Look(Ticket, Look),
    Act(Intent),
    Wake(Ticket, Timestamp),
}

#[derive(Clone)]
struct Node {
    engine: Engine,
    servers: BTreeMap<ServerName, (RunState, StartType)>,
    pending: Vec<Pending>,
    records: Vec<(Timestamp, Record)>,
    now: Timestamp,
    left: Left,
    ended: bool,
}

/// Whether an act came about.
#[derive(Clone, Copy, PartialEq)]
enum Done {
    Yes,
    No,
}

/// How a look is answered.
#[derive(Clone, Copy, PartialEq)]
enum Answered {
    True,
    Unknown,
    /// The other servers are shown stopped.
    No,
}

fn shown(node: &Node, look: &Look, how: Answered) -> PoolObservation {
    let in_work = look.servers.iter().find(|(_, ask)| !ask.sessions.is_empty()).map(|(name, _)| name);
    let servers = look.servers.iter().map(|(name, ask)| {
        let (state, start) = node.servers[name];
        let state = if how == Answered::No && in_work != Some(name) { RunState::Stopped } else { state };
        let mut seen = ServerObservation::unknown(name.clone(), node.now, "nobody answers");
        if how != Answered::Unknown {
            let status = |service: &orchestrate_model::ServiceName| ServiceStatus {
                name: service.clone(),
                display_name: String::new(),
                state: Answer::Known(state),
                start: Answer::Known(start),
                accepts_pause: true,
                dependents: Answer::Known(Vec::new()),
            };
            seen.services =
                Answer::Known(ask.services.iter().map(|service| (service.clone(), status(service))).collect());
            let none = SessionReading {
                measures: vec![Measure { name: String::new(), value: Answer::Known(0) }],
                draining: None,
            };
            seen.sessions = ask.sessions.iter().map(|service| (service.clone(), none.clone())).collect();
            if ask.wants(Part::Host) {
                let booted = node.now - jiff::SignedDuration::from_hours(100);
                seen.host = Answer::Known(HostFacts { booted, local_time: node.now, system: String::new() });
            }
        }
        (name.clone(), seen)
    });
    let not_asked = "not asked";
    PoolObservation {
        pool: look.pool.clone(),
        servers: servers.collect(),
        dns: Answer::unknown(not_asked),
        balancer: Answer::unknown(not_asked),
    }
}

impl Node {
    fn begin(plan: &Arc<Plan>, left: Left, start: Timestamp) -> Self {
        let servers = plan.work().iter().map(|work| (work.server.clone(), (RunState::Running, StartType::DELAYED)));
        let mut node = Self {
            engine: Engine::new(plan.clone()),
            servers: servers.collect(),
            pending: Vec::new(),
            records: Vec::new(),
            now: start,
            left,
            ended: false,
        };
        let run = RunId::new("small").unwrap();
        let header = RunHeader { run, plan: "small".into(), by: actor(), attended: Attended::Yes };
        node.hand_in(Input::Begin(Start::New(header)));
        node
    }

    fn hand_in(&mut self, input: Input) {
        for effect in self.engine.handle(input, self.now) {
            match effect {
                Effect::Record(record) => self.records.push((self.now, record)),
                Effect::Act(intent) => {
                    self.records.push((self.now, Record::Intent(intent.clone())));
                    self.pending.push(Pending::Act(intent));
                }
                Effect::Look { ticket, look } => self.pending.push(Pending::Look(ticket, look)),
                Effect::Wake { ticket, at } => self.pending.push(Pending::Wake(ticket, at)),
                Effect::End(_) => self.ended = true,
                Effect::Broken(why) => panic!("illegal: {why}\n{}", self.story()),
            }
        }
        self.check();
    }

    /// What must hold everywhere.
    fn check(&self) {
        let out = self.servers.values().filter(|(state, _)| *state != RunState::Running).count();
        let most = self.engine.plan().change().maintenance.at_once as usize;
        assert!(out <= most, "{out} servers are out, {most} may\n{}", self.story());
        let view = self.engine.view(self.now);
        let held = view.servers.iter().any(|server| matches!(server.phase, Phase::Held(_)));
        assert!(self.ended || held || !self.pending.is_empty(), "nothing is waited for\n{}", self.story());
    }

    fn perform(&mut self, act: &Act, server: &ServerName) {
        let (state, start) = self.servers.get_mut(server).unwrap();
        match act {
            Act::Pause { .. } => *state = RunState::Paused,
            Act::Continue { .. } | Act::Start { .. } => *state = RunState::Running,
            Act::Stop { .. } => *state = RunState::Stopped,
            Act::SetStartType { to, .. } => *start = *to,
            Act::StartInstaller(_) | Act::Restart { .. } | Act::SetBalancer { .. } => panic!("there is no {act}"),
        }
    }

    fn spend(&self, which: impl Fn(&mut Left) -> &mut u8) -> Option<Self> {
        let mut next = self.clone();
        if next.left.all == 0 || *which(&mut next.left) == 0 {
            return None;
        }
        next.left.all -= 1;
        *which(&mut next.left) -= 1;
        Some(next)
    }

    fn looked(mut self, ticket: Ticket, look: &Look, how: Answered) -> Self {
        let seen = Box::new(shown(&self, look, how));
        self.hand_in(Input::Seen { ticket, seen });
        self
    }

    fn acted(mut self, intent: &Intent, (done, outcome): (Done, ActOutcome)) -> Self {
        if done == Done::Yes {
            self.perform(&intent.act, &intent.target.server);
        }
        self.hand_in(Input::Acted { intent: intent.id, outcome });
        self
    }

    /// The run is killed and taken up again. Acts on their way happened or did not.
    fn killed(mut self, happened: Done) -> Self {
        let pending = std::mem::take(&mut self.pending);
        for one in &pending {
            if let (Pending::Act(intent), Done::Yes) = (one, happened) {
                self.perform(&intent.act, &intent.target.server);
            }
        }
        let plan = Arc::new(self.engine.plan().clone());
        self.engine = Engine::new(plan);
        for (at, record) in &self.records {
            self.engine.replay(*at, record).unwrap_or_else(|illegal| panic!("{illegal}"));
        }
        self.hand_in(Input::Begin(Start::Resume { by: actor(), attended: Attended::Yes }));
        self
    }

    fn ordered(mut self, command: Command) -> Self {
        self.hand_in(Input::Operator(command));
        self
    }

    /// Every way on from here.
    fn next(&self) -> Vec<Self> {
        let mut ways = Vec::new();
        for place in 0..self.pending.len() {
            let mut one = self.clone();
            let pending = one.pending.remove(place);
            one.deliver(&pending, &mut ways);
        }
        for happened in [Done::Yes, Done::No] {
            ways.extend(self.spend(|left| &mut left.kills).map(|node| node.killed(happened)));
        }
        let by = || "the operator".to_owned();
        for command in
            [Command::Stop { by: by() }, Command::StopNow { by: by() }, Command::Hold { server: None, by: by() }]
        {
            ways.extend(self.spend(|left| &mut left.orders).map(|node| node.ordered(command)));
        }
        for server in self.engine.view(self.now).servers {
            if let Phase::Held(hold) = server.phase {
                // A hold that is tried again for ever is no new state.
                for choice in
                    hold.choices.into_iter().filter(|choice| *choice != HoldChoice::Retry || self.left.all > 0)
                {
                    let command = Command::Decide { server: server.server.clone(), choice, since: None, by: by() };
                    ways.push(self.clone().ordered(command));
                }
            }
        }
        ways
    }

    fn deliver(self, pending: &Pending, ways: &mut Vec<Self>) {
        match pending {
            Pending::Look(ticket, look) => {
                for how in [Answered::Unknown, Answered::No] {
                    ways.extend(self.spend(|left| &mut left.answers).map(|node| node.looked(*ticket, look, how)));
                }
                ways.push(self.looked(*ticket, look, Answered::True));
            }
            Pending::Act(intent) => {
                let unknown = || ActOutcome::Unknown("no answer".into());
                let failed = || ActOutcome::Failed("refused".into());
                for way in [(Done::Yes, unknown()), (Done::No, unknown()), (Done::Yes, failed()), (Done::No, failed())]
                {
                    ways.extend(self.spend(|left| &mut left.acts).map(|node| node.acted(intent, way.clone())));
                }
                ways.push(self.acted(intent, (Done::Yes, ActOutcome::Accepted)));
            }
            Pending::Wake(ticket, at) => {
                let mut node = self;
                node.now = node.now.max(*at);
                node.hand_in(Input::Woke { ticket: *ticket });
                ways.push(node);
            }
        }
    }

    /// What tells states apart: everything but when exactly something happened.
    fn key(&self) -> u64 {
        let engine = format!("{:?}", self.engine);
        let state = engine.split_once("state: RunState").map_or(engine.as_str(), |(_plan, state)| state);
        let mut hasher = DefaultHasher::new();
        let mut before = "";
        for word in state.split([' ', '(', ')']) {
            // Times and running numbers are names, not states.
            let number = matches!(before, "Ticket" | "IntentId" | "next_ticket:" | "next_intent:");
            if !number && !word.contains("-11-2") {
                word.hash(&mut hasher);
            }
            before = word;
        }
        format!("{:?} {:?}", self.servers, self.left).hash(&mut hasher);
        hasher.finish()
    }

    fn story(&self) -> String {
        let lines: Vec<String> = self.records.iter().map(|(at, record)| format!("{at} {record:?}")).collect();
        lines.join("\n")
    }
}

fn plan(servers: usize, at_once: u32, begins: Timestamp) -> Arc<Plan> {
    let change = small_change(servers, at_once);
    let (plan, _report) = make(&change, &Observations::default(), begins).unwrap();
    Arc::new(plan)
}

/// Walks through every state within the bound. Returns how many there are, and how many ended.
fn walk(servers: usize, at_once: u32, left: Left) -> (usize, usize) {
    let begins = crate::scenario::origin();
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([Node::begin(&plan(servers, at_once, begins), left, begins)]);
    let mut ended = 0;
    while let Some(node) = open.pop_back() {
        if !seen.insert(node.key()) {
            continue;
        }
        ended += usize::from(node.ended);
        if !node.ended {
            open.extend(node.next());
        }
    }
    (seen.len(), ended)
}

#[test]
fn p1_every_interleaving_keeps_the_budget_and_none_is_illegal_or_silent() {
    let bound = |all| Left { answers: 2, acts: 1, kills: 1, orders: 1, all };
    for (servers, at_once, all) in [(2, 1, 2), (3, 1, 2), (4, 1, 1), (3, 2, 1)] {
        let (states, ended) = walk(servers, at_once, bound(all));
        println!("{servers} servers, {at_once} at once, {all} deviations: {states} states, {ended} ends");
        assert!(ended > 0 && states > 50);
    }
}
