//! The keys of a hold: what each does, and how long that usually takes.

use crate::text::{count, duration};
use jiff::SignedDuration;
use orchestrate_engine::View;
use orchestrate_engine::state::Hold;
use orchestrate_engine::view::ServerView;
use orchestrate_model::Answer;
use orchestrate_model::hold::{HoldChoice, Terms};
use orchestrate_planner::{Plan, StepKind, limits};

/// A key, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The key.
    pub key: char,
    /// The choice that it stands for.
    pub choice: HoldChoice,
    /// What it does, and how long that usually takes.
    pub text: String,
}

/// Returns the keys of a hold: one for each choice that it admits, and no other.
#[must_use]
pub fn offers(plan: &Plan, view: &View, server: &ServerView, hold: &Hold) -> Vec<Offer> {
    let offer = |choice: &HoldChoice| {
        let text = format!("{}{}", text(plan, server, hold, *choice), counted(plan, view, server, *choice));
        Offer { key: key(*choice), choice: *choice, text }
    };
    hold.choices.iter().map(offer).collect()
}

/// Says of a choice after which the server counts as failed that it does, and whether the run stops by that.
fn counted(plan: &Plan, view: &View, server: &ServerView, choice: HoldChoice) -> String {
    let fails = match choice {
        HoldChoice::Return | HoldChoice::Abandon => true,
        HoldChoice::Stop
        | HoldChoice::Retry
        | HoldChoice::Skip
        | HoldChoice::Confirm
        | HoldChoice::Extend
        | HoldChoice::Cut => false,
    };
    if !fails || server.failed || view.stop.is_some() || view.recovers {
        return String::new();
    }
    let failed = view.servers.iter().filter(|server| server.failed).count() + 1;
    let most = plan.change().stop_when.failed as usize;
    if failed >= most {
        return "; the run stops then, since it counts as failed".to_owned();
    }
    format!("; the run goes on without it; it counts as failed, {failed} of the {most} at which the run stops")
}

fn key(choice: HoldChoice) -> char {
    match choice {
        HoldChoice::Return => 'r',
        HoldChoice::Extend => 'e',
        HoldChoice::Cut => 'c',
        HoldChoice::Retry => 't',
        HoldChoice::Skip => 's',
        HoldChoice::Confirm => 'y',
        HoldChoice::Abandon => 'a',
        HoldChoice::Stop => 'x',
    }
}

/// The step in which a server is held.
fn step(plan: &Plan, hold: &Hold) -> StepKind {
    plan.steps().get(hold.step.0 as usize).map_or(StepKind::Record, |step| step.kind)
}

fn text(plan: &Plan, server: &ServerView, hold: &Hold, choice: HoldChoice) -> String {
    match choice {
        HoldChoice::Extend => "15 min more for its sessions, or as many as you type".to_owned(),
        HoldChoice::Cut => match &server.sessions_left {
            Some(Answer::Known(left)) => format!("cut {}: type the number", count(*left, "session")),
            Some(Answer::Unknown(_)) | None => "cut the sessions left, once it is known how many they are".to_owned(),
        },
        HoldChoice::Stop
        | HoldChoice::Retry
        | HoldChoice::Skip
        | HoldChoice::Confirm
        | HoldChoice::Return
        | HoldChoice::Abandon => done(plan, server, hold, choice, &Terms::default()),
    }
}

/// Says what is done when a choice is made.
pub(super) fn done(plan: &Plan, server: &ServerView, hold: &Hold, choice: HoldChoice, terms: &Terms) -> String {
    let kind = step(plan, hold);
    let patched = kind >= StepKind::Patch;
    match choice {
        HoldChoice::Return if patched => {
            format!("return it without the rest of its steps, {}", usual(back(plan, server)))
        }
        HoldChoice::Return => format!("return it unpatched, {}", usual(back(plan, server))),
        HoldChoice::Extend => format!("{} more for its sessions", duration(terms.more.unwrap_or_default())),
        HoldChoice::Cut => format!("cut {}", count(terms.sessions.unwrap_or_default(), "session")),
        HoldChoice::Retry if kind == StepKind::Drain => {
            format!("wait for its sessions again, up to {}", duration(limit(plan, server, kind)))
        }
        HoldChoice::Retry => format!("do the {kind} step again, {}", usual(likely(plan, server, kind))),
        HoldChoice::Skip => format!("count the {kind} step as done, and go on"),
        HoldChoice::Confirm if kind == StepKind::BalancerOut => "it is out of the balancer: go on".to_owned(),
        HoldChoice::Confirm if kind == StepKind::BalancerIn => "it is in the balancer again: go on".to_owned(),
        HoldChoice::Confirm if kind == StepKind::Soak => "the other servers of its pool follow".to_owned(),
        HoldChoice::Confirm => "what was asked for is done: go on".to_owned(),
        HoldChoice::Abandon if server.out => "leave it OUT of service".to_owned(),
        HoldChoice::Abandon => "leave it as it is".to_owned(),
        HoldChoice::Stop if !server.out => "stop the run".to_owned(),
        HoldChoice::Stop if patched => "stop the run; this server stays OUT of service".to_owned(),
        HoldChoice::Stop => format!("stop the run; this server goes back first, {}", usual(back(plan, server))),
    }
}

fn usual(time: SignedDuration) -> String {
    format!("usually within {}", duration(time))
}

/// How long the way back usually takes.
fn back(plan: &Plan, server: &ServerView) -> SignedDuration {
    let steps = [StepKind::Return, StepKind::BalancerIn, StepKind::Gate];
    let all = steps.into_iter().filter_map(|kind| usual_of(plan, server, kind));
    all.fold(SignedDuration::ZERO, |sum, more| sum + more)
}

/// How long a step usually takes. What has no time of its own is a matter of looks.
fn likely(plan: &Plan, server: &ServerView, kind: StepKind) -> SignedDuration {
    usual_of(plan, server, kind).filter(|time| time.is_positive()).unwrap_or(limits::LOOKS)
}

fn usual_of(plan: &Plan, server: &ServerView, kind: StepKind) -> Option<SignedDuration> {
    plan.work_named(&server.server).map(|work| limits::likely_of_step(plan.change(), &work.block, kind))
}

fn limit(plan: &Plan, server: &ServerView, kind: StepKind) -> SignedDuration {
    plan.work_named(&server.server)
        .map_or(SignedDuration::ZERO, |work| limits::of_step(plan.change(), &work.block, kind))
}
