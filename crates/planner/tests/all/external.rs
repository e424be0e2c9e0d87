//! What is asked of the external names of an Edge pool.

use crate::support::*;
use orchestrate_model::change::Scope;
use orchestrate_model::observe::{AddressRecords, DnsObservation};
use orchestrate_model::pool::{Balancer, SipBalancing};
use orchestrate_model::{Answer, Change, DnsName, ExternalUse, PoolObservation, Verdict};
use orchestrate_planner::safety::{Asked, Case, Covered, Question, assess};
use orchestrate_planner::scope::evidence;
use orchestrate_planner::{Observations, Severity};
use std::collections::BTreeSet;

/// Topology T9: an Edge pool of two, inside at 198.51.100.1 and 2, outside at 203.0.113.101 and 102; the A/V Edge at 201
/// and 202.
fn edge() -> Change {
    let mut pool = pool("edge09", "edge", "198.51.100", 2);
    make_edge(&mut pool, "203.0.113");
    let mut change = change(vec![pool]);
    wait_for_edge(&mut change);
    change
}

fn only(seen: &mut Observations) -> &mut PoolObservation {
    seen.pools.values_mut().next().unwrap()
}

fn dns(seen: &mut Observations) -> &mut DnsObservation {
    let Answer::Known(dns) = &mut only(seen).dns else { panic!("known") };
    dns
}

fn addresses(texts: &[&str]) -> impl Fn(&mut AddressRecords) {
    let list: Vec<std::net::IpAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
    move |records| records.addresses.clone_from(&list)
}

/// What is asked about the external names before edge1 goes.
fn guard(change: &Change, seen: &Observations) -> Option<Asked> {
    let (pool, nobody) = (&change.pools[0], BTreeSet::new());
    let server = &pool.servers[0].name;
    let asked = assess(&Case { change, pool, server, seen: &seen.pools[&pool.name], ours_out: &nobody, now: now() });
    asked.into_iter().find(|asked| asked.question == Question::Coverage(Covered::External))
}

#[test]
fn p2_external_names_that_list_every_server_are_proven_with_their_time_to_live() {
    let change = edge();
    let seen = healthy_world(&change);
    let (plan, report) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), [] as [&str; 0], "{:#?}", plan.findings());
    assert!(plan.findings().iter().all(|finding| !["O2055", "O2056"].contains(&finding.code.as_str())));
    for server in &report.safety {
        let asked = server.asked.iter().find(|asked| asked.question == Question::Coverage(Covered::External)).unwrap();
        let proof = "access.edge09.contoso.example, web-conferencing.edge09.contoso.example and \
                     av.edge09.contoso.example list the external addresses of the 2 servers and nothing else at 1 name \
                     server, kept for up to 300 s";
        assert_eq!(asked.verdict, Verdict::Yes(proof.into()));
    }
    let names = evidence(&change, &change.pools[0], Some(&server_name("edge1"))).names.unwrap();
    assert_eq!(names.external.len(), 3, "they are asked for before each block too");
    assert!(!names.names.contains(&names.external[0]), "and where the plan says");
}

#[test]
fn p2_an_external_name_has_to_list_every_server_and_nothing_else() {
    let change = edge();
    for (position, listed, code) in [
        (0, vec!["203.0.113.101"], "does not list edge2.contoso.example (203.0.113.102) at 192.0.2.53:53"),
        (1, vec!["203.0.113.101"], "does not list edge2.contoso.example (203.0.113.102) at 192.0.2.53:53"),
        (2, vec!["203.0.113.202"], "does not list edge1.contoso.example (203.0.113.201) at 192.0.2.53:53"),
        (
            0,
            vec!["203.0.113.101", "203.0.113.102", "203.0.113.109"],
            "lists 203.0.113.109 at 192.0.2.53:53, which is no server of the pool",
        ),
        (
            0,
            vec!["203.0.113.101", "203.0.113.102", "203.0.113.201"],
            "lists 203.0.113.201 at 192.0.2.53:53, which is the A/V Edge address of edge1.contoso.example",
        ),
        (
            0,
            vec!["198.51.100.1", "198.51.100.2"],
            "lists 198.51.100.1 at 192.0.2.53:53, which is the internal address of edge1.contoso.example",
        ),
        (
            0,
            vec!["203.0.113.9"],
            "has the single address 203.0.113.9 at 192.0.2.53:53, which is no server's: a balancer's, as it seems, while edge09.contoso.example is balanced by DNS inside",
        ),
        (0, vec![], "has no address record at 192.0.2.53:53"),
    ] {
        let mut seen = healthy_world(&change);
        set_external(only(&mut seen), position, addresses(&listed));
        let (plan, report) = planned(&change, &seen);
        assert_eq!(codes(&plan, Severity::Refusal), ["O2055"], "{listed:?}");
        let said = plan.findings().iter().any(|found| found.message.contains(code) && !found.advice.is_empty());
        assert!(said, "{code}: {:#?}", plan.findings());
        let name = dns(&mut seen).external[position].name.clone();
        assert!(plan.refusals().all(|found| found.message.starts_with(name.as_str())), "{:#?}", plan.findings());
        assert!(report.safety.iter().all(|server| server.verdict().word() == "no"));
        let asked = guard(&change, &seen).unwrap();
        assert!(asked.verdict.text().contains(code) && !asked.advice.is_empty(), "{asked:?}");
    }
}

#[test]
fn p2_an_external_name_that_is_an_alias_is_refused() {
    let change = edge();
    let mut seen = healthy_world(&change);
    set_external(only(&mut seen), 1, |records| records.alias = DnsName::new("ext.contoso.example").ok());
    let (plan, _) = planned(&change, &seen);
    let message = &finding(&plan, "O2055").message;
    assert!(message.contains("is an alias of ext.contoso.example at 192.0.2.53:53, expected one record"), "{message}");
    assert_eq!(guard(&change, &seen).unwrap().verdict.word(), "no");
}

#[test]
fn p3_external_names_that_nobody_answers_for_are_unknown() {
    let change = edge();
    let silences: [fn(&mut Observations); 3] = [
        |seen| only(seen).dns = Answer::unknown("timed out"),
        |seen| dns(seen).external[2].records = Answer::unknown("timed out"),
        |seen| dns(seen).external.retain(|answer| !answer.name.as_str().starts_with("av")),
    ];
    for silence in silences {
        let mut seen = healthy_world(&change);
        silence(&mut seen);
        let (plan, report) = planned(&change, &seen);
        assert!(codes(&plan, Severity::Refusal).contains(&"O2055"), "{:#?}", plan.findings());
        assert!(
            finding(&plan, "O2055").message.contains("It is not known whether clients outside have another server")
        );
        assert!(report.safety.iter().all(|server| server.verdict().word() == "unknown"));
        assert_eq!(guard(&change, &seen).unwrap().verdict.word(), "unknown");
    }
}

#[test]
fn p2_every_resolver_that_is_asked_for_external_names_has_to_agree() {
    let change = edge();
    let mut seen = healthy_world(&change);
    let outside = "203.0.113.53:53".parse().unwrap();
    let more: Vec<_> = dns(&mut seen).external.clone();
    dns(&mut seen).external.extend(more.into_iter().map(|mut answer| {
        answer.resolver = outside;
        answer
    }));
    // The resolver outside was not asked for the names inside, and owes no word about them.
    assert_eq!(planned(&change, &seen).0.refusals().count(), 0);
    set_external(only(&mut seen), 5, addresses(&["203.0.113.201"]));
    let (plan, _) = planned(&change, &seen);
    let refused: Vec<&str> = plan.refusals().map(|found| found.message.as_str()).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("does not list edge2.contoso.example (203.0.113.202) at 203.0.113.53:53."));
    set_external(only(&mut seen), 2, addresses(&["203.0.113.201"]));
    let (plan, _) = planned(&change, &seen);
    let message = &finding(&plan, "O2055").message;
    assert!(message.contains("(203.0.113.202) at 192.0.2.53:53 and 203.0.113.53:53."), "said once: {message}");
}

#[test]
fn p2_addresses_of_both_families_have_to_be_listed() {
    let mut change = edge();
    let v6 = |number: usize| format!("2001:db8::{number}").parse::<std::net::IpAddr>().unwrap();
    for (number, server) in change.pools[0].servers.iter_mut().enumerate() {
        server.external.get_mut(&ExternalUse::Access).unwrap().push(v6(number));
    }
    let mut seen = healthy_world(&change);
    assert_eq!(planned(&change, &seen).0.refusals().count(), 0);
    set_external(only(&mut seen), 0, |records| records.addresses.retain(|address| *address != v6(1)));
    let (plan, _) = planned(&change, &seen);
    assert!(finding(&plan, "O2055").message.contains("does not list edge2.contoso.example (2001:db8::1)"));
    // A balancer in front of both families.
    set_external(only(&mut seen), 0, addresses(&["203.0.113.9", "2001:db8::9"]));
    let (plan, _) = planned(&change, &seen);
    assert!(finding(&plan, "O2055").message.contains("the single address 203.0.113.9 and 2001:db8::9 at"));
}

#[test]
fn p2_one_name_for_several_uses_lists_each_server_once() {
    let mut change = edge();
    let external = &mut change.pools[0].load_balancing.external;
    let access = external[&ExternalUse::Access].clone();
    external.insert(ExternalUse::WebConferencing, access);
    let mut seen = healthy_world(&change);
    assert_eq!(dns(&mut seen).external.len(), 2);
    set_external(only(&mut seen), 0, addresses(&["203.0.113.101", "203.0.113.102"]));
    assert_eq!(planned(&change, &seen).0.refusals().count(), 0);
    assert_eq!(guard(&change, &seen).unwrap().verdict.word(), "yes");
}

#[test]
fn p2_behind_a_balancer_external_names_lead_to_no_server() {
    let mut change = edge();
    let balancing = &mut change.pools[0].load_balancing;
    (balancing.sip, balancing.balancer) = (SipBalancing::Hardware, Balancer::Elsewhere("by the network team".into()));
    let mut seen = healthy_world(&change);
    let (plan, _) = planned(&change, &seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    let proof = guard(&change, &seen).unwrap().verdict.text().to_owned();
    assert!(proof.ends_with("lead to no server at 1 name server, kept for up to 300 s"), "{proof}");
    set_external(only(&mut seen), 0, addresses(&["203.0.113.101", "203.0.113.102"]));
    let (plan, _) = planned(&change, &seen);
    let found = finding(&plan, "O2055");
    let text = "leads to 203.0.113.101 at 192.0.2.53:53, which is the Access Edge address of edge1.contoso.example, while \
                edge09.contoso.example is balanced by hardware inside";
    assert!(found.message.contains(text), "{found:?}");
    assert!(found.advice.contains("balanced alike") && found.advice.contains("sip: dns"), "{found:?}");
    assert_eq!(guard(&change, &seen).unwrap().verdict.word(), "no");
    let names = evidence(&change, &change.pools[0], None).names.unwrap();
    assert_eq!((names.names.len(), names.external.len()), (0, 3), "nothing else is asked of name servers");
}

#[test]
fn external_names_are_a_warning_where_nothing_is_blocked_that_they_lead_to() {
    let mut change = edge();
    change.maintenance.scope = Scope::Services(vec![service("W3SVC")]);
    change.pools[0].extra_services.push(service("W3SVC"));
    let mut seen = healthy_world(&change);
    set_external(only(&mut seen), 0, addresses(&["203.0.113.101"]));
    let (plan, _) = planned(&change, &seen);
    assert_eq!(finding(&plan, "O2055").severity, Severity::Warning);
    assert_eq!(guard(&change, &seen), None);
}

#[test]
fn external_names_that_are_not_stated_are_noted() {
    let mut change = edge();
    change.pools[0].load_balancing.external.remove(&ExternalUse::Av);
    let found = |change: &Change| {
        let (plan, _) = planned(change, &healthy_world(change));
        let found = plan.findings().iter().find(|finding| finding.code == "O2056").cloned();
        found.map(|found| (found.severity, found.message + " " + &found.advice))
    };
    let (severity, text) = found(&change).unwrap();
    assert_eq!(severity, Severity::Note);
    assert!(
        text.contains("the external names of A/V Edge are not stated") && text.contains("external: {av: NAME}"),
        "{text}"
    );
    change.pools[0].load_balancing.external.clear();
    let (_, text) = found(&change).unwrap();
    assert!(text.contains("external: {access: NAME, web_conferencing: NAME, av: NAME}"), "{text}");
    let seen = healthy_world(&change);
    assert_eq!(guard(&change, &seen), None, "what is not stated is not asked about");
    change.pools[0].load_balancing.sip = SipBalancing::Hardware;
    assert_eq!(found(&change), None);
    assert_eq!(found(&crate::support::change(vec![pool("pool01", "fe", "192.0.2", 3)])), None);
}
