//! Which measures are read for a service.

use crate::activity::is_rate;
use crate::counters::Counter;
use crate::target::WinrmTarget;
use orchestrate_model::ServiceName;
use orchestrate_model::catalogue::{self, MeasureKind, ServiceFacts};

/// One measure to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    /// The counter path or activity key.
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Whether a source shows that the measure exists.
    pub(crate) sourced: bool,
}

/// Where a measure is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A performance counter.
    Counter(Counter),
    /// A key of the activity level.
    Activity(String),
    /// Nowhere, and why.
    Nowhere(String),
}

/// Returns the measures of a service on this server: those of the plan where it names any, those of the catalogue
/// otherwise.
///
/// Activity keys that were only recalled are read where there is nothing better, and left out where a measure with a
/// source exists: a key that the server turns out not to have would make a reading unknown for ever, and hold a drain
/// that a counter proves. Where they are all there is, they stand alone, and a missing key keeps the reading unknown.
/// Counters that were only inferred are read beside sourced ones; see [`crate::sessions`] for when one may be missing.
pub(crate) fn wanted(target: &WinrmTarget, service: &ServiceName) -> Vec<Want> {
    if let Some(names) = target.measures.get(service) {
        return names.iter().map(|name| by_name(name)).collect();
    }
    let Some(facts) = catalogue::service(service) else { return Vec::new() };
    let all: Vec<Want> = facts.measures_for(target.product, target.role).map(of_catalogue).collect();
    let any_sourced = all.iter().any(|want| want.sourced);
    all.into_iter().filter(|want| want.sourced || !any_sourced || matches!(want.source, Source::Counter(_))).collect()
}

fn of_catalogue(facts: &catalogue::MeasureFacts) -> Want {
    let source = match facts.kind {
        MeasureKind::Counter { object, instance, counter } => Source::Counter(Counter {
            object: object.to_owned(),
            instance: instance.map(str::to_owned),
            counter: counter.to_owned(),
        }),
        MeasureKind::Activity { key } => Source::Activity(key.to_owned()),
    };
    Want { name: facts.kind.path(), source: refuse_rates(source), sourced: facts.sourced }
}

fn by_name(name: &str) -> Want {
    let source = if name.starts_with('\\') {
        Counter::parse(name).map_or_else(
            || {
                Source::Nowhere(format!(
                    r"expected a counter path such as \Set(instance)\Counter, found {}",
                    orchestrate_model::text::quoted(name)
                ))
            },
            Source::Counter,
        )
    } else {
        Source::Activity(name.to_owned())
    };
    Want { name: name.to_owned(), source: refuse_rates(source), sourced: true }
}

fn refuse_rates(source: Source) -> Source {
    let name = match &source {
        Source::Counter(counter) => &counter.counter,
        Source::Activity(key) => key,
        Source::Nowhere(_) => return source,
    };
    if is_rate(name) {
        return Source::Nowhere(
            "a rate is no session count: it reads zero on a loaded server that is quiet".to_owned(),
        );
    }
    source
}

/// Returns the counter that says whether a conferencing service is draining, where it has one.
pub(crate) fn draining(facts: &ServiceFacts) -> Option<Counter> {
    facts.draining_state.map(|short| Counter {
        object: format!("LS:{short} - MCU Health And Performance"),
        instance: None,
        counter: format!("{short} - MCU Draining State"),
    })
}
