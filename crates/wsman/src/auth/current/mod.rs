//! The logon that the person has who started the program: the system proves it, and no password is seen here. Windows has
//! an interface for that, and elsewhere there is the ticket of Kerberos that the person has got, in programs that were built
//! with the library that reads it.

#[cfg(all(unix, feature = "system-kerberos"))]
mod cache;
#[cfg(not(any(windows, all(unix, feature = "system-kerberos"))))]
mod elsewhere;
#[cfg(all(unix, feature = "system-kerberos"))]
mod ticket;
#[cfg(windows)]
mod windows;

#[cfg(not(any(windows, all(unix, feature = "system-kerberos"))))]
use elsewhere as here;
#[cfg(all(unix, feature = "system-kerberos"))]
use ticket as here;
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

/// What a context is made with.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// How the logon is proven.
    pub(crate) package: Package,
    /// Whose logon it was when the program was started.
    pub(crate) user: &'a str,
    /// The service that is logged on to, such as `HTTP/fe1.contoso.example`.
    pub(crate) service: &'a str,
    /// The realm of the server, where the system's configuration states it.
    pub(crate) realm: Option<&'a str>,
    /// The binding to a TLS connection.
    pub(crate) binding: Option<Vec<u8>>,
}

/// Why this program cannot use the logon of a person, if it cannot.
pub(crate) const WHY_NOT: Option<&str> = here::WHY_NOT;

/// Why the logon of a person cannot be proven by NTLM here, if it cannot.
pub(crate) const WHY_NO_NTLM: Option<&str> = here::WHY_NO_NTLM;

/// Returns the account of this logon, as `DOMAIN\user` or `user@REALM`. `cache` is the file that tickets are kept in, where
/// they are kept in one.
///
/// # Errors
/// Why there is none that could be used.
pub(crate) fn user(cache: Option<&[u8]>) -> Result<String, String> {
    here::user(cache)
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
    /// Returns a context for a service.
    pub(crate) fn new(start: Start<'_>) -> Result<Self, LogonReason> {
        let Start { package, user, service, realm, binding } = &start;
        let is_bound = binding.is_some();
        tracing::debug!(?package, user, service, realm, is_bound, "logs on as the person who started the program");
        let package = *package;
        Ok(Self { package, made: Some(here::Context::new(start)?) })
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
