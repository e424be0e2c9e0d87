//! What the names of services mean.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{At, Reader};
use crate::scalars::ServiceText;
use crate::written::{Plan, ScopeChoice};
use orchestrate_model::catalogue::{self, DrainClass, Resolved, ServiceFacts, SpreadFacts};
use orchestrate_model::{Product, Role, ServiceName};
use std::collections::BTreeSet;

/// The kinds of pools that a name of a service is about: product and role of each.
type Pools = BTreeSet<(Product, Role)>;

/// What the name of a service can be about.
struct Kinds<'a> {
    pools: Pools,
    /// Services that only the plan knows.
    strangers: &'a BTreeSet<ServiceName>,
}

/// What a service is named for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is to be blocked and waited for, by itself or with the whole server.
    Block,
    /// Something is said about it.
    Mention,
}

/// Fills in the Windows service of every name of a service, or reports why there is none.
pub(crate) fn resolve(plan: &mut Plan, reader: &mut Reader) {
    let strangers = strangers(plan);
    let mut pools = Pools::new();
    let mut extra: BTreeSet<ServiceName> = BTreeSet::new();
    for (_, pool) in plan.pools.iter_mut().flat_map(|pools| pools.value.good_mut()) {
        let (Some(product), Some(role)) = (&pool.value.product, &pool.value.role) else { continue };
        let own = Kinds { pools: Pools::from([(product.value, role.value)]), strangers: &strangers };
        pools.extend(own.pools.iter().copied());
        let listed = pool.value.services.iter_mut().flat_map(|services| &mut services.value);
        for service in listed {
            one(service, reader, (&own, Use::Block));
            extra.extend(service.value.service.clone());
        }
        for (service, _) in pool.value.measures.iter_mut().flat_map(|measures| measures.value.good_mut()) {
            one(service, reader, (&own, Use::Mention));
        }
    }
    let Some(maintenance) = &mut plan.maintenance else { return };
    let pools = Kinds { pools, strangers: &strangers };
    let chosen = chosen(maintenance.value.scope.as_mut(), reader, &pools);
    let run = Run { pools: &pools.pools, extra: &extra, chosen: chosen.as_ref() };
    if let Some(drain) = &mut maintenance.value.drain {
        for (service, _) in drain.value.services.iter_mut().flat_map(|services| services.value.good_mut()) {
            one(service, reader, (&pools, Use::Mention));
            run.mentioned(service, reader, "deadline");
        }
        for (service, _) in drain.value.unmeasured.iter_mut().flat_map(|services| services.value.good_mut()) {
            one(service, reader, (&pools, Use::Mention));
            run.mentioned(service, reader, "time");
        }
        for service in drain.value.by_sessions_alone.iter_mut().flat_map(|services| &mut services.value) {
            one(service, reader, (&pools, Use::Mention));
            run.mentioned(service, reader, "entry");
            run.stateless(service, reader);
        }
    }
    if let Some(At { value: ScopeChoice::Services(scope), .. }) = &mut maintenance.value.scope
        && let Some(services) = &scope.services
    {
        scope_rules(services, reader, &run);
    }
}

/// Fills in the services of the scope, and returns them where all could be read: `None` too for whole servers.
fn chosen(
    scope: Option<&mut At<ScopeChoice>>,
    reader: &mut Reader,
    kinds: &Kinds<'_>,
) -> Option<BTreeSet<ServiceName>> {
    let Some(At { value: ScopeChoice::Services(scope), .. }) = scope else { return None };
    let services = scope.services.as_mut()?;
    for service in &mut services.value {
        one(service, reader, (kinds, Use::Block));
    }
    services.value.iter().map(|service| service.value.service.clone()).collect()
}

/// Returns the services that are no part of the product and that the plan knows all the same: a pool names them among its
/// services, and the plan says how their sessions are counted or how long to wait for them. A name that was mistyped is
/// hardly mistyped twice.
fn strangers(plan: &Plan) -> BTreeSet<ServiceName> {
    let unknown = |text: &str| ServiceName::new(text).ok().filter(|_| catalogue::resolve(text).is_none());
    let drain = plan.maintenance.iter().filter_map(|maintenance| maintenance.value.drain.as_ref());
    let waited = drain.filter_map(|drain| drain.value.unmeasured.as_ref()).flat_map(|services| services.value.good());
    let waited: BTreeSet<ServiceName> = waited.filter_map(|(service, _)| unknown(&service.value.text)).collect();
    let mut found = BTreeSet::new();
    for (_, pool) in plan.pools.iter().flat_map(|pools| pools.value.good()) {
        let measures = pool.value.measures.iter().flat_map(|measures| measures.value.good());
        let counted: BTreeSet<ServiceName> = measures.filter_map(|(name, _)| unknown(&name.value.text)).collect();
        let named = pool.value.services.iter().flat_map(|services| &services.value);
        let named = named.filter_map(|service| unknown(&service.value.text));
        found.extend(named.filter(|name| counted.contains(name) || waited.contains(name)));
    }
    found
}

/// What the pools of the file run.
struct Run<'a> {
    pools: &'a Pools,
    /// Services that pools name besides those of their roles.
    extra: &'a BTreeSet<ServiceName>,
    /// Services that the scope chooses, where it does.
    chosen: Option<&'a BTreeSet<ServiceName>>,
}

impl Run<'_> {
    /// Returns whether no pool of the file runs a service. Without a pool that could be read nothing is said.
    fn lacks(&self, service: &ServiceName) -> bool {
        let runs = |(product, role): &(Product, Role)| match catalogue::service(service) {
            _ if *product == Product::Generic => true,
            Some(facts) => {
                facts.products.contains(product) && (facts.roles.contains(role) || facts.optional_roles.contains(role))
            }
            None => false,
        };
        !self.pools.is_empty() && !self.extra.contains(service) && !self.pools.iter().any(runs)
    }

    /// Reports a service that the drain says something about and that no server blocks.
    fn mentioned(&self, at: &At<ServiceText>, reader: &mut Reader, what: &str) {
        let Some(service) = &at.value.service else { return };
        let label = format!("this {what} is for nothing");
        if self.lacks(service) {
            let text = format!("no pool of this file runs `{service}`");
            let error = Diagnostic::error(codes::DRAIN_OUTSIDE_SCOPE, at.span, text);
            reader.report(where_it_runs(error, service).label(label));
        } else if self.chosen.is_some_and(|chosen| !chosen.contains(service)) {
            let text = format!("the scope does not name `{service}`, so that it is not blocked");
            let error = Diagnostic::error(codes::DRAIN_OUTSIDE_SCOPE, at.span, text).label(label);
            reader.report(
                error.help("add it to the services of the scope, also where it is blocked for the sake of another"),
            );
        } else if self.chosen.is_none() && !self.waits_for(service) {
            let text = format!("no server of this file is drained of `{service}`");
            let error = Diagnostic::error(codes::DRAIN_OUTSIDE_SCOPE, at.span, text).label(label);
            reader.report(error.help(
                if catalogue::service(service).is_some_and(|facts| facts.drain != DrainClass::Session) {
                    "leave it out: it has no sessions that are waited for"
                } else {
                    "name it under `services` of the pool whose servers run it, or leave it out"
                },
            ));
        }
    }

    /// Returns whether a service is blocked and waited for when whole servers are: it has sessions, and servers of a role run
    /// it always, or a pool names it. Without a pool that could be read nothing is said.
    fn waits_for(&self, service: &ServiceName) -> bool {
        let has_sessions = catalogue::service(service).is_none_or(|facts| facts.drain == DrainClass::Session);
        let usual = |(product, role): &(Product, Role)| {
            let mut expected = catalogue::expected(*product, *role).filter_map(ServiceFacts::service_name);
            expected.any(|name| name == *service)
        };
        self.pools.is_empty() || (has_sessions && (self.extra.contains(service) || self.pools.iter().any(usual)))
    }

    /// Warns of a service that has no draining state on any server: its sessions alone say that it is drained.
    fn stateless(&self, at: &At<ServiceText>, reader: &mut Reader) {
        let Some(service) = at.value.service.as_ref().filter(|service| !self.lacks(service)) else { return };
        let states = catalogue::SERVICES.iter().filter(|facts| facts.draining_state.is_some());
        if states.clone().any(|facts| facts.service_name().as_ref() == Some(service)) {
            return;
        }
        let names = states.filter_map(catalogue::ServiceFacts::service_name);
        let names: Vec<String> = names.map(|name| name.to_string()).collect();
        let text = format!("`{service}` never says whether it drains");
        reader.report(
            Diagnostic::warning(codes::SCOPE_MATCHES_NOTHING, at.span, text).label("this entry is for nothing").help(
                format!("leave it out: its sessions alone are the proof anyway; {} have a state", names.join(", ")),
            ),
        );
    }
}

fn where_it_runs(diagnostic: Diagnostic, service: &ServiceName) -> Diagnostic {
    let Some(facts) = catalogue::service(service) else { return diagnostic };
    let roles: Vec<&str> = facts.roles.iter().chain(facts.optional_roles).map(|role| role.word()).collect();
    diagnostic.help(format!("it runs on {} servers", roles.join(", ")))
}

fn scope_rules(services: &At<Vec<At<ServiceText>>>, reader: &mut Reader, run: &Run<'_>) {
    if services.value.is_empty() {
        reader.report(
            Diagnostic::error(codes::EMPTY_SCOPE, services.span, "the scope lists no services")
                .label("expected at least one service")
                .help("write `scope: all-services` to block every service that has sessions"),
        );
        return;
    }
    // Two names of one service, such as the two features that one contains, are no mistake.
    let texts: Vec<At<String>> = services
        .value
        .iter()
        .map(|at| At { value: at.value.text.trim().to_ascii_lowercase(), span: at.span })
        .collect();
    super::maintenance::twice(reader, &texts);
    let named: Vec<At<&ServiceName>> =
        services.value.iter().filter_map(|at| Some(At { value: at.value.service.as_ref()?, span: at.span })).collect();
    for service in named.iter().filter(|service| run.lacks(service.value)) {
        let text = format!("no pool of this file runs `{}`", service.value);
        let error = Diagnostic::error(codes::SCOPE_MATCHES_NOTHING, service.span, text);
        reader.report(where_it_runs(error, service.value).label("nothing would be blocked for it"));
    }
}

fn one(at: &mut At<ServiceText>, reader: &mut Reader, (kinds, purpose): (&Kinds<'_>, Use)) {
    let text = at.value.text.clone();
    match catalogue::resolve(&text) {
        Some(Resolved::Service(facts)) if purpose == Use::Block && facts.drain == DrainClass::Infrastructure => {
            reader.report(
                Diagnostic::error(
                    codes::NEVER_BLOCKED,
                    at.span,
                    format!("{} is part of the platform and is never blocked", quoted(&text)),
                )
                .label("expected a service that has sessions"),
            );
        }
        Some(Resolved::Service(facts)) => {
            at.value.service = facts.service_name();
            if at.value.service.is_none() {
                reader.report(
                    Diagnostic::error(
                        codes::NAME_NOT_KNOWN,
                        at.span,
                        format!("the Windows name of {} is not known", quoted(&text)),
                    )
                    .label("it cannot be addressed by this name")
                    .help(
                        "name it as its servers do, under the pool's `services` and, too, under its `measures` or under \
                         `maintenance: drain: unmeasured`; a preview of whole servers says its Windows name where it runs (O2050)",
                    ),
                );
            }
        }
        Some(Resolved::Grouped { component, service }) => reader.report(grouped(at, component, service)),
        Some(Resolved::Spread(facts)) => reader.report(spread(at, facts)),
        None if kinds.strangers.iter().any(|name| name.as_str().eq_ignore_ascii_case(&text)) => {
            at.value.service = ServiceName::new(&text).ok();
        }
        None if kinds.pools.iter().any(|(product, _)| *product == Product::Generic) => {
            at.value.service = ServiceName::new(&text)
                .map_err(|why| {
                    reader.report(
                        Diagnostic::error(
                            codes::BAD_NAME,
                            at.span,
                            format!("{} is not the name of a service: {why}", quoted(&text)),
                        )
                        .label("expected a service name such as `W3SVC`"),
                    );
                })
                .ok();
        }
        None => {
            let known = if reader.crowded() { Vec::new() } else { catalogue::known_names() };
            let similar = reader.suggest(&text, known.iter().map(String::as_str));
            let unknown =
                Diagnostic::error(codes::UNKNOWN_SERVICE, at.span, format!("the service {} is unknown", quoted(&text)))
                    .label("expected a Windows service name, a display name or a feature");
            reader.report(match similar {
                Some(similar) => unknown.help(similar),
                None => unknown.help("services are named as on the server, such as `RTCRGS` or `Response Group`").note(
                    "a service that is no part of the product stands under the pool's `services` and, too, under its \
                         `measures` or under `maintenance: drain: unmeasured`",
                ),
            });
        }
    }
}

/// What is no Windows service itself, and which services it is.
fn spread(at: &At<ServiceText>, facts: &SpreadFacts) -> Diagnostic {
    let services: Vec<String> = facts
        .services()
        .map(|service| format!("`{}` ({})", service.name.unwrap_or(service.title), service.title))
        .collect();
    let text = format!(
        "{} cannot be blocked by itself: it is no Windows service, but {}: {}",
        quoted(&at.value.text),
        facts.what,
        services.join(", ")
    );
    let names: Vec<&str> = facts.services().filter_map(|service| service.name).collect();
    Diagnostic::error(codes::GROUPED_COMPONENT, at.span, text)
        .label("expected the services that are meant")
        .help(format!("write those of `{}` that are to be blocked; each can be blocked by itself", names.join("`, `")))
}

/// The rule of the services console: what stands there as one service is blocked as one.
fn grouped(at: &At<ServiceText>, component: &str, facts: &ServiceFacts) -> Diagnostic {
    let name = facts.name.unwrap_or(facts.title);
    let others: Vec<&str> = facts.contains.iter().copied().filter(|other| *other != component).collect();
    let features: Vec<&str> = facts.features.iter().map(|feature| feature.title()).collect();
    let mut diagnostic = Diagnostic::error(
        codes::GROUPED_COMPONENT,
        at.span,
        format!(
            "{} cannot be blocked by itself: it is part of the Windows service `{name}` ({})",
            quoted(&at.value.text),
            facts.title
        ),
    )
    .label(format!("expected `{name}`, if all of it may be blocked"))
    .help(format!("write `{name}` to block the whole service"));
    let with: Vec<&str> = features.into_iter().chain(others).collect();
    if !with.is_empty() {
        diagnostic = diagnostic.note(format!("blocked together with it: {}", with.join(", ")));
    }
    diagnostic.note(format!("its sessions are: {}", facts.session))
}
