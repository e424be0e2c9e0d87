//! The handshake that makes a connection ours (MS-WSMV 2.2.9.1, RFC 4559): tokens go back and forth on requests with an
//! empty body, and no message is sent before it is over.

use crate::auth::account::LogonName;
use crate::auth::context::{Context, KerberosStart};
use crate::auth::current::{Package, Start};
use crate::auth::failure::{LogonFailure, LogonReason};
use crate::auth::{
    Authenticator, Binding, Chosen, Logon, MUTUAL, Mechanism, Negotiate, Session, UsedMechanism, basic, binding,
    challenge, spnego,
};
use crate::connection::{Connection, Dial, Raw};
use crate::credentials::{Login, Secret};
use crate::error::{Cause, NotSent, Refusal};
use crate::text::plain;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request};
use jiff::Timestamp;
use picky_krb::crypto::CipherSuite;
use sspi::{AuthIdentityBuffers, CredentialsBuffers, KeytabIdentity, Username};
use std::sync::Arc;

const SCHEME: &str = "Negotiate";

/// How much Kerberos is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Kerberos or nothing.
    Kerberos,
    /// Kerberos where it can be had.
    Either,
}

/// Whether a logon was bound to the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Yes,
    No,
}

impl Bound {
    fn of(binding: Option<&Vec<u8>>) -> Self {
        if binding.is_some() { Self::Yes } else { Self::No }
    }
}

/// A handshake on one connection.
pub(crate) struct Handshake<'a> {
    pub(crate) dial: &'a Dial,
    pub(crate) connection: &'a mut Connection,
}

impl Handshake<'_> {
    /// Makes the connection ours. What fails here has sent no message.
    pub(crate) async fn run(&mut self, authenticator: &Authenticator) -> Result<Session, Cause> {
        match authenticator {
            Authenticator::Basic(credentials) => {
                let header = basic(credentials).map_err(|error| Cause::NotSent(NotSent::Closed(error.to_string())))?;
                self.connection.logon = Some(Logon::plain(UsedMechanism::Basic));
                Ok(Session::Header(header))
            }
            Authenticator::Certificate(_) => {
                self.connection.logon = Some(Logon::plain(UsedMechanism::Certificate));
                Ok(Session::Header(HeaderValue::from_static(MUTUAL)))
            }
            Authenticator::Negotiate { settings, seals } => {
                let login = settings.credentials.login();
                let (context, bound) = self.negotiate(settings, &login).await?;
                let mechanism = context.mechanism();
                self.connection.logon = Some(Logon { mechanism, is_bound: bound == Bound::Yes, is_sealed: *seals });
                Ok(if *seals { Session::Sealed(context) } else { Session::Bound })
            }
        }
    }

    async fn negotiate(&mut self, settings: &Negotiate, login: &Arc<Login>) -> Result<(Context, Bound), Cause> {
        let failed = |reason| failed(login, reason);
        let bound = self.binding(settings).map_err(failed)?;
        let is_bound = Bound::of(bound.as_ref());
        let service = format!("{}/{}", settings.service, self.dial.endpoint.name);
        let realm = settings.realms.krb5_conf.realm_of(&self.dial.endpoint.name);
        let start = |package, binding| Start { package, user: login.user(), service: &service, realm, binding };
        let context = match self.choose(settings, login).await.map_err(failed)? {
            Chosen::Ntlm { instead } => {
                let context = match &login.secret {
                    Secret::Current => Context::current(start(Package::Ntlm, bound)).map_err(failed)?,
                    Secret::Password(_) | Secret::Key(_) | Secret::Nothing => for_ntlm(login, bound),
                };
                self.ntlm(login, context, (is_bound, &instead)).await?
            }
            Chosen::Kerberos { realm, kdcs } => {
                let credentials = for_kerberos(login, &realm).map_err(failed)?;
                let start = KerberosStart { credentials, realm, kdcs, service: service.clone(), binding: bound };
                let context = Context::kerberos(start).map_err(failed)?;
                self.kerberos(login, context, (&service, is_bound)).await?
            }
            Chosen::Current => {
                let context = Context::current(start(Package::Kerberos, bound)).map_err(failed)?;
                self.kerberos(login, context, (&service, is_bound)).await?
            }
        };
        Ok((context, is_bound))
    }

    /// Returns what ties the logon to the TLS connection.
    fn binding(&self, settings: &Negotiate) -> Result<Option<Vec<u8>>, LogonReason> {
        let certificate = match settings.binding {
            Binding::Off => None,
            Binding::Auto | Binding::Required => self.connection.certificate(),
        };
        match (certificate.map(binding::of_certificate), settings.binding) {
            (Some(Some(bound)), _) => Ok(Some(bound)),
            (Some(None) | None, Binding::Required) => Err(LogonReason::NoBinding),
            (Some(None) | None, Binding::Auto | Binding::Off) => Ok(None),
        }
    }

    /// Returns the mechanism for this account. It is chosen once, by what is stated and what name servers know.
    async fn choose(&self, settings: &Negotiate, login: &Login) -> Result<Chosen, LogonReason> {
        let chosen = settings.chosen.get_or_try_init(|| self.find(settings, login)).await?;
        Ok(chosen.clone())
    }

    async fn find(&self, settings: &Negotiate, login: &Login) -> Result<Chosen, LogonReason> {
        let name = LogonName::parse(login.user());
        let is_key = matches!(login.secret, Secret::Key(_));
        let wish = match settings.mechanism {
            Mechanism::Ntlm if is_key => {
                return Err(LogonReason::Other("a keytab is for Kerberos, and the plan says `auth: ntlm`".to_owned()));
            }
            Mechanism::Ntlm => return Ok(Chosen::Ntlm { instead: "`auth: ntlm` was asked for".to_owned() }),
            // The system knows the domain of the logon, and asks it.
            Mechanism::Kerberos | Mechanism::Any if matches!(login.secret, Secret::Current) => {
                return Ok(Chosen::Current);
            }
            Mechanism::Kerberos => Wish::Kerberos,
            // Whoever states a realm or gives a key means Kerberos.
            Mechanism::Any if is_key || settings.realms.realm.is_some() || !settings.realms.kdcs.is_empty() => {
                Wish::Kerberos
            }
            Mechanism::Any => Wish::Either,
        };
        let chosen = match self.realm(settings, &name, wish).await {
            Ok(realm) => match settings.realms.kdcs_of(&realm).await {
                Ok(kdcs) => Chosen::Kerberos { realm, kdcs },
                Err(LogonReason::NoKdc { realm, looked }) if wish == Wish::Either => {
                    Chosen::Ntlm { instead: no_kdc(&realm, &looked) }
                }
                Err(reason) => return Err(reason),
            },
            Err(_why) if wish == Wish::Kerberos => return Err(LogonReason::UnknownRealm),
            Err(why) => Chosen::Ntlm { instead: why },
        };
        match &chosen {
            Chosen::Ntlm { instead } => {
                tracing::info!(user = %plain(login.user()), %instead, "logs on by NTLM");
            }
            Chosen::Current => {}
            Chosen::Kerberos { realm, kdcs } => {
                tracing::info!(user = %plain(login.user()), realm, ?kdcs, "logs on by Kerberos");
            }
        }
        Ok(chosen)
    }

    /// Returns the realm of an account: as stated, as its name says, as the system's configuration says, and at last as
    /// the server says; or why none is known. The short name of a domain is never taken for its realm.
    async fn realm(&self, settings: &Negotiate, name: &LogonName, wish: Wish) -> Result<String, String> {
        let realms = &settings.realms;
        if let Some(realm) = &realms.realm {
            return Ok(realm.to_ascii_uppercase());
        }
        let conf = &realms.krb5_conf;
        let stated = match name {
            LogonName::Domain { domain, .. } => conf.realm_of(domain),
            LogonName::Principal { suffix, .. } => {
                conf.realm_of(suffix).or_else(|| (!conf.kdcs(suffix).is_empty()).then_some(suffix.as_str()))
            }
            LogonName::Local { .. } => {
                let stated = conf.default_realm().filter(|_| wish == Wish::Kerberos).map(str::to_ascii_uppercase);
                return stated
                    .ok_or_else(|| format!("{name} names no domain, and is taken for an account of the server"));
            }
        };
        if let Some(realm) = stated {
            return Ok(realm.to_ascii_uppercase());
        }
        let mut unknown = String::new();
        match name {
            LogonName::Domain { domain, .. } if domain.contains('.') => return Ok(domain.to_ascii_uppercase()),
            LogonName::Principal { suffix, .. } => match realms.kdcs_of(suffix).await {
                Ok(_) => return Ok(suffix.to_ascii_uppercase()),
                Err(LogonReason::NoKdc { realm, looked }) => unknown = no_kdc(&realm, &looked),
                Err(other) => unknown = LogonFailure { user: name.to_string(), reason: other }.to_string(),
            },
            LogonName::Domain { .. } | LogonName::Local { .. } => {}
        }
        if let (LogonName::Principal { .. }, Wish::Kerberos, Some(realm)) = (name, wish, conf.default_realm()) {
            return Ok(realm.to_ascii_uppercase());
        }
        let Some(found) = self.domain_of_server().await else {
            let silent = format!("which realm {name} is in is not known, and the server names no domain of its own");
            return Err(if unknown.is_empty() { silent } else { unknown });
        };
        let fits = match name {
            LogonName::Domain { domain, .. } => domain.eq_ignore_ascii_case(&found.netbios),
            // Names of this form need not tell their domain; the server's is the best guess, and asked about it only
            // when Kerberos is wanted.
            LogonName::Principal { .. } => wish == Wish::Kerberos,
            LogonName::Local { .. } => false,
        };
        if fits {
            return Ok(found.dns.to_ascii_uppercase());
        }
        let other = format!("which realm {name} is in is not known; the server is in {}", plain(&found.dns));
        Err(if unknown.is_empty() { other } else { unknown })
    }

    /// Returns the domain of the server, from the challenge that it answers an anonymous first token of NTLM with. On
    /// a connection of its own, which is then closed: nothing was proven on it, and no account was named.
    async fn domain_of_server(&self) -> Option<challenge::Domain> {
        let mut connection = Connection::open(self.dial).await.ok()?;
        let mut handshake = Handshake { dial: self.dial, connection: &mut connection };
        let first = Context::ntlm("", "", "", None).step(&[]).await.ok()?;
        let raw = handshake.post(&first).await.ok()?;
        token(&raw).and_then(|token| challenge::domain(&token))
    }

    /// `how` is whether the logon is bound, and why it is not made by Kerberos.
    async fn ntlm(&mut self, login: &Login, mut context: Context, how: (Bound, &str)) -> Result<Context, Cause> {
        let first = context.step(&[]).await.map_err(|reason| failed(login, reason))?;
        let raw = self.post(&first).await?;
        let challenge = self.challenge(&raw, login)?;
        let proof = context.step(&challenge).await.map_err(|reason| failed(login, reason))?;
        let raw = self.post(&proof).await?;
        match raw.status {
            401 => Err(Cause::Refused(Refusal::Unauthorized {
                user: plain(login.user()),
                offers: offers(&raw),
                hint: self.why_ntlm(how),
            })),
            200..300 => Ok(context),
            status => Err(self.unexpected(status)),
        }
    }

    /// Returns what a server's no to NTLM may mean. The server does not say.
    fn why_ntlm(&self, (is_bound, instead): (Bound, &str)) -> String {
        let usual = "NTLM does not say why: the password may be wrong, the account unknown, locked out, disabled or \
                     expired, or not allowed to log on to this server over the network";
        let why = match (self.connection.certificate().is_some(), is_bound) {
            (true, Bound::Yes) => format!(
                "{usual}; or TLS ends at something between here and the server, so that the channel binding is that of \
                 another certificate"
            ),
            (true, Bound::No) => format!(
                "{usual}; or the server demands channel binding (CbtHardeningLevel Strict), and this logon had none"
            ),
            (false, _) => usual.to_owned(),
        };
        format!("{why}. Tried: NTLM. Not tried: Kerberos, because {instead}")
    }

    /// Returns the token in an answer that has to have one.
    fn challenge(&self, raw: &Raw, login: &Login) -> Result<Vec<u8>, Cause> {
        if raw.status != 401 {
            return Err(self.unexpected(raw.status));
        }
        if let Some(token) = token(raw) {
            return Ok(token);
        }
        let offered = raw.offers.iter().any(|offer| offer.trim().eq_ignore_ascii_case(SCHEME));
        Err(Cause::Refused(if offered {
            Refusal::Unauthorized {
                user: plain(login.user()),
                offers: offers(raw),
                hint: "it does not take NTLM: a policy may forbid it (\"Restrict NTLM\"); use `auth: kerberos`"
                    .to_owned(),
            }
        } else {
            Refusal::NotOffered { offers: offers(raw) }
        }))
    }

    /// `asked` is the service that a ticket is wanted for, and whether the logon is bound.
    async fn kerberos(&mut self, login: &Login, mut context: Context, asked: (&str, Bound)) -> Result<Context, Cause> {
        let (service, is_bound) = asked;
        let failed = |reason| failed(login, reason);
        let ticket = context.step(&[]).await.map_err(failed)?;
        let raw = self.post(&spnego::wrap(&ticket)).await?;
        let answer = token(&raw);
        let answer = answer.as_deref().and_then(spnego::unwrap);
        match raw.status {
            200..300 => match answer {
                Some(spnego::Answer { rejected: false, token: Some(proof) }) => {
                    context.step(proof).await.map_err(failed)?;
                    Ok(context)
                }
                Some(_) | None => Err(failed(LogonReason::NoProof)),
            },
            401 => {
                if answer.is_none() && !raw.offers.iter().any(|offer| scheme(offer).eq_ignore_ascii_case(SCHEME)) {
                    return Err(Cause::Refused(Refusal::NotOffered { offers: offers(&raw) }));
                }
                let told = match answer.and_then(|answer| answer.token) {
                    Some(error) => context.step(error).await.err(),
                    None => None,
                };
                let reason = match told {
                    Some(reason @ (LogonReason::Clock { .. } | LogonReason::TicketRefused { .. })) => reason,
                    Some(_) | None => self.why_kerberos(&raw, is_bound, service),
                };
                let failure = LogonFailure { user: plain(login.user()), reason };
                Err(Cause::Refused(Refusal::Logon(Box::new(failure))))
            }
            status => Err(self.unexpected(status)),
        }
    }

    /// Returns what a server's no to a ticket may mean, from what can be seen from here.
    fn why_kerberos(&self, raw: &Raw, is_bound: Bound, service: &str) -> LogonReason {
        let ahead = raw.date.map(|date| date.duration_since(Timestamp::now()).as_secs());
        if let Some(ahead) = ahead.filter(|ahead| ahead.unsigned_abs() > 240) {
            return LogonReason::Clock { whose: "its clock".to_owned(), ahead_seconds: Some(ahead) };
        }
        let usual = format!("it does not say why; {service} may belong to another account than the one WinRM runs as");
        let why = match (self.connection.certificate().is_some(), is_bound) {
            (true, Bound::Yes) => format!(
                "{usual}, or TLS ends at something between here and the server, so that the channel binding is that of \
                 another certificate"
            ),
            (true, Bound::No) => format!("{usual}, or it demands channel binding, and this logon had none"),
            (false, _) => usual,
        };
        LogonReason::TicketRefused { why }
    }

    fn unexpected(&self, status: u16) -> Cause {
        Cause::Refused(Refusal::Status { status, hint: crate::client::hint(status) })
    }

    /// Sends a token and returns the answer.
    async fn post(&mut self, token: &[u8]) -> Result<Raw, Cause> {
        let mut value = HeaderValue::from_maybe_shared(Bytes::from(format!("{SCHEME} {}", STANDARD.encode(token))))
            .map_err(|error| Cause::NotSent(NotSent::Closed(error.to_string())))?;
        value.set_sensitive(true);
        let request = Request::builder()
            .method(Method::POST)
            .uri("/wsman")
            .header(header::HOST, self.dial.endpoint.authority())
            .header(header::CONTENT_TYPE, "application/soap+xml;charset=UTF-8")
            // The library leaves it out for a body of nothing, and Windows refuses a POST without it (411).
            .header(header::CONTENT_LENGTH, 0)
            .header(header::USER_AGENT, crate::client::USER_AGENT)
            .header(header::AUTHORIZATION, value)
            .body(Full::new(Bytes::new()))
            .map_err(|error| Cause::NotSent(NotSent::Closed(error.to_string())))?;
        self.connection.exchange(self.dial, request).await.map_err(|cause| match cause {
            // No message was on its way: whatever broke, nothing can have happened.
            Cause::Unresolved(lost) => Cause::NotSent(NotSent::LogonBroke {
                address: self.dial.endpoint.connect_to.clone(),
                reason: lost.to_string(),
            }),
            cause @ (Cause::NotSent(_) | Cause::Refused(_)) => cause,
        })
    }
}

/// Says why Kerberos was not tried, and what would have it tried.
fn no_kdc(realm: &str, looked: &str) -> String {
    format!(
        "no KDC of {realm} is known ({looked}); with Kerberos the domain says what is wrong: state `realm` and `kdc` under \
         `access.winrm`, or name the name servers of the domain (`dns: resolvers`)"
    )
}

/// Returns the token in an answer.
fn token(raw: &Raw) -> Option<Vec<u8>> {
    raw.offers.iter().find_map(|offer| {
        let (scheme, token) = offer.trim().split_once(' ')?;
        STANDARD.decode(token.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case(SCHEME))
    })
}

fn scheme(offer: &str) -> &str {
    offer.split_whitespace().next().unwrap_or_default()
}

/// Returns the ways of logging on that a server offers.
pub(crate) fn offers(raw: &Raw) -> String {
    let schemes: Vec<&str> = raw.offers.iter().map(|offer| scheme(offer)).filter(|scheme| !scheme.is_empty()).collect();
    if schemes.is_empty() { "nothing".to_owned() } else { plain(&schemes.join(", ")) }
}

fn failed(login: &Login, reason: LogonReason) -> Cause {
    Cause::NotSent(NotSent::Logon(Box::new(LogonFailure { user: plain(login.user()), reason })))
}

/// Returns a context of NTLM with a password.
fn for_ntlm(login: &Login, bound: Option<Vec<u8>>) -> Context {
    let name = LogonName::parse(login.user());
    let (user, domain) = name.for_ntlm();
    Context::ntlm(user, domain, login.password().unwrap_or_default(), bound)
}

/// Returns an account as the library takes it.
fn for_kerberos(login: &Login, realm: &str) -> Result<CredentialsBuffers, LogonReason> {
    let name = LogonName::parse(login.user());
    match &login.secret {
        Secret::Key(key) => {
            let principal = Username::new_down_level_logon_name(&key.name, realm)
                .map_err(|error| LogonReason::Other(error.to_string()))?;
            let key_enctype = match key.kind {
                17 => CipherSuite::Aes128CtsHmacSha196,
                _ => CipherSuite::Aes256CtsHmacSha196,
            };
            let key = key.bytes.to_vec().into();
            Ok(CredentialsBuffers::Keytab(KeytabIdentity { principal, key, key_enctype }))
        }
        Secret::Password(password) => {
            Ok(CredentialsBuffers::AuthIdentity(AuthIdentityBuffers::from_utf8(name.for_kerberos(), realm, password)))
        }
        Secret::Current | Secret::Nothing => Err(LogonReason::Other("there is no password".to_owned())),
    }
}
