//! Programs that cannot use the logon of the person.

use super::Start;
use crate::auth::failure::LogonReason;
use crate::auth::seal::Sealed;
use std::convert::Infallible;

const NOT_HERE: &str = "this program was built without the system's Kerberos, which has the ticket of a person: build it \
                        with `cargo build --release --features system-kerberos` (on Debian that needs libkrb5-dev, \
                        libclang-dev and pkg-config), or name another source, such as a keytab";

pub(super) const WHY_NOT: Option<&str> = Some(NOT_HERE);

pub(super) const WHY_NO_NTLM: Option<&str> = WHY_NOT;

pub(super) fn user(_cache: Option<&[u8]>) -> Result<String, String> {
    Err(NOT_HERE.to_owned())
}

/// There is none here.
pub(super) struct Context(Infallible);

impl Context {
    pub(super) fn new(_start: Start<'_>) -> Result<Self, LogonReason> {
        Err(LogonReason::Credentials(NOT_HERE.to_owned()))
    }

    pub(super) fn step(&mut self, _token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        match self.0 {}
    }

    pub(super) fn seal(&mut self, _plain: &[u8]) -> Result<Sealed, String> {
        match self.0 {}
    }

    pub(super) fn unseal(&mut self, _sealed: Sealed) -> Result<Vec<u8>, String> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{Login, Mechanism, SetupError};

    #[test]
    fn a_program_that_cannot_use_a_ticket_says_how_it_is_built_so_that_it_can() {
        let Err(SetupError::NoCurrent(why)) = Login::current(None) else { panic!("there is no logon here") };
        assert!(why.contains("cargo build --release --features system-kerberos"), "{why}");
        for mechanism in [Mechanism::Any, Mechanism::Kerberos, Mechanism::Ntlm] {
            assert_eq!(Login::why_not_current(mechanism), Some(why.as_str()));
        }
    }
}
