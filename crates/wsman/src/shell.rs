//! The remote shell: start a program, feed it, collect its output and exit code.

use crate::client::{Ask, Client, Repeat};
use crate::envelope::Header;
use crate::error::{Cause, Error, Unresolved};
use crate::fault::FaultClass;
use crate::names::{self, SHELL, SHELL_RESOURCE, TRANSFER, WSMAN, transfer};
use crate::text::plain;
use crate::xml::{Element, child, path, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// Input bytes in one Send: in base64 and with its envelope far below the smallest allowed size.
const SEND_BYTES: usize = 48 * 1024;
/// How long cleaning up may take. The server cleans up by itself when a shell is idle for long enough.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// What a program reads its input from.
#[derive(Debug, Clone, Copy)]
enum Input {
    /// A console.
    Console,
    /// A pipe: lines of any length.
    Pipe,
}

/// What comes after input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Nothing.
    End,
    /// Perhaps more.
    More,
}

/// How a shell is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellOptions {
    /// After how long without use the server removes it, at least a minute.
    pub idle: Duration,
}

impl Default for ShellOptions {
    /// Long enough for the longest pause between two looks, short enough that what a killed process leaves behind does
    /// not add up to the 30 shells that a user may have.
    fn default() -> Self {
        Self { idle: Duration::from_secs(300) }
    }
}

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output. Put together from its pieces before it is decoded, so that no character is cut.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code: an unsigned 32-bit number where Windows gives one.
    pub exit_code: i64,
}

/// An open shell. Dropping it deletes it on the server, in the background and bounded in time.
#[derive(Debug)]
pub struct Shell {
    client: Client,
    id: Option<String>,
}

/// A program that stays in its shell and answers line by line. Dropping it deletes the shell, and with it the program.
#[derive(Debug)]
pub struct Conversation {
    shell: Shell,
    command: String,
}

/// What was heard from a program that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What it said until the mark.
    Answer(Output),
    /// It ended before, and what it had said by then.
    Ended(Output),
}

/// A piece of what a running command has said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) done: bool,
    pub(crate) exit_code: Option<i64>,
}

impl Client {
    /// Opens a shell. Not repeated: a shell that was made without our knowledge counts against the user until it is
    /// idle for long enough.
    ///
    /// # Errors
    /// When it is refused (above all for too many shells), or nobody knows.
    pub async fn create_shell(&self, options: &ShellOptions) -> Result<Shell, Error> {
        let header = Header::new(transfer("Create"), SHELL_RESOURCE)
            .option("WINRS_NOPROFILE", "TRUE")
            .option("WINRS_CODEPAGE", "65001");
        let body = Element::new("rsp:Shell")
            .child(Element::new("rsp:IdleTimeOut").text(format!("PT{}S", options.idle.as_secs().max(60))))
            .child(Element::new("rsp:InputStreams").text("stdin"))
            .child(Element::new("rsp:OutputStreams").text("stdout stderr"));
        let object = "shell".to_owned();
        let ask = Ask { operation: "Create", object, header, body: Some(body), repeat: Repeat::Never };
        let client = self.clone();
        let (sender, made) = oneshot::channel();
        // A shell that is being made has no id yet by which it could be deleted. So it is made to the end, and deleted when
        // whoever wanted it is gone.
        drop(self.tasks().spawn(async move {
            let id = client.ask(ask, read_shell_id).await;
            drop(sender.send(id.map(|id| Shell { client, id: Some(id) })));
        }));
        let gone = || self.error("Create", "shell", Cause::Unresolved(Unresolved::Shape("it was given up".to_owned())));
        made.await.unwrap_or_else(|_gone| Err(gone()))
    }
}

impl Shell {
    /// Runs a program to its end. Arguments are joined by spaces as they are: quoting is the caller's.
    ///
    /// # Errors
    /// When the program could not be started, or its end is not known. After `limit` it is terminated, and what it
    /// did until then is not known.
    pub async fn run(
        &self,
        program: &str,
        arguments: &[String],
        input: Option<&[u8]>,
        limit: Duration,
    ) -> Result<Output, Error> {
        let started = Instant::now();
        let command = self.command(program, arguments, Input::Console).await?;
        let collected = timeout(limit, async {
            if let Some(input) = input {
                self.send(&command, input, Then::End).await?;
            }
            self.collect(&command).await
        })
        .await;
        // The signal is also the acknowledgement: without it the command stays counted against the user.
        let signalled = timeout(CLEAN_UP, self.signal(&command, "terminate")).await;
        if !matches!(signalled, Ok(Ok(()))) {
            tracing::debug!(host = self.client.host(), "the end of a command could not be acknowledged");
        }
        let object = plain(program);
        collected.unwrap_or_else(|_elapsed| {
            let waited = started.elapsed().max(limit);
            Err(self.client.error("Receive", &object, Cause::Unresolved(Unresolved::CommandTimeout(waited))))
        })
    }

    /// Deletes the shell on the server.
    ///
    /// # Errors
    /// When the server does not confirm it. It then deletes it by itself after the idle time.
    pub async fn delete(mut self) -> Result<(), Error> {
        match self.id.take() {
            Some(id) => delete(&self.client, &id).await,
            None => Ok(()),
        }
    }

    /// Lets go of the shell without deleting it, for a shell that the server has lost.
    pub fn forget(mut self) {
        self.id = None;
    }

    /// Starts a program that stays, and is talked to from then on.
    ///
    /// # Errors
    /// When it could not be started, or whether it was is not known.
    pub async fn converse(self, program: &str, arguments: &[String]) -> Result<Conversation, Error> {
        let command = self.command(program, arguments, Input::Pipe).await?;
        Ok(Conversation { shell: self, command })
    }

    async fn command(&self, program: &str, arguments: &[String], input: Input) -> Result<String, Error> {
        let console = match input {
            Input::Console => "TRUE",
            Input::Pipe => "FALSE",
        };
        // The command shell is wanted: it resolves variables such as %SystemRoot% in the program's path.
        let header = self
            .header(names::shell("Command"))
            .option("WINRS_CONSOLEMODE_STDIN", console)
            .option("WINRS_SKIP_CMD_SHELL", "FALSE");
        let arguments = arguments.iter().map(|argument| Element::new("rsp:Arguments").text(argument));
        let body = Element::new("rsp:CommandLine")
            .child(Element::new("rsp:Command").text(program))
            .children(arguments.collect::<Vec<_>>());
        let ask = Ask { operation: "Command", object: plain(program), header, body: Some(body), repeat: Repeat::Never };
        self.client.ask(ask, read_command_id).await
    }

    async fn send(&self, command: &str, input: &[u8], then: Then) -> Result<(), Error> {
        let pieces = input.chunks(SEND_BYTES);
        let last = pieces.len().saturating_sub(1);
        for (at, piece) in pieces.enumerate() {
            let mut stream = Element::new("rsp:Stream")
                .attribute("Name", "stdin")
                .attribute("CommandId", command)
                .text(STANDARD.encode(piece));
            if at == last && then == Then::End {
                stream = stream.attribute("End", "true");
            }
            let body = Element::new("rsp:Send").child(stream);
            self.client.ask(self.operation("Send", body), |_body| Ok(())).await?;
        }
        Ok(())
    }

    async fn collect(&self, command: &str) -> Result<Output, Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            let piece = self.receive(command).await?;
            stdout.extend(piece.stdout);
            stderr.extend(piece.stderr);
            self.check_length(stdout.len() + stderr.len())?;
            if piece.done {
                return self.output(&stdout, &stderr, piece.exit_code);
            }
        }
    }

    /// Waits for a piece of output, which may be empty.
    async fn receive(&self, command: &str) -> Result<Piece, Error> {
        loop {
            let desired = Element::new("rsp:DesiredStream").attribute("CommandId", command).text("stdout stderr");
            let body = Element::new("rsp:Receive").child(desired);
            match self.client.ask(self.operation("Receive", body), |body| Piece::read(body, command)).await {
                // Nothing was said within the operation timeout, and nothing is lost: ask again.
                Err(error) if error.fault_class() == Some(FaultClass::TimedOut) => {}
                other => return other,
            }
        }
    }

    fn check_length(&self, found: usize) -> Result<(), Error> {
        let most = self.client.limits().output_bytes;
        if found > most {
            return Err(self.client.error("Receive", "", Cause::Unresolved(Unresolved::TooLarge(most))));
        }
        Ok(())
    }

    fn output(&self, stdout: &[u8], stderr: &[u8], exit_code: Option<i64>) -> Result<Output, Error> {
        let missing = || Cause::Unresolved(Unresolved::Shape("the exit code is missing".to_owned()));
        let exit_code = exit_code.ok_or_else(|| self.client.error("Receive", "", missing()))?;
        Ok(Output { stdout: decode(stdout), stderr: decode(stderr), exit_code })
    }

    async fn signal(&self, command: &str, signal: &str) -> Result<(), Error> {
        let code = Element::new("rsp:Code").text(names::shell(&format!("signal/{signal}")));
        let body = Element::new("rsp:Signal").attribute("CommandId", command).child(code);
        self.client.ask(self.operation("Signal", body), |_body| Ok(())).await
    }

    fn operation(&self, operation: &'static str, body: Element) -> Ask {
        let header = self.header(names::shell(operation));
        Ask { operation, object: "shell".to_owned(), header, body: Some(body), repeat: Repeat::Never }
    }

    fn header(&self, action: String) -> Header {
        // Only `delete` and `forget` take the id, and they take the shell with it.
        let id = self.id.as_deref().unwrap_or_default();
        Header::new(action, SHELL_RESOURCE).selector("ShellId", id)
    }
}

impl Conversation {
    /// Says a line, and listens until the program says the mark as a line of its own.
    ///
    /// # Errors
    /// When it is not known what the program said. It must not be asked again: what it says later would be taken for the
    /// answer to the next line.
    pub async fn ask(&self, line: &str, mark: &str, limit: Duration) -> Result<Heard, Error> {
        let heard = timeout(limit, async {
            match self.shell.send(&self.command, format!("{line}\n").as_bytes(), Then::More).await {
                Ok(()) => self.hear(mark).await,
                Err(refused) => self.last_words(mark, refused).await,
            }
        });
        heard.await.unwrap_or_else(|_elapsed| {
            Err(self.shell.client.error("Receive", "shell", Cause::Unresolved(Unresolved::CommandTimeout(limit))))
        })
    }

    /// What a program said before it ended, where that is why a line was refused.
    async fn last_words(&self, mark: &str, refused: Error) -> Result<Heard, Error> {
        if refused.fault_class().is_none_or(|class| class == FaultClass::LostShell) {
            return Err(refused);
        }
        match timeout(CLEAN_UP, self.hear(mark)).await {
            Ok(Ok(Heard::Ended(output))) => Ok(Heard::Ended(output)),
            Ok(Ok(Heard::Answer(_)) | Err(_)) | Err(_) => Err(refused),
        }
    }

    async fn hear(&self, mark: &str) -> Result<Heard, Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            let piece = self.shell.receive(&self.command).await?;
            // A mark that began in an earlier piece. Only what is new is looked through: answers may be long.
            let from = stdout.len().saturating_sub(mark.len() + 2);
            stdout.extend(piece.stdout);
            stderr.extend(piece.stderr);
            self.shell.check_length(stdout.len() + stderr.len())?;
            if says(&stdout, from, mark) {
                return Ok(Heard::Answer(self.shell.output(&stdout, &stderr, Some(0))?));
            }
            if piece.done {
                return Ok(Heard::Ended(self.shell.output(&stdout, &stderr, piece.exit_code)?));
            }
        }
    }

    /// Ends the program, and returns its shell.
    pub async fn end(self) -> Shell {
        if !matches!(timeout(CLEAN_UP, self.shell.signal(&self.command, "terminate")).await, Ok(Ok(()))) {
            tracing::debug!(host = self.shell.client.host(), "the end of a command could not be acknowledged");
        }
        self.shell
    }

    /// Returns the shell, with the program in it.
    #[must_use]
    pub fn leave(self) -> Shell {
        self.shell
    }

    /// Lets go of a program whose shell the server has lost.
    pub fn forget(self) {
        self.shell.forget();
    }
}

/// Whether the mark stands there as a whole line of its own, from this place on.
fn says(stdout: &[u8], from: usize, mark: &str) -> bool {
    let start = stdout[..from].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let whole = stdout.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let lines = stdout.get(start..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    lines.into_iter().any(|line| line.trim_ascii() == mark.as_bytes())
}

impl Drop for Shell {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let client = self.client.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Whoever ends waits for it: see `Client::settled`.
            let tasks = client.tasks().clone();
            drop(tasks.spawn_on(
                async move {
                    if let Err(error) = delete(&client, &id).await {
                        tracing::debug!(%error, "the shell could not be deleted; the server does it when it is idle");
                    }
                },
                &runtime,
            ));
        }
    }
}

async fn delete(client: &Client, id: &str) -> Result<(), Error> {
    let header = Header::new(transfer("Delete"), SHELL_RESOURCE).selector("ShellId", id);
    let ask = Ask { operation: "Delete", object: "shell".to_owned(), header, body: None, repeat: Repeat::Never };
    match timeout(CLEAN_UP, client.ask(ask, |_body| Ok(()))).await {
        Ok(result) => result,
        Err(_elapsed) => Err(client.error("Delete", "shell", Cause::Unresolved(Unresolved::Timeout(CLEAN_UP)))),
    }
}

fn decode(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn read_shell_id(body: Node<'_, '_>) -> Result<String, Unresolved> {
    if let Some(id) = path(body, &[(SHELL, "Shell"), (SHELL, "ShellId")]) {
        return Ok(text(id));
    }
    // Older releases answer with the endpoint reference only.
    let created = child(body, TRANSFER, "ResourceCreated");
    let selector = created.and_then(|created| {
        created
            .descendants()
            .find(|node| node.has_tag_name((WSMAN, "Selector")) && node.attribute("Name") == Some("ShellId"))
    });
    selector.map(text).ok_or_else(|| Unresolved::Shape("no shell id".to_owned()))
}

pub(crate) fn read_command_id(body: Node<'_, '_>) -> Result<String, Unresolved> {
    let id = path(body, &[(SHELL, "CommandResponse"), (SHELL, "CommandId")]).map(text);
    id.filter(|id| !id.is_empty()).ok_or_else(|| Unresolved::Shape("no command id".to_owned()))
}

impl Piece {
    pub(crate) fn read(body: Node<'_, '_>, command: &str) -> Result<Self, Unresolved> {
        let response = child(body, SHELL, "ReceiveResponse")
            .ok_or_else(|| Unresolved::Shape("ReceiveResponse is missing".to_owned()))?;
        let mut piece = Self::default();
        for node in response.children().filter(Node::is_element) {
            let owner = node.attribute("CommandId").unwrap_or(command);
            if !owner.eq_ignore_ascii_case(command) {
                return Err(Unresolved::Shape("output of another command".to_owned()));
            }
            if node.has_tag_name((SHELL, "Stream")) {
                let encoded: String = text(node).split_whitespace().collect();
                let bytes = STANDARD.decode(encoded);
                let bytes = bytes.map_err(|error| Unresolved::Shape(format!("output is not base64: {error}")))?;
                match node.attribute("Name") {
                    Some("stdout") => piece.stdout.extend(bytes),
                    Some("stderr") => piece.stderr.extend(bytes),
                    _ => {}
                }
            } else if node.has_tag_name((SHELL, "CommandState")) {
                piece.done = node.attribute("State").is_some_and(|state| state.ends_with("/CommandState/Done"));
                piece.exit_code = child(node, SHELL, "ExitCode").and_then(|code| text(code).parse().ok());
            }
        }
        Ok(piece)
    }
}
