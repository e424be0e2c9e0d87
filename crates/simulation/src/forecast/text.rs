//! The forecast in words.

use super::{Forecast, Options, ServerForecast, SessionAssumption, Spread};
use orchestrate_engine::RunOutcome;
use orchestrate_model::readable::count;
use std::collections::BTreeMap;

/// Reasons that are told; the rarer ones are in the JSON.
const REASONS: usize = 3;

/// Returns the words for an outcome: short ones, many of which stand in one line.
pub(super) fn word(outcome: RunOutcome) -> String {
    let words = match outcome {
        RunOutcome::Done => "done",
        RunOutcome::ToBeLookedAt => "to be looked at",
        RunOutcome::PartlyDone => "partly done",
        RunOutcome::StoppedByPolicy => "stopped before its end",
        RunOutcome::StoppedByWindow => "stopped by window",
        RunOutcome::HeldElsewhere => "held elsewhere",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Recovered => "recovered",
        RunOutcome::Bug => "bug",
    };
    words.to_owned()
}

pub(super) fn assumptions(options: &Options) -> Vec<String> {
    let SessionAssumption { most, mean_min } = options.sessions;
    vec![
        format!("each service has up to {} when it is blocked, evenly distributed", counted(most, "session")),
        format!("its sessions last up to {mean_min} min on average, each for a random time around that (exponential)"),
        "no user comes back to a service that is blocked, unless the fault returning-sessions is tried".to_owned(),
        "the installer takes 6 to 14 min and asks for a restart in three of four cases".to_owned(),
        "a restart takes 3 to 6 min, and services start within two minutes after it".to_owned(),
        "servers answer at once, and a person confirms what the plan leaves to people at once".to_owned(),
        "holds are decided as the plan says for runs without an operator".to_owned(),
    ]
}

fn counted(number: u32, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn counts(outcomes: &BTreeMap<String, u32>) -> String {
    let counts: Vec<String> = outcomes.iter().map(|(word, count)| format!("{word} {count}")).collect();
    counts.join(", ")
}

impl Forecast {
    /// Returns the forecast as text for a terminal, without the timeline.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if !self.refusals.is_empty() {
            lines.push("The plan is refused even when all servers are well:".to_owned());
            lines.extend(self.refusals.iter().map(|refusal| format!("  {refusal}")));
            return lines.join("\n");
        }
        lines.push(format!("{} from seed {}", counted(self.runs, "run"), self.seed));
        lines.push(format!("all servers   {}", self.whole()));
        let (word, then) = if self.windows { ("fits", " in the first opening") } else { ("done", "") };
        lines.push(format!("{word:<13} {:.1} % of the runs have all servers done{then}", self.fits * 100.0));
        let mut misfits: Vec<(&String, &u32)> = self.misfits.iter().collect();
        misfits.sort_by_key(|(why, runs)| (std::cmp::Reverse(**runs), *why));
        lines.extend(misfits.iter().take(REASONS).map(|(why, runs)| format!("  not {runs}: {why}")));
        if let Some(more) = misfits.len().checked_sub(REASONS).filter(|more| *more > 0) {
            lines.push(format!("  and {}", count(more, "rarer reason")));
        }
        let Spread { p50, p95, most, .. } = self.openings;
        if most > 1 {
            lines.push(format!(
                "windows       half of the runs need {p50}, 19 of 20 at most {p95}, none more than {most}"
            ));
        }
        let (schedule, bound) = (time(self.schedule_s), time(self.lower_bound_s));
        lines.push(format!("schedule      {schedule} at worst, {bound} is the lower bound"));
        lines.push(format!("ended         {}", counts(&self.outcomes)));
        lines.extend(self.servers.iter().map(|server| self.one(server)));
        for fault in &self.faults {
            let (word, back, runs) = (fault.fault.word(), fault.all_back, fault.runs);
            let outcomes = counts(&fault.outcomes);
            let (runs, end) = (counted(runs, "run"), if runs == 1 { "ends" } else { "end" });
            lines.push(format!("{word:<20} {back} of {runs} {end} with every server back: {outcomes}"));
        }
        lines.push("assumed:".to_owned());
        lines.extend(self.assumptions.iter().map(|assumption| format!("  {assumption}")));
        lines.join("\n")
    }

    /// Returns how long a server was in hand, in the runs that had it: of the others nobody can say.
    fn one(&self, server: &ServerForecast) -> String {
        let ServerForecast { server: name, takes, drain, .. } = server;
        let name = name.short();
        if takes.values == 0 {
            return format!("{name:<13} not reached in any run");
        }
        let drained = match drain.values {
            0 => String::new(),
            _ => format!("; drain {} and {}", time(drain.p50), time(drain.p95)),
        };
        let of = match takes.values {
            all if all >= self.runs => String::new(),
            some => format!("; in {some} of {}", counted(self.runs, "run")),
        };
        format!("{name:<13} half within {}, 19 of 20 within {}{drained}{of}", time(takes.p50), time(takes.p95))
    }

    /// Returns how long the runs took that came to their end: of the others nobody can say.
    fn whole(&self) -> String {
        let Spread { values, p50, p95, most } = self.whole;
        if values == 0 {
            return "no run came to its end".to_owned();
        }
        let of = match values {
            all if all >= self.runs => String::new(),
            1 => ", of the 1 run that came to its end".to_owned(),
            some => format!(", of the {some} runs that came to their end"),
        };
        format!("half within {}, 19 of 20 within {}, at most {}{of}", time(p50), time(p95), time(most))
    }

    /// Returns the timeline of the first run as text.
    #[must_use]
    pub fn timeline_text(&self) -> String {
        let lines: Vec<String> = self
            .timeline
            .iter()
            .map(|moment| format!("{} {}", moment.at.strftime("%Y-%m-%d %H:%M:%SZ"), moment.text))
            .collect();
        lines.join("\n")
    }
}

/// Returns a time in hours and minutes.
fn time(seconds: i64) -> String {
    let minutes = (seconds + 30) / 60;
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h {:02} min", minutes / 60, minutes % 60) }
}
