//! A server in memory, and the flaws that a driver of servers can have.

use super::{assert_found, assert_none, waiting};
use crate::conformance::{Rule, ServerExpectation, Waiting, server_changes, server_reads, server_unreachable};
use crate::{Change, Clock, Observe};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::catalogue::is_product_display;
use orchestrate_model::observe::{HostFacts, InstallerState, Measure, Part, SessionReading};
use orchestrate_model::{
    Act, ActOutcome, Answer, Ask, LeaseAsk, LeaseOutcome, LeaseState, RunState, ServerName, ServerObservation,
    ServiceName, ServiceStatus, StartType,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    AnswersForAnother,
    ReusesOldEvidence,
    AnswersUnasked,
    AbsentIsAnError,
    HidesTheHost,
    ForgetsDependents,
    ForgetsTheProduct,
    LookingWrites,
    AbsentHasZeroSessions,
    EveryTokenRuns,
    Hangs,
    ForgetsDelayed,
    PausingStops,
    NeverGetsThere,
    SecondTimeFails,
    PausesItsNeighbour,
    AcceptsTheAbsent,
    RestartsAnyway,
    TakesTheBalancersAct,
    RefusesAll,
    ComesBackDifferent,
    ForgetsTheLease,
    KeepsTheLease,
    UnreachableLooksEmpty,
    Unreachable,
}

struct Machine {
    flaw: Flaw,
    clock: Clock,
    services: Mutex<BTreeMap<ServiceName, ServiceStatus>>,
    lease: Mutex<LeaseState>,
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn expected() -> ServerExpectation {
    ServerExpectation {
        server: ServerName::new("fe1.contoso.example").unwrap(),
        installed: vec![service("RTCSRV"), service("RTCRGS"), service("RTCODD")],
        absent: service("NOSUCH"),
        changeable: service("RTCRGS"),
        answers: vec![Part::Host, Part::ProductServices, Part::Lease],
    }
}

impl Machine {
    fn new(flaw: Flaw, waiting: &Waiting) -> Self {
        let status = |name: &str| ServiceStatus {
            name: service(name),
            display_name: name.to_owned(),
            state: Answer::Known(RunState::Running),
            start: Answer::Known(StartType::DELAYED),
            accepts_pause: true,
            dependents: Answer::Known(Vec::new()),
        };
        let services = ["RTCSRV", "RTCRGS", "RTCODD", "VENDORBOT"].map(|name| (service(name), status(name)));
        let mut services = BTreeMap::from(services);
        services.get_mut(&service("RTCODD")).unwrap().display_name = "Lync Server XMPP Proxy".to_owned();
        services.get_mut(&service("RTCSRV")).unwrap().dependents = Answer::Known(vec![service("VENDORBOT")]);
        Self { flaw, clock: waiting.clock, services: Mutex::new(services), lease: Mutex::new(LeaseState::Free) }
    }

    /// Moves what is pending one step on, as a look finds it later than the act left it.
    fn settle(&self) {
        for status in self.services.lock().unwrap().values_mut() {
            let settled = match status.state {
                Answer::Known(RunState::PausePending) if self.flaw != Flaw::NeverGetsThere => RunState::Paused,
                Answer::Known(RunState::ContinuePending | RunState::StartPending) => RunState::Running,
                Answer::Known(RunState::StopPending) => RunState::Stopped,
                _ => continue,
            };
            status.state = Answer::Known(settled);
        }
    }

    fn services(&self, ask: &Ask) -> Answer<BTreeMap<ServiceName, ServiceStatus>> {
        let services = self.services.lock().unwrap();
        if self.flaw == Flaw::AbsentIsAnError && ask.services.iter().any(|name| !services.contains_key(name)) {
            return Answer::unknown("no such service");
        }
        let along = ask.services.contains(&service("RTCSRV")) && self.flaw != Flaw::ForgetsDependents;
        let product = ask.wants(Part::ProductServices) && self.flaw != Flaw::ForgetsTheProduct;
        let asked = |name: &ServiceName, status: &ServiceStatus| {
            ask.services.contains(name)
                || (along && name.as_str() == "VENDORBOT")
                || (product && is_product_display(&status.display_name))
        };
        let asked = services.iter().filter(|(name, status)| asked(name, status));
        Answer::Known(asked.map(|(name, status)| (name.clone(), status.clone())).collect())
    }

    fn act_on(&self, name: &ServiceName, to: RunState) -> ActOutcome {
        let mut services = self.services.lock().unwrap();
        if self.flaw == Flaw::PausesItsNeighbour {
            services.get_mut(&service("RTCSRV")).unwrap().state = Answer::Known(RunState::PausePending);
        }
        let Some(status) = services.get_mut(name) else {
            return match self.flaw {
                Flaw::AcceptsTheAbsent => ActOutcome::Accepted,
                _ => ActOutcome::Failed(format!("{name} is not installed")),
            };
        };
        let (pending, settled) = match to {
            RunState::Paused if self.flaw == Flaw::PausingStops => (RunState::StopPending, RunState::Stopped),
            RunState::Paused => (RunState::PausePending, RunState::Paused),
            RunState::Stopped => (RunState::StopPending, RunState::Stopped),
            RunState::ContinuePending => (RunState::ContinuePending, RunState::Running),
            _ => (RunState::StartPending, RunState::Running),
        };
        if status.is(settled) {
            return match self.flaw {
                Flaw::SecondTimeFails => ActOutcome::Failed("already so".to_owned()),
                _ => ActOutcome::AlreadySo,
            };
        }
        if self.flaw == Flaw::ComesBackDifferent {
            status.display_name.push('!');
        }
        status.state = Answer::Known(if self.flaw == Flaw::PausingStops { settled } else { pending });
        ActOutcome::Accepted
    }

    fn set_start(&self, name: &ServiceName, to: StartType) -> ActOutcome {
        match self.services.lock().unwrap().get_mut(name) {
            None => ActOutcome::Failed(format!("{name} is not installed")),
            Some(status) => {
                let delayed = to.delayed && self.flaw != Flaw::ForgetsDelayed;
                status.start = Answer::Known(StartType { delayed, ..to });
                ActOutcome::Accepted
            }
        }
    }
}

const BOOTED: Timestamp = Timestamp::UNIX_EPOCH;

#[async_trait]
impl Observe for Machine {
    async fn observe(&self, ask: &Ask) -> ServerObservation {
        let taken = self.clock.now();
        let mut seen = ServerObservation::unknown(expected().server, taken, "not asked");
        match self.flaw {
            Flaw::Hangs => std::future::pending().await,
            Flaw::Unreachable => return ServerObservation::unknown(seen.server, taken, "no route to the server"),
            Flaw::UnreachableLooksEmpty => {
                seen.services = Answer::Known(BTreeMap::new());
                return seen;
            }
            Flaw::AnswersForAnother => seen.server = ServerName::new("fe2.contoso.example").unwrap(),
            Flaw::ReusesOldEvidence => seen.taken = taken - SignedDuration::from_mins(5),
            Flaw::LookingWrites => {
                let mut services = self.services.lock().unwrap();
                services.get_mut(&service("RTCRGS")).unwrap().display_name.push('.');
            }
            _ => {}
        }
        let host = HostFacts { booted: BOOTED, local_time: taken, system: "in memory".to_owned() };
        if ask.wants(Part::Host) || self.flaw == Flaw::AnswersUnasked {
            seen.host = if self.flaw == Flaw::HidesTheHost { Answer::unknown("denied") } else { Answer::Known(host) };
        }
        if ask.wants_services() {
            seen.services = self.services(ask);
        }
        for name in &ask.sessions {
            let value = match (self.services.lock().unwrap().contains_key(name), self.flaw) {
                (false, Flaw::AbsentHasZeroSessions) => Answer::Known(0),
                (false, _) => Answer::unknown("not installed"),
                (true, _) => Answer::Known(3),
            };
            let measures = vec![Measure::new("Concurrent Calls".to_owned(), value)];
            seen.sessions.insert(name.clone(), SessionReading { measures, draining: None });
        }
        if ask.wants(Part::Lease) {
            seen.lease = Answer::Known(self.lease.lock().unwrap().clone());
        }
        if ask.installer.is_some() {
            let running = self.flaw == Flaw::EveryTokenRuns;
            seen.installer = Answer::Known(if running { InstallerState::Running } else { InstallerState::NotStarted });
        }
        self.settle();
        seen
    }
}

#[async_trait]
impl Change for Machine {
    async fn apply(&self, act: &Act) -> ActOutcome {
        match (self.flaw, act) {
            (Flaw::RefusesAll, _) => return ActOutcome::Failed("no".to_owned()),
            (Flaw::Unreachable, _) => return ActOutcome::Retry("no route to the server".to_owned()),
            _ => {}
        }
        match act {
            Act::SetStartType { service, to } => self.set_start(service, *to),
            Act::Pause { service } => self.act_on(service, RunState::Paused),
            Act::Continue { service } => self.act_on(service, RunState::ContinuePending),
            Act::Start { service } => self.act_on(service, RunState::Running),
            Act::Stop { service } => self.act_on(service, RunState::Stopped),
            Act::Restart { booted, .. } if *booted == BOOTED || self.flaw == Flaw::RestartsAnyway => {
                ActOutcome::Accepted
            }
            Act::SetBalancer { .. } if self.flaw == Flaw::TakesTheBalancersAct => ActOutcome::AlreadySo,
            Act::Restart { .. } | Act::StartInstaller(_) | Act::SetBalancer { .. } => {
                ActOutcome::Failed("not here".to_owned())
            }
        }
    }

    async fn hold_lease(&self, _ask: &LeaseAsk) -> LeaseOutcome {
        if self.flaw == Flaw::Unreachable {
            return LeaseOutcome::Unknown("no route to the server".to_owned());
        }
        if self.flaw != Flaw::ForgetsTheLease {
            *self.lease.lock().unwrap() = LeaseState::Ours;
        }
        LeaseOutcome::Ours { from: None }
    }

    async fn release_lease(&self) -> Result<(), String> {
        if self.flaw != Flaw::KeepsTheLease {
            *self.lease.lock().unwrap() = LeaseState::Free;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_driver_breaks_nothing() {
    let waiting = waiting();
    let machine = Machine::new(Flaw::None, &waiting);
    assert_none(&server_reads(&machine, &expected(), &waiting).await);
    assert_none(&server_changes(&machine, &expected(), &waiting).await);
    assert_none(&server_unreachable(&Machine::new(Flaw::Unreachable, &waiting), &expected(), &waiting).await);
}

#[tokio::test(start_paused = true)]
async fn flaws_of_looking_are_found() {
    for (flaw, rule) in [
        (Flaw::AnswersForAnother, Rule::NamesItsServer),
        (Flaw::ReusesOldEvidence, Rule::TakenWhenAsked),
        (Flaw::AnswersUnasked, Rule::NotAskedIsNotAnswered),
        (Flaw::AbsentIsAnError, Rule::AbsentIsMissing),
        (Flaw::HidesTheHost, Rule::AskedIsAnswered),
        (Flaw::ForgetsDependents, Rule::DependentsComeAlong),
        (Flaw::ForgetsTheProduct, Rule::AskedIsAnswered),
        (Flaw::LookingWrites, Rule::LookingChangesNothing),
        (Flaw::AbsentHasZeroSessions, Rule::UnreadableIsNoNumber),
        (Flaw::EveryTokenRuns, Rule::UnusedTokenWasNotStarted),
        (Flaw::Hangs, Rule::AnswersInTime),
    ] {
        let waiting = waiting();
        assert_found(&flaw, rule, &server_reads(&Machine::new(flaw, &waiting), &expected(), &waiting).await);
    }
}

#[tokio::test(start_paused = true)]
async fn flaws_of_changing_are_found() {
    for (flaw, rule) in [
        (Flaw::ForgetsDelayed, Rule::StartTypeReadsBack),
        (Flaw::PausingStops, Rule::ChangeComesAbout),
        (Flaw::NeverGetsThere, Rule::ChangeComesAbout),
        (Flaw::SecondTimeFails, Rule::RepeatIsHarmless),
        (Flaw::PausesItsNeighbour, Rule::NothingElseChanges),
        (Flaw::AcceptsTheAbsent, Rule::AbsentCannotBeChanged),
        (Flaw::RestartsAnyway, Rule::OtherBootIsNotRestarted),
        (Flaw::TakesTheBalancersAct, Rule::BalancerActIsRefused),
        (Flaw::RefusesAll, Rule::ChangeIsAccepted),
        (Flaw::ComesBackDifferent, Rule::LeftAsFound),
        (Flaw::ForgetsTheLease, Rule::LeaseIsKept),
        (Flaw::KeepsTheLease, Rule::LeaseIsKept),
        (Flaw::Hangs, Rule::AnswersInTime),
    ] {
        let waiting = waiting();
        assert_found(&flaw, rule, &server_changes(&Machine::new(flaw, &waiting), &expected(), &waiting).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_not_tried() {
    let waiting = waiting();
    let machine = Machine::new(Flaw::None, &waiting);
    machine.act_on(&service("RTCRGS"), RunState::Stopped);
    machine.settle();
    let violations = server_changes(&machine, &expected(), &waiting).await;
    assert_found(&"stopped", Rule::Prepared, &violations);
    assert_eq!(violations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p3_a_silent_server_that_looks_empty_is_found() {
    for (flaw, rule) in [(Flaw::UnreachableLooksEmpty, Rule::UnreachableIsUnknown), (Flaw::Hangs, Rule::AnswersInTime)]
    {
        let waiting = waiting();
        assert_found(&flaw, rule, &server_unreachable(&Machine::new(flaw, &waiting), &expected(), &waiting).await);
    }
}
