//! What becomes of the acts of a run.

use super::{Event, Installer, MINUTE, Ms, NEVER, Pace, SECOND, World};
use crate::faults::Fault;
use orchestrate_model::act::InstallerRun;
use orchestrate_model::{Act, ActOutcome, RunState, ServiceName, StartMode};

/// How an act goes on its way to the server and back.
#[derive(Debug, Clone)]
pub(crate) struct Act1 {
    /// Its number, to find what became of it.
    pub(crate) number: u64,
    /// When it takes effect, from now; never if it gets lost.
    pub(crate) lands: Option<Ms>,
    /// When the answer comes; never if it does not.
    pub(crate) answers: Option<Ms>,
    /// What is said instead of the truth.
    pub(crate) said: Option<ActOutcome>,
}

impl World {
    /// Sends an act on its way.
    pub(crate) fn begin_act(&mut self, at: usize, act: &Act, epoch: u32) -> Act1 {
        self.oracle_request(at, act, epoch);
        let now = self.now;
        let way = self.way();
        if let Some(after) = way.lands {
            let event = Event::Land { machine: at, act: act.clone(), epoch, number: way.number };
            if after == 0 { self.land_now(event) } else { self.schedule(now + after, event) }
        }
        way
    }

    fn land_now(&mut self, event: Event) {
        if let Event::Land { machine, act, epoch, number } = event {
            self.land(machine, &act, epoch, number);
        }
    }

    fn way(&mut self) -> Act1 {
        self.order += 1;
        let number = self.order;
        let after = match self.pace {
            Pace::Smooth => 0,
            Pace::Uneven => self.dice.pick(&[0, 0, 0, 200, SECOND, 8 * SECOND, 20 * SECOND]),
        };
        let (mut lands, mut answers, mut said) = (Some(after), Some(after), None);
        if self.happens(Fault::SilentActs) {
            if self.dice.chance(0.5) {
                lands = None;
            }
            if self.dice.chance(0.4) {
                answers = None;
            }
            said = Some(ActOutcome::Unknown("the connection broke".to_owned()));
        } else if self.happens(Fault::MisreportedActs) {
            match self.dice.place(4) {
                0 => said = Some(ActOutcome::Failed("access is denied".to_owned())),
                1 => said = Some(ActOutcome::Retry("the server is busy".to_owned())),
                2 => (lands, said) = (None, Some(ActOutcome::Accepted)),
                _ => (lands, said) = (None, Some(ActOutcome::Failed("the request was refused".to_owned()))),
            }
        }
        Act1 { number, lands, answers, said }
    }

    /// What became of an act, once it has landed.
    pub(crate) fn outcome(&mut self, way: &Act1) -> ActOutcome {
        let truth = self.landed.remove(&way.number);
        way.said.clone().or(truth).unwrap_or_else(|| ActOutcome::Unknown("no answer".to_owned()))
    }

    pub(super) fn land(&mut self, at: usize, act: &Act, epoch: u32, number: u64) {
        let refusal = self.refusal(at, act).filter(|_| self.machines[at].up);
        let outcome = if let Some(refusal) = refusal {
            refusal
        } else if self.machines[at].up || matches!(act, Act::SetBalancer { .. }) {
            if self.changes(at, act) {
                self.oracle_before(at, act);
            }
            self.perform(at, act)
        } else {
            ActOutcome::Retry("the server does not answer".to_owned())
        };
        let now = self.now;
        let name = self.machines[at].name.clone();
        self.log.say(now, || format!("{name} [{epoch}]: {act}: {outcome:?}"));
        if let Some(place) = act.service().and_then(|name| self.machines[at].service(name)) {
            self.oracle.acted(at, place);
        }
        self.note_standing(at, super::By::Us);
        self.landed.insert(number, outcome);
    }

    /// Whether an act changes anything on the machine as it is.
    fn changes(&self, at: usize, act: &Act) -> bool {
        let machine = &self.machines[at];
        let state = |name: &ServiceName| machine.service(name).map(|place| machine.services[place].state);
        match act {
            Act::Pause { service } => state(service) == Some(RunState::Running),
            Act::Continue { service } => state(service) == Some(RunState::Paused),
            Act::Start { service } => state(service) == Some(RunState::Stopped),
            Act::Stop { service } => matches!(state(service), Some(RunState::Running | RunState::Paused)),
            Act::SetStartType { .. } => true,
            Act::StartInstaller(run) => !machine.installers.contains_key(&run.token),
            Act::Restart { booted, .. } => !machine.going_down && self.is_boot(at, self.moment(*booted)),
            Act::SetBalancer { at: place, to, .. } => self.changes_entry(at, place, *to),
        }
    }

    fn is_boot(&self, at: usize, booted: Ms) -> bool {
        let machine = &self.machines[at];
        (machine.booted + machine.skew - booted).abs() <= 60 * SECOND
    }

    fn perform(&mut self, at: usize, act: &Act) -> ActOutcome {
        match act {
            Act::SetBalancer { at: place, to, .. } => self.set_entry(at, place, *to),
            Act::Restart { booted, .. } => {
                let booted = self.moment(*booted);
                if self.machines[at].going_down {
                    return ActOutcome::Joined;
                }
                if !self.is_boot(at, booted) {
                    return ActOutcome::AlreadySo;
                }
                self.oracle_restarts(at);
                if !self.happens(Fault::SkippedRestarts) {
                    self.restart(at, super::By::Us);
                }
                ActOutcome::Accepted
            }
            Act::StartInstaller(run) => self.start_installer(at, run),
            Act::SetStartType { service, to } => match self.machines[at].service(service) {
                Some(place) => {
                    self.machines[at].services[place].start = *to;
                    ActOutcome::Accepted
                }
                None => ActOutcome::Failed(format!("there is no service {service}")),
            },
            Act::Pause { service } | Act::Continue { service } | Act::Start { service } | Act::Stop { service } => {
                match self.machines[at].service(service) {
                    Some(place) => self.control(at, place, act),
                    None => ActOutcome::Failed(format!("there is no service {service}")),
                }
            }
        }
    }

    fn control(&mut self, at: usize, place: usize, act: &Act) -> ActOutcome {
        use RunState::{ContinuePending, PausePending, Paused, Running, StartPending, StopPending, Stopped};
        let service = &self.machines[at].services[place];
        let (state, start) = (service.state, service.start);
        let dependents = service.dependents.clone();
        let quick = self.takes(0, 3 * SECOND);
        let way = match (act, state) {
            (Act::Pause { .. }, Running) => (PausePending, Paused),
            (Act::Continue { .. }, Paused) => (ContinuePending, Running),
            (Act::Start { .. }, Stopped) if start.mode == StartMode::Disabled => {
                return ActOutcome::Failed("the service is disabled".to_owned());
            }
            (Act::Start { .. }, Stopped) => (StartPending, Running),
            (Act::Stop { .. }, Running | Paused) => {
                let still = dependents.iter().find(|name| {
                    let place = self.machines[at].service(name);
                    place.is_some_and(|place| self.machines[at].services[place].state != Stopped)
                });
                if let Some(name) = still {
                    return ActOutcome::Failed(format!("{name} depends on it and is not stopped"));
                }
                (StopPending, Stopped)
            }
            (Act::Pause { .. }, Paused)
            | (Act::Continue { .. } | Act::Start { .. }, Running)
            | (Act::Start { .. }, Paused)
            | (Act::Stop { .. }, Stopped) => return ActOutcome::AlreadySo,
            (_, StartPending | StopPending | ContinuePending | PausePending) => {
                return ActOutcome::Retry(format!("the service is {state}"));
            }
            (_, _) => return ActOutcome::Failed(format!("the service cannot accept it: it is {state}")),
        };
        let mut takes = if way.0 == StartPending { self.takes(10 * SECOND, 3 * MINUTE) } else { quick };
        if way.0 == StartPending && self.happens(Fault::SlowComeback) {
            takes = self.dice.between(20 * MINUTE, 55 * MINUTE);
        }
        self.send(at, place, way, takes);
        ActOutcome::Accepted
    }

    fn takes(&mut self, smooth: Ms, most: Ms) -> Ms {
        match self.pace {
            Pace::Smooth => smooth,
            Pace::Uneven => self.dice.between(0, most),
        }
    }

    /// Returns which of the installers of the change is to be run.
    pub(crate) fn number_of(&self, run: &InstallerRun) -> usize {
        let installers = &self.change.maintenance.installers;
        installers.iter().position(|patch| patch.installer == run.installer).unwrap_or_default()
    }

    /// Returns the installer that raises the level of the product: the one with a level, or else the first.
    pub(crate) fn leveling(&self) -> usize {
        self.change.maintenance.installers.iter().position(|patch| patch.level.is_some()).unwrap_or_default()
    }

    fn start_installer(&mut self, at: usize, run: &InstallerRun) -> ActOutcome {
        match self.machines[at].installers.get(&run.token) {
            Some(Installer::Running) => return ActOutcome::Joined,
            Some(Installer::Finished(_) | Installer::Killed | Installer::Vanished | Installer::NeverRan) => {
                return ActOutcome::AlreadySo;
            }
            None => {}
        }
        self.machines[at].installers.insert(run.token.clone(), Installer::Running);
        let number = self.number_of(run);
        self.machines[at].ran.insert(run.token.clone(), number);
        self.oracle_installs(at, number);
        self.oracle.forget_restarts(at);
        let takes = match self.pace {
            Pace::Smooth => self.dice.between(6 * MINUTE, 14 * MINUTE),
            Pace::Uneven => self.dice.between(SECOND, 14 * MINUTE),
        };
        let now = self.now;
        let (mut code, mut takes) = (self.dice.pick(&[0, 3010, 3010, 1641]), takes);
        if self.happens(Fault::InstallerFails) {
            code = 1603;
        }
        if self.happens(Fault::InstallerBusy) {
            (code, takes) = (1618, SECOND);
        }
        if self.happens(Fault::InstallerHangs) {
            takes = NEVER;
        }
        if self.happens(Fault::InstallerVanishes) {
            let end = if self.dice.chance(0.5) { Installer::Vanished } else { Installer::NeverRan };
            self.machines[at].installers.insert(run.token.clone(), end);
            return ActOutcome::Accepted;
        }
        let limit = Ms::try_from(run.deadline.as_millis()).unwrap_or(NEVER);
        // The server's own task ends an installer at its deadline.
        let (takes, code) = if takes > limit { (limit, None) } else { (takes, Some(code)) };
        self.schedule(now + takes, Event::InstallerEnds { machine: at, token: run.token.clone(), code });
        ActOutcome::Accepted
    }
}
