//! A security context: the tokens that make it, and the messages that it seals and unseals.

use crate::auth::UsedMechanism;
use crate::auth::binding;
use crate::auth::current::{CurrentContext, Package, Start};
use crate::auth::der;
use crate::auth::failure::LogonReason;
use crate::auth::kdc::{self, KerberosError};
use crate::auth::seal::Sealed;
use crate::text::plain;
use jiff::Timestamp;
use picky_krb::crypto::CipherSuite;
use sspi::generator::{GeneratorInitSecurityContext, GeneratorState};
use sspi::kerberos::Kerberos;
use sspi::{
    AuthIdentityBuffers, BufferType, ClientRequestFlags, CredentialsBuffers, DataRepresentation, EncryptionFlags,
    KerberosConfig, Ntlm, SecurityBuffer, SecurityBufferRef, SecurityStatus, Sspi, SspiImpl,
};

/// The security header of a sealed NTLM message.
const NTLM_HEADER: usize = 16;
/// The part of a sealed Kerberos message that Windows calls its security header.
const KERBEROS_HEADER: usize = 60;
/// The header of a Kerberos message that stays readable (RFC 4121, 4.2.6.2).
const WRAP_HEADER: usize = 16;
/// The number of the key that a server seals with (RFC 4121, 2).
const ACCEPTOR_SEAL: i32 = 22;

/// What every context is asked for.
fn requirements() -> ClientRequestFlags {
    ClientRequestFlags::MUTUAL_AUTH
        | ClientRequestFlags::CONFIDENTIALITY
        | ClientRequestFlags::INTEGRITY
        | ClientRequestFlags::SEQUENCE_DETECT
        | ClientRequestFlags::REPLAY_DETECT
}

/// A context in the making or made.
#[derive(Debug)]
pub(crate) enum Context {
    /// NTLM, version 2 only.
    Ntlm(Box<NtlmContext>),
    /// Kerberos with AES keys.
    Kerberos(Box<KerberosContext>),
    /// One of both, with the logon of this process.
    Current(Box<CurrentContext>),
}

/// A context of NTLM.
#[derive(Debug)]
pub(crate) struct NtlmContext {
    ntlm: Ntlm,
    credentials: Option<AuthIdentityBuffers>,
    binding: Option<Vec<u8>>,
}

/// What a context of Kerberos is made with.
pub(crate) struct KerberosStart {
    /// The account.
    pub(crate) credentials: CredentialsBuffers,
    /// Its realm.
    pub(crate) realm: String,
    /// The KDCs of the realm.
    pub(crate) kdcs: Vec<String>,
    /// The service that a ticket is wanted for.
    pub(crate) service: String,
    /// The binding to a TLS connection.
    pub(crate) binding: Option<Vec<u8>>,
}

/// A context of Kerberos.
pub(crate) struct KerberosContext {
    kerberos: Kerberos,
    credentials: Option<CredentialsBuffers>,
    realm: String,
    kdcs: Vec<String>,
    service: String,
    binding: Option<Vec<u8>>,
    /// The number that the next message of the server has to carry, once one was seen.
    next_sequence: Option<u64>,
}

impl std::fmt::Debug for KerberosContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KerberosContext").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Context {
    /// Returns a context of NTLM for an account.
    pub(crate) fn ntlm(user: &str, domain: &str, password: &str, binding: Option<Vec<u8>>) -> Self {
        let credentials = Some(AuthIdentityBuffers::from_utf8(user, domain, password));
        Self::Ntlm(Box::new(NtlmContext { ntlm: Ntlm::new(), credentials, binding }))
    }

    /// Returns a context of Kerberos.
    pub(crate) fn kerberos(start: KerberosStart) -> Result<Self, LogonReason> {
        let KerberosStart { credentials, realm, kdcs, service, binding } = start;
        // The library names a KDC in each of its requests; they are sent where `kdcs` says.
        let config = KerberosConfig::new_with_kdc_url("tcp://kdc.invalid:88", "orchestrate".to_owned());
        let kerberos = Kerberos::new_client_from_config(config).map_err(|error| other(&error))?;
        let credentials = Some(credentials);
        let context = KerberosContext { kerberos, credentials, realm, kdcs, service, binding, next_sequence: None };
        Ok(Self::Kerberos(Box::new(context)))
    }

    /// Returns a context with the logon of this process.
    pub(crate) fn current(start: Start<'_>) -> Result<Self, LogonReason> {
        Ok(Self::Current(Box::new(CurrentContext::new(start)?)))
    }

    /// Returns by what the context is made.
    pub(crate) fn mechanism(&self) -> UsedMechanism {
        match self {
            Self::Ntlm(_) => UsedMechanism::Ntlm,
            Self::Kerberos(_) => UsedMechanism::Kerberos,
            Self::Current(context) => match context.package {
                Package::Ntlm => UsedMechanism::Ntlm,
                Package::Kerberos => UsedMechanism::Kerberos,
            },
        }
    }

    /// Takes what the server said, which is nothing before the first token, and returns what it is to be told.
    pub(crate) async fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        match self {
            Self::Ntlm(context) => context.step(token),
            Self::Kerberos(context) => Box::pin(context.step(token)).await,
            Self::Current(context) => context.step(token).await,
        }
    }

    /// Seals a message.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<Sealed, String> {
        match self {
            Self::Ntlm(context) => seal(&mut context.ntlm, NTLM_HEADER, plain),
            Self::Kerberos(context) => seal(&mut context.kerberos, KERBEROS_HEADER, plain),
            Self::Current(context) => context.seal(plain),
        }
    }

    /// Returns what is in a sealed message, after its signature and its place in the order were checked.
    pub(crate) fn unseal(&mut self, sealed: Sealed) -> Result<Vec<u8>, String> {
        match self {
            Self::Ntlm(context) => context.unseal(sealed),
            Self::Kerberos(context) => context.unseal(&sealed),
            Self::Current(context) => context.unseal(sealed),
        }
    }
}

fn seal(library: &mut impl Sspi, header: usize, plain: &[u8]) -> Result<Sealed, String> {
    let (mut token, mut data) = (vec![0; header], plain.to_vec());
    let mut buffers = [SecurityBufferRef::token_buf(&mut token), SecurityBufferRef::data_buf(&mut data)];
    match library.encrypt_message(EncryptionFlags::empty(), &mut buffers) {
        Ok(SecurityStatus::Ok) => Ok(Sealed { token, data }),
        Ok(_other) => Err("the security library did not seal the message".to_owned()),
        Err(error) => Err(plain_error(&error)),
    }
}

impl NtlmContext {
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        let mut input = input(token, self.binding.as_deref());
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .ntlm
            .initialize_security_context()
            .with_credentials_handle(&mut self.credentials)
            .with_context_requirements(requirements())
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        let mut work =
            SspiImpl::initialize_security_context_impl(&mut self.ntlm, &mut builder).map_err(|error| other(&error))?;
        let done = work.resolve_to_result().map_err(|error| other(&error));
        drop(work);
        done?;
        let [token] = output;
        Ok(token.buffer)
    }

    fn unseal(&mut self, sealed: Sealed) -> Result<Vec<u8>, String> {
        let Sealed { mut token, mut data } = sealed;
        if token.len() != NTLM_HEADER {
            return Err(format!("its security header has {} bytes instead of {NTLM_HEADER}", token.len()));
        }
        let mut buffers = [SecurityBufferRef::token_buf(&mut token), SecurityBufferRef::data_buf(&mut data)];
        // The signature covers the number of the message: one that is left out or comes twice is found too.
        self.ntlm.decrypt_message(&mut buffers).map_err(|_altered| {
            "its signature is wrong: it was changed on the way, or it is not the next in the order".to_owned()
        })?;
        Ok(data)
    }
}

impl KerberosContext {
    async fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        if let Some(error) = error_in(token) {
            return Err(error.of_server(&self.service));
        }
        let Self { kerberos, credentials, realm, kdcs, service, binding, .. } = self;
        let mut input = input(token, None);
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = kerberos
            .initialize_security_context()
            .with_credentials_handle(credentials)
            .with_context_requirements(requirements())
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name(service)
            .with_input(&mut input)
            .with_output(&mut output);
        let work = SspiImpl::initialize_security_context_impl(kerberos, &mut builder).map_err(|error| other(&error))?;
        resolve(work, &Asked { realm, kdcs, service }).await?;
        let [mut first] = output;
        if let Some(bound) = binding.take() {
            // Before the server has answered, the key of the context is that of the ticket.
            let key = kerberos.query_context_session_key().map_err(|error| other(&error))?.session_key;
            binding::into_ticket(&mut first.buffer, key.as_ref(), &bound)
                .ok_or_else(|| LogonReason::Other("the channel binding could not be put into the ticket".to_owned()))?;
        }
        Ok(first.buffer)
    }

    /// Unseals a message by RFC 4121. The library does not look at the order of messages, and would take one that is
    /// signed but readable; so this is done here, with its cipher and its key.
    fn unseal(&mut self, sealed: &Sealed) -> Result<Vec<u8>, String> {
        let whole = [sealed.token.as_slice(), &sealed.data].concat();
        let wrong = |what: &str| what.to_owned();
        let (header, body) = whole.split_first_chunk::<WRAP_HEADER>().ok_or_else(|| wrong("it is cut off"))?;
        let [0x05, 0x04, flags, 0xff, extra_high, extra_low, rotated_high, rotated_low, sequence @ ..] = *header else {
            return Err(wrong("it is no sealed message of Kerberos"));
        };
        let (from_server, is_sealed) = (flags & 1 != 0, flags & 2 != 0);
        if !from_server || !is_sealed {
            return Err(wrong("it is not sealed, or not by the server"));
        }
        let [extra, rotated] = [[extra_high, extra_low], [rotated_high, rotated_low]].map(u16::from_be_bytes);
        let sequence = u64::from_be_bytes(sequence);
        if self.next_sequence.is_some_and(|expected| expected != sequence) {
            return Err(wrong("it is not the next in the order: it was repeated, or one before it is missing"));
        }
        let mut body = body.to_vec();
        let turn = usize::from(rotated) % body.len().max(1);
        body.rotate_left(turn);
        let key = self.kerberos.query_context_session_key().map_err(|error| plain_error(&error))?.session_key;
        let suite = match key.as_ref().len() {
            32 => CipherSuite::Aes256CtsHmacSha196,
            16 => CipherSuite::Aes128CtsHmacSha196,
            _ => return Err(wrong("its key is of a kind that is not used here")),
        };
        let decrypt = |body: &[u8]| suite.cipher().decrypt(key.as_ref(), ACCEPTOR_SEAL, body);
        // Windows turns a message by the padding as well when there is some.
        let text = decrypt(&body).or_else(|_altered| {
            let length = body.len().max(1);
            body.rotate_left(usize::from(extra) % length);
            decrypt(&body)
        });
        let mut text = text.map_err(|_altered| wrong("its signature is wrong: it was changed on the way"))?;
        let end = text.len().checked_sub(WRAP_HEADER + usize::from(extra)).ok_or_else(|| wrong("it is cut off"))?;
        // The header is repeated inside, with no rotation: what can be read outside was not changed.
        let mut inner = *header;
        inner[6..8].fill(0);
        if text[text.len() - WRAP_HEADER..] != inner {
            return Err(wrong("its header was changed on the way"));
        }
        text.truncate(end);
        self.next_sequence = Some(sequence.wrapping_add(1));
        Ok(text)
    }
}

/// What the library's requests are about.
struct Asked<'a> {
    realm: &'a str,
    kdcs: &'a [String],
    service: &'a str,
}

/// Runs a step to its end, carrying its messages to the KDCs and back.
async fn resolve(mut work: GeneratorInitSecurityContext<'_>, asked: &Asked<'_>) -> Result<(), LogonReason> {
    let mut last = None;
    let mut state = work.start();
    loop {
        match state {
            GeneratorState::Suspended(request) => {
                // The first tag of a request says what is asked for: 12 a ticket for a service, 10 a logon.
                let for_service = request.data.get(4) == Some(&0x6c);
                let answer = kdc::exchange(asked.realm, asked.kdcs, &request.data).await?;
                let service = for_service.then_some(asked.service);
                last = KerberosError::read(answer.get(4..).unwrap_or_default(), Timestamp::now())
                    .map(|error| error.reason(asked.realm, service));
                state = work.resume(Ok(answer));
            }
            GeneratorState::Completed(Ok(_)) => return Ok(()),
            GeneratorState::Completed(Err(error)) => return Err(last.unwrap_or_else(|| other(&error))),
        }
    }
}

/// Returns the error in a token, bare or with the header of the mechanism around it.
pub(crate) fn error_in(token: &[u8]) -> Option<KerberosError> {
    let now = Timestamp::now();
    if let Some(error) = KerberosError::read(token, now) {
        return Some(error);
    }
    let inner = der::inside(token, 0x60)?;
    let mut rest = inner;
    der::take(&mut rest)?;
    KerberosError::read(rest.strip_prefix(&[3, 0])?, now)
}

fn input(token: &[u8], bound: Option<&[u8]>) -> Vec<SecurityBuffer> {
    let mut input = vec![SecurityBuffer::new(token.to_vec(), BufferType::Token)];
    if let Some(bound) = bound {
        input.push(SecurityBuffer::new(binding::as_buffer(bound), BufferType::ChannelBindings));
    }
    input
}

fn other(error: &sspi::Error) -> LogonReason {
    LogonReason::Other(plain_error(error))
}

fn plain_error(error: &sspi::Error) -> String {
    match error.error_type {
        // What the library says of a token is about its own types.
        sspi::ErrorKind::InvalidToken => {
            tracing::debug!(error = %plain(&error.description), "a token that cannot be read");
            "the server sent a logon token that cannot be read".to_owned()
        }
        _ => plain(&error.description),
    }
}
