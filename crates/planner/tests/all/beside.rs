//! Services that the plan does not name: those that run all the same, and those that depend on what is blocked.

use crate::support::*;
use orchestrate_model::change::Scope;
use orchestrate_model::observe::Part;
use orchestrate_model::pool::{Balancer, Hosted, SipBalancing};
use orchestrate_model::{Answer, Change, Feature, PoolObservation, Product, Role, RunState, ServiceStatus, StartType};
use orchestrate_planner::safety::{Case, Covered, Question, assess};
use orchestrate_planner::scope::evidence;
use orchestrate_planner::{Observations, Severity, StepKind};
use std::collections::BTreeSet;

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

fn only(seen: &mut Observations) -> &mut PoolObservation {
    seen.pools.values_mut().next().unwrap()
}

/// Installs a service on servers that did not have it.
fn install(seen: &mut PoolObservation, servers: &[&str], name: &str, state: Answer<RunState>) {
    for server in servers {
        let Answer::Known(services) = &mut seen.servers.get_mut(&server_name(server)).unwrap().services else {
            panic!("known")
        };
        let status = ServiceStatus {
            name: service(name),
            display_name: name.into(),
            state: state.clone(),
            start: Answer::Known(StartType::DELAYED),
            accepts_pause: true,
            dependents: Answer::Known(Vec::new()),
        };
        services.insert(service(name), status);
    }
}

fn depends(seen: &mut PoolObservation, dependent: &str, on: &str) {
    for server in seen.servers.values_mut() {
        let Answer::Known(services) = &mut server.services else { panic!("known") };
        services.get_mut(&service(on)).unwrap().dependents = Answer::Known(vec![service(dependent)]);
    }
}

fn guard(change: &Change, seen: &Observations, server: &str) -> Vec<(Question, &'static str)> {
    let (pool, nobody) = (&change.pools[0], BTreeSet::new());
    let server = &server_name(server);
    let asked = assess(&Case { change, pool, server, seen: &seen.pools[&pool.name], ours_out: &nobody, now: now() });
    asked.iter().map(|asked| (asked.question, asked.verdict.word())).collect()
}

#[test]
fn p4_every_service_that_the_role_may_run_is_asked_about_while_planning_and_in_each_guard() {
    let mut change = three();
    let optional = ["RTCMEDSRV", "RTCXMPPTGW", "RTCACPMCU", "MASTER", "FTA"].map(service);
    let server = change.pools[0].servers[0].name.clone();
    for server in [None, Some(&server)] {
        let evidence = evidence(&change, &change.pools[0], server);
        for ask in evidence.servers.values() {
            assert!(optional.iter().all(|name| ask.services.contains(name)), "{ask:?}");
            assert!(!ask.services.contains(&service("RTCDATAPROXY")), "no front end runs it");
            assert!(!ask.services.contains(&service("FabricHostSvc")), "it is never touched");
            assert!(ask.wants(Part::Host));
        }
    }
    change.pools[0].role = Role::Edge;
    let asked = evidence(&change, &change.pools[0], None);
    assert!(asked.servers.values().all(|ask| !ask.services.contains(&service("RTCMEDSRV"))));
}

#[test]
fn p4_p5_a_service_with_sessions_that_the_plan_does_not_know_is_refused() {
    let mut change = three();
    let mut seen = healthy_world(&change);
    install(only(&mut seen), &["fe1", "fe3"], "RTCMEDSRV", Answer::Known(RunState::Running));
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2050"]);
    let found = finding(&plan, "O2050");
    assert!(found.message.starts_with("RTCMEDSRV is running on fe1 and fe3 and not in the plan"), "{found:?}");
    assert!(found.message.contains("PSTN calls in progress") && found.advice.contains("services: [RTCMEDSRV]"));
    assert!(guard(&change, &seen, "fe1").contains(&(Question::Blockable, "no")));
    assert!(guard(&change, &seen, "fe2").contains(&(Question::Blockable, "yes")));
    // Named in the plan it is a service like the others; a plan for chosen services leaves it alone.
    change.pools[0].extra_services = vec![service("RTCMEDSRV")];
    let mut known = healthy_world(&change);
    assert_eq!(planned(&change, &known).0.refusals().count(), 0);
    install(only(&mut known), &["fe1"], "RTCXMPPTGW", Answer::Known(RunState::Stopped));
    assert_eq!(planned(&change, &known).0.refusals().count(), 0, "stopped is harmless");
    change.pools[0].extra_services = Vec::new();
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    change.maintenance.installers = Vec::new();
    assert_eq!(planned(&change, &seen).0.refusals().count(), 0);
}

/// Gives a service that is installed a display name.
fn display(seen: &mut PoolObservation, name: &str, display: &str) {
    for server in seen.servers.values_mut() {
        let Answer::Known(services) = &mut server.services else { panic!("known") };
        if let Some(status) = services.get_mut(&service(name)) {
            status.display_name = display.into();
        }
    }
}

#[test]
fn p4_a_service_of_the_product_whose_windows_name_nobody_knows_is_refused_until_it_is_named() {
    let mut change = three();
    let asked = evidence(&change, &change.pools[0], None);
    assert!(asked.servers.values().all(|ask| ask.wants(Part::ProductServices)));
    let guarded = change.pools[0].servers[0].name.clone();
    let asked = evidence(&change, &change.pools[0], Some(&guarded));
    assert!(asked.servers.iter().all(|(server, ask)| ask.wants(Part::ProductServices) == (*server == guarded)));
    let mut seen = healthy_world(&change);
    install(only(&mut seen), &["fe1", "fe2"], "ODDPROXY", Answer::Known(RunState::Running));
    display(only(&mut seen), "ODDPROXY", "Lync Server XMPP Proxy");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2050"]);
    let found = finding(&plan, "O2050");
    let says = "ODDPROXY (Lync Server XMPP Proxy) is running on fe1 and fe2 and not in the plan";
    assert!(found.message.starts_with(says) && found.message.ends_with("XMPP streams"), "{found:?}");
    assert!(found.advice.contains("{services: [ODDPROXY]}}, and say what counts"), "{found:?}");
    assert!(found.advice.contains("maintenance: {drain: {unmeasured: {ODDPROXY: 30m}}}"), "{found:?}");
    assert!(guard(&change, &seen, "fe1").contains(&(Question::Blockable, "no")));
    assert!(guard(&change, &seen, "fe3").contains(&(Question::Blockable, "yes")));
    // Stopped it is harmless, and so is one that has no sessions, or that is no part of the product.
    for (state, shown) in [
        (RunState::Stopped, "Lync Server XMPP Proxy"),
        (RunState::Running, "Skype for Business Server Emergency Mitigation Service"),
        (RunState::Running, "Vendor Connector"),
    ] {
        let mut seen = healthy_world(&change);
        install(only(&mut seen), &["fe1"], "ODDPROXY", Answer::Known(state));
        display(only(&mut seen), "ODDPROXY", shown);
        assert_eq!(planned(&change, &seen).0.refusals().count(), 0, "{shown}");
    }
    // Named in the plan it is a service like the others.
    let mut named = change.clone();
    named.pools[0].extra_services = vec![service("ODDPROXY")];
    named.maintenance.unmeasured.insert(service("ODDPROXY"), jiff::SignedDuration::from_mins(30));
    let plan = planned(&named, &seen).0;
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(plan.work().iter().all(|work| work.block.contains(&service("ODDPROXY"))));
    // A plan for chosen services leaves it alone, and does not look for it.
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    change.maintenance.installers = Vec::new();
    assert_eq!(planned(&change, &seen).0.refusals().count(), 0);
    let asked = evidence(&change, &change.pools[0], None);
    assert!(asked.servers.values().all(|ask| !ask.wants(Part::ProductServices)));
}

#[test]
fn p3_a_service_beside_the_plan_whose_state_nobody_knows_is_refused() {
    let change = three();
    let mut seen = healthy_world(&change);
    install(only(&mut seen), &["fe2"], "RTCMEDSRV", Answer::unknown("no such word"));
    assert_eq!(codes(&planned(&change, &seen).0, Severity::Refusal), ["O2050"]);
    assert!(guard(&change, &seen, "fe2").contains(&(Question::Blockable, "unknown")));
}

#[test]
fn central_management_that_the_plan_does_not_mention_is_named_with_the_line_to_add() {
    let mut change = three();
    let mut seen = healthy_world(&change);
    install(only(&mut seen), &["fe1"], "MASTER", Answer::Known(RunState::Running));
    install(only(&mut seen), &["fe1"], "FTA", Answer::Known(RunState::Running));
    let (plan, _) = planned(&change, &seen);
    let found = finding(&plan, "O2054");
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.message.starts_with("FTA and MASTER run on fe1.contoso.example"), "{found:?}");
    assert!(found.advice.contains("fe1.contoso.example: {hosts: [central-management]}"));
    change.pools[0].servers[0].hosts.insert(Hosted::CentralManagement);
    let (plan, _) = planned(&change, &seen);
    assert!(plan.findings().iter().all(|found| found.code != "O2054"), "{:#?}", plan.findings());
}

#[test]
fn p2_what_depends_on_a_chosen_service_is_blocked_and_covered_with_it() {
    let mut change = three();
    change.maintenance.scope = Scope::Services(vec![service("RTCCAA")]);
    change.maintenance.installers = Vec::new();
    let mut seen = healthy_world(&change);
    let alone = planned(&change, &seen).0;
    assert!(alone.work().iter().all(|work| work.block == [service("RTCCAA")]));
    depends(only(&mut seen), "RTCCAS", "RTCCAA");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(plan.work().iter().all(|work| work.block == [service("RTCCAA"), service("RTCCAS")]));
    let announcement = Question::Coverage(Covered::Feature(Feature::ConferencingAnnouncement));
    assert!(guard(&change, &seen, "fe1").contains(&(announcement, "yes")));
    // Its sessions count, too.
    let mut uncounted = seen.clone();
    for server in only(&mut uncounted).servers.values_mut() {
        server.sessions.remove(&service("RTCCAS"));
    }
    assert!(guard(&change, &uncounted, "fe1").contains(&(Question::Blockable, "unknown")));
    let asked = evidence(&change, &change.pools[0], None);
    assert!(asked.servers.values().all(|ask| ask.sessions.contains(&service("RTCCAS"))));
    // Nobody would announce: the other servers' own is stopped.
    for server in ["fe2", "fe3"] {
        set_state(only(&mut seen), &server_name(server), "RTCCAS", RunState::Stopped);
    }
    let (plan, _) = planned(&change, &seen);
    assert!(plan.refusals().count() > 0);
    assert!(guard(&change, &seen, "fe1").contains(&(announcement, "no")));
}

#[test]
fn a_server_leaves_the_balancer_only_when_something_behind_it_is_blocked() {
    let mut change = three();
    change.pools[0].load_balancing.balancer = Balancer::Operator;
    change.maintenance.installers = Vec::new();
    let steps = |change: &Change| {
        let (plan, report) = planned(change, &healthy_world(change));
        let out = kinds(&plan, "fe1").contains(&StepKind::BalancerOut);
        assert_eq!(kinds(&plan, "fe1").contains(&StepKind::BalancerIn), out);
        assert_eq!(report.safety[0].asked.iter().any(|asked| asked.question == Question::Balancer), out);
        assert_eq!(plan.findings().iter().any(|found| found.code == "O2035"), out);
        out
    };
    assert!(steps(&change));
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    assert!(!steps(&change), "the rest of the server goes on serving");
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS"), service("W3SVC")]);
    assert!(steps(&change));
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    change.pools[0].load_balancing.sip = SipBalancing::Hardware;
    assert!(steps(&change), "the balancer sends it calls");
    change.pools[0].load_balancing.sip = SipBalancing::Dns;
    (change.pools[0].product, change.pools[0].role) = (Product::Generic, Role::Generic);
    change.maintenance.scope = Scope::Services(vec![service("Worker")]);
    assert!(steps(&change), "a generic pool has nothing else to say it with");
}

#[test]
fn p4_a_named_service_that_no_server_has_is_refused_and_one_that_some_have_is_told_where_it_is_missing() {
    let mut change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    change.pools[0].extra_services = vec![service("RTCMEDSRV")];
    let mut seen = healthy_world(&change);
    let without = |seen: &mut Observations, number: usize| {
        let own = seen.pools.values_mut().next().unwrap().servers.values_mut().nth(number).unwrap();
        let Answer::Known(services) = &mut own.services else { panic!("known") };
        services.remove(&service("RTCMEDSRV"));
    };
    without(&mut seen, 0);
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0);
    let told = &finding(&plan, "O2020").message;
    assert!(told.contains("does not have RTCMEDSRV, which the plan names under services: passed over"), "{told}");
    without(&mut seen, 1);
    without(&mut seen, 2);
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2020"]);
    let refused = &finding(&plan, "O2020").message;
    assert!(refused.contains("no server of pool01") && refused.contains("RTCMEDSRV"), "{refused}");
    assert!(!codes(&plan, Severity::Warning).contains(&"O2020"), "it is told once");
}
