//! What `orchestrate probe` asks: everything that a run would need of a server, in one look, each part with an answer of
//! its own.

use crate::link::Glance;
use crate::reader::{Inner, WinrmReader};
use crate::rights::{self, Who};
use crate::script::{Look, Trouble, without_host};
use crate::sessions;
use crate::target::WinrmTarget;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::catalogue::{self, DrainClass, ServiceFacts};
use orchestrate_model::observe::{Fitness, Part};
use orchestrate_model::pool::Transport as Kind;
use orchestrate_model::probe::{
    Answering, Certificate, ClockFacts, CounterSet, Disk, FileRights, Listener, LogonFacts, LogonMechanism, Machine,
    NamesOf, PendingFound, PendingSign, Probe, Protection, Quotas, Silence, TlsFacts, Way,
};
use orchestrate_model::{Answer, Ask, Product, Role, RunState, ServerObservation, ServiceName};
use orchestrate_wsman::{
    Endpoint, Instance, Logon, NotSent, Survey, Transport, Trust, Unanswered, UsedMechanism, plain, survey,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// How long name servers may take: two of them, each as long as a resolver waits by default.
const NAMES: Duration = Duration::from_secs(10);
/// Services whose rights are asked for: each costs the server the start of a small program.
const SERVICES_ASKED: usize = 40;

/// What is asked besides what always is.
#[derive(Debug, Clone)]
pub struct Examination {
    /// The ports that are looked at, and what is spoken there.
    pub ports: Vec<(u16, Kind)>,
    /// Why requests travel as the target says.
    pub why: String,
    /// The installer file of the plan.
    pub file: Option<String>,
    /// How much is asked.
    pub depth: Depth,
    /// Whether every counter set of the product is listed.
    pub counters: Counters,
    /// Whether this machine is asked for the addresses of the name.
    pub names: Names,
    /// What a dry run of the plan asks of the server: with the same answers no probe can say something else.
    pub ask: Option<Ask>,
}

/// Whether this machine is asked for the addresses of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// It is.
    Asked,
    /// The name is one of a lab, which this machine does not know.
    Skipped,
}

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What can be seen without an account.
    Outside,
    /// Everything but what needs to know the pool.
    Host,
    /// Everything.
    Pool,
}

/// Whether every counter set is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counters {
    /// It is.
    Listed,
    /// Only those that are needed are looked for.
    Needed,
}

impl WinrmReader {
    /// Asks everything that a run would need to know of the server. Nothing is changed; the shell that is made for it is
    /// deleted by [`WinrmReader::close`].
    pub async fn examine(&self, examination: &Examination) -> Probe {
        Box::pin(self.inner.examine(examination)).await
    }

    /// Returns the product and the role that the services of the server are those of, or why they could not be asked.
    /// Front end servers of a Standard Edition are not told from others.
    ///
    /// # Errors
    /// Why the services could not be asked.
    pub async fn product(&self) -> Result<(Product, Role), String> {
        let seen = Box::pin(self.inner.observe(&services_of_product())).await;
        let services = seen.services.as_result().map_err(ToOwned::to_owned)?;
        let named = |start: &str| services.values().any(|service| service.display_name.starts_with(start));
        let has = |name: &str| services.keys().any(|known| known.as_str().eq_ignore_ascii_case(name));
        let role = match (has("RTCSRV"), services.values().any(|service| service.display_name.contains("Access Edge")))
        {
            (_, true) => Role::Edge,
            (true, false) => Role::FrontEnd,
            (false, false) if has("RTCMEDSRV") => Role::Mediation,
            (false, false) => Role::Generic,
        };
        let product = match (named("Lync Server "), named("Skype for Business Server ")) {
            (true, _) => Product::Lync2013,
            (false, true) => Product::Sfb2015,
            (false, false) => Product::Generic,
        };
        Ok((product, role))
    }

    /// Returns the reader for a server of this product and role.
    #[must_use]
    pub fn of_product(mut self, product: Product, role: Role) -> Self {
        // Readers that share the connections stay as they are.
        if let Some(inner) = std::sync::Arc::get_mut(&mut self.inner) {
            (inner.target.product, inner.target.role) = (product, role);
        }
        self
    }
}

fn services_of_product() -> Ask {
    Ask { parts: [Part::ProductServices].into(), ..Ask::default() }
}

impl Inner {
    async fn examine(&self, examination: &Examination) -> Probe {
        let asked = self.clock.now();
        let (addresses, listeners) =
            tokio::join!(self.addresses(examination.names), self.listeners(&examination.ports));
        let (listeners, dates): (Vec<Listener>, Vec<_>) = listeners.into_iter().unzip();
        let way = self.way(&examination.why);
        let date = dates.into_iter().flatten().next();
        let mut probe = Probe {
            server: self.target.server.clone(),
            asked,
            addresses,
            addresses_by: if self.target.names.is_some() { NamesOf::Plan } else { NamesOf::Machine },
            listeners,
            way,
            logon: None,
            clock: date.map_or_else(Answer::not_asked, Answer::Known),
            product: self.target.product,
            seen: ServerObservation::unknown(self.target.server.clone(), asked, "not asked"),
            machine: Answer::not_asked(),
            disks: Answer::not_asked(),
            quotas: Answer::not_asked(),
            counters: None,
            activity: None,
        };
        if examination.depth != Depth::Outside {
            Box::pin(self.inside(&mut probe, examination)).await;
        }
        probe
    }

    /// Asks what needs an account.
    async fn inside(&self, probe: &mut Probe, examination: &Examination) {
        let before = self.clock.now();
        let system = self.link.wmi.get("Win32_OperatingSystem", &[]).await;
        let after = self.clock.now();
        // Where each request carries its proof, a connection stands before the account was looked at.
        let logon = self.link.wmi.logon().await.filter(|_| self.link.wmi.is_let_in());
        match (&system, logon) {
            (_, Some(logon)) => probe.logon = Some(Answer::Known(facts_of_logon(logon))),
            (Err(error), None) => {
                let why = without_host(error);
                probe.logon = Some(Answer::unknown(&why));
                probe.seen =
                    ServerObservation::unknown(self.target.server.clone(), probe.asked, "the account was not let in");
                return;
            }
            // Whatever was answered, the connection is gone since.
            (Ok(_), None) => probe.logon = Some(Answer::unknown("the connection was lost after the answer")),
        }
        if let Some(clock) = system.as_ref().ok().and_then(|system| clock(system, (before, after))) {
            probe.clock = Answer::Known(clock);
        }
        let services = Box::pin(self.observe(&self.named(examination.ask.as_ref()))).await;
        let ask = self.ask_about(&services, examination);
        let glance = self.link.glance();
        let named: Vec<ServiceName> = drained(&services).into_iter().take(SERVICES_ASKED).collect();
        // WMI and scripts have a connection each.
        let (mut seen, machine, disks, quotas, counters) = tokio::join!(
            self.observe(&ask),
            self.machine(&glance, &named, examination.file.as_deref()),
            self.disks(&glance),
            self.quotas(),
            self.counter_sets(&glance, examination.counters),
        );
        if examination.counters == Counters::Listed && self.target.product != Product::Generic {
            let services: Vec<ServiceName> = drained(&services);
            probe.activity = Some(sessions::keys(&glance, &services).await);
        }
        seen.services = services.services;
        seen.host = match &system {
            Ok(system) => crate::host::facts(system),
            Err(error) => Answer::unknown(without_host(error)),
        };
        (probe.seen, probe.machine, probe.disks, probe.quotas, probe.counters) =
            (seen, machine, disks, quotas, counters);
    }

    /// Returns what is asked about services: those of the product by their display names, and by name those of the plan, or
    /// without one those that such a server may run, of which Windows has some.
    fn named(&self, plan: Option<&Ask>) -> Ask {
        let target = &self.target;
        let usual =
            || catalogue::expected(target.product, target.role).filter_map(ServiceFacts::service_name).collect();
        let services = plan.map_or_else(usual, |plan| plan.services.clone());
        Ask { services, ..services_of_product() }
    }

    fn ask_about(&self, services: &ServerObservation, examination: &Examination) -> Ask {
        let mut ask = Ask { sessions: drained(services), file: examination.file.clone(), ..Ask::default() };
        ask.parts = [Part::Versions].into();
        let (product, role) = (self.target.product, self.target.role);
        if product != Product::Generic && role != Role::Edge {
            ask.parts.extend([Part::Replication, Part::CentralManagement]);
        }
        if product != Product::Generic && role == Role::FrontEnd && examination.depth == Depth::Pool {
            ask.parts.insert(Part::Readiness);
        }
        if let Some(plan) = &examination.ask {
            // Services and the system were asked for already.
            let known = [Part::ProductServices, Part::Host];
            ask.parts.extend(plan.parts.iter().filter(|part| !known.contains(part)));
            ask.sessions.clone_from(&plan.sessions);
            ask.more_files.clone_from(&plan.more_files);
        }
        ask
    }

    fn way(&self, why: &str) -> Way {
        let transport = match &self.target.transport {
            Transport::Https(_) => Kind::Https,
            Transport::Http => Kind::Http,
        };
        Way { transport, connect_to: self.target.endpoint().connect_to, why: why.to_owned() }
    }

    async fn addresses(&self, names: Names) -> Answer<Vec<IpAddr>> {
        if names == Names::Skipped {
            return Answer::not_asked();
        }
        let name = self.target.server.as_str();
        if let Some(names) = &self.target.names {
            return match tokio::time::timeout(NAMES, names.addresses(name)).await {
                Ok(found) => Answer::from(found),
                Err(_elapsed) => Answer::unknown(format!("no answer within {} s", NAMES.as_secs())),
            };
        }
        match tokio::time::timeout(NAMES, tokio::net::lookup_host((name, 0))).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
                addresses.sort();
                addresses.dedup();
                Answer::Known(addresses)
            }
            Ok(Err(error)) => Answer::unknown(plain(&error.to_string())),
            Err(_elapsed) => Answer::unknown(format!("no answer within {} s", NAMES.as_secs())),
        }
    }

    /// Looks at ports without an account. Returns with each what its answer says of the time.
    async fn listeners(&self, ports: &[(u16, Kind)]) -> Vec<(Listener, Option<ClockFacts>)> {
        let mut looks = tokio::task::JoinSet::new();
        for (place, (port, kind)) in ports.iter().copied().enumerate() {
            let (endpoint, transport) = dialled(&self.target, port, kind);
            let (timeouts, clock) = (self.target.limits.wire, self.clock);
            looks.spawn(async move {
                let before = clock.now();
                let found = survey(&endpoint, &transport, timeouts).await;
                let date = found.as_ref().ok().and_then(|found| found.date);
                let date = date.map(|date| ahead(date, (before, clock.now()), "the header of an HTTP answer"));
                let silence = found.as_ref().err().map(silence);
                let found = Answer::from(found.map(answering).map_err(|why| why.to_string()));
                (place, Listener { port, transport: kind, found, silence }, date)
            });
        }
        let mut found = looks.join_all().await;
        found.sort_by_key(|(place, ..)| *place);
        found.into_iter().map(|(_, listener, date)| (listener, date)).collect()
    }

    async fn disks(&self, glance: &Glance<'_>) -> Answer<BTreeMap<String, Disk>> {
        let rows = glance.query("SELECT DeviceID, FreeSpace, Size FROM Win32_LogicalDisk WHERE DriveType = 3").await;
        let disk = |row: &Instance| {
            let number = |name: &str| row.text(name).and_then(|text| text.parse().ok());
            Some((plain(row.text("DeviceID")?), Disk { free_bytes: number("FreeSpace")?, size_bytes: number("Size")? }))
        };
        match rows {
            Ok(rows) => Answer::Known(rows.iter().filter_map(disk).collect()),
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    /// Reads what would make an installer fail on the server.
    pub(crate) async fn fitness(&self, glance: &Glance<'_>) -> Answer<Fitness> {
        let nothing = json!({});
        let asked = glance.look(Look::Fitness, &nothing);
        let (said, disks): (Result<SaidOfFitness, Trouble>, _) = tokio::join!(asked, self.disks(glance));
        Answer::from(said.map(|said| said.fitness(disks)))
    }

    async fn quotas(&self) -> Answer<Quotas> {
        let settings = match self.link.wmi.settings().await {
            Ok(settings) => settings,
            Err(error) => return Answer::unknown(without_host(&error)),
        };
        let number = |name: &str| settings.get(name).and_then(|text| text.parse().ok());
        Answer::Known(Quotas {
            envelope_kb: number("maxenvelopesizekb"),
            shells_per_user: number("winrs.maxshellsperuser"),
            processes_per_shell: number("winrs.maxprocessespershell"),
            memory_per_shell_mb: number("winrs.maxmemorypershellmb"),
        })
    }

    async fn counter_sets(&self, glance: &Glance<'_>, wanted: Counters) -> Option<Answer<Vec<CounterSet>>> {
        #[derive(Deserialize)]
        struct Said {
            sets: Vec<CounterSet>,
        }
        if wanted == Counters::Needed {
            return None;
        }
        let said: Result<Said, Trouble> = glance.look(Look::CounterSets, &json!({})).await;
        Some(Answer::from(said.map(|mut said| {
            said.sets.sort_by(|a, b| a.name.cmp(&b.name));
            said.sets
        })))
    }

    async fn machine(&self, glance: &Glance<'_>, services: &[ServiceName], file: Option<&str>) -> Answer<Machine> {
        let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
        let said: Result<Said, Trouble> = glance.look(Look::Probe, &json!({ "services": names, "file": file })).await;
        Answer::from(said.map(|said| said.machine(services, file)))
    }
}

/// Returns the services with sessions of the product that are there.
fn drained(seen: &ServerObservation) -> Vec<ServiceName> {
    let services = seen.services.known().into_iter().flatten();
    let drained = services.filter(|(name, status)| {
        let facts = catalogue::service(name);
        facts.is_some_and(|facts| facts.drain == DrainClass::Session) && !status.state.known().is_some_and(stopped)
    });
    drained.map(|(name, _)| name.clone()).collect()
}

fn stopped(state: &RunState) -> bool {
    *state == RunState::Stopped
}

/// Returns where a port is dialled, and whom a connection to it would trust.
fn dialled(target: &WinrmTarget, port: u16, kind: Kind) -> (Endpoint, Transport) {
    let endpoint = target.endpoint();
    let host = endpoint.connect_to.rsplit_once(':').map_or(endpoint.connect_to.as_str(), |(host, _)| host);
    let connect_to = format!("{host}:{port}");
    let transport = match (kind, &target.transport) {
        (Kind::Http, _) => Transport::Http,
        (Kind::Https, Transport::Https(trust)) => Transport::Https(trust.clone()),
        (Kind::Https, Transport::Http) => Transport::Https(Trust::Platform),
    };
    (Endpoint { connect_to, ..endpoint }, transport)
}

fn silence(why: &Unanswered) -> Silence {
    match why {
        Unanswered::NotSent(NotSent::Connect { error, .. })
            if error.kind() == std::io::ErrorKind::ConnectionRefused =>
        {
            Silence::Closed
        }
        Unanswered::NotSent(NotSent::Connect { .. } | NotSent::ConnectTimeout { .. }) => Silence::Unreachable,
        Unanswered::NotSent(NotSent::Tls { .. } | NotSent::Handshake { .. }) => Silence::Tls,
        Unanswered::NotSent(_) | Unanswered::Setup(_) | Unanswered::Odd(_) => Silence::Odd,
    }
}

fn answering(found: Survey) -> Answering {
    let certificate = |found: orchestrate_wsman::Certificate| {
        let orchestrate_wsman::Certificate { subject, issuer, names, from, until, sha256 } = found;
        Certificate { subject, issuer, names, from, until, sha256 }
    };
    let tls = found.tls.map(|shown| TlsFacts {
        agreed: shown.agreed,
        chain: shown.chain.into_iter().map(certificate).collect(),
        distrust: shown.distrust,
    });
    Answering { status: found.status, offers: found.offers, tls }
}

fn facts_of_logon(logon: Logon) -> LogonFacts {
    let used = |is: bool| if is { Protection::Used } else { Protection::Unused };
    let mechanism = match logon.mechanism {
        UsedMechanism::Basic => LogonMechanism::Basic,
        UsedMechanism::Certificate => LogonMechanism::Certificate,
        UsedMechanism::Ntlm => LogonMechanism::Ntlm,
        UsedMechanism::Kerberos => LogonMechanism::Kerberos,
    };
    LogonFacts { mechanism, binding: used(logon.is_bound), sealing: used(logon.is_sealed) }
}

/// Returns how far a clock is ahead that was read between two moments of ours: neither, if it may have been in between.
fn ahead(theirs: Timestamp, (before, after): (Timestamp, Timestamp), source: &'static str) -> ClockFacts {
    let ahead = match (theirs.duration_since(before), theirs.duration_since(after)) {
        (behind, _) if behind.is_negative() => behind,
        (_, ahead) if ahead.is_positive() => ahead,
        (_, _) => SignedDuration::ZERO,
    };
    ClockFacts { ahead, source }
}

fn clock(system: &Instance, asked: (Timestamp, Timestamp)) -> Option<ClockFacts> {
    Some(ahead(system.time("LocalDateTime")?, asked, "Win32_OperatingSystem"))
}

/// A part of what the script says: a value, or why there is none.
#[derive(Debug, Deserialize)]
struct Told {
    value: Option<Value>,
    error: Option<String>,
}

impl Told {
    fn answer<T>(self, read: impl FnOnce(Value) -> Result<T, String>) -> Answer<T> {
        match (self.error, self.value) {
            (Some(error), _) => Answer::unknown(plain(error.trim())),
            (None, value) => Answer::from(read(value.unwrap_or_default())),
        }
    }

    fn text(self) -> Answer<String> {
        self.answer(|value| match value.as_str() {
            Some(text) if !text.trim().is_empty() => Ok(plain(text)),
            _ => Err("nothing was said".to_owned()),
        })
    }
}

/// What the script `probe` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    powershell: String,
    whoami: Told,
    #[serde(default)]
    services: BTreeMap<String, Told>,
    scheduler: Told,
    temp: Told,
    drive: Told,
    servicing: Told,
    windows_update: Told,
    file_renames: Told,
    computer_rename: Told,
    file: Option<Told>,
}

/// What the script `fitness` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidOfFitness {
    temp: Told,
    drive: Told,
    servicing: Told,
    windows_update: Told,
    file_renames: Told,
    computer_rename: Told,
}

impl SaidOfFitness {
    fn fitness(self, disks: Answer<BTreeMap<String, Disk>>) -> Fitness {
        let (windows, temp) = (self.drive.text(), self.temp.text());
        let letter = |path: &String| path.get(..2).filter(|drive| drive.ends_with(':')).map(str::to_ascii_uppercase);
        let free = windows.as_result().map_err(ToOwned::to_owned).and_then(|windows| {
            let disks = disks.as_result().map_err(ToOwned::to_owned)?;
            let drives: BTreeSet<String> =
                [letter(windows), temp.known().and_then(letter)].into_iter().flatten().collect();
            let of = |drive: String| {
                let disk = disks.iter().find(|(name, _)| name.eq_ignore_ascii_case(&drive));
                disk.map(|(_, disk)| (drive.clone(), disk.free_bytes)).ok_or(format!("{drive} is no local disk"))
            };
            drives.into_iter().map(of).collect::<Result<BTreeMap<_, _>, String>>()
        });
        let what = |told: Told| told.answer(pending_found).map(|found| found.map(|found| found.what));
        let pending = [
            (PendingSign::Servicing, self.servicing),
            (PendingSign::WindowsUpdate, self.windows_update),
            (PendingSign::FileRenames, self.file_renames),
            (PendingSign::ComputerRename, self.computer_rename),
        ];
        let pending = pending.into_iter().map(|(sign, told)| (sign, what(told))).collect();
        Fitness { free: Answer::from(free), pending }
    }
}

impl Said {
    pub(crate) fn machine(mut self, services: &[ServiceName], file: Option<&str>) -> Machine {
        let who = self.whoami.answer(|value| Who::parse(value.as_str().unwrap_or_default()));
        let on = |name: &ServiceName, told: Option<Told>| match (told, &who) {
            (None, _) => Answer::unknown(format!("{name} was left out")),
            (Some(_), Answer::Unknown(why)) => Answer::Unknown(why.clone()),
            (Some(told), Answer::Known(who)) => told.answer(|value| who.on_service(value.as_str().unwrap_or_default())),
        };
        let rights = services.iter().map(|name| (name.clone(), on(name, self.services.remove(name.as_str()))));
        let services = rights.collect();
        let pending = [
            (PendingSign::Servicing, self.servicing),
            (PendingSign::WindowsUpdate, self.windows_update),
            (PendingSign::FileRenames, self.file_renames),
            (PendingSign::ComputerRename, self.computer_rename),
        ];
        Machine {
            powershell: plain(&self.powershell),
            account: who.clone().map(|who| who.account),
            token: who.map(|who| who.token),
            services,
            scheduler: self.scheduler.text().map(|_path| ()),
            temp: self.temp.text(),
            windows_drive: self.drive.text(),
            pending: pending.into_iter().map(|(sign, told)| (sign, told.answer(pending_found))).collect(),
            file: self.file.map(|told| told.answer(|value| file_rights(value, file.unwrap_or_default()))),
        }
    }
}

fn pending_found(value: Value) -> Result<Option<PendingFound>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        what: String,
        since: Option<String>,
        since_utc: Option<String>,
    }
    if value.is_null() {
        return Ok(None);
    }
    let found: Found = serde_json::from_value(value).map_err(|error| plain(&error.to_string()))?;
    let exact = found.since.and_then(|text| text.parse().ok());
    // As Windows Update writes it: `2026-11-27 01:02:03`, in UTC.
    let civil = found.since_utc.and_then(|text| text.trim().parse::<jiff::civil::DateTime>().ok());
    let civil = civil.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|time| time.timestamp());
    Ok(Some(PendingFound { what: plain(&found.what), since: exact.or(civil) }))
}

fn file_rights(value: Value, path: &str) -> Result<FileRights, String> {
    #[derive(Deserialize)]
    struct Found {
        exists: bool,
        #[serde(default)]
        encrypted: bool,
        rules: Option<Told>,
        drive: Option<Told>,
    }
    let found: Found = serde_json::from_value(value).map_err(|error| plain(&error.to_string()))?;
    let not_asked = || Told { value: None, error: Some("not asked".to_owned()) };
    let readable = if found.encrypted {
        // Only whoever has encrypted it has the key.
        Answer::Known(false)
    } else {
        let rules = found.rules.unwrap_or_else(not_asked);
        rules.answer(|value| rights::system_reads(value.as_str().unwrap_or_default()))
    };
    let is_local = if path.starts_with(r"\\") {
        Answer::Known(false)
    } else {
        let kind = found.drive.unwrap_or_else(not_asked).text();
        Answer::from(kind.as_result().map_err(ToOwned::to_owned).and_then(|kind| match kind.as_str() {
            "Fixed" | "Removable" | "Ram" => Ok(true),
            "Network" => Ok(false),
            other => Err(format!("its drive is of the kind {other}")),
        }))
    };
    Ok(FileRights { exists: found.exists, readable_by_system: readable, is_local })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_clock_that_was_read_in_between_is_right() {
        let read = |theirs: i64| ahead(at(theirs), (at(100), at(130)), "x").ahead.as_secs();
        assert_eq!([read(90), read(100), read(115), read(130), read(140)], [-10, 0, 0, 0, 10]);
    }

    #[test]
    fn a_restart_is_due_since_when_the_server_says() {
        let found = |value: Value| pending_found(value).unwrap();
        assert_eq!(found(Value::Null), None);
        let update = found(json!({"what": "x", "sinceUtc": "2026-11-26 21:15:00"})).unwrap();
        assert_eq!(update.since.unwrap().to_string(), "2026-11-26T21:15:00Z");
        let servicing = found(json!({"what": "x", "since": "2026-11-26T21:15:00.1230000Z"})).unwrap();
        assert!(servicing.since.is_some());
        assert_eq!(found(json!({"what": "x", "since": "yesterday"})).unwrap().since, None);
        assert!(pending_found(json!("odd")).is_err());
    }

    #[test]
    fn a_file_on_a_share_or_encrypted_is_nothing_for_system() {
        let rules = json!({"value": "O:BAG:SYD:(A;;FA;;;SY)"});
        let drive = json!({"value": "Fixed"});
        let read = |extra: Value, path: &str| {
            let mut value = json!({"exists": true, "rules": rules, "drive": drive});
            value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            file_rights(value, path).unwrap()
        };
        let good = read(json!({}), r"C:\CU\x.exe");
        assert_eq!((good.readable_by_system, good.is_local), (Answer::Known(true), Answer::Known(true)));
        assert_eq!(read(json!({"encrypted": true}), r"C:\x").readable_by_system, Answer::Known(false));
        assert_eq!(read(json!({}), r"\\share\x").is_local, Answer::Known(false));
        assert_eq!(read(json!({"drive": {"value": "Network"}}), r"Z:\x").is_local, Answer::Known(false));
        assert!(read(json!({"drive": {"error": "odd"}}), r"Z:\x").is_local.known().is_none());
    }
}
