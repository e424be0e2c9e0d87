//! One command to one runtime API: a connection, a line, an answer until the balancer closes.

use orchestrate_driver::PlanNames;
use orchestrate_model::balancer::is_runtime_address;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one command may take, the connection included. The runtime API answers from memory; the time runs by the
/// runtime, never by a lab's faster clock, since what it bounds is a real socket.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest answer read. The statistics of ten thousand servers take some 5 MB.
const LONGEST_ANSWER: u64 = 16 * 1024 * 1024;

/// Where a runtime API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A TCP port, as `host:port`.
    Tcp(String),
    /// A socket in the file system.
    Socket(PathBuf),
}

impl Address {
    /// Returns the address that `text` stands for.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let kind = |text: &str| match text.starts_with('/') {
            true => Self::Socket(PathBuf::from(text)),
            false => Self::Tcp(text.to_owned()),
        };
        is_runtime_address(text).then(|| kind(text))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// Why a command has no answer. The variants differ in whether the balancer may have received the command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CommandError {
    /// There was no connection: the command was not sent.
    #[error("cannot connect: {reason}")]
    NotSent { reason: String },
    /// The command was sent or partly sent, and then the connection broke.
    #[error("the connection broke after the command was sent: {reason}")]
    Broken { reason: String },
    /// The command was sent, and no complete answer came in time.
    #[error("no complete answer within {} s", .limit.as_secs_f64())]
    Silent { limit: Duration },
    /// The command was sent, and the connection was closed without the empty line that ends every answer. A table cut
    /// short would look like a backend with fewer servers.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// The answer is no answer of a runtime API.
    #[error("the answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
    /// The answer is no answer of a runtime API.
    #[error("the answer is not text; is this the port of a runtime API?")]
    NotText,
}

/// A runtime API. Holds no connection: each command opens its own, as the API closes after one.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) address: Address,
    /// Who is asked for the address of a host. `None`: the machine.
    pub(crate) names: Option<PlanNames>,
    pub(crate) limit: Duration,
}

impl Runtime {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, names: None, limit: LIMIT }
    }

    /// Sends one command and returns the answer.
    pub(crate) async fn command(&self, command: &str) -> Result<String, CommandError> {
        debug_assert!(!command.contains(['\n', ';']), "names are checked when they come in");
        match &self.address {
            Address::Tcp(address) => {
                let stream = self.connected(self.tcp(address)).await?;
                self.converse(stream, command).await
            }
            Address::Socket(path) => {
                let stream = self.connected(crate::socket::connect(path)).await?;
                self.converse(stream, command).await
            }
        }
    }

    async fn tcp(&self, address: &str) -> std::io::Result<TcpStream> {
        let named = address.rsplit_once(':').filter(|_| address.parse::<SocketAddr>().is_err());
        let (Some(names), Some((host, port))) = (&self.names, named) else { return TcpStream::connect(address).await };
        let port: u16 = port.parse().map_err(std::io::Error::other)?;
        let found = names.addresses(host).await.map_err(std::io::Error::other)?;
        let found: Vec<SocketAddr> = found.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        TcpStream::connect(found.as_slice()).await
    }

    async fn connected<S>(&self, connecting: impl Future<Output = std::io::Result<S>>) -> Result<S, CommandError> {
        match tokio::time::timeout(self.limit, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(CommandError::NotSent { reason: error.to_string() }),
            Err(_elapsed) => {
                Err(CommandError::NotSent { reason: format!("no connection within {} s", self.limit.as_secs_f64()) })
            }
        }
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        command: &str,
    ) -> Result<String, CommandError> {
        match tokio::time::timeout(self.limit, exchange(stream, command)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(CommandError::Silent { limit: self.limit }),
        }
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, command: &str) -> Result<String, CommandError> {
    let broken = |error: std::io::Error| CommandError::Broken { reason: error.to_string() };
    stream.write_all(format!("{command}\n").as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER + 1).read_to_end(&mut answer).await.map_err(broken)?;
    if u64::try_from(answer.len()).is_ok_and(|length| length > LONGEST_ANSWER) {
        return Err(CommandError::TooLong);
    }
    if answer != b"\n" && !answer.ends_with(b"\n\n") {
        return Err(CommandError::Closed);
    }
    String::from_utf8(answer).map_err(|_not_text| CommandError::NotText)
}
