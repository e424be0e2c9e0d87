//! Plan file text to a [`Change`], or every diagnostic with its place.
//!
//! A file goes through three stages:
//!
//! 1. *as written* (`written`): the tree of the file read into types whose values carry their places; nothing is filled
//!    in. The JSON Schema comes from these types.
//! 2. *merged with defaults* (`merged`): the words of the model, with every default of the format.
//! 3. *validated* (`rules`): what must hold between values. The rules look at the plan as written, where the places
//!    are, so they are applied before the merge throws the places away; a change leaves the crate only when they hold.
//!
//! Belongs here: the format and its diagnostics. Does not belong here: the disk, the environment, the clock, the
//! terminal. The caller reads the file, at most [`MOST_BYTES`] and one more, and prints.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod codes;
mod compared;
mod diagnostic;
mod durations;
mod events;
mod freezes;
mod hashes;
mod logon;
mod merged;
mod numbers;
pub mod pages;
mod places;
mod reader;
mod render;
mod rules;
mod scalars;
mod secrets;
mod sizes;
mod slips;
mod texts;
mod written;
mod yaml;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Span};
pub use freezes::Files;
pub use pages::{Page, explain};
pub use render::{Style, render, render_list};
pub use yaml::MOST_BYTES;

use orchestrate_model::Change;
use reader::{Reader, Shape, Written};

/// A plan that can be used.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What the plan asks for.
    pub change: Change,
    /// What its author should know first.
    pub warnings: Vec<Diagnostic>,
}

/// Returns the change that a plan file describes. The name of the file is for messages only.
///
/// # Errors
/// Every mistake of the file, sorted by place. A file that is no YAML has one.
pub fn parse(file_name: &str, bytes: &[u8]) -> Result<Parsed, Diagnostics> {
    parse_with(file_name, bytes, &|_path| Err("no further file is read here".to_owned()))
}

/// Returns the same, with what stands in the calendar files that the plan names.
///
/// # Errors
/// As for [`parse`], and calendar files that cannot be used.
pub fn parse_with(file_name: &str, bytes: &[u8], files: &Files<'_>) -> Result<Parsed, Diagnostics> {
    let mut reader = Reader::default();
    let change = read(bytes, files, &mut reader);
    let mut found = reader.finish();
    if change.is_none() && found.iter().all(|diagnostic| diagnostic.severity == Severity::Warning) {
        // A rule is missing; a plan that cannot be used is refused all the same.
        found.push(Diagnostic::error(codes::WRONG_TYPE, Span::START, "a value of this plan cannot be used"));
    }
    if !found.is_empty() {
        slips::blanks_named(&mut found, String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}'));
        let secrets = secrets::Secrets::of(&String::from_utf8_lossy(bytes));
        found.iter_mut().for_each(|diagnostic| secrets.taken_out_of(diagnostic));
    }
    match change {
        Some(change) if found.iter().all(|diagnostic| diagnostic.severity == Severity::Warning) => {
            Ok(Parsed { change, warnings: diagnostic::sorted(found) })
        }
        _ => Err(Diagnostics::new(file_name, found)),
    }
}

fn read(bytes: &[u8], files: &Files<'_>, reader: &mut Reader) -> Option<Change> {
    let text = text(bytes).map_err(|why| reader.report(*why)).ok()?;
    let node = yaml::tree(text).map_err(|why| reader.report(*why)).ok()?;
    if matches!(node.value, yaml::Value::Nothing) {
        reader.report(yaml::empty_file());
        return None;
    }
    let mut plan = written::Plan::read(&node, reader)?;
    let mut version = Reader::default();
    rules::version(&plan, &mut version);
    if version.has(codes::UNSUPPORTED_VERSION) {
        *reader = version;
        return None;
    }
    rules::apply(&mut plan, reader);
    let calendars = freezes::read(&plan, files, reader);
    merged::change(plan, calendars)
}

/// Returns the file as text, if it is one that a plan can be.
fn text(bytes: &[u8]) -> Result<&str, Box<Diagnostic>> {
    if bytes.len() > MOST_BYTES {
        return Err(Box::new(
            Diagnostic::error(
                codes::TOO_LARGE,
                Span::START,
                format!("the file is larger than {} MiB", MOST_BYTES >> 20),
            )
            .label("a plan file was expected")
            .help("a plan for ten thousand servers is smaller; check that this is the right file"),
        ));
    }
    // Its zeroes are UTF-8 as well, and characters that nobody sees.
    let is_marked = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    if !is_marked && slips::is_unmarked_utf16(bytes) {
        return Err(Box::new(
            Diagnostic::error(codes::NOT_UTF8, Span::START, "the file is not UTF-8")
                .label("every other byte is zero from here on")
                .help("it looks like UTF-16 without a byte order mark: save it again as UTF-8"),
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let last = good.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let column = 1 + String::from_utf8_lossy(last).chars().count();
        let span = Span { start: good.len(), end: good.len(), line, column };
        let help = if is_marked {
            "it is UTF-16, as its first two bytes say: save it again as UTF-8"
        } else {
            "save it again as UTF-8"
        };
        Box::new(
            Diagnostic::error(codes::NOT_UTF8, span, "the file is not UTF-8")
                .label("the first byte that is not")
                .help(help),
        )
    })
}

/// Returns every page about a diagnostic, by code. All crates' codes are here, because all pages are.
#[must_use]
pub fn codes() -> &'static [Page] {
    pages::PAGES
}

/// Returns the JSON Schema of plan files, for editors.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Shape<written::Plan>>();
    schema.insert("title".to_owned(), "orchestrate plan".into());
    schema.to_value()
}
