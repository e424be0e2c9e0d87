//! An approval beside a plan: `PLAN.approved`, the fingerprint that a person has said yes to, with when and by whom; or what
//! people have signed, where the plan demands that.

use crate::home::actor;
use crate::signed;
use jiff::Timestamp;
use orchestrate_approvals::Times;
use orchestrate_files::{Limit, Whose};
use orchestrate_model::change::Approvals;
use orchestrate_planner::Fingerprint;
use orchestrate_serve::Approval;
use std::io;
use std::path::{Path, PathBuf};

/// How the name of an approval ends, after the whole name of the plan file.
pub(crate) const ENDING: &str = ".approved";

/// Returns where the approval of a plan is.
pub(crate) fn path_of(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(ENDING);
    PathBuf::from(name)
}

/// Writes an approval, whole or not at all.
pub(crate) fn write(plan: &Path, fingerprint: &str) -> io::Result<PathBuf> {
    let (path, by) = (path_of(plan), actor());
    let body = format!("{fingerprint}\n{}\n{}@{}\n", Timestamp::now(), by.user, by.host);
    orchestrate_files::replace(&path, body.as_bytes())?;
    Ok(path)
}

/// Reads the signed approvals of a plan, for a run that would be begun or for one that goes on.
pub(crate) fn signed(plan: &Path, approvals: &Approvals, times: Times) -> Approval {
    let demand = signed::demand(approvals);
    let examined = match signed::examined(plan, approvals, times) {
        Ok(examined) => examined,
        Err(failure) => return Approval::Unusable(failure.in_one_line()),
    };
    match examined.approved(demand) {
        Some((counted, fingerprint)) => Approval::Given { fingerprint, at: counted.at, by: signed::by(&counted) },
        None if examined.good.is_empty() && examined.refused.is_empty() => Approval::None,
        None => Approval::Unusable(examined.short(demand).to_string()),
    }
}

/// Reads an approval. Whoever can write it can have a plan run, so one that others can write is none.
pub(crate) fn read(plan: &Path) -> Approval {
    let path = path_of(plan);
    let bytes = match orchestrate_files::read(&path, Limit::SMALL, Whose::Ours) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Approval::None,
        Err(error) => return Approval::Unusable(format!("{}: {error}", path.display())),
    };
    let written = std::fs::metadata(&path).and_then(|found| found.modified()).ok();
    let written = written.and_then(|time| Timestamp::try_from(time).ok());
    parse(&String::from_utf8_lossy(&bytes), written)
        .unwrap_or_else(|why| Approval::Unusable(format!("{}: {why}", path.display())))
}

/// `written`: when the file was written, for one that a person has made by hand with a fingerprint alone.
fn parse(text: &str, written: Option<Timestamp>) -> Result<Approval, String> {
    let mut lines = text.lines().map(str::trim);
    let fingerprint = Fingerprint::parse(lines.next().unwrap_or_default()).map_err(|error| error.to_string())?;
    let at = match lines.next() {
        Some(text) if !text.is_empty() => text
            .parse()
            .map_err(|_not_one| format!("its second line is no time: {}", orchestrate_model::text::quoted(text)))?,
        Some(_) | None => written.ok_or("it does not say when it was given")?,
    };
    let by = lines.next().filter(|by| !by.is_empty()).unwrap_or("a person who is not named").to_owned();
    Ok(Approval::Given { fingerprint: fingerprint.to_string(), at, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn an_approval_is_read_as_it_was_written_and_nothing_else_is_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let plan = folder.path().join("a.yaml");
        assert_eq!(read(&plan), Approval::None);
        let path = write(&plan, HASH).unwrap();
        assert_eq!(path, folder.path().join("a.yaml.approved"));
        assert!(
            matches!(read(&plan), Approval::Given { fingerprint, by, .. } if fingerprint == HASH && by.contains('@'))
        );
        orchestrate_files::replace(&path, HASH.as_bytes()).unwrap();
        assert!(matches!(read(&plan), Approval::Given { fingerprint, .. } if fingerprint == HASH));
        for bad in ["", "yes", &HASH[..12], &format!("{HASH}\nyesterday"), &format!("x{HASH}")] {
            orchestrate_files::replace(&path, bad.as_bytes()).unwrap();
            assert!(matches!(read(&plan), Approval::Unusable(_)), "{bad}");
        }
    }
}
