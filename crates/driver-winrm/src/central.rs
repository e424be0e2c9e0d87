//! A server's word on which central management is active. Of the answer only the names of its properties are
//! documented, so it is looked through for the one that counts; what is not found stays unknown.

use crate::readiness::{name, whole};
use orchestrate_model::Answer;
use orchestrate_model::observe::CentralManagement;
use orchestrate_wsman::plain;
use serde_json::Value;

/// The property that names the active one. Its spelling varies.
const ACTIVE: &str = "ActiveMasterFQDN";

/// Returns the active central management that an answer names.
pub(crate) fn parse(answer: &Value) -> Answer<CentralManagement> {
    let answer = whole(answer);
    if let Value::Array(several) = answer {
        let each: Vec<String> = several.iter().map(|one| named(property(one))).collect();
        return Answer::unknown(match each.as_slice() {
            [] => "the answer about the central management is empty".to_owned(),
            each => {
                format!("expected one answer about the central management, found {}: {}", each.len(), each.join(", "))
            }
        });
    }
    // A property that is there and empty is an answer; one that is not there is none.
    let Some(value) = property(answer) else {
        return Answer::unknown(format!("the answer about the central management has no {ACTIVE}"));
    };
    match whole(value) {
        Value::Null => Answer::Known(CentralManagement { active: None }),
        Value::Array(none) if none.is_empty() => Answer::Known(CentralManagement { active: None }),
        other => match name(other).map(plain) {
            Some(text) => Answer::Known(CentralManagement { active: Some(text).filter(|text| !text.is_empty()) }),
            None => Answer::unknown(format!("expected a name as {ACTIVE}, found {}", plain(&other.to_string()))),
        },
    }
}

fn property(answer: &Value) -> Option<&Value> {
    let properties = answer.as_object()?;
    properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(ACTIVE)).map(|(_, value)| value)
}

fn named(value: Option<&Value>) -> String {
    value.and_then(|value| name(whole(value))).map_or_else(|| "none".to_owned(), plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn active(answer: &Value) -> Option<String> {
        parse(answer).known().unwrap_or_else(|| panic!("{answer}: {:?}", parse(answer))).active.clone()
    }

    #[test]
    fn the_name_is_read_in_every_spelling_and_layout() {
        for answer in [
            json!({"ActiveMasterFQDN": "se1.contoso.example", "ActiveFileTransferAgents": ["se1.contoso.example"]}),
            json!({"ActiveMasterFqdn": "se1.contoso.example"}),
            json!({"activemasterfqdn": " se1.contoso.example\r\n"}),
            json!([{"ActiveMasterFQDN": "se1.contoso.example"}]),
            json!({"value": [{"ActiveMasterFQDN": "se1.contoso.example"}], "Count": 1}),
            json!({"ActiveMasterFQDN": {"Fqdn": "se1.contoso.example"}}),
            json!({"ActiveMasterFQDN": ["se1.contoso.example"]}),
        ] {
            assert_eq!(active(&answer).as_deref(), Some("se1.contoso.example"), "{answer}");
        }
        // Whose name it is, is not judged here.
        assert_eq!(active(&json!({"ActiveMasterFQDN": "se1"})).as_deref(), Some("se1"));
    }

    #[test]
    fn a_server_may_name_none() {
        for value in [json!(null), json!(""), json!("  "), json!([]), json!({"Fqdn": ""})] {
            assert_eq!(active(&json!({ "ActiveMasterFQDN": value })), None, "{value}");
        }
    }

    #[test]
    fn p3_what_is_not_said_or_said_twice_is_unknown_with_what_was_found() {
        let two = json!([{"ActiveMasterFQDN": "se1.contoso.example"}, {"ActiveMasterFqdn": {"Fqdn": "se2"}}, {}]);
        let table = [
            (json!(null), "no ActiveMasterFQDN"),
            (json!([]), "is empty"),
            (json!({}), "no ActiveMasterFQDN"),
            (json!("se1.contoso.example"), "no ActiveMasterFQDN"),
            (json!({"ActiveFileTransferAgents": ["se1"]}), "no ActiveMasterFQDN"),
            (two, "found 3: se1.contoso.example, se2, none"),
            (json!({"ActiveMasterFQDN": 7}), "found 7"),
            (json!({"ActiveMasterFQDN": {"x": "se1"}}), "found {\"x\":\"se1\"}"),
            (json!({"ActiveMasterFQDN": ["se1", "se2"]}), "found [\"se1\",\"se2\"]"),
        ];
        for (answer, expected) in table {
            let why = parse(&answer);
            assert!(why.why_unknown().is_some_and(|why| why.contains(expected)), "{answer}: {why:?}");
        }
    }
}
