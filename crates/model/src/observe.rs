//! What can be asked of the outside world, and the answers as they were read.
//!
//! An observation never fails as a whole: each part of it is an [`Answer`] of its own. Judging what an observation
//! means is the planner's and the engine's work.

use crate::act::InstallerToken;
use crate::answer::Answer;
pub use crate::balancer::{BalancerDoubt, BalancerEntry, BalancerPlace, BalancerServer, BalancerState, DoubtKind};
use crate::change::Patch;
use crate::ids::{DnsName, PoolName, ServerName, ServiceName, UpgradeDomain};
use crate::lease::LeaseState;
use crate::probe::PendingSign;
use crate::service::ServiceStatus;
use crate::version::ComponentVersion;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Which parts of a server are asked about. Parts not asked about come back as unknown, "not asked".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The parts that have no argument of their own.
    pub parts: BTreeSet<Part>,
    /// The state of these services, and of whatever depends on them. Empty means none are asked about.
    pub services: Vec<ServiceName>,
    /// Session counts of these services.
    pub sessions: Vec<ServiceName>,
    /// What became of this installer.
    pub installer: Option<InstallerToken>,
    /// Which file is at this path.
    pub file: Option<String>,
    /// Which files are at these other paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_files: Vec<String>,
}

/// A part of a server that can be asked about as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Boot time and clock.
    Host,
    /// Installed versions.
    Versions,
    /// The product's readiness for an upgrade, which only a server of the pool can answer.
    Readiness,
    /// Whether configuration replicas are up to date, where the server can answer.
    Replication,
    /// The text of the product's fabric state, where the release has it. Any server of the pool can answer.
    Fabric,
    /// Which central management is active, as the server knows it. Any server but an Edge server can answer.
    CentralManagement,
    /// Every service whose display name begins as those of the product do. They come with the answer about services.
    ProductServices,
    /// Whose the server is: the lease that a control host has left on it.
    Lease,
    /// Whether it is fit for an installer: free space, and signs of a restart that is due.
    Fitness,
}

impl Ask {
    /// Returns whether a part is asked about.
    #[must_use]
    pub fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Returns whether any service is asked about, by its name or as one of the product.
    #[must_use]
    pub fn wants_services(&self) -> bool {
        !self.services.is_empty() || self.wants(Part::ProductServices)
    }
}

/// One server as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerObservation {
    /// The server.
    pub server: ServerName,
    /// When the first question was sent: evidence is as old as its oldest part.
    pub taken: Timestamp,
    /// Boot time and clock.
    pub host: Answer<HostFacts>,
    /// Services by name: those that were asked about, by name or as a [`Part`], and, read in the same look, what depends
    /// on them, directly or through others. A service that was asked about and is missing here is not installed.
    pub services: Answer<BTreeMap<ServiceName, ServiceStatus>>,
    /// Session measures by service. A service that was asked about and is missing here could not be measured.
    pub sessions: BTreeMap<ServiceName, SessionReading>,
    /// Installed versions.
    pub versions: Answer<Vec<ComponentVersion>>,
    /// What became of the installer.
    pub installer: Answer<InstallerState>,
    /// Which file is at the path that was asked about.
    pub file: Answer<FileFacts>,
    /// Which files are at the other paths that were asked about, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more_files: BTreeMap<String, Answer<FileFacts>>,
    /// Readiness as this server sees its pool.
    pub readiness: Answer<Readiness>,
    /// Whether configuration replicas are up to date, by server.
    pub replication: Answer<BTreeMap<ServerName, bool>>,
    /// The lines of the fabric state, as they were printed.
    pub fabric: Answer<Vec<String>>,
    /// Which central management is active, as this server knows it.
    pub central_management: Answer<CentralManagement>,
    /// Whose the server is.
    #[serde(default)]
    pub lease: Answer<LeaseState>,
    /// Whether it is fit for an installer.
    #[serde(default)]
    pub fitness: Answer<Fitness>,
    /// What stood in the way of many of the questions at once. Not a word about it: nothing of the kind was met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
    /// Whether changes of several of its services may be asked for in one exchange.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
}

/// One cause that leaves many questions to a server without an answer, although the server is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// What it is.
    pub kind: ObstacleKind,
    /// How it was told, without the name of the server. Each text stands as it is in the reason of every answer that is
    /// missing because of it; the first was met first.
    pub told: Vec<String>,
}

/// What stands in the way of many questions to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleKind {
    /// No script runs: too many shells or processes of the account.
    Quota,
    /// No script runs: the account may not open a shell.
    AccessDenied,
    /// No script runs as ours have to: a policy of the server restricts the scripts of the account.
    Restricted,
    /// No script runs: the PowerShell there is older than 3.0.
    OldPowerShell,
    /// No script runs: there is no PowerShell where it belongs, or nothing may start it.
    NoPowerShell,
    /// No script runs, and why stands in what was told.
    NoScript,
    /// Scripts run, and the product's cmdlets are not let in at a second machine: the directory, or SQL.
    SecondMachine,
}

impl ObstacleKind {
    /// Whether scripts run, and only what asks the product is in the way.
    #[must_use]
    pub fn is_of_product(self) -> bool {
        match self {
            Self::SecondMachine => true,
            Self::Quota
            | Self::AccessDenied
            | Self::Restricted
            | Self::OldPowerShell
            | Self::NoPowerShell
            | Self::NoScript => false,
        }
    }
}

/// What makes an installer fail on a machine, whatever it installs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitness {
    /// What is free on the drive of Windows and on that of the installer's temporary files, in bytes by drive.
    pub free: Answer<BTreeMap<String, u64>>,
    /// Signs of a restart that is due, each with what exactly; `None`: there is no such sign.
    pub pending: BTreeMap<PendingSign, Answer<Option<String>>>,
}

impl ServerObservation {
    /// Returns whether the server has answered neither how it is nor what its services do.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.host.known().is_none() && self.services.known().is_none()
    }

    /// Returns an observation in which every part is unknown for the same reason.
    #[must_use]
    pub fn unknown(server: ServerName, taken: Timestamp, reason: &str) -> Self {
        Self {
            server,
            taken,
            host: Answer::unknown(reason),
            services: Answer::unknown(reason),
            sessions: BTreeMap::new(),
            versions: Answer::unknown(reason),
            installer: Answer::unknown(reason),
            file: Answer::unknown(reason),
            more_files: BTreeMap::new(),
            readiness: Answer::unknown(reason),
            replication: Answer::unknown(reason),
            fabric: Answer::unknown(reason),
            central_management: Answer::unknown(reason),
            lease: Answer::unknown(reason),
            fitness: Answer::unknown(reason),
            obstacles: Vec::new(),
            together: false,
        }
    }

    /// Changes every reason why something is not known.
    pub fn change_reasons(&mut self, mut change: impl FnMut(&mut String)) {
        let Self { host, services, sessions, versions, installer, file, readiness, replication, fabric, .. } = self;
        let Self { central_management, lease, fitness, more_files, .. } = self;
        let mut of = |reason: Option<&mut String>| {
            if let Some(reason) = reason {
                change(reason);
            }
        };
        for reason in [
            host.reason_mut(),
            versions.reason_mut(),
            installer.reason_mut(),
            file.reason_mut(),
            readiness.reason_mut(),
            replication.reason_mut(),
            fabric.reason_mut(),
            central_management.reason_mut(),
            lease.reason_mut(),
        ] {
            of(reason);
        }
        match services {
            Answer::Unknown(reason) => of(Some(reason)),
            Answer::Known(services) => {
                for ServiceStatus { state, start, dependents, .. } in services.values_mut() {
                    of(state.reason_mut());
                    of(start.reason_mut());
                    of(dependents.reason_mut());
                }
            }
        }
        more_files.values_mut().for_each(|file| of(file.reason_mut()));
        for SessionReading { measures, draining } in sessions.values_mut() {
            measures.iter_mut().for_each(|measure| of(measure.value.reason_mut()));
            of(draining.as_mut().and_then(Answer::reason_mut));
        }
        match fitness {
            Answer::Unknown(reason) => of(Some(reason)),
            Answer::Known(Fitness { free, pending }) => {
                of(free.reason_mut());
                pending.values_mut().for_each(|sign| of(sign.reason_mut()));
            }
        }
    }

    /// Returns which file is at the path of an installer, if it was asked about: one of `installers`, as the plan has them.
    #[must_use]
    pub fn file_of(&self, installers: &[Patch], path: &str) -> Option<&Answer<FileFacts>> {
        let is_first = installers.first().is_some_and(|first| first.installer == path);
        if is_first { Some(&self.file) } else { self.more_files.get(path) }
    }

    /// Returns the status of a service if it is known and installed.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&ServiceStatus> {
        self.services.known().and_then(|services| services.get(name))
    }
}

/// Facts of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// When it was last booted, by its own clock. Moves by a second or so when the clock is corrected.
    pub booted: Timestamp,
    /// Its own clock when it was asked.
    pub local_time: Timestamp,
    /// Product name and build, for people.
    pub system: String,
}

/// What one service says of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReading {
    /// The single measures. Empty means that there is no way to measure this service.
    pub measures: Vec<Measure>,
    /// What the service says of its draining, where it is one that has such a state.
    pub draining: Option<Answer<DrainingState>>,
}

/// What is found where a service says whether it is draining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainingState {
    /// It says that it is draining.
    Draining,
    /// It says that it is not.
    NotDraining,
    /// The server has nothing that says so, in words. That is an answer, and not a missing one: it does not change by
    /// being waited for.
    Absent(String),
}

impl SessionReading {
    /// Returns the largest of the measures, or why it is not known. Measures of one service overlap
    /// (conferences and the users in them), so they are not added up. No measure at all is unknown, and so is a
    /// negative one.
    #[must_use]
    pub fn left(&self) -> Answer<u64> {
        if self.measures.is_empty() {
            return Answer::unknown("no session measure is known for this service");
        }
        let mut most = 0;
        for measure in &self.measures {
            match &measure.value {
                Answer::Known(value) => match u64::try_from(*value) {
                    Ok(value) => most = most.max(value),
                    Err(_negative) => return Answer::unknown(format!("{} reads {value}", measure.name)),
                },
                Answer::Unknown(reason) => return Answer::unknown(format!("{}: {reason}", measure.name)),
            }
        }
        Answer::Known(most)
    }

    /// Returns why no count can tell that no session is left, where the server itself says so: whatever is unknown is so
    /// because it has no such counter. `None` where everything could be read, where nothing measures the service, and where an
    /// answer was refused or is missing: that may hide sessions.
    #[must_use]
    pub fn uncountable(&self) -> Option<String> {
        let is_told = |measure: &Measure| match &measure.value {
            Answer::Known(value) => *value >= 0,
            Answer::Unknown(_) => measure.absent,
        };
        let first = self.measures.iter().find(|measure| measure.value.known().is_none())?;
        self.measures
            .iter()
            .all(is_told)
            .then(|| format!("{}: {}", first.name, first.value.why_unknown().unwrap_or_default()))
    }

    /// Returns the largest of the counts that could be read. `None`: none could.
    #[must_use]
    pub fn most_read(&self) -> Option<u64> {
        self.measures.iter().filter_map(|measure| u64::try_from(*measure.value.known()?).ok()).max()
    }
}

/// One counter or activity value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The counter path or activity key.
    pub name: String,
    /// Its value. A counter that cannot be read is unknown, never zero.
    pub value: Answer<i64>,
    /// Whether its value is unknown because the server has no such counter, as its own list of counters says: an answer that
    /// does not change by being waited for, unlike one that was refused or not given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
}

impl Measure {
    /// Returns a measure with what was answered.
    #[must_use]
    pub const fn new(name: String, value: Answer<i64>) -> Self {
        Self { name, value, absent: false }
    }
}

/// What became of an installer that was started by token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallerState {
    /// The server knows nothing of the token: it was never started.
    NotStarted,
    /// It is running.
    Running,
    /// It has ended.
    Finished {
        /// The exit code, as an unsigned 32-bit number where Windows gives one.
        exit_code: i64,
    },
    /// It was started, is not running, and left no result: a restart or a crash came in between.
    Vanished,
    /// It was ended at its deadline by what had started it. It has no exit code of its own, and how far it came is not known.
    Killed {
        /// What is known of it.
        note: String,
    },
    /// It was asked for, and the server could not run it and will not: nothing has happened under this token.
    NeverRan {
        /// What the server says.
        why: String,
    },
}

/// A file on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFacts {
    /// There is none.
    Missing,
    /// There is one.
    Found {
        /// The SHA-256 of what is in it, as 64 hexadecimal digits in lower case.
        sha256: String,
    },
}

/// The pool's own word on whether a server may be taken out, from `Get-CsPoolUpgradeReadinessState` (2013, 2015) or
/// `Get-CsUpgradeDomainInfo` (2019 and later).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The state of the pool.
    pub state: ReadinessState,
    /// Servers that are active, when the answer says so.
    pub active: Option<u32>,
    /// Servers in all, when the answer says so.
    pub total: Option<u32>,
    /// Upgrade domains with their servers and whether each is ready, when the answer says so.
    pub domains: Vec<DomainReadiness>,
}

/// The state of the pool in the official flow chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessState {
    /// A server may be taken out.
    Ready,
    /// Wait ten minutes and ask again, three times at most.
    Busy,
    /// The pool has a problem: stop.
    InsufficientActiveFrontEnds,
    /// A word that is not in the flow chart.
    Other(String),
}

/// What a server says of the central management.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentralManagement {
    /// The active one as the server names it (`ActiveMasterFQDN`): a server or a pool. None when the server names none.
    pub active: Option<String>,
}

/// One upgrade domain in a readiness answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainReadiness {
    /// Its name.
    pub name: UpgradeDomain,
    /// Its servers, when listed.
    pub servers: Vec<ServerName>,
    /// Whether it is ready to be upgraded.
    pub ready: Answer<bool>,
}

/// Which names of a pool are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAsk {
    /// The pool.
    pub pool: PoolName,
    /// The names: the pool's, each server's, the web services'.
    pub names: Vec<DnsName>,
    /// The external names of an Edge pool, which may be asked for at other resolvers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<DnsName>,
}

/// What the name servers said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsObservation {
    /// When the first question was sent.
    pub taken: Timestamp,
    /// The answers, one per resolver and name.
    pub answers: Vec<DnsAnswer>,
    /// The answers for external names, likewise. They are kept apart, because who was asked for these need not have
    /// been asked for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<DnsAnswer>,
}

/// What one resolver said about one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAnswer {
    /// The name.
    pub name: DnsName,
    /// Who was asked.
    pub resolver: SocketAddr,
    /// The addresses, sorted, with their shortest time to live. No such name is a known, empty set of records.
    pub records: Answer<AddressRecords>,
}

impl DnsAnswer {
    /// Returns, in words, that a name server does not tell the addresses of a name. `why` is a driver's reason, which names the
    /// name server again. Silence, an answer of failure and aliases in a circle are all this.
    #[must_use]
    pub fn untold(resolver: SocketAddr, name: &DnsName, why: &str) -> String {
        format!("{resolver} does not tell the addresses of {name}{}", Self::because(resolver, why))
    }

    /// Returns a driver's reason as the end of a sentence about its name server.
    #[must_use]
    pub fn because(resolver: SocketAddr, why: &str) -> String {
        let own = format!("{resolver} ");
        let why = why.strip_prefix(&own).unwrap_or(why);
        let colon = if why.starts_with('(') { "" } else { ":" };
        format!("{colon} {why}")
    }
}

/// The address records of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRecords {
    /// A and AAAA, sorted.
    pub addresses: Vec<IpAddr>,
    /// The shortest time to live in seconds.
    pub ttl_s: u32,
    /// The name that an alias led to.
    pub alias: Option<DnsName>,
}

/// What the balancers say of the servers of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerObservation {
    /// When they were asked.
    pub taken: Timestamp,
    /// The entries of each server, in every balancer and backend that the plan names. A server that has none is
    /// missing. Unknown as soon as one balancer did not say.
    pub servers: Answer<BTreeMap<ServerName, BalancerServer>>,
    /// What the others said where one did not: enough to put back what was taken out, and for nothing else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partly: BTreeMap<ServerName, BalancerServer>,
    /// What does not fit the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<BalancerDoubt>,
}

impl BalancerObservation {
    /// Returns an observation in which everything fits the plan.
    #[must_use]
    pub fn new(taken: Timestamp, servers: Answer<BTreeMap<ServerName, BalancerServer>>) -> Self {
        Self { taken, servers, partly: BTreeMap::new(), doubts: Vec::new() }
    }

    /// Returns the doubts that keep a server from being taken out.
    pub fn against<'a, 'b>(&'a self, server: &'b ServerName) -> impl Iterator<Item = &'a BalancerDoubt> + use<'a, 'b> {
        let concerns = move |doubt: &&BalancerDoubt| doubt.server.as_ref().is_none_or(|whose| whose == server);
        self.doubts.iter().filter(|doubt| doubt.kind.forbids()).filter(concerns)
    }

    /// Returns the entries of a server as far as they are known, also where a balancer did not say.
    #[must_use]
    pub fn as_far_as_known(&self, server: &ServerName) -> Option<&BalancerServer> {
        self.servers.known().unwrap_or(&self.partly).get(server)
    }
}

/// A whole pool as it was seen at about one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolObservation {
    /// The pool.
    pub pool: PoolName,
    /// Each server of the pool.
    pub servers: BTreeMap<ServerName, ServerObservation>,
    /// The pool's names.
    pub dns: Answer<DnsObservation>,
    /// The pool's balancer.
    pub balancer: Answer<BalancerObservation>,
}

impl PoolObservation {
    /// Returns when the oldest part was taken, if there is any part.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let servers = self.servers.values().map(|server| server.taken);
        let dns = self.dns.known().map(|dns| dns.taken);
        let balancer = self.balancer.known().map(|balancer| balancer.taken);
        servers.chain(dns).chain(balancer).min()
    }
}
