//! `orchestrate probe`: looks at servers and says what a maintenance would lack there. Nothing is changed, and a shell that
//! is made for a look is deleted on every way out.

use crate::args::{AuthWord, HostArgs, LabArgs, ProbeArgs, TextOrJson, TransportWord};
use crate::before::Ground;
use crate::credentials;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place};
use crate::plan_file::{self, PlanFile};
use crate::stage::Stage;
use crate::terminal::{output, signals};
use crate::wiring;
use futures::StreamExt as _;
use futures::stream;
use orchestrate_display::probe::{self as shown, Told, ToldPool};
use orchestrate_driver_winrm::{Counters, Depth, Examination, Names, WinrmReader};
use orchestrate_model::pool::{
    Access, Balancer, ChannelBinding, Cmdlets, CredentialSource, KerberosNames, LoadBalancing, SipBalancing, Transport,
    WinrmAccess, WinrmAuth,
};
use orchestrate_model::probe::{Light, Listener, Probe, Row, Topic};
use orchestrate_model::{Answer, Change, Pool, PoolName, PoolObservation, Product, Role, Server, ServerName};
use orchestrate_planner::probe::{Expected, PoolFacts, agree, left_out, pool_rows, rows, worst};
use orchestrate_planner::scope::{Evidence, PoolScope, evidence};
use orchestrate_planner::{Observations, found_by_server, make};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Servers that are looked at together. Each costs one or two connections and half a minute at most of one processor of
/// the server; of this machine next to nothing.
const TOGETHER: usize = 16;

/// Most servers that are named as those that are still waited for.
const MOST_NAMED: usize = 6;

/// The ports that WinRM listens on by default.
const USUAL: [(u16, Transport); 2] = [(5985, Transport::Http), (5986, Transport::Https)];

pub(crate) async fn run(home: &Home, args: &ProbeArgs) -> Result<Exit, Failure> {
    if is_plan(&args.target) {
        if args.host.is_given() {
            let text = "how servers of a plan are reached stands in the plan; the options about access are for a server \
                        without one";
            return Err(Failure::Usage(text.to_owned()));
        }
        return of_plan(home, args).await;
    }
    if args.lab.is_wanted() || args.server.is_some() {
        return Err(Failure::Usage("--server and the options of a lab need a plan file".to_owned()));
    }
    of_host(home, args).await
}

/// Returns whether a word names a plan: a file that is there, or what can be no name of a server.
fn is_plan(target: &Path) -> bool {
    let ending = target.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    target.exists() || ["yaml", "yml"].contains(&ending) || target.components().count() > 1
}

/// A server that was looked at.
struct Looked {
    probe: Probe,
    rows: Vec<Row>,
    left_out: Vec<Topic>,
}

impl Looked {
    fn of(probe: Probe, expected: &Expected<'_>) -> Self {
        let rows = rows(&probe, expected);
        let left_out = left_out(&probe, &rows);
        Self { probe, rows, left_out }
    }

    fn told(&self) -> Told<'_> {
        Told {
            server: &self.probe.server,
            rows: &self.rows,
            left_out: &self.left_out,
            counters: self.probe.counters.as_ref(),
            activity: self.probe.activity.as_ref(),
        }
    }
}

/// Whether one screen was asked for, or a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Screen,
    Table,
}

/// What was found of pools besides their servers.
type Pools<'a> = Vec<(&'a Pool, Vec<Row>)>;

fn show(looked: &[Looked], pools: &Pools<'_>, (layout, format): (Layout, TextOrJson)) -> Result<Exit, Failure> {
    let told: Vec<Told<'_>> = looked.iter().map(Looked::told).collect();
    let of_pools: Vec<ToldPool<'_>> = pools.iter().map(|(pool, rows)| ToldPool { pool: &pool.name, rows }).collect();
    let look = output::look();
    output::data(&match (format, layout, told.as_slice()) {
        (TextOrJson::Json, ..) => format!("{:#}\n", shown::json(&told, &of_pools)),
        (TextOrJson::Text, Layout::Screen, [only]) => shown::screen(only, &of_pools, &look),
        (TextOrJson::Text, ..) => shown::table(&told, &of_pools, &look),
    })?;
    Ok(ended(looked, pools))
}

/// Returns how a probe ends: by the worst that was found, or because nothing could be found.
fn ended(looked: &[Looked], pools: &Pools<'_>) -> Exit {
    let is_reached = |looked: &Looked| match &looked.probe.logon {
        Some(logon) => logon.known().is_some(),
        None => looked.rows.iter().any(|row| row.topic == Topic::Listeners && row.light == Light::Green),
    };
    if !looked.iter().any(is_reached) {
        return Exit::Unreachable;
    }
    let mut lights = looked.iter().map(|looked| worst(&looked.rows)).chain(pools.iter().map(|(_, rows)| worst(rows)));
    if lights.any(|light| light == Light::Red) { Exit::Unsafe } else { Exit::Done }
}

async fn of_plan(home: &Home, args: &ProbeArgs) -> Result<Exit, Failure> {
    let file = plan_file::read(&args.target)?;
    let wanted = wanted(&file.change, args.server.as_deref())?;
    let lab = LabArgs { real_time: true, ..args.lab.clone() };
    let stage = Stage::open(home, &args.target, &file, &lab).await?;
    if output::is_live() {
        let servers = orchestrate_model::readable::count(wanted.len(), "server");
        output::talk(&format!("asking {servers} ..."));
    }
    held_by_a_run(home, &stage, &file);
    let looking = look_at(&stage, &file, &wanted, args);
    match uninterrupted(looking).await {
        Ok(seen) => {
            let now = stage.clock.now();
            let owed = stage.past.owed.clone();
            stage.leave().await;
            let only = args.server.as_ref().and_then(|_| wanted.first()).map(|(_, server)| &server.name);
            let observations = Observations { pools: seen.pools, owed, ..Observations::default() };
            let (looked, pools) = judge(&file.change, (seen.probes, &observations), only, now)?;
            let layout = if only.is_some() { Layout::Screen } else { Layout::Table };
            show(&looked, &pools, (layout, args.output))
        }
        Err(failure) => Err(stage.abandon(failure).await),
    }
}

/// Says which run works on the plan's pools just now: what is found then may be its doing.
fn held_by_a_run(home: &Home, stage: &Stage, file: &PlanFile) {
    let free = home.open_if_there(stage.place).map(|state| {
        state.map_or(Ok(()), |state| {
            Ground { home, state: &state, place: stage.place, lab: stage.lab.as_ref(), file }.free()
        })
    });
    if let Err(failure) = free.and_then(|free| free) {
        output::talk(&format!("note: {}; what is found may be its doing", failure.in_one_line()));
    }
}

/// Returns the servers of a plan that may be asked, and says which are not.
fn present(change: &Change) -> Vec<(&Pool, &Server)> {
    for (server, away) in change.pools.iter().flat_map(Pool::away) {
        output::talk(&format!("not asked: {} is {}", server.name, orchestrate_display::clean(&away.to_string())));
    }
    change.pools.iter().flat_map(|pool| pool.present().map(move |server| (pool, server))).collect()
}

/// Returns the servers of a plan that are meant, with their pools.
fn wanted<'a>(change: &'a Change, only: Option<&str>) -> Result<Vec<(&'a Pool, &'a Server)>, Failure> {
    let all = || change.pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
    let Some(only) = only else { return Ok(present(change)) };
    let is_it = |server: &Server| {
        server.name.as_str().eq_ignore_ascii_case(only) || server.name.short().eq_ignore_ascii_case(only)
    };
    let found: Vec<_> = all().filter(|(_, server)| is_it(server)).collect();
    if let [(_, server)] = found.as_slice()
        && let Some(away) = &server.away
    {
        let text = format!(
            "{} is {away}: a start with this plan never asks it; `probe {}` asks a server that no plan describes",
            server.name, server.name
        );
        return Err(Failure::Usage(text));
    }
    match found.len() {
        1 => Ok(found),
        0 => {
            let names: Vec<&str> = all().map(|(_, server)| server.name.as_str()).take(10).collect();
            Err(Failure::Usage(format!("the plan has no server {only}; it has {}", names.join(", "))))
        }
        _ => Err(Failure::Usage(format!("{only} is the first part of several names; give the whole one"))),
    }
}

/// What was seen of a plan.
struct Seen {
    probes: Vec<Probe>,
    pools: BTreeMap<PoolName, PoolObservation>,
}

async fn look_at(stage: &Stage, file: &PlanFile, wanted: &[(&Pool, &Server)], args: &ProbeArgs) -> Seen {
    let asks: BTreeMap<&PoolName, Evidence> =
        file.change.pools.iter().map(|pool| (&pool.name, evidence(&file.change, pool, None))).collect();
    let (probes, around) = tokio::join!(servers(stage, (file, &asks), wanted, args), around(stage, wanted, &asks));
    let mut pools = around;
    for ((pool, _), probe) in wanted.iter().zip(&probes) {
        if let Some(seen) = pools.get_mut(&pool.name) {
            seen.servers.insert(probe.server.clone(), probe.seen.clone());
        }
    }
    Seen { probes, pools }
}

/// Asks name servers and balancers, as a dry run does.
async fn around(
    stage: &Stage,
    wanted: &[(&Pool, &Server)],
    asks: &BTreeMap<&PoolName, Evidence>,
) -> BTreeMap<PoolName, PoolObservation> {
    let eyes = stage.readers.eyes();
    let names: BTreeSet<&PoolName> = wanted.iter().map(|(pool, _)| &pool.name).collect();
    let looks = names.into_iter().filter_map(|name| Some((name, asks.get(name)?))).map(|(name, ask)| {
        let eyes = &eyes;
        async move {
            let dns = async {
                match &ask.names {
                    Some(ask) => Answer::Known(eyes.names.resolve(ask).await),
                    None => Answer::not_asked(),
                }
            };
            let balancer = async {
                match eyes.balancers.get(name).filter(|_| ask.balancer) {
                    Some(reader) => Answer::Known(reader.observe_balancer().await),
                    None => Answer::not_asked(),
                }
            };
            let (dns, balancer) = tokio::join!(dns, balancer);
            let seen = PoolObservation { pool: name.clone(), servers: BTreeMap::new(), dns, balancer };
            (name.clone(), seen)
        }
    });
    stream::iter(looks).buffer_unordered(TOGETHER).collect().await
}

async fn servers(
    stage: &Stage,
    (file, asks): (&PlanFile, &BTreeMap<&PoolName, Evidence>),
    wanted: &[(&Pool, &Server)],
    args: &ProbeArgs,
) -> Vec<Probe> {
    let patch = file.change.maintenance.installers.first();
    let asked = RefCell::new(BTreeSet::new());
    let left = || {
        let asked = asked.borrow();
        let names: Vec<&str> = asked.iter().copied().take(MOST_NAMED).collect();
        let more = asked.len().saturating_sub(names.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", names.join(", "))
    };
    let asked = &asked;
    let looks = wanted.iter().filter_map(|(pool, server)| {
        let reader = stage.readers.reader(&server.name)?;
        let examination = Examination {
            ports: ports(pool, stage.place, &reader),
            why: match stage.place {
                Place::Real => "the plan says so".to_owned(),
                Place::Lab => "the lab has nothing else".to_owned(),
            },
            file: patch.map(|patch| patch.installer.clone()),
            depth: Depth::Pool,
            counters: counters(args),
            names: match stage.place {
                Place::Real => Names::Asked,
                Place::Lab => Names::Skipped,
            },
            ask: asks.get(&pool.name).and_then(|evidence| evidence.servers.get(&server.name)).cloned(),
        };
        Some(async move {
            asked.borrow_mut().insert(server.name.short());
            let probe = reader.examine(&examination).await;
            asked.borrow_mut().remove(server.name.short());
            probe
        })
    });
    // The order of the plan is kept.
    output::patiently(left, stream::iter(looks).buffered(TOGETHER).collect()).await
}

/// Returns the rows of what was seen: those of each server, and what a dry run would say of it and of its pool.
fn judge<'a>(
    change: &'a Change,
    (probes, seen): (Vec<Probe>, &Observations),
    only: Option<&ServerName>,
    now: jiff::Timestamp,
) -> Result<(Vec<Looked>, Pools<'a>), Failure> {
    let found = found_by_server(change, seen, now);
    let (plan, _report) = make(change, seen, now)?;
    let is_let_in = |probe: &&Probe| matches!(&probe.logon, Some(Answer::Known(_)));
    let answering: BTreeSet<ServerName> = probes.iter().filter(is_let_in).map(|probe| probe.server.clone()).collect();
    let pools = change.pools.iter().filter_map(|pool| {
        let facts = PoolFacts {
            pool,
            seen: seen.pools.get(&pool.name)?,
            findings: plan.findings(),
            answering: &answering,
            only,
        };
        Some((pool, pool_rows(&facts)))
    });
    let pools: Pools<'a> = pools.collect();
    let looked = probes.into_iter().map(|probe| {
        let pool = change.pools.iter().find(|pool| pool.server(&probe.server).is_some());
        let scope = pool.map(|pool| {
            let scope = PoolScope::of(change, pool);
            match seen.pools.get(&pool.name) {
                Some(seen) => scope.with_dependents(seen),
                None => scope,
            }
        });
        let expected = Expected { pool, installers: &change.maintenance.installers, scope: scope.as_ref() };
        let mut rows = rows(&probe, &expected);
        agree(&mut rows, &probe, found.get(&probe.server).map(Vec::as_slice).unwrap_or_default());
        let left_out = left_out(&probe, &rows);
        Looked { probe, rows, left_out }
    });
    Ok((looked.collect(), pools))
}

fn counters(args: &ProbeArgs) -> Counters {
    if args.counters { Counters::Listed } else { Counters::Needed }
}

/// Returns the ports that are looked at: the usual ones, and that of the plan. A lab's servers have one each.
fn ports(pool: &Pool, place: Place, reader: &WinrmReader) -> Vec<(u16, Transport)> {
    let own = match (&pool.access, place) {
        (Access::Winrm(access), Place::Real) => access.port.map(|port| (port, access.transport)),
        (Access::Unstated, Place::Real) => None,
        (_, Place::Lab) => return reader.port().map(|port| (port, Transport::Https)).into_iter().collect(),
    };
    with(own)
}

/// Returns the usual ports, and another one where it is stated.
fn with(own: Option<(u16, Transport)>) -> Vec<(u16, Transport)> {
    let own = own.filter(|(port, _)| USUAL.iter().all(|(usual, _)| usual != port));
    USUAL.into_iter().chain(own).collect()
}

async fn of_host(home: &Home, args: &ProbeArgs) -> Result<Exit, Failure> {
    let text = args.target.to_string_lossy();
    let not_one = |error: orchestrate_model::NameError| {
        Failure::Usage(format!("{text} is neither a plan file nor the full name of a server: {error}"))
    };
    let server = ServerName::new(&text).map_err(not_one)?;
    let name = PoolName::new(&text).map_err(not_one)?;
    let keeper = home.keeper(Place::Real)?;
    // A password is asked for before anything is sent: whoever goes away does not come back to a question.
    let source = source(&args.host);
    let account = source.as_ref().map(|source| credentials::read(&name, source)).transpose()?;
    let first = pool(&name, &server, args, access(&args.host, source.as_ref(), Transport::Http));
    let seen = uninterrupted(of_one(&server, wiring::alone(&first, None, &keeper)?.examine(&from_outside()))).await?;
    let (transport, why) = transport(&args.host, &seen.listeners);
    let pool = pool(&name, &server, args, access(&args.host, source.as_ref(), transport));
    let depth = if account.is_some() { Depth::Host } else { Depth::Outside };
    let counters = counters(args);
    let examination = Examination {
        ports: with(args.host.port.map(|port| (port.get(), transport))),
        why,
        file: None,
        depth,
        counters,
        names: Names::Asked,
        ask: None,
    };
    let reader = wiring::alone(&pool, account, &keeper)?;
    let probe = look_alone(&server, reader, &examination).await?;
    show(&[Looked::of(probe, &Expected::default())], &Vec::new(), (Layout::Screen, args.output))
}

/// Looks at a server of which nothing is known but its name.
async fn look_alone(server: &ServerName, mut reader: WinrmReader, examination: &Examination) -> Result<Probe, Failure> {
    if examination.depth != Depth::Outside {
        // Where this fails the look says why.
        let found = uninterrupted(of_one(server, reader.product())).await;
        reader = match found {
            Ok(Ok((product, role))) => reader.of_product(product, role),
            Ok(Err(_why)) => reader,
            Err(failure) => {
                reader.close().await;
                return Err(failure);
            }
        };
    }
    let probe = uninterrupted(of_one(server, reader.examine(examination))).await;
    reader.close().await;
    probe
}

/// Waits for a look, until somebody wants to end.
async fn uninterrupted<T>(looking: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        found = looking => Ok(found),
        _ = signals::any() => Err(Failure::Interrupted("the server was being looked at")),
    }
}

/// Looks at one server, and says meanwhile that it is waited for.
async fn of_one<T>(server: &ServerName, looking: impl Future<Output = T>) -> T {
    output::patiently(|| server.to_string(), looking).await
}

fn from_outside() -> Examination {
    Examination {
        ports: USUAL.to_vec(),
        why: String::new(),
        file: None,
        depth: Depth::Outside,
        counters: Counters::Needed,
        names: Names::Skipped,
        ask: None,
    }
}

fn source(host: &HostArgs) -> Option<CredentialSource> {
    match (&host.user, &host.credentials_file) {
        (Some(user), _) => Some(CredentialSource::Prompt(user.clone())),
        (None, Some(file)) => Some(CredentialSource::File(file.display().to_string())),
        (None, None) => None,
    }
}

fn access(host: &HostArgs, source: Option<&CredentialSource>, transport: Transport) -> Access {
    Access::Winrm(WinrmAccess {
        transport,
        port: host.port.map(std::num::NonZeroU16::get),
        auth: match host.auth {
            None | Some(AuthWord::Negotiate) => WinrmAuth::Negotiate,
            Some(AuthWord::Kerberos) => WinrmAuth::Kerberos,
            Some(AuthWord::Ntlm) => WinrmAuth::Ntlm,
            Some(AuthWord::Basic) => WinrmAuth::Basic,
        },
        // Never read where there is none.
        credentials: source.cloned().unwrap_or_else(|| CredentialSource::Prompt(String::new())),
        ca: host.ca.as_ref().map(|file| file.display().to_string()),
        pins: host.pin.iter().cloned().collect(),
        channel_binding: ChannelBinding::Auto,
        kerberos: KerberosNames::default(),
        cmdlets: Cmdlets::Session,
    })
}

/// Returns a pool of this one server, with nothing else stated.
fn pool(name: &PoolName, server: &ServerName, args: &ProbeArgs, access: Access) -> Pool {
    let server = Server {
        name: server.clone(),
        addresses: args.host.address.into_iter().collect(),
        upgrade_domain: None,
        hosts: BTreeSet::new(),
        external: BTreeMap::new(),
        pins: Vec::new(),
        away: None,
    };
    Pool {
        name: name.clone(),
        product: Product::Generic,
        role: Role::Generic,
        load_balancing: LoadBalancing {
            sip: SipBalancing::Dns,
            web: None,
            balancer: Balancer::None,
            external: BTreeMap::new(),
            entry: Vec::new(),
        },
        servers: vec![server],
        access,
        after: Vec::new(),
        labels: BTreeSet::new(),
        paired_with: None,
        next_hop: None,
        accept_outage: None,
        archiving: None,
        first: None,
        order: Vec::new(),
        extra_services: Vec::new(),
        database: None,
        measures: BTreeMap::new(),
    }
}

/// Returns how requests are to travel, and why.
fn transport(host: &HostArgs, listeners: &[Listener]) -> (Transport, String) {
    match host.transport {
        Some(TransportWord::Http) => return (Transport::Http, "`--transport` says so".to_owned()),
        Some(TransportWord::Https) => return (Transport::Https, "`--transport` says so".to_owned()),
        None => {}
    }
    if host.pin.is_some() || host.ca.is_some() {
        return (Transport::Https, "`--pin` and `--ca` are about certificates".to_owned());
    }
    if host.auth == Some(AuthWord::Basic) {
        return (Transport::Https, "`--auth basic` needs TLS".to_owned());
    }
    let on = |transport: Transport| listeners.iter().find(|listener| listener.transport == transport);
    let tls = on(Transport::Https).and_then(|listener| listener.found.known()).and_then(|found| found.tls.as_ref());
    let is_plain_there = on(Transport::Http).is_some_and(|listener| matches!(listener.found, Answer::Known(_)));
    match (tls, is_plain_there) {
        (Some(tls), _) if tls.distrust.is_none() => (Transport::Https, "its certificate is trusted here".to_owned()),
        (Some(_), true) => (Transport::Http, "the certificate for https is not trusted here".to_owned()),
        (Some(_), false) => (Transport::Https, "nothing else answers".to_owned()),
        (None, true) => (Transport::Http, "https does not answer".to_owned()),
        (None, false) => (Transport::Http, "neither answers".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_model::probe::{Answering, TlsFacts};

    fn host() -> HostArgs {
        let (pin, ca, port) = (None, None, None);
        HostArgs { user: None, credentials_file: None, auth: None, transport: None, address: None, port, pin, ca }
    }

    fn listener(transport: Transport, distrust: Option<&str>) -> Listener {
        let tls = (transport == Transport::Https).then(|| TlsFacts {
            agreed: String::new(),
            chain: Vec::new(),
            distrust: distrust.map(str::to_owned),
        });
        let found = Answer::Known(Answering { status: 401, offers: Vec::new(), tls });
        Listener { port: 1, transport, found, silence: None }
    }

    #[test]
    fn a_word_is_a_plan_when_it_can_be_no_server() {
        for plan in ["plans/x", "none.yaml", "./none", "none.yml"] {
            assert!(is_plan(Path::new(plan)), "{plan}");
        }
        for server in ["fe1.contoso.example", "fe1"] {
            assert!(!is_plan(Path::new(server)), "{server}");
        }
    }

    #[test]
    fn tls_is_used_where_it_is_trusted_and_sealed_messages_where_it_is_not() {
        let chosen = |host: &HostArgs, listeners: &[Listener]| transport(host, listeners).0;
        let (plain, trusted) = (listener(Transport::Http, None), listener(Transport::Https, None));
        let foreign = listener(Transport::Https, Some("UnknownIssuer"));
        assert_eq!(chosen(&host(), &[plain.clone(), trusted]), Transport::Https);
        assert_eq!(chosen(&host(), &[plain.clone(), foreign.clone()]), Transport::Http);
        assert_eq!(chosen(&host(), &[foreign]), Transport::Https);
        assert_eq!(chosen(&host(), &[]), Transport::Http);
        let pinned = HostArgs { pin: Some("00".to_owned()), ..host() };
        assert_eq!(chosen(&pinned, &[plain]), Transport::Https);
    }
}
