//! Runs of the topologies on the lab, with the rules that only a run can show: what is blocked, how many are out at
//! once, what is waited for, what is refused when nobody is there.
//!
//! The plans are those of `plans/`, with a short soak; the lab's servers are quick and its sessions short, so that a
//! night takes seconds.
#![cfg(test)]

use orchestrate_lab::LabReport;
use orchestrate_model::ServerName;
use orchestrate_tests::cli::{Said, Sandbox, repository};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// Evidence is fresh for 30 s of the lab's time, half a second at this speed.
const SPEED: &str = "60";

/// For runs of two servers that mostly wait.
const FAST: &str = "100";

/// Quick servers and short sessions.
const QUICK: &str = "
seed: 5
load: {factor: 0.3, length: 0.02}
installer: {duration_s: [20, 40], exit_code: 3010}
timing: {boot_s: 20, winrm_late_s: 10, delayed_start_s: 10, pause_s: 1, continue_s: 1, stop_s: 2, start_s: 2, busy_s: 10}
";

/// A plan of `plans/` with changes, and a lab scenario.
struct Trial {
    sandbox: Sandbox,
    plan: String,
    speed: &'static str,
}

/// What a run did.
struct Ran {
    said: Said,
    report: LabReport,
    records: Vec<Value>,
}

fn maintained(name: &str) -> String {
    std::fs::read_to_string(repository().join("plans").join(name)).unwrap()
}

impl Trial {
    /// Returns a trial of a plan's text, with each first text replaced by the second.
    fn of(text: &str, changes: &[(&str, &str)], scenario: &str) -> Self {
        let sandbox = Sandbox::default();
        let changed = changes.iter().fold(text.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "the plan has no {from:?}");
            text.replace(from, to)
        });
        let scenario = sandbox.file("plan.lab.yaml", scenario);
        assert!(scenario.exists());
        let plan = sandbox.file("plan.yaml", &changed).display().to_string();
        Self { sandbox, plan, speed: SPEED }
    }

    fn fast(self) -> Self {
        Self { speed: FAST, ..self }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&[self.plan.as_str(), "--lab", "--lab-speed", self.speed], more].concat()
    }

    fn start(&self, more: &[&str]) -> Said {
        self.sandbox.run(&self.arguments(more))
    }

    /// Runs it with nobody there, to its end.
    fn run(&self) -> Ran {
        let said = self.start(&["--unattended", "-o", "json"]);
        let mut events = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let report = events.rfind(|event| event["event"] == "lab_report");
        let report = report.unwrap_or_else(|| panic!("no lab report:\n{}\n{}", said.out, said.err));
        let report = serde_json::from_value(report["report"].clone()).unwrap();
        Ran { records: self.records(), said, report }
    }

    /// The records of the only run.
    fn records(&self) -> Vec<Value> {
        let Some(run) = self.sandbox.runs().pop() else { return Vec::new() };
        let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].clone()).collect()
    }

    /// Runs it with a terminal, as far as the system has a way to make one.
    fn start_in_a_terminal(&self, more: &[&str]) -> Option<std::process::Child> {
        let command = self.sandbox.command(&self.arguments(more));
        let mut line = command.get_program().to_string_lossy().into_owned();
        for argument in command.get_args() {
            line = format!("{line} '{}'", argument.to_string_lossy());
        }
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(repository());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
    }
}

impl Ran {
    #[track_caller]
    fn assert_done(&self) {
        self.assert_ended_with(0);
    }

    /// Every server is done and back, without harm, and the run ended with this exit code.
    fn assert_ended_with(&self, code: i32) {
        assert_eq!(self.said.code, Some(code), "{}\n{}", self.said.out, self.said.err);
        assert_eq!(self.report.sessions.cut_total(), 0, "{:?}", self.report.sessions);
        assert!(self.report.servers.values().all(|server| server.patched_while_serving.is_empty()), "{}", self.report);
        assert!(self.report.start_types_as_before, "{}", self.report);
        assert!(self.report.pools.values().all(|pool| pool.out.is_empty()), "{}", self.report);
    }

    fn notes(&self) -> String {
        let notes = self.records.iter().filter(|record| record["kind"] == "note");
        notes.filter_map(|record| record["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    fn proofs(&self) -> String {
        let done = self.records.iter().filter(|record| record["kind"] == "step_done");
        done.filter_map(|record| record["proof"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The services that an act named, by the kind of the act.
    fn services(&self, act: &str) -> BTreeSet<&str> {
        let acts = self.records.iter().filter(|record| record["kind"] == "intent");
        acts.filter_map(|record| record["act"][act]["service"].as_str()).collect()
    }

    /// The servers in the order in which they ended.
    fn order(&self) -> Vec<String> {
        let ended = self.records.iter().filter(|record| record["kind"] == "server_ended");
        let works: Vec<&Value> = ended.map(|record| &record["work"]).collect();
        let server = |work: &&Value| {
            let mut intents = self.records.iter().filter(|record| record["kind"] == "intent");
            let intent = intents.find(|record| record["work"] == **work);
            intent.map_or_else(String::new, |intent| intent["target"]["server"].as_str().unwrap().to_owned())
        };
        works.iter().map(server).collect()
    }
}

const SHORT: (&str, &str) = ("  soak: 20m", "  soak: 1m");
const T4_SHORT: (&str, &str) = ("  on_hold: return", "  on_hold: return\n  soak: 1m");
const ONE_OF_TWO: &str = "servers: {fe42.contoso.example: {level: patched}}\n";

#[test]
fn p1_p4_p5_t1_runs_and_every_server_is_proven_back_before_the_next_one_goes() {
    let scenario = format!("{QUICK}dns: {{records: {{webint.contoso.example: [192.0.2.10]}}}}\n");
    let scenario = scenario.replace("busy_s: 10", "busy_s: 10, replica_s: 120");
    let ran = Trial::of(&maintained("contoso-front-end.yaml"), &[SHORT], &scenario).run();
    ran.assert_done();
    assert_eq!(ran.report.sessions.refused_total(), 0, "{}", ran.report);
    assert_eq!((ran.report.most_out(), ran.report.patched().count()), (1, 3));
    assert_eq!(ran.order(), ["fe2.contoso.example", "fe3.contoso.example", "fe1.contoso.example"]);
    let proofs = ran.proofs();
    let gates = "every configuration replica is up to date, the central management is active where it was, the fabric \
                 state is as before";
    assert_eq!(proofs.matches(gates).count(), 3, "{proofs}");
    assert_eq!(ran.notes(), "");
}

#[test]
fn p1_t4_runs_with_one_of_its_two_servers_always_there() {
    let ran = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], QUICK).run();
    ran.assert_done();
    assert_eq!((ran.report.most_out(), ran.report.patched().count()), (1, 2));
    assert_eq!(ran.report.sessions.refused_total(), 0, "{}", ran.report);
}

#[test]
fn p1_t9_runs_the_mediation_pool_before_the_edge_pool() {
    let unmeasured = "    unmeasured: {RTCDATAPROXY: 30m, RTCMEDIARELAY: 30m}";
    let changes = [(unmeasured, "    unmeasured: {RTCDATAPROXY: 1m, RTCMEDIARELAY: 1m}\n  soak: 1m")];
    let ran = Trial::of(&maintained("t9-edge-and-mediation.yaml"), &changes, QUICK).run();
    ran.assert_done();
    assert_eq!((ran.report.most_out(), ran.report.patched().count()), (1, 4));
    let order = ran.order();
    assert!(order[..2].iter().all(|server| server.starts_with("med")), "{order:?}");
}

#[test]
fn p2_t9_refuses_to_drain_the_last_server_that_runs() {
    let scenario = format!("{QUICK}servers: {{edge92.contoso.example: {{states: {{RTCSRV: stopped}}}}}}\n");
    let trial = Trial::of(&maintained("t9-edge-and-mediation.yaml"), &[], &scenario);
    let said = trial.start(&["--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("edge91 may not go: it is the last of edge09.contoso.example in service"), "{}", said.out);
    assert!(trial.records().is_empty(), "nothing was begun");
}

/// The records of T9's pools spoilt: none of its services is one of the five features.
#[test]
fn p2_t9_is_refused_when_a_pool_s_records_lack_a_server_or_lead_to_a_stranger() {
    let records = "dns: {records: {edge09.contoso.example: [198.51.100.91], med09.contoso.example: [203.0.113.77]}}\n";
    let trial = Trial::of(&maintained("t9-edge-and-mediation.yaml"), &[], &format!("{QUICK}{records}"));
    let said = trial.start(&["--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("refusal O2001") && said.out.contains("refusal O2005"), "{}", said.out);
    assert!(trial.records().is_empty(), "nothing was begun");
}

#[test]
fn p4_a_collocated_service_that_the_plan_does_not_name_is_refused_with_the_line_to_add() {
    let plan = maintained("contoso-front-end.yaml");
    let scenario = format!("{QUICK}services: {{also: [RTCMEDSRV]}}\n");
    let trial = Trial::of(&plan, &[("    services: [RTCMEDSRV] ", "    #")], &scenario);
    let said = trial.start(&["--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("RTCMEDSRV is running on fe1, fe2 and fe3 and not in the plan"), "{}", said.out);
    assert!(text.contains("services: [RTCMEDSRV]"), "{}", said.out);
    assert!(trial.records().is_empty(), "nothing was begun");
}

/// No source has the Windows name of XMPP Proxy: each server is asked which services show themselves as the product's.
#[test]
fn p4_a_service_that_only_its_display_name_gives_away_is_refused_until_the_plan_names_it() {
    let plan = maintained("contoso-front-end.yaml");
    let scenario = format!("{QUICK}services: {{also: [ODDPROXY], display: {{ODDPROXY: Lync Server XMPP Proxy}}}}\n");
    let trial = Trial::of(&plan, &[], &scenario);
    let said = trial.start(&["--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("refusal O2050"), "{}", said.out);
    assert!(text.contains("ODDPROXY (Lync Server XMPP Proxy) is running on fe1, fe2 and fe3"), "{}", said.out);
    assert!(text.contains("{unmeasured: {ODDPROXY: 30m}}"), "{}", said.out);
    assert!(trial.records().is_empty(), "nothing was begun");
}

/// The product's own procedure stops all of its services before an update. What supports the others goes after them and
/// comes back before them, with its start type left alone; one that does not stop is no reason to turn back.
#[test]
fn p4_p5_supporting_services_are_stopped_for_the_installer_and_run_again_before_the_others() {
    let scenario = format!("{QUICK}services: {{refuse_stop: {{RTCCLSAGT: 2}}}}\n");
    // Without a restart they do not come up by themselves.
    let scenario = scenario.replace("exit_code: 3010", "exit_code: 0");
    let ran = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], &scenario).fast().run();
    ran.assert_done();
    let acts: Vec<String> = ran
        .records
        .iter()
        .filter(|record| record["kind"] == "intent" && record["work"] == 0)
        .map(|record| record["act"].to_string())
        .collect();
    let place =
        |act: &str| acts.iter().position(|found| found.contains(act)).unwrap_or_else(|| panic!("{act}: {acts:#?}"));
    let (stop, start) = (r#"{"stop":{"service":"#, r#"{"start":{"service":"#);
    let replica = place(&format!("{stop}\"REPLICA\""));
    assert!(place(&format!("{stop}\"RTCSRV\"")) < replica && replica < place("start_installer"), "{acts:#?}");
    assert!(place(&format!("{start}\"REPLICA\"")) < place(&format!("{start}\"RTCSRV\"")), "{acts:#?}");
    assert!(!acts.iter().any(|act| act.contains("set_start_type") && act.contains("REPLICA")), "{acts:#?}");
    assert!(!acts.iter().any(|act| act.contains("FabricHostSvc")), "the platform is never touched: {acts:#?}");
    let proofs = ran.records.iter().filter_map(|record| record["proof"].as_str());
    let stopped = proofs.filter(|proof| proof.contains("supporting services that did not stop: RTCCLSAGT is running"));
    assert_eq!(stopped.count(), 2);
}

/// RTCCAS is blocked with RTCCAA, and no other server would announce anything.
#[test]
fn p2_a_dependent_that_no_other_server_runs_is_refused_with_what_it_depends_on() {
    let stopped = "{states: {RTCCAS: stopped}}";
    let scenario = format!(
        "{QUICK}services: {{depends_on: {{RTCCAS: [RTCCAA]}}}}\n\
         servers: {{fe2.contoso.example: {stopped}, fe3.contoso.example: {stopped}}}\n"
    );
    let changes =
        [("  scope: all-services", "  scope: {services: [RTCCAA]}"), ("  restart: when-needed", "  restart: never")];
    let trial = Trial::of(&maintained("contoso-front-end.yaml"), &changes, &scenario);
    let said = trial.start(&["--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("only RTCCAA, and what depends on it: RTCCAS"), "{}", said.out);
    assert!(text.contains("Conferencing Announcement is not covered"), "{}", said.out);
    assert!(trial.records().is_empty(), "nothing was begun");
}

#[test]
fn p2_a_server_that_lacks_the_installer_is_refused_before_anything_is_drained() {
    for (file, said_of_it) in [("missing", "fe3 has no file C:"), ("different", "is another file than the plan means")]
    {
        let scenario = format!("{QUICK}servers: {{fe3.contoso.example: {{file: {file}}}}}\n");
        let trial = Trial::of(&maintained("contoso-front-end.yaml"), &[SHORT], &scenario);
        let said = trial.start(&["--unattended"]);
        assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
        let text = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("O2049") && text.contains(said_of_it), "{}", said.err);
        assert!(trial.records().is_empty(), "nothing was begun");
    }
}

#[test]
fn p2_t2_runs_once_each_loss_is_accepted_by_name() {
    let scenario = format!(
        "{QUICK}dns: {{records: {{pool02.contoso.example: [198.51.100.10]}}}}\nbalancer_addresses: [198.51.100.10]\n"
    );
    let elsewhere = ("balancer: operator", "balancer: {elsewhere: a script of the network team}");
    let accepted = ("  # accept_loss", "  soak: 1m\n  accept_loss");
    let text = maintained("t2-hardware-balancer.yaml");
    let refused = Trial::of(&text, &[elsewhere], &scenario).start(&["--unattended"]);
    assert_eq!(refused.code, Some(9), "{}", refused.err);
    let one = ("  # accept_loss: [Attendant, ", "  accept_loss: [");
    let refused = Trial::of(&text, &[elsewhere, one], &scenario).start(&["--unattended"]);
    assert_eq!(refused.code, Some(9), "{}", refused.err);
    assert!(refused.err.contains("Attendant is not covered"), "{}", refused.err);
    let ran = Trial::of(&text, &[elsewhere, accepted], &scenario).run();
    ran.assert_done();
    assert_eq!((ran.report.most_out(), ran.report.patched().count()), (1, 3));
}

#[test]
fn a_balancer_that_a_person_works_needs_a_person() {
    let scenario = format!(
        "{QUICK}dns: {{records: {{pool02.contoso.example: [198.51.100.10]}}}}\nbalancer_addresses: [198.51.100.10]\n"
    );
    let text = maintained("t2-hardware-balancer.yaml");
    let trial = Trial::of(&text, &[("  # accept_loss", "  accept_loss")], &scenario);
    for arguments in [&["--unattended"][..], &["--yes"], &["--dry-run", "--unattended"]] {
        let said = trial.start(arguments);
        assert_eq!(said.code, Some(9), "{arguments:?}: {}\n{}", said.out, said.err);
        assert!(said.err.contains("no person is there to decide: O2035"), "{}", said.err);
    }
    assert!(trial.records().is_empty(), "nothing was begun");
    assert_eq!(trial.start(&["--dry-run"]).code, Some(0), "a preview is for somebody who is there");
}

#[test]
fn p5_a_start_type_that_is_not_the_usual_one_is_asked_about_before_it_is_taken_as_truth() {
    let found = "servers: {fe42.contoso.example: {level: patched}, fe41.contoso.example: {states: {RTCRGS: running}, start_types: {RTCRGS: {mode: manual, delayed: false}}}}\n";
    let trial = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], &format!("{QUICK}{found}"));
    for arguments in [["--unattended"], ["--yes"]] {
        let said = trial.start(&arguments);
        assert_eq!(said.code, Some(9), "{arguments:?}: {}\n{}", said.out, said.err);
        for word in
            ["no person is there to decide: O2023", "fe41.contoso.example: RTCRGS runs, and its start type is manual"]
        {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
    }
    assert!(trial.records().is_empty(), "nothing was begun");
    let Some(mut attended) = trial.start_in_a_terminal(&["--yes"]) else {
        println!("skipped: there is no `script` to make a terminal with");
        return;
    };
    let run = trial.sandbox.wait_for_record(r#""kind":"held""#);
    let untouched = trial.records().iter().all(|record| record["kind"] != "intent");
    assert!(untouched, "the operator is asked before the first change");
    let decided = trial.sandbox.run(&["decide", &run, "fe41.contoso.example", "skip"]);
    assert_eq!(decided.code, Some(0), "{}", decided.err);
    assert_eq!(attended.wait().unwrap().code(), Some(0));
    let snapshot = trial.records().into_iter().find(|record| record["kind"] == "snapshot").unwrap();
    assert_eq!(snapshot["snapshot"]["services"]["RTCRGS"]["start"]["mode"], "manual", "what was found is restored");
}

#[test]
fn one_service_is_blocked_with_its_dependents_and_the_rest_keeps_serving() {
    let changes = [
        SHORT,
        ("  scope: all-services", "  scope: {services: [Response Group]}"),
        ("  restart: when-needed", "  restart: never"),
    ];
    let scenario = format!(
        "{QUICK}dns: {{records: {{webint.contoso.example: [192.0.2.10]}}}}\nservices: {{depends_on: {{RTCCPS: [RTCRGS]}}}}\n"
    );
    let scenario = scenario.replace("exit_code: 3010", "exit_code: 0");
    let trial = Trial::of(&maintained("contoso-front-end.yaml"), &changes, &scenario);
    let ran = trial.run();
    ran.assert_done();
    let scope = BTreeSet::from(["RTCRGS", "RTCCPS"]);
    for act in ["pause", "stop", "start", "set_start_type"] {
        assert_eq!(ran.services(act), scope, "{act}: the dependent was read from the server, nothing else is touched");
    }
    assert_eq!((ran.report.sessions.refused_total(), ran.report.patched().count()), (0, 3));
    let restarts: u32 = ran.report.servers.values().map(|server| server.restarts).sum();
    assert_eq!(restarts, 0, "a restart would cut the sessions of everything else");
    let told = std::fs::read_to_string(ran.report.record.unwrap()).unwrap();
    let stopped = told.lines().filter(|line| line.contains("StopService") || line.contains("PauseService"));
    assert!(stopped.clone().count() >= 12, "{told}");
    assert!(stopped.clone().all(|line| line.contains("RTCRGS") || line.contains("RTCCPS")), "{told}");
}

#[test]
fn the_gate_notes_a_fabric_state_that_is_not_as_before_and_goes_on_after_ten_minutes() {
    let scenario = format!("{QUICK}{ONE_OF_TWO}fabric: stays\n");
    let ran = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], &scenario).fast().run();
    ran.assert_ended_with(3);
    let left = ran.records.iter().filter(|record| record["kind"] == "left_over").count();
    assert_eq!(left, 1, "a person is told to compare it");
    let notes = ran.notes();
    for word in ["fe41.contoso.example: the fabric state is not as it was before", "gone:", "new:", "Primary fe42"] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
    assert!(ran.proofs().contains("the fabric state is not as before, as noted"), "{}", ran.proofs());
    let passed = ran.report.at.duration_since(ran.report.origin);
    assert!(passed.as_mins() >= 10, "it was waited for: {passed}");
}

#[test]
fn a_release_without_a_fabric_state_is_noted_and_not_held() {
    let scenario = format!("{QUICK}{ONE_OF_TWO}fabric: missing\n");
    let ran = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], &scenario).fast().run();
    ran.assert_done();
    assert!(ran.notes().contains("Not every release has Get-CsPoolFabricState"), "{}", ran.notes());
}

#[test]
fn p3_replicas_that_are_behind_refuse_the_run_before_any_change() {
    let scenario = format!(
        "{QUICK}dns: {{records: {{webint.contoso.example: [192.0.2.10]}}}}\nservers: {{fe3.contoso.example: {{states: {{REPLICA: stopped}}}}}}\n"
    );
    let said = Trial::of(&maintained("contoso-front-end.yaml"), &[], &scenario).start(&["--unattended"]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    assert!(said.err.contains("replicas behind: fe3"), "{}", said.err);
}

#[test]
fn a_registrar_that_starts_for_forty_minutes_is_waited_for_and_is_no_error() {
    let scenario = format!("{QUICK}{ONE_OF_TWO}services: {{start_s: {{RTCSRV: 2400}}}}\n");
    let ran = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], &scenario).fast().run();
    ran.assert_done();
    assert!(ran.records.iter().all(|record| record["kind"] != "held"), "it was never held");
    let passed = ran.report.at.duration_since(ran.report.origin);
    assert!(passed.as_mins() >= 40, "{passed}");
}

/// Two Mediation pools of two servers with one label and nothing between them.
fn two_pools(at_once: u32) -> String {
    let pool = |name: &str, net: u32| {
        format!(
            "  {name}.contoso.example:
    product: lync2013
    role: mediation
    load_balancing: {{sip: dns}}
    servers:
      {name}1.contoso.example: {{address: 192.0.2.{net}1}}
      {name}2.contoso.example: {{address: 192.0.2.{net}2}}
    access: {{winrm: {{credentials: {{env: MAINTENANCE}}}}}}
    labels: {{site: paris}}
"
        )
    };
    format!(
        "version: 1
name: two pools
reason: a budget that they share
pools:
{}{}maintenance:
  scope: all-services
  soak: 1m
  restart: always
budgets:
  - {{label: site=paris, at_once: {at_once}}}
",
        pool("meda", 1),
        pool("medb", 2)
    )
}

#[test]
fn p1_a_budget_by_label_holds_across_pools_that_run_side_by_side() {
    for (at_once, most) in [(1, 1), (2, 2)] {
        let ran = Trial::of(&two_pools(at_once), &[], QUICK).run();
        ran.assert_done();
        assert_eq!(ran.report.most_out(), 1, "{}", ran.report);
        assert_eq!(ran.report.most_out_by_label["site=paris"], most, "{}", ran.report);
    }
}

#[test]
fn p1_two_servers_of_one_upgrade_domain_go_together_and_never_two_domains() {
    let pool = |number: u32, domain: u32| {
        format!("      fe7{number}.contoso.example: {{address: 192.0.2.7{number}, upgrade_domain: UD{domain}}}\n")
    };
    let servers: String = (1..=6).map(|number| pool(number, (number - 1) % 3 + 1)).collect();
    let text = format!(
        "version: 1
name: six
reason: two at once
pools:
  pool71.contoso.example:
    product: lync2013
    role: front-end
    load_balancing: {{sip: dns, web: webint71.contoso.example, balancer: {{elsewhere: by its health check}}}}
    servers:
{servers}    access: {{winrm: {{credentials: {{env: MAINTENANCE}}}}}}
maintenance:
  scope: all-services
  at_once: 2
  soak: 1m
  restart: always
"
    );
    let ran = Trial::of(&text, &[], QUICK).run();
    ran.assert_done();
    let pool = ran.report.pools.values().next().unwrap();
    assert_eq!((pool.most_out, pool.most_domains_out), (2, 1), "{}", ran.report);
    assert_eq!(ran.report.sessions.refused_total(), 0, "{}", ran.report);
}

#[test]
fn p2_a_busy_pool_is_asked_three_times_and_then_left_alone() {
    let scenario = format!("{QUICK}readiness: {{pool04.contoso.example: Busy}}\n");
    let trial = Trial::of(&maintained("t4-two-servers.yaml"), &[T4_SHORT], &scenario);
    let ran = trial.fast().run();
    assert_eq!(ran.said.code, Some(4), "{}\n{}", ran.said.out, ran.said.err);
    let asked = ran.records.iter().filter(|record| record["kind"] == "evidence").count();
    assert_eq!(asked, 3, "ten minutes apart: {:#?}", ran.records);
    assert!(ran.records.iter().all(|record| record["kind"] != "intent"), "nothing was touched");
    let passed = ran.report.at.duration_since(ran.report.origin);
    assert!(passed.as_mins() >= 20, "{passed}");
}

#[test]
fn p2_a_pool_without_enough_active_front_ends_is_refused_at_once() {
    for word in ["InsufficientActiveFrontEnds", "Degraded"] {
        let scenario = format!("{QUICK}readiness: {{pool04.contoso.example: {word}}}\n");
        let trial = Trial::of(&maintained("t4-two-servers.yaml"), &[], &scenario);
        let said = trial.start(&["--unattended"]);
        assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
        assert!(said.err.contains(word), "{}", said.err);
        assert!(trial.records().is_empty(), "nothing was begun");
    }
}

#[test]
fn a_stuck_drain_names_the_counter_that_lives_longest_and_ends_at_its_own_deadline() {
    let drain = "  on_hold: return\n  drain: {deadline: 1h, at_deadline: hold, stuck_after: 3m, services: {RTCAVMCU: {deadline: 6m, at_deadline: return}}}";
    let servers = "servers: {fe42.contoso.example: {level: patched}, fe41.contoso.example: {endless: {RTCAVMCU: 1}}}\n";
    let trial =
        Trial::of(&maintained("t4-two-servers.yaml"), &[("  on_hold: return", drain)], &format!("{QUICK}{servers}"));
    let ran = trial.run();
    assert_eq!(ran.said.code, Some(4), "{}\n{}", ran.said.out, ran.said.err);
    let notes = ran.notes();
    for word in ["the drain is stuck, no fall for 3m: RTCAVMCU 1", "longest-lived: ", " of RTCAVMCU, at 1 for "] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
    assert!(ran.report.start_types_as_before && ran.report.sessions.cut_total() == 0, "{}", ran.report);
    assert_eq!(
        ran.report.installer_starts(&ServerName::new("fe41.contoso.example").unwrap()),
        0,
        "it went back unpatched"
    );
    let passed = ran.report.at.duration_since(ran.report.origin);
    assert!(passed.as_mins() < 30, "the service's own deadline counts: {passed}");
}
