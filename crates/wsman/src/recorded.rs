//! The reader on every recorded answer of real servers.
//!
//! The recordings are not part of this repository. Where they are not at hand the tests say so and end.

use crate::enumerate::Page;
use crate::envelope::Reply;
use crate::error::{Cause, Refusal, Unresolved};
use crate::fault::{Fault, FaultClass};
use crate::instance::{Identity, Instance};
use crate::shell::{Piece, read_command_id, read_shell_id};
use crate::{clixml, xml};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Psrp {
    messages: Vec<PsrpMessage>,
}

#[derive(Deserialize)]
struct PsrpMessage {
    request: String,
    response: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sharp {
    request: SharpBody,
    response: SharpResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SharpBody {
    body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SharpResponse {
    status_code: u16,
    body: String,
}

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wsman-fixtures");
    if !folder.is_dir() {
        println!("skipped: the recordings are not at hand in {}", folder.display());
        return None;
    }
    Some(folder)
}

fn text(file: &str) -> Option<String> {
    Some(std::fs::read_to_string(folder()?.join(file)).unwrap())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Returns the request and the answer of each exchange in a recorded session.
fn session(file: &str, text: &str) -> Vec<(String, String)> {
    if file.contains("winrmsharp") {
        let all: Vec<Sharp> = serde_saphyr::from_str(text).unwrap();
        let trimmed = |body: &str| body.trim().to_owned();
        return all.iter().map(|one| (trimmed(&one.request.body), trimmed(&one.response.body))).collect();
    }
    let all: Psrp = serde_saphyr::from_str(text).unwrap();
    all.messages.into_iter().map(|one| (one.request, one.response)).collect()
}

fn id_of(request: &str) -> String {
    let document = xml::parse(request).unwrap();
    document.descendants().find(|node| node.tag_name().name() == "MessageID").map(xml::text).unwrap_or_default()
}

fn fault(answer: &str) -> Fault {
    match Reply::read(answer, None, |_| Ok(())) {
        Err(Cause::Refused(Refusal::Fault(fault))) => *fault,
        other => panic!("no fault: {other:?}"),
    }
}

#[test]
fn every_recorded_file_is_read() {
    let Some(folder) = folder() else { return };
    let (mut answers, mut misfits) = (0, Vec::new());
    for path in files(&folder) {
        let (name, text) = (path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap());
        let end = path.extension().map(|end| end.to_string_lossy().into_owned()).unwrap_or_default();
        match end.as_str() {
            "yml" => {
                for (request, answer) in session(&name, &text) {
                    let id = id_of(&request);
                    let id = (!id.is_empty()).then_some(id.as_str());
                    match Reply::read(&answer, id, |_| Ok(())) {
                        Ok(()) | Err(Cause::Refused(_)) => answers += 1,
                        Err(Cause::Unresolved(Unresolved::WrongRelation { .. })) => {
                            misfits.push(path.file_name().unwrap().to_string_lossy().into_owned());
                        }
                        Err(other) => panic!("{name}: {other}\n{answer}"),
                    }
                }
            }
            // A placeholder in them stands for a piece of base64.
            "erb" => {
                let filled = text.replace("<%= command_id %>", "C1").replace("<%= test_data_stdout %>", "YQ==");
                let filled = filled.replace("<%= test_data_stderr %>", "Yg==");
                let piece = Reply::read(&filled, None, |body| Piece::read(body, "C1")).unwrap();
                assert_eq!((piece.stdout, piece.stderr), (b"a".to_vec(), b"b".to_vec()), "{name}");
                answers += 1;
            }
            "xml" if text.starts_with("#< CLIXML") => assert!(!clixml::said(&text).contains("Objs"), "{name}"),
            // These two recordings have a document type definition of their own around the messages.
            "xml" if name.contains("winrm4j") => {
                assert!(matches!(xml::parse(&text), Err(Unresolved::NotXml(_))), "{name}");
                let messages = text.split_once("]>").unwrap().1;
                let document = xml::parse(messages).unwrap();
                answers += document.descendants().filter(|node| node.has_tag_name("response")).count();
            }
            "xml" => match Reply::read(&text, None, |_| Ok(())) {
                Ok(()) | Err(Cause::Refused(_)) => answers += 1,
                Err(other) => panic!("{name}: {other}"),
            },
            _ => assert_eq!(end, "md", "{name}"),
        }
    }
    assert!(answers >= 186, "only {answers} answers were found");
    // In these recordings an answer was put beside another request by hand.
    assert_eq!(misfits, ["test_winrs_unicode.yml"]);
}

#[test]
fn an_answer_to_another_request_is_recognised_in_a_recording() {
    let Some(text) = text("pypsrp/test_winrs_standard.yml") else { return };
    let exchanges = session("pypsrp", &text);
    let other = id_of(&exchanges[1].0);
    let wrong = Reply::read(&exchanges[0].1, Some(&other), |_| Ok(())).unwrap_err();
    assert!(matches!(wrong, Cause::Unresolved(Unresolved::WrongRelation { .. })), "{wrong}");
}

fn page(file: &str) -> Option<Page> {
    Some(Reply::read(&text(&format!("txwinrm/{file}"))?, None, Page::read).unwrap())
}

#[test]
fn services_are_read_in_both_shapes_and_page_by_page() {
    let table = [
        ("server_2003/Win32_Service_star_000.xml", 104, true),
        ("server_2003/Win32_Service_all_000.xml", 104, true),
        ("server_2008/Win32_Service_star_000.xml", 1, false),
        ("server_2008/Win32_Service_all_000.xml", 1, false),
        ("server_2012/Win32_Service_star_000.xml", 1, false),
        ("server_2012/Win32_Service_star_001.xml", 50, false),
        ("server_2012/Win32_Service_star_003.xml", 28, true),
        ("server_2012/Win32_Service_all_000.xml", 1, false),
        ("server_2012/Win32_Service_all_001.xml", 59, false),
        ("server_2012/Win32_Service_all_002.xml", 61, false),
        ("server_2012/Win32_Service_all_003.xml", 10, true),
    ];
    for (file, items, last) in table {
        let Some(page) = page(file) else { return };
        assert_eq!(page.items.len(), items, "{file}");
        assert_eq!(page.context.is_none(), last, "{file}");
        let class = if file.contains("star") { Some("Win32_Service") } else { None };
        for item in &page.items {
            assert_eq!(item.class(), class, "{file}");
            let state = item.text("State").unwrap();
            assert!(["Running", "Stopped"].contains(&state), "{file}: {state}");
            assert!(item.truth("AcceptPause").is_some() && item.text("StartMode").is_some(), "{file}");
        }
    }
    let first = page("server_2012/Win32_Service_all_000.xml").unwrap();
    let service = &first.items[0];
    assert_eq!(service.text("name"), Some("AeLookupSvc"));
    assert_eq!(service.number("ExitCode"), Some(1077));
    assert!(service.has("InstallDate") && service.text("InstallDate").is_none(), "null is there, without a value");
    assert!(!service.has("DelayedAutoStart"), "servers before 2016 do not have it");
    assert_eq!(first.context.as_deref(), Some("uuid:24D6AF3D-00C4-4148-9C07-336C5B7DCACE"));
}

#[test]
fn boot_times_are_read_in_both_shapes() {
    let table = [
        ("server_2003", "2013-04-15T16:28:38.376625Z"),
        ("server_2008", "2013-04-15T16:28:39.5Z"),
        ("server_2012", "2013-04-15T16:28:43.488171Z"),
    ];
    for (server, expected) in table {
        for shape in ["star", "all"] {
            let Some(page) = page(&format!("{server}/Win32_OperatingSystem_{shape}_000.xml")) else { return };
            let system = &page.items[0];
            assert_eq!(system.time("LastBootUpTime"), Some(expected.parse().unwrap()), "{server} {shape}");
            assert!(system.time("LocalDateTime") > system.time("LastBootUpTime"));
            assert!(system.text("Caption").unwrap().starts_with("Microsoft"));
        }
    }
}

#[test]
fn arrays_and_counters_are_read() {
    let Some(computer) = page("server_2012/Win32_ComputerSystem_all_000.xml") else { return };
    assert!(computer.items[0].all("Roles").len() > 1, "{:?}", computer.items[0].all("Roles"));
    for shape in ["star", "all"] {
        let counters = page(&format!("server_2012/Win32_PerfRawData_PerfProc_Process_{shape}_000.xml")).unwrap();
        assert_eq!(counters.items[0].text("Name"), Some("Idle"), "{shape}");
        assert!(counters.items[0].number("ThreadCount").is_some(), "{shape}");
    }
}

#[test]
fn each_recorded_fault_is_understood() {
    let Some(quota) = text("winrb/wmi_error_v2.xml") else { return };
    let quota = fault(&quota);
    assert_eq!((quota.class(), quota.code), (FaultClass::Quota, Some(2_150_859_173)));
    assert!(quota.message.contains("maximum number of 30 concurrent shells"), "{quota}");
    for file in ["winrb/soap_fault_v1.xml", "winrb/soap_fault_v2.xml"] {
        let query = fault(&text(file).unwrap());
        assert_eq!((query.class(), query.subcode.as_str()), (FaultClass::BadQuery, "CannotProcessFilter"), "{file}");
        assert_eq!(query.provider_code, Some(2_150_858_778), "{file}");
        assert!(query.provider.as_deref().unwrap().starts_with("WMI"), "{file}");
        assert_eq!(query.message, "The specified class does not exist in the given namespace.", "{file}");
    }
    let table = [
        ("pypsrp/test_winrs_no_cmd_shell.yml", FaultClass::FileNotFound, "InternalError", 2_147_942_402),
        ("pypsrp/test_winrs_bad_cmd_id.yml", FaultClass::LostShell, "InvalidSelectors", 2_150_858_843),
        ("pypsrp/test_winrs_fail_poll_process.yml", FaultClass::Other, "InvalidParameter", 87),
        ("pypsrp/test_winrs_operation_timeout.yml", FaultClass::TimedOut, "TimedOut", 2_150_858_793),
        ("pypsrp/test_psrp_is_alive_invalid_selectors.yml", FaultClass::LostShell, "InvalidSelectors", 2_150_858_843),
        ("winrmsharp/ProtocolGetCommandStateBeforeRun.yml", FaultClass::LostShell, "InvalidSelectors", 2_150_858_843),
        ("winrmsharp/ProtocolRunCommandExceedingOperationTimeout.yml", FaultClass::TimedOut, "TimedOut", 2_150_858_793),
    ];
    for (file, class, subcode, code) in table {
        let exchanges = session(file, &text(file).unwrap());
        let faults: Vec<Fault> = exchanges
            .iter()
            .filter(|(_, answer)| answer.contains(":Fault>"))
            .map(|(_, answer)| fault(answer))
            .collect();
        let found =
            faults.iter().find(|fault| fault.code == Some(code)).unwrap_or_else(|| panic!("{file}: {faults:?}"));
        assert_eq!((found.class(), found.subcode.as_str()), (class, subcode), "{file}");
        assert!(!found.message.is_empty(), "{file}");
    }
    let unexpected = session("pypsrp", &text("pypsrp/test_winrs_bad_cmd_id.yml").unwrap());
    let details =
        unexpected.iter().filter(|(_, answer)| answer.contains(":Fault>")).map(|(_, answer)| fault(answer).detail);
    assert!(details.flatten().any(|detail| detail == "UnexpectedSelectors"));
}

#[test]
fn statuses_and_faults_go_together() {
    let Some(folder) = folder() else { return };
    for path in files(&folder.join("winrmsharp")) {
        let all: Vec<Sharp> = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for one in all {
            let failed = Reply::read(one.response.body.trim(), None, |_| Ok(())).is_err();
            assert_eq!(failed, one.response.status_code == 500, "{}", path.display());
        }
    }
}

#[test]
fn shells_are_read_in_both_forms() {
    for file in ["winrb/open_shell_v1.xml", "winrb/open_shell_v2.xml", "txwinrm/shell/create_resp.xml"] {
        let Some(answer) = text(file) else { return };
        let id = Reply::read(&answer, None, read_shell_id).unwrap();
        assert_eq!(id.trim_start_matches("uuid:").len(), 36, "{file}: {id}");
    }
    let command = Reply::read(&text("txwinrm/shell/command_resp.xml").unwrap(), None, read_command_id).unwrap();
    assert_eq!(command, "75233C4B-10BC-4796-A767-2D95F553DEEC");
    let piece = |file: &str| Reply::read(&text(file).unwrap(), None, |body| Piece::read(body, &command)).unwrap();
    let first = piece("txwinrm/shell/receive_resp_01.xml");
    assert!(!first.done && first.exit_code.is_none());
    assert!(first.stdout.starts_with(b"\r\n\"(PDH-CSV 4.0)\""));
    let last = piece("txwinrm/shell/receive_resp_02.xml");
    assert!(last.done);
    assert_eq!(last.exit_code, Some(0));
    assert!(String::from_utf8(last.stdout).unwrap().contains("The command completed successfully"));
    let other = Reply::read(&text("txwinrm/shell/receive_resp_02.xml").unwrap(), None, |body| Piece::read(body, "C2"));
    assert!(other.is_err(), "output of another command is not ours");
}

#[test]
fn identities_and_quotas_are_read() {
    let Some(recording) = text("winrmsharp/ProtocolIdentify.yml") else { return };
    let exchanges = session("winrmsharp", &recording);
    let identity = Reply::read(&exchanges[0].1, None, Identity::read).unwrap();
    assert_eq!(identity.vendor, "Microsoft Corporation");
    assert_eq!(identity.version, "OS: 10.0.14393 SP: 0.0 Stack: 3.0");
    let exchanges = session("pypsrp", &text("pypsrp/test_wsman_update_envelope_size_500.yml").unwrap());
    let config =
        Reply::read(&exchanges[0].1, None, |body| Ok(Instance::read(body.first_element_child().unwrap()))).unwrap();
    assert_eq!(config.number("MaxEnvelopeSizekb"), Some(500));
}

#[test]
fn the_errors_in_recorded_clixml_are_kept_and_the_rest_is_dropped() {
    let Some(with) = text("pypsrp/test_sanitise_clixml_with_error.xml") else { return };
    let said = clixml::said(&with);
    assert!(!said.is_empty() && !said.contains("_x000D_") && !said.contains("CLIXML"), "{said}");
    assert_eq!(clixml::said(&text("pypsrp/test_sanitise_clixml_with_no_errors.xml").unwrap()), "");
}
