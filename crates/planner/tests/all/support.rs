//! Changes and observations for tests: healthy by default, spoilt by the test.

use jiff::{SignedDuration, Timestamp};
use orchestrate_model::catalogue;
use orchestrate_model::change::{
    AtDeadline, Drain, HoldChoice, Maintenance, Patch, RestartPoint, RestartPolicy, Scope, StartTypePolicy, StopWhen,
};
use orchestrate_model::observe::{
    AddressRecords, CentralManagement, DnsAnswer, DnsObservation, DomainReadiness, FileFacts, Fitness, HostFacts,
    Measure, Readiness, ReadinessState, SessionReading,
};
use orchestrate_model::pool::{Access, Balancer, DnsSettings, LoadBalancing, SipBalancing};
use orchestrate_model::probe::PendingSign;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    Answer, Change, DnsName, ExternalUse, LeaseState, Level, Pool, PoolName, PoolObservation, Product, Role, RunState,
    Server, ServerName, ServerObservation, ServiceName, ServiceStatus, StartType, UpgradeDomain, Version,
};
use orchestrate_planner::{Finding, Observations, Plan, Report, Severity, StepKind, StepTarget, make};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The SHA-256 of the installer, in the plan and on the servers.
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

pub(crate) const RESOLVER: &str = "192.0.2.53:53";

pub(crate) fn now() -> Timestamp {
    "2026-11-28T21:00:00Z".parse().unwrap()
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

pub(crate) fn server_name(text: &str) -> ServerName {
    ServerName::new(&format!("{text}.contoso.example")).unwrap()
}

pub(crate) fn pool_name(text: &str) -> PoolName {
    PoolName::new(&format!("{text}.contoso.example")).unwrap()
}

/// A pool of `servers` servers called `fe1`, `fe2` and so on (`prefix` and a number), at `net.1` and on, each in an
/// upgrade domain of its own.
pub(crate) fn pool(name: &str, prefix: &str, net: &str, servers: usize) -> Pool {
    let server = |number: usize| Server {
        name: server_name(&format!("{prefix}{number}")),
        addresses: vec![format!("{net}.{number}").parse().unwrap()],
        upgrade_domain: Some(UpgradeDomain::new(&format!("UD{number}")).unwrap()),
        hosts: BTreeSet::new(),
        external: BTreeMap::new(),
        pins: Vec::new(),
        away: None,
    };
    Pool {
        name: pool_name(name),
        product: Product::Lync2013,
        role: Role::FrontEnd,
        load_balancing: LoadBalancing {
            sip: SipBalancing::Dns,
            web: Some(DnsName::new("webint.contoso.example").unwrap()),
            balancer: Balancer::None,
            external: BTreeMap::new(),
            entry: Vec::new(),
        },
        servers: (1..=servers).map(server).collect(),
        access: Access::Unstated,
        after: Vec::new(),
        labels: BTreeSet::new(),
        paired_with: None,
        next_hop: None,
        accept_outage: None,
        archiving: None,
        first: None,
        order: Vec::new(),
        extra_services: Vec::new(),
        database: None,
        measures: BTreeMap::new(),
    }
}

/// Has the plan name a counter for everything that the pool runs: nothing is published for some roles.
pub(crate) fn count_everything(pool: &mut Pool) {
    let names = catalogue::expected(pool.product, pool.role).filter_map(catalogue::ServiceFacts::service_name);
    let named: Vec<ServiceName> = names.chain(pool.extra_services.iter().cloned()).collect();
    pool.measures.extend(named.into_iter().map(|name| (name.clone(), vec![format!(r"\{name}\Sessions")])));
}

/// A change that installs a patch, with the values of the design's example.
pub(crate) fn change(pools: Vec<Pool>) -> Change {
    Change {
        name: "November update".into(),
        reason: "CHG0031337".into(),
        pools,
        maintenance: Maintenance {
            scope: Scope::AllServices,
            at_once: 1,
            start_type: StartTypePolicy::Manual,
            drain: Drain {
                deadline: minutes(120),
                at_deadline: AtDeadline::Hold,
                stuck_after: minutes(30),
                per_service: BTreeMap::new(),
                by_sessions_alone: BTreeSet::new(),
            },
            installers: vec![Patch {
                installer: r"C:\CU\LyncServerUpdateInstaller.exe".into(),
                arguments: vec!["/silentmode".into()],
                sha256: SHA256.into(),
                deadline: minutes(45),
                level: Some(Level::Highest(Version::parse("5.0.8308.1149").unwrap())),
                exit_codes: BTreeMap::new(),
                needs_free: None,
                pending_restart: orchestrate_model::change::PendingRestart::Refuse,
                restart: RestartPoint::AtEnd,
            }],
            restart: RestartPolicy::WhenNeeded,
            soak: minutes(20),
            accept_loss: Vec::new(),
            unmeasured: BTreeMap::new(),
            on_hold: HoldChoice::Stop.into(),
            pool_unsafe: orchestrate_model::change::PoolUnsafe::Stop,
            fit: orchestrate_model::change::WindowFit::Worst,
        },
        budgets: Vec::new(),
        stop_when: StopWhen { failed: 1 },
        windows: Vec::new(),
        freezes: Vec::new(),
        notify: Vec::new(),
        silences: Vec::new(),
        approvals: None,
        emergency: None,
        only: BTreeSet::new(),
        dns: DnsSettings::default(),
    }
}

/// A machine with room, on which no restart is due.
pub(crate) fn fit() -> Fitness {
    let free = Answer::Known(BTreeMap::from([("C:".to_owned(), 50 << 30)]));
    Fitness { free, pending: PendingSign::ALL.into_iter().map(|sign| (sign, Answer::Known(None))).collect() }
}

/// A server on which everything runs.
pub(crate) fn healthy(pool: &Pool, server: &Server) -> ServerObservation {
    let names = catalogue::expected(pool.product, pool.role)
        .filter_map(catalogue::ServiceFacts::service_name)
        .chain(pool.extra_services.iter().cloned());
    let status = |name: &ServiceName| ServiceStatus {
        name: name.clone(),
        display_name: name.to_string(),
        state: Answer::Known(RunState::Running),
        start: Answer::Known(StartType::DELAYED),
        accepts_pause: true,
        dependents: Answer::Known(Vec::new()),
    };
    let services: BTreeMap<ServiceName, ServiceStatus> = names.map(|name| (name.clone(), status(&name))).collect();
    let reading = SessionReading { measures: vec![Measure::new("sessions".into(), Answer::Known(7))], draining: None };
    let domains = pool.servers.iter().filter_map(|server| server.upgrade_domain.clone()).collect::<BTreeSet<_>>();
    let domain = |name: UpgradeDomain| DomainReadiness {
        servers: pool
            .servers
            .iter()
            .filter(|server| server.upgrade_domain.as_ref() == Some(&name))
            .map(|server| server.name.clone())
            .collect(),
        name,
        ready: Answer::Known(true),
    };
    let total = u32::try_from(pool.servers.len()).ok();
    let version =
        ComponentVersion { component: "Core Components".into(), version: Version::parse("5.0.8308.866").unwrap() };
    ServerObservation {
        obstacles: Vec::new(),
        together: false,
        server: server.name.clone(),
        taken: now(),
        host: Answer::Known(HostFacts { booted: now(), local_time: now(), system: "Windows".into() }),
        sessions: services.keys().map(|name| (name.clone(), reading.clone())).collect(),
        services: Answer::Known(services),
        versions: Answer::Known(vec![version]),
        installer: Answer::not_asked(),
        file: Answer::Known(FileFacts::Found { sha256: SHA256.into() }),
        more_files: BTreeMap::new(),
        readiness: Answer::Known(Readiness {
            state: ReadinessState::Ready,
            active: total,
            total,
            domains: domains.into_iter().map(domain).collect(),
        }),
        replication: Answer::Known(pool.servers.iter().map(|server| (server.name.clone(), true)).collect()),
        fabric: Answer::not_asked(),
        lease: Answer::Known(LeaseState::Free),
        fitness: Answer::Known(fit()),
        central_management: Answer::Known(CentralManagement {
            active: pool
                .central_management()
                .map(|server| server.name.to_string())
                .or_else(|| pool.paired_with.as_ref().map(ToString::to_string)),
        }),
    }
}

/// A pool on which everything runs, with records that name every server and nothing else.
pub(crate) fn healthy_pool(pool: &Pool) -> PoolObservation {
    let mut answers = vec![answer(&pool.name.dns(), pool.servers.iter().flat_map(|s| s.addresses.clone()).collect())];
    answers.extend(pool.servers.iter().map(|server| answer(&server.name.dns(), server.addresses.clone())));
    if let Some(web) = &pool.load_balancing.web {
        answers.push(answer(web, vec!["203.0.113.10".parse().unwrap()]));
    }
    let external = pool.external_names().into_iter().map(|(name, uses)| {
        let servers = pool.servers.iter().flat_map(|server| server.external_addresses(&uses));
        match pool.load_balancing.sip {
            SipBalancing::Dns => answer(name, servers.collect()),
            SipBalancing::Hardware => answer(name, vec!["198.18.0.10".parse().unwrap()]),
        }
    });
    let external = external.collect();
    PoolObservation {
        pool: pool.name.clone(),
        servers: pool.servers.iter().map(|server| (server.name.clone(), healthy(pool, server))).collect(),
        dns: Answer::Known(DnsObservation { taken: now(), answers, external }),
        balancer: Answer::not_asked(),
    }
}

/// Makes an Edge pool of it, with external names: its servers are at `net.101` and on outside, the A/V Edge at `net.201`
/// and on.
pub(crate) fn make_edge(pool: &mut Pool, net: &str) {
    (pool.role, pool.load_balancing.web) = (Role::Edge, None);
    let name =
        |purpose: ExternalUse| DnsName::new(&format!("{}.{}", purpose.key().replace('_', "-"), pool.name)).unwrap();
    pool.load_balancing.external = ExternalUse::ALL.map(|purpose| (purpose, name(purpose))).into();
    for (number, server) in (1..).zip(&mut pool.servers) {
        let at = |first: u32| vec![format!("{net}.{}", first + number).parse().unwrap()];
        let uses =
            [(ExternalUse::Access, at(100)), (ExternalUse::WebConferencing, at(100)), (ExternalUse::Av, at(200))];
        server.external = uses.into();
    }
}

/// No source says how sessions of these are counted.
pub(crate) fn wait_for_edge(change: &mut Change) {
    for name in ["RTCDATAPROXY", "RTCMEDIARELAY"] {
        change.maintenance.unmeasured.insert(service(name), minutes(30));
    }
}

pub(crate) fn answer(name: &DnsName, addresses: Vec<IpAddr>) -> DnsAnswer {
    let records = AddressRecords { addresses, ttl_s: 300, alias: None };
    DnsAnswer { name: name.clone(), resolver: RESOLVER.parse().unwrap(), records: Answer::Known(records) }
}

pub(crate) fn healthy_world(change: &Change) -> Observations {
    let pools = change.pools.iter().map(|pool| (pool.name.clone(), healthy_pool(pool))).collect();
    Observations { pools, ..Observations::default() }
}

/// Changes the records of a pool's own name.
pub(crate) fn set_records(seen: &mut PoolObservation, change: impl Fn(&mut AddressRecords)) {
    let name = seen.pool.dns();
    let Answer::Known(dns) = &mut seen.dns else { panic!("the records are known") };
    for answer in dns.answers.iter_mut().filter(|answer| answer.name == name) {
        let Answer::Known(records) = &mut answer.records else { panic!("the records are known") };
        change(records);
    }
}

/// Changes the records of the external name at a position.
pub(crate) fn set_external(seen: &mut PoolObservation, position: usize, change: impl Fn(&mut AddressRecords)) {
    let Answer::Known(dns) = &mut seen.dns else { panic!("the records are known") };
    let Answer::Known(records) = &mut dns.external[position].records else { panic!("the records are known") };
    change(records);
}

pub(crate) fn set_state(seen: &mut PoolObservation, server: &ServerName, service_name: &str, state: RunState) {
    let Answer::Known(services) = &mut seen.servers.get_mut(server).unwrap().services else { panic!("known") };
    services.get_mut(&service(service_name)).unwrap().state = Answer::Known(state);
}

/// A server that does not answer.
pub(crate) fn silence(seen: &mut PoolObservation, server: &ServerName) {
    let silent = ServerObservation::unknown(server.clone(), now(), "no answer within 10 s");
    seen.servers.insert(server.clone(), silent);
}

/// A server whose services are all stopped.
pub(crate) fn stop(seen: &mut PoolObservation, server: &ServerName) {
    let Answer::Known(services) = &mut seen.servers.get_mut(server).unwrap().services else { panic!("known") };
    for status in services.values_mut() {
        status.state = Answer::Known(RunState::Stopped);
    }
}

pub(crate) fn planned(change: &Change, seen: &Observations) -> (Plan, Report) {
    make(change, seen, now()).unwrap()
}

/// The short names of the servers in the order in which they are taken.
pub(crate) fn taken(plan: &Plan) -> Vec<&str> {
    plan.work().iter().filter(|work| work.skip.is_none()).map(|work| work.server.short()).collect()
}

pub(crate) fn kinds(plan: &Plan, server: &str) -> Vec<StepKind> {
    let of = |target: StepTarget| match target {
        StepTarget::Server(work) => plan.work_of(work).server.short() == server,
        StepTarget::Pool(_) => false,
    };
    plan.steps().iter().filter(|step| of(step.target)).map(|step| step.kind).collect()
}

pub(crate) fn codes(plan: &Plan, severity: Severity) -> Vec<&str> {
    let mut codes: Vec<&str> =
        plan.findings().iter().filter(|finding| finding.severity == severity).map(|f| f.code.as_str()).collect();
    codes.dedup();
    codes
}

pub(crate) fn finding<'a>(plan: &'a Plan, code: &str) -> &'a Finding {
    let found = plan.findings().iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("no {code} among {:#?}", plan.findings()))
}
