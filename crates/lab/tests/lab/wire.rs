//! The lab's WinRM seen from the wire.

use crate::common::{
    Client, ENUMERATION, POOL, SHA256, SHELL, TRANSFER, WMI, command, get_service, invoke, lab, message, script,
    selector, server_name, until,
};
use serde_json::json;

const FE1: &str = "fe1.contoso.example";
const QUIET: &str = "load: {factor: 0}";

#[tokio::test]
async fn strangers_are_offered_ways_to_prove_who_they_are() {
    let lab = lab(QUIET, 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap().without_password();
    let answer = client.post(&get_service("RTCSRV")).await.unwrap();
    assert_eq!(answer.status, 401);
    let offers: Vec<_> = answer.headers.get_all("WWW-Authenticate").iter().collect();
    assert!(offers.len() > 1 && offers.iter().any(|offer| *offer == "Basic realm=\"WSMAN\""), "{offers:?}");
}

#[tokio::test]
async fn identify_tells_strangers_no_version() {
    let lab = lab(QUIET, 1.0).await;
    let identify = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
        xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"#;
    let mut known = Client::connect(lab.directory(), FE1).await.unwrap();
    let answer = known.post(identify).await.unwrap();
    assert_eq!(answer.text("ProductVersion").unwrap(), "OS: 6.3.9600 SP: 0.0 Stack: 3.0");
    assert!(answer.text("ProductVendor").unwrap().contains("lab"));
    let mut stranger = Client::connect(lab.directory(), FE1).await.unwrap().without_password();
    let answer = stranger.post_with(identify, &[("WSMANIDENTIFY", "unauthenticated")]).await.unwrap();
    assert_eq!(answer.text("ProductVersion").unwrap(), "OS: 0.0.0 SP: 0.0 Stack: 3.0");
}

#[tokio::test]
async fn a_service_is_paused_and_read_back() {
    let lab = lab(QUIET, 200.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let before = client.post(&get_service("rtcsrv")).await.unwrap();
    assert_eq!((before.status, before.text("State").unwrap().as_str()), (200, "Running"));
    assert_eq!(before.text("AcceptPause").unwrap(), "true");
    assert_eq!(before.text("RelatesTo").unwrap(), "uuid:11111111-2222-3333-4444-555555555555");
    let manual = r#"<p:StartMode xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service">Manual</p:StartMode>"#;
    let changed = client.post(&invoke("RTCSRV", "ChangeStartMode", manual)).await.unwrap();
    assert_eq!(changed.text("ReturnValue").unwrap(), "0", "{}", changed.body);
    let paused = client.post(&invoke("RTCSRV", "PauseService", "")).await.unwrap();
    assert_eq!(paused.text("ReturnValue").unwrap(), "0", "{}", paused.body);
    until(&lab, "RTCSRV paused", |report| {
        let server = &report.servers[&server_name(FE1)];
        server
            .services
            .iter()
            .any(|(name, service)| name.as_str() == "RTCSRV" && service.state == orchestrate_model::RunState::Paused)
    })
    .await;
    let after = client.post(&get_service("RTCSRV")).await.unwrap();
    assert_eq!((after.text("State").unwrap(), after.text("StartMode").unwrap()), ("Paused".into(), "Manual".into()));
    assert!(!lab.report().start_types_as_before);
}

#[tokio::test]
async fn an_enumeration_brings_one_item_and_then_pages() {
    let lab = lab(QUIET, 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let resource = format!("{WMI}Win32_Service");
    let enumerate = "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements></n:Enumerate>";
    let small = "<w:MaxEnvelopeSize>20000</w:MaxEnvelopeSize>";
    let mut answer =
        client.post(&message(&format!("{ENUMERATION}Enumerate"), &resource, small, enumerate)).await.unwrap();
    assert_eq!(answer.texts("Name").len(), 1);
    let mut names = answer.texts("Name");
    let mut pages = 0;
    while !answer.body.contains("EndOfSequence") {
        let context = answer.text("EnumerationContext").unwrap();
        let pull = format!(
            "<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>32000</n:MaxElements></n:Pull>"
        );
        let pull = message(&format!("{ENUMERATION}Pull"), &resource, small, &pull);
        answer = client.post(&pull).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        names.extend(answer.texts("Name"));
        pages += 1;
        let again = client.post(&pull).await.unwrap();
        assert_eq!(again.code(), Some(2_150_858_779), "a context is good for one pull");
    }
    assert!(pages > 2, "{pages} pages");
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().any(|name| name == "RTCSRV") && names.iter().any(|name| name == "MSSQL$RTCLOCAL"));
}

#[tokio::test]
async fn a_projection_brings_fragments_without_a_namespace() {
    let lab = lab(QUIET, 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let query = "SELECT Name, State FROM Win32_Service WHERE (Name = 'rtcsrv' OR Name LIKE 'RTCC%') AND State &lt;&gt; 'Stopped'";
    let answer = client.post(&enumerate(query)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("<Name>") && answer.body.contains("XmlFragment") && !answer.body.contains("<p:"));
    for wrong in ["SELECT Name FROM", "SELECT Nonsense FROM Win32_Service", "SELECT * FROM Win32_Nonsense"] {
        let answer = client.post(&enumerate(wrong)).await.unwrap();
        assert_eq!((answer.status, answer.code()), (500, Some(2_150_858_778)), "{wrong}");
    }
    let delayed = client.post(&enumerate("SELECT DelayedAutoStart FROM Win32_Service")).await.unwrap();
    assert_eq!(delayed.code(), Some(2_150_858_778), "Windows 2012 R2 has no such property");
}

fn enumerate(query: &str) -> String {
    let body = format!(
        r#"<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements><w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">{query}</w:Filter></n:Enumerate>"#
    );
    message(&format!("{ENUMERATION}Enumerate"), &format!("{WMI}*"), "", &body)
}

#[tokio::test]
async fn wrong_requests_get_the_right_faults() {
    let lab = lab(QUIET, 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let good = get_service("RTCSRV");
    let locale = r#"<w:Locale xml:lang="en-US" s:mustUnderstand="true"/>"#;
    let strange = r#"<x:Strange xmlns:x="urn:x" s:mustUnderstand="true"/>"#;
    let service = format!("{WMI}Win32_Service");
    let get = format!("{TRANSFER}Get");
    let cases = [
        ("no XML", good.replace("</s:Envelope>", ""), 2_150_858_817),
        ("a document type", format!("<!DOCTYPE x>{}", good.split_once("?>").unwrap().1), 2_150_858_817),
        ("no ReplyTo", good.replace("a:ReplyTo", "a:From"), 2_150_858_769),
        ("an unknown action", good.replace("transfer/Get", "transfer/Put"), 2_150_858_753),
        ("an unknown method", invoke("RTCSRV", "ExplodeService", ""), 2_150_858_753),
        ("a locale that must be understood", message(&get, &service, locale, ""), 2_150_858_887),
        ("an unknown header", message(&get, &service, strange, ""), 2_150_858_768),
        ("a small envelope", message(&get, &service, "<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>", ""), 2_150_858_878),
        ("no such service", get_service("RTCNONE"), 2_150_858_752),
        ("no selector", message(&get, &service, "", ""), 2_150_858_842),
        ("another selector", message(&get, &service, &selector("Colour", "red"), ""), 2_150_858_843),
        (
            "no such shell",
            message(
                &format!("{SHELL}Receive"),
                &format!("{SHELL}cmd"),
                &selector("ShellId", "X"),
                "<rsp:Receive><rsp:DesiredStream CommandId=\"Y\">stdout</rsp:DesiredStream></rsp:Receive>",
            ),
            2_150_858_843,
        ),
    ];
    for (what, request, code) in cases {
        let answer = client.post(&request).await.unwrap();
        assert_eq!((answer.status, answer.code()), (500, Some(code)), "{what}: {}", answer.body);
    }
}

#[tokio::test]
async fn unknown_commands_and_scripts_fail_honestly() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (_, stderr, code) = command(&mut client, "format.com", "c:").await;
    assert_eq!(code, "1");
    assert!(stderr.contains("not recognized"), "{stderr}");
    let (stdout, stderr, code) =
        command(&mut client, "powershell.exe", "-EncodedCommand ZwBlAHQALQBkAGEAdABlAA==").await;
    assert_eq!((stdout.as_str(), code.as_str()), ("", "1"));
    assert!(stderr.starts_with("#< CLIXML"), "{stderr}");
    let (stdout, _, code) = command(&mut client, "hostname.exe", "").await;
    assert_eq!((stdout.trim(), code.as_str()), ("fe1", "0"));
}

#[tokio::test]
async fn a_missing_program_is_a_fault_where_no_cmd_stands_between() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let cmd = format!("{SHELL}cmd");
    let shell_body = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>";
    let created = client.post(&message(&format!("{TRANSFER}Create"), &cmd, "", shell_body)).await.unwrap();
    let shell = selector("ShellId", &created.text("ShellId").unwrap());
    let more = format!(r#"{shell}<w:OptionSet><w:Option Name="WINRS_SKIP_CMD_SHELL">TRUE</w:Option></w:OptionSet>"#);
    let body = "<rsp:CommandLine><rsp:Command>nonsense.exe</rsp:Command></rsp:CommandLine>";
    let answer = client.post(&message(&format!("{SHELL}Command"), &cmd, &more, body)).await.unwrap();
    assert_eq!((answer.status, answer.code()), (500, Some(2_147_942_402)));
}

#[tokio::test]
async fn shells_are_counted_and_gone_after_a_restart() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let cmd = format!("{SHELL}cmd");
    let shell_body = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>";
    let create = message(&format!("{TRANSFER}Create"), &cmd, "", shell_body);
    for _ in 0..30 {
        assert_eq!(client.post(&create).await.unwrap().status, 200);
    }
    let refused = client.post(&create).await.unwrap();
    assert_eq!((refused.status, refused.text("error_Code").unwrap().as_str()), (500, "2150859173"));
    let resource = format!("{WMI}Win32_OperatingSystem");
    let body = format!(r#"<p:Reboot_INPUT xmlns:p="{resource}"/>"#);
    let reboot = client.post(&message(&format!("{resource}/Reboot"), &resource, "", &body)).await;
    assert!(reboot.is_err() || reboot.unwrap().text("ReturnValue").unwrap() == "0");
    until(&lab, "restarted", |report| {
        let server = &report.servers[&server_name(FE1)];
        server.up && server.restarts == 1
    })
    .await;
    let mut client = loop {
        match Client::connect(lab.directory(), FE1).await {
            Ok(client) => break client,
            Err(_not_yet) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    };
    assert_eq!(client.post(&create).await.unwrap().status, 200);
}

#[tokio::test]
async fn shells_that_are_idle_make_room_after_the_time_that_their_client_has_said() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let cmd = format!("{SHELL}cmd");
    let create = |idle: &str| {
        let body = format!("<rsp:Shell><rsp:IdleTimeOut>{idle}</rsp:IdleTimeOut></rsp:Shell>");
        message(&format!("{TRANSFER}Create"), &cmd, "", &body)
    };
    assert_eq!(client.post(&create("PT59S")).await.unwrap().status, 500, "shorter than the server takes");
    assert_eq!(client.post(&create("soon")).await.unwrap().status, 500);
    assert_eq!(client.post(&create("PT7200S")).await.unwrap().status, 200);
    for _ in 0..29 {
        assert_eq!(client.post(&create("PT60S")).await.unwrap().status, 200);
    }
    let mut refusals = 0;
    while client.post(&create("PT60S")).await.unwrap().status != 200 {
        refusals += 1;
        tokio::task::yield_now().await;
    }
    assert!(refusals > 0, "thirty were open a moment ago");
    let shells = lab.report().servers[&server_name(FE1)].shells;
    assert!(shells.expired > 0 && shells.expired <= 29, "{shells:?}");
    assert_eq!(shells.created, shells.expired + shells.open, "{shells:?}");
}

/// Opens a shell with a command that waits for a script as input; returns the header of both and the command's id.
async fn script_by_input(client: &mut Client) -> (String, String) {
    let cmd = format!("{SHELL}cmd");
    let shell_body = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>";
    let created = client.post(&message(&format!("{TRANSFER}Create"), &cmd, "", shell_body)).await.unwrap();
    let shell = selector("ShellId", &created.text("ShellId").unwrap());
    let body = "<rsp:CommandLine><rsp:Command>powershell.exe</rsp:Command><rsp:Arguments>-Command -</rsp:Arguments></rsp:CommandLine>";
    let started = client.post(&message(&format!("{SHELL}Command"), &cmd, &shell, body)).await.unwrap();
    let id = started.text("CommandId").unwrap();
    (shell, id)
}

fn shell_message(operation: &str, shell: &str, body: &str) -> String {
    message(&format!("{SHELL}{operation}"), &format!("{SHELL}cmd"), shell, body)
}

fn receive(shell: &str, id: &str) -> String {
    let stream = format!(r#"<rsp:DesiredStream CommandId="{id}">stdout stderr</rsp:DesiredStream>"#);
    shell_message("Receive", shell, &format!("<rsp:Receive>{stream}</rsp:Receive>"))
}

fn send_script(shell: &str, id: &str) -> String {
    // "# orchestrate script replication 1" and an empty request, in base64.
    let data = "IyBvcmNoZXN0cmF0ZSBzY3JpcHQgcmVwbGljYXRpb24gMQokcmVxdWVzdCA9ICdlMzA9Jwo=";
    let stream = format!(r#"<rsp:Stream Name="stdin" CommandId="{id}" End="true">{data}</rsp:Stream>"#);
    shell_message("Send", shell, &format!("<rsp:Send>{stream}</rsp:Send>"))
}

#[tokio::test]
async fn a_script_can_come_as_input() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (shell, id) = script_by_input(&mut client).await;
    let waiting = client.post(&receive(&shell, &id)).await.unwrap();
    assert_eq!((waiting.status, waiting.code()), (500, Some(2_150_858_793)), "without input there is no output");
    let sent = client.post(&send_script(&shell, &id)).await.unwrap();
    assert_eq!(sent.status, 200, "{}", sent.body);
    loop {
        let answer = client.post(&receive(&shell, &id)).await.unwrap();
        if let Some(code) = answer.text("ExitCode") {
            assert_eq!(code, "0");
            break;
        }
    }
}

fn signal(shell: &str, id: &str) -> String {
    let code = format!("<rsp:Code>{SHELL}signal/terminate</rsp:Code>");
    shell_message("Signal", shell, &format!(r#"<rsp:Signal CommandId="{id}">{code}</rsp:Signal>"#))
}

#[tokio::test]
async fn a_command_counts_until_its_end_is_acknowledged() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (shell, first) = script_by_input(&mut client).await;
    let body = "<rsp:CommandLine><rsp:Command>hostname.exe</rsp:Command></rsp:CommandLine>";
    let start = shell_message("Command", &shell, body);
    for _ in 1..15 {
        let started = client.post(&start).await.unwrap();
        let id = started.text("CommandId").unwrap_or_else(|| panic!("{}", started.body));
        // It has ended and still counts, and says so again to whoever asks.
        for _ in 0..2 {
            assert_eq!(client.post(&receive(&shell, &id)).await.unwrap().text("ExitCode").unwrap(), "0");
        }
    }
    let refused = client.post(&start).await.unwrap();
    assert_eq!((refused.status, refused.code()), (500, Some(2_150_859_174)));
    assert_eq!(client.post(&signal(&shell, &first)).await.unwrap().status, 200);
    assert_eq!(client.post(&start).await.unwrap().status, 200);
    let again = client.post(&signal(&shell, &first)).await.unwrap();
    assert_eq!((again.status, again.code()), (500, Some(2_150_858_843)), "it is gone");
    let gone = client.post(&receive(&shell, &first)).await.unwrap();
    assert_eq!((gone.status, gone.code()), (500, Some(2_150_858_843)));
}

#[tokio::test]
async fn the_start_of_an_installer_takes_longer_than_one_question_waits() {
    let lab = lab(QUIET, 600.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (shell, id) = script_by_input(&mut client).await;
    // "# orchestrate script installer-start 1" and an empty request, in base64.
    let data = "IyBvcmNoZXN0cmF0ZSBzY3JpcHQgaW5zdGFsbGVyLXN0YXJ0IDEKJHJlcXVlc3QgPSAnZTMwPScK";
    let stream = format!(r#"<rsp:Stream Name="stdin" CommandId="{id}" End="true">{data}</rsp:Stream>"#);
    let sent = client.post(&shell_message("Send", &shell, &format!("<rsp:Send>{stream}</rsp:Send>"))).await.unwrap();
    assert_eq!(sent.status, 200, "{}", sent.body);
    let waiting = client.post(&receive(&shell, &id)).await.unwrap();
    assert_eq!((waiting.status, waiting.code()), (500, Some(2_150_858_793)));
    assert_eq!(client.post(&receive(&shell, &id)).await.unwrap().status, 200);
}

#[tokio::test]
async fn answers_come_in_chunks_or_in_utf_16_when_the_scenario_says_so() {
    let faults = "{load: {factor: 0}, faults: [{operation: Get, effect: chunked}, {operation: Get, effect: utf16}]}";
    let lab = lab(faults, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let chunked = client.post(&get_service("RTCSRV")).await.unwrap();
    assert_eq!(chunked.headers["Transfer-Encoding"], "chunked");
    let wide = client.post(&get_service("RTCSRV")).await.unwrap();
    assert_eq!(wide.headers["Content-Type"], "application/soap+xml;charset=UTF-16");
    let plain = client.post(&get_service("RTCSRV")).await.unwrap();
    assert!(plain.headers.contains_key("Content-Length"));
    for answer in [chunked, wide, plain] {
        assert_eq!((answer.status, answer.text("Name").unwrap().as_str()), (200, "RTCSRV"));
    }
}

#[tokio::test]
async fn headers_are_understood_by_name_and_sizes_are_numbers() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let get = |more: &str| {
        let header = format!("{}{more}", selector("Name", "RTCSRV"));
        message(&format!("{TRANSFER}Get"), &format!("{WMI}Win32_Service"), &header, "")
    };
    let unknown = client.post(&get(r#"<w:Novelty s:mustUnderstand="true">1</w:Novelty>"#)).await.unwrap();
    assert_eq!((unknown.status, unknown.code()), (500, Some(2_150_858_768)), "{}", unknown.body);
    assert_eq!(client.post(&get("<w:Novelty>1</w:Novelty>")).await.unwrap().status, 200);
    let odd = client.post(&get("<w:MaxEnvelopeSize>abc</w:MaxEnvelopeSize>")).await.unwrap();
    assert_eq!((odd.status, odd.code()), (500, Some(2_150_858_817)), "{}", odd.body);
}

#[tokio::test]
async fn counters_are_found_by_their_generated_names() {
    let lab = lab("seed: 5", 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let asked = json!({ "objects": ["ls:avmcu - operations", "LS:SIP - Peers", "LS:Nonsense"] });
    let (answer, code) = script(&mut client, "counter-classes", &asked).await;
    assert_eq!(code, "0", "{answer}");
    assert!(answer["classes"]["LS:Nonsense"].is_null());
    let class = answer["classes"]["ls:avmcu - operations"]["class"].as_str().unwrap();
    let property =
        answer["classes"]["ls:avmcu - operations"]["properties"]["AVMCU - Number of Users"].as_str().unwrap();
    let values = client.post(&enumerate(&format!("SELECT * FROM {class}"))).await.unwrap();
    let users: u32 = values.text(property).unwrap().parse().unwrap();
    let report = lab.report();
    let served = report.servers[&server_name(FE1)].services.iter().find(|(name, _)| name.as_str() == "RTCAVMCU");
    assert!(users > 0 && served.unwrap().1.sessions.unwrap().abs_diff(users) < 5, "{users}");
    let peers = &answer["classes"]["LS:SIP - Peers"];
    let (class, property) =
        (peers["class"].as_str().unwrap(), peers["properties"]["SIP - Connections Active"].as_str().unwrap());
    let clients = client.post(&enumerate(&format!("SELECT Name, {property} FROM {class} WHERE Name='Clients'"))).await;
    assert!(clients.unwrap().text(property).unwrap().parse::<u32>().unwrap() > 20);
}

#[tokio::test]
async fn the_counters_of_many_classes_are_answered_as_the_server_itself_has_them() {
    let lab = lab("seed: 5", 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (names, _) = script(&mut client, "counter-classes", &json!({ "objects": ["LS:SIP - Peers"] })).await;
    let peers = &names["classes"]["LS:SIP - Peers"];
    let (class, active) = (peers["class"].as_str().unwrap(), peers["properties"]["SIP - Connections Active"].as_str());
    let (active, none) = (active.unwrap(), "Win32_PerfFormattedData_None");
    let classes =
        json!([{ "name": class, "properties": ["Name", active, "Gone"] }, { "name": none, "properties": ["Name"] }]);
    let (found, code) = script(&mut client, "counters", &json!({ "classes": classes, "each": 5, "seconds": 15 })).await;
    assert_eq!(code, "0", "{found}");
    let rows = found["classes"][class].as_array().unwrap();
    let clients = rows.iter().find(|row| row["Name"] == "Clients").unwrap();
    let query = format!("SELECT Name, {active} FROM {class} WHERE Name='Clients'");
    let enumerated: i64 = client.post(&enumerate(&query)).await.unwrap().text(active).unwrap().parse().unwrap();
    let value: i64 = clients[active].as_str().unwrap().parse().unwrap();
    assert!(rows.len() == 3 && clients["Gone"].is_null() && value.abs_diff(enumerated) < 5, "{found} {enumerated}");
    assert_eq!(found["errors"], json!({ none: "Invalid class " }));
}

#[tokio::test]
async fn an_installer_runs_once_however_often_it_is_asked_for() {
    let lab = lab("{load: {factor: 0}, installer: {exit_code: 3010}}", 600.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let start = json!({ "token": "run-1-fe1", "installer": "C:\\CU\\LyncServerUpdateInstaller.exe",
        "arguments": ["/silentmode"], "sha256": SHA256, "deadlineSeconds": 2700 });
    let wrong = json!({ "token": "other", "installer": "C:\\CU\\LyncServerUpdateInstaller.exe",
        "arguments": [], "sha256": "00", "deadlineSeconds": 2700 });
    assert_eq!(script(&mut client, "installer-start", &wrong).await.0["result"], "wrong-hash");
    assert_eq!(script(&mut client, "installer-start", &start).await.0["result"], "started");
    assert_eq!(script(&mut client, "installer-start", &start).await.0["result"], "already");
    let state = json!({ "token": "run-1-fe1" });
    until(&lab, "patched", |report| report.patched().count() == 1).await;
    let (answer, _) = script(&mut client, "installer-state", &state).await;
    assert_eq!(answer, json!({ "state": "finished", "exitCode": 3010 }));
    let report = lab.report();
    let installer = &report.servers[&server_name(FE1)].installers["run-1-fe1"];
    assert_eq!((report.installer_starts(&server_name(FE1)), installer.asked), (1, 2));
}

#[tokio::test]
async fn a_restart_drops_connections_refuses_and_comes_back_on_the_same_port() {
    let lab = lab(QUIET, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let before = lab.report().servers[&server_name(FE1)].booted;
    let (_, _, code) = command(&mut client, "shutdown.exe", "/r /t 5 /d p:2:17 /c \"patched\"").await;
    assert_eq!(code, "0");
    let (_, _, again) = command(&mut client, "shutdown.exe", "/r /t 5").await;
    assert_eq!(again, "1190");
    until(&lab, "down", |report| !report.servers[&server_name(FE1)].up).await;
    let lost = client.post(&get_service("RTCSRV")).await;
    assert!(lost.is_err(), "connections die with the server");
    let refused = Client::connect(lab.directory(), FE1).await.err().expect("refused").kind();
    assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
    until(&lab, "up", |report| report.servers[&server_name(FE1)].up).await;
    let mut client = loop {
        match Client::connect(lab.directory(), FE1).await {
            Ok(client) => break client,
            Err(_not_yet) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    };
    let system = message(&format!("{TRANSFER}Get"), &format!("{WMI}Win32_OperatingSystem"), "", "");
    let answer = client.post(&system).await.unwrap();
    let booted: jiff::Timestamp =
        answer.text("Datetime").map(|_| answer.texts("Datetime")[1].parse().unwrap()).unwrap();
    assert!(booted.duration_since(before) > jiff::SignedDuration::from_mins(1), "{booted} {before}");
    assert_eq!(lab.report().servers[&server_name(FE1)].restarts, 1);
}

#[tokio::test]
async fn faults_of_the_scenario_are_met_as_often_as_it_says() {
    let faults = "{load: {factor: 0}, faults: [
        {operation: PauseService, effect: drop-after}, {operation: Get, effect: garbage, skip: 1},
        {operation: StopService, effect: return-value, value: 2}, {operation: ResumeService, effect: access-denied},
        {operation: StartService, effect: wrong-relates-to}, {operation: versions, effect: drop-before}]}";
    let lab = lab(faults, 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    assert!(client.post(&invoke("RTCCPS", "PauseService", "")).await.is_err());
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let state = client.post(&get_service("RTCCPS")).await.unwrap().text("State").unwrap();
    assert!(state.contains("Pause"), "the pause was carried out: {state}");
    assert!(roxmltree::Document::parse(&client.post(&get_service("RTCCPS")).await.unwrap().body).is_err());
    let stop = client.post(&invoke("RTCCAA", "StopService", "")).await.unwrap();
    assert_eq!(stop.text("ReturnValue").unwrap(), "2");
    assert_eq!(client.post(&get_service("RTCCAA")).await.unwrap().text("State").unwrap(), "Running");
    let denied = client.post(&invoke("RTCCAA", "ResumeService", "")).await.unwrap();
    assert_eq!((denied.status, denied.code()), (500, Some(5)));
    let other = client.post(&invoke("RTCCAA", "StartService", "")).await.unwrap();
    assert_ne!(other.text("RelatesTo").unwrap(), "uuid:11111111-2222-3333-4444-555555555555");
    let report = lab.report();
    assert_eq!(report.faults_not_met, ["versions: DropBefore"]);
    assert!(report.text().contains("faults that were never met  1"), "{report}");
}

#[tokio::test]
async fn a_fault_of_a_script_also_meets_one_that_comes_as_input() {
    let lab = lab("{load: {factor: 0}, faults: [{operation: replication, effect: access-denied}]}", 100.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (shell, id) = script_by_input(&mut client).await;
    let sent = client.post(&send_script(&shell, &id)).await.unwrap();
    assert_eq!((sent.status, sent.code()), (500, Some(5)));
    assert!(lab.report().faults_not_met.is_empty());
}

#[tokio::test]
async fn the_active_central_management_is_the_plans_or_the_scenarios() {
    let lab =
        lab("servers: {fe2.contoso.example: {active_master: fe9}, fe3.contoso.example: {active_master: ''}}", 1.0);
    let lab = lab.await;
    for (server, expected) in
        [(FE1, json!(null)), ("fe2.contoso.example", json!("fe9")), ("fe3.contoso.example", json!(""))]
    {
        let mut client = Client::connect(lab.directory(), server).await.unwrap();
        let (answer, _) = script(&mut client, "central-management", &json!({})).await;
        assert_eq!(answer["answer"]["ActiveMasterFQDN"], expected, "{server}: {answer}");
    }
}

#[tokio::test]
async fn readiness_and_activity_follow_the_world() {
    let lab = lab("seed: 2", 1.0).await;
    let mut client = Client::connect(lab.directory(), FE1).await.unwrap();
    let (answer, _) = script(&mut client, "readiness", &json!({ "pool": POOL, "product": "lync2013" })).await;
    assert_eq!(answer["answer"]["State"], "Ready");
    assert_eq!(answer["answer"]["UpgradeDomains"].as_array().unwrap().len(), 3);
    let (answer, _) = script(&mut client, "activity", &json!({ "services": ["RTCCAA", "RTCSRV", "RTCNONE"] })).await;
    assert!(answer["activity"]["RTCCAA"].as_str().unwrap().starts_with("Concurrent Calls="), "{answer}");
    assert!(answer["errors"]["RTCNONE"].is_string());
    let (answer, _) =
        script(&mut client, "service-details", &json!({ "services": ["RTCSRV", "WAS", "RTCNONE"] })).await;
    assert_eq!(answer["services"]["RTCSRV"]["delayed"], true);
    assert_eq!(answer["services"]["WAS"]["dependents"], json!(["W3SVC"]));
    assert_eq!(answer["services"]["W3SVC"]["dependents"], json!([]), "what depends on a service comes along");
    assert!(answer["services"]["RTCNONE"].is_null());
}
