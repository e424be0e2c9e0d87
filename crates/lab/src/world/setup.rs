//! How a world is made from a plan and a scenario.

use super::installer::Levels;
use super::power::NEVER_STARTED;
use super::server::{OperatingSystem, Power};
use super::{Event, LabPool, LabServer, LabService, Tally, World, lab_seconds};
use crate::scenario::{LevelAtStart, PowerAtStart, Scenario, ServerScenario};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::catalogue::{self, DrainClass, PauseFacts};
use orchestrate_model::pool::{Hosted, SipBalancing};
use orchestrate_model::time::after;
use orchestrate_model::{Change, Pool, Product, RunState, ServiceName, StartMode, StartType};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr};

/// Services of Windows itself: name, display name, start type.
const WINDOWS: &[(&str, &str, StartType)] = &[
    ("BITS", "Background Intelligent Transfer Service", StartType::MANUAL),
    ("EventLog", "Windows Event Log", StartType::AUTOMATIC),
    ("LanmanServer", "Server", StartType::AUTOMATIC),
    ("LanmanWorkstation", "Workstation", StartType::AUTOMATIC),
    ("MSSQL$LYNCLOCAL", "SQL Server (LYNCLOCAL)", StartType::AUTOMATIC),
    ("MSSQL$RTCLOCAL", "SQL Server (RTCLOCAL)", StartType::AUTOMATIC),
    ("Netlogon", "Netlogon", StartType::AUTOMATIC),
    ("RpcSs", "Remote Procedure Call (RPC)", StartType::AUTOMATIC),
    ("Schedule", "Task Scheduler", StartType::AUTOMATIC),
    ("Spooler", "Print Spooler", StartType { mode: StartMode::Disabled, delayed: false }),
    ("TrustedInstaller", "Windows Modules Installer", StartType::MANUAL),
    ("W32Time", "Windows Time", StartType::AUTOMATIC),
    ("WAS", "Windows Process Activation Service", StartType::MANUAL),
    ("WinRM", "Windows Remote Management (WS-Management)", StartType::DELAYED),
    ("wuauserv", "Windows Update", StartType::MANUAL),
];

/// What Windows itself has between its services.
const WINDOWS_DEPENDENCIES: &[(&str, &str)] = &[("W3SVC", "WAS"), ("WAS", "RpcSs")];

/// Services of the product that start at once; the others wait.
const NOT_DELAYED: &[&str] = &["W3SVC", "REPLICA", "FabricHostSvc", "RTCMEDSRV"];

impl World {
    /// Returns the world of a plan as it is at `origin`, with sessions that came before.
    pub(crate) fn new(change: &Change, scenario: Scenario, origin: Timestamp) -> Self {
        let mut world = Self {
            now: origin,
            origin,
            scenario,
            scope: change.maintenance.scope.clone(),
            pools: Vec::new(),
            servers: Vec::new(),
            zone: BTreeMap::new(),
            services: BTreeMap::new(),
            sources: Vec::new(),
            sessions: BTreeMap::new(),
            queue: BinaryHeap::new(),
            sequence: 0,
            tally: Tally::default(),
            most_out_by_label: BTreeMap::new(),
            told: Vec::new(),
            password: String::new(),
        };
        for (index, pool) in change.pools.iter().enumerate() {
            world.add_pool(index, pool, change);
        }
        world.fill_zone();
        world.warm_up(origin);
        world
    }

    fn add_pool(&mut self, index: usize, pool: &Pool, change: &Change) {
        let mut servers = Vec::new();
        for (position, server) in pool.servers.iter().enumerate() {
            let scenario = self.scenario.servers.get(&server.name).cloned().unwrap_or_default();
            let addresses = match server.addresses.as_slice() {
                [] => vec![made_up_server(index, position)],
                given => given.to_vec(),
            };
            let services = services(pool, position, &scenario, &self.scenario);
            // What the plan says to be dead is.
            let up = scenario.power == PowerAtStart::Up && server.away.is_none();
            servers.push(self.servers.len());
            let booted = after(self.now, -self.days_up(self.servers.len()));
            self.servers.push(LabServer {
                name: server.name.clone(),
                pool: index,
                addresses,
                power: if up { Power::Up { winrm: booted } } else { Power::Off },
                booted,
                boot: 0,
                services,
                installers: BTreeMap::new(),
                lease: None,
                restarts: 0,
                installs: 0,
                brought: BTreeSet::new(),
                patched_while_serving: BTreeSet::new(),
                patched: scenario.level == LevelAtStart::Patched,
                os: operating_system(pool.product),
                machine: scenario.machine.clone(),
            });
        }
        let stated = change.central_management(pool).map(|(_, server)| server.name.to_string());
        let elsewhere = || pool.paired_with.as_ref().map(ToString::to_string);
        let sites = self.sites(pool, &servers);
        self.pools.push(LabPool {
            plan: pool.clone(),
            sites,
            servers,
            active_master: stated.or_else(elsewhere),
            busy_until: Timestamp::UNIX_EPOCH,
            most_out: 0,
            most_domains_out: 0,
            level: Levels::new(pool, &change.maintenance.installers, &self.scenario),
        });
    }

    fn days_up(&self, server: usize) -> SignedDuration {
        let salt = u64::try_from(server).unwrap_or_default();
        let mut rng = SmallRng::seed_from_u64(self.scenario.seed.wrapping_add(salt));
        lab_seconds(86_400.0 * (3.0 + 25.0 * rng.random::<f64>()))
    }

    fn fill_zone(&mut self) {
        for (index, pool) in self.pools.iter().enumerate() {
            let own = |position: usize| self.servers[pool.servers[position]].addresses.clone();
            let all: Vec<IpAddr> = (0..pool.servers.len()).flat_map(own).collect();
            let records = match pool.plan.load_balancing.sip {
                SipBalancing::Dns => all,
                SipBalancing::Hardware => vec![made_up_balancer(10 + index)],
            };
            self.zone.insert(pool.plan.name.as_str().to_ascii_lowercase(), records);
            if let Some(web) = &pool.plan.load_balancing.web {
                let vip = vec![made_up_balancer(100 + index)];
                self.zone.insert(web.as_str().to_ascii_lowercase(), vip);
            }
            for name in &pool.plan.load_balancing.entry {
                let name = name.as_str().to_ascii_lowercase();
                let own = pool.plan.name.as_str().to_ascii_lowercase();
                if name.starts_with('_') {
                    self.services.insert(name, vec![own]);
                } else if let Some(records) = self.zone.get(&own).cloned() {
                    self.zone.entry(name).or_default().extend(records);
                }
            }
            for (name, uses) in pool.plan.external_names() {
                let servers = pool.plan.servers.iter();
                let mut records: Vec<IpAddr> = servers.flat_map(|server| server.external_addresses(&uses)).collect();
                if pool.plan.load_balancing.sip == SipBalancing::Hardware {
                    records = vec![made_up_outside(index)];
                }
                records.sort_unstable();
                records.dedup();
                self.zone.insert(name.as_str().to_ascii_lowercase(), records);
            }
        }
        for server in &self.servers {
            self.zone.insert(server.name.as_str().to_ascii_lowercase(), server.addresses.clone());
        }
        for (name, records) in &self.scenario.dns.records {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if records.is_empty() {
                self.zone.remove(&name);
            } else {
                self.zone.insert(name, records.clone());
            }
        }
        for (name, hosts) in &self.scenario.dns.services {
            let host = |host: &String| host.trim_end_matches('.').to_ascii_lowercase();
            self.services.insert(name.trim_end_matches('.').to_ascii_lowercase(), hosts.iter().map(host).collect());
        }
        self.services.retain(|_, hosts| !hosts.is_empty());
        for records in self.zone.values_mut() {
            records.retain(|address| !self.scenario.dns.omit.contains(address));
        }
    }

    /// Lets sessions come for as long as the longest one lasts, so that the load at `origin` is the usual one, and
    /// counts from there.
    fn warm_up(&mut self, origin: Timestamp) {
        self.open_sources();
        let longest = self.longest_session();
        self.now = after(origin, -longest);
        self.start_sources();
        self.advance(origin);
        self.open_endless();
        self.tally = Tally { served: self.open_sessions(), ..Tally::default() };
        self.told.clear();
        for pool in 0..self.pools.len() {
            self.count_out(pool);
        }
        for server in 0..self.servers.len() {
            let name = &self.servers[server].name;
            let crash = self.scenario.servers.get(name).and_then(|server| server.crash_after_s);
            if let Some(seconds) = crash {
                self.schedule_in(seconds, Event::Crash(server));
            }
        }
    }
}

/// An address for a server that the plan gives none, from the range for tests of network devices.
fn made_up_server(pool: usize, position: usize) -> IpAddr {
    let byte = |number: usize| u8::try_from(number % 254 + 1).unwrap_or(1);
    IpAddr::V4(Ipv4Addr::new(198, 18, byte(pool), byte(position)))
}

/// An address for a balancer, from a range for documentation.
fn made_up_balancer(last: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, u8::try_from(last % 250).unwrap_or(1)))
}

/// An address for a balancer outside, from the range for tests of network devices: plans state addresses for
/// documentation at their servers outside.
fn made_up_outside(pool: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 18, 255, u8::try_from(pool % 254 + 1).unwrap_or(1)))
}

fn operating_system(product: Product) -> OperatingSystem {
    match product {
        Product::Lync2013 | Product::Sfb2015 => OperatingSystem {
            caption: "Microsoft Windows Server 2012 R2 Standard",
            version: "6.3.9600",
            build: "9600",
            shows_delayed: false,
        },
        Product::Sfb2019 | Product::Sfbse | Product::Generic => OperatingSystem {
            caption: "Microsoft Windows Server 2019 Standard",
            version: "10.0.17763",
            build: "17763",
            shows_delayed: true,
        },
    }
}

fn services(
    pool: &Pool,
    position: usize,
    own: &ServerScenario,
    scenario: &Scenario,
) -> BTreeMap<ServiceName, LabService> {
    let mut services = BTreeMap::new();
    let also = scenario.services.also.iter().filter(|name| belongs(pool, name)).cloned();
    let names = service_names(pool, position).into_iter().chain(also);
    for name in names.filter(|name| !own.without.contains(name)) {
        services.insert(name.clone(), product_service(pool, &name));
    }
    for (name, display, start) in WINDOWS {
        let name = ServiceName::new(name).expect("the lab's own names are valid");
        services.entry(name.clone()).or_insert_with(|| plain_service(name, display, *start));
    }
    for service in services.values_mut() {
        if let Some(display) = scenario.services.display.get(&service.name) {
            service.display.clone_from(display);
        }
        settle_start(service, own, scenario);
    }
    services
}

/// Returns whether a server of the pool may run a service, in its role or besides it.
fn belongs(pool: &Pool, name: &ServiceName) -> bool {
    catalogue::service(name).is_none_or(|facts| {
        facts.products.contains(&pool.product)
            && (facts.roles.contains(&pool.role) || facts.optional_roles.contains(&pool.role))
    })
}

/// The services that any server of a plan has, and Windows' own.
pub(crate) fn service_names_of(change: &Change, scenario: &Scenario) -> BTreeSet<ServiceName> {
    let own = change.pools.iter().flat_map(|pool| {
        let also = scenario.services.also.iter().filter(|name| belongs(pool, name)).cloned();
        (0..pool.servers.len()).flat_map(|position| service_names(pool, position)).chain(also)
    });
    own.chain(WINDOWS.iter().filter_map(|(name, _, _)| ServiceName::new(name).ok())).collect()
}

/// The services of the product on one server, in no particular order.
fn service_names(pool: &Pool, position: usize) -> Vec<ServiceName> {
    let mut names: Vec<ServiceName> =
        catalogue::expected(pool.product, pool.role).filter_map(catalogue::ServiceFacts::service_name).collect();
    names.extend(pool.extra_services.iter().cloned());
    names.extend(pool.measures.keys().cloned());
    let hosts = pool.servers.get(position).map(|server| server.hosts.clone()).unwrap_or_default();
    let mut more = Vec::new();
    if hosts.contains(&Hosted::CentralManagement) {
        more.extend(["MASTER", "FTA"]);
    }
    if pool.paired_with.is_some() {
        more.push("LYNCBACKUP");
    }
    names.extend(more.into_iter().filter_map(|name| ServiceName::new(name).ok()));
    names
}

fn product_service(pool: &Pool, name: &ServiceName) -> LabService {
    let facts = catalogue::service(name);
    let display = facts.map_or_else(|| name.to_string(), |facts| facts.display(pool.product, pool.role));
    let at_once = NOT_DELAYED.iter().any(|known| known.eq_ignore_ascii_case(name.as_str()));
    let start = if at_once || facts.is_none() { StartType::AUTOMATIC } else { StartType::DELAYED };
    let has_sessions = facts.is_none_or(|facts| facts.drain == DrainClass::Session);
    let pausable = has_sessions || facts.is_some_and(|facts| facts.pause != PauseFacts::Unknown);
    let spelling = facts.and_then(catalogue::ServiceFacts::service_name).unwrap_or_else(|| name.clone());
    LabService { facts, pausable, has_sessions, ..plain_service(spelling, &display, start) }
}

fn plain_service(name: ServiceName, display: &str, start: StartType) -> LabService {
    LabService {
        name,
        display: display.to_owned(),
        facts: None,
        state: RunState::Stopped,
        change: 0,
        start,
        start_at_origin: start,
        pausable: false,
        has_sessions: false,
        depends_on: Vec::new(),
        sessions: 0,
        pid: 0,
        exit_code: NEVER_STARTED,
        running_since: None,
    }
}

/// Gives a service the start type, the dependencies and the state that the scenario wants.
fn settle_start(service: &mut LabService, own: &ServerScenario, scenario: &Scenario) {
    let listed = own.start_types.get(&service.name).or(scenario.services.start_types.get(&service.name));
    service.start = listed.copied().unwrap_or(service.start);
    service.start_at_origin = service.start;
    let windows = WINDOWS_DEPENDENCIES.iter().filter(|(name, _)| name.eq_ignore_ascii_case(service.name.as_str()));
    service.depends_on.extend(windows.filter_map(|(_, needed)| ServiceName::new(needed).ok()));
    service.depends_on.extend(scenario.services.depends_on.get(&service.name).into_iter().flatten().cloned());
    // WAS is started by W3SVC, whatever its own start type.
    let runs = service.start.mode == StartMode::Automatic || service.name.as_str() == "WAS";
    let usual = if runs { RunState::Running } else { RunState::Stopped };
    let up = own.power == PowerAtStart::Up;
    service.state = if up { own.states.get(&service.name).copied().unwrap_or(usual) } else { RunState::Stopped };
    if service.has_process() {
        service.exit_code = 0;
        service.pid = 1000;
    }
}
