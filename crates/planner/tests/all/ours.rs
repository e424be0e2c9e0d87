//! Which answers the run's own doing turns, and what is asked then.

use crate::support::*;
use orchestrate_model::observe::ReadinessState;
use orchestrate_model::pool::Hosted;
use orchestrate_model::{Answer, Change, Feature, PoolObservation, RunState, ServerName, ServiceName, Verdict};
use orchestrate_planner::safety::{Asked, Case, Covered, Ours, Question, assess_ours, may_go};
use std::collections::BTreeSet;

struct World {
    change: Change,
    seen: PoolObservation,
    /// Servers that the run has out.
    away: BTreeSet<ServerName>,
    /// Servers of other pools that it has brought back a short time ago.
    catching_up: BTreeSet<ServerName>,
    /// What ran on the server in question, once it is out.
    served: Option<BTreeSet<ServiceName>>,
}

/// A pool whose fe1 this run has blocked.
fn world(servers: usize) -> World {
    let change = change(vec![pool("pool01", "fe", "192.0.2", servers)]);
    let seen = healthy_pool(&change.pools[0]);
    let served = seen.servers[&server_name("fe1")].services.known().unwrap().keys().cloned().collect();
    let away = BTreeSet::from([server_name("fe1")]);
    let mut world = World { change, seen, away, catching_up: BTreeSet::new(), served: Some(served) };
    world.set("fe1", RunState::Paused);
    world
}

impl World {
    fn set(&mut self, server: &str, state: RunState) {
        let seen = self.seen.servers.get_mut(&server_name(server)).unwrap();
        let Answer::Known(services) = &mut seen.services else { panic!("known") };
        services.values_mut().for_each(|status| status.state = Answer::Known(state));
    }

    /// Every server says so of its pool.
    fn says(&mut self, state: &ReadinessState, active: Option<u32>) {
        for server in self.seen.servers.values_mut() {
            let Answer::Known(readiness) = &mut server.readiness else { panic!("known") };
            (readiness.state, readiness.active) = (state.clone(), active);
        }
    }

    fn ask(&self, server: &str) -> Vec<Asked> {
        let server = server_name(server);
        let mut others = self.away.clone();
        others.remove(&server);
        let (change, pool, seen) = (&self.change, &self.change.pools[0], &self.seen);
        let case = Case { change, pool, server: &server, seen, ours_out: &others, now: now() };
        assess_ours(&case, &Ours { away: &self.away, catching_up: &self.catching_up, served: self.served.as_ref() })
    }

    fn answer(&self, server: &str, question: Question) -> Verdict {
        let found = self.ask(server).into_iter().find(|asked| asked.question == question);
        found.unwrap_or_else(|| panic!("{question} was not asked")).verdict
    }
}

#[test]
fn p2_a_server_that_is_out_in_a_good_pool_may_stay_out() {
    let world = world(3);
    let asked = world.ask("fe1");
    assert!(may_go(&asked).is_yes(), "{asked:#?}");
    for question in [Question::Blockable, Question::Staged, Question::Replication, Question::CentralManagement] {
        assert!(asked.iter().all(|asked| asked.question != question), "{question} was for before it went");
    }
}

#[test]
fn p2_what_the_product_says_of_our_own_block_is_no_reason_against_it() {
    for word in [ReadinessState::Busy, ReadinessState::InsufficientActiveFrontEnds] {
        let mut world = world(3);
        world.says(&word, Some(2));
        assert!(world.answer("fe1", Question::Ready).is_yes(), "two of three are active, and the third is ours");
        world.says(&word, None);
        assert!(world.answer("fe1", Question::Ready).is_yes(), "nothing tells it apart from our own block");
        world.says(&word, Some(1));
        assert_eq!(world.answer("fe1", Question::Ready).word(), "no", "one that is seen to serve is not active");
    }
}

#[test]
fn p2_a_server_that_is_to_go_beside_another_of_ours_is_asked_about_the_rest_of_the_pool() {
    let mut world = world(4);
    world.served = None;
    world.says(&ReadinessState::Busy, Some(3));
    assert!(world.answer("fe2", Question::Ready).is_yes(), "none but fe1 is missing");
    world.says(&ReadinessState::Busy, None);
    assert_eq!(world.answer("fe2", Question::Ready).word(), "no", "p3: without a count nobody knows why it is busy");
    world.away.clear();
    world.set("fe1", RunState::Running);
    world.says(&ReadinessState::Busy, Some(4));
    assert_eq!(world.answer("fe2", Question::Ready).word(), "no", "the run has nothing out");
}

#[test]
fn the_replica_of_a_server_that_we_have_out_is_waited_for_by_nobody_else() {
    let mut world = world(3);
    world.served = None;
    world.change.pools[0].servers[1].hosts.insert(Hosted::CentralManagement);
    for lagging in ["fe1", "fe3"] {
        for server in world.seen.servers.values_mut() {
            let all = ["fe1", "fe2", "fe3"].map(|name| (server_name(name), name != lagging));
            server.replication = Answer::Known(all.into());
        }
        let ours = world.away.contains(&server_name(lagging));
        assert_eq!(world.answer("fe2", Question::Replication).is_yes(), ours, "{lagging}");
    }
}

#[test]
fn a_replica_in_another_pool_follows_for_a_time_after_this_run_had_its_server_and_the_proof_says_so() {
    let mut world = world(3);
    world.served = None;
    world.change.pools[0].servers[1].hosts.insert(Hosted::CentralManagement);
    for server in world.seen.servers.values_mut() {
        let own = ["fe1", "fe2", "fe3"].map(|name| (server_name(name), true));
        server.replication = Answer::Known(own.into_iter().chain([(server_name("g6"), false)]).collect());
    }
    let lags = world.answer("fe2", Question::Replication);
    assert!(matches!(&lags, Verdict::No(why) if why.contains("replicas behind: g6")), "{lags}");
    world.catching_up.insert(server_name("g6"));
    let follows = world.answer("fe2", Question::Replication);
    let said = "every configuration replica is up to date but those of g6, which this run has just had in hand";
    assert_eq!(follows, Verdict::Yes(said.to_owned()));
}

#[test]
fn a_record_that_is_gone_because_its_server_is_out_covers_the_others_all_the_same() {
    for (gone, forgiven) in [(0, true), (1, false)] {
        let mut world = world(3);
        let Answer::Known(dns) = &mut world.seen.dns else { panic!("known") };
        let pool = world.change.pools[0].name.dns();
        for answer in dns.answers.iter_mut().filter(|answer| answer.name == pool) {
            let Answer::Known(records) = &mut answer.records else { panic!("known") };
            records.addresses.remove(gone);
        }
        let records = world.answer("fe1", Question::Coverage(Covered::Records));
        assert_eq!(records.is_yes(), forgiven, "{records}");
        assert!(!forgiven || records.text().contains("but fe1"), "the proof says what it is: {records}");
    }
}

#[test]
fn p2_a_feature_is_asked_about_after_its_service_was_stopped_here() {
    let mut world = world(3);
    world.set("fe1", RunState::Stopped);
    let parked = Question::Coverage(Covered::Feature(Feature::CallPark));
    assert!(world.answer("fe1", parked).is_yes());
    for other in ["fe2", "fe3"] {
        let seen = world.seen.servers.get_mut(&server_name(other)).unwrap();
        let Answer::Known(services) = &mut seen.services else { panic!("known") };
        services.get_mut(&service("RTCCPS")).unwrap().state = Answer::Known(RunState::Stopped);
    }
    assert_eq!(world.answer("fe1", parked).word(), "no", "it ran here before the run came");
}

#[test]
fn p1_another_server_that_goes_while_ours_is_out_is_named() {
    for servers in [2, 3] {
        let mut world = world(servers);
        let silent = world.seen.servers.get_mut(&server_name("fe2")).unwrap();
        silent.services = Answer::unknown("no route to host");
        let verdict = may_go(&world.ask("fe1"));
        assert!(!verdict.is_yes() && verdict.text().contains("fe2 (no route to host)"), "{verdict}");
    }
}
