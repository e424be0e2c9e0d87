//! Several installers: each once, in their order, and one restart that is owed until it is made.

use super::*;
use orchestrate_model::observe::InstallerState;

/// The steps of a server with two installers, each with the installer that it is about; in some plans the server is restarted
/// between them.
fn two(point: &str) -> Arc<Plan> {
    plan_with(|plan| {
        let mut kinds = vec![("guard", 0), ("record", 0), ("block", 0), ("drain", 0), ("stop", 0), ("patch", 0)];
        kinds.extend((point == AFTER).then_some(("restart", 0)));
        kinds.extend([("patch", 1), ("restart", 1), ("verify", 0), ("return", 0), ("gate", 0), ("soak", 0)]);
        let installer = |name: &str, point: &str| {
            json!({"installer": format!("C:\\CU\\{name}.exe"), "arguments": [], "sha256": "00", "restart": point,
                "deadline": serde_json::to_value(SignedDuration::from_mins(45)).unwrap(), "level": null, "exit_codes": {}})
        };
        let first = installer("first", point);
        plan["change"]["maintenance"]["patch"] = json!([first, installer("second", AT_END)]);
        let steps = kinds.iter().enumerate().map(|(id, (kind, installer))| {
            json!({"id": id, "target": {"server": 0}, "kind": kind, "installer": installer, "certainty": "assumed"})
        });
        plan["steps"] = steps.collect::<Vec<_>>().into();
        let edges = (1..kinds.len()).map(|id| json!({"before": id - 1, "after": id, "reason": "same_server"}));
        plan["edges"] = edges.collect::<Vec<_>>().into();
        for server in [1, 2] {
            plan["work"][server]["skip"] = json!("it is not worked on");
        }
    })
}

/// When the restart is made that the first one asks for.
const AFTER: &str = "after";
const AT_END: &str = "at-end";

const SECOND: StepId = StepId(6);

fn run(number: u32, name: &str) -> Act {
    Act::StartInstaller(InstallerRun {
        token: InstallerToken(format!("run-1-fe1-{number}")),
        installer: format!("C:\\CU\\{name}.exe"),
        arguments: vec![],
        sha256: "00".to_owned(),
        deadline: SignedDuration::from_mins(45),
    })
}

/// A run in which the first installer of fe1 has ended so.
fn ended(attended: Attended, exit_code: i64, meaning: ExitMeaning) -> Vec<Record> {
    let mut records = draining(attended);
    records.push(Record::StepDone { step: DRAIN, how: StepEnd::Done, proof: String::new() });
    records.extend(done(4));
    records.push(Record::StepStarted { step: PATCH });
    records.extend(intended(2, PATCH, run(1, "first")));
    records.push(Record::InstallerEnded { work: FE1, exit_code, meaning });
    records
}

/// fe1, stopped, with what the installer that is asked about does.
fn seen(state: InstallerState, taken: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Stopped, Answer::Known(0), taken);
    let own = seen.servers.get_mut(&server(1)).unwrap();
    own.installer = Answer::Known(state);
    own.versions = Answer::Known(vec![]);
    seen
}

/// The same after a boot.
fn booted(state: InstallerState, taken: Timestamp) -> PoolObservation {
    let mut seen = seen(state, taken);
    let host = HostFacts { booted: taken, local_time: taken, system: String::new() };
    seen.servers.get_mut(&server(1)).unwrap().host = Answer::Known(host);
    seen
}

fn act_in(effects: &[Effect]) -> Option<&Act> {
    effects.iter().find_map(|effect| match effect {
        Effect::Act(intent) => Some(&intent.act),
        Effect::Record(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    })
}

/// Takes a run up after a kill, answers its first look, and returns what it does.
fn taken_up(plan: Arc<Plan>, records: &[Record], own: impl Fn(Timestamp) -> PoolObservation) -> (Engine, Vec<Effect>) {
    let now = at(i64::try_from(records.len()).unwrap());
    let mut engine = after_in(plan, records);
    let effects = engine.handle(resumed(), now);
    let effects = answer(&mut engine, &effects, own(now), now);
    (engine, effects)
}

#[test]
fn p6_the_next_installer_is_run_after_one_that_ended_well_and_the_restart_of_the_first_is_made_at_the_end() {
    let mut records = ended(Attended::Yes, 3010, ExitMeaning::RestartNeeded);
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Done, proof: String::new() });
    let (engine, effects) = taken_up(two(AT_END), &records, |now| seen(InstallerState::NotStarted, now));
    let Some(Act::StartInstaller(second)) = act_in(&effects) else { panic!("it is not run: {effects:?}") };
    assert_eq!((second.installer.as_str(), second.token.0.as_str()), ("C:\\CU\\second.exe", "run-1-fe1-2"));
    assert_eq!(engine.state().work[0].owed.map(|(code, ..)| code), Some(3010));
    // Killed in the middle of the second one, and again when it has ended.
    records.push(Record::StepStarted { step: SECOND });
    records.extend(intended(3, SECOND, run(2, "second")));
    let (engine, effects) = taken_up(two(AT_END), &records, |now| seen(InstallerState::Running, now));
    assert_eq!(acts(&effects), 0, "{effects:?}");
    let wait = engine.view(at(100)).servers[0].wait.clone().expect("it waits");
    assert!(wait.why.contains("installer 2 of 2 (second.exe) is running"), "{wait:?}");
    records.push(Record::InstallerEnded { work: FE1, exit_code: 0, meaning: ExitMeaning::Done });
    records.push(Record::StepDone { step: SECOND, how: StepEnd::Done, proof: String::new() });
    let (engine, effects) = taken_up(two(AT_END), &records, |now| seen(InstallerState::NotStarted, now));
    assert!(matches!(act_in(&effects), Some(Act::Restart { .. })), "the first one asks for it: {effects:?}");
    let results: Vec<_> = engine.state().work[0].results().collect();
    assert_eq!(results, [(0, 3010, ExitMeaning::RestartNeeded), (1, 0, ExitMeaning::Done)]);
}

#[test]
fn p6_no_installer_is_run_after_one_that_failed_and_was_passed_over() {
    let mut records = ended(Attended::Yes, 1603, ExitMeaning::Failed);
    let choices = vec![HoldChoice::Retry, HoldChoice::Skip];
    let (cause, reason) = (HoldCause::InstallerFailed, "it ended with 1603".to_owned());
    records.push(Record::Held { work: FE1, step: PATCH, cause, reason, choices });
    let by = "ann".to_owned();
    records.push(Record::Decided { work: FE1, choice: HoldChoice::Skip, by, terms: Terms::default() });
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Skipped, proof: String::new() });
    let (engine, effects) = taken_up(two(AT_END), &records, |now| seen(InstallerState::NotStarted, now));
    assert_eq!(acts(&effects), 0, "{effects:?}");
    assert_eq!((engine.state().work[0].in_hand, engine.state().work[0].tokens.len()), (0, 1));
    let not_run = |effect: &Effect| {
        let Effect::Record(Record::StepDone { step: SECOND, how: StepEnd::Skipped, proof }) = effect else {
            return false;
        };
        proof.contains("passed over: it ended with 1603")
    };
    assert!(effects.iter().any(not_run), "{effects:?}");
}

#[test]
fn p4_nothing_is_installed_on_a_server_that_its_installer_restarts_until_it_is_back() {
    let records = ended(Attended::Yes, 1641, ExitMeaning::RestartStarted);
    let (mut engine, effects) = taken_up(two(AT_END), &records, |now| seen(InstallerState::NotStarted, now));
    assert_eq!(acts(&effects), 0, "it goes down any moment: {effects:?}");
    let wait = engine.view(at(100)).servers[0].wait.clone().expect("it waits");
    assert!(wait.what.contains("restart"), "{wait:?}");
    let (effects, now) = wake(&mut engine, &effects);
    let effects = answer(&mut engine, &effects, booted(InstallerState::NotStarted, now), now);
    let effects = answer(&mut engine, &effects, booted(InstallerState::NotStarted, now), now);
    assert!(matches!(act_in(&effects), Some(Act::StartInstaller(run)) if run.installer.ends_with("second.exe")));
    assert_eq!(engine.state().work[0].owed, None, "its restart was seen");
}

#[test]
fn a_restart_between_two_installers_is_made_before_the_second_and_not_once_more() {
    let mut records = ended(Attended::Yes, 3010, ExitMeaning::RestartNeeded);
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Done, proof: String::new() });
    let (mut engine, effects) = taken_up(two(AFTER), &records, |now| seen(InstallerState::NotStarted, now));
    assert!(matches!(act_in(&effects), Some(Act::Restart { .. })), "{effects:?}");
    let Some(Effect::Act(intent)) = effects.iter().find(|effect| matches!(effect, Effect::Act(_))) else { panic!() };
    let now = at(100);
    let effects = engine.handle(Input::Acted { intent: intent.id, outcome: ActOutcome::Accepted }, now);
    let effects = answer(&mut engine, &effects, booted(InstallerState::NotStarted, now), now);
    let effects = answer(&mut engine, &effects, booted(InstallerState::NotStarted, now), now);
    assert!(matches!(act_in(&effects), Some(Act::StartInstaller(run)) if run.installer.ends_with("second.exe")));
    assert_eq!(engine.state().work[0].asks_for_restart(), None);
}

#[test]
fn p6_an_installer_that_ended_well_is_not_run_again_in_a_later_pass() {
    let mut records = ended(Attended::No, 3010, ExitMeaning::RestartNeeded);
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: SECOND });
    records.extend(intended(3, SECOND, run(2, "second")));
    records.push(Record::InstallerEnded { work: FE1, exit_code: 1603, meaning: ExitMeaning::Failed });
    records.extend(returned());
    records.push(Record::RunEnded { outcome: RunOutcome::StoppedByPolicy });
    records.push(Record::Resumed { by: actor(), recover: false, attended: Attended::Yes });
    records.extend(done(0));
    records.push(Record::StepStarted { step: StepId(1) });
    records.push(recorded());
    records.push(Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: StepId(2) });
    records.extend(intended(4, StepId(2), Act::Pause { service: service() }));
    records.push(Record::StepDone { step: StepId(2), how: StepEnd::Done, proof: String::new() });
    records.extend([3, 4].into_iter().flat_map(done));
    let (engine, effects) = taken_up(two(AT_END), &records, |now| seen(InstallerState::NotStarted, now));
    let again = |effect: &Effect| {
        matches!(effect, Effect::Record(Record::StepDone { step: PATCH, how: StepEnd::AlreadyDone, .. }))
    };
    assert!(effects.iter().any(again), "{effects:?}");
    let work = &engine.state().work[0];
    assert_eq!((work.in_hand, work.owed.map(|(code, ..)| code)), (1, Some(3010)), "its restart is still owed");
}

#[test]
fn p8_the_restart_that_the_first_asked_for_is_owed_when_the_second_has_failed() {
    let mut records = ended(Attended::No, 3010, ExitMeaning::RestartNeeded);
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: SECOND });
    records.extend(intended(3, SECOND, run(2, "second")));
    records.push(Record::InstallerEnded { work: FE1, exit_code: 1603, meaning: ExitMeaning::Failed });
    let engine = after_in(two(AT_END), &records);
    let owed = engine.state().work[0].asks_for_restart();
    assert_eq!(owed.map(|(code, meaning, _)| (code, meaning)), Some((3010, ExitMeaning::RestartNeeded)));
}
