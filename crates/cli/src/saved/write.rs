//! Writing a plan that was shown.

use super::{Evidence, Made, PROGRAM, Saved, SavedError, Servers, Source, bytes_of, is_one};
use crate::failure::Failure;
use crate::home::actor;
use crate::plan_file::PlanFile;
use crate::stage::Planned;
use jiff::Timestamp;
use orchestrate_files::read_start;
use orchestrate_planner::codes;
use std::io;
use std::path::Path;

/// Refuses a place where no saved plan can be written, before anything is asked: a plan file that was named by mistake must not
/// be written over.
pub(crate) fn may_be_written(path: &Path) -> Result<(), SavedError> {
    let in_the_way = || Err(SavedError::InTheWay { path: path.to_owned() });
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return in_the_way(),
        Ok(_) => {
            let start =
                read_start(path, 64).map_err(|source| SavedError::Unreadable { path: path.to_owned(), source })?;
            if !start.is_empty() && !is_one(&start) {
                return in_the_way();
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(SavedError::Unwritten { path: path.to_owned(), source }),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() && path.file_name().is_some() => Ok(()),
        Ok(_) => in_the_way(),
        Err(source) => Err(SavedError::Unwritten { path: path.to_owned(), source }),
    }
}

/// Writes a plan that was shown, whole or not at all.
pub(crate) fn keep(
    path: &Path,
    (name, file): (&Path, &PlanFile),
    planned: &Planned,
    place: Servers,
) -> Result<(), Failure> {
    if let Some(secret) = planned.plan.findings().iter().find(|finding| finding.code == codes::SECRET_ARGUMENT) {
        let why = format!("it would go to others with what may be a secret ({}: {})", secret.code, secret.message);
        return Err(Failure::NotSaved { why });
    }
    let saved = of(name, file, planned, place);
    may_be_written(path)?;
    let written = bytes_of(&saved).and_then(|bytes| orchestrate_files::replace(path, &bytes));
    written.map_err(|source| SavedError::Unwritten { path: path.to_owned(), source })?;
    Ok(())
}

/// Returns a plan with all that it was made from.
pub(super) fn of(name: &Path, file: &PlanFile, planned: &Planned, place: Servers) -> Saved {
    let by = actor();
    Saved {
        fingerprint: planned.plan.fingerprint().to_string(),
        made: Made { at: Timestamp::now(), by: format!("{}@{}", by.user, by.host), program: PROGRAM.to_owned() },
        place,
        emergency: file.change.emergency.clone(),
        only: file.change.only.iter().map(ToString::to_string).collect(),
        plan_file: Source {
            name: name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned(),
            // A plan that could be read is UTF-8.
            text: String::from_utf8_lossy(&file.bytes).into_owned(),
        },
        calendars: file.calendars.clone(),
        plan: planned.plan.clone(),
        evidence: Evidence { at: planned.at, seen: planned.observations.clone() },
    }
}
