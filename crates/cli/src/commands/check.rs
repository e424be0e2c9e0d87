//! `orchestrate check`: diagnostics only, no network.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file;
use crate::terminal::output;
use orchestrate_model::Pool;
use orchestrate_model::pool::{Access, WinrmAuth};
use std::path::Path;

pub(crate) fn run(path: &Path) -> Result<Exit, Failure> {
    let file = plan_file::read(path)?;
    let servers: usize = file.change.pools.iter().map(|pool| pool.servers.len()).sum();
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let pools = count(file.change.pools.len(), "pool");
    output::data(&format!("{}: good: {pools}, {}\n", path.display(), count(servers, "server")))?;
    for pool in &file.change.pools {
        if let Some(why) = not_ready(pool) {
            output::talk(&format!("note: {}: {why}", pool.name));
        }
    }
    Ok(Exit::Done)
}

/// Returns why a pool of a good plan could not be reached yet. Not a mistake: the lab and an offline preview need no
/// access.
fn not_ready(pool: &Pool) -> Option<&'static str> {
    match &pool.access {
        Access::Unstated => Some("no `access`: the plan does for --lab and --dry-run --offline only"),
        Access::Winrm(access) => match access.auth {
            WinrmAuth::Negotiate => {
                Some("`auth: negotiate`, the default, is not available yet; real servers need `auth: basic`")
            }
            WinrmAuth::Basic => None,
        },
    }
}
