//! When each batch is taken at the earliest: a list schedule over the batches of all pools.
//!
//! A budget that pools share is a number of places. A batch holds as many places as it has servers, until all of it is
//! back; who takes a place waits for whoever had it before. So no more servers than places can be out, whatever the
//! steps take in the run, and the waits become edges of the plan.

use crate::order::PoolEdge;
use jiff::SignedDuration;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// One batch of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) pool: usize,
    /// Its number in the pool.
    pub(crate) number: usize,
    /// How many servers it has.
    pub(crate) servers: usize,
    /// How long it takes at worst.
    pub(crate) takes: SignedDuration,
    /// How much of that is not what every batch of its pool takes: the soak of one that goes first. May be less than nothing.
    pub(crate) more: SignedDuration,
}

/// What the schedule is made of.
pub(crate) struct Demand<'a> {
    /// For each pool the sizes of its batches.
    pub(crate) sizes: &'a [Vec<usize>],
    /// For each pool how long one batch takes at worst.
    pub(crate) takes: &'a [SignedDuration],
    /// For each pool how much longer its first batch takes.
    pub(crate) more: &'a [SignedDuration],
    /// What waits for what among the pools.
    pub(crate) edges: &'a [PoolEdge],
    /// The shared budgets, as their numbers of places.
    pub(crate) places: &'a [usize],
    /// For each pool the budgets it shares.
    pub(crate) shares: &'a [Vec<usize>],
}

/// A batch that waits for a place another batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handover {
    /// Who had the place.
    pub(crate) before: usize,
    /// Who takes it.
    pub(crate) after: usize,
    /// Of which budget.
    pub(crate) budget: usize,
}

/// When each batch is taken.
pub(crate) struct Schedule {
    pub(crate) batches: Vec<Batch>,
    /// When each batch begins, from the beginning of the work, if nothing outside the work delays it.
    pub(crate) begins: Vec<SignedDuration>,
    /// The batches in the order in which they are taken.
    pub(crate) order: Vec<usize>,
    /// The position of each pool's first batch.
    pub(crate) first: Vec<usize>,
    pub(crate) handovers: Vec<Handover>,
    /// What must be over before each batch begins: the batch before it, the pools before it, the places it takes.
    pub(crate) waits_for: Vec<Vec<usize>>,
}

impl Schedule {
    pub(crate) fn of(demand: &Demand<'_>) -> Self {
        let mut batches = Vec::new();
        let mut first = Vec::new();
        for (pool, sizes) in demand.sizes.iter().enumerate() {
            first.push(batches.len());
            let of_pool = sizes.iter().enumerate();
            batches.extend(of_pool.map(|(number, &servers)| {
                let more = if number == 0 { demand.more[pool] } else { SignedDuration::ZERO };
                Batch { pool, number, servers, takes: demand.takes[pool] + more, more }
            }));
        }
        let waits_for = predecessors(demand, &batches, &first);
        let begins = vec![SignedDuration::ZERO; batches.len()];
        let schedule = Self { batches, begins, order: Vec::new(), first, handovers: Vec::new(), waits_for };
        Run::new(demand, schedule).run()
    }

    /// Returns when the last batch is over.
    pub(crate) fn length(&self) -> SignedDuration {
        let ends = self.batches.iter().zip(&self.begins).map(|(batch, begins)| *begins + batch.takes);
        ends.max().unwrap_or(SignedDuration::ZERO)
    }
}

/// Returns, for each batch, the batches it waits for whatever the budgets. A pool without batches hands its own waits
/// on to those that wait for it.
fn predecessors(demand: &Demand<'_>, batches: &[Batch], first: &[usize]) -> Vec<Vec<usize>> {
    let mut of_pool: Vec<Vec<usize>> = vec![Vec::new(); demand.sizes.len()];
    for edge in demand.edges {
        of_pool[edge.after].push(edge.before);
    }
    let mut waits: Vec<Vec<usize>> = vec![Vec::new(); batches.len()];
    for (position, batch) in batches.iter().enumerate() {
        if batch.number > 0 {
            waits[position].push(position - 1);
            continue;
        }
        let (mut open, mut seen) = (of_pool[batch.pool].clone(), BTreeSet::new());
        while let Some(pool) = open.pop() {
            if !seen.insert(pool) {
                continue;
            }
            match demand.sizes[pool].len() {
                0 => open.extend(&of_pool[pool]),
                batches_before => waits[position].push(first[pool] + batches_before - 1),
            }
        }
        waits[position].sort_unstable();
    }
    waits
}

struct Run<'a> {
    demand: &'a Demand<'a>,
    schedule: Schedule,
    /// How long the work that hangs on a batch takes, itself included: the longest goes first.
    urgency: Vec<SignedDuration>,
    followers: Vec<Vec<usize>>,
    open_waits: Vec<usize>,
    ready: BTreeSet<(Reverse<SignedDuration>, usize)>,
    running: BinaryHeap<Reverse<(SignedDuration, usize)>>,
    /// For each budget its places: who had them last, and which are free.
    holders: Vec<Vec<Option<usize>>>,
    free: Vec<BTreeSet<usize>>,
    held: Vec<Vec<(usize, usize)>>,
}

impl<'a> Run<'a> {
    fn new(demand: &'a Demand<'a>, schedule: Schedule) -> Self {
        let count = schedule.batches.len();
        let mut followers = vec![Vec::new(); count];
        for (after, waits) in schedule.waits_for.iter().enumerate() {
            for &before in waits {
                followers[before].push(after);
            }
        }
        let open_waits: Vec<usize> = schedule.waits_for.iter().map(Vec::len).collect();
        let urgency = urgency(&schedule.batches, &followers, &open_waits);
        let ready = (0..count).filter(|&b| open_waits[b] == 0).map(|b| (Reverse(urgency[b]), b)).collect();
        Self {
            demand,
            schedule,
            urgency,
            followers,
            open_waits,
            ready,
            running: BinaryHeap::new(),
            holders: demand.places.iter().map(|&places| vec![None; places]).collect(),
            free: demand.places.iter().map(|&places| (0..places).collect()).collect(),
            held: vec![Vec::new(); count],
        }
    }

    fn run(mut self) -> Schedule {
        let mut now = SignedDuration::ZERO;
        loop {
            self.begin_what_can(now);
            let Some(Reverse((ends, batch))) = self.running.pop() else {
                break;
            };
            now = ends;
            self.end(batch);
            while self.running.peek().is_some_and(|Reverse((ends, _))| *ends == now) {
                if let Some(Reverse((_, batch))) = self.running.pop() {
                    self.end(batch);
                }
            }
        }
        let mut schedule = self.schedule;
        let key = |&batch: &usize| (schedule.begins[batch], batch);
        schedule.order.sort_by_key(key);
        schedule.handovers.sort_unstable();
        schedule.handovers.dedup();
        schedule
    }

    fn begin_what_can(&mut self, now: SignedDuration) {
        let candidates: Vec<_> = self.ready.iter().copied().collect();
        for (urgency, batch) in candidates {
            let Batch { pool, servers, takes, .. } = self.schedule.batches[batch];
            let demand = self.demand;
            if demand.shares[pool].iter().any(|&budget| self.free[budget].len() < servers) {
                continue;
            }
            for &budget in &demand.shares[pool] {
                self.take(batch, budget, servers);
            }
            self.ready.remove(&(urgency, batch));
            self.schedule.begins[batch] = now;
            self.schedule.order.push(batch);
            self.running.push(Reverse((now + takes, batch)));
        }
    }

    fn take(&mut self, batch: usize, budget: usize, servers: usize) {
        for _ in 0..servers {
            let place = self.free[budget].pop_first().expect("there were enough free places");
            if let Some(before) = self.holders[budget][place].replace(batch) {
                self.schedule.handovers.push(Handover { before, after: batch, budget });
                self.schedule.waits_for[batch].push(before);
            }
            self.held[batch].push((budget, place));
        }
    }

    fn end(&mut self, batch: usize) {
        for (budget, place) in std::mem::take(&mut self.held[batch]) {
            self.free[budget].insert(place);
        }
        for follower in std::mem::take(&mut self.followers[batch]) {
            self.open_waits[follower] -= 1;
            if self.open_waits[follower] == 0 {
                self.ready.insert((Reverse(self.urgency[follower]), follower));
            }
        }
    }
}

/// Returns, for each batch, the longest way from its beginning to the end of all work.
fn urgency(batches: &[Batch], followers: &[Vec<usize>], open_waits: &[usize]) -> Vec<SignedDuration> {
    let mut open_waits = open_waits.to_vec();
    let mut order: Vec<usize> = (0..batches.len()).filter(|&batch| open_waits[batch] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for &follower in &followers[order[next]] {
            open_waits[follower] -= 1;
            if open_waits[follower] == 0 {
                order.push(follower);
            }
        }
        next += 1;
    }
    let mut urgency = vec![SignedDuration::ZERO; batches.len()];
    for &batch in order.iter().rev() {
        let after = followers[batch].iter().map(|&follower| urgency[follower]).max().unwrap_or_default();
        urgency[batch] = batches[batch].takes + after;
    }
    urgency
}
