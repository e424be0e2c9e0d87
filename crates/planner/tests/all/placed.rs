//! When each batch is taken at worst, as the forecast says it.

use crate::support::{change, healthy_world, minutes, now, planned, pool, service};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::Change;
use orchestrate_model::window::{Day, Freeze, Recurrence, Window};
use orchestrate_planner::forecast::{Forecast, PlacedBatch, Placement};
use orchestrate_planner::{Observations, limits};
use std::collections::BTreeSet;

fn saturdays(hours: i64) -> Vec<Window> {
    let (every, duration) = (Recurrence::Weekly(vec![Day::Saturday]), SignedDuration::from_hours(hours));
    vec![Window { every, start: "22:00".parse().unwrap(), duration, timezone: "Europe/Paris".into() }]
}

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

fn of(change: &Change) -> Forecast {
    planned(change, &healthy_world(change)).1.forecast
}

fn begins(forecast: &Forecast) -> Vec<Option<String>> {
    let placed = |batch: &PlacedBatch| Some(batch.placed?.begins.to_string());
    forecast.schedule.iter().map(placed).collect()
}

#[test]
fn p9_each_batch_has_its_place_in_an_opening() {
    let mut change = three();
    change.windows = saturdays(8);
    let forecast = of(&change);
    let nights = ["2026-11-28T21:00:00Z", "2026-12-05T21:00:00Z", "2026-12-12T21:00:00Z"];
    assert_eq!(begins(&forecast), nights.map(|night| Some(night.to_owned())));
    for (number, batch) in (0..).zip(&forecast.schedule) {
        let Placement { begins, ends, opening } = batch.placed.unwrap();
        assert_eq!((batch.batch, batch.servers.len()), (number, 1));
        assert_eq!(ends.duration_since(begins), forecast.one_server);
        let opening = opening.unwrap();
        assert!(opening.starts <= begins && ends <= opening.ends, "{opening:?}");
    }
    let ends = forecast.schedule.iter().filter_map(|batch| Some(batch.placed?.ends)).max();
    assert_eq!(forecast.ends, ends);
    // A freeze moves what comes after it.
    change.freezes = vec![Freeze::days("2026-12-05".parse().unwrap(), "2026-12-07".parse().unwrap(), "peak")];
    assert_eq!(begins(&of(&change))[1].as_deref(), Some("2026-12-12T21:00:00Z"));
}

#[test]
fn p9_what_fits_no_opening_has_no_place_and_neither_has_what_waits_for_it() {
    let mut change = three();
    change.windows = saturdays(7);
    let forecast = of(&change);
    assert_eq!(begins(&forecast), [None, None, None]);
    assert_eq!((forecast.begins, forecast.ends), (None, None));
    let once = |day: &str| Window { every: Recurrence::Once(day.parse().unwrap()), ..saturdays(8).remove(0) };
    change.windows = vec![once("2026-11-28"), once("2026-12-05")];
    let forecast = of(&change);
    assert_eq!(begins(&forecast).iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!((forecast.begins, forecast.ends, forecast.openings), (Some(now()), None, None));
}

#[test]
fn without_windows_the_batches_follow_each_other_at_once() {
    let forecast = of(&three());
    let after = |number: i32| Some((now() + forecast.one_server * number).to_string());
    assert_eq!(begins(&forecast), [after(0), after(1), after(2)]);
    assert!(forecast.schedule.iter().all(|batch| batch.placed.unwrap().opening.is_none()));
}

#[test]
fn every_server_that_goes_out_is_placed_once_and_never_more_at_once_than_may_be() {
    let mut change = change(vec![pool("one", "a", "192.0.1", 4), pool("two", "b", "192.0.2", 6)]);
    for server in change.pools.iter_mut().flat_map(|pool| &mut pool.servers) {
        server.upgrade_domain = None;
    }
    change.pools.iter_mut().for_each(|pool| pool.product = orchestrate_model::Product::Generic);
    change.maintenance.at_once = 2;
    let (plan, report) = planned(&change, &Observations::default());
    let schedule = &report.forecast.schedule;
    let servers: Vec<_> = schedule.iter().flat_map(|batch| &batch.servers).collect();
    assert_eq!(servers.len(), plan.work().len());
    assert_eq!(servers.iter().collect::<BTreeSet<_>>().len(), servers.len());
    for batch in schedule {
        let at: Timestamp = batch.placed.unwrap().begins;
        let out = |other: &&PlacedBatch| {
            let placed = other.placed.unwrap();
            other.pool == batch.pool && placed.begins <= at && at < placed.ends
        };
        assert!(schedule.iter().filter(out).map(|other| other.servers.len()).sum::<usize>() <= 2);
    }
}

#[test]
fn the_parts_of_a_server_are_its_worst_case() {
    let (mut change, block) = (three(), [service("RTCSRV")]);
    for patch in [change.maintenance.installers.clone(), Vec::new()] {
        change.maintenance.installers = patch;
        let parts = limits::parts(&change, &block);
        let all = parts.iter().fold(minutes(0), |sum, (_, limit)| sum + *limit);
        assert_eq!(all, limits::worst_case(&change, &block));
        assert!(parts.is_sorted_by_key(|(kind, _)| *kind));
    }
}
