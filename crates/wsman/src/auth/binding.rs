//! What ties a logon to the TLS connection that it is made on (RFC 5929, `tls-server-end-point`).

use crate::auth::der;
use md5::Md5;
use picky_krb::crypto::CipherSuite;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

const PREFIX: &[u8] = b"tls-server-end-point:";

/// The hash of the certificate's own signature, by the object identifiers of signature algorithms.
const SHA384: [&[u8]; 3] = [
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c",
    b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
    b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02",
];
const SHA512: [&[u8]; 3] = [
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
    b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
    b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03",
];
/// Everything with SHA-256, and MD5 and SHA-1, for which SHA-256 is taken: by RSA, by ECDSA, and RSA-PSS.
const SHA256: [&[u8]; 6] = [
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05",
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04",
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a",
    b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
    b"\x06\x07\x2a\x86\x48\xce\x3d\x04\x01",
];

/// Returns the binding to the connection of a server with this certificate, or nothing when none is defined for the
/// way that it is signed.
pub(crate) fn of_certificate(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut parts = der::inside(certificate, 0x30)?;
    let (_, _to_be_signed) = der::take(&mut parts)?;
    let (_, algorithm) = der::take(&mut parts)?;
    let is_one_of = |known: &[&[u8]]| known.iter().any(|known| algorithm.windows(known.len()).any(|at| at == *known));
    let hash = if is_one_of(&SHA384) {
        Sha384::digest(certificate).to_vec()
    } else if is_one_of(&SHA512) {
        Sha512::digest(certificate).to_vec()
    } else if is_one_of(&SHA256) {
        Sha256::digest(certificate).to_vec()
    } else {
        return None;
    };
    Some([PREFIX, &hash].concat())
}

/// Returns a binding as the security interface takes it: a header of eight numbers, and the text behind it.
pub(crate) fn as_buffer(binding: &[u8]) -> Vec<u8> {
    const HEADER: u32 = 32;
    let length = u32::try_from(binding.len()).unwrap_or_default();
    let numbers = [0, 0, 0, 0, 0, 0, length, HEADER];
    let mut buffer: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    buffer.extend(binding);
    buffer
}

/// The number of the key that an authenticator is encrypted with (RFC 4120, 7.5.1).
const AUTHENTICATOR: i32 = 11;
/// What a checksum of GSS begins with: the length of the binding, and a binding of zeroes (RFC 4121, 4.1.1).
const NO_BINDING: [u8; 20] = [16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Puts a binding into a first token of Kerberos, with the key of its ticket. The library can do so too, and then adds a
/// flag that it writes with two bytes instead of four, which other programs refuse to read.
pub(crate) fn into_ticket(token: &mut [u8], key: &[u8], binding: &[u8]) -> Option<()> {
    let place = cipher_text(token)?;
    let suite = match key.len() {
        32 => CipherSuite::Aes256CtsHmacSha196,
        16 => CipherSuite::Aes128CtsHmacSha196,
        _ => return None,
    };
    let mut text = suite.cipher().decrypt(key, AUTHENTICATOR, token.get(place.clone())?).ok()?;
    let at = text.windows(NO_BINDING.len()).position(|window| window == NO_BINDING)?;
    text.get_mut(at + 4..at + NO_BINDING.len())?.copy_from_slice(&hash(binding)?);
    let sealed = suite.cipher().encrypt(key, AUTHENTICATOR, &text).ok()?;
    let old = token.get_mut(place)?;
    (old.len() == sealed.len()).then(|| old.copy_from_slice(&sealed))
}

/// Returns the hash of a binding without addresses (RFC 4121, 4.1.1.2).
fn hash(binding: &[u8]) -> Option<[u8; 16]> {
    let mut hash = Md5::new();
    hash.update([0; 16]);
    hash.update(u32::try_from(binding.len()).ok()?.to_le_bytes());
    hash.update(binding);
    hash.finalize().as_slice().try_into().ok()
}

/// Returns where the encrypted authenticator is in a first token.
fn cipher_text(token: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut rest = der::inside(token, 0x60)?;
    der::take(&mut rest)?;
    let request = der::inside(rest.strip_prefix(&[1, 0])?, 0x6e)?;
    let authenticator = der::find(der::inside(request, 0x30)?, 0xa4)?;
    let text = der::inside(der::find(der::inside(authenticator, 0x30)?, 0xa2)?, 0x04)?;
    let start = token.len() - rest_after(token, text)?;
    Some(start..start + text.len())
}

/// Returns how many bytes of the whole there are from the beginning of a part to the end.
fn rest_after(whole: &[u8], part: &[u8]) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    whole.len().checked_sub(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature_and_never_weaker_than_sha_256() {
        let certificate = |algorithm: &[u8]| {
            let signed = der::value(0x30, &[b"\x02\x01\x01"]);
            let algorithm = der::value(0x30, &[algorithm, b"\x05\x00"]);
            der::value(0x30, &[&signed, &algorithm, b"\x03\x02\x00\x00"])
        };
        for (known, length) in [(&SHA256[..], 32), (&SHA384, 48), (&SHA512, 64)] {
            for algorithm in known {
                let binding = of_certificate(&certificate(algorithm)).unwrap();
                assert_eq!(binding.len(), PREFIX.len() + length, "{algorithm:x?}");
            }
        }
        assert!(of_certificate(&certificate(b"\x06\x03\x2b\x65\x70")).is_none(), "not defined for Ed25519");
        assert!(of_certificate(b"no certificate").is_none());
    }
}
