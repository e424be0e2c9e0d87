//! What goes into the transition function, and what comes out of it.

use crate::look::Look;
use crate::record::{Actor, Attended, Intent, IntentId, Record, RunHeader, RunOutcome};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::hold::{HoldChoice, Terms};
use orchestrate_model::{ActOutcome, Lease, PoolObservation, ServerName};

/// Ties an answer to its question. Answers to questions that nobody waits for any more are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// What happens to a run from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The run begins or is taken up again.
    Begin(Start),
    /// A look was taken.
    Seen {
        /// Which.
        ticket: Ticket,
        /// What was seen.
        seen: Box<PoolObservation>,
    },
    /// An act was performed, or not.
    Acted {
        /// Which.
        intent: IntentId,
        /// How it ended.
        outcome: ActOutcome,
    },
    /// The time has come.
    Woke {
        /// For what.
        ticket: Ticket,
    },
    /// The lease of a server was another control host's, had run out, and was taken over.
    TakenOver {
        /// The server.
        server: ServerName,
        /// Whose it was.
        from: Lease,
    },
    /// The operator spoke.
    Operator(Command),
    /// The clock of this machine was set.
    ClockMoved {
        /// By how much, besides what has passed.
        by: SignedDuration,
    },
    /// This machine slept, was frozen, or the process was stopped.
    StoodStill {
        /// For how long.
        by: SignedDuration,
    },
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// For the first time.
    New(RunHeader),
    /// Again, to go on.
    Resume {
        /// Who.
        by: Actor,
        /// Whether an operator is there.
        attended: Attended,
    },
    /// Again, only to bring servers back.
    Recover {
        /// Who.
        by: Actor,
        /// Whether an operator is there, who can confirm work done by hand.
        attended: Attended,
    },
}

/// What an operator can say.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Finish or undo what is in hand, then stop.
    Stop {
        /// Who.
        by: String,
    },
    /// Stop now, whatever is out.
    StopNow {
        /// Who.
        by: String,
    },
    /// Finish or undo what is in hand, then stop, because the process was told to end.
    Signalled {
        /// Whose process it is.
        by: String,
        /// What it was told by.
        signal: Signal,
    },
    /// Nothing is asked for: something about the process that the people who watch the run have to know.
    Told {
        /// What.
        text: String,
    },
    /// Finish or undo what is in hand, then stop, because the journal runs out of room.
    StopForRoom {
        /// What was found.
        why: String,
    },
    /// Hold one server, or all that are in work, when the act in hand is over.
    Hold {
        /// The server; none means all.
        server: Option<ServerName>,
        /// Who.
        by: String,
    },
    /// Decide about a held server.
    Decide {
        /// The server.
        server: ServerName,
        /// The choice.
        choice: HoldChoice,
        /// Since when the server has been held by the hold that was read. Without it the choice is for the hold there is.
        #[serde(default)]
        since: Option<Timestamp>,
        /// Who.
        by: String,
        /// What is said besides.
        #[serde(default, skip_serializing_if = "Terms::is_empty")]
        terms: Terms,
    },
}

/// What tells a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Keys in the terminal: Ctrl-C.
    Keys,
    /// The system or another program.
    System,
    /// The terminal was closed, or the connection to it broke. No person asked for anything.
    Closed,
}

impl Signal {
    /// Returns what happened, in words, to the process of `by`.
    pub(super) fn told(self, by: &str) -> String {
        match self {
            Self::Keys => format!("{by} asked with Ctrl-C"),
            Self::System => format!("the process of {by} was told to end"),
            Self::Closed => format!("the terminal of {by} was closed"),
        }
    }
}

/// What the run wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write the record down; it must be on disk before the next effect.
    Record(Record),
    /// Write the intent down, then perform its act.
    Act(Intent),
    /// Look at servers.
    Look {
        /// For the answer.
        ticket: Ticket,
        /// What to look at.
        look: Look,
    },
    /// Say when this time has come.
    Wake {
        /// For the answer.
        ticket: Ticket,
        /// When.
        at: Timestamp,
    },
    /// The run is over; nothing follows.
    End(RunOutcome),
    /// A rule of the engine was broken: our bug. Nothing follows.
    Broken(String),
}
