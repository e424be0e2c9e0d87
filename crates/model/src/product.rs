//! Products, the roles of their pools, and the features that depend on DNS load balancing.

use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a pool runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Lync Server 2013.
    Lync2013,
    /// Skype for Business Server 2015.
    Sfb2015,
    /// Skype for Business Server 2019.
    Sfb2019,
    /// Skype for Business Server Subscription Edition.
    Sfbse,
    /// Anything whose servers can be told to refuse new work.
    Generic,
}

impl Product {
    /// Every product, in the order of their release.
    pub const ALL: [Self; 5] = [Self::Lync2013, Self::Sfb2015, Self::Sfb2019, Self::Sfbse, Self::Generic];

    /// Returns the word used in plan files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lync2013 => "lync2013",
            Self::Sfb2015 => "sfb2015",
            Self::Sfb2019 => "sfb2019",
            Self::Sfbse => "sfbse",
            Self::Generic => "generic",
        }
    }

    /// Returns the version of the product before its first update, where it is known: no update is at it or below. The
    /// first number of that of 2019 is inferred: its pages give 2046 only.
    #[must_use]
    pub fn base_build(self) -> Option<Version> {
        match self {
            Self::Lync2013 => Some(Version::of([5, 0, 8308])),
            Self::Sfb2015 => Some(Version::of([6, 0, 9319])),
            Self::Sfb2019 => Some(Version::of([7, 0, 2046])),
            Self::Sfbse | Self::Generic => None,
        }
    }

    /// Returns the product's name as people say it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Lync2013 => "Lync Server 2013",
            Self::Sfb2015 => "Skype for Business Server 2015",
            Self::Sfb2019 => "Skype for Business Server 2019",
            Self::Sfbse => "Skype for Business Server Subscription Edition",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What the servers of a pool do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Front end servers of an Enterprise Edition pool.
    FrontEnd,
    /// A Standard Edition server: a pool of one.
    StandardEdition,
    /// Directors.
    Director,
    /// Edge servers.
    Edge,
    /// Stand-alone Mediation servers.
    Mediation,
    /// No role of the product.
    Generic,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::FrontEnd, Self::StandardEdition, Self::Director, Self::Edge, Self::Mediation, Self::Generic];

    /// Returns the word used in plan files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FrontEnd => "front-end",
            Self::StandardEdition => "standard-edition",
            Self::Director => "director",
            Self::Edge => "edge",
            Self::Mediation => "mediation",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The features for which blocking a server needs DNS load balancing on the pool. The list is complete
/// (TechNet Gg520964, "Prevent new connections to Lync Server for server maintenance").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Dial-in conferencing attendant.
    Attendant,
    /// Announcements in conferences.
    ConferencingAnnouncement,
    /// Response groups.
    ResponseGroup,
    /// Announcements for unassigned numbers.
    Announcement,
    /// Call park.
    CallPark,
}

impl Feature {
    /// Every feature of the list.
    pub const ALL: [Self; 5] =
        [Self::Attendant, Self::ConferencingAnnouncement, Self::ResponseGroup, Self::Announcement, Self::CallPark];

    /// Returns the name used in plan files and messages.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Attendant => "Attendant",
            Self::ConferencingAnnouncement => "Conferencing Announcement",
            Self::ResponseGroup => "Response Group",
            Self::Announcement => "Announcement",
            Self::CallPark => "Call Park",
        }
    }

    /// Returns the Windows service that contains the feature. Announcement lives inside Response Group.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::Attendant => "RTCCAA",
            Self::ConferencingAnnouncement => "RTCCAS",
            Self::ResponseGroup | Self::Announcement => "RTCRGS",
            Self::CallPark => "RTCCPS",
        }
    }

    /// Returns what is lost when the feature is not covered, for messages.
    #[must_use]
    pub fn loss(self) -> &'static str {
        match self {
            Self::Attendant => "dial-in conference calls that reach this server",
            Self::ConferencingAnnouncement => "join and leave announcements of conferences on this server",
            Self::ResponseGroup => "response group calls that reach this server",
            Self::Announcement => "calls to unassigned numbers that reach this server",
            Self::CallPark => "calls to be parked on this server",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}
