//! Time that was not lived through, and deadlines that count from what they are about.

use super::*;
use orchestrate_model::change::RestartPolicy;

const RESTART: StepId = StepId(6);

/// A run that comes to the restart of fe1, after an installer that wants one: right when it asks for it.
pub(super) fn restarting(policy: RestartPolicy) -> (Engine, Vec<Effect>) {
    let plan = plan_with(|plan| plan["change"]["maintenance"]["restart"] = serde_json::to_value(policy).unwrap());
    let mut records = installed(0, ExitMeaning::RestartNeeded);
    records.push(Record::StepStarted { step: RESTART });
    let mut engine = after_in(plan, &records);
    let effects = engine.handle(resumed(), at(100));
    let effects = answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), at(100)), at(100));
    (engine, effects)
}

/// A run whose installer on fe1 has ended like this.
fn installed(exit_code: i64, meaning: ExitMeaning) -> Vec<Record> {
    let mut records: Vec<Record> = failed(Attended::No);
    let ended = records.iter().position(|record| matches!(record, Record::InstallerEnded { .. })).unwrap();
    records.truncate(ended);
    records.push(Record::InstallerEnded { work: FE1, exit_code, meaning });
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Done, proof: String::new() });
    records
}

fn asked_at(minute: i64, records: &mut Vec<Record>) -> Vec<(Timestamp, Record)> {
    let mut timed: Vec<(Timestamp, Record)> = records.drain(..).map(|record| (at(0), record)).collect();
    timed.push((at(minute), Record::StepStarted { step: RESTART }));
    let act = Act::Restart { booted: at(-9000), comment: String::new() };
    timed.extend(intended(3, RESTART, act).map(|record| (at(minute), record)));
    timed
}

fn replayed(plan: Arc<Plan>, records: &[(Timestamp, Record)]) -> Engine {
    let mut engine = Engine::new(plan);
    for (at, record) in records {
        engine.replay(*at, record).unwrap();
    }
    engine
}

/// The boot time and the local time of fe1.
fn booted(mut seen: PoolObservation, booted: Timestamp, local_time: Timestamp) -> PoolObservation {
    let own = seen.servers.get_mut(&server(1)).unwrap();
    own.host = Answer::Known(HostFacts { booted, local_time, system: String::new() });
    seen
}

#[test]
fn p6_whoever_takes_a_run_up_again_does_not_begin_the_wait_for_a_restart_anew() {
    let mut records = asked_at(60, &mut installed(3010, ExitMeaning::RestartNeeded));
    // Killed and taken up again every five minutes.
    for minute in [65, 70, 74] {
        records.push((at(minute), Record::Resumed { by: actor(), recover: false, attended: Attended::Yes }));
    }
    let mut engine = replayed(plan(), &records);
    let effects = engine.handle(resumed(), at(74));
    let seen = fe1(RunState::Stopped, Answer::Known(0), at(74));
    let effects = answer(&mut engine, &effects, seen, at(74));
    assert_eq!(acts(&effects), 0, "it has fifteen minutes, and two after the run was taken up: {effects:?}");
    let (effects, _) = wake(&mut engine, &effects);
    let effects = answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), at(77)), at(77));
    assert_eq!(acts(&effects), 1, "fifteen minutes after it was asked for: {effects:?}");
}

#[test]
fn p4_a_drain_that_is_taken_up_again_keeps_its_deadline() {
    let mut engine = after(&draining(Attended::Yes));
    let began = i64::try_from(draining(Attended::Yes).len()).unwrap() - 1;
    for minute in [20, 40, 50] {
        let taken_up = Record::Resumed { by: actor(), recover: false, attended: Attended::Yes };
        engine.replay(at(minute), &taken_up).unwrap();
    }
    let effects = engine.handle(resumed(), at(59));
    let now = at(began + 61);
    let effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(5), now), now);
    assert!(!engine.state().work[0].cut.is_empty(), "an hour after it began: {effects:?}");
}

#[test]
fn time_that_this_machine_slept_through_is_counted_against_nothing() {
    let mut records = vec![begun(Attended::No)];
    records.extend(done(0));
    records.push(Record::StepStarted { step: StepId(1) });
    records.push(recorded());
    records.push(Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: StepId(2) });
    records.extend(intended(1, StepId(2), Act::SetStartType { service: service(), to: StartType::MANUAL }));
    records.extend(intended(2, StepId(2), Act::Pause { service: service() }));
    records.push(Record::StepDone { step: StepId(2), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: DRAIN });
    records.push(Record::StepDone { step: DRAIN, how: StepEnd::Done, proof: String::new() });
    let stop = StepId(4);
    let timed: Vec<(Timestamp, Record)> = records
        .into_iter()
        .map(|record| (at(0), record))
        .chain([(at(10), Record::StepStarted { step: stop })])
        .chain([(at(29), Record::Gap { gap: crate::record::GapKind::StoodStill, by: SignedDuration::from_mins(19) })])
        .collect();
    let engine = replayed(plan(), &timed);
    let limit = crate::constants::STOP_DEADLINE;
    assert_eq!(engine.state().lived(at(10), at(31)), SignedDuration::from_mins(2));
    assert_eq!(engine.state().deadline(at(10), limit), at(10 + 20 + 19));
    assert_eq!(engine.state().deadline(at(30), limit), at(50), "what was begun afterwards is not concerned");
}

#[test]
fn p3_what_was_asked_before_this_machine_slept_is_asked_again() {
    let mut engine = after(&draining(Attended::Yes));
    let asked = engine.handle(resumed(), at(100));
    let slept = engine.handle(Input::StoodStill { by: SignedDuration::from_mins(12) }, at(112));
    assert_ne!(look_in(&asked).0, look_in(&slept).0);
    let effects = answer(&mut engine, &asked, fe1(RunState::Running, Answer::Known(0), at(112)), at(112));
    assert_eq!(effects, [], "nobody waits for that answer any more");
    let effects = answer(&mut engine, &slept, fe1(RunState::Paused, Answer::Known(0), at(112)), at(112));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Wake { .. })), "{effects:?}");
}

#[test]
fn p6_a_restart_that_was_proven_is_not_denied_when_the_clock_goes_back() {
    let mut records = asked_at(60, &mut installed(3010, ExitMeaning::RestartNeeded));
    let proof = Record::Booted { work: FE1, booted: at(62), was: crate::record::Boot::Restarted };
    records.push((at(70), proof));
    records.push((at(70), Record::StepDone { step: RESTART, how: StepEnd::Done, proof: String::new() }));
    records.extend(done(7).map(|record| (at(70), record)));
    records.push((at(70), Record::StepStarted { step: StepId(8) }));
    let mut engine = replayed(plan(), &records);
    // The clock of this machine was put back by an hour while nobody ran.
    let now = at(20);
    let effects = engine.handle(resumed(), now);
    let back =
        Effect::Record(Record::Gap { gap: crate::record::GapKind::ClockBack, by: SignedDuration::from_mins(-50) });
    assert!(effects.contains(&back), "{effects:?}");
    let seen = booted(fe1(RunState::Stopped, Answer::Known(0), now), at(62), at(80));
    let effects = answer(&mut engine, &effects, seen, now);
    assert_eq!(acts(&effects), 1, "its services are started at once: {effects:?}");
}

#[test]
fn p6_a_server_that_its_installer_restarted_within_a_minute_is_not_restarted_again() {
    let mut records: Vec<(Timestamp, Record)> =
        installed(1641, ExitMeaning::RestartStarted).into_iter().map(|record| (at(60), record)).collect();
    let patch = records.iter().position(|(_, record)| *record == Record::StepStarted { step: PATCH }).unwrap();
    let before = Record::Booted { work: FE1, booted: at(-9000), was: crate::record::Boot::BeforeInstaller };
    records.insert(patch + 1, (at(60), before));
    records.push((at(61), Record::StepStarted { step: RESTART }));
    let mut engine = replayed(plan(), &records);
    let effects = engine.handle(resumed(), at(63));
    let seen = booted(fe1(RunState::Stopped, Answer::Known(0), at(63)), at(61), at(63));
    let effects = answer(&mut engine, &effects, seen, at(63));
    assert_eq!(acts(&effects), 0, "{effects:?}");
    assert!(engine.state().steps[RESTART.0 as usize].is_ended(), "{effects:?}");
}

#[test]
fn p8_a_restart_from_before_an_installer_is_not_the_one_that_it_asks_for() {
    let mut records = asked_at(60, &mut installed(0, ExitMeaning::Done));
    let proof = Record::Booted { work: FE1, booted: at(62), was: crate::record::Boot::Restarted };
    records.push((at(62), proof));
    // Another installer, in another pass, wants one of its own.
    let run = InstallerRun {
        token: InstallerToken("run-1-fe1-2".to_owned()),
        installer: String::new(),
        arguments: vec![],
        sha256: String::new(),
        deadline: SignedDuration::from_mins(45),
    };
    records.extend(intended(4, PATCH, Act::StartInstaller(run)).map(|record| (at(70), record)));
    let ended = Record::InstallerEnded { work: FE1, exit_code: 3010, meaning: ExitMeaning::RestartNeeded };
    records.push((at(75), ended));
    let mut engine = replayed(plan(), &records);
    let effects = engine.handle(resumed(), at(80));
    let seen = booted(fe1(RunState::Stopped, Answer::Known(0), at(80)), at(62), at(80));
    let effects = answer(&mut engine, &effects, seen, at(80));
    assert_eq!(acts(&effects), 1, "it is restarted: {effects:?}");
}
