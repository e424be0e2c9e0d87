//! Addresses of hosts by the name servers of a plan: who states them does not want those of this machine to be believed.

use crate::Resolve;
use orchestrate_model::observe::{DnsAnswer, DnsAsk};
use orchestrate_model::{Answer, DnsName, PoolName};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The name servers of a plan, asked for the addresses of hosts that connections are made to.
#[derive(Clone)]
pub struct PlanNames {
    names: Arc<dyn Resolve>,
    pool: PoolName,
}

impl fmt::Debug for PlanNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanNames").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl PlanNames {
    /// Returns name servers that are asked about hosts of a pool.
    #[must_use]
    pub fn new(names: Arc<dyn Resolve>, pool: PoolName) -> Self {
        Self { names, pool }
    }

    /// Returns the addresses of a host: those on which all name servers that answered agree.
    ///
    /// # Errors
    /// It has none, which is known; or none of them answered, or they have no address in common, and it is not known.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let name = DnsName::new(host).map_err(|error| format!("{host} cannot be looked up: {error}"))?;
        let ask = DnsAsk { pool: self.pool.clone(), names: vec![name], external: Vec::new() };
        agreed(host, &self.names.resolve(&ask).await.answers)
    }
}

fn agreed(host: &str, answers: &[DnsAnswer]) -> Result<Vec<IpAddr>, String> {
    let known = || answers.iter().filter_map(|answer| Some((answer, &answer.records.known()?.addresses)));
    let with_any = || known().filter(|(_, addresses)| !addresses.is_empty());
    let said = |answer: &DnsAnswer| match &answer.records {
        Answer::Unknown(why) => {
            format!("{} does not tell it{}", answer.resolver, DnsAnswer::because(answer.resolver, why))
        }
        Answer::Known(records) if records.addresses.is_empty() => {
            format!("{} says that there is none", answer.resolver)
        }
        Answer::Known(records) => {
            let addresses: Vec<String> = records.addresses.iter().map(ToString::to_string).collect();
            format!("{} says {}", answer.resolver, addresses.join(", "))
        }
    };
    let all = || answers.iter().map(said).collect::<Vec<_>>().join("; ");
    let Some((_, first)) = with_any().next() else {
        let is_known = !answers.is_empty() && answers.iter().all(|answer| answer.records.known().is_some());
        return Err(if is_known {
            format!("{host} has no address at the name servers of the plan: {}", all())
        } else {
            format!("the address of {host} is not known: no name server of the plan has one: {}", all())
        });
    };
    let in_all = |address: &&IpAddr| with_any().all(|(_, addresses)| addresses.contains(address));
    let common: BTreeSet<IpAddr> = first.iter().filter(in_all).copied().collect();
    if common.is_empty() {
        return Err(format!(
            "the address of {host} is not known: the name servers of the plan contradict each other: {}",
            all()
        ));
    }
    // IPv4 first, as sorted: where both are there, either leads to the host.
    Ok(common.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_model::observe::AddressRecords;

    fn answer(last: u8, records: Answer<&[&str]>) -> DnsAnswer {
        let records = records.map(|addresses| AddressRecords {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..AddressRecords::default()
        });
        DnsAnswer {
            name: DnsName::new("fe1.contoso.example").unwrap(),
            resolver: ([192, 0, 2, last], 53).into(),
            records,
        }
    }

    #[test]
    fn p3_addresses_are_those_on_which_name_servers_agree() {
        let ask = |answers: &[DnsAnswer]| agreed("fe1.contoso.example", answers);
        let here: &[&str] = &["192.0.2.11"];
        let there: &[&str] = &["192.0.2.12"];
        let both: &[&str] = &["192.0.2.11", "192.0.2.12"];
        let address: IpAddr = "192.0.2.11".parse().unwrap();
        assert_eq!(ask(&[answer(1, Answer::Known(here))]), Ok(vec![address]));
        assert_eq!(ask(&[answer(1, Answer::Known(both)), answer(2, Answer::Known(here))]), Ok(vec![address]));
        assert_eq!(ask(&[answer(1, Answer::unknown("silent")), answer(2, Answer::Known(here))]), Ok(vec![address]));
        let none = ask(&[answer(1, Answer::Known(&[]))]).unwrap_err();
        assert!(none.contains("has no address at the name servers of the plan: 192.0.2.1:53 says"), "{none}");
        let silent = ask(&[
            answer(1, Answer::Known(&[])),
            answer(2, Answer::unknown("192.0.2.2:53 (A records): no answer within 5 s")),
        ])
        .unwrap_err();
        assert!(
            silent.contains("is not known")
                && silent.contains("192.0.2.2:53 does not tell it (A records): no answer within 5 s"),
            "{silent}"
        );
        let apart = ask(&[answer(1, Answer::Known(here)), answer(2, Answer::Known(there))]).unwrap_err();
        assert!(apart.contains("contradict each other") && apart.contains("192.0.2.2:53 says 192.0.2.12"), "{apart}");
        assert!(ask(&[]).is_err());
    }
}
