//! What the oracle checks when a run acts.

use super::{Baseline, GUARD_AGE, LOOK_AGE, Oracle};
use crate::world::{By, World};
use orchestrate_model::change::{AtDeadline, StartTypePolicy};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::{Balancer, SipBalancing};
use orchestrate_model::{Act, Feature, RunState};

impl World {
    fn baseline(&self, at: usize) -> Baseline {
        let machine = &self.machines[at];
        let services = machine.services.iter().map(|service| (service.state, service.start)).collect();
        Baseline { services, admin: machine.admin.clone() }
    }

    /// Remembers how everything is before anything happens.
    pub(crate) fn remember_originals(&mut self) {
        self.oracle.names = self.machines.iter().map(|machine| machine.name.clone()).collect();
        self.oracle.originals = (0..self.machines.len()).map(|at| self.baseline(at)).collect();
    }

    /// A run asks for a change.
    pub(crate) fn oracle_request(&mut self, at: usize, act: &Act, epoch: u32) {
        let now = self.now;
        let name = self.machines[at].name.clone();
        let text = || format!("{name}: {act}");
        self.oracle.requests += 1;
        if self.oracle.previewing {
            self.oracle.breach("P7", now, format!("a preview changes something: {}", text()));
        }
        if epoch != self.oracle.holder {
            self.oracle.breach("P12", now, format!("a run that lost its claim acts: {}", text()));
        }
        if !self.oracle.take_intent(&name, act) {
            self.oracle.breach("P6", now, format!("no intent is on disk for: {}", text()));
        }
        let begins = !self.oracle.has_touched(at) || self.oracle.ended.get(&at).is_some_and(|end| end != "out");
        // An intent that never became an act shows that the server was begun before the run was killed.
        let first = begins && !self.oracle.has_earlier_intent(&name);
        if begins {
            self.take_baseline(at);
        }
        if first {
            self.check_begin(at, act);
            self.check_first(at, act);
            self.check_tellable(at, act);
        }
        self.oracle.ended.remove(&at);
        self.check_pace(at, act);
        self.check_unseen_act(at, act);
        let place = act.service().and_then(|service| self.machines[at].service(service));
        self.oracle.watch.acts(at, place, act);
    }

    /// Remembers how a machine is before a maintenance of it. In a second maintenance of the same machine the first truth
    /// counts, but for what other people were the last to change and what a restart of the machine's own made of it.
    fn take_baseline(&mut self, at: usize) {
        let mut now = self.baseline(at);
        let restarted = self.machines[at].booted > self.oracle.ended_at.get(&at).copied().unwrap_or_default();
        if let Some(before) = self.oracle.baselines.get(&at).filter(|_| !restarted) {
            for (place, service) in now.services.iter_mut().enumerate() {
                if !self.oracle.foreign.get(&(at, place)).is_some_and(|foreign| foreign.last) {
                    *service = before.services[place];
                }
            }
        }
        self.oracle.baselines.insert(at, now);
    }

    /// P9: nothing is begun outside the windows, and nothing that cannot fit.
    fn check_begin(&mut self, at: usize, act: &Act) {
        let back = self.gives(at, act);
        let Some(open) = self.oracle.open.as_ref().filter(|_| !back && self.machines[at].serves()) else { return };
        let now = self.now;
        let why = match open.iter().find(|(opens, closes)| *opens <= now && now <= *closes) {
            None => "outside every window".to_owned(),
            Some((_, closes)) if now + self.oracle.promised.needs() > closes + LOOK_AGE => {
                format!("{} min before the window ends", (closes - now) / 60_000)
            }
            Some(_) => return,
        };
        let name = self.machines[at].name.clone();
        self.oracle.breach("P9", now, format!("{name} is begun {why}"));
    }

    /// An act is about to change a machine.
    pub(crate) fn oracle_before(&mut self, at: usize, act: &Act) {
        match act {
            Act::Pause { .. } => self.check_out(at, act),
            Act::SetBalancer { to, .. } if *to != BalancerState::Ready => self.check_out(at, act),
            Act::Stop { service } => {
                self.check_out(at, act);
                let place = self.machines[at].service(service);
                self.check_sessions(at, act, |candidate| Some(candidate) == place);
                self.check_told(at, act, |candidate| Some(candidate) == place);
            }
            Act::StartInstaller(_) => {
                self.check_out(at, act);
                self.check_entries(at, act);
                self.check_sessions(at, act, |_| true);
                self.check_told(at, act, |_| true);
            }
            Act::Restart { .. } => {
                self.check_out(at, act);
                self.check_entries(at, act);
                self.check_sessions(at, act, |_| true);
                self.check_told(at, act, |_| true);
                self.check_start_types(at);
            }
            Act::SetBalancer { .. } | Act::SetStartType { .. } | Act::Continue { .. } | Act::Start { .. } => {}
        }
        self.check_window(at, act);
    }

    /// P4: nothing is sent to a machine that is patched or restarted, by no backend of no balancer. What other people have
    /// set there is not ours.
    fn check_entries(&mut self, at: usize, act: &Act) {
        let machine = &self.machines[at];
        if !self.has_balancer(at) || self.oracle.foreign_admins.contains_key(&at) {
            return;
        }
        let open: Vec<usize> =
            (0..machine.admin.len()).filter(|backend| machine.admin[*backend] == BalancerState::Ready).collect();
        let unnamed = self.pools[machine.pool].balancer.unnamed;
        if open.is_empty() && !unnamed {
            return;
        }
        let by = if open.is_empty() { "a backend that the plan does not name".to_owned() } else { format!("{open:?}") };
        let (now, name) = (self.now, machine.name.clone());
        self.oracle.breach("P4", now, format!("{name}: {act}, although traffic comes by way of {by}"));
    }

    /// P1: an act on one machine in the balancer reaches another one.
    pub(crate) fn oracle_hits(&mut self, at: usize, hit: usize, to: BalancerState) {
        let (now, meant, other) = (self.now, self.machines[at].name.clone(), self.machines[hit].name.clone());
        self.oracle.breach("P1", now, format!("{other} is set to {to} in the balancer, {meant} was meant"));
    }

    /// P1 and P2: the others must be able to take over when a machine goes out by our hand.
    fn check_out(&mut self, at: usize, act: &Act) {
        let machine = &self.machines[at];
        let matters = match act {
            Act::Pause { service } | Act::Stop { service } => {
                machine.service(service).is_some_and(|place| machine.services[place].serving)
            }
            Act::SetBalancer { .. } => self.has_balancer(at),
            _ => true,
        };
        if !machine.serves() || !matters {
            return;
        }
        let now = self.now;
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        let others = self.others(at);
        let out: Vec<usize> = others.iter().copied().filter(|other| self.counts_as_out(*other)).collect();
        let most = self.change.maintenance.at_once as usize;
        // The plan may take what is known to be dead out of the budget, and of nothing else.
        let counted: Vec<usize> = out.iter().copied().filter(|other| !self.is_beside_budget(*other)).collect();
        if counted.len() >= most {
            broken.push(("P1", format!("{} are out already, at most {most} may", self.names(&counted))));
        }
        if out.len() == others.len() && !others.is_empty() {
            broken.push(("P1", "it is the last one that serves".to_owned()));
        }
        broken.extend(self.shared_budgets(at));
        broken.extend(self.quorum(at, &out));
        broken.extend(self.domains(at, &counted));
        broken.extend(self.coverage(at));
        // Before a stop the server is out already, but for somebody who has just brought it back.
        if matches!(act, Act::Pause { .. } | Act::SetBalancer { .. }) {
            broken.extend(self.unknown_others(at, &others, &out));
        }
        if self.has_balancer(at) && !others.iter().any(|other| !self.lacks(*other)) {
            broken.push(("P2", "nothing is left behind the balancer".to_owned()));
        }
        let pool = self.machines[at].pool;
        if self.narrow(pool).is_some_and(|(machine, since)| machine == at && since <= now - GUARD_AGE) {
            broken.push(("P1", "clients that begin find no other server".to_owned()));
        }
        let pool = &self.pools[pool];
        // With another one of ours out nobody can tell whose doing it is.
        let ours = others.iter().any(|other| self.oracle.is_out(*other));
        if pool.quorum.is_some() && !ours && pool.busy.0 <= now - GUARD_AGE && now < pool.busy.1 {
            broken.push(("P2", "the product says Busy".to_owned()));
        }
        let name = self.machines[at].name.clone();
        for (promise, why) in broken {
            self.oracle.breach(promise, now, format!("{name}: {act}, although {why}"));
        }
    }

    fn others(&self, at: usize) -> Vec<usize> {
        let pool = &self.pools[self.machines[at].pool];
        pool.machines.iter().copied().filter(|other| *other != at).collect()
    }

    fn names(&self, machines: &[usize]) -> String {
        let said = |at: &usize| {
            let machine = &self.machines[*at];
            let stopped = machine.services.iter().filter(|s| s.serving && s.state != RunState::Running);
            let stopped: Vec<String> = stopped.map(|s| format!("{} {}", s.name, s.state)).collect();
            format!(
                "{} (up {}, {}, since {:?})",
                machine.name.short(),
                machine.up,
                stopped.join(" "),
                machine.out_since
            )
        };
        machines.iter().map(said).collect::<Vec<_>>().join(", ")
    }

    /// Whether a machine is out, and somebody who looked in time knows it.
    fn counts_as_out(&self, at: usize) -> bool {
        self.machines[at].out_since.is_some_and(|(since, by)| by == By::Us || since <= self.now - GUARD_AGE)
    }

    /// Whether a machine has been behind the balancer at no time that a guard may have seen.
    fn lacks(&self, at: usize) -> bool {
        !self.is_behind_balancer(at) && self.counts_as_out(at)
    }

    pub(crate) fn has_balancer(&self, at: usize) -> bool {
        let pool = &self.change.pools[self.machines[at].pool];
        matches!(pool.load_balancing.balancer, Balancer::Haproxy(_))
    }

    fn shared_budgets(&self, at: usize) -> Vec<(&'static str, String)> {
        let own = &self.change.pools[self.machines[at].pool];
        let shared = self.change.budgets.iter().filter(|budget| own.labels.contains(&budget.label));
        let over = shared.filter_map(|budget| {
            let labelled = |at: &usize| self.change.pools[self.machines[*at].pool].labels.contains(&budget.label);
            let out: Vec<usize> = (0..self.machines.len())
                .filter(|other| *other != at && labelled(other) && self.counts_as_out(*other))
                .filter(|other| !self.is_beside_budget(*other))
                .filter(|other| self.machines[*other].pool == self.machines[at].pool || !self.is_only_drained(*other))
                .collect();
            let over = out.len() >= budget.at_once as usize;
            over.then(|| ("P1", format!("{} of {} are out, {} may", self.names(&out), budget.label, budget.at_once)))
        });
        over.collect()
    }

    /// Whether nothing but its balancer keeps a machine from serving, and not by the run's hand. The balancers of other
    /// pools are not asked about shared budgets: the limits of P1 say so.
    fn is_only_drained(&self, at: usize) -> bool {
        let machine = &self.machines[at];
        let runs = machine.up && machine.services.iter().filter(|s| s.serving).all(|s| s.state == RunState::Running);
        runs && !machine.is_admitted() && !self.oracle.is_out(at)
    }

    fn quorum(&self, at: usize, out: &[usize]) -> Option<(&'static str, String)> {
        let pool = &self.pools[self.machines[at].pool];
        let (need, of_first) = pool.quorum?;
        let registrar = |at: usize| self.machines[at].services.iter().find(|service| service.name.as_str() == "RTCSRV");
        registrar(at).filter(|service| service.scope)?;
        let runs = |at: usize| registrar(at).is_some_and(|service| service.state == RunState::Running);
        let counted = pool.machines.iter().take(of_first);
        let left = counted.filter(|other| **other != at && (runs(**other) || !out.contains(other))).count();
        (left < need).then(|| ("P1", format!("{left} of the first {of_first} stay, {need} must")))
    }

    fn domains(&self, at: usize, out: &[usize]) -> Option<(&'static str, String)> {
        let pool = &self.change.pools[self.machines[at].pool];
        self.pools[self.machines[at].pool].quorum?;
        let domain = |at: usize| pool.server(&self.machines[at].name).and_then(|s| s.upgrade_domain.clone());
        let other = out.iter().find(|other| domain(**other) != domain(at))?;
        Some(("P1", format!("{} of another upgrade domain is out", self.machines[*other].name)))
    }

    /// DNS has to list every server, and another server has to run each DNS-dependent service.
    fn coverage(&self, at: usize) -> Vec<(&'static str, String)> {
        let described = &self.change.pools[self.machines[at].pool];
        let pool = &self.pools[self.machines[at].pool];
        let mut broken = Vec::new();
        for feature in Feature::ALL {
            let here = self.machines[at].services.iter().any(|service| {
                service.scope && service.name.as_str() == feature.service() && service.state != RunState::Stopped
            });
            if !here || self.change.accepts_loss(described, feature) {
                continue;
            }
            // Who is out takes nothing over, and is not missed.
            let missed = |(machine, since): &(&usize, &crate::world::Ms)| {
                **since <= self.now - GUARD_AGE && !self.oracle.is_out(**machine) && !self.is_away(**machine)
            };
            let gone = pool.missing.iter().flatten().find(missed);
            if described.load_balancing.sip != SipBalancing::Dns {
                broken.push(("P2", format!("{feature} is not balanced by DNS")));
            } else if let Some((machine, _)) = gone {
                let name = &self.machines[*machine].name;
                broken.push(("P2", format!("{feature} is not covered: the record of {name} is gone")));
            }
            let runs = |other: &usize| {
                let machine = &self.machines[*other];
                machine.services.iter().any(|s| s.name.as_str() == feature.service() && s.state == RunState::Running)
                    || !self.counts_as_out(*other)
            };
            if !self.others(at).iter().any(runs) {
                broken.push(("P2", format!("{feature} is not covered: no other server runs it")));
            }
        }
        broken
    }

    /// P4: sessions that were there long enough to be seen are gone, or cut as the plan says and counted.
    fn check_sessions(&mut self, at: usize, act: &Act, concerns: impl Fn(usize) -> bool) {
        let now = self.now;
        let machine = &self.machines[at];
        let mut left = Vec::new();
        let mut uncounted = Vec::new();
        let of_scope = machine.services.iter().enumerate().filter(|(place, s)| concerns(*place) && s.scope);
        for (_, service) in of_scope.filter(|(place, service)| !self.was_waited_for(at, *place, service)) {
            let there = service.sessions_older(now, LOOK_AGE);
            let counted = self.oracle.cut.get(&(at, service.name.as_str().to_owned())).copied().unwrap_or_default();
            if there > 0 && !self.may_cut(at, service) {
                left.push(format!("{} has {there}", service.name));
            } else if there > counted {
                uncounted.push(format!("{} has {there}, the report says {counted}", service.name));
            }
        }
        let name = machine.name.clone();
        if !left.is_empty() {
            self.oracle.breach("P4", now, format!("{name}: {act} cuts sessions: {}", left.join(", ")));
        }
        if !uncounted.is_empty() {
            let text = format!("{name}: {act} cuts more sessions than were counted: {}", uncounted.join(", "));
            self.oracle.breach("P4", now, text);
        }
    }

    /// Whether the plan lets the sessions of a service be cut, and the run has said that it does.
    pub(super) fn may_cut(&self, at: usize, service: &crate::world::Service) -> bool {
        let drain = &self.change.maintenance.drain;
        let said = self.oracle.cut.contains_key(&(at, service.name.as_str().to_owned()));
        let own = drain.per_service.get(&service.name).map_or(drain.at_deadline, |own| own.at_deadline);
        said && matches!(own, AtDeadline::Cut | AtDeadline::Ask)
    }

    /// P5: what is restarted must not take connections by itself.
    fn check_start_types(&mut self, at: usize) {
        if self.change.maintenance.start_type == StartTypePolicy::Keep {
            return;
        }
        let now = self.now;
        let machine = &self.machines[at];
        let by_itself = machine.services.iter().enumerate().find(|(place, service)| {
            let foreign = self.oracle.foreign.get(&(at, *place)).is_some_and(|foreign| foreign.at > now - LOOK_AGE);
            service.scope && service.comes_up() && !foreign
        });
        if let Some((_, service)) = by_itself {
            let text = format!("{} is restarted while {} starts by itself", machine.name, service.name);
            self.oracle.breach("P5", now, text);
        }
    }

    /// P9: nothing but the way back is done outside the window.
    fn check_window(&mut self, at: usize, act: &Act) {
        let Some(open) = &self.oracle.open else { return };
        let now = self.now;
        let inside = open.iter().any(|(opens, closes)| *opens <= now && now <= closes + LOOK_AGE);
        let begun = self.oracle.installs.get(&at).copied().unwrap_or_default() > 0;
        let name = self.machines[at].name.clone();
        match act {
            Act::Pause { .. } | Act::Stop { .. } | Act::Restart { .. } | Act::StartInstaller(_) => {
                if !inside && !begun {
                    self.oracle.breach("P9", now, format!("{name}: {act} outside the window"));
                }
            }
            Act::SetStartType { .. } | Act::Continue { .. } | Act::Start { .. } | Act::SetBalancer { .. } => {}
        }
    }

    /// P6: an installer really starts.
    pub(crate) fn oracle_installs(&mut self, at: usize, number: usize) {
        let now = self.now;
        let name = self.machines[at].name.clone();
        *self.oracle.installs.entry(at).or_default() += 1;
        if self.machines[at].restart_due {
            self.oracle.breach("fit", now, format!("{name}: the installer is started while a restart is due"));
        }
        self.oracle.installs_now(at, now);
        if self.oracle.installed.get(&(at, number)).copied().unwrap_or_default() > 0 {
            self.oracle.breach("P6", now, format!("{name}: the installer is started again after it had ended well"));
        }
        if let Some(before) = self.missing_before(at, number) {
            let text = format!("{name}: installer {number} is started, and {before} before it has not ended well");
            self.oracle.breach("order", now, text);
        }
        let running = self.machines[at].installers.values().filter(|i| **i == crate::world::Installer::Running).count();
        if running > 1 {
            self.oracle.breach("P6", now, format!("{name}: two installers run at once"));
        }
    }

    /// Returns an installer that belongs before another one and has not ended well. One whose level is there is passed over.
    fn missing_before(&self, at: usize, number: usize) -> Option<usize> {
        let machine = &self.machines[at];
        let has_level = |number: usize| {
            let patch = self.change.maintenance.installers.get(number);
            number == self.leveling() && machine.patched && patch.is_some_and(|patch| patch.level.is_some())
        };
        (0..number).find(|before| !machine.brought.contains(before) && !has_level(*before))
    }

    /// P6: a restart really begins.
    pub(crate) fn oracle_restarts(&mut self, at: usize) {
        let now = self.now;
        let booted = self.machines[at].booted;
        let before = self.oracle.restarts.entry(at).or_default();
        let again = before.iter().any(|asked| booted > *asked);
        before.push(now);
        if again {
            let name = self.machines[at].name.clone();
            self.oracle.breach("P6", now, format!("{name} is restarted again after its restart"));
        }
    }
}

impl Oracle {
    /// A new installation makes a new restart right.
    pub(crate) fn forget_restarts(&mut self, at: usize) {
        self.restarts.remove(&at);
    }
}
