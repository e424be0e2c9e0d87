//! What one response says about the addresses of one name. Pure: a response in, a reading out.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::BTreeSet;
use std::net::IpAddr;
use thiserror::Error;

/// Most aliases followed one after the other, as a guard against loops. Real chains have one or two.
pub(crate) const MOST_ALIASES: usize = 8;

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The addresses found.
    pub(crate) addresses: Vec<IpAddr>,
    /// The shortest time to live of all records that led to them.
    pub(crate) ttl_s: Option<u32>,
    /// The name at the end of the aliases, if there was one.
    pub(crate) alias: Option<Name>,
    /// Whether the response leaves open what the alias leads to.
    pub(crate) ending: Ending,
}

/// Whether a reading is the whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There is nothing more to ask.
    Complete,
    /// The response ends with an alias and does not say what that leads to.
    AtAlias,
}

/// Why a response is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NoReading {
    /// The server could not or would not answer.
    #[error("the server answered {}", code_text(*.0))]
    Code(ResponseCode),
    /// The server does not look further for its clients.
    #[error("the server refers to the name servers of {zone} instead of answering")]
    Referral { zone: Name },
    /// Aliases that lead back to themselves, or a chain of unreasonable length.
    #[error("more than {MOST_ALIASES} aliases follow each other, the last one is {last}")]
    AliasLoop { last: Name },
    /// A service record with more targets than are looked up.
    #[error("the service record names {0} hosts; at most {MOST_TARGETS} are looked up")]
    TooManyTargets(usize),
}

/// Returns what `message` says about the addresses of `name` of one record type.
///
/// # Errors
/// The message is a failure, a referral, or a loop of aliases.
pub(crate) fn read(message: &Message, name: &Name, kind: RecordType) -> Result<Reading, NoReading> {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(NoReading::Code(code));
    }
    let (end, alias_ttl) = follow(&message.answers, name)?;
    let alias = (end != *name).then(|| end.clone());
    let found: Vec<(IpAddr, u32)> = owned_by(&message.answers, &end)
        .filter(|record| record.record_type() == kind)
        .filter_map(|record| record.data.ip_addr().map(|address| (address, record.ttl)))
        .collect();
    let ttl_s = found.iter().map(|(_, ttl)| *ttl).chain(alias_ttl).min();
    let addresses: Vec<IpAddr> = found.into_iter().map(|(address, _)| address).collect();
    let ending = match (addresses.is_empty(), code) {
        (false, _) | (true, ResponseCode::NXDomain) => Ending::Complete,
        (true, _) => ending_without_addresses(message, alias.as_ref())?,
    };
    Ok(Reading { addresses, ttl_s, alias, ending })
}

/// Most targets of a service record that are looked up. Real ones have one or two; an answer with hundreds is none.
const MOST_TARGETS: usize = 16;

/// What a response says about a service record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Services {
    /// The hosts that it names, each once, in any order.
    pub(crate) targets: Vec<Name>,
    /// The shortest time to live of all records that led to them.
    pub(crate) ttl_s: Option<u32>,
}

/// Returns what `message` says about the service record `name`. A target of `.` says that there is no such service.
///
/// # Errors
/// The message is a failure, a referral, a loop of aliases, or names more hosts than any service has.
pub(crate) fn services(message: &Message, name: &Name) -> Result<Services, NoReading> {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(NoReading::Code(code));
    }
    let (end, alias_ttl) = follow(&message.answers, name)?;
    let found: Vec<(&Name, u32)> = owned_by(&message.answers, &end)
        .filter_map(|record| match &record.data {
            RData::SRV(service) => Some((&service.target, record.ttl)),
            _ => None,
        })
        .collect();
    if found.is_empty() && code == ResponseCode::NoError {
        ending_without_addresses(message, None)?;
    }
    let ttl_s = found.iter().map(|(_, ttl)| *ttl).chain(alias_ttl).min();
    let targets: BTreeSet<&Name> = found.into_iter().map(|(target, _)| target).filter(|name| !name.is_root()).collect();
    if targets.len() > MOST_TARGETS {
        return Err(NoReading::TooManyTargets(targets.len()));
    }
    Ok(Services { targets: targets.into_iter().cloned().collect(), ttl_s })
}

/// Tells "no such records" from "ask elsewhere" where a response has no addresses: only a denial may carry the start
/// of authority, and a referral has name servers without it (RFC 2308, 2.2).
fn ending_without_addresses(message: &Message, alias: Option<&Name>) -> Result<Ending, NoReading> {
    let denies = message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
    let referral = message.authorities.iter().find(|record| matches!(record.data, RData::NS(_)));
    match (denies, alias, referral) {
        (true, _, _) | (false, None, None) => Ok(Ending::Complete),
        (false, Some(_), _) => Ok(Ending::AtAlias),
        (false, None, Some(record)) => Err(NoReading::Referral { zone: record.name.clone() }),
    }
}

/// Follows the aliases in `answers` from `name`; returns where they end and their shortest time to live.
fn follow(answers: &[Record], name: &Name) -> Result<(Name, Option<u32>), NoReading> {
    let mut end = name.clone();
    let mut ttl_s: Option<u32> = None;
    for _ in 0..MOST_ALIASES {
        let next = owned_by(answers, &end).find_map(|record| match &record.data {
            RData::CNAME(target) => Some((target.0.clone(), record.ttl)),
            _ => None,
        });
        let Some((target, ttl)) = next else { return Ok((end, ttl_s)) };
        ttl_s = Some(ttl_s.map_or(ttl, |shortest| shortest.min(ttl)));
        end = target;
    }
    Err(NoReading::AliasLoop { last: end })
}

fn owned_by<'a>(records: &'a [Record], owner: &'a Name) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| record.name == *owner)
}

fn code_text(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "\"server failure\" (SERVFAIL)".to_owned(),
        ResponseCode::Refused => "\"refused\" (REFUSED): it does not serve this machine or this zone".to_owned(),
        other => format!("\"{other}\""),
    }
}
