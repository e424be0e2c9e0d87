//! Who we are, in types that cannot be printed.

use crate::config::Timeouts;
use crate::error::{NotSent, SetupError};
use crate::tls::Transport;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::HeaderValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Refusals in a row after which an account is left alone for a while. Domains lock an account after as few as three.
const REFUSALS: u32 = 2;

/// How long after a restart was asked for a refusal may mean that the server does not reach its domain yet. As long
/// as a run waits for a server to come back.
const RESTARTING: Duration = Duration::from_secs(3600);

/// A user and a password. Copies share the counts of refusals: a password that one server refuses is not tried on a
/// whole pool.
///
/// Refusals are counted twice. For all servers together, because an account of a domain is locked by the sum of them.
/// And for each server, because accounts of servers may have the same name and different passwords: that one server
/// lets the account in says nothing of another.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: Arc<Zeroizing<String>>,
    known: Arc<Mutex<Known>>,
    /// Held while an account that no server has let in is tried: one request at a time, on all servers together.
    trial: Turn,
}

/// What lets one request at a time through.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// Leave to send the account to a server. While the account is not proven there is one at a time.
#[derive(Debug)]
pub(crate) struct Trial {
    _on_server: Option<OwnedMutexGuard<()>>,
    _anywhere: Option<OwnedMutexGuard<()>>,
}

/// What is known of an account.
#[derive(Debug, Default)]
struct Known {
    anywhere: Count,
    servers: BTreeMap<String, OnServer>,
}

#[derive(Debug, Default)]
struct OnServer {
    count: Count,
    turn: Turn,
    restart_asked: Option<Instant>,
}

#[derive(Debug, Default)]
struct Count {
    /// Whether the account was let in since it was last refused.
    proven: bool,
    in_a_row: u32,
    last: Option<Instant>,
}

impl Count {
    fn refused(&mut self) {
        *self = Self { proven: false, in_a_row: self.in_a_row.saturating_add(1), last: Some(Instant::now()) };
    }

    fn accepted(&mut self) {
        *self = Self { proven: true, in_a_row: 0, last: self.last };
    }

    fn has_to_rest(&self, pause: Duration) -> bool {
        self.in_a_row >= REFUSALS && self.last.is_some_and(|last| last.elapsed() < pause)
    }
}

impl OnServer {
    fn is_restarting(&self) -> bool {
        self.restart_asked.is_some_and(|asked| asked.elapsed() < RESTARTING)
    }
}

impl Credentials {
    /// Returns credentials that keep their password to themselves.
    #[must_use]
    pub fn new(user: impl Into<String>, password: Zeroizing<String>) -> Self {
        Self { user: user.into(), password: Arc::new(password), known: Arc::default(), trial: Arc::default() }
    }

    /// Returns the name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns whether both are copies of one account, and count their refusals together.
    #[must_use]
    pub fn counts_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.known, &other.known)
    }

    /// Returns leave to send the account to a server, or an error while it has to be left alone. A wrong password
    /// would otherwise be refused as often as there are connections before the first refusal is known.
    pub(crate) async fn trial(&self, server: &str, timeouts: &Timeouts) -> Result<Trial, NotSent> {
        // The turn on the server comes first, so that nobody waits for it while everybody waits for them.
        let turn = self.with(server, |_, here| (!here.count.proven).then(|| here.turn.clone()));
        let on_server = lock(turn).await;
        let turn = self.with(server, |anywhere, _| !anywhere.proven).then(|| self.trial.clone());
        let anywhere = lock(turn).await;
        self.may_try(server, timeouts)?;
        // What was waited for may have been proven meanwhile: then nobody else has to wait any more.
        let (proven, proven_here) = self.with(server, |anywhere, here| (anywhere.proven, here.count.proven));
        Ok(Trial { _on_server: on_server.filter(|_| !proven_here), _anywhere: anywhere.filter(|_| !proven) })
    }

    fn with<T>(&self, server: &str, act: impl FnOnce(&mut Count, &mut OnServer) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { anywhere, servers } = &mut *known;
        act(anywhere, servers.entry(server.to_ascii_lowercase()).or_default())
    }

    fn may_try(&self, server: &str, timeouts: &Timeouts) -> Result<(), NotSent> {
        let left_alone = self.with(server, |anywhere, here| {
            let pause = if here.is_restarting() { timeouts.refused_in_restart } else { timeouts.refused_account };
            let count = if anywhere.has_to_rest(timeouts.refused_account) { Some(anywhere.in_a_row) } else { None };
            count.or_else(|| here.count.has_to_rest(pause).then_some(here.count.in_a_row))
        });
        match left_alone {
            Some(times) => Err(NotSent::AccountLeftAlone { user: crate::text::plain(&self.user), times }),
            None => Ok(()),
        }
    }

    /// Notes that a server refused the account. A server that is being restarted may do so because it does not reach
    /// its domain yet, which then does not count the refusal either: other servers are not given up for that.
    pub(crate) fn refused(&self, server: &str) {
        self.with(server, |anywhere, here| {
            here.count.refused();
            if !here.is_restarting() {
                anywhere.refused();
            }
        });
    }

    /// Notes that a server let the account in.
    pub(crate) fn accepted(&self, server: &str) {
        self.with(server, |anywhere, here| {
            here.count.accepted();
            anywhere.accepted();
        });
    }

    /// Returns whether a server has let the account in and not refused it since.
    pub(crate) fn is_proven_on(&self, server: &str) -> bool {
        self.with(server, |_, here| here.count.proven)
    }

    /// Notes that a server was asked to restart.
    pub(crate) fn restart_asked(&self, server: &str) {
        self.with(server, |_, here| here.restart_asked = Some(Instant::now()));
    }
}

async fn lock(turn: Option<Turn>) -> Option<OwnedMutexGuard<()>> {
    match turn {
        Some(turn) => Some(turn.lock_owned().await),
        None => None,
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
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        let value = Zeroizing::new(format!("Basic {}", encoded.as_str()).into_bytes());
        // The header shares these bytes with all its copies, and they are wiped with the last one.
        let shared = Bytes::from_owner(value);
        let mut header = HeaderValue::from_maybe_shared(shared).map_err(|_odd| SetupError::User(String::new()))?;
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

    const SERVERS: [&str; 3] = ["fe1.contoso.example", "fe2.contoso.example", "fe3.contoso.example"];

    fn may(credentials: &Credentials, server: &str) -> bool {
        credentials.may_try(server, &Timeouts::default()).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_account_is_left_alone_on_every_server() {
        let (first, second) = (credentials(), credentials());
        let copy = first.clone();
        let [one, two, three] = SERVERS;
        first.refused(one);
        assert!(may(&copy, two));
        copy.refused(two);
        assert!(!may(&first, three) && !may(&first, one));
        assert!(may(&second, one), "another account is not concerned");
        // Locks count over half an hour and longer: until then there is no third attempt.
        tokio::time::advance(Duration::from_secs(1799)).await;
        assert!(!may(&first, three));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(may(&first, three));
        first.accepted(three);
        first.refused(one);
        assert!(may(&first, three), "a success in between starts the count over");
    }

    #[tokio::test(start_paused = true)]
    async fn one_server_that_lets_an_account_in_says_nothing_of_another() {
        let credentials = credentials();
        let [one, two, _] = SERVERS;
        for _ in 0..2 {
            credentials.accepted(one);
            credentials.refused(two);
        }
        assert!(!may(&credentials, two), "local accounts of one name may have different passwords");
        credentials.accepted(one);
        assert!(!may(&credentials, two));
        assert!(may(&credentials, one));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_being_restarted_is_asked_more_often_and_holds_up_no_other() {
        let credentials = credentials();
        let [one, two, _] = SERVERS;
        credentials.accepted(one);
        credentials.accepted(two);
        credentials.restart_asked(one);
        credentials.refused(one);
        credentials.refused(one);
        assert!(!may(&credentials, one));
        assert!(may(&credentials, two), "its domain may be out of its reach, and nothing is wrong with the account");
        tokio::time::advance(Timeouts::default().refused_in_restart).await;
        assert!(may(&credentials, one));
        tokio::time::advance(RESTARTING).await;
        credentials.refused(one);
        tokio::time::advance(Timeouts::default().refused_in_restart).await;
        assert!(!may(&credentials, one), "the restart is long over");
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_tried_one_by_one_on_each_server_until_that_server_lets_it_in() {
        let credentials = credentials();
        let [one, two, _] = SERVERS;
        let timeouts = Timeouts::default();
        let trying = credentials.trial(one, &timeouts).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_secs(1), credentials.trial(two, &timeouts)).await;
        assert!(waits.is_err(), "nobody has let it in yet");
        credentials.accepted(one);
        drop(trying);
        let here = credentials.trial(two, &timeouts).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_secs(1), credentials.trial(two, &timeouts)).await;
        assert!(waits.is_err(), "this server has not let it in yet");
        let again = credentials.trial(one, &timeouts).await.unwrap();
        assert!(again._on_server.is_none() && again._anywhere.is_none(), "a proven account waits for nobody");
        drop(here);
    }
}
