//! What is typed while a run is shown. The keys come one by one and are not written on the screen; Ctrl-C and Ctrl-Z mean what
//! they always do.

use std::time::Duration;

/// The keyboard of the terminal that a run is shown in. It is as it was when this has gone.
#[cfg(unix)]
pub(crate) struct Keyboard {
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl Keyboard {
    /// Takes the keyboard. `None` where there is none, or another job has it.
    pub(crate) fn take() -> Option<Self> {
        use rustix::termios::{QueueSelector, isatty, tcflush, tcgetattr};
        let stdin = rustix::stdio::stdin();
        if !isatty(stdin) {
            return None;
        }
        let keyboard = Self { before: tcgetattr(stdin).ok()? };
        if keyboard.is_ours() {
            keyboard.listen();
            // What was typed before there was a question is no answer.
            tcflush(stdin, QueueSelector::IFlush).ok()?;
        }
        Some(keyboard)
    }

    /// Whether this job is in the foreground: one in the background that reads would be stopped.
    fn is_ours(&self) -> bool {
        let group = rustix::termios::tcgetpgrp(rustix::stdio::stdin());
        group.is_ok_and(|group| group == rustix::process::getpgrp())
    }

    /// Has keys come one by one. A shell in between may have changed that.
    fn listen(&self) {
        use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
        let stdin = rustix::stdio::stdin();
        let mut mode = self.before.clone();
        mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        mode.special_codes[SpecialCodeIndex::VMIN] = 0;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        let set = tcgetattr(stdin).is_ok_and(|now| now.local_modes == mode.local_modes);
        if !set && let Err(error) = tcsetattr(stdin, OptionalActions::Now, &mode) {
            tracing::debug!(%error, "keys cannot be read one by one");
        }
    }

    /// Returns what was typed, at once when there is something, and nothing after `within`. `None` while another job has the
    /// keyboard.
    pub(crate) fn typed(&mut self, within: Duration) -> Option<Vec<u8>> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        if !self.is_ours() {
            return None;
        }
        self.listen();
        let stdin = rustix::stdio::stdin();
        let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
        let within = Timespec::try_from(within).ok();
        let ready = poll(&mut asked, within.as_ref()).is_ok_and(|ready| ready > 0);
        let mut bytes = [0_u8; 256];
        let read = if ready { rustix::io::read(stdin, &mut bytes).unwrap_or(0) } else { 0 };
        Some(bytes[..read].to_vec())
    }
}

#[cfg(unix)]
impl Drop for Keyboard {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if self.is_ours()
            && let Err(error) = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before)
        {
            tracing::debug!(%error, "the terminal is not as it was");
        }
    }
}

/// Elsewhere holds are answered with `orchestrate decide`.
#[cfg(not(unix))]
pub(crate) struct Keyboard;

#[cfg(not(unix))]
impl Keyboard {
    pub(crate) fn take() -> Option<Self> {
        None
    }

    pub(crate) fn typed(&mut self, _within: Duration) -> Option<Vec<u8>> {
        None
    }
}
