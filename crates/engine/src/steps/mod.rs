//! The judgement of each step: pure functions from what was seen to what comes next.
//!
//! A judgement compares the world with what is wanted and names the difference, so it gives the same answer whether the
//! run was interrupted in between or not: "already done", "do this", "wait for that", "cannot go on".

mod back;
mod balancer;
mod block;
mod drain;
mod fabric;
mod gate;
mod guard;
mod mend;
mod patch;
mod restart;
mod snapshot;
mod support;
mod tries;
mod under_way;

pub(crate) use back::sweep;
pub(crate) use balancer::{hold as balancer_hold, is_kept_out, state_of as balancer_state_of};
#[cfg(test)]
pub(crate) use block::is_fresh_at;
pub(crate) use block::{all_run, paused_services, set_back, they_start};
pub(crate) use drain::sessions_left;
pub(crate) use fabric::is_concerned as concerns_fabric;
pub(crate) use guard::against_absence;
pub(crate) use patch::{NEEDS_RESTART, token_in_hand};
pub(crate) use restart::restarts_first;
pub(crate) use under_way::is_installer_open;

use crate::constants::{
    BALANCER_BACK, BALANCER_DEADLINE, BLOCK_DEADLINE, INSTALLER_BUSY, RESTART_SHOWS, RETURN_DEADLINE, SLOW_LOOK,
    STOP_DEADLINE, UNKNOWN_LOOK, UNKNOWN_LOOKS, VERIFY_DEADLINE,
};
use crate::look::Subject;
use crate::record::{Record, StepEnd, StopWhy, Why, WhyKind};
use crate::view::Wait;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::Act;
use orchestrate_model::hold::{HoldCause, HoldChoice};
use orchestrate_model::observe::InstallerState;
use orchestrate_model::time::after;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    Answer, PoolObservation, RunState as ServiceRunState, ServerName, ServerObservation, ServiceName,
};
use orchestrate_planner::{Plan, StepId, StepKind, limits};
use std::collections::{BTreeMap, BTreeSet};

/// What the engine remembers of a step between two looks. Losing it makes the run slower, never less safe: after a
/// restart of the tool every count begins anew.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of steps that have nothing to do with each other")]
pub(crate) struct Scratch {
    /// The step that the rest is about.
    pub(crate) step: Option<StepId>,
    /// Looks in a row that gave no answer.
    pub(crate) unknown_looks: u32,
    /// Looks of the final sweep.
    pub(crate) sweep_looks: u32,
    /// Looks in a row whose safety answer was not yes.
    pub(crate) refused_looks: u32,
    /// How often the pool said Busy.
    pub(crate) busy: u32,
    /// Zero samples in a row.
    pub(crate) zeros: u32,
    /// When the last sample of a drain was counted.
    pub(crate) sampled: Option<Timestamp>,
    /// The fewest sessions seen, and when.
    pub(crate) lowest: Option<(u64, Timestamp)>,
    /// The first count of a drain, and when.
    pub(crate) first_count: Option<(u64, Timestamp)>,
    /// Counters that are not zero, by service and name, with the lowest value and when it was reached.
    pub(crate) counters: BTreeMap<(ServiceName, String), (i64, Timestamp)>,
    /// Every counter of a service, as it was last read.
    pub(crate) counted: BTreeMap<ServiceName, BTreeMap<String, i64>>,
    /// The sessions of each service when it was last counted; none of a service that was never counted.
    pub(crate) last_counts: BTreeMap<ServiceName, Option<u64>>,
    /// Whether the drain was called stuck.
    pub(crate) stuck: bool,
    /// Since when the pool has been good without a break.
    pub(crate) good_since: Option<Timestamp>,
    /// Since when it has not been good without a break.
    pub(crate) bad_since: Option<Timestamp>,
    /// Since when the fabric state is not as it was.
    pub(crate) fabric_differs: Option<Timestamp>,
    /// How often a soak started over.
    pub(crate) soak_restarts: u32,
    /// How often of these for the server itself.
    pub(crate) own_restarts: u32,
    /// Services learned of on the server itself.
    pub(crate) extra: BTreeSet<ServiceName>,
    /// Servers whose versions are compared with those of the server.
    pub(crate) compared: BTreeSet<ServerName>,
    /// Whether the safety questions were answered with yes since the tool started, before the first change.
    pub(crate) guarded: bool,
    /// When the evidence for it was taken.
    pub(crate) guarded_at: Option<Timestamp>,
    /// The same, before the first stop.
    pub(crate) guarded_stop: bool,
    /// What became of the acts of the step.
    pub(crate) tries: tries::Tries,
    /// Whether the way back asks the balancer too, because not everything comes back.
    pub(crate) asks_balancer: bool,
    /// Supporting services that do not stop for the installer.
    pub(crate) running_on: BTreeSet<ServiceName>,
    /// Services that were found running while the server was held, and said so.
    pub(crate) resumed_in_hold: BTreeSet<ServiceName>,
    /// Whether a look of the step has shown no session any more.
    pub(crate) empty_since_counted: bool,
    /// Whether it was said that start types were set back while the server was held.
    pub(crate) told_set_back: bool,
    /// Whether the server itself was not as it was recorded since the soak was last good.
    pub(crate) own_trouble: bool,
    /// Whether start types that another hand has set back are being set again.
    pub(crate) sets_manual_again: bool,
    /// Since when the step wants acts.
    pub(crate) acts_since: Option<Timestamp>,
    /// Whether it was seen since the tool started, and since it last stood still, that what is installed is what was recorded.
    pub(crate) versions_seen: bool,
    /// Whether it was told that the balancer has a new entry of the server.
    pub(crate) told_of_entry: bool,
    /// Looks in a row in which the balancer sends it people by an entry that was not recorded.
    pub(crate) new_entry_looks: u32,
    /// Since when a held server is seen to be back in the balancer, which is said once.
    pub(crate) let_in: Option<Timestamp>,
    /// What another hand has undone at the balancer, as long as it is so.
    pub(crate) undone: Option<Undone>,
    /// Sessions left, for the view.
    pub(crate) left: Option<Answer<u64>>,
    /// Sessions of services that the plan would wait for by time where nothing counts them, when they were last counted and not
    /// zero: a counter that was there and is lost is no counter that was never there.
    pub(crate) seen_sessions: BTreeMap<ServiceName, u64>,
    /// What is waited for, for the view.
    pub(crate) wait: Option<Wait>,
}

/// That another hand has put a server back into the balancer that is out, until a look shows it out again.
#[derive(Debug, Clone)]
pub(crate) struct Undone {
    /// How often it was to be taken out again.
    pub(crate) tries: u32,
    /// When that was last asked for.
    pub(crate) asked: Timestamp,
    /// Why it was not done.
    pub(crate) refused: Option<String>,
}

impl Scratch {
    /// Forgets what belonged to another step.
    pub(crate) fn enter(&mut self, step: StepId) {
        if self.step == Some(step) {
            return;
        }
        *self = Self {
            step: Some(step),
            guarded: self.guarded,
            guarded_at: self.guarded_at,
            guarded_stop: self.guarded_stop,
            versions_seen: self.versions_seen,
            told_of_entry: self.told_of_entry,
            new_entry_looks: self.new_entry_looks,
            undone: self.undone.take(),
            extra: std::mem::take(&mut self.extra),
            left: self.left.take(),
            seen_sessions: std::mem::take(&mut self.seen_sessions),
            ..Self::default()
        };
    }

    /// Lets every act of a step that begins have all its tries.
    pub(crate) fn try_anew(&mut self) {
        (self.tries, self.asks_balancer) = (tries::Tries::default(), false);
    }

    /// Forgets everything but what was learned of the server itself: a step that is retried begins as if for the first
    /// time.
    pub(crate) fn forget(&mut self) {
        let seen_sessions = std::mem::take(&mut self.seen_sessions);
        *self = Self { extra: std::mem::take(&mut self.extra), seen_sessions, ..Self::default() };
    }

    /// Keeps what was counted of services that may be waited for by time.
    pub(crate) fn note_sessions(&mut self, plan: &Plan, seen: &ServerObservation) {
        let timed = |name: &&ServiceName| plan.change().maintenance.unmeasured.contains_key(*name);
        for name in seen.sessions.keys().filter(timed) {
            if let Some(left) = seen.sessions[name].most_read().filter(|left| *left > 0) {
                self.seen_sessions.insert(name.clone(), left);
            }
        }
    }

    /// Returns whether the next look is one at the whole pool, for the safety questions.
    pub(crate) fn is_guarding(&self, kind: StepKind) -> bool {
        match kind {
            StepKind::Guard => true,
            StepKind::BalancerOut | StepKind::Block => !self.guarded,
            StepKind::Stop => !self.guarded_stop,
            StepKind::Record
            | StepKind::Drain
            | StepKind::Patch
            | StepKind::Restart
            | StepKind::Verify
            | StepKind::Return
            | StepKind::BalancerIn
            | StepKind::Gate
            | StepKind::Soak
            | StepKind::Database => false,
        }
    }
}

/// What comes next for a server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Judgement {
    /// The step is over.
    Done(StepEnd, String),
    /// The rest of the server's steps is needless.
    NothingToDo(String),
    /// These acts, one after the other; then look again.
    Act(Vec<Act>),
    /// Look again at once, at more than before.
    LookAgain,
    /// Look again later.
    Wait(Wait, SignedDuration),
    /// Steps that were done have to be done again.
    Reopen(Vec<StepKind>, String),
    /// Bring the server back as it was.
    TurnBack(Why),
    /// Wait for the operator.
    Hold(HoldCause, String, Vec<HoldChoice>),
}

/// A judgement, and what is written down before it is followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ruling {
    pub(crate) records: Vec<Record>,
    pub(crate) next: Judgement,
}

impl From<Judgement> for Ruling {
    fn from(next: Judgement) -> Self {
        Self { records: Vec::new(), next }
    }
}

/// All that a step is judged by.
pub(crate) struct Case<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) step: StepId,
    pub(crate) kind: StepKind,
    /// When the step began.
    pub(crate) since: Timestamp,
    pub(crate) seen: &'a PoolObservation,
    /// The server itself.
    pub(crate) own: &'a ServerObservation,
    pub(crate) now: Timestamp,
}

impl Case<'_> {
    /// Says what is waited for. The limit counts from the begin of the step.
    pub(crate) fn wait(&self, what: &str, why: String, limit: Option<(SignedDuration, &str)>) -> Wait {
        Wait {
            what: what.to_owned(),
            why,
            since: self.since,
            until: limit.map(|(limit, _)| self.subject.state.deadline(self.since, limit)),
            then: limit.map_or_else(
                || "nothing: until it is so, or the run is stopped".to_owned(),
                |(_, then)| then.to_owned(),
            ),
        }
    }

    /// Says what is waited for because of something that was asked for then.
    pub(crate) fn wait_from(
        &self,
        from: Timestamp,
        (what, why): (&str, String),
        limit: (SignedDuration, &str),
    ) -> Wait {
        let until = self.subject.state.deadline(from, limit.0);
        Wait { since: from, until: Some(until), ..self.wait(what, why, Some(limit)) }
    }

    /// Returns how long the step has been in hand, as far as that was lived through.
    pub(crate) fn elapsed(&self) -> SignedDuration {
        self.lived(self.since)
    }

    /// Returns how much of the time since then was lived through.
    pub(crate) fn lived(&self, from: Timestamp) -> SignedDuration {
        self.subject.state.lived(from, self.now)
    }

    /// Whether so much time was lived through since then.
    pub(crate) fn is_over(&self, from: Timestamp, limit: SignedDuration) -> bool {
        self.now >= self.subject.state.deadline(from, limit)
    }

    /// Whether the step has been in hand for so long.
    pub(crate) fn is_late(&self, limit: SignedDuration) -> bool {
        self.is_over(self.since, limit)
    }

    /// How long an act of the step that is refused for a time is asked for, from the begin of the step.
    pub(crate) fn patience(&self) -> SignedDuration {
        match self.kind {
            StepKind::Guard
            | StepKind::Record
            | StepKind::Block
            | StepKind::Gate
            | StepKind::Soak
            | StepKind::Database => BLOCK_DEADLINE,
            StepKind::Verify => VERIFY_DEADLINE,
            StepKind::Drain => limits::drain(self.subject.plan.change(), &self.subject.work.block),
            StepKind::BalancerOut => BALANCER_DEADLINE,
            StepKind::BalancerIn => BALANCER_BACK,
            StepKind::Stop => STOP_DEADLINE,
            StepKind::Patch => INSTALLER_BUSY,
            StepKind::Restart => RESTART_SHOWS,
            StepKind::Return => RETURN_DEADLINE,
        }
    }

    /// Returns from when on the step counts what it asks for. A step that asks the safety questions first may have waited
    /// for its pool for hours before: it counts from its first act on.
    pub(crate) fn begin_of_acts(&self, scratch: &Scratch) -> Timestamp {
        let guarded = matches!(self.kind, StepKind::BalancerOut | StepKind::Block);
        scratch.acts_since.filter(|_| guarded).unwrap_or(self.since)
    }

    /// Whether the step may have been in hand for long when it first wants an act: then an act that is refused is asked
    /// for from its own beginning.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self.kind, StepKind::Patch | StepKind::Restart)
    }

    /// Returns the state of a service, or why it is not known. A service that is not installed is unknown here.
    pub(crate) fn state(&self, service: &ServiceName) -> Result<ServiceRunState, String> {
        let services = self.own.services.as_result().map_err(str::to_owned)?;
        match services.get(service) {
            Some(status) => status.state.as_result().copied().map_err(|why| format!("{service}: {why}")),
            None => Err(format!("{service} was recorded and is not installed any more")),
        }
    }

    /// The same as [`Case::wait`], with an end that is counted from now.
    pub(crate) fn wait_on(&self, what: &str, why: String, (rest, then): (SignedDuration, &str)) -> Wait {
        Wait { until: Some(after(self.now, rest)), ..self.wait(what, why, Some((rest, then))) }
    }

    /// Whether the server itself says that the installer that was asked for was never started.
    pub(crate) fn is_proven_unstarted(&self) -> bool {
        let own = self.subject.own;
        self.own.installer == Answer::Known(InstallerState::NotStarted)
            && own.installer.is_none()
            && own.tokens.len() <= own.gave_up_busy + 1
            && !self.subject.has_installed()
    }

    /// Whether the run stops: then no installer and no restart is asked for that was not asked for before.
    pub(crate) fn is_stopping(&self) -> bool {
        !matches!(self.subject.state.stop, None | Some(StopWhy::Window(_)))
    }

    /// Has the server go back because the run stops.
    pub(crate) fn stopped(&self) -> Judgement {
        let why = self.subject.state.stop.as_ref().map_or("it was asked to", StopWhy::text);
        Judgement::TurnBack(Why { kind: WhyKind::Operator, text: format!("the run stops: {why}") })
    }

    /// Gives up by the rule of the design: before the patch the server goes back, afterwards it is held.
    pub(crate) fn give_up(&self, why: String) -> Judgement {
        self.give_up_for(HoldCause::StepFailed, why)
    }

    /// Whether the server would stay out of service if the step were given up. On its way back it would: to turn it back there
    /// would be to begin the same step again.
    fn stays_out(&self) -> bool {
        let patching = self.subject.is_patching() && !self.is_proven_unstarted();
        let way_back = matches!(self.kind, StepKind::Return | StepKind::BalancerIn);
        patching || way_back || self.subject.own.back.is_some()
    }

    /// What comes when the step is given up, in words.
    pub(crate) fn given_up(&self) -> &'static str {
        if self.stays_out() { "the server is held" } else { "the server goes back" }
    }

    fn give_up_for(&self, cause: HoldCause, why: String) -> Judgement {
        if self.stays_out() {
            Judgement::Hold(cause, why, self.choices())
        } else {
            Judgement::TurnBack(Why { kind: WhyKind::Failed, text: why })
        }
    }

    /// Waits for an answer a few times, then gives up; where the server would stay out of service, for as long as an act of the
    /// step is asked for that is refused for a time. Unknown never lets a step go on (promise P3).
    pub(crate) fn unknown(&self, scratch: &mut Scratch, why: &str) -> Judgement {
        if self.kind == StepKind::BalancerIn && !self.is_late(BALANCER_BACK) {
            return self.wait_for_balancer("an answer of the balancer", why);
        }
        scratch.unknown_looks += 1;
        let out = self.stays_out();
        if scratch.unknown_looks >= UNKNOWN_LOOKS && (!out || self.is_late(self.patience())) {
            let why = format!(
                "{}: not known after {} looks in the {} step: {why}",
                self.subject.work.server,
                scratch.unknown_looks,
                self.kind.word()
            );
            return self.give_up_for(HoldCause::NoAnswer, why);
        }
        if out {
            let limit = Some((self.patience(), "the server is held"));
            let pace = if scratch.unknown_looks < UNKNOWN_LOOKS { UNKNOWN_LOOK } else { SLOW_LOOK };
            return Judgement::Wait(self.wait("an answer of the server", why.to_owned(), limit), pace);
        }
        let then = self.given_up();
        let rest = UNKNOWN_LOOK * i32::try_from(UNKNOWN_LOOKS - scratch.unknown_looks).unwrap_or(i32::MAX);
        let wait = self.wait_on("an answer of the server", why.to_owned(), (rest, then));
        Judgement::Wait(wait, UNKNOWN_LOOK)
    }

    /// Waits for a balancer on the way back: a server that is good again is not left out for one that is away for minutes.
    pub(crate) fn wait_for_balancer(&self, what: &str, why: &str) -> Judgement {
        let limit = Some((BALANCER_BACK, "the server is held"));
        Judgement::Wait(self.wait(what, why.to_owned(), limit), UNKNOWN_LOOK)
    }

    /// Returns what an operator can choose when the step is held.
    pub(crate) fn choices(&self) -> Vec<HoldChoice> {
        let going_back = self.subject.own.back.is_some();
        let kind = self.kind;
        let skippable = match kind {
            // Taking a found state as true, confirming work done by hand, and going on after an unclear installer are the
            // operator's to decide. Sessions, services and the proof of return are not (promises P4, P5, P8).
            StepKind::Record
            | StepKind::BalancerOut
            | StepKind::BalancerIn
            | StepKind::Patch
            | StepKind::Restart
            | StepKind::Verify
            | StepKind::Soak => true,
            StepKind::Guard
            | StepKind::Block
            | StepKind::Drain
            | StepKind::Stop
            | StepKind::Return
            | StepKind::Gate
            | StepKind::Database => false,
        };
        let mut choices = vec![HoldChoice::Retry];
        if skippable {
            choices.push(HoldChoice::Skip);
        }
        if !going_back && !matches!(kind, StepKind::Return | StepKind::BalancerIn | StepKind::Gate | StepKind::Soak) {
            choices.push(HoldChoice::Return);
        }
        choices.push(HoldChoice::Abandon);
        choices.push(HoldChoice::Stop);
        choices
    }
}

/// Whether it is asked what is installed on a server that was changed and not patched yet: always before the installer, and
/// once in earlier steps after the run was taken up or its machine stood still. Another control host, or a person, may have
/// had the server meanwhile.
pub(crate) fn asks_versions(subject: &Subject<'_>, kind: StepKind, scratch: &Scratch) -> bool {
    let own = subject.own;
    let unpatched = own.touched && own.back.is_none() && own.snapshot.is_some() && !own.patch_started();
    let asks = match kind {
        StepKind::Patch => true,
        StepKind::BalancerOut | StepKind::Block | StepKind::Drain | StepKind::Stop => !scratch.versions_seen,
        StepKind::Guard
        | StepKind::Record
        | StepKind::Restart
        | StepKind::Verify
        | StepKind::Return
        | StepKind::BalancerIn
        | StepKind::Gate
        | StepKind::Soak
        | StepKind::Database => false,
    };
    asks && unpatched && subject.plan.change().maintenance.installs()
}

/// Has a server go back on which another hand has installed something since it was recorded: what is to be done to it is
/// asked anew, and its installer is not run a second time.
fn installed_by_another(case: &Case<'_>, scratch: &mut Scratch) -> Option<Judgement> {
    if !asks_versions(&case.subject, case.kind, scratch) {
        return None;
    }
    let before = &case.subject.own.snapshot.as_ref()?.versions;
    let server = &case.subject.work.server;
    match &case.own.versions {
        Answer::Known(now) if now == before => scratch.versions_seen = true,
        Answer::Known(now) => {
            let what = difference(before, now);
            let text = format!(
                "{server}: another hand has installed something since it was recorded: {what}. What is to be done to it is \
                 asked anew"
            );
            return Some(Judgement::TurnBack(Why { kind: WhyKind::Changed, text }));
        }
        // A server that this run has asked to restart does not answer meanwhile; that is waited for first.
        Answer::Unknown(_) if case.own.host.known().is_none() && case.subject.own.awaits_restart() => {}
        // It was seen a moment ago, or is asked for again before the installer.
        Answer::Unknown(_) if scratch.versions_seen || case.kind != StepKind::Patch => {}
        Answer::Unknown(why) => return Some(case.unknown(scratch, &format!("what is installed: {why}"))),
    }
    None
}

/// Returns the first component that differs, and how many more do.
fn difference(before: &[ComponentVersion], now: &[ComponentVersion]) -> String {
    let of = |list: &[ComponentVersion], name: &str| {
        list.iter().find(|one| one.component == name).map_or_else(|| "none".to_owned(), |one| one.version.to_string())
    };
    let mut names: Vec<&str> = before.iter().chain(now).map(|one| one.component.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| of(before, name) != of(now, name));
    let first = names.first().map_or_else(
        || "its components".to_owned(),
        |name| format!("{name} {} -> {}", of(before, name), of(now, name)),
    );
    match names.len().saturating_sub(1) {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

fn judge_step(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    match case.kind {
        StepKind::Guard => guard::judge(case, scratch),
        StepKind::Record => snapshot::judge(case, scratch),
        StepKind::BalancerOut => balancer::out(case, scratch),
        StepKind::Block => block::judge(case, scratch),
        StepKind::Drain => drain::judge(case, scratch),
        StepKind::Stop => block::stop(case, scratch),
        StepKind::Patch => patch::judge(case, scratch),
        StepKind::Restart => restart::judge(case, scratch),
        StepKind::Verify => patch::verify(case, scratch),
        StepKind::Return => back::judge(case, scratch),
        StepKind::BalancerIn => balancer::back(case, scratch).into(),
        StepKind::Gate => gate::judge(case, scratch),
        StepKind::Soak => gate::soak(case, scratch),
        // Work on databases is a person's; the engine ends the step without looking.
        StepKind::Database => Judgement::Done(StepEnd::Skipped, "left to a person".to_owned()).into(),
    }
}

/// Judges the step in hand.
pub(crate) fn judge(case: &Case<'_>, scratch: &mut Scratch) -> Ruling {
    scratch.note_sessions(case.subject.plan, case.own);
    let mut ruling = match installed_by_another(case, scratch) {
        Some(next) => next.into(),
        None => judge_step(case, scratch),
    };
    // The way back has followed up its acts already: none of them waits for another.
    if case.kind != StepKind::Return
        && let Judgement::Act(acts) = ruling.next
    {
        ruling.next = tries::follow_up(case, scratch, acts);
    }
    scratch.wait = match &ruling.next {
        Judgement::Wait(wait, _) => Some(wait.clone()),
        // What is refused again and again is waited for, although there is always something to be asked for.
        Judgement::Act(acts) if case.kind == StepKind::Return => scratch.tries.waited_for(case, acts),
        Judgement::Act(_)
        | Judgement::Done(..)
        | Judgement::NothingToDo(_)
        | Judgement::LookAgain
        | Judgement::Reopen(..)
        | Judgement::TurnBack(_)
        | Judgement::Hold(..) => None,
    };
    ruling
}
