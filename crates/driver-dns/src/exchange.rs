//! One question to one server: over UDP, and over TCP when the answer does not fit.

use crate::seats::{Seats, Unanswered};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsHandle, DnsRequestSender, FirstAnswer};
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Most times one question is sent over UDP, which may lose it. All sends share one time limit.
const SENDS: u8 = 3;

/// How a server is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// How long it gets, for UDP and for TCP each.
    limit: Duration,
    /// What is expected of it.
    pub(crate) duty: Duty,
}

/// What is expected of a server that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// It finds the answer wherever it is.
    Recursive,
    /// It answers only from its own zones, with authority.
    Authoritative,
}

impl Manner {
    /// Returns the manner in which a resolver is asked.
    pub(crate) fn recursive(limit: Duration) -> Self {
        Self { limit, duty: Duty::Recursive }
    }

    /// Returns the manner in which an authoritative server is asked.
    pub(crate) fn authoritative(limit: Duration) -> Self {
        Self { limit, duty: Duty::Authoritative }
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, Error)]
pub(crate) enum ExchangeError {
    /// Nothing came back in time.
    #[error("no answer within {} s", .limit.as_secs_f64())]
    Silent { limit: Duration },
    /// So many others had no answer just now that this one was not sent.
    #[error("not asked, since {questions} questions before it had no answer within {} s each", .limit.as_secs_f64())]
    Given { questions: usize, limit: Duration },
    /// The question could not be put, or the answer was not a DNS message.
    #[error("the question over {over} failed: {reason}")]
    Broken { over: &'static str, reason: String },
    /// The answer over UDP was cut short, and over TCP there was none.
    #[error("the answer was too long for UDP, and TCP gave none: {reason}")]
    OnlyTruncated { reason: Box<Self> },
    /// Even over TCP the answer was cut short.
    #[error("the answer was cut short over TCP")]
    TruncatedOverTcp,
    /// The answer belongs to another question.
    #[error("the answer was to another question")]
    OtherQuestion,
}

/// Asks `server` one question when its turn has come, and returns its answer, whatever the answer says.
pub(crate) async fn ask(
    seats: &Seats,
    (server, manner): (SocketAddr, Manner),
    name: &Name,
    kind: RecordType,
) -> Result<DnsResponse, ExchangeError> {
    let put = ask_now(server, manner, name, kind);
    let is_silent = |outcome: &Result<_, ExchangeError>| matches!(outcome, Err(ExchangeError::Silent { .. }));
    match seats.ask(server, manner.limit, put, is_silent).await {
        Ok(outcome) => outcome,
        Err(Unanswered(questions)) => Err(ExchangeError::Given { questions, limit: manner.limit }),
    }
}

async fn ask_now(
    server: SocketAddr,
    manner: Manner,
    name: &Name,
    kind: RecordType,
) -> Result<DnsResponse, ExchangeError> {
    let query = Query::query(name.clone(), kind);
    let response = over_udp(server, manner, &query).await?;
    let response = if response.metadata.truncation {
        let complete = over_tcp(server, manner, &query).await;
        complete.map_err(|reason| ExchangeError::OnlyTruncated { reason: Box::new(reason) })?
    } else {
        response
    };
    if response.metadata.truncation {
        return Err(ExchangeError::TruncatedOverTcp);
    }
    if response.queries != [query] {
        return Err(ExchangeError::OtherQuestion);
    }
    Ok(response)
}

fn request(manner: Manner, query: &Query) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    // Without EDNS every server ever deployed understands the question. The largest pool's addresses still fit into
    // 512 bytes, and TCP takes what does not.
    options.use_edns = false;
    options.recursion_desired = manner.duty == Duty::Recursive;
    options.retry_interval = manner.limit / (u32::from(SENDS) + 1);
    DnsRequest::from_query(query.clone(), options)
}

async fn over_udp(server: SocketAddr, manner: Manner, query: &Query) -> Result<DnsResponse, ExchangeError> {
    let mut stream = UdpClientStream::builder(server, TokioRuntimeProvider::default())
        .with_timeout(Some(manner.limit))
        .with_max_retries(SENDS)
        .with_retry_interval_floor(1)
        .build();
    let answer = stream.send_message(request(manner, query)).first_answer();
    within(manner.limit, "UDP", answer).await
}

async fn over_tcp(server: SocketAddr, manner: Manner, query: &Query) -> Result<DnsResponse, ExchangeError> {
    let answer = async {
        // The provider owns the connection's background work, which ends when the last clone is dropped.
        let provider = TokioRuntimeProvider::default();
        let exchange = TcpClientStream::exchange(server, None, manner.limit, None, provider.clone()).await?;
        exchange.send(request(manner, query)).first_answer().await
    };
    within(manner.limit, "TCP", answer).await
}

async fn within(
    limit: Duration,
    over: &'static str,
    answer: impl Future<Output = Result<DnsResponse, NetError>>,
) -> Result<DnsResponse, ExchangeError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(response)) => Ok(response),
        Err(_elapsed) => Err(ExchangeError::Silent { limit }),
        Ok(Err(NetError::Timeout)) => Err(ExchangeError::Silent { limit }),
        Ok(Err(error)) => Err(ExchangeError::Broken { over, reason: error.to_string() }),
    }
}
