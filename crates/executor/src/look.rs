//! Taking looks: everything asked at once, as far as there are seats, every answer three-valued.

use crate::crew::Crew;
use futures::future::join_all;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use orchestrate_driver::limits::POOLS_AT_ONCE;
use orchestrate_driver::{Clock, Eyes};
use orchestrate_engine::Look;
use orchestrate_engine::look::AskBalancer;
use orchestrate_model::observe::{BalancerObservation, DnsAsk, DnsObservation};
use orchestrate_model::{Answer, Ask, Change, PoolName, PoolObservation, ServerName, ServerObservation};
use orchestrate_planner::safety::EVIDENCE_LIFETIME;
use orchestrate_planner::{Observations, scope};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// Takes one look.
pub async fn look(crew: &Crew, eyes: &Eyes, look: &Look, clock: &Clock) -> PoolObservation {
    let _room = crew.room(look.servers.len()).await;
    let taken = clock.now();
    let limit = look.within.and_then(|within| Duration::try_from(within).ok());
    // What is seen in one look is to be of one moment: names and balancer are asked when the first server is, which may
    // have to wait for its turn.
    let (begin, begun) = watch::channel(look.servers.is_empty());
    let begin = &begin;
    let servers = look
        .servers
        .iter()
        .map(|(name, ask)| async move { server(crew, eyes, (name, ask), (taken, begin, limit)).await });
    let servers = join_all(servers);
    let names = async { names(crew, eyes, as_soon(look.names.as_ref(), begun.clone()).await).await };
    let balancer = async { balancer(crew, eyes, &look.pool, as_soon(look.balancer, begun.clone()).await).await };
    let (servers, dns, balancer) = futures::join!(servers, names, balancer);
    let servers = servers.into_iter().map(|seen| (seen.server.clone(), seen)).collect();
    PoolObservation { pool: look.pool.clone(), servers, dns, balancer }
}

/// How often a pool is looked at for a plan, when looks take longer than evidence lives: the first opens connections
/// and finds counters.
const LOOKS: usize = 3;

/// Looks at every pool of a change, for planning and previews. The pools are taken a few at a time, so that what is seen
/// of one is of one moment, however many there are.
pub async fn survey(crew: &Crew, eyes: &Eyes, change: &Change, clock: &Clock) -> Observations {
    survey_of(crew, eyes, (change, &|_| true), clock, &|_| {}).await
}

/// The same for those pools that `which` picks. `over` is told of each pool whose look is over.
pub async fn survey_of(
    crew: &Crew,
    eyes: &Eyes,
    (change, which): (&Change, &(dyn Fn(&PoolName) -> bool + Sync)),
    clock: &Clock,
    over: &(dyn Fn(&PoolName) + Sync),
) -> Observations {
    let looks = change.pools.iter().filter(|pool| which(&pool.name)).map(|pool| {
        let evidence = scope::evidence(change, pool, None);
        Look {
            pool: pool.name.clone(),
            servers: evidence.servers,
            names: evidence.names,
            balancer: if evidence.balancer { AskBalancer::Ask } else { AskBalancer::Leave },
            within: None,
            lease: None,
        }
    });
    let looks: Vec<Look> = looks.collect();
    let seen = looks.iter().map(|wanted| async move {
        let seen = of_one_moment(crew, eyes, wanted, clock).await;
        over(&wanted.pool);
        seen
    });
    let seen: Vec<_> = stream::iter(seen).buffer_unordered(POOLS_AT_ONCE).collect().await;
    let looked = seen.iter().map(|(seen, over)| (seen.pool.clone(), *over)).collect();
    let pools = seen.into_iter().map(|(seen, _)| (seen.pool.clone(), seen)).collect();
    Observations { pools, looked, ..Observations::default() }
}

/// Looks at a pool until what is seen of it is of one moment, and says when that look was over. A server that says nothing
/// makes a look last the longest, and is not asked again for the sake of the others: it is unknown, however often it is asked.
async fn of_one_moment(crew: &Crew, eyes: &Eyes, wanted: &Look, clock: &Clock) -> (PoolObservation, Timestamp) {
    let mut wanted = wanted.clone();
    let mut silent: BTreeMap<ServerName, ServerObservation> = BTreeMap::new();
    let mut looks = 1;
    loop {
        let mut seen = look(crew, eyes, &wanted, clock).await;
        let over = clock.now();
        silent.extend(seen.servers.extract_if(.., |_, server| server.is_silent()));
        let fresh = seen.oldest().is_none_or(|oldest| over.duration_since(oldest) < EVIDENCE_LIFETIME);
        if fresh || looks >= LOOKS || seen.servers.is_empty() {
            // No answer has no age.
            let silent = silent.into_iter().map(|(name, server)| (name, ServerObservation { taken: over, ..server }));
            seen.servers.extend(silent);
            return (seen, over);
        }
        wanted.servers.retain(|name, _| !silent.contains_key(name));
        looks += 1;
    }
}

/// Returns what is asked as soon as the look has begun.
async fn as_soon<T>(asked: T, mut begun: watch::Receiver<bool>) -> T {
    // The look itself holds the other end.
    if let Err(gone) = begun.wait_for(|begun| *begun).await {
        tracing::debug!(%gone, "a look without a taker");
    }
    asked
}

async fn server(
    crew: &Crew,
    eyes: &Eyes,
    (name, ask): (&ServerName, &Ask),
    (taken, begin, limit): (Timestamp, &watch::Sender<bool>, Option<Duration>),
) -> ServerObservation {
    let unknown = |why: &str| ServerObservation::unknown(name.clone(), taken, why);
    let Some(driver) = eyes.servers.get(name).cloned() else {
        begin.send_replace(true);
        return unknown("there is no way to reach this server: the plan does not state its access");
    };
    let ask = ask.clone();
    let begun = || {
        begin.send_replace(true);
    };
    let late = unknown("it did not answer in time");
    // The time of a look that is bounded begins when the question is sent.
    let observed = async move {
        match limit {
            None => driver.observe(&ask).await,
            Some(limit) => tokio::time::timeout(limit, driver.observe(&ask)).await.unwrap_or(late),
        }
    };
    crew.look_at((name, begun), observed).await.unwrap_or_else(unknown)
}

async fn names(crew: &Crew, eyes: &Eyes, ask: Option<&DnsAsk>) -> Answer<DnsObservation> {
    let Some(ask) = ask.cloned() else { return Answer::not_asked() };
    let names = eyes.names.clone();
    let seen = crew.look_up(async move { names.resolve(&ask).await }).await;
    seen.map_or_else(|why| Answer::unknown(format!("the name servers: {why}")), Answer::Known)
}

async fn balancer(crew: &Crew, eyes: &Eyes, pool: &PoolName, ask: AskBalancer) -> Answer<BalancerObservation> {
    match (ask, eyes.balancers.get(pool).cloned()) {
        (AskBalancer::Leave, _) => Answer::not_asked(),
        (AskBalancer::Ask, None) => Answer::unknown("there is no way to reach the balancer of this pool"),
        (AskBalancer::Ask, Some(driver)) => {
            let seen = crew.look_at_balancer(async move { driver.observe_balancer().await }).await;
            seen.map_or_else(|why| Answer::unknown(format!("the balancer: {why}")), Answer::Known)
        }
    }
}
