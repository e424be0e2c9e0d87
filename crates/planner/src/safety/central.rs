//! Where is the central management active? In one place only, and in the one that the plan states. After fail-overs of
//! paired pools it has been found active on both; and the order of servers, and the replicas that are looked at, depend
//! on where the plan says that it is.
//!
//! Only a pool that hosts it, or whose partner may, has to do with it (see [`concerns`]).

use super::{Asked, Look, Question, questions};
use crate::words::few;
use orchestrate_model::{Answer, Change, Pool, PoolName, PoolObservation, Product, Role, ServerName, Verdict};
use std::fmt;

/// What to do when the answers are not as they should be.
pub(crate) const ADVICE: &str = "Find out where it is active: compare ActiveMasterFQDN on a server of each pool \
     (Get-CsManagementStoreReplicationStatus -CentralManagementStoreStatus). Where a fail-over has left it active on \
     both sides, make one of them passive by the product's own procedure. Where the plan is wrong, correct hosts.";

/// Returns whether the servers of a pool are asked where the central management is active: those of a pool that is
/// stated to host it or that has a partner. Edge servers never are.
#[must_use]
pub fn concerns(change: &Change, pool: &Pool) -> bool {
    let known = pool.product != Product::Generic && pool.role != Role::Edge;
    known && (pool.central_management().is_some() || pool.paired_with.is_some() || change.partner(pool).is_some())
}

/// Returns whether the servers of a pool that say where the central management is active say what the plan states, or,
/// where it states nothing, the same. None when there is no such question for the pool.
///
/// There is none either where the change states nowhere who hosts it and no server could say: a block, a patch or a
/// restart of servers that have no part in the central management harms nobody's, so silence is worth a warning, and
/// servers that contradict each other are not. Where it is stated, silence is unknown, which is unsafe (promise P3).
#[must_use]
pub fn central_management(change: &Change, pool: &Pool, seen: &PoolObservation) -> Option<Verdict> {
    if !concerns(change, pool) {
        return None;
    }
    let groups = groups(change, pool, seen);
    let Some((home, server)) = change.central_management(pool) else {
        return unstated(&groups);
    };
    let stated = Named::Server(&server.name, &home.name);
    let wrong = groups.iter().filter(|group| !agree(group.active, Some(stated))).map(ToString::to_string);
    let wrong: Vec<String> = wrong.collect();
    Some(match (groups.as_slice(), wrong.as_slice()) {
        ([], _) => Verdict::Unknown(format!(
            "no server of {} could say where the central management is active, the plan says {stated}: {}",
            pool.name,
            why_silent(pool, seen)
        )),
        ([group, ..], []) => Verdict::Yes(format!("{group}, as the plan says")),
        (_, wrong) => Verdict::No(format!("{}, the plan says {stated}", wrong.join("; "))),
    })
}

/// Compares the answers of a pool's servers with each other.
fn unstated(groups: &[Group<'_>]) -> Option<Verdict> {
    match groups {
        [] | [Group { active: None, .. }] => None,
        several if several.iter().all(|one| several.iter().all(|two| agree(one.active, two.active))) => {
            Some(Verdict::Yes(format!("{}; the plan does not say where it is", several[0])))
        }
        several => {
            let each: Vec<String> = several.iter().map(ToString::to_string).collect();
            Some(Verdict::No(format!("{}: it is to be active in one place only", each.join("; "))))
        }
    }
}

pub(super) fn question(look: &Look<'_>) -> Option<Asked> {
    let verdict = central_management(look.change, look.pool, look.seen)?;
    Some(questions::asked(Question::CentralManagement, verdict, ADVICE))
}

/// Returns what two paired pools say when they do not say the same.
pub(crate) fn differ(one: &Look<'_>, two: &Look<'_>) -> Option<String> {
    let (ours, theirs) = (groups(one.change, one.pool, one.seen), groups(two.change, two.pool, two.seen));
    let pairs = ours.iter().flat_map(|our| theirs.iter().map(move |their| (our, their)));
    let (our, their) = pairs.into_iter().find(|(our, their)| !agree(our.active, their.active))?;
    let at_home = |group: &Group<'_>, pool: &Pool| group.active.and_then(Named::pool) == Some(&pool.name);
    let both = at_home(our, one.pool) && at_home(their, two.pool);
    let what = if both { "active on both" } else { "not the same for both" };
    Some(format!(
        "the central management of {} and {} is {what}: {}, {}",
        one.pool.name,
        two.pool.name,
        our.brief(),
        their.brief()
    ))
}

/// Returns why nobody knows where the central management is active, where that stops nothing.
pub(crate) fn silent(look: &Look<'_>) -> Option<String> {
    let asked = concerns(look.change, look.pool) && central_management(look.change, look.pool, look.seen).is_none();
    asked.then(|| why_silent(look.pool, look.seen))
}

/// Servers with the same answer, to the letter: a pool and one of its servers are two answers, which agree.
struct Group<'a> {
    active: Option<Named<'a>>,
    servers: Vec<&'a str>,
}

impl Group<'_> {
    /// The answer without saying again what it is about.
    fn brief(&self) -> String {
        let s = if self.servers.len() == 1 { "s" } else { "" };
        let active = self.active.map_or_else(|| "none".to_owned(), |active| active.to_string());
        format!("{} say{s} {active}", few(&self.servers))
    }
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.servers.len() == 1 { "s" } else { "" };
        let who = few(&self.servers);
        match self.active {
            Some(active) => write!(f, "{who} say{s} that the central management is active on {active}"),
            None => write!(f, "{who} name{s} no active central management"),
        }
    }
}

fn groups<'a>(change: &'a Change, pool: &'a Pool, seen: &'a PoolObservation) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for server in &pool.servers {
        let Some(said) = seen.servers.get(&server.name).and_then(|seen| seen.central_management.known()) else {
            continue;
        };
        let active = said.active.as_deref().map(|name| Named::of(change, pool, name));
        match groups.iter_mut().find(|group| group.active == active) {
            Some(group) => group.servers.push(server.name.short()),
            None => groups.push(Group { active, servers: vec![server.name.short()] }),
        }
    }
    groups
}

/// Returns what the first server that was asked says instead of a name.
fn why_silent(pool: &Pool, seen: &PoolObservation) -> String {
    let not_asked = Answer::<()>::not_asked();
    let reasons = pool.servers.iter().filter_map(|server| {
        let why = match seen.servers.get(&server.name)?.central_management.as_result() {
            Ok(_) => "it names none",
            Err(why) => why,
        };
        (Some(why) != not_asked.why_unknown()).then(|| format!("{}: {why}", server.name.short()))
    });
    reasons.into_iter().next().unwrap_or_else(|| "none was asked".to_owned())
}

/// What a server called active, as far as the change knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named<'a> {
    /// A server, of this pool.
    Server(&'a ServerName, &'a PoolName),
    /// A pool: the product names the pool, where it has several servers.
    Pool(&'a PoolName),
    /// Nothing that the change knows, as it was said.
    Other(&'a str),
}

impl<'a> Named<'a> {
    /// A short name belongs to the domain of the pool whose server says it.
    fn of(change: &'a Change, pool: &Pool, name: &'a str) -> Self {
        let name = name.trim().trim_end_matches('.');
        let full = match (name.contains('.'), pool.name.as_str().split_once('.')) {
            (false, Some((_, domain))) => format!("{name}.{domain}"),
            (false, None) | (true, _) => name.to_owned(),
        };
        let servers = change.pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
        let mut servers = servers.filter(|(_, server)| server.name.as_str().eq_ignore_ascii_case(&full));
        if let Some((pool, server)) = servers.next() {
            return Self::Server(&server.name, &pool.name);
        }
        let pool = change.pools.iter().find(|pool| pool.name.as_str().eq_ignore_ascii_case(&full));
        pool.map_or(Self::Other(name), |pool| Self::Pool(&pool.name))
    }

    fn pool(self) -> Option<&'a PoolName> {
        match self {
            Self::Server(_, pool) | Self::Pool(pool) => Some(pool),
            Self::Other(_) => None,
        }
    }

    fn is(self, other: Named<'_>) -> bool {
        match (self, other) {
            (Self::Server(one, _), Named::Server(two, _)) => one == two,
            (Self::Server(_, one) | Self::Pool(one), Named::Pool(two)) => one == two,
            (Self::Pool(one), Named::Server(_, two)) => one == two,
            (Self::Other(one), Named::Other(two)) => one.eq_ignore_ascii_case(two),
            (Self::Other(_), Named::Server(..) | Named::Pool(_)) => false,
            (Self::Server(..) | Self::Pool(_), Named::Other(_)) => false,
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server, _) => f.write_str(server.short()),
            Self::Pool(pool) => write!(f, "{pool}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

fn agree(one: Option<Named<'_>>, two: Option<Named<'_>>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => one.is(two),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
