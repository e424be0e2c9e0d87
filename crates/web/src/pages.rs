//! Pages and forms: their paths, who may send what, and what a browser is told not to do.

use crate::api::{Decision, Order, Refused, Site};
use crate::door::{Visitor, from_here};
use crate::listen::Stay;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get, post};
use serde::Deserialize;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Page {
    /// The list of plans and runs.
    Runs,
    /// The calendar.
    Windows,
    /// A run as it goes on.
    Run(String),
    /// The report of a run.
    Report(String),
    /// The same as one file.
    File(String),
}

/// A page that is asked for once, and made of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The confirmation of a decision, with why what was sent was not taken, when it was not.
    Decide {
        /// The run.
        run: String,
        /// What is to be decided.
        decision: Decision,
        /// Why it was not taken.
        refused: Option<String>,
    },
    /// The sign-in.
    SignIn {
        /// The page that comes after it.
        next: String,
        /// Why it was not taken.
        wrong: Option<String>,
    },
    /// Something cannot be shown or done.
    Failed {
        /// What.
        heading: String,
        /// Why.
        why: String,
    },
}

/// What every page looks like and does, which a browser asks for by itself.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// The script.
    pub script: String,
    /// The sign.
    pub icon: String,
}

/// Nothing but our own style sheet, script and sign; no frame; forms only to us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a browser is told with every answer.
const TOLD: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds what a browser is told to every answer.
pub(crate) async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in TOLD {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Returns the paths of the pages.
pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(|site: State<Site>, headers: HeaderMap| shown(site, Page::Runs, headers, None)))
        .route("/windows", get(|site: State<Site>, headers: HeaderMap| shown(site, Page::Windows, headers, None)))
        .route("/events", get(|State(site): State<Site>, stay| async move { events(&site, Page::Runs, stay) }))
        .route("/runs/{run}", get(run))
        .route("/runs/{run}/report", get(report))
        .route("/runs/{run}/report.html", get(file))
        .route("/runs/{run}/events", get(run_events))
        .route("/runs/{run}/decide", get(confirm).post(decide))
        .route("/sign-in", get(sign_in).post(enter))
        .route("/sign-out", post(leave))
        .route("/assets/style.css", get(|site| asset(site, "text/css; charset=utf-8", |assets| &assets.style)))
        .route("/assets/script.js", get(|site| asset(site, "text/javascript; charset=utf-8", |assets| &assets.script)))
        .route("/assets/icon.svg", get(|site| asset(site, "image/svg+xml", |assets| &assets.icon)))
}

async fn asset(State(site): State<Site>, kind: &'static str, which: fn(&Assets) -> &String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], which(&site.assets).clone()).into_response()
}

/// Whether a text may be the name of a run. Nothing else gets into an address that we send a browser to.
fn is_run(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn named(run: String) -> Result<String, Refused> {
    if is_run(&run) { Ok(run) } else { Err(Refused { status: 404, why: "there is no such run".to_owned() }) }
}

fn html(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}

async fn shown(State(site): State<Site>, page: Page, headers: HeaderMap, sent: Option<String>) -> Response {
    let visitor = Visitor { sent, ..site.door.visitor(&headers) };
    let (source, asked) = (site.source.clone(), visitor.clone());
    match tokio::task::spawn_blocking(move || source.page(&page, &asked)).await {
        Ok(Ok(text)) => html(200, text),
        Ok(Err(why)) => failed(&site, why, visitor).await,
        Err(_panicked) => failed(&site, fault(), visitor).await,
    }
}

fn fault() -> Refused {
    Refused { status: 500, why: "the page could not be made: a fault of orchestrate itself".to_owned() }
}

/// Says why something cannot be shown or done.
async fn failed(site: &Site, refused: Refused, visitor: Visitor) -> Response {
    let Refused { status, why } = refused;
    let heading = match status {
        404 => "There is nothing here",
        401 | 403 => "You may not do this",
        409 => "Nothing was done",
        _ => "This did not work",
    };
    form(site, Form::Failed { heading: heading.to_owned(), why }, visitor, status).await
}

async fn form(site: &Site, form: Form, visitor: Visitor, status: u16) -> Response {
    let source = site.source.clone();
    match tokio::task::spawn_blocking(move || source.form(&form, &visitor)).await {
        Ok(Ok(text)) => html(status, text),
        Ok(Err(why)) => why.into_response(),
        Err(_panicked) => fault().into_response(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Query {
    sent: Option<String>,
    next: Option<String>,
}

fn query<T: Default + for<'de> Deserialize<'de>>(query: Option<String>) -> T {
    query.and_then(|text| serde_urlencoded::from_str(&text).ok()).unwrap_or_default()
}

async fn run(site: State<Site>, Path(run): Path<String>, RawQuery(text): RawQuery, headers: HeaderMap) -> Response {
    let Query { sent, .. } = query(text);
    match named(run) {
        Ok(run) => shown(site, Page::Run(run), headers, sent).await,
        Err(why) => failed(&site, why, site.door.visitor(&headers)).await,
    }
}

async fn report(site: State<Site>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    match named(run) {
        Ok(run) => shown(site, Page::Report(run), headers, None).await,
        Err(why) => failed(&site, why, site.door.visitor(&headers)).await,
    }
}

async fn file(site: State<Site>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    let run = match named(run) {
        Ok(run) => run,
        Err(why) => return failed(&site, why, site.door.visitor(&headers)).await,
    };
    let kept = format!("attachment; filename=\"report-{run}.html\"");
    let mut response = shown(site, Page::File(run), headers, None).await;
    if let (StatusCode::OK, Ok(kept)) = (response.status(), HeaderValue::from_str(&kept)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, kept);
    }
    response
}

fn events(site: &Site, page: Page, stay: Option<Extension<Stay>>) -> Response {
    if let Some(Extension(stay)) = stay {
        stay.longer();
    }
    site.hub.events(page)
}

async fn run_events(State(site): State<Site>, Path(run): Path<String>, stay: Option<Extension<Stay>>) -> Response {
    match named(run) {
        Ok(run) => events(&site, Page::Run(run), stay),
        Err(why) => why.into_response(),
    }
}

/// Asks once more before anything is decided, whoever is signed in.
async fn confirm(
    State(site): State<Site>,
    Path(run): Path<String>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Response {
    let visitor = site.door.visitor(&headers);
    let run = match named(run) {
        Ok(run) => run,
        Err(why) => return failed(&site, why, visitor).await,
    };
    if visitor.who.is_none() {
        if !site.door.opens() {
            return failed(&site, read_only(), visitor).await;
        }
        let here = format!("/runs/{run}/decide?{}", text.unwrap_or_default());
        let next: String = serde_urlencoded::to_string([("next", here)]).unwrap_or_default();
        return see(&format!("/sign-in?{next}"));
    }
    let decision: Decision = query(text);
    form(&site, Form::Decide { run, decision, refused: None }, visitor, 200).await
}

fn read_only() -> Refused {
    let why = "nothing is decided over HTTP: serve was started without --token-file; in a terminal: orchestrate decide";
    Refused { status: 403, why: why.to_owned() }
}

/// What a form of ours brings back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Proof {
    proof: String,
}

async fn decide(State(site): State<Site>, Path(run): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let visitor = site.door.visitor(&headers);
    let read = || {
        let run = named(run)?;
        let wrong = |error: serde_urlencoded::de::Error| Refused {
            status: 400,
            why: format!("the form is no such one: {error}"),
        };
        let Proof { proof } = serde_urlencoded::from_bytes(&body).map_err(wrong)?;
        let who = site.door.sender(&headers, &proof);
        let who = who.map_err(|why| Refused { status: 403, why: why.to_owned() })?;
        let decision: Decision = serde_urlencoded::from_bytes(&body).map_err(wrong)?;
        Ok((run, who, decision))
    };
    let (run, who, decision) = match read() {
        Ok(read) => read,
        Err(why) => return failed(&site, why, visitor).await,
    };
    let choice = decision.choice.clone();
    let (source, to, order) = (site.source.clone(), run.clone(), Order::Decide(decision.clone()));
    match tokio::task::spawn_blocking(move || source.order(&to, order, Some(&who))).await {
        // The word comes from the form, and is one of ours where the order was taken.
        Ok(Ok(_passed_on)) => see(&format!("/runs/{run}?sent={choice}")),
        Ok(Err(Refused { status, why })) => {
            form(&site, Form::Decide { run, decision, refused: Some(why) }, visitor, status).await
        }
        Err(_panicked) => failed(&site, fault(), visitor).await,
    }
}

/// Returns a page of ours to go to.
fn ours(next: Option<String>) -> String {
    let is_ours = |next: &String| {
        next.len() <= 500
            && next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(is_ours).unwrap_or_else(|| "/".to_owned())
}

async fn sign_in(State(site): State<Site>, RawQuery(text): RawQuery, headers: HeaderMap) -> Response {
    let (visitor, Query { next, .. }) = (site.door.visitor(&headers), query(text));
    if !visitor.signs_in {
        return failed(&site, read_only(), visitor).await;
    }
    form(&site, Form::SignIn { next: ours(next), wrong: None }, visitor, 200).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    token: String,
    next: Option<String>,
}

async fn enter(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> Response {
    let typed: Typed = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    let next = ours(typed.next);
    let entered = from_here(&headers).and_then(|()| site.door.enter(&typed.token, &typed.name, &headers));
    match entered {
        Ok(cookie) => {
            let mut response = see(&next);
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(why) => {
            let visitor = site.door.visitor(&headers);
            form(&site, Form::SignIn { next, wrong: Some(why.to_owned()) }, visitor, 403).await
        }
    }
}

async fn leave(State(site): State<Site>, headers: HeaderMap, body: Bytes) -> Response {
    let Proof { proof } = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    if let Err(why) = site.door.sender(&headers, &proof) {
        let visitor = site.door.visitor(&headers);
        return failed(&site, Refused { status: 403, why: why.to_owned() }, visitor).await;
    }
    let mut response = see("/");
    if let Ok(cookie) = HeaderValue::from_str(&site.door.leave(&headers)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
