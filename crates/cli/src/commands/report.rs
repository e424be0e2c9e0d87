//! `orchestrate report`: everything about a run, for programs.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::runs;
use crate::terminal::output;
use orchestrate_display::events;

pub(crate) fn run(home: &Home, run: &str) -> Result<Exit, Failure> {
    let (_place, folder) = home.run(run)?;
    let found = runs::read(folder)?;
    let records: Vec<_> =
        found.entries.entries.iter().map(|entry| (entry.seq, entry.at, entry.record.clone())).collect();
    let report = events::report(found.folder.id(), &found.plan, &found.state, &records);
    output::data(&format!("{report:#}\n"))?;
    Ok(Exit::Done)
}
