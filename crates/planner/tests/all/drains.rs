//! Whether the end of a drain can be told, asked before the block.

use crate::support::*;
use orchestrate_model::observe::{DrainingState, Measure};
use orchestrate_model::{Answer, Change, RunState, Verdict};
use orchestrate_planner::safety::{Case, Question, assess};
use orchestrate_planner::{Observations, Severity};
use std::collections::BTreeSet;

const NO_SET: &str = "the server has no counter set \"LS:AVMCU - MCU Health And Performance\"";

struct World {
    change: Change,
    seen: Observations,
}

impl World {
    fn blockable(&self, server: &str) -> Verdict {
        let pool = &self.change.pools[0];
        let (name, out) = (server_name(server), BTreeSet::new());
        let seen = &self.seen.pools[&pool.name];
        let asked = assess(&Case { change: &self.change, pool, server: &name, seen, ours_out: &out, now: now() });
        asked.into_iter().find(|asked| asked.question == Question::Blockable).unwrap().verdict
    }
}

/// Three front ends, with this said of the draining of audio and video on the first two.
fn saying(state: &Answer<DrainingState>) -> World {
    let change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    let mut seen = healthy_world(&change);
    for server in ["fe1", "fe2"] {
        let seen = seen.pools.values_mut().next().unwrap().servers.get_mut(&server_name(server)).unwrap();
        seen.sessions.get_mut(&service("RTCAVMCU")).unwrap().draining = Some(state.clone());
    }
    World { change, seen }
}

#[test]
fn p3_p4_a_server_that_has_nothing_that_says_that_it_drains_is_refused_before_it_is_blocked() {
    let mut world = saying(&Answer::Known(DrainingState::Absent(NO_SET.into())));
    let said = world.blockable("fe1");
    assert_eq!(said, Verdict::No(format!("fe1: that RTCAVMCU has drained could not be proven: {NO_SET}")));
    assert!(world.blockable("fe3").is_yes(), "fe3 says it");
    let (plan, _) = planned(&world.change, &world.seen);
    assert_eq!(codes(&plan, Severity::Refusal), ["O2098"]);
    let found = finding(&plan, "O2098");
    for part in ["held at its deadline of 2h", "RTCAVMCU on fe1 and fe2", NO_SET] {
        assert!(found.message.contains(part), "{part}: {}", found.message);
    }
    assert!(found.advice.contains("drain: {by_sessions_alone: [RTCAVMCU]}"), "{}", found.advice);
    // By the plan's own word its sessions are the proof; and only its.
    world.change.maintenance.drain.by_sessions_alone.insert(service("RTCIMMCU"));
    assert_eq!(world.blockable("fe1").word(), "no");
    world.change.maintenance.drain.by_sessions_alone.insert(service("RTCAVMCU"));
    assert!(world.blockable("fe1").is_yes());
    let (plan, _) = planned(&world.change, &world.seen);
    assert_eq!(plan.refusals().count(), 0, "{:#?}", plan.findings());
    let told = finding(&plan, "O2099");
    assert!(told.message.contains("RTCAVMCU") && told.message.contains("because the plan says so"), "{told:?}");
}

#[test]
fn p3_a_draining_state_that_cannot_be_read_is_unknown_whatever_the_plan_says() {
    let mut world = saying(&Answer::unknown("permission denied"));
    for named in [false, true] {
        if named {
            world.change.maintenance.drain.by_sessions_alone.insert(service("RTCAVMCU"));
        }
        let said = world.blockable("fe1");
        assert_eq!(said, Verdict::Unknown("fe1: whether RTCAVMCU drains could not be read: permission denied".into()));
        let (plan, _) = planned(&world.change, &world.seen);
        assert_eq!(codes(&plan, Severity::Refusal), ["O2098"], "named: {named}");
        assert!(finding(&plan, "O2098").message.contains("Unknown is not drained"));
    }
}

#[test]
fn a_service_that_says_that_it_does_not_drain_yet_can_say_so_later() {
    for state in [DrainingState::NotDraining, DrainingState::Draining] {
        assert!(saying(&Answer::Known(state)).blockable("fe1").is_yes());
    }
}

#[test]
fn what_does_not_run_is_not_asked_whether_it_drains() {
    let mut world = saying(&Answer::Known(DrainingState::Absent(NO_SET.into())));
    for server in ["fe1", "fe2"] {
        let pool = world.seen.pools.values_mut().next().unwrap();
        set_state(pool, &server_name(server), "RTCAVMCU", RunState::Stopped);
    }
    let (plan, _) = planned(&world.change, &world.seen);
    assert!(plan.findings().iter().all(|finding| finding.code != "O2098"), "{:#?}", plan.findings());
}

/// Three front ends, of which the first two say this of the sessions of one service.
fn counting(measure: &Measure) -> World {
    let change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    let mut seen = healthy_world(&change);
    for server in ["fe1", "fe2"] {
        let seen = seen.pools.values_mut().next().unwrap().servers.get_mut(&server_name(server)).unwrap();
        seen.sessions.get_mut(&service("W3SVC")).unwrap().measures = vec![measure.clone()];
    }
    World { change, seen }
}

#[test]
fn p3_p4_a_time_to_wait_stands_for_a_counter_that_a_server_does_not_have_and_for_no_other() {
    let unread = Measure::new("UCWA".into(), Answer::unknown("access denied"));
    let absent = Measure { absent: true, ..Measure::new("UCWA".into(), Answer::unknown(NO_SET)) };
    for (measure, timed, is_refused) in
        [(&unread, false, true), (&unread, true, true), (&absent, false, true), (&absent, true, false)]
    {
        let mut world = counting(measure);
        if timed {
            world.change.maintenance.unmeasured.insert(service("W3SVC"), minutes(30));
        }
        let (plan, _) = planned(&world.change, &world.seen);
        let wanted: &[&str] = if is_refused { &["O2022"] } else { &[] };
        assert_eq!(codes(&plan, Severity::Refusal), wanted, "{measure:?}, timed: {timed}");
        assert_eq!(world.blockable("fe1").is_yes(), !is_refused);
        if is_refused {
            let advice = &finding(&plan, "O2022").advice;
            let offered = advice.contains("maintenance: {drain: {unmeasured: {W3SVC: 30m}}}");
            assert_eq!(offered, measure.absent, "{advice}");
        }
    }
}
