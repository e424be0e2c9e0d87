//! Random pools with everything that ties them together: order, next hops, pairs, budgets, upgrade domains, single
//! servers, services that depend on each other, outages. No plan that may run lets servers be out together that break
//! a promise. What that means is in [`crate::antichains`], which knows nothing of how plans are made.

use crate::antichains::{Broken, Facts, broken};
use crate::support::*;
use orchestrate_model::change::{Scope, SharedBudget};
use orchestrate_model::pool::Hosted;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    Answer, Change, Feature, Label, Pool, PoolObservation, Product, Role, ServerName, UpgradeDomain, Version,
};
use orchestrate_planner::check::check;
use orchestrate_planner::{EdgeReason, Observations, Plan, PlanError, make};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

/// A pool, and what ties it to others. Places are taken modulo the number of pools.
#[derive(Debug, Clone)]
struct Drawn {
    role: Role,
    product: Product,
    /// For each server its upgrade domain, and what is wrong with it.
    servers: Vec<(Option<u8>, Ill)>,
    central: bool,
    labels: [bool; 2],
    after: Option<usize>,
    next_hop: Option<usize>,
    pair: Option<usize>,
    /// One server shows that the second of these services depends on the first.
    dependents: Vec<(usize, usize)>,
    /// A service that the first server alone has.
    lone: Option<usize>,
    /// Nothing is to be done to any server: all are at the wanted level.
    done: bool,
    records: bool,
}

/// What is wrong with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ill {
    No,
    Silent,
    Stopped,
    /// One of the services that depend on DNS is not there.
    Without(usize),
}

/// The whole change.
#[derive(Debug, Clone)]
struct Night {
    pools: Vec<Drawn>,
    at_once: u32,
    budgets: [u32; 2],
    scope: Option<Vec<usize>>,
    accepted: u8,
}

/// Services that are chosen, that depend on each other, or that a server lacks. All but the first depend on DNS.
const SERVICES: [&str; 5] = ["RTCSRV", "RTCCAA", "RTCCAS", "RTCRGS", "RTCCPS"];

fn servers() -> impl Strategy<Value = Vec<(Option<u8>, Ill)>> {
    let ill = prop_oneof![
        60 => Just(Ill::No), 1 => Just(Ill::Silent), 2 => Just(Ill::Stopped), 2 => (1..5_usize).prop_map(Ill::Without),
    ];
    // Few domains, so that several servers share one.
    let domain = |most: u8| prop_oneof![12 => (0..most).prop_map(Some), 1 => Just(None)];
    let some = |least, most, ill| prop::collection::vec((domain(3), ill), least..most);
    let well = prop_oneof![60 => Just(Ill::No), 1 => Just(Ill::Stopped)];
    prop_oneof![1 => some(1, 2, ill.clone().boxed()), 8 => some(2, 8, ill.boxed()), 2 => some(8, 17, well.boxed())]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let roles = prop_oneof![
        6 => Just((Role::FrontEnd, Product::Lync2013)),
        1 => Just((Role::FrontEnd, Product::Sfb2015)),
        2 => Just((Role::FrontEnd, Product::Sfb2019)),
        1 => Just((Role::FrontEnd, Product::Sfbse)),
        2 => Just((Role::StandardEdition, Product::Lync2013)),
        1 => Just((Role::Director, Product::Sfb2015)),
        1 => Just((Role::Mediation, Product::Lync2013)),
        3 => Just((Role::Edge, Product::Lync2013)),
        1 => Just((Role::Generic, Product::Generic)),
    ];
    let tie = |often: f64| prop::option::weighted(often, 0..8_usize);
    let dependents = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec((0..5_usize, 0..5_usize), 1..3)];
    let lone = prop::option::weighted(0.2, 1..5_usize);
    let words = (any::<bool>(), any::<[bool; 2]>(), prop::bool::weighted(0.03), prop::bool::weighted(0.3), lone);
    (roles, servers(), words, (tie(0.5), tie(0.9), tie(0.15)), dependents).prop_map(
        |(
            (role, product),
            mut servers,
            (central, labels, records, done, lone),
            (after, next_hop, pair),
            dependents,
        )| {
            if role == Role::StandardEdition {
                servers.truncate(1);
            }
            Drawn { role, product, servers, central, labels, after, next_hop, pair, dependents, lone, done, records }
        },
    )
}

fn night() -> impl Strategy<Value = Night> {
    let scope = prop_oneof![2 => Just(None), 1 => prop::collection::vec(0..5_usize, 1..3).prop_map(Some)];
    let accepted = prop_oneof![2 => Just(0_u8), 1 => any::<u8>(), 2 => Just(u8::MAX)];
    (prop::collection::vec(drawn(), 1..5), 1..4_u32, [1..5_u32, 1..5_u32], scope, accepted)
        .prop_map(|(pools, at_once, budgets, scope, accepted)| Night { pools, at_once, budgets, scope, accepted })
}

fn name(place: usize) -> orchestrate_model::PoolName {
    pool_name(&format!("pool{place}"))
}

fn pool_of(night: &Night, place: usize) -> Pool {
    let drawn = &night.pools[place];
    let mut pool = pool(&format!("pool{place}"), &format!("p{place}s"), &format!("192.0.{place}"), drawn.servers.len());
    (pool.role, pool.product) = (drawn.role, drawn.product);
    if drawn.product == Product::Generic {
        pool.extra_services = vec![service("Worker")];
    }
    count_everything(&mut pool);
    for (server, (domain, _)) in pool.servers.iter_mut().zip(&drawn.servers) {
        server.upgrade_domain = domain.map(|domain| UpgradeDomain::new(&format!("UD{domain}")).unwrap());
    }
    if drawn.central {
        pool.servers[0].hosts.insert(Hosted::CentralManagement);
    }
    pool.labels = labels().into_iter().zip(drawn.labels).filter_map(|(label, has)| has.then_some(label)).collect();
    let other = |tie: Option<usize>| tie.map(|tie| tie % night.pools.len()).filter(|other| *other != place);
    pool.after = other(drawn.after).map(name).into_iter().collect();
    let inner = |other: &usize| !matches!(night.pools[*other].role, Role::Edge | Role::Generic);
    let hop = drawn.next_hop.filter(|_| drawn.role == Role::Edge);
    pool.next_hop =
        hop.and_then(|hop| (hop..).take(night.pools.len()).map(|hop| hop % night.pools.len()).find(inner)).map(name);
    let alike = |other: &usize| night.pools[*other].role == drawn.role;
    let fits = |other: &usize| alike(other) && matches!(drawn.role, Role::FrontEnd | Role::StandardEdition);
    pool.paired_with = other(drawn.pair).filter(fits).map(name);
    pool
}

fn labels() -> [Label; 2] {
    ["site=paris", "rack=7"].map(|label| Label::new(label).unwrap())
}

/// The change, what is seen, and how it really is.
fn world(night: &Night) -> (Change, Observations, Facts) {
    let mut change = change((0..night.pools.len()).map(|place| pool_of(night, place)).collect());
    change.maintenance.at_once = night.at_once;
    let budgets = labels().into_iter().zip(night.budgets);
    change.budgets = budgets.map(|(label, at_once)| SharedBudget { label, at_once }).collect();
    if let Some(chosen) = &night.scope {
        let chosen: BTreeSet<usize> = chosen.iter().copied().collect();
        change.maintenance.scope = Scope::Services(chosen.into_iter().map(|place| service(SERVICES[place])).collect());
    }
    let accepted = Feature::ALL.into_iter().enumerate().filter(|(bit, _)| night.accepted & (1 << bit) != 0);
    change.maintenance.accept_loss = accepted.map(|(_, feature)| feature).collect();
    if night.accepted == u8::MAX {
        let alone =
            change.pools.iter_mut().filter(|pool| pool.role == Role::StandardEdition && pool.servers.len() == 1);
        alone.for_each(|pool| pool.accept_outage = Some("announced".to_owned()));
    }
    let (mut seen, mut facts) = (healthy_world(&change), Facts::default());
    for (pool, drawn) in change.pools.iter().zip(&night.pools) {
        spoil(pool, drawn, seen.pools.get_mut(&pool.name).unwrap(), &mut facts);
    }
    (change, seen, facts)
}

fn lacks(seen: &mut PoolObservation, server: &ServerName, lacking: &str, facts: &mut Facts) {
    if let Answer::Known(services) = &mut seen.servers.get_mut(server).unwrap().services {
        services.remove(&service(lacking));
        facts.without.insert((server.clone(), service(lacking)));
    }
}

fn spoil(pool: &Pool, drawn: &Drawn, seen: &mut PoolObservation, facts: &mut Facts) {
    for (server, (_, ill)) in pool.servers.iter().zip(&drawn.servers) {
        match ill {
            Ill::No => {}
            Ill::Silent => silence(seen, &server.name),
            Ill::Stopped => stop(seen, &server.name),
            Ill::Without(place) => {
                lacks(seen, &server.name, SERVICES[*place], facts);
            }
        }
        if matches!(ill, Ill::Silent | Ill::Stopped) {
            facts.down.insert(server.name.clone());
        }
    }
    for server in pool.servers.iter().skip(1) {
        if let Some(place) = drawn.lone {
            lacks(seen, &server.name, SERVICES[place], facts);
        }
    }
    if drawn.done {
        let level = Version::parse("5.0.8308.1149").unwrap();
        for server in seen.servers.values_mut() {
            let version = ComponentVersion { component: "Core Components".into(), version: level.clone() };
            server.versions = Answer::Known(vec![version]);
        }
    }
    let first = seen.servers.values_mut().find_map(|server| match &mut server.services {
        Answer::Known(services) => Some(services),
        Answer::Unknown(_) => None,
    });
    for (on, by) in drawn.dependents.iter().map(|(on, by)| (service(SERVICES[*on]), service(SERVICES[*by]))) {
        let status = first.as_ref().filter(|_| on != by && pool.has_fabric()).and_then(|services| services.get(&on));
        if status.is_some() {
            facts.dependents.push((pool.name.clone(), on, by));
        }
    }
    if let Some(services) = first {
        for (_, on, by) in facts.dependents.iter().filter(|(of, ..)| *of == pool.name) {
            let Answer::Known(dependents) = &mut services.get_mut(on).unwrap().dependents else { panic!("known") };
            dependents.push(by.clone());
        }
    }
    if drawn.records {
        set_records(seen, |records| {
            records.addresses.pop();
        });
        facts.lacking.insert(pool.name.clone());
    }
}

/// What comes of a night.
enum Comes {
    /// A plan that may run.
    Runs(Plan, Facts),
    Refused(Plan),
    /// Pools that wait for each other by the plan's own word.
    Circle,
}

fn comes_of(night: &Night) -> Result<Comes, TestCaseError> {
    let (change, seen, facts) = world(night);
    let plan = match make(&change, &seen, now()) {
        Ok((plan, _)) => plan,
        Err(PlanError::Cycle(_)) => return Ok(Comes::Circle),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    prop_assert!(check(&plan).is_empty());
    let refused = plan.refusals().next().is_some();
    Ok(if refused { Comes::Refused(plan) } else { Comes::Runs(plan, facts) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p1_p2_no_tie_between_pools_lets_servers_be_out_together_that_break_a_promise(night in night()) {
        if let Comes::Runs(plan, facts) = comes_of(&night)? {
            let none: BTreeSet<Broken> = BTreeSet::new();
            prop_assert_eq!(broken(&plan, &facts), none);
            // Not even one after the other.
            prop_assert!(!has_pair(plan.change()), "paired pools in one run");
        }
    }
}

#[test]
fn the_nights_that_are_drawn_have_everything_in_them() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let mut counted: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..600 {
        let night = night().new_tree(&mut runner).unwrap().current();
        let (plan, facts) = match comes_of(&night).unwrap() {
            Comes::Runs(plan, facts) => (plan, facts),
            Comes::Refused(plan) => {
                *counted.entry("a pair, refused").or_default() += u32::from(has_pair(plan.change()));
                continue;
            }
            Comes::Circle => {
                *counted.entry("a circle").or_default() += 1;
                continue;
            }
        };
        let edge = |wanted: fn(&EdgeReason) -> bool| plan.edges().iter().any(|edge| wanted(&edge.reason));
        let pools = || plan.change().pools.iter();
        let mates = |pair: &[orchestrate_planner::plan::ServerWork]| {
            (pair[0].pool, pair[0].batch) == (pair[1].pool, pair[1].batch) && plan.pool_of(&pair[0]).has_fabric()
        };
        let has = [
            ("a run", true),
            ("after", edge(|reason| matches!(reason, EdgeReason::After(_)))),
            ("a next hop", edge(|reason| matches!(reason, EdgeReason::NextHop(_)))),
            ("a shared budget", edge(|reason| matches!(reason, EdgeReason::SharedBudget(..)))),
            ("upgrade domains", edge(|reason| *reason == EdgeReason::UpgradeDomains)),
            ("front ends of a domain together", plan.work().windows(2).any(mates)),
            ("a Standard Edition server", pools().any(|pool| pool.role == Role::StandardEdition)),
            ("chosen services", plan.change().maintenance.scope != Scope::AllServices),
            ("dependents of a chosen service", plan.work().iter().any(|work| widened(&plan, work))),
            ("a server down", !facts.down.is_empty()),
            ("a service that is not there", !facts.without.is_empty()),
            ("a pool that has nothing to do", plan.work().iter().any(|work| work.skip.is_some())),
            ("ten servers or more", pools().any(|pool| pool.has_fabric() && pool.servers.len() >= 10)),
            ("the usual order turned round", plan.findings().iter().any(|finding| finding.code == "O2051")),
        ];
        has.into_iter().for_each(|(what, is)| *counted.entry(what).or_default() += u32::from(is));
    }
    let rare: Vec<_> = counted.iter().filter(|(_, times)| **times < 3).collect();
    assert!(rare.is_empty() && counted["a run"] >= 60, "{counted:?}");
}

/// A front end pool of so many servers, in which all is well.
fn well(servers: usize) -> Drawn {
    Drawn {
        role: Role::FrontEnd,
        product: Product::Lync2013,
        servers: (0..servers).map(|_| (Some(0), Ill::No)).collect(),
        central: false,
        labels: [false; 2],
        after: None,
        next_hop: None,
        pair: None,
        dependents: Vec::new(),
        lone: None,
        done: false,
        records: false,
    }
}

#[test]
fn p1_pools_with_nothing_to_do_hand_on_what_waits_for_them() {
    for done in 0..1_u32 << 4 {
        let pools =
            (0..4_usize).map(|place| Drawn { after: place.checked_sub(1), done: done & (1 << place) != 0, ..well(3) });
        let night = Night { pools: pools.collect(), at_once: 1, budgets: [1; 2], scope: None, accepted: 0 };
        let Comes::Runs(plan, facts) = comes_of(&night).unwrap() else { panic!("it may run") };
        assert_eq!(broken(&plan, &facts), BTreeSet::new(), "{done:04b}");
    }
}

#[test]
fn p2_what_depends_on_a_chosen_service_is_covered_or_the_plan_is_refused() {
    let (mut refused, mut runs) = (0, 0);
    let places = 0..SERVICES.len();
    let chains = places.clone().flat_map(|on| places.clone().map(move |by| (on, by)));
    for (on, by) in chains.filter(|(on, by)| on != by) {
        for (chosen, lone) in places.clone().flat_map(|chosen| (1..5).map(move |lone| (chosen, lone))) {
            let pool = Drawn { dependents: vec![(on, by)], lone: Some(lone), ..well(3) };
            let scope = Some(vec![chosen]);
            let night = Night { pools: vec![pool], at_once: 1, budgets: [1; 2], scope, accepted: 0 };
            match comes_of(&night).unwrap() {
                Comes::Runs(plan, facts) => {
                    assert_eq!(broken(&plan, &facts), BTreeSet::new(), "{on} {by} {chosen} {lone}");
                    runs += 1;
                }
                Comes::Refused(_) => refused += 1,
                Comes::Circle => panic!("there is one pool"),
            }
        }
    }
    assert!(refused > 50 && runs > 50, "{refused} refused, {runs} run");
}

fn has_pair(change: &Change) -> bool {
    change.pools.iter().any(|pool| pool.paired_with.as_ref().is_some_and(|partner| change.pool(partner).is_some()))
}

/// Whether more is blocked on a server than the plan names.
fn widened(plan: &Plan, work: &orchestrate_planner::plan::ServerWork) -> bool {
    match &plan.change().maintenance.scope {
        Scope::AllServices => false,
        Scope::Services(chosen) => work.block.iter().any(|name| !chosen.contains(name)),
    }
}
