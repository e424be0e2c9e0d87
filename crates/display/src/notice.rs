//! What people are told who do not look: the few records of a run that somebody has to act upon, or waits for.

use crate::log::subject;
use crate::text::{clean, count, duration, list};
use crate::words;
use orchestrate_engine::record::{Attended, RunOutcome, ServerEnd, StepEnd};
use orchestrate_engine::{Record, RunState, WorkState};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::notify::Occasion;
use orchestrate_model::{PoolName, RunId, ServerName};
use orchestrate_planner::{Plan, StepId, StepKind};

/// Something that is worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What has happened.
    pub occasion: Occasion,
    /// The pool that it is about.
    pub pool: Option<PoolName>,
    /// The server that it is about.
    pub server: Option<ServerName>,
    /// Everything in one line.
    pub title: String,
    /// What is known, and what follows.
    pub text: String,
    /// What can be typed next, one command each.
    pub commands: Vec<String>,
}

/// Whose records are told, and how the program is called for them.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run.
    pub run: &'a RunId,
    /// How to call this program again for the same runs.
    pub program: &'a str,
    /// Whether a person decides about holds, or the plan.
    pub attended: Attended,
}

impl Teller<'_> {
    /// Returns what is told of a record, where it is worth telling.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "few records are news for people who do not look")]
    pub fn of(&self, record: &Record) -> Option<Notice> {
        let short = subject(self.plan, record).map_or("", |work| self.plan.work_of(work).server.short());
        let name = clean(&self.plan.change().name);
        let (occasion, title, text, commands) = match record {
            Record::RunStarted(header) => {
                let servers = count(self.plan.work().len() as u64, "server");
                let change = self.plan.change();
                let besides = words::only(change).into_iter().chain(words::emergency(change));
                let emergency: String = besides.map(|text| format!("; {text}")).collect();
                let text = format!("{servers} in all; started by {}{emergency}", clean(&header.by.user));
                (Occasion::Begun, format!("{name}: begins"), text, Vec::new())
            }
            Record::Resumed { by, .. } => {
                let text = format!("taken up again by {}", clean(&by.user));
                (Occasion::Begun, format!("{name}: goes on"), text, Vec::new())
            }
            Record::StepDone { step, how: StepEnd::Done, .. } if self.is(*step, StepKind::Block) => {
                let text = "it takes nothing new any more; its sessions are waited for".to_owned();
                (Occasion::Out, format!("{short} is out of service"), text, Vec::new())
            }
            Record::StepDone { step, how: StepEnd::Done, proof } if self.is(*step, StepKind::Gate) => {
                (Occasion::Back, format!("{short} is back in service"), clean(proof), Vec::new())
            }
            Record::Held { step, cause, reason, choices, .. } => {
                let kind = self.plan.steps().get(step.0 as usize).map_or("its step", |step| step.kind.word());
                match self.attended {
                    Attended::Yes => {
                        let title = format!("{short} is held in {kind} and waits for a decision");
                        let text = format!("{} ({})", clean(reason), cause.code());
                        (Occasion::Held, title, text, self.decisions(&work_name(self.plan, record), choices))
                    }
                    Attended::No => {
                        let choice = self.plan.change().maintenance.on_hold.choice(*cause);
                        let choice = if choices.contains(&choice) { choice } else { HoldChoice::Stop };
                        let title = format!("{short} is held in {kind}, and the plan decides: {}", choice.word());
                        (Occasion::Held, title, clean(reason), Vec::new())
                    }
                }
            }
            Record::Alarm { why, .. } => {
                (Occasion::PoolUnsafe, format!("its pool cannot do without {short}"), clean(why), Vec::new())
            }
            _ => return None,
        };
        let work = subject(self.plan, record).map(|work| self.plan.work_of(work));
        let (pool, server) = work.map(|work| (self.plan.pool_of(work).name.clone(), work.server.clone())).unzip();
        Some(Notice { occasion, pool, server, title, text, commands })
    }

    fn is(&self, step: StepId, kind: StepKind) -> bool {
        self.plan.steps().get(step.0 as usize).is_some_and(|step| step.kind == kind)
    }

    fn decisions(&self, server: &str, choices: &[HoldChoice]) -> Vec<String> {
        let word = |choice: &HoldChoice| {
            format!("{} decide {} {server} {}", self.program, self.run, crate::words::typed(*choice))
        };
        choices.iter().map(word).collect()
    }

    /// Returns what is told of the end of a run, with its servers as they are then. `broken`: why it did not come to an end
    /// of its own.
    #[must_use]
    pub fn end(&self, state: &RunState, broken: Option<&str>) -> Notice {
        let outcome = state.ended.filter(|_| broken.is_none());
        let how = outcome.map_or("broke off", words::outcome);
        let works = || self.plan.work().iter().zip(&state.work);
        let done = |each: &WorkState| matches!(each.end, Some(ServerEnd::Finished | ServerEnd::NothingToDo { .. }));
        let done = works().filter(|(_, each)| done(each)).count();
        let mut parts: Vec<String> = broken.map(clean).into_iter().collect();
        let left_out = works().filter(|(_, each)| matches!(each.end, Some(ServerEnd::LeftOut { .. }))).count();
        let left_out = if left_out == 0 { String::new() } else { format!(", {left_out} left out") };
        parts.push(format!("{done} of {} done{left_out}", count(self.plan.work().len() as u64, "server")));
        let out: Vec<&str> = works().filter(|(_, each)| each.is_out()).map(|(work, _)| work.server.short()).collect();
        if !out.is_empty() {
            parts.push(format!("OUT OF SERVICE: {}", list(&out)));
        }
        for (pool, absent) in state.pools_seen.iter().filter(|(_, absent)| !absent.is_empty()) {
            let names: Vec<&str> = absent.keys().map(ServerName::short).collect();
            parts.push(format!("not seen to serve in {pool}: {}", list(&names)));
        }
        let faults = state.pool_faults.values().flatten();
        parts.extend(faults.map(|fault| clean(fault)));
        parts.extend(state.stop.as_ref().map(|why| clean(why.text())));
        if let (Some(started), Some(last)) = (state.started, state.last) {
            parts.push(format!("it took {}", duration(last.duration_since(started))));
        }
        Notice {
            occasion: Occasion::Ended,
            pool: None,
            server: None,
            title: format!("{}: {how}", clean(&self.plan.change().name)),
            text: parts.join("; "),
            commands: self.after(outcome),
        }
    }

    /// What can be typed after a run.
    fn after(&self, outcome: Option<RunOutcome>) -> Vec<String> {
        let command = |word: &str| format!("{} {word} {}", self.program, self.run);
        match outcome {
            Some(RunOutcome::Done | RunOutcome::Recovered | RunOutcome::ToBeLookedAt | RunOutcome::PartlyDone) => {
                vec![command("report")]
            }
            Some(RunOutcome::StoppedByWindow | RunOutcome::HeldElsewhere) => vec![command("status")],
            Some(RunOutcome::StoppedByPolicy | RunOutcome::Interrupted | RunOutcome::Bug) | None => {
                vec![command("status"), command("recover"), command("resume")]
            }
        }
    }
}

/// The full name of the server that a record is about: a short one may be that of another pool's server too.
fn work_name(plan: &Plan, record: &Record) -> String {
    subject(plan, record).map_or_else(String::new, |work| plan.work_of(work).server.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use orchestrate_engine::record::Why;

    #[test]
    fn a_held_server_is_told_with_the_commands_that_answer_it() {
        let plan = fixture::plan();
        let run = RunId::new("20261128-2100-abcd").unwrap();
        let teller = Teller { plan: &plan, run: &run, program: "orchestrate --state-dir /s", attended: Attended::Yes };
        let work = orchestrate_planner::plan::WorkId(0);
        let step = plan.steps().iter().find(|step| step.kind == StepKind::Drain).unwrap().id;
        let choices = vec![HoldChoice::Return, HoldChoice::Stop];
        let held = Record::Held {
            work,
            step,
            cause: orchestrate_model::hold::HoldCause::DrainDeadline,
            reason: "2 sessions are left".to_owned(),
            choices,
        };
        let notice = teller.of(&held).unwrap();
        let (short, full) = (plan.work()[0].server.short(), &plan.work()[0].server);
        assert_eq!(notice.title, format!("{short} is held in drain and waits for a decision"));
        assert_eq!(
            notice.commands,
            ["return", "stop"].map(|choice| format!("orchestrate --state-dir /s decide {run} {full} {choice}"))
        );
        let alone = Teller { attended: Attended::No, ..teller }.of(&held).unwrap();
        assert!(alone.title.ends_with("and the plan decides: stop") && alone.commands.is_empty(), "{alone:?}");
        let why = Why { kind: orchestrate_engine::record::WhyKind::Pool, text: String::new() };
        assert_eq!(teller.of(&Record::TurnedBack { work, why }), None, "no news for people who do not look");
    }

    #[test]
    fn the_end_of_a_run_that_broke_off_says_so() {
        let plan = fixture::plan();
        let run = RunId::new("20261128-2100-abcd").unwrap();
        let teller = Teller { plan: &plan, run: &run, program: "orchestrate", attended: Attended::Yes };
        let notice = teller.end(&RunState::new(&plan), Some("the disk is full"));
        assert!(
            notice.title.ends_with(": broke off") && notice.text.starts_with("the disk is full; 0 of"),
            "{notice:?}"
        );
        assert!(notice.commands.contains(&format!("orchestrate recover {run}")));
    }
}
