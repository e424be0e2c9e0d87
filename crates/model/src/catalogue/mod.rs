//! The services of the products: what the rest of the project knows about them, with sources.
//!
//! The facts stand in one table, [`table::SERVICES`]. Where a fact is unknown the field says so, and the server
//! itself is asked at run time.

mod roles;
mod table;
#[cfg(test)]
mod tests;

use crate::ids::ServiceName;
use crate::product::{Feature, Product, Role};
pub use roles::{SPREAD, SpreadFacts};
use std::collections::BTreeMap;
use std::sync::LazyLock;
pub use table::SERVICES;

/// What is known about one Windows service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceFacts {
    /// Short name. `None` where the component exists but its service name was not found.
    pub name: Option<&'static str>,
    /// How sure the name is.
    pub name_status: NameStatus,
    /// Display name without the product prefix, such as `Front-End`.
    pub title: &'static str,
    /// Display name on an Edge server, where it differs.
    pub edge_title: Option<&'static str>,
    /// Whether the display name carries the product prefix (`Lync Server ` or `Skype for Business Server `).
    pub prefixed: bool,
    /// The products that have it.
    pub products: &'static [Product],
    /// The roles that run it without being told so.
    pub roles: &'static [Role],
    /// The roles that may run it besides: collocated or optional.
    pub optional_roles: &'static [Role],
    /// TCP ports.
    pub ports: &'static [u16],
    /// What a session of it is.
    pub session: &'static str,
    /// How its sessions are measured.
    pub measures: &'static [MeasureFacts],
    /// The conferencing server whose draining state it shows, such as `AVMCU`; see
    /// [`ServiceFacts::draining_counter`].
    pub draining_state: Option<&'static str>,
    /// Components inside it that cannot be blocked apart from it.
    pub contains: &'static [&'static str],
    /// Other names of those components, each with the name that `contains` has for it.
    pub aliases: &'static [(&'static str, &'static str)],
    /// DNS-dependent features in it.
    pub features: &'static [Feature],
    /// Whether a pause was seen to work.
    pub pause: PauseFacts,
    /// Its part in a drain.
    pub drain: DrainClass,
    /// Where the facts come from.
    pub sources: &'static [&'static str],
}

/// How sure a service name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameStatus {
    /// Seen in a source.
    Confirmed,
    /// No source shows it.
    Unconfirmed,
    /// The component exists, its service name was not found.
    NotFound,
}

/// Whether a pause was seen to work. Each server is asked all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseFacts {
    /// A source shows it paused.
    Observed,
    /// Only the general statement of the product documentation covers it.
    Generic,
    /// Nothing was found.
    Unknown,
}

/// The part of a service in a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainClass {
    /// Has sessions, which must be gone before it is stopped.
    Session,
    /// Has none: stopped for an installer after the others, started before them, never waited for, start type untouched.
    Support,
    /// Never touched by us.
    Infrastructure,
}

/// One way to count the sessions of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasureFacts {
    /// Where it is read.
    pub kind: MeasureKind,
    /// The products it exists on; empty means all.
    pub products: &'static [Product],
    /// The roles on which it exists and has to be read; empty means all that run the service.
    pub roles: &'static [Role],
    /// Whether a source shows it. A measure from memory is still read, and unknown where the server lacks it.
    pub sourced: bool,
}

/// Where a measure is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureKind {
    /// A performance counter.
    Counter {
        /// The counter set, such as `LS:AVMCU - Operations`.
        object: &'static str,
        /// The instance, for sets that have several.
        instance: Option<&'static str>,
        /// The counter, such as `AVMCU - Number of Users`.
        counter: &'static str,
    },
    /// A key inside `ActivityLevel` of `Get-CsWindowsService`.
    Activity {
        /// The key.
        key: &'static str,
    },
}

/// What a name in a plan file turned out to mean.
#[derive(Debug, Clone, Copy)]
pub enum Resolved {
    /// The Windows service itself: by its name, its display name, or a feature it contains.
    Service(&'static ServiceFacts),
    /// A component that cannot be blocked apart from the service that contains it.
    Grouped {
        /// The component as the catalogue spells it.
        component: &'static str,
        /// The service that contains it.
        service: &'static ServiceFacts,
    },
    /// Something that is spread over several services, each of which is blocked by itself.
    Spread(&'static SpreadFacts),
}

/// Returns the facts of the service with this short name.
#[must_use]
pub fn service(name: &ServiceName) -> Option<&'static ServiceFacts> {
    SERVICES.iter().find(|facts| facts.name.is_some_and(|known| known.eq_ignore_ascii_case(name.as_str())))
}

/// What the display names of the product's services begin with, whatever the release: some are not renamed by an upgrade.
pub const DISPLAY_PREFIXES: [&str; 2] = ["Lync Server ", "Skype for Business Server "];

/// Returns a display name without the prefix of the product, if it has one.
fn without_prefix(display: &str) -> Option<&str> {
    DISPLAY_PREFIXES.into_iter().find_map(|prefix| {
        let (start, rest) = (display.get(..prefix.len())?, display.get(prefix.len()..)?);
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    })
}

/// Returns whether a display name is one of the product's.
#[must_use]
pub fn is_product_display(display: &str) -> bool {
    without_prefix(display).is_some()
}

/// Returns the facts of the service that shows itself under this display name, whatever its Windows name.
#[must_use]
pub fn by_display(display: &str) -> Option<&'static ServiceFacts> {
    let title = simplified(without_prefix(display).unwrap_or(display));
    let is = |known: &str| simplified(known) == title;
    SERVICES.iter().find(|facts| is(facts.title) || facts.edge_title.is_some_and(is))
}

/// Returns what a name written by a person means: a service name, a display name of any product, a feature, a role, a
/// grouped component, or something that is spread over several services. Case, spaces around it, and the endings "service", "application" and "agent" do not matter.
#[must_use]
pub fn resolve(text: &str) -> Option<Resolved> {
    NAMES.get(&simplified(roles::application(text))).copied()
}

/// What every name means, in the simplified spelling. Worked out once: a plan may hold very many names.
static NAMES: LazyLock<BTreeMap<String, Resolved>> = LazyLock::new(|| {
    let mut names = BTreeMap::new();
    // The first meaning of a name is the one that counts.
    let mut add = |name: &str, meaning: Resolved| {
        names.entry(simplified(name)).or_insert(meaning);
    };
    for facts in SERVICES {
        let features = facts.features.iter().map(|feature| feature.title().to_owned());
        let own = facts.name.map(str::to_owned).into_iter().chain(features).chain(facts.displays());
        own.for_each(|name| add(&name, Resolved::Service(facts)));
    }
    roles::whole().for_each(|(name, facts)| add(name, Resolved::Service(facts)));
    for facts in SPREAD {
        facts.names().for_each(|name| add(name, Resolved::Spread(facts)));
    }
    for service in SERVICES {
        service.contains.iter().for_each(|component| add(component, Resolved::Grouped { component, service }));
        service.aliases.iter().for_each(|(alias, component)| add(alias, Resolved::Grouped { component, service }));
    }
    names
});

/// Returns the feature that a person names, as [`resolve`] reads names: `Response Group application` is one. The names of
/// the Windows services that contain the features are none, where they differ.
#[must_use]
pub fn feature(text: &str) -> Option<Feature> {
    let wanted = simplified(text);
    Feature::ALL.into_iter().find(|feature| simplified(feature.title()) == wanted)
}

/// Returns every name that [`resolve`] understands, for suggestions.
#[must_use]
pub fn known_names() -> Vec<String> {
    let mut names = Vec::new();
    for facts in SERVICES {
        names.extend(facts.name.map(str::to_owned));
        names.push(facts.title.to_owned());
        names.extend(facts.features.iter().map(|feature| feature.title().to_owned()));
        names.extend(facts.contains.iter().map(|&component| component.to_owned()));
        names.extend(facts.aliases.iter().map(|&(alias, _)| alias.to_owned()));
    }
    names.extend(SPREAD.iter().flat_map(SpreadFacts::names).chain(roles::whole_names()).map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

/// Returns the services that a server of this product and role runs, in the order of the catalogue. Services whose
/// name was not found, or is unconfirmed, are left out. Servers are asked about every service with a name that their
/// role may run; one without a name is looked for by how its display name begins, see [`is_product_display`].
pub fn expected(product: Product, role: Role) -> impl Iterator<Item = &'static ServiceFacts> {
    SERVICES.iter().filter(move |facts| {
        facts.name_status == NameStatus::Confirmed && facts.products.contains(&product) && facts.roles.contains(&role)
    })
}

impl ServiceFacts {
    /// Returns the short name as a validated name, if it is known.
    #[must_use]
    pub fn service_name(&self) -> Option<ServiceName> {
        self.name.and_then(|name| ServiceName::new(name).ok())
    }

    /// Returns the display name on a server of this product and role.
    #[must_use]
    pub fn display(&self, product: Product, role: Role) -> String {
        let title = match (role, self.edge_title) {
            (Role::Edge, Some(title)) => title,
            _ => self.title,
        };
        match (self.prefixed, product) {
            (true, Product::Lync2013) => format!("Lync Server {title}"),
            (true, Product::Sfb2015 | Product::Sfb2019 | Product::Sfbse) => {
                format!("Skype for Business Server {title}")
            }
            (true, Product::Generic) | (false, _) => title.to_owned(),
        }
    }

    /// Returns every display name the service goes by.
    fn displays(&self) -> impl Iterator<Item = String> + '_ {
        [Product::Lync2013, Product::Sfb2015, Product::Generic]
            .into_iter()
            .flat_map(|product| [Role::FrontEnd, Role::Edge].map(|role| self.display(product, role)))
    }

    /// Returns the object and the counter of the draining state: 1 while draining, 0 otherwise. Servers differ in
    /// the case of these names, so they are compared without regard to it.
    #[must_use]
    pub fn draining_counter(&self) -> Option<(String, String)> {
        let of = self.draining_state?;
        Some((format!("LS:{of} - MCU Health And Performance"), format!("{of} - MCU Draining State")))
    }

    /// Returns the measures that have to be read on a server of this product and role: all of them, for a service
    /// is drained only when each reads zero.
    pub fn measures_for(&self, product: Product, role: Role) -> impl Iterator<Item = &'static MeasureFacts> {
        self.measures_on(product).filter(move |measure| measure.roles.is_empty() || measure.roles.contains(&role))
    }

    /// Returns the measures that exist on a product, whatever the role.
    pub fn measures_on(&self, product: Product) -> impl Iterator<Item = &'static MeasureFacts> {
        self.measures.iter().filter(move |measure| measure.products.is_empty() || measure.products.contains(&product))
    }
}

impl MeasureKind {
    /// Returns the counter path or activity key, as it is shown and as plan files write it.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Counter { object, instance: Some(instance), counter } => {
                format!("\\{object}({instance})\\{counter}")
            }
            Self::Counter { object, instance: None, counter } => format!("\\{object}\\{counter}"),
            Self::Activity { key } => (*key).to_owned(),
        }
    }
}

fn simplified(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let mut words: Vec<&str> = lower.split(|c: char| c.is_whitespace() || c == '-' || c == '_').collect();
    words.retain(|word| !word.is_empty());
    while words.len() > 1 && words.last().is_some_and(|last| matches!(*last, "service" | "application" | "agent")) {
        words.pop();
    }
    words.join(" ")
}
