//! `orchestrate check`: diagnostics only, no network. What a start would refuse whatever it found on the servers is told
//! here too: a file that is good here is good for every later stage.

use crate::args::TextOrJson;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file;
use crate::stage::Planned;
use crate::terminal::output;
use orchestrate_config::{Diagnostic, Diagnostics, Parsed};
use orchestrate_display::{Look, preview};
use orchestrate_driver_winrm::{Login, Mechanism};
use orchestrate_model::pool::{Access, Cmdlets, CredentialSource, Transport, WinrmAuth};
use orchestrate_model::{Pool, Product};
use orchestrate_planner::{Finding, codes};
use serde_json::{Value, json};
use std::path::Path;

/// The version of the JSON document. It rises when a key changes its meaning or goes away; new keys may come at any time.
const VERSION: u32 = 1;

pub(crate) fn run(path: &Path, format: TextOrJson) -> Result<Exit, Failure> {
    match format {
        TextOrJson::Text => text(path),
        TextOrJson::Json => json(path),
    }
}

/// Says all of it in one document: the mistakes of the file with their places, and what a start would refuse.
fn json(path: &Path) -> Result<Exit, Failure> {
    let (parsed, _bytes) = plan_file::parse(path)?;
    let (exit, diagnostics, findings) = match &parsed {
        Err(found) => {
            let exit = if found.is_empty_selection() { Exit::EmptySelection } else { Exit::BadPlan };
            (exit, found.items(), Vec::new())
        }
        Ok(Parsed { change, warnings }) => {
            let planned = Planned::offline(change)?;
            let exit = planned.unrefused().map_or_else(|failure| failure.exit(), |()| Exit::Done);
            (exit, warnings.as_slice(), of_file(&planned).into_iter().cloned().collect::<Vec<_>>())
        }
    };
    let omitted = parsed.as_ref().map_or_else(Diagnostics::omitted, |_good| 0);
    let diagnostics: Vec<Value> = diagnostics.iter().map(diagnostic).collect();
    let pools = parsed.as_ref().map_or(Value::Null, |parsed| {
        let pools = parsed.change.pools.iter();
        pools.map(|pool| json!({"pool": pool.name, "servers": pool.servers.len(), "access": way(pool)})).collect()
    });
    output::data(&format!(
        "{:#}\n",
        json!({
            "version": VERSION,
            "file": path.display().to_string(),
            "good": exit == Exit::Done,
            "exit_code": exit.code(),
            "pools": pools,
            "diagnostics": diagnostics,
            "omitted": omitted,
            "findings": findings,
        })
    ))?;
    Ok(exit)
}

fn diagnostic(found: &Diagnostic) -> Value {
    let Diagnostic { code, severity, span, message, label, help, notes } = found;
    json!({
        "code": code, "severity": severity, "line": span.line, "column": span.column, "start": span.start, "end": span.end,
        "message": message, "label": label, "help": help, "notes": notes,
    })
}

/// What a start would refuse, and the warnings that rest on the file alone; the others are about servers, and none was looked
/// at.
fn of_file(planned: &Planned) -> Vec<&Finding> {
    let warnings = planned.plan.findings().iter().filter(|finding| finding.code == codes::SECRET_ARGUMENT);
    planned.plan.refusals().chain(warnings).collect()
}

fn text(path: &Path) -> Result<Exit, Failure> {
    let file = plan_file::read(path)?;
    let servers: usize = file.change.pools.iter().map(|pool| pool.servers.len()).sum();
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let pools = count(file.change.pools.len(), "pool");
    let planned = Planned::offline(&file.change)?;
    let refused = planned.unrefused();
    let word = if refused.is_ok() { "good" } else { "well-formed, and a start would be refused" };
    output::data(&format!("{}: {word}: {pools}, {}\n", path.display(), count(servers, "server")))?;
    for line in ways(&file.change.pools) {
        output::talk(&line);
    }
    let look = Look { style: output::talk_style(), ..output::look() };
    for finding in of_file(&planned) {
        output::talk(&preview::finding(finding, &look).join("\n"));
    }
    refused.map(|()| Exit::Done)
}

/// Most pools that a line names.
const MOST_NAMED: usize = 4;

/// Returns by which ways the pools are reached: each way once, with its pools.
fn ways(pools: &[Pool]) -> Vec<String> {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for pool in pools {
        let (way, name) = (way(pool), pool.name.as_str());
        match told.iter_mut().find(|(other, _)| *other == way) {
            Some((_, names)) => names.push(name),
            None => told.push((way, vec![name])),
        }
    }
    let line = |(way, names): (String, Vec<&str>)| {
        let more = names.len().saturating_sub(MOST_NAMED);
        // One more name is as short as saying that there is one.
        let shown = if more > 1 { &names[..MOST_NAMED] } else { &names[..] };
        let more = if more > 1 { format!(" and {more} more pools") } else { String::new() };
        format!("note: {}{more}: {way}", shown.join(", "))
    };
    told.into_iter().map(line).collect()
}

/// Returns how the servers of a pool are reached, and what keeps the messages to them to themselves.
fn way(pool: &Pool) -> String {
    let Access::Winrm(access) = &pool.access else {
        return "no `access`: the plan does for --lab and --dry-run --offline only".to_owned();
    };
    let port = access.port.unwrap_or(match access.transport {
        Transport::Https => 5986,
        Transport::Http => 5985,
    });
    let transport = match access.transport {
        Transport::Https => format!("WinRM over https, port {port}: TLS, which needs a certificate on each server"),
        Transport::Http => format!("WinRM over http, port {port}: each message is sealed, which needs no certificate"),
    };
    let known = access.kerberos.realm.is_some() || matches!(access.credentials, CredentialSource::Keytab { .. });
    let is_current = matches!(access.credentials, CredentialSource::Current);
    let auth = match access.auth {
        WinrmAuth::Negotiate | WinrmAuth::Kerberos if is_current => "Kerberos, as the person who starts the program",
        WinrmAuth::Ntlm if is_current => "NTLM, as the person who starts the program",
        WinrmAuth::Negotiate if known => "Kerberos",
        WinrmAuth::Negotiate => "Kerberos where the realm of the account and a KDC of it are known, else NTLM",
        WinrmAuth::Kerberos => "Kerberos",
        WinrmAuth::Ntlm => "NTLM",
        WinrmAuth::Basic => "a password in each request (local accounts only)",
        WinrmAuth::Certificate => "a client certificate (local accounts only)",
    };
    let cmdlets = match &access.cmdlets {
        _ if pool.product == Product::Generic => String::new(),
        Cmdlets::Session => "; the product's cmdlets in the remote shell".to_owned(),
        Cmdlets::Task(account) => format!("; the product's cmdlets in scheduled tasks as {account}"),
    };
    let mechanism = if access.auth == WinrmAuth::Ntlm { Mechanism::Ntlm } else { Mechanism::Any };
    let unable = match Login::why_not_current(mechanism) {
        Some(why) if is_current => format!("; that logon cannot be used here: {why}"),
        Some(_) | None => String::new(),
    };
    format!("{transport}; logon by {auth}{cmdlets}{unable}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_pools_that_are_reached_alike_are_one_note() {
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml");
        let change = plan_file::read(&plans).unwrap().change;
        let many = vec![change.pools[0].clone(); 200];
        let notes = ways(&many);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("pool01.contoso.example and 196 more pools: WinRM over http"), "{notes:?}");
        let mut other = change.pools[0].clone();
        other.access = Access::Unstated;
        assert_eq!(ways(&[change.pools[0].clone(), other]).len(), 2);
    }

    #[test]
    fn a_logon_that_this_program_cannot_use_is_told_with_what_it_needs() {
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml");
        let mut pool = plan_file::read(&plans).unwrap().change.pools[0].clone();
        for (auth, mechanism) in [(WinrmAuth::Negotiate, Mechanism::Any), (WinrmAuth::Ntlm, Mechanism::Ntlm)] {
            let Access::Winrm(access) = &mut pool.access else { panic!("the plan has `access`") };
            (access.auth, access.credentials) = (auth, CredentialSource::Current);
            let told = way(&pool);
            assert!(told.contains("as the person who starts the program"), "{told}");
            let why = Login::why_not_current(mechanism);
            assert_eq!(told.contains("that logon cannot be used here"), why.is_some(), "{told}");
            assert!(told.ends_with(why.unwrap_or_default()), "{told}");
        }
    }
}
