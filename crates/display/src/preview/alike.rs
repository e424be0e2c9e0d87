//! Servers of which the same is to be said: it is said once.

use super::doing::{ANY, Doing, doings, doings_of_any};
use super::{Preview, works};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::report::ServerSafety;
use orchestrate_planner::{Finding, Plan, ServerWork, Severity, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Servers to which the same would be done, in the order of the plan.
pub(super) struct Alike<'a> {
    /// The servers.
    pub(super) works: Vec<(WorkId, &'a ServerWork)>,
    /// The steps of the first one, and what they would do to each.
    pub(super) steps: Vec<(&'a Step, Vec<Doing>)>,
}

/// Returns the servers of a plan by what would be done to them.
pub(super) fn alike<'a>(preview: &Preview<'a>) -> Vec<Alike<'a>> {
    let mut groups: Vec<Alike<'a>> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for ((id, work), steps) in works(preview.plan).zip(preview.steps()) {
        let seen = preview.seen(work);
        let does = |step: &'a Step| (step, doings_of_any(preview.plan, (work, step), seen));
        let steps: Vec<(&Step, Vec<Doing>)> = steps.into_iter().map(does).collect();
        match known.get(&said_of(work, &steps)) {
            Some(place) => {
                groups[*place].works.push((id, work));
                // What was counted is that of the first alone.
                groups[*place].steps.iter_mut().for_each(|(_, does)| does.retain(|doing| !doing.counted));
            }
            None => {
                known.insert(said_of(work, &steps), groups.len());
                groups.push(Alike { works: vec![(id, work)], steps });
            }
        }
    }
    for group in groups.iter_mut().filter(|group| group.works.len() == 1) {
        let seen = preview.seen(group.works[0].1);
        for (step, does) in &mut group.steps {
            *does = doings(preview.plan, step, seen);
        }
    }
    groups
}

/// Everything that is said of a server, but for its name and what changes from minute to minute.
fn said_of(work: &ServerWork, steps: &[(&Step, Vec<Doing>)]) -> String {
    let mut said = format!("{} {:?}", work.block.len(), work.skip);
    for (step, does) in steps {
        // Writing to a text cannot fail.
        write!(said, "\n{} {}", step.kind, step.certainty.word()).unwrap_or_default();
        for doing in does.iter().filter(|doing| !doing.counted) {
            write!(said, "\n{}", doing.what).unwrap_or_default();
            doing.services.iter().for_each(|name| said.push_str(name.as_str()));
        }
    }
    said
}

/// Returns the servers that were asked about by their answers: those of which each question has the same one, and the same
/// reason where it is not yes.
pub(super) fn alike_in_safety(safety: &[ServerSafety]) -> Vec<Vec<&ServerSafety>> {
    let mut groups: Vec<Vec<&ServerSafety>> = Vec::new();
    let mut known: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for one in safety {
        if one.silent {
            // Each of them names the others.
            let place = *known.entry(vec![one.pool.to_string()]).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
            continue;
        }
        let answers = one.asked.iter().map(|asked| {
            let reason = if asked.verdict.is_yes() { "" } else { asked.verdict.text() };
            format!("{} {} {reason}", asked.question, asked.verdict.word())
        });
        let place = *known.entry(answers.collect()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// Returns findings in their order, each with the names of the servers or pools of which the same was found later.
pub(super) fn alike_findings(findings: &[Finding]) -> Vec<(&Finding, Vec<&str>)> {
    let mut told: Vec<(&Finding, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<(Severity, &str, String, &str), usize> = BTreeMap::new();
    for finding in findings {
        let subject = subject(finding);
        let short = finding.server.as_ref().map_or(subject, |server| server.short());
        let message = if subject.is_empty() {
            finding.message.clone()
        } else {
            finding.message.replace(subject, ANY).replace(short, ANY)
        };
        let key = (finding.severity, finding.code.as_str(), message, finding.advice.as_str());
        let place = *known.entry(key).or_insert(told.len());
        match told.get_mut(place) {
            Some((_, like)) => like.push(subject),
            None => told.push((finding, Vec::new())),
        }
    }
    told
}

/// The name of the server or pool that a finding is about; empty where it is about none.
pub(super) fn subject(finding: &Finding) -> &str {
    match (&finding.server, &finding.pool) {
        (Some(server), _) => server.as_str(),
        (None, Some(pool)) => pool.as_str(),
        (None, None) => "",
    }
}

/// What servers are called where several are named: by their short names, where those differ in the whole plan.
pub(crate) struct Called(bool);

impl Called {
    pub(crate) fn of(preview: &Preview<'_>) -> Self {
        Self::of_plan(preview.plan)
    }

    pub(crate) fn of_plan(plan: &Plan) -> Self {
        let short: BTreeSet<&str> = plan.work().iter().map(|work| work.server.short()).collect();
        Self(short.len() == plan.work().len())
    }

    /// Returns what a server is called among others.
    pub(crate) fn one<'n>(&self, name: &'n orchestrate_model::ServerName) -> &'n str {
        if self.0 { name.short() } else { name.as_str() }
    }

    /// Returns the names of servers, one after the other; one alone in full.
    pub(super) fn list<'n>(&self, names: impl ExactSizeIterator<Item = &'n orchestrate_model::ServerName>) -> String {
        let short = self.0 && names.len() > 1;
        let names: Vec<&str> = names.map(|name| if short { name.short() } else { name.as_str() }).collect();
        names.join(", ")
    }
}
