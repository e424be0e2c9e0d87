//! Where the central management is active: one place, and the one that the plan states.

use crate::support::*;
use orchestrate_model::observe::{CentralManagement, Part};
use orchestrate_model::pool::Hosted;
use orchestrate_model::{Answer, Change, Pool, PoolObservation, Product, Role, Verdict};
use orchestrate_planner::safety::{Case, Question, assess, central_management};
use orchestrate_planner::scope::evidence;
use orchestrate_planner::{Observations, Severity};
use std::collections::BTreeSet;

/// A pool of three; `fe1` hosts the central management.
fn hosting() -> Change {
    let mut change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    change.pools[0].servers[0].hosts.insert(Hosted::CentralManagement);
    change
}

/// Two Standard Edition servers, `a1` and `b1`, paired; the first hosts the central management.
fn pair() -> Change {
    let standard = |name, prefix, net, partner| {
        let mut pool = pool(name, prefix, net, 1);
        (pool.role, pool.paired_with) = (Role::StandardEdition, Some(pool_name(partner)));
        pool
    };
    let mut change = change(vec![standard("se1", "a", "192.0.2", "se2"), standard("se2", "b", "198.51.100", "se1")]);
    change.pools[0].servers[0].hosts.insert(Hosted::CentralManagement);
    change.maintenance.accept_loss = orchestrate_model::Feature::ALL.to_vec();
    for name in ["RTCDATAPROXY", "RTCMEDIARELAY"] {
        change.maintenance.unmeasured.insert(service(name), minutes(30));
    }
    change
}

fn says(seen: &mut PoolObservation, server: &str, active: &str) {
    let active = Some(active.to_owned()).filter(|name| !name.is_empty());
    seen.servers.get_mut(&server_name(server)).unwrap().central_management =
        Answer::Known(CentralManagement { active });
}

fn says_nothing(seen: &mut PoolObservation, why: &str) {
    for server in seen.servers.values_mut() {
        server.central_management = Answer::unknown(why);
    }
}

fn verdict(change: &Change, pool: &Pool, seen: &PoolObservation) -> Verdict {
    central_management(change, pool, seen).unwrap()
}

fn of<'a>(seen: &'a mut Observations, pool: &str) -> &'a mut PoolObservation {
    seen.pools.get_mut(&pool_name(pool)).unwrap()
}

#[test]
fn servers_of_hosting_and_of_paired_pools_are_asked_and_edge_servers_never() {
    let wants = |change: &Change, place: usize| {
        let asks = evidence(change, &change.pools[place], None).servers;
        let asked = asks.values().filter(|ask| ask.wants(Part::CentralManagement)).count();
        assert!(asked == 0 || asked == asks.len(), "all or none");
        asked > 0
    };
    let mut change = hosting();
    let guard = evidence(&change, &change.pools[0], Some(&server_name("fe2")));
    assert!(guard.servers.values().all(|ask| ask.wants(Part::CentralManagement)), "before each block too");
    assert!(wants(&change, 0));
    change.pools[0].role = Role::Edge;
    assert!(!wants(&change, 0));
    change.pools[0].role = Role::FrontEnd;
    change.pools[0].product = Product::Generic;
    assert!(!wants(&change, 0));
    let mut change = pair();
    assert!(wants(&change, 0) && wants(&change, 1));
    // One side alone says that they are paired.
    change.pools[1].paired_with = None;
    assert!(wants(&change, 1));
    change.pools[0].paired_with = None;
    assert!(!wants(&change, 1));
}

#[test]
fn the_server_and_its_pool_are_the_same_in_every_spelling() {
    let change = hosting();
    let pool = &change.pools[0];
    let mut seen = healthy_pool(pool);
    for name in [
        "fe1.contoso.example",
        "FE1.Contoso.Example.",
        "fe1",
        "pool01.contoso.example",
        "POOL01",
        " fe1.contoso.example ",
    ] {
        for server in ["fe1", "fe2", "fe3"] {
            says(&mut seen, server, name);
        }
        assert!(verdict(&change, pool, &seen).is_yes(), "{name}");
    }
    // The server says its own name and the others that of the pool: both are right.
    says(&mut seen, "fe1", "fe1.contoso.example");
    assert!(verdict(&change, pool, &seen).is_yes());
    let Answer::Known(_) = seen.servers[&server_name("fe2")].central_management else { panic!("known") };
    seen.servers.get_mut(&server_name("fe2")).unwrap().central_management = Answer::unknown("access denied");
    assert!(verdict(&change, pool, &seen).is_yes(), "one that cannot say is outvoted, as with the replicas");
}

#[test]
fn another_server_than_the_plan_states_is_refused_with_both_names() {
    let change = hosting();
    let pool = &change.pools[0];
    for (name, said) in [
        ("fe2.contoso.example", "fe3 says that the central management is active on fe2, the plan says fe1"),
        ("fe1.other.example", "is active on fe1.other.example, the plan says fe1"),
        ("pool02.contoso.example", "is active on pool02.contoso.example, the plan says fe1"),
        ("", "fe3 names no active central management, the plan says fe1"),
    ] {
        let mut seen = healthy_pool(pool);
        // The pool's name agrees with both servers, and hides none.
        says(&mut seen, "fe1", "pool01.contoso.example");
        says(&mut seen, "fe3", name);
        let verdict = verdict(&change, pool, &seen);
        assert_eq!((verdict.word(), verdict.text().contains(said)), ("no", true), "{name}: {verdict}");
        let nobody = BTreeSet::new();
        let server = &server_name("fe2");
        let asked = assess(&Case { change: &change, pool, server, seen: &seen, ours_out: &nobody, now: now() });
        let asked = asked.iter().find(|asked| asked.question == Question::CentralManagement).unwrap();
        assert_eq!(asked.verdict, verdict);
        assert!(
            asked.advice.contains("ActiveMasterFQDN") && asked.advice.contains("correct hosts"),
            "{}",
            asked.advice
        );
        let (plan, _) =
            planned(&change, &Observations { pools: [(pool.name.clone(), seen)].into(), ..Default::default() });
        assert_eq!(codes(&plan, Severity::Refusal), ["O2057"]);
        assert_eq!(plan.refusals().count(), 1);
    }
}

#[test]
fn p3_nobody_who_can_say_is_unknown_where_the_plan_states_a_host() {
    let change = hosting();
    let mut seen = healthy_world(&change);
    says_nothing(of(&mut seen, "pool01"), "access denied");
    let verdict = verdict(&change, &change.pools[0], &seen.pools[&pool_name("pool01")]);
    assert_eq!(verdict.word(), "unknown");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2057"]);
    let found = finding(&plan, "O2057");
    assert!(found.message.contains("no server of pool01.contoso.example could say"), "{found:?}");
    assert!(found.message.contains("the plan says fe1: fe1: access denied"), "{found:?}");
}

#[test]
fn a_pair_that_is_active_on_both_is_one_refusal_that_names_both() {
    let change = pair();
    let mut seen = healthy_world(&change);
    says(of(&mut seen, "se2"), "b1", "a1.contoso.example");
    let o2057 = |seen: &Observations| {
        let (plan, _) = planned(&change, seen);
        plan.findings().iter().filter(|found| found.code == "O2057").cloned().collect::<Vec<_>>()
    };
    assert!(o2057(&seen).is_empty(), "{:#?}", o2057(&seen));
    says(of(&mut seen, "se2"), "b1", "b1.contoso.example");
    let found = o2057(&seen);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Refusal), "{found:#?}");
    let text = "the central management of se1.contoso.example and se2.contoso.example is active on both: a1 says \
                a1, b1 says b1";
    assert_eq!(found[0].message, text);
    // The guard of the second, which sees its own pool only, says no as well: the plan states another.
    let said = verdict(&change, &change.pools[1], &seen.pools[&pool_name("se2")]);
    assert_eq!(said.text(), "b1 says that the central management is active on b1, the plan says a1");
    says(of(&mut seen, "se2"), "b1", "c1.contoso.example");
    assert!(o2057(&seen)[0].message.contains("is not the same for both"), "{:#?}", o2057(&seen));
    // One side that cannot say leaves the other to be compared with the plan.
    says_nothing(of(&mut seen, "se2"), "access denied");
    assert!(o2057(&seen)[0].message.starts_with("no server of se2.contoso.example could say"));
}

#[test]
fn where_the_plan_states_no_host_the_answers_are_compared_and_silence_is_a_warning() {
    let mut change = change(vec![pool("pool02", "fe", "192.0.2", 3)]);
    change.pools[0].paired_with = Some(pool_name("pool01"));
    let mut seen = healthy_world(&change);
    let said = verdict(&change, &change.pools[0], &seen.pools[&pool_name("pool02")]);
    assert!(
        said.is_yes() && said.text().ends_with("pool01.contoso.example; the plan does not say where it is"),
        "{said}"
    );
    says(of(&mut seen, "pool02"), "fe2", "fe9.contoso.example");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2057"]);
    let text = &finding(&plan, "O2057").message;
    assert!(text.contains("fe1 and fe3 say that") && text.contains("fe2 says that"), "{text}");
    assert!(text.ends_with("in one place only"), "{text}");
    // Nothing of this pool has to do with it, so nobody is harmed by a block.
    says_nothing(of(&mut seen, "pool02"), "access denied");
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    let found = finding(&plan, "O2057");
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.message.ends_with("the plan does not say either: fe1: access denied"), "{found:?}");
    for server in ["fe1", "fe2", "fe3"] {
        says(of(&mut seen, "pool02"), server, "");
    }
    assert!(finding(&planned(&change, &seen).0, "O2057").message.ends_with("fe1: it names none"));
}

#[test]
fn a_look_by_hand_is_asked_for_only_where_the_partner_is_outside_of_the_change() {
    let mut change = pair();
    let notes = |change: &Change| {
        let (plan, _) = planned(change, &healthy_world(change));
        plan.findings()
            .iter()
            .filter(|f| f.code == "O2039" && f.severity == Severity::Note)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(notes(&change).is_empty());
    change.pools.pop();
    let notes = notes(&change);
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].advice.contains("on a server of se2.contoso.example, which this change does not ask"),
        "{notes:?}"
    );
}
