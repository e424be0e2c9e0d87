//! One TCP and TLS connection that we own, with HTTP/1.1 on it.
//!
//! There is no pool: a connection is opened for one client, and requests go over it one after the other.

use crate::auth::{Logon, Session};
use crate::config::{Endpoint, Timeouts};
use crate::error::{Cause, NotSent, Unresolved};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, body::Incoming, header};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::{AlertDescription, ClientConfig, ProtocolVersion};
use rustls_pki_types::ServerName;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What is needed to open a connection.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: ServerName<'static>,
    /// How TLS is made, where there is TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) most_bytes: usize,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    certificate: Option<Vec<u8>>,
    agreed: Option<String>,
    /// What became of proving who we are on it, and with which login.
    pub(crate) session: Option<(u64, Session)>,
    /// How we were let in on it, once we were.
    pub(crate) logon: Option<Logon>,
}

/// What a connection runs on.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) offers: Vec<String>,
    /// What the server's clock says.
    pub(crate) date: Option<Timestamp>,
    pub(crate) body: Bytes,
}

impl Raw {
    /// Returns whether there is a message in the answer, as opposed to a page of the HTTP service.
    pub(crate) fn is_soap(&self) -> bool {
        let kind = self.content_type.as_deref().unwrap_or_default();
        !self.body.is_empty() && kind.to_ascii_lowercase().starts_with("application/soap+xml")
    }
}

/// Connects to where an endpoint is. Its name is looked up anew each time: a server may have moved.
async fn connected(endpoint: &Endpoint) -> std::io::Result<TcpStream> {
    let address = &endpoint.connect_to;
    let named = address.rsplit_once(':').filter(|_| address.parse::<SocketAddr>().is_err());
    let (Some(names), Some((host, port))) = (&endpoint.names, named) else { return TcpStream::connect(address).await };
    let port: u16 = port.parse().map_err(std::io::Error::other)?;
    let found = names.addresses(host).await.map_err(std::io::Error::other)?;
    let found: Vec<SocketAddr> = found.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    TcpStream::connect(found.as_slice()).await
}

impl Connection {
    /// Opens a connection. Nothing of a request is sent before the server has proven who it is.
    pub(crate) async fn open(dial: &Dial) -> Result<Self, NotSent> {
        let address = dial.endpoint.connect_to.clone();
        let limit = dial.timeouts.connect;
        let tcp = match timeout(limit, connected(&dial.endpoint)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(NotSent::Connect { address, error }),
            Err(_elapsed) => return Err(NotSent::ConnectTimeout { address, limit }),
        };
        // Requests are single small writes: waiting to fill a packet would cost 40 ms each.
        tcp.set_nodelay(true).map_err(|error| NotSent::Connect { address: address.clone(), error })?;
        let handshake = async {
            let (stream, shown) = secured(dial, tcp).await?;
            let http = http1::handshake(TokioIo::new(stream)).await;
            let (sender, connection) = http.map_err(|error| NotSent::Closed(error.to_string()))?;
            Ok((sender, connection, shown))
        };
        let limit = dial.timeouts.handshake;
        let (sender, connection, shown) = timeout(limit, handshake).await.map_err(|_elapsed| {
            let reason = format!("it was not over within {} s", limit.as_secs_f32());
            NotSent::Handshake { address: address.clone(), reason }
        })??;
        let driver = tokio::spawn(async move {
            // What ends a connection is told to the request that is on it; afterwards nobody is interested.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "connection ended");
            }
        });
        let Secured { certificate, agreed } = shown;
        Ok(Self { sender, driver, certificate, agreed, session: None, logon: None })
    }

    /// Returns the certificate that the server has shown, where there is TLS.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Returns the version and the cipher suite that were agreed on, where there is TLS.
    pub(crate) fn agreed(&self) -> Option<&str> {
        self.agreed.as_deref()
    }

    /// Returns whether another request can be tried on the connection.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed() && !self.driver.is_finished()
    }

    /// Sends one request and returns the answer. After an error, or when this is cancelled, the connection is of no
    /// further use: a late answer would be taken for that of the next request.
    pub(crate) async fn exchange(&mut self, dial: &Dial, request: Request<Full<Bytes>>) -> Result<Raw, Cause> {
        let limit = dial.timeouts.answer();
        match timeout(limit, self.exchange_unlimited(dial, request)).await {
            Ok(done) => done,
            Err(_elapsed) => Err(Cause::Unresolved(Unresolved::Timeout(limit))),
        }
    }

    async fn exchange_unlimited(&mut self, dial: &Dial, request: Request<Full<Bytes>>) -> Result<Raw, Cause> {
        let closed = |error: &hyper::Error| Cause::NotSent(NotSent::Closed(chain(error)));
        self.sender.ready().await.map_err(|error| closed(&error))?;
        let response = self.sender.try_send_request(request).await.map_err(|mut failed| {
            // The request comes back only if not a byte of it was written.
            match failed.take_message() {
                Some(_unsent) => closed(failed.error()),
                None => Cause::Unresolved(Unresolved::Lost(chain(failed.error()))),
            }
        })?;
        read(response, dial.most_bytes).await
    }
}

/// What TLS has shown, where there is TLS.
#[derive(Default)]
struct Secured {
    /// The certificate of the server.
    certificate: Option<Vec<u8>>,
    /// Version and cipher suite.
    agreed: Option<String>,
}

/// Returns what the connection runs on.
async fn secured(dial: &Dial, tcp: TcpStream) -> Result<(Box<dyn Stream>, Secured), NotSent> {
    let Some(tls) = &dial.tls else { return Ok((Box::new(tcp), Secured::default())) };
    let tls = TlsConnector::from(tls.clone()).connect(dial.name.clone(), tcp).await;
    let tls = tls.map_err(|error| no_tls(dial.endpoint.connect_to.clone(), &error))?;
    let certificate = tls.get_ref().1.peer_certificates().and_then(|shown| shown.first());
    let certificate = certificate.map(|certificate| certificate.to_vec());
    let agreed = match (tls.get_ref().1.protocol_version(), tls.get_ref().1.negotiated_cipher_suite()) {
        (Some(version), Some(suite)) => {
            let version = if version == ProtocolVersion::TLSv1_3 { "TLS 1.3" } else { "TLS 1.2" };
            Some(format!("{version}, {:?}", suite.suite()))
        }
        (_, _) => None,
    };
    Ok((Box::new(tls), Secured { certificate, agreed }))
}

/// What to do when there is no cipher suite that both sides have. Schannel before Windows Server 2016 has forward secrecy
/// with authenticated encryption only for certificates with an elliptic key.
const OTHER_KEY: &str = "Windows Server 2012 R2 and older have no cipher suite in common with this program when the \
                         certificate of the WinRM listener has an RSA key; give the listener one with an ECDSA P-256 key";

/// Returns why there is no TLS, and whether there may be the next time.
fn no_tls(address: String, error: &std::io::Error) -> NotSent {
    let said = crate::text::plain(&one_error(error));
    let by_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (by_tls, error.kind()) {
        (Some(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)), _) => {
            NotSent::Tls { address, reason: format!("{said}. {OTHER_KEY}") }
        }
        (Some(_), _) => NotSent::Tls { address, reason: said },
        // Schannel often closes the connection where others would send an alert.
        (None, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => {
            let reason = format!("{said}. The server may be starting. If it stays like this: {OTHER_KEY}");
            NotSent::Handshake { address, reason }
        }
        (None, _) => NotSent::Handshake { address, reason: said },
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn read(response: Response<Incoming>, most_bytes: usize) -> Result<Raw, Cause> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let text = |value: &header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(text);
    let date = headers.get(header::DATE).and_then(text);
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok()).map(|date| date.timestamp());
    let offers = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(text).collect();
    let body = Limited::new(response.into_body(), most_bytes).collect().await.map_err(|error| {
        Cause::Unresolved(match error.downcast::<LengthLimitError>() {
            Ok(_too_long) => Unresolved::TooLarge(most_bytes),
            Err(error) => Unresolved::Lost(chain(&*error)),
        })
    })?;
    Ok(Raw { status, content_type, offers, date, body: body.to_bytes() })
}

/// Returns what one error says. Of a connection that ends without a goodbye the TLS library says so with the address of a
/// page for programmers.
fn one_error(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) if io.kind() == ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        Some(_) | None => error.to_string(),
    }
}

/// Returns an error with what is behind it, on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = one_error(error);
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {}", one_error(inner));
        source = inner.source();
    }
    crate::text::plain(&text)
}
