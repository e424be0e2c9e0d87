//! External names: who is asked for them.

use super::servers::{Scripted, ZoneServer};
use super::{ZONE, addresses, asking, impatient, known, name};
use crate::Authorities;
use orchestrate_driver::Resolve;
use orchestrate_model::PoolName;
use orchestrate_model::observe::DnsAsk;
use std::time::Duration;

fn ask(names: &[&str], external: &[&str]) -> DnsAsk {
    let list = |texts: &[&str]| texts.iter().map(|text| name(text)).collect();
    DnsAsk { pool: PoolName::new("edge09.contoso.example").unwrap(), names: list(names), external: list(external) }
}

#[tokio::test]
async fn external_names_are_asked_for_at_their_own_resolvers_only() {
    let inside = ZoneServer::start(ZONE).await;
    let outside = ZoneServer::start(&ZONE.replace("192.0.2.11", "203.0.113.11")).await;
    let names = asking(&[inside.address], 9).with_authorities(Authorities::Skip);
    let ask = ask(&["fe1.contoso.example"], &["fe1.contoso.example"]);
    // The second time it is named it is asked no second time.
    let said = names.clone().with_external(vec![outside.address, outside.address]).resolve(&ask).await;
    let [own] = said.answers.as_slice() else { panic!("{said:?}") };
    assert_eq!((own.resolver, &known(own).addresses), (inside.address, &addresses(&["192.0.2.11"])));
    let [external] = said.external.as_slice() else { panic!("{said:?}") };
    assert_eq!((external.resolver, &known(external).addresses), (outside.address, &addresses(&["203.0.113.11"])));
    // Without resolvers of their own they are asked for where everything else is.
    let said = names.resolve(&ask).await;
    assert_eq!(said.external, said.answers);
}

#[tokio::test]
async fn authorities_are_asked_for_external_names_too() {
    let guide = ZoneServer::start(ZONE).await;
    let authority = ZoneServer::start(&ZONE.replace("192.0.2.11", "203.0.113.11")).await;
    let names = asking(&[], authority.address.port()).with_external(vec![guide.address]);
    let said = names.resolve(&ask(&[], &["fe1.contoso.example"])).await;
    let servers: Vec<_> = said.external.iter().map(|answer| answer.resolver).collect();
    assert_eq!(servers, [guide.address, authority.address]);
    assert_eq!(known(&said.external[1]).addresses, addresses(&["203.0.113.11"]));
}

#[tokio::test]
async fn p3_external_names_without_an_answer_are_unknown() {
    let inside = ZoneServer::start(ZONE).await;
    let silent = Scripted::start(|_| None).await;
    let names = impatient(&[inside.address], Duration::from_millis(200)).with_external(vec![silent.address]);
    let said = names.resolve(&ask(&[], &["fe1.contoso.example"])).await;
    assert_eq!(said.external.len(), 1);
    assert!(said.external[0].records.why_unknown().is_some(), "{said:?}");
    let nobody = asking(&[], 9).resolve(&ask(&["fe2.contoso.example"], &["fe1.contoso.example"])).await;
    assert!(nobody.external[0].records.why_unknown().is_some(), "{nobody:?}");
}
