//! When a run may begin something: stops, stop conditions, the guard before the first change, the soak before the next
//! server, and what has to be true of a server that is called finished.

use super::lines::Line;
use super::{LOOK_AGE, Oracle};
use crate::world::{Installer, Ms, SECOND, World};
use orchestrate_model::change::RestartPolicy;
use orchestrate_model::pool::Then;
use orchestrate_model::{Act, InstallerToken};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was under way when a stop was written down comes to its end.
const UNDER_WAY: Ms = 5 * SECOND;

/// What the journal says about going on.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Since when the run is to stop, by policy or because an operator asked.
    stop: Option<Ms>,
    /// Machines that failed in this start, with since when.
    failed: BTreeMap<usize, Ms>,
    /// Machines of which a guard has said with a yes to every question that they may go.
    guarded: BTreeSet<usize>,
    /// When the run last asked for a change of a machine.
    acted: BTreeMap<usize, Ms>,
    /// When the run first began with a machine.
    begun: BTreeMap<usize, Ms>,
    /// When the last installer was started on a machine.
    installing: BTreeMap<usize, Ms>,
    resumed: Option<Ms>,
    /// Machines that go back as they were recorded, with nothing begun.
    back: BTreeSet<usize>,
    /// Machines after which a person has said that the others may follow.
    followed: BTreeSet<usize>,
    /// Machines of which something was passed over by choice: their work is over, and they are not done.
    skipped: BTreeSet<usize>,
    /// Whether a person attends this start.
    attended: bool,
}

impl Pace {
    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        let failed = |why: &Value| why["kind"] == "failed";
        match (kind, line.machine) {
            ("stop_requested", _) => {
                let why = &line.record["why"];
                if why.get("window").is_none() {
                    self.stop.get_or_insert(line.now);
                }
            }
            ("resumed", _) => {
                self.stop = None;
                self.failed.clear();
                self.resumed = Some(line.now);
                self.attended = line.record["attended"] == "yes";
            }
            ("run_started", _) => self.attended = line.record["attended"] == "yes",
            ("decided", Some(at)) if line.record["choice"] == "confirm" => {
                self.followed.insert(at);
            }
            ("decided", Some(at)) if line.record["choice"] == "skip" => {
                self.skipped.insert(at);
            }
            ("evidence", Some(at)) if line.step == "guard" => {
                let asked = line.record["asked"].as_array();
                if asked.is_some_and(|asked| asked.iter().all(|one| one["verdict"].get("yes").is_some())) {
                    self.guarded.insert(at);
                }
            }
            ("turned_back", Some(at)) => {
                self.back.insert(at);
                if failed(&line.record["why"]) {
                    self.failed.entry(at).or_insert(line.now);
                }
            }
            ("server_ended", Some(at)) => {
                let end = &line.record["end"];
                self.guarded.remove(&at);
                self.back.remove(&at);
                if end["as"] == "out" || failed(&end["why"]) {
                    self.failed.entry(at).or_insert(line.now);
                } else {
                    self.failed.remove(&at);
                }
            }
            _ => {}
        }
    }
}

impl World {
    /// A run asks for its first change of a machine.
    pub(super) fn check_first(&mut self, at: usize, act: &Act) {
        let now = self.now;
        // A restart that happened in an earlier pass is not repeated.
        self.oracle.pace.begun.entry(at).or_insert(now);
        if self.gives(at, act) {
            return;
        }
        let name = self.machines[at].name.clone();
        for (promise, why) in self.against_beginning(at) {
            self.oracle.breach(promise, now, format!("{name} is begun: {act}, although {why}"));
        }
    }

    /// A run asks for a change.
    pub(super) fn check_pace(&mut self, at: usize, act: &Act) {
        let now = self.now;
        let name = self.machines[at].name.clone();
        self.oracle.pace.acted.insert(at, now);
        let stopped = self.oracle.pace.stop.filter(|stop| now - stop > UNDER_WAY);
        // Half a patch is no state to leave a server in: the restart that an installer wants is part of it, and so is the
        // next installer.
        let patching = self.oracle.installs.get(&at).is_some_and(|count| *count > 0);
        let more = match act {
            Act::StartInstaller(run) => {
                let goes_on = patching && self.number_of(run) > 0;
                !self.machines[at].installers.contains_key(&run.token) && !goes_on
            }
            Act::Restart { .. } => !patching,
            _ => false,
        };
        if let Some(stop) = stopped.filter(|_| more) {
            let text = format!("{name}: {act}, {} s after the run was told to stop", (now - stop) / SECOND);
            self.oracle.breach("P9", now, text);
        }
        let starts =
            matches!(act, Act::Continue { .. } | Act::Start { .. } | Act::SetBalancer { .. }) && act.brings_back();
        if starts && self.machines[at].installers.values().any(|one| *one == Installer::Running) {
            self.oracle.breach("P8", now, format!("{name}: {act}, while an installer runs on it"));
        }
    }

    /// Whether an act takes nothing from people: it lets them onto the machine, or sets what was found to be so on its way
    /// back, which may be out of the balancer and with start type Manual.
    pub(super) fn gives(&self, at: usize, act: &Act) -> bool {
        let returns = self.oracle.pace.back.contains(&at);
        act.brings_back() || (returns && matches!(act, Act::SetBalancer { .. } | Act::SetStartType { .. }))
    }

    fn against_beginning(&self, at: usize) -> Vec<(&'static str, String)> {
        let now = self.now;
        let pace = &self.oracle.pace;
        let mut found = Vec::new();
        if let Some(stop) = pace.stop.filter(|stop| now - stop > UNDER_WAY) {
            found.push(("P9", format!("the run was told to stop {} s ago", (now - stop) / SECOND)));
        }
        let failed = pace.failed.values().filter(|failed| now - **failed > UNDER_WAY).count();
        let most = self.change.stop_when.failed as usize;
        if failed >= most {
            found.push(("P9", format!("{failed} servers have failed, and the plan stops at {most}")));
        }
        if !self.oracle.steps.is_empty() && !pace.guarded.contains(&at) {
            found.push(("P2", "no guard has said that it may go".to_owned()));
        }
        found.extend(self.short_soak(at));
        found.extend(self.not_its_turn(at));
        found
    }

    /// Nothing is begun that a start has not chosen or that is away, nor before the server that goes first in its pool is done, and a person has
    /// said that the others follow where the plan asks for that.
    fn not_its_turn(&self, at: usize) -> Option<(&'static str, String)> {
        let (pool, own) = (&self.change.pools[self.machines[at].pool], &self.machines[at].name);
        if self.change.leaves_out(own) {
            return Some(("only", "it was not chosen".to_owned()));
        }
        if self.is_away(at) {
            return Some(("away", "the plan says that it is away".to_owned()));
        }
        let first = pool.first.as_ref().filter(|first| first.server != *own)?;
        let machine = *self.by_name.get(&first.server)?;
        let skipped = self.oracle.pace.skipped.contains(&machine);
        let is_over = |end: &String| match end.as_str() {
            "finished" | "nothing_to_do" | "left_out" => true,
            "returned" => skipped,
            _ => false,
        };
        if self.oracle.steps.is_empty() {
            return None;
        }
        match self.oracle.ended.get(&machine).filter(|end| is_over(end)) {
            None => Some(("first", format!("{} goes first and is not done", first.server))),
            Some(end)
                if matches!(end.as_str(), "finished" | "returned")
                    && first.then == Then::Ask
                    && !self.may_follow(at, machine) =>
            {
                Some(("first", format!("nobody has said that the others may follow {}", first.server)))
            }
            Some(_) => None,
        }
    }

    /// Whether a person has let the others of a pool follow its first server: in words, by starting the run again, or before
    /// another one of them was begun.
    fn may_follow(&self, at: usize, first: usize) -> bool {
        let pace = &self.oracle.pace;
        let mut mates =
            self.pools[self.machines[at].pool].machines.iter().filter(|mate| **mate != at && **mate != first);
        pace.followed.contains(&first) || pace.attended || mates.any(|mate| pace.begun.contains_key(mate))
    }

    /// The soak of a server protects the next one of its pool.
    fn short_soak(&self, at: usize) -> Option<(&'static str, String)> {
        let maintenance = &self.change.maintenance;
        let pool = &self.change.pools[self.machines[at].pool];
        let soak = |mate: usize| {
            let own = pool.soak_of(&self.machines[mate].name, maintenance.soak);
            Ms::try_from(own.as_millis()).unwrap_or(Ms::MAX)
        };
        if maintenance.at_once > 1 {
            return None;
        }
        let pace = &self.oracle.pace;
        let mut mates = self.pools[self.machines[at].pool].machines.iter().filter(|mate| **mate != at);
        let mate = mates.find(|mate| {
            let ended =
                self.oracle.ended.get(mate).filter(|end| *end == "finished").and(self.oracle.ended_at.get(mate));
            // Whoever takes a run up again after it has ended decides about what is left anew.
            let same_start = ended.is_some_and(|ended| pace.resumed.is_none_or(|resumed| resumed < *ended));
            same_start && pace.acted.get(mate).is_some_and(|acted| self.now - acted < soak(**mate))
        })?;
        Some(("P8", format!("{} has not been back for its soak time", self.machines[*mate].name)))
    }

    /// P8: a server that is called finished is patched, and restarted where that was needed.
    pub(super) fn check_finished(&mut self, record: &Value) {
        let Some(at) = record["work"].as_u64().and_then(|work| self.oracle.work.get(usize::try_from(work).ok()?))
        else {
            return;
        };
        let (at, now) = (*at, self.now);
        if record["end"]["as"] != "finished" {
            return;
        }
        let machine = &self.machines[at];
        let policy = self.change.maintenance.restart;
        let begun = self.oracle.pace.begun.get(&at).copied();
        let missing = match policy {
            RestartPolicy::Never => false,
            RestartPolicy::WhenNeeded => machine.wants_restart,
            RestartPolicy::Always => begun.is_some_and(|begun| machine.booted < begun),
        };
        let name = machine.name.clone();
        if !self.is_patched(at) {
            self.oracle.breach("P8", now, format!("{name} is called finished and is not patched"));
        }
        if missing {
            self.oracle.breach("P8", now, format!("{name} is called finished and was not restarted"));
        }
    }

    /// Whether a machine has what the change installs, as far as a run can know.
    pub(super) fn is_patched(&self, at: usize) -> bool {
        let leveling = self.leveling();
        self.change.maintenance.installers.iter().enumerate().all(|(number, patch)| {
            // Without a level the installer's word is all there is.
            let by_level = number == leveling && self.machines[at].patched;
            by_level || (patch.level.is_none() && self.oracle.installed.contains_key(&(at, number)))
        })
    }

    /// P4: an installer restarts its server by itself, and people were on it. Against somebody who starts a service while
    /// the installer runs nobody can guard.
    pub(crate) fn oracle_installer_restarts(&mut self, at: usize, token: &InstallerToken) {
        let now = self.now;
        let machine = &self.machines[at];
        let lost: Vec<String> = machine
            .services
            .iter()
            .enumerate()
            .filter(|(place, service)| service.scope && !self.oracle.is_foreign_since(at, *place))
            .filter(|(_, service)| service.sessions(now) > 0)
            .map(|(_, service)| format!("{} has {}", service.name, service.sessions(now)))
            .collect();
        if !lost.is_empty() {
            let text = format!("{}: the installer {token} restarts it and cuts {}", machine.name, lost.join(", "));
            self.oracle.breach("P4", now, text);
        }
    }
}

impl Oracle {
    /// An installer starts.
    pub(super) fn installs_now(&mut self, at: usize, now: Ms) {
        self.pace.installing.insert(at, now);
    }

    /// Whether other people have changed a service since the installer started, or since the look that let it start.
    fn is_foreign_since(&self, at: usize, service: usize) -> bool {
        let since = self.pace.installing.get(&at).copied().unwrap_or_default() - LOOK_AGE;
        self.foreign.get(&(at, service)).is_some_and(|foreign| foreign.at >= since)
    }
}
