//! What a plan may say about services and pools together: small changes of a maintained plan.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing it did not expect")]

use orchestrate_config::{Diagnostic, Parsed, Severity, Style, parse, render};
use orchestrate_model::Feature;
use orchestrate_model::change::Scope;
use orchestrate_model::pool::{Access, Balancer, CredentialSource};

const T1: &str = include_str!("../../../plans/contoso-front-end.yaml");
const T5: &str = include_str!("../../../plans/t5-standard-edition-pair.yaml");

/// Returns the plan with each of these texts, which it has to hold, replaced once.
#[track_caller]
fn with(plan: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(plan.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[track_caller]
fn good(text: &str) -> Parsed {
    parse("plan.yaml", text.as_bytes()).unwrap_or_else(|found| panic!("{}", render(&found, text, "plan", Style::Plain)))
}

/// Returns the errors of a plan.
#[track_caller]
fn errors(text: &str) -> Vec<Diagnostic> {
    let found = parse("plan.yaml", text.as_bytes()).unwrap_err();
    found.items().iter().filter(|item| item.severity == Severity::Error).cloned().collect()
}

#[track_caller]
fn codes(found: &[Diagnostic]) -> Vec<&'static str> {
    found.iter().map(|item| item.code.as_str()).collect()
}

#[test]
fn p4_a_counter_that_counts_another_service_is_warned_about() {
    let measured = |service: &str, counter: &str| {
        let measures = format!("    labels: {{site: paris}}\n    measures: {{{service}: ['{counter}']}}\n");
        good(&with(T1, &[("    labels: {site: paris}\n", &measures)])).warnings
    };
    let sip = r"\LS:SIP - Peers(Clients)\SIP - Connections Active";
    let warnings = measured("W3SVC", sip);
    assert_eq!(codes(&warnings), ["O1068"]);
    assert!(warnings[0].message.contains("sessions of `RTCSRV`, and not those of `W3SVC`"), "{warnings:?}");
    for (own, counter) in
        [("RTCSRV", sip), ("W3SVC", r"\LS:WEB - UCWA(_Total)\Anything"), ("W3SVC", r"\Own\Sessions now")]
    {
        assert_eq!(codes(&measured(own, counter)), [] as [&str; 0], "{own}");
    }
}

#[test]
fn two_names_of_one_service_are_one_service() {
    let scope = |words: &str| with(T1, &[("scope: all-services", &format!("scope: {{services: [{words}]}}"))]);
    for both in ["Response Group, Announcement", "RTCRGS, Response Group", "RTCRGS, Lync Server Response Group"] {
        let change = good(&scope(both)).change;
        assert!(matches!(&change.maintenance.scope, Scope::Services(chosen) if chosen.len() == 1), "{both}");
    }
    for twice in ["RTCRGS, RTCRGS", "Response Group, response group", "RTCRGS, Announcement, announcement"] {
        assert_eq!(codes(&errors(&scope(twice))), ["O1017"], "{twice}");
    }
}

#[test]
fn losses_are_accepted_by_the_names_that_the_scope_knows_for_features() {
    let accepted =
        |words: &str| with(T1, &[("scope: all-services", &format!("scope: all-services\n  accept_loss: [{words}]"))]);
    let names = "Attendant, Conferencing Announcement application, Response Group application, \
                 Announcement application, call park Application";
    assert_eq!(good(&accepted(names)).change.maintenance.accept_loss, Feature::ALL);
    let held = [
        ("Conferencing Attendant", "holds `Attendant`"),
        ("Lync Server Conferencing Attendant", "holds `Attendant`"),
        ("RTCCAS", "holds `Conferencing Announcement`"),
        ("Lync Server Response Group", "holds `Response Group` and `Announcement`"),
        ("RTCSRV", "holds none of these features"),
        ("Group Call Pickup", "holds `Call Park`"),
    ];
    for (service, text) in held {
        let found = errors(&accepted(service));
        assert_eq!(codes(&found), ["O1052"], "{service}");
        assert!(found[0].help.as_ref().unwrap().contains(text), "{found:?}");
    }
}

const SECOND: &str = "  pool02.contoso.example:\n    product: lync2013\n    role: front-end\n    \
     load_balancing: {sip: dns, web: webint2.contoso.example}\n    servers:\n      \
     fe7.contoso.example: {hosts: [central-management]}\n      fe8.contoso.example: {}\n      \
     fe9.contoso.example: {}\nmaintenance:\n";

#[test]
fn two_pools_that_host_central_management_are_a_warning_unless_they_are_paired() {
    let two = with(T1, &[("maintenance:\n", SECOND)]);
    assert_eq!(codes(&good(&two).warnings), ["O1041"]);
    let paired =
        with(&two, &[("    role: front-end\n", "    role: front-end\n    paired_with: pool02.contoso.example\n")]);
    assert_eq!(codes(&errors(&paired)), ["O1041"]);
    for role in ["director", "mediation"] {
        let other = with(T1, &[("role: front-end", &format!("role: {role}"))]);
        assert!(codes(&errors(&other)).contains(&"O1041"), "{role}");
    }
}

#[test]
fn the_logon_of_the_person_is_a_source_of_its_own_and_no_password() {
    let plan = |access: &str| {
        with(T1, &[("winrm: {transport: http, credentials: {env: MAINTENANCE}}", &format!("winrm: {{{access}}}"))])
    };
    let current = "credentials: {current: true}";
    for auth in ["", "auth: negotiate, ", "auth: kerberos, spn: WSMAN, ", "auth: ntlm, "] {
        let change = good(&plan(&format!("transport: http, {auth}{current}"))).change;
        let Access::Winrm(access) = &change.pools[0].access else { panic!("{auth}") };
        assert_eq!(access.credentials, CredentialSource::Current, "{auth}");
    }
    for (access, code) in [
        ("transport: http, credentials: {current: false}", "O1010"),
        ("transport: http, credentials: {current: 'true'}", "O1010"),
        ("transport: https, auth: basic, credentials: {current: true}", "O1130"),
        ("transport: https, auth: certificate, credentials: {current: true}", "O1130"),
        ("transport: http, realm: CONTOSO.EXAMPLE, credentials: {current: true}", "O1132"),
        ("transport: http, cmdlets: {task: {as: self}}, credentials: {current: true}", "O1092"),
    ] {
        assert_eq!(codes(&errors(&plan(access))), [code], "{access}");
    }
}

#[test]
fn pools_are_joined_by_what_their_roles_allow() {
    assert!(good(T5).warnings.is_empty());
    for (from, to) in [
        ("next_hop: se1.contoso.example", "next_hop: se1.contoso.example\n    paired_with: fabrikam.example"),
        ("services: [LYNCBACKUP]", "services: [LYNCBACKUP]\n    next_hop: edge5.contoso.example"),
        ("services: [LYNCBACKUP]", "services: [LYNCBACKUP]\n    next_hop: somewhere.fabrikam.example"),
    ] {
        assert_eq!(codes(&errors(&with(T5, &[(from, to)]))), ["O1059"], "{to}");
    }
}

#[test]
fn what_the_drain_says_about_services_that_no_server_is_drained_of_is_refused() {
    let drain = |words: &str| with(T1, &[("  drain: {", &format!("  drain: {{{words}, "))]);
    for nothing in [
        "services: {RTCMRAUTH: {deadline: 4h}}",
        "unmeasured: {RTCMEDIARELAY: 30m}",
        "by_sessions_alone: [RTCMRAUTH]",
        // An optional service, which is not drained unless the pool names it.
        "services: {RTCXMPPTGW: {deadline: 4h}}",
        // One without sessions.
        "services: {REPLICA: {deadline: 4h}}",
    ] {
        assert_eq!(codes(&errors(&drain(nothing))), ["O1049"], "{nothing}");
    }
    // One that the pool names.
    assert!(good(&drain("services: {RTCMEDSRV: {deadline: 4h}}")).warnings.is_empty());
    let chosen = |words: &str| with(&drain(words), &[("scope: all-services", "scope: {services: [RTCRGS]}")]);
    assert_eq!(codes(&errors(&chosen("services: {RTCSRV: {deadline: 4h}}"))), ["O1049"]);
    good(&chosen("services: {Response Group: {deadline: 4h}}"));
}

#[test]
fn services_are_drained_by_their_sessions_alone_by_name_and_only_where_a_state_may_be_missing() {
    let drain = |words: &str| with(T1, &[("  drain: {", &format!("  drain: {{{words}, "))]);
    let parsed = good(&drain("by_sessions_alone: [IM Conferencing, RTCAVMCU]"));
    let alone: Vec<&str> = parsed.change.maintenance.drain.by_sessions_alone.iter().map(|name| name.as_str()).collect();
    assert_eq!((alone, parsed.warnings.len()), (vec!["RTCAVMCU", "RTCIMMCU"], 0));
    let parsed = good(&drain("by_sessions_alone: [RTCSRV]"));
    assert_eq!(codes(&parsed.warnings), ["O1056"]);
    assert!(format!("{:?}", parsed.warnings).contains("never says whether it drains"), "{:?}", parsed.warnings);
    for (bad, code) in [("[RTCIMMCU, IM Conferencing]", "O1017"), ("[QoE agent]", "O1051"), ("true", "O1010")] {
        assert_eq!(codes(&errors(&drain(&format!("by_sessions_alone: {bad}")))), [code], "{bad}");
    }
}

#[test]
fn a_level_is_one_of_the_pool_s_product() {
    let level = |product: &str, level: &str| {
        with(
            T1,
            &[
                ("product: lync2013", &format!("product: {product}")),
                ("level: 5.0.8308.1149", &format!("level: {level}")),
            ],
        )
    };
    for (product, own) in
        [("lync2013", "5.0.8308.1"), ("sfb2015", "6.0.9319.580"), ("sfb2019", "7.0.2046.1"), ("sfbse", "9.9.1.1")]
    {
        good(&level(product, own));
    }
    for (product, other) in [("lync2013", "6.0.9319.580"), ("sfb2015", "5.0.8308.1"), ("sfb2019", "70.0.2046.1")] {
        assert_eq!(codes(&errors(&level(product, other))), ["O1027"], "{product} at {other}");
    }
    for (product, short) in [("sfb2019", "70.2046"), ("lync2013", "5.1")] {
        assert_eq!(codes(&errors(&level(product, short))), ["O1027", "O1097"], "{product} at {short}");
    }
    good(&level("sfb2015", "{Core Components: 6.0.9319.1, Runtime: 5.0.8308.1}"));
}

#[test]
fn a_balancer_is_the_operator_s_where_web_clients_have_one_and_the_plan_does_not_say() {
    let plan = |role: &str, balancing: &str, servers: &str| {
        let text = format!(
            "version: 1\nname: n\nreason: r\npools:\n  pool.a.example:\n    product: lync2013\n    role: {role}\n    \
             load_balancing: {{{balancing}}}\n    servers: {{{servers}}}\nmaintenance: {{scope: all-services}}\n"
        );
        good(&text).change.pools[0].load_balancing.balancer.clone()
    };
    let (one, two) = ("s1.a.example: {}", "s1.a.example: {}, s2.a.example: {}");
    for role in ["front-end", "director"] {
        assert_eq!(plan(role, "sip: dns", two), Balancer::Operator, "{role}");
        assert_eq!(plan(role, "sip: dns", one), Balancer::None, "{role}, a pool of one");
        assert_eq!(plan(role, "sip: dns, balancer: none", two), Balancer::None, "{role}, as the plan says");
        let elsewhere = plan(role, "sip: dns, balancer: {elsewhere: robot}", two);
        assert_eq!(elsewhere, Balancer::Elsewhere("robot".to_owned()), "{role}");
    }
    for role in ["edge", "mediation"] {
        assert_eq!(plan(role, "sip: dns", two), Balancer::None, "{role} servers have no web services");
        assert_eq!(plan(role, "sip: hardware", two), Balancer::Operator, "{role}");
    }
    assert_eq!(plan("standard-edition", "sip: dns", one), Balancer::None);
    assert_eq!(plan("standard-edition", "sip: dns, web: w.a.example", one), Balancer::Operator);
}

#[test]
fn a_service_has_one_entry_whatever_it_is_called() {
    let drain = |words: &str| with(T1, &[("  drain: {", &format!("  drain: {{{words}, "))]);
    for twice in [
        "services: {RTCAVMCU: {deadline: 4h}, Audio/Video Conferencing: {deadline: 1h}}",
        "unmeasured: {Response Group: 1m, Announcement: 30m}",
    ] {
        assert_eq!(codes(&errors(&drain(twice))), ["O1013"], "{twice}");
    }
    let measures = "    labels: {site: paris}\n    measures: {RTCRGS: [A], Lync Server Response Group: [B]}\n";
    assert_eq!(codes(&errors(&with(T1, &[("    labels: {site: paris}\n", measures)]))), ["O1013"]);
}

/// Returns a plan of two front ends with this HAProxy in front of them.
fn behind(haproxy: &str) -> String {
    format!(
        "version: 1\nname: n\nreason: r\npools:\n  pool.a.example:\n    product: lync2013\n    role: front-end\n    \
         load_balancing: {{sip: dns, web: w.a.example, balancer: {{haproxy: {{{haproxy}}}}}}}\n    servers: \
         {{s1.a.example: {{}}, s2.a.example: {{}}}}\nmaintenance: {{scope: all-services}}\n"
    )
}

#[test]
fn a_value_of_a_balancer_that_is_there_and_bad_is_one_mistake() {
    for bad in [
        "address: \"lb:9999\", backend: \"a b\"",
        "address: \"lb:9999\", backend: \"a\\nb\"",
        "address: \"lb:9999\", backend: a/b",
        "address: \"lb:9999\", backend: \"\"",
        "address: \"lb:9999\", backends: a b",
        "address: \"lb:9999\", backends: []",
        "address: \"lb:0\", backend: web",
        "address: \"lb:99999\", backend: web",
        "address: lb, backend: web",
        "balancers: lb, backend: web",
        "balancers: [{address: \"lb:9999\", backend: a b}]",
    ] {
        let found = errors(&behind(bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert_ne!(codes(&found), ["O1012"], "{bad}");
    }
    for missing in ["address: \"lb:9999\"", "backend: web", "balancers: [\"lb:9999\"]"] {
        assert_eq!(codes(&errors(&behind(missing))), ["O1012"], "{missing}");
    }
}

#[test]
fn two_balancers_that_differ_in_case_are_one() {
    assert_eq!(errors(&behind("balancers: [\"lb:9999\", \"LB:9999\"], backend: web")).len(), 1);
    good(&behind("balancers: [\"lb1:9999\", \"lb2:9999\"], backend: web"));
    good(&behind("balancers: [/run/lb.sock, /run/LB.sock], backend: web"));
}

#[test]
fn what_no_server_can_report_is_refused() {
    for (level, said) in [("5.0.8308.1149.0", "at most four"), ("5.0.8308.65536", "at most 65535")] {
        let found = errors(&with(T1, &[("level: 5.0.8308.1149", &format!("level: {level}"))]));
        assert!(found[0].help.as_ref().unwrap().contains(said), "{level}: {found:?}");
    }
    good(&with(T1, &[("level: 5.0.8308.1149", "level: 5.0.8308.65535")]));
}

#[test]
fn an_exit_code_with_zeros_in_front_is_refused_for_them() {
    let codes = |code: &str| with(T1, &[("level: 5.0.8308.1149", &format!("exit_codes: {{{code}: done}}"))]);
    for (code, meant) in [("007", "`7`"), ("00", "`0`"), ("-02", "`-2`")] {
        let found = errors(&codes(code));
        assert!(found[0].label.contains("zeros in front"), "{code}: {found:?}");
        assert!(found[0].help.as_ref().unwrap().contains(meant), "{code}: {found:?}");
    }
}

#[test]
fn a_checksum_may_be_written_as_a_block() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let block = with(T1, &[(&format!("sha256: {hash}"), &format!("sha256: |\n      {hash}"))]);
    assert_eq!(good(&block).change.maintenance.installers[0].sha256, hash);
}

#[test]
fn lists_that_are_multiplied_are_bounded() {
    let listed = |name: &str, count: usize| (0..count).map(|n| format!("{name}{n}")).collect::<Vec<_>>().join(", ");
    let level = |count: usize| {
        let components: Vec<_> = (0..count).map(|n| format!("\"Component {n}\": 5.0.8308.1149")).collect();
        with(T1, &[("level: 5.0.8308.1149", &format!("level: {{{}}}", components.join(", ")))])
    };
    assert_eq!(good(&level(500)).change.pools.len(), 1);
    assert_eq!(codes(&errors(&level(501))), ["O1016"]);
    let balancers = |sites: usize, backends: usize| {
        let sites: Vec<_> = (0..sites).map(|n| format!("\"192.0.2.{n}:9999\"")).collect();
        let to =
            format!("        haproxy: {{balancers: [{}], backends: [{}]}}", sites.join(", "), listed("web", backends));
        with(T1, &[("        haproxy: {address: \"192.0.2.10:9999\", backend: pool01-web}", &to)])
    };
    assert_eq!(good(&balancers(20, 50)).change.pools.len(), 1);
    assert_eq!(codes(&errors(&balancers(21, 50))), ["O1016"]);
}

#[test]
fn what_would_mean_something_else_later_is_refused() {
    let account = "credentials: {env: MAINTENANCE}";
    for (from, to, code) in [
        (account, "credentials: {file: ~/secret}", "O1015"),
        (account, "credentials: {file: $HOME/secret}", "O1015"),
        (account, "credentials: {command: 'net use /user:bob x'}", "O1015"),
        (account, "credentials: {prompt: 'bob:x'}", "O1021"),
        ("192.0.2.10:9999\"", "/run/h.sock \"", "O1022"),
        ("timezone: Europe/Paris", "timezone: Etc/Unknown", "O1025"),
        ("timezone: Europe/Paris", "timezone: Factory", "O1025"),
        ("backend: pool01-web", "backend: pool01-web, names: {fe1.contoso.example: fe2}", "O1101"),
    ] {
        assert_eq!(codes(&errors(&with(T1, &[(from, to)]))), [code], "{to}");
    }
    let both = "backend: pool01-web, names: {fe1.contoso.example: fe2, fe2.contoso.example: fe1}";
    assert_eq!(good(&with(T1, &[("backend: pool01-web", both)])).change.pools.len(), 1);
    let told = |way: &str| codes(&errors(&format!("{T1}\nnotify: [{way}]\n")));
    assert_eq!(told("{teams: {file: 'https://x.example/?sig=x'}}"), ["O1022"]);
    assert_eq!(told("{command: 'page --high'}"), ["O1015"]);
}

#[test]
fn what_is_done_with_a_held_server_may_be_chosen_by_why_it_is_held() {
    use orchestrate_model::hold::{HoldCause, HoldChoice};
    let on_hold = |text: &str| with(T1, &[("  drain: {", &format!("  on_hold: {text}\n  drain: {{"))]);
    let parsed = good(&on_hold("{drain_deadline: return, installer_lost: skip, otherwise: abandon}"));
    let chosen = &parsed.change.maintenance.on_hold;
    assert_eq!(chosen.choice(HoldCause::DrainDeadline), HoldChoice::Return);
    assert_eq!(chosen.choice(HoldCause::InstallerLost), HoldChoice::Skip);
    assert_eq!(chosen.choice(HoldCause::NoAnswer), HoldChoice::Abandon);
    let one = good(&on_hold("retry")).change.maintenance.on_hold;
    assert!(HoldCause::ALL.iter().all(|cause| one.choice(*cause) == HoldChoice::Retry));
    // One choice is written as one, also where it could be several: the fingerprint of such a plan stays as it was.
    assert_eq!(serde_json::to_value(&one).unwrap(), "retry");
    assert_eq!(serde_json::from_value::<orchestrate_model::hold::OnHold>("retry".into()).unwrap(), one);
    let several = serde_json::to_value(chosen).unwrap();
    assert_eq!(serde_json::from_value::<orchestrate_model::hold::OnHold>(several).unwrap(), *chosen);
    let few = good(&on_hold("{asked: return}")).change.maintenance.on_hold;
    assert_eq!(few.choice(HoldCause::NoAnswer), HoldChoice::Stop, "what is not named stops");
    // A choice that such a hold never offers, one that only a person can make, a cause that there is not.
    for bad in ["{drain_deadline: skip}", "{not_proven: return}", "{balancer_by_hand: confirm}", "{drain: return}"] {
        assert_eq!(codes(&errors(&on_hold(bad))), ["O1014"], "{bad}");
    }
}
