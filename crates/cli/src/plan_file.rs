//! Reading a plan file: never more of it than a plan can be.

use crate::failure::Failure;
use crate::terminal::output;
use orchestrate_config::{Parsed, Style};
use orchestrate_display::Style as Colours;
use orchestrate_model::Change;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A plan file that can be used.
pub(crate) struct PlanFile {
    /// What it asks for.
    pub(crate) change: Change,
    /// Its bytes, which are kept with the run.
    pub(crate) bytes: Vec<u8>,
}

/// Reads and checks a plan file. Warnings go to stderr.
///
/// # Errors
/// The file cannot be read, or has mistakes; the failure carries them rendered.
pub(crate) fn read(path: &Path) -> Result<PlanFile, Failure> {
    let bytes = bytes(path)?;
    let name = path.display().to_string();
    let Parsed { change, warnings } = orchestrate_config::parse(&name, &bytes).map_err(|found| {
        let mistakes = found.items().len() + found.omitted();
        let empty = found.is_empty_selection();
        let rendered = orchestrate_config::render(&found, &String::from_utf8_lossy(&bytes), &name, style());
        let code = found.items().first().map(|item| item.code.to_string()).unwrap_or_default();
        Failure::BadPlan { path: path.to_owned(), mistakes, empty, code, rendered }
    })?;
    if !warnings.is_empty() {
        let source = String::from_utf8_lossy(&bytes);
        output::talk(&orchestrate_config::render_list(&warnings, &source, &name, style()));
        output::talk("");
    }
    Ok(PlanFile { change, bytes })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::PlanUnreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let most = orchestrate_config::MOST_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn style() -> Style {
    match output::talk_style() {
        Colours::Plain => Style::Plain,
        Colours::Ansi => Style::Colour,
    }
}
