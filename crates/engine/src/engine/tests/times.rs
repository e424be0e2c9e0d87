//! A clock that is wrong stops nothing.

use super::{Attended, Effect, Engine, Input, Start, plan};
use jiff::Timestamp;
use orchestrate_model::{Answer, PoolObservation, ServerObservation};

#[test]
fn a_run_at_the_end_of_time_fails_at_nothing() {
    for now in [Timestamp::MAX, Timestamp::MIN] {
        let mut engine = Engine::new(plan());
        let by = super::Actor { user: "test".to_owned(), host: "test".to_owned(), process: 1 };
        let header = super::RunHeader {
            run: super::RunId::new("r1").unwrap(),
            plan: "p".to_owned(),
            by,
            attended: Attended::Yes,
            approvals: Vec::new(),
        };
        let mut effects = engine.handle(Input::Begin(Start::New(header)), now);
        for _ in 0..50 {
            let next = effects.iter().find_map(|effect| match effect {
                Effect::Look { ticket, look } => {
                    let servers = look.servers.keys();
                    let servers =
                        servers.map(|name| (name.clone(), ServerObservation::unknown(name.clone(), now, "a test")));
                    let seen = PoolObservation {
                        pool: look.pool.clone(),
                        servers: servers.collect(),
                        dns: Answer::not_asked(),
                        balancer: Answer::not_asked(),
                    };
                    Some(Input::Seen { ticket: *ticket, seen: Box::new(seen) })
                }
                Effect::Wake { ticket, .. } => Some(Input::Woke { ticket: *ticket }),
                Effect::Record(_) | Effect::Act(_) | Effect::End(_) | Effect::Broken(_) => None,
            });
            let Some(next) = next else { break };
            effects = engine.handle(next, now);
            assert!(engine.view(now).servers.len() == 3);
        }
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Broken(_))), "{effects:?}");
    }
}
