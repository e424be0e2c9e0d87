//! Does DNS load balancing cover a pool? Its records have to name every server and nothing else, at every resolver.

use crate::words::list;
use orchestrate_model::observe::{AddressRecords, DnsAnswer, DnsObservation};
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{Answer, Change, DnsName, Pool, Server, ServerName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// One thing that is wrong with the records of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) server: Option<ServerName>,
    pub(crate) text: String,
}

/// What kind of wrong it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ProblemKind {
    /// The pool's name does not list a server.
    Missing,
    /// The pool's name lists an address of nobody.
    Stale,
    /// The pool's name lists a server of another pool.
    Foreign,
    /// The pool's name is an alias.
    Alias,
    /// The pool's name has one address, which is no server's: a balancer.
    Balancer,
    /// A server's own name has no address.
    NoOwnRecord,
    /// Somebody did not say.
    Unknown,
}

/// The records of a pool, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Records {
    /// Empty when the records name every server and nothing else.
    pub(crate) problems: Vec<Problem>,
    /// What proves it, when there is no problem.
    pub(crate) proof: String,
    /// How the pool's own name and the servers' own names differ from the addresses in the plan.
    pub(crate) differing: Vec<Problem>,
    /// The servers that the pool's name lists somewhere, each with an address of its own.
    pub(crate) listed: BTreeMap<ServerName, IpAddr>,
}

impl Records {
    /// Returns the problems as one text.
    pub(crate) fn text(&self) -> String {
        list(self.problems.iter().map(|problem| &problem.text))
    }

    /// Returns whether all that is wrong is that somebody did not say.
    pub(crate) fn only_unknown(&self) -> bool {
        self.problems.iter().all(|problem| problem.kind == ProblemKind::Unknown)
    }

    /// Forgives that servers are not named which serve nobody at present. `how` says what they are.
    pub(crate) fn without(&mut self, pool: &Pool, away: &BTreeSet<ServerName>, how: &str) {
        let absent = |problem: &Problem| {
            let unnamed = matches!(problem.kind, ProblemKind::Missing | ProblemKind::NoOwnRecord);
            problem.server.clone().filter(|server| unnamed && away.contains(server))
        };
        let gone: BTreeSet<ServerName> = self.problems.iter().filter_map(absent).collect();
        self.problems.retain(|problem| absent(problem).is_none());
        if !gone.is_empty() {
            let gone = list(gone.iter().map(ServerName::short));
            self.proof = format!("{} lists every server but {gone}, {how}, and nothing else", pool.name);
        }
    }
}

/// Answers by resolver, then by name.
pub(crate) type ByResolver<'a> = BTreeMap<SocketAddr, BTreeMap<&'a DnsName, &'a Answer<AddressRecords>>>;

pub(crate) fn by_resolver(dns: &DnsObservation) -> ByResolver<'_> {
    let mut sorted: ByResolver<'_> = BTreeMap::new();
    for DnsAnswer { name, resolver, records } in &dns.answers {
        sorted.entry(*resolver).or_default().insert(name, records);
    }
    sorted
}

/// Judges the records of a pool that is balanced by DNS.
pub(crate) fn records(change: &Change, pool: &Pool, dns: &Answer<DnsObservation>) -> Records {
    let mut judged = Judge { change, pool, problems: Vec::new(), differing: Vec::new(), listed: BTreeMap::new() };
    let dns = match dns {
        Answer::Known(dns) => dns,
        Answer::Unknown(reason) => {
            judged.problem(ProblemKind::Unknown, None, format!("the records of {} are not known: {reason}", pool.name));
            return judged.done(0, None);
        }
    };
    let answers = by_resolver(dns);
    if answers.is_empty() {
        judged.problem(ProblemKind::Unknown, None, format!("no name server was asked about {}", pool.name));
    }
    let mut ttl = None;
    for (resolver, answers) in &answers {
        let ttl_here = judged.resolver(*resolver, answers);
        ttl = ttl.max(ttl_here);
    }
    judged.done(answers.len(), ttl)
}

struct Judge<'a> {
    change: &'a Change,
    pool: &'a Pool,
    problems: Vec<Problem>,
    differing: Vec<Problem>,
    listed: BTreeMap<ServerName, IpAddr>,
}

impl Judge<'_> {
    fn problem(&mut self, kind: ProblemKind, server: Option<&ServerName>, text: String) {
        self.problems.push(Problem { kind, server: server.cloned(), text });
    }

    fn done(self, resolvers: usize, ttl: Option<u32>) -> Records {
        let kept = ttl.map(|ttl| format!(", kept for up to {ttl} s")).unwrap_or_default();
        let proof = format!(
            "{} lists the addresses of its {} servers and nothing else at {resolvers} name server{}{kept}",
            self.pool.name,
            self.pool.servers.len(),
            if resolvers == 1 { "" } else { "s" },
        );
        Records { problems: self.problems, proof, differing: self.differing, listed: self.listed }
    }

    /// Judges what one resolver says. Returns the time to live of the pool's records.
    fn resolver(&mut self, resolver: SocketAddr, answers: &BTreeMap<&DnsName, &Answer<AddressRecords>>) -> Option<u32> {
        let name = self.pool.name.dns();
        let records = match answers.get(&name) {
            Some(Answer::Known(records)) => records,
            Some(Answer::Unknown(reason)) => {
                self.problem(ProblemKind::Unknown, None, DnsAnswer::untold(resolver, &name, reason));
                return None;
            }
            None => {
                self.problem(ProblemKind::Unknown, None, format!("{resolver} was not asked for {name}"));
                return None;
            }
        };
        let is_empty = |records: &AddressRecords| records.addresses.is_empty() && records.alias.is_none();
        let mut own = self.pool.servers.iter().filter_map(|server| answers.get(&server.name.dns())).peekable();
        if is_empty(records) && own.peek().is_some() && own.all(|own| own.known().is_some_and(is_empty)) {
            let text = format!("{resolver} knows no address of {name}, nor of any of its servers");
            self.problem(ProblemKind::Unknown, None, text);
            return None;
        }
        if let Some(alias) = &records.alias {
            let text = format!("{name} is an alias of {alias} at {resolver}, expected one address record per server");
            self.problem(ProblemKind::Alias, None, text);
        }
        let listed: BTreeSet<IpAddr> = records.addresses.iter().copied().collect();
        let stated = self.pool.servers.iter().flat_map(|server| &server.addresses);
        // A family that neither the pool's name nor the plan has is not used by clients.
        let families: BTreeSet<bool> = listed.iter().chain(stated).map(IpAddr::is_ipv6).collect();
        let mut owners: BTreeMap<IpAddr, &Server> = BTreeMap::new();
        let mut all_known = true;
        for server in &self.pool.servers {
            match self.own(resolver, server, answers) {
                Some(own) => {
                    let missing = |address: &&IpAddr| {
                        !listed.contains(*address)
                            && (own.is_disjoint(&listed) || families.contains(&address.is_ipv6()))
                    };
                    let missing: Vec<&IpAddr> = own.iter().filter(missing).collect();
                    self.listed.extend(listed.intersection(&own).map(|address| (server.name.clone(), *address)));
                    if !missing.is_empty() {
                        let text = format!("{name} does not list {} ({}) at {resolver}", server.name, list(missing));
                        self.problem(ProblemKind::Missing, Some(&server.name), text);
                    }
                    owners.extend(own.into_iter().map(|address| (address, server)));
                }
                None => all_known = false,
            }
        }
        if all_known {
            self.strangers(resolver, &records.addresses, &owners);
        }
        Some(records.ttl_s)
    }

    /// Returns the addresses of a server's own name at a resolver, or, where the name was not asked for, those of the
    /// plan. `None`, and a problem, when neither is known.
    fn own(
        &mut self,
        resolver: SocketAddr,
        server: &Server,
        answers: &BTreeMap<&DnsName, &Answer<AddressRecords>>,
    ) -> Option<BTreeSet<IpAddr>> {
        let planned: BTreeSet<IpAddr> = server.addresses.iter().copied().collect();
        let name = &server.name;
        match answers.get(&name.dns()) {
            Some(Answer::Known(records)) if records.addresses.is_empty() => {
                let text = format!("{name} has no address record of its own at {resolver}");
                self.problem(ProblemKind::NoOwnRecord, Some(name), text);
                Some(planned)
            }
            Some(Answer::Known(records)) => {
                let own: BTreeSet<IpAddr> = records.addresses.iter().copied().collect();
                if !planned.is_empty() && planned != own {
                    let text = format!(
                        "the plan gives {name} the address {}, its own record at {resolver} says {}",
                        list(&planned),
                        list(&own)
                    );
                    self.differing.push(Problem { kind: ProblemKind::Stale, server: Some(name.clone()), text });
                }
                Some(own)
            }
            Some(Answer::Unknown(reason)) => {
                let text = DnsAnswer::untold(resolver, &name.dns(), reason);
                self.problem(ProblemKind::Unknown, Some(name), text);
                None
            }
            None if planned.is_empty() => {
                let text = format!("{resolver} was not asked for {name}, and the plan gives no address");
                self.problem(ProblemKind::Unknown, Some(name), text);
                None
            }
            None => Some(planned),
        }
    }

    fn strangers(&mut self, resolver: SocketAddr, listed: &[IpAddr], owners: &BTreeMap<IpAddr, &Server>) {
        let name = &self.pool.name;
        let strangers: Vec<IpAddr> = listed.iter().copied().filter(|address| !owners.contains_key(address)).collect();
        if let ([only], true) = (strangers.as_slice(), listed.len() == 1) {
            let text = format!(
                "{name} has the single address {only} at {resolver}, which is no server's own: a balancer's, as it seems"
            );
            // The servers that are "not listed" are so because of the balancer: one problem, not one per server.
            self.problems.retain(|problem| problem.kind != ProblemKind::Missing);
            self.problem(ProblemKind::Balancer, None, text);
            return;
        }
        for stranger in strangers {
            match owner_elsewhere(self.change, self.pool, stranger) {
                Some((pool, server)) => {
                    let text = format!("{name} lists {stranger} at {resolver}, which is {server} of {}", pool.name);
                    self.problem(ProblemKind::Foreign, None, text);
                }
                None => {
                    let text = format!("{name} lists {stranger} at {resolver}, which is no server of the pool");
                    self.problem(ProblemKind::Stale, None, text);
                }
            }
        }
    }
}

fn owner_elsewhere<'a>(change: &'a Change, pool: &Pool, address: IpAddr) -> Option<(&'a Pool, &'a ServerName)> {
    let others = change.pools.iter().filter(|other| other.name != pool.name);
    others
        .flat_map(|other| other.servers.iter().map(move |server| (other, server)))
        .find(|(_, server)| server.addresses.contains(&address))
        .map(|(other, server)| (other, &server.name))
}

/// Where the web services name of a pool leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Web {
    /// To addresses that are no server's, at every resolver.
    Balanced(String),
    /// To a server, or nowhere.
    Wrong(String),
    /// Somebody did not say.
    Unknown(String),
}

/// Judges the web services name of a pool that is balanced by DNS, where it has one.
pub(crate) fn web(change: &Change, pool: &Pool, dns: &Answer<DnsObservation>) -> Option<Web> {
    if pool.load_balancing.sip == SipBalancing::Hardware {
        return None;
    }
    let web = pool.load_balancing.web.as_ref()?;
    if web.as_str() == pool.name.as_str() {
        let text = format!("the web services name {web} is the pool's own name, which DNS spreads over the servers");
        return Some(Web::Wrong(text));
    }
    let answers = match dns {
        Answer::Known(dns) => by_resolver(dns),
        Answer::Unknown(why) => return Some(Web::Unknown(format!("the records of {web} are not known: {why}"))),
    };
    if answers.is_empty() {
        return Some(Web::Unknown(format!("no name server was asked about {web}")));
    }
    let mut unknown = None;
    for (resolver, answers) in &answers {
        match web_at(change, *resolver, web, answers) {
            Web::Balanced(_) => {}
            Web::Wrong(why) => return Some(Web::Wrong(why)),
            Web::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    Some(match unknown {
        Some(why) => Web::Unknown(why),
        None => Web::Balanced(format!("{web} leads to no server of the pool, so to a balancer")),
    })
}

/// Judges what one resolver says about a web services name.
fn web_at(
    change: &Change,
    resolver: SocketAddr,
    web: &DnsName,
    answers: &BTreeMap<&DnsName, &Answer<AddressRecords>>,
) -> Web {
    let records = match answers.get(web) {
        Some(Answer::Known(records)) => records,
        Some(Answer::Unknown(why)) => return Web::Unknown(DnsAnswer::untold(resolver, web, why)),
        None => return Web::Unknown(format!("{resolver} was not asked for {web}")),
    };
    if records.addresses.is_empty() {
        return Web::Wrong(format!("the web services name {web} has no address record at {resolver}"));
    }
    // A server of any pool of the change: none of them is a balancer.
    for server in change.pools.iter().flat_map(|pool| &pool.servers) {
        let own = match answers.get(&server.name.dns()) {
            Some(Answer::Known(own)) => own.addresses.as_slice(),
            Some(Answer::Unknown(_)) | None => &[],
        };
        let mut known = own.iter().chain(&server.addresses);
        if let Some(address) = known.find(|address| records.addresses.contains(address)) {
            return Web::Wrong(format!(
                "the web services name {web} leads to {address} at {resolver}, which is {}'s own address",
                server.name
            ));
        }
    }
    Web::Balanced(String::new())
}
