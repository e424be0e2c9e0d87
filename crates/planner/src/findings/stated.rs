//! What the plan file alone says.

use super::{Context, note, refusal, warning};
use crate::order::PoolEdge;
use crate::plan::{Finding, Plan};
use crate::safety::Look;
use crate::scope::{PoolScope, leaves_balancer};
use crate::words::{are, few, list, time};
use crate::{build, codes, order, quorum, safety};
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::{AtDeadline, RestartPolicy, Scope, StartTypePolicy};
use orchestrate_model::pool::{Access, Balancer, Cmdlets, SipBalancing, TaskAccount, WinrmAccess};
use orchestrate_model::{Answer, Change, Feature, Pool, Product, Role, RunState, ServiceName, secret};
use std::collections::{BTreeMap, BTreeSet};

/// Says what a pool's description says by itself.
pub(super) fn pool(context: &Context<'_>, place: usize, pool: &Pool, found: &mut Vec<Finding>) {
    let (change, scope) = (context.change, &context.scopes[place]);
    size(change, pool, scope, found);
    features(change, pool, scope, found);
    services(change, pool, scope, found);
    balancer(change, pool, scope, found);
    found.extend(cmdlets(pool));
    found.extend(pool.away().map(|(server, away)| {
        note(codes::AWAY, format!("{} is {away}", server.name))
            .pool(pool)
            .server(&server.name)
            .advise("Nothing to do, as long as it is so. Take `away` out of the plan when the server is back.")
    }));
    control_host(context, pool, found);
    neighbours(context, pool, found);
    if pool.archiving == Some(true) {
        found.push(
            warning(codes::ARCHIVING, format!("{} archives: a restart may lose the last minutes of what is queued", pool.name))
                .pool(pool)
                .advise("Up to 15 minutes of conversations and 30 minutes of conferences. Flush the storage service first, or accept it."),
        );
    }
    if pool.product != Product::Generic && !pool.has_fabric() {
        found.push(
            note(codes::NO_READINESS, format!("{} has no readiness state: the gate looks at services only", pool.name))
                .pool(pool)
                .advise("Nothing to do. Only Front End pools have a readiness state."),
        );
    }
}

/// By which way the cmdlets of the product are asked, where that leaves something on the servers for a moment.
fn cmdlets(pool: &Pool) -> Option<Finding> {
    let Access::Winrm(WinrmAccess { cmdlets: Cmdlets::Task(account), .. }) = &pool.access else { return None };
    if pool.product == Product::Generic {
        return None;
    }
    let text = format!(
        "the product's cmdlets of {} are asked as {account}, each question in a scheduled task that is made and removed \
         on the server, also by a preview",
        pool.name
    );
    let finding = match account {
        TaskAccount::System => note(codes::CMDLETS_IN_TASK, text)
            .advise("Nothing to do. On other machines SYSTEM is the account of the computer."),
        TaskAccount::Managed(_) => note(codes::CMDLETS_IN_TASK, text)
            .advise("Nothing to do. Only the servers know the password of this account."),
        TaskAccount::Caller => warning(codes::PASSWORD_IN_TASK, text).advise(
            "With each question its password goes to the server, where Windows keeps it while the task exists and an \
             administrator could read it. A group-managed service account needs none: cmdlets: {task: {as: \
             'DOMAIN\\name$'}}.",
        ),
    };
    Some(finding.pool(pool))
}

fn size(change: &Change, pool: &Pool, scope: &PoolScope, found: &mut Vec<Finding>) {
    let servers = pool.servers.len();
    if let Some(why) = safety::outage_accepted(change, pool, scope) {
        let text = format!("{} has one server, and no other takes over while it is out: {why}", pool.name);
        found.push(
            warning(codes::ONLY_SERVER, text)
                .pool(pool)
                .advise("Fail the pool over by hand first where it has a partner, and tell the users."),
        );
    } else if servers == 1 {
        let text = format!("{} has one server: a drain has nowhere to send its users", pool.name);
        let first = match (pool.role, &pool.paired_with) {
            (Role::StandardEdition, Some(partner)) => {
                format!("Fail the pool over to {partner} by hand, after the next hop of the Edge is changed. ")
            }
            _ => String::new(),
        };
        let advice = format!(
            "{first}The plan can accept in words that the pool is without service meanwhile: accept_outage: \"why\" on the \
             pool."
        );
        found.push(refusal(codes::ONLY_SERVER, text).pool(pool).advise(advice));
    }
    if !pool.has_fabric() {
        return;
    }
    let later = matches!(pool.product, Product::Sfb2019 | Product::Sfbse);
    let rows = u32::try_from(servers).ok().and_then(|servers| quorum::functional(pool.product, servers));
    if servers == 2 && later {
        let text = format!("{} has two servers, which {} does not allow", pool.name, pool.product.title());
        found.push(
            refusal(codes::TWO_SERVERS, text).pool(pool).advise("Correct the product or the servers of the pool."),
        );
    } else if servers == 2 {
        let text = format!("{} has two servers: while one is out, the pool depends on the other alone", pool.name);
        found.push(warning(codes::TWO_SERVERS, text).pool(pool).advise(
            "Not recommended by the product. Do not touch the databases meanwhile; should both go down, start them \
             in the reverse order of going down.",
        ));
    } else if servers > 2 && rows.is_none() {
        let text = format!("the quorum table of {} has no row for {servers} servers", pool.product.title());
        found.push(
            refusal(codes::NO_QUORUM_ROW, text).pool(pool).advise("Correct the product or the servers of the pool."),
        );
    }
    if let (Some(database), true) = (&pool.database, servers.is_multiple_of(2)) {
        let text = format!("{} is the witness of {}, which has an even number of servers", database.primary, pool.name);
        found.push(
            note(codes::WITNESS, text).pool(pool).advise(
                "Do not take the primary database down while a front end is out. The database work comes last.",
            ),
        );
    }
    at_once(change, pool, found);
}

fn at_once(change: &Change, pool: &Pool, found: &mut Vec<Finding>) {
    let most = change.maintenance.at_once as usize;
    if most == 1 {
        return;
    }
    let without = pool.servers.iter().filter(|server| server.upgrade_domain.is_none()).count();
    let batches = order::batches(pool, most, &BTreeMap::new(), &BTreeSet::new());
    let widest = batches.iter().map(Vec::len).max().unwrap_or(1);
    if widest < most {
        let why = if without > 0 {
            "upgrade domains are not stated"
        } else if most >= pool.servers.len() {
            "upgrade domains or quorum allow no more, and one has to stay"
        } else {
            "upgrade domains or quorum allow no more"
        };
        let text = format!("servers of {} go {widest} at a time although the plan allows {most}: {why}", pool.name);
        found.push(warning(codes::FEWER_AT_ONCE, text).pool(pool).advise(
            "Nothing to do, or state the upgrade domain of each server as Get-CsPoolUpgradeReadinessState gives it.",
        ));
    }
}

fn features(change: &Change, pool: &Pool, scope: &PoolScope, found: &mut Vec<Finding>) {
    let features = scope.features().map(|(feature, _)| feature);
    let (lost, open): (Vec<Feature>, Vec<Feature>) = features.partition(|feature| change.accepts_loss(pool, *feature));
    if !lost.is_empty() {
        let how = if pool.accept_outage.is_some() { "accepted with all else" } else { "accepted by name" };
        let text = format!("{}: the loss of {} is {how}", pool.name, list(&lost));
        let calls = list(lost.iter().map(|feature| feature.loss()));
        found
            .push(note(codes::LOSS_ACCEPTED, text).pool(pool).advise(format!("Tell those who depend on it: {calls}.")));
    }
    if pool.load_balancing.sip == SipBalancing::Hardware && !open.is_empty() {
        let text = format!(
            "{} is balanced by hardware, which keeps sending to a blocked server: {} {} not covered. Lost: {}",
            pool.name,
            list(&open),
            if open.len() == 1 { "is" } else { "are" },
            list(open.iter().map(|feature| feature.loss()))
        );
        found.push(refusal(codes::NOT_COVERED, text).pool(pool).advise(format!(
            "Balance SIP by DNS, or accept each loss by name: maintenance: {{accept_loss: [{}]}}.",
            open.iter().map(|feature| feature.title()).collect::<Vec<_>>().join(", ")
        )));
    }
    if pool.role == Role::Edge && pool.load_balancing.sip == SipBalancing::Dns && pool.product != Product::Generic {
        let text = format!(
            "{}: public IM, XMPP and old federation partners have no fail-over while an Edge server is out",
            pool.name
        );
        found.push(
            warning(codes::EDGE_LOSSES, text).pool(pool).advise("Nothing prevents it. Tell those who depend on it."),
        );
    }
    let web = pool.load_balancing.web.as_ref();
    if scope.blocks("W3SVC") && web.is_none() && pool.servers.len() > 1 && pool.load_balancing.sip == SipBalancing::Dns
    {
        let text = format!("{} has no web services name of its own, and HTTP(S) cannot be balanced by DNS", pool.name);
        found.push(
            warning(codes::WEB_NAME, text)
                .pool(pool)
                .advise("Name it under the pool, so that it can be looked at: load_balancing: {web: NAME}, which leads to the HTTP(S) balancer."),
        );
    }
}

fn services(change: &Change, pool: &Pool, scope: &PoolScope, found: &mut Vec<Finding>) {
    if scope.block.is_empty() {
        let text = format!("no service of the scope belongs to a {} server of {}", pool.role, pool.name);
        found.push(
            refusal(codes::NOTHING_TO_BLOCK, text)
                .pool(pool)
                .advise("Name the services under scope or the pool's services, or leave the pool out of the change."),
        );
    }
    let uncounted = safety::unmeasured(change, pool, scope);
    if !uncounted.is_empty() {
        let text = format!("{}: nothing is known that counts the sessions of {}", pool.name, list(&uncounted));
        found.push(refusal(codes::NOT_COUNTABLE, text).pool(pool).advise(
            "Name a counter under the pool's measures, or a time to wait for under maintenance: drain: unmeasured.",
        ));
    }
    found.extend(by_sessions_alone(change, pool, scope));
    for service in &scope.block {
        if let Some(wait) = change.maintenance.unmeasured.get(service) {
            let why = match pool.can_count(service) {
                true => {
                    "where a server says that it has no counter of its sessions; a count that is there has to be read and to be zero"
                }
                false => "because nothing counts its sessions; those that last longer are cut and not counted",
            };
            let text = format!("{}: {service} is waited for by time, {}, {why}", pool.name, time(*wait));
            found.push(
                warning(codes::TIME_ALONE, text).pool(pool).advise("Choose a time in which its sessions surely end."),
            );
        }
    }
}

/// Says which services are drained by their sessions alone where a server does not say whether they drain.
fn by_sessions_alone(change: &Change, pool: &Pool, scope: &PoolScope) -> Option<Finding> {
    let named = &change.maintenance.drain.by_sessions_alone;
    let alone: Vec<&ServiceName> = scope.block.iter().filter(|service| named.contains(*service)).collect();
    let text = format!(
        "{}: {} {} drained by their sessions alone where a server has no draining state, because the plan says so",
        pool.name,
        list(&alone),
        are(alone.len())
    );
    let advice = "Nothing to do where the servers have no such counter; a state that can be read counts all the same.";
    (!alone.is_empty()).then(|| warning(codes::BY_SESSIONS_ALONE, text).pool(pool).advise(advice))
}

fn balancer(change: &Change, pool: &Pool, scope: &PoolScope, found: &mut Vec<Finding>) {
    if !leaves_balancer(change, pool, scope) {
        return;
    }
    match &pool.load_balancing.balancer {
        Balancer::None | Balancer::Haproxy(_) => {}
        Balancer::Operator => {
            let text = format!("the operator takes each server of {} out of the balancer, and confirms it", pool.name);
            // Where the plan names a balancer it cannot say that there is none (O1046).
            let or_none = match (&pool.load_balancing.web, pool.load_balancing.sip) {
                (None, SipBalancing::Dns) => ", or that there is none (balancer: none)",
                (Some(_), _) | (None, SipBalancing::Hardware) => "",
            };
            found.push(warning(codes::BALANCER_BY_HAND, text).pool(pool).advise(format!(
                "Be there to confirm it: a run without anybody there is refused, unless the plan has a driver for the \
                 balancer (balancer: {{haproxy: ...}}) or says who does it (balancer: {{elsewhere: ...}}){or_none}.",
            )));
        }
        Balancer::Elsewhere(how) => {
            let text = format!(
                "the balancer of {} is handled elsewhere, as the plan says: {}",
                pool.name,
                secret::shown_text(how)
            );
            found.push(note(codes::BALANCER_BY_HAND, text).pool(pool).advise("Nothing here checks that it is."));
        }
    }
}

fn control_host(context: &Context<'_>, pool: &Pool, found: &mut Vec<Finding>) {
    let host = &context.seen.control_host;
    for server in &pool.servers {
        let by_name = host.names.iter().any(|name| {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case(server.name.as_str())
                || (!name.contains('.') && name.eq_ignore_ascii_case(server.name.short()))
        });
        let by_address = server.addresses.iter().find(|own| !own.is_loopback() && host.addresses.contains(own));
        if by_name || by_address.is_some() {
            let text =
                format!("this run is controlled from {}, which it would restart under its own feet", server.name);
            found.push(
                refusal(codes::CONTROL_HOST, text)
                    .pool(pool)
                    .server(&server.name)
                    .advise("Run orchestrate on a machine that is no server of the change."),
            );
        }
    }
}

fn neighbours(context: &Context<'_>, pool: &Pool, found: &mut Vec<Finding>) {
    let change = context.change;
    if let Some(partner) = pool.paired_with.as_ref().and_then(|name| change.pool(name))
        // Once per pair, whichever of the two says so.
        && (partner.paired_with.as_ref() != Some(&pool.name) || pool.name < partner.name)
    {
        let text = format!("{} and {} are paired: each is the other's last resort", pool.name, partner.name);
        found.push(refusal(codes::PAIRED, text).pool(pool).advise("Make two changes of it, on different nights."));
    }
    if let Some(other) = pool.paired_with.as_ref().filter(|name| change.pool(name).is_none()) {
        // Seen after fail-overs of such pairs (domain practice). The servers of this pool are asked; those of a pool
        // outside the change cannot be.
        let text =
            format!("{} is paired with {other}: central management is to be active on one of them only", pool.name);
        found.push(note(codes::PAIRED, text).pool(pool).advise(format!(
            "Before and after, compare ActiveMasterFQDN on a server of {other}, which this change does not ask, with \
                 that of {}: Get-CsManagementStoreReplicationStatus -CentralManagementStoreStatus.",
            pool.name
        )));
    }
    let hop = pool.next_hop.as_ref().and_then(|name| change.pools.iter().position(|other| other.name == *name));
    // The Edge servers talk to the registrar of their next hop.
    if let Some(place) = hop.filter(|place| context.scopes[*place].blocks("RTCSRV"))
        && let hop = &change.pools[place]
        && hop.servers.len() == 1
    {
        let text =
            format!("{} is the next hop of {} and has one server: remote users lose their way in", hop.name, pool.name);
        found.push(refusal(codes::NEXT_HOP, text).pool(pool).advise(
            "Change the next hop of the Edge pool to another pool first, then say so in the plan: next_hop. A pool that \
             is a next hop cannot be failed over either.",
        ));
    }
}

/// Says which part of the usual order of pools gives way to the plan's own.
fn turned_round(context: &Context<'_>) -> Option<Finding> {
    let name = |place: usize| &context.change.pools[place].name;
    let said = |edge: &PoolEdge| format!("{} before {} ({})", name(edge.before), name(edge.after), edge.reason);
    let dropped: Vec<String> = context.dropped.iter().map(said).collect();
    let dropped: Vec<&str> = dropped.iter().map(String::as_str).collect();
    (!dropped.is_empty()).then(|| {
        let text = format!("the order that the plan states (after) stands against the usual one: not {}", few(&dropped));
        let advice = "Nothing to do if it is meant to be so. Otherwise take the pools out of after: the usual order needs \
                      no word in the plan.";
        warning(codes::ORDER_DROPPED, text).advise(advice)
    })
}

/// Says so when servers that are down use up a budget that pools share.
fn shared_budgets(context: &Context<'_>, found: &mut Vec<Finding>) {
    for budget in &context.change.budgets {
        let looks = context.looks.iter().flatten().filter(|look| look.pool.labels.contains(&budget.label));
        let down: Vec<String> = looks
            .flat_map(Look::servers)
            .filter(|(_, standing)| !standing.serves())
            .map(|(server, _)| server.name.short().to_owned())
            .collect();
        if down.len() >= budget.at_once as usize {
            let text = format!(
                "at most {} of {} may be out, {} are not in service",
                budget.at_once,
                budget.label,
                list(&down)
            );
            found.push(
                refusal(codes::BUDGET_USED, text).advise("Bring the servers that are down back into service first."),
            );
        }
    }
}

/// Says what the change says by itself, whatever the pools.
pub(super) fn change(context: &Context<'_>, found: &mut Vec<Finding>) {
    shared_budgets(context, found);
    found.extend(turned_round(context));
    let maintenance = &context.change.maintenance;
    if maintenance.start_type == StartTypePolicy::Keep {
        let trap = if build::restarts(context.change) { ", and a restart is part of this change" } else { "" };
        let text = format!("start types are kept: a server that restarts takes new connections at once{trap}");
        found.push(warning(codes::RESTART_TRAP, text).advise("Use start_type: manual, the default."));
    }
    let cut: Vec<_> =
        maintenance.drain.per_service.iter().filter(|(_, own)| own.at_deadline == AtDeadline::Cut).collect();
    if maintenance.drain.at_deadline == AtDeadline::Cut {
        let after = time(maintenance.drain.deadline);
        let text = format!("sessions that have not ended {after} after the block are cut, counted and reported");
        found.push(warning(codes::SESSIONS_CUT, text).advise("Use at_deadline: hold or return, or tell the users."));
    } else if !cut.is_empty() {
        let text = format!("sessions of {} are cut at their deadline", list(cut.iter().map(|(service, _)| service)));
        found.push(warning(codes::SESSIONS_CUT, text).advise("Use at_deadline: hold or return, or tell the users."));
    }
    if let Scope::Services(_) = &maintenance.scope {
        found.extend(restart_beyond_scope(context.change, &blocked(context)));
        if maintenance.installs() {
            found.extend((0..context.change.pools.len()).filter_map(|place| installer_beside(context, place)));
        }
    }
}

/// The services that are blocked somewhere, with those that were seen to depend on chosen ones.
fn blocked(context: &Context<'_>) -> String {
    let scopes = context.looks.iter().zip(context.scopes);
    let scopes = scopes.map(|(look, scope)| look.as_ref().map_or(scope, |look| &look.scope));
    let names: BTreeSet<&str> = scopes.flat_map(|scope| &scope.block).map(ServiceName::as_str).collect();
    few(&names.into_iter().collect::<Vec<_>>())
}

/// Says which services serve while an installer runs, as far as they were seen to.
fn installer_beside(context: &Context<'_>, place: usize) -> Option<Finding> {
    let (pool, look) = (&context.change.pools[place], context.looks[place].as_ref());
    let scope = look.map_or(&context.scopes[place], |look| &look.scope);
    let runs = |name: &ServiceName| {
        look.is_none_or(|look| {
            let state =
                |seen: &orchestrate_model::ServerObservation| seen.service(name).map(|status| status.state.clone());
            let mut states = look.seen.servers.values().filter_map(state);
            states.any(|state| state != Answer::Known(RunState::Stopped))
        })
    };
    let sessions = |name: &ServiceName| catalogue::service(name).is_none_or(|facts| facts.drain == DrainClass::Session);
    let all = scope.serving.iter().chain(&scope.beside);
    let beside = all.filter(|name| !scope.block.contains(name) && sessions(name) && runs(name));
    let beside: BTreeSet<&str> = beside.map(ServiceName::as_str).collect();
    if beside.is_empty() {
        return None;
    }
    let names: Vec<&str> = beside.into_iter().collect();
    let (count, serve) = (names.len(), if names.len() == 1 { "serves" } else { "serve" });
    let text = format!(
        "{}: the installer runs while {count} of the services {serve} that {} not blocked: {}. It may stop or restart any \
         of them; their sessions are neither waited for nor counted",
        pool.name,
        are(count),
        few(&names)
    );
    let advice = "Use scope: all-services, unless the installer is known to touch the chosen services only.";
    Some(warning(codes::INSTALLER_BESIDE, text).pool(pool).advise(advice))
}

fn restart_beyond_scope(change: &Change, blocked: &str) -> Option<Finding> {
    match change.maintenance.restart {
        RestartPolicy::Always => {
            let text = format!("only {blocked} would be blocked, and a restart cuts the sessions of all the others");
            let advice = "Use maintenance: {restart: never} or maintenance: {scope: all-services}.";
            Some(refusal(codes::RESTART_BEYOND_SCOPE, text).advise(advice))
        }
        RestartPolicy::WhenNeeded if change.maintenance.installs() => {
            let text = format!(
                "only {blocked} would be blocked: a restart that the installer asks for is not made, and one that it makes \
                 by itself cuts the sessions of all the others"
            );
            let advice =
                "Give the installer its switch against restarts, and restart the servers in a change of their own.";
            Some(warning(codes::RESTART_BEYOND_SCOPE, text).advise(advice))
        }
        RestartPolicy::WhenNeeded | RestartPolicy::Never => None,
    }
}

/// Says which services the drain names that no server blocks, once every pool was asked: what is said of them would be said of
/// nothing, and the one that was meant has none of it.
pub(super) fn drained(context: &Context<'_>, plan: &Plan, found: &mut Vec<Finding>) {
    // A server that is passed over, or does not answer, may have it.
    let silent = |look: &Look<'_>| look.seen.servers.values().any(|seen| seen.services.known().is_none());
    let all = context.looks.iter().all(|look| look.as_ref().is_some_and(|look| !silent(look)));
    if !all || plan.work().is_empty() || plan.work().iter().any(|work| work.skip.is_some()) {
        return;
    }
    let blocked: BTreeSet<&ServiceName> = plan.work().iter().flat_map(|work| &work.block).collect();
    let maintenance = &context.change.maintenance;
    let named = [
        ("services", maintenance.drain.per_service.keys().collect::<Vec<_>>()),
        ("unmeasured", maintenance.unmeasured.keys().collect()),
        ("by_sessions_alone", maintenance.drain.by_sessions_alone.iter().collect()),
    ];
    for (key, names) in named {
        let nothing: Vec<&str> =
            names.into_iter().filter(|name| !blocked.contains(name)).map(ServiceName::as_str).collect();
        if nothing.is_empty() {
            continue;
        }
        let there: Vec<&str> = blocked.iter().map(|name| name.as_str()).collect();
        let text = format!("drain: {key} names {}, which no server of the plan blocks", list(&nothing));
        let advice = format!("Take it out, or name one of those that are blocked: {}.", list(&there));
        found.push(refusal(codes::DRAIN_OF_NOTHING, text).advise(advice));
    }
}
