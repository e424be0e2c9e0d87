//! What a lab says about what happened in it.

use crate::world::{InstallerEnd, LabServer, LeaseFile, World};
use jiff::Timestamp;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::readable::count;
use orchestrate_model::{PoolName, RunState, ServerName, ServiceName, StartType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::PathBuf;

/// What happened in a lab so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabReport {
    /// The layout of this report.
    pub version: u32,
    /// Lab time at the start.
    pub origin: Timestamp,
    /// Lab time of this report.
    pub at: Timestamp,
    /// How many times as fast as real time the lab runs.
    pub speed: f64,
    /// What became of the sessions.
    pub sessions: SessionReport,
    /// The pools.
    pub pools: BTreeMap<PoolName, PoolReport>,
    /// Most servers out at once since the start, by the labels that several pools have.
    #[serde(default)]
    pub most_out_by_label: BTreeMap<String, u32>,
    /// The servers.
    pub servers: BTreeMap<ServerName, ServerReport>,
    /// Whether every start type of every server is as it was at the start.
    pub start_types_as_before: bool,
    /// Faults of the scenario that no request has met so far.
    #[serde(default)]
    pub faults_not_met: Vec<String>,
    /// The journal of what the servers were told, as JSON lines, when there is one.
    pub record: Option<PathBuf>,
}

/// What became of the sessions since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// Sessions that some server took, those open at the start among them.
    pub served: u64,
    /// Sessions that ended by themselves.
    pub ended: u64,
    /// Sessions that are open.
    pub open: u64,
    /// Sessions that found a server only at the second or a later try.
    pub failed_over: u64,
    /// Sessions that were cut, by server and service.
    pub cut: BTreeMap<ServerName, BTreeMap<ServiceName, u64>>,
    /// Sessions that no server took, by service.
    pub refused: BTreeMap<ServiceName, u64>,
}

impl SessionReport {
    /// Returns how many sessions were cut.
    #[must_use]
    pub fn cut_total(&self) -> u64 {
        self.cut.values().flat_map(BTreeMap::values).sum()
    }

    /// Returns how many sessions no server took.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolReport {
    /// How many servers it has.
    pub servers: u32,
    /// Most servers out at once since the start. A server is out when it is down, or when any of its session services
    /// does not run.
    pub most_out: u32,
    /// Most upgrade domains with a server out at once since the start.
    #[serde(default)]
    pub most_domains_out: u32,
    /// The servers that are out now.
    pub out: Vec<ServerName>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    /// Its pool.
    pub pool: PoolName,
    /// Whether its operating system runs.
    pub up: bool,
    /// When it was last booted.
    pub booted: Timestamp,
    /// How often it was restarted.
    pub restarts: u32,
    /// Whether it is at the level that the installer brings.
    pub patched: bool,
    /// Installed components and their versions.
    pub versions: BTreeMap<String, String>,
    /// Installers by token.
    pub installers: BTreeMap<String, InstallerReport>,
    /// Services that ran and took sessions when an installer that replaces their files was started. A careful run has
    /// none.
    #[serde(default)]
    pub patched_while_serving: Vec<ServiceName>,
    /// Whether every start type is as it was at the start.
    pub start_types_as_before: bool,
    /// The services of the product.
    pub services: BTreeMap<ServiceName, ServiceReport>,
    /// Whose it is, where a control host has left a lease on it.
    #[serde(default)]
    pub lease: Option<LeaseFile>,
    /// Its remote shells since the start.
    #[serde(default)]
    pub shells: ShellReport,
    /// What it was asked since the start.
    #[serde(default)]
    pub traffic: TrafficReport,
    /// Its requests since the start by what they were for, such as `Enumerate Win32_Service` and `Receive lease`.
    #[serde(default)]
    pub asked: BTreeMap<String, u64>,
    /// What the pool's balancer does with it, where the pool has one that can be told.
    pub balancer: Option<BalancerState>,
}

/// The remote shells of one server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellReport {
    /// How many were created.
    pub created: u32,
    /// How many were deleted by whoever had created them.
    pub deleted: u32,
    /// How many the server has removed because they were idle for as long as their client had said.
    #[serde(default)]
    pub expired: u32,
    /// How many are open now. A restart ends those that are open without deleting them.
    pub open: u32,
}

/// What a server was asked, and what that cost it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficReport {
    /// Requests of WS-Management, whether or not they were carried out.
    pub requests: u64,
    /// Bytes of requests and answers, without headers.
    pub bytes: u64,
    /// Processes that its remote shells have started.
    pub processes: u64,
}

/// One service of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Its state.
    pub state: RunState,
    /// Its start type at the start.
    pub start_before: StartType,
    /// Its start type now.
    pub start_now: StartType,
    /// Open sessions; `None` for a service that has none.
    pub sessions: Option<u32>,
}

/// One installer that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallerReport {
    /// Its path.
    pub path: String,
    /// When it was started, which happens once.
    pub started: Timestamp,
    /// How often somebody asked for it to be started.
    pub asked: u32,
    /// What became of it.
    pub state: InstallerOutcome,
}

/// What became of an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallerOutcome {
    /// It runs.
    Running,
    /// It ended with this exit code.
    Finished(i64),
    /// Its runner ended it at its deadline.
    Killed,
    /// It was cut off and left no result.
    Vanished,
}

impl LabReport {
    /// Returns how many installers were started on a server: once for each token.
    #[must_use]
    pub fn installer_starts(&self, server: &ServerName) -> usize {
        self.servers.get(server).map_or(0, |server| server.installers.len())
    }

    /// Returns the servers that are at the level that the installer brings.
    pub fn patched(&self) -> impl Iterator<Item = &ServerName> {
        self.servers.iter().filter(|(_, server)| server.patched).map(|(name, _)| name)
    }

    /// Returns the most servers of one pool that were out at once.
    #[must_use]
    pub fn most_out(&self) -> u32 {
        self.pools.values().map(|pool| pool.most_out).max().unwrap_or_default()
    }

    /// Returns the report as text for people.
    #[must_use]
    pub fn text(&self) -> String {
        self.to_string()
    }
}

impl LabReport {
    /// Writes how many servers of each pool were out at once: pools of which that is the same share a line.
    fn write_most_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut alike: BTreeMap<(u32, u32), Vec<&PoolName>> = BTreeMap::new();
        for (pool, report) in &self.pools {
            alike.entry((report.most_out, report.servers)).or_default().push(pool);
        }
        // The pools with most servers out first.
        for ((most, servers), pools) in alike.into_iter().rev() {
            let pools = match pools.as_slice() {
                [pool] => pool.to_string(),
                pools => format!("each of {}", count(pools.len(), "pool")),
            };
            writeln!(f, "  most servers out at once    {most} of {servers} in {pools}")?;
        }
        for server in self.pools.values().flat_map(|report| &report.out) {
            writeln!(f, "    out now: {server}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LabReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = &self.sessions;
        let patched = self.patched().count();
        let starts: usize = self.servers.values().map(|server| server.installers.len()).sum();
        let restarts: u32 = self.servers.values().map(|server| server.restarts).sum();
        let passed = self.at.duration_since(self.origin);
        let minutes = match passed.as_mins() {
            1 => "1 minute".to_owned(),
            more => format!("{more} minutes"),
        };
        writeln!(f, "lab: {minutes} of lab time at speed {}", self.speed)?;
        writeln!(f, "  sessions served             {}", sessions.served)?;
        writeln!(f, "  ended naturally             {}", sessions.ended)?;
        writeln!(f, "  open now                    {}", sessions.open)?;
        writeln!(f, "  cut                         {}", sessions.cut_total())?;
        for (server, services) in &sessions.cut {
            writeln!(f, "    {server}: {}", listed(services))?;
        }
        writeln!(f, "  refused                     {}", sessions.refused_total())?;
        if !sessions.refused.is_empty() {
            writeln!(f, "    {}", listed(&sessions.refused))?;
        }
        self.write_most_out(f)?;
        for (label, most) in &self.most_out_by_label {
            writeln!(f, "  most servers out at once    {most} with the label {label}")?;
        }
        let unlike = self.servers.values().filter(|server| !server.start_types_as_before).count();
        match unlike {
            0 => writeln!(f, "  start types                 as before")?,
            1 => writeln!(f, "  start types                 not as before on 1 server")?,
            count => writeln!(f, "  start types                 not as before on {count} servers")?,
        }
        writeln!(f, "  servers patched             {patched} of {}", self.servers.len())?;
        writeln!(f, "  installers started          {starts}")?;
        for (name, server) in &self.servers {
            if !server.patched_while_serving.is_empty() {
                let services: Vec<&str> = server.patched_while_serving.iter().map(ServiceName::as_str).collect();
                writeln!(f, "  patched while serving       {name}: {}", services.join(", "))?;
            }
        }
        write!(f, "  restarts                    {restarts}")?;
        if !self.faults_not_met.is_empty() {
            write!(f, "\n  faults that were never met  {}", self.faults_not_met.len())?;
        }
        for fault in &self.faults_not_met {
            write!(f, "\n    {fault}")?;
        }
        Ok(())
    }
}

fn listed(counts: &BTreeMap<ServiceName, u64>) -> String {
    let mut text = String::new();
    for (service, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{service} {count}").expect("text can be written to");
    }
    text
}

/// Returns what has happened in a world so far.
pub(crate) fn report(world: &World, origin: Timestamp, speed: f64, record: Option<PathBuf>) -> LabReport {
    let pools = world.pools.iter().map(|pool| {
        let out = world.out(pool).into_iter();
        let report = PoolReport {
            servers: u32::try_from(pool.servers.len()).unwrap_or(u32::MAX),
            most_out: pool.most_out,
            most_domains_out: pool.most_domains_out,
            out: out.map(|server| world.servers[server].name.clone()).collect(),
        };
        (pool.plan.name.clone(), report)
    });
    let servers: BTreeMap<ServerName, ServerReport> = world
        .servers
        .iter()
        .enumerate()
        .map(|(index, server)| (server.name.clone(), server_report(world, index, server)))
        .collect();
    LabReport {
        version: 1,
        origin,
        at: world.now(),
        speed,
        sessions: SessionReport {
            served: world.tally.served,
            ended: world.tally.ended,
            open: world.open_sessions(),
            failed_over: world.tally.failed_over,
            cut: world.tally.cut.clone(),
            refused: world.tally.refused.clone(),
        },
        pools: pools.collect(),
        most_out_by_label: world.most_out_by_label.clone(),
        start_types_as_before: servers.values().all(|server| server.start_types_as_before),
        servers,
        faults_not_met: Vec::new(),
        record,
    }
}

fn server_report(world: &World, index: usize, server: &LabServer) -> ServerReport {
    let pool = &world.pools[server.pool];
    let product = server.services.values().filter(|service| service.facts.is_some() || service.has_sessions);
    let services = product.map(|service| {
        let report = ServiceReport {
            state: service.state,
            start_before: service.start_at_origin,
            start_now: service.start,
            sessions: service.has_sessions.then_some(service.sessions),
        };
        (service.name.clone(), report)
    });
    let installers = server.installers.iter().map(|(token, installer)| {
        let state = match installer.end {
            InstallerEnd::Running(_) => InstallerOutcome::Running,
            InstallerEnd::Finished(code) => InstallerOutcome::Finished(code),
            InstallerEnd::Killed => InstallerOutcome::Killed,
            InstallerEnd::Vanished => InstallerOutcome::Vanished,
        };
        let path = installer.path.clone();
        (token.clone(), InstallerReport { path, started: installer.started, asked: installer.asked, state })
    });
    let balancer = world.balancer_state(server.pool, index);
    ServerReport {
        pool: pool.plan.name.clone(),
        up: server.is_up(),
        booted: server.booted,
        restarts: server.restarts,
        patched: server.patched,
        versions: world.components(index).into_iter().collect(),
        installers: installers.collect(),
        patched_while_serving: server.patched_while_serving.iter().cloned().collect(),
        start_types_as_before: server.start_types_as_before(),
        services: services.collect(),
        lease: server.lease.clone(),
        shells: ShellReport::default(),
        traffic: TrafficReport::default(),
        asked: BTreeMap::new(),
        balancer,
    }
}
