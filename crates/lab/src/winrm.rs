//! WinRM's listener on each server: TLS, HTTP, Basic, and a port that refuses while the server is down.

use crate::report::TrafficReport;
use crate::scenario::FaultEffect;
use crate::shared::{Met, Shared};
use crate::world::ServerIndex;
use crate::wsman::{Call, Caller, Fault, Reply, Request, purpose, serve, tags};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, SERVER, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The largest request in bytes, as WinRM has it by default.
const LARGEST_REQUEST: usize = 512_000;

/// How long a client may take for its part of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The size of a chunk: small, so that messages come in several.
const CHUNK: usize = 97;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 256;

/// A connection is closed without an answer, as the scenario wants it.
#[derive(Debug, Error)]
#[error("the lab dropped the connection")]
struct Dropped;

/// A port of a server, held all the time so that nobody else gets it.
pub(crate) enum Port {
    /// Connections are refused.
    Refusing(TcpSocket),
    /// Connections are taken.
    Listening(TcpListener),
}

impl Port {
    /// Takes hold of a port on loopback without listening to it; 0 means any.
    pub(crate) fn reserve(port: u16) -> std::io::Result<(Self, SocketAddr)> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let address = socket.local_addr()?;
        Ok((Self::Refusing(socket), address))
    }

    /// Begins to listen.
    pub(crate) fn listen(self) -> std::io::Result<Self> {
        match self {
            Self::Refusing(socket) => socket.listen(BACKLOG).map(Self::Listening),
            Self::Listening(listener) => Ok(Self::Listening(listener)),
        }
    }
}

/// One server's listener.
pub(crate) struct Listener {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: ServerIndex,
    pub(crate) address: SocketAddr,
    pub(crate) acceptor: TlsAcceptor,
}

impl Listener {
    /// Serves until the lab ends: listens while the server answers, refuses while it does not.
    pub(crate) async fn run(self, port: Port) {
        let mut answering = self.shared.answering(self.server);
        let mut port = Some(port);
        loop {
            let up = *answering.borrow_and_update();
            let held = match port.take() {
                Some(held) => held,
                None => self.take_hold().await,
            };
            let ready = if up { held.listen() } else { Ok(held) };
            match ready {
                Ok(Port::Listening(listener)) if up => self.accept(&listener, &mut answering).await,
                Ok(held) => {
                    port = Some(held);
                    if answering.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, address = %self.address, "the port cannot be listened to"),
            }
        }
    }

    /// Takes hold of the port again after its listener is gone.
    async fn take_hold(&self) -> Port {
        loop {
            match Port::reserve(self.address.port()) {
                Ok((port, _)) => return port,
                Err(error) => {
                    tracing::debug!(%error, address = %self.address, "the port is not free yet");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// Takes connections until the server goes down; then every one of them dies.
    async fn accept(&self, listener: &TcpListener, answering: &mut watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                changed = answering.changed() => {
                    if changed.is_err() || !*answering.borrow_and_update() {
                        return;
                    }
                }
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        let connection = connection(self.shared.clone(), self.server, self.acceptor.clone(), stream);
                        connections.spawn(connection);
                    }
                }
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::warn!(%error, "a connection of the lab failed");
                    }
                }
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, server: ServerIndex, acceptor: TlsAcceptor, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(error) => {
            tracing::debug!(%error, "TLS handshake took too long");
            return;
        }
    };
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move {
            let mut answer = handle(&shared, server, request).await?;
            let now = shared.with(|state| state.world.clock_of(server));
            let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok();
            if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
                answer.headers_mut().insert(DATE, date);
            }
            Ok::<_, Dropped>(answer)
        }
    });
    // The time is that of the server, and not of this machine.
    let mut http = hyper::server::conn::http1::Builder::new();
    let served = http.auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

type Answer = Response<Sent>;

/// What is sent back: in one piece with its length, or in chunks.
#[derive(Debug)]
struct Sent {
    pieces: VecDeque<Bytes>,
    length: Length,
}

/// Whether the length of an answer is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Stated,
    Open,
}

impl Sent {
    fn whole(body: Bytes) -> Self {
        Self { pieces: [body].into_iter().filter(|piece| !piece.is_empty()).collect(), length: Length::Stated }
    }

    fn in_chunks(body: &Bytes) -> Self {
        Self { pieces: body.chunks(CHUNK).map(Bytes::copy_from_slice).collect(), length: Length::Open }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let left: usize = self.pieces.iter().map(Bytes::len).sum();
        match self.length {
            Length::Stated => SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX)),
            Length::Open => SizeHint::default(),
        }
    }
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Sent::whole(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(SERVER, HeaderValue::from_static("orchestrate-lab"));
    answer
}

fn soap(status: u16, body: String) -> Answer {
    let mut answer = plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/soap+xml;charset=UTF-8"));
    answer
}

fn chunked(status: u16, body: String) -> Answer {
    let answer = soap(status, String::new());
    answer.map(|_empty| Sent::in_chunks(&Bytes::from(body)))
}

fn wide(status: u16, body: &str) -> Answer {
    let bytes: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut answer = soap(status, String::new()).map(|_empty| Sent::whole(bytes.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/soap+xml;charset=UTF-16"));
    answer
}

/// An envelope that is easy to write and hard to read.
fn hostile() -> String {
    let declared: String = (0..1_000).map(|number| format!(" xmlns:n{number}=\"urn:{number}\"")).collect();
    let elements = "<n999:x xmlns:m=\"urn:m\"/>".repeat(20_000);
    let soap = "http://www.w3.org/2003/05/soap-envelope";
    format!("<s:Envelope xmlns:s=\"{soap}\"{declared}><s:Body>{elements}</s:Body></s:Envelope>")
}

fn unauthorised() -> Answer {
    let mut answer = plain(StatusCode::UNAUTHORIZED, "");
    for offer in ["Negotiate", "Basic realm=\"WSMAN\""] {
        answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(offer));
    }
    answer
}

fn caller(shared: &Shared, request: &hyper::Request<Incoming>) -> Option<Caller> {
    if request
        .headers()
        .get("WSMANIDENTIFY")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"unauthenticated"))
    {
        return Some(Caller::Anonymous);
    }
    let given = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    let decoded = STANDARD.decode(token.trim()).ok()?;
    let wanted = format!("{}:{}", shared.user, shared.password);
    (scheme.eq_ignore_ascii_case("basic") && decoded == wanted.as_bytes()).then_some(Caller::Known)
}

async fn handle(shared: &Shared, server: ServerIndex, request: hyper::Request<Incoming>) -> Result<Answer, Dropped> {
    if request.uri().path() != "/wsman" {
        return Ok(plain(StatusCode::NOT_FOUND, ""));
    }
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, ""));
    }
    let Some(caller) = caller(shared, &request) else { return Ok(unauthorised()) };
    if request.body().size_hint().exact().is_none() {
        return Ok(plain(StatusCode::LENGTH_REQUIRED, ""));
    }
    let encoding = Encoding::stated(&request);
    let body = match Limited::new(request.into_body(), LARGEST_REQUEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, ""));
        }
        Err(_connection_lost) => return Err(Dropped),
    };
    note(shared, server, |traffic| {
        traffic.requests += 1;
        traffic.bytes += length(body.len());
    });
    let parsed = encoding.decode(&body).and_then(|text| Request::parse(&text));
    match parsed {
        Ok(request) => exchange(shared, server, caller, request).await,
        Err(fault) => Ok(soap(500, fault.envelope("", ""))),
    }
}

/// How the text of a message is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    fn stated(request: &hyper::Request<Incoming>) -> Self {
        let stated = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if stated.to_ascii_lowercase().contains("utf-16") { Self::Utf16 } else { Self::Utf8 }
    }

    fn decode(self, body: &[u8]) -> Result<String, Fault> {
        let decoded = match self {
            Self::Utf8 => String::from_utf8(body.to_vec()).ok(),
            Self::Utf16 => {
                let units: Vec<u16> = body.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                String::from_utf16(&units).ok()
            }
        };
        decoded.ok_or_else(|| Fault::schema("The message is not in the encoding that its header states."))
    }
}

/// Answers one message, and does to it what the scenario wants.
async fn exchange(
    shared: &Shared,
    server: ServerIndex,
    caller: Caller,
    mut request: Request,
) -> Result<Answer, Dropped> {
    let (arrived, met) = shared.with(|state| {
        let tags = tags(&state.hosts[server], &request);
        *state.hosts[server].asked.entry(purpose(&request, &tags)).or_default() += 1;
        (state.world.now(), state.meet(server, &tags))
    });
    let effect = met.map(|met| met.effect);
    match effect {
        Some(FaultEffect::DropBefore) => return Err(Dropped),
        Some(FaultEffect::Unauthorised) => return Ok(unauthorised()),
        Some(FaultEffect::AccessDenied) => {
            return Ok(soap(500, Fault::access_denied().envelope(&request.message_id, "")));
        }
        Some(FaultEffect::Quota) => return Ok(soap(500, Fault::too_many_shells().envelope(&request.message_id, ""))),
        Some(FaultEffect::WrongRelatesTo) => {
            "uuid:00000000-0000-0000-0000-000000000000".clone_into(&mut request.message_id);
        }
        Some(
            FaultEffect::DropAfter
            | FaultEffect::Delay
            | FaultEffect::Garbage
            | FaultEffect::Oversized
            | FaultEffect::Hostile
            | FaultEffect::Chunked
            | FaultEffect::Utf16
            | FaultEffect::ReturnValue,
        )
        | None => {}
    }
    let return_value = met.filter(|met| met.effect == FaultEffect::ReturnValue).and_then(|met| met.value);
    let call = Call { server, arrived, request: &request, return_value, caller };
    let (status, body) = loop {
        let reply = shared.with(|state| {
            let crate::shared::State { world, hosts, .. } = state;
            serve(world, &mut hosts[server], &call)
        });
        match reply {
            Reply::Answer(status, body) => break (status, body),
            Reply::Wait(until) => shared.clock.sleep_until(until).await,
        }
    };
    note(shared, server, |traffic| traffic.bytes += length(body.len()));
    finish(shared, met, status, body).await
}

fn note(shared: &Shared, server: ServerIndex, what: impl FnOnce(&mut TrafficReport)) {
    shared.with(|state| what(&mut state.hosts[server].traffic));
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

async fn finish(shared: &Shared, met: Option<Met>, status: u16, body: String) -> Result<Answer, Dropped> {
    let Some(met) = met else { return Ok(soap(status, body)) };
    match met.effect {
        FaultEffect::DropAfter => Err(Dropped),
        FaultEffect::Delay => {
            let wait = SignedDuration::try_from_secs_f64(met.seconds).unwrap_or(SignedDuration::ZERO);
            shared.clock.sleep(wait).await;
            Ok(soap(status, body))
        }
        FaultEffect::Garbage => Ok(soap(status, "<s:Envelope \u{1}& this is no XML".to_owned())),
        FaultEffect::Chunked => Ok(chunked(status, body)),
        FaultEffect::Utf16 => Ok(wide(status, &body)),
        FaultEffect::Hostile => Ok(soap(status, hostile())),
        FaultEffect::Oversized => Ok(soap(status, format!("{body}{}", " ".repeat(8_000_000)))),
        FaultEffect::DropBefore
        | FaultEffect::Unauthorised
        | FaultEffect::AccessDenied
        | FaultEffect::Quota
        | FaultEffect::WrongRelatesTo
        | FaultEffect::ReturnValue => Ok(soap(status, body)),
    }
}
