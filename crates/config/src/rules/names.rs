//! Names and addresses that must be unique.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::Reader;
use crate::written::{Plan, Pool};
use orchestrate_model::{DnsName, PoolName, ServerName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(pools) = &plan.pools else { return };
    let mut servers: BTreeMap<ServerName, (Span, PoolName)> = BTreeMap::new();
    let mut addresses: BTreeMap<IpAddr, (Span, ServerName)> = BTreeMap::new();
    for (pool, written) in pools.value.good() {
        let Some(list) = &written.value.servers else { continue };
        for name in list.value.keys() {
            if let Some((first, owner)) = servers.get(&name.value) {
                report_server(reader, name.span, &name.value, (*first, owner));
            } else {
                servers.insert(name.value.clone(), (name.span, pool.value.clone()));
            }
        }
        for (name, server) in list.value.good() {
            for address in server.value.address.iter().flat_map(|list| &list.value.0) {
                if let Some((first, owner)) = addresses.get(&address.value) {
                    report_address(reader, address.span, address.value, (*first, owner));
                } else {
                    addresses.insert(address.value, (address.span, name.value.clone()));
                }
            }
            for address in server.value.external.iter().flat_map(|external| external.value.addresses()) {
                match addresses.get(&address.value) {
                    // Several external names may lead to one address of a server.
                    Some((_, owner)) if *owner == name.value => {}
                    Some((first, owner)) => report_address(reader, address.span, address.value, (*first, owner)),
                    None => {
                        addresses.insert(address.value, (address.span, name.value.clone()));
                    }
                }
            }
        }
    }
    let names: BTreeSet<DnsName> = pools.value.keys().map(|key| key.value.dns()).collect();
    let mut webs: BTreeMap<DnsName, (Span, PoolName)> = BTreeMap::new();
    for (pool, written) in pools.value.good() {
        pool_named_as_server(reader, &pool.value, (pool.span, &written.value), &servers);
        web_name(reader, &written.value, &names, &servers);
        web_name_of_two(reader, (&pool.value, &written.value), &mut webs);
    }
}

fn report_server(reader: &mut Reader, span: Span, name: &ServerName, (first, pool): (Span, &PoolName)) {
    reader.report(
        Diagnostic::error(codes::DUPLICATE_SERVER, span, format!("the server `{name}` is described twice"))
            .label("the second description")
            .help("a server belongs to exactly one pool; budgets would count it twice otherwise")
            .note(format!("the first one is in line {}, in pool `{pool}`", first.line)),
    );
}

fn report_address(reader: &mut Reader, span: Span, address: IpAddr, (first, owner): (Span, &ServerName)) {
    reader.report(
        Diagnostic::error(codes::DUPLICATE_ADDRESS, span, format!("the address {address} is given to two servers"))
            .label(format!("also the address of `{owner}`"))
            .help("with one address for two servers, what is done to one would be done to the other")
            .note(format!("the first use is in line {}", first.line)),
    );
}

/// A pool of one server may carry its server's name, as Standard Edition pools do. Otherwise the names differ: the
/// pool's name has the records of all servers.
fn pool_named_as_server(
    reader: &mut Reader,
    pool: &PoolName,
    (span, written): (Span, &Pool),
    servers: &BTreeMap<ServerName, (Span, PoolName)>,
) {
    let Some((name, (server, owner))) =
        ServerName::new(pool.as_str()).ok().and_then(|name| servers.get_key_value(&name))
    else {
        return;
    };
    let alone = written.servers.as_ref().is_some_and(|list| list.value.0.len() == 1);
    if owner == pool && alone {
        return;
    }
    reader.report(
        Diagnostic::error(codes::POOL_AND_SERVER, span, format!("`{name}` names a pool and a server"))
            .label("the pool")
            .help("only a pool of one server may have the name of its server")
            .note(format!("the server is in line {}, in pool `{owner}`", server.line)),
    );
}

fn web_name(
    reader: &mut Reader,
    pool: &Pool,
    pools: &BTreeSet<DnsName>,
    servers: &BTreeMap<ServerName, (Span, PoolName)>,
) {
    let Some(web) = pool.load_balancing.as_ref().and_then(|balancing| balancing.value.web.as_ref()) else { return };
    let taken_by = if pools.contains(&web.value) {
        "a pool"
    } else if ServerName::new(web.value.as_str()).is_ok_and(|name| servers.contains_key(&name)) {
        "a server"
    } else {
        return;
    };
    reader.report(
        Diagnostic::error(
            codes::WEB_NAME_TAKEN,
            web.span,
            format!("the web services name `{}` is the name of {taken_by}", web.value),
        )
        .label("expected a name of its own")
        .help("web clients are never balanced by DNS: give the web services a name that points at the balancer"),
    );
}

/// Each pool has web services of its own: with one name for two, clients of one pool reach the other's servers.
fn web_name_of_two(
    reader: &mut Reader,
    (name, pool): (&PoolName, &Pool),
    webs: &mut BTreeMap<DnsName, (Span, PoolName)>,
) {
    let Some(web) = pool.load_balancing.as_ref().and_then(|balancing| balancing.value.web.as_ref()) else { return };
    let Some((first, owner)) = webs.get(&web.value) else {
        webs.insert(web.value.clone(), (web.span, name.clone()));
        return;
    };
    reader.report(
        Diagnostic::error(
            codes::WEB_NAME_TAKEN,
            web.span,
            format!("the web services name `{}` is that of `{owner}` too", web.value),
        )
        .label("expected a name of its own")
        .help("each pool has web services of its own; one name cannot lead to the servers of two pools")
        .note(format!("the first use is in line {}", first.line)),
    );
}
