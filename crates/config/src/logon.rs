//! Values that say how servers are logged on to.

use crate::codes;
use crate::reader::{Reader, Written};
use crate::scalars::parsed;
use crate::yaml::Node;
use orchestrate_model::host::{is_host, is_of_a_machine, is_port, port_slip};
use orchestrate_model::pool::TaskAccount;
use schemars::{Schema, SchemaGenerator, json_schema};
use std::net::IpAddr;

/// The name of a Kerberos realm.
#[derive(Debug, Clone)]
pub(crate) struct Realm(pub(crate) String);

impl Written for Realm {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_NAME, "the name of a Kerberos realm", |text| {
            let usable =
                text.len() <= 255 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            let is_long = text.split('.').all(|label| !label.is_empty()) && text.contains('.');
            match (usable, is_long) {
                (true, true) => Ok(Self(text.to_ascii_uppercase())),
                (true, false) => Err("the DNS name of the domain is needed, such as `CONTOSO.EXAMPLE`, not its short \
                                      name"
                    .to_owned()),
                (false, _) => Err("letters, digits, `-`, `_` and dots".to_owned()),
            }
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+[.][A-Za-z0-9._-]+$", "examples": ["CONTOSO.EXAMPLE"] })
    }
}

/// Where a KDC is: a host name or an address, and a port.
#[derive(Debug, Clone)]
pub(crate) struct Kdc(pub(crate) String);

impl Written for Kdc {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_ADDRESS, "a KDC, as `host` or `host:port`", |text| {
            if let Ok(address) = text.parse::<IpAddr>() {
                let nowhere = || "this address belongs to no single machine".to_owned();
                return is_of_a_machine(address).then(|| Self(text.to_owned())).ok_or_else(nowhere);
            }
            if let Some(help) = port_slip(text) {
                return Err(help);
            }
            let (host, port) = text.rsplit_once(':').unwrap_or((text, "88"));
            (is_host(host) && is_port(port)).then(|| Self(text.to_owned())).ok_or_else(String::new)
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["dc1.contoso.example", "192.0.2.5:88"] })
    }
}

/// The account that a scheduled task runs as.
#[derive(Debug, Clone)]
pub(crate) struct Runs(pub(crate) TaskAccount);

/// Longest name of a managed account, without the sign at its end: what older clients can still look up.
const LONGEST_MANAGED: usize = 15;

impl Written for Runs {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let expected = r"`system`, `self` or a group-managed service account such as 'CONTOSO\svc-pool$'";
        parsed(node, reader, codes::BAD_TASK_ACCOUNT, expected, |text| match text {
            "system" => Ok(Self(TaskAccount::System)),
            "self" => Ok(Self(TaskAccount::Caller)),
            account => managed(account).map(|account| Self(TaskAccount::Managed(account))),
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(system|self|[A-Za-z0-9._-]+\\[A-Za-z0-9._-]{1,15}[$])$",
            "examples": [r"CONTOSO\svc-pool$"]
        })
    }
}

fn managed(account: &str) -> Result<String, String> {
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    let is_system =
        ["system", r"nt authority\system", "localsystem", "self"].contains(&account.to_lowercase().as_str());
    let Some((domain, name)) = account.split_once('\\') else {
        return Err(if is_system {
            "write `system` or `self`, in small letters".to_owned()
        } else {
            r"the domain is needed before the name, as in 'CONTOSO\svc-pool$'".to_owned()
        });
    };
    match name.strip_suffix('$') {
        _ if is_system => Err("write `system`".to_owned()),
        None => {
            Err("the name of a group-managed service account ends with `$`. An account with a password of its own \
                     cannot be used: only `self` is one, the account that logs on"
                .to_owned())
        }
        Some(name) if name.len() > LONGEST_MANAGED => {
            Err(format!("a group-managed service account has at most {LONGEST_MANAGED} characters before its `$`"))
        }
        Some(name) if is_word(name) && is_word(domain) => Ok(account.to_owned()),
        Some(_) => Err("letters, digits, `.`, `-` and `_`".to_owned()),
    }
}
