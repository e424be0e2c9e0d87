//! Every broken plan file in `tests/bad-plans` against the recorded rendering of its diagnostics.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests read files of the repository, which the crate itself never does"
)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_config::{Severity, Style, codes, parse, render};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad-plans")
}

fn bad_plans() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_bad_plan_is_refused_as_recorded() {
    insta::with_settings!({ snapshot_path => "../../../tests/bad-plans/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, bytes) in bad_plans() {
            let diagnostics = parse(&format!("{name}.yaml"), &bytes).expect_err(&name);
            assert!(diagnostics.items().iter().any(|item| item.severity == Severity::Error), "{name}");
            let source = String::from_utf8_lossy(&bytes);
            insta::assert_snapshot!(name, render(&diagnostics, &source, diagnostics.file_name(), Style::Plain));
        }
    });
}

#[test]
fn every_bad_plan_says_the_same_with_a_mark_and_line_ends_of_windows() {
    let rendered = |name: &str, text: &str| {
        let found = parse(name, text.as_bytes()).expect_err(name);
        render(&found, text, name, Style::Plain)
    };
    let mut compared = 0;
    for (name, bytes) in bad_plans() {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.starts_with('\u{feff}') || text.contains(['\r', '\0']) {
            continue;
        }
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(rendered(&name, &windows), rendered(&name, &text), "{name}");
        compared += 1;
    }
    assert!(compared > 50, "{compared} plans were compared");
}

#[test]
fn every_bad_plan_named_after_a_code_shows_that_code() {
    for (name, bytes) in bad_plans() {
        let Some(code) = name.split('-').next().filter(|code| code.starts_with('O')) else { continue };
        let diagnostics = parse(&name, &bytes).expect_err(&name);
        let found: Vec<&str> = diagnostics.items().iter().map(|item| item.code.as_str()).collect();
        assert!(found.contains(&code), "{name} shows {found:?}");
    }
}

#[test]
fn every_code_has_a_bad_plan() {
    let names: BTreeSet<String> = bad_plans().into_iter().map(|(name, _)| name).collect();
    for code in codes::ALL {
        // A file of more than 4 MiB is made by the test of hostile files.
        let found = *code == codes::TOO_LARGE || names.iter().any(|name| name.starts_with(code.as_str()));
        assert!(found, "no bad plan for {code}");
    }
}

#[test]
fn p10_a_secret_written_into_a_plan_is_not_shown() {
    for text in [
        "version: 1\npools:\n  p.contoso.example:\n    access: {winrm: {credentials: {user: a, password: correct-horse}}}\n",
        "version: 1\nPassword: correct-horse\n",
        "version: 1\n\"api_token\" : correct-horse\n",
        "secret: [correct-horse\n",
    ] {
        let diagnostics = parse("plan.yaml", text.as_bytes()).unwrap_err();
        for style in [Style::Plain, Style::Colour] {
            let shown = render(&diagnostics, text, "plan.yaml", style);
            assert!(!shown.contains("horse"), "{shown}");
        }
        assert!(!serde_json::to_string(&diagnostics).unwrap().contains("horse"));
    }
}

#[test]
fn an_empty_selection_is_told_apart_from_a_bad_plan() {
    let plan = |name: &str| parse(name, &std::fs::read(folder().join(format!("{name}.yaml"))).unwrap()).unwrap_err();
    assert!(plan("O1053-empty-scope").is_empty_selection());
    assert!(plan("O1056-scope-matches-nothing").is_empty_selection());
    assert!(!plan("O1050-unknown-service").is_empty_selection());
}

#[test]
fn equal_mistakes_of_many_pools_are_told_once_with_their_places() {
    let pool = |number: usize| {
        format!(
            "  p{number}.a.example:\n    product: lync2013\n    role: front-end\n    load_balancing: {{sip: dnss}}\n    servers: \
             {{s{number}.a.example: {{}}}}\n"
        )
    };
    let pools: String = (0..60).map(pool).collect();
    let text = format!("version: 1\nname: n\nreason: r\npools:\n{pools}maintenance: {{scope: all-services}}\n");
    let found = parse("plan.yaml", text.as_bytes()).unwrap_err();
    let shown = render(&found, &text, "plan.yaml", Style::Plain);
    assert_eq!(shown.matches("`dnss` is not one of the words").count(), 1, "{shown}");
    assert!(shown.contains("the same in line 13:27, 18:27,") && shown.contains("and 51 more places"), "{shown}");
}
