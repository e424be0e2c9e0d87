//! The security interface of Windows (SSPI): tokens and seals are made by the system, which keeps the secrets.
#![expect(unsafe_code, reason = "the security interface of Windows has no safe calls")]

use super::{Package, Start};
use crate::auth::binding;
use crate::auth::failure::LogonReason;
use crate::auth::seal::Sealed;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{
    SEC_E_BUFFER_TOO_SMALL, SEC_E_LOGON_DENIED, SEC_E_NO_AUTHENTICATING_AUTHORITY, SEC_E_NO_CREDENTIALS, SEC_E_OK,
    SEC_E_OUT_OF_SEQUENCE, SEC_E_TARGET_UNKNOWN, SEC_E_TIME_SKEW, SEC_E_WRONG_PRINCIPAL, SEC_I_CONTINUE_NEEDED,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    AcquireCredentialsHandleW, DecryptMessage, DeleteSecurityContext, EncryptMessage, FreeCredentialsHandle,
    GetUserNameExW, ISC_REQ_CONFIDENTIALITY, ISC_REQ_INTEGRITY, ISC_REQ_MUTUAL_AUTH, ISC_REQ_REPLAY_DETECT,
    ISC_REQ_SEQUENCE_DETECT, ISC_RET_CONFIDENTIALITY, ISC_RET_INTEGRITY, ISC_RET_MUTUAL_AUTH,
    InitializeSecurityContextW, NameSamCompatible, QueryContextAttributesW, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_DATA,
    SECBUFFER_PADDING, SECBUFFER_TOKEN, SECBUFFER_VERSION, SECPKG_ATTR_SIZES, SECPKG_CRED_OUTBOUND,
    SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc, SecPkgContext_Sizes,
};
use windows_sys::Win32::Security::Credentials::SecHandle;

const NOTHING: SecHandle = SecHandle { dwLower: 0, dwUpper: 0 };

/// As long as a token of Windows can be.
const TOKEN: usize = 65_536;

/// More than the token of a sealed message has.
const MOST_TOKEN: usize = 256;

/// What every context is asked for.
const WANTED: u32 =
    ISC_REQ_MUTUAL_AUTH | ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_SEQUENCE_DETECT | ISC_REQ_REPLAY_DETECT;

pub(super) const WHY_NOT: Option<&str> = None;

pub(super) const WHY_NO_NTLM: Option<&str> = None;

/// The logon, for one way of proving it.
struct Logon(SecHandle);

impl Drop for Logon {
    fn drop(&mut self) {
        // SAFETY: the handle was given to us, and is given back once.
        let _status = unsafe { FreeCredentialsHandle(&raw const self.0) };
    }
}

/// A context that the system makes.
pub(super) struct Context {
    // Given back before the logon that it was made with.
    made: Option<Made>,
    logon: Logon,
    package: Package,
    service: String,
    target: Vec<u16>,
    binding: Option<Vec<u8>>,
}

struct Made(SecHandle);

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: the handle was given to us, and is given back once.
        let _status = unsafe { DeleteSecurityContext(&raw const self.0) };
    }
}

/// The account of the logon, as `DOMAIN\user`.
pub(super) fn user(_no_file: Option<&[u8]>) -> Result<String, String> {
    let (mut name, mut length) = ([0_u16; 512], 512);
    // SAFETY: the answer goes to a place of ours that has the length that is said.
    if !unsafe { GetUserNameExW(NameSamCompatible, name.as_mut_ptr(), &raw mut length) } {
        return Err(std::io::Error::last_os_error().to_string());
    }
    let length = usize::try_from(length).unwrap_or_default().min(name.len());
    Ok(String::from_utf16_lossy(&name[..length]))
}

impl Context {
    pub(super) fn new(start: Start<'_>) -> Result<Self, LogonReason> {
        let Start { package, service, binding, .. } = start;
        let name = wide(match package {
            Package::Kerberos => "Kerberos",
            Package::Ntlm => "NTLM",
        });
        let (mut logon, mut expires) = (NOTHING, 0);
        // SAFETY: the name ends with a zero, and both answers go to places of ours.
        let status = unsafe {
            AcquireCredentialsHandleW(
                null(),
                name.as_ptr(),
                SECPKG_CRED_OUTBOUND,
                null(),
                null(),
                None,
                null(),
                &raw mut logon,
                &raw mut expires,
            )
        };
        if status != SEC_E_OK {
            return Err(reason(status, service));
        }
        let (service, target) = (service.to_owned(), wide(service));
        Ok(Self { made: None, logon: Logon(logon), package, service, target, binding })
    }

    pub(super) fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        let mut token = token.to_vec();
        let mut bound = self.binding.as_deref().map(binding::as_buffer).unwrap_or_default();
        let mut given = Vec::new();
        if !token.is_empty() {
            given.push(buffer(SECBUFFER_TOKEN, &mut token));
        }
        if !bound.is_empty() {
            given.push(buffer(SECBUFFER_CHANNEL_BINDINGS, &mut bound));
        }
        let given = described(&mut given);
        let mut answer = vec![0; TOKEN];
        let mut answers = [buffer(SECBUFFER_TOKEN, &mut answer)];
        let mut answered = described(&mut answers);
        let (mut made, mut has, mut expires) = (NOTHING, 0, 0);
        let before = self.made.as_ref().map_or_else(null, |made| &raw const made.0);
        // SAFETY: the handles are ours, the name ends with a zero, and the buffers have the lengths that they say.
        let status = unsafe {
            InitializeSecurityContextW(
                &raw const self.logon.0,
                before,
                self.target.as_ptr(),
                WANTED,
                0,
                SECURITY_NATIVE_DREP,
                &raw const given,
                0,
                &raw mut made,
                &raw mut answered,
                &raw mut has,
                &raw mut expires,
            )
        };
        if status != SEC_E_OK && status != SEC_I_CONTINUE_NEEDED {
            return Err(reason(status, &self.service));
        }
        if self.made.is_none() {
            self.made = Some(Made(made));
        }
        if status == SEC_E_OK {
            self.complete(has)?;
        }
        answer.truncate(length(&answers[0]));
        Ok(answer)
    }

    /// A context without what was asked for is none.
    fn complete(&self, has: u32) -> Result<(), LogonReason> {
        if self.package == Package::Kerberos && has & ISC_RET_MUTUAL_AUTH == 0 {
            return Err(LogonReason::NoProof);
        }
        if has & ISC_RET_CONFIDENTIALITY == 0 || has & ISC_RET_INTEGRITY == 0 {
            return Err(LogonReason::Other("Windows made a logon that cannot seal messages".to_owned()));
        }
        Ok(())
    }

    pub(super) fn seal(&mut self, plain: &[u8]) -> Result<Sealed, String> {
        let made = self.made()?;
        let mut sizes = SecPkgContext_Sizes::default();
        // SAFETY: the handle is ours, and the answer goes to a place of ours of the kind that is asked for.
        let status = unsafe { QueryContextAttributesW(made, SECPKG_ATTR_SIZES, (&raw mut sizes).cast()) };
        if status != SEC_E_OK {
            return Err(told(status));
        }
        let stated = usize::try_from(sizes.cbSecurityTrailer).unwrap_or_default();
        // Blocks of one byte are always full.
        let padding = usize::try_from(sizes.cbBlockSize).ok().filter(|&block| block > 1).unwrap_or_default();
        // Some say less than they need; the call that finds too little room has sealed nothing.
        let sealed = match sealed(made, plain, (stated, padding)) {
            Err(SEC_E_BUFFER_TOO_SMALL) => sealed(made, plain, (MOST_TOKEN, padding)),
            other => other,
        };
        match sealed {
            Ok((_, 1..)) if self.package == Package::Kerberos => {
                Err("its ticket is of a kind (RC4) that is not used here".to_owned())
            }
            Ok((sealed, _)) => Ok(sealed),
            Err(status) => Err(told(status)),
        }
    }

    pub(super) fn unseal(&mut self, sealed: Sealed) -> Result<Vec<u8>, String> {
        let made = self.made()?;
        let Sealed { mut token, mut data } = sealed;
        let mut buffers = [buffer(SECBUFFER_TOKEN, &mut token), buffer(SECBUFFER_DATA, &mut data)];
        let message = described(&mut buffers);
        let mut quality = 0;
        // SAFETY: the handle is ours, and the buffers have the lengths that they say.
        let status = unsafe { DecryptMessage(made, &raw const message, 0, &raw mut quality) };
        match status {
            SEC_E_OK if quality == 0 => {}
            SEC_E_OK => return Err("it is signed, not sealed".to_owned()),
            SEC_E_OUT_OF_SEQUENCE => {
                return Err("it is not the next in the order: it was repeated, or one before it is missing".to_owned());
            }
            status => return Err(told(status)),
        }
        let found = buffers[1];
        // The text may begin further on in the same place.
        let begin = found.pvBuffer.addr().checked_sub(data.as_ptr().addr());
        let text = begin.and_then(|begin| data.get(begin..)?.get(..length(&found)));
        text.map(<[u8]>::to_vec).ok_or_else(|| "Windows put its text somewhere else".to_owned())
    }

    fn made(&self) -> Result<*const SecHandle, String> {
        self.made.as_ref().map(|made| &raw const made.0).ok_or_else(|| "there is no logon yet".to_owned())
    }
}

/// Seals a message with so much room for the token and for padding, and returns how much padding there is.
fn sealed(made: *const SecHandle, plain: &[u8], room: (usize, usize)) -> Result<(Sealed, usize), i32> {
    let (mut token, mut data, mut padding) = (vec![0; room.0], plain.to_vec(), vec![0; room.1]);
    let mut buffers = [
        buffer(SECBUFFER_TOKEN, &mut token),
        buffer(SECBUFFER_DATA, &mut data),
        buffer(SECBUFFER_PADDING, &mut padding),
    ];
    let message = described(&mut buffers);
    // SAFETY: the handle is one of a context that lives, and the buffers have the lengths that they say.
    let status = unsafe { EncryptMessage(made, 0, &raw const message, 0) };
    if status != SEC_E_OK {
        return Err(status);
    }
    let lengths = buffers.each_ref().map(length);
    token.truncate(lengths[0]);
    data.truncate(lengths[1]);
    Ok((Sealed { token, data }, lengths[2]))
}

fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    SecBuffer { cbBuffer: length, BufferType: kind, pvBuffer: bytes.as_mut_ptr().cast::<c_void>() }
}

fn described(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    let count = u32::try_from(buffers.len()).unwrap_or_default();
    let first = if buffers.is_empty() { null_mut() } else { buffers.as_mut_ptr() };
    SecBufferDesc { ulVersion: SECBUFFER_VERSION, cBuffers: count, pBuffers: first }
}

fn length(buffer: &SecBuffer) -> usize {
    usize::try_from(buffer.cbBuffer).unwrap_or_default()
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Returns Windows' own words for a status.
fn told(status: i32) -> String {
    let error = std::io::Error::from_raw_os_error(status);
    format!("{} (0x{:08x})", error.to_string().trim(), status.cast_unsigned())
}

fn reason(status: i32, service: &str) -> LogonReason {
    let realm = "the domain of this logon".to_owned();
    match status {
        SEC_E_NO_CREDENTIALS => LogonReason::Credentials(
            "this logon has nothing to prove itself with to other machines: it is not of a domain, or came over the \
             network itself (a second hop)"
                .to_owned(),
        ),
        SEC_E_TARGET_UNKNOWN | SEC_E_WRONG_PRINCIPAL => {
            LogonReason::UnknownService { service: service.to_owned(), realm }
        }
        SEC_E_NO_AUTHENTICATING_AUTHORITY => LogonReason::KdcSilent { realm, tried: told(status) },
        SEC_E_TIME_SKEW => LogonReason::Clock { whose: "the domain's clock".to_owned(), ahead_seconds: None },
        SEC_E_LOGON_DENIED => LogonReason::Credentials(told(status)),
        status => LogonReason::Other(told(status)),
    }
}
