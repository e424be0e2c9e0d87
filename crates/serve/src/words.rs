//! What becomes of a plan, for people and for programs.

use crate::judge::{Approval, Known, Moment, PlanFile, Verdict};
use jiff::Timestamp;
use orchestrate_display::{Look, clean};
use orchestrate_model::RunId;
use orchestrate_planner::windows::{Opening, WindowState};
use serde::{Deserialize, Serialize};

/// One plan as it is listed. A program may find more fields in a later version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The plan file.
    pub plan: String,
    /// The name of the plan, where the file can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What becomes of it, as one word.
    pub state: String,
    /// What becomes of it, in words.
    pub text: String,
    /// The fingerprint that was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When its window opens next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Opening>,
    /// Until when its window is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// The run that is unfinished, at work, or the last one of what was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The exit code of the last start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Why it ended like this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What the starts of the plan have said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Status {
    /// Returns a plan as it is listed. `text` is its verdict in words.
    #[must_use]
    pub fn of((plan, text): (&str, String), known: &Known, verdict: &Verdict, now: Moment) -> Self {
        let (title, state) = match &known.file {
            PlanFile::Good(good) => (Some(good.title.clone()), Some(good.calendar.state(now.plan))),
            PlanFile::Written | PlanFile::Broken(_) | PlanFile::Gone => (None, None),
        };
        let (window, open_until) = match state {
            Some(WindowState::Inside { ends }) => (None, ends),
            Some(WindowState::Outside { next }) => (next, None),
            None => (None, None),
        };
        let (approved, approved_by) = match &known.approval {
            Approval::Given { fingerprint, by, .. } => (Some(fingerprint.clone()), Some(by.clone())),
            Approval::None | Approval::Unusable(_) => (None, None),
        };
        let end = known.last.as_ref().and_then(|last| last.end.clone());
        Self {
            plan: plan.to_owned(),
            title,
            state: verdict.word().to_owned(),
            text,
            approved,
            approved_by,
            window,
            open_until,
            run: known.campaign.run().cloned(),
            exit: end.as_ref().and_then(|end| end.exit),
            why: end.as_ref().map(|end| end.why.clone()),
            ended: end.as_ref().map(|end| end.at),
            log: None,
        }
    }
}

impl crate::judge::Campaign {
    /// Returns the run, where there is one.
    #[must_use]
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::None => None,
            // The run of another plan is not one of this.
            Self::Other { .. } => None,
            Self::Open { run, .. } | Self::Over { run, .. } => Some(run),
        }
    }
}

impl crate::judge::Campaign {
    /// Says which servers an unfinished run has left out on which no process works, and how they come back.
    #[must_use]
    pub fn left_out(&self, program: &str) -> Option<String> {
        match self {
            Self::Open { run, out, live: None, .. } if !out.is_empty() => {
                Some(format!("run {run} of it is unfinished{}; {}", outside(out), ways_out(program, run)))
            }
            Self::None | Self::Open { .. } | Self::Other { .. } | Self::Over { .. } => None,
        }
    }
}

impl Verdict {
    /// Whether its words name the servers that are out already.
    #[must_use]
    pub fn names_out(&self) -> bool {
        match self {
            Self::Gone { .. }
            | Self::Changed { .. }
            | Self::NextWindow { .. }
            | Self::Again { .. }
            | Self::Person { .. }
            | Self::AtWork => true,
            Self::Written
            | Self::Broken(_)
            | Self::Forgotten
            | Self::WaitsForApproval(_)
            | Self::WaitsForWindow(_)
            | Self::NeverOpens
            | Self::Done { .. }
            | Self::WaitsForPool(_)
            | Self::WaitsForRun { .. }
            | Self::Due { .. } => false,
        }
    }

    /// Every word for what becomes of a plan.
    pub const WORDS: [&'static str; 16] = [
        "being_written",
        "broken",
        "gone",
        "forgotten",
        "changed",
        "waits_for_approval",
        "at_work",
        "waits_for_window",
        "never_opens",
        "waits_for_next_window",
        "begun_again",
        "needs_a_person",
        "done",
        "waits_for_pool",
        "waits_for_run",
        "due",
    ];

    /// Returns one word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Written => "being_written",
            Self::Broken(_) => "broken",
            Self::Gone { .. } => "gone",
            Self::Forgotten => "forgotten",
            Self::Changed { .. } => "changed",
            Self::WaitsForApproval(_) => "waits_for_approval",
            Self::AtWork => "at_work",
            Self::WaitsForWindow(_) => "waits_for_window",
            Self::NeverOpens => "never_opens",
            Self::NextWindow { .. } => "waits_for_next_window",
            Self::Again { .. } => "begun_again",
            Self::Person { .. } => "needs_a_person",
            Self::Done { .. } => "done",
            Self::WaitsForPool(_) => "waits_for_pool",
            Self::WaitsForRun { .. } => "waits_for_run",
            Self::Due { .. } => "due",
        }
    }

    /// Returns it in words. They stay the same as long as the same is waited for, so that each is told once. `approve` is the
    /// command that approves the plan, and `program` how this program is called.
    #[must_use]
    pub fn text(&self, (program, approve): (&str, &str), look: &Look) -> String {
        let window = |opening: &Opening| {
            format!(
                "the window that opens {} and ends {}",
                look.date_time(opening.starts),
                look.date_time(opening.ends)
            )
        };
        match self {
            Self::Written => "is being written, and is read when it has been left alone".to_owned(),
            Self::Broken(why) => format!("cannot be used: {}", clean(why)),
            Self::Gone { run, live: Some(who), .. } => {
                format!("the file is gone, and run {run} of it is at work ({}), as it was begun", clean(who))
            }
            Self::Gone { run, out, live: None } => {
                format!(
                    "the file is gone, and run {run} of it is unfinished{}; {}",
                    outside(out),
                    ways_out(program, run)
                )
            }
            Self::Forgotten => "the file is gone; nothing of it is unfinished".to_owned(),
            Self::Changed { run, differs, live: Some(who), .. } => format!(
                "was changed while run {run} of it is at work ({}), which goes on as it was begun: {}. Approve the new plan \
                 when the run has ended",
                clean(who),
                clean(differs)
            ),
            Self::Changed { run, differs, out, live: None } => format!(
                "was changed while run {run} of it is unfinished{}, and is not begun: {}. Put the plan back as it was, or \
                 finish the run (`{program} resume {run}`, `{program} recover {run}`) and approve the new plan",
                outside(out),
                clean(differs)
            ),
            Self::WaitsForApproval(None) => format!("waits for approval: `{approve}`"),
            Self::WaitsForApproval(Some(why)) => {
                format!("waits for approval: {}; `{approve}`", clean(why))
            }
            Self::AtWork => "is at work".to_owned(),
            Self::WaitsForWindow(opening) => format!("waits for {}", window(opening)),
            Self::NeverOpens => "no window of it opens in the next four years".to_owned(),
            Self::NextWindow { exit, why, next: Some(opening), out } => {
                format!("{}{}; waits for {}", last(*exit, why), outside(out), window(opening))
            }
            Self::NextWindow { exit, why, next: None, out } => {
                let last = last(*exit, why);
                format!("{last}{}; no other window opens: change the plan, or approve it again", outside(out))
            }
            Self::Again { at, exit, why, out } => {
                format!("{}{}; is begun again {}", last(*exit, why), outside(out), look.date_time(*at))
            }
            Self::Person { exit, why, out } => {
                let last = last(*exit, why);
                format!("{last}{}; a person has to look, and then change the plan or approve it again", outside(out))
            }
            Self::Done { run: Some(run) } => format!("done by run {run}"),
            Self::Done { run: None } => "there was nothing to do".to_owned(),
            Self::WaitsForPool(who) => format!("its window is open, and it waits for its pool: {}", clean(who)),
            Self::WaitsForRun { run, file, out } => format!(
                "its window is open, and it waits for run {run} of {}, which works on the same pool and is unfinished{}; {}",
                clean(file),
                outside(out),
                ways_out(program, run)
            ),
            Self::Due { .. } => "its window is open, and it waits for its turn".to_owned(),
        }
    }
}

/// Says how the last start ended.
fn last(exit: Option<u8>, why: &str) -> String {
    match exit {
        Some(code) => format!("ended with {code}: {}", clean(why)),
        None => clean(why),
    }
}

/// The commands that end an unfinished run.
fn ways_out(program: &str, run: &RunId) -> String {
    format!("`{program} resume {run}` finishes it, `{program} recover {run}` only brings back what is out")
}

fn outside(out: &[String]) -> String {
    if out.is_empty() { String::new() } else { format!(", with {} out of service", out.join(", ")) }
}
