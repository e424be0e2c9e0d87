//! How a person does by hand what a run could not do: the command for each act.

use crate::look::Subject;
use orchestrate_model::act::Act;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use orchestrate_model::{StartMode, StartType};

/// Returns the command that does what an act would have done, and where it is given.
pub(super) fn command(subject: &Subject<'_>, act: &Act) -> String {
    let there = |command: String| format!("on {}: {command}", subject.work.server);
    match act {
        Act::SetStartType { service, to } => there(format!("sc.exe config {service} start= {}", word(*to))),
        Act::Pause { service } => there(format!("Suspend-Service {service}")),
        Act::Continue { service } => there(format!("Resume-Service {service}")),
        Act::Start { service } => there(format!("Start-Service {service}")),
        Act::Stop { service } => there(format!("Stop-Service {service}")),
        Act::StartInstaller(run) => there(run.installer.clone()),
        Act::Restart { .. } => there("Restart-Computer".to_owned()),
        Act::SetBalancer { at, to, .. } => match &subject.pool.load_balancing.balancer {
            Balancer::Haproxy(_) => {
                format!("at the balancer {}: set server {} state {}", at.balancer, at.path(), state(*to))
            }
            Balancer::None | Balancer::Elsewhere(_) | Balancer::Operator => "at the balancer, by hand".to_owned(),
        },
    }
}

fn word(start: StartType) -> &'static str {
    match (start.mode, start.delayed) {
        (StartMode::Automatic, true) => "delayed-auto",
        (StartMode::Automatic, false) => "auto",
        (StartMode::Manual, _) => "demand",
        (StartMode::Disabled, _) => "disabled",
        (StartMode::Boot, _) => "boot",
        (StartMode::System, _) => "system",
    }
}

fn state(state: BalancerState) -> &'static str {
    match state {
        BalancerState::Ready => "ready",
        BalancerState::Drain => "drain",
        BalancerState::Maintenance => "maint",
    }
}
