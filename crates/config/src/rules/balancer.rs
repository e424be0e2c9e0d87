//! What the description of the HAProxys in front of a pool must be.

use super::maintenance::twice;
use crate::codes;
use crate::diagnostic::{Diagnostic, Span, quoted};
use crate::reader::{At, Entries, Given, OneOrMany, Reader};
use crate::scalars::{BalancerName, RuntimeApi};
use crate::written::{BalancerChoice, Haproxy, LoadBalancing, Pool, Server, SiteChoice};
use orchestrate_model::ServerName;
use orchestrate_model::pool::SlotNames;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) fn check(reader: &mut Reader, balancing: &LoadBalancing, pool: &Pool) {
    let Some(At { value: BalancerChoice::Haproxy(choice), .. }) = &balancing.balancer else { return };
    let Some(haproxy) = &choice.haproxy else { return };
    let At { value: written, span } = haproxy;
    sites(reader, written, *span);
    not_too_many(reader, written, *span);
    names(reader, written, pool);
    slots(reader, written);
    accepted(reader, written);
}

fn sites(reader: &mut Reader, written: &Haproxy, span: Span) {
    one_of(reader, ("address", written.address.is_some()), ("balancers", written.balancers.is_some()), span);
    both(reader, written.backend.as_ref(), written.backends.as_ref());
    let common = written.backend.is_some() || written.backends.is_some();
    if written.balancers.is_none() && !common {
        no_backends(reader, span);
    }
    let Some(balancers) = &written.balancers else { return };
    let mut addresses = Vec::new();
    for choice in balancers.value.0.iter().flat_map(|sites| &sites.0) {
        let address = match &choice.value {
            SiteChoice::Address(address) => Some(At { value: same_address(address), span: choice.span }),
            SiteChoice::Site(site) => {
                both(reader, site.backend.as_ref(), site.backends.as_ref());
                site.address.as_ref().map(|at| At { value: same_address(&at.value), span: at.span })
            }
        };
        addresses.extend(address);
        let own = match &choice.value {
            SiteChoice::Address(_) => false,
            SiteChoice::Site(site) => site.backend.is_some() || site.backends.is_some(),
        };
        if !own && !common {
            no_backends(reader, choice.span);
        }
    }
    twice(reader, &addresses);
}

/// `names` says which server a name in the balancer stands for, and `by-address` that names there say nothing: a template gives
/// the name to another server with the next reload.
fn slots(reader: &mut Reader, written: &Haproxy) {
    let by_address = written.slots.as_ref().filter(|slots| slots.value == SlotNames::ByAddress);
    let (Some(slots), Some(names)) = (by_address, &written.names) else { return };
    reader.report(
        Diagnostic::error(
            codes::CHOOSE_ONE,
            slots.span,
            "`slots: by-address` says that names in the balancer say nothing, and `names` says what they stand for",
        )
        .label("expected one of the two")
        .help("leave `names` out where the balancer gives its names by itself; leave `slots` out where they are fixed")
        .note(format!("`names` is in line {}", names.span.line)),
    );
}

/// Most entries of one server: backends at one balancer, over all balancers. Each is asked for and watched on its own.
const MOST_ENTRIES: usize = 1000;

fn not_too_many(reader: &mut Reader, written: &Haproxy, span: Span) {
    let several = |at: Option<&At<Given<OneOrMany<BalancerName>>>>| {
        at.and_then(|names| names.value.0.as_ref()).map_or(1, |names| names.0.len())
    };
    let common = several(written.backends.as_ref());
    let sites = written.balancers.iter().filter_map(|sites| sites.value.0.as_ref()).flat_map(|sites| &sites.0);
    let own = |choice: &At<SiteChoice>| match &choice.value {
        SiteChoice::Site(site) if site.backend.is_some() || site.backends.is_some() => several(site.backends.as_ref()),
        SiteChoice::Address(_) | SiteChoice::Site(_) => common,
    };
    let entries = sites.map(own).fold(0_usize, usize::saturating_add).max(common);
    if entries > MOST_ENTRIES {
        let text = format!("{entries} backends, over all balancers, are more than a pool can have");
        reader.report(
            Diagnostic::error(codes::OUT_OF_RANGE, span, text).label(format!("expected at most {MOST_ENTRIES}")),
        );
    }
}

/// Returns an address in the spelling in which equal ones are compared: names of hosts have no case, paths have.
fn same_address(address: &RuntimeApi) -> String {
    let text = &address.0;
    let Some((host, port)) = text.rsplit_once(':').filter(|_| !text.starts_with('/')) else {
        // Strokes and dots that change nothing do not count.
        return Path::new(text).components().collect::<PathBuf>().display().to_string();
    };
    let host = orchestrate_model::host::compared(host);
    format!("{host} {}", port.trim_start_matches('0'))
}

/// Reports that both or neither of two keys are written. A key that is written and cannot be read has been reported.
fn one_of(reader: &mut Reader, one: (&str, bool), other: (&str, bool), span: Span) {
    let text = format!("exactly one of `{}` or `{}` is needed here", one.0, other.0);
    if one.1 && other.1 {
        let label = format!("expected `{}` or `{}`", one.0, other.0);
        reader.report(Diagnostic::error(codes::CHOOSE_ONE, span, text).label(label));
    } else if !one.1 && !other.1 {
        reader.report(
            Diagnostic::error(codes::MISSING_KEY, span, text)
                .label(format!("`{}` is missing", one.0))
                .help("`address` is where the runtime API of one HAProxy listens, `balancers` a list of several"),
        );
    }
}

fn both(
    reader: &mut Reader,
    one: Option<&At<Given<BalancerName>>>,
    several: Option<&At<Given<OneOrMany<BalancerName>>>>,
) {
    let Some(several) = several else { return };
    if let Some(names) = &several.value.0 {
        twice(reader, &names.0);
    }
    if let Some(one) = one {
        reader.report(
            Diagnostic::error(codes::CHOOSE_ONE, one.span, "exactly one of `backend` or `backends` is needed here")
                .label("expected one of them")
                .help("write all of them under `backends`"),
        );
    }
}

fn no_backends(reader: &mut Reader, span: Span) {
    reader.report(
        Diagnostic::error(codes::MISSING_KEY, span, "no backend is named")
            .label("`backend` or `backends` is missing")
            .help("name every backend that sends traffic to the pool's servers"),
    );
}

fn names(reader: &mut Reader, written: &Haproxy, pool: &Pool) {
    let Some(servers) = &pool.servers else { return };
    let known: Vec<&str> = servers.value.keys().map(|key| key.value.as_str()).collect();
    let mut taken = BTreeMap::new();
    for (server, names) in written.names.iter().flat_map(|names| names.value.good()) {
        twice(reader, &names.value.0);
        for name in &names.value.0 {
            if let Some(first) = taken.insert(name.value.0.as_str(), &server.value).filter(|one| **one != server.value)
            {
                let text =
                    format!("{first} and {} are both called {} in the balancer", server.value, quoted(&name.value.0));
                reader.report(
                    Diagnostic::error(codes::SAME_BALANCER_NAME, name.span, text)
                        .label("the second one")
                        .help("a name in the balancer is one server's; give each its own"),
                );
            }
        }
        takes_a_usual_name(reader, (&server.value, &names.value.0), (written, &servers.value));
        if servers.value.keys().any(|key| key.value == server.value) {
            continue;
        }
        let help = reader.suggest(server.value.as_str(), known.iter().copied());
        let text = format!("`{}` is not a server of this pool", server.value);
        reader.report(
            Diagnostic::error(codes::UNKNOWN_SERVER, server.span, text)
                .label("expected a server of the pool")
                .maybe_help(help),
        );
    }
}

/// A server without names of its own goes by its own name in the balancer, which is no other's.
fn takes_a_usual_name(
    reader: &mut Reader,
    (server, names): (&ServerName, &[At<BalancerName>]),
    (written, servers): (&Haproxy, &Entries<ServerName, Server>),
) {
    let states = |other: &ServerName| {
        written.names.iter().flat_map(|names| names.value.keys()).any(|named| named.value == *other)
    };
    let usual = |other: &ServerName, name: &str| {
        [other.short(), other.as_str()].iter().any(|usual| usual.eq_ignore_ascii_case(name))
    };
    for name in names {
        let others = servers.keys().map(|key| &key.value).filter(|other| *other != server && !states(other));
        if let Some(other) = others.into_iter().find(|other| usual(other, &name.value.0)) {
            let text = format!("{} is the name that {other} has in the balancer", quoted(&name.value.0));
            reader.report(
                Diagnostic::error(codes::SAME_BALANCER_NAME, name.span, text)
                    .label(format!("taken for {server} here"))
                    .help("a name in the balancer is one server's; state under `names` what the other one is called there"),
            );
        }
    }
}

fn accepted(reader: &mut Reader, written: &Haproxy) {
    let sites = written.balancers.iter().filter_map(|sites| sites.value.0.as_ref()).flat_map(|sites| &sites.0);
    let own = sites.filter_map(|choice| match &choice.value {
        SiteChoice::Site(site) => Some((site.backend.as_ref(), site.backends.as_ref())),
        SiteChoice::Address(_) => None,
    });
    let all = own.chain([(written.backend.as_ref(), written.backends.as_ref())]);
    let named: BTreeSet<&str> = all
        .flat_map(|(one, several)| {
            let several = several.and_then(|several| several.value.0.as_ref());
            let several = several.into_iter().flat_map(|several| &several.0).map(|name| &name.value);
            one.and_then(|one| one.value.0.as_ref()).into_iter().chain(several)
        })
        .map(|name| name.0.as_str())
        .collect();
    for name in written.accept_backends.iter().flat_map(|accepted| accepted.value.keys()) {
        if named.contains(name.value.0.as_str()) {
            let text = format!("{} is both drained and left alone", quoted(&name.value.0));
            reader.report(
                Diagnostic::error(codes::BACKEND_BOTH, name.span, text)
                    .label("it is named as a backend of the pool too")
                    .help("take it out of one of the two"),
            );
        }
    }
}
