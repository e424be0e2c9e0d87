//! What a lab is told besides the plan: load, how things are at the start, and what goes wrong.
//!
//! Parsed by the command line from the file beside a plan, `<plan>.lab.yaml`. Everything has a default, so that a lab
//! needs no such file; a key that is not known is an error.

use crate::machine::MachineScenario;
use jiff::Timestamp;
use orchestrate_model::{PoolName, RunState, ServerName, ServiceName, StartType, Version};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a lab is told besides the plan.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// The seed of everything that is drawn. The same seed gives the same sessions.
    pub seed: u64,
    /// When the time of the lab begins. Without it: with the next opening of the plan's windows, or now.
    #[serde(deserialize_with = "crate::reading::time")]
    #[schemars(with = "Option<crate::schema::Time>")]
    pub begins: Option<Timestamp>,
    /// How many sessions there are, and for how long.
    pub load: Load,
    /// What the name server answers.
    pub dns: DnsScenario,
    /// Addresses that are a balancer's in front of a pool's SIP services.
    pub balancer_addresses: Vec<IpAddr>,
    /// Who takes servers out of a balancer that `orchestrate` does not drive itself.
    pub balancer_keeper: Keeper,
    /// How the balancers that `orchestrate` drives differ from what the plan says.
    #[schemars(with = "BTreeMap<String, BalancerScenario>")]
    pub balancers: BTreeMap<PoolName, BalancerScenario>,
    /// Times that servers take.
    pub timing: Timing,
    /// How the service manager behaves.
    pub services: ServicesScenario,
    /// How the installer behaves.
    pub installer: InstallerScenario,
    /// How single installers behave where the plan has several, by the name of the file.
    pub installers: BTreeMap<String, OneInstaller>,
    /// What the product says of a pool, instead of what follows from its servers.
    #[schemars(with = "BTreeMap<String, String>")]
    pub readiness: BTreeMap<PoolName, String>,
    /// Whether a front end whose services are paused counts as active in what the product says of its pool.
    pub paused_front_end: PausedFrontEnd,
    /// What the fabric state of every pool says once servers were out.
    pub fabric: FabricBehaviour,
    /// By which ways the product's cmdlets answer.
    pub cmdlets: CmdletsScenario,
    /// How single servers are at the start.
    #[schemars(with = "BTreeMap<String, ServerScenario>")]
    pub servers: BTreeMap<ServerName, ServerScenario>,
    /// Mistakes of the wire.
    pub faults: Vec<Fault>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            begins: None,
            load: Load::default(),
            dns: DnsScenario::default(),
            balancer_addresses: Vec::new(),
            balancer_keeper: Keeper::Careful,
            balancers: BTreeMap::new(),
            timing: Timing::default(),
            services: ServicesScenario::default(),
            installer: InstallerScenario::default(),
            installers: BTreeMap::new(),
            readiness: BTreeMap::new(),
            paused_front_end: PausedFrontEnd::Active,
            fabric: FabricBehaviour::Returns,
            cmdlets: CmdletsScenario::default(),
            servers: BTreeMap::new(),
            faults: Vec::new(),
        }
    }
}

/// Whether a front end whose services are paused counts as active. The product's documentation does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PausedFrontEnd {
    /// It does, as long as the process of `RTCSRV` runs.
    Active,
    /// It does not, and the pool is busy as long as it is paused.
    Inactive,
}

/// How many sessions there are, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// Factor on the number of sessions of every service. 0 means that there are none.
    pub factor: f64,
    /// Factor on the length of every session.
    pub length: f64,
    /// Services with a load of their own, which replaces the usual one.
    #[schemars(with = "BTreeMap<String, ServiceLoad>")]
    pub services: BTreeMap<ServiceName, ServiceLoad>,
    /// Pools with a factor of their own, on top of `factor`.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub pools: BTreeMap<PoolName, f64>,
}

impl Default for Load {
    fn default() -> Self {
        Self { factor: 1.0, length: 1.0, services: BTreeMap::new(), pools: BTreeMap::new() }
    }
}

/// The load of one service of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLoad {
    /// Sessions in the whole pool at a time, on average.
    pub sessions: f64,
    /// Length of a session in minutes, on average, before `longest_min` cuts the long ones short.
    pub mean_min: f64,
    /// The longest a session lasts, in minutes.
    pub longest_min: f64,
}

/// What the name server answers.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsScenario {
    /// Time to live of every record, in seconds.
    pub ttl_s: u32,
    /// The address records of these names, instead of those that the plan implies. An empty list removes the name.
    pub records: BTreeMap<String, Vec<IpAddr>>,
    /// Names that are aliases of others.
    pub aliases: BTreeMap<String, String>,
    /// The hosts that these service records name, instead of the pool's name, which the plan's entry names imply. An empty
    /// list removes the record.
    pub services: BTreeMap<String, Vec<String>>,
    /// Addresses that are left out of every answer.
    pub omit: Vec<IpAddr>,
    /// What happens to every question.
    pub answer: DnsBehaviour,
}

impl Default for DnsScenario {
    fn default() -> Self {
        Self {
            ttl_s: 300,
            records: BTreeMap::new(),
            aliases: BTreeMap::new(),
            services: BTreeMap::new(),
            omit: Vec::new(),
            answer: DnsBehaviour::Normal,
        }
    }
}

/// What happens to every question that the name server gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsBehaviour {
    /// It is answered.
    Normal,
    /// It is answered with "server failure".
    ServerFailure,
    /// It is answered with "refused".
    Refused,
}

/// How the balancers of a pool differ from what the plan says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BalancerScenario {
    /// What the runtime API lets its clients do.
    pub level: BalancerLevel,
    /// Backends that hold the pool's servers besides those of the plan.
    pub further_backends: Vec<String>,
    /// The addresses of servers in the balancer, by their names there, where they are not their own. `null`: none.
    pub addresses: BTreeMap<String, Option<IpAddr>>,
}

/// What a runtime API lets its clients do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BalancerLevel {
    /// Read.
    User,
    /// Read everything.
    Operator,
    /// Change servers.
    #[default]
    Admin,
}

/// Who takes servers out of a balancer that `orchestrate` does not drive itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    /// Somebody who takes a server out whenever its web service does not take connections.
    Careful,
    /// Nobody: the balancer sends traffic to every server whose health check passes.
    Absent,
}

/// Times that servers take, in lab seconds.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// From "off" to the operating system running.
    pub boot_s: f64,
    /// From the operating system running to WinRM answering.
    pub winrm_late_s: f64,
    /// From the operating system running to the start of services with a delayed start.
    pub delayed_start_s: f64,
    /// How long a service is "pause pending".
    pub pause_s: f64,
    /// How long a service is "continue pending".
    pub continue_s: f64,
    /// How long a service is "stop pending".
    pub stop_s: f64,
    /// How long a service is "start pending". `RTCSRV` takes four times as long.
    pub start_s: f64,
    /// How long a pool says "Busy" after `RTCSRV` of one of its servers came up.
    pub busy_s: f64,
    /// How long a shell command runs: for PowerShell mostly its start, with the product's module.
    pub command_s: f64,
    /// How long a PowerShell that stays takes over a question.
    pub answer_s: f64,
    /// How long the script that starts an installer runs: it hashes a large file. Usually longer than a client lets one
    /// question for output wait, so that every client has to deal with "nothing yet".
    pub installer_start_s: f64,
    /// How long the configuration takes to reach a server whose `REPLICA` came up.
    pub replica_s: f64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            boot_s: 90.0,
            winrm_late_s: 45.0,
            delayed_start_s: 120.0,
            pause_s: 3.0,
            continue_s: 2.0,
            stop_s: 8.0,
            start_s: 10.0,
            busy_s: 90.0,
            command_s: 0.8,
            answer_s: 0.2,
            installer_start_s: 25.0,
            replica_s: 0.0,
        }
    }
}

/// How the service manager behaves on every server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServicesScenario {
    /// Services that need others to run: dependent to what it depends on. The product's own graph is not known, so
    /// any pair given here is the lab's invention.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub depends_on: BTreeMap<ServiceName, Vec<ServiceName>>,
    /// Services that servers have besides those of the plan and of their role, where the product has them for the role.
    #[schemars(with = "Vec<String>")]
    pub also: Vec<ServiceName>,
    /// Display names other than the usual ones, such as that of a service of the product whose Windows name is not known.
    #[schemars(with = "BTreeMap<String, String>")]
    pub display: BTreeMap<ServiceName, String>,
    /// Start types other than the lab's usual ones.
    #[schemars(with = "BTreeMap<String, crate::schema::StartType>")]
    pub start_types: BTreeMap<ServiceName, StartType>,
    /// Services that take their own time to start, in lab seconds.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub start_s: BTreeMap<ServiceName, f64>,
    /// Services that take their own time to pause, in lab seconds. Longer than the run means "never".
    #[schemars(with = "BTreeMap<String, f64>")]
    pub pause_s: BTreeMap<ServiceName, f64>,
    /// Services whose pause is refused, with the return value.
    #[schemars(with = "BTreeMap<String, u32>")]
    pub refuse_pause: BTreeMap<ServiceName, u32>,
    /// Services whose stop is refused, with the return value.
    #[schemars(with = "BTreeMap<String, u32>")]
    pub refuse_stop: BTreeMap<ServiceName, u32>,
    /// Services that are not started, with the return value.
    #[schemars(with = "BTreeMap<String, u32>")]
    pub refuse_start: BTreeMap<ServiceName, u32>,
    /// Services that are not continued, with the return value.
    #[schemars(with = "BTreeMap<String, u32>")]
    pub refuse_continue: BTreeMap<ServiceName, u32>,
    /// Services whose start type is not set back to automatic, with the return value: by WMI and by `sc.exe`.
    #[schemars(with = "BTreeMap<String, u32>")]
    pub refuse_automatic: BTreeMap<ServiceName, u32>,
    /// Return value of a pause of a service that is paused already.
    pub pause_of_paused: u32,
    /// What a change of the start mode does to the delayed flag.
    pub delayed_flag: DelayedFlag,
    /// Counter sets that no server has, by their names.
    pub without_counters: Vec<String>,
}

/// What a change of the start mode does to the delayed flag. What real servers do is not known;
/// the usual behaviour of the lab is the one that needs more care.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DelayedFlag {
    /// The flag is lost.
    #[default]
    Lost,
    /// The flag stays.
    Kept,
}

/// How the installer behaves.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InstallerScenario {
    /// The shortest and the longest it runs, in lab seconds.
    pub duration_s: (f64, f64),
    /// Its exit code on every server that has none of its own: 3010 or 0 by the seed when not given.
    pub exit_code: Option<i64>,
    /// Installed level before.
    #[schemars(with = "Option<crate::schema::Version>")]
    pub before: Option<Version>,
    /// Installed level after. Without it: the level that the plan wants.
    #[schemars(with = "Option<crate::schema::Version>")]
    pub after: Option<Version>,
    /// Components that it does not raise on a server, although it says that it is done. The end of a name is enough.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub leaves_out: BTreeMap<ServerName, Vec<String>>,
    /// Whether the file lies on the servers, and with the wanted contents.
    pub file: InstallerFile,
}

impl Default for InstallerScenario {
    fn default() -> Self {
        Self {
            duration_s: (180.0, 420.0),
            exit_code: None,
            before: None,
            after: None,
            leaves_out: BTreeMap::new(),
            file: InstallerFile::Staged,
        }
    }
}

/// How one of several installers behaves.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OneInstaller {
    /// The shortest and the longest it runs, in lab seconds. Without it: as `installer` says.
    pub duration_s: Option<(f64, f64)>,
    /// Its exit code, also on servers that have their own.
    pub exit_code: Option<i64>,
    /// Whether the file lies on the servers. Without it: as `installer` says.
    pub file: Option<InstallerFile>,
}

/// Whether the installer lies on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstallerFile {
    /// It does, at the path and with the checksum that the plan states.
    Staged,
    /// There is no such file.
    Missing,
    /// There is another file at the path.
    Different,
}

/// What the fabric state of a pool says once servers were out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FabricBehaviour {
    /// Routing groups go back to where they were.
    Returns,
    /// Routing groups stay where they went when their first server was restarted.
    Stays,
    /// There is no such command, as on a release before it was introduced.
    Missing,
}

/// By which ways the product's cmdlets answer: some of them ask a second machine.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CmdletsScenario {
    /// What they do in a remote shell.
    pub session: SecondHop,
    /// Accounts as which a scheduled task may ask them: `system`, `self` (the account that logs on) and names of managed
    /// accounts. Without it every one of them may, and the domains `LAB` and `CONTOSO` have managed accounts of every name.
    pub accounts: Option<Vec<String>>,
}

/// What a cmdlet of the product does that asks a second machine from a remote shell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecondHop {
    /// It answers: the logon goes on.
    #[default]
    Answers,
    /// The directory says that an operations error occurred.
    OperationsError,
    /// The login at SQL fails, as that of an anonymous logon.
    LoginFailed,
    /// The access to the directory is denied, in the words of another language.
    Denied,
}

/// How one server is at the start, and what happens to it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerScenario {
    /// Whether it is switched on.
    pub power: PowerAtStart,
    /// Services that are not as usual at the start.
    #[schemars(with = "BTreeMap<String, crate::schema::State>")]
    pub states: BTreeMap<ServiceName, RunState>,
    /// Start types that are not as usual at the start.
    #[schemars(with = "BTreeMap<String, crate::schema::StartType>")]
    pub start_types: BTreeMap<ServiceName, StartType>,
    /// Services that are not installed here.
    #[schemars(with = "Vec<String>")]
    pub without: Vec<ServiceName>,
    /// Whether it is at the wanted level already.
    pub level: LevelAtStart,
    /// Exit codes of its installer runs, in order; the last one repeats.
    pub exit_codes: Vec<i64>,
    /// Whether the installer lies here.
    pub file: Option<InstallerFile>,
    /// Number of sessions, by service, that never end by themselves.
    #[schemars(with = "BTreeMap<String, u32>")]
    pub endless: BTreeMap<ServiceName, u32>,
    /// Loses its power this many lab seconds after the start, and boots again by itself.
    pub crash_after_s: Option<f64>,
    /// What a request to restart does.
    pub restart: RestartBehaviour,
    /// What it names as the active central management, instead of what the plan says. Empty: it names none.
    pub active_master: Option<String>,
    /// What it is like besides its services.
    pub machine: MachineScenario,
}

/// Whether a server is switched on at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerAtStart {
    /// It runs.
    #[default]
    Up,
    /// It is off and stays off.
    Down,
}

/// Which level a server is at before the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LevelAtStart {
    /// The old one.
    #[default]
    Before,
    /// The wanted one.
    Patched,
}

/// What a request to restart does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartBehaviour {
    /// The server goes down and comes back.
    #[default]
    Normal,
    /// The server accepts the request and stays up.
    Ignored,
    /// The server goes down and does not come back.
    StaysDown,
}

/// A mistake of the wire: the requests it meets, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The server; every server when not given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub server: Option<ServerName>,
    /// The operation: `Get`, `Enumerate`, `Pull`, `Invoke`, a method such as `PauseService`, a shell operation such as
    /// `Receive`, the name of a script such as `installer-start`, `Receive` with such a name behind it, `shutdown`, or
    /// `any`. A script that comes as input is met when its input is complete.
    #[serde(deserialize_with = "crate::operation::read")]
    pub operation: String,
    /// Requests that are let through before the first one is met.
    #[serde(default)]
    pub skip: u32,
    /// Requests that are met.
    #[serde(default = "once")]
    pub count: u32,
    /// Lab seconds from the first request that is met: until then every one is, whatever `count` says.
    #[serde(default)]
    pub for_s: Option<f64>,
    /// What becomes of them.
    pub effect: FaultEffect,
    /// For `delay`: lab seconds.
    #[serde(default)]
    pub seconds: f64,
    /// For `return-value`: the value.
    #[serde(default)]
    pub value: Option<u32>,
}

fn once() -> u32 {
    1
}

/// What becomes of a request that meets a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultEffect {
    /// The connection is closed before the request is looked at.
    DropBefore,
    /// The request is carried out, and the connection is closed instead of an answer.
    DropAfter,
    /// The answer comes late.
    Delay,
    /// The answer is "access denied".
    AccessDenied,
    /// The answer is a 401.
    Unauthorised,
    /// The answer says that too many shells are open.
    Quota,
    /// The answer belongs to another request.
    WrongRelatesTo,
    /// The answer is no XML.
    Garbage,
    /// The answer is far larger than asked for.
    Oversized,
    /// The answer is well-formed and within every size, and a tree of it costs minutes: a thousand namespaces in front of
    /// elements that declare one more each.
    Hostile,
    /// The answer comes in chunks, without a length.
    Chunked,
    /// The answer is encoded in UTF-16, as its header says.
    Utf16,
    /// A method is not carried out and returns `value`.
    ReturnValue,
}
