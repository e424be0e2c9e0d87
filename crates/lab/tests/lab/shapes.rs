//! The shapes of answers, compared with answers that were recorded from real servers.
//!
//! The recordings are not part of this repository. Where they are missing the tests say so and pass.

use crate::common::{Answer, Client, ENUMERATION, SHELL, TRANSFER, WMI, lab, message, selector};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FE1: &str = "fe1.contoso.example";

fn recording(name: &str) -> Option<String> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wsman-fixtures");
    let read = std::fs::read_to_string(folder.join(name));
    if read.is_err() {
        println!("skipped: there is no recording {name}");
    }
    read.ok()
}

/// Returns the paths of elements and attributes of a document, by namespace and name, without their values.
fn shape(text: &str) -> BTreeSet<String> {
    let document = roxmltree::Document::parse(text).unwrap();
    let mut paths = BTreeSet::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let step = |node: &roxmltree::Node<'_, '_>| {
            format!("{{{}}}{}", node.tag_name().namespace().unwrap_or_default(), node.tag_name().name())
        };
        let mut path: Vec<String> =
            node.ancestors().filter(roxmltree::Node::is_element).map(|node| step(&node)).collect();
        path.reverse();
        let path = path.join("/");
        for attribute in node.attributes() {
            paths.insert(format!("{path}@{}", attribute.name()));
        }
        paths.insert(path);
    }
    paths
}

/// Everything that the lab sends has to be something that real servers send, too.
fn nothing_new(answer: &Answer, recorded: &str, but: &[&str]) {
    let known = shape(recorded);
    let new: Vec<String> = shape(&answer.body).into_iter().filter(|path| !known.contains(path)).collect();
    let new: Vec<&String> = new.iter().filter(|path| !but.iter().any(|but| path.contains(but))).collect();
    assert!(new.is_empty(), "{new:#?}");
}

fn enumerate(query: &str) -> String {
    let body = format!(
        r#"<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements><w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">{query}</w:Filter></n:Enumerate>"#
    );
    message(&format!("{ENUMERATION}Enumerate"), &format!("{WMI}*"), "", &body)
}

#[tokio::test]
async fn enumerations_have_the_recorded_shapes() {
    let lab = lab("load: {factor: 0}", 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let all = "SELECT Name,State,StartMode,DisplayName,AcceptPause,AcceptStop,Started FROM Win32_Service";
    let cases = [
        ("txwinrm/server_2012/Win32_Service_star_000.xml", "SELECT * FROM Win32_Service"),
        ("txwinrm/server_2012/Win32_Service_all_000.xml", all),
        ("txwinrm/server_2012/Win32_OperatingSystem_star_000.xml", "SELECT * FROM Win32_OperatingSystem"),
        (
            "txwinrm/server_2012/Win32_OperatingSystem_all_000.xml",
            "SELECT LastBootUpTime,LocalDateTime,Caption,CSDVersion FROM Win32_OperatingSystem",
        ),
    ];
    for (name, query) in cases {
        let Some(recorded) = recording(name) else { continue };
        let answer = client.post(&enumerate(query)).await.unwrap();
        nothing_new(&answer, &recorded, &[]);
        assert_eq!(answer.body.contains("EndOfSequence"), recorded.contains("EndOfSequence"), "{name}");
    }
}

#[tokio::test]
async fn a_page_has_the_recorded_shape() {
    let Some(recorded) = recording("txwinrm/server_2012/Win32_Service_star_003.xml") else { return };
    let lab = lab("load: {factor: 0}", 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let first = client.post(&enumerate("SELECT * FROM Win32_Service")).await.unwrap();
    let context = first.text("EnumerationContext").unwrap();
    let pull = format!(
        "<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>32000</n:MaxElements></n:Pull>"
    );
    let page = client.post(&message(&format!("{ENUMERATION}Pull"), &format!("{WMI}*"), "", &pull)).await.unwrap();
    nothing_new(&page, &recorded, &[]);
}

#[tokio::test]
async fn a_shell_has_the_recorded_shapes() {
    let lab = lab("load: {factor: 0}", 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let cmd = format!("{SHELL}cmd");
    let shell = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>";
    let created = client.post(&message(&format!("{TRANSFER}Create"), &cmd, "", shell)).await.unwrap();
    if let Some(recorded) = recording("txwinrm/shell/create_resp.xml") {
        nothing_new(&created, &recorded, &[]);
    }
    let shell = selector("ShellId", &created.text("ShellId").unwrap());
    let body = "<rsp:CommandLine><rsp:Command>hostname</rsp:Command></rsp:CommandLine>";
    let started = client.post(&message(&format!("{SHELL}Command"), &cmd, &shell, body)).await.unwrap();
    if let Some(recorded) = recording("txwinrm/shell/command_resp.xml") {
        nothing_new(&started, &recorded, &[]);
    }
    let id = started.text("CommandId").unwrap();
    let body =
        format!(r#"<rsp:Receive><rsp:DesiredStream CommandId="{id}">stdout stderr</rsp:DesiredStream></rsp:Receive>"#);
    let received = client.post(&message(&format!("{SHELL}Receive"), &cmd, &shell, &body)).await.unwrap();
    if let Some(recorded) = recording("txwinrm/shell/receive_resp_02.xml") {
        nothing_new(&received, &recorded, &[]);
    }
}

#[tokio::test]
async fn faults_have_the_recorded_shapes() {
    let lab = lab("load: {factor: 0}", 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    if let Some(recorded) = recording("winrb/soap_fault_v2.xml") {
        let answer = client.post(&enumerate("SELECT * FROM Win32_Processa")).await.unwrap();
        nothing_new(&answer, &recorded, &[]);
        assert_eq!(answer.code(), Some(2_150_858_778));
    }
}
