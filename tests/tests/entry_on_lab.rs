//! Entry names on the lab: what the preview says, and that a name that leads only to the server that goes stops a start.
#![cfg(test)]

use orchestrate_tests::cli::{Said, Sandbox};

/// How the example balances its clients, and with entry names besides.
const ENTRY: [(&str, &str); 1] = [(
    "sip: dns\n",
    "sip: dns\n      entry: [lyncdiscoverinternal.first.example, _sipinternaltls._tcp.first.example]\n",
)];

/// What the preview says on a lab whose name server has these records, in one line.
fn preview(dns: &str) -> (Said, String) {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&ENTRY, &[("seed: 7", &format!("seed: 7\ndns: {{{dns}}}"))]);
    let said = sandbox.run(&[&plan, "--dry-run", "--lab", "--lab-speed", "1"]);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    (said, text)
}

#[test]
fn p1_entry_names_that_lead_to_every_server_are_a_question_that_is_answered_with_yes() {
    let (said, text) = preview("ttl_s: 60");
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(text.contains("clients find another way in"), "{}", said.out);
}

#[test]
fn p1_an_entry_name_that_leads_to_one_server_only_refuses_that_server() {
    for (dns, what) in [
        ("records: {lyncdiscoverinternal.first.example: [192.0.2.11]}", "lyncdiscoverinternal.first.example"),
        ("services: {_sipinternaltls._tcp.first.example: [fe1.first.example]}", "_sipinternaltls._tcp.first.example"),
    ] {
        let (said, text) = preview(dns);
        assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
        assert!(text.contains("O2120"), "{}", said.out);
        assert!(text.contains(&format!("{what} leads only to fe1 at")), "{}", said.out);
    }
}

#[test]
fn p1_an_entry_name_that_leads_nowhere_stops_a_start_before_anything_is_begun() {
    let sandbox = Sandbox::default();
    let nowhere = "seed: 7\ndns: {services: {_sipinternaltls._tcp.first.example: []}}";
    let plan = sandbox.first_pool(&ENTRY, &[("seed: 7", nowhere)]);
    let said = sandbox.run(&[&plan, "--lab", "--lab-speed", "60", "--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("O2120") && sandbox.runs().is_empty(), "{}", said.out);
}
