use super::{Form, report};
use crate::fixture::{at, plan};
use crate::style::Look;
use crate::summary::Context;
use crate::templates::cell;
use jiff::Timestamp;
use orchestrate_engine::record::{Actor, Approved, Attended, RunHeader, RunOutcome, ServerEnd, Snapshot, StepEnd};
use orchestrate_engine::state::StepState;
use orchestrate_engine::{Record, RunState};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::hold::Terms;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{Answer, RunId, Version};
use orchestrate_planner::StepId;
use orchestrate_planner::plan::WorkId;
use std::collections::BTreeMap;

/// What a server may answer, to get out of a cell or of a page.
const HOSTILE: &str = "a|b <script>alert(1)</script> [x](javascript:1) `c`";

fn versions(version: &str) -> Vec<ComponentVersion> {
    [HOSTILE, "Core Components"]
        .map(|name| ComponentVersion { component: name.to_owned(), version: Version::parse(version).unwrap() })
        .into()
}

fn run() -> (RunState, Vec<(u64, Timestamp, Record)>) {
    let by = Actor { user: "ann".to_owned(), host: "admin1".to_owned(), process: 4711 };
    let id = RunId::new("20261128-2100-abcd").unwrap();
    let approvals = vec![Approved {
        by: "bob".to_owned(),
        role: HOSTILE.to_owned(),
        ticket: "CHG0031337".to_owned(),
        key: "SHA256:iek6JHv5404FzghFQSMY2Sf4hSNR".to_owned(),
        given: at(-7200),
        expires: at(7200),
    }];
    let header = RunHeader { run: id, plan: "5e3a91c0".repeat(8), by, attended: Attended::No, approvals };
    let snapshot = Snapshot {
        booted: at(-9),
        services: BTreeMap::new(),
        versions: versions("5.0.8308.0"),
        balancer: None,
        fabric: None,
    };
    let records = vec![
        Record::RunStarted(header.clone()),
        Record::StepStarted { step: StepId(1) },
        Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: HOSTILE.to_owned() },
        Record::Decided { work: WorkId(0), choice: HoldChoice::Retry, by: HOSTILE.to_owned(), terms: Terms::default() },
    ];
    let records = (0..).zip(records).map(|(seq, record)| (seq, at(60 * i64::try_from(seq).unwrap()), record)).collect();
    let mut state = RunState::new(&plan());
    (state.header, state.started, state.last) = (Some(header), Some(at(0)), Some(at(3600)));
    state.steps[1] = StepState::Ended { how: StepEnd::Done, at: at(120), proof: HOSTILE.to_owned() };
    state.ended = Some(RunOutcome::PartlyDone);
    let work = &mut state.work[0];
    (work.started, work.touched) = (Some(at(0)), true);
    work.snapshot = Some(snapshot);
    work.level = Some(Answer::Known(versions("5.0.8308.1149")));
    work.end = Some(ServerEnd::Out { why: HOSTILE.to_owned() });
    (state, records)
}

fn said(form: Form) -> String {
    let ((state, records), plan) = (run(), plan());
    let id = RunId::new("20261128-2100-abcd").unwrap();
    let context = Context { run: &id, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" };
    report(context, &state, &records, (form, &Look::plain())).unwrap()
}

#[test]
fn a_ticket_says_who_when_how_long_and_what_is_left() {
    insta::assert_snapshot!(said(Form::Markdown));
}

#[test]
fn p10_what_servers_and_people_write_is_text_in_every_form() {
    let markdown = said(Form::Markdown);
    assert!(!markdown.contains("<script>") && !markdown.contains("[x]("), "{markdown}");
    for row in markdown.lines().filter(|row| row.starts_with('|')) {
        let bars = row.replace("\\|", "").matches('|').count();
        assert!([3, 4, 6].contains(&bars), "{bars} bars: {row}");
    }
    assert_eq!(cell(""), " ");
}

#[test]
fn a_spreadsheet_has_a_line_per_server_and_no_formula() {
    let said = said(Form::Csv);
    let mut table = csv::Reader::from_reader(said.as_bytes());
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(&rows[0][2], "fe1.contoso.example");
    assert!(rows[0][9].contains("Core Components 5.0.8308.0 > 5.0.8308.1149"), "{:?}", rows[0]);
    assert_eq!(super::no_formula("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
}
