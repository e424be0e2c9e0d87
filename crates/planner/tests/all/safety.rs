//! The safety questions, one by one.

use crate::support::*;
use orchestrate_model::change::PendingRestart;
use orchestrate_model::observe::{
    BalancerDoubt, BalancerEntry, BalancerObservation, BalancerPlace, BalancerServer, BalancerState, DoubtKind,
    FileFacts, Fitness, ReadinessState,
};
use orchestrate_model::pool::{Balancer, HaproxyBalancer, SipBalancing};
use orchestrate_model::probe::PendingSign;
use orchestrate_model::{
    Answer, Change, Feature, Label, PoolObservation, Product, Role, RunState, ServerName, StartType, Verdict,
};
use orchestrate_planner::safety::{Asked, Case, Covered, EVIDENCE_LIFETIME, Question, assess, may_go, shared_budgets};
use orchestrate_planner::scope::evidence;
use std::collections::BTreeSet;

fn covered(feature: Feature) -> Question {
    Question::Coverage(Covered::Feature(feature))
}

#[derive(Clone)]
struct World {
    change: Change,
    seen: PoolObservation,
    ours: BTreeSet<ServerName>,
}

fn world(servers: usize) -> World {
    let change = change(vec![pool("pool01", "fe", "192.0.2", servers)]);
    let seen = healthy_pool(&change.pools[0]);
    World { change, seen, ours: BTreeSet::new() }
}

impl World {
    fn ask(&self, server: &str) -> Vec<Asked> {
        let server = server_name(server);
        let pool = &self.change.pools[0];
        assess(&Case {
            change: &self.change,
            pool,
            server: &server,
            seen: &self.seen,
            ours_out: &self.ours,
            now: now(),
        })
    }

    fn answer(&self, server: &str, question: Question) -> Verdict {
        let found = self.ask(server).into_iter().find(|asked| asked.question == question);
        found.unwrap_or_else(|| panic!("{question} was not asked")).verdict
    }
}

#[test]
fn a_healthy_pool_lets_one_server_go() {
    let world = world(3);
    let asked = world.ask("fe2");
    assert_eq!(may_go(&asked).word(), "yes", "{asked:#?}");
    let questions: Vec<Question> = asked.iter().map(|asked| asked.question).collect();
    let mut wanted = vec![Question::Fresh, Question::Budget, Question::Remaining, Question::Quorum];
    wanted.push(Question::UpgradeDomain);
    wanted.push(Question::Coverage(Covered::Records));
    wanted.extend(Feature::ALL.map(covered));
    wanted.push(Question::Coverage(Covered::WebName));
    wanted.extend([Question::Ready, Question::Blockable, Question::Staged, Question::Fit, Question::Lease]);
    assert_eq!(questions, wanted);
    assert_eq!(world.answer("fe2", Question::Quorum).text(), "2 of 3 would run, 2 needed: exactly what is needed");
}

#[test]
fn p3_no_question_and_no_answer_are_unknown() {
    assert_eq!(may_go(&[]).word(), "unknown");
    let mut world = world(3);
    world.seen.servers.clear();
    world.seen.dns = Answer::not_asked();
    let asked = world.ask("fe1");
    assert!(asked.iter().all(|asked| !asked.verdict.is_yes()), "{asked:#?}");
    assert_eq!(may_go(&asked).word(), "unknown");
}

#[test]
fn p1_servers_already_down_use_up_the_budget() {
    let mut world = world(4);
    stop(&mut world.seen, &server_name("fe1"));
    let verdict = world.answer("fe3", Question::Budget);
    assert_eq!(
        verdict,
        Verdict::No(
            "fe3 may not go: at most 1 of pool01.contoso.example may be out, fe1 (RTCSRV is stopped) is out already"
                .into()
        )
    );
    // The server that is down may be taken as far as the budget goes: it takes no further place.
    assert!(world.answer("fe1", Question::Budget).is_yes());
}

#[test]
fn p3_a_server_that_does_not_answer_is_not_counted_as_serving() {
    let mut world = world(4);
    silence(&mut world.seen, &server_name("fe1"));
    assert_eq!(world.answer("fe3", Question::Budget).word(), "unknown");
    assert_eq!(may_go(&world.ask("fe3")).word(), "unknown");
}

#[test]
fn p1_servers_of_this_run_count_whatever_was_seen() {
    let mut world = world(4);
    world.ours.insert(server_name("fe1"));
    assert_eq!(world.answer("fe2", Question::Budget).word(), "no");
    assert_eq!(world.answer("fe2", Question::UpgradeDomain).word(), "no");
    assert!(world.answer("fe1", Question::Budget).is_yes());
}

#[test]
fn a_paused_service_puts_its_server_out_and_a_service_disabled_everywhere_does_not() {
    let mut world = world(3);
    set_state(&mut world.seen, &server_name("fe1"), "RTCRGS", RunState::Paused);
    assert_eq!(world.answer("fe2", Question::Budget).word(), "no");
    let mut world = self::world(3);
    for name in ["fe1", "fe2", "fe3"] {
        let Answer::Known(services) = &mut world.seen.servers.get_mut(&server_name(name)).unwrap().services else {
            panic!("known")
        };
        let status = services.get_mut(&service("RTCATS")).unwrap();
        status.state = Answer::Known(RunState::Stopped);
        status.start = Answer::Known(StartType { mode: orchestrate_model::StartMode::Disabled, delayed: false });
    }
    assert_eq!(may_go(&world.ask("fe2")).word(), "yes", "{:#?}", world.ask("fe2"));
}

#[test]
fn p1_quorum_is_refused_with_its_counts() {
    let mut world = world(9);
    for name in ["fe1", "fe2"] {
        stop(&mut world.seen, &server_name(name));
    }
    assert_eq!(
        world.answer("fe3", Question::Quorum),
        Verdict::Yes(
            "4 of the first 7 would run, 4 needed, fe1 and fe2 are already down: exactly what is needed".into()
        )
    );
    assert_eq!(
        world.answer("fe8", Question::Quorum),
        Verdict::Yes("5 of the first 7 would run, 4 needed, fe1 and fe2 are already down".into())
    );
    stop(&mut world.seen, &server_name("fe3"));
    assert_eq!(
        world.answer("fe4", Question::Quorum),
        Verdict::No("fe4 may not go: 4 of the first 7 run, 4 needed, fe1, fe2 and fe3 are already down".into())
    );
}

#[test]
fn p1_quorum_that_hangs_on_a_silent_server_is_unknown() {
    let mut world = world(3);
    silence(&mut world.seen, &server_name("fe1"));
    assert_eq!(world.answer("fe2", Question::Quorum).word(), "unknown");
}

#[test]
fn p1_two_upgrade_domains_never_go_at_once() {
    let mut world = world(6);
    world.change.maintenance.at_once = 2;
    world.change.pools[0].servers[3].upgrade_domain = world.change.pools[0].servers[0].upgrade_domain.clone();
    world.ours.insert(server_name("fe1"));
    assert!(world.answer("fe4", Question::UpgradeDomain).is_yes());
    assert_eq!(
        world.answer("fe2", Question::UpgradeDomain),
        Verdict::No("fe2 may not go: it is in upgrade domain UD2, and fe1 (UD1) is out".into())
    );
    world.change.pools[0].servers[3].upgrade_domain = None;
    for server in world.seen.servers.values_mut() {
        server.readiness = Answer::not_asked();
    }
    assert_eq!(world.answer("fe4", Question::UpgradeDomain).word(), "unknown");
}

#[test]
fn p2_a_missing_record_uncovers_every_feature() {
    let mut world = world(3);
    set_records(&mut world.seen, |records| records.addresses.retain(|a| a.to_string() != "192.0.2.2"));
    for feature in Feature::ALL {
        let verdict = world.answer("fe1", covered(feature));
        assert_eq!(verdict.word(), "no");
        assert!(verdict.text().contains("pool01.contoso.example does not list fe2.contoso.example (192.0.2.2)"));
        assert!(verdict.text().contains(feature.loss()));
    }
}

#[test]
fn p2_wrong_records_are_told_apart() {
    type Spoil = fn(&mut orchestrate_model::observe::AddressRecords);
    let cases: [(&str, Spoil); 3] = [
        ("lists 192.0.2.29 at 192.0.2.53:53, which is no server of the pool", |records| {
            records.addresses.push("192.0.2.29".parse().unwrap());
        }),
        ("is an alias of old.contoso.example", |records| {
            records.alias = Some(orchestrate_model::DnsName::new("old.contoso.example").unwrap());
        }),
        ("has the single address 192.0.2.10 at 192.0.2.53:53, which is no server's own: a balancer's", |records| {
            records.addresses = vec!["192.0.2.10".parse().unwrap()];
        }),
    ];
    for (text, spoil) in cases {
        let mut world = world(3);
        set_records(&mut world.seen, spoil);
        let verdict = world.answer("fe1", covered(Feature::CallPark));
        assert!(verdict.word() == "no" && verdict.text().contains(text), "{verdict}");
    }
}

#[test]
fn p2_an_address_of_another_pool_is_named() {
    let other = pool("pool02", "be", "198.51.100", 3);
    let mut world = world(3);
    world.change.pools.push(other);
    set_records(&mut world.seen, |records| records.addresses.push("198.51.100.1".parse().unwrap()));
    let verdict = world.answer("fe1", covered(Feature::CallPark));
    assert!(verdict.text().contains("which is be1.contoso.example of pool02.contoso.example"), "{verdict}");
}

#[test]
fn p2_every_resolver_has_to_agree() {
    let mut world = world(3);
    let Answer::Known(dns) = &mut world.seen.dns else { panic!("known") };
    let mut silent = dns.answers[0].clone();
    silent.resolver = "192.0.2.54:53".parse().unwrap();
    silent.records = Answer::unknown("timed out");
    dns.answers.push(silent);
    let verdict = world.answer("fe1", covered(Feature::CallPark));
    assert_eq!(verdict.word(), "unknown");
    assert!(verdict.text().contains("192.0.2.54:53 does not tell the addresses of"), "{verdict}");
}

#[test]
fn p2_a_feature_needs_another_server_that_runs_it() {
    let mut world = world(3);
    for name in ["fe1", "fe3"] {
        let Answer::Known(services) = &mut world.seen.servers.get_mut(&server_name(name)).unwrap().services else {
            panic!("known")
        };
        services.remove(&service("RTCCPS"));
    }
    let verdict = world.answer("fe2", covered(Feature::CallPark));
    assert_eq!(
        verdict.text(),
        "Call Park is not covered: no other server runs RTCCPS (fe1: RTCCPS is not installed and fe3: RTCCPS is not installed); lost: calls to be parked on this server"
    );
    // Where it does not run it is not asked about.
    assert!(world.ask("fe1").iter().all(|asked| asked.question != covered(Feature::CallPark)));
    world.change.maintenance.accept_loss = vec![Feature::CallPark];
    let accepted = world.answer("fe2", covered(Feature::CallPark));
    assert!(accepted.is_yes() && accepted.text().starts_with("loss of Call Park accepted by name"), "{accepted}");
}

#[test]
fn p2_a_balancer_in_front_of_sip_covers_nothing() {
    let mut world = world(3);
    world.change.pools[0].load_balancing.sip = SipBalancing::Hardware;
    for feature in Feature::ALL {
        assert_eq!(world.answer("fe1", covered(feature)).word(), "no");
    }
}

#[test]
fn p2_somebody_has_to_stay_behind_the_balancer() {
    let mut world = world(3);
    let haproxy = HaproxyBalancer::one("192.0.2.9:9999", "web");
    world.change.pools[0].load_balancing.balancer = Balancer::Haproxy(haproxy);
    assert_eq!(world.answer("fe1", Question::Balancer).word(), "unknown");
    let behind = [("fe1", true), ("fe2", false), ("fe3", true)];
    world.seen.balancer = behind_balancer(&["web"], &behind, &[]);
    assert_eq!(world.answer("fe1", Question::Balancer), Verdict::Yes("fe3 stays behind the balancer".into()));
    assert_eq!(world.answer("fe3", Question::Balancer), Verdict::Yes("fe1 stays behind the balancer".into()));
    world.ours.insert(server_name("fe3"));
    assert_eq!(world.answer("fe1", Question::Balancer).word(), "no");
}

/// What a balancer says that has these servers, each up or not, in these backends, but for the entries that are drained.
fn behind_balancer(
    backends: &[&str],
    servers: &[(&str, bool)],
    drained: &[(&str, &str)],
) -> Answer<BalancerObservation> {
    let entry = |backend: &str, (name, up): (&str, bool)| {
        let place: BalancerPlace = format!("192.0.2.9:9999 {backend}/{name} 192.0.2.99").parse().unwrap();
        let closed = drained.contains(&(backend, name));
        let admin = if closed { BalancerState::Drain } else { BalancerState::Ready };
        (place, BalancerEntry { admin, up, sessions: 3, kept_out: None })
    };
    let server = |one: &(&str, bool)| {
        let entries = backends.iter().map(|backend| entry(backend, *one)).collect();
        (server_name(one.0), BalancerServer { entries })
    };
    Answer::Known(BalancerObservation::new(now(), Answer::Known(servers.iter().map(server).collect())))
}

#[test]
fn p2_in_every_backend_another_server_has_to_stay() {
    let mut world = world(3);
    let haproxy = HaproxyBalancer::one("192.0.2.9:9999", "web");
    world.change.pools[0].load_balancing.balancer = Balancer::Haproxy(haproxy);
    let all = [("fe1", true), ("fe2", true), ("fe3", true)];
    let ask = |drained: &[(&str, &str)]| {
        let mut world = world.clone();
        world.seen.balancer = behind_balancer(&["web", "web-ext"], &all, drained);
        world.answer("fe1", Question::Balancer)
    };
    assert_eq!(ask(&[]), Verdict::Yes("fe2 and fe3 stay behind the balancer".into()));
    let crossed = ask(&[("web", "fe2"), ("web-ext", "fe3")]);
    assert_eq!(crossed.word(), "no", "a server that is closed in one backend is out: {crossed}");
    let verdict = ask(&[("web-ext", "fe2"), ("web-ext", "fe3")]);
    assert!(verdict.text().contains("in web-ext at 192.0.2.9:9999, not ready: fe2 and fe3"), "{verdict}");
}

#[test]
fn p3_what_does_not_fit_the_plan_at_the_balancer_keeps_those_concerned_from_going() {
    let mut world = world(3);
    let haproxy = HaproxyBalancer::one("192.0.2.9:9999", "web");
    world.change.pools[0].load_balancing.balancer = Balancer::Haproxy(haproxy);
    let all = [("fe1", true), ("fe2", true), ("fe3", true)];
    let ask = |kind, whose: Option<&str>, server: &str| {
        let mut world = world.clone();
        let doubt = BalancerDoubt { server: whose.map(server_name), kind, text: "it does not fit".to_owned() };
        let Answer::Known(seen) = behind_balancer(&["web"], &all, &[]) else { unreachable!("it is known") };
        world.seen.balancer = Answer::Known(BalancerObservation { doubts: vec![doubt], ..seen });
        world.answer(server, Question::Balancer).word()
    };
    for (kind, word) in [
        (DoubtKind::OtherAddress, "no"),
        (DoubtKind::NotThere, "no"),
        (DoubtKind::Unnamed, "no"),
        (DoubtKind::NoRight, "no"),
        (DoubtKind::RightUnknown, "unknown"),
        (DoubtKind::ByNameAlone, "yes"),
        (DoubtKind::Accepted, "yes"),
    ] {
        assert_eq!(ask(kind, None, "fe1"), word, "{kind:?}");
        assert_eq!(ask(kind, Some("fe1"), "fe1"), word, "{kind:?}");
        assert_eq!(ask(kind, Some("fe1"), "fe2"), "yes", "{kind:?} of another server");
    }
}

#[test]
fn p2_the_product_has_to_say_ready() {
    let states = [
        (ReadinessState::Busy, "no"),
        (ReadinessState::InsufficientActiveFrontEnds, "no"),
        (ReadinessState::Other("Upgrading".into()), "unknown"),
    ];
    for (state, word) in states {
        let mut world = world(3);
        // Only one of the others says so: the worst word counts.
        let Answer::Known(readiness) = &mut world.seen.servers.get_mut(&server_name("fe3")).unwrap().readiness else {
            panic!("known")
        };
        readiness.state = state;
        assert_eq!(world.answer("fe1", Question::Ready).word(), word);
        // The server in work is not the one that is asked.
        assert!(world.answer("fe3", Question::Ready).is_yes());
    }
    let mut world = world(3);
    for server in world.seen.servers.values_mut() {
        server.readiness = Answer::unknown("access is denied");
    }
    assert_eq!(world.answer("fe1", Question::Ready).word(), "unknown");
}

#[test]
fn p3_evidence_that_is_old_when_it_is_there_is_refused_with_its_cause() {
    let change = change(vec![pool("pool01", "fe", "192.0.2", 3)]);
    let mut world = healthy_world(&change);
    let pool = world.pools.values_mut().next().expect("a pool");
    pool.servers.get_mut(&server_name("fe2")).unwrap().taken = now() - EVIDENCE_LIFETIME - minutes(1);
    let (plan, _) = planned(&change, &world);
    let finding = finding(&plan, "O2052");
    assert!(plan.refusals().any(|refusal| refusal.code == "O2052"));
    for part in ["1m 30s old", "this machine or a server is slow or busy", "a lab too fast"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    assert!(finding.advice.contains("--lab-speed"), "{}", finding.advice);
    // A pool that is busy takes long over its answer, and is waited for.
    for server in world.pools.values_mut().next().expect("a pool").servers.values_mut() {
        let Answer::Known(readiness) = &mut server.readiness else { panic!("known") };
        readiness.state = ReadinessState::Busy;
    }
    let (plan, _) = planned(&change, &world);
    assert!(!plan.refusals().any(|refusal| refusal.code == "O2052"));
}

#[test]
fn what_keeps_every_server_from_saying_ready_is_told_once() {
    let mut world = world(4);
    for (name, why) in [("fe2", "access is denied"), ("fe3", "access is denied"), ("fe4", "no answer")] {
        world.seen.servers.get_mut(&server_name(name)).unwrap().readiness = Answer::unknown(why);
    }
    world.seen.servers.get_mut(&server_name("fe1")).unwrap().readiness = Answer::not_asked();
    let text = world.answer("fe1", Question::Ready).text().to_owned();
    assert_eq!(text.matches("access is denied").count(), 1, "{text}");
    assert!(text.contains("fe2") && text.contains("fe3") && text.contains("fe4: no answer"), "{text}");
}

#[test]
fn p3_old_evidence_proves_nothing() {
    let mut world = world(3);
    world.seen.servers.get_mut(&server_name("fe2")).unwrap().taken = now() - EVIDENCE_LIFETIME;
    assert!(world.answer("fe1", Question::Fresh).is_yes());
    world.seen.servers.get_mut(&server_name("fe2")).unwrap().taken = now() - EVIDENCE_LIFETIME - minutes(1);
    assert_eq!(world.answer("fe1", Question::Fresh).word(), "no");
    world.seen.servers.get_mut(&server_name("fe2")).unwrap().taken = now() + minutes(5);
    for server in world.seen.servers.values_mut() {
        server.taken = now() + minutes(5);
    }
    world.seen.dns = Answer::not_asked();
    assert_eq!(world.answer("fe1", Question::Fresh).word(), "unknown");
}

#[test]
fn p3_a_counter_that_cannot_be_read_is_not_zero() {
    let mut world = world(3);
    let name = server_name("fe1");
    let reading = world.seen.servers.get_mut(&name).unwrap().sessions.get_mut(&service("RTCAVMCU")).unwrap();
    reading.measures[0].value = Answer::unknown("permission denied");
    assert_eq!(world.answer("fe1", Question::Blockable).word(), "unknown");
    // A time to wait stands for a counter that is not there, and not for one that could not be read.
    world.change.maintenance.unmeasured.insert(service("RTCAVMCU"), minutes(60));
    assert_eq!(world.answer("fe1", Question::Blockable).word(), "unknown");
    let reading = world.seen.servers.get_mut(&name).unwrap().sessions.get_mut(&service("RTCAVMCU")).unwrap();
    reading.measures[0].absent = true;
    assert!(world.answer("fe1", Question::Blockable).is_yes());
    let Answer::Known(services) = &mut world.seen.servers.get_mut(&name).unwrap().services else { panic!("known") };
    services.get_mut(&service("RTCSRV")).unwrap().accepts_pause = false;
    assert_eq!(world.answer("fe1", Question::Blockable).word(), "no");
}

#[test]
fn p2_a_server_without_the_installer_of_the_plan_stays() {
    let mut world = world(3);
    let mut shown = |file: Answer<FileFacts>| {
        world.seen.servers.get_mut(&server_name("fe2")).unwrap().file = file;
        let (own, other) = (world.answer("fe2", Question::Staged), world.answer("fe1", Question::Staged));
        assert!(other.is_yes(), "each server is asked about its own file: {other}");
        own
    };
    let missing = shown(Answer::Known(FileFacts::Missing));
    assert_eq!(missing, Verdict::No(r"fe2 has no file C:\CU\LyncServerUpdateInstaller.exe".into()));
    let another = shown(Answer::Known(FileFacts::Found { sha256: "ab".repeat(32) }));
    assert!(matches!(&another, Verdict::No(text) if text.contains(&"ab".repeat(32))), "{another}");
    assert_eq!(shown(Answer::unknown("access denied")).word(), "unknown");
    world.change.maintenance.installers = Vec::new();
    assert!(world.ask("fe2").iter().all(|asked| asked.question != Question::Staged));
}

#[test]
fn p2_a_server_on_which_a_restart_is_due_or_that_is_full_stays() {
    let mut world = world(3);
    let mut shown = |change: &dyn Fn(&mut Fitness)| {
        let mut found = fit();
        change(&mut found);
        world.seen.servers.get_mut(&server_name("fe2")).unwrap().fitness = Answer::Known(found);
        world.answer("fe2", Question::Fit)
    };
    let pending = |sign: PendingSign| {
        move |found: &mut Fitness| {
            found.pending.insert(sign, Answer::Known(Some("x".into())));
        }
    };
    assert!(shown(&|_| ()).is_yes());
    let due = shown(&pending(PendingSign::WindowsUpdate));
    assert_eq!(due, Verdict::No("a restart of fe2 is due: Windows Update: x".into()));
    assert!(shown(&pending(PendingSign::FileRenames)).is_yes(), "they are common");
    let unread = |found: &mut Fitness| {
        found.pending.insert(PendingSign::Servicing, Answer::unknown("denied"));
    };
    assert_eq!(shown(&unread).word(), "unknown");
    let patch = |world: &mut World, needs: Option<u64>, pending: PendingRestart| {
        let patch = &mut world.change.maintenance.installers[0];
        (patch.needs_free, patch.pending_restart) = (needs, pending);
    };
    let seen = |world: &mut World, found: Fitness| {
        world.seen.servers.get_mut(&server_name("fe2")).unwrap().fitness = Answer::Known(found);
    };
    patch(&mut world, Some(60 << 30), PendingRestart::Ignore);
    seen(&mut world, fit());
    let full = world.answer("fe2", Question::Fit);
    assert_eq!(full, Verdict::No("fe2 has 50.0 GiB free on C:, and the installer needs 60.0 GiB".into()));
    patch(&mut world, Some(10 << 30), PendingRestart::Ignore);
    let mut due = fit();
    pending(PendingSign::Servicing)(&mut due);
    seen(&mut world, due);
    assert!(world.answer("fe2", Question::Fit).is_yes(), "ignored as the plan says");
    seen(&mut world, Fitness { free: Answer::unknown("x"), ..fit() });
    assert_eq!(world.answer("fe2", Question::Fit).word(), "unknown");
    patch(&mut world, None, PendingRestart::RestartFirst);
    let mut due = fit();
    pending(PendingSign::Servicing)(&mut due);
    seen(&mut world, due);
    let first =
        "a restart of fe2 is due: component servicing: x; it is made once the server is stopped, before the installer";
    assert_eq!(world.answer("fe2", Question::Fit), Verdict::Yes(first.into()));
    let mut unread = fit();
    unread.pending.insert(PendingSign::Servicing, Answer::unknown("denied"));
    seen(&mut world, unread);
    assert_eq!(world.answer("fe2", Question::Fit).word(), "unknown", "p3");
    patch(&mut world, None, PendingRestart::Ignore);
    assert!(world.ask("fe2").iter().all(|asked| asked.question != Question::Fit));
}

#[test]
fn p1_the_last_serving_server_stays() {
    let mut edge = pool("edge", "ed", "198.51.100", 2);
    (edge.role, edge.load_balancing.web) = (Role::Mediation, None);
    let change = change(vec![edge]);
    let mut seen = healthy_pool(&change.pools[0]);
    stop(&mut seen, &server_name("ed1"));
    let world = World { change, seen, ours: BTreeSet::new() };
    assert_eq!(
        world.answer("ed2", Question::Remaining),
        Verdict::No(
            "ed2 may not go: it is the last of edge.contoso.example in service, out are ed1 (RTCMEDSRV is stopped)"
                .into()
        )
    );
    assert!(world.ask("ed2").iter().all(|asked| asked.question != Question::Quorum));
}

#[test]
fn p1_a_shared_budget_counts_every_pool_that_shares_it() {
    let label = Label::new("site=paris").unwrap();
    let (mut one, mut two) = (pool("one", "a", "192.0.2", 3), pool("two", "b", "198.51.100", 3));
    for pool in [&mut one, &mut two] {
        pool.labels.insert(label.clone());
    }
    let mut change = change(vec![one, two]);
    change.budgets.push(orchestrate_model::change::SharedBudget { label, at_once: 1 });
    let ask = |out: &[(&str, &[&str])]| {
        let out = out
            .iter()
            .map(|(pool, servers)| (pool_name(pool), servers.iter().map(|server| server_name(server)).collect()))
            .collect();
        shared_budgets(&change, &change.pools[0], &server_name("a1"), &out)[0].verdict.word()
    };
    assert_eq!(ask(&[("one", &["a1"]), ("two", &[])]), "yes");
    assert_eq!(ask(&[("one", &[]), ("two", &["b3"])]), "no");
    assert_eq!(ask(&[("one", &[])]), "unknown");
}

#[test]
fn a_chosen_service_that_is_missing_is_refused_and_quorum_is_not_touched() {
    let mut world = world(3);
    world.change.maintenance.scope = orchestrate_model::change::Scope::Services(vec![service("RTCRGS")]);
    assert_eq!(may_go(&world.ask("fe1")).word(), "yes", "{:#?}", world.ask("fe1"));
    assert!(world.answer("fe1", Question::Quorum).text().contains("RTCSRV keeps running"));
    let Answer::Known(services) = &mut world.seen.servers.get_mut(&server_name("fe1")).unwrap().services else {
        panic!("known")
    };
    services.remove(&service("RTCRGS"));
    assert_eq!(world.answer("fe1", Question::Blockable).word(), "no");
}

#[test]
fn what_has_to_be_asked_is_what_the_answers_need() {
    let mut world = world(3);
    world.change.pools[0].servers[0].hosts.insert(orchestrate_model::pool::Hosted::CentralManagement);
    assert!(world.answer("fe2", Question::Replication).is_yes());
    let server = server_name("fe2");
    let asks = evidence(&world.change, &world.change.pools[0], Some(&server));
    use orchestrate_model::observe::Part;
    assert!(asks.servers[&server_name("fe1")].wants(Part::Readiness) && !asks.servers[&server].wants(Part::Readiness));
    assert!(asks.servers[&server_name("fe1")].wants(Part::Replication));
    assert!(asks.servers[&server].sessions.contains(&service("RTCSRV")));
    assert!(asks.servers[&server_name("fe1")].sessions.is_empty());
    assert_eq!(asks.names.unwrap().names.len(), 5);
    let planning = evidence(&world.change, &world.change.pools[0], None);
    assert!(planning.servers[&server].wants(Part::Versions) && planning.servers[&server].wants(Part::Readiness));
    world.change.pools[0].product = Product::Sfb2019;
    world.change.pools[0].role = Role::Edge;
    let edge = evidence(&world.change, &world.change.pools[0], None);
    assert!(!edge.servers[&server].wants(Part::Readiness));
}

#[test]
fn a_pool_behind_a_balancer_is_not_told_to_correct_its_records() {
    let mut world = world(3);
    world.change.pools[0].load_balancing.sip = SipBalancing::Hardware;
    let asked = world.ask("fe1");
    for feature in Feature::ALL {
        let asked = asked.iter().find(|asked| asked.question == covered(feature)).unwrap();
        assert!(!asked.verdict.is_yes());
        let by_name = format!("accept_loss: [{feature}]");
        assert!(asked.advice.starts_with("Balance SIP by DNS") && asked.advice.contains(&by_name), "{}", asked.advice);
    }
}
