//! The binary with an installed HAProxy in front of the lab's servers: swapped addresses, three backends, levels.
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]
#![cfg(all(test, unix))]

use orchestrate_tests::cli::{Background, Said, Sandbox};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Finds HAProxy, or says that the test is skipped. On the build server a missing program is a failure.
fn haproxy() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.map(|place| place.join("haproxy")).find(|file| file.is_file());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "haproxy is missing: install the package haproxy");
        println!("SKIPPED: haproxy is not installed (Debian package haproxy)");
    }
    found
}

const PLAN: &str = r#"
version: 1
name: pool01 November update
reason: CHG0031337
pools:
  pool01.contoso.example:
    product: lync2013
    role: front-end
    load_balancing:
      sip: dns
      web: webint.contoso.example
      balancer: {haproxy: {address: "192.0.2.10:9999", backends: [pool01-web]}}
    servers:
      fe1.contoso.example: {address: 192.0.2.11}
      fe2.contoso.example: {address: 192.0.2.12}
      fe3.contoso.example: {address: 192.0.2.13}
    access: {winrm: {auth: basic, credentials: {env: MAINTENANCE}}}
maintenance:
  scope: all-services
  patch:
    installer: C:\CU\LyncServerUpdateInstaller.exe
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    level: 5.0.8308.1149
  soak: 0s
"#;

const SCENARIO: &str = "load: {factor: 0}\ndns: {records: {webint.contoso.example: [192.0.2.10]}}\n\
                        timing: {boot_s: 60, installer_start_s: 5}\ninstaller: {duration_s: [30, 40], exit_code: 0}\n";

const IN_ORDER: [&str; 3] = ["192.0.2.11", "192.0.2.12", "192.0.2.13"];
const SWAPPED: [&str; 3] = ["192.0.2.12", "192.0.2.11", "192.0.2.13"];

fn backend(name: &str, addresses: [&str; 3], port: u16) -> String {
    let servers =
        addresses.iter().enumerate().map(|(place, address)| format!("  server fe{} {address}:{port}\n", place + 1));
    format!("backend {name}\n{}", servers.collect::<String>())
}

/// A running HAProxy, and a lab whose directory leads to it.
struct Stage {
    sandbox: Sandbox,
    haproxy: Child,
    _lab: Background,
    directory: String,
    plan: String,
}

impl Stage {
    fn set(program: &PathBuf, backends: &str, level: &str, changes: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::default();
        let plan = changes.iter().fold(PLAN.to_owned(), |plan, (from, to)| {
            assert!(plan.contains(from), "the plan has no {from}");
            plan.replace(from, to)
        });
        let plan = sandbox.file("plan.yaml", &plan).display().to_string();
        let scenario = sandbox.file("scenario.yaml", SCENARIO).display().to_string();
        let socket = sandbox.path().join("haproxy.sock");
        // What the lab's directory says has to be a port; the state is looked at over a socket of full level.
        let port = free_port();
        let settings = format!(
            "global\n  stats socket ipv4@127.0.0.1:{port} level {level}\n  stats socket {} level admin\ndefaults\n  mode tcp\n  \
             timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n{backends}",
            socket.display()
        );
        let file = sandbox.file("haproxy.cfg", &settings);
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let haproxy = command.spawn().expect("HAProxy starts");
        let mut lab = sandbox.start(&["lab", &plan, "--lab-scenario", &scenario, "--lab-speed", "100"]);
        lab.wait_for_output("balancer of");
        let text = std::fs::read_to_string(sandbox.lab_file()).expect("the lab has a directory file");
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        value["balancers"]["pool01.contoso.example"] = format!("127.0.0.1:{port}").into();
        let directory = sandbox.file("at.json", &value.to_string()).display().to_string();
        let stage = Self { sandbox, haproxy, _lab: lab, directory, plan };
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "HAProxy never listened");
            std::thread::yield_now();
        }
        stage
    }

    fn run(&self, more: &[&str]) -> Said {
        let mut arguments = vec![self.plan.as_str(), "--lab-at", &self.directory];
        arguments.extend(more);
        self.sandbox.run(&arguments)
    }

    /// Backend, name and state of every entry.
    fn states(&self) -> Vec<String> {
        let mut socket = UnixStream::connect(self.sandbox.path().join("haproxy.sock")).expect("HAProxy listens");
        socket.write_all(b"show servers state\n").expect("it takes commands");
        let mut said = String::new();
        socket.read_to_string(&mut said).expect("it answers");
        let rows = said.lines().filter(|line| line.contains(" fe"));
        let words = rows.map(|row| row.split(' ').collect::<Vec<_>>());
        words.map(|row| format!("{}/{} {}", row[1], row[3], row[6])).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.haproxy.kill().expect("it runs");
        drop(self.haproxy.wait());
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

#[test]
fn p2_a_server_is_not_drained_under_the_name_of_another() {
    let Some(program) = haproxy() else { return };
    let stage = Stage::set(&program, &backend("pool01-web", SWAPPED, 443), "admin", &[]);
    let before = stage.states();
    let said = stage.run(&["--unattended", "--yes"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let all = format!("{}\n{}", said.out, said.err);
    assert!(all.contains("O2070") && all.contains("192.0.2.11") && all.contains("192.0.2.12"), "{all}");
    assert_eq!(stage.states(), before, "nothing was changed");
}

#[test]
fn a_template_is_drained_by_address_where_the_plan_says_so() {
    let Some(program) = haproxy() else { return };
    let changes = [("backends: [pool01-web]", "backends: [pool01-web], slots: by-address")];
    let stage = Stage::set(&program, &backend("pool01-web", SWAPPED, 443), "admin", &changes);
    let said = stage.run(&["--unattended", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let fe1 = said.out.lines().find(|line| line.contains("fe1  take ")).unwrap_or_default();
    assert!(fe1.contains("take pool01-web/fe2 at 192.0.2.10:9999 out of the balancer"), "{fe1}\n{}", said.out);
}

#[test]
fn p5_every_backend_is_drained_and_put_back() {
    let Some(program) = haproxy() else { return };
    let three = [("pool01-web", 443), ("pool01-web-ext", 4443), ("pool01-http", 8080)];
    let backends: String = three.map(|(name, port)| backend(name, IN_ORDER, port)).concat();
    let one = Stage::set(&program, &backends, "admin", &[]);
    let said = one.run(&["--dry-run"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    for name in ["pool01-web-ext", "pool01-http"] {
        assert!(said.out.contains("O2071") && said.out.contains(name), "{name}: {}", said.out);
    }
    drop(one);
    let changes = [("backends: [pool01-web]", "backends: [pool01-web, pool01-web-ext, pool01-http]")];
    let all = Stage::set(&program, &backends, "admin", &changes);
    let before = all.states();
    let said = all.run(&["--unattended", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert_eq!(all.states(), before);
    for server in ["fe1", "fe2", "fe3"] {
        for (backend, _) in three {
            for way in [format!("take {backend}/{server} at"), format!("put {backend}/{server} at")] {
                assert_eq!(said.out.matches(&way).count(), 1, "{way}: {}", said.out);
            }
        }
        assert!(said.out.contains(&format!("{server}  balancer-out: 3 entries of the balancers send it nothing new")));
    }
}

#[test]
fn the_right_to_change_the_balancer_is_part_of_the_preview() {
    let Some(program) = haproxy() else { return };
    let stage = Stage::set(&program, &backend("pool01-web", IN_ORDER, 443), "operator", &[]);
    let said = stage.run(&["--dry-run"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("O2072") && said.out.contains("expected level admin"), "{}", said.out);
}
