//! The JSON Schema of a scenario, derived from what reads it.
//!
//! Types of the model bring no schema along. Those that a scenario names are described here, and a test holds their words
//! against the readers of the model.

use crate::scenario::Scenario;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Returns the JSON Schema, draft 2020-12, of a scenario.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Scenario>();
    schema.insert("title".to_owned(), "orchestrate lab scenario".into());
    schema.to_value()
}

/// Stands in schemas for a type of the model.
macro_rules! stands_for {
    ($name:ident, $($schema:tt)+) => {
        pub(crate) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)+)
            }
        }
    };
}

stands_for!(Time, { "type": "string", "format": "date-time", "description": "A time with its zone, such as 2026-11-28T21:00:00Z." });
stands_for!(Version, { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "description": "Numbers with dots between them, such as 5.0.8308.1149." });
stands_for!(State, {
    "description": "The state of a service.",
    "enum": ["stopped", "start_pending", "stop_pending", "running", "continue_pending", "pause_pending", "paused"],
});
stands_for!(Sign, {
    "description": "A sign of a restart that is due.",
    "enum": ["servicing", "windows-update", "file-renames", "computer-rename"],
});
stands_for!(StartType, {
    "type": "object",
    "description": "How a service comes up after a restart of the server.",
    "properties": {
        "mode": { "enum": ["automatic", "manual", "disabled", "boot", "system"] },
        "delayed": { "type": "boolean", "description": "Whether an automatic start waits about two minutes after the others." },
    },
    "required": ["mode", "delayed"],
});

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_model::probe::PendingSign;
    use orchestrate_model::{RunState, StartMode, Version as ModelVersion};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    /// The words of a type, as its reader names them.
    fn words<T: DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
        let error = serde_json::from_value::<T>(json!("?")).unwrap_err().to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    fn listed(schema: &Value) -> BTreeSet<String> {
        schema["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_words_of_the_model_are_those_of_the_schema() {
        let schema = json_schema();
        let defs = &schema["$defs"];
        assert_eq!(listed(&defs["State"]), words::<RunState>());
        assert_eq!(listed(&defs["Sign"]), words::<PendingSign>());
        assert_eq!(listed(&defs["StartType"]["properties"]["mode"]), words::<StartMode>());
        serde_json::from_value::<orchestrate_model::StartType>(json!({ "mode": "manual", "delayed": false })).unwrap();
        serde_json::from_value::<ModelVersion>(json!("5.0.8308.1149")).unwrap();
    }

    #[test]
    fn every_key_has_a_description_and_none_is_open() {
        let schema = json_schema();
        let defs = schema["$defs"].as_object().unwrap().values();
        let tables = std::iter::once(&schema).chain(defs).filter(|one| one.get("properties").is_some());
        let mut keys = 0;
        for table in tables {
            for (key, own) in table["properties"].as_object().unwrap() {
                assert!(own.get("description").is_some() || key == "mode", "{key}: {own}");
                keys += 1;
            }
        }
        assert!(keys > 80, "{keys}");
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
