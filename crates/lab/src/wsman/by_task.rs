//! Cmdlets of the product that ask a second machine: what they do in a remote shell, and in a scheduled task.

use super::scripts::{self, Output, Script};
use crate::scenario::SecondHop;
use crate::world::{ServerIndex, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orchestrate_model::Product;
use serde::Deserialize;
use serde_json::{Value, json};

/// The script that asks another one in a task.
pub(super) const NAME: &str = "by-task";

/// The scripts that ask a cmdlet which asks a second machine.
const OF_PRODUCT: [&str; 5] = ["activity", "readiness", "replication", "central-management", "fabric"];

/// Where the names of accounts are looked up: every name of these domains that could be one of a managed account is.
const DOMAINS: [&str; 2] = ["LAB", "CONTOSO"];

/// Returns the word that faults of the scenario name it by: that of the script in the task.
pub(super) fn tag(input: &str) -> String {
    inner(input).and_then(|text| Script::parse(&text)).map_or_else(|| NAME.to_owned(), |script| script.name)
}

fn inner(input: &str) -> Option<String> {
    decode(input.lines().nth(1)?)
}

fn decode(line: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(line.trim()).ok()?).ok()
}

/// Returns how a script fails in a remote shell whose logon does not go on, if it does.
pub(super) fn in_session(world: &World, server: ServerIndex, script: &str) -> Option<Value> {
    // A generic product has no cmdlets.
    let product = world.pools[world.servers[server].pool].plan.product;
    if !OF_PRODUCT.contains(&script) || product == Product::Generic {
        return None;
    }
    let (text, kind, code, number) = match world.scenario.cmdlets.session {
        SecondHop::Answers => return None,
        SecondHop::OperationsError => (
            "Active Directory error \"-2147016672\" occurred while searching for domain controllers: \"An operations \
             error occurred.\"",
            "System.DirectoryServices.DirectoryServicesCOMException",
            -2_147_016_672_i64,
            None,
        ),
        SecondHop::LoginFailed => (
            "Cannot open database \"xds\" requested by the login. The login failed.\r\nLogin failed for user \
             'NT AUTHORITY\\ANONYMOUS LOGON'.",
            "System.Data.SqlClient.SqlException",
            -2_146_232_060,
            Some(18456),
        ),
        SecondHop::Denied => (
            "Zugriff verweigert",
            "System.DirectoryServices.ActiveDirectory.ActiveDirectoryOperationException",
            -2_147_024_891,
            None,
        ),
    };
    let outer = json!({ "kind": "System.Management.Automation.CmdletInvocationException", "code": -2_146_233_087_i64,
        "number": null, "text": text });
    let cause = json!({ "kind": kind, "code": code, "number": number, "text": text });
    Some(json!({ "error": text, "causes": [outer, cause] }))
}

#[derive(Deserialize)]
struct Request {
    r#as: String,
}

/// Why a task is not made: what the scheduler says, with its number.
struct Refused(&'static str, i64);

/// Answers a question in a task.
pub(super) fn run(world: &mut World, server: ServerIndex, script: &str, input: &str) -> Output {
    let Some(inner) = inner(input).and_then(|text| Script::parse(&text)) else {
        let text = "the lab does not know what is to be asked in the task";
        return scripts::answered(&json!({ "error": text }), 1);
    };
    let request = Script::parse(script).and_then(|script| scripts::read::<Request>(&script).ok());
    let account = request.map(|request| request.r#as).unwrap_or_default();
    let secret = input.lines().nth(2).and_then(decode).unwrap_or_default();
    let (outcome, output) = match refusal(world, &account, &secret) {
        Some(Refused(text, code)) => {
            let causes = json!([{ "kind": "System.Runtime.InteropServices.COMException", "code": code, "text": text }]);
            let error = json!({ "error": format!("the task cannot be registered: {text}"), "causes": causes });
            ("refused", scripts::answered(&error, 1))
        }
        None => {
            let said = match scripts::answer(world, server, &inner) {
                Ok(answer) => scripts::answered(&answer, 0).stdout,
                Err(error) => scripts::answered(&json!({ "error": error }), 1).stdout,
            };
            ("answered", scripts::answered(&json!({ "result": "said", "said": said, "left": [] }), 0))
        }
    };
    world.tell(server, "task", &format!("{} as {account}", inner.name), outcome);
    Output { tag: inner.name, ..output }
}

fn refusal(world: &World, account: &str, secret: &str) -> Option<Refused> {
    let managed = account.split_once('\\').is_some_and(|(domain, name)| {
        DOMAINS.iter().any(|known| known.eq_ignore_ascii_case(domain)) && name.ends_with('$')
    });
    let listed = |accounts: &Vec<String>| accounts.iter().any(|listed| listed.eq_ignore_ascii_case(account));
    match account {
        "system" => {}
        "self" if secret == world.password => {}
        "self" => return Some(Refused("The user name or password is incorrect.", -2_147_023_570)),
        _ if managed => {}
        _ => return Some(Refused("No mapping between account names and security IDs was done.", -2_147_023_564)),
    }
    let allowed = world.scenario.cmdlets.accounts.as_ref().is_none_or(listed);
    (!allowed)
        .then_some(Refused("The user has not been granted the requested logon type at this computer.", -2_147_023_511))
}
