//! Servers that are known to be dead.

use super::AwayWhy;
use crate::reader::{Reader, Shape, Written};
use crate::texts::Line;
use crate::yaml::{Node, Value};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Why a server is away: the reason alone, or with how it is counted.
#[derive(Debug, Clone)]
pub(crate) enum AwayChoice {
    /// The reason.
    Reason(Line),
    /// `{reason: …, in_budget: …}`.
    Why(AwayWhy),
}

impl Written for AwayChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => AwayWhy::read(node, reader).map(Self::Why),
            Value::Scalar { .. } => Line::read(node, reader).map(Self::Reason),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "why the server is away: `\"hardware, CHG0031337\"`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let reason = generator.subschema_for::<Shape<Line>>();
        json_schema!({ "anyOf": [reason, generator.subschema_for::<Shape<AwayWhy>>()] })
    }
}
