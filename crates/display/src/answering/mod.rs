//! Holds answered where they are shown: which keys there are and what each does, and what a typed line means.
//!
//! A decision that is made here goes the way of `orchestrate decide`: it is for the hold that was read, and the run compares it
//! once more with what it knows then.

mod keys;
mod offers;
#[cfg(test)]
mod tests;

pub use keys::{Key, Keys};
pub use offers::{Offer, offers};

use crate::log::Names;
use crate::style::{Look, Tone};
use crate::text::{clean, count, list};
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::state::Hold;
use orchestrate_engine::view::{Phase, ServerView};
use orchestrate_engine::{Record, View};
use orchestrate_model::hold::{HoldChoice, Terms};
use orchestrate_model::{Answer, ServerName};
use orchestrate_planner::Plan;

/// The minutes that a drain is given when no others are typed.
const MORE: i64 = 15;

/// The longest reason that is taken. A reason is a line for the record.
const LONGEST_WHY: usize = 200;

/// What a person has decided about a held server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The server.
    pub server: ServerName,
    /// The choice.
    pub choice: HoldChoice,
    /// Since when the server has been held by the hold that was read.
    pub since: Timestamp,
    /// What is said besides.
    pub terms: Terms,
}

/// The question that is asked, and how far the answer is.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// The server, by its position in the view, and since when it has been held.
    about: Option<(usize, Timestamp)>,
    stage: Stage,
    /// What is said about the last key.
    said: Option<String>,
}

/// How far an answer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Stage {
    /// A key has to be pressed.
    #[default]
    Choose,
    /// A number has to be typed.
    Number(HoldChoice, String),
    /// A reason may be typed.
    Why(HoldChoice, Terms, String),
    /// The decision was passed on.
    Sent(HoldChoice),
}

impl Asking {
    /// Follows the run: the question is about a server that is held now. Returns what is worth saying when the question has gone
    /// while somebody was answering it.
    pub fn follow(&mut self, view: &View) -> Option<String> {
        let held = held(view);
        if let Some(about) = self.about
            && held.iter().any(|(position, hold)| (*position, hold.since) == about)
        {
            return None;
        }
        let gone = self.about.filter(|_| matches!(self.stage, Stage::Number(..) | Stage::Why(..)));
        let said = gone.and_then(|(position, _)| view.servers.get(position)).map(|server| {
            format!("{} is decided about already: what was typed here changes nothing", server.server.short())
        });
        *self = Self { about: held.first().map(|(position, hold)| (*position, hold.since)), ..Self::default() };
        said
    }

    /// Returns whether there is a question.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.about.is_some()
    }

    /// Hears what the run says: a decision that it does not follow is a question again.
    pub fn heard(&mut self, record: &Record) {
        let (Some((about, _)), Record::Note { work: Some(work), .. }) = (self.about, record) else { return };
        if work.0 as usize == about && matches!(self.stage, Stage::Sent(_)) {
            (self.stage, self.said) = (Stage::Choose, Some("the run did not follow it: see above".to_owned()));
        }
    }

    /// Says that a decision could not be passed on.
    pub fn failed(&mut self, why: &str) {
        (self.stage, self.said) = (Stage::Choose, Some(format!("nothing was decided: {}", clean(why))));
    }

    /// Takes a key, and returns a decision when it completes one.
    pub fn press(&mut self, key: Key, plan: &Plan, view: &View) -> Option<Decision> {
        let (position, since) = self.about?;
        let server = view.servers.get(position)?;
        let Phase::Held(hold) = &server.phase else { return None };
        self.said = None;
        match (std::mem::take(&mut self.stage), key) {
            (stage, Key::Column(_)) => self.stage = stage,
            (Stage::Choose | Stage::Sent(_), Key::Char(key)) => self.choose(key, hold, (plan, view, server)),
            (Stage::Choose | Stage::Sent(_), Key::Tab) => self.next(view),
            (stage @ (Stage::Choose | Stage::Sent(_)), Key::Enter | Key::Back | Key::Escape) => self.stage = stage,
            (Stage::Number(..) | Stage::Why(..), Key::Escape) => {
                self.said = Some("nothing was decided".to_owned());
            }
            (Stage::Number(choice, typed), Key::Enter) => self.number(choice, &typed, server),
            (Stage::Number(choice, typed), key) => self.stage = Stage::Number(choice, edited(typed, key)),
            (Stage::Why(choice, terms, typed), Key::Enter) => {
                let why = Some(typed.trim().to_owned()).filter(|why| !why.is_empty());
                self.stage = Stage::Sent(choice);
                let terms = Terms { why, ..terms };
                return Some(Decision { server: server.server.clone(), choice, since, terms });
            }
            (Stage::Why(choice, terms, typed), key) => self.stage = Stage::Why(choice, terms, edited(typed, key)),
        }
        None
    }

    /// Asks about the next held server.
    fn next(&mut self, view: &View) {
        let held = held(view);
        let place = held.iter().position(|(position, hold)| Some((*position, hold.since)) == self.about);
        let next = held.get((place.map_or(0, |place| place + 1)) % held.len().max(1));
        self.about = next.map(|(position, hold)| (*position, hold.since));
    }

    fn choose(&mut self, key: char, hold: &Hold, (plan, view, server): (&Plan, &View, &ServerView)) {
        let offers = offers(plan, view, server, hold);
        let Some(offer) = offers.iter().find(|offer| offer.key == key.to_ascii_lowercase()) else {
            let keys: Vec<String> = offers.iter().map(|offer| offer.key.to_string()).collect();
            self.said = Some(format!("{} means nothing here; the keys are {}", quoted(key), keys.join(" ")));
            return;
        };
        self.stage = match offer.choice {
            HoldChoice::Extend => Stage::Number(offer.choice, String::new()),
            HoldChoice::Cut => match &server.sessions_left {
                Some(Answer::Known(_)) => Stage::Number(offer.choice, String::new()),
                Some(Answer::Unknown(_)) | None => {
                    self.said = Some("how many sessions are left is not known now, so none can be cut".to_owned());
                    Stage::Choose
                }
            },
            HoldChoice::Stop
            | HoldChoice::Retry
            | HoldChoice::Skip
            | HoldChoice::Confirm
            | HoldChoice::Return
            | HoldChoice::Abandon => Stage::Why(offer.choice, Terms::default(), String::new()),
        };
    }

    /// Takes a typed number, or says what is wrong with it.
    fn number(&mut self, choice: HoldChoice, typed: &str, server: &ServerView) {
        let read = if choice == HoldChoice::Cut { cut(typed, server) } else { extended(typed) };
        (self.stage, self.said) = match read {
            Ok(terms) => (Stage::Why(choice, terms, String::new()), None),
            Err(why) => (Stage::Number(choice, String::new()), Some(format!("{why}; nothing was changed"))),
        };
    }

    /// Returns the lines of the question.
    #[must_use]
    pub fn lines(&self, plan: &Plan, view: &View, look: &Look) -> Vec<String> {
        let Some((position, _)) = self.about else { return Vec::new() };
        let Some((server, hold)) = view.servers.get(position).and_then(|server| match &server.phase {
            Phase::Held(hold) => Some((server, hold)),
            Phase::Waiting | Phase::Step { .. } | Phase::Ended(_) => None,
        }) else {
            return Vec::new();
        };
        let names = Names::from_names(view.servers.iter().map(|server| &server.server));
        let name = names.at(position);
        let mut lines = look.hang("  ", Tone::Bad, &format!("{name} is held: {}", hold.cause.title()));
        match &self.stage {
            Stage::Choose => {
                for offer in offers(plan, view, server, hold) {
                    lines.extend(look.hang(&format!("    {}  ", offer.key), Tone::Plain, &offer.text));
                }
                lines.extend(
                    others(view, position, &names)
                        .map(|text| look.hang("    ", Tone::Quiet, &text))
                        .into_iter()
                        .flatten(),
                );
                lines.extend(look.hang("    ", Tone::Quiet, "press a key; nothing is done before that"));
            }
            Stage::Number(choice, typed) => {
                let text = if *choice == HoldChoice::Cut {
                    let left = server.sessions_left.as_ref().and_then(Answer::known).copied().unwrap_or_default();
                    format!(
                        "to cut them, type how many sessions are left now ({left}), then Enter; Esc goes back: {typed}"
                    )
                } else {
                    format!("how many minutes more? Enter alone: {MORE}; Esc goes back: {typed}")
                };
                lines.extend(look.hang("    ", Tone::Strong, &text));
            }
            Stage::Why(choice, terms, typed) => {
                let what = offers::done(plan, server, hold, *choice, terms);
                let text = format!("{what}. Why? A reason for the record, or Enter alone; Esc goes back: {typed}");
                lines.extend(look.hang("    ", Tone::Strong, &text));
            }
            Stage::Sent(choice) => {
                lines.extend(look.hang("    ", Tone::Quiet, &format!("{}: passed on to the run", choice.word())));
            }
        }
        lines.extend(self.said.iter().flat_map(|said| look.hang("    ", Tone::Warn, said)));
        lines
    }
}

/// The servers that wait for a decision, by position, the longest held first.
fn held(view: &View) -> Vec<(usize, &Hold)> {
    let mut held: Vec<(usize, &Hold)> = view
        .servers
        .iter()
        .enumerate()
        .filter_map(|(position, server)| match &server.phase {
            Phase::Held(hold) => Some((position, hold)),
            Phase::Waiting | Phase::Step { .. } | Phase::Ended(_) => None,
        })
        .collect();
    held.sort_by_key(|(position, hold)| (hold.since, *position));
    held
}

/// Says which other servers wait for a decision.
fn others(view: &View, position: usize, names: &Names) -> Option<String> {
    let others: Vec<&str> =
        held(view).into_iter().filter(|(other, _)| *other != position).map(|(other, _)| names.at(other)).collect();
    let verb = if others.len() == 1 { "is" } else { "are" };
    (!others.is_empty()).then(|| format!("{} {verb} held too: Tab", list(&others)))
}

fn edited(mut typed: String, key: Key) -> String {
    match key {
        Key::Char(c) if typed.chars().count() < LONGEST_WHY => typed.push(c),
        Key::Back => drop(typed.pop()),
        Key::Char(_) | Key::Enter | Key::Escape | Key::Tab | Key::Column(_) => {}
    }
    typed
}

/// Reads by how much a drain goes on.
fn extended(typed: &str) -> Result<Terms, String> {
    let most = Terms::MOST.as_mins();
    let minutes = match typed.trim() {
        "" => MORE,
        text => text.parse().ok().filter(|minutes| (1..=most).contains(minutes)).ok_or_else(|| {
            format!("{} is no number of minutes from 1 to {most}", orchestrate_model::text::quoted(text))
        })?,
    };
    Ok(Terms { more: Some(SignedDuration::from_mins(minutes)), ..Terms::default() })
}

/// Reads how many sessions are to be cut: as many as there are, or none.
fn cut(typed: &str, server: &ServerView) -> Result<Terms, String> {
    let left = match &server.sessions_left {
        Some(Answer::Known(left)) => *left,
        Some(Answer::Unknown(_)) | None => return Err("how many sessions are left is not known now".to_owned()),
    };
    match typed.trim().parse::<u64>() {
        Ok(number) if number == left => Ok(Terms { sessions: Some(number), ..Terms::default() }),
        Ok(number) => Err(format!("{number} was typed, and {} left", are(left))),
        Err(_) => Err(format!("{} is no number; {} left", orchestrate_model::text::quoted(typed.trim()), are(left))),
    }
}

fn are(left: u64) -> String {
    format!("{} {}", count(left, "session"), if left == 1 { "is" } else { "are" })
}

fn quoted(key: char) -> String {
    orchestrate_model::text::quoted(&key.to_string())
}
