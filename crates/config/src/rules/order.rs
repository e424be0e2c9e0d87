//! References between pools: order, pairing and next hops.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span, quoted};
use crate::reader::{At, Reader};
use crate::written::Plan;
use orchestrate_model::PoolName;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(pools) = &plan.pools else { return };
    let known: BTreeSet<&PoolName> = pools.value.keys().map(|key| &key.value).collect();
    let mut waits: BTreeMap<&PoolName, Vec<&At<PoolName>>> = BTreeMap::new();
    for (name, pool) in pools.value.good() {
        for other in pool.value.after.iter().flat_map(|after| &after.value) {
            if to_itself(reader, &name.value, other, "wait for") {
                continue;
            }
            if known.contains(&other.value) {
                waits.entry(&name.value).or_default().push(other);
            } else {
                unknown(reader, other, &known);
            }
        }
        for (other, verb) in [(&pool.value.paired_with, "be paired with"), (&pool.value.next_hop, "be the next hop of")]
        {
            let Some(other) = other else { continue };
            if !to_itself(reader, &name.value, other, verb) && !known.contains(&other.value) {
                outside(reader, other, &known);
            }
        }
    }
    pairing(plan, reader);
    cycles(&waits, reader);
}

fn to_itself(reader: &mut Reader, pool: &PoolName, other: &At<PoolName>, verb: &str) -> bool {
    let same = *pool == other.value;
    if same {
        reader.report(
            Diagnostic::error(codes::REFERS_TO_ITSELF, other.span, format!("the pool `{pool}` cannot {verb} itself"))
                .label("expected another pool"),
        );
    }
    same
}

fn unknown(reader: &mut Reader, other: &At<PoolName>, known: &BTreeSet<&PoolName>) {
    let help = reader.suggest(other.value.as_str(), known.iter().map(|name| name.as_str()));
    let names = known.iter().take(8).map(|name| quoted(name.as_str())).collect::<Vec<_>>().join(", ");
    reader.report(
        Diagnostic::error(codes::UNKNOWN_POOL, other.span, format!("there is no pool `{}` in this file", other.value))
            .label("expected a pool of this file")
            .help(help.unwrap_or_else(|| format!("the pools are {names}"))),
    );
}

/// A partner or next hop may well be outside the change. A name that is nearly one of the file is a typing mistake.
fn outside(reader: &mut Reader, other: &At<PoolName>, known: &BTreeSet<&PoolName>) {
    let near = reader.near(other.value.as_str(), known.iter().map(|name| name.as_str()));
    if near.is_some_and(|near| close(near, other)) {
        unknown(reader, other, known);
        return;
    }
    reader.report(
        Diagnostic::warning(codes::POOL_OUTSIDE, other.span, format!("the pool `{}` is not in this file", other.value))
            .label("nothing about it can be checked")
            .help("make sure that no other change works on it at the same time"),
    );
}

/// Pools are often numbered: a difference in the number alone is another pool, any other small one a typing mistake.
fn close(near: &str, other: &At<PoolName>) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    letters(near) != letters(other.value.as_str())
}

fn pairing(plan: &Plan, reader: &mut Reader) {
    let pairs: BTreeMap<&PoolName, &At<PoolName>> = plan
        .pools
        .iter()
        .flat_map(|pools| pools.value.good())
        .filter_map(|(name, pool)| Some((&name.value, pool.value.paired_with.as_ref()?)))
        .collect();
    for (pool, partner) in &pairs {
        let Some(back) = pairs.get(&partner.value) else { continue };
        if back.value != **pool {
            reader.report(
                Diagnostic::error(
                    codes::PAIRING_DISAGREES,
                    partner.span,
                    format!("`{pool}` is paired with `{}`, which is paired with `{}`", partner.value, back.value),
                )
                .label("pairs hold two pools")
                .note(format!("the other pairing is in line {}", back.span.line)),
            );
        }
    }
}

/// Reports cycles until none is left, each at the wait that closes it.
fn cycles(waits: &BTreeMap<&PoolName, Vec<&At<PoolName>>>, reader: &mut Reader) {
    let mut waiters: BTreeMap<&PoolName, Vec<&PoolName>> = BTreeMap::new();
    let mut left: BTreeMap<&PoolName, usize> = BTreeMap::new();
    for (pool, others) in waits {
        left.insert(pool, others.len());
        for other in others {
            waiters.entry(&other.value).or_default().push(pool);
        }
    }
    let mut free: Vec<&PoolName> = waiters.keys().filter(|pool| !left.contains_key(*pool)).copied().collect();
    loop {
        // What waits for nothing that is left can start; what remains then is in a cycle, or waits for one.
        while let Some(pool) = free.pop() {
            for waiter in waiters.remove(pool).unwrap_or_default() {
                let Some(count) = left.get_mut(waiter) else { continue };
                *count -= 1;
                if *count == 0 {
                    left.remove(waiter);
                    free.push(waiter);
                }
            }
        }
        let Some(start) = left.keys().next().copied() else { return };
        let (cycle, span) = walk(start, waits, &left);
        reader.report(cycle_found(&cycle, span));
        for pool in cycle {
            left.remove(pool);
            free.push(pool);
        }
    }
}

fn cycle_found(cycle: &[&PoolName], span: Span) -> Diagnostic {
    /// More names do not help to find the wrong one.
    const MOST_NAMES: usize = 8;
    let mut names: Vec<String> = cycle.iter().take(MOST_NAMES).map(|name| quoted(name.as_str())).collect();
    if cycle.len() > MOST_NAMES {
        names.push(format!("{} more", cycle.len() - MOST_NAMES));
    }
    names.extend(names.first().cloned());
    let message = format!("these pools wait for each other: {}", names.join(" after "));
    Diagnostic::error(codes::CYCLE, span, message)
        .label("this closes the circle")
        .help("take one of the pools out of an `after` list")
}

/// Follows the first wait that is left of each pool until a pool is met again. Every pool in `left` has one.
fn walk<'p>(
    start: &'p PoolName,
    waits: &BTreeMap<&'p PoolName, Vec<&'p At<PoolName>>>,
    left: &BTreeMap<&'p PoolName, usize>,
) -> (Vec<&'p PoolName>, Span) {
    let mut path = vec![start];
    let mut met: BTreeMap<&PoolName, usize> = BTreeMap::from([(start, 0)]);
    let mut here = start;
    loop {
        let next = waits.get(here).and_then(|others| others.iter().find(|other| left.contains_key(&other.value)));
        let Some(next) = next else { return (path, Span::START) };
        if let Some(position) = met.get(&next.value) {
            return (path.split_off(*position), next.span);
        }
        met.insert(&next.value, path.len());
        path.push(&next.value);
        here = &next.value;
    }
}
