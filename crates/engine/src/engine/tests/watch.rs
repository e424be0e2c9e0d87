//! The watch over the pool while a server is out.

use super::*;
use crate::constants::{POOL_LOOK, POOL_LOOK_SOAK, POOL_UNKNOWN, PUT_OFFS, REASSERTIONS};
use crate::record::AlarmThen;
use orchestrate_model::observe::{
    AddressRecords, BalancerEntry, BalancerObservation, BalancerPlace, BalancerServer, BalancerState, DnsAnswer,
    DnsObservation, Part, Readiness, ReadinessState,
};
use orchestrate_model::version::{ComponentVersion, Version};

const SOAK: StepId = StepId(10);

/// What the watch waits for.
pub(super) fn pool_look(effects: &[Effect]) -> Option<(Ticket, &Look)> {
    let mut looks = effects.iter().filter_map(|effect| match effect {
        Effect::Look { ticket, look } => Some((*ticket, look)).filter(|(_, look)| look.within.is_some()),
        Effect::Record(_) | Effect::Act(_) | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    });
    looks.next_back()
}

/// Goes to the next look of the watch. Returns what comes of it, and when that is.
fn next_look(engine: &mut Engine, effects: &[Effect]) -> (Vec<Effect>, Timestamp) {
    let wake = effects.iter().rev().find_map(|effect| match effect {
        Effect::Wake { ticket, at } => Some((*ticket, *at)),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::End(_) | Effect::Broken(_) => None,
    });
    let (ticket, at) = wake.expect("the watch looks again");
    (engine.handle(Input::Woke { ticket }, at), at)
}

/// The rest of the pool: fe2 as given, fe3 as usual, and good records.
pub(super) fn pool(fe2: Answer<RunState>, now: Timestamp) -> PoolObservation {
    let name = plan().change().pools[0].name.clone();
    let mut servers = BTreeMap::new();
    for (number, state) in [(2, fe2), (3, Answer::Known(RunState::Running))] {
        let mut seen = ServerObservation::unknown(server(number), now, "not asked");
        if let Answer::Known(state) = state {
            let template = fe1(state, Answer::Known(0), now);
            seen.services = template.servers[&server(1)].services.clone();
        } else {
            seen.services = Answer::unknown("no route to host");
        }
        servers.insert(server(number), seen);
    }
    let records = |names: &[u8]| {
        let addresses = names.iter().map(|last| std::net::IpAddr::from([192, 0, 2, *last])).collect();
        Answer::Known(AddressRecords { addresses, ttl_s: 300, alias: None })
    };
    let resolver = "192.0.2.53:53".parse().unwrap();
    let own =
        (1..=3_u8).map(|number| DnsAnswer { name: server(number.into()).dns(), resolver, records: records(&[number]) });
    let all = DnsAnswer { name: name.dns(), resolver, records: records(&[1, 2, 3]) };
    let answers = own.chain([all]).collect();
    let dns = Answer::Known(DnsObservation { taken: now, answers, external: vec![] });
    PoolObservation { pool: name, servers, dns, balancer: Answer::not_asked() }
}

/// Lets the watch see this at each of its looks, until the time is over or fe1 is on its way back. Returns what came of it.
fn watched(engine: &mut Engine, effects: &[Effect], fe2: &Answer<RunState>, length: SignedDuration) -> Vec<Effect> {
    let mut effects = effects.to_vec();
    let mut now = at(100);
    let until = now + length;
    let mut all = Vec::new();
    while let Some((ticket, _)) = pool_look(&effects) {
        let seen = pool(fe2.clone(), now);
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
        all.extend(came.clone());
        if engine.state().work[0].back.is_some() || engine.state().ended.is_some() || pool_look(&came).is_some() {
            return all;
        }
        let mut wakes = came.iter().filter_map(|effect| match effect {
            Effect::Wake { ticket, at } => Some((*ticket, *at)),
            Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::End(_) | Effect::Broken(_) => None,
        });
        let Some((ticket, at)) = wakes.next_back() else { return all };
        now = at;
        if now > until {
            return all;
        }
        effects = engine.handle(Input::Woke { ticket }, now);
        all.extend(effects.clone());
    }
    all
}

#[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
fn taken_up(records: &[Record], wait: bool) -> (Engine, Vec<Effect>) {
    let plan = plan_with(|plan| {
        plan["change"]["maintenance"]["pool_unsafe"] = json!(if wait { "wait" } else { "stop" });
    });
    let mut engine = after_in(plan, records);
    let effects = engine.handle(resumed(), at(100));
    (engine, effects)
}

fn alarm(effects: &[Effect]) -> Option<(AlarmThen, String)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Record(Record::Alarm { then, why, .. }) => Some((*then, why.clone())),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::Wake { .. } => None,
        Effect::End(_) | Effect::Broken(_) => None,
    })
}

#[test]
fn p1_the_rest_of_the_pool_is_looked_at_while_a_server_drains_and_the_server_itself_is_not() {
    let (_, effects) = taken_up(&draining(Attended::Yes), false);
    let (_, look) = pool_look(&effects).expect("the watch looks");
    let asked: Vec<&ServerName> = look.servers.keys().collect();
    assert_eq!(asked, [&server(2), &server(3)]);
    assert!(look.names.is_some());
}

#[test]
fn p1_p2_a_server_is_given_back_within_a_minute_of_another_one_going() {
    for fe2 in [Answer::unknown("no route to host"), Answer::Known(RunState::Stopped)] {
        let (mut engine, effects) = taken_up(&draining(Attended::Yes), false);
        let came = watched(&mut engine, &effects, &fe2, SignedDuration::from_mins(1));
        let (then, why) = alarm(&came).unwrap_or_else(|| panic!("no alarm in {came:?}"));
        assert_eq!(then, AlarmThen::GoesBack);
        assert!(why.contains("fe2"), "the culprit is named: {why}");
        let work = &engine.state().work[0];
        assert!(matches!(&work.back, Some(why) if why.kind == WhyKind::Pool), "{work:?}");
        assert!(matches!(engine.state().stop, Some(StopWhy::Policy(_))), "the run stops: exit code 4");
    }
}

#[test]
fn p1_a_held_server_is_given_back_as_well() {
    let mut records = draining(Attended::Yes);
    let choices = vec![HoldChoice::Retry, HoldChoice::Return];
    records.push(Record::Resumed { by: actor(), recover: false, attended: Attended::Yes });
    let (mut engine, effects) = taken_up(&records, false);
    engine
        .replay(
            at(100),
            &Record::Held {
                work: FE1,
                step: DRAIN,
                cause: HoldCause::DrainDeadline,
                reason: "late".to_owned(),
                choices,
            },
        )
        .unwrap();
    watched(&mut engine, &effects, &Answer::Known(RunState::Stopped), SignedDuration::from_mins(1));
    let work = &engine.state().work[0];
    assert!(work.held.is_none() && work.back.is_some(), "nobody has to come for it: {work:?}");
}

#[test]
fn one_bad_look_raises_no_alarm() {
    let (mut engine, effects) = taken_up(&draining(Attended::Yes), false);
    for bad in [Answer::Known(RunState::StartPending), Answer::unknown("busy")] {
        let (ticket, _) = pool_look(&effects).expect("the watch looks");
        engine.handle(Input::Seen { ticket, seen: Box::new(pool(bad, at(100))) }, at(100));
    }
    let late = SignedDuration::from_mins(10);
    watched(&mut engine, &effects, &Answer::Known(RunState::Running), late);
    assert!(engine.state().work[0].alarm.is_none() && engine.state().work[0].back.is_none());
}

#[test]
fn the_pool_is_looked_at_every_twenty_seconds_and_not_more_often_while_it_is_good() {
    let (mut engine, effects) = taken_up(&draining(Attended::Yes), false);
    let came = watched(&mut engine, &effects, &Answer::Known(RunState::Running), SignedDuration::from_mins(5));
    let looks = came.iter().filter_map(|effect| match effect {
        Effect::Look { look, .. } if look.within.is_some() => Some(look),
        Effect::Look { .. } | Effect::Record(_) | Effect::Act(_) | Effect::Wake { .. } => None,
        Effect::End(_) | Effect::Broken(_) => None,
    });
    let product =
        |look: &&&Look| look.servers.values().any(|ask| ask.wants(orchestrate_model::observe::Part::Readiness));
    let looks: Vec<&Look> = looks.collect();
    assert_eq!(i64::try_from(looks.len()).unwrap(), 300 / POOL_LOOK.as_secs());
    assert_eq!(looks.iter().filter(product).count(), 2, "one server says every two minutes what the product says");
    assert!(POOL_LOOK <= POOL_UNKNOWN);
}

#[test]
fn a_pool_of_which_no_server_is_out_is_looked_at_once_a_minute_and_sooner_where_one_is_missing() {
    let mut records = draining(Attended::Yes);
    records.pop();
    records.extend((3..10).flat_map(done));
    records.push(Record::StepStarted { step: SOAK });
    for (state, pace) in [(RunState::Running, POOL_LOOK_SOAK), (RunState::Stopped, POOL_LOOK)] {
        let (mut engine, effects) = taken_up(&records, false);
        let (ticket, look) = pool_look(&effects).expect("the watch looks");
        assert_eq!(look.servers.len(), 3, "fe1 is back");
        let seen = pool(Answer::Known(state), at(100));
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, at(100));
        let mut wakes = came.iter().filter_map(|effect| match effect {
            Effect::Wake { at, .. } => Some(*at),
            Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::End(_) | Effect::Broken(_) => None,
        });
        assert_eq!(wakes.next_back(), Some(at(100) + pace), "{state:?}");
        // When the server is out again, its pool is not left alone for the rest of the minute.
        engine.replay(at(100), &Record::TurnedBack { work: FE1, why: why("asked") }).unwrap();
        let came = engine.handle(Input::Woke { ticket: Ticket(u64::MAX) }, at(100));
        assert_eq!(pool_look(&came).is_some(), pace == POOL_LOOK_SOAK, "{came:?}");
    }
}

#[test]
fn p8_after_the_patch_has_begun_the_alarm_is_said_and_the_server_is_finished() {
    let mut records = failed(Attended::Yes);
    records.truncate(records.len() - 2);
    let (mut engine, effects) = taken_up(&records, false);
    let came = watched(&mut engine, &effects, &Answer::Known(RunState::Stopped), SignedDuration::from_mins(2));
    let (then, why) = alarm(&came).expect("an alarm");
    assert_eq!(then, AlarmThen::IsFinished);
    assert!(why.contains("fe2"), "{why}");
    let work = &engine.state().work[0];
    assert!(work.back.is_none() && work.held.is_none() && work.alarm.is_some());
    assert!(engine.state().stop.is_none(), "nothing is stopped half way: the next guard refuses");
    let view = engine.view(at(110));
    assert!(view.servers[0].alarm.is_some(), "status shows it");
    let (woken, _) = wake(&mut engine, &came);
    let later = watched(&mut engine, &woken, &Answer::Known(RunState::Running), SignedDuration::from_mins(5));
    let clear = |effect: &Effect| matches!(effect, Effect::Record(Record::AllClear { .. }));
    assert!(later.iter().any(clear) && engine.state().work[0].alarm.is_none());
}

#[test]
fn p2_a_run_that_may_wait_begins_the_server_again_by_itself_and_not_for_ever() {
    for times in [0, PUT_OFFS] {
        let mut records = draining(Attended::No);
        let why = || Why { kind: WhyKind::Pool, text: "fe2 is away".to_owned() };
        records.push(Record::TurnedBack { work: FE1, why: why() });
        for step in 8..10 {
            records.extend(done(step));
        }
        let plan = plan_with(|plan| plan["change"]["maintenance"]["pool_unsafe"] = json!("wait"));
        let mut engine = after_in(plan, &records);
        engine.state.work[0].put_off = times;
        engine.handle(resumed(), at(100));
        let work = &engine.state().work[0];
        if times == 0 {
            assert_eq!((work.put_off, &work.end), (1, &None), "{work:?}");
            assert!(work.has(crate::state::Mark::GivenBack), "it was changed, whatever becomes of it now");
            assert!(work.started.is_some() && !work.touched && work.earlier.is_some(), "it is at its guard again");
            assert!(engine.state().stop.is_none());
            engine.turn_back(FE1, why(), at(101));
            let end = &engine.state().work[0].end;
            assert!(matches!(end, Some(ServerEnd::Returned { .. })), "what was given back is not untouched: {end:?}");
        } else {
            assert!(matches!(&work.end, Some(ServerEnd::Returned { why }) if why.kind == WhyKind::Pool), "{work:?}");
            assert!(matches!(engine.state().stop, Some(StopWhy::Policy(_))));
        }
    }
}

/// A balancer that has fe1 in this state.
pub(super) fn balanced(state: BalancerState, now: Timestamp) -> PoolObservation {
    let mut seen = pool(Answer::Known(RunState::Running), now);
    let shown = |number: usize, admin| {
        let (balancer, backend) = ("192.0.2.10:9999".to_owned(), "web".to_owned());
        let address = Some(format!("192.0.2.1{number}").parse().unwrap());
        let place = BalancerPlace { balancer, backend, slot: format!("fe{number}"), address };
        BalancerServer {
            entries: BTreeMap::from([(place, BalancerEntry { admin, up: true, sessions: 0, kept_out: None })]),
        }
    };
    let servers = BTreeMap::from([
        (server(1), shown(1, state)),
        (server(2), shown(2, BalancerState::Ready)),
        (server(3), shown(3, BalancerState::Ready)),
    ]);
    seen.balancer = Answer::Known(BalancerObservation::new(now, Answer::Known(servers)));
    seen
}

/// A run that drains fe1 behind a balancer, whose entries were recorded before, or were not there yet.
#[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
fn balanced_run(recorded: bool) -> Engine {
    balanced_run_with(recorded, "by-name")
}

/// The same, with entries that are found in this way.
#[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
fn balanced_run_with(recorded: bool, slots: &str) -> Engine {
    let haproxy = json!({"haproxy": {"sites": [{"address": "192.0.2.10:9999", "backends": ["web"]}], "slots": slots}});
    let plan = plan_with(|plan| {
        plan["change"]["pools"][0]["load_balancing"]["balancer"] = haproxy;
        plan["steps"][1]["kind"] = json!("balancer-out");
        plan["steps"][0]["kind"] = json!("record");
    });
    let mut records = draining(Attended::Yes);
    // Its record step comes first here, and the balancer after it.
    records.retain(|record| !matches!(record, Record::Evidence { .. }));
    let seen = balanced(BalancerState::Ready, at(0));
    let entries = &seen.balancer.known().unwrap().servers.known().unwrap()[&server(1)];
    let ready: BTreeMap<_, _> = entries.ready().map(|place| (place.clone(), BalancerState::Ready)).collect();
    for record in &mut records {
        if let Record::Snapshot { snapshot, .. } = record {
            snapshot.balancer = recorded.then(|| ready.clone());
        }
    }
    after_in(plan, &records)
}

/// Answers the look of fe1's own step: what is installed on it is this.
fn installed(engine: &mut Engine, effects: &[Effect], versions: Vec<ComponentVersion>, now: Timestamp) -> Vec<Effect> {
    let asks = |look: &Look| look.servers.get(&server(1)).is_some_and(|ask| ask.parts.contains(&Part::Versions));
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Look { ticket, look } if asks(look) => Some(*ticket),
        Effect::Look { .. } | Effect::Record(_) | Effect::Act(_) | Effect::Wake { .. } => None,
        Effect::End(_) | Effect::Broken(_) => None,
    });
    let ticket = ticket.unwrap_or_else(|| panic!("it is not asked what is installed: {effects:?}"));
    let mut seen = fe1(RunState::Paused, Answer::Known(3), now);
    seen.servers.get_mut(&server(1)).unwrap().versions = Answer::Known(versions);
    engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now)
}

#[test]
fn p12_a_server_that_another_hand_has_patched_meanwhile_is_given_back_and_asked_anew() {
    let mut engine = balanced_run(true);
    let effects = engine.handle(resumed(), at(100));
    let (ticket, _) = pool_look(&effects).expect("the watch looks");
    let came = engine.handle(Input::Seen { ticket, seen: Box::new(balanced(BalancerState::Ready, at(100))) }, at(100));
    assert_eq!(acts(&came), 0, "it may be another's by now: {came:?}");
    let version = ComponentVersion { component: "Core".to_owned(), version: Version::parse("5.0.8308.1149").unwrap() };
    installed(&mut engine, &effects, vec![version], at(100));
    let work = &engine.state().work[0];
    let why = work.back.as_ref().expect("it goes back");
    assert_eq!(why.kind, WhyKind::Changed);
    assert!(why.text.contains("Core none -> 5.0.8308.1149"), "{}", why.text);
    assert!(!work.patch_started());
}

#[test]
fn what_was_undone_in_the_balancer_is_set_again_and_the_third_time_is_a_hold() {
    let mut engine = balanced_run(true);
    let mut effects = engine.handle(resumed(), at(100));
    installed(&mut engine, &effects, Vec::new(), at(100));
    let mut now = at(100);
    for time in 0..=REASSERTIONS {
        let (ticket, _) = pool_look(&effects).expect("the watch looks");
        let seen = balanced(BalancerState::Ready, now);
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
        if time == REASSERTIONS {
            let reason = held(&engine).unwrap_or_else(|| panic!("not held: {came:?}"));
            assert!(reason.contains("found ready again"), "{reason}");
            return;
        }
        assert_eq!(acts(&came), 1, "it is taken out again: {came:?}");
        assert_eq!(engine.state().work[0].balancer_undone, time + 1);
        let intent = came.iter().find_map(|effect| match effect {
            Effect::Act(intent) => Some(intent.id),
            Effect::Record(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
        });
        engine.handle(Input::Acted { intent: intent.unwrap(), outcome: ActOutcome::Accepted }, now);
        (effects, now) = next_look(&mut engine, &came);
    }
}

#[test]
fn p8_a_refusal_at_the_balancer_is_not_another_hand_and_a_server_that_stays_in_it_goes_back() {
    let mut engine = balanced_run(true);
    let mut effects = engine.handle(resumed(), at(100));
    installed(&mut engine, &effects, Vec::new(), at(100));
    let mut now = at(100);
    let mut asked = 0;
    while engine.state().work[0].back.is_none() && now < at(130) {
        let (ticket, _) = pool_look(&effects).expect("the watch looks");
        let seen = balanced(BalancerState::Ready, now);
        engine.scratch[0].zeros = 2;
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
        assert_eq!(engine.scratch[0].zeros, 0, "people may come, so that no zero counts");
        assert_eq!(engine.state().work[0].balancer_undone, 1, "one hand has put it back once");
        assert!(held(&engine).is_none());
        if came.iter().any(|effect| matches!(effect, Effect::Act(_))) {
            let (intent, _) = refusals::act_in(&came);
            asked += 1;
            let outcome = ActOutcome::Retry("the balancer is busy".to_owned());
            engine.handle(Input::Acted { intent, outcome }, now);
        }
        if engine.state().work[0].back.is_none() {
            (effects, now) = next_look(&mut engine, &came);
        }
    }
    let why = &engine.state().work[0].back.as_ref().expect("it goes back").text;
    assert!(why.ends_with("could not be taken out again: the balancer is busy"), "{why}");
    assert!((5..=10).contains(&asked) && now < at(110), "{asked} times until {now}");
}

#[test]
fn p1_a_server_that_serves_again_is_not_taken_from_a_pool_that_needs_it() {
    let mut engine = balanced_run(true);
    let effects = engine.handle(resumed(), at(100));
    let (ticket, _) = pool_look(&effects).expect("the watch looks");
    let mut seen = balanced(BalancerState::Ready, at(100));
    let fe2 = seen.servers.get_mut(&server(2)).unwrap();
    fe2.services = Answer::unknown("no route to host");
    let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, at(100));
    assert_eq!(acts(&came), 0, "fe2 may be out, and fe1 may serve: {came:?}");
    assert_eq!(engine.state().work[0].balancer_undone, 0);
}

#[test]
fn a_balancer_without_an_answer_is_the_cause_and_no_server_is() {
    let mut engine = balanced_run(true);
    let (mut effects, mut now) = (engine.handle(resumed(), at(100)), at(100));
    for _ in 0..60 {
        let (ticket, _) = pool_look(&effects).expect("the watch looks");
        let mut seen = balanced(BalancerState::Drain, now);
        seen.balancer = Answer::unknown("connection refused");
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
        if let Some((_, why)) = alarm(&came) {
            assert!(why.contains("connection refused") && !why.contains("not in service"), "{why}");
            return;
        }
        (effects, now) = next_look(&mut engine, &came);
    }
    panic!("a balancer that stays silent is told");
}

#[test]
fn p5_an_entry_that_was_not_recorded_is_told_and_left_as_it_is() {
    let mut engine = balanced_run(false);
    let effects = engine.handle(resumed(), at(100));
    let (ticket, _) = pool_look(&effects).expect("the watch looks");
    let seen = balanced(BalancerState::Ready, at(100));
    let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, at(100));
    assert_eq!(acts(&came), 0, "it could not be put back as it was: {came:?}");
    let told = came.iter().any(|effect| match effect {
        Effect::Record(Record::LeftOver { text, .. }) => text.contains("did not have when the server was recorded"),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::Wake { .. } => false,
        Effect::End(_) | Effect::Broken(_) => false,
    });
    assert!(told, "{came:?}");
    assert!(engine.state().work[0].back.is_none(), "one look may be a reload");
    let (effects, now) = next_look(&mut engine, &came);
    let (ticket, _) = pool_look(&effects).expect("the watch looks again");
    let came = engine.handle(Input::Seen { ticket, seen: Box::new(balanced(BalancerState::Ready, now)) }, now);
    let back = engine.state().work[0].back.clone();
    assert!(back.is_some_and(|why| why.text.contains("did not have when the server was recorded")), "{came:?}");
    assert!(
        !came
            .iter()
            .any(|effect| matches!(effect, Effect::Act(intent) if matches!(intent.act, Act::SetBalancer { .. })))
    );
}

#[test]
fn an_entry_that_a_reload_names_anew_is_the_same_where_the_plan_finds_entries_by_address() {
    for (slots, outs) in [("by-address", 1), ("by-name", 0)] {
        let mut engine = balanced_run_with(true, slots);
        let effects = engine.handle(resumed(), at(100));
        installed(&mut engine, &effects, Vec::new(), at(100));
        let (ticket, _) = pool_look(&effects).expect("the watch looks");
        let mut seen = balanced(BalancerState::Drain, at(100));
        let Answer::Known(observed) = &mut seen.balancer else { panic!("the balancer answers") };
        let Answer::Known(servers) = &mut observed.servers else { panic!("with its servers") };
        let own = servers.get_mut(&server(1)).unwrap();
        let entries = std::mem::take(&mut own.entries).into_iter().map(|(place, entry)| {
            let place = BalancerPlace { slot: "web9".to_owned(), ..place };
            (place, BalancerEntry { admin: BalancerState::Ready, ..entry })
        });
        own.entries = entries.collect();
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, at(100));
        assert_eq!(acts(&came), outs, "{slots}: {came:?}");
    }
}

/// Has the product say this of the pool in every look that asks it, for so many looks, while fe1 drains. Returns the alarm that
/// comes of it, and after how many looks.
fn alarm_of_a_word(word: &Readiness, looks: usize) -> Option<(AlarmThen, String, usize)> {
    let (mut engine, mut effects) = taken_up(&draining(Attended::Yes), false);
    let mut now = at(100);
    for look in 0..looks {
        let (ticket, asked) = pool_look(&effects).expect("the watch looks");
        let mut seen = pool(Answer::Known(RunState::Running), now);
        for (name, ask) in &asked.servers {
            if ask.parts.contains(&Part::Readiness) {
                seen.servers.get_mut(name).unwrap().readiness = Answer::Known(word.clone());
            }
        }
        let came = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
        if let Some((then, why)) = alarm(&came) {
            return Some((then, why, look));
        }
        (effects, now) = next_look(&mut engine, &came);
    }
    None
}

#[test]
fn p2_the_products_word_is_heard_although_it_is_asked_in_few_looks() {
    let state = ReadinessState::InsufficientActiveFrontEnds;
    let word = Readiness { state, active: Some(1), total: Some(3), domains: vec![] };
    let (then, why, looks) = alarm_of_a_word(&word, 60).expect("the product said no in every look that asked it");
    assert_eq!(then, AlarmThen::GoesBack);
    assert!(why.contains("InsufficientActiveFrontEnds"), "{why}");
    assert!(looks < 10, "it took {looks} looks");
}

#[test]
fn p2_a_pool_that_is_busy_with_every_server_active_gives_no_server_back() {
    let word = Readiness { state: ReadinessState::Busy, active: Some(3), total: Some(3), domains: vec![] };
    assert_eq!(alarm_of_a_word(&word, 30), None, "none is missing");
    let missing = Readiness { active: Some(1), ..word };
    assert!(alarm_of_a_word(&missing, 30).is_some(), "one is missing that is not ours");
}

#[test]
fn p4_a_restart_in_the_middle_of_a_drain_is_noticed_and_what_it_ended_did_not_end_by_itself() {
    let (mut engine, effects) = taken_up(&draining(Attended::Yes), false);
    let effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(7), at(100)), at(100));
    let (effects, now) = wake(&mut engine, &effects);
    let mut seen = fe1(RunState::Stopped, Answer::unknown("no counter"), now);
    let booted = now - SignedDuration::from_secs(5);
    let server = seen.servers.get_mut(&server(1)).unwrap();
    server.host = Answer::Known(HostFacts { booted, local_time: now, system: String::new() });
    let effects = answer(&mut engine, &effects, seen.clone(), now);
    assert_eq!(engine.state().work[0].ended_by_restart.values().sum::<u64>(), 7, "{effects:?}");
    answer(&mut engine, &effects, seen, now);
    assert_eq!(engine.state().work[0].ended_by_restart.values().sum::<u64>(), 7, "once");
}

#[test]
fn p3_a_drain_with_a_missing_reading_never_says_that_none_are_left() {
    let (mut engine, effects) = taken_up(&draining(Attended::Yes), false);
    answer(&mut engine, &effects, fe1(RunState::Paused, Answer::unknown("access denied"), at(100)), at(100));
    let wait = engine.view(at(100)).servers[0].wait.clone().unwrap();
    assert!(!wait.why.contains("0 left") && wait.why.contains("how many are left is not known"), "{}", wait.why);
}

#[test]
fn p8_the_end_of_a_run_looks_at_every_server_and_names_those_that_do_not_serve() {
    let mut records = draining(Attended::Yes);
    records.extend(returned());
    let end = |number| ServerEnd::NothingToDo { why: format!("fe{number} is done") };
    records.extend([
        Record::ServerEnded { work: WorkId(1), end: end(2) },
        Record::ServerEnded { work: WorkId(2), end: end(3) },
        Record::Swept { work: FE1, differences: vec![], unseen: false },
    ]);
    let mut engine = after(&records);
    let mut effects = engine.handle(recovery(), at(100));
    let mut now = at(100);
    for _ in 0..20 {
        if let Some((ticket, look)) = pool_look(&effects) {
            assert_eq!(look.servers.len(), 3, "every server of the pool");
            let mut seen = pool(Answer::unknown(""), now);
            seen.servers.insert(server(1), fe1(RunState::Running, Answer::Known(0), now).servers[&server(1)].clone());
            effects = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
        } else if effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            effects = answer(&mut engine, &effects.clone(), fe1(RunState::Running, Answer::Known(0), now), now);
        } else if engine.state().ended.is_none() {
            (effects, now) = wake(&mut engine, &effects.clone());
        }
        if let Some(absent) = engine.state().pools_seen.values().next() {
            assert_eq!(absent.keys().collect::<Vec<_>>(), [&server(2)]);
            assert!(absent[&server(2)].contains("no route to host"), "{absent:?}");
            return;
        }
    }
    panic!("the pool was not looked at: {effects:?}");
}

#[test]
fn p8_people_who_do_not_find_a_server_are_in_the_final_check_although_every_server_serves() {
    let mut records = draining(Attended::Yes);
    records.extend(returned());
    let end = |number| ServerEnd::NothingToDo { why: format!("fe{number} is done") };
    records.extend([
        Record::ServerEnded { work: WorkId(1), end: end(2) },
        Record::ServerEnded { work: WorkId(2), end: end(3) },
        Record::Swept { work: FE1, differences: vec![], unseen: false },
    ]);
    for (missing, unknown) in [(false, false), (true, false), (false, true)] {
        let mut engine = after(&records);
        let mut effects = engine.handle(recovery(), at(100));
        let mut now = at(100);
        let mut looks = 0;
        while engine.state().pool_faults.is_empty() && looks < 40 {
            looks += 1;
            if let Some((ticket, look)) = pool_look(&effects) {
                assert!(look.names.is_some(), "the names are looked up, too");
                let mut seen = pool(Answer::Known(RunState::Running), now);
                seen.servers
                    .insert(server(1), fe1(RunState::Running, Answer::Known(0), now).servers[&server(1)].clone());
                if let Answer::Known(dns) = &mut seen.dns {
                    for answer in dns.answers.iter_mut().filter(|_| missing) {
                        let Answer::Known(records) = &mut answer.records else { panic!("known") };
                        records.addresses.pop();
                    }
                }
                if unknown {
                    seen.dns = Answer::unknown("the name server did not answer");
                }
                effects = engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now);
            } else if effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
                effects = answer(&mut engine, &effects.clone(), fe1(RunState::Running, Answer::Known(0), now), now);
            } else {
                (effects, now) = wake(&mut engine, &effects.clone());
            }
        }
        let faults: Vec<&String> = engine.state().pool_faults.values().flatten().collect();
        assert_eq!(faults.is_empty(), !missing && !unknown, "{faults:?}");
    }
}

#[test]
fn p8_a_recovery_of_a_run_that_has_touched_nothing_looks_at_its_pool_all_the_same() {
    let mut engine = after(&[begun(Attended::No), Record::StepStarted { step: GUARD }]);
    let effects = engine.handle(recovery(), at(100));
    let (ticket, _) = pool_look(&effects).expect("the pool is looked at");
    let mut seen = pool(Answer::Known(RunState::Paused), at(100));
    seen.servers.insert(server(1), fe1(RunState::Running, Answer::Known(0), at(100)).servers[&server(1)].clone());
    let mut effects = engine.handle(Input::Seen { ticket, seen: Box::new(seen.clone()) }, at(100));
    let mut now = at(100);
    while engine.state().ended.is_none() && now < at(130) {
        (effects, now) = wake(&mut engine, &effects);
        if let Some((ticket, _)) = pool_look(&effects) {
            let mut again = seen.clone();
            again.servers.values_mut().for_each(|server| server.taken = now);
            if let Answer::Known(dns) = &mut again.dns {
                dns.taken = now;
            }
            effects = engine.handle(Input::Seen { ticket, seen: Box::new(again) }, now);
        }
    }
    let absent: Vec<&ServerName> = engine.state().pools_seen.values().flat_map(BTreeMap::keys).collect();
    assert_eq!(absent, [&server(2)], "another hand has paused it: {:?}", engine.state().ended);
    assert_ne!(engine.state().ended, Some(RunOutcome::Recovered), "it does not end as if all were well");
}
