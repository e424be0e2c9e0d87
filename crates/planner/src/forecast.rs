//! How long the work takes at worst, and how many openings of the windows it needs.
//!
//! Sessions end when they end, so nothing here promises: every drain is taken to last until its deadline.

use crate::limits::{self, Earlier, Since};
use crate::order::PoolEdge;
use crate::schedule::{Batch, Demand, Schedule};
use crate::scope::PoolScope;
use crate::windows::{Calendar, Opening};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::{Change, Pool, PoolName, ServerName};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many openings are looked through before the work is called too long to place.
const OPENINGS: usize = 400;

/// How long the work takes at worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// How many servers are taken out.
    pub servers: usize,
    /// What one server takes at worst: the largest over the pools.
    pub one_server: SignedDuration,
    /// What one server likely takes: the largest over the pools.
    pub one_likely: SignedDuration,
    /// What has to be left of a window before a server is begun in it, by what the plan says has to fit: the largest over the
    /// pools.
    pub room: SignedDuration,
    /// What all of it takes at worst, if windows did not interrupt it.
    pub length: SignedDuration,
    /// What all of it likely takes, if windows did not interrupt it.
    pub likely: SignedDuration,
    /// How many servers of earlier runs the likely times rest on. 0: on assumptions.
    pub measured: usize,
    /// What it would take at worst if only the longest chain of waits and the budgets counted.
    pub lower_bound: SignedDuration,
    /// When it begins at the earliest. `None` when no window ever opens.
    pub begins: Option<Timestamp>,
    /// When it is over if each server takes what has to fit. `None` when it does not fit the openings ahead.
    pub ends: Option<Timestamp>,
    /// In how many openings it is done then. `None` when it does not fit the openings ahead; 1 without windows.
    pub openings: Option<usize>,
    /// How many batches of one pool, one after the other, fit into the next opening. `None` without windows.
    pub batches_per_opening: Option<u64>,
    /// Which servers go out when at worst, in the order in which they are taken. Together these are all servers that are
    /// taken out.
    pub schedule: Vec<PlacedBatch>,
}

/// Servers of one pool that may be out together, and when that is at worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlacedBatch {
    /// Their pool.
    pub pool: PoolName,
    /// Their batch within the pool, from 0.
    pub batch: u32,
    /// The servers, in the order of the plan.
    pub servers: Vec<ServerName>,
    /// When that is. `None`: neither they nor what they wait for fit the openings ahead.
    pub placed: Option<Placement>,
}

/// When work is done at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// When it begins at worst: with every wait before it at its limit.
    pub begins: Timestamp,
    /// When it is over at worst.
    pub ends: Timestamp,
    /// The opening that it is done in. `None` when the plan has neither windows nor freezes.
    pub opening: Option<Opening>,
}

impl Forecast {
    /// Returns the length of the schedule as a multiple of the lower bound. 1 when there is nothing to do.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.lower_bound.is_zero() { 1.0 } else { self.length.as_secs_f64() / self.lower_bound.as_secs_f64() }
    }
}

/// Returns what has to be left of a window before a server of `pool` is begun in it (promise P9): what it takes at worst, or
/// likely, by what [`limits`] has for each of its steps.
#[must_use]
pub fn room(change: &Change, pool: &Pool) -> SignedDuration {
    room_of(change, &PoolScope::of(change, pool))
}

pub(crate) fn worst_case_of(change: &Change, scope: &PoolScope) -> SignedDuration {
    limits::worst_case(change, &scope.block)
}

/// For each pool how long one of its servers likely takes, and what has to be left of a window before one is begun.
pub(crate) struct Likely {
    pub(crate) takes: Vec<SignedDuration>,
    pub(crate) room: Vec<SignedDuration>,
    /// Servers of earlier runs that it rests on.
    pub(crate) measured: usize,
}

impl Likely {
    pub(crate) fn of(change: &Change, scopes: &[PoolScope], earlier: &BTreeMap<PoolName, Earlier>) -> Self {
        let known = |pool: &Pool| earlier.get(&pool.name).filter(|earlier| earlier.counts());
        let takes = change.pools.iter().zip(scopes).map(|(pool, scope)| match known(pool) {
            Some(earlier) => limits::likely_after(change, &scope.block, earlier),
            None => limits::likely(change, &scope.block),
        });
        Self {
            takes: takes.collect(),
            room: scopes.iter().map(|scope| room_of(change, scope)).collect(),
            measured: change.pools.iter().filter_map(known).map(|earlier| earlier.servers).sum(),
        }
    }
}

/// What has to be left of a window before a server of the pool is begun in it.
pub(crate) fn room_of(change: &Change, scope: &PoolScope) -> SignedDuration {
    limits::room(change, &scope.block, Since::Begin)
}

/// Returns the forecast. `servers` names the servers of a batch.
pub(crate) fn forecast(
    demand: &Demand<'_>,
    likely: &Likely,
    schedule: &Schedule,
    (calendar, now): (&Calendar, Timestamp),
    servers: impl Fn(&Batch) -> (PoolName, Vec<ServerName>),
) -> Forecast {
    let placed = Placed::of(schedule, &likely.room, calendar, now);
    let most =
        |each: &[SignedDuration]| schedule.batches.iter().map(|batch| each[batch.pool]).max().unwrap_or_default();
    let (one_server, room) = (most(demand.takes), most(&likely.room));
    let next = calendar.openings(now, 1).first().copied();
    let per_opening = next.filter(|_| !calendar.is_always_open() && room.is_positive()).map(|opening| {
        let left = opening.ends.duration_since(opening.starts.max(now));
        u64::try_from(left.as_secs() / room.as_secs().max(1)).unwrap_or(0)
    });
    let in_order = schedule.order.iter().map(|&position| {
        let batch = &schedule.batches[position];
        let (pool, servers) = servers(batch);
        let number = u32::try_from(batch.number).unwrap_or(u32::MAX);
        PlacedBatch { pool, batch: number, servers, placed: placed.batches[position] }
    });
    Forecast {
        servers: schedule.batches.iter().map(|batch| batch.servers).sum(),
        one_server,
        one_likely: most(&likely.takes),
        room,
        length: schedule.length(),
        likely: Schedule::of(&Demand { takes: &likely.takes, ..*demand }).length(),
        measured: likely.measured,
        lower_bound: lower_bound(demand),
        begins: placed.begins,
        ends: placed.ends,
        openings: placed.openings,
        batches_per_opening: per_opening,
        schedule: in_order.collect(),
    }
}

/// The largest of the bounds that no schedule can beat: the longest chain of pools that wait for each other, and, for
/// each shared budget and each time, what the budget allows of the work that cannot begin before that time.
fn lower_bound(demand: &Demand<'_>) -> SignedDuration {
    let chains = Chains::of(demand);
    let mut bound = chains.longest();
    for (budget, places) in demand.places.iter().enumerate() {
        let mut sharing: Vec<usize> =
            (0..demand.sizes.len()).filter(|pool| demand.shares[*pool].contains(&budget)).collect();
        sharing.retain(|pool| !demand.sizes[*pool].is_empty());
        // Later beginnings first, so that each further pool adds its work to those that begin no earlier.
        sharing.sort_by_key(|pool| std::cmp::Reverse(chains.before[*pool]));
        let (mut work, mut least_after) = (0_i64, SignedDuration::MAX);
        for pool in sharing {
            let servers: usize = demand.sizes[pool].iter().sum();
            work += demand.takes[pool].as_secs() * i64::try_from(servers).unwrap_or(i64::MAX);
            work += demand.more[pool].as_secs();
            least_after = least_after.min(chains.after[pool]);
            let shared = SignedDuration::from_secs(work / i64::try_from(*places).unwrap_or(1).max(1));
            bound = bound.max(chains.before[pool] + shared + least_after);
        }
    }
    bound
}

/// For each pool how long at least the work takes that comes before it and after it.
struct Chains {
    own: Vec<SignedDuration>,
    before: Vec<SignedDuration>,
    after: Vec<SignedDuration>,
}

impl Chains {
    fn of(demand: &Demand<'_>) -> Self {
        let pools = demand.sizes.len();
        let own: Vec<SignedDuration> = (0..pools)
            .map(|pool| {
                let batches = i32::try_from(demand.sizes[pool].len()).unwrap_or(i32::MAX);
                demand.takes[pool] * batches + if batches > 0 { demand.more[pool] } else { SignedDuration::ZERO }
            })
            .collect();
        let mut waits = vec![0_usize; pools];
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); pools];
        for PoolEdge { before, after, .. } in demand.edges {
            waits[*after] += 1;
            followers[*before].push(*after);
        }
        let mut order: Vec<usize> = (0..pools).filter(|pool| waits[*pool] == 0).collect();
        let mut before = vec![SignedDuration::ZERO; pools];
        let mut next = 0;
        while next < order.len() {
            let pool = order[next];
            for &follower in &followers[pool] {
                before[follower] = before[follower].max(before[pool] + own[pool]);
                waits[follower] -= 1;
                if waits[follower] == 0 {
                    order.push(follower);
                }
            }
            next += 1;
        }
        let mut after = vec![SignedDuration::ZERO; pools];
        for &pool in order.iter().rev() {
            let later = followers[pool].iter().map(|&follower| own[follower] + after[follower]);
            after[pool] = later.max().unwrap_or_default();
        }
        Self { own, before, after }
    }

    fn longest(&self) -> SignedDuration {
        self.before.iter().zip(&self.own).map(|(before, own)| *before + *own).max().unwrap_or_default()
    }
}

/// The schedule, placed into the openings of the windows.
struct Placed {
    begins: Option<Timestamp>,
    ends: Option<Timestamp>,
    openings: Option<usize>,
    /// For each batch where it is placed.
    batches: Vec<Option<Placement>>,
}

impl Placed {
    /// `room`: what has to be left of an opening for a batch of each pool.
    fn of(schedule: &Schedule, room: &[SignedDuration], calendar: &Calendar, now: Timestamp) -> Self {
        let mut batches: Vec<Option<Placement>> = vec![None; schedule.batches.len()];
        if schedule.order.is_empty() {
            return Self { begins: Some(now), ends: Some(now), openings: Some(0), batches };
        }
        if calendar.is_always_open() {
            for (place, (batch, begins)) in batches.iter_mut().zip(schedule.batches.iter().zip(&schedule.begins)) {
                *place = placement(now, *begins, batch.takes);
            }
            return Self {
                begins: Some(now),
                ends: now.checked_add(schedule.length()).ok(),
                openings: Some(1),
                batches,
            };
        }
        let openings = calendar.openings(now, OPENINGS);
        let mut used = std::collections::BTreeSet::new();
        for &batch in &schedule.order {
            // What waits for work that has no place has none either.
            let ends: Option<Vec<Timestamp>> =
                schedule.waits_for[batch].iter().map(|before| Some(batches[*before]?.ends)).collect();
            let Some(ends) = ends else { continue };
            let after = ends.into_iter().max().unwrap_or(now).max(now);
            let takes = room[schedule.batches[batch].pool] + schedule.batches[batch].more;
            if let Some((opening, begins)) = place(&openings, after, takes) {
                used.insert(opening);
                let opening = Some(openings[opening]);
                batches[batch] = Some(Placement { begins, ends: begins + takes, opening });
            }
        }
        let begins = batches.iter().flatten().map(|placed| placed.begins).min();
        let all = batches.iter().all(Option::is_some);
        let ends = batches.iter().flatten().map(|placed| placed.ends).max().filter(|_| all);
        Self { begins, ends, openings: all.then_some(used.len()), batches }
    }
}

/// Returns where work stands that no window interrupts. `None` at the end of time.
fn placement(now: Timestamp, begins: SignedDuration, takes: SignedDuration) -> Option<Placement> {
    let begins = now.checked_add(begins).ok()?;
    Some(Placement { begins, ends: begins.checked_add(takes).ok()?, opening: None })
}

/// Returns the first opening with room for work of this length after a time, and when the work begins in it.
fn place(openings: &[Opening], after: Timestamp, takes: SignedDuration) -> Option<(usize, Timestamp)> {
    let first = openings.partition_point(|opening| opening.ends <= after);
    openings[first..].iter().enumerate().find_map(|(further, opening)| {
        let starts = opening.starts.max(after);
        (opening.ends.duration_since(starts) >= takes).then_some((first + further, starts))
    })
}
