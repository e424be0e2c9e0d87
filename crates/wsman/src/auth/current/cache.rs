//! The beginning of a file in which tickets are kept: whose they are.
//!
//! The library reads these files itself. This looks before it does: version 1.20 of MIT's library, and those before, end the
//! program when the file of the person's own tickets is there and cannot be read.

use crate::text::plain;

/// Deltas of clocks, the only field of a header that is known, has so many bytes.
const CLOCK: (u16, usize) = (1, 8);

/// Returns the principal that tickets in a file are of, or nothing where it is no such file.
pub(super) fn principal(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    match take(&mut rest, 2)? {
        [5, 3] => {}
        [5, 4] => {
            let length = usize::from(u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?));
            header(take(&mut rest, length)?)?;
        }
        // Two older versions have numbers in the order of bytes of the machine that wrote them; none was written for decades.
        _ => return None,
    }
    let _kind = number(&mut rest)?;
    let parts = number(&mut rest)?;
    let realm = text(&mut rest)?;
    let name: Option<Vec<String>> = (0..parts).map(|_| text(&mut rest)).collect();
    Some(plain(&format!("{}@{realm}", name?.join("/"))))
}

fn header(mut fields: &[u8]) -> Option<()> {
    while !fields.is_empty() {
        let tag = u16::from_be_bytes(take(&mut fields, 2)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(take(&mut fields, 2)?.try_into().ok()?));
        take(&mut fields, length)?;
        if tag == CLOCK.0 && length != CLOCK.1 {
            return None;
        }
    }
    Some(())
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest)?).ok()?;
    Some(String::from_utf8_lossy(take(rest, length)?).into_owned())
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &[u8] = b"\0\0\0\x01\0\0\0\x01\0\0\0\x0fCONTOSO.EXAMPLE\0\0\0\x08svc-orch";

    #[test]
    fn tickets_are_of_whom_the_file_says() {
        let fourth = [b"\x05\x04\0\x0c\0\x01\0\x08\0\0\0\0\0\0\0\0".as_slice(), NAME, b"and tickets"].concat();
        let third = [b"\x05\x03".as_slice(), NAME].concat();
        let empty = [b"\x05\x04\0\0".as_slice(), NAME].concat();
        for file in [&fourth, &third, &empty] {
            assert_eq!(principal(file).as_deref(), Some("svc-orch@CONTOSO.EXAMPLE"));
        }
        for cut in 0..third.len() {
            assert_eq!(principal(&third[..cut]), None, "{cut}");
        }
        for other in
            [b"no cache".as_slice(), b"", b"\x05\x02", b"\x05\x04\0\x04\0\x01\0\0", b"\x05\x04\0\x0c\0\x01\0\x09"]
        {
            assert_eq!(principal(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_file_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(principal(&bytes));
            drop(principal(&[b"\x05\x04\0\0".as_slice(), &bytes].concat()));
        }
    }
}
