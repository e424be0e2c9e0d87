//! The pages of `serve`: what is read for them, and who has decided what. How they look is elsewhere.

use super::api::{Answers, refused};
use super::folder;
use crate::args::{Choice, DecideArgs};
use crate::commands::order;
use crate::failure::Failure;
use crate::terminal::output;
use clap::ValueEnum as _;
use jiff::Timestamp;
use orchestrate_display::pages::{self, Asked, Campaign, Decided, Frame, Served, Urgent};
use orchestrate_display::{Look, Unwritten};
use orchestrate_model::{Change, ServerName};
use orchestrate_serve::{PlanFile, Stamp, Status};
use orchestrate_web::{Decision, Form, Page, Piece, Refused, Told, Visitor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A plan as it was read last, or why it could not be read, and by what is seen that its file has changed.
type Read = (Stamp, Result<Change, String>);

/// Plans as they were read last for the calendar, by their names.
#[derive(Default)]
pub(super) struct Plans(Mutex<BTreeMap<String, Read>>);

impl Plans {
    /// Returns the plans of these names.
    fn read(&self, root: &Path, names: &[String]) -> Vec<Served> {
        let there = folder::look(root).unwrap_or_default();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, (stamp, _)| there.get(name) == Some(stamp));
        let read = names.iter().filter_map(|name| {
            let stamp = *there.get(name)?;
            let (_, change) = known.entry(name.clone()).or_insert_with(|| {
                let change = match folder::read(&root.join(name)) {
                    (_, Some(change)) => Ok(change),
                    (PlanFile::Broken(why), None) => Err(why),
                    (_, None) => Err("it cannot be read".to_owned()),
                };
                (stamp, change)
            });
            Some(Served { plan: name.clone(), change: change.clone() })
        });
        read.collect()
    }
}

/// Returns the look of pages: times as on this machine, and no colours of a terminal.
fn look() -> Look {
    output::look()
}

fn unwritten(why: &Unwritten) -> Refused {
    Refused { status: 500, why: why.to_string() }
}

/// Returns what a page is told of who looks at it.
fn frame(visitor: &Visitor) -> Frame {
    let sent = visitor.sent.as_deref().and_then(|sent| Choice::from_str(sent, false).ok());
    Frame {
        who: visitor.who.clone(),
        signs_in: visitor.signs_in,
        proof: visitor.proof.clone(),
        said: sent.map(|choice| {
            let word = choice.meant().word();
            format!("Passed on to the run: {word}. What becomes of it is seen below as soon as the run has read it.")
        }),
    }
}

/// How much a plan waits for a person, by the word of its state.
fn urgent(status: &Status) -> Urgent {
    match status.state.as_str() {
        "broken" | "needs_a_person" | "changed" | "gone" => Urgent::Now,
        "waits_for_approval" | "never_opens" => Urgent::Soon,
        "at_work" | "due" | "begun_again" => Urgent::AtWork,
        "done" | "forgotten" => Urgent::Over,
        _waits => Urgent::Waits,
    }
}

fn campaign(status: Status) -> Campaign {
    let urgent = urgent(&status);
    let Status { plan, title, text, run, .. } = status;
    Campaign { plan, title, urgent, text, run: run.map(|run| run.to_string()) }
}

fn piece(piece: pages::Piece) -> Piece {
    let pages::Piece { id, v, html } = piece;
    Piece { id, v, html }
}

impl Answers {
    fn decided(&self) -> Decided {
        if self.decides { Decided::Here } else { Decided::Elsewhere }
    }

    fn list(&self) -> Result<Vec<pages::Piece>, Refused> {
        let lines = match self.shelf.lines(&self.home, &look()) {
            Ok(lines) => lines,
            // Before the first run there is no folder of runs.
            Err(Failure::NoStateFolder { .. }) => Vec::new(),
            Err(failure) => return Err(refused(&failure)),
        };
        let plans = self.board.listing().plans.into_iter().map(campaign).collect();
        pages::list_pieces(plans, lines).map_err(|why| unwritten(&why))
    }

    pub(super) fn shown_page(&self, page: &Page, visitor: &Visitor) -> Result<String, Refused> {
        let frame = frame(visitor);
        let made = match page {
            Page::Runs => {
                let folder = self.board.listing().folder.display().to_string();
                pages::list(&folder, self.list()?, &frame)
            }
            Page::Windows => {
                let listing = self.board.listing();
                let names: Vec<String> = listing.plans.into_iter().map(|plan| plan.plan).collect();
                let plans = self.plans.read(&listing.folder, &names);
                pages::calendar(&plans, Timestamp::now(), &frame, &look())
            }
            Page::Run(run) => self.shown(run, |shown| pages::live(shown, &frame, &look()))?,
            Page::Report(run) => self.shown(run, |shown| pages::frozen(shown, &frame, &look()))?,
            Page::File(run) => self.shown(run, |shown| pages::report(shown, &look()))?,
        };
        made.map_err(|why| unwritten(&why))
    }

    fn shown<T>(&self, run: &str, show: impl FnOnce(&pages::Shown<'_>) -> T) -> Result<T, Refused> {
        let shown = self.shelf.with(&self.home, run, |kept| kept.shown(&self.home, self.decided(), show));
        shown.map_err(|failure| refused(&failure))
    }

    pub(super) fn shown_form(&self, form: &Form, visitor: &Visitor) -> Result<String, Refused> {
        let frame = frame(visitor);
        let made = match form {
            Form::SignIn { next, wrong } => pages::sign_in(next, wrong.as_deref(), &frame),
            Form::Failed { heading, why } => pages::failed(heading, why, &frame),
            Form::Decide { run, decision, refused } => return self.confirm(run, decision, refused.as_deref(), &frame),
        };
        made.map_err(|why| unwritten(&why))
    }

    fn confirm(&self, run: &str, decision: &Decision, why: Option<&str>, frame: &Frame) -> Result<String, Refused> {
        let no = |why: &str| Refused { status: 400, why: why.to_owned() };
        let choice = Choice::from_str(&decision.choice, false).map_err(|_unknown| no("there is no such choice"))?;
        let server = ServerName::new(&decision.server).map_err(|_no_name| no("there is no such server"))?;
        let since = decision.since.as_deref().map(str::parse::<Timestamp>).transpose();
        let since = since.map_err(|_no_time| no("the hold is not named as the page of the run names it"))?;
        let asked = Asked { server: &server, choice: choice.meant(), since, refused: why };
        let made = self.shown(run, |shown| pages::confirm(shown, asked, frame, &look()))?;
        made.map_err(|why| unwritten(&why))
    }

    pub(super) fn changed(&self, page: &Page) -> Result<Told, Refused> {
        let (title, pieces) = match page {
            Page::Runs => ("Runs".to_owned(), self.list()?),
            Page::Run(run) => {
                let made = self.shown(run, |shown| Ok((pages::title(shown), pages::run(shown, &look())?)))?;
                made.map_err(|why: Unwritten| unwritten(&why))?
            }
            Page::Windows | Page::Report(_) | Page::File(_) => {
                return Err(Refused { status: 404, why: "this page stays as it is".to_owned() });
            }
        };
        Ok(Told { title, pieces: pieces.into_iter().map(piece).collect() })
    }

    /// Passes a decision on, as somebody's.
    pub(super) fn decide(&self, run: &str, decision: Decision, who: Option<&str>) -> Result<String, Failure> {
        let Decision { server, choice, since, minutes, sessions, why } = decision;
        let choice = Choice::from_str(&choice, false).map_err(|_unknown| {
            let words = Choice::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
            let words: Vec<String> = words.map(|value| value.get_name().to_owned()).collect();
            let choice = orchestrate_model::text::quoted(&choice);
            Failure::Usage(format!("there is no choice {choice}; the choices are {}", words.join(", ")))
        })?;
        let since = since.map(|since| since.parse::<Timestamp>()).transpose();
        let since = since.map_err(|error| Failure::Usage(format!("since when it is held cannot be read: {error}")))?;
        if minutes.is_some_and(|minutes| !(1..=1440).contains(&minutes)) {
            return Err(Failure::Usage("a drain gets 1 to 1440 minutes more at once".to_owned()));
        }
        let by = match who {
            Some(who) => format!("{who} (over HTTP, {})", order::by()),
            None => order::by(),
        };
        let why = why.map(|why| why.chars().take(200).collect());
        let said = DecideArgs { run: run.to_owned(), server, choice, minutes, sessions, why };
        order::decide_as(&self.home, &said, (by, since))
    }
}
