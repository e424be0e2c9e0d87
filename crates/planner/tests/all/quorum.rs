//! The quorum tables, against an oracle that is written another way: the rows as the documentation prints them, read as
//! text. Every question goes through the safety questions, as in a run.

use crate::support::*;
use orchestrate_model::{Answer, Change, PoolObservation, Product, RunState, Server, ServerName, Verdict};
use orchestrate_planner::quorum::{functional, start};
use orchestrate_planner::safety::{Case, Question, assess};
use std::collections::BTreeSet;

const PRODUCTS: [Product; 4] = [Product::Lync2013, Product::Sfb2015, Product::Sfb2019, Product::Sfbse];

/// The table below which the servers that are left stop all services. The last row is for 2019 and later.
const PRINTED: &str = "2 | 1
    3-4 | any 2
    5-6 | any 3
    7 | any 4
    8-9 | any 4 of the first 7
    10-12 | any 5 of the first 9
    12-16, 2019 only | any 7 of the first 12";

/// What must run to start, for 2 servers and so on; none is printed for 13 to 15.
const PRINTED_START: &str = "1 3 3 4 5 5 6 7 8 9 10 - - - 12";

fn is_later(product: Product) -> bool {
    matches!(product, Product::Sfb2019 | Product::Sfbse)
}

/// The strictest row for so many servers: needed, and of how many of the first.
fn oracle(product: Product, servers: usize) -> Option<(usize, usize)> {
    let number = |text: &str| text.parse::<usize>().unwrap();
    let rows = PRINTED.lines().filter_map(|row| {
        let (sizes, rule) = row.trim().split_once(" | ").unwrap();
        let only_later = sizes.ends_with("2019 only");
        let sizes = sizes.split(',').next().unwrap();
        let (least, most) = sizes.split_once('-').unwrap_or((sizes, sizes));
        let rule = rule.trim_start_matches("any ");
        let (need, first) = rule.split_once(" of the first ").map_or((rule, None), |(need, first)| (need, Some(first)));
        let fits = number(least) <= servers && servers <= number(most) && (is_later(product) || !only_later);
        fits.then(|| (number(need), first.map_or(servers, number)))
    });
    // Two-server pools do not exist from 2019 on.
    rows.filter(|_| servers > 2 || !is_later(product)).max()
}

#[test]
fn every_size_has_the_row_of_the_documentation() {
    for product in PRODUCTS {
        for servers in 0..=17_u32 {
            let found = functional(product, servers).map(|rule| (rule.need as usize, rule.counted(servers) as usize));
            assert_eq!(found, oracle(product, servers as usize), "{product}, {servers} servers");
        }
    }
    assert_eq!(functional(Product::Generic, 5), None);
}

#[test]
fn the_start_table_is_the_documentations() {
    let printed: Vec<Option<u32>> = PRINTED_START.split(' ').map(|number| number.parse().ok()).collect();
    for product in PRODUCTS {
        for servers in 0..=17_u32 {
            let row = servers.checked_sub(2).and_then(|place| *printed.get(place as usize)?);
            // The row for sixteen servers is printed for 2019, which has none for two.
            let wanted = row.filter(|_| if is_later(product) { servers != 2 } else { servers <= 12 });
            assert_eq!(start(product, servers), wanted, "{product}, {servers} servers");
        }
    }
    assert_eq!(start(Product::Generic, 5), None);
}

/// How it is with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Up,
    Down,
    Unknown,
    /// The run has taken it out, whatever is seen.
    Ours,
}

/// A pool of one size, as it is seen.
struct Table {
    change: Change,
    seen: PoolObservation,
    asked: usize,
}

impl Table {
    fn of(product: Product, servers: usize) -> Self {
        let mut pool = pool("pool01", "fe", "192.0.2", servers);
        pool.product = product;
        let seen = healthy_pool(&pool);
        Self { change: change(vec![pool]), seen, asked: 0 }
    }

    fn servers(&self) -> &[Server] {
        &self.change.pools[0].servers
    }

    fn row(&self) -> Option<(usize, usize)> {
        oracle(self.change.pools[0].product, self.servers().len())
    }

    /// Shows the servers as they are, and asks about each of `about` whether it may go.
    fn compare(&mut self, all: &[Is], about: impl IntoIterator<Item = usize>) {
        let mut ours = BTreeSet::new();
        for (server, is) in self.change.pools[0].servers.iter().zip(all) {
            let Answer::Known(services) = &mut self.seen.servers.get_mut(&server.name).unwrap().services else {
                panic!("known")
            };
            services.get_mut(&service("RTCSRV")).unwrap().state = match is {
                Is::Up | Is::Ours => Answer::Known(RunState::Running),
                Is::Down => Answer::Known(RunState::Stopped),
                Is::Unknown => Answer::unknown("it did not say"),
            };
            if *is == Is::Ours {
                ours.insert(server.name.clone());
            }
        }
        for server in about {
            self.asked += 1;
            let verdict = self.verdict(server, &ours);
            self.hold_against(&verdict, all, server);
        }
    }

    fn verdict(&self, server: usize, ours_out: &BTreeSet<ServerName>) -> Verdict {
        let server = &self.servers()[server].name;
        let case =
            Case { change: &self.change, pool: &self.change.pools[0], server, seen: &self.seen, ours_out, now: now() };
        assess(&case).into_iter().find(|asked| asked.question == Question::Quorum).unwrap().verdict
    }

    /// Compares an answer with a count by hand.
    fn hold_against(&self, verdict: &Verdict, all: &[Is], server: usize) {
        let text = verdict.text();
        let Some((need, first)) = self.row() else {
            assert!(matches!(verdict, Verdict::Unknown(_)), "no row is printed, yet {text}");
            return;
        };
        let others = |wanted: &dyn Fn(Is) -> bool| -> Vec<usize> {
            (0..first).filter(|other| *other != server && wanted(all[*other])).collect()
        };
        let surely = others(&|is| is == Is::Up).len();
        let unknown = others(&|is| is == Is::Unknown);
        let at_best = surely + unknown.len();
        match verdict {
            Verdict::Yes(_) => assert!(surely >= need, "{all:?}, {server}: {surely} left, {need} needed, yet {text}"),
            Verdict::No(_) => assert!(at_best < need, "{all:?}, {server}: {at_best} left at best, yet {text}"),
            Verdict::Unknown(_) => {
                assert!(surely < need && need <= at_best, "{all:?}, {server}: {surely} to {at_best} left, yet {text}");
            }
        }
        // Reported with counts, and with everybody who is missing among those that count.
        assert!(text.contains(&format!("{need} needed")), "{text}");
        let missing = others(&|is| is != Is::Up);
        let named = |other: &usize| {
            let name = self.servers()[*other].name.short();
            text.split([' ', ',']).any(|word| word == name)
        };
        assert!(missing.iter().all(named), "{all:?}, {server}: {text}");
    }

    /// Asks about every server, with every way in which each of them can be one of `words`.
    fn exhaust(&mut self, words: &[Is]) {
        let servers = self.servers().len();
        let ways = words.len().pow(u32::try_from(servers).unwrap());
        for way in 0..ways {
            let mut rest = way;
            let all: Vec<Is> = (0..servers)
                .map(|_| {
                    let word = words[rest % words.len()];
                    rest /= words.len();
                    word
                })
                .collect();
            self.compare(&all, 0..servers);
        }
        assert_eq!(self.asked, ways * servers);
    }
}

#[test]
fn p1_every_set_already_down_gets_the_right_answer_up_to_nine_servers_of_every_product() {
    for product in PRODUCTS {
        for servers in 2..=9 {
            Table::of(product, servers).exhaust(&[Is::Up, Is::Down]);
        }
    }
}

#[test]
fn p1_p3_every_set_down_beside_every_set_unknown_gets_the_right_answer_up_to_six_servers_of_every_product() {
    for product in PRODUCTS {
        for servers in 2..=6 {
            Table::of(product, servers).exhaust(&[Is::Up, Is::Down, Is::Unknown]);
        }
    }
}

#[test]
fn p1_p3_what_the_run_has_taken_out_counts_as_down_however_it_looks() {
    for product in PRODUCTS {
        for servers in 2..=4 {
            Table::of(product, servers).exhaust(&[Is::Up, Is::Down, Is::Unknown, Is::Ours]);
        }
    }
}

/// Has so many of these servers down and so many unknown, one after the other.
fn place(all: &mut [Is], down: usize, unknown: usize) {
    for (place, is) in all.iter_mut().enumerate() {
        if place < down {
            *is = Is::Down;
        } else if place < down + unknown {
            *is = Is::Unknown;
        }
    }
}

#[test]
fn p1_p3_every_count_within_and_beyond_the_first_servers_gets_the_right_answer_in_large_pools() {
    for product in PRODUCTS {
        for servers in 10..=16 {
            let mut table = Table::of(product, servers);
            let first = table.row().map_or(servers, |(_, first)| first);
            // The first and the last of those that count, and of those that do not.
            let about: BTreeSet<usize> = [0, first - 1, first.min(servers - 1), servers - 1].into();
            for (down, unknown) in (0..=first).flat_map(|down| (0..=first - down).map(move |rest| (down, rest))) {
                for beyond in 0..=servers - first {
                    let mut all = vec![Is::Up; servers];
                    let (within, outside) = all.split_at_mut(first);
                    place(within, down, unknown);
                    place(outside, beyond, 0);
                    if (down + unknown + beyond) % 2 == 0 {
                        within.reverse();
                        outside.reverse();
                    }
                    table.compare(&all, about.iter().copied());
                }
            }
        }
    }
}

#[test]
fn p1_p3_drawn_sets_of_every_kind_get_the_right_answer_in_large_pools() {
    // Any sequence that visits the sets in no order of theirs will do.
    let mut drawn = 0x2545_f491_u32;
    let mut draw = |most: u32| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 17;
        drawn ^= drawn << 5;
        drawn % most
    };
    for product in PRODUCTS {
        for servers in 7..=17_usize {
            let mut table = Table::of(product, servers);
            for round in 0..60_u32 {
                // Around the rows few are missing, so most of the time few are.
                let well = [2, 4, 8][round as usize % 3];
                let mut kind = |_| match draw(3 + well) {
                    0 => Is::Down,
                    1 => Is::Unknown,
                    2 => Is::Ours,
                    _ => Is::Up,
                };
                let all: Vec<Is> = (0..servers).map(&mut kind).collect();
                table.compare(&all, [round as usize % servers]);
            }
        }
    }
}

#[test]
fn p1_a_pool_of_one_server_has_no_quorum_and_may_not_go_all_the_same() {
    for product in PRODUCTS {
        let table = Table::of(product, 1);
        let nobody = BTreeSet::new();
        assert!(table.verdict(0, &nobody).is_yes());
        let pool = &table.change.pools[0];
        let server = &pool.servers[0].name;
        let case = Case { change: &table.change, pool, server, seen: &table.seen, ours_out: &nobody, now: now() };
        let remaining = assess(&case).into_iter().find(|asked| asked.question == Question::Remaining).unwrap();
        assert!(matches!(remaining.verdict, Verdict::No(_)), "{}", remaining.verdict);
    }
}

#[test]
fn p1_p3_a_server_that_says_nothing_at_all_is_not_counted() {
    let mut table = Table::of(Product::Lync2013, 3);
    let names: Vec<ServerName> = table.servers().iter().map(|server| server.name.clone()).collect();
    silence(&mut table.seen, &names[1]);
    let verdict = table.verdict(0, &BTreeSet::new());
    assert_eq!(
        verdict,
        Verdict::Unknown("fe1 may not go: 2 of 3 are known to run, 2 needed, fe2 is not known to run".to_owned())
    );
    table.seen.servers.remove(&names[1]);
    assert!(matches!(table.verdict(0, &BTreeSet::new()), Verdict::Unknown(_)), "nobody asked it");
}
