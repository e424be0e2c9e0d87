//! The permanent log: at most one entry per record.
//!
//! Bookkeeping is passed over: what a step did to each service stands in the journal, and the step's own end says what
//! came of it.

use crate::stopping::{self, Seat};
use crate::style::{Look, Tone};
use crate::text::{clean, count, duration, list, pad, width};
use crate::{watch, words};
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::record::{Attended, RunHeader, ServerEnd, StepEnd, StopWhy, Why, WhyKind};
use orchestrate_engine::{Intent, IntentId, Record};
use orchestrate_model::Answer;
use orchestrate_model::change::{ExitMeaning, HoldCause, HoldChoice};
use orchestrate_model::exit_code;
use orchestrate_model::{Act, ActOutcome, RunId, ServerName};
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::safety::Asked;
use orchestrate_planner::{Plan, StepId, StepKind, limits};
use std::collections::{BTreeMap, BTreeSet};

/// Writes log entries for the records of one run, in their order.
#[derive(Debug, Clone)]
pub struct Log<'a> {
    plan: &'a Plan,
    names: Names,
    /// How an operator speaks to the run: the program and the run, as they are typed.
    command: Option<(String, String)>,
    /// What each act whose outcome is not known yet is about.
    acts: BTreeMap<IntentId, (WorkId, Act)>,
    /// What the last entry said against an act on a service, with the name of the service taken out: one cause of many
    /// services is told once.
    last_cause: Option<(WorkId, String)>,
    /// What was last said against an act that is refused, and asked for again.
    refused: BTreeMap<(WorkId, String), String>,
    /// The answers that a step last had against it: it asks the same again within seconds.
    against: BTreeMap<StepId, String>,
    /// The servers that are in hand: changed, and not at their end.
    in_hand: BTreeSet<WorkId>,
    /// The servers on which an installer may be at work.
    installing: BTreeSet<WorkId>,
    /// The installer that each server has in hand, where it has reached one.
    in_turn: BTreeMap<WorkId, u32>,
    /// Servers on which an installer was passed over: what comes after it is not run.
    passed_over: BTreeSet<WorkId>,
    /// Where the log is read.
    seat: Seat,
}

impl<'a> Log<'a> {
    /// Returns the log of a run of `plan` before its first record.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            names: Names::of(plan),
            command: None,
            acts: BTreeMap::new(),
            last_cause: None,
            refused: BTreeMap::new(),
            against: BTreeMap::new(),
            in_hand: BTreeSet::new(),
            installing: BTreeSet::new(),
            in_turn: BTreeMap::new(),
            passed_over: BTreeSet::new(),
            seat: Seat::Here,
        }
    }

    /// Returns the same log, which tells of a held server with the command that decides about it.
    #[must_use]
    pub fn with_command(self, program: &str, run: &RunId) -> Self {
        Self { command: Some((program.to_owned(), run.to_string())), ..self }
    }

    /// Returns the same log for a terminal that the run does not belong to.
    #[must_use]
    pub fn read_elsewhere(self) -> Self {
        Self { seat: Seat::Elsewhere, ..self }
    }

    /// Takes in a record of an earlier start of the run, which is told no more.
    pub fn pass(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => {
                self.in_hand.insert(intent.work);
                if matches!(intent.act, Act::StartInstaller(_)) {
                    self.installing.insert(intent.work);
                }
            }
            Record::InstallerEnded { work, .. } | Record::Held { work, cause: HoldCause::InstallerLost, .. } => {
                self.installing.remove(work);
            }
            Record::StepDone { step, how, .. } if self.plan.steps()[step.0 as usize].kind == StepKind::Patch => {
                let target = self.plan.steps()[step.0 as usize].target;
                self.installing.retain(|work| target != StepTarget::Server(*work));
                if let (StepEnd::Skipped, StepTarget::Server(work)) = (how, target) {
                    self.passed_over.insert(work);
                }
            }
            Record::ServerEnded { work, .. } | Record::PutOff { work, .. } => drop(self.in_hand.remove(work)),
            Record::StepStarted { step } => {
                let step = self.plan.steps()[step.0 as usize];
                if let (StepKind::Patch, StepTarget::Server(work)) = (step.kind, step.target) {
                    if step.installer == 0 {
                        self.passed_over.remove(&work);
                    }
                    // What comes after an installer that was passed over is not run.
                    let own = self.in_turn.entry(work).or_default();
                    if !self.passed_over.contains(&work) {
                        *own = step.installer.max(*own);
                    }
                }
            }
            Record::Resumed { .. }
            | Record::RunStarted(_)
            | Record::Outcome { .. }
            | Record::Evidence { .. }
            | Record::Snapshot { .. }
            | Record::Reasserted { .. }
            | Record::SessionsCut { .. }
            | Record::TakenOver { .. }
            | Record::StepDone { .. }
            | Record::Reopened { .. }
            | Record::TurnedBack { .. }
            | Record::Held { .. }
            | Record::Decided { .. }
            | Record::StopRequested { .. }
            | Record::Swept { .. }
            | Record::LeftOver { .. }
            | Record::Installed { .. }
            | Record::LevelRead { .. }
            | Record::Booted { .. }
            | Record::Gap { .. }
            | Record::Alarm { .. }
            | Record::AllClear { .. }
            | Record::BalancerUndone { .. }
            | Record::StartTypesUndone { .. }
            | Record::Rebooted { .. }
            | Record::StoppedByOthers { .. }
            | Record::PoolSeen { .. }
            | Record::Note { .. }
            | Record::RunEnded { .. } => {}
        }
    }

    /// Returns the entry for the next record, or nothing when the record is bookkeeping.
    pub fn entry(&mut self, at: Timestamp, record: &Record, look: &Look) -> Option<String> {
        let (about, tone, text) = self.line(at, record, look)?;
        let name = about.map_or("", |work| self.names.of_work(work));
        let lead = format!("{}  {}  ", look.time(at), pad(name, self.names.columns));
        Some(look.hang(&lead, tone, &text).join("\n"))
    }

    /// Returns what the next record says, of which server and in which tone, or nothing when the record is bookkeeping.
    pub(crate) fn line(
        &mut self,
        at: Timestamp,
        record: &Record,
        look: &Look,
    ) -> Option<(Option<WorkId>, Tone, String)> {
        self.pass(record);
        let mut about = subject(self.plan, record);
        let mut cause = None;
        let (tone, text) = match record {
            Record::Intent(intent) => {
                self.acts.insert(intent.id, (intent.work, intent.act.clone()));
                act(intent)?
            }
            Record::Outcome { intent, outcome } => {
                let (work, act) = self.acts.remove(intent)?;
                about = Some(work);
                if self.is_told(work, &act, outcome) {
                    return None;
                }
                let (tone, said, why) = outcome_said(&act.to_string(), outcome)?;
                cause = act.service().map(|service| (work, why.replace(service.as_str(), "")));
                let is_same = cause.is_some() && cause == self.last_cause;
                (tone, if is_same { format!("{said}, for the same reason") } else { format!("{said}: {}", clean(why)) })
            }
            Record::StepStarted { step } => {
                self.against.remove(step);
                self.refused.retain(|(work, _), _| Some(*work) != about);
                self.begun(at, *step, look)?
            }
            Record::Evidence { step, asked } => self.answers(*step, asked)?,
            Record::RunStarted(_)
            | Record::Resumed { .. }
            | Record::Snapshot { .. }
            | Record::InstallerEnded { .. }
            | Record::Reasserted { .. }
            | Record::SessionsCut { .. }
            | Record::TakenOver { .. }
            | Record::StepDone { .. }
            | Record::Reopened { .. }
            | Record::TurnedBack { .. }
            | Record::Held { .. }
            | Record::Decided { .. }
            | Record::ServerEnded { .. }
            | Record::StopRequested { .. }
            | Record::Swept { .. }
            | Record::LeftOver { .. }
            | Record::Installed { .. }
            | Record::LevelRead { .. }
            | Record::Booted { .. }
            | Record::Gap { .. }
            | Record::Alarm { .. }
            | Record::AllClear { .. }
            | Record::PutOff { .. }
            | Record::BalancerUndone { .. }
            | Record::StartTypesUndone { .. }
            | Record::Rebooted { .. }
            | Record::StoppedByOthers { .. }
            | Record::PoolSeen { .. }
            | Record::Note { .. }
            | Record::RunEnded { .. } => self.said(at, record, look)?,
        };
        self.last_cause = cause;
        let text = about.map_or(text.clone(), |work| named_once(&text, &self.plan.work_of(work).server));
        Some((about, tone, text))
    }

    /// Whether the same refusal of the same act, or that it is not known whether it happened, was told before: it is asked for again for as long as its step may take.
    fn is_told(&mut self, work: WorkId, act: &Act, outcome: &ActOutcome) -> bool {
        match outcome {
            ActOutcome::Retry(why) | ActOutcome::Failed(why) | ActOutcome::Unknown(why) => {
                self.refused.insert((work, act.to_string()), why.clone()).is_some_and(|before| before == *why)
            }
            ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined => {
                self.refused.remove(&(work, act.to_string()));
                false
            }
        }
    }

    /// Returns what is said when the installer ends that a server has in hand.
    fn installer(&self, work: WorkId, code: i64, meaning: ExitMeaning) -> (Tone, String) {
        let number = self.in_turn.get(&work).map_or(0, |number| *number as usize);
        installer(&self.plan.change().maintenance.called(number), code, meaning)
    }

    /// Returns what is said when a step begins: only of steps that take long.
    fn begun(&self, at: Timestamp, id: StepId, look: &Look) -> Option<(Tone, String)> {
        let step = self.plan.steps()[id.0 as usize];
        let rules = &self.plan.change().maintenance;
        let until = |wait: SignedDuration| look.moment(at.saturating_add(wait).unwrap_or(Timestamp::MAX), at);
        let text = match step.kind {
            StepKind::Guard => match step.target {
                StepTarget::Server(work) => format!("begins ({} of {})", work.0 + 1, self.plan.work().len()),
                StepTarget::Pool(_) => return None,
            },
            StepKind::Drain => {
                let own = rules.drain.per_service.iter().map(|(service, own)| {
                    format!("; {service} until {}, then {}", until(own.deadline), words::at_deadline(own.at_deadline))
                });
                format!(
                    "drain: waits for its sessions to end, until {} at most; then {}{}",
                    until(rules.drain.deadline),
                    words::at_deadline(rules.drain.at_deadline),
                    own.collect::<String>()
                )
            }
            StepKind::Patch => {
                let patch = self.plan.installer_of(&step)?;
                let which = match rules.installers.len() {
                    0 | 1 => String::new(),
                    several => format!("{} of {several}: ", step.installer + 1),
                };
                // Until when it is waited for is said by the wait, which counts from the start of the installer.
                let (gets, more) = (duration(patch.deadline), duration(limits::INSTALLER_GRACE));
                let shown = clean(&patch.shown_installer());
                format!("patch: {which}{shown}; it gets {gets}; {more} later the server is held")
            }
            StepKind::Soak => {
                let soak = match step.target {
                    StepTarget::Server(work) => self.plan.soak_of(self.plan.work_of(work)),
                    StepTarget::Pool(_) => return None,
                };
                format!("soak: it has to stay as it was for {}, until about {}", duration(soak), until(soak))
            }
            StepKind::Database
            | StepKind::Record
            | StepKind::BalancerOut
            | StepKind::Block
            | StepKind::Stop
            | StepKind::Restart
            | StepKind::Verify
            | StepKind::Return
            | StepKind::BalancerIn
            | StepKind::Gate => return None,
        };
        let tone = if step.kind == StepKind::Guard { Tone::Strong } else { Tone::Plain };
        Some((tone, text))
    }

    fn said(&self, at: Timestamp, record: &Record, look: &Look) -> Option<(Tone, String)> {
        let zone = look.zone_said(at);
        let change = self.plan.change();
        let besides = words::only(change).into_iter().chain(words::emergency(change));
        let emergency: String = besides.map(|text| format!("; {text}")).collect();
        Some(match record {
            Record::RunStarted(header) => (Tone::Strong, format!("{}{emergency}; {zone}", run_started(header))),
            Record::Resumed { by, recover: false, .. } => {
                (Tone::Strong, format!("taken up again by {by}{emergency}; {zone}"))
            }
            Record::Resumed { by, recover: true, .. } => {
                (Tone::Strong, format!("recovery by {by}: only brings back what was touched; {zone}"))
            }
            Record::InstallerEnded { exit_code, meaning, work } => self.installer(*work, *exit_code, *meaning),
            Record::Reasserted { service, found, .. } => (Tone::Warn, watch::blocked_again(service, found)),
            Record::SessionsCut { sessions, .. } => (Tone::Bad, cut(sessions.iter())),
            Record::TakenOver { from, .. } => (Tone::Warn, words::taken_over(from)),
            Record::StepDone { step, how, proof } => self.done(*step, *how, proof),
            Record::Reopened { steps, why } => {
                let kinds: Vec<&str> = steps.iter().map(|id| self.plan.steps()[id.0 as usize].kind.word()).collect();
                (Tone::Warn, format!("again: {}: {}", list(&kinds), clean(why)))
            }
            Record::TurnedBack { why, .. } => {
                (Tone::Warn, format!("goes back into service without the rest of its steps: {}", clean(&why.text)))
            }
            Record::Held { work, step, cause, reason, choices } => self.held((*work, *step), *cause, reason, choices),
            Record::Decided { choice, by, terms, .. } => {
                (Tone::Strong, format!("decided by {}: {}{}", clean(by), choice.word(), words::terms(terms)))
            }
            Record::ServerEnded { end, .. } => ended(end),
            Record::StopRequested { why } => (Tone::Warn, self.stopping(why)),
            Record::Swept { differences, .. } if differences.is_empty() => {
                (Tone::Good, "final check: as recorded".to_owned())
            }
            Record::Swept { differences, unseen: true, .. } => {
                (Tone::Bad, format!("not seen at the end: {}", clean(&differences.join("; "))))
            }
            Record::Swept { work, differences, .. } => {
                let said = words::differences(self.plan.work_of(*work), differences);
                (Tone::Bad, format!("final check: differs from the record: {}", clean(&said)))
            }
            Record::LevelRead { versions: Answer::Unknown(why), .. } => {
                (Tone::Bad, format!("whether it is at the level of its pool is not known: {}", clean(why)))
            }
            Record::LeftOver { text, .. } => (Tone::Warn, format!("left to look at: {}", clean(text))),
            Record::Gap { gap, by } => (Tone::Warn, words::gap(*gap, *by)),
            Record::Alarm { then, why, .. } => watch::alarm(*then, why),
            Record::AllClear { .. } => (Tone::Good, "the pool can do without it again".to_owned()),
            Record::PutOff { why, .. } => (Tone::Warn, put_off(why).to_owned()),
            Record::BalancerUndone { .. } => {
                let text = "the balancer had it ready again, by another hand: it is taken out again";
                (Tone::Warn, text.to_owned())
            }
            Record::StartTypesUndone { services, .. } => (Tone::Warn, watch::start_types_undone(services)),
            Record::Rebooted { booted, sessions, .. } => watch::rebooted(&look.date_time(*booted), sessions),
            Record::StoppedByOthers { sessions, uncounted, .. } => watch::stopped_by_others(sessions, uncounted),
            Record::PoolSeen { pool, absent, faults } => watch::pool_seen(pool, absent, faults),
            Record::Note { text, .. } => (Tone::Quiet, clean(text)),
            Record::RunEnded { outcome } => {
                (words::outcome_tone(*outcome), format!("the run has ended: {}", words::outcome(*outcome)))
            }
            Record::StepStarted { .. }
            | Record::Evidence { .. }
            | Record::Snapshot { .. }
            | Record::Intent(_)
            | Record::Outcome { .. }
            | Record::Installed { .. }
            | Record::Booted { .. }
            | Record::LevelRead { .. } => return None,
        })
    }

    /// Answers are only told when they are not all yes, and once: the end of the guard tells the good ones.
    fn answers(&mut self, step: StepId, asked: &[Asked]) -> Option<(Tone, String)> {
        let not_yes: Vec<String> = asked
            .iter()
            .filter(|asked| !asked.verdict.is_yes())
            .map(|asked| {
                let (question, word) = (asked.question, asked.verdict.word());
                format!("{question}? {word}: {}", clean(asked.verdict.text()))
            })
            .collect();
        let kind = self.plan.steps()[step.0 as usize].kind;
        let text = format!("{kind}: {}", not_yes.join("; "));
        let before = self.against.insert(step, text.clone());
        (!not_yes.is_empty() && before.as_ref() != Some(&text)).then_some((Tone::Warn, text))
    }

    fn done(&self, step: StepId, how: StepEnd, proof: &str) -> (Tone, String) {
        let kind = self.plan.steps()[step.0 as usize].kind;
        let proof = clean(proof);
        match how {
            StepEnd::Done => (Tone::Plain, format!("{kind}: {proof}")),
            StepEnd::AlreadyDone => (Tone::Plain, format!("{kind}: nothing to do: {proof}")),
            StepEnd::Skipped if kind == StepKind::Database => (Tone::Strong, format!("{kind}: left for you: {proof}")),
            StepEnd::Skipped => (Tone::Quiet, format!("{kind}: passed over: {proof}")),
        }
    }

    /// Says why the run stops, what comes first, and what a second Ctrl-C would leave.
    fn stopping(&self, why: &StopWhy) -> String {
        let lead = format!("stopping: {}", clean(why.text()));
        if matches!(why, StopWhy::OperatorNow(_)) {
            return lead;
        }
        let names: Vec<&str> = self.in_hand.iter().map(|work| self.names.of_work(*work)).collect();
        let installing: Vec<&str> = self.installing.iter().map(|work| self.names.of_work(*work)).collect();
        let second = stopping::second((&names, &installing), self.seat);
        if names.is_empty() {
            return format!("{lead}; no server is in hand; {second}");
        }
        let back = match &self.command {
            Some((program, run)) => format!(" (`{program} recover {run}` brings it back)"),
            None => String::new(),
        };
        format!("{lead}; what is in hand is finished or undone first: {}; {second}{back}", list(&names))
    }

    fn held(
        &self,
        (work, step): (WorkId, StepId),
        cause: HoldCause,
        reason: &str,
        choices: &[HoldChoice],
    ) -> (Tone, String) {
        let kind = self.plan.steps()[step.0 as usize].kind;
        let choices: Vec<&str> = choices.iter().map(|choice| choice.word()).collect();
        let choices = choices.join(", ");
        let how = match &self.command {
            // With bars between the choices a shell would take them for programs, and the first one for the decision.
            Some((program, run)) => {
                format!("decide: {choices}; with: {program} decide {run} {} CHOICE", self.names.of_work(work))
            }
            None => format!("decide: {choices}"),
        };
        (Tone::Bad, format!("HELD in {kind}, {}: {}; {how}", cause.code(), clean(reason)))
    }
}

/// Returns a text about a server without its name in front of a reason: the line begins with it.
fn named_once(text: &str, server: &ServerName) -> String {
    let mut text = text.to_owned();
    for name in [server.as_str(), server.short()] {
        let lead = format!("{name}: ");
        while text.starts_with(&lead) {
            text.drain(..lead.len());
        }
        text = text.replace(&format!(": {lead}"), ": ");
    }
    text
}

fn put_off(why: &Why) -> &'static str {
    match why.kind {
        WhyKind::Operator | WhyKind::Window => {
            "back in service as it was, for the stop of before; begins again, since the run was taken up again"
        }
        WhyKind::Changed => "back in service as it was found; what is to be done to it is asked anew",
        WhyKind::Failed | WhyKind::Pool | WhyKind::Elsewhere => {
            "back in service and put off: begins again when the pool can do without it"
        }
    }
}

fn run_started(header: &RunHeader) -> String {
    let plan = header.plan.get(..12).unwrap_or(&header.plan);
    let attended = match header.attended {
        Attended::Yes => "",
        Attended::No => ", unattended",
    };
    let approved = words::approved_by(header).map_or(String::new(), |by| format!(", {by}"));
    format!("run {} of plan {plan} begins, started by {}{attended}{approved}", header.run, header.by)
}

/// Acts on single services are bookkeeping; what is told are the acts that nobody can overlook.
fn act(intent: &Intent) -> Option<(Tone, String)> {
    match &intent.act {
        Act::StartInstaller(_) | Act::Restart { .. } | Act::SetBalancer { .. } => {
            Some((Tone::Plain, clean(&intent.act.to_string())))
        }
        Act::SetStartType { .. } | Act::Pause { .. } | Act::Continue { .. } | Act::Start { .. } | Act::Stop { .. } => {
            None
        }
    }
}

/// Returns what became of an act, without its reason, and the reason.
fn outcome_said<'a>(act: &str, outcome: &'a ActOutcome) -> Option<(Tone, String, &'a str)> {
    let act = clean(act);
    match outcome {
        ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined => None,
        ActOutcome::Retry(why) => Some((Tone::Warn, format!("{act}: not yet, will be tried again"), why)),
        ActOutcome::Failed(why) => Some((Tone::Bad, format!("{act}: failed"), why)),
        ActOutcome::Unknown(why) => {
            Some((Tone::Warn, format!("{act}: whether it happened is not known, the next look tells"), why))
        }
    }
}

fn installer(what: &str, code: i64, meaning: ExitMeaning) -> (Tone, String) {
    let tone = match meaning {
        ExitMeaning::Done | ExitMeaning::RestartNeeded | ExitMeaning::RestartStarted => Tone::Plain,
        ExitMeaning::Busy => Tone::Warn,
        ExitMeaning::Failed => Tone::Bad,
    };
    let said = words::exit_meaning(meaning);
    (tone, format!("{} ended with exit code {}: {said}", clean(what), exit_code::text(code)))
}

fn ended(end: &ServerEnd) -> (Tone, String) {
    let said = match end {
        ServerEnd::Finished => "done: back in service".to_owned(),
        ServerEnd::NothingToDo { why } => format!("nothing to do: {}", clean(why)),
        ServerEnd::LeftOut { why } => clean(why),
        ServerEnd::Untouched { why } => format!("not touched: {}", clean(&why.text)),
        ServerEnd::Returned { why } => format!("back in service early: {}", clean(&why.text)),
        ServerEnd::Out { why } => format!("OUT OF SERVICE: {}", clean(why)),
    };
    (words::end_tone(end), said)
}

fn cut<'s>(sessions: impl Iterator<Item = (&'s orchestrate_model::ServiceName, &'s u64)>) -> String {
    let each: Vec<(String, u64)> = sessions.map(|(service, count)| (format!("{service} {count}"), *count)).collect();
    let all = each.iter().map(|(_, count)| count).sum();
    let each: Vec<&str> = each.iter().map(|(text, _)| text.as_str()).collect();
    format!("{} cut, as the plan allows: {}", count(all, "session"), each.join(", "))
}

/// Returns the server's work that a record is about, if it is about one.
#[must_use]
pub fn subject(plan: &Plan, record: &Record) -> Option<WorkId> {
    let of_step = |id: &StepId| match plan.steps().get(id.0 as usize)?.target {
        StepTarget::Server(work) => Some(work),
        StepTarget::Pool(_) => None,
    };
    match record {
        Record::StepStarted { step } | Record::Evidence { step, .. } | Record::StepDone { step, .. } => of_step(step),
        Record::Reopened { steps, .. } => steps.first().and_then(of_step),
        Record::Intent(intent) => Some(intent.work),
        Record::Snapshot { work, .. }
        | Record::InstallerEnded { work, .. }
        | Record::Reasserted { work, .. }
        | Record::SessionsCut { work, .. }
        | Record::TakenOver { work, .. }
        | Record::TurnedBack { work, .. }
        | Record::Held { work, .. }
        | Record::Decided { work, .. }
        | Record::ServerEnded { work, .. }
        | Record::Swept { work, .. }
        | Record::LeftOver { work, .. }
        | Record::Installed { work, .. }
        | Record::Alarm { work, .. }
        | Record::AllClear { work }
        | Record::PutOff { work, .. }
        | Record::BalancerUndone { work, .. }
        | Record::StartTypesUndone { work, .. }
        | Record::Rebooted { work, .. }
        | Record::StoppedByOthers { work, .. }
        | Record::LevelRead { work, .. }
        | Record::Booted { work, .. } => Some(*work),
        Record::Note { work, .. } => *work,
        Record::RunStarted(_)
        | Record::Resumed { .. }
        | Record::Outcome { .. }
        | Record::StopRequested { .. }
        | Record::Gap { .. }
        | Record::PoolSeen { .. }
        | Record::RunEnded { .. } => None,
    }
}

/// The names of a plan's servers for output where space is short: first labels, where these are unique.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    names: Vec<String>,
    pub(crate) columns: usize,
}

impl Names {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self::from_names(plan.work().iter().map(|work| &work.server))
    }

    pub(crate) fn from_names<'s>(servers: impl Iterator<Item = &'s ServerName> + Clone) -> Self {
        let shorts: BTreeSet<&str> = servers.clone().map(ServerName::short).collect();
        let unique = shorts.len() == servers.clone().count();
        let names: Vec<String> =
            servers.map(|name| if unique { name.short().to_owned() } else { name.to_string() }).collect();
        let columns = names.iter().map(|name| width(name)).max().unwrap_or(0);
        Self { names, columns }
    }

    pub(crate) fn of_work(&self, work: WorkId) -> &str {
        self.at(work.0 as usize)
    }

    pub(crate) fn at(&self, position: usize) -> &str {
        self.names.get(position).map_or("", String::as_str)
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
pub(crate) mod tests;
