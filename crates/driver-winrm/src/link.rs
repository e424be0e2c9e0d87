//! The two connections to a server: one for WMI, one for scripts, so that a slow script does not hold up the rest.

use crate::by_task::{self, Asking};
use crate::desk::{Desk, Question, Said};
use crate::hop;
use crate::outcome::is_out_of_reach;
use crate::script::{self, Lever, Look, POWERSHELL, Script, Takes, Trouble, without_host};
use crate::target::{WinrmLimits, WinrmTarget};
use orchestrate_model::observe::{Obstacle, ObstacleKind};
use orchestrate_model::pool::{Cmdlets, TaskAccount};
use orchestrate_wsman::{Auth, Client, Error, Instance, Limits, Outcome, Output, SetupError, Shell, ShellOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout_at};

/// Within what time a question is answered that is put in one line with others the next time, although it may take minutes. A
/// line that is late costs its look the 20 seconds that it has, and each of its questions is put again.
const QUICK: Duration = Duration::from_secs(3);

/// How long an act or an end of work waits for a shell to be cleaned up.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// The connections to one server.
#[derive(Debug)]
pub(crate) struct Link {
    /// For WMI.
    pub(crate) wmi: Client,
    /// For the shell, and nothing else.
    pub(crate) commands: Client,
    /// Where scripts that only look are run, one after the other.
    pub(crate) desk: Mutex<Desk>,
    /// Whether a process stays there that has answered what it was asked last.
    pub(crate) stays: AtomicBool,
    /// How many processes were started that stay.
    pub(crate) started: AtomicUsize,
    /// Until when each act is asked for by itself.
    acts_apart: std::sync::Mutex<Option<Instant>>,
    /// The scripts that may take minutes, and were answered within a moment when they were last asked.
    quick: std::sync::Mutex<BTreeSet<&'static str>>,
    pub(crate) limits: WinrmLimits,
    /// By which way the cmdlets of the product are asked.
    cmdlets: Cmdlets,
    /// The account that logs on.
    auth: Auth,
}

/// How a question is put.
enum Put {
    /// To the process that stays, as a line, and with a process of its own where none stays.
    AsLine(Question),
    /// To the process that stays, in one line with others of the look, and with a process of its own where none stays.
    Together(Question),
    /// The same, and not at all where none stays.
    TogetherOnly(Question),
    /// With a process of its own.
    Alone(Script, script::Command),
}

/// What a question is worth where no process stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// A process of its own.
    AProcess,
    /// Nothing: it can be asked in another way.
    ALine,
}

/// A question that waits until a line with it is put, and where its answer is waited for.
struct Waiting {
    question: Question,
    worth: Worth,
    answer: oneshot::Sender<Result<Option<Output>, Trouble>>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").field(&self.question.script.name).finish()
    }
}

impl Link {
    /// Returns the link to a server. Nothing is sent yet.
    pub(crate) fn new(target: &WinrmTarget) -> Result<Self, SetupError> {
        let (limits, wire) = (Limits::default(), target.limits.wire);
        let wmi = Client::new(target.endpoint(), &target.transport, &target.auth, wire, limits)?;
        let commands = wmi.second();
        let (cmdlets, auth) = (target.cmdlets.clone(), target.auth.clone());
        let (desk, stays, started) = (Mutex::default(), AtomicBool::new(false), AtomicUsize::new(0));
        let (acts_apart, quick) = (std::sync::Mutex::default(), std::sync::Mutex::default());
        Ok(Self { wmi, commands, desk, stays, started, acts_apart, quick, limits: target.limits, cmdlets, auth })
    }

    /// Returns what one look goes through, which has to be over after the limit of an observation.
    pub(crate) fn glance(&self) -> Glance<'_> {
        let limit = self.limits.observation;
        Glance {
            link: self,
            until: Instant::now() + limit,
            limit,
            lost: std::sync::Mutex::default(),
            met: Met::default(),
            waiting: std::sync::Mutex::default(),
            first: Mutex::default(),
        }
    }

    /// Returns how many processes were started that stay.
    pub(crate) fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    /// Returns whether a process stays that has answered what it was asked last.
    pub(crate) fn stays(&self) -> bool {
        self.stays.load(Ordering::Relaxed)
    }

    /// Returns whether several acts may be asked for in one question.
    pub(crate) fn takes_several(&self) -> bool {
        let apart = *self.acts_apart.lock().unwrap_or_else(PoisonError::into_inner);
        self.stays() && apart.is_none_or(|until| Instant::now() >= until)
    }

    /// Returns whether a script that may take minutes was answered within a moment when it was last asked.
    fn is_quick(&self, script: Script) -> bool {
        self.quick.lock().unwrap_or_else(PoisonError::into_inner).contains(script.name)
    }

    /// Notes how long questions took that may take minutes, all of them together. `None`: they were not answered.
    fn note_pace(&self, questions: &[Question], took: Option<Duration>) {
        let mut quick = self.quick.lock().unwrap_or_else(PoisonError::into_inner);
        for question in questions.iter().filter(|question| question.takes == Takes::Long) {
            if took.is_some_and(|took| took <= QUICK) {
                quick.insert(question.script.name);
            } else {
                quick.remove(question.script.name);
            }
        }
    }

    /// Has each act be asked for by itself for a while.
    pub(crate) fn asks_apart(&self) {
        let until = Instant::now() + self.limits.stay.pause;
        *self.acts_apart.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Runs a script that changes something, once, in a shell of its own: one that is known to be there, so that a
    /// lost shell never leaves open whether the script has run.
    pub(crate) async fn pull<A: DeserializeOwned>(&self, lever: Lever, request: &impl Serialize) -> Result<A, Trouble> {
        let script = lever.script();
        let command = script.command(&script::request(request)?);
        let shell = self.commands.create_shell(&ShellOptions::default()).await?;
        let result = run(&shell, script, &command, self.limits.script).await;
        end(shell).await;
        script::answer(script, &result?)
    }

    /// Runs a script that changes something and may be repeated: in the shell that is open for looking, if there is one.
    pub(crate) async fn pull_again<A: DeserializeOwned>(
        &self,
        lever: Lever,
        request: &impl Serialize,
    ) -> Result<A, Trouble> {
        let script = lever.script();
        let question = Question { script, request: script::request(request)?, takes: Takes::Long };
        let mut desk = self.desk.lock().await;
        let output = self.look(&mut desk, &question).await?;
        script::answer(script, &output)
    }

    /// Runs a program, once, in a shell of its own.
    pub(crate) async fn program(&self, program: &str, arguments: &[String]) -> Result<Output, Error> {
        let shell = self.commands.create_shell(&ShellOptions::default()).await?;
        let result = shell.run(program, arguments, None, self.limits.script).await;
        end(shell).await;
        result
    }

    /// Notes that the server goes down, and may refuse us for a while when it comes back.
    pub(crate) fn restart_asked(&self) {
        self.wmi.restart_asked();
    }

    /// Deletes the shell on the server, if one is open.
    pub(crate) async fn close(&self) {
        self.clear().await;
        // Those whose look was cut short.
        if tokio::time::timeout(CLEAN_UP, self.commands.settled()).await.is_err() {
            tracing::debug!("not every shell could be deleted in time");
        }
    }
}

/// One look at a server. It has one deadline for everything, and whatever was read until then counts. A connection that
/// is found to be out of reach is not tried again for its rest: each try would cost half a minute.
#[derive(Debug)]
pub(crate) struct Glance<'a> {
    link: &'a Link,
    until: Instant,
    limit: Duration,
    lost: std::sync::Mutex<Lost>,
    met: Met,
    waiting: std::sync::Mutex<Vec<Waiting>>,
    /// Held by whoever goes before what may take minutes.
    first: Mutex<()>,
}

/// What scripts came to in one look: whether any has run, and what stood in the way of those that have not.
#[derive(Debug, Default)]
struct Met(std::sync::Mutex<Ways>);

/// The kinds of scripts.
#[derive(Debug, Default)]
struct Ways {
    /// All of them.
    all: Way,
    /// Those that ask the product.
    product: Way,
}

/// What one kind of scripts came to.
#[derive(Debug, Default)]
struct Way {
    open: bool,
    obstacle: Option<Obstacle>,
}

impl Met {
    fn ways<T>(&self, act: impl FnOnce(&mut Ways) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, kind: ObstacleKind, told: String) {
        self.ways(|ways| {
            let way = if kind.is_of_product() { &mut ways.product } else { &mut ways.all };
            let obstacle = way.obstacle.get_or_insert_with(|| Obstacle { kind, told: Vec::new() });
            if obstacle.kind == kind && !obstacle.told.contains(&told) {
                obstacle.told.push(told);
            }
        });
    }

    /// Notes what became of a script.
    fn ended<A>(&self, look: Look, result: &Result<A, Trouble>) {
        match result {
            Err(Trouble { obstacle: Some((kind, told)), .. }) => {
                self.note(*kind, told.clone());
                self.ways(|ways| ways.all.open |= kind.is_of_product());
            }
            // It ran, and came to an error of its own.
            Err(trouble) if trouble.fault.is_none() && trouble.outcome == Outcome::Refused => {
                self.ways(|ways| ways.all.open = true);
            }
            Err(_) => {}
            Ok(_) => self.ways(|ways| {
                ways.all.open = true;
                ways.product.open |= look.asks_the_product();
            }),
        }
    }

    /// What stood in the way of every script that was to run, and of every one that asks the product.
    fn obstacles(&self) -> Vec<Obstacle> {
        self.ways(|ways| {
            let ways = [&ways.all, &ways.product].into_iter();
            ways.filter(|way| !way.open).filter_map(|way| way.obstacle.clone()).collect()
        })
    }
}

/// Which connections are out of reach, and why.
#[derive(Debug, Default)]
struct Lost {
    wmi: Option<Trouble>,
    scripts: Option<Trouble>,
}

impl Glance<'_> {
    /// Returns the link that is looked through.
    pub(crate) fn link(&self) -> &Link {
        self.link
    }

    /// Returns when the look has to be over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// What stood in the way of many questions at once.
    pub(crate) fn obstacles(&self) -> Vec<Obstacle> {
        self.met.obstacles()
    }

    /// Notes that a cmdlet was not let in at a second machine, and how that is told.
    pub(crate) fn not_let_in(&self, told: &str) {
        self.met.note(ObstacleKind::SecondMachine, told.to_owned());
    }

    /// Returns by which way the cmdlets of the product are asked.
    pub(crate) fn cmdlets(&self) -> &Cmdlets {
        &self.link.cmdlets
    }

    /// Runs a script that only looks, after those that were asked for before it.
    pub(crate) async fn look<A: DeserializeOwned>(&self, look: Look, request: &impl Serialize) -> Result<A, Trouble> {
        let result = self.asked(look, request).await;
        self.met.ended(look, &result);
        result
    }

    async fn asked<A: DeserializeOwned>(&self, look: Look, request: &impl Serialize) -> Result<A, Trouble> {
        let script = look.script();
        let request = script::request(request)?;
        let output = match &self.link.cmdlets {
            Cmdlets::Task(account) if look.asks_the_product() => self.by_task(script, &request, account).await?,
            Cmdlets::Task(_) | Cmdlets::Session => {
                let question = Question { script, request, takes: look.takes() };
                let joins =
                    question.takes != Takes::Long || (look != Look::CounterClasses && self.link.is_quick(script));
                if !joins && look.asks_the_product() {
                    drop(self.goes_first().await);
                }
                let put = if joins { Put::Together(question) } else { Put::AsLine(question) };
                self.run_in_any_way(script, put).await?
            }
        };
        script::answer(script, &output).map_err(|trouble| match hop::recognise(&trouble.text, &trouble.problems) {
            Some(second) if look.asks_the_product() => {
                let text = hop::explain(&trouble.text, second, &self.link.cmdlets);
                let obstacle = Some((ObstacleKind::SecondMachine, text.clone()));
                Trouble { text, obstacle, ..trouble }
            }
            Some(_) | None => trouble,
        })
    }

    /// Runs a script that only looks, and asks nothing of the product, in the process that stays. `None` where none does.
    pub(crate) async fn look_where_one_stays<A: DeserializeOwned>(
        &self,
        look: Look,
        request: &impl Serialize,
    ) -> Result<Option<A>, Trouble> {
        let script = look.script();
        let question = Question { script, request: script::request(request)?, takes: look.takes() };
        let output = self.run(script, Put::TogetherOnly(question)).await;
        let result = output.and_then(|output| output.map(|output| script::answer(script, &output)).transpose());
        if !matches!(result, Ok(None)) {
            self.met.ended(look, &result);
        }
        result
    }

    /// Runs a script that only looks in a scheduled task that is made for it.
    async fn by_task(&self, script: Script, request: &Value, account: &TaskAccount) -> Result<Output, Trouble> {
        let outer = Look::ByTask.script();
        let password = match account {
            TaskAccount::Caller => self.link.auth.password(),
            TaskAccount::System | TaskAccount::Managed(_) => None,
        };
        let asking = Asking { account, password, limit: self.link.limits.look_script };
        let command = by_task::command(outer, script, request, &asking)?;
        let said = script::answer(outer, &self.run_in_any_way(outer, Put::Alone(outer, command)).await?);
        let said = said.map_err(|trouble| Trouble { text: by_task::explain(account, &trouble), ..trouble });
        let name = script.name;
        by_task::output(self.link.wmi.host(), account, said?)
            .map_err(|trouble| Trouble { text: format!("script {name}: {}", trouble.text), ..trouble })
    }

    async fn run_in_any_way(&self, script: Script, put: Put) -> Result<Output, Trouble> {
        let output = self.run(script, put).await?;
        output.ok_or_else(|| Trouble::unsent(format!("script {}: no PowerShell stays here", script.name)))
    }

    /// Runs a command that only looks, before the look is over.
    async fn run(&self, script: Script, put: Put) -> Result<Option<Output>, Trouble> {
        // By its trait: the type of what waits for a connection is deep, and every question has it in its own.
        let turn: Pin<Box<dyn Future<Output = Result<Option<Output>, Trouble>> + Send + '_>> = match put {
            Put::Together(question) => Box::pin(self.together(question, Worth::AProcess)),
            Put::TogetherOnly(question) => Box::pin(self.together(question, Worth::ALine)),
            put @ (Put::AsLine(_) | Put::Alone(..)) => Box::pin(self.in_turn(put)),
        };
        let output = timeout_at(self.until, turn).await;
        output.unwrap_or_else(|_elapsed| Err(self.too_late(&format!("script {}", script.name))))
    }

    /// Goes before what the product may take minutes over, as long as what is returned is held.
    pub(crate) async fn goes_first(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.first.lock().await
    }

    async fn in_turn(&self, put: Put) -> Result<Option<Output>, Trouble> {
        // Those that are put together come first, and are put at their second turn.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let mut desk = self.link.desk.lock().await;
        if let Some(trouble) = self.with(|lost| lost.scripts.clone()) {
            return Err(trouble);
        }
        let result = match put {
            Put::AsLine(question) | Put::Together(question) | Put::TogetherOnly(question) => {
                self.look_timed(&mut desk, &question).await
            }
            Put::Alone(script, command) => self.link.look_alone(&mut desk, script, &command).await,
        };
        result.map(Some).map_err(|error| self.note(error, |lost| &mut lost.scripts))
    }

    /// Puts a question in one line with the others of this look that may be put so. One of those that wait for their answers
    /// puts the line.
    async fn together(&self, question: Question, worth: Worth) -> Result<Option<Output>, Trouble> {
        let script = format!("script {}", question.script.name);
        let (sender, mut answer) = oneshot::channel();
        self.waiting(|waiting| waiting.push(Waiting { question, worth, answer: sender }));
        // After this whatever else is asked in this look waits too.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            answered = &mut answer => return answered.unwrap_or_else(|_gone| Err(self.too_late(&script))),
            mut desk = self.link.desk.lock() => {
                let waiting = self.waiting(std::mem::take);
                self.put(&mut desk, waiting).await;
            }
        }
        answer.await.unwrap_or_else(|_gone| Err(self.too_late(&script)))
    }

    /// Puts questions: all of them in one line where that is possible, and otherwise one after the other.
    async fn put(&self, desk: &mut Desk, mut waiting: Vec<Waiting>) {
        waiting.sort_by_key(|waiting| waiting.question.takes);
        let (questions, answers): (Vec<Question>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.question, (waiting.worth, waiting.answer))).unzip();
        let said = match self.with(|lost| lost.scripts.clone()) {
            Some(trouble) => Err(trouble),
            None => {
                let began = Instant::now();
                let said = self.link.look_together(desk, &questions).await;
                let answered = matches!(said, Ok(Said::Each(_)));
                if questions.len() > 1 {
                    self.link.note_pace(&questions, answered.then(|| began.elapsed()));
                }
                said.map_err(|error| self.note(error, |lost| &mut lost.scripts))
            }
        };
        // Who does not wait any more has its answer for nothing.
        match said {
            Ok(Said::Each(outputs)) => {
                for ((_, answer), output) in answers.into_iter().zip(outputs) {
                    drop(answer.send(Ok(Some(output))));
                }
            }
            Ok(Said::NoneStays | Said::Apart) => {
                for ((worth, answer), question) in answers.into_iter().zip(questions) {
                    drop(answer.send(self.put_alone(desk, &question, worth).await));
                }
            }
            Err(trouble) => {
                for (_, answer) in answers {
                    drop(answer.send(Err(trouble.clone())));
                }
            }
        }
    }

    async fn put_alone(&self, desk: &mut Desk, question: &Question, worth: Worth) -> Result<Option<Output>, Trouble> {
        if let Some(trouble) = self.with(|lost| lost.scripts.clone()) {
            return Err(trouble);
        }
        let result = match worth {
            Worth::AProcess => self.look_timed(desk, question).await.map(Some),
            Worth::ALine => self.link.look_where_one_stays(desk, question).await,
        };
        result.map_err(|error| self.note(error, |lost| &mut lost.scripts))
    }

    /// Puts a question by itself, and notes how long that took.
    async fn look_timed(&self, desk: &mut Desk, question: &Question) -> Result<Output, Error> {
        let began = Instant::now();
        let result = self.link.look(desk, question).await;
        self.link.note_pace(std::slice::from_ref(question), result.is_ok().then(|| began.elapsed()));
        result
    }

    fn waiting<T>(&self, act: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a question to WMI.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Instance>, Trouble> {
        if let Some(trouble) = self.with(|lost| lost.wmi.clone()) {
            return Err(trouble);
        }
        match timeout_at(self.until, self.link.wmi.query(query)).await {
            Ok(result) => result.map_err(|error| self.note(error, |lost| &mut lost.wmi)),
            Err(_elapsed) => Err(self.too_late("WMI")),
        }
    }

    fn note(&self, error: Error, whose: impl FnOnce(&mut Lost) -> &mut Option<Trouble>) -> Trouble {
        let is_lost = is_out_of_reach(&error);
        let told = is_lost.then(|| without_host(&error));
        let mut trouble = Trouble::from(error);
        trouble.obstacle = trouble.obstacle.or(told.map(|told| (ObstacleKind::NoScript, told)));
        if is_lost {
            self.with(|lost| *whose(lost) = Some(trouble.clone()));
        }
        trouble
    }

    fn with<T>(&self, act: impl FnOnce(&mut Lost) -> T) -> T {
        act(&mut self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn too_late(&self, what: &str) -> Trouble {
        let (host, limit) = (self.link.wmi.host(), self.limit.as_secs_f32());
        Trouble::unknown(format!("{host}: {what}: not read within the {limit} s that a look may take"))
    }
}

pub(crate) async fn run(
    shell: &Shell,
    script: Script,
    command: &script::Command,
    limit: Duration,
) -> Result<Output, Error> {
    tracing::debug!(script = script.name, "running");
    shell.run(POWERSHELL, &command.arguments, command.input.as_ref().map(|input| input.as_slice()), limit).await
}

/// Deletes a shell as far as the server lets us. It deletes it by itself when it is idle.
pub(crate) async fn end(shell: Shell) {
    match tokio::time::timeout(CLEAN_UP, shell.delete()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the shell could not be deleted"),
        Err(_elapsed) => tracing::debug!("the shell could not be deleted in time"),
    }
}
