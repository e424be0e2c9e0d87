//! The names by which clients find a pool at first.

use crate::support::*;
use orchestrate_model::observe::DnsAnswer;
use orchestrate_model::{Answer, Change, DnsName, PoolObservation, RunState};
use orchestrate_planner::safety::{Case, Covered, Question, assess};
use orchestrate_planner::{Observations, Severity};
use std::collections::BTreeSet;

const ENTRY: &str = "lyncdiscoverinternal.contoso.example";

fn three() -> Change {
    let mut pool = pool("pool01", "fe", "192.0.2", 3);
    pool.load_balancing.entry = vec![DnsName::new(ENTRY).unwrap()];
    change(vec![pool])
}

fn only(seen: &mut Observations) -> &mut PoolObservation {
    seen.pools.values_mut().next().unwrap()
}

/// A healthy pool whose entry name leads to these addresses, at each of these name servers.
fn leading(change: &Change, said: &[(&str, Answer<&[&str]>)]) -> Observations {
    let mut seen = healthy_world(change);
    let name = DnsName::new(ENTRY).unwrap();
    let Answer::Known(dns) = &mut only(&mut seen).dns else { panic!("known") };
    let pool: Vec<DnsAnswer> = dns.answers.clone();
    for (resolver, addresses) in said {
        let resolver = resolver.parse().unwrap();
        let mut answer = match addresses {
            Answer::Known(list) => answer(&name, list.iter().map(|address| address.parse().unwrap()).collect()),
            Answer::Unknown(why) => DnsAnswer { records: Answer::unknown(why.as_str()), ..answer(&name, Vec::new()) },
        };
        answer.resolver = resolver;
        dns.answers.push(answer);
        // The same server says the same of all other names.
        if pool.iter().all(|known| known.resolver != resolver) {
            dns.answers.extend(pool.iter().map(|known| DnsAnswer { resolver, ..known.clone() }));
        }
    }
    seen
}

/// What is answered about a server, by its place in the pool.
fn answered(change: &Change, seen: &Observations, place: usize) -> (&'static str, String) {
    let (pool, nobody) = (&change.pools[0], BTreeSet::new());
    let server = &pool.servers[place].name;
    let asked = assess(&Case { change, pool, server, seen: &seen.pools[&pool.name], ours_out: &nobody, now: now() });
    let asked = asked.into_iter().find(|asked| asked.question == Question::Coverage(Covered::Entry));
    asked.map_or(("not asked", String::new()), |asked| (asked.verdict.word(), asked.verdict.text().to_owned()))
}

#[test]
fn p1_an_entry_name_must_not_lead_only_to_the_server_that_goes() {
    let change = three();
    let all: &[&str] = &["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    for (addresses, first, second) in [
        (all, "yes", "yes"),
        (&["192.0.2.1"], "no", "yes"),
        (&["192.0.2.1", "192.0.2.2"], "yes", "yes"),
        // A balancer, or a Director of another pool.
        (&["203.0.113.10"], "yes", "yes"),
        (&["192.0.2.1", "203.0.113.10"], "yes", "yes"),
        // No client finds anything by a name that leads nowhere.
        (&[], "no", "no"),
    ] {
        let seen = leading(&change, &[(RESOLVER, Answer::Known(addresses))]);
        assert_eq!(answered(&change, &seen, 0).0, first, "{addresses:?}: {}", answered(&change, &seen, 0).1);
        assert_eq!(answered(&change, &seen, 1).0, second, "{addresses:?}");
    }
    let seen = leading(&change, &[(RESOLVER, Answer::Known(&["192.0.2.1"]))]);
    let (plan, _) = planned(&change, &seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2120"], "{:#?}", plan.findings());
    let text = answered(&change, &seen, 0).1;
    assert!(text.ends_with(&format!("{ENTRY} leads only to fe1 at {RESOLVER}")), "{text}");
}

#[test]
fn p1_a_name_that_leads_besides_only_to_servers_that_do_not_serve_lets_nobody_in() {
    let change = three();
    let mut seen = leading(&change, &[(RESOLVER, Answer::Known(&["192.0.2.1", "192.0.2.2"]))]);
    let fe2 = change.pools[0].servers[1].name.clone();
    set_state(only(&mut seen), &fe2, "RTCSRV", RunState::Stopped);
    let (word, text) = answered(&change, &seen, 0);
    assert_eq!(word, "no");
    assert!(text.contains("leads only to fe1 and fe2, which does not serve"), "{text}");
    only(&mut seen).servers.get_mut(&fe2).unwrap().services = Answer::unknown("no route to host");
    let (word, text) = answered(&change, &seen, 0);
    assert_eq!(word, "unknown", "p3: {text}");
    assert!(text.contains("besides only to fe2"), "{text}");
}

#[test]
fn p3_a_name_server_that_does_not_say_or_says_otherwise_is_unsafe() {
    let change = three();
    let good: &[&str] = &["192.0.2.2", "192.0.2.3"];
    let other = "192.0.2.54:53";
    let silent = leading(&change, &[(RESOLVER, Answer::Known(good)), (other, Answer::unknown("timed out"))]);
    assert_eq!(answered(&change, &silent, 0).0, "unknown");
    let narrow = leading(&change, &[(RESOLVER, Answer::Known(good)), (other, Answer::Known(&["192.0.2.1"]))]);
    assert_eq!(answered(&change, &narrow, 0).0, "no");
    let never = healthy_world(&change);
    let (word, text) = answered(&change, &never, 0);
    assert_eq!(word, "unknown", "{text}");
    let mut none = leading(&change, &[(RESOLVER, Answer::Known(good))]);
    only(&mut none).dns = Answer::unknown("no name server answered");
    assert_eq!(answered(&change, &none, 0).0, "unknown");
    let plain = super::support::change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    assert_eq!(answered(&plain, &healthy_world(&plain), 0).0, "not asked", "the plan states no entry name");
}
