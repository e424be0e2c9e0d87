//! What one server is like besides its services: its disk, its clock, its PowerShell, the rights of the account on it, and
//! whether a restart is due.

use orchestrate_model::probe::PendingSign;
use schemars::JsonSchema;
use serde::Deserialize;

/// What one server is like besides its services.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MachineScenario {
    /// What is free on its only disk, in GiB.
    pub free_gib: f64,
    /// How far its clock is ahead of that of the lab, in lab seconds; behind when negative.
    pub clock_ahead_s: f64,
    /// Signs of a restart that is due. A restart takes them away.
    #[schemars(with = "Vec<crate::schema::Sign>")]
    pub pending_restart: Vec<PendingSign>,
    /// Since how many lab seconds before the beginning it is due.
    pub pending_since_s: f64,
    /// What its PowerShell lets scripts do.
    pub powershell: PowerShellMode,
    /// What the account is on it.
    pub account: AccountStanding,
    /// Whether SYSTEM may read the installer.
    pub installer_for: FileReaders,
    /// Shells that one user may have at a time, as WinRM says.
    pub shells_per_user: u32,
}

impl Default for MachineScenario {
    fn default() -> Self {
        Self {
            free_gib: 41.0,
            clock_ahead_s: 0.0,
            pending_restart: Vec::new(),
            pending_since_s: 3_600.0,
            powershell: PowerShellMode::Full,
            account: AccountStanding::Administrator,
            installer_for: FileReaders::Everybody,
            shells_per_user: 30,
        }
    }
}

/// What PowerShell lets scripts do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerShellMode {
    /// Everything.
    #[default]
    Full,
    /// What a policy of the server leaves: no script of a driver runs.
    Constrained,
}

/// What the account is on a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountStanding {
    /// An administrator in effect.
    #[default]
    Administrator,
    /// A member of the administrators whose token says that this does not count.
    Filtered,
    /// Anyone else.
    Other,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileReaders {
    /// SYSTEM too.
    #[default]
    Everybody,
    /// Only the account that has copied it.
    ItsOwner,
}
