//! How a lab is found, asked and ended.

use crate::common::{Client, change, lab, server_name};
use orchestrate_files::{Limit, Whose, read};
use orchestrate_lab::{Lab, LabConfig, LabDirectory, LabError, Scenario};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_lab_is_found_again_by_its_file_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.json");
    let lab = lab("seed: 3", 60.0).await;
    lab.directory().write(&path).unwrap();
    let found = LabDirectory::read(&path).unwrap();
    assert_eq!(found, *lab.directory());
    let running = tokio::spawn(lab.run_until_stopped());
    let report = found.report().await.unwrap();
    assert_eq!(report.servers.len(), 3);
    assert!(found.clock().now() >= report.at);
    let last = found.stop().await.unwrap();
    // At once: the next start of the plan must not find a lab that still answers and has no servers any more.
    for address in found.servers.values().chain([&found.control, &found.dns]) {
        assert!(TcpStream::connect(address).await.is_err(), "{address} still listens");
    }
    assert!(matches!(found.report().await, Err(LabError::NoAnswer { .. })));
    assert!(running.await.unwrap().at >= last.at);
}

#[tokio::test]
async fn p10_only_the_owner_can_read_the_file_and_nobody_the_password_in_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.json");
    let lab = lab("load: {factor: 0}", 1.0).await;
    lab.directory().write(&path).unwrap();
    read(&path, Limit::TEXT, Whose::Secret).expect("it is its owner's alone");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    let shown = format!("{:?}", lab.directory());
    assert!(!shown.contains(&lab.directory().password) && !shown.contains(&lab.directory().control_token));
}

#[tokio::test]
async fn a_file_that_points_elsewhere_is_no_lab() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.json");
    let lab = lab("load: {factor: 0}", 1.0).await;
    let elsewhere = LabDirectory { dns: "192.0.2.53:53".parse().unwrap(), ..lab.directory().clone() };
    elsewhere.write(&path).unwrap();
    assert!(matches!(LabDirectory::read(&path), Err(LabError::NotALab { .. })));
}

#[tokio::test]
async fn a_question_without_the_token_is_refused() {
    let lab = lab("load: {factor: 0}", 1.0).await;
    let stranger = LabDirectory { control_token: "wrong".to_owned(), ..lab.directory().clone() };
    assert!(matches!(stranger.stop().await, Err(LabError::Refused { status: 401, .. })));
    assert_eq!(lab.directory().report().await.unwrap().servers.len(), 3);
}

#[tokio::test]
async fn the_record_holds_what_the_servers_were_told() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.jsonl");
    let scenario: Scenario = serde_saphyr::from_str("load: {factor: 0}").unwrap();
    let config = LabConfig { scenario, record: Some(record.clone()), ..LabConfig::new(change()) };
    let lab = Lab::start(config).await.unwrap();
    let mut client = Client::connect(lab.directory(), "fe1.contoso.example").await.unwrap();
    client.post(&crate::common::invoke("RTCCPS", "PauseService", "")).await.unwrap();
    client.post(&crate::common::get_service("RTCCPS")).await.unwrap();
    let text = std::fs::read_to_string(&record).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!(lines[0]["server"], "fe1.contoso.example");
    assert_eq!((&lines[0]["operation"], &lines[0]["object"]), (&"PauseService".into(), &"RTCCPS".into()));
    assert_eq!(lab.report().record, Some(record));
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_refuses() {
    let lab = lab("{load: {factor: 0}, servers: {fe2.contoso.example: {power: down}}}", 1.0).await;
    let refused = Client::connect(lab.directory(), "fe2.contoso.example").await.err().expect("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(lab.report().pools.values().next().unwrap().out, [server_name("fe2.contoso.example")]);
}

#[tokio::test]
async fn a_speed_that_is_none_is_refused() {
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let started = Lab::start(LabConfig { speed, ..LabConfig::new(change()) }).await;
        assert!(matches!(started.err(), Some(LabError::Speed(_))), "{speed}");
    }
}

#[test]
fn every_maintained_scenario_is_good() {
    let plans = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans");
    let mut count = 0;
    for entry in std::fs::read_dir(plans).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".lab.yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let read = serde_saphyr::from_str::<Scenario>(&text);
            assert!(read.is_ok(), "{}: {:?}", path.display(), read.err());
            count += 1;
        }
    }
    assert!(count >= 4, "T1, T2, T3 and T7 have one");
}

#[tokio::test]
async fn a_scenario_may_say_everything_that_it_can() {
    let lab = lab(include_str!("everything.lab.yaml"), 1.0).await;
    let report = lab.report();
    assert!(!report.servers[&server_name("fe1.contoso.example")].up);
    let other = &report.servers[&server_name("fe2.contoso.example")];
    assert!(other.patched);
    assert_eq!(
        other.services.values().filter(|service| service.state == orchestrate_model::RunState::Paused).count(),
        1
    );
    assert!(other.services.keys().all(|service| service.as_str() != "RTCATS"));
}
