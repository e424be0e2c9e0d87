//! Do clients outside find every server of an Edge pool? Its external names are balanced as the pool is inside: by DNS, with
//! the external addresses of every server and nothing else, or by hardware, with a balancer's address and no server's.

use crate::words::{count, list};
use orchestrate_model::observe::{DnsAnswer, DnsObservation};
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{Answer, Change, DnsName, ExternalUse, Pool, ServerName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What is wrong with the records of an external name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// The name does not list a server.
    Missing,
    /// The name has no address at all.
    Nothing,
    /// The name lists an address of nobody.
    Stranger,
    /// The name lists an address that somebody has for something else.
    Elsewhere,
    /// The name is an alias.
    Alias,
    /// The name leads to a balancer although DNS balances the pool inside, or to a server although a balancer does.
    Kind,
    /// Somebody did not say.
    Unknown,
}

/// One thing that is wrong with one external name, at one or several name servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    pub(crate) name: DnsName,
    pub(crate) wrong: Wrong,
    pub(crate) server: Option<ServerName>,
    /// What is said before and after the place.
    text: (String, String),
}

/// The records of a pool's external names, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    /// Empty when every name is as it should be. Each with the name servers that say so.
    faults: BTreeMap<Fault, BTreeSet<SocketAddr>>,
    /// What proves it, when there is no fault.
    pub(crate) proof: String,
}

impl External {
    /// Returns each fault with its text.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&Fault, String)> {
        self.faults.iter().map(|(fault, places)| {
            let (before, after) = &fault.text;
            let at = if places.is_empty() { String::new() } else { format!(" at {}", list(places)) };
            (fault, format!("{before}{at}{after}"))
        })
    }

    /// Returns the faults as one text.
    pub(crate) fn text(&self) -> String {
        list(self.faults().map(|(_, text)| text))
    }

    /// Forgives that servers are not named which serve nobody at present.
    pub(crate) fn without(&mut self, away: &BTreeSet<ServerName>) {
        let absent = |fault: &Fault| {
            fault.wrong == Wrong::Missing && fault.server.as_ref().is_some_and(|server| away.contains(server))
        };
        if self.faults.keys().any(absent) {
            self.faults.retain(|fault, _| !absent(fault));
            "every external name lists every server but those that are out".clone_into(&mut self.proof);
        }
    }

    /// Returns whether all that is wrong is that somebody did not say.
    pub(crate) fn only_unknown(&self) -> bool {
        self.faults.keys().all(|fault| fault.wrong == Wrong::Unknown)
    }
}

/// Judges the external names of a pool. `None` where the plan states none.
pub(crate) fn judge(change: &Change, pool: &Pool, dns: &Answer<DnsObservation>) -> Option<External> {
    let names = pool.external_names();
    if names.is_empty() {
        return None;
    }
    let mut judge = Judge { change, pool, faults: BTreeMap::new(), asked: BTreeSet::new(), ttl_s: None };
    for (name, uses) in &names {
        match dns {
            Answer::Unknown(reason) => {
                judge.unknown(name, None, format!("the records of {name} are not known: {reason}"));
            }
            Answer::Known(dns) => judge.name(name, uses, &dns.external),
        }
    }
    Some(judge.done(names.iter().map(|(name, _)| *name)))
}

struct Judge<'a> {
    change: &'a Change,
    pool: &'a Pool,
    faults: BTreeMap<Fault, BTreeSet<SocketAddr>>,
    asked: BTreeSet<SocketAddr>,
    ttl_s: Option<u32>,
}

impl Judge<'_> {
    fn done<'n>(self, names: impl Iterator<Item = &'n DnsName>) -> External {
        let names: Vec<&DnsName> = names.collect();
        let one = names.len() == 1;
        let what = match self.pool.load_balancing.sip {
            SipBalancing::Dns => format!(
                "{} the external addresses of the {} and nothing else",
                if one { "lists" } else { "list" },
                count(self.pool.servers.len(), "server")
            ),
            SipBalancing::Hardware => format!("{} to no server", if one { "leads" } else { "lead" }),
        };
        let kept = self.ttl_s.map(|ttl_s| format!(", kept for up to {ttl_s} s")).unwrap_or_default();
        let servers = self.asked.len();
        let proof =
            format!("{} {what} at {servers} name server{}{kept}", list(names), if servers == 1 { "" } else { "s" });
        External { faults: self.faults, proof }
    }

    fn fault(&mut self, fault: Fault, at: Option<SocketAddr>) {
        self.faults.entry(fault).or_default().extend(at);
    }

    fn unknown(&mut self, name: &DnsName, at: Option<SocketAddr>, before: String) {
        let fault = Fault { name: name.clone(), wrong: Wrong::Unknown, server: None, text: (before, String::new()) };
        self.fault(fault, at);
    }

    /// Judges what every name server that was asked says about one name.
    fn name(&mut self, name: &DnsName, uses: &[ExternalUse], answers: &[DnsAnswer]) {
        let mut answers = answers.iter().filter(|answer| answer.name == *name).peekable();
        if answers.peek().is_none() {
            self.unknown(name, None, format!("no name server was asked about {name}"));
        }
        for answer in answers {
            let at = answer.resolver;
            self.asked.insert(at);
            let records = match &answer.records {
                Answer::Known(records) => records,
                Answer::Unknown(reason) => {
                    self.unknown(name, None, DnsAnswer::untold(at, name, reason));
                    continue;
                }
            };
            self.ttl_s = self.ttl_s.max(Some(records.ttl_s));
            let listed: BTreeSet<IpAddr> = records.addresses.iter().copied().collect();
            if listed.is_empty() {
                self.simple(name, Wrong::Nothing, (format!("{name} has no address record"), String::new()), at);
                continue;
            }
            match self.pool.load_balancing.sip {
                SipBalancing::Dns => {
                    if let Some(alias) = &records.alias {
                        let text =
                            (format!("{name} is an alias of {alias}"), ", expected one record per server".into());
                        self.simple(name, Wrong::Alias, text, at);
                    }
                    self.by_dns(name, uses, &listed, at);
                }
                SipBalancing::Hardware => self.by_hardware(name, &listed, at),
            }
        }
    }

    fn simple(&mut self, name: &DnsName, wrong: Wrong, text: (String, String), at: SocketAddr) {
        self.fault(Fault { name: name.clone(), wrong, server: None, text }, Some(at));
    }

    fn by_dns(&mut self, name: &DnsName, uses: &[ExternalUse], listed: &BTreeSet<IpAddr>, at: SocketAddr) {
        let expected: BTreeSet<IpAddr> =
            self.pool.servers.iter().flat_map(|server| server.external_addresses(uses)).collect();
        let strangers: Vec<IpAddr> = listed.difference(&expected).copied().collect();
        if expected.is_disjoint(listed) && self.a_balancers(&strangers) {
            let text = (
                format!("{name} has the single address {}", list(&strangers)),
                format!(
                    ", which is no server's: a balancer's, as it seems, while {} is balanced by DNS inside",
                    self.pool.name
                ),
            );
            return self.simple(name, Wrong::Kind, text, at);
        }
        for server in &self.pool.servers {
            let own: BTreeSet<IpAddr> = server.external_addresses(uses).collect();
            let missing: Vec<&IpAddr> = own.difference(listed).collect();
            if own.is_empty() {
                self.unknown(name, None, format!("the plan states no address of {} for {name}", server.name));
            } else if !missing.is_empty() {
                let text = (format!("{name} does not list {} ({})", server.name, list(missing)), String::new());
                let server = Some(server.name.clone());
                self.fault(Fault { name: name.clone(), wrong: Wrong::Missing, server, text }, Some(at));
            }
        }
        for stranger in strangers {
            let (wrong, whose) = match self.owner(stranger) {
                Some(whose) => (Wrong::Elsewhere, whose),
                None => (Wrong::Stranger, "no server of the pool".to_owned()),
            };
            self.simple(name, wrong, (format!("{name} lists {stranger}"), format!(", which is {whose}")), at);
        }
    }

    /// Returns whether these are the addresses of one machine that nobody of the change is: at most one of each family.
    fn a_balancers(&self, addresses: &[IpAddr]) -> bool {
        let families: BTreeSet<bool> = addresses.iter().map(IpAddr::is_ipv6).collect();
        families.len() == addresses.len() && addresses.iter().all(|address| self.owner(*address).is_none())
    }

    fn by_hardware(&mut self, name: &DnsName, listed: &BTreeSet<IpAddr>, at: SocketAddr) {
        for address in listed {
            let Some(whose) = self.owner(*address) else { continue };
            let text = (
                format!("{name} leads to {address}"),
                format!(", which is {whose}, while {} is balanced by hardware inside", self.pool.name),
            );
            self.simple(name, Wrong::Kind, text, at);
        }
    }

    /// Says whose address it is, in words, if it is that of a server of the change.
    fn owner(&self, address: IpAddr) -> Option<String> {
        let servers = self.change.pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
        for (pool, server) in servers {
            let outside = server.external.iter().find(|(_, own)| own.contains(&address)).map(|(purpose, _)| purpose);
            let what = match outside {
                Some(purpose) => format!("the {purpose} address"),
                None if server.addresses.contains(&address) => "the internal address".to_owned(),
                None => continue,
            };
            return Some(match pool.name == self.pool.name {
                true => format!("{what} of {}", server.name),
                false => format!("{} of {}", server.name, pool.name),
            });
        }
        None
    }
}
