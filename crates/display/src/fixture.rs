//! A small plan with what was seen of its pool, for the tests of this crate.

use jiff::{SignedDuration, Timestamp};
use orchestrate_model::answer::Verdict;
use orchestrate_model::observe::{HostFacts, Measure, SessionReading};
use orchestrate_model::{
    Answer, Feature, LeaseState, PoolName, PoolObservation, RunState, ServerName, ServerObservation, ServiceName,
    ServiceStatus, StartType,
};
use orchestrate_planner::Plan;
use orchestrate_planner::safety::{Asked, Covered, Question};
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) const POOL: &str = "pool01.contoso.example";
const SERVICES: [&str; 3] = ["RTCSRV", "RTCRGS", "RTCCPS"];
const KINDS: [&str; 11] =
    ["guard", "record", "block", "drain", "stop", "patch", "restart", "verify", "return", "gate", "soak"];

pub(crate) fn at(seconds: i64) -> Timestamp {
    // 2026-11-28 22:00 in Paris.
    Timestamp::from_second(1_795_899_600 + seconds).unwrap()
}

pub(crate) fn server(number: usize) -> ServerName {
    ServerName::new(&format!("fe{number}.contoso.example")).unwrap()
}

fn change() -> serde_json::Value {
    let servers: Vec<_> = (1..=3)
        .map(|n| {
            json!({"name": server(n), "addresses": [format!("192.0.2.1{n}")],
            "upgrade_domain": format!("UD{n}"), "hosts": []})
        })
        .collect();
    let duration = |seconds| serde_json::to_value(SignedDuration::from_secs(seconds)).unwrap();
    json!({
        "name": "pool01 November update",
        "reason": "CU November, CHG0031337",
        "pools": [{
            "name": POOL, "product": "lync2013", "role": "front-end",
            "load_balancing": {"sip": "dns", "web": "webint.contoso.example", "balancer": "none"},
            "servers": servers, "access": "unstated", "after": [], "labels": [], "paired_with": null,
            "next_hop": null, "archiving": null, "extra_services": [], "database": null, "measures": {},
        }],
        "maintenance": {
            "scope": "all_services", "at_once": 1, "start_type": "manual",
            "drain": {"deadline": duration(7200), "at_deadline": "hold", "stuck_after": duration(1800), "per_service": {}},
            "patch": {"installer": "C:\\CU\\LyncServerUpdateInstaller.exe", "arguments": ["/silentmode"],
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "deadline": duration(2700), "level": "5.0.8308.1149", "exit_codes": {}},
            "restart": "when-needed", "soak": duration(1200), "accept_loss": ["call-park"], "unmeasured": {},
            "on_hold": "stop",
        },
        "budgets": [], "stop_when": {"failed": 1}, "windows": [], "freezes": [], "dns": {"resolvers": []},
    })
}

pub(crate) fn plan() -> Plan {
    let work: Vec<_> = (1..=3)
        .map(|n| {
            json!({"pool": 0, "server": server(n), "upgrade_domain": format!("UD{n}"), "batch": n - 1,
            "block": SERVICES, "support": [], "skip": null})
        })
        .collect();
    let (mut steps, mut edges) = (Vec::new(), Vec::new());
    for work in 0..3 {
        for (position, kind) in KINDS.iter().enumerate() {
            let id = work * KINDS.len() + position;
            let certainty = match *kind {
                "record" | "block" | "stop" => "proven",
                "patch" | "verify" => "assumed",
                _ => "not-knowable",
            };
            steps.push(json!({"id": id, "target": {"server": work}, "kind": kind, "certainty": certainty}));
            if position > 0 {
                edges.push(json!({"before": id - 1, "after": id, "reason": "same_server"}));
            }
        }
        if work > 0 {
            let first = work * KINDS.len();
            edges.push(json!({"before": first - 1, "after": first, "reason": {"at_once": 1}}));
            edges.push(json!({"before": first - 1, "after": first, "reason": "upgrade_domains"}));
        }
    }
    let findings = json!([
        {"code": "O2001", "severity": "refusal", "pool": POOL, "server": "fe2.contoso.example",
            "message": "the records of pool01.contoso.example lack 192.0.2.12 (fe2.contoso.example): Response Group calls \
                would be lost while fe1 is out, since no other live server is in the records",
            "advice": "add the A record, wait until the old answer has expired, and start again"},
        {"code": "O2104", "severity": "note", "pool": POOL, "server": null,
            "message": "RTCCPS is not measured on this product", "advice": ""},
    ]);
    serde_json::from_value(json!({"schema": 1, "change": change(), "work": work, "steps": steps, "edges": edges,
        "findings": findings}))
    .unwrap()
}

fn status(name: &str, state: RunState, start: StartType) -> (ServiceName, ServiceStatus) {
    let name = ServiceName::new(name).unwrap();
    let status = ServiceStatus {
        name: name.clone(),
        display_name: format!("Lync Server {name}"),
        state: Answer::Known(state),
        start: Answer::Known(start),
        accepts_pause: true,
        dependents: Answer::Known(vec![]),
    };
    (name, status)
}

pub(crate) fn seen() -> BTreeMap<PoolName, PoolObservation> {
    let pool = PoolName::new(POOL).unwrap();
    let mut servers = BTreeMap::new();
    for number in 1..=3 {
        let mut seen = ServerObservation::unknown(server(number), at(0), "not asked");
        if number == 3 {
            servers.insert(server(number), ServerObservation::unknown(server(number), at(0), "connection refused"));
            continue;
        }
        seen.lease = Answer::Known(LeaseState::Free);
        seen.host = Answer::Known(HostFacts { booted: at(-86_400), local_time: at(0), system: "Windows".to_owned() });
        seen.services = Answer::Known(BTreeMap::from([
            status("RTCSRV", RunState::Running, StartType::DELAYED),
            status("RTCRGS", RunState::Running, StartType::AUTOMATIC),
        ]));
        let measured =
            |value| SessionReading { measures: vec![Measure::new("users".to_owned(), value)], draining: None };
        seen.sessions = BTreeMap::from([
            (ServiceName::new("RTCSRV").unwrap(), measured(Answer::Known(42))),
            (ServiceName::new("RTCRGS").unwrap(), measured(Answer::unknown("the counter set is not there"))),
        ]);
        servers.insert(server(number), seen);
    }
    let seen = PoolObservation { pool: pool.clone(), servers, dns: Answer::not_asked(), balancer: Answer::not_asked() };
    BTreeMap::from([(pool, seen)])
}

pub(crate) fn asked() -> Vec<Asked> {
    let asked = |question, verdict, advice: &str| Asked { question, verdict, advice: advice.to_owned() };
    vec![
        asked(Question::Budget, Verdict::Yes("0 of 3 servers are out, 1 may be".into()), ""),
        asked(
            Question::Coverage(Covered::Feature(Feature::ResponseGroup)),
            Verdict::No("the pool's records list 2 of 3 servers: 192.0.2.12 is missing".into()),
            "add the record",
        ),
        asked(Question::Ready, Verdict::Unknown("fe2 did not answer within 60s".into()), "see why fe2 is silent"),
    ]
}
