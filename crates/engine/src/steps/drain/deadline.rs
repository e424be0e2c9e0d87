//! The end of a drain's time: what the plan says of the sessions left then, and what a person decides.

use super::super::{Case, Judgement, Ruling, Scratch};
use super::Sample;
use crate::record::{Record, Why, WhyKind};
use jiff::SignedDuration;
use orchestrate_model::ServiceName;
use orchestrate_model::change::{AtDeadline, Drain};
use orchestrate_model::hold::{HoldCause, HoldChoice};

/// Returns the deadline of a service, and what happens then.
pub(super) fn limit(drain: &Drain, name: &ServiceName) -> (SignedDuration, AtDeadline) {
    let own = drain.per_service.get(name);
    own.map_or((drain.deadline, drain.at_deadline), |service| (service.deadline, service.at_deadline))
}

/// What happens at the deadlines of the services that are not done. Each has its own deadline, or the general one; what
/// is waited for by time alone has none, since the plan names the time.
pub(super) fn at_deadline(case: &Case<'_>, sample: &Sample) -> Option<Ruling> {
    let drain = &case.subject.plan.change().maintenance.drain;
    let late = |name: &ServiceName| {
        let (deadline, action) = limit(drain, name);
        (case.is_late(deadline) && more(case).is_none()).then_some(action)
    };
    let counted: Vec<(&ServiceName, AtDeadline)> =
        sample.left.keys().filter_map(|name| late(name).map(|action| (name, action))).collect();
    let uncounted: Vec<AtDeadline> = sample.unknown.keys().chain(sample.pending.keys()).filter_map(late).collect();
    let wants = |wanted| uncounted.contains(&wanted) || counted.iter().any(|(_, action)| *action == wanted);
    if wants(AtDeadline::Return) {
        return Some(turn_back(case, sample));
    }
    // What is not known cannot be counted, so it cannot be cut.
    if wants(AtDeadline::Hold) || wants(AtDeadline::Ask) || !uncounted.is_empty() {
        return Some(hold(case, sample));
    }
    if counted.is_empty() {
        return None;
    }
    let sessions = counted.iter().map(|(name, _)| ((*name).clone(), sample.left[*name])).collect();
    Some(Ruling { records: vec![Record::SessionsCut { work: case.subject.id, sessions }], next: Judgement::LookAgain })
}

fn hold(case: &Case<'_>, sample: &Sample) -> Ruling {
    hold_for(case, sample, deadline_text(case, sample))
}

fn hold_for(case: &Case<'_>, sample: &Sample, text: String) -> Ruling {
    let mut choices = case.choices();
    choices.insert(1, HoldChoice::Extend);
    if may_be_cut(case, sample) {
        choices.insert(2, HoldChoice::Cut);
    }
    Judgement::Hold(HoldCause::DrainDeadline, text, choices).into()
}

/// Whether a person may have the sessions cut that are left: all of them were counted, and the plan says so of each service
/// that has some (promise P4).
fn may_be_cut(case: &Case<'_>, sample: &Sample) -> bool {
    let drain = &case.subject.plan.change().maintenance.drain;
    // Each service has the time that the plan gives it.
    let late = |name: &ServiceName| case.is_late(limit(drain, name).0) || case.subject.own.extended.is_some();
    lets_a_person_cut(case, sample) && sample.left.keys().all(late)
}

/// Whether the plan lets a person cut what is left, and all of it was counted. When it may be offered was asked at the hold.
fn lets_a_person_cut(case: &Case<'_>, sample: &Sample) -> bool {
    let drain = &case.subject.plan.change().maintenance.drain;
    let counted = sample.is_counted() && sample.total() > 0;
    counted && sample.left.keys().all(|name| limit(drain, name).1.lets_a_person_cut())
}

/// Cuts the sessions that a person has counted. When there are more of them now, or nobody knows how many, nothing is cut and
/// the person is asked again. Those that have ended by themselves since need not be cut.
pub(super) fn cut_by_person(case: &Case<'_>, scratch: &Scratch, sample: &Sample) -> Option<Ruling> {
    let wanted = case.subject.own.to_cut.filter(|_| !sample.is_zero())?;
    // After a look without any, those that there are now are others than the person has counted.
    if lets_a_person_cut(case, sample) && sample.total() <= wanted && !scratch.empty_since_counted {
        let sessions = sample.left.clone();
        return Some(Ruling {
            records: vec![Record::SessionsCut { work: case.subject.id, sessions }],
            next: Judgement::LookAgain,
        });
    }
    let text = format!(
        "{}: {wanted} sessions were to be cut, and it is {} now: nothing was cut: {}",
        case.subject.work.server,
        sample.number(),
        sample.describe()
    );
    Some(hold_for(case, sample, text))
}

/// Returns what is left of the time that a person has given the drain beyond its deadline.
pub(super) fn more(case: &Case<'_>) -> Option<SignedDuration> {
    let (at, more) = case.subject.own.extended?;
    Some(more.saturating_sub(case.lived(at))).filter(|rest| rest.is_positive())
}

fn turn_back(case: &Case<'_>, sample: &Sample) -> Ruling {
    Judgement::TurnBack(Why { kind: WhyKind::Failed, text: deadline_text(case, sample) }).into()
}

fn deadline_text(case: &Case<'_>, sample: &Sample) -> String {
    format!(
        "{}: sessions have not ended after {:#}: {}",
        case.subject.work.server,
        case.elapsed().round(jiff::Unit::Second).unwrap_or_else(|_| case.elapsed()),
        sample.describe()
    )
}

pub(super) fn then(at_deadline: AtDeadline) -> &'static str {
    match at_deadline {
        AtDeadline::Hold => "the server is held, blocked, until the operator decides",
        AtDeadline::Return => "the server goes back into service, unpatched",
        AtDeadline::Cut => "the sessions left are cut, as the plan says",
        AtDeadline::Ask => "the server is held, blocked, until the operator decides; its sessions may be cut then",
    }
}
