//! One way by which people are told.

use crate::SetupError;
use crate::mail::{self, Mail};
use crate::message::Notice;
use backon::{ExponentialBuilder, Retryable as _};
use orchestrate_commands::{Group, Terminal, Waited};
use orchestrate_model::notify::Occasion;
use orchestrate_model::secret::MASKED;
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use url::Url;

/// How long one attempt may take. Chats answer within a second; a program may have to dial.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Attempts after the first one, with two seconds before the first of them and twice as much before each next: two minutes
/// of waiting in all, in which a proxy is restarted. Later than that a notice is no news.
const AGAIN: usize = 6;

/// The wait before the second attempt.
const FIRST_WAIT: Duration = if cfg!(test) { Duration::from_millis(1) } else { Duration::from_secs(2) };

/// How long the last words of a program are waited for that has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Most of what a refusal or a program says that is read, in bytes.
const MOST_READ: usize = 4_096;

/// Parts of an address that are shorter are words.
const SHORTEST_SECRET: usize = 5;

/// Most of what a refusal says that is told.
const LONGEST_REFUSAL: usize = 200;

/// One way by which people are told.
#[derive(Clone)]
pub struct Channel {
    /// What it is called in messages, without its address.
    pub name: String,
    /// By which way.
    pub way: Way,
    /// Of what.
    pub on: BTreeSet<Occasion>,
}

/// By which way people are told.
#[derive(Clone)]
pub enum Way {
    /// The JSON object is posted.
    Webhook(Url),
    /// A message for Slack is posted.
    Slack(Url),
    /// An adaptive card is posted.
    Teams(Url),
    /// A program and its arguments, which gets the JSON object on its standard input.
    Command(Vec<String>),
    /// A mail.
    Mail(Box<Mail>),
}

/// An address is as secret as a password.
impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).field("on", &self.on).finish_non_exhaustive()
    }
}

/// Why a notice was not delivered.
#[derive(Debug, Error)]
pub(crate) enum Undelivered {
    #[error("{0}")]
    Unreachable(String),
    #[error("it answered {status}{said}")]
    Refused { status: StatusCode, said: String },
    #[error("{program} cannot be run: {source}")]
    NotStarted { program: String, source: std::io::Error },
    #[error("how {program} ended is not known: {source}")]
    Lost { program: String, source: std::io::Error },
    #[error("{program} ended with {how}{said}")]
    Failed { program: String, how: String, said: String },
    #[error("it did not end within {} s", ATTEMPT.as_secs())]
    TooLong,
    #[error("{0}")]
    NotMailed(mail::Trouble),
}

impl Undelivered {
    /// Whether it may go better later. What is wrong with the message or the address does not.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status)
            }
            // A program that ends badly, or does not end, may have told it all the same: people are not paged twice for that.
            Self::Lost { .. } | Self::Failed { .. } | Self::TooLong => false,
            // A machine that is short of processes, memory or open files has them again; a program that is not there is not.
            Self::NotStarted { source, .. } => {
                !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput)
            }
            Self::Unreachable(_) => true,
            Self::NotMailed(trouble) => trouble.may_pass(),
        }
    }
}

/// Returns a client that trusts what the machine trusts, and follows nobody elsewhere: an address is meant as it stands.
pub(crate) fn client() -> Result<Client, SetupError> {
    let client =
        Client::builder().tls_backend_preconfigured(tls()?).timeout(ATTEMPT).redirect(redirect::Policy::none());
    Ok(client.user_agent(concat!("orchestrate/", env!("CARGO_PKG_VERSION"))).build()?)
}

/// Returns how TLS is spoken: with the authorities of the machine.
pub(crate) fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tls.with_platform_verifier()?.with_no_client_auth())
}

impl Channel {
    /// Tells a notice, again and again while that may help.
    pub(crate) async fn tell(&self, client: &Client, notice: &Notice) -> Result<(), Undelivered> {
        let pauses = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_times(AGAIN).without_max_delay();
        let once = || self.once(client, notice);
        once.retry(pauses).sleep(tokio::time::sleep).when(Undelivered::may_pass).await
    }

    /// Tells a notice once.
    pub(crate) async fn once(&self, client: &Client, notice: &Notice) -> Result<(), Undelivered> {
        match &self.way {
            Way::Webhook(url) => post(client, url, &notice.plain()).await,
            Way::Slack(url) => post(client, url, &notice.slack()).await,
            Way::Teams(url) => post(client, url, &notice.card()).await,
            Way::Command(words) => run(words, &notice.plain()).await,
            Way::Mail(mail) => mail.send(notice, ATTEMPT).await.map_err(Undelivered::NotMailed),
        }
    }
}

async fn post(client: &Client, url: &Url, body: &Value) -> Result<(), Undelivered> {
    let request = client.post(url.clone()).header("content-type", "application/json").body(body.to_string());
    // The address is left out of what is told.
    let answer = request.send().await.map_err(|error| Undelivered::Unreachable(causes(&error.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Undelivered::Refused { status, said: short(&without_address(&beginning(answer).await, url)) })
}

/// Returns the beginning of an answer: all that is told of it, and no more of one that never ends.
async fn beginning(mut answer: Response) -> String {
    let mut said = Vec::new();
    while said.len() < MOST_READ {
        match answer.chunk().await {
            Ok(Some(more)) => said.extend_from_slice(&more),
            Ok(None) | Err(_) => break,
        }
    }
    said.truncate(MOST_READ);
    String::from_utf8_lossy(&said).into_owned()
}

/// Returns a text without the parts of an address that make it a secret: servers repeat the path that they do not know.
pub(crate) fn without_address(text: &str, url: &Url) -> String {
    let parts = url.path_segments().into_iter().flatten().chain(url.query());
    let secrets = parts.filter(|part| part.len() >= SHORTEST_SECRET);
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, MASKED))
}

/// Returns an error with its causes, the last of which says most. What the system says of a connection stands alone: the same
/// words on every system, and none of the libraries between.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain: Vec<_> = std::iter::successors(Some(error), |error| error.source()).collect();
    if let Some(system) = chain.iter().find_map(|error| error.downcast_ref::<std::io::Error>()) {
        let known = !matches!(system.kind(), ErrorKind::Other) && system.raw_os_error().is_some();
        let words = if known { system.kind().to_string() } else { system.to_string() };
        return format!("the connection failed: {words}");
    }
    let mut said = String::new();
    for error in chain {
        let next = error.to_string();
        // Some errors have the words of their cause already.
        if !said.ends_with(&next) {
            said = if said.is_empty() { next } else { format!("{said}: {next}") };
        }
    }
    said
}

/// Returns the beginning of what was said, behind a colon, in one line.
pub(crate) fn short(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).take(LONGEST_REFUSAL).collect();
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

async fn run(words: &[String], body: &Value) -> Result<(), Undelivered> {
    let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // The passwords of servers are none of its business.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_uppercase().contains("PASSWORD") {
            command.env_remove(&name);
        }
    }
    // One that is given up ends with all that it has started, also when the run ends before it.
    let mut group = Group::start(command, Terminal::Apart)
        .map_err(|source| Undelivered::NotStarted { program: program.to_owned(), source })?;
    let (input, output) = (group.input(), group.errors());
    let mut said = Vec::new();
    let reading = async {
        if let Some(output) = output {
            // What it says is only shown.
            output.take(MOST_READ as u64).read_to_end(&mut said).await.unwrap_or_default();
        }
    };
    let work = async {
        if let Some(mut input) = input {
            // A program that does not read what it is told is one that needs none of it.
            input.write_all(body.to_string().as_bytes()).await.unwrap_or_default();
        }
        group.wait().await
    };
    // What it leaves behind may keep its output open for ever: that it has ended is the answer.
    let both = async {
        let (mut reading, mut work) = (std::pin::pin!(reading), std::pin::pin!(work));
        tokio::select! {
            () = &mut reading => work.await,
            ended = &mut work => {
                tokio::time::timeout(LAST_WORDS, reading).await.unwrap_or_default();
                ended
            }
        }
    };
    let ended = tokio::time::timeout(ATTEMPT, both).await.map_err(|_elapsed| Undelivered::TooLong)?;
    let ended = ended.map_err(|source| Undelivered::Lost { program: program.to_owned(), source })?;
    group.leave();
    match ended {
        Waited::Ended(status) if status.success() => Ok(()),
        Waited::Ended(status) => {
            let said = short(&String::from_utf8_lossy(&said));
            Err(Undelivered::Failed { program: program.to_owned(), how: status.to_string(), said })
        }
        Waited::Asks => {
            let said = ": it asks at a terminal".to_owned();
            Err(Undelivered::Failed { program: program.to_owned(), how: "not ended".to_owned(), said })
        }
    }
}
