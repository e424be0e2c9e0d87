//! Performance counters through WMI.
//!
//! Class and property names of product counters are generated on each server, so they are asked for and never assumed.
//! What was found is remembered until the server does not know it any more: an update registers the counters of the
//! product anew, and their classes may have other names then. What was not found is asked for again after a while: a
//! counter set may appear when its service starts, and listing all classes of a server takes it seconds.
//!
//! The values of all classes are asked for in one question to the PowerShell that stays (ADR 0042): an enumeration for each is
//! a dozen requests for every sample of a drain. A class that is not answered there is enumerated, and so are all where no
//! PowerShell stays, or where the question leads nowhere.

use crate::link::Glance;
use crate::script::{Look, Trouble};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::Answer;
use orchestrate_wsman::{FaultClass, Instance, plain};
use serde::Deserialize;
use serde_json::{Value, json};
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

/// For how long classes are enumerated one by one after a question for all of them has led nowhere. As long as no process is
/// expected to stay after none has.
const ONE_BY_ONE: SignedDuration = SignedDuration::from_mins(5);

/// How long one class may take in a question for all of them, in seconds: far more than any takes that is well.
const EACH_SECONDS: u32 = 5;

/// How long all of them may take there. Half of what a script may take, so that its answer comes before its limit.
const ALL_SECONDS: u32 = 15;

/// The counter sets that were found on one server, and when others were not, by name in lower case.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    classes: BTreeMap<String, Class>,
    not_found: BTreeMap<String, Timestamp>,
    /// Since when classes are enumerated one by one.
    one_by_one: Option<Timestamp>,
    /// When an enumeration found a class that has no instance, as the counters of a service that is stopped.
    empty: BTreeMap<String, Timestamp>,
}

impl Found {
    /// Returns whether all classes may be asked for in one question.
    fn asks_at_once(&self, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.one_by_one.is_none_or(|since| now.duration_since(since) >= ONE_BY_ONE)
    }

    /// Notes whether a question for all classes was answered.
    fn note(&self, answered: &AtOnce, now: Timestamp) {
        let since = matches!(answered, AtOnce::Nothing).then_some(now);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).one_by_one = since;
    }

    /// Returns whether an enumeration has found a short while ago that the server knows a class, and has no instance of it.
    fn is_empty(&self, class: &str, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.empty.get(class).is_some_and(|at| now.duration_since(*at) < ASK_AGAIN)
    }

    /// Notes what an enumeration has found.
    fn enumerated(&self, class: &str, rows: &[Row], now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.is_empty() {
            known.empty.insert(class.to_owned(), now)
        } else {
            known.empty.remove(class)
        };
    }

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
    // What the product may take minutes over is asked when these are read.
    let _first = glance.goes_first().await;
    let lookup = classes(glance, found, wanted, now).await;
    let mut readings = BTreeMap::new();
    let mut by_class: BTreeMap<String, Properties<'_>> = BTreeMap::new();
    for counter in wanted {
        match property(&lookup, counter) {
            Ok((class, property)) => by_class.entry(class).or_default().push((counter, property)),
            Err(reading) => {
                readings.insert(counter.clone(), reading);
            }
        }
    }
    let asks = found.asks_at_once(now);
    let mut answered = if asks { at_once(glance, found, &by_class, now).await } else { BTreeMap::new() };
    // Whether an enumeration has said the same of a class that the process has found empty.
    let mut agrees = None;
    for (class, counters) in by_class {
        let rows = match answered.remove(&class) {
            // A class without rows may be one that the server does not know any more, which an enumeration says. Where it
            // agrees about one of them, the process is believed about the others.
            Some(rows) if !rows.is_empty() || found.is_empty(&class, now) => Ok(rows),
            Some(rows) if agrees == Some(true) => {
                found.enumerated(&class, &rows, now);
                Ok(rows)
            }
            said => {
                let rows = enumerate(glance, found, &class, &counters).await;
                if let Ok(rows) = &rows {
                    found.enumerated(&class, rows, now);
                }
                if said.is_some() && agrees != Some(false) {
                    agrees = Some(rows.as_ref().is_ok_and(Vec::is_empty));
                }
                rows
            }
        };
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

/// The counters of one class that are wanted, with their properties.
type Properties<'a> = Vec<(&'a Counter, String)>;

/// One instance of a class: the texts of its properties, without those that are null.
type Row = BTreeMap<String, String>;

/// What became of a question for all classes.
enum AtOnce {
    /// The rows of those that were answered.
    Some(BTreeMap<String, Vec<Row>>),
    /// Nothing was answered.
    Nothing,
    /// It was not put, since no process stays. When the next one is tried is not for counters to say.
    NotPut,
}

/// Asks for all classes in one question. What is not in the answer, or is not as it should be, is left to an enumeration.
async fn at_once(
    glance: &Glance<'_>,
    found: &Found,
    by_class: &BTreeMap<String, Properties<'_>>,
    now: Timestamp,
) -> BTreeMap<String, Vec<Row>> {
    #[derive(Deserialize)]
    struct Said {
        classes: BTreeMap<String, Value>,
        #[serde(default)]
        errors: BTreeMap<String, Value>,
    }
    if by_class.is_empty() {
        return BTreeMap::new();
    }
    let classes: Vec<Value> =
        by_class.iter().map(|(class, counters)| json!({ "name": class, "properties": properties(counters) })).collect();
    let request = json!({ "classes": classes, "each": EACH_SECONDS, "seconds": ALL_SECONDS });
    let said: Result<Option<Said>, Trouble> = glance.look_where_one_stays(Look::Counters, &request).await;
    let answered = match said {
        Ok(None) => AtOnce::NotPut,
        Ok(Some(said)) => {
            for (class, error) in &said.errors {
                tracing::debug!(class = plain(class), error = plain(&error.to_string()), "a class is enumerated");
            }
            let rows: BTreeMap<String, Vec<Row>> =
                said.classes.into_iter().filter_map(|(class, rows)| Some((class, rows_of(rows)?))).collect();
            let of_ours = by_class.keys().any(|class| rows.contains_key(class));
            if of_ours { AtOnce::Some(rows) } else { AtOnce::Nothing }
        }
        Err(trouble) => {
            tracing::debug!(%trouble, "counters are enumerated one by one");
            AtOnce::Nothing
        }
    };
    found.note(&answered, now);
    match answered {
        AtOnce::Some(rows) => rows,
        AtOnce::Nothing | AtOnce::NotPut => BTreeMap::new(),
    }
}

/// Returns the rows of a class, where they are what they should be: a list of objects. Whatever is odd about one value is for
/// that value alone.
fn rows_of(rows: Value) -> Option<Vec<Row>> {
    let Value::Array(rows) = rows else { return None };
    let row = |row: Value| {
        let Value::Object(properties) = row else { return None };
        let text = |value: Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Some(other.to_string()),
        };
        Some(properties.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
    };
    rows.into_iter().map(row).collect()
}

/// Enumerates one class.
async fn enumerate(
    glance: &Glance<'_>,
    found: &Found,
    class: &str,
    counters: &Properties<'_>,
) -> Result<Vec<Row>, Trouble> {
    let properties = properties(counters);
    let query = format!("SELECT {} FROM {class}", properties.join(", "));
    let rows = glance.query(&query).await;
    if let Err(Trouble { fault: Some(FaultClass::BadQuery | FaultClass::NotFound), .. }) = &rows {
        found.forget(class);
    }
    let row = |instance: &Instance| {
        let texts = properties.iter().filter_map(|name| Some(((*name).to_owned(), instance.text(name)?.to_owned())));
        texts.collect()
    };
    rows.map(|rows| rows.iter().map(row).collect())
}

/// What is known of the names of counters.
struct Lookup {
    classes: BTreeMap<String, Class>,
    /// Why nothing is known of those that are not among them.
    trouble: Option<Trouble>,
}

/// Returns the classes of the counter sets that are known, after asking for those that are not.
async fn classes(glance: &Glance<'_>, found: &Found, wanted: &BTreeSet<Counter>, now: Timestamp) -> Lookup {
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
    Lookup { classes: known().classes.clone(), trouble }
}

/// Returns the class and property of a counter.
fn property(lookup: &Lookup, counter: &Counter) -> Result<(String, String), Reading> {
    let Lookup { classes, trouble, .. } = lookup;
    let Some(class) = classes.get(&counter.object.to_lowercase()) else {
        return Err(match trouble {
            Some(trouble) => Reading::unknown(trouble),
            None => Reading::absent(format!(
                "the server has no counter set {}",
                orchestrate_model::text::quoted(&counter.object)
            )),
        });
    };
    let Some(property) = class.properties.get(&counter.counter.to_lowercase()) else {
        return Err(Reading::absent(format!(
            "the counter set {} has no such counter",
            orchestrate_model::text::quoted(&counter.object)
        )));
    };
    // The names come from the server and go into a query.
    for name in [&class.class, property] {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Reading::unknown(format!(
                "{} is not a name that WMI would give",
                orchestrate_model::text::quoted(name)
            )));
        }
    }
    Ok((class.class.clone(), property.clone()))
}

/// Returns the properties that have to be read for counters.
fn properties<'a>(counters: &'a Properties<'_>) -> Vec<&'a str> {
    let mut properties: BTreeSet<&str> = counters.iter().map(|(_, property)| property.as_str()).collect();
    if counters.iter().any(|(counter, _)| counter.instance.is_some()) {
        properties.insert(NAME);
    }
    properties.into_iter().collect()
}

/// The property that tells the instances of a class apart.
const NAME: &str = "Name";

fn value(rows: &[Row], counter: &Counter, property: &str) -> Reading {
    let mut matching = rows.iter().filter(|row| match &counter.instance {
        Some(instance) => row.get(NAME).is_some_and(|name| name.eq_ignore_ascii_case(instance)),
        None => true,
    });
    let (Some(row), rest) = (matching.next(), matching.count()) else {
        return Reading::unknown("the counter set has no such instance now");
    };
    if rest > 0 {
        return Reading::unknown(format!("the counter set has {} instances, expected one", rest + 1));
    }
    match row.get(property) {
        Some(text) => match text.parse() {
            Ok(value) => Reading { value: Answer::Known(value), absent: false },
            Err(_not_whole) => {
                Reading::unknown(format!("{} is not a whole number", orchestrate_model::text::quoted(text)))
            }
        },
        None => Reading::unknown("the counter has no value"),
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
