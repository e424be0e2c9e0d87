//! What is shown while a run goes on. Rendering is done elsewhere; here it meets the terminal.

use crate::commands::order;
use crate::failure::Failure;
use crate::home::Place;
use crate::terminal::frame::Frame;
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::ahead::Ahead;
use orchestrate_display::answering::{Asking, Decision, Key};
use orchestrate_display::live::{About, Ground};
use orchestrate_display::log::Log;
use orchestrate_display::stopping::{self, Seat};
use orchestrate_display::{Look, events, live};
use orchestrate_driver::Clock;
use orchestrate_engine::view::Phase;
use orchestrate_engine::{Command, Record, View};
use orchestrate_journal::RunFolder;
use orchestrate_planner::Plan;
use std::time::{Duration, Instant};

/// How often the view is drawn, and how often JSON and the folder get one. A person sees no more, and a program that
/// reads every second misses nothing, since records are never left out.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const VIEW_EVERY: Duration = Duration::from_secs(1);

/// How the events of a run are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A permanent log, and below it a live view where there is a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

/// Shows a run.
pub(crate) struct Screen<'a> {
    plan: &'a Plan,
    manner: Manner,
    clock: Clock,
    log: Log<'a>,
    log_look: Look,
    live_look: Look,
    frame: Option<Frame>,
    /// The question about a held server, and where the answer goes. `None`: nobody is asked here.
    asked: Option<(Asking, RunFolder)>,
    waits: live::Waits,
    ground: Ground,
    ahead: Ahead,
    view: Option<View>,
    drawn: Option<Instant>,
    passed: Option<Instant>,
    /// Whether others have the latest view.
    passed_on: bool,
    /// The reader of stdout has gone: the run goes on without saying so.
    mute: bool,
    /// Whether the run belongs to this terminal.
    seat: Seat,
}

impl<'a> Screen<'a> {
    pub(crate) fn new((plan, place): (&'a Plan, Place), log: Log<'a>, manner: Manner, clock: Clock) -> Self {
        let live = manner == Manner::Text && output::is_live();
        Self {
            plan,
            manner,
            clock,
            log,
            log_look: output::log_look(),
            live_look: output::live_look(),
            frame: live.then(Frame::take),
            asked: None,
            waits: live::Waits::default(),
            ground: place.ground(),
            ahead: Ahead::of(plan),
            view: None,
            drawn: None,
            passed: None,
            passed_on: true,
            mute: false,
            seat: Seat::Here,
        }
    }

    /// Returns the same screen for a run that goes on elsewhere.
    pub(crate) fn watching(self) -> Self {
        Self { seat: Seat::Elsewhere, ..self }
    }

    /// Returns the same screen, on which holds are answered with keys where somebody can press them. An answer goes the way of
    /// `orchestrate decide`, through the inbox of the run.
    pub(crate) fn answering(self, folder: RunFolder) -> Self {
        let can = self.frame.as_ref().is_some_and(Frame::has_keyboard);
        Self { asked: can.then(|| (Asking::default(), folder)), ..self }
    }

    pub(crate) fn recorded(&mut self, seq: u64, at: Timestamp, record: &Record) {
        match self.manner {
            Manner::Json => self.say(&format!("{}\n", events::recorded(self.plan, seq, at, record))),
            Manner::Text => {
                if let Some((asking, _)) = &mut self.asked {
                    asking.heard(record);
                }
                let look = Look { width: output::log_look().width, ..self.log_look.clone() };
                if let Some(entry) = self.log.entry(at, record, &look) {
                    self.say(&format!("{entry}\n"));
                }
            }
        }
    }

    /// Takes a new view.
    pub(crate) fn progressed(&mut self, view: View) {
        self.view = Some(view);
        self.passed_on = false;
    }

    /// Draws the live view and passes the view on, as far as it is time. Returns the view when others should have it
    /// too. The last view always gets through, however quickly it followed the one before.
    pub(crate) fn refresh(&mut self) -> Option<&View> {
        self.answer();
        self.draw();
        let due = self.passed.is_none_or(|at| at.elapsed() >= VIEW_EVERY);
        let view = self.view.clone()?;
        if self.manner == Manner::Text && self.frame.is_none() && due {
            for entry in self.waits.entries(&view, self.clock.now(), &self.log_look) {
                self.say(&format!("{entry}\n"));
            }
        }
        if self.passed_on || !due {
            return None;
        }
        self.passed = Some(Instant::now());
        self.passed_on = true;
        if self.manner == Manner::Json {
            self.say(&format!("{}\n", events::progress(&view)));
        }
        self.view.as_ref()
    }

    /// Takes what was typed as an answer to the question about a held server. Without a question it means nothing.
    fn answer(&mut self) {
        let Some(frame) = &mut self.frame else { return };
        let keys = frame.typed();
        let (Some((asking, folder)), Some(view)) = (&mut self.asked, &self.view) else { return };
        let gone = asking.follow(view);
        if !keys.is_empty() {
            self.drawn = None;
        }
        for key in keys {
            press(key, asking, (self.plan, view), folder);
        }
        if let Some(text) = gone {
            self.say(&format!("{text}\n"));
        }
    }

    /// Draws the live view when it is time.
    fn draw(&mut self) {
        let (Some(frame), Some(view)) = (&mut self.frame, &self.view) else {
            return;
        };
        if self.drawn.is_some_and(|at| at.elapsed() < DRAW_EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        let look = Look { width: output::live_look().width, ..self.live_look.clone() };
        let question = self.asked.as_ref().map(|(asking, _)| asking.lines(self.plan, view, &look)).unwrap_or_default();
        let about = About { ground: self.ground, plan: self.plan, ahead: &self.ahead };
        let mut lines = picture(&about, (view, &question), self.seat, (self.clock.now(), &look));
        lines.extend(question);
        frame.draw(lines);
    }

    /// Ends the live view. The log stays.
    pub(crate) fn close(&mut self) {
        self.frame = None;
    }

    fn say(&mut self, text: &str) {
        if self.mute {
            return;
        }
        if let Some(frame) = &mut self.frame {
            frame.clear();
        }
        if let Err(Failure::ClosedPipe | Failure::Output(_)) = output::data(text) {
            self.mute = true;
        }
        self.drawn = None;
    }
}

/// Gives a key to the question, and passes on what it decides.
fn press(key: Key, asking: &mut Asking, (plan, view): (&Plan, &View), folder: &RunFolder) {
    let Some(Decision { server, choice, since, terms }) = asking.press(key, plan, view) else { return };
    let command = Command::Decide { server, choice, since: Some(since), by: order::by(), terms };
    if let Err(error) = folder.send(Timestamp::now(), &command) {
        asking.failed(&Failure::from(error).in_one_line());
    }
}

/// Returns the whole live view but for the question, which is to have room below it. Of many servers those are shown that are in
/// work, held, or out; the others are counted.
fn picture(
    about: &About<'_>,
    (view, question): (&View, &[String]),
    seat: Seat,
    (now, look): (Timestamp, &Look),
) -> Vec<String> {
    let rows = output::rows().saturating_sub(3 + question.len());
    let mut lines = live::head(about, view, now, look);
    lines.extend(stopping::lines_with_time(view, seat, (about.ahead, now), look));
    let all = view.servers.len();
    let crowded = all * 2 > rows;
    let mut hidden = 0;
    for (position, server) in view.servers.iter().enumerate() {
        let quiet = !server.out && matches!(server.phase, Phase::Waiting | Phase::Ended(_));
        if crowded && (quiet || lines.len() >= rows) {
            hidden += 1;
            continue;
        }
        lines.extend(live::row(about, view, position, now, look));
    }
    if hidden > 0 {
        lines.push(format!("  and {hidden} more"));
    }
    lines
}
