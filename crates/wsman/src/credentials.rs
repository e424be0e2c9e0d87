//! Who we are, in types that cannot be printed.

use crate::auth::{Key, Mechanism, WHY_NO_NTLM, WHY_NOT_CURRENT, key_of};
use crate::config::Timeouts;
use crate::error::{NotSent, SetupError};
use crate::text::plain;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Refusals in a row after which an account is left alone for a while. Domains lock an account after as few as three.
const REFUSALS: u32 = 2;

/// How long after a restart was asked for a refusal may mean that the server does not reach its domain yet. As long
/// as a run waits for a server to come back.
const RESTARTING: Duration = Duration::from_secs(3600);

/// A user, and what proves that it is them.
pub struct Login {
    user: String,
    pub(crate) secret: Secret,
}

/// What proves who an account is.
pub(crate) enum Secret {
    /// A password.
    Password(Zeroizing<String>),
    /// A key from a keytab.
    Key(Key),
    /// The logon of this process, which the system proves.
    Current,
    /// Nothing: the proof is a certificate.
    Nothing,
}

impl Login {
    /// Returns a user with a password.
    #[must_use]
    pub fn with_password(user: impl Into<String>, password: Zeroizing<String>) -> Self {
        Self { user: user.into(), secret: Secret::Password(password) }
    }

    /// Returns a principal with its key from a keytab.
    ///
    /// # Errors
    /// When the keytab cannot be read, or has no AES key of the principal.
    pub fn with_keytab(keytab: &[u8], principal: &str) -> Result<Self, SetupError> {
        let key = key_of(keytab, principal)?;
        let user = if principal.contains('@') { principal.to_owned() } else { format!("{principal}@{}", key.realm) };
        Ok(Self { user, secret: Secret::Key(key) })
    }

    /// Returns an account that is known by its certificate, with a name to speak of it.
    #[must_use]
    pub fn by_certificate(name: impl Into<String>) -> Self {
        Self { user: name.into(), secret: Secret::Nothing }
    }

    /// Returns why this program cannot use the logon of a person by a mechanism, if it cannot: a matter of the system and of
    /// how it was built, and not of the logon.
    #[must_use]
    pub fn why_not_current(mechanism: Mechanism) -> Option<&'static str> {
        match mechanism {
            Mechanism::Any | Mechanism::Kerberos => WHY_NOT_CURRENT,
            Mechanism::Ntlm => WHY_NO_NTLM,
        }
    }

    /// Returns the logon of the person who has started this program. May ask a domain. `cache` is what is in the file that
    /// the person's tickets of Kerberos are kept in, where they are kept in one: it is looked at before the library of the
    /// system reads it. The ticket itself is always taken from where that library finds it.
    ///
    /// # Errors
    /// When this system cannot prove it.
    pub fn current(cache: Option<&[u8]>) -> Result<Self, SetupError> {
        let user = crate::auth::current_user(cache).map_err(SetupError::NoCurrent)?;
        Ok(Self { user, secret: Secret::Current })
    }

    /// Returns the name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> Option<&str> {
        match &self.secret {
            Secret::Password(password) => Some(password),
            Secret::Key(_) | Secret::Current | Secret::Nothing => None,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let same = match (&self.secret, &other.secret) {
            (Secret::Password(one), Secret::Password(two)) => one == two,
            (Secret::Key(one), Secret::Key(two)) => one.bytes == two.bytes,
            (Secret::Nothing, Secret::Nothing) | (Secret::Current, Secret::Current) => true,
            (Secret::Password(_) | Secret::Key(_) | Secret::Current | Secret::Nothing, _) => false,
        };
        same && self.user == other.user
    }
}

/// Where a login comes from. It is asked again once the login was refused.
pub trait Source: Send + Sync {
    /// Reads the login anew. May block for a while.
    ///
    /// # Errors
    /// Why there is none, in words for the operator.
    fn read(&self) -> Result<Login, String>;

    /// Returns how long after it was asked it is left in peace.
    fn pause(&self) -> Duration;

    /// Returns how a new password is given, as a sentence without its end.
    fn advice(&self) -> String;
}

/// An account. Copies share the counts of refusals: a password that one server refuses is not tried on a whole pool.
///
/// Refusals are counted twice. For all servers together, because an account of a domain is locked by the sum of them.
/// And for each server, because accounts of servers may have the same name and different passwords: that one server
/// lets the account in says nothing of another.
#[derive(Clone)]
pub struct Credentials {
    known: Arc<Mutex<Known>>,
    source: Option<Arc<dyn Source>>,
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
struct Known {
    login: Arc<Login>,
    /// Counts the logins that the source gave: a connection that was made with an older one is made anew.
    version: u64,
    asked: Option<Instant>,
    anywhere: Count,
    servers: BTreeMap<String, OnServer>,
}

/// Who refused an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The server that was asked.
    Server,
    /// The domain itself: what is going on at the server does not excuse it.
    Domain,
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
    /// What refused it last.
    by: String,
    /// Whether it was ever let in.
    once_proven: bool,
}

impl Count {
    fn refused(&mut self, by: &str) {
        self.proven = false;
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = Some(Instant::now());
        by.clone_into(&mut self.by);
    }

    fn accepted(&mut self) {
        self.proven = true;
        self.once_proven = true;
        self.in_a_row = 0;
    }

    /// Returns whether a login that never worked was refused a moment ago.
    fn was_just_refused(&self, pause: Duration) -> bool {
        !self.once_proven && self.in_a_row > 0 && self.last.is_some_and(|last| last.elapsed() < pause)
    }

    /// Returns the rest of a pause that the account needs.
    fn rest(&self, pause: Duration) -> Option<Duration> {
        let rest = pause.saturating_sub(self.last?.elapsed());
        self.has_to_rest(pause).then_some(rest)
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
        Self::of(Login::with_password(user, password), None)
    }

    /// Returns an account with its first login, and the source to ask when that is refused.
    #[must_use]
    pub fn of(login: Login, source: Option<Arc<dyn Source>>) -> Self {
        let known = Known {
            login: Arc::new(login),
            version: 0,
            asked: None,
            anywhere: Count::default(),
            servers: BTreeMap::new(),
        };
        Self { known: Arc::new(Mutex::new(known)), source, trial: Arc::default() }
    }

    /// Returns the name of the user.
    #[must_use]
    pub fn user(&self) -> String {
        self.login().user.clone()
    }

    /// Returns the password that is used now, where there is one: for a task on a server that runs under the account's
    /// own name. To be sent over a connection that hides it, and kept nowhere.
    #[must_use]
    pub fn password(&self) -> Option<Zeroizing<String>> {
        self.login().password().map(|password| Zeroizing::new(password.to_owned()))
    }

    /// Returns whether this is the password that is used now. For tests of sources.
    #[must_use]
    pub fn has_password(&self, password: &str) -> bool {
        self.login().password() == Some(password)
    }

    /// Returns what is used to log on now.
    pub(crate) fn login(&self) -> Arc<Login> {
        self.known().login.clone()
    }

    /// Returns the number of the login that is used now.
    pub(crate) fn version(&self) -> u64 {
        self.known().version
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
        self.renew(server).await;
        self.may_try(server, timeouts)?;
        // What was waited for may have been proven meanwhile: then nobody else has to wait any more.
        let (proven, proven_here) = self.with(server, |anywhere, here| (anywhere.proven, here.count.proven));
        Ok(Trial { _on_server: on_server.filter(|_| !proven_here), _anywhere: anywhere.filter(|_| !proven) })
    }

    /// Asks the source of a refused account again. When it gives another login, all counts begin anew, since none of
    /// them is about it.
    async fn renew(&self, server: &str) {
        let Some(source) = self.source.clone() else { return };
        let is_refused = self.with(server, |anywhere, here| anywhere.in_a_row > 0 || here.count.in_a_row > 0);
        let rests = self.known().asked.is_some_and(|asked| asked.elapsed() < source.pause());
        if !is_refused || rests {
            return;
        }
        self.known().asked = Some(Instant::now());
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        let login = match read {
            Ok(Ok(login)) => login,
            Ok(Err(why)) => {
                tracing::warn!(user = %plain(&self.user()), why, "the credentials could not be read anew");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "the credentials could not be read anew");
                return;
            }
        };
        let mut known = self.known();
        if known.login.is_same(&login) {
            return;
        }
        tracing::info!(user = %plain(&login.user), "the credentials were read anew and differ: the account is tried again");
        known.version += 1;
        known.login = Arc::new(login);
        known.anywhere = Count::default();
        for here in known.servers.values_mut() {
            here.count = Count::default();
        }
    }

    fn advice(&self) -> String {
        match &self.source {
            Some(source) => source.advice(),
            None if matches!(self.login().secret, Secret::Current) => {
                "the logon as it is then is taken, a new ticket included".to_owned()
            }
            None => "a new password is taken when the program is started again".to_owned(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, server: &str, act: impl FnOnce(&mut Count, &mut OnServer) -> T) -> T {
        let mut known = self.known();
        let Known { anywhere, servers, .. } = &mut *known;
        act(anywhere, servers.entry(server.to_ascii_lowercase()).or_default())
    }

    fn may_try(&self, server: &str, timeouts: &Timeouts) -> Result<(), NotSent> {
        let left_alone = self.with(server, |anywhere, here| {
            let pause = if here.is_restarting() { timeouts.refused_in_restart } else { timeouts.refused_account };
            let told = |count: &Count, pause| count.rest(pause).map(|rest| (count.in_a_row, count.by.clone(), rest));
            told(anywhere, timeouts.refused_account).or_else(|| told(&here.count, pause))
        });
        let just_now = self.with(server, |anywhere, here| {
            let counts = [&*anywhere, &here.count].into_iter();
            counts.filter(|count| count.was_just_refused(timeouts.refused_once)).map(|count| count.by.clone()).next()
        });
        match left_alone {
            Some((times, server, rest)) => Err(NotSent::AccountLeftAlone {
                user: plain(&self.user()),
                times,
                server,
                until: until(rest),
                advice: self.advice(),
            }),
            None => match just_now {
                Some(server) => Err(NotSent::JustRefused { user: plain(&self.user()), server, advice: self.advice() }),
                None => Ok(()),
            },
        }
    }

    /// Notes that the account was refused. A server that is being restarted may do so because it does not reach
    /// its domain yet, which then does not count the refusal either: other servers are not given up for that.
    pub(crate) fn refused(&self, server: &str, by: By) {
        self.with(server, |anywhere, here| {
            let name = match by {
                By::Server => server.to_owned(),
                By::Domain => "its domain".to_owned(),
            };
            here.count.refused(&name);
            if by == By::Domain || !here.is_restarting() {
                anywhere.refused(&name);
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

/// Returns when a pause is over, in local time.
fn until(rest: Duration) -> String {
    let end = jiff::Zoned::now().checked_add(rest);
    end.map_or_else(|_out_of_range| "later".to_owned(), |end| end.strftime("%H:%M %Z").to_string())
}

async fn lock(turn: Option<Turn>) -> Option<OwnedMutexGuard<()>> {
    match turn {
        Some(turn) => Some(turn.lock_owned().await),
        None => None,
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user()).field("secret", &"****").finish_non_exhaustive()
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:****", self.user())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::new("CONTOSO\\ops", Zeroizing::new("hunter2".to_owned()))
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
        first.refused(one, By::Server);
        assert!(!may(&copy, two), "the servers of a pool are asked at once: one wrong password is one failed logon");
        tokio::time::advance(Timeouts::default().refused_once).await;
        assert!(may(&copy, two));
        copy.refused(two, By::Server);
        assert!(!may(&first, three) && !may(&first, one));
        assert!(may(&second, one), "another account is not concerned");
        // Locks count over half an hour and longer: until then there is no third attempt.
        tokio::time::advance(Duration::from_secs(1799)).await;
        assert!(!may(&first, three));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(may(&first, three));
        first.accepted(three);
        first.refused(one, By::Server);
        assert!(may(&first, three), "a success in between starts the count over");
    }

    #[tokio::test(start_paused = true)]
    async fn one_server_that_lets_an_account_in_says_nothing_of_another() {
        let credentials = credentials();
        let [one, two, _] = SERVERS;
        for _ in 0..2 {
            credentials.accepted(one);
            credentials.refused(two, By::Server);
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
        credentials.refused(one, By::Server);
        credentials.refused(one, By::Server);
        assert!(!may(&credentials, one));
        assert!(may(&credentials, two), "its domain may be out of its reach, and nothing is wrong with the account");
        tokio::time::advance(Timeouts::default().refused_in_restart).await;
        assert!(may(&credentials, one));
        tokio::time::advance(RESTARTING).await;
        credentials.refused(one, By::Server);
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

    /// A file that somebody writes another password into.
    struct Written(Mutex<String>);

    impl Source for Written {
        fn read(&self) -> Result<Login, String> {
            Ok(Login::with_password("CONTOSO\\ops", Zeroizing::new(self.0.lock().unwrap().clone())))
        }

        fn pause(&self) -> Duration {
            Duration::from_secs(5)
        }

        fn advice(&self) -> String {
            "write the new password into FILE".to_owned()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_password_ends_the_rest_of_a_refused_account_and_the_same_one_does_not() {
        let file = Arc::new(Written(Mutex::new("old".to_owned())));
        let credentials = Credentials::of(file.read().unwrap(), Some(file.clone()));
        let (timeouts, [one, two, _]) = (Timeouts::default(), SERVERS);
        credentials.accepted(one);
        for server in [one, two] {
            credentials.refused(server, By::Domain);
        }
        let error = credentials.trial(one, &timeouts).await.unwrap_err();
        let NotSent::AccountLeftAlone { times: 2, server, advice, .. } = error else { panic!("{error}") };
        assert_eq!((server.as_str(), advice.as_str()), ("its domain", "write the new password into FILE"));
        *file.0.lock().unwrap() = "new".to_owned();
        tokio::time::advance(file.pause()).await;
        let version = credentials.version();
        assert!(credentials.trial(one, &timeouts).await.is_ok());
        assert!(credentials.version() > version && credentials.has_password("new"));
        credentials.refused(one, By::Domain);
        assert!(credentials.trial(two, &timeouts).await.is_err(), "the new one is as wrong: one try for all servers");
    }
}
