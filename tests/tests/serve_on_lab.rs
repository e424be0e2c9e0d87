//! A served folder of plans on labs: what is begun, what is not, and what outlives whom.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_tests::cli::{Background, Said, Sandbox, kill};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A speed at which evidence of half a real second is fresh, also where many tests share two processors.
const SPEED: &str = "30";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A folder of plans with the state folder of a sandbox.
struct Folder {
    sandbox: Sandbox,
    plans: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let sandbox = Sandbox::default();
        let plans = sandbox.path().join("plans");
        std::fs::create_dir(&plans).unwrap();
        Self { sandbox, plans }
    }

    /// Writes the plan of the first example for a pool of its own, changed as asked.
    fn plan(&self, pool: &str, changes: &[(&str, &str)]) -> PathBuf {
        let example = |name: &str| {
            std::fs::read_to_string(orchestrate_tests::cli::repository().join("examples").join(name)).unwrap()
        };
        let own = |text: String| text.replace("first.example", &format!("{pool}.example"));
        let text = changes.iter().fold(own(example("first-pool.yaml")), |text, (from, to)| {
            assert!(text.contains(from), "the example has no {from}");
            text.replace(from, to)
        });
        let path = self.plans.join(format!("{pool}.yaml"));
        std::fs::write(&path, text).unwrap();
        std::fs::write(self.plans.join(format!("{pool}.lab.yaml")), own(example("first-pool.lab.yaml"))).unwrap();
        path
    }

    fn approve(&self, plan: &Path) {
        let said = self.sandbox.run(&["approve", plan.to_str().unwrap(), "--lab", "--out"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }

    fn serve(&self, more: &[&str]) -> Background {
        let folder = self.plans.to_str().unwrap();
        self.sandbox.start(&[&["serve", folder, "--lab", "--lab-speed", SPEED], more].concat())
    }

    fn status(&self) -> serde_json::Value {
        let said = self.sandbox.run(&["serve", self.plans.to_str().unwrap(), "--lab", "--status", "-o", "json"]);
        serde_json::from_str(&said.out).unwrap_or_default()
    }

    /// Returns a plan as it is listed.
    fn listed(&self, name: &str) -> serde_json::Value {
        let status = self.status();
        let plans = status["plans"].as_array().cloned().unwrap_or_default();
        plans.into_iter().find(|plan| plan["plan"] == name).unwrap_or_default()
    }

    /// Waits until a plan is in a state, and returns how it is listed.
    fn wait_for(&self, name: &str, state: &str) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let plan = self.listed(name);
            if plan["state"] == state {
                return plan;
            }
            assert!(began.elapsed() < PATIENCE, "{name} is not {state}: {plan}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Ends what serves and returns what it said.
fn ended(served: Background) -> Said {
    served.signal("KILL");
    served.ended()
}

/// How often a plan is told with these words.
fn told(said: &Said, plan: &str, words: &str) -> usize {
    said.out.lines().filter(|line| line.contains(&format!("  {plan}  ")) && line.contains(words)).count()
}

/// Drains for hours.
const SLOW: [(&str, &str); 1] = [("deadline: 30m, ", "deadline: 10h, ")];

#[test]
fn p6_p12_an_approved_plan_runs_outlives_who_serves_and_is_known_to_the_next_one() {
    let folder = Folder::new();
    let plan = folder.plan("first", &[]);
    let other = folder.plan("second", &[]);
    std::fs::write(folder.plans.join("broken.yaml"), std::fs::read_to_string(&plan).unwrap().replace("soak", "sok"))
        .unwrap();
    folder.approve(&plan);
    let served = folder.serve(&[]);
    folder.wait_for("first.yaml", "at_work");
    let run = folder.sandbox.wait_for_record("start_installer");
    let second = folder.sandbox.run(&["serve", folder.plans.to_str().unwrap(), "--lab"]);
    assert_eq!(second.code, Some(7), "P12: one process serves a folder: {}", second.err);
    let first = ended(served);
    assert_eq!(told(&first, "first.yaml", "is begun as approved by ann@"), 1, "{}", first.out);
    assert_eq!(told(&first, "broken.yaml", "has 1 mistake"), 1, "each mistake is told once: {}", first.out);
    assert_eq!(told(&first, "second.yaml", "waits for approval"), 1, "{}", first.out);
    assert!(!folder.status()["serving"].as_bool().unwrap_or(true), "nobody serves it");
    let served = folder.serve(&[]);
    let done = folder.wait_for("first.yaml", "done");
    assert_eq!(done["run"], run.as_str());
    let said = ended(served);
    assert_eq!(told(&said, "first.yaml", "is begun"), 0, "it went on by itself: {}", said.out);
    let status = folder.sandbox.run(&["status"]);
    assert_eq!(status.out.lines().count(), 1, "one run, begun once: {}", status.out);
    assert!(!folder.sandbox.run(&["report", &run]).out.is_empty());
    assert!(other.exists());
}

#[test]
fn p6_a_run_that_was_ended_by_force_is_gone_on_with() {
    let folder = Folder::new();
    let plan = folder.plan("first", &[]);
    folder.approve(&plan);
    let served = folder.serve(&[]);
    let run = folder.sandbox.wait_for_record("start_installer");
    let claims = folder.sandbox.state().join("labs").join("claims");
    let holder = std::fs::read_to_string(claims.join("pool.first.example.json")).unwrap();
    let holder: serde_json::Value = serde_json::from_str(&holder).unwrap();
    kill(&holder["holder"]["process"].to_string());
    let again = folder.wait_for("first.yaml", "begun_again");
    assert!(again["text"].as_str().unwrap().contains("signal"), "{again}");
    let done = folder.wait_for("first.yaml", "done");
    assert_eq!(done["run"], run.as_str(), "the same run: {done}");
    let said = ended(served);
    assert_eq!(told(&said, "first.yaml", &format!("goes on with run {run}")), 1, "{}", said.out);
    let report: serde_json::Value = serde_json::from_str(&folder.sandbox.run(&["report", &run]).out).unwrap();
    assert_eq!(report["outcome"], "done");
}

#[test]
fn a_plan_that_is_changed_in_mid_run_is_held_with_what_differs_and_one_that_is_gone_is_told() {
    let folder = Folder::new();
    let plan = folder.plan("first", &SLOW);
    folder.approve(&plan);
    let served = folder.serve(&[]);
    let run = folder.sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("soak: 2m", "soak: 3m")).unwrap();
    assert_eq!(folder.listed("first.yaml")["state"], "at_work", "the run goes on as it was begun");
    let claims = folder.sandbox.state().join("labs").join("claims");
    let holder = std::fs::read_to_string(claims.join("pool.first.example.json")).unwrap();
    let holder: serde_json::Value = serde_json::from_str(&holder).unwrap();
    kill(&holder["holder"]["process"].to_string());
    let held = folder.wait_for("first.yaml", "changed");
    let words = held["text"].as_str().unwrap();
    assert!(words.contains("(soak): was 2m, is 3m") && words.contains(&format!("resume {run}")), "{words}");
    std::fs::remove_file(&plan).unwrap();
    let gone = folder.wait_for("first.yaml", "gone");
    assert_eq!(gone["run"], run.as_str(), "{gone}");
    let said = ended(served);
    assert_eq!(told(&said, "first.yaml", "is begun"), 1, "{}", said.out);
}

#[test]
fn a_file_that_is_being_written_is_not_read_and_two_hundred_plans_are_told_once_each() {
    let folder = Folder::new();
    let good = std::fs::read_to_string(folder.plan("first", &[])).unwrap();
    for number in 0..199 {
        let text = good.replace("first.example", &format!("p{number}.example"));
        let text = if number % 10 == 0 { text.replace("soak", "sok") } else { text };
        std::fs::write(folder.plans.join(format!("p{number}.yaml")), text).unwrap();
    }
    let half = folder.plans.join("half.yaml");
    std::fs::write(&half, &good[..20]).unwrap();
    let served = folder.serve(&[]);
    // It grows as long as the others are read.
    let began = Instant::now();
    for length in 21.. {
        std::fs::write(&half, &good[..length.min(good.len() / 2)]).unwrap();
        assert_ne!(folder.listed("half.yaml")["state"], "broken", "it was read while it was written");
        if folder.listed("p198.yaml")["state"] == "waits_for_approval" {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the others are not read");
    }
    std::fs::write(&half, good.replace("first.example", "half.example")).unwrap();
    folder.wait_for("half.yaml", "waits_for_approval");
    let said = ended(served);
    for number in 0..199 {
        let words = if number % 10 == 0 { "has 1 mistake" } else { "waits for approval" };
        assert_eq!(told(&said, &format!("p{number}.yaml"), words), 1, "{number}: {}", said.out);
    }
    assert_eq!(told(&said, "half.yaml", ""), 1, "{}", said.out);
    assert!(folder.sandbox.runs().is_empty(), "nothing was approved");
}

/// Asks over HTTP, and returns the status with the body.
fn asked(address: &str, method: &str, path: &str, (token, body): (&str, &str)) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let auth = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{auth}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn p10_orders_over_http_need_the_token_and_what_is_read_is_what_status_says() {
    let folder = Folder::new();
    let plan = folder.plan("first", &SLOW);
    folder.approve(&plan);
    let secret = "0123456789abcdef0123456789abcdef";
    let token = folder.sandbox.path().join("token");
    orchestrate_files::replace(&token, secret.as_bytes()).unwrap();
    let mut served = folder.serve(&["--listen", "127.0.0.1:0", "--token-file", token.to_str().unwrap()]);
    served.wait_for_output("answers HTTP at http://127.0.0.1:");
    let port = served.rest_of_line();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let address = format!("127.0.0.1:{port}");
    let run = folder.sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    folder.wait_for("first.yaml", "at_work");
    assert_eq!(asked(&address, "GET", "/health", ("", "")).0, 200);
    let (code, plans) = asked(&address, "GET", "/v1/plans", ("", ""));
    let plans: serde_json::Value = serde_json::from_str(&plans).unwrap();
    assert_eq!((code, &plans["plans"][0]["state"]), (200, &serde_json::json!("at_work")));
    let (code, one) = asked(&address, "GET", &format!("/v1/runs/{run}"), ("", ""));
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    let said: serde_json::Value =
        serde_json::from_str(&folder.sandbox.run(&["status", &run, "-o", "json"]).out).unwrap();
    assert_eq!((code, &one["run"], &one["out"]), (200, &said["run"], &said["out"]));
    let (code, measures) = asked(&address, "GET", "/metrics", ("", ""));
    assert_eq!(code, 200);
    assert!(measures.contains("orchestrate_plans{state=\"at_work\"} 1"), "{measures}");
    assert!(measures.contains("orchestrate_starts_total 1"), "{measures}");
    let stop = format!("/v1/runs/{run}/stop");
    assert_eq!(asked(&address, "POST", &stop, ("", "")).0, 401);
    assert_eq!(asked(&address, "POST", &stop, ("0123456789abcdef0123456789abcdee", "")).0, 401);
    let decide = format!("/v1/runs/{run}/decide");
    let order = r#"{"server": "fe1", "choice": "retry"}"#;
    let (code, why) = asked(&address, "POST", &decide, (secret, order));
    assert_eq!(code, 409, "it is not held: {why}");
    assert_eq!(asked(&address, "POST", "/v1/runs/none/stop", (secret, "")).0, 404);
    assert_eq!(asked(&address, "POST", &stop, (secret, "")).0, 200);
    folder.wait_for("first.yaml", "needs_a_person");
    drop(ended(served));
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_begun() {
    let folder = Folder::new();
    let plans = folder.plans.to_str().unwrap();
    let token = folder.sandbox.file("token", "short");
    for (arguments, code) in [
        (&["serve", "no-such-folder"][..], 64),
        (&["serve", plans, "--listen", "0.0.0.0:0"], 64),
        (&["serve", plans, "--listen", "127.0.0.1:0", "--token-file", token.to_str().unwrap()], 64),
        (&["serve", plans, "--token-file", token.to_str().unwrap()], 64),
        (&["serve", plans, "--at-once", "0"], 64),
        (&["serve", plans, "-o", "json"], 64),
    ] {
        let said = folder.sandbox.run(arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn a_detached_run_goes_on_without_its_start_and_answers_from_any_terminal() {
    let folder = Folder::new();
    let plan = folder.plan("first", &SLOW);
    let said = folder.sandbox.run(&[plan.to_str().unwrap(), "--lab", "--lab-speed", SPEED, "--yes", "--detach"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let run = folder.sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    for words in [&format!("run {run} goes on by itself"), &format!("watch {run}"), "detached"] {
        assert!(said.out.contains(words), "{words} is missing: {}", said.out);
    }
    assert_eq!(folder.sandbox.run(&["hold", &run, "fe1"]).code, Some(0));
    assert_eq!(folder.sandbox.wait_for_record(r#""kind":"held""#), run);
    assert_eq!(folder.sandbox.run(&["decide", &run, "fe1", "return"]).code, Some(0));
    assert_eq!(folder.sandbox.wait_for_record(r#""kind":"run_ended""#), run);
    let refused = folder.sandbox.run(&[plan.to_str().unwrap(), "--lab", "--detach"]);
    assert_eq!(refused.code, Some(6), "nobody has said yes: {}", refused.err);
}
