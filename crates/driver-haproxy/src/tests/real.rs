//! The driver against an installed HAProxy: addresses, several backends, several balancers, levels. Nothing listens at the
//! servers' addresses, and nothing has to.

use super::installed::haproxy;
use super::*;
use orchestrate_model::observe::DoubtKind;
use orchestrate_model::pool::SlotNames;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running HAProxy with sockets of every level in one folder.
struct Real {
    folder: TempDir,
    haproxy: Child,
}

impl Real {
    async fn start(program: &Path, backends: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display();
        let levels =
            ["admin", "operator", "user"].map(|level| format!("  stats socket {place}/{level} level {level}\n"));
        let settings = format!(
            "global\n{}defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n{backends}",
            levels.concat()
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let real = Self { haproxy: command.spawn().unwrap(), folder };
        let answers = async {
            while tokio::net::UnixStream::connect(real.socket("user")).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.expect("HAProxy never listened");
        real
    }

    fn socket(&self, level: &str) -> String {
        self.folder.path().join(level).display().to_string()
    }

    fn settings(&self, level: &str, backends: &[&str]) -> HaproxyBalancer {
        let mut settings = HaproxyBalancer::one(&self.socket(level), "unused");
        settings.sites[0].backends = backends.iter().map(ToString::to_string).collect();
        settings
    }

    async fn command(&self, command: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::UnixStream::connect(self.socket("admin")).await.unwrap();
        socket.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.haproxy.kill().unwrap();
        self.haproxy.wait().unwrap();
    }
}

fn backend(name: &str, addresses: &[&str]) -> String {
    let server = |(number, address): (usize, &&str)| format!("  server fe{} {address}\n", number + 1);
    format!("backend {name}\n{}", addresses.iter().enumerate().map(server).collect::<String>())
}

#[tokio::test]
async fn p2_swapped_addresses_drain_nothing() {
    let Some(program) = haproxy() else { return };
    let real = Real::start(&program, &backend("web", &["192.0.2.12:443", "192.0.2.11:443", "192.0.2.13:443"])).await;
    let settings = real.settings("admin", &["web"]);
    let reader = reader_of(&settings, &three());
    let seen = reader.observe_balancer().await;
    for name in ["fe1", "fe2"] {
        assert!(seen.against(&server(name)).all(|doubt| doubt.kind == DoubtKind::OtherAddress));
        assert_eq!(entries(&seen, name), Vec::<String>::new());
    }
    let place = format!("{} web/fe1 192.0.2.11", real.socket("admin")).parse().unwrap();
    let outcome = HaproxySwitch::new(reader).set_balancer(&server("fe1"), &place, BalancerState::Drain).await;
    assert!(matches!(&outcome, ActOutcome::Failed(why) if why.contains("left alone")), "{outcome:?}");
    let by_address = HaproxyBalancer { slots: SlotNames::ByAddress, ..settings };
    let seen = reader_of(&by_address, &three()).observe_balancer().await;
    assert_eq!((entries(&seen, "fe1"), seen.doubts), (vec!["web/fe2 ready".to_owned()], vec![]));
}

#[tokio::test]
async fn three_backends_of_two_balancers_are_drained_and_restored_entry_by_entry() {
    let Some(program) = haproxy() else { return };
    let addresses = |port: &str| ["11", "12", "13"].map(|last| format!("192.0.2.{last}:{port}"));
    let three_backends: String = [("web", "443"), ("web-ext", "4443"), ("http", "8080")]
        .map(|(name, port)| backend(name, &addresses(port).each_ref().map(String::as_str)))
        .concat();
    let first = Real::start(&program, &three_backends).await;
    let second = Real::start(&program, &three_backends).await;
    let one = reader_of(&first.settings("admin", &["web"]), &three()).observe_balancer().await;
    assert_eq!(one.doubts.iter().map(|doubt| doubt.kind).collect::<Vec<_>>(), [DoubtKind::Unnamed; 2], "http, web-ext");

    let mut settings = first.settings("admin", &["web", "web-ext", "http"]);
    settings.sites.extend(second.settings("admin", &["web", "web-ext", "http"]).sites);
    first.command("set server http/fe1 state maint").await;
    let reader = reader_of(&settings, &three());
    let before = reader.observe_balancer().await;
    assert_eq!(before.doubts, []);
    let own = &before.servers.as_result().unwrap()[&server("fe1")];
    assert_eq!(own.entries.len(), 6);
    let switch = HaproxySwitch::new(reader);
    for place in own.ready() {
        assert_eq!(switch.set_balancer(&server("fe1"), place, BalancerState::Drain).await, ActOutcome::Accepted);
    }
    let out = switch.observe_balancer().await;
    assert_eq!(out.servers.as_result().unwrap()[&server("fe1")].ready().count(), 0);
    assert_eq!(out.servers.as_result().unwrap()[&server("fe2")], before.servers.as_result().unwrap()[&server("fe2")]);
    for (place, state) in own.states() {
        assert!(switch.set_balancer(&server("fe1"), &place, state).await.is_success(), "{place}");
    }
    let after = switch.observe_balancer().await;
    assert_eq!(after.servers.as_result().unwrap()[&server("fe1")].states(), own.states());
}

#[tokio::test]
async fn an_entry_whose_address_changes_is_another_entry() {
    let Some(program) = haproxy() else { return };
    let real = Real::start(&program, &backend("web", &["192.0.2.11:443", "192.0.2.12:443", "192.0.2.13:443"])).await;
    let reader = reader_of(&real.settings("admin", &["web"]), &three());
    assert_eq!(entries(&reader.observe_balancer().await, "fe1"), ["web/fe1 ready"]);
    let said = real.command("set server web/fe1 addr 192.0.2.99").await;
    assert!(said.contains("192.0.2.99"), "{said}");
    let seen = reader.observe_balancer().await;
    assert_eq!(entries(&seen, "fe1"), Vec::<String>::new());
    let text = &seen.against(&server("fe1")).next().unwrap().text;
    assert!(text.contains("expected 192.0.2.11, found 192.0.2.99"), "{text}");
}

#[tokio::test]
async fn the_level_of_the_socket_is_known_before_anything_is_asked_of_it() {
    let Some(program) = haproxy() else { return };
    let real = Real::start(&program, &backend("web", &["192.0.2.11:443", "192.0.2.12:443", "192.0.2.13:443"])).await;
    let before = real.command("show servers state").await;
    for level in ["admin", "operator", "user"] {
        let seen = reader_of(&real.settings(level, &["web"]), &three()).observe_balancer().await;
        assert!(seen.servers.known().is_some(), "{level} can read");
        let text: Vec<&str> = seen.doubts.iter().map(|doubt| doubt.text.as_str()).collect();
        match level {
            "admin" => assert_eq!(seen.doubts, []),
            lower => {
                let expected = format!("expected level admin on its socket, found {lower}");
                assert!(text.len() == 1 && text[0].contains(&expected), "{text:?}");
            }
        }
    }
    // The way for versions that do not say their level.
    assert!(real.command("set server").await.starts_with("Require 'backend/server'"));
    let states =
        |text: &str| text.lines().map(|line| line.split(' ').take(8).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(states(&real.command("show servers state").await), states(&before));
}

#[tokio::test]
async fn names_without_an_address_and_addresses_of_both_families_are_read() {
    let Some(program) = haproxy() else { return };
    let text = "backend web\n  server fe1 [2001:db8::11]:443\n  server fe2 ::ffff:192.0.2.12:443\n  \
                server fe3 fe3.contoso.invalid:443 init-addr none\n  server-template spare 2 nobody.contoso.invalid:443 init-addr none\n";
    let real = Real::start(&program, text).await;
    let servers = [planned("fe1", "2001:db8::11"), planned("fe2", "192.0.2.12"), planned("fe3", "192.0.2.13")];
    let seen = reader_of(&real.settings("admin", &["web"]), &servers).observe_balancer().await;
    assert_eq!(
        (entries(&seen, "fe1"), entries(&seen, "fe2")),
        (vec!["web/fe1 ready".into()], vec!["web/fe2 ready".into()])
    );
    assert_eq!(entries(&seen, "fe3"), Vec::<String>::new());
    let text = &seen.against(&server("fe3")).next().unwrap().text;
    assert!(text.contains("web at ") && text.contains("web/fe3 (no address)"), "{text}");
}
