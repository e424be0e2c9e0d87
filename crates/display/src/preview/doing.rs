//! What each step would do to which service.

use crate::text::{clean, count, duration, list};
use crate::words;
use orchestrate_model::change::{RestartPoint, RestartPolicy, Scope, StartTypePolicy};
use orchestrate_model::pool::{Balancer, HaproxyBalancer, HaproxySite, Hosted, SlotNames};
use orchestrate_model::{Answer, Pool, RunState, ServerObservation, ServiceName, ServiceStatus, StartMode, secret};
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::scope::each_after;
use orchestrate_planner::{Plan, ServerWork, Step, StepKind};
use std::collections::{BTreeMap, BTreeSet};

/// One thing that a step would do, and the services that it would do it to, in order. No service: it is about the
/// whole server or pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// What.
    pub what: String,
    /// To which services.
    pub services: Vec<ServiceName>,
    /// Whether it was counted a moment ago, and is another number on each server.
    pub counted: bool,
}

impl Doing {
    fn whole(what: impl Into<String>) -> Self {
        Self { what: what.into(), services: Vec::new(), counted: false }
    }
}

/// What stands for the name of each server where several are spoken of at once.
pub(super) const ANY: &str = "SERVER";

/// The server that a step is about, as far as it is known.
struct Place<'a> {
    plan: &'a Plan,
    pool: &'a Pool,
    work: &'a ServerWork,
    /// What it is called, in full and in short.
    called: (&'a str, &'a str),
    seen: Option<&'a ServerObservation>,
}

/// Returns what a step would do.
#[must_use]
pub fn doings(plan: &Plan, step: &Step, seen: Option<&ServerObservation>) -> Vec<Doing> {
    match step.target {
        StepTarget::Pool(pool) => database(&plan.change().pools[pool as usize]),
        StepTarget::Server(id) => {
            let work = plan.work_of(id);
            let called = (work.server.as_str(), work.server.short());
            Place { plan, pool: plan.pool_of(work), work, called, seen }.doings(step)
        }
    }
}

/// Returns what a step would do to a server, without the server's name: the same for each server that is like it.
pub(super) fn doings_of_any(
    plan: &Plan,
    (work, step): (&ServerWork, &Step),
    seen: Option<&ServerObservation>,
) -> Vec<Doing> {
    Place { plan, pool: plan.pool_of(work), work, called: (ANY, ANY), seen }.doings(step)
}

fn database(pool: &Pool) -> Vec<Doing> {
    let Some(work) = &pool.database else {
        return Vec::new();
    };
    vec![Doing::whole(format!("leaves the database work on {} to you: {}", work.primary, clean(&work.instructions)))]
}

impl Place<'_> {
    fn doings(&self, step: &Step) -> Vec<Doing> {
        match step.kind {
            StepKind::Guard => vec![Doing::whole(format!(
                "asks every safety question about its pool without {}; goes on only when each answer is yes",
                self.called.0
            ))],
            StepKind::Record => vec![Doing::whole(
                "writes down start types with the delayed flag, service states, boot time, versions, and, where there \
                 are such, the balancer's state and the fabric state",
            )],
            StepKind::BalancerOut => vec![Doing::whole(self.balancer("out"))],
            StepKind::Block => self.block(),
            StepKind::Drain => self.drain(),
            StepKind::Stop => {
                let already = |status: &ServiceStatus| {
                    status.is(RunState::Stopped).then(|| "stopped already, left alone".to_owned())
                };
                let mut doings = self.each(self.stop_order(), "stops, dependents first", already);
                doings.extend(self.each(self.support(), "stops for the installer, start type left alone", already));
                doings
            }
            StepKind::Patch => self.patch(step),
            StepKind::Restart => vec![Doing::whole(self.restart(step))],
            StepKind::Verify => vec![Doing::whole(self.verify())],
            StepKind::Return => self.bring_back(),
            StepKind::BalancerIn => vec![Doing::whole(self.balancer("in"))],
            StepKind::Gate => vec![Doing::whole(self.gate())],
            StepKind::Soak => vec![Doing::whole(format!(
                "watches that the pool stays good for {}; a bad sample starts the time over",
                duration(self.plan.soak_of(self.work))
            ))],
            StepKind::Database => database(self.pool),
        }
    }

    /// Says what would be done to each of the blocked services, in this order: `usual`, or what `unusual` says of its
    /// status. Neighbours to which the same is done stand together.
    fn each(
        &self,
        order: Vec<&ServiceName>,
        usual: &str,
        unusual: impl Fn(&ServiceStatus) -> Option<String>,
    ) -> Vec<Doing> {
        let mut doings: Vec<Doing> = Vec::new();
        for service in order {
            let what = match self.status(service) {
                Answer::Known(Some(status)) => unusual(status).unwrap_or_else(|| usual.to_owned()),
                Answer::Known(None) => "not installed, passed over".to_owned(),
                Answer::Unknown(_) => format!("{usual} (if it is installed)"),
            };
            match doings.last_mut() {
                Some(doing) if doing.what == what => doing.services.push(service.clone()),
                Some(_) | None => doings.push(Doing { what, services: vec![service.clone()], counted: false }),
            }
        }
        doings
    }

    /// Returns the blocked services in the order in which the plan names them.
    fn plan_order(&self) -> Vec<&ServiceName> {
        self.work.block.iter().collect()
    }

    /// Returns the blocked services in the order in which they are stopped: each after what depends on it, as far as
    /// that was seen, and otherwise as the plan names them.
    fn stop_order(&self) -> Vec<&ServiceName> {
        each_after(self.plan_order(), |name, other| self.dependents(name).contains(other))
    }

    /// Returns the blocked services in the order in which they are started: what others depend on first.
    fn start_order(&self) -> Vec<&ServiceName> {
        each_after(self.plan_order(), |name, other| self.dependents(other).contains(name))
    }

    /// Returns the services without sessions that are stopped while the installer runs.
    fn support(&self) -> Vec<&ServiceName> {
        let patched = self.plan.change().maintenance.installs();
        self.work.support.iter().filter(|_| patched).collect()
    }

    fn dependents(&self, service: &ServiceName) -> &[ServiceName] {
        let Answer::Known(Some(status)) = self.status(service) else { return &[] };
        status.dependents.known().map_or(&[], Vec::as_slice)
    }

    fn status(&self, service: &ServiceName) -> Answer<Option<&ServiceStatus>> {
        match self.seen.map(|seen| &seen.services) {
            Some(Answer::Known(services)) => Answer::Known(services.get(service)),
            Some(Answer::Unknown(why)) => Answer::Unknown(why.clone()),
            None => Answer::not_asked(),
        }
    }

    fn block(&self) -> Vec<Doing> {
        let manual = self.plan.change().maintenance.start_type == StartTypePolicy::Manual;
        let usual = if manual { "start type to manual, then pauses" } else { "pauses, start type left alone" };
        self.each(self.plan_order(), usual, |status| {
            if status.is(RunState::Stopped) && !starts_by_itself(status) {
                return Some("stopped and does not start by itself, left alone".to_owned());
            }
            let start = match (&status.start, manual) {
                (Answer::Known(start), true) if starts_by_itself(status) => format!("start type {start} -> manual"),
                (Answer::Known(start), _) => format!("start type stays {start}"),
                (Answer::Unknown(why), _) => format!("start type unknown ({})", clean(why)),
            };
            let state = match &status.state {
                Answer::Known(RunState::Running) => "pauses".to_owned(),
                Answer::Known(RunState::Paused) => "is paused already".to_owned(),
                Answer::Known(state) => format!("is {state}"),
                Answer::Unknown(why) => format!("state unknown ({})", clean(why)),
            };
            Some(format!("{start}, {state}"))
        })
    }

    /// Returns how many sessions the services that are blocked have, and of which that is not known.
    fn sessions(&self, seen: &ServerObservation) -> (Vec<String>, Vec<String>) {
        let (mut now, mut unknown) = (Vec::new(), Vec::new());
        // What several services lack for the same reason is told once, without the counters that were not even asked.
        let mut by_cause: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (service, reading) in seen.sessions.iter().filter(|(service, _)| self.work.block.contains(service)) {
            match reading.left() {
                Answer::Known(0) => {}
                Answer::Known(left) => now.push(format!("{service} {left}")),
                Answer::Unknown(why) => {
                    let cause = reading.measures.iter().find_map(|measure| measure.value.why_unknown());
                    by_cause.entry(cause.unwrap_or_default()).or_default().push(service.to_string());
                    unknown.push((cause.unwrap_or_default(), format!("{service}: {}", clean(&why))));
                }
            }
        }
        by_cause.retain(|cause, services| !cause.is_empty() && services.len() > 1);
        unknown.retain(|(cause, _)| !by_cause.contains_key(cause));
        let together = by_cause.into_iter().map(|(cause, of)| format!("{}: {}", of.join(", "), clean(cause)));
        let unknown = unknown.into_iter().map(|(_, told)| told).chain(together).collect();
        (now, unknown)
    }

    fn drain(&self) -> Vec<Doing> {
        let mut doings = vec![Doing::whole(format!(
            "waits until every session count is 0 three times, 10 s apart; {}",
            words::drain_rule(self.plan.change())
        ))];
        let Some(seen) = self.seen else {
            return doings;
        };
        let (now, unknown) = self.sessions(seen);
        let blocked = |service: &ServiceName| self.work.block.contains(service);
        if !now.is_empty() {
            doings.push(Doing { counted: true, ..Doing::whole(format!("sessions now: {}", now.join(", "))) });
        } else if unknown.is_empty() && seen.sessions.keys().any(blocked) {
            doings.push(Doing { counted: true, ..Doing::whole("sessions now: none") });
        }
        for text in unknown {
            doings.push(Doing::whole(format!("sessions unknown: {text}")));
        }
        for (service, single) in &self.plan.change().maintenance.drain.per_service {
            let rule = words::at_deadline(single.at_deadline);
            doings.push(Doing::whole(format!("{service} gets {}; then {rule}", duration(single.deadline))));
        }
        doings
    }

    fn patch(&self, step: &Step) -> Vec<Doing> {
        let Some(patch) = self.plan.installer_of(step) else {
            return Vec::new();
        };
        let (arguments, _) = secret::shown_arguments(&patch.arguments);
        let arguments = arguments.iter().map(|text| format!(" {}", clean(text))).collect::<String>();
        let first = "restarts the server first, if a restart of it is due";
        let mut doings: Vec<Doing> = patch.restarts_first().then(|| Doing::whole(first)).into_iter().collect();
        doings.extend([
            Doing::whole(format!(
                "runs {}{arguments}, detached, once, at most {}",
                clean(&patch.shown_installer()),
                duration(patch.deadline)
            )),
            Doing::whole(format!("only if the file's SHA-256 is {}", patch.sha256)),
        ]);
        if step.installer > 0 {
            doings.push(Doing::whole("only after the installer before it has ended well"));
        }
        let several = self.plan.change().maintenance.installers.len() > 1;
        if let Some(level) = patch.level.as_ref().filter(|_| several) {
            doings.push(Doing::whole(format!("not on a server that is at {level} already")));
        }
        if self.plan.is_followed(step) && patch.restart == RestartPoint::AtEnd {
            doings.push(Doing::whole("a restart that it asks for is made after the last installer"));
        }
        doings
    }

    fn restart(&self, step: &Step) -> String {
        let maintenance = &self.plan.change().maintenance;
        if self.plan.is_followed(step) {
            return match maintenance.restart {
                RestartPolicy::Never => "does not restart the server before the next installer".to_owned(),
                RestartPolicy::WhenNeeded => {
                    "restarts the server if the installer asks for it, before the next one".to_owned()
                }
                RestartPolicy::Always => "restarts the server before the next installer".to_owned(),
            };
        }
        match maintenance.restart {
            RestartPolicy::WhenNeeded if maintenance.installers.len() > 1 => {
                "restarts the server once, if one of the installers asks for it".to_owned()
            }
            RestartPolicy::Never => "does not restart the server, even if the installer asks".to_owned(),
            RestartPolicy::WhenNeeded => "restarts the server if the installer asks for it".to_owned(),
            RestartPolicy::Always => "restarts the server".to_owned(),
        }
    }

    fn verify(&self) -> String {
        let levels: Vec<String> = self.plan.change().maintenance.levels().map(ToString::to_string).collect();
        match levels.is_empty() {
            false => format!("reads the installed versions: at least {} is needed", list(&levels)),
            true => "the plan names no level: the installer's exit code is all the proof there is".to_owned(),
        }
    }

    fn bring_back(&self) -> Vec<Doing> {
        let patched = self.plan.change().maintenance.installs();
        let verb = if patched { "starts" } else { "continues" };
        let mut doings = self.each(self.support(), "starts again", |status| {
            (!status.is(RunState::Running)).then(|| "stays as it was found".to_owned())
        });
        doings.extend(self.each(self.start_order(), &format!("{verb}, start type as recorded"), |status| {
            let start = match &status.start {
                Answer::Known(start) => format!("start type back to {start}"),
                Answer::Unknown(_) => "start type as recorded".to_owned(),
            };
            let state = match &status.state {
                Answer::Known(RunState::Running) => verb.to_owned(),
                Answer::Known(state) => format!("stays {state}, as it was found"),
                Answer::Unknown(_) => "state as recorded".to_owned(),
            };
            Some(format!("{state}, {start}"))
        }));
        doings
    }

    fn balancer(&self, way: &str) -> String {
        let called = self.called.0;
        match (&self.pool.load_balancing.balancer, way) {
            (Balancer::None, _) => "there is no balancer in front of the pool".to_owned(),
            (Balancer::Operator, "out") => format!("waits until you say that {called} is out of the balancer"),
            (Balancer::Operator, _) => format!("waits until you say that {called} is back in the balancer"),
            (Balancer::Elsewhere(text), "out") => format!("done elsewhere: {}", clean(&secret::shown_text(text))),
            // What the plan says there is how it is taken out.
            (Balancer::Elsewhere(_), _) => {
                "put back elsewhere, where it was taken out: nothing here does it".to_owned()
            }
            (Balancer::Haproxy(proxy), "out") => {
                format!("sets {}", self.entries(proxy, "to drain"))
            }
            (Balancer::Haproxy(proxy), _) => {
                format!("sets {}", self.entries(proxy, "back to its recorded state"))
            }
        }
    }

    /// Says which entries of which balancers are set, by the names that they usually have.
    fn entries(&self, proxy: &HaproxyBalancer, to: &str) -> String {
        let (server, called) = (&self.work.server, self.called.1);
        let name = match proxy.slots {
            SlotNames::ByName => match proxy.names_of(server).first() {
                Some(own) if *own == server.short() => called,
                Some(own) => own,
                None => "-",
            },
            // Which it is the balancer decides.
            SlotNames::ByAddress => called,
        };
        let site = |site: &HaproxySite| {
            let paths: Vec<String> = site.backends.iter().map(|backend| format!("{backend}/{name}")).collect();
            format!("{} {to} in HAProxy at {}", list(&paths), site.address)
        };
        let sites: Vec<String> = proxy.sites.iter().map(site).collect();
        let how = if proxy.slots == SlotNames::ByAddress { ", found by its address" } else { "" };
        format!("{}{how}", list(&sites))
    }

    fn compares_fabric(&self) -> bool {
        self.pool.has_fabric() && self.work.block.iter().any(|name| name.as_str().eq_ignore_ascii_case("RTCSRV"))
    }

    fn gate(&self) -> String {
        let mut proofs = vec!["services run as recorded".to_owned()];
        if self.pool.has_fabric() {
            proofs.push("the pool says ready".to_owned());
        }
        if self.pool.servers.iter().any(|server| server.hosts.contains(&Hosted::CentralManagement)) {
            proofs.push("every configuration replica is up to date".to_owned());
            proofs.push("the central management is active where it was".to_owned());
        }
        if matches!(self.pool.load_balancing.balancer, Balancer::Haproxy(_)) {
            proofs.push("the balancer sees it up".to_owned());
        }
        let fabric = if self.compares_fabric() { "; compares the fabric state with the one before" } else { "" };
        format!("proves that {}{fabric}", list(&proofs))
    }
}

fn starts_by_itself(status: &ServiceStatus) -> bool {
    status.start.known().is_some_and(|start| start.mode == StartMode::Automatic)
}

/// Returns the scope of a change in words.
pub(super) fn scope(plan: &Plan) -> String {
    match &plan.change().maintenance.scope {
        Scope::AllServices => "every service of the product that has sessions".to_owned(),
        Scope::Services(services) => {
            let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
            let them = if names.len() == 1 { "it" } else { "them" };
            // The plan has what was seen to depend on them; the rest is found when a server is recorded.
            let seen: BTreeSet<&str> =
                plan.work().iter().flat_map(|work| &work.block).map(ServiceName::as_str).collect();
            let seen: Vec<&str> = seen.into_iter().filter(|name| !names.contains(name)).collect();
            if seen.is_empty() {
                format!("only {} with what depends on {them}", list(&names))
            } else {
                format!("only {}, and what depends on {them}: {}", list(&names), list(&seen))
            }
        }
    }
}

/// Returns how many sessions the blocked services of a server have: those that are counted.
pub(super) fn sessions(work: &ServerWork, seen: &ServerObservation) -> u64 {
    let blocked = seen.sessions.iter().filter(|(service, _)| work.block.contains(service));
    blocked.filter_map(|(_, reading)| reading.left().known().copied()).fold(0, u64::saturating_add)
}

/// Returns the number of services that are blocked on a server, in words.
pub(super) fn services(work: &ServerWork) -> String {
    count(work.block.len() as u64, "service")
}
