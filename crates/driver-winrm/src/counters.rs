//! Performance counters through WMI.
//!
//! Class and property names of product counters are generated on each server, so they are asked for and never assumed.
//! What was found is remembered until the server does not know it any more: an update registers the counters of the
//! product anew, and their classes may have other names then. What was not found is asked for again after a while: a
//! counter set may appear when its service starts, and listing all classes of a server takes it seconds.

use crate::link::Glance;
use crate::script::{Look, Trouble};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::Answer;
use orchestrate_wsman::{FaultClass, Instance, plain};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// One counter: its set, the instance in it where there are several, and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counter {
    pub(crate) object: String,
    pub(crate) instance: Option<String>,
    pub(crate) counter: String,
}

impl Counter {
    /// Returns the counter that a path such as `\LS:SIP - Peers(Clients)\SIP - Connections Active` names.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (object, counter) = path.strip_prefix('\\')?.rsplit_once('\\')?;
        let (object, instance) = match object.strip_suffix(')').and_then(|object| object.rsplit_once('(')) {
            Some((object, instance)) => (object, Some(instance)),
            None => (object, None),
        };
        let filled = |text: &&str| !text.trim().is_empty();
        let instance = instance.map(|instance| Some(instance).filter(filled)).map_or(Some(None), |i| i.map(Some))?;
        Some(Self {
            object: Some(object).filter(filled)?.to_owned(),
            instance: instance.map(str::to_owned),
            counter: Some(counter).filter(filled)?.to_owned(),
        })
    }
}

/// The class of a counter set on one server.
#[derive(Debug, Clone, Deserialize)]
struct Class {
    class: String,
    properties: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Classes {
    classes: BTreeMap<String, Class>,
}

/// After how long a counter set that was not found is asked for again.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(120);

/// The counter sets that were found on one server, and when others were not, by name in lower case.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    classes: BTreeMap<String, Class>,
    not_found: BTreeMap<String, Timestamp>,
}

impl Found {
    /// Forgets a class that the server does not know any more, so that the next look asks for it again.
    fn forget(&self, class: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<String> =
            known.classes.iter().filter(|(_, found)| found.class == class).map(|(object, _)| object.clone()).collect();
        for object in gone {
            known.classes.remove(&object);
            known.not_found.remove(&object);
        }
    }
}

impl Known {
    /// Returns whether a counter set has to be asked for.
    fn lacks(&self, object: &str, now: Timestamp) -> bool {
        let object = object.to_lowercase();
        let recent = |at: &Timestamp| now.duration_since(*at) < ASK_AGAIN;
        !self.classes.contains_key(&object) && !self.not_found.get(&object).is_some_and(recent)
    }
}

/// A counter's value, and whether the server is known not to have the counter at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) value: Answer<i64>,
    pub(crate) absent: bool,
}

impl Reading {
    fn unknown(reason: impl std::fmt::Display) -> Self {
        Self { value: Answer::unknown(reason), absent: false }
    }

    fn absent(reason: impl std::fmt::Display) -> Self {
        Self { value: Answer::unknown(reason), absent: true }
    }
}

/// Reads counters. A counter that is missing, denied or odd is unknown, never zero.
/// `now` is when the looking began.
pub(crate) async fn read(
    glance: &Glance<'_>,
    found: &Found,
    wanted: &BTreeSet<Counter>,
    now: Timestamp,
) -> BTreeMap<Counter, Reading> {
    let lookup = classes(glance, found, wanted, now).await;
    let mut readings = BTreeMap::new();
    let mut by_class: BTreeMap<String, Vec<(&Counter, String)>> = BTreeMap::new();
    for counter in wanted {
        match property(&lookup, counter) {
            Ok((class, property)) => by_class.entry(class).or_default().push((counter, property)),
            Err(reading) => {
                readings.insert(counter.clone(), reading);
            }
        }
    }
    for (class, counters) in by_class {
        let rows = glance.query(&query(&class, &counters)).await;
        if let Err(Trouble { fault: Some(FaultClass::BadQuery | FaultClass::NotFound), .. }) = &rows {
            found.forget(&class);
        }
        for (counter, property) in counters {
            let reading = match &rows {
                Ok(rows) => value(rows, counter, &property),
                Err(error) => Reading::unknown(error),
            };
            readings.insert(counter.clone(), reading);
        }
    }
    readings
}

/// Returns the classes of the counter sets that are known, after asking for those that are not.
async fn classes(
    glance: &Glance<'_>,
    found: &Found,
    wanted: &BTreeSet<Counter>,
    now: Timestamp,
) -> (BTreeMap<String, Class>, Option<Trouble>) {
    let known = || found.0.lock().unwrap_or_else(PoisonError::into_inner);
    let objects: BTreeSet<&str> = wanted.iter().map(|counter| counter.object.as_str()).collect();
    let missing: Vec<&str> = objects.into_iter().filter(|object| known().lacks(object, now)).collect();
    let mut trouble = None;
    if !missing.is_empty() {
        let answer: Result<Classes, Trouble> = glance.look(Look::CounterClasses, &json!({ "objects": missing })).await;
        match answer {
            Ok(classes) => {
                let fold = |name: String| name.to_lowercase();
                let folded = classes.classes.into_iter().map(|(object, class)| {
                    let properties = class.properties.into_iter().map(|(counter, property)| (fold(counter), property));
                    (fold(object), Class { class: class.class, properties: properties.collect() })
                });
                let mut known = known();
                known.classes.extend(folded);
                known.not_found.extend(missing.iter().map(|object| (object.to_lowercase(), now)));
            }
            Err(failed) => trouble = Some(failed),
        }
    }
    (known().classes.clone(), trouble)
}

/// Returns the class and property of a counter.
fn property(
    (classes, trouble): &(BTreeMap<String, Class>, Option<Trouble>),
    counter: &Counter,
) -> Result<(String, String), Reading> {
    let Some(class) = classes.get(&counter.object.to_lowercase()) else {
        return Err(match trouble {
            Some(trouble) => Reading::unknown(trouble),
            None => Reading::absent(format!("the server has no counter set {:?}", counter.object)),
        });
    };
    let Some(property) = class.properties.get(&counter.counter.to_lowercase()) else {
        return Err(Reading::absent(format!("the counter set {:?} has no such counter", counter.object)));
    };
    // The names come from the server and go into a query.
    for name in [&class.class, property] {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Reading::unknown(format!("{:?} is not a name that WMI would give", plain(name))));
        }
    }
    Ok((class.class.clone(), property.clone()))
}

fn query(class: &str, counters: &[(&Counter, String)]) -> String {
    let mut properties: BTreeSet<&str> = counters.iter().map(|(_, property)| property.as_str()).collect();
    if counters.iter().any(|(counter, _)| counter.instance.is_some()) {
        properties.insert("Name");
    }
    let properties: Vec<&str> = properties.into_iter().collect();
    format!("SELECT {} FROM {class}", properties.join(", "))
}

fn value(rows: &[Instance], counter: &Counter, property: &str) -> Reading {
    let mut matching = rows.iter().filter(|row| match &counter.instance {
        Some(instance) => row.text("Name").is_some_and(|name| name.eq_ignore_ascii_case(instance)),
        None => true,
    });
    let (Some(row), rest) = (matching.next(), matching.count()) else {
        return Reading::unknown("the counter set has no such instance now");
    };
    if rest > 0 {
        return Reading::unknown(format!("the counter set has {} instances, expected one", rest + 1));
    }
    match (row.number(property), row.text(property)) {
        (Some(value), _) => Reading { value: Answer::Known(value), absent: false },
        (None, Some(odd)) => Reading::unknown(format!("{:?} is not a whole number", plain(odd))),
        (None, None) => Reading::unknown("the counter has no value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_paths_are_read_as_people_write_them() {
        let read = |path: &str| Counter::parse(path).map(|c| (c.object, c.instance, c.counter));
        let clients = read(r"\LS:SIP - Peers(Clients)\SIP - Connections Active").unwrap();
        assert_eq!(clients, ("LS:SIP - Peers".into(), Some("Clients".into()), "SIP - Connections Active".into()));
        let users = read(r"\LS:AVMCU - Operations\AVMCU - Number of Users").unwrap();
        assert_eq!(users, ("LS:AVMCU - Operations".into(), None, "AVMCU - Number of Users".into()));
        assert!(read(r"\LS:A/V Auth - Requests\- Current requests serviced").is_some());
        for bad in ["", r"\", r"\\", r"\object", r"object\counter", r"\object()\counter", r"\(x)\counter", r"\object\ "]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
