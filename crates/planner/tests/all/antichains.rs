//! What can be out together in a plan, and which promise that would break. Knows steps, edges and the change, and
//! nothing of how plans are made. Each check is shown to fail on a plan that is bad in its way.

use crate::support::*;
use orchestrate_model::change::{Scope, SharedBudget};
use orchestrate_model::pool::Hosted;
use orchestrate_model::{
    Change, Feature, Label, Pool, PoolName, Product, Role, ServerName, ServiceName, UpgradeDomain,
};
use orchestrate_planner::{Plan, StepTarget};
use std::collections::BTreeSet;

/// What a plan breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    Budget,
    SharedBudget,
    Domains,
    Quorum,
    LastServer,
    Feature,
    Records,
    Paired,
    NextHop,
    LonelyHop,
    After,
    CentralLast,
}

/// How the servers really are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Servers that do not serve, or of which nobody knows.
    pub(crate) down: BTreeSet<ServerName>,
    /// Services that a server does not have.
    pub(crate) without: BTreeSet<(ServerName, ServiceName)>,
    /// For a pool: a service, and one that depends on it.
    pub(crate) dependents: Vec<(PoolName, ServiceName, ServiceName)>,
    /// Pools whose records lack a server.
    pub(crate) lacking: BTreeSet<PoolName>,
}

/// Which server is over before which begins, by the edges alone.
struct Order {
    names: Vec<ServerName>,
    /// For each server those that begin only when it is over, one bit each.
    later: Vec<u128>,
}

impl Order {
    fn of(plan: &Plan) -> Self {
        let mut spans: Vec<(ServerName, usize, usize)> = Vec::new();
        for (position, step) in plan.steps().iter().enumerate() {
            let StepTarget::Server(work) = step.target else { continue };
            let name = &plan.work_of(work).server;
            match spans.iter_mut().find(|(known, ..)| known == name) {
                Some((_, _, last)) => *last = position,
                None => spans.push((name.clone(), position, position)),
            }
        }
        assert!(spans.len() <= 128, "a bit for each server");
        let mut next = vec![Vec::new(); plan.steps().len()];
        for edge in plan.edges() {
            next[edge.before.0 as usize].push(edge.after.0 as usize);
        }
        let begins = |step: usize| spans.iter().position(|(_, first, _)| *first == step);
        let mut reached = vec![0_u128; plan.steps().len()];
        for step in (0..plan.steps().len()).rev() {
            for &after in &next[step] {
                assert!(after > step, "edges lead onwards");
                reached[step] |= reached[after] | begins(after).map_or(0, |server| 1 << server);
            }
        }
        let later = spans.iter().map(|(.., last)| reached[*last]).collect();
        Self { names: spans.into_iter().map(|(name, ..)| name).collect(), later }
    }

    fn place(&self, server: &ServerName) -> Option<usize> {
        self.names.iter().position(|name| name == server)
    }

    fn ends_before(&self, one: usize, two: usize) -> bool {
        self.later[one] & (1 << two) != 0
    }

    /// The servers of a pool that something is done to.
    fn of_pool(&self, pool: &Pool) -> Vec<usize> {
        pool.servers.iter().filter_map(|server| self.place(&server.name)).collect()
    }

    /// Whether all of one pool is over before anything of another begins.
    fn pool_before(&self, one: &Pool, two: &Pool) -> bool {
        let two = self.of_pool(two);
        self.of_pool(one).into_iter().all(|one| two.iter().all(|two| self.ends_before(one, *two)))
    }

    /// The sets of servers of which none waits for another. None has more than `most` and one: larger ones break no
    /// more than these.
    fn antichains(&self, servers: &[usize], most: usize) -> Vec<BTreeSet<ServerName>> {
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for &server in servers {
            let fits = |set: &&Vec<usize>| {
                let apart = |other: &usize| self.ends_before(server, *other) || self.ends_before(*other, server);
                set.len() <= most && !set.iter().any(apart)
            };
            let grown: Vec<Vec<usize>> =
                sets.iter().filter(fits).map(|set| set.iter().copied().chain([server]).collect()).collect();
            sets.extend(grown);
        }
        sets.into_iter().map(|set| set.into_iter().map(|server| self.names[server].clone()).collect()).collect()
    }
}

/// Returns everything that a plan breaks.
pub(crate) fn broken(plan: &Plan, facts: &Facts) -> BTreeSet<Broken> {
    let (order, change) = (Order::of(plan), plan.change());
    let mut found = BTreeSet::new();
    for pool in &change.pools {
        let own = order.of_pool(pool);
        for out in order.antichains(&own, change.maintenance.at_once as usize) {
            within(change, pool, facts, &out, &mut found);
        }
        let central =
            |server: &&usize| pool.server(&order.names[**server]).unwrap().hosts.contains(&Hosted::CentralManagement);
        if let Some(last) = own.iter().find(central)
            && own.iter().any(|other| other != last && !order.ends_before(*other, *last))
        {
            found.insert(Broken::CentralLast);
        }
    }
    for budget in &change.budgets {
        let sharing: Vec<&Pool> = change.pools.iter().filter(|pool| pool.labels.contains(&budget.label)).collect();
        let servers: Vec<usize> = sharing.iter().flat_map(|pool| order.of_pool(pool)).collect();
        let down = sharing.iter().flat_map(|pool| &pool.servers).filter(|s| facts.down.contains(&s.name)).count();
        let most = budget.at_once as usize;
        let sets = order.antichains(&servers, most);
        if sets.iter().any(|out| !out.is_empty() && out.len() + down > most) {
            found.insert(Broken::SharedBudget);
        }
    }
    between(change, facts, &order, &mut found);
    found
}

/// What the pools owe each other.
fn between(change: &Change, facts: &Facts, order: &Order, found: &mut BTreeSet<Broken>) {
    let [stated, hops] = waits(change);
    let usual = through(stated.union(&hops).copied().collect());
    let stated = through(stated);
    for (place, pool) in change.pools.iter().enumerate() {
        for (other, _) in stated.iter().filter(|(_, after)| *after == place) {
            if !order.pool_before(&change.pools[*other], pool) {
                found.insert(Broken::After);
            }
        }
        if let Some(partner) = pool.paired_with.as_ref().and_then(|name| change.pool(name)) {
            let pairs =
                order.of_pool(pool).into_iter().flat_map(|a| order.of_pool(partner).into_iter().map(move |b| (a, b)));
            let mut pairs = pairs;
            if pairs.any(|(one, two)| !order.ends_before(one, two) && !order.ends_before(two, one)) {
                found.insert(Broken::Paired);
            }
        }
        let Some(hop) = pool.next_hop.as_ref().and_then(|name| change.pools.iter().position(|p| p.name == *name))
        else {
            continue;
        };
        // The plan's own word goes before the usual order.
        let otherwise = usual.contains(&(place, hop));
        if !otherwise && !order.pool_before(&change.pools[hop], pool) {
            found.insert(Broken::NextHop);
        }
        let hop = &change.pools[hop];
        if hop.servers.len() == 1 && !order.of_pool(hop).is_empty() && blocks(change, hop, facts, "RTCSRV") {
            found.insert(Broken::LonelyHop);
        }
    }
}

/// Which pool each pool waits for by the plan's own word, and which by its next hop.
fn waits(change: &Change) -> [BTreeSet<(usize, usize)>; 2] {
    let place = |name: &PoolName| change.pools.iter().position(|pool| pool.name == *name);
    let (mut stated, mut hops) = (BTreeSet::new(), BTreeSet::new());
    for (after, pool) in change.pools.iter().enumerate() {
        stated.extend(pool.after.iter().filter_map(|name| Some((place(name)?, after))));
        hops.extend(pool.next_hop.iter().filter_map(|name| Some((place(name)?, after))));
    }
    [stated, hops]
}

/// The same through any number of others.
fn through(mut leads: BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    loop {
        let on =
            |(_, b): &(usize, usize)| leads.iter().filter(move |(c, _)| b == c).map(|(_, d)| *d).collect::<Vec<_>>();
        let pairs = leads.iter().flat_map(|pair| on(pair).into_iter().map(|end| (pair.0, end)));
        let more: BTreeSet<_> = pairs.filter(|pair| !leads.contains(pair)).collect();
        if more.is_empty() {
            return leads;
        }
        leads.extend(more);
    }
}

/// Whether a service of a front end is blocked with the change: named by it, or through others dependent on one that is.
fn blocks(change: &Change, pool: &Pool, facts: &Facts, wanted: &str) -> bool {
    chosen(change, pool, facts).is_none_or(|blocked| blocked.contains(&service(wanted)))
}

/// The chosen services with what depends on them. None where whole servers are blocked.
fn chosen(change: &Change, pool: &Pool, facts: &Facts) -> Option<BTreeSet<ServiceName>> {
    let Scope::Services(chosen) = &change.maintenance.scope else { return None };
    let mut blocked: BTreeSet<&ServiceName> = chosen.iter().collect();
    loop {
        let more = facts.dependents.iter().filter(|(of, on, _)| *of == pool.name && blocked.contains(on));
        let more: Vec<&ServiceName> = more.map(|(.., dependent)| dependent).filter(|d| !blocked.contains(d)).collect();
        if more.is_empty() {
            return Some(blocked.into_iter().cloned().collect());
        }
        blocked.extend(more);
    }
}

/// How many of the first how many have to run.
fn quorum_need(product: Product, servers: usize) -> Option<(usize, usize)> {
    let later = matches!(product, Product::Sfb2019 | Product::Sfbse);
    match servers {
        2 if !later => Some((1, 2)),
        3 | 4 => Some((2, servers)),
        5 | 6 => Some((3, servers)),
        7..=9 => Some((4, 7)),
        10 | 11 => Some((5, 9)),
        12 if !later => Some((5, 9)),
        12..=16 if later => Some((7, 12)),
        _ => None,
    }
}

/// Holds one set of servers of a pool that can be out together against the promises.
fn within(change: &Change, pool: &Pool, facts: &Facts, out: &BTreeSet<ServerName>, found: &mut BTreeSet<Broken>) {
    if out.is_empty() {
        return;
    }
    let own = |name: &&ServerName| pool.server(name).is_some();
    let gone: BTreeSet<&ServerName> = out.iter().chain(facts.down.iter().filter(own)).collect();
    let mut breaks = |broken: Broken, really: bool| {
        if really {
            found.insert(broken);
        }
    };
    let accepts = |feature: &Feature| change.maintenance.accept_loss.contains(feature);
    // Nobody takes over from the only server, so the plan accepts that in words, or only features go that it accepts.
    let holds = |name: &ServiceName| Feature::ALL.iter().any(|feature| name.as_str() == feature.service());
    let features_only = chosen(change, pool, facts).is_some_and(|blocked| {
        let lost = Feature::ALL.iter().filter(|feature| blocked.contains(&service(feature.service())));
        blocked.iter().all(holds) && lost.into_iter().all(accepts)
    });
    let alone = pool.servers.len() == 1 && (pool.accept_outage.is_some() || features_only);
    breaks(Broken::Budget, gone.len() > change.maintenance.at_once as usize);
    breaks(Broken::LastServer, gone.len() >= pool.servers.len() && !alone);
    let domain = |name: &&ServerName| pool.server(name).unwrap().upgrade_domain.clone();
    let several = |domains: BTreeSet<Option<UpgradeDomain>>| domains.len() > 1 || domains.contains(&None);
    let apart =
        pool.product != Product::Generic && out.len() > 1 && several(out.iter().map(|name| domain(&name)).collect());
    breaks(
        Broken::Domains,
        apart || (pool.has_fabric() && gone.len() > 1 && several(gone.iter().map(domain).collect())),
    );
    if pool.has_fabric() && blocks(change, pool, facts, "RTCSRV") {
        let row = quorum_need(pool.product, pool.servers.len());
        let left = |first: usize| pool.servers[..first].iter().filter(|server| !gone.contains(&server.name)).count();
        breaks(Broken::Quorum, row.is_none_or(|(need, first)| left(first) < need));
    }
    if pool.product == Product::Generic || alone {
        return;
    }
    let listed = pool.has_fabric().then_some(Feature::ALL).into_iter().flatten();
    let features = listed.filter(|feature| blocks(change, pool, facts, feature.service()));
    let unaccepted: Vec<Feature> = features.filter(|feature| !accepts(feature)).collect();
    for feature in &unaccepted {
        let runs = |name: &ServerName| !facts.without.contains(&(name.clone(), service(feature.service())));
        let taken_over = pool.servers.iter().any(|other| !gone.contains(&other.name) && runs(&other.name));
        breaks(Broken::Feature, out.iter().any(runs) && !taken_over);
    }
    let whole = change.maintenance.scope == Scope::AllServices;
    let spread = whole || blocks(change, pool, facts, "RTCSRV");
    let needs = spread
        || out.iter().any(|name| {
            unaccepted.iter().any(|feature| !facts.without.contains(&(name.clone(), service(feature.service()))))
        });
    breaks(Broken::Records, needs && facts.lacking.contains(&pool.name));
}

/// The same plan with its JSON changed.
fn spoilt(plan: &Plan, spoil: impl Fn(&mut serde_json::Value)) -> Plan {
    let mut json = serde_json::to_value(plan).unwrap();
    spoil(&mut json);
    serde_json::from_value(json).unwrap()
}

/// The same plan without the edges of a kind.
fn without(plan: &Plan, reasons: &[&str]) -> Plan {
    let named = |reason: &serde_json::Value, name: &str| reason == name || reason.get(name).is_some();
    let spoilt = spoilt(plan, |json| {
        let edges = json["edges"].as_array_mut().unwrap();
        edges.retain(|edge| !reasons.iter().any(|name| named(&edge["reason"], name)));
    });
    assert!(spoilt.edges().len() < plan.edges().len(), "no edge is because of {reasons:?}");
    spoilt
}

fn in_one_domain(pool: &mut Pool, first: usize) {
    for server in &mut pool.servers[..first] {
        server.upgrade_domain = Some(UpgradeDomain::new("UD1").unwrap());
    }
}

fn found(plan: &Plan, facts: &Facts, wanted: Broken) -> bool {
    broken(plan, facts).contains(&wanted)
}

/// Holds a good plan and a bad one against the same facts: only the bad one breaks what it is bad in.
fn shows(wanted: Broken, (good, bad): (&Plan, &Plan), facts: &Facts) {
    assert!(!found(good, facts, wanted), "{wanted:?} is broken by a good plan");
    assert!(found(bad, facts, wanted), "{wanted:?} is not seen: {:?}", broken(bad, facts));
}

#[test]
fn a_plan_that_lacks_the_waits_of_a_pool_is_seen() {
    let mut pool = pool("pool01", "fe", "192.0.2", 6);
    in_one_domain(&mut pool, 4);
    pool.servers[0].hosts.insert(Hosted::CentralManagement);
    let mut change = change(vec![pool]);
    let well = Facts::default();
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(broken(&plan, &well), BTreeSet::new());
    shows(Broken::Budget, (&plan, &without(&plan, &["at_once"])), &well);
    shows(Broken::CentralLast, (&plan, &without(&plan, &["central_management_last", "at_once"])), &well);
    change.maintenance.at_once = 3;
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(broken(&plan, &well), BTreeSet::new());
    shows(Broken::Domains, (&plan, &without(&plan, &["upgrade_domains"])), &well);
    shows(Broken::Quorum, (&plan, &without(&plan, &["at_once", "upgrade_domains"])), &well);
    // What is down counts with what is out.
    let down = Facts { down: [server_name("fe6")].into(), ..Facts::default() };
    assert!(found(&plan, &down, Broken::Budget) && found(&plan, &down, Broken::Domains), "{:?}", broken(&plan, &down));
}

#[test]
fn a_plan_that_takes_what_nobody_takes_over_is_seen() {
    let two = change(vec![pool("pool01", "fe", "192.0.2", 2)]);
    let (plan, _) = planned(&two, &healthy_world(&two));
    let well = Facts::default();
    let down = Facts { down: [server_name("fe2")].into(), ..Facts::default() };
    assert!(!found(&plan, &well, Broken::LastServer) && found(&plan, &down, Broken::LastServer));
    let alone = (server_name("fe2"), service("RTCCPS"));
    let lacks = Facts { without: [alone].into(), ..Facts::default() };
    assert!(!found(&plan, &well, Broken::Feature) && found(&plan, &lacks, Broken::Feature));
    let lacking = Facts { lacking: [pool_name("pool01")].into(), ..Facts::default() };
    assert!(!found(&plan, &well, Broken::Records) && found(&plan, &lacking, Broken::Records));
    // With one service chosen, what depends on it goes too.
    let mut chosen = two;
    chosen.maintenance.scope = Scope::Services(vec![service("RTCRGS")]);
    let (plan, _) = planned(&chosen, &healthy_world(&chosen));
    assert!(!found(&plan, &lacks, Broken::Feature), "Call Park is not blocked");
    let through = [("RTCRGS", "RTCCAA"), ("RTCCAA", "RTCCPS")];
    let dependents = through.map(|(on, by)| (pool_name("pool01"), service(on), service(by))).into();
    assert!(found(&plan, &Facts { dependents, ..lacks }, Broken::Feature));
    // A Standard Edition server has nobody beside it: its outage is accepted in words, or it stays.
    let mut only = change(vec![pool("se01", "se", "192.0.2", 1)]);
    only.pools[0].role = Role::StandardEdition;
    only.pools[0].accept_outage = Some("announced".to_owned());
    let (good, _) = planned(&only, &healthy_world(&only));
    let bad = spoilt(&good, |json| json["change"]["pools"][0]["accept_outage"] = serde_json::Value::Null);
    shows(Broken::LastServer, (&good, &bad), &well);
}

#[test]
fn a_plan_that_lacks_the_waits_between_pools_is_seen() {
    let well = Facts::default();
    let label = Label::new("site=paris").unwrap();
    let mut three: Vec<Pool> =
        (1..=3).map(|n| pool(&format!("pool{n}"), &format!("p{n}s"), &format!("192.0.{n}"), 3)).collect();
    for pool in &mut three {
        pool.labels.insert(label.clone());
    }
    three[2].role = Role::Edge;
    three[2].next_hop = Some(pool_name("pool2"));
    three[1].after = vec![pool_name("pool1")];
    let mut change = change(three);
    change.budgets = vec![SharedBudget { label, at_once: 2 }];
    let (plan, _) = planned(&change, &healthy_world(&change));
    assert_eq!(broken(&plan, &well), BTreeSet::new());
    shows(Broken::After, (&plan, &without(&plan, &["after", "shared_budget"])), &well);
    shows(Broken::NextHop, (&plan, &without(&plan, &["next_hop", "inside_out", "shared_budget"])), &well);
    let bad = without(&plan, &["after", "next_hop", "inside_out", "shared_budget"]);
    shows(Broken::SharedBudget, (&plan, &bad), &well);
    let pair =
        |plan: &Plan| spoilt(plan, |json| json["change"]["pools"][0]["paired_with"] = "pool2.contoso.example".into());
    shows(Broken::Paired, (&pair(&plan), &pair(&bad)), &well);
    // The plan's own word turns the usual order round.
    let mut turned = change;
    (turned.pools[1].after, turned.budgets) = (vec![pool_name("pool3")], Vec::new());
    let (plan, _) = planned(&turned, &healthy_world(&turned));
    assert_eq!(broken(&plan, &well), BTreeSet::new());
    let unsaid = spoilt(&plan, |json| json["change"]["pools"][1]["after"] = serde_json::json!([]));
    shows(Broken::NextHop, (&plan, &unsaid), &well);
    let lonely = spoilt(&plan, |json| json["change"]["pools"][1]["servers"].as_array_mut().unwrap().truncate(1));
    shows(Broken::LonelyHop, (&plan, &lonely), &well);
}
