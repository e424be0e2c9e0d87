//! The single values of a plan file: texts, numbers, names, addresses, durations, dates and words.

use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{Reader, Written};
use crate::texts::Line;
use crate::yaml::{Node, Value};
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use orchestrate_model::balancer::{is_name, is_runtime_address};
use orchestrate_model::catalogue::{self, Resolved};
use orchestrate_model::change::{
    AtDeadline, ExitMeaning, HoldChoice, PendingRestart, PoolUnsafe, RestartPoint, RestartPolicy, StartTypePolicy,
    WindowFit,
};
use orchestrate_model::host;
use orchestrate_model::pool::{ChannelBinding, Hosted, ServiceClass, SipBalancing, SlotNames, Transport, WinrmAuth};
use orchestrate_model::window::{Day, Week};
use orchestrate_model::{DnsName, Feature, Label, PoolName, Product, Role, ServerName, UpgradeDomain, Version};
use schemars::{Schema, SchemaGenerator, json_schema};
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

/// `true`, where there is nothing else to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current;

impl Written for Current {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if bool::read(node, reader)? {
            return Some(Self);
        }
        reader.wrong_type(node, "`true`, or another source of credentials");
        None
    }

    fn schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}

impl Written for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain: true, .. } if text == "true" => Some(true),
            Value::Scalar { text, plain: true, .. } if text == "false" => Some(false),
            Value::Scalar { text, .. } => {
                reader.report(
                    Diagnostic::error(
                        codes::WRONG_TYPE,
                        node.span,
                        format!("{} is neither true nor false", quoted(text)),
                    )
                    .label("expected `true` or `false`")
                    .help("write `true` or `false`, without quotes"),
                );
                None
            }
            Value::Nothing | Value::List(_) | Value::Map(_) => {
                reader.wrong_type(node, "`true` or `false`");
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

macro_rules! name_value {
    ($($name:ident, $types:tt, $what:literal, $example:literal;)*) => {$(
        impl Written for $name {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let text = reader.text(node, $what)?;
                Self::new(text)
                    .map_err(|why| {
                        let message = format!("{} is not {}: {why}", quoted(text), $what);
                        reader.report(
                            Diagnostic::error(codes::BAD_NAME, node.span, message)
                                .label(concat!("expected ", $what, " such as `", $example, "`")),
                        );
                    })
                    .ok()
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "minLength": 1, "examples": [$example] })
            }
        }
    )*};
}

name_value! {
    PoolName, "string", "the full name of a pool", "pool01.contoso.example";
    ServerName, "string", "the full name of a server", "fe1.contoso.example";
    DnsName, "string", "a full DNS name", "webint.contoso.example";
    UpgradeDomain, ["string", "number", "boolean"], "the name of an upgrade domain", "UD1";
    Label, ["string", "number", "boolean"], "a label", "site=paris";
}

/// Reads a text that `parse` turns into a value.
pub(crate) fn parsed<T>(
    node: &Node,
    reader: &mut Reader,
    code: Code,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = reader.text(node, expected)?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(help) => {
            let mut diagnostic = Diagnostic::error(code, node.span, format!("{} is not {expected}", quoted(text)))
                .label(format!("expected {expected}"));
            if !help.is_empty() {
                diagnostic = diagnostic.help(help);
            }
            reader.report(diagnostic);
            None
        }
    }
}

/// RFC 3927 and RFC 4291, section 2.5.6.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl Written for IpAddr {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_ADDRESS, "the IP address of a machine", |text| {
            let address =
                text.parse::<Self>().ok().ok_or_else(|| "write it like `192.0.2.11` or `2001:db8::11`".to_owned())?;
            let address = address.to_canonical();
            if !host::is_of_a_machine(address) {
                return Err("this address belongs to no single machine".to_owned());
            }
            if is_link_local(address) {
                let text = "this address holds on one link only, and a machine gives it to itself when it got no other: write the \
                            one that the servers of the pool reach it by";
                return Err(text.to_owned());
            }
            Ok(address)
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["192.0.2.11", "2001:db8::11"] })
    }
}

impl Written for SocketAddr {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_ADDRESS, "the IP address of a name server, with or without a port", |text| {
            let with_port = text.parse::<Self>();
            let alone = || text.parse::<IpAddr>().map(|address| Self::new(address, 53));
            if let Some(help) = host::port_slip(text).filter(|_| alone().is_err()) {
                return Err(help);
            }
            let found = with_port.or_else(|_| alone()).ok();
            let found = found.map(|found| Self::new(found.ip().to_canonical(), found.port()));
            if found.is_some_and(|found| !host::is_of_a_machine(found.ip())) {
                return Err("this address belongs to no single machine".to_owned());
            }
            found
                .filter(|found| found.port() != 0)
                .ok_or_else(|| "write it like `192.0.2.53` or `\"192.0.2.53:53\"`".to_owned())
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["192.0.2.53", "192.0.2.53:53"] })
    }
}

/// Where a balancer's runtime API listens.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeApi(pub(crate) String);

impl Written for RuntimeApi {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_ADDRESS, "`host:port` or the path of a socket", |text| {
            is_runtime_address(text).then(|| Self(text.to_owned())).ok_or_else(|| {
                if text.starts_with('/') {
                    return "write the path of the socket itself, without `..`".to_owned();
                }
                host::port_slip(text).unwrap_or_else(|| {
                    "write it like `\"192.0.2.10:9999\"`: the name of the host, or its whole address".to_owned()
                })
            })
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["192.0.2.10:9999", "/run/haproxy/admin.sock"] })
    }
}

/// The name of a backend, or of a server in a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BalancerName(pub(crate) String);

impl Written for BalancerName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BALANCER_NAME, "letters, digits and `.` `_` `:` `-`", |text| {
            let help = || "write the name as it stands in haproxy.cfg; HAProxy allows nothing else in it".to_owned();
            is_name(text).then(|| Self(text.to_owned())).ok_or_else(help)
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "pattern": "^[A-Za-z0-9._:-]+$" })
    }
}

impl Written for Date {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_DATE, "a date", |text| {
            let date = text.parse::<Self>().ok();
            date.filter(|_| text.len() == 10).ok_or_else(|| "write it like `2026-12-19`".to_owned())
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date", "examples": ["2026-12-19"] })
    }
}

impl Written for Time {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_DATE, "a time of day", |text| {
            let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let shaped = (2..=3).contains(&text.split(':').count()) && text.split(':').all(digits);
            // A leap second would be read as the one before it.
            let time = text.parse::<Self>().ok().filter(|_| shaped && !text.ends_with(":60"));
            let time =
                time.ok_or_else(|| "write it like `\"22:00\"`, between `\"00:00\"` and `\"23:59\"`".to_owned())?;
            // Previews, logs and calendars show hours and minutes.
            if time.second() == 0 {
                return Ok(time);
            }
            Err(format!("a window opens at a whole minute: write `\"{:02}:{:02}\"`", time.hour(), time.minute()))
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}(:00)?$", "examples": ["22:00"] })
    }
}

/// The name of a time zone of the IANA database.
#[derive(Debug, Clone)]
pub(crate) struct Zone(pub(crate) String);

/// The database that is built in, so that a plan means the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Returns the zone of a city that was written without its region, or the one with the most similar name.
fn zone_meant(text: &str, reader: &Reader) -> Option<String> {
    let names: Vec<String> = ZONES.available().map(|name| name.as_str().to_owned()).collect();
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).replace('_', " ").to_lowercase();
    let city = names.iter().find(|name| last(name) == text.trim().to_lowercase());
    city.map(|name| format!("did you mean `{name}`?"))
        .or_else(|| reader.suggest(text, names.iter().map(String::as_str)))
}

impl Written for Zone {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(node, "a time zone")?;
        // What the database has for clocks that were never set is no place.
        let nowhere = |zone: &TimeZone| zone.is_unknown() || zone.iana_name() == Some("Factory");
        if let Some(zone) = ZONES.get(text).ok().filter(|zone| !nowhere(zone)) {
            return Some(Self(zone.iana_name().unwrap_or(text).to_owned()));
        }
        if let Some(zone) = crate::freezes::of_windows(text).and_then(|name| ZONES.get(&name).ok()) {
            // Windows has names of its own for them.
            return Some(Self(zone.iana_name().unwrap_or(text).to_owned()));
        }
        let help = if reader.crowded() { None } else { zone_meant(text, reader) };
        reader.report(
            Diagnostic::error(codes::UNKNOWN_TIMEZONE, node.span, format!("the time zone {} is unknown", quoted(text)))
                .label("expected a name of the IANA database such as `Europe/Paris`")
                .maybe_help(help),
        );
        None
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["Europe/Paris", "UTC", "W. Europe Standard Time"] })
    }
}

impl Written for Version {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_VERSION, "a version", |text| {
            let odd = || "write numbers separated by dots, like `5.0.8308.1149`".to_owned();
            let version = Self::parse(text).ok().ok_or_else(odd)?;
            // What a server reports is taken as it is; a plan has one spelling, which every message repeats.
            if version.to_string() != text {
                return Err(format!("write each number with its digits only: `{version}`"));
            }
            // Windows keeps four numbers of 16 bits: a server never reports another version.
            if version.parts() > 4 {
                return Err(format!("it has {} numbers; a version of Windows has at most four", version.parts()));
            }
            let large = text.split('.').find(|part| part.parse::<u64>().is_ok_and(|part| part > 65_535));
            match large {
                Some(part) => Err(format!("`{part}` is too large: a number of a version of Windows is at most 65535")),
                None => Ok(version),
            }
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "examples": ["5.0.8308.1149"] })
    }
}

/// The first part of the names of two environment variables.
#[derive(Debug, Clone)]
pub(crate) struct VariablePrefix(pub(crate) String);

impl Written for VariablePrefix {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_NAME, "the first part of a variable's name", |text| {
            let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            let usable = first && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let help = "letters, digits and `_`; `MAINTENANCE` stands for MAINTENANCE_USER and MAINTENANCE_PASSWORD";
            usable.then(|| Self(text.to_owned())).ok_or_else(|| help.to_owned())
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "examples": ["MAINTENANCE"] })
    }
}

/// Reads one of a few words.
pub(crate) fn word<T: Copy>(node: &Node, reader: &mut Reader, words: &[(&'static str, T)]) -> Option<T> {
    let all = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let text = reader.text(node, &format!("one of {all}"))?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let help = reader.suggest(text, words.iter().map(|(word, _)| *word));
    reader.report(
        Diagnostic::error(
            codes::UNKNOWN_WORD,
            node.span,
            format!("{} is not one of the words allowed here", quoted(text)),
        )
        .label(format!("expected one of {all}"))
        .maybe_help(help),
    );
    None
}

macro_rules! words {
    ($($type:ty { $($word:expr => $value:expr),+ $(,)? })*) => {$(
        impl Written for $type {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                word(node, reader, &[$(($word, $value)),+])
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    )*};
}

words! {
    Product {
        "lync2013" => Self::Lync2013, "sfb2015" => Self::Sfb2015, "sfb2019" => Self::Sfb2019,
        "sfbse" => Self::Sfbse, "generic" => Self::Generic,
    }
    Role {
        "front-end" => Self::FrontEnd, "standard-edition" => Self::StandardEdition, "director" => Self::Director,
        "edge" => Self::Edge, "mediation" => Self::Mediation, "generic" => Self::Generic,
    }
    SlotNames { "by-name" => Self::ByName, "by-address" => Self::ByAddress }
    SipBalancing { "dns" => Self::Dns, "hardware" => Self::Hardware }
    Hosted { "central-management" => Self::CentralManagement }
    Transport { "https" => Self::Https, "http" => Self::Http }
    WinrmAuth {
        "negotiate" => Self::Negotiate, "kerberos" => Self::Kerberos, "ntlm" => Self::Ntlm, "basic" => Self::Basic,
        "certificate" => Self::Certificate,
    }
    ChannelBinding { "auto" => Self::Auto, "required" => Self::Required, "off" => Self::Off }
    ServiceClass { "HTTP" => Self::Http, "WSMAN" => Self::Wsman }
    StartTypePolicy { "manual" => Self::Manual, "keep" => Self::Keep }
    AtDeadline { "hold" => Self::Hold, "return" => Self::Return, "cut" => Self::Cut, "ask" => Self::Ask }
    ExitMeaning {
        "done" => Self::Done, "restart-needed" => Self::RestartNeeded, "restart-started" => Self::RestartStarted,
        "busy" => Self::Busy, "failed" => Self::Failed,
    }
    RestartPolicy { "never" => Self::Never, "when-needed" => Self::WhenNeeded, "always" => Self::Always }
    HoldChoice {
        "stop" => Self::Stop, "retry" => Self::Retry, "skip" => Self::Skip, "return" => Self::Return,
        "abandon" => Self::Abandon,
    }
    PendingRestart { "refuse" => Self::Refuse, "restart-first" => Self::RestartFirst, "ignore" => Self::Ignore }
    RestartPoint { "at-end" => Self::AtEnd, "after" => Self::After }
    PoolUnsafe { "stop" => Self::Stop, "wait" => Self::Wait }
    WindowFit { "worst" => Self::Worst, "likely" => Self::Likely }
    Week {
        "first" => Self::First, "second" => Self::Second, "third" => Self::Third, "fourth" => Self::Fourth,
        "last" => Self::Last,
    }
}

/// The days of the week.
pub(crate) const DAYS: [(&str, Day); 7] = [
    ("monday", Day::Monday),
    ("tuesday", Day::Tuesday),
    ("wednesday", Day::Wednesday),
    ("thursday", Day::Thursday),
    ("friday", Day::Friday),
    ("saturday", Day::Saturday),
    ("sunday", Day::Sunday),
];

impl Written for Day {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        word(node, reader, &DAYS)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": DAYS.map(|(word, _)| word) })
    }
}

impl Written for Feature {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let titles = Self::ALL.map(Self::title);
        let text = reader.text(node, "the name of a feature")?;
        if let Some(feature) = catalogue::feature(text) {
            return Some(feature);
        }
        let help = features_of(text).or_else(|| reader.suggest(text, titles));
        reader.report(
            Diagnostic::error(
                codes::UNKNOWN_FEATURE,
                node.span,
                format!("{} is not a feature whose loss can be accepted", quoted(text)),
            )
            .label(format!("expected one of {}", titles.map(|title| format!("`{title}`")).join(", ")))
            .maybe_help(help),
        );
        None
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        // The words for editors to offer, and the same in any case, as they are read.
        let in_any_case = |text: &str| text.chars().map(any_case).collect::<String>();
        let titles = Self::ALL.map(|feature| in_any_case(feature.title()).replace(' ', GAP)).join("|");
        let endings = ["service", "application", "agent"].map(in_any_case).join("|");
        json_schema!({ "anyOf": [
            { "type": "string", "enum": Self::ALL.map(Self::title) },
            { "type": "string", "pattern": format!("^[\\s_-]*({titles})({GAP}({endings}))*[\\s_-]*$") },
        ] })
    }
}

/// What may stand between the words of a name, as a pattern.
const GAP: &str = "[\\s_-]+";

/// Returns which features a Windows service holds whose name was written for that of a feature.
fn features_of(text: &str) -> Option<String> {
    let (facts, is) = match catalogue::resolve(text)? {
        Resolved::Service(facts) => (facts, "is"),
        Resolved::Grouped { service, .. } => (service, "is part of"),
        Resolved::Spread(_) => return None,
    };
    let service = match facts.name {
        Some(name) => format!("this {is} the Windows service `{name}` ({})", facts.title),
        None => format!("this {is} a Windows service ({})", facts.title),
    };
    let features: Vec<String> = facts.features.iter().map(|feature| format!("`{}`", feature.title())).collect();
    Some(if features.is_empty() {
        format!("{service}, which holds none of these features: no loss of it can be accepted")
    } else {
        format!("a loss is accepted by feature: {service}, which holds {}", features.join(" and "))
    })
}

/// Returns the pattern for a letter in either case.
fn any_case(c: char) -> String {
    if c.is_ascii_alphabetic() {
        format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase())
    } else {
        c.to_string()
    }
}

/// The name of a service as a person wrote it, and what it turned out to mean.
#[derive(Debug, Clone)]
pub(crate) struct ServiceText {
    pub(crate) text: String,
    /// Filled when the products of the file are known.
    pub(crate) service: Option<orchestrate_model::ServiceName>,
}

impl Written for ServiceText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        Line::read(node, reader).map(|Line(text)| Self { text, service: None })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean"], "minLength": 1, "examples": ["RTCRGS", "Response Group"]
        })
    }
}
