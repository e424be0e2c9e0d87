//! Forms: the confirmation of a decision, the sign-in, and what is said when something cannot be done.

use super::{Frame, Page, Shown};
use crate::answering::offers;
use crate::live::{self, Ground};
use crate::preview::alike::Called;
use crate::style::Look;
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, count};
use jiff::Timestamp;
use orchestrate_engine::view::Phase;
use orchestrate_model::hold::HoldChoice;
use orchestrate_model::{Answer, ServerName};
use serde::Serialize;

/// A decision that a person is about to make.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The server.
    pub server: &'a ServerName,
    /// The choice.
    pub choice: HoldChoice,
    /// Since when the server was held by the hold that the person has read. `None`: by the one that there is.
    pub since: Option<Timestamp>,
    /// Why what was sent was not taken, when it was not.
    pub refused: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
struct Form {
    kind: &'static str,
    heading: String,
    run: String,
    lab: bool,
    wrong: Option<String>,
    name: String,
    server: String,
    choice: &'static str,
    since: String,
    effect: String,
    reason: String,
    sessions: Option<u64>,
    uncountable: bool,
    next: String,
}

fn page(title: String, here: &'static str, frame: &Frame, more: Form) -> Result<String, Unwritten> {
    rendered("form.html", &Page { title, frame, here, events: String::new(), pieces: Vec::new(), more })
}

/// Returns the confirmation of a decision: what it does, and what has to be typed. What is no longer so is said instead.
///
/// # Errors
/// A template of the program is wrong.
pub fn confirm(shown: &Shown<'_>, asked: Asked<'_>, frame: &Frame, look: &Look) -> Result<String, Unwritten> {
    let plan = shown.context.plan;
    let look = shown.look(look);
    let name = Called::of_plan(plan).one(asked.server).to_owned();
    let run = shown.context.run.to_string();
    let held = shown.view.servers.iter().find(|server| server.server == *asked.server).and_then(|server| match &server
        .phase
    {
        Phase::Held(hold) => Some((server, hold)),
        Phase::Waiting | Phase::Step { .. } | Phase::Ended(_) => None,
    });
    let held = held.filter(|(_, hold)| asked.since.is_none_or(|since| since == hold.since));
    let word = asked.choice.word();
    let offer = held.and_then(|(server, hold)| {
        let offer = offers(plan, shown.view, server, hold).into_iter().find(|offer| offer.choice == asked.choice)?;
        Some((server, hold, offer))
    });
    let Some((server, hold, offer)) = offer.filter(|_| shown.is_live()) else {
        let heading = format!("{word} {name}: there is nothing to decide");
        let wrong =
            "The hold that this was about is decided already, or does not offer this. Look at the run as it is now.";
        let form =
            Form { kind: "over", heading: heading.clone(), run, wrong: Some(wrong.to_owned()), ..Form::default() };
        return page(heading, "", frame, form);
    };
    let heading = format!("{word} {name}?");
    let counts = asked.choice == HoldChoice::Cut;
    let left = server.sessions_left.as_ref().and_then(Answer::known).copied();
    let form = Form {
        kind: match asked.choice {
            HoldChoice::Cut => "cut",
            HoldChoice::Extend => "extend",
            HoldChoice::Stop
            | HoldChoice::Retry
            | HoldChoice::Skip
            | HoldChoice::Confirm
            | HoldChoice::Return
            | HoldChoice::Abandon => "plain",
        },
        heading: heading.clone(),
        run,
        lab: shown.ground == Ground::Lab,
        wrong: asked.refused.map(clean),
        effect: match (asked.choice, left) {
            (HoldChoice::Cut, Some(left)) => {
                format!("This cuts {} of {name}. The people in them are cut off.", count(left, "session"))
            }
            (HoldChoice::Extend, _) => format!("This gives the sessions of {name} more time; nothing is cut."),
            _ => format!("For {name}: {}.", offer.text),
        },
        name,
        server: asked.server.to_string(),
        choice: word,
        since: hold.since.to_string(),
        reason: {
            let since = look.moment(hold.since, shown.now);
            let sessions = Some(live::sessions(server)).filter(|said| !said.is_empty());
            let sessions = sessions.map(|said| format!("; {said}")).unwrap_or_default();
            format!("held since {since}: {}{sessions}", clean(&hold.reason))
        },
        sessions: left.filter(|_| counts),
        uncountable: counts && left.is_none(),
        ..Form::default()
    };
    page(heading, "", frame, form)
}

/// Returns the page on which a person signs in. `next` is the page that comes after it.
///
/// # Errors
/// A template of the program is wrong.
pub fn sign_in(next: &str, wrong: Option<&str>, frame: &Frame) -> Result<String, Unwritten> {
    let heading = "Sign in".to_owned();
    let wrong = wrong.map(clean);
    let form = Form { kind: "sign-in", heading: heading.clone(), next: next.to_owned(), wrong, ..Form::default() };
    page(heading, "sign-in", frame, form)
}

/// Returns a page that says why something cannot be shown or done.
///
/// # Errors
/// A template of the program is wrong.
pub fn failed(heading: &str, why: &str, frame: &Frame) -> Result<String, Unwritten> {
    let form = Form { kind: "failed", heading: clean(heading), wrong: Some(clean(why)), ..Form::default() };
    page(clean(heading), "", frame, form)
}
