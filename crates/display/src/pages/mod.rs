//! Pages for a browser: a run as it goes on, the list of runs, the calendar of windows, and the forms by which a person decides.
//! The page of a run is also what `report -o html` writes, frozen.
//!
//! Belongs here: facts in, markup out. Does not belong here: addresses that are asked for, who may see or do what, cookies.

mod calendar;
mod course;
mod forms;
mod list;
mod run;
#[cfg(test)]
mod tests;

pub use calendar::{Served, calendar};
pub use forms::{Asked, confirm, failed, sign_in};
pub use list::{Campaign, Line, Urgent, line, list, pieces as list_pieces, unreadable};
pub use run::{frozen, live, report, run, title};

use crate::ahead::Ahead;
use crate::live::Ground;
use crate::preview::nights::zone;
use crate::style::{Look, Tone};
use crate::summary::Context;
use crate::templates::{STYLE, TIMELINE_STYLE};
use jiff::Timestamp;
use orchestrate_engine::{Record, RunState, View};
use serde::Serialize;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A run, with everything that its page tells.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The run and its plan.
    pub context: Context<'a>,
    /// The fold of its records.
    pub state: &'a RunState,
    /// Its records.
    pub records: &'a [(u64, Timestamp, Record)],
    /// How it looks.
    pub view: &'a View,
    /// What is likely ahead of it.
    pub ahead: &'a Ahead,
    /// On what it works.
    pub ground: Ground,
    /// Who works on it now, in words. `None`: nobody.
    pub holder: Option<&'a str>,
    /// How a person decides about a held server.
    pub decided: Decided,
    /// The time, by the clock of its servers.
    pub now: Timestamp,
}

/// How a person decides about a held server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// By the buttons of the page.
    Here,
    /// By the command, in a terminal.
    Elsewhere,
}

impl Shown<'_> {
    /// Whether a process works on the run.
    fn is_live(&self) -> bool {
        self.state.ended.is_none() && self.holder.is_some()
    }

    /// Returns the look of its page: in the zone of the plan, as the preview has it.
    fn look(&self, look: &Look) -> Look {
        whole(&Look { zone: zone(self.context.plan).unwrap_or_else(|| look.zone.clone()), ..look.clone() })
    }
}

/// Returns the look of texts that no column bounds and no colour marks.
fn whole(look: &Look) -> Look {
    Look { width: 100_000, ..Look { zone: look.zone.clone(), ..Look::plain() } }
}

/// A piece of a page that may change by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Where it stands.
    pub id: String,
    /// By what it is told from what stood there before.
    pub v: String,
    /// What stands there.
    pub html: String,
}

impl Piece {
    fn of(id: &str, html: String) -> Self {
        let mut hasher = DefaultHasher::new();
        html.hash(&mut hasher);
        Self { id: id.to_owned(), v: format!("{:016x}", hasher.finish()), html }
    }
}

/// Who looks at a page, and what the page is told by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// Who is signed in. `None`: nobody, and nothing can be decided.
    pub who: Option<String>,
    /// Whether a person can sign in, or out again.
    pub signs_in: bool,
    /// What a form has to bring back, so that no other site can send it.
    pub proof: String,
    /// A sentence about what was just done.
    pub said: Option<String>,
}

/// The style sheet of every page.
#[must_use]
pub fn style() -> String {
    format!("{STYLE}{TIMELINE_STYLE}")
}

/// The script, which takes pieces that have changed. Pages can be read without it.
pub const SCRIPT: &str = include_str!("script.js");

/// The sign of the pages in a list of tabs.
pub const ICON: &str = include_str!("icon.svg");

/// Returns the class that a tone has on a page.
fn class(tone: Tone) -> &'static str {
    crate::preview::class(tone)
}

/// What a page is made of besides its main part.
#[derive(Debug, Serialize)]
struct Page<'a, T: Serialize> {
    title: String,
    frame: &'a Frame,
    /// Which of the links above leads here.
    here: &'static str,
    /// Where its pieces that change are told of. Empty: nowhere, it is what it is.
    events: String,
    pieces: Vec<Piece>,
    #[serde(flatten)]
    more: T,
}
