//! Changes of several services in one exchange: one question to the PowerShell that stays, with an answer for each of them
//! (ADR 0052).
//!
//! It is put once, and to a process that is there. Where nothing of it can have been done the caller asks for each act by
//! itself, over the wire and without a PowerShell; where its answer is lost nobody knows of any of them.

use crate::desk::Question;
use crate::hop::Problem;
use crate::link::Link;
use crate::outcome::{self, Verb, of_return_value};
use crate::script::{self, Lever, Takes, Trouble};
use crate::services::{self, Wanted};
use orchestrate_model::{Act, ActOutcome, ServiceName, StartMode, StartType};
use orchestrate_wsman::{Outcome, plain};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep_until};

/// The largest number that a method of `Win32_Service` is documented to return.
const LARGEST_VALUE: i64 = 24;

/// Error codes that say that the account may not do it: of WMI, and of Windows.
const DENIED: [i64; 2] = [0x8004_1003, 0x8007_0005];

/// How much later than it was asked for the script may begin to count its time: this part of it.
const SLACK: u32 = 5;

#[derive(Debug, Deserialize)]
struct Answers {
    acts: Vec<Said>,
}

/// What the script says of one act.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    service: String,
    /// Why it was not asked for.
    skipped: Option<String>,
    /// What the method returned.
    value: Option<i64>,
    /// What the program ended with.
    code: Option<i64>,
    #[serde(default)]
    output: String,
    error: Option<String>,
    #[serde(default)]
    causes: Vec<Problem>,
    /// How the delayed flag reads after it, where that could be read.
    delayed: Option<bool>,
}

/// What became of an act that went with others.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It has this outcome, by what was said to it.
    With(ActOutcome),
    /// The mode is set, and the delayed flag is not known to be as wanted.
    ModeAlone,
}

/// Asks for all of them. `None`: nothing was asked for.
pub(crate) async fn ask(link: &Link, acts: &[Act]) -> Option<Vec<Ended>> {
    let question =
        Question { script: Lever::Acts.script(), request: request(acts, link.limits.together)?, takes: Takes::Long };
    let (sent, said) = link.pull_together(&question).await?;
    let result = said.map_err(Trouble::from).and_then(|output| script::answer::<Answers>(question.script, &output));
    let trouble = match result {
        Ok(answers) if answers.acts.len() == acts.len() => {
            return Some(acts.iter().zip(&answers.acts).map(|(act, said)| ended(act, said)).collect());
        }
        Ok(answers) => {
            Trouble::unknown(format!("{} acts were answered, {} were asked for", answers.acts.len(), acts.len()))
        }
        Err(trouble) => trouble,
    };
    link.asks_apart();
    // The script came to an error before its first act, or none has run.
    if trouble.outcome != Outcome::Unknown {
        tracing::debug!(%trouble, "each act is asked for by itself");
        return None;
    }
    // What the script has not begun by then it never will. Whoever looks afterwards sees what it has.
    sleep_until(sent + link.limits.together + link.limits.together / SLACK).await;
    Some(acts.iter().map(|_| Ended::With(ActOutcome::Unknown(trouble.text.clone()))).collect())
}

pub(crate) fn request(acts: &[Act], within: Duration) -> Option<Value> {
    let services: Vec<ServiceName> = acts.iter().filter_map(|act| act.service().cloned()).collect();
    let list: Vec<Value> = acts.iter().map(one).collect::<Option<_>>()?;
    let query = services::whole_query(&services, Wanted::Named)?;
    let onward = acts.iter().all(Act::brings_back);
    Some(json!({ "query": query, "acts": list, "onward": onward, "seconds": within.as_secs_f64() }))
}

/// Returns an act as the script takes it.
fn one(act: &Act) -> Option<Value> {
    let (service, verb) = (act.service()?.as_str(), verb(act)?);
    if matches!(act, Act::SetStartType { to: StartType::DELAYED, .. }) {
        return Some(json!({ "service": service }));
    }
    let fine: Vec<i64> = (0..=LARGEST_VALUE).filter(|value| of_return_value(verb, *value).is_success()).collect();
    let mut asked = json!({ "service": service, "method": verb.method(), "fine": fine });
    if let Act::SetStartType { to, .. } = act {
        asked["mode"] = json!(mode(*to)?);
    }
    Some(asked)
}

fn verb(act: &Act) -> Option<Verb> {
    match act {
        Act::SetStartType { .. } => Some(Verb::ChangeStartMode),
        Act::Pause { .. } => Some(Verb::Pause),
        Act::Continue { .. } => Some(Verb::Continue),
        Act::Start { .. } => Some(Verb::Start),
        Act::Stop { .. } => Some(Verb::Stop),
        Act::StartInstaller(_) | Act::Restart { .. } | Act::SetBalancer { .. } => None,
    }
}

/// Returns a start mode as it is set: it reads back as `Auto`, and is set as `Automatic`. A driver's is never set.
pub(crate) fn mode(to: StartType) -> Option<&'static str> {
    match to.mode {
        StartMode::Automatic => Some("Automatic"),
        StartMode::Manual => Some("Manual"),
        StartMode::Disabled => Some("Disabled"),
        StartMode::Boot | StartMode::System => None,
    }
}

/// Returns what was said of an act means for it.
pub(crate) fn ended(act: &Act, said: &Said) -> Ended {
    let service = act.service().map_or("", ServiceName::as_str);
    if !said.service.eq_ignore_ascii_case(service) {
        return Ended::With(ActOutcome::Unknown("another service was answered in its place".to_owned()));
    }
    let method = verb(act).map_or("", Verb::method);
    let outcome = match (said.skipped.as_deref(), said.value, said.code, &said.error) {
        (Some("missing"), ..) => ActOutcome::Failed("the service is not installed".to_owned()),
        (Some("late"), ..) => ActOutcome::Retry("not asked for: the acts before it took too long".to_owned()),
        (Some("stopped"), ..) => ActOutcome::Retry("not asked for: one before it was not accepted".to_owned()),
        (None, Some(value), ..) => verb(act).map_or_else(
            || ActOutcome::Unknown("no service has such a change".to_owned()),
            |verb| of_return_value(verb, value),
        ),
        (None, None, Some(0), _) => ActOutcome::Accepted,
        (None, None, Some(code), _) => {
            outcome::of_code(code, format!("sc.exe config ended with {code}: {}", plain(said.output.trim())))
        }
        (None, None, None, Some(error)) => {
            let text = format!("{method}: {}", plain(error));
            let denied = said.causes.iter().any(|cause| cause.is_one_of(&DENIED));
            if denied { ActOutcome::Failed(text) } else { ActOutcome::Unknown(text) }
        }
        (Some(_), ..) | (None, None, None, None) => {
            ActOutcome::Unknown(format!("{method}: the answer has no return value"))
        }
    };
    let wanted = match act {
        Act::SetStartType { to, .. } if to.mode == StartMode::Automatic => Some(to.delayed),
        Act::SetStartType { .. }
        | Act::Pause { .. }
        | Act::Continue { .. }
        | Act::Start { .. }
        | Act::Stop { .. }
        | Act::StartInstaller(_)
        | Act::Restart { .. }
        | Act::SetBalancer { .. } => None,
    };
    match wanted {
        Some(wanted) if outcome.is_success() && said.delayed != Some(wanted) => Ended::ModeAlone,
        Some(_) | None => Ended::With(outcome),
    }
}
