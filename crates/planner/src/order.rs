//! Which servers are taken together, and which pools before which.

use crate::plan::EdgeReason;
use crate::quorum;
use orchestrate_model::pool::Hosted;
use orchestrate_model::{Change, Pool, PoolName, Product, Role, ServerName};
use std::collections::{BTreeMap, BTreeSet};

/// Why one pool waits for another. Positions are those of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolEdge {
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) reason: EdgeReason,
}

/// Returns the servers of a pool, by position, in batches that may be out together: at most `most` servers, counting
/// those that are `down` already unless the plan takes them out of the budget, and never all of them. Only servers of one upgrade domain share a batch; where domains
/// are not known only a generic pool has batches of several. A batch keeps the pool's quorum. The active central
/// management server is the last, by itself, and one that the plan takes first goes first, by itself. Otherwise the order is that of
/// the plan, and of the topology where it states none.
pub(crate) fn batches(
    pool: &Pool,
    most: usize,
    skipped: &BTreeMap<usize, String>,
    down: &BTreeSet<usize>,
) -> Vec<Vec<usize>> {
    let beside = down.iter().filter(|position| pool.servers[**position].is_beside_budget()).count();
    let in_budget = most.saturating_sub(down.len() - beside);
    let spare = pool.servers.len().saturating_sub(1 + down.len());
    let width = in_budget.min(spare).max(1);
    let todo = in_order(pool).into_iter().filter(|position| !skipped.contains_key(position));
    let central = |position: &usize| pool.servers[*position].hosts.contains(&Hosted::CentralManagement);
    let (last, mut usual): (Vec<usize>, Vec<usize>) = todo.partition(central);
    // One that goes first goes alone: what becomes of it decides about the others.
    let first = usual.iter().position(|position| pool.is_first(&pool.servers[*position].name));
    let first: Option<usize> = first.map(|place| usual.remove(place));
    let groups: Vec<Vec<usize>> = if width == 1 {
        usual.into_iter().map(|position| vec![position]).collect()
    } else if pool.product == Product::Generic {
        vec![usual]
    } else if pool.order.is_empty() {
        by_domain(pool, usual)
    } else {
        in_runs(pool, usual)
    };
    let mut batches: Vec<Vec<usize>> = first.into_iter().map(|position| vec![position]).collect();
    for group in groups {
        let mut batch: Vec<usize> = Vec::new();
        for position in group {
            if batch.len() == width || (!batch.is_empty() && !keeps_quorum(pool, &batch, position, down)) {
                batches.push(std::mem::take(&mut batch));
            }
            batch.push(position);
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    batches.extend(last.into_iter().map(|position| vec![position]));
    batches
}

/// Returns the positions of the servers in the order of the plan: those that it names, then the others in topology order.
fn in_order(pool: &Pool) -> Vec<usize> {
    let place = |name: &ServerName| pool.servers.iter().position(|server| server.name == *name);
    let mut positions: Vec<usize> = pool.order.iter().filter_map(place).collect();
    let others: Vec<usize> = (0..pool.servers.len()).filter(|position| !positions.contains(position)).collect();
    positions.extend(others);
    positions
}

/// Groups servers that follow each other and are of one upgrade domain: an order that changes between domains is kept, and
/// fewer go at once.
fn in_runs(pool: &Pool, positions: Vec<usize>) -> Vec<Vec<usize>> {
    let domain = |position: usize| pool.servers[position].upgrade_domain.as_ref();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for position in positions {
        let before = groups.last().and_then(|group| group.last()).and_then(|last| domain(*last));
        match groups.last_mut() {
            Some(group) if before.is_some() && before == domain(position) => group.push(position),
            Some(_) | None => groups.push(vec![position]),
        }
    }
    groups
}

/// Returns whether the pool keeps its quorum when one more server is out than a batch and those already down.
fn keeps_quorum(pool: &Pool, batch: &[usize], more: usize, down: &BTreeSet<usize>) -> bool {
    let total = u32::try_from(pool.servers.len()).unwrap_or(u32::MAX);
    let Some(rule) = quorum::functional(pool.product, total).filter(|_| pool.has_fabric()) else {
        return !pool.has_fabric();
    };
    let counted = rule.counted(total) as usize;
    let left =
        (0..counted).filter(|position| !batch.contains(position) && *position != more && !down.contains(position));
    left.count() >= rule.need as usize
}

/// Groups servers by upgrade domain, in the order in which the domains first appear. A server without one is alone.
fn by_domain(pool: &Pool, positions: Vec<usize>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places = BTreeMap::new();
    for position in positions {
        match &pool.servers[position].upgrade_domain {
            None => groups.push(vec![position]),
            Some(domain) => {
                let place = *places.entry(domain).or_insert_with(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                });
                groups[place].push(position);
            }
        }
    }
    groups
}

/// Returns the layer of a role, from inside out. Mediation before Director is inferred: no source orders the two.
fn layer(pool: &Pool) -> Option<u8> {
    if pool.product == Product::Generic {
        return None;
    }
    match pool.role {
        Role::FrontEnd | Role::StandardEdition => Some(0),
        Role::Mediation => Some(1),
        Role::Director => Some(2),
        Role::Edge => Some(3),
        Role::Generic => None,
    }
}

/// What waits for what among the pools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PoolOrder {
    pub(crate) edges: Vec<PoolEdge>,
    /// The usual order where the plan file, directly or through several pools, says the opposite.
    pub(crate) dropped: Vec<PoolEdge>,
}

/// Returns what waits for what among the pools: the plan file's own word first, then an Edge pool's next hop, then
/// inside out. One pair of pools has one reason. Pools that wait for each other are named in the error.
pub(crate) fn pool_order(change: &Change) -> Result<PoolOrder, Vec<PoolName>> {
    let places: BTreeMap<&PoolName, usize> =
        change.pools.iter().enumerate().map(|(place, pool)| (&pool.name, place)).collect();
    let mut stated = Vec::new();
    let mut pairs = BTreeSet::new();
    for (after, pool) in change.pools.iter().enumerate() {
        for name in &pool.after {
            if let Some(&before) = places.get(name)
                && pairs.insert((before, after))
            {
                stated.push(PoolEdge { before, after, reason: EdgeReason::After(name.clone()) });
            }
        }
    }
    let circle = cycle(change.pools.len(), &stated);
    if !circle.is_empty() {
        return Err(circle.into_iter().map(|place| change.pools[place].name.clone()).collect());
    }
    let mut usual = Vec::new();
    for (after, pool) in change.pools.iter().enumerate() {
        let hop = pool.next_hop.as_ref().and_then(|name| Some((name, *places.get(name)?)));
        if let Some((name, before)) = hop.filter(|(_, before)| *before != after)
            && pairs.insert((before, after))
        {
            usual.push(PoolEdge { before, after, reason: EdgeReason::NextHop(name.clone()) });
        }
    }
    let layers = layers(change);
    let (near, far) = (inside_out(&layers, |distance| distance == 1), inside_out(&layers, |distance| distance > 1));
    usual.extend(near.into_iter().filter(|edge| pairs.insert((edge.before, edge.after))));
    // A pool waits for one two layers further in through those between, as long as none of these waits is dropped.
    let all: Vec<PoolEdge> = stated.iter().chain(&usual).cloned().collect();
    if cycle(change.pools.len(), &all).is_empty() {
        return Ok(PoolOrder { edges: all, dropped: Vec::new() });
    }
    usual.extend(far.into_iter().filter(|edge| pairs.insert((edge.before, edge.after))));
    Ok(reconciled(change.pools.len(), stated, usual))
}

/// Adds the usual order to the stated one, edge by edge, as far as it does not contradict what is there already.
fn reconciled(pools: usize, stated: Vec<PoolEdge>, usual: Vec<PoolEdge>) -> PoolOrder {
    let mut reach = Reach::new(pools);
    for edge in &stated {
        reach.add(edge.before, edge.after);
    }
    let mut order = PoolOrder { edges: stated, dropped: Vec::new() };
    for edge in usual {
        if reach.leads(edge.after, edge.before) {
            order.dropped.push(edge);
        } else {
            reach.add(edge.before, edge.after);
            order.edges.push(edge);
        }
    }
    order
}

/// Which pool leads to which, through any number of others.
struct Reach(Vec<BTreeSet<usize>>);

impl Reach {
    fn new(pools: usize) -> Self {
        Self(vec![BTreeSet::new(); pools])
    }

    fn leads(&self, from: usize, to: usize) -> bool {
        self.0[from].contains(&to)
    }

    fn add(&mut self, before: usize, after: usize) {
        let mut gained = self.0[after].clone();
        gained.insert(after);
        for (place, reached) in self.0.iter_mut().enumerate() {
            if place == before || reached.contains(&before) {
                reached.extend(&gained);
            }
        }
    }
}

/// Returns the layers that the change has, from inside out, each with its pools.
fn layers(change: &Change) -> Vec<Vec<usize>> {
    let mut layers: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (place, pool) in change.pools.iter().enumerate() {
        if let Some(layer) = layer(pool) {
            layers.entry(layer).or_default().push(place);
        }
    }
    layers.into_values().collect()
}

/// Returns the waits of every pool for those of the layers that are so far further in.
fn inside_out(layers: &[Vec<usize>], far: impl Fn(usize) -> bool) -> Vec<PoolEdge> {
    let mut edges = Vec::new();
    for (outer, pools) in layers.iter().enumerate() {
        for (_, within) in layers[..outer].iter().enumerate().filter(|(inner, _)| far(outer - inner)) {
            let pairs = within.iter().flat_map(|&before| pools.iter().map(move |&after| (before, after)));
            edges.extend(pairs.map(|(before, after)| PoolEdge { before, after, reason: EdgeReason::InsideOut }));
        }
    }
    edges
}

/// Returns the pools that wait for each other, directly or not.
fn cycle(pools: usize, edges: &[PoolEdge]) -> Vec<usize> {
    let mut graph = petgraph::graph::DiGraph::<(), ()>::with_capacity(pools, edges.len());
    let places: Vec<_> = (0..pools).map(|_| graph.add_node(())).collect();
    for edge in edges {
        graph.add_edge(places[edge.before], places[edge.after], ());
    }
    let groups = petgraph::algo::tarjan_scc(&graph);
    let circular = groups
        .into_iter()
        .find(|group| group.len() > 1 || group.first().is_some_and(|&only| graph.find_edge(only, only).is_some()));
    let mut circle: Vec<usize> = circular.into_iter().flatten().map(petgraph::graph::NodeIndex::index).collect();
    circle.sort_unstable();
    circle
}
