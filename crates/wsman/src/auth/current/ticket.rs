//! The ticket of Kerberos that the person has got (`kinit`), by the system's library: it finds the ticket, asks the domain for
//! one of the server, and makes tokens and seals. Passwords are not seen, and the ticket is not passed on to servers.

use super::{Package, Start, cache};
use crate::auth::context::error_in;
use crate::auth::der;
use crate::auth::failure::LogonReason;
use crate::auth::seal::Sealed;
use crate::text::plain;
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::{Error, MajorFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet};
use libgssapi::util::{GssIov, GssIovType};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

pub(super) const WHY_NOT: Option<&str> = None;

const NO_NTLM: &str = "`auth: ntlm` needs a password, and the ticket of a person has none: write `auth: kerberos`, or other \
                       `credentials`; a ticket never becomes NTLM";

pub(super) const WHY_NO_NTLM: Option<&str> = Some(NO_NTLM);

/// What every context is asked for. The ticket is not delegated: that flag is not among these.
const WANTED: CtxFlags = CtxFlags::GSS_C_MUTUAL_FLAG
    .union(CtxFlags::GSS_C_CONF_FLAG)
    .union(CtxFlags::GSS_C_INTEG_FLAG)
    .union(CtxFlags::GSS_C_SEQUENCE_FLAG)
    .union(CtxFlags::GSS_C_REPLAY_FLAG);

/// The numbers of the library's errors begin here, those of RFC 4120 first.
const ERRORS: i32 = -1_765_328_384;
const ACCOUNT_EXPIRED: i32 = ERRORS + 1;
const NO_SUCH_ACCOUNT: i32 = ERRORS + 6;
const NO_SUCH_SERVICE: i32 = ERRORS + 7;
const AGAINST_POLICY: i32 = ERRORS + 12;
const NO_COMMON_CIPHER: i32 = ERRORS + 14;
const ACCOUNT_REVOKED: i32 = ERRORS + 18;
const PASSWORD_EXPIRED: i32 = ERRORS + 23;
const TICKET_EXPIRED: i32 = ERRORS + 32;
const CLOCKS_DIFFER: i32 = ERRORS + 37;
const NO_KDC_KNOWN: i32 = ERRORS + 154;
const NO_KDC_ANSWERS: i32 = ERRORS + 156;

/// The account of the ticket that the person has, as `user@REALM`.
pub(super) fn user(kept: Option<&[u8]>) -> Result<String, String> {
    const NO_CACHE: &str = "the file in which Kerberos tickets are kept is none, or is cut off: `kinit USER@REALM` makes a new \
                            one, and `klist` says which file it is (the variable KRB5CCNAME names it)";
    let kept = kept.map(|kept| cache::principal(kept).ok_or_else(|| NO_CACHE.to_owned())).transpose()?;
    let name = logon(None).and_then(|logon| logon.name()).and_then(|name| name.display_name());
    let name = name.map_err(|error| match kept.filter(|_| has_expired(&error)) {
        // The library does not say whose it was.
        Some(user) => no_ticket(&error, Some(&user)),
        None => no_ticket(&error, None),
    })?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// The logon of a user, or of whoever the ticket is of.
fn logon(user: Option<&str>) -> Result<Cred, Error> {
    let mut kerberos = OidSet::new();
    kerberos.add(GSS_MECH_KRB5)?;
    let user = user.map(|user| Name::new(user.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))).transpose()?;
    Cred::acquire(user.as_ref(), None, CredUsage::Initiate, Some(&kerberos))
}

/// A context that the library makes.
pub(super) struct Context {
    /// None before the first step, in which the ticket is looked for: that may take a while. The lock is never waited for;
    /// it is what lets a connection with a context be lent to another thread.
    made: Option<Mutex<ClientCtx>>,
    whose: Whose,
    binding: Option<Vec<u8>>,
}

fn inside(context: &mut Mutex<ClientCtx>) -> &mut ClientCtx {
    context.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Whose ticket is for which service.
struct Whose {
    user: String,
    service: String,
    realm: Option<String>,
}

impl Context {
    pub(super) fn new(start: Start<'_>) -> Result<Self, LogonReason> {
        let Start { package, user, service, realm, binding } = start;
        match package {
            Package::Kerberos => {}
            Package::Ntlm => return Err(LogonReason::Credentials(NO_NTLM.to_owned())),
        }
        let (user, service, realm) = (user.to_owned(), service.to_owned(), realm.map(str::to_owned));
        let whose = Whose { user, service, realm };
        if whose.host().parse::<IpAddr>().is_ok() {
            return Err(LogonReason::Ticket(format!(
                "Kerberos knows servers by name, and {} is an address: name the server in the plan by the full name of \
                 its computer account; `address` may say where it is",
                whose.host()
            )));
        }
        Ok(Self { made: None, whose, binding })
    }

    pub(super) fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, LogonReason> {
        if let Some(error) = error_in(token) {
            return Err(error.of_server(&self.whose.service));
        }
        let begun = match self.made.take() {
            Some(begun) => begun,
            None => Mutex::new(self.whose.begin()?),
        };
        let context = inside(self.made.insert(begun));
        let token = Some(token).filter(|token| !token.is_empty());
        let answer = context.step(token, self.binding.as_deref()).map_err(|error| self.whose.reason(&error))?;
        if context.is_complete() {
            complete(context)?;
        }
        let answer = answer.map(|answer| answer.to_vec()).unwrap_or_default();
        // Nothing is proven with the older keys, which a recording of the logon would be enough to try passwords on.
        if token.is_none() && !kinds(&answer).is_some_and(|kinds| kinds.iter().all(|kind| AES.contains(kind))) {
            return Err(self.whose.weak());
        }
        Ok(answer)
    }

    /// Seals a message as Windows takes it: the header and what would stand behind the text in one piece before it.
    pub(super) fn seal(&mut self, plain: &[u8]) -> Result<Sealed, String> {
        let context = self.made()?;
        let mut data = plain.to_vec();
        let mut parts = [
            GssIov::new_alloc(GssIovType::Header),
            GssIov::new(GssIovType::Data, &mut data),
            GssIov::new_alloc(GssIovType::Padding),
        ];
        context.wrap_iov(true, &mut parts).map_err(|error| told(&error))?;
        let [header, _, padding] = &parts;
        if !header.starts_with(&[0x05, 0x04]) || !padding.is_empty() {
            return Err("the library sealed with a cipher that is not used here".to_owned());
        }
        let token = header.to_vec();
        drop(parts);
        Ok(Sealed { token, data })
    }

    pub(super) fn unseal(&mut self, sealed: Sealed) -> Result<Vec<u8>, String> {
        const FROM_SERVER_AND_SEALED: u8 = 3;
        let context = self.made()?;
        let whole = [sealed.token, sealed.data].concat();
        // The library would take a message that is signed and readable. What the header says is repeated inside the seal,
        // and the library compares both.
        match *whole {
            [0x05, 0x04, flags, 0xff, ..] if flags & FROM_SERVER_AND_SEALED == FROM_SERVER_AND_SEALED => {}
            _ => return Err("it is not sealed, or not by the server".to_owned()),
        }
        let text = context.unwrap(&whole).map_err(|error| match error {
            _ if error.major.intersects(OUT_OF_ORDER) => {
                "it is not the next in the order: it was repeated, or one before it is missing".to_owned()
            }
            _ if is(&error, MajorFlags::GSS_S_BAD_SIG) => {
                "its signature is wrong: it was changed on the way".to_owned()
            }
            _ => told(&error),
        })?;
        Ok(text.to_vec())
    }

    fn made(&mut self) -> Result<&mut ClientCtx, String> {
        self.made.as_mut().map(inside).ok_or_else(|| "there is no logon yet".to_owned())
    }
}

/// Encryption types that are used here: AES with both kinds of hashes.
const AES: [u8; 4] = [17, 18, 19, 20];

/// Returns with which encryption types the ticket and the proof in a first token are sealed.
fn kinds(token: &[u8]) -> Option<[u8; 2]> {
    let mut rest = der::inside(token, 0x60)?;
    der::take(&mut rest)?;
    let request = der::inside(der::inside(rest.strip_prefix(&[1, 0])?, 0x6e)?, 0x30)?;
    let ticket = der::inside(der::inside(der::find(request, 0xa3)?, 0x61)?, 0x30)?;
    let kind = |sealed| match der::inside(der::find(der::inside(sealed, 0x30)?, 0xa0)?, 0x02)? {
        [kind] => Some(*kind),
        _ => None,
    };
    Some([kind(der::find(ticket, 0xa3)?)?, kind(der::find(request, 0xa4)?)?])
}

/// A context without what was asked for is none.
fn complete(context: &ClientCtx) -> Result<(), LogonReason> {
    let has = context.flags().map_err(|error| LogonReason::Other(told(&error)))?;
    if !has.contains(CtxFlags::GSS_C_MUTUAL_FLAG) {
        return Err(LogonReason::NoProof);
    }
    if has.contains(WANTED) { Ok(()) } else { Err(LogonReason::Other(NO_SEALS.to_owned())) }
}

const NO_SEALS: &str = "Kerberos made a logon that cannot seal messages";

const OUT_OF_ORDER: MajorFlags = MajorFlags::GSS_S_DUPLICATE_TOKEN
    .union(MajorFlags::GSS_S_OLD_TOKEN)
    .union(MajorFlags::GSS_S_UNSEQ_TOKEN)
    .union(MajorFlags::GSS_S_GAP_TOKEN);

impl Whose {
    /// Begins a context with the ticket of the user whom the program was started by. Another one that came into the
    /// cache meanwhile is not taken.
    fn begin(&self) -> Result<ClientCtx, LogonReason> {
        let logon = logon(Some(&self.user));
        let logon = logon.map_err(|error| LogonReason::Credentials(no_ticket(&error, Some(&self.user))))?;
        // Without a realm the domain of the account says which one the server is in. No name server is asked what the
        // server might be called as well, as the library would for a name of a host.
        let service = format!("{}@{}", self.service, self.realm.as_deref().unwrap_or_default());
        let service = Name::new(service.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL));
        let service = service.map_err(|error| LogonReason::Other(told(&error)))?;
        Ok(ClientCtx::new(Some(logon), service, WANTED, Some(GSS_MECH_KRB5)))
    }

    fn weak(&self) -> LogonReason {
        LogonReason::Ticket(format!(
            "the domain gives tickets for {} with old keys (RC4) only, which are not used here: allow AES for the computer \
             account of the server (msDS-SupportedEncryptionTypes 24 or 28) and renew its password",
            self.service
        ))
    }

    fn host(&self) -> &str {
        self.service.split_once('/').map_or(&self.service, |(_class, host)| host)
    }

    /// The realm of the account.
    fn home(&self) -> String {
        plain(self.user.rsplit_once('@').map_or("", |(_name, realm)| realm))
    }

    fn reason(&self, error: &Error) -> LogonReason {
        let realm = self.home();
        match error.minor.cast_signed() {
            NO_SUCH_ACCOUNT => LogonReason::UnknownName { realm },
            ACCOUNT_EXPIRED => LogonReason::AccountExpired,
            ACCOUNT_REVOKED => LogonReason::Revoked,
            PASSWORD_EXPIRED => LogonReason::PasswordExpired,
            AGAINST_POLICY => LogonReason::Policy,
            CLOCKS_DIFFER => {
                LogonReason::Clock { whose: format!("the clock of the domain {realm}"), ahead_seconds: None }
            }
            NO_KDC_ANSWERS => LogonReason::KdcSilent { realm, tried: told(error) },
            TICKET_EXPIRED => LogonReason::Credentials(no_ticket(error, Some(&self.user))),
            NO_COMMON_CIPHER => self.weak(),
            NO_SUCH_SERVICE => LogonReason::Ticket(format!(
                "the domain {realm} knows no service {}: the name of the server in the plan has to be that of its computer \
                 account (`setspn -L` lists them){}",
                self.service,
                self.elsewhere()
            )),
            NO_KDC_KNOWN => LogonReason::Ticket(format!(
                "the ticket of {} does not lead to {}: {}; krb5.conf or DNS has to name the KDCs of the realm{}",
                plain(&self.user),
                self.service,
                told(error),
                self.elsewhere()
            )),
            _ => LogonReason::Other(told(error)),
        }
    }

    /// What helps when the ticket is of another realm than the server seems to be in, by its name.
    fn elsewhere(&self) -> String {
        let (host, realm) = (self.host().to_ascii_lowercase(), self.home());
        if host.ends_with(&format!(".{}", realm.to_ascii_lowercase())) {
            return String::new();
        }
        let domain = host.split_once('.').map_or("REALM", |(_first, domain)| domain).to_ascii_uppercase();
        let other = self.realm.clone().unwrap_or(domain);
        let name = plain(self.user.rsplit_once('@').map_or(&self.user, |(name, _realm)| name));
        format!(
            ". The ticket is of {realm}, and the server is in another realm by its name: if the account is there too, \
             `kinit {name}@{other}`"
        )
    }
}

/// What is wrong with the ticket of a user, or with that of whoever starts the program, and how to get one.
fn no_ticket(error: &Error, user: Option<&str>) -> String {
    match (user.map(plain), has_expired(error)) {
        (Some(user), true) => format!("the Kerberos ticket of {user} has expired: `kinit {user}` gets a new one"),
        (Some(user), false) => format!(
            "there is no Kerberos ticket of {user} any more, with which the program was started ({}): `kinit {user}` gets \
             one",
            told(error)
        ),
        // Without a name `kinit` takes that of the ticket.
        (None, true) => "the Kerberos ticket in the cache has expired: `kinit` gets a new one".to_owned(),
        (None, false) => format!(
            "there is no Kerberos ticket ({}): `kinit USER@REALM` gets one, and `klist` shows what is there; the variable \
             KRB5CCNAME and krb5.conf say where tickets are kept",
            told(error)
        ),
    }
}

fn has_expired(error: &Error) -> bool {
    is(error, MajorFlags::GSS_S_CREDENTIALS_EXPIRED) || error.minor.cast_signed() == TICKET_EXPIRED
}

/// Whether an error is of a kind. Its kinds are numbers, though the crate has them as flags.
fn is(error: &Error, kind: MajorFlags) -> bool {
    const KIND: u32 = 0xffff_0000;
    error.major.bits() & KIND == kind.bits()
}

/// The library's own words: of what it says of the kind of an error and of its number, the latter where there are both. It
/// keeps them for the thread on which the error arose.
fn told(error: &Error) -> String {
    let text = error.to_string();
    let number = text.split_once(" (").and_then(|(_kind, number)| number.strip_suffix(')'));
    plain(number.unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(user: &str, realm: Option<&str>) -> Whose {
        let realm = realm.map(str::to_owned);
        Whose { user: user.to_owned(), service: "HTTP/fe1.contoso.example".to_owned(), realm }
    }

    fn error(number: i32) -> Error {
        Error { major: MajorFlags::GSS_S_FAILURE, minor: number.cast_unsigned() }
    }

    #[test]
    fn each_error_of_the_domain_is_the_reason_that_a_password_would_have() {
        let whose = whose("svc-orch@CONTOSO.EXAMPLE", None);
        let reason = |number| whose.reason(&error(number));
        assert_eq!(reason(ACCOUNT_REVOKED), LogonReason::Revoked);
        assert_eq!(reason(ACCOUNT_EXPIRED), LogonReason::AccountExpired);
        assert_eq!(reason(PASSWORD_EXPIRED), LogonReason::PasswordExpired);
        assert_eq!(reason(NO_SUCH_ACCOUNT), LogonReason::UnknownName { realm: "CONTOSO.EXAMPLE".to_owned() });
        assert!(matches!(reason(CLOCKS_DIFFER), LogonReason::Clock { .. }));
        assert!(matches!(reason(NO_KDC_ANSWERS), LogonReason::KdcSilent { .. }));
        assert!(matches!(reason(NO_COMMON_CIPHER), LogonReason::Ticket(why) if why.contains("RC4")));
        assert!(matches!(reason(TICKET_EXPIRED), LogonReason::Credentials(why) if why.contains("has expired")));
        assert!(matches!(reason(ERRORS + 60), LogonReason::Other(_)));
    }

    #[test]
    fn a_ticket_of_another_realm_is_named_where_it_may_be_the_cause() {
        let told = |user, realm| match whose(user, realm).reason(&error(NO_SUCH_SERVICE)) {
            LogonReason::Ticket(why) => why,
            other => panic!("not about the ticket: {other:?}"),
        };
        assert!(!told("svc@CONTOSO.EXAMPLE", None).contains("kinit"));
        assert!(!told("svc@EXAMPLE", None).contains("kinit"), "a domain below that of the account");
        assert!(told("svc@FABRIKAM.EXAMPLE", None).contains("`kinit svc@CONTOSO.EXAMPLE`"));
        assert!(told("svc@FABRIKAM.EXAMPLE", Some("C.EXAMPLE")).contains("`kinit svc@C.EXAMPLE`"));
        assert!(told("svc@TOSO.EXAMPLE", None).contains("kinit"), "an end of the name is no domain");
    }

    #[test]
    fn an_address_and_ntlm_are_refused_before_anything_is_asked() {
        let start =
            |package, service| Start { package, user: "svc@CONTOSO.EXAMPLE", service, realm: None, binding: None };
        for address in ["HTTP/127.0.0.11", "HTTP/fd00::1"] {
            let reason = Context::new(start(Package::Kerberos, address)).err();
            assert!(matches!(reason, Some(LogonReason::Ticket(why)) if why.contains("is an address")));
        }
        let reason = Context::new(start(Package::Ntlm, "HTTP/fe1.contoso.example")).err();
        assert!(matches!(reason, Some(LogonReason::Credentials(why)) if why.contains("never becomes NTLM")));
    }
}
