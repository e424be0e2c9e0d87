//! The driver against an installed HAProxy, with two servers behind it that echo.

use super::{planned, reader_of, server};
use crate::{HaproxyReader, HaproxySwitch};
use jiff::SignedDuration;
use orchestrate_driver::conformance::{self, BalancerExpectation, Waiting};
use orchestrate_driver::{ChangeBalancer, Clock, ObserveBalancer};
use orchestrate_model::ActOutcome;
use orchestrate_model::balancer::KeptOut;
use orchestrate_model::observe::{BalancerEntry, BalancerPlace, BalancerState};
use orchestrate_model::pool::HaproxyBalancer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Finds HAProxy, or says that the test is skipped. On the build server a missing program is a failure.
pub(super) fn haproxy() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.map(|place| place.join("haproxy")).find(|file| file.is_file());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "haproxy is missing: install the package haproxy");
        println!("SKIPPED: haproxy is not installed (Debian package haproxy)");
    }
    found
}

/// A running HAProxy and its two servers, all on sockets in one folder.
struct Balanced {
    folder: TempDir,
    haproxy: Child,
    servers: BTreeMap<&'static str, JoinHandle<()>>,
}

impl Balanced {
    async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers = ["fe1", "fe2"].map(|name| (name, echo(name, &folder.path().join(name))));
        let place = folder.path().display();
        let settings = format!(
            "global\n  stats socket {place}/admin level admin\n  stats socket {place}/user level user\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n\
             frontend in\n  bind {place}/in\n  default_backend pool\n\
             backend pool\n  server fe1 unix@{place}/fe1 check inter 50ms fall 1 rise 1\n  \
             server fe2 unix@{place}/fe2 check inter 50ms fall 1 rise 1\n  \
             server fe3 unix@{place}/fe3 disabled\n"
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, settings).unwrap();
        let haproxy = Command::new(program)
            .args(["-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let balanced = Self { folder, haproxy, servers: BTreeMap::from(servers) };
        balanced.once(|seen| seen.get("fe1").is_some_and(|fe1| fe1.up)).await;
        balanced
    }

    fn reader(&self, socket: &str) -> HaproxyReader {
        let mut balancer = HaproxyBalancer::one(&self.socket(socket), "pool");
        let servers = ["fe1", "fe2", "fe3", "fe4"];
        // What is reached over a socket has no address: the plan's word is all there is.
        balancer.names = servers.iter().map(|name| (server(name), vec![(*name).to_owned()])).collect();
        reader_of(&balancer, &servers.map(|name| planned(name, "")))
    }

    fn socket(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn place(&self, socket: &str, server: &str) -> BalancerPlace {
        let (backend, slot) = ("pool".to_owned(), server.to_owned());
        BalancerPlace { balancer: self.socket(socket), backend, slot, address: None }
    }

    /// Asks for a change as the tool does.
    async fn set(&self, name: &str, to: BalancerState) -> ActOutcome {
        let switch = HaproxySwitch::new(self.reader("admin"));
        switch.set_balancer(&server(name), &self.place("admin", name), to).await
    }

    /// Looks until the servers are as wanted, and returns them as they are then.
    async fn once(&self, wanted: impl Fn(&BTreeMap<String, BalancerEntry>) -> bool) -> BTreeMap<String, BalancerEntry> {
        let reader = self.reader("user");
        let look = async {
            loop {
                let seen = reader.observe_balancer().await;
                if let Ok(servers) = seen.servers.as_result() {
                    let servers = servers.iter().map(|(name, seen)| {
                        let entry = seen.entries.values().next().expect("a server that is there has an entry");
                        (name.short().to_owned(), *entry)
                    });
                    let servers = servers.collect();
                    if wanted(&servers) {
                        return servers;
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), look).await.expect("the balancer never got there")
    }

    /// Says something to the balancer as another administrator would.
    async fn command(&self, command: &str) {
        let mut socket = UnixStream::connect(self.folder.path().join("admin")).await.unwrap();
        socket.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.trim(), "", "{command}");
    }

    async fn connect(&self) -> Session {
        Session(BufReader::new(UnixStream::connect(self.folder.path().join("in")).await.unwrap()))
    }
}

impl Drop for Balanced {
    fn drop(&mut self) {
        self.servers.values().for_each(JoinHandle::abort);
        self.haproxy.kill().unwrap();
        self.haproxy.wait().unwrap();
    }
}

/// A server that says its name in front of every line it sends back.
fn echo(name: &'static str, socket: &Path) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let answer = format!("{name} {line}");
                    if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    })
}

/// A client's session through the balancer.
struct Session(BufReader<UnixStream>);

impl Session {
    /// Sends a line and returns the name of the server that answers.
    async fn says(&mut self, text: &str) -> String {
        self.0.get_mut().write_all(format!("{text}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.strip_suffix(&format!(" {text}\n")).expect("the line comes back").to_owned()
    }
}

#[tokio::test]
async fn a_session_in_flight_survives_a_drain_and_new_ones_go_elsewhere() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    let mut session = balanced.connect().await;
    let busy = session.says("hello").await;

    assert_eq!(balanced.set(&busy, BalancerState::Drain).await, ActOutcome::Accepted);
    assert_eq!(balanced.set(&busy, BalancerState::Drain).await, ActOutcome::AlreadySo);
    let seen = balanced.once(|seen| seen[&busy].admin == BalancerState::Drain).await;
    assert_eq!(seen[&busy], BalancerEntry { admin: BalancerState::Drain, up: true, sessions: 1, kept_out: None });
    for _ in 0..4 {
        assert_ne!(balanced.connect().await.says("who").await, busy);
    }
    assert_eq!(session.says("still here").await, busy);

    drop(session);
    balanced.once(|seen| seen[&busy].sessions == 0).await;
    assert_eq!(balanced.set(&busy, BalancerState::Maintenance).await, ActOutcome::Accepted);
    let seen = balanced.once(|seen| seen[&busy].admin == BalancerState::Maintenance).await;
    assert!(!seen[&busy].up, "a server in maintenance is not checked");
    assert_eq!(balanced.set(&busy, BalancerState::Ready).await, ActOutcome::Accepted);
    balanced.once(|seen| seen[&busy].admin == BalancerState::Ready && seen[&busy].up).await;
}

#[tokio::test]
async fn servers_disabled_by_the_configuration_read_as_maintenance_until_made_ready() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    let seen = balanced.once(|_| true).await;
    assert_eq!(seen["fe3"].admin, BalancerState::Maintenance);
    assert!(!seen.contains_key("fe4"), "the backend does not have it");
    assert_eq!(balanced.set("fe3", BalancerState::Ready).await, ActOutcome::Accepted);
    assert_eq!(balanced.set("fe3", BalancerState::Ready).await, ActOutcome::AlreadySo);
    balanced.once(|seen| seen["fe3"].admin == BalancerState::Ready).await;
}

#[tokio::test]
async fn p2_a_server_with_weight_0_is_not_ready_and_cannot_be_made_so() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    balanced.command("set server pool/fe1 weight 0").await;
    let seen = balanced.once(|seen| seen["fe1"].admin != BalancerState::Ready).await;
    assert_eq!(
        seen["fe1"],
        BalancerEntry { admin: BalancerState::Drain, up: true, sessions: 0, kept_out: Some(KeptOut::Weight) }
    );
    for _ in 0..4 {
        assert_eq!(balanced.connect().await.says("who").await, "fe2", "the balancer sends it nothing new");
    }
    let outcome = balanced.set("fe1", BalancerState::Ready).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.contains("set server pool/fe1 weight")), "{outcome:?}");
    assert_eq!(balanced.set("fe1", BalancerState::Drain).await, ActOutcome::AlreadySo);
    balanced.command("set server pool/fe1 weight 100%").await;
    balanced.once(|seen| seen["fe1"].admin == BalancerState::Ready).await;
}

#[tokio::test]
async fn a_weight_of_0_set_during_a_drain_is_said_when_the_drain_is_over() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    assert_eq!(balanced.set("fe1", BalancerState::Drain).await, ActOutcome::Accepted);
    balanced.command("set server pool/fe1 weight 0").await;
    assert_eq!(balanced.set("fe1", BalancerState::Ready).await, ActOutcome::Accepted);
    let outcome = balanced.set("fe1", BalancerState::Ready).await;
    assert!(matches!(&outcome, ActOutcome::Failed(text) if text.contains("weight is 0")), "{outcome:?}");
}

#[tokio::test]
async fn failing_checks_show_as_not_up() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    balanced.servers["fe2"].abort();
    let seen = balanced.once(|seen| !seen["fe2"].up).await;
    assert_eq!(seen["fe2"].admin, BalancerState::Ready);
    assert!(seen["fe1"].up);
}

#[tokio::test]
async fn a_socket_without_the_right_to_change_reads_but_does_not_change() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    let outcome = HaproxySwitch::new(balanced.reader("user"))
        .set_balancer(&server("fe1"), &balanced.place("user", "fe1"), BalancerState::Drain)
        .await;
    assert!(matches!(&outcome, ActOutcome::Failed(reason) if reason.contains("Permission denied")), "{outcome:?}");
    let seen = balanced.once(|_| true).await;
    assert_eq!(seen["fe1"].admin, BalancerState::Ready);
}

#[tokio::test]
async fn the_driver_conforms() {
    let Some(program) = haproxy() else { return };
    let balanced = Balanced::start(&program).await;
    let expected = BalancerExpectation {
        servers: vec![server("fe1"), server("fe2")],
        absent: server("fe4"),
        place: balanced.place("nothing-listens-here", "fe1"),
    };
    let waiting = Waiting::new(Clock::real(), SignedDuration::from_secs(30));
    let mut broken = conformance::balancer_reads(&balanced.reader("user"), &expected, &waiting).await;
    let switch = HaproxySwitch::new(balanced.reader("admin"));
    broken.extend(conformance::balancer_changes(&switch, &expected, &waiting).await);
    let nowhere = HaproxySwitch::new(balanced.reader("nothing-listens-here"));
    broken.extend(conformance::balancer_unreachable(&nowhere, &expected, &waiting).await);
    assert!(broken.is_empty(), "{}", conformance::report(&broken));
}
