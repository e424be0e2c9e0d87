//! The HTTP(S) plane: out of the balancer before the block, back as it was afterwards. DNS load balancing never covers
//! web traffic, and a balancer's port check does not notice a paused service.

use super::block::{guard_first_change, is_fresh, moved};
use super::{Case, Judgement, Ruling, Scratch};
use crate::constants::BALANCER_BACK;
use crate::look::Subject;
use crate::record::StepEnd;
use crate::state::{Mark, StepState, steps_of};
use jiff::Timestamp;
use orchestrate_model::act::Act;
use orchestrate_model::balancer::KeptOut;
use orchestrate_model::hold::{HoldCause, HoldChoice};
use orchestrate_model::observe::{BalancerEntry, BalancerObservation, BalancerPlace, BalancerServer, BalancerState};
use orchestrate_model::pool::{Balancer, SlotNames};
use orchestrate_model::{PoolObservation, Product, ServiceName, secret};
use orchestrate_planner::{Step, StepKind};
use std::collections::BTreeMap;

pub(super) fn out(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    match &case.subject.pool.load_balancing.balancer {
        Balancer::None => Judgement::Done(StepEnd::Skipped, "there is no balancer".to_owned()).into(),
        Balancer::Elsewhere(words) => Judgement::Done(StepEnd::AlreadyDone, elsewhere(words)).into(),
        Balancer::Operator => by_hand(case, "out of").into(),
        Balancer::Haproxy(_) => {
            if let Some(ruling) = guard_first_change(case, scratch) {
                return ruling;
            }
            let snapshot = case.subject.own.snapshot.as_ref();
            if let Some(again) = snapshot.and_then(|snapshot| moved(case, snapshot)) {
                return again.into();
            }
            take_out(case, scratch)
        }
    }
}

fn take_out(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    let seen = match current(case) {
        Ok(seen) => seen,
        Err(why) => return case.unknown(scratch, &why).into(),
    };
    if let Some(why) = is_another(case, seen) {
        // What was recorded before the first change is not recorded again.
        let again = Judgement::Reopen(vec![StepKind::Record], why.clone());
        return if case.subject.own.touched { case.give_up(why).into() } else { again.into() };
    }
    let acts: Vec<Act> = seen.ready().map(|place| set(case, place, BalancerState::Drain)).collect();
    if acts.is_empty() {
        let proof = nothing_new(seen.entries.len());
        return Judgement::Done(StepEnd::Done, proof).into();
    }
    if !is_fresh(case, scratch) {
        scratch.guarded = false;
        return Judgement::LookAgain.into();
    }
    Judgement::Act(acts).into()
}

pub(super) fn back(case: &Case<'_>, scratch: &mut Scratch) -> Judgement {
    match &case.subject.pool.load_balancing.balancer {
        Balancer::None => Judgement::Done(StepEnd::Skipped, "there is no balancer".to_owned()),
        // What the plan says there is how it is taken out.
        Balancer::Elsewhere(_) => {
            let proof = "it is put back where it was taken out, which the plan leaves to others".to_owned();
            Judgement::Done(StepEnd::AlreadyDone, proof)
        }
        Balancer::Operator => by_hand(case, "back into"),
        Balancer::Haproxy(_) => {
            let recorded = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.balancer.as_ref());
            match recorded {
                None => Judgement::Done(StepEnd::Skipped, "the balancer was never changed".to_owned()),
                Some(recorded) => put_back(case, scratch, recorded),
            }
        }
    }
}

/// Whether the balancer may send people to a server that lacks these services. What the HTTP(S) plane of the product
/// comes for is the web server and the front end behind it; of other pools nobody knows.
pub(super) fn may_serve(case: &Case<'_>, missing: &[ServiceName]) -> bool {
    let web = |name: &ServiceName| ["W3SVC", "RTCSRV"].iter().any(|web| name.as_str().eq_ignore_ascii_case(web));
    let known = case.subject.pool.product != Product::Generic;
    missing.is_empty() || (known && !missing.iter().any(web))
}

/// Whether a server has to stay out of the balancer that can be asked: it was taken out, and is not being
/// put back. `asked`: when the balancer was asked what it says now.
pub(crate) fn is_kept_out(subject: &Subject<'_>, asked: Timestamp) -> bool {
    let steps = || steps_of(subject.plan, subject.id);
    let state = |step: &Step| &subject.state.steps[step.id.0 as usize];
    // What was asked before it was out is no sign of another hand.
    let before = |step: &Step| matches!(state(step), StepState::Ended { at, .. } if *at <= asked);
    let out = steps().find(|step| step.kind == StepKind::BalancerOut).is_some_and(before);
    // While its services start it does not serve yet.
    let goes_in =
        steps().find(|step| step.kind == StepKind::BalancerIn).is_some_and(|s| *state(s) != StepState::Pending);
    let driven = matches!(subject.pool.load_balancing.balancer, Balancer::Haproxy(_));
    let own = subject.own;
    let returning = goes_in || own.has(Mark::BackInBalancer);
    driven && out && !returning && own.is_active() && own.back.is_none() && own.snapshot.is_some()
}

/// Returns the hold of a server that is put back into the balancer again and again.
pub(crate) fn hold(subject: &Subject<'_>) -> (String, Vec<HoldChoice>) {
    let text = format!(
        "{}: it was taken out of the balancer {} times and was found ready again: another hand, a reload or an agent check \
         puts it back",
        subject.work.server,
        subject.own.balancer_undone + 1
    );
    (text, vec![HoldChoice::Retry, HoldChoice::Return, HoldChoice::Abandon, HoldChoice::Stop])
}

/// Puts back what can be put back, also where one of several balancers does not answer or an entry has gone: each entry
/// is independent of the others.
fn put_back(case: &Case<'_>, scratch: &mut Scratch, recorded: &BTreeMap<BalancerPlace, BalancerState>) -> Judgement {
    let acts = restoring(case);
    if !acts.is_empty() {
        return Judgement::Act(acts);
    }
    match differences(&case.subject, recorded, case.seen) {
        Err(why) => case.unknown(scratch, &why),
        Ok(found) if !found.is_empty() => not_back(case, &found.join("; ")),
        Ok(_) => Judgement::Done(StepEnd::Done, proof_of_return(case, recorded)),
    }
}

/// A balancer that reloads, or looks a name up again, may have the entry back in a moment.
fn not_back(case: &Case<'_>, why: &str) -> Judgement {
    if case.is_late(BALANCER_BACK) {
        let text = format!("{} is not back: {why}", case.subject.work.server);
        return Judgement::Hold(HoldCause::BalancerNotBack, text, case.choices());
    }
    case.wait_for_balancer("the balancer to have it as recorded", why)
}

/// Returns the acts that make the balancers treat a server as it was recorded, where they are known to be needed. As with
/// services that were stopped, an entry that another hand has made ready is left so: taking it out again could cut people off.
pub(super) fn restoring(case: &Case<'_>) -> Vec<Act> {
    let recorded = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.balancer.as_ref());
    let seen = case.seen.balancer.known().and_then(|seen| seen.as_far_as_known(&case.subject.work.server));
    let (Some(recorded), Some(seen)) = (recorded, seen) else { return Vec::new() };
    let other = seen.entries.iter().filter_map(|(place, entry)| {
        let wanted = *state_of(&case.subject, recorded, place)?;
        // What no state keeps out, no state brings back: that is waited for, and told.
        let leave = entry.admin == wanted || entry.admin == BalancerState::Ready || entry.kept_out.is_some();
        (!leave).then(|| set(case, place, wanted))
    });
    other.collect()
}

fn proof_of_return(case: &Case<'_>, recorded: &BTreeMap<BalancerPlace, BalancerState>) -> String {
    let seen = case.seen.balancer.known().and_then(|seen| seen.as_far_as_known(&case.subject.work.server));
    let more = seen
        .into_iter()
        .flat_map(BalancerServer::ready)
        .filter(|place| state_of(&case.subject, recorded, place).is_some_and(|state| *state != BalancerState::Ready));
    let more: Vec<String> = more.map(ToString::to_string).collect();
    if more.is_empty() {
        return as_recorded(recorded.len());
    }
    format!("another hand has made {} ready since it was recorded; it is left so", more.join(", "))
}

/// Returns what of the entries of a server differs from the record, or why that is not known. An entry that was made
/// ready by somebody is left so.
pub(super) fn differences(
    subject: &Subject<'_>,
    recorded: &BTreeMap<BalancerPlace, BalancerState>,
    seen: &PoolObservation,
) -> Result<Vec<String>, String> {
    let seen = seen.balancer.as_result().map_err(|why| format!("the balancer: {why}"))?;
    let servers = seen.servers.as_result().map_err(|why| format!("the balancer: {why}"))?;
    let own = servers.get(&subject.work.server);
    let mut found = Vec::new();
    for (place, state) in recorded {
        match own.and_then(|own| entry_of(subject, own, place)) {
            Some(entry) if entry.admin == *state || entry.admin == BalancerState::Ready => {}
            Some(entry) => {
                found.push(match entry.kept_out {
                    Some(KeptOut::Weight) => format!(
                        "it is ready in {place}, and its weight is 0, so that it gets nothing new (set server {} weight 100%)",
                        place.path()
                    ),
                    Some(why) => format!("it is ready in {place}, and gets nothing new: {why}"),
                    None => format!("the balancer has it as {} in {place}, it was {state}", entry.admin),
                });
            }
            None => found.push(gone(seen, subject, place, *state)),
        }
    }
    Ok(found)
}

/// Returns the state that was recorded of an entry. Where the plan finds entries by their address, the one with the same
/// address in the same backend is the same, whatever it is called: a reload may name it anew.
pub(crate) fn state_of<'a>(
    subject: &Subject<'_>,
    recorded: &'a BTreeMap<BalancerPlace, BalancerState>,
    place: &BalancerPlace,
) -> Option<&'a BalancerState> {
    recorded.get(place).or_else(|| {
        let mut moved = recorded.iter().filter(|(other, _)| is_same(subject, other, place));
        moved.next().map(|(_, state)| state)
    })
}

/// Returns the entry of a server that was recorded as this one.
fn entry_of<'a>(subject: &Subject<'_>, own: &'a BalancerServer, place: &BalancerPlace) -> Option<&'a BalancerEntry> {
    own.entries.get(place).or_else(|| {
        let mut moved = own.entries.iter().filter(|(other, _)| is_same(subject, other, place));
        moved.next().map(|(_, entry)| entry)
    })
}

fn is_same(subject: &Subject<'_>, one: &BalancerPlace, other: &BalancerPlace) -> bool {
    let by_address = match &subject.pool.load_balancing.balancer {
        Balancer::Haproxy(proxy) => proxy.slots == SlotNames::ByAddress,
        Balancer::None | Balancer::Operator | Balancer::Elsewhere(_) => false,
    };
    let place = |place: &BalancerPlace| (place.balancer.clone(), place.backend.clone(), place.address);
    by_address && one.address.is_some() && place(one) == place(other)
}

/// An entry that has gone may have another address now, or another server of the pool may have its place: it is not set
/// for a server that nobody asked about.
fn gone(seen: &BalancerObservation, subject: &Subject<'_>, place: &BalancerPlace, state: BalancerState) -> String {
    let servers = seen.servers.known().into_iter().flatten();
    let holder = servers.flat_map(|(server, seen)| seen.entries.keys().map(move |other| (server, other)));
    let same = |other: &BalancerPlace| {
        (&other.balancer, &other.backend, &other.slot) == (&place.balancer, &place.backend, &place.slot)
    };
    let now = match holder.into_iter().find(|(_, other)| same(other)) {
        Some((server, _)) => format!("{place} is {}'s now", server.short()),
        None => format!("{place} is gone, or does not have {}'s address any more", subject.work.server.short()),
    };
    let word = match state {
        BalancerState::Ready => "ready",
        BalancerState::Drain => "drain",
        BalancerState::Maintenance => "maint",
    };
    let path = place.path();
    // To set the state of an entry with another address would be to set it for whoever has that address.
    let address = place.address.map_or_else(String::new, |address| format!("set server {path} addr {address}, then "));
    let add = place.address.map_or_else(String::new, |address| {
        format!(". If the balancer does not list it: add server {path} {address}:PORT, then enable server {path}")
    });
    format!(
        "{now}; it was {state}. Where it is to be this server's again: {address}set server {path} state {word}{add}"
    )
}

/// Says what differs if somebody has changed the balancers' state of a server since it was recorded.
fn is_another(case: &Case<'_>, seen: &BalancerServer) -> Option<String> {
    let recorded = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.balancer.as_ref())?;
    let server = &case.subject.work.server;
    if case.subject.own.touched {
        // An entry that was not recorded could not be put back.
        let new = seen.entries.keys().find(|place| state_of(&case.subject, recorded, place).is_none())?;
        return Some(format!("{server}: {new} was not there when it was recorded"));
    }
    (*recorded != seen.states()).then(|| format!("{server}: the balancer has it in another state now"))
}

fn nothing_new(count: usize) -> String {
    match count {
        1 => "the balancer sends it nothing new, verified".to_owned(),
        more => format!("{more} entries of the balancers send it nothing new, verified"),
    }
}

fn as_recorded(count: usize) -> String {
    match count {
        1 => "as recorded, verified".to_owned(),
        more => format!("{more} entries of the balancers as recorded, verified"),
    }
}

fn set(case: &Case<'_>, at: &BalancerPlace, to: BalancerState) -> Act {
    Act::SetBalancer { pool: case.subject.pool.name.clone(), at: at.clone(), to }
}

fn elsewhere(words: &str) -> String {
    format!("the plan says that it is handled elsewhere: {}", secret::shown_text(words))
}

fn by_hand(case: &Case<'_>, direction: &str) -> Judgement {
    let text = format!(
        "take {} {direction} the HTTP(S) balancer in front of {}, then confirm it",
        case.subject.work.server, case.subject.pool.name
    );
    let choices = case.choices().into_iter();
    let choices = choices.map(|choice| if choice == HoldChoice::Skip { HoldChoice::Confirm } else { choice });
    Judgement::Hold(HoldCause::BalancerByHand, text, choices.collect())
}

/// Returns the server as all its balancers have it.
pub(super) fn current<'a>(case: &Case<'a>) -> Result<&'a BalancerServer, String> {
    let seen = case.seen.balancer.as_result().map_err(|why| format!("the balancer: {why}"))?;
    let servers = seen.servers.as_result().map_err(|why| format!("the balancer: {why}"))?;
    let own = servers.get(&case.subject.work.server).filter(|own| !own.entries.is_empty());
    own.ok_or_else(|| {
        let doubt = seen.against(&case.subject.work.server).next();
        doubt.map_or_else(|| "the balancer does not have this server".to_owned(), |doubt| doubt.text.clone())
    })
}
