//! Silences of alerts by a real Alertmanager, while servers of a lab are out, also over a kill, and beside a way that hangs.
#![cfg(unix)]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_tests::cli::{Sandbox, lab_speed};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

const SILENCES: &str = "silences:\n  - alertmanager: {url: {env: ALERTS}}\n    lasts: 10m\n  - webhook: {start: {env: REFUSES}, end: {env: HANGS}}\n";

/// A real Alertmanager on a port of its own.
struct Manager {
    child: Child,
    address: SocketAddr,
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

impl Manager {
    /// Starts one. Without the program it says so, and fails where everything has to be there.
    fn start(sandbox: &Sandbox) -> Option<Self> {
        let names = ["prometheus-alertmanager", "alertmanager"];
        let Some(program) = names.iter().find(|name| Command::new(name).arg("--version").output().is_ok()) else {
            let text = "Alertmanager is missing (Debian: prometheus-alertmanager)";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{text}");
            eprintln!("skipped: {text}");
            return None;
        };
        let config = sandbox.file("alerts.yml", "route: {receiver: none}\nreceivers: [{name: none}]\n");
        // Whoever takes the port meanwhile makes the start fail, and it is told.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", sandbox.path().join("alerts").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
        let child = command.arg("--log.level=error").stdin(Stdio::null()).spawn().unwrap();
        let manager = Self { child, address };
        manager.until("it is there", |found| found == Some(Vec::new()));
        Some(manager)
    }

    /// Returns the comments of the silences that are active. `None`: it does not answer.
    fn active(&self) -> Option<Vec<String>> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET /api/v2/silences HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let list: Vec<Value> = serde_json::from_str(body).ok()?;
        let active = list.iter().filter(|silence| silence["status"]["state"] == "active");
        Some(active.map(|silence| silence["comment"].as_str().unwrap_or_default().to_owned()).collect())
    }

    fn until(&self, what: &str, wanted: impl Fn(Option<Vec<String>>) -> bool) {
        let began = Instant::now();
        while !wanted(self.active()) {
            assert!(began.elapsed() < PATIENCE, "{what}: {:?}", self.active());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn until_one_about(&self, server: &str) {
        let about = |found: Vec<String>| found.len() == 1 && found[0].contains(&format!(" {server}]"));
        self.until(server, |found| found.is_some_and(about));
    }
}

#[test]
fn p6_alerts_are_silenced_while_a_server_is_out_over_a_kill_too_and_no_longer() {
    let sandbox = Sandbox::default();
    let Some(manager) = Manager::start(&sandbox) else { return };
    let plan = sandbox.first_pool(&[], &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text + SILENCES).unwrap();
    // It takes connections and never answers.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let alerts = sandbox.file("alerts.url", &format!("http://{}/\n", manager.address));
    let hanging = sandbox.file("hangs.url", &format!("http://{}/\n", hangs.local_addr().unwrap()));
    // Nothing listens there any more.
    let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusing = sandbox.file("refuses.url", &format!("http://{refuses}/\n"));
    let text = std::fs::read_to_string(&plan).unwrap();
    let text = text.replace("{env: REFUSES}", &format!("{{file: {}}}", refusing.display()));
    let text = text.replace("{env: ALERTS}", &format!("{{file: {}}}", alerts.display()));
    std::fs::write(&plan, text.replace("{env: HANGS}", &format!("{{file: {}}}", hanging.display()))).unwrap();
    for file in [&alerts, &hanging, &refusing] {
        assert!(Command::new("chmod").arg("600").arg(file).status().unwrap().success());
    }

    let speed = lab_speed("60");
    let start = [plan.as_str(), "--lab", "--lab-speed", &speed, "--lab-notify", "--unattended", "--now"];
    let run = sandbox.start(&start);
    sandbox.wait_for_view("drain");
    let out = sandbox.wait_for_record("\"kind\":\"snapshot\"");
    assert!(!out.is_empty());
    manager.until("a server is silenced", |found| found.is_some_and(|found| found.len() == 1));
    let first = manager.active().unwrap()[0].rsplit(' ').next().unwrap().trim_end_matches(']').to_owned();
    let _said = run.killed();
    // Nobody is there, and it has an end of its own.
    manager.until_one_about(&first);
    let said = sandbox.run(&start);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.err.contains("webhook did not answer"), "{}", said.err);
    assert_eq!(manager.active(), Some(Vec::new()), "no silence outlives the run");
    let run = sandbox.runs()[0].file_name().unwrap().to_string_lossy().into_owned();
    let report = sandbox.run(&["report", &run, "-o", "markdown"]).out;
    assert!(report.contains("are not silenced by webhook"), "{report}");
    assert!(!report.contains("by alertmanager"), "{report}");
}
