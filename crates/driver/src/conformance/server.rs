//! The promises of a driver of servers.

use super::{Findings, Rule, Violation, Waiting, not_asked, same, why_not_unreachable};
use crate::{Change, Observe};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::observe::{BalancerPlace, BalancerState, FileFacts, InstallerState, Part};
use orchestrate_model::{
    Act, ActOutcome, Answer, Ask, InstallerToken, LeaseAsk, LeaseOutcome, LeaseState, PoolName, RunId, RunState,
    ServerName, ServerObservation, ServiceName, ServiceStatus, StartMode, StartType, catalogue,
};
use std::collections::{BTreeMap, BTreeSet};

/// What stands behind a driver of a server.
#[derive(Debug, Clone)]
pub struct ServerExpectation {
    /// The server.
    pub server: ServerName,
    /// Services that are installed, with `changeable` among them. They must be quiet: in a state in which they stay, and
    /// so must be what depends on them.
    pub installed: Vec<ServiceName>,
    /// A service that is not installed.
    pub absent: ServiceName,
    /// An installed service that is running, accepts a pause and a stop, and has no dependents.
    pub changeable: ServiceName,
    /// Parts that the server can answer.
    pub answers: Vec<Part>,
}

const PARTS: [Part; 9] = [
    Part::Host,
    Part::Versions,
    Part::Readiness,
    Part::Replication,
    Part::Fabric,
    Part::CentralManagement,
    Part::ProductServices,
    Part::Lease,
    Part::Fitness,
];

/// A file that no server has.
const NO_FILE: &str = r"C:\conformance\never-there.exe";

/// Boot times move a little when a server's clock is corrected.
const BOOT_TIME_MOVES: SignedDuration = SignedDuration::from_secs(2);

/// Tries the promises of looking at a server that answers. Changes nothing.
pub async fn server_reads(server: &dyn Observe, expected: &ServerExpectation, waiting: &Waiting) -> Vec<Violation> {
    let mut findings = Findings::default();
    let mut asks = vec![Ask::default(), services_ask(&expected.installed)];
    asks.extend(PARTS.map(|part| Ask { parts: [part].into(), ..Ask::default() }));
    for ask in &asks {
        if let Some(seen) = look(&mut findings, server, ask, expected, waiting).await {
            only_what_was_asked(&mut findings, ask, &seen);
            what_was_asked(&mut findings, ask, &seen, expected);
        }
    }
    absent_is_missing(&mut findings, server, expected, waiting).await;
    products_come_along(&mut findings, server, expected, waiting).await;
    looking_changes_nothing(&mut findings, server, expected, waiting).await;
    findings.0
}

/// Tries the promises of changing a server, on one service of it, and puts everything back.
///
/// A driver that breaks a promise may leave the service paused, stopped or with another start type; the violations say
/// so. Run [`server_reads`] first: what fails there is not looked into again here.
pub async fn server_changes(server: &dyn Change, expected: &ServerExpectation, waiting: &Waiting) -> Vec<Violation> {
    let mut trial = Trial { server, expected, waiting, findings: Findings::default() };
    trial.run().await;
    trial.findings.0
}

/// Tries that a driver which reaches nothing says so, and changes nothing: `server` must be pointed at an address where
/// nobody answers.
pub async fn server_unreachable(
    server: &dyn Change,
    expected: &ServerExpectation,
    waiting: &Waiting,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    let ask = Ask {
        parts: PARTS.into(),
        services: expected.installed.clone(),
        sessions: expected.installed.clone(),
        installer: Some(unused_token()),
        file: Some(NO_FILE.to_owned()),
        more_files: Vec::new(),
    };
    if let Some(seen) = look(&mut findings, server, &ask, expected, waiting).await {
        let rule = Rule::UnreachableIsUnknown;
        findings.add_if(rule, why_not_unreachable("the host", &seen.host));
        findings.add_if(rule, why_not_unreachable("the services", &seen.services));
        findings.add_if(rule, why_not_unreachable("the versions", &seen.versions));
        findings.add_if(rule, why_not_unreachable("the installer", &seen.installer));
        findings.add_if(rule, why_not_unreachable("the file", &seen.file));
        findings.add_if(rule, why_not_unreachable("the readiness", &seen.readiness));
        findings.add_if(rule, why_not_unreachable("the replication", &seen.replication));
        findings.add_if(rule, why_not_unreachable("the central management", &seen.central_management));
        for (service, reading) in &seen.sessions {
            if let Answer::Known(left) = reading.left() {
                findings.add(Rule::UnreadableIsNoNumber, format!("{service} has {left} sessions"));
            }
        }
    }
    let act = Act::Pause { service: expected.changeable.clone() };
    match waiting.look(server.apply(&act)).await {
        None => findings.add(Rule::AnswersInTime, format!("{act}: nothing within {:#}", waiting.patience)),
        Some(look) if look.seen.is_success() => {
            findings.add(Rule::UnreachableIsUnknown, format!("{act}: {:?}", look.seen));
        }
        Some(_) => {}
    }
    findings.0
}

async fn look(
    findings: &mut Findings,
    server: &dyn Observe,
    ask: &Ask,
    expected: &ServerExpectation,
    waiting: &Waiting,
) -> Option<ServerObservation> {
    let Some(look) = waiting.look(server.observe(ask)).await else {
        findings.add(Rule::AnswersInTime, format!("{ask:?}: nothing within {:#}", waiting.patience));
        return None;
    };
    if look.seen.server != expected.server {
        findings.add(Rule::NamesItsServer, format!("expected {}, found {}", expected.server, look.seen.server));
    }
    findings.add_if(Rule::TakenWhenAsked, look.why_stale(look.seen.taken));
    Some(look.seen)
}

fn services_ask(services: &[ServiceName]) -> Ask {
    Ask { services: services.to_vec(), ..Ask::default() }
}

fn unused_token() -> InstallerToken {
    InstallerToken("conformance-never-used".to_owned())
}

fn only_what_was_asked(findings: &mut Findings, ask: &Ask, seen: &ServerObservation) {
    let mut unasked = |part: &str, why: Option<&str>| {
        if why != Some(not_asked().as_str()) {
            findings.add(Rule::NotAskedIsNotAnswered, format!("{part} says {why:?} to {ask:?}"));
        }
    };
    if !ask.wants(Part::Host) {
        unasked("the host", seen.host.why_unknown());
    }
    if !ask.wants(Part::Versions) {
        unasked("the versions", seen.versions.why_unknown());
    }
    if !ask.wants(Part::Readiness) {
        unasked("the readiness", seen.readiness.why_unknown());
    }
    if !ask.wants(Part::Replication) {
        unasked("the replication", seen.replication.why_unknown());
    }
    if !ask.wants(Part::Fabric) {
        unasked("the fabric state", seen.fabric.why_unknown());
    }
    if !ask.wants(Part::CentralManagement) {
        unasked("the central management", seen.central_management.why_unknown());
    }
    if !ask.wants(Part::Lease) {
        unasked("the lease", seen.lease.why_unknown());
    }
    if !ask.wants(Part::Fitness) {
        unasked("the fitness", seen.fitness.why_unknown());
    }
    if !ask.wants_services() {
        unasked("the services", seen.services.why_unknown());
    }
    if ask.installer.is_none() {
        unasked("the installer", seen.installer.why_unknown());
    }
    if ask.file.is_none() {
        unasked("the file", seen.file.why_unknown());
    }
    for service in seen.sessions.keys().filter(|service| !ask.sessions.contains(service)) {
        findings.add(Rule::NotAskedIsNotAnswered, format!("the sessions of {service}"));
    }
    let Some(services) = seen.services.known() else { return };
    let listed = services.values().filter_map(|status| status.dependents.known()).flatten();
    let with: BTreeSet<&ServiceName> = listed.chain(&ask.services).collect();
    let of_product = |status: &ServiceStatus| {
        ask.wants(Part::ProductServices) && catalogue::is_product_display(&status.display_name)
    };
    let unasked = services.iter().filter(|(service, status)| !with.contains(service) && !of_product(status));
    for (service, _) in unasked {
        findings.add(Rule::NotAskedIsNotAnswered, format!("the service {service}"));
    }
}

fn what_was_asked(findings: &mut Findings, ask: &Ask, seen: &ServerObservation, expected: &ServerExpectation) {
    for part in ask.parts.iter().filter(|part| expected.answers.contains(part)) {
        let why = match part {
            Part::Host => seen.host.why_unknown(),
            Part::Versions => seen.versions.why_unknown(),
            Part::Readiness => seen.readiness.why_unknown(),
            Part::Replication => seen.replication.why_unknown(),
            Part::Fabric => seen.fabric.why_unknown(),
            Part::CentralManagement => seen.central_management.why_unknown(),
            Part::ProductServices => seen.services.why_unknown(),
            Part::Lease => seen.lease.why_unknown(),
            Part::Fitness => seen.fitness.why_unknown(),
        };
        findings.add_if(Rule::AskedIsAnswered, why.map(|why| format!("{part:?}: {why}")));
    }
    if ask.services.is_empty() {
        return;
    }
    let services = match seen.services.as_result() {
        Ok(services) => services,
        Err(why) => return findings.add(Rule::AskedIsAnswered, format!("the services: {why}")),
    };
    for service in &ask.services {
        let Some(status) = services.get(service) else {
            findings.add(Rule::AskedIsAnswered, format!("{service} is installed and missing"));
            continue;
        };
        if status.name != *service {
            findings.add(Rule::AskedIsAnswered, format!("{service} is filed under another name, {}", status.name));
        }
        findings
            .add_if(Rule::AskedIsAnswered, status.state.why_unknown().map(|why| format!("{service}, state: {why}")));
        let start = status.start.why_unknown().map(|why| format!("{service}, start type: {why}"));
        findings.add_if(Rule::AskedIsAnswered, start);
    }
    for (service, status) in services {
        let missing = status.dependents.known().into_iter().flatten().filter(|name| !services.contains_key(name));
        for dependent in missing {
            findings.add(Rule::DependentsComeAlong, format!("{dependent} depends on {service} and is missing"));
        }
    }
}

async fn absent_is_missing(
    findings: &mut Findings,
    server: &dyn Observe,
    expected: &ServerExpectation,
    waiting: &Waiting,
) {
    let absent = &expected.absent;
    let ask = Ask {
        services: vec![absent.clone(), expected.changeable.clone()],
        sessions: vec![absent.clone()],
        installer: Some(unused_token()),
        file: Some(NO_FILE.to_owned()),
        more_files: Vec::new(),
        ..Ask::default()
    };
    let Some(seen) = look(findings, server, &ask, expected, waiting).await else { return };
    match seen.services.as_result() {
        Err(why) => findings.add(Rule::AbsentIsMissing, format!("{absent} made all services unknown: {why}")),
        Ok(services) => {
            if services.contains_key(absent) {
                findings.add(Rule::AbsentIsMissing, format!("{absent} is there"));
            }
            if !services.contains_key(&expected.changeable) {
                findings.add(Rule::AskedIsAnswered, format!("{absent} hides {}", expected.changeable));
            }
        }
    }
    if let Some(Answer::Known(left)) = seen.sessions.get(absent).map(|reading| reading.left()) {
        findings.add(Rule::UnreadableIsNoNumber, format!("{absent} is not installed and has {left} sessions"));
    }
    match seen.installer {
        Answer::Unknown(_) | Answer::Known(InstallerState::NotStarted) => {}
        Answer::Known(state) => findings.add(Rule::UnusedTokenWasNotStarted, format!("{state:?}")),
    }
    if let Answer::Known(FileFacts::Found { sha256 }) = seen.file {
        findings.add(Rule::AbsentIsMissing, format!("{NO_FILE} is there, with SHA-256 {sha256}"));
    }
}

/// Who asks for the services of the product misses none that is installed, under whatever name.
async fn products_come_along(
    findings: &mut Findings,
    server: &dyn Observe,
    expected: &ServerExpectation,
    waiting: &Waiting,
) {
    if !expected.answers.contains(&Part::ProductServices) {
        return;
    }
    let by_name = look(findings, server, &services_ask(&expected.installed), expected, waiting).await;
    let ask =
        Ask { parts: [Part::ProductServices].into(), services: vec![expected.changeable.clone()], ..Ask::default() };
    let as_parts = look(findings, server, &ask, expected, waiting).await;
    let (Some(by_name), Some(as_parts)) = (by_name, as_parts) else { return };
    let of_product = by_name.services.known().into_iter().flat_map(BTreeMap::values);
    for status in of_product.filter(|status| catalogue::is_product_display(&status.display_name)) {
        if as_parts.service(&status.name).is_none() {
            let found = format!("{} ({}) is missing from the product's services", status.name, status.display_name);
            findings.add(Rule::AskedIsAnswered, found);
        }
    }
}

async fn looking_changes_nothing(
    findings: &mut Findings,
    server: &dyn Observe,
    expected: &ServerExpectation,
    waiting: &Waiting,
) {
    let ask = Ask {
        parts: PARTS.into(),
        services: expected.installed.clone(),
        sessions: expected.installed.clone(),
        installer: Some(unused_token()),
        file: Some(NO_FILE.to_owned()),
        more_files: Vec::new(),
    };
    let Some(one) = look(findings, server, &ask, expected, waiting).await else { return };
    let Some(two) = look(findings, server, &ask, expected, waiting).await else { return };
    let mut compare = |part: &str, equal: Option<()>| {
        if equal.is_none() {
            findings.add(Rule::LookingChangesNothing, format!("{part} differ between two looks: {one:?} and {two:?}"));
        }
    };
    compare("the services", same(&one.services, &two.services).then_some(()));
    compare("the versions", same(&one.versions, &two.versions).then_some(()));
    compare("the installer's states", same(&one.installer, &two.installer).then_some(()));
    compare("the boot times", same_boot(&one, &two).then_some(()));
    // How many sessions there are may change between two looks; whose are counted may not.
    compare("the services with sessions", one.sessions.keys().eq(two.sessions.keys()).then_some(()));
}

fn same_boot(one: &ServerObservation, two: &ServerObservation) -> bool {
    match (one.host.known(), two.host.known()) {
        (Some(one), Some(two)) => one.booted.duration_since(two.booted).abs() <= BOOT_TIME_MOVES,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The changes tried on one service.
struct Trial<'a> {
    server: &'a dyn Change,
    expected: &'a ServerExpectation,
    waiting: &'a Waiting,
    findings: Findings,
}

impl Trial<'_> {
    async fn run(&mut self) {
        let Some(before) = self.prepared().await else { return };
        let service = self.expected.changeable.clone();
        self.absent_cannot_be_changed().await;
        self.refuses_the_balancers_act().await;
        self.other_boot_is_not_restarted().await;
        self.lease_is_kept().await;
        for to in [StartType::MANUAL, StartType::DELAYED, StartType::AUTOMATIC, before.1] {
            self.start_type(to).await;
        }
        let pause = Act::Pause { service: service.clone() };
        self.act(&pause, RunState::Paused, &[RunState::PausePending]).await;
        let resume = Act::Continue { service: service.clone() };
        self.act(&resume, RunState::Running, &[RunState::Paused, RunState::ContinuePending]).await;
        let stop = Act::Stop { service: service.clone() };
        self.act(&stop, RunState::Stopped, &[RunState::Running, RunState::StopPending]).await;
        let start = Act::Start { service };
        self.act(&start, RunState::Running, &[RunState::Stopped, RunState::StartPending]).await;
        if let Some(after) = self.states().await
            && after != before.0
        {
            self.findings.add(Rule::LeftAsFound, format!("expected {:?}, found {after:?}", before.0));
        }
    }

    /// Returns how the services are and the start type of the one to change, if it can be changed at all.
    async fn prepared(&mut self) -> Option<(Vec<ServiceStatus>, StartType)> {
        let states = self.states().await?;
        let status = states.iter().find(|status| status.name == self.expected.changeable);
        let start = status.and_then(|status| status.start.known().copied());
        match (status, start) {
            (Some(status), Some(start))
                if status.is(RunState::Running)
                    && status.accepts_pause
                    && !matches!(start.mode, StartMode::Disabled | StartMode::Boot | StartMode::System) =>
            {
                Some((states, start))
            }
            _ => {
                let wanted = format!("{} running, accepting a pause, not disabled", self.expected.changeable);
                self.findings.add(Rule::Prepared, format!("expected {wanted}; found {status:?}"));
                None
            }
        }
    }

    async fn states(&mut self) -> Option<Vec<ServiceStatus>> {
        let ask = services_ask(&self.expected.installed);
        let seen = look(&mut self.findings, self.server, &ask, self.expected, self.waiting).await?;
        match seen.services {
            Answer::Known(services) => Some(services.into_values().collect()),
            Answer::Unknown(why) => {
                self.findings.add(Rule::AskedIsAnswered, format!("the services: {why}"));
                None
            }
        }
    }

    /// Returns the service that is changed, and the others.
    async fn parted(&mut self) -> Option<(ServiceStatus, Vec<ServiceStatus>)> {
        let mut states = self.states().await?;
        let place = states.iter().position(|status| status.name == self.expected.changeable)?;
        let status = states.remove(place);
        Some((status, states))
    }

    async fn apply(&mut self, act: &Act) -> Option<ActOutcome> {
        let Some(look) = self.waiting.look(self.server.apply(act)).await else {
            self.findings.add(Rule::AnswersInTime, format!("{act}: nothing within {:#}", self.waiting.patience));
            return None;
        };
        Some(look.seen)
    }

    /// Asks for a change of state, watches it come about, and asks for it again.
    async fn act(&mut self, act: &Act, wanted: RunState, on_the_way: &[RunState]) {
        let Some((before, others)) = self.parted().await else { return };
        match self.apply(act).await {
            Some(outcome) if outcome.is_success() => {}
            Some(outcome) => return self.findings.add(Rule::ChangeIsAccepted, format!("{act}: {outcome:?}")),
            None => return,
        }
        self.comes_about(act, wanted, on_the_way).await;
        match self.apply(act).await {
            Some(outcome) if !outcome.is_success() => {
                self.findings.add(Rule::RepeatIsHarmless, format!("{act}: {outcome:?} the second time"));
            }
            Some(_) | None => {}
        }
        let Some((after, others_after)) = self.parted().await else { return };
        if !after.is(wanted) {
            self.findings.add(Rule::RepeatIsHarmless, format!("{act}: {:?} after the second time", after.state));
        }
        if others != others_after || !same(&before.start, &after.start) {
            let found = format!("{act}: before {before:?} and {others:?}, after {after:?} and {others_after:?}");
            self.findings.add(Rule::NothingElseChanges, found);
        }
    }

    async fn comes_about(&mut self, act: &Act, wanted: RunState, on_the_way: &[RunState]) {
        let deadline = self.waiting.deadline();
        loop {
            let Some((now, _)) = self.parted().await else { return };
            match &now.state {
                Answer::Known(state) if *state == wanted => return,
                Answer::Known(state) if !on_the_way.contains(state) => {
                    return self.findings.add(Rule::ChangeComesAbout, format!("{act}: {state} on the way to {wanted}"));
                }
                Answer::Known(_) | Answer::Unknown(_) => {}
            }
            if self.waiting.is_over(deadline) {
                let found = format!("{act}: {:?} after {:#}", now.state, self.waiting.patience);
                return self.findings.add(Rule::ChangeComesAbout, found);
            }
            self.waiting.pause().await;
        }
    }

    async fn start_type(&mut self, to: StartType) {
        let act = Act::SetStartType { service: self.expected.changeable.clone(), to };
        let Some((before, others)) = self.parted().await else { return };
        for (time, rule) in [("first", Rule::ChangeIsAccepted), ("second", Rule::RepeatIsHarmless)] {
            match self.apply(&act).await {
                Some(outcome) if !outcome.is_success() => {
                    return self.findings.add(rule, format!("{act}, the {time} time: {outcome:?}"));
                }
                Some(_) => {}
                None => return,
            }
            let Some((after, others_after)) = self.parted().await else { return };
            if after.start != Answer::Known(to) {
                self.findings.add(Rule::StartTypeReadsBack, format!("expected {to}, found {:?}", after.start));
            }
            if others != others_after || !same(&before.state, &after.state) {
                let found = format!("{act}: before {before:?} and {others:?}, after {after:?} and {others_after:?}");
                self.findings.add(Rule::NothingElseChanges, found);
            }
        }
    }

    async fn absent_cannot_be_changed(&mut self) {
        let service = self.expected.absent.clone();
        let acts = [
            Act::Pause { service: service.clone() },
            Act::Continue { service: service.clone() },
            Act::Start { service: service.clone() },
            Act::Stop { service: service.clone() },
            Act::SetStartType { service, to: StartType::MANUAL },
        ];
        for act in acts {
            match self.apply(&act).await {
                Some(ActOutcome::Failed(_)) | None => {}
                Some(outcome) => self.findings.add(Rule::AbsentCannotBeChanged, format!("{act}: {outcome:?}")),
            }
        }
    }

    /// Takes the lease, reads it back as ours, takes it again, and gives it back.
    async fn lease_is_kept(&mut self) {
        if !self.expected.answers.contains(&Part::Lease) {
            return;
        }
        let Ok(run) = RunId::new("conformance") else { return };
        let ask = LeaseAsk { run, lasts: SignedDuration::from_mins(5) };
        for time in ["first", "second"] {
            match self.waiting.look(self.server.hold_lease(&ask)).await.map(|look| look.seen) {
                Some(LeaseOutcome::Ours { from: None }) => {}
                found => self.findings.add(Rule::LeaseIsKept, format!("taken the {time} time: {found:?}")),
            }
            self.lease_reads(&LeaseState::Ours).await;
        }
        match self.waiting.look(self.server.release_lease()).await.map(|look| look.seen) {
            Some(Ok(())) => {}
            found => self.findings.add(Rule::LeaseIsKept, format!("given back: {found:?}")),
        }
        self.lease_reads(&LeaseState::Free).await;
    }

    async fn lease_reads(&mut self, wanted: &LeaseState) {
        let ask = Ask { parts: [Part::Lease].into(), ..Ask::default() };
        let Some(seen) = look(&mut self.findings, self.server, &ask, self.expected, self.waiting).await else { return };
        if seen.lease.known() != Some(wanted) {
            self.findings.add(Rule::LeaseIsKept, format!("expected {wanted:?}, found {:?}", seen.lease));
        }
    }

    async fn refuses_the_balancers_act(&mut self) {
        // Any pool does: the act is refused because it is not for a server.
        let Ok(pool) = PoolName::new("pool.conformance.example") else { return };
        let (balancer, backend, slot) = ("192.0.2.9:9999".to_owned(), "web".to_owned(), "server".to_owned());
        let at = BalancerPlace { balancer, backend, slot, address: None };
        match self.apply(&Act::SetBalancer { pool, at, to: BalancerState::Drain }).await {
            Some(ActOutcome::Failed(_)) | None => {}
            Some(outcome) => self.findings.add(Rule::BalancerActIsRefused, format!("{outcome:?}")),
        }
    }

    async fn other_boot_is_not_restarted(&mut self) {
        let Some(booted) = self.booted().await else { return };
        let Ok(other) = booted.checked_sub(SignedDuration::from_hours(1)) else { return };
        let act = Act::Restart { booted: other, comment: "conformance: this restart must not happen".to_owned() };
        match self.apply(&act).await {
            // With another boot time the restart may count as having happened already.
            Some(ActOutcome::Failed(_) | ActOutcome::Retry(_) | ActOutcome::AlreadySo) | None => {}
            Some(outcome) => self.findings.add(Rule::OtherBootIsNotRestarted, format!("{outcome:?}")),
        }
    }

    async fn booted(&mut self) -> Option<Timestamp> {
        let ask = Ask { parts: [Part::Host].into(), ..Ask::default() };
        let seen = look(&mut self.findings, self.server, &ask, self.expected, self.waiting).await?;
        seen.host.known().map(|host| host.booted)
    }
}
