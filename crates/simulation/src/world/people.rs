//! People who do not keep to the run: those who connect to what is paused, and administrators with work of their own.

use super::{By, Event, MINUTE, SECOND, World};
use crate::faults::Fault;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{RunState, StartType};

impl World {
    /// A service is being paused. It may not drain yet, and people may still find a way in.
    pub(super) fn people_do_not_notice(&mut self, at: usize, service: usize) {
        let now = self.now;
        let says = self.machines[at].services[service].says_draining;
        let late = says && self.happens(Fault::LateDraining);
        let later = if late { self.dice.between(20 * SECOND, 10 * MINUTE) } else { 0 };
        let one = &mut self.machines[at].services[service];
        (one.drains_from, one.pausing_since) = (now + later, now);
        let new = self.happens(Fault::NewSessions);
        if new || late {
            let wait = self.dice.lasting(if new { 4 * MINUTE } else { MINUTE });
            self.schedule(now + wait, Event::Connect { machine: at, service });
        }
    }

    /// Somebody connects to a paused service, once it has no sessions, or as long as it does not drain.
    pub(super) fn somebody_connects(&mut self, at: usize, service: usize) {
        let now = self.now;
        let wait = self.dice.between(15 * SECOND, 40 * SECOND);
        let ends = now + SECOND + self.dice.lasting(4 * MINUTE);
        let again = self.dice.chance(0.6);
        let one = &mut self.machines[at].services[service];
        if !self.faulty || !matches!(one.state, RunState::Paused | RunState::PausePending) {
            return;
        }
        let free = one.state == RunState::Paused && (one.sessions(now) == 0 || now < one.drains_from);
        if free {
            one.live.push((now, ends));
            let (name, of) = (self.machines[at].name.clone(), self.machines[at].services[service].name.clone());
            self.log.say(now, || format!("a user connects to {of} on {name}, which is paused"));
        }
        if again || !free {
            self.schedule(now + wait, Event::Connect { machine: at, service });
        }
    }

    /// Somebody else patches a server by hand.
    pub(super) fn somebody_maintains(&mut self) {
        let at = self.dice.place(self.machines.len());
        let (lasts, restarts) = (self.dice.between(2 * MINUTE, 15 * MINUTE), self.dice.chance(0.4));
        if !self.machines[at].up || self.machines[at].going_down {
            return;
        }
        let now = self.now;
        let name = self.machines[at].name.clone();
        self.log.say(now, || format!("another maintenance begins on {name}"));
        let services = &self.machines[at].services;
        let running: Vec<usize> = (0..services.len())
            .filter(|place| services[*place].scope && services[*place].state == RunState::Running)
            .collect();
        for place in &running {
            self.foreign_state(at, *place, RunState::Stopped);
        }
        self.machines[at].patched = true;
        if restarts {
            self.restart(at, By::Foreign);
        }
        self.schedule(now + lasts, Event::ForeignDone { machine: at, services: running });
    }

    pub(super) fn somebody_is_done(&mut self, at: usize, services: &[usize]) {
        if !self.machines[at].up || self.machines[at].going_down {
            self.schedule(self.now + MINUTE, Event::ForeignDone { machine: at, services: services.to_vec() });
            return;
        }
        for place in services {
            if matches!(self.machines[at].services[*place].state, RunState::Stopped | RunState::Paused) {
                self.foreign_state(at, *place, RunState::Running);
            }
        }
    }

    /// Somebody changes what the balancer does with a server.
    pub(super) fn somebody_balances(&mut self) {
        let at = self.dice.place(self.machines.len());
        let to = self.dice.pick(&[
            BalancerState::Ready,
            BalancerState::Ready,
            BalancerState::Drain,
            BalancerState::Maintenance,
        ]);
        let backend = usize::try_from(self.now).unwrap_or_default() % self.machines[at].admin.len();
        if !self.has_balancer(at) || self.machines[at].admin[backend] == to {
            return;
        }
        let now = self.now;
        let name = self.machines[at].name.clone();
        self.log.say(now, || format!("another hand sets {name} to {to} in backend {backend} of the balancer"));
        let before = std::mem::replace(&mut self.machines[at].admin[backend], to);
        self.oracle.foreign_admin(now, at, [before, to]);
        self.note_standing(at, By::Foreign);
    }

    /// A server goes whose pool has another one out by the run's hand: it loses its power, or somebody pauses it.
    pub(super) fn a_neighbour_goes(&mut self) {
        let ours = self.oracle.out();
        let beside = |at: &usize| {
            let mate = |other: &usize| self.machines[*other].pool == self.machines[*at].pool;
            !ours.contains(at) && self.machines[*at].serves() && ours.iter().any(mate)
        };
        let beside: Vec<usize> = (0..self.machines.len()).filter(beside).collect();
        if beside.is_empty() {
            return;
        }
        let (at, lasts) = (self.dice.pick(&beside), self.dice.between(5 * MINUTE, 180 * MINUTE));
        let (now, name) = (self.now, self.machines[at].name.clone());
        if self.dice.chance(0.5) {
            self.log.say(now, || format!("{name} loses its power for {} min", lasts / MINUTE));
            self.go_down(at, lasts, By::Foreign);
            return;
        }
        let services = &self.machines[at].services;
        let running: Vec<usize> = (0..services.len())
            .filter(|place| services[*place].serving && services[*place].state == RunState::Running)
            .collect();
        for place in &running {
            self.foreign_state(at, *place, RunState::Paused);
        }
        self.schedule(now + lasts, Event::ForeignDone { machine: at, services: running });
    }

    /// Another hand, a reload or an agent check puts a server back into the balancer that is out.
    pub(super) fn the_balancer_is_undone(&mut self) {
        let ours = self.oracle.out();
        let out = |at: &usize| self.has_balancer(*at) && !self.machines[*at].is_admitted();
        let out: Vec<usize> = ours.into_iter().filter(out).collect();
        if out.is_empty() {
            return;
        }
        let at = self.dice.pick(&out);
        let (now, name) = (self.now, self.machines[at].name.clone());
        self.log.say(now, || format!("another hand puts {name} back into the balancer"));
        for backend in 0..self.machines[at].admin.len() {
            let before = std::mem::replace(&mut self.machines[at].admin[backend], BalancerState::Ready);
            self.oracle.foreign_admin(now, at, [before, BalancerState::Ready]);
        }
        self.note_standing(at, By::Foreign);
    }

    /// What an earlier maintenance has left behind, before the night begins.
    pub(crate) fn leave_something_behind(&mut self) {
        let rate = self.faults.rate(Fault::ForeignLeftovers);
        for at in 0..self.machines.len() {
            if !self.dice.chance(rate) {
                continue;
            }
            let place = self.dice.place(self.machines[at].services.len());
            let paused = self.dice.chance(0.4);
            let service = &mut self.machines[at].services[place];
            if paused {
                (service.state, service.live) = (RunState::Paused, Vec::new());
            } else {
                service.start = StartType::MANUAL;
            }
            self.note_standing(at, By::Foreign);
        }
    }
}
