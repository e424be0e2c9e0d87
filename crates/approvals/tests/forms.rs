//! The text that is signed, and files of those who may sign.

use jiff::tz::TimeZone;
use orchestrate_approvals::{Request, Signers, Work};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

#[test]
fn the_text_is_read_as_it_was_written_and_with_nothing_else_in_it() {
    let request = Request {
        plan: "pool01: November".into(),
        file: "00ff".into(),
        fingerprint: "f00d".into(),
        servers: vec![
            ("fe1".into(), Work::Done),
            ("fe2".into(), Work::PassedOver("it is at the level: 5.0.8308.1068".into())),
        ],
        approver: "ann".into(),
        role: "change manager".into(),
        ticket: "CHG1".into(),
        given: "2026-11-27T12:00:00Z".parse().unwrap(),
        expires: "2026-11-28T12:00:00Z".parse().unwrap(),
    };
    let text = request.text();
    assert_eq!(Request::parse(text.as_bytes()).unwrap(), request);
    let hostile = Request { role: "x\nfingerprint: 1234\u{7}".into(), ..request.clone() };
    assert_eq!(Request::parse(hostile.text().as_bytes()).unwrap().role, "x fingerprint: 1234");
    assert_eq!(Request { ticket: " ".into(), ..request }.text().lines().nth(4), Some("ticket: -"));
    for (from, to) in [
        ("orchestrate approval", "orchestrate refusal"),
        ("version 1", "version 2"),
        ("approver: ann\n", ""),
        ("approver: ann\n", "approver: ann\napprover: bob\n"),
        ("approver: ann\n", "approver: ann\nbut: not fe1\n"),
        ("approver: ann\n", "approver: \n"),
        ("2026-11-28T12:00:00Z", "tomorrow"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Request::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn a_line_that_is_not_understood_makes_the_file_useless_and_names_itself() {
    let zone = TimeZone::UTC;
    let other = KEY.replace("GPK", "GPL");
    let people = |text: &str| Signers::parse(text.as_bytes(), &zone).unwrap().people();
    assert_eq!(people(&format!("# a comment\n\nann {KEY} ann at home\n")), 1);
    assert_eq!(people(&format!("ann,bob {KEY}\n")), 1, "names of one line are one person's");
    assert_eq!(people(&format!("ann {KEY}\nbob {other}\n")), 2);
    assert_eq!(people(&format!("ann {KEY}\nbob {KEY}\n")), 1, "so are names with one key");
    assert_eq!(people(&format!("* namespaces=\"git\" {KEY}\n")), 0, "it is for something else");
    assert_eq!(people(""), 0);
    for (line, words) in [
        (format!("*@contoso.example {KEY}"), "write the name of each"),
        (format!("ann cert-authority {KEY}"), "cert-authority"),
        (format!("ann verify-required {KEY}"), "verify-required"),
        (format!("ann valid-after=\"yesterday\" {KEY}"), "YYYYMMDD"),
        (format!("ann valid-after=\"20261332\" {KEY}"), "YYYYMMDD"),
        (format!("\"ann {KEY}"), "quotation mark"),
        (format!("ann {}", &KEY[..40]), "key"),
        ("ann".to_owned(), "ends before its key"),
        (format!(", {KEY}"), "no person"),
    ] {
        let bad = Signers::parse(format!("# first\n{line}\n").as_bytes(), &zone).unwrap_err();
        assert!(bad.line == 2 && bad.why.contains(words), "{line}: {bad}");
    }
    assert_eq!(Signers::parse(b"# one\nann \xff\n", &zone).unwrap_err().line, 2);
}
