//! Groups of programs and the terminal, on each system.

pub(crate) use own::{Lent, WRAPPERS, end, go_on, leave, lend, may_have_stopped, set_apart};

#[cfg(unix)]
mod own {
    use crate::Terminal;
    use nix::sys::signal::{SigSet, SigmaskHow, Signal as Blocked};
    use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process_group, waitid};
    use rustix::termios::{tcgetpgrp, tcsetpgrp};
    use std::fs::File;
    use std::time::Duration;

    /// How many wrappers are around a program: the group.
    pub(crate) const WRAPPERS: usize = 1;

    /// How often a program is looked at that may have been stopped for asking at the terminal.
    const LOOK: Duration = Duration::from_millis(50);

    fn group(id: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    /// Ctrl-C in the terminal ends us, and what we do about it is ours to say: it must not reach a program that tells of it.
    pub(crate) fn set_apart(command: &mut CommandWrap, _terminal: Terminal) {
        command.wrap(ProcessGroup::leader());
    }

    /// Ends all of a group, whatever it does about it.
    pub(crate) fn end(id: u32) {
        if let Some(group) = group(id) {
            // A group without anything in it cannot be ended.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }

    /// Waits until a program was stopped by the system, which it does with one that reads from or sets the terminal and does
    /// not have it.
    pub(crate) async fn may_have_stopped(id: Option<u32>, terminal: Terminal) {
        let Some(own) = id.and_then(group).filter(|_| terminal != Terminal::Apart) else {
            return std::future::pending().await;
        };
        let flags = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        loop {
            tokio::time::sleep(LOOK).await;
            if matches!(waitid(WaitId::Pid(own), flags), Ok(Some(status)) if status.stopped()) {
                return;
            }
        }
    }

    /// What a group has left behind belongs to no process of ours.
    pub(crate) fn leave(_child: Box<dyn ChildWrapper>) {}

    /// The terminal while a program has it.
    #[derive(Debug)]
    pub(crate) struct Lent(File);

    /// Gives the terminal to a group, if it is ours to give.
    pub(crate) fn lend(id: u32) -> Option<Lent> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let is_ours = tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp());
        let group = group(id).filter(|_| is_ours)?;
        tcsetpgrp(&terminal, group).ok().map(|()| Lent(terminal))
    }

    /// Lets a group that was stopped go on.
    pub(crate) fn go_on(id: u32) {
        if let Some(group) = group(id) {
            // One that has ended meanwhile is seen by whoever waits for it.
            kill_process_group(group, Signal::CONT).unwrap_or_default();
        }
    }

    impl Drop for Lent {
        fn drop(&mut self) {
            // Whoever takes the terminal without having it is stopped, unless this signal is blocked.
            let stopping = SigSet::from(Blocked::SIGTTOU);
            let Ok(before) = stopping.thread_swap_mask(SigmaskHow::SIG_BLOCK) else { return };
            // One that is gone is nobody's.
            tcsetpgrp(&self.0, getpgrp()).unwrap_or_default();
            before.thread_set_mask().unwrap_or_default();
        }
    }
}

#[cfg(windows)]
mod own {
    use crate::Terminal;
    use process_wrap::tokio::{ChildWrapper, CommandWrap, CreationFlags, JobObject, KillOnDrop};
    use windows::Win32::System::Threading::CREATE_NO_WINDOW;

    /// How many wrappers are around a program: the job.
    pub(crate) const WRAPPERS: usize = 1;

    /// A job of its own, and a console of its own that is not shown where it has nothing to ask: the keys and the end of ours do
    /// not reach it.
    pub(crate) fn set_apart(command: &mut CommandWrap, terminal: Terminal) {
        if terminal == Terminal::Apart {
            command.wrap(CreationFlags(CREATE_NO_WINDOW));
        }
        // All of it ends with the last handle, which is ours, however our process ends.
        command.wrap(KillOnDrop).wrap(JobObject);
    }

    /// The job ends with its last handle.
    pub(crate) fn end(_id: u32) {}

    /// The job is kept for as long as our process is there: what is left of it may go on until then.
    pub(crate) fn leave(child: Box<dyn ChildWrapper>) {
        Box::leak(child);
    }

    pub(crate) async fn may_have_stopped(_id: Option<u32>, _terminal: Terminal) {
        std::future::pending().await
    }

    /// A console belongs to every program in it.
    #[derive(Debug)]
    pub(crate) struct Lent;

    pub(crate) fn lend(_id: u32) -> Option<Lent> {
        None
    }

    pub(crate) fn go_on(_id: u32) {}
}
