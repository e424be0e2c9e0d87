//! Random pools, roles, budgets and outages: a plan that may run never breaks a budget or leaves a feature uncovered,
//! whatever servers are out together. The oracle here knows steps and edges, and nothing of how plans are made.

use crate::support::*;
use orchestrate_model::change::SharedBudget;
use orchestrate_model::pool::Hosted;
use orchestrate_model::{Answer, Change, Feature, Label, Pool, Product, Role, RunState, ServerName, UpgradeDomain};
use orchestrate_planner::check::check;
use orchestrate_planner::{Observations, Plan, StepTarget, make};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ill {
    No,
    Silent,
    Stopped,
    Paused,
    WithoutCallPark,
}

#[derive(Debug, Clone)]
struct Drawn {
    role: Role,
    product: Product,
    domains: Vec<Option<u8>>,
    ill: Vec<Ill>,
    central: bool,
    labelled: bool,
    records: Option<usize>,
    /// Which server an external name of an Edge pool lacks.
    external: Option<usize>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let roles = prop_oneof![
        5 => Just((Role::FrontEnd, Product::Lync2013)),
        2 => Just((Role::FrontEnd, Product::Sfb2019)),
        1 => Just((Role::Director, Product::Sfb2015)),
        1 => Just((Role::Mediation, Product::Lync2013)),
        1 => Just((Role::Edge, Product::Lync2013)),
        2 => Just((Role::Generic, Product::Generic)),
    ];
    let ill = prop_oneof![
        30 => Just(Ill::No), 1 => Just(Ill::Silent), 1 => Just(Ill::Stopped), 1 => Just(Ill::Paused),
        2 => Just(Ill::WithoutCallPark),
    ];
    let server = (prop_oneof![6 => (0..3_u8).prop_map(Some), 1 => Just(None)], ill);
    // Large pools, for the rows that count the first servers only, are mostly well: with many ill ones all are refused.
    let well = (
        prop_oneof![6 => (0..3_u8).prop_map(Some), 1 => Just(None)],
        prop_oneof![40 => Just(Ill::No), 1 => Just(Ill::Stopped)],
    );
    let servers = prop_oneof![4 => prop::collection::vec(server, 1..8), 1 => prop::collection::vec(well, 8..17)];
    let lacks = (prop::option::weighted(0.1, 0..8_usize), prop::option::weighted(0.2, 0..4_usize));
    (roles, servers, any::<bool>(), any::<bool>(), lacks).prop_map(
        |((role, product), servers, central, labelled, (records, external))| {
            let (domains, ill) = servers.into_iter().unzip();
            Drawn { role, product, domains, ill, central, labelled, records, external }
        },
    )
}

fn world(pools: &[Drawn], at_once: u32, shared: u32) -> (Change, Observations) {
    let label = Label::new("site=paris").unwrap();
    let built = pools.iter().enumerate().map(|(number, drawn)| {
        let prefix = format!("p{number}s");
        let mut pool = pool(&format!("pool{number}"), &prefix, &format!("192.0.{number}"), drawn.domains.len());
        (pool.role, pool.product) = (drawn.role, drawn.product);
        if drawn.product == Product::Generic {
            pool.extra_services = vec![service("Worker")];
        }
        count_everything(&mut pool);
        for (server, domain) in pool.servers.iter_mut().zip(&drawn.domains) {
            server.upgrade_domain = domain.map(|domain| UpgradeDomain::new(&format!("UD{domain}")).unwrap());
        }
        if drawn.role == Role::Edge {
            make_edge(&mut pool, &format!("203.0.{number}"));
        }
        if drawn.central {
            pool.servers[0].hosts.insert(Hosted::CentralManagement);
        }
        if drawn.labelled {
            pool.labels.insert(label.clone());
        }
        pool
    });
    let mut change = change(built.collect());
    wait_for_edge(&mut change);
    change.maintenance.at_once = at_once;
    change.budgets.push(SharedBudget { label: label.clone(), at_once: shared });
    let mut seen = healthy_world(&change);
    for (pool, drawn) in change.pools.iter().zip(pools) {
        let of_pool = seen.pools.get_mut(&pool.name).unwrap();
        for (server, ill) in pool.servers.iter().zip(&drawn.ill) {
            spoil(of_pool, &server.name, *ill);
        }
        if let Some(position) = drawn.records {
            set_records(of_pool, |records| {
                if position < records.addresses.len() {
                    records.addresses.remove(position);
                }
            });
        }
        if let (Some(position), Role::Edge) = (drawn.external, drawn.role) {
            set_external(of_pool, position % 3, |records| {
                if position < records.addresses.len() {
                    records.addresses.remove(position);
                }
            });
        }
    }
    (change, seen)
}

fn spoil(seen: &mut orchestrate_model::PoolObservation, server: &ServerName, ill: Ill) {
    match ill {
        Ill::No => {}
        Ill::Silent => silence(seen, server),
        Ill::Stopped => stop(seen, server),
        Ill::Paused => {
            let Answer::Known(services) = &mut seen.servers.get_mut(server).unwrap().services else { panic!("known") };
            for status in services.values_mut() {
                status.state = Answer::Known(RunState::Paused);
            }
        }
        Ill::WithoutCallPark => {
            let Answer::Known(services) = &mut seen.servers.get_mut(server).unwrap().services else { panic!("known") };
            services.remove(&service("RTCCPS"));
        }
    }
}

/// Which servers can be out together: neither waits, through any number of steps, for the end of the other.
fn together(plan: &Plan) -> BTreeMap<(ServerName, ServerName), bool> {
    let steps = plan.steps().len();
    let mut reached = vec![BTreeSet::new(); steps];
    for step in (0..steps).rev() {
        let next = plan.edges().iter().filter(|edge| edge.before.0 as usize == step).map(|edge| edge.after.0 as usize);
        let mut from_here = BTreeSet::from([step]);
        for after in next {
            assert!(after > step, "edges lead onwards");
            from_here.extend(reached[after].iter().copied());
        }
        reached[step] = from_here;
    }
    let mut spans: BTreeMap<ServerName, (usize, usize)> = BTreeMap::new();
    for step in plan.steps() {
        if let StepTarget::Server(work) = step.target {
            let position = step.id.0 as usize;
            let span = spans.entry(plan.work_of(work).server.clone()).or_insert((position, position));
            span.1 = position;
        }
    }
    let mut pairs = BTreeMap::new();
    for (one, (first_one, last_one)) in &spans {
        for (two, (first_two, last_two)) in &spans {
            let apart = reached[*last_one].contains(first_two) || reached[*last_two].contains(first_one);
            pairs.insert((one.clone(), two.clone()), !apart);
        }
    }
    pairs
}

/// The sets of servers that can be out together and cannot grow.
fn widest(servers: &[ServerName], pairs: &BTreeMap<(ServerName, ServerName), bool>) -> Vec<BTreeSet<ServerName>> {
    let mut sets: Vec<BTreeSet<ServerName>> = vec![BTreeSet::new()];
    for server in servers {
        let mut grown = Vec::new();
        for set in &sets {
            let all = set.iter().all(|other| pairs[&(server.clone(), other.clone())]);
            if all {
                let mut larger = set.clone();
                larger.insert(server.clone());
                grown.push(larger);
            }
        }
        sets.extend(grown);
    }
    sets
}

fn is_down(ill: Ill) -> bool {
    matches!(ill, Ill::Silent | Ill::Stopped | Ill::Paused)
}

fn quorum_need(product: Product, servers: usize) -> Option<(usize, usize)> {
    match servers {
        2 if product == Product::Lync2013 => Some((1, 2)),
        3 | 4 => Some((2, servers)),
        5 | 6 => Some((3, servers)),
        7..=9 => Some((4, 7)),
        10 | 11 => Some((5, 9)),
        12 if product == Product::Lync2013 => Some((5, 9)),
        12..=16 if product == Product::Sfb2019 => Some((7, 12)),
        _ => None,
    }
}

/// Holds one set of servers that can be out together against the promises.
fn judge(change: &Change, pool: &Pool, drawn: &Drawn, out: &BTreeSet<ServerName>) -> Result<(), TestCaseError> {
    let down: BTreeSet<ServerName> =
        pool.servers.iter().zip(&drawn.ill).filter(|(_, ill)| is_down(**ill)).map(|(s, _)| s.name.clone()).collect();
    let gone: BTreeSet<&ServerName> = out.union(&down).collect();
    prop_assert!(gone.len() <= change.maintenance.at_once as usize, "P1 budget: {gone:?}");
    prop_assert!(gone.len() < pool.servers.len(), "P1 nobody is left: {gone:?}");
    let of = |name: &ServerName| pool.server(name).unwrap();
    if pool.has_fabric() {
        let domains: BTreeSet<_> = gone.iter().map(|name| of(name).upgrade_domain.clone()).collect();
        prop_assert!(gone.len() < 2 || (domains.len() == 1 && !domains.contains(&None)), "P1 domains: {gone:?}");
        let (need, first) = quorum_need(pool.product, pool.servers.len()).unwrap();
        let left = pool.servers[..first].iter().filter(|server| !gone.contains(&server.name)).count();
        prop_assert!(left >= need, "P1 quorum: {left} of {need}");
        let park: Vec<bool> = drawn.ill.iter().map(|ill| *ill != Ill::WithoutCallPark).collect();
        for server in out {
            let own = pool.servers.iter().position(|other| other.name == *server).unwrap();
            let others = pool.servers.iter().enumerate().filter(|(_, other)| !gone.contains(&other.name));
            let covered = others.filter(|(position, _)| park[*position]).count() > 0;
            prop_assert!(!park[own] || covered, "P2 nobody parks calls while {server} is out");
        }
    }
    let records_broken = drawn.records.is_some_and(|position| position < pool.servers.len());
    let balanced = pool.role != Role::Generic;
    prop_assert!(!(balanced && records_broken) || out.is_empty(), "P2 the records lack a server");
    let outside = pool.role == Role::Edge && drawn.external.is_some_and(|position| position < pool.servers.len());
    prop_assert!(!outside || out.is_empty(), "P2 an external name lacks a server");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p1_p2_no_set_of_servers_that_can_be_out_together_breaks_a_promise(
        pools in prop::collection::vec(drawn(), 1..4), at_once in 1..4_u32, shared in 1..4_u32,
    ) {
        let (change, seen) = world(&pools, at_once, shared);
        let (plan, _) = make(&change, &seen, now()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(check(&plan).is_empty());
        if plan.refusals().next().is_some() {
            return Ok(());
        }
        let pairs = together(&plan);
        let mut labelled = Vec::new();
        for (pool, drawn) in change.pools.iter().zip(&pools) {
            let names: Vec<ServerName> = taken_of(&plan, pool);
            for out in widest(&names, &pairs) {
                judge(&change, pool, drawn, &out)?;
            }
            if drawn.labelled {
                labelled.extend(names);
            }
        }
        let down = pools.iter().filter(|p| p.labelled).flat_map(|p| &p.ill).filter(|ill| is_down(**ill)).count();
        for out in widest(&labelled, &pairs) {
            prop_assert!(out.len() + down <= shared as usize || out.is_empty(), "P1 shared budget: {out:?}");
        }
    }

    #[test]
    fn one_input_gives_the_same_bytes(pools in prop::collection::vec(drawn(), 1..4), at_once in 1..4_u32) {
        let (change, seen) = world(&pools, at_once, 2);
        let bytes = || serde_json::to_vec(&make(&change, &seen, now()).unwrap()).unwrap();
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn every_server_is_taken_once_and_every_feature_of_the_list_is_asked_about(pools in prop::collection::vec(drawn(), 1..4)) {
        let (change, _) = world(&pools, 1, 2);
        let (plan, _) = make(&change, &Observations::default(), now()).unwrap();
        let mut names: Vec<&ServerName> = plan.work().iter().map(|work| &work.server).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), count);
        prop_assert_eq!(count, change.pools.iter().map(|pool| pool.servers.len()).sum::<usize>());
        for work in plan.work().iter().filter(|work| plan.pool_of(work).has_fabric()) {
            prop_assert!(Feature::ALL.iter().all(|feature| work.block.contains(&service(feature.service()))));
        }
    }
}

fn taken_of(plan: &Plan, pool: &Pool) -> Vec<ServerName> {
    let own = plan.work().iter().filter(|work| work.skip.is_none() && plan.pool_of(work).name == pool.name);
    own.map(|work| work.server.clone()).collect()
}
