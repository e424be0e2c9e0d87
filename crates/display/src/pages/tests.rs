use super::*;
use crate::fixture::{at, plan, server};
use orchestrate_engine::record::{Actor, Attended, RunHeader, RunOutcome, StepEnd};
use orchestrate_engine::state::Hold;
use orchestrate_engine::view::{Phase, Wait};
use orchestrate_model::hold::{HoldCause, HoldChoice, Terms};
use orchestrate_model::{Answer, RunId};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::{Plan, StepId};

/// What a server, a plan or a person may write: markup, what turns text round, and a word without end.
fn hostile() -> String {
    format!("<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}\u{2066}{}", "W".repeat(5000))
}

fn hostile_plan() -> Plan {
    let mut value = serde_json::to_value(plan()).unwrap();
    value["change"]["name"] = hostile().into();
    value["change"]["reason"] = hostile().into();
    serde_json::from_value(value).unwrap()
}

struct Fixture {
    plan: Plan,
    state: RunState,
    records: Vec<(u64, Timestamp, Record)>,
    view: View,
    ahead: Ahead,
    run: RunId,
}

/// A run whose first server is held in its drain, five minutes after its deadline.
fn fixture(plan: Plan, attended: Attended) -> Fixture {
    let run = RunId::new("20261128-2100-abcd").unwrap();
    let by = Actor { user: hostile(), host: "admin1".to_owned(), process: 4711 };
    let header = RunHeader { run: run.clone(), plan: "5e3a91c0".repeat(8), by, attended, approvals: Vec::new() };
    let choices = vec![HoldChoice::Return, HoldChoice::Extend, HoldChoice::Cut, HoldChoice::Stop];
    let records = [
        (0, Record::RunStarted(header)),
        (0, Record::StepStarted { step: StepId(0) }),
        (20, Record::StepDone { step: StepId(0), how: StepEnd::Done, proof: hostile() }),
        (20, Record::StepStarted { step: StepId(1) }),
        (40, Record::StepDone { step: StepId(1), how: StepEnd::AlreadyDone, proof: hostile() }),
        (40, Record::StepStarted { step: StepId(2) }),
        (60, Record::StepDone { step: StepId(2), how: StepEnd::Done, proof: "blocked".to_owned() }),
        (60, Record::StepStarted { step: StepId(3) }),
        (7300, Record::Note { work: Some(WorkId(0)), text: hostile() }),
        (
            7300,
            Record::Held {
                work: WorkId(0),
                step: StepId(3),
                cause: HoldCause::ALL[0],
                reason: hostile(),
                choices: choices.clone(),
            },
        ),
    ];
    let records: Vec<_> = (0..).zip(records).map(|(seq, (seconds, record))| (seq, at(seconds), record)).collect();
    let mut state = RunState::new(&plan);
    for (_, at, record) in &records {
        // A fixture need not be a run that an engine would make.
        state.apply(&plan, *at, record).unwrap_or_default();
    }
    let mut view = View::of_records(&plan, &state, None).unwrap();
    let hold = Hold { since: at(7300), step: StepId(3), cause: HoldCause::ALL[0], reason: hostile(), choices };
    (view.servers[0].phase, view.servers[0].out) = (Phase::Held(hold), true);
    (view.servers[0].sessions_left, view.servers[0].sessions_first) = (Some(Answer::Known(2)), Some(40));
    view.servers[1].wait = Some(Wait { what: hostile(), why: hostile(), since: at(0), until: None, then: hostile() });
    let ahead = Ahead::of(&plan);
    Fixture { plan, state, records, view, ahead, run }
}

impl Fixture {
    fn show<T>(&self, holder: Option<&str>, ask: impl FnOnce(&Shown<'_>) -> T) -> T {
        let context = Context { run: &self.run, plan: &self.plan, program: "orchestrate", start: "orchestrate PLAN" };
        ask(&Shown {
            context,
            state: &self.state,
            records: &self.records,
            view: &self.view,
            ahead: &self.ahead,
            ground: Ground::Lab,
            holder,
            decided: Decided::Here,
            now: at(7600),
        })
    }

    fn page(&self) -> String {
        self.show(Some("ann@admin1"), |shown| live(shown, &Frame::default(), &Look::plain()).unwrap())
    }
}

fn signed_in() -> Frame {
    Frame { who: Some(hostile()), signs_in: true, proof: "proof".to_owned(), said: Some(hostile()) }
}

/// What a page of ours may not have, whoever writes its texts.
fn is_harmless(page: &str) {
    let told: String = page.chars().take(4000).collect();
    for bad in ["<script>", "<img", "\u{202e}", "\u{2066}"] {
        if let Some(at) = page.find(bad) {
            let around: String = page[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            assert!(around.is_empty(), "{bad:?} after {around}");
        }
    }
    assert!(page.contains("&lt;script&gt;"), "the text is there, as text: {told}");
    assert!(!page.contains("style=") && !page.contains(" onclick"), "nothing that the policy forbids: {told}");
    for place in ["src=\"", "href=\""] {
        for found in page.split(place).skip(1) {
            assert!(found.starts_with('/') || found.starts_with('#'), "{place}{}", &found[..40.min(found.len())]);
        }
    }
}

#[test]
fn p10_what_servers_and_people_write_is_text_on_every_page() {
    let all = fixture(hostile_plan(), Attended::Yes);
    is_harmless(&all.page());
    all.show(Some(&hostile()), |shown| {
        is_harmless(&frozen(shown, &signed_in(), &Look::plain()).unwrap());
        let server = server(1);
        for (choice, refused) in [(HoldChoice::Cut, Some(hostile())), (HoldChoice::Return, None)] {
            let asked = Asked { server: &server, choice, since: None, refused: refused.as_deref() };
            is_harmless(&confirm(shown, asked, &signed_in(), &Look::plain()).unwrap());
        }
    });
    is_harmless(&failed(&hostile(), &hostile(), &signed_in()).unwrap());
    is_harmless(&sign_in(&hostile(), Some(&hostile()), &signed_in()).unwrap());
    let campaign = Campaign {
        plan: hostile(),
        title: Some(hostile()),
        urgent: Urgent::Now,
        text: hostile(),
        run: Some("20261128-2100-abcd".to_owned()),
    };
    let lines = vec![unreadable(&all.run, &hostile())];
    is_harmless(&list(&hostile(), list_pieces(vec![campaign], lines).unwrap(), &signed_in()).unwrap());
    let plans = [
        Served { plan: hostile(), change: Ok(all.plan.change().clone()) },
        Served { plan: "b.yaml".to_owned(), change: Err(hostile()) },
    ];
    is_harmless(&calendar(&plans, at(0), &signed_in(), &Look::plain()).unwrap());
}

#[test]
fn the_report_is_the_page_of_the_run_as_one_file_that_asks_for_nothing() {
    let mut all = fixture(plan(), Attended::Yes);
    (all.state.ended, all.view.ended) = (Some(RunOutcome::PartlyDone), Some(RunOutcome::PartlyDone));
    let file = all.show(None, |shown| report(shown, &Look::plain()).unwrap());
    for place in ["src=\"", "href=", "<script>", "<form", "<button", "http-equiv=\"refresh"] {
        assert!(!file.contains(place), "{place}");
    }
    assert!(file.contains("default-src 'none'; style-src 'unsafe-inline'") && file.contains(".timeline"));
    let page = all.page();
    for piece in ["id=\"head\"", "id=\"timeline\"", "id=\"s-2\"", "id=\"t-0\"", "id=\"rest\""] {
        assert!(file.contains(piece) && page.contains(piece), "{piece}");
    }
}

#[test]
fn a_hold_has_a_button_for_each_choice_and_none_where_no_person_decides() {
    let page = fixture(plan(), Attended::Yes).page();
    for choice in ["return", "extend", "cut", "stop"] {
        assert!(page.contains(&format!("<button id=\"choice-0-{choice}\"")), "{choice}");
    }
    assert!(page.contains("cut 2 sessions") && page.contains("HELD: fe1 is waiting for a decision"), "{page}");
    let unattended = fixture(plan(), Attended::No).page();
    assert!(!unattended.contains("<button id=\"choice") && unattended.contains("takes the choice of the plan"));
}

#[test]
fn a_confirmation_names_the_effect_and_one_of_another_hold_says_so() {
    let all = fixture(plan(), Attended::Yes);
    let server = server(1);
    let confirmed = |choice, since| {
        all.show(Some("ann@admin1"), |shown| {
            let asked = Asked { server: &server, choice, since, refused: None };
            confirm(shown, asked, &signed_in(), &Look::plain()).unwrap()
        })
    };
    let cut = confirmed(HoldChoice::Cut, Some(at(7300)));
    assert!(
        cut.contains("This cuts 2 sessions of fe1") && cut.contains("Type how many sessions are left now: 2"),
        "{cut}"
    );
    assert!(cut.contains("name=\"proof\" value=\"proof\"") && cut.contains("name=\"why\" required"), "{cut}");
    assert!(confirmed(HoldChoice::Extend, None).contains("How many minutes more"));
    assert!(confirmed(HoldChoice::Return, None).contains("return it unpatched, usually within"));
    for (choice, since) in [(HoldChoice::Return, Some(at(7000))), (HoldChoice::Abandon, None)] {
        let gone = confirmed(choice, since);
        assert!(gone.contains("there is nothing to decide") && !gone.contains("name=\"why\""), "{gone}");
    }
}

#[test]
fn a_piece_changes_once_a_minute_at_most_by_the_time_alone() {
    let all = fixture(plan(), Attended::Yes);
    let pieces =
        |now: Timestamp| all.show(Some("ann@admin1"), |shown| run(&Shown { now, ..*shown }, &Look::plain()).unwrap());
    let (first, second) = (pieces(at(7600)), pieces(at(7601)));
    let changed: Vec<&str> =
        first.iter().zip(&second).filter(|(one, other)| one.v != other.v).map(|(one, _)| one.id.as_str()).collect();
    assert!(changed.is_empty(), "{changed:?}");
    let ids: Vec<&str> = first.iter().map(|piece| piece.id.as_str()).collect();
    assert_eq!(ids, ["head", "holds", "timeline", "s-0", "t-0", "s-1", "t-1", "s-2", "t-2", "rest"]);
}

#[test]
fn the_timeline_has_what_was_and_what_is_likely() {
    let mut all = fixture(plan(), Attended::Yes);
    let held = all.page();
    assert!(held.contains("class=\"k-drain\"") && held.contains("class=\"k-held\"") && !held.contains("k-patch ahead"));
    let decided =
        Record::Decided { work: WorkId(0), choice: HoldChoice::Retry, by: hostile(), terms: Terms::default() };
    all.records.push((99, at(7500), decided));
    all.view.servers[0].phase =
        Phase::Step { kind: orchestrate_planner::StepKind::Drain, since: at(7500), back: false };
    let goes_on = all.page();
    for shape in ["k-held", "k-patch ahead", "k-soak ahead", "class=\"now\""] {
        assert!(goes_on.contains(shape), "{shape}");
    }
}

#[test]
fn what_waits_for_a_person_comes_first_in_the_list() {
    let campaign =
        |plan: &str, urgent| Campaign { plan: plan.to_owned(), title: None, urgent, text: String::new(), run: None };
    let plans = vec![campaign("a", Urgent::Over), campaign("b", Urgent::AtWork), campaign("c", Urgent::Now)];
    let page = list("plans", list_pieces(plans, Vec::new()).unwrap(), &Frame::default()).unwrap();
    let place = |text: &str| page.find(text).unwrap();
    assert!(place(">c<") < place(">b<") && place(">b<") < place(">a<"), "{page}");
}

/// A plan of so many servers in one pool, all taken at once.
fn many(servers: usize) -> Plan {
    let mut value = serde_json::to_value(plan()).unwrap();
    let pool = value["change"]["pools"][0]["servers"].as_array().unwrap()[0].clone();
    let (work, steps) = (value["work"][0].clone(), value["steps"].as_array().unwrap().clone());
    let (mut all, mut works, mut chains, mut edges) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let kinds = steps.iter().filter(|step| step["target"]["server"] == 0).count();
    for number in 0..servers {
        let (mut one, mut own) = (pool.clone(), work.clone());
        one["name"] = serde_json::to_value(server(number + 1)).unwrap();
        one["addresses"] = serde_json::json!([format!("192.0.2.{}", number % 250 + 1)]);
        (own["server"], own["batch"]) = (one["name"].clone(), number.into());
        all.push(one);
        works.push(own);
        for (position, step) in steps.iter().take(kinds).enumerate() {
            let (mut step, id) = (step.clone(), number * kinds + position);
            (step["id"], step["target"]["server"]) = (id.into(), number.into());
            chains.push(step);
            if position > 0 {
                edges.push(serde_json::json!({"before": id - 1, "after": id, "reason": "same_server"}));
            }
        }
    }
    value["change"]["pools"][0]["servers"] = all.into();
    (value["work"], value["steps"], value["edges"]) = (works.into(), chains.into(), edges.into());
    serde_json::from_value(value).unwrap()
}

#[test]
fn of_two_hundred_servers_only_the_one_is_told_that_has_changed() {
    let mut all = fixture(many(200), Attended::Yes);
    let pieces = |all: &Fixture| all.show(Some("ann@admin1"), |shown| run(shown, &Look::plain()).unwrap());
    let first = pieces(&all);
    let wait =
        |why: &str| Wait { what: "sessions".into(), why: why.into(), since: at(0), until: None, then: String::new() };
    let drains = Phase::Step { kind: orchestrate_planner::StepKind::Drain, since: at(0), back: false };
    (all.view.servers[57].phase, all.view.servers[57].wait) = (drains, Some(wait("12 left")));
    let second = pieces(&all);
    all.view.servers[57].wait = Some(wait("11 left"));
    let third = pieces(&all);
    let changed = |one: &[Piece], other: &[Piece]| -> Vec<String> {
        let pairs = one.iter().zip(other).filter(|(one, other)| one.v != other.v);
        pairs.map(|(_, other)| other.id.clone()).collect()
    };
    assert_eq!(changed(&first, &second), ["s-57"], "of so many servers the timeline draws the pool");
    assert_eq!(changed(&second, &third), ["s-57"]);
    let size = |pieces: &[Piece]| pieces.iter().map(|piece| piece.html.len()).sum::<usize>();
    assert!(size(&first) < 1_000_000, "{} bytes", size(&first));
    let told = third.iter().find(|piece| piece.id == "s-57").map(|piece| piece.html.len());
    assert!(told.is_some_and(|told| told < 2_000), "{told:?} bytes are told");
}
