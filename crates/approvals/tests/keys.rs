//! Signatures that the real `ssh-keygen` makes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orchestrate_approvals::{Demand, Examined, Found, NAMESPACE, Request, Signers, Times, Work, codes, examine};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const THIS: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";
const DEMAND: Demand = Demand { required: 2, expires: SignedDuration::from_hours(24) };

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Times {
    Times { now: at("2026-11-27T18:00:00Z"), begun: None }
}

/// Returns whether there is an `ssh-keygen`; without one it says so, and fails where everything has to be there.
fn is_there() -> bool {
    let there = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output().is_ok();
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "ssh-keygen is missing (Debian: openssh-client)");
        eprintln!("skipped: ssh-keygen is missing (Debian: openssh-client)");
    }
    there
}

fn request(approver: &str) -> Request {
    Request {
        plan: "pool01 November update".into(),
        file: "00ff".into(),
        fingerprint: THIS.into(),
        servers: vec![
            ("fe1.contoso.example".into(), Work::Done),
            ("fe2.contoso.example".into(), Work::PassedOver("it is at the level".into())),
        ],
        approver: approver.into(),
        role: "change manager".into(),
        ticket: "CHG0031337".into(),
        given: at("2026-11-27T12:00:00Z"),
        expires: at("2026-11-28T12:00:00Z"),
    }
}

/// A folder with keys, and the people they are of.
struct Desk {
    folder: TempDir,
    signers: String,
    found: Vec<Found>,
    signed: usize,
}

impl Desk {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), signers: String::new(), found: Vec::new(), signed: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key. Returns its public half.
    fn key(&self, name: &str, kind: &[&str], passphrase: &str) -> String {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", passphrase, "-C", "a comment", "-t"]).args(kind).arg("-f").arg(self.path(name));
        assert!(command.status().unwrap().success(), "{name} was not made");
        std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    /// Makes a key of a person who may sign.
    fn person(&mut self, name: &str, kind: &[&str]) {
        let key = self.key(name, kind, "");
        self.signers += &[name, " ", &key].concat();
    }

    /// Signs a text with a key.
    fn sign(&mut self, request: &Request, (key, namespace): (&str, &str)) -> &mut Found {
        self.signed += 1;
        let name = format!("{}.approval", self.signed);
        let (file, text) = (self.path(&name), request.text());
        std::fs::write(&file, &text).unwrap();
        sign(&file, &self.path(key), namespace);
        let signature = std::fs::read(self.path(&format!("{name}.sig"))).unwrap();
        self.found.push(Found { name, text: Ok(text.into_bytes()), signature: Some(Ok(signature)) });
        self.found.last_mut().unwrap()
    }

    fn examined(&self, times: Times) -> Examined {
        let signers = Signers::parse(self.signers.as_bytes(), &TimeZone::UTC).unwrap();
        examine(&self.found, &signers, DEMAND, times)
    }

    /// Returns the codes for which the approvals do not suffice.
    fn refused(&self, times: Times) -> Vec<&'static str> {
        let short = self.examined(times).counted(DEMAND, &request("-")).unwrap_err();
        short.reasons.iter().map(|reason| reason.code).collect()
    }
}

fn sign(file: &Path, key: &Path, namespace: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(key).arg(file).stdin(Stdio::null());
    assert!(command.status().unwrap().success(), "{} was not signed", file.display());
}

const KINDS: [&[&str]; 6] = [
    &["ed25519"],
    &["ecdsa", "-b", "256"],
    &["ecdsa", "-b", "384"],
    &["ecdsa", "-b", "521"],
    &["rsa", "-b", "2048"],
    &["rsa", "-b", "4096"],
];

#[test]
fn keys_of_every_kind_approve() {
    if !is_there() {
        return;
    }
    let mut desk = Desk::new();
    for (position, kind) in KINDS.iter().enumerate() {
        let name = format!("person{position}");
        desk.person(&name, kind);
        desk.sign(&request(&name), (&name, NAMESPACE));
    }
    let examined = desk.examined(now());
    assert_eq!(examined.refused, []);
    let counted = examined.counted(DEMAND, &request("-")).unwrap();
    assert_eq!(counted.approvals.len(), KINDS.len());
    assert!(counted.approvals.iter().all(|good| good.key.starts_with("SHA256:")));
    let listed = Command::new("ssh-keygen").arg("-lf").arg(desk.path("person0.pub")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(counted.approvals.iter().any(|good| listed.contains(&good.key)), "{listed}");
}

#[test]
fn what_is_unsigned_expired_of_another_key_or_for_something_else_does_not_count() {
    if !is_there() {
        return;
    }
    let mut desk = Desk::new();
    for name in ["ann", "bob"] {
        desk.person(name, &["ed25519"]);
    }
    desk.key("eve", &["ed25519"], "");
    assert_eq!(desk.refused(now()), [] as [&str; 0]);
    let short = desk.examined(now()).counted(DEMAND, &request("-")).unwrap_err().to_string();
    assert_eq!(short, "O3020: the plan needs the signed approval of 2 people, and has none that counts");
    desk.sign(&request("ann"), ("ann", NAMESPACE));
    let short = desk.examined(now()).counted(DEMAND, &request("-")).unwrap_err();
    assert!(short.to_string().starts_with("O3024") && short.have == ["ann"], "{short}");

    desk.sign(&request("bob"), ("bob", NAMESPACE)).signature = None;
    assert_eq!(desk.refused(now()), [codes::UNSIGNED]);
    desk.found.pop();
    for (request, key, namespace, code) in [
        (request("bob"), "eve", NAMESPACE, codes::WRONG_KEY),
        (request("bob"), "ann", NAMESPACE, codes::WRONG_KEY),
        (request("eve"), "eve", NAMESPACE, codes::WRONG_KEY),
        (request("bob"), "bob", "file", codes::WRONG_NAMESPACE),
        (request("bob"), "bob", "git", codes::WRONG_NAMESPACE),
        (Request { expires: at("2026-11-27T17:59:59Z"), ..request("bob") }, "bob", NAMESPACE, codes::EXPIRED),
        (Request { expires: at("2026-11-30T12:00:00Z"), ..request("bob") }, "bob", NAMESPACE, codes::EXPIRED),
        (Request { given: at("2026-11-27T20:00:00Z"), ..request("bob") }, "bob", NAMESPACE, codes::EXPIRED),
        (request("ann"), "ann", NAMESPACE, codes::TWICE),
        (Request { fingerprint: OTHER.into(), ..request("bob") }, "bob", NAMESPACE, codes::OTHER_POOL),
        (
            Request { fingerprint: OTHER.into(), file: "11".into(), ..request("bob") },
            "bob",
            NAMESPACE,
            codes::OTHER_PLAN,
        ),
    ] {
        desk.sign(&request, (key, namespace));
        assert_eq!(desk.refused(now()), [code], "{request:?} {key} {namespace}");
        desk.found.pop();
    }
    desk.sign(&request("bob"), ("bob", NAMESPACE));
    let counted = desk.examined(now()).counted(DEMAND, &request("-")).unwrap();
    assert_eq!(counted.approvals.len(), 2);
    // A run that goes on was begun when they were good.
    let tomorrow = Times { now: at("2026-11-29T12:00:00Z"), begun: None };
    assert_eq!(desk.refused(tomorrow), [codes::EXPIRED, codes::EXPIRED]);
    let goes_on = Times { begun: Some(at("2026-11-27T23:00:00Z")), ..tomorrow };
    assert!(desk.examined(goes_on).counted(DEMAND, &request("-")).is_ok());
}

#[test]
fn one_person_counts_once_whatever_the_keys_and_the_names() {
    if !is_there() {
        return;
    }
    let mut desk = Desk::new();
    let (first, second) = (desk.key("first", &["ed25519"], ""), desk.key("second", &["ecdsa"], ""));
    desk.sign(&request("ann"), ("first", NAMESPACE));
    desk.sign(&request("ann@contoso.example"), ("second", NAMESPACE));
    for signers in [
        // Two keys of one name, and a second name in one line with the first.
        format!("ann {first}ann,ann@contoso.example {second}"),
        // One key under both names, in two lines.
        format!("ann {first}ann@contoso.example {first}ann@contoso.example {second}"),
        format!("ann@contoso.example {second}smith {first}ann {first}smith,ann@contoso.example {second}"),
    ] {
        desk.signers = signers;
        assert_eq!(desk.refused(now()), [codes::TWICE], "{}", desk.signers);
    }
    desk.signers = format!("ann {first}ann@contoso.example {second}");
    assert!(desk.examined(now()).counted(DEMAND, &request("-")).is_ok(), "they are two");
}

#[test]
fn a_text_that_was_changed_after_it_was_signed_does_not_count() {
    if !is_there() {
        return;
    }
    let mut desk = Desk::new();
    desk.person("ann", &["rsa"]);
    desk.person("bob", &["ed25519"]);
    desk.sign(&request("bob"), ("bob", NAMESPACE));
    let found = desk.sign(&request("ann"), ("ann", NAMESPACE)).clone();
    let (text, signature) = (found.text.unwrap(), found.signature.unwrap().unwrap());
    let changed = |from: &str, to: &str| String::from_utf8(text.clone()).unwrap().replace(from, to).into_bytes();
    for (text, signature) in [
        (changed("change manager", "owner"), signature.clone()),
        (changed("2026-11-28T12", "2026-11-28T11"), signature.clone()),
        (changed("\n", "\r\n"), signature.clone()),
        ([text.as_slice(), b"and nothing else: yes\n"].concat(), signature.clone()),
        ([text.as_slice(), b"role: owner\n"].concat(), signature.clone()),
        (text.clone(), b"rubbish".to_vec()),
        (text.clone(), signature[..signature.len() / 2].to_vec()),
        (Vec::new(), signature.clone()),
        (b"\xff\xfe\x00".to_vec(), signature.clone()),
    ] {
        let last = desk.found.last_mut().unwrap();
        (last.text, last.signature) = (Ok(text), Some(Ok(signature)));
        assert_eq!(desk.refused(now()), [codes::UNREADABLE]);
    }
}

#[test]
fn keys_are_good_in_their_time_and_for_their_uses() {
    if !is_there() {
        return;
    }
    let mut desk = Desk::new();
    let (ann, bob) = (desk.key("ann", &["ed25519"], ""), desk.key("bob", &["ed25519"], ""));
    desk.sign(&request("ann"), ("ann", NAMESPACE));
    desk.sign(&request("bob"), ("bob", NAMESPACE));
    let good = [
        "",
        "namespaces=\"orchestrate-approval\" ",
        "namespaces=\"git,orchestrate-*\" ",
        "valid-after=\"20261127\",valid-before=\"202611280000Z\" ",
        "valid-after=20261127175959Z ",
    ];
    for options in good {
        desk.signers = format!("# people\n\nann {ann}\"bob\" {options}{bob}");
        assert!(desk.examined(now()).counted(DEMAND, &request("-")).is_ok(), "{options}");
    }
    for (options, code) in [
        ("namespaces=\"git\" ", codes::WRONG_KEY),
        ("namespaces=\"*,!orchestrate-approval\" ", codes::WRONG_KEY),
        ("valid-before=\"20261127\" ", codes::EXPIRED),
        ("valid-after=\"202611271801\" ", codes::EXPIRED),
    ] {
        desk.signers = format!("ann {ann}bob {options}{bob}");
        assert_eq!(desk.refused(now()), [code], "{options}");
    }
}

#[test]
fn an_encrypted_key_signs_too() {
    // What asks for the phrase is a script of a shell.
    if !is_there() || std::env::consts::FAMILY != "unix" {
        return;
    }
    let mut desk = Desk::new();
    let key = desk.key("ann", &["ed25519"], "a phrase");
    desk.signers = format!("ann {key}");
    let (file, ask) = (desk.path("x.approval"), desk.path("ask"));
    std::fs::write(&file, request("ann").text()).unwrap();
    std::fs::write(&ask, "#!/bin/sh\necho 'a phrase'\n").unwrap();
    assert!(Command::new("chmod").arg("700").arg(&ask).status().unwrap().success());
    let mut command = Command::new("ssh-keygen");
    command.env("SSH_ASKPASS", &ask).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    command.args(["-Y", "sign", "-n", NAMESPACE, "-f"]).arg(desk.path("ann")).arg(&file).stdin(Stdio::null());
    assert!(command.output().unwrap().status.success());
    let signature = std::fs::read(desk.path("x.approval.sig")).unwrap();
    let text = std::fs::read(&file).unwrap();
    desk.found.push(Found { name: "x".into(), text: Ok(text), signature: Some(Ok(signature)) });
    assert_eq!(desk.examined(now()).good.len(), 1);
}
