//! How a scenario is read from its file, and what is said of one that cannot be read: the place, the key and what is
//! expected there, in the words of the format and not in those of the program.

use crate::scenario::Scenario;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Error;
use std::collections::BTreeMap;
use std::fmt;

impl Scenario {
    /// Returns the scenario that the text of a file holds, after all its checks.
    ///
    /// # Errors
    /// The place, the key and what is expected there, in one sentence without a full stop.
    pub fn read(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| said(error.without_snippet(), text))?;
        // Names have no case: the second of two spellings would take the place of the first, and nobody would hear of it.
        let keys: Keys = serde_saphyr::from_str(text).map_err(|error| said(error.without_snippet(), text))?;
        keys.0.map_or(Ok(()), Err)?;
        scenario.check()?;
        Ok(scenario)
    }
}

/// Reads a time, which is stated in full or not at all.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let odd = |_error| {
        let text = orchestrate_model::text::quoted(&text);
        serde::de::Error::custom(format!("{text} is no time: write it with its zone, as `2026-11-28T21:00:00Z`"))
    };
    text.parse().map(Some).map_err(odd)
}

fn said(error: &Error, text: &str) -> String {
    let place = error.location().map(|place| (place.line(), place.column())).filter(|(line, _)| *line > 0);
    let key = place.and_then(|(line, column)| key_before(text, line, column));
    let key = key.map_or_else(|| "a value".to_owned(), |key| format!("`{key}`"));
    let why = match error {
        Error::SerdeMissingField { field, .. } => format!("`{field}` is missing: it has to be stated here"),
        Error::SerdeUnknownField { field, expected, .. } => {
            // A blank that looks like a space and is none is shown by its number.
            let field = orchestrate_model::text::quoted(field);
            format!("there is no key `{}` here; known keys: {}", field.trim_matches('"'), words(expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("{key} cannot be `{variant}`: expected one of {}", words(expected))
        }
        Error::InvalidScalar { ty, .. } => format!("{key} has to be {}", thing(ty)),
        Error::NonFiniteFloat { .. } => format!("{key} has to be {}", thing("f64")),
        Error::SerdeInvalidType { expected, .. }
        | Error::SerdeInvalidValue { expected, .. }
        | Error::SerdeInvalidLength { expected, .. } => format!("{key} has to be {}", thing(expected)),
        Error::Unexpected { expected, .. } => format!("{key} has to be {}", thing(expected)),
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("the key `{key}` is written twice"),
            None => "a key is written twice".to_owned(),
        },
        Error::Message { msg, .. } => format!("{key} cannot be used: {msg}"),
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            first.split(" at line ").next().unwrap_or(first).to_owned()
        }
    };
    match place {
        Some((line, column)) => format!("line {line}, column {column}: {why}"),
        None => why,
    }
}

/// What two keys of one mapping in a file say together that neither says alone: they are one name in two spellings.
struct Keys(Option<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_none<E>(self) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_i128<E>(self, _value: i128) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_u128<E>(self, _value: u128) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_str<E>(self, _text: &str) -> Result<Keys, E> {
        Ok(Keys(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Keys, A::Error> {
        let mut found = None;
        while let Some(Keys(item)) = seq.next_element()? {
            found = found.or(item);
        }
        Ok(Keys(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut found = None;
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        while let Some((key, Keys(value))) = map.next_entry::<String, Keys>()? {
            let one = key.trim_end_matches('.').to_lowercase();
            if let Some(other) = first.get(&one) {
                found = found
                    .or_else(|| Some(format!("`{other}` and `{key}` are one name: each stands in one mapping once")));
            }
            first.insert(one, key);
            found = found.or(value);
        }
        Ok(Keys(found))
    }
}

fn words(expected: &[&str]) -> String {
    expected.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Returns what the program calls by the name of a type as people call it.
fn thing(expected: &str) -> String {
    let known = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on, of a usual size",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number of a usual size",
        "f32" | "f64" | "float" | "floating point" | "floating-point number" => "a number",
        "bool" | "boolean" | "a boolean" => "`true` or `false`",
        // The one list of a fixed length.
        tuple if tuple.contains("tuple of size 2") => "a list of two numbers, the smaller one first",
        list if list.contains("sequence") => "a list",
        mapping if mapping.contains("mapping") || mapping.contains("map") || mapping.starts_with("struct") => {
            "a mapping, as in `key: value`"
        }
        text if text.contains("string") => "a text",
        other => other,
    };
    known.to_owned()
}

/// Returns the key whose value begins at a place, or around it in a list.
fn key_before(text: &str, line: u64, column: u64) -> Option<String> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.saturating_sub(1);
    let mut before: String = text.split_inclusive('\n').take(line).collect();
    before.extend(text.split('\n').nth(line)?.chars().take(column));
    let (head, rest) = before.rsplit_once(':')?;
    // Anything else between the two belongs to another key.
    let is_sign = |c: char| matches!(c, '-' | '.' | ',' | '[' | '{' | '"' | '\'');
    let between = |c: char| c.is_whitespace() || c.is_ascii_digit() || is_sign(c);
    if !rest.chars().all(between) {
        return None;
    }
    let key = head.rsplit(|c: char| c.is_whitespace() || matches!(c, '{' | ',' | '[')).next()?;
    let key = key.trim_matches(['"', '\'']);
    (!key.is_empty()).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_said_with_its_key_and_in_plain_words() {
        for (text, said) in [
            ("load: {services: {RTCSRV: {sessions: 1, longest_min: 2}}}", "`mean_min` is missing"),
            ("dns: {ttl_s: often}", "`ttl_s` has to be a whole number"),
            ("dns:\n  ttl_s: -1\n", "`ttl_s` has to be a whole number"),
            ("timing: {boot_s: soon}", "`boot_s` has to be a number"),
            ("load: 5", "`load` has to be a mapping"),
            ("balancer_keeper: sleepy", "`balancer_keeper` cannot be `sleepy`: expected one of `careful`, `absent`"),
            ("sed: 1", "there is no key `sed` here"),
            ("seed\u{a0}: 1", "there is no key `seed<U+00A0>` here"),
            ("begins: 2026-11-27T99:00Z", "\"2026-11-27T99:00Z\" is no time: write it with its zone"),
            ("begins: tomorrow", "is no time"),
            ("servers: {\"fe1\u{a0}.contoso.example\": {}}", "the character U+00A0 is not allowed"),
            ("seed: 1\nseed: 2\n", "the key `seed` is written twice"),
            (
                "servers: {fe1.contoso.example: {power: down}, FE1.contoso.example: {}}",
                "`fe1.contoso.example` and `FE1.contoso.example` are one name",
            ),
            ("services: {pause_s: {RTCSRV: 1, rtcsrv: 2}}", "`RTCSRV` and `rtcsrv` are one name"),
            ("dns: {aliases: {a.example: b.example, a.example.: c.example}}", "are one name"),
            ("faults: [{operation: Gte, effect: garbage}]", "no request is called `Gte`"),
            ("load: {factor: 1e308}", "`load.factor` cannot be 1.0e308: a number from 0 to 100 is needed"),
        ] {
            let why = Scenario::read(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        for text in ["installer: {duration_s: [1]}", "installer: {duration_s: 5}", "servers: 1"] {
            let why = Scenario::read(text).unwrap_err();
            for odd in ["u32", "f64", "tuple", "struct", "start", "variant", "field"] {
                assert!(!why.contains(odd), "{text}: {why}");
            }
        }
        assert_eq!(Scenario::read("load: {factor: 0}").unwrap().load.factor.to_string(), "0");
    }

    #[test]
    fn the_key_of_a_place_is_the_one_in_front_of_it() {
        for (text, line, column, key) in [
            ("load: {factor: x}", 1, 16, Some("factor")),
            ("dns:\n  ttl_s: x\n", 2, 10, Some("ttl_s")),
            ("installer:\n  duration_s:\n    - x\n", 3, 7, Some("duration_s")),
            ("load: {factor: 1, length: 2} x", 1, 30, None),
            ("x", 1, 1, None),
        ] {
            assert_eq!(key_before(text, line, column).as_deref(), key, "{text}");
        }
    }
}
