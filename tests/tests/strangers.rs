//! The whole program against hosts that others wrote, in a domain: it logs on sealed, and its secrets show up nowhere.
#![cfg(unix)]

use orchestrate_tests::cli::{Said, Sandbox};
use std::path::Path;

#[path = "../../crates/wsman/tests/strangers/domain.rs"]
#[expect(dead_code, reason = "shared with the tests of the client, which use more of it")]
#[expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
mod domain;

const RIGHT: &str = "Orch-Passw0rd1!";

/// Returns a plan for the hosts of the domain.
fn plan(domain: &domain::Domain, access: &str) -> String {
    let servers: String = (1..=3)
        .map(|number| format!("      fe{number}.contoso.example: {{address: {}}}\n", domain.host(number)))
        .collect();
    format!(
        "version: 1\nname: strangers\nreason: test\ndns: {{resolvers: [\"127.0.0.1:9\"]}}\npools:\n  \
         pool01.contoso.example:\n    product: lync2013\n    role: front-end\n    load_balancing: {{sip: dns, web: \
         webint.contoso.example, balancer: {{elsewhere: nobody}}}}\n    servers:\n{servers}    access: {{winrm: \
         {{transport: http, {access}}}}}\nmaintenance: {{scope: all-services, restart: always}}\n"
    )
}

/// Runs a preview with everything traced, and looks for a secret in all that it leaves behind.
fn preview(sandbox: &Sandbox, plan: &str, secret: &str) -> Said {
    let path = sandbox.file("plan.yaml", plan).display().to_string();
    let arguments = [path.as_str(), "--dry-run", "--log", "trace"];
    let output = sandbox.command(&arguments).output().expect("the binary can be run");
    let said = Said::from(output);
    for text in [&said.out, &said.err] {
        assert!(!text.contains(secret), "a secret was printed");
        // As NTLM and scripts have text, in which it could be found by whoever looks for it.
        let wide: String = secret.chars().flat_map(|c| [c, '\0']).collect();
        assert!(!text.contains(&wide), "a secret was printed, in UTF-16");
    }
    for found in files(sandbox.path()) {
        let bytes = std::fs::read(&found).unwrap_or_default();
        let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_there || found.ends_with("maintenance"), "a secret is in {}", found.display());
    }
    said
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Writes a file with credentials that only its owner can read.
fn credentials(sandbox: &Sandbox, user: &str, password: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = sandbox.file("maintenance", &format!("{user}\r\n{password}\r\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("the file is ours");
    path.display().to_string()
}

#[test]
fn p10_a_domain_account_logs_on_sealed_and_its_password_is_nowhere() {
    let Some(domain) = domain::domain() else { return };
    let realm = format!("realm: contoso.example, kdc: \"{}\"", domain.kdc);
    for way in ["auth: ntlm".to_owned(), format!("auth: kerberos, {realm}"), realm] {
        let sandbox = Sandbox::default();
        let file = credentials(&sandbox, "CONTOSO\\svc-orch", RIGHT);
        let said = preview(&sandbox, &plan(domain, &format!("{way}, credentials: {{file: {file}}}")), RIGHT);
        assert!(said.out.contains("RTCSRV"), "{way}: {}\n{}", said.out, said.err);
        assert!(!said.out.contains("401"), "{way}: {}", said.out);
    }
}

#[test]
fn p10_a_wrong_password_is_told_in_words_and_shown_nowhere() {
    let Some(domain) = domain::domain() else { return };
    let sandbox = Sandbox::default();
    let file = credentials(&sandbox, "CONTOSO\\svc-orch", "Wr0ng-Passw0rd?");
    let way = format!("realm: contoso.example, kdc: \"{}\", credentials: {{file: {file}}}", domain.kdc);
    let said = preview(&sandbox, &plan(domain, &way), "Wr0ng-Passw0rd?");
    assert_eq!(said.code, Some(69), "{}\n{}", said.out, said.err);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("the password of CONTOSO\\svc-orch is wrong"), "{all}");
}

#[test]
fn a_program_without_a_ticket_says_how_it_gets_one() {
    let sandbox = Sandbox::default();
    let credentials = "credentials: {env: MAINTENANCE}";
    let plan = include_str!("../../plans/t4-two-servers.yaml");
    assert!(plan.contains(credentials));
    let plan =
        sandbox.file("plan.yaml", &plan.replace(credentials, "credentials: {current: true}")).display().to_string();
    let mut command = sandbox.command(&[&plan, "--dry-run"]);
    command.env("KRB5CCNAME", sandbox.path().join("no-tickets"));
    let told = Said::from(command.output().expect("the binary can be run"));
    assert_eq!(told.code, Some(69), "{told:?}");
    // As it is usually built it says how it is built with the library that reads tickets, and `check` says so before.
    let built = "cargo build --release --features system-kerberos";
    assert!(told.err.contains(built) || told.err.contains("`kinit USER@REALM`"), "{told:?}");
    let checked = sandbox.run(&["check", &plan]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!((checked.out + &checked.err).contains(built), told.err.contains(built));
}
