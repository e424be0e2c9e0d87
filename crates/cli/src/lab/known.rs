//! Every lab of this account, whatever the state folder that it was started from: a copy of each directory file lies in the
//! platform's state folder, with what people know it by beside it.

use super::process::Serving;
use crate::failure::Failure;
use crate::home::Home;
use crate::host;
use orchestrate_files::{Limit, Whose};
use orchestrate_lab::{LabDirectory, LabError};
use orchestrate_model::Change;
use std::path::{Path, PathBuf};

/// What people know a lab by, which is not in its directory file.
pub(crate) struct About {
    /// The plan file.
    pub(crate) plan: PathBuf,
    /// The state folder, if it was started from one.
    pub(crate) state: Option<PathBuf>,
}

impl About {
    /// Returns what people know a lab by that is served.
    pub(super) fn of(serving: &Serving) -> Self {
        let plan = std::path::absolute(&serving.plan).unwrap_or_else(|_odd| serving.plan.clone());
        let labs = serving.directory.parent().filter(|labs| labs.file_name().is_some_and(|name| name == Home::LABS));
        Self { plan, state: labs.and_then(Path::parent).map(Path::to_path_buf) }
    }

    /// Returns where it lies beside the copy of a directory file.
    fn path(copy: &Path) -> PathBuf {
        copy.with_extension("about")
    }

    fn write(&self, copy: &Path) -> std::io::Result<()> {
        let text = |path: &Path| path.display().to_string();
        let body = serde_json::json!({"plan": text(&self.plan), "state": self.state.as_deref().map(text)});
        orchestrate_files::replace_unsynced(&Self::path(copy), body.to_string().as_bytes())
    }

    fn read(copy: &Path) -> Option<Self> {
        let bytes = orchestrate_files::read(&Self::path(copy), Limit::SMALL, Whose::Ours).ok()?;
        let body: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let path = |name: &str| body.get(name)?.as_str().map(PathBuf::from);
        Some(Self { plan: path("plan")?, state: path("state") })
    }
}

/// How a lab is found by those who do not know its state folder. It is forgotten when this is dropped.
pub(crate) struct Known(Option<PathBuf>);

/// Returns the folder of the copies.
fn folder() -> Option<PathBuf> {
    Some(host::state_folder()?.join("known-labs"))
}

/// Returns where the copy of a lab's directory file belongs.
fn copy_of(lab: &LabDirectory, folder: &Path) -> PathBuf {
    folder.join(format!("{}.json", lab.pid))
}

/// Removes the copy of a directory file, with what lies beside it.
fn forget(copy: &Path) {
    for path in [About::path(copy), copy.to_owned()] {
        if let Err(error) = orchestrate_files::remove(&path) {
            tracing::debug!(%error, path = %path.display(), "a lab that is gone was forgotten already, or cannot be");
        }
    }
}

impl Known {
    /// Notes a lab. One that cannot be noted is a lab all the same.
    pub(super) fn note(lab: &LabDirectory, about: &About) -> Self {
        let noted = folder().and_then(|folder| {
            let path = copy_of(lab, &folder);
            let written = orchestrate_files::create_folder(&folder).is_ok() && lab.write(&path).is_ok();
            if written && let Err(error) = about.write(&path) {
                tracing::debug!(%error, "what people know the lab by cannot be noted");
            }
            written.then_some(path)
        });
        if noted.is_none() {
            tracing::warn!("the lab cannot be noted among the labs of this account");
        }
        Self(noted)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            forget(path);
        }
    }
}

/// Returns whether a lab that has not answered is gone. One that is only slow is not: nobody would find it again, to use it
/// or to end it.
fn is_gone(lab: &LabDirectory, error: &LabError) -> bool {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    let refused = matches!(error, LabError::NoAnswer { source, .. } if source.downcast_ref::<std::io::Error>().is_some_and(closed));
    refused || host::is_known_to_have_ended(lab.pid)
}

/// Returns what people know a lab by, where it was noted.
pub(crate) fn about(lab: &LabDirectory) -> Option<About> {
    About::read(&copy_of(lab, &folder()?))
}

/// Returns every lab of this account, and forgets those that are gone.
pub(crate) async fn all() -> Result<Vec<LabDirectory>, Failure> {
    let Some(listing) = folder().and_then(|folder| std::fs::read_dir(folder).ok()) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = listing.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let mut labs = Vec::new();
    for path in paths {
        let Ok(lab) = LabDirectory::read(&path) else { continue };
        let answer = lab.report().await;
        match answer {
            Err(error) if is_gone(&lab, &error) => forget(&path),
            Ok(_) | Err(_) => labs.push(lab),
        }
    }
    Ok(labs)
}

/// Returns every lab of a change.
pub(crate) async fn of_change(change: &Change) -> Result<Vec<LabDirectory>, Failure> {
    let key = super::key(change);
    Ok(all().await?.into_iter().filter(|lab| lab.plan == key).collect())
}
