//! What is counted, as the text that Prometheus reads.

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use std::collections::BTreeMap;

/// What is known for measures.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// The version of the program.
    pub version: String,
    /// Plans by what becomes of them; every word stands in it.
    pub plans: BTreeMap<String, u64>,
    /// The exit code of the last start, by plan.
    pub last_exit: BTreeMap<String, u8>,
    /// When the next window opens, in seconds of the epoch, by plan.
    pub next_window: BTreeMap<String, i64>,
    /// Starts since the process began.
    pub begun: u64,
    /// Ends since the process began, by exit code in words.
    pub ended: BTreeMap<String, u64>,
    /// When the folder was looked at last, in seconds of the epoch.
    pub looked: i64,
}

impl Measures {
    /// Returns them as text.
    ///
    /// # Errors
    /// When a name is not one: a mistake of this program.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let registry = Registry::new();
        let vector = |name: &str, help: &str, label: &str| -> Result<GaugeVec, prometheus::Error> {
            let gauge = GaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let info = vector("orchestrate_build_info", "The version of the program.", "version")?;
        info.with_label_values(&[&self.version]).set(1.0);
        let plans = vector("orchestrate_plans", "Plans of the folder by what becomes of them.", "state")?;
        for (state, number) in &self.plans {
            plans.with_label_values(&[state]).set(f64::from(u32::try_from(*number).unwrap_or(u32::MAX)));
        }
        let exits = vector("orchestrate_plan_last_exit_code", "The exit code of the last start of a plan.", "plan")?;
        for (plan, code) in &self.last_exit {
            exits.with_label_values(&[plan]).set(f64::from(*code));
        }
        let text = "When the next window of a plan opens.";
        let windows = vector("orchestrate_plan_next_window_timestamp_seconds", text, "plan")?;
        for (plan, at) in &self.next_window {
            windows.with_label_values(&[plan]).set(number_of(*at));
        }
        let begun = IntCounter::new("orchestrate_starts_total", "Starts that were made since the process began.")?;
        begun.inc_by(self.begun);
        registry.register(Box::new(begun))?;
        let opts = Opts::new("orchestrate_ends_total", "Starts that have ended since the process began, by exit code.");
        let ended = IntCounterVec::new(opts, &["exit"])?;
        for (exit, number) in &self.ended {
            ended.with_label_values(&[exit]).inc_by(*number);
        }
        registry.register(Box::new(ended))?;
        let looked = Gauge::new("orchestrate_last_look_timestamp_seconds", "When the folder was looked at last.")?;
        looked.set(number_of(self.looked));
        registry.register(Box::new(looked))?;
        TextEncoder::new().encode_to_string(&registry.gather())
    }
}

/// Returns seconds of the epoch as Prometheus has all numbers: without loss for the next million years.
fn number_of(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_plans_are_written_as_the_format_wants_them() {
        let measures = Measures {
            version: "0.1.0".into(),
            plans: [("done".to_owned(), 2), ("broken".to_owned(), 0)].into(),
            last_exit: [("a \"quoted\"\nplan.yaml".to_owned(), 9)].into(),
            next_window: [("a.yaml".to_owned(), 1_795_900_000)].into(),
            begun: 3,
            ended: [("force".to_owned(), 1)].into(),
            looked: 1_795_800_000,
        };
        let text = measures.text().unwrap();
        for line in [
            "orchestrate_plans{state=\"done\"} 2",
            "orchestrate_plans{state=\"broken\"} 0",
            r#"orchestrate_plan_last_exit_code{plan="a \"quoted\"\nplan.yaml"} 9"#,
            "orchestrate_plan_next_window_timestamp_seconds{plan=\"a.yaml\"} 1795900000",
            "# TYPE orchestrate_starts_total counter",
            "orchestrate_starts_total 3",
            "orchestrate_ends_total{exit=\"force\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
    }
}
