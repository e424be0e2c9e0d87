//! The product's fabric state, before and after.
//!
//! The product documentation says to compare `Get-CsPoolFabricState` before and after a server was out: primaries and
//! secondaries of the routing groups must not have changed. It does not say what the text looks like. So nothing is read
//! out of it: the lines are compared as they are, without regard to order, white space, times and counts. A difference
//! may be a routing group that moved, or a line that is worded otherwise each time; nobody can tell from the text alone.
//! That is why it is waited for and then reported, and never holds a server by itself.

use super::Case;
use crate::look::Subject;
use orchestrate_model::ServerName;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Lines of each side that a difference quotes. More would bury the rest of the log.
const QUOTED: usize = 3;

/// Characters of a quoted line.
const LONGEST: usize = 120;

/// What comparing says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compared {
    /// There is nothing to compare with, or other servers of the pool are out and the comparison would be of that.
    NotNow,
    /// The same lines as before.
    Same,
    /// Other lines than before, or none, in words.
    Differs(String),
}

/// Returns whether taking the server out touches the fabric of its pool.
pub(crate) fn is_concerned(subject: &Subject<'_>) -> bool {
    let registrar = |name: &orchestrate_model::ServiceName| name.as_str().eq_ignore_ascii_case("RTCSRV");
    subject.pool.has_fabric() && subject.pool.servers.len() > 1 && subject.work.block.iter().any(registrar)
}

/// Returns the lines to compare with later, or why there are none. Where another server of the pool is out already,
/// those are the lines from before it went.
pub(super) fn before(case: &Case<'_>) -> Option<Result<Vec<String>, String>> {
    if !is_concerned(&case.subject) {
        return None;
    }
    let subject = &case.subject;
    let works = subject.plan.work().iter().zip(&subject.state.work);
    let mut out = works
        .filter(|(work, state)| work.pool == subject.work.pool && work.server != subject.work.server && state.is_out());
    if let Some(lines) = out.find_map(|(_, state)| state.snapshot.as_ref()?.fabric.clone()) {
        return Some(Ok(lines));
    }
    Some(said(case).map(<[String]>::to_vec))
}

/// Compares what another server of the pool says now with what was recorded.
pub(super) fn compare(case: &Case<'_>) -> Compared {
    let recorded = case.subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.fabric.as_ref());
    let Some(recorded) = recorded.filter(|_| case.subject.others_out().is_empty()) else {
        return Compared::NotNow;
    };
    match said(case) {
        Err(why) => Compared::Differs(format!("it cannot be read any more: {why}")),
        Ok(now) => difference(recorded, now).map_or(Compared::Same, Compared::Differs),
    }
}

/// The lines that another server than the one in work printed.
fn said<'a>(case: &Case<'a>) -> Result<&'a [String], String> {
    let others = || case.seen.servers.values().filter(|seen| seen.server != case.subject.work.server);
    if let Some(lines) = others().find_map(|seen| seen.fabric.known()) {
        return Ok(lines);
    }
    let asked = |server: &ServerName, why: &str| format!("{}: {why}", server.short());
    let why = others().find_map(|seen| seen.fabric.why_unknown().map(|why| asked(&seen.server, why)));
    Err(why.unwrap_or_else(|| "no other server could be asked".to_owned()))
}

/// Returns the lines that differ, in words.
fn difference(before: &[String], now: &[String]) -> Option<String> {
    let mut count: BTreeMap<String, (i64, &str)> = BTreeMap::new();
    for (lines, by) in [(before, -1), (now, 1)] {
        for line in lines {
            let entry = count.entry(essence(line)).or_insert((0, line));
            entry.0 += by;
        }
    }
    count.remove("");
    let side = |sign: i64| count.values().filter(move |(by, _)| by.signum() == sign).map(|(_, line)| *line);
    let (gone, come) = (quote(side(-1)), quote(side(1)));
    match (gone, come) {
        (None, None) => None,
        (Some(gone), None) => Some(format!("gone: {gone}")),
        (None, Some(come)) => Some(format!("new: {come}")),
        (Some(gone), Some(come)) => Some(format!("gone: {gone}; new: {come}")),
    }
}

fn quote<'a>(lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let lines: Vec<String> = lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let line: String = words.join(" ").chars().take(LONGEST).collect();
            orchestrate_model::text::quoted(&line)
        })
        .collect();
    let (first, rest) = lines.split_at(lines.len().min(QUOTED));
    match (first.is_empty(), rest.len()) {
        (true, _) => None,
        (false, 0) => Some(first.join(", ")),
        (false, more) => Some(format!("{} and {more} more", first.join(", "))),
    }
}

/// A line without what may differ each time: white space, times, dates and counts. Names of servers keep their digits.
fn essence(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
        let varies = bare.starts_with(|c: char| c.is_ascii_digit())
            && bare.parse::<IpAddr>().is_err()
            && bare.chars().all(|c| c.is_ascii_digit() || ":.,/-+%TZ".contains(c));
        if varies || matches!(bare, "AM" | "PM") { "#".to_owned() } else { word.to_lowercase() }
    });
    let mut kept: Vec<String> = words.collect();
    // "8:00 AM" and "20:00" are both a time.
    kept.dedup_by(|a, b| a == "#" && b == "#");
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn order_white_space_times_and_counts_are_no_difference() {
        let before = lines(&["11/28/2026 10:01:02 PM pool01", "RG1  Primary fe1  OK", "fe1.contoso.example Up", ""]);
        let now = lines(&["fe1.contoso.example   up", "RG1 Primary fe1 OK", "11/29/2026 00:12 pool01"]);
        assert_eq!(difference(&before, &now), None);
        let count = |value: &str| lines(&[&format!("LYSS items: {value}")]);
        assert_eq!(difference(&count("1,204"), &count("17")), None);
    }

    #[test]
    fn a_primary_that_moved_is_quoted_with_both_its_lines() {
        let before = lines(&["RG1 Primary fe1", "RG2 Primary fe2", "192.0.2.11 Up"]);
        let now = lines(&["RG1 Primary fe1", "RG2   Primary fe3", "192.0.2.12 Up"]);
        let text = difference(&before, &now).unwrap();
        assert_eq!(text, r#"gone: "192.0.2.11 Up", "RG2 Primary fe2"; new: "192.0.2.12 Up", "RG2 Primary fe3""#);
    }

    #[test]
    fn a_line_that_is_there_once_less_is_a_difference() {
        let before = lines(&["replica OK", "replica OK"]);
        assert_eq!(difference(&before, &before[1..]).unwrap(), r#"gone: "replica OK""#);
        let many: Vec<String> = (0..9).map(|place| format!("warning w{place}")).collect();
        assert!(difference(&[], &many).unwrap().ends_with("and 6 more"));
    }
}
