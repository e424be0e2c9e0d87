//! How many sessions services still have.

use crate::activity::Activity;
use crate::counters::{self, Counter, Found, Reading};
use crate::hop::{self, Problem};
use crate::link::Glance;
use crate::measures::{self, Source, Want};
use crate::script::{Look, Trouble};
use crate::target::WinrmTarget;
use jiff::Timestamp;
use orchestrate_model::observe::{DrainingState, Measure, SessionReading};
use orchestrate_model::probe::ActivityKeys;
use orchestrate_model::{Answer, ServiceName, catalogue};
use orchestrate_wsman::plain;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What the `activity` script says.
#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(default)]
    activity: BTreeMap<String, String>,
    #[serde(default)]
    errors: BTreeMap<String, String>,
    /// The chain of the first error.
    #[serde(default)]
    causes: Vec<Problem>,
}

/// What is read for one service.
struct Plan {
    wants: Vec<Want>,
    draining: Option<Counter>,
}

/// Reads the sessions of services. Each service has a reading; what could not be read in it is unknown. `now` is when
/// the looking began.
pub(crate) async fn read(
    glance: &Glance<'_>,
    found: &Found,
    target: &WinrmTarget,
    services: &[ServiceName],
    now: Timestamp,
) -> BTreeMap<ServiceName, SessionReading> {
    let plans: BTreeMap<&ServiceName, Plan> = services.iter().map(|service| (service, plan(target, service))).collect();
    let counters: BTreeSet<Counter> = plans.values().flat_map(Plan::counters).cloned().collect();
    let asks_activity = |plan: &Plan| plan.wants.iter().any(|want| matches!(want.source, Source::Activity(_)));
    let by_activity: Vec<&str> =
        plans.iter().filter(|(_, plan)| asks_activity(plan)).map(|(name, _)| name.as_str()).collect();
    // Scripts run one after the other on the same connection, counters are read on the other one.
    let (readings, said) = tokio::join!(
        async {
            if counters.is_empty() { BTreeMap::new() } else { counters::read(glance, found, &counters, now).await }
        },
        async { if by_activity.is_empty() { Ok(Said::default()) } else { activity(glance, &by_activity).await } },
    );
    let reading = |(service, plan): (&ServiceName, Plan)| (service.clone(), plan.reading(service, &readings, &said));
    plans.into_iter().map(reading).collect()
}

/// Returns the keys of the activity level of services, with their values now.
pub(crate) async fn keys(glance: &Glance<'_>, services: &[ServiceName]) -> Answer<Vec<ActivityKeys>> {
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    if names.is_empty() {
        return Answer::Known(Vec::new());
    }
    let said = activity(glance, &names).await;
    if let Err(trouble) = &said {
        return Answer::unknown(trouble);
    }
    let of = |service: &ServiceName| {
        let keys = text_of(service, &said).map(|text| Activity::counts(&text));
        ActivityKeys { service: service.clone(), keys: Answer::from(keys) }
    };
    Answer::Known(services.iter().map(of).collect())
}

async fn activity(glance: &Glance<'_>, services: &[&str]) -> Result<Said, Trouble> {
    let Said { activity, mut errors, causes } = glance.look(Look::Activity, &json!({ "services": services })).await?;
    for error in errors.values_mut() {
        if let Some(second) = hop::recognise(error, &causes) {
            *error = hop::explain(error, second, glance.cmdlets());
            glance.not_let_in(error);
        }
    }
    Ok(Said { activity, errors, causes })
}

fn plan(target: &WinrmTarget, service: &ServiceName) -> Plan {
    let draining = catalogue::service(service).and_then(measures::draining);
    Plan { wants: measures::wanted(target, service), draining }
}

impl Plan {
    fn counters(&self) -> impl Iterator<Item = &Counter> {
        let wanted = self.wants.iter().filter_map(|want| match &want.source {
            Source::Counter(counter) => Some(counter),
            Source::Activity(_) | Source::Nowhere(_) => None,
        });
        wanted.chain(&self.draining)
    }

    fn reading(
        &self,
        service: &ServiceName,
        readings: &BTreeMap<Counter, Reading>,
        said: &Result<Said, Trouble>,
    ) -> SessionReading {
        let level = level(service, said);
        let read: Vec<(&Want, Reading)> =
            self.wants.iter().map(|want| (want, read_one(want, readings, &level))).collect();
        let proven = read.iter().any(|(want, reading)| want.sourced && reading.value.known().is_some());
        let kept = read.into_iter().filter(|(want, reading)| {
            // A counter that nobody has seen anywhere, and that the server says it does not have, counts nothing there.
            // It is left out only when a counter with a source was read; anything else about it is unknown.
            !(proven && !want.sourced && reading.absent)
        });
        let measures =
            kept.map(|(want, Reading { value, absent })| Measure { name: want.name.clone(), value, absent }).collect();
        let draining = self.draining.as_ref().map(|counter| draining(counter, readings));
        SessionReading { measures, draining }
    }
}

fn read_one(want: &Want, readings: &BTreeMap<Counter, Reading>, level: &Result<Activity, String>) -> Reading {
    match &want.source {
        Source::Counter(counter) => readings.get(counter).cloned().unwrap_or_else(|| unread("it was not read")),
        Source::Activity(key) => match level {
            Ok(activity) => Reading { value: activity.value(key), absent: false },
            Err(reason) => unread(reason),
        },
        Source::Nowhere(reason) => unread(reason),
    }
}

fn unread(reason: &str) -> Reading {
    Reading { value: Answer::unknown(reason), absent: false }
}

/// Returns the activity level of a service.
fn level(service: &ServiceName, said: &Result<Said, Trouble>) -> Result<Activity, String> {
    text_of(service, said).map(|text| Activity::parse(&text))
}

fn text_of(service: &ServiceName, said: &Result<Said, Trouble>) -> Result<String, String> {
    let said = said.as_ref().map_err(ToString::to_string)?;
    let of = |texts: &BTreeMap<String, String>| {
        texts.iter().find(|(name, _)| name.eq_ignore_ascii_case(service.as_str())).map(|(_, text)| text.clone())
    };
    match (of(&said.activity), of(&said.errors)) {
        (_, Some(error)) => Err(plain(&error)),
        (Some(text), None) => Ok(text),
        (None, None) => Err("Get-CsWindowsService says nothing of it".to_owned()),
    }
}

/// 0 is normal, 1 is draining; nothing else is documented. A server that says that it has no such counter has answered.
fn draining(counter: &Counter, readings: &BTreeMap<Counter, Reading>) -> Answer<DrainingState> {
    let Some(Reading { value, absent }) = readings.get(counter) else {
        return Answer::unknown(format!("{} was not read", counter.counter));
    };
    match value {
        Answer::Known(0) => Answer::Known(DrainingState::NotDraining),
        Answer::Known(1) => Answer::Known(DrainingState::Draining),
        Answer::Known(other) => Answer::unknown(format!("{} reads {other}", counter.counter)),
        Answer::Unknown(reason) if *absent => Answer::Known(DrainingState::Absent(reason.clone())),
        Answer::Unknown(reason) => Answer::unknown(format!("{}: {reason}", counter.counter)),
    }
}
