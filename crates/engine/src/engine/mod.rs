//! The one transition function: an input and the time in, effects out.
//!
//! Each server of the run is in one of a few positions: it waits for its turn, for a look, for an act, for a moment, or
//! for the operator. The function is total: an input that does not fit the position of anything is ignored, because
//! answers may come late or twice.

mod acts;
mod commands;
mod ends;
mod holds;
mod kept_out;
mod messages;
#[cfg(test)]
mod tests;
mod turns;
mod watch;

pub use messages::{Command, Effect, Input, Signal, Start, Ticket};

use self::acts::Asked;
use crate::calendar::Hours;
use crate::constants::{ANSWER_LIMIT, CLOCK_SLACK, IN_FLIGHT, LOOK_LIFETIME, POOL_WAIT, REOPENINGS};
use crate::look::{Look, Subject};
use crate::record::{GapKind, IntentId, Record, ServerEnd, Why, WhyKind};
use crate::state::{Illegal, Mark, RunState, StepState, work_id};
use crate::steps::{Case, Judgement, Ruling, Scratch, all_run, judge};
use crate::view::Wait;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::Act;
use orchestrate_model::hold::{HoldChoice, Terms};
use orchestrate_model::time::after;
use orchestrate_model::{ActOutcome, Answer, Lease, PoolObservation, ServerName, ServerObservation};
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::{Plan, StepId, StepKind};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a server waits for.
#[derive(Debug, Clone, PartialEq)]
enum Position {
    Idle,
    /// A look was asked for at this time; what was seen earlier is no answer to it.
    Looking {
        ticket: Ticket,
        asked: Timestamp,
    },
    Sleeping(Ticket),
    /// Something may still be on its way to the server: nothing else is done before that is over.
    Settling(Ticket),
    /// Acts were intended at this time, by a look that was asked for earlier.
    Acting {
        asked: Asked,
        queue: VecDeque<Act>,
        since: Timestamp,
        seen: Timestamp,
    },
}

/// What was decided about a hold: the choice, by whom, and what was said besides.
type Decision = (HoldChoice, String, Terms);

/// A run in progress.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) plan: Arc<Plan>,
    pub(crate) state: RunState,
    pub(crate) scratch: Vec<Scratch>,
    positions: Vec<Position>,
    /// The steps of each server in their order.
    pub(crate) chains: Vec<Vec<StepId>>,
    /// The servers of each pool, by position: asked for at every input, and hundreds of pools have hundreds of servers.
    of_pools: Vec<Vec<usize>>,
    /// What each step waits for.
    needs: Vec<Vec<StepId>>,
    /// Decisions about holds.
    decisions: BTreeMap<WorkId, Decision>,
    /// The watch over each pool of the change.
    watches: Vec<watch::Watch>,
    /// What servers have said in looks at their pools, for looks at other pools of one budget.
    heard: BTreeMap<ServerName, ServerObservation>,
    /// Whether each server was seen to be blocked when its step last looked. `false`: not since the tool started, or it
    /// serves.
    seen_blocked: Vec<bool>,
    /// Whether each server took several acts at once when its step last looked.
    takes_several: Vec<bool>,
    /// Servers to be held when their act is over, and who asked.
    to_hold: BTreeMap<WorkId, String>,
    pub(crate) hours: Hours,
    next_ticket: u64,
    broken: bool,
    effects: Vec<Effect>,
}

impl Engine {
    /// Returns a run of `plan` before its first record.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let mut chains = vec![Vec::new(); plan.work().len()];
        for step in plan.steps() {
            if let StepTarget::Server(work) = step.target {
                chains[work.0 as usize].push(step.id);
            }
        }
        let mut of_pools = vec![Vec::new(); plan.change().pools.len()];
        for (position, work) in plan.work().iter().enumerate() {
            of_pools[work.pool as usize].push(position);
        }
        let mut needs = vec![Vec::new(); plan.steps().len()];
        for edge in plan.edges() {
            needs[edge.after.0 as usize].push(edge.before);
        }
        Self {
            state: RunState::new(&plan),
            scratch: vec![Scratch::default(); plan.work().len()],
            positions: vec![Position::Idle; plan.work().len()],
            chains,
            of_pools,
            needs,
            decisions: BTreeMap::new(),
            watches: vec![watch::Watch::default(); plan.change().pools.len()],
            heard: BTreeMap::new(),
            seen_blocked: vec![false; plan.work().len()],
            takes_several: vec![false; plan.work().len()],
            to_hold: BTreeMap::new(),
            hours: Hours::of(plan.change()),
            next_ticket: 1,
            broken: false,
            effects: Vec::new(),
            plan,
        }
    }

    /// Applies a record of an earlier start of the run.
    ///
    /// # Errors
    /// When the record does not fit: the journal is corrupt.
    pub fn replay(&mut self, at: Timestamp, record: &Record) -> Result<(), Illegal> {
        self.state.apply(&self.plan, at, record)
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Returns the plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes an input and returns what is to be done, in order.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        let over = self.broken || (self.state.ended.is_some() && !matches!(input, Input::Begin(_)));
        if over {
            return Vec::new();
        }
        self.hours.look_up(now);
        match input {
            Input::Begin(start) => self.begin(start, now),
            Input::Seen { ticket, seen } => self.seen(ticket, seen, now),
            Input::Acted { intent, outcome } => self.acted(intent, outcome, now),
            Input::Woke { ticket } => self.woke(ticket),
            Input::TakenOver { server, from } => self.taken_over(&server, from, now),
            Input::Operator(command) => self.command(command, now),
            Input::ClockMoved { by } if by.is_negative() => self.gap(GapKind::ClockBack, by, now),
            Input::ClockMoved { by } => self.gap(GapKind::ClockAhead, by, now),
            Input::StoodStill { by } => self.gap(GapKind::StoodStill, by, now),
        }
        self.advance(now);
        std::mem::take(&mut self.effects)
    }

    fn begin(&mut self, start: Start, now: Timestamp) {
        match start {
            Start::New(header) => self.record(now, Record::RunStarted(header)),
            Start::Resume { by, attended } => self.take_up(now, Record::Resumed { by, recover: false, attended }),
            Start::Recover { by, attended } => {
                self.take_up(now, Record::Resumed { by, recover: true, attended });
                let why = Why { kind: WhyKind::Operator, text: "recover: everything goes back as recorded".to_owned() };
                for position in 0..self.state.work.len() {
                    let work = &self.state.work[position];
                    // Nothing is begun that was not: a server that was only looked at is left as it is.
                    if work.end.is_none() && (work.is_changed() || work.is_active()) {
                        self.turn_back(work_id(position), why.clone(), now);
                    }
                }
            }
        }
    }

    fn take_up(&mut self, now: Timestamp, resumed: Record) {
        let last = self.state.last;
        self.record(now, resumed);
        // What was written down last lies ahead: the clock was set back by as much at least.
        if let Some(back) = last.map(|last| now.duration_since(last)).filter(|by| *by < -CLOCK_SLACK) {
            self.record(now, Record::Gap { gap: GapKind::ClockBack, by: back });
        }
        let open: Vec<IntentId> = self.state.open.keys().copied().collect();
        for intent in open {
            let position = self.state.open.get(&intent).map(|intent| intent.work.0 as usize);
            let outcome = ActOutcome::Unknown("orchestrate stopped before the answer came".to_owned());
            self.record(now, Record::Outcome { intent, outcome });
            if let Some(position) = position {
                self.settle(position, now);
            }
        }
    }

    /// Leaves a server alone until an act that nobody knows of has either come about or never will.
    fn settle(&mut self, position: usize, now: Timestamp) {
        let ticket = self.ticket();
        self.positions[position] = Position::Settling(ticket);
        self.scratch[position].wait = Some(Wait {
            what: "the last act to come about".to_owned(),
            why: "whether it reached the server is not known".to_owned(),
            since: now,
            until: Some(after(now, IN_FLIGHT)),
            then: "the server is looked at".to_owned(),
        });
        self.effects.push(Effect::Wake { ticket, at: after(now, IN_FLIGHT) });
    }

    /// Applies a record and hands it out to be written down.
    fn record(&mut self, now: Timestamp, record: Record) {
        if self.broken {
            return;
        }
        match self.state.apply(&self.plan, now, &record) {
            Ok(()) => {
                let effect =
                    if let Record::Intent(intent) = record { Effect::Act(intent) } else { Effect::Record(record) };
                self.effects.push(effect);
            }
            Err(illegal) => {
                self.broken = true;
                self.effects.push(Effect::Broken(illegal.to_string()));
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn waiting_for(&self, ticket: Ticket) -> Option<usize> {
        self.positions.iter().position(|position| match position {
            Position::Looking { ticket: waited, .. } | Position::Sleeping(waited) | Position::Settling(waited) => {
                *waited == ticket
            }
            Position::Idle | Position::Acting { .. } => false,
        })
    }

    /// Writes down whose lease was taken over.
    fn taken_over(&mut self, server: &ServerName, from: Lease, now: Timestamp) {
        if let Some(position) = self.plan.work().iter().position(|work| work.server == *server) {
            self.record(now, Record::TakenOver { work: work_id(position), from });
        }
    }

    fn woke(&mut self, ticket: Ticket) {
        if self.watch_woke(ticket) {
            return;
        }
        if let Some(position) = self.waiting_for(ticket) {
            self.positions[position] = Position::Idle;
        }
    }

    /// Returns what a server waits for: an act that is being performed, what its step waits for, or an answer.
    pub(crate) fn wait_of(&self, position: usize) -> Option<Wait> {
        if let Position::Acting { asked, since, .. } = &self.positions[position] {
            return Some(self.wait_for_acts(asked, *since));
        }
        if let Some(wait) = &self.scratch[position].wait {
            return Some(wait.clone());
        }
        match &self.positions[position] {
            Position::Looking { asked, .. } => Some(Wait {
                what: format!("the servers to say how they are, each within {ANSWER_LIMIT:#} of its turn to be asked"),
                why: "they were asked and have not all answered yet".to_owned(),
                since: *asked,
                until: None,
                then: "what has not come counts as unknown".to_owned(),
            }),
            Position::Idle | Position::Sleeping(_) | Position::Settling(_) | Position::Acting { .. } => None,
        }
    }

    /// Moves everything on that can be moved.
    fn advance(&mut self, now: Timestamp) {
        for position in 0..self.state.work.len() {
            self.move_on(position, now);
        }
        self.check_stop_conditions(now);
        self.start_work(now);
        self.database_steps(now);
        self.watch_pools(now);
        // Both are looked at at about one time.
        if self.is_over() && !(self.sweep_next(now) | self.see_pools(now)) {
            let outcome = self.outcome();
            self.end(now, outcome);
        }
    }

    pub(crate) fn subject(&self, position: usize) -> Subject<'_> {
        Subject::new(&self.plan, &self.state, work_id(position))
    }

    /// Returns the step that a server has in hand.
    pub(crate) fn step_in_hand(&self, position: usize) -> Option<StepId> {
        self.state.step_in_hand(&self.plan, position, &self.chains[position])
    }

    /// Moves one idle server on: to its next look, or to its end.
    fn move_on(&mut self, position: usize, now: Timestamp) {
        while self.state.work[position].is_active() && self.positions[position] == Position::Idle && !self.broken {
            if self.give_back(position, now) {
                continue;
            }
            if self.state.work[position].held.is_some() {
                if !self.resolve_hold(position, now) {
                    self.watch_hold(position, now);
                    return;
                }
                continue;
            }
            if self.interrupt(position, now) {
                continue;
            }
            let Some(step) = self.step_in_hand(position) else {
                let back = self.state.work[position].back.clone();
                if back.as_ref().is_some_and(|why| self.put_off(position, why, now)) {
                    return;
                }
                let end = match back {
                    None => {
                        let passed_over = self.state.work[position].passed_over.clone();
                        passed_over.map_or(ServerEnd::Finished, |why| ServerEnd::Returned { why })
                    }
                    Some(_) if self.state.work[position].has(Mark::Finished) => ServerEnd::Finished,
                    Some(why) => ServerEnd::Returned { why },
                };
                self.record(now, Record::ServerEnded { work: work_id(position), end });
                return;
            };
            // When steps before it had to be done once more it has its full time again. A step that was in hand when the
            // run was taken up goes on from its begin.
            let again = self.scratch[position].step.is_some_and(|other| other != step);
            self.scratch[position].enter(step);
            if again || self.state.steps[step.0 as usize] == StepState::Pending {
                self.scratch[position].try_anew();
                self.record(now, Record::StepStarted { step });
            }
            self.look(position, step, now);
        }
    }

    fn look(&mut self, position: usize, step: StepId, now: Timestamp) {
        let kind = self.plan.steps()[step.0 as usize].kind;
        let look = Look::for_step(&self.subject(position), kind, &self.scratch[position]);
        let ticket = self.ticket();
        self.positions[position] = Position::Looking { ticket, asked: now };
        self.effects.push(Effect::Look { ticket, look });
    }

    fn seen(&mut self, ticket: Ticket, mut seen: Box<PoolObservation>, now: Timestamp) {
        if self.watch_saw(ticket, &mut seen, now) {
            return;
        }
        let Some(position) = self.waiting_for(ticket) else { return };
        let Position::Looking { asked, .. } = std::mem::replace(&mut self.positions[position], Position::Idle) else {
            return;
        };
        self.forget_old(position, &mut seen, (asked, now));
        let seen = &*seen;
        if !self.state.work[position].is_active() {
            self.swept(position, seen, now);
            return;
        }
        if self.state.work[position].held.is_some() {
            self.seen_while_held(position, seen, now);
            return;
        }
        // A stop, a hold, an alarm or the end of a window may have come while the look was on its way: nothing follows from
        // it then.
        if self.give_back(position, now) || self.interrupt(position, now) {
            return;
        }
        let Some(step) = self.step_in_hand(position) else { return };
        let own = seen.servers.get(&self.plan.work()[position].server);
        self.takes_several[position] = own.is_some_and(|own| own.together);
        let ruling = self.ruling(position, step, seen, now);
        for record in ruling.records {
            self.record(now, record);
        }
        if let Judgement::Act(acts) = ruling.next {
            self.act(position, step, acts.into(), (asked, now));
            return;
        }
        self.follow(position, step, ruling.next, now);
    }

    /// Makes unknown what was seen before it was asked for, or too long ago (promise P3). Looks at the whole pool are
    /// judged by the safety questions, which have a stricter rule of their own.
    fn forget_old(&self, position: usize, seen: &mut PoolObservation, (asked, now): (Timestamp, Timestamp)) {
        let scratch = &self.scratch[position];
        let guarding = self
            .step_in_hand(position)
            .is_some_and(|step| scratch.is_guarding(self.plan.steps()[step.0 as usize].kind));
        if self.state.work[position].is_active() && guarding {
            return;
        }
        forget_old_parts(seen, (asked, now));
    }

    /// Judges the step in hand by what was seen.
    fn ruling(&mut self, position: usize, step: StepId, seen: &PoolObservation, now: Timestamp) -> Ruling {
        let mut scratch = std::mem::take(&mut self.scratch[position]);
        let subject = self.subject(position);
        let missing;
        let own = match seen.servers.get(&subject.work.server) {
            Some(own) => own,
            None => {
                missing = ServerObservation::unknown(subject.work.server.clone(), now, "the server was not looked at");
                &missing
            }
        };
        let since = match &self.state.steps[step.0 as usize] {
            StepState::Running { since } => *since,
            StepState::Pending | StepState::Ended { .. } => now,
        };
        let kind = self.plan.steps()[step.0 as usize].kind;
        let case = Case { subject, step, kind, since, seen, own, now };
        let unknown_looks = scratch.unknown_looks;
        let blocked = case.own.services.known().map(|_| !all_run(&case));
        let mut ruling = judge(&case, &mut scratch);
        if scratch.unknown_looks == unknown_looks {
            // An answer came: only looks without one in a row count.
            scratch.unknown_looks = 0;
        }
        if let Judgement::Reopen(kinds, why) = &ruling.next {
            // A server that begins again was not changed: for how long it does so is what counts.
            let begins = kinds.contains(&StepKind::Guard);
            let server = &subject.work.server;
            let too_often = if begins {
                let since = subject.own.started.filter(|since| now.duration_since(*since) > POOL_WAIT);
                since.map(|_| format!("{server}: it was begun again and again for {POOL_WAIT:#}: {why}"))
            } else {
                let times = (subject.own.reopened >= REOPENINGS).then_some(REOPENINGS);
                times.map(|times| format!("{server}: its steps were done again {times} times: {why}"))
            };
            if let Some(why) = too_often {
                ruling.next = case.give_up(why);
            }
        }
        self.scratch[position] = scratch;
        self.bound_by_window(position, now);
        self.seen_blocked[position] = blocked.unwrap_or(self.seen_blocked[position]);
        ruling
    }

    fn follow(&mut self, position: usize, step: StepId, next: Judgement, now: Timestamp) {
        let id = work_id(position);
        match next {
            Judgement::Done(how, proof) => self.record(now, Record::StepDone { step, how, proof }),
            Judgement::NothingToDo(why) => {
                self.record(now, Record::ServerEnded { work: id, end: ServerEnd::NothingToDo { why } });
            }
            Judgement::Act(acts) => self.act(position, step, acts.into(), (now, now)),
            Judgement::LookAgain => self.look(position, step, now),
            Judgement::Wait(_, again) => self.sleep(position, again, now),
            Judgement::Reopen(kinds, why) => {
                let steps = self.chains[position]
                    .iter()
                    .copied()
                    .filter(|step| kinds.contains(&self.plan.steps()[step.0 as usize].kind))
                    .collect();
                self.scratch[position].guarded_stop = false;
                if kinds.iter().any(|kind| matches!(kind, StepKind::Guard | StepKind::Block)) {
                    self.scratch[position].guarded = false;
                }
                self.record(now, Record::Reopened { steps, why });
            }
            Judgement::TurnBack(why) => self.turn_back(id, why, now),
            Judgement::Hold(cause, reason, choices) => {
                // A step knows what it can do; the cause, what of that helps.
                let choices = choices.into_iter().filter(|choice| cause.may_offer(*choice)).collect();
                // Held is held: who asked for it need not be served a second time.
                self.to_hold.remove(&id);
                self.record(now, Record::Held { work: id, step, cause, reason, choices });
            }
        }
    }

    fn sleep(&mut self, position: usize, wait: SignedDuration, now: Timestamp) {
        let ticket = self.ticket();
        self.positions[position] = Position::Sleeping(ticket);
        self.effects.push(Effect::Wake { ticket, at: after(now, wait) });
    }
}

/// Makes unknown what was seen before it was asked for, or too long ago.
fn forget_old_parts(seen: &mut PoolObservation, (asked, now): (Timestamp, Timestamp)) {
    let old = |taken: Timestamp| after(taken, CLOCK_SLACK) < asked || now.duration_since(taken) > LOOK_LIFETIME;
    for (name, server) in &mut seen.servers {
        if old(server.taken) {
            let old = now.duration_since(server.taken);
            let why = match SignedDuration::from_secs(old.as_secs()) {
                old if old.is_positive() => format!("its last answer is {old:#} old"),
                _ => "its answer is from before the question".to_owned(),
            };
            *server = ServerObservation::unknown(name.clone(), server.taken, &why);
        }
    }
    if seen.dns.known().is_some_and(|dns| old(dns.taken)) {
        seen.dns = Answer::unknown("the name servers' answer is from too long ago");
    }
    if seen.balancer.known().is_some_and(|balancer| old(balancer.taken)) {
        seen.balancer = Answer::unknown("the balancer's answer is from too long ago");
    }
}
