//! Keys that are one in different spellings: only one of the two could be meant.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::Reader;
use crate::written::Plan;
use orchestrate_model::exit_code;
use std::collections::BTreeMap;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let patch = plan.maintenance.as_ref().and_then(|maintenance| maintenance.value.patch.as_ref());
    let mut first: BTreeMap<i64, Span> = BTreeMap::new();
    for key in patch.iter().filter_map(|patch| patch.value.exit_codes.as_ref()).flat_map(|codes| codes.value.keys()) {
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
