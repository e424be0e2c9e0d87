//! The PowerShell that stays on a server while it is looked at, and answers line by line.
//!
//! A new process for each question costs the server half a second of a processor, and seconds where it loads the product's
//! module. Ten of them for one look also take longer than evidence may be old. So one is started, is asked everything, and is
//! ended when it has been there for long enough.
//!
//! Who asks owns the process, and gives it back with the answer. So whatever cuts a question short, ends the process with it,
//! and what it says too late is never taken for the answer to another question.

use crate::desk::Question;
use crate::link::end;
use crate::script::{self, POWERSHELL, Script};
use orchestrate_wsman::{Cause, Conversation, Error, FaultClass, Heard, Output, Shell, Unresolved};
use std::time::Duration;
use tokio::time::Instant;

/// A process that answers.
#[derive(Debug)]
pub(crate) struct Worker {
    conversation: Conversation,
    since: Instant,
    asked: u64,
}

/// What became of starting a process that stays.
#[derive(Debug)]
pub(crate) enum Started {
    /// It is there, and takes questions.
    Here(Worker),
    /// PowerShell cannot run anything of ours, and says why.
    Unable(Output, Shell),
    /// It has ended at once, or took no question in time.
    NotHere,
}

/// What became of a question.
pub(crate) enum Worked {
    /// The answer to each question, and the process for the next ones.
    Answer(Vec<Output>, Worker),
    /// The process has ended instead, with what it said.
    Ended(Output, Shell),
    /// The server has lost the shell.
    Lost(Error),
    /// It did not answer in time, and was ended.
    Late(Error),
    /// The answer is not known, and that is not for the process: a connection broke, or the answer was longer than may be.
    /// It was ended.
    Failed(Error),
}

impl Worker {
    /// Starts a process in a shell, and has it say that it takes questions.
    pub(crate) async fn start(shell: Shell, limit: Duration) -> Result<Started, Error> {
        let command = Script::worker();
        tracing::debug!(script = "worker", "running");
        let conversation = shell.converse(POWERSHELL, &command.arguments).await?;
        match conversation.ask(script::HELLO, script::HELLO_MARK, limit).await {
            Ok(Heard::Answer(_)) => {
                let since = Instant::now();
                Ok(Started::Here(Self { conversation, since, asked: 0 }))
            }
            Ok(Heard::Ended(output)) if script::is_unable(&output) => {
                Ok(Started::Unable(output, conversation.end().await))
            }
            Ok(Heard::Ended(output)) => {
                tracing::debug!(exit_code = output.exit_code, "no process stays here; each question has its own");
                end(conversation.leave()).await;
                Ok(Started::NotHere)
            }
            Err(error) if is_late(&error) => {
                tracing::debug!("a process that stays says nothing here; each question has its own");
                end(conversation.leave()).await;
                Ok(Started::NotHere)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether the process has been there for that long.
    pub(crate) fn is_old(&self, age: Duration) -> bool {
        self.since.elapsed() >= age
    }

    /// Leaves the process to its shell, which ends it when it is deleted.
    pub(crate) fn leave(self) -> Shell {
        self.conversation.leave()
    }

    /// Puts questions, all of them in one line.
    pub(crate) async fn ask(mut self, questions: &[Question], limit: Duration) -> Worked {
        let (mut parts, mut marks) = (Vec::new(), Vec::new());
        for Question { script, request, .. } in questions {
            self.asked += 1;
            let (part, mark) = script.line(request, self.asked);
            tracing::debug!(script = script.name, "asking");
            parts.push(part);
            marks.push(mark);
        }
        let last = marks.last().map_or("", String::as_str);
        match self.conversation.ask(&parts.join(" "), last, limit).await {
            Ok(Heard::Answer(output)) => Worked::Answer(apart(output, &marks), self),
            Ok(Heard::Ended(output)) => Worked::Ended(output, self.conversation.end().await),
            Err(error) if error.fault_class() == Some(FaultClass::LostShell) => {
                self.conversation.forget();
                Worked::Lost(error)
            }
            Err(error) if is_late(&error) => Worked::Late(error),
            Err(error) => Worked::Failed(error),
        }
    }
}

/// Returns what a process that stays has said to each question of a line, by the lines that it ends its answers with. What it
/// has not said anything to is empty.
pub(crate) fn apart(output: Output, marks: &[String]) -> Vec<Output> {
    if marks.len() < 2 {
        return vec![output];
    }
    let mut said = vec![String::new()];
    for line in output.stdout.lines() {
        let current = said.len() - 1;
        if marks.get(current).is_some_and(|mark| line.trim() == mark) {
            said.push(String::new());
        } else {
            said[current].push_str(line);
            said[current].push('\n');
        }
    }
    said.resize(marks.len(), String::new());
    said.into_iter().map(|stdout| Output { stdout, ..output.clone() }).collect()
}

fn is_late(error: &Error) -> bool {
    matches!(&*error.cause, Cause::Unresolved(Unresolved::CommandTimeout(_)))
}
