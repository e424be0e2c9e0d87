//! In what two changes differ, in words, for a person who has to decide between them.

use orchestrate_model::Change;
use serde_json::Value;

/// Most differences that are named.
const NAMED: usize = 5;

/// Most characters of a value.
const LONG: usize = 60;

/// Keys whose values may hold secrets, or are of no use to a person: only that they differ is told.
const UNTOLD: [&str; 7] = ["arguments", "access", "notify", "credentials", "command", "pins", "pin"];

/// Returns in what a change differs from an earlier one.
pub(crate) fn in_words(before: &Change, now: &Change) -> String {
    let value = |change: &Change| serde_json::to_value(change).unwrap_or(Value::Null);
    let mut found = Vec::new();
    walk("", (&value(before), &value(now)), &mut found);
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    if found.is_empty() { "it is another plan".to_owned() } else { found.join("; ") }
}

fn walk(path: &str, (before, now): (&Value, &Value), found: &mut Vec<String>) {
    if before == now {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if UNTOLD.iter().any(|key| path.rsplit('.').next() == Some(key)) {
        found.push(format!("{path} differs"));
        return;
    }
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                walk(&below(key), (&of(before), &of(now)), found);
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (at, pair) in before.iter().zip(now).enumerate() {
                let name = pair.1.get("name").and_then(Value::as_str);
                walk(&below(&name.map_or_else(|| (at + 1).to_string(), str::to_owned)), pair, found);
            }
        }
        (Value::Array(before), Value::Array(now)) => {
            found.push(format!("{path} had {}, has {}", before.len(), now.len()));
        }
        (before, now) => found.push(format!("{path} was {}, is {}", short(before), short(now))),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return "not there".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => return "something else".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = include_str!("../../../../plans/contoso-front-end.yaml");

    fn change(text: &str) -> Change {
        orchestrate_config::parse("plan.yaml", text.as_bytes()).unwrap().change
    }

    #[test]
    fn what_differs_is_named_with_what_it_was_and_no_argument_is_shown() {
        let other =
            PLAN.replace("soak: 20m", "soak: 30m").replace("arguments: [/silentmode]", "arguments: [/key=hush]");
        let told = in_words(&change(PLAN), &change(&other));
        assert!(told.contains("soak was ") && told.contains("arguments differs"), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }
}
