//! The numbers of a scenario and of a directory file: whether a lab can be run by them.
//!
//! They come from files that people write. What is no number, is negative or lies beyond all that a lab is for would stop
//! it in the middle with a panic, or have it draw sessions for ever.

use crate::machine::MachineScenario;
use crate::scenario::{Load, Scenario, ServerScenario, ServiceLoad, Timing};
use jiff::Timestamp;

/// The longest length of time, in seconds: ten years. Longer than any run means "never".
const LONGEST_S: f64 = 10.0 * 366.0 * 86_400.0;
/// The largest factor on sessions, that of all and that of a pool together: what a lab draws at its start takes seconds.
const LARGEST_FACTOR: f64 = 100.0;
/// The largest factor on the length of sessions.
const LARGEST_LENGTH: f64 = 1_000.0;
/// The busiest service of the usual load: sessions at a time, and how long they last in seconds.
const BUSIEST: (f64, f64) = (45.0, 240.0);
/// Most sessions of one service at a time.
const MOST_SESSIONS: f64 = 100_000.0;
/// Most sessions of one service that begin in a second. The usual load has one in some seconds.
const MOST_BEGINNINGS: f64 = 1_000.0;
/// The size of the disk of every server, in GiB.
const DISK_GIB: f64 = 100.0;
/// The fastest lab: its clock is further than evidence lives from one turn of its own tasks to the next.
pub const FASTEST: f64 = 10_000.0;
/// The times that a lab can show, in seconds since 1970: the years 2000 to 2100.
const TIMES: (i64, i64) = (946_684_800, 4_102_444_800);

/// Returns whether a lab can go at a speed.
#[must_use]
pub fn is_speed(speed: f64) -> bool {
    speed.is_finite() && speed > 0.0 && speed <= FASTEST
}

/// Returns whether a lab can show a time.
#[must_use]
pub fn is_time(time: Timestamp) -> bool {
    (TIMES.0..=TIMES.1).contains(&time.as_second())
}

fn within(name: &str, value: f64, most: f64) -> Result<(), String> {
    if value.is_finite() && (0.0..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("`{name}` cannot be {}: a number from 0 to {} is needed", short(value), short(most)))
    }
}

/// Returns a number with a few digits.
fn short(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "anything but a number".to_owned()
    } else if size.is_infinite() {
        let word = if value > 0.0 { "infinite" } else { "below all numbers" };
        word.to_owned()
    } else if size >= 1e9 || (size > 0.0 && size < 0.001) {
        format!("{value:.1e}")
    } else {
        format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl Scenario {
    /// Says which number of the scenario no lab can be run by.
    ///
    /// # Errors
    /// The key and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if self.begins.is_some_and(|begins| !is_time(begins)) {
            return Err("`begins` has to lie in the years 2000 to 2100".to_owned());
        }
        load(&self.load)?;
        timing(&self.timing)?;
        let own = self.services.start_s.iter().map(|(name, value)| ("start_s", name, *value));
        let own = own.chain(self.services.pause_s.iter().map(|(name, value)| ("pause_s", name, *value)));
        for (key, name, value) in own {
            within(&format!("services.{key}.{name}"), value, LONGEST_S)?;
        }
        lasts("installer.duration_s", self.installer.duration_s)?;
        for (name, own) in &self.installers {
            own.duration_s.map_or(Ok(()), |length| lasts(&format!("installers.{name}.duration_s"), length))?;
            own.exit_code.map_or(Ok(()), |code| exit_code(&format!("installers.{name}.exit_code"), code))?;
        }
        self.installer.exit_code.map_or(Ok(()), |code| exit_code("installer.exit_code", code))?;
        for (name, own) in &self.servers {
            server(&format!("servers.{name}"), own)?;
        }
        for fault in &self.faults {
            within("faults.seconds", fault.seconds, LONGEST_S)?;
            fault.for_s.map_or(Ok(()), |seconds| within("faults.for_s", seconds, LONGEST_S))?;
        }
        Ok(())
    }
}

fn lasts(key: &str, (shortest, longest): (f64, f64)) -> Result<(), String> {
    within(key, shortest, LONGEST_S)?;
    within(key, longest, LONGEST_S)?;
    if shortest > longest {
        return Err(format!("`{key}` is the shortest and then the longest time"));
    }
    Ok(())
}

fn load(load: &Load) -> Result<(), String> {
    within("load.factor", load.factor, LARGEST_FACTOR)?;
    within("load.length", load.length, LARGEST_LENGTH)?;
    for (name, factor) in &load.pools {
        within(&format!("load.pools.{name}"), *factor, LARGEST_FACTOR)?;
    }
    let factor = load.factor * load.pools.values().copied().fold(1.0, f64::max);
    within("load.factor times the largest of load.pools", factor, LARGEST_FACTOR)?;
    let (sessions, mean_s) = BUSIEST;
    if sessions * factor / (mean_s * load.length).max(1.0) > MOST_BEGINNINGS {
        return Err(format!(
            "`load.length` is too short for `load.factor`: more than {MOST_BEGINNINGS} sessions of one service would begin in a \
             second"
        ));
    }
    for (name, own) in &load.services {
        let ServiceLoad { sessions, mean_min, longest_min } = *own;
        let key = format!("load.services.{name}");
        within(&format!("{key}.sessions"), sessions, MOST_SESSIONS)?;
        within(&format!("{key}.mean_min"), mean_min, LONGEST_S / 60.0)?;
        within(&format!("{key}.longest_min"), longest_min, LONGEST_S / 60.0)?;
        let mean_s = (mean_min.min(longest_min) * 60.0 * load.length).max(1.0);
        if sessions * factor > MOST_SESSIONS || sessions * factor / mean_s > MOST_BEGINNINGS {
            return Err(format!(
                "`{key}` is more than a lab can imitate: at most {MOST_SESSIONS} sessions at a time, and {MOST_BEGINNINGS} \
                 that begin in a second"
            ));
        }
    }
    Ok(())
}

fn timing(timing: &Timing) -> Result<(), String> {
    let Timing {
        boot_s,
        winrm_late_s,
        delayed_start_s,
        pause_s,
        continue_s,
        stop_s,
        start_s,
        busy_s,
        command_s,
        answer_s,
        installer_start_s,
        replica_s,
    } = *timing;
    for (name, value) in [
        ("boot_s", boot_s),
        ("winrm_late_s", winrm_late_s),
        ("delayed_start_s", delayed_start_s),
        ("pause_s", pause_s),
        ("continue_s", continue_s),
        ("stop_s", stop_s),
        ("start_s", start_s),
        ("busy_s", busy_s),
        ("command_s", command_s),
        ("answer_s", answer_s),
        ("installer_start_s", installer_start_s),
        ("replica_s", replica_s),
    ] {
        within(&format!("timing.{name}"), value, LONGEST_S)?;
    }
    Ok(())
}

fn server(key: &str, own: &ServerScenario) -> Result<(), String> {
    own.crash_after_s.map_or(Ok(()), |value| within(&format!("{key}.crash_after_s"), value, LONGEST_S))?;
    for (name, sessions) in &own.endless {
        within(&format!("{key}.endless.{name}"), f64::from(*sessions), MOST_SESSIONS)?;
    }
    let MachineScenario { free_gib, clock_ahead_s, pending_since_s, shells_per_user, .. } = &own.machine;
    within(&format!("{key}.machine.free_gib"), *free_gib, DISK_GIB)?;
    within(&format!("{key}.machine.pending_since_s"), *pending_since_s, LONGEST_S)?;
    if *shells_per_user == 0 {
        return Err(format!("`{key}.machine.shells_per_user` cannot be 0: the server could not be asked anything"));
    }
    // A clock may be behind, too.
    if !clock_ahead_s.is_finite() || clock_ahead_s.abs() > LONGEST_S {
        let (found, most) = (short(*clock_ahead_s), short(LONGEST_S));
        return Err(format!(
            "`{key}.machine.clock_ahead_s` cannot be {found}: a number from -{most} to {most} is needed"
        ));
    }
    own.exit_codes.iter().try_for_each(|code| exit_code(&format!("{key}.exit_codes"), *code))
}

/// Windows has 32 bits for an exit code.
fn exit_code(key: &str, code: i64) -> Result<(), String> {
    if (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&code) {
        Ok(())
    } else {
        Err(format!("`{key}` cannot be {code}: an exit code has 32 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_no_lab_can_be_run_by_is_named() {
        let good = Scenario::default();
        assert_eq!(good.check(), Ok(()));
        let refused = |key: &str, change: &dyn Fn(&mut Scenario, f64)| {
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e308] {
                let mut scenario = good.clone();
                change(&mut scenario, odd);
                let why = scenario.check().unwrap_err();
                assert!(why.contains(key), "{odd}: {why}");
            }
        };
        for (value, said) in [(1e308, "1.0e308"), (-1.0, "-1"), (1e-9, "1.0e-9"), (0.25, "0.25"), (1000.0, "1000")] {
            assert_eq!(short(value), said);
        }
        refused("load.factor", &|scenario, odd| scenario.load.factor = odd);
        refused("load.length", &|scenario, odd| scenario.load.length = odd);
        refused("timing.boot_s", &|scenario, odd| scenario.timing.boot_s = odd);
        refused("timing.replica_s", &|scenario, odd| scenario.timing.replica_s = odd);
        refused("installer.duration_s", &|scenario, odd| scenario.installer.duration_s = (odd, 1.0));
        refused("installer.duration_s", &|scenario, odd| scenario.installer.duration_s = (0.0, odd));
        refused("machine.free_gib", &|scenario, odd| {
            let name = orchestrate_model::ServerName::new("fe1.contoso.example").unwrap();
            scenario.servers.entry(name).or_default().machine.free_gib = odd;
        });
        let mut slow = good.clone();
        let name = orchestrate_model::ServerName::new("fe1.contoso.example").unwrap();
        slow.servers.entry(name.clone()).or_default().machine.clock_ahead_s = -432.0;
        assert_eq!(slow.check(), Ok(()), "a clock may be behind");
        slow.servers.entry(name).or_default().machine.clock_ahead_s = -1e9;
        let said = slow.check().unwrap_err();
        assert!(said.contains("cannot be -") && said.contains("from -"), "{said}");
        for odd in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert!(Scenario { begins: Some(odd), ..good.clone() }.check().unwrap_err().contains("begins"));
        }
        let mut deaf = good.clone();
        let name = orchestrate_model::ServerName::new("fe1.contoso.example").unwrap();
        deaf.servers.entry(name).or_default().machine.shells_per_user = 0;
        assert!(deaf.check().unwrap_err().contains("shells_per_user"));
        let mut backwards = good.clone();
        backwards.installer.duration_s = (2.0, 1.0);
        assert!(backwards.check().is_err());
        let mut code = good;
        code.installer.exit_code = Some(1 << 32);
        assert!(code.check().is_err());
    }

    #[test]
    fn every_key_of_a_scenario_is_documented() {
        let page = include_str!("../../../docs/lab.md");
        let files = [include_str!("scenario.rs"), include_str!("machine.rs")];
        let keys = files.iter().flat_map(|file| file.lines()).filter_map(|line| line.strip_prefix("    pub "));
        let missing: Vec<&str> = keys
            .filter_map(|rest| rest.split_once(':'))
            .map(|(key, _)| key)
            .filter(|key| !page.contains(&format!("| `{key}` |")))
            .collect();
        assert!(missing.is_empty(), "docs/lab.md lacks {missing:?}");
    }

    #[test]
    fn a_load_that_would_be_drawn_for_ever_is_refused() {
        let service = orchestrate_model::ServiceName::new("RTCSRV").unwrap();
        let mut scenario = Scenario::default();
        let load = |sessions| ServiceLoad { sessions, mean_min: 0.0, longest_min: 0.0 };
        scenario.load.services.insert(service.clone(), load(500.0));
        assert_eq!(scenario.check(), Ok(()));
        scenario.load.services.insert(service, load(50_000.0));
        assert!(scenario.check().unwrap_err().contains("RTCSRV"));
    }
}
