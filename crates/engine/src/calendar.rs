//! Windows as the run asks about them: no server is begun that could not finish, and none is drained for so long that
//! the rest would not fit (promise P9).

use crate::engine::Engine;
use crate::state::StepState;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::Change;
use orchestrate_model::change::{ExitMeaning, WindowFit};
use orchestrate_planner::StepKind;
use orchestrate_planner::limits::{self, Since};
use orchestrate_planner::windows::{Calendar, Fit, UnknownZone, WindowState};

/// For how long a state of the windows is used again at most. Why a day: without windows the state is looked up years
/// ahead for the next freeze, and what is so far away may be found a day later.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The windows, and what was last found out about them. They are asked about at every input, and as long as a window is
/// open the answer is its end.
#[derive(Debug, Clone)]
pub(crate) struct Hours {
    /// The windows, or why they cannot be read: then nothing is begun.
    calendar: Result<Calendar, UnknownZone>,
    /// Since when and until when, the end not included, a window is known to be open, and how.
    known: Option<(Timestamp, Timestamp, WindowState)>,
}

impl Hours {
    pub(crate) fn of(change: &Change) -> Self {
        Self { calendar: Calendar::new(&change.windows, &change.freezes), known: None }
    }

    /// Looks the windows up, unless what is known of them holds.
    pub(crate) fn look_up(&mut self, now: Timestamp) {
        if self.known_at(now).is_none()
            && let Ok(calendar) = &self.calendar
        {
            let state = calendar.state(now);
            self.known = match state {
                WindowState::Inside { ends } => {
                    let most = now.checked_add(KNOWN_FOR).unwrap_or(Timestamp::MAX);
                    Some((now, ends.map_or(most, |ends| ends.min(most)), state))
                }
                WindowState::Outside { .. } => None,
            };
        }
    }

    fn known_at(&self, now: Timestamp) -> Option<WindowState> {
        self.known.filter(|(from, until, _)| *from <= now && now < *until).map(|(.., state)| state)
    }

    fn fit(&self, now: Timestamp, needs: SignedDuration) -> Result<Fit, String> {
        let calendar = self.calendar.as_ref().map_err(ToString::to_string)?;
        Ok(self.known_at(now).unwrap_or_else(|| calendar.state(now)).fits(now, needs))
    }
}

impl Engine {
    /// Says why a server must not be begun now: it could not finish before the window ends.
    pub(crate) fn does_not_fit(&self, position: usize, now: Timestamp) -> Option<String> {
        let work = &self.plan.work()[position];
        let server = &work.server;
        // Once it was taken in hand, what its first questions took is behind it.
        let begun = self.state.work[position].started.is_some();
        let since = if begun { Since::FirstChange } else { Since::Begin };
        let needs = limits::room(self.plan.change(), &work.block, since) + self.plan.more_soak(work);
        match self.fit(now, needs) {
            Err(why) => Some(why),
            Ok(Fit::Fits { .. }) => None,
            Ok(Fit::TooLong { ends, .. }) => Some(format!(
                "{server} is not begun: {} {needs:#}, and the window ends at {}",
                words(self.plan.change()),
                ends.strftime("%Y-%m-%d %H:%MZ")
            )),
            Ok(Fit::Closed { next }) => Some(format!(
                "{server} is not begun: no window is open; {}",
                next.map_or_else(
                    || "there is no next one".to_owned(),
                    |next| format!("the next one opens at {}", next.starts.strftime("%Y-%m-%d %H:%MZ"))
                )
            )),
        }
    }

    /// Says why a server that is not being patched yet must go back now, or why its soak is cut short: what is left would
    /// overrun the window.
    pub(crate) fn window_closes(&self, position: usize, now: Timestamp) -> Option<String> {
        let step = self.step_in_hand(position)?;
        let kind = self.plan.steps()[step.0 as usize].kind;
        let since = match &self.state.steps[step.0 as usize] {
            StepState::Running { since } => *since,
            StepState::Pending | StepState::Ended { .. } => now,
        };
        let busy = matches!(self.state.work[position].installer, Some((_, ExitMeaning::Busy)));
        // The next attempt of an installer has its full time.
        let elapsed = if busy { SignedDuration::ZERO } else { self.state.lived(since, now) };
        let left = self.room_left(position, kind, elapsed);
        let server = &self.plan.work()[position].server;
        let (what, rest) = match kind {
            StepKind::Soak => ("soaks no longer", "the rest of the soak takes"),
            StepKind::Guard
            | StepKind::Record
            | StepKind::BalancerOut
            | StepKind::Block
            | StepKind::Drain
            | StepKind::Stop
            | StepKind::Patch
            | StepKind::Restart
            | StepKind::Verify
            | StepKind::Return
            | StepKind::BalancerIn
            | StepKind::Gate
            | StepKind::Database => ("goes back", "the steps after the drain may take"),
        };
        match self.fit(now, left) {
            Ok(Fit::Fits { .. }) => None,
            Err(why) => Some(why),
            Ok(Fit::TooLong { ends, .. }) => Some(format!(
                "{server} {what}: {rest} {left:#}, and the window ends at {}",
                ends.strftime("%Y-%m-%d %H:%MZ")
            )),
            Ok(Fit::Closed { .. }) => Some(format!("{server} {what}: the window is closed")),
        }
    }

    /// What has to be left of a window for a server that has been in a step for so long. One that goes first may have a soak of
    /// its own.
    fn room_left(&self, position: usize, kind: StepKind, elapsed: SignedDuration) -> SignedDuration {
        let work = &self.plan.work()[position];
        let more = self.plan.more_soak(work);
        if kind == StepKind::Soak {
            return (self.plan.soak_of(work) - elapsed).max(SignedDuration::ZERO);
        }
        limits::room_left(self.plan.change(), kind, elapsed) + more
    }

    fn fit(&self, now: Timestamp, needs: SignedDuration) -> Result<Fit, String> {
        self.hours.fit(now, needs)
    }

    /// Has a wait say the earlier of its two ends: a server that can still be given back, or left alone, is when the rest of
    /// its work would no longer fit into its window.
    pub(crate) fn bound_by_window(&mut self, position: usize, now: Timestamp) {
        let Some(step) = self.step_in_hand(position) else { return };
        if self.state.work[position].back.is_some() || self.is_past_undoing(position) {
            return;
        }
        let Some(WindowState::Inside { ends: Some(ends) }) = self.hours.known_at(now) else { return };
        let (change, block) = (self.plan.change(), &self.plan.work()[position].block);
        let needs = if self.state.work[position].is_changed() {
            self.room_left(position, self.plan.steps()[step.0 as usize].kind, SignedDuration::ZERO)
        } else {
            limits::room(change, block, Since::FirstChange) + self.plan.more_soak(&self.plan.work()[position])
        };
        let Ok(last) = ends.checked_sub(needs) else { return };
        let Some(wait) = self.scratch[position].wait.as_mut().filter(|_| last > now) else { return };
        if wait.until.is_none_or(|until| last < until) {
            wait.until = Some(last);
            "its window ends too soon for the rest".clone_into(&mut wait.then);
        }
    }
}

/// What a server needs of its window.
fn words(change: &Change) -> &'static str {
    match change.maintenance.fit {
        WindowFit::Worst => "it may take",
        WindowFit::Likely => "with its reserve it likely takes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_model::window::{Day, Freeze, Recurrence, Window};

    #[test]
    fn p9_what_is_known_of_the_windows_is_what_they_say_whatever_the_clock_does() {
        let begins: Timestamp = "2026-10-23T12:00:00Z".parse().unwrap();
        let window = |every, hours| Window {
            every,
            start: "22:00".parse().unwrap(),
            duration: SignedDuration::from_hours(hours),
            timezone: "Europe/Paris".to_owned(),
        };
        let freeze = |from: &str, to: &str| Freeze::days(from.parse().unwrap(), to.parse().unwrap(), "year end");
        let frozen = freeze("2026-10-26", "2026-10-26");
        let saturdays = || window(Recurrence::Weekly(vec![Day::Saturday]), 6);
        for (windows, freezes) in [
            (vec![], vec![]),
            (vec![], vec![frozen.clone()]),
            (vec![saturdays()], vec![]),
            (vec![saturdays(), window(Recurrence::Daily, 8)], vec![frozen.clone()]),
            (vec![window(Recurrence::Daily, 24)], vec![frozen]),
        ] {
            let calendar = Calendar::new(&windows, &freezes);
            let asked = calendar.clone().unwrap();
            let mut hours = Hours { calendar, known: None };
            for step in 0..400_i64 {
                // Four days, in steps of a quarter of an hour; every seventh time the clock is an hour and a half back.
                let back = if step % 7 == 0 { 6 } else { 0 };
                let now = begins + SignedDuration::from_mins(15 * (step - back));
                hours.look_up(now);
                for needs in [0, 3, 30].map(SignedDuration::from_hours) {
                    let wanted = asked.fits(now, needs);
                    assert_eq!(hours.fit(now, needs), Ok(wanted), "{now}, {needs:#}, {windows:?}");
                }
            }
        }
    }
}
