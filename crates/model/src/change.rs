//! One change: what a plan file asks for, validated.

use crate::exit_code;
pub use crate::hold::{HoldCause, HoldChoice, OnHold};
use crate::ids::{Label, PoolName, ServerName, ServiceName};
use crate::notify::{Channel, Silencing};
use crate::pool::{DnsSettings, Pool, Server};
use crate::product::Feature;
use crate::secret;
use crate::version::{ComponentVersion, Level};
use crate::window::{Freeze, Window};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A whole plan file, validated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What people call it.
    pub name: String,
    /// Why it is done, with the change number.
    pub reason: String,
    /// The pools in the order of the file. Never empty.
    pub pools: Vec<Pool>,
    /// What is done to each server.
    pub maintenance: Maintenance,
    /// Budgets that several pools share.
    pub budgets: Vec<SharedBudget>,
    /// When the whole run stops.
    pub stop_when: StopWhen,
    /// When the work may be done. Empty means at any time.
    pub windows: Vec<Window>,
    /// When it may not, windows or no windows.
    pub freezes: Vec<Freeze>,
    /// Which name servers are asked.
    pub dns: DnsSettings,
    /// Who is told what of a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Channel>,
    /// How alerts about a server are silenced while it is out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silences: Vec<Silencing>,
    /// Whose signed approvals a run needs. `None`: it needs none that is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// Why the work is done outside windows and in freezes, where a start has declared an emergency. There are none then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
    /// The servers that a start has chosen to work on. Empty: all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub only: BTreeSet<ServerName>,
}

impl Change {
    /// Returns the same work at any time, for this reason. Its plan is another one than that of the same work in its windows:
    /// whoever approved the one has not approved the other.
    #[must_use]
    pub fn in_emergency(self, reason: String) -> Self {
        Self { windows: Vec::new(), freezes: Vec::new(), emergency: Some(reason), ..self }
    }

    /// Returns the same change with all of its servers.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { only: BTreeSet::new(), ..self.clone() }
    }

    /// Returns whether a start has chosen others than this server to work on.
    #[must_use]
    pub fn leaves_out(&self, server: &ServerName) -> bool {
        !self.only.is_empty() && !self.only.contains(server)
    }

    /// Returns the pool called `name`.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == *name)
    }

    /// Returns the pool of this change that `pool` is paired with, whichever of the two says so.
    #[must_use]
    pub fn partner(&self, pool: &Pool) -> Option<&Pool> {
        let stated = pool.paired_with.as_ref().and_then(|name| self.pool(name));
        stated.or_else(|| self.pools.iter().find(|other| other.paired_with.as_ref() == Some(&pool.name)))
    }

    /// Returns the server that is stated to host the active central management, with its pool: a server of `pool` or
    /// of its partner. None when the change states none there.
    #[must_use]
    pub fn central_management<'a>(&'a self, pool: &'a Pool) -> Option<(&'a Pool, &'a Server)> {
        let near = [Some(pool), self.partner(pool)].into_iter().flatten();
        near.filter_map(|pool| Some((pool, pool.central_management()?))).next()
    }
}

impl Change {
    /// Returns whether the plan accepts that a feature of a pool is lost while a server is out: by the feature's name, or
    /// with everything else of a pool of one server.
    #[must_use]
    pub fn accepts_loss(&self, pool: &Pool, feature: Feature) -> bool {
        self.maintenance.accept_loss.contains(&feature) || (pool.servers.len() == 1 && pool.accept_outage.is_some())
    }
}

/// Whose signed approvals a run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// Of how many different people. At least 1.
    pub required: u32,
    /// The file with the keys of those who may sign, as the plan names it.
    pub from: String,
    /// How long an approval is good for at most, before the run is begun.
    pub expires: SignedDuration,
}

/// What is done to each server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Which services are blocked.
    pub scope: Scope,
    /// Most servers of one pool out of service at once, counting those already down. At least 1.
    pub at_once: u32,
    /// What happens to start types while a server is blocked.
    pub start_type: StartTypePolicy,
    /// How long sessions get to end by themselves.
    pub drain: Drain,
    /// What is installed, one after the other in this order. Empty: nothing is. A single one is written without a list.
    #[serde(rename = "patch", with = "one_or_several")]
    pub installers: Vec<Patch>,
    /// When the server is restarted.
    pub restart: RestartPolicy,
    /// How long the pool must stay good after a server is back.
    pub soak: SignedDuration,
    /// Features whose loss the operator accepts, by name.
    pub accept_loss: Vec<Feature>,
    /// Services whose sessions cannot be counted and which the operator accepts to wait for by time. A count that can be
    /// read has to be zero all the same.
    pub unmeasured: BTreeMap<ServiceName, SignedDuration>,
    /// What an unattended run does with a hold.
    pub on_hold: OnHold,
    /// What a run does when a pool can no longer do without a server that is out and not yet being patched.
    #[serde(default)]
    pub pool_unsafe: PoolUnsafe,
    /// What of a server has to fit into what is left of its window before it is begun.
    #[serde(default, skip_serializing_if = "WindowFit::is_worst")]
    pub fit: WindowFit,
}

impl Maintenance {
    /// Returns whether anything is installed.
    #[must_use]
    pub fn installs(&self) -> bool {
        !self.installers.is_empty()
    }

    /// Returns what has to be free on the drives of a server before the first installer, in bytes: none of them gives back
    /// what those before it have taken.
    #[must_use]
    pub fn needs_free(&self) -> Option<u64> {
        self.installers.iter().filter_map(|patch| patch.needs_free).reduce(u64::saturating_add)
    }

    /// Returns what a restart that is due before the first installer means.
    #[must_use]
    pub fn pending_restart(&self) -> PendingRestart {
        self.installers.first().map_or(PendingRestart::Ignore, |patch| patch.pending_restart)
    }

    /// Returns whether servers are asked whether they are fit for the installers.
    #[must_use]
    pub fn asks_fitness(&self) -> bool {
        self.needs_free().is_some() || self.pending_restart() != PendingRestart::Ignore
    }

    /// Returns the levels that the installers lead to, in the order of these.
    pub fn levels(&self) -> impl Iterator<Item = &Level> {
        self.installers.iter().filter_map(|patch| patch.level.as_ref())
    }

    /// Returns whether a component is one that the installers lead to a level. Where no installer has a level, every one of the
    /// product is.
    #[must_use]
    pub fn concerns(&self, component: &ComponentVersion) -> bool {
        let mut levels = self.levels().peekable();
        levels.peek().is_none() || levels.any(|level| level.concerns(component))
    }

    /// Returns what an installer is called where people read of it: the only one, or which of several.
    #[must_use]
    pub fn called(&self, number: usize) -> String {
        let (Some(patch), several @ 2..) = (self.installers.get(number), self.installers.len()) else {
            return "the installer".to_owned();
        };
        format!("installer {} of {several} ({})", number + 1, patch.file_name())
    }

    /// Returns the paths of the installers but the first, each once.
    #[must_use]
    pub fn more_files(&self) -> Vec<String> {
        let first = self.installers.first().map(|patch| patch.installer.as_str());
        let more: BTreeSet<&str> = self.installers.iter().map(|patch| patch.installer.as_str()).collect();
        more.into_iter().filter(|path| Some(*path) != first).map(str::to_owned).collect()
    }

    /// Returns whether the server is restarted after this installer and before the next one, where a restart is made at all.
    #[must_use]
    pub fn restarts_between(&self, number: usize) -> bool {
        let is_last = number + 1 >= self.installers.len();
        !is_last && self.installers.get(number).is_some_and(|patch| patch.restart == RestartPoint::After)
    }
}

/// One installer is written as it was before there could be several, so that plans of one mean the same and look the same.
mod one_or_several {
    use super::Patch;
    use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
    use serde::de::{MapAccess, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::fmt;

    struct Installers;

    // An untagged enum would keep the keys of exit codes as texts.
    impl<'de> Visitor<'de> for Installers {
        type Value = Vec<Patch>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an installer, a list of them, or none")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![Patch::deserialize(MapAccessDeserializer::new(map))?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    pub(super) fn serialize<S: Serializer>(installers: &[Patch], serializer: S) -> Result<S::Ok, S::Error> {
        match installers {
            [] => serializer.serialize_none(),
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Patch>, D::Error> {
        deserializer.deserialize_any(Installers)
    }
}

/// What of a server has to fit into what is left of its window before it is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowFit {
    /// What it takes at worst: it never ends after its window.
    #[default]
    Worst,
    /// What it likely takes, with a reserve. A server that takes longer is finished all the same, after its window.
    Likely,
}

impl WindowFit {
    fn is_worst(&self) -> bool {
        *self == Self::Worst
    }
}

/// What a run does when a pool can no longer do without a server that is out and not yet being patched. The server goes
/// back either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolUnsafe {
    /// The run stops.
    #[default]
    Stop,
    /// The server is begun again as soon as the pool can do without it.
    Wait,
}

/// Which services are blocked on each server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every service of the product that has sessions.
    AllServices,
    /// These and their dependents; the rest of the server keeps serving. Never empty.
    Services(Vec<ServiceName>),
}

/// What happens to start types while a server is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTypePolicy {
    /// Manual before the pause, so that a restart does not bring the service back by itself.
    Manual,
    /// Left alone. A restart then brings the service back at once.
    Keep,
}

/// How long sessions get to end by themselves, and what then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// From the block to the deadline.
    pub deadline: SignedDuration,
    /// What happens at the deadline.
    pub at_deadline: AtDeadline,
    /// A drain without any fall for this long is called stuck.
    pub stuck_after: SignedDuration,
    /// Deadlines of single services.
    pub per_service: BTreeMap<ServiceName, ServiceDrain>,
    /// Services whose sessions alone say that they are drained, where a server has nothing that says whether they drain.
    /// A state that can be read counts all the same.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by_sessions_alone: BTreeSet<ServiceName>,
}

/// The deadline of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDrain {
    /// From the block to the deadline.
    pub deadline: SignedDuration,
    /// What happens at the deadline.
    pub at_deadline: AtDeadline,
}

/// What happens to a server whose sessions have not ended at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtDeadline {
    /// It stays blocked until the operator decides.
    Hold,
    /// It goes back into service, unpatched.
    Return,
    /// The sessions left are cut, counted and reported. The plan says so in words.
    Cut,
    /// It stays blocked until the operator decides, who may also have the sessions cut that they have counted. The plan says so
    /// in words.
    Ask,
}

impl AtDeadline {
    /// Returns whether the plan lets a person have the sessions cut.
    #[must_use]
    pub fn lets_a_person_cut(self) -> bool {
        match self {
            Self::Cut | Self::Ask => true,
            Self::Hold | Self::Return => false,
        }
    }
}

/// What is installed, and how we know that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Path of the installer on the server.
    pub installer: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// SHA-256 of the installer file, lower-case hexadecimal.
    pub sha256: String,
    /// How long it may take.
    pub deadline: SignedDuration,
    /// The level at which a server counts as patched. `None`: the installer's exit code is all the proof there is.
    pub level: Option<Level>,
    /// Exit codes besides the usual ones, by what they mean. Each in the form of [`exit_code::unsigned`].
    pub exit_codes: BTreeMap<i64, ExitMeaning>,
    /// What has to be free on the drives that the installer needs, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_free: Option<u64>,
    /// What a restart that is due means.
    #[serde(default, skip_serializing_if = "PendingRestart::is_usual")]
    pub pending_restart: PendingRestart,
    /// When a restart is made that this installer makes necessary.
    #[serde(default, skip_serializing_if = "RestartPoint::is_usual")]
    pub restart: RestartPoint,
}

/// When a restart is made that an installer makes necessary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPoint {
    /// Once, after the last installer.
    #[default]
    AtEnd,
    /// Right after this installer, before the next one.
    After,
}

impl RestartPoint {
    fn is_usual(&self) -> bool {
        *self == Self::AtEnd
    }
}

/// What a restart that is due means for a server that is to be patched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PendingRestart {
    /// The server is not drained: many installers refuse, or leave it half done.
    #[default]
    Refuse,
    /// It is made first: once the server is drained and stopped, before the installer.
    RestartFirst,
    /// It is not asked about.
    Ignore,
}

impl PendingRestart {
    /// Returns whether it is what holds where the plan says nothing.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::Refuse
    }
}

impl Patch {
    /// Returns the path of the installer as it may be shown: without what may be a secret.
    #[must_use]
    pub fn shown_installer(&self) -> String {
        secret::shown_address(&self.installer)
    }

    /// Returns the name of the installer's file, without its folder.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.installer.rsplit(['\\', '/']).next().unwrap_or_default()
    }

    /// Returns whether a restart that is due is made before the installer is run.
    #[must_use]
    pub fn restarts_first(&self) -> bool {
        self.pending_restart == PendingRestart::RestartFirst
    }

    /// Returns what the plan says about an exit code, in whichever spelling either of them is: signed or unsigned, and
    /// as the code of Windows Installer itself or as the HRESULT that installers around it make of it.
    #[must_use]
    pub fn meaning_of(&self, code: i64) -> Option<ExitMeaning> {
        let stated = |code: i64| {
            let same = |(key, _): &(&i64, &ExitMeaning)| exit_code::unsigned(**key) == code;
            self.exit_codes.iter().find(same).map(|(_, meaning)| *meaning)
        };
        let code = exit_code::unsigned(code);
        stated(code).or_else(|| stated(exit_code::other_form(code)?))
    }
}

/// What an installer's exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitMeaning {
    /// Installed.
    Done,
    /// Installed; a restart is needed.
    RestartNeeded,
    /// Installed; the installer has started a restart.
    RestartStarted,
    /// Another installation is in progress: try again later.
    Busy,
    /// Not installed.
    Failed,
}

impl ExitMeaning {
    /// Returns whether something was installed.
    #[must_use]
    pub fn is_good(self) -> bool {
        match self {
            Self::Done | Self::RestartNeeded | Self::RestartStarted => true,
            Self::Busy | Self::Failed => false,
        }
    }

    /// Returns whether what was installed is whole only after a restart.
    #[must_use]
    pub fn asks_for_restart(self) -> bool {
        match self {
            Self::RestartNeeded | Self::RestartStarted => true,
            Self::Done | Self::Busy | Self::Failed => false,
        }
    }
}

/// When a server is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never, even if the installer asks.
    Never,
    /// When the installer asks.
    WhenNeeded,
    /// Always.
    Always,
}

/// A budget that the pools with one label share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedBudget {
    /// The label.
    pub label: Label,
    /// Most servers of all these pools out at once. At least 1.
    pub at_once: u32,
}

/// Absolute numbers that stop the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopWhen {
    /// Servers failed, held or returned unpatched. At least 1.
    pub failed: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(codes: &[(i64, ExitMeaning)]) -> Patch {
        Patch {
            installer: String::new(),
            arguments: Vec::new(),
            sha256: String::new(),
            deadline: SignedDuration::ZERO,
            level: None,
            exit_codes: codes.iter().copied().collect(),
            needs_free: None,
            pending_restart: PendingRestart::Refuse,
            restart: RestartPoint::AtEnd,
        }
    }

    #[test]
    fn one_installer_is_stored_as_before_and_several_as_a_list() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Stored {
            #[serde(rename = "patch", with = "one_or_several")]
            installers: Vec<Patch>,
        }
        let read = |text: &str| serde_json::from_str::<Stored>(text).unwrap();
        for (count, begin) in
            [(0, r#"{"patch":null"#), (1, r#"{"patch":{"installer""#), (2, r#"{"patch":[{"installer""#)]
        {
            let stored = Stored { installers: vec![patch(&[(17, ExitMeaning::Busy)]); count] };
            let text = serde_json::to_string(&stored).unwrap();
            assert!(text.starts_with(begin) && !text.contains("restart\""), "{text}");
            assert_eq!(read(&text), stored);
        }
    }

    #[test]
    fn what_a_plan_says_about_an_exit_code_holds_in_every_spelling_of_it() {
        // The plan of an earlier version may hold a signed one.
        for stated in [-2_147_021_886, 0x8007_0bc2, 3010] {
            let patch = patch(&[(stated, ExitMeaning::Done)]);
            for code in [-2_147_021_886, 0x8007_0bc2, 3010] {
                assert_eq!(patch.meaning_of(code), Some(ExitMeaning::Done), "{stated} and {code}");
            }
            assert_eq!(patch.meaning_of(1641), None);
        }
        let both = patch(&[(3010, ExitMeaning::Failed), (0x8007_0bc2, ExitMeaning::Done)]);
        assert_eq!(
            (both.meaning_of(3010), both.meaning_of(-2_147_021_886)),
            (Some(ExitMeaning::Failed), Some(ExitMeaning::Done))
        );
    }
}
