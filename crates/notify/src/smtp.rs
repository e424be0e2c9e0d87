//! A connection to a mail server, which reads no more from it than a mail server has to say.

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Most that is read of a conversation, in bytes. An answer has a few lines, and a chain of certificates some kilobytes; the
/// library keeps a line until its end comes.
const MOST_READ: usize = 256 * 1_024;

/// Where a mail server is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// User and password.
    pub(crate) logon: Option<(String, String)>,
}

/// How what is said is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// TLS from the begin.
    Tls,
    /// STARTTLS, or nothing is sent.
    StartTls,
    /// STARTTLS where the server has it.
    IfThere,
    /// None.
    Plain,
}

/// Why no conversation came about.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// There is no connection, or no TLS.
    #[error(transparent)]
    Connection(#[from] io::Error),
    /// It is not the name of a server.
    #[error("{0} is not the name of a server")]
    Name(String),
    /// The server said so, or something that nobody understands.
    #[error(transparent)]
    Said(#[from] SmtpError),
}

impl Server {
    /// Opens a conversation, with TLS and a logon where these are wanted.
    pub(crate) async fn open(&self) -> Result<AsyncSmtpConnection, Failure> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let bounded = Bounded { inner: tcp, left: MOST_READ };
        let hello = ClientId::default();
        let stream: Box<dyn AsyncTokioStream> = match self.security {
            Security::Tls => Box::new(self.with_tls(bounded).await?),
            Security::StartTls | Security::IfThere | Security::Plain => Box::new(bounded),
        };
        let mut talk = AsyncSmtpConnection::connect_with_transport(stream, &hello).await?;
        let starts = match self.security {
            Security::StartTls => true,
            Security::IfThere => talk.can_starttls(),
            Security::Tls | Security::Plain => false,
        };
        if starts {
            talk.starttls(TlsParameters::new(self.host.clone())?, &hello).await?;
        }
        if let Some((user, password)) = &self.logon {
            talk.auth(DEFAULT_MECHANISMS, &Credentials::new(user.clone(), password.clone())).await?;
        }
        Ok(talk)
    }

    async fn with_tls(&self, stream: Bounded) -> Result<Sealed, Failure> {
        let name = ServerName::try_from(self.host.clone()).map_err(|_no_name| Failure::Name(self.host.clone()))?;
        let config = crate::channel::tls().map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Sealed(Box::new(stream)))
    }
}

/// A connection of which no more is read than [`MOST_READ`].
#[derive(Debug)]
struct Bounded {
    inner: TcpStream,
    left: usize,
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the mail server says more than a mail server has to")));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        // The last part may be longer than what was left, by no more than the buffer of whoever reads.
        self.left = self.left.saturating_sub(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

/// The same with TLS over it.
#[derive(Debug)]
struct Sealed(Box<TlsStream<Bounded>>);

impl AsyncRead for Sealed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Sealed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Sealed {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}
