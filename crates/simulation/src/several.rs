//! Nights with several installers.

use crate::dice::Dice;
use jiff::SignedDuration;
use orchestrate_model::Change;
use orchestrate_model::change::{Patch, PendingRestart, RestartPoint, RestartPolicy};

/// Makes the dice for several installers others than those of the seed.
const SEVERAL: u64 = 0x7365_7665_7261_6C00;

/// In some nights with an installer has the plan run one or two more after it, some of them with a restart between. The level
/// of the product is brought by any one of them.
pub(crate) fn draw(change: &mut Change, seed: u64) {
    let mut dice = Dice::new(seed ^ SEVERAL);
    let Some(first) = change.maintenance.installers.first().cloned().filter(|_| dice.chance(0.3)) else { return };
    let more = dice.between(1, 2);
    for number in 1..=more {
        let installer = format!(r"C:\CU\Update{number}.exe");
        let deadline = SignedDuration::from_mins(dice.between(15, 25));
        let own = Patch { installer, deadline, level: None, pending_restart: PendingRestart::Refuse, ..first.clone() };
        change.maintenance.installers.push(own);
    }
    let level = change.maintenance.installers[0].level.take();
    let place = if dice.chance(0.7) { 0 } else { change.maintenance.installers.len() - 1 };
    change.maintenance.installers[place].level = level;
    let restarts = change.maintenance.restart != RestartPolicy::Never;
    for patch in change.maintenance.installers.iter_mut().filter(|_| restarts) {
        patch.restart = if dice.chance(0.4) { RestartPoint::After } else { RestartPoint::AtEnd };
    }
    // A server takes longer at worst, and a window is to have room for one.
    for window in &mut change.windows {
        window.duration += SignedDuration::from_mins(150 * more);
    }
}
