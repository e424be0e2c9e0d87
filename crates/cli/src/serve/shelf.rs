//! Runs as they were read last, for pages that are asked for again and again: a journal is read anew when it has grown.

use crate::failure::Failure;
use crate::home::{Home, Place, Typed};
use crate::lab;
use crate::runs;
use jiff::Timestamp;
use orchestrate_display::Look;
use orchestrate_display::ahead::Ahead;
use orchestrate_display::pages::{self, Decided, Line, Shown};
use orchestrate_display::status::RunStatus;
use orchestrate_display::summary::Context;
use orchestrate_engine::{Record, View};
use orchestrate_journal::RunFolder;
use orchestrate_model::RunId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Most runs that are kept in memory, with all their records.
const MOST: usize = 16;

/// By what is seen that a file has changed.
type Stamp = (u64, Option<SystemTime>);

/// The runs.
#[derive(Default)]
pub(super) struct Shelf {
    runs: Mutex<HashMap<RunId, Arc<Mutex<Kept>>>>,
    /// The lines of runs on which no process works, by their journals.
    lines: Mutex<HashMap<RunId, (Stamp, Line)>>,
}

/// A run as it was read last.
pub(super) struct Kept {
    folder: RunFolder,
    place: Place,
    stamp: Stamp,
    run: RunStatus,
    records: Vec<(u64, Timestamp, Record)>,
    ahead: Ahead,
    start: String,
}

impl Shelf {
    /// Asks a run as it is now.
    pub(super) fn with<T>(&self, home: &Home, run: &str, ask: impl FnOnce(&Kept) -> T) -> Result<T, Failure> {
        let known = RunId::new(run).ok().and_then(|id| self.known(&id));
        let kept = match known {
            Some(kept) => kept,
            None => {
                // A part of an id, or `last`.
                let (place, folder) = home.run(run)?;
                match self.known(folder.id()) {
                    Some(kept) => kept,
                    None => self.keep(Kept::read(home, place, folder)?),
                }
            }
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(failure) = kept.refresh(home) {
            // What cannot be read any more is read from its beginning when it is asked for again.
            self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(kept.folder.id());
            return Err(failure);
        }
        Ok(ask(&kept))
    }

    fn known(&self, id: &RunId) -> Option<Arc<Mutex<Kept>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn keep(&self, kept: Kept) -> Arc<Mutex<Kept>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() >= MOST {
            runs.clear();
        }
        let id = kept.folder.id().clone();
        let kept = Arc::new(Mutex::new(kept));
        runs.insert(id, kept.clone());
        kept
    }

    /// Returns a line for each run, newest first.
    pub(super) fn lines(&self, home: &Home, look: &Look) -> Result<Vec<Line>, Failure> {
        let found = home.runs()?;
        Ok(found.into_iter().map(|(place, folder)| self.line(home, (place, folder), look)).collect())
    }

    fn line(&self, home: &Home, (place, folder): (Place, RunFolder), look: &Look) -> Line {
        let (id, stamp) = (folder.id().clone(), stamp(&folder));
        let known = self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some((_, line)) = known.filter(|(of, _)| *of == stamp) {
            return line;
        }
        let read = if self.known(&id).is_some() {
            self.with(home, id.as_str(), |kept| (kept.line(home, look), kept.stays()))
        } else {
            Kept::read(home, place, folder).map(|kept| {
                let read = (kept.line(home, look), kept.stays());
                if !read.1 {
                    self.keep(kept);
                }
                read
            })
        };
        let (line, stays) = read.unwrap_or_else(|failure| (pages::unreadable(&id, &failure.in_one_line()), false));
        if stays {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (stamp, line.clone()));
        }
        line
    }
}

fn stamp(folder: &RunFolder) -> Stamp {
    let file = std::fs::metadata(folder.journal_path()).ok();
    file.map_or((0, None), |file| (file.len(), file.modified().ok()))
}

impl Kept {
    fn read(home: &Home, place: Place, folder: RunFolder) -> Result<Self, Failure> {
        let stamp = stamp(&folder);
        let found = runs::read(folder)?;
        let (folder, records, view) = (found.folder.clone(), found.records(), found.view());
        let (ahead, start) = (Ahead::of(&found.plan), Typed::of_run(place, &folder).start(&home.program));
        let run = RunStatus { view: Some(view), ..found.status(home, place)? };
        Ok(Self { folder, place, stamp, run, records, ahead, start })
    }

    /// Reads what has changed.
    fn refresh(&mut self, home: &Home) -> Result<(), Failure> {
        let stamp = stamp(&self.folder);
        if stamp != self.stamp {
            let entries = self.folder.entries()?;
            let folded = runs::fold(&self.run.plan, &entries);
            let why = |why: orchestrate_engine::Illegal| Failure::Corrupt {
                path: self.folder.journal_path(),
                why: why.to_string(),
            };
            self.run.state = folded.map_err(why)?;
            self.records = runs::records(&entries);
            self.stamp = stamp;
        }
        let state = home.open_if_there(self.place)?;
        let holder = state.map(|state| runs::holder(&state, &self.run.run, &self.run.plan)).transpose()?.flatten();
        self.run.holder = holder.map(|holder| runs::said(&holder));
        self.run.view = Some(runs::view(&self.folder, &self.run.plan, &self.run.state));
        Ok(())
    }

    /// Whether its line stays as it is until its journal grows.
    fn stays(&self) -> bool {
        self.run.state.ended.is_some() && self.run.holder.is_none()
    }

    fn line(&self, home: &Home, look: &Look) -> Line {
        pages::line(&self.run, &self.ahead, self.now(home), look)
    }

    /// Returns the time by the clock of its servers.
    fn now(&self, home: &Home) -> Timestamp {
        match self.place {
            Place::Real => Timestamp::now(),
            Place::Lab => {
                let now = lab::now(home, &self.run.plan, Typed::lab_of(&self.folder).as_deref());
                now.or(self.run.state.last).unwrap_or_else(Timestamp::now)
            }
        }
    }

    /// Shows it.
    pub(super) fn shown<T>(&self, home: &Home, decided: Decided, show: impl FnOnce(&Shown<'_>) -> T) -> T {
        let (run, plan) = (&self.run.run, &self.run.plan);
        let context = Context { run, plan, program: &home.program, start: &self.start };
        let now = self.now(home);
        let read;
        let view: &View = if let Some(view) = &self.run.view {
            view
        } else {
            read = runs::view(&self.folder, plan, &self.run.state);
            &read
        };
        show(&Shown {
            context,
            state: &self.run.state,
            records: &self.records,
            view,
            ahead: &self.ahead,
            ground: self.place.ground(),
            holder: self.run.holder.as_deref(),
            decided,
            now,
        })
    }
}
