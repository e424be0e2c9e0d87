//! The catalogue is complete and agrees with itself.

use super::*;
use std::collections::BTreeSet;

const PRODUCTS: [Product; 4] = [Product::Lync2013, Product::Sfb2015, Product::Sfb2019, Product::Sfbse];

fn names(product: Product, role: Role) -> BTreeSet<&'static str> {
    expected(product, role).filter_map(|facts| facts.name).collect()
}

fn set(text: &'static str) -> BTreeSet<&'static str> {
    text.split_whitespace().collect()
}

#[test]
fn every_product_and_role_has_its_services() {
    let front_end = "RTCSRV RTCCAA RTCCAS RTCRGS RTCCPS RTCATS RTCIMMCU RTCDATAMCU RTCAVMCU RTCASMCU REPLICA RTCCLSAGT \
                     FabricHostSvc W3SVC";
    for product in PRODUCTS {
        let mut wanted = set(front_end);
        if product != Product::Lync2013 {
            wanted.insert("RTCHA");
        }
        assert_eq!(names(product, Role::FrontEnd), wanted, "{product} front-end");
        let mut wanted = set(front_end);
        wanted.remove("FabricHostSvc");
        assert_eq!(names(product, Role::StandardEdition), wanted, "{product} standard-edition");
        assert_eq!(names(product, Role::Director), set("RTCSRV W3SVC REPLICA RTCCLSAGT"), "{product} director");
        let edge = set("RTCSRV RTCDATAPROXY RTCMEDIARELAY RTCMRAUTH REPLICA RTCCLSAGT");
        assert_eq!(names(product, Role::Edge), edge, "{product} edge");
        assert_eq!(names(product, Role::Mediation), set("RTCMEDSRV REPLICA RTCCLSAGT"), "{product} mediation");
    }
    for role in Role::ALL {
        assert_eq!(names(Product::Generic, role), BTreeSet::new());
    }
}

#[test]
fn names_and_titles_are_unique_and_valid() {
    let mut seen = BTreeSet::new();
    for facts in SERVICES {
        if let Some(name) = facts.name {
            assert!(seen.insert(name.to_ascii_lowercase()), "{name} stands twice");
            assert!(facts.service_name().is_some(), "{name} is not a service name");
        }
        assert!(!facts.title.is_empty() && !facts.sources.is_empty() && !facts.session.is_empty(), "{}", facts.title);
        assert_eq!(facts.name.is_none(), facts.name_status == NameStatus::NotFound, "{}", facts.title);
    }
    let titles: BTreeSet<&str> = SERVICES.iter().map(|facts| facts.title).collect();
    assert_eq!(titles.len(), SERVICES.len());
}

#[test]
fn names_without_a_source_are_never_expected() {
    for product in Product::ALL {
        for role in Role::ALL {
            assert!(expected(product, role).all(|facts| facts.name_status == NameStatus::Confirmed));
        }
    }
    for name in ["RTCMEETINGMCU", "RTCSYN", "RTCDSS", "RTCMCU"] {
        assert!(service(&ServiceName::new(name).unwrap()).is_none(), "{name} was found nowhere reliable");
    }
}

#[test]
fn features_and_services_point_at_each_other() {
    for feature in Feature::ALL {
        let facts = service(&ServiceName::new(feature.service()).unwrap()).unwrap();
        assert!(facts.features.contains(&feature), "{feature}");
    }
    for facts in SERVICES {
        for feature in facts.features {
            assert_eq!(Some(feature.service()), facts.name, "{feature}");
        }
    }
}

#[test]
fn services_with_sessions_but_no_measure_are_known_by_name() {
    let unmeasured: Vec<&str> = SERVICES
        .iter()
        .filter(|facts| facts.drain == DrainClass::Session && facts.measures.is_empty())
        .map(|facts| facts.name.unwrap_or(facts.title))
        .collect();
    let wanted = [
        "RTCXMPPTGW",
        "RTCDATAPROXY",
        "RTCMEDIARELAY",
        "XMPP Proxy",
        "Persistent Chat",
        "Video Interop Server",
        "RTCACPMCU",
    ];
    assert_eq!(unmeasured, wanted);
}

#[test]
fn every_measure_is_for_products_and_roles_of_its_service() {
    for facts in SERVICES {
        for measure in facts.measures {
            assert!(measure.products.iter().all(|product| facts.products.contains(product)), "{}", facts.title);
            let roles = || facts.roles.iter().chain(facts.optional_roles);
            assert!(measure.roles.iter().all(|role| roles().any(|own| own == role)), "{}", facts.title);
        }
        for &(alias, component) in facts.aliases {
            assert!(facts.contains.contains(&component), "{alias} stands for nothing");
        }
    }
}

#[test]
fn every_application_of_the_registrar_names_the_service_that_contains_it() {
    let named =
        ["UserServices", "UdcAgent", "QoEAgent", "ExumRouting", "OutboundRouting", "DefaultRouting", "LBRouting"];
    for name in named.into_iter().chain(["SharedLineAppearance", "BusyOptions", "EdgeMonitor"]) {
        let Some(Resolved::Grouped { service, .. }) = resolve(name) else { panic!("{name}") };
        assert_eq!(service.name, Some("RTCSRV"), "{name}");
    }
}

#[test]
fn what_is_spread_over_services_names_them_all() {
    let applications = ["RTCCAA", "RTCCAS", "RTCRGS", "RTCCPS", "RTCATS"];
    let conferencing = ["RTCIMMCU", "RTCDATAMCU", "RTCAVMCU", "RTCASMCU"];
    let wanted: [(&[&str], &[&str]); 3] = [
        (
            &["Application Host", "application-host", "Application Server", "ApplicationServer", "Application service"],
            &applications,
        ),
        (&["ConferencingServer", "Conferencing Server"], &conferencing),
        (&["CentralManagement", "Central Management"], &["MASTER", "FTA"]),
    ];
    for (texts, services) in wanted {
        for text in texts {
            let Some(Resolved::Spread(facts)) = resolve(text) else { panic!("{text}") };
            let mut found: Vec<&str> = facts.services().filter_map(|facts| facts.name).collect();
            let mut services = services.to_vec();
            found.sort_unstable();
            services.sort_unstable();
            assert_eq!(found, services, "{text}");
        }
    }
    for facts in SPREAD {
        assert!(!facts.sources.is_empty() && facts.services().count() > 1, "{}", facts.name);
        assert!(facts.names().all(|name| known_names().iter().any(|known| known == name)), "{}", facts.name);
    }
}

#[test]
fn every_role_that_the_product_prints_means_something() {
    for (role, name) in [("W3SVC", "W3SVC"), ("MediationServer", "RTCMEDSRV"), ("ClsAgent", "RTCCLSAGT")] {
        let Some(Resolved::Service(facts)) = resolve(role) else { panic!("{role}") };
        assert_eq!(facts.name, Some(name), "{role}");
    }
    for role in ["Registrar", "UserServer", "EdgeServer"] {
        let Some(Resolved::Grouped { service, .. }) = resolve(role) else { panic!("{role}") };
        assert_eq!(service.name, Some("RTCSRV"), "{role}");
    }
    for role in ["CentralManagement", "ApplicationServer", "ConferencingServer"] {
        assert!(matches!(resolve(role), Some(Resolved::Spread(_))), "{role}");
    }
}

#[test]
fn an_application_may_be_written_with_its_cluster() {
    let clusters = [
        "Registrar:pool01.contoso.example/",
        "Service:Registrar:pool01.contoso.example/",
        "EdgeServer:edge.contoso.example/",
    ];
    for cluster in clusters {
        let text = format!("{cluster}EdgeMonitor");
        assert!(matches!(resolve(&text), Some(Resolved::Grouped { .. })), "{text}");
        assert!(resolve(&format!("{cluster}NoSuch")).is_none());
    }
    let Some(Resolved::Service(facts)) = resolve("Audio/Video Conferencing") else { panic!("a slash of its own") };
    assert_eq!(facts.name, Some("RTCAVMCU"));
}

#[test]
fn rates_are_not_measures() {
    let paths = SERVICES.iter().flat_map(|facts| facts.measures).map(|measure| measure.kind.path());
    for path in paths {
        let lower = path.to_ascii_lowercase();
        assert!(
            !lower.contains("per second") && !lower.contains("/sec") && !lower.contains("messages in server"),
            "{path}"
        );
        assert_ne!(path, r"\LS:SIP - Peers(_Total)\SIP - Connections Active");
    }
}

#[test]
fn screen_sharing_is_counted_where_the_product_counts_it() {
    let facts = service(&ServiceName::new("RTCASMCU").unwrap()).unwrap();
    let paths = |product| facts.measures_for(product, Role::FrontEnd).map(|m| m.kind.path()).collect::<Vec<_>>();
    assert_eq!(paths(Product::Lync2013).len(), 2);
    assert!(
        paths(Product::Sfb2015)
            .contains(&r"\LS:AsMcuUpdate - AsMcu Conferences\AsMcuUpdate - Active Vbss Users".into())
    );
    assert!(paths(Product::Sfb2019).contains(&r"\LS:AsMcu - AsMcu Conferences\ASMCU - Active Vbss Users".into()));
}

#[test]
fn an_edge_server_is_not_asked_for_registered_endpoints() {
    let facts = service(&ServiceName::new("RTCSRV").unwrap()).unwrap();
    assert_eq!(facts.measures_for(Product::Lync2013, Role::FrontEnd).count(), 3);
    assert_eq!(facts.measures_for(Product::Lync2013, Role::Edge).count(), 2);
}

#[test]
fn display_names_follow_product_and_role() {
    let facts = service(&ServiceName::new("rtcsrv").unwrap()).unwrap();
    assert_eq!(facts.display(Product::Lync2013, Role::FrontEnd), "Lync Server Front-End");
    assert_eq!(facts.display(Product::Sfb2019, Role::Edge), "Skype for Business Server Access Edge");
    let web = service(&ServiceName::new("W3SVC").unwrap()).unwrap();
    assert_eq!(web.display(Product::Lync2013, Role::FrontEnd), "World Wide Web Publishing Service");
    let media = service(&ServiceName::new("RTCAVMCU").unwrap()).unwrap();
    let counter = media.draining_counter().unwrap();
    assert_eq!(counter, ("LS:AVMCU - MCU Health And Performance".into(), "AVMCU - MCU Draining State".into()));
}

#[test]
fn names_display_names_and_features_mean_the_service() {
    let wanted = [
        ("RTCRGS", "RTCRGS"),
        ("response group", "RTCRGS"),
        ("Announcement", "RTCRGS"),
        ("Announcement application", "RTCRGS"),
        ("Lync Server Front-End", "RTCSRV"),
        ("Skype for Business Server Access Edge", "RTCSRV"),
        ("Call Park", "RTCCPS"),
        ("Attendant", "RTCCAA"),
        ("Conferencing Attendant", "RTCCAA"),
        ("conferencing announcement application", "RTCCAS"),
        ("Lync Server Audio Test Service", "RTCATS"),
        ("web conferencing", "RTCDATAMCU"),
    ];
    for (text, name) in wanted {
        match resolve(text) {
            Some(Resolved::Service(facts)) => assert_eq!(facts.name, Some(name), "{text}"),
            other => panic!("{text} means {other:?}"),
        }
    }
}

#[test]
fn a_component_names_the_service_that_contains_it() {
    let wanted = [
        ("Monitoring data collection agent", "RTCSRV"),
        ("UdcAgent", "RTCSRV"),
        ("QoE agent", "RTCSRV"),
        ("Group Call Pickup", "RTCCPS"),
        ("Match Making service", "RTCRGS"),
        ("LBRouting", "RTCSRV"),
    ];
    for (text, name) in wanted {
        match resolve(text) {
            Some(Resolved::Grouped { service, component }) => {
                assert_eq!(service.name, Some(name), "{text}");
                assert!(service.contains.contains(&component), "{text}");
            }
            other => panic!("{text} means {other:?}"),
        }
    }
    assert!(resolve("RTCNOSUCH").is_none());
}

#[test]
fn a_service_is_known_by_its_display_name_whatever_its_windows_name() {
    let wanted = [
        ("Lync Server XMPP Proxy", Some(DrainClass::Session), true),
        ("skype for business server Video Interop Server", Some(DrainClass::Session), true),
        ("Skype for Business Server Emergency Mitigation Service", Some(DrainClass::Support), true),
        ("Emergency Mitigation Service", Some(DrainClass::Support), false),
        ("Lync Server Access Edge", Some(DrainClass::Session), true),
        ("Lync Server Something New", None, true),
        ("SQL Server (RTCLOCAL)", None, false),
        ("Lync Server", None, false),
        ("", None, false),
    ];
    for (display, drain, of_product) in wanted {
        assert_eq!(by_display(display).map(|facts| facts.drain), drain, "{display}");
        assert_eq!(is_product_display(display), of_product, "{display}");
    }
}
