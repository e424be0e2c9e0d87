//! Connect, NTLM over HTTP with message sealing, and one Get, beside pypsrp and pywinrm against the same host in the same run.
//!
//! The host is a `winhost` (see `tests/strangers`), which has to be run as root. Python with pypsrp and pywinrm is
//! `LAB_PYTHON`. Where either is missing the bench says so and ends.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails like a test, and prints")]

use orchestrate_wsman::{Auth, Client, Credentials, Endpoint, Limits, Mechanism, Negotiate, Timeouts, Transport};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Rounds of each client.
const ROUNDS: usize = 200;

const USER: &str = "CONTOSO\\bench";
const PASSWORD: &str = "Bench-Passw0rd1";
const NAME: &str = "fe1.contoso.example";

/// A host, ended with its guard.
struct Host {
    program: PathBuf,
    folder: tempfile::TempDir,
    address: String,
    port: u16,
}

impl Host {
    fn up() -> Option<Self> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().join("shared/winhost");
        let folder = std::env::var_os("ORCHESTRATE_TEST_WINHOST").map_or_else(beside, PathBuf::from);
        let program = folder.join("winhost");
        if !program.is_file() {
            println!("skipped: there is no host at {}", program.display());
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // It runs as another user.
        let open = Command::new("chmod").args(["755"]).arg(folder.path()).status().unwrap();
        assert!(open.success());
        let id = std::process::id();
        let address = format!("127.{}.{}.77", 64 + id % 64, 1 + id / 64 % 250);
        let port = 15_985;
        let host = Self { program, folder, address, port };
        let account = format!("account=CONTOSO:bench:{PASSWORD}");
        let (at, http) = (format!("address={}", host.address), format!("http={port}"));
        let up = host.run(&["up"], &[&at, &http, "https=15986", &format!("name={NAME}"), &account]);
        up.then_some(host)
    }

    fn run(&self, before: &[&str], after: &[&str]) -> bool {
        let state = self.folder.path().join("host");
        let output = Command::new(&self.program).args(before).arg(state).args(after).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            println!("skipped: the host cannot be started: {said}");
        }
        output.status.success()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.run(&["down"], &[]);
    }
}

/// A client in Python that does a round for each line it reads.
struct Other {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(python: &str, client: &str, host: &Host) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/logon.py");
        let mut process = Command::new(python)
            .arg(script)
            .arg(client)
            .env("BENCH_HOST", &host.address)
            .env("BENCH_PORT", host.port.to_string())
            .env("BENCH_USER", USER)
            .env("BENCH_PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut other = Self { process, input, output };
        (other.line() == "ready").then_some(other)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn round(&mut self) -> Duration {
        self.input.write_all(b"go\n").unwrap();
        Duration::from_secs_f64(self.line().parse().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

async fn ours(host: &Host) -> Duration {
    let began = Instant::now();
    let endpoint = Endpoint::at(NAME, format!("{}:{}", host.address, host.port));
    let credentials = Credentials::new(USER, Zeroizing::new(PASSWORD.to_owned()));
    let auth = Auth::Negotiate(Negotiate::new(credentials, Mechanism::Ntlm));
    let client = Client::new(endpoint, &Transport::Http, &auth, Timeouts::default(), Limits::default()).unwrap();
    let system = client.get("Win32_OperatingSystem", &[]).await.unwrap();
    assert!(system.time("LastBootUpTime").is_some());
    began.elapsed()
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("| {name} | {:.1} ms | {:.1} ms | {} |", at(50), at(95), times.len());
}

fn main() {
    let Some(host) = Host::up() else { return };
    let python = std::env::var("LAB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut others: Vec<(&str, Other, Vec<Duration>)> = Vec::new();
    for client in ["pypsrp", "pywinrm"] {
        match Other::start(&python, client, &host) {
            Some(other) => others.push((client, other, Vec::new())),
            None => println!("without {client}: {python} does not have it"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut own = Vec::new();
    // By turns, so that what else the machine does meets all alike. The first round of each is not counted.
    for round in 0..=ROUNDS {
        let took = runtime.block_on(ours(&host));
        if round > 0 {
            own.push(took);
        }
        for (_, other, times) in &mut others {
            let took = other.round();
            if round > 0 {
                times.push(took);
            }
        }
    }
    println!("| connect, NTLM sealed over HTTP, one Get | median | p95 | n |\n|---|---|---|---|");
    print("orchestrate", own);
    for (name, _, times) in others {
        print(name, times);
    }
}
