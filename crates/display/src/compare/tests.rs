use super::{Difference, Side, Subject, Weight, brief, compare, is_another, matters, rules, text};
use crate::fixture;
use crate::style::Look;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::observe::FileFacts;
use orchestrate_model::{Answer, Change, PoolName, PoolObservation, RunState, ServiceName};
use orchestrate_planner::{Observations, Plan, Report, make};
use std::collections::BTreeMap;

struct Made {
    plan: Plan,
    report: Report,
    seen: BTreeMap<PoolName, PoolObservation>,
    made: Timestamp,
}

impl Made {
    fn of(change: &Change, seen: BTreeMap<PoolName, PoolObservation>) -> Self {
        let made = fixture::at(0);
        let (plan, report) =
            make(change, &Observations { pools: seen.clone(), ..Observations::default() }, made).unwrap();
        Self { plan, report, seen, made }
    }

    fn side(&self) -> Side<'_> {
        Side { plan: &self.plan, report: &self.report, seen: &self.seen, made: self.made }
    }
}

fn change() -> Change {
    fixture::plan().change().clone()
}

fn between(before: &Made, now: &Made) -> Vec<Difference> {
    compare(&before.side(), &now.side())
}

fn has(found: &[Difference], subject: Subject, weight: Weight, words: &str) {
    let is = |each: &Difference| each.subject == subject && each.weight == weight && each.text.contains(words);
    assert!(found.iter().any(is), "{words} is missing: {found:#?}");
}

#[test]
fn the_same_plan_has_no_differences_whatever_moves_by_itself() {
    let before = Made::of(&change(), fixture::seen());
    let mut seen = fixture::seen();
    for server in seen.values_mut().flat_map(|pool| pool.servers.values_mut()) {
        server.sessions.clear();
        server.taken = fixture::at(3);
    }
    let now = Made::of(&change(), seen);
    let found = between(&before, &now);
    assert!(!is_another(&found) && found.iter().all(|each| each.subject == Subject::Findings), "{found:#?}");
    assert!(between(&before, &before).is_empty());
}

#[test]
fn what_plan_files_say_differently_is_told_in_words() {
    let (before, mut other) = (change(), change());
    other.maintenance.soak = SignedDuration::from_mins(30);
    other.maintenance.at_once = 2;
    let patch = &mut other.maintenance.installers[0];
    patch.sha256 = "0".repeat(64);
    patch.arguments = vec!["/key=hush".to_owned()];
    other.windows = serde_json::from_value(serde_json::json!([{"every": {"weekly": ["saturday"]}, "start": "22:00:00",
        "duration": "PT6H", "timezone": "Europe/Paris"}]))
    .unwrap();
    other.pools[0].servers.remove(0);
    let mut added = other.pools[0].servers[0].clone();
    added.name = fixture::server(4);
    other.pools[0].servers.push(added);
    let found = rules(&before, &other);
    let told = text(&found, &Look::plain());
    insta::assert_snapshot!(told);
    assert!(!told.contains("hush"), "{told}");
    assert!(is_another(&found));
}

#[test]
fn a_service_that_is_stopped_by_now_and_another_installer_make_another_plan() {
    let before = Made::of(&change(), fixture::seen());
    let mut seen = fixture::seen();
    let pool = seen.values_mut().next().unwrap();
    let server = pool.servers.get_mut(&fixture::server(1)).unwrap();
    if let Answer::Known(services) = &mut server.services {
        services.get_mut(&ServiceName::new("RTCRGS").unwrap()).unwrap().state = Answer::Known(RunState::Stopped);
    }
    server.file = Answer::Known(FileFacts::Missing);
    let mut earlier = fixture::seen();
    earlier.values_mut().next().unwrap().servers.get_mut(&fixture::server(1)).unwrap().file =
        Answer::Known(FileFacts::Found { sha256: "ab".repeat(32) });
    let before = Made { seen: earlier, ..before };
    let found = between(&before, &Made::of(&change(), seen));
    has(&found, Subject::Seen, Weight::Another, "fe1.contoso.example: RTCRGS: was running, is stopped");
    has(&found, Subject::Seen, Weight::Another, "the installer was there with SHA-256 abab");
    assert!(brief(&found).contains("RTCRGS"), "{}", brief(&found));
}

#[test]
fn an_answer_that_is_missing_by_now_is_told_and_refuses_by_its_finding_alone() {
    let before = Made::of(&change(), fixture::seen());
    let mut seen = fixture::seen();
    let pool = seen.values_mut().next().unwrap();
    pool.servers.get_mut(&fixture::server(2)).unwrap().services = Answer::unknown("the connection was reset");
    let found = between(&before, &Made::of(&change(), seen));
    has(&found, Subject::Seen, Weight::Matters, "its services: known then, not known now: the connection was reset");
}

#[test]
fn a_server_that_was_never_asked_is_no_difference_in_what_was_seen() {
    let before = Made::of(&change(), fixture::seen());
    let now = Made::of(&change(), BTreeMap::new());
    let found = between(&before, &now);
    assert!(!found.iter().any(|each| each.subject == Subject::Seen), "{found:#?}");
    let weighs = |each: &Difference| each.subject == Subject::Findings && each.weight != Weight::Aside;
    assert!(!found.iter().any(|each| weighs(each) && each.about.is_some()), "{found:#?}");
}

#[test]
fn servers_that_go_together_or_in_another_order_are_told() {
    let mut other = change();
    other.pools[0].servers.reverse();
    let (before, now) = (Made::of(&change(), BTreeMap::new()), Made::of(&other, BTreeMap::new()));
    let found = between(&before, &now);
    has(
        &found,
        Subject::Servers,
        Weight::Another,
        "its servers were listed as fe1, fe2, fe3, are listed as fe3, fe2, fe1",
    );
    has(&found, Subject::Order, Weight::Another, "the servers were taken as ");
    has(&found, Subject::Order, Weight::Another, "waits by now for");
}

#[test]
fn a_longer_drain_takes_longer_and_the_hour_of_a_plan_is_of_no_weight() {
    let mut other = change();
    other.maintenance.drain.deadline = SignedDuration::from_hours(3);
    let (before, now) = (Made::of(&change(), BTreeMap::new()), Made::of(&other, BTreeMap::new()));
    has(&between(&before, &now), Subject::Times, Weight::Matters, "all of it takes at worst: was ");
    let (plan, report) = make(&change(), &Observations::default(), fixture::at(7200)).unwrap();
    let later = Made { plan, report, seen: BTreeMap::new(), made: fixture::at(7200) };
    let found = between(&before, &later);
    assert!(!matters(&found) && !found.is_empty(), "{found:#?}");
    let told = text(&found, &Look::plain());
    assert!(told.starts_with("of no weight, since it follows from the time"), "{told}");
}

#[test]
fn what_a_file_says_cannot_write_over_the_screen() {
    let mut other = change();
    other.name = "a\u{1b}[2Jb".to_owned();
    let told = text(&rules(&change(), &other), &Look::plain());
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn what_a_new_server_lacks_because_nobody_has_asked_it_is_not_compared() {
    let mut other = change();
    let mut added = other.pools[0].servers[0].clone();
    added.name = fixture::server(4);
    other.pools[0].servers.push(added);
    let found = between(&Made::of(&change(), fixture::seen()), &Made::of(&other, fixture::seen()));
    has(&found, Subject::Servers, Weight::Another, "fe4.contoso.example of pool01.contoso.example is added");
    has(&found, Subject::Findings, Weight::Aside, "is not compared: not all of its servers were asked for both");
    assert!(!found.iter().any(|each| each.text.contains("is new: ")), "{found:#?}");
}

#[test]
fn a_warning_that_stands_for_more_servers_than_before_is_a_new_one() {
    let finding = |message: &str| orchestrate_planner::Finding {
        code: "O2014".to_owned(),
        severity: orchestrate_planner::Severity::Warning,
        pool: Some(PoolName::new(fixture::POOL).unwrap()),
        server: None,
        message: message.to_owned(),
        advice: String::new(),
    };
    let plan = |findings: Vec<orchestrate_planner::Finding>| -> Plan {
        let mut value = serde_json::to_value(fixture::plan()).unwrap();
        value["findings"] = serde_json::to_value(findings).unwrap();
        serde_json::from_value(value).unwrap()
    };
    let with = |message: &str| Made { plan: plan(vec![finding(message)]), ..Made::of(&change(), fixture::seen()) };
    let (two, four) = (with("fe1 is weak (and so for 1 more)"), with("fe1 is weak (and so for 3 more)"));
    has(&between(&two, &four), Subject::Findings, Weight::Another, "warning O2014 is new: fe1 is weak");
    assert!(!between(&two, &with("fe1 is weaker (and so for 1 more)")).iter().any(|each| each.text.contains("is new")));
}

#[test]
fn p10_what_two_plans_differ_in_is_told_without_what_may_be_a_secret() {
    let (before, mut other) = (Made::of(&change(), fixture::seen()), change());
    let installer = &mut other.maintenance.installers[0];
    installer.installer = r"\\svc:geheim@nas\CU\x.exe".to_owned();
    let mut second = installer.clone();
    second.installer = r"C:\CU\second.exe".to_owned();
    second.arguments = vec!["/password=geheim".to_owned()];
    other.maintenance.installers.push(second);
    let elsewhere = "curl -u svc:geheim https://robot.contoso.example".to_owned();
    other.pools[0].load_balancing.balancer = orchestrate_model::pool::Balancer::Elsewhere(elsewhere);
    let found = between(&before, &Made::of(&other, fixture::seen()));
    let all = format!("{found:?}");
    assert!(!all.contains("geheim"), "{all}");
    assert!(all.contains("second.exe") && all.contains("robot.contoso.example") || all.contains("elsewhere"), "{all}");
}
