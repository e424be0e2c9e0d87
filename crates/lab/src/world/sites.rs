//! The balancers in front of a pool: backends with entries, each with the address that it sends traffic to.

use super::{ServerIndex, World};
use crate::scenario::{BalancerLevel, BalancerScenario};
use jiff::Timestamp;
use orchestrate_model::Pool;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use std::net::IpAddr;

/// One balancer.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// What its runtime API lets its clients do.
    pub(crate) level: BalancerLevel,
    pub(crate) entries: Vec<Entry>,
}

/// One server of a backend.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) backend: String,
    pub(crate) slot: String,
    /// Where traffic goes. `None`: nowhere yet, as in a template that waits for a name.
    pub(crate) address: Option<IpAddr>,
    pub(crate) state: BalancerState,
    pub(crate) changed: Timestamp,
}

impl World {
    /// Returns the balancers of a pool as its plan and the scenario have them: every server in every backend.
    pub(super) fn sites(&self, pool: &Pool, servers: &[ServerIndex]) -> Vec<Site> {
        let Balancer::Haproxy(haproxy) = &pool.load_balancing.balancer else { return Vec::new() };
        let usual = BalancerScenario::default();
        let scenario = self.scenario.balancers.get(&pool.name).unwrap_or(&usual);
        let site = |plan: &orchestrate_model::pool::HaproxySite| {
            let backends = plan.backends.iter().chain(&scenario.further_backends);
            let entries = backends.flat_map(|backend| {
                servers.iter().map(move |&server| {
                    let host = &self.servers[server];
                    let slot = haproxy.names_of(&host.name).first().map_or_else(String::new, ToString::to_string);
                    let address = match scenario.addresses.get(&slot) {
                        Some(other) => *other,
                        None => host.addresses.first().copied(),
                    };
                    let (state, changed) = (BalancerState::Ready, self.now);
                    Entry { backend: backend.clone(), slot, address, state, changed }
                })
            });
            Site { level: scenario.level, entries: entries.collect() }
        };
        haproxy.sites.iter().map(site).collect()
    }

    /// Returns the server of a pool that an entry sends traffic to, if any does.
    pub(crate) fn behind(&self, pool: usize, entry: &Entry) -> Option<ServerIndex> {
        let address = entry.address?;
        self.pools[pool].servers.iter().copied().find(|&server| self.servers[server].addresses.contains(&address))
    }

    /// Sets what one balancer of a pool does with one of its entries.
    pub(crate) fn set_entry(&mut self, pool: usize, (site, entry): (usize, usize), state: BalancerState) {
        let now = self.now;
        let Some(one) = self.pools[pool].sites.get_mut(site).and_then(|site| site.entries.get_mut(entry)) else {
            return;
        };
        (one.state, one.changed) = (state, now);
        let one = one.clone();
        let word = state.to_string();
        match self.behind(pool, &one) {
            Some(server) => self.tell(server, "balancer", &word, "accepted"),
            None => self.note(
                String::new(),
                "balancer",
                &format!("{}/{} {word}", one.backend, one.slot),
                "accepted".to_owned(),
            ),
        }
    }

    /// Gives an entry another address, as a reload or a template does.
    pub(crate) fn move_entry(&mut self, pool: usize, (site, entry): (usize, usize), address: Option<IpAddr>) {
        if let Some(one) = self.pools[pool].sites.get_mut(site).and_then(|site| site.entries.get_mut(entry)) {
            one.address = address;
        }
    }

    /// Sets what every balancer of a pool does with a server.
    #[cfg(test)]
    pub(crate) fn set_balancer(&mut self, pool: usize, server: ServerIndex, state: BalancerState) {
        for site in 0..self.pools[pool].sites.len() {
            for entry in 0..self.pools[pool].sites[site].entries.len() {
                if self.behind(pool, &self.pools[pool].sites[site].entries[entry]) == Some(server) {
                    self.set_entry(pool, (site, entry), state);
                }
            }
        }
    }

    /// Returns what the balancers do with a server, taken together: what the one that is most open to it does.
    pub(crate) fn balancer_state(&self, pool: usize, server: ServerIndex) -> Option<BalancerState> {
        let entries = self.pools[pool].sites.iter().flat_map(|site| &site.entries);
        entries.filter(|entry| self.behind(pool, entry) == Some(server)).map(|entry| entry.state).min()
    }
}
