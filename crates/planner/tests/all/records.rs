//! What is asked of a pool's names: the records of the pool itself, and the name of its web services.

use crate::support::*;
use orchestrate_model::change::Scope;
use orchestrate_model::observe::DnsAnswer;
use orchestrate_model::{Answer, Change, DnsName, PoolObservation, Role, RunState};
use orchestrate_planner::safety::{Case, Covered, Question, assess};
use orchestrate_planner::{Observations, Severity};
use std::collections::BTreeSet;

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

fn only(seen: &mut Observations) -> &mut PoolObservation {
    seen.pools.values_mut().next().unwrap()
}

fn answers(seen: &mut Observations) -> &mut Vec<DnsAnswer> {
    let Answer::Known(dns) = &mut only(seen).dns else { panic!("known") };
    &mut dns.answers
}

/// What the guard of fe1 answers, in one word.
fn guard(change: &Change, seen: &Observations, covered: Covered) -> &'static str {
    let (pool, nobody) = (&change.pools[0], BTreeSet::new());
    let server = &pool.servers[0].name;
    let asked = assess(&Case { change, pool, server, seen: &seen.pools[&pool.name], ours_out: &nobody, now: now() });
    asked.iter().find(|asked| asked.question == Question::Coverage(covered)).map_or("not asked", |a| a.verdict.word())
}

/// Topology T9 with the records of its Edge pool and its Mediation pool spoilt.
#[test]
fn p2_pools_without_a_feature_of_the_list_need_their_records_too() {
    for role in [Role::Edge, Role::Mediation, Role::Director] {
        let mut alone = pool("pool09", "s", "192.0.2", 2);
        (alone.role, alone.load_balancing.web) = (role, None);
        let mut change = change(vec![alone]);
        for name in ["RTCDATAPROXY", "RTCMEDIARELAY"].into_iter().filter(|_| role == Role::Edge) {
            change.maintenance.unmeasured.insert(service(name), minutes(30));
        }
        let seen = healthy_world(&change);
        let (plan, _) = planned(&change, &seen);
        assert_eq!(plan.refusals().count(), 0, "{role}: {:#?}", plan.findings());
        for (addresses, code) in [(vec!["192.0.2.1"], "O2001"), (vec!["203.0.113.7"], "O2005")] {
            let mut spoilt = seen.clone();
            set_records(only(&mut spoilt), |records| {
                records.addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            });
            let (plan, report) = planned(&change, &spoilt);
            assert_eq!(codes(&plan, Severity::Refusal), [code], "{role}");
            assert!(report.safety.iter().all(|server| server.verdict().word() == "no"), "{role}");
        }
        let mut silent = seen.clone();
        only(&mut silent).dns = Answer::unknown("timed out");
        let (plan, _) = planned(&change, &silent);
        assert_eq!(codes(&plan, Severity::Refusal), ["O2009"], "{role}");
    }
}

#[test]
fn p2_a_web_server_alone_needs_no_records_of_the_pool() {
    let mut change = three();
    change.maintenance.installers = Vec::new();
    change.maintenance.scope = Scope::Services(vec![service("W3SVC")]);
    let mut seen = healthy_world(&change);
    set_records(only(&mut seen), |records| records.addresses.truncate(2));
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    assert_eq!(guard(&change, &seen, Covered::Records), "not asked");
    assert_eq!(guard(&change, &seen, Covered::WebName), "yes");
}

#[test]
fn p2_the_web_name_has_to_lead_to_something_that_is_no_server() {
    let mut other = pool("pool02", "be", "198.51.100", 2);
    other.load_balancing.web = None;
    let mut change = change(vec![pool("pool01", "fe", "192.0.2", 3), other]);
    let web = DnsName::new("webint.contoso.example").unwrap();
    // A server of the pool, a server of another pool of the change, and nothing at all.
    for addresses in [vec!["192.0.2.2"], vec!["203.0.113.10", "198.51.100.2"], vec![]] {
        let mut seen = healthy_world(&change);
        answers(&mut seen).retain(|answer| answer.name != web);
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        answers(&mut seen).push(answer(&web, addresses));
        assert_eq!(codes(&planned(&change, &seen).0, Severity::Refusal), ["O2010"]);
        assert_eq!(guard(&change, &seen, Covered::WebName), "no");
    }
    change.pools[0].load_balancing.web = Some(DnsName::new("pool01.contoso.example").unwrap());
    let seen = healthy_world(&change);
    assert_eq!(guard(&change, &seen, Covered::WebName), "no");
}

#[test]
fn p3_a_web_name_that_nobody_answers_for_is_unknown() {
    let change = three();
    let web = DnsName::new("webint.contoso.example").unwrap();
    let mut seen = healthy_world(&change);
    for answer in answers(&mut seen).iter_mut().filter(|answer| answer.name == web) {
        answer.records = Answer::unknown("timed out");
    }
    assert_eq!(codes(&planned(&change, &seen).0, Severity::Refusal), ["O2010"]);
    assert_eq!(guard(&change, &seen, Covered::WebName), "unknown");
    answers(&mut seen).retain(|answer| answer.name != web);
    assert_eq!(guard(&change, &seen, Covered::WebName), "unknown");
}

#[test]
fn p2_every_own_address_of_a_family_in_use_has_to_be_listed() {
    let v6 = |number: usize| format!("2001:db8::{number}").parse::<std::net::IpAddr>().unwrap();
    let spoil = |listed: &[usize], stated: bool| {
        let mut change = three();
        let mut seen = healthy_world(&change);
        for (number, server) in (1..).zip(&mut change.pools[0].servers) {
            let own = server.name.dns();
            for answer in answers(&mut seen).iter_mut().filter(|answer| answer.name == own) {
                let Answer::Known(records) = &mut answer.records else { panic!("known") };
                records.addresses.push(v6(number));
            }
            if stated {
                server.addresses.push(v6(number));
            }
        }
        set_records(only(&mut seen), |records| records.addresses.extend(listed.iter().map(|&number| v6(number))));
        planned(&change, &seen).0
    };
    let plan = spoil(&[1, 2], false);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2001"]);
    let text = &finding(&plan, "O2001").message;
    assert!(text.starts_with("pool01.contoso.example does not list fe3.contoso.example (2001:db8::3) at"), "{text}");
    assert_eq!(codes(&spoil(&[], true), Severity::Refusal), ["O2001"], "the plan states the family");
    assert_eq!(codes(&spoil(&[], false), Severity::Refusal), [] as [&str; 0], "nobody uses the family");
    assert_eq!(codes(&spoil(&[1, 2, 3], true), Severity::Refusal), [] as [&str; 0]);
}

#[test]
fn a_dead_server_that_is_listed_is_named() {
    let change = three();
    let mut seen = healthy_world(&change);
    stop(only(&mut seen), &server_name("fe2"));
    let (plan, _) = planned(&change, &seen);
    let found = finding(&plan, "O2053");
    assert_eq!((found.severity, found.server.as_ref()), (Severity::Warning, Some(&server_name("fe2"))));
    assert!(found.message.starts_with("pool01.contoso.example lists fe2.contoso.example (192.0.2.2)"), "{found:?}");
    set_records(only(&mut seen), |records| records.addresses.retain(|a| a.to_string() != "192.0.2.2"));
    assert!(planned(&change, &seen).0.findings().iter().all(|found| found.code != "O2053"));
    // Of one that does not answer at all that is said first, and it is what has to be mended.
    let mut seen = healthy_world(&change);
    silence(only(&mut seen), &server_name("fe2"));
    let (plan, _) = planned(&change, &seen);
    let refused: Vec<&str> = plan.findings().iter().map(|found| found.code.as_str()).collect();
    assert!(refused[0] == "O2018" && !refused.contains(&"O2053"), "{refused:?}");
    // A server that lacks one service is another matter.
    let mut seen = healthy_world(&change);
    set_state(only(&mut seen), &server_name("fe2"), "RTCATS", RunState::Stopped);
    assert!(planned(&change, &seen).0.findings().iter().all(|found| found.code != "O2053"));
}

#[test]
fn p2_a_name_server_that_tells_no_address_is_told_once_for_all_pools() {
    let pools: Vec<_> = (1..=3)
        .map(|number| pool(&format!("pool0{number}"), &format!("fe{number}"), &format!("192.0.{number}"), 3))
        .collect();
    let change = change(pools);
    let mut seen = healthy_world(&change);
    for pool in seen.pools.values_mut() {
        let Answer::Known(dns) = &mut pool.dns else { panic!("known") };
        for answer in &mut dns.answers {
            let why = format!("{} (A records): no answer within 5 s", answer.resolver);
            answer.records = Answer::unknown(why);
        }
    }
    let (plan, report) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2009"], "{:#?}", plan.findings());
    let told = finding(&plan, "O2009");
    assert!(
        told.message.contains("of 3 pools") && told.message.contains("(A records): no answer within 5 s"),
        "{told:?}"
    );
    assert!(told.message.ends_with("What follows from it is not listed apart: O2010"), "{told:?}");
    assert!(told.advice.contains("dns: resolvers"), "{told:?}");
    // Every server is refused all the same, each open question in the same words.
    let open = report.safety.iter().flat_map(|server| &server.asked).filter(|asked| asked.verdict.word() == "unknown");
    let texts: BTreeSet<&str> = open.map(|asked| asked.verdict.text()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(report.safety.iter().all(|server| !server.verdict().is_yes()));
    // One name that is not told is told of its pool.
    let Answer::Known(dns) = &mut only(&mut seen).dns else { panic!("known") };
    dns.answers[1] = healthy_world(&change).pools.values().next().unwrap().dns.known().unwrap().answers[1].clone();
    let (plan, _) = planned(&change, &seen);
    assert!(finding(&plan, "O2009").pool.is_some(), "{:#?}", plan.findings());
}
