use super::{Detail, Instead, Preview, doings, dot, gantt, json, mermaid, text};
use crate::fixture::{asked, at, plan, seen, server};
use crate::style::{Look, Style};
use crate::text::width;
use jiff::SignedDuration;
use orchestrate_model::{Answer, PoolName, RunId, ServiceName, Verdict};
use orchestrate_planner::forecast::{Forecast, PlacedBatch, Placement};
use orchestrate_planner::report::ServerSafety;
use orchestrate_planner::windows::Opening;
use orchestrate_planner::{Plan, Report, StepKind};

pub(super) fn report(plan: &Plan) -> Report {
    Report {
        order: Vec::new(),
        safety: vec![ServerSafety {
            pool: plan.change().pools[0].name.clone(),
            server: server(1),
            asked: asked(),
            silent: false,
        }],
        forecast: Forecast {
            servers: 3,
            one_server: SignedDuration::from_mins(219),
            one_likely: SignedDuration::from_mins(100),
            room: SignedDuration::from_mins(219),
            likely: SignedDuration::from_mins(300),
            length: SignedDuration::from_mins(657),
            measured: 0,
            lower_bound: SignedDuration::from_mins(657),
            begins: Some(at(0)),
            ends: Some(at(86_400)),
            openings: Some(2),
            batches_per_opening: Some(1),
            schedule: schedule(),
        },
        findings: Vec::new(),
    }
}

/// Two servers in the first night, one in the second.
fn schedule() -> Vec<PlacedBatch> {
    let hour = |hour: i64| at(3600 * hour);
    let placed = |number: u32, begins: i64, night: i64| {
        let opening = Some(Opening { starts: hour(night), ends: hour(night + 14) });
        let begins = hour(begins);
        let placed = Some(Placement { begins, ends: begins + SignedDuration::from_mins(460), opening });
        let servers = vec![server(number as usize + 1)];
        PlacedBatch { pool: PoolName::new(crate::fixture::POOL).unwrap(), batch: number, servers, placed }
    };
    vec![placed(0, 0, 0), placed(1, 24 * 7, 24 * 7), placed(2, 24 * 14, 24 * 14)]
}

pub(super) fn with_preview<T>(use_it: impl FnOnce(&Preview<'_>) -> T) -> T {
    let (plan, seen) = (plan(), seen());
    let report = report(&plan);
    let fingerprint = "5e3a91c07d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a089f86";
    use_it(&Preview { plan: &plan, fingerprint, seen: &seen, report: &report, instead: None })
}

#[test]
fn the_preview_says_what_each_step_would_do() {
    let said = with_preview(|preview| text(preview, Detail::Full, &Look::plain()));
    assert!(said.lines().all(|line| width(line) <= 100), "a line is wider than 100 columns");
    insta::assert_snapshot!(said);
}

#[test]
fn before_a_run_everything_that_is_not_safe_is_said_in_brief() {
    let said = with_preview(|preview| text(preview, Detail::Brief, &Look::plain()));
    insta::assert_snapshot!(said);
}

#[test]
fn servers_with_the_same_answers_are_told_once() {
    let (plan, seen) = (plan(), seen());
    let mut report = report(&plan);
    let first = report.safety[0].clone();
    report.safety.push(ServerSafety { server: server(2), ..first });
    let preview = Preview { plan: &plan, fingerprint: "5e3a91c07d65", seen: &seen, report: &report, instead: None };
    for detail in [Detail::Full, Detail::Brief] {
        let said = text(&preview, detail, &Look::plain());
        assert_eq!(said.matches("192.0.2.12 is missing").count(), 1, "{said}");
        assert!(said.contains("  fe1, fe2  NO: "), "{said}");
    }
    let other = report.safety[1].asked.iter_mut().find(|asked| asked.verdict.is_yes()).unwrap();
    other.verdict = Verdict::No("fe9 is down".to_owned());
    let preview = Preview { plan: &plan, fingerprint: "5e3a91c07d65", seen: &seen, report: &report, instead: None };
    let said = text(&preview, Detail::Brief, &Look::plain());
    assert!(said.contains("fe1.contoso.example  NO: ") && said.contains("fe2.contoso.example  NO: "), "{said}");
}

/// A plan of so many servers of one pool, all alike.
pub(super) fn large(servers: usize) -> Plan {
    let mut written = serde_json::to_value(plan()).unwrap();
    let (pool, work) = (written["change"]["pools"][0]["servers"][0].clone(), written["work"][0].clone());
    let steps = written["steps"].as_array().unwrap().clone();
    let of_first: Vec<_> = steps.iter().filter(|step| step["target"]["server"] == 0).cloned().collect();
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for number in 1..=servers {
        let name = serde_json::json!(server(number));
        let (mut host, mut work) = (pool.clone(), work.clone());
        (host["name"], work["server"]) = (name.clone(), name);
        all[0].push(host);
        all[1].push(work);
        for step in &of_first {
            let mut step = step.clone();
            step["id"] = all[2].len().into();
            step["target"]["server"] = (number - 1).into();
            all[2].push(step);
        }
    }
    let [hosts, works, steps] = all;
    written["change"]["pools"][0]["servers"] = hosts.into();
    (written["work"], written["steps"]) = (works.into(), steps.into());
    (written["edges"], written["findings"]) = (serde_json::json!([]), serde_json::json!([]));
    serde_json::from_value(written).unwrap()
}

#[test]
fn a_preview_grows_with_what_differs_and_not_with_the_servers() {
    let lines = |servers: usize| {
        let plan = large(servers);
        let report = Report { safety: Vec::new(), ..report(&plan) };
        let seen = std::collections::BTreeMap::new();
        let preview = Preview { plan: &plan, fingerprint: "5e3a91c07d65", seen: &seen, report: &report, instead: None };
        text(&preview, Detail::Full, &Look::plain()).lines().count()
    };
    let (three, sixteen, thousand) = (lines(3), lines(16), lines(1000));
    assert!(sixteen <= three + 20, "{three} lines for 3, {sixteen} for 16");
    assert!(thousand <= 500, "{thousand} lines for 1,000 servers are more than ten screens");
}

#[test]
fn colours_change_no_word() {
    let plain = with_preview(|preview| text(preview, Detail::Full, &Look::plain()));
    let coloured = with_preview(|preview| text(preview, Detail::Full, &Look { style: Style::Ansi, ..Look::plain() }));
    assert_ne!(plain, coloured);
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(start) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..start]);
        let end = rest[start..].find('m').unwrap();
        rest = &rest[start + end + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(plain, stripped);
}

#[test]
fn the_preview_for_programs_is_versioned() {
    let said = with_preview(json);
    assert_eq!(said["version"], 1);
    insta::assert_snapshot!(serde_json::to_string_pretty(&said).unwrap());
}

#[test]
fn graphs_carry_the_reasons_of_their_edges() {
    insta::assert_snapshot!("dot", dot(&plan()));
    insta::assert_snapshot!("mermaid", mermaid(&plan()));
    insta::assert_snapshot!("gantt", with_preview(|preview| gantt(preview, &Look::plain())));
}

#[test]
fn p7_a_preview_says_first_what_a_start_would_do_instead() {
    let go_on = Instead::GoOn {
        run: RunId::new("20261128-2100-abcd").unwrap(),
        said: "run 20261128-2100-abcd, begun at 22:00: 1 of 3 servers ended, in hand: fe2".to_owned(),
    };
    let refused = Instead::Refused { exit_code: 7, why: "the pool is held by ann on admin1".to_owned() };
    for (instead, words, key) in [
        (go_on, "in hand: fe2 is unfinished: a start would go on with it", "go-on"),
        (refused, "a start would be refused now, with exit code 7: the pool is held by ann on admin1", "be-refused"),
    ] {
        with_preview(|preview| {
            let preview = Preview { instead: Some(&instead), ..*preview };
            let said = text(&preview, Detail::Full, &Look { width: 200, ..Look::plain() });
            assert!(said.lines().next().unwrap().contains(words), "{said}");
            assert_eq!(json(&preview)["instead"]["would"], key);
        });
    }
    assert!(with_preview(|preview| json(preview)["instead"].is_null()));
}

#[test]
fn services_are_named_in_the_order_of_what_depends_on_them() {
    let (plan, mut seen) = (plan(), seen());
    let pool = seen.values_mut().next().unwrap();
    let Answer::Known(services) = &mut pool.servers.get_mut(&server(1)).unwrap().services else { panic!("seen") };
    let name = |text: &str| ServiceName::new(text).unwrap();
    services.get_mut(&name("RTCSRV")).unwrap().dependents = Answer::Known(vec![name("RTCRGS")]);
    let seen = &seen.values().next().unwrap().servers[&server(1)];
    let of = |kind| {
        let step = plan.steps().iter().find(|step| step.kind == kind).unwrap();
        let doings = doings(&plan, step, Some(seen));
        doings.iter().flat_map(|doing| doing.services.iter().map(ToString::to_string)).collect::<Vec<_>>()
    };
    assert_eq!(of(StepKind::Block)[..2], ["RTCSRV", "RTCRGS"], "as the plan names them");
    assert_eq!(of(StepKind::Stop)[..2], ["RTCRGS", "RTCSRV"], "dependents first");
    assert_eq!(of(StepKind::Return)[..2], ["RTCSRV", "RTCRGS"], "what others depend on first");
}

#[test]
fn what_a_pool_needs_to_start_is_said_as_the_documentation_prints_it() {
    // For 2 servers and so on; none is printed for 13 to 15, and the last is for 2019.
    const PRINTED: &str = "1 3 3 4 5 5 6 7 8 9 10 - - - 12";
    for (product, later) in [("lync2013", false), ("sfb2015", false), ("sfb2019", true), ("sfbse", true)] {
        for servers in 1..=16_usize {
            let mut written = serde_json::to_value(plan()).unwrap();
            let pool = &mut written["change"]["pools"][0];
            pool["product"] = product.into();
            let one = pool["servers"][0].clone();
            let all = (1..=servers).map(|number| {
                let mut one = one.clone();
                one["name"] = server(number).as_str().into();
                one
            });
            pool["servers"] = all.collect();
            for list in ["work", "steps", "edges", "findings"] {
                written[list] = serde_json::json!([]);
            }
            let (plan, seen) = (serde_json::from_value::<Plan>(written).unwrap(), seen());
            let report = Report { safety: Vec::new(), ..report(&plan) };
            let preview =
                Preview { plan: &plan, fingerprint: "5e3a91c07d65", seen: &seen, report: &report, instead: None };
            let said = text(&preview, Detail::Full, &Look { width: 200, ..Look::plain() });
            let line = said.lines().find_map(|line| line.strip_prefix("  start     "));
            let row = servers.checked_sub(2).and_then(|place| PRINTED.split(' ').nth(place));
            let row = row.filter(|need| *need != "-" && if later { servers != 2 } else { servers <= 12 });
            let pool = "pool01.contoso.example";
            let wanted = match row {
                Some(need) => format!("after a full stop {pool} starts once {need} of its {servers} servers run"),
                None => format!("after a full stop: not documented for {servers} servers ({pool})"),
            };
            // A pool of one server has nothing to wait for.
            assert_eq!(line, Some(wanted.as_str()).filter(|_| servers > 1), "{product}");
        }
    }
}
