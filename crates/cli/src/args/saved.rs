//! What `apply` and `diff` take.

use super::{ApprovalArgs, Format, LabArgs, ProcessArgs, RunArgs, TextOrJson, fingerprint};
use clap::Args;
use std::path::PathBuf;

/// What `apply` takes: what a start takes, without what the saved plan says itself.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyArgs {
    /// The saved plan
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Looks whether a start would run it or refuse, shows it, and changes nothing
    #[arg(long, conflicts_with = "approve")]
    pub(crate) dry_run: bool,
    /// With --dry-run: shows it as it was saved, and asks no server
    #[arg(long, requires = "dry_run")]
    pub(crate) offline: bool,
    /// With --dry-run: only what has to be read before saying yes
    #[arg(long, requires = "dry_run")]
    pub(crate) brief: bool,
    /// Works on these servers alone, by short or full names, with commas or given again; the others are judged and left out
    #[arg(long, value_name = "SERVER", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// How output looks; json gives one event per line during a run
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Does not ask
    #[arg(short, long, group = "consent", help_heading = "Approval")]
    pub(crate) yes: bool,
    /// Does not ask, waits for the windows of the plan, one after the other, and holds take the choice that the plan names
    #[arg(long, help_heading = "Approval")]
    pub(crate) unattended: bool,
    /// With --unattended: does not wait for a window
    #[arg(long, requires = "unattended", help_heading = "Approval")]
    pub(crate) now: bool,
    /// Runs only the plan with this fingerprint, which is that of the saved plan
    #[arg(long, value_name = "HASH", group = "consent", value_parser = fingerprint, help_heading = "Approval")]
    pub(crate) approve: Option<String>,
    #[command(flatten)]
    pub(crate) lab: LabArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

impl ApplyArgs {
    /// Returns the start that this is.
    pub(crate) fn into_run(self) -> RunArgs {
        let Self { file, dry_run, offline, brief, only, output, yes, unattended, now, approve, lab, process } = self;
        RunArgs {
            plan: Some(file),
            dry_run,
            offline,
            brief,
            only,
            detailed_exitcode: false,
            out: None,
            output,
            // Whether it is an emergency stands in the saved plan.
            approval: ApprovalArgs { yes, unattended, now, emergency: None, approve },
            lab,
            process,
            saved: true,
        }
    }
}

/// What `diff` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct DiffArgs {
    /// A plan file or a saved plan
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    pub(crate) after: PathBuf,
    /// How output looks
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
}
