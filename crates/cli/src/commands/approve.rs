//! `orchestrate approve`: the fingerprint of a plan, printed, and left beside the plan for `serve`.

use super::run::unasked;
use crate::args::{ApproveArgs, LabArgs};
use crate::before::{Ground, told};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Typed, quoted};
use crate::plan_file::{self, PlanFile};
use crate::serve::approval;
use crate::stage::{Planned, Stage};
use crate::terminal::output;
use orchestrate_journal::JournalError;

pub(crate) async fn run(home: &Home, args: &ApproveArgs) -> Result<Exit, Failure> {
    let file = plan_file::read(&args.plan)?;
    if let Some(saved) = &file.saved {
        let (plan, fingerprint) = (quoted(&args.plan), &saved.fingerprint);
        let text = format!(
            "{plan} is a saved plan and has its fingerprint in it; to run it: orchestrate apply {plan} --approve {fingerprint}"
        );
        return Err(Failure::Usage(text));
    }
    let file = file.in_emergency(args.emergency.as_deref());
    // Nothing waits here, and evidence of a large pool would be stale by the clock of a fast lab.
    let lab = LabArgs { real_time: true, ..args.lab.clone() };
    let stage = Stage::open(home, &args.plan, &file, &lab).await?;
    let unfinished = if args.out { unfinished(home, &stage, &file).await } else { Ok(None) };
    let planned = match unfinished {
        Ok(Some(_)) => None,
        Ok(None) | Err(_) => Some(stage.plan(&file.change).await),
    };
    stage.leave().await;
    let fingerprint = match (unfinished?, planned) {
        // What is approved is the rest of it, and not another plan for what is left.
        (Some(fingerprint), _) => fingerprint,
        (None, Some(planned)) => of_new(home, args, &planned?)?,
        (None, None) => return Err(Failure::Usage("there is no plan to approve".to_owned())),
    };
    if args.out {
        let path = approval::path_of(&args.plan);
        let written = approval::write(&args.plan, &fingerprint);
        let path = written.map_err(|source| JournalError::Io { doing: "write", path, source })?;
        output::talk(&format!("approved for `serve`: {}", path.display()));
    }
    output::data(&format!("{fingerprint}\n"))?;
    Ok(Exit::Done)
}

/// Returns the fingerprint of a plan that may be begun.
fn of_new(home: &Home, args: &ApproveArgs, planned: &Planned) -> Result<String, Failure> {
    planned.heard(&Typed::of_lab(&args.plan, &args.lab).offline(&home.program))?;
    planned.unrefused()?;
    if args.out {
        // By night it would be refused for this.
        unasked(&planned.plan)?;
    }
    Ok(planned.plan.fingerprint().to_string())
}

/// Returns the fingerprint of a run that a start would go on with.
async fn unfinished(home: &Home, stage: &Stage, file: &PlanFile) -> Result<Option<String>, Failure> {
    let Some(state) = home.open_if_there(stage.place)? else { return Ok(None) };
    let ground = Ground { home, state: &state, place: stage.place, lab: stage.lab.as_ref(), file };
    Ok(ground.unfinished().await?.map(|found| {
        output::talk(&format!("a start goes on with {}", told(&found)));
        found.plan.fingerprint().to_string()
    }))
}
