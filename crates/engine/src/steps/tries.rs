//! What became of the acts of a step so far.
//!
//! Accepted, refused for a time, refused for good, and nobody knows: the four are counted apart, because each means
//! another thing. What was accepted and does not come about is asked for a few times; a refusal that can pass, and an
//! answer that never came, are waited for until the deadline of the step; a refusal for good is an answer. What is said
//! at the end names what was counted, and the last cause.

use super::{Case, Judgement, Scratch};
use crate::constants::{ACT_ROUNDS, AGAIN_FIRST, AGAIN_LONGEST, REFUSED_ACTS, SETTLE_LOOK, SLOW_LOOK};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::Act;
use orchestrate_model::{ActOutcome, ServerName};
use std::collections::BTreeMap;

/// What became of each act, by its words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tries(BTreeMap<String, Tried>);

/// What became of one act.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    /// Times it was accepted, or was said to be needless.
    pub(crate) accepted: u32,
    /// Times it was refused in a row, and may be accepted later.
    pub(crate) passing: u32,
    /// Times it was refused in a row, and always will be.
    pub(crate) refused: u32,
    /// Times in a row that nobody knows whether it happened.
    pub(crate) unknown: u32,
    /// When it was first asked for.
    first: Option<Timestamp>,
    /// When the last answer came.
    last: Option<Timestamp>,
    /// What was last said against it.
    cause: String,
}

/// Whether an act is worth asking for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It is, now.
    Now,
    /// It was refused for a time, and is asked for again then.
    Later(Timestamp, String),
    /// It is not, and why.
    Over(String),
}

/// The acts of a step by whether they are worth asking for.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Those to be asked for now, the least tried first.
    pub(crate) now: Vec<Act>,
    /// When the first of those that were refused for a time is asked for again.
    pub(crate) again: Option<Timestamp>,
    /// Those that were refused for a time, and what was said against them.
    pub(crate) passing: Vec<(Act, String)>,
    /// Those that are not asked for any more, and why.
    pub(crate) over: Vec<(Act, String)>,
}

impl Tries {
    /// Counts how an act ended.
    pub(crate) fn note(&mut self, act: &Act, outcome: &ActOutcome, now: Timestamp) {
        let tried = self.0.entry(act.to_string()).or_default();
        tried.first.get_or_insert(now);
        tried.last = Some(now);
        match outcome {
            ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined => {
                tried.accepted += 1;
                (tried.passing, tried.refused, tried.unknown) = (0, 0, 0);
            }
            ActOutcome::Retry(why) => {
                tried.passing += 1;
                tried.cause.clone_from(why);
            }
            ActOutcome::Failed(why) => {
                tried.refused += 1;
                tried.cause.clone_from(why);
            }
            ActOutcome::Unknown(why) => {
                tried.unknown += 1;
                tried.cause.clone_from(why);
            }
        }
    }

    /// Returns what became of an act.
    pub(crate) fn of(&self, act: &Act) -> Tried {
        self.0.get(&act.to_string()).cloned().unwrap_or_default()
    }

    /// Returns what was last said against an act of the step.
    pub(crate) fn why(&self) -> Option<&str> {
        let said = self.0.values().filter(|tried| !tried.cause.is_empty());
        said.max_by_key(|tried| tried.last).map(|tried| tried.cause.as_str())
    }

    /// Forgets what is not wanted any more: it has come about.
    pub(crate) fn keep(&mut self, wanted: &[Act]) {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        self.0.retain(|act, _| wanted.contains(act));
    }

    /// Sorts acts by whether they are worth asking for. `limit` is how long one that may yet be accepted is asked for, from
    /// `begin` on.
    pub(crate) fn sort(&self, case: &Case<'_>, acts: &[Act], (begin, limit): (Timestamp, SignedDuration)) -> Sorted {
        let mut sorted = Sorted::default();
        for act in acts {
            let tried = self.of(act);
            let since = tried.first.filter(|_| case.is_long()).unwrap_or(begin);
            match tried.standing(act, case.is_over(since, limit), case.now) {
                Standing::Now => sorted.now.push(act.clone()),
                Standing::Later(at, why) => {
                    sorted.again = Some(sorted.again.map_or(at, |first| first.min(at)));
                    sorted.passing.push((act.clone(), why));
                }
                Standing::Over(why) => sorted.over.push((act.clone(), why)),
            }
        }
        sorted.now.sort_by_key(|act| self.of(act).times());
        sorted
    }
}

impl Tried {
    /// Returns how often the act was asked for to no end.
    fn times(&self) -> u32 {
        self.accepted + self.passing + self.refused + self.unknown
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    fn standing(&self, act: &Act, late: bool, now: Timestamp) -> Standing {
        let again = self.last.map_or(now, |last| last + self.pause());
        if self.refused >= REFUSED_ACTS || (late && self.passing + self.refused + self.unknown > 0) {
            Standing::Over(self.told(act))
        } else if self.accepted >= ACT_ROUNDS {
            Standing::Over(format!("{act} was accepted {} times and has not come about", self.accepted))
        } else if self.passing > 0 && again > now {
            Standing::Later(again, self.told(act))
        } else {
            Standing::Now
        }
    }

    /// How long an act that was refused for a time is left alone: twice as long each time.
    fn pause(&self) -> SignedDuration {
        let doubled = 2_i32.saturating_pow(self.passing.saturating_sub(1).min(16));
        AGAIN_FIRST.saturating_mul(doubled).min(AGAIN_LONGEST)
    }

    /// Says what was said against an act, by what it was.
    fn told(&self, act: &Act) -> String {
        let (mut parts, cause) = (Vec::new(), &self.cause);
        let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        if self.passing + self.refused > 0 {
            parts.push(format!("refused {}", times(self.passing + self.refused)));
        }
        if self.unknown > 0 {
            parts.push(format!("{} nobody knows whether it happened", times(self.unknown)));
        }
        if self.accepted > 0 {
            parts.push(format!("accepted {} before, which did not bring it about", times(self.accepted)));
        }
        format!("could not {act} ({}): {cause}", parts.join(", "))
    }
}

/// Follows up acts that a step wants: leaves out what has been tried enough, and waits with what is refused for a time.
/// The acts of the step build on each other: when one of them cannot be had, the step is given up.
pub(super) fn follow_up(case: &Case<'_>, scratch: &mut Scratch, acts: Vec<Act>) -> Judgement {
    scratch.tries.keep(&acts);
    scratch.acts_since.get_or_insert(case.now);
    let begin = case.begin_of_acts(scratch);
    let server = &case.subject.work.server;
    let sorted = scratch.tries.sort(case, &acts, (begin, case.patience()));
    if !sorted.over.is_empty() {
        let why: Vec<String> = sorted.over.into_iter().map(|(_, why)| why).collect();
        return case.give_up(named(server, &why.join("; ")));
    }
    // In the order of the step, and none before one that has to wait.
    let first: Vec<Act> = acts.into_iter().take_while(|act| sorted.now.contains(act)).collect();
    match sorted.again {
        Some(again) if first.is_empty() => {
            let why: Vec<String> = sorted.passing.into_iter().map(|(_, why)| why).collect();
            wait(case, begin, again, why.join("; "))
        }
        Some(_) | None => Judgement::Act(first),
    }
}

/// Waits until an act that is refused for a time is asked for again.
pub(super) fn wait(case: &Case<'_>, begin: Timestamp, again: Timestamp, why: String) -> Judgement {
    let then = if case.subject.own.back.is_some() || case.subject.is_patching() {
        "the server is held"
    } else {
        "the server goes back"
    };
    let wait = case.wait_from(begin, ("a refusal to pass", why), (case.patience(), then));
    Judgement::Wait(wait, again.duration_since(case.now).clamp(SETTLE_LOOK, SLOW_LOOK))
}

/// Puts the server in front, unless it stands there already.
pub(super) fn named(server: &ServerName, why: &str) -> String {
    format!("{server}: {why}")
}
