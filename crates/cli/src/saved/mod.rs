//! Saved plans: one file with the plan that was shown, and with all that it was made from.
//!
//! The first line says what the file is, in which version, by which program, and the SHA-256 of everything in the file but that
//! number. The rest is one JSON document. What is kept is enough to make the plan again, here or on another machine, so that a
//! start of it can say in words what has become different.

mod same;
mod write;

pub(crate) use same::{as_begun, as_saved, differences, fits};
pub(crate) use write::{keep, may_be_written};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::stage::Planned;
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_model::Change;
use orchestrate_planner::{Observations, Plan, check};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How every saved plan begins, whatever its version.
const MARK: &str = "orchestrate-saved-plan ";

/// The version of the form.
const VERSION: u32 = 1;

/// Longest first line. The one of this version has about 120 characters.
const LONGEST_LINE: usize = 400;

/// This program, as it stands in what it has written.
const PROGRAM: &str = concat!("orchestrate/", env!("CARGO_PKG_VERSION"));

/// A plan that was shown, with what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// The fingerprint of the plan.
    pub(crate) fingerprint: String,
    /// Who has made it when.
    pub(crate) made: Made,
    /// On which servers.
    pub(crate) place: Servers,
    /// Why it is an emergency, where it was declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) emergency: Option<String>,
    /// The servers that it is for, where it is not for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) only: Vec<String>,
    /// The plan file as it was read.
    pub(crate) plan_file: Source,
    /// The calendars that the plan file names, by the path that it gives.
    pub(crate) calendars: BTreeMap<String, String>,
    /// The plan.
    pub(crate) plan: Plan,
    /// What it was made from besides.
    pub(crate) evidence: Evidence,
}

/// Who has made a saved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) program: String,
}

/// On which servers a plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Servers {
    /// Those of the plan.
    Real,
    /// Imitated ones.
    Lab,
}

/// A plan file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What a plan was made from besides its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    /// The time at which it was made, by the clock of the servers: on a lab that of the lab.
    pub(crate) at: Timestamp,
    /// What was seen.
    pub(crate) seen: Observations,
}

/// Why there is no saved plan.
#[derive(Debug, Error)]
pub(crate) enum SavedError {
    #[error("cannot read the saved plan {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is no saved plan", path.display())]
    NotOne { path: PathBuf },
    #[error(
        "{} is a saved plan of version {found}, made by {by}; this is {PROGRAM}, which reads version {VERSION}",
        path.display()
    )]
    OtherVersion { path: PathBuf, found: String, by: String },
    #[error("{} is not as it was written: {why}", path.display())]
    Changed { path: PathBuf, why: String },
    #[error("cannot write the saved plan {}", path.display())]
    Unwritten { path: PathBuf, source: io::Error },
    #[error("{} exists and is no saved plan; it was left as it is", path.display())]
    InTheWay { path: PathBuf },
}

impl SavedError {
    /// Returns the exit code and what can be done.
    pub(crate) fn edge(&self) -> (Exit, Option<String>) {
        let make = "orchestrate PLAN --dry-run --out FILE";
        match self {
            Self::Unreadable { .. } => (Exit::BadPlan, None),
            Self::NotOne { .. } => (Exit::BadPlan, Some(format!("a saved plan is made by: {make}"))),
            Self::OtherVersion { .. } => (
                Exit::BadPlan,
                Some(format!("use the program that it was made by, or make it again with this one: {make}")),
            ),
            Self::Changed { .. } => (
                Exit::BadPlan,
                Some(format!(
                    "copy it again from where it was made, as a file and not as text; or make it again: {make}"
                )),
            ),
            Self::Unwritten { .. } => (Exit::Temporary, None),
            Self::InTheWay { .. } => (Exit::Usage, Some("name another file, or move that one elsewhere".to_owned())),
        }
    }
}

/// Returns whether these are the first bytes of a saved plan.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK.as_bytes())
}

/// Reads a saved plan, and refuses one of which a single byte has changed.
pub(crate) fn read(path: &Path) -> Result<Saved, SavedError> {
    let unreadable = |source| SavedError::Unreadable { path: path.to_owned(), source };
    let bytes = orchestrate_files::read(path, Limit::LARGE, Whose::Anybodys).map_err(unreadable)?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Saved, SavedError> {
    if !is_one(bytes) {
        return Err(SavedError::NotOne { path: path.to_owned() });
    }
    let changed = |why: &str| SavedError::Changed { path: path.to_owned(), why: why.to_owned() };
    let end = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n');
    let end = end.ok_or_else(|| changed("its first line does not end"))?;
    let (line, body) = (&bytes[..end], &bytes[end + 1..]);
    let line = std::str::from_utf8(line).map_err(|_not| changed("its first line is no text"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let version = words.get(1).copied().unwrap_or_default();
    if version != VERSION.to_string() {
        let found = orchestrate_display::clean(version);
        let by = orchestrate_display::clean(words.get(2).copied().unwrap_or("a program that it does not name"));
        return Err(SavedError::OtherVersion { path: path.to_owned(), found, by });
    }
    let [_, version, program, sum] = words.as_slice() else {
        return Err(changed("its first line does not say what it should"));
    };
    if *sum != sum_of(version, program, body) {
        return Err(changed("its SHA-256 is another than its first line says"));
    }
    let saved: Saved = serde_json::from_slice(body).map_err(|error| changed(&error.to_string()))?;
    if saved.plan.fingerprint().to_string() != saved.fingerprint {
        return Err(changed("its plan has another fingerprint than it says"));
    }
    match check::check(&saved.plan).first() {
        Some(violation) => Err(changed(&format!("its plan is not sound: {violation}"))),
        None => Ok(saved),
    }
}

fn sum_of(version: &str, program: &str, body: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{MARK}{version} {program}\n"));
    hasher.update(body);
    let digits: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// Returns the file of a saved plan.
fn bytes_of(saved: &Saved) -> io::Result<Vec<u8>> {
    let mut body = serde_json::to_vec_pretty(saved)?;
    body.push(b'\n');
    let version = VERSION.to_string();
    let sum = sum_of(&version, PROGRAM, &body);
    let mut bytes = format!("{MARK}{version} {PROGRAM} {sum}\n").into_bytes();
    bytes.append(&mut body);
    Ok(bytes)
}

impl Saved {
    /// Returns what was shown, made again from what is kept: the plan as it is kept, with the report of this program about it.
    pub(crate) fn planned(&self, change: &Change) -> Result<Planned, Failure> {
        let mut again = Planned::of(change, self.evidence.seen.clone(), self.evidence.at)?;
        again.plan = self.plan.clone();
        Ok(again)
    }

    /// Returns its fingerprint in short.
    pub(crate) fn short(&self) -> String {
        self.plan.fingerprint().short()
    }

    /// Returns who has made it when.
    pub(crate) fn made(&self) -> String {
        let by = orchestrate_display::clean(&self.made.by);
        format!("made {} by {by}", crate::terminal::output::look().date_time(self.made.at))
    }
}

#[cfg(test)]
mod tests;
