//! Where scripts that only look are run on a server: in a process that stays, or each in one of its own.

use crate::link::{Link, end, run};
use crate::outcome::is_out_of_reach;
use crate::script::{self, Script, Takes};
use crate::worker::{Started, Worked, Worker};
use orchestrate_wsman::{Client, Error, FaultClass, Outcome, Output, Shell, ShellOptions};
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// After how many questions or starts in a row without an answer no process is expected to stay.
const MOST_SILENT: u8 = 3;

/// What scripts that only look are run with.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// A process that stays and is asked.
    worker: Option<Worker>,
    /// One that is being started. It goes on when the look that needed it is cut short: a look at the rest of the pool has
    /// less time than a slow server takes to start one, and the next look finds it.
    starting: Option<Starting>,
    /// A shell for processes of one question each.
    shell: Option<Shell>,
    /// Until when each question has a process of its own.
    one_each: Option<Instant>,
    /// How many processes in a row were asked and have given no answer. Counted before it is known, so that those whose
    /// question was cut short count too.
    silent: u8,
    /// Until when each question has a line of its own.
    apart: Option<Instant>,
}

/// A question: a script that only looks, or that may be run twice, and its request.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) script: Script,
    pub(crate) request: Value,
    pub(crate) takes: Takes,
}

/// What a process that stays has said to a line of questions.
pub(crate) enum Said {
    /// What it has said to each of them.
    Each(Vec<Output>),
    /// Nothing, since no process stays.
    NoneStays,
    /// Nothing to all of them together. Each is to be put by itself.
    Apart,
}

/// How long questions that are put together may take, all of them, where none of them takes longer than a moment: more than
/// any of them takes that is well. Each of them has the time of a script afterwards, and a look has time for both.
const TOGETHER: Duration = Duration::from_secs(20);

/// How long acts that could go together wait until the process that stays is free. Their evidence grows old meanwhile.
const SOON: Duration = Duration::from_secs(3);

/// How long the last act of several may take, once it is begun: the service manager gives up on a control after that.
const LAST_ACT: Duration = Duration::from_secs(30);

/// A process that is being started, with its shell. Dropping it ends both.
#[derive(Debug)]
struct Starting(JoinHandle<Result<Started, Error>>);

impl Starting {
    fn new(commands: Client, limit: Duration) -> Self {
        Self(tokio::spawn(async move {
            let shell = commands.create_shell(&ShellOptions::default()).await?;
            Worker::start(shell, limit).await
        }))
    }

    /// Waits for it. May be cut short and called again.
    async fn outcome(&mut self) -> Result<Started, Error> {
        match (&mut self.0).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_aborted) => Ok(Started::NotHere),
        }
    }

    /// Ends it, with what may be there of it already.
    async fn end(mut self) {
        self.0.abort();
        match (&mut self.0).await {
            Ok(Ok(Started::Here(worker))) => end(worker.leave()).await,
            Ok(Ok(Started::Unable(_, shell))) => end(shell).await,
            // What was under way deletes its shell when it goes.
            Ok(Ok(Started::NotHere)) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a process that was to stay could not be started"),
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Desk {
    /// Returns whether a process that stays may be tried.
    fn may_stay(&mut self, pause: Duration) -> bool {
        if self.silent >= MOST_SILENT {
            self.rest(pause);
        }
        self.one_each.is_none_or(|until| Instant::now() >= until)
    }

    /// Gives each question a process of its own for a while.
    fn rest(&mut self, pause: Duration) {
        (self.one_each, self.silent) = (Some(Instant::now() + pause), 0);
    }

    /// Returns whether several questions may be put in one line.
    fn may_ask_together(&self) -> bool {
        self.apart.is_none_or(|until| Instant::now() >= until)
    }

    /// Keeps a process that has answered, and returns its answers.
    async fn keep(&mut self, worked: Worked, (asked, pause): (usize, Duration)) -> Result<Said, Error> {
        match worked {
            Worked::Answer(outputs, worker) => {
                (self.worker, self.silent) = (Some(worker), 0);
                Ok(Said::Each(outputs))
            }
            Worked::Ended(output, shell) => {
                end(shell).await;
                if asked == 1 {
                    return Ok(Said::Each(vec![output]));
                }
                self.apart = Some(Instant::now() + pause);
                Ok(Said::Apart)
            }
            Worked::Late(error) if asked == 1 => Err(error),
            Worked::Late(_) => {
                self.apart = Some(Instant::now() + pause);
                Ok(Said::Apart)
            }
            Worked::Lost(error) => {
                self.silent = 0;
                Err(error)
            }
            Worked::Failed(error) => {
                self.silent = 0;
                if asked == 1 || is_out_of_reach(&error) { Err(error) } else { Ok(Said::Apart) }
            }
        }
    }
}

impl Link {
    /// Runs a script that only looks, or that may be run twice. When the server has lost the shell, it is run once more in a
    /// new one.
    ///
    /// What is used leaves the desk meanwhile: whatever cuts this short also lets go of it.
    pub(crate) async fn look(&self, desk: &mut Desk, question: &Question) -> Result<Output, Error> {
        match self.look_where_one_stays(desk, question).await? {
            Some(output) => Ok(output),
            None => self.look_alone(desk, question.script, &question.script.command(&question.request)).await,
        }
    }

    /// The same where a process stays, and `None` where none does: what can be asked in another way is not worth a process.
    pub(crate) async fn look_where_one_stays(
        &self,
        desk: &mut Desk,
        question: &Question,
    ) -> Result<Option<Output>, Error> {
        match self.ask_one_that_stays(desk, std::slice::from_ref(question)).await? {
            Said::Each(outputs) => Ok(outputs.into_iter().next()),
            Said::NoneStays | Said::Apart => Ok(None),
        }
    }

    /// Puts several questions in one line, where that may lead anywhere.
    pub(crate) async fn look_together(&self, desk: &mut Desk, questions: &[Question]) -> Result<Said, Error> {
        if questions.len() < 2 || !desk.may_ask_together() {
            return Ok(Said::Apart);
        }
        self.ask_one_that_stays(desk, questions).await
    }

    async fn ask_one_that_stays(&self, desk: &mut Desk, questions: &[Question]) -> Result<Said, Error> {
        let said = self.ask_one_that_is_there_or_starts(desk, questions).await;
        self.stays.store(desk.worker.is_some(), Ordering::Relaxed);
        said
    }

    async fn ask_one_that_is_there_or_starts(&self, desk: &mut Desk, questions: &[Question]) -> Result<Said, Error> {
        let (most, stay) = (self.limits.look_script, self.limits.stay);
        // What may take minutes is among others only where it was answered within a moment the last time.
        let (is_moment, is_long) = (|takes| takes == Takes::AMoment, |takes| takes == Takes::Long);
        let mut takes = questions.iter().map(|question| question.takes);
        let is_short = questions.len() > 1 && (takes.clone().all(is_moment) || takes.any(is_long));
        let limit = if is_short { most.min(TOGETHER) } else { most };
        let how = (questions.len(), stay.pause);
        match desk.worker.take() {
            Some(worker) if worker.is_old(stay.age) => end(worker.leave()).await,
            Some(worker) => {
                desk.silent += 1;
                match worker.ask(questions, limit).await {
                    // Lost with its shell, and nothing is changed by asking once more.
                    Worked::Lost(_) => desk.silent = 0,
                    other => return desk.keep(other, how).await,
                }
            }
            None => {}
        }
        if desk.starting.is_some() || desk.may_stay(stay.pause) {
            let starting =
                desk.starting.get_or_insert_with(|| Starting::new(self.commands.clone(), most.min(stay.start)));
            let started = starting.outcome().await;
            desk.starting = None;
            desk.silent += 1;
            match started {
                Ok(Started::Here(worker)) => {
                    self.started.fetch_add(1, Ordering::Relaxed);
                    return desk.keep(worker.ask(questions, limit).await, how).await;
                }
                Ok(Started::Unable(output, shell)) => {
                    desk.rest(stay.pause);
                    desk.shell.get_or_insert(shell);
                    // So it would say to each of them.
                    return Ok(Said::Each(vec![output; questions.len()]));
                }
                Ok(Started::NotHere) => desk.rest(stay.pause),
                Err(error) => {
                    desk.silent = 0;
                    return Err(error);
                }
            }
        }
        Ok(Said::NoneStays)
    }

    /// Runs a script that changes something in the process that stays, once, and returns what it said and when it was asked.
    /// `None` where none stays, where it is busy, or where the question has not reached it: it has not run then.
    pub(crate) async fn pull_together(&self, question: &Question) -> Option<(Instant, Result<Output, Error>)> {
        let mut desk = timeout(SOON, self.desk.lock()).await.ok()?;
        let worker = desk.worker.take()?;
        desk.silent += 1;
        let sent = Instant::now();
        let worked = worker.ask(std::slice::from_ref(question), self.limits.together + LAST_ACT).await;
        if let Worked::Lost(error) | Worked::Failed(error) = &worked
            && error.operation == "Send"
            && error.outcome() != Outcome::Unknown
        {
            tracing::debug!(%error, "acts were not asked for together");
            self.stays.store(false, Ordering::Relaxed);
            return None;
        }
        let said = desk.keep(worked, (1, self.limits.stay.pause)).await;
        self.stays.store(desk.worker.is_some(), Ordering::Relaxed);
        // One question has one answer, or an error. An answer of nothing tells nothing.
        let nothing = || Output { stdout: String::new(), stderr: String::new(), exit_code: 0 };
        let said = said.map(|said| match said {
            Said::Each(outputs) => outputs.into_iter().next().unwrap_or_else(nothing),
            Said::NoneStays | Said::Apart => nothing(),
        });
        Some((sent, said))
    }

    /// Runs a script in a process of its own.
    pub(crate) async fn look_alone(
        &self,
        desk: &mut Desk,
        script: Script,
        command: &script::Command,
    ) -> Result<Output, Error> {
        let limit = self.limits.look_script;
        if let Some(shell) = desk.shell.take() {
            match run(&shell, script, command, limit).await {
                Err(error) if error.fault_class() == Some(FaultClass::LostShell) => shell.forget(),
                Err(error) => return Err(error),
                Ok(output) => {
                    desk.shell = Some(shell);
                    return Ok(output);
                }
            }
        }
        let shell = self.commands.create_shell(&ShellOptions::default()).await?;
        let output = run(&shell, script, command, limit).await?;
        desk.shell = Some(shell);
        Ok(output)
    }

    /// Deletes what scripts that only look are run with on the server.
    pub(crate) async fn clear(&self) {
        let mut desk = std::mem::take(&mut *self.desk.lock().await);
        self.stays.store(false, Ordering::Relaxed);
        if let Some(starting) = desk.starting.take() {
            starting.end().await;
        }
        if let Some(worker) = desk.worker {
            // The program goes with its shell.
            end(worker.leave()).await;
        }
        if let Some(shell) = desk.shell {
            end(shell).await;
        }
    }
}
