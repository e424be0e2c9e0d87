//! Performance counters and activity levels. Values follow from the open sessions; names of classes and properties are
//! made up here, because real hosts generate them and no client may assume them.

use super::{LabService, ServerIndex, World};
use orchestrate_model::catalogue::MeasureKind;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A performance class of one server.
pub(crate) struct PerfClass {
    pub(crate) class: String,
    /// Counter name to property name.
    pub(crate) properties: BTreeMap<String, String>,
}

/// One counter of one service.
struct Point {
    object: String,
    instance: Option<String>,
    counter: String,
    value: i64,
}

/// How many users a conference has.
const USERS_PER_CONFERENCE: u32 = 4;

/// Connections of other servers, which never go away while the service runs.
const SERVER_CONNECTIONS: u32 = 7;

impl World {
    /// Returns the class of a counter object on a server, whatever the case of its name.
    pub(crate) fn perf_class(&self, server: ServerIndex, object: &str) -> Option<PerfClass> {
        let points = self.registered_points(server);
        let mut counters: BTreeSet<&str> = BTreeSet::new();
        let mut spelling = None;
        for point in points.iter().filter(|point| point.object.eq_ignore_ascii_case(object)) {
            spelling = spelling.or(Some(point.object.as_str()));
            counters.insert(point.counter.as_str());
        }
        let spelling = spelling?;
        let properties = counters.iter().map(|counter| ((*counter).to_owned(), self.property(counter))).collect();
        Some(PerfClass { class: self.class_name(spelling), properties })
    }

    /// Returns every performance class of the product on a server, by the name of its counter set.
    pub(crate) fn perf_classes(&self, server: ServerIndex) -> BTreeMap<String, PerfClass> {
        let objects: BTreeSet<String> = self.registered_points(server).into_iter().map(|point| point.object).collect();
        objects.into_iter().filter_map(|object| Some((object.clone(), self.perf_class(server, &object)?))).collect()
    }

    /// Returns the instances of a class: name and properties. `None` when the server has no such class. Counters of a
    /// service exist only while its process does.
    pub(crate) fn perf_instances(&self, server: ServerIndex, class: &str) -> Option<Vec<PerfInstance>> {
        let known = self.registered_points(server);
        known.iter().find(|point| self.class_name(&point.object).eq_ignore_ascii_case(class))?;
        let mut instances: BTreeMap<Option<String>, BTreeMap<String, i64>> = BTreeMap::new();
        let running = self.servers[server].services.values().filter(|service| service.has_process());
        for point in running.flat_map(|service| self.points(server, service)) {
            if self.class_name(&point.object).eq_ignore_ascii_case(class) {
                instances.entry(point.instance).or_default().insert(self.property(&point.counter), point.value);
            }
        }
        Some(instances.into_iter().map(|(name, properties)| PerfInstance { name, properties }).collect())
    }

    /// Returns the activity level of a service as `Get-CsWindowsService` shows it: empty for a service that does not
    /// run or has no activity.
    pub(crate) fn activity(&self, server: ServerIndex, service: &str) -> Option<String> {
        let service = self.servers[server].service_named(service)?;
        if !service.has_process() {
            return Some(String::new());
        }
        let mut parts = Vec::new();
        if service.name.as_str().eq_ignore_ascii_case("RTCSRV") {
            parts.push("Incoming Requests per Second=0".to_owned());
            parts.push("Messages in Server=0".to_owned());
        }
        for key in self.activity_keys(server, service) {
            let value = value_of(&key, service.sessions);
            parts.push(format!("{key}={value}"));
        }
        Some(parts.join(","))
    }

    fn activity_keys(&self, server: ServerIndex, service: &LabService) -> Vec<String> {
        let plan = &self.pools[self.servers[server].pool].plan;
        let facts = service.facts.into_iter().flat_map(|facts| facts.measures_on(plan.product));
        let mut keys: Vec<String> = facts
            .filter_map(|measure| match measure.kind {
                MeasureKind::Activity { key } => Some(key.to_owned()),
                MeasureKind::Counter { .. } => None,
            })
            .collect();
        let own = plan.measures.get(&service.name).into_iter().flatten();
        keys.extend(own.filter(|path| !path.starts_with('\\')).cloned());
        keys.dedup();
        keys
    }

    fn registered_points(&self, server: ServerIndex) -> Vec<Point> {
        let all = self.servers[server].services.values().flat_map(|service| self.points(server, service));
        let without = &self.scenario.services.without_counters;
        all.filter(|point| !without.iter().any(|object| object.eq_ignore_ascii_case(&point.object))).collect()
    }

    fn points(&self, server: ServerIndex, service: &LabService) -> Vec<Point> {
        let plan = &self.pools[self.servers[server].pool].plan;
        let sessions = service.sessions;
        let mut points = Vec::new();
        for measure in service.facts.into_iter().flat_map(|facts| facts.measures_on(plan.product)) {
            if let MeasureKind::Counter { object, instance, counter } = measure.kind {
                points.push(point(object, instance, counter, sessions));
                if object.ends_with("Peers") {
                    points.push(point(object, Some("_Total"), counter, sessions + SERVER_CONNECTIONS));
                    points.push(point(object, Some("edge"), counter, SERVER_CONNECTIONS));
                }
            }
        }
        for path in plan.measures.get(&service.name).into_iter().flatten() {
            if let Some((object, instance, counter)) = parse_path(path) {
                points.push(point(&object, instance.as_deref(), &counter, sessions));
            }
        }
        if let Some(name) = service.facts.and_then(|facts| facts.draining_state) {
            let object = format!("LS:{name} - MCU Health And Performance");
            let state = |counter: String, value| Point { object: object.clone(), instance: None, counter, value };
            points.push(state(format!("{name} - MCU Draining State"), i64::from(service.is_draining())));
            points.push(state(format!("{name} - MCU Health State"), 0));
        }
        points
    }

    fn class_name(&self, object: &str) -> String {
        let plain = letters(object);
        format!("Win32_PerfFormattedData_{plain}_{plain}{}", self.number(object))
    }

    fn property(&self, counter: &str) -> String {
        format!("{}{}", letters(counter), self.number(counter))
    }

    /// A number that a real host would have made up, too.
    fn number(&self, text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.scenario.seed, text).hash(&mut hasher);
        hasher.finish() % 90 + 10
    }
}

/// One instance of a performance class.
pub(crate) struct PerfInstance {
    /// Its name; a class without instances has one without a name.
    pub(crate) name: Option<String>,
    pub(crate) properties: BTreeMap<String, i64>,
}

fn point(object: &str, instance: Option<&str>, counter: &str, sessions: u32) -> Point {
    Point {
        object: object.to_owned(),
        instance: instance.map(str::to_owned),
        counter: counter.to_owned(),
        value: value_of(&format!("{object}\\{counter}"), sessions),
    }
}

/// What a counter shows for a number of sessions. Every kind is zero when there are none.
fn value_of(name: &str, sessions: u32) -> i64 {
    let name = name.to_ascii_lowercase();
    let value = if name.contains("vbss") {
        sessions / 6
    } else if name.ends_with("conferences") {
        sessions.div_ceil(USERS_PER_CONFERENCE)
    } else if name.contains("inbound") {
        sessions.div_ceil(2)
    } else if name.contains("outbound") {
        sessions / 2
    } else if name.contains("av calls") {
        sessions / 10
    } else if name.contains("unique users") || name.contains("registered users") {
        (sessions * 5).div_ceil(6)
    } else {
        sessions
    };
    i64::from(value)
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Takes `\object(instance)\counter` apart.
fn parse_path(path: &str) -> Option<(String, Option<String>, String)> {
    let (object, counter) = path.strip_prefix('\\')?.split_once('\\')?;
    match object.strip_suffix(')').and_then(|object| object.rsplit_once('(')) {
        Some((object, instance)) => Some((object.to_owned(), Some(instance.to_owned()), counter.to_owned())),
        None => Some((object.to_owned(), None, counter.to_owned())),
    }
}
