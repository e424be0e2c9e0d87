//! What a step looks at before it is judged.

use crate::constants::{POOL_ANSWER, PRODUCT_LOOKS, REPLICA_FOLLOWS};
use crate::state::{RunState, StepState, WorkState, steps_of};
use crate::steps::Scratch;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::change::Scope;
use orchestrate_model::observe::{DnsAsk, Part};
use orchestrate_model::pool::Hosted;
use orchestrate_model::time::after;
use orchestrate_model::{Ask, Change, Pool, PoolName, ServerName, ServiceName};
use orchestrate_planner::plan::{ServerWork, WorkId};
use orchestrate_planner::{Plan, Step, StepId, StepKind, safety, scope};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is looked at, all at about one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The pool.
    pub pool: PoolName,
    /// What each server is asked. A server that is missing is not asked.
    pub servers: BTreeMap<ServerName, Ask>,
    /// Which names are looked up.
    pub names: Option<DnsAsk>,
    /// Whether the pool's balancer is asked.
    pub balancer: AskBalancer,
    /// How long each server may take. `None`: as long as its driver lets it.
    #[serde(default)]
    pub within: Option<SignedDuration>,
    /// The server whose lease is taken before the look. Who takes first and then looks at the whole pool cannot miss
    /// another who does the same: one of the two sees the other's (promise P12).
    pub lease: Option<ServerName>,
}

/// Whether the pool's balancer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskBalancer {
    /// It is.
    Ask,
    /// It is not.
    Leave,
}

/// One server's work with all that is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) state: &'a RunState,
    pub(crate) id: WorkId,
    pub(crate) work: &'a ServerWork,
    pub(crate) own: &'a WorkState,
    pub(crate) pool: &'a Pool,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(plan: &'a Plan, state: &'a RunState, id: WorkId) -> Self {
        let work = plan.work_of(id);
        Self { plan, state, id, work, own: &state.work[id.0 as usize], pool: plan.pool_of(work) }
    }

    /// The servers of the same pool that are out on our account, without this one.
    pub(crate) fn others_out(&self) -> BTreeSet<ServerName> {
        self.plan
            .work()
            .iter()
            .zip(&self.state.work)
            .filter(|(work, state)| work.pool == self.work.pool && work.server != self.work.server && state.is_out())
            .map(|(work, _)| work.server.clone())
            .collect()
    }

    /// The servers of any pool that are out on our account, without this one.
    pub(crate) fn away(&self) -> BTreeSet<ServerName> {
        let works = self.plan.work().iter().zip(&self.state.work);
        let others = works.filter(|(work, state)| work.server != self.work.server && state.is_out());
        others.map(|(work, _)| work.server.clone()).collect()
    }

    /// The servers of other pools that this run has brought back a short time ago: their replicas follow yet.
    pub(crate) fn catching_up(&self, now: Timestamp) -> BTreeSet<ServerName> {
        let works = self.plan.work().iter().zip(&self.state.work);
        let recent = |state: &WorkState| state.proven_at.is_some_and(|at| now < after(at, REPLICA_FOLLOWS));
        let recent = works.filter(|(work, state)| work.pool != self.work.pool && recent(state));
        recent.map(|(work, _)| work.server.clone()).collect()
    }

    /// Returns whether the configuration is replicated from the server's pool.
    pub(crate) fn hosts_central_management(&self) -> bool {
        self.pool.servers.iter().any(|server| server.hosts.contains(&Hosted::CentralManagement))
    }

    /// Returns whether the server is in the middle of its patch, or beyond it. An installer of an earlier pass does not
    /// count as long as this pass has not come to its patch step, nor does one that gave up before it did anything.
    pub(crate) fn is_patching(&self) -> bool {
        let reached = |step: &StepId| self.state.steps[step.0 as usize] != StepState::Pending;
        // The first one: whoever has run one of several installers is in the middle of it.
        let patch = steps_of(self.plan, self.id).find(|step| step.kind == StepKind::Patch);
        self.own.tokens.len() > self.own.gave_up_busy && patch.is_some_and(|step| reached(&step.id))
    }

    /// Returns whether one of several installers has ended well in this pass.
    pub(crate) fn has_installed(&self) -> bool {
        let ran = |step: &Step| {
            matches!(self.state.steps[step.id.0 as usize], StepState::Ended { how: crate::record::StepEnd::Done, .. })
        };
        steps_of(self.plan, self.id).any(|step| step.kind == StepKind::Patch && ran(step))
    }

    /// Returns whether the server was asked to restart in this pass.
    pub(crate) fn is_restarting(&self) -> bool {
        let mut steps = steps_of(self.plan, self.id).filter(|step| step.kind == StepKind::Restart);
        let reached = steps.any(|step| self.state.steps[step.id.0 as usize] != StepState::Pending);
        reached && !self.own.restarts.is_empty()
    }

    /// The services that a change to chosen ones leaves alone. They are recorded too where something is installed: an
    /// installer that restarts the server stops them all, and then each has to come back.
    fn bystanders(&self) -> Vec<ServiceName> {
        let change = self.plan.change();
        if change.maintenance.scope == Scope::AllServices || change.maintenance.installers.is_empty() {
            return Vec::new();
        }
        let scope = scope::PoolScope::of(change, self.pool);
        let beside = scope.serving.into_iter().chain(scope.beside);
        beside.filter(|name| !self.work.block.contains(name) && !self.work.support.contains(name)).collect()
    }

    /// Every service of the server that the run has to do with.
    pub(crate) fn services(&self, extra: &BTreeSet<ServiceName>) -> Vec<ServiceName> {
        let mut all: BTreeSet<&ServiceName> = self.work.block.iter().chain(&self.work.support).chain(extra).collect();
        if let Some(snapshot) = self.own.snapshot.as_ref().or(self.own.earlier.as_ref()) {
            all.extend(snapshot.services.keys());
        }
        all.into_iter().cloned().collect()
    }
}

/// The pools that share a budget with a pool, itself included. None when it shares none.
pub(crate) fn sharing<'a>(change: &'a Change, pool: &'a Pool) -> impl Iterator<Item = &'a Pool> {
    let labels = change.budgets.iter().map(|budget| &budget.label).filter(|label| pool.labels.contains(label));
    let labels: BTreeSet<_> = labels.collect();
    change.pools.iter().filter(move |other| other.labels.iter().any(|label| labels.contains(label)))
}

/// The scopes of pools of one change. Pools of one kind have one, and a change of hundreds of pools has few kinds.
pub(crate) struct Scopes<'a> {
    change: &'a Change,
    known: Vec<(&'a Pool, scope::PoolScope)>,
}

impl<'a> Scopes<'a> {
    pub(crate) fn of(change: &'a Change) -> Self {
        Self { change, known: Vec::new() }
    }

    /// Returns the scope of a pool of the change.
    pub(crate) fn scope(&mut self, pool: &'a Pool) -> &scope::PoolScope {
        let kind = |pool: &'a Pool| (pool.product, pool.role, &pool.extra_services);
        let position = self.known.iter().position(|(other, _)| kind(other) == kind(pool)).unwrap_or_else(|| {
            self.known.push((pool, scope::PoolScope::of(self.change, pool)));
            self.known.len() - 1
        });
        &self.known[position].1
    }
}

impl Look {
    /// Returns what the step in hand has to see.
    pub(crate) fn for_step(subject: &Subject<'_>, kind: StepKind, scratch: &Scratch) -> Self {
        let own = |parts: &[Part], sessions: Vec<ServiceName>| Ask {
            parts: parts.iter().copied().collect(),
            services: subject.services(&scratch.extra),
            sessions,
            installer: None,
            file: None,
            more_files: Vec::new(),
        };
        let sessions = || crate::steps::paused_services(subject);
        let asks = crate::steps::asks_versions(subject, kind, scratch);
        let versions: Vec<Part> = asks.then_some(Part::Versions).into_iter().collect();
        let host: Vec<Part> = versions.iter().copied().chain([Part::Host]).collect();
        let alone = |ask: Ask, balancer: AskBalancer| Self {
            pool: subject.pool.name.clone(),
            servers: BTreeMap::from([(subject.work.server.clone(), ask)]),
            names: None,
            balancer,
            within: None,
            lease: None,
        };
        match kind {
            StepKind::Stop if scratch.is_guarding(kind) => {
                Self::pool(subject, own(&host, sessions())).without_file(subject)
            }
            StepKind::Guard => Self::pool(subject, own(&[Part::Host], Vec::new())),
            _ if scratch.is_guarding(kind) => {
                let look = Self::pool(subject, own(&host, Vec::new())).without_file(subject);
                Self { lease: Some(subject.work.server.clone()), ..look }
            }
            StepKind::Record => {
                let mut ask = own(&[Part::Host, Part::Versions], Vec::new());
                ask.services.extend(subject.bystanders());
                let mut look = alone(ask, AskBalancer::Ask);
                if crate::steps::concerns_fabric(subject) {
                    look.ask_another(subject, scratch, Part::Fabric);
                }
                for server in &scratch.compared {
                    look.servers.entry(server.clone()).or_default().parts.insert(Part::Versions);
                }
                look
            }
            StepKind::BalancerOut | StepKind::BalancerIn => alone(own(&versions, Vec::new()), AskBalancer::Ask),
            StepKind::Drain | StepKind::Stop => alone(own(&host, sessions()), AskBalancer::Leave),
            StepKind::Block => alone(own(&host, Vec::new()), AskBalancer::Leave),
            StepKind::Return | StepKind::Restart => {
                let mut ask = own(&[Part::Host], Vec::new());
                ask.installer = subject.own.token.clone().filter(|_| crate::steps::is_installer_open(subject));
                let balancer = kind == StepKind::Return && scratch.asks_balancer;
                alone(ask, if balancer { AskBalancer::Ask } else { AskBalancer::Leave })
            }
            StepKind::Patch => {
                let mut ask = own(&host, Vec::new());
                if crate::steps::restarts_first(subject) {
                    ask.parts.insert(Part::Fitness);
                }
                ask.installer = crate::steps::token_in_hand(subject);
                alone(ask, AskBalancer::Leave)
            }
            StepKind::Verify => alone(own(&[Part::Host, Part::Versions], Vec::new()), AskBalancer::Leave),
            StepKind::Gate | StepKind::Soak | StepKind::Database => {
                let mut look = alone(own(&[Part::Host], Vec::new()), AskBalancer::Ask);
                if subject.pool.has_fabric() {
                    look.ask_another(subject, scratch, Part::Readiness);
                }
                if kind == StepKind::Gate {
                    look.ask_after(subject, scratch);
                }
                look
            }
        }
    }

    /// Returns what the final sweep has to see.
    pub(crate) fn for_sweep(subject: &Subject<'_>) -> Self {
        let mut ask = Ask { services: subject.services(&BTreeSet::new()), ..Ask::default() };
        if subject.own.patch_started() {
            // Whether it was restarted since.
            ask.parts.insert(Part::Host);
        }
        if crate::levels::is_asked(subject.plan, subject.state, subject.id.0 as usize) {
            ask.parts.insert(Part::Versions);
        }
        Self {
            pool: subject.pool.name.clone(),
            servers: BTreeMap::from([(subject.work.server.clone(), ask)]),
            names: None,
            balancer: AskBalancer::Ask,
            within: None,
            lease: None,
        }
    }

    /// Returns what the watch over a pool has to see while some of its servers are out: the others, the name servers, the
    /// balancer, and now and then the product's word. `None` where there is nothing that could be asked. What is out is
    /// left to its own step.
    pub(crate) fn for_watch(subject: &Subject<'_>, number: u32) -> Option<Self> {
        let change = subject.plan.change();
        let evidence = scope::evidence(change, subject.pool, None);
        let mut look = Self::serving(subject);
        look.names = evidence.names;
        look.balancer = if evidence.balancer { AskBalancer::Ask } else { AskBalancer::Leave };
        let works = subject.plan.work().iter().zip(&subject.state.work);
        let gone: BTreeSet<&ServerName> =
            works.filter(|(_, state)| state.is_out()).map(|(work, _)| &work.server).collect();
        let gone = |name: &ServerName| gone.contains(name);
        look.servers.retain(|name, _| !gone(name));
        if subject.pool.has_fabric() && number.is_multiple_of(PRODUCT_LOOKS) {
            let others = subject.pool.present().filter(|server| !gone(&server.name));
            let others: Vec<&ServerName> = others.map(|server| &server.name).collect();
            let turn = (number / PRODUCT_LOOKS) as usize % others.len().max(1);
            if let Some(ask) = others.get(turn).and_then(|name| look.servers.get_mut(*name)) {
                ask.parts.insert(Part::Readiness);
            }
        }
        let nothing = look.servers.is_empty() && look.names.is_none() && look.balancer == AskBalancer::Leave;
        (!nothing).then_some(look)
    }

    /// Returns what the end of a run has to see of a pool: whether each of its servers serves.
    pub(crate) fn for_end(subject: &Subject<'_>) -> Self {
        let mut look = Self::serving(subject);
        look.servers.retain(|name, _| subject.pool.servers.iter().any(|server| server.name == *name));
        look.balancer = AskBalancer::Ask;
        // Whether people find the servers again is seen as well.
        look.names = scope::evidence(subject.plan.change(), subject.pool, None).names;
        look
    }

    /// What every server of a pool serves with, and of the pools that share a budget with it.
    fn serving(subject: &Subject<'_>) -> Self {
        let change = subject.plan.change();
        let mut servers = BTreeMap::new();
        let others = sharing(change, subject.pool).filter(|pool| pool.name != subject.pool.name);
        let mut scopes = Scopes::of(change);
        for pool in std::iter::once(subject.pool).chain(others) {
            let ask = Ask { services: scopes.scope(pool).serving.clone(), ..Ask::default() };
            servers.extend(pool.present().map(|server| (server.name.clone(), ask.clone())));
        }
        Self {
            pool: subject.pool.name.clone(),
            servers,
            names: None,
            balancer: AskBalancer::Leave,
            within: Some(POOL_ANSWER),
            lease: None,
        }
    }

    /// The whole pool, for the safety questions: what [`scope::evidence`] names, and what the step itself has to see.
    fn pool(subject: &Subject<'_>, own: Ask) -> Self {
        let mut evidence = scope::evidence(subject.plan.change(), subject.pool, Some(&subject.work.server));
        let asked = evidence.servers.entry(subject.work.server.clone()).or_default();
        asked.parts.extend(own.parts);
        let more: Vec<ServiceName> = own.services.into_iter().filter(|name| !asked.services.contains(name)).collect();
        asked.services.extend(more);
        let more: Vec<ServiceName> = own.sessions.into_iter().filter(|name| !asked.sessions.contains(name)).collect();
        asked.sessions.extend(more);
        let mut scopes = Scopes::of(subject.plan.change());
        for pool in sharing(subject.plan.change(), subject.pool).filter(|pool| pool.name != subject.pool.name) {
            let services = scopes.scope(pool).serving.clone();
            let ask = Ask { services, ..Ask::default() };
            evidence.servers.extend(pool.present().map(|server| (server.name.clone(), ask.clone())));
        }
        Self {
            pool: subject.pool.name.clone(),
            servers: evidence.servers,
            names: evidence.names,
            balancer: if evidence.balancer { AskBalancer::Ask } else { AskBalancer::Leave },
            within: None,
            lease: None,
        }
    }

    /// The installer's file is asked about once, by the guard: to hash it again takes seconds, in which the rest of the
    /// evidence grows old. Right before it is run the server compares it once more.
    fn without_file(mut self, subject: &Subject<'_>) -> Self {
        if let Some(own) = self.servers.get_mut(&subject.work.server) {
            (own.file, own.more_files) = (None, Vec::new());
            own.parts.remove(&Part::Fitness);
        }
        self
    }

    /// Asks what the gate compares with the time before the server went.
    fn ask_after(&mut self, subject: &Subject<'_>, scratch: &Scratch) {
        if subject.own.snapshot.as_ref().is_some_and(|snapshot| snapshot.fabric.is_some()) {
            self.ask_another(subject, scratch, Part::Fabric);
        }
        if subject.hosts_central_management() && subject.own.back.is_none() {
            let central = safety::concerns_central_management(subject.plan.change(), subject.pool);
            let parts = [Some(Part::Replication), central.then_some(Part::CentralManagement)].into_iter().flatten();
            if subject.pool.servers.len() > 1 {
                parts.for_each(|part| self.ask_another(subject, scratch, part));
            } else {
                let own = self.servers.entry(subject.work.server.clone()).or_default();
                own.parts.extend(parts);
            }
        }
    }

    /// Asks one server that is not the one in work about the pool: the one after it, so that no server has to speak for all of
    /// them, and another one after each failed look.
    fn ask_another(&mut self, subject: &Subject<'_>, scratch: &Scratch, part: Part) {
        let out = subject.others_out();
        let servers = &subject.pool.servers;
        let place = servers.iter().position(|server| server.name == subject.work.server).map_or(0, |place| place + 1);
        let (before, after) = servers.split_at(place);
        let others: Vec<&ServerName> = after
            .iter()
            .chain(before)
            .filter(|server| server.away.is_none())
            .map(|server| &server.name)
            .filter(|name| **name != subject.work.server && !out.contains(*name))
            .collect();
        if let Some(name) = others.get(scratch.unknown_looks as usize % others.len().max(1)) {
            self.servers.entry((*name).clone()).or_default().parts.insert(part);
        }
    }
}
