//! What is done to each server, budgets and labels.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::numbers::Count;
use crate::reader::{At, Reader};
use crate::written::{Drain, Maintenance, Plan, Pool};
use orchestrate_model::change::AtDeadline;
use orchestrate_model::{Label, readable};
use std::collections::BTreeSet;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    if let Some(maintenance) = &plan.maintenance {
        at_once(reader, plan, &maintenance.value);
        if let Some(drain) = &maintenance.value.drain {
            cut(reader, &drain.value);
        }
        if let Some(features) = &maintenance.value.accept_loss {
            twice(reader, &features.value);
        }
    }
    for hosts in
        plan.pools.iter().flat_map(|pools| pools.value.good()).filter_map(|(_, pool)| pool.value.servers.as_ref())
    {
        for hosted in hosts.value.good().filter_map(|(_, server)| server.value.hosts.as_ref()) {
            twice(reader, &hosted.value);
        }
    }
    if let Some(dns) = &plan.dns {
        for resolvers in [&dns.value.resolvers, &dns.value.external_resolvers].into_iter().flatten() {
            twice(reader, &resolvers.value.0);
        }
    }
    budgets(reader, plan);
    stop_when(reader, plan);
}

/// A number of failed servers that the plan does not have stops nothing.
fn stop_when(reader: &mut Reader, plan: &Plan) {
    let Some(failed) = plan.stop_when.as_ref().and_then(|stop| stop.value.failed.as_ref()) else { return };
    let pools = plan.pools.iter().flat_map(|pools| &pools.value.0);
    let servers = pools.map(|(_, pool)| pool.as_ref()?.value.servers.as_ref().map(|servers| servers.value.0.len()));
    // A pool that could not be read may have any number of them.
    let Some(servers) = servers.sum::<Option<usize>>().filter(|servers| *servers > 0) else { return };
    beyond(reader, ("stop_when.failed", failed), servers, "the plan has");
}

/// Reports a number of servers that is more than there are: it would never be reached.
fn beyond(reader: &mut Reader, (key, count): (&str, &At<Count>), servers: usize, whose: &str) {
    let wanted = count.value.0;
    if usize::try_from(wanted).is_ok_and(|wanted| wanted <= servers) {
        return;
    }
    let text = format!("`{key}` is {wanted}, and {whose} {}", readable::count(servers, "server"));
    let label = if servers == 1 { "expected 1".to_owned() } else { format!("expected 1 to {servers}") };
    reader.report(
        Diagnostic::error(codes::OUT_OF_RANGE, count.span, text)
            .label(label)
            .help("so many servers can never be meant: the number would limit nothing"),
    );
}

/// Reports what is in a list twice.
pub(crate) fn twice<T: PartialEq>(reader: &mut Reader, items: &[At<T>]) {
    for (position, item) in items.iter().enumerate() {
        // Beyond this length nobody wrote the list by hand, and comparing all pairs takes long.
        if position > 1_000 {
            return;
        }
        if let Some(first) = items[..position].iter().find(|first| first.value == item.value) {
            reader.report(
                Diagnostic::error(codes::LISTED_TWICE, item.span, "this is listed twice")
                    .label("the second time")
                    .note(format!("the first one is in line {}, column {}", first.span.line, first.span.column)),
            );
        }
    }
}

fn at_once(reader: &mut Reader, plan: &Plan, maintenance: &Maintenance) {
    let Some(at_once) = maintenance.at_once.as_ref().filter(|at_once| at_once.value.0 > 1) else { return };
    let wanted = at_once.value.0;
    let sizes = plan.pools.iter().flat_map(|pools| pools.value.good()).filter_map(|(name, pool)| {
        let count = pool.value.servers.as_ref()?.value.0.len();
        Some((&name.value, count))
    });
    // Smaller pools are taken fewer at a time, by the planner; a number that no pool can use is a mistake.
    let largest = sizes.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count);
    let Some((pool, count)) = largest.filter(|(_, count)| u32::try_from(*count).is_ok_and(|count| wanted >= count))
    else {
        return;
    };
    reader.report(
        Diagnostic::error(
            codes::AT_ONCE_TAKES_POOL,
            at_once.span,
            format!("`at_once: {wanted}` would leave no server of `{pool}`, the largest pool, which has {count}"),
        )
        .label("expected fewer than the servers of the largest pool")
        .help("1 is safe for every pool; larger numbers need upgrade domains with that many servers"),
    );
}

/// `cut` is the one word that lets sessions be cut: whoever writes it is told what it means.
fn cut(reader: &mut Reader, drain: &Drain) {
    let whole = drain.at_deadline.as_ref().map(|at| (at, drain.deadline.as_ref().map(|deadline| deadline.value.0)));
    let services = drain.services.iter().flat_map(|services| services.value.good()).filter_map(|(_, service)| {
        let deadline = service.value.deadline.as_ref().or(drain.deadline.as_ref());
        Some((service.value.at_deadline.as_ref()?, deadline.map(|deadline| deadline.value.0)))
    });
    let cuts: Vec<(Span, String)> = whole
        .into_iter()
        .chain(services)
        .filter(|(at, _)| at.value == AtDeadline::Cut)
        .map(|(at, deadline)| (at.span, format!("{:#}", deadline.unwrap_or(crate::merged::DRAIN_DEADLINE))))
        .collect();
    for (span, deadline) in cuts {
        reader.report(
            Diagnostic::warning(codes::SESSIONS_MAY_BE_CUT, span, format!("sessions that are left {deadline} after the block will be cut"))
                .label("calls and conferences of people end at the deadline")
                .help("each cut session is counted in the report; `hold` waits for you instead, `ask` too and lets you cut them, `return` leaves the server unpatched"),
        );
    }
}

fn labels_of(pool: &Pool) -> impl Iterator<Item = Label> {
    let labels = pool.labels.iter().flat_map(|labels| labels.value.good());
    labels.filter_map(|(key, value)| Label::new(&format!("{}={}", key.value.0, value.value.0)).ok())
}

/// Returns how many servers the pools with a label have, where all of them could be read.
fn labelled(plan: &Plan, label: &Label) -> Option<usize> {
    let pools = plan.pools.iter().flat_map(|pools| &pools.value.0);
    let pools: Vec<&Pool> = pools.map(|(_, pool)| Some(&pool.as_ref()?.value)).collect::<Option<_>>()?;
    let own = pools.into_iter().filter(|pool| labels_of(pool).any(|other| other == *label));
    own.map(|pool| Some(pool.servers.as_ref()?.value.0.len())).sum::<Option<usize>>().filter(|servers| *servers > 0)
}

fn budgets(reader: &mut Reader, plan: &Plan) {
    let pools = plan.pools.iter().flat_map(|pools| pools.value.good());
    let labels: BTreeSet<Label> = pools.flat_map(|(_, pool)| labels_of(&pool.value)).collect();
    let mut seen: Vec<At<Label>> = Vec::new();
    for budget in plan.budgets.iter().flat_map(|budgets| &budgets.value) {
        let Some(label) = &budget.value.label else { continue };
        seen.push(label.clone());
        if labels.contains(&label.value) {
            if let (Some(at_once), Some(servers)) = (&budget.value.at_once, labelled(plan, &label.value)) {
                beyond(reader, ("at_once", at_once), servers, "the pools with this label have");
            }
            continue;
        }
        let help = reader.suggest(label.value.as_str(), labels.iter().map(Label::as_str)).unwrap_or_else(|| {
            format!("give the pools it is for `labels: {{{}}}`", label.value.as_str().replacen('=', ": ", 1))
        });
        reader.report(
            Diagnostic::error(codes::LABEL_ON_NO_POOL, label.span, format!("no pool has the label `{}`", label.value))
                .label("this budget would limit nothing")
                .help(help),
        );
    }
    twice(reader, &seen);
}
