//! The driver that can look.

use crate::counters::Found;
use crate::link::{Glance, Link};
use crate::outcome::is_out_of_reach;
use crate::script::{Look, Trouble};
use crate::services::{self, Early, Fresh, Kept, Rows, Since, Wanted};
use crate::state::{self, First};
use crate::target::WinrmTarget;
use crate::{central, host, lease, readiness, sessions};
use async_trait::async_trait;
use orchestrate_driver::{Clock, Observe};
use orchestrate_model::observe::{
    CentralManagement, FileFacts, HostFacts, InstallerState, Part, Readiness, ReadinessState,
};
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    Answer, Ask, InstallerToken, Keeper, Product, ServerName, ServerObservation, ServiceName, ServiceStatus, Version,
};
use orchestrate_wsman::{Error, SetupError, plain};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lines of the fabric state that are kept. The largest pool has sixteen servers; this leaves room for hundreds of
/// routing groups and still bounds what one answer can put into the journal.
const FABRIC_LINES: usize = 2_000;

/// Unreadable entries of installed programs that are named. One is enough to look for the cause; three show a pattern.
const UNREADABLE: usize = 3;

/// Looks at one server over WinRM. Has no method that changes anything (promise P7):
///
/// ```compile_fail,E0277
/// fn to_change(_: &dyn orchestrate_driver::Change) {}
/// fn preview(reader: &orchestrate_driver_winrm::WinrmReader) {
///     to_change(reader);
/// }
/// ```
///
/// Copies share the connections. It opens at most two, and one shell for the scripts that answer what WMI does not;
/// the shell is deleted by [`WinrmReader::close`], and in the background when the last copy is dropped.
#[derive(Debug, Clone)]
pub struct WinrmReader {
    pub(crate) inner: Arc<Inner>,
}

/// What the copies of a reader share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) target: WinrmTarget,
    pub(crate) clock: Clock,
    pub(crate) link: Link,
    counters: Found,
    details: Kept,
}

impl WinrmReader {
    /// Returns a reader. Nothing is sent before the first observation. `clock` dates the observations; the waits of
    /// the wire are real time.
    ///
    /// # Errors
    /// When the target asks for something that is not available or not safe.
    pub fn new(target: WinrmTarget, clock: Clock) -> Result<Self, SetupError> {
        let link = Link::new(&target)?;
        let inner = Inner { target, clock, link, counters: Found::default(), details: Kept::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the name of the server.
    #[must_use]
    pub fn server(&self) -> &ServerName {
        &self.inner.target.server
    }

    /// Returns the port that the server is reached at.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.inner.target.endpoint().connect_to.rsplit_once(':')?.1.parse().ok()
    }

    /// Deletes the shell that the reader holds on the server, if any. It opens a new one when it needs one again.
    pub async fn close(&self) {
        self.inner.link.close().await;
    }

    pub(crate) fn link(&self) -> &Link {
        &self.inner.link
    }

    /// The details of services that were read.
    pub(crate) fn details(&self) -> &Kept {
        &self.inner.details
    }

    /// Who takes leases on the server.
    pub(crate) fn keeper(&self) -> &Keeper {
        &self.inner.target.keeper
    }
}

#[async_trait]
impl Observe for WinrmReader {
    async fn observe(&self, ask: &Ask) -> ServerObservation {
        Box::pin(self.inner.observe(ask)).await
    }
}

impl Inner {
    pub(crate) async fn observe(&self, ask: &Ask) -> ServerObservation {
        let taken = self.clock.now();
        let mut seen = ServerObservation::unknown(self.target.server.clone(), taken, "not asked");
        let glance = self.link.glance();
        // What is written down to be restored, and what a maintenance is decided on, is read anew.
        let anew = ask.wants(Part::Versions) || ask.wants(Part::ProductServices);
        let since =
            Since { now: taken, fresh: if anew { Fresh::Anew } else { Fresh::Kept(self.target.limits.details) } };
        // Services are asked for with what is known to depend on them, which would be another question otherwise.
        let names = self.details.with_dependents(&ask.services);
        // WMI comes first: when the server cannot be reached at all, the other questions need not find that out again. Where
        // a process has answered the last question it is asked with the others, and by itself if that leads nowhere.
        let as_line = self.link.stays() && state::is_for(ask);
        let first = match as_line {
            true => None,
            false => match self.first(ask, &names, (&glance, since)).await {
                Ok(first) => Some(first),
                Err(reason) => return unreachable(seen, ask, &reason),
            },
        };
        // Scripts run one after the other, in this order: those that the product takes long over come last.
        let (state, lease, sessions, installer, file, fitness, versions, replication, central, fabric, readiness) = tokio::join!(
            biased;
            self.within(&glance, self.state(&glance, ask, first, since)),
            self.within(&glance, part(ask, Part::Lease, lease::read(&glance, &self.target.keeper))),
            self.within(&glance, self.sessions(&glance, &ask.sessions)),
            self.within(&glance, self.installer(&glance, ask.installer.as_ref())),
            self.within(&glance, self.file(&glance, ask.file.as_deref())),
            self.within(&glance, part(ask, Part::Fitness, self.fitness(&glance))),
            self.within(&glance, part(ask, Part::Versions, self.versions(&glance))),
            self.within(&glance, part(ask, Part::Replication, self.replication(&glance))),
            self.within(&glance, part(ask, Part::CentralManagement, self.central_management(&glance))),
            self.within(&glance, part(ask, Part::Fabric, self.fabric(&glance))),
            self.within(&glance, part(ask, Part::Readiness, self.readiness(&glance))),
        );
        match state {
            Answer::Known(Ok((host, services))) => (seen.host, seen.services) = (host, services),
            Answer::Known(Err(reason)) => return unreachable(seen, ask, &reason),
            Answer::Unknown(reason) => {
                seen.services = Answer::Unknown(reason.clone());
                if ask.wants(Part::Host) {
                    seen.host = Answer::Unknown(reason);
                }
            }
        }
        // Sessions have no answer of their own: a service that is missing could not be measured.
        seen.sessions = sessions.known().cloned().unwrap_or_default();
        seen.versions = flatten(versions);
        seen.installer = flatten(installer);
        seen.file = flatten(file);
        for path in &ask.more_files {
            let file = self.within(&glance, self.file(&glance, Some(path))).await;
            seen.more_files.insert(path.clone(), flatten(file));
        }
        seen.readiness = flatten(readiness);
        seen.replication = flatten(replication);
        seen.central_management = flatten(central);
        seen.fabric = flatten(fabric);
        seen.lease = flatten(lease);
        seen.fitness = flatten(fitness);
        seen.obstacles = glance.obstacles();
        seen.together = self.link.takes_several();
        seen
    }

    /// Reads what WMI alone answers: the host's facts and the rows of services.
    async fn first(
        &self,
        ask: &Ask,
        names: &[ServiceName],
        (glance, since): (&Glance<'_>, Since),
    ) -> Result<First, String> {
        let mut host = None;
        let only_others = !ask.wants(Part::Host) && !ask.wants_services() && *ask != Ask::default();
        if only_others && !glance.link().wmi.is_let_in() {
            // Both connections would try an account that is not proven, each for itself: one failed logon is enough.
            flat_result(self.within(glance, host::read(glance.link())).await)?.ok();
        }
        if ask.wants(Part::Host) {
            host = Some(match flat_result(self.within(glance, host::read(glance.link())).await)? {
                Ok(answer) => answer,
                Err(reason) => Answer::Unknown(reason),
            });
        }
        let mut rows = None;
        if ask.wants_services() {
            // A look that asks for no more than services is one of many at a server that nobody works on.
            let unchanged = if ask.wants(Part::Host) || Wanted::of(ask) == Wanted::Product {
                Answer::Known(None)
            } else {
                self.within(glance, services::unchanged(glance.link(), &self.details, names, since)).await
            };
            rows = match unchanged {
                Answer::Known(Some(rows)) => Some(Ok(rows)),
                Answer::Known(None) | Answer::Unknown(_) => {
                    let read = services::rows(glance.link(), names, Wanted::of(ask));
                    let read = flat_result(self.within(glance, read).await)?.flatten();
                    if let Ok(rows) = &read {
                        self.details.keep_rows(names, rows, since.now);
                    }
                    Some(read)
                }
            };
        }
        Ok((host, rows))
    }

    /// Reads what WMI answers, and what else there is to know of services.
    ///
    /// # Errors
    /// When the server cannot be reached.
    async fn state(
        &self,
        glance: &Glance<'_>,
        ask: &Ask,
        first: Option<First>,
        since: Since,
    ) -> Result<(Answer<HostFacts>, Answer<BTreeMap<ServiceName, ServiceStatus>>), String> {
        let names = self.details.with_dependents(&ask.services);
        let mut early = Early { details: None, forgotten: self.details.forgotten() };
        let (host, rows) = match first {
            Some(first) => first,
            None => {
                // Which services of the product there are is said by their rows. Most are known from an earlier look.
                let named = if ask.wants(Part::ProductServices) { self.details.names() } else { names.clone() };
                let is_covered = named.is_empty() || self.details.covers(&named, since);
                let (first, details) = tokio::join!(state::read(glance, ask, &names), async {
                    if is_covered { None } else { Some(services::details(glance, &named).await) }
                });
                early.details = details;
                if let Ok((_, Some(Ok(rows)))) = &first {
                    self.details.keep_rows(&names, rows, since.now);
                }
                match first {
                    Ok(first) => first,
                    Err(trouble) => {
                        tracing::debug!(%trouble, "services are asked for over the wire");
                        self.first(ask, &names, (glance, since)).await?
                    }
                }
            }
        };
        Ok((host.unwrap_or_else(Answer::not_asked), self.services(glance, rows, (early, since)).await))
    }

    async fn services(
        &self,
        glance: &Glance<'_>,
        rows: Option<Result<Rows, String>>,
        how: (Early, Since),
    ) -> Answer<BTreeMap<ServiceName, ServiceStatus>> {
        match rows {
            None => Answer::not_asked(),
            Some(Err(reason)) => Answer::Unknown(reason),
            Some(Ok(mut rows)) => match services::with_dependents(glance, &self.details, &mut rows, how).await {
                Ok(details) => Answer::Known(services::statuses(&rows, &details)),
                Err(error) => Answer::Unknown(error.to_string()),
            },
        }
    }

    async fn sessions(
        &self,
        glance: &Glance<'_>,
        asked: &[ServiceName],
    ) -> BTreeMap<ServiceName, orchestrate_model::observe::SessionReading> {
        if asked.is_empty() {
            return BTreeMap::new();
        }
        sessions::read(glance, &self.counters, &self.target, asked, self.clock.now()).await
    }

    async fn versions(&self, glance: &Glance<'_>) -> Answer<Vec<ComponentVersion>> {
        #[derive(Deserialize)]
        struct Said {
            components: Vec<Component>,
            #[serde(default)]
            unreadable: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Component {
            name: String,
            version: String,
        }
        let said: Result<Said, Trouble> =
            glance.look(Look::Versions, &json!({ "product": self.target.product.word() })).await;
        if let Ok(Said { components, unreadable }) = &said
            && !unreadable.is_empty()
        {
            let entries = unreadable.iter().take(UNREADABLE).map(|entry| plain(entry)).collect::<Vec<_>>().join("; ");
            if components.is_empty() {
                return Answer::unknown(format!(
                    "no component of the product was found, and not all entries are readable: {entries}"
                ));
            }
            tracing::warn!(server = %self.target.server, entries, "entries of installed programs cannot be read");
        }
        Answer::from(said.map(|said| {
            let known = said.components.into_iter().filter_map(|component| {
                // A component whose version is no version is as good as missing, which is never taken for patched.
                let version = Version::parse(&component.version).ok()?;
                Some(ComponentVersion { component: plain(&component.name), version })
            });
            known.collect()
        }))
    }

    async fn readiness(&self, glance: &Glance<'_>) -> Answer<Readiness> {
        #[derive(Deserialize)]
        struct Said {
            answer: Value,
        }
        let (pool, product) = (&self.target.pool, self.target.product.word());
        let said: Result<Said, Trouble> =
            glance.look(Look::Readiness, &json!({ "pool": pool.as_str(), "product": product })).await;
        match said {
            Ok(said) => readiness::parse(&said.answer, pool),
            // The cmdlet of 2013 and 2015 waits until every replica is built: as long as it waits, they are not.
            Err(trouble) if trouble.slow && matches!(self.target.product, Product::Lync2013 | Product::Sfb2015) => {
                Answer::Known(Readiness { state: ReadinessState::Busy, active: None, total: None, domains: vec![] })
            }
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    async fn replication(&self, glance: &Glance<'_>) -> Answer<BTreeMap<ServerName, bool>> {
        #[derive(Deserialize)]
        struct Said {
            replicas: Vec<Replica>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Replica {
            fqdn: String,
            up_to_date: Option<bool>,
        }
        let said: Result<Said, Trouble> = glance.look(Look::Replication, &json!({})).await;
        let named = |replica: Replica| match ServerName::new(&replica.fqdn) {
            Ok(server) => match replica.up_to_date {
                Some(up_to_date) => Ok((server, up_to_date)),
                None => Err(format!("it is not said whether the replica of {server} is up to date")),
            },
            Err(error) => {
                Err(format!("a replica has an odd name, {}: {error}", orchestrate_model::text::quoted(&replica.fqdn)))
            }
        };
        match said {
            // Every server of the deployment has one, the one that was asked too.
            Ok(said) if said.replicas.is_empty() => Answer::unknown("no replica was named"),
            Ok(said) => Answer::from(said.replicas.into_iter().map(named).collect::<Result<_, _>>()),
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    async fn central_management(&self, glance: &Glance<'_>) -> Answer<CentralManagement> {
        #[derive(Deserialize)]
        struct Said {
            answer: Value,
        }
        let said: Result<Said, Trouble> = glance.look(Look::CentralManagement, &json!({})).await;
        match said {
            Ok(said) => central::parse(&said.answer),
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    /// Returns the fabric state as it was printed. Its format is not documented, so it is not read further.
    async fn fabric(&self, glance: &Glance<'_>) -> Answer<Vec<String>> {
        #[derive(Deserialize)]
        struct Said {
            lines: Vec<String>,
        }
        let pool = self.target.pool.as_str();
        let said: Result<Said, Trouble> = glance.look(Look::Fabric, &json!({ "pool": pool })).await;
        match said {
            Ok(said) => {
                let lines: Vec<String> = said.lines.iter().take(FABRIC_LINES).map(|line| plain(line)).collect();
                if lines.iter().all(|line| line.trim().is_empty()) {
                    return Answer::unknown("the fabric state was printed as nothing");
                }
                Answer::Known(lines)
            }
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    async fn installer(&self, glance: &Glance<'_>, token: Option<&InstallerToken>) -> Answer<InstallerState> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Said {
            state: String,
            exit_code: Option<i64>,
            detail: Option<String>,
        }
        let Some(token) = token else { return Answer::not_asked() };
        if let Err(reason) = check_token(token) {
            return Answer::Unknown(reason);
        }
        let said: Result<Said, Trouble> = glance.look(Look::InstallerState, &json!({ "token": token.0 })).await;
        let said = match said {
            Ok(said) => said,
            Err(trouble) => return Answer::unknown(trouble),
        };
        let detail = plain(said.detail.as_deref().unwrap_or_default());
        if !detail.is_empty() {
            tracing::warn!(server = %self.target.server, token = token.0, detail, "the installer left a note");
        }
        match (said.state.as_str(), said.exit_code) {
            ("not-started", _) => Answer::Known(InstallerState::NotStarted),
            ("running", _) => Answer::Known(InstallerState::Running),
            ("finished", Some(exit_code)) => Answer::Known(InstallerState::Finished { exit_code }),
            // There is no exit code of an installer that never ran, and one that we made up would be taken for its own.
            ("never-ran", _) => Answer::Known(InstallerState::NeverRan { why: detail }),
            ("killed", _) => Answer::Known(InstallerState::Killed { note: detail }),
            // One whose end is known and whose exit code is not has left no result either.
            ("vanished", _) | ("finished", None) => Answer::Known(InstallerState::Vanished),
            (other, _) => {
                Answer::unknown(format!("the state of the installer is {}", orchestrate_model::text::quoted(other)))
            }
        }
    }

    async fn file(&self, glance: &Glance<'_>, path: Option<&str>) -> Answer<FileFacts> {
        #[derive(Deserialize)]
        struct Said {
            sha256: Option<String>,
        }
        let Some(path) = path else { return Answer::not_asked() };
        let said: Result<Said, Trouble> = glance.look(Look::File, &json!({ "path": path })).await;
        match said {
            Ok(Said { sha256: None }) => Answer::Known(FileFacts::Missing),
            Ok(Said { sha256: Some(found) }) => {
                let sha256 = found.to_ascii_lowercase();
                let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
                if is_hash {
                    Answer::Known(FileFacts::Found { sha256 })
                } else {
                    Answer::unknown(format!("{} is no SHA-256", orchestrate_model::text::quoted(&found)))
                }
            }
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    /// Returns what a part says, or unknown when the look is over before.
    async fn within<T>(&self, glance: &Glance<'_>, part: impl Future<Output = T>) -> Answer<T> {
        match tokio::time::timeout_at(glance.until(), Box::pin(part)).await {
            Ok(value) => Answer::Known(value),
            Err(_elapsed) => {
                let limit = self.target.limits.observation.as_secs_f32();
                Answer::unknown(format!("{}: not read within {limit} s", self.target.server))
            }
        }
    }
}

/// Returns an observation of a server that cannot be reached: what was asked about is unknown for that reason.
fn unreachable(mut seen: ServerObservation, ask: &Ask, reason: &str) -> ServerObservation {
    let nothing = ServerObservation::unknown(seen.server.clone(), seen.taken, reason);
    if ask.wants(Part::Host) {
        seen.host = nothing.host;
    }
    if ask.wants(Part::Versions) {
        seen.versions = nothing.versions;
    }
    if ask.wants(Part::Readiness) {
        seen.readiness = nothing.readiness;
    }
    if ask.wants(Part::Replication) {
        seen.replication = nothing.replication;
    }
    if ask.wants(Part::Fabric) {
        seen.fabric = nothing.fabric;
    }
    if ask.wants(Part::CentralManagement) {
        seen.central_management = nothing.central_management;
    }
    if ask.wants(Part::Lease) {
        seen.lease = nothing.lease;
    }
    if ask.wants(Part::Fitness) {
        seen.fitness = nothing.fitness;
    }
    if ask.wants_services() {
        seen.services = nothing.services;
    }
    if ask.installer.is_some() {
        seen.installer = nothing.installer;
    }
    if ask.file.is_some() {
        seen.file = nothing.file.clone();
    }
    seen.more_files = ask.more_files.iter().map(|path| (path.clone(), nothing.file.clone())).collect();
    seen
}

/// Reads a part, if it is asked about.
async fn part<T>(ask: &Ask, part: Part, read: impl Future<Output = Answer<T>>) -> Answer<T> {
    if ask.wants(part) { read.await } else { Answer::not_asked() }
}

fn flatten<T>(answer: Answer<Answer<T>>) -> Answer<T> {
    match answer {
        Answer::Known(inner) => inner,
        Answer::Unknown(reason) => Answer::Unknown(reason),
    }
}

/// Returns what was read, or why it could not be; and as an error the reason why nothing can be read at all.
fn flat_result<T>(answer: Answer<Result<T, Error>>) -> Result<Result<T, String>, String> {
    match answer {
        Answer::Known(Ok(value)) => Ok(Ok(value)),
        Answer::Known(Err(error)) if is_out_of_reach(&error) => Err(error.to_string()),
        Answer::Known(Err(error)) => Ok(Err(error.to_string())),
        Answer::Unknown(reason) => Err(reason),
    }
}

/// A token becomes the name of a folder and of a scheduled task.
pub(crate) fn check_token(token: &InstallerToken) -> Result<(), String> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text = token.0.as_str();
    if text.is_empty() || text.len() > 128 || text.starts_with('.') || text.ends_with('.') || !text.chars().all(safe) {
        return Err(format!(
            "{} cannot be the name of an installation on a server",
            orchestrate_model::text::quoted(text)
        ));
    }
    Ok(())
}
