//! Pools and their servers as the plan file describes them.

use crate::catalogue;
use crate::external::{ExternalAddresses, ExternalNames};
use crate::ids::{DnsName, Label, PoolName, ServerName, ServiceName, UpgradeDomain};
use crate::product::{Product, Role};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A pool of servers that stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The pool's FQDN.
    pub name: PoolName,
    /// What it runs.
    pub product: Product,
    /// What its servers do.
    pub role: Role,
    /// How clients are spread over its servers.
    pub load_balancing: LoadBalancing,
    /// The servers in topology order, which is the order that the quorum's "first seven" counts in. Never empty.
    pub servers: Vec<Server>,
    /// The server that goes first, where the plan names one, and what comes before the others follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// The order in which servers are taken, where the plan states one; those that it does not name follow in topology order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<ServerName>,
    /// How the servers are reached.
    pub access: Access,
    /// Pools that must be finished before this one starts.
    pub after: Vec<PoolName>,
    /// Labels that shared budgets refer to.
    pub labels: BTreeSet<Label>,
    /// The pool that this one is paired with for disaster recovery.
    pub paired_with: Option<PoolName>,
    /// For Edge pools: the pool that traffic goes on to.
    pub next_hop: Option<PoolName>,
    /// For a pool of one server: why its users may be without service while that is out, in the plan's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_outage: Option<String>,
    /// Whether archiving is in use, when the plan says so.
    pub archiving: Option<bool>,
    /// Services the pool runs besides those of its role, such as a collocated `RTCMEDSRV`.
    pub extra_services: Vec<ServiceName>,
    /// Database work that follows when all servers of the pool are done.
    pub database: Option<DatabaseWork>,
    /// Session measures that replace or add to those of the catalogue, by service: counter paths or activity keys.
    pub measures: BTreeMap<ServiceName, Vec<String>>,
}

impl Pool {
    /// Returns the server called `name`.
    #[must_use]
    pub fn server(&self, name: &ServerName) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == *name)
    }

    /// Returns whether the pool or the catalogue names a measure for the sessions of a service.
    #[must_use]
    pub fn can_count(&self, service: &ServiceName) -> bool {
        let planned = self.measures.get(service).is_some_and(|measures| !measures.is_empty());
        let known = |facts: &catalogue::ServiceFacts| facts.measures_for(self.product, self.role).next().is_some();
        planned || catalogue::service(service).is_some_and(known)
    }

    /// Returns whether the product's readiness state and quorum exist for this pool: front end pools only.
    #[must_use]
    pub fn has_fabric(&self) -> bool {
        self.product != Product::Generic && self.role == Role::FrontEnd
    }

    /// Returns whether a server goes first because the plan says so.
    #[must_use]
    pub fn is_first(&self, server: &ServerName) -> bool {
        self.first.as_ref().is_some_and(|first| first.server == *server)
    }

    /// Returns whether a person decides about the others once a server is done.
    #[must_use]
    pub fn asks_after(&self, server: &ServerName) -> bool {
        self.first.as_ref().is_some_and(|first| first.server == *server && first.then == Then::Ask)
    }

    /// Returns the soak of a server: that of all, or its own where it goes first and the plan gives it one.
    #[must_use]
    pub fn soak_of(&self, server: &ServerName, usual: SignedDuration) -> SignedDuration {
        match &self.first {
            Some(First { server: first, then: Then::Soak(own) }) if first == server => *own,
            Some(_) | None => usual,
        }
    }

    /// Returns the servers that the plan says to be dead, each with what it says.
    pub fn away(&self) -> impl Iterator<Item = (&Server, &Away)> {
        self.servers.iter().filter_map(|server| Some((server, server.away.as_ref()?)))
    }

    /// Returns the servers that may be asked: all but those that are known to be dead.
    pub fn present(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.away.is_none())
    }

    /// Returns the server that is stated to host the active central management, if it is one of this pool.
    #[must_use]
    pub fn central_management(&self) -> Option<&Server> {
        self.servers.iter().find(|server| server.hosts.contains(&Hosted::CentralManagement))
    }
}

/// A machine of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its own FQDN.
    pub name: ServerName,
    /// Its addresses, as the plan states them. May be empty when the plan leaves them to DNS.
    pub addresses: Vec<IpAddr>,
    /// Its upgrade domain, where the product has them.
    pub upgrade_domain: Option<UpgradeDomain>,
    /// Pool-wide functions it carries.
    pub hosts: BTreeSet<Hosted>,
    /// For Edge pools: its addresses as the name servers outside have them, for every external name of the pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external: ExternalAddresses,
    /// The SHA-256 of the certificates to trust on this server, in lower-case hexadecimal. Empty: what the access says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
    /// Where it is known to be dead: why. It is counted as out of service, and is never asked and never begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Away>,
}

impl Server {
    /// Returns whether the plan says that it is dead, and that it is no part of the pool's budget.
    #[must_use]
    pub fn is_beside_budget(&self) -> bool {
        self.away.as_ref().is_some_and(|away| away.counts == AwayCounts::BesideBudget)
    }
}

/// The server of a pool that goes first, before all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// The server.
    pub server: ServerName,
    /// What comes before the others follow.
    #[serde(default)]
    pub then: Then,
}

/// What comes between the first server of a pool and the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// The soak of every server.
    #[default]
    Usual,
    /// A soak of its own.
    Soak(SignedDuration),
    /// A person, who decides whether the others follow.
    Ask,
}

/// A server that is known to be dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// Why, in the plan's words.
    pub reason: String,
    /// Whether it takes a place of the budgets.
    #[serde(default)]
    pub counts: AwayCounts,
}

/// Whether a server that is known to be dead takes a place of the budgets. It is missing in every other count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwayCounts {
    /// As every other server that is down.
    #[default]
    InBudget,
    /// The plan says that it does not: the budgets and the rule of upgrade domains are about the other servers.
    BesideBudget,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "away, {}; counted as down", self.reason)?;
        match self.counts {
            AwayCounts::InBudget => Ok(()),
            AwayCounts::BesideBudget => f.write_str(", beside the budget"),
        }
    }
}

/// A pool-wide function that one server carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hosted {
    /// The active central management server (`MASTER`, `FTA`): last in its pool.
    CentralManagement,
}

/// How clients are spread over the servers of a pool, in the two planes SIP and HTTP(S).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancing {
    /// SIP traffic.
    pub sip: SipBalancing,
    /// The name of the web services, which must be another name than the pool's.
    pub web: Option<DnsName>,
    /// Who takes a server out of the HTTP(S) balancer.
    pub balancer: Balancer,
    /// For Edge pools: the names by which clients outside find the pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external: ExternalNames,
    /// Names by which clients find the pool at first, such as those of the autodiscover service, or of a service record
    /// (`_sipinternaltls._tcp.…`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<DnsName>,
}

/// How SIP is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SipBalancing {
    /// By the clients, from the pool's address records.
    Dns,
    /// By a balancer in front of the pool.
    Hardware,
}

/// Who takes a server out of the HTTP(S) balancer and brings it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balancer {
    /// There is no balancer in front of the pool.
    None,
    /// A person, who confirms it each time.
    Operator,
    /// Something else does it; the plan says so in words.
    Elsewhere(String),
    /// One or several instances of HAProxy that `orchestrate` talks to.
    Haproxy(HaproxyBalancer),
}

/// The instances of HAProxy in front of a pool, each reached over its runtime API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaproxyBalancer {
    /// The instances. Never empty. A server leaves all of them together.
    pub sites: Vec<HaproxySite>,
    /// The balancer's names of each server, where the plan states them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<ServerName, Vec<String>>,
    /// What the names in the balancer say of the servers behind them.
    #[serde(default, skip_serializing_if = "SlotNames::is_usual")]
    pub slots: SlotNames,
    /// Backends that hold servers of the pool and are left alone, each with the reason in the plan's words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accept_backends: BTreeMap<String, String>,
}

/// One HAProxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaproxySite {
    /// Where the runtime API listens: `host:port` or the path of a socket. What a run records names the balancer by it.
    pub address: String,
    /// Where it listens by now, when that has changed since the run was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// The backends that hold the pool's servers. Never empty.
    pub backends: Vec<String>,
}

impl HaproxySite {
    /// Returns where the runtime API is to be reached.
    #[must_use]
    pub fn reached_at(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.address)
    }
}

/// What a name in the balancer says of the server behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotNames {
    /// A name that is a server's has to have the address of that server.
    #[default]
    ByName,
    /// Nothing: the balancer fills its places as it likes, as `server-template` does.
    ByAddress,
}

impl SlotNames {
    /// Returns whether it is what holds where the plan says nothing.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::ByName
    }
}

impl HaproxyBalancer {
    /// Returns one backend of one HAProxy, with nothing else stated.
    #[must_use]
    pub fn one(address: &str, backend: &str) -> Self {
        Self {
            sites: vec![HaproxySite {
                address: address.to_owned(),
                moved_to: None,
                backends: vec![backend.to_owned()],
            }],
            names: BTreeMap::new(),
            slots: SlotNames::ByName,
            accept_backends: BTreeMap::new(),
        }
    }

    /// Returns the names that a server usually has in the balancer: those of the plan, or the first label of its own.
    #[must_use]
    pub fn names_of<'a>(&'a self, server: &'a ServerName) -> Vec<&'a str> {
        match self.names.get(server) {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => vec![server.short()],
        }
    }

    /// Returns every backend with its balancer.
    pub fn backends(&self) -> impl Iterator<Item = (&HaproxySite, &str)> {
        self.sites.iter().flat_map(|site| site.backends.iter().map(move |backend| (site, backend.as_str())))
    }
}

/// Database work after all servers of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseWork {
    /// The primary database server, which is also the quorum witness of even pools.
    pub primary: DnsName,
    /// What is to be done, for the operator to read.
    pub instructions: String,
}

/// How the servers of a pool are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Windows Remote Management.
    Winrm(WinrmAccess),
    /// The plan says nothing: enough for a check or a preview without the network.
    Unstated,
}

/// How servers are reached over WinRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WinrmAccess {
    /// The transport.
    pub transport: Transport,
    /// The port, when it is not the transport's usual one (5986, 5985).
    pub port: Option<u16>,
    /// How we prove who we are.
    pub auth: WinrmAuth,
    /// Where the credentials are. Never the credentials themselves.
    pub credentials: CredentialSource,
    /// A file with the authorities to trust instead of the platform's.
    pub ca: Option<String>,
    /// The SHA-256 of the certificates to trust, in lower-case hexadecimal. Empty: authorities are trusted.
    pub pins: Vec<String>,
    /// Whether a logon over TLS is bound to the connection.
    pub channel_binding: ChannelBinding,
    /// What Kerberos needs to know and the names of accounts do not tell.
    #[serde(default)]
    pub kerberos: KerberosNames,
    /// By which way the cmdlets of the product are asked.
    #[serde(default, skip_serializing_if = "Cmdlets::is_usual")]
    pub cmdlets: Cmdlets,
}

/// By which way the cmdlets of the product are asked on a server. Some of them ask a second machine (the configuration
/// store, SQL, the directory), where a network logon usually has no name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cmdlets {
    /// In the remote shell.
    #[default]
    Session,
    /// In a scheduled task that is made for one question.
    Task(TaskAccount),
}

impl Cmdlets {
    /// Returns whether it is what holds where the plan says nothing.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::Session
    }
}

/// The account that a scheduled task runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskAccount {
    /// The system: on other machines it is the account of the computer.
    System,
    /// The account that logs on to the server, with its password.
    #[serde(rename = "self")]
    Caller,
    /// A group-managed service account, `DOMAIN\name$`. Its password is nobody's.
    Managed(String),
}

impl fmt::Display for TaskAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "SYSTEM",
            Self::Caller => "the account that logs on",
            Self::Managed(name) => name,
        })
    }
}

/// Whether a logon over TLS is bound to the connection that it is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelBinding {
    /// Where one is defined for the server's certificate.
    Auto,
    /// Always, or there is no logon.
    Required,
    /// Never.
    Off,
}

/// What Kerberos needs to know and the names of accounts do not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KerberosNames {
    /// The realm of the account.
    pub realm: Option<String>,
    /// Its KDCs, `host` or `host:port`. Empty: those of the system's configuration, or of the name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kdcs: Vec<String>,
    /// The class of the service that a ticket is wanted for.
    #[serde(default)]
    pub service: ServiceClass,
}

/// The class of the service that a ticket is wanted for: the first part of its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceClass {
    /// The usual one.
    #[default]
    Http,
    /// Where `HTTP/` and the server's name belong to the account of a web site.
    Wsman,
}

/// What WS-Management travels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TLS, port 5986.
    Https,
    /// Plain TCP with sealed messages, port 5985.
    Http,
}

/// The authentication scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WinrmAuth {
    /// Kerberos where the realm of the account and a KDC are known, else NTLM.
    Negotiate,
    /// Kerberos and nothing else.
    Kerberos,
    /// NTLM and nothing else.
    Ntlm,
    /// User and password in each request; only over verified TLS.
    Basic,
    /// By a certificate that TLS shows; only over verified TLS.
    Certificate,
}

/// Where user name and password come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialSource {
    /// The variables `NAME_USER` and `NAME_PASSWORD`.
    Env(String),
    /// A file only its owner can read: user on the first line, password on the second.
    File(String),
    /// A command that prints user and password on two lines, with its arguments.
    Command(Vec<String>),
    /// A keytab and the principal whose key is taken from it.
    Keytab {
        /// The keytab.
        file: String,
        /// The principal.
        principal: String,
    },
    /// This user; the password is in the keyring of the system.
    Keyring(String),
    /// This user; the password is asked for at the terminal.
    Prompt(String),
    /// The logon of the person who starts the program.
    Current,
    /// A certificate and its key, as PEM files.
    Certificate {
        /// The certificate.
        file: String,
        /// The key.
        key: String,
    },
}

/// Name servers that answer for the pool's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSettings {
    /// The resolvers to ask. Empty means those of the machine.
    pub resolvers: Vec<SocketAddr>,
    /// The resolvers to ask for external names. Empty means that they are asked where all other names are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_resolvers: Vec<SocketAddr>,
}
