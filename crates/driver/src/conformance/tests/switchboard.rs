//! A balancer and name servers in memory, and the flaws that their drivers can have.

use super::{assert_found, assert_none, waiting};
use crate::conformance::{
    BalancerExpectation, NameExpectation, NamesExpectation, Rule, Waiting, balancer_changes, balancer_reads,
    balancer_unreachable, names, names_unreachable,
};
use crate::{ChangeBalancer, Clock, NoNames, ObserveBalancer, Resolve};
use async_trait::async_trait;
use orchestrate_model::observe::{
    AddressRecords, BalancerEntry, BalancerObservation, BalancerPlace, BalancerServer, BalancerState, DnsAnswer,
    DnsAsk, DnsObservation,
};
use orchestrate_model::{ActOutcome, Answer, DnsName, ServerName};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Unreachable,
    LooksEmpty,
    InventsServers,
    LookingDrains,
    AcceptsAll,
    RepeatFails,
    DoesNothing,
    ChangesTheOthers,
    Unsorted,
    AbsentIsUnknown,
    AnswersTwice,
    ForgetsExternal,
    IgnoresPlaces,
}

struct Switchboard {
    flaw: Flaw,
    clock: Clock,
    states: Mutex<BTreeMap<ServerName, BalancerState>>,
}

fn server(name: &str) -> ServerName {
    ServerName::new(&format!("{name}.contoso.example")).unwrap()
}

fn balancer() -> BalancerExpectation {
    let servers = vec![server("fe1"), server("fe2")];
    BalancerExpectation { servers, absent: server("fe9"), place: place(&server("fe1")) }
}

fn place(server: &ServerName) -> BalancerPlace {
    let (balancer, backend, slot) = ("192.0.2.9:9999".to_owned(), "web".to_owned(), server.short().to_owned());
    let last = u8::try_from(server.as_str().bytes().map(u32::from).sum::<u32>() % 200).unwrap();
    BalancerPlace { balancer, backend, slot, address: Some(IpAddr::from([192, 0, 2, last])) }
}

fn pool() -> DnsName {
    DnsName::new("pool01.contoso.example").unwrap()
}

fn addresses() -> Vec<IpAddr> {
    ["192.0.2.11", "192.0.2.12"].map(|address| address.parse().unwrap()).to_vec()
}

fn known_names() -> NamesExpectation {
    let records = NameExpectation { addresses: addresses().into_iter().collect(), alias: None };
    NamesExpectation {
        names: BTreeMap::from([(pool(), records)]),
        absent: DnsName::new("gone.contoso.example").unwrap(),
    }
}

impl Switchboard {
    fn new(flaw: Flaw, waiting: &Waiting) -> Self {
        let states = balancer().servers.into_iter().map(|server| (server, BalancerState::Ready)).collect();
        Self { flaw, clock: waiting.clock, states: Mutex::new(states) }
    }
}

#[async_trait]
impl ObserveBalancer for Switchboard {
    async fn observe_balancer(&self) -> BalancerObservation {
        let taken = self.clock.now();
        let mut states = self.states.lock().unwrap();
        let seen = |server: &ServerName, admin| BalancerServer {
            entries: BTreeMap::from([(place(server), BalancerEntry { admin, up: true, sessions: 2, kept_out: None })]),
        };
        let mut servers: BTreeMap<_, _> =
            states.iter().map(|(server, state)| (server.clone(), seen(server, *state))).collect();
        match self.flaw {
            Flaw::Unreachable => return BalancerObservation::new(taken, Answer::unknown("no connection")),
            Flaw::LooksEmpty => servers.clear(),
            Flaw::InventsServers => drop(servers.insert(server("fe9"), seen(&server("fe9"), BalancerState::Ready))),
            Flaw::LookingDrains => drop(states.insert(server("fe1"), BalancerState::Drain)),
            _ => {}
        }
        BalancerObservation::new(taken, Answer::Known(servers))
    }
}

#[async_trait]
impl ChangeBalancer for Switchboard {
    async fn set_balancer(&self, server: &ServerName, at: &BalancerPlace, to: BalancerState) -> ActOutcome {
        let mut states = self.states.lock().unwrap();
        match (self.flaw, states.get(server)) {
            (Flaw::Unreachable, _) => ActOutcome::Retry("no connection".to_owned()),
            (Flaw::AcceptsAll | Flaw::DoesNothing, _) => ActOutcome::Accepted,
            (_, None) => ActOutcome::Failed("no such server".to_owned()),
            (flaw, _) if *at != place(server) && flaw != Flaw::IgnoresPlaces => {
                ActOutcome::Failed("the entry has another address".to_owned())
            }
            (Flaw::RepeatFails, Some(state)) if *state == to => ActOutcome::Failed("already so".to_owned()),
            (Flaw::ChangesTheOthers, Some(_)) => {
                states.values_mut().for_each(|state| *state = to);
                ActOutcome::Accepted
            }
            (_, Some(_)) => {
                states.insert(server.clone(), to);
                ActOutcome::Accepted
            }
        }
    }
}

#[async_trait]
impl Resolve for Switchboard {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        let answers = |names: &[DnsName]| -> Vec<_> {
            let mut answers: Vec<_> = names.iter().map(|name| self.answer(name)).collect();
            if self.flaw == Flaw::AnswersTwice {
                answers.extend(answers.clone());
            }
            if self.flaw == Flaw::LooksEmpty {
                answers.clear();
            }
            answers
        };
        let external = if self.flaw == Flaw::ForgetsExternal { Vec::new() } else { answers(&ask.external) };
        DnsObservation { taken: self.clock.now(), answers: answers(&ask.names), external }
    }
}

impl Switchboard {
    fn answer(&self, name: &DnsName) -> DnsAnswer {
        let mut addresses = addresses();
        if self.flaw == Flaw::Unsorted {
            addresses.reverse();
        }
        let records = match (self.flaw, *name == pool()) {
            (Flaw::Unreachable, _) => Answer::unknown("no answer"),
            (_, true) => Answer::Known(AddressRecords { addresses, ttl_s: 60, alias: None }),
            (Flaw::AbsentIsUnknown, false) => Answer::unknown("no such name"),
            (_, false) => Answer::Known(AddressRecords::default()),
        };
        DnsAnswer { name: name.clone(), resolver: SocketAddr::from(([192, 0, 2, 53], 53)), records }
    }
}

#[tokio::test(start_paused = true)]
async fn good_drivers_break_nothing() {
    let waiting = waiting();
    let good = Switchboard::new(Flaw::None, &waiting);
    assert_none(&balancer_reads(&good, &balancer(), &waiting).await);
    assert_none(&balancer_changes(&good, &balancer(), &waiting).await);
    assert_none(&names(&good, &known_names(), &waiting).await);
    let gone = Switchboard::new(Flaw::Unreachable, &waiting);
    assert_none(&balancer_unreachable(&gone, &balancer(), &waiting).await);
    assert_none(&names_unreachable(&gone, &pool(), &waiting).await);
    assert_none(&names_unreachable(&NoNames, &pool(), &waiting).await);
}

#[tokio::test(start_paused = true)]
async fn flaws_of_looking_at_a_balancer_are_found() {
    for (flaw, rule) in [
        (Flaw::LooksEmpty, Rule::AskedIsAnswered),
        (Flaw::InventsServers, Rule::AbsentIsMissing),
        (Flaw::LookingDrains, Rule::LookingChangesNothing),
    ] {
        let waiting = waiting();
        assert_found(&flaw, rule, &balancer_reads(&Switchboard::new(flaw, &waiting), &balancer(), &waiting).await);
    }
    let waiting = waiting();
    let empty = Switchboard::new(Flaw::LooksEmpty, &waiting);
    let violations = balancer_unreachable(&empty, &balancer(), &waiting).await;
    assert_found(&Flaw::LooksEmpty, Rule::UnreachableIsUnknown, &violations);
}

#[tokio::test(start_paused = true)]
async fn flaws_of_changing_a_balancer_are_found() {
    for (flaw, rule) in [
        (Flaw::AcceptsAll, Rule::AbsentCannotBeChanged),
        (Flaw::IgnoresPlaces, Rule::AbsentCannotBeChanged),
        (Flaw::Unreachable, Rule::AskedIsAnswered),
        (Flaw::RepeatFails, Rule::RepeatIsHarmless),
        (Flaw::DoesNothing, Rule::ChangeComesAbout),
        (Flaw::ChangesTheOthers, Rule::NothingElseChanges),
    ] {
        let waiting = waiting();
        assert_found(&flaw, rule, &balancer_changes(&Switchboard::new(flaw, &waiting), &balancer(), &waiting).await);
    }
}

#[tokio::test(start_paused = true)]
async fn flaws_of_looking_names_up_are_found() {
    for (flaw, rule) in [
        (Flaw::LooksEmpty, Rule::EachNameOnce),
        (Flaw::AnswersTwice, Rule::EachNameOnce),
        (Flaw::ForgetsExternal, Rule::EachNameOnce),
        (Flaw::Unsorted, Rule::AddressesAreSorted),
        (Flaw::AbsentIsUnknown, Rule::AbsentIsMissing),
        (Flaw::Unreachable, Rule::AskedIsAnswered),
    ] {
        let waiting = waiting();
        assert_found(&flaw, rule, &names(&Switchboard::new(flaw, &waiting), &known_names(), &waiting).await);
    }
    let waiting = waiting();
    let answering = Switchboard::new(Flaw::None, &waiting);
    let violations = names_unreachable(&answering, &pool(), &waiting).await;
    assert_found(&Flaw::None, Rule::UnreachableIsUnknown, &violations);
}
