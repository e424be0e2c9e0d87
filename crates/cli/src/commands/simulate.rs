//! `orchestrate simulate`: how long somebody's own change takes, and what each fault does to it.

use crate::args::{SimulateArgs, TextOrJson};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file;
use crate::terminal::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use orchestrate_model::text;
use orchestrate_simulation::{Fault, Forecast, Options, SessionAssumption, SimulateError, simulate_telling};
use std::num::NonZeroU32;

/// Runs when nothing is said: enough for the nineteenth of twenty, and over within seconds.
const RUNS: u32 = 300;

pub(crate) fn run(args: &SimulateArgs) -> Result<Exit, Failure> {
    let change = plan_file::read(&args.plan)?.with_only(&args.only)?.change;
    let faults = faults(&args.faults)?;
    // A seed alone means that one run; with a number of runs it is where they begin.
    let one = args.seed.is_some() && args.runs.is_none();
    let options = Options {
        runs: args.runs.map_or(if one { 1 } else { RUNS }, NonZeroU32::get),
        seed: args.seed.unwrap_or(1),
        faults,
        now: this_minute(Timestamp::now()),
        sessions: SessionAssumption { most: args.sessions, mean_min: args.session_mean_min },
    };
    let bar = bar(&options);
    let forecast = simulate_telling(&change, &options, &|| bar.inc(1));
    bar.finish_and_clear();
    let forecast = forecast.map_err(|error| match error {
        SimulateError::Plan(error) => Failure::Plan(error),
        SimulateError::NeverOpen(_) => Failure::NeverOpen(error.to_string()),
        SimulateError::Broken { .. } => Failure::Simulation(error.to_string()),
    })?;
    match args.output {
        TextOrJson::Json => {
            let mut text =
                serde_json::to_string_pretty(&forecast.document()).map_err(|error| Failure::Output(error.into()))?;
            text.push('\n');
            output::data(&text)?;
        }
        TextOrJson::Text if one => {
            output::sentences(&format!("{}\n\n{}\n", forecast.timeline_text(), forecast.text()))?;
        }
        TextOrJson::Text => output::sentences(&format!("{}\n", forecast.text()))?,
    }
    Ok(exit(&forecast))
}

/// Returns the bar of the runs, which is shown where a person watches.
fn bar(options: &Options) -> ProgressBar {
    let target = if output::is_live() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let each = (options.runs / 10).clamp(1, 1000);
    let tried = u64::from(each) * options.faults.len() as u64;
    let bar = ProgressBar::with_draw_target(Some(u64::from(options.runs) + tried), target);
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} runs, {eta} left");
    bar.with_style(style.unwrap_or_else(|_unread| ProgressStyle::default_bar()))
}

/// Returns when the minute began. A night whose window is open begins now: what is asked twice, or on two machines, begins with
/// the same minute, and is the same.
fn this_minute(now: Timestamp) -> Timestamp {
    let minutes = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Trunc);
    now.round(minutes).unwrap_or(now)
}

/// A plan that is refused even when all servers are well cannot be run as it is.
fn exit(forecast: &Forecast) -> Exit {
    if forecast.refusals.is_empty() { Exit::Done } else { Exit::Unsafe }
}

fn faults(words: &[String]) -> Result<Vec<Fault>, Failure> {
    if words.iter().any(|word| word == "all") {
        return Ok(Fault::ALL.to_vec());
    }
    let known = || Fault::ALL.map(Fault::word).join(", ");
    words
        .iter()
        .map(|word| {
            Fault::from_word(word).ok_or_else(|| {
                Failure::Usage(format!("there is no fault called {}; there are all, {}", text::quoted(word), known()))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_begins_with_a_minute() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(this_minute(at("2026-11-27T22:42:28.646791323Z")), at("2026-11-27T22:42:00Z"));
        assert_eq!(this_minute(at("2026-11-27T22:42:00Z")), at("2026-11-27T22:42:00Z"));
    }
}
