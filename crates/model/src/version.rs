//! Versions compared part by part as numbers: 2046.99 is older than 2046.123.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// A version of one to eight numeric parts. Missing parts count as zero.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Vec<u64>);

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a version: numbers separated by dots are needed, such as 5.0.8308.1149")]
pub struct VersionError(pub String);

impl Version {
    /// Returns the version that `text` spells.
    ///
    /// # Errors
    /// When a part is not a number, or there are none or more than eight parts.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let parts: Result<Vec<u64>, _> = text.trim().split('.').map(str::parse::<u64>).collect();
        match parts {
            Ok(parts) if !parts.is_empty() && parts.len() <= 8 => Ok(Self(parts)),
            _ => Err(VersionError(text.to_owned())),
        }
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

/// One installed component and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentVersion {
    /// The component's name as the server gives it.
    pub component: String,
    /// Its version.
    pub version: Version,
}

/// Returns the highest version among the components of the product line of `level`: those whose first two parts are
/// the same (5.0, 6.0, 7.0). `None` when there is no such component.
///
/// A cumulative update raises its components to different versions and leaves others alone; the highest of them is what
/// people call its level. What it leaves open, [`below`] names.
#[must_use]
pub fn level_of(components: &[ComponentVersion], level: &Version) -> Option<Version> {
    of_line(components, level).map(|component| &component.version).max().cloned()
}

/// Returns the components of the product line of `level` that are older than it: those that the update does not touch,
/// or those that an update which broke off did not reach. A server alone does not show which.
pub fn below<'a>(components: &'a [ComponentVersion], level: &'a Version) -> impl Iterator<Item = &'a ComponentVersion> {
    of_line(components, level).filter(move |component| component.version < *level)
}

fn of_line<'a>(components: &'a [ComponentVersion], level: &'a Version) -> impl Iterator<Item = &'a ComponentVersion> {
    let line = |version: &Version| (version.0.first().copied(), version.0.get(1).copied());
    components.iter().filter(move |component| line(&component.version) == line(level))
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

    #[test]
    fn the_level_is_the_highest_of_the_line_and_what_is_below_it_is_named() {
        let component = |component: &str, version: &str| ComponentVersion {
            component: component.into(),
            version: Version::parse(version).unwrap(),
        };
        let components = [
            component("Core Components", "5.0.8308.1149"),
            component("Call Park", "5.0.8308.420"),
            component("Windows Fabric", "1.0.976.0"),
            component("Runtime", "11.0.6020"),
        ];
        let level = Version::parse("5.0.8308.1149").unwrap();
        assert_eq!(level_of(&components, &level), Some(level.clone()));
        let older: Vec<&str> = below(&components, &level).map(|component| component.component.as_str()).collect();
        assert_eq!(older, ["Call Park"], "other products are no part of it");
        assert_eq!(level_of(&components[2..], &level), None);
    }
}
