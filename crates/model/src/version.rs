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
/// A cumulative update raises its components to different versions; the highest of them is what people call its level.
#[must_use]
pub fn level_of(components: &[ComponentVersion], level: &Version) -> Option<Version> {
    let line = |version: &Version| (version.0.first().copied(), version.0.get(1).copied());
    components.iter().map(|component| &component.version).filter(|version| line(version) == line(level)).max().cloned()
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
}
