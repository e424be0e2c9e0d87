//! Whose turn it is: edges, shared budgets, windows and stop conditions decide what is begun next.

use super::Engine;
use crate::record::{Record, ServerEnd, StepEnd, StopWhy, WhyKind};
use crate::state::{Mark, WorkState, work_id};
use jiff::Timestamp;
use orchestrate_planner::StepId;
use orchestrate_planner::plan::{ServerWork, StepTarget};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    pub(super) fn check_stop_conditions(&mut self, now: Timestamp) {
        let stopping = !matches!(self.state.stop, None | Some(StopWhy::Window(_)));
        if stopping || self.state.recover || self.state.header.is_none() {
            return;
        }
        let failed: Vec<(&WorkState, &str)> = self
            .state
            .work
            .iter()
            .zip(self.plan.work())
            .filter(|(work, _)| work.counts_as_failed())
            .map(|(work, planned)| (work, planned.server.as_str()))
            .collect();
        if let Some(text) = self.first_stops() {
            self.record(now, Record::StopRequested { why: StopWhy::Policy(text) });
            for position in 0..self.state.work.len() {
                self.move_on(position, now);
            }
            return;
        }
        let most = self.plan.change().stop_when.failed;
        if failed.len() >= most as usize {
            let elsewhere = self.state.work.iter().filter(|work| work.is_held_elsewhere()).count();
            let failed_here = failed.len().saturating_sub(elsewhere);
            let text = match failed_here {
                0 => {
                    let servers: Vec<&str> = failed.iter().map(|(_, server)| *server).collect();
                    format!("another control host works on the pool of {}", servers.join(", "))
                }
                _ => format!("{}; the plan stops at {most}", told_of(&failed)),
            };
            self.record(now, Record::StopRequested { why: StopWhy::Policy(text) });
            for position in 0..self.state.work.len() {
                self.move_on(position, now);
            }
        }
    }

    /// Says why the run stops behind a server that goes first in its pool: it is not done, whatever number of failures the plan
    /// lets pass, or nobody has said that the others may follow.
    fn first_stops(&self) -> Option<String> {
        let works = self.plan.work().iter().zip(&self.state.work);
        works.filter(|(work, _)| self.plan.pool_of(work).is_first(&work.server)).find_map(|(work, state)| {
            let (server, pool) = (&work.server, self.plan.pool_of(work));
            let failed = match &state.end {
                _ if state.counts_as_failed() => true,
                // What stops the run besides, or ends its window, is no fault of the server.
                Some(ServerEnd::Untouched { why } | ServerEnd::Returned { why }) => {
                    !matches!(why.kind, WhyKind::Window | WhyKind::Operator)
                }
                Some(ServerEnd::Out { .. }) => true,
                Some(ServerEnd::Finished | ServerEnd::NothingToDo { .. } | ServerEnd::LeftOut { .. }) | None => false,
            };
            if failed {
                return Some(format!(
                    "{server} goes first in {}, and is not done: the others do not follow",
                    pool.name
                ));
            }
            let asks = pool.asks_after(server) && state.end == Some(ServerEnd::Finished);
            let answered = state.has(Mark::Followed) || self.state.is_attended();
            (asks && !answered && !self.others_begun(work)).then(|| {
                format!(
                    "{server} goes first in {} and is done; whether the others follow is for a person to say",
                    pool.name
                )
            })
        })
    }

    /// Whether another server of the same pool was begun.
    fn others_begun(&self, first: &ServerWork) -> bool {
        let works = self.plan.work().iter().zip(&self.state.work);
        let mut others = works.filter(|(work, _)| work.pool == first.pool && work.server != first.server);
        others.any(|(_, state)| state.started.is_some())
    }

    /// Begins the work of servers whose turn has come.
    pub(super) fn start_work(&mut self, now: Timestamp) {
        // Who is in hand is counted once for all servers that wait, and again when one more is: a thousand servers that
        // each look at all the others are a million questions at every input.
        let mut in_hand = None;
        for position in 0..self.state.work.len() {
            let work = &self.state.work[position];
            if self.state.stop.is_some() || self.state.recover || self.state.header.is_none() || self.broken {
                return;
            }
            if work.started.is_some() || work.end.is_some() {
                continue;
            }
            if !self.is_free(position, in_hand.get_or_insert_with(|| InHand::of(self))) {
                continue;
            }
            if let Some(why) = self.plan.work()[position].skip.clone() {
                let end = match self.plan.left_out(&self.plan.work()[position]) {
                    Some(_) => ServerEnd::LeftOut { why },
                    None => ServerEnd::NothingToDo { why },
                };
                self.record(now, Record::ServerEnded { work: work_id(position), end });
                continue;
            }
            if let Some(why) = self.does_not_fit(position, now) {
                self.record(now, Record::StopRequested { why: StopWhy::Window(why) });
                return;
            }
            let Some(step) = self.step_in_hand(position) else { continue };
            in_hand = None;
            self.scratch[position].enter(step);
            self.record(now, Record::StepStarted { step });
            self.move_on(position, now);
        }
    }

    /// Whether everything that a server waits for is over, and the shared budgets have room.
    fn is_free(&self, position: usize, in_hand: &InHand) -> bool {
        let Some(first) = self.chains[position].first() else { return true };
        let work = &self.plan.work()[position];
        let alone = in_hand.batches.get(&work.pool).is_none_or(|batches| batches.iter().all(|one| *one == work.batch));
        alone
            && self.needs[first.0 as usize].iter().all(|step| self.is_settled(*step))
            && self.has_room(position, in_hand)
    }

    /// Whether nothing more comes of a step: it has ended, or its server has.
    pub(super) fn is_settled(&self, step: StepId) -> bool {
        if self.state.steps[step.0 as usize].is_ended() {
            return true;
        }
        match self.plan.steps()[step.0 as usize].target {
            StepTarget::Server(work) => self.state.work[work.0 as usize].end.is_some(),
            StepTarget::Pool(_) => false,
        }
    }

    /// Whether budgets that several pools share allow one more server out.
    fn has_room(&self, position: usize, in_hand: &InHand) -> bool {
        let pool = self.subject(position).pool;
        let budgets = self.plan.change().budgets.iter().zip(&in_hand.out);
        budgets
            .filter(|(budget, _)| pool.labels.contains(&budget.label))
            .all(|(budget, out)| *out < budget.at_once as usize)
    }

    /// Ends database steps whose pool is done: the work is a person's, the run says that its time has come.
    pub(super) fn database_steps(&mut self, now: Timestamp) {
        if self.state.stop.is_some() || self.state.recover || self.state.header.is_none() {
            return;
        }
        for step in self.plan.clone().steps() {
            let StepTarget::Pool(pool) = step.target else { continue };
            let ended = self.state.steps[step.id.0 as usize].is_ended();
            let free = self.needs[step.id.0 as usize].iter().all(|need| self.state.steps[need.0 as usize].is_ended());
            if ended || !free || self.broken {
                continue;
            }
            let proof = self.plan.change().pools[pool as usize].database.as_ref().map_or_else(
                || "left to a person".to_owned(),
                |work| format!("now that all servers are done: {} on {}", work.instructions, work.primary),
            );
            self.record(now, Record::StepStarted { step: step.id });
            self.record(now, Record::StepDone { step: step.id, how: StepEnd::Skipped, proof });
        }
    }
}

/// Says what counted as failed: of a server that was never changed nothing has failed.
fn told_of(failed: &[(&WorkState, &str)]) -> String {
    let of = |begun: bool| -> Vec<&str> {
        let changed = |work: &WorkState| work.as_recorded().is_some() || work.is_changed();
        failed.iter().filter(|(work, _)| changed(work) == begun).map(|(_, server)| *server).collect()
    };
    let (begun, not) = (of(true), of(false));
    let mut said = Vec::new();
    if !begun.is_empty() {
        said.push(format!("{} failed", begun.join(", ")));
    }
    if !not.is_empty() {
        said.push(format!("{} could not go out of service safely and was not touched", not.join(", ")));
    }
    said.join("; ")
}

/// Which servers are in hand, as far as the turn of others depends on it.
struct InHand {
    /// The batches of each pool that have a server in hand. A run that is taken up again may have a server in hand whose
    /// turn came after others that wait.
    batches: BTreeMap<u32, BTreeSet<u32>>,
    /// How many servers of each shared budget are in hand or out.
    out: Vec<usize>,
}

impl InHand {
    fn of(engine: &Engine) -> Self {
        let budgets = &engine.plan.change().budgets;
        let mut in_hand = Self { batches: BTreeMap::new(), out: vec![0; budgets.len()] };
        for (work, state) in engine.plan.work().iter().zip(&engine.state.work) {
            if state.is_active() {
                in_hand.batches.entry(work.pool).or_default().insert(work.batch);
            }
            if state.is_active() || state.is_out() {
                let labels = &engine.plan.pool_of(work).labels;
                for (budget, out) in budgets.iter().zip(&mut in_hand.out) {
                    *out += usize::from(labels.contains(&budget.label));
                }
            }
        }
        in_hand
    }
}
