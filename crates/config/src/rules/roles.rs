//! What the roles of pools allow: who carries the central management, who has a next hop, who is paired.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, Reader};
use crate::written::{LevelChoice, Plan, Pool};
use orchestrate_model::pool::Hosted;
use orchestrate_model::{PoolName, Product, Role, ServerName, Version};
use std::collections::BTreeMap;

type Pools<'p> = BTreeMap<&'p PoolName, (&'p At<PoolName>, &'p Pool)>;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let good = plan.pools.iter().flat_map(|pools| pools.value.good());
    let pools: Pools<'_> = good.map(|(name, pool)| (&name.value, (name, &pool.value))).collect();
    // In the order of the file, which the map has not.
    let mut carriers: Vec<Carrier<'_>> = Vec::new();
    for (name, pool) in plan.pools.iter().flat_map(|pools| pools.value.good()) {
        let Some(role) = role(&pool.value) else { continue };
        if role == Role::Generic {
            // Nothing of the product is known of it.
            continue;
        }
        next_hop(reader, (&name.value, role), &pool.value, &pools);
        pairing(reader, (&name.value, role), &pool.value, &pools);
        level(reader, plan, &name.value, &pool.value);
        let Some(carrier) = Carrier::of(&name.value, &pool.value) else { continue };
        if matches!(role, Role::Director | Role::Edge | Role::Mediation) {
            reader.report(carrier.of_another_role(role));
            continue;
        }
        if let Some(first) = carriers.first() {
            reader.report(carrier.second(first));
        }
        carriers.push(carrier);
    }
}

fn role(pool: &Pool) -> Option<Role> {
    Some(pool.role.as_ref()?.value)
}

/// A pool with a server that is said to host the central management.
struct Carrier<'p> {
    name: &'p PoolName,
    pool: &'p Pool,
    server: &'p ServerName,
    span: Span,
}

impl<'p> Carrier<'p> {
    /// Returns the first such server of a pool. More of them in one pool are reported elsewhere.
    fn of(name: &'p PoolName, pool: &'p Pool) -> Option<Self> {
        let servers = pool.servers.as_ref()?;
        servers.value.good().find_map(|(server, written)| {
            let hosts = written.value.hosts.as_ref()?;
            let span = hosts.value.iter().find(|hosted| hosted.value == Hosted::CentralManagement)?.span;
            Some(Self { name, pool, server: &server.value, span })
        })
    }

    fn of_another_role(&self, role: Role) -> Diagnostic {
        let text = format!("`{}` cannot host the central management: its pool has the role `{role}`", self.server);
        Diagnostic::error(codes::CENTRAL_MANAGEMENT_TWICE, self.span, text)
            .label("expected a front end or a Standard Edition server")
            .help("leave it out here, and write it at the server of `ActiveMasterFQDN`, if that is in this file")
    }

    fn paired_with(&self, other: &Self) -> bool {
        let partner = |of: &Self, with: &Self| of.pool.paired_with.as_ref().is_some_and(|at| at.value == *with.name);
        partner(self, other) || partner(other, self)
    }

    /// Pools of one deployment have one active server between them. That two pools belong to one deployment is known
    /// of pairs alone.
    fn second(&self, first: &Self) -> Diagnostic {
        let text = format!("central management is said to be active on `{}` and on `{}`", first.server, self.server);
        let note = format!("the first is in line {}, in pool `{}`", first.span.line, first.name);
        let diagnostic = if self.paired_with(first) {
            Diagnostic::error(codes::CENTRAL_MANAGEMENT_TWICE, self.span, text)
                .label("only one server of a pair of pools is the active one")
        } else {
            Diagnostic::warning(codes::CENTRAL_MANAGEMENT_TWICE, self.span, text)
                .label("only one server of a deployment is the active one")
        };
        diagnostic
            .help("name the server of `ActiveMasterFQDN` in `Get-CsManagementStoreReplicationStatus -CentralManagementStoreStatus`; each deployment has one")
            .note(note)
    }
}

fn next_hop(reader: &mut Reader, (name, role): (&PoolName, Role), pool: &Pool, pools: &Pools<'_>) {
    let Some(hop) = &pool.next_hop else { return };
    let (text, label) = if role != Role::Edge {
        (format!("`{name}` has no next hop: its role is `{role}`"), "only Edge pools have one".to_owned())
    } else if let Some(to @ (Role::Edge | Role::Mediation)) = pools.get(&hop.value).and_then(|(_, pool)| self::role(pool))
        // An Edge pool that leads to itself is reported with the other references of that kind.
        && hop.value != *name
    {
        (
            format!("`{}` cannot be the next hop of the Edge pool `{name}`: its role is `{to}`", hop.value),
            "expected a Director, front end or Standard Edition pool".to_owned(),
        )
    } else {
        return;
    };
    reader.report(Diagnostic::error(codes::ROLES_DO_NOT_JOIN, hop.span, text).label(label).help(
        "the topology has the next hop in the properties of the Edge pool: the pool that it sends traffic on to",
    ));
}

fn pairing(reader: &mut Reader, (name, role): (&PoolName, Role), pool: &Pool, pools: &Pools<'_>) {
    let Some(partner) = pool.paired_with.as_ref().filter(|partner| partner.value != *name) else { return };
    let other = pools.get(&partner.value).and_then(|(_, pool)| self::role(pool));
    let text = match (role, other) {
        (Role::Director | Role::Edge | Role::Mediation, _) => {
            format!("`{name}` cannot be paired: its role is `{role}`")
        }
        (_, Some(other)) if other != role => {
            format!("`{name}` (`{role}`) cannot be paired with `{}` (`{other}`)", partner.value)
        }
        (Role::FrontEnd | Role::StandardEdition | Role::Generic, _) => return,
    };
    reader.report(
        Diagnostic::error(codes::ROLES_DO_NOT_JOIN, partner.span, text)
            .label("two front end pools are paired, or two Standard Edition servers")
            .help("`Get-CsPoolBackupRelationship -PoolFqdn POOL` prints the partner of a pool"),
    );
}

/// Returns the first two numbers of the versions of a product. Those of Subscription Edition are not known.
fn line(product: Product) -> Option<&'static str> {
    match product {
        Product::Lync2013 => Some("5.0"),
        Product::Sfb2015 => Some("6.0"),
        Product::Sfb2019 => Some("7.0"),
        Product::Sfbse | Product::Generic => None,
    }
}

/// Reports a level that no server of a pool can reach, because it is one of another product. A level for each component
/// is not looked at: what a server does not have is passed over there.
fn level(reader: &mut Reader, plan: &Plan, name: &PoolName, pool: &Pool) {
    let Some(product) = pool.product.as_ref().map(|product| product.value) else { return };
    for level in plan.installers().filter_map(|patch| patch.level.as_ref()) {
        let At { value: LevelChoice::Highest(version), span } = level else { continue };
        if let Some(line) = line(product).filter(|line| !is_of_line(version, line)) {
            of_another(reader, (name, product), (version, *span), line);
        }
    }
}

fn of_another(reader: &mut Reader, (name, product): (&PoolName, Product), level: (&Version, Span), line: &str) {
    let (level, span) = level;
    reader.report(
        Diagnostic::error(
            codes::BAD_VERSION,
            span,
            format!("no server of `{name}` can be at {level}: versions of {} begin with {line}", product.title()),
        )
        .label(format!("expected {line} and the numbers after it"))
        .help("pools of several products need a change of their own each, or a level for each component"),
    );
}

fn is_of_line(level: &Version, line: &str) -> bool {
    level.to_string().strip_prefix(line).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
