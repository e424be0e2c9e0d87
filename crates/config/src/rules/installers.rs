//! What several installers have to be to go together.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::Reader;
use crate::written::{Patch, Plan};

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let all: Vec<&Patch> = plan.installers().collect();
    for (position, patch) in all.iter().enumerate().skip(1) {
        restart_first(reader, patch);
        for earlier in &all[..position] {
            same_file(reader, earlier, patch);
        }
    }
}

/// What a restart means that is due is asked once, before a server is drained.
fn restart_first(reader: &mut Reader, patch: &Patch) {
    let Some(due) = &patch.pending_restart else { return };
    let text = "`pending_restart` is asked once, before the first installer";
    reader.report(
        Diagnostic::error(codes::INSTALLERS_DISAGREE, due.span, text)
            .label("this is not the first installer")
            .help("say it of the first one; `restart: after` of the installer before this one has a restart made between them"),
    );
}

/// One path has one file, and one installer is run once.
fn same_file(reader: &mut Reader, earlier: &Patch, patch: &Patch) {
    let (Some(first), Some(second)) = (&earlier.installer, &patch.installer) else { return };
    if !first.value.0.eq_ignore_ascii_case(&second.value.0) {
        return;
    }
    let hash = |patch: &Patch| patch.sha256.as_ref().map(|hash| hash.value.0.clone());
    let arguments = |patch: &Patch| -> Vec<String> {
        let list = patch.arguments.iter().flat_map(|list| &list.value);
        list.map(|argument| argument.value.0.clone()).collect()
    };
    let other_hash = hash(earlier).zip(hash(patch)).is_some_and(|(one, other)| one != other);
    let (span, text, label): (Span, &str, &str) = match &patch.sha256 {
        Some(written) if other_hash => {
            (written.span, "one path has two SHA-256", "the installer before it at this path has another one")
        }
        Some(_) | None if arguments(earlier) == arguments(patch) => {
            (second.span, "one installer is listed twice", "the second one")
        }
        Some(_) | None => return,
    };
    reader.report(
        Diagnostic::error(codes::INSTALLERS_DISAGREE, span, text)
            .label(label)
            .note(format!("the first one is in line {}, column {}", first.span.line, first.span.column)),
    );
}
