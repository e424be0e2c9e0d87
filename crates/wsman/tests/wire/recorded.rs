//! Our requests beside the recorded requests of other clients.
//!
//! The recordings are not part of this repository. Where they are not at hand the test says so and ends.

use crate::loopback::{Loopback, Seen};
use orchestrate_wsman::ShellOptions;
use roxmltree::{Document, Node};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

type Names = BTreeSet<(String, String)>;

#[derive(Deserialize)]
struct Recording {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    request: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exchange {
    request: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    body: String,
}

/// What the requests of one action have in common.
struct Common {
    headers: Names,
    body: BTreeSet<(String, String)>,
    resources: BTreeSet<String>,
}

/// The recorded requests of two clients.
fn requests() -> Option<Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wsman-fixtures");
    let files = |client: &str| {
        let files = std::fs::read_dir(folder.join(client)).ok()?.map(|file| file.unwrap().path());
        Some(files.filter(|path| path.extension().is_some_and(|end| end == "yml")).collect::<Vec<_>>())
    };
    let mut requests = Vec::new();
    for path in files("pypsrp")? {
        // Sessions of the other protocol, PSRP, put their own options into the same actions.
        if path.to_string_lossy().contains("psrp_") || path.to_string_lossy().contains("client_") {
            continue;
        }
        let recording: Recording = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        requests.extend(recording.messages.into_iter().map(|message| message.request));
    }
    for path in files("winrmsharp")? {
        let recording: Vec<Exchange> = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        requests.extend(recording.into_iter().map(|exchange| exchange.request.body));
    }
    Some(requests)
}

fn recorded() -> Option<BTreeMap<String, Common>> {
    let mut common: BTreeMap<String, Common> = BTreeMap::new();
    for request in requests()? {
        let document = Document::parse(request.trim()).unwrap();
        let (action, headers, body, resource) = shape(&document);
        let (headers_of_all, none) = (headers.clone(), BTreeSet::new());
        let entry =
            common.entry(action).or_insert(Common { headers: headers_of_all, body: none, resources: BTreeSet::new() });
        entry.headers = entry.headers.intersection(&headers).cloned().collect();
        entry.body.extend(body);
        entry.resources.insert(resource);
    }
    Some(common)
}

fn name(node: Node<'_, '_>) -> (String, String) {
    (node.tag_name().namespace().unwrap_or_default().to_owned(), node.tag_name().name().to_owned())
}

fn shape(document: &Document<'_>) -> (String, Names, Option<(String, String)>, String) {
    let part = |wanted: &str| document.root_element().children().find(|node| node.tag_name().name() == wanted).unwrap();
    let header = part("Header");
    let text = |wanted: &str| {
        let node = header.children().find(|node| node.tag_name().name() == wanted);
        node.and_then(|node| node.text()).unwrap_or_default().to_owned()
    };
    let names = header.children().filter(Node::is_element).map(name).collect();
    let body = part("Body").children().find(Node::is_element).map(name);
    (text("Action"), names, body, text("ResourceURI"))
}

async fn ours() -> Vec<Seen> {
    let server = Loopback::start(|seen, _| match seen.action().as_str() {
        "Create" => seen.answer("<rsp:Shell><rsp:ShellId>S1</rsp:ShellId></rsp:Shell>"),
        "Command" => seen.answer("<rsp:CommandResponse><rsp:CommandId>C1</rsp:CommandId></rsp:CommandResponse>"),
        "Receive" => seen.answer(
            "<rsp:ReceiveResponse><rsp:CommandState CommandId=\"C1\" State=\"x/CommandState/Done\">\
             <rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>",
        ),
        _ => seen.answer("<p:C xmlns:p=\"x\"/>"),
    })
    .await;
    let client = server.client();
    client.get("Win32_OperatingSystem", &[]).await.unwrap();
    let shell = client.create_shell(&ShellOptions::default()).await.unwrap();
    shell.run("cmd", &["/c".to_owned()], Some(b"input"), Duration::from_secs(60)).await.unwrap();
    shell.delete().await.unwrap();
    server.seen()
}

#[tokio::test]
async fn our_requests_have_every_header_that_other_clients_send() {
    let Some(recorded) = recorded() else {
        println!("skipped: the recordings are not at hand");
        return;
    };
    let ours = ours().await;
    assert_eq!(ours.len(), 7);
    for seen in ours {
        let document = Document::parse(&seen.body).unwrap();
        let (action, headers, body, resource) = shape(&document);
        let common = recorded.get(&action).unwrap_or_else(|| panic!("{action} is not recorded"));
        assert!(common.headers.is_subset(&headers), "{action}: {:?}", common.headers.difference(&headers));
        if let Some(body) = body {
            assert!(common.body.contains(&body), "{action}: {body:?}");
        }
        if !action.ends_with("/Get") {
            assert!(common.resources.contains(&resource), "{action}: {resource}");
        }
        must_understand(&document);
    }
}

/// The header elements that a server refuses without the right `mustUnderstand`.
fn must_understand(document: &Document<'_>) {
    const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
    let table = [
        ("Action", "true"),
        ("Address", "true"),
        ("ResourceURI", "true"),
        ("MaxEnvelopeSize", "true"),
        ("Locale", "false"),
        ("DataLocale", "false"),
    ];
    for (name, expected) in table {
        let node = document.descendants().find(|node| node.tag_name().name() == name).unwrap();
        assert_eq!(node.attribute((SOAP, "mustUnderstand")), Some(expected), "{name}");
    }
}
