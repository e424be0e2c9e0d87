//! What can go wrong, sorted by what it means for the caller.

use crate::auth::LogonFailure;
use crate::fault::{Fault, FaultClass};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// What is known about a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It never reached the server: sending it again is safe.
    NotSent,
    /// The server did not do it and said why.
    Refused,
    /// It may or may not have happened: look.
    Unknown,
}

/// An operation on a server that failed.
#[derive(Debug, Error)]
#[error("{host}: {operation}{}: {cause}", Object(object))]
pub struct Error {
    /// The server.
    pub host: String,
    /// The operation, such as `Get`.
    pub operation: &'static str,
    /// What it was about, such as `Win32_Service RTCSRV`. May be empty.
    pub object: String,
    /// Why.
    #[source]
    pub cause: Box<Cause>,
}

struct Object<'a>(&'a str);

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        // Of a query, what an operator needs is the class; the conditions fill a screen.
        match self.0.strip_prefix("SELECT ").and_then(|query| query.split_once(" FROM ")) {
            Some((_, from)) => write!(f, " {}", from.split(' ').next().unwrap_or(from)),
            None => write!(f, " {}", self.0),
        }
    }
}

impl Error {
    /// Returns what the failure means for the request.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &*self.cause {
            Cause::NotSent(_) => Outcome::NotSent,
            Cause::Unresolved(_) => Outcome::Unknown,
            Cause::Refused(Refusal::Fault(fault)) => match fault.class() {
                // The server gave up on it, and says nothing of what was done until then.
                FaultClass::TimedOut | FaultClass::Aborted => Outcome::Unknown,
                // A command whose shell is gone may have run to its end; one that found no shell never started.
                FaultClass::LostShell if self.operation != "Command" && self.operation != "Create" => Outcome::Unknown,
                FaultClass::LostShell
                | FaultClass::Quota
                | FaultClass::AccessDenied
                | FaultClass::NotFound
                | FaultClass::FileNotFound
                | FaultClass::BadQuery
                | FaultClass::Malformed
                | FaultClass::LostEnumeration
                | FaultClass::Other => Outcome::Refused,
            },
            Cause::Refused(_) => Outcome::Refused,
        }
    }

    /// Returns the fault that the server answered with, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &*self.cause {
            Cause::Refused(Refusal::Fault(fault)) => Some(fault),
            Cause::Refused(_) | Cause::NotSent(_) | Cause::Unresolved(_) => None,
        }
    }

    /// Returns the class of the fault that the server answered with, if it did.
    #[must_use]
    pub fn fault_class(&self) -> Option<FaultClass> {
        self.fault().map(Fault::class)
    }
}

/// Why an operation failed.
#[derive(Debug, Error)]
pub enum Cause {
    /// It never reached the server.
    #[error("not sent: {0}")]
    NotSent(NotSent),
    /// The server refused it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It was sent, and there is no answer that can be relied on.
    #[error("outcome unknown: {0}")]
    Unresolved(Unresolved),
}

impl Cause {
    /// Adds the status of the answer to a fault in it.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        if let Self::Refused(Refusal::Fault(fault)) = &mut self {
            fault.http_status = Some(status);
        }
        self
    }
}

/// What kept a connection from being made. Each system has words of its own for it, and Windows those of its language: what
/// happens every day is told in ours, so that a run reads the same wherever it was made.
struct Told<'a>(&'a std::io::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::io::ErrorKind;
        match self.0.kind() {
            ErrorKind::ConnectionRefused => f.write_str("connection refused"),
            ErrorKind::ConnectionReset => f.write_str("connection reset"),
            ErrorKind::HostUnreachable => f.write_str("no route to host"),
            ErrorKind::NetworkUnreachable => f.write_str("no route to its network"),
            ErrorKind::TimedOut => f.write_str("timed out"),
            _ => self.0.fmt(f),
        }
    }
}

/// Why a request never reached the server.
#[derive(Debug, Error)]
pub enum NotSent {
    /// No TCP connection.
    #[error("cannot connect to {address}: {}", Told(error))]
    Connect {
        /// Where to.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// No TCP connection in time.
    #[error("no connection to {address} within {}", Seconds(*limit))]
    ConnectTimeout {
        /// Where to.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// No TLS, and none the next time: above all a server that is not who it should be.
    #[error("TLS with {address} failed: {reason}")]
    Tls {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection broke while TLS was being agreed on: a server that is just starting does that, and so does one
    /// that has no cipher suite in common with us.
    #[error("the TLS handshake with {address} broke off: {reason}")]
    Handshake {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection broke while we logged on: no message was sent.
    #[error("the logon at {address} broke off: {reason}")]
    LogonBroke {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// The account was refused too often in a row.
    #[error(
        "the account {user} was refused {times} times in a row, last by {server}, and is left alone until {until} so \
         that it is not locked out; {advice}"
    )]
    AccountLeftAlone {
        /// The account.
        user: String,
        /// How often it was refused.
        times: u32,
        /// What refused it last.
        server: String,
        /// Until when.
        until: String,
        /// How to give a new password.
        advice: String,
    },
    /// The account was refused a moment ago, and never let in before.
    #[error(
        "not tried: the account {user} was just refused by {server}, and another try at once would only bring it nearer \
         to being locked out; {advice}"
    )]
    JustRefused {
        /// The account.
        user: String,
        /// What refused it.
        server: String,
        /// How to give a new password.
        advice: String,
    },
    /// The account could not log on.
    #[error("{0}")]
    Logon(Box<LogonFailure>),
    /// A message could not be sealed.
    #[error("the message could not be sealed: {0}")]
    Sealing(String),
    /// The connection closed before the request was written.
    #[error("the connection closed before the request was written: {0}")]
    Closed(String),
}

/// How a server refused a request.
#[derive(Debug, Error)]
pub enum Refusal {
    /// With a fault.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// It did not let us in.
    #[error("HTTP 401: the account {user} was not let in (the server offers {offers}); {hint}")]
    Unauthorized {
        /// The account.
        user: String,
        /// The ways of proving who we are that the server offers.
        offers: String,
        /// What that may mean.
        hint: String,
    },
    /// It does not offer what the plan says.
    #[error(
        "HTTP 401: the server does not offer Negotiate, which NTLM and Kerberos need (it offers {offers}); allow it with \
         `winrm set winrm/config/service/auth @{{Negotiate=\"true\"}}`"
    )]
    NotOffered {
        /// The ways of proving who we are that the server offers.
        offers: String,
    },
    /// It did not take our ticket.
    #[error("HTTP 401: {0}")]
    Logon(Box<LogonFailure>),
    /// It no longer takes a connection that it had let in.
    #[error("HTTP 401 on a connection that was let in before: the server ended the logon; a new one follows")]
    LoggedOff,
    /// It answered with a status and no fault.
    #[error("HTTP {status}: {hint}")]
    Status {
        /// The status.
        status: u16,
        /// What that usually means.
        hint: &'static str,
    },
}

/// Why nobody knows what became of a request.
#[derive(Debug, Error)]
pub enum Unresolved {
    /// The connection was lost.
    #[error("the connection was lost before the answer was complete: {0}")]
    Lost(String),
    /// No answer in time.
    #[error("no answer within {}", Seconds(*.0))]
    Timeout(Duration),
    /// The answer is no XML that we accept.
    #[error("the answer cannot be read: {0}")]
    NotXml(String),
    /// The answer lacks what it must have.
    #[error("the answer has an unexpected shape: {0}")]
    Shape(String),
    /// The answer belongs to another request.
    #[error("the answer belongs to another request: expected RelatesTo {expected}, found {found}")]
    WrongRelation {
        /// The id of our request.
        expected: String,
        /// The id that the answer names.
        found: String,
    },
    /// The answer is too large.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The server failed without saying why.
    #[error(
        "HTTP {0} without a body: WinRM answers so when it wants sealed messages (AllowUnencrypted=false), \
         or when it failed within"
    )]
    Mute(u16),
    /// An answer in the clear to a sealed request.
    #[error(
        "the server, or something between here and it, answered a sealed message in the clear; the answer is not \
         believed, and the connection is given up"
    )]
    NotSealed,
    /// A sealed answer that cannot be trusted.
    #[error("the sealed answer is not believed, and the connection is given up: {0}")]
    Seal(String),
    /// A command did not end in time.
    #[error("the command did not end within {}", Seconds(*.0))]
    CommandTimeout(Duration),
}

/// Why a client could not be made.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The password would travel in the clear.
    #[error("basic is refused over http: the password would travel in the clear; use https")]
    BasicWithoutTls,
    /// A certificate needs TLS.
    #[error("a client certificate is shown by TLS: use https")]
    CertificateWithoutTls,
    /// The client certificate is not usable.
    #[error("the client certificate cannot be used: {0}")]
    ClientCertificate(String),
    /// The keytab is not usable.
    #[error("the keytab cannot be used: {0}")]
    Keytab(String),
    /// A keytab is for Kerberos only.
    #[error("a keytab is for Kerberos: use `auth: kerberos`")]
    KeytabNeedsKerberos,
    /// This system does not prove the logon of the person.
    #[error("{0}")]
    NoCurrent(String),
    /// The name cannot be sent.
    #[error("{0:?} cannot be used as a user name: it is empty, or has a colon or control characters")]
    User(String),
    /// The server has no usable name.
    #[error("{0:?} is not a server name that a certificate can be checked against")]
    Name(String),
    /// The certificate authority is not usable.
    #[error("the certificate authority cannot be used: {0}")]
    Authority(String),
    /// The pin is not usable.
    #[error("{0:?} is not a pin: the SHA-256 of the server's certificate is needed, 64 hexadecimal digits")]
    Pin(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn what_keeps_a_connection_from_being_made_is_told_in_the_same_words_on_every_system() {
        let refused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let error = std::net::TcpStream::connect(refused.unwrap()).unwrap_err();
        let told = NotSent::Connect { address: "fe1.contoso.example:5986".to_owned(), error }.to_string();
        assert_eq!(told, "cannot connect to fe1.contoso.example:5986: connection refused");
        assert_eq!(Told(&ErrorKind::HostUnreachable.into()).to_string(), "no route to host");
        assert_eq!(Told(&std::io::Error::other("odd")).to_string(), "odd");
    }
}
