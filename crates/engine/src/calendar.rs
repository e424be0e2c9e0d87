//! Windows as the run asks about them: no server is begun that could not finish, and none is drained for so long that
//! the rest would not fit (promise P9).

use crate::engine::Engine;
use jiff::{SignedDuration, Timestamp};
use orchestrate_planner::forecast;
use orchestrate_planner::windows::Fit;

impl Engine {
    /// Says why a server must not be begun now: it could not finish before the window ends.
    pub(crate) fn does_not_fit(&self, position: usize, now: Timestamp) -> Option<String> {
        let server = &self.plan.work()[position].server;
        let needs = forecast::worst_case(self.plan.change(), self.subject(position).pool);
        match self.fit(now, needs) {
            Err(why) => Some(why),
            Ok(Fit::Fits { .. }) => None,
            Ok(Fit::TooLong { ends, .. }) => Some(format!(
                "{server} is not begun: it may take {needs:#}, and the window ends at {}",
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

    /// Says why a server that is not being patched yet must go back now: what is left would overrun the window.
    pub(crate) fn window_closes(&self, position: usize, now: Timestamp) -> Option<String> {
        let left = forecast::after_drain(self.plan.change());
        let server = &self.plan.work()[position].server;
        match self.fit(now, left) {
            Ok(Fit::Fits { .. }) => None,
            Err(why) => Some(why),
            Ok(Fit::TooLong { ends, .. }) => Some(format!(
                "{server} goes back: patch, restart and soak may take {left:#}, and the window ends at {}",
                ends.strftime("%Y-%m-%d %H:%MZ")
            )),
            Ok(Fit::Closed { .. }) => Some(format!("{server} goes back: the window is closed")),
        }
    }

    fn fit(&self, now: Timestamp, needs: SignedDuration) -> Result<Fit, String> {
        self.calendar.as_ref().map(|calendar| calendar.fits(now, needs)).map_err(ToString::to_string)
    }
}
