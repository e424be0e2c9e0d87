//! Questions in a scheduled task as a real PowerShell asks them, with a stand-in for the scheduler. See
//! [`crate::powershell_tests`] for the host.
#![cfg(unix)]

use crate::by_task::{self, Asking, Said};
use crate::powershell_tests::{Host, host, without_times};
use crate::script::{Look, Trouble, answer};
use orchestrate_model::pool::TaskAccount;
use orchestrate_wsman::Output;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

const PASSWORD: &str = "Größe „1“ 'x' $(x)";

/// How long a question may take where it is to be answered: also on a machine that is busy with other things.
const PATIENT: u32 = 285;

/// A system that knows every account, and writes down which rights files get.
const RIGHTS: &str = r#"function New-Object { if ($args[0] -eq 'Security.Principal.NTAccount') { $one = [pscustomobject]@{ Name = $args[1] }; $one | Add-Member ScriptMethod Translate { param($type) [pscustomobject]@{ Value = 'S-1-5-21-1-2-3-1105' } }; return $one }; winhost\New-Object @args }
Update-TypeData -Force -TypeName System.IO.FileInfo -MemberType ScriptMethod -MemberName SetAccessControl -Value { param($rules) [IO.File]::AppendAllText("$env:WINHOST_STATE/rights", "$($this.Name) $($rules.Sddl)`n") }"#;

/// A scheduler that writes down what a task is registered with, besides what it does.
const REGISTERED: &str = r#"function New-Object { $made = winhost\New-Object @args; if ($args -contains 'Schedule.Service') { $made.Folder | Add-Member NoteProperty Real $made.Folder.PSObject.Methods['RegisterTaskDefinition'].Script; $made.Folder | Add-Member -Force ScriptMethod RegisterTaskDefinition { param($path, $task, $flags, $user, $password, $logon) [IO.File]::WriteAllText("$env:WINHOST_STATE/registered", (ConvertTo-Json @($user, $password, $logon, $task.Settings.ExecutionTimeLimit, $task.Settings.DeleteExpiredTaskAfter, $task.Triggers.Count, $task.Principal.RunLevel))); & (Get-Module winhost) $this.Real $path $task $flags $user $password $logon } }; return $made }"#;

fn managed() -> TaskAccount {
    TaskAccount::Managed(r"CONTOSO\svc-pool$".to_owned())
}

fn accounts() -> [TaskAccount; 3] {
    [managed(), TaskAccount::System, TaskAccount::Caller]
}

/// Asks a script in a task.
fn ask(host: &Host, account: &TaskAccount, look: Look, request: &Value, before: &str) -> Result<Value, Trouble> {
    let password = Some(Zeroizing::new(PASSWORD.to_owned()));
    let asking = Asking { account, password, limit: Duration::from_secs(300) };
    let command = by_task::command(Look::ByTask.script(), look.script(), request, &asking)?;
    said(account, look, &host.run_command(command, before))
}

/// Asks a script in a task, with limits of its own.
fn ask_within(host: &Host, look: Look, seconds: u32, bytes: u32) -> Result<Value, Trouble> {
    let about = json!({"as": "system", "seconds": seconds, "bytes": bytes, "oldSeconds": 0});
    let inner = look.script().text(&json!({"pool": "pool01.contoso.example"}));
    let command = Look::ByTask.script().with_input(&about, &inner, None);
    said(&TaskAccount::System, look, &host.run_command(command, ""))
}

fn said(account: &TaskAccount, look: Look, output: &Output) -> Result<Value, Trouble> {
    let said: Said = answer(Look::ByTask.script(), output).map_err(|mut trouble| {
        trouble.text = by_task::explain(account, &trouble);
        trouble
    })?;
    answer(look.script(), &by_task::output("fe1", account, said)?)
}

/// What questions have left behind: tasks, folders and files.
fn left(host: &Host) -> Vec<String> {
    let names = |folder: &str| {
        let entries = std::fs::read_dir(host.state.path().join(folder)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let all = ["tasks", "files", r"files/C:\ProgramData\orchestrate"].into_iter().flat_map(names);
    all.filter(|name| name.contains("ask-")).collect()
}

fn read(host: &Host, file: &str) -> String {
    std::fs::read_to_string(host.state.path().join(file)).unwrap_or_default()
}

#[test]
fn every_cmdlet_answers_in_a_task_as_it_does_in_the_shell_and_leaves_nothing() {
    let host = host!();
    let pool = json!({"pool": "pool01.contoso.example", "product": "lync2013"});
    host.set(
        "central",
        "ActiveMasterFQDN=fe1.contoso.example\nLastUpdatedOn=1795000000\nActiveMasterLastHeartbeat=1795000000\n",
    );
    let asked = [
        (Look::Readiness, pool.clone()),
        (Look::Fabric, pool),
        (Look::Replication, json!({})),
        (Look::CentralManagement, json!({})),
        (Look::Activity, json!({"services": ["RTCSRV", "Größe „x“"]})),
    ];
    for ((look, request), account) in asked.iter().zip(accounts().iter().cycle()) {
        let expected = host.every_way(*look, request).unwrap();
        let found = without_times(ask(&host, account, *look, request, ""));
        let found = found.unwrap_or_else(|trouble| panic!("{look:?} {trouble}"));
        assert_eq!(found, expected, "{look:?} as {account}");
        assert_eq!(left(&host), Vec::<String>::new(), "{look:?}");
    }
}

#[test]
fn p10_each_account_is_registered_as_what_it_is_and_bounded_and_no_text_holds_the_password() {
    let host = host!();
    let whoami = |found: &Value| found[0].as_str().unwrap().contains('\\');
    for account in accounts() {
        let found = ask(&host, &account, Look::Replication, &json!({}), REGISTERED).unwrap();
        assert!(found["replicas"].is_array(), "{found}");
        let registered: Value = serde_json::from_str(&read(&host, "registered")).unwrap();
        let (user, rest) = (&registered[0], &registered.as_array().unwrap()[1..]);
        let (password, logon, known) = match &account {
            TaskAccount::System => (json!(null), 5, *user == "SYSTEM"),
            TaskAccount::Managed(name) => (json!(null), 1, *user == *name),
            TaskAccount::Caller => (json!(PASSWORD), 1, whoami(&registered)),
        };
        assert!(known, "{registered}");
        assert_eq!(
            rest,
            [password, json!(logon), json!(format!("PT{PATIENT}S")), json!("PT0S"), json!(1), json!(1)],
            "{account}"
        );
        std::fs::remove_file(host.state.path().join("registered")).unwrap();
        let kept =
            std::process::Command::new("grep").args(["-rl", "Größe „1“"]).arg(host.state.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "nothing holds the password");
    }
}

#[test]
fn an_account_may_read_its_question_and_write_its_answer_and_nothing_else() {
    let host = host!();
    for account in accounts() {
        ask(&host, &account, Look::Replication, &json!({}), RIGHTS).unwrap();
        let rights = read(&host, "rights");
        let lines: Vec<(&str, &str)> = rights.lines().filter_map(|line| line.rsplit_once(' ')).collect();
        let expected = if account == TaskAccount::System { 0 } else { 2 };
        assert_eq!(lines.len(), expected, "{account}: {rights}");
        for (file, sddl) in lines {
            let right = if file.ends_with("answer") { "0x120196" } else { "0x120089" };
            assert_eq!(sddl, format!("D:P(A;;FA;;;BA)(A;;FA;;;SY)(A;;{right};;;S-1-5-21-1-2-3-1105)"), "{file}");
        }
        drop(std::fs::remove_file(host.state.path().join("rights")));
    }
}

/// What questions have left behind besides the task itself: this scheduler cannot stop a task that runs, and writes down how it
/// ended even when it was removed meanwhile.
fn left_of_one_that_ran(host: &Host) -> Vec<String> {
    left(host).into_iter().filter(|name| !name.starts_with("orchestrate-")).collect()
}

#[test]
fn p3_a_task_that_says_nothing_is_unknown_and_leaves_nothing() {
    let host = host!();
    let text = Look::ByTask.script().with_input(
        &json!({"as": "system", "seconds": PATIENT, "bytes": 1000, "oldSeconds": 600}),
        "exit 7",
        None,
    );
    let silent = said(&TaskAccount::System, Look::Fabric, &host.run_command(text, "")).unwrap_err();
    assert!(silent.text.contains("ended without an answer, its result is 7"), "{silent}");
    assert_eq!(left(&host), Vec::<String>::new());
}

#[test]
fn p3_a_task_that_hangs_or_says_too_much_is_ended_and_leaves_nothing() {
    let host = host!();
    let large = ask_within(&host, Look::Fabric, PATIENT, 20).unwrap_err();
    assert!(large.text.contains("the answer is longer than 20 bytes"), "{large}");
    assert_eq!(left_of_one_that_ran(&host), Vec::<String>::new());
    host.set("cmdlets/Get-CsPoolFabricState", "delay=60\n");
    let slow = ask_within(&host, Look::Fabric, 2, 1 << 20).unwrap_err();
    assert!(slow.slow, "{slow:?}");
    assert_eq!(left_of_one_that_ran(&host), Vec::<String>::new());
}

#[test]
fn what_a_killed_question_has_left_is_removed_by_the_next_and_what_is_asked_now_is_not() {
    let host = host!();
    ask(&host, &TaskAccount::System, Look::Replication, &json!({}), "").unwrap();
    let old: PathBuf = host.state.path().join(r"files/C:\ProgramData\orchestrate/ask-0123");
    let make = || {
        std::fs::create_dir_all(&old).unwrap();
        std::fs::write(old.join("answer"), "half").unwrap();
        host.set("tasks/orchestrate-ask-0123", "State=3\nPath=x\n");
    };
    make();
    ask(&host, &TaskAccount::System, Look::Replication, &json!({}), "").unwrap();
    assert_eq!(left(&host).len(), 2, "it may be asked at this moment");
    ask_within(&host, Look::Fabric, PATIENT, 1 << 20).unwrap();
    assert_eq!(left(&host), Vec::<String>::new());
    // A folder without its task, as the scheduler leaves it that removes what has expired.
    make();
    std::fs::remove_file(host.state.path().join("tasks/orchestrate-ask-0123")).unwrap();
    ask_within(&host, Look::Fabric, PATIENT, 1 << 20).unwrap();
    assert_eq!(left(&host), Vec::<String>::new());
}

#[test]
fn a_task_that_cannot_be_made_says_why_and_leaves_nothing() {
    let host = host!();
    host.set("cmdlets/Schedule.Service.RegisterTaskDefinition", "throw=No mapping between account names\n");
    let trouble = ask(&host, &managed(), Look::Replication, &json!({}), "").unwrap_err();
    assert!(trouble.text.contains("the task cannot be registered:"), "{trouble}");
    assert!(trouble.text.contains("No mapping between account names"), "{trouble}");
    assert_eq!(left(&host), Vec::<String>::new());
    host.set("cmdlets/Schedule.Service.RegisterTaskDefinition", "");
    host.set("cmdlets/Get-CsManagementStoreReplicationStatus", "throw=Login failed for user „x“\n");
    let trouble = ask(&host, &managed(), Look::Replication, &json!({}), "").unwrap_err();
    assert!(trouble.text.contains("Login failed for user „x“"), "{trouble}");
    assert_eq!(crate::hop::recognise(&trouble.text, &trouble.problems), Some(crate::hop::Second::Sql));
    assert_eq!(left(&host), Vec::<String>::new());
}
