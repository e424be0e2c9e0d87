//! Whose turn it is, when more plans are due than may work at once.

use jiff::Timestamp;
use orchestrate_model::readable::count;
use orchestrate_model::{Change, Label, PoolName};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

/// How many runs work at once unless it is said. Why four: plans of one night mostly have the same installer, and what is
/// wrong with it is seen on four pools and not on forty; and this machine asks the servers of four pools every few seconds
/// without its evidence growing old.
pub const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// What a plan takes of what plans share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// Its pools.
    pub pools: BTreeSet<PoolName>,
    /// For each label of its pools how many of their servers it has out at once at most.
    pub takes: BTreeMap<Label, u32>,
    /// Its shared budgets: for each label how many servers may be out at once.
    pub allows: BTreeMap<Label, u32>,
}

impl Share {
    /// Returns the share of a change.
    #[must_use]
    pub fn of(change: &Change) -> Self {
        let mut share = Self::default();
        for budget in &change.budgets {
            let allowed = share.allows.entry(budget.label.clone()).or_insert(budget.at_once);
            *allowed = budget.at_once.min(*allowed);
        }
        for pool in &change.pools {
            share.pools.insert(pool.name.clone());
            let servers = u32::try_from(pool.servers.len()).unwrap_or(u32::MAX);
            for label in &pool.labels {
                let taken = share.takes.entry(label.clone()).or_default();
                *taken = taken.saturating_add(change.maintenance.at_once.min(servers));
            }
        }
        for (label, taken) in &mut share.takes {
            *taken = share.allows.get(label).map_or(*taken, |allowed| (*taken).min(*allowed));
        }
        share
    }

    /// Returns what others have of what it takes: a pool, or so many servers of a label that with it more could be out than a
    /// budget of any of them allows.
    fn collision(&self, others: &[&Self]) -> Option<Hindrance> {
        if let Some(pool) = others.iter().find_map(|other| self.pools.intersection(&other.pools).next()) {
            return Some(Hindrance::Pool(pool.clone()));
        }
        self.takes.iter().find_map(|(label, taken)| {
            let all = others
                .iter()
                .filter_map(|other| other.takes.get(label))
                .fold(*taken, |sum, one| sum.saturating_add(*one));
            let allowed = others.iter().copied().chain([self]).filter_map(|each| each.allows.get(label)).min()?;
            let over = all > *taken && all > *allowed;
            over.then(|| Hindrance::Budget { label: label.clone(), allowed: *allowed })
        })
    }
}

/// Why a plan that could be begun is not begun yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// As many plans work as may work at once.
    AtOnce(usize),
    /// Another plan works on this pool, or has servers of it out.
    Pool(PoolName),
    /// With it more servers of a label could be out than a shared budget allows.
    Budget {
        /// The label.
        label: Label,
        /// How many servers with it may be out at once.
        allowed: u32,
    },
}

impl Hindrance {
    /// Returns it in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::AtOnce(1) => "1 plan works already (`--at-once`)".to_owned(),
            Self::AtOnce(most) => format!("{most} plans work already (`--at-once`)"),
            Self::Pool(pool) => format!("another plan works on {pool}, or has servers of it out"),
            Self::Budget { label, allowed } => format!(
                "at most {} with the label {label} may be out at once (`budgets`), and what other plans take or have left out \
                 leaves no room",
                count(usize::try_from(*allowed).unwrap_or(usize::MAX), "server")
            ),
        }
    }
}

/// A plan that could be begun now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its file.
    pub name: String,
    /// What it takes of what plans share.
    pub share: Share,
    /// Whether a run of it is unfinished: its servers may be out.
    pub unfinished: bool,
    /// When its window ends.
    pub ends: Option<Timestamp>,
}

/// What is in work already, or out.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// The share of each plan at work.
    pub at_work: &'a [Share],
    /// The share of each plan that has left servers out and does not work on them.
    pub left_out: &'a [Share],
}

/// Which candidates are begun now, and why the others are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// The names of those that are begun, in that order.
    pub begun: Vec<String>,
    /// The names of the others.
    pub waiting: Vec<(String, Hindrance)>,
}

/// Returns which candidates are begun now. Unfinished runs come first, then what has the least time left, then by name. No two
/// on one pool work at once, no more than `at_once`, counting those that work already, and none that could take more servers
/// of a label out than a shared budget of any of them allows: each is counted with as many as it can have out, for as long as
/// it works.
#[must_use]
pub fn turns(mut candidates: Vec<Candidate>, taken: Taken<'_>, at_once: NonZeroUsize) -> Turns {
    candidates.sort_by(|one, other| {
        let key = |each: &Candidate| (!each.unfinished, each.ends.unwrap_or(Timestamp::MAX));
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    let mut free = at_once.get().saturating_sub(taken.at_work.len());
    let mut begun: Vec<&Candidate> = Vec::new();
    let mut waiting = Vec::new();
    for candidate in &candidates {
        let others: Vec<&Share> =
            taken.at_work.iter().chain(taken.left_out).chain(begun.iter().map(|each| &each.share)).collect();
        let full = (free == 0).then_some(Hindrance::AtOnce(at_once.get()));
        match full.or_else(|| candidate.share.collision(&others)) {
            Some(hindrance) => waiting.push((candidate.name.clone(), hindrance)),
            None => {
                free -= 1;
                begun.push(candidate);
            }
        }
    }
    Turns { begun: begun.into_iter().map(|candidate| candidate.name.clone()).collect(), waiting }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, pool: &str, ends: &str) -> Candidate {
        Candidate {
            name: name.to_owned(),
            share: share(pool),
            unfinished: false,
            ends: Some(format!("2026-11-28T{ends}:00Z").parse().unwrap()),
        }
    }

    fn share(pool: &str) -> Share {
        let pools = BTreeSet::from([PoolName::new(&format!("{pool}.contoso.example")).unwrap()]);
        Share { pools, ..Share::default() }
    }

    /// The share of a plan that has so many servers of site Paris out at once, and allows so many.
    fn in_paris(pool: &str, takes: u32, allows: Option<u32>) -> Share {
        let paris = Label::new("site=paris").unwrap();
        let allows = allows.map(|allows| (paris.clone(), allows)).into_iter().collect();
        Share { takes: BTreeMap::from([(paris, takes)]), allows, ..share(pool) }
    }

    fn working(at_work: &[Share]) -> Taken<'_> {
        Taken { at_work, left_out: &[] }
    }

    fn begun(candidates: Vec<Candidate>, taken: Taken<'_>, at_once: NonZeroUsize) -> Vec<String> {
        let (all, turns) = (candidates.len(), turns(candidates, taken, at_once));
        assert_eq!(turns.begun.len() + turns.waiting.len(), all, "each is begun or told why not");
        turns.begun
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
        assert_eq!(begun(all.clone(), working(&[]), most(3)), ["d.yaml", "b.yaml", "c.yaml"]);
        assert_eq!(begun(all.clone(), working(&[share("x"), share("y")]), most(3)), ["d.yaml"]);
        assert!(begun(all, working(&[share("x"), share("y")]), most(2)).is_empty());
    }

    #[test]
    fn a_plan_that_is_not_begun_says_which_pool_budget_or_number_is_in_its_way() {
        let why = |candidate, at_work: &[Share], at_once| {
            turns(vec![candidate], working(at_work), most(at_once)).waiting.remove(0).1.text()
        };
        let one = || candidate("a.yaml", "one", "04:00");
        assert_eq!(why(one(), &[share("x")], 1), "1 plan works already (`--at-once`)");
        assert!(why(one(), &[share("one")], 4).contains("another plan works on one.contoso.example"));
        let paris = Candidate { share: in_paris("b", 1, None), ..one() };
        assert!(why(paris, &[in_paris("x", 1, Some(1))], 4).contains("at most 1 server with the label site=paris"));
    }

    #[test]
    fn p12_two_plans_on_one_pool_do_not_work_at_once() {
        let all = vec![candidate("a.yaml", "one", "04:00"), candidate("b.yaml", "one", "05:00")];
        assert_eq!(begun(all.clone(), working(&[]), most(4)), ["a.yaml"]);
        assert!(begun(all, working(&[share("one")]), most(4)).is_empty());
    }

    #[test]
    fn p1_plans_side_by_side_keep_to_the_budget_that_any_of_them_states() {
        let plan = |name: &str, takes, allows| Candidate {
            share: in_paris(name, takes, allows),
            ..candidate(&format!("{name}.yaml"), name, "04:00")
        };
        // Twelve plans with a server each, of which one says that two may be out.
        let mut all: Vec<Candidate> = ('a'..='l').map(|name| plan(&name.to_string(), 1, None)).collect();
        all[11].share.allows = in_paris("l", 1, Some(2)).allows;
        let first = begun(all.clone(), working(&[]), most(12));
        assert_eq!(first.len(), 11, "as long as the plan with the budget does not work, nothing states one: {first:?}");
        let with_budget = [in_paris("l", 1, Some(2))];
        assert_eq!(begun(all[..11].to_vec(), working(&with_budget), most(12)), ["a.yaml"]);
        // What one has left out counts although it does not work.
        let left_out = [in_paris("x", 1, None)];
        let taken = Taken { at_work: &with_budget, left_out: &left_out };
        assert!(begun(all[..11].to_vec(), taken, most(12)).is_empty());
        // A plan with another label is not concerned, and one that takes more alone than another allows waits.
        assert_eq!(begun(vec![candidate("o.yaml", "o", "04:00")], taken, most(12)), ["o.yaml"]);
        assert!(begun(vec![plan("b", 3, Some(3))], working(&with_budget), most(12)).is_empty());
        assert_eq!(begun(vec![plan("b", 3, Some(3))], working(&[]), most(12)), ["b.yaml"]);
    }
}
