//! Who we are, in types that cannot be printed.

use crate::error::{NotSent, SetupError};
use crate::tls::Transport;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Refusals in a row after which an account is left alone for a while. Domains lock an account after as few as three.
const REFUSALS: u32 = 2;

/// A user and a password. Copies share the count of refusals: a password that one server refuses is not tried on a
/// whole pool.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: Arc<Zeroizing<String>>,
    refusals: Arc<Mutex<Refusals>>,
    /// Held while an account that is not proven is tried: one request at a time, on all servers together.
    trial: Arc<tokio::sync::Mutex<()>>,
}

/// Leave to send the account to a server. While the account is not proven there is one at a time.
#[derive(Debug)]
pub(crate) struct Trial {
    _alone: Option<OwnedMutexGuard<()>>,
}

#[derive(Debug, Default)]
struct Refusals {
    /// Whether a server has let the account in since it was last refused.
    proven: bool,
    in_a_row: u32,
    last: Option<Instant>,
}

impl Credentials {
    /// Returns credentials that keep their password to themselves.
    #[must_use]
    pub fn new(user: impl Into<String>, password: Zeroizing<String>) -> Self {
        Self { user: user.into(), password: Arc::new(password), refusals: Arc::default(), trial: Arc::default() }
    }

    /// Returns the name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns leave to send the account, or an error while it has to be left alone. A wrong password would otherwise
    /// be refused as often as there are connections before the first refusal is known.
    pub(crate) async fn trial(&self, pause: Duration) -> Result<Trial, NotSent> {
        if self.is_proven() {
            return Ok(Trial { _alone: None });
        }
        let alone = self.trial.clone().lock_owned().await;
        self.may_try(pause)?;
        Ok(Trial { _alone: (!self.is_proven()).then_some(alone) })
    }

    fn is_proven(&self) -> bool {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).proven
    }

    fn may_try(&self, pause: Duration) -> Result<(), NotSent> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = refusals.last.is_some_and(|last| last.elapsed() < pause);
        if refusals.in_a_row >= REFUSALS && recent {
            return Err(NotSent::AccountLeftAlone { user: self.user.clone(), times: refusals.in_a_row });
        }
        Ok(())
    }

    /// Notes that a server refused the account.
    pub(crate) fn refused(&self) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.proven = false;
        refusals.in_a_row = refusals.in_a_row.saturating_add(1);
        refusals.last = Some(Instant::now());
    }

    /// Notes that a server let the account in.
    pub(crate) fn accepted(&self) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.proven = true;
        refusals.in_a_row = 0;
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("password", &"****").finish()
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:****", self.user)
    }
}

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// User and password with each request. Only over verified TLS.
    Basic(Credentials),
    /// NTLM or Kerberos with sealed messages. Not available yet: asking for it is an error when the client is made.
    Negotiate(Credentials),
}

/// What proves who we are, for the life of a client.
///
/// This is the seam for Negotiate. Its handshake belongs to one connection and comes before the first message, so
/// [`crate::connection::Connection::open`] is where it will run; sealing wraps and unwraps the bodies in
/// [`crate::connection::Connection::exchange`]. Nothing above a connection knows how we prove who we are.
#[derive(Debug, Clone)]
pub(crate) struct Authenticator {
    credentials: Credentials,
    header: HeaderValue,
}

impl Authenticator {
    /// Returns the authenticator that was asked for, if it is available and safe on this transport.
    pub(crate) fn new(auth: &Auth, transport: &Transport) -> Result<Self, SetupError> {
        match (auth, transport) {
            (Auth::Negotiate(_), _) => Err(SetupError::NegotiateNotAvailable),
            (Auth::Basic(_), Transport::Http) => Err(SetupError::BasicWithoutTls),
            (Auth::Basic(credentials), Transport::Https(_)) => Self::basic(credentials.clone()),
        }
    }

    fn basic(credentials: Credentials) -> Result<Self, SetupError> {
        if credentials.user.is_empty() || credentials.user.contains(':') || credentials.user.contains(char::is_control)
        {
            return Err(SetupError::User(crate::text::plain(&credentials.user)));
        }
        let pair = Zeroizing::new(format!("{}:{}", credentials.user, credentials.password.as_str()));
        let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut header = HeaderValue::from_str(&value).map_err(|_not_ascii| SetupError::User(String::new()))?;
        header.set_sensitive(true);
        Ok(Self { credentials, header })
    }

    /// Returns what each request on a connection carries.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Trust;

    fn credentials() -> Credentials {
        Credentials::new("CONTOSO\\ops", Zeroizing::new("hunter2".to_owned()))
    }

    #[test]
    fn p10_a_password_is_never_shown() {
        let auth = Auth::Basic(credentials());
        let made = Authenticator::new(&auth, &Transport::Https(Trust::Platform)).unwrap();
        for shown in [format!("{auth:?}"), format!("{}", credentials()), format!("{made:?}"), format!("{made:#?}")] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!shown.contains(&STANDARD.encode("CONTOSO\\ops:hunter2")), "{shown}");
        }
    }

    #[test]
    fn p10_basic_is_refused_without_tls() {
        let error = Authenticator::new(&Auth::Basic(credentials()), &Transport::Http).unwrap_err();
        assert!(matches!(error, SetupError::BasicWithoutTls));
    }

    #[test]
    fn negotiate_says_what_to_use_instead() {
        let auth = Auth::Negotiate(credentials());
        let error = Authenticator::new(&auth, &Transport::Https(Trust::Platform)).unwrap_err();
        assert!(error.to_string().contains("use basic over https"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_account_is_left_alone_on_every_server() {
        let (first, second) = (credentials(), credentials());
        let copy = first.clone();
        let pause = Duration::from_secs(300);
        first.refused();
        assert!(copy.may_try(pause).is_ok());
        copy.refused();
        assert!(first.may_try(pause).is_err());
        assert!(second.may_try(pause).is_ok(), "another account is not concerned");
        tokio::time::advance(pause).await;
        assert!(first.may_try(pause).is_ok());
        first.accepted();
        first.refused();
        assert!(first.may_try(pause).is_ok(), "a success in between starts the count over");
    }
}
