//! The balancers in front of the pools: what they say of each server in each backend, and what becomes of acts on them.

use super::{Ms, Reply, World};
use crate::faults::Fault;
use orchestrate_model::observe::{
    BalancerDoubt, BalancerEntry, BalancerObservation, BalancerPlace, BalancerServer, BalancerState, DoubtKind,
};
use orchestrate_model::pool::{Balancer, HaproxyBalancer};
use orchestrate_model::{ActOutcome, Answer, PoolName, RunState, ServerName};
use std::collections::BTreeMap;

/// What is odd about the balancers of a pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Odd {
    /// Two machines whose entries have each other's address, in the first backend.
    pub(crate) swapped: Option<(usize, usize)>,
    /// Whether a backend that the plan does not name sends traffic to every server too.
    pub(crate) unnamed: bool,
    /// What becomes odd between the preview and the run: the two entries, and whether there is such a backend.
    pub(crate) after_preview: Option<(Option<(usize, usize)>, bool)>,
    /// The entry that sends its traffic elsewhere: its machine, its backend, and until when.
    pub(crate) moved: Option<(usize, usize, Ms)>,
}

impl World {
    fn haproxy(&self, pool: usize) -> Option<&HaproxyBalancer> {
        match &self.change.pools[pool].load_balancing.balancer {
            Balancer::Haproxy(haproxy) => Some(haproxy),
            Balancer::None | Balancer::Operator | Balancer::Elsewhere(_) => None,
        }
    }

    /// Returns the entry that is called like a machine in one backend.
    fn place_of(&self, at: usize, backend: usize) -> Option<BalancerPlace> {
        let machine = &self.machines[at];
        let (site, name) = self.haproxy(machine.pool)?.backends().nth(backend)?;
        Some(BalancerPlace {
            balancer: site.address.clone(),
            backend: name.to_owned(),
            slot: machine.name.short().to_owned(),
            address: self.holder(at, backend).map(|holder| self.machines[holder].address),
        })
    }

    /// Returns the machine that an entry really sends its traffic to, by the machine that it is called like.
    fn holder(&self, at: usize, backend: usize) -> Option<usize> {
        let odd = &self.pools[self.machines[at].pool].balancer;
        if odd.moved.is_some_and(|(machine, moved, until)| (machine, moved) == (at, backend) && self.now < until) {
            return None;
        }
        Some(match odd.swapped.filter(|_| backend == 0) {
            Some((one, other)) if one == at => other,
            Some((one, other)) if other == at => one,
            Some(_) | None => at,
        })
    }

    /// Asks the balancers of a pool.
    pub(crate) fn observe_balancer(&mut self, pool: usize) -> Reply<BalancerObservation> {
        let taken = self.stamp(self.now);
        let lost = self.happens(Fault::LostAnswers);
        let empty = self.happens(Fault::EmptyAnswers);
        let doubts = self.doubts(pool);
        let servers = if lost {
            Answer::unknown("the balancer does not answer")
        } else if empty {
            Answer::Known(BTreeMap::new())
        } else {
            Answer::Known(self.entries(pool))
        };
        let doubts = if lost { Vec::new() } else { doubts };
        let seen = BalancerObservation { doubts, ..BalancerObservation::new(taken, servers) };
        Reply { after: self.latency(), value: seen }
    }

    fn entries(&self, pool: usize) -> BTreeMap<ServerName, BalancerServer> {
        let shown = |at: usize| {
            let machine = &self.machines[at];
            let up = machine.up && machine.services.iter().any(|s| s.serving && s.state != RunState::Stopped);
            let right = (0..machine.admin.len()).filter(|backend| self.holder(at, *backend) == Some(at));
            let entry = |backend: usize| {
                let entry = BalancerEntry { admin: machine.admin[backend], up, sessions: 0, kept_out: None };
                self.place_of(at, backend).map(|place| (place, entry))
            };
            (machine.name.clone(), BalancerServer { entries: right.filter_map(entry).collect() })
        };
        let machines = self.pools[pool].machines.iter().copied();
        machines.map(shown).filter(|(_, server)| !server.entries.is_empty()).collect()
    }

    /// The entries by their names alone, for drivers that do not look at addresses.
    pub(crate) fn entries_by_name(&self, pool: &PoolName) -> BTreeMap<ServerName, BalancerServer> {
        let shown = |at: usize| {
            let machine = &self.machines[at];
            let entry = |backend: usize| {
                let holder = self.holder(at, backend).unwrap_or(at);
                let entry = BalancerEntry {
                    admin: self.machines[holder].admin[backend],
                    up: true,
                    sessions: 0,
                    kept_out: None,
                };
                let place = BalancerPlace { address: None, ..self.place_of(at, backend)? };
                Some((place, entry))
            };
            let entries = (0..machine.admin.len()).filter_map(entry).collect();
            (machine.name.clone(), BalancerServer { entries })
        };
        let machines = (0..self.machines.len()).filter(|at| self.change.pools[self.machines[*at].pool].name == *pool);
        machines.map(shown).collect()
    }

    fn doubts(&self, pool: usize) -> Vec<BalancerDoubt> {
        let mut doubts = Vec::new();
        for at in self.pools[pool].machines.iter().copied() {
            let machine = &self.machines[at];
            for backend in (0..machine.admin.len()).filter(|backend| self.holder(at, *backend) != Some(at)) {
                let holder = self.holder(at, backend).map(|holder| self.machines[holder].name.clone());
                for server in [Some(machine.name.clone()), holder].into_iter().flatten() {
                    let text = format!("{} has another address in backend {backend}", machine.name.short());
                    doubts.push(BalancerDoubt { server: Some(server), kind: DoubtKind::OtherAddress, text });
                }
            }
        }
        if self.pools[pool].balancer.unnamed {
            let text = "a backend that the plan does not name sends traffic too".to_owned();
            doubts.push(BalancerDoubt { server: None, kind: DoubtKind::Unnamed, text });
        }
        doubts.sort();
        doubts.dedup();
        doubts
    }

    /// Sets an entry, unless it has another address by now. An act without an address is one of a driver that does not
    /// look at it.
    pub(super) fn set_entry(&mut self, at: usize, place: &BalancerPlace, to: BalancerState) -> ActOutcome {
        let backends = 0..self.machines[at].admin.len();
        let same = |backend: &usize| {
            let found = self.place_of(at, *backend);
            found.is_some_and(|found| {
                (&found.balancer, &found.backend, &found.slot) == (&place.balancer, &place.backend, &place.slot)
            })
        };
        let Some(backend) = backends.into_iter().find(same) else {
            return ActOutcome::Failed(format!("{place}: there is no such server"));
        };
        let holder = self.holder(at, backend);
        if place.address.is_some() && holder != Some(at) {
            return ActOutcome::Failed(format!("{place} has another address"));
        }
        if let Some(holder) = holder {
            if holder != at {
                self.oracle_hits(at, holder, to);
            }
            self.machines[holder].admin[backend] = to;
            self.note_standing(holder, super::By::Us);
        }
        ActOutcome::Accepted
    }

    /// Whether an act on an entry changes anything.
    pub(super) fn changes_entry(&self, at: usize, place: &BalancerPlace, to: BalancerState) -> bool {
        let backends = 0..self.machines[at].admin.len();
        let mut own = backends.filter(|backend| self.place_of(at, *backend).as_ref() == Some(place));
        own.next().is_some_and(|backend| self.machines[at].admin[backend] != to)
    }

    /// Whether a machine has what a balancer calls up and ready.
    pub(crate) fn is_behind_balancer(&self, at: usize) -> bool {
        self.machines[at].is_admitted() && self.machines[at].serves()
    }

    /// An entry of a machine is given another address for a while, by a reload or a template.
    pub(super) fn somebody_moves_an_entry(&mut self) {
        let at = self.dice.place(self.machines.len());
        if !self.has_balancer(at) {
            return;
        }
        let backend = self.dice.place(self.machines[at].admin.len());
        let until = self.now + self.dice.between(super::MINUTE, 30 * super::MINUTE);
        let (now, name, pool) = (self.now, self.machines[at].name.clone(), self.machines[at].pool);
        self.log.say(now, || format!("the entry of {name} in backend {backend} has another address for a while"));
        self.pools[pool].balancer.moved = Some((at, backend, until));
    }
}
