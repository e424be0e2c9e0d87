//! The endpoint at which a lab answers for itself: `GET /report` and `POST /stop`, with a bearer token.

use crate::shared::Shared;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves until the lab ends. The answer to `/stop` is on its way before the lab is told to stop.
pub(crate) async fn run(shared: Arc<Shared>, token: Arc<str>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(shared.clone(), token.clone(), stream));
                }
            }
            Some(ended) = connections.join_next() => {
                if let Ok(Next::Stop) = ended {
                    shared.stop();
                }
            }
        }
    }
}

/// What comes after a connection.
enum Next {
    Continue,
    Stop,
}

async fn connection(shared: Arc<Shared>, token: Arc<str>, stream: TcpStream) -> Next {
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, token, asked) = (shared.clone(), token.clone(), asked.clone());
        async move { Ok::<_, Infallible>(handle(&shared, &token, &asked, &request)) }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a question to the lab ended early");
    }
    if stop.load(std::sync::atomic::Ordering::SeqCst) { Next::Stop } else { Next::Continue }
}

fn handle(
    shared: &Shared,
    token: &str,
    stop: &std::sync::atomic::AtomicBool,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given.and_then(|given| given.strip_prefix("Bearer ")) != Some(token) {
        return status(StatusCode::UNAUTHORIZED);
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/report") if shared.is_closing() => return status(StatusCode::GONE),
        (&Method::GET, "/report") => {}
        (&Method::POST, "/stop") => {
            shared.close();
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        (_, "/report" | "/stop") => return status(StatusCode::METHOD_NOT_ALLOWED),
        _ => return status(StatusCode::NOT_FOUND),
    }
    match serde_json::to_vec(&shared.report()) {
        Ok(body) => {
            let mut answer = Response::new(Full::new(Bytes::from(body)));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            answer
        }
        Err(error) => {
            tracing::warn!(%error, "the report of the lab cannot be written");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
