//! Turning back, holding and deciding: what happens to a server that does not simply go on.

use super::{Effect, Engine, Position};
use crate::constants::{HOLD_LOOK, PLANNED_RETRIES};
use crate::look::Look;
use crate::record::{Record, ServerEnd, StepEnd, StopWhy, Why, WhyKind};
use crate::state::{Hold, Mark, steps_of, work_id};
use crate::steps::{Case, paused_services, sessions_left, set_back, they_start};
use jiff::Timestamp;
use orchestrate_model::hold::{HoldCause, HoldChoice, Terms};
use orchestrate_model::{Answer, PoolObservation, RunState as ServiceRunState, ServiceName};
use orchestrate_planner::StepKind;
use orchestrate_planner::plan::WorkId;

/// Who decides in the place of an operator who is not there.
pub(super) const PLAN: &str = "the plan";

impl Engine {
    /// Turns a server back, or ends it, when the run stops. Returns whether anything changed.
    pub(super) fn interrupt(&mut self, position: usize, now: Timestamp) -> bool {
        let work = &self.state.work[position];
        if work.back.is_some() {
            return false;
        }
        let id = work_id(position);
        // As long as nothing was changed, the whole work has to fit, not only what is left.
        let closes =
            if work.is_changed() { self.window_closes(position, now) } else { self.does_not_fit(position, now) };
        let why = match (&self.state.stop, closes) {
            (Some(StopWhy::Operator(text) | StopWhy::OperatorNow(text)), _) => {
                Why { kind: WhyKind::Operator, text: format!("the run stops: {text}") }
            }
            (Some(StopWhy::Policy(text) | StopWhy::Storage(text)), _) => {
                Why { kind: WhyKind::Operator, text: format!("the run stops: {text}") }
            }
            (Some(StopWhy::Window(_)) | None, Some(text)) => Why { kind: WhyKind::Window, text },
            (Some(StopWhy::Window(_)) | None, None) => return self.hold_on_request(position, now),
        };
        if self.is_past_undoing(position) {
            // Half a patch is no state to leave a server in, nor is half a restart or half a return: it goes on to the
            // gate; only the soak is passed over.
            return self.skip_soak(position, now, &why.text);
        }
        if why.kind == WhyKind::Window && self.state.stop.is_none() {
            // No other server fits either, and the run is not over: it goes on in the next window.
            self.record(now, Record::StopRequested { why: StopWhy::Window(why.text.clone()) });
        }
        self.turn_back(id, why, now);
        true
    }

    /// Whether a server is better finished than turned back: its patch has started, it was restarted, or it is on its
    /// way back already.
    pub(crate) fn is_past_undoing(&self, position: usize) -> bool {
        let subject = self.subject(position);
        let kind = self.step_in_hand(position).map(|step| self.plan.steps()[step.0 as usize].kind);
        let returning = kind.is_some_and(|kind| Record::return_path().contains(&kind));
        subject.is_patching() || subject.is_restarting() || returning
    }

    fn skip_soak(&mut self, position: usize, now: Timestamp, why: &str) -> bool {
        // A soak protects the next server, and there is none in a run that stops.
        let soak = self.step_in_hand(position).filter(|step| self.plan.steps()[step.0 as usize].kind == StepKind::Soak);
        let Some(step) = soak else { return false };
        self.record(now, Record::StepDone { step, how: StepEnd::Skipped, proof: why.to_owned() });
        true
    }

    pub(super) fn hold_on_request(&mut self, position: usize, now: Timestamp) -> bool {
        let id = work_id(position);
        let Some(by) = self.to_hold.remove(&id) else { return false };
        let Some(step) = self.step_in_hand(position) else { return false };
        let mut choices = vec![HoldChoice::Retry];
        if !self.subject(position).is_patching() {
            choices.push(HoldChoice::Return);
        }
        choices.extend([HoldChoice::Abandon, HoldChoice::Stop]);
        let reason = format!("{by} asked to hold it");
        self.record(now, Record::Held { work: id, step, cause: HoldCause::Asked, reason, choices });
        true
    }

    pub(super) fn turn_back(&mut self, id: WorkId, why: Why, now: Timestamp) {
        let work = &self.state.work[id.0 as usize];
        if work.is_changed() {
            self.record(now, Record::TurnedBack { work: id, why });
        } else {
            // What was changed and given back before is not untouched.
            let end =
                if work.has(Mark::GivenBack) { ServerEnd::Returned { why } } else { ServerEnd::Untouched { why } };
            self.record(now, Record::ServerEnded { work: id, end });
        }
    }

    /// Follows a decision about a held server. Returns whether the server is held no longer.
    pub(super) fn resolve_hold(&mut self, position: usize, now: Timestamp) -> bool {
        let id = work_id(position);
        let Some(hold) = self.state.work[position].held.clone() else { return true };
        let decided = self.decisions.remove(&id).filter(|(choice, ..)| hold.choices.contains(choice));
        let stopping = self.state.stop.is_some() && !matches!(self.state.stop, Some(StopWhy::Window(_)));
        let (choice, by, terms) = match decided {
            Some(decided) => decided,
            // What a person has taken out of the balancer only a person can put back.
            None if stopping && !(self.state.is_attended() && self.is_by_hand(&hold)) => {
                (HoldChoice::Stop, "the stop of the run".to_owned(), Terms::default())
            }
            None if self.state.is_attended() => return false,
            None => (self.planned_choice(position, &hold), PLAN.to_owned(), Terms::default()),
        };
        self.record(now, Record::Decided { work: id, choice, by: by.clone(), terms });
        if hold.cause == HoldCause::FirstDone && choice == HoldChoice::Stop {
            self.stop_after_first(position, &hold, &by, now);
            return true;
        }
        let reason = &hold.reason;
        match choice {
            HoldChoice::Retry => self.scratch[position].forget(),
            // The step goes on where it was.
            HoldChoice::Extend | HoldChoice::Cut => {}
            HoldChoice::Skip | HoldChoice::Confirm => {
                let kind = self.plan.steps()[hold.step.0 as usize].kind;
                if kind != StepKind::Record {
                    let proof = match choice {
                        HoldChoice::Confirm => format!("{by} confirmed it"),
                        HoldChoice::Skip
                        | HoldChoice::Stop
                        | HoldChoice::Retry
                        | HoldChoice::Return
                        | HoldChoice::Extend
                        | HoldChoice::Cut
                        | HoldChoice::Abandon => format!("{by} chose {}: {reason}", choice.word()),
                    };
                    self.record(now, Record::StepDone { step: hold.step, how: StepEnd::Skipped, proof });
                }
            }
            HoldChoice::Return => {
                let why = Why { kind: WhyKind::Failed, text: format!("{by} chose return: {reason}") };
                self.turn_back(id, why, now);
            }
            HoldChoice::Abandon => {
                let why = format!("{by} chose abandon: {reason}");
                self.leave(id, why, now);
            }
            HoldChoice::Stop => {
                if self.state.stop.is_none() {
                    self.record(now, Record::StopRequested { why: StopWhy::Policy(reason.clone()) });
                }
                let work = &self.state.work[position];
                if self.subject(position).is_patching() || work.back.is_some() || !work.is_changed() {
                    self.leave(id, hold.reason, now);
                } else {
                    self.turn_back(id, Why { kind: WhyKind::Failed, text: hold.reason }, now);
                }
            }
        }
        true
    }

    /// Stops the run behind the first server of a pool. The server has ended before the run stops: it is done, and a stop would
    /// turn back what is in work.
    fn stop_after_first(&mut self, position: usize, hold: &Hold, by: &str, now: Timestamp) {
        let text = format!("{by} chose stop: {}", hold.reason);
        self.record(now, Record::StepDone { step: hold.step, how: StepEnd::Skipped, proof: text.clone() });
        let passed_over = self.state.work[position].passed_over.clone();
        let end = passed_over.map_or(ServerEnd::Finished, |why| ServerEnd::Returned { why });
        self.record(now, Record::ServerEnded { work: work_id(position), end });
        if self.state.stop.is_none() {
            self.record(now, Record::StopRequested { why: StopWhy::Policy(text) });
        }
    }

    /// Whether a hold waits for a person who puts the server back into the balancer.
    fn is_by_hand(&self, hold: &Hold) -> bool {
        self.plan.steps()[hold.step.0 as usize].kind == StepKind::BalancerIn
    }

    /// Looks at a held server from time to time, as long as it is blocked: somebody may resume what is to stay blocked.
    pub(super) fn watch_hold(&mut self, position: usize, now: Timestamp) {
        let work = &self.state.work[position];
        let Some(hold) = &work.held else { return };
        let kind = self.plan.steps()[hold.step.0 as usize].kind;
        let back = hold.cause == HoldCause::FirstDone || Record::return_path().contains(&kind);
        let blocked = work.touched && work.back.is_none() && !back;
        if !blocked || self.positions[position] != Position::Idle {
            return;
        }
        // Whoever decides about sessions has to know how many there are.
        let look = match kind {
            StepKind::Drain => Look::for_step(&self.subject(position), kind, &self.scratch[position]),
            StepKind::Guard
            | StepKind::Record
            | StepKind::BalancerOut
            | StepKind::Block
            | StepKind::Stop
            | StepKind::Patch
            | StepKind::Restart
            | StepKind::Verify
            | StepKind::Return
            | StepKind::BalancerIn
            | StepKind::Gate
            | StepKind::Soak
            | StepKind::Database => Look::for_sweep(&self.subject(position)),
        };
        let ticket = self.ticket();
        self.positions[position] = Position::Looking { ticket, asked: now };
        self.effects.push(Effect::Look { ticket, look });
    }

    /// Says so, once for each service, when what was blocked takes work again while the server is held. Nothing is done
    /// about it: a hold is a person's.
    pub(super) fn seen_while_held(&mut self, position: usize, seen: &PoolObservation, now: Timestamp) {
        let subject = self.subject(position);
        let server = subject.work.server.clone();
        let runs = |name: &ServiceName| {
            seen.servers
                .get(&server)
                .and_then(|own| own.service(name))
                .is_some_and(|status| status.is(ServiceRunState::Running))
        };
        let running: Vec<ServiceName> = paused_services(&subject).into_iter().filter(|name| runs(name)).collect();
        let left = self.left_in_hold(position, seen, now);
        if left.is_some() {
            self.scratch[position].left = left;
        }
        if let Some(first) = running.first() {
            self.scratch[position].left = Some(Answer::unknown(format!("{first} takes work again")));
        }
        let news: Vec<ServiceName> =
            running.into_iter().filter(|name| self.scratch[position].resumed_in_hold.insert(name.clone())).collect();
        if !news.is_empty() {
            let names: Vec<&str> = news.iter().map(ServiceName::as_str).collect();
            let text = format!(
                "{server} is held, and another hand has resumed {}: it takes new sessions. Choose retry to have it blocked \
                 again, or return",
                names.join(", ")
            );
            self.record(now, Record::Note { work: Some(work_id(position)), text });
        }
        self.set_back_while_held(position, seen, now);
        self.sleep(position, HOLD_LOOK, now);
    }

    /// Says so, once, when start types are set back while the server is held: a restart of it would bring them up.
    fn set_back_while_held(&mut self, position: usize, seen: &PoolObservation, now: Timestamp) {
        let subject = self.subject(position);
        let server = subject.work.server.clone();
        let Some(own) = seen.servers.get(&server).filter(|own| own.services.known().is_some()) else { return };
        let services = set_back(&subject, own);
        // Before the block step has shown them Manual nothing was set that could be set back.
        let block =
            steps_of(&self.plan, work_id(position)).find(|step| step.kind == StepKind::Block).map(|step| step.id);
        if !block.is_some_and(|step| self.state.steps[step.0 as usize].is_ended()) {
            return;
        }
        let told = std::mem::replace(&mut self.scratch[position].told_set_back, !services.is_empty());
        if !services.is_empty() && !told {
            let text = format!(
                "{server} is held, and another hand has set start types back: {}. Choose retry to have it blocked again, or \
                 return",
                they_start(&services)
            );
            self.record(now, Record::Note { work: Some(work_id(position)), text });
        }
    }

    /// Returns how many sessions a server has that is held in its drain.
    fn left_in_hold(&self, position: usize, seen: &PoolObservation, now: Timestamp) -> Option<Answer<u64>> {
        let hold = self.state.work[position].held.as_ref()?;
        let (step, kind) = (hold.step, self.plan.steps()[hold.step.0 as usize].kind);
        let subject = self.subject(position);
        let own = seen.servers.get(&subject.work.server)?;
        (kind == StepKind::Drain)
            .then(|| sessions_left(&Case { subject, step, kind, since: hold.since, seen, own, now }))
    }

    /// Says why a decision cannot be followed as it was given.
    pub(super) fn unfit(&self, position: usize, choice: HoldChoice, terms: &Terms) -> Option<String> {
        match choice {
            HoldChoice::Extend => match terms.more {
                Some(more) if more.is_positive() && more <= Terms::MOST => None,
                Some(more) => Some(format!("a drain is not given {more:#} more, but up to {:#}", Terms::MOST)),
                None => Some("it does not say by how much".to_owned()),
            },
            HoldChoice::Cut => match (terms.sessions, &self.scratch[position].left) {
                (Some(typed), Some(Answer::Known(left))) if typed == *left => None,
                (Some(typed), Some(Answer::Known(left))) => {
                    Some(format!("{typed} were to be cut, and {left} are left"))
                }
                (Some(_), Some(Answer::Unknown(why))) => Some(format!("what is not known cannot be cut: {why}")),
                (Some(_), None) => Some("the sessions have not been counted yet".to_owned()),
                (None, _) => Some("it does not say how many".to_owned()),
            },
            HoldChoice::Stop
            | HoldChoice::Retry
            | HoldChoice::Skip
            | HoldChoice::Confirm
            | HoldChoice::Return
            | HoldChoice::Abandon => None,
        }
    }

    /// Ends a server where it is.
    pub(super) fn leave(&mut self, id: WorkId, why: String, now: Timestamp) {
        let work = &self.state.work[id.0 as usize];
        let failed = |text| Why { kind: WhyKind::Failed, text };
        let end = match (work.is_changed(), work.has(Mark::GivenBack)) {
            (true, _) => ServerEnd::Out { why },
            (false, true) => ServerEnd::Returned { why: failed(why) },
            (false, false) => ServerEnd::Untouched { why: failed(why) },
        };
        self.record(now, Record::ServerEnded { work: id, end });
    }

    /// What the plan chooses in an operator's place. Work done by hand, and a state that somebody else left behind, are
    /// a person's to confirm: no plan can say beforehand that they were looked at.
    fn planned_choice(&self, position: usize, hold: &Hold) -> HoldChoice {
        let planned = self.plan.change().maintenance.on_hold.choice(hold.cause);
        let kind = self.plan.steps()[hold.step.0 as usize].kind;
        let spent = planned == HoldChoice::Retry && self.state.work[position].retries >= PLANNED_RETRIES;
        let unseen = planned == HoldChoice::Skip
            && matches!(kind, StepKind::Record | StepKind::BalancerOut | StepKind::BalancerIn);
        if hold.choices.contains(&planned) && !spent && !unseen { planned } else { HoldChoice::Stop }
    }
}
