//! Systems on which the logon of the person is not used.

use super::Package;
use crate::auth::failure::LogonReason;
use crate::auth::seal::Sealed;
use std::convert::Infallible;

const NOT_HERE: &str =
    "only Windows proves the logon of a person to other machines; name another source, such as a keytab";

pub(super) fn user() -> Result<String, String> {
    Err(NOT_HERE.to_owned())
}

/// There is none here.
pub(super) struct Context(Infallible);

impl Context {
    pub(super) fn new(_package: Package, _service: &str, _binding: Option<Vec<u8>>) -> Result<Self, LogonReason> {
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
