//! What a server's NTLM challenge says of the domain that it belongs to.

const SIGNATURE: &[u8] = b"NTLMSSP\0\x02\0\0\0";
const NETBIOS_DOMAIN: u16 = 2;
const DNS_DOMAIN: u16 = 4;
const END: u16 = 0;

/// The names of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    /// As `CONTOSO`.
    pub(crate) netbios: String,
    /// As `contoso.example`.
    pub(crate) dns: String,
}

/// Returns the domain that a challenge names, if it names one by both names. A server outside a domain names itself.
pub(crate) fn domain(challenge: &[u8]) -> Option<Domain> {
    challenge.strip_prefix(SIGNATURE)?;
    let length = usize::from(u16::from_le_bytes(challenge.get(40..42)?.try_into().ok()?));
    let offset = usize::try_from(u32::from_le_bytes(challenge.get(44..48)?.try_into().ok()?)).ok()?;
    let mut rest = challenge.get(offset..offset.checked_add(length)?)?;
    let (mut netbios, mut dns) = (None, None);
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let [kind, size] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_le_bytes);
        let (value, after) = after.split_at_checked(usize::from(size))?;
        match kind {
            END => break,
            NETBIOS_DOMAIN => netbios = text(value),
            DNS_DOMAIN => dns = text(value),
            _ => {}
        }
        rest = after;
    }
    Some(Domain { netbios: netbios?, dns: dns.filter(|dns| dns.contains('.'))? })
}

fn text(value: &[u8]) -> Option<String> {
    let units: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(pairs: &[(u16, &str)]) -> Vec<u8> {
        let mut info = Vec::new();
        for (kind, text) in pairs {
            let value: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            info.extend(kind.to_le_bytes());
            info.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            info.extend(value);
        }
        info.extend([0; 4]);
        let mut message = SIGNATURE.to_vec();
        message.extend([0; 28]);
        message.extend(u16::try_from(info.len()).unwrap().to_le_bytes());
        message.extend([0; 2]);
        message.extend(56_u32.to_le_bytes());
        message.extend([0; 8]);
        message.extend(info);
        message
    }

    #[test]
    fn a_domain_is_known_by_both_names() {
        let found =
            domain(&challenge(&[(1, "FE1"), (2, "CONTOSO"), (3, "fe1.contoso.example"), (4, "contoso.example")]));
        assert_eq!(found, Some(Domain { netbios: "CONTOSO".to_owned(), dns: "contoso.example".to_owned() }));
        assert_eq!(domain(&challenge(&[(1, "FE1"), (2, "FE1"), (4, "fe1")])), None, "a server of a workgroup");
        for cut in 0..60 {
            assert_eq!(domain(&challenge(&[(2, "CONTOSO"), (4, "contoso.example")])[..cut]), None);
        }
    }
}
