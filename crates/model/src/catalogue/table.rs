//! The table. One entry per Windows service; see [`super::ServiceFacts`] for what each field means.
//!
//! Every session measure of an entry has to be readable before the service can be called drained. Therefore an
//! activity key from memory is listed only where no sourced measure exists, and a counter whose instances are not
//! known (the mobility counters of `W3SVC`) is left to the plan file's `measures`.
//!
//! Source keys: `PNC` TechNet Gg520964; `L13` Lync Server 2013 library; `PS` cmdlet reference; `SFB` Skype for
//! Business Server documentation; `SFB-CCE` Cloud Connector documentation; `SCR-1` counters of a production server;
//! `SCR-2` to `SCR-8` published monitoring scripts; `WEB-1` an article on draining a Mediation server; `WEB-2` a
//! sample of `Get-CsWindowsService`; `WEB-3` a vendor's note on the draining state; `WEB-6` the services of a
//! stand-alone Mediation server; `WEB-7` counters of connected users; `WEB-20` the cumulative update of June 2023.

use super::{DrainClass, MeasureFacts, MeasureKind, NameStatus, PauseFacts, ServiceFacts};
use crate::product::{Feature, Product, Role};

use Product::{Lync2013, Sfb2015, Sfb2019, Sfbse};
use Role::{Director, Edge, FrontEnd, Mediation, StandardEdition};

const EVERY_PRODUCT: &[Product] = &[Lync2013, Sfb2015, Sfb2019, Sfbse];
const HOMES: &[Role] = &[FrontEnd, StandardEdition];
const EVERY_ROLE: &[Role] = &[FrontEnd, StandardEdition, Director, Edge, Mediation];

/// What most entries share.
const USUAL: ServiceFacts = ServiceFacts {
    name: None,
    name_status: NameStatus::Confirmed,
    title: "",
    edge_title: None,
    prefixed: true,
    products: EVERY_PRODUCT,
    roles: &[],
    optional_roles: &[],
    ports: &[],
    session: "none",
    measures: &[],
    draining_state: None,
    contains: &[],
    aliases: &[],
    features: &[],
    pause: PauseFacts::Unknown,
    drain: DrainClass::Support,
    sources: &[],
};

const fn counter(object: &'static str, counter: &'static str) -> MeasureFacts {
    let kind = MeasureKind::Counter { object, instance: None, counter };
    MeasureFacts { kind, products: &[], roles: &[], sourced: true }
}

const fn instance(object: &'static str, instance: &'static str, counter: &'static str) -> MeasureFacts {
    let kind = MeasureKind::Counter { object, instance: Some(instance), counter };
    MeasureFacts { kind, products: &[], roles: &[], sourced: true }
}

const fn activity(key: &'static str) -> MeasureFacts {
    MeasureFacts { kind: MeasureKind::Activity { key }, products: &[], roles: &[], sourced: true }
}

/// A key that was recalled, not read in a source.
const fn recalled(key: &'static str) -> MeasureFacts {
    MeasureFacts { kind: MeasureKind::Activity { key }, products: &[], roles: &[], sourced: false }
}

const fn on(products: &'static [Product], measure: MeasureFacts) -> MeasureFacts {
    MeasureFacts { products, ..measure }
}

const fn homes_only(measure: MeasureFacts) -> MeasureFacts {
    MeasureFacts { roles: HOMES, ..measure }
}

const fn inferred(measure: MeasureFacts) -> MeasureFacts {
    MeasureFacts { sourced: false, ..measure }
}

/// Every service of the products, in the order in which they are blocked: the door that sessions come in by first.
pub static SERVICES: &[ServiceFacts] = &[
    ServiceFacts {
        name: Some("RTCSRV"),
        title: "Front-End",
        edge_title: Some("Access Edge"),
        roles: &[FrontEnd, StandardEdition, Director, Edge],
        ports: &[5061, 5060, 444, 135],
        session: "SIP connections and registered endpoints of users, and the focus of conferences",
        // Requests per second and messages in the server are rates: both read 0 on an idle, fully loaded server.
        // `Peers(_Total)` counts other servers too and never reaches zero.
        measures: &[
            instance("LS:SIP - Peers", "Clients", "SIP - Connections Active"),
            counter("LS:SIP - Networking", "SIP - Unique users connected directly"),
            // Users who come in through the Edge have no direct connection; only the cache counts them.
            homes_only(counter("LS:USrv - Endpoint Cache", "USrv - Active Registered Endpoints")),
        ],
        contains: &[
            "Data collection agent for Monitoring",
            "Archiving agent",
            "QoE agent",
            "User Services",
            "Registrar",
            REGISTRAR_APPLICATIONS,
        ],
        aliases: &[
            ("Monitoring data collection agent", "Data collection agent for Monitoring"),
            ("Unified data collection agent", "Data collection agent for Monitoring"),
            ("Data collection agent", "Data collection agent for Monitoring"),
            ("Monitoring", "Data collection agent for Monitoring"),
            ("Monitoring agent", "Data collection agent for Monitoring"),
            ("UdcAgent", "Data collection agent for Monitoring"),
            ("Archiving", "Archiving agent"),
            ("QoEAgent", "QoE agent"),
            ("UserServices", "User Services"),
            ("UserServer", "User Services"),
            // `Get-CsWindowsService` gives this role to the same service as the other two.
            ("EdgeServer", "Registrar"),
            ("ExumRouting", REGISTRAR_APPLICATIONS),
            ("OutboundRouting", REGISTRAR_APPLICATIONS),
            ("DefaultRouting", REGISTRAR_APPLICATIONS),
            ("LBRouting", REGISTRAR_APPLICATIONS),
            ("SharedLineAppearance", REGISTRAR_APPLICATIONS),
            ("BusyOptions", REGISTRAR_APPLICATIONS),
            ("EdgeMonitor", REGISTRAR_APPLICATIONS),
        ],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &[
            "PNC",
            "SCR-1",
            "SCR-3",
            "SCR-4",
            "SFB-CCE",
            "WEB-7",
            "L13:components-and-topologies-for-monitoring",
        ],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCCAA"),
        title: "Conferencing Attendant",
        roles: HOMES,
        ports: &[5064, 5072],
        session: "dial-in calls being handled",
        measures: &[activity("Concurrent Calls")],
        features: &[Feature::Attendant],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["PNC", "PS:Get-CsWindowsService", "SCR-3", "SCR-4", "WEB-2"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCCAS"),
        title: "Conferencing Announcement",
        roles: HOMES,
        ports: &[5073],
        session: "conferences being announced into",
        // The sample cuts the key after "Concurrent Confe"; its end is inferred.
        measures: &[activity("Concurrent Conferences")],
        features: &[Feature::ConferencingAnnouncement],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["PNC", "SCR-3", "SCR-4", "WEB-2"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCRGS"),
        title: "Response Group",
        roles: HOMES,
        ports: &[5071, 8404],
        session: "calls in a workflow, in a queue or held for an agent, and announcements for unassigned numbers",
        measures: &[recalled("Current Active Calls")],
        contains: &["Announcement application (unassigned numbers)", "Match Making"],
        features: &[Feature::ResponseGroup, Feature::Announcement],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["PNC", "L13:components-used-by-the-announcement-application", "SCR-3", "SCR-4"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCCPS"),
        title: "Call Park",
        roles: HOMES,
        ports: &[5075],
        session: "calls parked and not yet picked up",
        measures: &[recalled("Total Parked Calls")],
        contains: &["Group Call Pickup"],
        features: &[Feature::CallPark],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["PNC", "L13:components-used-by-group-call-pickup", "SCR-3", "SCR-4"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCATS"),
        title: "Audio Test Service",
        roles: HOMES,
        ports: &[5076],
        session: "test calls",
        measures: &[recalled("Concurrent Calls")],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["SCR-3", "SCR-4"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCIMMCU"),
        title: "IM Conferencing",
        roles: HOMES,
        ports: &[5062],
        session: "IM conferences and the users in them",
        measures: &[
            counter("LS:ImMcu - IMMcu Conferences", "IMMCU - Active Conferences"),
            counter("LS:ImMcu - IMMcu Conferences", "IMMCU - Connected Users"),
        ],
        draining_state: Some("IMMCU"),
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["SCR-3", "SCR-4", "SCR-7", "WEB-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCDATAMCU"),
        title: "Web Conferencing",
        roles: HOMES,
        ports: &[8057, 8058],
        session: "data conferences and the users in them",
        measures: &[recalled("Active Conferences"), recalled("Connected Users")],
        draining_state: Some("DATAMCU"),
        contains: &["Web Conferencing Compatibility"],
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["L13:ports-and-protocols-for-internal-servers", "SCR-3", "SCR-4", "SCR-8"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCAVMCU"),
        title: "Audio/Video Conferencing",
        roles: HOMES,
        ports: &[5063],
        session: "audio and video conferences and the users in them",
        measures: &[
            counter("LS:AVMCU - Operations", "AVMCU - Number of Conferences"),
            counter("LS:AVMCU - Operations", "AVMCU - Number of Users"),
        ],
        draining_state: Some("AVMCU"),
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["SCR-1", "SCR-3", "SCR-4", "SCR-7", "WEB-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCASMCU"),
        title: "Application Sharing",
        roles: HOMES,
        ports: &[5065],
        session: "application sharing conferences and the users in them, video based screen sharing included",
        measures: &[
            counter("LS:AsMcu - AsMcu Conferences", "ASMCU - Active Conferences"),
            counter("LS:AsMcu - AsMcu Conferences", "ASMCU - Connected Users"),
            on(&[Sfb2015], counter("LS:AsMcuUpdate - AsMcu Conferences", "AsMcuUpdate - Active Vbss Conferences")),
            on(&[Sfb2015], counter("LS:AsMcuUpdate - AsMcu Conferences", "AsMcuUpdate - Active Vbss Users")),
            on(&[Sfb2019], counter("LS:AsMcu - AsMcu Conferences", "ASMCU - Active Vbss Conferences")),
            on(&[Sfb2019], counter("LS:AsMcu - AsMcu Conferences", "ASMCU - Active Vbss Users")),
            // Subscription Edition is an in-place upgrade of 2019; its counters were not seen.
            on(&[Sfbse], inferred(counter("LS:AsMcu - AsMcu Conferences", "ASMCU - Active Vbss Conferences"))),
            on(&[Sfbse], inferred(counter("LS:AsMcu - AsMcu Conferences", "ASMCU - Active Vbss Users"))),
        ],
        draining_state: Some("ASMCU"),
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["SCR-3", "SCR-4", "SCR-7", "WEB-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCMEDSRV"),
        title: "Mediation",
        roles: &[Mediation],
        optional_roles: HOMES,
        ports: &[5070, 5067, 5068, 5081, 5082],
        session: "PSTN calls in progress, inbound and outbound",
        measures: &[
            instance("LS:MediationServer - Inbound Calls", "_Total", "- Current"),
            instance("LS:MediationServer - Outbound Calls", "_Total", "- Current"),
        ],
        pause: PauseFacts::Observed,
        drain: DrainClass::Session,
        sources: &["SCR-5", "SCR-7", "SFB-CCE", "WEB-1", "WEB-6"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCXMPPTGW"),
        title: "XMPP Translating Gateway",
        optional_roles: HOMES,
        session: "XMPP federated IM streams",
        drain: DrainClass::Session,
        sources: &["SCR-3", "SCR-4", "L13:dns-load-balancing"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCDATAPROXY"),
        title: "Web Conferencing Edge",
        roles: &[Edge],
        ports: &[443, 8057],
        session: "external web conferencing connections",
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["SFB-CCE", "SCR-3", "SCR-8"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCMEDIARELAY"),
        title: "Audio/Video Edge",
        roles: &[Edge],
        ports: &[443],
        session: "relayed media sessions",
        pause: PauseFacts::Generic,
        drain: DrainClass::Session,
        sources: &["SFB-CCE", "SCR-3", "SCR-8"],
        ..USUAL
    },
    ServiceFacts {
        title: "XMPP Proxy",
        name_status: NameStatus::NotFound,
        optional_roles: &[Edge],
        session: "XMPP streams",
        drain: DrainClass::Session,
        sources: &["SCR-8"],
        ..USUAL
    },
    ServiceFacts {
        title: "Persistent Chat",
        name_status: NameStatus::NotFound,
        products: &[Lync2013, Sfb2015],
        optional_roles: &[StandardEdition],
        ports: &[5041, 881, 443],
        session: "chat room connections",
        drain: DrainClass::Session,
        sources: &["L13:monitoring-starting-and-stopping-the-persistent-chat-services"],
        ..USUAL
    },
    ServiceFacts {
        title: "Persistent Chat Compliance",
        name_status: NameStatus::NotFound,
        products: &[Lync2013, Sfb2015],
        sources: &["L13:monitoring-starting-and-stopping-the-persistent-chat-services"],
        ..USUAL
    },
    ServiceFacts {
        title: "Video Interop Server",
        name_status: NameStatus::NotFound,
        products: &[Sfb2015, Sfb2019],
        session: "video calls bridged to third-party systems",
        drain: DrainClass::Session,
        sources: &["SFB:deploy/video-interop-server"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCACPMCU"),
        title: "Telephony conferencing for audio providers",
        name_status: NameStatus::Unconfirmed,
        prefixed: false,
        products: &[Lync2013],
        optional_roles: &[FrontEnd],
        session: "telephony conferences through an audio conferencing provider",
        drain: DrainClass::Session,
        sources: &["L13:antivirus-scanning-exclusions"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("W3SVC"),
        title: "World Wide Web Publishing Service",
        prefixed: false,
        roles: &[FrontEnd, StandardEdition, Director],
        ports: &[80, 443, 8080, 4443],
        session: "web clients: mobile, Web App, join, address book, meeting content",
        measures: &[
            instance("LS:WEB - UCWA", "_Total", "UCWA - Active Session Count"),
            instance("LS:WEB - UCWA", "_Total", "UCWA - Current Number of AV Calls"),
        ],
        drain: DrainClass::Session,
        sources: &["SCR-1", "SCR-4", "L13:hardware-load-balancer-requirements"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCMRAUTH"),
        title: "Audio/Video Authentication",
        roles: &[Edge],
        ports: &[5062],
        session: "none that last: it issues media relay credentials",
        measures: &[counter("LS:A/V Auth - Requests", "- Current requests serviced")],
        pause: PauseFacts::Generic,
        sources: &["SFB-CCE", "SCR-1", "SCR-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("REPLICA"),
        title: "Replica Replicator Agent",
        roles: EVERY_ROLE,
        sources: &["SCR-3", "SCR-4", "SFB-CCE", "WEB-1", "WEB-6"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCCLSAGT"),
        title: "Centralized Logging Service Agent",
        roles: EVERY_ROLE,
        sources: &["L13:release-notes", "SCR-3", "SCR-4", "WEB-6"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("MASTER"),
        title: "Master Replicator Agent",
        optional_roles: HOMES,
        ports: &[445],
        sources: &["L13:view-the-status-of-services-running-on-a-computer", "SCR-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("FTA"),
        title: "File Transfer Agent",
        optional_roles: HOMES,
        sources: &["L13:view-the-status-of-services-running-on-a-computer", "SCR-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("LYNCBACKUP"),
        title: "Backup Service",
        optional_roles: HOMES,
        session: "none: it copies to the paired pool",
        sources: &["SFB:disaster-recovery", "SCR-3"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCHA"),
        title: "Health Agent",
        products: &[Sfb2015, Sfb2019, Sfbse],
        roles: &[FrontEnd],
        sources: &["SCR-4"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCPDPCORE"),
        title: "Bandwidth Policy Service (Core)",
        name_status: NameStatus::Unconfirmed,
        optional_roles: HOMES,
        // Which of 448 and 5080 belongs to which of the two services is not stated by the source.
        session: "none: call admission decisions",
        sources: &["L13:ports-and-protocols-for-internal-servers"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("RTCPDPAUTH"),
        title: "Bandwidth Policy Service (Authentication)",
        name_status: NameStatus::Unconfirmed,
        optional_roles: HOMES,
        sources: &["L13:ports-and-protocols-for-internal-servers"],
        ..USUAL
    },
    ServiceFacts {
        title: "Emergency Mitigation Service",
        name_status: NameStatus::NotFound,
        prefixed: false,
        products: &[Sfb2019, Sfbse],
        optional_roles: &[FrontEnd, Edge],
        session: "none: it applies mitigations to the web server",
        sources: &["WEB-20"],
        ..USUAL
    },
    ServiceFacts {
        name: Some("FabricHostSvc"),
        title: "Windows Fabric Host Service",
        prefixed: false,
        roles: &[FrontEnd],
        session: "none: replica placement and quorum",
        drain: DrainClass::Infrastructure,
        sources: &["PS:Reset-CsPoolRegistrarState", "SCR-4"],
        ..USUAL
    },
];

const REGISTRAR_APPLICATIONS: &str = "Server applications below the Registrar (ExumRouting, OutboundRouting, \
                                      DefaultRouting, LBRouting, SharedLineAppearance, BusyOptions, EdgeMonitor)";
