//! The driver against name servers on loopback: hickory's, scripted ones, and installed ones.

mod external;
/// dnsmasq and NSD run on Unix.
#[cfg(unix)]
mod installed;
mod load;
mod servers;
mod services;

use crate::{Authorities, Limits, NameServers};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, CNAME, NS};
use hickory_proto::rr::{Name, RData, Record};
use jiff::SignedDuration;
use orchestrate_driver::conformance::{self, NameExpectation, NamesExpectation, Waiting};
use orchestrate_driver::{Clock, Resolve};
use orchestrate_model::observe::{AddressRecords, DnsAnswer, DnsAsk, DnsObservation};
use orchestrate_model::{DnsName, PoolName};
use servers::{Scripted, ZoneServer, reply};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long tests wait for a server that stays silent.
const SHORT: Duration = Duration::from_millis(400);

const ZONE: &str = "
    $ORIGIN contoso.example.
    @ 3600 IN SOA ns1 hostmaster 1 7200 900 1209600 60
    @ 3600 IN NS ns1
    ns1 3600 IN A 127.0.0.1
    pool01 300 IN A 192.0.2.13
    pool01 300 IN A 192.0.2.11
    pool01 300 IN A 192.0.2.12
    pool01 120 IN AAAA 2001:db8::11
    fe1 600 IN A 192.0.2.11
    webint 60 IN CNAME balancer
    balancer 900 IN A 192.0.2.10
    away 60 IN CNAME web.fabrikam.example.
";

fn name(text: &str) -> DnsName {
    DnsName::new(text).unwrap()
}

fn ask(names: &[&str]) -> DnsAsk {
    DnsAsk {
        pool: PoolName::new("pool01.contoso.example").unwrap(),
        names: names.iter().map(|text| name(text)).collect(),
        external: Vec::new(),
    }
}

/// Name servers for which `authority_port` stands in for port 53. Authorities get a short time only, since some tests
/// wait for it to pass.
fn asking(resolvers: &[SocketAddr], authority_port: u16) -> NameServers {
    let limits = Limits { authority: SHORT, authority_port, ..Limits::USUAL };
    NameServers { limits, ..NameServers::new(resolvers.to_vec(), Clock::real()) }
}

/// Name servers that soon give up on a resolver.
fn impatient(resolvers: &[SocketAddr], resolver: Duration) -> NameServers {
    let limits = Limits { resolver, ..Limits::USUAL };
    NameServers { limits, ..NameServers::new(resolvers.to_vec(), Clock::real()) }.with_authorities(Authorities::Skip)
}

async fn resolvers_say(resolvers: &[SocketAddr], names: &[&str]) -> DnsObservation {
    asking(resolvers, 9).with_authorities(Authorities::Skip).resolve(&ask(names)).await
}

fn only(observation: DnsObservation) -> DnsAnswer {
    let [answer] = <[DnsAnswer; 1]>::try_from(observation.answers).unwrap();
    answer
}

fn known(answer: &DnsAnswer) -> &AddressRecords {
    answer.records.as_result().unwrap_or_else(|reason| panic!("{}: {reason}", answer.name))
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn addresses_of_both_families_come_sorted_with_the_shortest_time_to_live() {
    let server = ZoneServer::start(ZONE).await;
    let answer = only(resolvers_say(&[server.address], &["pool01.contoso.example"]).await);
    assert_eq!(answer.resolver, server.address);
    assert_eq!(
        *known(&answer),
        AddressRecords {
            addresses: addresses(&["192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11"]),
            ttl_s: 120,
            alias: None,
        }
    );
}

#[tokio::test]
async fn no_such_name_and_no_such_records_are_known_and_empty() {
    let server = ZoneServer::start(ZONE).await;
    let said = resolvers_say(&[server.address], &["gone.contoso.example", "contoso.example"]).await;
    assert_eq!(said.answers.len(), 2);
    for answer in &said.answers {
        assert_eq!(*known(answer), AddressRecords::default(), "{}", answer.name);
    }
}

#[tokio::test]
async fn an_alias_is_followed_and_named() {
    let server = ZoneServer::start(ZONE).await;
    let answer = only(resolvers_say(&[server.address], &["webint.contoso.example"]).await);
    let records = known(&answer);
    assert_eq!(records.alias, Some(name("balancer.contoso.example")));
    assert_eq!(records.addresses, addresses(&["192.0.2.10"]));
    assert_eq!(records.ttl_s, 60, "the alias's own time to live counts");
}

#[tokio::test]
async fn an_alias_that_the_answer_leaves_open_is_asked_for() {
    let server = Scripted::start(|question| {
        let asked = question.queries[0].name().clone();
        let data = if asked == Name::from_ascii("a.contoso.example.").unwrap() {
            RData::CNAME(CNAME(Name::from_ascii("b.contoso.example.").unwrap()))
        } else {
            RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))
        };
        let mut answer = reply(question, ResponseCode::NoError);
        answer.add_answer(Record::from_rdata(asked, 30, data));
        Some(answer)
    })
    .await;
    let answer = only(resolvers_say(&[server.address], &["a.contoso.example"]).await);
    assert_eq!(known(&answer).addresses, addresses(&["192.0.2.1"]));
    assert_eq!(known(&answer).alias, Some(name("b.contoso.example")));
}

#[tokio::test]
async fn an_answer_too_long_for_udp_is_fetched_over_tcp() {
    let many: String = (1..=90).fold(ZONE.to_owned(), |zone, n| zone + &format!("many 60 IN A 198.51.100.{n}\n"));
    let server = ZoneServer::start(&many).await;
    let answer = only(resolvers_say(&[server.address], &["many.contoso.example"]).await);
    assert_eq!(known(&answer).addresses.len(), 90);
}

#[tokio::test]
async fn p3_a_cut_answer_is_unknown_when_tcp_gives_none() {
    let server = Scripted::start(|question| {
        let mut answer = reply(question, ResponseCode::NoError);
        answer.metadata.truncation = true;
        Some(answer)
    })
    .await;
    let answer = only(resolvers_say(&[server.address], &["fe1.contoso.example"]).await);
    let why = answer.records.why_unknown().unwrap();
    assert!(why.contains("too long for UDP"), "{why}");
}

#[tokio::test]
async fn p3_failures_refusals_and_silence_leave_the_answer_unknown() {
    let failing = Scripted::start(|question| Some(reply(question, ResponseCode::ServFail))).await;
    let refusing = Scripted::start(|question| Some(reply(question, ResponseCode::Refused))).await;
    let silent = Scripted::start(|_| None).await;
    let referring = Scripted::start(|question| {
        let mut answer = reply(question, ResponseCode::NoError);
        let zone = Name::from_ascii("example.").unwrap();
        let host = Name::from_ascii("a.example.").unwrap();
        answer.authorities.push(Record::from_rdata(zone, 60, RData::NS(NS(host))));
        Some(answer)
    })
    .await;
    let usual = Limits::USUAL.resolver;
    for (server, limit, reason) in [
        (&failing, usual, "SERVFAIL"),
        (&refusing, usual, "REFUSED"),
        (&silent, SHORT, "no answer within 0.4 s"),
        (&referring, usual, "refers to the name servers of example"),
    ] {
        let answer = only(impatient(&[server.address], limit).resolve(&ask(&["fe1.contoso.example"])).await);
        let why = answer.records.why_unknown().unwrap();
        assert!(why.contains(reason) && why.contains(&server.address.to_string()), "{why}");
    }
}

#[tokio::test]
async fn p3_one_family_alone_is_not_an_answer() {
    let server = Scripted::start(|question| {
        let asked = question.queries[0].clone();
        if asked.query_type() != hickory_proto::rr::RecordType::A {
            return Some(reply(question, ResponseCode::ServFail));
        }
        let mut answer = reply(question, ResponseCode::NoError);
        answer.add_answer(Record::from_rdata(asked.name().clone(), 30, RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))));
        Some(answer)
    })
    .await;
    let answer = only(resolvers_say(&[server.address], &["fe1.contoso.example"]).await);
    let why = answer.records.why_unknown().unwrap();
    assert!(why.contains("AAAA"), "{why}");
}

#[tokio::test]
async fn aliases_in_a_circle_are_unknown() {
    let server = Scripted::start(|question| {
        let asked = question.queries[0].name().clone();
        let mut answer = reply(question, ResponseCode::NoError);
        answer.add_answer(Record::from_rdata(asked.clone(), 30, RData::CNAME(CNAME(asked))));
        Some(answer)
    })
    .await;
    let answer = only(resolvers_say(&[server.address], &["fe1.contoso.example"]).await);
    assert!(answer.records.why_unknown().unwrap().contains("aliases"));
}

#[tokio::test]
async fn a_lost_question_is_sent_again() {
    let server = Scripted::losing(2, |question| Some(reply(question, ResponseCode::NXDomain))).await;
    let names = impatient(&[server.address], Duration::from_secs(2));
    let answer = only(names.resolve(&ask(&["fe1.contoso.example"])).await);
    assert_eq!(*known(&answer), AddressRecords::default());
}

#[tokio::test]
async fn every_resolver_speaks_for_itself() {
    let zone = ZoneServer::start(ZONE).await;
    let silent = Scripted::start(|_| None).await;
    let names = impatient(&[silent.address, zone.address, zone.address], Duration::from_secs(1));
    let said = names.resolve(&ask(&["fe1.contoso.example"])).await;
    assert_eq!(said.answers.len(), 2, "a resolver named twice is asked once");
    assert!(said.answers[0].records.why_unknown().is_some());
    assert_eq!(known(&said.answers[1]).addresses, addresses(&["192.0.2.11"]));
}

#[tokio::test]
async fn nothing_is_remembered_between_two_looks() {
    let server = Scripted::start(|question| Some(reply(question, ResponseCode::NXDomain))).await;
    let names = asking(&[server.address], 9).with_authorities(Authorities::Skip);
    names.resolve(&ask(&["fe1.contoso.example"])).await;
    let once = server.questions();
    names.resolve(&ask(&["fe1.contoso.example"])).await;
    assert_eq!((once, server.questions()), (2, 4));
}

#[tokio::test]
async fn p3_without_a_resolver_every_name_is_unknown() {
    let said = resolvers_say(&[], &["fe1.contoso.example", "fe2.contoso.example"]).await;
    assert_eq!(said.answers.len(), 2);
    assert!(said.answers.iter().all(|answer| answer.records.why_unknown().is_some()));
}

#[tokio::test]
async fn an_authoritative_server_that_disagrees_is_heard() {
    let guide = ZoneServer::start(ZONE).await;
    let authority = ZoneServer::start(&ZONE.replace("192.0.2.13", "192.0.2.29")).await;
    let names = asking(&[guide.address], authority.address.port());
    let said = names.resolve(&ask(&["pool01.contoso.example", "gone.contoso.example"])).await;
    let from_authority: Vec<_> = said.answers.iter().filter(|answer| answer.resolver == authority.address).collect();
    assert_eq!(from_authority.len(), 2, "{said:?}");
    assert_eq!(*known(from_authority[0]), AddressRecords::default(), "gone.contoso.example");
    assert!(known(from_authority[1]).addresses.contains(&"192.0.2.29".parse().unwrap()));
}

#[tokio::test]
async fn an_authoritative_server_has_no_answer_for_an_alias_out_of_its_zones() {
    let zone = ZoneServer::start(ZONE).await;
    let guide = ZoneServer::start(ZONE).await;
    let names = asking(&[guide.address], zone.address.port());
    let said = names.resolve(&ask(&["away.contoso.example", "fe1.contoso.example"])).await;
    let authority: Vec<_> = said.answers.iter().filter(|answer| answer.resolver == zone.address).collect();
    assert_eq!(authority.len(), 1, "{said:?}");
    assert_eq!(authority[0].name, name("fe1.contoso.example"));
}

#[tokio::test]
async fn an_authoritative_server_that_cannot_be_reached_adds_nothing() {
    let guide = ZoneServer::start(ZONE).await;
    let silent = Scripted::start(|_| None).await;
    let lame = Scripted::start(|question| Some(reply(question, ResponseCode::Refused))).await;
    for authority in [&silent, &lame] {
        let names = asking(&[guide.address], authority.address.port());
        let said = names.resolve(&ask(&["fe1.contoso.example"])).await;
        assert_eq!(only(said).resolver, guide.address);
        assert!(authority.questions() > 0, "it was tried");
    }
}

#[tokio::test]
async fn skipped_authorities_are_sent_nothing() {
    let guide = ZoneServer::start(ZONE).await;
    let authority = Scripted::start(|_| None).await;
    let names = asking(&[guide.address], authority.address.port()).with_authorities(Authorities::Skip);
    let said = names.resolve(&ask(&["fe1.contoso.example"])).await;
    assert_eq!(said.answers.len(), 1);
    assert_eq!(authority.questions(), 0);
}

#[tokio::test]
async fn the_servers_of_a_registry_are_not_told_internal_names() {
    let registry = "
        $ORIGIN example.
        @ 3600 IN SOA ns1 hostmaster 1 7200 900 1209600 60
        @ 3600 IN NS ns1
        ns1 3600 IN A 127.0.0.1
    ";
    let guide = ZoneServer::start(registry).await;
    let authority = Scripted::start(|_| None).await;
    let names = asking(&[guide.address], authority.address.port());
    let said = names.resolve(&ask(&["fe1.contoso.example"])).await;
    assert_eq!(*known(&only(said)), AddressRecords::default());
    assert_eq!(authority.questions(), 0);
}

#[tokio::test]
async fn the_driver_conforms() {
    let resolver = ZoneServer::start(ZONE).await;
    let authority = ZoneServer::start(ZONE).await;
    let exists = |text: &str, found: &[&str], alias: Option<&str>| {
        let addresses = addresses(found).into_iter().collect();
        (name(text), NameExpectation { addresses, alias: alias.map(name) })
    };
    let expected = NamesExpectation {
        names: BTreeMap::from([
            exists("fe1.contoso.example", &["192.0.2.11"], None),
            exists("webint.contoso.example", &["192.0.2.10"], Some("balancer.contoso.example")),
        ]),
        absent: name("gone.contoso.example"),
    };
    let waiting = Waiting::new(Clock::real(), SignedDuration::from_secs(30));
    let names = asking(&[resolver.address], authority.address.port());
    let mut broken = conformance::names(&names, &expected, &waiting).await;
    let silent = Scripted::start(|_| None).await;
    let nowhere = impatient(&[silent.address], SHORT);
    broken.extend(conformance::names_unreachable(&nowhere, &name("fe1.contoso.example"), &waiting).await);
    assert!(broken.is_empty(), "{}", conformance::report(&broken));
}
