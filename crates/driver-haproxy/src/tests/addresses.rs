//! Whose an entry is: by its address, by the plan's word, by nothing.

use super::*;
use crate::tables;
use orchestrate_model::observe::DoubtKind;
use orchestrate_model::pool::SlotNames;

const HEADER: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn\n";

/// A balancer that has these entries, each `backend/slot address [flags] [fqdn]`, and gives this level.
async fn with(entries: &'static [&'static str], level: &'static str) -> Fake {
    let row = |entry: &&str| -> (String, String) {
        let words: Vec<&str> = entry.split(' ').collect();
        let (backend, slot) = words[0].split_once('/').unwrap();
        let (flags, fqdn) = (words.get(2).unwrap_or(&"0"), words.get(3).unwrap_or(&"-"));
        (format!("3 {backend} 1 {slot} {} 2 {flags} 1 {fqdn}\n", words[1]), format!("{backend},{slot},0\n"))
    };
    let (states, statistics): (String, String) = entries.iter().map(row).unzip();
    Fake::start(move |command| match command {
        "show servers state" => Reply::Text(format!("{HEADER}{states}\n")),
        "show stat" => Reply::Text(format!("# pxname,svname,scur\n{statistics}\n")),
        "show cli level" => Reply::Text(format!("{level}\n\n")),
        _ => Reply::Text("Permission denied\n\n".to_owned()),
    })
    .await
}

/// What the plan's servers are in such a balancer.
async fn seen(
    entries: &'static [&'static str],
    change: impl FnOnce(&mut HaproxyBalancer),
) -> orchestrate_model::observe::BalancerObservation {
    let fake = with(entries, "admin").await;
    let mut settings = balancer(&fake.address);
    change(&mut settings);
    reader_of(&settings, &three()).observe_balancer().await
}

fn kinds(seen: &BalancerObservation) -> Vec<(DoubtKind, Option<&str>)> {
    seen.doubts.iter().map(|doubt| (doubt.kind, doubt.server.as_ref().map(ServerName::short))).collect()
}

#[tokio::test]
async fn p2_a_name_with_another_server_s_address_is_neither_server() {
    let swapped = &["pool/fe1 192.0.2.12", "pool/fe2 192.0.2.11", "pool/fe3 192.0.2.13"];
    let seen = seen(swapped, |_| {}).await;
    assert_eq!(entries(&seen, "fe1"), Vec::<String>::new());
    assert_eq!(entries(&seen, "fe3"), ["pool/fe3 ready"]);
    for name in ["fe1", "fe2"] {
        let text = &seen.against(&server(name)).next().unwrap().text;
        assert!(text.contains("pool/fe1 at") && text.contains("expected 192.0.2.11, found 192.0.2.12"), "{text}");
    }
    assert_eq!(seen.against(&server("fe3")).count(), 0);
}

#[tokio::test]
async fn p2_an_address_that_is_nobody_s_is_refused_with_what_was_expected() {
    let seen = seen(&["pool/fe1 198.51.100.1", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13"], |_| {}).await;
    let text = &seen.against(&server("fe1")).next().unwrap().text;
    assert!(text.contains("expected 192.0.2.11, found 198.51.100.1, which is no server's of the plan"), "{text}");
    assert_eq!(seen.against(&server("fe2")).count(), 0);
}

#[tokio::test]
async fn places_of_a_template_are_found_by_address() {
    let template = &["pool/srv1 192.0.2.13", "pool/srv2 192.0.2.11", "pool/srv3 192.0.2.12", "pool/srv4 - 32"];
    let seen = seen(template, |_| {}).await;
    assert_eq!(kinds(&seen), []);
    assert_eq!(
        ["fe1", "fe2", "fe3"].map(|name| entries(&seen, name)),
        [["pool/srv2 ready"], ["pool/srv3 ready"], ["pool/srv1 ready"]]
    );
}

#[tokio::test]
async fn a_template_whose_names_look_like_servers_is_read_by_address_where_the_plan_says_so() {
    let swapped = &["pool/fe1 192.0.2.12", "pool/fe2 192.0.2.11", "pool/fe3 192.0.2.13"];
    let seen = seen(swapped, |settings| settings.slots = SlotNames::ByAddress).await;
    assert_eq!(kinds(&seen), []);
    assert_eq!(
        (entries(&seen, "fe1"), entries(&seen, "fe2")),
        (vec!["pool/fe2 ready".into()], vec!["pool/fe1 ready".into()])
    );
}

#[tokio::test]
async fn a_stated_name_may_have_an_address_of_its_own_but_not_another_server_s() {
    let state = |settings: &mut HaproxyBalancer| drop(settings.names.insert(server("fe1"), vec!["web1".to_owned()]));
    let own = seen(&["pool/web1 10.0.0.1", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13"], state).await;
    assert_eq!(entries(&own, "fe1"), ["pool/web1 ready"]);
    assert_eq!(kinds(&own), [(DoubtKind::ByNameAlone, Some("fe1"))]);
    let others = seen(&["pool/web1 192.0.2.12", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13"], state).await;
    assert!(others.against(&server("fe1")).any(|doubt| doubt.kind == DoubtKind::OtherAddress), "{:?}", others.doubts);
}

#[tokio::test]
async fn case_does_not_matter_and_a_name_that_is_nearly_right_is_suggested() {
    let same =
        seen(&["pool/FE1 192.0.2.11", "pool/fe2.contoso.example 192.0.2.12", "pool/fe3 ::ffff:192.0.2.13"], |_| {})
            .await;
    assert_eq!((kinds(&same), entries(&same, "fe1")), (vec![], vec!["pool/FE1 ready".into()]));
    assert_eq!(entries(&same, "fe3"), ["pool/fe3 ready"], "an address is the same in both families' writing");
    let near = seen(&["Pool/fe1 192.0.2.11", "Pool/fe2 192.0.2.12", "Pool/fe3 192.0.2.13"], |_| {}).await;
    let text = &near.against(&server("fe1")).next().unwrap().text;
    assert!(text.contains("has no backend pool with servers; there are Pool; is Pool meant?"), "{text}");
}

#[tokio::test]
async fn every_backend_that_holds_a_server_is_drained_or_named_or_accepted() {
    let all = &[
        "pool/fe1 192.0.2.11",
        "pool/fe2 192.0.2.12",
        "pool/fe3 192.0.2.13",
        "ext/fe1 192.0.2.11 8",
        "ext/fe2 192.0.2.12",
        "ext/fe3 192.0.2.13",
        "alien/x 203.0.113.7",
    ];
    let unnamed = seen(all, |_| {}).await;
    assert_eq!(kinds(&unnamed), [(DoubtKind::Unnamed, None)]);
    let text = &unnamed.doubts[0].text;
    assert!(text.contains("the backend ext at ") && text.contains("fe1, fe2, fe3 too"), "{text}");
    let named = seen(all, |settings| settings.sites[0].backends.push("ext".to_owned())).await;
    assert_eq!(kinds(&named), []);
    assert_eq!(entries(&named, "fe1"), ["ext/fe1 drain", "pool/fe1 ready"]);
    let accept = |settings: &mut HaproxyBalancer| {
        settings.accept_backends.insert("ext".to_owned(), "a page for monitoring".to_owned());
    };
    let accepted = seen(all, accept).await;
    assert_eq!(kinds(&accepted), [(DoubtKind::Accepted, None)]);
    assert!(accepted.doubts[0].text.contains("a page for monitoring"));
    let mistyped = seen(all, |settings| {
        settings.sites[0].backends.push("ext".to_owned());
        settings.accept_backends.insert("alein".to_owned(), "a page for monitoring".to_owned());
    })
    .await;
    assert_eq!(kinds(&mistyped), [(DoubtKind::NotThere, None)]);
    let text = &mistyped.doubts[0].text;
    let expected = "accept_backends names alein, which no balancer of the plan has with servers; there are alien, ext, pool; \
                    is alien meant?";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn p2_a_name_that_no_backend_has_is_missing_although_the_server_has_other_entries() {
    let all = &["pool/fe1 192.0.2.11", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13", "pool/fe1-nat 10.9.9.11"];
    let called = |names: &'static [&'static str]| {
        move |settings: &mut HaproxyBalancer| {
            settings.names.insert(server("fe1"), names.iter().map(|name| (*name).to_owned()).collect());
        }
    };
    let right = seen(all, called(&["fe1", "fe1-nat"])).await;
    assert_eq!(kinds(&right), [(DoubtKind::ByNameAlone, Some("fe1"))], "{:?}", right.doubts);
    for wrong in [&["fe1", "fe1-nta"], &["fe1", "FE1-NAT"]] {
        let seen = seen(all, called(wrong)).await;
        assert_eq!(kinds(&seen), [(DoubtKind::NotThere, Some("fe1"))], "{wrong:?}");
        let text = &seen.doubts[0].text;
        assert!(text.contains(&format!("fe1 is called {}", wrong[1])) && text.contains("is fe1-nat meant?"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_one_of_several_backends_provably_lacks_needs_nothing_there() {
    let both = |settings: &mut HaproxyBalancer| settings.sites[0].backends.push("ext".to_owned());
    let lacks = &["pool/fe1 192.0.2.11", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13", "ext/fe2 192.0.2.12"];
    assert_eq!(kinds(&seen(lacks, both).await), []);
    let stranger = &[
        "pool/fe1 192.0.2.11",
        "pool/fe2 192.0.2.12",
        "pool/fe3 192.0.2.13",
        "ext/fe2 192.0.2.12",
        "ext/fe3 192.0.2.13",
        "ext/node1 10.0.0.1",
    ];
    assert_eq!(kinds(&seen(stranger, both).await), [(DoubtKind::NotThere, Some("fe1"))], "node1 may be fe1");
}

#[tokio::test]
async fn addresses_that_the_plan_leaves_out_come_from_dns() {
    let fake = with(&["pool/fe1 192.0.2.11", "pool/fe2 192.0.2.12"], "admin").await;
    let servers = [planned("fe1", ""), planned("fe2", "192.0.2.12")];
    let dns = Records::of(&[("fe1", "192.0.2.11"), ("fe2", "192.0.2.12")]);
    let seen = reader_with(&balancer(&fake.address), &servers, dns).unwrap().observe_balancer().await;
    assert_eq!((kinds(&seen), entries(&seen, "fe1")), (vec![], vec!["pool/fe1 ready".into()]));
    let wrong = Records::of(&[("fe1", "192.0.2.77"), ("fe2", "192.0.2.12")]);
    let seen = reader_with(&balancer(&fake.address), &servers, wrong).unwrap().observe_balancer().await;
    assert_eq!(kinds(&seen), [(DoubtKind::OtherAddress, Some("fe1"))]);
    let silent = reader_with(&balancer(&fake.address), &servers, Arc::new(NoNames)).unwrap().observe_balancer().await;
    let why = silent.servers.why_unknown().unwrap();
    assert!(why.contains("the plan states no address of fe1, and DNS does not either"), "{why}");
}

#[tokio::test]
async fn p2_the_plan_s_word_on_an_address_comes_before_that_of_dns() {
    let fake = with(&["pool/fe1 192.0.2.12", "pool/fe2 192.0.2.11", "pool/x 203.0.113.1"], "admin").await;
    // The name server lags: it has fe1 where fe2 is.
    let dns = Records::of(&[("fe1", "192.0.2.12"), ("fe2", "192.0.2.11")]);
    let servers = [planned("fe1", "192.0.2.11"), planned("fe2", "192.0.2.12")];
    let seen = reader_with(&balancer(&fake.address), &servers, dns).unwrap().observe_balancer().await;
    assert!(seen.against(&server("fe1")).any(|doubt| doubt.kind == DoubtKind::OtherAddress), "{:?}", seen.doubts);
}

#[tokio::test]
async fn an_entry_without_an_address_is_a_server_s_only_by_the_name_that_is_looked_up() {
    let unresolved = &["pool/fe1 - 32 fe1.contoso.example", "pool/fe2 - 32 web.contoso.example", "pool/fe3 0.0.0.0"];
    let seen = seen(unresolved, |_| {}).await;
    assert_eq!(entries(&seen, "fe1"), ["pool/fe1 maintenance"]);
    assert_eq!((entries(&seen, "fe2"), entries(&seen, "fe3")), (vec![], vec![]));
    for name in ["fe2", "fe3"] {
        let doubt = seen.against(&server(name)).next().unwrap();
        assert_eq!(doubt.kind, DoubtKind::NotThere);
        assert!(doubt.text.contains("pool/fe2 (no address)"), "{}", doubt.text);
    }
}

#[tokio::test]
async fn p5_an_entry_that_has_another_address_by_now_is_left_alone() {
    let fake = with(&["pool/fe1 192.0.2.12", "pool/fe2 192.0.2.11"], "admin").await;
    let switch = HaproxySwitch::new(reader(&fake.address));
    let outcome = switch.set_balancer(&server("fe1"), &place(&fake.address, "fe1"), BalancerState::Drain).await;
    let ActOutcome::Failed(why) = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains("expected 192.0.2.11, found 192.0.2.12; it is left alone"), "{why}");
    assert!(fake.commands().iter().all(|command| command.starts_with("show")), "{:?}", fake.commands());
}

#[tokio::test]
async fn one_of_two_balancers_that_is_silent_leaves_the_whole_unknown_and_the_rest_known() {
    let fake = with(&["pool/fe1 192.0.2.11 8", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13"], "admin").await;
    let mut settings = balancer(&fake.address);
    settings.sites.push(HaproxySite {
        address: "/nowhere/admin".to_owned(),
        moved_to: None,
        backends: vec!["pool".to_owned()],
    });
    let seen = reader_of(&settings, &three()).observe_balancer().await;
    let why = seen.servers.why_unknown().unwrap();
    assert!(why.contains("/nowhere/admin") && !why.contains(&fake.address), "{why}");
    let known = seen.as_far_as_known(&server("fe1")).unwrap();
    assert_eq!(known.states()[&place(&fake.address, "fe1")], BalancerState::Drain);
}

#[tokio::test]
async fn the_right_to_change_is_found_out_without_a_change() {
    let all = &["pool/fe1 192.0.2.11", "pool/fe2 192.0.2.12", "pool/fe3 192.0.2.13"];
    for (level, expected) in [
        ("admin", vec![]),
        ("operator", vec![(DoubtKind::NoRight, None)]),
        ("user", vec![(DoubtKind::NoRight, None)]),
        // A version that does not know the question refuses a change of nothing.
        ("Unknown command.", vec![(DoubtKind::NoRight, None)]),
    ] {
        let fake = with(all, level).await;
        let seen = reader(&fake.address).observe_balancer().await;
        assert_eq!(kinds(&seen), expected, "{level}");
        let changes = fake.commands().into_iter().filter(|command| command.starts_with("set server "));
        assert_eq!(changes.count(), 0);
    }
}

#[tokio::test]
async fn a_megabyte_in_a_field_becomes_a_line_and_no_command_to_the_terminal() {
    let long: String = "x".repeat(1 << 20);
    for row in [
        format!("3 pool 1 fe1 192.0.2.11 {long} 0 1 -"),
        format!("3 pool 1 {long} 192.0.2.11 2 0 1 -"),
        "3 pool 1 fe1\u{1b}[2J\u{202e} 192.0.2.11 2 0 1 -".to_string(),
    ] {
        let text = format!("{HEADER}{row}\n\n");
        let why = tables::servers(&text).unwrap_err().to_string();
        assert!(why.len() < 600 && !why.contains('\u{1b}') && !why.contains('\u{202e}'), "{} bytes", why.len());
    }
    let fake = Fake::start(move |_| Reply::Text(format!("\u{1b}[31m{}\n\n", "y".repeat(1 << 20)))).await;
    let why = why_unknown(&reader(&fake.address)).await;
    assert!(why.len() < 600 && !why.contains('\u{1b}'), "{why}");
}

#[tokio::test]
async fn ten_thousand_names_are_not_all_listed() {
    let rows: String = (0..10_000)
        .map(|number| format!("3 pool 1 s{number} 10.1.{}.{} 2 0 1 -\n", number / 250, number % 250))
        .collect();
    let statistics: String = (0..10_000).map(|number| format!("pool,s{number},0\n")).collect();
    let fake = Fake::start(move |command| match command {
        "show servers state" => Reply::Text(format!("{HEADER}{rows}\n")),
        "show stat" => Reply::Text(format!("# pxname,svname,scur\n{statistics}\n")),
        _ => Reply::Text("admin\n\n".to_owned()),
    })
    .await;
    let seen = reader(&fake.address).observe_balancer().await;
    let text = &seen.against(&server("fe1")).next().unwrap().text;
    assert!(text.contains("and 9992 more") && text.len() < 1_000, "{text}");
}
