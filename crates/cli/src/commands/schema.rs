//! `orchestrate schema`: the JSON Schema of each document that programs meet.

use crate::args::Document;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::output;
use clap::ValueEnum;
use orchestrate_display::schemas::{self, complete};
use serde_json::Value;

/// A check of a plan file.
const CHECK: &str = include_str!("../../schemas/check.json");
/// In what two plans differ.
const DIFF: &str = include_str!("../../schemas/diff.json");
/// Pages about diagnostics.
const EXPLAIN: &str = include_str!("../../schemas/explain.json");
/// The plans of a folder that is served.
const SERVE: &str = include_str!("../../schemas/serve.json");
/// A saved plan.
const SAVED_PLAN: &str = include_str!("../../schemas/saved-plan.json");

pub(crate) fn run(document: Document) -> Result<Exit, Failure> {
    let schema = schema(document).map_err(|error| Failure::Output(error.into()))?;
    output::data(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}

/// Lists the documents, one a line.
pub(crate) fn list() -> Result<Exit, Failure> {
    let all = Document::value_variants();
    let width = all.iter().map(|document| document.name().len()).max().unwrap_or_default();
    let lines = all.iter().map(|document| format!("{:width$}  {}\n", document.name(), document.what()));
    output::data(&lines.collect::<String>())?;
    Ok(Exit::Done)
}

fn schema(document: Document) -> serde_json::Result<Value> {
    match document {
        Document::Plan => Ok(orchestrate_config::json_schema()),
        Document::LabScenario => Ok(orchestrate_lab::json_schema()),
        Document::Preview => complete(schemas::PREVIEW),
        Document::SavedPlan => complete(SAVED_PLAN),
        Document::Events => complete(schemas::EVENTS),
        Document::Status => complete(schemas::STATUS),
        Document::Report => complete(schemas::REPORT),
        Document::Probe => complete(schemas::PROBE),
        Document::Check => complete(CHECK),
        Document::Windows => complete(schemas::WINDOWS),
        Document::Diff => complete(DIFF),
        Document::Simulate => complete(orchestrate_simulation::SCHEMA),
        Document::Explain => complete(EXPLAIN),
        Document::Serve => complete(SERVE),
        Document::Notice => complete(orchestrate_notify::NOTICE_SCHEMA),
        Document::Silence => complete(orchestrate_notify::SILENCE_SCHEMA),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_planner::plan::EdgeReason;
    use serde_json::json;

    #[test]
    fn every_document_has_a_schema_that_stands_alone_and_a_line_in_the_list() {
        for document in Document::value_variants() {
            let schema = schema(*document).unwrap();
            assert!(jsonschema::meta::is_valid(&schema), "{document:?}");
            jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{document:?}: {error}"));
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{document:?}");
            assert!(schema["title"].as_str().is_some_and(|title| title.starts_with("orchestrate")), "{document:?}");
            assert!(!document.what().is_empty(), "{document:?}");
        }
    }

    #[test]
    fn the_scenarios_that_come_along_are_as_their_schema_says() {
        let schema = schema(Document::LabScenario).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = ["plans", "examples"].iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
        let scenarios =
            files.map(|file| file.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(".lab.yaml"));
        let mut seen = 0;
        for path in scenarios {
            let value: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{}", path.display());
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
        for odd in [
            json!({ "seeed": 1 }),
            json!({ "servers": { "fe1": { "power": "on" } } }),
            json!({ "load": { "factor": "a" } }),
        ] {
            assert!(!validator.is_valid(&odd), "{odd}");
        }
    }

    #[test]
    fn every_word_for_what_becomes_of_a_served_plan_is_in_the_schema() {
        let schema = schema(Document::Serve).unwrap();
        let words = &schema["properties"]["plans"]["items"]["properties"]["state"]["enum"];
        assert_eq!(*words, json!(orchestrate_serve::Verdict::WORDS));
    }

    #[test]
    fn every_reason_for_a_wait_in_a_saved_plan_is_in_the_schema() {
        let schema = schema(Document::SavedPlan).unwrap();
        let reasons = &schema["$defs"]["plan"]["properties"]["edges"]["items"]["properties"]["reason"];
        // The words of the type, as its reader names them.
        let error = serde_json::from_value::<EdgeReason>(json!("?")).unwrap_err().to_string();
        let known: std::collections::BTreeSet<&str> = error.split('`').skip(3).step_by(2).collect();
        let plain = reasons["oneOf"][0]["enum"].as_array().unwrap().iter();
        let more = reasons["oneOf"].as_array().unwrap().iter().skip(1).map(|one| &one["required"][0]);
        assert_eq!(
            plain.chain(more).map(|word| word.as_str().unwrap()).collect::<std::collections::BTreeSet<_>>(),
            known
        );
    }
}
