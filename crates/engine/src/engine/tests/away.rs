//! Servers that the plan says to be dead.

use super::*;

/// The last of three is away.
fn with_away() -> Arc<Plan> {
    plan_with(|plan| {
        plan["change"]["pools"][0]["servers"][2]["away"] = json!({"reason": "hardware", "counts": "beside-budget"});
        plan["work"][2]["skip"] = json!("away, hardware; counted as down, beside the budget");
        plan["steps"].as_array_mut().unwrap().retain(|step| step["target"] != json!({"server": 2}));
        let steps = plan["steps"].as_array().unwrap().len();
        let edges = plan["edges"].as_array_mut().unwrap();
        edges.retain(|edge| edge["after"].as_u64().unwrap() < steps as u64);
    })
}

#[test]
fn a_server_that_is_away_is_left_out_and_never_asked() {
    let mut engine = after_in(with_away(), &[]);
    let Record::RunStarted(header) = begun(Attended::No) else { panic!("the begin") };
    let effects = engine.handle(Input::Begin(Start::New(header)), at(0));
    assert!(matches!(&engine.state().work[2].end, Some(ServerEnd::LeftOut { why }) if why.starts_with("away, ")));
    let (_, look) = look_in(&effects);
    assert!(!look.servers.contains_key(&server(3)), "{look:?}");
    assert_eq!(look.servers.len(), 2);
}

#[test]
fn p8_a_run_is_done_without_a_server_that_is_away() {
    let mut records = vec![begun(Attended::No)];
    for (work, end) in [
        ServerEnd::NothingToDo { why: String::new() },
        ServerEnd::NothingToDo { why: String::new() },
        ServerEnd::LeftOut { why: "away".to_owned() },
    ]
    .into_iter()
    .enumerate()
    {
        let work = WorkId(u32::try_from(work).unwrap());
        records.push(Record::ServerEnded { work, end });
    }
    let mut engine = after_in(with_away(), &records);
    assert!(!crate::levels::is_asked(engine.plan(), engine.state(), 2));
    let effects = engine.handle(resumed(), at(1));
    let asked = effects.iter().filter_map(|effect| {
        let Effect::Look { look, .. } = effect else { return None };
        Some(look.servers.keys())
    });
    assert!(asked.flatten().all(|name| *name != server(3)), "{effects:?}");
}
