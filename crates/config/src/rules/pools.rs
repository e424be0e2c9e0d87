//! What each pool must be by itself: sizes, roles, upgrade domains and balancing.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, Reader};
use crate::written::{BalancerChoice, LoadBalancing, Plan, Pool, Server};
use icu_normalizer::ComposingNormalizerBorrowed;
use orchestrate_model::pool::{Hosted, SipBalancing};
use orchestrate_model::{PoolName, Product, Role, ServerName, UpgradeDomain};
use std::collections::BTreeMap;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(pools) = &plan.pools else { return };
    if pools.value.0.is_empty() {
        reader.report(
            Diagnostic::error(codes::NO_SERVERS, pools.span, "the plan has no pools")
                .label("expected at least one pool"),
        );
    }
    for (name, pool) in pools.value.good() {
        role(reader, &pool.value);
        size(reader, name, &pool.value);
        domains(reader, &pool.value);
        central_management(reader, &name.value, &pool.value);
        balancing(reader, name, pool);
    }
}

fn role(reader: &mut Reader, pool: &Pool) {
    let (Some(product), Some(role)) = (&pool.product, &pool.role) else { return };
    if (product.value == Product::Generic) == (role.value == Role::Generic) {
        return;
    }
    let (expected, help) = if product.value == Product::Generic {
        ("`generic`", "a generic pool has no roles of the product; for Lync or Skype for Business name the product")
    } else {
        (
            "`front-end`, `standard-edition`, `director`, `edge` or `mediation`",
            "the role decides quorum, order and services, so it cannot be left open",
        )
    };
    reader.report(
        Diagnostic::error(
            codes::ROLE_OF_PRODUCT,
            role.span,
            format!("{} has no role `{}`", product.value.title(), role.value),
        )
        .label(format!("expected {expected}"))
        .help(help),
    );
}

/// Most front end servers of one pool. The quorum tables of the product documentation end here.
fn most_front_ends(product: Product) -> Option<usize> {
    match product {
        Product::Lync2013 | Product::Sfb2015 => Some(12),
        Product::Sfb2019 | Product::Sfbse => Some(16),
        Product::Generic => None,
    }
}

fn size(reader: &mut Reader, name: &At<PoolName>, pool: &Pool) {
    outage(reader, pool);
    let Some(servers) = &pool.servers else { return };
    let count = servers.value.0.len();
    if count == 0 {
        reader.report(
            Diagnostic::error(codes::NO_SERVERS, servers.span, format!("the pool `{}` has no servers", name.value))
                .label("expected at least one server"),
        );
    }
    let (Some(product), Some(role)) = (&pool.product, &pool.role) else { return };
    let title = product.value.title();
    if role.value == Role::StandardEdition && count > 1 {
        reader.report(
            Diagnostic::error(
                codes::STANDARD_EDITION_POOL,
                role.span,
                format!("a Standard Edition pool has one server, this one has {count}"),
            )
            .label("expected one server")
            .help(
                "write one pool per Standard Edition server and join them with `paired_with`, or use `role: front-end`",
            ),
        );
    }
    if role.value != Role::FrontEnd {
        return;
    }
    if let Some(most) = most_front_ends(product.value)
        && count > most
    {
        let place = servers.value.0.get(most).and_then(|(key, _)| key.as_ref()).map_or(servers.span, |key| key.span);
        reader.report(
            Diagnostic::error(
                codes::TOO_MANY_SERVERS,
                place,
                format!("the pool `{}` has {count} front end servers", name.value),
            )
            .label(format!("{title} supports at most {most}"))
            .help("check whether servers of another pool slipped in; there is no quorum table for a larger pool"),
        );
    }
    if count == 2 && matches!(product.value, Product::Sfb2019 | Product::Sfbse) {
        reader.report(
            Diagnostic::error(
                codes::TWO_SERVER_POOL,
                product.span,
                format!("{title} has no front end pools of two servers"),
            )
            .label("such a topology cannot be published")
            .help("list all servers of the pool, also those that are down; they count for the quorum"),
        );
    }
}

fn outage(reader: &mut Reader, pool: &Pool) {
    let several = pool.servers.as_ref().is_some_and(|servers| servers.value.0.len() > 1);
    if let Some(words) = pool.accept_outage.as_ref().filter(|_| several) {
        reader.report(
            Diagnostic::error(
                codes::OUTAGE_OF_SEVERAL,
                words.span,
                "`accept_outage` is for a pool of one server; here the others serve while one is out",
            )
            .label("nothing to accept")
            .help("leave it out; the loss of single features is accepted by name, with `accept_loss`"),
        );
    }
}

fn domains(reader: &mut Reader, pool: &Pool) {
    let Some(servers) = &pool.servers else { return };
    let domains: Vec<_> = servers.value.good().map(|(_, server)| server.value.upgrade_domain.as_ref()).collect();
    nearly_one(reader, domains.iter().copied().flatten());
    let Some(Some(first)) = domains.first() else { return };
    let whole = domains.iter().all(|domain| domain.is_some_and(|domain| domain.value == first.value));
    if !whole || servers.value.0.len() < 2 || domains.len() != servers.value.0.len() {
        return;
    }
    reader.report(
        Diagnostic::error(
            codes::DOMAIN_HOLDS_POOL,
            first.span,
            format!("the upgrade domain `{}` holds the whole pool", first.value),
        )
        .label(format!("every one of the {} servers is in it", domains.len()))
        .help("write down the domains that `Get-CsPoolUpgradeReadinessState` or `Get-CsUpgradeDomainInfo` prints"),
    );
}

/// Domains that only a reader of bytes can tell apart are one, and counting them as two would plan around a domain that is
/// not there.
fn nearly_one<'a>(reader: &mut Reader, domains: impl Iterator<Item = &'a At<UpgradeDomain>>) {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let mut known: BTreeMap<String, &At<UpgradeDomain>> = BTreeMap::new();
    for domain in domains {
        let text = domain.value.to_string();
        let first = known.entry(normalizer.normalize(&text).to_lowercase()).or_insert(domain);
        if first.value != domain.value {
            reader.report(
                Diagnostic::error(
                    codes::NEARLY_ONE_DOMAIN,
                    domain.span,
                    format!("the upgrade domains `{}` and `{}` are written almost alike", first.value, domain.value),
                )
                .label("one of two spellings of what looks like one domain")
                .help("write each domain of the pool as the product prints it, the same for all of its servers")
                .note(format!("the other spelling is in line {}", first.span.line)),
            );
        }
    }
}

fn central_management(reader: &mut Reader, name: &PoolName, pool: &Pool) {
    let Some(servers) = &pool.servers else { return };
    let hosted = |(server, written): (&At<ServerName>, &At<Server>)| -> Option<(ServerName, Span)> {
        let hosts = written.value.hosts.as_ref()?;
        let found = hosts.value.iter().find(|hosted| hosted.value == Hosted::CentralManagement)?;
        Some((server.value.clone(), found.span))
    };
    let carriers: Vec<(ServerName, Span)> = servers.value.good().filter_map(hosted).collect();
    if let [(first, _), (_, second), ..] = carriers.as_slice() {
        reader.report(
            Diagnostic::error(
                codes::CENTRAL_MANAGEMENT_TWICE,
                *second,
                format!("several servers of `{name}` are said to host central management"),
            )
            .label("only one server is the active one")
            .help("name the server of `ActiveMasterFQDN` in `Get-CsManagementStoreReplicationStatus -CentralManagementStoreStatus`")
            .note(format!("the first is `{first}`")),
        );
    }
}

fn balancing(reader: &mut Reader, name: &At<PoolName>, pool: &At<Pool>) {
    let product = pool.value.product.as_ref().map(|product| product.value);
    let Some(balancing) = &pool.value.load_balancing else {
        if product.is_some_and(|product| product != Product::Generic) {
            reader.report(
                Diagnostic::error(codes::MISSING_KEY, name.span, format!("the pool `{}` has no `load_balancing`", name.value))
                    .label("`load_balancing` is needed in this pool")
                    .help("`load_balancing: {sip: dns, web: NAME}` where clients choose from the pool's records, `{sip: hardware}` where a balancer does"),
            );
        }
        return;
    };
    contradiction(reader, &balancing.value);
    super::balancer::check(reader, &balancing.value, &pool.value);
}

fn contradiction(reader: &mut Reader, balancing: &LoadBalancing) {
    let hardware = balancing.sip.as_ref().is_some_and(|sip| sip.value == SipBalancing::Hardware);
    let Some(At { value: BalancerChoice::None, span }) = &balancing.balancer else { return };
    let why = if hardware {
        "`sip: hardware` says that there is a balancer"
    } else if balancing.web.is_some() {
        "`web` names a balancer"
    } else {
        return;
    };
    reader.report(
        Diagnostic::error(codes::BALANCER_CONTRADICTS, *span, format!("`balancer: none` contradicts the rest: {why}"))
            .label("expected `operator`, `{elsewhere: ...}` or `{haproxy: ...}`"),
    );
}
