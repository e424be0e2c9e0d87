//! Waiting for a window, where nobody is there to start a run in it.

use crate::failure::Failure;
use crate::plan_file::{self, PlanFile};
use crate::terminal::{output, signals};
use jiff::{SignedDuration, Timestamp};
use orchestrate_display::duration;
use orchestrate_driver::Clock;
use orchestrate_planner::windows::{Calendar, WindowState};
use std::path::Path;

/// The longest that is slept at once: a machine that was suspended, or whose clock was set, looks at the time again soon
/// after it goes on.
const NAP: SignedDuration = SignedDuration::from_secs(30);

/// For which window is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The one that is open, or else the next one.
    ForWindow,
    /// The one after the one that is open.
    ForNextWindow,
}

/// What came of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// The window is open.
    Open,
    /// None opens any more.
    Never,
}

/// Waits until a window of the plan is open. Nothing is asked of any server meanwhile, and no pool is held.
///
/// # Errors
/// The plan file is another one by then, or somebody ended the wait.
pub(crate) async fn for_window(clock: Clock, (path, file): (&Path, &PlanFile), wait: Wait) -> Result<Came, Failure> {
    let calendar = Calendar::new(&file.change.windows, &file.change.freezes)?;
    let mut after = match (wait, calendar.state(clock.now())) {
        (Wait::ForNextWindow, WindowState::Inside { ends: Some(ends) }) => Some(ends),
        (Wait::ForNextWindow | Wait::ForWindow, WindowState::Inside { .. } | WindowState::Outside { .. }) => None,
    };
    let mut told = None;
    loop {
        let now = clock.now();
        after = after.filter(|ends| now < *ends);
        let next = match (calendar.state(after.unwrap_or(now)), after) {
            (WindowState::Inside { .. }, None) if told.is_none() => return Ok(Came::Open),
            (WindowState::Inside { .. }, None) => return unchanged(path, file).map(|()| Came::Open),
            // Windows that meet are one opening, so that this is none that is open.
            (WindowState::Inside { .. }, Some(ends)) => ends,
            (WindowState::Outside { next: None }, _) => return Ok(Came::Never),
            (WindowState::Outside { next: Some(next) }, _) => next.starts,
        };
        if told != Some(next) {
            say(now, next);
            told = Some(next);
        }
        let nap = next.duration_since(now).min(NAP);
        tokio::select! {
            () = clock.sleep(nap) => {}
            _ = signals::any() => return Err(Failure::WaitEnded),
        }
    }
}

/// How the line begins that is said of a wait.
pub(super) const WAITS: &str = "waits for the next window";

fn say(now: Timestamp, next: Timestamp) {
    let look = output::look();
    output::talk(&format!(
        "{WAITS}, which opens {}, in {}. Nothing is done before; Ctrl-C ends the wait",
        look.date_time(next),
        duration(next.duration_since(now))
    ));
}

/// Refuses a plan whose file was changed while it waited: nobody has said which of the two is meant.
fn unchanged(path: &Path, file: &PlanFile) -> Result<(), Failure> {
    let names: Vec<String> = file.change.only.iter().map(ToString::to_string).collect();
    let now = plan_file::read(path)?.in_emergency(file.change.emergency.as_deref());
    let now = if now.saved.is_some() { now.with_only(&[])? } else { now.with_only(&names)? };
    if now.change == file.change {
        return Ok(());
    }
    Err(Failure::PlanFileChanged { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A plan with a window of an hour at each even hour.
    fn plan(folder: &Path) -> (std::path::PathBuf, PlanFile) {
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml");
        let text = std::fs::read_to_string(plans).unwrap();
        let (before, _) = text.split_once("\nwindows:").unwrap();
        let hours = (0..12)
            .map(|hour| format!("  - {{every: daily, start: \"{:02}:00\", duration: 1h, timezone: UTC}}\n", hour * 2));
        let path = folder.join("plan.yaml");
        std::fs::write(&path, format!("{before}\nwindows:\n{}", hours.collect::<String>())).unwrap();
        let file = plan_file::read(&path).unwrap();
        (path, file)
    }

    #[tokio::test(start_paused = true)]
    async fn p9_an_unattended_start_waits_for_its_window_and_then_for_the_next_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, file) = plan(folder.path());
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let clock = Clock::derived(at("2026-11-27T21:00:00Z"), 1.0);
        for_window(clock, (&path, &file), Wait::ForWindow).await.unwrap();
        let opened = clock.now();
        assert!((at("2026-11-27T22:00:00Z")..at("2026-11-27T23:00:00Z")).contains(&opened), "{opened}");
        for_window(clock, (&path, &file), Wait::ForWindow).await.unwrap();
        assert!(clock.now() < at("2026-11-27T23:00:00Z"), "an open window is not waited for: {}", clock.now());
        for_window(clock, (&path, &file), Wait::ForNextWindow).await.unwrap();
        let opened = clock.now();
        assert!((at("2026-11-28T00:00:00Z")..at("2026-11-28T01:00:00Z")).contains(&opened), "{opened}");
    }

    #[tokio::test(start_paused = true)]
    async fn p9_the_last_window_of_a_plan_is_not_begun_again_and_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, mut file) = plan(folder.path());
        for window in &mut file.change.windows {
            window.every = orchestrate_model::window::Recurrence::Once("2026-11-27".parse().unwrap());
        }
        let clock = Clock::derived("2026-11-27T22:30:00Z".parse().unwrap(), 1.0);
        assert_eq!(for_window(clock, (&path, &file), Wait::ForWindow).await.unwrap(), Came::Open);
        assert_eq!(for_window(clock, (&path, &file), Wait::ForNextWindow).await.unwrap(), Came::Never);
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_that_was_changed_during_the_wait_is_not_begun() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, file) = plan(folder.path());
        let clock = Clock::derived("2026-11-27T21:30:00Z".parse().unwrap(), 1.0);
        let mut changed = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        writeln!(changed, "  - {{every: sunday, start: \"01:00\", duration: 2h, timezone: UTC}}").unwrap();
        let failure = for_window(clock, (&path, &file), Wait::ForWindow).await.unwrap_err();
        assert!(matches!(failure, Failure::PlanFileChanged { .. }), "{failure}");
    }
}
