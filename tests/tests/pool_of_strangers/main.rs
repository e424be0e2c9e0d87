//! The whole program on a pool that others made: hosts in a domain, a name server and a balancer, none of them ours.
#![cfg(all(test, unix))]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so, and what was measured is printed")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_tests::cli::{Said, Sandbox};
use pool::{Host, People, Pool};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[path = "../../../crates/wsman/tests/strangers/domain.rs"]
#[expect(dead_code, reason = "shared with the tests of the client, which use more of it")]
mod domain;
mod pool;

/// How long the whole run may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// A run in the background, with its output in files.
struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let (out, err) = (sandbox.path().join("out.txt"), sandbox.path().join("err.txt"));
        let file = |path| std::fs::File::create(path).unwrap();
        let mut command = sandbox.command(arguments);
        let child = command.stdout(file(&out)).stderr(file(&err)).stdin(Stdio::null()).spawn().unwrap();
        Self { child, out, err }
    }

    fn said(&self) -> Said {
        let read = |path| std::fs::read_to_string(path).unwrap();
        Said { code: None, out: read(&self.out), err: read(&self.err) }
    }

    /// Lives with the pool until `done`, or until the run has ended.
    fn live(&mut self, pool: &Pool, mut done: impl FnMut() -> bool) -> Option<Said> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Said { code: status.code(), ..self.said() });
            }
            if done() {
                return None;
            }
            pool.hosts.iter().for_each(live);
            assert!(began.elapsed() < PATIENCE, "the run does not end: {:?}", self.said());
            // There is no wait for files and a process with a limit.
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

/// The people of a host: the last of them goes a while after the host takes nobody new, and they come again when it does.
fn live(host: &Host) {
    let (front, conferences) = (host.service("RTCSRV").state, host.service("RTCASMCU").state);
    let here = host.crowd() != 0;
    let is_stopped = matches!(front.as_str(), "Stopped" | "Stop Pending");
    assert!(!(is_stopped && here), "{} was stopped while people were on it", host.name);
    match (front.as_str(), conferences.as_str(), here) {
        ("Paused", "Paused", true) => host.people(People::Go),
        ("Running", "Running", false) => host.people(People::Come),
        _ => {}
    }
}

fn credentials(sandbox: &Sandbox) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = sandbox.file("maintenance", "CONTOSO\\svc-orch\r\nOrch-Passw0rd1!\r\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
#[ignore = "takes six minutes of a quiet machine: just strangers"]
fn p5_p6_a_whole_run_on_a_pool_of_strangers_leaves_it_as_it_was_killed_and_resumed_in_between() {
    let sandbox = Sandbox::default();
    let Some(pool) = Pool::up(sandbox.path()) else { return };
    let file = credentials(&sandbox);
    let kerberos = format!("transport: https, auth: kerberos, realm: contoso.example, kdc: \"{}\"", pool.kdc);
    let [sealed, bound] = [
        format!("transport: http, auth: ntlm, credentials: {{file: {file}}}"),
        format!("{kerberos}, credentials: {{file: {file}}}"),
    ];
    let plan = sandbox.file("plan.yaml", &pool.plan(&sealed)).display().to_string();
    pool.hosts.iter().for_each(|host| host.people(People::Come));
    let before: Vec<_> = pool.hosts.iter().map(Host::services).collect();
    let balancer = pool.balancer_states();
    let began = Instant::now();

    // By NTLM over sealed HTTP, until the first server has gone down for its restart.
    let mut first = Running::start(&sandbox, &[&plan, "--yes", "--unattended"]);
    let asked = |host: &Host| host.journal().iter().any(|line| line.contains("shutdown.exe"));
    let ended = first.live(&pool, || pool.hosts.iter().any(asked));
    assert!(ended.is_none(), "{ended:?}");
    first.child.kill().unwrap();
    drop(first);
    println!("killed after {:?}", began.elapsed());

    // On by Kerberos over TLS: how servers are reached is not what is done to them.
    let _plan = sandbox.file("plan.yaml", &pool.plan(&bound));
    let mut second = Running::start(&sandbox, &[&plan, "--yes", "--unattended"]);
    let said = second.live(&pool, || false).unwrap();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.err.contains("reached in another way than when the run began"), "{}", said.err);

    for (host, before) in pool.hosts.iter().zip(&before) {
        assert_eq!(&host.services(), before, "{}", host.name);
        let restarts = host.journal().iter().filter(|line| line.contains("shutdown.exe /r")).count();
        assert_eq!(restarts, 1, "{}: {:#?}", host.name, host.journal());
        println!("{}: {} processes started", host.name, host.started());
    }
    assert_eq!(pool.balancer_states(), balancer);
    println!("{:?} in all\n{}", began.elapsed(), said.out);
}
