//! Notes what takes how long in a simulated run, and stands in for its operator.

use super::Moment;
use super::text::word;
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::{Command, Engine, Record, ServerEnd};
use orchestrate_executor::Listener;
use orchestrate_model::ServerName;
use orchestrate_model::hold::Terms;
use orchestrate_model::hold::{HoldCause, HoldChoice};
use orchestrate_model::readable::without_subject;
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::{Plan, StepId, StepKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How often one server is given the choice that the plan names before the run stops for it.
const DECISIONS: u32 = 3;

pub(super) struct Notes {
    plan: Arc<Plan>,
    pub(super) commands: Option<mpsc::UnboundedSender<Command>>,
    pub(super) begun: BTreeMap<WorkId, Timestamp>,
    pub(super) ended: BTreeMap<WorkId, Timestamp>,
    draining: BTreeMap<WorkId, Timestamp>,
    pub(super) drained: BTreeMap<WorkId, SignedDuration>,
    decided: BTreeMap<WorkId, u32>,
    pub(super) cut: u64,
    pub(super) lines: Vec<Moment>,
    /// The last reason why a server was held, turned back or left, or why the run stopped.
    pub(super) trouble: Option<String>,
}

impl Notes {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            commands: None,
            begun: BTreeMap::new(),
            ended: BTreeMap::new(),
            draining: BTreeMap::new(),
            drained: BTreeMap::new(),
            decided: BTreeMap::new(),
            cut: 0,
            lines: Vec::new(),
            trouble: None,
        }
    }

    fn say(&mut self, at: Timestamp, text: String) {
        self.lines.push(Moment { at, text });
    }

    fn name(&self, work: WorkId) -> String {
        self.plan.work_of(work).server.short().to_owned()
    }

    fn step_begins(&mut self, at: Timestamp, step: StepId) {
        let step = self.plan.steps()[step.0 as usize];
        let StepTarget::Server(work) = step.target else { return };
        self.begun.entry(work).or_insert(at);
        if step.kind == StepKind::Drain {
            self.draining.insert(work, at);
        }
    }

    fn step_ends(&mut self, at: Timestamp, step: StepId, proof: &str) {
        let step = self.plan.steps()[step.0 as usize];
        let StepTarget::Server(work) = step.target else { return };
        if step.kind == StepKind::Drain
            && let Some(since) = self.draining.remove(&work)
        {
            *self.drained.entry(work).or_default() += at.duration_since(since);
        }
        let text = format!("{} {}: {proof}", self.name(work), step.kind);
        self.say(at, text);
    }

    /// Keeps why a server was held, in words that are the same for every server: its name and the numbers after the
    /// reason are left out.
    fn trouble(&mut self, step: StepId, cause: HoldCause) {
        let kind = self.plan.steps()[step.0 as usize].kind;
        self.trouble = Some(format!("held in {kind}: {}", cause.title()));
    }

    /// Takes a line of the story of a night: records are told as in any other run, the rest is told as it stands.
    pub(super) fn heard(&mut self, at: Timestamp, line: &str) {
        let Some((_, record)) = line.trim_start().strip_prefix("record ").and_then(|rest| rest.split_once("] ")) else {
            return self.say(at, line.to_owned());
        };
        // A long record is cut short in the story; all that are told are short.
        if let Ok(record) = serde_json::from_str::<Record>(record)
            && self.is_about_the_plan(&record)
        {
            self.recorded(0, at, &record);
        }
    }

    /// Returns whether a record fits the plan: with faults from the beginning, the plan of the night may be another one.
    fn is_about_the_plan(&self, record: &Record) -> bool {
        let step = |step: &StepId| (step.0 as usize) < self.plan.steps().len();
        let work = |work: &WorkId| (work.0 as usize) < self.plan.work().len();
        match record {
            Record::StepStarted { step: id } | Record::StepDone { step: id, .. } => step(id),
            Record::Held { work: id, step: of, .. } => work(id) && step(of),
            Record::ServerEnded { work: id, .. } | Record::TurnedBack { work: id, .. } => work(id),
            _ => true,
        }
    }

    /// Decides as the plan says; work that is left to a person is done at once.
    fn decide(&mut self, work: WorkId, (step, cause): (StepId, HoldCause), choices: &[HoldChoice]) {
        let times = self.decided.entry(work).or_default();
        *times += 1;
        let kind = self.plan.steps()[step.0 as usize].kind;
        let by_hand = cause == HoldCause::FirstDone || matches!(kind, StepKind::BalancerOut | StepKind::BalancerIn);
        let planned = self.plan.change().maintenance.on_hold.choice(cause);
        let choice = if by_hand && choices.contains(&HoldChoice::Confirm) {
            HoldChoice::Confirm
        } else if *times <= DECISIONS && choices.contains(&planned) {
            planned
        } else {
            HoldChoice::Stop
        };
        let server = self.plan.work_of(work).server.clone();
        let command = Command::Decide {
            server,
            choice,
            since: None,
            by: "the simulated operator".to_owned(),
            terms: Terms::default(),
        };
        if self.commands.as_ref().is_some_and(|commands| commands.send(command).is_err()) {
            tracing::trace!("the run does not listen any more");
        }
    }
}

/// Returns how a server ended, in words.
fn ended(end: &ServerEnd, server: &ServerName) -> String {
    let why = |why| without_subject(why, server);
    match end {
        ServerEnd::Finished => "done: back in service".to_owned(),
        ServerEnd::NothingToDo { why: text } => format!("nothing to do: {}", why(text)),
        ServerEnd::LeftOut { why: text } => why(text).to_string(),
        ServerEnd::Untouched { why: reason } => format!("not touched: {}", why(&reason.text)),
        ServerEnd::Returned { why: reason } => format!("back in service early: {}", why(&reason.text)),
        ServerEnd::Out { why: text } => format!("OUT OF SERVICE: {}", why(text)),
    }
}

impl Listener for Notes {
    fn recorded(&mut self, _seq: u64, at: Timestamp, record: &Record) {
        match record {
            Record::StepStarted { step } => self.step_begins(at, *step),
            Record::StepDone { step, proof, .. } => self.step_ends(at, *step, proof),
            Record::ServerEnded { work, end } => {
                self.ended.insert(*work, at);
                let text = format!("{}: {}", self.name(*work), ended(end, &self.plan.work_of(*work).server));
                self.say(at, text);
            }
            Record::SessionsCut { sessions, .. } => self.cut += sessions.values().sum::<u64>(),
            Record::Held { work, step, cause, choices, reason } => {
                self.trouble(*step, *cause);
                let reason = without_subject(reason, &self.plan.work_of(*work).server);
                let text = format!("{} is held: {reason}", self.name(*work));
                self.say(at, text);
                self.decide(*work, (*step, *cause), choices);
            }
            Record::TurnedBack { work, why } => {
                let reason = without_subject(&why.text, &self.plan.work_of(*work).server);
                let text = format!("{} goes back: {reason}", self.name(*work));
                self.say(at, text);
            }
            Record::StopRequested { why } => self.say(at, format!("the run stops: {}", why.text())),
            Record::RunEnded { outcome } => self.say(at, format!("the run ended: {}", word(*outcome))),
            _ => {}
        }
    }

    fn progressed(&mut self, _engine: &Engine, _now: Timestamp) {}
}
