//! Certificates of a lab: an authority made at the start, and one certificate per server. They end with the lab.

use crate::LabError;
use orchestrate_model::ServerName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// The authority of a lab.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Makes an authority.
    pub(crate) fn new() -> Result<Self, LabError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "orchestrate lab, throw-away authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(LabError::Certificate)?;
        let certificate = params.self_signed(&key).map_err(LabError::Certificate)?;
        Ok(Self { pem: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// Returns the authority's certificate, for clients to trust.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns what a server needs to speak TLS in its own name.
    pub(crate) fn server(&self, name: &ServerName) -> Result<Arc<ServerConfig>, LabError> {
        let names = [name.as_str().to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).map_err(LabError::Certificate)?;
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(LabError::Certificate)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(LabError::Certificate)?;
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(LabError::Tls)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)
            .map_err(LabError::Tls)?;
        Ok(Arc::new(config))
    }
}
