//! Validated names.
//!
//! Every name that crosses a boundary (plan file, wire, journal) becomes one of these types first.
//! They compare without regard to ASCII case, as DNS and the Windows service manager do.

use crate::readable::{is_hidden, is_padded};
use crate::text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use thiserror::Error;

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// The text is longer than the field allows.
    #[error("the name has {found} characters, at most {most} are allowed")]
    TooLong {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        most: usize,
    },
    /// A character that the field does not allow.
    #[error("the character {} is not allowed in a {kind}", text::character(*found))]
    Character {
        /// The character.
        found: char,
        /// What was being named.
        kind: &'static str,
    },
    /// A DNS label that is empty, too long, or begins or ends with a hyphen.
    #[error("{} is not a valid part of a DNS name", text::quoted(label))]
    Label {
        /// The label.
        label: String,
    },
    /// A host name without a domain.
    #[error("{} has no domain; a fully qualified name such as {found}.contoso.example is needed", text::quoted(found))]
    NotQualified {
        /// The text.
        found: String,
    },
    /// A blank at an end, which is not seen and makes another name of it.
    #[error("the name begins or ends with a blank")]
    Padded,
    /// A name whose last label is a number, as in an IP address. No domain is called so.
    #[error("this is an address; the name goes here")]
    Address,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name after checking it.
            ///
            /// # Errors
            /// Says which rule the text breaks.
            pub fn new(text: &str) -> Result<Self, NameError> {
                $check(text).map(|text| Self(Arc::from(text.as_ref())))
            }

            /// Returns the text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) {
                    return Ordering::Equal;
                }
                // Without building folded copies: names are the keys of most maps.
                let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
                for (a, b) in ours.iter().zip(theirs) {
                    if a != b && !a.eq_ignore_ascii_case(b) {
                        return a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase());
                    }
                }
                ours.len().cmp(&theirs.len())
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                for byte in self.0.bytes() {
                    state.write_u8(byte.to_ascii_lowercase());
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The fully qualified DNS name of a pool, in lower case.
    PoolName,
    fqdn
);
name!(
    /// The fully qualified DNS name of a server of a pool, in lower case.
    ServerName,
    fqdn
);
name!(
    /// A fully qualified DNS name that is neither a pool nor a server, such as the web services name.
    DnsName,
    fqdn
);
name!(
    /// The short name of a Windows service, such as `RTCSRV`, in the spelling it was given in.
    ServiceName,
    service
);
name!(
    /// The name of an upgrade domain.
    UpgradeDomain,
    plain
);
name!(
    /// A label of a pool, `key=value`, that shared budgets refer to.
    Label,
    plain
);
name!(
    /// The id of a run: a sortable, file-safe text.
    RunId,
    file_safe
);

impl ServerName {
    /// Returns the first label of the name, for output where space is short.
    #[must_use]
    pub fn short(&self) -> &str {
        self.as_str().split('.').next().unwrap_or(self.as_str())
    }

    /// Returns the same text as a DNS name.
    #[must_use]
    pub fn dns(&self) -> DnsName {
        DnsName(self.0.clone())
    }
}

impl PoolName {
    /// Returns the same text as a DNS name.
    #[must_use]
    pub fn dns(&self) -> DnsName {
        DnsName(self.0.clone())
    }
}

fn limit(text: &str, most: usize) -> Result<(), NameError> {
    let found = text.chars().count();
    match found {
        0 => Err(NameError::Empty),
        n if n > most => Err(NameError::TooLong { found, most }),
        _ => Ok(()),
    }
}

fn unpadded(text: &str) -> Result<(), NameError> {
    if is_padded(text) { Err(NameError::Padded) } else { Ok(()) }
}

fn fqdn(text: &str) -> Result<Cow<'_, str>, NameError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    limit(text, 253)?;
    for label in text.split('.') {
        if label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
            return Err(NameError::Label { label: label.to_owned() });
        }
        if let Some(found) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-' && *c != '_') {
            return Err(NameError::Character { found, kind: "DNS name" });
        }
    }
    if !text.contains('.') {
        return Err(NameError::NotQualified { found: text.to_owned() });
    }
    if text.rsplit('.').next().is_some_and(crate::host::is_number) {
        return Err(NameError::Address);
    }
    Ok(Cow::Owned(text.to_ascii_lowercase()))
}

/// The characters that the service manager allows and that can be put into a WQL string without harm.
fn service(text: &str) -> Result<Cow<'_, str>, NameError> {
    limit(text, 256)?;
    unpadded(text)?;
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '$' | '.' | ' ')) {
        Some(found) => Err(NameError::Character { found, kind: "service name" }),
        None => Ok(Cow::Borrowed(text)),
    }
}

fn plain(text: &str) -> Result<Cow<'_, str>, NameError> {
    limit(text, 128)?;
    unpadded(text)?;
    match text.chars().find(|c| is_hidden(*c)) {
        Some(found) => Err(NameError::Character { found, kind: "name" }),
        None => Ok(Cow::Borrowed(text)),
    }
}

fn file_safe(text: &str) -> Result<Cow<'_, str>, NameError> {
    limit(text, 128)?;
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        Some(found) => Err(NameError::Character { found, kind: "run id" }),
        None => Ok(Cow::Borrowed(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case() {
        assert_eq!(ServiceName::new("rtcsrv").unwrap(), ServiceName::new("RTCSRV").unwrap());
        assert_eq!(ServerName::new("FE1.Contoso.Example.").unwrap().as_str(), "fe1.contoso.example");
    }

    #[test]
    fn an_address_is_no_name() {
        for bad in ["192.0.2.10", "1.5", "fe1.contoso.1", "192.0.2.10."] {
            assert_eq!(ServerName::new(bad), Err(NameError::Address), "{bad}");
        }
        assert!(ServerName::new("192.0.2.10.contoso.example").is_ok());
    }

    #[test]
    fn names_that_could_carry_a_query_are_refused() {
        for bad in ["", "RTC'SRV", "a\\b", "x\"y", "tab\t"] {
            assert!(ServiceName::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["fe1", "fe1..example", "-fe.example", "fe 1.example", "../x.example"] {
            assert!(ServerName::new(bad).is_err(), "{bad:?}");
        }
        assert!(RunId::new("../../etc").is_err());
    }

    #[test]
    fn names_that_look_like_others_are_refused() {
        for bad in [" UD1", "UD1 ", " ", "UD1\u{200b}", "UD\u{202e}1", "UD1\u{a0}", "\u{feff}UD1"] {
            assert!(UpgradeDomain::new(bad).is_err(), "{bad:?}");
            assert!(Label::new(bad).is_err(), "{bad:?}");
            assert!(ServiceName::new(bad).is_err(), "{bad:?}");
        }
        assert!(UpgradeDomain::new("rack 1 é").is_ok());
    }
}
