use super::*;
use crate::Socket;
use crate::token::Token;
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
    fn order(&self, run: &str, order: Order, who: Option<&str>) -> Result<String, Refused> {
        assert_eq!(who, None, "a program has no name");
        self.0.lock().unwrap().push((run.to_owned(), order));
        Ok("done".into())
    }
    fn measures(&self) -> Measures {
        Measures::default()
    }
    fn page(&self, page: &Page, _visitor: &Visitor) -> Result<String, Refused> {
        Ok(format!("{page:?}"))
    }
    fn form(&self, form: &Form, _visitor: &Visitor) -> Result<String, Refused> {
        Ok(format!("{form:?}"))
    }
    fn told(&self, _page: &Page) -> Result<Told, Refused> {
        Ok(Told::default())
    }
    fn assets(&self) -> Assets {
        Assets::default()
    }
}

fn token() -> Token {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("token");
    orchestrate_files::replace(&path, SECRET.as_bytes()).unwrap();
    Token::read(&path).unwrap()
}

async fn ask(fake: &Arc<Fake>, token: Option<Token>, (method, path): (&str, &str), (auth, body): (&str, &str)) -> u16 {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8460");
    if !auth.is_empty() {
        request = request.header("authorization", auth);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    router(fake.clone(), Trust { token, ..Trust::default() }, Socket::Address)
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
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
        ("/", 200),
        ("/nothing", 404),
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
    let decision = Decision { server: "fe1".into(), choice: "retry".into(), ..Decision::default() };
    let order = Order::Decide(decision);
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
        let answer = router(fake.clone(), Trust::default(), Socket::Address).oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
    let request = Request::builder().uri("/health").body(Body::empty()).unwrap();
    let answer = router(fake.clone(), Trust::default(), Socket::File).oneshot(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "who can open the socket may ask by any name");
}

#[tokio::test]
async fn a_browser_gives_no_orders_to_programs_also_where_a_proxy_brings_the_token() {
    let fake = Arc::new(Fake::default());
    for header in ["origin", "sec-fetch-site"] {
        let request = Request::builder().method("POST").uri("/v1/runs/one/stop").header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {SECRET}")).header(header, "same-origin");
        let trust = Trust { token: Some(token()), ..Trust::default() };
        let router = router(fake.clone(), trust, Socket::Address);
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), 403, "{header}");
    }
    assert!(fake.0.lock().unwrap().is_empty());
}
