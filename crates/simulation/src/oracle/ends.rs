//! What the oracle checks when a run says that it has ended.

use super::LOOK_AGE;
use crate::world::{MINUTE, World};
use orchestrate_model::RunState;

impl World {
    /// Says what of a machine that the run has changed is not as it was.
    pub(crate) fn not_back(&self, at: usize) -> Vec<String> {
        let Some(baseline) = self.oracle.baselines.get(&at) else { return Vec::new() };
        let machine = &self.machines[at];
        if !machine.up {
            return vec!["it is down".to_owned()];
        }
        let mut found = Vec::new();
        for (place, service) in machine.services.iter().enumerate().filter(|(_, service)| service.touchable) {
            let (state, start) = baseline.services[place];
            let foreign = self.oracle.foreign.get(&(at, place));
            let started = foreign.is_some_and(|foreign| foreign.starts.contains(&service.start));
            if service.start != start && !started {
                found.push(format!("the start type of {} is {}, it was {start}", service.name, service.start));
            }
            // Whoever changes a start type answers for what the next restart makes of it.
            let fell = |foreign: &super::Foreign| !foreign.starts.is_empty() && service.state == RunState::Stopped;
            let running = service.state == RunState::Running;
            let stated = foreign.is_some_and(|foreign| {
                let seen = foreign.states.contains(&service.state) && (foreign.last || running);
                seen || fell(foreign)
            });
            // A service that was found paused and serves again is somebody else's, or came up with its server.
            let more = state == RunState::Paused && service.state == RunState::Running;
            // One that was found with start type Manual stays down when its server restarts later.
            let later = self.oracle.ended_at.get(&at).is_some_and(|ended| machine.booted > *ended);
            let fallen =
                later && service.state == RunState::Stopped && start.mode != orchestrate_model::StartMode::Automatic;
            if service.state != state && state.is_settled() && state != RunState::Stopped && !stated && !more && !fallen
            {
                found.push(format!("{} is {}, it was {state}", service.name, service.state));
            }
        }
        let theirs = self.oracle.foreign_admins.get(&at);
        for (backend, (state, before)) in machine.admin.iter().zip(&baseline.admin).enumerate() {
            if state != before && !theirs.is_some_and(|theirs| theirs.values.contains(state)) {
                found.push(format!("the balancer has it as {state} in backend {backend}, it was {before}"));
            }
        }
        found
    }

    /// Whether something happened to a machine so shortly ago that a last look may not have shown it.
    fn just_changed(&self, at: usize) -> bool {
        let swept = self.oracle.swept.get(&at).map_or(self.now, |(at, _)| *at);
        let recent = swept - LOOK_AGE;
        let machine = &self.machines[at];
        let foreign = self.oracle.foreign.range((at, 0)..=(at, usize::MAX)).any(|(_, foreign)| foreign.at > recent);
        // After a restart the delayed services come up within minutes.
        let starting = self.now - machine.booted < 6 * MINUTE && machine.booted > recent - 6 * MINUTE;
        let out = machine.out_since.is_some_and(|(since, _)| since > recent);
        let balanced = self.oracle.foreign_admins.get(&at).is_some_and(|foreign| foreign.at > recent);
        foreign || balanced || machine.booted > recent || machine.going_down || starting || out
    }

    /// P8: what a run says of its servers when it ends is true.
    pub(crate) fn check_end(&mut self) {
        let now = self.now;
        let Some(outcome) = self.oracle.outcome.clone() else { return };
        let all_back =
            matches!(outcome.as_str(), "done" | "to_be_looked_at" | "partly_done" | "recovered" | "stopped_by_window");
        let touched: Vec<usize> = self.oracle.baselines.keys().copied().collect();
        for at in touched {
            let found = self.not_back(at);
            if found.is_empty() || self.just_changed(at) {
                continue;
            }
            let said_same = self.oracle.swept.get(&at).map(|(_, same)| *same);
            let name = self.machines[at].name.clone();
            let text = found.join(", ");
            if all_back {
                self.oracle.breach("P8", now, format!("the run ended as {outcome}, but {name} is not back: {text}"));
            } else if said_same == Some(true) {
                self.oracle.breach("P8", now, format!("{name} was said to be as it was, but {text}"));
            } else if said_same.is_none() && outcome != "interrupted" && outcome != "bug" {
                self.oracle.breach("P8", now, format!("nothing was said of {name}, which is not back: {text}"));
            }
        }
        if outcome == "done" || outcome == "recovered" {
            self.check_owed(&outcome);
        }
        if outcome == "done" {
            self.check_all_serve();
            let present = self.oracle.work.iter().copied().filter(|at| !self.is_away(*at) && !self.is_left(*at));
            let unpatched: Vec<usize> = present.filter(|at| !self.is_patched(*at)).collect();
            for at in unpatched {
                let text = format!("the run ended as done, but {} is not patched", self.machines[at].name);
                self.oracle.breach("P8", now, text);
            }
            self.check_one_level();
            self.check_whole();
            self.check_not_lower();
        }
        self.check_all_mentioned(&outcome);
    }

    /// P8: a run that knows of a restart that an installer wants, and that nobody made, does not end as if all were well.
    fn check_owed(&mut self, outcome: &str) {
        let now = self.now;
        let owing = self.oracle.owed.iter().copied().find(|at| self.machines[*at].wants_restart);
        if let Some(at) = owing {
            let text = format!(
                "the run ended as {outcome}, but {} still needs the restart of its installer",
                self.machines[at].name
            );
            self.oracle.breach("P8", now, text);
        }
    }

    /// P8: what is called done has no component below the level, where the level is one version.
    fn check_whole(&mut self) {
        let one = self.change.maintenance.levels().any(|level| matches!(level, orchestrate_model::Level::Highest(_)));
        let left =
            self.oracle.work.iter().copied().find(|at| self.machines[*at].patched && self.machines[*at].left_out);
        if let Some(at) = left.filter(|_| one) {
            let now = self.now;
            let text = format!("the run ended as done, but {} has a component below the level", self.machines[at].name);
            self.oracle.breach("P8", now, text);
        }
    }

    /// P8: what is called done has no component that is older than before: whatever the installer said, that is no patch.
    fn check_not_lower(&mut self) {
        if let Some(at) = self.oracle.work.iter().copied().find(|at| self.machines[*at].lowered && self.can_fall()) {
            let now = self.now;
            let text =
                format!("the run ended as done, but {} has an older component than before", self.machines[at].name);
            self.oracle.breach("P8", now, text);
        }
    }

    /// Whether there is a version below the one from before the patch.
    fn can_fall(&self) -> bool {
        self.levels[0].parts() > 2
    }

    /// P8: what is called done leaves every server of its pools in service, as far as a last look can have shown it.
    fn check_all_serve(&mut self) {
        let now = self.now;
        let out = |at: &usize| self.machines[*at].out_since.is_some_and(|(since, _)| since < now - 2 * LOOK_AGE);
        let pools: Vec<usize> = self.oracle.baselines.keys().map(|at| self.machines[*at].pool).collect();
        let of_pools = |at: &usize| pools.contains(&self.machines[*at].pool) && !self.is_away(*at);
        let absent: Vec<usize> = (0..self.machines.len()).filter(of_pools).filter(out).collect();
        for at in absent {
            let text = format!("the run ended as done, but {} does not serve", self.machines[at].name);
            self.oracle.breach("P8", now, text);
        }
    }

    /// P8: what is called done has the servers of each pool at one level.
    fn check_one_level(&mut self) {
        if self.change.maintenance.installers.is_empty() {
            return;
        }
        let now = self.now;
        let work: Vec<usize> =
            self.oracle.work.iter().copied().filter(|at| !self.is_away(*at) && !self.is_left(*at)).collect();
        let installed =
            |at: usize| (self.machines[at].patched, self.machines[at].patched && self.machines[at].left_out);
        let differ = |(one, other): (&usize, &usize)| {
            self.machines[*one].pool == self.machines[*other].pool && installed(*one) != installed(*other)
        };
        let pair = work.iter().zip(work.iter().skip(1)).find(|(one, other)| differ((one, other)));
        if let Some((one, other)) = pair {
            let (one, other) = (&self.machines[*one].name, &self.machines[*other].name);
            let text = format!("the run ended as done, but {one} and {other} are not at one level");
            self.oracle.breach("P8", now, text);
        }
    }

    /// P8: every server that was changed ended somehow, or the run was stopped at once.
    fn check_all_mentioned(&mut self, outcome: &str) {
        let now = self.now;
        for at in self.oracle.out() {
            let said = self.oracle.ended.contains_key(&at);
            if !said && outcome != "interrupted" && outcome != "bug" {
                let name = self.machines[at].name.clone();
                self.oracle.breach("P8", now, format!("the run ended as {outcome} and says nothing of {name}"));
            }
        }
    }
}
