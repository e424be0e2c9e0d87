//! Which servers are taken together, and which pools before which.

use crate::plan::EdgeReason;
use crate::quorum;
use orchestrate_model::pool::Hosted;
use orchestrate_model::{Change, Pool, PoolName, Product, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Why one pool waits for another. Positions are those of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolEdge {
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) reason: EdgeReason,
}

/// Returns the servers of a pool, by position, in batches that may be out together: at most `most` servers, counting
/// those that are `down` already, and never all of them. Only servers of one upgrade domain share a batch; where domains
/// are not known only a generic pool has batches of several. A batch keeps the pool's quorum. The active central
/// management server is the last, by itself. Otherwise the order is that of the topology.
pub(crate) fn batches(
    pool: &Pool,
    most: usize,
    skipped: &BTreeMap<usize, String>,
    down: &BTreeSet<usize>,
) -> Vec<Vec<usize>> {
    let most = most.min(pool.servers.len().saturating_sub(1));
    let width = most.saturating_sub(down.len()).max(1);
    let todo = (0..pool.servers.len()).filter(|position| !skipped.contains_key(position));
    let central = |position: &usize| pool.servers[*position].hosts.contains(&Hosted::CentralManagement);
    let (last, usual): (Vec<usize>, Vec<usize>) = todo.partition(central);
    let groups: Vec<Vec<usize>> = if width == 1 {
        usual.into_iter().map(|position| vec![position]).collect()
    } else if pool.product == Product::Generic {
        vec![usual]
    } else {
        by_domain(pool, usual)
    };
    let mut batches = Vec::new();
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

/// Returns the layer of a role, from inside out.
fn layer(pool: &Pool) -> Option<u8> {
    if pool.product == Product::Generic {
        return None;
    }
    match pool.role {
        Role::FrontEnd | Role::StandardEdition => Some(0),
        Role::Director | Role::Mediation => Some(1),
        Role::Edge => Some(2),
        Role::Generic => None,
    }
}

/// Returns what waits for what among the pools: the plan file's own word first, then an Edge pool's next hop, then
/// inside out. One pair of pools has one reason. Pools that wait for each other are named in the error.
pub(crate) fn pool_edges(change: &Change) -> Result<Vec<PoolEdge>, Vec<PoolName>> {
    let places: BTreeMap<&PoolName, usize> =
        change.pools.iter().enumerate().map(|(place, pool)| (&pool.name, place)).collect();
    let mut edges = Vec::new();
    let mut stated = BTreeSet::new();
    for (after, pool) in change.pools.iter().enumerate() {
        for name in &pool.after {
            if let Some(&before) = places.get(name)
                && stated.insert((before, after))
            {
                edges.push(PoolEdge { before, after, reason: EdgeReason::After(name.clone()) });
            }
        }
    }
    // The plan file may turn the usual order round; it is not contradicted then.
    let usual = |before: usize, after: usize| !stated.contains(&(before, after)) && !stated.contains(&(after, before));
    for (after, pool) in change.pools.iter().enumerate() {
        let hop = pool.next_hop.as_ref().and_then(|name| places.get(name)).copied();
        if let (Some(before), Some(name)) = (hop, &pool.next_hop)
            && before != after
            && usual(before, after)
        {
            edges.push(PoolEdge { before, after, reason: EdgeReason::NextHop(name.clone()) });
        }
    }
    let hops: BTreeSet<(usize, usize)> = edges.iter().map(|edge| (edge.before, edge.after)).collect();
    for (before, after) in inside_out(change) {
        if usual(before, after) && !hops.contains(&(before, after)) {
            edges.push(PoolEdge { before, after, reason: EdgeReason::InsideOut });
        }
    }
    without_cycle(change, edges)
}

/// Returns the pairs of pools of which one is in the next layer that the change has.
fn inside_out(change: &Change) -> Vec<(usize, usize)> {
    let mut layers: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (place, pool) in change.pools.iter().enumerate() {
        if let Some(layer) = layer(pool) {
            layers.entry(layer).or_default().push(place);
        }
    }
    let layers: Vec<Vec<usize>> = layers.into_values().collect();
    let neighbours = layers.windows(2);
    neighbours
        .flat_map(|pair| pair[0].iter().flat_map(|&before| pair[1].iter().map(move |&after| (before, after))))
        .collect()
}

fn without_cycle(change: &Change, edges: Vec<PoolEdge>) -> Result<Vec<PoolEdge>, Vec<PoolName>> {
    // The usual order gives way where, through several pools, it contradicts the plan file.
    if cycle(change.pools.len(), &edges).is_empty() {
        return Ok(edges);
    }
    let stated: Vec<PoolEdge> = edges.into_iter().filter(|edge| matches!(edge.reason, EdgeReason::After(_))).collect();
    let circle = cycle(change.pools.len(), &stated);
    if circle.is_empty() {
        return Ok(stated);
    }
    Err(circle.into_iter().map(|place| change.pools[place].name.clone()).collect())
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
