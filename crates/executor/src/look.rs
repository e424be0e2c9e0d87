//! Taking looks: everything asked at once, every answer three-valued.

use futures::future::join_all;
use jiff::Timestamp;
use orchestrate_driver::{Clock, Eyes, LOOK_LIMIT};
use orchestrate_engine::Look;
use orchestrate_engine::look::AskBalancer;
use orchestrate_model::observe::{BalancerObservation, DnsAsk, DnsObservation};
use orchestrate_model::{Answer, Ask, Change, PoolName, PoolObservation, ServerName, ServerObservation};
use orchestrate_planner::scope;
use std::collections::BTreeMap;

/// Takes one look.
pub async fn look(eyes: &Eyes, look: &Look, clock: &Clock) -> PoolObservation {
    let taken = clock.now();
    let servers = join_all(look.servers.iter().map(|(name, ask)| server(eyes, name, ask, taken)));
    let names = names(eyes, look.names.as_ref());
    let balancer = balancer(eyes, &look.pool, look.balancer);
    let (servers, dns, balancer) = futures::join!(servers, names, balancer);
    let servers = servers.into_iter().map(|seen| (seen.server.clone(), seen)).collect();
    PoolObservation { pool: look.pool.clone(), servers, dns, balancer }
}

/// Looks at every pool of a change, for planning and previews.
pub async fn survey(eyes: &Eyes, change: &Change, clock: &Clock) -> BTreeMap<PoolName, PoolObservation> {
    let looks = change.pools.iter().map(|pool| {
        let evidence = scope::evidence(change, pool, None);
        Look {
            pool: pool.name.clone(),
            servers: evidence.servers,
            names: evidence.names,
            balancer: if evidence.balancer { AskBalancer::Ask } else { AskBalancer::Leave },
            lease: None,
        }
    });
    let looks: Vec<Look> = looks.collect();
    let seen = join_all(looks.iter().map(|wanted| look(eyes, wanted, clock))).await;
    seen.into_iter().map(|seen| (seen.pool.clone(), seen)).collect()
}

async fn server(eyes: &Eyes, name: &ServerName, ask: &Ask, taken: Timestamp) -> ServerObservation {
    let unknown = |why: &str| ServerObservation::unknown(name.clone(), taken, why);
    match eyes.servers.get(name) {
        None => unknown("there is no way to reach this server: the plan does not state its access"),
        Some(driver) => within(driver.observe(ask)).await.unwrap_or_else(|| unknown("it did not answer in time")),
    }
}

async fn names(eyes: &Eyes, ask: Option<&DnsAsk>) -> Answer<DnsObservation> {
    match ask {
        None => Answer::not_asked(),
        Some(ask) => within(eyes.names.resolve(ask))
            .await
            .map_or_else(|| Answer::unknown("the name servers did not answer in time"), Answer::Known),
    }
}

async fn balancer(eyes: &Eyes, pool: &PoolName, ask: AskBalancer) -> Answer<BalancerObservation> {
    match (ask, eyes.balancers.get(pool)) {
        (AskBalancer::Leave, _) => Answer::not_asked(),
        (AskBalancer::Ask, None) => Answer::unknown("there is no way to reach the balancer of this pool"),
        (AskBalancer::Ask, Some(driver)) => within(driver.observe_balancer())
            .await
            .map_or_else(|| Answer::unknown("the balancer did not answer in time"), Answer::Known),
    }
}

/// Keeps a driver that breaks its promise from stopping the run.
async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LOOK_LIMIT, work).await.ok()
}
