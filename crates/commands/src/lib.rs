//! Programs that a plan names: each is started in a group of its own, so that one that is given up ends with all that it has
//! started.
//!
//! Belongs here: how a program is started, waited for and ended on each system. Does not belong here: what it is told, what its
//! answer means, and for how long it is waited for.

mod system;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use std::collections::BTreeSet;
use std::io;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

/// What a program has of the terminal in front of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Nothing: it has no window, and the keys do not reach it.
    Apart,
    /// It is given the terminal when it asks something there, and the terminal comes back when it has ended.
    Lent,
    /// It cannot ask: we draw on the terminal ourselves.
    Busy,
}

/// A program that was started, and all that it has started. What is left of them ends when this is dropped before the program
/// itself has ended.
#[derive(Debug)]
pub struct Group {
    /// `None` once it was left.
    child: Option<Box<dyn ChildWrapper>>,
    id: Option<u32>,
    terminal: Terminal,
    lent: Option<system::Lent>,
}

/// How waiting for a program went.
#[derive(Debug)]
pub enum Waited {
    /// It has ended.
    Ended(ExitStatus),
    /// It asks at a terminal that it cannot have, and waits for ever.
    Asks,
}

/// Groups that are not over, for the end of the process.
static OPEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn open() -> MutexGuard<'static, BTreeSet<u32>> {
    // A set of numbers is whole wherever a thread died.
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends whatever is still under way. To be called before the process ends: tasks and threads that wait for a program are not
/// dropped then.
pub fn end_all() {
    for group in std::mem::take(&mut *open()) {
        system::end(group);
    }
}

impl Group {
    /// Starts a program. Its streams are those that `command` states.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(command: Command, terminal: Terminal) -> io::Result<Self> {
        let mut wrapped = CommandWrap::from(command);
        system::set_apart(&mut wrapped, terminal);
        let child = wrapped.spawn()?;
        let id = child.id();
        open().extend(id);
        Ok(Self { child: Some(child), id, terminal, lent: None })
    }

    /// Returns its input, once, if it is a pipe.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.as_mut()?.stdin().take()
    }

    /// Returns its output, once, if it is a pipe.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.as_mut()?.stdout().take()
    }

    /// Returns its errors, once, if they are a pipe.
    pub fn errors(&mut self) -> Option<ChildStderr> {
        self.child.as_mut()?.stderr().take()
    }

    /// Waits until the program itself has ended. What it leaves behind may go on.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn wait(&mut self) -> io::Result<Waited> {
        loop {
            let Some(child) = self.child.as_deref_mut() else { return Err(io::ErrorKind::NotFound.into()) };
            let ended = {
                let mut program = innermost(child).wait();
                tokio::select! {
                    status = &mut program => Some(status?),
                    () = system::may_have_stopped(self.id, self.terminal) => None,
                }
            };
            if let Some(status) = ended {
                self.lent = None;
                return Ok(Waited::Ended(status));
            }
            if self.terminal == Terminal::Lent && self.lent.is_none() {
                self.lent = self.id.and_then(system::lend);
            }
            match (&self.lent, self.id) {
                (Some(_), Some(id)) => system::go_on(id),
                (Some(_) | None, _) => return Ok(Waited::Asks),
            }
        }
    }

    /// Lets what the program has left behind go on: it has done its work.
    pub fn leave(mut self) {
        self.child.take().map(system::leave).unwrap_or_default();
    }
}

/// The program itself, without what is put around it.
fn innermost(mut child: &mut dyn ChildWrapper) -> &mut dyn ChildWrapper {
    // As many as are ever put around one.
    for _ in 0..system::WRAPPERS {
        child = child.inner_mut();
    }
    child
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            open().remove(&id);
        }
        if let Some(child) = &mut self.child {
            // A group without anything in it cannot be ended.
            child.start_kill().unwrap_or_default();
        }
        self.lent = None;
    }
}

#[cfg(test)]
mod tests;
