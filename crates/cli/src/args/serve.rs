//! What `serve` takes, and `approve`, which says yes to what it runs.

use super::{LabArgs, TextOrJson, emergency, speed};
use clap::Args;
use orchestrate_web::HeaderName;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Reads a number of runs at once.
fn at_once(text: &str) -> Result<NonZeroUsize, String> {
    let number = super::whole(text, 1, 10_000)?;
    usize::try_from(number).ok().and_then(NonZeroUsize::new).ok_or_else(|| "it is none".to_owned())
}

/// In which process a run goes on.
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct ProcessArgs {
    /// Begins the run in a process of its own, which goes on when the terminal is closed, and ends
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) detach: bool,
    /// Whether this is the process that `--detach` has started
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) apart: bool,
    /// Where a start that `serve` makes says how it ended
    #[arg(long, value_name = "DIR", hide = true, requires = "unattended")]
    pub(crate) served: Option<PathBuf>,
}

/// What `approve` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApproveArgs {
    /// The plan file
    pub(crate) plan: PathBuf,
    /// The fingerprint of the plan in an emergency, which `--emergency` needs
    #[arg(long, value_name = "REASON", value_parser = emergency)]
    pub(crate) emergency: Option<String>,
    /// Leaves the approval beside the plan too, as PLAN.approved, with which `orchestrate serve` runs it; where the plan needs
    /// signed approvals, the text that a person signs, as PLAN.NAME.approval
    #[arg(long)]
    pub(crate) out: bool,
    /// With --out: who signs, as the file of those who may sign names the person [default: the name of this account]
    #[arg(long = "as", value_name = "NAME", requires = "out")]
    pub(crate) approver: Option<String>,
    /// With --out: as what the person approves
    #[arg(long, value_name = "ROLE", requires = "out", default_value = "approver")]
    pub(crate) role: String,
    /// With --out: the number of the change [default: the reason of the plan]
    #[arg(long, value_name = "TEXT", requires = "out")]
    pub(crate) ticket: Option<String>,
    #[command(flatten)]
    pub(crate) lab: LabArgs,
}

/// A folder of plans, and how it is served.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The folder with the plans: `*.yaml`, without those of labs (`*.lab.yaml`)
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// How many runs may work at once, over all plans
    #[arg(long, value_name = "N", value_parser = at_once, default_value_t = orchestrate_serve::AT_ONCE)]
    pub(crate) at_once: NonZeroUsize,
    /// Lists what becomes of each plan, as the serving process has left it, and serves nothing
    #[arg(long, conflicts_with_all = ["listen", "socket", "token_file", "trust_user_header", "lab_speed"])]
    pub(crate) status: bool,
    /// With --status: how output looks
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text, requires = "status")]
    pub(crate) output: TextOrJson,
    /// Answers HTTP, pages for a browser among it, at this address of this machine, such as 127.0.0.1:8460
    #[arg(long, value_name = "ADDRESS", value_parser = loopback, help_heading = "API")]
    pub(crate) listen: Option<SocketAddr>,
    /// Answers HTTP at this socket in the file system, which only its owner can open
    #[arg(long, value_name = "PATH", conflicts_with = "listen", help_heading = "API")]
    pub(crate) socket: Option<PathBuf>,
    /// What has to come with a request that changes anything: a file with one line that only its owner can read; without it
    /// such requests are refused
    #[arg(long, value_name = "FILE", help_heading = "API")]
    pub(crate) token_file: Option<PathBuf>,
    /// Believes a proxy in front that names who is signed in, in this header of each request. At an address the proxy has to
    /// bring the token as well, as `Authorization: Bearer TOKEN`; at a socket no other account can ask
    #[arg(long, value_name = "NAME", value_parser = header, help_heading = "API")]
    pub(crate) trust_user_header: Option<HeaderName>,
    /// Works on imitated servers on this machine: the lab of each plan begins when its next window opens
    #[arg(long, help_heading = "Lab")]
    pub(crate) lab: bool,
    /// How many times as fast as real time each lab goes [default: as for a run]
    #[arg(long, value_name = "N", requires = "lab", value_parser = speed, help_heading = "Lab")]
    pub(crate) lab_speed: Option<f64>,
}

impl ServeArgs {
    /// Returns the lab that is asked for, as a run takes it.
    pub(crate) fn lab_args(&self) -> LabArgs {
        LabArgs { lab: self.lab, lab_speed: self.lab_speed, ..LabArgs::default() }
    }
}

/// Reads the name of a header that says who asks.
fn header(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_no_name| "it is no name of a header".to_owned())?;
    if ["authorization", "cookie", "host", "origin"].contains(&name.as_str()) {
        return Err("a browser sends this header itself; the proxy has to name people in one of its own".to_owned());
    }
    Ok(name)
}

/// Reads an address of this machine. Others could read what is said without TLS, and the token with it.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_not_one| "it is an address with a port, such as 127.0.0.1:8460".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("it can be reached from other machines, and there is no TLS here: listen on 127.0.0.1 or [::1], and put a proxy with \
         TLS and a logon in front"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_what_other_machines_can_reach_is_refused() {
        for bad in ["0.0.0.0:8460", "192.0.2.1:8460", "[::]:8460", "[::ffff:127.0.0.1]:8460", "localhost:8460", "8460"]
        {
            assert!(loopback(bad).is_err(), "{bad}");
        }
        for good in ["127.0.0.1:8460", "127.8.0.1:0", "[::1]:8460"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
    }
}
