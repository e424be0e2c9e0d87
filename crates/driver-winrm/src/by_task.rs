//! Cmdlets of the product asked in a scheduled task that is made for one question, and what the server says of it.

use crate::script::{Command, Script, Trouble};
use orchestrate_model::pool::TaskAccount;
use orchestrate_wsman::{Output, plain};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest answer, in bytes: of 2,000 lines of text in base64, thrice. What comes over the wire is a third longer.
const LONGEST: usize = 2 << 20;

/// What is kept back of the time for a script, for two processes to start and for the task to be removed.
const MARGIN: Duration = Duration::from_secs(15);

/// From this age on a question has been given up by whoever asked it. None takes a tenth of it.
const OLD: Duration = Duration::from_secs(600);

/// How a question is asked.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    /// As whom.
    pub(crate) account: &'a TaskAccount,
    /// The password, for the account that logs on.
    pub(crate) password: Option<Zeroizing<String>>,
    /// How long the whole may take.
    pub(crate) limit: Duration,
}

/// Returns the command that asks a script in a task.
pub(crate) fn command(outer: Script, inner: Script, request: &Value, asking: &Asking<'_>) -> Result<Command, Trouble> {
    let (account, password) = match asking.account {
        TaskAccount::System => ("system", None),
        TaskAccount::Managed(name) => (name.as_str(), None),
        TaskAccount::Caller => {
            let none = || Trouble::unsent("a task with the account's own name needs its password, and there is none");
            ("self", Some(asking.password.as_ref().ok_or_else(none)?))
        }
    };
    let seconds = asking.limit.saturating_sub(MARGIN).max(MARGIN).as_secs();
    let about = json!({ "as": account, "script": inner.name, "seconds": seconds, "bytes": LONGEST, "oldSeconds": OLD.as_secs() });
    Ok(outer.with_input(&about, &inner.text(request), password))
}

/// What the server says of a question.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    result: String,
    #[serde(default)]
    said: String,
    #[serde(default)]
    code: i64,
    #[serde(default)]
    left: Vec<String>,
}

/// Returns what the script in the task has printed.
pub(crate) fn output(host: &str, account: &TaskAccount, said: Said) -> Result<Output, Trouble> {
    if !said.left.is_empty() {
        let left = said.left.iter().map(|text| plain(text)).collect::<Vec<_>>().join("; ");
        tracing::warn!(
            host,
            left,
            "what a question in a task has left cannot be removed; the next question tries again"
        );
    }
    match said.result.as_str() {
        "said" => Ok(Output { stdout: said.said, stderr: String::new(), exit_code: 0 }),
        "slow" => Err(Trouble {
            slow: true,
            passing: true,
            ..Trouble::unknown(format!("a task as {account} gave no answer in time, and was ended"))
        }),
        "silent" => {
            let code = said.code & 0xffff_ffff;
            let text = format!("a task as {account} ended without an answer, its result is {code} (0x{code:08X})");
            Err(Trouble::unknown(match advice(account, code) {
                Some(advice) => format!("{text}: {advice}"),
                None => text,
            }))
        }
        other => Err(Trouble::unknown(format!("a task as {account} gave {}", orchestrate_model::text::quoted(other)))),
    }
}

/// Returns why a task could not be made, with what can be done about it.
pub(crate) fn explain(account: &TaskAccount, trouble: &Trouble) -> String {
    let advice = trouble.problems.iter().find_map(|problem| advice(account, problem.code()));
    match advice {
        Some(advice) => format!("{}: {advice}", trouble.text),
        None => trouble.text.clone(),
    }
}

/// Returns what an error of the scheduler means for whoever chose the account.
fn advice(account: &TaskAccount, code: i64) -> Option<String> {
    let managed = matches!(account, TaskAccount::Managed(_));
    Some(match code & 0xffff_ffff {
        // ERROR_LOGON_TYPE_NOT_GRANTED.
        0x8007_0569 => format!("{account} needs the right to log on as a batch job on this server"),
        // ERROR_LOGON_FAILURE.
        0x8007_052E if managed => format!(
            "this server gets no password of {account}: it has to be among those that may retrieve it \
             (PrincipalsAllowedToRetrieveManagedPassword), and Test-ADServiceAccount says whether it can"
        ),
        0x8007_052E => "the password is not taken for a logon as a batch job".to_owned(),
        // ERROR_NONE_MAPPED.
        0x8007_0534 => format!("this server does not know {account}"),
        // ERROR_NO_SUCH_LOGON_SESSION.
        0x8007_0520 => {
            "a policy of this server does not let tasks keep passwords (Network access: Do not allow storage \
                        of passwords and credentials for network authentication)"
                .to_owned()
        }
        0x8007_0005 => "only an administrator of the server may make such a task".to_owned(),
        // SCHED_S_TASK_HAS_NOT_RUN.
        0x0004_1303 => "the scheduler did not run it".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Look;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    const MANAGED: &str = r"CONTOSO\svc-pool$";

    fn said(result: &str, code: i64) -> Said {
        Said { result: result.to_owned(), said: "x".to_owned(), code, left: Vec::new() }
    }

    #[test]
    fn p10_a_password_goes_by_input_and_only_for_a_task_that_needs_one() {
        let password = || Some(Zeroizing::new("Größe 1".to_owned()));
        let encoded = STANDARD.encode("Größe 1");
        for account in [TaskAccount::System, TaskAccount::Managed(MANAGED.to_owned()), TaskAccount::Caller] {
            let asking = Asking { account: &account, password: password(), limit: Duration::from_secs(60) };
            let command =
                command(Look::ByTask.script(), Look::Readiness.script(), &json!({"pool": "p"}), &asking).unwrap();
            let input = String::from_utf8(command.input.unwrap().to_vec()).unwrap();
            let lines: Vec<&str> = input.lines().collect();
            assert_eq!(lines.len(), 3, "{input}");
            assert_eq!(lines[2] == encoded, account == TaskAccount::Caller, "{account}");
            let inner = String::from_utf8(STANDARD.decode(lines[1]).unwrap()).unwrap();
            assert!(inner.starts_with("# orchestrate script readiness 1\n"), "{inner}");
            let line = command.arguments.join(" ");
            assert!(line.len() < 8_000, "{}", line.len());
            let units: Vec<u8> = STANDARD.decode(command.arguments.last().unwrap()).unwrap();
            assert!(!String::from_utf8_lossy(&units).replace('\0', "").contains(&encoded));
        }
        let asking = Asking { account: &TaskAccount::Caller, password: None, limit: Duration::from_secs(60) };
        let none = command(Look::ByTask.script(), Look::Fabric.script(), &json!({}), &asking).unwrap_err();
        assert!(none.text.contains("needs its password"), "{none}");
    }

    #[test]
    fn p3_a_task_without_an_answer_is_unknown_with_what_can_be_done() {
        let managed = TaskAccount::Managed(MANAGED.to_owned());
        let trouble =
            |account: &TaskAccount, result: &str, code: i64| output("fe1", account, said(result, code)).unwrap_err();
        assert_eq!(output("fe1", &managed, said("said", 0)).unwrap().stdout, "x");
        let silent = trouble(&managed, "silent", -2_147_023_570);
        assert!(silent.text.contains("0x8007052E") && silent.text.contains("PrincipalsAllowedToRetrieve"), "{silent}");
        assert!(trouble(&TaskAccount::Caller, "silent", 0x8007_0569).text.contains("log on as a batch job"));
        assert!(trouble(&TaskAccount::System, "silent", 1).text.ends_with("its result is 1 (0x00000001)"));
        assert!(trouble(&managed, "slow", 0).slow && !silent.slow);
        assert!(trouble(&managed, "odd\u{7}", 0).text.contains("odd"));
    }
}
