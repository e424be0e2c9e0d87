//! What happens in the world by itself, by other people, or as the consequence of an act.

use super::{By, HOUR, MINUTE, Machine, Ms, NEVER, SECOND, World};
use crate::faults::Fault;
use crate::world::{Installer, Reserve};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{Act, InstallerToken, RunState, StartMode, StartType};

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A service reaches a state, unless something else came in between.
    Reach { machine: usize, service: usize, turn: u32, state: RunState },
    /// A service with a delayed start begins to start.
    Begin { machine: usize, service: usize, turn: u32 },
    /// An act of a run takes effect.
    Land { machine: usize, act: Act, epoch: u32, number: u64 },
    /// A machine goes down and comes back after a while.
    Down { machine: usize, back: Ms, by: By },
    /// A machine comes up, unless it went down again.
    Up { machine: usize, booted: Ms },
    /// An installer ends.
    InstallerEnds { machine: usize, token: InstallerToken, code: Option<i64> },
    /// People come back to a service.
    Return { machine: usize, service: usize },
    /// Somebody connects to a paused service.
    Connect { machine: usize, service: usize },
    /// Somebody else does something.
    Foreign(Fault),
    /// Somebody else's maintenance is over: these services are started again.
    ForeignDone { machine: usize, services: Vec<usize> },
    /// Another control host is done with a machine, and has given its lease back, or not.
    HostDone { machine: usize, gives_back: bool },
    /// Records come back.
    RecordsBack { pool: usize },
    /// Faults cease.
    Heal,
}

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Reach { machine, service, turn, state } => self.reach(machine, service, turn, state),
            Event::Begin { machine, service, turn } => {
                let one = &self.machines[machine].services[service];
                if one.turn == turn && one.state == RunState::Stopped && self.machines[machine].up {
                    let takes = self.dice.between(20 * SECOND, 2 * MINUTE);
                    self.send(machine, service, (RunState::StartPending, RunState::Running), takes);
                }
            }
            Event::Land { machine, act, epoch, number } => self.land(machine, &act, epoch, number),
            Event::Down { machine, back, by } => self.go_down(machine, back, by),
            Event::Up { machine, booted } => self.come_up(machine, booted),
            Event::InstallerEnds { machine, token, code } => self.installer_ends(machine, &token, code),
            Event::Return { machine, service } => self.people_return(machine, service),
            Event::Connect { machine, service } => self.somebody_connects(machine, service),
            Event::Foreign(fault) => {
                if self.faulty {
                    self.foreign(fault);
                }
            }
            Event::ForeignDone { machine, services } => self.somebody_is_done(machine, &services),
            Event::HostDone { machine, gives_back } => self.another_host_is_done(machine, gives_back),
            Event::RecordsBack { pool } => {
                for missing in &mut self.pools[pool].missing {
                    missing.clear();
                }
            }
            Event::Heal => self.heal(),
        }
    }

    fn reach(&mut self, at: usize, service: usize, turn: u32, state: RunState) {
        if self.machines[at].services[service].turn != turn || !self.machines[at].up {
            return;
        }
        let now = self.now;
        let one = &mut self.machines[at].services[service];
        one.state = state;
        if state == RunState::Running {
            one.runs_since = now;
        }
        let by = if self.oracle.is_out(at) { By::Us } else { By::Itself };
        self.note_standing(at, by);
    }

    /// Sends a service on its way to a state.
    pub(super) fn send(&mut self, at: usize, service: usize, way: (RunState, RunState), takes: Ms) {
        let (pending, target) = way;
        let endless = if self.faulty { self.faults.rate(Fault::EndlessSessions) } else { 0.0 };
        let (now, stuck) = (self.now, takes > 0 && self.happens(Fault::StuckServices));
        let takes = if stuck { self.dice.between(10 * MINUTE, 3 * HOUR) } else { takes };
        let mut dice = self.dice.fork();
        let one = &mut self.machines[at].services[service];
        one.turn += 1;
        match pending {
            RunState::PausePending => one.settle_sessions(now, &mut dice, endless),
            RunState::StopPending => one.live.clear(),
            _ => {}
        }
        one.state = if takes == 0 { target } else { pending };
        if one.state == RunState::Running {
            one.runs_since = now;
        }
        let turn = one.turn;
        if pending == RunState::PausePending {
            self.people_do_not_notice(at, service);
        }
        if takes > 0 {
            self.schedule(now + takes, Event::Reach { machine: at, service, turn, state: target });
        }
        self.note_standing(at, By::Us);
        if target == RunState::Paused && self.machines[at].services[service].returning {
            let wait = self.dice.lasting(10 * MINUTE);
            self.schedule(now + wait, Event::Return { machine: at, service });
        }
    }

    fn people_return(&mut self, at: usize, service: usize) {
        let now = self.now;
        let more = self.dice.between(1, 3);
        let ends = now + self.dice.lasting(5 * MINUTE);
        let again = self.dice.chance(0.5);
        let one = &mut self.machines[at].services[service];
        if one.state != RunState::Paused || one.sessions(now) == 0 {
            return;
        }
        one.live.extend((0..more).map(|_| (now, ends)));
        if again {
            self.schedule(now + 4 * MINUTE, Event::Return { machine: at, service });
        }
    }

    pub(super) fn go_down(&mut self, at: usize, back: Ms, by: By) {
        let now = self.now;
        if let Some(token) = self.machines[at].restarts_by.take() {
            self.oracle_installer_restarts(at, &token);
        }
        let machine = &mut self.machines[at];
        machine.up = false;
        machine.wants_restart = false;
        machine.restart_due = false;
        machine.going_down = false;
        for service in &mut machine.services {
            service.state = RunState::Stopped;
            service.live.clear();
            service.turn += 1;
        }
        for installer in machine.installers.values_mut() {
            if *installer == Installer::Running {
                *installer = Installer::Vanished;
            }
        }
        let name = machine.name.clone();
        self.log.say(now, || format!("{name} goes down"));
        self.note_standing(at, by);
        self.schedule(now + back, Event::Up { machine: at, booted: now + back });
    }

    fn come_up(&mut self, at: usize, booted: Ms) {
        let now = self.now;
        if self.machines[at].up || now < booted {
            return;
        }
        let machine = &mut self.machines[at];
        machine.up = true;
        machine.booted = now;
        machine.boots += 1;
        let name = machine.name.clone();
        self.log.say(now, || format!("{name} is up"));
        for service in 0..self.machines[at].services.len() {
            let one = &self.machines[at].services[service];
            if one.comes_up() {
                let turn = one.turn;
                let delay = if one.start.delayed { 2 * MINUTE } else { SECOND };
                self.schedule(now + delay, Event::Begin { machine: at, service, turn });
            }
        }
        self.note_standing(at, By::Itself);
        if self.happens(Fault::DoubleRestarts) {
            let soon = now + self.dice.between(30 * SECOND, 6 * MINUTE);
            self.schedule(soon, Event::Down { machine: at, back: 3 * MINUTE, by: By::Itself });
        }
    }

    /// Restarts a machine: down in a moment, back after a while.
    pub(super) fn restart(&mut self, at: usize, by: By) {
        let (down, mut back) = match self.pace {
            super::Pace::Smooth => (5 * SECOND, self.dice.between(3 * MINUTE, 6 * MINUTE)),
            super::Pace::Uneven => {
                (self.dice.between(5 * SECOND, 90 * SECOND), self.dice.between(90 * SECOND, 12 * MINUTE))
            }
        };
        if self.happens(Fault::HangingRestarts) {
            back = self.dice.between(HOUR, 5 * HOUR);
        } else if self.happens(Fault::SlowComeback) {
            back = self.dice.between(30 * MINUTE, 55 * MINUTE);
        }
        self.machines[at].going_down = true;
        let now = self.now;
        self.schedule(now + down, Event::Down { machine: at, back, by });
    }

    fn installer_ends(&mut self, at: usize, token: &InstallerToken, code: Option<i64>) {
        let now = self.now;
        let machine = &mut self.machines[at];
        let Some(installer) = machine.installers.get_mut(token).filter(|i| **i == Installer::Running) else { return };
        let name = machine.name.clone();
        let Some(code) = code else {
            *installer = Installer::Killed;
            self.log.say(now, || format!("{name}: the installer is ended at its deadline"));
            return;
        };
        *installer = Installer::Finished(code);
        self.log.say(now, || format!("{name}: the installer ends with {code}"));
        if matches!(code, 0 | 3010 | 1641) {
            let number = self.machines[at].ran.get(token).copied().unwrap_or_default();
            // What the others install shows in no version.
            if number == self.leveling() {
                let lies = self.happens(Fault::InstallerLies);
                self.machines[at].patched |= !lies;
                self.machines[at].left_out = self.happens(Fault::InstallerLeavesOut);
                self.machines[at].lowered = self.happens(Fault::InstallerLowers);
            }
            self.machines[at].brought.insert(number);
            self.machines[at].wants_restart |= code == 3010;
            self.oracle.installed(at, number);
        }
        if code == 1641 {
            self.machines[at].restarts_by = Some(token.clone());
            self.restart(at, By::Itself);
        }
    }

    /// Schedules what other people and chance do in the night.
    pub(crate) fn schedule_faults(&mut self, until: Ms) {
        let own = [
            Fault::OwnRestarts,
            Fault::RecordsVanish,
            Fault::PoolBusy,
            Fault::ForeignResume,
            Fault::ForeignStop,
            Fault::ForeignPatch,
            Fault::ForeignOutage,
            Fault::ForeignMaintenance,
            Fault::ForeignBalancer,
            Fault::FullDisk,
            Fault::BalancerMoves,
            Fault::NeighbourGoes,
            Fault::BalancerUndone,
            Fault::OtherHost,
        ];
        for fault in own {
            let rate = self.faults.rate(fault);
            if rate <= 0.0 {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a few hours")]
            let mean = (8.0 * HOUR as f64 / rate) as Ms;
            let mut at = self.now + self.dice.lasting(mean);
            while at < until {
                if fault == Fault::FullDisk {
                    let reserve = self.dice.pick(&[Reserve::Kept, Reserve::Gone]);
                    let lasts = self.dice.between(MINUTE, 40 * MINUTE);
                    self.disk.times.push((at, at + lasts, reserve));
                }
                self.schedule(at, Event::Foreign(fault));
                at += self.dice.lasting(mean).max(SECOND);
            }
        }
        if let Some(heals) = self.heals {
            self.schedule(heals, Event::Heal);
        }
    }

    fn foreign(&mut self, fault: Fault) {
        let now = self.now;
        match fault {
            Fault::RecordsVanish => self.records_vanish(),
            Fault::PoolBusy => {
                let pool = self.dice.place(self.pools.len());
                let busy = self.dice.between(MINUTE, 40 * MINUTE);
                self.pools[pool].busy = (now, now + busy);
                self.log.say(now, || format!("pool {pool} is busy for {} min", busy / MINUTE));
            }
            Fault::OwnRestarts => {
                let at = self.dice.place(self.machines.len());
                if self.machines[at].up && !self.machines[at].going_down {
                    self.log.say(now, || format!("machine {at} restarts by itself"));
                    self.restart(at, By::Itself);
                }
            }
            Fault::ForeignPatch => {
                let at = self.dice.place(self.machines.len());
                if self.machines[at].up {
                    self.machines[at].patched = true;
                    self.log.say(now, || format!("another hand patches machine {at}"));
                }
            }
            Fault::ForeignResume => self.somebody_resumes(),
            Fault::ForeignStop => self.somebody_stops(),
            Fault::ForeignMaintenance => self.somebody_maintains(),
            Fault::ForeignBalancer => self.somebody_balances(),
            Fault::BalancerMoves => self.somebody_moves_an_entry(),
            Fault::NeighbourGoes => self.a_neighbour_goes(),
            Fault::BalancerUndone => self.the_balancer_is_undone(),
            Fault::OtherHost => self.another_host_begins(),
            Fault::FullDisk => self.log.say(now, || "the disk of the journal is full for a while".to_owned()),
            _ => self.somebody_takes_down(),
        }
    }

    fn records_vanish(&mut self) {
        let now = self.now;
        let pool = self.dice.place(self.pools.len());
        let both = self.dice.chance(0.5);
        let machine = self.dice.pick(&self.pools[pool].machines.clone());
        self.log.say(now, || format!("the record of machine {machine} vanishes"));
        self.pools[pool].missing[0].entry(machine).or_insert(now);
        if both {
            self.pools[pool].missing[1].entry(machine).or_insert(now);
        }
        if self.dice.chance(0.8) {
            let back = now + self.dice.between(2 * MINUTE, 90 * MINUTE);
            self.schedule(back, Event::RecordsBack { pool });
        }
    }

    /// Prefers machines that the run has in hand.
    fn somebody_picks(&mut self) -> Option<usize> {
        let ours: Vec<usize> = (0..self.machines.len()).filter(|at| self.oracle.is_out(*at)).collect();
        let at = if !ours.is_empty() && self.dice.chance(0.8) {
            self.dice.pick(&ours)
        } else {
            self.dice.place(self.machines.len())
        };
        self.machines[at].up.then_some(at)
    }

    fn somebody_resumes(&mut self) {
        let Some(at) = self.somebody_picks() else { return };
        let all = self.dice.chance(0.4);
        let blocked: Vec<usize> = (0..self.machines[at].services.len())
            .filter(|place| {
                let service = &self.machines[at].services[*place];
                let can = service.state == RunState::Paused
                    || (service.state == RunState::Stopped && service.start.mode != StartMode::Disabled);
                service.scope && can
            })
            .collect();
        if blocked.is_empty() {
            return;
        }
        let chosen = if all { blocked } else { vec![self.dice.pick(&blocked)] };
        for service in chosen {
            self.foreign_state(at, service, RunState::Running);
        }
    }

    fn somebody_stops(&mut self) {
        let Some(at) = self.somebody_picks() else { return };
        let service = self.dice.place(self.machines[at].services.len());
        if self.dice.chance(0.4) {
            let to = self.dice.pick(&[StartType::AUTOMATIC, StartType::DELAYED, StartType::MANUAL]);
            let now = self.now;
            let (name, of) = (self.machines[at].name.clone(), self.machines[at].services[service].name.clone());
            self.log.say(now, || format!("another hand sets the start type of {of} on {name} to {to}"));
            let before = std::mem::replace(&mut self.machines[at].services[service].start, to);
            self.oracle.foreign_start(now, (at, service), [before, to]);
        } else if self.machines[at].services[service].state.is_settled() {
            let to = if self.dice.chance(0.3) { RunState::Paused } else { RunState::Stopped };
            let was = self.machines[at].services[service].state;
            if was == RunState::Running || (was == RunState::Paused && to == RunState::Stopped) {
                self.foreign_state(at, service, to);
            }
        }
    }

    pub(super) fn foreign_state(&mut self, at: usize, service: usize, to: RunState) {
        let now = self.now;
        let mut dice = self.dice.fork();
        let (name, of) = (self.machines[at].name.clone(), self.machines[at].services[service].name.clone());
        self.log.say(now, || format!("another hand makes {of} on {name} {to}"));
        let one = &mut self.machines[at].services[service];
        let before = one.state;
        if to == RunState::Paused {
            one.settle_sessions(now, &mut dice, 0.0);
        }
        if to == RunState::Stopped {
            one.live.clear();
        }
        one.state = to;
        one.turn += 1;
        if to == RunState::Running {
            one.runs_since = now;
        }
        self.oracle.foreign_state(now, (at, service), [before, to]);
        self.note_standing(at, By::Foreign);
    }

    fn somebody_takes_down(&mut self) {
        let at = self.dice.place(self.machines.len());
        let now = self.now;
        if !self.machines[at].up || self.machines[at].going_down {
            return;
        }
        if self.dice.chance(0.5) {
            let back = self.dice.between(5 * MINUTE, 2 * HOUR);
            self.log.say(now, || format!("another hand takes machine {at} down for {} min", back / MINUTE));
            self.go_down(at, back, By::Foreign);
            return;
        }
        for service in 0..self.machines[at].services.len() {
            if self.machines[at].services[service].state == RunState::Running {
                self.foreign_state(at, service, RunState::Stopped);
            }
        }
    }

    /// Faults cease: what hangs comes about, and other people mend what they broke on servers that are not in work.
    fn heal(&mut self) {
        self.faulty = false;
        let now = self.now;
        self.log.say(now, || "faults cease".to_owned());
        for pool in &mut self.pools {
            pool.busy = (0, 0);
            pool.missing = Default::default();
        }
        for at in 0..self.machines.len() {
            let end = now + self.dice.between(MINUTE, 30 * MINUTE);
            // What the plan says to be dead stays so.
            if self.is_away(at) {
                continue;
            }
            if !self.machines[at].up {
                self.schedule(now + MINUTE, Event::Up { machine: at, booted: now });
            }
            for place in 0..self.machines[at].services.len() {
                let service = &mut self.machines[at].services[place];
                for (_, ends) in &mut service.live {
                    if *ends >= NEVER {
                        *ends = end;
                    }
                }
                let turn = service.turn;
                if let Some(state) = target(service.state) {
                    self.schedule(now + MINUTE, Event::Reach { machine: at, service: place, turn, state });
                }
            }
            self.mend(at);
        }
    }

    /// Other people undo on a machine what they did.
    pub(crate) fn mend(&mut self, at: usize) {
        if self.oracle.is_out(at) {
            return;
        }
        let Machine { services, .. } = &mut self.machines[at];
        for (place, service) in services.iter_mut().enumerate() {
            let Some((state, start)) = self.oracle.before(at, place) else { continue };
            service.start = start;
            if service.state != state && service.state.is_settled() {
                service.state = state;
                service.turn += 1;
                service.runs_since = self.now;
            }
        }
        let before = self.oracle.admin_before(at).to_vec();
        for (state, _) in self.machines[at].admin.iter_mut().zip(before).filter(|(_, old)| *old == BalancerState::Ready)
        {
            *state = BalancerState::Ready;
        }
        self.note_standing(at, By::Foreign);
    }
}

/// Where a pending service is on its way to.
fn target(state: RunState) -> Option<RunState> {
    match state {
        RunState::Stopped | RunState::Running | RunState::Paused => None,
        RunState::StartPending | RunState::ContinuePending => Some(RunState::Running),
        RunState::StopPending => Some(RunState::Stopped),
        RunState::PausePending => Some(RunState::Paused),
    }
}
