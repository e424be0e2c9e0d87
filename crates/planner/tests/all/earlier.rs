//! What servers took in earlier runs is what the next ones likely take.

use crate::support::*;
use orchestrate_planner::limits::Earlier;
use orchestrate_planner::{Observations, StepKind, make};
use std::collections::BTreeMap;

#[test]
fn enough_servers_of_earlier_runs_say_what_is_likely_and_never_what_is_worst() {
    let change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    let seen = healthy_world(&change);
    let (_, assumed) = planned(&change, &seen);
    let took = |drain| BTreeMap::from([(StepKind::Drain, minutes(drain)), (StepKind::Restart, minutes(4))]);
    let after = |servers: &[BTreeMap<StepKind, jiff::SignedDuration>]| {
        let earlier = BTreeMap::from([(change.pools[0].name.clone(), Earlier::of(servers))]);
        let seen = Observations { earlier, ..seen.clone() };
        make(&change, &seen, now()).unwrap().1.forecast
    };
    let two = after(&[took(10), took(20)]);
    assert_eq!((two.likely, two.measured), (assumed.forecast.likely, 0), "two servers are an accident");
    let three = after(&[took(10), took(20), took(15)]);
    // The drain took 20 of 120 min, the restart 4 of 20; the rest is assumed as before.
    assert_eq!(assumed.forecast.one_likely - three.one_likely, minutes(100 + 16));
    assert_eq!(three.measured, 3);
    assert_eq!((three.length, three.one_server, three.room), {
        let forecast = &assumed.forecast;
        (forecast.length, forecast.one_server, forecast.room)
    });
    let slow = after(&[took(10), took(500), took(15)]);
    assert_eq!(slow.one_likely, assumed.forecast.one_likely - minutes(16), "no step takes longer than it may");
}
