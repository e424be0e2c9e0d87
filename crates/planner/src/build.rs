//! From batches and waits to the steps and edges of a plan.

use crate::order::PoolEdge;
use crate::plan::{Certainty, Edge, EdgeReason, ServerWork, Step, StepId, StepKind, StepTarget, WorkId};
use crate::safety::Look;
use crate::schedule::Schedule;
use crate::scope::{PoolScope, leaves_balancer};
use crate::standing::left_behind;
use crate::words::list;
use orchestrate_model::change::{Patch, RestartPolicy, Scope};
use orchestrate_model::observe::FileFacts;
use orchestrate_model::pool::{Balancer, Hosted};
use orchestrate_model::version::{ComponentVersion, Level, Reached};
use orchestrate_model::{Answer, Change, Pool, PoolObservation, Role, ServerName, ServerObservation};
use std::collections::BTreeMap;

/// What the steps are made of.
pub(crate) struct Parts<'a> {
    pub(crate) change: &'a Change,
    /// For each pool its services.
    pub(crate) scopes: &'a [PoolScope],
    /// For each pool its batches of servers.
    pub(crate) batches: &'a [Vec<Vec<usize>>],
    /// For each pool the servers that nothing is done to, with the reason.
    pub(crate) skipped: &'a [BTreeMap<usize, String>],
    pub(crate) schedule: &'a Schedule,
    pub(crate) pool_edges: &'a [PoolEdge],
    /// For each pool what was seen of it.
    pub(crate) seen: &'a [Option<&'a PoolObservation>],
}

/// The steps with all that belongs to them.
pub(crate) struct Built {
    pub(crate) work: Vec<ServerWork>,
    pub(crate) steps: Vec<Step>,
    pub(crate) edges: Vec<Edge>,
}

/// Returns the kinds of the steps of one server of `pool`, in their order.
pub(crate) fn kinds(change: &Change, pool: &Pool, scope: &PoolScope) -> Vec<(StepKind, u32)> {
    let maintenance = &change.maintenance;
    let patch = maintenance.installs();
    let restart = restarts(change);
    let balanced = leaves_balancer(change, pool, scope);
    let soak = maintenance.soak.is_positive();
    let last = number(maintenance.installers.len().saturating_sub(1));
    let between = (0..last).flat_map(|installer| {
        let restarted = restart && maintenance.restarts_between(installer as usize);
        [Some((StepKind::Patch, installer)), restarted.then_some((StepKind::Restart, installer))]
    });
    let begin = [
        (StepKind::Guard, true),
        (StepKind::Record, true),
        (StepKind::BalancerOut, balanced),
        (StepKind::Block, true),
        (StepKind::Drain, true),
        (StepKind::Stop, patch || restart),
    ];
    let end = [
        (StepKind::Patch, patch),
        (StepKind::Restart, restart),
        (StepKind::Verify, patch),
        (StepKind::Return, true),
        (StepKind::BalancerIn, balanced),
        (StepKind::Gate, true),
        (StepKind::Soak, soak),
    ];
    let wanted = |(kind, wanted): (StepKind, bool)| {
        let installer = if matches!(kind, StepKind::Patch | StepKind::Restart) { last } else { 0 };
        wanted.then_some((kind, installer))
    };
    let begin = begin.into_iter().filter_map(wanted);
    begin.chain(between.flatten()).chain(end.into_iter().filter_map(wanted)).collect()
}

/// Returns whether servers may be restarted. Nothing asks for a restart where nothing is installed; and a restart ends
/// the sessions of every service of a server, so a change to chosen services restarts nothing by itself.
pub(crate) fn restarts(change: &Change) -> bool {
    match change.maintenance.restart {
        RestartPolicy::Never => false,
        RestartPolicy::WhenNeeded => change.maintenance.installs() && change.maintenance.scope == Scope::AllServices,
        RestartPolicy::Always => true,
    }
}

pub(crate) fn build(parts: &Parts<'_>) -> Built {
    let mut building = Building {
        parts,
        kinds: parts
            .change
            .pools
            .iter()
            .zip(parts.scopes)
            .map(|(pool, scope)| kinds(parts.change, pool, scope))
            .collect(),
        built: Built { work: Vec::new(), steps: Vec::new(), edges: Vec::new() },
        firsts: vec![Vec::new(); parts.schedule.batches.len()],
        lasts: vec![Vec::new(); parts.schedule.batches.len()],
    };
    building.skipped();
    for &batch in &parts.schedule.order {
        building.batch(batch);
    }
    building.waits();
    building.databases();
    let mut built = building.built;
    built.edges.sort_by_key(|edge| (edge.after, edge.before));
    built
}

struct Building<'a> {
    parts: &'a Parts<'a>,
    /// For each pool the steps of a server, each with the installer that it is about.
    kinds: Vec<Vec<(StepKind, u32)>>,
    built: Built,
    /// For each batch the first steps of its servers, and the last.
    firsts: Vec<Vec<StepId>>,
    lasts: Vec<Vec<StepId>>,
}

impl Building<'_> {
    fn skipped(&mut self) {
        for (place, skipped) in self.parts.skipped.iter().enumerate() {
            for (&position, why) in skipped {
                self.work(place, position, 0, Some(why.clone()));
            }
        }
    }

    fn work(&mut self, place: usize, position: usize, batch: usize, skip: Option<String>) -> WorkId {
        let server = &self.parts.change.pools[place].servers[position];
        let scope = &self.parts.scopes[place];
        self.built.work.push(ServerWork {
            pool: number(place),
            server: server.name.clone(),
            upgrade_domain: server.upgrade_domain.clone(),
            batch: number(batch),
            block: scope.block.clone(),
            support: scope.support.clone(),
            skip,
        });
        WorkId(number(self.built.work.len() - 1))
    }

    fn batch(&mut self, batch: usize) {
        let parts = self.parts;
        let (place, batch_number) = (parts.schedule.batches[batch].pool, parts.schedule.batches[batch].number);
        for &position in &parts.batches[place][batch_number] {
            let work = self.work(place, position, batch_number, None);
            let server = &parts.change.pools[place].servers[position];
            let seen = parts.seen[place];
            let server_seen = seen.and_then(|seen| seen.servers.get(&server.name));
            let certainty = Sure {
                change: parts.change,
                pool: &parts.change.pools[place],
                pool_seen: seen,
                seen: server_seen,
                services: server_seen.is_some_and(|seen| services_known(&parts.scopes[place], seen)),
            };
            let first = number(self.built.steps.len());
            for kind in self.kinds_of(place, &server.name) {
                self.step(StepTarget::Server(work), kind, certainty.of(kind));
            }
            let last = number(self.built.steps.len()) - 1;
            let chain = (first..last).map(|before| (StepId(before), StepId(before + 1)));
            let chain = chain.map(|(before, after)| Edge { before, after, reason: EdgeReason::SameServer });
            self.built.edges.extend(chain);
            self.firsts[batch].push(StepId(first));
            self.lasts[batch].push(StepId(last));
        }
    }

    /// Returns the steps of a server. One that goes first may soak where others do not, and waits in its soak for a person.
    fn kinds_of(&self, place: usize, server: &ServerName) -> Vec<(StepKind, u32)> {
        let (change, pool) = (self.parts.change, &self.parts.change.pools[place]);
        let soaks = pool.asks_after(server) || pool.soak_of(server, change.maintenance.soak).is_positive();
        let mut kinds = self.kinds[place].clone();
        kinds.retain(|(kind, _)| *kind != StepKind::Soak);
        kinds.extend(soaks.then_some((StepKind::Soak, 0)));
        kinds
    }

    fn step(&mut self, target: StepTarget, (kind, installer): (StepKind, u32), certainty: Certainty) -> StepId {
        let id = StepId(number(self.built.steps.len()));
        self.built.steps.push(Step { id, target, kind, installer, certainty });
        id
    }

    fn connect(&mut self, before: usize, after: usize, reason: &EdgeReason) {
        for &last in &self.lasts[before] {
            for &first in &self.firsts[after] {
                self.built.edges.push(Edge { before: last, after: first, reason: reason.clone() });
            }
        }
    }

    fn waits(&mut self) {
        let parts = self.parts;
        let mut incoming: Vec<Vec<&PoolEdge>> = vec![Vec::new(); parts.batches.len()];
        for edge in parts.pool_edges {
            incoming[edge.after].push(edge);
        }
        let last_of = |pool: usize| Some(parts.schedule.first[pool] + parts.batches[pool].len().checked_sub(1)?);
        for (after, batch) in parts.schedule.batches.iter().enumerate() {
            if batch.number > 0 {
                for reason in self.between(batch.pool, batch.number) {
                    self.connect(after - 1, after, &reason);
                }
                continue;
            }
            for edge in &incoming[batch.pool] {
                match last_of(edge.before) {
                    Some(before) => self.connect(before, after, &edge.reason),
                    None => self.handed_on(after, &incoming),
                }
            }
        }
        for handover in &parts.schedule.handovers {
            let (before, after) = (parts.schedule.batches[handover.before], parts.schedule.batches[handover.after]);
            // A batch waits for the one before it anyway.
            if before.pool == after.pool && before.number + 1 == after.number {
                continue;
            }
            let budget = &parts.change.budgets[handover.budget];
            let reason = EdgeReason::SharedBudget(budget.label.clone(), budget.at_once);
            self.connect(handover.before, handover.after, &reason);
        }
    }

    /// Adds the waits that a pool without work hands on to the first batch of one that waits for it.
    fn handed_on(&mut self, after: usize, incoming: &[Vec<&PoolEdge>]) {
        let parts = self.parts;
        let pool = parts.schedule.batches[after].pool;
        for &before in &parts.schedule.waits_for[after] {
            let earlier = parts.schedule.batches[before].pool;
            let direct = incoming[pool].iter().any(|edge| edge.before == earlier);
            let handed = parts.schedule.handovers.iter().any(|h| (h.before, h.after) == (before, after));
            if !direct && !handed {
                self.connect(before, after, &EdgeReason::After(parts.change.pools[earlier].name.clone()));
            }
        }
    }

    /// Returns why a batch of a pool waits for the one before it.
    fn between(&self, place: usize, batch: usize) -> Vec<EdgeReason> {
        let (change, pool) = (self.parts.change, &self.parts.change.pools[place]);
        let batches = &self.parts.batches[place];
        let at_once = change.maintenance.at_once;
        let domain =
            |batch: usize| batches[batch].first().and_then(|&first| pool.servers[first].upgrade_domain.as_ref());
        let mut reasons = Vec::new();
        if at_once > 1 && domain(batch).is_some() && domain(batch) != domain(batch - 1) {
            reasons.push(EdgeReason::UpgradeDomains);
        } else {
            reasons.push(EdgeReason::AtOnce(at_once));
        }
        let central = |&position: &usize| pool.servers[position].hosts.contains(&Hosted::CentralManagement);
        if batches[batch].iter().any(central) {
            reasons.push(EdgeReason::CentralManagementLast);
        }
        let before = batches[batch - 1].first().map(|&first| &pool.servers[first].name);
        reasons.extend(before.filter(|name| pool.is_first(name)).map(|name| EdgeReason::First(name.clone())));
        reasons
    }

    /// Adds the database work: after all front ends of the change, one database at a time, since a person does it.
    fn databases(&mut self) {
        let parts = self.parts;
        // Its time has not come where servers are left for another run.
        let pools = parts.change.pools.iter();
        if pools.flat_map(|pool| &pool.servers).any(|server| parts.change.leaves_out(&server.name)) {
            return;
        }
        let mut ends: Vec<StepId> = Vec::new();
        for (place, pool) in parts.change.pools.iter().enumerate() {
            let front = matches!(pool.role, Role::FrontEnd | Role::StandardEdition) || pool.database.is_some();
            if let (true, Some(last)) = (front, parts.batches[place].len().checked_sub(1)) {
                ends.extend(&self.lasts[parts.schedule.first[place] + last]);
            }
        }
        for (place, pool) in parts.change.pools.iter().enumerate() {
            if pool.database.is_none() {
                continue;
            }
            let step = self.step(StepTarget::Pool(number(place)), (StepKind::Database, 0), Certainty::Assumed);
            let waits = std::mem::replace(&mut ends, vec![step]);
            let edges = waits.into_iter().map(|before| Edge { before, after: step, reason: EdgeReason::DatabasesLast });
            self.built.edges.extend(edges);
        }
    }
}

fn number(position: usize) -> u32 {
    u32::try_from(position).expect("a plan has fewer than four thousand million parts")
}

/// How sure the steps of one server are.
struct Sure<'a> {
    change: &'a Change,
    pool: &'a Pool,
    pool_seen: Option<&'a PoolObservation>,
    seen: Option<&'a ServerObservation>,
    /// Whether the states and start types of its services are known.
    services: bool,
}

impl Sure<'_> {
    fn of(&self, (kind, installer): (StepKind, u32)) -> Certainty {
        let proven = |proven: bool| if proven { Certainty::Proven } else { Certainty::Assumed };
        match kind {
            StepKind::Guard => proven(self.pool_seen.is_some_and(|seen| seen.oldest().is_some())),
            StepKind::Record | StepKind::Block | StepKind::Stop | StepKind::Return => proven(self.services),
            StepKind::BalancerOut | StepKind::BalancerIn => proven(self.balancer_known()),
            StepKind::Patch => {
                let patch = self.change.maintenance.installers.get(installer as usize);
                proven(patch.is_some_and(|patch| self.lacks(patch)))
            }
            // How long sessions last, what the installer asks for, and what the server is like afterwards.
            StepKind::Drain | StepKind::Verify | StepKind::Gate | StepKind::Soak => Certainty::NotKnowable,
            StepKind::Restart => match self.change.maintenance.restart {
                RestartPolicy::Always => proven(self.seen.is_some_and(|seen| seen.host.known().is_some())),
                RestartPolicy::Never | RestartPolicy::WhenNeeded => Certainty::NotKnowable,
            },
            StepKind::Database => Certainty::Assumed,
        }
    }

    fn balancer_known(&self) -> bool {
        let seen = self.pool_seen.and_then(|seen| seen.balancer.known()).and_then(|seen| seen.servers.known());
        let server = self.seen.map(|seen| &seen.server);
        matches!(self.pool.load_balancing.balancer, Balancer::Haproxy(_))
            && seen
                .zip(server)
                .is_some_and(|(servers, server)| servers.get(server).is_some_and(|own| !own.entries.is_empty()))
    }

    /// Returns whether the server is known to be below the wanted level, and to have the installer that leads there.
    fn lacks(&self, patch: &Patch) -> bool {
        let installers = &self.change.maintenance.installers;
        let file = self.seen.and_then(|seen| seen.file_of(installers, &patch.installer)).and_then(Answer::known);
        let staged = matches!(file, Some(FileFacts::Found { sha256 }) if sha256.eq_ignore_ascii_case(&patch.sha256));
        let level = patch.level.as_ref();
        let versions = self.seen.and_then(|seen| seen.versions.known());
        staged && level.zip(versions).is_some_and(|(level, versions)| matches!(level.reached(versions), Reached::No(_)))
    }
}

fn services_known(scope: &PoolScope, seen: &ServerObservation) -> bool {
    let Some(services) = seen.services.known() else {
        return false;
    };
    let mut found = scope.block.iter().filter_map(|name| services.get(name));
    found.all(|status| status.state.known().is_some() && status.start.known().is_some())
}

/// Returns why nothing is to be done to a server, when it is known to be at the wanted level already. A server that looks
/// as an interrupted maintenance leaves it is not passed over, and neither is one of which another server of the pool
/// shows that an update broke off: it has a component of the product line in a newer version.
pub(crate) fn already_patched(look: &Look<'_>, seen: &ServerObservation) -> Option<String> {
    let installers = &look.change.maintenance.installers;
    let levels: Vec<&Level> = installers.iter().map(|patch| patch.level.as_ref()).collect::<Option<_>>()?;
    let versions = seen.versions.known()?;
    let reached = levels.iter().map(|level| match level.reached(versions) {
        Reached::Yes(reached) => {
            Some(level.above(versions).unwrap_or_else(|| format!("at {reached} already, {level} is wanted")))
        }
        Reached::No(_) | Reached::NothingInstalled => None,
    });
    let reached: Vec<String> = reached.collect::<Option<_>>()?;
    if reached.is_empty() {
        return None;
    }
    let mut statuses = look.scope.block.iter().filter_map(|service| seen.service(service));
    let is_older =
        |own: &&ComponentVersion| levels.iter().any(|level| level.older(versions).any(|older| older == *own));
    let older: Vec<&ComponentVersion> = versions.iter().filter(is_older).collect();
    if statuses.any(|status| left_behind(status, look.seen).is_some()) || older.iter().any(|own| behind(look, own)) {
        return None;
    }
    let name = seen.server.short();
    let text = format!("{name} is {}", reached.join("; "));
    Some(if older.is_empty() {
        text
    } else {
        let older = older.iter().map(|own| format!("{} ({})", own.component, own.version));
        format!("{text}; older, and taken for what the update does not touch: {}", list(older))
    })
}

/// Returns whether another server of the pool has a component in a newer version.
fn behind(look: &Look<'_>, own: &ComponentVersion) -> bool {
    let others = look.seen.servers.values().filter_map(|other| other.versions.known()).flatten();
    others.filter(|other| other.component == own.component).any(|other| other.version > own.version)
}
