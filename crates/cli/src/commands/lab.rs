//! `orchestrate lab`: the lab alone, in the foreground; or the end of one that runs.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::lab;
use crate::plan_file;
use crate::terminal::output;
use std::path::Path;

pub(crate) async fn run(home: &Home, plan: &Path, speed: f64, scenario: Option<&Path>) -> Result<Exit, Failure> {
    let report = lab::foreground(home, plan, speed, scenario).await?;
    output::data(&format!("\n{}\n", report.text()))?;
    Ok(Exit::Done)
}

pub(crate) async fn stop(home: &Home, plan: &Path) -> Result<Exit, Failure> {
    let change = plan_file::read(plan)?.change;
    let directory = lab::find(home, &change).await.ok_or(Failure::NoLab)?;
    let report = directory.stop().await?;
    output::data(&format!("{}\n", report.text()))?;
    Ok(Exit::Done)
}
