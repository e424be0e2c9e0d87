//! `orchestrate report`: everything about a run, for programs, and as a page for a change ticket.

use crate::args::ReportFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Typed};
use crate::runs;
use crate::terminal::output;
use orchestrate_display::events;
use orchestrate_display::report::{self, Form};
use orchestrate_display::summary::Context;

pub(crate) fn run(home: &Home, run: &str, format: ReportFormat) -> Result<Exit, Failure> {
    let (place, folder) = home.run(run)?;
    let found = runs::read(folder)?;
    let records: Vec<_> =
        found.entries.entries.iter().map(|entry| (entry.seq, entry.at, entry.record.clone())).collect();
    let form = match format {
        ReportFormat::Json => {
            let report = events::report(found.folder.id(), &found.plan, &found.state, &records);
            output::data(&format!("{report:#}\n"))?;
            return Ok(Exit::Done);
        }
        ReportFormat::Markdown => Form::Markdown,
        ReportFormat::Html => Form::Html,
        ReportFormat::Csv => Form::Csv,
    };
    let start = Typed::of_run(place, &found.folder).start(&home.program);
    let context = Context { run: found.folder.id(), plan: &found.plan, program: &home.program, start: &start };
    output::data(&report::report(context, &found.state, &records, (form, &output::look()))?)?;
    Ok(Exit::Done)
}
