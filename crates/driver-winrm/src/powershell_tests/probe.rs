//! What a probe asks, as a real PowerShell runs it.

use super::{Host, WAYS, host};
use crate::examine::Said;
use crate::script::{Look, answer};
use orchestrate_model::probe::{Machine, PendingSign, Standing};
use orchestrate_model::{Answer, ServiceName};
use serde_json::{Value, json};

/// What `whoami` says of an administrator, on a German server.
const WHOAMI: &str = r#"#!/bin/sh
printf '%s\r\n' '"contoso\svc-größe","S-1-5-21-1-2-3-1104"' '' '"VORDEFINIERT\Administratoren","Alias","S-1-5-32-544","x"' '"Hohe Verbindlichkeitsstufe","Bezeichnung","S-1-16-12288",""' '' '"SeShutdownPrivilege","Herunterfahren","Aktiviert"'
"#;
/// What `sc sdshow` says, and of a service that is not there.
const SC: &str = r#"#!/bin/sh
[ "$1 $2" = 'sdshow RTCSRV' ] || { printf '[SC] OpenService FAILED 1060:\r\n'; exit 36; }
printf '\r\nD:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)\r\n'
"#;

impl Host {
    /// Puts a program where Windows has its own.
    fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = format!(r"files/C:\Windows\System32\{name}");
        let path = self.state.path().join(&file);
        // The stand-in is a link to a file of others.
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).unwrap();
        }
        self.set(&file, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script `probe` after some lines of another hand, in every way, and returns what it says.
    fn probe(&self, request: &Value, before: &str) -> Machine {
        let script = Look::Probe.script();
        let [line, input, stays] = WAYS.map(|way| {
            let output = self.run(way, script, request, before);
            answer::<Value>(script, &output).unwrap_or_else(|trouble| panic!("{trouble} {output:?}"))
        });
        assert_eq!(line, input, "the ways differ");
        assert_eq!(line, stays, "one that stays differs");
        let said: Said = serde_json::from_value(line).unwrap();
        said.machine(&["RTCSRV", "NOSUCH"].map(|name| ServiceName::new(name).unwrap()), request["file"].as_str())
    }
}

/// A registry with these values; a value of nothing is a key without any. `!` before a path: it may not be read.
fn registry(values: &[(&str, &str, &str)]) -> String {
    let add = |(path, name, value): &(&str, &str, &str)| format!("[void]$values.Add(@('{path}', '{name}', {value}));");
    let values: String = values.iter().map(add).collect();
    let get_item = r"function Get-Item { [CmdletBinding()] param($LiteralPath) $path = $LiteralPath -replace '^HKLM:\\', ''; foreach ($one in $values) { if ($one[0] -eq ('!' + $path)) { throw 'Requested registry access is not allowed.' } }; $own = New-Object Collections.ArrayList; foreach ($one in $values) { if ($one[0] -eq $path) { [void]$own.Add($one) } }; if ($own.Count -eq 0) { throw (New-Object Management.Automation.ItemNotFoundException 'no such key') }; $key = [pscustomobject]@{ Own = $own }; $key | Add-Member ScriptMethod GetValue { param($name) foreach ($one in $this.Own) { if ($one[1] -eq $name) { return , $one[2] } } }; $key }";
    format!("$values = New-Object Collections.ArrayList; {values} {get_item}")
}

const UPDATE: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update";
const SERVICING: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending";
const SESSION: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager";
const NAMES: &str = r"SYSTEM\CurrentControlSet\Control\ComputerName";

#[test]
fn the_probe_says_who_the_account_is_and_what_it_may_do() {
    let host = host!();
    host.program("whoami.exe", WHOAMI);
    host.program("sc.exe", SC);
    host.set(r"files/C:\CU\x.exe", "x");
    let acl = "function Get-Acl { param($LiteralPath) [pscustomobject]@{ Sddl = 'O:BAG:SYD:AI(A;ID;FA;;;SY)' } }";
    let request = json!({"services": ["RTCSRV", "NOSUCH"], "file": r"C:\CU\x.exe"});
    let machine = host.probe(&request, acl);
    assert!(machine.powershell.starts_with("7."), "{}", machine.powershell);
    assert_eq!(machine.account, Answer::Known(r"contoso\svc-größe".to_owned()));
    let token = machine.token.known().unwrap();
    assert_eq!((token.standing, &token.may_restart), (Standing::Administrator, &Answer::Known(true)));
    let of = |name: &str| machine.services[&ServiceName::new(name).unwrap()].clone();
    assert_eq!(of("RTCSRV").known().map(std::collections::BTreeSet::len), Some(4));
    assert!(of("NOSUCH").why_unknown().unwrap().contains("sc.exe ended with 36"), "{:?}", of("NOSUCH"));
    assert_eq!((&machine.scheduler, &machine.windows_drive), (&Answer::Known(()), &Answer::Known("C:".to_owned())));
    let file = machine.file.as_ref().unwrap().known().unwrap();
    assert_eq!((file.exists, &file.readable_by_system), (true, &Answer::Known(true)));
    let gone = host.probe(&json!({"services": [], "file": r"C:\CU\none.exe"}), acl);
    assert!(!gone.file.unwrap().known().unwrap().exists);
}

#[test]
fn the_probe_tells_each_sign_of_a_pending_restart() {
    let host = host!();
    let update = format!(r"{UPDATE}\RebootRequired");
    let results = format!(r"{UPDATE}\Results\Install");
    let (active, next) = (format!(r"{NAMES}\ActiveComputerName"), format!(r"{NAMES}\ComputerName"));
    let all = registry(&[
        (SERVICING, "", "''"),
        (&update, "", "''"),
        (&results, "LastSuccessTime", "'2026-11-26 21:15:00'"),
        (SESSION, "PendingFileRenameOperations", r"@('\??\C:\Config.Msi\a.rbf', '', '*1\??\C:\b', '!\??\C:\c')"),
        (&active, "ComputerName", "'FE1'"),
        (&next, "ComputerName", "'FE9'"),
    ]);
    for culture in ["", "culture=de-DE\n", "culture=ar-SA\n"] {
        host.set("powershell", culture);
        let machine = host.probe(&json!({"services": []}), &all);
        let found = |sign| machine.pending[&sign].known().unwrap().clone().unwrap();
        assert_eq!(found(PendingSign::Servicing).what, "packages wait for a restart", "{culture}");
        assert_eq!(found(PendingSign::WindowsUpdate).since.unwrap().to_string(), "2026-11-26T21:15:00Z", "{culture}");
        assert_eq!(found(PendingSign::FileRenames).what, r"2 waiting, the first is C:\Config.Msi\a.rbf", "{culture}");
        assert_eq!(found(PendingSign::ComputerRename).what, "FE1 becomes FE9", "{culture}");
    }
    host.set("powershell", "");
    for way in WAYS {
        let script = Look::Fitness.script();
        let found: Value = answer(script, &host.run(way, script, &json!({}), &all)).unwrap();
        assert_eq!(found["computerRename"]["value"]["what"], "FE1 becomes FE9", "{way:?} {found}");
        assert_eq!(found["drive"]["value"], "C:", "{way:?} {found}");
    }
    let same = registry(&[(&active, "ComputerName", "'FE1'"), (&next, "ComputerName", "'FE1'")]);
    let machine = host.probe(&json!({"services": []}), &same);
    assert!(machine.pending.values().all(|answer| *answer == Answer::Known(None)), "{:?}", machine.pending);
}

#[test]
fn p3_what_the_probe_cannot_ask_costs_nothing_else() {
    let host = host!();
    let denied = format!("!{UPDATE}\\RebootRequired");
    let machine = host.probe(&json!({"services": ["RTCSRV"]}), &registry(&[(&denied, "", "''")]));
    let why = |answer: Option<&str>| answer.unwrap().to_owned();
    assert!(why(machine.pending[&PendingSign::WindowsUpdate].why_unknown()).contains("access is not allowed"));
    assert_eq!(machine.pending[&PendingSign::Servicing], Answer::Known(None));
    assert!(why(machine.token.why_unknown()).contains("whoami"), "{:?}", machine.token);
    host.set("cmdlets/Schedule.Service", "throw=The RPC server is unavailable.\n");
    let machine = host.probe(&json!({"services": []}), &registry(&[]));
    assert!(why(machine.scheduler.why_unknown()).contains("The RPC server is unavailable"), "{:?}", machine.scheduler);
    assert_eq!(machine.windows_drive, Answer::Known("C:".to_owned()));
}

#[test]
fn every_counter_set_of_the_product_is_listed_and_no_other() {
    let host = host!();
    let found = host.every_way(Look::CounterSets, &json!({})).unwrap();
    let sets = found["sets"].as_array().unwrap();
    let names: Vec<&str> = sets.iter().filter_map(|set| set["name"].as_str()).collect();
    assert!(names.contains(&"LS:SIP - Peers") && names.iter().all(|name| name.starts_with("LS:")), "{names:?}");
    let peers = sets.iter().find(|set| set["name"] == "LS:SIP - Peers").unwrap();
    assert_eq!(peers["counters"]["SIP - Connections Active"], "SIPConnectionsActive", "{peers}");
}
