//! `orchestrate lab`: the lab alone, in the foreground; a list of those that run; or their end.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::lab::{self, About};
use crate::plan_file;
use crate::terminal::output;
use orchestrate_display::clean;
use orchestrate_lab::LabDirectory;
use std::path::Path;

pub(crate) async fn run(home: &Home, plan: &Path, speed: f64, scenario: Option<&Path>) -> Result<Exit, Failure> {
    let report = lab::foreground(home, plan, speed, scenario).await?;
    output::sentences(&format!("\n{}\n", report.text()))?;
    Ok(Exit::Done)
}

/// Stops every lab of a plan: the one of this state folder, and those that were started from others.
pub(crate) async fn stop(home: &Home, plan: &Path) -> Result<Exit, Failure> {
    let change = plan_file::read(plan)?.change;
    let mut labs = lab::of_change(&change).await?;
    if let Some(own) = lab::find(home, &change).await
        && !labs.iter().any(|lab| lab.pid == own.pid)
    {
        labs.push(own);
    }
    end(&labs).await
}

/// Stops every lab of this account.
pub(crate) async fn stop_all() -> Result<Exit, Failure> {
    end(&lab::all().await?).await
}

/// Stops labs. One that cannot be stopped keeps none of the others, and is told at the end.
async fn end(labs: &[LabDirectory]) -> Result<Exit, Failure> {
    if labs.is_empty() {
        return Err(Failure::NoLab);
    }
    let mut go_on = Vec::new();
    let mut printed = Ok(());
    for lab in labs {
        match lab.stop().await {
            Ok(report) => printed = printed.and(output::sentences(&format!("{}\n", report.text()))),
            Err(error) => go_on.push(format!("process {}: {}", lab.pid, Failure::from(error).in_one_line())),
        }
    }
    if !go_on.is_empty() {
        return Err(Failure::LabsGoOn { labs: go_on });
    }
    printed.map(|()| Exit::Done)
}

/// Lists every lab of this account.
pub(crate) async fn list() -> Result<Exit, Failure> {
    let labs = lab::all().await?;
    if labs.is_empty() {
        output::talk("no lab runs");
    }
    for lab in labs {
        let began = output::look().date_time(lab.started);
        let first = lab.servers.keys().next().map(ToString::to_string).unwrap_or_default();
        let servers = lab.servers.len();
        let (process, speed) = (lab.pid, lab.speed);
        let number = lab.plan.get(..12).unwrap_or(&lab.plan);
        let shown = |path: &Path| clean(&path.display().to_string());
        let (plan, state) = match lab::about(&lab) {
            Some(About { plan, state }) => (format!("{} ({number})", shown(&plan)), state),
            None => (number.to_owned(), None),
        };
        let state = state.map_or_else(String::new, |state| format!("  state folder {}", shown(&state)));
        output::data(&format!(
            "process {process}  since {began}  speed {speed}  {servers} servers, {first} first  plan {plan}{state}\n"
        ))?;
    }
    Ok(Exit::Done)
}
