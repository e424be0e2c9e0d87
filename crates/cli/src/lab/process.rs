//! A lab in this process: in the foreground, or as the detached process of a run.

use super::known::{About, Known};
use super::start::alone;
use super::{digest, directory_path, find, key, origin, scenario_path};
use crate::failure::Failure;
use crate::home::{Home, Place};
use crate::plan_file;
use crate::terminal::{output, signals};
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_lab::{Lab, LabConfig, LabDirectory, LabReport, Scenario};
use orchestrate_model::Change;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is served.
pub(crate) struct Serving {
    pub(crate) plan: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) speed: f64,
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) origin: Timestamp,
    /// For how long nobody may ask it anything before it ends by itself. Real time.
    pub(crate) idle: Duration,
}

/// Runs the detached lab of a run until it is told to stop.
pub(crate) async fn serve(serving: &Serving) -> Result<(), Failure> {
    let change = plan_file::read(&serving.plan)?.change;
    let lab = start(change, serving).await?;
    let directory = listed(&lab, serving)?;
    let known = Known::note(&directory, &About::of(serving));
    directory.write(&serving.directory)?;
    let report = lab.run_until_left_alone(serving.idle).await;
    drop(known);
    forget(&serving.directory)?;
    output::data(&format!("{}\n", report.text()))
}

/// Runs a lab in the foreground until somebody stops it.
pub(crate) async fn foreground(
    home: &Home,
    plan: &Path,
    speed: f64,
    scenario: Option<&Path>,
) -> Result<LabReport, Failure> {
    let change = plan_file::read(plan)?.change;
    let directory = directory_path(home, &change);
    home.open(Place::Lab)?;
    // Of two starts at once the second finds the lab of the first, whichever kind of start they are.
    let lock = alone(&directory).await?;
    if find(home, &change).await.is_some() {
        return Err(Failure::LabThere { path: directory, plan: plan.to_owned() });
    }
    let scenario = scenario_path(plan, scenario);
    if let Some(path) = &scenario {
        super::fits(&self::scenario(path)?, path, &change)?;
    }
    let origin = origin(&change, scenario.as_deref(), Timestamp::now())?;
    let idle = Duration::MAX;
    let serving = Serving { plan: plan.to_owned(), directory, speed, scenario, origin, idle };
    let lab = start(change, &serving).await?;
    let directory = LabDirectory { foreground: true, ..listed(&lab, &serving)? };
    let known = Known::note(&directory, &About::of(&serving));
    directory.write(&serving.directory)?;
    drop(lock);
    output::data(&listening(&lab, &serving.directory))?;
    let stopped = lab.run_until_stopped();
    tokio::pin!(stopped);
    let report = tokio::select! {
        report = &mut stopped => report,
        _ = signals::any() => {
            // Both at once: the order waits for the end, which this very process has to come to.
            let (told, report) = tokio::join!(directory.stop(), stopped);
            told?;
            report
        }
    };
    drop(known);
    forget(&serving.directory)?;
    Ok(report)
}

/// Returns the directory of a lab with what others have to know of how it was started.
fn listed(lab: &Lab, serving: &Serving) -> Result<LabDirectory, Failure> {
    Ok(LabDirectory { scenario: digest(serving.scenario.as_deref())?, ..lab.directory().clone() })
}

async fn start(change: Change, serving: &Serving) -> Result<Lab, Failure> {
    let scenario = match &serving.scenario {
        Some(path) => scenario(path)?,
        None => Scenario::default(),
    };
    let config = LabConfig {
        plan: key(&change),
        scenario,
        speed: serving.speed,
        origin: serving.origin,
        record: Some(serving.directory.with_extension("record.jsonl")),
        ..LabConfig::new(change)
    };
    Ok(Lab::start(config).await?)
}

/// Reads a scenario file.
pub(crate) fn scenario(path: &Path) -> Result<Scenario, Failure> {
    let unreadable = |source| Failure::ScenarioUnreadable { path: path.to_owned(), source };
    let unusable = |why| Failure::BadScenario { path: path.to_owned(), why };
    let bytes = orchestrate_files::read(path, Limit::TEXT, Whose::Anybodys).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_binary| unusable("it is not UTF-8".to_owned()))?;
    Scenario::read(&text).map_err(unusable)
}

/// Removes the directory file, so that nobody looks for a lab that has ended. What is not ours stays: another lab
/// took our place when we did not answer.
fn forget(directory: &Path) -> Result<(), Failure> {
    if !LabDirectory::read(directory).is_ok_and(|there| there.pid == std::process::id()) {
        return Ok(());
    }
    match orchestrate_files::remove(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Failure::LabStart { source }),
    }
}

fn listening(lab: &Lab, path: &Path) -> String {
    let directory = lab.directory();
    let mut lines = vec![format!("directory file  {}", path.display())];
    let servers = directory.servers.iter().map(|(server, address)| format!("{server}  https://{address}/wsman"));
    lines.extend(servers);
    let balancers = directory.balancers.iter().flat_map(|(pool, all)| all.iter().map(move |one| (pool, one)));
    lines.extend(balancers.map(|(pool, address)| format!("balancer of {pool}  {address}")));
    lines.push(format!("name server  {}", directory.dns));
    lines.push(format!("speed {}, Ctrl-C ends it\n", directory.speed));
    lines.join("\n")
}
