//! What differs between the operating systems that the program runs on: where its state is kept, which shell commands are
//! copied into, how a process is started that lives by itself, and whether one has ended. What they tell the program to stop
//! with is in `terminal::signals`, and files are in a crate of their own.

use std::path::PathBuf;
use std::process::Command;

#[cfg(unix)]
mod here {
    use etcetera::BaseStrategy as _;
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    pub(super) fn state_root() -> Option<PathBuf> {
        let strategy = etcetera::choose_base_strategy().ok()?;
        Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()))
    }

    pub(super) fn set_apart(command: &mut Command) {
        command.process_group(0);
    }

    /// Nothing: whoever leads a group cannot begin a session, so that it is begun by the process itself.
    pub(super) fn begin_session(_command: &mut Command) {}

    pub(super) fn enter_session() -> std::io::Result<()> {
        rustix::process::setsid().map(drop).map_err(std::io::Error::from)
    }

    pub(super) fn ticket_file(stated: Option<&str>) -> Option<PathBuf> {
        let named = std::env::var_os("KRB5CCNAME").filter(|name| !name.is_empty());
        let named = match &named {
            Some(name) => name.to_str()?,
            None => stated.unwrap_or("FILE:/tmp/krb5cc_%{uid}"),
        };
        let path = match named.split_once(':') {
            Some(("FILE", path)) => path,
            None => named,
            Some(_) => return None,
        };
        let path = path.replace("%{uid}", &rustix::process::getuid().as_raw().to_string());
        (!path.contains("%{")).then(|| path.into())
    }

    pub(super) fn is_known_to_have_ended(process: u32) -> bool {
        let processes = Path::new("/proc");
        processes.join("self").exists() && !processes.join(process.to_string()).exists()
    }
}

#[cfg(windows)]
mod here {
    use etcetera::BaseStrategy as _;
    use std::os::windows::process::CommandExt as _;
    use std::path::PathBuf;
    use std::process::Command;

    /// No console of its own and none of ours, whose keys and whose end would reach it.
    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

    /// What belongs to this machine must not go to others with the account's profile: the local folder, which is the one
    /// that is meant for what can be made again. The profile of a service is a folder of the system that no person looks
    /// into; what a service keeps has a place of its own.
    pub(super) fn state_root() -> Option<PathBuf> {
        if orchestrate_files::is_service().ok()? {
            return std::env::var_os("ProgramData").map(PathBuf::from).filter(|folder| folder.is_absolute());
        }
        Some(etcetera::choose_base_strategy().ok()?.cache_dir())
    }

    pub(super) fn set_apart(command: &mut Command) {
        command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    }

    /// Without a console there is nothing whose end would reach it.
    pub(super) fn begin_session(command: &mut Command) {
        set_apart(command);
    }

    pub(super) fn enter_session() -> std::io::Result<()> {
        Ok(())
    }

    /// Windows keeps tickets to itself.
    pub(super) fn ticket_file(_stated: Option<&str>) -> Option<PathBuf> {
        None
    }

    /// Processes are not listed in the file system, and a number may be another process by now.
    pub(super) fn is_known_to_have_ended(_process: u32) -> bool {
        false
    }
}

/// Returns the file that the person's Kerberos tickets are kept in, where it is known and they are kept in one. `stated` is
/// what the configuration of Kerberos says of it.
pub(crate) fn ticket_file(stated: Option<&str>) -> Option<PathBuf> {
    here::ticket_file(stated)
}

/// Returns the folder of this account on this machine for the state of this program. Without a home there is none.
pub(crate) fn state_folder() -> Option<PathBuf> {
    Some(here::state_root()?.join("orchestrate"))
}

/// Starts a command apart from our terminal: what is typed there does not reach it, and it outlives the terminal.
pub(crate) fn set_apart(command: &mut Command) {
    here::set_apart(command);
}

/// Makes a command ready to have a session of its own, which it enters by [`enter_session`] as the first thing it does.
pub(crate) fn begin_session(command: &mut Command) {
    here::begin_session(command);
}

/// Enters a session of our own: no terminal is ours any more, and the end of one does not reach us. A process that was put
/// into one by whoever started it stays where it is.
pub(crate) fn enter_session() {
    if let Err(error) = here::enter_session() {
        tracing::debug!(%error, "this process leads a session or a group already");
    }
}

/// Returns whether a process has ended for certain. Where the system does not say so, no process has.
pub(crate) fn is_known_to_have_ended(process: u32) -> bool {
    here::is_known_to_have_ended(process)
}

/// Returns the command that asks for a user's password and puts it into the keyring. Elsewhere than on Windows each keyring
/// has a program of its own for that.
pub(crate) fn keeps_password(user: &str) -> Option<String> {
    keeps_password_on(SYSTEM, shell(), user)
}

fn keeps_password_on(system: System, shell: Shell, user: &str) -> Option<String> {
    // The Credential Manager knows a password by one name, which is made of user and service.
    let [name, user] =
        [format!("/generic:{user}.orchestrate"), format!("/user:{user}")].map(|word| shell.quoted(&word));
    match system {
        System::Unix => None,
        System::Windows => Some(format!("cmdkey {name} {user} /pass")),
    }
}

/// A kind of operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Unix,
    Windows,
}

const SYSTEM: System = if cfg!(windows) { System::Windows } else { System::Unix };

/// Returns the shell into which commands are copied.
pub(crate) fn shell() -> Shell {
    Shell::on(SYSTEM, |variable| std::env::var(variable).ok())
}

/// A shell, by what it makes of what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "PowerShell is called so")]
pub(crate) enum Shell {
    /// A shell of Unix, on whatever system.
    Sh,
    /// The command prompt of Windows.
    Cmd,
    /// Windows PowerShell and PowerShell.
    PowerShell,
}

impl Shell {
    /// Returns the shell that a program was started from, by the variables that shells leave. `PROMPT` is of the command
    /// prompt alone; what is started from PowerShell has its modules twice, those of the machine and those of the person.
    fn on(system: System, variable: impl Fn(&str) -> Option<String>) -> Self {
        let folders =
            || variable("PSModulePath").map_or(0, |folders| folders.split(';').filter(|f| !f.is_empty()).count());
        match system {
            System::Unix => Self::Sh,
            System::Windows if variable("MSYSTEM").is_some() || variable("SHELL").is_some() => Self::Sh,
            System::Windows if variable("PROMPT").is_some() && folders() < 3 => Self::Cmd,
            System::Windows => Self::PowerShell,
        }
    }

    /// Returns a word as the shell takes it.
    pub(crate) fn quoted(self, text: &str) -> String {
        let bare = match self {
            Self::Sh => "/._-:",
            Self::Cmd | Self::PowerShell => "/._-:\\",
        };
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || bare.contains(c)) {
            return text.to_owned();
        }
        match self {
            Self::Sh => format!("'{}'", text.replace('\'', r"'\''")),
            // Names on Windows hold no double quotes; a backslash before the closing one would take it along.
            Self::Cmd => format!("\"{text}{}\"", once_more(text)),
            // Windows PowerShell puts such quotes around a word with spaces that it gives to a program.
            Self::PowerShell => {
                let doubled = |c: char| std::iter::repeat_n(c, if QUOTES.contains(&c) { 2 } else { 1 });
                format!("'{}{}'", text.chars().flat_map(doubled).collect::<String>(), once_more(text))
            }
        }
    }
}

/// What PowerShell takes for a single quote.
const QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];

/// Returns the backslash that one before a closing quote needs.
fn once_more(text: &str) -> &'static str {
    if text.ends_with('\\') { "\\" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_for_the_shell_it_is_copied_into() {
        for (shell, name, word) in [
            (Shell::Sh, "/srv/plan.yaml", "/srv/plan.yaml"),
            (Shell::Sh, "/srv/it's here", r"'/srv/it'\''s here'"),
            (Shell::Sh, r"/srv/a\b", r"'/srv/a\b'"),
            (Shell::Sh, "", "''"),
            (Shell::Sh, r"C:\plans\a.yaml", r"'C:\plans\a.yaml'"),
            (Shell::Cmd, r"C:\plans\a.yaml", r"C:\plans\a.yaml"),
            (Shell::Cmd, r"C:\Program Files\it's & more", r#""C:\Program Files\it's & more""#),
            (Shell::Cmd, r"C:\a folder\", r#""C:\a folder\\""#),
            (Shell::PowerShell, r"C:\plans\a.yaml", r"C:\plans\a.yaml"),
            (Shell::PowerShell, r"C:\$env\it's", r"'C:\$env\it''s'"),
            (Shell::PowerShell, r"C:\a,b(1)", r"'C:\a,b(1)'"),
            (Shell::PowerShell, r"C:\a folder\", r"'C:\a folder\\'"),
            (Shell::PowerShell, "C:\\ann\u{2019}s", "'C:\\ann\u{2019}\u{2019}s'"),
        ] {
            assert_eq!(shell.quoted(name), word, "{shell:?}");
        }
    }

    #[test]
    fn a_password_is_kept_by_a_command_of_windows() {
        let on = |system, shell| keeps_password_on(system, shell, r"CONTOSO\svc $1");
        assert_eq!(on(System::Unix, Shell::Sh), None);
        let powershell = r"cmdkey '/generic:CONTOSO\svc $1.orchestrate' '/user:CONTOSO\svc $1' /pass";
        assert_eq!(on(System::Windows, Shell::PowerShell).as_deref(), Some(powershell));
        let cmd = r#"cmdkey "/generic:CONTOSO\svc $1.orchestrate" "/user:CONTOSO\svc $1" /pass"#;
        assert_eq!(on(System::Windows, Shell::Cmd).as_deref(), Some(cmd));
    }

    #[test]
    fn the_shell_is_known_by_the_variables_that_it_leaves() {
        let machine = r"C:\Program Files\WindowsPowerShell\Modules;C:\Windows\system32\WindowsPowerShell\v1.0\Modules";
        let own = format!(r"C:\Users\ann\Documents\WindowsPowerShell\Modules;{machine}");
        let on = |system, set: &[(&str, &str)]| {
            Shell::on(system, |name| set.iter().find(|(each, _)| *each == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(on(System::Windows, &[("PSModulePath", &own)]), Shell::PowerShell);
        assert_eq!(on(System::Windows, &[("PSModulePath", &own), ("PROMPT", "$P$G")]), Shell::PowerShell);
        assert_eq!(on(System::Windows, &[("PSModulePath", machine), ("PROMPT", "$P$G")]), Shell::Cmd);
        assert_eq!(on(System::Windows, &[("MSYSTEM", "MINGW64")]), Shell::Sh);
        assert_eq!(on(System::Windows, &[]), Shell::PowerShell);
        assert_eq!(on(System::Unix, &[("PSModulePath", &own)]), Shell::Sh);
    }
}
