//! Hosts of a lab, each asked once a minute by one process for the services that it serves with: what the watch over a pool
//! asks. Prints processor time, memory and polls that were missed. The lab is a process of its own.
//!
//! ```text
//! cargo bench -p orchestrate-driver-winrm --bench many_hosts -- 5000 5
//! ```
//!
//! The arguments are the number of hosts and of minutes. A host needs three open files: `ulimit -n` says how many there are.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails like a test, and prints")]

use orchestrate_driver::limits::SERVERS_AT_ONCE;
use orchestrate_driver::{Clock, Observe as _};
use orchestrate_driver_winrm::{Auth, Credentials, Transport, Trust, WinrmLimits, WinrmReader, WinrmTarget};
use orchestrate_lab::{Lab, LabConfig, LabDirectory, Scenario};
use orchestrate_model::pool::Cmdlets;
use orchestrate_model::{Ask, Change, Keeper, ServiceName, catalogue};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

const EVERY: Duration = Duration::from_secs(60);
/// Where the lab's process writes how it is reached.
const LAB: &str = "ORCHESTRATE_BENCH_LAB";
/// Ticks of a processor in a second, as Linux counts them.
const TICKS: u32 = 100;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let (hosts, minutes) = (numbers.next().unwrap_or(5_000), numbers.next().unwrap_or(3));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::var_os(LAB) {
        Some(file) => runtime.block_on(lab(hosts, Path::new(&file))),
        None => runtime.block_on(poll(hosts, minutes)),
    }
}

/// Pools of five front ends, as many as it takes.
fn change(hosts: usize) -> Change {
    let mut text = String::from("version: 1\nname: many hosts\nreason: load\npools:\n");
    for pool in 0..hosts.div_ceil(5) {
        let (high, low) = (pool / 250, pool % 250);
        write!(
            text,
            "  pool{pool}.contoso.example:\n    product: sfb2019\n    role: front-end\n    load_balancing: {{sip: dns, web: \
             web{pool}.contoso.example, balancer: operator}}\n    servers:\n"
        )
        .unwrap();
        for server in 1..=5 {
            writeln!(
                text,
                "      fe{server}.pool{pool}.contoso.example: {{address: 10.{high}.{low}.{server}, upgrade_domain: UD{server}}}"
            )
            .unwrap();
        }
    }
    text.push_str(
        "maintenance:\n  scope: all-services\n  at_once: 1\n  drain: {deadline: 2h, at_deadline: hold}\n  restart: always\n  \
         soak: 1m\n",
    );
    orchestrate_config::parse("hosts.yaml", text.as_bytes()).ok().unwrap().change
}

async fn lab(hosts: usize, file: &Path) {
    let mut scenario = Scenario::default();
    scenario.load.factor = 0.0;
    let lab = Lab::start(LabConfig { scenario, ..LabConfig::new(change(hosts)) }).await.unwrap();
    let written = file.with_extension("new");
    std::fs::write(&written, serde_json::to_vec(lab.directory()).unwrap()).unwrap();
    std::fs::rename(written, file).unwrap();
    drop(lab.run_until_left_alone(5 * EVERY).await);
}

/// The lab's process, ended with its guard.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn started(hosts: usize, folder: &Path) -> (Beside, LabDirectory) {
    let file: PathBuf = folder.join("lab.json");
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own).arg(hosts.to_string()).env(LAB, &file).spawn().unwrap();
    loop {
        if let Ok(text) = std::fs::read(&file) {
            return (Beside(child), serde_json::from_slice(&text).unwrap());
        }
        assert!(child.try_wait().unwrap().is_none(), "the lab has ended; too few open files?");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn readers(change: &Change, directory: &LabDirectory) -> Vec<(WinrmReader, Ask)> {
    let trust = Trust::Authority(Arc::from(directory.ca_pem.as_bytes()));
    let mut readers = Vec::new();
    for pool in &change.pools {
        let services: Vec<ServiceName> =
            catalogue::expected(pool.product, pool.role).filter_map(catalogue::ServiceFacts::service_name).collect();
        for server in &pool.servers {
            let credentials = Credentials::new(directory.user.clone(), Zeroizing::new(directory.password.clone()));
            let target = WinrmTarget {
                connect_to: Some(directory.servers[&server.name].to_string()),
                names: None,
                server: server.name.clone(),
                pool: pool.name.clone(),
                product: pool.product,
                role: pool.role,
                transport: Transport::Https(trust.clone()),
                auth: Auth::Basic(credentials),
                cmdlets: Cmdlets::Session,
                measures: pool.measures.clone(),
                keeper: Keeper { id: "bench".to_owned(), user: "bench".to_owned(), host: "bench".to_owned() },
                limits: WinrmLimits::default(),
            };
            let reader = WinrmReader::new(target, Clock::real()).unwrap();
            readers.push((reader, Ask { services: services.clone(), ..Ask::default() }));
        }
    }
    readers
}

/// What one poll came to.
struct Poll {
    took: Duration,
    answered: bool,
}

async fn poll(hosts: usize, minutes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let (beside, directory) = started(hosts, folder.path()).await;
    println!("a lab of {} hosts after {:.0} s", directory.servers.len(), began.elapsed().as_secs_f64());
    let readers = readers(&change(hosts), &directory);
    let count = u32::try_from(readers.len()).unwrap();
    let seats = Arc::new(Semaphore::new(SERVERS_AT_ONCE));
    let (first, (cpu, wall)) = (tokio::time::Instant::now(), (ticks("self"), Instant::now()));
    let tasks: Vec<_> = (0u32..)
        .zip(readers)
        .map(|(number, (reader, ask))| {
            let seats = seats.clone();
            tokio::spawn(async move {
                let mut polls = Vec::new();
                for minute in 0..u32::try_from(minutes).unwrap() {
                    // Spread over the minute.
                    let due = first + EVERY * minute + EVERY * number / count;
                    tokio::time::sleep_until(due).await;
                    let _seat = seats.acquire().await.unwrap();
                    let seen = reader.observe(&ask).await;
                    polls.push(Poll { took: due.elapsed(), answered: seen.services.known().is_some() });
                }
                polls
            })
        })
        .collect();
    let mut polls = Vec::new();
    for task in tasks {
        polls.extend(task.await.unwrap());
    }
    let used = f64::from(ticks("self") - cpu) / f64::from(TICKS);
    report(&polls, (used, wall.elapsed().as_secs_f64()));
    let lab = beside.0.id().to_string();
    println!("| the lab beside it | {:.0} s, {} MiB |", f64::from(ticks(&lab)) / f64::from(TICKS), memory(&lab));
}

fn report(polls: &[Poll], (used, wall): (f64, f64)) {
    let mut took: Vec<Duration> = polls.iter().filter(|poll| poll.answered).map(|poll| poll.took).collect();
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1e3);
    let late = took.iter().filter(|took| **took >= EVERY).count();
    println!("| polls | {} |\n| not answered | {} |", polls.len(), polls.len() - took.len());
    println!("| answered when the next was due | {late} |");
    println!("| from due to answered, median and p99 | {:.0} ms, {:.0} ms |", at(50), at(99));
    println!("| processor time | {used:.0} s in {wall:.0} s |");
    println!("| most resident memory | {} MiB |", memory("self"));
}

/// Returns the processor time that a process has used.
fn ticks(process: &str) -> u32 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|field| field.parse::<u32>().ok()).sum()
}

/// Returns the most memory that a process has had, in MiB.
fn memory(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}
