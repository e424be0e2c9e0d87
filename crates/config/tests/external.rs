//! The external names of Edge pools: how they are written, and what comes of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing it did not expect")]

use jsonschema::validator_for;
use orchestrate_config::{Style, json_schema, parse, render};
use orchestrate_model::{Change, ExternalUse};
use std::net::IpAddr;

fn plan(names: &str, one: &str, two: &str) -> String {
    format!(
        "version: 1\nname: edge09\nreason: test\ndns: {{external_resolvers: [203.0.113.53]}}\npools:\n  \
         edge09.contoso.example:\n    product: lync2013\n    role: edge\n    \
         load_balancing: {{sip: dns, external: {names}}}\n    servers:\n      \
         edge91.contoso.example: {{external: {one}}}\n      edge92.contoso.example: {{external: {two}}}\n\
         maintenance: {{scope: all-services}}\n"
    )
}

#[track_caller]
fn change(text: &str) -> Change {
    let parsed = parse("plan.yaml", text.as_bytes());
    parsed.unwrap_or_else(|found| panic!("{}", render(&found, text, "plan.yaml", Style::Plain))).change
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

const ALL: &str = "{access: sip.contoso.example, web_conferencing: webconf.contoso.example, av: av.contoso.example}";

#[test]
fn one_address_stands_behind_every_external_name() {
    let change = change(&plan(ALL, "203.0.113.91", "[203.0.113.92, '2001:db8::92']"));
    let pool = &change.pools[0];
    let names: Vec<&str> = pool.load_balancing.external.values().map(|name| name.as_str()).collect();
    assert_eq!(names, ["sip.contoso.example", "webconf.contoso.example", "av.contoso.example"]);
    for purpose in ExternalUse::ALL {
        assert_eq!(pool.servers[0].external[&purpose], addresses(&["203.0.113.91"]));
        assert_eq!(pool.servers[1].external[&purpose], addresses(&["203.0.113.92", "2001:db8::92"]));
    }
    assert_eq!(change.dns.external_resolvers, ["203.0.113.53:53".parse().unwrap()]);
    assert!(change.dns.resolvers.is_empty(), "the machine's own answer for all other names");
}

#[test]
fn each_external_name_may_lead_to_an_address_of_its_own() {
    let names = "{access: sip.contoso.example, av: av.contoso.example}";
    let change =
        change(&plan(names, "{access: 203.0.113.91, av: 203.0.113.101}", "{access: 203.0.113.92, av: 203.0.113.102}"));
    let server = &change.pools[0].servers[1];
    assert_eq!(server.external[&ExternalUse::Access], addresses(&["203.0.113.92"]));
    assert_eq!(server.external[&ExternalUse::Av], addresses(&["203.0.113.102"]));
    assert_eq!(server.external.get(&ExternalUse::WebConferencing), None);
}

#[test]
fn one_name_may_stand_for_several_uses() {
    let names = "{access: ext.contoso.example, av: ext.contoso.example}";
    let pool = &change(&plan(names, "203.0.113.91", "203.0.113.92")).pools[0];
    let [(_, uses)] = pool.external_names().try_into().unwrap();
    assert_eq!(uses, [ExternalUse::Access, ExternalUse::Av]);
    assert_eq!(pool.servers[0].external.keys().collect::<Vec<_>>(), [&ExternalUse::Access, &ExternalUse::Av]);
}

#[test]
fn the_schema_and_the_parser_agree_about_external_names() {
    let validator = validator_for(&json_schema()).unwrap();
    for (names, server, accepted) in [
        (ALL, "203.0.113.91", true),
        (ALL, "[203.0.113.91, '2001:db8::91']", true),
        (ALL, "{access: 203.0.113.91, web_conferencing: [203.0.113.91], av: 203.0.113.101}", true),
        (ALL, "[]", false),
        (ALL, "{}", false),
        (ALL, "{sip: 203.0.113.91}", false),
        ("{}", "203.0.113.91", false),
        ("{sip: sip.contoso.example}", "203.0.113.91", false),
        ("[sip.contoso.example]", "203.0.113.91", false),
    ] {
        let text = plan(names, server, "203.0.113.92");
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(validator.is_valid(&value), accepted, "the schema, of {names} and {server}");
        assert_eq!(parse("plan.yaml", text.as_bytes()).is_ok(), accepted, "the parser, of {names} and {server}");
    }
}
