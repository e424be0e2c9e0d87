//! Silences of alerts: which servers of a run are out, or about to go, and what is done with what cannot be silenced.

use crate::failure::Failure;
use crate::people::{Told, address};
use crate::terminal::{output, signals};
use crate::wiring::trusted_files;
use jiff::Timestamp;
use orchestrate_engine::state::{StepState, steps_of, work_id};
use orchestrate_engine::{Command, Record, RunState, WorkState};
use orchestrate_model::notify::{SilencedBy, Silencing};
use orchestrate_model::{RunId, ServerName};
use orchestrate_notify::{SilenceWay, Silenced, Silencer, Silences};
use orchestrate_planner::{Plan, StepKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long that goes on without a word.
const WITHOUT_A_WORD: Duration = Duration::from_secs(2);

/// How long the end of the program waits until silences are ended: they end by themselves all the same.
const AT_THE_END: Duration = Duration::from_secs(30);

/// Returns the ways that a plan names, with their addresses.
pub(crate) fn silencers(silences: &[Silencing]) -> Result<Vec<Silencer>, Failure> {
    if !silences.is_empty() {
        trusted_files()?;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let each = silences.iter().map(|silencing| {
        let word = silencing.by.word();
        let number = counts.entry(word).and_modify(|count| *count += 1).or_insert(1);
        let name = if *number == 1 { word.to_owned() } else { format!("{word} {number}") };
        let url = |source| address(source).map_err(|why| Failure::NoSilencer { name: name.clone(), why });
        let way = match &silencing.by {
            SilencedBy::Alertmanager { url: at, matchers } => {
                SilenceWay::Alertmanager { url: url(at)?, matchers: matchers.clone() }
            }
            SilencedBy::Webhook { start, end } => SilenceWay::Webhooks { start: url(start)?, end: url(end)? },
        };
        Ok(Silencer { name: name.clone(), way, lasts: silencing.lasts })
    });
    each.collect()
}

/// Silences the alerts about the servers of one run, in a task of its own: the run never waits for it.
pub(crate) struct Quieting {
    records: mpsc::UnboundedSender<(Timestamp, Record)>,
    work: Option<JoinHandle<Silences>>,
    saying: Option<JoinHandle<()>>,
}

impl Quieting {
    /// Begins, after the records of earlier starts. What cannot be done becomes part of the run's record, as long as it goes
    /// on; that nothing can be silenced stops nothing that has begun: it is said.
    pub(crate) fn begin_or_say(
        told: &Told,
        (plan, run): (&Arc<Plan>, &RunId),
        earlier: &[(Timestamp, Record)],
        record: mpsc::UnboundedSender<Command>,
    ) -> Self {
        let (records, mut heard) = mpsc::unbounded_channel::<(Timestamp, Record)>();
        let none = |records| Self { records, work: None, saying: None };
        let found = match told.silencers() {
            Ok(found) if found.is_empty() => return none(records),
            Ok(found) => found,
            Err(failure) => {
                output::talk(&format!("no alerts are silenced in this run: {}", failure.in_one_line()));
                return none(records);
            }
        };
        let mut state = RunState::new(plan);
        let mut touched = BTreeSet::new();
        for (at, record) in earlier {
            // What does not replay is told where the run is read.
            state.apply(plan, *at, record).unwrap_or_default();
            touched.extend(wanted(plan, &state));
        }
        let (failures, mut failed) = mpsc::unbounded_channel::<String>();
        let all = told.silenced(plan, run);
        let silences = match Silences::begin(found, all, &touched, &failures) {
            Ok(silences) => silences,
            Err(error) => {
                output::talk(&format!("no alerts are silenced in this run: {error}"));
                return none(records);
            }
        };
        drop(failures);
        let saying = tokio::spawn(async move {
            while let Some(text) = failed.recv().await {
                // The end of a run takes no more notes: what is said then is at least shown.
                if record.send(Command::Told { text: text.clone() }).is_err() {
                    output::talk(&text);
                }
            }
        });
        let plan = plan.clone();
        let work = tokio::spawn(async move {
            // Before the first record of this start: what an earlier one has left is extended, or ended.
            silences.want(&wanted(&plan, &state));
            while let Some((at, record)) = heard.recv().await {
                state.apply(&plan, at, &record).unwrap_or_default();
                silences.want(&wanted(&plan, &state));
            }
            silences
        });
        Self { records, work: Some(work), saying: Some(saying) }
    }

    /// Returns where records are handed in.
    pub(crate) fn records(&self) -> mpsc::UnboundedSender<(Timestamp, Record)> {
        self.records.clone()
    }

    /// Ends every silence, within a limit that a signal ends.
    pub(crate) async fn close(self) {
        let Self { records, work, saying } = self;
        drop(records);
        let Some(work) = work else { return };
        let silences = match work.await {
            Ok(silences) => silences,
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        };
        let names = silences.names();
        let mut closing = std::pin::pin!(silences.close(AT_THE_END));
        let closed = tokio::select! {
            open = &mut closing => Some(open),
            () = tokio::time::sleep(WITHOUT_A_WORD) => None,
        };
        let open = match closed {
            Some(open) => open,
            None => {
                output::talk("waits for silences of alerts to be ended, 30 s at most; Ctrl-C ends that");
                tokio::select! {
                    open = closing => open,
                    _ = signals::any() => names,
                }
            }
        };
        for name in open {
            output::talk(&format!(
                "{name} did not answer: silences of this run may go on there until they end by themselves"
            ));
        }
        // What failed is said before the program ends.
        if let Some(saying) = saying
            && let Ok(Err(ended)) = tokio::time::timeout(WITHOUT_A_WORD, saying).await
        {
            std::panic::resume_unwind(ended.into_panic());
        }
    }
}

/// Returns the servers that are out, or that go as soon as they are recorded.
fn wanted(plan: &Plan, state: &RunState) -> BTreeSet<ServerName> {
    if state.ended.is_some() {
        return BTreeSet::new();
    }
    let each = plan.work().iter().zip(&state.work).enumerate();
    each.filter(|(position, (_, work))| work.is_out() || goes(plan, state, (*position, work)))
        .map(|(_, (work, _))| work.server.clone())
        .collect()
}

/// Whether a server is recorded, or has been, to go out, and its work has not ended.
fn goes(plan: &Plan, state: &RunState, (position, work): (usize, &WorkState)) -> bool {
    let recorded = steps_of(plan, work_id(position)).find(|step| step.kind == StepKind::Record);
    let begun = recorded.and_then(|step| state.steps.get(step.id.0 as usize));
    work.end.is_none() && !matches!(begun, Some(StepState::Pending) | None)
}

impl Told {
    /// Returns every server of a run as it is silenced.
    fn silenced(&self, plan: &Plan, run: &RunId) -> Vec<Silenced> {
        let each = plan.work().iter().map(|work| Silenced {
            run: run.clone(),
            change: orchestrate_display::clean(self.name()),
            reason: orchestrate_display::clean(self.reason()),
            pool: plan.pool_of(work).name.clone(),
            server: work.server.clone(),
            lab: self.is_on_lab(),
        });
        each.collect()
    }
}
