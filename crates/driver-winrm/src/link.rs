//! The two connections to a server: one for WMI, one for scripts, so that a slow script does not hold up the rest.

use crate::by_task::{self, Asking};
use crate::hop;
use crate::outcome::is_out_of_reach;
use crate::script::{self, Lever, Look, POWERSHELL, Script, Trouble, without_host};
use crate::target::{WinrmLimits, WinrmTarget};
use crate::worker::{Started, Worked, Worker};
use orchestrate_model::observe::{Obstacle, ObstacleKind};
use orchestrate_model::pool::{Cmdlets, TaskAccount};
use orchestrate_wsman::{
    Auth, Client, Error, FaultClass, Instance, Limits, Outcome, Output, SetupError, Shell, ShellOptions,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::pin::Pin;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// How long an act or an end of work waits for a shell to be cleaned up.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// The connections to one server.
#[derive(Debug)]
pub(crate) struct Link {
    /// For WMI.
    pub(crate) wmi: Client,
    /// For the shell, and nothing else.
    commands: Client,
    /// Where scripts that only look are run, one after the other.
    desk: Mutex<Desk>,
    limits: WinrmLimits,
    /// By which way the cmdlets of the product are asked.
    cmdlets: Cmdlets,
    /// The account that logs on.
    auth: Auth,
}

/// How a question is put.
enum Put<'a> {
    /// To the process that stays, as a line, and with a process of its own where none stays.
    AsLine(&'a Value),
    /// To the process that stays, and not at all where none does.
    AsLineOnly(&'a Value),
    /// With a process of its own.
    Alone(script::Command),
}

/// After how many questions or starts in a row without an answer no process is expected to stay.
const MOST_SILENT: u8 = 3;

/// What scripts that only look are run with.
#[derive(Debug, Default)]
struct Desk {
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
}

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

    /// Keeps a process that has answered, and returns its answer.
    async fn keep(&mut self, worked: Worked) -> Result<Output, Error> {
        match worked {
            Worked::Answer(output, worker) => {
                (self.worker, self.silent) = (Some(worker), 0);
                Ok(output)
            }
            Worked::Ended(output, shell) => {
                end(shell).await;
                Ok(output)
            }
            Worked::Late(error) => Err(error),
            Worked::Lost(error) | Worked::Failed(error) => {
                self.silent = 0;
                Err(error)
            }
        }
    }
}

impl Link {
    /// Returns the link to a server. Nothing is sent yet.
    pub(crate) fn new(target: &WinrmTarget) -> Result<Self, SetupError> {
        let (limits, wire) = (Limits::default(), target.limits.wire);
        let wmi = Client::new(target.endpoint(), &target.transport, &target.auth, wire, limits)?;
        let commands = wmi.second();
        let (cmdlets, auth) = (target.cmdlets.clone(), target.auth.clone());
        Ok(Self { wmi, commands, desk: Mutex::default(), limits: target.limits, cmdlets, auth })
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
        }
    }

    /// Runs a script that only looks, or that may be run twice. When the server has lost the shell, it is run once more in a
    /// new one.
    ///
    /// What is used leaves the desk meanwhile: whatever cuts this short also lets go of it.
    async fn look(&self, desk: &mut Desk, script: Script, request: &Value) -> Result<Output, Error> {
        match self.look_where_one_stays(desk, script, request).await? {
            Some(output) => Ok(output),
            None => self.look_alone(desk, script, &script.command(request)).await,
        }
    }

    /// The same where a process stays, and `None` where none does: what can be asked in another way is not worth a process.
    async fn look_where_one_stays(
        &self,
        desk: &mut Desk,
        script: Script,
        request: &Value,
    ) -> Result<Option<Output>, Error> {
        let (limit, stay) = (self.limits.look_script, self.limits.stay);
        match desk.worker.take() {
            Some(worker) if worker.is_old(stay.age) => end(worker.leave()).await,
            Some(worker) => {
                desk.silent += 1;
                match worker.ask(script, request, limit).await {
                    // Lost with its shell, and nothing is changed by asking once more.
                    Worked::Lost(_) => desk.silent = 0,
                    other => return desk.keep(other).await.map(Some),
                }
            }
            None => {}
        }
        if desk.starting.is_some() || desk.may_stay(stay.pause) {
            let starting =
                desk.starting.get_or_insert_with(|| Starting::new(self.commands.clone(), limit.min(stay.start)));
            let started = starting.outcome().await;
            desk.starting = None;
            desk.silent += 1;
            match started {
                Ok(Started::Here(worker)) => {
                    return desk.keep(worker.ask(script, request, limit).await).await.map(Some);
                }
                Ok(Started::Unable(output, shell)) => {
                    desk.rest(stay.pause);
                    desk.shell.get_or_insert(shell);
                    return Ok(Some(output));
                }
                Ok(Started::NotHere) => desk.rest(stay.pause),
                Err(error) => {
                    desk.silent = 0;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// The same in a process of its own.
    async fn look_alone(&self, desk: &mut Desk, script: Script, command: &script::Command) -> Result<Output, Error> {
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
        let request = script::request(request)?;
        let mut desk = self.desk.lock().await;
        let output = self.look(&mut desk, script, &request).await?;
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
        let mut desk = std::mem::take(&mut *self.desk.lock().await);
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
            Cmdlets::Task(_) | Cmdlets::Session => self.run_in_any_way(script, Put::AsLine(&request)).await?,
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
        let request = script::request(request)?;
        let output = self.run(script, Put::AsLineOnly(&request)).await;
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
        let said = script::answer(outer, &self.run_in_any_way(outer, Put::Alone(command)).await?);
        let said = said.map_err(|trouble| Trouble { text: by_task::explain(account, &trouble), ..trouble });
        let name = script.name;
        by_task::output(self.link.wmi.host(), account, said?)
            .map_err(|trouble| Trouble { text: format!("script {name}: {}", trouble.text), ..trouble })
    }

    async fn run_in_any_way(&self, script: Script, put: Put<'_>) -> Result<Output, Trouble> {
        let output = self.run(script, put).await?;
        output.ok_or_else(|| Trouble::unsent(format!("script {}: no PowerShell stays here", script.name)))
    }

    /// Runs a command that only looks, before the look is over.
    async fn run<'a>(&'a self, script: Script, put: Put<'a>) -> Result<Option<Output>, Trouble> {
        // By its trait: the type of what waits for a connection is deep, and every question has it in its own.
        let turn: Pin<Box<dyn Future<Output = Result<Option<Output>, Trouble>> + Send + 'a>> =
            Box::pin(self.in_turn(script, put));
        let output = timeout_at(self.until, turn).await;
        output.unwrap_or_else(|_elapsed| Err(self.too_late(&format!("script {}", script.name))))
    }

    async fn in_turn(&self, script: Script, put: Put<'_>) -> Result<Option<Output>, Trouble> {
        let mut desk = self.link.desk.lock().await;
        if let Some(trouble) = self.with(|lost| lost.scripts.clone()) {
            return Err(trouble);
        }
        let result = match put {
            Put::AsLine(request) => self.link.look(&mut desk, script, request).await.map(Some),
            Put::AsLineOnly(request) => self.link.look_where_one_stays(&mut desk, script, request).await,
            Put::Alone(command) => self.link.look_alone(&mut desk, script, &command).await.map(Some),
        };
        result.map_err(|error| self.note(error, |lost| &mut lost.scripts))
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

async fn run(shell: &Shell, script: Script, command: &script::Command, limit: Duration) -> Result<Output, Error> {
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
