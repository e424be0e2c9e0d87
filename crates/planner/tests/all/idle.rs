//! Pools in which nothing is to be done.

use crate::support::*;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{Answer, RunState, ServiceName, Version};
use orchestrate_planner::Severity;

#[test]
fn p8_nothing_to_do_is_not_all_is_well() {
    let change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    let level = Version::parse("5.0.8308.1149").unwrap();
    let told = |state: RunState, servers_at_level: usize| {
        let mut world = healthy_world(&change);
        let servers = &mut world.pools.values_mut().next().unwrap().servers;
        for server in servers.values_mut().take(servers_at_level) {
            server.versions =
                Answer::Known(vec![ComponentVersion { component: "Core".into(), version: level.clone() }]);
        }
        let Answer::Known(services) = &mut servers.get_mut(&server_name("fe2")).unwrap().services else {
            panic!("known")
        };
        services.get_mut(&ServiceName::new("RTCSRV").unwrap()).unwrap().state = Answer::Known(state);
        let (plan, _) = planned(&change, &world);
        let found = plan.findings().iter().filter(|finding| finding.code == "O2110");
        found.map(|finding| (finding.severity, finding.message.clone())).collect::<Vec<_>>()
    };
    let out = told(RunState::Stopped, 3);
    let [(Severity::Warning, text)] = &out[..] else { panic!("{out:?}") };
    assert!(text.starts_with("fe2.contoso.example is not in service: "), "{text}");
    assert!(told(RunState::Running, 3).is_empty());
    // Where there is work, the safety questions say it.
    assert!(told(RunState::Stopped, 2).is_empty());
}
