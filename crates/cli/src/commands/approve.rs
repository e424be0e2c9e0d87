//! `orchestrate approve`: the fingerprint of a plan, printed, and left beside the plan for `serve`; or the text that a person
//! signs, where the plan needs signed approvals.

use super::run::unasked;
use crate::args::{ApproveArgs, LabArgs};
use crate::before::{Ground, told};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed, actor, quoted};
use crate::plan_file::{self, PlanFile};
use crate::saved::{self, Servers};
use crate::serve::{approval, began};
use crate::signed;
use crate::stage::{Planned, Stage};
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_approvals::{NAMESPACE, Request, Times};
use orchestrate_display::preview::{self, Detail};
use orchestrate_journal::JournalError;
use orchestrate_model::change::Approvals;
use orchestrate_planner::Plan;
use orchestrate_planner::windows::{Calendar, WindowState};
use std::path::Path;

/// A plan that is to be approved.
struct Shown {
    plan: Plan,
    /// What it was made from, where it would be begun now.
    planned: Option<(Planned, Place)>,
    /// When the run began that it is the rest of.
    begun: Option<Timestamp>,
}

pub(crate) async fn run(home: &Home, args: &ApproveArgs) -> Result<Exit, Failure> {
    let file = plan_file::read(&args.plan)?;
    if args.out && file.change.approvals.is_none() && args.emergency.is_some() {
        let text =
            "`serve` declares no emergency: --emergency and --out go together only where the plan has `approvals`";
        return Err(Failure::Usage(text.to_owned()));
    }
    let shown = match &file.saved {
        Some(saved) if file.change.approvals.is_some() => {
            Shown { plan: saved.plan.clone(), planned: None, begun: None }
        }
        Some(saved) => {
            let (plan, fingerprint) = (quoted(&args.plan), &saved.fingerprint);
            let text = format!(
                "{plan} is a saved plan and has its fingerprint in it; to run it: orchestrate apply {plan} --approve {fingerprint}"
            );
            return Err(Failure::Usage(text));
        }
        None => looked_at(home, args, &file).await?,
    };
    // In an emergency it is another change than that of the file.
    let approvals = shown.plan.change().approvals.clone();
    match &approvals {
        Some(approvals) => signatures(args, &file, &shown, approvals)?,
        None if args.out => {
            let path = approval::path_of(&args.plan);
            let written = approval::write(&args.plan, &shown.plan.fingerprint().to_string());
            let path = written.map_err(|source| JournalError::Io { doing: "write", path, source })?;
            output::talk(&format!("approved for `serve`: {}", path.display()));
        }
        None => {}
    }
    output::data(&format!("{}\n", shown.plan.fingerprint()))?;
    Ok(Exit::Done)
}

/// Asks the servers, and returns what a start would run.
async fn looked_at(home: &Home, args: &ApproveArgs, file: &PlanFile) -> Result<Shown, Failure> {
    let change = file.change.clone();
    let change = match &args.emergency {
        Some(reason) => change.in_emergency(reason.clone()),
        None => change,
    };
    let file = &PlanFile { change, bytes: file.bytes.clone(), calendars: file.calendars.clone(), saved: None };
    // Nothing waits here, and evidence of a large pool would be stale by the clock of a fast lab.
    let lab = LabArgs { real_time: true, ..args.lab.clone() };
    let stage = Stage::open(home, &args.plan, file, &lab).await?;
    let place = stage.place;
    let unfinished = if args.out { unfinished(home, &stage, file).await } else { Ok(None) };
    let planned = match unfinished {
        Ok(Some(_)) => None,
        Ok(None) | Err(_) => Some(stage.plan(&file.change).await),
    };
    stage.leave().await;
    match (unfinished?, planned) {
        // What is approved is the rest of it, and not another plan for what is left.
        (Some(shown), _) => Ok(shown),
        (None, Some(planned)) => of_new(home, args, (planned?, place)),
        (None, None) => Err(Failure::Usage("there is no plan to approve".to_owned())),
    }
}

/// Shows a plan that may be begun.
fn of_new(home: &Home, args: &ApproveArgs, (planned, place): (Planned, Place)) -> Result<Shown, Failure> {
    planned.heard(&Typed::of_lab(&args.plan, &args.lab).offline(&home.program))?;
    let fingerprint = planned.plan.fingerprint().to_string();
    let text = preview::text(&planned.preview(&fingerprint, None), Detail::Brief, &output::log_look());
    output::talk(text.trim_end());
    planned.unrefused()?;
    if args.out {
        // By night it would be refused for this.
        unasked(&planned.plan)?;
    }
    Ok(Shown { plan: planned.plan.clone(), planned: Some((planned, place)), begun: None })
}

/// Returns a run that a start would go on with.
async fn unfinished(home: &Home, stage: &Stage, file: &PlanFile) -> Result<Option<Shown>, Failure> {
    let Some(state) = home.open_if_there(stage.place)? else { return Ok(None) };
    let ground = Ground { home, state: &state, place: stage.place, lab: stage.lab.as_ref(), file };
    Ok(ground.unfinished().await?.map(|found| {
        output::talk(&format!("a start goes on with {}", told(&found)));
        let begun = began(found.folder.id());
        Shown { plan: found.plan, planned: None, begun }
    }))
}

/// Says who has signed an approval of a plan, and writes what the next person signs.
fn signatures(args: &ApproveArgs, file: &PlanFile, shown: &Shown, approvals: &Approvals) -> Result<(), Failure> {
    let times = Times { begun: shown.begun, ..signed::to_begin() };
    let examined = signed::examined(&args.plan, approvals, times)?;
    let reason = &shown.plan.change().reason;
    let ticket = args.ticket.as_deref().unwrap_or(reason);
    let account = actor().user;
    let approver = args.approver.as_deref().unwrap_or(&account);
    let request = signed::request(&shown.plan, approvals, (approver, &args.role, ticket));
    match examined.counted(signed::demand(approvals), &request) {
        Ok(counted) => output::talk(&format!("approved by {}: a start needs no more", signed::by(&counted))),
        Err(short) => output::talk(&short.to_string()),
    }
    if !args.out {
        let plan = quoted(&args.plan);
        output::talk(&format!("what a person signs is written by: orchestrate approve {plan} --out --as NAME"));
        return Ok(());
    }
    let is_theirs = |good: &&orchestrate_approvals::Good| {
        good.request.fingerprint == request.fingerprint && good.request.approver == approver
    };
    if let (Some(good), None) = (examined.good.iter().find(is_theirs), shown.begun) {
        let look = output::log_look();
        let until = look.date_time(good.request.expires);
        output::talk(&format!("{approver} has signed {} already, which is good until {until}", good.name));
        return Ok(());
    }
    write(args, file, (shown, approvals), &request)
}

fn write(
    args: &ApproveArgs,
    file: &PlanFile,
    (shown, approvals): (&Shown, &Approvals),
    request: &Request,
) -> Result<(), Failure> {
    let who = &request.approver;
    let known = signed::signers(&args.plan, approvals)?;
    if !known.names().contains(&who.as_str()) {
        let names = known.names().join(", ");
        let text = format!("{} does not name {who} as one who may sign; --as takes one of: {names}", approvals.from);
        return Err(Failure::Usage(text));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    if !who.chars().all(plain) || who.starts_with('.') {
        let text =
            format!("{who} cannot be the name of a file: a person who signs goes by letters, digits and @ . _ - +");
        return Err(Failure::Usage(text));
    }
    let path = signed::with(&args.plan, &format!(".{who}{}", signed::ENDING));
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| JournalError::Io { doing, path, source }
    };
    let old = signed::with(&path, signed::SIGNATURE);
    // It is one of another text, and `ssh-keygen` would ask before it writes over it.
    orchestrate_files::remove(&old).or_else(not_there).map_err(failed("remove", &old))?;
    orchestrate_files::replace(&path, request.text().as_bytes()).map_err(failed("write", &path))?;
    keep_shown(&path, (&args.plan, file), shown);
    let look = output::log_look();
    output::talk(&format!(
        "written for {who} to read and sign, good until {}: {}",
        look.date_time(request.expires),
        path.display()
    ));
    warn_of_windows(request, shown)?;
    output::talk(&format!("  ssh-keygen -Y sign -n {NAMESPACE} -f KEY {}", quoted(&path)));
    output::talk(
        "KEY is the person's private key, or the public half of one in an agent; the signature comes to stand beside it",
    );
    Ok(())
}

fn not_there(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Keeps what was shown, so that a start of another plan can say in words what has become different.
fn keep_shown(path: &Path, (plan, file): (&Path, &PlanFile), shown: &Shown) {
    let Some((planned, place)) = &shown.planned else { return };
    let servers = match place {
        Place::Real => Servers::Real,
        Place::Lab => Servers::Lab,
    };
    let kept = saved::keep(&signed::with(path, signed::SHOWN), (plan, file), planned, servers);
    if let Err(failure) = kept {
        output::talk(&format!("what was shown is not kept beside it: {}", failure.in_one_line()));
    }
}

/// Says that the approval ends before a run could begin.
fn warn_of_windows(request: &Request, shown: &Shown) -> Result<(), Failure> {
    let change = shown.plan.change();
    let on_lab = matches!(shown.planned, Some((_, Place::Lab)));
    if let WindowState::Outside { next: Some(next) } =
        Calendar::new(&change.windows, &change.freezes)?.state(Timestamp::now())
        && next.starts >= request.expires
        && !on_lab
        && shown.begun.is_none()
    {
        let opens = output::log_look().date_time(next.starts);
        output::talk(&format!(
            "the next window opens {opens}, when this is not good any more: write it nearer to the window"
        ));
    }
    Ok(())
}
