//! The external names of Edge pools, and the addresses of their servers behind them.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, Reader};
use crate::written::{ExternalAddresses, Plan, Pool, Server};
use orchestrate_model::{DnsName, ExternalUse, PoolName, Role, ServerName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Codes that say that something could not be read: what is missing then may be what was reported.
const UNREADABLE: [crate::codes::Code; 5] =
    [codes::WRONG_TYPE, codes::UNKNOWN_KEY, codes::BAD_TEXT, codes::BAD_NAME, codes::BAD_ADDRESS];

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(pools) = &plan.pools else { return };
    let mut taken = Taken::of(plan);
    for (name, pool) in pools.value.good() {
        let Some(role) = &pool.value.role else { continue };
        if role.value != Role::Edge {
            not_edge(reader, (&name.value, role.value), &pool.value);
            continue;
        }
        for (purpose, external) in names(&pool.value) {
            taken.name(reader, (&name.value, purpose), external);
        }
        for (server, written) in pool.value.servers.iter().flat_map(|servers| servers.value.good()) {
            addresses(reader, &pool.value, server, &written.value);
        }
    }
}

/// Returns the external names of a pool.
fn names(pool: &Pool) -> impl Iterator<Item = (ExternalUse, &At<DnsName>)> {
    let names = pool.load_balancing.as_ref().and_then(|balancing| balancing.value.external.as_ref());
    names.into_iter().flat_map(|names| names.value.names())
}

fn not_edge(reader: &mut Reader, (name, role): (&PoolName, Role), pool: &Pool) {
    let balancing = pool.load_balancing.as_ref().and_then(|balancing| balancing.value.external.as_ref());
    let servers = pool.servers.iter().flat_map(|servers| servers.value.good());
    let of_server = servers.filter_map(|(_, server)| server.value.external.as_ref()).map(|external| external.span);
    // Once per pool: the rest goes with it.
    let Some(span) = balancing.map(|external| external.span).or_else(|| of_server.min_by_key(|span| span.line)) else {
        return;
    };
    reader.report(
        Diagnostic::error(codes::EXTERNAL_NOT_EDGE, span, format!("`external` does not belong in the pool `{name}`"))
            .label(format!("only Edge pools have external names, and this is a `{role}` pool"))
            .help("leave it out; the addresses that DNS has for a server's own name stand under `address`"),
    );
}

/// What every external name must differ from, and whose it is.
struct Taken {
    names: BTreeMap<DnsName, String>,
    external: BTreeMap<DnsName, (Span, PoolName)>,
}

impl Taken {
    fn of(plan: &Plan) -> Self {
        let mut names = BTreeMap::new();
        for (pool, written) in plan.pools.iter().flat_map(|pools| pools.value.good()) {
            names.insert(pool.value.dns(), "the name of a pool".to_owned());
            for server in written.value.servers.iter().flat_map(|servers| servers.value.keys()) {
                names.insert(server.value.dns(), "the name of a server".to_owned());
            }
            if let Some(web) = written.value.load_balancing.as_ref().and_then(|balancing| balancing.value.web.as_ref())
            {
                names.insert(web.value.clone(), format!("the web services name of `{}`", pool.value));
            }
        }
        Self { names, external: BTreeMap::new() }
    }

    fn name(&mut self, reader: &mut Reader, (pool, purpose): (&PoolName, ExternalUse), name: &At<DnsName>) {
        let (taken_by, note) = match (self.names.get(&name.value), self.external.get(&name.value)) {
            (Some(whose), _) => (whose.clone(), None),
            (None, Some((first, other))) if other != pool => {
                (format!("an external name of `{other}`"), Some(format!("the first use is in line {}", first.line)))
            }
            (None, Some(_)) => return,
            (None, None) => {
                self.external.insert(name.value.clone(), (name.span, pool.clone()));
                return;
            }
        };
        let text = format!("the {purpose} name `{}` is {taken_by}", name.value);
        let diagnostic = Diagnostic::error(codes::WEB_NAME_TAKEN, name.span, text)
            .label("expected a name of its own")
            .help("an external name lists one address of each server of its pool, and nothing else");
        reader.report(match note {
            Some(note) => diagnostic.note(note),
            None => diagnostic,
        });
    }
}

fn addresses(reader: &mut Reader, pool: &Pool, name: &At<ServerName>, server: &Server) {
    let external = server.external.as_ref();
    if let Some(external) = external {
        for purpose in ExternalUse::ALL {
            let list = external.value.of(purpose);
            // One list for all names is looked at once.
            let once = purpose == ExternalUse::Access || matches!(external.value, ExternalAddresses::Each(_));
            super::maintenance::twice(reader, list.filter(|_| once).map_or(&[], |list| list.value.0.as_slice()));
        }
    }
    if UNREADABLE.into_iter().any(|code| reader.has(code)) {
        return;
    }
    missing(reader, pool, name, external);
    if let Some(external) = external {
        without_name(reader, pool, external);
        one_name_twice(reader, pool, (&name.value, external));
    }
}

/// Reports the external names that have no address of a server.
fn missing(reader: &mut Reader, pool: &Pool, name: &At<ServerName>, external: Option<&At<ExternalAddresses>>) {
    let has = |purpose| external.is_some_and(|external| external.value.of(purpose).is_some());
    let missing: Vec<(ExternalUse, &DnsName)> =
        names(pool).filter(|(purpose, _)| !has(*purpose)).map(|(purpose, name)| (purpose, &name.value)).collect();
    if missing.is_empty() {
        return;
    }
    let these: Vec<String> = missing.iter().map(|(purpose, name)| format!("`{name}` ({})", purpose.key())).collect();
    let text = format!("`{}` has no address for {}", name.value, these.join(", "));
    reader.report(
        Diagnostic::error(codes::EXTERNAL_INCOMPLETE, external.map_or(name.span, |external| external.span), text)
            .label("expected its address for every external name of the pool")
            .help("write `external: ADDRESS` for all names, or `external: {access: ADDRESS, av: ADDRESS}`; behind address translation it is the address that clients outside see"),
    );
}

/// Reports addresses of a server for which the pool has no name.
fn without_name(reader: &mut Reader, pool: &Pool, external: &At<ExternalAddresses>) {
    let stated: BTreeSet<ExternalUse> = names(pool).map(|(purpose, _)| purpose).collect();
    if stated.is_empty() {
        reader.report(
            Diagnostic::error(codes::EXTERNAL_INCOMPLETE, external.span, "the pool states no external names")
                .label("addresses of names that are not stated")
                .help("write the names under the pool's `load_balancing: external`"),
        );
        return;
    }
    for (purpose, span) in external.value.written_out().filter(|(purpose, _)| !stated.contains(purpose)) {
        let key = purpose.key();
        reader.report(
            Diagnostic::error(codes::EXTERNAL_INCOMPLETE, span, format!("the pool states no {purpose} name"))
                .label("an address of a name that is not stated")
                .help(format!("write the name under the pool's `load_balancing: external: {{{key}: NAME}}`")),
        );
    }
}

/// Reports a name that stands for several uses whose addresses differ: whoever looks it up for one of them gets them all.
fn one_name_twice(reader: &mut Reader, pool: &Pool, (server, external): (&ServerName, &At<ExternalAddresses>)) {
    let mut first: BTreeMap<&DnsName, (ExternalUse, BTreeSet<IpAddr>)> = BTreeMap::new();
    for (purpose, name) in names(pool) {
        let Some(list) = external.value.of(purpose) else { continue };
        let these: BTreeSet<IpAddr> = list.value.0.iter().map(|address| address.value).collect();
        match first.get(&name.value) {
            Some((other, those)) if *those != these => reader.report(
                Diagnostic::error(
                    codes::EXTERNAL_DISAGREES,
                    list.span,
                    format!("`{}` has other addresses of `{server}` for {} than for {}", name.value, purpose.key(), other.key()),
                )
                .label("expected the same addresses, since the name is the same")
                .help("a name leads to all of its addresses: give each use a name of its own, or all of them the same addresses"),
            ),
            Some(_) => {}
            None => {
                first.insert(&name.value, (purpose, these));
            }
        }
    }
}
