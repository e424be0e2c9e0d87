//! The driver against a fake balancer on loopback and against an installed HAProxy.

mod addresses;
mod fake;
/// HAProxy runs on Unix.
#[cfg(unix)]
mod installed;
#[cfg(unix)]
mod real;

use crate::{HaproxyReader, HaproxySettingsError, HaproxySwitch};
use async_trait::async_trait;
use fake::{Fake, Reply};
use orchestrate_driver::{ChangeBalancer, Clock, NoNames, ObserveBalancer, Resolve};
use orchestrate_model::observe::{
    AddressRecords, BalancerEntry, BalancerObservation, BalancerPlace, BalancerState, DnsAnswer, DnsAsk, DnsObservation,
};
use orchestrate_model::pool::{HaproxyBalancer, HaproxySite};
use orchestrate_model::{ActOutcome, Answer, PoolName, Server, ServerName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

fn server(name: &str) -> ServerName {
    ServerName::new(&format!("{name}.contoso.example")).unwrap()
}

/// A server with the address that the plan states, if it does.
fn planned(name: &str, address: &str) -> Server {
    Server {
        name: server(name),
        addresses: if address.is_empty() { Vec::new() } else { vec![address.parse().unwrap()] },
        upgrade_domain: None,
        hosts: BTreeSet::new(),
        external: BTreeMap::new(),
        pins: Vec::new(),
        away: None,
    }
}

fn three() -> Vec<Server> {
    vec![planned("fe1", "192.0.2.11"), planned("fe2", "192.0.2.12"), planned("fe3", "192.0.2.13")]
}

fn balancer(address: &str) -> HaproxyBalancer {
    HaproxyBalancer::one(address, "pool")
}

fn reader_of(balancer: &HaproxyBalancer, servers: &[Server]) -> HaproxyReader {
    reader_with(balancer, servers, Arc::new(NoNames)).unwrap()
}

fn reader_with(
    balancer: &HaproxyBalancer,
    servers: &[Server],
    names: Arc<dyn Resolve>,
) -> Result<HaproxyReader, HaproxySettingsError> {
    let pool = PoolName::new("pool01.contoso.example").unwrap();
    HaproxyReader::new(balancer, (&pool, servers), names, Clock::real())
}

fn reader(address: &str) -> HaproxyReader {
    reader_of(&balancer(address), &three())
}

/// The entry of a server in the fake's backend.
fn place(balancer: &str, name: &str) -> BalancerPlace {
    let last = name.trim_start_matches("fe");
    format!("{balancer} pool/{name} 192.0.2.1{last}").parse().unwrap()
}

/// The entries that were seen of a server, as text, each with what the balancer does.
fn entries(seen: &BalancerObservation, name: &str) -> Vec<String> {
    let own = seen.servers.known().and_then(|servers| servers.get(&server(name)));
    let text = |(place, entry): (&BalancerPlace, &BalancerEntry)| format!("{} {}", place.path(), entry.admin);
    own.into_iter().flat_map(|own| &own.entries).map(text).collect()
}

/// Name servers that know some addresses.
struct Records(BTreeMap<ServerName, Vec<IpAddr>>);

impl Records {
    fn of(records: &[(&str, &str)]) -> Arc<Self> {
        Arc::new(Self(records.iter().map(|(name, address)| (server(name), vec![address.parse().unwrap()])).collect()))
    }
}

#[async_trait]
impl Resolve for Records {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        let answers = ask.names.iter().map(|name| {
            let known = self.0.iter().find(|(server, _)| server.dns() == *name);
            let addresses = known.map(|(_, addresses)| addresses.clone()).unwrap_or_default();
            let records = Answer::Known(AddressRecords { addresses, ttl_s: 60, alias: None });
            DnsAnswer { name: name.clone(), resolver: ([192, 0, 2, 53], 53).into(), records }
        });
        DnsObservation { taken: Clock::real().now(), answers: answers.collect(), external: Vec::new() }
    }
}

/// A reader of a fake, which soon gives up.
fn impatient(fake: &Fake) -> HaproxyReader {
    let mut reader = reader(&fake.address);
    reader.runtimes[0].limit = Duration::from_millis(400);
    reader
}

async fn why_unknown(reader: &HaproxyReader) -> String {
    reader.observe_balancer().await.servers.why_unknown().expect("the answer must be unknown").to_owned()
}

/// What a balancer with fe1 running, fe2 drained and still serving, fe3 in maintenance, and other backends says.
const STATE: &str = "1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 pool 1 fe1 192.0.2.11 2 4 1
3 pool 2 fe2 192.0.2.12 2 8 1
3 pool 3 fe3 192.0.2.13 0 1 1
4 other 1 fe1 192.0.2.99 0 1 1

";
const STATISTICS: &str = "# pxname,svname,qcur,scur,check_desc,status,
in,FRONTEND,,7,,OPEN,
pool,fe1,0,4,\"a \"\"quoted\"\", text\",UP,
pool,fe2,0,2,,DRAIN,
pool,fe3,0,0,,MAINT,
pool,BACKEND,0,6,,UP,
other,fe1,0,99,,MAINT,

";

fn says(command: &str) -> Reply {
    match command {
        "show servers state" => Reply::Text(STATE.to_owned()),
        "show cli level" => Reply::Text("admin\n\n".to_owned()),
        "show stat" => Reply::Text(STATISTICS.to_owned()),
        _ => Reply::Text("\n".to_owned()),
    }
}

#[tokio::test]
async fn states_health_and_sessions_are_read() {
    let fake = Fake::start(says).await;
    let seen = reader(&fake.address).observe_balancer().await;
    let servers = seen.servers.as_result().unwrap();
    for (name, expected) in [
        ("fe1", BalancerEntry { admin: BalancerState::Ready, up: true, sessions: 4, kept_out: None }),
        ("fe2", BalancerEntry { admin: BalancerState::Drain, up: true, sessions: 2, kept_out: None }),
        ("fe3", BalancerEntry { admin: BalancerState::Maintenance, up: false, sessions: 0, kept_out: None }),
    ] {
        let entries = BTreeMap::from([(place(&fake.address, name), expected)]);
        assert_eq!(servers[&server(name)].entries, entries, "{name}");
    }
    assert_eq!(seen.doubts, []);
}

#[tokio::test]
async fn a_server_the_backend_does_not_have_is_missing_and_said_with_what_there_is() {
    let fake = Fake::start(says).await;
    let servers = [planned("fe1", "192.0.2.11"), planned("fe9", "192.0.2.19")];
    let reader = reader_of(&balancer(&fake.address), &servers);
    let seen = reader.observe_balancer().await;
    assert_eq!(seen.servers.as_result().unwrap().keys().collect::<Vec<_>>(), [&server("fe1")]);
    let against: Vec<&str> = seen.against(&server("fe9")).map(|doubt| doubt.text.as_str()).collect();
    let expected = "does not have fe9 (192.0.2.19); there are pool/fe1 (192.0.2.11), pool/fe2 (192.0.2.12), pool/fe3";
    assert!(against.iter().any(|text| text.contains(expected)), "{against:?}");
    let outcome = HaproxySwitch::new(reader)
        .set_balancer(&server("fe9"), &place(&fake.address, "fe9"), BalancerState::Drain)
        .await;
    assert!(matches!(&outcome, ActOutcome::Failed(reason) if reason.contains("pool/fe9 at")), "{outcome:?}");
}

#[tokio::test]
async fn p3_what_is_no_table_is_unknown_with_what_was_said_instead() {
    for (said, reason) in [
        ("Permission denied\n\n", "Permission denied"),
        ("Can't find backend.\n\n", "Can't find backend."),
        ("\n", "\"\""),
        ("1\n# be_id be_name srv_id srv_name srv_op_state\n3 pool 1 fe1 2\n\n", "srv_admin_state"),
        ("1\n# be_name srv_name srv_op_state srv_admin_state\npool fe1 2 0\n\n", "srv_addr"),
        ("1\n# be_name srv_name srv_addr srv_op_state srv_admin_state\npool fe1 - 2 0\n\n", "srv_uweight"),
        ("1\n# be_name srv_name srv_addr srv_op_state srv_admin_state srv_uweight\npool fe1 - two 0 1\n\n", "\"two\""),
        ("1\n# be_name srv_name srv_addr srv_op_state srv_admin_state srv_uweight\npool f;1 - 2 0 1\n\n", "f;1"),
        (
            "1\n# be_name srv_name srv_addr srv_op_state srv_admin_state srv_uweight\npool fe1 - 2 0 1\npool fe1 - 2 0 1\n\n",
            "pool lists fe1 twice",
        ),
        ("HTTP/1.1 400 Bad Request\r\n\n\n", "400 Bad Request"),
    ] {
        let fake = Fake::start(move |_| Reply::Text(said.to_owned())).await;
        let why = why_unknown(&reader(&fake.address)).await;
        assert!(why.contains(reason) && why.contains(&fake.address), "{why}");
    }
}

#[tokio::test]
async fn p3_a_server_without_a_session_count_leaves_all_unknown() {
    let fake = Fake::start(|command| match command {
        "show stat" => Reply::Text(STATISTICS.replace("pool,fe2,0,2", "pool,fe7,0,2")),
        other => says(other),
    })
    .await;
    let why = why_unknown(&reader(&fake.address)).await;
    assert!(why.contains("no sessions of pool/fe2"), "{why}");
}

#[tokio::test]
async fn p3_a_table_cut_short_is_not_a_smaller_backend() {
    let cut = STATE.find("3 pool 3").unwrap();
    let fake = Fake::start(move |_| Reply::Text(STATE[..cut].to_owned())).await;
    let why = why_unknown(&reader(&fake.address)).await;
    assert!(why.contains("before the answer was complete"), "{why}");
}

#[tokio::test]
async fn p3_silence_floods_and_noise_are_unknown_within_bounds() {
    for (reply, reason) in
        [(Reply::Silence, "no complete answer within 0.4 s"), (Reply::Bytes(vec![0xff, b'\n', b'\n']), "not text")]
    {
        let fake = Fake::start(move |_| reply.clone()).await;
        let why = why_unknown(&impatient(&fake)).await;
        assert!(why.contains(reason), "{why}");
    }
    let flood = Fake::start(|_| Reply::Flood).await;
    let why = why_unknown(&reader(&flood.address)).await;
    assert!(why.contains("longer than"), "{why}");
}

#[tokio::test]
async fn p3_a_balancer_that_cannot_be_reached_is_unknown_and_changes_can_be_tried_again() {
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string();
    for address in [gone.as_str(), "/nowhere/haproxy.sock"] {
        let why = why_unknown(&reader(address)).await;
        assert!(why.contains("cannot connect") && why.contains(address), "{why}");
        let outcome = HaproxySwitch::new(reader(address))
            .set_balancer(&server("fe1"), &place(address, "fe1"), BalancerState::Drain)
            .await;
        assert!(matches!(outcome, ActOutcome::Retry(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_change_is_sent_once_and_accepted() {
    for (to, word) in [(BalancerState::Drain, "drain"), (BalancerState::Maintenance, "maint")] {
        let fake = Fake::start(says).await;
        let switch = HaproxySwitch::new(reader(&fake.address));
        assert_eq!(switch.set_balancer(&server("fe1"), &place(&fake.address, "fe1"), to).await, ActOutcome::Accepted);
        let expected = ["show servers state".to_owned(), format!("set server pool/fe1 state {word}")];
        assert_eq!(fake.commands(), expected);
    }
}

#[tokio::test]
async fn a_needless_change_is_not_sent() {
    let fake = Fake::start(says).await;
    let switch = HaproxySwitch::new(reader(&fake.address));
    for (name, to) in
        [("fe1", BalancerState::Ready), ("fe2", BalancerState::Drain), ("fe3", BalancerState::Maintenance)]
    {
        let outcome = switch.set_balancer(&server(name), &place(&fake.address, name), to).await;
        assert_eq!(outcome, ActOutcome::AlreadySo, "{name}");
    }
    assert!(fake.commands().iter().all(|command| command.starts_with("show")), "{:?}", fake.commands());
}

#[tokio::test]
async fn what_no_command_changes_is_not_called_done() {
    // fe1 is forced to nothing, and out for the reason that the flag names.
    for (flags, expected) in [("2", "tracked"), ("16", "tracked"), ("32", "resolve")] {
        let state = STATE.replace("192.0.2.11 2 4", &format!("192.0.2.11 0 {flags}"));
        let fake = Fake::start(move |_| Reply::Text(state.clone())).await;
        let outcome = HaproxySwitch::new(reader(&fake.address))
            .set_balancer(&server("fe1"), &place(&fake.address, "fe1"), BalancerState::Ready)
            .await;
        let (ActOutcome::Failed(reason) | ActOutcome::Retry(reason)) = &outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_refused_change_fails_with_what_the_balancer_said() {
    let fake = Fake::start(|command| match command.starts_with("set") {
        true => Reply::Text("Permission denied\n\n".to_owned()),
        false => says(command),
    })
    .await;
    let outcome = HaproxySwitch::new(reader(&fake.address))
        .set_balancer(&server("fe1"), &place(&fake.address, "fe1"), BalancerState::Drain)
        .await;
    assert!(matches!(&outcome, ActOutcome::Failed(reason) if reason.contains("Permission denied")), "{outcome:?}");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_unknown_and_not_sent_again() {
    for reply in [Reply::Close, Reply::Silence] {
        let fake = Fake::start(move |command| match command.starts_with("set") {
            true => reply.clone(),
            false => says(command),
        })
        .await;
        let switch = HaproxySwitch::new(impatient(&fake));
        let outcome = switch.set_balancer(&server("fe1"), &place(&fake.address, "fe1"), BalancerState::Drain).await;
        assert!(matches!(outcome, ActOutcome::Unknown(_)), "{outcome:?}");
        let sent = fake.commands().into_iter().filter(|command| command.starts_with("set")).count();
        assert_eq!(sent, 1);
    }
}

#[tokio::test]
async fn an_orderly_close_without_an_answer_is_settled_by_reading_back() {
    let drained = std::sync::atomic::AtomicBool::new(false);
    let fake = Fake::start(move |command| {
        use std::sync::atomic::Ordering::SeqCst;
        if command.starts_with("set") {
            drained.store(true, SeqCst);
            return Reply::Close;
        }
        let flags = if drained.load(SeqCst) { "192.0.2.11 2 12" } else { "192.0.2.11 2 4" };
        Reply::Text(STATE.replace("192.0.2.11 2 4", flags))
    })
    .await;
    let outcome = HaproxySwitch::new(reader(&fake.address))
        .set_balancer(&server("fe1"), &place(&fake.address, "fe1"), BalancerState::Drain)
        .await;
    assert_eq!(outcome, ActOutcome::Accepted);
}

#[tokio::test]
async fn a_server_of_another_pool_is_refused_without_a_command() {
    let fake = Fake::start(says).await;
    let outcome = HaproxySwitch::new(reader(&fake.address))
        .set_balancer(&server("fe8"), &place(&fake.address, "fe1"), BalancerState::Drain)
        .await;
    assert!(matches!(outcome, ActOutcome::Failed(_)));
    let elsewhere = BalancerPlace { backend: "other".to_owned(), ..place(&fake.address, "fe1") };
    let hostile = BalancerPlace { slot: "fe1;show info".to_owned(), ..place(&fake.address, "fe1") };
    for place in [elsewhere, hostile] {
        let switch = HaproxySwitch::new(reader(&fake.address));
        let outcome = switch.set_balancer(&server("fe1"), &place, BalancerState::Drain).await;
        assert!(matches!(outcome, ActOutcome::Failed(_)), "{place}");
    }
    assert!(fake.commands().is_empty());
}

#[test]
fn names_that_could_carry_a_command_are_refused() {
    let refused = |settings: &HaproxyBalancer| reader_with(settings, &three(), Arc::new(NoNames)).unwrap_err();
    for bad in ["", "pool;show info", "pool\nshow info", "po ol", "pool/fe1", "#1", "pöol"] {
        let settings = HaproxyBalancer::one("127.0.0.1:9999", bad);
        assert_eq!(refused(&settings), HaproxySettingsError::Name { kind: "backend", found: bad.to_owned() });
        let mut settings = balancer("127.0.0.1:9999");
        settings.names.insert(server("fe1"), vec![bad.to_owned()]);
        assert_eq!(refused(&settings), HaproxySettingsError::Name { kind: "server", found: bad.to_owned() });
    }
}

#[test]
fn two_servers_with_one_name_in_the_balancer_are_refused() {
    let mut settings = balancer("127.0.0.1:9999");
    settings.names.insert(server("fe1"), vec!["web1".to_owned()]);
    settings.names.insert(server("fe2"), vec!["web2".to_owned(), "web1".to_owned()]);
    let refused = reader_with(&settings, &three(), Arc::new(NoNames)).unwrap_err();
    let (first, second) = (server("fe1"), server("fe2"));
    assert_eq!(refused, HaproxySettingsError::SameName { name: "web1".to_owned(), first, second });
}

#[test]
fn addresses_are_a_port_or_a_socket() {
    let try_it = |address: &str| reader_with(&balancer(address), &[], Arc::new(NoNames));
    for good in ["127.0.0.1:9999", "[::1]:9999", "balancer.contoso.example:9999", "/run/haproxy/admin.sock"] {
        assert!(try_it(good).is_ok(), "{good}");
    }
    for bad in ["", "balancer", "balancer:", ":9999", "balancer:0", "balancer:70000", "http://b/x:80", "/a\nb"] {
        assert!(try_it(bad).is_err(), "{bad}");
    }
}
