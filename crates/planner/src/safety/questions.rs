//! The single questions. Each returns its answer with the counts behind it, and what to do when it is not yes.

use super::dependents::{called, is_counted, problems};
use super::look::Other;
use super::{Asked, EVIDENCE_LIFETIME, Look, Question, Replicas, drains};
use crate::quorum;
use crate::scope::{PoolScope, class};
use crate::standing::Standing;
use crate::words::{are, few, list, time};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::Patch;
use orchestrate_model::change::{Scope, SharedBudget};
use orchestrate_model::observe::{DomainReadiness, FileFacts, Readiness, ReadinessState, SessionReading};
use orchestrate_model::pool::Hosted;
use orchestrate_model::{
    Answer, Change, Feature, Pool, PoolName, RunState, Server, ServerName, ServerObservation, ServiceName,
    ServiceStatus, UpgradeDomain, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn asked(question: Question, verdict: Verdict, advice: &str) -> Asked {
    // Advice that nobody needs is not written down.
    let advice = if verdict.is_yes() { String::new() } else { advice.to_owned() };
    Asked { question, verdict, advice }
}

/// How far a clock may be ahead of ours before evidence from the future is evidence of nothing.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn fresh(look: &Look<'_>, now: Timestamp) -> Asked {
    let verdict = match look.oldest {
        None => Verdict::Unknown(format!("nothing was seen of {}", look.pool.name)),
        Some(oldest) => {
            let age = now.duration_since(oldest);
            if age > EVIDENCE_LIFETIME {
                let most = time(EVIDENCE_LIFETIME);
                Verdict::No(format!(
                    "the evidence is {} old, at most {most} proves anything: the look took too long, because this machine \
                     or a server is slow or busy, or a lab too fast",
                    time(age)
                ))
            } else if age < -CLOCK_SLACK {
                Verdict::Unknown(format!("the evidence is from {oldest}, after now ({now})"))
            } else {
                Verdict::Yes(format!("the evidence is {} old", time(age.max(SignedDuration::ZERO))))
            }
        }
    };
    let advice = "Look again when this machine and the servers have less to do. On a lab: give a lower --lab-speed.";
    asked(Question::Fresh, verdict, advice)
}

/// Servers besides the one in question that are out, and those of which nobody knows, each with the reason. Those that the plan
/// takes out of the budget are not among them.
fn absent_in_budget(look: &Look<'_>, server: &ServerName) -> (Vec<String>, Vec<String>) {
    absent_of(look, server, |other| !other.is_beside_budget())
}

/// Servers besides the one in question that are out, and those of which nobody knows, each with the reason.
fn absent(look: &Look<'_>, server: &ServerName) -> (Vec<String>, Vec<String>) {
    absent_of(look, server, |_| true)
}

fn absent_of(look: &Look<'_>, server: &ServerName, counts: impl Fn(&Server) -> bool) -> (Vec<String>, Vec<String>) {
    let (mut out, mut unknown) = (Vec::new(), Vec::new());
    for Other { server: other, standing, .. } in look.others(server).filter(|other| counts(other.server)) {
        match standing {
            Standing::Serving => {}
            Standing::Out(why) => out.push(format!("{} ({why})", other.name.short())),
            Standing::Unknown(why) => unknown.push(format!("{} ({why})", other.name.short())),
        }
    }
    (out, unknown)
}

pub(super) fn budget(look: &Look<'_>, server: &ServerName) -> Asked {
    let most = look.change.maintenance.at_once as usize;
    let (out, unknown) = absent_in_budget(look, server);
    let (name, pool) = (server.short(), &look.pool.name);
    let verdict = if out.len() >= most {
        let these = list(&out);
        let are = are(out.len());
        Verdict::No(format!("{name} may not go: at most {most} of {pool} may be out, {these} {are} out already"))
    } else if out.len() + unknown.len() >= most {
        let mut counted = out;
        counted.extend(unknown);
        Verdict::Unknown(format!(
            "{name} may not go: at most {most} of {pool} may be out, and these are not known to serve: {}",
            list(&counted)
        ))
    } else {
        let after = out.len() + unknown.len() + 1;
        let beside: Vec<&str> =
            look.pool.servers.iter().filter(|other| other.is_beside_budget()).map(|other| other.name.short()).collect();
        let beside = match beside.as_slice() {
            [] => String::new(),
            some => format!(", beside {}, away", few(some)),
        };
        Verdict::Yes(format!("{after} of at most {most} would be out{beside}"))
    };
    let advice = if look.others(server).any(|other| other.server.away.is_some() && !other.server.is_beside_budget()) {
        "Bring the server that is away back first. Where the others can do without it meanwhile, the plan can say that it takes \
         no place of the budget: away: {reason: ..., in_budget: false}; quorum, readiness and what remains decide all the same."
    } else {
        "Bring the servers that are out back into service first, or find out why they do not answer."
    };
    asked(Question::Budget, verdict, advice)
}

pub(super) fn shared_budget(
    change: &Change,
    budget: &SharedBudget,
    server: &ServerName,
    out: &BTreeMap<PoolName, BTreeSet<ServerName>>,
) -> Asked {
    let sharing = change.pools.iter().filter(|pool| pool.labels.contains(&budget.label));
    let (mut gone, mut unseen) = (Vec::new(), Vec::new());
    for pool in sharing {
        let counts = |other: &ServerName| other != server && !pool.server(other).is_some_and(Server::is_beside_budget);
        match out.get(&pool.name) {
            Some(servers) => gone.extend(servers.iter().filter(|other| counts(other)).map(ServerName::short)),
            None => unseen.push(&pool.name),
        }
    }
    let (label, most, name) = (&budget.label, budget.at_once as usize, server.short());
    let verdict = if gone.len() >= most {
        let are = are(gone.len());
        Verdict::No(format!("{name} may not go: at most {most} of {label} may be out, {} {are} out", list(gone)))
    } else if unseen.is_empty() {
        Verdict::Yes(format!("{} of at most {most} of {label} would be out", gone.len() + 1))
    } else {
        Verdict::Unknown(format!("{name} may not go: {label} counts {} too, which was not seen", list(unseen)))
    };
    asked(Question::SharedBudget, verdict, "Wait until the other pool's server is back.")
}

pub(super) fn remaining(look: &Look<'_>, server: &ServerName) -> Asked {
    let serving: Vec<&str> =
        look.others(server).filter(|other| other.standing.serves()).map(|other| other.server.name.short()).collect();
    let (out, unknown) = absent(look, server);
    let (name, pool) = (server.short(), &look.pool.name);
    let accepted = outage_accepted(look.change, look.pool, &look.scope);
    let verdict = if !serving.is_empty() {
        Verdict::Yes(format!("{} {} in service", few(&serving), if serving.len() == 1 { "stays" } else { "stay" }))
    } else if let Some(why) = accepted {
        Verdict::Yes(format!("{pool} has one server: {why}"))
    } else if look.pool.servers.len() == 1 {
        Verdict::No(format!(
            "{name} may not go: it is the only server of {pool}, a drain has nowhere to send its users"
        ))
    } else if unknown.is_empty() {
        Verdict::No(format!("{name} may not go: it is the last of {pool} in service, out are {}", list(&out)))
    } else {
        Verdict::Unknown(format!("{name} may not go: no other server of {pool} is known to serve: {}", list(&unknown)))
    };
    asked(
        Question::Remaining,
        verdict,
        "Bring another server of the pool into service first. A pool of one server is failed over by hand, or its outage is \
         accepted in words (accept_outage).",
    )
}

/// Returns why the only server of a pool may go although nobody takes over, if the plan says so: it accepts the outage of
/// the pool in words, or nothing goes but services whose features it accepts to lose by name.
pub(crate) fn outage_accepted(change: &Change, pool: &Pool, scope: &PoolScope) -> Option<String> {
    if pool.servers.len() != 1 {
        return None;
    }
    if let Some(why) = &pool.accept_outage {
        return Some(format!("the plan accepts its outage ({why})"));
    }
    let features: Vec<(Feature, &ServiceName)> = scope.features().collect();
    let held = |service: &ServiceName| features.iter().any(|(_, of)| *of == service);
    let accepted = features.iter().all(|(feature, _)| change.accepts_loss(pool, *feature));
    let chosen = matches!(change.maintenance.scope, Scope::Services(_)) && !scope.block.is_empty();
    (chosen && accepted && scope.block.iter().all(held)).then(|| {
        format!("only {} goes, and its loss is accepted by name", list(features.iter().map(|(feature, _)| feature)))
    })
}

pub(super) fn quorum(look: &Look<'_>, server: &ServerName) -> Asked {
    let (name, servers) = (server.short(), look.pool.servers.len());
    let verdict = if !look.scope.blocks("RTCSRV") {
        Verdict::Yes("RTCSRV keeps running on this server, so quorum does not change".to_owned())
    } else if servers == 1 {
        Verdict::Yes("a pool of one server has no quorum; whether it may go is another question".to_owned())
    } else {
        match Count::of(look, server) {
            Some(count) => count.verdict(name),
            None => {
                let product = look.pool.product.title();
                let text = format!("{name} may not go: the quorum table of {product} has no row for {servers} servers");
                Verdict::Unknown(text)
            }
        }
    };
    let advice = "Bring the servers that are down back first. Below quorum the product stops the whole pool.";
    asked(Question::Quorum, verdict, advice)
}

/// The servers that quorum counts, with one of them about to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// Known to run now, the one in question included.
    up: u32,
    /// Known to run once it is gone.
    pub(crate) after: u32,
    pub(crate) need: u32,
    /// Others that are known not to run, and of which nobody knows.
    pub(crate) down: Vec<String>,
    pub(crate) unknown: Vec<String>,
    /// `of 6`, or `of the first 7`.
    of: String,
}

impl Count {
    /// Returns the count for `server`, where the product's table has a row for its pool.
    pub(crate) fn of(look: &Look<'_>, server: &ServerName) -> Option<Self> {
        let total = u32::try_from(look.pool.servers.len()).unwrap_or(u32::MAX);
        let rule = quorum::functional(look.pool.product, total)?;
        let counted = &look.pool.servers[..rule.counted(total) as usize];
        let (mut up, mut after, mut down, mut unknown) = (0, 0, Vec::new(), Vec::new());
        for (other, registrar) in counted.iter().zip(&look.registrars) {
            let itself = other.name == *server;
            let gone = !itself && look.ours_out.contains(&other.name);
            match if gone { &Answer::Known(false) } else { registrar } {
                Answer::Known(true) => {
                    up += 1;
                    after += u32::from(!itself);
                }
                // What the server itself does now plays no part: it is about to go.
                Answer::Known(false) | Answer::Unknown(_) if itself => {}
                Answer::Known(false) => down.push(other.name.short().to_owned()),
                Answer::Unknown(_) => unknown.push(other.name.short().to_owned()),
            }
        }
        let of = match rule.of_first {
            Some(first) => format!("of the first {first}"),
            None => format!("of {total}"),
        };
        Some(Self { up, after, need: rule.need, down, unknown, of })
    }

    fn gone(&self) -> String {
        let mut text = String::new();
        if !self.down.is_empty() {
            text = format!(", {} {} already down", list(&self.down), are(self.down.len()));
        }
        if !self.unknown.is_empty() {
            let unknown = format!(", {} {} not known to run", list(&self.unknown), are(self.unknown.len()));
            text.push_str(&unknown);
        }
        text
    }

    fn verdict(&self, name: &str) -> Verdict {
        let Self { up, after, need, of, .. } = self;
        let gone = self.gone();
        let at_best = after + u32::try_from(self.unknown.len()).unwrap_or(u32::MAX);
        if after >= need {
            let tight = if after == need { ": exactly what is needed" } else { "" };
            Verdict::Yes(format!("{after} {of} would run, {need} needed{gone}{tight}"))
        } else if at_best >= *need {
            Verdict::Unknown(format!("{name} may not go: {up} {of} are known to run, {need} needed{gone}"))
        } else {
            Verdict::No(format!("{name} may not go: {up} {of} run, {need} needed{gone}"))
        }
    }
}

pub(super) fn upgrade_domain(look: &Look<'_>, server: &ServerName) -> Asked {
    let name = server.short();
    let own = domain(look, server);
    let (mut apart, mut open, mut absent) = (Vec::new(), Vec::new(), 0_usize);
    // What the plan takes out of the budget was not taken out by anybody's maintenance: whether the domain can be done
    // without beside it is the product's to say.
    for Other { server: other, standing, .. } in look.others(server).filter(|other| !other.server.is_beside_budget()) {
        let out = match standing {
            Standing::Serving => continue,
            Standing::Out(_) => true,
            Standing::Unknown(_) => false,
        };
        absent += 1;
        match (&own, domain(look, &other.name)) {
            (Some(own), Some(theirs)) if *own == theirs => {}
            (Some(_), Some(theirs)) if out => apart.push(format!("{} ({theirs})", other.name.short())),
            (Some(_), Some(theirs)) => open.push(format!("{} ({theirs}) may be out", other.name.short())),
            (None, _) | (_, None) => {
                open.push(format!("the upgrade domain of {} or of {name} is not known", other.name.short()));
            }
        }
    }
    let own = own.map_or_else(|| "that is not known".to_owned(), |own| own.to_string());
    let verdict = if absent == 0 {
        Verdict::Yes("no other server is out".to_owned())
    } else if !apart.is_empty() {
        let (these, are) = (list(&apart), are(apart.len()));
        Verdict::No(format!("{name} may not go: it is in upgrade domain {own}, and {these} {are} out"))
    } else if open.is_empty() {
        Verdict::Yes(format!("all that are out are in the same upgrade domain, {own}"))
    } else {
        Verdict::Unknown(format!("{name} may not go: it is in upgrade domain {own}, and {}", list(open)))
    };
    asked(Question::UpgradeDomain, verdict, "Never two upgrade domains at once: bring the other one back first.")
}

/// Returns the upgrade domain of a server: the plan's word, or else the product's own.
fn domain(look: &Look<'_>, name: &ServerName) -> Option<UpgradeDomain> {
    let planned = look.pool.server(name).and_then(|server| server.upgrade_domain.clone());
    planned.or_else(|| {
        let readiness = look.seen.servers.values().filter_map(|server| server.readiness.known());
        readiness.flat_map(|readiness| &readiness.domains).find(|d| d.servers.contains(name)).map(|d| d.name.clone())
    })
}

pub(super) fn ready(look: &Look<'_>, server: &ServerName) -> Asked {
    let advice = "Wait ten minutes and look again, three times at most. A pool that has not enough active front ends \
                  has a problem to be solved first.";
    asked(Question::Ready, said_ready(look, server), advice)
}

/// Asks the other servers of the pool, since the one in work may be about to go. The worst word counts.
fn said_ready(look: &Look<'_>, server: &ServerName) -> Verdict {
    let words = look.readiness.iter().filter_map(|(readiness, who)| {
        let witness = who.iter().find(|witness| ***witness != *server)?;
        Some(super::ours::explained(look, server, readiness, readiness_says(look.pool, server, witness, readiness)))
    });
    words.reduce(Verdict::and).unwrap_or_else(|| {
        let others = look.others(server).filter(|other| other.standing.serves());
        let silent = others.filter_map(|other| Some((other.server, other.seen?.readiness.why_unknown()?)));
        let (name, silent) = (server.short(), why_silent(silent));
        Verdict::Unknown(format!("{name} may not go: no other server could say whether the pool is ready ({silent})"))
    })
}

fn readiness_says(pool: &Pool, server: &ServerName, witness: &ServerName, readiness: &Readiness) -> Verdict {
    let (name, witness) = (server.short(), witness.short());
    let counts = match (readiness.active, readiness.total) {
        (Some(active), Some(total)) => format!(", {active} of {total} front ends active"),
        (Some(_) | None, Some(_) | None) => String::new(),
    };
    match &readiness.state {
        ReadinessState::Ready => {}
        ReadinessState::Busy => return Verdict::No(format!("{name} may not go: {witness} says Busy{counts}")),
        ReadinessState::InsufficientActiveFrontEnds => {
            return Verdict::No(format!("{name} may not go: {witness} says InsufficientActiveFrontEnds{counts}"));
        }
        ReadinessState::Other(word) => {
            return Verdict::Unknown(format!(
                "{name} may not go: {witness} says {}, which is not a known state",
                orchestrate_model::text::quoted(word)
            ));
        }
    }
    let planned = pool.server(server).and_then(|server| server.upgrade_domain.as_ref());
    let own = |domain: &&DomainReadiness| domain.servers.contains(server) || Some(&domain.name) == planned;
    match readiness.domains.iter().find(own) {
        None => Verdict::Yes(format!("{witness} says Ready{counts}")),
        Some(domain) => match &domain.ready {
            Answer::Known(true) => {
                Verdict::Yes(format!("{witness} says Ready, upgrade domain {} too{counts}", domain.name))
            }
            Answer::Known(false) => {
                Verdict::No(format!("{name} may not go: {witness} says that {} is not ready", domain.name))
            }
            Answer::Unknown(why) => Verdict::Unknown(format!(
                "{name} may not go: {witness} does not say whether {} is ready: {why}",
                domain.name
            )),
        },
    }
}

/// Returns why servers do not say something: most often they have one cause, which is told once.
fn why_silent<'a>(silent: impl Iterator<Item = (&'a Server, &'a str)>) -> String {
    let mut by_cause: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (server, why) in silent {
        let without = why.strip_prefix(server.name.as_str()).and_then(|rest| rest.strip_prefix(": "));
        by_cause.entry(without.unwrap_or(why)).or_default().push(server.name.short());
    }
    list(by_cause.into_iter().map(|(why, names)| format!("{}: {why}", few(&names))))
}

pub(super) fn replication(look: &Look<'_>, server: &ServerName) -> Option<Asked> {
    let hosts = |server: &&Server| server.hosts.contains(&Hosted::CentralManagement);
    look.pool.servers.iter().find(hosts)?;
    let name = server.short();
    let verdict = match Replicas::of(look.pool, look.seen, &look.away, &look.catching_up) {
        None => {
            let silent = look.servers().filter_map(|(server, _)| {
                Some((server, look.seen.servers.get(&server.name)?.replication.why_unknown()?))
            });
            let silent = why_silent(silent);
            let silent = if silent.is_empty() { silent } else { format!(" ({silent})") };
            Verdict::Unknown(format!(
                "{name} may not go: no server could say whether the replicas are up to date{silent}"
            ))
        }
        Some(Replicas { behind, .. }) if !behind.is_empty() => {
            Verdict::No(format!("{name} may not go: replicas behind: {}", list(behind)))
        }
        Some(Replicas { unnamed, .. }) if !unnamed.is_empty() => {
            Verdict::Unknown(format!("{name} may not go: no answer names the replica of {}", few(&unnamed)))
        }
        Some(replicas) => Verdict::Yes(replicas.up_to_date()),
    };
    Some(asked(Question::Replication, verdict, "Wait until every replica is up to date, or find out why one is not."))
}

pub(super) fn blockable(look: &Look<'_>, server: &ServerName) -> Asked {
    let name = server.short();
    let verdict = match look.seen.servers.get(server) {
        None => Verdict::Unknown(format!("{name} was not asked")),
        Some(seen) => match &seen.services {
            Answer::Unknown(reason) => Verdict::Unknown(format!("{name} did not say what it runs: {reason}")),
            Answer::Known(_) => all_blockable(look, name, seen),
        },
    };
    let advice = "Each cause has a finding in the preview, which says what to do about it: O2021 where a service cannot be paused, \
                  O2022 where it cannot be counted, O2050 where the plan does not name it, O2098 where the end of its drain could \
                  not be told.";
    asked(Question::Blockable, verdict, advice)
}

fn all_blockable(look: &Look<'_>, name: &str, seen: &ServerObservation) -> Verdict {
    let mut against = Vec::new();
    let mut running = 0_usize;
    for service in &look.scope.block {
        let status = seen.service(service);
        running += usize::from(status.is_some_and(|status| {
            matches!(&status.state, Answer::Known(RunState::Running | RunState::Paused))
                && (status.accepts_pause || !status.is(RunState::Running))
        }));
        against.extend(unblockable(look, name, seen, service));
    }
    against.extend(unplanned(look, seen).map(|(service, state)| {
        let shown = shown(seen, service);
        match state {
            Ok(state) => {
                Verdict::No(format!("{name}: {shown} is {state} and not in the plan, so the run does not drain it"))
            }
            Err(why) => Verdict::Unknown(format!("{name}: {shown} is not in the plan, its state not known: {why}")),
        }
    }));
    against.extend(problems(look, name, seen));
    match all_against(name, &against) {
        Some(against) => against,
        None if running == 0 => {
            Verdict::No(format!("{name} runs none of the services in scope: there is nothing to block"))
        }
        None => {
            let by_time = |service: &&ServiceName| {
                let status = seen.service(service);
                let is_timed =
                    !look.pool.can_count(service) && look.change.maintenance.unmeasured.contains_key(*service);
                let is_there = status.is_some_and(|status| !status.is(RunState::Stopped));
                is_there && (is_timed || is_for_time(look, seen.sessions.get(*service), service))
            };
            let by_time: Vec<&ServiceName> = look.scope.block.iter().filter(by_time).collect();
            let counted = if by_time.is_empty() {
                "its sessions counted".to_owned()
            } else {
                format!("and counted but for {}, waited for by time", list(&by_time))
            };
            Verdict::Yes(format!(
                "{} in scope on {name}: each can be paused, {counted}",
                orchestrate_model::readable::count(running, "running service")
            ))
        }
    }
}

/// Causes that one answer names before it counts the rest. A server whose counters are all gone has some fifteen.
const CAUSES_NAMED: usize = 6;

/// Returns one answer for all that stands against a server: whoever mends the first cause would else meet the next one, and
/// so on. What is disproven comes before what is not known.
fn all_against(name: &str, against: &[Verdict]) -> Option<Verdict> {
    let texts = |wanted: fn(&Verdict) -> bool| against.iter().filter(move |verdict| wanted(verdict)).map(Verdict::text);
    let refused = texts(|verdict| matches!(verdict, Verdict::No(_)));
    let is_refused = refused.clone().next().is_some();
    let mut causes: Vec<&str> = refused.chain(texts(|verdict| matches!(verdict, Verdict::Unknown(_)))).collect();
    let mut met = BTreeSet::new();
    causes.retain(|cause| met.insert(*cause));
    let first = (*causes.first()?).to_owned();
    let lead = format!("{name}: ");
    let rest = causes.iter().skip(1).take(CAUSES_NAMED - 1);
    let mut text = rest.fold(first, |text, cause| format!("{text}; {}", cause.strip_prefix(&lead).unwrap_or(cause)));
    let more = causes.len().saturating_sub(CAUSES_NAMED);
    if more > 0 {
        text = format!("{text}; and {more} more");
    }
    Some(if is_refused { Verdict::No(text) } else { Verdict::Unknown(text) })
}

/// Returns why a service cannot be blocked and its sessions be counted, if that is so.
fn unblockable(look: &Look<'_>, name: &str, seen: &ServerObservation, service: &ServiceName) -> Option<Verdict> {
    let asked_for = match &look.change.maintenance.scope {
        Scope::AllServices => false,
        Scope::Services(chosen) => chosen.contains(service),
    };
    let Some(status) = seen.service(service) else {
        return asked_for.then(|| Verdict::No(format!("{name} has no service {service}, which the plan asks for")));
    };
    let called = || called(look, seen, service);
    match &status.state {
        Answer::Unknown(why) => {
            Some(Verdict::Unknown(format!("{name}: the state of {} is not known: {why}", called())))
        }
        // Nothing to block and nothing to wait for.
        Answer::Known(RunState::Stopped) => None,
        Answer::Known(RunState::Running) if !status.accepts_pause => {
            Some(Verdict::No(format!("{name}: {} does not accept a pause", called())))
        }
        Answer::Known(RunState::Running | RunState::Paused) => uncountable(look, name, seen, service),
        Answer::Known(state) => Some(Verdict::No(format!("{name}: {} is {state}, on its way somewhere", called()))),
    }
}

/// Returns the services with sessions that are not stopped on a server and that the plan does not know, where it is
/// about whole servers: nobody would drain them, and a patch or a restart would cut their sessions (promises P4, P5).
pub(crate) fn unplanned<'a>(
    look: &'a Look<'_>,
    seen: &'a ServerObservation,
) -> impl Iterator<Item = (&'a ServiceName, Result<RunState, &'a str>)> {
    let whole = look.change.maintenance.scope == Scope::AllServices;
    let with_sessions = |name: &&ServiceName| catalogue::service(name).is_some_and(|f| f.drain == DrainClass::Session);
    let beside = look.scope.beside.iter().filter(with_sessions).filter_map(|name| seen.service(name));
    beside.chain(unnamed(look, seen)).filter(move |_| whole).filter_map(|status| {
        let state = status.state.as_result().copied();
        (state != Ok(RunState::Stopped)).then_some((&status.name, state))
    })
}

/// Returns a service with its display name, where the catalogue does not have it under its name.
pub(crate) fn shown(seen: &ServerObservation, service: &ServiceName) -> String {
    match seen.service(service) {
        Some(status) if catalogue::service(service).is_none() => format!("{service} ({})", status.display_name),
        Some(_) | None => service.to_string(),
    }
}

/// Returns the services of the product that a server was found to have by their display names, that neither the plan nor
/// the catalogue names for it, and that may have sessions: no source knows the Windows names of some of them.
fn unnamed<'a>(look: &'a Look<'_>, seen: &'a ServerObservation) -> impl Iterator<Item = &'a ServiceStatus> {
    let scope = &look.scope;
    let named = [&scope.block, &scope.support, &scope.serving, &scope.beside];
    let services = seen.services.known().into_iter().flat_map(BTreeMap::values);
    services.filter(move |status| {
        let facts = catalogue::service(&status.name).or_else(|| catalogue::by_display(&status.display_name));
        catalogue::is_product_display(&status.display_name)
            && !named.iter().any(|names| names.contains(&status.name))
            && facts.is_none_or(|facts| facts.drain == DrainClass::Session)
    })
}

/// A server that was drained for an installer that is not there has been drained for nothing.
pub(super) fn staged(look: &Look<'_>, server: &ServerName) -> Option<Asked> {
    let installers = &look.change.maintenance.installers;
    let each = installers.iter().map(|patch| staged_one(look, server, patch));
    let verdict = match each.reduce(Verdict::and)? {
        Verdict::Yes(_) if installers.len() > 1 => Verdict::Yes(format!(
            "{} has the {} installers with the SHA-256 of the plan",
            server.short(),
            installers.len()
        )),
        verdict @ (Verdict::Yes(_) | Verdict::No(_) | Verdict::Unknown(_)) => verdict,
    };
    let advice = "Put the installer on each server, at the path in the plan, and compare its SHA-256 with the plan's.";
    Some(asked(Question::Staged, verdict, advice))
}

fn staged_one(look: &Look<'_>, server: &ServerName, patch: &Patch) -> Verdict {
    let (name, path) = (server.short(), patch.shown_installer());
    let seen = look.seen.servers.get(server);
    match seen.and_then(|seen| seen.file_of(&look.change.maintenance.installers, &patch.installer)) {
        None => Verdict::Unknown(format!("{name} was not asked whether it has {path}")),
        Some(Answer::Unknown(why)) => Verdict::Unknown(format!("{name} did not say whether it has {path}: {why}")),
        Some(Answer::Known(FileFacts::Missing)) => Verdict::No(format!("{name} has no file {path}")),
        Some(Answer::Known(FileFacts::Found { sha256 })) if sha256.eq_ignore_ascii_case(&patch.sha256) => {
            Verdict::Yes(format!("{name} has {path} with the SHA-256 of the plan"))
        }
        Some(Answer::Known(FileFacts::Found { sha256 })) => Verdict::No(format!(
            "{path} on {name} is another file than the plan means: its SHA-256 is {sha256}, the plan says {}",
            patch.sha256
        )),
    }
}

/// Returns why the sessions of a service cannot be counted, or the end of its drain not be told, if that is so.
fn uncountable(look: &Look<'_>, name: &str, seen: &ServerObservation, service: &ServiceName) -> Option<Verdict> {
    if !is_counted(look, service) {
        let called = called(look, seen, service);
        return Some(Verdict::No(format!("{name}: no measure is known for the sessions of {called}")));
    }
    let reading = seen.sessions.get(service);
    if !look.pool.can_count(service) || is_for_time(look, reading, service) {
        return drains::problem(look, name, seen, service);
    }
    match reading.map(SessionReading::left) {
        None => Some(Verdict::Unknown(format!("{name}: the sessions of {service} could not be read"))),
        Some(Answer::Known(_)) => drains::problem(look, name, seen, service),
        Some(Answer::Unknown(why)) => {
            Some(Verdict::Unknown(format!("{name}: the sessions of {service} could not be read: {why}")))
        }
    }
}

/// Returns whether the plan waits for a service by time where the server has no counter of it. What it could not read is another
/// matter: that may hide sessions.
pub(crate) fn is_for_time(look: &Look<'_>, reading: Option<&SessionReading>, service: &ServiceName) -> bool {
    look.change.maintenance.unmeasured.contains_key(service)
        && reading.is_some_and(|reading| reading.uncountable().is_some())
}

/// Returns the services that the plan asks for that may have sessions, which nothing counts, and which it does not accept to wait for by
/// time alone. What is blocked only because of what it depends on is asked about on each server.
pub(crate) fn unmeasured(change: &Change, pool: &Pool, scope: &PoolScope) -> Vec<ServiceName> {
    let accepted = &change.maintenance.unmeasured;
    let uncounted = scope.block.iter().filter(|service| !pool.can_count(service) && !accepted.contains_key(*service));
    let may_have = |service: &&ServiceName| class(service) != DrainClass::Support;
    uncounted.filter(may_have).filter(|service| !scope.dependents.contains(*service)).cloned().collect()
}
