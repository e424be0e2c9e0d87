//! Files and folders that others have laid in the way, and state files that are not what was written: pipes, links and
//! modes, which only Unix has.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]
#![cfg(all(test, unix))]

use orchestrate_tests::cli::{Said, Sandbox, binary};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SPEED: &str = "40";

/// The record that the drain of the first server has begun.
const DRAINING: &str = r#""kind":"step_started","step":4"#;

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.push(path);
    }
    found
}

/// Runs a dry run, which must not hang.
fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32, words: &str) {
    let said: Said = Command::new("timeout")
        .arg("60")
        .arg(binary())
        .args(arguments)
        .env("ORCHESTRATE_STATE_DIR", sandbox.state())
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
    assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
}

#[test]
fn a_lab_scenario_of_servers_and_pools_that_the_plan_does_not_have_is_refused() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    for (scenario, words) in [
        ("servers: {fe9.first.example: {}}", "the plan has no server fe9.first.example"),
        (
            "faults: [{server: fe1.frist.example, operation: any, effect: quota}]",
            "the plan has no server fe1.frist.example",
        ),
        (
            "installer: {leaves_out: {fe9.first.example: [Front End Server]}}",
            "the plan has no server fe9.first.example",
        ),
        ("readiness: {pool.frist.example: Busy}", "the plan has no pool pool.frist.example"),
    ] {
        let file = sandbox.file("odd.lab.yaml", scenario).display().to_string();
        refused(&sandbox, &[&plan, "--lab", "--lab-scenario", &file, "--dry-run"], 65, words);
    }
}

#[test]
fn a_pipe_or_a_device_in_the_place_of_a_file_is_refused_at_once() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let fifo = sandbox.path().join("pipe");
    pipe(&fifo);
    let fifo = fifo.display().to_string();
    for odd in [fifo.as_str(), "/dev/zero"] {
        let words = if odd == fifo { "a named pipe" } else { "a device" };
        refused(&sandbox, &[&plan, "--lab-at", odd, "--dry-run"], 69, words);
        refused(&sandbox, &[&plan, "--lab", "--lab-scenario", odd, "--dry-run"], 65, words);
        // The access that the plan has gives way to that of this case.
        let text: String = std::fs::read_to_string(&plan)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("    access:") && !line.starts_with("      winrm:"))
            .map(|line| format!("{line}\n"))
            .collect();
        let access = format!("access: {{winrm: {{transport: https, auth: basic, credentials: {{file: {odd}}}}}}}");
        let with =
            sandbox.file("access.yaml", &text.replacen("    servers:", &format!("    {access}\n    servers:"), 1));
        refused(&sandbox, &[&with.display().to_string(), "--dry-run"], 69, words);
        let access = access.replace("credentials", &format!("ca: {odd}, credentials"));
        let with = sandbox.file("ca.yaml", &text.replacen("    servers:", &format!("    {access}\n    servers:"), 1));
        refused(&sandbox, &[&with.display().to_string(), "--dry-run"], 69, words);
    }
}

#[test]
fn what_a_run_writes_is_its_owners_alone_whatever_the_umask_and_a_folder_open_to_others_is_refused() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let script = format!("umask 000; exec {} {plan} --lab --lab-speed {SPEED} --yes", binary().display());
    let command = Command::new("sh").args(["-c", &script]).env("ORCHESTRATE_STATE_DIR", sandbox.state()).output();
    let said: Said = command.unwrap().into();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    for path in everything_in(&sandbox.state()) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
    let runs = sandbox.state().join("labs").join("runs");
    std::fs::set_permissions(&runs, std::fs::Permissions::from_mode(0o777)).unwrap();
    let open = sandbox.run(&["status"]);
    assert_ne!(open.code, Some(0), "{}", open.out);
    assert!(
        open.err.contains("can be written by others (mode 777)") && open.err.contains("chmod -R go-rwx"),
        "{}",
        open.err
    );
    std::fs::set_permissions(&runs, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Every file of the run, the claims, and the name of the folder: one rule.
    let labs = sandbox.state().join("labs");
    let ours =
        |path: &PathBuf| path.starts_with(&runs) || path.starts_with(labs.join("claims")) || path.ends_with("identity");
    let files: Vec<PathBuf> = everything_in(&labs).into_iter().filter(|path| path.is_file() && ours(path)).collect();
    assert!(files.len() >= 8, "{files:?}");
    for path in files {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let said = sandbox.run(&["status", "last"]);
        let told =
            said.err.contains("can be written by others (mode 666)") && said.err.contains(&path.display().to_string());
        assert!(said.code != Some(0) && told, "{}: {:?}\n{}\n{}", path.display(), said.code, said.out, said.err);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(sandbox.run(&["status", "last"]).code, Some(0));
    // Whoever can rename the folder can put another one in its place.
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    for order in [&["status"][..], &["recover", "last"], &[plan.as_str(), "--lab", "--yes"]] {
        let said = sandbox.run(order);
        let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_ne!(said.code, Some(0), "{order:?}: {}", said.out);
        assert!(
            told.contains("who can put another folder in the place of ours") && told.contains("chmod go-w"),
            "{told}"
        );
    }
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(sandbox.run(&["status", "last"]).code, Some(0), "in a folder with the sticky bit nobody else can");
}

#[test]
fn an_inbox_full_of_traps_neither_holds_up_a_run_nor_gives_it_orders() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    let id = sandbox.wait_for_record(DRAINING);
    let inbox = sandbox.runs()[0].join("inbox");
    let secret = sandbox.file("secret", "not a command");
    pipe(&inbox.join("0.json"));
    symlink(&secret, inbox.join("1.json")).unwrap();
    std::fs::create_dir(inbox.join("2.json")).unwrap();
    std::fs::File::create(inbox.join("3.json")).unwrap().set_len(3_000_000_000).unwrap();
    std::fs::write(inbox.join("4.json"), r#"{"Stop": {"by": "x", "now": 1}}"#).unwrap();
    std::fs::write(inbox.join("stop"), "now").unwrap();
    for trap in ["0.json", "1.json", "2.json", "3.json", "4.json", "stop"] {
        let told = format!("{trap} in the inbox of the run is no order, and was passed over");
        assert_eq!(sandbox.wait_for_record(&told), id);
    }
    let stop = sandbox.run(&["stop", &id]);
    assert_eq!(stop.code, Some(0), "{}", stop.err);
    let said = run.ended();
    let told = said.out.matches("in the inbox of the run is no order").count();
    assert!(told <= 6, "each is told once: {}", said.out);
    assert_eq!(said.code, Some(130), "the order behind the traps was obeyed: {}\n{}", said.out, said.err);
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "not a command");
}

#[test]
fn p8_a_state_file_that_is_not_what_was_written_ends_with_70() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    let id = sandbox.wait_for_record(DRAINING);
    assert!(run.killed().was_killed());
    let folder = sandbox.runs()[0].clone();
    let claims = sandbox.state().join("labs").join("claims");
    let claim =
        everything_in(&claims).into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let files = [folder.join("journal.jsonl"), folder.join("plan.json"), claim];
    for file in &files {
        let kept = file.with_extension("kept");
        for how in ["a folder", "a pipe", "nonsense", "a link"] {
            std::fs::rename(file, &kept).unwrap();
            match how {
                "a folder" => std::fs::create_dir(file).unwrap(),
                "a pipe" => pipe(file),
                "nonsense" => std::fs::write(file, "{").unwrap(),
                _ => symlink(&kept, file).unwrap(),
            }
            let said = sandbox.run(&["recover", &id]);
            // A torn last line of a journal is cut off, as after a loss of power.
            let torn = how == "nonsense" && file == &files[0];
            assert!(torn || said.code == Some(70), "{} is {how}: {:?}\n{}", file.display(), said.code, said.err);
            if file.is_dir() {
                std::fs::remove_dir(file).unwrap();
            } else {
                std::fs::remove_file(file).unwrap();
            }
            std::fs::rename(&kept, file).unwrap();
            if torn {
                break;
            }
        }
    }
    std::fs::rename(folder.join("plan.json"), folder.join("plan.kept")).unwrap();
    let gone = sandbox.run(&["recover", &id]);
    assert_eq!(gone.code, Some(70), "{}", gone.err);
    std::fs::rename(folder.join("plan.kept"), folder.join("plan.json")).unwrap();
    let said = sandbox.run(&["recover", &id]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
}
