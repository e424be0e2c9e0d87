//! The checker that every finished plan passes. It knows nothing of how plans are made: it reads steps and edges.
//!
//! Servers are out from their guard to their last step. Two servers are never out together when the last step of one
//! comes before the guard of the other. The checker looks for edges that prove it: between all servers of a batch and
//! all servers of the next batch of the pool, and, for a budget that pools share, for enough chains of batches that
//! cover them all.

use crate::plan::{Edge, Plan, Step, StepId, StepKind, StepTarget, WorkId};
use crate::quorum;
use orchestrate_model::{Label, Pool, PoolName, Product, ServerName};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use thiserror::Error;

/// What is wrong with a plan. Each is a fault of the planner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// Steps wait for each other.
    #[error("steps wait for each other in a circle")]
    Cycle,
    /// An edge leads to an earlier step, or a step is not where its id says.
    #[error("step {} stands before a step that it waits for", .0.0)]
    Misplaced(StepId),
    /// More servers than the budget can be out at once.
    #[error("{found} servers of {pool} can be out at once, {most} may")]
    OverBudget {
        /// The pool.
        pool: PoolName,
        /// How many can.
        found: usize,
        /// How many may.
        most: usize,
    },
    /// Servers of different upgrade domains can be out at once.
    #[error("servers of several upgrade domains of {0} can be out at once")]
    TwoDomains(PoolName),
    /// So many servers can be out at once that the product stops the pool.
    #[error("{left} of {pool} are sure to run, {need} must")]
    BelowQuorum {
        /// The pool.
        pool: PoolName,
        /// How many of the servers that count are sure to run.
        left: usize,
        /// How many must.
        need: u32,
    },
    /// A batch does not wait for all of the one before.
    #[error("{after} of {pool} does not wait for {before}")]
    NotWaiting {
        /// The pool.
        pool: PoolName,
        /// Taken first.
        before: ServerName,
        /// Does not wait for it.
        after: ServerName,
    },
    /// More servers than a shared budget can be out at once.
    #[error("{found} servers of {label} can be out at once, {most} may")]
    OverSharedBudget {
        /// The budget.
        label: Label,
        /// How many can, as far as the edges prove.
        found: usize,
        /// How many may.
        most: usize,
    },
    /// A step lacks what has to come before or after it.
    #[error("the step {kind} of {server} lacks a {lacks}")]
    Lacks {
        /// The server.
        server: ServerName,
        /// The step.
        kind: StepKind,
        /// What it lacks.
        lacks: StepKind,
    },
    /// A server has steps and a reason to have none, or neither.
    #[error("{0} has both steps and a reason to be passed over, or neither")]
    HalfSkipped(ServerName),
}

/// Returns everything that is wrong with a plan: nothing, for every plan of this crate.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Violation> {
    let mut found = order(plan);
    let spans = spans(plan, &mut found);
    found.extend(batches(plan, &spans));
    found.extend(shared(plan, &spans));
    found
}

fn order(plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut graph = DiGraph::<(), ()>::with_capacity(plan.steps.len(), plan.edges.len());
    for (position, step) in plan.steps.iter().enumerate() {
        graph.add_node(());
        if step.id.0 as usize != position {
            found.push(Violation::Misplaced(step.id));
        }
    }
    for Edge { before, after, .. } in &plan.edges {
        if before >= after || after.0 as usize >= plan.steps.len() {
            found.push(Violation::Misplaced(*before));
        } else {
            graph.add_edge(NodeIndex::new(before.0 as usize), NodeIndex::new(after.0 as usize), ());
        }
    }
    if petgraph::algo::toposort(&graph, None).is_err() {
        found.push(Violation::Cycle);
    }
    found
}

/// The first and the last step of a server.
type Span = Option<(StepId, StepId)>;

/// Returns the span of each server's steps, and notes what is wrong within them.
fn spans(plan: &Plan, found: &mut Vec<Violation>) -> Vec<Span> {
    let mut steps: Vec<Vec<&Step>> = vec![Vec::new(); plan.work.len()];
    for step in &plan.steps {
        if let StepTarget::Server(WorkId(work)) = step.target {
            steps[work as usize].push(step);
        }
    }
    let direct: BTreeSet<(StepId, StepId)> = plan
        .edges
        .iter()
        .filter(|edge| edge.reason == crate::plan::EdgeReason::SameServer)
        .map(|edge| (edge.before, edge.after))
        .collect();
    let mut spans = Vec::with_capacity(plan.work.len());
    for (work, steps) in plan.work.iter().zip(&steps) {
        if steps.is_empty() != work.skip.is_some() {
            found.push(Violation::HalfSkipped(work.server.clone()));
        }
        if steps.windows(2).any(|pair| !direct.contains(&(pair[0].id, pair[1].id))) {
            found.push(Violation::Misplaced(steps[0].id));
        }
        found.extend(lacking(&work.server, steps));
        spans.push(steps.first().zip(steps.last()).map(|(first, last)| (first.id, last.id)));
    }
    spans
}

/// What each step of a server needs before it and after it.
const BEFORE: [(StepKind, &[StepKind]); 6] = [
    (StepKind::BalancerOut, &[StepKind::Guard, StepKind::Record]),
    (StepKind::Block, &[StepKind::Guard, StepKind::Record]),
    (StepKind::Drain, &[StepKind::Block]),
    (StepKind::Stop, &[StepKind::Drain]),
    (StepKind::Patch, &[StepKind::Drain, StepKind::Stop]),
    (StepKind::Restart, &[StepKind::Drain, StepKind::Stop]),
];
const AFTER: [(StepKind, &[StepKind]); 5] = [
    (StepKind::BalancerOut, &[StepKind::BalancerIn, StepKind::Gate]),
    (StepKind::Block, &[StepKind::Return, StepKind::Gate]),
    (StepKind::Stop, &[StepKind::Return, StepKind::Gate]),
    (StepKind::Patch, &[StepKind::Verify, StepKind::Return, StepKind::Gate]),
    (StepKind::Restart, &[StepKind::Return, StepKind::Gate]),
];

fn lacking(server: &ServerName, steps: &[&Step]) -> Vec<Violation> {
    let place = |kind: StepKind| steps.iter().position(|step| step.kind == kind);
    let mut found = Vec::new();
    let mut need = |kind: StepKind, lacks: StepKind, ordered: fn(usize, usize) -> bool| {
        if let Some(own) = place(kind)
            && !place(lacks).is_some_and(|other| ordered(other, own))
        {
            found.push(Violation::Lacks { server: server.clone(), kind, lacks });
        }
    };
    for (kind, needs) in BEFORE {
        needs.iter().for_each(|lacks| need(kind, *lacks, |other, own| other < own));
    }
    for (kind, needs) in AFTER {
        needs.iter().for_each(|lacks| need(kind, *lacks, |other, own| other > own));
    }
    found
}

/// The servers of one batch that have steps.
type Batches = BTreeMap<(u32, u32), Vec<usize>>;

fn batches_of(plan: &Plan, spans: &[Span]) -> Batches {
    let mut batches = Batches::new();
    for (position, work) in plan.work.iter().enumerate() {
        if spans[position].is_some() {
            batches.entry((work.pool, work.batch)).or_default().push(position);
        }
    }
    batches
}

/// Returns whether an edge leads from the last step of one server to the first of another.
fn waits(plan: &Plan, spans: &[Span], before: usize, after: usize) -> bool {
    let (Some((_, last)), Some((first, _))) = (spans[before], spans[after]) else {
        return false;
    };
    let place = plan.edges.partition_point(|edge| (edge.after, edge.before) < (first, last));
    plan.edges.get(place).is_some_and(|edge| (edge.after, edge.before) == (first, last))
}

fn batches(plan: &Plan, spans: &[Span]) -> Vec<Violation> {
    let mut found = Vec::new();
    let batches = batches_of(plan, spans);
    let mut previous: Option<(u32, &Vec<usize>)> = None;
    for ((place, _), batch) in &batches {
        let pool = &plan.change.pools[*place as usize];
        let most = plan.change.maintenance.at_once as usize;
        if batch.len() > most {
            found.push(Violation::OverBudget { pool: pool.name.clone(), found: batch.len(), most });
        }
        let domains: BTreeSet<_> = batch.iter().map(|work| &plan.work[*work].upgrade_domain).collect();
        let unproven = domains.len() > 1 || domains.contains(&None);
        if batch.len() > 1 && pool.product != Product::Generic && unproven {
            found.push(Violation::TwoDomains(pool.name.clone()));
        }
        found.extend(below_quorum(plan, pool, batch));
        if let Some((before_place, before)) = previous
            && before_place == *place
        {
            let pairs = before.iter().flat_map(|before| batch.iter().map(move |after| (*before, *after)));
            let loose = pairs.filter(|(before, after)| !waits(plan, spans, *before, *after));
            found.extend(loose.map(|(before, after)| Violation::NotWaiting {
                pool: pool.name.clone(),
                before: plan.work[before].server.clone(),
                after: plan.work[after].server.clone(),
            }));
        }
        previous = Some((*place, batch));
    }
    found
}

/// Checks that the pool keeps its quorum while a batch of several is out. A single server that breaks it is refused by
/// the safety questions.
fn below_quorum(plan: &Plan, pool: &Pool, batch: &[usize]) -> Option<Violation> {
    let total = u32::try_from(pool.servers.len()).unwrap_or(u32::MAX);
    let rule = quorum::functional(pool.product, total).filter(|_| pool.has_fabric() && batch.len() > 1)?;
    let out: BTreeSet<&ServerName> = batch.iter().map(|work| &plan.work[*work].server).collect();
    let counted = &pool.servers[..rule.counted(total) as usize];
    let left = counted.iter().filter(|server| !out.contains(&server.name)).count();
    (left < rule.need as usize).then(|| Violation::BelowQuorum { pool: pool.name.clone(), left, need: rule.need })
}

/// Checks the budgets that pools share. The most servers out at once are the widest set of batches of which none
/// waits for another; as many chains as cover all batches bound it from above (Dilworth).
fn shared(plan: &Plan, spans: &[Span]) -> Vec<Violation> {
    let batches = batches_of(plan, spans);
    let mut found = Vec::new();
    for budget in &plan.change.budgets {
        let shares = |place: u32| plan.change.pools[place as usize].labels.contains(&budget.label);
        let sharing: Vec<&Vec<usize>> =
            batches.iter().filter(|((place, _), _)| shares(*place)).map(|(_, batch)| batch).collect();
        let chains = chains(plan, spans, &sharing);
        let most = budget.at_once as usize;
        if chains > most {
            found.push(Violation::OverSharedBudget { label: budget.label.clone(), found: chains, most });
        }
    }
    found
}

/// Returns how few chains cover the batches, each as often as it has servers, going only along direct waits.
fn chains(plan: &Plan, spans: &[Span], batches: &[&Vec<usize>]) -> usize {
    let of_work: BTreeMap<usize, usize> =
        batches.iter().enumerate().flat_map(|(batch, work)| work.iter().map(move |work| (*work, batch))).collect();
    let starts: BTreeMap<StepId, usize> =
        of_work.keys().filter_map(|work| spans[*work].map(|(first, _)| (first, *work))).collect();
    let ends: BTreeMap<StepId, usize> =
        of_work.keys().filter_map(|work| spans[*work].map(|(_, last)| (last, *work))).collect();
    let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); batches.len()];
    for edge in &plan.edges {
        if let (Some(last), Some(first)) = (ends.get(&edge.before), starts.get(&edge.after)) {
            before[of_work[first]].insert(of_work[last]);
        }
    }
    // One wait between two batches counts only when every server of one waits for every server of the other.
    for (after, befores) in before.iter_mut().enumerate() {
        befores.retain(|before| {
            let pairs = batches[*before].iter().flat_map(|b| batches[after].iter().map(move |a| (*b, *a)));
            pairs.into_iter().all(|(b, a)| waits(plan, spans, b, a))
        });
    }
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.len()).collect();
    sizes.iter().sum::<usize>() - Matching::size(&sizes, &before)
}

/// A largest matching of batches with batches that they wait for, each used as often as it has servers.
struct Matching<'a> {
    before: &'a [BTreeSet<usize>],
    /// How often a batch can still be waited for.
    left: Vec<usize>,
    /// For each batch how often each of its followers was matched with it.
    followers: Vec<BTreeMap<usize, usize>>,
}

impl<'a> Matching<'a> {
    fn size(sizes: &[usize], before: &'a [BTreeSet<usize>]) -> usize {
        let mut matching = Self { before, left: sizes.to_vec(), followers: vec![BTreeMap::new(); sizes.len()] };
        let mut matched = 0;
        for (after, size) in sizes.iter().enumerate() {
            matched += (0..*size).filter(|_| matching.augment(after)).count();
        }
        matched
    }

    /// Finds one more match for `asked`, moving others to where they can be matched as well. Breadth first.
    fn augment(&mut self, asked: usize) -> bool {
        // The follower that a batch was tried for, and the batch that a follower would leave.
        let (mut tried_for, mut leaves) = (BTreeMap::new(), BTreeMap::new());
        let mut open = VecDeque::from([asked]);
        while let Some(follower) = open.pop_front() {
            for &batch in &self.before[follower] {
                if tried_for.contains_key(&batch) {
                    continue;
                }
                tried_for.insert(batch, follower);
                if self.left[batch] > 0 {
                    self.left[batch] -= 1;
                    self.settle(asked, batch, &tried_for, &leaves);
                    return true;
                }
                for &other in self.followers[batch].keys() {
                    if other != asked && !leaves.contains_key(&other) {
                        leaves.insert(other, batch);
                        open.push_back(other);
                    }
                }
            }
        }
        false
    }

    /// Walks back from the batch that had room to the one that asked, moving each follower on.
    fn settle(
        &mut self,
        asked: usize,
        free: usize,
        tried_for: &BTreeMap<usize, usize>,
        leaves: &BTreeMap<usize, usize>,
    ) {
        let mut to = free;
        loop {
            let follower = tried_for[&to];
            *self.followers[to].entry(follower).or_default() += 1;
            if follower == asked {
                return;
            }
            let from = leaves[&follower];
            let times = self.followers[from].get_mut(&follower).expect("a follower leaves a batch it is matched with");
            *times -= 1;
            if *times == 0 {
                self.followers[from].remove(&follower);
            }
            to = from;
        }
    }
}
