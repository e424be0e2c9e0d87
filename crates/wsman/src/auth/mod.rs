//! How we prove who we are, and what is done with messages on a connection on which we did.
//!
//! A [`Authenticator`] is made once for a client and says whether what is asked for is there and safe. On each connection
//! it makes a [`Session`]: at once where each request carries its proof, by a handshake where the proof belongs to the
//! connection. Nothing above a connection knows which of these it is.

mod account;
mod binding;
mod challenge;
mod context;
mod current;
mod der;
mod failure;
mod handshake;
mod kdc;
mod keytab;
mod krb5_conf;
pub(crate) mod seal;
mod spnego;

pub use failure::{LogonFailure, LogonReason};
pub use kdc::Realms;
pub use krb5_conf::Krb5Conf;

pub(crate) use current::{WHY_NO_NTLM, WHY_NOT as WHY_NOT_CURRENT, user as current_user};
pub(crate) use handshake::{Handshake, offers};
pub(crate) use keytab::{Key, key_of};

use crate::connection::Raw;
use crate::credentials::{Credentials, Secret};
use crate::error::{Cause, NotSent, SetupError, Unresolved};
use crate::text::plain;
use crate::tls::{ClientCertificate, Transport};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use context::Context;
use hyper::header::HeaderValue;
use std::sync::Arc;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// What a request carries on a connection whose client has shown a certificate.
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// User and password with each request. Only over verified TLS.
    Basic(Credentials),
    /// NTLM or Kerberos, on a connection: sealed where there is no TLS, bound to TLS where there is.
    Negotiate(Negotiate),
    /// By the certificate that TLS shows to the server.
    Certificate(Credentials, ClientCertificate),
}

impl Auth {
    /// Returns the certificate that TLS shows, if it shows one.
    pub(crate) fn certificate(&self) -> Option<&ClientCertificate> {
        match self {
            Self::Certificate(_, certificate) => Some(certificate),
            Self::Basic(_) | Self::Negotiate(_) => None,
        }
    }

    /// Returns the password of the account as it is now, where there is one: see [`Credentials::password`].
    #[must_use]
    pub fn password(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Basic(credentials) => credentials.password(),
            Self::Negotiate(settings) => settings.credentials.password(),
            Self::Certificate(..) => None,
        }
    }
}

/// What NTLM and Kerberos need to know.
#[derive(Debug, Clone)]
pub struct Negotiate {
    /// The account.
    pub credentials: Credentials,
    /// Which of the two.
    pub mechanism: Mechanism,
    /// Whether a logon over TLS is bound to the connection.
    pub binding: Binding,
    /// Where realms and KDCs are.
    pub realms: Arc<Realms>,
    /// The class of the service that a ticket is wanted for: `HTTP`, or `WSMAN`.
    pub service: String,
    chosen: Arc<OnceCell<Chosen>>,
}

/// Which mechanism is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Kerberos where the realm of the account and a KDC of it are known, else NTLM. Chosen before anything is sent, and
    /// never changed because something failed.
    Any,
    /// Kerberos and nothing else.
    Kerberos,
    /// NTLM and nothing else.
    Ntlm,
}

/// Whether a logon over TLS is bound to the connection that it is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Where one is defined for the server's certificate.
    Auto,
    /// Always, or there is no logon.
    Required,
    /// Never.
    Off,
}

/// What [`Mechanism::Any`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Kerberos, in this realm.
    Kerberos { realm: String, kdcs: Vec<String> },
    /// NTLM, and why not Kerberos.
    Ntlm { instead: String },
    /// Kerberos with the logon of this process.
    Current,
}

impl Negotiate {
    /// Returns the settings for an account.
    #[must_use]
    pub fn new(credentials: Credentials, mechanism: Mechanism) -> Self {
        Self {
            credentials,
            mechanism,
            binding: Binding::Auto,
            realms: Arc::default(),
            service: "HTTP".to_owned(),
            chosen: Arc::default(),
        }
    }
}

/// What proves who we are, for the life of a client.
#[derive(Debug, Clone)]
pub(crate) enum Authenticator {
    /// Each request carries user and password.
    Basic(Credentials),
    /// TLS shows a certificate, and each request says so.
    Certificate(Credentials),
    /// A handshake on each connection.
    Negotiate {
        /// What it is made with.
        settings: Box<Negotiate>,
        /// Whether messages are sealed after it.
        seals: bool,
    },
}

impl Authenticator {
    /// Returns the authenticator that was asked for, if it is available and safe on this transport.
    pub(crate) fn new(auth: &Auth, transport: &Transport) -> Result<Self, SetupError> {
        match (auth, transport) {
            (Auth::Basic(_), Transport::Http) => Err(SetupError::BasicWithoutTls),
            (Auth::Certificate(..), Transport::Http) => Err(SetupError::CertificateWithoutTls),
            (Auth::Basic(credentials), Transport::Https(_)) => {
                basic(credentials)?;
                Ok(Self::Basic(credentials.clone()))
            }
            (Auth::Certificate(credentials, _), Transport::Https(_)) => Ok(Self::Certificate(credentials.clone())),
            (Auth::Negotiate(settings), transport) => {
                let login = settings.credentials.login();
                if login.user().is_empty() || login.user().contains(char::is_control) {
                    return Err(SetupError::User(plain(login.user())));
                }
                if settings.mechanism == Mechanism::Ntlm
                    && matches!(login.secret, Secret::Current)
                    && let Some(why) = WHY_NO_NTLM
                {
                    return Err(SetupError::NoCurrent(why.to_owned()));
                }
                let seals = matches!(transport, Transport::Http);
                Ok(Self::Negotiate { settings: Box::new(settings.clone()), seals })
            }
        }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        match self {
            Self::Basic(credentials) | Self::Certificate(credentials) => credentials,
            Self::Negotiate { settings, .. } => &settings.credentials,
        }
    }
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, SetupError> {
    let login = credentials.login();
    let user = login.user();
    let Some(password) = login.password() else { return Err(SetupError::KeytabNeedsKerberos) };
    if user.is_empty() || user.contains(':') || user.contains(char::is_control) {
        return Err(SetupError::User(plain(user)));
    }
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    let value = Zeroizing::new(format!("Basic {}", encoded.as_str()).into_bytes());
    // The header shares these bytes with all its copies, and they are wiped with the last one.
    let shared = Bytes::from_owner(value);
    let mut header = HeaderValue::from_maybe_shared(shared).map_err(|_odd| SetupError::User(String::new()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// How an account was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logon {
    /// By what.
    pub mechanism: UsedMechanism,
    /// Whether the logon is bound to the TLS connection.
    pub is_bound: bool,
    /// Whether messages are sealed.
    pub is_sealed: bool,
}

impl Logon {
    /// Returns a logon of which each request carries the proof.
    pub(crate) fn plain(mechanism: UsedMechanism) -> Self {
        Self { mechanism, is_bound: false, is_sealed: false }
    }
}

/// By what an account was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedMechanism {
    /// User and password with each request.
    Basic,
    /// A certificate that TLS has shown.
    Certificate,
    /// NTLM.
    Ntlm,
    /// Kerberos.
    Kerberos,
}

/// What became of proving who we are, for the life of a connection.
#[derive(Debug)]
pub(crate) enum Session {
    /// Each request carries its proof.
    Header(HeaderValue),
    /// The connection is ours; TLS keeps what goes over it to itself.
    Bound,
    /// The connection is ours, and messages on it are sealed.
    Sealed(Context),
}

/// A body as it travels.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) proof: Option<HeaderValue>,
}

const PLAIN: &str = "application/soap+xml;charset=UTF-8";

impl Session {
    /// Makes a message ready to be sent.
    pub(crate) fn outgoing(&mut self, body: Bytes) -> Result<Outgoing, NotSent> {
        match self {
            Self::Header(header) => Ok(Outgoing { content_type: PLAIN, body, proof: Some(header.clone()) }),
            Self::Bound => Ok(Outgoing { content_type: PLAIN, body, proof: None }),
            Self::Sealed(context) => {
                let sealed = context.seal(&body).map_err(NotSent::Sealing)?;
                let body = seal::write(&sealed, body.len());
                Ok(Outgoing { content_type: seal::CONTENT_TYPE, body, proof: None })
            }
        }
    }

    /// Returns an answer as it was before it was sealed. On a connection with sealed messages, whatever holds a message
    /// has to be sealed; answers without a body say nothing that could be false but their status.
    pub(crate) fn incoming(&mut self, raw: Raw) -> Result<Raw, Cause> {
        let Self::Sealed(context) = self else { return Ok(raw) };
        if !seal::is_sealed(raw.content_type.as_deref()) {
            return match raw.status {
                200 | 500 if !raw.body.is_empty() => Err(Cause::Unresolved(Unresolved::NotSealed)),
                _ => Ok(raw),
            };
        }
        let broken = |why: String| Cause::Unresolved(Unresolved::Seal(why));
        let (sealed, content_type, length) = seal::read(&raw.body).map_err(broken)?;
        let text = context.unseal(sealed).map_err(broken)?;
        if text.len() != length {
            return Err(broken(format!("it says that it holds {length} bytes, and holds {}", text.len())));
        }
        Ok(Raw { body: Bytes::from(text), content_type: Some(content_type), ..raw })
    }

    /// Returns whether the connection itself is logged on, so that a 401 on it is no word on user and password.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Header(_) => false,
            Self::Bound | Self::Sealed(_) => true,
        }
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
        let negotiate = Auth::Negotiate(Negotiate::new(credentials(), Mechanism::Any));
        for auth in [Auth::Basic(credentials()), negotiate] {
            let made = Authenticator::new(&auth, &Transport::Https(Trust::Platform)).unwrap();
            for shown in [format!("{auth:?}"), format!("{}", credentials()), format!("{made:?}"), format!("{made:#?}")]
            {
                assert!(!shown.contains("hunter2"), "{shown}");
                assert!(!shown.contains(&STANDARD.encode("CONTOSO\\ops:hunter2")), "{shown}");
            }
        }
    }

    #[test]
    fn p10_basic_is_refused_without_tls() {
        let error = Authenticator::new(&Auth::Basic(credentials()), &Transport::Http).unwrap_err();
        assert!(matches!(error, SetupError::BasicWithoutTls));
    }
}
