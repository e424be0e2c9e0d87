//! Drivers that show and do what an engine without a rule would see and do.

use super::Mutation;
use crate::drive::Link;
use crate::world::LEFT_OUT;
use async_trait::async_trait;
use orchestrate_driver::{Change, ChangeBalancer, Eyes, Hands, Observe, ObserveBalancer, Resolve};
use orchestrate_model::observe::{
    AddressRecords, BalancerObservation, BalancerPlace, BalancerState, DnsAsk, DnsObservation, DoubtKind,
    DrainingState, InstallerState, Part, ReadinessState, SessionReading,
};
use orchestrate_model::{
    Act, ActOutcome, Answer, Ask, InstallerToken, LeaseAsk, LeaseOutcome, LeaseState, PoolName, RunState, ServerName,
    ServerObservation, ServiceStatus, StartMode, StartType,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns eyes and hands with the mutation in them.
pub(super) fn mutated(mutation: Mutation, link: &Link) -> (Eyes, Hands) {
    let (eyes, hands) = (link.eyes(), link.hands());
    let server = |(name, inner): (ServerName, Arc<dyn Change>)| {
        let at = link.world.lock().by_name[&name];
        let starts = AtomicU32::new(0);
        (name, Arc::new(Server { inner, link: link.clone(), at, mutation, starts }))
    };
    let servers: BTreeMap<ServerName, Arc<Server>> = hands.servers.into_iter().map(server).collect();
    let balancers: BTreeMap<_, Arc<Balancer>> = hands
        .balancers
        .into_iter()
        .map(|(pool, inner)| {
            let (link, whose) = (link.clone(), pool.clone());
            (pool, Arc::new(Balancer { inner, link, pool: whose, mutation }))
        })
        .collect();
    let names: Arc<dyn Resolve> = match mutation {
        Mutation::RecordsNotLookedAt | Mutation::EntryNotLookedAt => {
            Arc::new(GoodRecords { inner: eyes.names, link: link.clone(), mutation })
        }
        _ => eyes.names,
    };
    let seen = |(name, server): (&ServerName, &Arc<Server>)| (name.clone(), server.clone() as Arc<dyn Observe>);
    let done = |(name, server): (&ServerName, &Arc<Server>)| (name.clone(), server.clone() as Arc<dyn Change>);
    let eyes = Eyes {
        servers: servers.iter().map(seen).collect(),
        names,
        balancers: balancers.iter().map(|(pool, b)| (pool.clone(), b.clone() as Arc<dyn ObserveBalancer>)).collect(),
    };
    let hands = Hands {
        servers: servers.iter().map(done).collect(),
        balancers: balancers.iter().map(|(pool, b)| (pool.clone(), b.clone() as Arc<dyn ChangeBalancer>)).collect(),
    };
    (eyes, hands)
}

struct Server {
    inner: Arc<dyn Change>,
    link: Link,
    at: usize,
    mutation: Mutation,
    /// Starts of the installer.
    starts: AtomicU32,
}

/// Takes an installer that has failed for one that is done.
fn without_failure(seen: &mut ServerObservation) {
    if let Answer::Known(InstallerState::Finished { exit_code: exit_code @ 1603 }) = &mut seen.installer {
        *exit_code = 0;
    }
}

/// Takes every sign of a restart that is due out of what was seen.
fn without_signs(seen: &mut ServerObservation) {
    if let Answer::Known(fitness) = &mut seen.fitness {
        fitness.pending.values_mut().for_each(|sign| *sign = Answer::Known(None));
    }
}

impl Server {
    /// Whether the run has the server in hand.
    fn is_ours(&self) -> bool {
        self.link.world.lock().oracle.is_out(self.at)
    }

    fn numbered(&self, token: &InstallerToken) -> InstallerToken {
        InstallerToken(format!("{token}-{}", self.starts.load(Ordering::Relaxed)))
    }

    fn show(&self, ask: &Ask, seen: &mut ServerObservation) {
        match self.mutation {
            Mutation::UnknownIsZero => self.unknown_is_zero(ask, seen),
            Mutation::NegativeIsZero => {
                each_measure(seen, |value| matches!(value, Answer::Known(value) if *value < 0).then_some(0));
            }
            Mutation::SessionsNotCounted => each_measure(seen, |_| Some(0)),
            Mutation::OthersAlwaysServe if !self.is_ours() => {
                each_service(seen, |status| status.state = Answer::Known(RunState::Running));
            }
            Mutation::SilentServersServe if !self.is_ours() && seen.services.known().is_none() => {
                seen.services = Answer::Known(ask.services.iter().map(|name| (name.clone(), runs(name))).collect());
            }
            Mutation::BusyIsReady => {
                if let Answer::Known(readiness) = &mut seen.readiness {
                    readiness.state = ReadinessState::Ready;
                }
            }
            Mutation::LeasesIgnored if ask.wants(Part::Lease) => seen.lease = Answer::Known(LeaseState::Ours),
            Mutation::StaleIsFresh => seen.taken = self.link.clock.now(),
            Mutation::BootNotNoticed => {
                if let Answer::Known(host) = &mut seen.host {
                    host.booted = self.link.world.lock().origin - jiff::SignedDuration::from_hours(1);
                }
            }
            Mutation::ResumedNotNoticed if ask.installer.is_some() => {
                each_service(seen, |status| status.state = Answer::Known(RunState::Stopped));
            }
            Mutation::LevelNotLookedAt => self.at_the_level(seen),
            Mutation::ComponentsNotCompared => {
                if let Answer::Known(versions) = &mut seen.versions {
                    versions.retain(|one| one.component != LEFT_OUT);
                }
            }
            Mutation::FallNotSeen => self.not_lower(seen),
            // The steps and the guard ask how long the server has been up; the watch does not.
            Mutation::PoolNotWatched if !ask.wants(Part::Host) && ask.sessions.is_empty() && !self.is_ours() => {
                seen.services = Answer::Known(ask.services.iter().map(|name| (name.clone(), runs(name))).collect());
            }
            Mutation::OwnDoingCounts => {
                if let Answer::Known(readiness) = &mut seen.readiness {
                    readiness.active = Some(0);
                }
            }
            Mutation::DrainingNotAsked => each_state(seen, |_| Some(DrainingState::Draining)),
            Mutation::DueRestartNotSeen => without_signs(seen),
            Mutation::FailureIsDone => without_failure(seen),
            Mutation::DrainUntold => each_state(seen, |state| {
                matches!(state, Answer::Known(DrainingState::Absent(_))).then_some(DrainingState::NotDraining)
            }),
            Mutation::ResumedInDrainNotNoticed if !ask.sessions.is_empty() => {
                each_service(seen, |status| {
                    if status.state == Answer::Known(RunState::Running) {
                        status.state = Answer::Known(RunState::Paused);
                    }
                });
            }
            Mutation::SweepIsBlind
                if ask.sessions.is_empty() && ask.parts.iter().all(|part| *part == Part::Versions) =>
            {
                self.as_before(seen);
            }
            Mutation::StartTypesNotSet | Mutation::StartTypesNotRestored | Mutation::DelayedFlagForgotten => {
                self.as_wanted(seen);
            }
            Mutation::RestNotRestored if self.link.world.lock().refusals.met.contains(&self.at) => {
                self.start_types_as_before(seen);
            }
            Mutation::NotContinued | Mutation::NotStarted => self.as_if_brought_back(seen),
            _ => {}
        }
    }

    fn unknown_is_zero(&self, ask: &Ask, seen: &mut ServerObservation) {
        each_measure(seen, |value| matches!(value, Answer::Unknown(_)).then_some(0));
        each_measure(seen, |value| matches!(value, Answer::Known(value) if *value < 0).then_some(0));
        for name in &ask.sessions {
            let reading =
                seen.sessions.entry(name.clone()).or_insert(SessionReading { measures: vec![], draining: None });
            if reading.measures.is_empty() {
                let name = String::new();
                reading.measures.push(orchestrate_model::observe::Measure::new(name, Answer::Known(0)));
            }
        }
        if self.is_ours() && seen.services.known().is_none() {
            let paused = |name| ServiceStatus { state: Answer::Known(RunState::Paused), ..runs(name) };
            seen.services = Answer::Known(ask.services.iter().map(|name| (name.clone(), paused(name))).collect());
        }
    }

    /// Shows the level that the plan wants, once an installer was started.
    fn at_the_level(&self, seen: &mut ServerObservation) {
        let world = self.link.world.lock();
        if let Answer::Known(versions) = &mut seen.versions
            && !world.machines[self.at].installers.is_empty()
        {
            versions.iter_mut().for_each(|one| one.version = world.levels[1].clone());
        }
    }

    /// Shows the new version of whatever was lowered.
    fn not_lower(&self, seen: &mut ServerObservation) {
        let world = self.link.world.lock();
        if let Answer::Known(versions) = &mut seen.versions
            && world.machines[self.at].lowered
        {
            let level = world.levels[usize::from(world.machines[self.at].patched)].clone();
            versions.iter_mut().filter(|one| one.component == LEFT_OUT).for_each(|one| one.version = level.clone());
        }
    }

    /// Shows everything as it was before the run.
    fn as_before(&self, seen: &mut ServerObservation) {
        let world = self.link.world.lock();
        let Answer::Known(services) = &mut seen.services else { return };
        for (name, status) in services {
            if let Some((state, start)) =
                world.machines[self.at].service(name).and_then(|place| world.oracle.baseline_of(self.at, place))
            {
                (status.state, status.start) = (Answer::Known(state), Answer::Known(start));
            }
        }
    }

    /// Shows the start types as they were before the run.
    fn start_types_as_before(&self, seen: &mut ServerObservation) {
        let world = self.link.world.lock();
        let Answer::Known(services) = &mut seen.services else { return };
        for (name, status) in services {
            let place = world.machines[self.at].service(name);
            if let Some((_, start)) = place.and_then(|place| world.oracle.baseline_of(self.at, place)) {
                status.start = Answer::Known(start);
            }
        }
    }

    /// Shows start types as the last act wanted them.
    fn as_wanted(&self, seen: &mut ServerObservation) {
        let world = self.link.world.lock();
        let Answer::Known(services) = &mut seen.services else { return };
        for (name, status) in services {
            if let Some(wanted) = world.oracle.wanted.get(&(self.at, name.clone())) {
                status.start = Answer::Known(*wanted);
            }
        }
    }

    /// Shows what was asked to run as running.
    fn as_if_brought_back(&self, seen: &mut ServerObservation) {
        let world = self.link.world.lock();
        let Answer::Known(services) = &mut seen.services else { return };
        for (name, status) in services {
            if world.oracle.asked_to_run.contains(&(self.at, name.clone())) {
                status.state = Answer::Known(RunState::Running);
            }
        }
    }

    /// What is done instead of an act. `None`: nothing is, and it is said to be done.
    fn instead(&self, act: &Act) -> Option<Act> {
        match (self.mutation, act) {
            (Mutation::StartTypesNotSet, Act::SetStartType { service, to }) => {
                self.link.world.lock().oracle.wanted.insert((self.at, service.clone()), *to);
                (to.mode != StartMode::Manual).then(|| act.clone())
            }
            (Mutation::StartTypesNotRestored, Act::SetStartType { service, to }) => {
                self.link.world.lock().oracle.wanted.insert((self.at, service.clone()), *to);
                (to.mode == StartMode::Manual).then(|| act.clone())
            }
            (Mutation::DelayedFlagForgotten, Act::SetStartType { service, to }) => {
                self.link.world.lock().oracle.wanted.insert((self.at, service.clone()), *to);
                Some(Act::SetStartType { service: service.clone(), to: StartType { delayed: false, ..*to } })
            }
            (Mutation::StoppedInsteadOfPaused, Act::Pause { service }) => Some(Act::Stop { service: service.clone() }),
            (Mutation::NotContinued, Act::Continue { service }) | (Mutation::NotStarted, Act::Start { service }) => {
                self.link.world.lock().oracle.asked_to_run.insert((self.at, service.clone()));
                None
            }
            (Mutation::TokenPerStart, Act::StartInstaller(run)) => {
                self.starts.fetch_add(1, Ordering::Relaxed);
                let mut run = run.clone();
                run.token = self.numbered(&run.token);
                Some(Act::StartInstaller(run))
            }
            (Mutation::BootNotNoticed, Act::Restart { comment, .. }) => {
                let world = self.link.world.lock();
                let machine = &world.machines[self.at];
                let booted = world.stamp(machine.booted + machine.skew);
                Some(Act::Restart { booted, comment: comment.clone() })
            }
            (_, _) => Some(act.clone()),
        }
    }
}

#[async_trait]
impl Observe for Server {
    async fn observe(&self, ask: &Ask) -> ServerObservation {
        let mut seen = self.inner.observe(ask).await;
        self.show(ask, &mut seen);
        seen
    }
}

#[async_trait]
impl Change for Server {
    async fn apply(&self, act: &Act) -> ActOutcome {
        let Some(instead) = self.instead(act) else { return ActOutcome::Accepted };
        if instead != *act {
            // The oracle is to see what becomes of it, not that it is another act.
            self.link.world.lock().oracle.swap_intent(self.at, act, &instead);
        }
        if self.mutation == Mutation::ActsTwice {
            let first = self.inner.apply(act).await;
            tracing::trace!(?first, "done once");
        }
        match self.inner.apply(&instead).await {
            ActOutcome::Retry(why) if self.mutation == Mutation::PassingIsFinal => ActOutcome::Failed(why),
            outcome => outcome,
        }
    }

    async fn hold_lease(&self, ask: &LeaseAsk) -> LeaseOutcome {
        if self.mutation == Mutation::LeasesIgnored {
            return LeaseOutcome::Ours { from: None };
        }
        self.inner.hold_lease(ask).await
    }

    async fn release_lease(&self) -> Result<(), String> {
        self.inner.release_lease().await
    }
}

struct Balancer {
    inner: Arc<dyn ChangeBalancer>,
    link: Link,
    pool: PoolName,
    mutation: Mutation,
}

#[async_trait]
impl ObserveBalancer for Balancer {
    async fn observe_balancer(&self) -> BalancerObservation {
        let mut seen = self.inner.observe_balancer().await;
        match (self.mutation, &mut seen.servers) {
            (Mutation::AddressesNotLookedAt, Answer::Known(servers)) if !servers.is_empty() => {
                *servers = self.link.world.lock().entries_by_name(&self.pool);
                seen.doubts.retain(|doubt| doubt.kind != DoubtKind::OtherAddress);
            }
            (Mutation::UnnamedBackendsNotLookedAt, _) => seen.doubts.retain(|doubt| doubt.kind != DoubtKind::Unnamed),
            (Mutation::OneBackendAlone, Answer::Known(servers)) => {
                for server in servers.values_mut() {
                    let first = server.entries.keys().next().cloned();
                    server.entries.retain(|place, _| Some(place) == first.as_ref());
                }
            }
            (Mutation::BalancerNotWatched, Answer::Known(servers)) => {
                let world = self.link.world.lock();
                for (name, server) in servers {
                    if world.by_name.get(name).is_some_and(|at| world.oracle.neighbours.is_kept_out(*at)) {
                        server.entries.values_mut().for_each(|entry| entry.admin = BalancerState::Drain);
                    }
                }
            }
            _ => {}
        }
        seen
    }
}

#[async_trait]
impl ChangeBalancer for Balancer {
    async fn set_balancer(&self, server: &ServerName, at: &BalancerPlace, to: BalancerState) -> ActOutcome {
        if self.mutation == Mutation::BalancerNotRestored && to == BalancerState::Ready {
            return ActOutcome::Accepted;
        }
        if self.mutation == Mutation::BalancerLast && to == BalancerState::Ready {
            let world = self.link.world.lock();
            let waits = world.by_name.get(server).is_some_and(|at| world.oracle.refused.is_refused_for_hours(*at));
            if waits {
                return ActOutcome::Accepted;
            }
        }
        self.inner.set_balancer(server, at, to).await
    }
}

struct GoodRecords {
    inner: Arc<dyn Resolve>,
    link: Link,
    mutation: Mutation,
}

#[async_trait]
impl Resolve for GoodRecords {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        let mut seen = self.inner.resolve(ask).await;
        let world = self.link.world.lock();
        let Some(pool) = world.change.pool(&ask.pool) else { return seen };
        let all: Vec<IpAddr> = pool.servers.iter().map(|s| world.machines[world.by_name[&s.name]].address).collect();
        for answer in &mut seen.answers {
            let good = match self.mutation {
                Mutation::EntryNotLookedAt => pool.load_balancing.entry.contains(&answer.name),
                _ => answer.name == pool.name.dns(),
            };
            if good {
                answer.records = Answer::Known(AddressRecords { addresses: all.clone(), ttl_s: 300, alias: None });
            }
        }
        seen
    }
}

/// Gives the draining state of each service that has one another value, where there is to be one.
fn each_state(seen: &mut ServerObservation, value: impl Fn(&Answer<DrainingState>) -> Option<DrainingState>) {
    for state in seen.sessions.values_mut().filter_map(|reading| reading.draining.as_mut()) {
        if let Some(value) = value(state) {
            *state = Answer::Known(value);
        }
    }
}

fn each_measure(seen: &mut ServerObservation, instead: impl Fn(&Answer<i64>) -> Option<i64>) {
    for measure in seen.sessions.values_mut().flat_map(|reading| &mut reading.measures) {
        if let Some(value) = instead(&measure.value) {
            measure.value = Answer::Known(value);
        }
    }
}

fn each_service(seen: &mut ServerObservation, change: impl Fn(&mut ServiceStatus)) {
    if let Answer::Known(services) = &mut seen.services {
        services.values_mut().for_each(change);
    }
}

fn runs(name: &orchestrate_model::ServiceName) -> ServiceStatus {
    ServiceStatus {
        name: name.clone(),
        display_name: String::new(),
        state: Answer::Known(RunState::Running),
        start: Answer::Known(StartType::MANUAL),
        accepts_pause: true,
        dependents: Answer::Known(Vec::new()),
    }
}
