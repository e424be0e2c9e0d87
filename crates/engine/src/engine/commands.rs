//! What is said to a run from outside: by operators, and by a clock that was set.

use super::{Command, Decision, Engine, Position};
use crate::record::{GapKind, Record, RunOutcome, StopWhy, Why, WhyKind};
use crate::state::{Hold, work_id};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::ServerName;

impl Engine {
    pub(super) fn command(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Stop { by } => self.stop_because(format!("{by} asked"), now),
            Command::Signalled { by, signal } => self.stop_because(signal.told(&by), now),
            Command::Told { text } => self.record(now, Record::Note { work: None, text }),
            Command::StopForRoom { why } => {
                if matches!(self.state.stop, None | Some(StopWhy::Window(_))) {
                    self.record(now, Record::StopRequested { why: StopWhy::Storage(why) });
                }
                self.wake_all();
            }
            Command::StopNow { by } => {
                self.record(now, Record::StopRequested { why: StopWhy::OperatorNow(format!("{by} asked twice")) });
                self.end_unchanged(now);
                self.end(now, RunOutcome::Interrupted);
            }
            Command::Hold { server, by } => {
                for position in 0..self.state.work.len() {
                    if server.as_ref().is_none_or(|name| self.plan.work()[position].server == *name) {
                        self.ask_to_hold(position, &by, now);
                    }
                }
            }
            Command::Decide { server, choice, since, by, terms } => {
                self.decided((server, since), (choice, by, terms), now);
            }
        }
    }

    /// Ends the work on servers that nothing was done to: whoever works on the pool next need not wait for their leases.
    fn end_unchanged(&mut self, now: Timestamp) {
        for position in 0..self.state.work.len() {
            let work = &self.state.work[position];
            if !work.is_active() || work.is_changed() {
                continue;
            }
            let why = Why { kind: WhyKind::Operator, text: "the run was stopped at once".to_owned() };
            self.turn_back(work_id(position), why, now);
        }
    }

    /// Takes a decision about a held server, or says why it is none.
    fn decided(&mut self, (server, since): (ServerName, Option<Timestamp>), decision: Decision, now: Timestamp) {
        let Some(position) = self.plan.work().iter().position(|work| work.server == server) else { return };
        let (choice, by, terms) = &decision;
        // A choice is an answer to a hold that somebody has read, never to the next one.
        let held = self.state.work[position].held.as_ref();
        let read = |hold: &&Hold| since.is_none_or(|since| since == hold.since);
        let offered = held.filter(read).is_some_and(|hold| hold.choices.contains(choice));
        let text = match self.unfit(position, *choice, terms).filter(|_| offered) {
            None if offered => {
                self.decisions.insert(work_id(position), decision);
                self.wake(position);
                return;
            }
            None => format!("{by} chose {} for {server}, which is no choice it has now: ignored", choice.word()),
            Some(why) => format!("{by} chose {} for {server}: {why}. Nothing was changed", choice.word()),
        };
        self.record(now, Record::Note { work: Some(work_id(position)), text });
    }

    /// Has the run finish or undo what is in hand, and stop.
    fn stop_because(&mut self, why: String, now: Timestamp) {
        // The end of a window only keeps servers from being begun; this also brings back what is in hand.
        if matches!(self.state.stop, None | Some(StopWhy::Window(_))) {
            self.record(now, Record::StopRequested { why: StopWhy::Operator(why) });
        } else {
            let text = format!(
                "{why}, and the run is stopping already: what is in hand is finished or undone first; a second Ctrl-C ends it \
                 at once and leaves that as it is"
            );
            self.record(now, Record::Note { work: None, text });
        }
        self.wake_all();
    }

    /// Has a server in work held at its next step; says so when it cannot be.
    fn ask_to_hold(&mut self, position: usize, by: &str, now: Timestamp) {
        let work = &self.state.work[position];
        if !work.is_active() || work.held.is_some() {
            return;
        }
        if work.back.is_some() {
            let server = &self.plan.work()[position].server;
            let text =
                format!("{by} asked to hold {server}, which is going back into service: it is not held on its way");
            self.record(now, Record::Note { work: Some(work_id(position)), text });
            return;
        }
        self.to_hold.insert(work_id(position), by.to_owned());
        // Others go on waiting: what they wait for is counted.
        self.wake(position);
    }

    /// Lets a sleeping server notice what was said. A look at a held server is no reason to wait for its answer.
    pub(super) fn wake(&mut self, position: usize) {
        let held = self.state.work[position].held.is_some();
        let looking = matches!(self.positions[position], Position::Looking { .. });
        if matches!(self.positions[position], Position::Sleeping(_)) || (held && looking) {
            self.positions[position] = Position::Idle;
        }
    }

    /// Writes down that this machine was not itself for a while, and has everything looked at anew: what is on its way
    /// was asked for before, quiet periods were not watched, and evidence has grown old.
    pub(super) fn gap(&mut self, gap: GapKind, by: SignedDuration, now: Timestamp) {
        if self.state.header.is_none() {
            return;
        }
        self.record(now, Record::Gap { gap, by });
        for position in 0..self.state.work.len() {
            let active = self.state.work[position].is_active() && self.state.work[position].held.is_none();
            let step = self.step_in_hand(position).filter(|_| active);
            self.scratch[position].forget();
            self.scratch[position].step = step;
            if matches!(self.positions[position], Position::Looking { .. }) {
                self.positions[position] = Position::Idle;
            }
        }
        self.wake_watches();
        self.wake_all();
    }

    /// Lets sleeping servers notice what was said.
    pub(super) fn wake_all(&mut self) {
        for position in 0..self.positions.len() {
            self.wake(position);
        }
    }
}
