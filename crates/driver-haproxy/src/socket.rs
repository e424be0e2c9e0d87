//! Sockets in the file system. Unix has them.

#[cfg(not(unix))]
pub(crate) use tokio::net::TcpStream as Stream;
#[cfg(unix)]
pub(crate) use tokio::net::UnixStream as Stream;

use std::io;
use std::path::Path;

/// Connects to a socket in the file system.
#[cfg(unix)]
pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path).await
}

/// Says that there is no such socket here. The kind of stream is any.
#[cfg(not(unix))]
pub(crate) async fn connect(_path: &Path) -> io::Result<Stream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such sockets; give host:port"))
}
