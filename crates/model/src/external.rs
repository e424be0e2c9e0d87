//! The names by which clients outside find an Edge pool, and the addresses behind them.

use crate::ids::DnsName;
use crate::pool::{Pool, Server};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// What an external name of an Edge pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalUse {
    /// The Access Edge: SIP.
    Access,
    /// The Web Conferencing Edge.
    WebConferencing,
    /// The A/V Edge.
    Av,
}

impl ExternalUse {
    /// Every use, in the order of the product's own pages.
    pub const ALL: [Self; 3] = [Self::Access, Self::WebConferencing, Self::Av];

    /// Returns the key in plan files.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::WebConferencing => "web_conferencing",
            Self::Av => "av",
        }
    }
}

impl fmt::Display for ExternalUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Access => "Access Edge",
            Self::WebConferencing => "Web Conferencing Edge",
            Self::Av => "A/V Edge",
        })
    }
}

/// The external names of a pool, by use. One name may serve several uses.
pub type ExternalNames = BTreeMap<ExternalUse, DnsName>;

/// The external addresses of a server, by use.
pub type ExternalAddresses = BTreeMap<ExternalUse, Vec<IpAddr>>;

impl Pool {
    /// Returns each external name once, with its uses, in the order of the first use of each.
    #[must_use]
    pub fn external_names(&self) -> Vec<(&DnsName, Vec<ExternalUse>)> {
        let mut names: Vec<(&DnsName, Vec<ExternalUse>)> = Vec::new();
        for (purpose, name) in &self.load_balancing.external {
            match names.iter_mut().find(|(same, _)| *same == name) {
                Some((_, uses)) => uses.push(*purpose),
                None => names.push((name, vec![*purpose])),
            }
        }
        names
    }
}

impl Server {
    /// Returns the addresses that an external name with these uses has for this server.
    pub fn external_addresses(&self, uses: &[ExternalUse]) -> impl Iterator<Item = IpAddr> {
        uses.iter().filter_map(|purpose| self.external.get(purpose)).flatten().copied()
    }
}
