//! What all listeners of a lab share: the world behind one lock, the clock, and the record.

use crate::report::{LabReport, report};
use crate::scenario::{Fault as ScenarioFault, FaultEffect};
use crate::world::{ServerIndex, World, lab_seconds};
use crate::wsman::Host;
use jiff::Timestamp;
use orchestrate_driver::Clock;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What all listeners share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) origin: Timestamp,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) record_path: Option<PathBuf>,
    state: Mutex<State>,
    /// Whether each server answers.
    answering: Vec<watch::Sender<bool>>,
    /// Set with the order to stop, before it is answered.
    closing: AtomicBool,
    /// Set once the lab is to stop.
    stopping: watch::Sender<bool>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) hosts: Vec<Host>,
    faults: Vec<FaultLeft>,
    record: Option<File>,
    /// When a server was last asked anything, by the runtime's time.
    asked: Instant,
}

struct FaultLeft {
    fault: ScenarioFault,
    skip: u32,
    count: u32,
    /// Until when every request is met, once one was.
    until: Option<Timestamp>,
}

impl FaultLeft {
    fn is_met(&self) -> bool {
        self.count < self.fault.count || self.until.is_some()
    }

    /// Whether a request that comes now is met.
    fn meets(&mut self, now: Timestamp) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let Some(length) = self.fault.for_s else {
            self.count = self.count.saturating_sub(1);
            return true;
        };
        let end = now.checked_add(lab_seconds(length)).unwrap_or(Timestamp::MAX);
        now < *self.until.get_or_insert(end)
    }

    fn text(&self) -> String {
        let whose = self.fault.server.as_ref().map(|server| format!(" on {server}")).unwrap_or_default();
        format!("{}{whose}: {:?}", self.fault.operation, self.fault.effect)
    }
}

/// A fault that a request has met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Met {
    pub(crate) effect: FaultEffect,
    pub(crate) seconds: f64,
    pub(crate) value: Option<u32>,
}

/// What a lab's listeners are made from.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) origin: Timestamp,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) record: Option<(PathBuf, File)>,
}

impl Shared {
    pub(crate) fn new(world: World, parts: Parts) -> Self {
        let faults = world.scenario.faults.iter().map(|fault| FaultLeft {
            fault: fault.clone(),
            skip: fault.skip,
            count: fault.count,
            until: None,
        });
        let (path, file) = parts.record.unzip();
        let now = world.now();
        let answering = world.servers.iter().map(|server| watch::Sender::new(server.answers(now))).collect();
        let hosts = world.servers.iter().map(|_| Host::default()).collect();
        let faults = faults.collect();
        Self {
            clock: parts.clock,
            origin: parts.origin,
            user: parts.user,
            password: parts.password,
            record_path: path,
            state: Mutex::new(State { world, hosts, faults, record: file, asked: Instant::now() }),
            answering,
            closing: AtomicBool::new(false),
            stopping: watch::Sender::new(false),
        }
    }

    /// Lets the world catch up with the clock, does something with it, and tells everybody who has to know.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.world.advance(self.clock.now());
        let result = act(&mut state);
        state.write_record();
        let now = state.world.now();
        for (server, answering) in state.world.servers.iter().zip(&self.answering) {
            let answers = server.answers(now);
            answering.send_if_modified(|known| std::mem::replace(known, answers) != answers);
        }
        result
    }

    /// Returns what tells whether a server answers.
    pub(crate) fn answering(&self, server: ServerIndex) -> watch::Receiver<bool> {
        self.answering[server].subscribe()
    }

    /// Returns for how long no server was asked anything.
    pub(crate) fn idle(&self) -> Duration {
        self.with(|state| state.asked.elapsed())
    }

    /// Returns what tells that the lab is to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Notes that the lab has been told to stop: from now on it is not one that a start may join.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Returns whether the lab has been told to stop.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Asks the lab to stop.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns what has happened so far.
    pub(crate) fn report(&self) -> LabReport {
        let record = self.record_path.clone();
        self.with(|state| {
            let faults_not_met = state.faults.iter().filter(|left| !left.is_met()).map(FaultLeft::text).collect();
            let mut report = report(&state.world, self.origin, self.clock.speed(), record);
            // The servers of a report are sorted by their names, the hosts stand as in the world.
            for (server, host) in state.world.servers.iter().zip(&state.hosts) {
                if let Some(told) = report.servers.get_mut(&server.name) {
                    told.shells = host.shells();
                    told.traffic = host.traffic;
                    told.asked.clone_from(&host.asked);
                }
            }
            LabReport { faults_not_met, ..report }
        })
    }
}

impl State {
    /// Returns the fault that a request meets, if it meets one.
    pub(crate) fn meet(&mut self, server: ServerIndex, tags: &[String]) -> Option<Met> {
        self.asked = Instant::now();
        let (name, now) = (self.world.servers[server].name.clone(), self.world.now());
        for left in &mut self.faults {
            let here = left.fault.server.as_ref().is_none_or(|wanted| *wanted == name);
            let wanted = left.fault.operation.as_str();
            let this = wanted.eq_ignore_ascii_case("any") || tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted));
            if !here || !this || left.count == 0 || !left.meets(now) {
                continue;
            }
            let met = Met { effect: left.fault.effect, seconds: left.fault.seconds, value: left.fault.value };
            self.world.tell(server, "fault", &tags.join(" "), format!("{:?}", met.effect));
            return Some(met);
        }
        None
    }

    fn write_record(&mut self) {
        let told = self.world.take_told();
        let Some(file) = &mut self.record else { return };
        for entry in told {
            let Ok(mut line) = serde_json::to_vec(&entry) else { continue };
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                tracing::warn!(%error, "the record of the lab cannot be written");
            }
        }
    }
}
