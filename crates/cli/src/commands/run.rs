//! `orchestrate PLAN`: look, show, ask once, run.

use crate::access;
use crate::args::{ApprovalArgs, Format, RunArgs};
use crate::before::{Barred, Ground, Standing, told};
use crate::commands::resume::{Way, in_our_hands, tell_of};
use crate::commands::waiting::{self, Came, Wait};
use crate::commands::{detach, dry};
use crate::drive::{Drive, Ended, drive, say};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed, actor, new_run_id};
use crate::host;
use crate::lab::{self, InUse};
use crate::only;
use crate::people::{self, Told};
use crate::plan_file::{self, PlanFile};
use crate::runs::{self, Found};
use crate::saved;
use crate::serve;
use crate::signed::{self, Needed};
use crate::stage::{Owner, Planned, Stage, abandoned};
use crate::terminal::live::Manner;
use crate::terminal::{output, signals};
use jiff::Timestamp;
use orchestrate_display::consent;
use orchestrate_display::events;
use orchestrate_display::preview::{self, Detail};
use orchestrate_engine::record::{Approved, Attended};
use orchestrate_engine::{RunHeader, Start};
use orchestrate_journal::{Claim, Entries, Holder, Journal, RunFolder, StateDir};
use orchestrate_lab::LabDirectory;
use orchestrate_model::RunId;
use orchestrate_planner::{Plan, codes};
use std::path::Path;
use std::sync::Arc;

/// What is said where a further night would be needed.
const NO_WINDOW: &str =
    "no window of the plan opens in the next four years: what earlier nights have left waits for another plan";

pub(crate) async fn run(home: &Home, args: &RunArgs) -> Result<Exit, Failure> {
    match &args.process.served {
        Some(folder) => Box::pin(serve::served(folder, start(home, args))).await,
        None => {
            if args.process.apart {
                host::enter_session();
            }
            Box::pin(start(home, args)).await
        }
    }
}

async fn start(home: &Home, args: &RunArgs) -> Result<Exit, Failure> {
    let Some(path) = &args.plan else {
        return Err(Failure::Usage("a plan file is needed".to_owned()));
    };
    if !args.dry_run && args.output.previews_only() {
        return Err(Failure::Usage("-o html, svg, dot, mermaid and gantt are for --dry-run".to_owned()));
    }
    let file = plan_file::read(path)?;
    saved::fits(path, &file, args)?;
    let emergency =
        file.saved.as_ref().map_or_else(|| args.approval.emergency.clone(), |saved| saved.emergency.clone());
    let file = file.in_emergency(emergency.as_deref()).with_only(&args.only)?;
    if args.dry_run {
        return dry::run(home, path, &file, args).await;
    }
    if args.process.detach {
        return Box::pin(detach::run(home, (path, &file), args)).await;
    }
    let mut wait = args.approval.waits().then_some(Wait::ForWindow);
    // What could keep people from being told of the night is known before it.
    Told::of(&file.change, &args.lab).check()?;
    loop {
        match Box::pin(night(home, path, (&file, args), wait)).await {
            // What is left is done in the next window; what is left of this one is too short for it.
            Ok(Some(Exit::StoppedByWindow)) if wait.is_some() => wait = Some(Wait::ForNextWindow),
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => {
                output::talk(NO_WINDOW);
                people::no_further_window(Told::of(&file.change, &args.lab), NO_WINDOW).await;
                return Ok(Exit::StoppedByWindow);
            }
            Err(failure) => {
                if args.approval.unattended {
                    people::refused(Told::of(&file.change, &args.lab), &failure).await;
                }
                return Err(failure);
            }
        }
    }
}

/// Begins a run or goes on with one, and drives it as far as its window reaches. `None`: what an earlier night has left is
/// not begun, since no window opens any more.
async fn night(
    home: &Home,
    path: &Path,
    (file, args): (&PlanFile, &RunArgs),
    wait: Option<Wait>,
) -> Result<Option<Exit>, Failure> {
    // The state folder comes first: leases on servers are taken in its name.
    let state = home.open(if args.lab.is_wanted() { Place::Lab } else { Place::Real })?;
    let stage = Stage::open(home, path, file, &args.lab).await?;
    let ground = Ground { home, state: &state, place: stage.place, lab: stage.lab.as_ref(), file };
    // Whatever keeps this from being known is told below, by the same question.
    let unfinished = ground.unfinished().await;
    let is_new = matches!(unfinished, Ok(None));
    let is_left_out = unfinished.is_ok_and(|found| found.is_some_and(|found| found.has_left_out()));
    if let (true, Some(_), Err(failure)) =
        (is_new, wait, signed::early((path, file), Needed::at(stage.place, &args.approval, &args.process)))
    {
        return Err(stage.abandon(failure).await);
    }
    // A server that an earlier start has left out does not wait for a window.
    if let Some(wait) = wait.filter(|_| !is_left_out) {
        match waiting::for_window(stage.clock, (path, file), wait).await {
            // A first start says itself that no window opens any more.
            Ok(Came::Never) if wait == Wait::ForNextWindow => {
                stage.leave().await;
                return Ok(None);
            }
            Ok(Came::Open | Came::Never) => {}
            Err(failure) => return Err(stage.abandon(failure).await),
        }
    }
    let ground = Ground { home, state: &state, place: stage.place, lab: stage.lab.as_ref(), file };
    // Before anything is looked at: what happens on these pools from here on is noticed under the claim.
    let begun = async {
        ground.free()?;
        let standing = ground.standing()?;
        Ok((ground.unfinished().await?, standing))
    };
    let exit = match begun.await {
        Ok((Some(found), _)) => {
            let typed = Typed::of(path, args);
            go_on(&Beginning { home, state: &state, path, file, args, typed, standing: None }, stage, found).await
        }
        Ok((None, standing)) => {
            let (typed, standing) = (Typed::of(path, args), Some(standing));
            begin(&Beginning { home, state: &state, path, file, args, typed, standing }, stage).await
        }
        Err(failure) => Err(stage.abandon(failure).await),
    };
    exit.map(Some)
}

/// What it takes to begin a new run.
struct Beginning<'a> {
    home: &'a Home,
    state: &'a StateDir,
    path: &'a Path,
    file: &'a PlanFile,
    args: &'a RunArgs,
    typed: Typed,
    standing: Option<Standing>,
}

/// Shows what there is to say before the first change.
fn show(planned: &Planned, format: Format) -> Result<(), Failure> {
    let fingerprint = planned.plan.fingerprint().to_string();
    let preview = planned.preview(&fingerprint, None);
    output::data(&match format {
        Format::Json => format!("{}\n", events::preview(&preview)),
        Format::Text | Format::Html | Format::Svg | Format::Dot | Format::Mermaid | Format::Gantt => {
            preview::text(&preview, Detail::Brief, &output::look())
        }
    })
}

/// Goes on with a run that an earlier start did not finish.
async fn go_on(beginning: &Beginning<'_>, stage: Stage, found: Found) -> Result<Exit, Failure> {
    match take_up(beginning, &stage, found).await {
        Ok(run) => {
            let start = Start::Resume { by: actor(), attended: attended(&beginning.args.approval) };
            continued(beginning.home, stage, run, start).await
        }
        Err(failure) => {
            let failure = stage.abandon(failure).await;
            beginning.state.not_begun()?;
            Err(failure)
        }
    }
}

/// Everything before such a run goes on.
async fn take_up(beginning: &Beginning<'_>, stage: &Stage, found: Found) -> Result<Continued, Failure> {
    let Beginning { home, state, file, args, typed, .. } = beginning;
    let run = found.folder.id().clone();
    let claim = claim(state, &found.plan, &run)?;
    let found = runs::read(found.folder)?;
    if !found.is_unfinished() {
        return Err(Barred::Moved { run: run.to_string() }.into());
    }
    saved::as_begun(home, file, &run, &found.plan)?;
    only::as_begun(run.as_str(), found.plan.change(), &args.only, &file.change)?;
    output::talk(&format!("found {}; continuing", told(&found)));
    if args.output == Format::Text {
        tell_of(&found, Way::Resume);
    }
    in_its_window(&found, stage, typed)?;
    in_our_hands(&found, stage).await?;
    as_approved(&args.approval, &found.plan)?;
    consent(&args.approval, (&found.plan, stage.place), &typed.start(&home.program), "continue?").await?;
    keep_access(&found, file)?;
    let (manner, nights) = (manner(args.output), Nights::of(args));
    Ok(Continued { found, claim, manner, nights, typed: typed.clone(), told: Told::of(&file.change, &args.lab) })
}

/// Refuses to go on with a run outside its windows, unless it has left a server out: that one is given back, or finished
/// where its patch has begun, and nothing else is begun.
pub(crate) fn in_its_window(found: &Found, stage: &Stage, typed: &Typed) -> Result<(), Failure> {
    let Some(why) = stage.outside_window(found.plan.change())? else { return Ok(()) };
    if found.has_left_out() {
        output::talk(&format!("{why}; what is out is brought back or finished, and nothing else is begun"));
        return Ok(());
    }
    let run = found.folder.id();
    Err(Failure::OutsideWindow { why: format!("run {run} is not taken up: {why}"), plan: typed.plan.clone() })
}

/// Says and keeps from which plan file servers are reached, when that is another way than when the run began.
pub(crate) fn keep_access(found: &Found, file: &PlanFile) -> Result<(), Failure> {
    let differ = access::differences(found.plan.change(), &file.change);
    if differ.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = differ.iter().map(|pool| pool.name.to_string()).collect();
    let kept = found.folder.keep_access(Timestamp::now(), &file.bytes)?;
    output::talk(&format!(
        "reached in another way than when the run began: {}; the plan file that says how is kept as {}",
        names.join(", "),
        kept.display()
    ));
    Ok(())
}

/// For how many windows a start goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nights {
    /// For the one that is open.
    One,
    /// Until everything is done: servers that are left are gone on with, and a lab with them.
    All,
}

impl Nights {
    fn of(args: &RunArgs) -> Self {
        if args.approval.waits() || args.process.served.is_some() { Self::All } else { Self::One }
    }
}

/// A run that is taken up again.
pub(crate) struct Continued {
    pub(crate) found: Found,
    pub(crate) claim: Claim,
    pub(crate) manner: Manner,
    pub(crate) nights: Nights,
    /// How its plan is started.
    pub(crate) typed: Typed,
    pub(crate) told: Told,
}

/// Drives a run that was begun before, after reading its journal again under the claim.
pub(crate) async fn continued(home: &Home, stage: Stage, run: Continued, start: Start) -> Result<Exit, Failure> {
    let Continued { found, claim, manner, nights, typed, told } = run;
    let (entries, journal) = match journal_of(&found.folder) {
        Ok(opened) => opened,
        Err(failure) => return Err(stage.abandon(failure).await),
    };
    let (folder, plan) = (found.folder, found.plan);
    driven(home, stage, Ready { folder, plan, entries, journal, claim, manner, nights, typed, told }, start).await
}

/// Reads the journal of a run that we have claimed, and opens it for more.
fn journal_of(folder: &RunFolder) -> Result<(Entries, Journal), Failure> {
    let entries = folder.entries()?;
    if entries.torn > 0 {
        output::talk("the last record was cut off while it was written; nothing had been done about it yet");
    }
    let journal = folder.writer(&entries)?;
    Ok((entries, journal))
}

/// A run that is claimed, with its journal open.
struct Ready {
    folder: RunFolder,
    plan: Plan,
    entries: Entries,
    journal: Journal,
    claim: Claim,
    manner: Manner,
    nights: Nights,
    typed: Typed,
    told: Told,
}

/// Drives a run to its end, and ends what it was driven with.
async fn driven(home: &Home, stage: Stage, ready: Ready, start: Start) -> Result<Exit, Failure> {
    let Ready { folder, plan, entries, journal, claim, manner, nights, typed, told } = ready;
    let Stage { clock, readers, crew, lab, in_use, place, .. } = stage;
    let closing = readers.closing();
    let drive_it = Drive {
        home,
        place,
        folder,
        plan: Arc::new(plan),
        entries,
        journal,
        claim,
        eyes: readers.eyes(),
        hands: readers.hands(),
        clock,
        crew,
        manner,
        typed: typed.clone(),
        told,
    };
    let ended = drive(drive_it, start).await;
    closing.close().await;
    match ended {
        Ok(ended) => Ok(finish(home, (ended, nights), lab.map(|lab| (lab, in_use)), manner, &typed.plan).await),
        Err(failure) => Err(abandoned(lab, in_use, failure).await),
    }
}

/// Begins a new run.
async fn begin(beginning: &Beginning<'_>, stage: Stage) -> Result<Exit, Failure> {
    let Beginning { home, state, file, args, typed, .. } = beginning;
    let (plan, approvals, run, claim) = match prepare(beginning, &stage).await {
        Ok(Prepared::Ready(Agree { plan, approvals }, run, claim)) => (*plan, approvals, run, claim),
        Ok(Prepared::Nothing(left)) => {
            stage.leave().await;
            return Ok(nothing_to_do(&left));
        }
        Err(failure) => return Err(stage.abandon(failure).await),
    };
    let created = state.create_run(&run, &plan, &file.bytes).map_err(Failure::from);
    let opened = created.and_then(|folder| journal_of(&folder).map(|opened| (folder, opened)));
    let (folder, (entries, journal)) = match opened {
        Ok(opened) => opened,
        Err(failure) => return Err(stage.abandon(failure).await),
    };
    if let Err(failure) = Typed::keep(&folder, args) {
        output::talk(&format!("how the plan was started is not kept: {}", failure.in_one_line()));
    }
    let (fingerprint, attended) = (plan.fingerprint().to_string(), attended(&args.approval));
    let header = RunHeader { run, plan: fingerprint, by: actor(), attended, approvals };
    let (manner, typed) = (manner(args.output), typed.clone());
    let nights = Nights::of(args);
    let told = Told::of(&file.change, &args.lab);
    let ready = Ready { folder, plan, entries, journal, claim, manner, nights, typed, told };
    driven(home, stage, ready, Start::New(header)).await
}

/// What is to be done, after everything before the first change.
enum Prepared {
    /// A run of this plan.
    Ready(Agree, RunId, Claim),
    /// Nothing is; this is left all the same.
    Nothing(Vec<Left>),
}

/// Everything before the first change.
async fn prepare(beginning: &Beginning<'_>, stage: &Stage) -> Result<Prepared, Failure> {
    let Beginning { home, state, path, file, args, typed, standing } = beginning;
    let agree = match agreed(home, (path, file, args, typed), stage).await? {
        Agreed::Run(agree) => agree,
        Agreed::Nothing(left) => return Ok(Prepared::Nothing(left)),
    };
    let run = new_run_id(Timestamp::now(), stage.place);
    let claim = claim(state, &agree.plan, &run)?;
    // Looking and asking take their time, and somebody else may have run the plan meanwhile.
    let ground = Ground { home, state, place: stage.place, lab: stage.lab.as_ref(), file };
    if let Some(standing) = standing {
        ground.unmoved_since(standing)?;
    }
    Ok(Prepared::Ready(agree, run, claim))
}

/// What a person, or an approval, has said yes to.
pub(super) enum Agreed {
    /// This plan.
    Run(Agree),
    /// There is nothing to do; this is left all the same.
    Nothing(Vec<Left>),
}

/// A plan to be run, and who has signed an approval of it.
pub(super) struct Agree {
    pub(super) plan: Box<Plan>,
    approvals: Vec<Approved>,
}

/// What is left where there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// A restart is due.
    Restart,
    /// A server is not seen to serve.
    NotServing,
}

impl Left {
    fn of(plan: &Plan) -> Vec<Self> {
        let told = |code: &str| plan.findings().iter().any(|finding| finding.code == code);
        let each = [(Self::Restart, codes::RESTART_OWED), (Self::NotServing, codes::IDLE_NOT_SERVING)];
        each.into_iter().filter(|(_, code)| told(code)).map(|(left, _)| left).collect()
    }
}

/// Says that there is nothing to do, and what is left all the same.
pub(super) fn nothing_to_do(left: &[Left]) -> Exit {
    output::talk("nothing to do");
    for each in left {
        output::talk(match each {
            Left::Restart => "a restart is due on a server that is at its level: see the warning above",
            Left::NotServing => "a server is not in service, or not known to be: see the warning above",
        });
    }
    if left.is_empty() { Exit::Done } else { Exit::SomeServers }
}

/// Looks, shows and asks.
pub(super) async fn agreed(
    home: &Home,
    (path, file, args, typed): (&Path, &PlanFile, &RunArgs, &Typed),
    stage: &Stage,
) -> Result<Agreed, Failure> {
    if let Some(why) = stage.outside_window(&file.change)? {
        return Err(Failure::OutsideWindow { why, plan: typed.plan.clone() });
    }
    let planned = stage.plan(&file.change).await?;
    planned.heard(&typed.offline(&home.program))?;
    saved::as_saved(path, file, &planned, args.output)?;
    match show(&planned, args.output) {
        // Somebody has said yes already: that nobody reads on must not look like a run that had nothing to do.
        Err(Failure::ClosedPipe) if is_consented(&args.approval) => {}
        shown => shown?,
    }
    as_approved(&args.approval, &planned.plan)?;
    planned.unrefused()?;
    if !planned.has_work() {
        return Ok(Agreed::Nothing(Left::of(&planned.plan)));
    }
    if nobody_there(args) {
        unasked(&planned.plan)?;
    }
    let approvals = signed::checked(path, &planned, Needed::at(stage.place, &args.approval, &args.process))?;
    consent(&args.approval, (&planned.plan, stage.place), &typed.start(&home.program), "run this plan?").await?;
    Ok(Agreed::Run(Agree { plan: Box::new(planned.plan), approvals }))
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

/// Refuses another plan than the one that was approved. Whoever has approved all of it has approved a part of it.
pub(super) fn as_approved(approval: &ApprovalArgs, found: &Plan) -> Result<(), Failure> {
    match &approval.approve {
        Some(approved) if !found.approvable().any(|one| approval.covers(&one.to_string())) => {
            Err(Failure::OtherPlan { approved: approved.clone(), found: found.fingerprint().to_string() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Asks once, unless somebody has said yes already. Without a terminal nobody is asked; `start` is then told as the command
/// that says yes. On real servers a yes is the name of the pool.
pub(super) async fn consent(
    approval: &ApprovalArgs,
    (plan, place): (&Plan, Place),
    start: &str,
    what: &str,
) -> Result<(), Failure> {
    if is_consented(approval) {
        return Ok(());
    }
    if !output::can_ask() {
        let fingerprint = plan.fingerprint().to_string();
        return Err(Failure::NotApproved { fingerprint, start: start.to_owned() });
    }
    let question = consent::question(place.ground(), plan, what);
    // Signals are heard by now, so a Ctrl-C at the question ends nothing by itself. The thread ends with the process when
    // nobody ever answers.
    let (tell, told) = tokio::sync::oneshot::channel();
    drop(std::thread::spawn(move || tell.send(output::ask(&question))));
    tokio::select! {
        answer = told => match answer {
            Ok(Ok(typed)) => match consent::is_yes(place.ground(), plan, &typed) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Failure::Declined),
                Err(why) => {
                    output::talk(&format!("{why}: nothing was begun"));
                    Err(Failure::Declined)
                }
            },
            Err(_) => Err(Failure::Declined),
            Ok(Err(failure)) => Err(failure),
        },
        _ = signals::any() => Err(Failure::Interrupted("the question was not answered yet")),
    }
}

/// Returns whether nobody is there to decide or confirm anything during the run. Whoever has detached it decides from any
/// terminal.
fn nobody_there(args: &RunArgs) -> bool {
    args.approval.unattended || !(args.process.apart || args.process.detach || output::can_ask())
}

/// Refuses a plan that needs an operator, for a start without one: it would stop at the first server it has touched.
pub(super) fn unasked(plan: &Plan) -> Result<(), Failure> {
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
        Format::Text | Format::Html | Format::Svg | Format::Dot | Format::Mermaid | Format::Gantt => Manner::Text,
    }
}

/// Ends the lab with the run, unless something has to be gone on with. What goes wrong with the lab then is said, and
/// changes nothing about how the run ended: its servers may be out. `plan` is the plan file, as it is typed.
async fn finish(
    home: &Home,
    (ended, nights): (Ended, Nights),
    lab: Option<((LabDirectory, Owner), Option<InUse>)>,
    manner: Manner,
    plan: &str,
) -> Exit {
    let Some(((directory, owner), in_use)) = lab else {
        return ended.exit;
    };
    let rest_is_due = nights == Nights::All && ended.exit == Exit::StoppedByWindow;
    let over = ended.is_over() && !rest_is_due;
    let alone = match in_use.filter(|_| over && owner != Owner::Other) {
        Some(in_use) => in_use.last().await.unwrap_or_else(|failure| {
            output::talk(&format!("the lab is not ended: {}", failure.in_one_line()));
            None
        }),
        None => None,
    };
    let report = if alone.is_some() { directory.stop().await } else { directory.report().await };
    let answers = report.is_ok();
    match (report, manner) {
        (Ok(report), Manner::Text) => say(&format!("\n{}\n", report.text())),
        (Ok(report), Manner::Json) => {
            let event = serde_json::json!({"version": 1, "event": "lab_report", "at": report.at, "report": report});
            say(&format!("{event}\n"));
        }
        (Err(error), Manner::Text | Manner::Json) => {
            let why = Failure::from(error).in_one_line();
            output::talk(&format!(
                "the lab's own account of the sessions is lost: {why}; how the run ended stands above"
            ));
        }
    }
    if !over {
        let program = &home.program;
        let path = lab::path_of(home, &directory);
        if owner != Owner::Other && !path.exists() {
            // It went with the state folder. Without it nobody would find the lab again, neither to go on nor to end it.
            if let Err(error) = directory.write(&path) {
                let why = Failure::from(error).in_one_line();
                output::talk(&format!("{} cannot be written, so the lab is not found again: {why}", path.display()));
            }
        }
        let goes_on = if answers { "the lab goes on" } else { "whether the lab goes on is not known" };
        output::talk(&format!("{goes_on}; `{program} lab {plan} --stop` ends it"));
    }
    ended.exit
}
