use super::{Asking, Decision, Key, offers};
use crate::fixture::{self, at};
use crate::style::Look;
use jiff::SignedDuration;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::state::Hold;
use orchestrate_engine::view::{Phase, ServerView};
use orchestrate_engine::{Record, View};
use orchestrate_model::hold::{HoldCause, HoldChoice, Terms};
use orchestrate_model::{Answer, PoolName};
use orchestrate_planner::StepId;
use orchestrate_planner::plan::WorkId;

fn row(number: usize, phase: Phase) -> ServerView {
    ServerView {
        pool: PoolName::new(fixture::POOL).unwrap(),
        server: fixture::server(number),
        phase,
        started: Some(at(0)),
        out: true,
        failed: false,
        changed: true,
        sessions_left: Some(Answer::Known(2)),
        sessions_first: Some(40),
        alarm: None,
        let_in: None,
        wait: None,
        steps: (3, 11),
    }
}

fn held(since: i64, step: u32, cause: HoldCause, choices: &[HoldChoice]) -> Phase {
    let reason = "sessions have not ended".to_owned();
    Phase::Held(Hold { since: at(since), step: StepId(step), cause, reason, choices: choices.to_vec() })
}

const AT_DEADLINE: [HoldChoice; 6] =
    [HoldChoice::Retry, HoldChoice::Extend, HoldChoice::Cut, HoldChoice::Return, HoldChoice::Abandon, HoldChoice::Stop];

fn view() -> View {
    let servers = vec![
        row(1, Phase::Ended(ServerEnd::Finished)),
        row(2, held(60, 14, HoldCause::DrainDeadline, &AT_DEADLINE)),
        row(3, Phase::Waiting),
    ];
    View { run: None, at: at(100), started: Some(at(0)), stop: None, ended: None, recovers: false, servers }
}

/// Types text, and returns what was decided.
fn typed(asking: &mut Asking, view: &View, text: &str) -> Option<Decision> {
    let plan = fixture::plan();
    let mut decided = None;
    for c in text.chars() {
        let key = match c {
            '\n' => Key::Enter,
            '\t' => Key::Tab,
            '\u{1b}' => Key::Escape,
            '\u{8}' => Key::Back,
            c => Key::Char(c),
        };
        let decision = asking.press(key, &plan, view);
        assert!(decided.is_none() || decision.is_none(), "one question, one answer");
        decided = decided.or(decision);
    }
    decided
}

fn asking(view: &View) -> Asking {
    let mut asking = Asking::default();
    assert_eq!(asking.follow(view), None);
    asking
}

fn said(asking: &Asking, view: &View) -> String {
    asking.lines(&fixture::plan(), view, &Look::plain()).join("\n")
}

#[test]
fn a_hold_at_the_deadline_of_a_drain_shows_its_keys_with_their_effect() {
    let view = view();
    let mut asking = asking(&view);
    let mut all = vec![said(&asking, &view)];
    for keys in ["c", "2\n", "the caller was told", "\u{1b}", "e", "90\n", "\u{1b}", "r", "\u{1b}", "x", "\n"] {
        typed(&mut asking, &view, keys);
        all.push(format!("after {keys:?}:\n{}", said(&asking, &view)));
    }
    let narrow = Look { width: 40, ..Look::plain() };
    all.push(format!(
        "at 40 columns:\n{}",
        super::tests::asking(&view).lines(&fixture::plan(), &view, &narrow).join("\n")
    ));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_choice_is_a_decision_about_the_hold_that_was_read_with_who_is_asked_and_why() {
    let view = view();
    let decided = typed(&mut asking(&view), &view, "rit gets too late\n");
    let terms = Terms { why: Some("it gets too late".to_owned()), ..Terms::default() };
    let wanted = Decision { server: fixture::server(2), choice: HoldChoice::Return, since: at(60), terms };
    assert_eq!(decided, Some(wanted));
    let decided = typed(&mut asking(&view), &view, "e\n\n").unwrap();
    assert_eq!((decided.choice, decided.terms.more), (HoldChoice::Extend, Some(SignedDuration::from_mins(15))));
    let decided = typed(&mut asking(&view), &view, "e9\u{8}30\n\n").unwrap();
    assert_eq!(decided.terms, Terms { more: Some(SignedDuration::from_mins(30)), ..Terms::default() });
}

#[test]
fn p4_sessions_are_cut_only_by_their_typed_number() {
    let view = view();
    for wrong in ["c\n", "c3\n", "c-2\n", "ctwo\n", "c2.0\n", "c22\n"] {
        let mut asking = asking(&view);
        assert_eq!(typed(&mut asking, &view, wrong), None, "{wrong:?}");
        assert!(said(&asking, &view).contains("2 sessions are left; nothing was changed"), "{wrong:?}");
        let decided = typed(&mut asking, &view, "2\n\n").unwrap();
        assert_eq!(decided.terms.sessions, Some(2), "the right one counts all the same");
    }
    let mut unknown = view;
    unknown.servers[1].sessions_left = Some(Answer::unknown("no answer"));
    let mut asking = asking(&unknown);
    assert_eq!(typed(&mut asking, &unknown, "c2\n\n"), None, "p3: what is not known is not cut");
}

#[test]
fn what_means_nothing_changes_nothing_and_says_so() {
    let view = view();
    let mut asking = asking(&view);
    for wrong in ["q", "\n", "s", "y", "2", "\u{8}"] {
        assert_eq!(typed(&mut asking, &view, wrong), None);
    }
    typed(&mut asking, &view, "s");
    assert!(said(&asking, &view).contains("means nothing here; the keys are t e c r a x"), "{}", said(&asking, &view));
    for wrong in ["0", "1441", "-5", "soon"] {
        let mut asking = super::tests::asking(&view);
        assert_eq!(typed(&mut asking, &view, &format!("e{wrong}\n")), None);
        assert!(said(&asking, &view).contains("from 1 to 1440; nothing was changed"), "{wrong}");
    }
}

#[test]
fn a_hold_offers_what_it_admits_and_nothing_else() {
    let plan = fixture::plan();
    let choices = [HoldChoice::Retry, HoldChoice::Skip, HoldChoice::Return, HoldChoice::Abandon, HoldChoice::Stop];
    let phase = held(60, 5, HoldCause::InstallerFailed, &choices);
    let server = row(1, phase.clone());
    let Phase::Held(hold) = phase else { return };
    let all = offers(&plan, &view(), &server, &hold);
    assert_eq!(all.iter().map(|offer| offer.choice).collect::<Vec<_>>(), choices);
    let keys: std::collections::BTreeSet<char> = all.iter().map(|offer| offer.key).collect();
    assert_eq!(keys.len(), all.len(), "a key means one thing");
    let said: Vec<String> = all.iter().map(|offer| format!("{} {}", offer.key, offer.text)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_decision_from_elsewhere_ends_the_question() {
    let mut view = view();
    let mut asking = asking(&view);
    typed(&mut asking, &view, "c2");
    view.servers[1].phase = Phase::Ended(ServerEnd::Finished);
    let said = asking.follow(&view).unwrap();
    assert_eq!(said, "fe2 is decided about already: what was typed here changes nothing");
    assert!(!asking.is_open() && asking.lines(&fixture::plan(), &view, &Look::plain()).is_empty());
    assert_eq!(typed(&mut asking, &view, "\n\n"), None);
}

#[test]
fn a_decision_that_the_run_does_not_follow_is_a_question_again() {
    let view = view();
    let mut asking = asking(&view);
    assert!(typed(&mut asking, &view, "r\n").is_some());
    assert!(said(&asking, &view).contains("return: passed on to the run"));
    asking.heard(&Record::Note { work: Some(WorkId(0)), text: "about another".to_owned() });
    assert!(said(&asking, &view).contains("passed on"));
    asking.heard(&Record::Note { work: Some(WorkId(1)), text: "ignored".to_owned() });
    assert!(said(&asking, &view).contains("the run did not follow it"));
}

#[test]
fn of_several_held_servers_the_one_is_asked_about_that_is_held_longest_and_tab_is_the_next() {
    let mut view = view();
    view.servers[2].phase = held(30, 25, HoldCause::DrainDeadline, &AT_DEADLINE);
    let mut asking = asking(&view);
    assert!(said(&asking, &view).contains("fe3 is held") && said(&asking, &view).contains("fe2 is held too: Tab"));
    assert_eq!(typed(&mut asking, &view, "\tr\n").unwrap().server, fixture::server(2));
}
