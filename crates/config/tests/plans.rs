//! The maintained plans, the schema, the pages, and files that were made to do harm.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests read files of the repository, which the crate itself never does"
)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing it did not expect")]

use jsonschema::validator_for;
use orchestrate_config::{MOST_BYTES, Parsed, Style, codes, explain, json_schema, parse, render};
use orchestrate_model::change::{AtDeadline, RestartPolicy, Scope};
use orchestrate_model::hold::{HoldCause, HoldChoice};
use orchestrate_model::pool::{Access, Balancer};
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn plans() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(root().join("plans"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| !path.to_str().unwrap().ends_with(".lab.yaml"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn parsed(name: &str, text: &str) -> Parsed {
    parse(name, text.as_bytes()).unwrap_or_else(|found| panic!("{}", render(&found, text, name, Style::Plain)))
}

const T1: &str = include_str!("../../../plans/contoso-front-end.yaml");

#[test]
fn every_maintained_plan_is_good() {
    let plans = plans();
    assert!(plans.len() >= 9, "topologies T1 to T9");
    for (name, text) in plans {
        let warnings: Vec<_> = parsed(&name, &text).warnings.iter().map(|warning| warning.code).collect();
        let expected = if name.starts_with("t9") { vec![codes::POOL_OUTSIDE] } else { vec![] };
        assert_eq!(warnings, expected, "{name}");
    }
}

#[test]
fn a_plan_says_what_it_says() {
    let change = parsed("t1", T1).change;
    let pool = &change.pools[0];
    let names: Vec<&str> = pool.servers.iter().map(|server| server.name.short()).collect();
    assert_eq!(names, ["fe1", "fe2", "fe3"], "topology order");
    assert!(
        matches!(&pool.load_balancing.balancer, Balancer::Haproxy(haproxy) if haproxy.sites[0].backends == ["pool01-web"])
    );
    assert!(matches!(&pool.access, Access::Winrm(winrm) if winrm.port.is_none()));
    let maintenance = &change.maintenance;
    assert_eq!(maintenance.scope, Scope::AllServices);
    assert_eq!(maintenance.drain.at_deadline, AtDeadline::Hold);
    assert_eq!(maintenance.restart, RestartPolicy::WhenNeeded);
    assert_eq!(maintenance.soak.as_mins(), 20);
    let patch = &maintenance.installers[0];
    assert_eq!(patch.installer, r"C:\CU\LyncServerUpdateInstaller.exe");
    assert_eq!(patch.level.as_ref().unwrap().to_string(), "5.0.8308.1149");
    assert_eq!(change.windows[0].timezone, "Europe/Paris");
}

#[test]
fn several_installers_are_a_list_and_one_is_a_list_of_one() {
    let (head, tail) = T1.split_once("  patch:\n").unwrap();
    let (one, rest) = tail.split_once("  restart:").unwrap();
    let as_list = format!("    - {}", one.trim_start().replace("\n    ", "\n      "));
    let listed = |list: &str| parsed("t1", &format!("{head}  patch:\n{list}  restart:{rest}")).change;
    assert_eq!(listed(&as_list), parsed("t1", T1).change);
    let second = "    - {installer: 'C:\\CU\\SQL.exe', sha256: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752, \
                  restart: after}\n";
    let both = listed(&format!("{as_list}{second}")).maintenance;
    assert_eq!(both.installers.len(), 2);
    assert_eq!(both.installers[1].restart, orchestrate_model::change::RestartPoint::After);
    assert_eq!(both.called(1), "installer 2 of 2 (SQL.exe)");
}

#[test]
fn a_level_may_name_components() {
    let text = T1.replace("level: 5.0.8308.1149", "level: {Core Components: 5.0.8308.1149, Call Park: 5.0.8308.99}");
    let change = parsed("t1", &text).change;
    let level = change.maintenance.installers[0].level.clone().unwrap();
    assert_eq!(level.to_string(), "Call Park 5.0.8308.99, Core Components 5.0.8308.1149");
    assert!(matches!(level, orchestrate_model::Level::Components(_)));
}

#[test]
fn features_and_display_names_mean_their_windows_service() {
    let scope = |words: &str| {
        let text = T1.replace("scope: all-services", &format!("scope: {{services: [{words}]}}"));
        parsed("t1", &text).change.maintenance.scope
    };
    assert_eq!(scope("RTCRGS"), scope("Response Group"));
    assert_eq!(scope("RTCRGS"), scope("Announcement"), "the Announcement application is part of Response Group");
    assert_eq!(scope("rtcrgs"), scope("Lync Server Response Group"));
}

#[test]
fn a_generic_pool_takes_any_valid_service_name() {
    let text = "
version: 1
name: web farm
reason: kernel update
pools:
  web.contoso.example:
    product: generic
    role: generic
    servers: {w1.contoso.example: {}, w2.contoso.example: {}}
maintenance:
  scope: {services: [nginx]}
  restart: always
";
    let change = parsed("generic", text).change;
    assert!(matches!(change.maintenance.scope, Scope::Services(services) if services[0].as_str() == "nginx"));
    assert_eq!(change.pools[0].load_balancing.balancer, Balancer::None);
}

#[test]
fn a_service_of_a_vendor_is_known_once_the_plan_says_how_to_count_it() {
    let with = |measures: &str, drain: &str, scope: &str| {
        let text = T1.replacen("services: [RTCMEDSRV] ", "services: [RTCMEDSRV, VENDORBOT] ", 1);
        let text = text.replacen("    labels: {site: paris}\n", &format!("    labels: {{site: paris}}\n{measures}"), 1);
        let text = text.replacen("  scope: all-services", &format!("  scope: {scope}"), 1);
        text.replacen("  drain: {", &format!("  drain: {{{drain}"), 1)
    };
    let bot = |change: &orchestrate_model::Change| {
        change.pools[0].extra_services.iter().any(|name| name.as_str() == "VENDORBOT")
    };
    let by_count =
        parsed("counted", &with("    measures: {vendorbot: ['\\Vendor\\Calls']}\n", "", "all-services")).change;
    assert!(bot(&by_count) && by_count.pools[0].measures.len() == 1);
    let by_time = parsed("timed", &with("", "unmeasured: {VENDORBOT: 15m}, ", "{services: [VENDORBOT]}")).change;
    assert!(bot(&by_time) && by_time.maintenance.unmeasured.len() == 1);
    assert!(matches!(&by_time.maintenance.scope, Scope::Services(chosen) if chosen[0].as_str() == "VENDORBOT"));
    let once = with("", "", "all-services");
    assert_eq!(code_of(once.as_bytes()), codes::UNKNOWN_SERVICE.as_str());
}

#[test]
fn maintained_plans_fit_the_schema() {
    let validator = validator_for(&json_schema()).unwrap();
    for (name, text) in plans() {
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    let misspelt: Value = serde_saphyr::from_str(&T1.replace("at_once", "atonce")).unwrap();
    assert!(!validator.is_valid(&misspelt), "unknown keys are errors in the schema too");
}

/// Puts a key that nobody knows, alone, into each mapping: the answer lists the keys that the parser knows there.
#[test]
fn the_schema_and_the_parser_agree_about_values() {
    let validator = validator_for(&json_schema()).unwrap();
    let cases = [
        ("upgrade_domain: UD1", "upgrade_domain: 1", true),
        ("scope: all-services", "scope: all-services\n  accept_loss: [CALL park]", true),
        ("scope: all-services", "scope: all-services\n  accept_loss: [response-group  Application]", true),
        ("scope: all-services", "scope: all-services\n  accept_loss: [Conferencing Attendant]", false),
        ("version: 1", "version: 3", false),
        ("address: 192.0.2.12", "address: []", false),
    ];
    for (from, to, accepted) in cases {
        assert!(T1.contains(from), "{from}");
        let text = T1.replacen(from, to, 1);
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(validator.is_valid(&value), accepted, "the schema, of {to}");
        assert_eq!(parse("plan.yaml", text.as_bytes()).is_ok(), accepted, "the parser, of {to}");
    }
    let mut value: serde_json::Value = serde_saphyr::from_str(T1).unwrap();
    for pointer in ["/pools/pool01.contoso.example/servers", "/pools"] {
        *value.pointer_mut(pointer).unwrap() = serde_json::json!({});
        assert!(!validator.is_valid(&value), "{pointer} is empty");
    }
}

#[test]
fn the_schema_has_the_keys_that_the_parser_accepts() {
    let schema = json_schema();
    let mut described = 0;
    for (name, around) in [
        ("", "@"),
        ("Dns", "dns: @"),
        ("Pool", "pools: {p.example.org: @}"),
        ("LoadBalancing", "pools: {p.example.org: {load_balancing: @}}"),
        ("Haproxy", "pools: {p.example.org: {load_balancing: {balancer: {haproxy: @}}}}"),
        ("HaproxySite", "pools: {p.example.org: {load_balancing: {balancer: {haproxy: {balancers: [@]}}}}}"),
        ("EachName", "pools: {p.example.org: {load_balancing: {external: @}}}"),
        ("EachAddress", "pools: {p.example.org: {servers: {s.example.org: {external: @}}}}"),
        ("Server", "pools: {p.example.org: {servers: {s.example.org: @}}}"),
        ("Access", "pools: {p.example.org: {access: @}}"),
        ("Winrm", "pools: {p.example.org: {access: {winrm: @}}}"),
        ("Credentials", "pools: {p.example.org: {access: {winrm: {credentials: @}}}}"),
        ("Database", "pools: {p.example.org: {database: @}}"),
        ("Maintenance", "maintenance: @"),
        ("ScopeServices", "maintenance: {scope: @}"),
        ("Drain", "maintenance: {drain: @}"),
        ("ServiceDrain", "maintenance: {drain: {services: {RTCRGS: @}}}"),
        ("Patch", "maintenance: {patch: @}"),
        ("Budget", "budgets: [@]"),
        ("StopWhen", "stop_when: @"),
        ("Window", "windows: [@]"),
        ("FreezeDays", "freezes: [@]"),
    ] {
        let mapping = if name.is_empty() { &schema } else { &schema["$defs"][name] };
        assert_eq!(mapping["additionalProperties"], false, "{name}");
        let properties = mapping["properties"].as_object().unwrap();
        for (key, property) in properties {
            described += 1;
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 2), "{name}.{key}");
        }
        let text = around.replace('@', "{zzzzzzzz: 1}");
        let found = parse("x", text.as_bytes()).unwrap_err();
        let unknown = found.items().iter().find(|item| item.message.contains("zzzzzzzz")).unwrap();
        let help = unknown.help.as_deref().unwrap_or_default();
        let mut known: Vec<&str> = help.strip_prefix("known keys here: ").unwrap().split(", ").collect();
        known.sort_unstable();
        let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(known, keys, "{name}");
    }
    assert!(described > 70, "{described} keys");
}

#[test]
fn a_mistake_inside_an_anchor_is_told_once() {
    let text = T1.replace("    access:\n", "    access: &a\n").replace("transport: http,", "transport: htp,").replace(
        "maintenance:\n",
        "  pool02.contoso.example:\n    product: lync2013\n    role: director\n    load_balancing: {sip: dns}\n    \
         servers: {d1.contoso.example: {}}\n    access: *a\nmaintenance:\n",
    );
    let found = parse("t1", text.as_bytes()).unwrap_err();
    assert_eq!(found.items().len(), 1, "{found}");
    assert_eq!(found.items()[0].code, codes::UNKNOWN_WORD);
}

#[test]
fn every_code_has_a_page_and_every_page_is_in_the_program() {
    for code in codes::ALL {
        let page = explain(code.as_str()).unwrap_or_else(|| panic!("{code} has no page"));
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        assert!(page.contains("## What to do"), "{code}");
    }
    let mut files: Vec<String> = std::fs::read_dir(root().join("docs/diagnostics"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let table: Vec<String> = orchestrate_config::codes().iter().map(|page| page.code.to_owned()).collect();
    assert_eq!(table, files, "docs/diagnostics and crates/config/src/pages.rs");
    assert!(orchestrate_config::codes().iter().all(|page| !page.title().is_empty()));
    assert_eq!(explain("o1011"), explain("O1011"));
    assert_eq!(explain("O9999"), None);
}

#[test]
fn the_page_of_a_hold_tells_of_each_choice_that_it_may_offer_and_of_no_other() {
    let all = [
        HoldChoice::Stop,
        HoldChoice::Retry,
        HoldChoice::Skip,
        HoldChoice::Confirm,
        HoldChoice::Return,
        HoldChoice::Abandon,
        HoldChoice::Extend,
        HoldChoice::Cut,
    ];
    for cause in HoldCause::ALL {
        let page = explain(cause.code()).unwrap();
        for choice in all {
            let told = page.contains(&format!("\n- `{}`", choice.word()));
            assert_eq!(told, cause.may_offer(choice), "{}: {}", cause.code(), choice.word());
        }
    }
}

fn code_of(bytes: &[u8]) -> &'static str {
    let found = parse("hostile.yaml", bytes).unwrap_err();
    let shown = render(&found, &String::from_utf8_lossy(bytes), "hostile.yaml", Style::Plain);
    assert!(shown.len() < 200_000, "{} bytes of diagnostics", shown.len());
    found.items()[0].code.as_str()
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let text = format!("version: {}{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(code_of(text.as_bytes()), "O1004");
        assert_eq!(code_of(open.repeat(300_000).as_bytes()), "O1004");
    }
    let block: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(code_of(block.as_bytes()), "O1004");
    assert_eq!(code_of("- ".repeat(100_000).as_bytes()), "O1004");
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = vec![format!("*a{}", level - 1); 10].join(", ");
        text = format!("{text}a{level}: &a{level} [{previous}]\n");
    }
    assert_eq!(code_of(text.as_bytes()), "O1004");
    let aliases = format!("a: &a x\nb: [{}]\n", "*a, ".repeat(100_000));
    assert_eq!(code_of(aliases.as_bytes()), "O1004");
    assert_eq!(code_of(b"a: &a [*a]\n"), "O1007");
    let anchors: String = (0..10_000).map(|at| format!("k{at}: &a{at} x\n")).collect();
    assert_eq!(code_of(anchors.as_bytes()), "O1004");
}

#[test]
fn large_files_are_refused_unread() {
    assert_eq!(code_of(&vec![b'a'; MOST_BYTES + 1]), "O1002");
    assert_eq!(code_of(&vec![0xff; 100 * 1024 * 1024]), "O1002");
}

#[test]
fn files_just_within_the_limit_get_a_bounded_answer() {
    let keys: String = (0..90_000).map(|at| format!("key{at}: 1\n")).collect();
    let found = parse("keys.yaml", keys.as_bytes()).unwrap_err();
    assert!(found.omitted() > 0 && found.items().len() <= 100);
    assert_eq!(code_of(format!("name: \"{}\"", "x".repeat(MOST_BYTES - 100)).as_bytes()), "O1012");
    assert_eq!(code_of("[],".repeat(1_000_000).as_bytes()), "O1003");
    assert_eq!(code_of(format!("[{}]", "1,".repeat(1_000_000)).as_bytes()), "O1004");
    assert_eq!(code_of("\"".repeat(1_000_000).as_bytes()), "O1003");
    assert_eq!(code_of("# comment\n".repeat(300_000).as_bytes()), "O1005");
    assert_eq!(code_of("a: b: ".repeat(300_000).as_bytes()), "O1003");
}

#[test]
fn files_that_are_no_plan_are_refused() {
    for (bytes, code) in [
        (&b""[..], "O1005"),
        (b"\n\n  \n", "O1005"),
        (b"---\n", "O1005"),
        (b"null\n", "O1005"),
        (b"\xef\xbb\xbf", "O1005"),
        (b"- a\n- b\n", "O1010"),
        (b"just words\n", "O1010"),
        (b"42\n", "O1010"),
        (b"\xff\xfev\0e\0", "O1001"),
        (b"name: \xe9t\xe9\n", "O1001"),
        (b"MZ\x90\0\x03", "O1001"),
        (b"a: 1\n\tb: 2\n", "O1003"),
        (b"name: a\0b\n", "O1003"),
        (b"{\"version\": 1}", "O1012"),
        (b"? [a, b]\n: c\n", "O1010"),
        (b"? {a: b}\n: c\n", "O1010"),
        (b"~: 1\n", "O1010"),
        (b"&a *a\n", "O1003"),
        (b"%YAML 9.9\n---\na: 1\n", "O1003"),
    ] {
        let found = parse("x", bytes).unwrap_err();
        let codes: Vec<&str> = found.items().iter().map(|item| item.code.as_str()).collect();
        assert!(codes.contains(&code), "{:?}: {codes:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_change_nothing() {
    let change = parsed("t1", T1).change;
    let windows = format!("\u{feff}{}", T1.replace('\n', "\r\n"));
    assert_eq!(parsed("t1", &windows).change, change);
    let text = windows.replace("at_once", "atonce");
    let found = parse("t1", text.as_bytes()).unwrap_err();
    let shown = render(&found, &text, "t1", Style::Plain);
    assert!(shown.contains("^^^^^^ unknown key"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to a file on its way, the answer is a change or diagnostics with places inside the file.
    #[test]
    fn damaged_plans_never_panic(
        plan in 0..9_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..12),
    ) {
        let plans = plans();
        let mut bytes = plans[plan % plans.len()].1.clone().into_bytes();
        for (place, byte, kind) in edits {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b" \n:-[]{}#&*!|>'\"%@`\t,?"[usize::from(byte) % 22]),
                2 => { bytes.remove(at); }
                _ => { let end = (at + usize::from(byte)).min(bytes.len()); bytes.drain(at..end); }
            }
            prop_assume!(!bytes.is_empty());
        }
        if let Err(found) = parse("damaged.yaml", &bytes) {
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(!found.items().is_empty());
            prop_assert!(!render(&found, &text, "damaged.yaml", Style::Colour).is_empty());
            prop_assert!(found.items().iter().all(|item| item.span.start <= item.span.end && item.span.end <= bytes.len()));
        }
    }
}
