//! What is known of the work on one server.

use super::*;

/// The state of one server's work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkState {
    /// When its first step began.
    pub started: Option<Timestamp>,
    /// How the server was before the first change.
    pub snapshot: Option<Snapshot>,
    /// How the server was before the first change of an earlier start that ended with it.
    pub earlier: Option<Snapshot>,
    /// Whether an act on it was ever intended.
    pub touched: bool,
    /// Whether its gate proved that it is back in service, and nothing was begun since but the soak.
    pub proven_back: bool,
    /// When its gate last proved that.
    pub proven_at: Option<Timestamp>,
    /// The tokens under which an installer was started or may have been, with how often it was asked for.
    pub tokens: BTreeMap<InstallerToken, u32>,
    /// Which of the installers is in hand, counted from 0.
    pub in_hand: u32,
    /// How the installers before the one in hand ended, each of them well. A later pass runs none of them again.
    pub installed_before: BTreeMap<u32, (i64, ExitMeaning)>,
    /// Which of these has asked for a restart that is not proven yet, and when it ended.
    pub owed: Option<(i64, ExitMeaning, Timestamp)>,
    /// How many tokens stand for starts of the installers before the one in hand.
    pub tokens_before: usize,
    /// The token in hand.
    pub token: Option<InstallerToken>,
    /// How the installer in hand ended.
    pub installer: Option<(i64, ExitMeaning)>,
    /// When the token in hand was first used.
    pub token_since: Option<Timestamp>,
    /// When the last installer ended.
    pub installer_ended: Option<Timestamp>,
    /// How many of the tokens stand for an installer that gave up at once, because another one was running.
    pub gave_up_busy: usize,
    /// What else has to be kept in mind.
    pub marks: BTreeSet<Mark>,
    /// Each restart that was asked for.
    pub restarts: Vec<RestartAsked>,
    /// Why the last restart was refused, if it was said to be.
    pub restart_refused: Option<String>,
    /// Why nobody knows whether the last restart was accepted, where nobody does.
    pub restart_unknown: Option<String>,
    /// The boot time before the installer in hand was started.
    pub booted_before: Option<Timestamp>,
    /// The boot that proves the restart that was asked for last, or that the installer began.
    pub restart_proven: Option<Timestamp>,
    /// How many restarts were asked for before the installer in hand was started.
    pub restarts_before: usize,
    /// Every boot that proved a restart.
    pub boots: BTreeSet<Timestamp>,
    /// How often steps were done again.
    pub reopened: u32,
    /// How often it was brought back again because something had changed since.
    pub mended: u32,
    /// How often each service was blocked again.
    pub reasserted: BTreeMap<ServiceName, u32>,
    /// Sessions cut.
    pub cut: BTreeMap<ServiceName, u64>,
    /// Services whose sessions the drain in hand has given up. Another drain waits for sessions anew.
    pub given_up: BTreeSet<ServiceName>,
    /// When a person has given the drain in hand more time, and how much.
    pub extended: Option<(Timestamp, SignedDuration)>,
    /// How many sessions of the drain in hand a person has counted and wants cut.
    pub to_cut: Option<u64>,
    /// When a service was last blocked again.
    pub blocked_again: Option<Timestamp>,
    /// What was passed over of the patch and its proof, and why: such a server is not done.
    pub passed_over: Option<Why>,
    /// Why it goes back without the rest of its steps.
    pub back: Option<Why>,
    /// Why it is held.
    pub held: Option<Hold>,
    /// Whether the operator accepted the state it was found in.
    pub accepted_as_found: bool,
    /// How often its held step was tried again by decision of the plan.
    pub retries: u32,
    /// How it ended.
    pub end: Option<ServerEnd>,
    /// What the final sweep found. `None`: not swept.
    pub swept: Option<Vec<String>>,
    /// Why the final sweep could not look at it, where it could not.
    pub unseen: Option<String>,
    /// What the work on it leaves for a person to look at.
    pub left_over: BTreeSet<String>,
    /// Why its pool cannot do without it at present, and since when.
    pub alarm: Option<Alarm>,
    /// Every alarm there was, in words.
    pub alarms: Vec<String>,
    /// How often it was given back to its pool and put off.
    pub put_off: u32,
    /// How often what was set in the balancer was undone.
    pub balancer_undone: u32,
    /// How often in all, whoever decided in between.
    pub balancer_undone_in_all: u32,
    /// How often start types that were set to Manual were set back.
    pub start_types_undone: u32,
    /// When a restart by another hand was last noticed in a drain, and the boot time.
    pub rebooted: Option<(Timestamp, Timestamp)>,
    /// Sessions that restarts by another hand have ended.
    pub ended_by_restart: BTreeMap<ServiceName, u64>,
    /// Sessions that ended because another hand has stopped their service, as last counted.
    pub ended_by_stop: BTreeMap<ServiceName, u64>,
    /// Services that were stopped in a drain, and not by this run, and whose sessions were not counted.
    pub stopped_uncounted: BTreeSet<ServiceName>,
    /// Whose lease of it was taken over, the last one where there were several.
    pub taken_over: Option<Lease>,
    /// What is installed since its verify step.
    pub installed: Option<Vec<ComponentVersion>>,
    /// What was installed at the end of the run. `None`: not read.
    pub level: Option<Answer<Vec<ComponentVersion>>>,
}

/// Something to be kept in mind about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A person has said that an installer that left no result may be started again.
    StartAnew,
    /// A person has taken it out of the balancer, or was asked to.
    OutByHand,
    /// The run has put it back into the balancer that it drives, or was about to.
    BackInBalancer,
    /// An earlier pass has started an installer without a good end, or one that asks for a restart.
    HalfDone,
    /// A restart by another hand has ended sessions that nobody had counted.
    UncountedRestart,
    /// It was changed and given back to its pool before it began again.
    GivenBack,
    /// A start of the installer under the token in hand was not refused.
    StartTaken,
    /// It goes first in its pool, and a person has said that the others may follow.
    Followed,
    /// It was done, and is only brought back as it was recorded, because the last look has found it otherwise.
    Finished,
}

/// Why a pool cannot do without a server that is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub why: String,
}

/// A restart that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartAsked {
    /// When.
    pub at: Timestamp,
    /// The boot time that it is to change.
    pub booted: Timestamp,
}

/// A held server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    pub since: Timestamp,
    /// The step in hand.
    pub step: StepId,
    /// Why, as one of the causes that have a page.
    pub cause: orchestrate_model::hold::HoldCause,
    /// What is known.
    pub reason: String,
    /// What the operator can choose.
    pub choices: Vec<HoldChoice>,
}

impl RunState {
    /// Returns the step that a server has in hand: the first of its chain that has not ended.
    pub(crate) fn step_in_hand(&self, plan: &Plan, position: usize, chain: &[StepId]) -> Option<StepId> {
        let back = self.work[position].back.is_some();
        let counts = |step: &StepId| !back || Record::return_path().contains(&plan.steps()[step.0 as usize].kind);
        chain.iter().copied().filter(counts).find(|step| !self.steps[step.0 as usize].is_ended())
    }
}

impl WorkState {
    /// Returns whether an installer was started on the server, or may have been.
    #[must_use]
    pub fn patch_started(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Returns how often the installer in hand was started, or may have been.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.tokens.len() - self.tokens_before
    }

    /// Returns how the installers ended of which that is known, by their number.
    pub fn results(&self) -> impl Iterator<Item = (u32, i64, ExitMeaning)> {
        let before = self.installed_before.iter().map(|(number, (code, meaning))| (*number, *code, *meaning));
        before.chain(self.installer.map(|(code, meaning)| (self.in_hand, code, meaning)))
    }

    /// Returns which installer asks for a restart, and when it ended: the one in hand, or else one before it whose restart is
    /// still owed.
    #[must_use]
    pub fn asks_for_restart(&self) -> Option<(i64, ExitMeaning, Timestamp)> {
        let own = self.installer.filter(|(_, meaning)| meaning.asks_for_restart()).zip(self.installer_ended);
        own.map(|((code, meaning), ended)| (code, meaning, ended)).or(self.owed)
    }

    /// Takes an installer in hand, once those before it have ended well. Nothing that was passed over is followed by another.
    pub(super) fn take_in_hand(&mut self, number: u32) {
        let is_open = self.token.is_some() && self.installer.is_none();
        let is_bad = self.installer.is_some_and(|(_, meaning)| !meaning.is_good());
        if number <= self.in_hand || self.passed_over.is_some() || is_open || is_bad {
            return;
        }
        if self.restart_proven.is_none() {
            self.owed = self.asks_for_restart();
        }
        self.installed_before.extend(self.installer.take().map(|ended| (self.in_hand, ended)));
        (self.in_hand, self.tokens_before) = (number, self.tokens.len());
        (self.token, self.token_since, self.installer_ended, self.booted_before) = (None, None, None, None);
        for mark in [Mark::StartTaken, Mark::StartAnew] {
            self.marks.remove(&mark);
        }
    }

    /// Returns the restarts that were asked for since the installer in hand was started: no other one counts for it.
    #[must_use]
    pub fn restarts_since_patch(&self) -> &[RestartAsked] {
        self.restarts.get(self.restarts_before..).unwrap_or_default()
    }

    /// Returns how often the server was proven to be restarted, when it was asked to and by its installer: by its boot
    /// times, each of which is computed anew at every look and moves a little.
    #[must_use]
    pub fn restarted(&self) -> usize {
        let mut last: Option<Timestamp> = None;
        let mut count = 0;
        for boot in &self.boots {
            if last.is_none_or(|last| boot.duration_since(last) > BOOT_MOVES) {
                count += 1;
            }
            last = Some(*boot);
        }
        count
    }

    /// Returns whether a restart was asked for since the installer in hand was started, and is not proven yet.
    #[must_use]
    pub fn awaits_restart(&self) -> bool {
        !self.restarts_since_patch().is_empty() && self.restart_refused.is_none() && self.restart_proven.is_none()
    }

    /// Returns how often a restart was asked for, or begun by the installer as it says.
    #[must_use]
    pub fn restarts_asked(&self) -> usize {
        let begun = self.results().filter(|(_, _, meaning)| *meaning == ExitMeaning::RestartStarted).count();
        self.restarts.len() + begun
    }

    /// Returns how the server has to be at the end, when the run has ever changed it.
    #[must_use]
    pub fn as_recorded(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref().filter(|_| self.touched).or(self.earlier.as_ref())
    }

    /// Returns whether it was not begun because another control host works on its pool.
    #[must_use]
    pub fn is_held_elsewhere(&self) -> bool {
        let why = match (&self.end, &self.back) {
            (Some(ServerEnd::Untouched { why } | ServerEnd::Returned { why }), _) | (None, Some(why)) => Some(why),
            (Some(_), _) | (None, None) => None,
        };
        why.is_some_and(|why| why.kind == WhyKind::Elsewhere)
    }

    /// The final sweep found this, or why it found nothing.
    #[expect(clippy::fn_params_excessive_bools, reason = "as the record has it")]
    pub(super) fn seen_last(&mut self, differences: &[String], unseen: bool) {
        self.swept = Some(differences.to_vec());
        self.unseen = unseen.then(|| differences.join("; "));
    }

    /// A service took work again, and is blocked again.
    pub(super) fn blocked_again(&mut self, at: Timestamp, service: &ServiceName) {
        *self.reasserted.entry(service.clone()).or_default() += 1;
        self.blocked_again = Some(at);
        // It may have new sessions, and nobody has given those up.
        self.given_up.remove(service);
    }

    /// Sessions were cut: the drain in hand has given them up.
    pub(super) fn sessions_cut(&mut self, sessions: &BTreeMap<ServiceName, u64>) {
        self.to_cut = None;
        for (name, count) in sessions {
            *self.cut.entry(name.clone()).or_default() += count;
            self.given_up.insert(name.clone());
        }
    }

    /// Another hand has put it back into the balancer.
    pub(super) fn undone_at_balancer(&mut self) {
        self.balancer_undone += 1;
        self.balancer_undone_in_all += 1;
    }

    /// Sessions that a restart ended did not end by themselves.
    pub(super) fn rebooted_at(
        &mut self,
        at: Timestamp,
        booted: Timestamp,
        sessions: &Answer<BTreeMap<ServiceName, u64>>,
    ) {
        self.rebooted = Some((at, booted));
        match sessions {
            Answer::Known(sessions) => {
                for (name, count) in sessions {
                    *self.ended_by_restart.entry(name.clone()).or_default() += count;
                }
            }
            Answer::Unknown(_) => drop(self.marks.insert(Mark::UncountedRestart)),
        }
    }

    /// Sessions that the stop of a service ended did not end by themselves.
    pub(super) fn stopped_by_others(
        &mut self,
        sessions: &BTreeMap<ServiceName, u64>,
        uncounted: &BTreeSet<ServiceName>,
    ) {
        self.stopped_uncounted.extend(uncounted.iter().cloned());
        for (name, count) in sessions {
            *self.ended_by_stop.entry(name.clone()).or_default() += count;
        }
    }

    /// Returns whether something has to be kept in mind.
    #[must_use]
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    /// Returns whether the server counts as failed for `stop_when`: it ended so, is on its way there, or another control host
    /// has it.
    #[must_use]
    pub fn counts_as_failed(&self) -> bool {
        let going = self.end.is_none() && self.back.as_ref().is_some_and(|why| why.kind == WhyKind::Failed);
        going || self.is_held_elsewhere() || self.end.as_ref().is_some_and(ServerEnd::is_failure)
    }

    /// Returns whether anything was changed on the server or in front of it.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.touched || self.has(Mark::OutByHand)
    }

    /// Returns whether the server may be out of service on our account.
    #[must_use]
    pub fn is_out(&self) -> bool {
        match &self.end {
            None => self.is_changed() && !self.proven_back,
            Some(ServerEnd::Out { .. }) => true,
            Some(
                ServerEnd::Finished
                | ServerEnd::NothingToDo { .. }
                | ServerEnd::LeftOut { .. }
                | ServerEnd::Untouched { .. }
                | ServerEnd::Returned { .. },
            ) => false,
        }
    }

    /// Returns whether the work has begun and not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.started.is_some() && self.end.is_none()
    }
}
