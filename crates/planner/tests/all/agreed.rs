//! A probe says of a server what a dry run says of it: the same findings, with the same codes and remedies.

use crate::support::*;
use orchestrate_model::observe::{DrainingState, FileFacts, Obstacle, ObstacleKind};
use orchestrate_model::{Answer, Change, RunState, ServerObservation, ServiceStatus, StartType, Verdict};
use orchestrate_planner::safety::{Case, Question, assess};
use orchestrate_planner::{Observations, Severity, found_by_server};
use std::collections::BTreeSet;

type Spoil = fn(&mut ServerObservation);

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

/// Three front ends, the first two of which are spoilt.
fn spoilt(change: &Change, spoil: Spoil) -> Observations {
    let mut seen = healthy_world(change);
    let servers = &mut seen.pools.values_mut().next().unwrap().servers;
    for server in ["fe1", "fe2"] {
        spoil(servers.get_mut(&server_name(server)).unwrap());
    }
    seen
}

fn uncounted(seen: &mut ServerObservation) {
    let reading = seen.sessions.get_mut(&service("W3SVC")).unwrap();
    reading.measures[0].value = Answer::unknown("the server has no counter set \"Web Service\"");
    reading.measures[0].absent = true;
}

fn undrained(seen: &mut ServerObservation) {
    let state = Answer::Known(DrainingState::Absent("the server has no such counter set".into()));
    seen.sessions.get_mut(&service("RTCAVMCU")).unwrap().draining = Some(state);
}

fn unplanned(seen: &mut ServerObservation) {
    let Answer::Known(services) = &mut seen.services else { panic!("known") };
    let name = service("RTCMEDSRV");
    let status = ServiceStatus {
        name: name.clone(),
        display_name: "Lync Server Mediation".into(),
        state: Answer::Known(RunState::Running),
        start: Answer::Known(StartType::DELAYED),
        accepts_pause: true,
        dependents: Answer::Known(Vec::new()),
    };
    services.insert(name, status);
}

fn unpausable(seen: &mut ServerObservation) {
    let Answer::Known(services) = &mut seen.services else { panic!("known") };
    services.get_mut(&service("RTCSRV")).unwrap().accepts_pause = false;
}

fn cut_off(seen: &mut ServerObservation) {
    let why = "PowerShell 5.1 runs in ConstrainedLanguage here, a policy restricts it";
    seen.obstacles = vec![Obstacle { kind: ObstacleKind::Restricted, told: vec![why.into()] }];
    seen.sessions.get_mut(&service("RTCSRV")).unwrap().measures[0].value = Answer::unknown(why);
    seen.file = Answer::unknown(why);
}

#[test]
fn p3_what_a_dry_run_refuses_for_what_a_server_has_is_found_of_each_server_with_the_same_code_and_remedy() {
    let spoils: [(Spoil, &[&str]); 9] = [
        (uncounted, &["O2022"]),
        (undrained, &["O2098"]),
        (unplanned, &["O2050"]),
        (unpausable, &["O2021"]),
        (cut_off, &["O2107"]),
        (|seen| seen.file = Answer::Known(FileFacts::Missing), &["O2049"]),
        (|seen| seen.lease = Answer::unknown("denied"), &["O2081"]),
        (|seen| seen.versions = Answer::unknown("denied"), &["O2109"]),
        (
            |seen| [uncounted, undrained, unplanned, unpausable].map(|spoil: Spoil| spoil(seen)).iter().for_each(drop),
            &["O2021", "O2022", "O2050", "O2098"],
        ),
    ];
    for (spoil, expected) in spoils {
        let change = three();
        let seen = spoilt(&change, spoil);
        let (plan, _) = planned(&change, &seen);
        assert_eq!(codes(&plan, Severity::Refusal), expected);
        let found = found_by_server(&change, &seen, now());
        for server in ["fe1", "fe2"] {
            let found = &found[&server_name(server)];
            let refused: BTreeSet<&str> =
                found.iter().filter(|one| one.severity == Severity::Refusal).map(|one| one.code.as_str()).collect();
            assert_eq!(refused.into_iter().collect::<Vec<_>>(), expected, "{server}");
            for one in found {
                let same = plan.findings().iter().any(|other| (&other.code, &other.advice) == (&one.code, &one.advice));
                assert!(same, "another remedy: {one:#?}");
            }
        }
        // No server goes while another control host may be at work on the pool.
        let of_all: &[&str] = if expected == ["O2081"] { &["O2081"] } else { &[] };
        let third: Vec<&str> = found[&server_name("fe3")].iter().map(|one| one.code.as_str()).collect();
        assert_eq!(third, of_all, "{expected:?}");
    }
}

#[test]
fn what_the_plan_answers_is_no_finding() {
    let mut change = three();
    change.maintenance.drain.by_sessions_alone.insert(service("RTCAVMCU"));
    change.maintenance.unmeasured.insert(service("W3SVC"), minutes(30));
    let seen = spoilt(&change, |seen| {
        uncounted(seen);
        undrained(seen);
    });
    assert!(found_by_server(&change, &seen, now()).values().all(Vec::is_empty));
}

#[test]
fn all_that_stands_against_blocking_a_server_is_named_at_once_as_far_as_a_line_has_room() {
    let blockable = |spoil: Spoil| {
        let change = three();
        let seen = spoilt(&change, spoil);
        let (pool, name, out) = (&change.pools[0], server_name("fe1"), BTreeSet::new());
        let seen = &seen.pools[&pool.name];
        let asked = assess(&Case { change: &change, pool, server: &name, seen, ours_out: &out, now: now() });
        asked.into_iter().find(|asked| asked.question == Question::Blockable).unwrap().verdict
    };
    let said = blockable(|seen| {
        uncounted(seen);
        undrained(seen);
        unplanned(seen);
    });
    let Verdict::No(text) = &said else { panic!("{said:?}") };
    for cause in ["RTCAVMCU has drained", "RTCMEDSRV", "; the sessions of W3SVC could not be read"] {
        assert!(text.contains(cause), "{cause}: {text}");
    }
    assert_eq!(text.matches("fe1: ").count(), 1, "{text}");
    let many = blockable(|seen| {
        for reading in seen.sessions.values_mut() {
            reading.measures[0].value = Answer::unknown("denied");
        }
    });
    let Verdict::Unknown(text) = &many else { panic!("{many:?}") };
    assert_eq!(text.matches("could not be read").count(), 6, "{text}");
    assert!(text.contains(" more") && text.contains("; and "), "{text}");
}
