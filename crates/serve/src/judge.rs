//! The one judgement of a plan: what it waits for, or that it is due.

use crate::end::{End, Last, Next, next};
use crate::turn::Share;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::RunId;
use orchestrate_planner::windows::{Calendar, Opening, WindowState};

/// The time of a judgement. A plan on a lab has the time of its lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the clock of the plan's servers, in which its windows are.
    pub plan: Timestamp,
    /// By the clock of this machine, in which starts are counted.
    pub here: Timestamp,
}

/// A plan that can be used.
#[derive(Debug, Clone)]
pub struct Good {
    /// Its name.
    pub title: String,
    /// What it says, as a digest: a comment or a blank is no other plan.
    pub digest: String,
    /// When its windows are.
    pub calendar: Calendar,
    /// What it takes of what plans share: its pools, and what shared budgets count.
    pub share: Share,
}

/// What is known of a plan file.
#[derive(Debug, Clone)]
pub enum PlanFile {
    /// It has not been left alone for long enough to be read.
    Written,
    /// It has mistakes, or cannot be read.
    Broken(String),
    /// It can be used.
    Good(Box<Good>),
    /// It is gone.
    Gone,
}

/// Who has said yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Nobody.
    None,
    /// There is an approval, and it cannot be used.
    Unusable(String),
    /// A person.
    Given {
        /// The fingerprint of the plan that was approved.
        fingerprint: String,
        /// When.
        at: Timestamp,
        /// By whom.
        by: String,
    },
}

/// What the runs in the state folder say of the plan's pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Campaign {
    /// No run of what was approved, and none that is unfinished.
    None,
    /// A run that is unfinished.
    Open {
        /// The run.
        run: RunId,
        /// Its fingerprint.
        fingerprint: String,
        /// The servers that are out, or may be.
        out: Vec<String>,
        /// In what the plan file is another plan, in words. `None`: it is the same.
        differs: Option<String>,
        /// How its last start ended. `None`: its records say of no end.
        ended: Option<End>,
        /// Who works on it, in words, where a process does.
        live: Option<String>,
    },
    /// A run of another plan on a pool of this one, which is unfinished.
    Other {
        /// The run.
        run: RunId,
        /// The plan file that it was begun with.
        file: String,
        /// The servers that are out, or may be.
        out: Vec<String>,
        /// Who works on it, in words, where a process does.
        live: Option<String>,
    },
    /// What was approved is over.
    Over {
        /// The run.
        run: RunId,
        /// The exit code that it ended with.
        exit: u8,
        /// How it ended, in words.
        how: String,
    },
}

/// Everything that is known of a plan.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its file.
    pub file: PlanFile,
    /// Who has said yes.
    pub approval: Approval,
    /// The runs on its pools.
    pub campaign: Campaign,
    /// Its last start.
    pub last: Option<Last>,
    /// Whether that start is at work.
    pub at_work: bool,
    /// Who else works on one of its pools, in words.
    pub elsewhere: Option<String>,
}

/// What becomes of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The file is being written.
    Written,
    /// The file has mistakes.
    Broken(String),
    /// The file is gone, and a run of it is unfinished.
    Gone {
        /// The run.
        run: RunId,
        /// The servers that are out.
        out: Vec<String>,
        /// Who works on it, in words, where a process does.
        live: Option<String>,
    },
    /// The file is gone, and nothing of it is unfinished.
    Forgotten,
    /// It was changed while its run is unfinished.
    Changed {
        /// The run.
        run: RunId,
        /// In what.
        differs: String,
        /// The servers that are out, or may be.
        out: Vec<String>,
        /// Who works on the run, in words, where a process does.
        live: Option<String>,
    },
    /// A person has to approve it, and why the approval that there may be will not do.
    WaitsForApproval(Option<String>),
    /// It was begun, and is at work.
    AtWork,
    /// Its window is waited for.
    WaitsForWindow(Opening),
    /// No window of it opens any more.
    NeverOpens,
    /// The last start was refused or stopped; the next window is waited for.
    NextWindow {
        /// With which code.
        exit: Option<u8>,
        /// Why.
        why: String,
        /// The window. `None`: none opens any more, or it has none.
        next: Option<Opening>,
        /// The servers that are out meanwhile, or may be.
        out: Vec<String>,
    },
    /// It is begun again in this window.
    Again {
        /// When, by the clock of this machine.
        at: Timestamp,
        /// With which code the last start ended.
        exit: Option<u8>,
        /// Why.
        why: String,
        /// The servers that are out meanwhile, or may be.
        out: Vec<String>,
    },
    /// A person has to look.
    Person {
        /// With which code the last start ended.
        exit: Option<u8>,
        /// Why.
        why: String,
        /// The servers that are out meanwhile, or may be.
        out: Vec<String>,
    },
    /// Everything is done.
    Done {
        /// The run, where there was anything to do.
        run: Option<RunId>,
    },
    /// Somebody else works on a pool of it.
    WaitsForPool(String),
    /// A run of another plan on a pool of it is unfinished, and no process works on it.
    WaitsForRun {
        /// The run.
        run: RunId,
        /// The plan file that it was begun with.
        file: String,
        /// The servers that are out, or may be.
        out: Vec<String>,
    },
    /// It could be begun now.
    Due {
        /// When its window ends; outside a window, where servers only have to come back, when the next one opens.
        ends: Option<Timestamp>,
        /// Which start in this window it will be.
        tries: u32,
    },
}

/// Judges a plan.
#[must_use]
pub fn judge(known: &Known, now: Moment) -> Verdict {
    if known.at_work {
        return Verdict::AtWork;
    }
    let good = match &known.file {
        PlanFile::Written => return Verdict::Written,
        PlanFile::Broken(why) => return Verdict::Broken(why.clone()),
        PlanFile::Gone => return gone(&known.campaign),
        PlanFile::Good(good) => good,
    };
    if let Some(said) = unapproved(known) {
        return said;
    }
    if let Campaign::Over { run, exit, how } = &known.campaign {
        return match next(Some(*exit)) {
            Next::Over => Verdict::Done { run: Some(run.clone()) },
            Next::NextWindow | Next::Again { .. } | Next::Person => {
                Verdict::Person { exit: Some(*exit), why: format!("run {run}: {how}"), out: Vec::new() }
            }
        };
    }
    if let Some(said) = stopped(known) {
        return said;
    }
    let tries = match after_last(known, good, now) {
        Ok(tries) => tries,
        Err(verdict) => return verdict,
    };
    match good.calendar.state(now.plan) {
        // What was left out comes back at any hour; nothing else is begun then.
        WindowState::Outside { next } if is_left_out(&known.campaign) => {
            due(known, next.map(|next| next.starts), tries)
        }
        WindowState::Outside { next: None } => Verdict::NeverOpens,
        WindowState::Outside { next: Some(next) } => Verdict::WaitsForWindow(next),
        WindowState::Inside { ends } => due(known, ends, tries),
    }
}

/// Says that a plan may be begun, or who is in its way.
fn due(known: &Known, ends: Option<Timestamp>, tries: u32) -> Verdict {
    match (&known.elsewhere, &known.campaign) {
        (Some(who), _) => Verdict::WaitsForPool(who.clone()),
        (None, Campaign::Other { run, file, live: Some(who), .. }) => {
            Verdict::WaitsForPool(format!("run {run} of {file}: {who}"))
        }
        (None, Campaign::Open { run, live: Some(who), .. }) => Verdict::WaitsForPool(format!("run {run} of it: {who}")),
        (None, Campaign::Other { run, file, out, live: None }) => {
            Verdict::WaitsForRun { run: run.clone(), file: file.clone(), out: out.clone() }
        }
        (None, Campaign::None | Campaign::Open { live: None, .. } | Campaign::Over { .. }) => {
            Verdict::Due { ends, tries }
        }
    }
}

/// Whether the run broke off with servers out, and no process works on it.
fn is_left_out(campaign: &Campaign) -> bool {
    match campaign {
        Campaign::Open { out, ended: None, live: None, .. } => !out.is_empty(),
        Campaign::None | Campaign::Open { .. } | Campaign::Other { .. } | Campaign::Over { .. } => false,
    }
}

fn gone(campaign: &Campaign) -> Verdict {
    match campaign {
        Campaign::Open { run, out, live, .. } => {
            Verdict::Gone { run: run.clone(), out: out.clone(), live: live.clone() }
        }
        Campaign::None | Campaign::Other { .. } | Campaign::Over { .. } => Verdict::Forgotten,
    }
}

/// Says why nobody has approved what would be begun.
fn unapproved(known: &Known) -> Option<Verdict> {
    let fingerprint = match &known.approval {
        Approval::Given { fingerprint, .. } => Some(fingerprint),
        Approval::None | Approval::Unusable(_) => None,
    };
    if let Campaign::Open { run, fingerprint: begun, differs, out, live, .. } = &known.campaign {
        if let Some(differs) = differs {
            let (run, differs) = (run.clone(), differs.clone());
            return Some(Verdict::Changed { run, differs, out: out.clone(), live: live.clone() });
        }
        if fingerprint.is_some_and(|approved| approved != begun) {
            let why = format!("run {run} of it is unfinished, and the approval is of another plan");
            return Some(Verdict::WaitsForApproval(Some(why)));
        }
    }
    match &known.approval {
        Approval::None => Some(Verdict::WaitsForApproval(None)),
        Approval::Unusable(why) => Some(Verdict::WaitsForApproval(Some(why.clone()))),
        Approval::Given { .. } => None,
    }
}

/// Says that a run was stopped for a person to look, whoever had begun or resumed it, and nobody has approved it since.
fn stopped(known: &Known) -> Option<Verdict> {
    let (Campaign::Open { run, ended: Some(end), .. }, Approval::Given { at, .. }) = (&known.campaign, &known.approval)
    else {
        return None;
    };
    let why = || format!("run {run}: {}", end.why);
    let is_for_person = next(end.exit) == Next::Person && end.at >= *at;
    is_for_person.then(|| Verdict::Person { exit: end.exit, why: why(), out: out(&known.campaign) })
}

/// Judges by how the last start ended. Returns which start in this window the next one is, where that one may be made.
fn after_last(known: &Known, good: &Good, now: Moment) -> Result<u32, Verdict> {
    let Some(last) = last_of_this(known, good) else { return Ok(1) };
    let same_window = last.window_ends.is_none_or(|ends| now.plan < ends);
    let (exit, why, at) = match &last.end {
        Some(end) => (end.exit, end.why.clone(), end.at),
        None => (None, "it was ended by force, and has not said how far it came".to_owned(), last.begun),
    };
    let out = out(&known.campaign);
    let later = |why: String| {
        let next = match (good.calendar.state(now.plan), last.window_ends) {
            (WindowState::Outside { next }, _) => next,
            (WindowState::Inside { .. }, None) => None,
            (WindowState::Inside { .. }, Some(ends)) => match good.calendar.state(ends.max(now.plan)) {
                WindowState::Outside { next } => next,
                // Windows that meet are one opening; a window that opens as another one ends is none.
                WindowState::Inside { .. } => None,
            },
        };
        Verdict::NextWindow { exit, why, next, out: out.clone() }
    };
    match next(exit) {
        // There was nothing to do: a run would have said so itself.
        Next::Over if matches!(known.campaign, Campaign::None) => Err(Verdict::Done { run: None }),
        Next::Person => Err(Verdict::Person { exit, why, out: out.clone() }),
        Next::Over | Next::NextWindow | Next::Again { .. } if !same_window => Ok(1),
        Next::Over | Next::NextWindow => Err(later(why)),
        Next::Again { most, .. } if last.tries >= most => {
            Err(later(format!("{why} (start {} of at most {most} in one window)", last.tries)))
        }
        Next::Again { after, .. } => {
            let due = at.checked_add(after).unwrap_or(Timestamp::MAX);
            // A clock that was set back must not keep a plan waiting for years.
            let is_over = now.here >= due || due.duration_since(now.here) > after + SignedDuration::from_secs(1);
            if is_over { Ok(last.tries + 1) } else { Err(Verdict::Again { at: due, exit, why, out: out.clone() }) }
        }
    }
}

/// The servers that an unfinished run has out, or may have.
fn out(campaign: &Campaign) -> Vec<String> {
    match campaign {
        Campaign::Open { out, .. } => out.clone(),
        Campaign::None | Campaign::Other { .. } | Campaign::Over { .. } => Vec::new(),
    }
}

/// Returns the last start when it was of this plan with this approval: what became of another one says nothing.
fn last_of_this<'a>(known: &'a Known, good: &Good) -> Option<&'a Last> {
    let Approval::Given { fingerprint, at, .. } = &known.approval else { return None };
    let same = |last: &&Last| last.digest == good.digest && last.approved == *fingerprint && last.approved_at == *at;
    known.last.as_ref().filter(same)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
