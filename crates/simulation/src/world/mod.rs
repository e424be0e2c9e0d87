//! Servers in memory, in virtual time, with a true state that nobody but the oracle sees directly.
//!
//! The world is moved on only when somebody looks or acts, but what happened in between happens in its order and at its
//! own time.

mod acts;
pub(crate) mod balancers;
mod entry;
mod events;
mod hop;
mod leases;
mod looks;
mod machine;
mod people;
mod refusals;
mod setup;
mod stateless;

pub(crate) use entry::draw_entry;
pub(crate) use events::Event;
pub(crate) use hop::draw_way;
#[cfg(test)]
pub(crate) use looks::fit;
pub(crate) use looks::{LEFT_OUT, LEVELS, Reply, service_names};
pub(crate) use machine::{Installer, Machine, Service};
pub(crate) use refusals::{DENIED, LATER, QUOTA};
pub(crate) use setup::{Sessions, Setup};
pub(crate) use stateless::draw_alone;

use crate::dice::Dice;
use crate::faults::{Fault, Faults};
use crate::oracle::Oracle;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::ServiceName;
use orchestrate_model::pool::AwayCounts;
use orchestrate_model::{ActOutcome, Change, Server, ServerName, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Milliseconds since the world began.
pub(crate) type Ms = i64;
pub(crate) const SECOND: Ms = 1000;
pub(crate) const MINUTE: Ms = 60 * SECOND;
pub(crate) const HOUR: Ms = 60 * MINUTE;

/// Nobody waits for this.
pub(crate) const NEVER: Ms = Ms::MAX / 4;

/// Whose doing something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The run's.
    Us,
    /// Somebody else's.
    Foreign,
    /// Nobody's: it happens.
    Itself,
}

/// Whether a front end whose services are paused counts as active. The product's documentation does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PausedFrontEnd {
    /// It does.
    Active,
    /// It does not, and its pool is busy as long as it is paused.
    Inactive,
}

/// How fast things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Answers at once, services within seconds.
    Smooth,
    /// Everything takes a little while.
    Uneven,
}

/// The pool's own side of the world.
#[derive(Debug, Clone)]
pub(crate) struct PoolWorld {
    /// The machines, in topology order.
    pub(crate) machines: Vec<usize>,
    /// For each name server the machines whose records are missing, with since when.
    pub(crate) missing: [BTreeMap<usize, Ms>; 2],
    /// Since when and until when the product says Busy.
    pub(crate) busy: (Ms, Ms),
    /// How many servers must run, of the first how many.
    pub(crate) quorum: Option<(usize, usize)>,
    /// What is odd about its balancers.
    pub(crate) balancer: balancers::Odd,
    /// That its entry name leads to one machine only for a while.
    pub(crate) narrow: Option<entry::Narrow>,
}

/// The world.
pub(crate) struct World {
    pub(crate) origin: Timestamp,
    pub(crate) now: Ms,
    pub(crate) change: Arc<Change>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) pools: Vec<PoolWorld>,
    pub(crate) by_name: BTreeMap<ServerName, usize>,
    pub(crate) faults: Faults,
    /// Whether faults happen at present.
    pub(crate) faulty: bool,
    /// When they cease, if they do.
    pub(crate) heals: Option<Ms>,
    pub(crate) pace: Pace,
    pub(crate) paused_front_end: PausedFrontEnd,
    /// The levels before and after the patch.
    pub(crate) levels: [Version; 2],
    pub(crate) dice: Dice,
    pub(crate) oracle: Oracle,
    pub(crate) log: Log,
    pub(crate) crash: crate::drive::Crash,
    queue: BTreeMap<(Ms, u64), Event>,
    order: u64,
    landed: BTreeMap<u64, ActOutcome>,
    pub(crate) disk: FullDisk,
    pub(crate) refusals: refusals::Refusals,
    /// From when to when the product does not answer in a remote shell.
    pub(crate) hop: Option<(Ms, Ms)>,
    /// From when to when servers have nothing that says whether services drain.
    pub(crate) stateless: Option<(Ms, Ms)>,
    /// The service whose sessions nothing counts meanwhile.
    pub(crate) countless: Option<ServiceName>,
    /// Which machines take several acts in one exchange, and how those get lost: a number of the night.
    pub(crate) exchanges: u64,
    /// How long the configuration replica of a server lags after the server has started.
    pub(crate) replicas_lag: Ms,
}

/// When the disk of the journal is full.
#[derive(Debug, Default)]
pub(crate) struct FullDisk {
    /// From when until when, and whether room was kept for that case.
    pub(crate) times: Vec<(Ms, Ms, Reserve)>,
    /// Whether a record could not be written in the start that runs.
    pub(crate) failed: bool,
}

/// Whether the journal has kept room for a full disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserve {
    Kept,
    Gone,
}

/// What happened, for people. Kept only when somebody wants to read it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Option<Vec<(Ms, String)>>,
}

impl Log {
    pub(crate) fn say(&mut self, at: Ms, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push((at, text()));
        }
    }
}

impl World {
    pub(crate) fn stamp(&self, at: Ms) -> Timestamp {
        self.origin + SignedDuration::from_millis(at)
    }

    pub(crate) fn moment(&self, at: Timestamp) -> Ms {
        Ms::try_from(at.duration_since(self.origin).as_millis()).unwrap_or(NEVER)
    }

    /// Whether the disk of the journal is full, and what is left then.
    pub(crate) fn full_disk(&self) -> Option<Reserve> {
        let full = self.disk.times.iter().find(|(from, until, _)| *from <= self.now && self.now < *until);
        full.filter(|_| self.faulty).map(|(_, _, reserve)| *reserve)
    }

    /// Whether a fault happens at this opportunity.
    pub(crate) fn happens(&mut self, fault: Fault) -> bool {
        self.faulty && self.faults.has(fault) && {
            let rate = self.faults.rate(fault);
            self.dice.chance(rate)
        }
    }

    pub(crate) fn schedule(&mut self, at: Ms, event: Event) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), event);
    }

    /// Lets everything happen that happens up to this time.
    pub(crate) fn advance(&mut self, to: Ms) {
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > to {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(to);
    }

    /// Moves the world on to a time and returns it.
    pub(crate) fn at(&mut self, now: Timestamp) -> Ms {
        let now = self.moment(now);
        self.advance(now);
        self.now
    }

    /// Whether the plan says that a machine is dead.
    pub(crate) fn is_away(&self, at: usize) -> bool {
        self.described(at).is_some_and(|server| server.away.is_some())
    }

    /// Whether the plan says so, and that it takes no place of the budgets.
    pub(crate) fn is_beside_budget(&self, at: usize) -> bool {
        self.described(at)
            .and_then(|server| server.away.as_ref())
            .is_some_and(|away| away.counts == AwayCounts::BesideBudget)
    }

    /// Whether a start has chosen others.
    pub(crate) fn is_left(&self, at: usize) -> bool {
        self.change.leaves_out(&self.machines[at].name)
    }

    fn described(&self, at: usize) -> Option<&Server> {
        let machine = &self.machines[at];
        self.change.pools[machine.pool].server(&machine.name)
    }

    /// Notes whether a machine serves now.
    pub(crate) fn note_standing(&mut self, at: usize, by: By) {
        let now = self.now;
        let serves = self.machines[at].serves();
        let machine = &mut self.machines[at];
        match (serves, machine.out_since) {
            (true, Some(_)) => machine.out_since = None,
            (false, None) => machine.out_since = Some((now, by)),
            (true, None) | (false, Some(_)) => {}
        }
    }
}
