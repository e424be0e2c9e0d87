//! The world without any wire.

use super::{Control, InstallerAnswer, InstallerEnd, InstallerRequest, Shutdown, World, lab_seconds};
use crate::report::report;
use crate::scenario::Scenario;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::change::{
    AtDeadline, Drain, HoldChoice, Maintenance, Patch, RestartPoint, RestartPolicy, Scope,
};
use orchestrate_model::change::{StartTypePolicy, StopWhen};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::{
    Access, Balancer, DnsSettings, HaproxyBalancer, LoadBalancing, Pool, Server, SipBalancing,
};
use orchestrate_model::{Change, PoolName, Product, Role, RunState, ServerName, ServiceName, StartMode, StartType};
use std::collections::{BTreeMap, BTreeSet};

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn origin() -> Timestamp {
    "2026-11-21T21:00:00Z".parse().unwrap()
}

fn pool(sip: SipBalancing) -> Pool {
    let servers = (1..=3).map(|number| Server {
        name: ServerName::new(&format!("fe{number}.contoso.example")).unwrap(),
        addresses: vec![format!("192.0.2.1{number}").parse().unwrap()],
        upgrade_domain: None,
        hosts: BTreeSet::new(),
        external: BTreeMap::new(),
        pins: Vec::new(),
        away: None,
    });
    let balancer = HaproxyBalancer::one("192.0.2.10:9999", "web");
    Pool {
        name: PoolName::new("pool01.contoso.example").unwrap(),
        product: Product::Lync2013,
        role: Role::FrontEnd,
        load_balancing: LoadBalancing {
            sip,
            web: None,
            balancer: Balancer::Haproxy(balancer),
            external: BTreeMap::new(),
            entry: Vec::new(),
        },
        servers: servers.collect(),
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

/// A plan of a pool of three front ends.
pub(crate) fn a_change() -> Change {
    change(pool(SipBalancing::Dns))
}

fn change(pool: Pool) -> Change {
    Change {
        name: "test".to_owned(),
        reason: "test".to_owned(),
        pools: vec![pool],
        maintenance: Maintenance {
            scope: Scope::AllServices,
            at_once: 1,
            start_type: StartTypePolicy::Manual,
            drain: Drain {
                deadline: SignedDuration::from_hours(2),
                at_deadline: AtDeadline::Hold,
                stuck_after: SignedDuration::from_mins(30),
                per_service: BTreeMap::new(),
                by_sessions_alone: BTreeSet::new(),
            },
            installers: vec![Patch {
                installer: "C:\\CU\\update.exe".to_owned(),
                arguments: Vec::new(),
                sha256: "ab".repeat(32),
                deadline: SignedDuration::from_mins(45),
                level: None,
                exit_codes: BTreeMap::new(),
                needs_free: None,
                pending_restart: orchestrate_model::change::PendingRestart::Refuse,
                restart: RestartPoint::AtEnd,
            }],
            restart: RestartPolicy::WhenNeeded,
            soak: SignedDuration::from_mins(20),
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

fn world(scenario: &str) -> World {
    World::new(&change(pool(SipBalancing::Dns)), serde_saphyr::from_str(scenario).unwrap(), origin())
}

const QUIET: &str = "load: {factor: 0}";

fn pass(world: &mut World, seconds: f64) {
    let until = world.now() + lab_seconds(seconds);
    world.advance(until);
}

fn state(world: &World, server: usize, service: &str) -> RunState {
    world.servers[server].services[&name(service)].state
}

fn pause_everything(world: &mut World, server: usize) {
    let services: Vec<ServiceName> = world.servers[server]
        .services
        .values()
        .filter(|service| service.has_sessions)
        .map(|service| service.name.clone())
        .collect();
    for service in services {
        world.change_start_mode(server, service.as_str(), "Manual").unwrap();
        assert_eq!(world.control(server, service.as_str(), Control::Pause), Some(0));
    }
}

#[test]
fn controls_return_what_the_service_manager_returns() {
    use Control::{Interrogate, Pause, Resume, Start, Stop};
    use RunState::{Paused, Running, StartPending, StopPending, Stopped};
    let cases = [
        (Running, Start, 10),
        (Running, Resume, 0),
        (Running, Interrogate, 0),
        (Running, Pause, 0),
        (Running, Stop, 0),
        (Paused, Pause, 0),
        (Paused, Start, 10),
        (Paused, Resume, 0),
        (Paused, Stop, 0),
        (Stopped, Pause, 6),
        (Stopped, Resume, 6),
        (Stopped, Stop, 6),
        (Stopped, Interrogate, 6),
        (Stopped, Start, 0),
        (StartPending, Pause, 5),
        (StartPending, Stop, 5),
        (StopPending, Pause, 5),
        (StopPending, Start, 10),
        (RunState::PausePending, Resume, 5),
        (RunState::PausePending, Pause, 0),
    ];
    for (from, control, expected) in cases {
        let mut world = world(QUIET);
        world.servers[0].services.get_mut(&name("RTCCPS")).unwrap().state = from;
        assert_eq!(world.control(0, "rtccps", control), Some(expected), "{control:?} while {from}");
    }
    let mut world = world(QUIET);
    assert_eq!(world.control(0, "RTCNONE", Control::Pause), None);
    assert_eq!(world.control(0, "REPLICA", Control::Pause), Some(4), "a service that takes no pause");
    assert_eq!(world.change_start_mode(0, "RTCCPS", "Auto"), Some(21), "Auto is only what it reads back as");
    assert_eq!(world.change_start_mode(0, "RTCCPS", "Disabled"), Some(0));
    assert_eq!(world.control(0, "RTCCPS", Control::Stop), Some(0));
    pass(&mut world, 60.0);
    assert_eq!(world.control(0, "RTCCPS", Control::Start), Some(14));
}

#[test]
fn accepted_is_not_done() {
    let mut world = world(QUIET);
    assert_eq!(world.control(0, "RTCCPS", Control::Pause), Some(0));
    assert_eq!(state(&world, 0, "RTCCPS"), RunState::PausePending);
    pass(&mut world, 10.0);
    assert_eq!(state(&world, 0, "RTCCPS"), RunState::Paused);
    assert_eq!(world.control(0, "RTCCPS", Control::Stop), Some(0));
    assert_eq!(world.control(0, "RTCCPS", Control::Start), Some(10), "it still stops");
    pass(&mut world, 60.0);
    assert_eq!(state(&world, 0, "RTCCPS"), RunState::Stopped);
}

#[test]
fn a_service_stops_only_after_its_dependents_and_starts_what_it_needs() {
    let mut world = world("{load: {factor: 0}, services: {depends_on: {RTCCAS: [RTCCAA]}}}");
    assert_eq!(world.control(0, "RTCCAA", Control::Stop), Some(3));
    for service in ["RTCCAS", "RTCCAA"] {
        assert_eq!(world.control(0, service, Control::Stop), Some(0));
        pass(&mut world, 60.0);
    }
    assert_eq!(world.control(0, "RTCCAS", Control::Start), Some(0));
    assert_eq!(state(&world, 0, "RTCCAA"), RunState::StartPending, "started along");
    pass(&mut world, 60.0);
    assert_eq!(state(&world, 0, "RTCCAS"), RunState::Running);
    for service in ["RTCCAS", "RTCCAA"] {
        world.control(0, service, Control::Stop);
        pass(&mut world, 60.0);
    }
    world.change_start_mode(0, "RTCCAA", "Disabled");
    assert_eq!(world.control(0, "RTCCAS", Control::Start), Some(13));
}

#[test]
fn a_restart_applies_start_types_and_forgets_the_pause() {
    let mut world = world(QUIET);
    world.change_start_mode(0, "RTCCPS", "Manual");
    world.control(0, "RTCCPS", Control::Pause);
    world.control(0, "RTCCAA", Control::Pause);
    pass(&mut world, 10.0);
    let booted = world.servers[0].booted;
    assert_eq!(world.restart(0, 5.0), Shutdown::Accepted);
    assert_eq!(world.restart(0, 5.0), Shutdown::Scheduled);
    pass(&mut world, 4.0);
    assert!(world.servers[0].answers(world.now()), "the answer gets out");
    pass(&mut world, 2.0);
    assert!(!world.servers[0].is_up());
    pass(&mut world, 95.0);
    assert!(world.servers[0].is_up() && !world.servers[0].answers(world.now()), "WinRM is late");
    assert_eq!(state(&world, 0, "W3SVC"), RunState::StartPending);
    assert_eq!(state(&world, 0, "RTCCAA"), RunState::Stopped, "a delayed start waits");
    pass(&mut world, 300.0);
    assert!(world.servers[0].answers(world.now()));
    assert!(world.servers[0].booted > booted + SignedDuration::from_secs(60));
    assert_eq!(state(&world, 0, "RTCCAA"), RunState::Running, "the trap: it takes connections again");
    assert_eq!(state(&world, 0, "RTCCPS"), RunState::Stopped);
    assert_eq!(world.servers[0].services[&name("RTCCPS")].exit_code, 1077);
}

#[test]
fn the_delayed_flag_is_lost_with_the_start_mode_unless_it_is_set_again() {
    let mut world = world(QUIET);
    assert_eq!(world.servers[0].services[&name("RTCCAA")].start, StartType::DELAYED);
    world.change_start_mode(0, "RTCCAA", "Manual");
    world.change_start_mode(0, "RTCCAA", "Automatic");
    assert_eq!(world.servers[0].services[&name("RTCCAA")].start, StartType::AUTOMATIC);
    assert!(!world.servers[0].start_types_as_before());
    world.set_delayed(0, "RTCCAA").unwrap();
    assert!(world.servers[0].start_types_as_before());
}

#[test]
fn the_same_seed_gives_the_same_sessions_whatever_is_done() {
    let served = |act: bool| {
        let mut world = world("seed: 11");
        if act {
            world.control(0, "RTCATS", Control::Pause);
        }
        pass(&mut world, 3_600.0);
        let refused: u64 = world.tally.refused.values().sum();
        world.tally.served + refused
    };
    assert_eq!(served(false), served(true));
    assert!(served(false) > 1_000, "an hour of a quiet night");
}

#[test]
fn a_drained_server_loses_nothing() {
    let mut world = world("seed: 4");
    world.set_balancer(0, 0, BalancerState::Drain);
    pause_everything(&mut world, 0);
    let mut waited = 0.0;
    while world.servers[0].services.values().any(|service| service.sessions > 0) {
        pass(&mut world, 30.0);
        waited += 30.0;
        assert!(waited < 35.0 * 60.0, "no session outlives the longest");
    }
    assert!(waited > 10.0 * 60.0, "a drain takes its time: {waited}");
    assert_eq!(world.restart(0, 5.0), Shutdown::Accepted);
    pass(&mut world, 3_600.0);
    let report = report(&world, origin(), 1.0, None);
    assert_eq!((report.sessions.cut_total(), report.sessions.refused_total()), (0, 0), "{report}");
    assert!(report.sessions.failed_over > 0);
    assert_eq!(report.most_out(), 1);
    assert_eq!(report.sessions.served, report.sessions.ended + report.sessions.open);
}

#[test]
fn a_server_that_is_restarted_without_a_drain_cuts_its_sessions() {
    let mut world = world("seed: 4");
    let before: u32 = world.servers[1].services.values().map(|service| service.sessions).sum();
    assert!(before > 20);
    world.restart(1, 0.0);
    pass(&mut world, 1.0);
    let report = report(&world, origin(), 1.0, None);
    assert!(report.sessions.cut_total() > 20, "{report}");
    assert_eq!(report.sessions.cut.keys().map(ServerName::short).collect::<Vec<_>>(), ["fe2"]);
}

#[test]
fn sessions_are_lost_when_nobody_takes_them() {
    let mut world = world("seed: 4");
    for server in 0..3 {
        world.control(server, "RTCCAA", Control::Pause);
    }
    pass(&mut world, 1_800.0);
    assert!(world.tally.refused[&name("RTCCAA")] > 0);
    assert_eq!(world.tally.refused.len(), 1, "{:?}", world.tally.refused);
}

#[test]
fn a_web_session_is_lost_on_a_server_that_the_balancer_still_uses() {
    let mut world = world("seed: 4");
    world.control(0, "W3SVC", Control::Pause);
    pass(&mut world, 900.0);
    let lost = world.tally.refused.get(&name("W3SVC")).copied().unwrap_or_default();
    assert!(lost > 0, "the health check looks at port 5061 only");
    world.set_balancer(0, 0, BalancerState::Maintenance);
    pass(&mut world, 900.0);
    assert_eq!(world.tally.refused[&name("W3SVC")], lost);
}

#[test]
fn a_balancer_in_front_of_sip_loses_the_features_that_need_dns() {
    let scenario: Scenario = serde_saphyr::from_str("seed: 4").unwrap();
    let mut world = World::new(&change(pool(SipBalancing::Hardware)), scenario, origin());
    pause_everything(&mut world, 0);
    world.set_balancer(0, 0, BalancerState::Ready);
    pass(&mut world, 1_800.0);
    assert!(world.tally.refused.contains_key(&name("RTCRGS")));
    assert!(!world.tally.refused.contains_key(&name("RTCSRV")), "the pool sends registrations on");
    assert!(!world.tally.refused.contains_key(&name("RTCAVMCU")));
}

#[test]
fn an_installer_starts_once_per_token_and_one_at_a_time() {
    let mut world = world("{load: {factor: 0}, installer: {exit_code: 0}}");
    let request = |token: &str| InstallerRequest {
        token: token.to_owned(),
        path: "c:\\cu\\UPDATE.exe".to_owned(),
        sha256: "AB".repeat(32),
        deadline_s: 2_700.0,
    };
    assert_eq!(world.start_installer(0, &request("one")), InstallerAnswer::Started);
    assert_eq!(world.start_installer(0, &request("one")), InstallerAnswer::Already);
    assert_eq!(world.start_installer(0, &request("two")), InstallerAnswer::Started);
    pass(&mut world, 2.0);
    assert_eq!(world.servers[0].installers["two"].end, InstallerEnd::Finished(1618));
    let before = world.components(0);
    pass(&mut world, 900.0);
    assert_eq!(world.servers[0].installers["one"].end, InstallerEnd::Finished(0));
    assert_ne!(world.components(0), before);
    let wrong = InstallerRequest { sha256: "00".repeat(32), ..request("three") };
    assert_eq!(world.start_installer(0, &wrong), InstallerAnswer::WrongHash);
    let other = InstallerRequest { path: "C:\\CU\\other.exe".to_owned(), ..request("three") };
    assert_eq!(world.start_installer(0, &other), InstallerAnswer::MissingFile);
    assert!(!world.servers[0].installers.contains_key("three"), "a refusal uses no token up");
}

#[test]
fn an_installer_that_runs_too_long_is_ended_and_has_no_exit_code() {
    let mut world = world("{load: {factor: 0}, installer: {duration_s: [500, 600]}}");
    let (path, sha256) = ("C:\\CU\\update.exe".to_owned(), "ab".repeat(32));
    let request = InstallerRequest { token: "one".to_owned(), path, sha256, deadline_s: 60.0 };
    assert_eq!(world.start_installer(0, &request), InstallerAnswer::Started);
    let before = world.components(0);
    pass(&mut world, 61.0);
    assert_eq!(world.servers[0].installers["one"].end, InstallerEnd::Killed);
    assert_eq!(world.components(0), before);
}

#[test]
fn an_installer_that_is_cut_off_leaves_no_result() {
    let mut world = world("{load: {factor: 0}, servers: {fe1.contoso.example: {crash_after_s: 30}}}");
    let request = InstallerRequest {
        token: "one".to_owned(),
        path: "C:\\CU\\update.exe".to_owned(),
        sha256: "ab".repeat(32),
        deadline_s: 2_700.0,
    };
    world.start_installer(0, &request);
    pass(&mut world, 600.0);
    assert_eq!(world.servers[0].installers["one"].end, InstallerEnd::Vanished);
    assert!(world.servers[0].is_up(), "it boots again by itself");
    assert_eq!(world.start_installer(0, &request), InstallerAnswer::Already);
}

#[test]
fn an_installer_that_restarts_the_server_does_so_by_itself() {
    let mut world = world("{load: {factor: 0}, installer: {exit_code: 1641, duration_s: [10, 10]}}");
    let request = InstallerRequest {
        token: "one".to_owned(),
        path: "C:\\CU\\update.exe".to_owned(),
        sha256: "ab".repeat(32),
        deadline_s: 2_700.0,
    };
    world.start_installer(2, &request);
    pass(&mut world, 600.0);
    assert_eq!((world.servers[2].restarts, world.servers[2].patched), (1, true));
}

#[test]
fn servers_that_are_down_count_as_out_and_in_the_readiness() {
    let mut world = world("{load: {factor: 0}, servers: {fe1.contoso.example: {power: down}}}");
    assert_eq!(world.pools[0].most_out, 1);
    let answer = world.readiness(1, "pool01.contoso.example").unwrap();
    assert_eq!((answer.state.as_str(), answer.active), ("InsufficientActiveFrontEnds", 2));
    assert!(world.readiness(0, "pool01.contoso.example").is_err());
    world.control(1, "RTCATS", Control::Pause);
    assert_eq!(world.pools[0].most_out, 2);
}

#[test]
fn a_pool_is_busy_after_a_front_end_came_up() {
    let mut world = world(QUIET);
    let state = |world: &World| world.readiness(1, "POOL01.contoso.example").unwrap().state;
    assert_eq!(state(&world), "Ready");
    world.control(0, "RTCSRV", Control::Stop);
    pass(&mut world, 30.0);
    assert_eq!(state(&world), "InsufficientActiveFrontEnds");
    world.control(0, "RTCSRV", Control::Start);
    pass(&mut world, 50.0);
    assert_eq!(state(&world), "Busy");
    pass(&mut world, 100.0);
    assert_eq!(state(&world), "Ready");
}

#[test]
fn a_paused_front_end_is_active_or_not_as_the_scenario_says() {
    for (reading, word, active) in [("active", "Ready", 3), ("inactive", "InsufficientActiveFrontEnds", 2)] {
        let mut world = world(&format!("{{load: {{factor: 0}}, paused_front_end: {reading}}}"));
        world.control(0, "RTCSRV", Control::Pause);
        pass(&mut world, 30.0);
        let answer = world.readiness(1, "pool01.contoso.example").unwrap();
        assert_eq!((answer.state.as_str(), answer.active), (word, active), "{reading}");
        assert_eq!(world.readiness(0, "pool01.contoso.example").is_ok(), reading == "active");
    }
}

#[test]
fn conferencing_says_that_it_drains_and_a_stopped_service_has_no_counters() {
    let mut world = world("seed: 9");
    let class = world.perf_class(0, "LS:AVMCU - MCU Health And Performance").unwrap();
    let property = &class.properties["AVMCU - MCU Draining State"];
    let read =
        |world: &World| world.perf_instances(0, &class.class).unwrap().first().map(|found| found.properties[property]);
    assert_eq!(read(&world), Some(0));
    world.control(0, "RTCAVMCU", Control::Pause);
    assert_eq!(read(&world), Some(1));
    pass(&mut world, 60.0);
    world.control(0, "RTCAVMCU", Control::Stop);
    assert_eq!(read(&world), None, "no process, no counters");
    assert_eq!(world.activity(0, "RTCAVMCU"), Some(String::new()));
}

#[test]
fn p4_an_installer_that_starts_while_services_run_cuts_their_sessions() {
    let mut world = world("{load: {factor: 0}, servers: {fe1.contoso.example: {endless: {RTCAVMCU: 2, RTCSRV: 1}}}}");
    world.control(0, "RTCAVMCU", Control::Pause);
    pass(&mut world, 60.0);
    let patch = change(pool(SipBalancing::Dns)).maintenance.installers[0].clone();
    let run =
        InstallerRequest { token: "one".to_owned(), path: patch.installer, sha256: patch.sha256, deadline_s: 2700.0 };
    assert_eq!(world.start_installer(0, &run), InstallerAnswer::Started);
    let seen = report(&world, origin(), 1.0, None);
    assert_eq!(seen.sessions.cut_total(), 3, "{seen}");
    let server = &seen.servers[&world.servers[0].name];
    assert!(server.patched_while_serving.contains(&name("RTCSRV")));
    assert!(!server.patched_while_serving.contains(&name("RTCAVMCU")), "it had sessions left but took no new ones");
    assert!(seen.text().contains("patched while serving       fe1.contoso.example: "), "{seen}");
}

#[test]
fn an_installer_leaves_services_alone_that_the_plan_does_not_patch() {
    let mut change = change(pool(SipBalancing::Dns));
    change.maintenance.scope = Scope::Services(vec![name("RTCRGS")]);
    let patch = change.maintenance.installers[0].clone();
    let scenario = serde_saphyr::from_str(
        "{load: {factor: 0}, servers: {fe1.contoso.example: {endless: {RTCAVMCU: 2, RTCRGS: 1}}}}",
    );
    let mut world = World::new(&change, scenario.unwrap(), origin());
    let (path, sha256) = (patch.installer, patch.sha256);
    world.start_installer(0, &InstallerRequest { token: "one".to_owned(), path, sha256, deadline_s: 2700.0 });
    let seen = report(&world, origin(), 1.0, None);
    assert_eq!(seen.sessions.cut_total(), 1, "{seen}");
    assert_eq!(seen.servers[&world.servers[0].name].patched_while_serving, [name("RTCRGS")]);
}

#[test]
fn a_session_that_never_ends_stays() {
    let mut world = world("{load: {factor: 0}, servers: {fe1.contoso.example: {endless: {RTCAVMCU: 1}}}}");
    world.control(0, "RTCAVMCU", Control::Pause);
    pass(&mut world, 86_400.0);
    assert_eq!(world.servers[0].services[&name("RTCAVMCU")].sessions, 1);
}

#[test]
fn a_disabled_service_does_not_make_a_server_count_as_out() {
    let world = world(
        "{load: {factor: 0}, servers: {fe1.contoso.example: {start_types: {RTCCPS: {mode: disabled, delayed: false}}}}}",
    );
    assert_eq!(world.servers[0].services[&name("RTCCPS")].start.mode, StartMode::Disabled);
    assert_eq!((state(&world, 0, "RTCCPS"), world.pools[0].most_out), (RunState::Stopped, 0));
}

#[test]
fn a_scenario_with_an_unknown_key_is_refused() {
    for bad in [
        "sed: 1",
        "load: {factor: 1, fcator: 2}",
        "faults: [{operation: Get, effect: explode}]",
        "faults: [{operation: Gte, effect: garbage}]",
    ] {
        assert!(serde_saphyr::from_str::<Scenario>(bad).is_err(), "{bad}");
    }
}
