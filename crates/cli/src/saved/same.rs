//! Whether what is about to be run is the plan that was saved.

use super::{PROGRAM, Saved, Servers};
use crate::args::{Format, RunArgs};
use crate::before::Barred;
use crate::failure::Failure;
use crate::home::{Home, quoted};
use crate::plan_file::PlanFile;
use crate::stage::Planned;
use crate::terminal::output;
use orchestrate_display::compare::{Difference, Side, brief, compare, is_another, matters, text};
use orchestrate_model::{Change, RunId};
use orchestrate_planner::Plan;
use serde_json::json;
use std::path::Path;

/// Refuses a saved plan that is not started as one, a plan file that is, and servers of another kind than it was made on.
pub(crate) fn fits(path: &Path, file: &PlanFile, args: &RunArgs) -> Result<(), Failure> {
    let saved = match (&file.saved, args.saved) {
        (None, false) => return Ok(()),
        (None, true) => return Err(super::SavedError::NotOne { path: path.to_owned() }.into()),
        (Some(_), false) => {
            let text = format!("{} is a saved plan; to run it: orchestrate apply {}", path.display(), quoted(path));
            return Err(Failure::Usage(text));
        }
        (Some(saved), true) => saved,
    };
    let wanted = if args.lab.is_wanted() { Servers::Lab } else { Servers::Real };
    match (saved.place, wanted) {
        (Servers::Real, Servers::Real) | (Servers::Lab, Servers::Lab) => {}
        (Servers::Lab, Servers::Real) => {
            let text =
                format!("{} was made on a lab and says nothing of real servers; apply it with --lab", path.display());
            return Err(Failure::Usage(text));
        }
        (Servers::Real, Servers::Lab) => {
            let text = format!(
                "{} was made from real servers, which a lab does not imitate as they were seen; to rehearse it, start its plan \
                 file with --lab",
                path.display()
            );
            return Err(Failure::Usage(text));
        }
    }
    // A part of it has a fingerprint of its own, which is known when it is made.
    if args.approval.covers(&saved.fingerprint) || !args.only.is_empty() {
        return Ok(());
    }
    let approved = args.approval.approve.clone().unwrap_or_default();
    Err(Failure::OtherPlan { approved, found: saved.fingerprint.clone() })
}

/// Refuses a plan that is not the saved one any more, after saying in what. Where it is, what else has become different is
/// said.
pub(crate) fn as_saved(path: &Path, file: &PlanFile, now: &Planned, format: Format) -> Result<(), Failure> {
    let Some(saved) = &file.saved else { return Ok(()) };
    // Of a part that is chosen at the start all of it has to be as it was saved.
    let part = saved.only.is_empty() && !file.change.only.is_empty();
    let all = if part { Some(now.whole()?) } else { None };
    let now = all.as_ref().unwrap_or(now);
    let then = if part { saved.planned(&file.change.whole())? } else { saved.planned(&file.change)? };
    let side = |planned: &Planned| planned.plan.fingerprint().short();
    let found = compare(
        &Side { plan: &then.plan, report: &then.report, seen: &then.seen, made: then.at },
        &Side { plan: &now.plan, report: &now.report, seen: &now.seen, made: now.at },
    );
    let name = path.display();
    if is_another(&found) {
        if saved.made.program != PROGRAM {
            output::talk(&format!(
                "{name} was made by {}; this is {PROGRAM}",
                orchestrate_display::clean(&saved.made.program)
            ));
        }
        let heading = format!("saved as {}, {}; by now it is {}:", side(&then), saved.made(), side(now));
        tell(&heading, (saved, now), &found, format)?;
        return Err(Failure::NotAsSaved { path: path.to_owned(), brief: brief(&found) });
    }
    output::talk(&format!("{name}: plan {}, {}: the servers still need exactly it", saved.short(), saved.made()));
    if matters(&found) {
        output::talk("what has become different all the same:");
        output::talk(text(&found, &output::look()).trim_end());
    }
    Ok(())
}

fn tell(heading: &str, (saved, now): (&Saved, &Planned), found: &[Difference], format: Format) -> Result<(), Failure> {
    let told = format!("{heading}\n{}", text(found, &output::look()));
    match format {
        Format::Text => output::data(&told),
        Format::Json => {
            let found_now = now.plan.fingerprint().to_string();
            let event = json!({"version": 1, "event": "plan_differs", "saved": saved.fingerprint, "found": found_now,
                "differences": found});
            output::data(&format!("{event}\n"))
        }
        // Pages and pictures show a plan, and there is none to be shown.
        Format::Html | Format::Svg | Format::Dot | Format::Mermaid | Format::Gantt => {
            output::talk(told.trim_end());
            Ok(())
        }
    }
}

/// Says in what a plan is another one than a saved plan.
pub(crate) fn differences(saved: &Saved, change: &Change, now: &Planned) -> Result<String, Failure> {
    let then = saved.planned(change)?;
    let found = compare(
        &Side { plan: &then.plan, report: &then.report, seen: &then.seen, made: then.at },
        &Side { plan: &now.plan, report: &now.report, seen: &now.seen, made: now.at },
    );
    let (was, is) = (saved.short(), now.plan.fingerprint().short());
    Ok(format!(
        "approved was {was}, {}; by now it is {is}:\n{}",
        saved.made(),
        text(&found, &output::look()).trim_end()
    ))
}

/// Refuses to go on with an unfinished run that was begun with another plan than the saved one.
pub(crate) fn as_begun(home: &Home, file: &PlanFile, run: &RunId, begun: &Plan) -> Result<(), Failure> {
    match &file.saved {
        Some(saved) if begun.approvable().all(|one| one.to_string() != saved.fingerprint) => {
            Err(Barred::PlanChanged { run: run.to_string(), program: home.program.clone() }.into())
        }
        Some(_) | None => Ok(()),
    }
}
