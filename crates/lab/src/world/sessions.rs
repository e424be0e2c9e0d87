//! Sessions: how they come, on which server they land, and how they end.
//!
//! A new session lands only on a server whose service is running. A service that is paused or stopped refuses; the
//! client then tries the next address, as DNS load balancing has it. When nobody takes the session it is lost, and
//! counted.

use super::{Event, ServerIndex, World, lab_seconds};
use crate::scenario::ServiceLoad;
use jiff::SignedDuration;
use orchestrate_model::ServiceName;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::{Balancer, SipBalancing};
use orchestrate_model::time::after;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::net::IpAddr;

/// A stream of arrivals: the sessions of one service of one pool.
pub(super) struct Source {
    pool: usize,
    service: ServiceName,
    way: Way,
    /// Arrivals per second.
    rate: f64,
    mean_s: f64,
    longest_s: f64,
    rng: SmallRng,
}

/// How a new session finds a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the address records of the pool's name.
    Records,
    /// The pool itself gives conferences to any of its servers.
    Factory,
    /// Through the HTTP(S) balancer.
    Web,
}

/// One open session.
pub(super) struct Session {
    service: ServiceName,
    server: ServerIndex,
}

/// The usual load of a pool of three servers in a quiet night: sessions at a time, their mean length and the longest
/// in minutes. The longest bounds how long a drain takes.
const USUAL_LOAD: &[(&str, ServiceLoad)] = &[
    ("RTCSRV", load(240.0, 6.0, 22.0)),
    ("RTCCAA", load(9.0, 3.0, 12.0)),
    ("RTCCAS", load(9.0, 5.0, 15.0)),
    ("RTCRGS", load(12.0, 4.0, 14.0)),
    ("RTCCPS", load(4.0, 2.0, 8.0)),
    ("RTCATS", load(2.0, 0.5, 2.0)),
    ("RTCIMMCU", load(24.0, 6.0, 18.0)),
    ("RTCDATAMCU", load(12.0, 7.0, 20.0)),
    ("RTCAVMCU", load(36.0, 7.0, 20.0)),
    ("RTCASMCU", load(18.0, 6.0, 18.0)),
    ("RTCMEDSRV", load(24.0, 4.0, 16.0)),
    ("RTCXMPPTGW", load(3.0, 4.0, 12.0)),
    ("W3SVC", load(45.0, 4.0, 16.0)),
    ("RTCDATAPROXY", load(12.0, 6.0, 18.0)),
    ("RTCMEDIARELAY", load(24.0, 5.0, 16.0)),
];

/// The load of a service that the table does not have.
const OTHER_LOAD: ServiceLoad = load(20.0, 5.0, 18.0);

/// The number of servers that the usual load is meant for.
const USUAL_SERVERS: f64 = 3.0;

const fn load(sessions: f64, mean_min: f64, longest_min: f64) -> ServiceLoad {
    ServiceLoad { sessions, mean_min, longest_min }
}

impl Source {
    /// Returns the stream of a service, or nothing when its load is zero.
    fn new(world: &World, pool: usize, service: &ServiceName, seed: u64) -> Option<Self> {
        let entry = &world.pools[pool];
        let given = world.scenario.load.services.get(service).copied();
        let usual = USUAL_LOAD.iter().find(|(name, _)| name.eq_ignore_ascii_case(service.as_str()));
        let servers = f64::from(u32::try_from(entry.servers.len()).unwrap_or(u32::MAX));
        let load = given.unwrap_or_else(|| {
            let usual = usual.map_or(OTHER_LOAD, |(_, load)| *load);
            ServiceLoad { sessions: usual.sessions * servers / USUAL_SERVERS, ..usual }
        });
        let factor = world.scenario.load.factor * world.scenario.load.pools.get(&entry.plan.name).unwrap_or(&1.0);
        let mean_s = (load.mean_min * 60.0 * world.scenario.load.length).max(1.0);
        let longest_s = (load.longest_min * 60.0 * world.scenario.load.length).max(1.0);
        // Cutting the long ones short lowers the mean, which the rate has to make up for.
        let effective_s = mean_s * (1.0 - (-longest_s / mean_s).exp());
        let rate = load.sessions * factor / effective_s;
        (rate > 0.0).then(|| Self {
            pool,
            service: service.clone(),
            way: way_of(world, pool, service),
            rate,
            mean_s,
            longest_s,
            rng: SmallRng::seed_from_u64(seed),
        })
    }

    fn next_gap(&mut self) -> SignedDuration {
        let draw: f64 = self.rng.random();
        lab_seconds(-(1.0 - draw).ln() / self.rate)
    }

    fn next_length(&mut self) -> SignedDuration {
        let draw: f64 = self.rng.random();
        lab_seconds((-(1.0 - draw).ln() * self.mean_s).min(self.longest_s))
    }
}

fn way_of(world: &World, pool: usize, service: &ServiceName) -> Way {
    let conferencing = world.pools[pool].servers.iter().any(|&server| {
        let facts = world.servers[server].services.get(service).and_then(|service| service.facts);
        facts.is_some_and(|facts| facts.draining_state.is_some())
    });
    match service.as_str().to_ascii_uppercase().as_str() {
        "W3SVC" => Way::Web,
        _ if conferencing => Way::Factory,
        _ => Way::Records,
    }
}

impl World {
    /// Makes a stream of arrivals for every session service of every pool.
    pub(super) fn open_sources(&mut self) {
        let mut seeds = SmallRng::seed_from_u64(self.scenario.seed);
        for pool in 0..self.pools.len() {
            let mut services: Vec<ServiceName> = self.pools[pool]
                .servers
                .iter()
                .flat_map(|&server| self.servers[server].services.values())
                .filter(|service| service.has_sessions)
                .map(|service| service.name.clone())
                .collect();
            services.sort();
            services.dedup();
            for service in services {
                let seed = seeds.random();
                self.sources.extend(Source::new(self, pool, &service, seed));
            }
        }
    }

    /// Returns how long the longest session can last.
    pub(super) fn longest_session(&self) -> SignedDuration {
        let longest = self.sources.iter().map(|source| source.longest_s).fold(0.0, f64::max);
        lab_seconds(longest)
    }

    /// Opens sessions that never end by themselves.
    pub(super) fn open_endless(&mut self) {
        for server in 0..self.servers.len() {
            let name = self.servers[server].name.clone();
            let endless = self.scenario.servers.get(&name).map(|server| server.endless.clone()).unwrap_or_default();
            for (service, count) in endless {
                for _ in 0..count {
                    self.open(server, &service);
                }
            }
        }
    }

    /// Schedules the first arrival of every stream.
    pub(super) fn start_sources(&mut self) {
        for index in 0..self.sources.len() {
            self.schedule_arrival(index);
        }
    }

    fn schedule_arrival(&mut self, index: usize) {
        let gap = self.sources[index].next_gap();
        self.schedule(after(self.now, gap), Event::Arrival(index));
    }

    pub(super) fn arrival(&mut self, index: usize) {
        let source = &mut self.sources[index];
        let length = source.next_length();
        let mut order = SmallRng::seed_from_u64(source.rng.random());
        let (pool, service, way) = (source.pool, source.service.clone(), source.way);
        self.schedule_arrival(index);
        let candidates = match way {
            Way::Records => self.by_records(pool, &service, &mut order),
            Way::Factory => self.by_factory(pool, &mut order),
            Way::Web => self.by_web(pool, &service, &mut order),
        };
        let taken =
            candidates.iter().position(|candidate| candidate.is_some_and(|server| self.accepts(server, &service)));
        match taken.and_then(|position| candidates[position].map(|server| (position, server))) {
            Some((position, server)) => {
                self.tally.served += 1;
                self.tally.failed_over += u64::from(position > 0);
                let id = self.open(server, &service);
                self.schedule(after(self.now, length), Event::SessionEnd(id));
            }
            None => *self.tally.refused.entry(service).or_default() += 1,
        }
    }

    fn accepts(&self, server: ServerIndex, service: &ServiceName) -> bool {
        let server = &self.servers[server];
        server.is_up() && server.services.get(service).is_some_and(super::LabService::accepts)
    }

    /// The servers that a client tries in turn; `None` stands for an address at which nobody answers.
    fn by_records(&self, pool: usize, service: &ServiceName, order: &mut SmallRng) -> Vec<Option<ServerIndex>> {
        let name = self.pools[pool].plan.name.as_str().to_ascii_lowercase();
        let mut addresses = self.zone.get(&name).cloned().unwrap_or_default();
        addresses.shuffle(order);
        let mut candidates = Vec::new();
        for address in addresses {
            match self.at_address(pool, address) {
                Some(server) => candidates.push(Some(server)),
                None if self.is_balancer(pool, address) => {
                    candidates.extend(self.behind_balancer(pool, service, order));
                }
                None => candidates.push(None),
            }
        }
        candidates
    }

    fn at_address(&self, pool: usize, address: IpAddr) -> Option<ServerIndex> {
        let servers = &self.pools[pool].servers;
        servers.iter().copied().find(|&server| self.servers[server].addresses.contains(&address))
    }

    fn is_balancer(&self, pool: usize, address: IpAddr) -> bool {
        self.scenario.balancer_addresses.contains(&address)
            || self.pools[pool].plan.load_balancing.sip == SipBalancing::Hardware
    }

    /// A balancer in front of SIP knows nothing of pauses: it picks any server whose port answers. Registrations and
    /// the like are sent on by the pool itself; a call to one of the applications that depend on DNS load balancing
    /// ends where the balancer sent it.
    fn behind_balancer(&self, pool: usize, service: &ServiceName, order: &mut SmallRng) -> Vec<Option<ServerIndex>> {
        let mut servers = self.balanced(pool);
        servers.shuffle(order);
        let depends = servers.first().is_some_and(|&server| {
            let facts = self.servers[server].services.get(service).and_then(|service| service.facts);
            facts.is_some_and(|facts| !facts.features.is_empty())
        });
        let tries = if depends { 1 } else { servers.len() };
        servers.into_iter().take(tries).map(Some).collect()
    }

    fn by_factory(&self, pool: usize, order: &mut SmallRng) -> Vec<Option<ServerIndex>> {
        let mut servers = self.pools[pool].servers.clone();
        servers.shuffle(order);
        servers.into_iter().map(Some).collect()
    }

    /// The servers that the pool's balancer sends traffic to.
    fn balanced(&self, pool: usize) -> Vec<ServerIndex> {
        let entry = &self.pools[pool];
        // A balancer that nobody drives, and one entry that is open in any backend of any balancer, sends traffic.
        let ready = |server: &ServerIndex| {
            entry.sites.is_empty() || self.balancer_state(pool, *server) == Some(BalancerState::Ready)
        };
        entry.servers.iter().copied().filter(ready).filter(|&server| self.healthy(server)).collect()
    }

    fn by_web(&self, pool: usize, service: &ServiceName, order: &mut SmallRng) -> Vec<Option<ServerIndex>> {
        let balancing = &self.pools[pool].plan.load_balancing;
        match &balancing.balancer {
            Balancer::None if balancing.web.is_none() => self.by_records(pool, service, order),
            Balancer::Operator | Balancer::Elsewhere(_) | Balancer::None if self.keeper_is_careful() => {
                let mut servers = self.balanced(pool);
                servers.retain(|&server| self.accepts(server, service));
                servers.shuffle(order);
                servers.into_iter().take(1).map(Some).collect()
            }
            Balancer::Operator | Balancer::Elsewhere(_) | Balancer::None | Balancer::Haproxy(_) => {
                let mut servers = self.balanced(pool);
                servers.shuffle(order);
                servers.into_iter().take(1).map(Some).collect()
            }
        }
    }

    fn open(&mut self, server: ServerIndex, service: &ServiceName) -> u64 {
        self.sequence += 1;
        let id = self.sequence;
        if let Some(entry) = self.servers[server].services.get_mut(service) {
            entry.sessions += 1;
            self.sessions.insert(id, Session { service: service.clone(), server });
        }
        id
    }

    pub(super) fn session_ends(&mut self, id: u64) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(service) = self.servers[session.server].services.get_mut(&session.service) {
            service.sessions = service.sessions.saturating_sub(1);
        }
        self.tally.ended += 1;
    }

    /// Ends every session that a service still has, and counts them.
    pub(super) fn cut_service(&mut self, server: ServerIndex, name: &ServiceName) {
        let Some(service) = self.servers[server].services.get_mut(name) else { return };
        let left = std::mem::take(&mut service.sessions);
        if left == 0 {
            return;
        }
        self.sessions.retain(|_, session| session.server != server || session.service != *name);
        let whose = self.servers[server].name.clone();
        *self.tally.cut.entry(whose).or_default().entry(name.clone()).or_default() += u64::from(left);
        self.tell(server, "sessions cut", name.as_str(), left.to_string());
    }

    /// Returns how many sessions are open.
    pub(crate) fn open_sessions(&self) -> u64 {
        u64::try_from(self.sessions.len()).unwrap_or(u64::MAX)
    }
}
