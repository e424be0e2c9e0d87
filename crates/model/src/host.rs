//! Hosts as they are written in plans: names and addresses.

use std::net::{IpAddr, Ipv6Addr};

/// Longest name of a host (RFC 1035, section 2.3.4), without the dot at its end.
const LONGEST: usize = 253;

/// Longest part of a name between two dots (the same section).
const LONGEST_LABEL: usize = 63;

/// Returns whether a text is the name of a host, an address, or an IPv6 address in brackets.
///
/// A name whose last part is a number is none: resolvers read `127.1`, `0x7f000001` and `2130706433` as the address
/// 127.0.0.1, so that one machine would have many spellings.
#[must_use]
pub fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= LONGEST && name.split('.').all(is_label) && !name.rsplit('.').next().is_some_and(is_number)
}

fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether resolvers take a label for a number: in tens, eights or sixteens.
pub(crate) fn is_number(label: &str) -> bool {
    let digits = label.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    digits || hexadecimal.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns whether a text is the number of a port in its one spelling: digits, and no zeros in front.
#[must_use]
pub fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && text.parse::<u16>().is_ok()
}

/// Returns whether an address can be that of one machine: not "this network", none of those that are reserved or stand for
/// a group (RFC 1122, section 3.2.1.3; RFC 1112, section 4).
#[must_use]
pub fn is_of_a_machine(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let nowhere = matches!(address, IpAddr::V4(address) if matches!(address.octets()[0], 0 | 240..));
    !nowhere && !address.is_unspecified() && !address.is_multicast()
}

/// Says what is wrong with a host and its port, as `host:port`, where each of the two parts may be read by itself: an IPv6
/// address without brackets, whose last group may be meant for a port; zeros in front of a port; an address of no machine.
#[must_use]
pub fn port_slip(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = port.trim_start_matches('0');
    if host.is_empty() {
        return Some("the name of the host, or its address, is missing before the `:`".to_owned());
    }
    if host.contains(':') && !host.starts_with('[') {
        let both = host.parse::<Ipv6Addr>().is_ok() && is_port(digits);
        let address = if both { host } else { "2001:db8::1" };
        let port = if both { digits } else { "9999" };
        return Some(format!("an IPv6 address with a port stands in brackets: `\"[{address}]:{port}\"`"));
    }
    if digits.len() < port.len() && is_port(digits) {
        return Some(format!("write the port without zeros in front: `\"{host}:{digits}\"`"));
    }
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address = inner.parse::<IpAddr>().ok()?;
    (!is_of_a_machine(address)).then(|| "this address belongs to no single machine".to_owned())
}

/// Returns a host in the spelling in which equal ones are compared: names have no case and no dot at their end, and this
/// machine has one name.
#[must_use]
pub fn compared(host: &str) -> String {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match inner.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address == IpAddr::from([127, 0, 0, 1]) || address == IpAddr::V6(Ipv6Addr::LOCALHOST) => {
            "localhost".to_owned()
        }
        Ok(address) => address.to_string(),
        Err(_) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_no_name_of_a_host() {
        for good in
            ["lb1", "lb1.contoso.example.", "1-a.7b.example", "192.0.2.10", "[2001:db8::1]", "2001:db8::1", "a_b"]
        {
            assert!(is_host(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in
            ["", ".", "127.1", "0x7f000001", "2130706433", "lb.0X1f", "0x", "a..b", "-a", "a-", "a b", "[lb1]", &long]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn a_host_with_a_port_has_one_meaning() {
        for good in ["lb1:9999", "192.0.2.10:9999", "[2001:db8::1]:9999", "127.0.0.1:1"] {
            assert_eq!(port_slip(good), None, "{good}");
        }
        for (bad, said) in [
            ("2001:db8::1:9999", "`\"[2001:db8::1]:9999\"`"),
            ("::1:099", "`\"[::1]:99\"`"),
            ("lb1:09999", "`\"lb1:9999\"`"),
            (":09999", "missing"),
            ("0.0.0.0:9999", "no single machine"),
            ("[::]:9999", "no single machine"),
            ("224.0.0.1:99", "no single machine"),
            ("255.255.255.255:99", "no single machine"),
        ] {
            assert!(port_slip(bad).is_some_and(|help| help.contains(said)), "{bad}: {:?}", port_slip(bad));
        }
        for bad in ["", "0", "08", "+8", "65536", "٣"] {
            assert!(!is_port(bad), "{bad}");
        }
    }

    #[test]
    fn one_machine_is_compared_in_one_spelling() {
        for same in ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(compared(same), "localhost", "{same}");
        }
        assert_eq!(compared("LB1.contoso.example."), compared("lb1.contoso.example"));
        assert_eq!(compared("[2001:db8:0::1]"), compared("2001:DB8::1"));
        assert_ne!(compared("127.0.0.2"), compared("127.0.0.1"));
    }
}
