//! The live view in a terminal that is resized, and holds that are answered with keys.
#![cfg(all(test, unix))]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use orchestrate_tests::cli::Sandbox;
use orchestrate_tests::terminal::Terminal;

/// A run on a lab in which two sessions on the first server never end.
fn endless(sandbox: &Sandbox, at_deadline: &str) -> String {
    let drain = format!("deadline: 5m, at_deadline: {at_deadline}");
    let changes = [("deadline: 30m, at_deadline: hold", drain.as_str()), ("soak: 2m", "soak: 1m")];
    sandbox.first_pool(&changes, &[("seed: 7", "servers: {fe1.first.example: {endless: {RTCSRV: 2}}}\nseed: 7")])
}

/// How the header of the live view begins.
const HEADER: &str = "LAB | first pool";

#[test]
fn p11_a_terminal_that_is_resized_loses_no_line_of_the_log_and_no_frame_is_torn_and_holds_are_answered_with_keys() {
    let sandbox = Sandbox::default();
    let plan = endless(&sandbox, "ask");
    let mut terminal = Terminal::start(&sandbox, &[&plan, "--lab", "--lab-speed", "40", "--yes"], (40, 200));
    terminal.wait_for("fe1 drain");
    let whole = |terminal: &mut Terminal| terminal.count(HEADER) == 1;
    for columns in [120, 80, 60, 40, 200, 40, 120, 60, 200, 80] {
        terminal.resize(columns);
        terminal.wait_until(&format!("one header at {columns} columns"), whole);
        terminal.wait_for("of 3 servers done");
    }
    terminal.wait_for("press a key; nothing is done before that");
    for columns in [40, 200, 60] {
        terminal.resize(columns);
        terminal.wait_until(&format!("one header at {columns} columns"), whole);
        terminal.wait_until("one question", |terminal| terminal.count("  fe1 is held") == 1);
    }
    terminal.press("q");
    terminal.wait_for("means nothing here; the keys are t e c r a x");
    terminal.press("c");
    terminal.wait_for("type how many sessions are left now (2)");
    terminal.press("3\r");
    terminal.wait_for("3 was typed, and 2 sessions are left; nothing was changed");
    terminal.press("\x1b");
    terminal.wait_for("nothing was decided");
    terminal.press("e");
    terminal.wait_for("how many minutes more?");
    terminal.press("2\r");
    terminal.wait_for("2m more for its sessions. Why?");
    terminal.press("one call is still on\r");
    drop(sandbox.wait_for_record("one call is still on"));
    // The time is over, and it is held again.
    terminal.wait_until("the second hold", |terminal| {
        terminal.words().contains("press a key") && terminal.words().contains("decided by ann@")
    });
    terminal.press("c");
    terminal.wait_for("type how many sessions are left now (2)");
    terminal.press("2\r\r");
    drop(sandbox.wait_for_record("sessions_cut"));
    terminal.wait_until("the cut", |terminal| terminal.all().join(" ").contains("2 sessions cut, as the plan allows"));
    assert_eq!(terminal.ended(), 0);
    assert_eq!(terminal.count(HEADER), 0, "the live view has gone");
    terminal.assert_whole_log();
}

#[test]
fn a_decision_from_another_terminal_ends_the_question() {
    let sandbox = Sandbox::default();
    let plan = endless(&sandbox, "hold");
    let mut terminal = Terminal::start(&sandbox, &[&plan, "--lab", "--lab-speed", "40", "--yes"], (40, 80));
    terminal.wait_for("press a key; nothing is done before that");
    assert!(!terminal.words().contains("c cut"), "p4: the plan says hold");
    terminal.press("r");
    terminal.wait_for("Why?");
    terminal.press("not y");
    terminal.wait_for("not y");
    let said = sandbox.run(&["decide", "last", "fe1", "return", "--why", "the night is over"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    terminal.wait_until_said("fe1 is decided about already: what was typed here changes nothing");
    terminal.wait_until_said("because: the night is over");
    terminal.ended();
    terminal.assert_whole_log();
}

#[test]
fn a_lab_says_that_it_is_one_where_it_asks_and_in_the_id_of_its_run() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let mut terminal = Terminal::start(&sandbox, &[&plan, "--lab", "--lab-speed", "40"], (40, 100));
    terminal.wait_for("LAB: run this plan? [y/N]");
    terminal.press("y\r");
    let run = sandbox.wait_for_record("run_started");
    assert!(run.ends_with("-lab"), "{run}");
    terminal.wait_for("likely done by");
    let status = sandbox.run(&["status", &run]);
    assert!(status.out.starts_with("LAB first pool"), "{}", status.out);
    terminal.press("\x03");
    terminal.wait_until_said("a second Ctrl-C ends it at once");
    assert_eq!(terminal.ended(), 130);
}

/// A tmux with a server of its own, which goes with the test. It breaks lines again that have become too long.
struct Tmux<'a> {
    sandbox: &'a Sandbox,
}

impl<'a> Tmux<'a> {
    /// Starts the binary with these arguments. `None`: there is no tmux here.
    fn start(sandbox: &'a Sandbox, arguments: &[&str]) -> Option<Self> {
        if let Err(error) = std::process::Command::new("tmux").arg("-V").output() {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "tmux is needed: {error}");
            println!("SKIPPED: tmux is not installed ({error})");
            return None;
        }
        let rules = sandbox.file("tmux.conf", "set -g remain-on-exit on\nset -g history-limit 20000\n");
        let tmux = Self { sandbox };
        let inside = sandbox.command(arguments);
        let mut command = tmux.command();
        command.arg("-f").arg(rules).args(["new-session", "-d", "-s", "run", "-x", "200", "-y", "40"]);
        command.arg(inside.get_program()).args(inside.get_args());
        for (name, value) in inside.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = inside.get_current_dir() {
            command.current_dir(folder);
        }
        assert!(command.status().is_ok_and(|status| status.success()), "tmux starts");
        Some(tmux)
    }

    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new("tmux");
        command.arg("-S").arg(self.sandbox.path().join("tmux")).env_remove("TMUX");
        command
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    /// Everything, with what has scrolled away; lines that the terminal has broken are whole.
    fn all(&self) -> String {
        self.said(&["capture-pane", "-p", "-J", "-S", "-", "-t", "run"])
    }

    fn count(&self, text: &str) -> usize {
        self.all().matches(text).count()
    }

    fn wait_until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let began = std::time::Instant::now();
        while !so(self) {
            assert!(began.elapsed().as_secs() < 240, "not so: {what}; the terminal shows:\n{}", self.all());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.said(&["kill-server"]);
    }
}

#[test]
fn p11_a_terminal_that_breaks_lines_again_has_one_whole_view_and_the_whole_log() {
    let sandbox = Sandbox::default();
    let plan = endless(&sandbox, "hold");
    let Some(tmux) = Tmux::start(&sandbox, &[&plan, "--lab", "--lab-speed", "40", "--yes"]) else { return };
    let mut widths = ["120", "40", "200", "60", "80", "40", "200"].into_iter().cycle();
    let mut resized = |times: usize| {
        for columns in widths.by_ref().take(times) {
            tmux.said(&["resize-window", "-t", "run", "-x", columns, "-y", "40"]);
            tmux.wait_until(&format!("one header at {columns} columns"), |tmux| tmux.count(HEADER) == 1);
        }
    };
    tmux.wait_until("the live view", |tmux| tmux.count(HEADER) == 1 && tmux.count("  fe1  drain: waits") == 1);
    resized(7);
    tmux.wait_until("the question", |tmux| tmux.count("  fe1 is held") == 1);
    resized(7);
    assert_eq!(tmux.count("  fe1 is held"), 1, "{}", tmux.all());
    tmux.said(&["send-keys", "-t", "run", "r"]);
    tmux.wait_until("the reason is asked for", |tmux| tmux.count("Why?") == 1);
    tmux.said(&["send-keys", "-t", "run", "Enter"]);
    tmux.wait_until("the end", |tmux| tmux.count("journal verified") == 1);
    let all = tmux.all();
    for said in
        ["begins (1", "guard: ", "record: ", "block: ", "drain: waits", "HELD in drain", "decided by", "return: "]
    {
        assert_eq!(all.matches(&format!("  fe1  {said}")).count(), 1, "{said}:\n{all}");
    }
    assert_eq!(tmux.count(HEADER), 0, "the live view has gone:\n{all}");
}
