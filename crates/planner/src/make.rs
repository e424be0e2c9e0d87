//! The one way to make a plan.

use crate::check::{self, Violation};
use crate::findings::{self, Context, Mutes, Obstacles};
use crate::forecast::{self, Likely, forecast};
use crate::limits::Earlier;
use crate::order;
use crate::plan::{Finding, Plan, ServerWork};
use crate::report::{self, Report, ServerSafety};
use crate::safety::Look;
use crate::schedule::{Demand, Schedule};
use crate::scope::PoolScope;
use crate::windows::{Calendar, UnknownZone};
use crate::words::{are, few, list};
use crate::{build, plan};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::{Change, Pool, PoolName, PoolObservation, Server, ServerName, ServerObservation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use thiserror::Error;

/// What was seen before planning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// The pools that were looked at. Empty for a plan made without the network; a pool that is missing is planned from
    /// the plan file and the catalogue alone, and its steps are called assumed.
    pub pools: BTreeMap<PoolName, PoolObservation>,
    /// When the look at each pool was over, where that is known. A survey of hundreds of pools takes longer than evidence
    /// lives: what was seen of a pool is of the moment at which its own look was over, and a run asks again before it
    /// does anything.
    pub looked: BTreeMap<PoolName, Timestamp>,
    /// The machine that the run is controlled from.
    pub control_host: ControlHost,
    /// Servers on which an installer of an earlier run has asked for a restart that the run did not see.
    pub owed: BTreeMap<ServerName, Owed>,
    /// How long servers of the pools took in earlier runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub earlier: BTreeMap<PoolName, Earlier>,
}

/// A restart that an installer has asked for in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The run.
    pub run: String,
    /// What the installer ended with.
    pub code: i64,
    /// When it ended, by the clock of the control host.
    pub ended: Timestamp,
}

/// The machine that the run is controlled from, as far as it knows itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlHost {
    /// Its names, short or fully qualified, in any case.
    pub names: BTreeSet<String>,
    /// Its addresses. Loopback addresses are ignored.
    pub addresses: BTreeSet<IpAddr>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Pools wait for each other. A fault of the plan file.
    #[error("these pools wait for each other: {}", list(.0))]
    Cycle(Vec<PoolName>),
    /// A window's time zone is not known. A fault of the plan file.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    /// The finished plan did not pass its own check. A fault of this program (exit code 70).
    #[error("the plan breaks its own rules, which is a fault of orchestrate: {}", list(.0))]
    Broken(Vec<Violation>),
}

/// Returns the plan for a change as the pools were seen, with what is to be said about it.
///
/// A plan is returned even when it may not be run: it then has refusals among its findings ([`Plan::refusals`]), and a
/// run must end before its first change (exit code 9).
///
/// # Errors
/// When the plan file contradicts itself, or when the finished plan does not pass [`check::check`].
pub fn make(change: &Change, seen: &Observations, now: Timestamp) -> Result<(Plan, Report), PlanError> {
    let (mut plan, report) = made(change, seen, now)?;
    if !change.only.is_empty() {
        // Whoever has approved all of it has approved a part of it.
        plan.whole = Some(made(&change.whole(), seen, now)?.0.fingerprint());
    }
    Ok((plan, report))
}

fn made(change: &Change, seen: &Observations, now: Timestamp) -> Result<(Plan, Report), PlanError> {
    let pools_order = order::pool_order(change).map_err(PlanError::Cycle)?;
    let pool_edges = &pools_order.edges;
    let calendar = Calendar::new(&change.windows, &change.freezes)?;
    let nobody = BTreeSet::new();
    let pools = Pools::of(change, seen, &nobody);
    let sizes: Vec<Vec<usize>> = pools.batches.iter().map(|batches| batches.iter().map(Vec::len).collect()).collect();
    let takes: Vec<SignedDuration> = pools.scopes.iter().map(|scope| forecast::worst_case_of(change, scope)).collect();
    let more: Vec<SignedDuration> = pools.more_soak(change);
    let demand = Demand {
        sizes: &sizes,
        takes: &takes,
        more: &more,
        edges: pool_edges,
        places: &pools.places,
        shares: &pools.shares,
    };
    let schedule = Schedule::of(&demand);
    let built = build::build(&build::Parts {
        change,
        scopes: &pools.scopes,
        batches: &pools.batches,
        skipped: &pools.skipped,
        schedule: &schedule,
        pool_edges,
        seen: &pools.seen,
    });
    let likely = Likely::of(change, &pools.scopes, &seen.earlier);
    let forecast = forecast(&demand, &likely, &schedule, (&calendar, now), |batch| {
        let pool = &change.pools[batch.pool];
        let positions = &pools.batches[batch.pool][batch.number];
        (pool.name.clone(), positions.iter().map(|position| pool.servers[*position].name.clone()).collect())
    });
    let mut plan = Plan {
        schema: plan::SCHEMA,
        change: change.clone(),
        work: built.work,
        steps: built.steps,
        edges: built.edges,
        findings: Vec::new(),
        whole: None,
    };
    let mut safety = pools.safety(&plan, |pool| seen.looked.get(pool).copied().unwrap_or(now));
    let obstacles = Obstacles::of(&pools.looks);
    let mutes = Mutes::of(&pools.looks);
    let context = Context {
        change,
        seen,
        looks: &pools.looks,
        scopes: &pools.scopes,
        safety: &safety,
        obstacles: &obstacles,
        mutes: &mutes,
        dropped: &pools_order.dropped,
        calendar: &calendar,
        now,
    };
    plan.findings = findings::find(&context, &plan, &forecast);
    let broken = check::check(&plan);
    if !broken.is_empty() {
        return Err(PlanError::Broken(broken));
    }
    obstacles.shorten_all(&mut safety);
    mutes.shorten_all(&mut safety);
    let report = Report { order: report::order(&plan), safety, forecast, findings: plan.findings.clone() };
    Ok((plan, report))
}

/// Returns what a dry run finds of each server that was looked at and is to go, server by server: what several have in
/// common is told for each of them. [`make`] says the same of all together.
#[must_use]
pub fn found_by_server(change: &Change, seen: &Observations, now: Timestamp) -> BTreeMap<ServerName, Vec<Finding>> {
    let nobody = BTreeSet::new();
    let pools = Pools::of(change, seen, &nobody);
    let mut found = BTreeMap::new();
    for (look, skipped) in pools.looks.iter().zip(&pools.skipped) {
        let Some(look) = look else { continue };
        let looked = seen.looked.get(&look.pool.name).copied().unwrap_or(now);
        let servers = look.pool.servers.iter().enumerate();
        for (_, server) in servers.filter(|(position, _)| !skipped.contains_key(position)) {
            let Some(observed) = look.seen.servers.get(&server.name) else { continue };
            let safety = ServerSafety {
                pool: look.pool.name.clone(),
                server: server.name.clone(),
                asked: look.assess(&server.name, looked),
                silent: observed.is_silent(),
            };
            found.insert(server.name.clone(), findings::of_server(look, &safety));
        }
    }
    found
}

/// What is worked out for each pool before anything else.
struct Pools<'a> {
    seen: Vec<Option<&'a PoolObservation>>,
    looks: Vec<Option<Look<'a>>>,
    scopes: Vec<PoolScope>,
    skipped: Vec<BTreeMap<usize, String>>,
    batches: Vec<Vec<Vec<usize>>>,
    /// The budgets each pool shares.
    shares: Vec<Vec<usize>>,
    /// How many places each shared budget has left, those already down counted; at least one, since a budget that is
    /// used up is a refusal and not an endless wait.
    places: Vec<usize>,
}

impl<'a> Pools<'a> {
    fn of(change: &'a Change, seen: &'a Observations, nobody: &'a BTreeSet<ServerName>) -> Self {
        let seen: Vec<_> = change.pools.iter().map(|pool| seen.pools.get(&pool.name)).collect();
        let scope = |(pool, seen): (&Pool, &Option<&PoolObservation>)| {
            let scope = PoolScope::of(change, pool);
            if let Some(seen) = seen { scope.with_dependents(seen) } else { scope }
        };
        let scopes: Vec<PoolScope> = change.pools.iter().zip(&seen).map(scope).collect();
        let look = |((pool, seen), scope): ((&'a Pool, &Option<&'a PoolObservation>), &PoolScope)| {
            seen.map(|seen| Look::at(change, pool, scope.clone(), seen, nobody))
        };
        let looks: Vec<_> = change.pools.iter().zip(&seen).zip(&scopes).map(look).collect();
        let both = || looks.iter().zip(&change.pools);
        let down: Vec<BTreeSet<usize>> =
            both().map(|(look, pool)| look.as_ref().map_or_else(|| away(pool), down)).collect();
        let skipped: Vec<_> = both().map(|(look, pool)| skipped(change, pool, look.as_ref())).collect();
        let budgets = || change.budgets.iter().enumerate();
        let shares: Vec<Vec<usize>> = change
            .pools
            .iter()
            .map(|pool| budgets().filter(|(_, b)| pool.labels.contains(&b.label)).map(|(place, _)| place).collect())
            .collect();
        let places: Vec<usize> = budgets()
            .map(|(budget, shared)| {
                let sharing = (0..change.pools.len()).filter(|pool| shares[*pool].contains(&budget));
                let gone: usize = sharing.map(|pool| in_budget(&change.pools[pool], &down[pool])).sum();
                (shared.at_once as usize).saturating_sub(gone).max(1)
            })
            .collect();
        let batches = change.pools.iter().enumerate().map(|(place, pool)| {
            let own = change.maintenance.at_once as usize;
            // What is down counts in the pool's own budget here and was taken off the shared ones above.
            let shared = shares[place].iter().map(|budget| places[*budget] + in_budget(pool, &down[place]));
            let most = shared.chain([own]).min().unwrap_or(own);
            order::batches(pool, most, &skipped[place], &down[place])
        });
        let batches = batches.collect();
        Self { seen, looks, scopes, skipped, batches, shares, places }
    }

    /// Returns, for each pool, how much longer than the others its first batch soaks.
    fn more_soak(&self, change: &Change) -> Vec<SignedDuration> {
        let usual = change.maintenance.soak;
        let each = change.pools.iter().zip(&self.batches);
        let more = each.map(|(pool, batches)| {
            let first = batches.first().and_then(|batch| batch.first());
            first.map_or(SignedDuration::ZERO, |first| pool.soak_of(&pool.servers[*first].name, usual) - usual)
        });
        more.collect()
    }

    /// Returns the questions about every server that is to go, asked as if the others of its batch were out, as of the
    /// moment when the look at its pool was over.
    fn safety(&self, plan: &Plan, looked: impl Fn(&PoolName) -> Timestamp) -> Vec<ServerSafety> {
        let mut safety = Vec::new();
        let todo: Vec<&ServerWork> = plan.work.iter().filter(|work| work.skip.is_none()).collect();
        for batch in todo.chunk_by(|a, b| (a.pool, a.batch) == (b.pool, b.batch)) {
            let Some(look) = &self.looks[batch[0].pool as usize] else {
                continue;
            };
            let together: BTreeSet<ServerName> = batch.iter().map(|work| work.server.clone()).collect();
            let with_mates = (batch.len() > 1).then(|| Look::new(look.change, look.pool, look.seen, &together));
            let look = with_mates.as_ref().unwrap_or(look);
            safety.extend(batch.iter().map(|work| {
                let asked = look.assess(&work.server, looked(&look.pool.name));
                let silent = look.seen.servers.get(&work.server).is_some_and(ServerObservation::is_silent);
                ServerSafety { pool: look.pool.name.clone(), server: work.server.clone(), asked, silent }
            }));
        }
        safety
    }
}

/// Returns the positions of the servers that are not known to serve.
fn down(look: &Look<'_>) -> BTreeSet<usize> {
    let servers = look.standings.iter().enumerate();
    servers.filter(|(_, standing)| !standing.serves()).map(|(position, _)| position).collect()
}

/// Returns the positions of the servers that the plan says to be away.
fn away(pool: &Pool) -> BTreeSet<usize> {
    let servers = pool.servers.iter().enumerate();
    servers.filter(|(_, server)| server.away.is_some()).map(|(position, _)| position).collect()
}

/// Returns how many of the servers that are down take a place of the budgets.
fn in_budget(pool: &Pool, down: &BTreeSet<usize>) -> usize {
    down.iter().filter(|position| !pool.servers[**position].is_beside_budget()).count()
}

/// Returns the positions of the servers that nothing is done to, with the reason.
fn skipped(change: &Change, pool: &Pool, look: Option<&Look<'_>>) -> BTreeMap<usize, String> {
    let why = |server: &Server| {
        if let Some(away) = &server.away {
            return Some(away.to_string());
        }
        if change.leaves_out(&server.name) {
            let chosen: Vec<&str> = change.only.iter().map(ServerName::short).collect();
            return Some(format!("left out by choice: only {} {} worked on", few(&chosen), are(chosen.len())));
        }
        let look = look?;
        build::already_patched(look, look.seen.servers.get(&server.name)?)
    };
    let servers = pool.servers.iter().enumerate();
    servers.filter_map(|(position, server)| Some((position, why(server)?))).collect()
}
