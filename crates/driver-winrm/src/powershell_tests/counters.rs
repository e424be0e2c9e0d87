//! The question for all counters of a look.

use super::{Host, WAYS, Way, unwrapped, without_times};
use crate::script::{Look, answer};
use serde_json::{Value, json};

const PEERS: &str = "Win32_PerfFormattedData_LSSIP_LSSIPPeers";
const CACHE: &str = "Win32_PerfFormattedData_LSUSrv_LSUSrvEndpointCache";

fn asked(classes: &[(&str, &[&str])]) -> Value {
    let classes: Vec<Value> =
        classes.iter().map(|(name, properties)| json!({"name": name, "properties": properties})).collect();
    json!({"classes": classes, "each": 5, "seconds": 15})
}

/// Asks for two classes where the server answers with this function in the place of WMI.
fn with(host: &Host, way: Way, function: &str, request: &Value) -> Value {
    let script = Look::Counters.script();
    let output = host.run(way, script, request, function);
    answer(script, &output).unwrap_or_else(|trouble| panic!("{trouble} {output:?}"))
}

fn instances(host: &Host) {
    host.clear("counters");
    host.set(&format!("counters/{PEERS}/Clients"), "SIPConnectionsActive=12\n");
    host.set(&format!("counters/{PEERS}/_Total"), "SIPConnectionsActive=90\n");
    host.set(&format!("counters/{CACHE}/all"), "USrvActiveRegisteredEndpoints=0\n");
}

#[test]
fn the_counters_of_many_classes_are_one_answer() {
    let Some(host) = Host::new() else { return };
    instances(&host);
    let request = asked(&[
        (PEERS, &["Name", "SIPConnectionsActive"]),
        (CACHE, &["USrvActiveRegisteredEndpoints", "USrvActiveRegisteredUsers"]),
        ("Win32_PerfFormattedData_None", &["Active"]),
    ]);
    let found = host.every_way(Look::Counters, &request).unwrap();
    assert_eq!(found["classes"][PEERS].as_array().map(Vec::len), Some(2), "{found}");
    let clients = json!({"Name": "Clients", "SIPConnectionsActive": "12"});
    assert!(found["classes"][PEERS].as_array().unwrap().contains(&clients), "{found}");
    // One instance stays a list, and what is null is left out.
    assert_eq!(found["classes"][CACHE], json!([{"USrvActiveRegisteredEndpoints": "0"}]));
    assert_eq!(found["classes"]["Win32_PerfFormattedData_None"], json!([]));
    assert_eq!(found["errors"], json!({}));
    let none = host.every_way(Look::Counters, &asked(&[])).unwrap();
    assert_eq!(none, json!({"classes": {}, "errors": {}}));
}

#[test]
fn numbers_are_the_same_under_every_culture_and_with_arrays_as_later_versions_write_them() {
    let Some(host) = Host::new() else { return };
    let wide = "function Get-CimInstance { [CmdletBinding()] param($Query, $OperationTimeoutSec) [pscustomobject]@{ \
        A = [uint64]18446744073709551615; B = [double]1234.5; C = [uint32]0; D = [int64]-1; E = $null; \
        Name = 'Größe „x“' } }"
        .replace("\\\n", "");
    let request = asked(&[(PEERS, &["A", "B", "C", "D", "E", "Name"])]);
    let expected = json!([{"A": "18446744073709551615", "B": "1234.5", "C": "0", "D": "-1", "Name": "Größe „x“"}]);
    for (culture, way) in [("de-DE", WAYS[0]), ("tr-TR", WAYS[1]), ("ar-SA", WAYS[2]), ("fa-IR", WAYS[0])] {
        for arrays in [true, false] {
            host.set("powershell", &format!("culture={culture}\narrays_like_51={arrays}\n"));
            let found = unwrapped(without_times(Ok(with(&host, way, &wide, &request))).unwrap());
            assert_eq!(found["classes"][PEERS], expected, "{culture}: {found}");
        }
    }
}

#[test]
fn a_class_that_throws_or_is_late_does_not_take_the_answers_of_the_others() {
    let Some(host) = Host::new() else { return };
    let one_throws = format!(
        "function Get-CimInstance {{ [CmdletBinding()] param($Query, $OperationTimeoutSec) if ($Query -like '*{PEERS}') \
         {{ throw 'nicht „da“' }} [pscustomobject]@{{ A = $OperationTimeoutSec }} }}"
    );
    let request = asked(&[(PEERS, &["A"]), (CACHE, &["A"])]);
    for way in WAYS {
        let found = with(&host, way, &one_throws, &request);
        assert_eq!(found["classes"], json!({CACHE: [{"A": "5"}]}));
        assert_eq!(found["errors"], json!({PEERS: "nicht „da“"}));
    }
    // One that answers after two of three seconds leaves no whole second for the third.
    let slow = "function Get-CimInstance { [CmdletBinding()] param($Query, $OperationTimeoutSec) Start-Sleep -Milliseconds 2100; \
                [pscustomobject]@{ A = $OperationTimeoutSec } }";
    let mut request = asked(&[(PEERS, &["A"]), (CACHE, &["A"])]);
    request["seconds"] = json!(3);
    let found = with(&host, Way::OnTheLine, slow, &request);
    assert_eq!(found["classes"], json!({PEERS: [{"A": "2"}]}), "{found}");
    assert_eq!(found["errors"], json!({CACHE: "the others took too long"}));
}

#[test]
fn two_thousand_instances_come_through() {
    let Some(host) = Host::new() else { return };
    let many = "function Get-CimInstance { [CmdletBinding()] param($Query, $OperationTimeoutSec) \
                foreach ($n in 0..1999) { [pscustomobject]@{ Name = \"Größe $n\"; A = $n } } }";
    let found = with(&host, Way::ToOneThatStays, many, &asked(&[(PEERS, &["A", "Name"])]));
    let rows = found["classes"][PEERS].as_array().unwrap();
    assert_eq!((rows.len(), &rows[1_999]), (2_000, &json!({"Name": "Größe 1999", "A": "1999"})));
}
