//! The operations, as they look when all goes well.

use crate::loopback::{Loopback, Reaction, Seen};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchestrate_wsman::{Cause, Limits, Outcome, ShellOptions, Trust, Unresolved};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn identify_says_what_the_server_is() {
    let server = Loopback::start(|seen, _| {
        seen.answer(
            "<i:IdentifyResponse xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
             <i:ProductVendor>Lab&#27;[2J</i:ProductVendor><i:ProductVersion>OS: 1</i:ProductVersion>\
             </i:IdentifyResponse>"
                .replace("&#27;", "&#9;")
                .as_str(),
        )
    })
    .await;
    let identity = server.client().identify().await.unwrap();
    assert_eq!((identity.vendor.as_str(), identity.version.as_str()), ("Lab [2J", "OS: 1"));
    let seen = server.seen();
    assert!(seen[0].head.contains("authorization: basic "), "{}", seen[0].head);
    assert_eq!(seen[0].text("Action"), None, "identify has no header");
}

#[tokio::test]
async fn requests_go_over_one_connection_one_after_the_other() {
    let server = Loopback::start(|seen, _| seen.answer("<p:C xmlns:p=\"x\"><p:A>1</p:A></p:C>")).await;
    let client = server.client();
    let get = || client.get("C", &[("Name", "a'b<c>&\"d")]);
    let (first, second, third) = tokio::join!(get(), get(), get());
    assert_eq!(first.unwrap().number("a"), Some(1));
    assert!(second.is_ok() && third.is_ok());
    let seen = server.seen();
    assert_eq!(seen[0].text("Selector").as_deref(), Some("a'b<c>&\"d"));
    assert_ne!(seen[0].text("MessageID"), seen[1].text("MessageID"));
    assert_eq!(seen[0].text("SessionId"), seen[1].text("SessionId"));
}

/// Answers an enumeration with three pages of one item.
fn pages(seen: &Seen) -> Reaction {
    let item = |n: u32| format!("<w:XmlFragment><Name>S{n}</Name></w:XmlFragment>");
    match (seen.action().as_str(), seen.text("EnumerationContext").as_deref()) {
        ("Enumerate", _) => seen.answer(&format!(
            "<n:EnumerateResponse><n:EnumerationContext>one</n:EnumerationContext><w:Items>{}</w:Items>\
             </n:EnumerateResponse>",
            item(1)
        )),
        ("Pull", Some("one")) => seen.answer(&format!(
            "<n:PullResponse><n:EnumerationContext>two</n:EnumerationContext><n:Items>{}</n:Items></n:PullResponse>",
            item(2)
        )),
        ("Pull", Some("two")) => {
            seen.answer(&format!("<n:PullResponse><n:Items>{}</n:Items><n:EndOfSequence/></n:PullResponse>", item(3)))
        }
        ("Release", Some(_)) => seen.answer(""),
        (_, _) => seen.fault("InvalidEnumerationContext", 1),
    }
}

#[tokio::test]
async fn an_enumeration_is_read_to_its_last_page() {
    let server = Loopback::start(|seen, _| pages(seen)).await;
    let rows = server.client().query("SELECT Name FROM Win32_Service WHERE Name = 'a&b'").await.unwrap();
    let names: Vec<_> = rows.iter().filter_map(|row| row.text("NAME")).collect();
    assert_eq!(names, ["S1", "S2", "S3"]);
    let seen = server.seen();
    assert_eq!(seen[0].text("Filter").as_deref(), Some("SELECT Name FROM Win32_Service WHERE Name = 'a&b'"));
    assert_eq!(seen[0].text("ResourceURI"), seen[1].text("ResourceURI"));
}

#[tokio::test]
async fn p3_a_part_of_an_answer_is_no_answer() {
    let server = Loopback::start(|seen, _| pages(seen)).await;
    let trust = Trust::Authority(server.authority.clone());
    let limits = Limits { pages: 2, ..Limits::default() };
    let client = server.client_with(crate::loopback::NAME, trust, limits).unwrap();
    let error = client.query("SELECT Name FROM Win32_Service").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(server.actions(), ["Enumerate", "Pull", "Release"]);
}

#[tokio::test]
async fn p3_pages_without_end_are_given_up_at_the_most_that_are_read() {
    let server = Loopback::start(|seen, _| match seen.action().as_str() {
        "Enumerate" => seen.answer(
            "<n:EnumerateResponse><n:EnumerationContext>next</n:EnumerationContext><w:Items/></n:EnumerateResponse>",
        ),
        "Pull" => {
            seen.answer("<n:PullResponse><n:EnumerationContext>next</n:EnumerationContext><n:Items/></n:PullResponse>")
        }
        _ => seen.answer(""),
    })
    .await;
    let error = server.client().query("SELECT Name FROM Win32_Service").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    let (pages, actions) = (Limits::default().pages, server.actions());
    assert_eq!((actions.len(), actions.last().map(String::as_str)), (pages + 1, Some("Release")));
}

#[tokio::test]
async fn pages_that_are_small_one_by_one_are_bounded_in_all() {
    let server = Loopback::start(|seen, _| pages(seen)).await;
    let trust = Trust::Authority(server.authority.clone());
    let limits = Limits { enumeration_bytes: 100, ..Limits::default() };
    let client = server.client_with(crate::loopback::NAME, trust, limits).unwrap();
    let error = client.query("SELECT Name FROM Win32_Service").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(server.actions(), ["Enumerate", "Release"]);
}

#[tokio::test]
async fn an_enumeration_that_the_server_lost_is_started_over_once() {
    let server = Loopback::start(
        |seen, number| {
            if number == 1 { seen.fault("InvalidEnumerationContext", 1) } else { pages(seen) }
        },
    )
    .await;
    assert_eq!(server.client().query("SELECT Name FROM C").await.unwrap().len(), 3);
    assert_eq!(server.actions(), ["Enumerate", "Pull", "Enumerate", "Pull", "Pull"]);
}

#[tokio::test]
async fn a_page_that_is_neither_last_nor_continued_is_refused() {
    let server = Loopback::start(|seen, _| seen.answer("<n:EnumerateResponse><w:Items/></n:EnumerateResponse>")).await;
    assert!(server.client().query("SELECT Name FROM C").await.is_err());
}

/// Answers a shell whose command says "é" in two halves, with a time-out in between.
fn shell(seen: &Seen, receives: &std::sync::atomic::AtomicUsize) -> Reaction {
    let stream =
        |bytes: &[u8]| format!("<rsp:Stream Name=\"stdout\" CommandId=\"C1\">{}</rsp:Stream>", STANDARD.encode(bytes));
    match seen.action().as_str() {
        "Create" => seen.answer("<rsp:Shell><rsp:ShellId>S1</rsp:ShellId></rsp:Shell>"),
        "Command" => seen.answer("<rsp:CommandResponse><rsp:CommandId>C1</rsp:CommandId></rsp:CommandResponse>"),
        "Receive" => match receives.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => seen.answer(&format!("<rsp:ReceiveResponse>{}</rsp:ReceiveResponse>", stream(b"caf\xc3"))),
            1 => seen.fault("TimedOut", 2_150_858_793),
            _ => seen.answer(&format!(
                "<rsp:ReceiveResponse>{}<rsp:CommandState CommandId=\"C1\" State=\"http://schemas.microsoft.com/wbem/\
                 wsman/1/windows/shell/CommandState/Done\"><rsp:ExitCode>3221225786</rsp:ExitCode></rsp:CommandState>\
                 </rsp:ReceiveResponse>",
                stream(b"\xa9\r\n")
            )),
        },
        _ => seen.answer(""),
    }
}

#[tokio::test]
async fn a_command_is_followed_to_its_end() {
    let receives = std::sync::atomic::AtomicUsize::new(0);
    let server = Loopback::start(move |seen, _| shell(seen, &receives)).await;
    let shell = server.client().create_shell(&ShellOptions::default()).await.unwrap();
    let input = vec![b'x'; 100_000];
    let output = shell.run("cmd", &["/c".to_owned(), "a<b".to_owned()], Some(&input), LIMIT).await.unwrap();
    assert_eq!((output.stdout.as_str(), output.exit_code), ("café\r\n", 3_221_225_786));
    shell.delete().await.unwrap();
    let expected =
        ["Create", "Command", "Send", "Send", "Send", "Receive", "Receive", "Receive", "terminate", "Delete"];
    let mut actions = server.actions();
    actions[8] = server.seen()[8].text("Code").unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(actions, expected);
    let sent: Vec<u8> =
        server.seen()[2..5].iter().flat_map(|seen| STANDARD.decode(seen.text("Stream").unwrap()).unwrap()).collect();
    assert_eq!(sent, input);
    let ends: Vec<bool> = server.seen()[2..5].iter().map(|seen| seen.body.contains("End=\"true\"")).collect();
    assert_eq!(ends, [false, false, true]);
}

#[tokio::test]
async fn a_shell_that_is_dropped_is_deleted() {
    let server = Loopback::start(|seen, _| shell(seen, &std::sync::atomic::AtomicUsize::new(2))).await;
    let shell = server.client().create_shell(&ShellOptions::default()).await.unwrap();
    drop(shell);
    server.wait_for("Delete").await;
    assert_eq!(server.seen().last().unwrap().text("Selector").as_deref(), Some("S1"));
}

#[tokio::test]
async fn p3_a_command_that_does_not_end_in_time_is_unknown_and_terminated() {
    let server = Loopback::start(|seen, _| match seen.action().as_str() {
        "Receive" => seen.fault("TimedOut", 2_150_858_793),
        _ => shell(seen, &std::sync::atomic::AtomicUsize::new(2)),
    })
    .await;
    let shell = server.client().create_shell(&ShellOptions::default()).await.unwrap();
    let error = shell.run("cmd", &[], None, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::Unresolved(Unresolved::CommandTimeout(_))), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    server.wait_for("Signal").await;
}

#[tokio::test]
async fn p3_a_lost_shell_is_refused_before_and_unknown_after_the_start_of_a_command() {
    let server = Loopback::start(|seen, number| match (seen.action().as_str(), number) {
        ("Command", 1) | ("Receive", _) => seen.fault("InvalidSelectors", 2_150_858_843),
        _ => shell(seen, &std::sync::atomic::AtomicUsize::new(2)),
    })
    .await;
    let shell = server.client().create_shell(&ShellOptions::default()).await.unwrap();
    assert_eq!(shell.run("cmd", &[], None, LIMIT).await.unwrap_err().outcome(), Outcome::Refused);
    assert_eq!(shell.run("cmd", &[], None, LIMIT).await.unwrap_err().outcome(), Outcome::Unknown);
    shell.forget();
}
