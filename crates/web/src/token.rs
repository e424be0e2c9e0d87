//! What has to come with a request that changes anything.

use orchestrate_files::{Limit, Whose};
use std::fmt;
use std::io;
use std::path::Path;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

/// Fewest characters of a token: 128 bits in hexadecimal digits.
const SHORTEST: usize = 32;

/// A secret that is compared in constant time and never shown.
#[derive(Clone)]
pub struct Token(Zeroizing<Vec<u8>>);

/// Why a file has no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file cannot be read, or others can read it.
    #[error("{0}")]
    Unreadable(io::Error),
    /// What is in it is no token.
    #[error("it has to be one line of {SHORTEST} or more letters, digits and signs, without blanks")]
    NotOne,
}

impl Token {
    /// Reads the token of a file, which only its owner may be able to read.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let bytes =
            Zeroizing::new(orchestrate_files::read(path, Limit::SMALL, Whose::Secret).map_err(TokenError::Unreadable)?);
        let text = bytes.trim_ascii();
        if text.len() < SHORTEST || !text.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::NotOne);
        }
        Ok(Self(Zeroizing::new(text.to_vec())))
    }

    /// Returns whether the value of an `Authorization` header has this token.
    #[must_use]
    pub fn is_in(&self, header: &[u8]) -> bool {
        let scheme = b"bearer ";
        let (Some(start), Some(given)) = (header.get(..scheme.len()), header.get(scheme.len()..)) else { return false };
        start.eq_ignore_ascii_case(scheme) && bool::from(given.trim_ascii().ct_eq(&self.0))
    }
}

impl Token {
    /// Returns whether this is the token, as a person has typed it.
    #[must_use]
    pub fn is(&self, typed: &str) -> bool {
        bool::from(typed.trim().as_bytes().ct_eq(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_a_token_is_its_owners_and_is_not_shown() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        let secret = "0123456789abcdef0123456789abcdef";
        orchestrate_files::replace(&path, format!("{secret}\n").as_bytes()).unwrap();
        let token = Token::read(&path).unwrap();
        assert!(!format!("{token:?}").contains("0123"));
        assert!(
            token.is_in(format!("Bearer {secret}").as_bytes()) && token.is_in(format!("bearer  {secret}").as_bytes())
        );
        for bad in
            ["", "Bearer", "Bearer ", secret, &format!("Basic {secret}"), &format!("Bearer {secret}0"), "Bearer é"]
        {
            assert!(!token.is_in(bad.as_bytes()), "{bad}");
        }
        for bad in ["", "short", "0123456789abcdef 0123456789abcdef"] {
            orchestrate_files::replace(&path, bad.as_bytes()).unwrap();
            assert!(matches!(Token::read(&path), Err(TokenError::NotOne)), "{bad}");
        }
        assert!(matches!(Token::read(&folder.path().join("none")), Err(TokenError::Unreadable(_))));
    }
}
