//! Services that no source knows, such as a vendor's, and that depend on what is blocked.

use crate::support::*;
use orchestrate_model::change::{RestartPolicy, Scope};
use orchestrate_model::observe::{Measure, SessionReading};
use orchestrate_model::{Answer, Change, RunState, ServiceStatus, StartType, Verdict};
use orchestrate_planner::safety::{Asked, Case, Question, assess};
use orchestrate_planner::scope::evidence;
use orchestrate_planner::{Observations, Severity};
use std::collections::BTreeSet;

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

fn chosen(name: &str) -> Change {
    let mut change = three();
    change.maintenance.scope = Scope::Services(vec![service(name)]);
    change.maintenance.installers = Vec::new();
    change
}

fn status(name: &str) -> ServiceStatus {
    ServiceStatus {
        name: service(name),
        display_name: format!("The {name}"),
        state: Answer::Known(RunState::Running),
        start: Answer::Known(StartType::AUTOMATIC),
        accepts_pause: true,
        dependents: Answer::Known(Vec::new()),
    }
}

/// Lets a service be on a server and depend on another, as the server itself says.
fn depend(seen: &mut Observations, server: &str, dependent: ServiceStatus, on: &str) {
    let pool = seen.pools.values_mut().next().unwrap();
    let Answer::Known(services) = &mut pool.servers.get_mut(&server_name(server)).unwrap().services else {
        panic!("known")
    };
    let Answer::Known(dependents) = &mut services.get_mut(&service(on)).unwrap().dependents else { panic!("known") };
    dependents.push(dependent.name.clone());
    services.insert(dependent.name.clone(), dependent);
}

fn blockable(change: &Change, seen: &Observations, server: &str) -> Asked {
    let (pool, nobody) = (&change.pools[0], BTreeSet::new());
    let server = &server_name(server);
    let asked = assess(&Case { change, pool, server, seen: &seen.pools[&pool.name], ours_out: &nobody, now: now() });
    asked.into_iter().find(|asked| asked.question == Question::Blockable).unwrap()
}

#[test]
fn p4_a_stranger_that_depends_on_a_blocked_service_is_refused_until_the_plan_says_how_to_count_it() {
    for (change, on) in [(three(), "RTCSRV"), (chosen("RTCRGS"), "RTCRGS")] {
        let mut seen = healthy_world(&change);
        depend(&mut seen, "fe1", status("VENDORBOT"), on);
        depend(&mut seen, "fe2", status("VENDORBOT"), on);
        let (plan, _) = planned(&change, &seen);
        assert_eq!(codes(&plan, Severity::Refusal), ["O2058"], "{:#?}", plan.findings());
        let found = finding(&plan, "O2058");
        let text = format!("VENDORBOT (The VENDORBOT) on fe1 and fe2 depends on {on}: it would be blocked too");
        assert!(found.message.starts_with(&text), "{found:?}");
        assert!(found.advice.contains("services") && found.advice.contains("unmeasured"));
        assert!(plan.work().iter().all(|work| work.block.contains(&service("VENDORBOT"))));
        let asked = blockable(&change, &seen, "fe1");
        let text = format!("VENDORBOT, which depends on {on},");
        assert!(matches!(&asked.verdict, Verdict::No(why) if why.contains(&text)), "{asked:?}");
        assert!(blockable(&change, &seen, "fe3").verdict.is_yes(), "fe3 has none");
    }
}

#[test]
fn p4_a_stranger_that_the_plan_counts_or_waits_for_is_blocked_like_the_others() {
    for (mut change, on) in [(three(), "RTCSRV"), (chosen("RTCRGS"), "RTCRGS")] {
        change.pools[0].extra_services = vec![service("VENDORBOT")];
        let mut timed = change.clone();
        timed.maintenance.unmeasured.insert(service("VENDORBOT"), minutes(15));
        change.pools[0].measures.insert(service("VENDORBOT"), vec![r"\Vendor\Calls".into()]);
        let asked = evidence(&change, &change.pools[0], Some(&server_name("fe1")));
        assert!(asked.servers[&server_name("fe1")].sessions.contains(&service("VENDORBOT")));
        assert!(asked.servers.values().all(|ask| ask.services.contains(&service("VENDORBOT"))));
        for change in [&change, &timed] {
            let mut seen = healthy_world(change);
            for server in ["fe1", "fe2", "fe3"] {
                depend(&mut seen, server, status("VENDORBOT"), on);
            }
            let (plan, _) = planned(change, &seen);
            assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
            assert!(plan.work().iter().all(|work| work.block.contains(&service("VENDORBOT"))));
            assert!(blockable(change, &seen, "fe2").verdict.is_yes());
        }
        // A measure that cannot be read is not zero.
        let mut seen = healthy_world(&change);
        depend(&mut seen, "fe1", status("VENDORBOT"), on);
        let pool = seen.pools.values_mut().next().unwrap();
        let unread = Measure::new(r"\Vendor\Calls".into(), Answer::unknown("no such counter"));
        let reading = SessionReading { measures: vec![unread], draining: None };
        pool.servers.get_mut(&server_name("fe1")).unwrap().sessions.insert(service("VENDORBOT"), reading);
        assert_eq!(codes(&planned(&change, &seen).0, Severity::Refusal), ["O2022"]);
        assert_eq!(blockable(&change, &seen, "fe1").verdict.word(), "unknown");
    }
}

#[test]
fn what_depends_on_a_dependent_is_found_too() {
    let change = chosen("RTCRGS");
    let mut seen = healthy_world(&change);
    depend(&mut seen, "fe1", status("VENDORBOT"), "RTCRGS");
    depend(&mut seen, "fe1", status("VENDORLOG"), "VENDORBOT");
    let (plan, _) = planned(&change, &seen);
    let found: Vec<&str> = plan.findings().iter().filter(|f| f.code == "O2058").map(|f| f.message.as_str()).collect();
    assert!(
        found.iter().any(|text| text.contains("VENDORLOG (The VENDORLOG) on fe1 depends on VENDORBOT")),
        "{found:?}"
    );
}

#[test]
fn a_dependent_that_is_stopped_does_no_harm() {
    let change = three();
    let mut seen = healthy_world(&change);
    let stopped = ServiceStatus {
        state: Answer::Known(RunState::Stopped),
        start: Answer::Known(StartType::MANUAL),
        accepts_pause: false,
        ..status("VENDORBOT")
    };
    depend(&mut seen, "fe1", stopped, "RTCSRV");
    let (plan, report) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(plan.findings().iter().all(|found| !found.message.contains("VENDORBOT")), "{:#?}", plan.findings());
    assert!(report.safety.iter().all(|safety| safety.asked.iter().all(|asked| asked.verdict.is_yes())));
}

#[test]
fn p1_a_stranger_that_is_stopped_does_not_put_its_server_out_of_service() {
    let change = three();
    let mut seen = healthy_world(&change);
    let stopped = ServiceStatus { state: Answer::Known(RunState::Stopped), ..status("VENDORBOT") };
    depend(&mut seen, "fe1", status("VENDORBOT"), "RTCSRV");
    depend(&mut seen, "fe2", stopped, "RTCSRV");
    assert_eq!(codes(&planned(&change, &seen).0, Severity::Refusal), ["O2058"], "fe2 serves without it");
}

#[test]
fn a_dependent_that_cannot_be_paused_is_named_with_what_it_depends_on() {
    let mut change = three();
    change.maintenance.unmeasured.insert(service("VENDORBOT"), minutes(15));
    let mut seen = healthy_world(&change);
    depend(&mut seen, "fe1", ServiceStatus { accepts_pause: false, ..status("VENDORBOT") }, "RTCSRV");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2021"]);
    let found = finding(&plan, "O2021");
    assert!(found.message.starts_with("VENDORBOT, which depends on RTCSRV, on fe1"), "{found:?}");
    assert!(found.advice.contains("stop it first"), "{found:?}");
}

#[test]
fn a_supporting_service_that_depends_on_a_blocked_one_needs_no_measure() {
    let change = three();
    let mut seen = healthy_world(&change);
    depend(&mut seen, "fe1", status("REPLICA"), "RTCSRV");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    let work = &plan.work()[0];
    assert!(work.block.contains(&service("REPLICA")) && !work.support.contains(&service("REPLICA")));
}

#[test]
fn a_supporting_service_that_is_chosen_has_no_sessions_to_count() {
    let change = chosen("REPLICA");
    let mut seen = healthy_world(&change);
    for server in seen.pools.values_mut().flat_map(|pool| pool.servers.values_mut()) {
        let Answer::Known(services) = &mut server.services else { panic!("known") };
        services.get_mut(&service("REPLICA")).unwrap().accepts_pause = true;
    }
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), Vec::<&str>::new(), "{:#?}", plan.findings());
    assert!(plan.work().iter().all(|work| work.block == [service("REPLICA")]));
}

#[test]
fn the_platform_is_never_touched_so_what_it_depends_on_cannot_be_stopped() {
    let mut change = three();
    let mut seen = healthy_world(&change);
    depend(&mut seen, "fe1", status("FabricHostSvc"), "RTCSRV");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2058"]);
    assert!(finding(&plan, "O2058").message.contains("RTCSRV cannot be stopped"));
    assert!(plan.work().iter().all(|work| !work.block.contains(&service("FabricHostSvc"))));
    (change.maintenance.installers, change.maintenance.restart) = (Vec::new(), RestartPolicy::Never);
    assert_eq!(planned(&change, &seen).0.refusals().count(), 0, "a pause stops nothing");
}

#[test]
fn p3_dependents_that_nobody_knows_are_unsafe() {
    let change = three();
    let mut seen = healthy_world(&change);
    let pool = seen.pools.values_mut().next().unwrap();
    let Answer::Known(services) = &mut pool.servers.get_mut(&server_name("fe1")).unwrap().services else {
        panic!("known")
    };
    services.get_mut(&service("RTCRGS")).unwrap().dependents = Answer::unknown("the script did not run");
    services.get_mut(&service("RTCCPS")).unwrap().dependents = Answer::Known(vec![service("VENDORBOT")]);
    let (plan, _) = planned(&change, &seen);
    let texts: Vec<&str> = plan.refusals().map(|found| found.message.as_str()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("what depends on RTCRGS is not known: the script did not run")));
    assert!(texts.iter().any(|text| text.contains("VENDORBOT depends on RTCCPS, and was not looked at")));
    assert_eq!(blockable(&change, &seen, "fe1").verdict.word(), "unknown");
}
