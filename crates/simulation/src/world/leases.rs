//! Leases on machines. Nothing is drawn here: a lease is taken at once, so that no night changes by it.

use super::{Event, MINUTE, Ms, World};
use crate::drive::HOST;
use jiff::SignedDuration;
use orchestrate_model::{Keeper, Lease, LeaseOutcome, LeaseState};

impl World {
    /// What a lease looks like to those who ask.
    fn lease_of(&self, (host, until): (u32, Ms)) -> Lease {
        let keeper =
            Keeper { id: host.to_string(), user: "simulation".to_owned(), host: format!("control host {host}") };
        Lease { keeper, run: format!("sim-{host}"), until: self.stamp(until) }
    }

    /// Whose a machine is, for a control host that asks.
    pub(crate) fn lease(&self, at: usize, host: u32) -> LeaseState {
        match self.machines[at].lease {
            None => LeaseState::Free,
            Some((of, _)) if of == host => LeaseState::Ours,
            Some(lease) if lease.1 <= self.now => LeaseState::RanOut(self.lease_of(lease)),
            Some(lease) => LeaseState::Held(self.lease_of(lease)),
        }
    }

    /// A control host takes or renews the lease of a machine.
    pub(crate) fn hold_lease(&mut self, at: usize, host: u32, lasts: SignedDuration) -> LeaseOutcome {
        if !self.machines[at].up {
            return LeaseOutcome::Unknown("the server does not answer".to_owned());
        }
        let now = self.now;
        let until = now + Ms::try_from(lasts.as_millis()).unwrap_or(super::NEVER);
        let name = self.machines[at].name.clone();
        let from = match self.machines[at].lease {
            Some(lease) if lease.0 != host && lease.1 > now => {
                let lease = self.lease_of(lease);
                self.log.say(now, || format!("{name}: control host {host} does not get the lease: {lease}"));
                return LeaseOutcome::Taken(lease);
            }
            Some(lease) if lease.0 != host => Some(self.lease_of(lease)),
            Some((_, before)) => {
                self.machines[at].lease = Some((host, until.max(before)));
                return LeaseOutcome::Ours { from: None };
            }
            None => None,
        };
        if host != HOST || from.is_some() {
            let how = if from.is_some() { "takes over" } else { "takes" };
            self.log.say(now, || format!("{name}: control host {host} {how} the lease"));
        }
        self.machines[at].lease = Some((host, until));
        LeaseOutcome::Ours { from }
    }

    /// A control host gives the lease of a machine back.
    pub(crate) fn release_lease(&mut self, at: usize, host: u32) -> Result<(), String> {
        if !self.machines[at].up {
            return Err("the server does not answer".to_owned());
        }
        if self.machines[at].lease.is_some_and(|(of, _)| of == host) {
            self.machines[at].lease = None;
        }
        Ok(())
    }

    /// Another control host begins to work on a machine, unless it sees that we work on the pool: it takes the lease and
    /// looks, as we do.
    pub(super) fn another_host_begins(&mut self) {
        let at = self.dice.place(self.machines.len());
        let lasts = self.dice.between(3 * MINUTE, 70 * MINUTE);
        let gives_back = self.dice.chance(0.7);
        let (now, pool) = (self.now, self.machines[at].pool);
        let taken = |machine: &super::Machine| machine.lease.is_some_and(|(of, until)| of != OTHER && until > now);
        let beside = self.machines.iter().any(|machine| machine.pool == pool && taken(machine));
        if beside || !self.machines[at].up || self.machines[at].lease.is_some_and(|(of, _)| of == OTHER) {
            return;
        }
        let name = self.machines[at].name.clone();
        self.log.say(now, || format!("{name}: another control host takes the lease for {} min", lasts / MINUTE));
        self.machines[at].lease = Some((OTHER, now + lasts));
        self.oracle.in_hand(at, OTHER, now);
        self.schedule(now + lasts, Event::HostDone { machine: at, gives_back });
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    pub(super) fn another_host_is_done(&mut self, at: usize, gives_back: bool) {
        self.oracle.out_of_hand(at, OTHER);
        if gives_back && self.machines[at].lease.is_some_and(|(of, _)| of == OTHER) {
            self.machines[at].lease = None;
        }
    }
}

/// The control host of somebody else.
const OTHER: u32 = 99;
