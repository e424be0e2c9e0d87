//! Where user names and passwords come from: read at the start, and once more when they were refused.

use crate::failure::Failure;
use crate::host;
use crate::terminal::{output, signals};
use crate::wiring;
use orchestrate_commands::{Group, Terminal, Waited};
use orchestrate_driver_winrm::{ClientCertificate, Credentials, Login, Mechanism, Source};
use orchestrate_files::{Exposed, Limit, Whose};
use orchestrate_model::PoolName;
use orchestrate_model::pool::CredentialSource;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zeroize::{Zeroize as _, Zeroizing};

/// How long a command may take to print a password. A password manager may ask for a touch of a key.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long a command is left in peace after it was run: it may ask a person each time.
const COMMAND_PAUSE: Duration = Duration::from_secs(300);
/// How long a file or the keyring is: looking at it costs nothing.
const FILE_PAUSE: Duration = Duration::from_secs(5);

/// Why there are no credentials.
#[derive(Debug, Error)]
pub(crate) enum CredentialError {
    #[error("{}", unset(.0))]
    Variables(Vec<String>),
    #[error("{} {why}", path.display())]
    Open { path: PathBuf, why: String, mend: String },
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {why}", path.display())]
    Odd { path: PathBuf, why: String },
    #[error("the command {command} {why}")]
    Command { command: String, why: String },
    #[error("the command that prints user and password was still under way")]
    Interrupted,
    #[error("the password of {user} cannot be asked for: {why}")]
    Prompt { user: String, why: String },
    #[error("the keyring has no password of {user} under the service orchestrate: {why}")]
    Keyring { user: String, why: String },
    #[error("the logon of the person who starts the program (`current: true`) cannot be used")]
    Current(#[source] orchestrate_driver_winrm::SetupError),
    #[error("{}", path.display())]
    Unusable { path: PathBuf, source: orchestrate_driver_winrm::SetupError },
}

impl CredentialError {
    /// Returns what to do about it.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Variables(names) => {
                let them = if names.len() == 1 { "it" } else { "them" };
                Some(format!("set {them}, or name a file: `access: {{winrm: {{credentials: {{file: PATH}}}}}}`"))
            }
            Self::Open { mend, .. } => Some(format!("take the file away from others: {mend}")),
            Self::Prompt { .. } => Some("start it at a terminal, or write `credentials: {file: PATH}`".to_owned()),
            Self::Keyring { user, .. } if cfg!(feature = "keyring") => {
                host::keeps_password(user).map(|command| format!("put it there: {command}"))
            }
            Self::Unreadable { .. }
            | Self::Odd { .. }
            | Self::Command { .. }
            | Self::Interrupted
            | Self::Keyring { .. }
            | Self::Current(_)
            | Self::Unusable { .. } => None,
        }
    }
}

fn unset(names: &[String]) -> String {
    match names {
        [one] => format!("the variable {one} is not set, or empty"),
        several => format!("the variables {} are not set, or empty", several.join(" and ")),
    }
}

/// Reads the credentials of a pool.
pub(crate) fn read(pool: &PoolName, source: &CredentialSource) -> Result<Credentials, Failure> {
    let failed = |source| match source {
        CredentialError::Interrupted => {
            Failure::Interrupted("the command that prints user and password was still under way")
        }
        source => Failure::Credentials { pool: pool.clone(), source: Box::new(source) },
    };
    let login = login(source, Terminal::Lent).map_err(failed)?;
    let again: Option<Arc<dyn Source>> = match source {
        CredentialSource::File(_)
        | CredentialSource::Keytab { .. }
        | CredentialSource::Command(_)
        | CredentialSource::Keyring(_) => Some(Arc::new(Again(source.clone()))),
        // A variable of a running program does not change, and a prompt would stand in the middle of the live view.
        CredentialSource::Env(_)
        | CredentialSource::Prompt(_)
        | CredentialSource::Current
        | CredentialSource::Certificate { .. } => None,
    };
    Ok(Credentials::of(login, again))
}

/// Reads the client certificate of a pool, if that is what the plan names.
pub(crate) fn certificate(pool: &PoolName, source: &CredentialSource) -> Result<Option<ClientCertificate>, Failure> {
    let CredentialSource::Certificate { file, key } = source else { return Ok(None) };
    let failed = |source| Failure::Credentials { pool: pool.clone(), source: Box::new(source) };
    let (file, key) = (Path::new(file), Path::new(key));
    let secret = private(key).map_err(failed)?;
    let shown = bytes(file).map_err(failed)?;
    let made = ClientCertificate::from_pem(&shown, &secret);
    let made = made.map_err(|source| failed(CredentialError::Unusable { path: file.to_owned(), source }))?;
    Ok(Some(made))
}

fn login(source: &CredentialSource, terminal: Terminal) -> Result<Login, CredentialError> {
    match source {
        CredentialSource::Env(name) => {
            // An empty password would be tried, and counted as a wrong one.
            let read = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
            let names = [format!("{name}_USER"), format!("{name}_PASSWORD")];
            match (read(&names[0]), read(&names[1]).map(Zeroizing::new)) {
                (Some(user), Some(password)) => Ok(Login::with_password(user, password)),
                (user, password) => {
                    let is_set = [user.is_some(), password.is_some()];
                    let unset = names.into_iter().zip(is_set).filter(|(_, is_set)| !is_set).map(|(name, _)| name);
                    Err(CredentialError::Variables(unset.collect()))
                }
            }
        }
        CredentialSource::File(path) => {
            let path = Path::new(path);
            let odd = |why: &str| CredentialError::Odd { path: path.to_owned(), why: why.to_owned() };
            two_lines(&private(path)?).map_err(odd)
        }
        CredentialSource::Command(words) => command(words, COMMAND_LIMIT, terminal),
        CredentialSource::Keytab { file, principal } => {
            let path = Path::new(file);
            let key = Login::with_keytab(&private(path)?, principal);
            key.map_err(|source| CredentialError::Unusable { path: path.to_owned(), source })
        }
        CredentialSource::Keyring(user) => keyring(user),
        CredentialSource::Prompt(user) => prompt(user),
        CredentialSource::Current => current(),
        CredentialSource::Certificate { file, .. } => Ok(Login::by_certificate(format!("of the certificate {file}"))),
    }
}

/// Returns the logon of the person. A file of tickets that cannot be read is named here: see [`Login::current`].
fn current() -> Result<Login, CredentialError> {
    // What a program cannot use it does not look for.
    let file = match Login::why_not_current(Mechanism::Any) {
        Some(_) => None,
        None => host::ticket_file(wiring::krb5_conf().default_cache()),
    };
    let kept = match file.as_deref().map(bytes) {
        Some(Err(CredentialError::Unreadable { source, .. })) if source.kind() == ErrorKind::NotFound => None,
        Some(read) => Some(Zeroizing::new(read?)),
        None => None,
    };
    Login::current(kept.as_deref().map(Vec::as_slice)).map_err(CredentialError::Current)
}

/// Returns what is in a file that only its owner may read.
fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let failed = |source: std::io::Error| match source.get_ref().and_then(|inner| inner.downcast_ref::<Exposed>()) {
        Some(Exposed { path, why, mend }) => {
            CredentialError::Open { path: path.clone(), why: why.clone(), mend: mend.clone() }
        }
        None => CredentialError::Unreadable { path: path.to_owned(), source },
    };
    orchestrate_files::read(path, Limit::SMALL, Whose::Secret).map(Zeroizing::new).map_err(failed)
}

fn bytes(path: &Path) -> Result<Vec<u8>, CredentialError> {
    let unreadable = |source| CredentialError::Unreadable { path: path.to_owned(), source };
    orchestrate_files::read(path, Limit::SMALL, Whose::Anybodys).map_err(unreadable)
}

/// Returns user and password on two lines. What editors on Windows leave in a file is taken off: a byte order mark, and
/// line ends of two characters. Everything else that is odd is named, and nothing of it is guessed: a blank may belong to
/// a password.
fn two_lines(bytes: &[u8]) -> Result<Login, &'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is written in UTF-16; save it as UTF-8");
    }
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let text =
        text.map_err(|_not_utf8| "it is not UTF-8: an umlaut in an older encoding, perhaps; save it as UTF-8")?;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let (user, password) = (lines.next().unwrap_or_default(), lines.next());
    let Some(password) = password.filter(|password| !password.is_empty()) else {
        return Err("it does not hold a user and a password, one per line");
    };
    if user.is_empty() {
        return Err("its first line is empty, and should be the user");
    }
    if lines.any(|line| !line.trim().is_empty()) {
        return Err("it has more than two lines; only user and password belong there");
    }
    if user != user.trim() {
        return Err("there are blanks around the user on its first line; take them away");
    }
    if user.contains(char::is_control) || password.contains(char::is_control) {
        return Err("it holds a control character, such as a tab; neither a user nor a password has one");
    }
    if (user.starts_with('"') && user.ends_with('"')) || user.contains('=') {
        return Err("its first line is in quotes or has an equals sign; write the bare user");
    }
    Ok(Login::with_password(user, Zeroizing::new(password.to_owned())))
}

/// Returns a command as people are told of it. What it is given may be a secret.
fn shown(words: &[String]) -> String {
    match words {
        [] => "``".to_owned(),
        [program] => format!("`{program}`"),
        [program, ..] => format!("`{program}` (its arguments are not shown)"),
    }
}

/// How long what a command has printed may take to be read, when it ended just within its limit.
const COMMAND_READING: Duration = Duration::from_secs(1);

/// Most that is read of what a command prints.
const MOST_PRINTED: u64 = 65_536;

/// After how long a command that is waited for is told: most answer at once, and a wait without a word looks like a fault.
const COMMAND_TOLD: Duration = Duration::from_secs(3);

/// Runs a command that prints user and password, for as long as `limit`. Its errors go to the terminal: it may have a
/// question of its own, for which it is lent the terminal where that is free.
fn command(words: &[String], limit: Duration, terminal: Terminal) -> Result<Login, CredentialError> {
    let failed = |why: String| CredentialError::Command { command: shown(words), why };
    let Some((program, arguments)) = words.split_first() else { return Err(failed("is empty".to_owned())) };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped());
    if terminal == Terminal::Busy {
        command.stdin(Stdio::null());
    }
    // On a thread of its own: whoever needs the password may be within a runtime.
    let answering = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
        runtime.block_on(answer(command, (words, limit), terminal))
    };
    let text = std::thread::scope(|scope| scope.spawn(answering).join());
    let text = text.unwrap_or_else(|_panicked| Err(failed("could not be waited for".to_owned())))?;
    two_lines(&text).map_err(|why| failed(format!("printed something else than user and password: {why}")))
}

/// Returns what a command prints. One that is given up ends with all that it has started.
async fn answer(
    command: Command,
    (words, limit): (&[String], Duration),
    terminal: Terminal,
) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let failed = |why: String| CredentialError::Command { command: shown(words), why };
    let mut group = Group::start(command, terminal).map_err(|error| failed(format!("cannot be started: {error}")))?;
    let output = group.output();
    let mut text = Zeroizing::new(Vec::new());
    let ended = {
        let mut reading = std::pin::pin!(async {
            match output {
                Some(output) => output.take(MOST_PRINTED).read_to_end(&mut text).await.map(|_count| ()),
                None => Ok(()),
            }
        });
        let mut is_read = None;
        let status = {
            let mut ended = std::pin::pin!(ended(&mut group, (words, limit), terminal));
            loop {
                tokio::select! {
                    status = &mut ended => break status?,
                    read = &mut reading, if is_read.is_none() => is_read = Some(read),
                }
            }
        };
        if !status.success() {
            return Err(failed(format!("failed ({status})")));
        }
        match is_read {
            Some(read) => Ok(read),
            None => tokio::time::timeout(COMMAND_READING, reading).await,
        }
    };
    let read = ended.map_err(|_late| {
        failed("has ended, and something that it started kept its output open, and was ended".to_owned())
    })?;
    read.map_err(|error| failed(format!("could not be read: {error}")))?;
    group.leave();
    Ok(text)
}

/// Waits until a command has ended by itself. Says that it is waited for when that takes a while.
async fn ended(
    group: &mut Group,
    (words, limit): (&[String], Duration),
    terminal: Terminal,
) -> Result<ExitStatus, CredentialError> {
    let failed = |why: String| CredentialError::Command { command: shown(words), why };
    let (mut told, mut late) =
        (std::pin::pin!(tokio::time::sleep(COMMAND_TOLD)), std::pin::pin!(tokio::time::sleep(limit)));
    let mut interrupted = std::pin::pin!(async {
        match terminal {
            // A run that goes on has its own answer to signals.
            Terminal::Busy => std::future::pending().await,
            Terminal::Lent | Terminal::Apart => signals::any().await,
        }
    });
    let mut waited = std::pin::pin!(group.wait());
    let mut is_told = false;
    loop {
        tokio::select! {
            waited = &mut waited => return match waited {
                Ok(Waited::Ended(status)) => Ok(status),
                Ok(Waited::Asks) => Err(failed("asks at the terminal, which it cannot have now".to_owned())),
                Err(error) => Err(failed(format!("cannot be waited for: {error}"))),
            },
            _ = &mut interrupted => return Err(CredentialError::Interrupted),
            () = &mut late => return Err(failed(format!("did not end within {} s, and was ended", limit.as_secs()))),
            () = &mut told, if !is_told => {
                is_told = true;
                output::talk(&format!(
                    "waiting for {}, which is to print user and password, for {} s at most ...",
                    shown(words),
                    limit.as_secs()
                ));
            }
        }
    }
}

fn prompt(user: &str) -> Result<Login, CredentialError> {
    let failed = |why: String| CredentialError::Prompt { user: user.to_owned(), why };
    let mut password = rpassword::prompt_password(format!("Password of {user}: "))
        .map_err(|error| failed(format!("there is no terminal ({error})")))?;
    let kept = Zeroizing::new(password.clone());
    password.zeroize();
    if kept.is_empty() {
        return Err(failed("none was given".to_owned()));
    }
    Ok(Login::with_password(user, kept))
}

#[cfg(feature = "keyring")]
fn keyring(user: &str) -> Result<Login, CredentialError> {
    let failed = |error: keyring::Error| CredentialError::Keyring { user: user.to_owned(), why: error.to_string() };
    let password = keyring::Entry::new("orchestrate", user).and_then(|entry| entry.get_password()).map_err(failed)?;
    Ok(Login::with_password(user, Zeroizing::new(password)))
}

#[cfg(not(feature = "keyring"))]
fn keyring(user: &str) -> Result<Login, CredentialError> {
    let why = "this program was built without it; build it with `--features keyring`".to_owned();
    Err(CredentialError::Keyring { user: user.to_owned(), why })
}

/// A source that is asked once more.
struct Again(CredentialSource);

impl Source for Again {
    fn read(&self) -> Result<Login, String> {
        login(&self.0, Terminal::Busy).map_err(|error| {
            let mut text = error.to_string();
            if let Some(source) = std::error::Error::source(&error) {
                text = format!("{text}: {source}");
            }
            text
        })
    }

    fn pause(&self) -> Duration {
        match self.0 {
            CredentialSource::Command(_) => COMMAND_PAUSE,
            CredentialSource::File(_)
            | CredentialSource::Keytab { .. }
            | CredentialSource::Keyring(_)
            | CredentialSource::Env(_)
            | CredentialSource::Prompt(_)
            | CredentialSource::Current
            | CredentialSource::Certificate { .. } => FILE_PAUSE,
        }
    }

    fn advice(&self) -> String {
        match &self.0 {
            CredentialSource::File(path) => format!("write the new password into {path}, which is read anew at once"),
            CredentialSource::Keytab { file, .. } => {
                format!("put the new key into {file}, which is read anew at once")
            }
            CredentialSource::Keyring(user) => {
                format!("put the new password of {user} into the keyring, which is read anew at once")
            }
            CredentialSource::Command(words) => {
                let minutes = COMMAND_PAUSE.as_secs() / 60;
                format!("{} is run anew every {minutes} min and may give the new password", shown(words))
            }
            CredentialSource::Env(_)
            | CredentialSource::Prompt(_)
            | CredentialSource::Current
            | CredentialSource::Certificate { .. } => "stop the run and resume it with the new password".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_editors_of_windows_leave_in_a_file_is_no_part_of_a_password() {
        for text in ["CONTOSO\\ops\nhunter2\n", "\u{feff}CONTOSO\\ops\r\nhunter2\r\n", "CONTOSO\\ops\nhunter2"] {
            let login = two_lines(text.as_bytes()).unwrap();
            assert_eq!(login.user(), "CONTOSO\\ops", "{text:?}");
            assert!(Credentials::of(login, None).has_password("hunter2"), "{text:?}");
        }
        let login = two_lines("ops\n  Größe \n".as_bytes()).unwrap();
        assert!(Credentials::of(login, None).has_password("  Größe "), "blanks may belong to a password");
    }

    #[test]
    fn anything_else_that_is_odd_is_named() {
        for (bytes, said) in [
            (&b"ops\n"[..], "user and a password"),
            (b"", "user and a password"),
            (b"\nhunter2\n", "first line is empty"),
            (b"ops \nhunter2\n", "blanks around the user"),
            (b"ops\nhunter2\nmore\n", "more than two lines"),
            (b"ops\nhunter\t2\n", "control character"),
            (b"user=ops\nhunter2\n", "equals sign"),
            (b"\xff\xfeo\0p\0s\0", "UTF-16"),
            (b"ops\nGr\xf6\xdfe\n", "not UTF-8"),
        ] {
            let why = two_lines(bytes).err().unwrap();
            assert!(why.contains(said) && !why.contains("hunter"), "{why}");
        }
    }

    /// A script of the system's own shell: that of Unix, and that of Windows.
    fn script(unix: &str, windows: &str) -> Vec<String> {
        let words = match std::env::consts::FAMILY {
            "windows" => ["cmd", "/C", windows],
            _ => ["sh", "-c", unix],
        };
        words.map(str::to_owned).to_vec()
    }

    #[test]
    fn p10_a_command_prints_user_and_password_and_no_error_shows_them() {
        let words = script("printf 'ops\\nhunter2\\n'", "echo ops&echo hunter2");
        let login = command(&words, COMMAND_LIMIT, Terminal::Busy).unwrap();
        assert!(Credentials::of(login, None).has_password("hunter2"));
        let one_line = script("printf hunter2", "echo hunter2");
        let failing = script("echo ops; echo hunter2; exit 3", "echo ops&echo hunter2&exit 3");
        for bad in [one_line, failing, vec!["/no/such/program".to_owned()]] {
            let error = command(&bad, COMMAND_LIMIT, Terminal::Busy).err().unwrap().to_string();
            assert!(error.contains(&bad[0]) && !error.contains("hunter2"), "{error}");
            let again = Again(CredentialSource::Command(bad.clone())).advice();
            assert!(again.contains(&bad[0]) && !again.contains("hunter2"), "{again}");
        }
    }

    #[test]
    #[cfg_attr(not(unix), ignore = "the shell of Windows leaves nothing behind in the background")]
    fn a_command_that_leaves_something_behind_is_not_waited_for_without_end() {
        let words = script("sleep 20 2> /dev/null & echo ops; echo hunter2", "");
        let began = Instant::now();
        let error = command(&words, Duration::from_secs(2), Terminal::Busy).err().unwrap().to_string();
        assert!(error.contains("kept its output open") && began.elapsed().as_secs() < 15, "{error}");
    }

    #[test]
    #[cfg_attr(not(unix), ignore = "it starts programs of Unix")]
    fn a_command_that_is_given_up_ends_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("child");
        let child = format!("trap \\\"\\\" TERM INT; echo $$ > {}; exec sleep 1000", file.display());
        let words = script(&format!("trap '' TERM INT; sh -c \"{child}\" & wait"), "");
        let error = command(&words, Duration::from_secs(1), Terminal::Busy).err().unwrap().to_string();
        assert!(error.contains("did not end within 1 s"), "{error}");
        let is_there = format!("kill -0 {}", std::fs::read_to_string(&file).unwrap().trim());
        let began = Instant::now();
        while std::process::Command::new("sh").args(["-c", &is_there]).stderr(Stdio::null()).status().unwrap().success()
        {
            assert!(began.elapsed().as_secs() < 30, "the child of the command goes on");
        }
    }
}
