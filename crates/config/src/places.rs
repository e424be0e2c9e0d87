//! Where in a plan file each key may stand, as the schema says it: for a key that was written in the wrong place.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The most places of a key that are named: one that may stand in many, such as `name`, says nothing.
const MOST_PLACES: usize = 2;

/// The paths of every key, shortest first.
static PLACES: LazyLock<BTreeMap<String, BTreeSet<(usize, String)>>> = LazyLock::new(|| {
    let schema = crate::json_schema();
    let mut walk = Walk { schema: &schema, inside: Vec::new(), found: BTreeMap::new() };
    walk.visit(&schema, &[]);
    walk.found
});

struct Walk<'a> {
    schema: &'a Value,
    /// The definitions that are being looked at: none is looked at inside itself.
    inside: Vec<String>,
    found: BTreeMap<String, BTreeSet<(usize, String)>>,
}

impl Walk<'_> {
    fn visit(&mut self, value: &Value, path: &[&str]) {
        if let Some(name) = value["$ref"].as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
            if self.inside.iter().any(|known| known == name) {
                return;
            }
            self.inside.push(name.to_owned());
            let schema = self.schema;
            self.visit(&schema["$defs"][name], path);
            self.inside.pop();
            return;
        }
        for (key, below) in value["properties"].as_object().into_iter().flatten() {
            self.found.entry(key.clone()).or_default().insert((path.len(), written(path, key)));
            self.visit(below, &[path, &[key.as_str()]].concat());
        }
        if value["additionalProperties"].is_object() {
            self.visit(&value["additionalProperties"], &[path, &["NAME"]].concat());
        }
        if value["items"].is_object() {
            self.visit(&value["items"], path);
        }
        for choice in ["anyOf", "oneOf", "allOf"].iter().filter_map(|word| value[word].as_array()).flatten() {
            self.visit(choice, path);
        }
    }
}

/// Returns a path as a plan file shows it on one line, such as `maintenance: drain: deadline`.
fn written(path: &[&str], key: &str) -> String {
    path.iter().map(|part| format!("{part}: ")).chain([key.to_owned()]).collect()
}

/// Returns where a key belongs that stands in no place of its own: `None` where no such key is, or where it may stand in many
/// places.
pub(crate) fn belongs(key: &str) -> Option<String> {
    let places = PLACES.get(key).filter(|places| places.len() <= MOST_PLACES)?;
    let places: Vec<String> = places.iter().map(|(_, place)| format!("`{place}`")).collect();
    Some(format!("{} stands in another place: {}", crate::diagnostic::quoted(key), places.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_belong() {
        for (key, place) in [
            ("by_sessions_alone", "`maintenance: drain: by_sessions_alone`"),
            ("unmeasured", "`maintenance: drain: unmeasured`"),
            ("measures", "`pools: NAME: measures`"),
            ("resolvers", "`dns: resolvers`"),
            ("sha256", "`maintenance: patch: sha256`"),
        ] {
            assert!(belongs(key).is_some_and(|told| told.contains(place)), "{key}: {:?}", belongs(key));
        }
        assert_eq!(belongs("services"), None, "it stands in many places");
        assert_eq!(belongs("nosuch"), None);
    }
}
