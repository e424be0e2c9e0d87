//! The live view on the screen: the last lines of the terminal, drawn anew again and again, with the log above them.

use crate::terminal::keys::Keyboard;
use crate::terminal::output;
use anstream::adapter::strip_str;
use orchestrate_display::answering::{Key, Keys};
use orchestrate_display::frame::{Drawn, Narrowed};
use std::time::{Duration, Instant};

/// How long a terminal gets to say where its cursor is. One behind a slow line takes a quarter of a second, one on a busy machine
/// longer: what is guessed instead may leave half a view behind.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Begins and ends what is written as a whole: lines that are too long for a terminal that became narrower a moment ago are cut
/// off and not broken.
const UNBROKEN: &str = "\u{1b}[?7l";
const BROKEN: &str = "\u{1b}[?7h";

/// Clears the line of the cursor and all below it. Not from the first column on: tmux takes that, in the first row, for clearing the
/// screen, and keeps what was there in its history.
const CLEAR: &str = "\r\u{1b}[2K\u{1b}[2G\u{1b}[J\r";

/// The last lines of the terminal.
pub(crate) struct Frame {
    keyboard: Option<Keyboard>,
    keys: Keys,
    /// Keys that came while something else was waited for.
    early: Vec<Key>,
    drawn: Option<Drawn>,
    /// What was drawn, and how wide the terminal was: the same is not drawn twice.
    shown: (Vec<String>, usize),
}

impl Frame {
    /// Takes the last lines of the terminal, and its keyboard where it has one.
    pub(crate) fn take() -> Self {
        Self {
            keyboard: Keyboard::take(),
            keys: Keys::default(),
            early: Vec::new(),
            drawn: None,
            shown: Default::default(),
        }
    }

    /// Returns whether anybody can press a key.
    pub(crate) fn has_keyboard(&self) -> bool {
        self.keyboard.is_some()
    }

    /// Returns what was typed since this was asked last.
    pub(crate) fn typed(&mut self) -> Vec<Key> {
        let mut keys = std::mem::take(&mut self.early);
        if let Some(keyboard) = &mut self.keyboard {
            keys.extend(self.keys.take(&keyboard.typed(Duration::ZERO).unwrap_or_default()));
        }
        keys
    }

    /// Draws these lines in the place of those that were drawn before.
    pub(crate) fn draw(&mut self, lines: Vec<String>) {
        if self.drawn.is_some() && (&self.shown.0, self.shown.1) == (&lines, output::columns()) {
            return;
        }
        let clear = self.cleared();
        let plain: Vec<String> = lines.iter().map(|line| strip_str(line).to_string()).collect();
        let columns = output::columns();
        let drawn = Drawn::of(&plain, columns);
        let (up, column) = drawn.leave_cursor();
        let up = if up == 0 { String::new() } else { format!("\u{1b}[{up}A") };
        output::screen(&format!("{clear}{UNBROKEN}{}{BROKEN}{up}\u{1b}[{column}G", lines.join("\r\n")));
        (self.drawn, self.shown) = (Some(drawn), (lines, columns));
    }

    /// Clears what was drawn. The cursor is where it began.
    pub(crate) fn clear(&mut self) {
        let clear = self.cleared();
        if !clear.is_empty() {
            output::screen(&clear);
        }
    }

    /// Returns what clears what was drawn, and forgets it.
    fn cleared(&mut self) -> String {
        let Some(drawn) = self.drawn.take() else { return String::new() };
        let columns = output::columns();
        let narrowed = if drawn.is_unclear(columns) { self.narrowed(&drawn, columns) } else { Narrowed::CutOff };
        match drawn.rows_above(columns, narrowed) {
            0 => CLEAR.to_owned(),
            up => format!("\u{1b}[{up}A{CLEAR}"),
        }
    }

    /// Asks the terminal where its cursor is now, and says what that means. One that does not answer has cut the lines off, as far
    /// as anybody can know.
    fn narrowed(&mut self, drawn: &Drawn, columns: usize) -> Narrowed {
        let Some(keyboard) = &mut self.keyboard else { return Narrowed::CutOff };
        output::screen("\u{1b}[6n");
        let asked = Instant::now();
        while let Some(rest) = ANSWERS_WITHIN.checked_sub(asked.elapsed()) {
            let mut column = None;
            let Some(typed) = keyboard.typed(rest) else { return Narrowed::CutOff };
            for key in self.keys.take(&typed) {
                match key {
                    Key::Column(found) => column = Some(found),
                    Key::Char(_) | Key::Enter | Key::Back | Key::Escape | Key::Tab => self.early.push(key),
                }
            }
            if let Some(column) = column {
                return drawn.told_by(column, columns);
            }
        }
        Narrowed::CutOff
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.clear();
    }
}
