//! The promises of a driver of balancers.

use super::{Findings, Rule, Violation, Waiting, why_not_unreachable};
use crate::{ChangeBalancer, ObserveBalancer};
use orchestrate_model::observe::{BalancerPlace, BalancerServer, BalancerState};
use orchestrate_model::{ActOutcome, Answer, ServerName};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What stands behind a driver of a balancer.
#[derive(Debug, Clone)]
pub struct BalancerExpectation {
    /// The servers that the balancer has. The first one is changed.
    pub servers: Vec<ServerName>,
    /// A server that the balancer does not have.
    pub absent: ServerName,
    /// An entry of the first server, for a balancer that cannot be reached and so cannot say one.
    pub place: BalancerPlace,
}

/// Tries the promises of looking at a balancer that answers. Changes nothing.
pub async fn balancer_reads(
    balancer: &dyn ObserveBalancer,
    expected: &BalancerExpectation,
    waiting: &Waiting,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    let one = look(&mut findings, balancer, waiting).await;
    let two = look(&mut findings, balancer, waiting).await;
    let (Some(one), Some(two)) = (one, two) else { return findings.0 };
    for server in expected.servers.iter().filter(|server| !one.contains_key(server)) {
        findings.add(Rule::AskedIsAnswered, format!("{server} is missing"));
    }
    if one.contains_key(&expected.absent) {
        findings.add(Rule::AbsentIsMissing, format!("{} is there", expected.absent));
    }
    // Sessions come and go by themselves.
    if admin(&one) != admin(&two) {
        findings.add(Rule::LookingChangesNothing, format!("{one:?} and then {two:?}"));
    }
    findings.0
}

/// Tries the promises of changing a balancer, on its first server, and puts it back.
pub async fn balancer_changes(
    balancer: &dyn ChangeBalancer,
    expected: &BalancerExpectation,
    waiting: &Waiting,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    let Some(server) = expected.servers.first() else {
        findings.add(Rule::Prepared, "expected a server to change, found none");
        return findings.0;
    };
    let Some(before) = look(&mut findings, balancer, waiting).await else { return findings.0 };
    let entries = before.get(server).map(|seen| seen.states()).unwrap_or_default();
    let Some(first) = entries.keys().next() else {
        findings.add(Rule::Prepared, format!("expected {server} in the balancer, found {:?}", before.keys()));
        return findings.0;
    };
    for (place, original) in &entries {
        let ways = [BalancerState::Drain, BalancerState::Maintenance, BalancerState::Drain, BalancerState::Ready];
        for to in ways.into_iter().chain([*original]) {
            set(&mut findings, balancer, (server, place, to), waiting).await;
        }
    }
    // An entry that nobody has, and one that has another address by now.
    let other = first.address.map_or([192, 0, 2, 254].into(), |address| match address {
        IpAddr::V4(_) => IpAddr::from([192, 0, 2, 254]),
        IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfffe]),
    });
    let absent = BalancerPlace { slot: "nobody".to_owned(), ..first.clone() };
    let moved = BalancerPlace { address: Some(other), ..first.clone() };
    for (whose, place) in [(&expected.absent, &absent), (server, &absent), (server, &moved)] {
        match waiting.look(balancer.set_balancer(whose, place, BalancerState::Drain)).await {
            None => findings.add(Rule::AnswersInTime, format!("{whose}: nothing within {:#}", waiting.patience)),
            Some(look) if matches!(look.seen, ActOutcome::Failed(_)) => {}
            Some(look) => findings.add(Rule::AbsentCannotBeChanged, format!("{whose}, {place}: {:?}", look.seen)),
        }
    }
    if let Some(after) = look(&mut findings, balancer, waiting).await
        && admin(&after) != admin(&before)
    {
        findings.add(Rule::LeftAsFound, format!("expected {before:?}, found {after:?}"));
    }
    findings.0
}

/// Tries that a driver which reaches nothing says so: `balancer` must be pointed at an address where nobody answers.
pub async fn balancer_unreachable(
    balancer: &dyn ChangeBalancer,
    expected: &BalancerExpectation,
    waiting: &Waiting,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    match waiting.look(balancer.observe_balancer()).await {
        None => findings.add(Rule::AnswersInTime, format!("nothing within {:#}", waiting.patience)),
        Some(look) => {
            findings.add_if(Rule::TakenWhenAsked, look.why_stale(look.seen.taken));
            findings.add_if(Rule::UnreachableIsUnknown, why_not_unreachable("the balancer", &look.seen.servers));
        }
    }
    if let Some(server) = expected.servers.first() {
        match waiting.look(balancer.set_balancer(server, &expected.place, BalancerState::Drain)).await {
            None => findings.add(Rule::AnswersInTime, format!("{server}: nothing within {:#}", waiting.patience)),
            Some(look) if look.seen.is_success() => {
                findings.add(Rule::UnreachableIsUnknown, format!("{server} was changed: {:?}", look.seen));
            }
            Some(_) => {}
        }
    }
    findings.0
}

type Servers = BTreeMap<ServerName, BalancerServer>;

fn admin(servers: &Servers) -> BTreeMap<BalancerPlace, BalancerState> {
    servers.values().flat_map(BalancerServer::states).collect()
}

async fn look(findings: &mut Findings, balancer: &dyn ObserveBalancer, waiting: &Waiting) -> Option<Servers> {
    let Some(look) = waiting.look(balancer.observe_balancer()).await else {
        findings.add(Rule::AnswersInTime, format!("nothing within {:#}", waiting.patience));
        return None;
    };
    findings.add_if(Rule::TakenWhenAsked, look.why_stale(look.seen.taken));
    match look.seen.servers {
        Answer::Known(servers) => Some(servers),
        Answer::Unknown(why) => {
            findings.add(Rule::AskedIsAnswered, why);
            None
        }
    }
}

/// Sets a state twice, and looks each time.
async fn set(
    findings: &mut Findings,
    balancer: &dyn ChangeBalancer,
    (server, place, to): (&ServerName, &BalancerPlace, BalancerState),
    waiting: &Waiting,
) {
    let Some(before) = look(findings, balancer, waiting).await else { return };
    for (time, rule) in [("first", Rule::ChangeIsAccepted), ("second", Rule::RepeatIsHarmless)] {
        match waiting.look(balancer.set_balancer(server, place, to)).await {
            None => {
                return findings.add(Rule::AnswersInTime, format!("{server}: nothing within {:#}", waiting.patience));
            }
            Some(look) if !look.seen.is_success() => {
                return findings.add(rule, format!("{server}, {place} to {to:?}, the {time} time: {:?}", look.seen));
            }
            Some(_) => {}
        }
        let Some(after) = comes_about(findings, balancer, (place, to), waiting).await else { return };
        let others = |servers: &Servers| {
            let mut others = admin(servers);
            others.remove(place);
            others
        };
        if others(&before) != others(&after) {
            findings.add(Rule::NothingElseChanges, format!("{place} to {to:?}: before {before:?}, after {after:?}"));
        }
    }
}

async fn comes_about(
    findings: &mut Findings,
    balancer: &dyn ChangeBalancer,
    (place, to): (&BalancerPlace, BalancerState),
    waiting: &Waiting,
) -> Option<Servers> {
    let deadline = waiting.deadline();
    loop {
        let servers = look(findings, balancer, waiting).await?;
        let found = admin(&servers).get(place).copied();
        if found == Some(to) {
            return Some(servers);
        }
        if waiting.is_over(deadline) {
            findings.add(Rule::ChangeComesAbout, format!("{place}: expected {to:?}, found {found:?}"));
            return None;
        }
        waiting.pause().await;
    }
}
