//! Three hosts that others wrote, with names and a balancer that others wrote, laid out for one test.

use crate::domain::Domain;
use orchestrate_tests::cli::repository;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What counts people on a host: the file, with its line while they are there and after they have gone.
const PEOPLE: [(&str, &str, &str); 5] = [
    (CLIENTS, "SIPConnectionsActive=29", "SIPConnectionsActive=0"),
    (
        "counters/Win32_PerfFormattedData_LSUSrv_LSUSrvEndpointCache/all",
        "USrvActiveRegisteredEndpoints=31",
        "USrvActiveRegisteredEndpoints=0",
    ),
    (
        "services/RTCIMMCU",
        "activity=Active Conferences=4,Connected Users=11",
        "activity=Active Conferences=0,Connected Users=0",
    ),
    (
        "services/RTCAVMCU",
        "activity=Number of Conferences=2,Number of Users=7",
        "activity=Number of Conferences=0,Number of Users=0",
    ),
    (
        "services/RTCASMCU",
        "activity=Active Conferences=1,Connected Users=3",
        "activity=Active Conferences=0,Connected Users=0",
    ),
];

/// Where the connections of clients are counted.
const CLIENTS: &str = "counters/Win32_PerfFormattedData_LSSIP_LSSIPPeers/Clients";

/// A service as a host's files have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) state: String,
    start: String,
    delayed: String,
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: String,
    folder: PathBuf,
}

/// The pool: hosts of a domain, a name server and a balancer.
pub(crate) struct Pool {
    pub(crate) hosts: Vec<Host>,
    /// Where the KDC of the hosts' domain is.
    pub(crate) kdc: String,
    resolver: String,
    balancer: String,
    programs: Vec<Child>,
}

/// Returns where a program is, or says that the test is skipped. On the build server a missing one is a failure.
fn program(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} is missing: install the package {package}");
        println!("SKIPPED: {name} is not installed (Debian package {package})");
    }
    found
}

impl Pool {
    /// Lays the pool out, or returns nothing where something is missing for it.
    pub(crate) fn up(folder: &Path) -> Option<Self> {
        let (haproxy, dnsmasq) = (program("haproxy", "haproxy")?, program("dnsmasq", "dnsmasq-base")?);
        let domain = crate::domain::domain()?;
        let hosts: Vec<Host> = (1..=3).map(|number| Host::of(domain, number)).collect();
        let network = hosts[0].address.rsplit_once('.').unwrap().0.to_owned();
        let (resolver, balancer) = (format!("{network}.2"), format!("{network}.3:9999"));
        let mut names = Command::new(dnsmasq);
        let listen = format!("--listen-address={resolver}");
        names.args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--port=5353", "--bind-interfaces", &listen]);
        names.args(["--user=root", "--pid-file=", "--conf-file=/dev/null", "--local=/contoso.example/"]);
        names.arg(format!("--address=/webint.contoso.example/{network}.10"));
        let mut settings = format!(
            "global\n  stats socket ipv4@{balancer} level admin\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client \
             1m\n  timeout server 1m\nlisten pool01-web\n  bind {network}.10:4443\n"
        );
        for host in &hosts {
            let Host { name, address, .. } = host;
            let short = name.split('.').next().unwrap();
            names.arg(format!("--host-record={name},{address}"));
            names.arg(format!("--host-record=pool01.contoso.example,{address}"));
            settings = format!("{settings}  server {short} {address}:5986\n");
        }
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, settings).unwrap();
        let mut front = Command::new(haproxy);
        front.args(["-db", "-f"]).arg(file);
        let programs = [names, front].map(|mut command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        let kdc = domain.kdc.clone();
        let pool = Self { hosts, kdc, resolver: format!("{resolver}:5353"), balancer, programs: programs.into() };
        pool.wait_until_they_listen();
        Some(pool)
    }

    fn wait_until_they_listen(&self) {
        let began = Instant::now();
        for address in [&self.resolver, &self.balancer] {
            while TcpStream::connect(address).is_err() {
                assert!(began.elapsed() < PATIENCE, "nothing listens at {address}");
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }

    /// Returns a plan for the pool, whose servers are reached in this way.
    pub(crate) fn plan(&self, winrm: &str) -> String {
        let servers: String = self.hosts.iter().enumerate().map(|(at, host)| host.in_plan(at + 1, winrm)).collect();
        format!(
            r#"version: 1
name: pool of strangers
reason: CHG0031337
dns: {{resolvers: ["{resolver}"]}}
pools:
  pool01.contoso.example:
    product: lync2013
    role: front-end
    load_balancing:
      sip: dns
      web: webint.contoso.example
      balancer: {{haproxy: {{address: "{balancer}", backend: pool01-web}}}}
    services: [RTCMEDSRV]
    # Counters that these hosts do not have are replaced by what they show.
    measures:
      RTCSRV: ['\LS:SIP - Peers(Clients)\SIP - Connections Active', '\LS:USrv - Endpoint Cache\USrv - Active Registered Endpoints']
      RTCMEDSRV: [Current Inbound Calls, Current Outbound Calls]
      RTCIMMCU: [Active Conferences, Connected Users]
      RTCAVMCU: [Number of Conferences, Number of Users]
      RTCASMCU: [Active Conferences, Connected Users]
      W3SVC: [Current Sessions]
    servers:
{servers}    access:
      winrm: {{{winrm}}}
maintenance:
  scope: all-services
  restart: always
  # These hosts have no counter that says whether a conferencing service drains.
  drain: {{deadline: 20m, at_deadline: hold, by_sessions_alone: [RTCIMMCU, RTCDATAMCU, RTCAVMCU, RTCASMCU]}}
  soak: 0s
"#,
            resolver = self.resolver,
            balancer = self.balancer,
        )
    }

    /// What the balancer says of its servers: name and administrative state.
    pub(crate) fn balancer_states(&self) -> Vec<String> {
        use std::io::{Read as _, Write as _};
        let mut socket = TcpStream::connect(&self.balancer).unwrap();
        socket.write_all(b"show servers state\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        let rows = said.lines().filter(|line| line.contains(" fe"));
        rows.map(|row| row.split(' ').collect::<Vec<_>>()).map(|row| format!("{} {}", row[3], row[6])).collect()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for program in &mut self.programs {
            // It may have ended; then there is nothing to kill.
            program.kill().unwrap_or_default();
            drop(program.wait());
        }
    }
}

impl Host {
    fn of(domain: &Domain, number: u8) -> Self {
        let address = domain.host(number);
        let folder = PathBuf::from(domain.path(&format!("fe{number}")));
        let host = Self { name: format!("fe{number}.contoso.example"), address, folder };
        // Quick, and with a web service as Windows has it.
        host.set("host", &["pending_seconds=0.5", "down_seconds=6", "grace_seconds=0", "delayed_seconds=2"]);
        host.set("services/RTCSRV", &["pending_seconds=1"]);
        host.set("services/W3SVC", &["accept_pause=true", "activity=Current Sessions=0"]);
        host
    }

    fn in_plan(&self, number: usize, winrm: &str) -> String {
        let Self { name, address, .. } = self;
        let hosts = if number == 1 { ", hosts: [central-management]" } else { "" };
        // Only TLS has certificates.
        let pin = if winrm.contains("https") { format!(", pin: \"{}\"", self.pin()) } else { String::new() };
        format!("      {name}: {{address: {address}, upgrade_domain: UpgradeDomain{number}{pin}{hosts}}}\n")
    }

    /// The SHA-256 of its certificate, as openssl prints it.
    fn pin(&self) -> String {
        let file = self.folder.join("opt/omi/etc/ssl/certs/omi.pem");
        let mut openssl = Command::new("openssl");
        let output = openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(file).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().split_once('=').unwrap().1.to_owned()
    }

    /// Sets keys of a file of its state.
    pub(crate) fn set(&self, file: &str, pairs: &[&str]) {
        let program = repository().join("../shared/winhost/set-state");
        let output = Command::new(program).arg(self.folder.join("state")).arg(file).args(pairs).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn keys(&self, file: &str) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.folder.join("state").join(file)).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Its services, as they are in effect now.
    pub(crate) fn services(&self) -> BTreeMap<String, Service> {
        let entries = std::fs::read_dir(self.folder.join("state/services")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with('.')).map(|name| (name.clone(), self.service(&name))).collect()
    }

    pub(crate) fn service(&self, name: &str) -> Service {
        let keys = self.keys(&format!("services/{name}"));
        let of = |key: &str| keys.get(key).cloned().unwrap_or_default();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        // What was pending has ended once its time is over; the file says so when it is written the next time.
        let is_over = keys.get("until").and_then(|until| until.parse::<f64>().ok()).is_some_and(|until| now >= until);
        let pending = of("State").ends_with("Pending") && is_over && keys.contains_key("target");
        let state = if pending { of("target") } else { of("State") };
        Service { state, start: of("StartMode"), delayed: of("DelayedAutoStart") }
    }

    /// Has people come, or has the last of them go.
    pub(crate) fn people(&self, there: People) {
        for (file, come, gone) in PEOPLE {
            let line = match there {
                People::Come => come,
                People::Go => gone,
            };
            self.set(file, &[line]);
        }
    }

    /// How many people use it.
    pub(crate) fn crowd(&self) -> u64 {
        self.keys(CLIENTS).get("SIPConnectionsActive").and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// What was done to it, by its own record.
    pub(crate) fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("state/journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many programs its remote shells have started.
    pub(crate) fn started(&self) -> usize {
        let text = std::fs::read_to_string(self.folder.join("opt/omi/var/winrs/winrs-nobody.log")).unwrap_or_default();
        text.matches("powershell.exe -NoProfile").count()
    }
}

/// Whether people use a host.
#[derive(Debug, Clone, Copy)]
pub(crate) enum People {
    Come,
    Go,
}
