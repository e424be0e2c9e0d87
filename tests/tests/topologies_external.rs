//! Topology T9 with the records of its external names spoilt on the lab: what the preview says, and that a run is refused.
#![cfg(test)]

use orchestrate_tests::cli::{Said, Sandbox};

const T9: &str = "plans/t9-edge-and-mediation.yaml";

/// What the preview of T9 says on a lab with these records, in one line.
fn preview(dns: &str) -> (Said, String) {
    let sandbox = Sandbox::default();
    let scenario = sandbox.file("records.lab.yaml", &format!("dns: {{{dns}}}\n")).display().to_string();
    let said = sandbox.run(&[T9, "--dry-run", "--lab", "--lab-speed", "1", "--lab-scenario", &scenario]);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    (said, text)
}

#[track_caller]
fn assert_refused(dns: &str, sentences: &[&str]) {
    let (said, text) = preview(dns);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is missing:\n{}\n{}", said.out, said.err);
    }
}

#[test]
fn p2_t9_names_the_external_record_that_misses_a_server() {
    assert_refused(
        "records: {webconf.contoso.example: [203.0.113.91]}",
        &[
            "edge91, edge92 NO",
            "refusal O2055 webconf.contoso.example does not list edge92.contoso.example (203.0.113.93) at",
            "Clients outside may not have another server to go to while one is blocked do: Add the record to \
             webconf.contoso.example",
            "external names in order no clients outside may find no other server of edge09.contoso.example",
        ],
    );
}

#[test]
fn p2_t9_names_the_external_record_of_a_server_that_was_retired() {
    assert_refused(
        "records: {sip.contoso.example: [203.0.113.91, 203.0.113.92, 203.0.113.99]}",
        &[
            "refusal O2055 edge09.contoso.example: sip.contoso.example lists 203.0.113.99 at",
            ", which is no server of the pool. Clients outside may not have another server",
            "do: Remove the record from sip.contoso.example, or state the address at the server whose it is (external)",
        ],
    );
}

#[test]
fn p2_t9_is_refused_where_a_balancer_stands_in_front_of_the_external_names() {
    assert_refused(
        "records: {av.contoso.example: [203.0.113.5]}",
        &[
            "av.contoso.example has the single address 203.0.113.5 at",
            "a balancer's, as it seems, while edge09.contoso.example is balanced by DNS inside",
            "do: Internal and external have to be balanced alike: give av.contoso.example one record per server",
        ],
    );
}

#[test]
fn p2_a_run_whose_external_names_lack_a_server_begins_nothing() {
    let sandbox = Sandbox::default();
    let scenario = sandbox.file("records.lab.yaml", "dns: {omit: [203.0.113.94]}\n").display().to_string();
    let said = sandbox.run(&[T9, "--lab", "--lab-speed", "60", "--unattended", "--lab-scenario", &scenario]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    assert!(
        said.out.contains("av.contoso.example does not list edge92.contoso.example (203.0.113.94)"),
        "{}",
        said.out
    );
    assert!(sandbox.runs().is_empty(), "nothing was begun");
}
