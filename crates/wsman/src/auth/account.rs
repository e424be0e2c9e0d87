//! The names that people log on with, and what each of them means to NTLM and to Kerberos.

use std::fmt;

/// The name of an account as a person writes it, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogonName {
    /// `CONTOSO\svc`: a domain, by its short name or by its DNS name, and an account of it.
    Domain {
        /// The domain. Never empty and never `.`.
        domain: String,
        /// The account.
        user: String,
    },
    /// `svc@contoso.example`: a user principal name. Its end need not be a realm.
    Principal {
        /// The whole name.
        name: String,
        /// What follows the last `@`.
        suffix: String,
    },
    /// `svc` or `.\svc`: an account of the server itself.
    Local {
        /// The account.
        user: String,
    },
}

impl LogonName {
    /// Takes a name apart.
    pub(crate) fn parse(text: &str) -> Self {
        if let Some((domain, user)) = text.split_once('\\') {
            return match domain {
                "" | "." => Self::Local { user: user.to_owned() },
                domain => Self::Domain { domain: domain.to_owned(), user: user.to_owned() },
            };
        }
        match text.rsplit_once('@') {
            Some((_, suffix)) => Self::Principal { name: text.to_owned(), suffix: suffix.to_owned() },
            None => Self::Local { user: text.to_owned() },
        }
    }

    /// Returns user and domain as NTLM sends them. A principal name goes in one piece: the domain finds its account.
    pub(crate) fn for_ntlm(&self) -> (&str, &str) {
        match self {
            Self::Domain { domain, user } => (user, domain),
            Self::Principal { name, .. } => (name, ""),
            Self::Local { user } => (user, ""),
        }
    }

    /// Returns the name of the client in a realm. A principal name stays whole: Kerberos calls that an enterprise name,
    /// and the domain finds the account that it belongs to.
    pub(crate) fn for_kerberos(&self) -> &str {
        match self {
            Self::Domain { user, .. } | Self::Local { user } => user,
            Self::Principal { name, .. } => name,
        }
    }
}

impl fmt::Display for LogonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain { domain, user } => write!(f, "{domain}\\{user}"),
            Self::Principal { name, .. } => f.write_str(name),
            Self::Local { user } => f.write_str(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_people_write_is_one_account() {
        let cases = [
            ("CONTOSO\\svc", ("svc", "CONTOSO"), "svc"),
            ("contoso.example\\svc", ("svc", "contoso.example"), "svc"),
            ("svc@contoso.example", ("svc@contoso.example", ""), "svc@contoso.example"),
            ("second.person@mail.example", ("second.person@mail.example", ""), "second.person@mail.example"),
            ("svc", ("svc", ""), "svc"),
            (".\\svc", ("svc", ""), "svc"),
            ("\\svc", ("svc", ""), "svc"),
        ];
        for (text, ntlm, kerberos) in cases {
            let name = LogonName::parse(text);
            assert_eq!(name.for_ntlm(), ntlm, "{text}");
            assert_eq!(name.for_kerberos(), kerberos, "{text}");
        }
    }
}
