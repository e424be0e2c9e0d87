//! How long a server takes, held against the worst case that the preview stated and that the window rule counts with.

use super::LOOK_AGE;
use super::lines::Line;
use crate::world::{MINUTE, Ms, World};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What of the stated time passes before the first change at most: a server is recorded when its services have come up.
const BEFORE: Ms = 5 * MINUTE;

/// A deadline is noticed at the next look, and an answer may be as late as a look is long. Each of the long steps may end
/// so much later.
const NOTICED: Ms = 2 * LOOK_AGE;

/// What was stated, and which servers it is about.
#[derive(Debug, Default)]
pub(crate) struct Promised {
    /// What one server takes at worst. `None`: nothing was stated, as in trials without a preview.
    stated: Option<Ms>,
    /// What has to be left of a window before a server is begun in it, as stated.
    room: Option<Ms>,
    /// Machines that were changed and whose work has not ended, with when they were first changed.
    begun: BTreeMap<usize, Ms>,
    /// Machines that were proven back in service, with when.
    back: BTreeMap<usize, Ms>,
    /// Those of them to which something happened that the stated time does not cover: a person decided, other people undid
    /// something, or the run itself was interrupted or stood still.
    excused: BTreeSet<usize>,
}

impl Promised {
    pub(crate) fn state(&mut self, one_server: SignedDuration, room: SignedDuration) {
        let ms = |length: SignedDuration| Ms::try_from(length.as_millis()).unwrap_or(Ms::MAX / 8);
        (self.stated, self.room) = (Some(ms(one_server)), Some(ms(room)));
    }

    /// The machine of the run has stood still: nobody has stated for how long it might.
    pub(super) fn sleeps(&mut self) {
        self.excused.extend(self.begun.keys());
    }

    /// What a mutation states instead.
    pub(crate) fn forget_the_way_back(&mut self) {
        let less = |length: Ms| length - 195 * MINUTE;
        (self.stated, self.room) = (self.stated.map(less), self.room.map(less));
    }

    /// What has to fit before a window ends when the first change is made.
    pub(super) fn needs(&self) -> Ms {
        self.room.unwrap_or(0) - BEFORE
    }

    /// Whether a server that was begun in a window ends in it, whatever happens to it.
    fn is_kept_within(&self) -> bool {
        self.room == self.stated
    }

    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        match (kind, line.machine) {
            ("resumed" | "gap", _) => self.excused.extend(self.begun.keys()),
            // How long a server waits for its pool before anything is changed is no part of what it is out for: whether
            // it still fits is asked again before the first change.
            ("intent", Some(at)) if !self.begun.contains_key(&at) => {
                self.begun.insert(at, line.now);
            }
            ("put_off", Some(at)) => {
                self.begun.remove(&at);
                self.back.remove(&at);
                self.excused.remove(&at);
            }
            ("step_done", Some(at)) if line.step == "gate" => {
                self.back.insert(at, line.now);
            }
            ("held" | "decided" | "reopened" | "reasserted", Some(at)) => {
                self.excused.insert(at);
            }
            _ => {}
        }
    }
}

impl World {
    /// P9: nobody is told that a server takes less than the run lets it take, and what was begun in a window ends in it.
    pub(super) fn check_promised(&mut self, record: &Value) {
        let work = record["work"].as_u64().and_then(|work| self.oracle.work.get(usize::try_from(work).ok()?)).copied();
        let Some(at) = work else { return };
        let promised = &mut self.oracle.promised;
        let (begun, back) = (promised.begun.remove(&at), promised.back.remove(&at));
        let excused = promised.excused.remove(&at);
        let (stated, within) = (promised.stated.map(|stated| stated - BEFORE), promised.is_kept_within());
        let (Some(begun), Some(back), Some(stated), false) = (begun, back, stated, excused) else { return };
        let now = self.now;
        let name = self.machines[at].name.clone();
        if back - begun > stated + NOTICED {
            let text = format!(
                "{name} was back {} min after its first change; {} min were stated at worst",
                (back - begun) / MINUTE,
                stated / MINUTE
            );
            self.oracle.breach("P9", now, text);
        }
        let open = self
            .oracle
            .open
            .as_ref()
            .and_then(|open| open.iter().find(|(opens, closes)| *opens <= begun && begun <= *closes));
        if let Some((_, closes)) = open.filter(|(_, closes)| within && back > closes + NOTICED) {
            let text = format!(
                "{name} was back {} min after the window in which it was first changed",
                (back - closes) / MINUTE
            );
            self.oracle.breach("P9", now, text);
        }
    }
}
