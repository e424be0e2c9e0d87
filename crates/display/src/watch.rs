//! What is said of the watch over a pool while a server is out.

use crate::style::Tone;
use crate::text::{clean, count};
use orchestrate_engine::record::AlarmThen;
use orchestrate_model::readable::without_subject;
use orchestrate_model::{Answer, PoolName, ServerName, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn alarm(then: AlarmThen, why: &str) -> (Tone, String) {
    let then = match then {
        AlarmThen::GoesBack => "it goes back into service at once",
        AlarmThen::IsFinished => "it is past undoing, and is finished and brought back as fast as it can be",
        AlarmThen::IsOnItsWay => "it is on its way back already",
    };
    (Tone::Bad, format!("THE POOL CANNOT DO WITHOUT IT: {}; {then}", clean(why)))
}

pub(crate) fn rebooted(booted: &str, sessions: &Answer<BTreeMap<ServiceName, u64>>) -> (Tone, String) {
    let ended = match sessions {
        Answer::Known(sessions) => match sessions.values().sum() {
            0 => "it had no sessions when they were last counted".to_owned(),
            ended => format!("{} ended by it, as last counted", count(ended, "session")),
        },
        Answer::Unknown(why) => format!("the sessions that it ended are not known: {}", clean(why)),
    };
    (Tone::Bad, format!("restarted, and not by this run (booted {booted}): {ended}"))
}

pub(crate) fn blocked_again(service: &ServiceName, found: &str) -> String {
    let found = clean(found);
    let found = found.strip_prefix("found ").unwrap_or(&found);
    format!("{service} was found {found}: blocked again")
}

pub(crate) fn start_types_undone(services: &[ServiceName]) -> String {
    let start = match services {
        [] => return "start types were set back, by another hand: set to Manual again".to_owned(),
        [one] => format!("{one} starts by itself"),
        [first, others @ ..] => {
            format!("{first} and {} start by themselves", count(others.len() as u64, "other service"))
        }
    };
    format!("{start} again, by another hand: set to Manual again")
}

pub(crate) fn stopped_by_others(
    sessions: &BTreeMap<ServiceName, u64>,
    uncounted: &BTreeSet<ServiceName>,
) -> (Tone, String) {
    let counted = sessions.iter().map(|(name, number)| format!("{name} ({})", count(*number, "session")));
    let others = uncounted.iter().map(|name| format!("{name} (not counted)"));
    let each: Vec<String> = counted.chain(others).collect();
    let text = format!("stopped, and not by this run, which ended the sessions as last counted: {}", each.join(", "));
    (Tone::Bad, text)
}

pub(crate) fn pool_seen(pool: &PoolName, absent: &BTreeMap<ServerName, String>, faults: &[String]) -> (Tone, String) {
    let servers = if absent.is_empty() { "every server serves".to_owned() } else { absences(absent) };
    if faults.is_empty() {
        let tone = if absent.is_empty() { Tone::Good } else { Tone::Bad };
        return (tone, format!("{pool}: final check: {servers}"));
    }
    (Tone::Bad, format!("{pool}: final check: {servers}; {}", clean(&faults.join("; "))))
}

/// Returns the servers of a pool that do not serve, with the reason of each.
pub(crate) fn absences(absent: &BTreeMap<ServerName, String>) -> String {
    let each = |(server, why): (&ServerName, &String)| {
        // A cause may begin with the name of the server, which stands beside it already.
        let why = without_subject(why, server).replace(&format!(": {server}: "), ": ");
        format!("{} ({})", server.short(), clean(&why))
    };
    let each: Vec<String> = absent.iter().map(each).collect();
    let are = if each.len() == 1 { "is" } else { "are" };
    format!("{} {are} not seen to serve: {}", count(each.len() as u64, "server"), each.join(", "))
}
