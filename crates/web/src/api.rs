//! Paths, methods, and who may change anything.

use crate::measures::Measures;
use crate::token::Token;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most bytes of a body: an order is a line.
const LARGEST_BODY: usize = 16 * 1024;

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// To stop.
    Stop,
    /// To hold a server, or every server in work.
    Hold(Option<String>),
    /// A decision about a held server.
    Decide {
        /// The server.
        server: String,
        /// The choice, as `orchestrate decide` takes it.
        choice: String,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of HTTP.
    pub status: u16,
    /// Why, and what can be done.
    pub why: String,
}

/// Where the answers come from. Each may take a while, and is asked on a thread of its own.
pub trait Source: Send + Sync + 'static {
    /// Returns whether the folder is still looked at, and what is known of that.
    ///
    /// # Errors
    /// It is not.
    fn health(&self) -> Result<Value, Refused>;

    /// Returns the plans.
    ///
    /// # Errors
    /// They cannot be told.
    fn plans(&self) -> Result<Value, Refused>;

    /// Returns every run.
    ///
    /// # Errors
    /// They cannot be read.
    fn runs(&self) -> Result<Value, Refused>;

    /// Returns one run.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn run(&self, run: &str) -> Result<Value, Refused>;

    /// Passes an order on, and returns what was passed on.
    ///
    /// # Errors
    /// It makes no sense for the run as it is.
    fn order(&self, run: &str, order: Order) -> Result<String, Refused>;

    /// Returns what is counted.
    fn measures(&self) -> Measures;
}

/// Whose requests are answered.
#[derive(Clone)]
struct Site {
    source: Arc<dyn Source>,
    token: Option<Token>,
    names: Names,
}

/// By which names this site may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Any: who can open the socket may ask.
    Any,
    /// Those of this machine alone: a page of another site that a browser shows here cannot ask under its own name.
    Loopback,
}

/// Returns everything that can be asked. Without a token nothing can be changed. `by_socket`: whether it is asked over a
/// socket in the file system.
pub fn router(source: Arc<dyn Source>, token: Option<Token>, socket: crate::Socket) -> Router {
    let names = if socket == crate::Socket::File { Names::Any } else { Names::Loopback };
    let site = Site { source, token, names };
    let changes = Router::new()
        .route("/v1/runs/{run}/stop", post(stop))
        .route("/v1/runs/{run}/hold", post(hold))
        .route("/v1/runs/{run}/decide", post(decide))
        .route_layer(middleware::from_fn_with_state(site.clone(), permitted));
    Router::new()
        .route("/health", get(|State(site): State<Site>| asked(site, |source| source.health())))
        .route("/v1/plans", get(|State(site): State<Site>| asked(site, |source| source.plans())))
        .route("/v1/runs", get(|State(site): State<Site>| asked(site, |source| source.runs())))
        .route("/v1/runs/{run}", get(run))
        .route("/metrics", get(metrics))
        .merge(changes)
        .fallback(|| async {
            refused(404, "there is nothing here; GET /v1/plans, /v1/runs, /v1/runs/RUN, /health, /metrics")
        })
        .method_not_allowed_fallback(|| async { refused(405, "this is not asked in this way") })
        .layer(middleware::from_fn_with_state(site.clone(), named))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(site)
}

fn refused(status: u16, why: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"version": 1, "error": why}))).into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refused(self.status, &self.why)
    }
}

/// Asks the source on a thread of its own: it reads files.
async fn asked(site: Site, ask: impl FnOnce(&dyn Source) -> Result<Value, Refused> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(move || ask(&*site.source)).await {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(why)) => why.into_response(),
        Err(_panicked) => refused(500, "the answer could not be made: a fault of orchestrate itself"),
    }
}

async fn run(State(site): State<Site>, Path(run): Path<String>) -> Response {
    asked(site, move |source| source.run(&run)).await
}

async fn metrics(State(site): State<Site>) -> Response {
    let text = tokio::task::spawn_blocking(move || site.source.measures().text()).await;
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Ok(Err(_)) | Err(_) => refused(500, "the measures could not be made: a fault of orchestrate itself"),
    }
}

/// Refuses a request by a name that is not this machine's.
async fn named(State(site): State<Site>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if site.names == Names::Any || host.is_some_and(is_loopback) {
        next.run(request).await
    } else {
        refused(421, "only requests to localhost, 127.0.0.1 or [::1] are answered")
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses what would change anything without the token.
async fn permitted(State(site): State<Site>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let Some(token) = &site.token else {
        return refused(403, "nothing is changed over HTTP: serve was started without --token-file");
    };
    let given = headers.get(header::AUTHORIZATION).map(|value| token.is_in(value.as_bytes()));
    let why = match given {
        Some(true) => return next.run(request).await,
        Some(false) => "the token is another one",
        None => "a token is needed: Authorization: Bearer TOKEN",
    };
    let mut response = refused(401, why);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

/// The body of an order.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    server: Option<String>,
    choice: Option<String>,
}

fn said(body: &Bytes) -> Result<Said, Refused> {
    if body.trim_ascii().is_empty() {
        return Ok(Said::default());
    }
    let why = |error: serde_json::Error| Refused { status: 400, why: format!("the body is no such order: {error}") };
    serde_json::from_slice(body).map_err(why)
}

async fn passed(site: Site, run: String, order: Result<Order, Refused>) -> Response {
    match order {
        Ok(order) => {
            asked(site, move |source| source.order(&run, order).map(|said| json!({"version": 1, "passed_on": said})))
                .await
        }
        Err(why) => why.into_response(),
    }
}

async fn stop(State(site): State<Site>, Path(run): Path<String>, body: Bytes) -> Response {
    let order = said(&body).and_then(|said| match said {
        Said { server: None, choice: None } => Ok(Order::Stop),
        Said { .. } => Err(Refused { status: 400, why: "a run is stopped as a whole: the body is empty".to_owned() }),
    });
    passed(site, run, order).await
}

async fn hold(State(site): State<Site>, Path(run): Path<String>, body: Bytes) -> Response {
    let order = said(&body).and_then(|said| match said {
        Said { server, choice: None } => Ok(Order::Hold(server)),
        Said { .. } => Err(Refused {
            status: 400,
            why: "there is nothing to choose: {\"server\": NAME}, or an empty body".to_owned(),
        }),
    });
    passed(site, run, order).await
}

async fn decide(State(site): State<Site>, Path(run): Path<String>, body: Bytes) -> Response {
    let order = said(&body).and_then(|said| match said {
        Said { server: Some(server), choice: Some(choice) } => Ok(Order::Decide { server, choice }),
        Said { .. } => {
            Err(Refused { status: 400, why: "the body is {\"server\": NAME, \"choice\": CHOICE}".to_owned() })
        }
    });
    passed(site, run, order).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Socket;
    use axum::body::Body;
    use std::sync::Mutex;
    use tower::ServiceExt as _;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[derive(Default)]
    struct Fake(Mutex<Vec<(String, Order)>>);

    impl Source for Fake {
        fn health(&self) -> Result<Value, Refused> {
            Ok(json!({"health": "ok"}))
        }
        fn plans(&self) -> Result<Value, Refused> {
            Ok(json!([]))
        }
        fn runs(&self) -> Result<Value, Refused> {
            Err(Refused { status: 500, why: "no".into() })
        }
        fn run(&self, run: &str) -> Result<Value, Refused> {
            if run == "one" { Ok(json!({"run": run})) } else { Err(Refused { status: 404, why: "no".into() }) }
        }
        fn order(&self, run: &str, order: Order) -> Result<String, Refused> {
            self.0.lock().unwrap().push((run.to_owned(), order));
            Ok("done".into())
        }
        fn measures(&self) -> Measures {
            Measures::default()
        }
    }

    fn token() -> Token {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        orchestrate_files::replace(&path, SECRET.as_bytes()).unwrap();
        Token::read(&path).unwrap()
    }

    async fn ask(
        fake: &Arc<Fake>,
        token: Option<Token>,
        (method, path): (&str, &str),
        (auth, body): (&str, &str),
    ) -> u16 {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8460");
        if !auth.is_empty() {
            request = request.header("authorization", auth);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        router(fake.clone(), token, Socket::Address).oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn what_changes_nothing_needs_no_token() {
        let fake = Arc::new(Fake::default());
        for (path, status) in [
            ("/health", 200),
            ("/v1/plans", 200),
            ("/v1/runs", 500),
            ("/v1/runs/one", 200),
            ("/v1/runs/two", 404),
            ("/metrics", 200),
            ("/", 404),
        ] {
            assert_eq!(ask(&fake, None, ("GET", path), ("", "")).await, status, "{path}");
        }
        assert_eq!(ask(&fake, None, ("POST", "/v1/plans"), ("", "")).await, 405);
    }

    #[tokio::test]
    async fn nothing_is_changed_without_the_token_or_when_there_is_none() {
        let fake = Arc::new(Fake::default());
        let good = format!("Bearer {SECRET}");
        for path in ["/v1/runs/one/stop", "/v1/runs/one/hold", "/v1/runs/one/decide"] {
            assert_eq!(ask(&fake, None, ("POST", path), (&good, "")).await, 403, "{path}");
            assert_eq!(ask(&fake, Some(token()), ("POST", path), ("", "")).await, 401, "{path}");
            assert_eq!(ask(&fake, Some(token()), ("POST", path), ("Bearer x", "")).await, 401, "{path}");
            assert_eq!(ask(&fake, Some(token()), ("GET", path), (&good, "")).await, 405, "{path}");
        }
        assert!(fake.0.lock().unwrap().is_empty());
        let decision = r#"{"server": "fe1", "choice": "retry"}"#;
        for (path, body, status) in [
            ("/v1/runs/one/stop", "", 200),
            ("/v1/runs/one/hold", r#"{"server": "fe1"}"#, 200),
            ("/v1/runs/one/decide", decision, 200),
            ("/v1/runs/one/decide", "", 400),
            ("/v1/runs/one/decide", r#"{"server": "fe1", "choice": "retry", "x": 1}"#, 400),
            ("/v1/runs/one/stop", decision, 400),
            ("/v1/runs/one/decide", &"x".repeat(LARGEST_BODY + 1), 413),
        ] {
            assert_eq!(ask(&fake, Some(token()), ("POST", path), (&good, body)).await, status, "{path} {}", body.len());
        }
        let order = Order::Decide { server: "fe1".into(), choice: "retry".into() };
        let one = |order| ("one".to_owned(), order);
        assert_eq!(*fake.0.lock().unwrap(), [one(Order::Stop), one(Order::Hold(Some("fe1".into()))), one(order)]);
    }

    #[tokio::test]
    async fn a_page_of_another_site_cannot_ask_by_its_own_name() {
        let fake = Arc::new(Fake::default());
        for (host, status) in
            [("evil.example", 421), ("127.0.0.1.evil.example", 421), ("[::1]:8460", 200), ("localhost", 200)]
        {
            let request = Request::builder().uri("/health").header("host", host).body(Body::empty()).unwrap();
            let answer = router(fake.clone(), None, Socket::Address).oneshot(request).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{host}");
        }
        let request = Request::builder().uri("/health").body(Body::empty()).unwrap();
        let answer = router(fake.clone(), None, Socket::File).oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "who can open the socket may ask by any name");
    }
}
