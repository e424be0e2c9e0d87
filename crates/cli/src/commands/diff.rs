//! `orchestrate diff`: in what two plans differ, for those who approve. No server is asked: a saved plan brings what was seen
//! with it.

use crate::args::{DiffArgs, TextOrJson};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file::{self, PlanFile};
use crate::stage::Planned;
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::compare::{Difference, Side, compare, matters, text};
use orchestrate_planner::Observations;
use serde_json::{Value, json};
use std::path::Path;

/// The version of the JSON document. It rises when a key changes its meaning or goes away; new keys may come at any time.
const VERSION: u32 = 1;

/// One of the two plans.
struct Given<'a> {
    path: &'a Path,
    file: PlanFile,
    planned: Planned,
}

pub(crate) fn run(args: &DiffArgs) -> Result<Exit, Failure> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let evidence =
        [&before, &after].into_iter().find_map(|file| file.saved.as_ref()).map(|saved| saved.evidence.clone());
    // One without evidence of its own is planned with that of the other: what differs then is what its file says.
    let (seen, at) =
        evidence.map_or_else(|| (Observations::default(), Timestamp::now()), |evidence| (evidence.seen, evidence.at));
    let given = |path, file: PlanFile| {
        let planned = match &file.saved {
            Some(saved) => saved.planned(&file.change)?,
            None => Planned::of(&file.change, seen.clone(), at)?,
        };
        Ok::<_, Failure>(Given { path, file, planned })
    };
    let (before, after) = (given(args.before.as_path(), before)?, given(args.after.as_path(), after)?);
    let found = compare(&before.side(), &after.side());
    output::data(&match args.output {
        TextOrJson::Text => said(&before, &after, &found),
        TextOrJson::Json => format!("{:#}\n", document(&before, &after, &found)),
    })?;
    Ok(if matters(&found) { Exit::Differs } else { Exit::Done })
}

fn read(path: &Path) -> Result<PlanFile, Failure> {
    let file = plan_file::read(path)?;
    let emergency = file.saved.as_ref().and_then(|saved| saved.emergency.clone());
    file.in_emergency(emergency.as_deref()).with_only(&[])
}

impl Given<'_> {
    fn side(&self) -> Side<'_> {
        let Planned { plan, report, seen, at, .. } = &self.planned;
        Side { plan, report, seen, made: *at }
    }

    fn said(&self) -> String {
        let (path, short) =
            (orchestrate_display::clean(&self.path.display().to_string()), self.planned.plan.fingerprint().short());
        match &self.file.saved {
            Some(saved) => format!("{path}: saved plan {short}, {}", saved.made()),
            None => format!("{path}: plan file, plan {short} {}", self.rests_on()),
        }
    }

    fn rests_on(&self) -> &'static str {
        if self.planned.seen.is_empty() {
            "as far as the file alone says"
        } else {
            "with what was seen for the saved plan"
        }
    }

    fn json(&self) -> Value {
        let saved = self.file.saved.as_ref();
        json!({
            "file": self.path.display().to_string(),
            "kind": if saved.is_some() { "saved_plan" } else { "plan_file" },
            "fingerprint": self.planned.plan.fingerprint().to_string(),
            "name": self.planned.plan.change().name,
            "made": saved.map(|saved| json!({"at": saved.made.at, "by": saved.made.by, "program": saved.made.program})),
            "place": saved.map(|saved| saved.place),
        })
    }
}

fn said(before: &Given<'_>, after: &Given<'_>, found: &[Difference]) -> String {
    let differences = text(found, &output::look());
    let end = match (matters(found), found.is_empty()) {
        (true, _) => "the plans differ",
        (false, false) => "nothing that matters differs",
        (false, true) => "nothing differs",
    };
    let between = if found.is_empty() { "" } else { "\n" };
    format!(
        "A  {}\nB  {}\nwas is A, is is B; no server was asked\n\n{differences}{between}{end}\n",
        before.said(),
        after.said()
    )
}

fn document(before: &Given<'_>, after: &Given<'_>, found: &[Difference]) -> Value {
    json!({
        "version": VERSION,
        "a": before.json(),
        "b": after.json(),
        "servers_asked": false,
        "differ": matters(found),
        "differences": found,
    })
}
