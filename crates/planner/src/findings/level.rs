//! What the level of the plan says of the servers as they are: a goal has to be about something, and to be open.

use super::{Context, refusal, warning};
use crate::codes;
use crate::plan::{Finding, Plan};
use crate::safety::Look;
use crate::words::{few, list};
use orchestrate_model::text;
use orchestrate_model::version::{ComponentVersion, Level, Reached};
use orchestrate_model::{ServerName, Version};
use std::collections::{BTreeMap, BTreeSet};

/// Says what of the level matches nothing, and that it is reached already where it is.
pub(super) fn change(context: &Context<'_>, plan: &Plan, found: &mut Vec<Finding>) {
    let levels: Vec<&Level> = context.change.maintenance.levels().collect();
    if levels.is_empty() {
        return;
    }
    found.extend(context.looks.iter().flatten().filter_map(|look| unread(look, plan)));
    for level in &levels {
        found.extend(unmatched(context, level));
        for look in context.looks.iter().flatten() {
            found.extend(not_there(look, level));
            found.extend(below(look, level));
        }
    }
    found.extend(holds(context, plan, &levels));
}

/// The versions that the servers of the looks have said, with the servers.
fn said<'a>(look: &'a Look<'_>) -> impl Iterator<Item = (&'a ServerName, &'a [ComponentVersion])> {
    look.seen.servers.values().filter_map(|seen| Some((&seen.server, seen.versions.known()?.as_slice())))
}

/// The servers that are to be patched and did not say what is installed on them: whether they need it is not known, and no
/// proof of the level could be had after it.
fn unread(look: &Look<'_>, plan: &Plan) -> Option<Finding> {
    let work = plan.work().iter().filter(|work| work.skip.is_none() && plan.pool_of(work).name == look.pool.name);
    unread_on(look, work.map(|work| &work.server))
}

/// The same for one server, where the plan has a level.
pub(super) fn unread_of(look: &Look<'_>, server: &ServerName) -> Option<Finding> {
    look.change.maintenance.levels().next()?;
    unread_on(look, std::iter::once(server))
}

fn unread_on<'a>(look: &'a Look<'_>, servers: impl Iterator<Item = &'a ServerName>) -> Option<Finding> {
    let silent = servers.filter_map(|server| {
        let seen = look.seen.servers.get(server)?;
        // A server that says nothing at all is a refusal of its own.
        seen.host.known()?;
        Some((server, seen.versions.why_unknown()?))
    });
    let silent: Vec<(&ServerName, &str)> = silent.collect();
    let (first, why) = silent.first()?;
    let names: Vec<&str> = silent.iter().map(|(server, _)| server.short()).collect();
    let text = format!("what is installed on {} is not known: {why}", few(&names));
    let advice = "Make the server answer the script `versions`, which reads the registry keys of installed programs. \
                  Without it no level can be proven afterwards.";
    Some(refusal(codes::LEVEL_UNREAD, text).pool(look.pool).server(first).advise(advice))
}

/// The names of components of the level that no server has. Servers of other roles have others, so all are asked.
fn unmatched(context: &Context<'_>, level: &Level) -> Option<Finding> {
    let all: Vec<&ComponentVersion> =
        context.looks.iter().flatten().flat_map(said).flat_map(|(_, versions)| versions).collect();
    if all.is_empty() {
        return None;
    }
    let names = level.unmatched(all.iter().copied());
    let first = names.first()?;
    let there: BTreeSet<&str> = all.iter().map(|component| component.component.as_str()).collect();
    let there: Vec<&str> = there.into_iter().collect();
    let names: Vec<String> = names.iter().map(|name| text::quoted(name)).collect();
    let text = format!("no server has a component called {}, which the level names", list(&names));
    let near = there.iter().max_by(|a, b| likeness(first, a).total_cmp(&likeness(first, b)));
    let near =
        near.filter(|name| likeness(first, name) > 0.5).map(|name| format!("Did you mean {}? ", text::quoted(name)));
    let advice = format!("{}The servers have: {}.", near.unwrap_or_default(), list(&there));
    Some(refusal(codes::LEVEL_MATCHES_NOTHING, text).advise(advice))
}

/// How alike two names are, without what comes before the last comma.
fn likeness(name: &str, full: &str) -> f64 {
    let part = full.rsplit(", ").next().unwrap_or(full);
    strsim::jaro_winkler(&name.to_lowercase(), &part.to_lowercase())
}

/// The servers that have nothing that the level is about: no installer could be seen to have raised it.
fn not_there(look: &Look<'_>, level: &Level) -> Option<Finding> {
    // The versions of other software may jump from one line to another.
    let fixed = look.pool.product.base_build().is_some() || matches!(level, Level::Components(_));
    let nothing = |versions: &[ComponentVersion]| fixed && level.reached(versions) == Reached::NothingInstalled;
    let without = said(look).filter(|(_, versions)| nothing(versions));
    let without: Vec<(&str, &[ComponentVersion])> = without.map(|(name, versions)| (name.short(), versions)).collect();
    let (_, versions) = without.first()?;
    let names: Vec<&str> = without.iter().map(|(name, _)| *name).collect();
    let there: Vec<String> = versions.iter().map(|own| format!("{} {}", own.component, own.version)).collect();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let text = format!("{} of {} have no component that the level {level} is about", list(&names), look.pool.name);
    let advice = if there.is_empty() {
        "They name no component at all: see that the account may read the list of installed programs.".to_owned()
    } else {
        format!("{} has: {}.", names[0], few(&there))
    };
    Some(refusal(codes::LEVEL_MATCHES_NOTHING, text).pool(look.pool).advise(advice))
}

/// What is below the level on servers that are at it, before anything is done, and newer nowhere in the pool: the update
/// does not touch it, or an earlier start of it broke off.
fn below(look: &Look<'_>, level: &Level) -> Option<Finding> {
    let newer = |own: &ComponentVersion| {
        said(look).flat_map(|(_, all)| all).any(|other| other.component == own.component && other.version > own.version)
    };
    let mut older: BTreeMap<(&str, &Version), BTreeSet<&str>> = BTreeMap::new();
    for (server, versions) in said(look).filter(|(_, versions)| matches!(level.reached(versions), Reached::Yes(_))) {
        for own in level.older(versions).filter(|own| !newer(own)) {
            older.entry((own.component.as_str(), &own.version)).or_default().insert(server.short());
        }
    }
    let each = older.iter().map(|((component, version), servers)| {
        let servers: Vec<&str> = servers.iter().copied().collect();
        format!("{component} is at {version} on {}", list(&servers))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() {
        return None;
    }
    let text = format!(
        "servers of {} are at the level {level} with a component below it: {}",
        look.pool.name,
        each.join("; ")
    );
    let advice = "Either the update does not touch it, or an earlier start of it broke off. Compare with the page of the \
                  update, and say in the plan which components it touches, each with its version: level: {COMPONENT: \
                  VERSION}. Until then the run ends with exit code 3.";
    Some(warning(codes::BELOW_LEVEL, text).pool(look.pool).advise(advice))
}

/// Says so when every server is at the level before anything was done.
fn holds(context: &Context<'_>, plan: &Plan, levels: &[&Level]) -> Option<Finding> {
    let asked = context.looks.iter().all(Option::is_some);
    let all = asked && !plan.work().is_empty() && plan.work().iter().all(|work| work.skip.is_some());
    let text = format!("every server is at {} or above it before anything was done", list(levels));
    let advice = "Is it the version that this update brings? If it is, there is nothing to do. Otherwise write the one that \
                  servers report after the update.";
    all.then(|| warning(codes::LEVEL_HOLDS, text).advise(advice))
}
