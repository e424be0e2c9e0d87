//! Plans for some of the servers (`--only`).

use crate::support::*;
use orchestrate_model::pool::Hosted;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{Answer, Change, Product, Role, ServerName, Version};
use orchestrate_planner::plan::LeftOut;
use orchestrate_planner::{Observations, Severity, StepKind};

fn only(change: &Change, servers: &[&str]) -> Change {
    let only = servers.iter().map(|server| server_name(server)).collect();
    Change { only, ..change.clone() }
}

fn front_ends() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 4)])
}

#[test]
fn only_the_chosen_servers_are_worked_on_and_the_others_are_judged() {
    let change = only(&front_ends(), &["fe3"]);
    let mut world = healthy_world(&change);
    let (plan, report) = planned(&change, &world);
    assert_eq!(taken(&plan), ["fe3"]);
    assert_eq!(report.safety.len(), 1);
    let left: Vec<&str> =
        plan.work().iter().filter(|w| plan.left_out(w) == Some(LeftOut::ByChoice)).map(|w| w.server.short()).collect();
    assert_eq!(left, ["fe1", "fe2", "fe4"]);
    let why = plan.work()[0].skip.clone().unwrap();
    assert_eq!(why, "left out by choice: only fe3 is worked on");
    // A server that is left out and down counts as every other.
    stop(world.pools.values_mut().next().unwrap(), &server_name("fe1"));
    let (plan, _) = planned(&change, &world);
    assert!(codes(&plan, Severity::Refusal).contains(&"O2012"), "{:?}", codes(&plan, Severity::Refusal));
}

#[test]
fn a_part_has_a_fingerprint_of_its_own_and_names_that_of_all() {
    let whole = front_ends();
    let all = planned(&whole, &Observations::default()).0;
    let part = planned(&only(&whole, &["fe3"]), &Observations::default()).0;
    assert_ne!(part.fingerprint(), all.fingerprint());
    assert_eq!(part.whole(), Some(all.fingerprint()));
    assert_eq!(part.approvable().collect::<Vec<_>>(), [part.fingerprint(), all.fingerprint()]);
    assert_eq!(all.whole(), None);
    let stored: orchestrate_planner::Plan = serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap();
    assert_eq!((stored.fingerprint(), stored.whole()), (part.fingerprint(), part.whole()), "kept with a run");
    let other = planned(&only(&whole, &["fe2"]), &Observations::default()).0;
    assert_ne!(other.fingerprint(), part.fingerprint(), "who approves a part approves no other");
}

#[test]
fn what_is_taken_before_its_turn_is_told_unless_it_is_done() {
    let mut edge = pool("edge01", "edge", "198.51.100", 2);
    (edge.product, edge.role) = (Product::Lync2013, Role::Edge);
    edge.load_balancing.web = None;
    let change = change(vec![pool("pool01", "fe", "192.0.2", 3), edge]);
    let part = only(&change, &["edge1"]);
    let told = |world: &Observations| {
        let (plan, _) = planned(&part, world);
        plan.findings().iter().filter(|f| f.code == "O2112").map(|f| f.message.clone()).collect::<Vec<_>>()
    };
    let found = told(&Observations::default());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("fe1, fe2 and fe3 are left out by choice and not known to be done"), "{found:?}");
    let mut world = healthy_world(&part);
    let level = Version::parse("5.0.8308.1149").unwrap();
    for server in world.pools.get_mut(&pool_name("pool01")).unwrap().servers.values_mut() {
        server.versions = Answer::Known(vec![ComponentVersion { component: "Core".into(), version: level.clone() }]);
    }
    assert!(told(&world).is_empty());
}

#[test]
fn the_last_server_of_a_pool_that_is_taken_alone_is_told() {
    let mut change = front_ends();
    change.pools[0].servers[0].hosts.insert(Hosted::CentralManagement);
    let (plan, _) = planned(&only(&change, &["fe1"]), &Observations::default());
    assert!(finding(&plan, "O2112").message.starts_with("fe1.contoso.example hosts the active central management"));
    let all: Vec<&str> = ["fe1", "fe2", "fe3", "fe4"].to_vec();
    let (plan, _) = planned(&only(&change, &all), &Observations::default());
    assert!(plan.findings().iter().all(|finding| finding.code != "O2112"));
}

#[test]
fn the_database_work_waits_for_a_run_that_leaves_nothing() {
    let mut change = front_ends();
    change.pools[0].database = Some(orchestrate_model::pool::DatabaseWork {
        primary: orchestrate_model::DnsName::new("sql1.contoso.example").unwrap(),
        instructions: "update the schema".to_owned(),
    });
    let has = |change: &Change| {
        let (plan, _) = planned(change, &Observations::default());
        plan.steps().iter().any(|step| step.kind == StepKind::Database)
    };
    assert!(has(&change));
    assert!(!has(&only(&change, &["fe1"])));
}

#[test]
fn a_chosen_server_is_named_by_its_full_name() {
    let name: ServerName = server_name("fe3");
    assert!(only(&front_ends(), &["fe3"]).leaves_out(&server_name("fe1")));
    assert!(!only(&front_ends(), &["fe3"]).leaves_out(&name));
    assert!(!front_ends().leaves_out(&name), "no choice is all of them");
}
