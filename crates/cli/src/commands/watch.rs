//! `orchestrate watch`: a run as it goes on elsewhere. Leaving does not stop it.

use crate::args::TextOrJson;
use crate::drive::exit_of_run;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed};
use crate::lab;
use crate::runs;
use crate::terminal::live::{Manner, Screen};
use crate::terminal::{output, signals};
use orchestrate_display::events;
use orchestrate_display::log::Log;
use orchestrate_display::summary::{Context, summary};
use orchestrate_driver::Clock;
use orchestrate_lab::LabDirectory;
use std::time::Duration;

/// How often the run's folder is looked at. Real time.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the view is drawn, and keys are taken, between two looks.
const DRAWN_BETWEEN: u32 = 5;

pub(crate) async fn run(home: &Home, run: &str, format: TextOrJson) -> Result<Exit, Failure> {
    let (place, folder) = home.run(run)?;
    let state = home.open_if_there(place)?.ok_or_else(|| home.no_run(run))?;
    let first = runs::read(folder.clone())?;
    if first.holder(&state)?.is_some() {
        output::talk("watching: Ctrl-C leaves, and the run goes on");
    }
    let plan = first.plan;
    let clock = match place {
        Place::Real => Clock::real(),
        Place::Lab => LabDirectory::read(&lab::directory_path(home, plan.change()))
            .map_or_else(|_gone| Clock::real(), |directory| directory.clock()),
    };
    let log = Log::new(&plan).with_command(&home.program, folder.id()).read_elsewhere();
    let manner = match format {
        TextOrJson::Text => Manner::Text,
        TextOrJson::Json => Manner::Json,
    };
    let mut screen = Screen::new((&plan, place), log, manner, clock).watching();
    if first.state.is_attended() {
        screen = screen.answering(folder.clone());
    }
    let (mut told, mut seen) = (0, None);
    let leave = signals::any();
    tokio::pin!(leave);
    let last = loop {
        let found = runs::read(folder.clone())?;
        for entry in found.entries.entries.iter().skip(told) {
            screen.recorded(entry.seq, entry.at, &entry.record);
        }
        told = found.entries.entries.len();
        // One that was told already is no news.
        if let Some(view) = folder.view().filter(|view| seen.as_ref() != Some(view)) {
            seen = Some(view.clone());
            screen.progressed(view);
        }
        if found.state.ended.is_some() || found.holder(&state)?.is_none() {
            break found;
        }
        for _ in 0..DRAWN_BETWEEN {
            screen.refresh();
            tokio::select! {
                _ = &mut leave => {
                    screen.close();
                    output::talk("the run goes on");
                    return Ok(Exit::Done);
                }
                () = tokio::time::sleep(LOOK_EVERY / DRAWN_BETWEEN) => {}
            }
        }
    };
    screen.close();
    let (state, id) = (&last.state, folder.id());
    output::data(&match manner {
        Manner::Text => {
            let start = Typed::of_run(place, &folder).start(&home.program);
            let context = Context { run: id, plan: &plan, program: &home.program, start: &start };
            format!("\n{}", summary(context, state, &output::look()))
        }
        Manner::Json => {
            // Of a process that was killed it is not known.
            let exit = state.ended.map(|outcome| exit_of_run(outcome, state).code());
            format!("{}\n", events::summary(id, &plan, state, exit))
        }
    })?;
    Ok(Exit::Done)
}
