//! Which services of a pool a change is about, and what has to be asked to judge it.

use crate::safety;
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::{Maintenance, Scope};
use orchestrate_model::observe::{DnsAsk, Part};
use orchestrate_model::pool::{Balancer, Hosted, SipBalancing};
use orchestrate_model::{
    Ask, Change, DnsName, Feature, Pool, PoolObservation, Product, Server, ServerName, ServiceName,
};
use std::collections::{BTreeMap, BTreeSet};

/// The services of one pool that a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolScope {
    /// Services to block on each server, in the order in which they are paused.
    pub block: Vec<ServiceName>,
    /// Services that are watched but never waited for.
    pub support: Vec<ServiceName>,
    /// The services that must run for a server to count as in service: those to block, and the registrar where the
    /// role has it, since nothing else on the server serves without it.
    pub serving: Vec<ServiceName>,
    /// Other services that the catalogue knows a server of this role to run, optional ones too. They are asked about,
    /// since one of them may have sessions that nobody drains. So are those that the plan names for the pool and that
    /// are not blocked for their own sake.
    pub beside: Vec<ServiceName>,
    /// Those of `block` that the plan does not ask for: they depend on one that is blocked, as was seen.
    pub dependents: BTreeSet<ServiceName>,
}

impl PoolScope {
    /// Returns the services of `pool` that `change` is about.
    #[must_use]
    pub fn of(change: &Change, pool: &Pool) -> Self {
        let usual = catalogue::expected(pool.product, pool.role).filter_map(catalogue::ServiceFacts::service_name);
        let mut runs: Vec<ServiceName> = usual.collect();
        for extra in &pool.extra_services {
            if !runs.contains(extra) {
                runs.push(extra.clone());
            }
        }
        in_catalogue_order(&mut runs);
        let registrar = runs.iter().find(|name| name.as_str().eq_ignore_ascii_case("RTCSRV")).cloned();
        let mut block: Vec<ServiceName> = match &change.maintenance.scope {
            Scope::AllServices => runs.iter().filter(|name| class(name) == DrainClass::Session).cloned().collect(),
            Scope::Services(wanted) => wanted.iter().filter(|name| may_run(pool, name)).cloned().collect(),
        };
        in_catalogue_order(&mut block);
        let support = match &change.maintenance.scope {
            Scope::AllServices => runs.into_iter().filter(|name| class(name) == DrainClass::Support).collect(),
            Scope::Services(_) => Vec::new(),
        };
        let mut serving = block.clone();
        if let Some(registrar) = registrar
            && !serving.contains(&registrar)
        {
            serving.insert(0, registrar);
        }
        let known = |name: &ServiceName| block.contains(name) || support.contains(name) || serving.contains(name);
        let named = pool.extra_services.iter().filter(|name| catalogue::service(name).is_none()).cloned();
        let beside = of_role(pool).chain(named).filter(|name| !known(name)).collect();
        Self { block, support, serving, beside, dependents: BTreeSet::new() }
    }

    /// Returns the scope with every service that was seen to depend, on some server and through any others, on one that
    /// is blocked: it is blocked with it. What the catalogue does not know is taken for a service with sessions. Whether
    /// a server serves does not hang on such a stranger, unless the plan names it.
    #[must_use]
    pub fn with_dependents(mut self, seen: &PoolObservation) -> Self {
        let mut reached: Vec<ServiceName> = self.block.clone();
        let mut position = 0;
        while position < reached.len() {
            let statuses = seen.servers.values().filter_map(|server| server.service(&reached[position]));
            let dependents: BTreeSet<&ServiceName> = statuses.filter_map(|s| s.dependents.known()).flatten().collect();
            let touched = dependents.into_iter().filter(|name| class(name) != DrainClass::Infrastructure);
            let new: Vec<ServiceName> = touched.filter(|name| !reached.contains(name)).cloned().collect();
            reached.extend(new);
            position += 1;
        }
        let of_product = |name: &ServiceName| catalogue::service(name).is_some() && class(name) == DrainClass::Session;
        for name in reached.into_iter().skip(self.block.len()) {
            let named = self.beside.contains(&name) && catalogue::service(&name).is_none();
            self.beside.retain(|beside| *beside != name);
            self.support.retain(|support| *support != name);
            if (of_product(&name) || named) && !self.serving.contains(&name) {
                self.serving.push(name.clone());
            }
            self.dependents.insert(name.clone());
            self.block.push(name);
        }
        in_catalogue_order(&mut self.block);
        self
    }

    /// Returns the DNS-dependent features that are blocked with the scope.
    pub fn features(&self) -> impl Iterator<Item = (Feature, &ServiceName)> {
        Feature::ALL.into_iter().filter_map(|feature| {
            let service = self.block.iter().find(|name| name.as_str().eq_ignore_ascii_case(feature.service()))?;
            Some((feature, service))
        })
    }

    /// Returns whether a service is blocked only because it depends on one that is, and no source knows it: nobody can
    /// say how it usually is.
    #[must_use]
    pub fn is_stranger(&self, service: &ServiceName) -> bool {
        self.dependents.contains(service) && catalogue::service(service).is_none()
    }

    /// Returns whether a service is blocked with the scope.
    #[must_use]
    pub fn blocks(&self, service: &str) -> bool {
        self.block.iter().any(|name| name.as_str().eq_ignore_ascii_case(service))
    }
}

/// Returns the part of a service in a drain. One that no source knows may have sessions.
pub(crate) fn class(name: &ServiceName) -> DrainClass {
    catalogue::service(name).map_or(DrainClass::Session, |facts| facts.drain)
}

/// Returns the services with a known name that a server of the pool may run, in the order of the catalogue.
fn of_role(pool: &Pool) -> impl Iterator<Item = ServiceName> {
    let known = catalogue::SERVICES.iter().filter_map(catalogue::ServiceFacts::service_name);
    known.filter(|name| class(name) != DrainClass::Infrastructure && may_run(pool, name))
}

/// Returns whether a server leaves the pool's balancer while it is blocked. With chosen services it does so only where
/// one of them stands behind the balancer; the rest of the server goes on serving.
pub(crate) fn leaves_balancer(change: &Change, pool: &Pool, scope: &PoolScope) -> bool {
    let chosen = matches!(change.maintenance.scope, Scope::Services(_)) && pool.product != Product::Generic;
    let behind = scope.blocks("W3SVC") || pool.load_balancing.sip == SipBalancing::Hardware;
    pool.load_balancing.balancer != Balancer::None && (!chosen || behind)
}

/// Returns whether a server of the pool may run a service that the plan names: a service of another role is not
/// looked for there, so that one plan can name services of several pools.
fn may_run(pool: &Pool, name: &ServiceName) -> bool {
    if pool.extra_services.contains(name) {
        return true;
    }
    match catalogue::service(name) {
        Some(facts) => {
            facts.products.contains(&pool.product)
                && (facts.roles.contains(&pool.role) || facts.optional_roles.contains(&pool.role))
        }
        // A pool of no product runs what the plan says; on a server of a product a stranger has to be named.
        None => pool.product == Product::Generic,
    }
}

/// Returns services so that each comes after those that it waits for, and otherwise as they are given.
#[must_use]
pub fn each_after(
    mut left: Vec<&ServiceName>,
    waits_for: impl Fn(&ServiceName, &ServiceName) -> bool,
) -> Vec<&ServiceName> {
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = |name: &&ServiceName| !left.iter().any(|other| other != name && waits_for(name, other));
        // Services that depend on each other in a circle cannot be ordered: the first of them goes first.
        let next = left.iter().position(free).unwrap_or(0);
        order.push(left.remove(next));
    }
    order
}

fn in_catalogue_order(names: &mut Vec<ServiceName>) {
    let place = |name: &ServiceName| {
        let known = catalogue::SERVICES
            .iter()
            .position(|facts| facts.name.is_some_and(|known| known.eq_ignore_ascii_case(name.as_str())));
        known.unwrap_or(catalogue::SERVICES.len())
    };
    names.sort_by_cached_key(place);
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

/// What has to be asked so that [`crate::safety::assess`] can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What to ask each server of the pool.
    pub servers: BTreeMap<ServerName, Ask>,
    /// Which names to look up, where DNS matters to the pool.
    pub names: Option<DnsAsk>,
    /// Whether the pool has a balancer that can be asked.
    pub balancer: bool,
}

/// Returns what to ask about `pool` before `server` may go out, or, without a server, before the change is planned.
///
/// A server that the plan says to be away is asked nothing. Services of the product that nobody names are looked for where whole servers are maintained, on the same servers as
/// sessions. Readiness is asked of every server but the one in work, which may be about to go. Sessions are asked of the one in
/// work (of all while planning), and so is the file of the installer; versions while planning a patch.
#[must_use]
pub fn evidence(change: &Change, pool: &Pool, server: Option<&ServerName>) -> Evidence {
    let scope = PoolScope::of(change, pool);
    let mut services = scope.serving.clone();
    services.extend(scope.support.iter().chain(&scope.beside).cloned());
    // What depends on a chosen service is blocked with it, and nobody knows before the look what does. What runs beside the
    // plan is asked about while planning, so that all that is missing for it is said at once.
    let mut counted_services = scope.block.clone();
    let whole = change.maintenance.scope == Scope::AllServices;
    if !whole || server.is_none() {
        counted_services.extend(scope.beside.iter().filter(|name| class(name) == DrainClass::Session).cloned());
    }
    // What the plan says how to count may turn out to depend on what is blocked, too.
    let measured = pool.measures.keys().filter(|name| !counted_services.contains(name));
    counted_services.extend(measured.cloned().collect::<Vec<_>>());
    let replicates = pool.servers.iter().any(|server| server.hosts.contains(&Hosted::CentralManagement));
    let concerned = safety::concerns_central_management(change, pool);
    let ask = |name: &ServerName| {
        let counted = server.is_none_or(|server| server == name);
        let mut parts = BTreeSet::from([Part::Host, Part::Lease]);
        if pool.has_fabric() && server != Some(name) {
            parts.insert(Part::Readiness);
        }
        if replicates {
            parts.insert(Part::Replication);
        }
        if concerned {
            parts.insert(Part::CentralManagement);
        }
        if counted && whole && pool.product != Product::Generic {
            parts.insert(Part::ProductServices);
        }
        if server.is_none() && change.maintenance.installs() {
            parts.insert(Part::Versions);
        }
        if counted && change.maintenance.asks_fitness() {
            parts.insert(Part::Fitness);
        }
        let sessions = if counted { counted_services.clone() } else { Vec::new() };
        let maintenance = Some(&change.maintenance).filter(|_| counted);
        let file = maintenance.and_then(|all| all.installers.first()).map(|patch| patch.installer.clone());
        let more_files = maintenance.map(Maintenance::more_files).unwrap_or_default();
        Ask { parts, services: services.clone(), sessions, installer: None, file, more_files }
    };
    Evidence {
        servers: pool.present().map(|server| (server.name.clone(), ask(&server.name))).collect(),
        names: names(pool),
        balancer: matches!(pool.load_balancing.balancer, Balancer::Haproxy(_)) && leaves_balancer(change, pool, &scope),
    }
}

fn names(pool: &Pool) -> Option<DnsAsk> {
    let external: Vec<DnsName> = pool.external_names().into_iter().map(|(name, _)| name.clone()).collect();
    let mut names = Vec::new();
    if pool.load_balancing.sip == SipBalancing::Dns || pool.load_balancing.web.is_some() {
        names.push(pool.name.dns());
        // Of a server that is away only its address matters, which the plan may state.
        let looked_up = |server: &&Server| server.away.is_none() || server.addresses.is_empty();
        names.extend(pool.servers.iter().filter(looked_up).map(|server| server.name.dns()));
        names.extend(pool.load_balancing.web.clone());
    }
    names.extend(pool.load_balancing.entry.iter().cloned());
    let any = !(names.is_empty() && external.is_empty());
    any.then(|| DnsAsk { pool: pool.name.clone(), names, external })
}
