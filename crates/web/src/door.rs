//! Who looks at pages, and who may decide: sessions that a token opens, and users that a trusted proxy names.

use crate::Socket;
use crate::token::Token;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderName};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// How long a session lasts: a night.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Most sessions, and most users of a proxy, that are known at once. The oldest makes room.
const MOST: usize = 200;
/// The longest name of a person.
const LONGEST_NAME: usize = 60;
/// The name of the cookie.
const NAME: &str = "orchestrate";

/// Whom `serve` believes.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// What has to be known to change anything. `None`: nothing is changed over HTTP, unless a proxy names who asks.
    pub token: Option<Token>,
    /// The header in which a proxy names who asks. At an address it is believed only beside the token, which the proxy brings:
    /// everyone with an account on this machine can ask there.
    pub user_header: Option<HeaderName>,
}

/// Who looks at a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Who is signed in.
    pub who: Option<String>,
    /// Whether a person can sign in here, and out again.
    pub signs_in: bool,
    /// What a form has to bring back. Empty: nobody is signed in.
    pub proof: String,
    /// What was passed on before this page was asked for, as a word.
    pub sent: Option<String>,
}

struct Session {
    who: String,
    proof: String,
    since: Instant,
}

/// Who is let in.
pub(crate) struct Door {
    trust: Trust,
    socket: Socket,
    sessions: Mutex<HashMap<String, Session>>,
    /// What forms of the users of a proxy bring back, by user.
    proofs: Mutex<HashMap<String, String>>,
}

impl Door {
    pub(crate) fn new(trust: Trust, socket: Socket) -> Self {
        Self { trust, socket, sessions: Mutex::default(), proofs: Mutex::default() }
    }

    /// Returns the token that orders of programs need.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.trust.token.as_ref()
    }

    /// Returns whether anybody can decide by a page.
    pub(crate) fn opens(&self) -> bool {
        self.trust.token.is_some() || self.trust.user_header.is_some()
    }

    /// Returns who asks.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> Visitor {
        if let Some(who) = self.named(headers) {
            let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
            if proofs.len() >= MOST && !proofs.contains_key(&who) {
                proofs.clear();
            }
            let proof = proofs.entry(who.clone()).or_insert_with(random).clone();
            return Visitor { who: Some(who), proof, ..Visitor::default() };
        }
        let signs_in = self.trust.token.is_some();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.since.elapsed() < LASTS);
        match cookie(headers).and_then(|id| sessions.get(id)) {
            Some(Session { who, proof, .. }) => {
                Visitor { who: Some(who.clone()), proof: proof.clone(), signs_in, sent: None }
            }
            None => Visitor { signs_in, ..Visitor::default() },
        }
    }

    /// Returns whom a proxy names, where it is believed.
    fn named(&self, headers: &HeaderMap) -> Option<String> {
        let name = self.trust.user_header.as_ref()?;
        let brings_token = || {
            let given = headers.get(AUTHORIZATION);
            self.token().zip(given).is_some_and(|(token, given)| token.is_in(given.as_bytes()))
        };
        if self.socket == Socket::Address && !brings_token() {
            return None;
        }
        let mut values = headers.get_all(name).iter();
        // Two names are none: one of them did not come from the proxy.
        let (value, None) = (values.next()?, values.next()) else { return None };
        a_name(std::str::from_utf8(value.as_bytes()).ok()?)
    }

    /// Opens a session, and returns the cookie of it.
    pub(crate) fn enter(&self, typed: &str, name: &str, headers: &HeaderMap) -> Result<String, &'static str> {
        let Some(token) = self.token() else {
            return Err("no one can sign in: serve was started without --token-file");
        };
        if !token.is(typed) {
            return Err("the token is another one");
        }
        let Some(who) = a_name(name) else {
            return Err("a name is one line of up to 60 letters, digits and signs");
        };
        let (id, proof) = (random(), random());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.since).map(|(id, _)| id.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(id.clone(), Session { who, proof, since: Instant::now() });
        Ok(format!("{NAME}={id}; {}; Max-Age={}", attributes(headers), LASTS.as_secs()))
    }

    /// Ends a session, and returns the cookie that replaces its own.
    pub(crate) fn leave(&self, headers: &HeaderMap) -> String {
        if let Some(id) = cookie(headers) {
            self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        format!("{NAME}=; {}; Max-Age=0", attributes(headers))
    }

    /// Returns who sends a form of ours.
    pub(crate) fn sender(&self, headers: &HeaderMap, proof: &str) -> Result<String, &'static str> {
        from_here(headers)?;
        let visitor = self.visitor(headers);
        let Some(who) = visitor.who else { return Err("nobody is signed in, or the session is over: sign in first") };
        if visitor.proof.is_empty() || !bool::from(visitor.proof.as_bytes().ct_eq(proof.as_bytes())) {
            return Err("the form is not of this session: open the page of the run again");
        }
        Ok(who)
    }
}

/// Refuses what a browser sends for another site. What says nothing of where it comes from is no new browser, and needs the proof
/// all the same.
pub(crate) fn from_here(headers: &HeaderMap) -> Result<(), &'static str> {
    match headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes) {
        None | Some(b"same-origin") => Ok(()),
        Some(_) => Err("the form was sent by another site"),
    }
}

/// No script reads the cookie, and no other site sends it. Behind a proxy with TLS it never goes without.
fn attributes(headers: &HeaderMap) -> String {
    let sealed = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    format!("Path=/; HttpOnly; SameSite=Strict{}", if sealed { "; Secure" } else { "" })
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).find_map(|one| one.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// Returns a name as it may stand in a record.
fn a_name(text: &str) -> Option<String> {
    let name = text.trim();
    let plain = |c: char| !c.is_control() && (c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ');
    (!name.is_empty() && name.chars().count() <= LONGEST_NAME && name.chars().all(plain)).then(|| name.to_owned())
}

/// Returns 244 bits that nobody can guess.
fn random() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
