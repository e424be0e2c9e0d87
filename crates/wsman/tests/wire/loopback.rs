//! A server on loopback that answers as a test tells it to.

use orchestrate_wsman::{Auth, Client, Credentials, Endpoint, Limits, Timeouts, Transport, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// The name in the server's certificate.
pub(crate) const NAME: &str = "fe1.contoso.example";

/// The content type of every answer that states no other.
const SOAP_TYPE: &str = "Content-Type: application/soap+xml;charset=UTF-8\r\n";

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    /// Returns the text of the first element with this local name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.body).unwrap();
        let found = document.descendants().find(|node| node.tag_name().name() == name);
        found.map(|node| node.text().unwrap_or_default().to_owned())
    }

    /// Returns the last part of the action, or of the name of the only element of a body without header.
    pub(crate) fn action(&self) -> String {
        let action = self.text("Action").unwrap_or_else(|| "Identify".to_owned());
        action.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Returns an answer to this request with a body.
    pub(crate) fn answer(&self, body: &str) -> Reaction {
        Reaction::Answer { status: "200 OK", headers: String::new(), body: self.envelope(body).into_bytes() }
    }

    /// Returns a fault as an answer to this request.
    pub(crate) fn fault(&self, subcode: &str, code: u32) -> Reaction {
        let body = format!(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:{subcode}</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text>reason</s:Text></s:Reason><s:Detail><f:WSManFault \
             xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"{code}\"><f:Message>message\
             </f:Message></f:WSManFault></s:Detail></s:Fault>"
        );
        let body = self.envelope(&body).into_bytes();
        Reaction::Answer { status: "500 Internal Server Error", headers: String::new(), body }
    }

    fn envelope(&self, body: &str) -> String {
        let relates = self.text("MessageID").map(|id| format!("<a:RelatesTo>{id}</a:RelatesTo>")).unwrap_or_default();
        envelope(&relates, body)
    }
}

/// Returns an envelope as Windows writes it.
pub(crate) fn envelope(header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
         xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\">\
         <s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    /// Answers.
    Answer { status: &'static str, headers: String, body: Vec<u8> },
    /// Answers, and closes the connection without having said so.
    AnswerAndClose(Box<Self>),
    /// Answers with a gigabyte behind these headers, and counts what the client takes of it.
    Flood { headers: &'static str, taken: Arc<AtomicU64> },
    /// Closes the connection without an answer.
    Close,
    /// Does nothing.
    Hang,
}

/// The server.
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Arc<[u8]>,
    pub(crate) certificate: Vec<u8>,
    seen: Arc<Mutex<Vec<Seen>>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Loopback {
    /// Starts a server that reacts as `react` says.
    pub(crate) async fn start(react: impl Fn(&Seen, usize) -> Reaction + Send + Sync + 'static) -> Self {
        let (acceptor, authority, certificate) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let changed = Arc::new(tokio::sync::Notify::new());
        let (react, log, notify) = (Arc::new(react), seen.clone(), changed.clone());
        drop(tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, react, log, notify) = (acceptor.clone(), react.clone(), log.clone(), notify.clone());
                drop(tokio::spawn(async move {
                    // A client that does not like the certificate ends the handshake.
                    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                    while let Some(request) = read(&mut stream).await {
                        let number = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.len() - 1
                        };
                        notify.notify_waiters();
                        if !write(&mut stream, react(&request, number)).await {
                            return;
                        }
                    }
                }));
            }
        }));
        Self { address, authority, certificate, seen, changed }
    }

    /// Returns what was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the actions that were asked for so far.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.seen().iter().map(Seen::action).collect()
    }

    /// Waits until an action was asked for.
    pub(crate) async fn wait_for(&self, action: &str) {
        loop {
            let changed = self.changed.notified();
            if self.actions().iter().any(|seen| seen == action) {
                return;
            }
            changed.await;
        }
    }

    /// Returns a client of this server that trusts its authority.
    pub(crate) fn client(&self) -> Client {
        self.client_with(NAME, Trust::Authority(self.authority.clone()), Limits::default()).unwrap()
    }

    /// Returns a client of this server.
    pub(crate) fn client_with(
        &self,
        name: &str,
        trust: Trust,
        limits: Limits,
    ) -> Result<Client, orchestrate_wsman::SetupError> {
        let endpoint = Endpoint::at(name, self.address.to_string());
        Client::new(endpoint, &Transport::Https(trust), &auth(), patient(), limits)
    }
}

/// Returns how the tests prove who they are.
pub(crate) fn auth() -> Auth {
    Auth::Basic(Credentials::new("ops", Zeroizing::new("secret".to_owned())))
}

/// Returns limits of time that are not reached on loopback.
pub(crate) fn patient() -> Timeouts {
    Timeouts { operation: Duration::from_secs(20), refused_once: Duration::ZERO, ..Timeouts::default() }
}

fn identity() -> (TlsAcceptor, Arc<[u8]>, Vec<u8>) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    (TlsAcceptor::from(Arc::new(settings)), Arc::from(issuer.pem().into_bytes()), leaf.der().to_vec())
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("no chunked bodies");
            let length: usize = length.parse().unwrap();
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
                return Some(Seen { head, body });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Returns whether the connection goes on.
async fn write(stream: &mut (impl AsyncWrite + Unpin), reaction: Reaction) -> bool {
    match reaction {
        Reaction::Answer { status, headers, body } => {
            let usual = if headers.contains("Content-Type") { "" } else { SOAP_TYPE };
            let length = body.len();
            let mut bytes =
                format!("HTTP/1.1 {status}\r\n{usual}{headers}Content-Length: {length}\r\n\r\n").into_bytes();
            bytes.extend(body);
            stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
        }
        Reaction::AnswerAndClose(answer) => {
            Box::pin(write(stream, *answer)).await;
            false
        }
        Reaction::Flood { headers, taken } => flood(stream, headers, &taken).await,
        Reaction::Close => false,
        Reaction::Hang => std::future::pending().await,
    }
}

/// Sends a gigabyte, as far as it is taken.
async fn flood(stream: &mut (impl AsyncWrite + Unpin), headers: &str, taken: &AtomicU64) -> bool {
    let chunked = headers.contains("chunked");
    let piece = if chunked { format!("10000\r\n{}\r\n", "x".repeat(0x10000)) } else { "x".repeat(0x10000) };
    let head = format!("HTTP/1.1 200 OK\r\n{SOAP_TYPE}{headers}\r\n");
    let mut sent = stream.write_all(head.as_bytes()).await.is_ok();
    for _ in 0..(1_u32 << 30) / 0x10000 {
        sent = sent && stream.write_all(piece.as_bytes()).await.is_ok() && stream.flush().await.is_ok();
        if !sent {
            return false;
        }
        taken.fetch_add(0x10000, Ordering::Relaxed);
    }
    true
}
