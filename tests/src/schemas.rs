//! What the binary prints for programs is held against the schemas that it prints: in every test that asks for `-o json`, not
//! only in those about schemas.

use crate::cli::{Said, Sandbox};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Returns a schema in which no object may have a key that it does not describe. Programs pass over what they do not know; a
/// test does not.
fn strict(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keys) => {
            for value in keys.values_mut() {
                *value = strict(value.take());
            }
            if keys.get("properties").is_some_and(Value::is_object) {
                keys.entry("additionalProperties").or_insert(Value::Bool(false));
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| *value = strict(value.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

/// Returns what is wrong with a document by the schema that the binary prints for its kind.
///
/// # Panics
/// When there is no such schema.
#[must_use]
pub fn errors(kind: &str, document: &Value) -> Vec<String> {
    static KNOWN: OnceLock<Mutex<BTreeMap<String, jsonschema::Validator>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let validator = known.entry(kind.to_owned()).or_insert_with(|| {
        let printed = Sandbox::default().run(&["schema", kind]);
        let schema = serde_json::from_str(&printed.out).expect("a schema is printed");
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&strict(schema)).expect("it is a schema")
    });
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Holds a document against the schema of its kind.
///
/// # Panics
/// When it is not as the schema says.
pub fn assert_valid(kind: &str, document: &Value) {
    let errors = errors(kind, document);
    assert!(errors.is_empty(), "not as `orchestrate schema {kind}` says: {document:#}\n{}", errors.join("\n"));
}

/// Returns the kind of document that a command prints, where it prints JSON.
fn kind_of(arguments: &[&str]) -> Option<&'static str> {
    let is_json = arguments.windows(2).any(|two| ["-o", "--output"].contains(&two[0]) && two[1] == "json");
    let is_dry = arguments.contains(&"--dry-run");
    let kind = match arguments.first().copied()? {
        "status" => "status",
        "report" => "report",
        "probe" => "probe",
        "check" => "check",
        "windows" => "windows",
        "diff" => "diff",
        "simulate" => "simulate",
        "explain" => "explain",
        "serve" => "serve",
        "resume" | "recover" | "watch" => "events",
        _plan if is_dry => "preview",
        _plan => "events",
    };
    is_json.then_some(kind)
}

/// Holds everything that a command has printed for programs against its schema.
///
/// # Panics
/// When it is not as the schema says, or no JSON.
pub(crate) fn assert_printed(arguments: &[&str], said: &Said) {
    // A process that was ended by force may have been in the middle of a line.
    let Some(kind) = kind_of(arguments).filter(|_| !said.was_killed()) else { return };
    for document in serde_json::Deserializer::from_str(&said.out).into_iter::<Value>() {
        let document = document.expect("JSON was asked for");
        // In place of a preview of a saved plan that has become another one.
        let kind = if document.get("event").is_some() { "events" } else { kind };
        assert_valid(kind, &document);
    }
}
