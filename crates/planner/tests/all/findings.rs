//! What is said before a run, topology by topology and finding by finding.

use crate::support::*;
use orchestrate_model::change::{AtDeadline, Scope, StartTypePolicy};
use orchestrate_model::pool::{Balancer, DatabaseWork, SipBalancing};
use orchestrate_model::window::{Day, Recurrence, Window};
use orchestrate_model::{
    Answer, Change, DnsName, Feature, Product, Role, RunState, ServiceStatus, StartMode, StartType,
};
use orchestrate_planner::{CODES, ControlHost, Observations, Severity};
use std::collections::BTreeSet;

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

fn status<'a>(seen: &'a mut Observations, server: &str, name: &str) -> &'a mut ServiceStatus {
    let pool = seen.pools.values_mut().next().unwrap();
    let Answer::Known(services) = &mut pool.servers.get_mut(&server_name(server)).unwrap().services else {
        panic!("known")
    };
    services.get_mut(&service(name)).unwrap()
}

#[test]
fn a_healthy_pool_has_nothing_to_refuse() {
    let change = three();
    let (plan, _) = planned(&change, &healthy_world(&change));
    // Without a window nobody says that it is done before one in the morning.
    assert_eq!(plan.findings().iter().map(|found| found.code.as_str()).collect::<Vec<_>>(), ["O2027"]);
}

#[test]
fn a_plan_without_the_network_says_that_it_assumes() {
    let change = three();
    let (plan, report) = planned(&change, &Observations::default());
    assert_eq!(codes(&plan, Severity::Warning), ["O2019", "O2027"]);
    assert_eq!(plan.refusals().count(), 0);
    assert!(report.safety.is_empty());
}

#[test]
fn p2_t2_a_pool_behind_a_balancer_is_refused_until_each_loss_is_accepted() {
    let mut change = three();
    change.pools[0].load_balancing = orchestrate_model::pool::LoadBalancing {
        sip: SipBalancing::Hardware,
        web: None,
        balancer: Balancer::Operator,
        external: std::collections::BTreeMap::new(),
        entry: Vec::new(),
    };
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Refusal), ["O2007"]);
    let message = &finding(&plan, "O2007").message;
    for feature in Feature::ALL {
        assert!(message.contains(feature.title()) && message.contains(feature.loss()), "{message}");
    }
    assert!(kinds(&plan, "fe1").contains(&orchestrate_planner::StepKind::BalancerOut));
    let by_hand = &finding(&plan, "O2035").advice;
    assert!(!by_hand.contains("balancer: none"), "sip: hardware says that there is a balancer: {by_hand}");
    change.maintenance.accept_loss = Feature::ALL.to_vec();
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert_eq!(codes(&plan, Severity::Note), ["O2008"]);
    let asks: Vec<&str> = plan.for_the_operator().map(|finding| finding.code.as_str()).collect();
    assert_eq!(asks, ["O2035"], "somebody has to be there to take servers out of the balancer");
}

#[test]
fn p2_t3_partial_records_name_the_record_the_features_and_the_consequence() {
    let change = change(vec![pool("pool03", "fe", "192.0.2", 4)]);
    let mut seen = healthy_world(&change);
    set_records(seen.pools.values_mut().next().unwrap(), |records| {
        records.addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.29"].map(|a| a.parse().unwrap()).to_vec();
    });
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2001", "O2002"]);
    let missing = finding(&plan, "O2001");
    assert_eq!(missing.server, Some(server_name("fe4")));
    for part in ["pool03.contoso.example does not list fe4.contoso.example", "Call Park", "calls to be parked"] {
        assert!(missing.message.contains(part), "{}", missing.message);
    }
}

#[test]
fn p2_records_behind_an_accepted_loss_are_a_warning() {
    let mut change = three();
    change.maintenance.accept_loss = Feature::ALL.to_vec();
    let mut seen = healthy_world(&change);
    set_records(seen.pools.values_mut().next().unwrap(), |records| {
        records.addresses = vec!["192.0.2.10".parse().unwrap()];
    });
    let listed = ["RTCCAA", "RTCCAS", "RTCRGS", "RTCCPS"].map(service).to_vec();
    change.maintenance.scope = Scope::Services(listed.clone());
    change.maintenance.installers = Vec::new();
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(codes(&plan, Severity::Warning).contains(&"O2005"));
    // The features are all that was accepted: with the users of the whole pool it is another matter.
    change.maintenance.scope = Scope::Services([vec![service("RTCSRV")], listed].concat());
    let (plan, report) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2005"]);
    assert!(report.safety.iter().all(|server| server.verdict().word() == "no"));
}

#[test]
fn t4_two_servers_are_a_warning_and_from_2019_on_a_refusal() {
    let mut change = change(vec![pool("pool04", "fe", "192.0.2", 2)]);
    change.pools[0].product = Product::Sfb2015;
    change.pools[0].database =
        Some(DatabaseWork { primary: DnsName::new("sql1.contoso.example").unwrap(), instructions: "update".into() });
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(codes(&plan, Severity::Warning).contains(&"O2025"));
    assert!(codes(&plan, Severity::Note).contains(&"O2026"));
    change.pools[0].product = Product::Sfb2019;
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(codes(&plan, Severity::Refusal), ["O2025"]);
}

#[test]
fn t5_standard_edition_servers_have_nowhere_to_send_their_users() {
    let standard = |name, prefix, net, partner| {
        let mut pool = pool(name, prefix, net, 1);
        (pool.role, pool.paired_with) = (Role::StandardEdition, Some(pool_name(partner)));
        pool
    };
    let mut edge = pool("edge", "ed", "203.0.113", 2);
    (edge.role, edge.next_hop, edge.load_balancing.web) = (Role::Edge, Some(pool_name("se1")), None);
    let mut change =
        change(vec![standard("se1", "a", "192.0.2", "se2"), standard("se2", "b", "198.51.100", "se1"), edge]);
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(codes(&plan, Severity::Refusal), ["O2022", "O2030", "O2039", "O2044"]);
    assert_eq!(plan.refusals().filter(|finding| finding.code == "O2039").count(), 1);
    // With its outage accepted the Edge pool still loses its way in, until the plan says that its next hop is another.
    let mut hop = change.clone();
    hop.pools.remove(1);
    hop.pools[0].accept_outage = Some("announced".to_owned());
    for name in ["RTCDATAPROXY", "RTCMEDIARELAY"] {
        hop.maintenance.unmeasured.insert(service(name), minutes(30));
    }
    assert_eq!(codes(&planned(&hop, &healthy_world(&hop)).0, Severity::Refusal), ["O2044"]);
    hop.pools[1].next_hop = Some(pool_name("se2"));
    assert_eq!(planned(&hop, &healthy_world(&hop)).0.refusals().count(), 0);
    assert!(finding(&plan, "O2030").advice.contains("se2"), "{}", finding(&plan, "O2030").advice);
    change.pools.truncate(1);
    change.maintenance.accept_loss = Feature::ALL.to_vec();
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Refusal), ["O2030"], "five features are not all that a server does");
    change.maintenance.accept_loss.clear();
    change.pools[0].accept_outage = Some("announced for Sunday".to_owned());
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(finding(&plan, "O2030").message.contains("announced for Sunday"));
}

#[test]
fn the_only_server_of_a_pool_may_lose_one_feature_that_is_accepted_by_name() {
    let mut pool = pool("se1", "a", "192.0.2", 1);
    pool.role = Role::StandardEdition;
    let mut change = change(vec![pool]);
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    change.maintenance.accept_loss = vec![Feature::ResponseGroup];
    let refused = |change: &Change| {
        let (plan, _) = planned(change, &healthy_world(change));
        codes(&plan, Severity::Refusal).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(refused(&change).contains(&"O2030".to_owned()), "announcements are lost with it, and nobody accepts that");
    change.maintenance.accept_loss.push(Feature::Announcement);
    assert_eq!(refused(&change), Vec::<String>::new());
    // What no feature stands for is all that there is of its kind.
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS"), service("RTCAVMCU")]);
    assert_eq!(refused(&change), ["O2030"]);
}

#[test]
fn p1_t7_servers_that_are_down_refuse_the_run_and_the_limit_is_flagged() {
    let mut change = change(vec![pool("pool07", "f", "192.0.2", 9)]);
    for server in &mut change.pools[0].servers {
        server.upgrade_domain = None;
    }
    let mut seen = healthy_world(&change);
    for name in ["f1", "f2"] {
        stop(seen.pools.values_mut().next().unwrap(), &server_name(name));
    }
    let (plan, _) = planned(&change, &seen);
    assert!(codes(&plan, Severity::Refusal).contains(&"O2012"), "{:#?}", plan.findings());
    assert!(!codes(&plan, Severity::Refusal).contains(&"O2013"));
    assert!(
        finding(&plan, "O2014").message.contains("4 of the first 7 would run, 4 needed, f1 and f2 are already down")
    );
    stop(seen.pools.values_mut().next().unwrap(), &server_name("f3"));
    let (plan, _) = planned(&change, &seen);
    assert!(
        finding(&plan, "O2013").message.starts_with("f4 may not go: 4 of the first 7 run, 4 needed, f1, f2 and f3")
    );
}

#[test]
fn t9_edge_pools_are_measured_by_time_and_lose_what_has_no_fail_over() {
    let mut edge = pool("edge", "ed", "192.0.2", 2);
    (edge.role, edge.load_balancing.web) = (Role::Edge, None);
    let mut change = change(vec![edge]);
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Refusal), ["O2022"]);
    assert!(finding(&plan, "O2022").message.contains("RTCDATAPROXY and RTCMEDIARELAY"));
    for name in ["RTCDATAPROXY", "RTCMEDIARELAY"] {
        change.maintenance.unmeasured.insert(service(name), minutes(60));
    }
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert_eq!(codes(&plan, Severity::Warning), ["O2046", "O2048"]);
    assert!(finding(&plan, "O2048").message.contains("1h, because nothing counts its sessions"));
    // A count that can be read still counts.
    change.pools[0].measures.insert(service("RTCDATAPROXY"), vec!["Sessions".to_owned()]);
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert!(finding(&plan, "O2048").message.contains("where a server says that it has no counter"));
    assert_eq!(codes(&plan, Severity::Note), ["O2017", "O2056"]);
}

#[test]
fn p5_what_an_earlier_maintenance_left_behind_is_not_taken_for_usual() {
    let change = three();
    let manual = Answer::Known(StartType { mode: StartMode::Manual, delayed: false });
    for state in [RunState::Running, RunState::Stopped] {
        let mut seen = healthy_world(&change);
        let found = status(&mut seen, "fe2", "RTCCPS");
        (found.start, found.state) = (manual.clone(), Answer::Known(state));
        let (plan, _) = planned(&change, &seen);
        assert!(plan.for_the_operator().any(|finding| finding.code == "O2023"), "{state}");
    }
    let mut seen = healthy_world(&change);
    status(&mut seen, "fe2", "RTCCPS").state = Answer::Known(RunState::Paused);
    let (plan, _) = planned(&change, &seen);
    assert!(finding(&plan, "O2023").message.contains("fe2.contoso.example: RTCCPS is paused already"));
    assert!(codes(&plan, Severity::Refusal).contains(&"O2012"), "a paused server is out, whatever is said about it");
}

#[test]
fn p3_a_silent_server_refuses_the_run() {
    let change = three();
    let mut seen = healthy_world(&change);
    silence(seen.pools.values_mut().next().unwrap(), &server_name("fe2"));
    let (plan, _) = planned(&change, &seen);
    assert!(codes(&plan, Severity::Refusal).contains(&"O2018"));
    assert!(finding(&plan, "O2018").message.contains("no answer within 10 s"));
}

#[test]
fn what_follows_from_the_silence_of_a_server_is_no_finding_of_its_own() {
    let change = three();
    let mut seen = healthy_world(&change);
    silence(seen.pools.values_mut().next().unwrap(), &server_name("fe2"));
    let (plan, _) = planned(&change, &seen);
    let refusals = codes(&plan, Severity::Refusal);
    let folded = ["O2012", "O2013", "O2015", "O2049", "O2081"];
    assert!(folded.iter().all(|code| !refusals.contains(code)), "{refusals:?}");
    let cause = &finding(&plan, "O2018").message;
    assert!(folded.iter().all(|code| cause.contains(code)), "{cause}");

    // What does not follow from it stays: a file that another server lacks, and one that is out for another reason.
    let pool = seen.pools.values_mut().next().unwrap();
    pool.servers.get_mut(&server_name("fe1")).unwrap().file =
        Answer::Known(orchestrate_model::observe::FileFacts::Missing);
    stop(pool, &server_name("fe3"));
    let (plan, _) = planned(&change, &seen);
    assert!(finding(&plan, "O2049").message.contains("fe1"), "{}", finding(&plan, "O2049").message);
    let refusals = codes(&plan, Severity::Refusal);
    assert!(["O2012", "O2013"].iter().all(|code| refusals.contains(code)), "{refusals:?}");
}

#[test]
fn a_service_that_cannot_be_paused_counted_or_found_is_named() {
    let change = three();
    let mut seen = healthy_world(&change);
    status(&mut seen, "fe1", "RTCATS").accepts_pause = false;
    status(&mut seen, "fe1", "RTCCPS").state = Answer::Known(RunState::StartPending);
    let first = seen.pools.values_mut().next().unwrap().servers.get_mut(&server_name("fe1")).unwrap();
    first.sessions.remove(&service("RTCIMMCU"));
    let Answer::Known(services) = &mut first.services else { panic!("known") };
    services.remove(&service("RTCRGS"));
    let (plan, _) = planned(&change, &seen);
    let messages: Vec<&str> = plan
        .findings()
        .iter()
        .filter(|f| ["O2020", "O2021", "O2022"].contains(&f.code.as_str()))
        .map(|f| f.message.as_str())
        .collect();
    let text = messages.join("\n");
    for part in [
        "RTCATS on fe1.contoso.example runs and does not",
        "RTCCPS on fe1.contoso.example is start pending",
        "RTCIMMCU on fe1",
        "does not have RTCRGS",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_machine_that_controls_the_run_is_no_server_of_it() {
    let change = three();
    let names = |text: &str| ControlHost { names: BTreeSet::from([text.to_owned()]), ..ControlHost::default() };
    let address =
        |text: &str| ControlHost { addresses: BTreeSet::from([text.parse().unwrap()]), ..ControlHost::default() };
    for (host, refused) in [
        (names("FE2"), true),
        (names("fe2.contoso.example."), true),
        (names("fe2.fabrikam.example"), false),
        (address("192.0.2.3"), true),
        (address("127.0.0.1"), false),
    ] {
        let seen = Observations { control_host: host.clone(), ..healthy_world(&change) };
        let (plan, _) = planned(&change, &seen);
        assert_eq!(codes(&plan, Severity::Refusal).contains(&"O2029"), refused, "{host:?}");
    }
}

#[test]
fn risks_that_the_plan_file_states_are_repeated_in_words() {
    let mut change = three();
    change.maintenance.start_type = StartTypePolicy::Keep;
    change.maintenance.drain.at_deadline = AtDeadline::Cut;
    change.pools[0].archiving = Some(true);
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Warning), ["O2024", "O2027", "O2028", "O2036"]);
    assert!(finding(&plan, "O2036").message.contains("2h after the block"), "{}", finding(&plan, "O2036").message);
}

#[test]
fn replicas_that_are_behind_stop_the_run() {
    let mut change = three();
    change.pools[0].servers[0].hosts.insert(orchestrate_model::pool::Hosted::CentralManagement);
    let mut seen = healthy_world(&change);
    let server = seen.pools.values_mut().next().unwrap().servers.get_mut(&server_name("fe1")).unwrap();
    let Answer::Known(replicas) = &mut server.replication else { panic!("known") };
    replicas.insert(server_name("fe3"), false);
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2034"]);
}

#[test]
fn p3_a_replica_that_nobody_names_is_not_up_to_date() {
    let mut change = three();
    change.pools[0].servers[0].hosts.insert(orchestrate_model::pool::Hosted::CentralManagement);
    for unnamed in [&["fe3"][..], &["fe1", "fe2", "fe3"]] {
        let mut seen = healthy_world(&change);
        for server in seen.pools.values_mut().next().unwrap().servers.values_mut() {
            let Answer::Known(replicas) = &mut server.replication else { panic!("known") };
            replicas.retain(|replica, _| !unnamed.contains(&replica.short()));
        }
        let (plan, _) = planned(&change, &seen);
        assert_eq!(codes(&plan, Severity::Refusal), ["O2034"], "{unnamed:?}");
        let text = &finding(&plan, "O2034").message;
        assert!(text.contains("no answer names the replica of fe"), "{text}");
    }
}

#[test]
fn the_night_work_is_named_whole_with_a_window_and_without() {
    let mut change = three();
    let seen = healthy_world(&change);
    let said = |change: &Change| {
        let (plan, _) = planned(change, &seen);
        plan.findings().iter().find(|found| found.code == "O2027").map(|found| found.message.clone())
    };
    // From 21:00 on, a day.
    let text = said(&change).unwrap();
    assert!(text.contains("database maintenance at 01:00 and the address book at 01:30"), "{text}");
    assert!(text.contains("from 2026-11-28 21:00Z on, which takes up to 23h 30m (by UTC"), "{text}");
    change.windows = nights(6);
    let text = said(&change).unwrap();
    assert!(text.contains("the window that opens at 22:00 (Europe/Paris)") && text.contains("01:00 and the"), "{text}");
    change.windows[0].start = "01:15".parse().unwrap();
    let text = said(&change).unwrap();
    assert!(text.contains("the address book at 01:30") && !text.contains("01:00"), "{text}");
    change.windows[0].start = "02:00".parse().unwrap();
    assert_eq!(said(&change), None);
    // A change to one service that is over before.
    change.windows = Vec::new();
    change.pools[0].servers.truncate(1);
    change.maintenance.drain.deadline = minutes(30);
    change.maintenance.installers = Vec::new();
    assert_eq!(said(&change), None);
}

fn nights(hours: i64) -> Vec<Window> {
    let every = Recurrence::Weekly(vec![Day::Saturday]);
    let duration = jiff::SignedDuration::from_hours(hours);
    vec![Window { every, start: "22:00".parse().unwrap(), duration, timezone: "Europe/Paris".into() }]
}

#[test]
fn p9_a_server_that_fits_no_window_is_refused_and_several_nights_are_announced() {
    let mut change = three();
    change.windows = nights(8);
    let (plan, report) = planned(&change, &healthy_world(&change));
    // 5 min to be recorded, 10 to be blocked, 2 h drain, 20 min to stop, 45, 5 and 20 for the patch, an hour and a quarter for
    // the restart, 10 to say what is installed, 5 min for the small steps, 75 to start, an hour to be proven back, 20 min soak.
    assert_eq!(report.forecast.one_server, minutes(5 + 10 + 120 + 20 + 70 + 75 + 10 + 5 + 75 + 60 + 20));
    assert_eq!((report.forecast.openings, report.forecast.batches_per_opening), (Some(3), Some(1)));
    assert_eq!(codes(&plan, Severity::Warning), ["O2027", "O2038"]);
    change.windows = nights(7);
    let (plan, report) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Refusal), ["O2037"]);
    assert_eq!(report.forecast.openings, None);
}

#[test]
fn p9_what_has_to_fit_into_a_window_is_the_worst_case_unless_the_plan_says_what_is_likely() {
    use orchestrate_model::change::WindowFit;
    use orchestrate_planner::limits::{self, RESERVE, Since};
    let mut change = three();
    change.windows = nights(5);
    let (plan, report) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Refusal), ["O2037"]);
    assert_eq!(report.forecast.room, report.forecast.one_server);
    let worst = report.forecast.length;

    change.maintenance.fit = WindowFit::Likely;
    let (plan, report) = planned(&change, &healthy_world(&change));
    assert!(codes(&plan, Severity::Refusal).is_empty());
    assert!(codes(&plan, Severity::Warning).contains(&"O2105"), "that a window may be overrun is said");
    let forecast = &report.forecast;
    // 1 min to be recorded, 2 to be blocked, 2 h drain, 5 min to stop, 45 for the patch, 20 for the restart, 2 to verify, 20 to
    // start, 15 to be proven back, 20 min soak.
    assert_eq!(forecast.one_likely, minutes(1 + 2 + 120 + 5 + 45 + 20 + 2 + 20 + 15 + 20));
    assert_eq!(forecast.room, forecast.one_likely + RESERVE);
    assert_eq!((forecast.length, forecast.likely), (worst, forecast.one_likely * 3), "both are stated");
    assert_eq!((forecast.openings, forecast.batches_per_opening), (Some(3), Some(1)));

    let block = [service("RTCSRV")];
    let of = |since| limits::room(&change, &block, since);
    let parts = limits::parts(&change, &block).into_iter().map(|(_, length)| length);
    assert_eq!(
        parts.fold(minutes(0), |sum, more| sum + more) + RESERVE,
        forecast.room,
        "what is drawn is what has to fit"
    );
    assert_eq!(of(Since::Begin) - of(Since::FirstChange), minutes(1));
    let left = |kind, spent| limits::room_left(&change, kind, minutes(spent));
    assert_eq!(left(orchestrate_planner::StepKind::Drain, 50), minutes(5 + 45 + 20 + 2 + 20 + 15 + 20));
    assert_eq!(left(orchestrate_planner::StepKind::Restart, 500), minutes(2 + 20 + 15 + 20));
}

#[test]
fn p9_what_is_left_of_a_server_falls_with_its_steps_and_with_the_time_in_them() {
    use orchestrate_planner::{StepKind, limits};
    let change = three();
    let left = |kind, spent| limits::left(&change, kind, minutes(spent));
    let after_drain = minutes(20 + 70 + 75 + 10 + 5 + 75 + 60 + 20);
    for before in [StepKind::Guard, StepKind::Block, StepKind::Drain] {
        assert_eq!(left(before, 0), after_drain, "a drain can be given up at any time");
        assert_eq!(left(before, 90), after_drain, "{before}: its own time is no part of what is left");
    }
    assert_eq!(left(StepKind::Stop, 15), after_drain - minutes(15));
    assert_eq!(left(StepKind::Stop, 600), after_drain - minutes(20), "no step has more than its limit behind it");
    assert_eq!(left(StepKind::Stop, -5), after_drain, "a clock that went back takes nothing off");
    assert_eq!(left(StepKind::Soak, 12), minutes(8));
    assert_eq!(left(StepKind::Database, 0), minutes(0));
}

#[test]
fn an_installer_may_restart_a_server_and_a_change_without_one_does_not() {
    use orchestrate_planner::limits;
    let mut change = three();
    change.maintenance.restart = orchestrate_model::change::RestartPolicy::Never;
    let block = [service("RTCSRV")];
    let with = limits::worst_case(&change, &block);
    change.maintenance.installers = Vec::new();
    assert_eq!(with - limits::worst_case(&change, &block), minutes(20 + 70 + 75));
}

#[test]
fn a_restart_before_the_installer_is_in_the_worst_case_and_not_against_the_plan() {
    use orchestrate_model::change::{PendingRestart, RestartPolicy};
    use orchestrate_planner::limits;
    let (mut change, block) = (three(), [service("RTCSRV")]);
    let without = limits::worst_case(&change, &block);
    change.maintenance.installers[0].pending_restart = PendingRestart::RestartFirst;
    assert_eq!(limits::worst_case(&change, &block) - without, minutes(75));
    let refused = |change: &orchestrate_model::Change| {
        let (plan, _) = planned(change, &healthy_world(change));
        codes(&plan, Severity::Refusal).contains(&"O2104")
    };
    assert!(!refused(&change));
    change.maintenance.restart = RestartPolicy::Always;
    assert!(!refused(&change));
    change.maintenance.restart = RestartPolicy::Never;
    assert!(refused(&change));
    change.maintenance.restart = RestartPolicy::WhenNeeded;
    change.maintenance.scope = Scope::Services([service("RTCRGS")].into());
    assert!(refused(&change));
    change.maintenance.installers[0].pending_restart = PendingRestart::Refuse;
    assert!(!refused(&change));
}

#[test]
fn a_restart_that_a_server_at_the_level_still_needs_is_not_forgotten() {
    use orchestrate_model::version::ComponentVersion;
    use orchestrate_model::{Answer, Version, probe::PendingSign};
    let change = three();
    let level = Version::parse("5.0.8308.1149").unwrap();
    let owed = |due: bool| {
        let mut world = healthy_world(&change);
        let servers = &mut world.pools.values_mut().next().unwrap().servers;
        let first = servers.values_mut().next().unwrap();
        first.versions = Answer::Known(vec![ComponentVersion { component: "Core".into(), version: level.clone() }]);
        let mut fitness = super::support::fit();
        if due {
            fitness.pending.insert(PendingSign::Servicing, Answer::Known(Some("RebootPending".into())));
        }
        first.fitness = Answer::Known(fitness);
        let (plan, _) = planned(&change, &world);
        assert!(plan.work().iter().any(|work| work.skip.is_some()));
        codes(&plan, Severity::Warning).contains(&"O2106")
    };
    assert!(owed(true));
    assert!(!owed(false));
}

#[test]
fn a_restart_that_an_earlier_run_has_left_is_told_until_the_server_was_booted() {
    use orchestrate_model::Version;
    use orchestrate_model::version::ComponentVersion;
    use orchestrate_planner::Owed;
    let change = three();
    let level = Version::parse("5.0.8308.1149").unwrap();
    let told = |up: jiff::SignedDuration, ended: jiff::SignedDuration| {
        let mut world = healthy_world(&change);
        let first = world.pools.values_mut().next().unwrap().servers.values_mut().next().unwrap();
        first.versions = Answer::Known(vec![ComponentVersion { component: "Core".into(), version: level.clone() }]);
        let Answer::Known(host) = &mut first.host else { panic!("{:?}", first.host) };
        // Its clock is wrong by an hour, which changes nothing.
        host.local_time = now() + minutes(60);
        host.booted = host.local_time - up;
        let owed = Owed { run: "r1".to_owned(), code: 3010, ended: now() - ended };
        world.owed.insert(first.server.clone(), owed);
        let (plan, _) = planned(&change, &world);
        plan.findings().iter().find(|finding| finding.code == "O2106").map(|found| found.message.clone())
    };
    let text = told(minutes(600), minutes(60)).unwrap();
    assert!(text.contains("run r1 ended with 3010") && text.contains("it is up since"), "{text}");
    assert_eq!(told(minutes(30), minutes(60)), None, "booted after the installer");
}

#[test]
fn one_cause_of_every_script_is_one_refusal_with_what_follows_from_it() {
    use orchestrate_model::observe::{Obstacle, ObstacleKind};
    let change = three();
    let told = "Create shell: refused: QuotaLimit: too many shells";
    let seen = |kind: Option<ObstacleKind>| {
        let mut world = healthy_world(&change);
        for server in world.pools.values_mut().flat_map(|pool| pool.servers.values_mut()) {
            let why = format!("{}: {told}", server.server);
            server.readiness = Answer::unknown(&why);
            server.lease = Answer::unknown(&why);
            server.fitness = Answer::unknown(&why);
            server.file = Answer::unknown(&why);
            for measure in server.sessions.values_mut().flat_map(|reading| &mut reading.measures) {
                measure.value = Answer::unknown(&why);
            }
            server.obstacles = kind.map(|kind| Obstacle { kind, told: vec![told.to_owned()] }).into_iter().collect();
        }
        world
    };
    let (apart, _) = planned(&change, &seen(None));
    assert!(apart.refusals().count() > 10, "without the common cause each question speaks for itself");
    let (plan, report) = planned(&change, &seen(Some(ObstacleKind::Quota)));
    let refusals: Vec<&orchestrate_planner::Finding> = plan.refusals().collect();
    let [only] = refusals.as_slice() else { panic!("{refusals:#?}") };
    assert_eq!(only.code, "O2107");
    for word in ["fe1, fe2 and fe3", told, "O2016", "O2022", "O2049", "O2081"] {
        assert!(only.message.contains(word), "{word}: {}", only.message);
    }
    assert!(only.advice.contains("MaxShellsPerUser"), "{}", only.advice);
    let open = report.safety.iter().flat_map(|safety| &safety.asked).filter(|asked| !asked.verdict.is_yes());
    for asked in open {
        assert!(!asked.verdict.text().contains("QuotaLimit"), "{asked:?}");
        assert_eq!(asked.advice, "Mend O2107 first.", "{asked:?}");
    }
    let mut world = seen(Some(ObstacleKind::Quota)).pools;
    orchestrate_planner::tell_once(&mut world);
    let text = serde_json::to_string(&world.values().map(|pool| &pool.servers).collect::<Vec<_>>()).unwrap();
    assert_eq!(text.matches("QuotaLimit").count(), 3, "once for each server, as the obstacle itself: {text}");
    let (plan, _) = planned(&change, &seen(Some(ObstacleKind::SecondMachine)));
    assert_eq!(plan.refusals().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["O2108"]);
}

#[test]
fn p3_a_server_whose_versions_are_not_known_is_not_one_to_patch() {
    let change = three();
    let mut world = healthy_world(&change);
    let first = world.pools.values_mut().next().unwrap().servers.values_mut().next().unwrap();
    first.versions = Answer::unknown("script versions: access is denied");
    let (plan, _) = planned(&change, &world);
    let found = finding(&plan, "O2109");
    assert_eq!(found.severity, Severity::Refusal);
    assert!(found.message.contains("fe1") && found.message.contains("access is denied"), "{}", found.message);
    assert_eq!(planned(&change, &healthy_world(&change)).0.refusals().count(), 0);
}

#[test]
fn t8_sixteen_servers_need_a_night_each_at_worst() {
    let mut pool = pool("pool08", "fe", "192.0.2", 16);
    pool.product = Product::Sfb2019;
    let mut change = change(vec![pool]);
    change.windows = nights(8);
    change.maintenance.drain.deadline = minutes(30);
    change.maintenance.installers[0].deadline = minutes(30);
    let (_, report) = planned(&change, &healthy_world(&change));
    assert_eq!(report.forecast.one_server, minutes(365));
    assert_eq!((report.forecast.openings, report.forecast.batches_per_opening), (Some(16), Some(1)));
    assert_eq!(report.forecast.ratio(), 1.0);
}

#[test]
fn an_upgrade_domain_that_the_pool_knows_otherwise_is_refused() {
    let change = three();
    let mut seen = healthy_world(&change);
    for server in seen.pools.values_mut().next().unwrap().servers.values_mut() {
        let Answer::Known(readiness) = &mut server.readiness else { panic!("known") };
        readiness.domains[0].servers.push(server_name("fe3"));
        readiness.domains[2].servers.clear();
    }
    let (plan, _) = planned(&change, &seen);
    assert!(codes(&plan, Severity::Refusal).contains(&"O2015"), "{:#?}", plan.findings());
}

#[test]
fn codes_are_in_order_and_unique() {
    let codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(codes.iter().all(|code| code.len() == 5 && code.starts_with("O2")));
}

#[test]
fn a_busy_pool_is_waited_for_and_one_without_enough_front_ends_is_refused() {
    use orchestrate_model::observe::ReadinessState;
    let change = three();
    for (state, refused) in [
        (ReadinessState::Busy, false),
        (ReadinessState::InsufficientActiveFrontEnds, true),
        (ReadinessState::Other("Degraded".to_owned()), true),
    ] {
        let mut seen = healthy_world(&change);
        for server in seen.pools.values_mut().flat_map(|pool| pool.servers.values_mut()) {
            if let Answer::Known(readiness) = &mut server.readiness {
                readiness.state = state.clone();
            }
        }
        let (plan, _) = planned(&change, &seen);
        let severity = if refused { Severity::Refusal } else { Severity::Warning };
        assert!(codes(&plan, severity).contains(&"O2016"), "{state:?}: {:#?}", plan.findings());
        assert_eq!(plan.refusals().count() > 0, refused, "{state:?}");
    }
}

#[test]
fn what_the_drain_says_of_services_that_nobody_blocks_is_refused_with_the_names_there_are() {
    let mut change = three();
    let other = orchestrate_model::change::ServiceDrain { deadline: minutes(240), at_deadline: AtDeadline::Hold };
    change.maintenance.drain.per_service.insert(service("RTCMEDSRV"), other);
    let (plan, _) = planned(&change, &healthy_world(&change));
    let found = finding(&plan, "O2084");
    assert!(found.message.contains("services names RTCMEDSRV") && found.advice.contains("RTCSRV"), "{found:?}");
    let (unasked, _) = planned(&change, &Observations::default());
    assert!(unasked.findings().iter().all(|finding| finding.code != "O2084"), "who was not asked may have it");
}
