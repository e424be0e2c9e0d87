//! The loop of `serve`: looks at the folder and at the starts, judges each plan, begins what is due, and says what is new.

use super::board::Board;
use super::book::{self, Begun};
use super::folder;
use super::index::Index;
use super::plan::{Ground, Plan};
use super::start;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::Look;
use orchestrate_serve::{
    Approval, Campaign, Candidate, End, Hindrance, Last, PlanFile, Quiet, Taken, Verdict, judge, turns,
};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the folder is looked at. Why 2 s: a file that was saved is read some seconds later, and two hundred plans are
/// a few hundred questions to the file system.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often the journals are looked at though nothing has happened here: a person may have worked on a run.
const JOURNALS_EVERY: Duration = Duration::from_secs(60);

/// How long a judgement is good though nothing has changed: the clock of this machine may be set.
const JUDGED_FOR: Duration = Duration::from_secs(60);

/// What serves a folder.
pub(crate) struct Supervisor<'a> {
    ground: Ground<'a>,
    at_once: NonZeroUsize,
    plans: BTreeMap<String, Plan>,
    quiet: Quiet,
    index: Index,
    /// When the journals were read last.
    indexed: Option<Instant>,
    children: BTreeMap<String, Child>,
    began: Instant,
    board: Arc<Board>,
    /// What is wrong with the folder, as it was told.
    unreadable: Option<String>,
}

impl<'a> Supervisor<'a> {
    pub(crate) fn new(ground: Ground<'a>, at_once: NonZeroUsize, board: Arc<Board>) -> Self {
        Self {
            ground,
            at_once,
            plans: BTreeMap::new(),
            quiet: Quiet::default(),
            index: Index::default(),
            indexed: None,
            children: BTreeMap::new(),
            began: Instant::now(),
            board,
            unreadable: None,
        }
    }

    /// Does one round.
    pub(crate) fn round(&mut self) {
        self.look_at_folder();
        self.look_at_starts();
        self.look_at_journals();
        self.judge_all();
        self.begin_what_is_due();
        self.forget();
        self.publish();
    }

    /// Returns the runs that go on without us.
    pub(crate) fn at_work(&self) -> Vec<String> {
        let plans = self.plans.values().filter(|plan| plan.known.at_work);
        plans.map(|plan| plan.known.campaign.run().map_or_else(|| plan.name.clone(), ToString::to_string)).collect()
    }

    fn look_at_folder(&mut self) {
        let found = match folder::look(self.ground.folder) {
            Ok(found) => found,
            Err(error) => {
                // What is known stays known: a folder on another machine may be away for a while.
                let why = error.to_string();
                if self.unreadable.as_ref() != Some(&why) {
                    say(
                        "",
                        &format!("{} cannot be read, and nothing new is begun: {why}", self.ground.folder.display()),
                    );
                    self.unreadable = Some(why);
                }
                return;
            }
        };
        if self.unreadable.take().is_some() {
            say("", "the folder can be read again");
        }
        for name in self.quiet.look(self.began.elapsed(), &found) {
            let plan = folder::approved(&name).unwrap_or(&name).to_owned();
            let known = self.plans.entry(plan.clone()).or_insert_with(|| Plan::new(&plan, &self.ground));
            if plan == name {
                known.read(&self.ground);
            } else {
                known.read_approval();
            }
            self.indexed = None;
        }
        for (name, plan) in &mut self.plans {
            if !found.contains_key(name) {
                if !matches!(plan.known.file, PlanFile::Gone) {
                    plan.gone();
                    self.indexed = None;
                }
            } else if self.quiet.is_waited_for(name) && !matches!(plan.known.file, PlanFile::Written) {
                (plan.known.file, plan.verdict) = (PlanFile::Written, None);
            }
            if plan.approval_is_old(&found) {
                let before = plan.known.approval.clone();
                plan.read_approval();
                if plan.known.approval != before {
                    self.indexed = None;
                }
            }
        }
    }

    fn look_at_starts(&mut self) {
        for (name, plan) in &mut self.plans {
            let gone = match self.children.get_mut(name).map(Child::try_wait) {
                Some(Ok(None)) => false,
                Some(Ok(Some(status))) => {
                    // What ends a process by force on Windows gives it a code, which is none of ours.
                    let exit = status.code().and_then(Exit::known);
                    let why = format!(
                        "its process ended with {status} and left no reason (its log may have one: {})",
                        plan.book.log().display()
                    );
                    // It says so itself, unless it was ended by force.
                    tell_trouble(name, plan.book.end(End { exit, why, at: Timestamp::now() }));
                    self.children.remove(name);
                    true
                }
                // One of an earlier process, or one that cannot be waited for.
                Some(Err(_)) | None => plan.known.at_work && !plan.book.is_at_work(),
            };
            if gone {
                plan.known.at_work = false;
                plan.known.last = plan.book.last(&plan.path);
                plan.verdict = None;
                self.indexed = None;
                let end = plan.known.last.as_ref().and_then(|last| last.end.as_ref());
                say(name, &ended(end));
                self.board.ended(end);
            }
        }
    }

    fn look_at_journals(&mut self) {
        if self.indexed.is_some_and(|at| at.elapsed() < JOURNALS_EVERY) {
            return;
        }
        match self.index.refresh(self.ground.state) {
            Ok(()) => {
                self.indexed = Some(Instant::now());
                for plan in self.plans.values_mut() {
                    plan.look_up(&self.index, &self.ground);
                }
            }
            Err(failure) => tracing::warn!(why = failure.in_one_line(), "the runs cannot be read"),
        }
    }

    fn judge_all(&mut self) {
        let look = output::log_look();
        for plan in self.plans.values_mut() {
            let now = plan.moment();
            let known = plan.verdict.as_ref().filter(|(verdict, at)| {
                let waits = match verdict {
                    Verdict::WaitsForWindow(next) | Verdict::NextWindow { next: Some(next), .. } => {
                        now.plan < next.starts
                    }
                    Verdict::Again { at, .. } => now.here < *at,
                    Verdict::Due { .. } | Verdict::WaitsForPool(_) | Verdict::WaitsForRun { .. } => false,
                    Verdict::Written
                    | Verdict::Broken(_)
                    | Verdict::Gone { .. }
                    | Verdict::Forgotten
                    | Verdict::Changed { .. }
                    | Verdict::WaitsForApproval(_)
                    | Verdict::AtWork
                    | Verdict::NeverOpens
                    | Verdict::NextWindow { next: None, .. }
                    | Verdict::Person { .. }
                    | Verdict::Done { .. } => true,
                };
                waits && at.elapsed() < JUDGED_FOR
            });
            if known.is_some() {
                continue;
            }
            let mut verdict = judge(&plan.known, now);
            if matches!(verdict, Verdict::Due { .. } | Verdict::WaitsForPool(_) | Verdict::WaitsForRun { .. }) {
                plan.ask_pools(self.ground.state);
                verdict = judge(&plan.known, now);
            }
            let is_due = matches!(verdict, Verdict::Due { .. });
            plan.verdict = Some((verdict, Instant::now()));
            // Whether it is begun is said in the same round.
            if !is_due {
                tell(plan, &look);
            }
        }
    }

    fn begin_what_is_due(&mut self) {
        let mut candidates = Vec::new();
        let (mut at_work, mut left_out) = (Vec::new(), Vec::new());
        for plan in self.plans.values() {
            let share = plan.share().clone();
            if plan.known.at_work {
                at_work.push(share);
            } else if let Some((Verdict::Due { ends, .. }, _)) = &plan.verdict {
                let unfinished = matches!(plan.known.campaign, Campaign::Open { .. });
                candidates.push(Candidate { name: plan.name.clone(), share, unfinished, ends: *ends });
            } else if matches!(&plan.known.campaign, Campaign::Open { out, .. } if !out.is_empty()) {
                left_out.push(share);
            }
        }
        if candidates.is_empty() {
            return;
        }
        let look = output::log_look();
        let turns = turns(candidates, Taken { at_work: &at_work, left_out: &left_out }, self.at_once);
        for name in turns.begun {
            self.begin(&name);
        }
        let mut waiting: BTreeMap<String, Hindrance> = turns.waiting.into_iter().collect();
        for plan in self.plans.values_mut() {
            plan.hindered(waiting.remove(&plan.name));
            if matches!(plan.verdict, Some((Verdict::Due { .. }, _))) {
                tell(plan, &look);
            }
        }
    }

    /// Begins a plan. It is read once more: its calendars may be others by now, which are files beside it.
    fn begin(&mut self, name: &str) {
        let Some(plan) = self.plans.get_mut(name) else { return };
        plan.read(&self.ground);
        let verdict = judge(&plan.known, plan.moment());
        let (Verdict::Due { ends, tries }, PlanFile::Good(good), Approval::Given { fingerprint, at, by }) =
            (&verdict, &plan.known.file, &plan.known.approval)
        else {
            plan.verdict = Some((verdict, Instant::now()));
            return;
        };
        let last = Last {
            digest: good.digest.clone(),
            approved: fingerprint.clone(),
            approved_at: *at,
            begun: Timestamp::now(),
            window_ends: *ends,
            tries: *tries,
            end: None,
        };
        let begun = Begun { start: uuid::Uuid::new_v4().to_string(), plan: plan.path.clone(), last: last.clone() };
        let started = plan.book.begin(&begun).and_then(|()| start::spawn(&self.ground, plan, fingerprint));
        let said = match &plan.known.campaign {
            Campaign::Open { run, .. } => format!("goes on with run {run}"),
            Campaign::None | Campaign::Other { .. } | Campaign::Over { .. } => "is begun".to_owned(),
        };
        let text = match started {
            Ok(child) => {
                let (process, log) = (child.id(), plan.book.log());
                self.children.insert(name.to_owned(), child);
                (plan.known.at_work, plan.known.last) = (true, Some(last));
                self.board.begun();
                format!("{said} as approved by {by}: process {process}, log {}", log.display())
            }
            Err(failure) => {
                let why = failure.in_one_line();
                let end = End { exit: Some(failure.exit().code()), why: why.clone(), at: Timestamp::now() };
                plan.known.last = Some(Last { end: Some(end.clone()), ..last });
                tell_trouble(name, plan.book.end(end));
                format!("cannot be begun: {why}")
            }
        };
        say(name, &text);
        plan.verdict = Some((judge(&plan.known, plan.moment()), Instant::now()));
        plan.told = plan.words(&output::log_look()).unwrap_or_default();
        self.indexed = None;
    }

    /// Forgets plans that are gone and of which nothing is left.
    fn forget(&mut self) {
        self.plans.retain(|_, plan| !matches!(plan.verdict, Some((Verdict::Forgotten, _))));
    }

    fn publish(&mut self) {
        let look = Look { style: orchestrate_display::Style::Plain, ..output::log_look() };
        let list = self.plans.values_mut().filter_map(|plan| plan.listed(&look));
        self.board.publish(list.collect());
    }
}

/// Says what becomes of a plan, when that is another thing than what was said last.
fn tell(plan: &mut Plan, look: &Look) {
    let Some(text) = plan.words(look) else { return };
    let is_of_a_moment = matches!(plan.verdict, Some((Verdict::Written, _)));
    if !is_of_a_moment && text != plan.told {
        say(&plan.name, &text);
        plan.told = text;
    }
}

/// Says how a start ended.
fn ended(end: Option<&End>) -> String {
    match end {
        Some(End { exit: Some(code), why, .. }) => format!("ended with {code}: {}", orchestrate_display::clean(why)),
        Some(End { exit: None, why, .. }) => format!("ended by force: {}", orchestrate_display::clean(why)),
        None => "ended by force, while no process watched it".to_owned(),
    }
}

fn tell_trouble(plan: &str, done: Result<(), Failure>) {
    if let Err(failure) = done {
        say(plan, &format!("how its start ended cannot be written down: {}", failure.in_one_line()));
    }
}

/// Writes a line of the log.
pub(crate) fn say(plan: &str, text: &str) {
    let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::system());
    let time = now.strftime("%Y-%m-%d %H:%M:%S");
    let plan = if plan.is_empty() { String::new() } else { format!("{}  ", orchestrate_display::clean(plan)) };
    crate::drive::say(&format!("{time}  {plan}{text}\n"));
}

/// Returns the lock of what serves a state folder.
pub(crate) fn lock_of(state: &std::path::Path) -> std::path::PathBuf {
    book::folder(state).join("lock")
}
