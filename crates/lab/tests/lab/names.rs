//! The lab's name server.

use crate::common::{change, lab};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use orchestrate_lab::{Lab, LabConfig};
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{Change, DnsName, ExternalUse, Role};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn over_udp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&question(name, kind), server).await.unwrap();
    let mut answer = [0; 4_096];
    let (length, from) = socket.recv_from(&mut answer).await.unwrap();
    assert_eq!(from, server);
    Message::from_vec(&answer[..length]).unwrap()
}

async fn over_tcp(server: SocketAddr, name: &str) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let question = question(name, RecordType::A);
    stream.write_u16(question.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&question).await.unwrap();
    let length = stream.read_u16().await.unwrap();
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

fn addresses(message: &Message) -> BTreeSet<String> {
    let found = message.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(address.0.to_string()),
        _ => None,
    });
    found.collect()
}

#[tokio::test]
async fn the_zone_has_the_pool_its_servers_and_its_web_name() {
    let lab = lab("{load: {factor: 0}, dns: {ttl_s: 60}}", 1.0).await;
    let server = lab.directory().dns;
    let pool = over_udp(server, "POOL01.contoso.example.", RecordType::A).await;
    assert_eq!(addresses(&pool), ["192.0.2.11", "192.0.2.12", "192.0.2.13"].map(str::to_owned).into());
    assert!(pool.answers.iter().all(|record| record.ttl == 60));
    assert_eq!(addresses(&over_tcp(server, "fe2.contoso.example.").await), ["192.0.2.12".to_owned()].into());
    let web = over_udp(server, "webint.contoso.example.", RecordType::A).await;
    assert_eq!(web.answers.len(), 1, "the balancer's address, none of a server");
    let six = over_udp(server, "fe2.contoso.example.", RecordType::AAAA).await;
    assert_eq!((six.metadata.response_code, six.answers.len()), (ResponseCode::NoError, 0));
    let none = over_udp(server, "fe9.contoso.example.", RecordType::A).await;
    assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn a_scenario_adds_removes_and_redirects_records() {
    let scenario = "{load: {factor: 0}, dns: {records: {pool01.contoso.example: [192.0.2.11, 192.0.2.29],
        fe3.contoso.example: []}, omit: [192.0.2.12], aliases: {webint.contoso.example: vip.contoso.example}}}";
    let lab = lab(scenario, 1.0).await;
    let server = lab.directory().dns;
    let pool = over_udp(server, "pool01.contoso.example.", RecordType::A).await;
    assert_eq!(addresses(&pool), ["192.0.2.11", "192.0.2.29"].map(str::to_owned).into());
    let gone = over_udp(server, "fe3.contoso.example.", RecordType::A).await;
    assert_eq!(gone.metadata.response_code, ResponseCode::NXDomain);
    assert!(addresses(&over_udp(server, "fe2.contoso.example.", RecordType::A).await).is_empty());
    let alias = over_udp(server, "webint.contoso.example.", RecordType::A).await;
    assert_eq!(alias.answers[0].data.record_type(), RecordType::CNAME);
}

#[tokio::test]
async fn a_scenario_makes_the_name_server_fail() {
    let lab = lab("{load: {factor: 0}, dns: {answer: server-failure}}", 1.0).await;
    let answer = over_udp(lab.directory().dns, "pool01.contoso.example.", RecordType::A).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn the_external_names_of_an_edge_pool_list_every_server_or_lead_to_a_balancer() {
    let name = DnsName::new("sip.contoso.example").unwrap();
    let mut change = change();
    let pool = &mut change.pools[0];
    pool.role = Role::Edge;
    pool.load_balancing.external = [(ExternalUse::Access, name.clone()), (ExternalUse::WebConferencing, name)].into();
    for (number, server) in (1..).zip(&mut pool.servers) {
        let own: Vec<IpAddr> = vec![IpAddr::from([203, 0, 113, number])];
        server.external = [(ExternalUse::Access, own.clone()), (ExternalUse::WebConferencing, own)].into();
    }
    let ask = async |change: &Change, records: &str| {
        let scenario = serde_saphyr::from_str(&format!("{{load: {{factor: 0}}, dns: {{{records}}}}}")).unwrap();
        let lab = Lab::start(LabConfig { scenario, ..LabConfig::new(change.clone()) }).await.unwrap();
        addresses(&over_udp(lab.directory().dns, "sip.contoso.example.", RecordType::A).await)
    };
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ask(&change, "").await, list(&["203.0.113.1", "203.0.113.2", "203.0.113.3"]));
    assert_eq!(ask(&change, "omit: [203.0.113.2]").await, list(&["203.0.113.1", "203.0.113.3"]));
    let broken = ask(&change, "records: {sip.contoso.example: [203.0.113.1, 203.0.113.9]}").await;
    assert_eq!(broken, list(&["203.0.113.1", "203.0.113.9"]));
    change.pools[0].load_balancing.sip = SipBalancing::Hardware;
    let balancer = ask(&change, "").await;
    assert_eq!(balancer.len(), 1);
    assert!(balancer.iter().all(|address| !address.starts_with("203.0.113.")), "{balancer:?}");
}
