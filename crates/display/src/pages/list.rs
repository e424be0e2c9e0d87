//! The list of campaigns and runs: what waits for a person first.

use super::run::piece;
use super::{Frame, Page, Piece, class, whole};
use crate::ahead::Ahead;
use crate::live::{self, About, Ground};
use crate::status::{self, RunStatus};
use crate::style::{Look, Tone};
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, list as words_of};
use crate::words;
use jiff::Timestamp;
use orchestrate_engine::record::ServerEnd;
use orchestrate_engine::view::Phase;
use orchestrate_model::RunId;
use serde::Serialize;

/// Most runs that are listed. `orchestrate status` lists all.
const MOST_RUNS: usize = 100;

/// A plan of a served folder, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its file.
    pub plan: String,
    /// Its name.
    pub title: Option<String>,
    /// Whether a person has to do something about it.
    pub urgent: Urgent,
    /// What becomes of it, in words.
    pub text: String,
    /// The run of it.
    pub run: Option<String>,
}

/// How much something waits for a person. The first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgent {
    /// Nothing goes on without a person.
    Now,
    /// A person has to do something some time.
    Soon,
    /// It goes on.
    AtWork,
    /// It waits by itself.
    Waits,
    /// It is over.
    Over,
}

impl Urgent {
    fn tone(self) -> Tone {
        match self {
            Self::Now => Tone::Bad,
            Self::Soon => Tone::Warn,
            Self::AtWork => Tone::Good,
            Self::Waits | Self::Over => Tone::Plain,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Now => "needs a person",
            Self::Soon => "to do",
            Self::AtWork => "at work",
            Self::Waits => "waits",
            Self::Over => "done",
        }
    }
}

/// A run in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    #[serde(skip)]
    urgent: Urgent,
    run: String,
    title: String,
    lab: bool,
    tone: &'static str,
    state: String,
    pools: String,
    done: usize,
    all: usize,
    counted: String,
    end: String,
    began: String,
}

/// Returns the line of a run that cannot be read.
#[must_use]
pub fn unreadable(run: &RunId, why: &str) -> Line {
    Line {
        urgent: Urgent::Now,
        run: run.to_string(),
        title: "UNREADABLE: servers may be out".to_owned(),
        lab: false,
        tone: class(Tone::Bad),
        state: clean(why),
        pools: String::new(),
        done: 0,
        all: 0,
        counted: String::new(),
        end: String::new(),
        began: String::new(),
    }
}

/// Returns the line of a run. `now` is the time by the clock of its servers.
#[must_use]
pub fn line(run: &RunStatus, ahead: &Ahead, now: Timestamp, look: &Look) -> Line {
    let look = &whole(look);
    let (tone, how) = status::how(run);
    let out: Vec<&str> = out(run);
    let is_live = run.state.ended.is_none() && run.holder.is_some();
    let left = run.state.ended.is_some() && !out.is_empty();
    let urgent = match (run.state.ended, is_live) {
        _ if left || !status::held(run).is_empty() && is_live => Urgent::Now,
        (None, false) if run.state.started.is_none() => Urgent::Over,
        (None, false) => Urgent::Now,
        (None, true) => Urgent::AtWork,
        (Some(outcome), _) if words::outcome_tone(outcome) == Tone::Good => Urgent::Over,
        (Some(_), _) => Urgent::Waits,
    };
    let view = run.view.as_ref();
    let ended = |end: &ServerEnd| matches!(end, ServerEnd::Finished | ServerEnd::NothingToDo { .. });
    let servers = view.iter().flat_map(|view| &view.servers);
    let done = servers.filter(|server| matches!(&server.phase, Phase::Ended(end) if ended(end))).count();
    let about = About { ground: run.ground, plan: &run.plan, ahead };
    let end = view.filter(|_| is_live).map(|view| live::end(&about, view, now, look).join("; "));
    let pools: Vec<&str> = run.plan.change().pools.iter().map(|pool| pool.name.as_str()).take(3).collect();
    let more = run.plan.change().pools.len().saturating_sub(pools.len());
    let all = run.plan.work().len();
    Line {
        urgent,
        run: run.run.to_string(),
        title: clean(&run.plan.change().name),
        lab: run.ground == Ground::Lab,
        tone: class(if left { Tone::Bad } else { tone }),
        state: if left { format!("{how}, {} OUT: {}", out.len(), words_of(&out)) } else { how },
        pools: if more > 0 { format!("{} and {more} more", pools.join(", ")) } else { pools.join(", ") },
        done,
        all,
        counted: format!("{done} of {all}"),
        end: end.unwrap_or_default(),
        began: run.state.started.map(|at| look.date_time(at)).unwrap_or_default(),
    }
}

fn out(run: &RunStatus) -> Vec<&str> {
    let works = run.plan.work().iter().zip(&run.state.work);
    works.filter(|(_, each)| each.is_out()).map(|(work, _)| work.server.short()).collect()
}

#[derive(Debug, Serialize)]
struct Plans {
    plans: Vec<PlanPart>,
}

#[derive(Debug, Serialize)]
struct PlanPart {
    tone: &'static str,
    word: &'static str,
    plan: String,
    title: String,
    text: String,
    run: Option<String>,
}

#[derive(Debug, Serialize)]
struct Runs {
    runs: Vec<Line>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct More {
    folder: String,
}

/// Returns the pieces of the list.
///
/// # Errors
/// A template of the program is wrong.
pub fn pieces(mut campaigns: Vec<Campaign>, mut runs: Vec<Line>) -> Result<Vec<Piece>, Unwritten> {
    campaigns.sort_by_key(|one| one.urgent);
    // Runs come newest first, and stay so among those that wait for a person as much.
    runs.sort_by_key(|one| one.urgent);
    let more = runs.len().saturating_sub(MOST_RUNS);
    runs.truncate(MOST_RUNS);
    let plan = |one: Campaign| PlanPart {
        tone: class(one.urgent.tone()),
        word: one.urgent.word(),
        title: one.title.as_deref().map(clean).unwrap_or_default(),
        plan: clean(&one.plan),
        text: clean(&one.text),
        run: one.run,
    };
    Ok(vec![
        piece("plans", "list_campaigns.html", &Plans { plans: campaigns.into_iter().map(plan).collect() })?,
        piece("runs", "list_runs.html", &Runs { runs, more })?,
    ])
}

/// Returns the page of the list. `folder` is what is served.
///
/// # Errors
/// A template of the program is wrong.
pub fn list(folder: &str, pieces: Vec<Piece>, frame: &Frame) -> Result<String, Unwritten> {
    let more = More { folder: clean(folder) };
    let page = Page { title: "Runs".to_owned(), frame, here: "runs", events: "/events".to_owned(), pieces, more };
    rendered("list.html", &page)
}
