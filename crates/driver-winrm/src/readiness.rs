//! The pool's own word on whether it may lose a server. The layout of the answer is not documented, so it is looked
//! through for what must be in it; what is not found stays unknown.

use orchestrate_model::observe::{DomainReadiness, Readiness, ReadinessState};
use orchestrate_model::{Answer, PoolName, ServerName, UpgradeDomain};
use orchestrate_wsman::plain;
use serde_json::Value;

/// Names under which the state of the pool may stand.
const STATE: &[&str] = &["State", "PoolState", "UpgradeState", "ReadinessState", "PoolUpgradeState", "Status"];
const DOMAINS: &[&str] = &["UpgradeDomains", "UpgradeDomain", "UpgradeDomainInfo", "Domains"];
const ACTIVE: &[&str] = &["TotalActiveFrontends", "ActiveFrontends", "TotalActiveServers", "ActiveServers"];
const TOTAL: &[&str] = &["TotalFrontends", "Frontends", "TotalServers", "Servers"];
const POOL: &[&str] = &["PoolFqdn", "Pool", "PoolName"];
const NAME: &[&str] = &["Name", "UpgradeDomainName", "UpgradeDomain", "Id", "Identity"];
const SERVERS: &[&str] = &["Frontends", "Servers", "Computers", "Machines", "FrontEndServers"];
const READY: &[&str] = &["IsReadyForUpgrade", "ReadyForUpgrade", "IsReady", "Ready"];
const FQDN: &[&str] = &["Fqdn", "Name", "Value", "Identity"];

/// Returns the readiness in an answer about `pool`.
pub(crate) fn parse(answer: &Value, pool: &PoolName) -> Answer<Readiness> {
    let answer = whole(answer);
    let Some(word) = find(answer, STATE).and_then(Value::as_str) else {
        return Answer::unknown("the readiness answer names no state of the pool");
    };
    if let Some(other) = find(answer, POOL).and_then(name) {
        let other = other.trim_end_matches('.');
        if !other.eq_ignore_ascii_case(pool.as_str()) {
            return Answer::unknown(format!(
                "expected the readiness of {pool}, found that of {}",
                orchestrate_model::text::quoted(other)
            ));
        }
    }
    let domains = list(find(answer, DOMAINS)).into_iter().filter_map(|domain| self::domain(domain, pool)).collect();
    Answer::Known(Readiness {
        state: state(word),
        active: find(answer, ACTIVE).and_then(count),
        total: find(answer, TOTAL).and_then(count),
        domains,
    })
}

fn state(word: &str) -> ReadinessState {
    let folded: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
    match folded.to_ascii_lowercase().as_str() {
        "ready" => ReadinessState::Ready,
        "busy" => ReadinessState::Busy,
        "insufficientactivefrontends" => ReadinessState::InsufficientActiveFrontEnds,
        _ => ReadinessState::Other(plain(word)),
    }
}

fn domain(domain: &Value, pool: &PoolName) -> Option<DomainReadiness> {
    let name = UpgradeDomain::new(&plain(find(domain, NAME).and_then(self::name)?)).ok()?;
    let servers = list(find(domain, SERVERS)).into_iter();
    let servers = servers.filter_map(|server| self::server(self::name(server)?, pool)).collect();
    let ready = match find(domain, READY) {
        Some(Value::Bool(ready)) => Answer::Known(*ready),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Answer::Known(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Answer::Known(false),
        Some(other) => Answer::unknown(format!("expected true or false, found {}", plain(&other.to_string()))),
        None => Answer::unknown("the answer does not say whether this upgrade domain is ready"),
    };
    Some(DomainReadiness { name, servers, ready })
}

/// A short name belongs to the domain of the pool.
fn server(name: &str, pool: &PoolName) -> Option<ServerName> {
    let qualified = match (name.contains('.'), pool.as_str().split_once('.')) {
        (false, Some((_, domain))) => format!("{name}.{domain}"),
        _ => name.to_owned(),
    };
    ServerName::new(&qualified).ok()
}

/// Returns the object itself: cmdlets may answer with a list of one, and `ConvertTo-Json` may wrap lists.
pub(crate) fn whole(value: &Value) -> &Value {
    match value {
        Value::Array(list) if list.len() == 1 => whole(&list[0]),
        Value::Object(wrapped) => match (wrapped.get("value"), wrapped.get("Count")) {
            (Some(inner @ Value::Array(_)), Some(_)) if wrapped.len() == 2 => whole(inner),
            _ => value,
        },
        _ => value,
    }
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(wrapped)) => match wrapped.get("value") {
            Some(Value::Array(list)) => list.iter().collect(),
            _ => value.into_iter().collect(),
        },
        Some(single) => vec![single],
    }
}

/// Returns the first of these properties that is there, whatever its case.
pub(crate) fn find<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let object = value.as_object()?;
    names.iter().find_map(|name| {
        let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    })
}

pub(crate) fn name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| find(value, FQDN).and_then(Value::as_str))
}

fn count(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        Value::Array(list) => u32::try_from(list.len()).ok(),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pool() -> PoolName {
        PoolName::new("pool01.contoso.example").unwrap()
    }

    fn read(answer: Value) -> Answer<Readiness> {
        parse(&answer, &pool())
    }

    #[test]
    fn the_layout_that_is_remembered_is_read_whole() {
        let readiness = read(json!({
            "PoolFqdn": "pool01.contoso.example", "State": "Ready", "TotalFrontends": 3, "TotalActiveFrontends": 3,
            "UpgradeDomains": [
                {"Name": "UD1", "Frontends": ["fe1.contoso.example"], "TotalFrontends": 1, "IsReadyForUpgrade": true},
                {"Name": "UD2", "Frontends": ["fe2.contoso.example"], "IsReadyForUpgrade": false},
            ],
        }));
        let readiness = readiness.known().unwrap();
        assert_eq!(readiness.state, ReadinessState::Ready);
        assert_eq!((readiness.active, readiness.total), (Some(3), Some(3)));
        assert_eq!(readiness.domains[0].servers, [ServerName::new("fe1.contoso.example").unwrap()]);
        assert_eq!(readiness.domains[0].ready, Answer::Known(true));
        assert_eq!(readiness.domains[1].ready, Answer::Known(false));
    }

    #[test]
    fn other_layouts_are_read_as_far_as_they_are_understood() {
        let table = [
            (json!({"state": "busy"}), ReadinessState::Busy),
            (json!({"UpgradeState": "InsufficientActiveFrontEnds"}), ReadinessState::InsufficientActiveFrontEnds),
            (json!({"State": "Insufficient active front ends"}), ReadinessState::InsufficientActiveFrontEnds),
            (json!({"State": "Not Ready"}), ReadinessState::Other("Not Ready".to_owned())),
            (json!([{"State": "Ready"}]), ReadinessState::Ready),
            (json!({"value": [{"State": "Ready"}], "Count": 1}), ReadinessState::Ready),
            (json!({"PoolFqdn": {"Fqdn": "POOL01.contoso.example."}, "State": "Ready"}), ReadinessState::Ready),
        ];
        for (answer, expected) in table {
            assert_eq!(
                read(answer.clone()).known().map(|readiness| readiness.state.clone()),
                Some(expected),
                "{answer}"
            );
        }
        let domains = read(json!({"State": "Ready", "UpgradeDomains": {"Name": "UD1", "ReadyforUpgrade": "True",
            "Servers": {"value": [{"Fqdn": "fe1.contoso.example"}, "fe2"], "Count": 2}}}));
        let domain = &domains.known().unwrap().domains[0];
        assert_eq!(domain.servers.len(), 2);
        assert_eq!(domain.servers[1].as_str(), "fe2.contoso.example");
        assert_eq!(domain.ready, Answer::Known(true));
    }

    #[test]
    fn p3_what_is_not_said_is_unknown() {
        for answer in [
            json!(null),
            json!("Ready"),
            json!({}),
            json!([]),
            json!([{"State": "Ready"}, {"State": "Busy"}]),
            json!({"State": 0}),
            json!({"State": null}),
            json!({"IsReadyForUpgrade": true}),
            json!({"State": "Ready", "PoolFqdn": "pool02.contoso.example"}),
        ] {
            assert!(read(answer.clone()).known().is_none(), "{answer}");
        }
        let silent = read(json!({"State": "Ready", "UpgradeDomains": [{"Name": "UD1"}, {"x": 1}]}));
        let silent = silent.known().unwrap();
        assert_eq!(silent.domains.len(), 1);
        assert!(silent.domains[0].ready.known().is_none());
        assert_eq!(silent.active, None);
    }
}
