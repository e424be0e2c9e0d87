//! The leases of a run: taken before a server is changed, renewed as long as the run lives, given back when the work on a
//! server is over (promise P12).
//!
//! They are no acts: nothing of the server's work changes by them, they may be repeated, and they run out by themselves
//! when the run does not live any more. So they need no intent on disk.

use crate::crew::Crew;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use orchestrate_driver::{Change, Clock, Hands};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{Act, ActOutcome, Lease, LeaseAsk, LeaseOutcome, RunId, ServerName, StartMode};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a lease holds from its last renewal on. Why 30 min: two renewals may fail before it runs out, which covers a
/// server that is slow under load; and an operator whose control host has died waits no longer than for a cup of coffee
/// until another one may go on.
const LASTS: SignedDuration = SignedDuration::from_mins(30);

/// How often leases are renewed. Why 10 min: a third of [`LASTS`]; each renewal is a short script on the server.
const RENEWED: SignedDuration = SignedDuration::from_mins(10);

/// What has to be left of a lease for a change. Why 5 min: acts take seconds, and services minutes to follow them.
const LEFT: SignedDuration = SignedDuration::from_mins(5);

/// What a restart adds: a server cannot renew while it is down, and its lease is to hold when it comes back. Why an hour:
/// that long a server is waited for.
const RESTART: SignedDuration = SignedDuration::from_mins(60);

/// How long asking for a lease may take, by the runtime's time. See the limit on acts.
const LIMIT: Duration = Duration::from_secs(60);

/// For how long a server that could not be asked for its lease is not asked again before what is brought back. Why 5 min: a
/// way back is some thirty acts, and each of them would wait for the same script that hangs.
const UNANSWERED: SignedDuration = SignedDuration::from_mins(5);

/// How long giving back is waited for at the end, by the runtime's time. What was not given back runs out.
const FAREWELL: Duration = Duration::from_secs(20);

/// What an act means for others who work on the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It brings back what the run has taken away. Only another's lease speaks against it: to leave a server out because
    /// nobody can say whose it is would help nobody.
    BringsBack,
    /// It takes something away.
    TakesAway,
    /// It cannot be taken back, or the server cannot renew for a while: asked at the server, whatever is known.
    Decides(SignedDuration),
}

fn weight(act: &Act) -> Weight {
    match act {
        Act::Continue { .. } | Act::Start { .. } => Weight::BringsBack,
        Act::SetStartType { to, .. } if to.mode == StartMode::Manual => Weight::TakesAway,
        Act::SetStartType { .. } => Weight::BringsBack,
        Act::SetBalancer { to, .. } => match to {
            BalancerState::Ready => Weight::BringsBack,
            BalancerState::Drain | BalancerState::Maintenance => Weight::TakesAway,
        },
        Act::Pause { .. } | Act::Stop { .. } => Weight::TakesAway,
        Act::StartInstaller(run) => Weight::Decides(run.deadline),
        Act::Restart { .. } => Weight::Decides(RESTART),
    }
}

/// What is known of the lease of one server.
#[derive(Debug, Clone)]
enum Known {
    /// It is ours until then, by our clock, counted from before it was asked for.
    Ours(Timestamp),
    /// It is another's.
    Another(Lease),
}

/// Whether an earlier start of the run may have taken a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// It may.
    Held,
    /// There was none, or it had nothing to do with the server.
    Never,
}

/// The leases of one run.
#[derive(Clone)]
pub(crate) struct Leases {
    run: RunId,
    clock: Clock,
    crew: Crew,
    known: Arc<Mutex<BTreeMap<ServerName, Known>>>,
    /// Servers that did not answer when they were last asked, with when.
    unanswered: Arc<Mutex<BTreeMap<ServerName, Timestamp>>>,
    news: Arc<Mutex<Vec<(ServerName, Lease)>>>,
    /// For each server what keeps its lease from being taken while it is given back.
    turns: Arc<Mutex<BTreeMap<ServerName, Arc<Turn>>>>,
}

/// One at a time asks a server about its lease: what is taken after it was given back must not be given back.
type Turn = tokio::sync::Mutex<()>;

impl Leases {
    pub(crate) fn new(run: RunId, clock: Clock, crew: Crew) -> Self {
        Self {
            run,
            clock,
            crew,
            known: Arc::default(),
            unanswered: Arc::default(),
            news: Arc::default(),
            turns: Arc::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<ServerName, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, server: &ServerName) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(server.clone()).or_default().clone()
    }

    /// Returns the leases that were taken over from others since this was last asked.
    pub(crate) fn news(&self) -> Vec<(ServerName, Lease)> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes whether a server that was asked has answered.
    fn note_answer(&self, server: &ServerName, outcome: &LeaseOutcome) {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            LeaseOutcome::Unknown(_) => drop(unanswered.insert(server.clone(), self.clock.now())),
            LeaseOutcome::Ours { .. } | LeaseOutcome::Taken(_) => drop(unanswered.remove(server)),
        }
    }

    /// Whether a server has just been asked in vain.
    fn is_unanswered(&self, server: &ServerName) -> bool {
        let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.get(server).is_some_and(|at| self.clock.now().duration_since(*at) < UNANSWERED)
    }

    /// Takes or renews a lease.
    async fn hold(&self, server: &ServerName, driver: &Arc<dyn Change>, lasts: SignedDuration) -> LeaseOutcome {
        let turn = self.turn(server);
        let _alone = turn.lock().await;
        let asked = self.clock.now();
        let ask = LeaseAsk { run: self.run.clone(), lasts };
        let driver = driver.clone();
        let asking = async move { tokio::time::timeout(LIMIT, driver.hold_lease(&ask)).await };
        let outcome = match self.crew.act(asking).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_late)) => LeaseOutcome::Unknown("the server did not answer in time".to_owned()),
            Err(why) => LeaseOutcome::Unknown(why.to_owned()),
        };
        self.note_answer(server, &outcome);
        match &outcome {
            LeaseOutcome::Ours { from } => {
                // A server never shortens what it has granted: a renewal must not forget that a restart was covered.
                let until = match self.known().get(server) {
                    Some(Known::Ours(granted)) => (asked + lasts).max(*granted),
                    Some(Known::Another(_)) | None => asked + lasts,
                };
                self.known().insert(server.clone(), Known::Ours(until));
                if let Some(from) = from {
                    tracing::warn!(%server, %from, "the lease of another control host had run out and is taken over");
                    let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
                    news.push((server.clone(), from.clone()));
                }
            }
            LeaseOutcome::Taken(lease) => {
                tracing::warn!(%server, %lease, "another control host works on the server");
                self.known().insert(server.clone(), Known::Another(lease.clone()));
            }
            LeaseOutcome::Unknown(why) => tracing::warn!(%server, why, "the lease of the server could not be renewed"),
        }
        outcome
    }

    /// Takes the lease of a server before the pool is looked at. What came of it is seen by the look; only why nothing came
    /// of it is not, and is returned.
    pub(crate) async fn before_look(&self, hands: &Hands, server: &ServerName) -> Option<String> {
        let outcome = self.hold(server, hands.servers.get(server)?, LASTS).await;
        tracing::debug!(%server, ?outcome, "the lease before the look");
        match outcome {
            LeaseOutcome::Ours { .. } | LeaseOutcome::Taken(_) => None,
            LeaseOutcome::Unknown(why) => Some(why),
        }
    }

    /// Returns what becomes of an act that may not be performed because the server is not ours.
    pub(crate) async fn before_act(&self, hands: &Hands, server: &ServerName, act: &Act) -> Option<ActOutcome> {
        let driver = hands.servers.get(server)?;
        let weight = weight(act);
        let lasts = match weight {
            Weight::Decides(more) => LASTS + more,
            Weight::TakesAway | Weight::BringsBack => LASTS,
        };
        let known = self.known().get(server).cloned();
        if let Some(Known::Ours(until)) = known
            && !matches!(weight, Weight::Decides(_))
            && self.clock.now() + LEFT < until
        {
            return None;
        }
        // Whoever was cut off for so long that the lease ran out may find the server in other hands when it is back: then
        // it is asked, however slow that is.
        let holds = matches!(known, Some(Known::Ours(until)) if self.clock.now() < until);
        if matches!(weight, Weight::BringsBack) && holds && self.is_unanswered(server) {
            return None;
        }
        match (self.hold(server, driver, lasts).await, weight) {
            (LeaseOutcome::Ours { .. }, _) => None,
            (LeaseOutcome::Taken(lease), _) => Some(ActOutcome::Failed(format!(
                "{server} is in work by another control host: {lease}; nothing is done to it before it is given back"
            ))),
            (LeaseOutcome::Unknown(why), Weight::BringsBack) => {
                // What another was seen to hold stays another's until the server says otherwise.
                let Some(Known::Another(lease)) = known else { return None };
                Some(ActOutcome::Retry(format!("{server} was in work by another control host: {lease}; now: {why}")))
            }
            (LeaseOutcome::Unknown(why), Weight::TakesAway | Weight::Decides(_)) => {
                Some(ActOutcome::Retry(format!("whether another control host works on {server} is unknown: {why}")))
            }
        }
    }

    /// Renews what is held, for as long as it is polled.
    pub(crate) async fn keep(&self, hands: &Hands) {
        loop {
            self.clock.sleep(RENEWED).await;
            let ours = self.ours();
            let renewals = ours.iter().filter_map(|server| {
                let driver = hands.servers.get(server)?;
                Some(async move {
                    let outcome = self.hold(server, driver, LASTS).await;
                    tracing::debug!(%server, ?outcome, "renewed");
                })
            });
            join_all(renewals).await;
        }
    }

    fn ours(&self) -> Vec<ServerName> {
        let known = self.known();
        known.iter().filter(|(_, known)| matches!(known, Known::Ours(_))).map(|(server, _)| server.clone()).collect()
    }

    /// Gives a lease back, for work that is over.
    pub(crate) async fn release(&self, hands: &Hands, server: &ServerName, earlier: Earlier) {
        let turn = self.turn(server);
        let _alone = turn.lock().await;
        let ours = match self.known().remove(server) {
            Some(Known::Ours(_)) => true,
            Some(Known::Another(_)) => false,
            None => earlier == Earlier::Held,
        };
        let Some(driver) = hands.servers.get(server).filter(|_| ours) else { return };
        let driver = driver.clone();
        let parting = async move { tokio::time::timeout(FAREWELL, driver.release_lease()).await };
        match self.crew.act(parting).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(why))) => tracing::warn!(%server, why, "the lease could not be given back; it runs out"),
            Ok(Err(_late)) => tracing::warn!(%server, "the lease could not be given back in time; it runs out"),
            Err(why) => tracing::warn!(%server, why, "the lease could not be given back; it runs out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use orchestrate_driver::Observe;
    use orchestrate_model::observe::ServerObservation;
    use orchestrate_model::{Ask, Keeper, PoolName, ServiceName};

    /// A server that answers about its lease as it is told to.
    struct Driver(Mutex<LeaseOutcome>, Mutex<u32>);

    #[async_trait]
    impl Observe for Driver {
        async fn observe(&self, _ask: &Ask) -> ServerObservation {
            ServerObservation::unknown(server(), Timestamp::UNIX_EPOCH, "not asked")
        }
    }

    #[async_trait]
    impl Change for Driver {
        async fn apply(&self, _act: &Act) -> ActOutcome {
            ActOutcome::Accepted
        }

        async fn hold_lease(&self, _ask: &LeaseAsk) -> LeaseOutcome {
            *self.1.lock().unwrap() += 1;
            self.0.lock().unwrap().clone()
        }

        async fn release_lease(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn server() -> ServerName {
        ServerName::new("fe1.contoso.example").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn p12_whoever_was_cut_off_until_its_lease_ran_out_asks_before_it_brings_anything_back() {
        let clock = Clock::derived(Timestamp::UNIX_EPOCH, 1.0);
        let leases = Leases::new(RunId::new("run-1").unwrap(), clock, Crew::here());
        let driver = Arc::new(Driver(Mutex::new(LeaseOutcome::Ours { from: None }), Mutex::new(0)));
        let shared: Arc<dyn Change> = driver.clone();
        let hands = Hands { servers: BTreeMap::from([(server(), shared)]), balancers: BTreeMap::new() };
        let back = Act::Continue { service: ServiceName::new("RTCSRV").unwrap() };
        assert_eq!(leases.before_act(&hands, &server(), &back).await, None);
        let asked = |driver: &Driver| *driver.1.lock().unwrap();
        let first = asked(&driver);
        // As long as the lease holds, a server that was just asked in vain is not asked before every act of the way back.
        clock.sleep(LASTS - SignedDuration::from_mins(4)).await;
        *driver.0.lock().unwrap() = LeaseOutcome::Unknown("no route to host".to_owned());
        assert_eq!(leases.before_act(&hands, &server(), &back).await, None);
        assert_eq!(leases.before_act(&hands, &server(), &back).await, None);
        assert_eq!(asked(&driver), first + 1);
        // It has run out, another control host has taken the server over, and the network is back.
        clock.sleep(SignedDuration::from_mins(4) + SignedDuration::from_secs(1)).await;
        let keeper = Keeper { id: "b".to_owned(), user: "bob".to_owned(), host: "control2".to_owned() };
        let lease = Lease { keeper, run: "run-2".to_owned(), until: clock.now() + LASTS };
        *driver.0.lock().unwrap() = LeaseOutcome::Taken(lease);
        let barred = leases.before_act(&hands, &server(), &back).await;
        assert!(matches!(&barred, Some(ActOutcome::Failed(why)) if why.contains("bob")), "{barred:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn p2_a_renewal_forgets_nothing_of_the_time_that_a_restart_was_granted() {
        let clock = Clock::derived(Timestamp::UNIX_EPOCH, 1.0);
        let leases = Leases::new(RunId::new("run-1").unwrap(), clock, Crew::here());
        let driver = Arc::new(Driver(Mutex::new(LeaseOutcome::Ours { from: None }), Mutex::new(0)));
        let shared: Arc<dyn Change> = driver.clone();
        let hands = Hands { servers: BTreeMap::from([(server(), shared)]), balancers: BTreeMap::new() };
        let restart = Act::Restart { booted: Timestamp::UNIX_EPOCH, comment: String::new() };
        assert_eq!(leases.before_act(&hands, &server(), &restart).await, None);
        assert_eq!(leases.before_look(&hands, &server()).await, None, "it is renewed before it goes down");
        *driver.0.lock().unwrap() = LeaseOutcome::Unknown("the server does not answer".to_owned());
        clock.sleep(LASTS + LEFT).await;
        let out = Act::SetBalancer {
            pool: PoolName::new("pool.contoso.example").unwrap(),
            at: "192.0.2.10:9999 web/fe1 -".parse().unwrap(),
            to: BalancerState::Drain,
        };
        let barred = leases.before_act(&hands, &server(), &out).await;
        assert_eq!(barred, None, "another hand has put it back into the balancer while it is down");
    }

    #[tokio::test(start_paused = true)]
    async fn why_a_lease_could_not_be_taken_is_told() {
        let clock = Clock::derived(Timestamp::UNIX_EPOCH, 1.0);
        let leases = Leases::new(RunId::new("run-1").unwrap(), clock, Crew::here());
        let outcome = LeaseOutcome::Unknown("access is denied".to_owned());
        let driver: Arc<dyn Change> = Arc::new(Driver(Mutex::new(outcome), Mutex::new(0)));
        let hands = Hands { servers: BTreeMap::from([(server(), driver)]), balancers: BTreeMap::new() };
        assert_eq!(leases.before_look(&hands, &server()).await.as_deref(), Some("access is denied"));
    }
}
