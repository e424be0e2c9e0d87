//! `orchestrate PLAN --dry-run`: what a start would do, without doing it.

use super::run::unasked;
use crate::args::{Format, LabArgs, RunArgs};
use crate::before::{Ground, told};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed, quoted};
use crate::lab;
use crate::plan_file::PlanFile;
use crate::saved::{self, Servers};
use crate::stage::{Owner, Planned, Stage};
use crate::terminal::output;
use orchestrate_display::preview::{self, Detail, Ground as On, Instead, Start};
use orchestrate_lab::LabDirectory;
use std::path::Path;

pub(crate) async fn run(home: &Home, path: &Path, file: &PlanFile, args: &RunArgs) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        saved::may_be_written(out)?;
    }
    if args.offline {
        let place = if args.lab.is_wanted() { Place::Lab } else { Place::Real };
        let lab = match place {
            Place::Lab => lab::find(home, &file.change).await.map(|found| {
                let owner = Owner::of(&found);
                (found, owner)
            }),
            Place::Real => None,
        };
        let outlook = Outlook::of(home, place, lab.as_ref(), file).await;
        let planned = match &file.saved {
            Some(saved) => {
                output::talk(&format!(
                    "as it was saved: plan {}, {}; no server was asked",
                    saved.short(),
                    saved.made()
                ));
                saved.planned(&file.change)?
            }
            None => Planned::offline(&file.change)?,
        };
        return show(home, (path, file, &planned), &outlook, args);
    }
    // Nothing waits in a preview, and evidence of a large pool would be stale by the clock of a fast lab.
    let lab = LabArgs { real_time: true, ..args.lab.clone() };
    let stage = Stage::open(home, path, file, &lab).await?;
    let outlook = Outlook::of(home, stage.place, stage.lab.as_ref(), file).await;
    let shown = match stage.plan(&file.change).await {
        Ok(planned) => show(home, (path, file, &planned), &outlook, args),
        Err(failure) => Err(failure),
    };
    match shown {
        Ok(exit) => {
            stage.leave().await;
            Ok(exit)
        }
        Err(failure) => Err(stage.abandon(failure).await),
    }
}

/// What a start would do instead of beginning a new run, and as what it would fail.
struct Outlook {
    instead: Option<Instead>,
    failure: Option<Failure>,
}

impl Outlook {
    /// Looks at what earlier starts have left, as a start would, and changes nothing.
    async fn of(home: &Home, place: Place, lab: Option<&(LabDirectory, Owner)>, file: &PlanFile) -> Self {
        let found = async {
            let Some(state) = home.open_if_there(place)? else { return Ok(None) };
            let ground = Ground { home, state: &state, place, lab, file };
            ground.free()?;
            ground.unfinished().await
        };
        match found.await {
            Ok(None) => Self { instead: None, failure: None },
            Ok(Some(found)) => {
                let instead = Instead::GoOn { run: found.folder.id().clone(), said: told(&found) };
                Self { instead: Some(instead), failure: None }
            }
            Err(failure) => {
                let instead = Instead::Refused { exit_code: failure.exit().code(), why: failure.in_one_line() };
                Self { instead: Some(instead), failure: Some(failure) }
            }
        }
    }
}

/// How the plan is started, as a page has its readers type it.
struct Started {
    command: String,
    on: On,
}

fn as_started(home: &Home, args: &RunArgs) -> Started {
    let plan = args.plan.as_deref().map(|plan| Typed::of(plan, args).start(&home.program));
    // The plan in an emergency has another fingerprint than the usual one.
    let emergency = args.approval.emergency.as_ref().map(|why| format!(" --emergency {}", quoted(Path::new(why))));
    let on = if args.lab.is_wanted() { On::Lab } else { On::Real };
    Started { command: format!("{}{}", plan.unwrap_or_default(), emergency.unwrap_or_default()), on }
}

impl Started {
    fn as_start(&self) -> Start<'_> {
        Start { command: &self.command, on: self.on }
    }
}

/// Shows the preview and says how a dry run ends: as the start would, where that would be refused.
fn show(
    home: &Home,
    (path, file, planned): (&Path, &PlanFile, &Planned),
    outlook: &Outlook,
    args: &RunArgs,
) -> Result<Exit, Failure> {
    let typed = args.plan.as_deref().map(|plan| Typed::of(plan, args).offline(&home.program));
    let heard = planned.heard(&typed.unwrap_or_default());
    if heard.is_err() && matches!(args.output, Format::Text | Format::Html | Format::Svg | Format::Gantt) {
        // Pages of what is not known would hide the one thing that is.
        return heard.map(|()| Exit::Done);
    }
    // What an unfinished run has on its servers is no difference: a start goes on with that run.
    if !args.offline && heard.is_ok() && outlook.instead.is_none() {
        saved::as_saved(path, file, planned, args.output)?;
    }
    let fingerprint = planned.plan.fingerprint().to_string();
    let preview = planned.preview(&fingerprint, outlook.instead.as_ref());
    let detail = if args.brief { Detail::Brief } else { Detail::Full };
    let shown = output::data(&match args.output {
        Format::Text => preview::text(&preview, detail, &output::look()),
        Format::Html => preview::html(&preview, as_started(home, args).as_start(), &output::look())?,
        Format::Svg => preview::svg(&preview, &output::look())?,
        Format::Json => format!("{:#}\n", preview::json(&preview)),
        Format::Dot => preview::dot(&planned.plan),
        Format::Mermaid => preview::mermaid(&planned.plan),
        Format::Gantt => preview::gantt(&preview, &output::look()),
    });
    match shown {
        // That nobody reads on keeps no plan from being saved.
        Err(Failure::ClosedPipe) if args.out.is_some() => {}
        shown => shown?,
    }
    ended(home, (path, file, planned), (outlook, heard), args)
}

/// Says how a dry run ends, and saves the plan that was shown.
fn ended(
    home: &Home,
    (path, file, planned): (&Path, &PlanFile, &Planned),
    (outlook, heard): (&Outlook, Result<(), Failure>),
    args: &RunArgs,
) -> Result<Exit, Failure> {
    match (&outlook.failure, &outlook.instead) {
        (Some(failure), _) => {
            unsaved(args, "a start of it is refused");
            return Ok(failure.tell(&home.program));
        }
        (None, Some(instead)) => {
            unsaved(args, "a start goes on with an earlier run, which has a plan of its own");
            output::talk(&instead.text());
        }
        (None, None) => {}
    }
    let refused = heard.and_then(|()| planned.unrefused());
    if args.approval.unattended && planned.has_work() && refused.is_ok() {
        unasked(&planned.plan)?;
    }
    match refused {
        // A graph and a document for programs do not say it where a person looks.
        Err(failure) => {
            if outlook.instead.is_none() {
                unsaved(args, "a start of it is refused");
            }
            Ok(failure.tell(&home.program))
        }
        Ok(()) if args.out.is_some() && outlook.instead.is_some() => Ok(Exit::WorldMoved),
        Ok(()) => {
            save(home, (path, file, planned), args)?;
            Ok(if planned.has_work() && args.detailed_exitcode { Exit::ChangesPlanned } else { Exit::Done })
        }
    }
}

fn unsaved(args: &RunArgs, why: &str) {
    if let Some(out) = &args.out {
        output::talk(&format!("{} was not written: {why}", out.display()));
    }
}

/// Saves the plan that was shown, where that was asked for.
fn save(home: &Home, (path, file, planned): (&Path, &PlanFile, &Planned), args: &RunArgs) -> Result<(), Failure> {
    let Some(out) = &args.out else { return Ok(()) };
    let place = if args.lab.is_wanted() { Servers::Lab } else { Servers::Real };
    saved::keep(out, (path, file), planned, place)?;
    let start = Typed::of(out, &RunArgs { saved: true, only: Vec::new(), ..args.clone() }).start(&home.program);
    let short = planned.plan.fingerprint().short();
    output::talk(&format!("saved as {}: plan {short}; to run exactly this plan:\n  {start}", out.display()));
    Ok(())
}
