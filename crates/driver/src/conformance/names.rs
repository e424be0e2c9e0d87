//! The promises of a driver of name servers.

use super::{Findings, Rule, Violation, Waiting, same, why_not_unreachable};
use crate::Resolve;
use orchestrate_model::observe::{AddressRecords, DnsAnswer, DnsAsk, DnsObservation};
use orchestrate_model::{Answer, DnsName, PoolName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What stands behind a driver of name servers.
#[derive(Debug, Clone)]
pub struct NamesExpectation {
    /// The names that exist. Every server that is asked must say the same of them.
    pub names: BTreeMap<DnsName, NameExpectation>,
    /// A name that does not exist.
    pub absent: DnsName,
}

/// What a name resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameExpectation {
    /// The addresses, in any order.
    pub addresses: BTreeSet<IpAddr>,
    /// The name that an alias leads to.
    pub alias: Option<DnsName>,
}

/// Tries the promises of looking names up at servers that answer. Every name is asked for as an external one as well: the
/// servers that are asked for those must know the same names.
pub async fn names(resolver: &dyn Resolve, expected: &NamesExpectation, waiting: &Waiting) -> Vec<Violation> {
    let mut findings = Findings::default();
    let mut asked: Vec<DnsName> = expected.names.keys().cloned().collect();
    asked.push(expected.absent.clone());
    let Some(one) = look(&mut findings, resolver, &asked, waiting).await else { return findings.0 };
    let Some(two) = look(&mut findings, resolver, &asked, waiting).await else { return findings.0 };
    for answer in one.answers.iter().chain(&one.external) {
        check(&mut findings, answer, expected);
    }
    looking_changes_nothing(&mut findings, &one, &two);
    if let Some(nothing) = look(&mut findings, resolver, &[], waiting).await
        && !(nothing.answers.is_empty() && nothing.external.is_empty())
    {
        findings.add(Rule::EachNameOnce, format!("no name was asked about, found {nothing:?}"));
    }
    findings.0
}

/// Tries that a driver which reaches nobody says so: `resolver` must be pointed at an address where nobody answers.
pub async fn names_unreachable(resolver: &dyn Resolve, name: &DnsName, waiting: &Waiting) -> Vec<Violation> {
    let mut findings = Findings::default();
    let asked = [name.clone()];
    let Some(look) = waiting.look(resolver.resolve(&ask(name, &asked))).await else {
        findings.add(Rule::AnswersInTime, format!("{name}: nothing within {:#}", waiting.patience));
        return findings.0;
    };
    each_name_once(&mut findings, &look.seen, &asked);
    for answer in look.seen.answers.iter().chain(&look.seen.external) {
        findings.add_if(Rule::UnreachableIsUnknown, why_not_unreachable(name.as_str(), &answer.records));
    }
    findings.0
}

fn ask(name: &DnsName, names: &[DnsName]) -> DnsAsk {
    // Which pool it is does not matter to a resolver; every DNS name is good enough for a pool's name.
    let pool = PoolName::new(name.as_str()).expect("pool names and DNS names follow the same rule");
    DnsAsk { pool, names: names.to_vec(), external: names.to_vec() }
}

async fn look(
    findings: &mut Findings,
    resolver: &dyn Resolve,
    names: &[DnsName],
    waiting: &Waiting,
) -> Option<DnsObservation> {
    let any = names.first().cloned().or_else(|| DnsName::new("pool.conformance.example").ok())?;
    let Some(look) = waiting.look(resolver.resolve(&ask(&any, names))).await else {
        findings.add(Rule::AnswersInTime, format!("{names:?}: nothing within {:#}", waiting.patience));
        return None;
    };
    findings.add_if(Rule::TakenWhenAsked, look.why_stale(look.seen.taken));
    each_name_once(findings, &look.seen, names);
    Some(look.seen)
}

fn each_name_once(findings: &mut Findings, seen: &DnsObservation, names: &[DnsName]) {
    for answers in [&seen.answers, &seen.external] {
        each_once(findings, answers, names);
    }
}

fn each_once(findings: &mut Findings, answers: &[DnsAnswer], names: &[DnsName]) {
    let mut pairs = BTreeSet::new();
    for answer in answers {
        if !names.contains(&answer.name) {
            findings.add(Rule::EachNameOnce, format!("{} was not asked about", answer.name));
        }
        if !pairs.insert((answer.name.clone(), answer.resolver)) {
            findings.add(Rule::EachNameOnce, format!("{} twice from {}", answer.name, answer.resolver));
        }
    }
    for name in names.iter().filter(|name| !answers.iter().any(|answer| answer.name == **name)) {
        findings.add(Rule::EachNameOnce, format!("nothing about {name}"));
    }
}

fn check(findings: &mut Findings, answer: &DnsAnswer, expected: &NamesExpectation) {
    let (name, server) = (&answer.name, answer.resolver);
    let records = match answer.records.as_result() {
        Ok(records) => records,
        Err(why) if *name == expected.absent => {
            return findings.add(Rule::AbsentIsMissing, format!("{name} at {server} is unknown: {why}"));
        }
        Err(why) => return findings.add(Rule::AskedIsAnswered, format!("{name} at {server}: {why}")),
    };
    if !records.addresses.is_sorted_by(|one, next| one < next) {
        findings.add(Rule::AddressesAreSorted, format!("{name} at {server}: {:?}", records.addresses));
    }
    match expected.names.get(name) {
        Some(wanted) => {
            let found: BTreeSet<IpAddr> = records.addresses.iter().copied().collect();
            if found != wanted.addresses || records.alias != wanted.alias {
                findings
                    .add(Rule::AskedIsAnswered, format!("{name} at {server}: expected {wanted:?}, found {records:?}"));
            }
        }
        None if *name == expected.absent && *records != AddressRecords::default() => {
            findings.add(Rule::AbsentIsMissing, format!("{name} at {server}: {records:?}"));
        }
        None => {}
    }
}

/// Compares two looks. Times to live count down by themselves, and the order of servers says nothing.
fn looking_changes_nothing(findings: &mut Findings, one: &DnsObservation, two: &DnsObservation) {
    let still = |seen: &DnsObservation| -> BTreeMap<_, Answer<AddressRecords>> {
        let answers = seen.answers.iter().cloned();
        let without_ttl = |records: AddressRecords| AddressRecords { ttl_s: 0, ..records };
        answers.map(|answer| ((answer.name, answer.resolver), answer.records.map(without_ttl))).collect()
    };
    let (one, two) = (still(one), still(two));
    let equal = one.keys().eq(two.keys()) && one.values().zip(two.values()).all(|(one, two)| same(one, two));
    if !equal {
        findings.add(Rule::LookingChangesNothing, format!("{one:?} and then {two:?}"));
    }
}
