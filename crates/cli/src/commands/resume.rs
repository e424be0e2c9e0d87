//! `orchestrate resume` and `orchestrate recover`: goes on with a run, or only brings back what it touched.

use crate::access;
use crate::args::{ResumeArgs, TextOrJson};
use crate::commands::run::{Continued, claim, continued, keep_access};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, actor};
use crate::plan_file;
use crate::runs::{self, Found};
use crate::stage::Stage;
use crate::terminal::live::Manner;
use crate::terminal::output;
use orchestrate_engine::record::Attended;
use orchestrate_engine::{Start, WorkState};

/// What is done with the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All that is left of it.
    Resume,
    /// Only what brings servers back.
    Recover,
}

/// Returns whether there is anything to do.
fn is_left(found: &Found, way: Way) -> bool {
    match way {
        Way::Resume => found.state.is_unfinished(),
        Way::Recover => {
            let differs = |work: &WorkState| work.swept.as_ref().is_some_and(|found| !found.is_empty());
            let out = found.state.work.iter().any(|work| work.is_out() || differs(work));
            found.state.started.is_some() && (found.state.ended.is_none() || out)
        }
    }
}

/// Says why nothing is done.
fn over(found: &Found) -> Exit {
    let run = found.folder.id();
    output::talk(&match found.state.started {
        Some(_) => format!("run {run} has ended and left nothing out: there is nothing to do"),
        None => format!("run {run} was broken off before its first record: nothing was done, there is nothing to do"),
    });
    Exit::Done
}

pub(crate) async fn run(home: &Home, args: &ResumeArgs, way: Way) -> Result<Exit, Failure> {
    let (place, folder) = home.run(&args.run)?;
    let found = runs::read(folder)?;
    let run = found.folder.id().clone();
    if !is_left(&found, way) {
        return Ok(over(&found));
    }
    let claim = claim(&home.open(place)?, &found.plan, &run)?;
    // Somebody else may have ended it until the claim was ours.
    let found = runs::read(found.folder)?;
    if !is_left(&found, way) {
        return Ok(over(&found));
    }
    let file = args.access_from.as_deref().map(plan_file::read).transpose()?;
    let change = file.as_ref().map(|file| access::taken_from(found.plan.change(), &file.change));
    let change = change.as_ref().unwrap_or(found.plan.change());
    let stage = Stage::reopen(home, place, change, args.lab_at.as_deref()).await;
    let stage = stage.map_err(|failure| match failure {
        Failure::LabGone { .. } => Failure::LabGone { run: run.to_string() },
        other => other,
    })?;
    if way == Way::Resume
        && let Some(why) = stage.outside_window(found.plan.change())?
    {
        let recover = format!("`{} recover {run}` brings back what is out at any time", home.program);
        return Err(Failure::OutsideWindow(format!("run {run} is not taken up: {why}; {recover}")));
    }
    if let Some(file) = &file {
        keep_access(&found, file)?;
    }
    let attended = if args.unattended { Attended::No } else { Attended::Yes };
    // A recovery that nobody watches comes to an end and says what is out, whoever could be asked.
    let watched = if output::can_ask() { attended } else { Attended::No };
    let start = match way {
        Way::Resume => Start::Resume { by: actor(), attended },
        Way::Recover => Start::Recover { by: actor(), attended: watched },
    };
    let manner = match args.output {
        TextOrJson::Text => Manner::Text,
        TextOrJson::Json => Manner::Json,
    };
    continued(home, stage, Continued { found, claim, manner }, start).await
}
