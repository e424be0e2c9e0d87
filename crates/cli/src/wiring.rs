//! From what the plan says about access to drivers.
//!
//! A preview gets [`Readers::eyes`], built from reader types that have no method for changing anything (promise P7).
//! Only a run gets [`Readers::hands`], built over the same readers, so that looking and acting share their connections.

use crate::credentials;
use crate::failure::Failure;
use crate::terminal::signals;
use futures::future::join_all;
use orchestrate_driver::{
    Change as ChangeServer, ChangeBalancer, Clock, Eyes, Hands, Observe, ObserveBalancer, PlanNames, Resolve,
};
use orchestrate_driver_dns::{Authorities, NameServers};
use orchestrate_driver_haproxy::{HaproxyReader, HaproxySwitch};
use orchestrate_driver_winrm::{
    Auth, Binding, Credentials, Krb5Conf, Mechanism, Negotiate, Realms, Transport, Trust, WinrmLimits, WinrmReader,
    WinrmServer, WinrmTarget,
};
use orchestrate_files::{Limit, Whose};
use orchestrate_lab::LabDirectory;
use orchestrate_model::pool::{Access, Balancer, Cmdlets, CredentialSource, DnsSettings, WinrmAccess, WinrmAuth};
use orchestrate_model::{Change, Keeper, Pool, PoolName, Server, ServerName, pool};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The drivers of a change, as far as they can look.
pub(crate) struct Readers {
    servers: BTreeMap<ServerName, WinrmReader>,
    names: Arc<dyn Resolve>,
    balancers: BTreeMap<PoolName, HaproxyReader>,
}

/// Which servers are meant by the names of the plan.
pub(crate) enum Wires<'a> {
    /// Those of the plan, reached as it says.
    Plan,
    /// Those of a lab.
    Lab(&'a LabDirectory),
}

impl Readers {
    /// Returns the readers of a change. Nothing is sent yet.
    ///
    /// # Errors
    /// What the plan says about access is missing, not available or not safe.
    pub(crate) fn new(change: &Change, wires: &Wires<'_>, clock: Clock, keeper: &Keeper) -> Result<Self, Failure> {
        trusted_files()?;
        let mut servers = BTreeMap::new();
        let mut balancers = BTreeMap::new();
        let mut accounts = Accounts::default();
        if matches!(wires, Wires::Plan) {
            accounts.ask_first(change)?;
        }
        for pool in &change.pools {
            let way =
                Way { names: names_of(change, pool, wires, clock), ..Way::of(change, pool, wires, &mut accounts)? };
            for server in pool.present() {
                let target = target(pool, server, &way, keeper)?;
                let reader = WinrmReader::new(target, clock)
                    .map_err(|source| Failure::Setup { server: server.name.clone(), source })?;
                servers.insert(server.name.clone(), reader);
            }
        }
        let names: Arc<dyn Resolve> = match wires {
            Wires::Lab(lab) => Arc::new(NameServers::new(vec![lab.dns], clock).with_authorities(Authorities::Skip)),
            Wires::Plan => {
                let names = match change.dns.resolvers.as_slice() {
                    [] => NameServers::of_this_machine(clock)?,
                    resolvers => NameServers::new(resolvers.to_vec(), clock),
                };
                Arc::new(names.with_external(change.dns.external_resolvers.clone()))
            }
        };
        for pool in &change.pools {
            if let Some(reader) = balancer(change, pool, wires, (&names, clock))? {
                balancers.insert(pool.name.clone(), reader);
            }
        }
        Ok(Self { servers, names, balancers })
    }

    /// Returns all that a preview holds.
    pub(crate) fn eyes(&self) -> Eyes {
        let servers = self.servers.iter();
        let servers = servers.map(|(name, reader)| (name.clone(), Arc::new(reader.clone()) as Arc<dyn Observe>));
        let balancers = self.balancers.iter();
        let balancers =
            balancers.map(|(name, reader)| (name.clone(), Arc::new(reader.clone()) as Arc<dyn ObserveBalancer>));
        Eyes { servers: servers.collect(), names: self.names.clone(), balancers: balancers.collect() }
    }

    /// Returns what looks at a server.
    pub(crate) fn reader(&self, server: &ServerName) -> Option<WinrmReader> {
        self.servers.get(server).cloned()
    }

    /// Returns what closes what is open on the servers, when whoever looks or works is done.
    pub(crate) fn closing(&self) -> Closing {
        Closing { servers: self.servers.values().cloned().collect() }
    }

    /// Closes what is open on the servers.
    pub(crate) async fn close(&self) {
        self.closing().close().await;
    }

    /// Returns what a run changes servers with. There is no way back to a preview from here.
    pub(crate) fn hands(self) -> Hands {
        let servers = self.servers.into_iter();
        let servers =
            servers.map(|(name, reader)| (name, Arc::new(WinrmServer::over(reader)) as Arc<dyn ChangeServer>));
        let balancers = self.balancers.into_iter();
        let balancers =
            balancers.map(|(name, reader)| (name, Arc::new(HaproxySwitch::new(reader)) as Arc<dyn ChangeBalancer>));
        Hands { servers: servers.collect(), balancers: balancers.collect() }
    }
}

/// Returns the reader of a server that no plan describes: the only one of `pool`. Without an account it serves for looks
/// from outside, in which nothing proves who asks.
///
/// # Errors
/// What was said about access is not available or not safe.
pub(crate) fn alone(pool: &Pool, account: Option<Credentials>, keeper: &Keeper) -> Result<WinrmReader, Failure> {
    let Access::Winrm(access) = &pool.access else { return Err(Failure::NoAccess { pool: pool.name.clone() }) };
    let auth = match account {
        Some(account) => auth_with(account, &DnsSettings::default(), pool, access)?,
        None => {
            let nobody = Credentials::new("nobody", Zeroizing::new(String::new()));
            Auth::Negotiate(Negotiate::new(nobody, Mechanism::Ntlm))
        }
    };
    reader_of_one(pool, access, auth, keeper)
}

fn reader_of_one(pool: &Pool, access: &WinrmAccess, auth: Auth, keeper: &Keeper) -> Result<WinrmReader, Failure> {
    let way = Way { auth, port: port(access), lab: None, names: None };
    let server = pool.servers.first().ok_or_else(|| Failure::NoAccess { pool: pool.name.clone() })?;
    let target = target(pool, server, &way, keeper)?;
    WinrmReader::new(target, Clock::real()).map_err(|source| Failure::Setup { server: server.name.clone(), source })
}

fn port(access: &WinrmAccess) -> u16 {
    access.port.unwrap_or(match access.transport {
        pool::Transport::Https => 5986,
        pool::Transport::Http => 5985,
    })
}

/// How long all servers together may take to close what is open on them. Real time. Each is waited for 5 s; where there
/// are very many they take turns on their way. A shell that is left closes by itself when it has been idle for long enough.
const CLOSING: Duration = Duration::from_secs(10);

/// Closes what is open on servers.
pub(crate) struct Closing {
    servers: Vec<WinrmReader>,
}

impl Closing {
    /// Closes it, as far as the servers do so in time.
    pub(crate) async fn close(self) {
        let all = join_all(self.servers.iter().map(WinrmReader::close));
        tokio::select! {
            _ = all => {}
            () = tokio::time::sleep(CLOSING) => {
                tracing::warn!("not every server has closed its remote shell in time; they close by themselves when idle");
            }
            // Whoever asks to end once more does not want to wait.
            _ = signals::any() => {}
        }
    }
}

/// How the servers of one pool are reached.
struct Way<'a> {
    auth: Auth,
    port: u16,
    lab: Option<&'a LabDirectory>,
    /// Who is asked for addresses that the plan does not state. `None`: this machine.
    names: Option<PlanNames>,
}

/// Returns the name servers that a plan names, for the addresses of hosts that connections are made to. Those of this machine
/// may know others, or none. Authorities are not asked: a connection needs an address, and no proof of who agrees with whom.
fn names_of(change: &Change, pool: &Pool, wires: &Wires<'_>, clock: Clock) -> Option<PlanNames> {
    let resolvers = match (wires, change.dns.resolvers.as_slice()) {
        (Wires::Lab(_), _) | (Wires::Plan, []) => return None,
        (Wires::Plan, resolvers) => resolvers.to_vec(),
    };
    let names = NameServers::new(resolvers, clock).with_authorities(Authorities::Skip);
    Some(PlanNames::new(Arc::new(names), pool.name.clone()))
}

impl<'a> Way<'a> {
    fn of(change: &Change, pool: &Pool, wires: &Wires<'a>, accounts: &mut Accounts) -> Result<Self, Failure> {
        match (wires, &pool.access) {
            (Wires::Lab(lab), _) => {
                Ok(Self { auth: Auth::Basic(accounts.of_lab(lab)), port: 0, lab: Some(lab), names: None })
            }
            (Wires::Plan, Access::Unstated) => Err(Failure::NoAccess { pool: pool.name.clone() }),
            (Wires::Plan, Access::Winrm(access)) => Ok(Self {
                auth: auth(&change.dns, pool, access, accounts)?,
                port: port(access),
                lab: None,
                names: None,
            }),
        }
    }
}

fn target(pool: &Pool, server: &Server, way: &Way<'_>, keeper: &Keeper) -> Result<WinrmTarget, Failure> {
    let transport = match (way.lab, &pool.access) {
        (Some(lab), _) => Transport::Https(Trust::Authority(Arc::from(lab.ca_pem.as_bytes()))),
        (None, Access::Winrm(access)) => transport(pool, server, access)?,
        (None, Access::Unstated) => return Err(Failure::NoAccess { pool: pool.name.clone() }),
    };
    let connect_to = match way.lab {
        Some(lab) => {
            let address = lab.servers.get(&server.name);
            address.ok_or_else(|| Failure::NotInLab { server: server.name.to_string() })?.to_string()
        }
        // The plan's own word on the address comes before that of the name servers, which are themselves looked at.
        None => match server.addresses.first() {
            Some(address) => SocketAddr::new(*address, way.port).to_string(),
            None => format!("{}:{}", server.name, way.port),
        },
    };
    Ok(WinrmTarget {
        server: server.name.clone(),
        pool: pool.name.clone(),
        product: pool.product,
        role: pool.role,
        connect_to: Some(connect_to),
        names: way.names.clone(),
        transport,
        auth: way.auth.clone(),
        // Also in a lab, which answers as such a host would.
        cmdlets: match &pool.access {
            Access::Winrm(access) => access.cmdlets.clone(),
            Access::Unstated => Cmdlets::Session,
        },
        measures: pool.measures.clone(),
        keeper: keeper.clone(),
        limits: way.lab.map_or_else(WinrmLimits::default, limits_on_lab),
    })
}

/// How long a refused account is left alone passes as everything on a lab does: a domain that is played forgets as fast.
fn limits_on_lab(lab: &LabDirectory) -> WinrmLimits {
    let mut limits = WinrmLimits::default();
    let wire = &mut limits.wire;
    let speed = lab.speed.max(1.0);
    for pause in [&mut wire.refused_once, &mut wire.refused_account, &mut wire.refused_in_restart] {
        *pause = pause.div_f64(speed);
    }
    limits
}

fn transport(pool: &Pool, server: &Server, access: &WinrmAccess) -> Result<Transport, Failure> {
    let pins = if server.pins.is_empty() { &access.pins } else { &server.pins };
    let trust = match (pins.is_empty(), &access.ca) {
        (false, _) => Trust::pins(pins.iter().map(String::as_str))
            .map_err(|source| Failure::Access { pool: pool.name.clone(), source: Box::new(source) })?,
        (true, Some(file)) => {
            let bytes = orchestrate_files::read(Path::new(file), Limit::TEXT, Whose::Anybodys)
                .map_err(|source| Failure::AccessFile { pool: pool.name.clone(), path: file.into(), source })?;
            Trust::Authority(bytes.into())
        }
        (true, None) => Trust::Platform,
    };
    Ok(match access.transport {
        pool::Transport::Https => Transport::Https(trust),
        pool::Transport::Http => Transport::Http,
    })
}

/// The accounts of a run. Pools that name the same source share one account, and with it the count of refusals: four
/// pools with one wrong password are two failed logons and not eight.
#[derive(Default)]
struct Accounts {
    known: Vec<(CredentialSource, Credentials)>,
    lab: Option<Credentials>,
}

impl Accounts {
    fn of(&mut self, pool: &PoolName, source: &CredentialSource) -> Result<Credentials, Failure> {
        if let Some((_, known)) = self.known.iter().find(|(known, _)| known == source) {
            return Ok(known.clone());
        }
        let read = credentials::read(pool, source)?;
        self.known.push((source.clone(), read.clone()));
        Ok(read)
    }

    /// Asks at the terminal what is to be asked there, before a program is run for another pool: from then on signals are ours to
    /// answer, and a prompt answers none.
    fn ask_first(&mut self, change: &Change) -> Result<(), Failure> {
        for pool in &change.pools {
            if let Access::Winrm(access) = &pool.access
                && let CredentialSource::Prompt(_) = &access.credentials
            {
                self.of(&pool.name, &access.credentials)?;
            }
        }
        Ok(())
    }

    fn of_lab(&mut self, lab: &LabDirectory) -> Credentials {
        let new = || Credentials::new(lab.user.clone(), Zeroizing::new(lab.password.clone()));
        self.lab.get_or_insert_with(new).clone()
    }
}

fn auth(dns: &DnsSettings, pool: &Pool, access: &WinrmAccess, accounts: &mut Accounts) -> Result<Auth, Failure> {
    let credentials = accounts.of(&pool.name, &access.credentials)?;
    auth_with(credentials, dns, pool, access)
}

fn auth_with(credentials: Credentials, dns: &DnsSettings, pool: &Pool, access: &WinrmAccess) -> Result<Auth, Failure> {
    let mechanism = match access.auth {
        WinrmAuth::Basic => return Ok(Auth::Basic(credentials)),
        WinrmAuth::Certificate => {
            let certificate = credentials::certificate(&pool.name, &access.credentials)?;
            let missing = || Failure::Usage(format!("`auth: certificate` of {} has no certificate", pool.name));
            return Ok(Auth::Certificate(credentials, certificate.ok_or_else(missing)?));
        }
        WinrmAuth::Negotiate => Mechanism::Any,
        WinrmAuth::Kerberos => Mechanism::Kerberos,
        WinrmAuth::Ntlm => Mechanism::Ntlm,
    };
    let mut settings = Negotiate::new(credentials, mechanism);
    settings.binding = match access.channel_binding {
        pool::ChannelBinding::Auto => Binding::Auto,
        pool::ChannelBinding::Required => Binding::Required,
        pool::ChannelBinding::Off => Binding::Off,
    };
    settings.service = match access.kerberos.service {
        pool::ServiceClass::Http => "HTTP".to_owned(),
        pool::ServiceClass::Wsman => "WSMAN".to_owned(),
    };
    settings.realms = Arc::new(Realms {
        realm: access.kerberos.realm.clone(),
        kdcs: access.kerberos.kdcs.clone(),
        krb5_conf: krb5_conf(),
        resolvers: dns.resolvers.clone(),
    });
    Ok(Auth::Negotiate(settings))
}

/// Returns the system's Kerberos configuration, where there is one.
pub(crate) fn krb5_conf() -> Krb5Conf {
    let stated = std::env::var("KRB5_CONFIG").unwrap_or_else(|_unset| "/etc/krb5.conf".to_owned());
    let read = |path: &str| orchestrate_files::read(Path::new(path), Limit::TEXT, Whose::Anybodys).ok();
    let texts = stated.split(':').filter_map(read).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Krb5Conf::parse(&texts.collect::<Vec<_>>().join("\n"))
}

fn balancer(
    change: &Change,
    pool: &Pool,
    wires: &Wires<'_>,
    (names, clock): (&Arc<dyn Resolve>, Clock),
) -> Result<Option<HaproxyReader>, Failure> {
    let Balancer::Haproxy(haproxy) = &pool.load_balancing.balancer else {
        return Ok(None);
    };
    let wrong = |source| Failure::Balancer { pool: pool.name.clone(), source };
    // What has the address of one that is away leads nowhere, and is nothing to take out or to put back.
    let present: Vec<Server> = pool.present().cloned().collect();
    let behind = (&pool.name, present.as_slice());
    let reader = HaproxyReader::new(haproxy, behind, names.clone(), clock).map_err(wrong)?;
    match wires {
        Wires::Plan => Ok(Some(match names_of(change, pool, wires, clock) {
            Some(names) => reader.found_by(&names),
            None => reader,
        })),
        Wires::Lab(lab) => {
            let addresses = lab.balancers.get(&pool.name);
            let addresses =
                addresses.ok_or_else(|| Failure::NotInLab { server: format!("the balancer of {}", pool.name) })?;
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Ok(Some(reader.at(&addresses).map_err(wrong)?))
        }
    }
}

/// Reads what the environment names as the certificates that are trusted, as every file is read: libraries would read a pipe
/// for ever, and a device until the memory is full.
///
/// # Errors
/// It cannot be used.
pub(crate) fn trusted_files() -> Result<(), Failure> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = Path::new(&path);
    orchestrate_files::read(path, Limit::TEXT, Whose::Anybodys).map(drop).map_err(|error| {
        Failure::Usage(format!("SSL_CERT_FILE names {}, which cannot be used: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_name_one_source_share_one_account() {
        let path = std::env::temp_dir().join(format!("orchestrate-wiring-{}", std::process::id()));
        orchestrate_files::replace(&path, b"CONTOSO\\ops\nsecret\n").unwrap();
        let source = CredentialSource::File(path.display().to_string());
        let [first, second] =
            ["pool01.contoso.example", "pool02.contoso.example"].map(|name| PoolName::new(name).unwrap());
        let mut accounts = Accounts::default();
        let (one, two) = (accounts.of(&first, &source).unwrap(), accounts.of(&second, &source).unwrap());
        let elsewhere = Accounts::default().of(&first, &source).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(one.counts_with(&two));
        assert!(!one.counts_with(&elsewhere), "another run counts for itself");
    }
}
