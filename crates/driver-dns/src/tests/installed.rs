//! The driver against name servers as they are installed in real networks: dnsmasq and NSD.

use super::servers::flush_left;
use super::{ZONE, addresses, ask, asking, impatient, known, name};
use crate::NameServers;
use orchestrate_driver::Resolve;
use orchestrate_model::observe::DnsAnswer;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long one look at a server that may still be coming up lasts.
const ONE_LOOK: Duration = Duration::from_secs(1);

/// Finds a program, or says that the test is skipped. On the build server a missing program is a failure.
fn installed(program: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.map(|place| place.join(program)).find(|file| file.is_file());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} is missing: install the package {package}");
        println!("SKIPPED: {program} is not installed (Debian package {package})");
    }
    found
}

/// Ends the program when the test ends, asking first so that it ends its own children.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            self.0.kill().unwrap();
        }
        self.0.wait().unwrap();
    }
}

fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// Asks until the server has come up: each look waits for its own time limit.
async fn once_up(names: &NameServers, asked: &[&str]) -> Vec<DnsAnswer> {
    let mut said = Vec::new();
    for _ in 0..50 {
        said = names.resolve(&ask(asked)).await.answers;
        if said.iter().any(|answer| answer.records.known().is_some()) {
            return said;
        }
    }
    panic!("the server never answered: {said:?}");
}

#[tokio::test]
async fn dnsmasq_is_understood() {
    let Some(program) = installed("dnsmasq", "dnsmasq-base") else { return };
    let port = free_port();
    let _running = Running::start(
        Command::new(program)
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll"])
            .args(["--bind-interfaces", "--listen-address=127.0.0.1", "--local=/contoso.example/", "--pid-file="])
            .args([
                "--host-record=pool01.contoso.example,192.0.2.12",
                "--host-record=pool01.contoso.example,192.0.2.11",
            ])
            .args(["--host-record=balancer.contoso.example,192.0.2.10,2001:db8::10"])
            .args(["--cname=webint.contoso.example,balancer.contoso.example", "--local-ttl=77"])
            .arg(format!("--port={port}")),
    );
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let names = impatient(&[server], ONE_LOOK);
    let asked =
        ["gone.contoso.example", "outside.fabrikam.example", "pool01.contoso.example", "webint.contoso.example"];
    let said = once_up(&names, &asked).await;
    assert_eq!(known(&said[0]).addresses, Vec::<IpAddr>::new());
    let why = said[1].records.why_unknown().unwrap();
    assert!(why.contains("REFUSED"), "{why}");
    assert_eq!(known(&said[2]).addresses, addresses(&["192.0.2.11", "192.0.2.12"]));
    assert_eq!(known(&said[2]).ttl_s, 77);
    assert_eq!(known(&said[3]).addresses, addresses(&["192.0.2.10", "2001:db8::10"]));
    assert_eq!(known(&said[3]).alias, Some(name("balancer.contoso.example")));
}

#[tokio::test]
async fn nsd_is_understood_as_resolver_and_as_authority() {
    let Some(program) = installed("nsd", "nsd") else { return };
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let many: String = (1..=90).fold(String::new(), |zone, n| zone + &format!("many 60 IN A 198.51.100.{n}\n"));
    let zone = flush_left(&ZONE.replace("127.0.0.1", "127.0.0.2")) + &many;
    std::fs::write(folder.path().join("contoso.zone"), zone).unwrap();
    let place = folder.path().display();
    let settings = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  ip-address: 127.0.0.2@{port}\n  username: \"\"\n  chroot: \"\"\n  \
         zonesdir: \"{place}\"\n  database: \"\"\n  pidfile: \"{place}/pid\"\n  zonelistfile: \"{place}/zones\"\n  \
         xfrdfile: \"{place}/xfrd\"\n  xfrdir: \"{place}\"\n  logfile: \"{place}/log\"\n\
         remote-control:\n  control-enable: no\n\
         zone:\n  name: contoso.example\n  zonefile: contoso.zone\n"
    );
    let file = folder.path().join("nsd.conf");
    std::fs::write(&file, settings).unwrap();
    let _running = Running::start(Command::new(program).arg("-d").arg("-c").arg(&file));
    let resolver = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let authority = SocketAddr::from(([127, 0, 0, 2], port));
    let mut names = asking(&[resolver], port);
    names.limits.resolver = ONE_LOOK;
    names.limits.authority = ONE_LOOK;
    let said = once_up(&names, &["many.contoso.example", "pool01.contoso.example", "webint.contoso.example"]).await;
    for server in [resolver, authority] {
        let said: Vec<_> = said.iter().filter(|answer| answer.resolver == server).collect();
        assert_eq!(said.len(), 3, "{server}");
        assert_eq!(known(said[0]).addresses.len(), 90, "over TCP");
        let pool = known(said[1]);
        assert_eq!(pool.addresses, addresses(&["192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11"]));
        assert_eq!(pool.ttl_s, 120);
        assert_eq!(known(said[2]).alias, Some(name("balancer.contoso.example")));
    }
}
