//! The name server of a lab: the pools' zone on loopback, UDP and TCP.

use crate::LabError;
use crate::scenario::DnsBehaviour;
use crate::shared::Shared;
use hickory_proto::op::{MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};

/// How often a pair of ports is tried before giving up.
const TRIES: usize = 20;

/// Idle TCP connections are closed after this time.
const IDLE: Duration = Duration::from_secs(10);

/// Answers that may wait on one TCP connection.
const WAITING: usize = 32;

struct Zone {
    shared: Arc<Shared>,
    /// Turns the records a little further with each answer, as name servers do.
    turn: AtomicUsize,
}

/// Opens the name server and returns where it listens.
pub(crate) async fn open(shared: Arc<Shared>) -> Result<(Server<impl RequestHandler>, SocketAddr), LabError> {
    let (tcp, udp, address) = bind_both().await.map_err(LabError::Listen)?;
    let mut server = Server::new(Zone { shared, turn: AtomicUsize::new(0) });
    server.register_socket(udp);
    server.register_listener(tcp, IDLE, WAITING);
    Ok((server, address))
}

async fn bind_both() -> std::io::Result<(TcpListener, UdpSocket, SocketAddr)> {
    let mut last = None;
    for _ in 0..TRIES {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((tcp, udp, address)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("no port is free for both TCP and UDP")))
}

struct Found {
    code: ResponseCode,
    records: Vec<Record>,
}

impl Zone {
    fn find(&self, name: &Name, kind: RecordType) -> Found {
        let asked = name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        self.shared.with(|state| {
            let dns = &state.world.scenario.dns;
            let code = match dns.answer {
                DnsBehaviour::Normal => ResponseCode::NoError,
                DnsBehaviour::ServerFailure => ResponseCode::ServFail,
                DnsBehaviour::Refused => ResponseCode::Refused,
            };
            if code != ResponseCode::NoError {
                return Found { code, records: Vec::new() };
            }
            let mut records = Vec::new();
            let alias = dns.aliases.iter().find(|(from, _)| from.trim_end_matches('.').eq_ignore_ascii_case(&asked));
            let target = alias.map(|(_, to)| to.trim_end_matches('.').to_ascii_lowercase());
            let mut owner = name.clone();
            if let Some(target) = target.as_deref().and_then(|target| Name::from_str(&format!("{target}.")).ok()) {
                records.push(Record::from_rdata(owner.clone(), dns.ttl_s, RData::CNAME(CNAME(target.clone()))));
                owner = target;
            }
            if kind == RecordType::SRV {
                return services_of(name, state.world.services.get(&asked).map(Vec::as_slice), dns.ttl_s);
            }
            let addresses = state.world.zone.get(target.as_deref().unwrap_or(&asked));
            if addresses.is_none() && records.is_empty() {
                return Found { code: ResponseCode::NXDomain, records };
            }
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let found = addresses.map(Vec::as_slice).unwrap_or_default();
            for position in 0..found.len() {
                let address = found[(position + turn) % found.len()];
                let data = match address {
                    IpAddr::V4(v4) if kind == RecordType::A => RData::A(A(v4)),
                    IpAddr::V6(v6) if kind == RecordType::AAAA => RData::AAAA(AAAA(v6)),
                    IpAddr::V4(_) | IpAddr::V6(_) => continue,
                };
                records.push(Record::from_rdata(owner.clone(), dns.ttl_s, data));
            }
            Found { code, records }
        })
    }
}

/// The service records of a name: hosts of one priority and weight, on the port that SIP over TLS has.
fn services_of(name: &Name, hosts: Option<&[String]>, ttl_s: u32) -> Found {
    let Some(hosts) = hosts else { return Found { code: ResponseCode::NXDomain, records: Vec::new() } };
    let targets = hosts.iter().filter_map(|host| Name::from_str(&format!("{host}.")).ok());
    let records =
        targets.map(|target| Record::from_rdata(name.clone(), ttl_s, RData::SRV(SRV::new(0, 0, 5061, target))));
    Found { code: ResponseCode::NoError, records: records.collect() }
}

#[async_trait::async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut to: R) -> ResponseInfo {
        let builder = MessageResponseBuilder::from_message_request(request);
        let found = match request.request_info() {
            Ok(asked) if asked.metadata.op_code == OpCode::Query => {
                self.find(asked.query.original().name(), asked.query.query_type())
            }
            Ok(_) => Found { code: ResponseCode::NotImp, records: Vec::new() },
            Err(_no_single_question) => Found { code: ResponseCode::FormErr, records: Vec::new() },
        };
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        metadata.response_code = found.code;
        metadata.message_type = MessageType::Response;
        let response = builder.build(metadata, found.records.iter(), [], [], []);
        match to.send_response(response).await {
            Ok(sent) => sent,
            Err(error) => {
                tracing::debug!(%error, "the answer of the name server could not be sent");
                let counts = hickory_proto::op::HeaderCounts::default();
                ResponseInfo::from(hickory_proto::op::Header { metadata, counts })
            }
        }
    }
}
