//! Paths, methods, and who may change anything.

use crate::door::{Door, Trust, Visitor};
use crate::events::{Hub, Told};
use crate::measures::Measures;
use crate::pages::{self, Assets, Form, Page};
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
    Decide(Decision),
}

/// A decision about a held server, as `orchestrate decide` takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// The server.
    pub server: String,
    /// The choice.
    pub choice: String,
    /// Since when the server was held by the hold that was read. Without it, the hold that there is.
    pub since: Option<String>,
    /// How much more time there is.
    pub minutes: Option<u32>,
    /// How many sessions are left, and are to be cut.
    pub sessions: Option<u64>,
    /// Why.
    pub why: Option<String>,
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

    /// Passes an order on, and returns what was passed on. `who` has asked for it; without a name, a program.
    ///
    /// # Errors
    /// It makes no sense for the run as it is.
    fn order(&self, run: &str, order: Order, who: Option<&str>) -> Result<String, Refused>;

    /// Returns a page.
    ///
    /// # Errors
    /// There is none, or it cannot be made.
    fn page(&self, page: &Page, visitor: &Visitor) -> Result<String, Refused>;

    /// Returns a page that is made of what was asked.
    ///
    /// # Errors
    /// There is none, or it cannot be made.
    fn form(&self, form: &Form, visitor: &Visitor) -> Result<String, Refused>;

    /// Returns what may have changed of a page.
    ///
    /// # Errors
    /// There is no such page, or nothing of it changes.
    fn told(&self, page: &Page) -> Result<Told, Refused>;

    /// Returns what every page looks like.
    fn assets(&self) -> Assets;

    /// Returns what is counted.
    fn measures(&self) -> Measures;
}

/// Whose requests are answered.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) door: Arc<Door>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) assets: Arc<Assets>,
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

/// Returns everything that can be asked, pages among it. `trust` says who may change anything, and `socket` where it is asked.
pub fn router(source: Arc<dyn Source>, trust: Trust, socket: crate::Socket) -> Router {
    let names = if socket == crate::Socket::File { Names::Any } else { Names::Loopback };
    let (hub, assets) = (Hub::new(source.clone()), Arc::new(source.assets()));
    let site = Site { source, door: Arc::new(Door::new(trust, socket)), hub, assets, names };
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
        .merge(pages::routes())
        .fallback(|| async {
            refused(404, "there is nothing here; GET /, /v1/plans, /v1/runs, /v1/runs/RUN, /health, /metrics")
        })
        .method_not_allowed_fallback(|| async { refused(405, "this is not asked in this way") })
        .layer(middleware::from_fn_with_state(site.clone(), named))
        .layer(middleware::from_fn(pages::guarded))
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
    let Some(token) = site.door.token() else {
        return refused(403, "nothing is changed over HTTP: serve was started without --token-file");
    };
    // A proxy may bring the token for every browser behind it, and a browser sends what pages of other sites tell it to.
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return refused(403, "this is for programs: in a browser the pages have forms for it");
    }
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
    since: Option<String>,
    minutes: Option<u32>,
    sessions: Option<u64>,
    why: Option<String>,
}

impl Said {
    /// Whether something is said of a decision.
    fn decides(&self) -> bool {
        let Self { server: _, choice, since, minutes, sessions, why } = self;
        choice.is_some() || since.is_some() || minutes.is_some() || sessions.is_some() || why.is_some()
    }
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
            asked(site, move |source| {
                source.order(&run, order, None).map(|said| json!({"version": 1, "passed_on": said}))
            })
            .await
        }
        Err(why) => why.into_response(),
    }
}

async fn stop(State(site): State<Site>, Path(run): Path<String>, body: Bytes) -> Response {
    let order = said(&body).and_then(|said| match said.server.is_some() || said.decides() {
        false => Ok(Order::Stop),
        true => Err(Refused { status: 400, why: "a run is stopped as a whole: the body is empty".to_owned() }),
    });
    passed(site, run, order).await
}

async fn hold(State(site): State<Site>, Path(run): Path<String>, body: Bytes) -> Response {
    let order = said(&body).and_then(|said| match said.decides() {
        false => Ok(Order::Hold(said.server)),
        true => Err(Refused {
            status: 400,
            why: "there is nothing to choose: {\"server\": NAME}, or an empty body".to_owned(),
        }),
    });
    passed(site, run, order).await
}

async fn decide(State(site): State<Site>, Path(run): Path<String>, body: Bytes) -> Response {
    let order = said(&body).and_then(|said| match said {
        Said { server: Some(server), choice: Some(choice), since, minutes, sessions, why } => {
            Ok(Order::Decide(Decision { server, choice, since, minutes, sessions, why }))
        }
        Said { .. } => {
            Err(Refused { status: 400, why: "the body is {\"server\": NAME, \"choice\": CHOICE}".to_owned() })
        }
    });
    passed(site, run, order).await
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
