//! Facts of the operating system.

use crate::link::Link;
use orchestrate_model::Answer;
use orchestrate_model::observe::HostFacts;
use orchestrate_wsman::{Error, Instance, plain};

/// Reads boot time and clock.
pub(crate) async fn read(link: &Link) -> Result<Answer<HostFacts>, Error> {
    let system = link.wmi.get("Win32_OperatingSystem", &[]).await?;
    Ok(facts(&system))
}

/// Returns the facts in an instance of `Win32_OperatingSystem`.
pub(crate) fn facts(system: &Instance) -> Answer<HostFacts> {
    let time = |name: &str| {
        system.time(name).ok_or_else(|| {
            let found = system.text(name).map_or_else(|| "nothing".to_owned(), plain);
            format!("Win32_OperatingSystem.{name}: expected a time, found {found}")
        })
    };
    let part = |name: &str| plain(system.text(name).unwrap_or_default());
    Answer::from(time("LastBootUpTime").and_then(|booted| {
        let local_time = time("LocalDateTime")?;
        let described = format!("{} {}", part("Caption"), part("Version"));
        Ok(HostFacts { booted, local_time, system: described.trim().to_owned() })
    }))
}
