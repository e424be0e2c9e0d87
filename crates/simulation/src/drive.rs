//! The world behind the contract of drivers, behind a journal's storage, and behind a fence.

use crate::world::{Ms, Reply, Reserve, World};
use async_trait::async_trait;
use futures::future::join_all;
use jiff::SignedDuration;
use orchestrate_driver::{
    Change as ChangeServer, ChangeBalancer, Clock, Eyes, Hands, Observe, ObserveBalancer, Resolve,
};
use orchestrate_engine::constants::TOGETHER;
use orchestrate_executor::Fence;
use orchestrate_journal::Storage;
use orchestrate_model::observe::{BalancerObservation, BalancerPlace, BalancerState, DnsAsk, DnsObservation};
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Act, ActOutcome, Ask, LeaseAsk, LeaseOutcome, ServerName, ServerObservation};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The world, for all who look at it and act on it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where orchestrate is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CrashAt {
    /// Before the record of this number, counted from the start, is written.
    BeforeRecord(u64),
    /// When this share of its bytes is written.
    TornRecord(u64, f64),
    #[cfg(test)]
    /// When the journal has so many bytes, in the middle of a record or between two.
    Byte(u64),
    /// When it is on disk, before anything that depends on it.
    AfterRecord(u64),
    /// When the act of this number has reached the server, before its answer.
    AfterAct(u64),
    /// At this time.
    Time(Ms),
}

/// Who is dead, and who will be.
#[derive(Debug, Default)]
pub(crate) struct Crash {
    pub(crate) at: Option<CrashAt>,
    pub(crate) records: u64,
    pub(crate) acts: u64,
    pub(crate) dead: BTreeSet<u32>,
    pub(crate) bell: Arc<Notify>,
}

impl Crash {
    fn die(&mut self, epoch: u32) {
        self.at = None;
        self.dead.insert(epoch);
        self.bell.notify_one();
    }
}

/// The control host of nights that have one.
pub(crate) const HOST: u32 = 1;

/// One start of orchestrate in the world.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) world: Shared,
    pub(crate) clock: Clock,
    pub(crate) epoch: u32,
    /// The control host, by its number: each has a state folder of its own.
    pub(crate) host: u32,
}

impl Link {
    /// Asks the world for an answer and waits until it comes. The dead get none.
    async fn ask<T>(&self, question: impl FnOnce(&mut World) -> Reply<T> + Send) -> T {
        let reply = {
            let mut world = self.world.lock();
            if world.crash.dead.contains(&self.epoch) {
                None
            } else {
                world.at(self.clock.now());
                Some(question(&mut world))
            }
        };
        let Some(reply) = reply else { return std::future::pending().await };
        self.sleep(reply.after).await;
        reply.value
    }

    /// An answer has come: the oracle knows from now on what was said.
    fn hears(&self, tell: impl FnOnce(&mut World)) {
        let mut world = self.world.lock();
        world.at(self.clock.now());
        if !world.crash.dead.contains(&self.epoch) {
            tell(&mut world);
        }
    }

    async fn sleep(&self, time: Ms) {
        if time > 0 {
            self.clock.sleep(SignedDuration::from_millis(time)).await;
        }
    }

    async fn act(&self, at: usize, act: &Act) -> ActOutcome {
        let way = {
            let mut world = self.world.lock();
            if world.crash.dead.contains(&self.epoch) {
                None
            } else {
                world.at(self.clock.now());
                world.oracle_host(at, act, self.host);
                let way = world.begin_act(at, act, self.epoch);
                world.crash.acts += 1;
                if world.crash.at == Some(CrashAt::AfterAct(world.crash.acts)) {
                    world.crash.die(self.epoch);
                    None
                } else {
                    Some(way)
                }
            }
        };
        let Some(way) = way else { return std::future::pending().await };
        let Some(after) = way.answers else { return std::future::pending().await };
        self.sleep(after).await;
        let mut world = self.world.lock();
        world.at(self.clock.now());
        let outcome = world.outcome(&way);
        if !world.crash.dead.contains(&self.epoch) {
            world.oracle_answered(at, act, &outcome);
        }
        outcome
    }

    /// Acts of one exchange: on their way whatever becomes of us, and all of them without an answer where one has none; or
    /// one after the other.
    async fn act_together(&self, at: usize, acts: &[Act]) -> Vec<ActOutcome> {
        if self.world.lock().sends_at_once(at) {
            let said = join_all(acts.iter().map(|act| self.act(at, act))).await;
            let lost = said.iter().any(|outcome| matches!(outcome, ActOutcome::Unknown(_)));
            let unknown =
                |outcome| if lost { ActOutcome::Unknown("no answer to any of them".to_owned()) } else { outcome };
            return said.into_iter().map(unknown).collect();
        }
        let (mut said, mut stopped) = (Vec::new(), false);
        let began = self.clock.now();
        for act in acts {
            let late = self.clock.now().duration_since(began) >= TOGETHER;
            let outcome =
                if stopped || late { ActOutcome::Retry("not asked for".to_owned()) } else { self.act(at, act).await };
            stopped |= !outcome.is_success() && !act.brings_back();
            said.push(outcome);
        }
        said
    }

    /// What this start sees with.
    pub(crate) fn eyes(&self) -> Eyes {
        let world = self.world.lock();
        let server = |(name, at): (&ServerName, &usize)| {
            let driver: Arc<dyn Observe> = Arc::new(SimServer { link: self.clone(), at: *at });
            (name.clone(), driver)
        };
        let balancers = world.change.pools.iter().enumerate().filter(|(_, pool)| has_balancer(pool));
        let balancers = balancers.map(|(place, pool)| {
            let driver: Arc<dyn ObserveBalancer> = Arc::new(SimBalancer { link: self.clone(), pool: place });
            (pool.name.clone(), driver)
        });
        Eyes {
            servers: world.by_name.iter().map(server).collect(),
            names: Arc::new(SimNames { link: self.clone() }),
            balancers: balancers.collect(),
        }
    }

    /// What this start acts with.
    pub(crate) fn hands(&self) -> Hands {
        let world = self.world.lock();
        let server = |(name, at): (&ServerName, &usize)| {
            let driver: Arc<dyn ChangeServer> = Arc::new(SimServer { link: self.clone(), at: *at });
            (name.clone(), driver)
        };
        let balancers = world.change.pools.iter().enumerate().filter(|(_, pool)| has_balancer(pool));
        let balancers = balancers.map(|(place, pool)| {
            let driver: Arc<dyn ChangeBalancer> = Arc::new(SimBalancer { link: self.clone(), pool: place });
            (pool.name.clone(), driver)
        });
        Hands { servers: world.by_name.iter().map(server).collect(), balancers: balancers.collect() }
    }
}

fn has_balancer(pool: &orchestrate_model::Pool) -> bool {
    matches!(pool.load_balancing.balancer, Balancer::Haproxy(_))
}

struct SimServer {
    link: Link,
    at: usize,
}

#[async_trait]
impl Observe for SimServer {
    async fn observe(&self, ask: &Ask) -> ServerObservation {
        let asked = self.link.world.lock().now;
        let host = self.link.host;
        let seen = self.link.ask(|world| world.observe(self.at, ask, host)).await;
        self.link.hears(|world| {
            world.oracle.answers(self.at, asked);
            world.oracle_answers(self.at, ask, &seen);
        });
        seen
    }
}

#[async_trait]
impl ChangeServer for SimServer {
    async fn apply(&self, act: &Act) -> ActOutcome {
        self.link.act(self.at, act).await
    }

    async fn apply_together(&self, acts: &[Act]) -> Option<Vec<ActOutcome>> {
        let has_an_exchange = self.link.world.lock().has_an_exchange(self.at);
        if has_an_exchange { Some(self.link.act_together(self.at, acts).await) } else { None }
    }

    async fn hold_lease(&self, ask: &LeaseAsk) -> LeaseOutcome {
        let Link { host, .. } = self.link;
        self.link.ask(|world| Reply { after: 0, value: world.hold_lease(self.at, host, ask.lasts) }).await
    }

    async fn release_lease(&self) -> Result<(), String> {
        let Link { host, .. } = self.link;
        self.link.ask(|world| Reply { after: 0, value: world.release_lease(self.at, host) }).await
    }
}

struct SimNames {
    link: Link,
}

#[async_trait]
impl Resolve for SimNames {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        self.link.ask(|world| world.resolve(ask)).await
    }
}

struct SimBalancer {
    link: Link,
    pool: usize,
}

#[async_trait]
impl ObserveBalancer for SimBalancer {
    async fn observe_balancer(&self) -> BalancerObservation {
        let asked = self.link.world.lock().now;
        let seen = self.link.ask(|world| world.observe_balancer(self.pool)).await;
        self.link.hears(|world| {
            world.oracle.balancers_answer(self.pool, asked);
            world.oracle_balancer(self.pool, &seen);
        });
        seen
    }
}

#[async_trait]
impl ChangeBalancer for SimBalancer {
    async fn set_balancer(&self, server: &ServerName, place: &BalancerPlace, to: BalancerState) -> ActOutcome {
        let found = {
            let world = self.link.world.lock();
            world.by_name.get(server).map(|at| (*at, world.change.pools[self.pool].name.clone()))
        };
        match found {
            None => ActOutcome::Failed(format!("the balancer does not have {server}")),
            Some((at, pool)) => self.link.act(at, &Act::SetBalancer { pool, at: place.clone(), to }).await,
        }
    }
}

/// The disk: bytes that outlive a start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Vec<u8>>>);

impl Disk {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts off what a crash left of a record.
    pub(crate) fn truncate(&self, length: u64) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).truncate(length);
    }

    fn write(&self, bytes: &[u8]) -> u64 {
        let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        disk.extend_from_slice(bytes);
        disk.len() as u64
    }

    fn length(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

/// The journal's storage of one start, watched by the oracle.
pub(crate) struct Tape {
    pub(crate) link: Link,
    pub(crate) disk: Disk,
    pub(crate) length: u64,
    /// Whether the room that is kept for a full disk is in use.
    pub(crate) strained: bool,
}

impl Storage for Tape {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut world = self.link.world.lock();
        let epoch = self.link.epoch;
        if world.crash.dead.contains(&epoch) {
            return Err(io::Error::other("the process is dead"));
        }
        if self.disk.length() != self.length {
            return Err(io::Error::other("the journal was changed by something else"));
        }
        world.at(self.link.clock.now());
        match world.full_disk() {
            None => {}
            Some(Reserve::Kept) => self.strained = true,
            Some(Reserve::Gone) => {
                world.disk.failed = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        world.crash.records += 1;
        let number = world.crash.records;
        match world.crash.at {
            Some(CrashAt::BeforeRecord(at)) if at == number => {
                world.crash.die(epoch);
                return Err(io::Error::other("killed"));
            }
            Some(CrashAt::TornRecord(at, share)) if at == number => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share of a line"
                )]
                let part = (line.len() as f64 * share) as usize;
                self.disk.write(&line[..part.min(line.len() - 1)]);
                world.crash.die(epoch);
                return Err(io::Error::other("killed"));
            }
            #[cfg(test)]
            Some(CrashAt::Byte(at)) if self.length + line.len() as u64 > at => {
                let part = usize::try_from(at.saturating_sub(self.length)).unwrap_or(usize::MAX);
                self.disk.write(&line[..part.min(line.len() - 1)]);
                world.crash.die(epoch);
                return Err(io::Error::other("killed"));
            }
            _ => {}
        }
        self.length = self.disk.write(line);
        world.read_line(line);
        world.read_host_line(line, self.link.host);
        if world.crash.at == Some(CrashAt::AfterRecord(number)) {
            world.crash.die(epoch);
        }
        Ok(())
    }

    fn is_strained(&self) -> bool {
        self.strained
    }
}

/// Keeps a start from acting when another one holds the pools.
pub(crate) struct SimFence {
    pub(crate) link: Link,
}

impl Fence for SimFence {
    fn closed(&self) -> Option<String> {
        let holder = self.link.world.lock().oracle.holder;
        (holder != self.link.epoch).then(|| format!("start {holder} holds the pools now"))
    }
}
