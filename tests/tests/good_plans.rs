//! What `check` calls good is good for every later stage: no driver, planner, lab or simulation refuses it afterwards.
#![cfg(test)]

use orchestrate_config::{Parsed, Style, parse, render};
use orchestrate_driver::Clock;
use orchestrate_driver_dns::NameServers;
use orchestrate_driver_haproxy::HaproxyReader;
use orchestrate_lab::{Lab, LabConfig};
use orchestrate_model::pool::Balancer;
use orchestrate_tests::cli::{Sandbox, repository};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the plan is changed, and how the line begins there.
const PLACES: [(&str, &str); 15] = [
    ("name: pool01 November update", "name: "),
    ("reason: CU November, CHG0031337", "reason: "),
    ("\"192.0.2.10:9999\"", ""),
    ("backend: pool01-web", "backend: "),
    ("address: 192.0.2.12", "address: "),
    ("upgrade_domain: UD2", "upgrade_domain: "),
    ("{site: paris}", "{site: "),
    (
        "instructions: Install-CsDatabase -Update -ConfiguredDatabases -SqlServerFqdn sql1.contoso.example",
        "instructions: ",
    ),
    ("at_once: 1", "at_once: "),
    ("deadline: 1h", "deadline: "),
    ("[/silentmode]", "["),
    ("sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "sha256: "),
    ("soak: 20m", "soak: "),
    ("start: \"20:00\"", "start: "),
    ("duration: 10h", "duration: "),
];

/// What is written there: what people write, what other languages write, and what was made to do harm.
const VALUES: [&str; 46] = [
    "7E4567",
    "0x10",
    "1_000",
    "yes",
    "~",
    "1",
    "2",
    "+1",
    "-1",
    "010",
    "1e3",
    ".inf",
    ".nan",
    "1.5h",
    "PT1H",
    "1h 30m",
    "90m",
    "0s",
    "500ms",
    "8784h",
    "8785h",
    "!!int 1",
    "!!str 1",
    "\"\"",
    "\" a\"",
    "\"a \"",
    "\"a\\nb\"",
    "\"a\\tb\"",
    "\"a\\u200bb\"",
    "\"a\\u202eb\"",
    "\"a\\0b\"",
    "é",
    "日本",
    "a;b",
    "a/b",
    "a b",
    "'::1:99'",
    "'[::1]:99'",
    "/run/haproxy.sock",
    "'lb:99'",
    "127.0.0.1",
    "'24:00'",
    "'22:00'",
    "2026-12-19",
    "[]",
    "{}",
];

fn t1() -> String {
    std::fs::read_to_string(repository().join("plans/contoso-front-end.yaml")).unwrap()
}

/// Every plan of the table above that is called good.
fn good() -> Vec<(String, Parsed)> {
    let plan = t1();
    let mut good = Vec::new();
    for (place, lead) in PLACES {
        assert!(plan.contains(place), "the plan has no {place}");
        for value in VALUES {
            let tail = match place.chars().last() {
                Some(last @ ('}' | ']')) => last.to_string(),
                _ => String::new(),
            };
            let text = plan.replacen(place, &format!("{lead}{value}{tail}"), 1);
            match parse("plan.yaml", text.as_bytes()) {
                Ok(parsed) => good.push((text, parsed)),
                Err(found) => assert!(!found.items().is_empty(), "refused without a word: {text}"),
            }
        }
    }
    good
}

#[test]
fn what_check_calls_good_is_planned_and_simulated() {
    let good = good();
    assert!(good.len() > 100, "{} good plans prove little", good.len());
    let sandbox = Sandbox::default();
    // Neighbours in the table differ in one value; a third of them is enough of each place.
    for (text, _) in good.iter().step_by(3) {
        let plan = sandbox.file("plan.yaml", text).display().to_string();
        let preview = sandbox.run(&[&plan, "--dry-run", "--offline"]);
        // No window of a plan may ever be long enough, which both say as a start would.
        assert!(matches!(preview.code, Some(0 | 9)), "{text}\n{}", preview.err);
        let simulated = sandbox.run(&["simulate", &plan, "--runs", "1"]);
        assert!(matches!(simulated.code, Some(0 | 5 | 9 | 11)), "{text}\n{}", simulated.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_check_calls_good_is_taken_by_the_drivers_and_the_lab() {
    for (text, Parsed { change, .. }) in good().into_iter().step_by(3) {
        for pool in &change.pools {
            let Balancer::Haproxy(haproxy) = &pool.load_balancing.balancer else { continue };
            let names = Arc::new(NameServers::new(vec!["127.0.0.1:9".parse().unwrap()], Clock::real()));
            let reader = HaproxyReader::new(haproxy, (&pool.name, &pool.servers), names, Clock::real());
            assert!(reader.is_ok(), "{text}\n{:?}", reader.err());
        }
        match Lab::start(LabConfig::new(change)).await {
            Ok(lab) => drop(lab.stop().await),
            Err(error) => assert!(error.to_string().is_empty(), "{text}\n{error}"),
        }
    }
}

/// Returns a case from people who do this job. They lie beside the repository; where they do not, the test has nothing
/// to say, except where everything has to be there.
fn case(name: &str) -> Option<String> {
    let path: PathBuf = repository().join("../shared/cases").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{}: {error}", path.display());
            println!("passed over: {} is not there", path.display());
            None
        }
    }
}

fn patch_of(text: &str) -> orchestrate_model::change::Patch {
    let parsed = parse("case.yaml", text.as_bytes());
    let rendered = parsed.as_ref().err().map(|found| render(found, text, "case.yaml", Style::Plain));
    assert!(rendered.is_none(), "{}", rendered.unwrap_or_default());
    parsed.unwrap().change.maintenance.installers[0].clone()
}

#[test]
fn a_signed_exit_code_of_a_plan_matches_the_unsigned_one_of_the_runner() {
    let Some(text) = case("r06-signed-exit-code.yaml") else { return };
    let meaning = patch_of(&text).meaning_of(2_147_945_410);
    assert_eq!(meaning, Some(orchestrate_model::change::ExitMeaning::RestartNeeded));
}

#[test]
fn a_hash_is_taken_as_certutil_prints_it() {
    let Some(text) = case("r16-hash-as-certutil-prints-it.yaml") else { return };
    assert_eq!(patch_of(&text).sha256, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
}
