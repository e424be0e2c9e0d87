//! What the journals say of the runs in a state folder. A run that has not been written to since is not read again.

use super::differs;
use crate::access;
use crate::drive::exit_of;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::runs::{self, Found};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use orchestrate_display::words;
use orchestrate_engine::RunOutcome;
use orchestrate_engine::record::Record;
use orchestrate_journal::StateDir;
use orchestrate_model::{Change, PoolName, RunId};
use orchestrate_serve::{Approval, Campaign, End};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How far a journal reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    length: u64,
    written: Option<Timestamp>,
}

/// Every run of a state folder.
#[derive(Default)]
pub(crate) struct Index {
    runs: BTreeMap<RunId, (Reach, Option<Facts>)>,
}

/// What is known of a run. Of one that is over no more is kept than that.
struct Facts {
    pools: BTreeSet<PoolName>,
    fingerprint: Option<String>,
    /// When it was begun, by the clock of this machine.
    begun: Timestamp,
    end: Option<End>,
    open: Option<Box<Open>>,
}

struct Open {
    change: Change,
    /// The plan file that it was begun with, where that is known.
    file: Option<PathBuf>,
    out: Vec<String>,
}

/// A plan as its runs are looked for.
pub(crate) struct Sought<'a> {
    pub(crate) path: &'a Path,
    pub(crate) change: &'a Change,
    pub(crate) approval: &'a Approval,
}

impl Index {
    /// Reads what is new. A run that cannot be read is none here: the start of a plan on its pools says what is wrong.
    pub(crate) fn refresh(&mut self, state: &StateDir) -> Result<(), Failure> {
        let folders = state.runs()?;
        let there: BTreeSet<RunId> = folders.iter().map(|folder| folder.id().clone()).collect();
        self.runs.retain(|run, _| there.contains(run));
        for folder in folders {
            let found = std::fs::metadata(folder.journal_path()).ok();
            let reach = Reach {
                length: found.as_ref().map_or(0, std::fs::Metadata::len),
                written: found.and_then(|found| found.modified().ok()).and_then(|at| Timestamp::try_from(at).ok()),
            };
            if self.runs.get(folder.id()).is_none_or(|(known, _)| *known != reach) {
                let run = folder.id().clone();
                let facts = match runs::read(folder) {
                    Ok(found) => Some(Facts::of(found, reach)),
                    Err(failure) => {
                        tracing::warn!(%run, why = failure.in_one_line(), "a run cannot be read");
                        None
                    }
                };
                self.runs.insert(run, (reach, facts));
            }
        }
        Ok(())
    }

    /// Returns what the runs say of a plan: the newest that is unfinished on its pools, or the one of what was approved that
    /// is over. `is_there`: whether the servers of a run still are; those of a lab may have gone. `holder`: who works on a
    /// run, in words.
    pub(crate) fn campaign(
        &self,
        sought: &Sought<'_>,
        is_there: impl Fn(&Change) -> bool,
        holder: impl Fn(&RunId, &Change) -> Option<String>,
    ) -> Campaign {
        let mut pools: BTreeSet<&PoolName> = sought.change.pools.iter().map(|pool| &pool.name).collect();
        for (run, (_, facts)) in self.runs.iter().rev() {
            let Some(facts) = facts.as_ref().filter(|facts| pools.iter().any(|pool| facts.pools.contains(*pool)))
            else {
                continue;
            };
            if let Some(open) = facts.open.as_ref().filter(|open| is_there(&open.change)) {
                let live = holder(run, &open.change);
                if let Some(file) = open.of_other(sought) {
                    let (run, out) = (run.clone(), open.out.clone());
                    return Campaign::Other { run, file: file.display().to_string(), out, live };
                }
                return Campaign::Open {
                    live,
                    run: run.clone(),
                    fingerprint: facts.fingerprint.clone().unwrap_or_default(),
                    out: open.out.clone(),
                    differs: open.differs(sought),
                    ended: facts.end.clone(),
                };
            }
            if let (None, Some(end), Approval::Given { fingerprint, at, .. }) =
                (&facts.open, &facts.end, sought.approval)
                && facts.fingerprint.as_ref() == Some(fingerprint)
                && facts.begun >= *at
            {
                let exit = end.exit.unwrap_or_default();
                return Campaign::Over { run: run.clone(), exit, how: end.why.clone() };
            }
            // What came before it on the same pools was over when it began.
            pools.retain(|pool| facts.open.is_some() || !facts.pools.contains(*pool));
        }
        Campaign::None
    }

    /// Returns the runs of a plan file that are unfinished, whatever has become of the file.
    pub(crate) fn of_file(&self, path: &Path, holder: impl Fn(&RunId, &Change) -> Option<String>) -> Campaign {
        let mine = |open: &&Open| open.file.as_deref() == Some(path);
        for (run, (_, facts)) in self.runs.iter().rev() {
            let Some(facts) = facts else { continue };
            if let Some(open) = facts.open.as_deref().filter(mine) {
                let fingerprint = facts.fingerprint.clone().unwrap_or_default();
                let live = holder(run, &open.change);
                let (run, out, ended) = (run.clone(), open.out.clone(), facts.end.clone());
                return Campaign::Open { run, fingerprint, out, differs: None, ended, live };
            }
        }
        Campaign::None
    }
}

impl Facts {
    fn of(found: Found, reach: Reach) -> Self {
        let header = found.entries.entries.first().map(|entry| &entry.record);
        let fingerprint = match header {
            Some(Record::RunStarted(header)) => header.plan.clone(),
            Some(_) | None => found.plan.fingerprint().to_string(),
        };
        let works = found.plan.work().iter().zip(&found.state.work);
        let out = works.filter(|(_, state)| state.is_out()).map(|(work, _)| work.server.short().to_owned()).collect();
        let end = found.state.ended.map(|outcome| End {
            exit: Some(campaign_exit(outcome).code()),
            why: how(outcome, found.state.stop.as_ref().map(orchestrate_engine::record::StopWhy::text)),
            at: reach.written.unwrap_or(Timestamp::UNIX_EPOCH),
        });
        let unfinished = found.is_unfinished();
        let file = found.folder.started().map(|started| PathBuf::from(started.plan));
        let open = unfinished.then(|| Box::new(Open { change: found.plan.change().clone(), file, out }));
        Self {
            pools: found.pools().into_iter().collect(),
            fingerprint: Some(fingerprint),
            begun: began(found.folder.id()).unwrap_or(Timestamp::UNIX_EPOCH),
            end,
            open,
        }
    }
}

impl Open {
    /// Says in what a plan is another one than that of the run.
    fn differs(&self, sought: &Sought<'_>) -> Option<String> {
        if access::is_same_work(&self.change, sought.change) {
            return None;
        }
        Some(differs::in_words(&self.change, sought.change))
    }

    /// Returns the plan file of the run, where that is another one with other work: the run is no earlier state of this plan.
    fn of_other(&self, sought: &Sought<'_>) -> Option<&Path> {
        let other = self.file.as_deref().filter(|file| *file != sought.path);
        other.filter(|_| !access::is_same_work(&self.change, sought.change))
    }
}

/// How a run ended for what was approved. A recovery brings servers back, and does nothing of what was to be done.
fn campaign_exit(outcome: RunOutcome) -> Exit {
    if outcome == RunOutcome::Recovered { Exit::SomeServers } else { exit_of(outcome) }
}

fn how(outcome: RunOutcome, stop: Option<&str>) -> String {
    match stop {
        Some(why) => format!("{}: {why}", words::outcome(outcome)),
        None => words::outcome(outcome).to_owned(),
    }
}

/// Returns when a run was begun, by the clock of this machine, which its id was made with: the records of a run on a lab
/// have the time of the lab.
pub(crate) fn began(run: &RunId) -> Option<Timestamp> {
    let text = run.as_str().get(..15)?;
    let at = DateTime::strptime("%Y%m%d-%H%M%S", text).ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_run_says_when_it_was_begun() {
        let run = RunId::new("20261127-220130-aaaa").unwrap();
        assert_eq!(began(&run), Some("2026-11-27T22:01:30Z".parse().unwrap()));
        assert_eq!(began(&RunId::new("night").unwrap()), None);
    }

    #[test]
    fn a_run_that_was_only_recovered_is_not_done() {
        assert_eq!(campaign_exit(RunOutcome::Done), Exit::Done);
        assert_eq!(campaign_exit(RunOutcome::Recovered), Exit::SomeServers);
    }
}
