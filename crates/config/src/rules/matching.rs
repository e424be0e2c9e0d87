//! Keys that are one in different spellings: only one of the two could be meant.

use crate::codes;
use crate::compared::Component;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, Reader};
use crate::written::{LevelChoice, Patch, Plan};
use orchestrate_model::change::ExitMeaning;
use orchestrate_model::{exit_code, version};
use std::collections::BTreeMap;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    for patch in plan.installers() {
        exit_codes(reader, patch);
        contradicted(reader, patch);
        two_forms(reader, patch);
        components(reader, patch);
    }
}

fn exit_codes(reader: &mut Reader, patch: &Patch) {
    let mut first: BTreeMap<i64, Span> = BTreeMap::new();
    for key in patch.exit_codes.iter().flat_map(|codes| codes.value.keys()) {
        let Some(earlier) = first.get(&key.value.0) else {
            first.insert(key.value.0, key.span);
            continue;
        };
        let code = exit_code::text(key.value.0);
        reader.report(
            Diagnostic::error(codes::DUPLICATE_KEY, key.span, format!("the exit code {code} is written twice"))
                .label("the second one")
                .note(format!("the first one is in line {}, column {}", earlier.line, earlier.column)),
        );
    }
}

/// What Windows itself says with a code, and the meanings that this leaves.
const OF_WINDOWS: [(i64, &str, &[ExitMeaning]); 5] = [
    (0, "success", &[ExitMeaning::Done, ExitMeaning::RestartNeeded, ExitMeaning::RestartStarted]),
    (1603, "a fatal error", &[ExitMeaning::Failed, ExitMeaning::Busy]),
    (
        1618,
        "another installation is under way, so that this one did not begin",
        &[ExitMeaning::Busy, ExitMeaning::Failed],
    ),
    (1641, "success, and that the installer has begun a restart", &[ExitMeaning::RestartStarted]),
    (3010, "success, and that a restart is needed", &[ExitMeaning::RestartNeeded, ExitMeaning::Done]),
];

/// A meaning against what the code says everywhere: a patch would count as failed that was installed, or the other way round.
fn contradicted(reader: &mut Reader, patch: &Patch) {
    for (key, meaning) in patch.exit_codes.iter().flat_map(|codes| codes.value.good()) {
        let is = |code: i64| key.value.0 == code || exit_code::other_form(key.value.0) == Some(code);
        let Some((_, says, may)) = OF_WINDOWS.iter().find(|(code, ..)| is(*code)) else { continue };
        if may.contains(&meaning.value) {
            continue;
        }
        let code = exit_code::text(key.value.0);
        reader.report(
            Diagnostic::error(
                codes::BAD_EXIT_CODE,
                meaning.span,
                format!("the exit code {code} says {says}, and is to mean something else here"),
            )
            .label("this contradicts the code")
            .help("leave the code out: what it means is known; `exit_codes` is for codes that an installer has for itself"),
        );
    }
}

/// A code of Windows and the HRESULT that is made of it are one answer of the installer: which of the two it gives depends on
/// who asks.
fn two_forms(reader: &mut Reader, patch: &Patch) {
    let stated = || patch.exit_codes.iter().flat_map(|codes| codes.value.good());
    for (key, meaning) in stated().filter(|(key, _)| key.value.0 > 0xffff) {
        let Some(other) = exit_code::other_form(key.value.0) else { continue };
        let differs = |other_meaning: &ExitMeaning| *other_meaning != meaning.value;
        let Some((first, _)) = stated().find(|(key, found)| key.value.0 == other && differs(&found.value)) else {
            continue;
        };
        let (code, other) = (exit_code::text(key.value.0), exit_code::text(other));
        reader.report(
            Diagnostic::error(
                codes::DUPLICATE_KEY,
                key.span,
                format!("{code} is {other}, and means something else here"),
            )
            .label("one code with two meanings")
            .help(format!("write one of them: {code} is the HRESULT of {other}, and either stands for both"))
            .note(format!("the other one is in line {}, column {}", first.span.line, first.span.column)),
        );
    }
}

/// A component is named in full or by what comes after the last comma, in any case.
fn components(reader: &mut Reader, patch: &Patch) {
    let Some(LevelChoice::Components(components)) = patch.level.as_ref().map(|level| &level.value) else { return };
    // Equal ones end with the same part, so that few are compared with each other.
    let mut by_part: BTreeMap<String, Vec<&At<Component>>> = BTreeMap::new();
    for name in components.keys() {
        let part = name.value.0.rsplit(", ").next().unwrap_or_default().trim().to_lowercase();
        let before = by_part.entry(part).or_default();
        if let Some(first) = before.iter().find(|first| version::is_same_component(&first.value.0, &name.value.0)) {
            reader.report(
                Diagnostic::error(codes::DUPLICATE_KEY, name.span, "this component has a level already")
                    .label("the second one")
                    .note(format!("the first one is in line {}, column {}", first.span.line, first.span.column)),
            );
        } else {
            before.push(name);
        }
    }
}
