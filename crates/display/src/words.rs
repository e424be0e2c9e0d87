//! The words for questions, ends and outcomes, in one place.

use crate::style::Tone;
use crate::text::{clean, count, duration, list};
use jiff::SignedDuration;
use orchestrate_engine::record::{Approved, GapKind, RunHeader, RunOutcome, ServerEnd, WhyKind};
use orchestrate_model::change::{Approvals, AtDeadline, ExitMeaning, StopWhen};
use orchestrate_model::hold::{HoldChoice, Terms};
use orchestrate_model::pool::{First, Then};
use orchestrate_model::{Change, Lease, Pool, ServerName, Verdict};
use orchestrate_planner::plan::{Certainty, LeftOut};
use orchestrate_planner::safety::Question;
use orchestrate_planner::{Plan, ServerWork, Severity, StepKind};

/// Returns a choice as it is typed.
#[must_use]
pub fn typed(choice: HoldChoice) -> String {
    let more = match choice {
        HoldChoice::Extend => " --minutes 15",
        HoldChoice::Cut => " --sessions N",
        HoldChoice::Stop
        | HoldChoice::Retry
        | HoldChoice::Skip
        | HoldChoice::Confirm
        | HoldChoice::Return
        | HoldChoice::Abandon => "",
    };
    format!("{}{more}", choice.word())
}

/// Returns what a decision says besides its word.
#[must_use]
pub fn terms(terms: &Terms) -> String {
    let more = terms.more.map(|more| format!(", {} more", duration(more)));
    let sessions = terms.sessions.map(|left| format!(", {}", count(left, "session")));
    let why = terms.why.as_ref().map(|why| format!(", because: {}", clean(why)));
    [more, sessions, why].into_iter().flatten().collect()
}

/// Returns the stable word for a safety question, for programs.
#[must_use]
pub fn question_key(question: Question) -> String {
    match question {
        Question::Fresh => "fresh".to_owned(),
        Question::Budget => "budget".to_owned(),
        Question::SharedBudget => "shared-budget".to_owned(),
        Question::Remaining => "remaining".to_owned(),
        Question::Quorum => "quorum".to_owned(),
        Question::UpgradeDomain => "upgrade-domain".to_owned(),
        Question::Coverage(covered) => format!("coverage:{covered}"),
        Question::Balancer => "balancer".to_owned(),
        Question::Ready => "ready".to_owned(),
        Question::Replication => "replication".to_owned(),
        Question::CentralManagement => "central-management".to_owned(),
        Question::Lease => "lease".to_owned(),
        Question::Blockable => "blockable".to_owned(),
        Question::Staged => "staged".to_owned(),
        Question::Fit => "fit".to_owned(),
    }
}

/// Returns what is said of a run that windows and freezes do not bind, if it is one.
pub(crate) fn emergency(change: &Change) -> Option<String> {
    let why = change.emergency.as_ref()?;
    Some(format!("EMERGENCY, at any time, in freezes too: {}", clean(why)))
}

/// Says which servers a start has chosen, where it has not taken all.
pub(crate) fn only(change: &Change) -> Option<String> {
    let chosen: Vec<&str> = change.only.iter().map(ServerName::short).collect();
    (!chosen.is_empty()).then(|| format!("only {}, by choice", list(&chosen)))
}

/// Says which server of a pool goes first, and what comes before the others follow, where the plan names one.
pub(crate) fn first(pool: &Pool) -> Option<String> {
    let First { server, then } = pool.first.as_ref()?;
    let then = match then {
        Then::Usual => String::new(),
        Then::Soak(soak) => format!("; the others follow when it has stayed good for {}", duration(*soak)),
        Then::Ask => {
            "; then a person decides whether the others follow, and an unattended run stops there (O3030)".to_owned()
        }
    };
    Some(format!("{} in {}{then}; the run stops if it is not done", server.short(), pool.name))
}

/// Says which signed approvals a plan needs, if it needs any.
pub(crate) fn approval_rule(change: &Change) -> Option<String> {
    let Approvals { required, from, expires } = change.approvals.as_ref()?;
    let people = if *required == 1 { "one person".to_owned() } else { format!("{required} people") };
    Some(format!("signed by {people} of {}, at most {} before the run begins", clean(from), duration(*expires)))
}

/// Says who has signed an approval of a run, each in a sentence of its own.
pub(crate) fn approvals(header: &RunHeader) -> Vec<String> {
    let said = |approved: &Approved| {
        let Approved { by, role, ticket, key, given, expires: _ } = approved;
        format!("{} ({}) for {}, {given}, key {}", clean(by), clean(role), clean(ticket), clean(key))
    };
    header.approvals.iter().map(said).collect()
}

/// Says who has approved a run, in a part of a sentence.
pub(crate) fn approved_by(header: &RunHeader) -> Option<String> {
    let each = |approved: &Approved| format!("{} ({})", clean(&approved.by), clean(&approved.role));
    let by: Vec<String> = header.approvals.iter().map(each).collect();
    (!by.is_empty()).then(|| format!("approved by {}", by.join(", ")))
}

/// Says whose lease was taken over.
pub(crate) fn taken_over(from: &Lease) -> String {
    format!("took over the lease of another control host that had run out: {}", clean(&from.to_string()))
}

pub(crate) fn verdict_tone(verdict: &Verdict) -> Tone {
    match verdict {
        Verdict::Yes(_) => Tone::Good,
        Verdict::No(_) => Tone::Bad,
        Verdict::Unknown(_) => Tone::Warn,
    }
}

pub(crate) fn certainty_tone(certainty: Certainty) -> Tone {
    match certainty {
        Certainty::Proven => Tone::Good,
        Certainty::Assumed => Tone::Warn,
        Certainty::NotKnowable => Tone::Quiet,
    }
}

/// Returns the word for a severity.
#[must_use]
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Refusal => "refusal",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

pub(crate) fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Refusal => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Note => Tone::Plain,
    }
}

/// Returns why a step stands where it stands among the steps of its server.
#[must_use]
pub fn why_here(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Guard => "first: nothing is touched before the rest of the pool is proven able to take over",
        StepKind::Record => "before the first change: what comes back is compared with it",
        StepKind::BalancerOut => "before the block: the balancer must not send it what it would refuse",
        StepKind::Block => "start types before the pause: a restart must not bring a service back by itself",
        StepKind::Drain => "after the block: from then on no new sessions come",
        StepKind::Stop => "after the drain: no session is left that a stop could cut",
        StepKind::Patch => "after the stop: files in use cannot be replaced",
        StepKind::Restart => "after the patch: its exit code says whether a restart is needed",
        StepKind::Verify => "before the return: users must not meet a half-patched server",
        StepKind::Return => "after the proof of the level: undoes the block as recorded, nothing more",
        StepKind::BalancerIn => "after the services run: no request may find the door closed",
        StepKind::Gate => "after the return: a server counts as back only when it is proven back",
        StepKind::Soak => "last: the next server waits until this one has stayed good",
        StepKind::Database => "after all servers of the pool",
    }
}

/// Returns what happens when sessions are left at the deadline of a drain.
#[must_use]
pub fn at_deadline(what: AtDeadline) -> &'static str {
    match what {
        AtDeadline::Hold => "the server stays blocked and waits for your decision",
        AtDeadline::Return => "the server goes back into service, unpatched",
        AtDeadline::Cut => "the sessions left are CUT, counted and reported",
        AtDeadline::Ask => "the server stays blocked and waits for your decision; you may have the sessions left cut",
    }
}

/// Returns the stop condition in words.
#[must_use]
pub fn stop_when(stop: StopWhen) -> String {
    let verb = if stop.failed == 1 { "has" } else { "have" };
    format!(
        "stops after {} {verb} failed: not got out safely, gone back because of a fault, or left out",
        count(u64::from(stop.failed), "server")
    )
}

/// Returns the sentence that says how many servers may be out at once.
#[must_use]
pub fn budget(change: &Change) -> String {
    let most = change.maintenance.at_once;
    let mut said = format!(
        "never more than {} of a pool out of service, counting those already down",
        count(u64::from(most), "server")
    );
    for shared in &change.budgets {
        let more = format!("; of all pools labelled {} never more than {}", shared.label, shared.at_once);
        said.push_str(&more);
    }
    said
}

/// Returns the drain rule in words.
#[must_use]
pub fn drain_rule(change: &Change) -> String {
    let drain = &change.maintenance.drain;
    format!("sessions get {} to end by themselves; then {}", duration(drain.deadline), at_deadline(drain.at_deadline))
}

/// Returns why nothing is done to a server, where nothing is.
pub(crate) fn passed_over(plan: &Plan, work: &ServerWork) -> Option<String> {
    let why = clean(work.skip.as_ref()?);
    Some(if plan.left_out(work).is_some() { why } else { format!("passed over: {why}") })
}

/// Returns the word of programs for why a server is no part of a run.
pub(crate) fn left_out(why: LeftOut) -> &'static str {
    match why {
        LeftOut::Away => "away",
        LeftOut::ByChoice => "by-choice",
    }
}

/// Returns how a server ended, in a word or two.
#[must_use]
pub fn end(end: &ServerEnd) -> &'static str {
    match end {
        ServerEnd::Finished => "done",
        ServerEnd::NothingToDo { .. } => "nothing to do",
        ServerEnd::LeftOut { .. } => "left out",
        ServerEnd::Untouched { .. } => "not touched",
        ServerEnd::Returned { .. } => "returned early",
        ServerEnd::Out { .. } => "OUT OF SERVICE",
    }
}

pub(crate) fn end_tone(end: &ServerEnd) -> Tone {
    match end {
        ServerEnd::Finished | ServerEnd::NothingToDo { .. } => Tone::Good,
        ServerEnd::LeftOut { .. } => Tone::Plain,
        ServerEnd::Untouched { why } | ServerEnd::Returned { why } => match why.kind {
            WhyKind::Failed => Tone::Bad,
            WhyKind::Window | WhyKind::Operator | WhyKind::Pool | WhyKind::Elsewhere | WhyKind::Changed => Tone::Warn,
        },
        ServerEnd::Out { .. } => Tone::Bad,
    }
}

/// Returns why a server ended as it did, where there is something to say.
#[must_use]
pub fn end_why(end: &ServerEnd) -> Option<&str> {
    match end {
        ServerEnd::Finished => None,
        ServerEnd::NothingToDo { why } | ServerEnd::LeftOut { why } | ServerEnd::Out { why } => Some(why),
        ServerEnd::Untouched { why } | ServerEnd::Returned { why } => Some(&why.text),
    }
}

/// Returns the differences of a server from its record, those of one kind together: a server that was left stopped has
/// two for each of its services.
pub(crate) fn differences(work: &ServerWork, differences: &[String]) -> String {
    let mut kinds: Vec<(String, Vec<&str>)> = Vec::new();
    for difference in differences {
        let words = || difference.split([' ', ',']);
        let services = work.block.iter().chain(&work.support);
        let service = services.map(|name| name.as_str()).find(|name| words().any(|word| word == *name));
        let kind = service.map_or_else(|| difference.clone(), |name| difference.replacen(name, "{}", 1));
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.extend(service),
            None => kinds.push((kind, service.into_iter().collect())),
        }
    }
    let said: Vec<String> = kinds.into_iter().map(|(kind, names)| one_kind(&kind, &names)).collect();
    said.join("; ")
}

fn one_kind(kind: &str, names: &[&str]) -> String {
    match names {
        [] => kind.to_owned(),
        [name] => kind.replacen("{}", name, 1),
        names => {
            let several = kind.replacen("{}", &count(names.len() as u64, "service"), 1);
            let several = several.replace("the start type of", "the start types of");
            let several = several.replacen(" is ", " are ", 1).replacen(" it was ", " they were ", 1);
            format!("{several} ({})", names.join(", "))
        }
    }
}

/// Returns how a run ended, in words.
#[must_use]
pub fn outcome(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::ToBeLookedAt => "finished, every server is back, and something is left to look at",
        RunOutcome::PartlyDone => "finished, but some servers were skipped or failed; all that were touched are back",
        RunOutcome::StoppedByPolicy => "stopped before its end",
        RunOutcome::StoppedByWindow => "stopped by the window",
        RunOutcome::HeldElsewhere => "another control host works on the pool; nothing was changed",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Recovered => "recovered: everything that its journal names as touched is back as it was recorded",
        RunOutcome::Bug => "stopped by a fault of orchestrate itself",
    }
}

/// Says what an installer said of itself when it ended.
pub(crate) fn exit_meaning(meaning: ExitMeaning) -> &'static str {
    match meaning {
        ExitMeaning::Done => "it says done",
        ExitMeaning::RestartNeeded => "it says done, and that a restart is needed",
        ExitMeaning::RestartStarted => "it says done, and that it has started a restart",
        ExitMeaning::Busy => "another installation is in progress",
        ExitMeaning::Failed => "it has failed",
    }
}

pub(crate) fn outcome_tone(outcome: RunOutcome) -> Tone {
    match outcome {
        RunOutcome::Done | RunOutcome::Recovered => Tone::Good,
        RunOutcome::ToBeLookedAt | RunOutcome::PartlyDone | RunOutcome::StoppedByWindow | RunOutcome::HeldElsewhere => {
            Tone::Warn
        }
        RunOutcome::StoppedByPolicy | RunOutcome::Interrupted | RunOutcome::Bug => Tone::Bad,
    }
}

/// Says that the machine that runs the maintenance was not itself for a while.
pub(crate) fn gap(gap: GapKind, by: SignedDuration) -> String {
    let length = duration(by.abs());
    match gap {
        GapKind::StoodStill => {
            format!("this process stood still for {length}: no deadline counts that, and everything is looked at anew")
        }
        GapKind::ClockAhead => format!(
            "this machine stood still, or its clock was set on, for {length}: no deadline counts that, and everything is \
             looked at anew"
        ),
        GapKind::ClockBack => format!(
            "the clock of this machine went back by {length}: deadlines go with it, and everything is looked at anew"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::plan;

    #[test]
    fn differences_of_one_kind_are_told_together() {
        let differ = |text: &str| text.to_owned();
        let plan = plan();
        let said = differences(
            &plan.work()[0],
            &[
                differ("RTCSRV is stopped, it was running"),
                differ("the start type of RTCSRV is manual, it was automatic"),
                differ("RTCRGS is stopped, it was running"),
                differ("RTCCPS is paused, it was running"),
                differ("the start type of RTCRGS is manual, it was automatic"),
                differ("the balancer has it as Drain, it was Ready"),
            ],
        );
        let expected = "2 services are stopped, they were running (RTCSRV, RTCRGS); the start types of 2 services are \
                        manual, they were automatic (RTCSRV, RTCRGS); RTCCPS is paused, it was running; the balancer \
                        has it as Drain, it was Ready";
        assert_eq!(said, expected);
    }
}
