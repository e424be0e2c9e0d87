//! The documents that have a JSON Schema.

use clap::ValueEnum;

/// A document that the program reads or prints. What is said of each here is what `schema --list` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    /// Plan files
    Plan,
    /// Scenarios of a lab, `PLAN.lab.yaml`
    LabScenario,
    /// `PLAN --dry-run -o json`
    Preview,
    /// What stands in a saved plan after its first line (`--dry-run --out FILE`)
    SavedPlan,
    /// One line of a run: `PLAN -o json`, `apply`, `resume`, `recover`, `watch`
    Events,
    /// `status -o json`, a line for each run
    Status,
    /// `report RUN -o json`
    Report,
    /// `probe -o json`
    Probe,
    /// `check -o json`
    Check,
    /// `windows -o json`
    Windows,
    /// `diff A B -o json`
    Diff,
    /// `simulate -o json`
    Simulate,
    /// `explain -o json`
    Explain,
    /// `serve DIR --status -o json`
    Serve,
    /// What webhooks and programs of `notify` get
    Notice,
    /// What webhooks of `silences` get
    Silence,
}

impl Document {
    /// Returns its name as it is typed.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns what it is, in a line.
    pub(crate) fn what(self) -> String {
        let help = self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }
}
