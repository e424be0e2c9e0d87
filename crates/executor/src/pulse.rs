//! Notices when this process did not run: it was stopped, its machine slept or was frozen, or its clock was set.
//!
//! Two witnesses are heard. The runtime's time goes on while a process is stopped, so a beat that comes late tells of
//! that. It stands still while a machine sleeps, and the clock of the machine is ahead of it afterwards.

use jiff::{SignedDuration, Timestamp};
use orchestrate_driver::Clock;
use orchestrate_engine::Input;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// A beat that is later than this was not late for want of a processor. Why 5 s: the runtime of a machine with far too
/// much to do is late by a second or two, and nobody suspends a machine for less.
const LATE: Duration = Duration::from_secs(5);

/// Smaller gaps, by the clock of the run, change nothing. Why 30 s: evidence is fresh for so long, and no deadline is
/// shorter.
const MOVED: SignedDuration = SignedDuration::from_secs(30);

/// The pulse of a process. Clones beat together.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Mutex<Beat>>);

#[derive(Debug)]
struct Beat {
    /// The last beat, where there are any.
    last: Option<Instant>,
    /// How long the process has stood still since that was asked last.
    stood: Duration,
}

impl Beat {
    fn beat(&mut self) {
        let Some(last) = self.last else { return };
        let now = Instant::now();
        let late = now.duration_since(last).saturating_sub(BEAT);
        if late >= LATE {
            self.stood += late;
        }
        self.last = Some(now);
    }
}

impl Pulse {
    /// Returns a pulse that beats as long as it or a clone of it is there. To be called within a runtime.
    #[must_use]
    pub fn beating() -> Self {
        let pulse = Self(Arc::new(Mutex::new(Beat { last: Some(Instant::now()), stood: Duration::ZERO })));
        let beat = Arc::downgrade(&pulse.0);
        drop(tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                let Some(beat) = beat.upgrade() else { return };
                beat.lock().unwrap_or_else(PoisonError::into_inner).beat();
            }
        }));
        pulse
    }

    /// Returns a pulse that knows only what it is told: for simulated time.
    #[must_use]
    pub fn told() -> Self {
        Self(Arc::new(Mutex::new(Beat { last: None, stood: Duration::ZERO })))
    }

    /// Tells the pulse that the process has stood still.
    pub fn missed(&self, by: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stood += by;
    }

    fn beats(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.is_some()
    }

    /// Returns for how long the process has stood still since this was last asked, by the runtime's time.
    fn take(&self) -> Duration {
        let mut beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        beat.beat();
        std::mem::take(&mut beat.stood)
    }
}

/// Watches the time of one run.
pub(crate) struct Watch {
    clock: Clock,
    pulse: Pulse,
    /// What the clock showed last, and the runtime's time then.
    last: (Timestamp, Instant),
}

impl Watch {
    pub(crate) fn new(clock: Clock, pulse: Pulse) -> Self {
        Self { clock, pulse, last: (clock.now(), Instant::now()) }
    }

    /// Waits for the next moment at which a gap is looked for, whether or not anything else happens. Never, where the pulse knows
    /// only what it is told.
    pub(crate) async fn beat(&self) {
        if self.pulse.beats() {
            tokio::time::sleep(BEAT).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Returns what the run has to be told of the time since this was last asked.
    pub(crate) fn gaps(&mut self, now: Timestamp) -> Vec<Input> {
        let (before, then) = std::mem::replace(&mut self.last, (now, Instant::now()));
        let passed = then.elapsed().as_secs_f64() * self.clock.speed();
        let stood = self.pulse.take().as_secs_f64() * self.clock.speed();
        let stood = SignedDuration::try_from_secs_f64(stood).unwrap_or(SignedDuration::MAX);
        let stood = (stood > MOVED).then_some(Input::StoodStill { by: stood });
        let moved = moved(now.duration_since(before), passed).map(|by| Input::ClockMoved { by });
        stood.into_iter().chain(moved).collect()
    }
}

/// Returns by how much the clock has moved besides what has passed.
fn moved(shown: SignedDuration, passed_s: f64) -> Option<SignedDuration> {
    let by = shown - SignedDuration::try_from_secs_f64(passed_s).unwrap_or(SignedDuration::MAX);
    (by.abs() > MOVED).then_some(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_is_kept_right_is_not() {
        let secs = SignedDuration::from_secs;
        assert_eq!(moved(secs(60), 59.0), None);
        assert_eq!(moved(secs(60), 75.0), None);
        assert_eq!(moved(secs(3660), 60.0), Some(secs(3600)));
        assert_eq!(moved(secs(-3540), 60.0), Some(secs(-3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_was_stopped_notices_it_once_and_a_busy_one_is_not_taken_for_one() {
        let clock = Clock::derived(Timestamp::UNIX_EPOCH, 60.0);
        let pulse = Pulse::beating();
        let mut watch = Watch::new(clock, pulse.clone());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(watch.gaps(clock.now()), [], "an hour in which it ran");
        // Time goes on and nothing runs, as when the process is stopped.
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(watch.gaps(clock.now()), [], "busy for three seconds");
        tokio::time::advance(Duration::from_secs(13)).await;
        let by = SignedDuration::from_mins(12);
        assert_eq!(watch.gaps(clock.now()), [Input::StoodStill { by }]);
        assert_eq!(watch.gaps(clock.now()), [], "once");
        pulse.missed(Duration::from_secs(60));
        assert_eq!(watch.gaps(clock.now()), [Input::StoodStill { by: SignedDuration::from_hours(1) }]);
    }
}
