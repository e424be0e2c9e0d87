//! The one clock that all waiting goes through: real, scaled for the lab, or simulated under paused time.

use jiff::{SignedDuration, Timestamp};
use orchestrate_model::time::after;
use std::time::Duration;
use tokio::time::Instant;

/// How often a wait looks at the real clock.
const ONE_LOOK: Duration = Duration::from_secs(60);

/// Longer than anything is waited for: a century.
const FOREVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Tells the time and waits. Cheap to copy; copies tell the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Real,
    Derived { origin: Timestamp, started: Instant, speed: f64 },
}

impl Clock {
    /// Returns the machine's own clock.
    #[must_use]
    pub fn real() -> Self {
        Self(Kind::Real)
    }

    /// Returns a clock that shows `origin` now and runs `speed` times as fast as the runtime's time.
    ///
    /// Under a runtime with paused time and a speed of 1 this is the clock of a simulation: waiting costs nothing.
    #[must_use]
    pub fn derived(origin: Timestamp, speed: f64) -> Self {
        Self(Kind::Derived { origin, started: Instant::now(), speed: speed.max(f64::MIN_POSITIVE) })
    }

    /// Returns a clock that showed `origin` at the real time `at`, for a process that joins one already running.
    #[must_use]
    pub fn joined(origin: Timestamp, at: Timestamp, speed: f64) -> Self {
        let passed = Timestamp::now().duration_since(at).as_secs_f64().max(0.0);
        // The same floor as that of the clock itself: one that ran backwards would show a time before its origin.
        let speed = speed.max(f64::MIN_POSITIVE);
        Self::derived(after(origin, seconds(passed * speed)), speed)
    }

    /// Returns the time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.0 {
            Kind::Real => Timestamp::now(),
            Kind::Derived { origin, started, speed } => after(origin, seconds(started.elapsed().as_secs_f64() * speed)),
        }
    }

    /// Returns how long `wait` takes by the runtime's time.
    #[must_use]
    pub fn runtime_duration(&self, wait: SignedDuration) -> Duration {
        let wait = Duration::try_from(wait).unwrap_or(Duration::ZERO);
        match self.0 {
            Kind::Real => wait,
            // A clock that all but stands still would have to be waited for longer than there is time.
            Kind::Derived { speed, .. } => Duration::try_from_secs_f64(wait.as_secs_f64() / speed).unwrap_or(FOREVER),
        }
    }

    /// Returns how many times as fast as real time the clock runs.
    #[must_use]
    pub fn speed(&self) -> f64 {
        match self.0 {
            Kind::Real => 1.0,
            Kind::Derived { speed, .. } => speed,
        }
    }

    /// Waits for `wait` by this clock.
    pub async fn sleep(&self, wait: SignedDuration) {
        tokio::time::sleep(self.runtime_duration(wait)).await;
    }

    /// Waits until this clock shows `until`; returns at once when it already does.
    ///
    /// The real clock is looked at again at least every minute, and the wait is over at the latest when it has taken
    /// as long as it was to take: a clock that is set back makes no wait longer.
    pub async fn sleep_until(&self, until: Timestamp) {
        let began = Instant::now();
        let whole = self.runtime_duration(until.duration_since(self.now()));
        loop {
            let left = until.duration_since(self.now());
            let rest = whole.saturating_sub(began.elapsed());
            if left <= SignedDuration::ZERO || (rest.is_zero() && matches!(self.0, Kind::Real)) {
                return;
            }
            match self.0 {
                Kind::Real => tokio::time::sleep(self.runtime_duration(left).min(rest).min(ONE_LOOK)).await,
                Kind::Derived { .. } => self.sleep(left).await,
            }
        }
    }
}

/// Returns so many seconds. More than there are, as a clock of a mad speed would show, are the most there are.
fn seconds(seconds: f64) -> SignedDuration {
    let beyond = if seconds > 0.0 { SignedDuration::MAX } else { SignedDuration::ZERO };
    SignedDuration::try_from_secs_f64(seconds).unwrap_or(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_passes_in_a_minute_at_speed_sixty() {
        let clock = Clock::derived(Timestamp::UNIX_EPOCH, 60.0);
        let before = Instant::now();
        clock.sleep(SignedDuration::from_hours(1)).await;
        assert_eq!(before.elapsed().as_secs(), 60);
        assert!(clock.now() >= Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_speed_and_no_origin_make_a_clock_fail() {
        for speed in [f64::MIN_POSITIVE, 1e-12, 1.0, 1e12, f64::MAX, f64::INFINITY, f64::NAN, -1.0, 0.0] {
            for origin in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
                let clock = Clock::derived(origin, speed);
                tokio::time::sleep(Duration::from_secs(3600)).await;
                assert!(clock.now() >= origin, "{speed} {origin}");
                let wait = clock.runtime_duration(SignedDuration::MAX);
                assert!(wait <= FOREVER || speed >= 1.0, "{speed} {wait:?}");
                assert!(Clock::joined(origin, Timestamp::UNIX_EPOCH, speed).now() >= origin);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_real_clock_that_does_not_move_on_makes_no_wait_longer() {
        // Under paused time the machine's clock all but stands still, as one does that was set back.
        let before = Instant::now();
        let clock = Clock::real();
        clock.sleep_until(clock.now() + SignedDuration::from_hours(1)).await;
        assert_eq!(before.elapsed().as_secs().div_ceil(60), 60);
    }
}
