//! Whether the servers of a pool ended at one level.
//!
//! The product wants all servers of a pool at one level. An installer that says "done" and left a component out is seen
//! beside a server on which it did not, so the servers are compared with each other. Where it left the component out on
//! every server, or the pool has one, only the level shows it: what is older is named, until the plan says which
//! components the update touches.

use crate::record::ServerEnd;
use crate::state::{RunState, WorkState};
use orchestrate_model::change::Maintenance;
use orchestrate_model::version::{ComponentVersion, Level, Mixed, Reached, Version, mixed};
use orchestrate_model::{Answer, Pool, ServerName};
use orchestrate_planner::Plan;
use orchestrate_planner::plan::ServerWork;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The levels of a pool whose servers are all done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLevels<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// The components that are at different versions on its servers.
    pub mixed: Vec<Mixed<'a>>,
    /// The components that are below the level although their servers are at it, by name and version, and who has them.
    pub older: BTreeMap<(&'a str, &'a Version), BTreeSet<&'a ServerName>>,
    /// The components that are older than they were before the run touched their server, by server.
    pub fell: Vec<(&'a ServerName, Vec<Fell<'a>>)>,
    /// The servers whose versions are not known, with the reasons.
    pub unknown: Vec<(&'a ServerName, &'a str)>,
}

/// A component that is older than it was: whatever an installer says, this server was not brought forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fell<'a> {
    /// Its name.
    pub component: &'a str,
    /// What it was before.
    pub from: &'a Version,
    /// What it is.
    pub to: &'a Version,
}

impl fmt::Display for Fell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fell from {} to {}", self.component, self.from, self.to)
    }
}

/// Returns the components that are older now than before the first change of the run. Where each installer states a level, those
/// that these are about: one without a level may bring anything.
#[must_use]
pub fn fell<'a>(work: &'a WorkState, maintenance: &Maintenance, now: &'a [ComponentVersion]) -> Vec<Fell<'a>> {
    // A later pass is recorded as an earlier one has left it.
    let first = work.earlier.as_ref().or(work.snapshot.as_ref());
    let before = first.map(|snapshot| snapshot.versions.as_slice()).unwrap_or_default();
    let levels: Vec<&Level> = if states_all(maintenance) { maintenance.levels().collect() } else { Vec::new() };
    let concerned = before.iter().filter(|one| levels.is_empty() || levels.iter().any(|level| level.concerns(one)));
    // A server may list a component twice, in two versions: the newest counts.
    let newest = |list: &'a [ComponentVersion], name: &str| {
        list.iter().filter(|one| one.component == name).map(|one| &one.version).max()
    };
    let mut found: Vec<Fell<'a>> = concerned
        .filter_map(|one| {
            let (from, to) = (newest(before, &one.component)?, newest(now, &one.component)?);
            (to < from).then_some(Fell { component: &one.component, from, to })
        })
        .collect();
    found.dedup();
    found
}

/// Returns what fell on a server, as it was seen when the run ended.
#[must_use]
pub fn fell_at_end<'a>(plan: &Plan, work: &'a WorkState) -> Vec<Fell<'a>> {
    let maintenance = &plan.change().maintenance;
    if !maintenance.installs() {
        return Vec::new();
    }
    let now = work.level.as_ref().and_then(Answer::known).or(work.installed.as_ref());
    now.map_or_else(Vec::new, |now| fell(work, maintenance, now))
}

impl PoolLevels<'_> {
    /// Returns whether all servers are proven to be at one level.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.mixed.is_empty() && self.unknown.is_empty()
    }

    /// Returns whether, besides, no component is left below the level, and none is older than before.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_one() && self.older.is_empty() && self.fell.is_empty()
    }
}

/// Returns the levels of each pool that was patched and whose servers are all done and were asked at the end of the run.
#[must_use]
pub fn of<'a>(plan: &'a Plan, state: &'a RunState) -> Vec<PoolLevels<'a>> {
    let pools = plan.change().pools.iter().enumerate();
    pools.filter_map(|(position, pool)| of_pool(plan, state, (position, pool))).collect()
}

fn of_pool<'a>(plan: &'a Plan, state: &'a RunState, (position, pool): (usize, &'a Pool)) -> Option<PoolLevels<'a>> {
    let maintenance = &plan.change().maintenance;
    if !maintenance.installs() {
        return None;
    }
    let works = plan.work().iter().zip(&state.work).filter(|(work, _)| work.pool as usize == position);
    let (mut known, mut unknown, mut fell) = (Vec::new(), Vec::new(), Vec::new());
    for (work, own) in works {
        // What is away, or left out by choice, says nothing about those that were worked on.
        if plan.left_out(work).is_some() {
            continue;
        }
        if !is_done(own) {
            return None;
        }
        let lower = fell_at_end(plan, own);
        if !lower.is_empty() {
            fell.push((&work.server, lower));
        }
        match own.level.as_ref()? {
            Answer::Known(versions) if !versions.iter().any(|one| maintenance.concerns(one)) => {
                unknown.push((&work.server, NOTHING_NAMED));
            }
            Answer::Known(versions) => known.push((&work.server, versions.as_slice())),
            Answer::Unknown(why) => unknown.push((&work.server, why.as_str())),
        }
    }
    if known.is_empty() && unknown.is_empty() {
        return None;
    }
    let all: Vec<(&ServerName, &[ComponentVersion])> = known;
    let mut mixed = mixed(all.iter().copied());
    mixed.retain(|mixed| is_concerned(maintenance, mixed));
    let mut older: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (server, components) in &all {
        for own in maintenance.levels().flat_map(|level| level.older(components)) {
            older.entry((own.component.as_str(), &own.version)).or_default().insert(*server);
        }
    }
    // What differs between servers is told as that.
    older.retain(|(component, _), _| mixed.iter().all(|mixed| mixed.component != *component));
    Some(PoolLevels { pool, mixed, older, fell, unknown })
}

/// Such a list proves nothing about a server that runs the product.
const NOTHING_NAMED: &str = "it named no component that the level is about";

/// Without a level every component of the product counts.
fn is_concerned(maintenance: &Maintenance, mixed: &Mixed<'_>) -> bool {
    let concerned = |version: &&orchestrate_model::Version| {
        let component = ComponentVersion { component: mixed.component.to_owned(), version: (*version).clone() };
        maintenance.concerns(&component)
    };
    mixed.versions.keys().any(concerned)
}

fn is_done(work: &WorkState) -> bool {
    matches!(work.end, Some(ServerEnd::Finished | ServerEnd::NothingToDo { .. }))
}

/// Returns whether a server is asked for its level at the end: the change patches, and a server of its pool is done,
/// or an installer was started on one of them. What is said of levels then was seen.
pub(crate) fn is_asked(plan: &Plan, state: &RunState, position: usize) -> bool {
    let pool = plan.work()[position].pool;
    let of_pool = |work: &ServerWork| work.pool == pool && plan.left_out(work).is_none();
    let works = || plan.work().iter().zip(&state.work).filter(|(work, _)| of_pool(work)).map(|(_, own)| own);
    plan.left_out(&plan.work()[position]).is_none()
        && plan.change().maintenance.installs()
        && (works().any(WorkState::patch_started) || (!state.recover && works().any(is_done)))
}

/// What a server was seen to be at when the run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// At the level or above it, in words.
    At(String),
    /// Below it.
    Below(String),
    /// It did not say, for this reason.
    Unknown(String),
    /// It was not asked.
    NotAsked,
}

/// Returns what a server was seen to be at when the run ended, as far as the level goes.
#[must_use]
pub fn seen(level: &Level, work: &WorkState) -> Seen {
    match &work.level {
        None => Seen::NotAsked,
        Some(Answer::Unknown(why)) => Seen::Unknown(why.clone()),
        Some(Answer::Known(versions)) => match level.reached(versions) {
            Reached::Yes(found) => Seen::At(level.above(versions).unwrap_or_else(|| format!("at {found}"))),
            Reached::No(found) => Seen::Below(found),
            Reached::NothingInstalled => Seen::Unknown(NOTHING_NAMED.to_owned()),
        },
    }
}

/// Returns what of these components is below the level although the server is at it, in words.
pub(crate) fn below(level: &Level, versions: &[ComponentVersion]) -> Option<String> {
    let each: Vec<String> = level.older(versions).map(|own| format!("{} {}", own.component, own.version)).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// Returns the components that the installer raised on another server of the pool in this run, from the version that
/// this server had too, and did not raise on this one: each with the version there, and who has it. `now` is what is
/// installed on the server.
pub(crate) fn left_out<'a>(
    plan: &'a Plan,
    state: &'a RunState,
    position: usize,
    now: &'a [ComponentVersion],
) -> Vec<(&'a ComponentVersion, &'a ComponentVersion, BTreeSet<&'a ServerName>)> {
    let Some(before) = before(&state.work[position]) else {
        return Vec::new();
    };
    let maintenance = &plan.change().maintenance;
    let pool = plan.work()[position].pool;
    let mut found: Vec<(&ComponentVersion, &ComponentVersion, BTreeSet<&ServerName>)> = Vec::new();
    for (at, (work, other)) in plan.work().iter().zip(&state.work).enumerate() {
        let patched = other.installed.as_ref().zip(self::before(other));
        let Some((theirs, theirs_before)) = patched.filter(|_| at != position && work.pool == pool) else { continue };
        for own in now.iter().filter(|own| maintenance.concerns(own)) {
            let same = |one: &&ComponentVersion| one.component == own.component;
            let Some(there) = theirs.iter().find(same) else { continue };
            let equal_before = theirs_before.iter().find(same).is_some_and(|one| before.contains(one));
            if own.version < there.version && equal_before {
                match found.iter_mut().find(|(found, ..)| found.component == own.component) {
                    Some((_, _, who)) => drop(who.insert(&work.server)),
                    None => found.push((own, there, BTreeSet::from([&work.server]))),
                }
            }
        }
    }
    found
}

/// Whether every installer states the level that it brings.
pub(crate) fn states_all(maintenance: &Maintenance) -> bool {
    maintenance.installers.iter().all(|patch| patch.level.is_some())
}

/// What was installed on a server before its patch.
fn before(work: &WorkState) -> Option<&[ComponentVersion]> {
    work.snapshot.as_ref().or(work.earlier.as_ref()).map(|snapshot| snapshot.versions.as_slice())
}
