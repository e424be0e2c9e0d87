//! Channels against servers and programs that answer well, badly, late and never.

use super::*;
use crate::channel::Undelivered;
use orchestrate_model::notify::Occasion;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;
use url::Url;
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn notice() -> Notice {
    Notice {
        occasion: Occasion::Held,
        at: jiff::Timestamp::UNIX_EPOCH,
        run: orchestrate_model::RunId::new("run-1").ok(),
        change: "pool01 November update".to_owned(),
        reason: "CHG1".to_owned(),
        pool: None,
        server: orchestrate_model::ServerName::new("fe1.contoso.example").ok(),
        title: "fe1 is held in drain".to_owned(),
        text: "2 sessions are left of <b>RTCSRV</b> & others".to_owned(),
        commands: vec!["orchestrate decide run-1 fe1 return".to_owned()],
        lab: false,
    }
}

fn channel(name: &str, way: Way) -> Channel {
    Channel { name: name.to_owned(), way, on: [Occasion::Held].into() }
}

fn url(server: &MockServer) -> Url {
    Url::parse(&format!("{}/secret/T0KEN", server.uri())).unwrap()
}

#[test]
fn a_notice_of_each_occasion_is_as_its_schema_says() {
    let schema: Value = serde_json::from_str(NOTICE_SCHEMA).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let words = json!(Occasion::ALL.map(Occasion::word));
    assert_eq!(schema["properties"]["event"]["enum"], words);
    for occasion in Occasion::ALL {
        let object = Notice { occasion, ..notice() }.plain();
        assert!(validator.is_valid(&object), "{object}");
        let told: Vec<&String> = object.as_object().unwrap().keys().collect();
        let mut described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        described.sort();
        assert_eq!(described, told);
    }
    assert!(!validator.is_valid(&json!({"version": 1, "event": "held"})));
}

/// Tells one notice by these channels, and returns what was not delivered.
async fn told(channels: Vec<Channel>) -> Vec<String> {
    let (failures, mut failed) = mpsc::unbounded_channel();
    let notifier = Notifier::begin(channels, &failures).unwrap();
    notifier.tell(&notice());
    // What is not wanted is not told.
    notifier.tell(&Notice { occasion: Occasion::Ended, ..notice() });
    assert_eq!(notifier.close(Duration::from_secs(60)).await, Vec::<String>::new());
    drop(failures);
    let mut all = Vec::new();
    while let Some(text) = failed.recv().await {
        all.push(text);
    }
    all
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_is_told_again_until_it_takes_it_once() {
    let server = MockServer::start().await;
    let failing = Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).up_to_n_times(2).expect(2);
    failing.mount(&server).await;
    let wanted = json!({"version": 1, "event": "held", "server": "fe1.contoso.example", "lab": false});
    let taking = Mock::given(path("/secret/T0KEN")).and(header("content-type", "application/json"));
    let taking = taking.and(body_partial_json(wanted)).respond_with(ResponseTemplate::new(200)).expect(1);
    taking.mount(&server).await;
    assert_eq!(told(vec![channel("webhook", Way::Webhook(url(&server)))]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_refusal_for_good_is_asked_once_and_told_without_the_address() {
    let server = MockServer::start().await;
    let refusing = Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(404).set_body_string("no_team\n\x1b[31m: /secret/T0KEN"));
    refusing.expect(1).mount(&server).await;
    let failed = told(vec![channel("slack", Way::Slack(url(&server)))]).await;
    assert_eq!(failed, ["slack was not told: fe1 is held in drain: it answered 404 Not Found: no_team [31m: /***/***"]);
    let gone = Url::parse("http://127.0.0.1:1/secret/T0KEN").unwrap();
    let failed = told(vec![channel("webhook", Way::Webhook(gone))]).await;
    assert!(failed.len() == 1 && !failed[0].contains("T0KEN"), "{failed:?}");
}

#[tokio::test]
async fn an_address_that_leads_elsewhere_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&elsewhere).await;
    let server = MockServer::start().await;
    let away = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    Mock::given(method("POST")).respond_with(away).expect(1).mount(&server).await;
    let failed = told(vec![channel("webhook", Way::Webhook(url(&server)))]).await;
    assert!(failed.len() == 1 && failed[0].contains("307"), "{failed:?}");
}

#[tokio::test]
async fn a_channel_that_never_answers_delays_no_other_and_no_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(204)).expect(1).mount(&server).await;
    let (failures, _failed) = mpsc::unbounded_channel();
    let channels = vec![channel("dead", Way::Webhook(dead)), channel("good", Way::Webhook(url(&server)))];
    let notifier = Notifier::begin(channels, &failures).unwrap();
    notifier.tell(&notice());
    assert_eq!(notifier.close(Duration::from_secs(2)).await, ["dead"]);
}

#[test]
fn each_chat_gets_its_own_form() {
    let slack = notice().slack();
    let text = slack["text"].as_str().unwrap();
    assert!(text.starts_with("*fe1 is held in drain*\n"), "{text}");
    assert!(text.contains("&lt;b&gt;RTCSRV&lt;/b&gt; &amp; others"), "{text}");
    assert!(text.ends_with("`orchestrate decide run-1 fe1 return`"), "{text}");
    let card = notice().card();
    let content = &card["attachments"][0]["content"];
    assert_eq!(content["type"], "AdaptiveCard");
    let texts: Vec<&Value> = content["body"].as_array().unwrap().iter().map(|block| &block["text"]).collect();
    assert_eq!(texts, ["fe1 is held in drain", notice().text.as_str(), "orchestrate decide run-1 fe1 return"]);
}

#[cfg_attr(not(unix), ignore = "it has programs of Unix told")]
#[tokio::test]
async fn a_program_gets_the_object_on_its_input_and_its_failure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told.json");
    let command = |script: &str| Way::Command(["sh", "-c", script, "sh"].map(str::to_owned).into());
    let write = format!("cat > {}", file.display());
    assert_eq!(told(vec![channel("command", command(&write))]).await, Vec::<String>::new());
    let told_it: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&told_it["event"], &told_it["run"]), (&json!("held"), &json!("run-1")));
    let failed = told(vec![channel("command", command("echo the modem is busy >&2; exit 3"))]).await;
    assert!(failed.len() == 1 && failed[0].contains("exit status: 3: the modem is busy"), "{failed:?}");
    // What it leaves behind keeps its output open, and it has done its work.
    assert_eq!(told(vec![channel("command", command("sleep 60 & exit 0"))]).await, Vec::<String>::new());
    let failed = told(vec![channel("command", Way::Command(vec!["/no/such/program".to_owned()]))]).await;
    assert!(failed.len() == 1 && failed[0].contains("/no/such/program cannot be run"), "{failed:?}");
}

#[test]
fn a_machine_that_is_short_of_processes_for_a_moment_is_asked_again() {
    let not_started = |kind: ErrorKind| Undelivered::NotStarted { program: "page".to_owned(), source: kind.into() };
    assert!(not_started(ErrorKind::WouldBlock).may_pass());
    assert!(not_started(ErrorKind::OutOfMemory).may_pass());
    assert!(!not_started(ErrorKind::NotFound).may_pass());
    // It ran, and may have told it.
    let lost = Undelivered::Lost { program: "page".to_owned(), source: ErrorKind::WouldBlock.into() };
    assert!(!lost.may_pass());
}

/// A mail server that answers each connection's envelope with the next of these lines, and returns what it was sent in all.
fn mail_server(answers: &'static [&'static str]) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let mut heard = String::new();
        for answer in answers {
            let (mut line, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(line.try_clone().unwrap());
            line.write_all(b"220 mail ready\r\n").unwrap();
            let mut in_text = false;
            loop {
                let mut text = String::new();
                if lines.read_line(&mut text).unwrap() == 0 {
                    break;
                }
                heard.push_str(&text);
                let word = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                let said = match (in_text, word.as_str()) {
                    (true, ".") => {
                        in_text = false;
                        "250 taken"
                    }
                    (true, _) => continue,
                    (false, "DATA") => {
                        in_text = true;
                        "354 go on"
                    }
                    (false, "MAIL") => *answer,
                    (false, "QUIT") => "221 good bye",
                    (false, _) => "250 ok",
                };
                line.write_all(format!("{said}\r\n").as_bytes()).unwrap();
            }
        }
        heard
    });
    (url, serving)
}

fn by_mail(server: &str) -> Channel {
    let to = ["on-call@contoso.example".to_owned(), "board@contoso.example".to_owned()];
    channel("mail", Way::Mail(Box::new(Mail::new(server, "orchestrate@contoso.example", &to).unwrap())))
}

#[tokio::test]
async fn a_mail_server_that_never_ends_its_line_is_not_listened_to_for_ever() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("smtp://{}", listener.local_addr().unwrap());
    let talking = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut sent = 0_usize;
        while let Ok(()) = stream.write_all(&[b'x'; 4_096]) {
            sent += 4_096;
        }
        sent
    });
    let failed = try_once(&by_mail(&server), &notice()).await.unwrap_err();
    assert!(failed.contains("says more than a mail server has to"), "{failed}");
    assert!(talking.join().unwrap() < 16 * 1_024 * 1_024, "what waits in the system's buffers, and no more");
}

#[tokio::test]
async fn a_mail_server_that_is_busy_is_asked_again_and_gets_the_mail_once() {
    let (server, serving) = mail_server(&["450 try again later", "250 ok"]);
    assert_eq!(told(vec![by_mail(&server)]).await, Vec::<String>::new());
    let heard = serving.join().unwrap();
    for wanted in [
        "MAIL FROM:<orchestrate@contoso.example>",
        "RCPT TO:<on-call@contoso.example>",
        "RCPT TO:<board@contoso.example>",
        "Subject: fe1 is held in drain",
        "Auto-Submitted: auto-generated",
        "2 sessions are left of <b>RTCSRV</b> & others",
        "orchestrate decide run-1 fe1 return",
        "reason: CHG1",
    ] {
        assert!(heard.contains(wanted), "{wanted} is missing in:\n{heard}");
    }
    assert_eq!(heard.matches("Subject: ").count(), 1, "{heard}");
}

#[tokio::test]
async fn what_a_mail_server_refuses_for_good_is_asked_once() {
    let (server, serving) = mail_server(&["550 no relaying for you"]);
    let failed = told(vec![by_mail(&server)]).await;
    assert!(failed.len() == 1 && failed[0].contains("no relaying for you"), "{failed:?}");
    assert!(serving.join().unwrap().contains("MAIL FROM"));
}

#[tokio::test]
async fn a_server_that_repeats_the_password_shows_it_to_nobody() {
    // The server speaks no TLS, so that the logon fails before the password; what it says is masked in either spelling.
    let (server, serving) = mail_server(&["550 bad password p@ss-word and p%40ss-word"]);
    let mut mail = Mail::new(
        "smtps://ops:p%40ss-word@mail.contoso.example",
        "a@contoso.example",
        &["b@contoso.example".to_owned()],
    );
    let plain = Mail::new(&server, "a@contoso.example", &["b@contoso.example".to_owned()]).unwrap();
    if let Ok(mail) = &mut mail {
        mail.answered_by(plain);
    }
    let failed = told(vec![channel("mail", Way::Mail(Box::new(mail.unwrap())))]).await;
    assert!(failed.len() == 1 && failed[0].contains("bad password *** and ***"), "{failed:?}");
    assert!(serving.join().unwrap().contains("MAIL FROM"));
}

#[test]
fn no_password_goes_in_plain_text_and_no_message_shows_one() {
    let to = ["on-call@contoso.example".to_owned()];
    let made = |server: &str, from: &str| Mail::new(server, from, &to).map_err(|error| error.to_string());
    let from = "orchestrate@contoso.example";
    for server in
        ["smtp://ops:geheim@mail.contoso.example", "smtp://ops:geheim@mail.contoso.example:587?tls=opportunistic"]
    {
        let error = made(server, from).unwrap_err();
        assert!(error.contains("in plain text") && !error.contains("geheim"), "{error}");
    }
    for server in ["smtps://ops:geheim@mail.contoso.example", "smtp://ops:geheim@mail.contoso.example?tls=required"] {
        let made = made(server, from).unwrap();
        assert!(!format!("{made:?}").contains("geheim"), "{made:?}");
    }
    for server in ["mail.contoso.example:25", "https://mail.contoso.example", "smtp:///geheim", ""] {
        let error = made(server, from).unwrap_err();
        assert!(error.contains("smtps://HOST") && !error.contains("geheim"), "{error}");
    }
    assert!(
        made("smtp://mail.contoso.example", "no address").unwrap_err().contains("no address is no address of mail")
    );
}
