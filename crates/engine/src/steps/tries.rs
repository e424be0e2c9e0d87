//! What became of the acts of a step so far.
//!
//! Accepted, refused for a time, refused for good, and nobody knows: the four are counted apart, because each means
//! another thing. What was accepted and does not come about is asked for a few times; a refusal that can pass, and an
//! answer that never came, are waited for until the deadline of the step; a refusal for good is an answer, except on the
//! way back, where it is given some minutes: there it costs nothing to ask again. What is said at the end names what was
//! counted, and the last cause.

use super::{Case, Judgement, Scratch, after};
use crate::constants::{ACT_ROUNDS, AGAIN_FIRST, AGAIN_LONGEST, REFUSED_ACTS, REFUSED_BACK, SETTLE_LOOK, SLOW_LOOK};
use crate::view::Wait;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::Act;
use orchestrate_model::{ActOutcome, ServerName, ServiceName};
use orchestrate_planner::StepKind;
use std::collections::BTreeMap;
use std::fmt;

/// What became of each act, by its words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tries(BTreeMap<String, Tried>);

/// What became of one act.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    /// The act.
    act: Option<Act>,
    /// Times it was accepted.
    pub(crate) accepted: u32,
    /// Times it was said to be needless.
    pub(crate) needless: u32,
    /// Times it was refused in a row, and may be accepted later.
    pub(crate) passing: u32,
    /// Times it was refused for good.
    pub(crate) refused: u32,
    /// Since when, and how often, nothing but that was said.
    denied: Option<(Timestamp, u32)>,
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
    Later(Timestamp, Refusal),
    /// It is not, and why.
    Over(Refusal),
}

/// The acts of a step by whether they are worth asking for.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Those to be asked for now, the least tried first.
    pub(crate) now: Vec<Act>,
    /// When the first of those that were refused for a time is asked for again.
    pub(crate) again: Option<Timestamp>,
    /// Those that were refused for a time, and what was said against them.
    pub(crate) passing: Vec<Refusal>,
    /// Until when the last of those is asked for.
    pub(crate) until: Option<Timestamp>,
    /// Those that are not asked for any more, and why.
    pub(crate) over: Vec<Refusal>,
}

/// An act that is not to be had, now or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) act: Act,
    /// What is said in front of the act, and behind it.
    said: (&'static str, String),
}

impl Refusal {
    /// What is said, without the name of the service in it: one cause of several services is one.
    fn without_name(&self) -> (&'static str, String) {
        let (before, behind) = &self.said;
        let behind = self.act.service().map_or_else(|| behind.clone(), |name| behind.replace(name.as_str(), "SERVICE"));
        (before, behind)
    }

    /// An act that was asked for and is not so at the end of its step.
    pub(crate) fn not_yet(act: Act) -> Self {
        Self { act, said: ("", " has not come about".to_owned()) }
    }
}

/// Acts of one kind that the same is said of.
pub(crate) struct Refusals<'a> {
    first: &'a Refusal,
    services: Vec<&'a ServiceName>,
}

impl<'a> Refusals<'a> {
    /// Returns acts by what is said of them, in their order: one cause is told once.
    pub(crate) fn of(refusals: &'a [Refusal]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for refusal in refusals {
            let like = |group: &&mut Self| {
                let kind = |act: &Act| act.said_of("");
                group.first.without_name() == refusal.without_name()
                    && (group.first.act == refusal.act
                        || (refusal.act.service().is_some() && kind(&group.first.act) == kind(&refusal.act)))
            };
            match groups.iter_mut().find(like) {
                Some(group) => group.services.extend(refusal.act.service()),
                None => groups.push(Self { first: refusal, services: refusal.act.service().into_iter().collect() }),
            }
        }
        groups
    }

    /// An act of the group, and the services that all of them are about.
    pub(crate) fn acts(&self) -> (&Act, &[&'a ServiceName]) {
        (&self.first.act, &self.services)
    }
}

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.services.iter().map(|name| name.as_str()).collect();
        let (before, behind) = self.first.said.clone();
        // What is said of several is said of none by name.
        let behind = if names.len() > 1 { self.first.without_name().1 } else { behind };
        write!(f, "{before}{}{behind}", self.first.act.said_of(&names.join(", ")))
    }
}

/// Says why acts are not to be had, each cause once.
pub(crate) fn told(refusals: &[Refusal]) -> Vec<String> {
    Refusals::of(refusals).iter().map(ToString::to_string).collect()
}

impl Tries {
    /// Counts how an act ended.
    pub(crate) fn note(&mut self, act: &Act, outcome: &ActOutcome, now: Timestamp) {
        let tried = self.0.entry(act.to_string()).or_default();
        tried.act.get_or_insert_with(|| act.clone());
        tried.first.get_or_insert(now);
        tried.last = Some(now);
        tried.denied = match (outcome, tried.denied) {
            (ActOutcome::Failed(_), Some((since, times))) => Some((since, times + 1)),
            (ActOutcome::Failed(_), None) => Some((now, 1)),
            (_, _) => None,
        };
        match outcome {
            ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined => {
                let count = if *outcome == ActOutcome::AlreadySo { &mut tried.needless } else { &mut tried.accepted };
                *count += 1;
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

    /// Whether an act was refused before, or nobody knows what became of it.
    pub(crate) fn was_refused(&self, act: &Act) -> bool {
        let tried = self.of(act);
        tried.passing + tried.refused + tried.unknown > 0
    }

    /// Parts acts into those that were refused before, or of which nobody knows, and those that were not.
    pub(crate) fn refused_before(&self, acts: Vec<Act>) -> (Vec<Act>, Vec<Act>) {
        acts.into_iter().partition(|act| self.was_refused(act))
    }

    /// Says what is waited for while acts are asked for that were all refused before: those, and all others of the step that are
    /// refused and left alone for the moment.
    pub(crate) fn waited_for(&self, case: &Case<'_>, acts: &[Act]) -> Option<Wait> {
        let all_refused = acts.iter().all(|act| self.refusal(case, act).is_some());
        let (begin, limit) = (case.since, case.patience());
        let open = self.0.values().filter(|tried| !tried.is_given_up(case));
        let open: Vec<(&Act, &Tried)> = open.filter_map(|tried| Some((tried.act.as_ref()?, tried))).collect();
        let refusals: Vec<Refusal> = open.iter().filter_map(|(act, _)| self.refusal(case, act)).collect();
        let since = |tried: &Tried| tried.first.filter(|_| case.is_long()).unwrap_or(begin);
        let until = open.iter().map(|(_, tried)| tried.until(case, (since(tried), limit))).max()?;
        all_refused.then(|| waiting(case, case.since, until, told(&refusals).join("; ")))
    }

    /// Returns why an act did not come about so far, where it was refused, or nobody knows.
    fn refusal(&self, case: &Case<'_>, act: &Act) -> Option<Refusal> {
        let tried = self.of(act);
        let names = (case.subject.work.server.as_str(), act.service().map_or("", ServiceName::as_str));
        (tried.passing + tried.refused + tried.unknown > 0).then(|| tried.told(act, names, ""))
    }

    /// Sorts acts by whether they are worth asking for. `limit` is how long one that may yet be accepted is asked for, from
    /// `begin` on.
    pub(crate) fn sort(&self, case: &Case<'_>, acts: &[Act], (begin, limit): (Timestamp, SignedDuration)) -> Sorted {
        let mut sorted = Sorted::default();
        for act in acts {
            let tried = self.of(act);
            let since = tried.first.filter(|_| case.is_long()).unwrap_or(begin);
            let names = (case.subject.work.server.as_str(), act.service().map_or("", ServiceName::as_str));
            match tried.standing(case, (act, names), (since, limit)) {
                Standing::Now => sorted.now.push(act.clone()),
                Standing::Later(at, why) => {
                    sorted.again = Some(sorted.again.map_or(at, |first| first.min(at)));
                    sorted.until = sorted.until.max(Some(tried.until(case, (since, limit))));
                    sorted.passing.push(why);
                }
                Standing::Over(why) => sorted.over.push(why),
            }
        }
        sorted.now.sort_by_key(|act| self.of(act).times());
        sorted
    }
}

impl Tried {
    /// Returns how often the act was asked for to no end.
    fn times(&self) -> u32 {
        self.accepted + self.needless + self.passing + self.refused + self.unknown
    }

    fn standing(
        &self,
        case: &Case<'_>,
        (act, names): (&Act, (&str, &str)),
        (since, limit): (Timestamp, SignedDuration),
    ) -> Standing {
        let late = case.is_over(since, limit);
        let again = self.last.map_or(case.now, |last| last + self.pause());
        if self.is_given_up(case) {
            // Whoever mends the cause is to know that this step does not notice.
            Standing::Over(self.told(act, names, ", so it was not asked for again"))
        } else if late && self.deserves_another() {
            Standing::Now
        } else if late && self.passing + self.refused + self.unknown > 0 {
            Standing::Over(self.told(act, names, ""))
        } else if self.accepted + self.needless >= ACT_ROUNDS {
            Standing::Over(self.in_vain(act))
        } else if (self.passing > 0 || self.denied.is_some_and(|(_, times)| times >= REFUSED_ACTS)) && again > case.now
        {
            Standing::Later(again, self.told(act, names, ""))
        } else {
            Standing::Now
        }
    }

    /// Whether the only answer so far was that it may be asked for later: then it may not have been asked for at all, as the last
    /// of many in one exchange, and at the end of the step it is asked for once more.
    fn deserves_another(&self) -> bool {
        self.passing == 1 && self.refused + self.unknown + self.accepted + self.needless == 0
    }

    /// Whether refusals for good were enough to be an answer.
    fn is_given_up(&self, case: &Case<'_>) -> bool {
        self.denied.is_some_and(|(since, times)| {
            times >= REFUSED_ACTS && (!is_way_back(case) || case.is_over(since, REFUSED_BACK))
        })
    }

    /// Until when the act is asked for while it is refused.
    fn until(&self, case: &Case<'_>, (since, limit): (Timestamp, SignedDuration)) -> Timestamp {
        let deadline = |from, limit| case.subject.state.deadline(from, limit);
        let until = deadline(since, limit);
        match self.denied {
            // It is asked for a second time, whenever that is.
            Some((since, times)) if is_way_back(case) => {
                let again = if times < REFUSED_ACTS { after(case.now, AGAIN_LONGEST) } else { since };
                until.min(deadline(since, REFUSED_BACK).max(again))
            }
            Some(_) | None => until,
        }
    }

    /// An act that was accepted, or said to be needless, often enough.
    fn in_vain(&self, act: &Act) -> Refusal {
        let said = match (self.accepted, self.needless) {
            (accepted, 0) => format!(" was accepted {accepted} times and has not come about"),
            (0, needless) => {
                format!(" was answered {needless} times with \"it is so already\", and it is seen not to be so")
            }
            (accepted, needless) => format!(
                " was accepted {accepted} times, answered {needless} times with \"it is so already\", and has not come about"
            ),
        };
        Refusal { act: act.clone(), said: ("", said) }
    }

    /// How long an act that was refused is left alone: twice as long each time.
    fn pause(&self) -> SignedDuration {
        let doubled = 2_i32.saturating_pow((self.passing + self.refused).saturating_sub(1).min(16));
        AGAIN_FIRST.saturating_mul(doubled).min(AGAIN_LONGEST)
    }

    /// Says what was said against an act, by what it was, and what follows from it. Drivers put server and service in front
    /// of a cause, which stand beside it already.
    fn told(&self, act: &Act, (server, service): (&str, &str), then: &str) -> Refusal {
        let without = |text: &'_ str, name: &str| -> Option<String> {
            Some(text.strip_prefix(name)?.strip_prefix(": ")?.to_owned())
        };
        let cause = without(&self.cause, server).unwrap_or_else(|| self.cause.clone());
        let cause = without(&cause, service).unwrap_or(cause);
        let mut parts = Vec::new();
        let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        if self.passing + self.refused > 0 {
            parts.push(format!("refused {}{then}", times(self.passing + self.refused)));
        }
        if self.unknown > 0 {
            parts.push(format!("asked {}, outcome unknown", times(self.unknown)));
        }
        if self.accepted + self.needless > 0 {
            let count = times(self.accepted + self.needless);
            parts.push(format!("accepted {count} before, or said to be so already, which did not bring it about"));
        }
        Refusal { act: act.clone(), said: ("could not ", format!(" ({}): {cause}", parts.join(", "))) }
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
        return case.give_up(named(server, &told(&sorted.over).join("; ")));
    }
    // In the order of the step, and none before one that has to wait.
    let first: Vec<Act> = acts.into_iter().take_while(|act| sorted.now.contains(act)).collect();
    match (sorted.again, sorted.until) {
        (Some(again), Some(until)) if first.is_empty() => {
            wait(case, (begin, until), again, told(&sorted.passing).join("; "))
        }
        (Some(_), Some(_)) | (None, _) | (_, None) => Judgement::Act(first),
    }
}

/// Waits until an act that is refused for a time is asked for again. It is refused since `begin`, and asked for no longer
/// than `until`.
pub(super) fn wait(
    case: &Case<'_>,
    (begin, until): (Timestamp, Timestamp),
    again: Timestamp,
    why: String,
) -> Judgement {
    let pace = again.duration_since(case.now).clamp(SETTLE_LOOK, SLOW_LOOK);
    Judgement::Wait(waiting(case, begin, until, why), pace)
}

fn waiting(case: &Case<'_>, begin: Timestamp, until: Timestamp, why: String) -> Wait {
    let wait = case.wait_from(begin, ("a refusal to pass", why), (case.patience(), case.given_up()));
    Wait { until: Some(until), ..wait }
}

/// Whether what was taken from the server is being given back: a server that is left out needs a person, and to ask again
/// takes nothing from its users.
fn is_way_back(case: &Case<'_>) -> bool {
    matches!(case.kind, StepKind::Return | StepKind::BalancerIn)
}

/// Puts the server in front, unless it stands there already.
pub(super) fn named(server: &ServerName, why: &str) -> String {
    format!("{server}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: &str = ", so it was not asked for again";

    fn start(service: &str) -> Act {
        Act::Start { service: ServiceName::new(service).unwrap() }
    }

    #[test]
    fn one_cause_is_told_once_for_all_services_without_the_names_in_front_of_it() {
        let denied = Tried { refused: 2, cause: "fe1.example: RTCSRV: access denied".to_owned(), ..Tried::default() };
        let other = Tried { refused: 2, cause: "fe1.example: RTCCPS: access denied".to_owned(), ..Tried::default() };
        let gone = Tried { refused: 2, cause: "it is disabled".to_owned(), ..Tried::default() };
        let refusals = [
            denied.told(&start("RTCSRV"), ("fe1.example", "RTCSRV"), ENDED),
            gone.told(&start("RTCRGS"), ("fe1.example", "RTCRGS"), ENDED),
            other.told(&start("RTCCPS"), ("fe1.example", "RTCCPS"), ENDED),
            Tried { refused: 2, cause: "of RTCSRV: busy".to_owned(), ..Tried::default() }.told(
                &start("RTCSRV"),
                ("", ""),
                ENDED,
            ),
            Tried { refused: 2, cause: "of RTCATS: busy".to_owned(), ..Tried::default() }.told(
                &start("RTCATS"),
                ("", ""),
                ENDED,
            ),
            Refusal::not_yet(start("RTCATS")),
        ];
        let told = told(&refusals);
        assert_eq!(
            told,
            [
                "could not start RTCSRV, RTCCPS (refused 2 times, so it was not asked for again): access denied",
                "could not start RTCRGS (refused 2 times, so it was not asked for again): it is disabled",
                "could not start RTCSRV, RTCATS (refused 2 times, so it was not asked for again): of SERVICE: busy",
                "start RTCATS has not come about"
            ]
        );
    }
}
