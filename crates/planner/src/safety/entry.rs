//! Do clients that begin find a way in while the server is out? The names by which they find the pool at first, of the
//! autodiscover service or of a service record, must not lead only to servers that do not serve.

use super::questions::asked;
use super::{Asked, Covered, Look, Question};
use crate::coverage::{ByResolver, by_resolver};
use crate::standing::Standing;
use crate::words::list;
use orchestrate_model::observe::{AddressRecords, DnsAnswer};
use orchestrate_model::{Answer, DnsName, ServerName, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Asks whether every entry name of the pool leads to something else than the server, and than others that do not serve.
/// `None` where the plan states none.
pub(super) fn question(look: &Look<'_>, server: &ServerName) -> Option<Asked> {
    let names = &look.pool.load_balancing.entry;
    if names.is_empty() {
        return None;
    }
    let answers = match &look.seen.dns {
        Answer::Known(dns) => by_resolver(dns),
        Answer::Unknown(why) => {
            let text = format!("whether clients that begin find another way in is not known: {why}");
            return Some(with_advice(Verdict::Unknown(text), names));
        }
    };
    let ways = Ways::of(look, server, &answers);
    let judged: Vec<Way> = names.iter().flat_map(|name| ways.of_name(name, &answers)).collect();
    let no = judged.iter().filter_map(|way| match way {
        Way::Closed(why) => Some(why.as_str()),
        Way::Open | Way::Unknown(_) => None,
    });
    let unknown = judged.iter().filter_map(|way| match way {
        Way::Unknown(why) => Some(why.as_str()),
        Way::Open | Way::Closed(_) => None,
    });
    let (no, unknown): (Vec<&str>, Vec<&str>) = (no.collect(), unknown.collect());
    let verdict = match (no.is_empty(), unknown.is_empty()) {
        (false, _) => Verdict::No(format!("clients that begin would find no server: {}", list(no))),
        (true, false) => {
            Verdict::Unknown(format!("whether clients that begin find another way in is not known: {}", list(unknown)))
        }
        (true, true) => Verdict::Yes(format!(
            "{} {} elsewhere as well",
            list(names),
            if names.len() == 1 { "leads" } else { "lead" }
        )),
    };
    Some(with_advice(verdict, names))
}

fn with_advice(verdict: Verdict, names: &[DnsName]) -> Asked {
    let advice = format!(
        "Let {} lead to the other servers or to a balancer as well, for as long as the records are kept; or, if no client \
         begins there, take the name out of the plan (load_balancing, entry).",
        if let [name] = names { name.to_string() } else { "each of these names".to_owned() }
    );
    asked(Question::Coverage(Covered::Entry), verdict, &advice)
}

/// Whether a name leads to a server that serves.
enum Way {
    Open,
    Closed(String),
    Unknown(String),
}

/// Where no client may be led.
struct Ways {
    /// The addresses of the server that goes and of those that do not serve, with whose they are.
    closed: BTreeMap<IpAddr, String>,
    /// The same of servers of which it is not known whether they serve.
    doubtful: BTreeMap<IpAddr, String>,
}

impl Ways {
    fn of(look: &Look<'_>, goes: &ServerName, answers: &ByResolver<'_>) -> Self {
        let mut ways = Self { closed: BTreeMap::new(), doubtful: BTreeMap::new() };
        for (server, standing) in look.servers() {
            let (to, text) = match standing {
                _ if server.name == *goes => (&mut ways.closed, server.name.short().to_owned()),
                Standing::Serving => continue,
                Standing::Out(_) => (&mut ways.closed, format!("{}, which does not serve", server.name.short())),
                Standing::Unknown(_) => (&mut ways.doubtful, server.name.short().to_owned()),
            };
            let name = server.name.dns();
            let records = answers.values().filter_map(|answers| answers.get(&name)?.known());
            let by_name = records.flat_map(|records| records.addresses.iter().copied());
            let addresses: BTreeSet<IpAddr> = server.addresses.iter().copied().chain(by_name).collect();
            to.extend(addresses.into_iter().map(|address| (address, text.clone())));
        }
        ways
    }

    fn of_name(&self, name: &DnsName, answers: &ByResolver<'_>) -> Vec<Way> {
        // Authorities are asked about the names of their zones only.
        let said = answers.iter().filter_map(|(resolver, answers)| Some((*resolver, *answers.get(name)?)));
        let ways: Vec<Way> = said.map(|(resolver, records)| self.at(name, resolver, records)).collect();
        if ways.is_empty() { vec![Way::Unknown(format!("no name server was asked about {name}"))] } else { ways }
    }

    fn at(&self, name: &DnsName, resolver: SocketAddr, records: &Answer<AddressRecords>) -> Way {
        let addresses = match records {
            Answer::Known(records) => &records.addresses,
            Answer::Unknown(why) => return Way::Unknown(DnsAnswer::untold(resolver, name, why)),
        };
        if addresses.is_empty() {
            return Way::Closed(format!("{name} has no address at {resolver}"));
        }
        let is_open = |address: &&IpAddr| !self.closed.contains_key(*address) && !self.doubtful.contains_key(*address);
        if addresses.iter().any(|address| is_open(&address)) {
            return Way::Open;
        }
        let doubtful: BTreeSet<&str> =
            addresses.iter().filter_map(|a| self.doubtful.get(a)).map(String::as_str).collect();
        if !doubtful.is_empty() {
            return Way::Unknown(format!(
                "{name} leads besides only to {} at {resolver}, of which it is not known whether it serves",
                list(doubtful)
            ));
        }
        let whose: BTreeSet<&str> = addresses.iter().filter_map(|a| self.closed.get(a)).map(String::as_str).collect();
        Way::Closed(format!("{name} leads only to {} at {resolver}", list(whose)))
    }
}
