//! The JSON Schemas (2020-12) of what programs are told. Each is a file beside the code that makes the JSON; what several of them
//! share stands once, in `schemas/shared.json`, and is put into each that refers to it, so that each stands alone.

use serde_json::{Map, Value};

/// What several documents share.
const SHARED: &str = include_str!("../schemas/shared.json");

/// Where definitions stand in a document.
const DEFINITIONS: &str = "$defs";

/// One event of a run: a line.
pub const EVENTS: &str = include_str!("../schemas/events.json");
/// A preview.
pub const PREVIEW: &str = include_str!("../schemas/preview.json");
/// The report of a run.
pub const REPORT: &str = include_str!("../schemas/report.json");
/// The status of a run.
pub const STATUS: &str = include_str!("../schemas/status.json");
/// A probe.
pub const PROBE: &str = include_str!("../schemas/probe.json");
/// The openings of a plan.
pub const WINDOWS: &str = include_str!("../schemas/windows.json");

/// Returns the schema that a file has, with the shared definitions that it refers to in it.
///
/// # Errors
/// When the text is no JSON. A test reads every schema of the program.
pub fn complete(file: &str) -> serde_json::Result<Value> {
    let mut schema: Value = serde_json::from_str(file)?;
    let shared: Value = serde_json::from_str(SHARED)?;
    let mut definitions = match schema.get(DEFINITIONS) {
        Some(Value::Object(own)) => own.clone(),
        _ => Map::new(),
    };
    let mut open = references(&schema);
    while let Some(name) = open.pop() {
        if definitions.contains_key(&name) {
            continue;
        }
        if let Some(definition) = shared.get(DEFINITIONS).and_then(|all| all.get(&name)) {
            open.extend(references(definition));
            definitions.insert(name, definition.clone());
        }
    }
    if let (Value::Object(keys), false) = (&mut schema, definitions.is_empty()) {
        keys.insert(DEFINITIONS.to_owned(), Value::Object(definitions));
    }
    Ok(schema)
}

/// Returns the names of the definitions that a part of a schema refers to.
fn references(part: &Value) -> Vec<String> {
    match part {
        Value::Object(keys) => {
            let own = keys.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
            own.map(str::to_owned).into_iter().chain(keys.values().flat_map(references)).collect()
        }
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
#[path = "schemas_tests.rs"]
mod tests;
