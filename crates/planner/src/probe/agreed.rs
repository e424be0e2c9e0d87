//! What the dry run and the guard of a plan say against what was found, as rows: the very findings, made by the same functions,
//! so that a probe never calls good what a run would refuse.

use super::{green, yellow};
use crate::plan::{Finding, Severity};
use crate::{codes, safety};
use orchestrate_model::observe::{DnsAnswer, DnsObservation};
use orchestrate_model::pool::Balancer;
use orchestrate_model::probe::{Light, Probe, Row, Topic};
use orchestrate_model::{Answer, DnsName, Pool, PoolObservation, ServerName};
use std::collections::{BTreeMap, BTreeSet};

/// Whose row a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// That of a server.
    Server,
    /// That of its pool.
    Pool,
}

/// Returns where a finding is told. `None`: it is about the plan or the time, and not about what the hosts have.
fn place(code: &str) -> Option<(Topic, Whose)> {
    let of_server = [
        (codes::NO_SCRIPT, Topic::PowerShell),
        (codes::SECOND_MACHINE, Topic::Cmdlets),
        (codes::UNKNOWN, Topic::Services),
        (codes::NOT_INSTALLED, Topic::Services),
        (codes::NOT_PAUSABLE, Topic::Services),
        (codes::INTERRUPTED, Topic::Services),
        (codes::UNPLANNED, Topic::Services),
        (codes::DEPENDENT_UNKNOWN, Topic::Services),
        (codes::CENTRAL_UNSTATED, Topic::Services),
        (codes::LEASED, Topic::Lease),
        (codes::LEASE_UNKNOWN, Topic::Lease),
        (codes::NOT_COUNTABLE, Topic::Counters),
        (codes::DRAIN_UNTOLD, Topic::Counters),
        (codes::LEVEL_UNREAD, Topic::Versions),
        (codes::NOT_STAGED, Topic::Installer),
        (codes::NOT_FIT, Topic::PendingRestart),
    ];
    let of_pool = [
        (codes::MISSING_RECORD, Topic::Records),
        (codes::STALE_RECORD, Topic::Records),
        (codes::FOREIGN_RECORD, Topic::Records),
        (codes::ALIAS, Topic::Records),
        (codes::SINGLE_ADDRESS, Topic::Records),
        (codes::NO_OWN_RECORD, Topic::Records),
        (codes::RECORDS_UNKNOWN, Topic::Records),
        (codes::WEB_NAME, Topic::Records),
        (codes::ADDRESS_DIFFERS, Topic::Records),
        (codes::EXTERNAL_NAME, Topic::Records),
        (codes::BALANCER_EMPTY, Topic::Balancer),
        (codes::BALANCER_ADDRESS, Topic::Balancer),
        (codes::BALANCER_BACKEND, Topic::Balancer),
        (codes::BALANCER_RIGHT, Topic::Balancer),
        (codes::BALANCER_MISSING, Topic::Balancer),
        (codes::BALANCER_BY_NAME, Topic::Balancer),
        (codes::NOT_COVERED, Topic::Pool),
        (codes::BUDGET_USED, Topic::Pool),
        (codes::BELOW_QUORUM, Topic::Pool),
        (codes::AT_QUORUM, Topic::Pool),
        (codes::UPGRADE_DOMAIN, Topic::Pool),
        (codes::NOT_READY, Topic::Pool),
        (codes::LAST_SERVING, Topic::Pool),
        (codes::MIXED_LEVELS, Topic::Pool),
        (codes::REPLICAS_BEHIND, Topic::Pool),
        (codes::DEAD_LISTED, Topic::Pool),
        (codes::CENTRAL_MANAGEMENT, Topic::Pool),
        (codes::LEVEL_MATCHES_NOTHING, Topic::Pool),
        (codes::BELOW_LEVEL, Topic::Pool),
        (codes::RESTART_OWED, Topic::Pool),
        (codes::IDLE_NOT_SERVING, Topic::Pool),
    ];
    let find = |table: &[(&str, Topic)]| table.iter().find(|(known, _)| *known == code).map(|(_, topic)| *topic);
    let of_server = find(&of_server).map(|topic| (topic, Whose::Server));
    of_server.or_else(|| find(&of_pool).map(|topic| (topic, Whose::Pool)))
}

/// Returns whether a finding is told with a server and not with its pool.
pub(crate) fn is_of_server(code: &str) -> bool {
    matches!(place(code), Some((_, Whose::Server)))
}

fn light(severity: Severity) -> Option<Light> {
    match severity {
        Severity::Refusal => Some(Light::Red),
        Severity::Warning => Some(Light::Yellow),
        Severity::Note => None,
    }
}

fn as_row(topic: Topic, finding: &Finding) -> Option<Row> {
    Some(Row {
        topic,
        light: light(finding.severity)?,
        found: finding.message.clone(),
        todo: Some(finding.advice.clone()),
        code: Some(finding.code.clone()),
    })
}

/// Adds what a dry run finds of a server to its rows. Where a row says the same already, and with more of what was found, it
/// takes on the finding's weight, code and remedy.
pub fn agree(rows: &mut Vec<Row>, probe: &Probe, found: &[Finding]) {
    let is_let_in = matches!(&probe.logon, Some(Answer::Known(_)));
    for finding in found {
        let Some((topic, Whose::Server)) = place(&finding.code) else { continue };
        let Some(new) = as_row(topic, finding) else { continue };
        let is_silent = finding.code == codes::UNKNOWN;
        // Everything else that is said of a server to which nothing can be put follows from that.
        if !is_let_in && !is_silent {
            continue;
        }
        let tells: &[Topic] = match finding.code.as_str() {
            codes::UNKNOWN => &[Topic::Listeners, Topic::Logon, Topic::Wmi, Topic::Services],
            // One question asks both.
            codes::NOT_FIT if finding.advice == safety::RESTART => &[Topic::PendingRestart],
            codes::NOT_FIT => &[Topic::Disk],
            codes::NO_SCRIPT | codes::SECOND_MACHINE | codes::LEVEL_UNREAD | codes::NOT_STAGED => {
                std::slice::from_ref(&topic)
            }
            _ => &[],
        };
        let told = rows.iter_mut().find(|row| tells.contains(&row.topic) && row.light != Light::Green);
        match told {
            Some(row) if row.code.is_none() => {
                row.light = row.light.max(new.light);
                row.code = new.code;
                // What ends a silence is what that row says.
                if !is_silent || row.todo.is_none() {
                    row.todo = new.todo;
                }
            }
            Some(row) if is_silent && row.code.is_some() => {}
            Some(_) | None => match rows.iter_mut().find(|row| is_same(row, &new)) {
                Some(row) => row.found = format!("{}; {}", row.found, new.found),
                None => rows.push(new),
            },
        }
    }
    rows.sort_by_key(|row| row.topic);
}

/// Whether two rows have one remedy.
fn is_same(row: &Row, other: &Row) -> bool {
    other.code.is_some()
        && (row.topic, row.light, &row.code, &row.todo) == (other.topic, other.light, &other.code, &other.todo)
}

/// What is known of a pool besides its servers.
#[derive(Debug, Clone, Copy)]
pub struct PoolFacts<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// What was seen of it.
    pub seen: &'a PoolObservation,
    /// What a dry run finds with it.
    pub findings: &'a [Finding],
    /// The servers that were looked at and let us in.
    pub answering: &'a BTreeSet<ServerName>,
    /// Whether only some of its servers were to be looked at.
    pub only: Option<&'a ServerName>,
}

/// Returns the rows of a pool: its names, its balancer, and what a dry run says of it as a whole.
#[must_use]
pub fn pool_rows(facts: &PoolFacts<'_>) -> Vec<Row> {
    let PoolFacts { pool, seen, findings, answering, only } = facts;
    // What is said of a pool as a whole rests on all its servers, and follows from one that says nothing.
    let is_whole = pool.servers.iter().all(|server| answering.contains(&server.name));
    let mut rows = names(pool, &seen.dns, *only);
    if let Answer::Known(balancer) = &seen.balancer {
        rows.push(match &balancer.servers {
            Answer::Known(servers) => {
                let entries: usize = servers.values().map(|server| server.entries.len()).sum();
                let (servers, entries) = (counted(servers.len(), "server"), counted(entries, "entry"));
                green(Topic::Balancer, format!("answers; has {servers} of the pool, with {entries}"))
            }
            Answer::Unknown(why) => yellow(Topic::Balancer, why, "look at `balancer` of the pool in the plan"),
        });
    }
    if pool.load_balancing.balancer == Balancer::Operator && answering.len() > 1 {
        let told = "the operator takes each server out, and confirms it: nothing is asked, and a run without anybody there is \
                    refused (O2035)";
        rows.push(green(Topic::Balancer, told));
    }
    for finding in findings.iter().filter(|finding| finding.pool.as_ref().is_none_or(|named| *named == pool.name)) {
        let of_pool = place(&finding.code).filter(|(_, whose)| *whose == Whose::Pool);
        // That nothing counts a service says the plan alone, and is no server's.
        let of_plan = finding.code == codes::NOT_COUNTABLE && finding.server.is_none();
        let Some(topic) = of_pool.map(|(topic, _)| topic).or(of_plan.then_some(Topic::Pool)) else { continue };
        let is_of_all = topic == Topic::Pool || finding.code == codes::BALANCER_EMPTY;
        if is_of_all && !of_plan && !is_whole {
            continue;
        }
        let Some(row) = as_row(topic, finding) else { continue };
        rows.retain(|row| {
            row.topic != Topic::Balancer || topic != Topic::Balancer || row.light != Light::Yellow || row.code.is_some()
        });
        rows.push(row);
    }
    rows.sort_by_key(|row| row.topic);
    rows
}

fn counted(number: usize, noun: &str) -> String {
    match (number, noun) {
        (1, noun) => format!("1 {noun}"),
        (many, "entry") => format!("{many} entries"),
        (many, noun) => format!("{many} {noun}s"),
    }
}

/// Returns a row for each name of a pool, with what each name server said of it.
fn names(pool: &Pool, dns: &Answer<DnsObservation>, only: Option<&ServerName>) -> Vec<Row> {
    let todo = "name the servers that know it (`dns: resolvers`), and see that they answer this machine";
    let dns = match dns {
        Answer::Known(dns) => dns,
        Answer::Unknown(why) if why == super::NOT_ASKED => return Vec::new(),
        Answer::Unknown(why) => {
            return vec![yellow(Topic::Records, format!("the names of {}: {why}", pool.name), todo)];
        }
    };
    let is_other = |name: &DnsName| {
        only.is_some_and(|only| pool.servers.iter().any(|server| server.name != *only && server.name.dns() == *name))
    };
    let mut by_name: Vec<(&DnsName, Vec<&DnsAnswer>)> = Vec::new();
    for answer in dns.answers.iter().chain(&dns.external).filter(|answer| !is_other(&answer.name)) {
        match by_name.iter_mut().find(|(name, _)| **name == answer.name) {
            Some((_, answers)) => answers.push(answer),
            None => by_name.push((&answer.name, vec![answer])),
        }
    }
    by_name.into_iter().map(|(name, answers)| of_name(name, &answers)).collect()
}

/// How an answer that is not known begins. No address does.
const NOT_KNOWN: &str = "not known: ";

/// Returns the row of one name: name servers that say the same are told together.
fn of_name(name: &DnsName, answers: &[&DnsAnswer]) -> Row {
    let mut light = Light::Green;
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for answer in answers {
        let text = match &answer.records {
            Answer::Known(records) if records.addresses.is_empty() => {
                light = Light::Yellow;
                "no such record".to_owned()
            }
            Answer::Known(records) => {
                let addresses: Vec<String> = records.addresses.iter().map(ToString::to_string).collect();
                let alias = records.alias.as_ref().map(|alias| format!("by the alias {alias}: "));
                format!("{}{}", alias.unwrap_or_default(), super::some(&addresses))
            }
            Answer::Unknown(why) => {
                light = Light::Yellow;
                format!("{NOT_KNOWN}{}", DnsAnswer::because(answer.resolver, why))
            }
        };
        said.entry(text).or_default().push(answer.resolver.to_string());
    }
    let each = said.iter().map(|(text, resolvers)| match (text.strip_prefix(NOT_KNOWN), resolvers.as_slice()) {
        (Some(why), _) => format!("{} does not tell it{why}", super::some(resolvers)),
        (None, [one]) => format!("{one} says {text}"),
        (None, several) => format!("{} say {text}", super::some(several)),
    });
    let found = format!("{name}: {}", each.collect::<Vec<_>>().join("; "));
    match light {
        Light::Green => green(Topic::Records, found),
        Light::Yellow | Light::Red => yellow(
            Topic::Records,
            found,
            "where other name servers know the name, name those: `dns: resolvers`; else see that these answer this machine, and \
             that the record is there",
        ),
    }
}
