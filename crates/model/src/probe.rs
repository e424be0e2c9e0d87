//! What `orchestrate probe` finds out about one Windows server, and the rows in which that is told. Everything here is
//! read; nothing is judged.

use crate::answer::Answer;
use crate::ids::{ServerName, ServiceName};
use crate::observe::ServerObservation;
use crate::pool::Transport;
use crate::product::Product;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// How much a row asks of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// As it should be.
    Green,
    /// Works, or may work; worth a look.
    Yellow,
    /// A maintenance would be refused or would fail.
    Red,
}

impl Light {
    /// Returns the word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// What a row is about, in the order in which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Name and addresses.
    Name,
    /// The ports of WinRM and what answers there.
    Listeners,
    /// How requests travel.
    Transport,
    /// The certificate of the listener for TLS.
    Tls,
    /// How the account was let in.
    Logon,
    /// The clocks of the server and of this machine.
    Clock,
    /// Who the account is on the server.
    Account,
    /// The right to read WMI.
    Wmi,
    /// The right to pause, stop and start services.
    ServiceControl,
    /// The right to change how services start.
    StartTypes,
    /// The right to register scheduled tasks, by which installers run.
    Tasks,
    /// The right to restart the server.
    Restart,
    /// PowerShell.
    #[serde(rename = "powershell")]
    PowerShell,
    /// The cmdlets of the product.
    Cmdlets,
    /// Services, against the catalogue.
    Services,
    /// Whether another control host works on the server.
    Lease,
    /// Session counters.
    Counters,
    /// Installed versions.
    Versions,
    /// The installer file of the plan.
    Installer,
    /// Free space.
    Disk,
    /// Signs of a restart that is due.
    PendingRestart,
    /// What WinRM allows.
    Quotas,
    /// What name servers say of the names of a pool.
    Records,
    /// The balancer of a pool.
    Balancer,
    /// A pool as a whole.
    Pool,
}

impl Topic {
    /// Every topic, in the order in which rows are shown.
    pub const ALL: [Self; 25] = [
        Self::Name,
        Self::Listeners,
        Self::Transport,
        Self::Tls,
        Self::Logon,
        Self::Clock,
        Self::Account,
        Self::Wmi,
        Self::ServiceControl,
        Self::StartTypes,
        Self::Tasks,
        Self::Restart,
        Self::PowerShell,
        Self::Cmdlets,
        Self::Services,
        Self::Lease,
        Self::Counters,
        Self::Versions,
        Self::Installer,
        Self::Disk,
        Self::PendingRestart,
        Self::Quotas,
        Self::Records,
        Self::Balancer,
        Self::Pool,
    ];

    /// Returns the word for programs, which is the one that is shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Listeners => "listeners",
            Self::Transport => "transport",
            Self::Tls => "tls",
            Self::Logon => "logon",
            Self::Clock => "clock",
            Self::Account => "account",
            Self::Wmi => "wmi",
            Self::ServiceControl => "service-control",
            Self::StartTypes => "start-types",
            Self::Tasks => "tasks",
            Self::Restart => "restart",
            Self::PowerShell => "powershell",
            Self::Cmdlets => "cmdlets",
            Self::Services => "services",
            Self::Lease => "lease",
            Self::Counters => "counters",
            Self::Versions => "versions",
            Self::Installer => "installer",
            Self::Disk => "disk",
            Self::PendingRestart => "pending-restart",
            Self::Quotas => "quotas",
            Self::Records => "records",
            Self::Balancer => "balancer",
            Self::Pool => "pool",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One row: what was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What it is about.
    pub topic: Topic,
    /// How much it asks of a person.
    pub light: Light,
    /// What was found.
    pub found: String,
    /// What to do, where there is something to do.
    pub todo: Option<String>,
    /// The code of the finding by which a dry run says the same, where it does.
    pub code: Option<String>,
}

/// The facts about one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The server.
    pub server: ServerName,
    /// When the first question was sent.
    pub asked: Timestamp,
    /// The addresses of the name.
    pub addresses: Answer<Vec<IpAddr>>,
    /// Whose word that is.
    pub addresses_by: NamesOf,
    /// The ports of WinRM, each with what answers there.
    pub listeners: Vec<Listener>,
    /// How requests travel.
    pub way: Way,
    /// How the account was let in, or why it was not. `None`: no account was given.
    pub logon: Option<Answer<LogonFacts>>,
    /// How far the server's clock is ahead of ours, with whose word that is.
    pub clock: Answer<ClockFacts>,
    /// The product that was asked about.
    pub product: Product,
    /// What a run would see.
    pub seen: ServerObservation,
    /// What PowerShell says of the machine and of the account on it.
    pub machine: Answer<Machine>,
    /// The local disks by their letter, such as `C:`.
    pub disks: Answer<BTreeMap<String, Disk>>,
    /// What WinRM allows.
    pub quotas: Answer<Quotas>,
    /// Every counter set of the product, where they were asked for.
    pub counters: Option<Answer<Vec<CounterSet>>>,
    /// The keys of the activity level, where they were asked for.
    pub activity: Option<Answer<Vec<ActivityKeys>>>,
}

/// Who is asked for the addresses of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamesOf {
    /// This machine, as it is set up.
    Machine,
    /// The name servers that the plan names.
    Plan,
}

/// The keys under which a service says how busy it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityKeys {
    /// The service.
    pub service: ServiceName,
    /// The keys with their values now, as the server writes them.
    pub keys: Answer<BTreeMap<String, i64>>,
}

/// How requests travel to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// On what.
    pub transport: Transport,
    /// Where to, as it is dialled.
    pub connect_to: String,
    /// Why this one.
    pub why: String,
}

/// A port on which WinRM listens by default, or as the plan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// What is spoken there.
    pub transport: Transport,
    /// What answers.
    pub found: Answer<Answering>,
    /// Where nothing does: what kind of silence it is.
    pub silence: Option<Silence>,
}

/// How a port keeps from answering. Each is mended in another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The server is there, and nothing listens at the port, or a firewall says so at once.
    Closed,
    /// Nothing comes back: the name leads nowhere, the server is off, or a firewall drops what is sent.
    Unreachable,
    /// Something listens, and TLS does not come about.
    Tls,
    /// Something listens that does not answer as a web server does.
    Odd,
}

/// What answers at a port, without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// The HTTP status of a request without proof of who asks.
    pub status: u16,
    /// The ways of logging on that are offered.
    pub offers: Vec<String>,
    /// TLS, where it is spoken.
    pub tls: Option<TlsFacts>,
}

/// What a listener for TLS shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Version and cipher suite.
    pub agreed: String,
    /// The certificates, the server's own first.
    pub chain: Vec<Certificate>,
    /// Why the certificate is not trusted as things are set, if it is not.
    pub distrust: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The host names and addresses in it.
    pub names: Vec<String>,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when it holds.
    pub until: Timestamp,
    /// Its SHA-256, which pins it.
    pub sha256: String,
}

/// How an account was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogonFacts {
    /// By what.
    pub mechanism: LogonMechanism,
    /// Whether the logon is bound to the TLS connection.
    pub binding: Protection,
    /// Whether messages are sealed.
    pub sealing: Protection,
}

/// By what an account was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogonMechanism {
    /// A password in each request.
    Basic,
    /// A certificate shown by TLS.
    Certificate,
    /// NTLM, version 2.
    Ntlm,
    /// Kerberos.
    Kerberos,
}

impl LogonMechanism {
    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Certificate => "client certificate",
            Self::Ntlm => "NTLM",
            Self::Kerberos => "Kerberos",
        }
    }
}

/// Whether a protection is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// It is.
    Used,
    /// It is not.
    Unused,
}

/// The difference of two clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFacts {
    /// How far the server's is ahead of ours; behind when negative.
    pub ahead: SignedDuration,
    /// Where the server's time is from.
    pub source: &'static str,
}

/// What PowerShell says of a machine and of the account on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The version of PowerShell.
    pub powershell: String,
    /// The account, as the machine names it.
    pub account: Answer<String>,
    /// What the account's token holds.
    pub token: Answer<Token>,
    /// What the account may do with each service.
    pub services: BTreeMap<ServiceName, Answer<BTreeSet<ServiceRight>>>,
    /// Whether the task scheduler answers.
    pub scheduler: Answer<()>,
    /// The folder for temporary files of SYSTEM, as which installers run.
    pub temp: Answer<String>,
    /// The drive of Windows, such as `C:`.
    pub windows_drive: Answer<String>,
    /// Signs of a restart that is due. An answer for each sign; `None` in it: there is none.
    pub pending: BTreeMap<PendingSign, Answer<Option<PendingFound>>>,
    /// The installer file, where one was asked about.
    pub file: Option<Answer<FileRights>>,
}

/// What a token holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whether it is an administrator's in effect.
    pub standing: Standing,
    /// Whether it may restart the machine from afar, or at all.
    pub may_restart: Answer<bool>,
}

/// What an account is on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An administrator in effect.
    Administrator,
    /// A member of the administrators whose token is filtered: a local account other than the built-in one.
    Filtered,
    /// Anyone else.
    Other,
}

/// What can be done with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceRight {
    /// Pause and continue.
    PauseContinue,
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Change the start type.
    Configure,
}

impl ServiceRight {
    /// Returns what it lets one do.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PauseContinue => "pause",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Configure => "change",
        }
    }
}

/// A sign of a restart that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PendingSign {
    /// Component servicing has changes that a restart completes.
    Servicing,
    /// Windows Update waits for one.
    WindowsUpdate,
    /// Files are to be renamed or deleted by the next start.
    FileRenames,
    /// The computer is to have another name.
    ComputerRename,
}

impl PendingSign {
    /// Every sign.
    pub const ALL: [Self; 4] = [Self::Servicing, Self::WindowsUpdate, Self::FileRenames, Self::ComputerRename];

    /// Returns its name as people say it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Servicing => "component servicing",
            Self::WindowsUpdate => "Windows Update",
            Self::FileRenames => "file renames",
            Self::ComputerRename => "computer rename",
        }
    }
}

/// A sign that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingFound {
    /// What exactly.
    pub what: String,
    /// Since when, where something says so.
    pub since: Option<Timestamp>,
}

/// What is known of a file besides its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRights {
    /// Whether there is a file. Nothing else is known where there is none.
    pub exists: bool,
    /// Whether SYSTEM, as which it would run, may read it.
    pub readable_by_system: Answer<bool>,
    /// Whether its drive is a disk of the machine.
    pub is_local: Answer<bool>,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What is free on it.
    pub free_bytes: u64,
    /// How large it is.
    pub size_bytes: u64,
}

/// What WinRM allows. What a server does not tell is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quotas {
    /// The largest message, in units of 1,024 bytes.
    pub envelope_kb: Option<u64>,
    /// Shells of one user at a time.
    pub shells_per_user: Option<u64>,
    /// Processes in one shell.
    pub processes_per_shell: Option<u64>,
    /// Memory of one shell.
    pub memory_per_shell_mb: Option<u64>,
}

/// A counter set with its counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterSet {
    /// Its display name, such as `LS:SIP - Peers`.
    pub name: String,
    /// The class that WMI has for it.
    pub class: String,
    /// The properties of that class by the display names of the counters.
    pub counters: BTreeMap<String, String>,
}
