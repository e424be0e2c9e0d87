//! Versions compared part by part as numbers: 2046.99 is older than 2046.123.

use crate::ids::ServerName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// A version of one to eight numeric parts. Missing parts count as zero.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Vec<u64>);

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} is not a version: numbers separated by dots are needed, such as 5.0.8308.1149", crate::text::quoted(.0))]
pub struct VersionError(pub String);

impl Version {
    /// Returns the version that `text` spells.
    ///
    /// # Errors
    /// When a part is not a number, or there are none or more than eight parts.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let parts: Option<Vec<u64>> = text.trim().split('.').map(number).collect();
        match parts {
            Some(parts) if !parts.is_empty() && parts.len() <= 8 => Ok(Self(parts)),
            _ => Err(VersionError(text.to_owned())),
        }
    }

    /// Returns the version of these parts.
    #[must_use]
    pub fn of(parts: [u64; 3]) -> Self {
        Self(parts.to_vec())
    }

    /// Returns how many parts are written.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.0.len()
    }

    /// Returns whether two versions are of one line of products: their first two parts are the same.
    #[must_use]
    pub fn is_of_line_of(&self, other: &Self) -> bool {
        line(self) == line(other)
    }

    fn significant(&self) -> &[u64] {
        let end = self.0.iter().rposition(|part| *part != 0).map_or(0, |last| last + 1);
        &self.0[..end]
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.significant() == other.significant()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.significant().cmp(other.significant())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.pad(&text.join("."))
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// Digits and nothing else: `+1149` is no part of a version.
fn number(part: &str) -> Option<u64> {
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
}

/// One installed component and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentVersion {
    /// The component's name as the server gives it.
    pub component: String,
    /// Its version.
    pub version: Version,
}

/// The level at which a server counts as patched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Level {
    /// One version: the highest component of its product line, which is what people call the level of an update.
    Highest(Version),
    /// Each of these components, by name, is at its version or above. Never empty.
    Components(BTreeMap<String, Version>),
}

/// Whether a server is at a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// It is, and this is what it is at.
    Yes(String),
    /// It is not: this is what it is at.
    No(String),
    /// It has no component that the level is about.
    NothingInstalled,
}

impl Level {
    /// Returns whether a server with these components is at the level.
    ///
    /// A component that the level names and the server does not have is not counted: servers of other roles have others.
    #[must_use]
    pub fn reached(&self, components: &[ComponentVersion]) -> Reached {
        match self {
            Self::Highest(wanted) => match of_line(components, wanted).map(|component| &component.version).max() {
                Some(highest) if highest >= wanted => Reached::Yes(highest.to_string()),
                Some(highest) => Reached::No(highest.to_string()),
                None => Reached::NothingInstalled,
            },
            Self::Components(wanted) => {
                let (mut reached, mut below) = (Vec::new(), Vec::new());
                for component in components {
                    let Some((_, version)) = wanted.iter().find(|(name, _)| is_called(&component.component, name))
                    else {
                        continue;
                    };
                    let list = if component.version < *version { &mut below } else { &mut reached };
                    list.push(format!("{} {}", component.component, component.version));
                }
                match (reached.is_empty(), below.is_empty()) {
                    (true, true) => Reached::NothingInstalled,
                    (false, true) => Reached::Yes(reached.join(", ")),
                    (true | false, false) => Reached::No(below.join(", ")),
                }
            }
        }
    }

    /// Says that a server with these components is above the level, if it is: that is no proof that this update is installed.
    #[must_use]
    pub fn above(&self, components: &[ComponentVersion]) -> Option<String> {
        let found = match self.reached(components) {
            Reached::Yes(found) => found,
            Reached::No(_) | Reached::NothingInstalled => return None,
        };
        let above = match self {
            Self::Highest(wanted) => of_line(components, wanted).any(|component| component.version > *wanted),
            Self::Components(wanted) => components.iter().any(|component| {
                wanted
                    .iter()
                    .any(|(name, version)| is_called(&component.component, name) && component.version > *version)
            }),
        };
        above.then(|| format!("above the level (found {found}, wanted {self})"))
    }

    /// Returns the components that are older than the level although the server is at it: those that the update does not
    /// touch, or those that an update which broke off did not reach. A server alone does not show which. Where the plan
    /// names each component there are none.
    pub fn older<'a>(&'a self, components: &'a [ComponentVersion]) -> impl Iterator<Item = &'a ComponentVersion> {
        let wanted = match self {
            Self::Highest(wanted) => Some(wanted),
            Self::Components(_) => None,
        };
        let of_line = wanted.into_iter().flat_map(|wanted| of_line(components, wanted).zip(std::iter::repeat(wanted)));
        of_line.filter(|(component, wanted)| component.version < **wanted).map(|(component, _)| component)
    }

    /// Returns the components that the level names and that are none of these. One version names none.
    #[must_use]
    pub fn unmatched<'a>(&'a self, components: impl Iterator<Item = &'a ComponentVersion> + Clone) -> Vec<&'a str> {
        match self {
            Self::Highest(_) => Vec::new(),
            Self::Components(wanted) => {
                let matched = |name: &str| components.clone().any(|component| is_called(&component.component, name));
                wanted.keys().map(String::as_str).filter(|name| !matched(name)).collect()
            }
        }
    }

    /// Returns the highest version that is wanted. There is one, since a level of no component cannot be written.
    #[must_use]
    pub fn highest(&self) -> Option<&Version> {
        match self {
            Self::Highest(version) => Some(version),
            Self::Components(components) => components.values().max(),
        }
    }

    /// Returns whether the level is about a component: those of its product line, or those that it names.
    #[must_use]
    pub fn concerns(&self, component: &ComponentVersion) -> bool {
        match self {
            Self::Highest(wanted) => line(&component.version) == line(wanted),
            Self::Components(wanted) => wanted.keys().any(|name| is_called(&component.component, name)),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Highest(version) => write!(f, "{version}"),
            Self::Components(components) => {
                let each: Vec<String> = components.iter().map(|(name, version)| format!("{name} {version}")).collect();
                f.write_str(&each.join(", "))
            }
        }
    }
}

/// Returns whether a server means this component by its full name: `Core Components` is the last part of
/// `Microsoft Lync Server 2013, Core Components`. Case does not matter.
fn is_called(full: &str, name: &str) -> bool {
    let (full, name) = (full.trim().to_lowercase(), name.trim().to_lowercase());
    full == name || full.strip_suffix(&name).is_some_and(|product| product.ends_with(", "))
}

/// Returns whether two names that a level can have stand for one component.
#[must_use]
pub fn is_same_component(one: &str, other: &str) -> bool {
    is_called(one, other) || is_called(other, one)
}

/// A component that is not at one version on all servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixed<'a> {
    /// Its name.
    pub component: &'a str,
    /// The versions, oldest first, and who has them.
    pub versions: BTreeMap<&'a Version, BTreeSet<&'a ServerName>>,
}

/// Returns the components that are at different versions on these servers, by name. What a server does not have is not
/// compared.
#[must_use]
pub fn mixed<'a>(servers: impl IntoIterator<Item = (&'a ServerName, &'a [ComponentVersion])>) -> Vec<Mixed<'a>> {
    let mut by_component: BTreeMap<&str, BTreeMap<&Version, BTreeSet<&ServerName>>> = BTreeMap::new();
    for (server, components) in servers {
        for ComponentVersion { component, version } in components {
            by_component.entry(component).or_default().entry(version).or_default().insert(server);
        }
    }
    let several = by_component.into_iter().filter(|(_, versions)| versions.len() > 1);
    several.map(|(component, versions)| Mixed { component, versions }).collect()
}

fn of_line<'a>(components: &'a [ComponentVersion], level: &Version) -> impl Iterator<Item = &'a ComponentVersion> {
    let wanted = line(level);
    components.iter().filter(move |component| line(&component.version) == wanted)
}

/// The first two parts of a version, which are those of the product: 5.0, 6.0, 7.0.
fn line(version: &Version) -> (Option<u64>, Option<u64>) {
    (version.0.first().copied(), version.0.get(1).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let v = |text: &str| Version::parse(text).unwrap();
        assert!(v("7.0.2046.99") < v("7.0.2046.123"));
        assert_eq!(v("5.0"), v("5.0.0"));
        assert!(v("5.0.8308.1149") > v("5.0.8308"));
        for bad in ["", "a", "1..2", "1.2-rc", "99999999999999999999999"] {
            assert!(Version::parse(bad).is_err(), "{bad:?}");
        }
    }

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn component(component: &str, text: &str) -> ComponentVersion {
        ComponentVersion { component: component.into(), version: version(text) }
    }

    #[test]
    fn one_version_is_the_highest_of_the_line_and_what_is_below_it_is_named() {
        let components = [
            component("Core Components", "5.0.8308.1149"),
            component("Call Park", "5.0.8308.420"),
            component("Windows Fabric", "1.0.976.0"),
            component("Runtime", "11.0.6020"),
        ];
        let level = Level::Highest(version("5.0.8308.1149"));
        assert_eq!(level.reached(&components), Reached::Yes("5.0.8308.1149".into()));
        let older: Vec<&str> = level.older(&components).map(|component| component.component.as_str()).collect();
        assert_eq!(older, ["Call Park"], "other products are no part of it");
        assert!(level.concerns(&components[1]) && !level.concerns(&components[2]));
        assert_eq!(level.reached(&components[1..]), Reached::No("5.0.8308.420".into()));
        assert_eq!(level.reached(&components[2..]), Reached::NothingInstalled);
    }

    #[test]
    fn what_is_above_a_level_is_not_said_to_be_at_it() {
        let highest = Level::Highest(version("5.0.8308.1149"));
        let said = |level: &Level, text: &str| level.above(&[component("Core", text)]);
        assert_eq!(said(&highest, "5.0.8308.1149"), None);
        let above = "above the level (found 5.0.8308.1151, wanted 5.0.8308.1149)";
        assert_eq!(said(&highest, "5.0.8308.1151").unwrap(), above);
        assert_eq!(said(&highest, "5.0.8308.420"), None);
        let named = Level::Components(BTreeMap::from([("Core".to_owned(), version("5.0.8308.1149"))]));
        let above = "above the level (found Core 5.0.8308.1151, wanted Core 5.0.8308.1149)";
        assert_eq!(said(&named, "5.0.8308.1151").unwrap(), above);
        assert_eq!(said(&named, "5.0.8308.1149"), None);
    }

    #[test]
    fn a_level_of_components_wants_each_that_the_server_has() {
        let wanted = [("core components", "5.0.8308.1149"), ("Call Park", "5.0.8308.1136"), ("Edge", "5.0.8308.1")];
        let level =
            Level::Components(wanted.into_iter().map(|(name, text)| (name.to_owned(), version(text))).collect());
        let core = component("Microsoft Lync Server 2013, Core Components", "5.0.8308.1149");
        let park = |text| component("Microsoft Lync Server 2013, Call Park", text);
        let other = component("Microsoft Lync Server 2013, Not Core Components", "5.0.8308.0");
        let both = "Microsoft Lync Server 2013, Core Components 5.0.8308.1149, \
                    Microsoft Lync Server 2013, Call Park 5.0.8308.1136";
        let at = [core.clone(), park("5.0.8308.1136"), other.clone()];
        assert_eq!(level.reached(&at), Reached::Yes(both.into()));
        assert_eq!(level.older(&at).count(), 0);
        assert_eq!(
            level.reached(&[core, park("5.0.8308.99")]),
            Reached::No("Microsoft Lync Server 2013, Call Park 5.0.8308.99".into()),
            "99 is less than 1136"
        );
        assert_eq!(level.reached(std::slice::from_ref(&other)), Reached::NothingInstalled);
        assert_eq!(level.unmatched([&at[1], &other].into_iter()), ["Edge", "core components"], "no server has these");
        assert_eq!(level.to_string(), "Call Park 5.0.8308.1136, Edge 5.0.8308.1, core components 5.0.8308.1149");
    }

    #[test]
    fn servers_are_compared_component_by_component() {
        let (fe1, fe2) =
            (ServerName::new("fe1.contoso.example").unwrap(), ServerName::new("fe2.contoso.example").unwrap());
        let one =
            [component("Core", "5.0.8308.1149"), component("Call Park", "5.0.8308.420"), component("Only", "5.0")];
        let two = [component("Core", "5.0.8308.1149.0"), component("Call Park", "5.0.8308.1149")];
        let found = mixed([(&fe1, one.as_slice()), (&fe2, two.as_slice())]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].component, "Call Park");
        let who: Vec<_> = found[0].versions.values().map(|servers| servers.first().unwrap().short()).collect();
        assert_eq!(who, ["fe1", "fe2"], "oldest first");
    }
}
