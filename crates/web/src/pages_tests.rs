use super::*;
use crate::api::{Source, router};
use crate::door::Trust;
use crate::events::{Piece, Told};
use crate::measures::Measures;
use crate::{Socket, Token};
use axum::body::Body;
use axum::http::Request as Asked;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Tells what it is asked, and keeps what it is told to do.
#[derive(Default)]
struct Fake(Mutex<Vec<(String, Order, Option<String>)>>);

impl Source for Fake {
    fn health(&self) -> Result<Value, Refused> {
        Ok(json!({}))
    }
    fn plans(&self) -> Result<Value, Refused> {
        Ok(json!({}))
    }
    fn runs(&self) -> Result<Value, Refused> {
        Ok(json!({}))
    }
    fn run(&self, _run: &str) -> Result<Value, Refused> {
        Ok(json!({}))
    }
    fn order(&self, run: &str, order: Order, who: Option<&str>) -> Result<String, Refused> {
        if let Order::Decide(decision) = &order
            && decision.choice == "retry"
        {
            return Err(Refused { status: 409, why: "not now".to_owned() });
        }
        self.0.lock().unwrap().push((run.to_owned(), order, who.map(str::to_owned)));
        Ok("done".to_owned())
    }
    fn measures(&self) -> Measures {
        Measures::default()
    }
    fn page(&self, page: &Page, visitor: &Visitor) -> Result<String, Refused> {
        match page {
            Page::Run(run) if run == "none" => Err(Refused { status: 404, why: "no such run".to_owned() }),
            page => Ok(format!("{page:?} {visitor:?}")),
        }
    }
    fn form(&self, form: &Form, visitor: &Visitor) -> Result<String, Refused> {
        Ok(format!("{form:?} {visitor:?}"))
    }
    fn told(&self, _page: &Page) -> Result<Told, Refused> {
        let piece = Piece { id: "head".to_owned(), v: "1".to_owned(), html: "<p>".to_owned() };
        Ok(Told { title: "t".to_owned(), pieces: vec![piece] })
    }
    fn assets(&self) -> Assets {
        Assets { style: "a{}".to_owned(), script: "1".to_owned(), icon: "<svg>".to_owned() }
    }
}

struct Here {
    fake: Arc<Fake>,
    router: axum::Router,
}

fn here(with_token: Option<Token>) -> Here {
    let fake = Arc::new(Fake::default());
    let trust = Trust { token: with_token, user_header: None };
    Here { router: router(fake.clone(), trust, Socket::Address), fake }
}

fn token() -> Token {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("token");
    orchestrate_files::replace(&path, SECRET.as_bytes()).unwrap();
    Token::read(&path).unwrap()
}

impl Here {
    async fn ask(&self, method: &str, path: &str, cookie: &str, body: &str) -> (u16, HeaderMap, String) {
        let request = Asked::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("cookie", cookie).body(Body::from(body.to_owned())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Signs in, and returns the cookie and what forms bring back.
    async fn signed_in(&self) -> (String, String) {
        let typed = format!("name=ann&token={SECRET}&next=/runs/one");
        let (status, headers, _) = self.ask("POST", "/sign-in", "", &typed).await;
        assert_eq!((status, headers["location"].to_str().unwrap()), (303, "/runs/one"));
        let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let (_, _, page) = self.ask("GET", "/", &cookie, "").await;
        let proof = page.split("proof: \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(proof.len(), 64, "{page}");
        (cookie, proof)
    }
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_not_do() {
    let here = here(None);
    for path in ["/", "/windows", "/runs/one", "/runs/one/report", "/runs/none", "/assets/script.js", "/v1/plans", "/x"]
    {
        let (_, headers, _) = here.ask("GET", path, "", "").await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
    }
}

#[tokio::test]
async fn pages_are_read_by_everyone_and_forms_need_somebody() {
    let here = here(Some(token()));
    for (path, status) in [
        ("/", 200),
        ("/windows", 200),
        ("/runs/one", 200),
        ("/runs/one/report", 200),
        ("/runs/one/report.html", 200),
        ("/runs/none", 404),
        ("/runs/%3Cscript%3E", 404),
        ("/sign-in", 200),
        ("/runs/one/decide?server=fe1&choice=return", 303),
        ("/assets/style.css", 200),
    ] {
        assert_eq!(here.ask("GET", path, "", "").await.0, status, "{path}");
    }
    let (_, headers, _) = here.ask("GET", "/runs/one/decide?server=fe1&choice=return", "", "").await;
    let to = headers["location"].to_str().unwrap();
    assert_eq!(to, "/sign-in?next=%2Fruns%2Fone%2Fdecide%3Fserver%3Dfe1%26choice%3Dreturn");
    assert_eq!(here.ask("POST", "/runs/one/decide", "", "server=fe1&choice=return").await.0, 403);
    assert!(here.fake.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_a_token_nothing_is_decided() {
    let here = here(None);
    let (status, _, text) = here.ask("GET", "/runs/one/decide?server=fe1&choice=return", "", "").await;
    assert!(status == 403 && text.contains("--token-file"), "{text}");
    assert_eq!(here.ask("GET", "/sign-in", "", "").await.0, 403);
    assert_eq!(here.ask("POST", "/sign-in", "", &format!("name=ann&token={SECRET}")).await.0, 403);
}

#[tokio::test]
async fn a_decision_is_made_by_a_form_of_the_session_and_has_a_name() {
    let here = here(Some(token()));
    let (cookie, proof) = here.signed_in().await;
    let (status, _, page) = here.ask("GET", "/runs/one/decide?server=fe1&choice=cut", &cookie, "").await;
    assert!(status == 200 && page.contains("choice: \"cut\""), "{page}");
    let form = "server=fe1&choice=cut&since=2026-11-28T22%3A00%3A00Z&sessions=2&why=they+know";
    assert_eq!(here.ask("POST", "/runs/one/decide", &cookie, form).await.0, 403, "without the proof");
    assert_eq!(here.ask("POST", "/runs/one/decide", "", &format!("{form}&proof={proof}")).await.0, 403, "nobody");
    assert!(here.fake.0.lock().unwrap().is_empty());
    let (status, headers, _) = here.ask("POST", "/runs/one/decide", &cookie, &format!("{form}&proof={proof}")).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (303, "/runs/one?sent=cut"));
    let decision = Decision {
        server: "fe1".to_owned(),
        choice: "cut".to_owned(),
        since: Some("2026-11-28T22:00:00Z".to_owned()),
        minutes: None,
        sessions: Some(2),
        why: Some("they know".to_owned()),
    };
    assert_eq!(*here.fake.0.lock().unwrap(), [("one".to_owned(), Order::Decide(decision), Some("ann".to_owned()))]);
    let form = format!("server=fe1&choice=retry&proof={proof}");
    let (status, _, page) = here.ask("POST", "/runs/one/decide", &cookie, &form).await;
    assert!(status == 409 && page.contains("not now"), "the form again, with why: {page}");
    let form = format!("server=fe1&choice=cut&sessions=all&proof={proof}");
    assert_eq!(here.ask("POST", "/runs/one/decide", &cookie, &form).await.0, 400);
    assert_eq!(here.ask("POST", "/sign-out", &cookie, "").await.0, 403);
    assert_eq!(here.ask("POST", "/sign-out", &cookie, &format!("proof={proof}")).await.0, 303);
    assert_eq!(here.ask("POST", "/runs/one/decide", &cookie, &form).await.0, 403);
}

#[test]
fn a_browser_is_sent_to_pages_of_ours_alone() {
    for (next, to) in [
        ("/runs/one?sent=cut", "/runs/one?sent=cut"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nb", "/"),
        ("", "/"),
    ] {
        assert_eq!(ours(Some(next.to_owned())), to, "{next}");
    }
}

#[tokio::test]
async fn a_page_that_goes_on_is_told_of_its_pieces() {
    use futures::StreamExt as _;
    let here = here(None);
    let request = Asked::builder().uri("/runs/one/events").header("host", "localhost").body(Body::empty()).unwrap();
    let answer = here.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let first = answer.into_body().into_data_stream().next().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    assert!(text.starts_with("event: pieces\ndata: [{\"id\":\"head\""), "{text}");
}
