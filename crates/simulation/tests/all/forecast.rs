//! Forecasts of a change.

use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{DnsName, ExternalUse, Role, ServiceName};
use orchestrate_simulation::{Fault, Options, SessionAssumption, example_change, simulate};

fn options(runs: u32, faults: Vec<Fault>) -> Options {
    let now = "2026-11-28T22:00:00Z".parse().expect("a time");
    Options { runs, seed: 7, faults, now, sessions: SessionAssumption::default() }
}

#[test]
fn a_forecast_says_how_long_and_what_faults_do() {
    let faults = vec![Fault::LateAnswers, Fault::Crash, Fault::DoubleRestarts];
    let forecast = simulate(&example_change(3), &options(60, faults)).unwrap();
    assert_eq!((forecast.runs, forecast.refusals.len()), (60, 0), "{forecast:?}");
    assert_eq!(forecast.outcomes.get("done"), Some(&60), "{}", forecast.text());
    assert_eq!(forecast.servers.len(), 3);
    for server in &forecast.servers {
        assert_eq!(server.takes.values, 60);
        assert!(0 < server.drain.p50 && server.drain.p95 < server.takes.p95, "{server:?}");
        assert!(server.takes.p50 <= server.takes.p95 && server.takes.p95 <= server.takes.most);
    }
    assert!(forecast.whole.p50 < forecast.schedule_s && forecast.lower_bound_s <= forecast.schedule_s);
    assert!(forecast.faults.iter().all(|fault| fault.broken == 0 && fault.all_back == fault.runs), "{forecast:?}");
    assert!(forecast.timeline.iter().any(|moment| moment.text.contains("drain")));
    for part in ["19 of 20", "late-answers", "assumed", "lower bound"] {
        assert!(forecast.text().contains(part), "{}", forecast.text());
    }
}

#[test]
fn the_same_seed_gives_the_same_forecast() {
    let twice = [0, 1].map(|_| simulate(&example_change(2), &options(10, Vec::new())).unwrap());
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn one_run_with_faults_is_told_with_its_faults() {
    let quiet = simulate(&example_change(2), &options(1, Vec::new())).unwrap();
    let crashed = simulate(&example_change(2), &options(1, vec![Fault::Crash])).unwrap();
    let told = crashed.timeline_text();
    assert!(told.contains("faults: crash") && told.contains("drain: "), "{told}");
    assert!(!quiet.timeline_text().contains("faults"), "{}", quiet.timeline_text());
    assert!(!told.contains("\"kind\""), "records are told in words: {told}");
}

#[test]
fn runs_that_do_not_come_to_their_end_are_told_with_their_reason() {
    let mut change = example_change(2);
    change.maintenance.drain.deadline = jiff::SignedDuration::from_mins(1);
    let forecast = simulate(&change, &options(20, Vec::new())).unwrap();
    let text = forecast.text();
    let why = "not 20: stopped before its end, held in drain: sessions are left at the deadline of the drain";
    assert!(text.contains(why) && text.contains("no run came to its end"), "{text}");
    assert_eq!(forecast.misfits.values().sum::<u32>(), 20);
}

#[test]
fn p9_a_window_that_is_too_short_is_told() {
    let mut change = example_change(4);
    change.windows = vec![orchestrate_model::window::Window {
        every: orchestrate_model::window::Recurrence::Daily,
        start: "22:00".parse().unwrap(),
        duration: jiff::SignedDuration::from_mins(495),
        timezone: "UTC".into(),
    }];
    let forecast = simulate(&change, &options(20, Vec::new())).unwrap();
    assert!(forecast.fits < 1.0 && forecast.openings.p50 > 1, "{}", forecast.text());
    for part in ["needs more than one window", "windows       half of the runs need 2"] {
        assert!(forecast.text().contains(part), "{part} is missing: {}", forecast.text());
    }
    assert_eq!(forecast.outcomes.get("done"), Some(&20), "{}", forecast.text());
}

#[test]
fn a_pool_that_hosts_the_central_management_is_answered_for_and_contradictions_leave_nothing_out() {
    let mut change = example_change(3);
    change.pools[0].servers[0].hosts.insert(orchestrate_model::pool::Hosted::CentralManagement);
    let faults = vec![Fault::Contradictions, Fault::PartialAnswers];
    let forecast = simulate(&change, &options(20, faults)).unwrap();
    assert_eq!((forecast.refusals.len(), forecast.outcomes.get("done")), (0, Some(&20)), "{}", forecast.text());
    assert!(forecast.faults.iter().all(|fault| fault.broken == 0 && fault.all_back == fault.runs), "{forecast:?}");
}

/// Its guards ask for the external names, so the name servers of the simulation have to know them.
#[test]
fn an_edge_pool_with_external_names_is_simulated_to_its_end() {
    for sip in [SipBalancing::Dns, SipBalancing::Hardware] {
        let mut change = example_change(2);
        for service in ["RTCDATAPROXY", "RTCMEDIARELAY"] {
            let wait = jiff::SignedDuration::from_mins(30);
            change.maintenance.unmeasured.insert(ServiceName::new(service).unwrap(), wait);
        }
        let pool = &mut change.pools[0];
        (pool.role, pool.load_balancing.web, pool.load_balancing.sip) = (Role::Edge, None, sip);
        let name = DnsName::new("sip.contoso.example").unwrap();
        pool.load_balancing.external.insert(ExternalUse::Access, name);
        for (number, server) in (1..).zip(&mut pool.servers) {
            server.external.insert(ExternalUse::Access, vec![std::net::IpAddr::from([203, 0, 113, number])]);
        }
        let forecast = simulate(&change, &options(5, Vec::new())).unwrap();
        assert_eq!(forecast.refusals.len(), 0, "{forecast:?}");
        assert_eq!(forecast.outcomes.get("done"), Some(&5), "{}", forecast.text());
    }
}

#[test]
fn a_forecast_for_programs_is_as_its_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(orchestrate_simulation::SCHEMA).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let told = simulate(&example_change(3), &options(1, vec![Fault::InstallerFails])).unwrap();
    let mut document = serde_json::to_value(told.document()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{document:#}\n{errors:?}");
    let described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(described, document.as_object().unwrap().keys().collect::<Vec<_>>());
    let words = &schema["properties"]["faults"]["items"]["properties"]["fault"]["enum"];
    assert_eq!(*words, serde_json::json!(Fault::ALL.as_slice()));
    document["faults"][0]["fault"] = "bad-luck".into();
    assert!(!validator.is_valid(&document));
}
