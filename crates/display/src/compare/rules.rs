//! What two plan files say differently.

use super::{Difference, Subject, Weight};
use crate::duration;
use crate::preview::{freeze_said, window_said};
use crate::style::Look;
use jiff::SignedDuration;
use orchestrate_model::window::Freeze;
use orchestrate_model::{Change, Pool, PoolName, Server, ServerName, secret};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most characters of a value.
const LONG: usize = 80;

/// Keys whose values may hold secrets, or say nothing to a person: only that they differ is told.
const UNTOLD: [&str; 8] = ["arguments", "access", "notify", "silences", "credentials", "command", "pins", "pin"];

/// Rules by where they are in a change, in the words of previews.
const WORDS: [(&str, &str); 34] = [
    ("name", "the name of the plan"),
    ("reason", "the reason"),
    ("emergency", "the emergency"),
    ("only", "the servers that are chosen"),
    ("notify", "who is told of a run, or how"),
    ("silences", "how alerts are silenced"),
    ("approvals", "whose signed approvals a run needs"),
    ("dns", "which name servers are asked"),
    ("budgets", "budgets that pools share"),
    ("stop_when.failed", "servers that may fail before the run stops"),
    ("maintenance.scope", "which services are blocked"),
    ("maintenance.at_once", "servers of a pool out at once"),
    ("maintenance.start_type", "start types while a server is blocked"),
    ("maintenance.drain.deadline", "the deadline of a drain"),
    ("maintenance.drain.at_deadline", "at the deadline of a drain"),
    ("maintenance.drain.stuck_after", "a drain counts as stuck after"),
    ("maintenance.drain.per_service", "deadlines of single services"),
    ("maintenance.drain.by_sessions_alone", "services whose sessions alone prove a drain"),
    ("maintenance.patch.installer", "the installer"),
    ("maintenance.patch.arguments", "the arguments of the installer"),
    ("maintenance.patch.sha256", "the SHA-256 of the installer"),
    ("maintenance.patch.deadline", "the deadline of the installer"),
    ("maintenance.patch.level", "the level that counts as patched"),
    ("maintenance.patch.exit_codes", "exit codes of the installer"),
    ("maintenance.patch.needs_free", "bytes that have to be free"),
    ("maintenance.patch.pending_restart", "a restart that is due"),
    ("maintenance.patch.restart", "when the restart is made that the installer asks for"),
    ("maintenance.patch", "the patch"),
    ("maintenance.restart", "restarts"),
    ("maintenance.soak", "how long a server is watched after its return (soak)"),
    ("maintenance.accept_loss", "features whose loss is accepted"),
    ("maintenance.unmeasured", "services that are waited for by time"),
    ("maintenance.on_hold", "what an unattended run does at a hold"),
    ("maintenance.fit", "what has to fit into a window"),
];

/// Returns what the second change says differently from the first, in the words of people. No value that may be a secret is
/// told.
#[must_use]
pub fn rules(before: &Change, now: &Change) -> Vec<Difference> {
    if before == now {
        return Vec::new();
    }
    let mut found = calendar(before, now);
    let without = |change: &Change| {
        let mut map = object(change);
        for key in ["pools", "windows", "freezes"] {
            map.remove(key);
        }
        if before.maintenance.installers.len().max(now.maintenance.installers.len()) > 1 {
            one_by_one(change, &mut map);
        }
        Value::Object(map)
    };
    walk("", &without(before), &without(now), &mut |path, text| {
        // How people are told of a run is no part of the work.
        let weight = if path == "notify" || path == "silences" { Weight::Matters } else { Weight::Another };
        found.push(Difference::new(Subject::Rules, weight, format!("{}{text}", said(path))));
    });
    pools(before, now, &mut found);
    found
}

/// Puts each of several installers under its number, so that they are compared one by one.
fn one_by_one(change: &Change, map: &mut Map<String, Value>) {
    let each = change.maintenance.installers.iter().zip(1..);
    let each = each.map(|(patch, number)| (format!("installer {number}"), Value::Object(object(patch))));
    if let Some(Value::Object(maintenance)) = map.get_mut("maintenance") {
        maintenance.insert("patch".to_owned(), Value::Object(each.collect()));
    }
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn said(path: &str) -> String {
    let known = WORDS.iter().find(|(known, _)| *known == path).map(|(_, words)| (*words).to_owned());
    let below = || {
        let mut longest = WORDS.iter().filter_map(|(known, words)| {
            let rest = path.strip_prefix(known)?.strip_prefix('.')?;
            Some((known.len(), format!("{words}, {}", rest.replace(['.', '_'], " "))))
        });
        let first = longest.next();
        longest.chain(first).max_by_key(|(length, _)| *length).map(|(_, words)| words)
    };
    known.or_else(below).unwrap_or_else(|| path.replace('.', ": ").replace('_', " "))
}

fn calendar(before: &Change, now: &Change) -> Vec<Difference> {
    let look = Look::plain();
    let windows = |change: &Change| change.windows.iter().map(window_said).collect::<BTreeSet<String>>();
    let freezes =
        |change: &Change| change.freezes.iter().map(|freeze| frozen(freeze, &look)).collect::<BTreeSet<String>>();
    let mut found = Vec::new();
    let pairs = [("a window", windows(before), windows(now)), ("a freeze", freezes(before), freezes(now))];
    for (what, before, now) in pairs {
        let gone = before.difference(&now).map(|each| format!("{what} is gone: {each}"));
        let new = now.difference(&before).map(|each| format!("{what} is new: {each}"));
        found.extend(gone.chain(new).map(|text| Difference::new(Subject::Rules, Weight::Another, text)));
    }
    if (&before.windows, &before.freezes) != (&now.windows, &now.freezes) && found.is_empty() {
        let text = "windows and freezes are written in another order or form, and mean the same".to_owned();
        found.push(Difference::new(Subject::Rules, Weight::Another, text));
    }
    found
}

/// Returns a freeze in words, without the word itself.
fn frozen(freeze: &Freeze, look: &Look) -> String {
    let said = freeze_said(freeze, look);
    said.strip_prefix("freeze ").map_or_else(|| said.clone(), str::to_owned)
}

fn pools(before: &Change, now: &Change, found: &mut Vec<Difference>) {
    let count = found.len();
    let named = |change: &Change| change.pools.iter().map(|pool| pool.name.clone()).collect::<Vec<PoolName>>();
    let (old, new) = (named(before), named(now));
    let mut tell = |about: &dyn ToString, text: String| {
        found.push(Difference::new(Subject::Servers, Weight::Another, text).about(about.to_string()));
    };
    for pool in before.pools.iter().filter(|pool| !new.contains(&pool.name)) {
        tell(&pool.name, format!("pool {} is gone, with {}", pool.name, servers_of(pool)));
    }
    for pool in &now.pools {
        match before.pools.iter().find(|earlier| earlier.name == pool.name) {
            None => tell(&pool.name, format!("pool {} is added, with {}", pool.name, servers_of(pool))),
            Some(earlier) if earlier != pool => one_pool(earlier, pool, &mut tell),
            Some(_) => {}
        }
    }
    if old != new && found.len() == count {
        let text = "the pools stand in another order".to_owned();
        found.push(Difference::new(Subject::Servers, Weight::Another, text));
    }
}

fn servers_of(pool: &Pool) -> String {
    let names: Vec<&str> = pool.servers.iter().map(|server| server.name.short()).collect();
    crate::text::list(&names)
}

fn one_pool(before: &Pool, now: &Pool, tell: &mut dyn FnMut(&dyn ToString, String)) {
    let name = &now.name;
    let without = |pool: &Pool| {
        let mut map = object(pool);
        map.remove("servers");
        Value::Object(map)
    };
    walk("", &without(before), &without(now), &mut |path, text| {
        let path = if path == "access" { "how its servers are reached".to_owned() } else { said(path) };
        tell(name, format!("{name}: {path}{text}"));
    });
    let by_name = |pool: &Pool| -> BTreeMap<ServerName, Server> {
        pool.servers.iter().map(|server| (server.name.clone(), server.clone())).collect()
    };
    let (old, new) = (by_name(before), by_name(now));
    for server in before.servers.iter().filter(|server| !new.contains_key(&server.name)) {
        tell(&server.name, format!("server {} of {name} is gone", server.name));
    }
    for server in &now.servers {
        match old.get(&server.name) {
            None => tell(&server.name, format!("server {} of {name} is added", server.name)),
            Some(earlier) => {
                walk("", &Value::Object(object(earlier)), &Value::Object(object(server)), &mut |path, text| {
                    tell(&server.name, format!("{}: {}{text}", server.name, said(path)));
                });
            }
        }
    }
    let both = |servers: &[Server], other: &BTreeMap<ServerName, Server>| -> Vec<String> {
        let kept = servers.iter().filter(|server| other.contains_key(&server.name));
        kept.map(|server| server.name.short().to_owned()).collect()
    };
    let (was, is) = (both(&before.servers, &new), both(&now.servers, &old));
    if was != is {
        tell(name, format!("{name}: its servers were listed as {}, are listed as {}", was.join(", "), is.join(", ")));
    }
}

/// Tells each value that differs with where it is.
fn walk(path: &str, before: &Value, now: &Value, tell: &mut dyn FnMut(&str, String)) {
    if before == now {
        return;
    }
    if UNTOLD.iter().any(|key| path.rsplit('.').next() == Some(key)) {
        tell(path, " differ, or what is in them".to_owned());
        return;
    }
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                walk(&below, &of(before), &of(now), tell);
            }
        }
        (before, now) => tell(path, format!(": was {}, is {}", shown(path, before), shown(path, now))),
    }
}

/// Returns a value as it may be shown: without what may be a secret, as everywhere else.
fn shown(path: &str, value: &Value) -> String {
    masked(path.rsplit('.').next().unwrap_or_default(), value).unwrap_or_else(|| short(value))
}

/// Returns what stands for a text that may hold a secret, by its key.
fn masked(key: &str, value: &Value) -> Option<String> {
    let text = value.as_str()?;
    match key {
        "installer" => Some(secret::shown_address(text)),
        "elsewhere" | "reason" | "name" => Some(secret::shown_text(text)),
        _ => None,
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return "not there".to_owned(),
        Value::Bool(true) => return "yes".to_owned(),
        Value::Bool(false) => return "no".to_owned(),
        Value::String(text) => {
            let length = text.strip_prefix("PT").and_then(|_| text.parse::<SignedDuration>().ok());
            length.map_or_else(|| text.clone(), duration)
        }
        Value::Array(items) if items.is_empty() => return "none".to_owned(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let parts = map.iter().map(|(key, value)| {
                let untold = UNTOLD.contains(&key.as_str());
                if untold { key.clone() } else { format!("{} {}", key.replace('_', " "), shown(key, value)) }
            });
            parts.collect::<Vec<_>>().join(", ")
        }
        Value::Number(_) => value.to_string(),
    };
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
