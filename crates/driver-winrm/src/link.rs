//! The two connections to a server: one for WMI, one for scripts, so that a slow script does not hold up the rest.

use crate::script::{self, Lever, Look, POWERSHELL, Script, Trouble};
use crate::target::WinrmTarget;
use orchestrate_wsman::{Client, Error, FaultClass, Limits, Output, SetupError, Shell, ShellOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long an act or an end of work waits for a shell to be cleaned up.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// The connections to one server.
#[derive(Debug)]
pub(crate) struct Link {
    /// For WMI.
    pub(crate) wmi: Client,
    /// For the shell, and nothing else.
    commands: Client,
    /// The shell that scripts which only look are run in, one after the other.
    shell: Mutex<Option<Shell>>,
    script_limit: Duration,
}

impl Link {
    /// Returns the link to a server. Nothing is sent yet.
    pub(crate) fn new(target: &WinrmTarget) -> Result<Self, SetupError> {
        let (limits, wire) = (Limits::default(), target.limits.wire);
        let wmi = Client::new(target.endpoint(), &target.transport, &target.auth, wire, limits)?;
        let commands = wmi.second();
        Ok(Self { wmi, commands, shell: Mutex::new(None), script_limit: target.limits.script })
    }

    /// Runs a script that only looks. When the server has lost the shell, it is run once more in a new one.
    pub(crate) async fn look<A: DeserializeOwned>(&self, look: Look, request: &impl Serialize) -> Result<A, Trouble> {
        let script = look.script();
        let command = script.command(&script::request(request)?);
        let mut slot = self.shell.lock().await;
        // The shell leaves its slot while it is used: whatever cuts this short also lets go of the shell.
        if let Some(shell) = slot.take() {
            match run(&shell, script, &command, self.script_limit).await {
                Err(error) if error.fault_class() == Some(FaultClass::LostShell) => shell.forget(),
                Err(error) => return Err(error.into()),
                Ok(output) => {
                    *slot = Some(shell);
                    return script::answer(script, &output);
                }
            }
        }
        let shell = self.commands.create_shell(&ShellOptions::default()).await?;
        let output = run(&shell, script, &command, self.script_limit).await?;
        *slot = Some(shell);
        script::answer(script, &output)
    }

    /// Runs a script that changes something, once, in a shell of its own: one that is known to be there, so that a
    /// lost shell never leaves open whether the script has run.
    pub(crate) async fn pull<A: DeserializeOwned>(&self, lever: Lever, request: &impl Serialize) -> Result<A, Trouble> {
        let script = lever.script();
        let command = script.command(&script::request(request)?);
        let shell = self.commands.create_shell(&ShellOptions::default()).await?;
        let result = run(&shell, script, &command, self.script_limit).await;
        end(shell).await;
        script::answer(script, &result?)
    }

    /// Runs a program, once, in a shell of its own.
    pub(crate) async fn program(&self, program: &str, arguments: &[String]) -> Result<Output, Error> {
        let shell = self.commands.create_shell(&ShellOptions::default()).await?;
        let result = shell.run(program, arguments, None, self.script_limit).await;
        end(shell).await;
        result
    }

    /// Notes that the server goes down, and may refuse us for a while when it comes back.
    pub(crate) fn restart_asked(&self) {
        self.wmi.restart_asked();
    }

    /// Deletes the shell on the server, if one is open.
    pub(crate) async fn close(&self) {
        if let Some(shell) = self.shell.lock().await.take() {
            end(shell).await;
        }
    }
}

async fn run(shell: &Shell, script: Script, command: &script::Command, limit: Duration) -> Result<Output, Error> {
    tracing::debug!(script = script.name, "running");
    shell.run(POWERSHELL, &command.arguments, command.input.as_deref(), limit).await
}

/// Deletes a shell as far as the server lets us. It deletes it by itself when it is idle.
async fn end(shell: Shell) {
    match tokio::time::timeout(CLEAN_UP, shell.delete()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the shell could not be deleted"),
        Err(_elapsed) => tracing::debug!("the shell could not be deleted in time"),
    }
}
