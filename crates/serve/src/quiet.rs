//! When a file is read: once it has been left alone for a while, so that one that is being written is not.

use std::collections::BTreeMap;
use std::time::Duration;

/// For how long a file has to look the same before it is read. Why 5 s: a copy over a slow connection grows more often than
/// that, and a person who has saved a plan waits no longer for it than that.
pub const QUIET: Duration = Duration::from_secs(5);

/// How a file looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds of the epoch.
    pub changed_ns: i128,
}

/// How long each file has looked as it does. Time is what has passed since the first look, so that a clock which is set
/// makes no file old.
#[derive(Debug, Clone, Default)]
pub struct Quiet {
    files: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    stamp: Stamp,
    since: Duration,
    read: bool,
}

impl Quiet {
    /// Takes what a look at the folder has found after `passed`. Returns the files to read now, each once for each look that
    /// it takes on; a file that is gone is forgotten.
    pub fn look(&mut self, passed: Duration, found: &BTreeMap<String, Stamp>) -> Vec<String> {
        self.files.retain(|name, _| found.contains_key(name));
        let mut due = Vec::new();
        for (name, stamp) in found {
            let new = Seen { stamp: *stamp, since: passed, read: false };
            let seen = self.files.entry(name.clone()).or_insert(new);
            if seen.stamp != *stamp {
                *seen = new;
            }
            if !seen.read && passed.saturating_sub(seen.since) >= QUIET {
                seen.read = true;
                due.push(name.clone());
            }
        }
        due
    }

    /// Returns whether a file that is there is still waited for.
    #[must_use]
    pub fn is_waited_for(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|seen| !seen.read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, u64, i128)]) -> BTreeMap<String, Stamp> {
        files.iter().map(|(name, size, at)| ((*name).to_owned(), Stamp { size: *size, changed_ns: *at })).collect()
    }

    #[test]
    fn a_file_is_read_once_when_it_has_been_left_alone() {
        let mut quiet = Quiet::default();
        let at = Duration::from_secs;
        let one = folder(&[("a.yaml", 10, 1)]);
        assert!(quiet.look(at(0), &one).is_empty() && quiet.is_waited_for("a.yaml"));
        assert!(quiet.look(at(4), &one).is_empty());
        assert_eq!(quiet.look(at(5), &one), ["a.yaml"]);
        assert!(quiet.look(at(60), &one).is_empty() && !quiet.is_waited_for("a.yaml"));
    }

    #[test]
    fn a_file_that_grows_is_not_read_and_one_of_the_same_size_that_was_written_again_neither() {
        let mut quiet = Quiet::default();
        for second in 0..30 {
            let grown = folder(&[("a.yaml", second, 1), ("b.yaml", 7, i128::from(second))]);
            assert!(quiet.look(Duration::from_secs(second), &grown).is_empty(), "after {second} s");
        }
        let left = folder(&[("a.yaml", 29, 1), ("b.yaml", 7, 29)]);
        assert_eq!(quiet.look(Duration::from_secs(34), &left), ["a.yaml", "b.yaml"]);
    }

    #[test]
    fn a_file_that_went_and_came_back_is_read_again() {
        let mut quiet = Quiet::default();
        let (there, gone) = (folder(&[("a.yaml", 10, 1)]), folder(&[]));
        quiet.look(Duration::ZERO, &there);
        assert_eq!(quiet.look(QUIET, &there).len(), 1);
        assert!(quiet.look(QUIET * 2, &gone).is_empty());
        quiet.look(QUIET * 3, &there);
        assert_eq!(quiet.look(QUIET * 4, &there), ["a.yaml"]);
    }
}
