//! Whose turn it is: a server that goes first, and an order.

use crate::support::*;
use orchestrate_model::change::WindowFit;
use orchestrate_model::pool::{First, Hosted, Then};
use orchestrate_model::window::{Recurrence, Window};
use orchestrate_model::{Change, Product, Role, UpgradeDomain};
use orchestrate_planner::{Observations, Plan, StepKind};

fn front_ends(servers: usize) -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", servers)])
}

fn with_first(server: &str, then: Then) -> Change {
    let mut change = front_ends(3);
    change.pools[0].first = Some(First { server: server_name(server), then });
    change
}

fn offline(change: &Change) -> Plan {
    planned(change, &Observations::default()).0
}

/// The servers that go together.
fn batches(plan: &Plan) -> Vec<Vec<&str>> {
    let mut batches: Vec<Vec<&str>> = Vec::new();
    for work in plan.work().iter().filter(|work| work.skip.is_none()) {
        let place = work.batch as usize;
        batches.resize(batches.len().max(place + 1), Vec::new());
        batches[place].push(work.server.short());
    }
    batches
}

#[test]
fn a_server_that_goes_first_goes_alone_and_the_others_wait_for_it() {
    let plan = offline(&with_first("fe3", Then::Usual));
    assert_eq!(taken(&plan), ["fe3", "fe1", "fe2"]);
    let reasons: Vec<String> = plan.edges().iter().map(|edge| edge.reason.to_string()).collect();
    assert!(reasons.iter().any(|reason| reason == "the plan takes fe3 first"), "{reasons:?}");
    let mut wide = with_first("fe3", Then::Usual);
    wide.pools[0].product = Product::Generic;
    wide.pools[0].role = Role::Generic;
    wide.maintenance.at_once = 2;
    assert_eq!(batches(&offline(&wide)), [vec!["fe3"], vec!["fe1", "fe2"]]);
}

#[test]
fn a_server_that_goes_first_and_is_done_already_holds_up_no_other() {
    let mut change = with_first("fe3", Then::Ask);
    change.only = [server_name("fe1"), server_name("fe2")].into();
    assert_eq!(taken(&offline(&change)), ["fe1", "fe2"]);
    assert_eq!(
        finding(&offline(&change), "O2112").message,
        "fe3 goes first in pool01.contoso.example, and is left out by choice and not known to be done"
    );
}

#[test]
fn p9_the_window_and_the_forecast_count_a_soak_of_its_own() {
    let forecast = |then| planned(&with_first("fe3", then), &Observations::default()).1.forecast;
    let (usual, long) = (forecast(Then::Usual), forecast(Then::Soak(minutes(140))));
    assert_eq!(long.length - usual.length, minutes(120));
    assert_eq!(long.likely - usual.likely, minutes(120));
    assert_eq!(long.one_server, usual.one_server, "the others take what they took");
    let ends = |forecast: &orchestrate_planner::forecast::Forecast| {
        let placed = forecast.schedule[0].placed.unwrap();
        placed.ends.duration_since(placed.begins)
    };
    assert_eq!(ends(&long) - ends(&usual), minutes(120));
    // A window that is long enough for the others and not for this one is told on the first day.
    let mut change = with_first("fe3", Then::Soak(minutes(140)));
    change.maintenance.fit = WindowFit::Worst;
    change.windows = vec![Window {
        every: Recurrence::Daily,
        start: "22:00".parse().unwrap(),
        duration: usual.room + minutes(30),
        timezone: "UTC".to_owned(),
    }];
    assert!(offline(&change).refusals().any(|finding| finding.message.contains("no window ahead is longer")));
    change.pools[0].first = None;
    assert_eq!(offline(&change).refusals().count(), 0);
}

#[test]
fn a_server_after_which_a_person_is_asked_has_a_soak_to_be_asked_in() {
    let mut change = with_first("fe3", Then::Ask);
    change.maintenance.soak = minutes(0);
    let plan = offline(&change);
    assert_eq!(kinds(&plan, "fe3").last(), Some(&StepKind::Soak));
    assert_eq!(kinds(&plan, "fe1").last(), Some(&StepKind::Gate));
    change.maintenance.soak = minutes(5);
    change.pools[0].first = Some(First { server: server_name("fe3"), then: Then::Soak(minutes(0)) });
    assert_eq!(kinds(&offline(&change), "fe3").last(), Some(&StepKind::Gate));
}

#[test]
fn servers_are_taken_in_the_order_of_the_plan() {
    let mut change = front_ends(4);
    change.pools[0].order = vec![server_name("fe3"), server_name("fe1")];
    assert_eq!(taken(&offline(&change)), ["fe3", "fe1", "fe2", "fe4"]);
    change.pools[0].servers[2].hosts.insert(Hosted::CentralManagement);
    assert_eq!(taken(&offline(&change)), ["fe1", "fe2", "fe4", "fe3"], "the product's own order comes first");
}

#[test]
fn p1_an_order_that_changes_between_upgrade_domains_is_kept_and_fewer_go_at_once() {
    let mut change = front_ends(6);
    for (place, server) in change.pools[0].servers.iter_mut().enumerate() {
        server.upgrade_domain = Some(UpgradeDomain::new(&format!("UD{}", place % 3)).unwrap());
    }
    change.maintenance.at_once = 2;
    assert_eq!(batches(&offline(&change)), [vec!["fe1", "fe4"], vec!["fe2", "fe5"], vec!["fe3", "fe6"]]);
    change.pools[0].order = ["fe1", "fe2", "fe5", "fe4"].map(server_name).to_vec();
    assert_eq!(batches(&offline(&change)), [vec!["fe1"], vec!["fe2", "fe5"], vec!["fe4"], vec!["fe3", "fe6"]]);
}
