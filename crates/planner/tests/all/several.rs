//! Several installers: their steps, what they may take, and what is asked about each before a server is drained.

use crate::support::*;
use orchestrate_model::change::{Patch, RestartPoint, RestartPolicy};
use orchestrate_model::observe::FileFacts;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{Answer, Change, Version};
use orchestrate_planner::{Observations, Severity, StepKind, check, limits};

const SQL: &str = r"C:\CU\SQLServer.exe";

fn three() -> Change {
    change(vec![pool("pool01", "fe", "192.0.2", 3)])
}

/// Three front ends with a second installer, which has no level.
fn two() -> Change {
    let mut change = three();
    let first = change.maintenance.installers[0].clone();
    let deadline = minutes(30);
    change.maintenance.installers.push(Patch { installer: SQL.into(), deadline, level: None, ..first });
    change
}

/// A healthy world in which every server has the second installer too.
fn world(change: &Change, file: &Answer<FileFacts>) -> Observations {
    let mut seen = healthy_world(change);
    for server in seen.pools.values_mut().flat_map(|pool| pool.servers.values_mut()) {
        server.more_files.insert(SQL.to_owned(), file.clone());
    }
    seen
}

fn staged() -> Answer<FileFacts> {
    Answer::Known(FileFacts::Found { sha256: three().maintenance.installers[0].sha256.clone() })
}

#[test]
fn each_installer_has_a_step_and_the_server_is_restarted_between_two_only_where_one_asks_for_it() {
    let mut change = two();
    let (plan, _) = planned(&change, &world(&change, &staged()));
    assert_eq!(check::check(&plan), []);
    let of = |plan: &orchestrate_planner::Plan| -> Vec<(StepKind, u32)> {
        let own = plan.steps().iter().filter(|step| matches!(step.kind, StepKind::Patch | StepKind::Restart));
        own.take_while(|step| step.id.0 < 14).map(|step| (step.kind, step.installer)).collect()
    };
    assert_eq!(of(&plan), [(StepKind::Patch, 0), (StepKind::Patch, 1), (StepKind::Restart, 1)]);
    change.maintenance.installers[0].restart = RestartPoint::After;
    let (plan, _) = planned(&change, &world(&change, &staged()));
    let between = [(StepKind::Patch, 0), (StepKind::Restart, 0), (StepKind::Patch, 1), (StepKind::Restart, 1)];
    assert_eq!(of(&plan), between);
    assert_eq!(check::check(&plan), []);
    // After the last one there is a restart anyway.
    change.maintenance.installers[0].restart = RestartPoint::AtEnd;
    change.maintenance.installers[1].restart = RestartPoint::After;
    let (plan, _) = planned(&change, &world(&change, &staged()));
    assert_eq!(of(&plan), [(StepKind::Patch, 0), (StepKind::Patch, 1), (StepKind::Restart, 1)]);
    change.maintenance.restart = RestartPolicy::Never;
    let (plan, _) = planned(&change, &world(&change, &staged()));
    assert!(codes(&plan, Severity::Refusal).contains(&"O2104"), "a restart is ruled out and asked for");
}

#[test]
fn p9_the_worst_case_has_room_for_each_installer_and_for_a_restart_that_one_of_them_begins() {
    let block = [service("RTCSRV")];
    let (one, mut two) = (three(), two());
    let more = limits::worst_case(&two, &block) - limits::worst_case(&one, &block);
    assert_eq!(more, minutes(75 + 30 + 5 + 20));
    assert_eq!(limits::likely(&two, &block) - limits::likely(&one, &block), minutes(30));
    for point in [RestartPoint::AtEnd, RestartPoint::After] {
        two.maintenance.installers[0].restart = point;
        let (plan, _) = planned(&two, &world(&two, &staged()));
        assert_eq!(limits::worst_case(&two, &block) - limits::worst_case(&one, &block), more, "whoever makes it");
        let own = plan.steps().iter().filter(|step| step.target == plan.steps()[0].target);
        let steps = own.filter(|step| matches!(step.kind, StepKind::Patch | StepKind::Restart));
        let all = steps.fold(minutes(0), |sum, step| sum + limits::of_planned(&two, &block, step));
        let parts = [StepKind::Patch, StepKind::Restart].map(|kind| limits::of_step(&two, &block, kind));
        assert_eq!(all, parts[0] + parts[1], "the steps are the parts");
    }
    assert_eq!(limits::likely(&two, &block) - limits::likely(&one, &block), minutes(30 + 20));
}

#[test]
fn p2_every_installer_has_to_be_in_place_before_a_server_is_drained() {
    let change = two();
    let refused = |file: Answer<FileFacts>| {
        let (plan, _) = planned(&change, &world(&change, &file));
        let found = plan.refusals().find(|finding| finding.code == "O2082" || finding.message.contains(SQL));
        found.map(|finding| finding.message.clone())
    };
    assert_eq!(refused(staged()), None);
    let missing = refused(Answer::Known(FileFacts::Missing)).expect("it is refused");
    assert!(missing.contains(&format!("has no file {SQL}")), "{missing}");
    assert!(refused(Answer::unknown("access denied")).is_some());
}

#[test]
fn a_server_is_passed_over_only_where_it_is_at_the_level_of_every_installer() {
    let mut change = two();
    let at = |change: &Change, version: &str| {
        let mut seen = world(change, &staged());
        for server in seen.pools.values_mut().flat_map(|pool| pool.servers.values_mut()) {
            let version = Version::parse(version).unwrap();
            server.versions = Answer::Known(vec![ComponentVersion { component: "Core Components".into(), version }]);
        }
        taken(&planned(change, &seen).0).len()
    };
    assert_eq!(at(&change, "5.0.8308.1149"), 3, "of the second nothing is known");
    let level = Version::parse("5.0.8308.1200").map(orchestrate_model::Level::Highest).ok();
    change.maintenance.installers[1].level = level;
    assert_eq!(at(&change, "5.0.8308.1149"), 3, "the second is to be run");
    assert_eq!(at(&change, "5.0.8308.1200"), 0);
}
