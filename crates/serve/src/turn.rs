//! Whose turn it is, when more plans are due than may work at once.

use jiff::Timestamp;
use orchestrate_model::PoolName;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// How many runs work at once unless it is said. Why four: plans of one night mostly have the same installer, and what is
/// wrong with it is seen on four pools and not on forty; and this machine asks the servers of four pools every few seconds
/// without its evidence growing old.
pub const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// A plan that could be begun now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its file.
    pub name: String,
    /// Its pools.
    pub pools: BTreeSet<PoolName>,
    /// Whether a run of it is unfinished: its servers may be out.
    pub unfinished: bool,
    /// When its window ends.
    pub ends: Option<Timestamp>,
}

/// Returns which candidates are begun now. Unfinished runs come first, then what has the least time left, then by name. No two
/// on one pool work at once, and no more than `at_once`, counting `at_work`, the pools of each that works already.
#[must_use]
pub fn turns(mut candidates: Vec<Candidate>, at_work: &[BTreeSet<PoolName>], at_once: NonZeroUsize) -> Vec<String> {
    candidates.sort_by(|one, other| {
        let key = |each: &Candidate| (!each.unfinished, each.ends.unwrap_or(Timestamp::MAX));
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    let mut busy: BTreeSet<PoolName> = at_work.iter().flatten().cloned().collect();
    let mut free = at_once.get().saturating_sub(at_work.len());
    let mut begun = Vec::new();
    for candidate in candidates {
        if free > 0 && busy.is_disjoint(&candidate.pools) {
            free -= 1;
            busy.extend(candidate.pools);
            begun.push(candidate.name);
        }
    }
    begun
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, pool: &str, ends: &str) -> Candidate {
        Candidate {
            name: name.to_owned(),
            pools: pools(pool),
            unfinished: false,
            ends: Some(format!("2026-11-28T{ends}:00Z").parse().unwrap()),
        }
    }

    fn pools(pool: &str) -> BTreeSet<PoolName> {
        BTreeSet::from([PoolName::new(&format!("{pool}.contoso.example")).unwrap()])
    }

    fn most(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn what_is_unfinished_comes_first_and_then_what_has_the_least_time_left() {
        let mut unfinished = candidate("d.yaml", "d", "06:00");
        unfinished.unfinished = true;
        let all = vec![
            candidate("a.yaml", "a", "05:00"),
            candidate("b.yaml", "b", "04:00"),
            candidate("c.yaml", "c", "04:00"),
            unfinished,
        ];
        assert_eq!(turns(all.clone(), &[], most(3)), ["d.yaml", "b.yaml", "c.yaml"]);
        assert_eq!(turns(all.clone(), &[pools("x"), pools("y")], most(3)), ["d.yaml"]);
        assert!(turns(all, &[pools("x"), pools("y")], most(2)).is_empty());
    }

    #[test]
    fn p12_two_plans_on_one_pool_do_not_work_at_once() {
        let all = vec![candidate("a.yaml", "one", "04:00"), candidate("b.yaml", "one", "05:00")];
        assert_eq!(turns(all.clone(), &[], most(4)), ["a.yaml"]);
        assert!(turns(all, &[pools("one")], most(4)).is_empty());
    }
}
