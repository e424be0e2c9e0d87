//! Installers, started at most once per token, and the level that they bring.

use super::{Event, ServerIndex, World, lab_seconds};
use crate::scenario::{InstallerFile, Scenario};
use jiff::Timestamp;
use orchestrate_model::change::{Patch, Scope};
use orchestrate_model::time::after;
use orchestrate_model::{Level, Pool, Product, ServiceName, Version};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// One installer that was started.
#[derive(Debug, Clone)]
pub(crate) struct Installer {
    pub(crate) started: Timestamp,
    pub(crate) end: InstallerEnd,
    /// How often somebody asked for it to be started.
    pub(crate) asked: u32,
    pub(crate) path: String,
}

/// How far an installer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallerEnd {
    /// It runs and will end with this exit code; with none, its runner will end it at its deadline.
    Running(Option<i64>),
    /// It has ended.
    Finished(i64),
    /// Its runner has ended it at its deadline.
    Killed,
    /// It is gone and left no result.
    Vanished,
}

impl Installer {
    /// The power failed: what ran is gone.
    pub(super) fn power_failed(&mut self) {
        if matches!(self.end, InstallerEnd::Running(_)) {
            self.end = InstallerEnd::Vanished;
        }
    }
}

/// A request to start an installer.
#[derive(Debug, Clone)]
pub(crate) struct InstallerRequest {
    pub(crate) token: String,
    pub(crate) path: String,
    pub(crate) sha256: String,
    pub(crate) deadline_s: f64,
}

/// What became of such a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallerAnswer {
    /// It runs.
    Started,
    /// The token was used before.
    Already,
    /// No such file.
    MissingFile,
    /// Another file than wanted.
    WrongHash,
}

/// The level of a product before and after the installer.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    before: Version,
    components: Vec<String>,
    /// The installers of the plan, each with the level that it brings, if it brings one.
    brings: Vec<(Patch, Option<Version>)>,
}

impl Levels {
    pub(super) fn new(pool: &Pool, installers: &[Patch], scenario: &Scenario) -> Self {
        let base = match pool.product {
            Product::Lync2013 => "5.0.8308.866",
            Product::Sfb2015 => "6.0.9319.281",
            Product::Sfb2019 => "7.0.2046.123",
            Product::Sfbse | Product::Generic => "1.0.0.0",
        };
        let base = Version::parse(base).expect("the levels of the lab are versions");
        // Where no installer has a level the first is taken for that of the product.
        let first = installers.iter().position(|patch| patch.level.is_some()).unwrap_or(0);
        let last = installers.iter().rposition(|patch| patch.level.is_some()).unwrap_or(0);
        let brings: Vec<(Patch, Option<Version>)> = installers
            .iter()
            .enumerate()
            .map(|(number, patch)| {
                let wanted = patch.level.as_ref().and_then(Level::highest).cloned();
                let stated = scenario.installer.after.clone().filter(|_| number == last);
                let raises = patch.level.is_some() || number == first;
                (patch.clone(), raises.then(|| stated.or(wanted).unwrap_or_else(|| next_level(&base))))
            })
            .collect();
        let least = brings.iter().filter_map(|(_, after)| after.as_ref()).min();
        let before = match &scenario.installer.before {
            Some(before) => before.clone(),
            None if least.is_none_or(|after| base < *after) => base,
            None => Version::parse("1.0.0.0").expect("the levels of the lab are versions"),
        };
        Self { before, components: components(pool.product), brings }
    }

    /// Returns the position of an installer in the plan.
    fn position(&self, path: &str) -> Option<usize> {
        self.brings.iter().position(|(patch, _)| patch.installer.eq_ignore_ascii_case(path))
    }

    /// Returns the installers that bring a level, by their position.
    fn raising(&self) -> impl Iterator<Item = (usize, &Version)> {
        self.brings.iter().enumerate().filter_map(|(number, (_, after))| Some((number, after.as_ref()?)))
    }
}

fn next_level(base: &Version) -> Version {
    let text = base.to_string();
    let (head, last) = text.rsplit_once('.').unwrap_or(("1", "0"));
    let last = last.parse::<u64>().unwrap_or_default() + 283;
    Version::parse(&format!("{head}.{last}")).expect("a version with a larger last part is a version")
}

fn components(product: Product) -> Vec<String> {
    let parts: &[&str] = match product {
        Product::Lync2013 | Product::Sfb2015 | Product::Sfb2019 | Product::Sfbse => {
            &["Core Components", "Administrative Tools", "Front End Server", "Web Components Server"]
        }
        Product::Generic => return vec!["Lab Server".to_owned()],
    };
    parts.iter().map(|part| format!("Microsoft {}, {part}", product.title())).collect()
}

/// The hash of a file that is not the one in the plan: SHA-256 of the four bytes `DIFF`, which nobody's installer has.
const OTHER_FILE: &str = "b6aeb797022b02364ac0df9510bbd283c65a25b70b61f421334654f77ad2d325";

/// The exit code with which an installer gives up at once because another one runs.
const ANOTHER_RUNS: i64 = 1618;

impl World {
    /// Starts an installer, unless its token was used before.
    pub(crate) fn start_installer(&mut self, server: ServerIndex, request: &InstallerRequest) -> InstallerAnswer {
        if let Some(known) = self.servers[server].installers.get_mut(&request.token) {
            known.asked += 1;
            return InstallerAnswer::Already;
        }
        if let Some(refusal) = self.file_refusal(server, request) {
            return refusal;
        }
        let busy = self.servers[server].installers.values().any(|other| matches!(other.end, InstallerEnd::Running(_)));
        let (exit_code, seconds) = if busy { (ANOTHER_RUNS, 1.0) } else { self.draw_run(server, &request.path) };
        if !busy {
            self.replace_files(server);
        }
        let end = InstallerEnd::Running((seconds <= request.deadline_s).then_some(exit_code));
        let installer = Installer { started: self.now(), end, asked: 1, path: request.path.clone() };
        self.servers[server].installers.insert(request.token.clone(), installer);
        self.servers[server].installs += 1;
        let at = after(self.now(), lab_seconds(seconds.min(request.deadline_s)));
        let boot = self.servers[server].boot;
        self.schedule(at, Event::InstallerEnd { server, token: request.token.clone(), boot });
        InstallerAnswer::Started
    }

    /// What the installer replaces is in use as long as its service has a process: whatever sessions it has are lost,
    /// and those that come meanwhile find nobody. Only services that the plan patches are concerned.
    fn replace_files(&mut self, server: ServerIndex) {
        let in_scope = |name: &ServiceName, scope: &Scope| match scope {
            Scope::AllServices => true,
            Scope::Services(names) => names.contains(name),
        };
        let running = self.servers[server].services.values().filter(|service| service.has_sessions);
        let running = running.filter(|service| service.has_process() && in_scope(&service.name, &self.scope));
        let running: Vec<(ServiceName, bool)> =
            running.map(|service| (service.name.clone(), service.accepts())).collect();
        for (name, accepts) in running {
            self.cut_service(server, &name);
            if accepts {
                self.servers[server].patched_while_serving.insert(name);
            }
        }
    }

    fn file_refusal(&self, server: ServerIndex, request: &InstallerRequest) -> Option<InstallerAnswer> {
        match self.file(server, &request.path) {
            None => Some(InstallerAnswer::MissingFile),
            Some(found) => (!found.eq_ignore_ascii_case(&request.sha256)).then_some(InstallerAnswer::WrongHash),
        }
    }

    /// Returns the SHA-256 of the file at a path, if there is one.
    pub(crate) fn file(&self, server: ServerIndex, path: &str) -> Option<String> {
        let own = self.scenario.servers.get(&self.servers[server].name).and_then(|server| server.file);
        let pool = &self.pools[self.servers[server].pool];
        let (patch, _) = &pool.level.brings[pool.level.position(path)?];
        let of_installer = self.scenario.installers.get(patch.file_name()).and_then(|one| one.file);
        match own.or(of_installer).unwrap_or(self.scenario.installer.file) {
            InstallerFile::Missing => None,
            InstallerFile::Different => Some(OTHER_FILE.to_owned()),
            InstallerFile::Staged => Some(patch.sha256.clone()),
        }
    }

    fn draw_run(&self, server: ServerIndex, path: &str) -> (i64, f64) {
        let count = self.servers[server].installs;
        let salt = (u64::try_from(server).unwrap_or_default() << 20) + u64::from(count);
        let mut rng = SmallRng::seed_from_u64(self.scenario.seed ^ 0x5eed_0000_0000_0000 ^ salt);
        let name = path.rsplit(['\\', '/']).next().unwrap_or_default();
        let one = self.scenario.installers.get(name);
        let (shortest, longest) = one.and_then(|one| one.duration_s).unwrap_or(self.scenario.installer.duration_s);
        let seconds = shortest + rng.random::<f64>() * (longest - shortest).max(0.0);
        let own = self.scenario.servers.get(&self.servers[server].name).map(|server| server.exit_codes.as_slice());
        let own = own.unwrap_or_default();
        let position = usize::try_from(count).unwrap_or_default();
        let listed = own.get(position).or(own.last()).copied().or(self.scenario.installer.exit_code);
        let drawn = if rng.random_bool(0.6) { 3010 } else { 0 };
        (one.and_then(|one| one.exit_code).or(listed).unwrap_or(drawn), seconds)
    }

    pub(super) fn installer_end(&mut self, server: ServerIndex, token: &str, boot: u64) {
        if self.servers[server].boot != boot {
            return;
        }
        let Some(installer) = self.servers[server].installers.get_mut(token) else { return };
        let InstallerEnd::Running(code) = installer.end else { return };
        let Some(code) = code else {
            installer.end = InstallerEnd::Killed;
            self.tell(server, "installer ended", token, "at its deadline".to_owned());
            return;
        };
        installer.end = InstallerEnd::Finished(code);
        let path = installer.path.clone();
        if matches!(code, 0 | 3010 | 1641) {
            self.installed(server, &path);
        }
        self.tell(server, "installer ended", token, code.to_string());
        if code == 1641 {
            self.restart(server, 5.0);
        }
    }

    /// An installer has ended well.
    fn installed(&mut self, server: ServerIndex, path: &str) {
        let levels = &self.pools[self.servers[server].pool].level;
        let own = &mut self.servers[server];
        own.brought.extend(levels.position(path));
        own.patched |= levels.raising().all(|(number, _)| own.brought.contains(&number));
    }

    /// Returns the installed components and their versions.
    pub(crate) fn components(&self, server: ServerIndex) -> Vec<(String, String)> {
        let server = &self.servers[server];
        let levels = &self.pools[server.pool].level;
        let left_out = self.scenario.installer.leaves_out.get(&server.name).map_or(&[][..], Vec::as_slice);
        let version = |component: &String| {
            let left_out = left_out.iter().any(|part| component.ends_with(part.as_str()));
            let brought = levels.raising().filter(|(number, _)| server.patched || server.brought.contains(number));
            brought.map(|(_, after)| after).max().filter(|_| !left_out).unwrap_or(&levels.before)
        };
        levels.components.iter().map(|component| (component.clone(), version(component).to_string())).collect()
    }
}
