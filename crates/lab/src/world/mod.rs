//! The truth about the imitated servers: a model of discrete events that knows no wire and no waiting.
//!
//! Time goes on only in [`World::advance`]. Everything that is drawn comes from the seed, each stream of arrivals from
//! a stream of its own, so that what a driver does never changes which sessions come and how long they last.

mod counters;
mod installer;
mod lease;
mod power;
mod product;
mod scm;
mod server;
mod sessions;
mod setup;
mod sites;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use installer::{InstallerAnswer, InstallerEnd, InstallerRequest};
pub use lease::LeaseFile;
pub(crate) use lease::LeaseRequest;
pub(crate) use power::Shutdown;
pub(crate) use scm::Control;
pub(crate) use server::{LabServer, LabService};
pub(crate) use setup::service_names_of;
pub(crate) use sites::{Entry as BalancerEntry, Site};

use crate::scenario::{Keeper, Scenario};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::change::Scope;
use orchestrate_model::time::after;
use orchestrate_model::{Pool, ServerName, ServiceName, UpgradeDomain};
use serde::Serialize;
use sessions::{Session, Source};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::IpAddr;

/// The position of a server in the world.
pub(crate) type ServerIndex = usize;

/// The whole world.
pub(crate) struct World {
    now: Timestamp,
    origin: Timestamp,
    pub(crate) scenario: Scenario,
    /// Which services the plan patches.
    scope: Scope,
    pub(crate) pools: Vec<LabPool>,
    pub(crate) servers: Vec<LabServer>,
    pub(crate) zone: BTreeMap<String, Vec<IpAddr>>,
    /// The hosts of service records.
    pub(crate) services: BTreeMap<String, Vec<String>>,
    sources: Vec<Source>,
    sessions: BTreeMap<u64, Session>,
    queue: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    pub(crate) tally: Tally,
    /// Most servers out at once so far, by the labels that several pools have.
    pub(crate) most_out_by_label: BTreeMap<String, u32>,
    told: Vec<Told>,
    /// The password of the account that logs on, which a task under its name needs.
    pub(crate) password: String,
}

/// One pool of the world.
pub(crate) struct LabPool {
    pub(crate) plan: Pool,
    /// Its servers, in topology order.
    pub(crate) servers: Vec<ServerIndex>,
    /// Where the central management is active, if the plan says so: a server of it or of its partner, or the partner.
    active_master: Option<String>,
    /// The balancers in front of it that can be told what to do.
    pub(crate) sites: Vec<Site>,
    /// Until when the product calls it busy.
    busy_until: Timestamp,
    /// Most servers out at once so far.
    pub(crate) most_out: u32,
    /// Most upgrade domains with a server out at once so far.
    pub(crate) most_domains_out: u32,
    /// What the installer brings.
    level: installer::Levels,
}

/// What is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) served: u64,
    pub(crate) ended: u64,
    pub(crate) cut: BTreeMap<ServerName, BTreeMap<ServiceName, u64>>,
    pub(crate) refused: BTreeMap<ServiceName, u64>,
    pub(crate) failed_over: u64,
}

/// One thing that a server was told, or that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    pub(crate) at: Timestamp,
    pub(crate) server: String,
    pub(crate) operation: String,
    pub(crate) object: String,
    pub(crate) outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Timestamp,
    sequence: u64,
    event: Event,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A new session of a stream of arrivals.
    Arrival(usize),
    /// A session ends by itself.
    SessionEnd(u64),
    /// A pending state of a service is over.
    Settled { server: ServerIndex, service: ServiceName, change: u64 },
    /// The grace of a shutdown is over.
    PowerOff { server: ServerIndex, boot: u64 },
    /// The operating system runs.
    Booted { server: ServerIndex, boot: u64 },
    /// Services with a delayed start are due.
    DelayedStart { server: ServerIndex, boot: u64 },
    /// The installer ends.
    InstallerEnd { server: ServerIndex, token: String, boot: u64 },
    /// The power fails.
    Crash(ServerIndex),
}

impl World {
    /// Returns the time up to which everything has happened.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the time at which everything began.
    pub(crate) fn origin(&self) -> Timestamp {
        self.origin
    }

    /// Returns what the clock of a server shows.
    pub(crate) fn clock_of(&self, server: ServerIndex) -> Timestamp {
        self.by_clock_of(server, self.now)
    }

    /// Returns a time as the clock of a server has it.
    pub(crate) fn by_clock_of(&self, server: ServerIndex, at: Timestamp) -> Timestamp {
        let ahead = SignedDuration::try_from_secs_f64(self.servers[server].machine.clock_ahead_s);
        after(at, ahead.unwrap_or(SignedDuration::ZERO))
    }

    /// Lets everything happen that happens until `now`. Time never runs backwards.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(Reverse(first)) = self.queue.peek() {
            if first.at > now {
                break;
            }
            let Some(Reverse(entry)) = self.queue.pop() else { break };
            self.now = self.now.max(entry.at);
            self.happen(entry.event);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival(source) => self.arrival(source),
            Event::SessionEnd(id) => self.session_ends(id),
            Event::Settled { server, service, change } => self.settled(server, &service, change),
            Event::PowerOff { server, boot } => self.power_off(server, boot),
            Event::Booted { server, boot } => self.booted(server, boot),
            Event::DelayedStart { server, boot } => self.delayed_start(server, boot),
            Event::InstallerEnd { server, token, boot } => self.installer_end(server, &token, boot),
            Event::Crash(server) => self.crash(server),
        }
    }

    fn schedule(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Entry { at, sequence: self.sequence, event }));
    }

    fn schedule_in(&mut self, seconds: f64, event: Event) {
        self.schedule(after(self.now, lab_seconds(seconds)), event);
    }

    /// Writes down what a server was told.
    pub(crate) fn tell(&mut self, server: ServerIndex, operation: &str, object: &str, outcome: impl Into<String>) {
        let server = self.servers.get(server).map_or_else(String::new, |server| server.name.to_string());
        self.note(server, operation, object, outcome.into());
    }

    /// Writes down what somebody who is no server was told.
    pub(crate) fn note(&mut self, whom: String, operation: &str, object: &str, outcome: String) {
        let operation = operation.to_owned();
        self.told.push(Told { at: self.now, server: whom, operation, object: object.to_owned(), outcome });
    }

    /// Returns what was written down since the last call.
    pub(crate) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// Counts again how many servers of a pool are out.
    fn count_out(&mut self, pool: usize) {
        let Some(entry) = self.pools.get(pool) else { return };
        let out = self.out(entry).len();
        let places = entry.plan.servers.iter().zip(&entry.servers).enumerate();
        let domains: BTreeSet<(Option<&UpgradeDomain>, usize)> = places
            .filter(|(_, (_, server))| self.servers[**server].is_out())
            // A server without a stated domain is one of its own.
            .map(|(place, (planned, _))| match &planned.upgrade_domain {
                Some(domain) => (Some(domain), 0),
                None => (None, place),
            })
            .collect();
        let domains = number(domains.len());
        for label in entry.plan.labels.clone() {
            let sharing = self.pools.iter().filter(|other| other.plan.labels.contains(&label));
            let counts: Vec<usize> = sharing.map(|other| self.out(other).len()).collect();
            if counts.len() > 1 {
                let most = self.most_out_by_label.entry(label.to_string()).or_default();
                *most = number(counts.iter().sum()).max(*most);
            }
        }
        let entry = &mut self.pools[pool];
        entry.most_out = entry.most_out.max(number(out));
        entry.most_domains_out = entry.most_domains_out.max(domains);
    }

    /// Returns the servers of a pool that are out now.
    pub(crate) fn out(&self, pool: &LabPool) -> Vec<ServerIndex> {
        pool.servers.iter().copied().filter(|&server| self.servers[server].is_out()).collect()
    }

    /// Returns whether the balancer's health check of a server passes: port 5061 answers, and does so while `RTCSRV`
    /// is paused.
    pub(crate) fn healthy(&self, server: ServerIndex) -> bool {
        let server = &self.servers[server];
        match server.service_named("RTCSRV") {
            Some(front_end) => server.is_up() && front_end.has_process(),
            None => server.is_up(),
        }
    }

    fn keeper_is_careful(&self) -> bool {
        self.scenario.balancer_keeper == Keeper::Careful
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Returns a length of lab time.
pub(crate) fn lab_seconds(seconds: f64) -> SignedDuration {
    // More seconds than there are never pass.
    SignedDuration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(SignedDuration::MAX)
}
