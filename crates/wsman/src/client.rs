//! The client: one server, one connection, one request at a time.

use crate::auth::{Auth, Authenticator, Handshake, Logon, Outgoing, Session, offers};
use crate::config::{Endpoint, Limits, Timeouts};
use crate::connection::{Connection, Dial, Raw};
use crate::credentials::By;
use crate::envelope::{Header, Reply, Sender};
use crate::error::{Cause, Error, NotSent, Outcome, Refusal, SetupError, Unresolved};
use crate::instance::{Identity, Instance};
use crate::names::{CONFIG, cimv2, transfer};
use crate::text::plain;
use crate::tls::Transport;
use crate::xml::{self, Element};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header};
use roxmltree::Node;
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

/// The name of this program in requests.
pub(crate) const USER_AGENT: &str = concat!("orchestrate/", env!("CARGO_PKG_VERSION"));

/// A client of one server. Copies share the connection and wait for each other.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dial: Dial,
    authenticator: Authenticator,
    sender: Sender,
    limits: Limits,
    slot: Mutex<Option<Connection>>,
    /// What goes on when whoever asked for it is gone: shells that are made, and shells that are deleted.
    tasks: TaskTracker,
}

/// One operation, ready to be sent.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) operation: &'static str,
    pub(crate) object: String,
    pub(crate) header: Header,
    pub(crate) body: Option<Element>,
    pub(crate) repeat: Repeat,
}

/// Whether an operation whose outcome is unknown may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes something, or its answer cannot be had twice.
    Never,
    /// It is a question: asked once more on a new connection.
    Once,
}

impl Client {
    /// Returns a client. Nothing is sent before the first operation.
    ///
    /// # Errors
    /// When what is asked for is not available or not safe: see [`SetupError`].
    pub fn new(
        endpoint: Endpoint,
        transport: &Transport,
        auth: &Auth,
        timeouts: Timeouts,
        limits: Limits,
    ) -> Result<Self, SetupError> {
        let authenticator = Authenticator::new(auth, transport)?;
        let (scheme, tls) = match transport {
            Transport::Https(trust) => ("https", Some(trust.settings(auth.certificate())?)),
            Transport::Http => ("http", None),
        };
        let name =
            ServerName::try_from(endpoint.name.clone()).map_err(|_invalid| SetupError::Name(plain(&endpoint.name)))?;
        let sender = Sender::new(endpoint.url(scheme), &timeouts, &limits);
        let dial = Dial { endpoint, name, tls, timeouts, most_bytes: limits.body_bytes() };
        let slot = Mutex::new(None);
        Ok(Self { inner: Arc::new(Inner { dial, authenticator, sender, limits, slot, tasks: TaskTracker::new() }) })
    }

    /// Returns another client of the same server, with a connection of its own.
    #[must_use]
    pub fn second(&self) -> Self {
        let inner = &self.inner;
        let slot = Mutex::new(None);
        let sender = Sender::new(inner.sender.url.clone(), &inner.dial.timeouts, &inner.limits);
        let (dial, authenticator) = (inner.dial.clone(), inner.authenticator.clone());
        Self {
            inner: Arc::new(Inner {
                dial,
                authenticator,
                sender,
                limits: inner.limits,
                slot,
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Waits until every shell that was let go of is deleted, as far as the server lets us. Each of them has its own limit.
    pub async fn settled(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.tasks.reopen();
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Returns the name of the server.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.inner.dial.endpoint.name
    }

    /// Returns whether the server has let the account in and not refused it since.
    #[must_use]
    pub fn is_let_in(&self) -> bool {
        self.inner.authenticator.credentials().is_proven_on(self.host())
    }

    /// Returns how the account was let in on the connection that is open, if one is.
    pub async fn logon(&self) -> Option<Logon> {
        self.inner.slot.lock().await.as_ref().and_then(|connection| connection.logon)
    }

    /// Notes that the server was asked to restart: for a while after that it may refuse an account that it knows.
    pub fn restart_asked(&self) {
        self.inner.authenticator.credentials().restart_asked(self.host());
    }

    /// Returns the limits of this client.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Returns how long the levels may take.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.inner.dial.timeouts
    }

    /// Asks whether WinRM is up. Says nothing about what we are allowed to do.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn identify(&self) -> Result<Identity, Error> {
        let body = Some(Element::new("wsmid:Identify"));
        let header = Header::default();
        let ask = Ask { operation: "Identify", object: String::new(), header, body, repeat: Repeat::Once };
        self.ask(ask, Identity::read).await
    }

    /// Reads one instance of a class in `root/cimv2`. Classes with one instance only take no keys.
    ///
    /// # Errors
    /// When there is no such instance, or no answer.
    pub async fn get(&self, class: &str, keys: &[(&str, &str)]) -> Result<Instance, Error> {
        let mut header = Header::new(transfer("Get"), cimv2(class));
        for (name, value) in keys {
            header = header.selector(name, value);
        }
        let ask = Ask { operation: "Get", object: object(class, keys), header, body: None, repeat: Repeat::Once };
        self.ask(ask, |body| first_element(body).map(Instance::read)).await
    }

    /// Reads the settings of WinRM itself, which administrators may: texts by their path in lower case, such as
    /// `winrs.maxshellsperuser`.
    ///
    /// # Errors
    /// When the server does not tell them, or there is no answer.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>, Error> {
        let (header, object) = (Header::new(transfer("Get"), CONFIG), "winrm/config".to_owned());
        let ask = Ask { operation: "Get", object, header, body: None, repeat: Repeat::Once };
        self.ask(ask, |body| {
            let mut found = BTreeMap::new();
            leaves(first_element(body)?, "", &mut found);
            Ok(found)
        })
        .await
    }

    /// Calls a method of an instance of a class in `root/cimv2` and returns its out-parameters. Never repeated.
    ///
    /// An answer without `ReturnValue` says nothing of what happened; the caller has to look at it.
    ///
    /// # Errors
    /// See [`Error::outcome`]: unless it was refused or not sent, the method may have run.
    pub async fn invoke(
        &self,
        class: &str,
        keys: &[(&str, &str)],
        method: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<Instance, Error> {
        let resource = cimv2(class);
        let inputs: Vec<Element> =
            arguments.iter().map(|(name, value)| Element::new(format!("m:{name}")).text(*value)).collect();
        let body = Element::new(format!("m:{method}_INPUT")).attribute("xmlns:m", &resource).children(inputs);
        let mut header = Header::new(format!("{resource}/{method}"), resource);
        for (name, value) in keys {
            header = header.selector(name, value);
        }
        let object = object(class, keys);
        let ask = Ask { operation: method, object, header, body: Some(body), repeat: Repeat::Never };
        self.ask(ask, |body| {
            let output = first_element(body)?;
            let expected = format!("{method}_OUTPUT");
            if output.tag_name().name() == expected {
                Ok(Instance::read(output))
            } else {
                Err(Unresolved::Shape(format!("expected {expected}, found {}", plain(output.tag_name().name()))))
            }
        })
        .await
    }

    /// Sends one operation and returns what `read` makes of the answer.
    pub(crate) async fn ask<T>(
        &self,
        ask: Ask,
        read: impl Fn(Node<'_, '_>) -> Result<T, Unresolved>,
    ) -> Result<T, Error> {
        let (operation, object, repeat) = (ask.operation, ask.object.clone(), ask.repeat);
        let once = async || {
            let started = Instant::now();
            let cause = self.attempt(&ask, &read).await;
            let result = cause.map_err(|cause| self.error(operation, &object, cause));
            self.trace(operation, &object, started.elapsed(), result.as_ref().err());
            result
        };
        match once().await {
            Err(error) if repeat == Repeat::Once && is_lost(&error) => once().await,
            result => result,
        }
    }

    /// Returns an error of this client.
    pub(crate) fn error(&self, operation: &'static str, object: &str, cause: Cause) -> Error {
        Error { host: self.host().to_owned(), operation, object: object.to_owned(), cause: Box::new(cause) }
    }

    async fn attempt<T>(&self, ask: &Ask, read: &impl Fn(Node<'_, '_>) -> Result<T, Unresolved>) -> Result<T, Cause> {
        let (id, text) = self.inner.sender.envelope(&ask.header, ask.body.clone());
        let raw = self.exchange(Bytes::from(text)).await?;
        let id = (!ask.header.action.is_empty()).then_some(id.as_str());
        let result = self.judge(&raw, id, read);
        if let Err(Cause::Unresolved(_)) = &result {
            // Whatever this server is doing, the next request starts afresh.
            *self.inner.slot.lock().await = None;
        }
        result
    }

    /// Sends a body over the connection, opening one when there is none.
    async fn exchange(&self, body: Bytes) -> Result<Raw, Cause> {
        let inner = &self.inner;
        let mut slot = inner.slot.lock().await;
        // The connection leaves its slot for the time of the exchange: if this future is dropped, so is the connection.
        let version = inner.authenticator.credentials().version();
        let is_usable = |open: &Connection| {
            open.is_open() && open.session.as_ref().is_none_or(|(made_with, _)| *made_with == version)
        };
        if let Some(mut open) = slot.take().filter(is_usable) {
            match self.exchange_on(&mut open, body.clone()).await {
                Ok(raw) => {
                    *slot = Some(open);
                    return Ok(raw);
                }
                // The server closed an idle connection: nothing was sent, so a new one is tried.
                Err(Cause::NotSent(NotSent::Closed(_))) => {}
                Err(cause) => return Err(cause),
            }
        }
        let mut fresh = Connection::open(&inner.dial).await.map_err(Cause::NotSent)?;
        let raw = self.exchange_on(&mut fresh, body).await?;
        *slot = Some(fresh);
        Ok(raw)
    }

    /// Sends a body over an open connection, and notes whether the account was let in. A server that cannot be
    /// reached holds nobody up: the account is only waited for once a connection stands.
    async fn exchange_on(&self, connection: &mut Connection, body: Bytes) -> Result<Raw, Cause> {
        let (dial, credentials) = (&self.inner.dial, self.inner.authenticator.credentials());
        let server = self.host();
        let is_logged_on = |connection: &Connection| {
            connection.session.as_ref().is_some_and(|(_, session)| session.is_of_connection())
        };
        let trial = if is_logged_on(connection) {
            None
        } else {
            Some(credentials.trial(server, &dial.timeouts).await.map_err(Cause::NotSent)?)
        };
        let mut session = match connection.session.take() {
            Some((version, session)) if version == credentials.version() => session,
            Some(_) | None => self.log_on(connection).await?,
        };
        let outgoing = session.outgoing(body).map_err(Cause::NotSent)?;
        let raw = connection.exchange(dial, self.request(outgoing)?).await?;
        let raw = session.incoming(raw)?;
        match raw.status {
            401 if session.is_of_connection() => return Err(Cause::Refused(Refusal::LoggedOff)),
            401 => credentials.refused(server, By::Server),
            200 => credentials.accepted(server),
            500 if raw.is_soap() => credentials.accepted(server),
            // Windows' HTTP service answers with 404, 503 and others before anybody has looked at the account.
            _ => {}
        }
        drop(trial);
        connection.session = Some((credentials.version(), session));
        Ok(raw)
    }

    /// Proves who we are on a connection, and notes whether the account was let in.
    async fn log_on(&self, connection: &mut Connection) -> Result<Session, Cause> {
        let (dial, authenticator) = (&self.inner.dial, &self.inner.authenticator);
        let (server, credentials) = (self.host(), authenticator.credentials());
        // A KDC may be asked three times on the way, each with a limit of its own.
        let limit = dial.timeouts.handshake + dial.timeouts.answer();
        let mut handshake = Handshake { dial, connection };
        let result = timeout(limit, Box::pin(handshake.run(authenticator))).await.unwrap_or_else(|_elapsed| {
            let reason = format!("it was not over within {} s", limit.as_secs_f32());
            let address = dial.endpoint.connect_to.clone();
            Err(Cause::NotSent(NotSent::LogonBroke { address, reason }))
        });
        match &result {
            Ok(session) if session.is_of_connection() => credentials.accepted(server),
            Err(Cause::Refused(Refusal::Unauthorized { .. })) => credentials.refused(server, By::Server),
            Err(Cause::NotSent(NotSent::Logon(failure))) if failure.reason.is_refusal() => {
                credentials.refused(server, By::Domain);
            }
            Ok(_) | Err(_) => {}
        }
        result
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, Cause> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/wsman")
            .header(header::HOST, self.inner.dial.endpoint.authority())
            .header(header::CONTENT_TYPE, outgoing.content_type)
            .header(header::USER_AGENT, USER_AGENT);
        if let Some(proof) = outgoing.proof {
            request = request.header(header::AUTHORIZATION, proof);
        }
        let request = request.body(Full::new(outgoing.body));
        request.map_err(|error| Cause::NotSent(NotSent::Closed(error.to_string())))
    }

    /// Sorts an answer by its status before its body is looked at.
    fn judge<T>(
        &self,
        raw: &Raw,
        id: Option<&str>,
        read: &impl Fn(Node<'_, '_>) -> Result<T, Unresolved>,
    ) -> Result<T, Cause> {
        let credentials = self.inner.authenticator.credentials();
        if raw.status == 401 {
            let hint = "check user, password and rights".to_owned();
            let user = plain(&credentials.user());
            return Err(Cause::Refused(Refusal::Unauthorized { user, offers: offers(raw), hint }));
        }
        match raw.status {
            200 | 500 if !raw.body.is_empty() => {
                let text = xml::decode(&raw.body, raw.content_type.as_deref()).map_err(Cause::Unresolved)?;
                Reply::read(&text, id, read).map_err(|cause| cause.with_status(raw.status))
            }
            status @ (200 | 500) => Err(Cause::Unresolved(Unresolved::Mute(status))),
            status @ 400..500 => Err(Cause::Refused(Refusal::Status { status, hint: hint(status) })),
            503 => Err(Cause::Refused(Refusal::Status { status: 503, hint: hint(503) })),
            status => Err(Cause::Unresolved(Unresolved::Shape(format!("HTTP {status}")))),
        }
    }

    fn trace(&self, operation: &str, object: &str, took: Duration, error: Option<&Error>) {
        let host = self.host();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match error {
            None => tracing::debug!(host, operation, object, took_ms, outcome = "answered", "wsman"),
            Some(error) => {
                let outcome = match error.outcome() {
                    Outcome::NotSent => "not sent",
                    Outcome::Refused => "refused",
                    Outcome::Unknown => "unknown",
                };
                let code = error.fault().and_then(|fault| fault.provider_code.or(fault.code));
                tracing::debug!(host, operation, object, took_ms, outcome, code, cause = %error.cause, "wsman");
            }
        }
    }
}

/// Whether the answer got lost on the way, as opposed to a server that is slow or says something odd.
fn is_lost(error: &Error) -> bool {
    matches!(&*error.cause, Cause::Unresolved(Unresolved::Lost(_)))
}

pub(crate) fn hint(status: u16) -> &'static str {
    match status {
        403 => "not allowed; is the address of this machine let in?",
        404 => "nothing answers under /wsman; WinRM may be starting",
        413 => "the request is larger than the server allows (MaxEnvelopeSizekb)",
        503 => "WinRM is not available; it may be starting",
        _ => "the request was not accepted",
    }
}

fn object(class: &str, keys: &[(&str, &str)]) -> String {
    let values: Vec<&str> = keys.iter().map(|(_, value)| *value).collect();
    plain(&format!("{class} {}", values.join(" ")))
}

/// Collects the texts of the elements that hold no other, by the names on the way to them.
fn leaves(node: Node<'_, '_>, path: &str, found: &mut BTreeMap<String, String>) {
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name().to_ascii_lowercase();
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        if child.children().any(|inner| inner.is_element()) {
            leaves(child, &path, found);
        } else {
            found.insert(path, plain(&xml::text(child)));
        }
    }
}

fn first_element<'a, 'i>(body: Node<'a, 'i>) -> Result<Node<'a, 'i>, Unresolved> {
    let found = body.children().find(Node::is_element);
    found.ok_or_else(|| Unresolved::Shape("the body is empty".to_owned()))
}
