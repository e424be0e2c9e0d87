//! The exit codes, part of the interface.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Two plans that were compared differ.
    Differs,
    /// A dry run found changes to make, and `--detailed-exitcode` asked for that.
    ChangesPlanned,
    /// Finished; some servers were skipped or failed, and the pool is healthy.
    SomeServers,
    /// Stopped by policy.
    StoppedByPolicy,
    /// Stopped by the end of a window.
    StoppedByWindow,
    /// No window is open; nothing was done.
    NoWindow,
    /// Waits for approval.
    WaitingForApproval,
    /// Someone else holds the pool.
    PoolHeld,
    /// The world moved since the plan was approved or begun.
    WorldMoved,
    /// The pre-flight says unsafe.
    Unsafe,
    /// The plan selects nothing.
    EmptySelection,
    /// The command line cannot be understood.
    Usage,
    /// The plan file is bad or cannot be read.
    BadPlan,
    /// A target cannot be reached at all.
    Unreachable,
    /// A bug of ours.
    Bug,
    /// Temporary: `resume` later.
    Temporary,
    /// Interrupted; the state was printed.
    Interrupted,
}

impl Exit {
    /// Every exit code with what it means, for the help and the tests.
    pub(crate) const TABLE: [(Self, u8, &'static str); 18] = [
        (Self::Done, 0, "done, or nothing to do"),
        (Self::Differs, 1, "the plans differ (diff)"),
        (Self::ChangesPlanned, 2, "changes planned (--dry-run --detailed-exitcode)"),
        (Self::SomeServers, 3, "finished; some servers skipped or failed, or something is left to look at"),
        (Self::StoppedByPolicy, 4, "stopped before its end, by the plan or in a hold"),
        (Self::StoppedByWindow, 5, "stopped by the end of a window"),
        (Self::WaitingForApproval, 6, "waiting for approval"),
        (Self::PoolHeld, 7, "someone else holds the pool"),
        (Self::WorldMoved, 8, "the world moved since the plan was approved"),
        (Self::Unsafe, 9, "pre-flight says unsafe; nothing was changed"),
        (Self::EmptySelection, 10, "the plan selects nothing"),
        (Self::NoWindow, 11, "no window is open; nothing was done"),
        (Self::Usage, 64, "usage"),
        (Self::BadPlan, 65, "bad plan file"),
        (Self::Unreachable, 69, "target unreachable"),
        (Self::Bug, 70, "a fault of orchestrate itself"),
        (Self::Temporary, 75, "temporary; go on with `orchestrate resume RUN`"),
        (Self::Interrupted, 130, "interrupted; the state was printed"),
    ];

    /// Returns how a run ends that ended like this, when something else goes wrong after it: only an end that says that all
    /// servers are back gives way. One that says what is out, or what stopped the run, is what has to be acted upon.
    pub(crate) fn and_then(self, late: Self) -> Self {
        match self {
            Self::Done | Self::SomeServers => late,
            Self::Differs
            | Self::ChangesPlanned
            | Self::StoppedByPolicy
            | Self::StoppedByWindow
            | Self::NoWindow
            | Self::WaitingForApproval
            | Self::PoolHeld
            | Self::WorldMoved
            | Self::Unsafe
            | Self::EmptySelection
            | Self::Usage
            | Self::BadPlan
            | Self::Unreachable
            | Self::Bug
            | Self::Temporary
            | Self::Interrupted => self,
        }
    }

    /// Returns the number.
    pub(crate) fn code(self) -> u8 {
        Self::TABLE
            .iter()
            .find(|(exit, ..)| *exit == self)
            .map_or_else(|| unreachable!("every exit stands in the table"), |(_, code, _)| *code)
    }

    /// Returns the code of a process that is this program too, when it is one that this program ends with.
    pub(crate) fn known(code: i32) -> Option<u8> {
        Self::TABLE.iter().map(|(_, number, _)| *number).find(|number| i32::from(*number) == code)
    }

    /// Returns how a process ended that is this program too.
    pub(crate) fn of_code(code: Option<i32>) -> Self {
        let known = Self::TABLE.iter().find(|(_, number, _)| Some(i32::from(*number)) == code);
        known.map_or(Self::Bug, |(exit, ..)| *exit)
    }

    /// Returns what it means.
    pub(crate) fn words(self) -> &'static str {
        Self::TABLE.iter().find(|(exit, ..)| *exit == self).map_or("", |(.., words)| words)
    }

    /// Returns the table as text for the help.
    pub(crate) fn help() -> String {
        let lines: Vec<String> = Self::TABLE.iter().map(|(_, code, text)| format!("  {code:>3}  {text}")).collect();
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
