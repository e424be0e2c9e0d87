//! People are told: what a run says by the ways that its plan names, on the lab.
#![cfg(unix)]

use orchestrate_tests::cli::Sandbox;
use orchestrate_tests::schemas::assert_valid;
use serde_json::Value;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A plan that tells a program, which writes one line for each notice, and a web server that is not there.
fn plan(sandbox: &Sandbox, notices: &Path, scenario: &[(&str, &str)]) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let address = sandbox.file("address", "http://127.0.0.1:1/T0KEN\n");
    std::fs::set_permissions(&address, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let more = format!(
        "notify:\n  - {{command: [sh, -c, 'cat >> \"$1\"; echo >> \"$1\"', sh, {}], on: [begun, out, back, held, refused, \
         ended]}}\n  - {{webhook: {{file: {}}}, on: held}}\n",
        notices.display(),
        address.display()
    );
    let plan = sandbox.first_pool(&[], scenario);
    let text = std::fs::read_to_string(&plan).expect("the plan is there") + &more;
    std::fs::write(&plan, text).expect("it can be written");
    plan
}

fn notices(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let all: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect();
    all.iter().for_each(|notice| assert_valid("notice", notice));
    all
}

#[test]
fn a_held_server_and_the_end_of_the_run_are_told_and_a_dead_way_stops_nothing() {
    let sandbox = Sandbox::default();
    let file = sandbox.path().join("notices");
    let plan = plan(&sandbox, &file, &[("exit_code: 3010", "exit_code: 1603")]);
    let lab = [plan.as_str(), "--lab", "--lab-speed", "40", "--unattended", "--now"];
    let said = sandbox.run(&[&lab[..], &["--lab-notify"]].concat());
    assert_eq!(said.code, Some(4), "{}\n{}", said.out, said.err);
    let told = notices(&file);
    let events: Vec<&str> = told.iter().map(|notice| notice["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["begun", "out", "held", "ended"], "{told:?}");
    let held = &told[2];
    assert_eq!((&held["server"], &held["lab"]), (&Value::from("fe1.first.example"), &Value::from(true)));
    let run = held["run"].as_str().unwrap();
    assert!(held["text"].as_str().unwrap().contains("1603"), "{held}");
    assert_eq!(held["title"], "LAB: fe1 is held in patch, and the plan decides: stop", "{held}");
    assert_eq!(held["commands"], Value::Array(Vec::new()), "there is nothing to be decided any more");
    let end = &told[3];
    assert!(end["text"].as_str().unwrap().contains("OUT OF SERVICE: fe1"), "{end}");
    let all = said.out.clone() + &said.err;
    let lines = all.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(lines.contains("notify entry 2 (webhook to") && lines.contains(") did not answer"), "{all}");
    assert!(!all.contains("T0KEN"), "an address is a secret: {all}");
    let report = sandbox.run(&["report", run]);
    assert_eq!(report.code, Some(0), "{}", report.err);
    assert!(report.out.contains("1603") && !report.out.contains("T0KEN"), "{}", report.out);
}

#[test]
fn the_end_of_a_run_is_told_while_its_terminal_is_held() {
    let sandbox = Sandbox::default();
    let file = sandbox.path().join("notices");
    let plan = plan(&sandbox, &file, &[("exit_code: 3010", "exit_code: 1603")]);
    let (terminal, theirs) = UnixStream::pair().unwrap();
    let mut held = theirs.try_clone().unwrap();
    let lab = [plan.as_str(), "--lab", "--lab-speed", "40", "--unattended", "--now", "--lab-notify"];
    let mut command = sandbox.command(&lab);
    let mut child = command.stdout(OwnedFd::from(theirs)).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    let run = sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    // What is full takes nothing, as a terminal does after Ctrl-S.
    let filling = std::thread::spawn(move || while held.write_all(&[b'.'; 4096]).is_ok() {});
    let began = Instant::now();
    while !notices(&file).iter().any(|notice| notice["event"] == "ended") {
        assert!(began.elapsed() < Duration::from_secs(240), "nobody was told of the end: {:?}", notices(&file));
        assert!(child.try_wait().unwrap().is_none(), "its terminal is held, so that it cannot end");
        std::thread::yield_now();
    }
    drop(terminal);
    filling.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "run {run}");
}

#[test]
fn nobody_is_told_of_a_lab_unless_that_is_asked_for_and_a_refused_night_is_told() {
    let sandbox = Sandbox::default();
    let file = sandbox.path().join("notices");
    let plan = plan(&sandbox, &file, &[("seed: 7", "seed: 7\nservers: {fe1.first.example: {file: missing}}")]);
    let lab = [plan.as_str(), "--lab", "--lab-speed", "40", "--unattended", "--now"];
    let said = sandbox.run(&lab);
    assert_eq!((said.code, notices(&file).len()), (Some(9), 0), "{}\n{}", said.out, said.err);
    let said = sandbox.run(&[&lab[..], &["--lab-notify"]].concat());
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let told = notices(&file);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["event"], "refused");
    assert!(told[0]["text"].as_str().unwrap().contains("O2049"), "{told:?}");
}

#[test]
fn every_way_can_be_tried_and_one_that_does_not_work_is_named() {
    let sandbox = Sandbox::default();
    let file = sandbox.path().join("notices");
    let said = sandbox.run(&["notify", &plan(&sandbox, &file, &[])]);
    assert_eq!(said.code, Some(69), "{}\n{}", said.out, said.err);
    assert!(
        said.out.contains("notify entry 1 (command sh): told; of begun, out, back, held, refused, ended"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains("notify entry 2 (webhook to 127.0.0.1:1): NOT told: the connection failed: connection refused"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("T0KEN"), "{}", said.out);
    let told = notices(&file);
    assert!(told.len() == 1 && told[0]["title"].as_str().unwrap().starts_with("TEST: "), "{told:?}");
}

#[test]
fn a_way_whose_address_is_not_there_refuses_the_start_before_anything_is_asked() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    for (way, words) in [
        ("{slack: {env: ORCHESTRATE_TEST_NOT_SET}}", "the variable ORCHESTRATE_TEST_NOT_SET is not set"),
        ("{teams: {file: /no/such/file}}", "/no/such/file cannot be used"),
    ] {
        std::fs::write(&plan, format!("{text}notify:\n  - {way}\n")).unwrap();
        let lab = [plan.as_str(), "--lab", "--unattended", "--now", "--lab-notify"];
        let said = sandbox.run(&lab);
        assert_eq!(said.code, Some(69), "{}\n{}", said.out, said.err);
        let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words), "{}", said.err);
    }
}

/// A process that ends with the test, also with one that fails.
struct Ended(Option<std::process::Child>);

impl Ended {
    /// Ends it, and returns what it has printed.
    fn printed(mut self) -> String {
        let mut server = self.0.take().expect("it is ended once");
        server.kill().expect("it can be ended");
        let output = server.wait_with_output().expect("it was started here");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(mut server) = self.0.take() {
            // It may have ended by itself.
            drop(server.kill());
            drop(server.wait());
        }
    }
}

/// A mail server that others wrote, which prints what it takes. `None`: it is not installed here.
fn mail_server() -> Option<(Ended, u16)> {
    let python = std::env::var("LAB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = std::process::Command::new(&python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        let said = "aiosmtpd is not installed for the Python that LAB_PYTHON names: no mail is sent to a real server";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{said}");
        return None;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("it has an address").port();
    drop(free);
    let server = std::process::Command::new(&python)
        .args(["-u", "-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = Ended(Some(server));
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "the mail server does not listen");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Some((server, port))
}

#[test]
fn a_mail_server_that_others_wrote_gets_a_mail_and_a_plan_has_no_password_of_it() {
    let Some((server, port)) = mail_server() else {
        println!("skipped: aiosmtpd is not installed for the Python that LAB_PYTHON names");
        return;
    };
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let mail = "notify:\n  - mail: {server: {env: OPS_MAIL}, from: orchestrate@contoso.example, to: [on-call@contoso.example]}\n";
    let text = std::fs::read_to_string(&plan).unwrap() + mail;
    std::fs::write(&plan, text).unwrap();
    let tried = |address: &str| {
        let mut command = sandbox.command(&["notify", &plan]);
        let said = command.env("OPS_MAIL", address).output().unwrap();
        (
            said.status.code(),
            String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr),
        )
    };
    let (code, said) = tried(&format!("smtp://127.0.0.1:{port}"));
    assert!(code == Some(0) && said.contains("(mail to on-call@contoso.example): told; of held"), "{code:?}: {said}");
    let (code, said) = tried("smtp://ops:geheim@127.0.0.1");
    assert!(code == Some(69) && said.contains("in plain text") && !said.contains("geheim"), "{code:?}: {said}");
    let printed = server.printed();
    for wanted in ["From: orchestrate <orchestrate@contoso.example>", "To: on-call@contoso.example", "Subject: TEST: "]
    {
        assert!(printed.contains(wanted), "{wanted} is missing in:\n{printed}");
    }
}
