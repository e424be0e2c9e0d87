//! The order of work, and what a plan consists of.

use crate::support::*;
use orchestrate_model::change::{RestartPolicy, Scope};
use orchestrate_model::pool::{Balancer, DatabaseWork, Hosted};
use orchestrate_model::{DnsName, Label, Product, Role, UpgradeDomain};
use orchestrate_planner::check::check;
use orchestrate_planner::{EdgeReason, Observations, PlanError, Severity, StepKind, StepTarget, make};
use std::collections::BTreeSet;

fn textbook() -> orchestrate_model::Change {
    let mut pool = pool("pool01", "fe", "192.0.2", 3);
    pool.servers[0].hosts.insert(Hosted::CentralManagement);
    change(vec![pool])
}

#[test]
fn the_central_management_server_is_the_last_of_its_pool() {
    let change = textbook();
    let (plan, report) = planned(&change, &healthy_world(&change));
    assert_eq!(taken(&plan), ["fe2", "fe3", "fe1"]);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert!(report.order[2].reason.contains("central management server is last"), "{}", report.order[2].reason);
    assert_eq!(report.forecast.ratio(), 1.0);
    assert!(report.safety.iter().all(|safety| safety.verdict().is_yes()), "{:#?}", report.safety);
}

#[test]
fn a_patched_server_goes_through_every_step_in_order() {
    use StepKind::*;
    let mut change = textbook();
    let (plan, _) = planned(&change, &Observations::default());
    let all = [Guard, Record, Block, Drain, Stop, Patch, Restart, Verify, Return, Gate, Soak];
    assert_eq!(kinds(&plan, "fe1"), all);
    change.pools[0].load_balancing.balancer = Balancer::Operator;
    change.maintenance.installers = Vec::new();
    change.maintenance.restart = RestartPolicy::Never;
    change.maintenance.soak = jiff::SignedDuration::ZERO;
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(kinds(&plan, "fe1"), [Guard, Record, BalancerOut, Block, Drain, Return, BalancerIn, Gate]);
}

#[test]
fn a_change_to_chosen_services_restarts_nothing_by_itself() {
    let mut change = textbook();
    change.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert!(!kinds(&plan, "fe1").contains(&StepKind::Restart));
    assert_eq!(plan.work()[0].block, [service("RTCRGS")]);
    change.maintenance.restart = RestartPolicy::Always;
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(codes(&plan, Severity::Refusal), ["O2040"]);
}

#[test]
fn the_next_server_waits_for_the_last_step_of_the_one_before() {
    let change = textbook();
    let (plan, _) = planned(&change, &Observations::default());
    let waits: Vec<_> = plan.edges().iter().filter(|edge| edge.reason == EdgeReason::AtOnce(1)).collect();
    assert_eq!(waits.len(), 2);
    for edge in waits {
        assert_eq!(plan.steps()[edge.before.0 as usize].kind, StepKind::Soak);
        assert_eq!(plan.steps()[edge.after.0 as usize].kind, StepKind::Guard);
    }
}

#[test]
fn servers_of_one_upgrade_domain_may_go_together() {
    let mut pool = pool("pool06", "fe", "192.0.2", 6);
    for (position, server) in pool.servers.iter_mut().enumerate() {
        server.upgrade_domain = Some(UpgradeDomain::new(["UD1", "UD2", "UD3"][position % 3]).unwrap());
    }
    let mut change = change(vec![pool]);
    change.maintenance.at_once = 2;
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(taken(&plan), ["fe1", "fe4", "fe2", "fe5", "fe3", "fe6"]);
    assert_eq!(plan.work().iter().map(|work| work.batch).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    for server in &mut change.pools[0].servers {
        server.upgrade_domain = None;
    }
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(plan.work().iter().map(|work| work.batch).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert!(codes(&plan, Severity::Warning).contains(&"O2041"));
}

#[test]
fn p1_a_batch_never_takes_the_pool_below_quorum() {
    let mut pool = pool("pool01", "fe", "192.0.2", 4);
    for server in &mut pool.servers {
        server.upgrade_domain = Some(UpgradeDomain::new("UD1").unwrap());
    }
    let mut change = change(vec![pool]);
    change.maintenance.at_once = 4;
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(plan.work().iter().map(|work| work.batch).collect::<Vec<_>>(), [0, 0, 1, 1]);
}

#[test]
fn pools_are_taken_inside_out_and_databases_last() {
    let with = |name, prefix, net, role| {
        let mut pool = pool(name, prefix, net, 2);
        pool.role = role;
        for server in &mut pool.servers {
            server.upgrade_domain = None;
        }
        pool
    };
    let mut edge = with("edge", "ed", "198.51.100", Role::Edge);
    edge.next_hop = Some(pool_name("pool01"));
    let mediation = with("med", "me", "203.0.113", Role::Mediation);
    let mut front = pool("pool01", "fe", "192.0.2", 3);
    front.database = Some(DatabaseWork {
        primary: DnsName::new("sql1.contoso.example").unwrap(),
        instructions: "Install-CsDatabase -Update".into(),
    });
    let change = change(vec![edge, mediation, front]);
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(taken(&plan), ["fe1", "fe2", "fe3", "me1", "me2", "ed1", "ed2"]);
    assert!(plan.edges().iter().any(|edge| edge.reason == EdgeReason::NextHop(pool_name("pool01"))));
    let last = plan.steps().last().unwrap();
    assert_eq!((last.kind, last.target), (StepKind::Database, StepTarget::Pool(2)));
    let waits: Vec<_> = plan.edges().iter().filter(|edge| edge.after == last.id).collect();
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].reason, EdgeReason::DatabasesLast);
}

#[test]
fn pools_that_wait_for_each_other_are_an_error() {
    let (mut one, mut two) = (pool("one", "a", "192.0.2", 3), pool("two", "b", "198.51.100", 3));
    one.after = vec![pool_name("two")];
    two.after = vec![pool_name("one")];
    let change = change(vec![one, two]);
    let error = make(&change, &Observations::default(), now()).unwrap_err();
    assert_eq!(error, PlanError::Cycle(vec![pool_name("one"), pool_name("two")]));
}

#[test]
fn the_plan_file_beats_the_usual_order() {
    let (mut front, mut edge) = (pool("front", "fe", "192.0.2", 3), pool("edge", "ed", "198.51.100", 2));
    edge.role = Role::Edge;
    front.after = vec![pool_name("edge")];
    let change = change(vec![front, edge]);
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(taken(&plan)[0], "ed1");
    let dropped = finding(&plan, "O2051");
    assert_eq!(dropped.severity, Severity::Warning);
    assert!(dropped.message.contains("front.contoso.example before edge.contoso.example"), "{dropped:?}");
}

/// Four pools, one of each layer, with what some of them wait for.
fn layered(after: &[(usize, &str)]) -> orchestrate_planner::Plan {
    let roles = [("front", Role::FrontEnd), ("med", Role::Mediation), ("dir", Role::Director), ("edge", Role::Edge)];
    let mut pools: Vec<_> = roles
        .iter()
        .enumerate()
        .map(|(n, (name, role))| {
            let mut pool = pool(name, name, &format!("192.0.{n}"), 2);
            pool.role = *role;
            pool
        })
        .collect();
    pools[3].next_hop = Some(pool_name("dir"));
    for (waiting, name) in after {
        pools[*waiting].after.push(pool_name(name));
    }
    planned(&change(pools), &Observations::default()).0
}

/// Returns whether every server of one pool has to be done before any of another is begun.
fn waits_for(plan: &orchestrate_planner::Plan, after: &str, before: &str) -> bool {
    let own = |step: usize, pool: &str| match plan.steps()[step].target {
        StepTarget::Server(work) => plan.pool_of(plan.work_of(work)).name == pool_name(pool),
        StepTarget::Pool(_) => false,
    };
    let mut reached = BTreeSet::new();
    let mut todo: Vec<usize> = (0..plan.steps().len()).filter(|&step| own(step, before)).collect();
    let last = *todo.last().unwrap();
    todo.retain(|&step| step == last);
    while let Some(step) = todo.pop() {
        for edge in plan.edges().iter().filter(|edge| edge.before.0 as usize == step) {
            if reached.insert(edge.after.0 as usize) {
                todo.push(edge.after.0 as usize);
            }
        }
    }
    (0..plan.steps().len()).filter(|&step| own(step, after)).all(|step| reached.contains(&step))
}

#[test]
fn mediation_comes_before_directors_and_edge_is_last() {
    let plan = layered(&[]);
    let order = ["front1", "front2", "med1", "med2", "dir1", "dir2", "edge1", "edge2"];
    assert_eq!(taken(&plan), order);
    assert!(waits_for(&plan, "dir", "med") && waits_for(&plan, "edge", "front"));
    assert!(plan.findings().iter().all(|found| found.code != "O2051"));
}

#[test]
fn an_order_that_the_plan_turns_round_costs_no_more_than_what_contradicts_it() {
    // Front ends after Mediation: Edge is last all the same, and the next hop counts.
    let plan = layered(&[(0, "med")]);
    assert!(waits_for(&plan, "front", "med") && waits_for(&plan, "edge", "front") && waits_for(&plan, "edge", "dir"));
    assert!(waits_for(&plan, "dir", "front"));
    let dropped = &finding(&plan, "O2051").message;
    assert!(dropped.contains("not front.contoso.example before med.contoso.example (inside out"), "{dropped}");
    assert!(!dropped.contains("before edge"), "{dropped}");
    // Front ends after Directors and these after Edge, which contradicts the usual order through a third pool.
    let plan = layered(&[(0, "dir"), (2, "edge")]);
    assert!(waits_for(&plan, "front", "edge") && waits_for(&plan, "dir", "edge"));
    let dropped = &finding(&plan, "O2051").message;
    assert!(
        dropped.contains("dir.contoso.example before edge.contoso.example (dir.contoso.example is the"),
        "{dropped}"
    );
}

#[test]
fn p1_pools_that_share_a_budget_take_turns() {
    let label = Label::new("site=paris").unwrap();
    let names = ["one", "two", "three"];
    let mut pools: Vec<_> =
        names.iter().enumerate().map(|(n, name)| pool(name, name, &format!("192.0.{n}"), 3)).collect();
    for pool in &mut pools {
        pool.labels.insert(label.clone());
    }
    let mut change = change(pools);
    change.budgets.push(orchestrate_model::change::SharedBudget { label: label.clone(), at_once: 2 });
    let (plan, report) = planned(&change, &Observations::default());
    assert!(plan.edges().iter().any(|edge| edge.reason == EdgeReason::SharedBudget(label.clone(), 2)));
    // Nine servers, two at once: five turns, where four and a half would be the bound.
    assert_eq!(report.forecast.length, report.forecast.one_server * 5);
    assert!(check(&plan).is_empty());
}

#[test]
fn a_server_at_the_wanted_level_is_passed_over_with_the_reason() {
    let change = textbook();
    let mut seen = healthy_world(&change);
    let server = seen.pools.get_mut(&pool_name("pool01")).unwrap().servers.get_mut(&server_name("fe2")).unwrap();
    let orchestrate_model::Answer::Known(versions) = &mut server.versions else { panic!("known") };
    versions[0].version = orchestrate_model::Version::parse("5.0.8308.1200").unwrap();
    let (plan, report) = planned(&change, &seen);
    assert_eq!(taken(&plan), ["fe3", "fe1"]);
    assert!(kinds(&plan, "fe2").is_empty());
    assert!(report.order[0].skipped && report.order[0].reason.contains("5.0.8308.1200"), "{:?}", report.order[0]);
    assert!(codes(&plan, Severity::Warning).contains(&"O2032"));
    assert!(codes(&plan, Severity::Note).contains(&"O2033"));
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
}

#[test]
fn a_half_updated_server_is_not_passed_over_next_to_one_that_got_further() {
    let change = textbook();
    let component = |component: &str, version: &str| orchestrate_model::version::ComponentVersion {
        component: component.into(),
        version: orchestrate_model::Version::parse(version).unwrap(),
    };
    let with = |versions: [&str; 2]| {
        vec![
            component("Core Components", versions[0]),
            component("Front End Server", versions[1]),
            component("SQL", "11.0"),
        ]
    };
    let (new, old) = ("5.0.8308.1149", "5.0.8308.866");
    let skipped = |levels: [[&str; 2]; 3]| {
        let mut seen = healthy_world(&change);
        for (server, levels) in seen.pools.values_mut().next().unwrap().servers.values_mut().zip(levels) {
            server.versions = orchestrate_model::Answer::Known(with(levels));
        }
        let (plan, _) = planned(&change, &seen);
        let skipped = plan.work().iter().filter_map(|work| Some((work.server.short().to_owned(), work.skip.clone()?)));
        skipped.collect::<Vec<_>>()
    };
    let all = skipped([[new, new], [old, old], [old, old]]);
    assert_eq!(all, [("fe1".to_owned(), "fe1 is at 5.0.8308.1149 already, 5.0.8308.1149 is wanted".to_owned())]);
    // Nobody can tell what the update does not touch from what it did not reach, so it is said.
    let alone = skipped([[new, old], [old, old], [old, old]]);
    assert!(alone[0].1.ends_with("taken for what the update does not touch: Front End Server (5.0.8308.866)"));
    let shown: Vec<String> = skipped([[new, old], [new, new], [old, old]]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(shown, ["fe2"]);
}

#[test]
fn one_input_gives_the_same_bytes_and_a_preview_without_the_network_the_same_fingerprint() {
    let change = textbook();
    let seen = healthy_world(&change);
    let (first, second) = (planned(&change, &seen).0, planned(&change, &seen).0);
    assert_eq!(serde_json::to_vec(&first).unwrap(), serde_json::to_vec(&second).unwrap());
    let (offline, _) = planned(&change, &Observations::default());
    assert_ne!(serde_json::to_vec(&first).unwrap(), serde_json::to_vec(&offline).unwrap());
    assert_eq!(first.fingerprint(), offline.fingerprint());
    let mut other = change;
    other.maintenance.soak = minutes(21);
    assert_ne!(planned(&other, &seen).0.fingerprint(), first.fingerprint());
    let text = first.fingerprint().to_string();
    assert_eq!(orchestrate_planner::Fingerprint::parse(&text).unwrap(), first.fingerprint());
    let read: orchestrate_planner::Plan = serde_json::from_slice(&serde_json::to_vec(&first).unwrap()).unwrap();
    assert_eq!(read.fingerprint(), first.fingerprint());
}

#[test]
fn a_generic_pool_needs_its_services_named() {
    let mut pool = pool("web", "w", "192.0.2", 4);
    (pool.product, pool.role) = (Product::Generic, Role::Generic);
    for server in &mut pool.servers {
        server.upgrade_domain = None;
    }
    let mut change = change(vec![pool]);
    change.maintenance.at_once = 2;
    let (plan, _) = planned(&change, &Observations::default());
    assert_eq!(plan.work().iter().map(|work| work.batch).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2043"]);
}
