//! What `orchestrate decide` takes.

use crate::failure::Failure;
use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use orchestrate_model::hold::{HoldChoice, Terms};

/// What can be decided about a held server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// Do the step again, after a look at the server
    Retry,
    /// Count the step as done and go on with the next one of this server
    Skip,
    /// Say that what you were asked to do is done, where a hold asks for it
    Confirm,
    /// Let the sessions of a drain have `--minutes` more
    Extend,
    /// Cut the sessions that are left, which you have counted: `--sessions`. Where the plan says so
    Cut,
    /// Bring the server back as it was recorded
    Return,
    /// Leave the server out, and go on without it as far as the budget lets
    Abandon,
    /// Stop the run: the server goes back first, as long as that can be done
    Stop,
}

impl Choice {
    pub(crate) fn meant(self) -> HoldChoice {
        match self {
            Self::Retry => HoldChoice::Retry,
            Self::Skip => HoldChoice::Skip,
            Self::Confirm => HoldChoice::Confirm,
            Self::Extend => HoldChoice::Extend,
            Self::Cut => HoldChoice::Cut,
            Self::Return => HoldChoice::Return,
            Self::Abandon => HoldChoice::Abandon,
            Self::Stop => HoldChoice::Stop,
        }
    }
}

/// A decision about a held server.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct DecideArgs {
    /// The run
    pub(crate) run: String,
    /// The server
    pub(crate) server: String,
    /// What to do with it
    pub(crate) choice: Choice,
    /// How much more time the sessions get, of `extend`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) minutes: Option<u32>,
    /// How many sessions are left now, and are to be cut, of `cut`
    #[arg(long, value_name = "N")]
    pub(crate) sessions: Option<u64>,
    /// Why, for the record of the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
}

impl DecideArgs {
    /// Returns what is said besides the word.
    ///
    /// # Errors
    /// Something is missing that the word needs, or is there that it does not take.
    pub(crate) fn terms(&self) -> Result<Terms, Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        match (self.choice, self.minutes, self.sessions) {
            (Choice::Extend, None, _) => return usage("extend needs to know by how much: --minutes 15"),
            (Choice::Cut, _, None) => {
                return usage(
                    "cut needs the number of sessions that are left now, as `status RUN` shows it: --sessions N",
                );
            }
            (Choice::Extend, Some(_), Some(_)) => return usage("--sessions is for cut"),
            (Choice::Cut, Some(_), Some(_)) => return usage("--minutes is for extend"),
            (Choice::Extend, Some(_), None) | (Choice::Cut, None, Some(_)) => {}
            (
                Choice::Retry | Choice::Skip | Choice::Confirm | Choice::Return | Choice::Abandon | Choice::Stop,
                None,
                None,
            ) => {}
            (Choice::Retry | Choice::Skip | Choice::Confirm | Choice::Return | Choice::Abandon | Choice::Stop, ..) => {
                return usage("--minutes is for extend, and --sessions for cut");
            }
        }
        let why = self.why.as_deref().map(str::trim).filter(|why| !why.is_empty()).map(str::to_owned);
        let more = self.minutes.map(|minutes| SignedDuration::from_mins(i64::from(minutes)));
        Ok(Terms { more, sessions: self.sessions, why })
    }
}
