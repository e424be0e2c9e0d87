//! Pools that share a budget: what their watches hear from each other.

use super::watch::pool;
use super::*;

/// A run that drains a server in each of two pools of one budget.
fn two_pools_at_work() -> Engine {
    let plan = plan_with(|plan| {
        let pools = plan["change"]["pools"].as_array_mut().unwrap();
        pools[0]["labels"] = json!(["site=paris"]);
        // No names that clients find it by.
        pools[0]["product"] = json!("generic");
        pools[0]["extra_services"] = json!([service()]);
        pools[0]["load_balancing"]["sip"] = json!("hardware");
        let mut second = pools[0].clone();
        second["name"] = json!("pool02.contoso.example");
        let servers = pools[0]["servers"].as_array_mut().unwrap();
        let mut moved = servers.split_off(2);
        let mut fourth = moved[0].clone();
        fourth["name"] = json!(server(4));
        moved.push(fourth);
        second["servers"] = json!(moved);
        pools.push(second);
        plan["work"][2]["pool"] = json!(1);
        plan["change"]["budgets"] = json!([{"label": "site=paris", "at_once": 2}]);
    });
    let steps = u32::try_from(2 * KINDS.len()).unwrap();
    let mut records = draining(Attended::Yes);
    for record in draining(Attended::Yes).into_iter().skip(1) {
        let mut value = serde_json::to_value(&record).unwrap();
        if let Some(step) = value["step"].as_u64() {
            value["step"] = json!(step + u64::from(steps));
        }
        for (key, more) in [("work", 2), ("id", 1), ("intent", 1)] {
            if let Some(number) = value[key].as_u64() {
                value[key] = json!(number + more);
            }
        }
        if value["target"].is_object() {
            value["target"] = json!({"pool": "pool02.contoso.example", "server": server(3)});
        }
        records.push(serde_json::from_value(value).unwrap());
    }
    after_in(plan, &records)
}

#[test]
fn p1_pools_of_one_budget_share_what_their_servers_say_and_see_together_what_goes() {
    let mut engine = two_pools_at_work();
    let began = at(100);
    let (mut now, mut looks, mut asked_fe4) = (began, 0, 0);
    let mut effects = engine.handle(resumed(), now);
    let mut wakes: BTreeMap<(Timestamp, u64), Ticket> = BTreeMap::new();
    let mut number = 0;
    while engine.state().work[0].alarm.is_none() && now < began + SignedDuration::from_mins(5) {
        let mut next = Vec::new();
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Wake { ticket, at } => {
                    number += 1;
                    wakes.insert((at, number), ticket);
                }
                Effect::Look { ticket, look } => {
                    looks += u32::from(look.within.is_some());
                    asked_fe4 += u32::from(look.within.is_some() && look.servers.contains_key(&server(4)));
                    let gone = now >= began + SignedDuration::from_mins(3);
                    let mut seen = pool(Answer::Known(RunState::Running), now);
                    let state = |server: &ServerName| match server.as_str().chars().nth(2) {
                        Some('1' | '3') => RunState::Paused,
                        Some('4') if gone => RunState::Stopped,
                        _ => RunState::Running,
                    };
                    seen.pool = look.pool.clone();
                    seen.servers =
                        look.servers.keys().map(|name| (name.clone(), saying(name, state(name), now))).collect();
                    next.extend(engine.handle(Input::Seen { ticket, seen: Box::new(seen) }, now));
                }
                Effect::Record(_) | Effect::Act(_) | Effect::End(_) | Effect::Broken(_) => {}
            }
        }
        effects = next;
        if effects.is_empty() {
            let ((at, _), ticket) = wakes.pop_first().expect("something is waited for");
            now = now.max(at);
            effects = engine.handle(Input::Woke { ticket }, now);
        }
        if now < began + SignedDuration::from_mins(3) {
            let alarm = engine.state().work.iter().find_map(|work| work.alarm.as_ref());
            assert!(alarm.is_none(), "two may be out, and two are: {alarm:?}");
        }
    }
    let alarm = engine.state().work[0].alarm.as_ref().expect("fe4 of the other pool is the third");
    assert!(alarm.why.contains("fe4"), "{alarm:?}");
    assert!(asked_fe4 * 3 < looks * 2, "fe4 was asked in {asked_fe4} of {looks} looks");
}

/// A server with its service in this state, and three sessions.
fn saying(name: &ServerName, state: RunState, now: Timestamp) -> ServerObservation {
    let mut seen = fe1(state, Answer::Known(3), now).servers[&server(1)].clone();
    seen.server = name.clone();
    seen
}
