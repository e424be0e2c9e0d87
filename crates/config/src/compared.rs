//! Texts that are compared with what servers show: names of components, and counters that stand for sessions.

use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{Reader, Written};
use crate::slips;
use crate::texts::Line;
use crate::yaml::Node;
use schemars::{Schema, SchemaGenerator};

/// The name of a component, or its last part.
#[derive(Debug, Clone)]
pub(crate) struct Component(pub(crate) String);

/// A counter path or a key of the activity level that counts sessions.
#[derive(Debug, Clone)]
pub(crate) struct SessionCounter(pub(crate) String);

/// Returns a text that has no blank in it which looks like a space and is none: no server shows such a name.
fn with_spaces(node: &Node, reader: &mut Reader) -> Option<String> {
    let Line(text) = Line::read(node, reader)?;
    let Some(blank) = slips::blank_in(&text) else { return Some(text) };
    let why = format!("{} holds {blank}, so that no name on a server is equal to it", quoted(&text));
    reader.report(
        Diagnostic::error(codes::BAD_TEXT, node.span, why)
            .label("expected ordinary spaces")
            .help("type the blank anew: text that is copied from a page often has others"),
    );
    None
}

impl Written for Component {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        with_spaces(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Line::schema(generator)
    }
}

/// Returns what a counter says instead of how many there are, as far as its name tells.
fn no_level(text: &str) -> Option<&'static str> {
    // The name of the object says nothing: `LS:SIP - Load Management` has levels too.
    let (counter, is_path) = text.rsplit_once('\\').map_or((text, false), |(_, counter)| (counter, true));
    let lower = counter.to_lowercase();
    let has = |wanted: &[&str]| lower.split(|c: char| !c.is_alphanumeric()).any(|word| wanted.contains(&word));
    if lower.contains('%') || has(&["percent", "percentage", "ratio"]) {
        return Some("a part of a hundred");
    }
    let per_second = ["/sec", "/s", "/min", "per sec", "per min"];
    if has(&["rate"]) || per_second.iter().any(|end| lower.contains(end)) {
        return Some("a rate, which is zero whenever nothing happens");
    }
    if has(&["average", "avg", "mean", "latency", "ms", "msec"]) {
        return Some("a mean or a length of time");
    }
    let now = ["active", "current", "currently", "concurrent", "connected", "open", "parked", "registered"];
    if is_path && has(&["total"]) && !has(&now) {
        return Some("a sum since the service began, which never falls");
    }
    None
}

impl Written for SessionCounter {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = with_spaces(node, reader)?;
        let Some(what) = no_level(&text) else { return Some(Self(text)) };
        let code: Code = codes::NO_LEVEL;
        reader.report(
            Diagnostic::error(code, node.span, format!("{} is {what}, and says nothing of sessions", quoted(&text)))
                .label("expected a counter of how many sessions there are now")
                .help(r"name a level, such as `'\LS:AVMCU - Operations\AVMCU - Number of Users'`, or wait by time: `maintenance: drain: unmeasured`"),
        );
        None
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Line::schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_model::catalogue;

    #[test]
    fn rates_parts_means_and_sums_are_no_levels() {
        for bad in [
            r"\LS:CAA - Operations\CAA - Incomplete calls per sec",
            r"\LS:SIP - Protocol\SIP - Incoming Messages/sec",
            r"\Processor(_Total)\% Processor Time",
            r"\LS:USrv - DBStore\USrv - Queue Latency (msec)",
            r"\LS:SIP - Load Management\SIP - Average Holding Time For Incoming Messages",
            r"\Web Service(_Total)\Total Connection Attempts (all instances)",
            "Call Rate",
        ] {
            assert!(no_level(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn every_measure_of_the_catalogue_is_a_level() {
        let measures = catalogue::SERVICES.iter().flat_map(|facts| facts.measures);
        for path in measures.map(|measure| measure.kind.path()) {
            assert_eq!(no_level(&path), None, "{path}");
        }
        for good in [
            r"\ASP.NET Apps v4.0.30319(__Total__)\Requests Executing",
            r"\X(_Total)\Total Active Sessions",
            "Total Parked Calls",
        ] {
            assert_eq!(no_level(good), None, "{good}");
        }
    }
}
