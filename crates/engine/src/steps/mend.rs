//! How a person does by hand what a run could not do: the command for each act.

use crate::look::Subject;
use orchestrate_model::act::Act;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use orchestrate_model::secret;
use orchestrate_model::{ServiceName, StartMode, StartType};

/// Returns the command that does what an act would have done for each of these services, and where it is given.
pub(super) fn command(subject: &Subject<'_>, act: &Act, services: &[&ServiceName]) -> String {
    let there = |command: String| format!("on {}: {command}", subject.work.server);
    // PowerShell takes `$` and blanks in a name for something else.
    let quoted = |name: &&ServiceName| {
        let plain = name.as_str().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if plain { name.to_string() } else { format!("'{name}'") }
    };
    let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
    let all = services.iter().map(quoted).collect::<Vec<_>>().join(", ");
    match act {
        Act::SetStartType { to, .. } => there(match names[..] {
            [_] => format!("sc.exe config {all} start= {}", word(*to)),
            _ => format!(
                "foreach ($service in '{}') {{ sc.exe config $service start= {} }}",
                names.join("', '"),
                word(*to)
            ),
        }),
        Act::Pause { .. } => there(format!("Suspend-Service {all}")),
        Act::Continue { .. } => there(format!("Resume-Service {all}")),
        Act::Start { .. } => there(format!("Start-Service {all}")),
        Act::Stop { .. } => there(format!("Stop-Service {all}")),
        Act::StartInstaller(run) => there(secret::shown_address(&run.installer)),
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
