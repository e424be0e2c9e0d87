//! The second stage: the plan merged with its defaults, as the model's words.
//!
//! Every default of the format stands in this file. A value that was written and could not be read has been reported,
//! and a change with reports never leaves the crate: no default is ever run in the place of a mistake.

use crate::hashes::Sha256;
use crate::reader::{At, Entries, Filled, Given, OneOrMany};
use crate::rules::turns;
use crate::scalars::{BalancerName, RuntimeApi, ServiceText};
use crate::written::{
    Access, AddressChoice, AfterDays, Alertmanager, Approvals, AwayChoice, BalancerChoice, CmdletsChoice, Credentials,
    Dns, Drain, Every, ExternalAddresses, FirstChoice, Freeze, Haproxy, LevelChoice, LoadBalancing, Maintenance,
    Notify, Patch, Plan, Pool, ScopeChoice, Server, Silence, SiteChoice, ThenChoice, WebhookPair, Window, Winrm,
};
use jiff::SignedDuration;
use orchestrate_model::change::{
    self, AtDeadline, HoldChoice, PendingRestart, PoolUnsafe, RestartPoint, RestartPolicy, Scope, StartTypePolicy,
    StopWhen, WindowFit,
};
use orchestrate_model::external;
use orchestrate_model::notify::{AddressSource, Channel, Mail, Matcher, Occasion, SilencedBy, Silencing, Target};
use orchestrate_model::pool::{
    self as words, Balancer, ChannelBinding, Cmdlets, CredentialSource, DnsSettings, ServiceClass, SipBalancing,
    SlotNames, Transport, WinrmAuth,
};
use orchestrate_model::window::{self, Recurrence};
use orchestrate_model::{Change, DnsName, ExternalUse, Label, Level, PoolName, Role, ServerName, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Most calls are shorter, and a meeting of a working day's usual length fits; longer ones are for the operator.
pub(crate) const DRAIN_DEADLINE: SignedDuration = SignedDuration::from_hours(2);
/// A drain in which nobody hangs up for half an hour is worth a look.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// Cumulative updates take a quarter of an hour; slow disks triple that.
const PATCH_DEADLINE: SignedDuration = SignedDuration::from_mins(45);
/// The product documentation asks for twenty minutes in the state Ready after each upgrade domain.
const SOAK: SignedDuration = SignedDuration::from_mins(20);
/// Long enough for a control host that restarts to come back and extend it, and short where it does not.
const SILENCE_LASTS: SignedDuration = SignedDuration::from_mins(30);
/// What exporters call the servers that they are on.
const USUAL_MATCHER: &str = "instance=~\"({server}|{short})(:[0-9]+)?\"";
/// Approved in the afternoon, begun in the night after it.
const APPROVAL_EXPIRES: SignedDuration = SignedDuration::from_hours(24);

/// Returns the change, if every part could be read.
pub(crate) fn change(plan: Plan, calendars: Vec<Vec<window::Freeze>>) -> Option<Change> {
    let pools = plan.pools?.value.0.into_iter().map(|(name, pool)| one_pool(name?.value, pool?.value));
    let budgets = values(plan.budgets)
        .map(|budget| Some(change::SharedBudget { label: budget.label?.value, at_once: budget.at_once?.value.0 }));
    let mut calendars = calendars.into_iter();
    let freezes = values(plan.freezes).map(|freeze| match freeze {
        Freeze::Days(days) => Some(vec![window::Freeze::Days(window::FrozenDays {
            from: days.from?.value,
            to: days.to?.value,
            timezone: days.timezone.map(|zone| zone.value.0),
            reason: days.reason?.value,
        })]),
        Freeze::Calendar(_) => calendars.next(),
    });
    let freezes: Vec<Vec<window::Freeze>> = freezes.collect::<Option<_>>()?;
    let failed = match plan.stop_when {
        Some(stop_when) => stop_when.value.failed?.value.0,
        None => 1,
    };
    Some(Change {
        name: plan.name?.value.0,
        reason: plan.reason?.value,
        pools: pools.collect::<Option<_>>()?,
        maintenance: maintenance(plan.maintenance?.value)?,
        budgets: budgets.collect::<Option<_>>()?,
        stop_when: StopWhen { failed },
        windows: filled(plan.windows).map(one_window).collect::<Option<_>>()?,
        freezes: freezes.into_iter().flatten().collect(),
        dns: dns(plan.dns.map(|dns| dns.value)),
        notify: values(plan.notify).map(|choice| channel(choice.0)).collect::<Option<_>>()?,
        silences: values(plan.silences).map(|choice| silencing(choice.0)).collect::<Option<_>>()?,
        approvals: match plan.approvals {
            Some(written) => Some(approvals(written.value)?),
            None => None,
        },
        emergency: None,
        only: BTreeSet::new(),
    })
}

fn channel(written: Notify) -> Option<Channel> {
    let Notify { webhook, slack, teams, command, mail, on } = written;
    let to = match (webhook, slack, teams, mail) {
        (Some(address), ..) => Target::Webhook(address_source(address.value)?),
        (_, Some(address), ..) => Target::Slack(address_source(address.value)?),
        (_, _, Some(address), _) => Target::Teams(address_source(address.value)?),
        (.., Some(mail)) => Target::Mail(self::mail(mail.value)?),
        (.., None) => Target::Command(command?.value.0.into_iter().map(|word| word.value.0).collect()),
    };
    let stated = on.map(|on| on.value.0.into_iter().map(|occasion| occasion.value).collect());
    Some(Channel { to, on: stated.unwrap_or_else(|| Occasion::USUAL.into()) })
}

fn silencing(written: Silence) -> Option<Silencing> {
    let Silence { alertmanager, webhook, lasts } = written;
    let by = match (alertmanager, webhook) {
        (Some(At { value: Alertmanager { url, matchers }, .. }), _) => {
            let stated: Vec<Matcher> = filled(matchers).collect();
            let usual = || Matcher::parse(USUAL_MATCHER).ok();
            let matchers = if stated.is_empty() { vec![usual()?] } else { stated };
            SilencedBy::Alertmanager { url: address_source(url?.value)?, matchers }
        }
        (None, Some(At { value: WebhookPair { start, end }, .. })) => {
            SilencedBy::Webhook { start: address_source(start?.value)?, end: address_source(end?.value)? }
        }
        (None, None) => return None,
    };
    Some(Silencing { by, lasts: lasts.map_or(SILENCE_LASTS, |lasts| lasts.value.0) })
}

fn approvals(written: Approvals) -> Option<change::Approvals> {
    let Approvals { required, from, expires } = written;
    let expires = expires.map_or(APPROVAL_EXPIRES, |expires| expires.value.0);
    Some(change::Approvals { required: required?.value.0, from: from?.value.0, expires })
}

fn mail(written: crate::written::Mail) -> Option<Mail> {
    let crate::written::Mail { server, from, to } = written;
    let to = to?.value.0.into_iter().map(|address| address.value.0).collect();
    Some(Mail { server: address_source(server?.value)?, from: from?.value.0, to })
}

fn address_source(written: AddressChoice) -> Option<AddressSource> {
    let AddressChoice(place) = written;
    Some(match place.env {
        Some(name) => AddressSource::Env(name.value.0),
        None => AddressSource::File(place.file?.value.0),
    })
}

fn dns(written: Option<Dns>) -> DnsSettings {
    let (resolvers, external) = written.map(|dns| (dns.resolvers, dns.external_resolvers)).unwrap_or_default();
    DnsSettings { resolvers: filled(resolvers).collect(), external_resolvers: filled(external).collect() }
}

/// Returns the values of a list that may be absent.
fn values<T>(list: Option<At<Vec<At<T>>>>) -> impl Iterator<Item = T> {
    list.into_iter().flat_map(|list| list.value).map(|item| item.value)
}

/// Returns the values of a list that is never empty and may be absent.
fn filled<T>(list: Option<At<Filled<T>>>) -> impl Iterator<Item = T> {
    list.into_iter().flat_map(|list| list.value.0).map(|item| item.value)
}

/// Returns the entries of a mapping that may be absent.
fn entries<K, V>(map: Option<At<Entries<K, V>>>) -> impl Iterator<Item = Option<(K, V)>> {
    map.into_iter().flat_map(|map| map.value.0).map(|(key, value)| Some((key?.value, value?.value)))
}

/// Returns the entries of a mapping by service.
fn by_service<V, T>(
    map: Option<At<Entries<ServiceText, V>>>,
    convert: impl Fn(V) -> T,
) -> Option<BTreeMap<ServiceName, T>> {
    entries(map).map(|entry| entry.and_then(|(name, value)| Some((name.service?, convert(value))))).collect()
}

fn one_pool(name: PoolName, pool: Pool) -> Option<words::Pool> {
    let labels = entries(pool.labels).map(|label| {
        let (key, value) = label?;
        Label::new(&format!("{}={}", key.0, value.0)).ok()
    });
    let database = match pool.database {
        Some(work) => Some(words::DatabaseWork {
            primary: work.value.primary?.value,
            instructions: work.value.instructions?.value,
        }),
        None => None,
    };
    let kind = (pool.role.as_ref()?.value, pool.servers.as_ref()?.value.0.len());
    let load_balancing = match pool.load_balancing {
        Some(balancing) => load_balancing(balancing.value, kind)?,
        // Only generic pools may leave it out.
        None => words::LoadBalancing {
            sip: SipBalancing::Dns,
            web: None,
            balancer: Balancer::None,
            external: BTreeMap::new(),
            entry: Vec::new(),
        },
    };
    let external = &load_balancing.external;
    let names: Vec<ServerName> = pool.servers.as_ref()?.value.keys().map(|key| key.value.clone()).collect();
    let first = match pool.first {
        Some(at) => Some(first(&at.value, &names)?),
        None => None,
    };
    let order = values(pool.order).map(|name| turns::named(&names, &name.0).ok().cloned());
    let order = order.collect::<Option<Vec<ServerName>>>()?;
    let servers = pool.servers?.value.0.into_iter();
    let servers = servers.map(|(name, server)| Some(one_server(name?.value, server?.value, external)));
    Some(words::Pool {
        name,
        product: pool.product?.value,
        role: pool.role?.value,
        servers: servers.collect::<Option<_>>()?,
        load_balancing,
        access: match pool.access {
            Some(at) => access(at.value)?,
            None => words::Access::Unstated,
        },
        after: values(pool.after).collect(),
        labels: labels.collect::<Option<BTreeSet<_>>>()?,
        paired_with: pool.paired_with.map(|at| at.value),
        next_hop: pool.next_hop.map(|at| at.value),
        accept_outage: pool.accept_outage.map(|at| at.value.0),
        first,
        order,
        archiving: pool.archiving.map(|at| at.value),
        extra_services: values(pool.services).map(|service| service.service).collect::<Option<_>>()?,
        database,
        measures: by_service(pool.measures, |paths| paths.0.into_iter().map(|path| path.value.0).collect())?,
    })
}

fn one_server(name: ServerName, server: Server, names: &external::ExternalNames) -> words::Server {
    let addresses = server.address.into_iter().flat_map(|list| list.value.0).map(|address| address.value);
    words::Server {
        name,
        addresses: addresses.collect(),
        upgrade_domain: server.upgrade_domain.map(|at| at.value),
        hosts: values(server.hosts).collect(),
        external: server.external.map(|at| external_addresses(&at.value, names)).unwrap_or_default(),
        pins: pins(server.pin),
        away: server.away.and_then(|at| away(at.value)),
    }
}

/// A name that is none of the pool has been reported.
fn first(written: &FirstChoice, names: &[ServerName]) -> Option<words::First> {
    let server = turns::named(names, &written.server()?.value.0).ok()?.clone();
    let then = match written.then() {
        None => words::Then::Usual,
        Some(ThenChoice::Ask) => words::Then::Ask,
        Some(ThenChoice::Soak(soak)) => words::Then::Soak(soak.0),
    };
    Some(words::First { server, then })
}

fn away(written: AwayChoice) -> Option<words::Away> {
    let (reason, in_budget) = match written {
        AwayChoice::Reason(reason) => (reason, true),
        AwayChoice::Why(why) => (why.reason?.value, why.in_budget.is_none_or(|at| at.value)),
    };
    let counts = if in_budget { words::AwayCounts::InBudget } else { words::AwayCounts::BesideBudget };
    Some(words::Away { reason: reason.0, counts })
}

/// One list of addresses stands for every name of the pool.
fn external_addresses(written: &ExternalAddresses, names: &external::ExternalNames) -> external::ExternalAddresses {
    let of = |purpose: &ExternalUse| {
        let list = written.of(*purpose)?;
        Some((*purpose, list.value.0.iter().map(|address| address.value).collect()))
    };
    names.keys().filter_map(of).collect()
}

/// Returns who takes a server out of the balancer where the plan does not say. DNS never balances web clients: front end
/// and Director pools of several servers have a balancer for them, also where only SIP is balanced by DNS, and a person
/// is asked to take the server out before the web server is paused.
fn unstated_balancer(sip: SipBalancing, web: Option<&DnsName>, (role, servers): (Role, usize)) -> Balancer {
    let has_web = match role {
        Role::FrontEnd | Role::Director => servers > 1,
        Role::StandardEdition | Role::Edge | Role::Mediation | Role::Generic => false,
    };
    if has_web || web.is_some() || sip == SipBalancing::Hardware { Balancer::Operator } else { Balancer::None }
}

fn load_balancing(balancing: LoadBalancing, kind: (Role, usize)) -> Option<words::LoadBalancing> {
    let sip = balancing.sip?.value;
    let web = balancing.web.map(|at| at.value);
    let balancer = match balancing.balancer.map(|at| at.value) {
        Some(BalancerChoice::None) => Balancer::None,
        Some(BalancerChoice::Operator) => Balancer::Operator,
        Some(BalancerChoice::Elsewhere(choice)) => Balancer::Elsewhere(choice.elsewhere?.value.0),
        Some(BalancerChoice::Haproxy(choice)) => Balancer::Haproxy(haproxy(choice.haproxy?.value)?),
        None => unstated_balancer(sip, web.as_ref(), kind),
    };
    let mut entry: Vec<_> = filled(balancing.entry).collect();
    entry.sort_unstable();
    entry.dedup();
    let names = balancing.external.map(|at| at.value);
    let external = names.iter().flat_map(|names| names.names()).map(|(purpose, name)| (purpose, name.value.clone()));
    Some(words::LoadBalancing { sip, web, balancer, external: external.collect(), entry })
}

fn haproxy(haproxy: Haproxy) -> Option<words::HaproxyBalancer> {
    let common = backends(haproxy.backend, haproxy.backends);
    let site = |address: RuntimeApi, backends: Vec<String>| words::HaproxySite {
        address: address.0,
        moved_to: None,
        backends,
    };
    let sites = match (haproxy.address, haproxy.balancers) {
        (Some(address), _) => vec![site(address.value.0?, common)],
        (None, balancers) => balancers
            .and_then(|sites| sites.value.0)
            .into_iter()
            .flat_map(|sites| sites.0)
            .map(|choice| choice.value)
            .map(|choice| match choice {
                SiteChoice::Address(address) => Some(site(address, common.clone())),
                SiteChoice::Site(own) => match backends(own.backend, own.backends) {
                    none if none.is_empty() => Some(site(own.address?.value, common.clone())),
                    own_backends => Some(site(own.address?.value, own_backends)),
                },
            })
            .collect::<Option<_>>()?,
    };
    let names = entries(haproxy.names).map(|entry| {
        let (server, names) = entry?;
        Some((server, names.0.into_iter().map(|name| name.value.0).collect()))
    });
    let accepted = entries(haproxy.accept_backends).map(|entry| entry.map(|(name, why)| (name.0, why.0)));
    Some(words::HaproxyBalancer {
        sites,
        names: names.collect::<Option<_>>()?,
        slots: haproxy.slots.map_or(SlotNames::ByName, |at| at.value),
        accept_backends: accepted.collect::<Option<_>>()?,
    })
}

fn backends(one: Option<At<Given<BalancerName>>>, several: Option<At<Given<OneOrMany<BalancerName>>>>) -> Vec<String> {
    let one = one.and_then(|name| name.value.0);
    let several = several.and_then(|names| names.value.0);
    let several = several.into_iter().flat_map(|names| names.0).map(|name| name.value);
    one.into_iter().chain(several).map(|name| name.0).collect()
}

fn access(access: Access) -> Option<words::Access> {
    let winrm: Winrm = access.winrm?.value;
    let credentials = source(winrm.credentials?.value.0)?;
    let kerberos = words::KerberosNames {
        realm: winrm.realm.map(|at| at.value.0),
        kdcs: winrm.kdc.map(|at| at.value.0).into_iter().flatten().map(|at| at.value.0).collect(),
        service: winrm.spn.map_or(ServiceClass::Http, |at| at.value),
    };
    Some(words::Access::Winrm(words::WinrmAccess {
        transport: winrm.transport.map_or(Transport::Https, |at| at.value),
        port: winrm.port.map(|at| at.value.0),
        auth: winrm.auth.map_or(WinrmAuth::Negotiate, |at| at.value),
        credentials,
        ca: winrm.ca.map(|at| at.value.0),
        pins: pins(winrm.pin),
        channel_binding: winrm.channel_binding.map_or(ChannelBinding::Auto, |at| at.value),
        kerberos,
        cmdlets: cmdlets(winrm.cmdlets)?,
    }))
}

fn cmdlets(written: Option<At<CmdletsChoice>>) -> Option<Cmdlets> {
    match written.map(|at| at.value) {
        None | Some(CmdletsChoice::Session) => Some(Cmdlets::Session),
        Some(CmdletsChoice::Task(by)) => Some(Cmdlets::Task(by.task?.value.runs_as?.value.0)),
    }
}

fn pins(written: Option<At<OneOrMany<Sha256>>>) -> Vec<String> {
    written.map(|at| at.value.0).into_iter().flatten().map(|at| at.value.0).collect()
}

/// Returns the source that is written. That there is one and no more is a rule of its own.
fn source(written: Credentials) -> Option<CredentialSource> {
    let principal = written.principal.map(|at| at.value.0);
    let key = written.key.map(|at| at.value.0);
    let found = [
        written.env.map(|at| CredentialSource::Env(at.value.0)),
        written.file.map(|at| CredentialSource::File(at.value.0)),
        written.command.map(|at| CredentialSource::Command(at.value.0.into_iter().map(|word| word.value.0).collect())),
        written.keytab.and_then(|at| Some(CredentialSource::Keytab { file: at.value.0, principal: principal? })),
        written.keyring.map(|at| CredentialSource::Keyring(at.value.0)),
        written.prompt.map(|at| CredentialSource::Prompt(at.value.0)),
        written.current.map(|_at| CredentialSource::Current),
        written.certificate.map(|at| CredentialSource::Certificate {
            key: key.unwrap_or_else(|| at.value.0.clone()),
            file: at.value.0,
        }),
    ];
    let mut found = found.into_iter().flatten();
    found.next().filter(|_| found.next().is_none())
}

fn maintenance(maintenance: Maintenance) -> Option<change::Maintenance> {
    let scope = match maintenance.scope?.value {
        ScopeChoice::All => Scope::AllServices,
        ScopeChoice::Services(list) => {
            let mut services = Vec::new();
            for service in values(list.services) {
                let service: ServiceName = service.service?;
                // One service may go by two names.
                if !services.contains(&service) {
                    services.push(service);
                }
            }
            Scope::Services(services)
        }
    };
    let (drain, unmeasured) = match maintenance.drain {
        Some(written) => drain(written.value)?,
        None => (
            change::Drain {
                deadline: DRAIN_DEADLINE,
                at_deadline: AtDeadline::Hold,
                stuck_after: STUCK_AFTER,
                per_service: BTreeMap::new(),
                by_sessions_alone: BTreeSet::new(),
            },
            BTreeMap::new(),
        ),
    };
    Some(change::Maintenance {
        scope,
        at_once: maintenance.at_once.map_or(1, |at| at.value.0),
        start_type: maintenance.start_type.map_or(StartTypePolicy::Manual, |at| at.value),
        drain,
        installers: maintenance
            .patch
            .into_iter()
            .flat_map(|written| written.value.0)
            .map(|one| patch(one.value))
            .collect::<Option<_>>()?,
        restart: maintenance.restart.map_or(RestartPolicy::WhenNeeded, |at| at.value),
        soak: maintenance.soak.map_or(SOAK, |at| at.value.0),
        accept_loss: values(maintenance.accept_loss).collect(),
        unmeasured,
        on_hold: maintenance.on_hold.map_or_else(|| HoldChoice::Stop.into(), |at| at.value.0),
        pool_unsafe: maintenance.pool_unsafe.map_or(PoolUnsafe::Stop, |at| at.value),
        fit: maintenance.fit.map_or(WindowFit::Worst, |at| at.value),
    })
}

fn drain(drain: Drain) -> Option<(change::Drain, BTreeMap<ServiceName, SignedDuration>)> {
    let deadline = drain.deadline.map_or(DRAIN_DEADLINE, |at| at.value.0);
    let at_deadline = drain.at_deadline.map_or(AtDeadline::Hold, |at| at.value);
    let per_service = by_service(drain.services, |service| change::ServiceDrain {
        deadline: service.deadline.map_or(deadline, |at| at.value.0),
        at_deadline: service.at_deadline.map_or(at_deadline, |at| at.value),
    })?;
    let stuck_after = drain.stuck_after.map_or(STUCK_AFTER, |at| at.value.0);
    let unmeasured = by_service(drain.unmeasured, |length| length.0)?;
    let by_sessions_alone = values(drain.by_sessions_alone).map(|text| text.service).collect::<Option<_>>()?;
    Some((change::Drain { deadline, at_deadline, stuck_after, per_service, by_sessions_alone }, unmeasured))
}

fn patch(patch: Patch) -> Option<change::Patch> {
    let exit_codes = entries(patch.exit_codes).map(|entry| entry.map(|(code, meaning)| (code.0, meaning)));
    Some(change::Patch {
        installer: patch.installer?.value.0,
        arguments: values(patch.arguments).map(|line| line.0).collect(),
        sha256: patch.sha256?.value.0,
        deadline: patch.deadline.map_or(PATCH_DEADLINE, |at| at.value.0),
        level: match patch.level.map(|at| at.value) {
            None => None,
            Some(LevelChoice::Highest(version)) => Some(Level::Highest(version)),
            Some(LevelChoice::Components(components)) => Some(Level::Components(
                components
                    .0
                    .into_iter()
                    .map(|(name, version)| Some((name?.value.0, version?.value)))
                    .collect::<Option<_>>()?,
            )),
        },
        exit_codes: exit_codes.collect::<Option<_>>()?,
        needs_free: patch.needs_free.map(|at| at.value.0),
        pending_restart: patch.pending_restart.map_or(PendingRestart::Refuse, |at| at.value),
        restart: patch.restart.map_or(RestartPoint::AtEnd, |at| at.value),
    })
}

fn one_window(window: Window) -> Option<window::Window> {
    let every = match window.every?.value {
        Every::Daily => Recurrence::Daily,
        Every::Days(days) => Recurrence::Weekly(days.into_iter().map(|day| day.value).collect()),
        Every::DayOfMonth(day) => Recurrence::DayOfMonth(day),
        Every::Weeks(weeks) => Recurrence::WeeksOfMonth(
            weeks.weeks?.value.0.into_iter().map(|week| week.value).collect(),
            weeks.days?.value.0.into_iter().map(|day| day.value).collect(),
        ),
        Every::After(AfterDays { after, days }) => {
            let after = after?.value;
            Recurrence::DaysAfter {
                weeks: after.weeks?.value.0.into_iter().map(|week| week.value).collect(),
                days: after.days?.value.0.into_iter().map(|day| day.value).collect(),
                by: days?.value.0,
            }
        }
        Every::Date(date) => Recurrence::Once(date),
    };
    Some(window::Window {
        every,
        start: window.start?.value,
        duration: window.duration?.value.0,
        timezone: window.timezone?.value.0,
    })
}
