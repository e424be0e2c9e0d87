//! The frame that sealed messages travel in (MS-WSMV 2.2.9.1).

use bytes::Bytes;

/// The content type of a sealed message.
pub(crate) const CONTENT_TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";\
                                       boundary=\"Encrypted Boundary\"";
const BOUNDARY: &str = "--Encrypted Boundary";
const PROTOCOL: &str = "application/HTTP-SPNEGO-session-encrypted";
const ORIGINAL: &str = "type=application/soap+xml;charset=UTF-8;Length=";
/// The longest security header that is believed: Kerberos has 60 bytes, and 76 with padding.
const MOST_TOKEN: usize = 256;

/// A message as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The security header.
    pub(crate) token: Vec<u8>,
    /// The encrypted text.
    pub(crate) data: Vec<u8>,
}

/// Returns whether an answer says of itself that it is sealed.
pub(crate) fn is_sealed(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("multipart/encrypted"))
}

/// Returns the body of a request. `length` is that of the text before it was sealed.
pub(crate) fn write(sealed: &Sealed, length: usize) -> Bytes {
    let token = u32::try_from(sealed.token.len()).unwrap_or(u32::MAX).to_le_bytes();
    let head = format!(
        "{BOUNDARY}\r\n\tContent-Type: {PROTOCOL}\r\n\tOriginalContent: {ORIGINAL}{length}\r\n{BOUNDARY}\r\n\
         \tContent-Type: application/octet-stream\r\n"
    );
    let parts = [head.as_bytes(), &token, &sealed.token, &sealed.data, BOUNDARY.as_bytes(), b"--\r\n"];
    Bytes::from(parts.concat())
}

/// Returns the sealed message in a body, the content type of what was sealed and its length. The end is found by the
/// declared lengths, since the cipher text may hold anything; nothing may follow.
///
/// # Errors
/// What is wrong with the frame.
pub(crate) fn read(body: &[u8]) -> Result<(Sealed, String, usize), String> {
    let mut rest = body;
    line(&mut rest).filter(|line| *line == BOUNDARY).ok_or("it does not begin with its boundary")?;
    let (mut content_type, mut length) = (None, None);
    loop {
        let line = line(&mut rest).ok_or("its first part does not end")?;
        if line == BOUNDARY {
            break;
        }
        if let Some(value) = value(line, "OriginalContent") {
            (content_type, length) = original(value);
        }
    }
    let length: usize = length.ok_or("it does not say how long the text is")?;
    let kind = line(&mut rest).and_then(|line| value(line, "Content-Type"));
    kind.filter(|kind| kind.eq_ignore_ascii_case("application/octet-stream")).ok_or("its second part has no bytes")?;
    let (size, rest) = rest.split_first_chunk::<4>().ok_or("it is cut off")?;
    let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
    if size > MOST_TOKEN {
        return Err(format!("its security header has {size} bytes"));
    }
    let (token, rest) = rest.split_at_checked(size).ok_or("it is cut off")?;
    let end = [b"--Encrypted Boundary--\r\n".as_slice(), b"--Encrypted Boundary--"];
    let data = end.iter().find_map(|end| rest.strip_suffix(*end)).ok_or("it does not end with its boundary")?;
    let sealed = Sealed { token: token.to_vec(), data: data.to_vec() };
    Ok((sealed, content_type.unwrap_or_else(|| "application/soap+xml;charset=UTF-8".to_owned()), length))
}

/// Takes a line off the front, without tabs and blanks around it.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.windows(2).take(512).position(|pair| pair == b"\r\n")?;
    let (line, left) = rest.split_at(end);
    *rest = left.get(2..)?;
    std::str::from_utf8(line).ok().map(str::trim)
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
}

/// Returns the type and the length in `type=application/soap+xml;charset=UTF-8;Length=1234`.
fn original(text: &str) -> (Option<String>, Option<usize>) {
    let (mut kind, mut charset, mut length) = (None, None, None);
    for part in text.split(';') {
        match part.split_once('=').map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim())) {
            Some((name, value)) if name == "type" => kind = Some(value.to_owned()),
            Some((name, value)) if name == "charset" => charset = Some(value.to_owned()),
            Some((name, value)) if name == "length" => length = value.parse().ok(),
            _ => {}
        }
    }
    let content_type = kind.map(|kind| match charset {
        Some(charset) => format!("{kind};charset={charset}"),
        None => kind,
    });
    (content_type, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(data: &[u8]) -> Sealed {
        Sealed { token: vec![7; 16], data: data.to_vec() }
    }

    #[test]
    fn what_was_written_is_read_again_whatever_the_cipher_text_holds() {
        for data in [&b""[..], b"abc", b"--Encrypted Boundary--\r\n", b"\r\n--Encrypted Boundary\r\n"] {
            let body = write(&sealed(data), 1234);
            let (found, kind, length) = read(&body).unwrap();
            assert_eq!((found, length), (sealed(data), 1234));
            assert_eq!(kind, "application/soap+xml;charset=UTF-8");
        }
    }

    #[test]
    fn header_lines_may_lack_the_tab() {
        let body = write(&sealed(b"abc"), 3);
        let text: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\t').collect();
        assert_eq!(read(&text).unwrap().0, sealed(b"abc"));
    }

    #[test]
    fn anything_else_is_refused() {
        let body = write(&sealed(b"abc"), 3).to_vec();
        let mut trailing = body.clone();
        trailing.extend(b"x");
        let mut long = body.clone();
        let at = body.windows(4).position(|bytes| bytes == [16, 0, 0, 0]).unwrap();
        long[at + 3] = 1;
        for bad in [&b""[..], &body[1..], &body[..body.len() - 3], &body[..60], &trailing, &long, b"<s:Envelope/>"] {
            assert!(read(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..200) {
            let _ignored = read(&bytes);
            let mut body = write(&sealed(&bytes), bytes.len()).to_vec();
            body.truncate(cut);
            prop_assert!(read(&body).is_err());
        }
    }
}
