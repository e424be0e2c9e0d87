//! Servers of a pool end at one level, and a half-updated one is not taken for an updated one.

use super::*;
use crate::constants::{SWEEP_LOOKS, VERIFY_DEADLINE};
use crate::state::StepState;
use orchestrate_model::Version;
use orchestrate_model::observe::Part;
use orchestrate_model::version::ComponentVersion;

const OLD: &str = "5.0.8308.866";
const NEW: &str = "5.0.8308.1149";

/// A core component and another one at these versions.
fn versions(core: &str, tools: &str) -> Vec<ComponentVersion> {
    let component = |component: &str, version: &str| ComponentVersion {
        component: component.to_owned(),
        version: Version::parse(version).unwrap(),
    };
    vec![component("Core Components", core), component("Administrative Tools", tools)]
}

fn plan_to(level: serde_json::Value) -> Arc<Plan> {
    plan_with(|plan| plan["change"]["maintenance"]["patch"]["level"] = level)
}

/// A run of which nothing is left but its end.
fn over() -> Vec<Record> {
    let mut records = vec![begun(Attended::No)];
    for work in 0..3 {
        let end = ServerEnd::NothingToDo { why: String::new() };
        records.push(Record::ServerEnded { work: WorkId(work), end });
    }
    records
}

/// Ends a run in which the servers say this of themselves, as often as they are asked.
fn ended(plan: Arc<Plan>, says: [Answer<Vec<ComponentVersion>>; 3]) -> (Engine, RunOutcome) {
    let mut engine = after_in(plan, &over());
    let mut todo = engine.handle(resumed(), at(100));
    for _ in 0..1000 {
        let effect = todo.remove(0);
        let input = match effect {
            Effect::Look { ticket, look } => {
                let (name, ask) = look.servers.first_key_value().unwrap();
                assert!(ask.wants(Part::Versions));
                let place = (1..=3).position(|number| server(number) == *name).unwrap();
                let mut own = ServerObservation::unknown(name.clone(), at(100), "not asked");
                own.versions = says[place].clone();
                let servers = BTreeMap::from([(name.clone(), own)]);
                let (dns, balancer) = (Answer::not_asked(), Answer::not_asked());
                let seen = PoolObservation { pool: look.pool, servers, dns, balancer };
                Input::Seen { ticket, seen: Box::new(seen) }
            }
            Effect::Wake { ticket, .. } => Input::Woke { ticket },
            Effect::End(outcome) => return (engine, outcome),
            Effect::Record(_) => continue,
            Effect::Act(_) | Effect::Broken(_) => panic!("{effect:?}"),
        };
        todo.extend(engine.handle(input, at(100)));
    }
    panic!("the run does not end");
}

#[test]
fn p8_a_run_is_done_when_the_servers_of_each_pool_are_proven_to_be_at_one_level() {
    let same = || Answer::Known(versions(NEW, NEW));
    let (_, outcome) = ended(plan(), [same(), same(), same()]);
    assert_eq!(outcome, RunOutcome::Done);

    let (engine, outcome) = ended(plan(), [same(), Answer::Known(versions(NEW, OLD)), same()]);
    assert_eq!(outcome, RunOutcome::ToBeLookedAt);
    let levels = crate::levels::of(engine.plan(), engine.state());
    assert_eq!(levels[0].mixed[0].component, "Administrative Tools");
    assert_eq!(levels[0].mixed[0].versions.first_key_value().unwrap().1.first().unwrap().short(), "fe2");
}

#[test]
fn p3_a_server_that_does_not_say_what_it_has_is_not_at_the_level_of_its_pool() {
    let same = || Answer::Known(versions(NEW, NEW));
    for silent in [Answer::unknown("access denied"), Answer::Known(Vec::new())] {
        let (engine, outcome) = ended(plan(), [same(), same(), silent]);
        assert_eq!(outcome, RunOutcome::ToBeLookedAt);
        assert_eq!(engine.scratch[2].sweep_looks, SWEEP_LOOKS, "it was asked more than once");
        assert_eq!(crate::levels::of(engine.plan(), engine.state())[0].unknown.len(), 1);
    }
    let another_line = Answer::Known(versions("1.0.976.0", "11.0.6020"));
    let (_, outcome) = ended(plan_to(json!(NEW)), [same(), same(), another_line]);
    assert_eq!(outcome, RunOutcome::ToBeLookedAt, "components of other products say nothing of this one's");
}

#[test]
fn components_that_the_level_is_not_about_may_differ() {
    let say = || [versions(NEW, NEW), versions(NEW, OLD), versions(NEW, NEW)].map(Answer::Known);
    let (_, outcome) = ended(plan_to(json!({"Core Components": NEW})), say());
    assert_eq!(outcome, RunOutcome::Done);
    let (_, outcome) = ended(plan_to(json!(NEW)), say());
    assert_eq!(outcome, RunOutcome::ToBeLookedAt, "one version is about every component of its line");
}

/// fe1 in its verify step, after fe2 was updated by the same run; both were the same before.
fn verifying(level: serde_json::Value) -> (Engine, Vec<Effect>) {
    verifying_at(level, at(100))
}

/// The same, taken up at this time.
fn verifying_at(level: serde_json::Value, now: Timestamp) -> (Engine, Vec<Effect>) {
    let mut records = failed(Attended::Yes);
    records.truncate(records.len() - 2);
    let mut before = recorded();
    if let Record::Snapshot { snapshot, .. } = &mut before {
        snapshot.versions = versions(OLD, OLD);
    }
    let mut other = before.clone();
    if let Record::Snapshot { work, .. } = &mut other {
        *work = WorkId(1);
    }
    let place = records.iter().position(|record| matches!(record, Record::Snapshot { .. })).unwrap();
    records[place] = before;
    records.extend([other, Record::Installed { work: WorkId(1), versions: versions(NEW, NEW) }]);
    records.push(Record::ServerEnded { work: WorkId(1), end: ServerEnd::Finished });
    records.push(Record::InstallerEnded { work: FE1, exit_code: 0, meaning: ExitMeaning::Done });
    records.push(Record::StepDone { step: PATCH, how: StepEnd::Done, proof: String::new() });
    records.extend(done(6));
    records.push(Record::StepStarted { step: StepId(7) });
    let mut engine = after_in(plan_to(level), &records);
    let effects = engine.handle(resumed(), now);
    (engine, effects)
}

fn with_versions(versions: Vec<ComponentVersion>) -> PoolObservation {
    let mut seen = fe1(RunState::Stopped, Answer::Known(0), at(100));
    seen.servers.get_mut(&server(1)).unwrap().versions = Answer::Known(versions);
    seen
}

#[test]
fn p8_a_component_that_the_installer_raised_elsewhere_and_not_here_holds_the_server() {
    for level in [json!(NEW), json!(null)] {
        let (mut engine, effects) = verifying(level.clone());
        answer(&mut engine, &effects, with_versions(versions(NEW, OLD)), at(100));
        let reason = held(&engine).unwrap_or_else(|| panic!("not held with the level {level}"));
        assert!(reason.contains("Administrative Tools is still at 5.0.8308.866"), "{reason}");
        assert!(reason.contains("raised to 5.0.8308.1149 on fe2"), "{reason}");

        let (mut engine, effects) = verifying(level);
        answer(&mut engine, &effects, with_versions(versions(NEW, NEW)), at(100));
        assert_eq!(held(&engine), None);
        assert!(engine.state().work[0].installed.is_some());
    }
}

#[test]
fn a_level_of_components_is_proven_component_by_component() {
    let level = json!({"Core Components": NEW, "Administrative Tools": NEW, "Call Park": NEW});
    let (mut engine, effects) = verifying(level);
    answer(&mut engine, &effects, with_versions(versions(NEW, OLD)), at(100));
    let reason = held(&engine).unwrap();
    assert!(reason.contains("the level is Administrative Tools 5.0.8308.866"), "{reason}");
}

#[test]
fn a_half_updated_server_is_not_passed_over_when_another_one_shows_it() {
    for (theirs, passed_over) in [(versions(NEW, NEW), false), (versions(NEW, OLD), true)] {
        let mut records = vec![begun(Attended::Yes)];
        records.extend(done(0));
        records.push(Record::StepStarted { step: StepId(1) });
        let mut engine = after_in(plan_to(json!(NEW)), &records);
        // Not taken up again: then it would begin with the guard once more.
        let effects = engine.handle(Input::Woke { ticket: Ticket(0) }, at(100));
        let start = StartType { mode: StartMode::Automatic, delayed: false };
        let mut seen = with_versions(versions(NEW, OLD));
        let own = seen.servers.get_mut(&server(1)).unwrap();
        if let Answer::Known(services) = &mut own.services {
            let status = services.get_mut(&service()).unwrap();
            (status.state, status.start) = (Answer::Known(RunState::Running), Answer::Known(start));
        }
        let effects = answer(&mut engine, &effects, seen.clone(), at(100));
        let look = look_in(&effects).1;
        assert!(look.servers[&server(2)].wants(Part::Versions), "the others are asked: {look:?}");
        let mut other = ServerObservation::unknown(server(2), at(100), "not asked");
        other.versions = Answer::Known(theirs);
        seen.servers.insert(server(2), other);
        answer(&mut engine, &effects, seen, at(100));
        let work = &engine.state().work[0];
        assert_eq!(matches!(work.end, Some(ServerEnd::NothingToDo { .. })), passed_over, "{work:?}");
        assert_eq!(work.snapshot.is_some(), !passed_over);
    }
}

#[test]
fn p8_a_component_that_is_old_on_every_server_alike_is_named_and_the_run_is_to_be_looked_at() {
    let old = || Answer::Known(versions(NEW, OLD));
    let (engine, outcome) = ended(plan_to(json!(NEW)), [old(), old(), old()]);
    assert_eq!(outcome, RunOutcome::ToBeLookedAt, "nothing on the servers tells what the update touches");
    let levels = crate::levels::of(engine.plan(), engine.state());
    assert!(levels[0].is_one() && !levels[0].is_whole());
    let ((component, version), servers) = levels[0].older.first_key_value().unwrap();
    assert_eq!((*component, version.to_string()), ("Administrative Tools", OLD.to_owned()));
    assert_eq!(servers.len(), 3);
    let (_, outcome) = ended(plan_to(json!({"Core Components": NEW})), [old(), old(), old()]);
    assert_eq!(outcome, RunOutcome::Done, "the plan says what the update touches");
}

/// A run of which nothing is left but its end, whose servers were recorded with these versions and ended well.
fn finished(before: &[ComponentVersion]) -> Vec<Record> {
    let mut records = vec![begun(Attended::No)];
    for number in 0..3 {
        let mut own = recorded();
        if let Record::Snapshot { work, snapshot } = &mut own {
            *work = WorkId(number);
            snapshot.versions = before.to_vec();
        }
        records.extend([own, Record::ServerEnded { work: WorkId(number), end: ServerEnd::Finished }]);
    }
    records
}

#[test]
fn p8_a_version_that_fell_is_no_patch_whatever_the_installer_said() {
    for level in [json!(null), json!(OLD), json!({"Core Components": OLD})] {
        for (now, wanted) in [(OLD, 1), (NEW, 0)] {
            let mut engine = after_in(plan_to(level.clone()), &finished(&versions(NEW, NEW)));
            let lowered = Record::LevelRead { work: FE1, versions: Answer::Known(versions(now, NEW)) };
            let others = [1, 2]
                .map(|work| Record::LevelRead { work: WorkId(work), versions: Answer::Known(versions(now, NEW)) });
            for record in [lowered].into_iter().chain(others) {
                engine.state.apply(&engine.plan.clone(), at(100), &record).unwrap();
            }
            let levels = crate::levels::of(engine.plan(), engine.state());
            assert_eq!(levels[0].fell.len(), wanted * 3, "{level} {now}");
            assert_eq!(levels[0].is_whole(), wanted == 0, "{level} {now}");
            if let Some((server, fell)) = levels[0].fell.first() {
                assert_eq!(server.short(), "fe1");
                assert_eq!(fell[0].to_string(), format!("Core Components fell from {NEW} to {OLD}"));
            }
        }
    }
}

#[test]
fn a_server_whose_version_fell_is_held_before_the_others_follow() {
    let (mut engine, effects) = verifying(json!(null));
    let older = "5.0.8308.100";
    answer(&mut engine, &effects, with_versions(versions(older, NEW)), at(100));
    let told = format!("Core Components fell from {OLD} to {older}");
    assert!(held(&engine).is_some_and(|reason| reason.contains(&told)), "{:?}", held(&engine));
}

#[test]
fn p3_what_a_server_does_not_say_after_its_installer_is_waited_for_where_it_said_it_before() {
    for silent in [Answer::unknown("the server is busy"), Answer::Known(Vec::new())] {
        let (mut engine, effects) = verifying(json!(null));
        let mut seen = with_versions(versions(OLD, NEW));
        seen.servers.get_mut(&server(1)).unwrap().versions = silent.clone();
        let effects = answer(&mut engine, &effects, seen, at(100));
        assert!(!engine.state().steps[7].is_ended(), "{silent:?}: {effects:?}");
        assert!(held(&engine).is_none());
    }
}

#[test]
fn p8_a_version_that_fell_in_an_earlier_pass_is_not_forgotten_and_a_recovery_says_so() {
    let mut engine = after_in(plan_to(json!(null)), &finished(&versions(NEW, NEW)));
    let fallen = Record::LevelRead { work: FE1, versions: Answer::Known(versions(OLD, NEW)) };
    engine.state.apply(&engine.plan.clone(), at(100), &fallen).unwrap();
    let own = &mut engine.state.work[0];
    // The next pass records the server as the first one has left it.
    own.earlier = own.snapshot.clone();
    own.snapshot.as_mut().unwrap().versions = versions(OLD, NEW);
    let fell = crate::levels::fell_at_end(engine.plan(), &engine.state().work[0]);
    assert_eq!(fell.len(), 1, "{fell:?}");
    engine.state.recover = true;
    assert_eq!(engine.outcome(), RunOutcome::ToBeLookedAt);
}

#[test]
fn a_server_above_the_level_is_not_said_to_be_at_it() {
    let level = orchestrate_model::Level::Highest(Version::parse(OLD).unwrap());
    let mut engine = after_in(plan_to(json!(OLD)), &over());
    let record = Record::LevelRead { work: FE1, versions: Answer::Known(versions(NEW, OLD)) };
    engine.state.apply(&engine.plan.clone(), at(100), &record).unwrap();
    let seen = crate::levels::seen(&level, &engine.state().work[0]);
    assert_eq!(seen, crate::levels::Seen::At(format!("above the level (found {NEW}, wanted {OLD})")));
}

#[test]
fn the_proof_of_the_verify_step_names_what_is_below_the_level() {
    let (mut engine, effects) = verifying(json!(NEW));
    // The other server was left with the same, so nothing shows that the update broke off here.
    let mut seen = with_versions(versions(NEW, OLD));
    seen.servers.get_mut(&server(1)).unwrap().versions = Answer::Known(vec![versions(NEW, OLD).remove(0), {
        let mut more = versions(NEW, OLD).remove(1);
        more.component = "Call Park".to_owned();
        more
    }]);
    let effects = answer(&mut engine, &effects, seen, at(100));
    let proof = effects.iter().find_map(|effect| match effect {
        Effect::Record(Record::StepDone { proof, .. }) => Some(proof.clone()),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) => None,
        Effect::Broken(why) => panic!("{why}"),
    });
    assert!(
        proof.as_ref().is_some_and(|proof| proof.contains("BELOW it, all the same: Call Park 5.0.8308.866")),
        "{proof:?}"
    );
}

/// fe1 as it was recorded, up since this time.
fn back_since(booted: Timestamp, now: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Running, Answer::Known(0), now);
    let own = seen.servers.get_mut(&server(1)).unwrap();
    own.host = Answer::Known(HostFacts { booted, local_time: now, system: String::new() });
    own.versions = Answer::Known(versions(NEW, NEW));
    if let Answer::Known(services) = &mut own.services {
        let automatic = StartType { mode: StartMode::Automatic, delayed: false };
        services.get_mut(&service()).unwrap().start = Answer::Known(automatic);
    }
    seen
}

#[test]
fn p8_a_recovery_says_that_a_restart_is_owed_and_what_level_was_seen() {
    let mut records = failed(Attended::No);
    records.truncate(records.len() - 2);
    records.push(Record::InstallerEnded { work: FE1, exit_code: 3010, meaning: ExitMeaning::RestartNeeded });
    records.extend(returned());
    records.push(Record::RunEnded { outcome: RunOutcome::Interrupted });
    for (booted, outcome) in [(at(-9000), RunOutcome::ToBeLookedAt), (at(99), RunOutcome::Recovered)] {
        let mut engine = after_in(plan_to(json!(NEW)), &records);
        let mut effects = engine.handle(recovery(), at(100));
        for _ in 0..20 {
            // The others were not begun, and are asked for their level too.
            let looks: Vec<(Ticket, Look)> = effects
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Look { ticket, look } => Some((*ticket, look.clone())),
                    Effect::Record(_) | Effect::Act(_) | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => {
                        None
                    }
                })
                .collect();
            let wakes: Vec<Ticket> = effects
                .iter()
                .filter_map(|effect| if let Effect::Wake { ticket, .. } = effect { Some(*ticket) } else { None })
                .collect();
            if looks.is_empty() && wakes.is_empty() {
                break;
            }
            effects.clear();
            for (ticket, look) in looks {
                let mut seen = back_since(booted, at(100));
                for name in look.servers.keys().filter(|name| **name != server(1)) {
                    // They serve as the one that came back does, at the level from before.
                    let mut other = seen.servers[&server(1)].clone();
                    other.server = name.clone();
                    other.versions = Answer::Known(versions(OLD, OLD));
                    seen.servers.insert(name.clone(), other);
                }
                seen.dns = super::watch::pool(Answer::unknown(""), at(100)).dns;
                effects.extend(engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, at(100)));
            }
            for ticket in wakes {
                effects.extend(engine.handle(Input::Woke { ticket }, at(100)));
            }
            if engine.state().ended.is_some() {
                break;
            }
        }
        assert_eq!(engine.state().ended, Some(outcome), "booted {booted}");
        let owed = engine.state().work[0].left_over.iter().any(|text| text.contains("it needs a restart"));
        assert_eq!(owed, outcome == RunOutcome::ToBeLookedAt);
        let level = engine.plan().change().maintenance.installers[0].level.clone().unwrap();
        assert_eq!(crate::levels::seen(&level, &engine.state().work[0]), crate::levels::Seen::At(format!("at {NEW}")));
        assert_eq!(crate::levels::seen(&level, &engine.state().work[1]), crate::levels::Seen::Below(OLD.to_owned()));
    }
}

#[test]
fn p8_a_patched_server_that_cannot_be_asked_is_waited_for_until_the_deadline_of_its_step() {
    let mut now = at(25);
    let (mut engine, mut effects) = verifying_at(json!(NEW), now);
    let StepState::Running { since } = engine.state().steps[7] else { panic!("it is in hand") };
    assert!(now.duration_since(since) < VERIFY_DEADLINE, "the step has time left: {since}");
    for _ in 0..1000 {
        let mut seen = fe1(RunState::Stopped, Answer::Known(0), now);
        seen.servers.get_mut(&server(1)).unwrap().versions = Answer::unknown("no shell: the quota is used up");
        effects = answer(&mut engine, &effects, seen, now);
        if let Some(reason) = held(&engine) {
            assert!(now.duration_since(since) >= VERIFY_DEADLINE, "held after {}: {reason}", now.duration_since(since));
            assert!(reason.contains("the quota is used up"), "{reason}");
            return;
        }
        let wait = engine.view(now).servers[0].wait.clone().unwrap();
        assert!(wait.until.is_some_and(|until| until >= now), "{wait:?}");
        (effects, now) = wake(&mut engine, &effects);
    }
    panic!("it is waited for without end");
}
