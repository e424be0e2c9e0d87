//! One plan of a served folder, with everything that is known of it.

use super::approval;
use super::book::Book;
use super::folder;
use super::index::{Index, Sought, began};
use crate::args::LabArgs;
use crate::home::{Home, Place, quoted};
use crate::lab;
use crate::runs;
use jiff::Timestamp;
use orchestrate_approvals::Times;
use orchestrate_display::Look;
use orchestrate_journal::StateDir;
use orchestrate_lab::LabDirectory;
use orchestrate_model::change::Approvals;
use orchestrate_model::{Change, RunId};
use orchestrate_serve::{Approval, Campaign, Hindrance, Known, Moment, PlanFile, Share, Stamp, Status, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where plans are served.
pub(crate) struct Ground<'a> {
    pub(crate) home: &'a Home,
    pub(crate) state: &'a StateDir,
    pub(crate) place: Place,
    pub(crate) folder: &'a Path,
    pub(crate) lab: &'a LabArgs,
}

/// How often signed approvals are judged anew, whose files are as they were.
const SIGNED_AGAIN: Duration = Duration::from_secs(30);

/// A plan.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) book: Book,
    pub(crate) known: Known,
    change: Option<Change>,
    /// When signed approvals were last judged: they end by themselves.
    judged: Option<Instant>,
    /// When the run was begun that goes on.
    begun: Option<Timestamp>,
    /// What it takes of what plans share, by the plan that its run was begun with: a file that is changed, broken or gone changes
    /// nothing about servers that are out.
    share: Share,
    /// On a lab: its directory file, and the time that its clock begins with.
    lab: Option<(PathBuf, Timestamp)>,
    /// What was judged of it last, and when.
    pub(crate) verdict: Option<(Verdict, Instant)>,
    /// How it is listed since that judgement.
    listed: Option<(Instant, Status)>,
    /// What was said of it last.
    pub(crate) told: String,
    /// Why it is not begun although it could be.
    hindrance: Option<Hindrance>,
    /// How this program is called, and the command that approves the plan.
    commands: (String, String),
}

impl Plan {
    pub(crate) fn new(name: &str, ground: &Ground<'_>) -> Self {
        let path = ground.folder.join(name);
        let book = Book::of(ground.state.path(), name);
        let known = Known {
            file: PlanFile::Written,
            approval: Approval::None,
            campaign: Campaign::None,
            last: book.last(&path),
            at_work: book.is_at_work(),
            elsewhere: None,
        };
        let program = ground.home.program.clone();
        let on = if ground.place == Place::Lab { " --lab" } else { "" };
        let approve = format!("{program} approve {} --out{on}", quoted(&path));
        Self {
            name: name.to_owned(),
            path,
            book,
            known,
            change: None,
            judged: None,
            begun: None,
            share: Share::default(),
            lab: None,
            verdict: None,
            listed: None,
            told: String::new(),
            hindrance: None,
            commands: (program, approve),
        }
    }

    /// Returns what becomes of it, in words.
    pub(crate) fn words(&self, look: &Look) -> Option<String> {
        let (program, approve) = &self.commands;
        let (verdict, _) = self.verdict.as_ref()?;
        let text = verdict.text((program, approve), look);
        let hindrance = self.hindrance.as_ref().filter(|_| matches!(verdict, Verdict::Due { .. }));
        let text = hindrance.map_or_else(|| text.clone(), |hindrance| format!("{text}: {}", hindrance.text()));
        // Whatever is waited for, a server that is out meanwhile is named.
        Some(match self.known.campaign.left_out(program).filter(|_| !verdict.names_out()) {
            Some(out) => format!("{text}; {out}"),
            None => text,
        })
    }

    /// Takes what keeps it from being begun.
    pub(crate) fn hindered(&mut self, hindrance: Option<Hindrance>) {
        if self.hindrance != hindrance {
            (self.hindrance, self.listed) = (hindrance, None);
        }
    }

    /// Returns it as it is listed. It is worked out once for each judgement: two hundred calendars are asked for nothing else.
    pub(crate) fn listed(&mut self, look: &Look) -> Option<Status> {
        let (verdict, judged) = self.verdict.as_ref()?;
        if let Some((_, status)) = self.listed.as_ref().filter(|(of, _)| of == judged) {
            return Some(status.clone());
        }
        let (judged, text) = (*judged, self.words(look)?);
        let log = self.known.last.is_some().then(|| self.book.log().display().to_string());
        let status = Status { log, ..Status::of((&self.name, text), &self.known, verdict, self.moment()) };
        self.listed = Some((judged, status.clone()));
        Some(status)
    }

    /// Reads the plan file.
    pub(crate) fn read(&mut self, ground: &Ground<'_>) {
        let (file, change) = folder::read(&self.path);
        self.lab = change.as_ref().filter(|_| ground.place == Place::Lab).map(|change| {
            let scenario = lab::scenario_path(&self.path, None);
            let origin = lab::origin(change, scenario.as_deref(), Timestamp::now());
            // A scenario that cannot be read is told by the start.
            (lab::directory_path(ground.home, change), origin.unwrap_or_else(|_unread| Timestamp::now()))
        });
        (self.known.file, self.change) = (file, change);
        self.take_share();
        self.verdict = None;
        // Whether it has to be signed is for the plan to say.
        if self.signed().is_some() || self.judged.take().is_some() {
            self.read_approval();
        }
    }

    /// Reads the approval.
    pub(crate) fn read_approval(&mut self) {
        let read = match self.signed() {
            Some(approvals) => {
                let times = Times { now: Timestamp::now(), begun: self.begun };
                approval::signed(&self.path, approvals, times)
            }
            None => approval::read(&self.path),
        };
        self.judged = self.signed().is_some().then(Instant::now);
        if read != self.known.approval {
            (self.known.approval, self.verdict) = (read, None);
        }
    }

    /// Returns whose signed approvals the plan demands.
    fn signed(&self) -> Option<&Approvals> {
        self.change.as_ref()?.approvals.as_ref()
    }

    /// Returns whether the approval has to be read again: its file is gone, or it is one that ends by itself.
    pub(crate) fn approval_is_old(&self, found: &BTreeMap<String, Stamp>) -> bool {
        let is_there = || found.contains_key(&format!("{}{}", self.name, approval::ENDING));
        match self.signed() {
            Some(_) => self.judged.is_none_or(|at| at.elapsed() >= SIGNED_AGAIN),
            None => self.known.approval != Approval::None && !is_there(),
        }
    }

    /// Returns what it takes of what plans share.
    pub(crate) fn share(&self) -> &Share {
        &self.share
    }

    /// Takes the share of the plan as it is now, unless a run of another state of it has servers out, or may have.
    fn take_share(&mut self) {
        let is_out =
            self.known.at_work || matches!(&self.known.campaign, Campaign::Open { out, .. } if !out.is_empty());
        if let (PlanFile::Good(good), true) = (&self.known.file, !is_out || self.share == Share::default()) {
            self.share = good.share.clone();
        }
    }

    /// The file is there no more.
    pub(crate) fn gone(&mut self) {
        (self.known.file, self.change) = (PlanFile::Gone, None);
        self.verdict = None;
    }

    /// Takes what the journals say.
    pub(crate) fn look_up(&mut self, index: &Index, ground: &Ground<'_>) {
        let holder = |run: &RunId, change: &Change| who_works_on(ground.state, run, change);
        let campaign = match &self.change {
            Some(change) => {
                let sought = Sought { path: &self.path, change, approval: &self.known.approval };
                index.campaign(&sought, |change| is_there(ground, change), holder)
            }
            None => index.of_file(&self.path, holder),
        };
        if campaign != self.known.campaign {
            let begun = match &campaign {
                Campaign::Open { run, .. } => began(run),
                Campaign::None | Campaign::Other { .. } | Campaign::Over { .. } => None,
            };
            self.known.campaign = campaign;
            if self.begun != begun {
                self.begun = begun;
                if self.signed().is_some() {
                    self.read_approval();
                }
            }
            self.take_share();
            self.verdict = None;
        }
    }

    /// Returns the time for a judgement.
    pub(crate) fn moment(&self) -> Moment {
        let here = Timestamp::now();
        let plan = self
            .lab
            .as_ref()
            .map_or(here, |(directory, origin)| LabDirectory::read(directory).map_or(*origin, |lab| lab.clock().now()));
        Moment { plan, here }
    }

    /// Takes who else works on the pools of the plan.
    pub(crate) fn ask_pools(&mut self, state: &StateDir) {
        let PlanFile::Good(good) = &self.known.file else { return };
        let held = good.share.pools.iter().find_map(|pool| match state.holder(pool) {
            Ok(None) => None,
            Ok(Some(holder)) => Some(format!("run {} works on {pool}: {}", holder.run, runs::said(&holder))),
            Err(error) => Some(format!("who works on {pool} cannot be read: {error}")),
        });
        if held != self.known.elsewhere {
            self.known.elsewhere = held;
            self.verdict = None;
        }
    }
}

/// Returns who works on a run, in words, where a process does.
fn who_works_on(state: &StateDir, run: &RunId, change: &Change) -> Option<String> {
    change.pools.iter().find_map(|pool| match state.holder(&pool.name) {
        Ok(Some(holder)) if holder.run == *run => Some(runs::said(&holder)),
        Ok(_) => None,
        Err(error) => Some(format!("who works on {} cannot be read: {error}", pool.name)),
    })
}

/// Returns whether the servers of a run still are: those of a lab go with it.
fn is_there(ground: &Ground<'_>, change: &Change) -> bool {
    match ground.place {
        Place::Real => true,
        Place::Lab => lab::directory_path(ground.home, change).exists(),
    }
}
