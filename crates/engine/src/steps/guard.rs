//! The guard: may this server go out of service now? The answers come from [`orchestrate_planner::safety`].

use super::block::{all_run, paused_services};
use super::{Case, Judgement, Ruling, Scratch};
use crate::constants::{BUSY_ANSWERS, BUSY_WAIT, POOL_WAIT, REFUSED_LOOK, REFUSED_LOOKS, SLOW_LOOK, UNKNOWN_LOOKS};
use crate::look::{Scopes, Subject, sharing};
use crate::record::{Record, ServerEnd, StepEnd, Why, WhyKind};
use jiff::Timestamp;
use orchestrate_model::change::PoolUnsafe;
use orchestrate_model::observe::ReadinessState;
use orchestrate_model::{PoolName, PoolObservation, RunState, ServerName, ServiceName, Verdict};
use orchestrate_planner::safety::{self, Asked, Question};
use orchestrate_planner::standing;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    if let Some(wait) = waits_for_another(case) {
        return wait.into();
    }
    match ask(case, scratch, |_| true) {
        Asking::Safe(asked) => {
            let proof = summary(&asked);
            Ruling {
                records: vec![Record::Evidence { step: case.step, asked }],
                next: Judgement::Done(StepEnd::Done, proof),
            }
        }
        Asking::NotYet(ruling) => ruling,
    }
}

/// Waits for the soak of a server of the pool that was brought back without one, as a recovery does: until it has stayed good
/// for as long, its pool is not proven to have it again.
fn waits_for_another(case: &Case<'_>) -> Option<Judgement> {
    let subject = &case.subject;
    let soak = subject.plan.change().maintenance.soak;
    let works = subject.plan.work().iter().zip(&subject.state.work);
    let others =
        works.filter(|(planned, _)| planned.pool == subject.work.pool && planned.server != subject.work.server);
    let back = others.filter_map(|(planned, own)| {
        let at = own.proven_at.filter(|_| own.back.is_some() && own.end.is_some())?;
        (!case.is_over(at, soak)).then_some((at, planned.server.short()))
    });
    let (at, name) = back.max()?;
    let why = format!("{name} was brought back and has not stayed good for its soak time yet");
    let wait = case.wait_from(at, ("the soak of another server", why), (soak, "the safety questions are asked"));
    Some(Judgement::Wait(wait, SLOW_LOOK))
}

/// Returns the safety questions about a server that is out which are not answered with yes: whether the rest of its pool
/// can go on without it.
///
/// Whether the look was fresh is not among them: how long an answer may take is bounded, and what is not known says so
/// itself. Nor is the product's silence: the cmdlet that gives its word waits while the pool places users anew, which our
/// own server makes it do; a word that comes counts.
pub(crate) fn against_absence(subject: &Subject<'_>, seen: &PoolObservation, now: Timestamp) -> Vec<Asked> {
    let out = subject.others_out();
    let mut away = subject.away();
    away.insert(subject.work.server.clone());
    let change = subject.plan.change();
    let served = subject.own.snapshot.iter().flat_map(|snapshot| &snapshot.services);
    let served = served.filter(|(_, recorded)| recorded.state == RunState::Running).map(|(name, _)| name.clone());
    let served: BTreeSet<ServiceName> = served.collect();
    let (pool, server) = (subject.pool, &subject.work.server);
    let about = safety::Case { change, pool, server, seen, ours_out: &out, now };
    let catching_up = subject.catching_up(now);
    let ours = safety::Ours { away: &away, catching_up: &catching_up, served: Some(&served) };
    let mut asked = safety::assess_ours(&about, &ours);
    asked.extend(shared(subject, seen));
    let silent = |asked: &Asked| asked.question == Question::Ready && matches!(asked.verdict, Verdict::Unknown(_));
    asked.retain(|asked| !asked.verdict.is_yes() && asked.question != Question::Fresh && !silent(asked));
    asked
}

/// What came of asking.
pub(super) enum Asking {
    /// Every answer is yes.
    Safe(Vec<Asked>),
    /// Not every answer is yes; this comes next.
    NotYet(Ruling),
}

/// Puts the safety questions that `wanted` names.
pub(super) fn ask(case: &Case<'_>, scratch: &mut Scratch, wanted: impl Fn(Question) -> bool) -> Asking {
    let out = case.subject.others_out();
    let mut away = case.subject.away();
    // Blocked in part or in full it makes its pool less than whole by itself.
    if case.subject.own.touched && !all_run(case) {
        away.insert(case.subject.work.server.clone());
    }
    let about = safety::Case {
        change: case.subject.plan.change(),
        pool: case.subject.pool,
        server: &case.subject.work.server,
        seen: case.seen,
        ours_out: &out,
        now: case.now,
    };
    let catching_up = case.subject.catching_up(case.now);
    let mut asked = safety::assess_ours(&about, &safety::Ours { away: &away, catching_up: &catching_up, served: None });
    asked.extend(shared(&case.subject, case.seen));
    asked.retain(|asked| wanted(asked.question));
    // What a server refuses makes a look slow: the cause is told before that.
    asked.sort_by_key(|asked| asked.question == Question::Fresh);
    let bad: Vec<&Asked> = asked.iter().filter(|asked| !asked.verdict.is_yes()).collect();
    if bad.is_empty() {
        scratch.refused_looks = 0;
        scratch.unknown_looks = 0;
        return Asking::Safe(asked);
    }
    // What another control host does to the pool is the cause of all else that is not so, whatever the product says of
    // it. A server that we have changed ourselves is another matter.
    let changed = case.subject.own.is_changed();
    let held = bad.iter().copied().filter(|asked| asked.question == Question::Lease && is_no(asked) && !changed);
    let held: Vec<&Asked> = held.collect();
    let elsewhere = !held.is_empty();
    let bad = if elsewhere { held } else { bad };
    let reasons = reasons(case, &bad);
    let text = format!("may not go out of service: {reasons}");
    let stale = bad.iter().all(|asked| asked.question == Question::Fresh);
    let mut patient = false;
    let next = if stale && scratch.unknown_looks + 1 < UNKNOWN_LOOKS {
        // Nothing but the time that the look took speaks against it: the next one may be quicker.
        scratch.unknown_looks += 1;
        return Asking::NotYet(Judgement::LookAgain.into());
    } else if is_unread(case) && bad.iter().all(|asked| asked.question == Question::Ready || is_unknown(asked)) {
        case.unknown(scratch, &text)
    } else if passes_with_busy(&bad) && readiness(case) == Some(&ReadinessState::Busy) {
        busy(case, scratch, (text, &reasons))
    } else if let Some(wait) = waits_for_pool(case, scratch, &bad, &reasons) {
        patient = true;
        wait
    } else if elsewhere && scratch.refused_looks + 1 >= REFUSED_LOOKS {
        Judgement::TurnBack(Why { kind: WhyKind::Elsewhere, text })
    } else if bad.iter().all(|asked| is_unknown(asked)) {
        case.unknown(scratch, &text)
    } else {
        refused(case, scratch, (text, &reasons))
    };
    // A long wait says what it waits for once, and again when that is another thing.
    let said = scratch.wait.as_ref().is_some_and(|wait| wait.why == reasons);
    let records = if said && patient { Vec::new() } else { vec![Record::Evidence { step: case.step, asked }] };
    Asking::NotYet(Ruling { records, next })
}

/// Most reasons that are told in one sentence: the evidence in the journal has them all.
const REASONS: usize = 3;

/// Returns why a server may not go.
fn reasons(case: &Case<'_>, bad: &[&Asked]) -> String {
    let lead = format!("{} may not go: ", case.subject.work.server.short());
    let mut reasons: Vec<String> = Vec::new();
    for verdict in bad.iter().map(|asked| &asked.verdict) {
        let text = verdict.text();
        let reason = format!("{}: {}", verdict.word(), text.strip_prefix(lead.as_str()).unwrap_or(text));
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let more = reasons.len().saturating_sub(REASONS);
    reasons.truncate(REASONS);
    let more = if more == 0 { String::new() } else { format!("; and {more} more that the journal has") };
    format!("{}{more}", reasons.join("; "))
}

fn is_no(asked: &Asked) -> bool {
    matches!(asked.verdict, Verdict::No(_))
}

fn is_unknown(asked: &Asked) -> bool {
    matches!(asked.verdict, Verdict::Unknown(_))
}

/// Whether the run has begun to block the server and its services did not answer: nobody can say then whether what the
/// product says of the pool is about this server.
fn is_unread(case: &Case<'_>) -> bool {
    case.subject.own.touched && paused_services(&case.subject).iter().any(|name| case.state(name).is_err())
}

/// Waits for as long as it takes, where the plan says so, the server was not changed, and what is not so is the pool's.
fn waits_for_pool(case: &Case<'_>, scratch: &mut Scratch, bad: &[&Asked], text: &str) -> Option<Judgement> {
    // A server that answers nothing at all may be one that another control host restarts.
    let is_silent = case.own.services.known().is_none();
    let own = |asked: &&Asked| {
        let is_own = matches!(asked.question, Question::Blockable | Question::Staged | Question::Fit);
        is_own && !(is_silent && is_unknown(asked))
    };
    let waits = case.subject.plan.change().maintenance.pool_unsafe == PoolUnsafe::Wait;
    // A server that this run has left out of service does not come back by itself.
    let left_out =
        case.subject.plan.work().iter().zip(&case.subject.state.work).any(|(work, state)| {
            work.pool == case.subject.work.pool && matches!(state.end, Some(ServerEnd::Out { .. }))
        });
    if !waits || left_out || case.subject.own.is_changed() || bad.iter().any(own) || case.elapsed() >= POOL_WAIT {
        return None;
    }
    scratch.refused_looks += 1;
    let limit = Some((POOL_WAIT, "the run stops"));
    Some(Judgement::Wait(
        case.wait("the pool to be able to do without the server", text.to_owned(), limit),
        REFUSED_LOOK,
    ))
}

fn refused(case: &Case<'_>, scratch: &mut Scratch, (text, reasons): (String, &str)) -> Judgement {
    scratch.refused_looks += 1;
    if scratch.refused_looks >= REFUSED_LOOKS {
        return case.give_up(text);
    }
    let rest = REFUSED_LOOK * i32::try_from(REFUSED_LOOKS - scratch.refused_looks).unwrap_or(i32::MAX);
    let wait = case.wait_on("the pool to be able to do without the server", reasons.to_owned(), (rest, then(case)));
    Judgement::Wait(wait, REFUSED_LOOK)
}

fn busy(case: &Case<'_>, scratch: &mut Scratch, (text, reasons): (String, &str)) -> Judgement {
    scratch.busy += 1;
    if scratch.busy >= BUSY_ANSWERS {
        return case.give_up(format!("{text}; the pool has said so {} times", scratch.busy));
    }
    let rest = BUSY_WAIT * i32::try_from(BUSY_ANSWERS - scratch.busy).unwrap_or(i32::MAX);
    let wait = case.wait_on("the pool to be ready for an upgrade", reasons.to_owned(), (rest, then(case)));
    Judgement::Wait(wait, BUSY_WAIT)
}

/// What comes when the answer does not become yes: one that was changed already is not left so.
fn then(case: &Case<'_>) -> &'static str {
    if case.subject.own.is_changed() { "the server goes back" } else { "the run stops" }
}

/// The budgets that the server's pool shares with others, counted by what was seen of all of them (promise P1).
fn shared(subject: &Subject<'_>, all: &PoolObservation) -> Vec<Asked> {
    let change = subject.plan.change();
    // With hundreds of pools on one budget each of them is looked up, and none is searched for.
    let ours = subject.plan.work().iter().zip(&subject.state.work);
    let all_ours: BTreeSet<&ServerName> =
        ours.filter(|(_, state)| state.is_out()).map(|(work, _)| &work.server).collect();
    let mut scopes = Scopes::of(change);
    let out = sharing(change, subject.pool).map(|pool| {
        let of_pool = pool.servers.iter().map(|server| &server.name);
        let ours: BTreeSet<ServerName> = of_pool.filter(|name| all_ours.contains(name)).cloned().collect();
        // Only the own pool's balancer is asked.
        let standings = standing::standings(pool, scopes.scope(pool), all, &ours);
        let out = standings.into_iter().filter(|(_, standing)| !standing.serves()).map(|(name, _)| name);
        (pool.name.clone(), out.collect())
    });
    let out: BTreeMap<PoolName, BTreeSet<ServerName>> = out.collect();
    safety::shared_budgets(change, subject.pool, &subject.work.server, &out)
}

/// Whether nothing speaks against the server but what passes when a busy pool has settled. A pool that is busy takes
/// long over its answer, and by then the rest of the evidence is old.
fn passes_with_busy(bad: &[&Asked]) -> bool {
    bad.iter().all(|asked| matches!(asked.question, Question::Ready | Question::Replication | Question::Fresh))
}

/// The worst word on readiness that another server of the pool has said.
pub(super) fn readiness<'a>(case: &Case<'a>) -> Option<&'a ReadinessState> {
    let others = case.seen.servers.values().filter(|seen| seen.server != case.subject.work.server);
    let said = others.filter_map(|seen| seen.readiness.known()).map(|readiness| &readiness.state);
    said.max_by_key(|state| match state {
        ReadinessState::Ready => 0,
        ReadinessState::Busy => 1,
        ReadinessState::Other(_) => 2,
        ReadinessState::InsufficientActiveFrontEnds => 3,
    })
}

fn summary(asked: &[Asked]) -> String {
    format!("{} of {} safety questions answered yes", asked.len(), asked.len())
}
