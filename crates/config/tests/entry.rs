//! Entry names: what is read, and what is refused.

use orchestrate_config::{Diagnostics, Parsed, parse};

fn read(entry: &str) -> Result<Parsed, Diagnostics> {
    let text = format!(
        "version: 1\nname: entry\nreason: test\npools:\n  pool01.contoso.example:\n    product: sfb2015\n    role: front-end\n    \
             load_balancing: {{sip: dns, entry: {entry}}}\n    servers:\n      fe1.contoso.example: {{address: 192.0.2.1}}\n      \
             fe2.contoso.example: {{address: 192.0.2.2}}\n      fe3.contoso.example: {{address: 192.0.2.3}}\n    \
             access: {{winrm: {{transport: http, credentials: {{env: M}}}}}}\nmaintenance:\n  scope: all-services\n  drain: \
             {{deadline: 30m}}\n"
    );
    parse("plan.yaml", text.as_bytes())
}

#[test]
fn entry_names_are_read_once_each_in_any_spelling() {
    let change = read(
        "[sip.contoso.example, LyncDiscoverInternal.contoso.example., SIP.contoso.example, \
         _sipinternaltls._tcp.contoso.example]",
    )
    .unwrap_or_else(|found| panic!("{found:#?}"))
    .change;
    let names: Vec<&str> = change.pools[0].load_balancing.entry.iter().map(|name| name.as_str()).collect();
    assert_eq!(
        names,
        ["_sipinternaltls._tcp.contoso.example", "lyncdiscoverinternal.contoso.example", "sip.contoso.example"]
    );
}

#[test]
fn what_is_no_name_is_refused_with_its_place() {
    for entry in ["[]", "[sip]", "[192.0.2.1]", "sip.contoso.example", "['sip contoso.example']", "[{a: b}]"] {
        let errors = read(entry).err().unwrap_or_else(|| panic!("{entry} was taken"));
        assert!(errors.items().iter().all(|error| error.span.line == 8), "{entry}: {errors:#?}");
    }
}
