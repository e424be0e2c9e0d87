//! The question for services and the operating system, and lines of several questions.

use super::{Host, WAYS, unwrapped, without_times};
use crate::desk::Question;
use crate::script::{Command, Look, Script, answer};
use crate::worker::apart;
use serde_json::{Value, json};

const QUERY: &str = "SELECT * FROM Win32_Service WHERE Name = 'RTCSRV' OR Name = 'RTCCAA' OR Name = 'NoSuchService'";

#[test]
fn services_and_the_system_come_as_wmi_has_them() {
    let Some(host) = Host::new() else { return };
    host.put("services/RTCSRV", "State=", "State=Paused");
    let found = host.every_way(Look::State, &json!({"query": QUERY, "system": true, "seconds": 5})).unwrap();
    let rows = found["services"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["Name"] == name).unwrap();
    assert_eq!(rows.len(), 2, "one that is not installed has no row: {found}");
    assert_eq!(row("RTCSRV")["State"], "Paused", "{found}");
    assert!(["Auto", "Manual"].contains(&row("RTCCAA")["StartMode"].as_str().unwrap()), "{found}");
    assert!(["True", "False"].contains(&row("RTCCAA")["AcceptPause"].as_str().unwrap()), "{found}");
    let booted = found["system"]["LastBootUpTime"].as_str().unwrap();
    assert!(crate::state::time(booted).is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()), "{booted}");
    // One row stays a list, and so does none.
    for (query, count) in [("Name = 'RTCSRV'", 1), ("Name = 'NoSuchService'", 0)] {
        let request =
            json!({"query": format!("SELECT * FROM Win32_Service WHERE {query}"), "system": false, "seconds": 5});
        let found = host.every_way(Look::State, &request).unwrap();
        assert_eq!(found["services"].as_array().map(Vec::len), Some(count), "{found}");
        assert!(found.get("system").is_none());
    }
}

#[test]
fn texts_are_the_same_under_every_culture_and_what_is_null_is_left_out() {
    let Some(host) = Host::new() else { return };
    let rows = "function Get-CimInstance { [CmdletBinding()] param($Query, $OperationTimeoutSec) [pscustomobject]@{ \
        Name = 'RTCSRV'; DisplayName = 'Größe „x“'; State = 'Running'; StartMode = 'Auto'; AcceptPause = $true; \
        DelayedAutoStart = $null; ExitCode = 3 } }\n\
        function Get-WmiObject { [CmdletBinding()] param($Class) [pscustomobject]@{ Caption = 'Windows'; \
        LastBootUpTime = '20261128003347.500000+060'; LocalDateTime = '20261129003347.500000+060'; Version = '6.3' } }";
    let request = json!({"query": QUERY, "system": true, "seconds": 5});
    let script = Look::State.script();
    for (culture, way) in [("de-DE", WAYS[0]), ("tr-TR", WAYS[1]), ("ar-SA", WAYS[2]), ("fa-IR", WAYS[2])] {
        for arrays in [true, false] {
            host.set("powershell", &format!("culture={culture}\narrays_like_51={arrays}\n"));
            let output = host.run(way, script, &request, rows);
            let found = unwrapped(without_times(answer(script, &output)).unwrap());
            let expected = json!([{"Name": "RTCSRV", "DisplayName": "Größe „x“", "State": "Running", "StartMode": "Auto",
                "AcceptPause": "True"}]);
            assert_eq!(found["services"], expected, "{culture}");
            assert_eq!(found["system"]["LastBootUpTime"], "20261128003347.500000+060", "{culture}");
        }
    }
}

#[test]
fn p3_what_wmi_does_not_answer_is_no_answer() {
    let Some(host) = Host::new() else { return };
    let refusing = "function Get-CimInstance { [CmdletBinding()] param($Query, $OperationTimeoutSec) \
                    Write-Error 'Access denied ' }";
    let script = Look::State.script();
    for way in WAYS {
        let output = host.run(way, script, &json!({"query": QUERY, "system": true, "seconds": 5}), refusing);
        let text = answer::<Value>(script, &output).unwrap_err().text;
        assert!(text.contains("Access denied"), "{text}");
    }
}

/// Asks a process that stays several questions in one line.
fn ask(host: &Host, questions: &[Question], before: &str) -> Vec<Result<Value, String>> {
    let lines: Vec<(String, String)> =
        questions.iter().zip(1..).map(|(question, number)| question.script.line(&question.request, number)).collect();
    let (parts, marks): (Vec<String>, Vec<String>) = lines.into_iter().unzip();
    let input = format!("{}\n", parts.join(" ")).into_bytes();
    let command = Command { input: Some(zeroize::Zeroizing::new(input)), ..Script::worker() };
    let outputs = apart(host.run_command(command, before), &marks);
    questions
        .iter()
        .zip(outputs)
        .map(|(question, output)| answer(question.script, &output).map_err(|trouble| trouble.text))
        .collect()
}

#[test]
fn questions_of_one_line_are_answered_each_for_itself() {
    let Some(host) = Host::new() else { return };
    let question = |look: Look, request: Value| Question { script: look.script(), request, takes: look.takes() };
    let questions = [
        question(Look::State, json!({"query": QUERY, "system": true, "seconds": 5})),
        question(Look::InstallerState, json!({"token": "t-1"})),
        // It throws, and takes no answer of another.
        question(Look::Counters, json!({"classes": 3, "each": 5, "seconds": "x"})),
        question(Look::Lease, json!({})),
        question(Look::ServiceDetails, json!({"services": ["RTCSRV"]})),
    ];
    let noise = "function Get-Service { [CmdletBinding()] param($Name) [Console]::Out.Write('loading... ä'); \
                 Write-Warning 'noise'; Write-Error 'more' -ErrorAction Continue }";
    for before in ["", noise] {
        let said = ask(&host, &questions, before);
        assert_eq!(said[0].as_ref().unwrap()["services"].as_array().unwrap().len(), 2);
        assert_eq!(said[1].as_ref().unwrap()["state"], "not-started");
        assert!(said[2].as_ref().unwrap_err().starts_with("script counters: "), "{:?}", said[2]);
        assert_eq!(said[3].as_ref().unwrap()["lease"], Value::Null);
        let details = &said[4].as_ref().unwrap()["services"];
        assert_eq!(details.get("RTCSRV").is_some(), before.is_empty(), "{details}");
    }
}
