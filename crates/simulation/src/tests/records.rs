//! Records that do not fit the state are refused by name, and the state of a run is what its records tell.

use super::{Stage, first};
use crate::hunt::runtime;
use orchestrate_engine::record::StepEnd;
use orchestrate_engine::state::Illegal;
use orchestrate_engine::{Engine, Record};
use orchestrate_journal::Entry;
use orchestrate_planner::Plan;
use std::sync::Arc;

fn whole() -> (Arc<Plan>, Vec<Entry>) {
    runtime().block_on(async {
        let mut stage = Stage::set().await;
        stage.start(first(), None).await;
        (stage.plan.clone(), stage.entries().entries)
    })
}

fn replayed(plan: &Arc<Plan>, entries: &[Entry]) -> Result<Engine, Illegal> {
    let mut engine = Engine::new(plan.clone());
    for entry in entries {
        engine.replay(entry.at, &entry.record)?;
    }
    Ok(engine)
}

/// Whether a second copy of the record right behind the first can not be true.
fn happens_once(record: &Record) -> bool {
    matches!(
        record,
        Record::RunStarted(_)
            | Record::Intent(_)
            | Record::Outcome { .. }
            | Record::StepDone { .. }
            | Record::ServerEnded { .. }
            | Record::Decided { .. }
            | Record::RunEnded { .. }
    )
}

#[test]
fn a_record_that_can_happen_once_is_refused_the_second_time() {
    let (plan, entries) = whole();
    for place in 0..entries.len() {
        let mut twice = entries[..=place].to_vec();
        twice.push(entries[place].clone());
        let illegal = replayed(&plan, &twice);
        if happens_once(&entries[place].record) {
            let illegal = illegal.expect_err("it is refused");
            assert_eq!(illegal.record, entries[place].record.name());
            assert!(!illegal.why.is_empty());
        }
    }
}

#[test]
fn a_journal_without_one_of_its_acts_or_ends_is_refused() {
    let (plan, entries) = whole();
    for place in 0..entries.len() {
        let matters = match &entries[place].record {
            Record::RunStarted(_) | Record::Intent(_) => true,
            // A step that is skipped need not have been begun.
            Record::StepStarted { .. } => !matches!(
                entries[place + 1].record,
                Record::Intent(_) | Record::StepStarted { .. } | Record::StepDone { how: StepEnd::Skipped, .. }
            ),
            _ => false,
        };
        if matters {
            let mut without = entries.clone();
            without.remove(place);
            assert!(replayed(&plan, &without).is_err(), "without record {}: {:?}", place + 1, entries[place].record);
        }
    }
}

#[test]
fn a_refused_record_changes_nothing() {
    let (plan, entries) = whole();
    let mut engine = replayed(&plan, &entries).expect("it replays");
    let before = engine.state().clone();
    for entry in &entries {
        assert!(engine.replay(entry.at, &entry.record).is_err(), "nothing follows the end of a run");
    }
    assert_eq!(*engine.state(), before);
}
