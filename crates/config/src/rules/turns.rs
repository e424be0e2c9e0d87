//! Whose turn it is in a pool, as the plan says it: what names no server, and what the product does not allow.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{At, Reader};
use crate::texts::Line;
use crate::written::{Plan, Pool, Server};
use orchestrate_model::ServerName;
use orchestrate_model::pool::Hosted;

/// Returns the server that a full or a short name means.
///
/// # Errors
/// It means none, or these.
pub(crate) fn named<'n>(names: &'n [ServerName], text: &str) -> Result<&'n ServerName, Vec<&'n ServerName>> {
    let found: Vec<&ServerName> = names.iter().filter(|name| means(name, text)).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        _ => Err(found),
    }
}

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(pools) = &plan.pools else { return };
    for (_, pool) in pools.value.good() {
        first(reader, &pool.value);
        order(reader, &pool.value);
    }
}

fn order(reader: &mut Reader, pool: &Pool) {
    let Some(written) = &pool.order else { return };
    if written.value.is_empty() {
        reader.report(
            Diagnostic::error(codes::EMPTY_LIST, written.span, "`order` names no server")
                .label("expected the servers in the order in which they are taken")
                .help("leave it out: the servers are taken in topology order then"),
        );
        return;
    }
    let mut taken: Vec<(&ServerName, &At<Line>)> = Vec::new();
    let mut last: Option<&ServerName> = None;
    for name in &written.value {
        let Some((server, facts)) = meant(reader, pool, name) else { continue };
        if let Some((_, before)) = taken.iter().find(|(other, _)| *other == server) {
            reader.report(
                Diagnostic::error(codes::LISTED_TWICE, name.span, format!("`{server}` is taken once"))
                    .label("the second time")
                    .note(format!("the first one is in line {}, column {}", before.span.line, before.span.column)),
            );
        }
        if let Some(last) = last {
            let text = format!("`{server}` cannot come after `{last}`, which hosts the active central management");
            reader.report(
                Diagnostic::error(codes::ORDER_NOT_ALLOWED, name.span, text)
                    .label("the product does not allow this order")
                    .help(format!("put `{last}` at the end: it comes last in its pool in any order")),
            );
            return;
        }
        last = Some(server).filter(|_| is_last(facts));
        taken.push((server, name));
    }
    let first = pool.first.as_ref().and_then(|first| first.value.server());
    let wanted = first.and_then(|first| Some((first, taken.iter().find(|(name, _)| means(name, &first.value.0))?)));
    if let Some((first, (name, _))) = wanted
        && taken.first().is_some_and(|(front, _)| front != name)
    {
        let text = format!("`{name}` goes first, and is not the first in `order`");
        reader.report(
            Diagnostic::error(codes::FIRST_IS_NOT, first.span, text)
                .label("the two contradict each other")
                .help("put it at the front of `order`, or leave it out there"),
        );
    }
}

fn means(name: &ServerName, text: &str) -> bool {
    name.as_str().eq_ignore_ascii_case(text) || name.short().eq_ignore_ascii_case(text)
}

fn first(reader: &mut Reader, pool: &Pool) {
    let Some(written) = pool.first.as_ref().and_then(|first| first.value.server()) else { return };
    let Some((name, server)) = meant(reader, pool, written) else { return };
    if is_last(server) && pool.servers.as_ref().is_some_and(|servers| servers.value.0.len() > 1) {
        let text = format!("`{name}` cannot go first: it hosts the active central management, which comes last");
        reader.report(
            Diagnostic::error(codes::ORDER_NOT_ALLOWED, written.span, text)
                .label("the product does not allow this order")
                .help("name another server of the pool; this one is the last of its pool in any order"),
        );
    }
}

/// Returns the server of the pool that is named, or reports why it cannot be one that is taken.
fn meant<'p>(reader: &mut Reader, pool: &'p Pool, written: &At<Line>) -> Option<(&'p ServerName, &'p Server)> {
    let servers = &pool.servers.as_ref()?.value;
    let names: Vec<ServerName> = servers.keys().map(|key| key.value.clone()).collect();
    let text = &written.value.0;
    let name = match named(&names, text) {
        Ok(name) => name,
        Err(several) if several.is_empty() => {
            let known: Vec<&str> = names.iter().map(ServerName::as_str).collect();
            let short: Vec<&str> = names.iter().map(ServerName::short).collect();
            let help = reader.suggest(text, known).or_else(|| reader.suggest(text, short));
            reader.report(
                Diagnostic::error(
                    codes::UNKNOWN_SERVER,
                    written.span,
                    format!("{} is not a server of this pool", quoted(text)),
                )
                .label("expected a server of the pool")
                .maybe_help(help),
            );
            return None;
        }
        Err(several) => {
            let several: Vec<&str> = several.into_iter().map(ServerName::as_str).collect();
            reader.report(
                Diagnostic::error(codes::UNKNOWN_SERVER, written.span, format!("{} is not one server", quoted(text)))
                    .label(format!("it may be {}", several.join(" or ")))
                    .help("write the full name"),
            );
            return None;
        }
    };
    let (key, server) = servers.good().find(|(key, _)| key.value == *name)?;
    if server.value.away.is_some() {
        reader.report(
            Diagnostic::error(codes::TURN_OF_ONE_AWAY, written.span, format!("`{name}` is away, and has no turn"))
                .label("nothing is done to it")
                .help("name another server, or take `away` out when the server is back"),
        );
        return None;
    }
    Some((&key.value, &server.value))
}

/// Whether the product has a server come last in its pool.
fn is_last(server: &Server) -> bool {
    let hosts = server.hosts.iter().flat_map(|hosts| &hosts.value);
    hosts.into_iter().any(|hosted| hosted.value == Hosted::CentralManagement)
}
