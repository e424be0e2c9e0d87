//! What the lab answers beside what a real PowerShell answers: the same names, the same kinds of values. See
//! [`crate::powershell_tests`] for the host.
#![cfg(unix)]

use crate::powershell_tests::{Host, host};
use crate::reader::WinrmReader;
use crate::script::Look;
use crate::target::{WinrmLimits, WinrmTarget};
use orchestrate_driver::Observe;
use orchestrate_lab::{Lab, LabConfig, Scenario};
use orchestrate_model::observe::{Ask, ObstacleKind, Part};
use orchestrate_model::pool::Cmdlets;
use orchestrate_model::{Change, Keeper, ServiceName};
use orchestrate_wsman::{Auth, Credentials, Transport, Trust};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Mappings whose keys are names of things, and not those of the answer.
const BY_NAME: [&str; 5] = ["services", "activity", "errors", "classes", "properties"];

fn change() -> Change {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml");
    orchestrate_config::parse("plan.yaml", &std::fs::read(plan).unwrap()).unwrap().change
}

fn reader(lab: &Lab) -> WinrmReader {
    let (change, directory) = (change(), lab.directory());
    let pool = &change.pools[0];
    let server = pool.servers[0].name.clone();
    let credentials = Credentials::new(directory.user.clone(), Zeroizing::new(directory.password.clone()));
    let target = WinrmTarget {
        connect_to: Some(directory.servers[&server].to_string()),
        names: None,
        server,
        pool: pool.name.clone(),
        product: pool.product,
        role: pool.role,
        transport: Transport::Https(Trust::Authority(Arc::from(directory.ca_pem.as_bytes()))),
        auth: Auth::Basic(credentials),
        cmdlets: Cmdlets::Session,
        measures: pool.measures.clone(),
        keeper: Keeper { id: "us".to_owned(), user: "ops".to_owned(), host: "ctl1".to_owned() },
        limits: WinrmLimits::default(),
    };
    WinrmReader::new(target, lab.clock()).unwrap()
}

/// Returns where an answer of the lab has what the real one has not, or has it in another way. What is empty or null says
/// nothing about its kind.
fn differences(place: &str, lab: &Value, real: &Value, found: &mut Vec<String>) {
    match (lab, real) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Array(lab), Value::Array(real)) => {
            if let (Some(lab), Some(real)) = (lab.first(), real.first()) {
                differences(&format!("{place}[]"), lab, real, found);
            }
        }
        (Value::Object(lab), Value::Object(real)) if BY_NAME.iter().any(|name| place.ends_with(name)) => {
            if let (Some(lab), Some(real)) = (lab.values().next(), real.values().next()) {
                differences(&format!("{place}.*"), lab, real, found);
            }
        }
        (Value::Object(lab), Value::Object(real)) => {
            for (key, value) in lab {
                match real.get(key) {
                    Some(real) => differences(&format!("{place}.{key}"), value, real, found),
                    None => found.push(format!("{place}.{key} is not in the real answer")),
                }
            }
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        (lab, real) => found.push(format!("{place}: {lab} in the lab, {real} really")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lab_answers_with_the_names_and_kinds_that_a_real_powershell_gives() {
    let host = host!();
    let lab = Lab::start(LabConfig { speed: 60.0, ..LabConfig::new(change()) }).await.unwrap();
    let reader = reader(&lab);
    let pool = json!({"pool": "pool01.contoso.example", "product": "lync2013"});
    let asked = [
        (Look::ServiceDetails, json!({"services": ["RTCSRV"]})),
        (Look::CounterClasses, json!({"objects": ["LS:SIP - Peers"]})),
        (Look::Activity, json!({"services": ["RTCRGS", "NOSUCH"]})),
        (Look::Versions, json!({"product": "lync2013"})),
        (Look::Readiness, pool.clone()),
        (Look::Replication, json!({})),
        (Look::Fabric, pool),
        (Look::CentralManagement, json!({})),
        (Look::InstallerState, json!({"token": "t0"})),
        (Look::File, json!({"path": r"C:\none.exe"})),
        (Look::Lease, json!({})),
    ];
    let mut found = Vec::new();
    for (look, request) in &asked {
        let in_lab: Value = reader.link().glance().look(*look, request).await.unwrap();
        let real = real(&host, *look, request);
        differences(look.script().name, &in_lab, &real, &mut found);
    }
    reader.close().await;
    assert_eq!(found, Vec::<String>::new());
    let mut odd = Vec::new();
    differences("x", &json!({"a": [{"b": 1}], "c": 1}), &json!({"a": [{"b": "1"}]}), &mut odd);
    assert_eq!(odd.len(), 2, "the comparison finds what differs: {odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_every_script_from_running_is_told_once_and_in_each_answer() {
    let everything = Ask {
        parts: [Part::Host, Part::Versions, Part::Readiness, Part::Replication, Part::Lease, Part::Fitness].into(),
        services: vec![ServiceName::new("RTCSRV").unwrap()],
        sessions: vec![ServiceName::new("RTCSRV").unwrap()],
        ..Ask::default()
    };
    for (scenario, kind) in [
        ("load: {factor: 0}", None),
        ("faults: [{operation: Create, effect: quota, count: 1000}]", Some(ObstacleKind::Quota)),
        ("faults: [{operation: Create, effect: access-denied, count: 1000}]", Some(ObstacleKind::AccessDenied)),
        ("servers: {fe1.contoso.example: {machine: {powershell: constrained}}}", Some(ObstacleKind::Restricted)),
        ("cmdlets: {session: operations-error}", Some(ObstacleKind::SecondMachine)),
    ] {
        let scenario_read = Scenario::read(scenario).unwrap();
        let config = LabConfig { speed: 60.0, scenario: scenario_read, ..LabConfig::new(change()) };
        let lab = Lab::start(config).await.unwrap();
        let reader = reader(&lab);
        let seen = reader.observe(&everything).await;
        reader.close().await;
        assert!(seen.host.known().is_some() && seen.service(&everything.services[0]).is_some(), "{scenario}: {seen:?}");
        let met: Vec<ObstacleKind> = seen.obstacles.iter().map(|obstacle| obstacle.kind).collect();
        assert_eq!(met, Vec::from_iter(kind), "{scenario}: {:?}", seen.obstacles);
        for told in seen.obstacles.iter().flat_map(|obstacle| &obstacle.told) {
            let why = seen.readiness.why_unknown().unwrap_or_default();
            let of_another = seen.obstacles.iter().flat_map(|obstacle| &obstacle.told).any(|told| why.contains(told));
            assert!(why.contains(told) || of_another, "{scenario}: {told} is not in {why}");
        }
    }
}

fn real(host: &Host, look: Look, request: &Value) -> Value {
    host.every_way(look, request).unwrap_or_else(|error| panic!("{look:?}: {error}"))
}
