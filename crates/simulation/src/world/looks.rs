//! What the world shows to somebody who looks, faults included.

use super::{Installer, MINUTE, Machine, Ms, Pace, PausedFrontEnd, SECOND, Service, World};
use crate::faults::Fault;
use orchestrate_model::observe::{
    AddressRecords, CentralManagement, DnsAnswer, DnsAsk, DnsObservation, DrainingState, FileFacts, Fitness, HostFacts,
    InstallerState, Measure, Part, Readiness, ReadinessState, SessionReading,
};
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::probe::PendingSign;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    Answer, Ask, Change, DnsName, ExternalUse, Pool, RunState, Server, ServerObservation, ServiceName, ServiceStatus,
    Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// An answer on its way.
pub(crate) struct Reply<T> {
    /// How long it takes.
    pub(crate) after: Ms,
    /// The answer.
    pub(crate) value: T,
}

impl World {
    pub(super) fn latency(&mut self) -> Ms {
        match self.pace {
            Pace::Smooth => 0,
            Pace::Uneven => self.dice.pick(&[0, 0, 0, 0, 0, 0, 300, 2 * SECOND]),
        }
    }

    /// Whether a machine takes several acts in one exchange: every second one, and in every second night those that the
    /// others leave.
    pub(crate) fn takes_several(&self, at: usize) -> bool {
        self.exchanges.wrapping_add(at as u64).is_multiple_of(2)
    }

    /// Whether it has one when it comes to that: of some it was said, and is not so any more.
    pub(crate) fn has_an_exchange(&self, at: usize) -> bool {
        self.takes_several(at) && self.exchanges.wrapping_add(at as u64) % 8 != 6
    }

    /// Whether the acts of an exchange with a machine are all under way at once, and one that has no answer leaves none to the
    /// others.
    pub(crate) fn sends_at_once(&self, at: usize) -> bool {
        self.exchanges.wrapping_add(at as u64).is_multiple_of(4)
    }

    /// Looks at one machine.
    pub(crate) fn observe(&mut self, at: usize, ask: &Ask, host: u32) -> Reply<ServerObservation> {
        let taken = self.stamp(self.now);
        let name = self.machines[at].name.clone();
        let mut after = self.latency();
        if self.is_away(at) {
            self.oracle.breach("away", self.now, format!("{name} is asked, and the plan says that it is away"));
        }
        if !self.machines[at].up {
            let value = ServerObservation::unknown(name, taken, "the server does not answer");
            return Reply { after: after + 3 * SECOND, value };
        }
        if self.happens(Fault::LostAnswers) {
            let value = ServerObservation::unknown(name, taken, "no answer within 10 s");
            return Reply { after: 10 * SECOND, value };
        }
        if self.happens(Fault::LateAnswers) {
            after += self.dice.between(5 * SECOND, 200 * SECOND);
        }
        let fresh = self.shown(at, ask);
        let mut value = fresh;
        self.without_product(at, ask, &mut value);
        self.without_states(&mut value);
        value.lease = asked(ask, Part::Lease, || self.lease(at, host));
        if self.faulty {
            self.spoil(at, ask, &mut value);
            if self.faults.has(Fault::StaleAnswers) {
                value = self.stale(at, ask, value);
            }
        }
        Reply { after, value }
    }

    /// What a truthful answer shows.
    fn shown(&mut self, at: usize, ask: &Ask) -> ServerObservation {
        let now = self.now;
        let taken = self.stamp(now);
        let jitter = if self.pace == Pace::Uneven { self.dice.between(-900, 900) } else { 0 };
        let readiness = if ask.wants(Part::Readiness) { self.readiness(at) } else { Answer::Unknown(String::new()) };
        let machine = &self.machines[at];
        let services = with_dependents(machine, &ask.services).into_iter().filter_map(|name| {
            let service = &machine.services[machine.service(&name)?];
            Some((name, status(service)))
        });
        let sessions = ask.sessions.iter().filter_map(|name| {
            let service = &machine.services[machine.service(name)?];
            Some((name.clone(), reading(service, now)))
        });
        let stamp = |at: Ms| self.stamp(at);
        ServerObservation {
            obstacles: Vec::new(),
            together: self.takes_several(at),
            server: machine.name.clone(),
            taken,
            host: asked(ask, Part::Host, || HostFacts {
                booted: stamp(machine.booted + machine.skew + jitter),
                local_time: stamp(now + machine.skew),
                system: String::new(),
            }),
            services: Answer::Known(services.collect()),
            sessions: sessions.collect(),
            versions: asked(ask, Part::Versions, || versions(machine, &self.levels)),
            installer: installer(machine, ask),
            file: file(&self.change, ask),
            more_files: ask.more_files.iter().map(|path| (path.clone(), file_at(&self.change, Some(path)))).collect(),
            readiness,
            replication: asked(ask, Part::Replication, || {
                let lag = self.replicas_lag;
                let up_to_date = |machine: &Machine| machine.up && (machine.boots == 0 || machine.booted + lag <= now);
                self.machines.iter().map(|machine| (machine.name.clone(), up_to_date(machine))).collect()
            }),
            fabric: asked(ask, Part::Fabric, || {
                self.machines.iter().map(|machine| format!("{} Up", machine.name)).collect()
            }),
            lease: Answer::not_asked(),
            fitness: asked(ask, Part::Fitness, || fitness(machine)),
            central_management: asked(ask, Part::CentralManagement, || central_management(&self.change, machine.pool)),
        }
    }

    fn readiness(&mut self, at: usize) -> Answer<Readiness> {
        let pool = &self.pools[self.machines[at].pool];
        let registrar = |machine: &usize, state: RunState| {
            let services = &self.machines[*machine].services;
            services.iter().any(|s| s.name.as_str() == "RTCSRV" && s.state == state)
        };
        let inactive = self.paused_front_end == PausedFrontEnd::Inactive;
        let is_active = |machine: &&usize| {
            registrar(machine, RunState::Running) || (!inactive && registrar(machine, RunState::Paused))
        };
        let active = pool.machines.iter().filter(is_active).count();
        let paused = inactive && pool.machines.iter().any(|machine| registrar(machine, RunState::Paused));
        let busy = paused || (pool.busy.0 <= self.now && self.now < pool.busy.1);
        let state = match pool.quorum {
            Some((need, _)) if active < need => ReadinessState::InsufficientActiveFrontEnds,
            _ if busy => ReadinessState::Busy,
            _ => ReadinessState::Ready,
        };
        let total = u32::try_from(pool.machines.len()).ok();
        Answer::Known(Readiness { state, active: u32::try_from(active).ok(), total, domains: Vec::new() })
    }

    /// Leaves out, contradicts and distorts.
    fn spoil(&mut self, at: usize, ask: &Ask, value: &mut ServerObservation) {
        if self.happens(Fault::PartialAnswers) {
            let why = "this part was not answered";
            match self.dice.place(6) {
                0 => (value.host, value.file) = (Answer::unknown(why), Answer::unknown(why)),
                1 => value.services = Answer::unknown(why),
                2 => value.versions = Answer::unknown(why),
                3 => value.installer = Answer::unknown(why),
                4 => {
                    value.readiness = Answer::unknown(why);
                    value.central_management = Answer::unknown(why);
                }
                _ => self.one_unknown(value),
            }
        }
        if self.happens(Fault::EmptyAnswers) {
            match self.dice.place(3) {
                0 => value.services = Answer::Known(BTreeMap::new()),
                1 => value.sessions.clear(),
                _ => value.versions = Answer::Known(Vec::new()),
            }
        }
        if self.happens(Fault::NegativeCounts) {
            for reading in value.sessions.values_mut() {
                for measure in &mut reading.measures {
                    measure.value = Answer::Known(-1);
                }
            }
        }
        if self.faults.has(Fault::Contradictions) {
            self.contradict(at, ask, value);
        }
    }

    fn one_unknown(&mut self, value: &mut ServerObservation) {
        let Answer::Known(services) = &mut value.services else { return };
        let place = self.dice.place(services.len());
        if let Some((name, status)) = services.iter_mut().nth(place) {
            if self.dice.chance(0.5) {
                status.state = Answer::unknown("it said nothing");
                status.start = Answer::unknown("it said nothing");
            }
            if let Some(reading) = value.sessions.get_mut(name) {
                reading.measures.clear();
            }
        }
    }

    /// Says once what the next answer takes back. Never more than two false zeros in a row, and never that something
    /// has begun to serve that we have just brought back: against an answer that is consistently false nobody can guard.
    fn contradict(&mut self, at: usize, ask: &Ask, value: &mut ServerObservation) {
        if ask.wants(Part::CentralManagement) && self.happens(Fault::Contradictions) {
            value.central_management = Answer::Known(CentralManagement { active: None });
        }
        let now = self.now;
        for name in &ask.sessions {
            let Some(place) = self.machines[at].service(name) else { continue };
            let lie = self.happens(Fault::Contradictions);
            let service = &mut self.machines[at].services[place];
            let truth = service.sessions(now);
            let Some(reading) = value.sessions.get_mut(name) else { continue };
            if truth > 0 && lie && service.lies < 2 && !service.returning {
                service.lies += 1;
                set(reading, 0);
            } else {
                service.lies = 0;
                if lie && truth == 0 {
                    set(reading, 2);
                }
            }
        }
        // What is written down as the truth to restore is not contradicted.
        if ask.wants(Part::Versions) || !self.happens(Fault::Contradictions) {
            return;
        }
        let Answer::Known(services) = &mut value.services else { return };
        let place = self.dice.place(services.len());
        if let Some(status) = services.values_mut().nth(place)
            && let Answer::Known(state) = &mut status.state
        {
            *state = match *state {
                RunState::Running => RunState::StartPending,
                RunState::Paused => RunState::PausePending,
                other => other,
            };
        }
    }

    /// Gives the answer of an earlier look of the same kind, with its true age.
    fn stale(&mut self, at: usize, ask: &Ask, fresh: ServerObservation) -> ServerObservation {
        let old = self.machines[at].remembered.clone();
        if let Some((asked, seen)) = old
            && asked == *ask
            && self.stamp(self.now).duration_since(seen.taken).as_secs() < 30 * 60
            && self.happens(Fault::StaleAnswers)
        {
            return seen;
        }
        self.machines[at].remembered = Some((ask.clone(), fresh.clone()));
        fresh
    }

    /// Looks names up.
    pub(crate) fn resolve(&mut self, ask: &DnsAsk) -> Reply<DnsObservation> {
        let taken = self.stamp(self.now);
        let pool = self.change.pools.iter().position(|pool| pool.name == ask.pool).unwrap_or_default();
        let (mut answers, mut external) = (Vec::new(), Vec::new());
        for (number, resolver) in [53_u8, 54].into_iter().enumerate() {
            let lost = self.happens(Fault::LostAnswers);
            let empty = self.happens(Fault::EmptyAnswers);
            let resolver = SocketAddr::from(([192, 0, 2, resolver], 53));
            let answer = |name: &DnsName| {
                let records = if lost {
                    Answer::unknown("no answer within 5 s")
                } else {
                    let addresses = if empty { Vec::new() } else { self.addresses(pool, number, name) };
                    Answer::Known(AddressRecords { addresses, ttl_s: 300, alias: None })
                };
                DnsAnswer { name: name.clone(), resolver, records }
            };
            answers.extend(ask.names.iter().map(answer));
            external.extend(ask.external.iter().map(answer));
        }
        let late = self.happens(Fault::LateAnswers);
        let after = if late { self.dice.between(SECOND, MINUTE) } else { self.latency() };
        Reply { after, value: DnsObservation { taken, answers, external } }
    }

    fn addresses(&self, pool: usize, resolver: usize, name: &DnsName) -> Vec<IpAddr> {
        let described = &self.change.pools[pool];
        let missing = &self.pools[pool].missing[resolver];
        let machines = self.pools[pool].machines.iter().filter(|machine| !missing.contains_key(machine));
        if described.name.as_str() == name.as_str() {
            return machines.map(|machine| self.machines[*machine].address).collect();
        }
        if described.load_balancing.entry.contains(name) {
            let all = &self.pools[pool].machines;
            let narrow = self.narrow(pool).map(|(machine, _)| vec![machine]);
            return narrow.as_ref().unwrap_or(all).iter().map(|machine| self.machines[*machine].address).collect();
        }
        if let Some((_, uses)) = described.external_names().iter().find(|(external, _)| *external == name) {
            // A server whose record is missing is missing under every name of its pool.
            let servers = machines.filter_map(|machine| described.server(&self.machines[*machine].name));
            return external(described, uses, servers);
        }
        let own = self.machines.iter().find(|machine| machine.name.as_str() == name.as_str());
        own.map_or_else(|| vec![IpAddr::from([203, 0, 113, 10])], |machine| vec![machine.address])
    }
}

/// Returns what an external name of a pool leads to: its servers, or the balancer in front of them.
fn external<'a>(pool: &Pool, uses: &[ExternalUse], servers: impl Iterator<Item = &'a Server>) -> Vec<IpAddr> {
    match pool.load_balancing.sip {
        SipBalancing::Dns => {
            let addresses: BTreeSet<IpAddr> = servers.flat_map(|server| server.external_addresses(uses)).collect();
            addresses.into_iter().collect()
        }
        // From the range for tests of network devices: no server of a plan has it.
        SipBalancing::Hardware => vec![IpAddr::from([198, 18, 0, 10])],
    }
}

fn asked<T>(ask: &Ask, part: Part, value: impl FnOnce() -> T) -> Answer<T> {
    if ask.wants(part) { Answer::Known(value()) } else { Answer::Unknown(String::new()) }
}

fn set(reading: &mut SessionReading, value: i64) {
    for measure in &mut reading.measures {
        measure.value = Answer::Known(value);
    }
}

/// Returns services with what depends on them, directly or through others.
fn with_dependents(machine: &Machine, asked: &[ServiceName]) -> Vec<ServiceName> {
    let mut names = asked.to_vec();
    let mut position = 0;
    while position < names.len() {
        let service = machine.service(&names[position]).map(|place| &machine.services[place]);
        for dependent in service.into_iter().flat_map(|service| &service.dependents) {
            if !names.contains(dependent) {
                names.push(dependent.clone());
            }
        }
        position += 1;
    }
    names
}

fn status(service: &Service) -> ServiceStatus {
    ServiceStatus {
        name: service.name.clone(),
        display_name: String::new(),
        state: Answer::Known(service.state),
        start: Answer::Known(service.start),
        accepts_pause: matches!(service.state, RunState::Running | RunState::Paused),
        dependents: Answer::Known(service.dependents.clone()),
    }
}

fn reading(service: &Service, now: Ms) -> SessionReading {
    SessionReading {
        measures: vec![Measure::new(String::new(), Answer::Known(service.sessions(now)))],
        draining: service.says_draining.then(|| {
            let drains = service.state == RunState::Paused && now >= service.drains_from;
            Answer::Known(if drains { DrainingState::Draining } else { DrainingState::NotDraining })
        }),
    }
}

/// The levels before and after the patch.
pub(crate) const LEVELS: [&str; 2] = ["5.0.8308.866", "5.0.8308.1149"];

/// The levels before and after a patch to this level.
pub(crate) fn levels(wanted: Option<&Version>) -> [Version; 2] {
    let parse = |text: &str| Version::parse(text).expect("the levels of the simulation are versions");
    let Some(wanted) = wanted else { return LEVELS.map(parse) };
    // Of the same product line, and older than any update of it.
    let text = wanted.to_string();
    let line: Vec<&str> = text.split('.').take(2).collect();
    [parse(&line.join(".")), wanted.clone()]
}

/// The component that some installers leave as it was.
pub(crate) const LEFT_OUT: &str = "Administrative Tools";

fn versions(machine: &Machine, levels: &[Version; 2]) -> Vec<ComponentVersion> {
    let at = |component: &str, patched: bool| ComponentVersion {
        component: component.to_owned(),
        version: levels[usize::from(patched)].clone(),
    };
    let mut second = at(LEFT_OUT, machine.patched && !machine.left_out);
    if machine.lowered {
        second.version = lower(&levels[0]);
    }
    vec![at("Core Components", machine.patched), second]
}

/// A version of the same line of products that is older than this one, if there is any.
fn lower(level: &Version) -> Version {
    let text = level.to_string();
    let line: Vec<&str> = text.split('.').take(2).collect();
    Version::parse(&format!("{}.1", line.join("."))).map_or_else(|_| level.clone(), |lower| lower.min(level.clone()))
}

fn installer(machine: &Machine, ask: &Ask) -> Answer<InstallerState> {
    let Some(token) = &ask.installer else { return Answer::Unknown(String::new()) };
    Answer::Known(match machine.installers.get(token) {
        None => InstallerState::NotStarted,
        Some(Installer::Running) => InstallerState::Running,
        Some(Installer::Finished(exit_code)) => InstallerState::Finished { exit_code: *exit_code },
        Some(Installer::Killed) => InstallerState::Killed { note: "it was ended at its deadline".to_owned() },
        Some(Installer::Vanished) => InstallerState::Vanished,
        Some(Installer::NeverRan) => InstallerState::NeverRan { why: "access is denied".to_owned() },
    })
}

/// Every machine has the installer of the plan.
/// The server that the plan states, or the partner: the world is as the plan says.
fn central_management(change: &Change, pool: usize) -> CentralManagement {
    let pool = &change.pools[pool];
    let stated = change.central_management(pool).map(|(_, server)| server.name.to_string());
    CentralManagement { active: stated.or_else(|| pool.paired_with.as_ref().map(ToString::to_string)) }
}

fn fitness(machine: &Machine) -> Fitness {
    let mut fitness = fit();
    if machine.restart_due {
        fitness.pending.insert(PendingSign::WindowsUpdate, Answer::Known(Some("installed updates".to_owned())));
    }
    fitness
}

/// Every machine has room, and no restart is due.
pub(crate) fn fit() -> Fitness {
    let free = Answer::Known(BTreeMap::from([("C:".to_owned(), 1 << 40)]));
    Fitness { free, pending: PendingSign::ALL.into_iter().map(|sign| (sign, Answer::Known(None))).collect() }
}

fn file(change: &Change, ask: &Ask) -> Answer<FileFacts> {
    if ask.file.is_none() {
        return Answer::Unknown(String::new());
    }
    file_at(change, ask.file.as_deref())
}

fn file_at(change: &Change, path: Option<&str>) -> Answer<FileFacts> {
    let patch = change.maintenance.installers.iter().find(|patch| Some(patch.installer.as_str()) == path);
    Answer::Known(patch.map_or(FileFacts::Missing, |patch| FileFacts::Found { sha256: patch.sha256.clone() }))
}

/// Returns the service names of a list of texts.
pub(crate) fn service_names(names: &[&str]) -> Vec<ServiceName> {
    names.iter().map(|name| ServiceName::new(name).expect("the names of the simulation are names")).collect()
}
