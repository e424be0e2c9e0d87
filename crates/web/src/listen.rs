//! Answering connections, within bounds: nobody keeps one open without end, and no more are open than can be answered.

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much is taken.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long a connection may take with its one request and the answer.
    pub whole: Duration,
    /// How long one may take on which events are told, which is none of the others.
    pub events: Duration,
}

impl Default for Bounds {
    /// A few people and a scraper: 32 connections; a head is a few hundred bytes, and the answer about a run of a thousand
    /// servers some seconds of reading. A page that is told of events connects again by itself.
    fn default() -> Self {
        Self {
            connections: 32,
            head: Duration::from_secs(10),
            whole: Duration::from_secs(60),
            events: Duration::from_secs(3600),
        }
    }
}

/// Lets a connection stay for longer than others, without taking a place of theirs.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    place: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    longer: Arc<AtomicBool>,
}

impl Stay {
    fn of(place: OwnedSemaphorePermit) -> Self {
        Self { place: Arc::new(Mutex::new(Some(place))), longer: Arc::default() }
    }

    /// The connection stays.
    pub(crate) fn longer(&self) {
        self.longer.store(true, Ordering::Relaxed);
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// How long is waited when no connection can be taken, such as for want of open files.
const BREATH: Duration = Duration::from_millis(200);

/// Where connections come from.
pub trait Accept: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next one.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

/// Answers every connection, without end.
pub async fn answer(listener: impl Accept, router: Router, bounds: Bounds) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    loop {
        // Closed never: this loop has it.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let stay = Stay::of(place);
        let service = TowerToHyperService::new(router.clone().layer(Extension(stay.clone())));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let mut ended = tokio::time::timeout(bounds.whole, &mut connection).await;
            if ended.is_err() && stay.longer.load(Ordering::Relaxed) {
                ended = tokio::time::timeout(bounds.events, &mut connection).await;
            }
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
                Err(_elapsed) => tracing::debug!("a connection took too long"),
            }
            drop(stay);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn site(bounds: Bounds) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        drop(tokio::spawn(answer(listener, router, bounds)));
        address
    }

    async fn said(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        // A connection that is broken off has said what it has said.
        stream.read_to_end(&mut text).await.unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    const GOOD: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    #[tokio::test]
    async fn one_request_is_answered_and_the_connection_is_closed() {
        let address = site(Bounds::default()).await;
        assert!(said(address, GOOD).await.ends_with("here"));
    }

    #[tokio::test]
    async fn whoever_says_nothing_or_only_a_part_keeps_no_connection_and_no_others_away() {
        let short = Duration::from_millis(200);
        let address =
            site(Bounds { connections: 2, head: short, whole: Duration::from_secs(5), ..Bounds::default() }).await;
        let slow: Vec<_> = (0..6).map(|_| tokio::spawn(said(address, "GET / HTTP/1.1\r\nhost: local"))).collect();
        assert!(said(address, GOOD).await.ends_with("here"));
        for each in slow {
            assert!(!each.await.unwrap().contains("here"));
        }
    }
}
