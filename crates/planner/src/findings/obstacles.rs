//! One cause that leaves many questions to a server without an answer. It is one finding, and what follows from it is named
//! there by its code alone.

use super::refusal;
use crate::codes;
use crate::plan::Finding;
use crate::report::ServerSafety;
use crate::safety::Look;
use crate::words::{few, list};
use orchestrate_model::observe::{Obstacle, ObstacleKind};
use orchestrate_model::{Pool, PoolName, PoolObservation, ServerName, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The obstacles of all pools that were looked at.
pub(crate) struct Obstacles<'a> {
    met: Vec<Met<'a>>,
}

/// An obstacle with the servers of one pool that it was met at.
struct Met<'a> {
    pool: &'a Pool,
    kind: ObstacleKind,
    /// How it was told first.
    first: &'a str,
    /// All the ways in which it was told.
    told: BTreeSet<&'a str>,
    servers: Vec<&'a ServerName>,
}

impl<'a> Obstacles<'a> {
    pub(crate) fn of(looks: &[Option<Look<'a>>]) -> Self {
        let mut met: Vec<Met<'a>> = Vec::new();
        for look in looks.iter().flatten() {
            let mut here: BTreeMap<(ObstacleKind, &str), Met<'a>> = BTreeMap::new();
            for seen in look.seen.servers.values() {
                for Obstacle { kind, told } in &seen.obstacles {
                    let Some(first) = told.first() else { continue };
                    let new =
                        || Met { pool: look.pool, kind: *kind, first, told: BTreeSet::new(), servers: Vec::new() };
                    let met = here.entry((*kind, first)).or_insert_with(new);
                    met.told.extend(told.iter().map(String::as_str));
                    met.servers.push(&seen.server);
                }
            }
            met.extend(here.into_values());
        }
        Self { met }
    }

    /// Puts one finding in the place of all that follow from an obstacle.
    pub(super) fn fold(&self, found: &mut Vec<Finding>) {
        let mut follows: Vec<BTreeSet<String>> = vec![BTreeSet::new(); self.met.len()];
        found.retain(|finding| {
            let cause = self.met.iter().position(|met| met.explains(finding));
            if let Some(cause) = cause {
                follows[cause].insert(finding.code.clone());
            }
            cause.is_none()
        });
        let told = self.met.iter().zip(&follows).filter(|(_, follows)| !follows.is_empty());
        let told: Vec<Finding> = told.map(|(met, follows)| met.finding(follows)).collect();
        for finding in found.iter_mut() {
            self.shorten(&mut finding.message);
        }
        found.extend(told);
    }

    /// Puts a few words in the place of an obstacle wherever else an answer tells it.
    pub(crate) fn shorten_all(&self, safety: &mut [ServerSafety]) {
        for asked in safety.iter_mut().flat_map(|safety| &mut safety.asked) {
            let (told, met) = match &mut asked.verdict {
                Verdict::Yes(_) => continue,
                Verdict::No(text) => (self.shorten(text), false),
                Verdict::Unknown(text) => (self.shorten(text), true),
            };
            // What mends an answer that is no answer is another matter.
            if let Some(code) = told.filter(|_| met) {
                asked.advice = format!("Mend {code} first.");
            }
        }
    }

    /// Returns the code of the first obstacle that the text told.
    fn shorten(&self, text: &mut String) -> Option<&'static str> {
        let mut first = None;
        for met in &self.met {
            for told in met.told.iter().filter(|told| !told.is_empty()) {
                if text.contains(told) {
                    for server in &met.servers {
                        *text = text.replace(&format!("{server}: {told}"), briefly(met.kind));
                    }
                    *text = text.replace(told, briefly(met.kind));
                    first = first.or(Some(met.code()));
                }
            }
        }
        first
    }
}

/// Puts a few words in the place of an obstacle wherever an answer tells it: a finding of the plan tells it once.
pub fn tell_once(seen: &mut BTreeMap<PoolName, PoolObservation>) {
    for server in seen.values_mut().flat_map(|pool| pool.servers.values_mut()) {
        let (name, obstacles) = (server.server.clone(), server.obstacles.clone());
        server.change_reasons(|reason| {
            for Obstacle { kind, told } in &obstacles {
                for told in told.iter().filter(|told| !told.is_empty()) {
                    if reason.contains(told) {
                        *reason = reason.replace(&format!("{name}: {told}"), briefly(*kind));
                        *reason = reason.replace(told, briefly(*kind));
                    }
                }
            }
        });
    }
}

/// What stands for an obstacle in every answer but one.
fn briefly(kind: ObstacleKind) -> &'static str {
    if kind.is_of_product() { "see O2108" } else { "no script runs there, see O2107" }
}

impl Met<'_> {
    /// Whether a finding is there for this obstacle: it says so in the very words.
    fn explains(&self, finding: &Finding) -> bool {
        finding.pool.as_ref() == Some(&self.pool.name)
            && self.told.iter().any(|told| !told.is_empty() && finding.message.contains(told))
    }

    fn code(&self) -> &'static str {
        if self.kind.is_of_product() { codes::SECOND_MACHINE } else { codes::NO_SCRIPT }
    }

    fn finding(&self, follows: &BTreeSet<String>) -> Finding {
        let servers: Vec<&str> = self.servers.iter().map(|server| server.short()).collect();
        let servers = few(&servers);
        let what = if self.kind.is_of_product() {
            format!("the product says nothing to the account on {servers}")
        } else {
            format!("no script runs on {servers}, and what only a script can say is not known")
        };
        let text = format!("{what}: {}. What follows from it is not listed apart: {}", self.first, list(follows));
        let finding = refusal(self.code(), text).pool(self.pool).advise(self.advice());
        match self.servers.as_slice() {
            [only] => finding.server(only),
            _ => finding,
        }
    }

    /// What to do, by what it is.
    fn advice(&self) -> &'static str {
        match self.kind {
            ObstacleKind::Quota => {
                "End the shells and processes of the account that were left on the servers (a shell that is not used ends \
                 by itself after its idle time), or raise winrs/MaxShellsPerUser there: `winrm get winrm/config/winrs` \
                 shows it. Nothing is wrong with counters, readiness or installer as long as they were not asked."
            }
            ObstacleKind::AccessDenied => {
                "Use an account that is an administrator of the servers: the right to read WMI is not enough to run \
                 scripts. AllowRemoteShellAccess has to be true as well (`winrm get winrm/config/winrs`). `orchestrate \
                 probe` says who the account is there."
            }
            ObstacleKind::Restricted => {
                "Allow the scripts of the account in the policy of the servers, or use an account that it does not \
                 restrict. Rights to counters or files do not help."
            }
            ObstacleKind::OldPowerShell => "Install Windows Management Framework 3.0 or later on the servers.",
            ObstacleKind::NoPowerShell => {
                "Look on the servers whether powershell.exe is where Windows keeps it (System32\\WindowsPowerShell\\v1.0), \
                 and whether a policy keeps the account from starting it."
            }
            ObstacleKind::NoScript => {
                "Look at what the servers say: a policy may keep the account from starting PowerShell, a profile or a \
                 virus scanner may end it. `orchestrate probe` asks once more, one question after the other."
            }
            ObstacleKind::SecondMachine => {
                "Choose another way for the product's cmdlets with access.winrm.cmdlets in the plan, or give the account \
                 the right that it lacks; `orchestrate probe` tries it. Waiting does not help."
            }
        }
    }
}
