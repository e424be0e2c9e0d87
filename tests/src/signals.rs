//! Ending other programs as an operator or the system would. What differs between systems is here.

use std::process::{Command, Stdio};

/// The exit code of a program that was killed: none on Unix, where the signal is told instead.
pub(crate) const KILLED: Option<i32> = if cfg!(windows) { Some(1) } else { None };

/// Sends a program a signal, such as `INT` or `KILL`. On Windows only the latter can be sent to another program: the keys
/// belong to a console.
///
/// # Panics
/// When the system has no such signal, or no command that sends it.
pub(crate) fn signal(name: &str, process: &str) {
    let mut command = if cfg!(windows) {
        assert_eq!(name, "KILL", "Windows has no such signal");
        let mut command = Command::new("taskkill");
        command.args(["/F", "/PID", process]);
        command
    } else {
        let mut command = Command::new("kill");
        command.arg(format!("-{name}")).arg(process);
        command
    };
    let sent = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "there is no command that sends signals");
}
