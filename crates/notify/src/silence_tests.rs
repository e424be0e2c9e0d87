//! Silences, by a real Alertmanager and by what answers badly, late and never.

use crate::{SilenceWay, Silenced, Silencer, Silences};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::notify::Matcher;
use orchestrate_model::{PoolName, RunId, ServerName};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use url::Url;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The names of the program, by where it comes from.
const PROGRAMS: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

fn server(short: &str) -> ServerName {
    ServerName::new(&format!("{short}.contoso.example")).unwrap()
}

fn servers(names: &[&str]) -> BTreeSet<ServerName> {
    names.iter().map(|name| server(name)).collect()
}

fn all(run: &str) -> Vec<Silenced> {
    let each = ["fe1", "fe2"].iter().map(|name| Silenced {
        run: RunId::new(run).unwrap(),
        change: "pool01 November update".to_owned(),
        reason: "CHG1".to_owned(),
        pool: PoolName::new("pool01.contoso.example").unwrap(),
        server: server(name),
        lab: false,
    });
    each.collect()
}

fn begin(run: &str, way: SilenceWay, earlier: &[&str]) -> (Silences, mpsc::UnboundedReceiver<String>) {
    let (failures, failed) = mpsc::unbounded_channel();
    let silencer = Silencer { name: "the way".to_owned(), way, lasts: SignedDuration::from_secs(4) };
    (Silences::begin(vec![silencer], all(run), &servers(earlier), &failures).unwrap(), failed)
}

/// A real Alertmanager on a port of its own.
struct Manager {
    child: Child,
    url: Url,
    _folder: TempDir,
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

impl Manager {
    /// Starts one. Without the program it says so, and fails where everything has to be there.
    async fn start() -> Option<Self> {
        let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
        let Some(program) = PROGRAMS.iter().find(is_there) else {
            let text = "Alertmanager is missing (Debian: prometheus-alertmanager)";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{text}");
            eprintln!("skipped: {text}");
            return None;
        };
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("config.yml");
        std::fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
        // Whoever takes the port meanwhile makes the start fail, and it is told.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
        command.args(["--web.route-prefix=/am", "--log.level=error"]).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let url = Url::parse(&format!("http://{address}/am/")).unwrap();
        let manager = Self { child, url, _folder: folder };
        let ready = format!("http://{address}/am/-/ready");
        let began = Instant::now();
        while !client().get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(began.elapsed() < PATIENCE, "the Alertmanager is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(manager)
    }

    fn way(&self) -> SilenceWay {
        let matchers = ["instance=~\"({server}|{short})(:[0-9]+)?\"", "severity!=page"];
        let matchers = matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect();
        SilenceWay::Alertmanager { url: self.url.clone(), matchers }
    }

    async fn silences(&self) -> Vec<Value> {
        let answer = client().get(self.url.join("api/v2/silences").unwrap()).send().await.unwrap();
        serde_json::from_slice::<Vec<Value>>(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Returns those that silence now.
    async fn active(&self) -> Vec<Value> {
        let is_active = |silence: &Value| silence["status"]["state"] == "active";
        self.silences().await.into_iter().filter(is_active).collect()
    }

    /// Waits until those that silence now are as asked for.
    async fn until(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let found = self.active().await;
            if wanted(&found) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn client() -> reqwest::Client {
    crate::channel::client().unwrap()
}

fn ends(silence: &Value) -> Timestamp {
    silence["endsAt"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_alertmanager_holds_a_silence_while_a_server_is_out_and_loses_it_when_it_is_back() {
    let Some(manager) = Manager::start().await else { return };
    let (silences, mut failed) = begin("run-1", manager.way(), &[]);
    silences.want(&servers(&["fe1"]));
    let set = manager.until("fe1 is silenced", |found| found.len() == 1).await;
    let matcher = &set[0]["matchers"][0];
    assert_eq!(matcher["value"], "(fe1\\.contoso\\.example|fe1)(:[0-9]+)?");
    assert!(matcher["isRegex"] == true && set[0]["matchers"][1]["isEqual"] == false, "{set:?}");
    assert!(set[0]["comment"].as_str().unwrap().contains("CHG1"), "{set:?}");
    assert!(ends(&set[0]) <= Timestamp::now() + SignedDuration::from_secs(5), "it has an end");
    let first = ends(&set[0]);
    // Extended before it ends, and still one.
    let later = |found: &[Value]| found.len() == 1 && ends(&found[0]) > first + SignedDuration::from_secs(3);
    manager.until("it is extended", later).await;
    silences.want(&servers(&["fe2"]));
    manager
        .until("fe2 in the place of fe1", |found| {
            found.len() == 1 && found[0]["comment"].as_str().unwrap().contains("fe2")
        })
        .await;
    assert_eq!(silences.close(PATIENCE).await, Vec::<String>::new());
    assert_eq!(manager.active().await, Vec::<Value>::new());
    assert!(failed.try_recv().is_err(), "nothing failed");
}

#[tokio::test]
async fn p6_the_silence_of_a_start_that_was_killed_is_gone_on_with_or_ended_by_the_next_one() {
    let Some(manager) = Manager::start().await else { return };
    for goes_on in [true, false] {
        let (silences, _failed) = begin("run-1", manager.way(), &[]);
        silences.want(&servers(&["fe1"]));
        let left = manager.until("fe1 is silenced", |found| found.len() == 1).await;
        // As by a kill: nothing is ended.
        drop(silences);
        let (silences, _failed) = begin("run-1", manager.way(), &["fe1"]);
        if goes_on {
            silences.want(&servers(&["fe1"]));
            let later = |found: &[Value]| found.len() == 1 && ends(&found[0]) > ends(&left[0]);
            manager.until("it is gone on with", later).await;
        } else {
            silences.want(&servers(&[]));
            manager.until("it is ended", <[Value]>::is_empty).await;
        }
        assert_eq!(silences.close(PATIENCE).await, Vec::<String>::new());
        assert_eq!(manager.active().await, Vec::<Value>::new());
    }
    // Those of other runs are theirs.
    let (other, _failed) = begin("run-2", manager.way(), &[]);
    other.want(&servers(&["fe1"]));
    manager.until("another run", |found| found.len() == 1).await;
    let (silences, _other) = begin("run-1", manager.way(), &["fe1"]);
    assert_eq!(silences.close(PATIENCE).await, Vec::<String>::new());
    assert_eq!(manager.active().await.len(), 1);
    assert_eq!(other.close(PATIENCE).await, Vec::<String>::new());
    assert_eq!(manager.active().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_fails_hangs_or_answers_rubbish_is_told_once_and_nothing_waits_for_it() {
    let matchers = vec![Matcher::parse("instance={server}").unwrap()];
    for (answer, words) in [
        (ResponseTemplate::new(500).set_body_string("secret/T0KEN is on fire"), "it answered 500"),
        (ResponseTemplate::new(200).set_body_string("<html>rubbish</html>"), "no answer of an Alertmanager"),
        (ResponseTemplate::new(200).set_delay(PATIENCE), "timed out"),
        (ResponseTemplate::new(401), "it answered 401"),
    ] {
        let bad = MockServer::start().await;
        Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&bad).await;
        let url = Url::parse(&format!("{}/secret/T0KEN", bad.uri())).unwrap();
        let way = SilenceWay::Alertmanager { url, matchers: matchers.clone() };
        let (silences, mut failed) = begin("run-1", way, &[]);
        silences.want(&servers(&["fe1"]));
        let said = tokio::time::timeout(PATIENCE, failed.recv()).await.unwrap().unwrap();
        assert!(said.contains("fe1 are not silenced by the way") && said.contains(words), "{said}");
        assert!(!said.contains("T0KEN"), "{said}");
        assert_eq!(silences.close(Duration::from_millis(100)).await, ["the way"], "it is told that it may go on");
    }
}

#[tokio::test]
async fn a_silence_that_could_not_be_set_is_set_when_the_way_answers_again() {
    let Some(manager) = Manager::start().await else { return };
    let bad = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(502)).up_to_n_times(3).mount(&bad).await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200).set_body_string("[]")).mount(&bad).await;
    let set = ResponseTemplate::new(200).set_body_string("{\"silenceID\": \"one\"}");
    Mock::given(method("POST")).respond_with(set).expect(1..).mount(&bad).await;
    Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(200)).expect(1).mount(&bad).await;
    let url = Url::parse(&bad.uri()).unwrap();
    let SilenceWay::Alertmanager { matchers, .. } = manager.way() else { return };
    let (silences, mut failed) = begin("run-1", SilenceWay::Alertmanager { url, matchers }, &[]);
    silences.want(&servers(&["fe1"]));
    assert!(failed.recv().await.unwrap().contains("502"));
    let began = Instant::now();
    while !bad.received_requests().await.unwrap().iter().any(|request| request.method.as_str() == "POST") {
        assert!(began.elapsed() < PATIENCE, "it is not set");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(silences.close(PATIENCE).await, Vec::<String>::new());
    assert!(failed.try_recv().is_err(), "it was told once");
}

#[tokio::test]
async fn a_pair_of_webhooks_is_told_the_begin_the_extension_and_the_end() {
    let hooks = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(204)).mount(&hooks).await;
    let url = |path: &str| Url::parse(&format!("{}/{path}", hooks.uri())).unwrap();
    let way = SilenceWay::Webhooks { start: url("start"), end: url("end") };
    let (silences, _failed) = begin("run-1", way, &["fe2"]);
    silences.want(&servers(&["fe1"]));
    let began = Instant::now();
    let told = async || -> Vec<(String, Value)> {
        let requests = hooks.received_requests().await.unwrap();
        requests.iter().map(|one| (one.url.path().to_owned(), serde_json::from_slice(&one.body).unwrap())).collect()
    };
    while told().await.iter().filter(|(path, _)| path == "/start").count() < 2 {
        assert!(began.elapsed() < PATIENCE, "it is not extended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(silences.close(PATIENCE).await, Vec::<String>::new());
    let told = told().await;
    let (starts, ended): (Vec<_>, Vec<_>) = told.iter().partition(|(path, _)| path == "/start");
    assert!(starts.iter().all(|(_, body)| body["id"] == "run-1/fe1.contoso.example" && body["event"] == "silence"));
    assert!(starts[1].1["until"].as_str() > starts[0].1["until"].as_str(), "{starts:?}");
    let ended: BTreeSet<&str> = ended.iter().filter_map(|(_, body)| body["id"].as_str()).collect();
    assert_eq!(ended, BTreeSet::from(["run-1/fe1.contoso.example", "run-1/fe2.contoso.example"]));
}
