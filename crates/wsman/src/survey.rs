//! What answers at a port, found out without an account: the certificate that TLS shows, and the ways of logging on that
//! are offered.
//!
//! The certificate is looked at whatever it is, since it is what is asked about. Nothing is sent but a request without a
//! body and without any proof of who asks, and the connection is closed after it.

use crate::client::USER_AGENT;
use crate::config::{Endpoint, Limits, Timeouts};
use crate::connection::{Connection, Dial};
use crate::error::{Cause, NotSent, SetupError};
use crate::text::plain;
use crate::tls::{Judge, KeyProven, Presented, Transport, hex};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use picky_asn1_x509::extension::ExtensionView;
use picky_asn1_x509::validity::Time;
use picky_asn1_x509::{Certificate as Read, GeneralName};
use rustls::ClientConfig;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// What answers at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The HTTP status of a request without proof of who asks. WinRM answers with 401.
    pub status: u16,
    /// The ways of logging on that are offered, in the order of the answer.
    pub offers: Vec<String>,
    /// What the server's clock says, to a second.
    pub date: Option<Timestamp>,
    /// TLS, where it is spoken.
    pub tls: Option<Shown>,
}

/// What TLS shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Version and cipher suite.
    pub agreed: String,
    /// The certificates, the server's own first.
    pub chain: Vec<Certificate>,
    /// Why a connection that trusts as things are set would be refused, if it would be.
    pub distrust: Option<String>,
}

/// A certificate as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The host names and addresses in it.
    pub names: Vec<String>,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when it holds.
    pub until: Timestamp,
    /// Its SHA-256 in hexadecimal, which pins it.
    pub sha256: String,
}

/// Why nothing answers at a port that speaks HTTP.
#[derive(Debug, Error)]
pub enum Unanswered {
    /// There was nothing to ask with.
    #[error("{0}")]
    Setup(String),
    /// The request did not leave. Where to is known to whoever asks, and would make the same cause of two servers two.
    #[error("{}", without_address(.0))]
    NotSent(NotSent),
    /// What came back is not HTTP, or nothing came back.
    #[error("{0}")]
    Odd(String),
}

fn without_address(why: &NotSent) -> String {
    match why {
        NotSent::Connect { error, .. } => format!("cannot connect: {error}"),
        NotSent::ConnectTimeout { limit, .. } => format!("no connection within {} s", limit.as_secs()),
        other => other.to_string(),
    }
}

/// Finds out what answers at an endpoint. `transport` says whether there is TLS, and whom a connection would trust.
///
/// # Errors
/// Nothing answers there that speaks HTTP.
pub async fn survey(endpoint: &Endpoint, transport: &Transport, timeouts: Timeouts) -> Result<Survey, Unanswered> {
    let setup = |error: SetupError| Unanswered::Setup(error.to_string());
    let name = ServerName::try_from(endpoint.name.clone());
    let name = name.map_err(|_invalid| setup(SetupError::Name(plain(&endpoint.name))))?;
    let (tls, seen) = match transport {
        Transport::Https(trust) => {
            let look = Look::new(trust.verifier().map_err(|error| error.to_string()));
            let seen = Arc::new(KeyProven::new(look));
            (Some(Arc::new(settings(seen.clone()).map_err(setup)?)), Some(seen))
        }
        Transport::Http => (None, None),
    };
    let most_bytes = Limits::default().body_bytes();
    let dial = Dial { endpoint: endpoint.clone(), name, tls, timeouts, most_bytes };
    let mut connection = Connection::open(&dial).await.map_err(Unanswered::NotSent)?;
    let agreed = connection.agreed().unwrap_or_default().to_owned();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/wsman")
        .header(header::HOST, dial.endpoint.authority())
        .header(header::CONTENT_TYPE, "application/soap+xml;charset=UTF-8")
        .header(header::CONTENT_LENGTH, 0)
        .header(header::USER_AGENT, USER_AGENT)
        .body(Full::new(Bytes::new()))
        .map_err(|error| Unanswered::Setup(error.to_string()))?;
    let raw = connection.exchange(&dial, request).await.map_err(|cause| match cause {
        Cause::NotSent(why) => Unanswered::NotSent(why),
        Cause::Unresolved(why) => Unanswered::Odd(why.to_string()),
        Cause::Refused(why) => Unanswered::Odd(why.to_string()),
    })?;
    let offers = raw.offers.iter().map(|offer| plain(offer.split_whitespace().next().unwrap_or_default()));
    let tls = seen.map(|seen| seen.by.shown(agreed));
    Ok(Survey { status: raw.status, offers: offers.filter(|offer| !offer.is_empty()).collect(), date: raw.date, tls })
}

fn settings(seen: Arc<KeyProven<Look>>) -> Result<ClientConfig, SetupError> {
    let builder = ClientConfig::builder_with_provider(seen.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(seen).with_no_client_auth())
}

/// Lets every certificate pass, and keeps it with what a verifier in earnest says of it.
#[derive(Debug)]
struct Look {
    in_earnest: Result<Arc<dyn ServerCertVerifier>, String>,
    found: Mutex<(Vec<CertificateDer<'static>>, Option<String>)>,
}

impl Look {
    fn new(in_earnest: Result<Arc<dyn ServerCertVerifier>, String>) -> Self {
        Self { in_earnest, found: Mutex::default() }
    }

    fn shown(&self, agreed: String) -> Shown {
        let (chain, distrust) = &*self.found.lock().unwrap_or_else(PoisonError::into_inner);
        Shown { agreed, chain: chain.iter().map(|bytes| certificate(bytes)).collect(), distrust: distrust.clone() }
    }
}

impl Judge for Look {
    fn judge(&self, shown: &Presented<'_>) -> Result<ServerCertVerified, rustls::Error> {
        let said = match &self.in_earnest {
            Ok(verifier) => verifier
                .verify_server_cert(shown.own, shown.between, shown.name, shown.ocsp, shown.now)
                .err()
                .map(|error| plain(&error.to_string())),
            Err(why) => Some(why.clone()),
        };
        let chain = std::iter::once(shown.own).chain(shown.between);
        let chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = (chain, said);
        Ok(ServerCertVerified::assertion())
    }
}

/// Reads a certificate. What cannot be read of it is empty; its hash is that of its bytes, whatever they are.
fn certificate(bytes: &[u8]) -> Certificate {
    let sha256 = hex(&Sha256::digest(bytes));
    let Ok(read) = picky_asn1_der::from_bytes::<Read>(bytes) else {
        let (none, from) = (String::new(), Timestamp::UNIX_EPOCH);
        return Certificate { subject: none.clone(), issuer: none, names: Vec::new(), from, until: from, sha256 };
    };
    let extensions = read.extensions().iter();
    let names = extensions.filter_map(|extension| match extension.extn_value() {
        ExtensionView::SubjectAltName(names) => Some(names.0),
        _ => None,
    });
    let names = names.flatten().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(plain(name.0.as_utf8())),
        GeneralName::IpAddress(bytes) => address(&bytes.0),
        _ => None,
    });
    let body = &read.tbs_certificate;
    Certificate {
        subject: plain(&body.subject.to_string()),
        issuer: plain(&body.issuer.to_string()),
        names: names.collect(),
        from: time(&body.validity.not_before),
        until: time(&body.validity.not_after),
        sha256,
    }
}

/// Returns a point in time, which certificates have in UTC.
fn time(time: &Time) -> Timestamp {
    let (year, rest) = match time {
        Time::Utc(at) => (at.0.year(), [at.0.month(), at.0.day(), at.0.hour(), at.0.minute(), at.0.second()]),
        Time::Generalized(at) => (at.0.year(), [at.0.month(), at.0.day(), at.0.hour(), at.0.minute(), at.0.second()]),
    };
    let small = |number: u8| i8::try_from(number).unwrap_or_default();
    let [month, day, hour, minute, second] = rest.map(small);
    let year = i16::try_from(year).unwrap_or_default();
    let civil = DateTime::new(year, month, day, hour, minute, second, 0);
    let at = civil.and_then(|civil| civil.to_zoned(TimeZone::UTC));
    at.map_or(Timestamp::UNIX_EPOCH, |at| at.timestamp())
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn a_certificate_is_read_with_its_names_and_its_pin() {
        let names = ["fe1.contoso.example".to_owned(), "192.0.2.11".to_owned()];
        let made = CertificateParams::new(names.to_vec()).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = certificate(made.der());
        assert_eq!(read.names, names);
        assert_eq!(read.subject, read.issuer);
        assert_eq!(read.sha256, hex(&Sha256::digest(made.der())));
        assert!(read.from < read.until);
        let odd = certificate(b"no certificate");
        assert_eq!((odd.subject.as_str(), odd.sha256.len()), ("", 64));
    }
}
