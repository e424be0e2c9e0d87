//! Every script as a real PowerShell runs it, in every form in which it goes over the wire.
//!
//! The interpreter stands in the folder of a host that is nearly Windows: it has stand-ins for the product's cmdlets,
//! the registry, services, the task scheduler and `sc.exe`, which answer from files of a folder. Where that folder is
//! missing the tests say so and pass; under CI they fail.
#![cfg(unix)]

use crate::hop::Second;
use crate::script::{Command, Lever, Look, Script, Trouble, answer};
use orchestrate_model::PoolName;
use orchestrate_wsman::Output;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

mod acts;
mod counters;
mod probe;
mod state;

/// How a script reaches the interpreter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    OnTheLine,
    ByInput,
    ToOneThatStays,
}

pub(crate) const WAYS: [Way; 3] = [Way::OnTheLine, Way::ByInput, Way::ToOneThatStays];

/// A host that is nearly Windows, with a state of its own.
pub(crate) struct Host {
    programs: PathBuf,
    pub(crate) state: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Option<Self> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().join("shared/winhost");
        let programs = std::env::var_os("ORCHESTRATE_TEST_WINHOST").map_or_else(beside, PathBuf::from);
        if !programs.join("make-state").is_file() {
            let text = format!("skipped: no PowerShell with stand-ins for Windows at {}", programs.display());
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "{text}");
            println!("{text}");
            return None;
        }
        let state = tempfile::tempdir().unwrap();
        let made =
            std::process::Command::new(programs.join("make-state")).arg(state.path()).args(["FE1"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self { programs, state })
    }

    /// Writes a file of the state.
    pub(crate) fn set(&self, file: &str, text: &str) {
        let path = self.state.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Removes all files of a folder of the state.
    pub(crate) fn clear(&self, folder: &str) {
        let path = self.state.path().join(folder);
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(path).unwrap();
    }

    /// Adds a line to a file of the state.
    pub(crate) fn add(&self, file: &str, line: &str) {
        let path = self.state.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{before}{line}\n")).unwrap();
    }

    /// Puts a line into a file of the state in the place of those that begin as it does.
    fn put(&self, file: &str, name: &str, line: &str) {
        let path = self.state.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        let others: String =
            before.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect();
        std::fs::write(path, format!("{others}{line}\n")).unwrap();
    }

    /// Runs a script after some lines of another hand.
    pub(crate) fn run(&self, way: Way, script: Script, request: &Value, before: &str) -> Output {
        let command = match way {
            Way::OnTheLine => script.on_the_line(request),
            Way::ByInput => script.by_input(request),
            Way::ToOneThatStays => {
                // Asked twice: the first question leaves nothing behind that the second one meets.
                let lines = [1, 2].map(|number| script.line(request, number).0);
                let input = format!("{}\n{}\n", lines[0], lines[1]).into_bytes();
                Command { input: Some(zeroize::Zeroizing::new(input)), ..Script::worker() }
            }
        };
        self.run_command(command, before)
    }

    /// Runs a command after some lines of another hand.
    pub(crate) fn run_command(&self, mut command: Command, before: &str) -> Output {
        if !before.is_empty() {
            put_before(&mut command, before);
        }
        let mut process = std::process::Command::new(self.programs.join("windows/powershell"))
            .args(&command.arguments)
            .env("WINHOST_STATE", self.state.path())
            .env("WINHOST_NAME", "fe1.contoso.example")
            .env("WINHOST_PWSH", self.programs.with_file_name("powershell").join("pwsh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = command.input.unwrap_or_default();
        // One that cannot run anything ends before it has read all.
        drop(process.stdin.take().unwrap().write_all(&input));
        let output = process.wait_with_output().unwrap();
        Output {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            exit_code: i64::from(output.status.code().unwrap_or(-1)),
        }
    }

    pub(crate) fn ask(&self, way: Way, script: Script, request: &Value) -> Result<Value, Trouble> {
        answer(script, &self.run(way, script, request, ""))
    }

    /// Asks in every way and expects the same answer.
    pub(crate) fn every_way(&self, look: Look, request: &Value) -> Result<Value, String> {
        let [line, input, stays] = WAYS.map(|way| without_times(self.ask(way, look.script(), request)));
        assert_eq!(line, input, "{look:?}: the ways differ");
        assert_eq!(line, stays, "{look:?}: one that stays differs");
        line
    }
}

/// Takes out what is the time of the question.
pub(crate) fn without_times(answer: Result<Value, Trouble>) -> Result<Value, String> {
    let mut answer = answer.map_err(|trouble| trouble.text)?;
    if let Some(now) = answer.get_mut("now") {
        *now = Value::Null;
    }
    if let Some(fields) = answer.get_mut("system").and_then(Value::as_object_mut) {
        fields.remove("LocalDateTime");
    }
    if let Some(fields) = answer.get_mut("answer").and_then(Value::as_object_mut) {
        fields.retain(|name, _| !name.starts_with("Last") && !name.ends_with("Heartbeat"));
    }
    Ok(answer)
}

/// Takes out how 3.0 to 5.1 wrap arrays.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.len() == 2 && fields.contains_key("Count") && fields.contains_key("value") => {
            unwrapped(fields["value"].clone())
        }
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, unwrapped(value))).collect(),
        Value::Array(items) => items.into_iter().map(unwrapped).collect(),
        other => other,
    }
}

/// Puts lines before a script: what a profile of the machine or a policy does.
fn put_before(command: &mut Command, lines: &str) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let encoded = command.arguments.last_mut().unwrap();
    if let Some(input) = command.input.as_mut().filter(|_| encoded == "-") {
        **input = [lines.as_bytes(), b"\n", input.as_slice()].concat();
        return;
    }
    let units: Vec<u8> = format!("{lines}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    *encoded = STANDARD.encode([units, STANDARD.decode(encoded.as_bytes()).unwrap()].concat());
}

macro_rules! host {
    () => {
        match Host::new() {
            Some(host) => host,
            None => return,
        }
    };
}
pub(crate) use host;

#[test]
fn versions_come_from_the_uninstall_entries_of_the_product() {
    let host = host!();
    host.clear("registry/uninstall");
    host.set(
        "registry/uninstall/A",
        "DisplayName=Microsoft Lync Server 2013, Core Components\nDisplayVersion=5.0.8308.1149\n",
    );
    host.set("registry/uninstall/B", "DisplayName=Größe „B“ 'x' $(x)\nDisplayVersion=1\n");
    host.set(
        "registry/uninstall32/C",
        "DisplayName=Microsoft Lync Server 2013, Größe „B“\nDisplayVersion=5.0.8308.0\n",
    );
    let found = host.every_way(Look::Versions, &json!({"product": "lync2013"})).unwrap();
    let expected = json!([
        {"name": "Microsoft Lync Server 2013, Core Components", "version": "5.0.8308.1149"},
        {"name": "Microsoft Lync Server 2013, Größe „B“", "version": "5.0.8308.0"},
    ]);
    assert_eq!(found["components"], expected);
    assert_eq!(found["unreadable"], json!([]));
}

#[test]
fn a_malformed_value_of_another_program_costs_nothing() {
    let host = host!();
    host.clear("registry/uninstall");
    let core = "DisplayName=Microsoft Lync Server 2013, Core Components\nDisplayVersion=5.0.8308.1149\n";
    host.set("registry/uninstall/A", core);
    host.set("registry/uninstall/0", "DisplayName=Another program\nDisplayVersion=1\nEstimatedSize=malformed:9\n");
    let found = host.every_way(Look::Versions, &json!({"product": "lync2013"})).unwrap();
    assert_eq!(found["components"].as_array().unwrap().len(), 1, "{found}");
    // One component, and not a list of one that was unrolled.
    assert_eq!(found["components"][0]["version"], "5.0.8308.1149");
}

#[test]
fn an_entry_that_cannot_be_read_is_named_and_the_others_count() {
    let host = host!();
    let stand_in = r"function Get-Item { [CmdletBinding()] param($LiteralPath) if ($LiteralPath -like '*Wow6432Node*') { throw (New-Object Management.Automation.ItemNotFoundException 'no such key') }; $key = [pscustomobject]@{}; $key | Add-Member ScriptMethod GetSubKeyNames { 'broken', 'good' }; $key | Add-Member ScriptMethod OpenSubKey { param($name) $entry = [pscustomobject]@{ Of = $name }; $entry | Add-Member ScriptMethod GetValue { param($value) if ($this.Of -eq 'broken') { throw 'Access is denied.' }; @{ DisplayName = 'Microsoft Lync Server 2013, Core Components'; DisplayVersion = '5.0.8308.1149' }[$value] }; $entry }; $key }";
    let script = Look::Versions.script();
    for way in WAYS {
        let output = host.run(way, script, &json!({"product": "lync2013"}), stand_in);
        let found: Value = answer(script, &output).unwrap_or_else(|trouble| panic!("{trouble} {output:?}"));
        assert_eq!(found["components"].as_array().unwrap().len(), 1, "{found}");
        let named = found["unreadable"][0].as_str().unwrap();
        assert!(named.starts_with("broken: its DisplayName cannot be read"), "{named}");
    }
}

#[test]
fn a_malformed_value_of_a_service_costs_nothing() {
    let host = host!();
    host.set("registry/services/RTCSRV", "DelayedAutostart=dword:1\nFailureActions=malformed:3\n");
    let found = host.every_way(Look::ServiceDetails, &json!({"services": ["RTCSRV", "NoSuchService"]})).unwrap();
    assert_eq!(found["services"]["RTCSRV"]["delayed"], true, "{found}");
    assert!(found["services"].get("NoSuchService").is_none());
}

#[test]
fn a_constrained_session_is_named_with_the_ways_out() {
    let host = host!();
    let constrained = "$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'";
    let levers = [Lever::Delayed, Lever::InstallerStart].map(Lever::script);
    let looks =
        [Look::Activity, Look::Versions, Look::File, Look::Probe, Look::Fitness, Look::CounterSets].map(Look::script);
    for script in looks.into_iter().chain(levers) {
        for way in WAYS {
            let output = host.run(way, script, &json!({"services": []}), constrained);
            let text = answer::<Value>(script, &output).unwrap_err().text;
            assert!(
                text.contains("runs in ConstrainedLanguage here") && text.contains("AppLocker"),
                "{text} {output:?}"
            );
        }
    }
}

#[test]
fn noise_before_the_answer_costs_nothing() {
    let host = host!();
    for way in WAYS {
        let script = Look::Replication.script();
        let output = host.run(way, script, &json!({}), "[Console]::Out.Write('loading... ')");
        assert!(output.stdout.contains("loading... ORCHESTRATE:"), "{output:?}");
        assert!(answer::<Value>(script, &output).is_ok(), "{output:?}");
    }
}

#[test]
fn the_answers_of_the_product_are_the_same_under_another_culture_and_with_arrays_as_later_versions_write_them() {
    let host = host!();
    let pool = json!({"pool": "pool01.contoso.example", "product": "lync2013"});
    let asked = [
        (Look::Readiness, pool.clone()),
        (Look::Fabric, pool),
        (Look::Replication, json!({})),
        (Look::CentralManagement, json!({})),
        (Look::Activity, json!({"services": ["RTCSRV", "RTCMEDSRV", "none"]})),
    ];
    for (look, request) in &asked {
        let plain = host.every_way(*look, request).unwrap();
        // Decimal commas, an i without its dot, and calendars of their own.
        for culture in ["de-DE", "tr-TR", "ar-SA", "fa-IR"] {
            host.set("powershell", &format!("culture={culture}\narrays_like_51={}\n", culture != "tr-TR"));
            let other = without_times(host.ask(Way::OnTheLine, look.script(), request));
            assert_eq!(unwrapped(other.unwrap()), unwrapped(plain.clone()), "{look:?} {culture}");
        }
        host.set("powershell", "");
    }
    let readiness = host.every_way(Look::Readiness, &asked[0].1).unwrap();
    assert_eq!(readiness["answer"]["State"], "Ready", "an enumeration comes as its name: {readiness}");
    let activity = host.every_way(Look::Activity, &json!({"services": ["RTCSRV", "none"]})).unwrap();
    assert!(activity["errors"]["none"].as_str().unwrap().contains("does not list it"), "{activity}");
}

#[test]
fn a_cmdlet_that_throws_is_an_error_and_one_that_warns_still_answers() {
    let host = host!();
    host.set("cmdlets/Get-CsManagementStoreReplicationStatus", "throw=An operations error occurred: „x“\n");
    let error = host.every_way(Look::Replication, &json!({})).unwrap_err();
    assert!(error.contains("An operations error occurred: „x“"), "{error}");
    host.set("cmdlets/Get-CsManagementStoreReplicationStatus", "warning=slow today\n");
    host.clear("replication");
    host.set("replication/fe1.contoso.example", "UpToDate=True\n");
    let found = host.every_way(Look::Replication, &json!({})).unwrap();
    assert_eq!(found["replicas"].as_array().map(Vec::len), Some(1), "one replica stays a list: {found}");
}

#[test]
fn the_product_module_is_loaded_from_where_its_set_up_puts_it() {
    let host = host!();
    host.set("cmdlets/Get-CsManagementStoreReplicationStatus", "exists=false\n");
    let error = host.every_way(Look::Replication, &json!({})).unwrap_err();
    assert!(error.contains("not found: the product's module is in none of"), "{error}");
    assert!(error.contains(r"Microsoft Lync Server 2013\Modules\Lync"), "{error}");
    let folder = host.state.path().join("common/Microsoft Lync Server 2013/Modules/Lync");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("Lync.psd1"), "@{ ModuleVersion = '5.0'; RootModule = 'Lync.psm1' }").unwrap();
    let module = "function Get-CsManagementStoreReplicationStatus { [pscustomobject]@{ ReplicaFqdn = 'fe1.contoso.example'; UpToDate = $true } }";
    std::fs::write(folder.join("Lync.psm1"), module).unwrap();
    let common = format!("$env:CommonProgramFiles = '{}'", host.state.path().join("common").display());
    for way in WAYS {
        let script = Look::Replication.script();
        let output = host.run(way, script, &json!({}), &common);
        let found: Value = answer(script, &output).unwrap_or_else(|trouble| panic!("{trouble} {output:?}"));
        assert_eq!(found["replicas"], json!([{"fqdn": "fe1.contoso.example", "upToDate": true}]));
    }
}

#[test]
fn two_thousand_lines_of_fabric_state_come_through() {
    let host = host!();
    let lines: String = (0..2_000).map(|n| format!("line={n} Größe\n")).collect();
    host.set("fabric", &lines);
    let found = host.every_way(Look::Fabric, &json!({"pool": "pool01.contoso.example"})).unwrap();
    let lines = found["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2_000, "{} lines", lines.len());
    assert_eq!((&lines[0], &lines[1_999]), (&json!("line=0 Größe"), &json!("line=1999 Größe")));
}

#[test]
fn one_item_and_nothing_at_all_stay_lists() {
    let host = host!();
    host.clear("domains");
    host.set("domains/UD1", "Frontends=fe1.contoso.example\nTotalActiveFrontends=1\n");
    let pool = json!({"pool": "pool01.contoso.example", "product": "lync2013"});
    let found = host.every_way(Look::Readiness, &pool).unwrap();
    let pool = PoolName::new("pool01.contoso.example").unwrap();
    let readiness = crate::readiness::parse(&found["answer"], &pool);
    assert_eq!(readiness.known().map(|known| known.domains.len()), Some(1), "{found}");
    assert_eq!(readiness.known().map(|known| known.domains[0].servers.len()), Some(1), "{found}");
    host.clear("replication");
    assert_eq!(host.every_way(Look::Replication, &json!({})).unwrap()["replicas"], json!([]));
    host.set("central", "ActiveMasterFQDN=-\n");
    let found = host.every_way(Look::CentralManagement, &json!({})).unwrap();
    let central = crate::central::parse(&found["answer"]);
    assert_eq!(central.known().map(|known| known.active.clone()), Some(None), "a property that is null: {found}");
    assert_eq!(host.every_way(Look::ServiceDetails, &json!({"services": []})).unwrap(), json!({"services": {}}));
}

#[test]
fn p3_a_property_that_is_null_is_no_answer() {
    let host = host!();
    host.clear("replication");
    host.set("replication/fe1.contoso.example", "UpToDate=-\n");
    let found = host.every_way(Look::Replication, &json!({})).unwrap();
    assert_eq!(found["replicas"], json!([{"fqdn": "fe1.contoso.example", "upToDate": null}]));
    host.put("services/RTCSRV", "activity=", "activity=-");
    let found = host.every_way(Look::Activity, &json!({"services": ["RTCSRV"]})).unwrap();
    let why = found["errors"]["RTCSRV"].as_str();
    assert!(why.is_some_and(|why| why.starts_with("it has no activity level")), "{found}");
}

#[test]
fn an_error_comes_with_its_kind_and_number_and_one_that_was_passed_over_too() {
    let host = host!();
    let hop = "function Get-CsPoolFabricState { [CmdletBinding()] param($PoolFqdn) throw (New-Object InvalidOperationException 'außen', ([Runtime.InteropServices.COMException]::new('Vorgangsfehler', -2147016672))) }";
    let script = Look::Fabric.script();
    for way in WAYS {
        let output = host.run(way, script, &json!({"pool": "p"}), hop);
        let trouble = answer::<Value>(script, &output).unwrap_err();
        assert_eq!(crate::hop::recognise(&trouble.text, &trouble.problems), Some(Second::Directory), "{trouble:?}");
    }
    host.set("cmdlets/Get-CsWindowsService", "error=Login failed for user „x“\n");
    let found = host.every_way(Look::Activity, &json!({"services": ["RTCSRV", "none"]})).unwrap();
    assert_eq!(found["causes"][0]["kind"], "System.Exception", "{found}");
    assert!(found["errors"]["none"].as_str().unwrap().contains("Login failed for user „x“"), "{found}");
    assert!(found["activity"]["RTCSRV"].is_string(), "what was read counts: {found}");
}

#[test]
fn a_lease_is_held_compared_and_given_back_and_its_time_is_readable_in_every_culture() {
    let host = host!();
    for (way, culture) in [(Way::ByInput, "ar-SA"), (Way::OnTheLine, "fa-IR")] {
        host.set("powershell", &format!("culture={culture}\n"));
        let hold = |keeper: &str| {
            let request = json!({"keeper": keeper, "user": "Jörg „x“", "host": "ctl1", "run": "r1", "seconds": 60});
            host.ask(way, Lever::LeaseHold.script(), &request).unwrap()
        };
        assert_eq!(hold("us"), json!({"result": "ours", "lease": null}));
        assert_eq!(hold("us")["result"], "ours", "it is renewed");
        let taken = hold("them");
        assert_eq!((&taken["result"], &taken["lease"]["user"]), (&json!("taken"), &json!("Jörg „x“")));
        let found = host.ask(way, Look::Lease.script(), &json!({})).unwrap();
        assert!(found["lease"]["until"].as_str().unwrap().starts_with("20"), "a year of our calendar: {found}");
        assert!(found["now"].as_i64() <= found["lease"]["untilSeconds"].as_i64(), "{found}");
        let release = |keeper| host.ask(way, Lever::LeaseRelease.script(), &json!({"keeper": keeper})).unwrap();
        assert_eq!(release("them"), json!({"result": "taken"}));
        assert_eq!(release("us"), json!({"result": "free"}));
    }
}

#[test]
fn the_delayed_flag_is_set_and_cleared_by_sc() {
    let host = host!();
    for way in WAYS {
        for delayed in [true, false] {
            let request = json!({"service": "RTCSRV", "delayed": delayed});
            let done = host.ask(way, Lever::Delayed.script(), &request).unwrap();
            let said = (&done["ok"], &done["code"], &done["delayed"]);
            assert_eq!(said, (&json!(true), &json!(0), &json!(delayed)), "{done}");
            let found = host.ask(way, Look::ServiceDetails.script(), &json!({"services": ["RTCSRV"]})).unwrap();
            assert_eq!(found["services"]["RTCSRV"]["delayed"], delayed, "{way:?} {found}");
        }
    }
    host.add("services/RTCSRV", "deny.sc=5");
    let refused =
        host.ask(Way::OnTheLine, Lever::Delayed.script(), &json!({"service": "RTCSRV", "delayed": true})).unwrap();
    assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!(5)), "{refused}");
}

#[test]
fn p6_an_installer_runs_once_for_its_token_and_its_exit_code_comes_back() {
    let host = host!();
    let file = r"C:\CU\Größe 'x'.exe";
    host.set(&format!("files/{file}"), "#!/bin/sh\necho run >> \"$WINHOST_STATE/ran\"\nexit 3\n");
    let path = host.state.path().join("files").join(file);
    let mut rights = std::fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    std::fs::set_permissions(&path, rights).unwrap();
    let hash = host.every_way(Look::File, &json!({"path": file})).unwrap()["sha256"].as_str().unwrap().to_owned();
    let mut request = json!({"token": "t1", "installer": file, "arguments": ["/silent mode", ""], "sha256": hash,
        "deadlineSeconds": 60});
    let start = |request: &Value| host.ask(Way::ByInput, Lever::InstallerStart.script(), request).unwrap();
    let state = || host.ask(Way::OnTheLine, Look::InstallerState.script(), &json!({"token": "t1"})).unwrap();
    assert_eq!(state()["state"], "not-started");
    request["sha256"] = json!("0".repeat(64));
    assert_eq!(start(&request)["result"], "wrong-hash");
    request["sha256"] = json!(hash);
    assert_eq!(start(&request)["result"], "started");
    assert_eq!(start(&request)["result"], "already");
    // Each look takes most of a second, and the installer none.
    let ended = (0..60).map(|_| state()).find(|state| state["state"] != "running").expect("the installer ends");
    assert_eq!((&ended["state"], &ended["exitCode"]), (&json!("finished"), &json!(3)), "{ended}");
    assert_eq!(start(&request)["result"], "already");
    assert_eq!(std::fs::read_to_string(host.state.path().join("ran")).unwrap().lines().count(), 1);
    assert_eq!(host.every_way(Look::File, &json!({"path": r"C:\none.exe"})).unwrap(), json!({"sha256": null}));
}

#[test]
fn counter_classes_are_found_by_their_display_names() {
    let host = host!();
    let found = host.every_way(Look::CounterClasses, &json!({"objects": ["no such counter set"]})).unwrap();
    assert_eq!(found, json!({"classes": {}}));
    let found = host.every_way(Look::CounterClasses, &json!({"objects": ["LS:SIP - Peers", "none"]})).unwrap();
    let class = &found["classes"]["LS:SIP - Peers"];
    assert_eq!(class["properties"]["SIP - Connections Active"], "SIPConnectionsActive", "{found}");
    assert_eq!(found["classes"].as_object().unwrap().len(), 1, "{found}");
}

#[test]
fn a_powershell_that_stays_answers_line_by_line_and_ends_with_its_input() {
    let host = host!();
    let output = host.run(Way::ToOneThatStays, Look::Lease.script(), &json!({}), "");
    let marks: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("ORCHESTRATE-DONE:")).collect();
    assert_eq!(marks, ["ORCHESTRATE-DONE:1.", "ORCHESTRATE-DONE:2."], "{output:?}");
    assert_eq!((output.exit_code, output.stderr.as_str()), (0, ""), "{output:?}");
}

#[test]
fn what_a_script_throws_does_not_end_a_powershell_that_stays() {
    let host = host!();
    host.set("cmdlets/Get-CsWindowsService", "throw=the store is not there\n");
    let script = Look::Activity.script();
    let output = host.run(Way::ToOneThatStays, script, &json!({"services": ["RTCSRV"]}), "");
    assert_eq!(output.stdout.matches("ORCHESTRATE-DONE:").count(), 2, "{output:?}");
    let trouble = answer::<Value>(script, &output).unwrap_err();
    assert!(trouble.text.contains("the store is not there"), "{}", trouble.text);
}

#[test]
fn one_that_stays_answers_after_errors_noise_and_lines_that_are_no_script_and_keeps_nothing_of_a_question() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let host = host!();
    let asked = |number: usize, text: &str| format!("{number} {}\n", STANDARD.encode(text));
    let (script, request) = (Look::Replication.script(), json!({}));
    let lines = [
        asked(1, "Write-Warning 'w'; Write-Error 'e'; [Console]::Out.Write('noise ')"),
        "2 %%%\n".to_owned(),
        asked(3, "this is { no script"),
        asked(4, "$ErrorActionPreference = 'Stop'; function Get-Left { 1 }; throw 'five of „them“'"),
        format!("{}\n", script.line(&request, 5).0),
        asked(
            6,
            "[Console]::Out.WriteLine(\"left: $(Get-Command Get-Left -ErrorAction Ignore) $ErrorActionPreference\")",
        ),
        asked(7, "[Environment]::Exit(7)"),
        asked(8, "[Console]::Out.WriteLine('after its end')"),
    ];
    let input = Some(zeroize::Zeroizing::new(lines.concat().into_bytes()));
    let output = host.run_command(Command { input, ..Script::worker() }, "");
    assert_eq!(output.exit_code, 7, "{output:?}");
    let mut said: Vec<&str> = Vec::new();
    let mut rest = output.stdout.as_str();
    for number in 1..=6 {
        let (before, after) = rest.split_once(&format!("\nORCHESTRATE-DONE:{number}.")).unwrap();
        said.push(before);
        rest = after;
    }
    assert!(said[0].contains("noise ") && rest.trim().is_empty(), "{output:?}");
    let heard = |at: usize| {
        let stdout = said[at].to_owned();
        answer::<Value>(script, &Output { stdout, stderr: String::new(), exit_code: 0 })
    };
    assert!(heard(1).unwrap_err().text.contains("FromBase64String"), "{:?}", said[1]);
    assert!(heard(2).unwrap_err().text.contains("Create"), "{:?}", said[2]);
    assert!(heard(3).unwrap_err().text.contains("five of „them“"), "{:?}", said[3]);
    assert!(heard(4).unwrap()["replicas"].is_array());
    assert!(said[5].contains("left:  Continue"), "{:?}", said[5]);
}
