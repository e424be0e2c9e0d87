//! What a run does again, and what it must not: after an interruption, a decision, or somebody else's work.

use super::*;
use orchestrate_model::observe::InstallerState;

/// fe1, stopped, with what its installer does.
fn installing(state: Answer<InstallerState>, taken: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Stopped, Answer::Known(0), taken);
    seen.servers.get_mut(&server(1)).unwrap().installer = state;
    seen
}

/// A run in which an installer was started on fe1, and nothing more is known.
fn patching(attended: Attended) -> Vec<Record> {
    let mut records = failed(attended);
    records.truncate(records.len() - 2);
    records
}

fn held_with(records: &mut Vec<Record>, step: StepId, reason: &str) {
    let choices = vec![HoldChoice::Retry, HoldChoice::Return, HoldChoice::Abandon, HoldChoice::Stop];
    records.push(Record::Held { work: FE1, step, cause: HoldCause::InstallerLost, reason: reason.to_owned(), choices });
}

fn decided(engine: &mut Engine, choice: HoldChoice, since: Option<Timestamp>) -> Vec<Effect> {
    said(engine, Command::Decide { server: server(1), choice, since, by: "ann".to_owned(), terms: Terms::default() })
}

fn first_act(effects: &[Effect]) -> Option<&Act> {
    effects.iter().find_map(|effect| match effect {
        Effect::Act(intent) => Some(&intent.act),
        Effect::Record(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    })
}

#[test]
fn p8_a_recovery_waits_for_an_installer_that_is_still_running() {
    let mut engine = after(&patching(Attended::Yes));
    let effects = engine.handle(recovery(), at(30));
    let token = look_in(&effects).1.servers[&server(1)].installer.clone();
    assert_eq!(token, Some(InstallerToken("run-1-fe1-1".to_owned())), "it is asked about");
    let effects = answer(&mut engine, &effects, installing(Answer::Known(InstallerState::Running), at(30)), at(30));
    assert_eq!(acts(&effects), 0, "nothing is started under an installer: {effects:?}");
    assert!(engine.view(at(30)).servers[0].wait.as_ref().unwrap().what.contains("installer"));
    let (effects, now) = wake(&mut engine, &effects);
    let unknown = Answer::unknown("no answer");
    let effects = answer(&mut engine, &effects, installing(unknown, now), now);
    assert_eq!(acts(&effects), 0, "unknown is as unsafe: {effects:?}");
    let (effects, now) = wake(&mut engine, &effects);
    let ended = Answer::Known(InstallerState::Finished { exit_code: 0 });
    let effects = answer(&mut engine, &effects, installing(ended.clone(), now), now);
    assert_eq!(engine.state().work[0].installer, Some((0, ExitMeaning::Done)), "its end is written down");
    let effects = answer(&mut engine, &effects, installing(ended, now), now);
    assert!(matches!(first_act(&effects), Some(Act::Start { .. })), "then it goes back: {effects:?}");
}

#[test]
fn p4_a_server_whose_installer_has_begun_a_restart_is_not_brought_back_before_it() {
    let mut records = patching(Attended::Yes);
    records.push(Record::InstallerEnded { work: FE1, exit_code: 1641, meaning: ExitMeaning::RestartStarted });
    let minute = i64::try_from(records.len()).unwrap();
    let mut engine = after(&records);
    let effects = engine.handle(recovery(), at(minute));
    let effects = answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), at(minute)), at(minute));
    assert_eq!(acts(&effects), 0, "it goes down any moment: {effects:?}");
    let (effects, now) = wake(&mut engine, &effects);
    let mut booted = fe1(RunState::Stopped, Answer::Known(0), now);
    let host = HostFacts { booted: now, local_time: now, system: String::new() };
    booted.servers.get_mut(&server(1)).unwrap().host = Answer::Known(host);
    let effects = answer(&mut engine, &effects, booted, now);
    assert!(matches!(first_act(&effects), Some(Act::Start { .. })), "{effects:?}");
}

#[test]
fn a_restart_by_the_installer_that_was_read_after_the_boot_is_not_waited_for_again() {
    let mut records = patching(Attended::Yes);
    // The server was down and came back a quarter of an hour before anybody could read the exit code.
    records.extend((0..20).map(|_| Record::Note { work: Some(FE1), text: String::new() }));
    records.push(Record::InstallerEnded { work: FE1, exit_code: 1641, meaning: ExitMeaning::RestartStarted });
    let minute = i64::try_from(records.len()).unwrap();
    let mut engine = after(&records);
    let effects = engine.handle(recovery(), at(minute));
    let mut seen = fe1(RunState::Stopped, Answer::Known(0), at(minute));
    let booted = HostFacts { booted: at(minute - 16), local_time: at(minute), system: String::new() };
    seen.servers.get_mut(&server(1)).unwrap().host = Answer::Known(booted);
    let effects = answer(&mut engine, &effects, seen, at(minute));
    assert!(matches!(first_act(&effects), Some(Act::Start { .. })), "{effects:?}");
}

#[test]
fn a_step_that_was_interrupted_has_its_full_time_again() {
    let mut records = draining(Attended::Yes);
    records.extend([Record::TurnedBack { work: FE1, why: why("asked") }, Record::StepStarted { step: StepId(8) }]);
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(600));
    let effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(0), at(600)), at(600));
    assert!(matches!(first_act(&effects), Some(Act::Continue { .. })), "ten hours later it is tried: {effects:?}");
}

#[test]
fn a_retry_begins_the_step_as_if_for_the_first_time() {
    let mut records = draining(Attended::Yes);
    for _ in 0..2 {
        records.push(Record::Reasserted { work: FE1, service: service(), found: "running".to_owned() });
    }
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(50));
    answer(&mut engine, &effects, fe1(RunState::Running, Answer::Known(1), at(50)), at(50));
    assert!(held(&engine).unwrap().contains("resumes it"), "the third time is a person's to look at");
    let effects = decided(&mut engine, HoldChoice::Retry, None);
    assert!(engine.state().work[0].reasserted.is_empty() && held(&engine).is_none());
    let effects = answer(&mut engine, &effects, fe1(RunState::Running, Answer::Known(1), at(100)), at(100));
    assert!(held(&engine).is_none(), "it is blocked again, not held at once: {effects:?}");
}

/// The look at fe1 in which another hand has set its service to start by itself again.
fn automatic_again(now: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Paused, Answer::Known(2), now);
    let Answer::Known(services) = &mut seen.servers.get_mut(&server(1)).unwrap().services else { panic!("known") };
    services.get_mut(&service()).unwrap().start = Answer::Known(StartType::AUTOMATIC);
    seen
}

/// Has the act accepted that the run has in hand, and goes on to the next look.
fn accepted(engine: &mut Engine, effects: &[Effect], now: Timestamp) -> (Vec<Effect>, Timestamp) {
    let acts = effects.iter().filter_map(|effect| match effect {
        Effect::Act(intent) => Some(intent.id),
        Effect::Record(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    });
    let acts: Vec<IntentId> = acts.collect();
    let mut after = Vec::new();
    for intent in acts {
        after = engine.handle(Input::Acted { intent, outcome: ActOutcome::Accepted }, now);
    }
    let looks = after.iter().any(|effect| matches!(effect, Effect::Look { look, .. } if look.within.is_none()));
    if looks { (after, now) } else { wake(engine, &after) }
}

#[test]
fn p5_start_types_that_another_hand_sets_back_are_set_again_with_a_word_and_the_third_time_is_a_hold() {
    let mut engine = after(&draining(Attended::Yes));
    let mut effects = engine.handle(resumed(), at(50));
    let mut now = at(50);
    for time in 1..=2 {
        effects = answer(&mut engine, &effects, automatic_again(now), now);
        assert_eq!(engine.state().work[0].start_types_undone, time, "{effects:?}");
        let Some(Act::SetStartType { to, .. }) = first_act(&effects) else { panic!("not set again: {effects:?}") };
        assert_eq!(*to, StartType::MANUAL);
        (effects, now) = accepted(&mut engine, &effects, now);
        // What was set a moment ago may not show yet, and is no other undoing.
        effects = answer(&mut engine, &effects, automatic_again(now), now);
        assert_eq!(engine.state().work[0].start_types_undone, time, "{effects:?}");
        (effects, now) = accepted(&mut engine, &effects, now);
        effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(2), now), now);
        (effects, now) = wake(&mut engine, &effects);
    }
    effects = answer(&mut engine, &effects, automatic_again(now), now);
    assert_eq!(acts(&effects), 0);
    assert!(held(&engine).unwrap().contains("another hand sets them back"), "{:?}", held(&engine));
    decided(&mut engine, HoldChoice::Retry, None);
    assert_eq!(engine.state().work[0].start_types_undone, 0, "a retry begins as if for the first time");
}

#[test]
fn a_decision_for_an_earlier_hold_is_no_answer_to_this_one() {
    let mut records = draining(Attended::Yes);
    held_with(&mut records, DRAIN, "sessions have not ended");
    let mut engine = after(&records);
    let since = engine.state().work[0].held.as_ref().unwrap().since;
    decided(&mut engine, HoldChoice::Return, Some(since - SignedDuration::from_mins(1)));
    assert!(engine.state().work[0].held.is_some(), "that was another hold");
    decided(&mut engine, HoldChoice::Return, Some(since));
    assert!(engine.state().work[0].back.is_some());
}

#[test]
fn p6_an_installer_without_a_result_is_started_again_only_when_a_person_says_so() {
    let vanished = |now| installing(Answer::Known(InstallerState::Vanished), now);
    for (attended, starts) in [(Attended::Yes, 1), (Attended::No, 0)] {
        let mut records = patching(attended);
        held_with(&mut records, PATCH, "it left no result");
        records.push(Record::Decided {
            work: FE1,
            choice: HoldChoice::Retry,
            by: "ann".to_owned(),
            terms: Terms::default(),
        });
        let mut engine = after(&records);
        let again = Input::Begin(Start::Resume { by: actor(), attended });
        let effects = engine.handle(again, at(60));
        let effects = answer(&mut engine, &effects, vanished(at(60)), at(60));
        assert_eq!(acts(&effects), starts, "{effects:?}");
        if let Some(Act::StartInstaller(run)) = first_act(&effects) {
            assert_eq!(run.token, InstallerToken("run-1-fe1-2".to_owned()), "never the same token twice");
        }
    }
}

#[test]
fn a_failed_installer_of_an_earlier_night_may_be_tried_again_and_its_server_is_not_called_done() {
    let mut records = failed(Attended::No);
    records.push(Record::Decided {
        work: FE1,
        choice: HoldChoice::Return,
        by: "the plan".to_owned(),
        terms: Terms::default(),
    });
    records.extend(returned());
    records.push(Record::RunEnded { outcome: RunOutcome::StoppedByPolicy });
    let mut engine = after(&records);
    engine.handle(resumed(), at(900));
    let work = &engine.state().work[0];
    assert!(work.installer.is_none() && work.token.is_none(), "{work:?}");
    assert!(
        work.has(crate::state::Mark::HalfDone) && work.tokens.len() == 1,
        "what was started is not forgotten: {work:?}"
    );
}

#[test]
fn p5_a_server_that_was_only_recorded_is_recorded_again_when_the_run_is_taken_up() {
    let mut records = vec![begun(Attended::No)];
    records.extend(done(0));
    records.push(Record::StepStarted { step: StepId(1) });
    records.push(recorded());
    records.push(Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: String::new() });
    let mut engine = after(&records);
    assert!(engine.state().work[0].snapshot.is_some());
    engine.handle(resumed(), at(9000));
    assert!(engine.state().work[0].snapshot.is_none(), "a week later it may be another server");
    assert!(!engine.state().steps[1].is_ended());
}

#[test]
fn p5_a_service_that_changed_between_the_record_and_the_first_change_is_recorded_again() {
    let records = draining(Attended::Yes);
    // Up to the beginning of the block, before its first act.
    let mut engine = after(&records[..7]);
    engine.scratch[0].guarded = true;
    engine.scratch[0].guarded_at = Some(at(8));
    let effects = said(&mut engine, Command::Hold { server: Some(server(2)), by: "ann".to_owned() });
    engine.scratch[0].guarded = true;
    engine.scratch[0].guarded_at = Some(at(100));
    let effects = answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), at(100)), at(100));
    assert_eq!(acts(&effects), 0, "{effects:?}");
    assert!(!engine.state().steps[1].is_ended(), "the record step is done once more: {effects:?}");
}

#[test]
fn a_paused_service_that_takes_new_sessions_is_reported_and_in_the_end_held() {
    let mut engine = after(&draining(Attended::Yes));
    let mut effects = engine.handle(resumed(), at(50));
    let mut now = at(50);
    for count in [4, 2, 3] {
        if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            (effects, now) = wake(&mut engine, &effects);
        }
        effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(count), now), now);
    }
    assert_eq!(engine.state().work[0].reasserted.get(&service()), Some(&1), "from 2 to 3: {effects:?}");
    assert!(!engine.state().steps[2].is_ended(), "the block is looked at again");
}

#[test]
fn a_held_server_is_watched_and_what_is_resumed_is_said_once() {
    let mut records = draining(Attended::Yes);
    held_with(&mut records, DRAIN, "sessions have not ended");
    let mut engine = after(&records);
    let mut effects = said(&mut engine, Command::Hold { server: Some(server(2)), by: "ann".to_owned() });
    let mut notes = 0;
    for minute in [100, 101, 102] {
        effects = answer(&mut engine, &effects, fe1(RunState::Running, Answer::Known(1), at(minute)), at(minute));
        notes += effects.iter().filter(|effect| matches!(effect, Effect::Record(Record::Note { .. }))).count();
        assert_eq!(acts(&effects), 0, "a hold is a person's: {effects:?}");
        assert!(engine.view(at(minute)).servers[0].sessions_left.as_ref().unwrap().known().is_none());
        (effects, _) = wake(&mut engine, &effects);
    }
    assert_eq!(notes, 1);
    decided(&mut engine, HoldChoice::Return, None);
    assert!(engine.state().work[0].back.is_some(), "a decision does not wait for the next look");
}

#[test]
fn p6_a_retry_at_an_installer_that_ended_well_starts_no_second_one() {
    let mut records = patching(Attended::Yes);
    records.push(Record::InstallerEnded { work: FE1, exit_code: 0, meaning: ExitMeaning::Done });
    held_with(&mut records, PATCH, "ann asked to hold it");
    records.push(Record::Decided {
        work: FE1,
        choice: HoldChoice::Retry,
        by: "ann".to_owned(),
        terms: Terms::default(),
    });
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(60));
    let effects = answer(&mut engine, &effects, installing(Answer::not_asked(), at(60)), at(60));
    assert_eq!(acts(&effects), 0, "{effects:?}");
    assert!(engine.state().steps[PATCH.0 as usize].is_ended());
}

#[test]
fn p9_an_installer_that_gave_up_at_once_is_no_half_patch() {
    let mut records = patching(Attended::Yes);
    records.push(Record::InstallerEnded { work: FE1, exit_code: 1618, meaning: ExitMeaning::Busy });
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(60));
    said(&mut engine, Command::Stop { by: "ann".to_owned() });
    answer(&mut engine, &effects, installing(Answer::not_asked(), at(60)), at(60));
    assert!(engine.state().work[0].back.is_some(), "nothing was patched, so the server goes back");
}

#[test]
fn p8_a_server_that_a_stop_was_giving_back_is_begun_again_when_the_run_is_taken_up() {
    for (kind, begins) in [(WhyKind::Operator, true), (WhyKind::Window, true), (WhyKind::Failed, false)] {
        let mut records = draining(Attended::No);
        let why = Why { kind, text: "the run stops: ann asked with Ctrl-C".to_owned() };
        records.push(Record::StopRequested { why: StopWhy::Operator("ann asked with Ctrl-C".to_owned()) });
        records.push(Record::TurnedBack { work: FE1, why });
        for step in 8..10 {
            records.extend(done(step));
        }
        let mut engine = after(&records);
        let effects = engine.handle(resumed(), at(100));
        let work = &engine.state().work[0];
        if begins {
            assert!(work.started.is_some() && work.back.is_none() && work.end.is_none(), "{kind:?}: {effects:?}");
            assert_eq!(work.put_off, 0, "the pool could do without it");
            assert!(work.earlier.is_some(), "the last look still compares it with its record");
        } else {
            assert!(matches!(work.end, Some(ServerEnd::Returned { .. })), "{kind:?}: {effects:?}");
        }
        let mut engine = after(&records);
        engine.handle(recovery(), at(100));
        assert!(engine.state().work[0].started.is_some() && engine.state().work[0].back.is_some(), "{kind:?}");
    }
}

#[test]
fn p4_what_another_hand_starts_beside_the_installer_is_told_and_its_sessions_are_not_counted() {
    let running = |state: RunState, now| {
        let mut seen = fe1(state, Answer::Known(0), now);
        seen.servers.get_mut(&server(1)).unwrap().installer = Answer::Known(InstallerState::Running);
        seen
    };
    let mut engine = after(&patching(Attended::Yes));
    let effects = engine.handle(resumed(), at(30));
    let effects = answer(&mut engine, &effects, running(RunState::Running, at(30)), at(30));
    let wait = engine.view(at(30)).servers[0].wait.clone().expect("it waits");
    assert!(wait.why.contains("RTCSRV as well") && wait.why.contains("not counted"), "{wait:?}");
    let (effects, now) = wake(&mut engine, &effects);
    let effects = answer(&mut engine, &effects, running(RunState::Stopped, now), now);
    let gone = |effect: &Effect| matches!(effect, Effect::Record(Record::StoppedByOthers { .. }));
    assert_eq!(effects.iter().filter(|effect| gone(effect)).count(), 1, "{effects:?}");
    assert_eq!(engine.state().work[0].stopped_uncounted.len(), 1);
    // The same where the installer restarts the server before any look shows the service stopped.
    let mut engine = after(&patching(Attended::Yes));
    let effects = engine.handle(resumed(), at(30));
    let effects = answer(&mut engine, &effects, running(RunState::Running, at(30)), at(30));
    let (effects, now) = wake(&mut engine, &effects);
    let ended = Answer::Known(InstallerState::Finished { exit_code: 1641 });
    answer(&mut engine, &effects, installing(ended, now), now);
    assert_eq!(engine.state().work[0].stopped_uncounted.len(), 1);
}

/// Lives with fe1 in its patch step, where the installer is started as `answer` says, until it is given up or the end.
fn patched(answer: impl Fn(Timestamp) -> ActOutcome, most: Timestamp) -> (Engine, Timestamp, Option<Timestamp>) {
    let mut records = draining(Attended::Yes);
    records.push(Record::StepDone { step: DRAIN, how: StepEnd::Done, proof: String::new() });
    records.extend(done(4));
    records.push(Record::StepStarted { step: PATCH });
    let mut engine = after(&records);
    let (mut now, mut taken, mut wakes) = (at(100), None, Vec::new());
    let mut todo: std::collections::VecDeque<Effect> = engine.handle(resumed(), now).into();
    while now < most && held(&engine).is_none() && engine.state().work[0].back.is_none() {
        let came = match todo.pop_front() {
            Some(Effect::Act(intent)) => {
                let outcome = answer(now);
                if outcome == ActOutcome::Accepted {
                    taken.get_or_insert(now);
                }
                engine.handle(Input::Acted { intent: intent.id, outcome }, now)
            }
            Some(Effect::Look { ticket, .. }) => {
                let state = if taken.is_some() { InstallerState::Running } else { InstallerState::NotStarted };
                let mut own = installing(Answer::Known(state), now).servers.remove(&server(1)).unwrap();
                own.versions = Answer::Known(Vec::new());
                let mut seen = super::watch::pool(Answer::Known(RunState::Running), now);
                seen.servers.insert(server(1), own);
                engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now)
            }
            Some(Effect::Wake { ticket, at }) => {
                wakes.push((at, ticket));
                Vec::new()
            }
            Some(Effect::Record(_) | Effect::End(_) | Effect::Broken(_)) => Vec::new(),
            None => {
                wakes.sort_by_key(|(at, _)| *at);
                let (at, ticket) = wakes.remove(0);
                now = now.max(at);
                engine.handle(Input::Woke { ticket }, now)
            }
        };
        todo.extend(came);
    }
    (engine, now, taken)
}

#[test]
fn an_installer_has_its_full_time_from_the_start_that_was_not_refused() {
    let quota = || ActOutcome::Retry("the quota is used up".to_owned());
    let (engine, now, taken) = patched(|now| if now < at(101) { quota() } else { ActOutcome::Accepted }, at(400));
    let taken = taken.expect("it was started in the end");
    assert!(held(&engine).is_some_and(|why| why.contains("the installer is running")), "{:?}", held(&engine));
    let ran = now.duration_since(taken);
    assert!(ran >= SignedDuration::from_mins(45), "it was given up after {ran:#} of its 45 minutes");
}

#[test]
fn a_server_whose_installer_could_never_be_started_goes_back() {
    let (engine, now, _) = patched(|_| ActOutcome::Retry("the quota is used up".to_owned()), at(400));
    let why =
        engine.state().work[0].back.clone().unwrap_or_else(|| panic!("{:?} at {now}", engine.view(now).servers[0]));
    assert!(why.text.contains("the quota is used up"), "{}", why.text);
    assert!(now < at(130), "{now}");
}

#[test]
fn p8_no_server_is_begun_before_one_that_was_brought_back_has_stayed_good_for_its_soak_time() {
    let mut records = draining(Attended::Yes);
    records.push(Record::TurnedBack { work: FE1, why: why("recover") });
    records.extend(done(8));
    records.extend(done(9));
    records.push(Record::ServerEnded { work: FE1, end: ServerEnd::Finished });
    let back = at(i64::try_from(records.len()).unwrap());
    let mut now = back;
    let mut engine = after(&records);
    let mut effects = engine.handle(resumed(), now);
    for _ in 0..1000 {
        effects = answer(&mut engine, &effects, fe1(RunState::Running, Answer::Known(0), now), now);
        let wait = engine.view(now).servers[1].wait.clone().unwrap();
        let soak = engine.plan().change().maintenance.soak;
        if !wait.what.contains("soak of another server") {
            assert!(now.duration_since(back) >= soak - SignedDuration::from_mins(3), "{now}: {wait:?}");
            assert!(now > back, "it was waited for");
            return;
        }
        (effects, now) = wake(&mut engine, &effects);
    }
    panic!("it is waited for without end");
}
