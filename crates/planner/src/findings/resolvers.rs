//! Name servers that tell no address at all. Each is told once for all pools, and what follows from it is named there by its code
//! alone.

use super::refusal;
use crate::codes;
use crate::plan::{Finding, Severity};
use crate::report::ServerSafety;
use crate::safety::Look;
use crate::words::{count, list};
use orchestrate_model::observe::DnsAnswer;
use orchestrate_model::{PoolName, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The least number of names that a name server was asked for before its silence is told apart from that about one name.
const LEAST_NAMES: usize = 2;

/// What a name server that tells no address said, name by name.
#[derive(Debug, Default)]
struct Mute {
    /// The reason that it gave first.
    why: String,
    /// How its answers are told, pool by pool.
    told: BTreeMap<PoolName, BTreeSet<String>>,
}

/// The name servers that told the address of no name of any pool.
#[derive(Debug, Default)]
pub(crate) struct Mutes {
    by_resolver: BTreeMap<SocketAddr, Mute>,
}

impl Mutes {
    pub(crate) fn of(looks: &[Option<Look<'_>>]) -> Self {
        let mut by_resolver: BTreeMap<SocketAddr, Mute> = BTreeMap::new();
        let mut speaking = BTreeSet::new();
        for look in looks.iter().flatten() {
            for answer in look.seen.dns.known().iter().flat_map(|dns| dns.answers.iter().chain(&dns.external)) {
                let Some(why) = answer.records.why_unknown() else {
                    speaking.insert(answer.resolver);
                    continue;
                };
                let mute = by_resolver.entry(answer.resolver).or_default();
                if mute.why.is_empty() {
                    why.clone_into(&mut mute.why);
                }
                let told = mute.told.entry(look.pool.name.clone()).or_default();
                told.insert(DnsAnswer::untold(answer.resolver, &answer.name, why));
            }
        }
        let names = |mute: &Mute| mute.told.values().map(BTreeSet::len).sum::<usize>();
        by_resolver.retain(|resolver, mute| !speaking.contains(resolver) && names(mute) >= LEAST_NAMES);
        Self { by_resolver }
    }

    /// Puts one finding for each such name server in the place of all that follow from it.
    pub(super) fn fold(&self, found: &mut Vec<Finding>) {
        for (resolver, mute) in &self.by_resolver {
            let mut follows: BTreeSet<String> = BTreeSet::new();
            let mut gravest: Option<Severity> = None;
            found.retain(|finding| {
                let told = finding.pool.as_ref().and_then(|pool| mute.told.get(pool));
                let is_told = told.is_some_and(|told| told.iter().any(|told| finding.message.contains(told)));
                if is_told {
                    follows.insert(finding.code.clone());
                    gravest = Some(gravest.map_or(finding.severity, |gravest| gravest.min(finding.severity)));
                }
                !is_told
            });
            if let Some(severity) = gravest {
                found.push(Finding { severity, ..mute.finding(*resolver, &follows) });
            }
        }
    }

    /// Puts a few words in the place of every answer that such a name server left open: the same ones, so that what is open for
    /// one reason stands together.
    pub(crate) fn shorten_all(&self, safety: &mut [ServerSafety]) {
        for safety in safety {
            let here =
                self.by_resolver.iter().filter_map(|(resolver, mute)| Some((resolver, mute.told.get(&safety.pool)?)));
            for (resolver, told) in here {
                let briefly = format!("{resolver} tells no address, see {}", codes::RECORDS_UNKNOWN);
                for asked in &mut safety.asked {
                    let Verdict::Unknown(text) = &mut asked.verdict else { continue };
                    if told.iter().any(|told| text.contains(told.as_str())) {
                        text.clone_from(&briefly);
                        asked.advice = format!("Mend {} first.", codes::RECORDS_UNKNOWN);
                    }
                }
            }
        }
    }
}

impl Mute {
    fn finding(&self, resolver: SocketAddr, follows: &BTreeSet<String>) -> Finding {
        let names = self.told.values().map(BTreeSet::len).sum();
        let own = format!("{resolver} ");
        let why = self.why.strip_prefix(&own).unwrap_or(&self.why);
        let colon = if why.starts_with('(') { "" } else { ":" };
        let others: BTreeSet<&str> =
            follows.iter().map(String::as_str).filter(|code| *code != codes::RECORDS_UNKNOWN).collect();
        let follows = match others.is_empty() {
            true => String::new(),
            false => format!(". What follows from it is not listed apart: {}", list(&others)),
        };
        let text = format!(
            "the name server {resolver} tells the address of none of the {} of {} that it was asked for{colon} {why}{follows}",
            count(names, "name"),
            count(self.told.len(), "pool"),
        );
        let advice = "Make it answer, or name the name servers that know these names: dns: resolvers.";
        refusal(codes::RECORDS_UNKNOWN, text).advise(advice)
    }
}
