//! The wrapping that Negotiate puts around a token of Kerberos (RFC 4178). One mechanism is offered, so there is nothing
//! that could be talked down, and no list that would need a checksum. NTLM goes without a wrapping.

use crate::auth::der;

const SPNEGO: &[u8] = b"\x06\x06\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// Returns the first token of Kerberos, wrapped.
pub(crate) fn wrap(token: &[u8]) -> Vec<u8> {
    let mechanisms = der::value(0xa0, &[&der::value(0x30, &[KERBEROS])]);
    let token = der::value(0xa2, &[&der::value(0x04, &[token])]);
    let init = der::value(0xa0, &[&der::value(0x30, &[&mechanisms, &token])]);
    der::value(0x60, &[SPNEGO, &init])
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// Whether it says no.
    pub(crate) rejected: bool,
    /// Its token.
    pub(crate) token: Option<&'a [u8]>,
}

/// Returns what is in an answer, wrapped or not.
pub(crate) fn unwrap(bytes: &[u8]) -> Option<Answer<'_>> {
    let Some(response) = der::inside(bytes, 0xa1) else {
        // A server may answer with the bare token of the mechanism.
        return (bytes.first() == Some(&0x60)).then_some(Answer { rejected: false, token: Some(bytes) });
    };
    let fields = der::inside(response, 0x30)?;
    let state = der::find(fields, 0xa0).and_then(|state| der::inside(state, 0x0a)).and_then(|state| state.first());
    let token = der::find(fields, 0xa2).and_then(|token| der::inside(token, 0x04));
    Some(Answer { rejected: state == Some(&2), token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_wrapped_or_not() {
        let answer = |state: u8, token: &[u8]| {
            let state = der::value(0xa0, &[&der::value(0x0a, &[&[state]])]);
            let token = der::value(0xa2, &[&der::value(0x04, &[token])]);
            der::value(0xa1, &[&der::value(0x30, &[&state, &token])])
        };
        let (done, rejected) = (answer(0, b"token"), answer(2, b"why"));
        assert_eq!(unwrap(&done).unwrap(), Answer { rejected: false, token: Some(b"token") });
        assert_eq!(unwrap(&rejected).unwrap(), Answer { rejected: true, token: Some(b"why") });
        assert_eq!(unwrap(b"\x60\x00").unwrap().token, Some(&b"\x60\x00"[..]));
        assert_eq!(unwrap(b"<html>"), None);
    }

    #[test]
    fn a_token_is_wrapped_as_the_only_mechanism() {
        let wrapped = wrap(b"token");
        let text = wrapped.windows(KERBEROS.len()).filter(|at| *at == KERBEROS).count();
        assert_eq!((wrapped[0], text), (0x60, 1));
    }
}
