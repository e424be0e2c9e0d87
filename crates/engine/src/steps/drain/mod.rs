//! Waiting until the sessions have ended by themselves, and proving that they have (promise P4).
//!
//! Paused alone proves nothing, and one zero proves little. Drained is: paused, every session value zero in three
//! samples ten seconds apart, and conferencing services say that they are draining. Where a server has nothing that says
//! so, and the plan names the service for it, its sessions alone are the proof.

mod deadline;

use self::deadline::{at_deadline, cut_by_person, limit, more, then};
use super::block::{manual_again, paused_services};
use super::under_way::is_boot_since;
use super::{Case, Judgement, Ruling, Scratch};
use crate::constants::{DRAIN_PACE, DRAIN_SAMPLE, REASSERTIONS, ZERO_SAMPLES, drain_pace};
use crate::record::{Record, StepEnd};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::Scope;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::observe::DrainingState;
use orchestrate_model::{Answer, RunState, ServiceName};
use orchestrate_planner::StepKind;
use std::collections::{BTreeMap, BTreeSet};

/// How long a drain must have gone on before its pace says anything.
const LEAST_PACE: SignedDuration = SignedDuration::from_mins(1);

/// How long zero samples take at most once there are no sessions: as many as are needed, and one for good measure.
const QUIET: SignedDuration = SignedDuration::from_secs(40);

/// What one sample says.
#[derive(Debug, Default)]
struct Sample {
    /// Sessions left by service, as far as known and not zero.
    left: BTreeMap<ServiceName, u64>,
    /// Services of which nothing is left, as far as anything counts them.
    zero: BTreeSet<ServiceName>,
    /// The counters of those services that are not zero.
    counters: BTreeMap<(ServiceName, String), i64>,
    /// Every counter of the paused services that could all be read, zeros too.
    readings: BTreeMap<ServiceName, BTreeMap<String, i64>>,
    /// Services of which something is not known, and why.
    unknown: BTreeMap<ServiceName, String>,
    /// Services that nothing measures, and how long the plan waits for them instead.
    by_time: BTreeMap<ServiceName, String>,
    /// Services that take work again.
    resumed: Vec<(ServiceName, String)>,
    /// Services that are on their way to a state.
    pending: BTreeMap<ServiceName, String>,
    /// Services without sessions whose draining state the server does not have, and that the plan names for it.
    alone: BTreeSet<ServiceName>,
}

/// What is left of a paused service.
pub(super) enum Left {
    /// Nothing that anybody knows of.
    Nothing,
    /// So many sessions.
    Sessions(u64),
    /// The time that the plan names instead of a measure has not passed.
    Time(SignedDuration),
    /// Nobody knows, and why.
    Unknown(String),
}

impl Sample {
    fn total(&self) -> u64 {
        self.left.values().sum()
    }

    fn is_zero(&self) -> bool {
        self.left.is_empty() && self.unknown.is_empty() && self.by_time.is_empty() && self.pending.is_empty()
    }

    /// Whether the number of sessions left is known of every service.
    fn is_counted(&self) -> bool {
        self.unknown.is_empty() && self.by_time.is_empty() && self.resumed.is_empty() && self.pending.is_empty()
    }

    /// What the view shows as sessions left.
    fn shown(&self) -> Answer<u64> {
        let open = self.unknown.values().chain(self.by_time.values()).chain(self.pending.values()).next();
        match (self.resumed.first(), open) {
            (Some((name, found)), _) => Answer::unknown(format!("{name} was {found}")),
            (None, Some(why)) => Answer::unknown(why),
            (None, None) => Answer::Known(self.total()),
        }
    }

    /// How many are left, in words. A number that leaves out what could not be read is never given as the whole.
    fn number(&self) -> String {
        match (self.total(), self.is_counted()) {
            (total, true) => format!("{total} left"),
            (0, false) => "how many are left is not known".to_owned(),
            (total, false) => format!("{total} left that could be counted"),
        }
    }

    fn describe(&self) -> String {
        let mut parts: Vec<String> = self.left.iter().map(|(name, left)| format!("{name} {left}")).collect();
        parts.extend(self.unknown.values().map(|why| format!("unknown: {why}")));
        parts.extend(self.by_time.values().chain(self.pending.values()).cloned());
        parts.join(", ")
    }
}

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if let Some(noticed) = rebooted(case, scratch) {
        return Ruling { records: vec![noticed], next: Judgement::LookAgain };
    }
    let mut sample = take(case, scratch);
    if let Some(noticed) = stopped_by_others(case, scratch) {
        return Ruling { records: vec![noticed], next: Judgement::LookAgain };
    }
    scratch.left = Some(sample.shown());
    scratch.empty_since_counted =
        case.subject.own.to_cut.is_some() && (scratch.empty_since_counted || sample.is_zero());
    let found: Vec<_> = sample.resumed.iter().cloned().chain(newcomers(scratch, &sample)).collect();
    scratch.counted.append(&mut sample.readings);
    note_counts(scratch, &sample);
    if !found.is_empty() {
        return reassert(case, scratch, found);
    }
    match manual_again(case, scratch) {
        Ok(Some(ruling)) => return ruling,
        Ok(None) => {}
        Err(_unknown) => scratch.zeros = 0,
    }
    count(case, scratch, &sample);
    if scratch.zeros >= ZERO_SAMPLES {
        let proof = format!("{} zero samples, {DRAIN_SAMPLE:#} apart{}", scratch.zeros, alone(&sample));
        return Judgement::Done(StepEnd::Done, proof).into();
    }
    if let Some(ruling) = cut_by_person(case, scratch, &sample).or_else(|| at_deadline(case, &sample)) {
        return ruling;
    }
    let mut records = Vec::new();
    let drain = &case.subject.plan.change().maintenance.drain;
    if let Some((lowest, at)) = scratch.lowest
        && lowest > 0
        && !scratch.stuck
        && case.now.duration_since(at) >= drain.stuck_after
    {
        scratch.stuck = true;
        let text = format!(
            "{}: the drain is stuck, no fall for {:#}: {}{}",
            case.subject.work.server,
            drain.stuck_after,
            sample.describe(),
            longest_lived(scratch, case.now)
        );
        records.push(Record::Note { work: Some(case.subject.id), text });
    }
    // The first of the deadlines that what is left has.
    let open = sample.left.keys().chain(sample.unknown.keys()).chain(sample.pending.keys());
    let first = open.map(|name| limit(drain, name)).min_by_key(|(deadline, _)| *deadline);
    let why = format!("{}{}", why(scratch, &sample), forecast(scratch, &sample, case.now));
    let limit = match first {
        Some((deadline, action)) => (deadline, then(action)),
        None if sample.by_time.is_empty() => {
            (drain.deadline.max(case.elapsed() + QUIET), "the server is stopped once three samples in a row are zero")
        }
        None => (longest_time(case, &sample), "three zero samples are taken"),
    };
    let limit = (limit.0.max(more(case).map_or(SignedDuration::ZERO, |rest| case.elapsed() + rest)), limit.1);
    let pace = pace(&sample, limit.0.saturating_sub(case.elapsed()));
    let wait = case.wait("sessions to end by themselves", why, Some(limit));
    Ruling { records, next: Judgement::Wait(wait, pace) }
}

/// Returns when to look again: seldom as long as many sessions are left, and not later than what happens next. What is not
/// known may be known soon.
fn pace(sample: &Sample, rest: SignedDuration) -> SignedDuration {
    let open = !sample.unknown.is_empty() || !sample.pending.is_empty() || !sample.resumed.is_empty();
    let pace = match (open, sample.left.is_empty(), sample.by_time.is_empty()) {
        (true, _, _) => DRAIN_SAMPLE,
        // Nothing is left but a time that passes by itself.
        (false, true, false) => DRAIN_PACE[0].1,
        (false, _, _) => drain_pace(sample.total()),
    };
    pace.min(rest).max(DRAIN_SAMPLE)
}

/// Notices that the server was restarted while its sessions were waited for, which nobody of this run has asked for. The
/// sessions that were counted last did not end by themselves.
fn rebooted(case: &Case<'_>, scratch: &mut Scratch) -> Option<Record> {
    let own = case.subject.own;
    let host = case.own.host.known()?;
    let recorded = own.started.zip(own.snapshot.as_ref().map(|snapshot| snapshot.booted));
    let since = own.rebooted.or(recorded)?;
    if own.patch_started() || !own.restarts.is_empty() || !is_boot_since(case, host, since) {
        return None;
    }
    let counts = std::mem::take(&mut scratch.last_counts);
    let uncounted: Vec<&str> =
        counts.iter().filter(|(_, count)| count.is_none()).map(|(name, _)| name.as_str()).collect();
    let sessions = match (counts.is_empty(), uncounted.as_slice()) {
        (true, _) => Answer::unknown("they were not counted before it"),
        (false, []) => Answer::Known(counts.into_iter().filter_map(|(name, count)| Some((name, count?))).collect()),
        (false, some) => Answer::unknown(format!("those of {} were not counted before it", some.join(", "))),
    };
    (scratch.zeros, scratch.sampled) = (0, None);
    Some(Record::Rebooted { work: case.subject.id, booted: host.booted, sessions })
}

/// Keeps what each service had when it was last counted. A reading that fails leaves the one before it.
fn note_counts(scratch: &mut Scratch, sample: &Sample) {
    for (name, left) in &sample.left {
        scratch.last_counts.insert(name.clone(), Some(*left));
    }
    for name in &sample.zero {
        scratch.last_counts.insert(name.clone(), Some(0));
    }
    for name in sample.by_time.keys().chain(sample.unknown.keys()) {
        scratch.last_counts.entry(name.clone()).or_insert(None);
    }
}

/// Notices that services were stopped while their sessions were waited for: by another hand, or by themselves. What they had
/// when they were last counted did not end by itself; what they had that nothing counts may not have.
fn stopped_by_others(case: &Case<'_>, scratch: &mut Scratch) -> Option<Record> {
    let counts = &mut scratch.last_counts;
    let is_stopped = |name: &ServiceName| matches!(case.state(name), Ok(RunState::Stopped | RunState::StopPending));
    let stopped: Vec<ServiceName> = counts.keys().filter(|name| is_stopped(name)).cloned().collect();
    let (mut sessions, mut uncounted) = (BTreeMap::new(), BTreeSet::new());
    for (name, count) in stopped.into_iter().filter_map(|name| counts.remove_entry(&name)) {
        match count {
            Some(0) => {}
            Some(count) => drop(sessions.insert(name, count)),
            None => drop(uncounted.insert(name)),
        }
    }
    let noticed = !sessions.is_empty() || !uncounted.is_empty();
    noticed.then_some(Record::StoppedByOthers { work: case.subject.id, sessions, uncounted })
}

/// Until when the services that nothing measures are waited for, counted from the start of the drain.
fn longest_time(case: &Case<'_>, sample: &Sample) -> SignedDuration {
    let times = &case.subject.plan.change().maintenance.unmeasured;
    let longest = sample.by_time.keys().filter_map(|name| times.get(name)).max().copied().unwrap_or_default();
    case.elapsed() + longest - unmeasured_time(case)
}

fn why(scratch: &Scratch, sample: &Sample) -> String {
    match (sample.is_zero(), scratch.stuck) {
        (true, _) => format!("no sessions; {} of {ZERO_SAMPLES} zero samples", scratch.zeros),
        (false, false) => format!("{}: {}", sample.number(), sample.describe()),
        (false, true) => format!("{} and no fall for long: {}", sample.number(), sample.describe()),
    }
}

/// Says whose sessions were all the proof there is.
fn alone(sample: &Sample) -> String {
    let names: Vec<&str> = sample.alone.iter().map(ServiceName::as_str).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; by their sessions alone, as the plan says, since the server has no draining state: {}", names.join(", "))
}

/// The counter that has not fallen for longest.
fn longest_lived(scratch: &Scratch, now: Timestamp) -> String {
    let oldest = scratch.counters.iter().min_by_key(|(_, (_, at))| *at);
    oldest.map_or_else(String::new, |((service, counter), (value, at))| {
        let age = SignedDuration::from_mins(now.duration_since(*at).as_mins());
        format!("; longest-lived: {counter} of {service}, at {value} for {age:#}")
    })
}

/// Says how long the rest takes at the pace so far. Sessions end like atoms decay: half of them in about the same time,
/// whatever their number. It is a guess, since a few last ones may be of another kind, and nothing is decided by it.
fn forecast(scratch: &Scratch, sample: &Sample, now: Timestamp) -> String {
    let left = sample.total();
    let Some((first, at)) = scratch.first_count.filter(|(first, _)| *first > left && left > 0) else {
        return String::new();
    };
    let passed = now.duration_since(at);
    if passed < LEAST_PACE || scratch.stuck || !sample.is_counted() {
        return String::new();
    }
    let count = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let pace = (count(first) / count(left)).ln() / passed.as_secs_f64();
    // Less than half a session left is none.
    match SignedDuration::try_from_secs_f64((2.0 * count(left)).ln() / pace) {
        Ok(rest) if rest < SignedDuration::from_hours(24) => {
            format!("; about {:#} more at the pace so far", SignedDuration::from_mins(rest.as_mins() + 1))
        }
        Ok(_) | Err(_) => "; more than a day at the pace so far".to_owned(),
    }
}

fn take(case: &Case<'_>, scratch: &Scratch) -> Sample {
    let mut sample = Sample::default();
    for name in paused_services(&case.subject) {
        match case.state(&name) {
            Err(why) => drop(sample.unknown.insert(name, why)),
            Ok(state @ (RunState::Running | RunState::ContinuePending | RunState::StartPending)) => {
                sample.resumed.push((name, state.to_string()));
            }
            Ok(RunState::PausePending) => {
                let text = format!("{name} is pause pending");
                sample.pending.insert(name, text);
            }
            Ok(RunState::Stopped | RunState::StopPending) => {}
            Ok(RunState::Paused) => {
                if let Some(reading) = reading_of(case, &name) {
                    sample.readings.insert(name.clone(), reading);
                }
                match lost(case, scratch, &name) {
                    Some(why) => drop(sample.unknown.insert(name, why)),
                    None => still_there(case, name, &mut sample),
                }
            }
        }
    }
    sample
}

/// What a paused service still has.
fn still_there(case: &Case<'_>, name: ServiceName, sample: &mut Sample) {
    match left_of(case, &name) {
        Left::Nothing => {
            let state = case.own.sessions.get(&name).and_then(|reading| reading.draining.as_ref());
            if matches!(state, Some(Answer::Known(DrainingState::Absent(_)))) && is_by_sessions_alone(case, &name) {
                sample.alone.insert(name.clone());
            }
            sample.zero.insert(name);
        }
        Left::Time(time) => {
            let text = format!("{name} cannot be measured; waiting {time:#} instead");
            sample.by_time.insert(name, text);
        }
        Left::Sessions(left) => {
            let measures = case.own.sessions.get(&name).map(|reading| reading.measures.as_slice());
            for measure in measures.unwrap_or_default() {
                if let Some(value) = measure.value.known().filter(|value| **value > 0) {
                    sample.counters.insert((name.clone(), measure.name.clone()), *value);
                }
            }
            sample.left.insert(name, left);
        }
        Left::Unknown(why) => drop(sample.unknown.insert(name, why)),
    }
}

/// Returns what a paused service still has.
pub(super) fn left_of(case: &Case<'_>, name: &ServiceName) -> Left {
    if case.subject.own.given_up.contains(name) {
        return Left::Nothing;
    }
    let reading = case.own.sessions.get(name);
    let left = reading.map_or_else(|| Answer::unknown("sessions were not read"), |reading| reading.left());
    match left {
        Answer::Known(0) => match reading.and_then(|reading| reading.draining.as_ref()) {
            None | Some(Answer::Known(DrainingState::Draining)) => Left::Nothing,
            Some(Answer::Known(DrainingState::NotDraining)) => {
                Left::Unknown(format!("{name} does not say that it is draining"))
            }
            Some(Answer::Known(DrainingState::Absent(_))) if is_by_sessions_alone(case, name) => Left::Nothing,
            Some(Answer::Known(DrainingState::Absent(why)) | Answer::Unknown(why)) => {
                Left::Unknown(format!("whether {name} is draining: {why}"))
            }
        },
        Answer::Known(left) => Left::Sessions(left),
        Answer::Unknown(why) => match case.subject.plan.change().maintenance.unmeasured.get(name) {
            Some(time) if !case.subject.pool.can_count(name) => by_time(case, *time),
            // What could not be read may hide sessions. What the server has no counter for is waited for by time.
            Some(time) => {
                match reading.filter(|reading| reading.uncountable().is_some()).map(|reading| reading.most_read()) {
                    Some(None | Some(0)) => by_time(case, *time),
                    Some(Some(left)) => Left::Sessions(left),
                    None => Left::Unknown(format!("{name}: {why}")),
                }
            }
            None if has_none(case, name) => Left::Nothing,
            None => Left::Unknown(format!("{name}: {why}")),
        },
    }
}

/// What is left of a service for which the plan names a time to wait instead of a measure.
fn by_time(case: &Case<'_>, time: SignedDuration) -> Left {
    if unmeasured_time(case) >= time { Left::Nothing } else { Left::Time(time) }
}

/// Why a service whose counters were read since the guard, and were not zero, is not waited for by time now that the server has
/// them no more.
fn lost(case: &Case<'_>, scratch: &Scratch, name: &ServiceName) -> Option<String> {
    let left = scratch.seen_sessions.get(name)?;
    let why = case.own.sessions.get(name)?.uncountable()?;
    Some(format!("{name}: {why}; it had {left} when its sessions were last counted"))
}

/// Whether the plan says that the sessions of a service alone are the proof, where a server has no draining state of it.
fn is_by_sessions_alone(case: &Case<'_>, name: &ServiceName) -> bool {
    case.subject.plan.change().maintenance.drain.by_sessions_alone.contains(name)
}

/// Whether a service has no sessions by its nature. One that the plan chooses, and that has a counter all the same, is
/// waited for by it.
fn has_none(case: &Case<'_>, name: &ServiceName) -> bool {
    let chosen =
        matches!(&case.subject.plan.change().maintenance.scope, Scope::Services(chosen) if chosen.contains(name));
    let none = catalogue::service(name)
        .is_some_and(|facts| facts.drain == DrainClass::Support && (!chosen || facts.measures.is_empty()));
    none && !case.subject.pool.measures.contains_key(name)
}

/// How long the server has been blocked, for services that only time can tell of.
fn unmeasured_time(case: &Case<'_>) -> SignedDuration {
    let began = crate::state::steps_of(case.subject.plan, case.subject.id)
        .find(|step| step.kind == StepKind::Block)
        .and_then(|step| match &case.subject.state.steps[step.id.0 as usize] {
            crate::state::StepState::Ended { at, .. } => Some(*at),
            crate::state::StepState::Pending | crate::state::StepState::Running { .. } => None,
        });
    let began = began.max(case.subject.own.blocked_again.filter(|_| began.is_some()));
    began.map_or(SignedDuration::ZERO, |began| case.lived(began))
}

/// Paused services that take new sessions all the same: every count of theirs is higher than when it was last read. One
/// count alone may rise while a session goes on, such as that of the people in a conference.
fn newcomers(scratch: &Scratch, sample: &Sample) -> Vec<(ServiceName, String)> {
    let risen = |name: &ServiceName| {
        let (now, before) = (sample.readings.get(name)?, scratch.counted.get(name)?);
        let higher = |(counter, value): (&String, &i64)| before.get(counter).is_some_and(|before| value > before);
        (!now.is_empty() && now.iter().all(higher)).then_some(())
    };
    let known = sample.left.iter().filter(|(name, _)| risen(name).is_some());
    known.map(|(name, left)| (name.clone(), format!("paused and with new sessions, {left} now"))).collect()
}

/// The counters of a service, if all of them could be read.
fn reading_of(case: &Case<'_>, name: &ServiceName) -> Option<BTreeMap<String, i64>> {
    let measures = &case.own.sessions.get(name)?.measures;
    measures.iter().map(|measure| Some((measure.name.clone(), *measure.value.known()?))).collect()
}

/// Counts zero samples. A sample that comes too soon after the last one proves nothing more and is not counted.
fn count(case: &Case<'_>, scratch: &mut Scratch, sample: &Sample) {
    let total = sample.total();
    scratch.counters.retain(|counter, _| sample.counters.contains_key(counter));
    for (counter, value) in &sample.counters {
        let lowest = scratch.counters.entry(counter.clone()).or_insert((*value, case.now));
        if *value < lowest.0 {
            *lowest = (*value, case.now);
        }
    }
    if sample.is_counted() {
        scratch.first_count.get_or_insert((total, case.now));
    }
    if sample.is_counted() && scratch.lowest.is_none_or(|(lowest, _)| total < lowest) {
        scratch.lowest = Some((total, case.now));
        scratch.stuck = false;
    }
    if !sample.is_zero() {
        scratch.zeros = 0;
        scratch.sampled = None;
        return;
    }
    // Counted by when the sample was taken: answers that come late come in a bunch.
    let taken = case.own.taken;
    if scratch.sampled.is_none_or(|last| taken.duration_since(last) >= DRAIN_SAMPLE) {
        scratch.zeros += 1;
        scratch.sampled = Some(taken);
    }
}

/// What takes work again is blocked again, unless it was so twice: then a person has to look.
fn reassert(case: &Case<'_>, scratch: &mut Scratch, found: Vec<(ServiceName, String)>) -> Ruling {
    scratch.zeros = 0;
    let mut records = Vec::new();
    let mut names = Vec::new();
    for (service, found) in found {
        let times = case.subject.own.reasserted.get(&service).copied().unwrap_or_default();
        if times >= REASSERTIONS {
            let text = format!(
                "{}: {service} was blocked {} times and was found {found} again: another hand resumes it",
                case.subject.work.server,
                times + 1
            );
            return Judgement::Hold(HoldCause::BlockUndone, text, case.choices()).into();
        }
        names.push(format!("{service} {found}"));
        records.push(Record::Reasserted { work: case.subject.id, service, found });
    }
    // It serves again, in part or in full, and perhaps because another server does not: to take it out is a new
    // decision, with the safety questions.
    let why = format!("{}: found {}", case.subject.work.server, names.join(", "));
    Ruling { records, next: Judgement::Reopen(vec![StepKind::Block, StepKind::Drain], why) }
}

/// Returns how many sessions a server has that is held in its drain.
pub(crate) fn sessions_left(case: &Case<'_>) -> Answer<u64> {
    take(case, &Scratch::default()).shown()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn left(number: u64) -> Sample {
        Sample { left: BTreeMap::from([(ServiceName::new("RTCAVMCU").unwrap(), number)]), ..Sample::default() }
    }

    #[test]
    fn a_drain_is_looked_at_seldom_while_many_are_left_and_never_past_its_deadline() {
        let [minute, hour] = [SignedDuration::from_mins(1), SignedDuration::from_hours(1)];
        let seconds = SignedDuration::from_secs;
        for (number, wanted) in [(5_000, 60), (200, 60), (199, 30), (50, 30), (49, 20), (10, 20), (9, 10), (1, 10)] {
            assert_eq!(pace(&left(number), hour), seconds(wanted), "{number}");
        }
        assert_eq!(pace(&Sample::default(), hour), DRAIN_SAMPLE, "zero samples are ten seconds apart");
        assert_eq!(pace(&left(5_000), seconds(25)), seconds(25), "the deadline is met");
        assert_eq!(pace(&left(5_000), SignedDuration::ZERO), DRAIN_SAMPLE);
        let service = || ServiceName::new("RTCSRV").unwrap();
        let unknown = BTreeMap::from([(service(), "RTCSRV: no answer".to_owned())]);
        assert_eq!(
            pace(&Sample { unknown, ..left(5_000) }, hour),
            DRAIN_SAMPLE,
            "p3: what is not known is asked again"
        );
        let by_time = BTreeMap::from([(service(), "waiting".to_owned())]);
        assert_eq!(pace(&Sample { by_time, ..Sample::default() }, hour), minute);
    }

    #[test]
    fn the_rest_is_forecast_from_the_pace_so_far() {
        let scratch = Scratch { first_count: Some((64, at(0))), ..Scratch::default() };
        // Half of them every ten minutes: 16 become less than a half in five more times ten.
        assert_eq!(forecast(&scratch, &left(16), at(20)), "; about 51m more at the pace so far");
        assert_eq!(forecast(&scratch, &left(63), at(600)), "; more than a day at the pace so far");
        for (sample, now) in [(left(64), 20), (left(70), 20), (left(0), 20), (left(16), 0)] {
            assert_eq!(forecast(&scratch, &sample, at(now)), "", "nothing is guessed from nothing");
        }
        let silent = (ServiceName::new("RTCSRV").unwrap(), "RTCSRV: no answer".to_owned());
        let unknown = Sample { unknown: BTreeMap::from([silent]), ..left(16) };
        assert_eq!(forecast(&scratch, &unknown, at(20)), "", "p3: what is not known is not guessed");
    }
}
