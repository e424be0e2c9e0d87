//! Where a server is, by the name servers of the plan.

use crate::fake::{Fake, World};
use crate::looks::parts;
use async_trait::async_trait;
use orchestrate_driver::{Observe as _, PlanNames, Resolve};
use orchestrate_driver_winrm::WinrmTarget;
use orchestrate_model::observe::{AddressRecords, DnsAnswer, DnsAsk, DnsObservation, Part};
use orchestrate_model::{Answer, PoolName};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// A name server that says this of every name, and what it was asked.
struct Says {
    addresses: Answer<Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Resolve for Says {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        let answer = |name: &orchestrate_model::DnsName| {
            self.asked.lock().unwrap().push(name.to_string());
            let records = self.addresses.clone().map(|addresses| AddressRecords { addresses, ttl_s: 1, alias: None });
            DnsAnswer { name: name.clone(), resolver: ([192, 0, 2, 53], 53).into(), records }
        };
        let taken = "2026-11-23T01:00:00Z".parse().unwrap();
        DnsObservation { taken, answers: ask.names.iter().map(answer).collect(), external: Vec::new() }
    }
}

/// Returns why the system could not be read, if it could not, and what the name server was asked.
async fn read(addresses: Answer<Vec<IpAddr>>) -> (Option<String>, Vec<String>) {
    let says = Arc::new(Says { addresses, asked: Mutex::default() });
    let names = PlanNames::new(says.clone(), PoolName::new("pool01.contoso.example").unwrap());
    // By its name at the port of the imitation: no name server of this machine knows it.
    let by_name = |target: &mut WinrmTarget| {
        let port = target.connect_to.as_ref().and_then(|at| at.rsplit_once(':')).unwrap().1.to_owned();
        target.connect_to = Some(format!("{}:{port}", target.server));
        target.names = Some(names);
    };
    let fake = Fake::start_with(World::default(), by_name).await;
    let seen = fake.driver.observe(&parts(&[Part::Host])).await;
    let asked = says.asked.lock().unwrap().clone();
    (seen.host.why_unknown().map(str::to_owned), asked)
}

#[tokio::test]
async fn a_server_without_an_address_is_found_by_the_name_servers_of_the_plan() {
    let (why, asked) = read(Answer::Known(vec![[127, 0, 0, 1].into()])).await;
    assert_eq!(why, None);
    assert_eq!(asked.first().map(String::as_str), Some("fe1.contoso.example"));
}

#[tokio::test]
async fn p3_a_server_that_name_servers_do_not_know_or_do_not_answer_for_is_unknown_with_their_word() {
    let (why, _) = read(Answer::Known(Vec::new())).await;
    let why = why.unwrap();
    assert!(why.contains("has no address at the name servers of the plan: 192.0.2.53:53 says"), "{why}");
    let (why, _) = read(Answer::unknown("no answer within 5 s")).await;
    let why = why.unwrap();
    assert!(
        why.contains("is not known") && why.contains("192.0.2.53:53 does not tell it: no answer within 5 s"),
        "{why}"
    );
}
