//! How a world begins: from a change, healthy, with sessions by stated assumptions.

use super::{Log, MINUTE, Machine, Ms, Pace, PausedFrontEnd, PoolWorld, Service, World};
use crate::dice::Dice;
use crate::faults::Faults;
use crate::oracle::Oracle;
use jiff::Timestamp;
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::Scope;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Change, Level, Pool, Product, RunState, Server, ServiceName, StartType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What is assumed about sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sessions {
    /// Most sessions of one service.
    pub(crate) most: i64,
    /// How long a session lasts on average, at most; each service has a mean of its own up to this.
    pub(crate) mean: Ms,
}

/// All that a world begins with.
pub(crate) struct Setup {
    pub(crate) origin: Timestamp,
    pub(crate) change: Arc<Change>,
    pub(crate) faults: Faults,
    pub(crate) sessions: Sessions,
    pub(crate) pace: Pace,
    pub(crate) heals: Option<Ms>,
}

/// A pool on which nothing is odd yet.
fn pool_world(pool: &Pool, machines: Vec<usize>) -> PoolWorld {
    PoolWorld {
        machines,
        balancer: super::balancers::Odd::default(),
        narrow: None,
        missing: Default::default(),
        busy: (0, 0),
        quorum: pool.has_fabric().then(|| quorum(pool.product, pool.servers.len())).flatten(),
    }
}

impl World {
    pub(crate) fn new(setup: Setup, mut dice: Dice) -> Self {
        let Setup { origin, change, faults, sessions, pace, heals } = setup;
        let mut machines = Vec::new();
        let mut pools = Vec::new();
        for (place, pool) in change.pools.iter().enumerate() {
            let mut own = Vec::new();
            for server in &pool.servers {
                own.push(machines.len());
                let number = u8::try_from(machines.len() % 200).unwrap_or(0);
                machines.push(Machine {
                    pool: place,
                    name: server.name.clone(),
                    address: server.addresses.first().copied().unwrap_or_else(|| IpAddr::from([198, 51, 100, number])),
                    up: server.away.is_none(),
                    booted: -dice.between(60 * MINUTE, 60_000 * MINUTE),
                    boots: 0,
                    going_down: false,
                    skew: if pace == Pace::Uneven { dice.between(-3 * MINUTE, 3 * MINUTE) } else { 0 },
                    services: in_state(server, services(&change, pool, sessions, &mut dice)),
                    installers: BTreeMap::new(),
                    ran: BTreeMap::new(),
                    brought: BTreeSet::new(),
                    patched: false,
                    left_out: false,
                    lowered: false,
                    wants_restart: false,
                    restart_due: false,
                    restarts_by: None,
                    admin: vec![BalancerState::Ready; backends(pool)],
                    out_since: server.away.is_some().then_some((-60 * MINUTE, super::By::Foreign)),
                    lease: None,
                    remembered: None,
                });
            }
            pools.push(pool_world(pool, own));
        }
        let by_name = machines.iter().enumerate().map(|(at, machine)| (machine.name.clone(), at)).collect();
        let level = change.maintenance.levels().next().and_then(Level::highest).cloned();
        let mut world = Self {
            levels: super::looks::levels(level.as_ref()),
            origin,
            now: 0,
            change,
            machines,
            pools,
            by_name,
            faults,
            faulty: false,
            heals,
            pace,
            paused_front_end: PausedFrontEnd::Active,
            dice,
            oracle: Oracle::default(),
            log: Log::default(),
            crash: crate::drive::Crash::default(),
            queue: BTreeMap::new(),
            order: 0,
            landed: BTreeMap::new(),
            exchanges: 1,
            disk: super::FullDisk::default(),
            refusals: super::refusals::Refusals::default(),
            hop: None,
            stateless: None,
            countless: None,
            replicas_lag: 0,
        };
        world.remember_originals();
        world
    }
}

/// In how many backends of how many balancers a pool's servers stand.
fn backends(pool: &Pool) -> usize {
    match &pool.load_balancing.balancer {
        Balancer::Haproxy(haproxy) => haproxy.backends().count(),
        Balancer::None | Balancer::Operator | Balancer::Elsewhere(_) => 1,
    }
}

/// Nothing runs on a server that the plan says to be dead.
fn in_state(server: &Server, mut services: Vec<Service>) -> Vec<Service> {
    if server.away.is_some() {
        services.iter_mut().for_each(|service| service.state = RunState::Stopped);
    }
    services
}

/// The services of a server of this pool: those of the catalogue and those that the plan adds.
fn services(change: &Change, pool: &Pool, sessions: Sessions, dice: &mut Dice) -> Vec<Service> {
    let mut names: Vec<ServiceName> =
        catalogue::expected(pool.product, pool.role).filter_map(catalogue::ServiceFacts::service_name).collect();
    for extra in &pool.extra_services {
        if !names.contains(extra) {
            names.push(extra.clone());
        }
    }
    let class = |name: &ServiceName| catalogue::service(name).map_or(DrainClass::Session, |facts| facts.drain);
    let chosen = |name: &ServiceName| match &change.maintenance.scope {
        Scope::AllServices => class(name) == DrainClass::Session,
        Scope::Services(wanted) => wanted.contains(name),
    };
    let all = change.maintenance.scope == Scope::AllServices;
    let built = names.iter().map(|name| {
        let has_sessions = class(name) == DrainClass::Session;
        let says = catalogue::service(name).and_then(|facts| facts.draining_state).is_some();
        Service {
            name: name.clone(),
            state: RunState::Running,
            start: if dice.chance(0.7) { StartType::AUTOMATIC } else { StartType::DELAYED },
            dependents: Vec::new(),
            serving: chosen(name) || name.as_str() == "RTCSRV",
            scope: chosen(name),
            touchable: class(name) != DrainClass::Infrastructure && (all || chosen(name)),
            says_draining: says,
            load: if has_sessions { dice.between(0, sessions.most) } else { 0 },
            lasting: dice.between(MINUTE.min(sessions.mean), sessions.mean),
            runs_since: -super::NEVER,
            live: Vec::new(),
            turn: 0,
            drains_from: 0,
            pausing_since: 0,
            returning: false,
            lies: 0,
        }
    });
    built.collect()
}

/// How many of the first how many servers must run, as the product's own pages have it for pools of up to twelve.
fn quorum(product: Product, servers: usize) -> Option<(usize, usize)> {
    match (product, servers) {
        (Product::Lync2013 | Product::Sfb2015, 2) => Some((1, 2)),
        (_, 3 | 4) => Some((2, servers)),
        (_, 5 | 6) => Some((3, servers)),
        (_, 7) => Some((4, 7)),
        (_, 8 | 9) => Some((4, 7)),
        (_, 10 | 11) | (Product::Lync2013 | Product::Sfb2015, 12) => Some((5, 9)),
        _ => None,
    }
}
