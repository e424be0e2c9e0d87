//! The HTTP(S) plane: out of the balancer before the block, back as it was afterwards. DNS load balancing never covers
//! web traffic, and a balancer's port check does not notice a paused service.

use super::block::{guard_first_change, is_fresh, moved};
use super::{Case, Judgement, Ruling, Scratch};
use crate::record::StepEnd;
use orchestrate_model::act::Act;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Product, ServiceName};
use orchestrate_planner::StepKind;

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
            match current(case) {
                Err(why) => case.unknown(scratch, &why).into(),
                Ok(found) if is_another(case, found) => {
                    let why = format!("{}: the balancer has it in another state now", case.subject.work.server);
                    Judgement::Reopen(vec![StepKind::Record], why).into()
                }
                Ok(BalancerState::Ready) if !is_fresh(case, scratch) => {
                    scratch.guarded = false;
                    Judgement::LookAgain.into()
                }
                Ok(BalancerState::Ready) => set(case, BalancerState::Drain).into(),
                Ok(BalancerState::Drain | BalancerState::Maintenance) => {
                    Judgement::Done(StepEnd::Done, "the balancer sends it nothing new, read back".to_owned()).into()
                }
            }
        }
    }
}

pub(super) fn back(case: &Case<'_>, scratch: &mut Scratch) -> Judgement {
    match &case.subject.pool.load_balancing.balancer {
        Balancer::None => Judgement::Done(StepEnd::Skipped, "there is no balancer".to_owned()),
        Balancer::Elsewhere(words) => Judgement::Done(StepEnd::AlreadyDone, elsewhere(words)),
        Balancer::Operator => by_hand(case, "back into"),
        Balancer::Haproxy(_) => {
            let wanted = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.balancer);
            match (current(case), wanted) {
                (_, None) => Judgement::Done(StepEnd::Skipped, "the balancer was never changed".to_owned()),
                (Err(why), Some(_)) => case.unknown(scratch, &why),
                (Ok(found), Some(wanted)) if found == wanted => {
                    Judgement::Done(StepEnd::Done, "as recorded, read back".to_owned())
                }
                // As with services that were stopped: taking it out again could cut people off, and nobody was asked.
                (Ok(BalancerState::Ready), Some(_)) => {
                    let proof = "somebody has made it ready since it was recorded; it is left so".to_owned();
                    Judgement::Done(StepEnd::Done, proof)
                }
                (Ok(_), Some(wanted)) => set(case, wanted),
            }
        }
    }
}

/// Returns the act that makes the balancer treat a server as it was recorded, where it is known to be needed.
pub(super) fn restoring(case: &Case<'_>) -> Option<Act> {
    let Balancer::Haproxy(_) = &case.subject.pool.load_balancing.balancer else { return None };
    let wanted = case.subject.own.snapshot.as_ref()?.balancer?;
    let found = current(case).ok()?;
    let act = Act::SetBalancer { pool: case.subject.pool.name.clone(), to: wanted };
    (found != wanted && found != BalancerState::Ready).then_some(act)
}

/// Whether the balancer may send people to a server that lacks these services. What the HTTP(S) plane of the product
/// comes for is the web server and the front end behind it; of other pools nobody knows.
pub(super) fn may_serve(case: &Case<'_>, missing: &[ServiceName]) -> bool {
    let web = |name: &ServiceName| ["W3SVC", "RTCSRV"].iter().any(|web| name.as_str().eq_ignore_ascii_case(web));
    let known = case.subject.pool.product != Product::Generic;
    missing.is_empty() || (known && !missing.iter().any(web))
}

/// Whether somebody has changed the balancer's state of a server since it was recorded.
fn is_another(case: &Case<'_>, found: BalancerState) -> bool {
    let recorded = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.balancer);
    !case.subject.own.touched && recorded.is_some_and(|recorded| recorded != found)
}

fn set(case: &Case<'_>, to: BalancerState) -> Judgement {
    Judgement::Act(vec![Act::SetBalancer { pool: case.subject.pool.name.clone(), to }])
}

fn elsewhere(words: &str) -> String {
    format!("the plan says that it is handled elsewhere: {words}")
}

fn by_hand(case: &Case<'_>, direction: &str) -> Judgement {
    let text = format!(
        "take {} {direction} the HTTP(S) balancer in front of {}, then choose skip to confirm",
        case.subject.work.server, case.subject.pool.name
    );
    Judgement::Hold(text, case.choices())
}

fn current(case: &Case<'_>) -> Result<BalancerState, String> {
    let seen = case.seen.balancer.as_result().map_err(|why| format!("the balancer: {why}"))?;
    let servers = seen.servers.as_result().map_err(|why| format!("the balancer: {why}"))?;
    servers
        .get(&case.subject.work.server)
        .map(|server| server.admin)
        .ok_or_else(|| "the balancer does not have this server".to_owned())
}
