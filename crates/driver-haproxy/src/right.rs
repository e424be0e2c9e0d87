//! Whether a runtime API lets us change anything, found out without changing anything.

use crate::runtime::{CommandError, Runtime};
use crate::tables;
use orchestrate_model::observe::{BalancerDoubt, DoubtKind};
use orchestrate_model::pool::HaproxySite;

/// Asks for the level of the connection. Only `admin` may change a server's state.
const LEVEL: &str = "show cli level";

/// A change of nothing: HAProxy checks the level first, and then says that no server was named. For versions that do not
/// say their level.
const NOTHING: &str = "set server";

/// Returns what keeps the runtime API from changing servers, if anything does.
pub(crate) async fn doubt(site: &HaproxySite, runtime: &Runtime) -> Option<BalancerDoubt> {
    let (kind, text) = match level(runtime).await {
        Ok(Level::Admin) => return None,
        Ok(Level::Lower(level)) => {
            let text = format!(
                "{} may be read but not changed: expected level admin on its socket, found {level}; without it no server \
                 can be taken out there or put back",
                site.address
            );
            (DoubtKind::NoRight, text)
        }
        Err(why) => (DoubtKind::RightUnknown, format!("whether {} may be changed is unknown: {why}", site.address)),
    };
    Some(BalancerDoubt { server: None, kind, text })
}

enum Level {
    Admin,
    Lower(String),
}

async fn level(runtime: &Runtime) -> Result<Level, String> {
    let said = ask(runtime, LEVEL).await?;
    match said.as_str() {
        "admin" => return Ok(Level::Admin),
        "operator" | "user" => return Ok(Level::Lower(said)),
        _ => {}
    }
    let said = ask(runtime, NOTHING).await?;
    if said.starts_with("Permission denied") {
        Ok(Level::Lower("a lower one".to_owned()))
    } else if said.starts_with("Require 'backend/server'") {
        Ok(Level::Admin)
    } else {
        Err(format!("\"{NOTHING}\" was answered {}", orchestrate_model::text::quoted(&said)))
    }
}

async fn ask(runtime: &Runtime, command: &str) -> Result<String, String> {
    let failed = |error: CommandError| format!("\"{command}\": {error}");
    runtime.command(command).await.map(|said| tables::brief(&said)).map_err(failed)
}
