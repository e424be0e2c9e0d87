//! Who is told what of a run, as it is written.

use super::choices::{choose_one, keys};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::{OneOrMany, Reader, Shape, Written, written};
use crate::scalars::{parsed, word};
use crate::texts::{Argument, Line};
use crate::yaml::{Node, Value};
use orchestrate_model::notify::Occasion;
use schemars::{Schema, SchemaGenerator, json_schema};

written! {
    /// One way by which people are told of a run: one of `webhook`, `slack`, `teams`, `command` and `mail`.
    struct Notify {
        /// A JSON object is posted: where the address is, `{env: NAME}` or `{file: PATH}`.
        optional webhook: AddressChoice,
        /// An incoming webhook of Slack, or of what understands its messages.
        optional slack: AddressChoice,
        /// A workflow of Teams that takes an adaptive card.
        optional teams: AddressChoice,
        /// A program and its arguments, which gets the JSON object on its standard input.
        optional command: OneOrMany<Argument>,
        /// A mail.
        optional mail: Mail,
        /// Of what. Default: held, pool-unsafe, refused and ended.
        optional on: OneOrMany<Occasion>,
    }
}

written! {
    /// A mail to people.
    struct Mail {
        /// Where the URL of the mail server is: `smtps://HOST`, or `smtp://HOST:PORT?tls=required`, with `USER:PASSWORD@` where it
        /// wants a logon.
        required server: AddressChoice,
        /// Whose mail it is.
        required from: MailAddress,
        /// Whom it goes to.
        required to: OneOrMany<MailAddress>,
    }
}

written! {
    /// Where the address of a webhook is, outside the plan.
    struct AddressPlace {
        /// An environment variable.
        optional env: Variable,
        /// A file that only its owner can read, with the address on its first line.
        optional file: AddressFile,
    }
}

/// The ways of which one is needed.
const WAYS: [&str; 5] = ["webhook", "slack", "teams", "command", "mail"];

/// One way by which people are told.
#[derive(Debug, Clone)]
pub(crate) struct NotifyChoice(pub(crate) Notify);

impl Written for NotifyChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let found = keys(node);
        let chosen = WAYS.into_iter().filter(|name| found.contains(name)).count();
        // Other keys are reported as unknown, which says what is wrong better.
        let known = found.iter().all(|key| WAYS.contains(key) || *key == "on");
        if chosen > 1 || (chosen == 0 && known && matches!(node.value, Value::Map(_))) {
            choose_one(node, reader, &WAYS);
        }
        Notify::read(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Shape<Notify>>()
    }
}

/// Where the address of a webhook is. Never the address itself.
#[derive(Debug, Clone)]
pub(crate) struct AddressChoice(pub(crate) AddressPlace);

impl Written for AddressChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if matches!(node.value, Value::Scalar { .. }) {
            reader.report(no_address(node));
            return None;
        }
        let found = keys(node);
        let known = found.iter().all(|key| ["env", "file"].contains(key));
        if known && found.len() != 1 {
            choose_one(node, reader, &["env", "file"]);
        }
        AddressPlace::read(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Shape<AddressPlace>>()
    }
}

/// The path of a file with an address. Never the address itself.
#[derive(Debug, Clone)]
pub(crate) struct AddressFile(pub(crate) String);

impl Written for AddressFile {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if matches!(&node.value, Value::Scalar { text, .. } if text.contains("://")) {
            reader.report(no_address(node));
            return None;
        }
        Line::read(node, reader).map(|Line(path)| Self(path))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Line::schema(generator)
    }
}

fn no_address(node: &Node) -> Diagnostic {
    Diagnostic::error(
        codes::BAD_ADDRESS,
        node.span,
        "an address that is as secret as a password does not belong in a plan",
    )
    .label("expected where the address is")
    .help(
        "a person who has it can post there: keep it as you keep a password, and write `{env: NAME}` or `{file: PATH}`",
    )
}

/// An address of mail: `name@host`.
#[derive(Debug, Clone)]
pub(crate) struct MailAddress(pub(crate) String);

/// The longest address of mail (RFC 5321, a path of 256 octets with its brackets).
const LONGEST_MAIL_ADDRESS: usize = 254;

impl Written for MailAddress {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_ADDRESS, "an address of mail, as `name@host`", |text| {
            let plain = text.len() <= LONGEST_MAIL_ADDRESS
                && text
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !matches!(c, ',' | ';' | '<' | '>' | '"' | '(' | ')' | ':'));
            let parts =
                text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
            match parts {
                Some(_) if plain => Ok(Self(text.to_owned())),
                Some(_) | None => Err("one address, without a name before it".to_owned()),
            }
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$", "examples": ["on-call@contoso.example"] })
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone)]
pub(crate) struct Variable(pub(crate) String);

impl Written for Variable {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_NAME, "the name of an environment variable", |text| {
            let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            let usable = first && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            usable.then(|| Self(text.to_owned())).ok_or_else(|| "letters, digits and `_`".to_owned())
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "examples": ["OPS_WEBHOOK"] })
    }
}

impl Written for Occasion {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        word(node, reader, &Self::ALL.map(|occasion| (occasion.word(), occasion)))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::word) })
    }
}
