//! The server that goes first.

use super::FirstServer;
use crate::durations::Pause;
use crate::reader::{At, Reader, Shape, Written};
use crate::scalars::word;
use crate::texts::Line;
use crate::yaml::{Node, Value};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Which server goes first: its name alone, or with what comes then.
#[derive(Debug, Clone)]
pub(crate) enum FirstChoice {
    /// Its name.
    Server(At<Line>),
    /// `{server: …, then: …}`.
    Then(FirstServer),
}

impl FirstChoice {
    /// Returns the name of the server.
    pub(crate) fn server(&self) -> Option<&At<Line>> {
        match self {
            Self::Server(server) => Some(server),
            Self::Then(first) => first.server.as_ref(),
        }
    }

    /// Returns what comes then, where it is said.
    pub(crate) fn then(&self) -> Option<&ThenChoice> {
        match self {
            Self::Server(_) => None,
            Self::Then(first) => first.then.as_ref().map(|then| &then.value),
        }
    }
}

impl Written for FirstChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => FirstServer::read(node, reader).map(Self::Then),
            Value::Scalar { .. } => Line::read_at(node, reader).map(Self::Server),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "a server of the pool, or `{server: fe3, then: ask}`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Shape<Line>>();
        json_schema!({ "anyOf": [name, generator.subschema_for::<Shape<FirstServer>>()] })
    }
}

/// What comes between the first server and the others.
#[derive(Debug, Clone)]
pub(crate) enum ThenChoice {
    /// `ask`.
    Ask,
    /// A soak of its own.
    Soak(Pause),
}

impl Written for ThenChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text.starts_with(|c: char| c.is_ascii_digit()) => {
                Pause::read(node, reader).map(Self::Soak)
            }
            Value::Scalar { .. } => word(node, reader, &[("ask", ())]).map(|()| Self::Ask),
            Value::Map(_) | Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "`ask`, or how long it soaks, such as `2h`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let soak = generator.subschema_for::<Shape<Pause>>();
        json_schema!({ "anyOf": [{ "type": "string", "enum": ["ask"] }, soak] })
    }
}
