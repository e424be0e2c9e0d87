//! Service records: the addresses of all hosts that they name.

use super::servers::{Scripted, ZoneServer, reply};
use super::{ZONE, addresses, asking, known, only, resolvers_say};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record};
use orchestrate_driver::Resolve;

const NAME: &str = "_sipinternaltls._tcp.contoso.example";

/// The zone, with these service records of the name.
fn zone(records: &[&str]) -> String {
    let lines = records.iter().map(|target| format!("_sipinternaltls._tcp 90 IN SRV 0 0 5061 {target}\n"));
    lines.fold(ZONE.to_owned(), |zone, line| zone + &line)
}

#[tokio::test]
async fn a_service_record_leads_to_all_addresses_of_all_its_hosts() {
    for (targets, wanted, ttl_s) in [
        (vec!["pool01"], vec!["192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11"], 90),
        (vec!["fe1", "webint"], vec!["192.0.2.10", "192.0.2.11"], 60),
        // A host without an address, and the root, which says that there is no such service.
        (vec!["gone"], vec![], 90),
        (vec!["."], vec![], 90),
    ] {
        let server = ZoneServer::start(&zone(&targets)).await;
        let answer = only(resolvers_say(&[server.address], &[NAME]).await);
        assert_eq!(known(&answer).addresses, addresses(&wanted), "{targets:?}");
        assert_eq!(known(&answer).ttl_s, ttl_s, "{targets:?}");
    }
    let server = ZoneServer::start(ZONE).await;
    let none = only(resolvers_say(&[server.address], &[NAME]).await);
    assert_eq!(known(&none).addresses, addresses(&[]), "no such record is known, and leads nowhere");
}

#[tokio::test]
async fn an_authority_that_does_not_have_the_hosts_is_no_answer_of_its_own() {
    let guide = ZoneServer::start(&zone(&["web.fabrikam.example."])).await;
    let names = asking(&[guide.address], guide.address.port());
    let said = names.resolve(&super::ask(&[NAME])).await;
    assert_eq!(said.answers.len(), 1, "the resolver's answer alone: {said:?}");
}

#[tokio::test]
async fn p3_a_service_record_with_more_hosts_than_any_has_is_no_answer_and_one_question() {
    let server = Scripted::start(|question| {
        let asked = question.queries[0].name().clone();
        let mut answer = reply(question, ResponseCode::NoError);
        for host in 'a'..='q' {
            let target = Name::from_ascii(format!("{host}.")).unwrap();
            answer.add_answer(Record::from_rdata(asked.clone(), 30, RData::SRV(SRV::new(0, 0, 1, target))));
        }
        Some(answer)
    })
    .await;
    let answer = only(resolvers_say(&[server.address], &[NAME]).await);
    let why = answer.records.why_unknown().unwrap();
    assert!(why.contains("names 17 hosts"), "{why}");
    assert_eq!(server.questions(), 1);
}

#[tokio::test]
async fn p3_hosts_of_which_one_is_not_known_are_unknown() {
    let server = Scripted::start(|question| {
        let asked = question.queries[0].name().clone();
        if !asked.to_ascii().starts_with('_') {
            return Some(reply(question, ResponseCode::ServFail));
        }
        let mut answer = reply(question, ResponseCode::NoError);
        let target = Name::from_ascii("fe1.contoso.example.").unwrap();
        answer.add_answer(Record::from_rdata(asked, 30, RData::SRV(SRV::new(0, 0, 5061, target))));
        Some(answer)
    })
    .await;
    let answer = only(resolvers_say(&[server.address], &[NAME]).await);
    assert!(answer.records.why_unknown().unwrap().contains("SERVFAIL"), "{answer:?}");
}
