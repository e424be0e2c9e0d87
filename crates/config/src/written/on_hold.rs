//! What an unattended run does with held servers.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{Entries, Reader, Shape, Written};
use crate::scalars::word;
use crate::yaml::{Node, Value};
use orchestrate_model::hold::{HoldCause, HoldChoice, OnHold};
use schemars::{Schema, SchemaGenerator, json_schema};
use std::collections::BTreeMap;

/// The word for the causes that the plan does not name.
const OTHERWISE: &str = "otherwise";

/// Why a server is held, or `otherwise`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HoldKey(Option<HoldCause>);

fn keys() -> Vec<(&'static str, Option<HoldCause>)> {
    let causes = HoldCause::ALL.iter().map(|cause| (cause.word(), Some(*cause)));
    causes.chain([(OTHERWISE, None)]).collect()
}

impl Written for HoldKey {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        word(node, reader, &keys()).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = keys().into_iter().map(|(word, _)| word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// A choice for all, or one for each cause.
#[derive(Debug, Clone)]
pub(crate) struct OnHoldChoice(pub(crate) OnHold);

impl Written for OnHoldChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { .. } => HoldChoice::read(node, reader).map(|choice| Self(choice.into())),
            Value::Map(_) => Entries::read(node, reader).map(|entries| by_cause(&entries, reader)).map(Self),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(
                    node,
                    "a choice, or a choice for each cause: `{drain_deadline: return, otherwise: stop}`",
                );
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let choice = generator.subschema_for::<Shape<HoldChoice>>();
        let names = generator.subschema_for::<Shape<HoldKey>>();
        json_schema!({
            "anyOf": [choice, { "type": "object", "propertyNames": names, "additionalProperties": choice }]
        })
    }
}

/// Returns the choices, and reports each that a hold of its cause does not offer.
fn by_cause(entries: &Entries<HoldKey, HoldChoice>, reader: &mut Reader) -> OnHold {
    let mut on_hold = OnHold { by_cause: BTreeMap::new(), otherwise: HoldChoice::Stop };
    for (key, choice) in entries.good() {
        let HoldKey(Some(cause)) = key.value else {
            on_hold.otherwise = choice.value;
            continue;
        };
        if !cause.choices().contains(&choice.value) {
            let words: Vec<&str> = cause.choices().iter().map(|choice| choice.word()).collect();
            let text =
                format!("{} is no choice for a server that is held for {}", quoted(choice.value.word()), cause.word());
            reader.report(
                Diagnostic::error(codes::UNKNOWN_WORD, choice.span, text)
                    .label(format!("expected one of {}", words.join(", ")))
                    .maybe_help(Some(format!("`orchestrate explain {}` says what each of them does", cause.code()))),
            );
        }
        on_hold.by_cause.insert(cause, choice.value);
    }
    on_hold
}
