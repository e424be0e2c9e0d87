//! The binary in a terminal, as a person has it: what is on the screen, what has scrolled away, and keys.
//!
//! The terminal is one that cuts lines off when it is made narrower, and keeps what it had. Those that break them again are
//! tried with tmux.

use crate::cli::{PATIENCE, Sandbox};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Lines that are kept of what has scrolled away. No test writes as many.
const HISTORY: usize = 10_000;

/// What asks a terminal where its cursor is.
const WHERE: &[u8] = b"\x1b[6n";

/// A terminal in which the binary runs.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    bytes: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// Everything that was written.
    raw: Vec<u8>,
    /// How often it was asked where the cursor is.
    asked: usize,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("screen", &self.screen.screen().contents()).finish_non_exhaustive()
    }
}

fn size((rows, cols): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// A terminal has a row and a column.
fn whole(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}

impl Terminal {
    /// Starts the binary with these arguments in a terminal of so many rows and columns.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(sandbox: &Sandbox, arguments: &[&str], (rows, columns): (u16, u16)) -> Self {
        let command = sandbox.command(arguments);
        let mut inside = CommandBuilder::new(command.get_program());
        inside.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            }
        }
        inside.env("TERM", "xterm-256color");
        if let Some(folder) = command.get_current_dir() {
            inside.cwd(folder);
        }
        let pair = native_pty_system().openpty(size((rows, columns))).expect("a terminal can be made");
        let child = pair.slave.spawn_command(inside).expect("the binary starts");
        let mut reader = pair.master.try_clone_reader().expect("a terminal can be read");
        let keys = pair.master.take_writer().expect("a terminal can be written to");
        let (tell, bytes) = channel();
        drop(std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal whose program has gone cannot be read.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        }));
        let screen = vt100::Parser::new(whole(rows), whole(columns), HISTORY);
        Self { master: pair.master, keys, child, bytes, screen, raw: Vec::new(), asked: 0 }
    }

    /// Takes what was written, and answers where the cursor is.
    fn take(&mut self) {
        while let Ok(bytes) = self.bytes.recv_timeout(Duration::from_millis(20)) {
            self.screen.process(&bytes);
            self.raw.extend_from_slice(&bytes);
            let asked = self.raw.windows(WHERE.len()).filter(|window| *window == WHERE).count();
            if asked > self.asked {
                self.asked = asked;
                let (row, column) = self.screen.screen().cursor_position();
                self.press(&format!("\x1b[{};{}R", row + 1, column + 1));
            }
        }
    }

    /// Waits until the terminal is as it should be.
    ///
    /// # Panics
    /// When it does not come to be so.
    pub fn wait_until(&mut self, what: &str, so: impl Fn(&mut Self) -> bool) {
        let began = Instant::now();
        loop {
            self.take();
            if so(self) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "not so: {what}; the terminal shows:\n{}", self.all().join("\n"));
        }
    }

    /// Waits until a text is on the screen, in words: lines may be broken anywhere.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |terminal| terminal.words().contains(text));
    }

    /// Waits until a text was ever written, in words: what is said on the way may have scrolled away before the
    /// terminal is looked at again.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_until_said(&mut self, text: &str) {
        self.wait_until(text, |terminal| {
            let lines = terminal.all().join(" ");
            lines.split_whitespace().collect::<Vec<_>>().join(" ").contains(text)
        });
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When the terminal has gone.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("keys can be pressed");
    }

    /// Makes the terminal so many columns wide.
    ///
    /// # Panics
    /// When it cannot be made so.
    pub fn resize(&mut self, columns: u16) {
        self.take();
        let (rows, _) = self.screen.screen().size();
        self.screen.screen_mut().set_size(rows, whole(columns));
        self.master.resize(size((rows.get(), columns))).expect("a terminal can be resized");
    }

    /// Returns what is on the screen, with one blank between words.
    #[must_use]
    pub fn words(&self) -> String {
        self.screen.screen().contents().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Returns every line, those that have scrolled away first.
    #[must_use]
    pub fn all(&mut self) -> Vec<String> {
        let (rows, columns) = self.screen.screen().size();
        let (rows, columns) = (rows.get(), columns.get());
        let screen = self.screen.screen_mut();
        screen.set_scrollback(usize::MAX);
        let mut back = screen.scrollback();
        let mut lines = Vec::new();
        while back > 0 {
            screen.set_scrollback(back);
            let page = back.min(usize::from(rows));
            lines.extend(screen.rows(0, columns).take(page));
            back -= page;
        }
        screen.set_scrollback(0);
        lines.extend(screen.rows(0, columns));
        lines
    }

    /// Returns how many lines begin with a text.
    #[must_use]
    pub fn count(&mut self, lead: &str) -> usize {
        self.all().iter().filter(|line| line.starts_with(lead)).count()
    }

    /// Asserts that every line of the log that was ever written is there, as often as it was written.
    ///
    /// # Panics
    /// When one is not.
    pub fn assert_whole_log(&mut self) {
        let pattern =
            Regex::new(r"(?-u)(?:\x1b\[J\r|\n)(\d\d:\d\d:\d\d  [a-z0-9]+ )").expect("the pattern is well-formed");
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for found in pattern.captures_iter(&self.raw) {
            *wanted.entry(String::from_utf8_lossy(&found[1]).into_owned()).or_default() += 1;
        }
        assert!(wanted.len() > 5, "a run says more than {}", wanted.len());
        for (lead, times) in wanted {
            let found = self.count(&lead);
            assert_eq!(found, times, "{lead:?} was said {times} times; the terminal shows:\n{}", self.all().join("\n"));
        }
    }

    /// Waits for the end of the binary, and returns its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ended(&mut self) -> u32 {
        let began = Instant::now();
        loop {
            self.take();
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                self.take();
                return status.exit_code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end; the terminal shows:\n{}", self.all().join("\n"));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        self.child.kill().unwrap_or_default();
    }
}
