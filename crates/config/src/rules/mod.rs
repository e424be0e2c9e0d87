//! The third stage: everything that must hold between the values of a plan.
//!
//! Rules look at the plan as it is written, because that is where the places are. Each reports what it finds and goes
//! on; a value that could not be read was reported before and is passed over here.

mod access;
mod away;
mod balancer;
mod calendar;
mod counters;
mod external;
mod installers;
mod keyed;
mod level;
mod maintenance;
mod matching;
mod names;
mod order;
mod pools;
mod roles;
mod services;
mod silences;
pub(crate) mod turns;
mod unlikely;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::written::Plan;

/// The version of the format that this build reads.
const VERSION: i64 = 1;

/// Reports a version that is not ours. Nothing else can be said about such a file.
pub(crate) fn version(plan: &Plan, reader: &mut Reader) {
    let Some(version) = &plan.version else { return };
    if version.value.0 == VERSION {
        return;
    }
    let found = version.value.0;
    let help = match found > VERSION {
        true => "a newer orchestrate may read it".to_owned(),
        false => format!("write `version: {VERSION}`"),
    };
    reader.report(
        Diagnostic::error(
            codes::UNSUPPORTED_VERSION,
            version.span,
            format!("version {found} of the format is not supported"),
        )
        .label(format!("expected `{VERSION}`"))
        .help(help)
        .note("nothing else in the file was checked"),
    );
}

/// Applies every rule, and fills in what service names mean.
pub(crate) fn apply(plan: &mut Plan, reader: &mut Reader) {
    services::resolve(plan, reader);
    counters::check(plan, reader);
    keyed::check(plan, reader);
    installers::check(plan, reader);
    names::check(plan, reader);
    pools::check(plan, reader);
    access::check(plan, reader);
    away::check(plan, reader);
    external::check(plan, reader);
    order::check(plan, reader);
    turns::check(plan, reader);
    roles::check(plan, reader);
    maintenance::check(plan, reader);
    level::check(plan, reader);
    calendar::check(plan, reader);
    silences::check(plan, reader);
    matching::check(plan, reader);
    unlikely::check(plan, reader);
}
