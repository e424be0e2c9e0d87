//! The logon that the person has who started the program: the system proves it, and no password is seen here. Windows has
//! an interface for that.

#[cfg(not(windows))]
mod elsewhere;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
use elsewhere as here;
#[cfg(windows)]
use windows as here;

use crate::auth::failure::LogonReason;
use crate::auth::seal::Sealed;

/// How the logon is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// By a ticket of its domain.
    Kerberos,
    /// By NTLM.
    Ntlm,
}

/// Returns the account of this logon, as `DOMAIN\user`.
///
/// # Errors
/// Why there is none that could be used.
pub(crate) fn user() -> Result<String, String> {
    here::user()
}

/// A context that the system makes with this logon.
pub(crate) struct CurrentContext {
    pub(crate) package: Package,
    /// Away while the system works on it.
    made: Option<here::Context>,
}

impl std::fmt::Debug for CurrentContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurrentContext").field("package", &self.package).finish_non_exhaustive()
    }
}

impl CurrentContext {
    /// Returns a context for a service, such as `HTTP/fe1.contoso.example`.
    pub(crate) fn new(package: Package, service: &str, binding: Option<Vec<u8>>) -> Result<Self, LogonReason> {
        let made = here::Context::new(package, service, binding)?;
        Ok(Self { package, made: Some(made) })
    }

    /// Takes what the server said, and returns what it is to be told. The system may ask a domain for a while.
    pub(crate) async fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        let gone = || LogonReason::Other("the logon was given up".to_owned());
        let (mut context, token) = (self.made.take().ok_or_else(gone)?, token.to_vec());
        let work = tokio::task::spawn_blocking(move || {
            let answer = context.step(&token);
            (context, answer)
        });
        let (context, answer) = work.await.map_err(|_ended| gone())?;
        self.made = Some(context);
        answer
    }

    /// Seals a message.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<Sealed, String> {
        self.made.as_mut().ok_or("the logon was given up")?.seal(plain)
    }

    /// Returns what is in a sealed message.
    pub(crate) fn unseal(&mut self, sealed: Sealed) -> Result<Vec<u8>, String> {
        self.made.as_mut().ok_or("the logon was given up")?.unseal(sealed)
    }
}
