//! The drivers for names and balancers pass the conformance suite against the lab, as the one for servers does in
//! `winrm_on_lab.rs`.

#![cfg(test)]

use jiff::SignedDuration;
use orchestrate_driver::NoNames;
use orchestrate_driver::conformance::{
    self, BalancerExpectation, NameExpectation, NamesExpectation, Violation, Waiting,
};
use orchestrate_driver_dns::{Authorities, NameServers};
use orchestrate_driver_haproxy::{HaproxyReader, HaproxySwitch};
use orchestrate_lab::{Lab, LabConfig};
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Change, DnsName, ServerName};
use std::collections::BTreeMap;
use std::sync::Arc;

fn change() -> Change {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../plans/contoso-front-end.yaml");
    let bytes = std::fs::read(path).unwrap();
    orchestrate_config::parse(path, &bytes).unwrap().change
}

async fn lab(change: &Change) -> Lab {
    Lab::start(LabConfig { speed: 30.0, ..LabConfig::new(change.clone()) }).await.unwrap()
}

fn assert_none(violations: &[Violation]) {
    assert!(violations.is_empty(), "{}", conformance::report(violations));
}

#[tokio::test]
async fn the_driver_for_name_servers_conforms_on_the_lab() {
    let change = change();
    let lab = lab(&change).await;
    let pool = &change.pools[0];
    let driver = NameServers::new(vec![lab.directory().dns], lab.clock()).with_authorities(Authorities::Skip);
    let all = pool.servers.iter().flat_map(|server| server.addresses.clone()).collect();
    let mut names = BTreeMap::from([(pool.name.dns(), NameExpectation { addresses: all, alias: None })]);
    for server in &pool.servers {
        let own = server.addresses.iter().copied().collect();
        names.insert(server.name.dns(), NameExpectation { addresses: own, alias: None });
    }
    let expected = NamesExpectation { names, absent: DnsName::new("absent.contoso.example").unwrap() };
    let waiting = Waiting::new(lab.clock(), SignedDuration::from_mins(15));
    assert_none(&conformance::names(&driver, &expected, &waiting).await);
}

#[tokio::test]
async fn the_driver_for_balancers_conforms_on_the_lab() {
    let change = change();
    let lab = lab(&change).await;
    let pool = &change.pools[0];
    let Balancer::Haproxy(settings) = &pool.load_balancing.balancer else {
        panic!("the plan has an HAProxy in front of its pool");
    };
    let addresses: Vec<String> = lab.directory().balancers[&pool.name].iter().map(ToString::to_string).collect();
    let behind = (&pool.name, pool.servers.as_slice());
    let reader = HaproxyReader::new(settings, behind, Arc::new(NoNames), lab.clock()).unwrap().at(&addresses).unwrap();
    let expected = BalancerExpectation {
        servers: pool.servers.iter().map(|server| server.name.clone()).collect(),
        absent: ServerName::new("absent.contoso.example").unwrap(),
        place: "192.0.2.9:9999 web/fe1 192.0.2.11".parse().unwrap(),
    };
    let waiting = Waiting::new(lab.clock(), SignedDuration::from_mins(15));
    assert_none(&conformance::balancer_reads(&reader, &expected, &waiting).await);
    assert_none(&conformance::balancer_changes(&HaproxySwitch::new(reader), &expected, &waiting).await);
}
