//! Changes of several services in one question.

use super::{Host, WAYS, Way, unwrapped};
use crate::script::{Lever, answer};
use crate::together::{Ended, Said, ended, request};
use orchestrate_driver::TOGETHER;
use orchestrate_model::{Act, ActOutcome, ServiceName, StartType};
use serde_json::{Value, json};

/// Services with the methods that WMI gives them. What they are told is written to a file of the state.
const SERVICES: &str = "function Get-WmiObject { [CmdletBinding()] param($Query) \
    foreach ($name in 'RTCSRV', 'RTCCAA', 'RTCRGS', 'RTCATS', 'RTCCPS') { \
    $row = [pscustomobject]@{ Name = $name }; \
    foreach ($method in 'PauseService', 'ResumeService', 'StartService', 'StopService', 'ChangeStartMode') { \
    $body = { param($mode) $told = '{method} ' + $this.Name + ' ' + $mode; \
    [IO.File]::AppendAllText(\"$env:WINHOST_STATE/told\", $told.Trim() + \"`n\"); \
    switch ($this.Name) { 'RTCCAA' { return [pscustomobject]@{ ReturnValue = [uint32]2 } } \
    'RTCRGS' { throw 'the provider has gone' } 'RTCATS' { return [pscustomobject]@{ ReturnValue = $null } } \
    default { return [pscustomobject]@{ ReturnValue = [uint32]0 } } } }; \
    $body = [ScriptBlock]::Create($body.ToString().Replace('{method}', $method)); \
    $row | Add-Member ScriptMethod $method $body }; \
    $row } }";

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn told(host: &Host) -> Vec<String> {
    let path = host.state.path().join("told");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    drop(std::fs::remove_file(path));
    text.lines().map(str::to_owned).collect()
}

/// Has acts asked for, and returns what became of them and what the services were told.
fn ask(host: &Host, way: Way, acts: &[Act], before: &str) -> (Vec<Ended>, Vec<String>) {
    let output = host.run(way, Lever::Acts.script(), &request(acts, TOGETHER).unwrap(), before);
    let said = unwrapped(answer::<Value>(Lever::Acts.script(), &output).unwrap());
    let said: Vec<Said> = serde_json::from_value(said["acts"].clone()).unwrap();
    assert_eq!(said.len(), acts.len());
    (acts.iter().zip(&said).map(|(act, said)| ended(act, said)).collect(), told(host))
}

fn outcome(ended: &Ended) -> &'static str {
    match ended {
        Ended::With(ActOutcome::Accepted) => "accepted",
        Ended::With(ActOutcome::AlreadySo) => "already",
        Ended::With(ActOutcome::Joined) => "joined",
        Ended::With(ActOutcome::Retry(_)) => "retry",
        Ended::With(ActOutcome::Failed(_)) => "failed",
        Ended::With(ActOutcome::Unknown(_)) => "unknown",
        Ended::ModeAlone => "mode alone",
    }
}

#[test]
fn each_act_has_an_answer_of_its_own_and_those_that_bring_back_do_not_wait_for_each_other() {
    let Some(host) = Host::new() else { return };
    let start = |name: &str| Act::Start { service: service(name) };
    let acts = ["RTCSRV", "RTCCAA", "RTCRGS", "RTCATS", "NOSUCH", "RTCCPS"].map(start);
    for (culture, arrays, way) in [("en-US", false, WAYS[0]), ("tr-TR", true, WAYS[1]), ("ar-SA", true, WAYS[0])] {
        host.set("powershell", &format!("culture={culture}\narrays_like_51={arrays}\n"));
        let (ended, told) = ask(&host, way, &acts, SERVICES);
        let found: Vec<&str> = ended.iter().map(outcome).collect();
        assert_eq!(found, ["accepted", "failed", "unknown", "unknown", "failed", "accepted"], "{ended:?}");
        let expected = ["RTCSRV", "RTCCAA", "RTCRGS", "RTCATS", "RTCCPS"].map(|name| format!("StartService {name}"));
        assert_eq!(told, expected);
    }
    // One that stays is asked twice by this test: nothing is left of the first time.
    let (ended, told) = ask(&host, Way::ToOneThatStays, &acts[..1], SERVICES);
    assert_eq!((outcome(&ended[0]), told.len()), ("accepted", 2));
}

#[test]
fn p4_what_takes_away_ends_with_the_first_act_that_is_not_accepted() {
    let Some(host) = Host::new() else { return };
    let manual = |name: &str| Act::SetStartType { service: service(name), to: StartType::MANUAL };
    let (ended, told) = ask(&host, WAYS[0], &["RTCSRV", "RTCCAA", "RTCCPS"].map(manual), SERVICES);
    assert_eq!(ended.iter().map(outcome).collect::<Vec<_>>(), ["accepted", "failed", "retry"]);
    assert_eq!(told, ["ChangeStartMode RTCSRV Manual", "ChangeStartMode RTCCAA Manual"]);
}

#[test]
fn p2_no_act_is_begun_when_the_time_is_over() {
    let Some(host) = Host::new() else { return };
    let mut request = request(&[Act::Pause { service: service("RTCSRV") }], TOGETHER).unwrap();
    request["seconds"] = json!(0);
    let output = host.run(WAYS[0], Lever::Acts.script(), &request, SERVICES);
    let said = answer::<Value>(Lever::Acts.script(), &output).unwrap();
    assert_eq!((&said["acts"][0]["skipped"], told(&host).len()), (&json!("late"), 0));
}

#[test]
fn services_without_methods_are_not_asked_for_anything() {
    let Some(host) = Host::new() else { return };
    let pause = |name: &str| Act::Pause { service: service(name) };
    let request = request(&["RTCSRV", "RTCCAA"].map(pause), TOGETHER).unwrap();
    for way in WAYS {
        let trouble =
            answer::<Value>(Lever::Acts.script(), &host.run(way, Lever::Acts.script(), &request, "")).unwrap_err();
        assert!(trouble.text.contains("no method PauseService"), "{}", trouble.text);
        assert_eq!(trouble.outcome, orchestrate_wsman::Outcome::Refused);
    }
}

#[test]
fn p5_a_delayed_start_is_set_with_its_flag_and_a_flag_that_is_left_over_is_told() {
    let Some(host) = Host::new() else { return };
    let to = |name: &str, to: StartType| Act::SetStartType { service: service(name), to };
    host.put("services/RTCSRV", "StartMode=", "StartMode=Manual");
    host.add("services/RTCCAA", "deny.sc=5");
    let acts = [to("RTCSRV", StartType::DELAYED), to("RTCCAA", StartType::DELAYED)];
    let (ended, _) = ask(&host, WAYS[0], &acts, "");
    assert_eq!(ended.iter().map(outcome).collect::<Vec<_>>(), ["accepted", "failed"], "{ended:?}");
    let found = std::fs::read_to_string(host.state.path().join("services/RTCSRV")).unwrap();
    assert!(found.contains("StartMode=Auto") && found.contains("DelayedAutoStart=true"), "{found}");
    let (ended, _) = ask(&host, WAYS[0], &[to("RTCSRV", StartType::AUTOMATIC)], SERVICES);
    assert_eq!(outcome(&ended[0]), "mode alone", "{ended:?}");
}
