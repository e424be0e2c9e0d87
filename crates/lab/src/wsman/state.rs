//! The rows of services and of the operating system, as a script hands them over.

use super::wmi::{self, Instance, Value};
use super::wql::Query;
use crate::world::{ServerIndex, World};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, json};

/// What the script is asked.
#[derive(Deserialize)]
pub(super) struct Request {
    query: Option<String>,
    system: bool,
}

/// The properties of services that the script hands over.
const OF_SERVICE: [&str; 6] = ["Name", "DisplayName", "State", "StartMode", "AcceptPause", "DelayedAutoStart"];

/// Those of the operating system.
const OF_SYSTEM: [&str; 4] = ["LastBootUpTime", "LocalDateTime", "Caption", "Version"];

/// Answers the script.
pub(super) fn answer(world: &World, server: ServerIndex, request: &Request) -> Result<serde_json::Value, String> {
    let mut answer = Map::new();
    if let Some(text) = &request.query {
        let query = Query::parse(text)?;
        let found = wmi::instances(world, server, &query.class).ok_or("Invalid class ")?;
        if let Some(first) = found.first() {
            query.check(first)?;
        }
        let rows = found.iter().filter(|instance| query.matches(instance)).map(|found| texts(found, &OF_SERVICE));
        answer.insert("services".to_owned(), rows.collect());
    }
    if request.system {
        let found = wmi::instances(world, server, "Win32_OperatingSystem").unwrap_or_default();
        answer.insert("system".to_owned(), found.first().map_or(json!(null), |found| texts(found, &OF_SYSTEM)));
    }
    Ok(answer.into())
}

/// Returns properties as texts, without those that are null.
fn texts(instance: &Instance, names: &[&str]) -> serde_json::Value {
    let text = |name: &&str| {
        let text = match instance.property(name)? {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            // So PowerShell writes it.
            Value::Bool(answer) => if *answer { "True" } else { "False" }.to_owned(),
            Value::Datetime(at) => written_by_wmi(*at),
            Value::Null => return None,
        };
        Some(((*name).to_owned(), serde_json::Value::String(text)))
    };
    serde_json::Value::Object(names.iter().filter_map(text).collect())
}

/// Returns a time as WMI writes it, by the clock of a server that is an hour ahead of UTC.
fn written_by_wmi(at: Timestamp) -> String {
    let ahead = orchestrate_model::time::after(at, jiff::SignedDuration::from_hours(1));
    ahead.strftime("%Y%m%d%H%M%S%.6f+060").to_string()
}
