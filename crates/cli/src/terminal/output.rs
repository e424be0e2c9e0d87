//! Data to stdout, talk to stderr. A pipe that was closed is an ordinary end.

use crate::failure::Failure;
use anstream::ColorChoice;
use orchestrate_display::{Look, Style, broken};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Columns of a line where nobody looks at it: log lines in files are not broken.
const UNBROKEN: usize = 10_000;

/// Writes to stdout.
///
/// # Errors
/// [`Failure::ClosedPipe`] when the reader has gone; another failure when the text cannot be written.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)
}

/// Writes sentences to stdout, broken at spaces where a person reads them.
///
/// # Errors
/// As [`data`].
pub(crate) fn sentences(text: &str) -> Result<(), Failure> {
    data(&if io::stdout().is_terminal() { broken(text, columns().max(NARROWEST)) } else { text.to_owned() })
}

/// Writes a line to stderr. What cannot be written there has nowhere else to go.
pub(crate) fn talk(line: &str) {
    let mut err = anstream::stderr().lock();
    writeln!(err, "{line}").unwrap_or_default();
}

/// Writes to the terminal as it is, with what moves its cursor. What cannot be written there has nowhere else to go.
pub(crate) fn screen(text: &str) {
    let mut err = anstream::AutoStream::always_ansi(io::stderr());
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).unwrap_or_default();
}

/// How often somebody at a terminal is told that answers are still waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where what is said is kept, as in the log of a scheduled start.
const PATIENCE_OF_A_LOG: Duration = Duration::from_secs(60);

/// Does something that may take its time, and says what it still waits for: often at a terminal, seldom elsewhere.
pub(crate) async fn patiently<T>(waits_for: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    let began = tokio::time::Instant::now();
    let patience = if is_live() { PATIENCE } else { PATIENCE_OF_A_LOG };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(patience) => {
                talk(&format!("still waiting for {} ({} s)", waits_for(), began.elapsed().as_secs()));
            }
        }
    }
}

/// Returns how text on stdout is to look, at most [`Look::WIDTH`] columns wide.
pub(crate) fn look() -> Look {
    let width = if io::stdout().is_terminal() { columns().clamp(60, Look::WIDTH) } else { Look::WIDTH };
    Look { style: style(&io::stdout()), zone: jiff::tz::TimeZone::system(), width }
}

/// Returns how the permanent log is to look: as wide as the terminal, and unbroken elsewhere.
pub(crate) fn log_look() -> Look {
    let width = if io::stdout().is_terminal() { columns().max(NARROWEST) } else { UNBROKEN };
    Look { width, ..look() }
}

/// The narrowest terminal that lines are broken for. In one that is narrower still they are broken or cut off by it.
const NARROWEST: usize = 40;

/// Columns that are left free behind the live view: what a terminal writes there by itself, such as `^C`, breaks no line.
const ECHOED: usize = 4;

/// Returns how the live view on stderr is to look.
pub(crate) fn live_look() -> Look {
    let width = columns().max(NARROWEST).saturating_sub(ECHOED);
    Look { style: talk_style(), zone: jiff::tz::TimeZone::system(), width }
}

/// Returns whether talk carries colours.
pub(crate) fn talk_style() -> Style {
    style(&io::stderr())
}

/// Returns whether the live view can be drawn.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns whether somebody is there who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Returns how many columns the terminal has.
pub(crate) fn columns() -> usize {
    terminal_size::terminal_size().map_or(Look::WIDTH, |(columns, _)| usize::from(columns.0))
}

/// Returns how many lines the terminal has.
pub(crate) fn rows() -> usize {
    terminal_size::terminal_size().map_or(24, |(_, rows)| usize::from(rows.0))
}

fn style(stream: &impl anstream::stream::RawStream) -> Style {
    match anstream::AutoStream::choice(stream) {
        ColorChoice::Never => Style::Plain,
        ColorChoice::Auto | ColorChoice::Always | ColorChoice::AlwaysAnsi => Style::Ansi,
    }
}

/// Asks a question, and returns the line that was typed.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    let mut err = anstream::stderr().lock();
    write!(err, "{question}").and_then(|()| err.flush()).map_err(Failure::output)?;
    drop(err);
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::output)?;
    Ok(answer)
}
