//! A pool whose product answers in a scheduled task and not in a remote shell.
#![cfg(test)]

use orchestrate_tests::cli::{Said, Sandbox};

const CREDENTIALS: &str = "credentials: {env: MAINTENANCE}}";

/// Writes the plan of the first example with this way of asking the product, and a lab whose servers have the double hop.
fn plan(sandbox: &Sandbox, cmdlets: &str) -> String {
    let access = format!("cmdlets: {cmdlets}, {CREDENTIALS}");
    sandbox.first_pool(&[(CREDENTIALS, &access)], &[("seed: 7\n", "seed: 7\ncmdlets: {session: login-failed}\n")])
}

fn dry(sandbox: &Sandbox, cmdlets: &str) -> Said {
    sandbox.run(&[&plan(sandbox, cmdlets), "--dry-run", "--lab", "--lab-speed", "1"])
}

/// The text without line breaks, so that a sentence is found wherever it is broken.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn p3_a_pool_with_the_double_hop_is_refused_with_the_ways_out() {
    let sandbox = Sandbox::default();
    let said = dry(&sandbox, "session");
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let text = flat(&said.out);
    for words in [
        "the cmdlet was not let in at SQL, where the configuration store is",
        r"`cmdlets: {task: {as: 'DOMAIN\name$'}}`",
        "`{task: {as: system}}`",
        "`{task: {as: self}}`",
    ] {
        assert!(text.contains(words), "{words} is missing:\n{}", said.out);
    }
    assert!(!text.contains("O2096") && !text.contains("O2097"), "{}", said.out);
}

#[test]
fn a_preview_says_by_which_way_the_product_is_asked() {
    for (cmdlets, code, account) in [
        (r"{task: {as: 'CONTOSO\svc-pool$'}}", "O2096", r"CONTOSO\svc-pool$"),
        ("{task: {as: system}}", "O2096", "SYSTEM"),
        ("{task: {as: self}}", "O2097", "the account that logs on"),
    ] {
        let sandbox = Sandbox::default();
        let said = dry(&sandbox, cmdlets);
        assert_eq!(said.code, Some(0), "{cmdlets}: {}\n{}", said.out, said.err);
        let text = flat(&said.out);
        let words = format!("the product's cmdlets of pool.first.example are asked as {account}, each question");
        assert!(text.contains(&words) && text.contains(code), "{words} {code}:\n{}", said.out);
    }
}

#[test]
fn a_pool_whose_product_is_asked_in_tasks_goes_through_its_maintenance() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, r"{task: {as: 'CONTOSO\svc-pool$'}}");
    let said = sandbox.run(&[&plan, "--lab", "--lab-speed", "60", "--unattended", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("servers patched             3 of 3"), "{}", said.out);
    assert!(said.out.contains("  cut                         0"), "{}", said.out);
}
