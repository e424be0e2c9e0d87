//! Servers that the plan says to be dead.

use crate::support::*;
use orchestrate_model::observe::ReadinessState;
use orchestrate_model::pool::{Away, AwayCounts};
use orchestrate_model::{Answer, Change, Label, PoolName, ServerName, Verdict};
use orchestrate_planner::plan::LeftOut;
use orchestrate_planner::safety::{Asked, Case, Question, assess, shared_budgets};
use orchestrate_planner::scope::evidence;
use orchestrate_planner::{Observations, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// A pool of which the last server is away.
fn with_away(servers: usize, counts: AwayCounts) -> Change {
    let mut pool = pool("pool01", "fe", "192.0.2", servers);
    pool.servers[servers - 1].away = Some(Away { reason: "hardware, CHG123".to_owned(), counts });
    change(vec![pool])
}

/// What is seen of a change when the servers that are away are not asked.
fn seen_of(change: &Change) -> Observations {
    let mut world = healthy_world(change);
    for pool in &change.pools {
        let seen = world.pools.get_mut(&pool.name).unwrap();
        for (server, _) in pool.away() {
            seen.servers.remove(&server.name);
        }
    }
    world
}

fn asked(change: &Change, world: &Observations, server: &str) -> Vec<Asked> {
    let (pool, ours_out) = (&change.pools[0], BTreeSet::new());
    let server = server_name(server);
    let seen = &world.pools[&pool.name];
    assess(&Case { change, pool, server: &server, seen, ours_out: &ours_out, now: now() })
}

fn verdict(asked: &[Asked], question: Question) -> &Verdict {
    &asked.iter().find(|asked| asked.question == question).unwrap().verdict
}

#[test]
fn a_server_that_is_away_is_asked_nothing() {
    let mut change = with_away(4, AwayCounts::BesideBudget);
    let names = |change: &Change| evidence(change, &change.pools[0], None).names.unwrap().names;
    let asked = evidence(&change, &change.pools[0], None);
    assert_eq!(asked.servers.len(), 3);
    assert!(!asked.servers.contains_key(&server_name("fe4")));
    assert!(!names(&change).contains(&server_name("fe4").dns()), "the plan has its address");
    change.pools[0].servers[3].addresses.clear();
    assert!(
        names(&change).contains(&server_name("fe4").dns()),
        "which of the records are its own is not known otherwise"
    );
}

#[test]
fn p1_a_server_that_is_away_uses_up_the_budget_unless_the_plan_says_otherwise() {
    let change = with_away(4, AwayCounts::InBudget);
    let world = seen_of(&change);
    let found = asked(&change, &world, "fe1");
    let Verdict::No(why) = verdict(&found, Question::Budget) else { panic!("{found:?}") };
    assert!(why.contains("fe4 (away, hardware, CHG123)"), "{why}");
    let advice = &found.iter().find(|asked| asked.question == Question::Budget).unwrap().advice;
    assert!(advice.contains("in_budget: false"), "{advice}");
    let (plan, _) = planned(&change, &world);
    assert!(codes(&plan, Severity::Refusal).contains(&"O2012"), "{:?}", codes(&plan, Severity::Refusal));

    let change = with_away(4, AwayCounts::BesideBudget);
    let world = seen_of(&change);
    for server in ["fe1", "fe2", "fe3"] {
        let found = asked(&change, &world, server);
        let against: Vec<_> = found.iter().filter(|asked| !asked.verdict.is_yes()).collect();
        assert!(against.is_empty(), "{against:?}");
        assert!(verdict(&found, Question::Budget).text().contains("beside fe4, away"), "{found:?}");
    }
    let (plan, _) = planned(&change, &world);
    assert!(codes(&plan, Severity::Refusal).is_empty(), "{:?}", codes(&plan, Severity::Refusal));
    let away = finding(&plan, "O2111");
    assert_eq!(away.message, "fe4.contoso.example is away, hardware, CHG123; counted as down, beside the budget");
    assert_eq!(away.severity, Severity::Note);
}

#[test]
fn p1_quorum_counts_a_server_that_is_away_as_down() {
    // Of three two have to run.
    let change = with_away(3, AwayCounts::BesideBudget);
    let found = asked(&change, &seen_of(&change), "fe1");
    let Verdict::No(why) = verdict(&found, Question::Quorum) else { panic!("{found:?}") };
    assert!(why.contains("fe3 is already down"), "{why}");
}

#[test]
fn p2_what_the_product_says_decides_about_a_pool_with_a_server_that_is_away() {
    let change = with_away(4, AwayCounts::BesideBudget);
    let mut world = seen_of(&change);
    for server in world.pools.values_mut().flat_map(|pool| pool.servers.values_mut()) {
        let Answer::Known(readiness) = &mut server.readiness else { panic!("a front end") };
        readiness.state = ReadinessState::InsufficientActiveFrontEnds;
    }
    let found = asked(&change, &world, "fe1");
    assert!(matches!(verdict(&found, Question::Ready), Verdict::No(_)), "{found:?}");
}

#[test]
fn nothing_is_done_to_a_server_that_is_away_and_the_others_are_taken() {
    let change = with_away(4, AwayCounts::BesideBudget);
    let (plan, report) = planned(&change, &seen_of(&change));
    assert_eq!(report.safety.len(), 3);
    let left: Vec<&str> = plan
        .work()
        .iter()
        .filter(|work| plan.left_out(work) == Some(LeftOut::Away))
        .map(|w| w.server.short())
        .collect();
    assert_eq!(left, ["fe4"]);
    assert!(kinds(&plan, "fe4").is_empty());
    let offline = planned(&change, &Observations::default()).0;
    assert!(kinds(&offline, "fe4").is_empty(), "a preview without the network says the same");
}

#[test]
fn p1_one_server_stays_when_the_budget_would_take_the_rest() {
    let mut change = with_away(3, AwayCounts::BesideBudget);
    change.pools[0].product = orchestrate_model::Product::Generic;
    change.pools[0].role = orchestrate_model::Role::Generic;
    change.maintenance.at_once = 2;
    let (plan, _) = planned(&change, &Observations::default());
    let batches: Vec<u32> = plan.work().iter().filter(|work| work.skip.is_none()).map(|work| work.batch).collect();
    assert_eq!(batches, [0, 1]);
}

#[test]
fn p1_shared_budgets_count_a_server_that_is_away_unless_the_plan_says_otherwise() {
    for (counts, may) in [(AwayCounts::InBudget, false), (AwayCounts::BesideBudget, true)] {
        let mut change = with_away(4, counts);
        let label = Label::new("site=paris").unwrap();
        change.pools[0].labels.insert(label.clone());
        change.budgets.push(orchestrate_model::change::SharedBudget { label, at_once: 1 });
        let out: BTreeMap<PoolName, BTreeSet<ServerName>> =
            BTreeMap::from([(change.pools[0].name.clone(), BTreeSet::from([server_name("fe4")]))]);
        let asked = shared_budgets(&change, &change.pools[0], &server_name("fe1"), &out);
        assert_eq!(asked[0].verdict.is_yes(), may, "{asked:?}");
    }
}

#[test]
fn records_may_leave_out_a_server_that_is_away_and_a_dead_address_is_told() {
    let change = with_away(4, AwayCounts::BesideBudget);
    let mut world = seen_of(&change);
    let (plan, _) = planned(&change, &world);
    assert_eq!(finding(&plan, "O2053").severity, Severity::Warning, "the pool's name lists it");
    let gone = change.pools[0].servers[3].addresses[0];
    let name = change.pools[0].name.clone();
    set_records(world.pools.get_mut(&name).unwrap(), |records| records.addresses.retain(|address| *address != gone));
    let (plan, _) = planned(&change, &world);
    let mut told = codes(&plan, Severity::Warning);
    told.extend(codes(&plan, Severity::Refusal));
    assert!(!told.contains(&"O2053") && !told.contains(&"O2001"), "{told:?}");
}

#[test]
fn the_fingerprint_covers_that_a_server_is_away() {
    let of = |counts| planned(&with_away(4, counts), &Observations::default()).0.fingerprint();
    assert_ne!(of(AwayCounts::InBudget), of(AwayCounts::BesideBudget));
    let present = planned(&change(vec![pool("pool01", "fe", "192.0.2", 4)]), &Observations::default()).0;
    assert_ne!(of(AwayCounts::InBudget), present.fingerprint());
}
