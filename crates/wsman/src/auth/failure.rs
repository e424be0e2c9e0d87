//! Why a logon failed, each reason in words that say what to do.

use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// Why an account could not log on, as far as the domain or the server says so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", Told(self))]
pub struct LogonFailure {
    /// The account, as it was written.
    pub user: String,
    /// The reason.
    pub reason: LogonReason,
}

/// The reason why a logon failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogonReason {
    /// The domain says that the password is wrong.
    WrongPassword,
    /// The account is locked out.
    Locked,
    /// The account is disabled.
    Disabled,
    /// The time of the account is over.
    AccountExpired,
    /// The password has expired, or has to be changed before the first logon.
    PasswordExpired,
    /// The domain lets the account in at other hours or from other machines only, or has another rule against it.
    Policy,
    /// The account is locked, disabled or expired, and the domain does not say which.
    Revoked,
    /// The domain does not know the name.
    UnknownName {
        /// The realm that was asked.
        realm: String,
    },
    /// The account has no key of a kind that is used here.
    AccountWithoutAes,
    /// The server has no key of a kind that is used here.
    ServerWithoutAes {
        /// The name of the service that a ticket was wanted for.
        service: String,
    },
    /// The domain has no such service.
    UnknownService {
        /// The name of the service that a ticket was wanted for.
        service: String,
        /// The realm that was asked.
        realm: String,
    },
    /// Clocks differ by more than Kerberos allows.
    Clock {
        /// Whose clock differs.
        whose: String,
        /// By how much it is ahead, or behind when negative, in seconds, when that is known.
        ahead_seconds: Option<i64>,
    },
    /// Which realm the account is in is not known.
    UnknownRealm,
    /// No KDC of the realm is known.
    NoKdc {
        /// The realm.
        realm: String,
        /// Where it was looked for.
        looked: String,
    },
    /// No KDC of the realm answered.
    KdcSilent {
        /// The realm.
        realm: String,
        /// What was tried, and what came of it.
        tried: String,
    },
    /// The server did not take the ticket.
    TicketRefused {
        /// The server's reason.
        why: String,
    },
    /// The server did not prove who it is.
    NoProof,
    /// A binding is demanded, and there is none for this certificate.
    NoBinding,
    /// The ticket of the person is of no use for this server: why, and what to do.
    Ticket(String),
    /// The credentials could not be had.
    Credentials(String),
    /// Anything else.
    Other(String),
}

impl LogonReason {
    /// Returns whether the domain has refused the account: another try would be another failed logon.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::WrongPassword
                | Self::Locked
                | Self::Disabled
                | Self::AccountExpired
                | Self::PasswordExpired
                | Self::Policy
                | Self::Revoked
                | Self::UnknownName { .. }
        )
    }
}

impl LogonFailure {
    /// Returns whether the reason may be gone later without a change of the plan or of an account: a domain that cannot
    /// be reached, a server that is just starting.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self.reason,
            LogonReason::KdcSilent { .. }
                | LogonReason::TicketRefused { .. }
                | LogonReason::Clock { .. }
                | LogonReason::Locked
                | LogonReason::WrongPassword
                | LogonReason::Revoked
                | LogonReason::Credentials(_)
        )
    }
}

struct Told<'a>(&'a LogonFailure);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = &self.0.user;
        match &self.0.reason {
            LogonReason::WrongPassword => write!(f, "the domain says that the password of {user} is wrong"),
            LogonReason::Locked => write!(
                f,
                "{user} is locked out in the domain: find what used a wrong password, and have the account unlocked"
            ),
            LogonReason::Disabled => write!(f, "{user} is disabled in the domain: have the account enabled"),
            LogonReason::AccountExpired => {
                write!(f, "the account {user} has expired in the domain: have its end moved")
            }
            LogonReason::PasswordExpired => write!(
                f,
                "the password of {user} has expired, or has to be changed before the first logon: change it once on \
                 Windows, and give the new one"
            ),
            LogonReason::Policy => write!(
                f,
                "the domain does not let {user} in from here or at this hour: look at its logon hours, its logon \
                 workstations and its authentication policy"
            ),
            LogonReason::Revoked => {
                write!(
                    f,
                    "the domain does not let {user} in: after wrong passwords it is locked out; else it is disabled or expired"
                )
            }
            LogonReason::UnknownName { realm } => write!(
                f,
                "the domain {realm} does not know {user}: check the name, and state `realm` if the account is in \
                 another domain"
            ),
            LogonReason::AccountWithoutAes => write!(
                f,
                "{user} has no AES key in the domain, and RC4 is not used: set its password once more, which makes the \
                 keys, or allow AES for the account"
            ),
            LogonReason::ServerWithoutAes { service } => write!(
                f,
                "the domain has RC4 keys only for {service}, and RC4 is not used: allow AES for the computer account \
                 (msDS-SupportedEncryptionTypes 24 or 28) and renew its password, or write `auth: ntlm`"
            ),
            LogonReason::UnknownService { service, realm } => write!(
                f,
                "the domain {realm} knows no service {service}: the name of the server in the plan has to be that of \
                 its computer account (`setspn -L` lists them), or write `auth: ntlm`"
            ),
            LogonReason::Clock { whose, ahead_seconds } => clock(f, whose, *ahead_seconds),
            LogonReason::UnknownRealm => write!(
                f,
                "it is not known which Kerberos realm {user} is in: state `realm` (and `kdc`), or name the domain in krb5.conf"
            ),
            LogonReason::NoKdc { realm, looked } => {
                write!(f, "no KDC of {realm} is known ({looked}): state `kdc`, or write `auth: ntlm`")
            }
            LogonReason::KdcSilent { realm, tried } => kdc_silent(f, realm, tried),
            LogonReason::TicketRefused { why } => write!(f, "the server did not take the ticket of {user}: {why}"),
            LogonReason::NoProof => write!(
                f,
                "the server let {user} in without proving who it is; nothing was sent to it. Something between here and \
                 the server may be answering"
            ),
            LogonReason::NoBinding => write!(
                f,
                "`channel_binding: required`, and none is defined for the way that the server's certificate is signed: \
                 give the listener a certificate with RSA or ECDSA"
            ),
            LogonReason::Ticket(why) | LogonReason::Credentials(why) => f.write_str(why),
            LogonReason::Other(text) => write!(f, "{user} could not log on: {text}"),
        }
    }
}

fn kdc_silent(f: &mut fmt::Formatter<'_>, realm: &str, tried: &str) -> fmt::Result {
    write!(
        f,
        "no KDC of {realm} answered: {tried}. Tried: Kerberos. Not tried: NTLM, because a KDC is known, and nothing weaker is \
         taken when it is silent; make a KDC reachable from here, or write `auth: ntlm`"
    )
}

fn clock(f: &mut fmt::Formatter<'_>, whose: &str, ahead: Option<i64>) -> fmt::Result {
    write!(f, "the clocks differ by more than Kerberos allows (5 min by default)")?;
    if let Some(ahead) = ahead {
        let length = Minutes(Duration::from_secs(ahead.unsigned_abs()));
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        write!(f, ": {whose} is {length} {side} this machine")?;
    } else {
        write!(f, ": {whose} differs")?;
    }
    write!(f, "; set the clock that is wrong")
}

struct Minutes(Duration);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 60, seconds % 60) {
            (0, seconds) => write!(f, "{seconds} s"),
            (minutes, 0) => write!(f, "{minutes} min"),
            (minutes, seconds) => write!(f, "{minutes} min {seconds} s"),
        }
    }
}
