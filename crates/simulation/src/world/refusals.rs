//! Acts that a server refuses: for a time, as a quota does, or for good, as a missing right does.

use super::{HOUR, MINUTE, Ms, World};
use crate::dice::Dice;
use crate::faults::Fault;
use orchestrate_model::{Act, ActOutcome};
use std::collections::{BTreeMap, BTreeSet};

/// How often one machine refuses everything for a while.
const MOST: usize = 4;

/// What a machine says that refuses everything for a while. Others say that they are busy and have done it all the same.
pub(crate) const QUOTA: &str = "the quota of this user is used up";

/// What a machine says for hours of a service that it does not bring back.
pub(crate) const LATER: &str = "the service cannot accept control messages at this time";

/// What a machine says for minutes of a service that it does not bring back, as if it were for good.
pub(crate) const DENIED: &str = "access is denied, 0x80070005";

/// Makes the dice of what is denied for minutes others than those of the seed.
const MINUTES: u64 = 0x6D69_6E75_7400_0000;

/// Makes the dice of what is refused for hours others than those of the seed.
const HOURS: u64 = 0x686F_7572_7300_0000;

/// What is refused in a night.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// When a machine refuses every act.
    times: Vec<(usize, Ms, Ms)>,
    /// Services that are not brought back: neither their state nor their start type.
    for_good: BTreeSet<(usize, usize)>,
    /// Services that are not brought back for so long from the first time that this is asked for, and until when once it was.
    lasting: BTreeMap<(usize, usize), (Ms, Option<Ms>)>,
    /// The same for services whose bringing back is denied.
    denied: BTreeMap<(usize, usize), (Ms, Option<Ms>)>,
    /// Machines on which something was refused for good.
    pub(crate) met: BTreeSet<usize>,
}

impl World {
    /// Draws what is refused in the night.
    pub(crate) fn draw_refusals(&mut self, dice: &mut Dice) {
        for at in 0..self.machines.len() {
            let rate = self.faults.rate(Fault::RefusedForATime);
            for _ in 0..MOST {
                if !dice.chance(rate * 0.4) {
                    break;
                }
                let from = dice.between(0, 4 * HOUR);
                self.refusals.times.push((at, from, from + dice.between(MINUTE / 2, 5 * MINUTE)));
            }
            let rate = self.faults.rate(Fault::RefusedForGood);
            for place in 0..self.machines[at].services.len() {
                if dice.chance(rate) {
                    self.refusals.for_good.insert((at, place));
                }
            }
        }
    }

    /// Draws which services are refused for hours, and which for minutes.
    pub(crate) fn draw_lasting_refusals(&mut self, seed: u64) {
        let mut dice = Dice::new(seed ^ HOURS);
        self.refusals.lasting = self.draw_lasting(&mut dice, Fault::RefusedForHours, 3 * HOUR);
        let mut dice = Dice::new(seed ^ MINUTES);
        self.refusals.denied = self.draw_lasting(&mut dice, Fault::DeniedForMinutes, 8 * MINUTE);
    }

    fn draw_lasting(&self, dice: &mut Dice, fault: Fault, longest: Ms) -> BTreeMap<(usize, usize), (Ms, Option<Ms>)> {
        let rate = self.faults.rate(fault);
        let mut drawn = BTreeMap::new();
        for at in 0..self.machines.len() {
            for place in 0..self.machines[at].services.len() {
                if dice.chance(rate) {
                    drawn.insert((at, place), (dice.between(MINUTE, longest), None));
                }
            }
        }
        drawn
    }

    /// Returns how a machine refuses an act, where it does.
    pub(super) fn refusal(&mut self, at: usize, act: &Act) -> Option<ActOutcome> {
        if !self.faulty || matches!(act, Act::SetBalancer { .. }) {
            return None;
        }
        let now = self.now;
        if self.refusals.times.iter().any(|(of, from, until)| *of == at && (*from..*until).contains(&now)) {
            return Some(ActOutcome::Retry(QUOTA.to_owned()));
        }
        let service = act.service().and_then(|name| self.machines[at].service(name))?;
        if act.brings_back()
            && let Some((long, until)) = self.refusals.lasting.get_mut(&(at, service))
            && now < *until.get_or_insert(now + *long)
        {
            return Some(ActOutcome::Retry(LATER.to_owned()));
        }
        if act.brings_back()
            && let Some((long, until)) = self.refusals.denied.get_mut(&(at, service))
            && now < *until.get_or_insert(now + *long)
        {
            return Some(ActOutcome::Failed(DENIED.to_owned()));
        }
        let refused = act.brings_back() && self.refusals.for_good.contains(&(at, service));
        refused.then(|| {
            self.refusals.met.insert(at);
            ActOutcome::Failed("access is denied".to_owned())
        })
    }
}
