//! One cause that leaves many questions to a server without an answer. It is told once, and what follows from it is named there
//! by its code alone.

use super::refusal;
use crate::codes;
use crate::plan::Finding;
use crate::report::ServerSafety;
use crate::safety::Look;
use crate::words::{few, list};
use orchestrate_model::observe::ObstacleKind;
use orchestrate_model::{Pool, PoolName, PoolObservation, ServerName, ServerObservation, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The shortest text of a cause that is looked for in answers: a few letters may stand anywhere.
const SHORTEST: usize = 30;

/// What leaves questions to a server without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// It answers nothing at all: a finding of its own says so, server by server.
    Silence,
    /// It answers, and something is in the way of many questions.
    Obstacle(ObstacleKind),
}

impl Cause {
    /// The code of the finding that tells it.
    fn code(self) -> &'static str {
        match self {
            Self::Silence => codes::UNKNOWN,
            Self::Obstacle(kind) if kind.is_of_product() => codes::SECOND_MACHINE,
            Self::Obstacle(_) => codes::NO_SCRIPT,
        }
    }

    /// What stands for it everywhere else.
    fn briefly(self) -> String {
        let code = self.code();
        match self {
            Self::Silence => format!("it does not answer, see {code}"),
            Self::Obstacle(kind) if kind.is_of_product() => format!("see {code}"),
            Self::Obstacle(_) => format!("no script runs there, see {code}"),
        }
    }
}

/// Returns what leaves questions to a server without an answer, with how that stands in the answers.
fn causes(seen: &ServerObservation) -> Vec<(Cause, Vec<String>)> {
    let silent = seen.host.why_unknown().and(seen.services.why_unknown());
    let silent = silent.map(|why| (Cause::Silence, vec![bare(seen, why).to_owned()]));
    let met = seen.obstacles.iter().map(|obstacle| (Cause::Obstacle(obstacle.kind), obstacle.told.clone()));
    let long = |told: Vec<String>| told.into_iter().filter(|told| told.len() >= SHORTEST).collect();
    silent.into_iter().chain(met).map(|(cause, told)| (cause, long(told))).collect()
}

/// Returns a reason without the name of its server.
fn bare<'a>(seen: &ServerObservation, why: &'a str) -> &'a str {
    why.strip_prefix(seen.server.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(why)
}

/// Puts a few words in the place of a cause wherever an answer of these servers tells it. Returns whether one did.
fn shorten<'a>(text: &mut String, told: &str, cause: Cause, servers: impl Iterator<Item = &'a ServerName>) -> bool {
    if !text.contains(told) {
        return false;
    }
    for server in servers {
        *text = text.replace(&format!("{server}: {told}"), &cause.briefly());
    }
    *text = text.replace(told, &cause.briefly());
    true
}

/// Puts a few words in the place of a cause wherever an answer tells it: a finding of the plan tells it once.
pub fn tell_once(seen: &mut BTreeMap<PoolName, PoolObservation>) {
    for server in seen.values_mut().flat_map(|pool| pool.servers.values_mut()) {
        let (name, causes) = (server.server.clone(), causes(server));
        server.change_reasons(|reason| {
            for (cause, told) in &causes {
                for told in told {
                    shorten(reason, told, *cause, std::iter::once(&name));
                }
            }
        });
    }
}

/// The causes of all pools that were looked at.
pub(crate) struct Obstacles<'a> {
    met: Vec<Met<'a>>,
}

/// A cause with the servers of one pool that it was met at.
struct Met<'a> {
    pool: &'a Pool,
    cause: Cause,
    /// How it was told first.
    first: String,
    /// All the ways in which it was told.
    told: BTreeSet<String>,
    servers: Vec<&'a ServerName>,
}

impl<'a> Obstacles<'a> {
    pub(crate) fn of(looks: &[Option<Look<'a>>]) -> Self {
        let mut met: Vec<Met<'a>> = Vec::new();
        for look in looks.iter().flatten() {
            let mut here: BTreeMap<(Cause, String), Met<'a>> = BTreeMap::new();
            for seen in look.seen.servers.values() {
                for (cause, told) in causes(seen) {
                    let Some(first) = told.first().cloned() else { continue };
                    let met = here.entry((cause, first.clone())).or_insert_with(|| Met {
                        pool: look.pool,
                        cause,
                        first,
                        told: BTreeSet::new(),
                        servers: Vec::new(),
                    });
                    met.told.extend(told);
                    met.servers.push(&seen.server);
                }
            }
            met.extend(here.into_values());
        }
        Self { met }
    }

    /// Those of one server.
    pub(crate) fn of_one(look: &Look<'a>, server: &ServerName) -> Self {
        let Some(seen) = look.seen.servers.get(server) else { return Self { met: Vec::new() } };
        let met = causes(seen).into_iter().filter_map(|(cause, told)| {
            let first = told.first().cloned()?;
            Some(Met { pool: look.pool, cause, first, told: told.into_iter().collect(), servers: vec![&seen.server] })
        });
        Self { met: met.collect() }
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
        let told: Vec<Finding> = told.filter_map(|(met, follows)| met.finding(follows)).collect();
        for finding in found.iter_mut().filter(|finding| finding.code != codes::UNKNOWN) {
            self.shorten(&mut finding.message);
        }
        found.extend(told);
    }

    /// Puts a few words in the place of a cause wherever else an answer tells it.
    pub(crate) fn shorten_all(&self, safety: &mut [ServerSafety]) {
        for asked in safety.iter_mut().flat_map(|safety| &mut safety.asked) {
            match &mut asked.verdict {
                Verdict::Yes(_) => {}
                Verdict::No(text) => drop(self.shorten(text)),
                // What mends an answer that is no answer is another matter.
                Verdict::Unknown(text) => {
                    if let Some(code) = self.shorten(text) {
                        asked.advice = format!("Mend {code} first.");
                    }
                }
            }
        }
    }

    /// Returns the code of the first cause that the text told.
    fn shorten(&self, text: &mut String) -> Option<&'static str> {
        let mut first = None;
        for met in &self.met {
            for told in &met.told {
                if shorten(text, told, met.cause, met.servers.iter().copied()) {
                    first = first.or(Some(met.cause.code()));
                }
            }
        }
        first
    }
}

impl Met<'_> {
    /// Whether a finding is there for this obstacle: it says so in the very words.
    fn explains(&self, finding: &Finding) -> bool {
        self.cause != Cause::Silence
            && finding.pool.as_ref() == Some(&self.pool.name)
            && self.told.iter().any(|told| finding.message.contains(told))
    }

    fn finding(&self, follows: &BTreeSet<String>) -> Option<Finding> {
        let Cause::Obstacle(kind) = self.cause else { return None };
        let servers: Vec<&str> = self.servers.iter().map(|server| server.short()).collect();
        let servers = few(&servers);
        let what = if kind.is_of_product() {
            format!("the product says nothing to the account on {servers}")
        } else {
            format!("no script runs on {servers}, and what only a script can say is not known")
        };
        let text = format!("{what}: {}. What follows from it is not listed apart: {}", self.first, list(follows));
        let finding = refusal(self.cause.code(), text).pool(self.pool).advise(advice(kind));
        Some(match self.servers.as_slice() {
            [only] => finding.server(only),
            _ => finding,
        })
    }
}

/// What to do, by what it is.
fn advice(kind: ObstacleKind) -> &'static str {
    match kind {
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
