//! What the oracle knows of a run: the plan and the lines of its journal, read as text.

use super::Oracle;
use crate::world::{Ms, World};
use orchestrate_model::ServerName;
use orchestrate_model::hold::{HoldCause, HoldChoice};
use serde_json::Value;

/// One line, taken apart as far as somebody asks.
pub(super) struct Line<'a> {
    pub(super) now: Ms,
    pub(super) record: &'a Value,
    /// The machine of the work or the step that it is about.
    pub(super) machine: Option<usize>,
    /// The kind of the step that it is about.
    pub(super) step: &'a str,
}

impl Line<'_> {
    fn text(&self, key: &str) -> &str {
        self.record[key].as_str().unwrap_or_default()
    }
}

/// Returns the kind of a record: the first thing that is written of it.
fn kind_of(text: &str) -> &str {
    const BEFORE: &str = "\"kind\":\"";
    let begins = text.find(BEFORE).map_or(text.len(), |at| at + BEFORE.len());
    text[begins..].split('"').next().unwrap_or_default()
}

fn is_of_interest(kind: &str) -> bool {
    let kinds = [
        "run_started",
        "intent",
        "sessions_cut",
        "server_ended",
        "swept",
        "run_ended",
        "resumed",
        "step_started",
        "step_done",
        "evidence",
        "stop_requested",
        "turned_back",
        "held",
        "decided",
        "reasserted",
        "reopened",
        "installer_ended",
        "gap",
        "put_off",
        "rebooted",
        "stopped_by_others",
    ];
    kinds.contains(&kind)
}

impl World {
    /// Reads a line of the journal that is on disk now.
    pub(crate) fn read_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let kind = kind_of(&text);
        if !is_of_interest(kind) {
            return;
        }
        let Ok(entry) = serde_json::from_str::<Value>(&text) else { return };
        let now = self.now;
        self.check_line(kind, &entry["record"]);
        self.oracle.read_record(now, kind, &entry["record"]);
        if kind == "server_ended" {
            self.check_finished(&entry["record"]);
            self.check_promised(&entry["record"]);
        }
        if kind == "held" {
            self.check_offered(&entry["record"]);
        }
        if matches!(kind, "turned_back" | "held") {
            self.check_own_doing(&entry["record"]);
        }
        self.check_neighbours();
        self.check_served_again();
    }
}

impl World {
    /// A hold offers nothing that its cause is not documented to offer: what a plan may say beforehand would be less than what a
    /// person can choose.
    fn check_offered(&mut self, record: &Value) {
        let now = self.now;
        let Ok(cause) = serde_json::from_value::<HoldCause>(record["cause"].clone()) else {
            return self.oracle.breach("P11", now, format!("a hold without a cause: {record}"));
        };
        let offered = serde_json::from_value::<Vec<HoldChoice>>(record["choices"].clone()).unwrap_or_default();
        for choice in offered.iter().filter(|choice| !cause.may_offer(**choice)) {
            let text = format!("{} offers {}, which its page does not", cause.code(), choice.word());
            self.oracle.breach("P11", now, text);
        }
    }

    /// Holds what a line says against what the oracle knew before it.
    fn check_line(&mut self, kind: &str, record: &Value) {
        let Some(at) = self.oracle.machine_of(record) else { return };
        let failed = kind == "held" || (kind == "turned_back" && record["why"]["kind"] == "failed");
        let judged = kind == "step_done" && record["how"] == "done";
        // What an operator asks for follows from no look.
        let asked = record["reason"].as_str().is_some_and(|reason| reason.ends_with("asked to hold it"));
        if (failed && !asked) || judged || kind == "sessions_cut" {
            self.check_unseen(at, kind);
        }
        if failed && !asked {
            self.check_given_up(at, kind, failed);
        }
        if kind == "sessions_cut" {
            self.check_cut(at);
            self.check_cut_by_person(at, record);
        }
        if kind == "balancer_undone" {
            self.check_undone(at);
        }
    }
}

impl Oracle {
    /// The machine of the work or the step that a record is about.
    fn machine_of(&self, record: &Value) -> Option<usize> {
        let work = record["work"].as_u64().and_then(|work| self.work.get(usize::try_from(work).ok()?)).copied();
        work.or(self.step(record).and_then(|(_, machine)| *machine))
    }

    /// Reads the plan: which machine each work is about, and each step.
    pub(crate) fn read_plan(&mut self, plan: &Value) {
        let named = |work: &Value| {
            let name = ServerName::new(work["server"].as_str()?).ok()?;
            self.names.iter().position(|machine| *machine == name)
        };
        let work: Vec<usize> = plan["work"].as_array().into_iter().flatten().filter_map(named).collect();
        let steps = plan["steps"].as_array().into_iter().flatten().map(|step| {
            let of = step["target"]["server"].as_u64().and_then(|of| usize::try_from(of).ok());
            (step["kind"].as_str().unwrap_or_default().to_owned(), of.and_then(|of| work.get(of)).copied())
        });
        self.steps = steps.collect();
        self.work = work;
    }

    fn step(&self, record: &Value) -> Option<&(String, Option<usize>)> {
        let step = record["step"].as_u64().or_else(|| record["steps"][0].as_u64())?;
        self.steps.get(usize::try_from(step).ok()?)
    }

    fn read_record(&mut self, now: Ms, kind: &str, record: &Value) {
        let machine = self.machine_of(record);
        let step = self.step(record).cloned();
        let line = Line { now, record, machine, step: step.as_ref().map_or("", |(kind, _)| kind) };
        self.watch.read(kind, &line);
        self.pace.read(kind, &line);
        self.promised.read(kind, &line);
        self.refused.read(kind, &line);
        self.gaps.read(kind, &line);
        self.neighbours.read(kind, &line);
        match (kind, machine) {
            ("intent", _) => {
                let server = record["target"]["server"].as_str().and_then(|name| ServerName::new(name).ok());
                if let Some(server) = server {
                    self.intents.push((server, self.holder, record["act"].clone()));
                }
            }
            ("sessions_cut", Some(at)) => {
                let services = record["sessions"].as_object().into_iter().flatten();
                self.cut.extend(services.map(|(name, left)| ((at, name.clone()), left.as_i64().unwrap_or(0))));
            }
            // What another process has counted, or this one before it began, is not known to the run.
            ("run_started", _) => self.told.counted.clear(),
            ("decided", Some(at)) if record["choice"] == "cut" => {
                self.typed.insert(at, record["terms"]["sessions"].as_u64().unwrap_or_default());
            }
            ("server_ended", Some(at)) => {
                let end = record["end"]["as"].as_str().unwrap_or_default().to_owned();
                // Nothing of a maintenance is over where nothing was touched.
                if end != "untouched" {
                    self.ended_at.insert(at, now);
                }
                self.ended.insert(at, end);
            }
            // Whatever another installer says later: only a restart takes it away.
            ("installer_ended", Some(at)) if record["meaning"] == "restart-needed" => drop(self.owed.insert(at)),
            ("swept", Some(at)) => {
                let same = record["differences"].as_array().is_some_and(Vec::is_empty);
                self.swept.insert(at, (now, same));
            }
            // It is back, and begins again some time.
            ("put_off", Some(at)) => {
                self.ended.insert(at, "returned".to_owned());
                self.ended_at.insert(at, now);
            }
            ("run_ended", _) => self.outcome = Some(line.text("outcome").to_owned()),
            ("resumed", _) => {
                self.told.counted.clear();
                self.outcome = None;
                self.swept.clear();
                self.ended.retain(|_, end| end != "out");
            }
            _ => {}
        }
    }
}
