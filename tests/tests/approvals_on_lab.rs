//! Signed approvals, from the text that is written to the record of the run, on a lab, with keys of the real `ssh-keygen`.
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_tests::cli::{Said, Sandbox};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const DEMAND: &str = "approvals: {required: 2, from: allowed_signers, expires: 24h}\n";

/// Returns whether there is an `ssh-keygen`; without one it says so, and fails where everything has to be there.
fn is_there() -> bool {
    let there = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output().is_ok();
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "ssh-keygen is missing (Debian: openssh-client)");
        eprintln!("skipped: ssh-keygen is missing (Debian: openssh-client)");
    }
    there
}

struct Desk {
    sandbox: Sandbox,
    plan: String,
}

impl Desk {
    /// A plan that two of ann, bob and carol have to approve.
    fn new() -> Self {
        let sandbox = Sandbox::default();
        let plan = sandbox.first_pool(&[], &[]);
        let desk = Self { sandbox, plan };
        desk.change(&[]);
        let mut signers = String::new();
        for (name, kind) in [("ann", "ed25519"), ("bob", "ecdsa"), ("carol", "rsa")] {
            signers += &[name, " ", &desk.key(name, kind)].concat();
        }
        signers += &["ann ", &desk.key("ann-2", "ed25519")].concat();
        desk.key("eve", "ed25519");
        std::fs::write(desk.path("allowed_signers"), signers).unwrap();
        desk
    }

    /// Writes the plan with other texts in the place of its own.
    fn change(&self, changes: &[(&str, &str)]) {
        let example = orchestrate_tests::cli::repository().join("examples/first-pool.yaml");
        let text = std::fs::read_to_string(example).unwrap() + DEMAND;
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        std::fs::write(&self.plan, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    fn key(&self, name: &str, kind: &str) -> String {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-t", kind, "-f"]).arg(self.path(name));
        assert!(command.status().unwrap().success());
        std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    /// Has the text of a person written, and signed with a key.
    fn approve(&self, who: &str, key: &str, namespace: &str) {
        let said = self.sandbox.run(&["approve", &self.plan, "--lab", "--out", "--as", who, "--role", "owner"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("ssh-keygen -Y sign -n orchestrate-approval"), "{}", said.err);
        self.sign(who, key, namespace);
    }

    fn text(&self, who: &str) -> PathBuf {
        PathBuf::from(format!("{}.{who}.approval", self.plan))
    }

    fn sign(&self, who: &str, key: &str, namespace: &str) {
        let signature = PathBuf::from(format!("{}.sig", self.text(who).display()));
        std::fs::remove_file(&signature).unwrap_or_default();
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.path(key)).arg(self.text(who));
        assert!(command.stdin(Stdio::null()).status().unwrap().success());
        assert!(signature.exists());
    }

    fn start(&self) -> Said {
        let speed = orchestrate_tests::cli::lab_speed("60");
        self.sandbox.run(&[&self.plan, "--lab", "--lab-speed", &speed, "--unattended", "--now"])
    }

    fn refused(&self, code: i32, words: &[&str]) {
        let said = self.start();
        assert_eq!(said.code, Some(code), "{}", said.err);
        for word in words {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
        assert!(self.sandbox.runs().is_empty(), "nothing was begun");
    }
}

#[test]
fn a_run_begins_with_the_approvals_of_two_people_and_with_no_less() {
    if !is_there() {
        return;
    }
    let desk = Desk::new();
    desk.refused(6, &["O3020", "2 people"]);
    let other = desk.sandbox.run(&["approve", &desk.plan, "--lab", "--out", "--as", "eve"]);
    assert!(other.code == Some(64) && other.err.contains("ann, bob, carol"), "{}", other.err);
    desk.approve("ann", "ann", "orchestrate-approval");
    desk.refused(6, &["O3024", "that of one: ann"]);
    desk.approve("bob", "bob", "git");
    desk.refused(6, &["O3023"]);
    desk.sign("bob", "eve", "orchestrate-approval");
    desk.refused(6, &["O3022"]);
    // Ann once more, under another name of file and with her second key.
    std::fs::copy(desk.text("ann"), desk.text("bob")).unwrap();
    desk.sign("bob", "ann-2", "orchestrate-approval");
    desk.refused(6, &["O3025"]);
    // What has expired is what its text says, and the text is what is signed.
    desk.approve("bob", "bob", "orchestrate-approval");
    let text = std::fs::read_to_string(desk.text("bob")).unwrap();
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    let (given, expires) = (field("given: "), field("expires: "));
    std::fs::write(desk.text("bob"), text.replace(&expires, &given)).unwrap();
    desk.refused(6, &["O3028"]);
    desk.sign("bob", "bob", "orchestrate-approval");
    desk.refused(6, &["O3021", "expired"]);
    std::fs::remove_file(desk.text("bob")).unwrap();
    desk.approve("bob", "bob", "orchestrate-approval");
    // A changed plan.
    desk.change(&[("soak: ", "soak: 1")]);
    desk.refused(8, &["O3026", "soak"]);
    desk.change(&[]);
    // Those who may sign are not known.
    let signers = std::fs::read_to_string(desk.path("allowed_signers")).unwrap();
    std::fs::write(desk.path("allowed_signers"), signers.replace("bob ", "*@contoso.example ")).unwrap();
    desk.refused(6, &["O3029", "line 2"]);
    std::fs::write(desk.path("allowed_signers"), signers).unwrap();

    let said = desk.start();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("approved by bob (owner), ann (owner)"), "{}", said.err);
    let journal = std::fs::read_to_string(desk.sandbox.runs()[0].join("journal.jsonl")).unwrap();
    assert!(journal.lines().next().unwrap().contains(r#""by":"ann","role":"owner""#), "{journal}");
    let run = desk.sandbox.runs()[0].file_name().unwrap().to_string_lossy().into_owned();
    let report = desk.sandbox.run(&["report", &run, "-o", "markdown"]);
    assert!(report.out.contains("| approved by | bob (owner) for "), "{}", report.out);
    let status = desk.sandbox.run(&["status", &run]);
    assert!(status.out.contains("approved by bob (owner), ann (owner)"), "{}", status.out);
}
