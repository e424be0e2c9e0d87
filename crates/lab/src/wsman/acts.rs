//! Changes of several services that come in one question to a PowerShell that stays.

use super::scripts::refused;
use crate::world::{Control, ServerIndex, World};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the script is asked.
#[derive(Deserialize)]
pub(super) struct Request {
    query: String,
    acts: Vec<Act>,
    onward: bool,
}

#[derive(Deserialize)]
struct Act {
    service: String,
    method: Option<String>,
    mode: Option<String>,
    #[serde(default)]
    fine: Vec<i64>,
}

/// Answers the script: each act as the service manager takes it, and none after one that it did not accept, where they are
/// not to go on. What is done is written down under the same words as what is asked for over the wire.
pub(super) fn answer(world: &mut World, server: ServerIndex, request: &Request) -> Result<Value, String> {
    let query = super::wql::Query::parse(&request.query)?;
    let known: Vec<String> = super::wmi::instances(world, server, &query.class)
        .ok_or("Invalid class ")?
        .iter()
        .filter(|instance| query.matches(instance))
        .filter_map(|instance| match instance.property("Name") {
            Some(super::wmi::Value::Text(name)) => Some(name.to_lowercase()),
            Some(_) | None => None,
        })
        .collect();
    let (mut stopped, mut answers) = (false, Vec::new());
    for act in &request.acts {
        let mut said = if stopped {
            json!({ "skipped": "stopped" })
        } else if !known.contains(&act.service.to_lowercase()) {
            json!({ "skipped": "missing" })
        } else {
            match &act.method {
                Some(method) => by_method(world, server, act, method)?,
                None => by_program(world, server, &act.service)?,
            }
        };
        let is_fine = |value: &Value| value.as_i64().is_some_and(|value| act.fine.contains(&value));
        let done = is_fine(&said["value"]) || (act.method.is_none() && said["code"] == 0);
        stopped |= !done && !request.onward;
        said["service"] = json!(act.service);
        answers.push(said);
    }
    Ok(json!({ "acts": answers }))
}

fn by_method(world: &mut World, server: ServerIndex, act: &Act, method: &str) -> Result<Value, String> {
    let service = &act.service;
    let (object, value) = match (&act.mode, Control::of_method(method)) {
        (Some(mode), _) => (format!("{service} {mode}"), world.change_start_mode(server, service, mode)),
        (None, Some(control)) => (service.clone(), world.control(server, service, control)),
        (None, None) => return Err(format!("a service has no method {method} here")),
    };
    let value = value.ok_or("Not found ")?;
    world.tell(server, method, &object, value.to_string());
    let delayed = world.servers[server].service_named(service).map(|service| service.start.delayed);
    Ok(json!({ "value": value, "delayed": delayed }))
}

fn by_program(world: &mut World, server: ServerIndex, service: &str) -> Result<Value, String> {
    if let Some(refused) = refused(world, service) {
        return Ok(json!({ "code": refused["code"], "output": refused["said"] }));
    }
    world.set_delayed(server, service).ok_or("OpenService FAILED 1060")?;
    world.tell(server, "set-delayed", service, "ok");
    Ok(json!({ "code": 0, "output": "", "delayed": true }))
}
