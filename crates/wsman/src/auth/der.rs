//! Reading and writing the little of DER that is needed around tokens, certificates and errors of a KDC.

/// Takes one value off the front: its tag and what is in it.
pub(crate) fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after) = rest.split_first()?;
    let (&first, after) = after.split_first()?;
    let (length, after) = match first {
        0..=0x7f => (usize::from(first), after),
        0x81..=0x84 => {
            let (bytes, after) = after.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), after)
        }
        _ => return None,
    };
    let (value, left) = after.split_at_checked(length)?;
    *rest = left;
    Some((tag, value))
}

/// Returns what is in the first value, if it has this tag.
pub(crate) fn inside(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut rest = bytes;
    take(&mut rest).filter(|(found, _)| *found == tag).map(|(_, value)| value)
}

/// Returns what is in the first value with this tag.
pub(crate) fn find(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let (found, value) = take(&mut rest)?;
        if found == tag {
            return Some(value);
        }
    }
}

/// Returns a value with its tag and length.
pub(crate) fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut whole = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..=0x7f) => whole.push(short),
        Ok(_) | Err(_) => {
            let bytes = content.len().to_be_bytes();
            let used: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            whole.push(0x80 | u8::try_from(used.len()).unwrap_or_default());
            whole.extend(used);
        }
    }
    whole.extend(content);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_again(tag in 1_u8..0x7f, content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let whole = value(tag, &[&content]);
            prop_assert_eq!(inside(&whole, tag), Some(content.as_slice()));
            prop_assert_eq!(inside(&whole[..whole.len() - 1], tag), None);
        }

        #[test]
        fn nothing_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ignored = find(&bytes, 0xff);
        }
    }
}
