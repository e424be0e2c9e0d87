//! The pure engine on pools of two to four servers, with every interleaving of answers, lost acts, sessions, kills and
//! orders within a bound, by enumeration. Servers here are a few words each; time passes only by waiting.

use super::actor;
use crate::scenario::{example_change, small_change};
use crate::world::LEVELS;
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::record::Attended;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::view::Phase;
use orchestrate_engine::{Command, Effect, Engine, Input, Intent, Look, Record, RunHeader, RunOutcome, Start, Ticket};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::hold::Terms;
use orchestrate_model::observe::{FileFacts, HostFacts, InstallerState, Measure, Part, SessionReading};
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    Act, ActOutcome, Answer, Ask, InstallerToken, LeaseState, PoolObservation, RunId, RunState, ServerName,
    ServerObservation, ServiceStatus, StartType,
};
use orchestrate_model::{Level, Version};
use orchestrate_planner::{Observations, Plan, make};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
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

/// A server with one service.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    state: RunState,
    start: StartType,
    /// Whether it has a session.
    session: bool,
    patched: bool,
    installers: BTreeMap<InstallerToken, InstallerState>,
}

impl Server {
    fn untouched() -> Self {
        Self {
            state: RunState::Running,
            start: StartType::DELAYED,
            session: false,
            patched: false,
            installers: BTreeMap::new(),
        }
    }

    fn runs_an_installer(&self) -> bool {
        self.installers.values().any(|installer| *installer == InstallerState::Running)
    }
}

#[derive(Clone)]
struct Node {
    engine: Engine,
    servers: BTreeMap<ServerName, Server>,
    pending: Vec<Pending>,
    records: Vec<(Timestamp, Record)>,
    now: Timestamp,
    left: Left,
    ended: Option<RunOutcome>,
    people: People,
}

/// Whether people use the servers: each that runs has a session then.
#[derive(Debug, Clone, Copy, PartialEq)]
enum People {
    There,
    /// To keep the number of states small.
    Away,
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

/// The server that a look is about: the one that is asked most.
fn in_work(look: &Look) -> Option<&ServerName> {
    let asked = |(_, ask): &(&ServerName, &Ask)| ask.wants(Part::Host) || !ask.sessions.is_empty();
    look.servers.iter().find(asked).or_else(|| look.servers.iter().next()).map(|(name, _)| name)
}

fn shown_of(node: &Node, name: &ServerName, ask: &Ask, state: RunState) -> ServerObservation {
    let server = &node.servers[name];
    let mut seen = ServerObservation::unknown(name.clone(), node.now, "not asked");
    // The lease of each server is in hand: what comes of it when it is not, nights with two control hosts show.
    seen.lease = Answer::Known(LeaseState::Ours);
    let status = |service: &orchestrate_model::ServiceName| ServiceStatus {
        name: service.clone(),
        display_name: String::new(),
        state: Answer::Known(state),
        start: Answer::Known(server.start),
        accepts_pause: true,
        dependents: Answer::Known(Vec::new()),
    };
    seen.services = Answer::Known(ask.services.iter().map(|service| (service.clone(), status(service))).collect());
    let value = Answer::Known(i64::from(server.session));
    let reading = SessionReading { measures: vec![Measure::new(String::new(), value)], draining: None };
    seen.sessions = ask.sessions.iter().map(|service| (service.clone(), reading.clone())).collect();
    if ask.wants(Part::Host) {
        let booted = node.now - jiff::SignedDuration::from_hours(100);
        seen.host = Answer::Known(HostFacts { booted, local_time: node.now, system: String::new() });
    }
    if ask.wants(Part::Fitness) {
        seen.fitness = Answer::Known(crate::world::fit());
    }
    if ask.wants(Part::Versions) {
        let version = Version::parse(LEVELS[usize::from(server.patched)]).unwrap();
        seen.versions = Answer::Known(vec![ComponentVersion { component: String::new(), version }]);
    }
    if let Some(token) = &ask.installer {
        seen.installer = Answer::Known(server.installers.get(token).cloned().unwrap_or(InstallerState::NotStarted));
    }
    let patch = node.engine.plan().change().maintenance.installers.first();
    if let Some(patch) = patch.filter(|_| ask.file.is_some()) {
        seen.file = Answer::Known(FileFacts::Found { sha256: patch.sha256.clone() });
    }
    seen
}

fn shown(node: &Node, look: &Look, how: Answered) -> PoolObservation {
    let own = in_work(look);
    let servers = look.servers.iter().map(|(name, ask)| {
        let state = node.servers[name].state;
        let seen = match how {
            Answered::Unknown => ServerObservation::unknown(name.clone(), node.now, "nobody answers"),
            Answered::No if own != Some(name) => shown_of(node, name, ask, RunState::Stopped),
            Answered::True | Answered::No => shown_of(node, name, ask, state),
        };
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
    fn begin(plan: &Arc<Plan>, left: Left, people: People, start: Timestamp) -> Self {
        let servers = plan.work().iter().map(|work| (work.server.clone(), Server::untouched()));
        let mut node = Self {
            engine: Engine::new(plan.clone()),
            servers: servers.collect(),
            pending: Vec::new(),
            records: Vec::new(),
            now: start,
            left,
            ended: None,
            people,
        };
        node.servers.values_mut().for_each(|server| server.session = people == People::There);
        let run = RunId::new("small").unwrap();
        let header =
            RunHeader { run, plan: "small".into(), by: actor(), attended: Attended::Yes, approvals: Vec::new() };
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
                // The watch over the rest of the pool stays without an answer: it has stories and nights of its own, and two
                // things that go on beside each other have as many states as their product.
                Effect::Look { look, .. } if self.is_watch(&look) => {}
                Effect::Look { ticket, look } => self.pending.push(Pending::Look(ticket, look)),
                Effect::Wake { ticket, at } => self.pending.push(Pending::Wake(ticket, at)),
                Effect::End(outcome) => self.ended = Some(outcome),
                Effect::Broken(why) => panic!("illegal: {why}\n{}", self.story()),
            }
        }
        self.check();
    }

    /// What must hold everywhere.
    fn check(&self) {
        let out = self.servers.values().filter(|server| server.state != RunState::Running).count();
        let most = self.engine.plan().change().maintenance.at_once as usize;
        assert!(out <= most, "{out} servers are out, {most} may\n{}", self.story());
        let view = self.engine.view(self.now);
        let held = view.servers.iter().any(|server| matches!(server.phase, Phase::Held(_)));
        assert!(self.ended.is_some() || held || !self.pending.is_empty(), "nothing is waited for\n{}", self.story());
        if let Some(outcome) = self.ended {
            self.check_end(outcome);
        }
    }

    /// Whatever a run says is back is back, and what is called done is patched.
    fn check_end(&self, outcome: RunOutcome) {
        let wants_patch = self.engine.plan().change().maintenance.installs();
        for view in self.engine.view(self.now).servers {
            let server = &self.servers[&view.server];
            let whole = server.state == RunState::Running && server.start == StartType::DELAYED;
            let said_out = match &view.phase {
                Phase::Ended(ServerEnd::Out { .. }) => true,
                // Stopped at once: what is in work stays as it is, and is said to be out.
                Phase::Step { .. } | Phase::Held(_) => outcome == RunOutcome::Interrupted,
                Phase::Waiting | Phase::Ended(_) => false,
            };
            assert!(whole || said_out, "{} is not back: {server:?}\n{}", view.server, self.story());
            let finished = matches!(view.phase, Phase::Ended(ServerEnd::Finished));
            let patched = server.patched || !wants_patch;
            assert!(patched || !finished, "{} is finished and not patched\n{}", view.server, self.story());
            let ends = server.installers.values().filter(|one| **one == InstallerState::Finished { exit_code: 0 });
            assert!(ends.count() <= 1, "{} was patched twice\n{}", view.server, self.story());
        }
    }

    fn perform(&mut self, act: &Act, name: &ServerName) {
        let server = self.servers.get_mut(name).unwrap();
        let mut broken = "";
        match act {
            Act::Pause { .. } => server.state = RunState::Paused,
            Act::Continue { .. } | Act::Start { .. } => {
                if server.runs_an_installer() {
                    broken = "people are let in while an installer runs";
                }
                (server.state, server.session) = (RunState::Running, self.people == People::There);
            }
            Act::Stop { .. } => {
                if server.session {
                    broken = "a session is cut";
                }
                server.state = RunState::Stopped;
            }
            Act::SetStartType { to, .. } => server.start = *to,
            Act::StartInstaller(run) => {
                if server.session || server.runs_an_installer() || server.patched {
                    broken = "an installer is started on people, beside another one, or for nothing";
                }
                server.installers.entry(run.token.clone()).or_insert(InstallerState::Running);
            }
            Act::Restart { .. } | Act::SetBalancer { .. } => broken = "there is no such act in this model",
        }
        assert!(broken.is_empty(), "{name}: {act}: {broken}\n{}", self.story());
    }

    /// What happens on servers by itself: sessions end, people come back, installers end well or badly.
    fn by_itself(&self, ways: &mut Vec<Self>) {
        for (name, server) in &self.servers {
            let with = |mut node: Self, change: &dyn Fn(&mut Server)| {
                change(node.servers.get_mut(name).unwrap());
                node
            };
            let ends = |exit_code: i64| {
                move |server: &mut Server| {
                    let running = server.installers.values_mut().find(|one| **one == InstallerState::Running);
                    *running.unwrap() = InstallerState::Finished { exit_code };
                    server.patched = exit_code == 0;
                }
            };
            if server.state == RunState::Paused && server.session {
                ways.push(with(self.clone(), &|server| server.session = false));
            } else if server.state == RunState::Paused && self.people == People::There && !self.is_acted_on(name) {
                // Who comes back between the last look and the act that follows from it cannot be known.
                let back = self.spend(|left| &mut left.answers);
                ways.extend(back.map(|node| with(node, &|server| server.session = true)));
            }
            if server.runs_an_installer() {
                ways.push(with(self.clone(), &ends(0)));
                ways.extend(self.spend(|left| &mut left.answers).map(|node| with(node, &ends(1603))));
            }
        }
    }

    fn is_acted_on(&self, name: &ServerName) -> bool {
        self.pending.iter().any(|one| matches!(one, Pending::Act(intent) if intent.target.server == *name))
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

    /// Whether a look is the watch's, which asks the servers that are not out; the end of a run looks at every server.
    fn is_watch(&self, look: &Look) -> bool {
        look.within.is_some() && look.servers.len() < self.servers.len()
    }

    /// Every way on from here.
    fn next(&self) -> Vec<Self> {
        let mut ways = Vec::new();
        self.by_itself(&mut ways);
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
                for choice in hold
                    .choices
                    .into_iter()
                    .filter(|choice| !matches!(choice, HoldChoice::Retry | HoldChoice::Extend) || self.left.all > 0)
                {
                    let more = (choice == HoldChoice::Extend).then_some(SignedDuration::from_mins(15));
                    let sessions = server.sessions_left.as_ref().and_then(Answer::known).copied();
                    let terms = Terms { more, sessions: sessions.filter(|_| choice == HoldChoice::Cut), why: None };
                    let command =
                        Command::Decide { server: server.server.clone(), choice, since: None, by: by(), terms };
                    ways.push(self.clone().ordered(command));
                }
            }
        }
        ways
    }

    fn deliver(self, pending: &Pending, ways: &mut Vec<Self>) {
        match pending {
            Pending::Look(ticket, look) => {
                // That others are stopped can be said only where others are asked.
                let hows =
                    if look.servers.len() > 1 { &[Answered::Unknown, Answered::No][..] } else { &[Answered::Unknown] };
                for how in hows.iter().copied() {
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

/// A pool of so many servers, so many of them at once, with a patch or without.
#[derive(Debug, Clone, Copy)]
struct Pool {
    servers: usize,
    at_once: u32,
    patch: bool,
}

fn plan(pool: Pool, begins: Timestamp) -> Arc<Plan> {
    let mut change = small_change(pool.servers, pool.at_once);
    if pool.patch {
        let level = Version::parse(LEVELS[1]).ok().map(Level::Highest);
        change.maintenance.installers = example_change(2).maintenance.installers;
        change.maintenance.installers[0].level = level;
    }
    let (plan, _report) = make(&change, &Observations::default(), begins).unwrap();
    Arc::new(plan)
}

/// Walks through every state within the bound. Returns how many there are, and how many ended.
fn walk(pool: Pool, left: Left) -> (usize, usize) {
    let begins = crate::scenario::origin();
    let people = if pool.at_once == 1 { People::There } else { People::Away };
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([Node::begin(&plan(pool, begins), left, people, begins)]);
    let mut ended = 0;
    while let Some(node) = open.pop_back() {
        if !seen.insert(node.key()) {
            continue;
        }
        ended += usize::from(node.ended.is_some());
        if node.ended.is_none() {
            open.extend(node.next());
        }
    }
    (seen.len(), ended)
}

/// Walks through each pool with so many deviations.
fn walk_all(pools: &[(Pool, u8)]) {
    for (pool, all) in pools.iter().copied() {
        let (states, ended) = walk(pool, Left { answers: 2, acts: 1, kills: 1, orders: 1, all });
        // Straight to the terminal: the numbers are to be seen when the test passes, too.
        let line = format!("small model: {pool:?}, {all} deviations: {states} states, {ended} ends\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert!(ended > 0 && states > 50);
    }
}

#[test]
fn p1_p4_p8_every_interleaving_of_a_block_keeps_the_promises_and_none_is_illegal_or_silent() {
    let pool = |servers, at_once| Pool { servers, at_once, patch: false };
    walk_all(&[(pool(2, 1), 1), (pool(3, 1), 1), (pool(3, 2), 0)]);
}

#[test]
fn p4_p6_p8_every_interleaving_of_a_patch_keeps_the_promises_and_none_is_illegal_or_silent() {
    let pool = |servers| Pool { servers, at_once: 1, patch: true };
    walk_all(&[(pool(2), 1)]);
}
