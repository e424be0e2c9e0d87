//! The topologies of the product's domain as plans: what their previews find, and what their runs do on the lab.
//!
//! The previews are compared whole, as snapshots; beside them stand the sentences that an operator must find there. The
//! runs are in `topologies_runs.rs`.
#![cfg(test)]

use insta::assert_snapshot;
use orchestrate_tests::cli::{Said, Sandbox, repository};
use std::collections::BTreeSet;

/// Nothing waits in a preview, so time need not be hurried, and no evidence is stale on a slow machine.
const PREVIEW_SPEED: &str = "1";

/// Returns what the preview of a maintained plan says.
fn preview(name: &str) -> Said {
    let sandbox = Sandbox::default();
    let said = sandbox.run(&[&format!("plans/{name}.yaml"), "--dry-run", "--lab", "--lab-speed", PREVIEW_SPEED]);
    Said { out: one_server_per_pool(&sandbox.redacted(&said.out)), ..said }
}

/// Leaves out the steps of all servers but the first of each pool, which differ in nothing but names and counts.
fn one_server_per_pool(text: &str) -> String {
    let mut pools = BTreeSet::new();
    let sections = text.split_inclusive("\n\n").filter(|section| {
        let title = section.lines().next().unwrap_or_default();
        let server = title.split(' ').next().filter(|_| title.contains(" of ") && title.contains("): "));
        // Servers of one pool have the same letters before their number.
        server.is_none_or(|server| {
            pools.insert(server.trim_end_matches(".contoso.example").trim_end_matches(char::is_numeric).to_owned())
        })
    });
    sections.collect()
}

/// The text without line breaks, so that a sentence is found wherever it is broken.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_says(said: &Said, sentences: &[&str]) {
    let text = flat(&said.out);
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is missing:\n{}\n{}", said.out, said.err);
    }
}

#[test]
fn t1_takes_the_central_management_server_last_and_the_database_after_all() {
    let said = preview("contoso-front-end");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_says(
        &said,
        &[
            "1. fe2.contoso.example",
            "2. fe3.contoso.example UD3 after fe2.contoso.example (one at a time)",
            "3. fe1.contoso.example UD1 after fe3.contoso.example (one at a time; the active central management server is last in its pool)",
            "2 of 3 would run, 2 needed",
            "5 questions: features covered yes",
            "every configuration replica is up to date, the central management is active where it was and the balancer sees it up; compares the fabric state with the one before",
            "watches that the pool stays good for 20m; a bad sample starts the time over",
            "leaves the database work on sql1.contoso.example to you",
        ],
    );
    assert_snapshot!("t1", said.out);
}

#[test]
fn p2_t2_is_refused_because_a_hardware_balancer_covers_no_feature() {
    let said = preview("t2-hardware-balancer");
    assert_eq!(said.code, Some(9), "{}", said.err);
    assert_says(
        &said,
        &[
            "Attendant, Conferencing Announcement, Response Group, Announcement and Call Park are not covered",
            "accept_loss: [Attendant, Conferencing Announcement, Response Group, Announcement, Call Park]",
            "balancer-out",
            "the operator takes each server of pool02.contoso.example out of the balancer",
        ],
    );
    assert_snapshot!("t2", said.out);
}

#[test]
fn p2_t3_names_the_record_that_is_missing_and_the_one_that_is_stale() {
    let said = preview("t3-partial-dns");
    assert_eq!(said.code, Some(9), "{}", said.err);
    assert_says(
        &said,
        &[
            "refusal O2001 pool03.contoso.example does not list fe34.contoso.example (192.0.2.24)",
            "refusal O2002 pool03.contoso.example lists 192.0.2.29",
            "3 of 4 would run, 2 needed",
        ],
    );
    assert_snapshot!("t3", said.out);
}

#[test]
fn t4_warns_of_a_pool_of_two_and_of_its_witness() {
    let said = preview("t4-two-servers");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_says(
        &said,
        &[
            "pool04.contoso.example has two servers: while one is out, the pool depends on the other alone",
            "Not recommended by the product",
            "1 of 2 would run, 1 needed",
            "sql4.contoso.example is the witness of pool04.contoso.example",
            "1 of at most 1 would be out",
        ],
    );
    assert_snapshot!("t4", said.out);
}

#[test]
fn t4_is_refused_for_a_later_release() {
    let sandbox = Sandbox::default();
    let plan = std::fs::read_to_string(repository().join("plans/t4-two-servers.yaml")).unwrap();
    let path = sandbox.file("plan.yaml", &plan.replace("product: sfb2015", "product: sfb2019"));
    let said = sandbox.run(&[&path.display().to_string(), "--dry-run", "--lab"]);
    assert_eq!(said.code, Some(65), "{}\n{}", said.out, said.err);
    assert!(said.err.contains("O1038"), "{}", said.err);
}

#[test]
fn t5_is_refused_until_the_pair_is_failed_over_by_hand() {
    let said = preview("t5-standard-edition-pair");
    assert_eq!(said.code, Some(9), "{}", said.err);
    assert_says(
        &said,
        &[
            "Fail the pool over to se2.contoso.example by hand, after the next hop of the Edge is changed",
            "Fail the pool over to se1.contoso.example by hand, after the next hop of the Edge is changed",
            "se1.contoso.example is the next hop of edge5.contoso.example and has one server",
            "Make two changes of it, on different nights",
            "replicas up to date yes",
            "one active central management yes se1 says that the central management is active on se1, as the plan says",
            "one active central management yes se2 says that the central management is active on se1, as the plan says",
        ],
    );
    assert!(!said.out.contains("O2022"), "every session is counted or waited for: {}", said.out);
    assert_snapshot!("t5", said.out);
}

/// The pair after a fail-over that left the central management active on both.
#[test]
fn t5_names_both_servers_when_the_central_management_is_active_on_both() {
    let sandbox = Sandbox::default();
    let scenario = repository().join("tests/data/two-masters.lab.yaml").display().to_string();
    let plan = "plans/t5-standard-edition-pair.yaml";
    let arguments = [plan, "--dry-run", "--lab", "--lab-speed", PREVIEW_SPEED, "--lab-scenario", &scenario];
    let said = sandbox.run(&arguments);
    assert_eq!(said.code, Some(9), "{}", said.err);
    assert_says(
        &said,
        &[
            "refusal O2057 the central management of se1.contoso.example and se2.contoso.example is active on both: \
             se1 says se1, se2 says se2",
            "make one of them passive by the product's own procedure",
            "se2 says that the central management is active on se2, the plan says se1",
        ],
    );
    assert_eq!(said.out.matches("refusal O2057").count(), 1, "it is said once: {}", said.out);
}

/// One half of the pair, which is all that keeps the plan from being run.
#[test]
fn a_plan_is_refused_for_nothing_but_another_active_central_management() {
    let sandbox = Sandbox::default();
    let scenario = "dns: {records: {webint.contoso.example: [192.0.2.10]}}\n\
                    servers: {fe2.contoso.example: {active_master: se9.contoso.example}}\n";
    let scenario = sandbox.file("scenario.yaml", scenario).display().to_string();
    let plan = "plans/contoso-front-end.yaml";
    let arguments = [plan, "--dry-run", "--lab", "--lab-speed", PREVIEW_SPEED, "--lab-scenario", &scenario];
    let said = sandbox.run(&arguments);
    assert_eq!(said.code, Some(9), "{}", said.err);
    let refusals: Vec<&str> = said.out.lines().filter(|line| line.starts_with("  refusal")).collect();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_says(&said, &["fe2 says that the central management is active on se9.contoso.example, the plan says fe1"]);
}

#[test]
fn t6_is_refused_because_both_sites_of_a_pair_are_in_it() {
    let said = preview("t6-large-two-sites");
    assert_eq!(said.code, Some(9), "{}", said.err);
    let refusals: Vec<&str> = said.out.lines().filter(|line| line.starts_with("  refusal")).collect();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_says(
        &said,
        &[
            "pool61.contoso.example and pool62.contoso.example are paired",
            "5 of 6 would run, 3 needed",
            "after a full stop each pool starts once 5 of its 6 servers run (2 pools)",
            "of all pools labelled site=paris never more than 1",
            "6. fe611.contoso.example UD1 after fe616.contoso.example (one at a time; the active central management server is last in its pool)",
            "13. med61.contoso.example",
            "16. dir61.contoso.example after med63.contoso.example",
            "inside out: front ends, other internal roles, Edge last",
            "18. edge61.contoso.example",
            "19. edge62.contoso.example",
        ],
    );
    assert_snapshot!("t6", said.out);
}

/// The Director and Edge pools have two servers each, which is no reason against two at once elsewhere.
#[test]
fn t6_takes_two_servers_of_one_upgrade_domain_together_where_the_plan_says_so() {
    let sandbox = Sandbox::default();
    let plan = std::fs::read_to_string(repository().join("plans/t6-large-two-sites.yaml")).unwrap();
    let plan = plan.replace("at_once: 1", "at_once: 2");
    let path = sandbox.file("plan.yaml", &plan).display().to_string();
    assert_eq!(sandbox.run(&["check", &path]).code, Some(9), "it says what every start would refuse");
    let said = sandbox.run(&[&path, "--dry-run", "--offline"]);
    assert_eq!(said.code, Some(9), "both sites of a pair are in it: {}", said.err);
    assert_says(
        &said,
        &[
            "never more than 2 servers of a pool out of service",
            "1. fe612.contoso.example UD2 first: nothing has to be finished before it",
            "2. fe615.contoso.example UD2 first: nothing has to be finished before it",
            "3. fe613.contoso.example UD3 after fe612.contoso.example (never two upgrade domains at once)",
        ],
    );
}

#[test]
fn p1_t7_counts_the_servers_that_are_down_and_only_the_first_seven() {
    let said = preview("t7-nine-servers");
    assert_eq!(said.code, Some(9), "{}", said.err);
    assert_says(
        &said,
        &[
            "without f3: 4 of the first 7 would run, 4 needed, f1 and f2 are not known to run: exactly what is needed; one more failure stops the pool",
            // f3 is in the domain of those that are down: it may go, and it is flagged.
            "f3.contoso.example yes: all 18 questions are answered with yes",
            "f4 may not go: it is in upgrade domain UD2, and f1 (UD1) may be out and f2 (UD1) may be out",
            // f8 is not among the first seven: without it, five of them run.
            "5 of the first 7 would run, 4 needed, f1 and f2 are not known to run",
            "whether f1.contoso.example serves is not known",
            // Two servers answer nothing, and that is all that stands in the way.
            "What follows from it is not listed apart: O2015",
        ],
    );
    assert_snapshot!("t7", said.out);
}

#[test]
fn t8_needs_several_nights_and_says_that_levels_are_mixed_in_between() {
    let said = preview("t8-sixteen-servers");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_says(
        &said,
        &[
            "11 of the first 12 would run, 7 needed",
            "after a full stop pool08.contoso.example starts once 12 of its 16 servers run",
            "16 servers, each out for up to 6h 35m, need 16 windows at worst: the next one has room for 1 server of a pool",
            "The pool stays at mixed levels in between",
        ],
    );
    assert_snapshot!("t8", said.out);
}

#[test]
fn t9_says_what_an_edge_pool_loses_and_that_it_has_no_readiness_state() {
    let said = preview("t9-edge-and-mediation");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_says(
        &said,
        &[
            "public IM, XMPP and old federation partners have no fail-over while an Edge server is out",
            "edge09.contoso.example has no readiness state: the gate looks at services only",
            "the same of med09.contoso.example",
            "3. edge91.contoso.example after med92.contoso.example",
            "external names in order yes sip.contoso.example, webconf.contoso.example and av.contoso.example list the \
             external addresses of the 2 servers and nothing else at 1 name server, kept for up to 300 s",
        ],
    );
    assert!(said.err.contains("O1047"), "the next hop is outside this change: {}", said.err);
    assert_snapshot!("t9", said.out);
}
