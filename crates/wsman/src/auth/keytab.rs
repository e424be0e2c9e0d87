//! Keys of an account from a keytab, the file that other Kerberos programs keep them in.

use crate::error::SetupError;
use crate::text::plain;
use zeroize::Zeroizing;

/// A key of a principal.
#[derive(Clone)]
pub(crate) struct Key {
    /// The account, without its realm.
    pub(crate) name: String,
    /// The realm.
    pub(crate) realm: String,
    /// The encryption type, as Kerberos numbers it.
    pub(crate) kind: u16,
    version: u32,
    /// The key itself.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// Encryption types that are used here, the better one first: AES with 256 and with 128 bits.
const KINDS: [u16; 2] = [18, 17];

/// Returns the newest key of the best kind that a keytab has of a principal.
pub(crate) fn key_of(bytes: &[u8], principal: &str) -> Result<Key, SetupError> {
    let keys = read(bytes).ok_or_else(|| SetupError::Keytab("it is not a keytab, or it is cut off".to_owned()))?;
    let (name, realm) = match principal.rsplit_once('@') {
        Some((name, realm)) => (name, Some(realm)),
        None => (principal, None),
    };
    let is_ours = |key: &&Key| {
        key.name.eq_ignore_ascii_case(name) && realm.is_none_or(|realm| key.realm.eq_ignore_ascii_case(realm))
    };
    let ours: Vec<&Key> = keys.iter().filter(is_ours).collect();
    let best = KINDS.iter().find_map(|kind| {
        ours.iter().filter(|key| key.kind == *kind).max_by_key(|key| key.version).map(|key| (*key).clone())
    });
    best.ok_or_else(|| {
        let mut names: Vec<String> = keys.iter().map(|key| plain(&format!("{}@{}", key.name, key.realm))).collect();
        names.dedup();
        SetupError::Keytab(match ours.is_empty() {
            true => format!("it has no key of {}; it has keys of {}", plain(principal), names.join(", ")),
            false => format!("it has no AES key of {}, and RC4 is not used", plain(principal)),
        })
    })
}

/// Reads version 2 of the format, which all programs of the last twenty years write.
fn read(bytes: &[u8]) -> Option<Vec<Key>> {
    let mut rest = bytes.strip_prefix(&[5, 2])?;
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let size = i32::from_be_bytes(take(&mut rest, 4)?.try_into().ok()?);
        // A negative size is a hole that a deleted key has left.
        let mut entry = take(&mut rest, usize::try_from(size.unsigned_abs()).ok()?)?;
        if size > 0 {
            keys.push(key(&mut entry)?);
        }
    }
    Some(keys)
}

fn key(entry: &mut &[u8]) -> Option<Key> {
    let parts = number(entry)?;
    let realm = counted(entry)?;
    let name: Option<Vec<String>> = (0..parts).map(|_| counted(entry)).collect();
    // The type of the name and the time of writing.
    take(entry, 8)?;
    let short = u32::from(take(entry, 1)?[0]);
    let kind = number(entry)?;
    let length = usize::from(number(entry)?);
    let bytes = Zeroizing::new(take(entry, length)?.to_vec());
    let version = take(entry, 4).and_then(|long| long.try_into().ok()).map(u32::from_be_bytes);
    let version = version.filter(|long| *long > 0).unwrap_or(short);
    Some(Key { name: name?.join("/"), realm, kind, version, bytes })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(take(rest, 2)?.try_into().ok()?))
}

fn counted(rest: &mut &[u8]) -> Option<String> {
    let length = usize::from(number(rest)?);
    String::from_utf8(take(rest, length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: u16, version: u8, key: &[u8]) -> Vec<u8> {
        let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        let length = u16::try_from(key.len()).unwrap().to_be_bytes();
        let body = [
            &1_u16.to_be_bytes()[..],
            &text("CONTOSO.EXAMPLE"),
            &text(name),
            &[0; 8],
            &[version],
            &kind.to_be_bytes(),
            &length,
            key,
        ]
        .concat();
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    fn keytab() -> Vec<u8> {
        let hole = [&(-3_i32).to_be_bytes()[..], &[0; 3]].concat();
        [
            vec![5, 2],
            entry("svc", 23, 2, &[9; 16]),
            entry("svc", 18, 1, &[1; 32]),
            hole,
            entry("svc", 17, 2, &[3; 16]),
            entry("svc", 18, 2, &[2; 32]),
            entry("old", 23, 1, &[4; 16]),
        ]
        .concat()
    }

    #[test]
    fn the_newest_of_the_best_keys_is_taken() {
        for name in ["svc", "SVC@contoso.example"] {
            let key = key_of(&keytab(), name).unwrap();
            assert_eq!((key.kind, key.bytes.as_slice()), (18, &[2_u8; 32][..]));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (name, said) in [("old", "no AES key of old"), ("other", "it has keys of svc@CONTOSO.EXAMPLE, ")] {
            let error = key_of(&keytab(), name).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
        for bad in [&b""[..], b"no keytab", &keytab()[..40]] {
            assert!(key_of(bad, "svc").is_err());
        }
    }
}
