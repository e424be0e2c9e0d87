//! Many pools at once.

use super::servers::{Scripted, reply};
use super::{SHORT, impatient, name};
use futures::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use orchestrate_driver::Resolve;
use orchestrate_driver::limits::QUESTIONS_PER_NAME_SERVER;
use orchestrate_model::PoolName;
use orchestrate_model::observe::DnsAsk;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

/// How long the name server of these tests takes over a question.
const TAKES: Duration = Duration::from_millis(25);

/// The questions of a pool with this many names.
fn pool(number: usize, names: usize) -> DnsAsk {
    DnsAsk {
        pool: PoolName::new(&format!("pool{number}.contoso.example")).unwrap(),
        names: (0..names).map(|at| name(&format!("fe{at}.pool{number}.contoso.example"))).collect(),
        external: Vec::new(),
    }
}

/// A name server that loses what it gets beyond so many questions at once, as one does whose queue is full.
async fn easily_drowned(most: usize) -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let address = socket.local_addr().unwrap();
    let open: Arc<Mutex<BTreeSet<(SocketAddr, u16)>>> = Arc::default();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let key = (client, question.metadata.id);
            {
                let mut open = open.lock().unwrap();
                if open.len() >= most || !open.insert(key) {
                    continue;
                }
            }
            let (socket, open) = (socket.clone(), open.clone());
            tokio::spawn(async move {
                sleep(TAKES).await;
                open.lock().unwrap().remove(&key);
                socket.send_to(&reply(&question, ResponseCode::NXDomain).to_vec().unwrap(), client).await.unwrap();
            });
        }
    });
    address
}

#[tokio::test]
async fn two_hundred_pools_at_once_do_not_drown_a_name_server() {
    let server = easily_drowned(QUESTIONS_PER_NAME_SERVER + 8).await;
    // All of it takes a second and a half, far longer than any one question may.
    let names = impatient(&[server], Duration::from_secs(1));
    let asks: Vec<DnsAsk> = (0..200).map(|number| pool(number, 7)).collect();
    let said = join_all(asks.iter().map(|ask| names.resolve(ask))).await;
    let unknown: Vec<_> = said.iter().flat_map(|said| &said.answers).filter_map(|a| a.records.why_unknown()).collect();
    assert!(unknown.is_empty(), "{} of 1,400: {}", unknown.len(), unknown[0]);
}

#[tokio::test]
async fn p3_a_name_server_that_is_silent_costs_its_limit_once_and_not_for_every_round() {
    let silent = Scripted::start(|_| None).await;
    let names = impatient(&[silent.address], SHORT);
    let before = Instant::now();
    let asks: Vec<DnsAsk> = (0..20).map(|number| pool(number, 40)).collect();
    let said = join_all(asks.iter().map(|ask| names.resolve(ask))).await;
    assert!(said.iter().flat_map(|said| &said.answers).all(|answer| answer.records.why_unknown().is_some()));
    let last = said.last().and_then(|said| said.answers.last()).and_then(|answer| answer.records.why_unknown());
    assert!(last.is_some_and(|why| why.contains("questions before it had no answer")), "{last:?}");
    // One after the other 34 rounds would take 14 s.
    assert!(before.elapsed() < SHORT * 10, "{:?}", before.elapsed());
}
