//! Every lab of this account, whatever the state folder that it was started from: a copy of each directory file lies in the
//! platform's state folder.

use crate::failure::Failure;
use etcetera::BaseStrategy as _;
use orchestrate_lab::LabDirectory;
use orchestrate_model::Change;
use std::path::PathBuf;

/// How a lab is found by those who do not know its state folder. It is forgotten when this is dropped.
pub(crate) struct Known(Option<PathBuf>);

/// Returns the folder of the copies.
fn folder() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("orchestrate").join("known-labs"))
}

impl Known {
    /// Notes a lab. One that cannot be noted is a lab all the same.
    pub(crate) fn note(lab: &LabDirectory) -> Self {
        let noted = folder().and_then(|folder| {
            let path = folder.join(format!("{}.json", lab.pid));
            let written = orchestrate_files::create_folder(&folder).is_ok() && lab.write(&path).is_ok();
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
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "the lab was forgotten already");
        }
    }
}

/// Returns every lab of this account that answers, and forgets those that are gone.
pub(crate) async fn all() -> Result<Vec<LabDirectory>, Failure> {
    let Some(listing) = folder().and_then(|folder| std::fs::read_dir(folder).ok()) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = listing.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let mut labs = Vec::new();
    for path in paths {
        let Ok(lab) = LabDirectory::read(&path) else { continue };
        if lab.report().await.is_ok() {
            labs.push(lab);
        } else if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, "a lab that is gone cannot be forgotten");
        }
    }
    Ok(labs)
}

/// Returns every lab of a change that answers.
pub(crate) async fn of_change(change: &Change) -> Result<Vec<LabDirectory>, Failure> {
    let key = super::key(change);
    Ok(all().await?.into_iter().filter(|lab| lab.plan == key).collect())
}
