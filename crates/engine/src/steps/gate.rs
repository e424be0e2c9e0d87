//! The proof that a server is back, and the soak that proves that it stays.

use super::back::differences;
use super::fabric::Compared;
use super::guard::readiness;
use super::under_way::is_boot_since;
use super::{Case, Judgement, Ruling, Scratch};
use crate::constants::{FABRIC_WAIT, GATE_DEADLINE, REASSERTIONS, SLOW_LOOK, SOAK_RESTARTS, SOAK_SAMPLE};
use crate::record::{Record, StepEnd};
use orchestrate_model::hold::{HoldCause, HoldChoice};
use orchestrate_model::observe::{BalancerPlace, BalancerState, ReadinessState};
use orchestrate_model::time::after;
use orchestrate_model::{Answer, Verdict};
use orchestrate_planner::StepKind;
use orchestrate_planner::safety::{Replicas, central_management};

/// What one sample says.
enum Sample {
    Good(String),
    /// Not yet, or not known: time may mend it.
    NotYet(String),
    /// What was returned is not as it was any more.
    Fallen(String),
    /// The server is as recorded, and the product's word on its pool is not good, or did not come.
    Pool(String),
}

fn sample(case: &Case<'_>) -> Sample {
    match differences(&case.subject, case.own, case.seen) {
        Err(why) => return Sample::NotYet(why),
        Ok(found) if !found.is_empty() => return Sample::Fallen(found.join(", ")),
        Ok(_) => {}
    }
    if let Some(why) = balancer_down(case) {
        return Sample::NotYet(why);
    }
    // A balancer that the run does not talk to was neither recorded nor looked at.
    let driven = case.subject.own.as_recorded().is_some_and(|snapshot| snapshot.balancer.is_some());
    let as_recorded =
        if driven { "services, start types and balancer as recorded" } else { "services and start types as recorded" };
    if !case.subject.pool.has_fabric() || case.subject.pool.servers.len() < 2 {
        return Sample::Good(as_recorded.to_owned());
    }
    // The product cannot call a pool ready that others are missing in. This server is as it was, and needed.
    if let Some(alarm) = &case.subject.own.alarm {
        return Sample::Good(format!("{as_recorded}; the product's word on the pool is not waited for: {}", alarm.why));
    }
    match readiness(case) {
        Some(ReadinessState::Ready) => Sample::Good(format!("{as_recorded}, the pool says ready")),
        Some(word) if only_ours_are_missing(case) => Sample::Good(format!(
            "{as_recorded}; the pool says {}, and none is missing but servers that this run has out",
            said(word)
        )),
        Some(ReadinessState::Busy) => Sample::Pool("the pool says busy".to_owned()),
        // Others may be missing, which is no fault of this server: the watch over the pool sees which.
        Some(ReadinessState::InsufficientActiveFrontEnds) => {
            Sample::Pool("the pool says that too few front ends are active".to_owned())
        }
        Some(ReadinessState::Other(word)) => {
            Sample::Pool(format!("the pool says {}", orchestrate_model::text::quoted(word)))
        }
        None => Sample::Pool(format!("whether the pool is ready is unknown: {}", why_unready(case))),
    }
}

/// Whether all that the product can miss are servers that this run has out besides this one, by its own count.
fn only_ours_are_missing(case: &Case<'_>) -> bool {
    let out = case.subject.others_out().len();
    let others = case.seen.servers.values().filter(|seen| seen.server != case.subject.work.server);
    let active = others.filter_map(|seen| seen.readiness.known()?.active).min();
    let active = active.and_then(|active| usize::try_from(active).ok());
    let all = case.subject.pool.servers.len();
    // When every server is active none is missing: the pool is busy with something else, as with this server's return.
    out > 0 && active.is_some_and(|active| active < all && active + out >= all)
}

fn said(word: &ReadinessState) -> &str {
    match word {
        ReadinessState::Ready => "ready",
        ReadinessState::Busy => "busy",
        ReadinessState::InsufficientActiveFrontEnds => "that too few front ends are active",
        ReadinessState::Other(word) => word,
    }
}

fn why_unready(case: &Case<'_>) -> String {
    let other = |seen: &&orchestrate_model::ServerObservation| seen.server != case.subject.work.server;
    case.seen
        .servers
        .values()
        .filter(other)
        .find_map(|seen| seen.readiness.why_unknown().map(|why| format!("{}: {why}", seen.server)))
        .unwrap_or_else(|| "no other server could be asked".to_owned())
}

fn balancer_down(case: &Case<'_>) -> Option<String> {
    let recorded = case.subject.own.snapshot.as_ref()?.balancer.as_ref()?;
    let server = case.seen.balancer.known()?.servers.known()?.get(&case.subject.work.server)?;
    let was_ready = |place: &BalancerPlace| {
        super::balancer::state_of(&case.subject, recorded, place) == Some(&BalancerState::Ready)
    };
    let (place, _) = server.entries.iter().find(|(place, entry)| was_ready(place) && !entry.up)?;
    Some(format!("the balancer's health check does not pass yet: {place}"))
}

/// Notices that the server was restarted while people may have been on it again, which nobody of this run has asked for.
/// Nobody counts its sessions any more, so how many it ended is not known.
fn rebooted(case: &Case<'_>) -> Option<Ruling> {
    let own = case.subject.own;
    let host = case.own.host.known()?;
    let told = own.rebooted.map(|(_, booted)| booted);
    let recorded = own.snapshot.as_ref().map(|snapshot| snapshot.booted);
    let known = told.into_iter().chain(own.boots.last().copied()).chain(recorded).max()?;
    // One that was told is not told again.
    let since = own.rebooted.map_or(case.since, |(at, _)| at.max(case.since));
    if !is_boot_since(case, host, (since, known)) {
        return None;
    }
    let sessions = Answer::unknown("they are not counted once the server serves again");
    let record = Record::Rebooted { work: case.subject.id, booted: host.booted, sessions };
    Some(Ruling { records: vec![record], next: Judgement::LookAgain })
}

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if let Some(noticed) = rebooted(case) {
        return noticed;
    }
    let why = match sample(case) {
        Sample::Good(proof) => match replicas(case).and_then(|replicas| Ok((replicas, central(case)?))) {
            Ok((replicas, central)) => return fabric(case, scratch, format!("{proof}{replicas}{central}")),
            Err(why) => why,
        },
        Sample::Fallen(why) => return fallen(case, why).into(),
        Sample::NotYet(why) | Sample::Pool(why) => why,
    };
    // The next look asks another server about the pool: the one that was asked may be the one that does not know.
    scratch.unknown_looks += 1;
    if case.is_late(GATE_DEADLINE) {
        return hold(case, HoldCause::NotProven, &why).into();
    }
    let limit = Some((GATE_DEADLINE, "the server is held"));
    Judgement::Wait(case.wait("proof that the server is back", why, limit), SLOW_LOOK).into()
}

/// Returns that the configuration has reached everybody again, for the proof, or why not. Only the pool with central
/// management can tell, and a server that goes back unpatched does not wait for it.
fn replicas(case: &Case<'_>) -> Result<String, String> {
    let subject = &case.subject;
    if !subject.hosts_central_management() || subject.own.back.is_some() || subject.own.alarm.is_some() {
        return Ok(String::new());
    }
    // A server that the run has out replicates nothing, and has its own gate.
    let (out, catching_up) = (subject.away(), subject.catching_up(case.now));
    match Replicas::of(subject.pool, case.seen, &out, &catching_up) {
        None => {
            let alone = subject.pool.servers.len() == 1;
            let asked = case.seen.servers.values().find(|seen| alone || seen.server != subject.work.server);
            let why = asked.and_then(|seen| seen.replication.why_unknown()).unwrap_or("no other server could be asked");
            Err(format!("whether the configuration replicas are up to date is unknown: {why}"))
        }
        Some(Replicas { behind, .. }) if !behind.is_empty() => {
            Err(format!("configuration replicas are behind: {}", behind.join(", ")))
        }
        Some(Replicas { unnamed, .. }) if !unnamed.is_empty() => {
            Err(format!("no answer names the configuration replica of {}", unnamed.join(", ")))
        }
        Some(replicas) => Ok(format!(", {}", replicas.up_to_date())),
    }
}

/// Returns that the central management is active where it was, for the proof, or why not: the guard has let the server
/// go only while it was where the plan states, so that is where it has to be.
fn central(case: &Case<'_>) -> Result<&'static str, String> {
    let subject = &case.subject;
    if !subject.hosts_central_management() || subject.own.back.is_some() || subject.own.alarm.is_some() {
        return Ok("");
    }
    match central_management(subject.plan.change(), subject.pool, case.seen) {
        None => Ok(""),
        Some(Verdict::Yes(_)) => Ok(", the central management is active where it was"),
        Some(Verdict::No(why) | Verdict::Unknown(why)) => Err(why),
    }
}

/// Compares the fabric state with the one before. What its text means is not documented, so a difference is written
/// down and waited for, and does not hold the server.
fn fabric(case: &Case<'_>, scratch: &mut Scratch, proof: String) -> Ruling {
    // A server that is missing changes the fabric, and nobody has to be told so twice.
    if case.subject.own.alarm.is_some() {
        return Judgement::Done(StepEnd::Done, proof).into();
    }
    let differs = match super::fabric::compare(case) {
        Compared::NotNow => return Judgement::Done(StepEnd::Done, proof).into(),
        Compared::Same => {
            return Judgement::Done(StepEnd::Done, format!("{proof}, the fabric state is as before")).into();
        }
        Compared::Differs(text) => text,
    };
    scratch.unknown_looks += 1;
    let first = scratch.fabric_differs.is_none();
    let since = *scratch.fabric_differs.get_or_insert(case.now);
    let server = &case.subject.work.server;
    let going_back = case.subject.own.back.is_some();
    // The wait is part of the time that the gate has, which the window rule counts.
    let until = after(since, FABRIC_WAIT).min(after(case.since, GATE_DEADLINE));
    let next = if going_back || case.now >= until {
        Judgement::Done(StepEnd::Done, format!("{proof}; the fabric state is not as before, as noted"))
    } else {
        let mut wait = case.wait("the fabric state to be as before", "lines differ, as noted".to_owned(), None);
        wait.since = since;
        wait.until = Some(until);
        "the run goes on, with a note".clone_into(&mut wait.then);
        Judgement::Wait(wait, SLOW_LOOK)
    };
    let mut records = Vec::new();
    if matches!(next, Judgement::Done(..)) {
        let pool = &case.subject.pool.name;
        let text = format!(
            "the fabric state is not as it was before: {differs}. Compare Get-CsPoolFabricState -PoolFqdn {pool} by hand"
        );
        records.push(Record::LeftOver { work: case.subject.id, text });
    }
    if first {
        let text = format!(
            "{server}: the fabric state is not as it was before: {differs}. Waits up to {FABRIC_WAIT:#} for it, then goes \
             on; compare Get-CsPoolFabricState -PoolFqdn {} by hand",
            case.subject.pool.name
        );
        records.push(Record::Note { work: Some(case.subject.id), text });
    }
    Ruling { records, next }
}

/// Brings back again what another hand has changed since it was brought back. Who does so a third time means it.
fn fallen(case: &Case<'_>, why: String) -> Judgement {
    if case.subject.own.mended >= REASSERTIONS {
        return hold(
            case,
            HoldCause::ReturnUndone,
            &format!("brought back {} times before, and changed by another hand again: {why}", case.subject.own.mended),
        );
    }
    Judgement::Reopen(vec![StepKind::Return, StepKind::BalancerIn, StepKind::Gate, StepKind::Soak], why)
}

fn hold(case: &Case<'_>, cause: HoldCause, why: &str) -> Judgement {
    let text = format!("{} is not proven back: {why}", case.subject.work.server);
    Judgement::Hold(cause, text, case.choices())
}

pub(super) fn soak(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if let Some(noticed) = rebooted(case) {
        return noticed;
    }
    let soak = case.subject.plan.soak_of(case.subject.work);
    let why = match sample(case) {
        Sample::Good(proof) => {
            (scratch.bad_since, scratch.own_trouble) = (None, false);
            let since = *scratch.good_since.get_or_insert(case.now);
            let good = case.now.duration_since(since);
            if good >= soak {
                return first_is_done(case)
                    .unwrap_or_else(|| Judgement::Done(StepEnd::Done, format!("good for {soak:#}")).into());
            }
            let mut wait = case.wait("the soak time to pass", proof, None);
            wait.since = since;
            wait.until = Some(after(since, soak));
            "the next server is taken".clone_into(&mut wait.then);
            return Judgement::Wait(wait, SOAK_SAMPLE.min(soak - good)).into();
        }
        Sample::Fallen(why) => return fallen(case, why).into(),
        Sample::NotYet(why) => {
            scratch.own_trouble = true;
            why
        }
        Sample::Pool(why) => why,
    };
    // One doubt about the server itself is enough for it to be the server's: what is passed over is the pool's alone.
    let whose = if scratch.own_trouble || scratch.own_restarts > 0 { Whose::Own } else { Whose::Pool };
    let restarts = match whose {
        Whose::Own => scratch.own_restarts,
        Whose::Pool => scratch.soak_restarts,
    };
    if restarts >= SOAK_RESTARTS {
        return not_soaked(case, whose, &why);
    }
    let mut records = Vec::new();
    if scratch.good_since.take().is_some() {
        scratch.soak_restarts += 1;
        scratch.own_restarts += u32::from(scratch.own_trouble);
        let text = format!("{}: the soak starts over: {why}", case.subject.work.server);
        records.push(Record::Note { work: Some(case.subject.id), text });
    }
    let since = *scratch.bad_since.get_or_insert(case.now);
    let rest = GATE_DEADLINE - case.now.duration_since(since);
    if !rest.is_positive() {
        return not_soaked(case, whose, &why);
    }
    let then = match whose {
        Whose::Own => "the server is held",
        Whose::Pool => "the soak is passed over, with a note",
    };
    let wait = case.wait_on("the pool to be good again", why, (rest, then));
    Ruling { records, next: Judgement::Wait(wait, SLOW_LOOK) }
}

/// Whether the others of its pool wait for what becomes of this server, and it goes its way by the plan.
fn is_first(case: &Case<'_>) -> bool {
    case.subject.own.back.is_none() && case.subject.pool.is_first(&case.subject.work.server)
}

/// Leaves it to a person whether the others follow, where the plan says so.
fn first_is_done(case: &Case<'_>) -> Option<Ruling> {
    let subject = &case.subject;
    if !is_first(case) || !subject.pool.asks_after(&subject.work.server) {
        return None;
    }
    let server = &subject.work.server;
    let how = subject
        .own
        .passed_over
        .as_ref()
        .map_or("is done".to_owned(), |why| format!("is back, and not done ({})", why.text));
    let text = format!(
        "{server} {how}, and goes first in {}: whether the others follow is for a person to say",
        subject.pool.name
    );
    Some(Judgement::Hold(HoldCause::FirstDone, text, vec![HoldChoice::Confirm, HoldChoice::Stop]).into())
}

/// What a soak starts over for.
#[derive(Clone, Copy)]
enum Whose {
    /// The server itself.
    Own,
    /// Others of its pool, by the product's word: the server is as it was recorded.
    Pool,
}

/// Ends a soak that never came to its end. A server that is as it was recorded is not held for what the product says of its
/// pool: before the next one goes, the pool is asked again, and that decides.
fn not_soaked(case: &Case<'_>, whose: Whose, why: &str) -> Ruling {
    match whose {
        Whose::Own => hold(case, HoldCause::SoakBroken, why).into(),
        // The others are to follow a soak that came to its end.
        Whose::Pool if is_first(case) => hold(case, HoldCause::SoakBroken, why).into(),
        Whose::Pool => {
            let text = format!("the soak did not come to its end: {why}; the server itself is as it was recorded");
            Ruling {
                records: vec![Record::LeftOver { work: case.subject.id, text }],
                next: Judgement::Done(StepEnd::Skipped, format!("passed over: {why}")),
            }
        }
    }
}
