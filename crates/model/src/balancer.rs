//! Balancers in front of a pool: what they say of its servers, entry by entry.
//!
//! A balancer knows a server by the address it sends traffic to. The name of an entry is only a label: a reload, or a
//! template that is filled from DNS, can give it another server's address. The address is therefore part of what names
//! an entry here, and one whose address has changed is another entry.

use crate::ids::ServerName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One server of one backend of one balancer, with the address that the balancer has for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BalancerPlace {
    /// The balancer, by the address that the plan reaches it at.
    pub balancer: String,
    /// The backend.
    pub backend: String,
    /// The balancer's name of the server.
    pub slot: String,
    /// The address that the balancer sends its traffic to. `None` where the balancer has none, as for a socket.
    pub address: Option<IpAddr>,
}

impl BalancerPlace {
    /// Returns backend and name as the balancer itself writes them.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.backend, self.slot)
    }
}

impl fmt::Display for BalancerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}", self.backend, self.slot, self.balancer)
    }
}

/// A text that names no entry of a balancer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a balancer, backend/server and an address, each after a blank, found {}", crate::text::quoted(found))]
pub struct NoBalancerPlace {
    /// The text.
    pub found: String,
}

impl From<BalancerPlace> for String {
    fn from(place: BalancerPlace) -> Self {
        let address = place.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        format!("{} {}/{} {address}", place.balancer, place.backend, place.slot)
    }
}

impl TryFrom<String> for BalancerPlace {
    type Error = NoBalancerPlace;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for BalancerPlace {
    type Err = NoBalancerPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // From the right: the path of a socket may hold blanks and strokes, names in a balancer hold neither.
        let read = || {
            let (rest, address) = text.rsplit_once(' ')?;
            let (balancer, path) = rest.rsplit_once(' ')?;
            let (backend, slot) = path.split_once('/')?;
            let address = if address == "-" { None } else { Some(address.parse().ok()?) };
            Some(Self { balancer: balancer.to_owned(), backend: backend.to_owned(), slot: slot.to_owned(), address })
        };
        read().ok_or_else(|| NoBalancerPlace { found: text.to_owned() })
    }
}

/// Longest name of a balancer's backend or server. HAProxy has no limit of its own; nobody writes longer ones.
const LONGEST_NAME: usize = 255;

/// Returns whether HAProxy allows a text as the name of a backend or a server. A line break or `;` would begin another
/// command.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(allowed)
}

/// Returns whether a text is where a runtime API can listen: the absolute path of a socket, or `host:port`.
#[must_use]
pub fn is_runtime_address(text: &str) -> bool {
    if text.chars().any(crate::text::is_unseen) || text.trim() != text {
        return false;
    }
    if text.starts_with('/') {
        // A folder above says nothing by its spelling of which socket it is.
        return text.len() <= LONGEST_SOCKET && !text.ends_with('/') && text.split('/').all(|part| part != "..");
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    crate::host::is_port(port) && crate::host::is_host(host) && crate::host::port_slip(text).is_none()
}

/// Longest path of a socket that the systems take.
const LONGEST_SOCKET: usize = 107;

/// One entry as its balancer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerEntry {
    /// What the operator or we have set.
    pub admin: BalancerState,
    /// Whether its health checks pass.
    pub up: bool,
    /// Sessions the balancer has open to it.
    pub sessions: u64,
    /// What keeps it from new connections besides a state that was set, and that no command of ours changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_out: Option<KeptOut>,
}

/// What keeps an entry of a balancer from new connections besides the state that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptOut {
    /// Its weight is 0.
    Weight,
    /// It follows another entry, which is out.
    Tracked,
    /// Its name does not resolve.
    Resolution,
}

impl fmt::Display for KeptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Weight => "its weight is 0",
            Self::Tracked => "an entry that it tracks is out",
            Self::Resolution => "its name does not resolve",
        })
    }
}

/// One server as the balancers see it: every entry that sends traffic to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerServer {
    /// Its entries in the backends that the plan names.
    pub entries: BTreeMap<BalancerPlace, BalancerEntry>,
}

impl BalancerServer {
    /// Returns the state of each entry.
    #[must_use]
    pub fn states(&self) -> BTreeMap<BalancerPlace, BalancerState> {
        self.entries.iter().map(|(place, entry)| (place.clone(), entry.admin)).collect()
    }

    /// Returns the entries through which it can be sent something new.
    pub fn ready(&self) -> impl Iterator<Item = &BalancerPlace> {
        let ready = self.entries.iter().filter(|(_, entry)| entry.admin == BalancerState::Ready);
        ready.map(|(place, _)| place)
    }

    /// Returns the entries through which it is sent nothing new.
    pub fn closed(&self) -> impl Iterator<Item = &BalancerPlace> {
        let closed = self.entries.iter().filter(|(_, entry)| entry.admin != BalancerState::Ready);
        closed.map(|(place, _)| place)
    }

    /// Returns how many sessions the balancers have open to it.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.entries.values().map(|entry| entry.sessions).fold(0, u64::saturating_add)
    }
}

/// What a balancer may do with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalancerState {
    /// Sends it traffic.
    Ready,
    /// Sends it only sessions it already has.
    Drain,
    /// Sends it nothing.
    Maintenance,
}

impl fmt::Display for BalancerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maintenance => "maintenance",
        })
    }
}

/// Something about a balancer that does not fit the plan, or that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BalancerDoubt {
    /// The server it is about. `None`: all of the pool.
    pub server: Option<ServerName>,
    /// What kind of thing it is.
    pub kind: DoubtKind,
    /// In words: which balancer, what was expected, what was found.
    pub text: String,
}

/// The kinds of things that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtKind {
    /// An entry that by its name is the server's has the address of something else.
    OtherAddress,
    /// A backend that the plan names is not there, or the server is not in it.
    NotThere,
    /// A backend that the plan does not name sends traffic to the server.
    Unnamed,
    /// The balancer may be read but not changed.
    NoRight,
    /// Whether the balancer may be changed could not be found out.
    RightUnknown,
    /// An entry is the server's only because the plan says so: its address is nobody's.
    ByNameAlone,
    /// A backend that the plan does not name sends traffic to the server, and the plan accepts that in words.
    Accepted,
}

impl DoubtKind {
    /// Returns whether a server must not be taken out because of it.
    #[must_use]
    pub fn forbids(self) -> bool {
        match self {
            Self::OtherAddress | Self::NotThere | Self::Unnamed | Self::NoRight | Self::RightUnknown => true,
            Self::ByNameAlone | Self::Accepted => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(balancer: &str, address: Option<&str>) -> BalancerPlace {
        let address = address.map(|address| address.parse().unwrap());
        BalancerPlace { balancer: balancer.to_owned(), backend: "web".to_owned(), slot: "fe1".to_owned(), address }
    }

    #[test]
    fn a_place_is_read_back_as_it_was_written() {
        for place in [
            place("192.0.2.10:9999", Some("192.0.2.11")),
            place("[2001:db8::1]:9999", Some("2001:db8::11")),
            place("/run/ha proxy/admin sock", None),
        ] {
            let text = String::from(place.clone());
            assert_eq!(text.parse::<BalancerPlace>().unwrap(), place, "{text}");
        }
        for bad in ["", "b", "b web/fe1", "b web 192.0.2.11", "b web/fe1 here"] {
            bad.parse::<BalancerPlace>().unwrap_err();
        }
    }

    #[test]
    fn the_same_name_with_another_address_is_another_entry() {
        assert_ne!(place("b:1", Some("192.0.2.11")), place("b:1", Some("192.0.2.12")));
    }
}
