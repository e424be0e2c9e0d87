//! Starting and ending a lab.

use crate::directory::LabDirectory;
use crate::report::LabReport;
use crate::scenario::Scenario;
use crate::shared::{Parts, Shared};
use crate::tls::Authority;
use crate::winrm::{Listener, Port};
use crate::world::World;
use crate::{LabError, balancer, control, dns};
use jiff::{SignedDuration, Timestamp};
use orchestrate_driver::Clock;
use orchestrate_model::{Change, PoolName, ServerName};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

/// The user that the servers of a lab know.
const USER: &str = "lab\\maintenance";

/// The shortest and the longest time between two looks at the clock when nobody asks anything.
const LOOK: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(200));

/// What a lab is made from.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// The change whose pools are imitated.
    pub change: Change,
    /// Load, start and mistakes.
    pub scenario: Scenario,
    /// How many times as fast as real time the lab runs.
    pub speed: f64,
    /// Lab time at the start.
    pub origin: Timestamp,
    /// The fingerprint of the change, for the directory.
    pub plan: String,
    /// Where the journal of what the servers were told is written, as JSON lines. It is appended to.
    pub record: Option<PathBuf>,
}

impl LabConfig {
    /// Returns what a lab in real time with the usual load is made from.
    #[must_use]
    pub fn new(change: Change) -> Self {
        let origin = Timestamp::now();
        Self { change, scenario: Scenario::default(), speed: 1.0, origin, plan: String::new(), record: None }
    }
}

/// A running lab. It ends when it is dropped.
pub struct Lab {
    directory: LabDirectory,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Lab {
    /// Starts a lab on loopback. When this returns, every server that is up answers.
    ///
    /// # Errors
    /// When the speed is no positive number, a port cannot be had, or the record cannot be written.
    pub async fn start(config: LabConfig) -> Result<Self, LabError> {
        if !crate::is_speed(config.speed) {
            return Err(LabError::Speed(config.speed));
        }
        if !crate::is_time(config.origin) {
            return Err(LabError::Number(format!("its time cannot begin at {}", config.origin)));
        }
        config.scenario.check().map_err(LabError::Number)?;
        let record = config.record.clone().map(open_record).transpose()?;
        let mut world = World::new(&config.change, config.scenario, config.origin);
        let password = Uuid::new_v4().simple().to_string();
        world.password.clone_from(&password);
        let started = Timestamp::now();
        let parts = Parts {
            clock: Clock::derived(config.origin, config.speed),
            origin: config.origin,
            user: USER.to_owned(),
            password,
            record,
        };
        let shared = Arc::new(Shared::new(world, parts));
        let mut tasks = JoinSet::new();
        let authority = Authority::new()?;
        let servers = open_servers(&shared, &authority, &mut tasks)?;
        let balancers = open_balancers(&shared, &mut tasks).await?;
        let dns = open_dns(&shared, &mut tasks).await?;
        let token: Arc<str> = Uuid::new_v4().simple().to_string().into();
        let (listener, control) = listen().await?;
        tasks.spawn(control::run(shared.clone(), token.clone(), listener));
        tasks.spawn(look_at_clock(shared.clone()));
        let directory = LabDirectory {
            version: 1,
            pid: std::process::id(),
            plan: config.plan,
            origin: config.origin,
            started,
            speed: config.speed,
            scenario: None,
            foreground: false,
            control,
            control_token: token.to_string(),
            ca_pem: authority.pem().to_owned(),
            user: shared.user.clone(),
            password: shared.password.clone(),
            servers,
            dns,
            balancers,
        };
        assert!(directory.is_on_loopback(), "a lab listens on loopback only");
        Ok(Self { directory, shared, tasks })
    }

    /// Returns where the parts of the lab are.
    #[must_use]
    pub fn directory(&self) -> &LabDirectory {
        &self.directory
    }

    /// Returns the clock that the lab goes by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Returns what has happened so far.
    #[must_use]
    pub fn report(&self) -> LabReport {
        self.shared.report()
    }

    /// Waits until somebody asks the lab to stop, and returns its last report.
    pub async fn run_until_stopped(self) -> LabReport {
        let mut stopping = self.shared.stopping();
        if stopping.wait_for(|stop| *stop).await.is_err() {
            tracing::debug!("the lab lost track of whether it is to stop");
        }
        self.stop().await
    }

    /// The same, and ends by itself when nobody has asked its servers anything for so long. Real time.
    pub async fn run_until_left_alone(self, limit: Duration) -> LabReport {
        let mut stopping = self.shared.stopping();
        loop {
            let idle = self.shared.idle();
            let Some(left) = limit.checked_sub(idle).filter(|left| !left.is_zero()) else {
                tracing::info!(?limit, "the lab was asked nothing; it ends");
                return self.stop().await;
            };
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return self.stop().await,
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Ends the lab and returns its last report.
    pub async fn stop(mut self) -> LabReport {
        let report = self.shared.report();
        self.tasks.shutdown().await;
        report
    }
}

fn open_record(path: PathBuf) -> Result<(PathBuf, File), LabError> {
    let opened = orchestrate_files::append_to(&path);
    match opened {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(LabError::File { path, source }),
    }
}

async fn listen() -> Result<(TcpListener, SocketAddr), LabError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(LabError::Listen)?;
    let address = listener.local_addr().map_err(LabError::Listen)?;
    Ok((listener, address))
}

fn open_servers(
    shared: &Arc<Shared>,
    authority: &Authority,
    tasks: &mut JoinSet<()>,
) -> Result<BTreeMap<ServerName, SocketAddr>, LabError> {
    let servers: Vec<(ServerName, bool)> = shared.with(|state| {
        let now = state.world.now();
        state.world.servers.iter().map(|server| (server.name.clone(), server.answers(now))).collect()
    });
    let mut addresses = BTreeMap::new();
    for (server, (name, up)) in servers.into_iter().enumerate() {
        let (port, address) = Port::reserve(0).map_err(LabError::Listen)?;
        let port = if up { port.listen().map_err(LabError::Listen)? } else { port };
        let acceptor = TlsAcceptor::from(authority.server(&name)?);
        let listener = Listener { shared: shared.clone(), server, address, acceptor };
        tasks.spawn(listener.run(port));
        addresses.insert(name, address);
    }
    Ok(addresses)
}

async fn open_balancers(
    shared: &Arc<Shared>,
    tasks: &mut JoinSet<()>,
) -> Result<BTreeMap<PoolName, Vec<SocketAddr>>, LabError> {
    let pools: Vec<(PoolName, usize)> = shared.with(|state| {
        let pools = state.world.pools.iter();
        pools.map(|pool| (pool.plan.name.clone(), pool.sites.len())).collect()
    });
    let mut addresses: BTreeMap<PoolName, Vec<SocketAddr>> = BTreeMap::new();
    for (index, (name, sites)) in pools.into_iter().enumerate() {
        for site in 0..sites {
            let (listener, address) = listen().await?;
            tasks.spawn(balancer::run(shared.clone(), (index, site), listener));
            addresses.entry(name.clone()).or_default().push(address);
        }
    }
    Ok(addresses)
}

async fn open_dns(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) -> Result<SocketAddr, LabError> {
    let (mut server, address) = dns::open(shared.clone()).await?;
    tasks.spawn(async move {
        if let Err(error) = server.block_until_done().await {
            tracing::warn!(%error, "the name server of the lab ended");
        }
    });
    Ok(address)
}

/// Lets the world go on while nobody asks anything, so that ports close and open when they should.
async fn look_at_clock(shared: Arc<Shared>) {
    let wait = shared.clock.runtime_duration(SignedDuration::from_secs(1)).clamp(LOOK.0, LOOK.1);
    loop {
        tokio::time::sleep(wait).await;
        shared.with(|_| ());
    }
}
