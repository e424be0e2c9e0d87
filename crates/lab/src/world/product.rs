//! What the product says of a whole pool: readiness for an upgrade, replication, and the central management.

use super::{LabService, ServerIndex, World, lab_seconds};
use crate::scenario::{FabricBehaviour, PausedFrontEnd};
use orchestrate_model::time::after;
use orchestrate_model::{Product, Role, RunState};
use std::collections::BTreeMap;

/// The product's word on a pool.
pub(crate) struct ReadinessAnswer {
    pub(crate) pool: String,
    pub(crate) state: String,
    pub(crate) total: usize,
    pub(crate) active: usize,
    pub(crate) domains: Vec<DomainAnswer>,
}

/// The product's word on one upgrade domain.
pub(crate) struct DomainAnswer {
    pub(crate) name: String,
    pub(crate) servers: Vec<String>,
    pub(crate) active: usize,
    pub(crate) ready: bool,
}

/// How many servers must run, and among how many of the first ones that counts.
fn quorum(product: Product, servers: usize) -> (usize, usize) {
    match servers {
        0..=2 => (1, servers),
        3..=4 => (2, servers),
        5..=6 => (3, servers),
        7 => (4, servers),
        8..=9 => (4, 7),
        10..=11 => (5, 9),
        12.. if product == Product::Sfb2019 || product == Product::Sfbse => (7, 12),
        _ => (5, 9),
    }
}

impl World {
    /// Returns the product's word on the pool of a server, or why the server cannot say.
    pub(crate) fn readiness(&self, server: ServerIndex, pool: &str) -> Result<ReadinessAnswer, String> {
        let own = &self.pools[self.servers[server].pool];
        if !own.plan.name.as_str().eq_ignore_ascii_case(pool) {
            return Err(format!("This computer is not a Front End Server of the pool \"{pool}\"."));
        }
        if !own.plan.has_fabric() {
            return Err(format!("The pool \"{pool}\" is no Front End pool."));
        }
        if !self.is_active(server) {
            return Err("Pool Manager failed to connect to Fabric Pool Manager.".to_owned());
        }
        let active = own.servers.iter().filter(|&&other| self.is_active(other)).count();
        let domains = self.domains(self.servers[server].pool);
        let state = match self.scenario.readiness.get(&own.plan.name) {
            Some(state) => state.clone(),
            None => self.readiness_state(self.servers[server].pool).to_owned(),
        };
        Ok(ReadinessAnswer { pool: own.plan.name.to_string(), state, total: own.servers.len(), active, domains })
    }

    /// Returns what `Get-CsPoolFabricState` prints about the pool of a server. The real layout is not documented; this
    /// one has what administrators report: a line per routing group, a line per server, and warnings while one is out.
    pub(crate) fn fabric(&self, server: ServerIndex, pool: &str) -> Result<Vec<String>, String> {
        let behaviour = self.scenario.fabric;
        let own = &self.pools[self.servers[server].pool];
        if behaviour == FabricBehaviour::Missing {
            return Err("The term 'Get-CsPoolFabricState' is not recognized as the name of a cmdlet.".to_owned());
        }
        if !own.plan.has_fabric() || !own.plan.name.as_str().eq_ignore_ascii_case(pool) {
            return Err(format!("Cannot find a Front End pool \"{pool}\" on this computer."));
        }
        let mut lines = vec![format!("{} {pool}", self.now().strftime("%m/%d/%Y %H:%M:%S"))];
        for group in 0..own.servers.len() {
            let turn = |step: usize| own.servers[(group + step) % own.servers.len()];
            let mut replicas: Vec<ServerIndex> = (0..own.servers.len().min(3)).map(turn).collect();
            if behaviour == FabricBehaviour::Stays {
                replicas.sort_by_key(|&server| self.servers[server].restarts);
            }
            let up: Vec<&str> = replicas
                .iter()
                .filter(|&&server| self.is_active(server))
                .map(|&server| self.servers[server].name.as_str())
                .collect();
            let word = if up.len() == replicas.len() { "OK" } else { "WARNING" };
            let (first, others) = up.split_first().map_or(("none", String::new()), |(a, b)| (*a, b.join(" ")));
            lines.push(format!("Routing RG{}  Primary {first}  Secondaries {others}  {word}", group + 1));
        }
        for &server in &own.servers {
            let state = if self.is_active(server) { "Up" } else { "Down" };
            lines.push(format!("{}  {state}", self.servers[server].name));
        }
        Ok(lines)
    }

    fn readiness_state(&self, pool: usize) -> &'static str {
        let entry = &self.pools[pool];
        let (need, first) = quorum(entry.plan.product, entry.servers.len());
        let active = entry.servers.iter().take(first).filter(|&&server| self.is_active(server)).count();
        if active <= need && entry.servers.len() > 1 {
            "InsufficientActiveFrontEnds"
        } else if self.now() < entry.busy_until || entry.servers.iter().any(|&server| self.is_paused(server)) {
            "Busy"
        } else {
            "Ready"
        }
    }

    /// A front end takes part in its pool while the process of `RTCSRV` runs. Whether it does so while it is paused is
    /// for the scenario to say.
    fn is_active(&self, server: ServerIndex) -> bool {
        let up = self.servers[server].is_up();
        let runs = self.servers[server].service_named("RTCSRV").is_some_and(LabService::has_process);
        up && runs && !self.is_paused(server)
    }

    /// Whether a front end is paused, where that counts.
    fn is_paused(&self, server: ServerIndex) -> bool {
        let paused = |service: &LabService| service.state == RunState::Paused;
        self.scenario.paused_front_end == PausedFrontEnd::Inactive
            && self.servers[server].service_named("RTCSRV").is_some_and(paused)
    }

    /// Returns the word on each upgrade domain. When the flag is set is not documented beyond "may be upgraded"; here it
    /// is where the domain is whole, or where nothing is out but servers of it.
    fn domains(&self, pool: usize) -> Vec<DomainAnswer> {
        let entry = &self.pools[pool];
        let ready = self.readiness_state(pool) == "Ready";
        let out = entry.servers.iter().filter(|&&server| !self.is_active(server)).count();
        let mut domains: BTreeMap<String, Vec<ServerIndex>> = BTreeMap::new();
        for (position, &server) in entry.servers.iter().enumerate() {
            let given = entry.plan.servers.get(position).and_then(|server| server.upgrade_domain.as_ref());
            let name = given.map_or_else(|| format!("UpgradeDomain{}", position + 1), ToString::to_string);
            domains.entry(name).or_default().push(server);
        }
        domains
            .into_iter()
            .map(|(name, servers)| {
                let active = servers.iter().filter(|&&server| self.is_active(server)).count();
                let names = servers.iter().map(|&server| self.servers[server].name.to_string()).collect();
                let out_here = servers.len() - active;
                let ready = ready && (out_here == 0 || out_here == out);
                DomainAnswer { name, servers: names, active, ready }
            })
            .collect()
    }

    /// Returns the active central management as a server names it, or why it cannot say.
    pub(crate) fn active_master(&self, server: ServerIndex) -> Result<Option<String>, String> {
        let own = &self.pools[self.servers[server].pool];
        if own.plan.role == Role::Edge {
            return Err("An Edge server does not know the central management.".to_owned());
        }
        let told = self.scenario.servers.get(&self.servers[server].name).and_then(|own| own.active_master.clone());
        Ok(told.or_else(|| own.active_master.clone()))
    }

    /// Returns whether the configuration replica of each server is up to date.
    pub(crate) fn replication(&self) -> Vec<(String, bool)> {
        let replicating = self.servers.iter().filter(|server| server.service_named("REPLICA").is_some());
        replicating
            .map(|server| {
                let lag = lab_seconds(self.scenario.timing.replica_s);
                let reached = |replica: &LabService| {
                    replica.has_process() && replica.running_since.is_none_or(|since| self.now() >= after(since, lag))
                };
                let up_to_date = server.is_up() && server.service_named("REPLICA").is_some_and(reached);
                (server.name.to_string(), up_to_date)
            })
            .collect()
    }
}
