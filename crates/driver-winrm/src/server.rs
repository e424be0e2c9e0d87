//! The driver that can change a server.

use crate::outcome::{self, Verb};
use crate::reader::{WinrmReader, check_token};
use crate::script::{Lever, Trouble};
use crate::services::Wanted;
use crate::target::WinrmTarget;
use crate::together::{self, Ended};
use crate::{lease, restart, services};
use async_trait::async_trait;
use orchestrate_driver::{Change, Clock, Observe};
use orchestrate_model::{
    Act, ActOutcome, Ask, InstallerRun, LeaseAsk, LeaseOutcome, ServerObservation, ServiceName, StartType, secret,
};
use orchestrate_wsman::{SetupError, plain};
use serde::Deserialize;
use serde_json::json;

/// Looks at one server over WinRM, and changes it.
#[derive(Debug, Clone)]
pub struct WinrmServer {
    reader: WinrmReader,
}

impl WinrmServer {
    /// Returns a driver. Nothing is sent before the first observation or act.
    ///
    /// # Errors
    /// When the target asks for something that is not available or not safe.
    pub fn new(target: WinrmTarget, clock: Clock) -> Result<Self, SetupError> {
        WinrmReader::new(target, clock).map(Self::over)
    }

    /// Returns a driver that uses the connections of a reader.
    #[must_use]
    pub fn over(reader: WinrmReader) -> Self {
        Self { reader }
    }

    /// Returns the part that can only look.
    #[must_use]
    pub fn reader(&self) -> &WinrmReader {
        &self.reader
    }
}

#[async_trait]
impl Observe for WinrmServer {
    async fn observe(&self, ask: &Ask) -> ServerObservation {
        self.reader.observe(ask).await
    }
}

#[async_trait]
impl Change for WinrmServer {
    async fn apply(&self, act: &Act) -> ActOutcome {
        // Before and after: what a look beside the act has seen may be from before it.
        self.forget_details(act);
        let outcome = self.change(act).await;
        self.forget_details(act);
        tracing::info!(server = %self.reader.server(), %act, ?outcome, "asked for a change");
        outcome
    }

    async fn apply_together(&self, acts: &[Act]) -> Option<Vec<ActOutcome>> {
        if !self.reader.link().takes_several() {
            return None;
        }
        acts.iter().for_each(|act| self.forget_details(act));
        let outcomes = Box::pin(self.change_together(acts)).await;
        acts.iter().for_each(|act| self.forget_details(act));
        for (act, outcome) in acts.iter().zip(outcomes.iter().flatten()) {
            tracing::info!(server = %self.reader.server(), %act, ?outcome, "asked for a change, with others");
        }
        outcomes
    }

    async fn hold_lease(&self, ask: &LeaseAsk) -> LeaseOutcome {
        Box::pin(lease::hold(self.reader.link(), self.reader.keeper(), ask)).await
    }

    async fn release_lease(&self) -> Result<(), String> {
        Box::pin(lease::release(self.reader.link(), self.reader.keeper())).await
    }
}

impl WinrmServer {
    /// Forgets what an act may change of what is known of services.
    fn forget_details(&self, act: &Act) {
        match act {
            Act::SetStartType { .. } | Act::StartInstaller(_) | Act::Restart { .. } => self.reader.details().forget(),
            Act::Pause { .. }
            | Act::Continue { .. }
            | Act::Start { .. }
            | Act::Stop { .. }
            | Act::SetBalancer { .. } => {}
        }
    }

    async fn change(&self, act: &Act) -> ActOutcome {
        match act {
            Act::SetStartType { service, to } => Box::pin(self.set_start_type(service, *to)).await,
            Act::Pause { service } => self.control(Verb::Pause, service, &[]).await,
            Act::Continue { service } => self.control(Verb::Continue, service, &[]).await,
            Act::Start { service } => self.control(Verb::Start, service, &[]).await,
            Act::Stop { service } => self.control(Verb::Stop, service, &[]).await,
            Act::StartInstaller(run) => Box::pin(self.start_installer(run)).await,
            Act::Restart { booted, comment } => Box::pin(restart::ask(self.reader.link(), *booted, comment)).await,
            Act::SetBalancer { .. } => {
                ActOutcome::Failed(format!("{}: a server cannot set what its balancer does", self.reader.server()))
            }
        }
    }

    /// Asks for several changes in one question.
    async fn change_together(&self, acts: &[Act]) -> Option<Vec<ActOutcome>> {
        let ended = together::ask(self.reader.link(), acts).await?;
        let mut outcomes = Vec::new();
        for (act, ended) in acts.iter().zip(ended) {
            let outcome = match (ended, act) {
                (Ended::With(outcome), _) => outcome,
                (Ended::ModeAlone, Act::SetStartType { service, to }) => match self.set_flag(service, *to).await {
                    Ok(()) => ActOutcome::Accepted,
                    Err(outcome) => after_the_mode(outcome),
                },
                (Ended::ModeAlone, _) => ActOutcome::Accepted,
            };
            outcomes.push(act.service().map_or(outcome.clone(), |service| self.named(service, outcome)));
        }
        Some(outcomes)
    }

    /// Calls a method of a service, once.
    async fn control(&self, verb: Verb, service: &ServiceName, arguments: &[(&str, &str)]) -> ActOutcome {
        let keys = [("Name", service.as_str())];
        match self.reader.link().wmi.invoke("Win32_Service", &keys, verb.method(), arguments).await {
            Ok(output) => match output.number("ReturnValue") {
                Some(value) => self.named(service, outcome::of_return_value(verb, value)),
                None => self
                    .named(service, ActOutcome::Unknown(format!("{}: the answer has no return value", verb.method()))),
            },
            Err(error) => outcome::of_error(&error),
        }
    }

    /// Puts server and service in front of what went wrong.
    fn named(&self, service: &ServiceName, outcome: ActOutcome) -> ActOutcome {
        let name = |text: String| format!("{}: {service}: {text}", self.reader.server());
        match outcome {
            ActOutcome::Retry(text) => ActOutcome::Retry(name(text)),
            ActOutcome::Failed(text) => ActOutcome::Failed(name(text)),
            ActOutcome::Unknown(text) => ActOutcome::Unknown(name(text)),
            done @ (ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined) => done,
        }
    }

    /// Sets a start type. The method of WMI does not know the delayed flag: a delayed start is set by a script, mode and flag
    /// at once, and a flag that another hand has left is cleared by it in a second step. The flag is read back: what a mode
    /// change does to it is not documented.
    async fn set_start_type(&self, service: &ServiceName, to: StartType) -> ActOutcome {
        let Some(mode) = together::mode(to) else {
            let text = format!("{} is a driver's start type and is never set", to.mode);
            return self.named(service, ActOutcome::Failed(text));
        };
        if to == StartType::DELAYED {
            let Err(outcome) = self.set_flag(service, to).await else { return ActOutcome::Accepted };
            // The mode alone, where the script has not done it: a server that restarts now comes up, if not in its usual order.
            let set = self.control(Verb::ChangeStartMode, service, &[("StartMode", mode)]).await;
            return if set.is_success() { self.named(service, after_the_mode(outcome)) } else { set };
        }
        let set = self.control(Verb::ChangeStartMode, service, &[("StartMode", mode)]).await;
        if !set.is_success() || to != StartType::AUTOMATIC {
            return set;
        }
        match self.set_flag(service, to).await {
            Ok(()) => set,
            Err(outcome) => self.named(service, after_the_mode(outcome)),
        }
    }

    /// Gives a service the delayed flag that it is to have. It is cleared where another hand has set it: our own changes
    /// never set it for a service that had none.
    async fn set_flag(&self, service: &ServiceName, to: StartType) -> Result<(), ActOutcome> {
        // A flag that cannot be read is left to the caller, who looks at the start type in any case.
        if !to.delayed && !matches!(self.is_delayed(service).await, Ok(Some(true))) {
            return Ok(());
        }
        // As the script has found it after its change, or as a look finds it where the script could not.
        let found = match self.pull_flag(service, to).await? {
            Some(found) => Some(found),
            None => self.is_delayed(service).await.map_err(|trouble| outcome::of_trouble(trouble.halfway()))?,
        };
        if found == Some(to.delayed) {
            return Ok(());
        }
        let word = if to.delayed { "set" } else { "cleared" };
        let found = match found {
            Some(true) => "set",
            Some(false) => "not set",
            None => "not known",
        };
        Err(ActOutcome::Unknown(format!("the delayed flag was {word} and is found {found}")))
    }

    /// Returns whether a service starts delayed: as WMI says it, which needs no shell, and where WMI does not know the
    /// flag, before Windows 2016, as the script says it.
    async fn is_delayed(&self, service: &ServiceName) -> Result<Option<bool>, Trouble> {
        let link = self.reader.link();
        let rows = services::rows(link, std::slice::from_ref(service), Wanted::Named).await?;
        let known = rows.ok().and_then(|rows| rows.values().next().and_then(|row| row.truth("DelayedAutoStart")));
        if known.is_some() {
            return Ok(known);
        }
        let details = services::details(&link.glance(), std::slice::from_ref(service)).await?;
        Ok(details.delayed(service))
    }

    /// Sets or clears the flag, and returns how it reads then, where the script could read it. May be done twice, so the
    /// process that stays does it: ten services of a front end have the flag, and each process of its own is seconds of a
    /// processor.
    async fn pull_flag(&self, service: &ServiceName, to: StartType) -> Result<Option<bool>, ActOutcome> {
        #[derive(Deserialize)]
        struct Said {
            ok: bool,
            #[serde(default)]
            code: i64,
            #[serde(default)]
            said: String,
            #[serde(default)]
            delayed: Option<bool>,
        }
        let request = json!({ "service": service.as_str(), "delayed": to.delayed });
        let said = self.reader.link().pull_again(Lever::Delayed, &request).await;
        let said: Said = said.map_err(outcome::of_trouble)?;
        if said.ok {
            return Ok(said.delayed);
        }
        let text = format!("sc.exe config ended with {}: {}", said.code, plain(said.said.trim()));
        Err(outcome::of_code(said.code, text))
    }

    async fn start_installer(&self, run: &InstallerRun) -> ActOutcome {
        #[derive(Deserialize)]
        struct Said {
            result: String,
            #[serde(default)]
            detail: String,
        }
        let server = self.reader.server();
        if let Err(reason) = check_token(&run.token) {
            return ActOutcome::Failed(format!("{server}: {reason}"));
        }
        let request = json!({
            "token": run.token.0,
            "installer": run.installer,
            "arguments": run.arguments,
            "sha256": run.sha256,
            "deadlineSeconds": run.deadline.as_secs(),
        });
        let said: Said = match self.reader.link().pull(Lever::InstallerStart, &request).await {
            Ok(said) => said,
            Err(trouble) => return outcome::of_trouble(trouble),
        };
        let (installer, detail) = (plain(&secret::shown_address(&run.installer)), plain(&said.detail));
        match said.result.as_str() {
            "started" => ActOutcome::Accepted,
            "already" => ActOutcome::AlreadySo,
            "missing-file" => ActOutcome::Failed(format!("{server}: {installer} is not there; copy it to the server")),
            "wrong-hash" => ActOutcome::Failed(format!(
                "{server}: {installer} is another file: expected SHA-256 {}, found {detail}",
                plain(&run.sha256)
            )),
            "failed" => ActOutcome::Failed(format!("{server}: {installer} was not started: {detail}")),
            "unclear" => {
                ActOutcome::Unknown(format!("{server}: whether {installer} was started is not known: {detail}"))
            }
            other => ActOutcome::Unknown(format!(
                "{server}: starting {installer} gave {}",
                orchestrate_model::text::quoted(other)
            )),
        }
    }
}

/// Says that the mode of a start type is set, in front of what went wrong with its flag.
fn after_the_mode(outcome: ActOutcome) -> ActOutcome {
    let text = |why: String| format!("the start type is automatic again, its delayed flag is not as wanted: {why}");
    match outcome {
        ActOutcome::Retry(why) => ActOutcome::Retry(text(why)),
        ActOutcome::Failed(why) => ActOutcome::Failed(text(why)),
        ActOutcome::Unknown(why) => ActOutcome::Unknown(text(why)),
        done @ (ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined) => done,
    }
}
