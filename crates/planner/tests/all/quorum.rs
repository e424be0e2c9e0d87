//! The quorum tables, against an oracle that is written another way: rows as the documentation prints them.

use crate::support::*;
use orchestrate_model::{Product, RunState, Verdict};
use orchestrate_planner::quorum::{functional, start};
use orchestrate_planner::safety::{Case, Question, assess};
use std::collections::BTreeSet;

const PRODUCTS: [Product; 4] = [Product::Lync2013, Product::Sfb2015, Product::Sfb2019, Product::Sfbse];

/// Servers, needed, of the first; the last row is for 2019 and later.
const ROWS: &str = "2 1 2\n3 2 3\n4 2 4\n5 3 5\n6 3 6\n7 4 7\n8 4 7\n9 4 7\n10 5 9\n11 5 9\n12 5 9";
const ROWS_2019: &str = "12 7 12\n13 7 12\n14 7 12\n15 7 12\n16 7 12";

/// The strictest row for so many servers: needed, and of how many.
fn oracle(product: Product, servers: usize) -> Option<(usize, usize)> {
    let later = matches!(product, Product::Sfb2019 | Product::Sfbse);
    let rows = ROWS.lines().chain(ROWS_2019.lines().filter(|_| later));
    let parsed = rows.map(|row| {
        let mut numbers = row.split(' ').map(|number| number.parse::<usize>().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap())
    });
    let fitting = parsed.filter(|(size, ..)| *size == servers && !(later && servers == 2));
    fitting.map(|(_, need, first)| (need, first)).max()
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
    let printed = [(2, 1), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (8, 6), (9, 7), (10, 8), (11, 9), (12, 10)];
    for product in PRODUCTS {
        let later = matches!(product, Product::Sfb2019 | Product::Sfbse);
        for servers in 0..=17 {
            let mut wanted = printed.iter().find(|(size, _)| *size == servers).map(|(_, need)| *need);
            if later {
                wanted = match servers {
                    2 => None,
                    16 => Some(12),
                    _ => wanted,
                };
            }
            assert_eq!(start(product, servers), wanted, "{product}, {servers} servers");
        }
    }
}

/// Asks about one server with a set of others down and a set of which nobody knows, and compares with a count by hand.
fn compare(change: &orchestrate_model::Change, (down, unknown): (u32, u32), server: usize) {
    let pool = &change.pools[0];
    let mut seen = healthy_pool(pool);
    let among = |set: u32, position: usize| set & (1 << position) != 0;
    for (position, other) in pool.servers.iter().enumerate() {
        if among(unknown, position) {
            silence(&mut seen, &other.name);
        } else if among(down, position) {
            set_state(&mut seen, &other.name, "RTCSRV", RunState::Stopped);
        }
    }
    let nobody = BTreeSet::new();
    let case = Case { change, pool, server: &pool.servers[server].name, seen: &seen, ours_out: &nobody, now: now() };
    let asked = assess(&case).into_iter().find(|asked| asked.question == Question::Quorum).unwrap();
    let Some((need, first)) = oracle(pool.product, pool.servers.len()) else {
        assert!(matches!(asked.verdict, Verdict::Unknown(_)), "a pool without a row is not known to be safe");
        return;
    };
    let left = |gone: u32| (0..first).filter(|position| !among(gone, *position) && *position != server).count();
    let (surely, at_best) = (left(down | unknown), left(down & !unknown));
    match asked.verdict {
        Verdict::Yes(_) => assert!(surely >= need, "{surely} left, {need} needed, yet yes"),
        Verdict::No(_) => assert!(at_best < need, "{at_best} left at best, {need} needed, yet no"),
        Verdict::Unknown(_) => assert!(surely < need && need <= at_best, "{surely} to {at_best} left, {need} needed"),
    }
}

fn front_ends(product: Product, servers: usize) -> orchestrate_model::Change {
    let mut pool = pool("pool01", "fe", "192.0.2", servers);
    pool.product = product;
    change(vec![pool])
}

#[test]
fn p1_every_set_of_servers_down_gets_the_right_answer_up_to_nine_servers() {
    for servers in 2..=9 {
        let change = front_ends(Product::Lync2013, servers);
        for down in 0..1_u32 << servers {
            for server in (0..servers).filter(|server| down & (1 << server) == 0) {
                compare(&change, (down, 0), server);
            }
        }
    }
}

#[test]
fn p1_p3_every_size_of_every_product_counts_what_is_down_and_what_nobody_knows() {
    // Any sequence that visits the sets in no order of theirs will do.
    let mut drawn = 0x2545_f491_u32;
    let mut draw = |servers: usize| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 17;
        drawn ^= drawn << 5;
        drawn & ((1 << servers) - 1)
    };
    for product in PRODUCTS {
        for servers in 2..=16 {
            let change = front_ends(product, servers);
            for _ in 0..40 {
                // Few are down and few are silent, most of the time.
                let (down, unknown) = (draw(servers) & draw(servers), draw(servers) & draw(servers));
                let server = draw(4) as usize % servers;
                compare(&change, (down & !(1 << server), unknown & !(1 << server)), server);
            }
        }
    }
}

#[test]
fn p1_large_pools_count_the_first_servers_only() {
    for (product, servers) in [(Product::Sfb2015, 12), (Product::Sfb2019, 12), (Product::Sfb2019, 16)] {
        let change = front_ends(product, servers);
        for gone in 0..servers {
            // The first few, or the last few, are down.
            let (first, last) = ((1_u32 << gone) - 1, ((1_u32 << gone) - 1) << (servers - gone));
            compare(&change, (first, 0), servers - 1);
            compare(&change, (last, 0), 0);
        }
    }
}
