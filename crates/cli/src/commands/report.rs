//! `orchestrate report`: everything about a run, for programs, and as a page for a change ticket.

use crate::args::ReportFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed};
use crate::runs::{self, Found};
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::ahead::Ahead;
use orchestrate_display::events;
use orchestrate_display::pages::{self, Decided, Shown};
use orchestrate_display::report::{self, Form};
use orchestrate_display::summary::Context;
use orchestrate_engine::Record;

pub(crate) fn run(home: &Home, run: &str, format: ReportFormat) -> Result<Exit, Failure> {
    let (place, folder) = home.run(run)?;
    let found = runs::read(folder)?;
    let records = found.records();
    let start = Typed::of_run(place, &found.folder).start(&home.program);
    let context = Context { run: found.folder.id(), plan: &found.plan, program: &home.program, start: &start };
    let form = match format {
        ReportFormat::Json => {
            let report = events::report(found.folder.id(), &found.plan, &found.state, &records);
            output::data(&format!("{report:#}\n"))?;
            return Ok(Exit::Done);
        }
        ReportFormat::Html => {
            output::data(&page(home, place, (&found, &records), context)?)?;
            return Ok(Exit::Done);
        }
        ReportFormat::Markdown => Form::Markdown,
        ReportFormat::Csv => Form::Csv,
    };
    output::data(&report::report(context, &found.state, &records, (form, &output::look()))?)?;
    Ok(Exit::Done)
}

/// Returns the page of the run, as it is now.
fn page(
    home: &Home,
    place: Place,
    (found, records): (&Found, &[(u64, Timestamp, Record)]),
    context: Context<'_>,
) -> Result<String, Failure> {
    let state = home.open_if_there(place)?;
    let holder = state.map(|state| found.holder(&state)).transpose()?.flatten();
    let holder = holder.map(|holder| runs::said(&holder));
    let view = found.view();
    let ahead = Ahead::of(&found.plan);
    let shown = Shown {
        context,
        state: &found.state,
        records,
        view: &view,
        ahead: &ahead,
        ground: place.ground(),
        holder: holder.as_deref(),
        decided: Decided::Elsewhere,
        now: found.now(home, place),
    };
    Ok(pages::report(&shown, &output::look())?)
}
