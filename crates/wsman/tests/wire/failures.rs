//! What goes wrong on the way, and what the client says of it.

use crate::loopback::{Loopback, NAME, Reaction, auth, envelope, patient};
use orchestrate_wsman::{
    Cause, Client, Endpoint, FaultClass, Limits, NotSent, Outcome, Refusal, Timeouts, Transport, Trust, Unresolved,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const OUTPUT: &str = "<p:PauseService_OUTPUT xmlns:p=\"x\"><p:ReturnValue>0</p:ReturnValue></p:PauseService_OUTPUT>";

async fn pause(client: &Client) -> Result<orchestrate_wsman::Instance, orchestrate_wsman::Error> {
    client.invoke("Win32_Service", &[("Name", "RTCSRV")], "PauseService", &[]).await
}

fn status(status: &'static str, headers: &str, body: &str) -> Reaction {
    Reaction::Answer { status, headers: headers.to_owned(), body: body.as_bytes().to_vec() }
}

#[tokio::test]
async fn a_refused_account_names_what_the_server_offers_and_is_not_tried_for_ever() {
    let offers =
        "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Kerberos\r\nWWW-Authenticate: Basic realm=\"WSMAN\"\r\n";
    let server = Loopback::start(move |_, _| status("401 Unauthorized", offers, "")).await;
    let client = server.client();
    for _ in 0..2 {
        let error = pause(&client).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Refused);
        assert!(error.to_string().contains("Negotiate, Kerberos, Basic"), "{error}");
        assert!(!error.to_string().contains("secret") && !format!("{error:?}").contains("secret"));
    }
    let error = pause(&client).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::NotSent(NotSent::AccountLeftAlone { times: 2, .. })), "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_by_all_connections_at_once() {
    let server = Loopback::start(|_, _| status("401 Unauthorized", "", "")).await;
    let endpoint = Endpoint::at(NAME, server.address.to_string());
    let transport = Transport::Https(Trust::Authority(server.authority.clone()));
    let client = Client::new(endpoint, &transport, &auth(), Timeouts::default(), Limits::default()).unwrap();
    let clients: Vec<Client> = (0..6).map(|_| client.second()).collect();
    let mut refused = 0;
    let mut tasks: Vec<_> =
        clients.into_iter().map(|client| tokio::spawn(async move { pause(&client).await })).collect();
    for task in tasks.drain(..) {
        refused += usize::from(task.await.unwrap().unwrap_err().outcome() == Outcome::Refused);
    }
    assert_eq!((refused, server.seen().len()), (1, 1), "the others are not sent");
}

#[tokio::test]
async fn an_answer_from_before_authentication_does_not_prove_the_account() {
    let page = |line| Reaction::Answer {
        status: line,
        headers: "Content-Type: text/html\r\n".to_owned(),
        body: b"<html/>".to_vec(),
    };
    for line in ["404 Not Found", "503 Service Unavailable", "500 Internal Server Error", "302 Found"] {
        let refused = || status("401 Unauthorized", "", "");
        let between = page(line);
        let server = Loopback::start(move |_, number| if number == 1 { between.clone() } else { refused() }).await;
        let client = server.client();
        for _ in 0..4 {
            pause(&client).await.unwrap_err();
        }
        assert_eq!(server.seen().len(), 3, "{line}: the second 401 is the last that is risked");
    }
}

#[tokio::test]
async fn p3_a_failure_without_a_body_leaves_the_outcome_open() {
    let server = Loopback::start(|_, _| status("500 Internal Server Error", "", "")).await;
    let error = pause(&server.client()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(error.to_string().contains("AllowUnencrypted"), "{error}");
}

#[tokio::test]
async fn p3_a_change_is_never_sent_twice_and_a_question_is() {
    let server = Loopback::start(|_, _| Reaction::Close).await;
    let client = server.client();
    let error = pause(&client).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::Lost(_))), "{error}");
    assert_eq!(server.actions(), ["PauseService"]);
    let error = client.get("Win32_OperatingSystem", &[]).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(server.actions(), ["PauseService", "Get", "Get"]);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_is_replaced() {
    let server = Loopback::start(|seen, _| Reaction::AnswerAndClose(Box::new(seen.answer(OUTPUT)))).await;
    let client = server.client();
    for _ in 0..4 {
        // Should the close be noticed only after the request was written, its outcome is unknown; never two requests.
        let before = server.seen().len();
        if let Err(error) = pause(&client).await {
            assert_ne!(error.outcome(), Outcome::Refused, "{error}");
        }
        assert!(server.seen().len() <= before + 1);
    }
    assert!(server.seen().len() > 1, "a later request must reach the server on a new connection");
}

#[tokio::test]
async fn nobody_listening_is_not_sent() {
    let server = Loopback::start(|_, _| Reaction::Close).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoint = Endpoint::at(NAME, free.to_string());
    let transport = Transport::Https(Trust::Authority(server.authority.clone()));
    let client = Client::new(endpoint, &transport, &auth(), patient(), Limits::default()).unwrap();
    let error = pause(&client).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(
        error.to_string().starts_with("fe1.contoso.example: PauseService Win32_Service RTCSRV: not sent"),
        "{error}"
    );
}

#[tokio::test]
async fn p3_an_answer_that_is_too_large_is_not_read() {
    let server = Loopback::start(|_, _| status("200 OK", "", &"x".repeat(700_000))).await;
    let error = pause(&server.client()).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::TooLarge(614_400))), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn p3_of_a_gigabyte_no_more_is_taken_than_an_answer_may_have() {
    for headers in ["Content-Length: 1073741824\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let taken = Arc::new(AtomicU64::new(0));
        let counted = taken.clone();
        let server = Loopback::start(move |_, _| Reaction::Flood { headers, taken: counted.clone() }).await;
        let error = pause(&server.client()).await.unwrap_err();
        assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::TooLarge(614_400))), "{headers}: {error}");
        assert_eq!(error.outcome(), Outcome::Unknown);
        // What the sockets on both sides hold is no memory of the client.
        assert!(taken.load(Ordering::Relaxed) < 32 << 20, "{headers}: {taken:?}");
    }
}

#[tokio::test]
async fn p10_a_server_with_another_name_is_told_nothing() {
    let server = Loopback::start(|_, _| Reaction::Close).await;
    let trust = Trust::Authority(server.authority.clone());
    let client = server.client_with("fe2.contoso.example", trust, Limits::default()).unwrap();
    let error = pause(&client).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::NotSent(NotSent::Tls { .. })), "{error}");
    assert!(error.to_string().contains("fe2.contoso.example"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn p10_a_server_of_another_authority_is_told_nothing() {
    let server = Loopback::start(|_, _| Reaction::Close).await;
    let other = Loopback::start(|_, _| Reaction::Close).await;
    let trust = Trust::Authority(other.authority.clone());
    let error = pause(&server.client_with(NAME, trust, Limits::default()).unwrap()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    let platform = server.client_with(NAME, Trust::Platform, Limits::default()).unwrap();
    assert_eq!(pause(&platform).await.unwrap_err().outcome(), Outcome::NotSent);
    assert!(server.seen().is_empty());
}

/// Returns what a client says of a server that does this with the client's greeting.
async fn after_the_greeting(answer: Option<&'static [u8]>) -> orchestrate_wsman::Error {
    let authority = Loopback::start(|_, _| Reaction::Close).await.authority;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::at(NAME, listener.local_addr().unwrap().to_string());
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 4096];
        assert!(stream.read(&mut greeting).await.unwrap() > 0);
        match answer {
            Some(bytes) => stream.write_all(bytes).await.unwrap(),
            None => std::future::pending().await,
        }
    });
    let transport = Transport::Https(Trust::Authority(authority));
    let short = Timeouts { handshake: Duration::from_millis(300), ..Timeouts::default() };
    let error =
        pause(&Client::new(endpoint, &transport, &auth(), short, Limits::default()).unwrap()).await.unwrap_err();
    serve.abort();
    error
}

#[tokio::test]
async fn a_handshake_that_breaks_off_may_pass_and_one_that_is_refused_does_not() {
    // Closing without a word, silence, and the alert "handshake failure".
    let closed = after_the_greeting(Some(b"")).await;
    assert!(matches!(&*closed.cause, Cause::NotSent(NotSent::Handshake { .. })), "{closed}");
    assert!(closed.to_string().contains("may be starting") && closed.to_string().contains("ECDSA P-256"), "{closed}");
    let silent = after_the_greeting(None).await;
    assert!(matches!(&*silent.cause, Cause::NotSent(NotSent::Handshake { .. })), "{silent}");
    let refused = after_the_greeting(Some(b"\x15\x03\x03\x00\x02\x02\x28")).await;
    assert!(matches!(&*refused.cause, Cause::NotSent(NotSent::Tls { .. })), "{refused}");
    assert!(refused.to_string().contains("ECDSA P-256"), "{refused}");
    let other = after_the_greeting(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert!(matches!(&*other.cause, Cause::NotSent(NotSent::Tls { .. })), "{other}");
    assert!(!other.to_string().contains("ECDSA"), "{other}");
    for error in [closed, silent, refused, other] {
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
}

#[tokio::test]
async fn p10_a_pin_accepts_one_certificate_and_no_other() {
    use sha2::Digest as _;
    let server = Loopback::start(|seen, _| seen.answer(OUTPUT)).await;
    let pin: [u8; 32] = sha2::Sha256::digest(&server.certificate).into();
    assert!(pause(&server.client_with(NAME, Trust::Pins(vec![pin]), Limits::default()).unwrap()).await.is_ok());
    let mut other = pin;
    other[31] ^= 1;
    let error =
        pause(&server.client_with(NAME, Trust::Pins(vec![other]), Limits::default()).unwrap()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.to_string().contains("not the pinned one"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn p3_silence_is_not_waited_for_for_ever() {
    let server = Loopback::start(|_, _| Reaction::Hang).await;
    let endpoint = Endpoint::at(NAME, server.address.to_string());
    let transport = Transport::Https(Trust::Authority(server.authority.clone()));
    let short = Timeouts {
        operation: Duration::from_millis(50),
        answer_margin: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let client = Client::new(endpoint, &transport, &auth(), short, Limits::default()).unwrap();
    let error = pause(&client).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::Timeout(_))), "{error}");
}

#[tokio::test]
async fn p3_an_answer_to_another_request_is_no_answer() {
    let lies: Vec<String> = vec![
        envelope("<a:RelatesTo>uuid:11111111-1111-1111-1111-111111111111</a:RelatesTo>", OUTPUT),
        "<html><body>proxy</body></html>".to_owned(),
        "\u{1}garbage".to_owned(),
        envelope("", "<p:StopService_OUTPUT xmlns:p=\"x\"/>"),
        envelope("", ""),
        envelope("", OUTPUT)[..200].to_owned(),
        format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", envelope("", OUTPUT)),
    ];
    let answers = Arc::new(lies.clone());
    let server = Loopback::start(move |_, number| status("200 OK", "", &answers[number])).await;
    let client = server.client();
    for lie in &lies {
        let error = pause(&client).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{lie}: {error}");
    }
}

#[tokio::test]
async fn statuses_without_an_envelope_are_sorted_by_what_they_mean() {
    let table = [
        ("404 Not Found", Outcome::Refused),
        ("413 Payload Too Large", Outcome::Refused),
        ("503 Service Unavailable", Outcome::Refused),
        ("502 Bad Gateway", Outcome::Unknown),
        ("302 Found", Outcome::Unknown),
    ];
    let server = Loopback::start(move |_, number| status(table[number].0, "", "<html/>")).await;
    let client = server.client();
    for (line, expected) in table {
        let error = pause(&client).await.unwrap_err();
        assert_eq!(error.outcome(), expected, "{line}: {error}");
    }
}

#[tokio::test]
async fn faults_say_whether_anything_happened() {
    let table = [
        ("AccessDenied", 5, Outcome::Refused, FaultClass::AccessDenied),
        ("QuotaLimit", 2_150_859_173, Outcome::Refused, FaultClass::Quota),
        ("TimedOut", 2_150_858_793, Outcome::Unknown, FaultClass::TimedOut),
        ("InternalError", 995, Outcome::Unknown, FaultClass::Aborted),
        ("DestinationUnreachable", 32_768, Outcome::Refused, FaultClass::NotFound),
    ];
    let server = Loopback::start(move |seen, number| seen.fault(table[number].0, table[number].1)).await;
    let client = server.client();
    for (subcode, code, outcome, class) in table {
        let error = pause(&client).await.unwrap_err();
        assert_eq!((error.outcome(), error.fault_class()), (outcome, Some(class)), "{error}");
        assert!(matches!(&*error.cause, Cause::Refused(Refusal::Fault(_))));
        let text = format!("HTTP 500, {subcode}: message (code {code}, 0x{code:08X})");
        assert!(error.to_string().contains(&text), "{error}");
        assert_eq!(error.to_string().contains("LocalAccountTokenFilterPolicy"), code == 5, "{error}");
    }
}
