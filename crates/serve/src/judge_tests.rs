use super::*;
use orchestrate_model::window::{Recurrence, Window};

fn at(text: &str) -> Timestamp {
    format!("2026-11-{text}:00Z").parse().unwrap()
}

fn moment(text: &str) -> Moment {
    Moment { plan: at(text), here: at(text) }
}

/// A plan that is open from 22:00 to 02:00 each night, approved on the 27th at noon.
fn known() -> Known {
    let window = Window {
        every: Recurrence::Daily,
        start: "22:00".parse().unwrap(),
        duration: SignedDuration::from_hours(4),
        timezone: "UTC".into(),
    };
    let good = Good {
        title: "update".into(),
        digest: "d".into(),
        calendar: Calendar::new(&[window], &[]).unwrap(),
        share: Share::default(),
    };
    Known {
        file: PlanFile::Good(Box::new(good)),
        approval: Approval::Given { fingerprint: "f".into(), at: at("27T12:00"), by: "ann".into() },
        campaign: Campaign::None,
        last: None,
        at_work: false,
        elsewhere: None,
    }
}

fn ended(exit: Option<u8>, begun: &str, tries: u32) -> Option<Last> {
    Some(Last {
        digest: "d".into(),
        approved: "f".into(),
        approved_at: at("27T12:00"),
        begun: at(begun),
        window_ends: Some(at("28T02:00")),
        tries,
        end: Some(End { exit, why: "because".into(), at: at(begun) }),
    })
}

fn run() -> RunId {
    RunId::new("20261127-220001-aaaa").unwrap()
}

fn open(fingerprint: &str, differs: Option<&str>) -> Campaign {
    let differs = differs.map(str::to_owned);
    let out = vec!["fe1".into()];
    Campaign::Open { run: run(), fingerprint: fingerprint.into(), out, differs, ended: None, live: None }
}

#[test]
fn p9_a_plan_is_due_in_its_window_and_waits_for_it_before() {
    let known = known();
    let Verdict::WaitsForWindow(next) = judge(&known, moment("27T21:59")) else { panic!("it is due") };
    assert_eq!((next.starts, next.ends), (at("27T22:00"), at("28T02:00")));
    assert_eq!(judge(&known, moment("27T22:00")), Verdict::Due { ends: Some(at("28T02:00")), tries: 1 });
    assert!(matches!(judge(&known, moment("28T02:00")), Verdict::WaitsForWindow(_)));
}

#[test]
fn nothing_is_begun_that_nobody_has_approved() {
    let mut known = known();
    known.approval = Approval::None;
    assert_eq!(judge(&known, moment("27T22:30")), Verdict::WaitsForApproval(None));
    known.approval = Approval::Unusable("it is another account's".into());
    assert!(matches!(judge(&known, moment("27T22:30")), Verdict::WaitsForApproval(Some(_))));
    known.approval = Approval::Given { fingerprint: "other".into(), at: at("27T12:00"), by: "ann".into() };
    known.campaign = open("f", None);
    assert!(matches!(judge(&known, moment("27T22:30")), Verdict::WaitsForApproval(Some(_))));
}

#[test]
fn a_plan_that_was_changed_while_its_run_is_unfinished_is_held_whatever_its_approval() {
    let mut known = known();
    known.campaign = open("f", Some("line 3 was `a`, is `b`"));
    for approval in [known.approval.clone(), Approval::None] {
        known.approval = approval;
        assert!(matches!(judge(&known, moment("27T22:30")), Verdict::Changed { .. }));
    }
    known.at_work = true;
    assert_eq!(judge(&known, moment("27T22:30")), Verdict::AtWork, "the run goes on as it was begun");
    known.at_work = false;
    known.file = PlanFile::Gone;
    assert!(matches!(judge(&known, moment("27T22:30")), Verdict::Gone { out, .. } if out == ["fe1"]));
    known.campaign = Campaign::None;
    assert_eq!(judge(&known, moment("27T22:30")), Verdict::Forgotten);
}

#[test]
fn a_refusal_is_not_repeated_in_its_window_and_the_next_window_tries_anew() {
    let mut known = known();
    for exit in [5, 9, 11, 69] {
        known.last = ended(Some(exit), "27T22:01", 1);
        let Verdict::NextWindow { next: Some(next), .. } = judge(&known, moment("27T23:00")) else {
            panic!("{exit} is begun again in the same window")
        };
        assert_eq!(next.starts, at("28T22:00"));
        assert_eq!(judge(&known, moment("28T22:00")), Verdict::Due { ends: Some(at("29T02:00")), tries: 1 });
    }
}

#[test]
fn what_is_for_a_person_waits_until_the_plan_is_changed_or_approved_again() {
    let mut known = known();
    for exit in [3, 4, 8, 65, 70, 130] {
        known.last = ended(Some(exit), "27T22:01", 1);
        // The records alone say it too.
        let mut recorded = Known { last: None, campaign: open("f", None), ..known.clone() };
        if let Campaign::Open { ended, .. } = &mut recorded.campaign {
            *ended = known.last.as_ref().and_then(|last| last.end.clone());
        }
        assert!(matches!(judge(&recorded, moment("28T22:00")), Verdict::Person { .. }), "{exit}");
        for time in ["27T23:00", "28T22:00", "30T22:00"] {
            assert!(matches!(judge(&known, moment(time)), Verdict::Person { .. }), "{exit}");
        }
    }
    known.approval = Approval::Given { fingerprint: "f".into(), at: at("28T12:00"), by: "ann".into() };
    assert!(matches!(judge(&known, moment("28T22:00")), Verdict::Due { tries: 1, .. }));
}

#[test]
fn p6_a_start_that_was_ended_by_force_is_made_again_after_a_minute_and_three_times_at_most() {
    let mut known = known();
    known.campaign = open("f", None);
    known.last = ended(None, "27T22:01", 1);
    assert!(matches!(judge(&known, moment("27T22:01")), Verdict::Again { .. }));
    assert_eq!(judge(&known, moment("27T22:02")), Verdict::Due { ends: Some(at("28T02:00")), tries: 2 });
    known.last = ended(None, "27T22:05", 3);
    assert!(matches!(judge(&known, moment("27T23:00")), Verdict::NextWindow { .. }));
    assert!(matches!(judge(&known, moment("28T22:00")), Verdict::Due { tries: 1, .. }));
    // Nobody was there to see it end.
    known.last = ended(None, "27T22:01", 1).map(|last| Last { end: None, ..last });
    assert!(matches!(judge(&known, moment("27T22:02")), Verdict::Due { tries: 2, .. }));
}

#[test]
fn p8_a_server_that_a_broken_off_run_has_left_out_comes_back_at_any_hour_and_is_named_meanwhile() {
    let mut known = known();
    known.campaign = open("f", None);
    known.last = ended(None, "28T01:59", 1);
    // The window is over: its end, not another night, is when it comes back.
    assert_eq!(judge(&known, moment("28T02:01")), Verdict::Due { ends: Some(at("28T22:00")), tries: 1 });
    let again =
        |exit, tries| ended(exit, "28T02:01", tries).map(|last| Last { window_ends: Some(at("28T22:00")), ..last });
    known.last = again(None, 1);
    assert!(matches!(judge(&known, moment("28T02:01")), Verdict::Again { out, .. } if out == ["fe1"]));
    assert!(matches!(judge(&known, moment("28T02:02")), Verdict::Due { tries: 2, .. }));
    for last in [again(None, 3), again(Some(5), 1)] {
        known.last = last;
        let said = judge(&known, moment("28T03:00"));
        let Verdict::NextWindow { next: Some(next), out, .. } = said else { panic!("{said:?}") };
        assert_eq!((next.starts, out), (at("28T22:00"), vec!["fe1".to_owned()]));
        assert!(matches!(judge(&known, moment("28T22:00")), Verdict::Due { tries: 1, .. }));
    }
    // A process works on it, or nothing is out: the window is waited for.
    if let Campaign::Open { live, .. } = &mut known.campaign {
        *live = Some("ann@ctl1".into());
    }
    known.last = ended(None, "28T01:59", 1);
    assert!(matches!(judge(&known, moment("28T02:01")), Verdict::WaitsForWindow(_)));
    if let Campaign::Open { live, out, .. } = &mut known.campaign {
        (*live, *out) = (None, Vec::new());
    }
    assert!(matches!(judge(&known, moment("28T02:01")), Verdict::WaitsForWindow(_)));
}

#[test]
fn p12_the_unfinished_run_of_another_plan_on_the_same_pool_is_waited_for_and_is_no_change_of_this_one() {
    let mut known = known();
    let other = |live: Option<&str>| Campaign::Other {
        run: run(),
        file: "/plans/other.yaml".into(),
        out: vec!["fe2".into()],
        live: live.map(str::to_owned),
    };
    known.campaign = other(Some("ann@ctl1 (process 7)"));
    let said = judge(&known, moment("27T22:30"));
    assert!(matches!(&said, Verdict::WaitsForPool(who) if who.contains("/plans/other.yaml: ann@ctl1")), "{said:?}");
    known.campaign = other(None);
    assert!(matches!(judge(&known, moment("27T22:30")), Verdict::WaitsForRun { out, .. } if out == ["fe2"]));
    assert!(matches!(judge(&known, moment("27T21:00")), Verdict::WaitsForWindow(_)));
    known.file = PlanFile::Gone;
    assert_eq!(judge(&known, moment("27T22:30")), Verdict::Forgotten, "that run is the other plan's");
}

#[test]
fn a_plan_without_windows_is_begun_once_for_each_approval() {
    let mut known = known();
    let PlanFile::Good(good) = &mut known.file else { panic!("it is good") };
    good.calendar = Calendar::new(&[], &[]).unwrap();
    assert_eq!(judge(&known, moment("27T15:00")), Verdict::Due { ends: None, tries: 1 });
    known.last = ended(Some(9), "27T15:00", 1).map(|last| Last { window_ends: None, ..last });
    for time in ["27T15:01", "29T15:00"] {
        assert!(matches!(judge(&known, moment(time)), Verdict::NextWindow { next: None, .. }));
    }
}

#[test]
fn what_is_done_is_not_begun_again() {
    let mut known = known();
    known.campaign = Campaign::Over { run: run(), exit: 0, how: "done".into() };
    assert_eq!(judge(&known, moment("28T22:30")), Verdict::Done { run: Some(run()) });
    known.campaign = Campaign::Over { run: run(), exit: 4, how: "stopped before its end".into() };
    assert!(matches!(judge(&known, moment("28T22:30")), Verdict::Person { exit: Some(4), .. }));
    known.campaign = Campaign::None;
    known.last = ended(Some(0), "27T22:01", 1);
    assert_eq!(judge(&known, moment("28T22:30")), Verdict::Done { run: None }, "there was nothing to do");
}

#[test]
fn p12_a_plan_whose_pool_is_in_other_hands_waits_and_says_so() {
    let mut known = known();
    known.elsewhere = Some("pool01 is held by bob".into());
    assert_eq!(judge(&known, moment("27T22:30")), Verdict::WaitsForPool("pool01 is held by bob".into()));
    known.last = ended(Some(7), "27T22:30", 1);
    known.elsewhere = None;
    assert!(matches!(judge(&known, moment("27T22:39")), Verdict::Again { .. }));
    assert!(matches!(judge(&known, moment("27T22:40")), Verdict::Due { tries: 2, .. }));
}

#[test]
fn a_month_of_nights_begins_each_night_once_and_never_outside_a_window() {
    let mut known = known();
    known.campaign = open("f", None);
    if let Campaign::Open { out, .. } = &mut known.campaign {
        out.clear();
    }
    let (mut begun, mut now) = (Vec::new(), at("01T12:00"));
    while now < at("30T00:00") {
        if let Verdict::Due { ends, tries } = judge(&known, Moment { plan: now, here: now }) {
            begun.push(now);
            let end = Some(End { exit: Some(5), why: "the window ends".into(), at: now });
            known.last =
                ended(Some(5), "27T22:01", tries).map(|last| Last { window_ends: ends, end, begun: now, ..last });
        }
        now += SignedDuration::from_mins(7);
    }
    assert_eq!(begun.len(), 29, "{begun:?}");
    assert!(begun.iter().all(|at| at.strftime("%H").to_string() == "22"), "{begun:?}");
}
