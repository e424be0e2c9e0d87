//! Whom we trust to be the server.

use crate::error::SetupError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

/// How requests travel.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Over TLS.
    Https(Trust),
    /// Without TLS. Only with sealed messages.
    Http,
}

/// What a server's certificate is checked against. There is no way to check nothing.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The certificate authorities of the machine we run on, and the server's name.
    Platform,
    /// These certificate authorities (PEM) and no other, and the server's name.
    Authority(Arc<[u8]>),
    /// The SHA-256 of each certificate that is accepted. Name and dates are not looked at: the pin says more.
    Pins(Vec<[u8; 32]>),
}

/// What we show to a server by TLS.
#[derive(Clone)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl ClientCertificate {
    /// Reads a certificate, with those between it and its authority, and its key from PEM texts.
    ///
    /// # Errors
    /// When one of them holds no such thing.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, SetupError> {
        let wrong = |what: &str| SetupError::ClientCertificate(what.to_owned());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| SetupError::ClientCertificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(wrong("its file holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_none| {
            wrong("its key file holds no private key without a passphrase (`openssl pkey -in KEY -out PLAIN`)")
        })?;
        Ok(Self { chain, key: Arc::new(key) })
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

impl Trust {
    /// Returns trust in the certificate with this SHA-256, in hexadecimal, with or without colons.
    ///
    /// # Errors
    /// When the text is not 64 hexadecimal digits.
    pub fn pin(hex: &str) -> Result<Self, SetupError> {
        Self::pins([hex])
    }

    /// Returns trust in the certificates with these SHA-256, as in [`Self::pin`].
    ///
    /// # Errors
    /// When one of the texts is not 64 hexadecimal digits, or there is none.
    pub fn pins<'a>(pins: impl IntoIterator<Item = &'a str>) -> Result<Self, SetupError> {
        let pins: Vec<_> = pins.into_iter().map(digest).collect::<Result<_, _>>()?;
        if pins.is_empty() { Err(SetupError::Pin(String::new())) } else { Ok(Self::Pins(pins)) }
    }

    /// Returns the TLS settings that check for this. Those of the platform are made once: they hold every authority
    /// that the machine trusts, and a pool may have thousands of servers.
    pub(crate) fn settings(&self, shown: Option<&ClientCertificate>) -> Result<Arc<ClientConfig>, SetupError> {
        static PLATFORM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        match (self, shown) {
            (Self::Platform, None) => match PLATFORM.get() {
                Some(made) => Ok(made.clone()),
                None => self.make(None).map(|made| PLATFORM.get_or_init(|| Arc::new(made)).clone()),
            },
            (Self::Platform | Self::Authority(_) | Self::Pins(_), _) => self.make(shown).map(Arc::new),
        }
    }

    fn make(&self, shown: Option<&ClientCertificate>) -> Result<ClientConfig, SetupError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(SetupError::Tls)?;
        // Each of these verifiers checks as its library or its pins say: none lets everything pass.
        let builder = builder.dangerous().with_custom_certificate_verifier(self.verifier()?);
        match shown {
            None => Ok(builder.with_no_client_auth()),
            Some(shown) => builder
                .with_client_auth_cert(shown.chain.clone(), shown.key.clone_key())
                .map_err(|error| SetupError::ClientCertificate(error.to_string())),
        }
    }

    /// Returns what checks certificates for this.
    pub(crate) fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, SetupError> {
        let provider = || Arc::new(ring::default_provider());
        match self {
            Self::Platform => Ok(Arc::new(Verifier::new(provider()).map_err(SetupError::Tls)?)),
            Self::Authority(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| SetupError::Authority(error.to_string()))?;
                    roots.add(certificate).map_err(|error| SetupError::Authority(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(SetupError::Authority("it holds no certificate".to_owned()));
                }
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
                    .build()
                    .map_err(|error| SetupError::Authority(error.to_string()))?;
                Ok(verifier)
            }
            Self::Pins(pins) => Ok(Arc::new(KeyProven::new(Pinned(pins.clone())))),
        }
    }
}

/// Reads the SHA-256 of a certificate as people write it.
fn digest(hex: &str) -> Result<[u8; 32], SetupError> {
    let digits: String = hex.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let wrong = || SetupError::Pin(crate::text::plain(hex));
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(wrong());
    }
    let mut pin = [0; 32];
    for (byte, at) in pin.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_not_hex| wrong())?;
    }
    Ok(pin)
}

/// What a server shows by TLS, to be judged.
pub(crate) struct Presented<'a> {
    pub(crate) own: &'a CertificateDer<'a>,
    pub(crate) between: &'a [CertificateDer<'a>],
    pub(crate) name: &'a ServerName<'a>,
    pub(crate) ocsp: &'a [u8],
    pub(crate) now: UnixTime,
}

/// Says whether a certificate is one to trust.
pub(crate) trait Judge: fmt::Debug + Send + Sync {
    fn judge(&self, shown: &Presented<'_>) -> Result<ServerCertVerified, rustls::Error>;
}

/// A judgement on certificates of our own, with the half that nobody judges otherwise: the server has to prove that it holds
/// the key of what it shows.
#[derive(Debug)]
pub(crate) struct KeyProven<J> {
    pub(crate) by: J,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl<J: Judge> KeyProven<J> {
    pub(crate) fn new(by: J) -> Self {
        Self { by, provider: Arc::new(ring::default_provider()) }
    }
}

impl<J: Judge> ServerCertVerifier for KeyProven<J> {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.by.judge(&Presented { own, between, name, ocsp, now })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts some certificates and no other.
#[derive(Debug)]
struct Pinned(Vec<[u8; 32]>);

impl Judge for Pinned {
    fn judge(&self, shown: &Presented<'_>) -> Result<ServerCertVerified, rustls::Error> {
        let found = Sha256::digest(shown.own.as_ref());
        if self.0.iter().any(|pin| found.as_slice() == pin) {
            return Ok(ServerCertVerified::assertion());
        }
        let expected: Vec<String> = self.0.iter().map(|pin| hex(pin)).collect();
        let (which, expected, found) = if expected.len() == 1 {
            ("the pinned one", &expected[0], hex(&found))
        } else {
            ("one of those pinned", &expected.join(" or "), hex(&found))
        };
        let text = format!("the certificate is not {which}: expected SHA-256 {expected}, found {found}");
        Err(rustls::Error::General(text))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").map_or_else(|_| String::new(), |()| text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_people_write_them() {
        let plain = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        let colons: Vec<String> = plain.as_bytes().chunks(2).map(|b| String::from_utf8_lossy(b).into_owned()).collect();
        for text in [plain.to_owned(), colons.join(":")] {
            let Trust::Pins(pins) = Trust::pin(&text).unwrap() else { panic!("not a pin") };
            assert_eq!(hex(&pins[0]), plain.to_ascii_lowercase());
        }
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(Trust::pin(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_authority_without_a_certificate_is_refused() {
        let error = Trust::Authority(Arc::from(&b"nothing"[..])).settings(None).unwrap_err();
        assert!(matches!(error, SetupError::Authority(_)));
    }
}
