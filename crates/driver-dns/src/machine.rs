//! The resolvers behind the stub of systemd-resolved.
//!
//! The stub is a cache in front of the real resolvers. It answers with what it heard some time ago, from one of them,
//! so that asking it shows neither what they say now nor whether they agree.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where systemd-resolved lists the resolvers behind its stub.
pub(crate) const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// The addresses of the stub.
const STUBS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];

/// Returns the resolvers behind the stub, when nothing but the stub was found and they are listed; otherwise those that
/// were found.
pub(crate) fn behind_a_stub(found: Vec<SocketAddr>, list: impl FnOnce() -> Option<String>) -> Vec<SocketAddr> {
    if !found.iter().all(is_stub) {
        return found;
    }
    let behind: Vec<SocketAddr> = list().as_deref().map(listed).unwrap_or_default();
    let behind: Vec<SocketAddr> = behind.into_iter().filter(|resolver| !is_stub(resolver)).collect();
    if behind.is_empty() { found } else { behind }
}

fn is_stub(resolver: &SocketAddr) -> bool {
    STUBS.contains(&resolver.ip())
}

fn listed(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_resolver = words.next() == Some("nameserver");
        // An address that is valid on one link only would need the link too; such a line is passed over.
        words.next().filter(|_| is_resolver)?.parse::<IpAddr>().ok()
    };
    text.lines().filter_map(address).map(|address| SocketAddr::new(address, 53)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolvers(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 53)).collect()
    }

    #[test]
    fn the_resolvers_behind_a_stub_are_asked_themselves() {
        let list = "# made by systemd-resolved\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n\
                    nameserver fe80::1%2\nnameserver 127.0.0.53\nsearch contoso.example\n";
        let behind = behind_a_stub(resolvers(&["127.0.0.53"]), || Some(list.to_owned()));
        assert_eq!(behind, resolvers(&["192.0.2.53", "2001:db8::53"]));
    }

    #[test]
    fn without_a_stub_or_a_list_the_resolvers_stay() {
        let own = resolvers(&["192.0.2.1", "127.0.0.53"]);
        assert_eq!(behind_a_stub(own.clone(), || panic!("the list is of no interest")), own);
        let stub = resolvers(&["127.0.0.53"]);
        for list in [None, Some(String::new()), Some("nameserver 127.0.0.53".to_owned())] {
            assert_eq!(behind_a_stub(stub.clone(), || list.clone()), stub);
        }
    }
}
