//! Why a server is held, what can be done about it, and what a plan says about that beforehand.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What can be done about a held server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldChoice {
    /// Stop the run where it is and say what is out.
    Stop,
    /// Do the step again, after a look at the server.
    Retry,
    /// Count the step as done and go on with the next one of this server.
    Skip,
    /// What a person was asked to do is done: count the step as done. No plan can say that beforehand.
    Confirm,
    /// Bring the server back as it was recorded.
    Return,
    /// Leave the server out, and go on without it as far as the budget lets.
    Abandon,
    /// Let the sessions of a drain have so much more time. No plan can say that beforehand: its deadline is what it says.
    Extend,
    /// Cut the sessions that are left, which the person has counted. No plan can say that beforehand either; it has to say that
    /// a person may.
    Cut,
}

impl HoldChoice {
    /// Returns the word used in plan files and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Confirm => "confirm",
            Self::Return => "return",
            Self::Abandon => "abandon",
            Self::Extend => "extend",
            Self::Cut => "cut",
        }
    }
}

/// What a decision says besides its word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How much more time there is, counted from the decision. Of [`HoldChoice::Extend`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<SignedDuration>,
    /// How many sessions the person has read, and wants cut. Of [`HoldChoice::Cut`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// Why, in the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Terms {
    /// The longest time that a drain is given more at once. Why a day: longer than any window, and what is typed with a digit
    /// too many is noticed.
    pub const MOST: SignedDuration = SignedDuration::from_hours(24);

    /// Returns whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an unattended run does with held servers.
///
/// Written as one choice where there is no other, so that such a plan is the same one, with the same fingerprint, whether or
/// not it could have been written with several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct OnHold {
    /// By why they are held.
    pub by_cause: BTreeMap<HoldCause, HoldChoice>,
    /// With all others.
    pub otherwise: HoldChoice,
}

impl OnHold {
    /// Returns what is done with a server that is held for this.
    #[must_use]
    pub fn choice(&self, cause: HoldCause) -> HoldChoice {
        self.by_cause.get(&cause).copied().unwrap_or(self.otherwise)
    }
}

/// How it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    One(HoldChoice),
    ByCause { by_cause: BTreeMap<HoldCause, HoldChoice>, otherwise: HoldChoice },
}

impl From<Form> for OnHold {
    fn from(form: Form) -> Self {
        match form {
            Form::One(otherwise) => otherwise.into(),
            Form::ByCause { by_cause, otherwise } => Self { by_cause, otherwise },
        }
    }
}

impl From<OnHold> for Form {
    fn from(OnHold { by_cause, otherwise }: OnHold) -> Self {
        if by_cause.is_empty() { Self::One(otherwise) } else { Self::ByCause { by_cause, otherwise } }
    }
}

impl From<HoldChoice> for OnHold {
    fn from(otherwise: HoldChoice) -> Self {
        Self { by_cause: BTreeMap::new(), otherwise }
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $code:literal, $title:literal, [$($choice:ident),*];)*) => {
        /// Why a server is held. Each has a page of its own, `docs/diagnostics/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum HoldCause {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl HoldCause {
            /// Every cause, in the order of the codes.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the word used in plan files.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Returns the code of its page.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// Returns the cause in a few words: the title of its page.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// Returns what a plan may choose beforehand: what a hold of this cause may offer, without what only a person can
            /// say.
            #[must_use]
            pub fn choices(self) -> &'static [HoldChoice] {
                match self {
                    $(Self::$name => &[$(HoldChoice::$choice),*],)*
                }
            }
        }
    };
}

impl HoldCause {
    /// Returns whether a hold of this cause may offer the choice: what a plan may say beforehand, and what only a person can
    /// say, who has looked.
    #[must_use]
    pub fn may_offer(self, choice: HoldChoice) -> bool {
        let person = match self {
            Self::DrainDeadline => [HoldChoice::Extend, HoldChoice::Cut].contains(&choice),
            Self::BalancerByHand => choice == HoldChoice::Confirm,
            Self::FoundState => choice == HoldChoice::Skip,
            Self::FirstDone => choice == HoldChoice::Confirm,
            Self::BlockUndone
            | Self::BalancerUndone
            | Self::BalancerNotBack
            | Self::InstallerFailed
            | Self::InstallerLost
            | Self::InstallerLate
            | Self::InstallerBusy
            | Self::RestartNotBegun
            | Self::RestartNotBack
            | Self::NotRestored
            | Self::NotProven
            | Self::SoakBroken
            | Self::ReturnUndone
            | Self::NoAnswer
            | Self::StepFailed
            | Self::Asked => false,
        };
        person || self.choices().contains(&choice)
    }
}

causes! {
    /// Sessions are left at the deadline of the drain, or cannot be counted.
    DrainDeadline = "drain_deadline", "O3001", "sessions are left at the deadline of the drain", [Retry, Return, Abandon, Stop];
    /// What was blocked was resumed for the third time.
    BlockUndone = "block_undone", "O3002", "what was blocked is resumed, or its start type set back, by another hand", [Retry, Return, Abandon, Stop];
    /// The server was put back into the balancer for the third time.
    BalancerUndone = "balancer_undone", "O3003", "another hand puts the server back into the balancer", [Retry, Return, Abandon, Stop];
    /// A person is asked to work the balancer.
    BalancerByHand = "balancer_by_hand", "O3004", "a person is asked to work the balancer", [Retry, Return, Abandon, Stop];
    /// The balancer does not have the server as it was recorded.
    BalancerNotBack = "balancer_not_back", "O3005", "the balancer does not have the server as it was recorded", [Retry, Abandon, Stop];
    /// What was found on the server looks as an earlier maintenance may have left it.
    FoundState = "found_state", "O3006", "the server looks as an earlier maintenance may have left it", [Retry, Return, Abandon, Stop];
    /// The installer ended with an exit code that is no success.
    InstallerFailed = "installer_failed", "O3007", "the installer failed", [Retry, Skip, Return, Abandon, Stop];
    /// The installer left no result, or could not be run.
    InstallerLost = "installer_lost", "O3008", "the installer left no result", [Retry, Skip, Return, Abandon, Stop];
    /// The installer has not ended by its deadline.
    InstallerLate = "installer_late", "O3009", "the installer has not ended by its deadline", [Retry, Skip, Return, Abandon, Stop];
    /// Another installation kept the installer from working.
    InstallerBusy = "installer_busy", "O3010", "another installation is in the way", [Retry, Skip, Return, Abandon, Stop];
    /// The server was asked to restart and did not go down.
    RestartNotBegun = "restart_not_begun", "O3011", "the server does not restart", [Retry, Skip, Return, Abandon, Stop];
    /// The server did not come back after a restart.
    RestartNotBack = "restart_not_back", "O3012", "the server does not come back after its restart", [Retry, Skip, Return, Abandon, Stop];
    /// Not everything could be brought back as it was recorded.
    NotRestored = "not_restored", "O3013", "not everything is back as it was recorded", [Retry, Abandon, Stop];
    /// The server is restored, and is not proven to be back.
    NotProven = "not_proven", "O3014", "the server is restored and not proven to be back", [Retry, Abandon, Stop];
    /// The pool did not stay good after the server was back.
    SoakBroken = "soak_broken", "O3015", "the pool does not stay good after the server is back", [Retry, Skip, Abandon, Stop];
    /// Another hand changed for the third time what was brought back.
    ReturnUndone = "return_undone", "O3016", "another hand changes what was brought back", [Retry, Abandon, Stop];
    /// The server, or what answers for it, gave no answer to several looks.
    NoAnswer = "no_answer", "O3017", "no answer to several looks", [Retry, Skip, Return, Abandon, Stop];
    /// A step of a server that is being patched, or on its way back, cannot be done.
    StepFailed = "step_failed", "O3018", "a step cannot be done", [Retry, Skip, Return, Abandon, Stop];
    /// A person asked for it.
    Asked = "asked", "O3019", "a person asked for it", [Retry, Return, Abandon, Stop];
    /// The first server of its pool is done, and a person decides about the others.
    FirstDone = "first_done", "O3030", "the first server of its pool is done, and a person decides about the others", [Stop];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_code_of_its_own_and_offers_what_a_plan_may_choose() {
        let mut codes = std::collections::BTreeSet::new();
        for cause in HoldCause::ALL {
            assert!(!cause.title().is_empty() && cause.word().bytes().all(|c| c == b'_' || c.is_ascii_lowercase()));
            assert!(codes.insert(cause.code()), "{cause:?}");
            let choices = cause.choices();
            assert!(choices.contains(&HoldChoice::Stop) && !choices.contains(&HoldChoice::Confirm), "{cause:?}");
        }
    }

    #[test]
    fn a_cause_that_a_plan_does_not_name_takes_the_choice_for_all_others() {
        let on_hold = OnHold {
            by_cause: BTreeMap::from([(HoldCause::DrainDeadline, HoldChoice::Return)]),
            otherwise: HoldChoice::Stop,
        };
        assert_eq!(on_hold.choice(HoldCause::DrainDeadline), HoldChoice::Return);
        assert_eq!(on_hold.choice(HoldCause::InstallerFailed), HoldChoice::Stop);
    }
}
