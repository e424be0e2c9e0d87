//! The rest of a pool while a server is out, on the lab: another server dies, another hand works the balancer, and the
//! product calls the pool busy because of the run's own block.
#![cfg(test)]

use orchestrate_tests::cli::Sandbox;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Two front ends; the way a web balancer is handled stands in the plan as somebody else's.
const TWO: &str = r"
version: 1
name: two front ends
reason: CHG1
pools:
  pool02.contoso.example:
    product: sfb2015
    role: front-end
    load_balancing: {sip: dns, web: web02.contoso.example, balancer: {elsewhere: another team}}
    servers:
      fe1.contoso.example: {address: 192.0.2.21}
      fe2.contoso.example: {address: 192.0.2.22}
    access:
      winrm: {auth: basic, credentials: {env: MAINTENANCE}}
maintenance:
  scope: all-services
  patch:
    installer: C:\CU\Update.exe
    arguments: [/silentmode]
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    level: 6.0.9319.600
  soak: 1m
";

/// Three front ends behind a balancer that the run drives.
const BALANCED: &str = r#"
version: 1
name: three behind a balancer
reason: CHG1
pools:
  pool03.contoso.example:
    product: lync2013
    role: front-end
    load_balancing: {sip: dns, web: web03.contoso.example, balancer: {haproxy: {address: "192.0.2.10:9999", backend: web03}}}
    servers:
      fe1.contoso.example: {address: 192.0.2.31}
      fe2.contoso.example: {address: 192.0.2.32}
      fe3.contoso.example: {address: 192.0.2.33}
    access:
      winrm: {auth: basic, credentials: {env: MAINTENANCE}}
maintenance:
  scope: all-services
  patch:
    installer: C:\CU\Update.exe
    arguments: [/silentmode]
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    level: 5.0.8308.1149
  soak: 1m
"#;

const QUICK: &str = "
load: {factor: 0.2, length: 0.02}
installer: {duration_s: [60, 70], exit_code: 3010}
timing: {boot_s: 20, winrm_late_s: 10, delayed_start_s: 10, pause_s: 1, continue_s: 1, stop_s: 2, start_s: 2, busy_s: 10}
";

/// A conference that does not end on every server.
const ENDLESS: &str = "
servers:
  fe1.contoso.example: {endless: {RTCAVMCU: 1}}
  fe2.contoso.example: {endless: {RTCAVMCU: 1}}
  fe3.contoso.example: {endless: {RTCAVMCU: 1}}
";

fn written(plan: &str, scenario: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::default();
    let scenario = sandbox.file("plan.lab.yaml", scenario);
    assert!(scenario.exists());
    let plan = sandbox.file("plan.yaml", plan).display().to_string();
    (sandbox, plan)
}

/// The records that are whole.
fn records(sandbox: &Sandbox) -> Vec<Value> {
    let run = sandbox.runs().pop().expect("there was a run");
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|line| line["record"].clone()).collect()
}

fn of_kind<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["kind"] == kind).collect()
}

/// Another hand at the balancer: sets the server that the run has taken out ready, once it is out. Waits until the run has
/// written down that it saw it `times` times, or held the server.
fn put_back(sandbox: &Sandbox, times: usize) {
    let lab: Value = serde_json::from_str(&std::fs::read_to_string(sandbox.lab_file()).unwrap()).unwrap();
    let address = lab["balancers"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
    let found = records(sandbox);
    let out = found.iter().rfind(|record| record["act"]["set_balancer"]["to"] == "drain").unwrap();
    let server = out["target"]["server"].as_str().unwrap().split('.').next().unwrap();
    let mut line = TcpStream::connect(address).unwrap();
    line.write_all(format!("set server web03/{server} state ready\n").as_bytes()).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 256];
    let read = line.read(&mut answer).unwrap();
    assert!(!String::from_utf8_lossy(&answer[..read]).contains("No such"), "the balancer knows {server}");
    for _ in 0..6_000 {
        let found = records(sandbox);
        let undone = found.iter().rposition(|record| record["kind"] == "balancer_undone");
        // The act that takes it out again has its outcome.
        let again = undone.is_some_and(|at| found[at..].iter().any(|record| record["kind"] == "outcome"));
        if (of_kind(&found, "balancer_undone").len() >= times && again) || !of_kind(&found, "held").is_empty() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("it was not noticed");
}

/// Case r01: the other server of a pool of two dies while this one drains with a conference that does not end.
#[test]
fn p1_p2_a_server_is_given_back_and_the_one_that_died_is_named() {
    let scenario = "
load: {factor: 0.2}
timing: {boot_s: 10800}
servers:
  fe1.contoso.example: {endless: {RTCAVMCU: 1}}
  fe2.contoso.example: {crash_after_s: 240}
";
    let (sandbox, plan) = written(TWO, scenario);
    let said = sandbox.run(&[&plan, "--lab", "--lab-speed", "30", "--unattended", "--yes"]);
    assert_eq!(said.code, Some(4), "{}\n{}", said.out, said.err);
    let records = records(&sandbox);
    let alarms = of_kind(&records, "alarm");
    let [alarm] = alarms.as_slice() else { panic!("one alarm: {alarms:?}") };
    assert!(alarm["why"].as_str().unwrap().contains("fe2") && alarm["then"] == "goes_back", "{alarm}");
    let ends = of_kind(&records, "server_ended");
    assert!(ends.iter().any(|end| end["work"] == 0 && end["end"]["as"] == "returned"), "fe1 serves again: {ends:?}");
    let seen = of_kind(&records, "pool_seen");
    assert!(seen[0]["absent"].get("fe2.contoso.example").is_some(), "{seen:?}");
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("THE POOL CANNOT DO WITHOUT IT") && told.contains("not seen to serve: fe2"), "{told}");
    assert!(!told.contains("nothing is out"), "fe2 is: {told}");
}

#[test]
fn p2_a_run_that_may_wait_goes_on_by_itself_when_the_other_server_is_back() {
    // fe2 dies while fe1 drains, comes back within minutes, and fe1 is taken again.
    let scenario = "
load: {factor: 0.2, length: 0.3}
installer: {duration_s: [60, 70], exit_code: 0}
timing: {boot_s: 300}
servers:
  fe2.contoso.example: {crash_after_s: 120}
";
    let plan = TWO.replace("  soak: 1m", "  pool_unsafe: wait\n  soak: 1m");
    let (sandbox, plan) = written(&plan, scenario);
    let said = sandbox.run(&[&plan, "--lab", "--lab-speed", "30", "--unattended", "--yes"]);
    let records = records(&sandbox);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert_eq!(of_kind(&records, "put_off").len(), 1, "{}", said.err);
}

/// Case r09: a drained server is put back into the balancer by another hand.
#[test]
fn what_another_hand_undoes_in_the_balancer_is_set_again_and_told() {
    let (sandbox, plan) = written(BALANCED, QUICK);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", "60", "--unattended", "--yes"]);
    assert!(!sandbox.wait_for_record("\"pause\"").is_empty());
    put_back(&sandbox, 1);
    let said = run.ended();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("the balancer had it ready again"), "{told}");
    let records = records(&sandbox);
    let mut after = records.iter().skip_while(|record| record["kind"] != "balancer_undone").skip(1);
    let next = after.find(|record| record["kind"] == "intent").unwrap();
    assert_eq!(next["act"]["set_balancer"]["to"], "drain", "{next}");
}

#[test]
fn a_server_that_is_put_back_into_the_balancer_again_and_again_is_held() {
    let (sandbox, plan) = written(BALANCED, &format!("{QUICK}{ENDLESS}"));
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", "60", "--unattended", "--yes"]);
    assert!(!sandbox.wait_for_record("\"pause\"").is_empty());
    for time in 1..=3 {
        put_back(&sandbox, time);
    }
    let said = run.ended();
    let records = records(&sandbox);
    let held = of_kind(&records, "held");
    assert!(held.iter().any(|held| held["reason"].as_str().unwrap().contains("found ready again")), "{held:?}");
    assert_eq!(said.code, Some(4), "nobody is there to decide: it goes back, and the run stops\n{}", said.err);
}

#[test]
fn what_the_product_says_of_the_run_s_own_block_stops_nothing() {
    for reading in ["active", "inactive"] {
        let (sandbox, plan) = written(BALANCED, &format!("{QUICK}paused_front_end: {reading}\n"));
        let run = sandbox.start(&[&plan, "--lab", "--lab-speed", "60", "--unattended", "--yes"]);
        let id = sandbox.wait_for_record("\"pause\"");
        run.signal("KILL");
        drop(run.ended());
        let said = sandbox.run(&["resume", &id, "--unattended"]);
        assert_eq!(said.code, Some(0), "{reading}: {}\n{}", said.out, said.err);
        let records = records(&sandbox);
        assert_eq!(of_kind(&records, "alarm").len() + of_kind(&records, "turned_back").len(), 0, "{reading}");
    }
}
