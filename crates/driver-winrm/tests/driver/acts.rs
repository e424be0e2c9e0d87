//! What is asked for, and what is said of how it went.

use crate::fake::{BOOTED, Fake, World};
use jiff::{SignedDuration, Timestamp};
use orchestrate_driver::Change as _;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{Act, ActOutcome, InstallerRun, InstallerToken, PoolName, ServiceName, StartMode, StartType};
use serde_json::{Value, json};

fn service() -> ServiceName {
    ServiceName::new("RTCSRV").unwrap()
}

fn pause() -> Act {
    Act::Pause { service: service() }
}

fn restart(booted: Timestamp) -> Act {
    Act::Restart { booted, comment: "CHG0031337: \"November\" & more".to_owned() }
}

fn booted() -> Timestamp {
    BOOTED.parse().unwrap()
}

fn installer() -> InstallerRun {
    InstallerRun {
        token: InstallerToken("run-1-fe1-1".to_owned()),
        installer: r"C:\CU\it's.exe".to_owned(),
        arguments: vec!["/silentmode".to_owned()],
        sha256: "ab".repeat(32),
        deadline: SignedDuration::from_mins(45),
    }
}

#[tokio::test]
async fn each_act_calls_its_method_once() {
    let fake = Fake::start(World::default()).await;
    let acts = [
        (pause(), "PauseService"),
        (Act::Continue { service: service() }, "ResumeService"),
        (Act::Start { service: service() }, "StartService"),
        (Act::Stop { service: service() }, "StopService"),
        (Act::SetStartType { service: service(), to: StartType::MANUAL }, "ChangeStartMode"),
    ];
    for (act, method) in acts {
        assert_eq!(fake.driver.apply(&act).await, ActOutcome::Accepted, "{act}");
        let last = fake.server.seen().pop().unwrap();
        assert_eq!(last.action(), method);
        assert_eq!(last.text("Selector").as_deref(), Some("RTCSRV"));
    }
    let last = fake.server.seen().pop().unwrap();
    assert_eq!(last.text("StartMode").as_deref(), Some("Manual"));
    assert_eq!(fake.server.seen().len(), 5);
}

#[tokio::test]
async fn return_values_are_told_apart() {
    let fake = Fake::start(World::default()).await;
    let table: [(Value, &str); 8] = [
        (json!({"ReturnValue": 24}), "AlreadySo"),
        (json!({"ReturnValue": 5}), "Retry"),
        (json!({"ReturnValue": 7}), "Unknown"),
        (json!({"ReturnValue": 8}), "Unknown"),
        (json!({"ReturnValue": 2}), "Failed"),
        (json!({"ReturnValue": 4294967295_u32}), "Failed"),
        (json!({"ReturnValue": null}), "Unknown"),
        (json!({}), "Unknown"),
    ];
    for (output, expected) in table {
        fake.world.lock().unwrap().output = output.clone();
        let outcome = format!("{:?}", fake.driver.apply(&pause()).await);
        assert!(outcome.starts_with(expected), "{output}: {outcome}");
        let named = outcome.contains("fe1.contoso.example: RTCSRV: PauseService");
        assert!(expected == "AlreadySo" || named, "{outcome}");
    }
}

#[tokio::test]
async fn p3_a_change_whose_answer_is_lost_is_unknown_and_not_repeated() {
    let fake = Fake::start(World { dies_at: Some("PauseService"), ..World::default() }).await;
    let outcome = fake.driver.apply(&pause()).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(fake.count("PauseService"), 1);
}

#[tokio::test]
async fn what_stands_in_the_way_for_a_while_can_be_tried_again() {
    let fake = Fake::start(World::default()).await;
    let table = [
        ("QuotaLimit", 2_150_859_174, "Retry"),
        ("AccessDenied", 5, "Failed"),
        ("DestinationUnreachable", 32_768, "Failed"),
        ("TimedOut", 2_150_858_793, "Unknown"),
    ];
    for (subcode, code, expected) in table {
        fake.world.lock().unwrap().faults = vec![("PauseService", subcode, code)];
        let outcome = format!("{:?}", fake.driver.apply(&pause()).await);
        assert!(outcome.starts_with(expected), "{subcode}: {outcome}");
    }
    let nowhere = Fake::start_with(World::default(), |target| target.connect_to = Some("127.0.0.1:1".to_owned())).await;
    let outcome = nowhere.driver.apply(&pause()).await;
    assert!(matches!(outcome, ActOutcome::Retry(_)), "{outcome:?}");
    // A server that is just starting takes connections and drops them.
    let starting = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = starting.local_addr().unwrap().to_string();
    drop(tokio::spawn(async move { while starting.accept().await.is_ok() {} }));
    let fake = Fake::start_with(World::default(), |target| target.connect_to = Some(address)).await;
    let outcome = fake.driver.apply(&pause()).await;
    assert!(matches!(outcome, ActOutcome::Retry(_)), "{outcome:?}");
}

#[tokio::test]
async fn p5_a_flag_is_set_by_the_powershell_that_stays_which_says_how_it_reads_then() {
    let mut world = World::default();
    world.scripts.insert("delayed", json!({"ok": true, "code": 0, "delayed": true}));
    let fake = Fake::start(world).await;
    let act = Act::SetStartType { service: service(), to: StartType::DELAYED };
    for _ in 0..3 {
        assert_eq!(fake.driver.apply(&act).await, ActOutcome::Accepted);
    }
    assert_eq!((fake.runs("delayed"), fake.runs("service-details")), (3, 0));
    assert_eq!((fake.count("Create"), fake.count("Command")), (1, 1), "one process for all of them");
    fake.world.lock().unwrap().scripts.insert("delayed", json!({"ok": true, "code": 0, "delayed": false}));
    let outcome = fake.driver.apply(&act).await;
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.contains("is found not set")), "{outcome:?}");
}

#[tokio::test]
async fn p5_a_delayed_start_is_set_at_once_and_read_back_and_where_it_is_not_the_mode_is() {
    let mut world = World::default();
    world.scripts.insert("delayed", json!({"ok": true}));
    let fake = Fake::start(world).await;
    let act = Act::SetStartType { service: service(), to: StartType::DELAYED };
    assert_eq!(fake.driver.apply(&act).await, ActOutcome::Accepted);
    assert_eq!((fake.count("ChangeStartMode"), fake.runs("delayed"), fake.runs("service-details")), (0, 1, 1));
    // The command says done, and the flag says otherwise.
    fake.world.lock().unwrap().scripts.insert("service-details", json!({"services": {"RTCSRV": {"delayed": false}}}));
    let outcome = fake.driver.apply(&act).await;
    assert!(matches!(&outcome, ActOutcome::Unknown(text) if text.contains("is found not set")), "{outcome:?}");
    let seen = fake.server.seen();
    let mode = seen.iter().find(|seen| seen.action() == "ChangeStartMode").unwrap();
    assert_eq!(mode.text("StartMode").as_deref(), Some("Automatic"));
    // A flag that somebody else left behind is cleared, and read back as well.
    let act = Act::SetStartType { service: service(), to: StartType::AUTOMATIC };
    assert_eq!(fake.driver.apply(&act).await, ActOutcome::Accepted);
    assert_eq!(fake.runs("delayed"), 2, "there is nothing to clear");
    fake.world.lock().unwrap().scripts.insert("service-details", json!({"services": {"RTCSRV": {"delayed": true}}}));
    fake.world.lock().unwrap().scripts.insert("delayed", json!({"ok": true}));
    let outcome = fake.driver.apply(&act).await;
    assert!(
        matches!(&outcome, ActOutcome::Unknown(text) if text.contains("was cleared and is found set")),
        "{outcome:?}"
    );
    assert_eq!(fake.world.lock().unwrap().ran.iter().rfind(|(name, _)| name == "delayed").unwrap().1["delayed"], false);
    let driver = Act::SetStartType { service: service(), to: StartType { mode: StartMode::Boot, delayed: false } };
    assert!(matches!(fake.driver.apply(&driver).await, ActOutcome::Failed(_)));
}

#[tokio::test]
async fn what_a_script_answers_is_a_refusal_and_what_passes_is_told_apart() {
    let table = [
        (json!({"ok": false, "code": 5, "said": "[SC] FAILED 5: Access is denied."}), "Failed"),
        (json!({"ok": false, "code": 1055, "said": "[SC] FAILED 1055: The service database is locked."}), "Retry"),
        (json!({"ok": false, "code": 1053, "said": "[SC] FAILED 1053"}), "Unknown"),
        (json!({"error": "sc.exe config ended with 5: Access is denied"}), "Failed"),
    ];
    let fake = Fake::start(World::default()).await;
    let act = Act::SetStartType { service: service(), to: StartType::DELAYED };
    for (said, expected) in table {
        fake.world.lock().unwrap().scripts.insert("delayed", said.clone());
        let outcome = format!("{:?}", fake.driver.apply(&act).await);
        assert!(outcome.starts_with(expected), "{said}: {outcome}");
        assert!(outcome.contains("RTCSRV: the start type is automatic again"), "{outcome}");
    }
}

#[tokio::test]
async fn p6_a_server_that_was_restarted_since_is_not_restarted_again() {
    let fake = Fake::start(World::default()).await;
    let before = booted() - SignedDuration::from_hours(2);
    assert_eq!(fake.driver.apply(&restart(before)).await, ActOutcome::AlreadySo);
    let after = booted() + SignedDuration::from_hours(2);
    assert!(matches!(fake.driver.apply(&restart(after)).await, ActOutcome::Failed(_)));
    assert_eq!(fake.count("Command"), 0);
    let moved = booted() - SignedDuration::from_secs(2);
    assert_eq!(fake.driver.apply(&restart(moved)).await, ActOutcome::Accepted);
    let line = fake.world.lock().unwrap().command_line.clone();
    let expected = r#"%SystemRoot%\System32\shutdown.exe /r /t 5 /d p:2:17 /c "CHG0031337: November more""#;
    assert_eq!(line, expected);
    assert_eq!(fake.count("Delete"), 1);
}

#[tokio::test]
async fn a_restart_that_is_under_way_is_joined() {
    let fake = Fake::start(World::default()).await;
    for (code, expected) in
        [(1115, "Joined"), (1190, "Joined"), (5, "Failed"), (87, "Failed"), (21, "Retry"), (1450, "Retry")]
    {
        fake.world.lock().unwrap().exit_code = code;
        let outcome = format!("{:?}", fake.driver.apply(&restart(booted())).await);
        assert!(outcome.starts_with(expected), "{code}: {outcome}");
    }
}

#[tokio::test]
async fn p6_a_restart_is_unknown_only_once_it_may_have_been_asked_for() {
    let fake = Fake::start(World { dies_at: Some("Command"), ..World::default() }).await;
    assert!(matches!(fake.driver.apply(&restart(booted())).await, ActOutcome::Unknown(_)));
    assert_eq!(fake.count("Command"), 1);
    let fake = Fake::start(World { dies_at: Some("Get"), ..World::default() }).await;
    assert!(matches!(fake.driver.apply(&restart(booted())).await, ActOutcome::Retry(_)), "nothing was asked for");
    assert_eq!(fake.count("Command"), 0);
}

#[tokio::test]
async fn starting_an_installer_says_what_came_of_it() {
    let fake = Fake::start(World::default()).await;
    let table = [
        ("started", "Accepted"),
        ("already", "AlreadySo"),
        ("missing-file", "Failed"),
        ("wrong-hash", "Failed"),
        ("failed", "Failed"),
        ("perhaps", "Unknown"),
    ];
    for (result, expected) in table {
        let answer = json!({"result": result, "detail": "cd"});
        fake.world.lock().unwrap().scripts.insert("installer-start", answer);
        let outcome = format!("{:?}", fake.driver.apply(&Act::StartInstaller(installer())).await);
        assert!(outcome.starts_with(expected), "{result}: {outcome}");
    }
    let request = fake.world.lock().unwrap().ran[0].1.clone();
    assert_eq!(
        request,
        json!({"token": "run-1-fe1-1", "installer": r"C:\CU\it's.exe", "arguments": ["/silentmode"],
            "sha256": "ab".repeat(32), "deadlineSeconds": 2700})
    );
    assert!(fake.count("Send") > 0, "the script is too long for a command line");
    let odd = InstallerRun { token: InstallerToken(r"..\..\x".to_owned()), ..installer() };
    assert!(matches!(fake.driver.apply(&Act::StartInstaller(odd)).await, ActOutcome::Failed(_)));
}

#[tokio::test]
async fn p6_an_installer_whose_start_is_lost_is_unknown_and_not_started_again() {
    for action in ["Send", "Receive"] {
        let fake = Fake::start(World { dies_at: Some(action), ..World::default() }).await;
        let outcome = fake.driver.apply(&Act::StartInstaller(installer())).await;
        assert!(matches!(outcome, ActOutcome::Unknown(_)), "{action}: {outcome:?}");
        assert_eq!(fake.count("Command"), 1);
    }
    let fake = Fake::start(World::default()).await;
    fake.world.lock().unwrap().faults = vec![("Receive", "InvalidSelectors", 2_150_858_843)];
    let outcome = fake.driver.apply(&Act::StartInstaller(installer())).await;
    assert!(matches!(outcome, ActOutcome::Unknown(_)), "a lost shell: {outcome:?}");
    assert_eq!(fake.count("Command"), 1);
}

#[tokio::test]
async fn the_balancer_is_not_for_a_server() {
    let fake = Fake::start(World::default()).await;
    let pool = PoolName::new("pool01.contoso.example").unwrap();
    let at = "192.0.2.9:9999 web/fe1 192.0.2.11".parse().unwrap();
    let act = Act::SetBalancer { pool, at, to: BalancerState::Drain };
    assert!(matches!(fake.driver.apply(&act).await, ActOutcome::Failed(_)));
    assert!(fake.server.seen().is_empty());
}
