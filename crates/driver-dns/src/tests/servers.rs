//! Name servers for the tests, each on a loopback port of its own.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::LowerName;
use hickory_proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Binds UDP and TCP to one free port.
async fn sockets() -> (UdpSocket, TcpListener, SocketAddr) {
    for _ in 0..50 {
        let tcp = TcpListener::bind(LOOPBACK).await.unwrap();
        let address = tcp.local_addr().unwrap();
        if let Ok(udp) = UdpSocket::bind(address).await {
            return (udp, tcp, address);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// Hickory's server with one zone.
pub(super) struct ZoneServer {
    pub(super) address: SocketAddr,
    _server: Server<Catalog>,
}

impl ZoneServer {
    /// Serves a zone file whose first line names the origin.
    pub(super) async fn start(zone: &str) -> Self {
        let (origin, records) = Parser::new(flush_left(zone), None, None).parse().unwrap();
        let zone: InMemoryZoneHandler<TokioRuntimeProvider> =
            InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny).unwrap();
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::from(origin), vec![Arc::new(zone)]);
        let mut server = Server::new(catalog);
        let (udp, tcp, address) = sockets().await;
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 32);
        Self { address, _server: server }
    }
}

/// Returns a zone file without the indent it has in these tests, which a zone file would take for a missing owner.
pub(super) fn flush_left(zone: &str) -> String {
    zone.lines().fold(String::new(), |file, line| file + line.trim() + "\n")
}

/// A server over UDP that answers what a function says. Nobody accepts on its TCP port.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    questions: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Scripted {
    pub(super) async fn start(answer: impl Fn(&Message) -> Option<Message> + Send + 'static) -> Self {
        Self::losing(0, answer).await
    }

    /// Ignores the first `lost` questions.
    pub(super) async fn losing(lost: usize, answer: impl Fn(&Message) -> Option<Message> + Send + 'static) -> Self {
        let (udp, tcp, address) = sockets().await;
        drop(tcp);
        let questions = Arc::new(AtomicUsize::new(0));
        let count = questions.clone();
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                if count.fetch_add(1, Ordering::SeqCst) < lost {
                    continue;
                }
                if let Some(answer) = answer(&question) {
                    udp.send_to(&answer.to_vec().unwrap(), client).await.unwrap();
                }
            }
        });
        Self { address, questions, serving }
    }

    /// How many questions have arrived.
    pub(super) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An empty reply to a question.
pub(super) fn reply(question: &Message, code: ResponseCode) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.response_code = code;
    answer.metadata.recursion_available = true;
    answer.add_queries(question.queries.iter().cloned());
    answer
}
