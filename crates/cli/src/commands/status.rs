//! `orchestrate status`: what is out, what waits for what, since when.

use crate::args::TextOrJson;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Typed};
use crate::runs;
use crate::terminal::output;
use orchestrate_display::status::{self, Listed};

pub(crate) fn run(home: &Home, run: Option<&str>, format: TextOrJson) -> Result<Exit, Failure> {
    match run {
        Some(run) => one(home, run, format),
        None => all(home, format),
    }
}

fn one(home: &Home, run: &str, format: TextOrJson) -> Result<Exit, Failure> {
    let (place, folder) = home.run(run)?;
    let start = Typed::of_run(place, &folder).start(&home.program);
    let found = runs::read(folder)?;
    let now = found.now(home, place);
    let found = found.status(home, place)?;
    let text = match format {
        TextOrJson::Text => status::one(&found, (&home.program, &start), now, &output::look()),
        TextOrJson::Json => format!("{}\n", status::json(&found)),
    };
    output::data(&text)?;
    Ok(Exit::Done)
}

/// Lists every run. One that cannot be read does not hide the others, and is not hidden: its servers may be out.
fn all(home: &Home, format: TextOrJson) -> Result<Exit, Failure> {
    let mut runs = Vec::new();
    let mut exit = Exit::Done;
    for (place, folder) in home.runs()? {
        let run = folder.id().clone();
        runs.push(match runs::read(folder).and_then(|found| found.status(home, place)) {
            Ok(run) => Listed::Run(Box::new(run)),
            Err(failure) => {
                exit = failure.tell(&home.program);
                Listed::Unreadable { run, why: failure.in_one_line() }
            }
        });
    }
    let text = match format {
        TextOrJson::Text => status::list(&runs, &output::look()),
        TextOrJson::Json => runs.iter().map(|run| format!("{}\n", status::listed_json(run))).collect(),
    };
    output::data(&text)?;
    Ok(exit)
}
