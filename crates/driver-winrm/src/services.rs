//! Windows services as the service manager shows them.

use crate::link::{Glance, Link};
use crate::script::{Look, Trouble};
use jiff::Timestamp;
use orchestrate_model::observe::Part;
use orchestrate_model::{Answer, Ask, RunState, ServiceName, ServiceStatus, StartMode, StartType, catalogue};
use orchestrate_wsman::{Error, Instance, plain};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Names in one query. Keeps a query far below the length that WMI takes, whatever the names, and takes all services of a
/// front end at once.
const NAMES_PER_QUERY: usize = 32;

/// The rows of `Win32_Service` by the names that were asked for.
pub(crate) type Rows = BTreeMap<ServiceName, Instance>;

/// What the rows of services are, or why a row that has to be among them cannot be.
pub(crate) type Found = Result<Rows, String>;

/// Which services are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that are named.
    Named,
    /// Those that are named, and every one whose display name begins as those of the product do.
    Product,
}

impl Wanted {
    /// Returns which services a question is about.
    pub(crate) fn of(ask: &Ask) -> Self {
        if ask.wants(Part::ProductServices) { Self::Product } else { Self::Named }
    }
}

/// Reads the rows of services. A service that has none is not installed.
///
/// All properties are asked for: a query that names `DelayedAutoStart` fails on a server before 2016.
pub(crate) async fn rows(link: &Link, names: &[ServiceName], wanted: Wanted) -> Result<Found, Error> {
    let mut rows = Rows::new();
    let mut chunks: Vec<&[ServiceName]> = names.chunks(NAMES_PER_QUERY).collect();
    if chunks.is_empty() && wanted == Wanted::Product {
        chunks.push(&[]);
    }
    for (place, some) in chunks.into_iter().enumerate() {
        // Once is enough: it finds all of them.
        let wanted = if place == 0 { wanted } else { Wanted::Named };
        match named(link.wmi.query(&query(some, wanted)).await?, names, wanted) {
            Ok(found) => rows.extend(found),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(rows))
}

/// Returns rows as they were last read, where the server says that none of them is otherwise now: a question that a server
/// on which nothing has changed answers with nothing. `None`: they have to be read.
///
/// A service that is not installed any more has no row that could be otherwise. It is missed as soon as the rows are read
/// again, which they are when any other service has changed, and when they are too old.
pub(crate) async fn unchanged(link: &Link, kept: &Kept, names: &[ServiceName], since: Since) -> Option<Rows> {
    let rows = kept.rows(names, since)?;
    let query = changed(&rows)?;
    match link.wmi.query(&query).await {
        Ok(found) if found.is_empty() => Some(rows),
        Ok(_) => None,
        // What the server has against the question, or the way to it, shows in the one that follows.
        Err(error) => {
            tracing::debug!(%error, "services are read whole");
            None
        }
    }
}

/// Returns the query for those services whose state or start mode is another than in these rows.
fn changed(rows: &Rows) -> Option<String> {
    if rows.is_empty() || rows.len() > NAMES_PER_QUERY {
        return None;
    }
    let mut alike: BTreeMap<(&str, &str), Vec<&ServiceName>> = BTreeMap::new();
    for (name, row) in rows {
        let plain = |text: &&str| text.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
        let (state, mode) = (row.text("State").filter(plain)?, row.text("StartMode").filter(plain)?);
        alike.entry((state, mode)).or_default().push(name);
    }
    let groups = alike.into_iter().map(|((state, mode), names)| {
        let names: Vec<String> = names.into_iter().map(term).collect();
        format!("(({}) AND (State <> '{state}' OR StartMode <> '{mode}'))", names.join(" OR "))
    });
    let groups: Vec<String> = groups.collect();
    Some(format!("SELECT * FROM Win32_Service WHERE {}", groups.join(" OR ")))
}

/// Returns the only query that these names need, where one is enough.
pub(crate) fn whole_query(names: &[ServiceName], wanted: Wanted) -> Option<String> {
    (names.len() <= NAMES_PER_QUERY).then(|| query(names, wanted))
}

/// Returns rows by the names that were asked for.
///
/// # Errors
/// When a row that has to be among them cannot be.
pub(crate) fn named(found: Vec<Instance>, names: &[ServiceName], wanted: Wanted) -> Found {
    let mut rows = Rows::new();
    for row in found {
        let Some(name) = row.text("Name") else { continue };
        // The spelling that was asked for is kept: the service manager's may differ in case.
        let asked = names.iter().find(|asked| asked.as_str().eq_ignore_ascii_case(name));
        let name = match (asked, wanted) {
            (None, Wanted::Named) => continue,
            (Some(asked), _) => asked.clone(),
            (None, Wanted::Product) => match ServiceName::new(name) {
                Ok(name) => name,
                // Left out it would be taken for a service that is not there.
                Err(error) => {
                    return Err(format!(
                        "a service of the product has an odd name, {}: {error}",
                        orchestrate_model::text::quoted(name)
                    ));
                }
            },
        };
        rows.insert(name, row);
    }
    Ok(rows)
}

fn query(names: &[ServiceName], wanted: Wanted) -> String {
    let mut terms: Vec<String> = names.iter().map(term).collect();
    if wanted == Wanted::Product {
        terms.extend(catalogue::DISPLAY_PREFIXES.map(|prefix| format!("DisplayName LIKE '{prefix}%'")));
    }
    format!("SELECT * FROM Win32_Service WHERE {}", terms.join(" OR "))
}

fn term(name: &ServiceName) -> String {
    // Names have no quotes and no backslashes by their type; escaped all the same, in case that ever changes.
    let escaped = name.as_str().replace('\\', "\\\\").replace('\'', "\\'");
    format!("Name = '{escaped}'")
}

/// What the `service-details` script says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Details {
    services: BTreeMap<String, Detail>,
}

#[derive(Debug, Clone, Deserialize)]
struct Detail {
    /// Whether it starts delayed; missing where `error` says why that could not be read.
    delayed: Option<bool>,
    error: Option<String>,
    #[serde(default)]
    dependents: Vec<String>,
}

impl Details {
    /// Returns what depends on the services that were read and is not among `rows`. A name that cannot be one is left
    /// out: it makes the dependents of its service unknown.
    fn further(&self, rows: &Rows) -> Vec<ServiceName> {
        let named = self.services.values().flat_map(|detail| &detail.dependents);
        let named: BTreeSet<ServiceName> = named.filter_map(|text| ServiceName::new(text).ok()).collect();
        named.into_iter().filter(|name| !rows.contains_key(name)).collect()
    }

    fn of(&self, name: &ServiceName) -> Option<&Detail> {
        let found = self.services.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_str()));
        found.map(|(_, detail)| detail)
    }

    /// Returns whether a service starts delayed, where it is listed.
    pub(crate) fn delayed(&self, name: &ServiceName) -> Option<bool> {
        self.of(name).and_then(|detail| detail.delayed)
    }
}

/// Reads the delayed flag and the dependents of services, and those of what depends on them: WMI has the first only
/// since Windows 2016, and the second not in one question. One script walks the whole way, since a second one would have
/// to wait for those that the product takes long over.
pub(crate) async fn details(glance: &Glance<'_>, names: &[ServiceName]) -> Result<Details, Trouble> {
    if names.is_empty() {
        return Ok(Details::default());
    }
    let names: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
    glance.look(Look::ServiceDetails, &json!({ "services": names })).await
}

/// The details of services that were read, as long as they are taken for what they are: neither the delayed flag nor what
/// depends on a service changes while a server is drained, and to ask for them costs more than all else in a look.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// By name in lower case.
    details: BTreeMap<String, KeptDetail>,
    /// How often everything was forgotten. What was asked before is not kept after.
    forgotten: u64,
    /// The services whose details were read at any time.
    names: BTreeSet<ServiceName>,
    /// The rows of services as they were last read, all of them.
    seen: Option<Seen>,
}

/// Rows of services that were read whole.
#[derive(Debug, Clone)]
struct Seen {
    names: Vec<ServiceName>,
    rows: Rows,
    at: Timestamp,
}

#[derive(Debug)]
struct KeptDetail {
    name: String,
    detail: Detail,
    /// The start mode that the service had.
    mode: Option<String>,
    at: Timestamp,
}

/// Whether details that were read earlier will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// They are asked for, whatever is known.
    Anew,
    /// They will do, as long as they are not older than this.
    Kept(Duration),
}

/// When a look began, and whether details that were read before it will do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    pub(crate) now: Timestamp,
    pub(crate) fresh: Fresh,
}

impl Since {
    /// Returns whether what was read at a time is too old.
    fn is_past(self, at: Timestamp) -> bool {
        match self.fresh {
            Fresh::Anew => true,
            Fresh::Kept(age) => self.now.duration_since(at).unsigned_abs() >= age,
        }
    }
}

impl Kept {
    /// Forgets everything: something is done to the server that may change it.
    pub(crate) fn forget(&self) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.details.clear();
        memory.forgotten += 1;
    }

    /// Returns the services whose details were read at any time: whoever asks for those of the product does not know all of
    /// their names before.
    pub(crate) fn names(&self) -> Vec<ServiceName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names.iter().cloned().collect()
    }

    /// Keeps rows that were read whole.
    pub(crate) fn keep_rows(&self, names: &[ServiceName], rows: &Rows, at: Timestamp) {
        let seen = Seen { names: names.to_vec(), rows: rows.clone(), at };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen = Some(seen);
    }

    /// Returns the rows of these services as they were last read, if that was not too long ago.
    fn rows(&self, names: &[ServiceName], since: Since) -> Option<Rows> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = memory.seen.as_ref().filter(|seen| !since.is_past(seen.at))?;
        let is_among = |names: &[ServiceName], name: &ServiceName| {
            names.iter().any(|other| other.as_str().eq_ignore_ascii_case(name.as_str()))
        };
        if !names.iter().all(|name| is_among(&seen.names, name)) {
            return None;
        }
        let rows = seen.rows.iter().filter(|(name, _)| is_among(names, name));
        Some(rows.map(|(name, row)| (name.clone(), row.clone())).collect())
    }

    /// Returns whether details are known of any of these services, and are not too old of any of them. A service that has none
    /// is not installed, or was installed since.
    pub(crate) fn covers(&self, names: &[ServiceName], since: Since) -> bool {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = names.iter().filter_map(|name| memory.details.get(&name.as_str().to_lowercase())).peekable();
        known.peek().is_some() && known.all(|kept| !since.is_past(kept.at))
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).forgotten
    }

    /// Returns services with whatever is known to depend on them, directly or through others.
    pub(crate) fn with_dependents(&self, names: &[ServiceName]) -> Vec<ServiceName> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = names.to_vec();
        let mut next = 0;
        while let Some(name) = all.get(next) {
            next += 1;
            let Some(kept) = memory.details.get(&name.as_str().to_lowercase()) else { continue };
            let dependents = kept.detail.dependents.iter().filter_map(|text| ServiceName::new(text).ok());
            let is_new =
                |name: &ServiceName| !all.iter().any(|known| known.as_str().eq_ignore_ascii_case(name.as_str()));
            let more: Vec<ServiceName> = dependents.filter(is_new).collect();
            all.extend(more);
        }
        all
    }

    /// Returns the details of the services of `rows` and of what depends on them, if all of them are known.
    fn details(&self, rows: &Rows, since: Since) -> Option<Details> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut services = BTreeMap::new();
        let mut open: VecDeque<String> = rows.keys().map(|name| name.as_str().to_lowercase()).collect();
        while let Some(key) = open.pop_front() {
            let kept = memory.details.get(&key)?;
            let row = rows.iter().find(|(name, _)| name.as_str().to_lowercase() == key);
            let same = row.is_none_or(|(_, row)| row.text("StartMode").map(str::to_owned) == kept.mode);
            if !same || since.is_past(kept.at) {
                return None;
            }
            if services.insert(kept.name.clone(), kept.detail.clone()).is_none() {
                // One that was not listed is asked for no more than its row: it is not there, or has no details.
                let dependents = kept.detail.dependents.iter().map(|name| name.to_lowercase());
                open.extend(dependents.filter(|name| memory.details.contains_key(name)));
            }
        }
        Some(Details { services })
    }

    fn keep(&self, details: &Details, rows: &Rows, (now, forgotten): (Timestamp, u64)) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.forgotten != forgotten {
            return;
        }
        for (name, detail) in &details.services {
            let key = name.to_lowercase();
            memory.names.extend(ServiceName::new(name));
            // What could not be read is asked for again.
            if detail.error.is_some() {
                memory.details.remove(&key);
                continue;
            }
            let row = rows.iter().find(|(found, _)| found.as_str().eq_ignore_ascii_case(name));
            let mode = row.and_then(|(_, row)| row.text("StartMode")).map(str::to_owned);
            let kept = KeptDetail { name: name.clone(), detail: detail.clone(), mode, at: now };
            memory.details.insert(key, kept);
        }
    }
}

/// Details that were asked for together with the rows of their services, and how often everything had been forgotten before.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) details: Option<Result<Details, Trouble>>,
    pub(crate) forgotten: u64,
}

/// Reads the details of the services of `rows`, and adds the rows of what depends on them, which the details name.
pub(crate) async fn with_dependents(
    glance: &Glance<'_>,
    kept: &Kept,
    found: &mut Rows,
    (early, since): (Early, Since),
) -> Result<Result<Details, Trouble>, Error> {
    let Early { details: early, forgotten } = early;
    let is_whole = |early: &Result<Details, Trouble>| match early {
        Ok(details) => found.keys().all(|name| details.of(name).is_some()),
        Err(_) => true,
    };
    let early = early.filter(is_whole);
    let known = if early.is_none() { kept.details(found, since) } else { None };
    let is_known = known.is_some();
    let details = match (early, known) {
        (Some(details), _) => details,
        (None, Some(details)) => Ok(details),
        (None, None) => {
            let names: Vec<ServiceName> = found.keys().cloned().collect();
            details(glance, &names).await
        }
    };
    let further = details.as_ref().map(|details| details.further(found)).unwrap_or_default();
    // No row is refused here, where all are asked for by names that they can have.
    found.extend(rows(glance.link(), &further, Wanted::Named).await?.unwrap_or_default());
    if let (Ok(details), false) = (&details, is_known) {
        kept.keep(details, found, (since.now, forgotten));
    }
    Ok(details)
}

/// Puts rows and details together.
pub(crate) fn statuses(rows: &Rows, details: &Result<Details, Trouble>) -> BTreeMap<ServiceName, ServiceStatus> {
    rows.iter().map(|(name, row)| (name.clone(), status(name, row, details))).collect()
}

fn status(name: &ServiceName, row: &Instance, details: &Result<Details, Trouble>) -> ServiceStatus {
    let detail = match details {
        Ok(details) => details.of(name).ok_or_else(|| "the details of the service could not be read".to_owned()),
        Err(trouble) => Err(trouble.to_string()),
    };
    ServiceStatus {
        name: name.clone(),
        display_name: plain(row.text("DisplayName").unwrap_or_default()),
        state: state(row.text("State")),
        start: start(row, &detail),
        accepts_pause: row.truth("AcceptPause").unwrap_or(false),
        dependents: Answer::from(detail.and_then(dependents)),
    }
}

fn dependents(detail: &Detail) -> Result<Vec<ServiceName>, String> {
    let name = |text: &String| ServiceName::new(text).map_err(|error| format!("a dependent has an odd name: {error}"));
    detail.dependents.iter().map(name).collect()
}

fn state(text: Option<&str>) -> Answer<RunState> {
    let states = [
        ("Stopped", RunState::Stopped),
        ("Start Pending", RunState::StartPending),
        ("Stop Pending", RunState::StopPending),
        ("Running", RunState::Running),
        ("Continue Pending", RunState::ContinuePending),
        ("Pause Pending", RunState::PausePending),
        ("Paused", RunState::Paused),
    ];
    let Some(text) = text else { return Answer::unknown("Win32_Service.State is missing") };
    let known = states.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    known.map_or_else(
        || Answer::unknown(format!("Win32_Service.State is {}", orchestrate_model::text::quoted(text))),
        |(_, state)| Answer::Known(*state),
    )
}

fn start(row: &Instance, detail: &Result<&Detail, String>) -> Answer<StartType> {
    let Some(text) = row.text("StartMode") else { return Answer::unknown("Win32_Service.StartMode is missing") };
    let mode = match text.to_ascii_lowercase().as_str() {
        "auto" | "automatic" => StartMode::Automatic,
        "manual" => StartMode::Manual,
        "disabled" => StartMode::Disabled,
        "boot" => StartMode::Boot,
        "system" => StartMode::System,
        _ => return Answer::unknown(format!("Win32_Service.StartMode is {}", orchestrate_model::text::quoted(text))),
    };
    // The flag means nothing with the other modes, where a left-over in the registry may still say otherwise.
    if mode != StartMode::Automatic {
        return Answer::Known(StartType { mode, delayed: false });
    }
    match (row.truth("DelayedAutoStart"), detail) {
        (Some(delayed), _) => Answer::Known(StartType { mode, delayed }),
        (None, Ok(Detail { delayed: Some(delayed), .. })) => Answer::Known(StartType { mode, delayed: *delayed }),
        (None, Ok(detail)) => {
            let reason = detail.error.as_deref().map_or_else(|| "nothing says".to_owned(), plain);
            Answer::unknown(format!("automatic, delayed or not: {reason}"))
        }
        (None, Err(reason)) => Answer::unknown(format!("automatic, delayed or not: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<ServiceName> {
        list.iter().map(|name| ServiceName::new(name).unwrap()).collect()
    }

    #[test]
    fn a_query_names_each_service() {
        let query = query(&names(&["RTCSRV", "MSSQL$RTCLOCAL"]), Wanted::Named);
        assert_eq!(query, "SELECT * FROM Win32_Service WHERE Name = 'RTCSRV' OR Name = 'MSSQL$RTCLOCAL'");
    }

    #[test]
    fn a_query_for_the_product_names_how_its_display_names_begin() {
        let expected = "SELECT * FROM Win32_Service WHERE Name = 'RTCSRV' OR DisplayName LIKE 'Lync Server %' \
                        OR DisplayName LIKE 'Skype for Business Server %'";
        assert_eq!(query(&names(&["RTCSRV"]), Wanted::Product), expected);
    }

    #[test]
    fn a_query_for_what_has_changed_names_how_each_service_was() {
        let row = |state: &str, mode: &str| {
            let texts = [("State", state), ("StartMode", mode)].map(|(name, text)| (name.to_owned(), text.to_owned()));
            Instance::of_texts("Win32_Service", texts)
        };
        let all = names(&["RTCSRV", "RTCCAA", "W3SVC"]);
        let rows = [row("Running", "Auto"), row("Running", "Auto"), row("Stopped", "Manual")];
        let rows: Rows = all.into_iter().zip(rows).collect();
        let expected = "SELECT * FROM Win32_Service WHERE ((Name = 'RTCCAA' OR Name = 'RTCSRV') AND (State <> 'Running' OR \
                        StartMode <> 'Auto')) OR ((Name = 'W3SVC') AND (State <> 'Stopped' OR StartMode <> 'Manual'))";
        assert_eq!(changed(&rows).as_deref(), Some(expected));
        // What cannot be compared is read.
        let odd: Rows = names(&["RTCSRV"]).into_iter().zip([row("it's", "Auto")]).collect();
        assert_eq!((changed(&odd), changed(&Rows::new())), (None, None));
    }

    #[test]
    fn p3_a_state_that_is_not_in_the_list_is_unknown() {
        assert_eq!(state(Some("Pause Pending")), Answer::Known(RunState::PausePending));
        for odd in [None, Some("Unknown"), Some(""), Some("Paused?")] {
            assert!(state(odd).known().is_none(), "{odd:?}");
        }
    }
}
