//! `orchestrate PLAN`: look, show, ask once, run.

use crate::args::{ApprovalArgs, Format, LabArgs, RunArgs};
use crate::drive::{Drive, Ended, drive, say};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, actor, new_run_id};
use crate::lab;
use crate::plan_file::{self, PlanFile};
use crate::runs::{self, Found};
use crate::stage::{Owner, Planned, Stage};
use crate::terminal::live::Manner;
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::events;
use orchestrate_display::preview::{self, Detail, Preview};
use orchestrate_engine::record::Attended;
use orchestrate_engine::{RunHeader, Start};
use orchestrate_journal::{Claim, Holder, StateDir};
use orchestrate_model::{PoolName, RunId};
use orchestrate_planner::Plan;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub(crate) async fn run(home: &Home, args: &RunArgs) -> Result<Exit, Failure> {
    let Some(path) = &args.plan else {
        return Err(Failure::Usage("a plan file is needed".to_owned()));
    };
    if !args.dry_run && matches!(args.output, Format::Dot | Format::Mermaid) {
        return Err(Failure::Usage("-o dot and -o mermaid are for --dry-run".to_owned()));
    }
    let file = plan_file::read(path)?;
    if args.offline {
        return preview(&Planned::offline(&file.change)?, args);
    }
    // Nothing waits in a preview, and evidence of a large pool would be stale by the clock of a fast lab.
    let lab = if args.dry_run { LabArgs { lab_speed: Some(1.0), ..args.lab.clone() } } else { args.lab.clone() };
    let stage = Stage::open(home, path, &file, &lab).await?;
    if args.dry_run {
        let shown = match stage.plan(&file.change).await {
            Ok(planned) => preview(&planned, args),
            Err(failure) => Err(failure),
        };
        stage.leave().await?;
        return shown;
    }
    let state = home.open(stage.place)?;
    let begun = match before(home, &state, &stage, &file).await {
        Ok(begun) => begun,
        Err(failure) => {
            stage.leave().await?;
            return Err(failure);
        }
    };
    match begun {
        Some(found) => go_on(home, &state, stage, found, args).await,
        None => begin(home, &state, stage, &file, args).await,
    }
}

/// Shows the preview and says how a dry run ends.
fn preview(planned: &Planned, args: &RunArgs) -> Result<Exit, Failure> {
    show(planned, args.output, Detail::Full)?;
    if args.approval.unattended && planned.has_work() && planned.plan.refusals().next().is_none() {
        unasked(&planned.plan)?;
    }
    Ok(match (planned.plan.refusals().next().is_some(), planned.has_work() && args.detailed_exitcode) {
        (true, _) => Exit::Unsafe,
        (false, true) => Exit::ChangesPlanned,
        (false, false) => Exit::Done,
    })
}

fn show(planned: &Planned, format: Format, detail: Detail) -> Result<(), Failure> {
    let fingerprint = planned.plan.fingerprint().to_string();
    let preview =
        Preview { plan: &planned.plan, fingerprint: &fingerprint, seen: &planned.seen, report: &planned.report };
    output::data(&match format {
        Format::Text => preview::text(&preview, detail, &output::look()),
        Format::Json if detail == Detail::Brief => format!("{}\n", events::preview(&preview)),
        Format::Json => format!("{:#}\n", preview::json(&preview)),
        Format::Dot => preview::dot(&planned.plan),
        Format::Mermaid => preview::mermaid(&planned.plan),
    })
}

/// Returns the run of this plan that an earlier start did not finish, if there is one.
async fn before(home: &Home, state: &StateDir, stage: &Stage, file: &PlanFile) -> Result<Option<Found>, Failure> {
    let mut open: BTreeSet<&PoolName> = file.change.pools.iter().map(|pool| &pool.name).collect();
    for folder in state.runs()?.into_iter().rev() {
        // The journal of a run on other pools is not looked at: it may be damaged, or of another version.
        let plan = folder.plan()?;
        if !open.iter().any(|pool| plan.change().pool(pool).is_some()) {
            continue;
        }
        let found = runs::read(folder)?;
        if !found.is_unfinished() {
            // What came before it on the same pools was over when it began.
            open.retain(|pool| plan.change().pool(pool).is_none());
            continue;
        }
        let run = found.folder.id();
        if stage.place == Place::Lab && !has_lab(home, stage, &found, file).await {
            output::talk(&format!("run {run} was not finished, but its lab is gone; this is a new one"));
            continue;
        }
        if found.plan.change() == &file.change {
            return Ok(Some(found));
        }
        return Err(Failure::PlanChanged { run: run.to_string(), program: home.program.clone() });
    }
    Ok(None)
}

/// Returns whether the servers of an unfinished run on a lab are still there. A plan that changed has a lab of its own.
async fn has_lab(home: &Home, stage: &Stage, found: &Found, file: &PlanFile) -> bool {
    if found.plan.change() != &file.change {
        return lab::find(home, found.plan.change()).await.is_some();
    }
    match &stage.lab {
        Some((_, Owner::Us)) | None => false,
        // A lab that is younger than the run is another one.
        Some((lab, Owner::Earlier | Owner::Other)) => found.state.started.is_some_and(|began| began >= lab.origin),
    }
}

/// Goes on with a run that an earlier start did not finish.
async fn go_on(home: &Home, state: &StateDir, stage: Stage, found: Found, args: &RunArgs) -> Result<Exit, Failure> {
    let run = found.folder.id().clone();
    let claim = claim(state, &found.plan, &run)?;
    output::talk(&told(&found));
    if let Some(why) = stage.outside_window(found.plan.change())? {
        return Err(Failure::OutsideWindow(format!("run {run} is not taken up: {why}")));
    }
    let fingerprint = found.plan.fingerprint().to_string();
    consent(&args.approval, &fingerprint, home, "continue?")?;
    let start = Start::Resume { by: actor(), attended: attended(&args.approval) };
    continued(home, stage, Continued { found, claim, manner: manner(args.output) }, start).await
}

/// A run that is taken up again.
pub(crate) struct Continued {
    pub(crate) found: Found,
    pub(crate) claim: Claim,
    pub(crate) manner: Manner,
}

/// Drives a run that was begun before, after reading its journal again under the claim.
pub(crate) async fn continued(home: &Home, stage: Stage, run: Continued, start: Start) -> Result<Exit, Failure> {
    let Continued { found, claim, manner } = run;
    let entries = found.folder.entries()?;
    if entries.torn > 0 {
        output::talk("the last record was cut off while it was written; nothing had been done about it yet");
    }
    let journal = found.folder.writer(&entries)?;
    let Stage { clock, readers, lab, .. } = stage;
    let drive_it = Drive {
        home,
        folder: found.folder,
        plan: Arc::new(found.plan),
        entries,
        journal,
        claim,
        eyes: readers.eyes(),
        hands: readers.hands(),
        clock,
        manner,
    };
    let ended = drive(drive_it, start).await?;
    finish(home, ended, lab, manner).await
}

/// Returns what is said about a run that is taken up again.
fn told(found: &Found) -> String {
    let state = &found.state;
    let ended = state.work.iter().filter(|work| work.end.is_some()).count();
    let works = found.plan.work().iter().zip(&state.work);
    let out: Vec<&str> = works.filter(|(_, work)| work.is_out()).map(|(work, _)| work.server.short()).collect();
    let out = if out.is_empty() { "no server is out".to_owned() } else { format!("in hand: {}", out.join(", ")) };
    let began = state.started.map(|at| output::look().date_time(at)).unwrap_or_default();
    let all = state.work.len();
    format!("found run {}, begun {began}: {ended} of {all} servers ended, {out}; continuing", found.folder.id())
}

/// Begins a new run.
async fn begin(home: &Home, state: &StateDir, stage: Stage, file: &PlanFile, args: &RunArgs) -> Result<Exit, Failure> {
    let ready = prepare(home, state, &stage, file, args).await;
    let (plan, run, claim) = match ready {
        Ok(Some(ready)) => ready,
        Ok(None) => {
            stage.leave().await?;
            output::talk("nothing to do");
            return Ok(Exit::Done);
        }
        Err(failure) => {
            stage.leave().await?;
            return Err(failure);
        }
    };
    let folder = state.create_run(&run, &plan, &file.bytes)?;
    let entries = folder.entries()?;
    let journal = folder.writer(&entries)?;
    let header =
        RunHeader { run, plan: plan.fingerprint().to_string(), by: actor(), attended: attended(&args.approval) };
    let Stage { clock, readers, lab, .. } = stage;
    let manner = manner(args.output);
    let drive_it = Drive {
        home,
        folder,
        plan: Arc::new(plan),
        entries,
        journal,
        claim,
        eyes: readers.eyes(),
        hands: readers.hands(),
        clock,
        manner,
    };
    let ended = drive(drive_it, Start::New(header)).await?;
    finish(home, ended, lab, manner).await
}

/// Everything before the first change. Returns nothing when there is nothing to do.
async fn prepare(
    home: &Home,
    state: &StateDir,
    stage: &Stage,
    file: &PlanFile,
    args: &RunArgs,
) -> Result<Option<(Plan, RunId, Claim)>, Failure> {
    if let Some(why) = stage.outside_window(&file.change)? {
        return Err(Failure::OutsideWindow(why));
    }
    let planned = stage.plan(&file.change).await?;
    match show(&planned, args.output, Detail::Brief) {
        // Somebody has said yes already: that nobody reads on must not look like a run that had nothing to do.
        Err(Failure::ClosedPipe) if is_consented(&args.approval) => {}
        shown => shown?,
    }
    if let Some(why) = planned.silent() {
        return Err(Failure::Unreachable { why });
    }
    let fingerprint = planned.plan.fingerprint().to_string();
    if let Some(approved) = &args.approval.approve
        && !approved.eq_ignore_ascii_case(&fingerprint)
    {
        return Err(Failure::OtherPlan { approved: approved.clone(), found: fingerprint });
    }
    let reasons: Vec<String> =
        planned.plan.refusals().map(|finding| format!("{}: {}", finding.code, finding.message)).collect();
    if !reasons.is_empty() {
        return Err(Failure::Refused { reasons });
    }
    if !planned.has_work() {
        return Ok(None);
    }
    if nobody_there(&args.approval) {
        unasked(&planned.plan)?;
    }
    consent(&args.approval, &fingerprint, home, "run this plan?")?;
    let run = new_run_id(Timestamp::now());
    let claim = claim(state, &planned.plan, &run)?;
    Ok(Some((planned.plan, run, claim)))
}

/// Claims the pools of a plan for a run.
pub(crate) fn claim(state: &StateDir, plan: &Plan, run: &RunId) -> Result<Claim, Failure> {
    let by = actor();
    let change = plan.change();
    let reason = if change.reason.is_empty() { &change.name } else { &change.reason };
    let holder = Holder {
        user: by.user,
        host: by.host,
        process: by.process,
        since: Timestamp::now(),
        reason: reason.clone(),
        run: run.clone(),
    };
    Ok(state.claim(&runs::pools(plan), &holder)?)
}

/// Returns whether somebody has said yes already.
fn is_consented(approval: &ApprovalArgs) -> bool {
    approval.yes || approval.unattended || approval.approve.is_some()
}

/// Asks once, unless somebody has said yes already. Without a terminal nobody is asked.
fn consent(approval: &ApprovalArgs, fingerprint: &str, home: &Home, question: &str) -> Result<(), Failure> {
    if is_consented(approval) {
        return Ok(());
    }
    if !output::can_ask() {
        return Err(Failure::NotApproved { fingerprint: fingerprint.to_owned(), program: home.program.clone() });
    }
    if output::ask(question)? { Ok(()) } else { Err(Failure::Declined) }
}

/// Returns whether nobody is there to decide or confirm anything during the run.
fn nobody_there(approval: &ApprovalArgs) -> bool {
    approval.unattended || !output::can_ask()
}

/// Refuses a plan that needs an operator, for a start without one: it would stop at the first server it has touched.
fn unasked(plan: &Plan) -> Result<(), Failure> {
    let reasons: Vec<String> =
        plan.for_the_operator().map(|finding| format!("{}: {}", finding.code, finding.message)).collect();
    if reasons.is_empty() { Ok(()) } else { Err(Failure::NobodyToAsk { reasons }) }
}

fn attended(approval: &ApprovalArgs) -> Attended {
    if approval.unattended { Attended::No } else { Attended::Yes }
}

fn manner(format: Format) -> Manner {
    match format {
        Format::Json => Manner::Json,
        Format::Text | Format::Dot | Format::Mermaid => Manner::Text,
    }
}

/// Ends the lab with the run, unless something has to be gone on with.
async fn finish(
    home: &Home,
    ended: Ended,
    lab: Option<(orchestrate_lab::LabDirectory, Owner)>,
    manner: Manner,
) -> Result<Exit, Failure> {
    let Some((directory, owner)) = lab else {
        return Ok(ended.exit);
    };
    let over = ended.is_over();
    let report = if over && owner != Owner::Other { directory.stop().await? } else { directory.report().await? };
    match manner {
        Manner::Text => say(&format!("\n{}\n", report.text())),
        Manner::Json => {
            let event = serde_json::json!({"version": 1, "event": "lab_report", "at": report.at, "report": report});
            say(&format!("{event}\n"));
        }
    }
    if !over {
        let program = &home.program;
        output::talk(&format!("the lab goes on; `{program} lab PLAN --stop` ends it"));
    }
    Ok(ended.exit)
}

/// Prints the fingerprint of a plan.
pub(crate) async fn approve(home: &Home, path: &Path, lab: &crate::args::LabArgs) -> Result<Exit, Failure> {
    let file = plan_file::read(path)?;
    let stage = Stage::open(home, path, &file, lab).await?;
    let planned = stage.plan(&file.change).await;
    stage.leave().await?;
    let planned = planned?;
    let reasons: Vec<String> =
        planned.plan.refusals().map(|finding| format!("{}: {}", finding.code, finding.message)).collect();
    if !reasons.is_empty() {
        return Err(Failure::Refused { reasons });
    }
    output::data(&format!("{}\n", planned.plan.fingerprint()))?;
    Ok(Exit::Done)
}
