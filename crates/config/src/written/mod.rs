//! The first stage: a plan file as it is written, with places, nothing filled in and nothing checked across values.
//!
//! The documentation comments below are the descriptions in the JSON Schema.

mod away;
mod choices;
mod external;
mod first;
mod notify;
mod on_hold;
mod silences;

pub(crate) use away::AwayChoice;
pub(crate) use choices::{
    AfterDays, BalancerChoice, CmdletsChoice, CredentialsChoice, Every, Freeze, LevelChoice, ScopeChoice, SiteChoice,
};
pub(crate) use external::{ExternalAddresses, ExternalNames};
pub(crate) use first::{FirstChoice, ThenChoice};
pub(crate) use notify::{AddressChoice, Mail, Notify, NotifyChoice};
pub(crate) use silences::{Alertmanager, Silence, SilenceChoice, WebhookPair};

use crate::compared::SessionCounter;
use crate::durations::{Length, OpenFor, Pause};
use crate::hashes::Sha256;
use crate::logon::{Kdc, Realm};
use crate::numbers::{Count, ExitCode, FormatVersion, People, Port};
use crate::reader::{At, Entries, Filled, Given, OneOrMany, written};
use crate::scalars::{BalancerName, Current, RuntimeApi, ServiceText, VariablePrefix, Zone};
use crate::sizes::Size;
use crate::texts::{Argument, LabelKey, LabelValue, Line};
use jiff::civil::{Date, Time};
pub(crate) use on_hold::OnHoldChoice;
use orchestrate_model::change::{
    AtDeadline, ExitMeaning, PendingRestart, PoolUnsafe, RestartPoint, RestartPolicy, StartTypePolicy, WindowFit,
};
use orchestrate_model::pool::{ChannelBinding, Hosted, ServiceClass, SipBalancing, SlotNames, Transport, WinrmAuth};
use orchestrate_model::{DnsName, Feature, Label, PoolName, Product, Role, ServerName, UpgradeDomain};
use std::net::{IpAddr, SocketAddr};

written! {
    /// A change: which pools are taken through maintenance, and how.
    struct Plan {
        /// Version of the format: 1.
        required version: FormatVersion,
        /// What people call the change.
        required name: Line,
        /// Why it is done, with the change number.
        required reason: String,
        /// Which name servers are asked. Default: those of the machine.
        optional dns: Dns,
        /// The pools, each under its full DNS name.
        required pools: Entries<PoolName, Pool>,
        /// What is done to each server.
        required maintenance: Maintenance,
        /// Budgets that several pools share.
        optional budgets: Vec<At<Budget>>,
        /// When the whole run stops. Default: at the first server that fails.
        optional stop_when: StopWhen,
        /// When the work may be done. Default: at any time.
        optional windows: Filled<Window>,
        /// When it may not, windows or no windows.
        optional freezes: Vec<At<Freeze>>,
        /// Who is told what of a run, and by which way. Default: nobody is.
        optional notify: Vec<At<NotifyChoice>>,
        /// How alerts about a server are silenced while it is out. Default: they are not.
        optional silences: Vec<At<SilenceChoice>>,
        /// Whose signed approvals a run needs. Default: none that is signed.
        optional approvals: Approvals,
    }
}

impl Plan {
    /// Returns the installers, in the order in which they are run.
    pub(crate) fn installers(&self) -> impl Iterator<Item = &Patch> {
        let patch = self.maintenance.as_ref().and_then(|maintenance| maintenance.value.patch.as_ref());
        patch.into_iter().flat_map(|patch| &patch.value.0).map(|one| &one.value)
    }
}

written! {
    /// Whose signed approvals a run needs.
    struct Approvals {
        /// Of how many different people.
        required required: People,
        /// The file with the keys of those who may sign, in the form of OpenSSH (`allowed_signers`), beside the plan or with a
        /// path of its own.
        required from: Line,
        /// How long an approval is good for at most, before the run is begun. Default: 24 hours.
        optional expires: Length,
    }
}

written! {
    /// Which name servers answer for the pools' names.
    struct Dns {
        /// Addresses of the name servers; port 53 unless another one is given.
        optional resolvers: Filled<SocketAddr>,
        /// Name servers that are asked for the external names of Edge pools. Default: those that are asked for all others.
        optional external_resolvers: Filled<SocketAddr>,
    }
}

written! {
    /// A pool of servers that stand in for each other.
    struct Pool {
        /// What the pool runs.
        required product: Product,
        /// What its servers do.
        required role: Role,
        /// How clients are spread over the servers. Needed for every product but generic.
        optional load_balancing: LoadBalancing,
        /// The servers under their full DNS names, in topology order: the order that the quorum counts in.
        required servers: Entries<ServerName, Server>,
        /// How the servers are reached. Without it the plan can be checked, but not run.
        optional access: Access,
        /// Pools that must be finished before this one starts.
        optional after: Vec<At<PoolName>>,
        /// Labels that shared budgets refer to, such as `site: paris`.
        optional labels: Entries<LabelKey, LabelValue>,
        /// The pool that this one is paired with for disaster recovery.
        optional paired_with: PoolName,
        /// For Edge pools: the pool that traffic goes on to.
        optional next_hop: PoolName,
        /// For a pool of one server: why its users may be without service while that is out. Text, shown in the preview.
        optional accept_outage: Line,
        /// The server that goes first, before all others of the pool: its name, or with what comes before the others follow.
        optional first: FirstChoice,
        /// The order in which the servers are taken, by full or short names. Those that are not named follow in topology order.
        optional order: Vec<At<Line>>,
        /// Whether archiving is in use.
        optional archiving: bool,
        /// Services the pool runs besides those of its role, such as a collocated RTCMEDSRV.
        optional services: Vec<At<ServiceText>>,
        /// Database work that follows when all servers of the pool are done.
        optional database: Database,
        /// Session measures that replace those of the catalogue, by service: counter paths or activity keys.
        optional measures: Entries<ServiceText, Filled<SessionCounter>>,
    }
}

written! {
    /// How clients are spread over the servers of a pool.
    struct LoadBalancing {
        /// SIP: `dns` when clients choose from the pool's address records, `hardware` when a balancer does.
        required sip: SipBalancing,
        /// The name of the web services, which points at the balancer and is not the pool's name.
        optional web: DnsName,
        /// Who takes a server out of the balancer. Default: the operator when there is one in front of the pool.
        optional balancer: BalancerChoice,
        /// For Edge pools: the names by which clients outside find the pool.
        optional external: ExternalNames,
        /// The names by which clients inside find the pool at first: of the autodiscover service, for automatic sign-in, or
        /// of a service record such as `_sipinternaltls._tcp.contoso.example`. None may lead only to the server that goes out.
        optional entry: Filled<DnsName>,
    }
}

written! {
    /// A balancer that something other than this tool takes care of.
    struct Elsewhere {
        /// What takes servers out of the balancer, in words.
        required elsewhere: Line,
    }
}

written! {
    /// An HAProxy that the tool talks to.
    struct HaproxyChoice {
        /// The HAProxy.
        required haproxy: Haproxy,
    }
}

written! {
    /// An HAProxy reached over its runtime API.
    struct Haproxy {
        /// Where the runtime API listens: `host:port` or the path of a socket.
        optional address: Given<RuntimeApi>,
        /// The HAProxys in front of the pool, instead of `address`: each an address, or an address with backends of its
        /// own.
        optional balancers: Given<OneOrMany<SiteChoice>>,
        /// The backend that holds the pool's servers.
        optional backend: Given<BalancerName>,
        /// The backends that hold the pool's servers, instead of `backend`.
        optional backends: Given<OneOrMany<BalancerName>>,
        /// The balancer's names of servers, where they are not the first part of the server's name. A server whose name
        /// is stated may have an address there that is in neither the plan nor DNS.
        optional names: Entries<ServerName, OneOrMany<BalancerName>>,
        /// What names in the balancer say: `by-name` (a name that is a server's has to have its address) or `by-address`
        /// (nothing, as with `server-template`).
        optional slots: SlotNames,
        /// Backends that hold servers of the pool and are left alone, each with the reason.
        optional accept_backends: Entries<BalancerName, Line>,
    }
}

written! {
    /// One of several HAProxys.
    struct HaproxySite {
        /// Where the runtime API listens: `host:port` or the path of a socket.
        required address: RuntimeApi,
        /// The backend that holds the pool's servers.
        optional backend: Given<BalancerName>,
        /// The backends that hold the pool's servers, instead of `backend`. Default: those that stand beside `balancers`.
        optional backends: Given<OneOrMany<BalancerName>>,
    }
}

written! {
    /// A server of a pool.
    struct Server {
        /// Its addresses. Default: those that DNS has for its name.
        optional address: OneOrMany<IpAddr>,
        /// Its upgrade domain, where the product has them.
        optional upgrade_domain: UpgradeDomain,
        /// Functions of the whole pool that it carries.
        optional hosts: Vec<At<Hosted>>,
        /// The SHA-256 of the certificate to trust on this server, or several. Default: what `access` says.
        optional pin: OneOrMany<Sha256>,
        /// For Edge pools: its addresses as the name servers outside have them: those of all external names of the
        /// pool, or of each.
        optional external: ExternalAddresses,
        /// Why the server is known to be dead. It is counted as down, and is never asked and never begun.
        optional away: AwayChoice,
    }
}

written! {
    /// The server of a pool that goes first.
    struct FirstServer {
        /// The server, by its full or short name.
        required server: Line,
        /// `ask`: a person decides whether the others follow. Or a soak of its own, such as `2h`. Default: the usual soak.
        optional then: ThenChoice,
    }
}

written! {
    /// A server that is known to be dead.
    struct AwayWhy {
        /// Why, in words that the preview and the report show.
        required reason: Line,
        /// `false`: it takes no place of the budgets, and the rule of upgrade domains does not count it. Default: true.
        optional in_budget: bool,
    }
}

written! {
    /// How the servers of a pool are reached.
    struct Access {
        /// Windows Remote Management.
        required winrm: Winrm,
    }
}

written! {
    /// How servers are reached over Windows Remote Management.
    struct Winrm {
        /// `http`: messages are sealed, which needs no certificate. `https`: TLS. Default: https.
        optional transport: Transport,
        /// Default: 5986 for https, 5985 for http.
        optional port: Port,
        /// `negotiate`: Kerberos where the realm of the account and a KDC are known, else NTLM. `kerberos`, `ntlm`: only
        /// that. `basic`, `certificate`: over https only, for local accounts. Default: negotiate.
        optional auth: WinrmAuth,
        /// Where user name and password come from.
        required credentials: CredentialsChoice,
        /// Over https: whether a logon is bound to the TLS connection. Default: auto.
        optional channel_binding: ChannelBinding,
        /// The Kerberos realm of the account. Default: what its name, krb5.conf or the server says.
        optional realm: Realm,
        /// The KDC of the realm, or several: `host` or `host:port`. Default: what krb5.conf or the name servers say.
        optional kdc: OneOrMany<Kdc>,
        /// The class of the service that a ticket is asked for. Default: HTTP.
        optional spn: ServiceClass,
        /// By which way the cmdlets of the product are asked: `session`, in the remote shell, or `{task: {as: ...}}`, in
        /// a scheduled task that is made for one question. Default: session.
        optional cmdlets: CmdletsChoice,
        /// A file with the authorities to trust instead of the machine's.
        optional ca: Line,
        /// The SHA-256 of the one certificate to trust, or of several.
        optional pin: OneOrMany<Sha256>,
    }
}

written! {
    /// A scheduled task that is made for one question.
    struct ByTask {
        /// The task.
        required task: choices::TaskChoice,
    }
}

written! {
    /// Where user name and password come from: one of these, and nothing secret itself.
    struct Credentials {
        /// First part of the names of two environment variables: with `MAINTENANCE` they are `MAINTENANCE_USER` and
        /// `MAINTENANCE_PASSWORD`.
        optional env: VariablePrefix,
        /// A file that only its owner can read: user on the first line, password on the second.
        optional file: Line,
        /// A program and its arguments, which prints user and password on two lines.
        optional command: OneOrMany<Argument>,
        /// A keytab, for Kerberos. Needs `principal`.
        optional keytab: Line,
        /// The principal whose key is taken from the keytab.
        optional principal: Line,
        /// A user whose password is in the keyring of the system, under the service `orchestrate`.
        optional keyring: Line,
        /// A user whose password is asked for at the terminal.
        optional prompt: Line,
        /// `true`: the logon of the person who starts the program, on Windows. No password is anywhere.
        optional current: Current,
        /// A client certificate as a PEM file, for `auth: certificate`.
        optional certificate: Line,
        /// The file with its key. Default: the same file.
        optional key: Line,
    }
}

written! {
    /// Database work that follows when all servers of the pool are done.
    struct Database {
        /// The primary database server.
        required primary: DnsName,
        /// What is to be done, for the operator to read.
        required instructions: String,
    }
}

written! {
    /// What is done to each server.
    struct Maintenance {
        /// Which services are blocked: all-services, or a list.
        required scope: ScopeChoice,
        /// Most servers of one pool out of service at once, counting those already down. Default: 1.
        optional at_once: Count,
        /// `manual` (default): a restarted server does not take connections by itself. `keep`: it does.
        optional start_type: StartTypePolicy,
        /// How long sessions get to end by themselves, and what then.
        optional drain: Drain,
        /// What is installed: one installer, or several that run one after the other in this order. Without it nothing is.
        optional patch: OneOrMany<Patch>,
        /// When the server is restarted. Default: when-needed.
        optional restart: RestartPolicy,
        /// How long the pool must stay good after a server is back. Default: 20m.
        optional soak: Pause,
        /// Features whose loss is accepted, by name.
        optional accept_loss: Vec<At<Feature>>,
        /// What an unattended run does with a server that is held: one choice, or one for each cause. Default: stop.
        optional on_hold: OnHoldChoice,
        /// What happens when the pool can no longer do without a server that is out and not yet being patched: the server
        /// goes back, and the run stops (default), or waits until it can and goes on.
        optional pool_unsafe: PoolUnsafe,
        /// What of a server has to fit into what is left of its window: what it takes at worst (default), or what it
        /// likely takes, with a reserve; then it may end after its window.
        optional fit: WindowFit,
    }
}

written! {
    /// A list of services.
    struct ScopeServices {
        /// Services by Windows name, display name or feature.
        required services: Vec<At<ServiceText>>,
    }
}

written! {
    /// How long sessions get to end by themselves, and what then.
    struct Drain {
        /// From the block to the deadline. Default: 2h.
        optional deadline: Length,
        /// What happens then: hold (default), return the server unpatched, or cut the sessions that are left.
        optional at_deadline: AtDeadline,
        /// A drain without any fall for this long is called stuck. Default: 30m.
        optional stuck_after: Length,
        /// Deadlines of single services.
        optional services: Entries<ServiceText, ServiceDrain>,
        /// Services whose sessions cannot be measured, and how long to wait for each instead.
        optional unmeasured: Entries<ServiceText, Length>,
        /// Conferencing services that are drained once their sessions are, on servers that have nothing that says whether
        /// they drain. A draining state that can be read still counts.
        optional by_sessions_alone: Vec<At<ServiceText>>,
    }
}

written! {
    /// The deadline of one service.
    struct ServiceDrain {
        /// Default: that of the drain.
        optional deadline: Length,
        /// Default: that of the drain.
        optional at_deadline: AtDeadline,
    }
}

written! {
    /// What is installed, and how we know that it is.
    struct Patch {
        /// Path of the installer on the server.
        required installer: Line,
        /// Its arguments.
        optional arguments: Vec<At<Argument>>,
        /// SHA-256 of the installer file.
        required sha256: Sha256,
        /// How long it may take. Default: 45m.
        optional deadline: Length,
        /// The version at which a server counts as patched, or one for each component. Without it the exit code is all
        /// the proof there is.
        optional level: LevelChoice,
        /// Exit codes besides the usual ones (0, 3010, 1641, 1618, 1603), by what they mean.
        optional exit_codes: Entries<ExitCode, ExitMeaning>,
        /// What has to be free on the drive of Windows and that of SYSTEM's temporary files, such as 10GiB.
        optional needs_free: Size,
        /// What a restart that is due on a server means: `refuse` to drain it, or `ignore`. Default: refuse.
        optional pending_restart: PendingRestart,
        /// When the restart is made that this installer asks for: `at-end`, once and after the last of several (default), or
        /// `after`, right after this one and before the next.
        optional restart: RestartPoint,
    }
}

written! {
    /// A budget that the pools with one label share.
    struct Budget {
        /// The label, such as `site=paris`.
        required label: Label,
        /// Most servers of all these pools out at once.
        required at_once: Count,
    }
}

written! {
    /// Numbers that stop the whole run.
    struct StopWhen {
        /// Servers failed, held or returned unpatched.
        required failed: Count,
    }
}

written! {
    /// A recurring window.
    struct Window {
        /// The days on which it opens: daily, a day, a list of days, or one of the longer forms.
        required every: Every,
        /// The local time at which it opens.
        required start: Time,
        /// For how long, at most seven days.
        required duration: OpenFor,
        /// The time zone of `start`.
        required timezone: Zone,
    }
}

written! {
    /// Days in certain weeks of each month.
    struct WeeksOfMonth {
        /// Which weeks, counted by occurrences of the day.
        required weeks: OneOrMany<orchestrate_model::window::Week>,
        /// Which days.
        required days: OneOrMany<orchestrate_model::window::Day>,
    }
}

written! {
    /// Days on which nothing is done.
    struct FreezeDays {
        /// The first day.
        required from: Date,
        /// The last day, included.
        required to: Date,
        /// The time zone of the days; without it, that of each window.
        optional timezone: Zone,
        /// Why.
        required reason: String,
    }
}

written! {
    /// A calendar file with the times in which nothing is done.
    struct FreezeCalendar {
        /// An iCalendar file (RFC 5545), beside the plan or with its path.
        required calendar: String,
        /// The time zone of whole days and of times without one; without it, whole days are those of each window.
        optional timezone: Zone,
    }
}
