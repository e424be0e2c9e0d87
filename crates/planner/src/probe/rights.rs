//! Rows about what the account may do, each by what it is needed for.

use super::{green, red, some, yellow};
use orchestrate_model::Answer;
use orchestrate_model::probe::{Machine, Probe, Row, ServiceRight, Standing, Topic};
use std::collections::BTreeSet;

const MAKE_ADMINISTRATOR: &str = "make the account a member of the local group Administrators of the server";

/// The right to read WMI: told by whether it was read.
pub(super) fn wmi(probe: &Probe) -> Row {
    match (&probe.seen.host, &probe.seen.services) {
        (Answer::Known(host), Answer::Known(services)) => {
            green(Topic::Wmi, format!("read: {}, {} services", host.system, services.len()))
        }
        (Answer::Unknown(why), _) | (_, Answer::Unknown(why)) => red(
            Topic::Wmi,
            why,
            "where access is denied, for an account that is no administrator: Enable Account and Remote Enable on \
             root\\cimv2 (wmimgmt.msc), and the right to read each service; anything else is what the answer says",
        ),
    }
}

pub(super) fn rows(machine: &Machine) -> Vec<Row> {
    vec![
        account(machine),
        on_services(
            machine,
            Topic::ServiceControl,
            &[ServiceRight::PauseContinue, ServiceRight::Stop, ServiceRight::Start],
        ),
        on_services(machine, Topic::StartTypes, &[ServiceRight::Configure]),
        tasks(machine),
        restart(machine),
    ]
}

/// What to do about a right that is not known because of the account.
const SEE_ACCOUNT: &str = "look at the row `account`";

/// Returns the row of a right that is not known. Where it rests on who the account is, that is told once, and all such rows say
/// the same.
fn unless_told(machine: &Machine, topic: Topic, why: &str, todo: &str) -> Row {
    match &machine.token {
        Answer::Known(_) => yellow(topic, format!("not known: {why}"), todo),
        Answer::Unknown(_) => {
            yellow(topic, "not known, because it is not known who the account is on the server", SEE_ACCOUNT)
        }
    }
}

/// What gives an account the rights of an administrator: one whose token is filtered is a member already.
fn administrator(machine: &Machine) -> &'static str {
    match standing(machine) {
        Answer::Known(Standing::Filtered) => "it follows from the filtered token: mend the row `account`",
        Answer::Known(Standing::Administrator | Standing::Other) | Answer::Unknown(_) => MAKE_ADMINISTRATOR,
    }
}

fn standing(machine: &Machine) -> Answer<Standing> {
    machine.token.clone().map(|token| token.standing)
}

fn account(machine: &Machine) -> Row {
    let account = machine.account.known().map_or("the account", String::as_str);
    match standing(machine) {
        Answer::Known(Standing::Administrator) => {
            green(Topic::Account, format!("{account}: an administrator of the server, in effect"))
        }
        Answer::Known(Standing::Filtered) => red(
            Topic::Account,
            format!("{account}: a member of Administrators whose token is filtered: over the network it is none"),
            "use a domain account, or the built-in Administrator; or on the server: `reg add \
             HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System /v LocalAccountTokenFilterPolicy /t \
             REG_DWORD /d 1`",
        ),
        Answer::Known(Standing::Other) => {
            red(Topic::Account, format!("{account}: no administrator of the server"), MAKE_ADMINISTRATOR)
        }
        Answer::Unknown(why) => yellow(
            Topic::Account,
            format!("who it is on the server is not known: {why}"),
            "look at `whoami /groups` in a remote shell of the account",
        ),
    }
}

fn on_services(machine: &Machine, topic: Topic, wanted: &[ServiceRight]) -> Row {
    let words = wanted.iter().map(|right| right.word()).collect::<Vec<_>>().join(", ");
    let (mut lacking, mut unknown, mut lacked) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (service, rights) in &machine.services {
        match rights {
            Answer::Known(rights) if wanted.iter().all(|right| rights.contains(right)) => {}
            Answer::Known(rights) => {
                lacked.extend(wanted.iter().copied().filter(|right| !rights.contains(right)));
                lacking.push(service.to_string());
            }
            Answer::Unknown(why) => unknown.push(why),
        }
    }
    let of = if topic == Topic::StartTypes { "the start types of" } else { "" };
    let asked = machine.services.len();
    match (lacking.as_slice(), unknown.first()) {
        ([], None) if asked == 0 => match standing(machine) {
            Answer::Known(Standing::Administrator) => {
                green(topic, format!("administrators may {words} {of} services; none of the product is running here"))
            }
            Answer::Known(_) => {
                red(topic, format!("only administrators may {words} {of} services"), administrator(machine))
            }
            Answer::Unknown(why) => unless_told(machine, topic, &why, SEE_ACCOUNT),
        },
        ([], None) => green(topic, format!("may {words} {of} {asked} services").replace("  ", " ")),
        ([], Some(why)) => unless_told(
            machine,
            topic,
            why,
            "an administrator in effect may; else look at `sc sdshow NAME` on the server",
        ),
        (lacking, _) => {
            // Only what it may not: an entry on a service may give one right and not another.
            let words = lacked.iter().map(|right: &ServiceRight| right.word()).collect::<Vec<_>>().join(", ");
            red(topic, format!("may not {words} {of} {}", some(lacking)).replace("  ", " "), administrator(machine))
        }
    }
}

fn tasks(machine: &Machine) -> Row {
    match (&machine.scheduler, standing(machine)) {
        (Answer::Known(()), Answer::Known(Standing::Administrator)) => {
            green(Topic::Tasks, "may register tasks, by which installers run")
        }
        (Answer::Known(()), Answer::Known(Standing::Filtered | Standing::Other)) => red(
            Topic::Tasks,
            "may not register tasks that run as SYSTEM, by which installers run",
            administrator(machine),
        ),
        (Answer::Unknown(why), _) => red(
            Topic::Tasks,
            format!("the task scheduler does not answer: {why}"),
            "start the service Schedule on the server; installers run as a scheduled task",
        ),
        (Answer::Known(()), Answer::Unknown(why)) => unless_told(machine, Topic::Tasks, &why, SEE_ACCOUNT),
    }
}

fn restart(machine: &Machine) -> Row {
    match machine
        .token
        .as_result()
        .map_err(ToOwned::to_owned)
        .and_then(|token| token.may_restart.as_result().copied().map_err(ToOwned::to_owned))
    {
        Ok(true) => green(Topic::Restart, "may restart the server"),
        Ok(false) => red(
            Topic::Restart,
            "may not restart the server",
            "give the account the right \"Shut down the system\" (and \"Force shutdown from a remote system\")",
        ),
        Err(why) => unless_told(
            machine,
            Topic::Restart,
            &why,
            "look for SeShutdownPrivilege in `whoami /priv` in a remote shell of the account",
        ),
    }
}
