use super::{About, Ground, REMIND_AFTER, Waits, head, row as live_row, server};
use crate::ahead::Ahead;
use crate::fixture::{self, at};
use crate::stopping::{self, Seat};
use crate::style::Look;
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::View;
use orchestrate_engine::record::{ServerEnd, StopWhy};
use orchestrate_engine::state::Hold;
use orchestrate_engine::view::{Phase, ServerView, Wait};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::{Answer, PoolName};
use orchestrate_planner::{StepId, StepKind};

fn wait() -> Wait {
    Wait {
        what: "42 sessions to end by themselves".to_owned(),
        why: "RTCSRV has 42".to_owned(),
        since: at(0),
        until: Some(at(7200)),
        then: "the server stays blocked and you decide".to_owned(),
    }
}

fn row(number: usize, phase: Phase) -> ServerView {
    ServerView {
        pool: PoolName::new(fixture::POOL).unwrap(),
        server: fixture::server(number),
        phase,
        started: Some(at(0)),
        out: false,
        failed: false,
        changed: true,
        sessions_left: None,
        sessions_first: None,
        alarm: None,
        let_in: None,
        wait: None,
        steps: (3, 11),
    }
}

fn view() -> View {
    let step = |kind, back| Phase::Step { kind, since: at(60), back };
    let hold = Hold {
        since: at(60),
        step: StepId(3),
        cause: orchestrate_model::hold::HoldCause::InstallerLost,
        reason: "the installer vanished".to_owned(),
        choices: vec![HoldChoice::Retry, HoldChoice::Abandon],
    };
    let mut servers = vec![
        row(1, Phase::Ended(ServerEnd::Finished)),
        row(2, step(StepKind::Drain, false)),
        row(3, Phase::Waiting),
        row(4, step(StepKind::Return, true)),
        row(5, Phase::Held(hold)),
        row(6, Phase::Ended(ServerEnd::Out { why: "exit code 1603".to_owned() })),
        row(7, step(StepKind::Drain, false)),
    ];
    servers[1].sessions_left = Some(Answer::Known(42));
    servers[1].wait = Some(wait());
    servers[1].out = true;
    servers[6].sessions_left = Some(Answer::unknown("the counter cannot be read"));
    View { run: None, at: at(100), started: Some(at(0)), stop: None, ended: None, recovers: false, servers }
}

#[test]
fn p11_each_server_says_where_it_is_and_what_it_waits_for() {
    let view = view();
    let look = Look::plain();
    let mut said = Vec::new();
    for position in 0..view.servers.len() {
        said.extend(server(&view, position, at(3700), &look));
    }
    said.push("at 60 columns:".to_owned());
    said.extend(server(&view, 1, at(3700), &Look { width: 60, ..look }));
    insta::assert_snapshot!(said.join("\n"));
}

/// The whole live view but for a question.
fn pictured(ground: Ground, view: &View, now: Timestamp, width: usize) -> Vec<String> {
    let (plan, look) = (fixture::plan(), Look { width, ..Look::plain() });
    let about = About { ground, plan: &plan, ahead: &Ahead::of(&plan) };
    let mut lines = head(&about, view, now, &look);
    for position in 0..view.servers.len() {
        lines.extend(live_row(&about, view, position, now, &look));
    }
    lines
}

#[test]
fn the_live_view_fits_terminals_of_every_width_and_leaves_nothing_out() {
    let mut view = view();
    view.servers[1].sessions_first = Some(60);
    view.servers.truncate(5);
    let mut said = Vec::new();
    for width in [40, 60, 80, 120, 200] {
        let lines = pictured(Ground::Lab, &view, at(3700), width);
        for line in &lines {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let all = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        for words in ["1 of 5 servers done", "1 out", "1:01:40", "60 sessions", "until 23:00", "decide: retry, abandon"]
        {
            assert!(all.contains(words), "{width}: {words} is missing: {all}");
        }
        said.push(format!("at {width} columns:\n{}", lines.join("\n")));
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn the_header_says_on_what_the_run_works_and_when_it_is_likely_over() {
    let mut view = view();
    view.servers.truncate(3);
    let said = |view: &View, now| pictured(Ground::Real, view, now, 100)[..2].join("\n");
    assert!(
        said(&view, at(3700)).starts_with("pool01.contoso.example | pool01 November update\n[#####-----------] 1 of 3")
    );
    // fe2 is a minute into its drain of two hours; fe3 has everything before it.
    let first = Ahead::of(&fixture::plan()).likely_end(&view, at(60)).unwrap();
    let later = Ahead::of(&fixture::plan()).likely_end(&view, at(3660)).unwrap();
    assert_eq!(first, later, "a step within its time moves no end");
    let late = Ahead::of(&fixture::plan()).likely_end(&view, at(60 + 9000)).unwrap();
    assert_eq!(late.duration_since(first), SignedDuration::from_mins(30), "a late one does");
    let row = pictured(Ground::Real, &view, at(60 + 9000), 100).join("\n");
    assert!(row.contains("2:30:00, overdue by 30m"), "{row}");
    view.servers[2].phase = view.servers[1].phase.clone();
    view.servers[1].phase = self::view().servers[4].phase.clone();
    assert!(said(&view, at(3700)).contains("its end depends on you"), "{}", said(&view, at(3700)));
    view.stop = Some(StopWhy::Operator("ann asked".to_owned()));
    assert!(!said(&view, at(3700)).contains("likely"), "it stops before");
}

#[test]
fn a_stop_says_how_long_what_is_finished_first_usually_takes() {
    let (mut view, plan, look) = (view(), fixture::plan(), Look::plain());
    let ahead = Ahead::of(&plan);
    view.stop = Some(StopWhy::Operator("ann asked".to_owned()));
    view.servers.truncate(3);
    let said =
        |view: &View| stopping::lines_with_time(view, Seat::Here, (&ahead, at(100)), &look).join(" ").replace("  ", "");
    assert!(said(&view).contains("first fe2 goes back as it was, usually within 35m;"), "{}", said(&view));
    view.servers[1].phase = Phase::Step { kind: StepKind::Patch, since: at(100), back: false };
    assert!(said(&view).contains("fe2 is finished, usually within 1h 42m"), "{}", said(&view));
    assert!(said(&view).ends_with("; the installer on fe2 goes on by itself"), "{}", said(&view));
}

#[test]
fn a_wait_is_told_once_and_again_after_ten_minutes() {
    let (mut waits, view, look) = (Waits::default(), view(), Look::plain());
    let first = waits.entries(&view, at(100), &look);
    assert_eq!(first.len(), 1);
    assert!(first[0].contains("waits for 42 sessions"), "{}", first[0]);
    assert!(waits.entries(&view, at(100) + REMIND_AFTER - SignedDuration::from_secs(1), &look).is_empty());
    assert_eq!(waits.entries(&view, at(100) + REMIND_AFTER, &look).len(), 1);
}

#[test]
fn p11_a_wait_whose_deadline_has_moved_is_told_again_and_never_with_the_old_one() {
    let (mut waits, mut view, look) = (Waits::default(), view(), Look::plain());
    view.servers.truncate(2);
    let until = |view: &mut View, at: Timestamp| view.servers[1].wait.as_mut().unwrap().until = Some(at);
    until(&mut view, at(4000));
    assert_eq!(waits.entries(&view, at(100), &look).len(), 1);
    // The machine stood still for a quarter of an hour; the view is from before.
    assert!(waits.entries(&view, at(1000), &look).is_empty(), "the deadline of this view counts no more");
    until(&mut view, at(4900));
    let again = waits.entries(&view, at(1001), &look);
    assert!(again.len() == 1 && again[0].contains("until 22:21"), "{again:?}");
    assert!(waits.entries(&view, at(1002), &look).is_empty());
}

#[test]
fn p11_a_wait_whose_time_is_over_is_not_told_until_it_has_another() {
    let (mut waits, mut view, look) = (Waits::default(), view(), Look::plain());
    view.servers.truncate(2);
    view.servers[1].wait.as_mut().unwrap().until = Some(at(900));
    // The process was stopped for a while, and nothing has been looked at since.
    for seconds in [1000, 1001, 1002, 2500, 2501] {
        assert_eq!(waits.entries(&view, at(seconds), &look), Vec::<String>::new(), "{seconds}");
    }
    let row = server(&view, 1, at(1000), &look).join("\n");
    assert!(row.contains("its time was up") && !row.contains(" at most"), "{row}");
    view.servers[1].wait.as_mut().unwrap().until = Some(at(4900));
    assert_eq!(waits.entries(&view, at(2502), &look).len(), 1);
}

#[test]
fn a_server_that_its_pool_cannot_do_without_says_so_with_the_cause() {
    let mut view = view();
    let why = "at most 1 may be out, fe9 (no answer) is out already".to_owned();
    view.servers[1].alarm = Some(orchestrate_engine::state::Alarm { since: at(90), why });
    let lines = server(&view, 1, at(100), &Look::plain()).join("\n");
    assert!(lines.contains("the pool cannot do without it since") && lines.contains("fe9 (no answer)"), "{lines}");
}

#[test]
fn p11_a_run_that_is_to_stop_says_what_comes_first_and_what_a_second_ctrl_c_leaves() {
    let mut view = view();
    let look = Look::plain();
    assert!(stopping::lines(&view, Seat::Here, &look).is_empty(), "it does not stop");
    view.stop = Some(StopWhy::Operator("ann@control asked with Ctrl-C".to_owned()));
    view.servers[3].out = true;
    let lines = stopping::lines(&view, Seat::Here, &look);
    assert!(lines.iter().all(|line| line.chars().count() <= look.width), "nothing of it is cut: {lines:?}");
    let said = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    for words in [
        "stopping: first fe4 goes back as it was",
        "fe5 waits for your decision",
        "; a second Ctrl-C ends it at once and leaves fe2 and fe4 OUT of service",
    ] {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
    let elsewhere = stopping::lines(&view, Seat::Elsewhere, &look).join(" ");
    assert!(elsewhere.contains("a second Ctrl-C in its terminal"), "Ctrl-C here says nothing to the run: {elsewhere}");
}
