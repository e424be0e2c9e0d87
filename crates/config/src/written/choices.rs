//! Values that can be written in several forms.

use super::{
    ByTask, Credentials, Elsewhere, FreezeCalendar, FreezeDays, HaproxyChoice, HaproxySite, ScopeServices, WeeksOfMonth,
};
use crate::codes;
use crate::compared::Component;
use crate::diagnostic::{Diagnostic, quoted};
use crate::logon::Runs;
use crate::numbers::{DayOfMonth, DaysLater};
use crate::reader::{At, Entries, Fields, OneOrMany, Reader, Shape, Written, object_schema};
use crate::scalars::{DAYS, RuntimeApi, word};
use crate::yaml::{Node, Value};
use jiff::civil::Date;
use orchestrate_model::Version;
use orchestrate_model::window::Day;
use schemars::{Schema, SchemaGenerator, json_schema};

/// Returns the keys of a mapping that are texts.
pub(super) fn keys(node: &Node) -> Vec<&str> {
    let Value::Map(entries) = &node.value else { return Vec::new() };
    entries
        .iter()
        .filter_map(|(key, _)| match &key.value {
            Value::Scalar { text, .. } => Some(text.as_str()),
            Value::Nothing | Value::List(_) | Value::Map(_) => None,
        })
        .collect()
}

/// Reports a mapping that has none or several of the keys of which one is needed.
pub(super) fn choose_one(node: &Node, reader: &mut Reader, choices: &[&str]) {
    let mut names: Vec<String> = choices.iter().map(|name| format!("`{name}`")).collect();
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) };
    let found = keys(node);
    let near = match found.as_slice() {
        [only] => reader.suggest(only, choices.iter().copied()),
        _ => None,
    };
    reader.report(
        Diagnostic::error(codes::CHOOSE_ONE, node.span, format!("exactly one of {names} is needed here"))
            .label(format!("expected {names}"))
            .maybe_help(near),
    );
}

/// Which services are blocked.
#[derive(Debug, Clone)]
pub(crate) enum ScopeChoice {
    /// `all-services`.
    All,
    /// `{services: […]}`.
    Services(ScopeServices),
}

impl Written for ScopeChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => ScopeServices::read(node, reader).map(Self::Services),
            Value::Scalar { .. } => word(node, reader, &[("all-services", ())]).map(|()| Self::All),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "`all-services` or `{services: [...]}`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let services = generator.subschema_for::<Shape<ScopeServices>>();
        json_schema!({ "oneOf": [{ "type": "string", "enum": ["all-services"] }, services] })
    }
}

/// Who takes a server out of the balancer.
#[derive(Debug, Clone)]
pub(crate) enum BalancerChoice {
    /// `none`.
    None,
    /// `operator`.
    Operator,
    /// `{elsewhere: …}`.
    Elsewhere(Elsewhere),
    /// `{haproxy: …}`.
    Haproxy(Box<HaproxyChoice>),
}

impl Written for BalancerChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { .. } => {
                let words = [("none", false), ("operator", true)];
                word(node, reader, &words).map(|operator| if operator { Self::Operator } else { Self::None })
            }
            Value::Map(_) => match keys(node).as_slice() {
                ["elsewhere"] => Elsewhere::read(node, reader).map(Self::Elsewhere),
                ["haproxy"] => HaproxyChoice::read(node, reader).map(|haproxy| Self::Haproxy(Box::new(haproxy))),
                _ => {
                    choose_one(node, reader, &["elsewhere", "haproxy"]);
                    None
                }
            },
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "`operator`, `none`, `{elsewhere: ...}` or `{haproxy: ...}`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let elsewhere = generator.subschema_for::<Shape<Elsewhere>>();
        let haproxy = generator.subschema_for::<Shape<HaproxyChoice>>();
        json_schema!({ "oneOf": [{ "type": "string", "enum": ["none", "operator"] }, elsewhere, haproxy] })
    }
}

/// One of several HAProxys.
#[derive(Debug, Clone)]
pub(crate) enum SiteChoice {
    /// Its address; its backends are those of all.
    Address(RuntimeApi),
    /// Its address with backends of its own.
    Site(HaproxySite),
}

impl Written for SiteChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => HaproxySite::read(node, reader).map(Self::Site),
            Value::Scalar { .. } => RuntimeApi::read(node, reader).map(Self::Address),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "an address, or `{address: ..., backends: [...]}`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let address = generator.subschema_for::<Shape<RuntimeApi>>();
        json_schema!({ "anyOf": [address, generator.subschema_for::<Shape<HaproxySite>>()] })
    }
}

/// By which way the cmdlets of the product are asked.
#[derive(Debug, Clone)]
pub(crate) enum CmdletsChoice {
    /// `session`.
    Session,
    /// `{task: {as: …}}`.
    Task(ByTask),
}

impl Written for CmdletsChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => ByTask::read(node, reader).map(Self::Task),
            Value::Scalar { text, .. } if text != "session" => {
                reader.report(
                    Diagnostic::error(
                        codes::UNKNOWN_WORD,
                        node.span,
                        format!("{} is no way to ask cmdlets", quoted(text)),
                    )
                    .label("expected `session` or `{task: {as: ...}}`")
                    .help(r"for a scheduled task write `{task: {as: system}}` or `{task: {as: 'CONTOSO\svc-pool$'}}`"),
                );
                None
            }
            Value::Scalar { .. } => Some(Self::Session),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "`session` or `{task: {as: ...}}`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let task = generator.subschema_for::<Shape<ByTask>>();
        json_schema!({ "oneOf": [{ "type": "string", "enum": ["session"] }, task] })
    }
}

/// A scheduled task, by the account that it runs as. The key is a word of Rust, so it is read by hand.
#[derive(Debug, Clone)]
pub(crate) struct TaskChoice {
    /// `as`.
    pub(crate) runs_as: Option<At<Runs>>,
}

impl Written for TaskChoice {
    const NAME: &'static str = "Task";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(mut fields) = Fields::open(node, reader) else { return Some(Self { runs_as: None }) };
        let runs_as = fields.required("as");
        fields.close();
        Some(Self { runs_as })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let account = generator.subschema_for::<Shape<Runs>>();
        let text = "A group-managed service account such as 'CONTOSO\\svc-pool$', `system`, or `self`: the account that \
                    logs on, with its password.";
        object_schema("The task.", vec![("as", text, true, account)])
    }
}

/// Where user name and password come from.
#[derive(Debug, Clone)]
pub(crate) struct CredentialsChoice(pub(crate) Credentials);

impl Written for CredentialsChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let found = keys(node);
        let chosen = SOURCES.into_iter().filter(|name| found.contains(name)).count();
        // Other keys are reported as unknown, which says what is wrong better.
        if chosen > 1 || (found.is_empty() && matches!(node.value, Value::Map(_))) {
            choose_one(node, reader, &SOURCES);
        }
        Credentials::read(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<Shape<Credentials>>();
        schema.insert("minProperties".to_owned(), 1.into());
        schema.insert("maxProperties".to_owned(), 2.into());
        schema
    }
}

/// The keys of which one says where credentials come from.
const SOURCES: [&str; 8] = ["env", "file", "command", "keytab", "keyring", "prompt", "current", "certificate"];

/// The level at which a server counts as patched.
#[derive(Debug, Clone)]
pub(crate) enum LevelChoice {
    /// One version.
    Highest(Version),
    /// A version for each component.
    Components(Entries<Component, Version>),
}

impl Written for LevelChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(entries) if entries.is_empty() => {
                let why = format!("{} names no component", reader.whole_path());
                reader.report(
                    Diagnostic::error(codes::BAD_VERSION, node.span, why)
                        .label("expected one version, or a version for each component"),
                );
                None
            }
            Value::Map(_) => Entries::read(node, reader).map(Self::Components),
            Value::Scalar { .. } => Version::read(node, reader).map(Self::Highest),
            Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "a version, or a version for each component");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let version = generator.subschema_for::<Shape<Version>>();
        let components = json_schema!({
            "type": "object", "additionalProperties": version, "minProperties": 1
        });
        json_schema!({ "anyOf": [generator.subschema_for::<Shape<Version>>(), components] })
    }
}

/// The days on which a window opens.
#[derive(Debug, Clone)]
pub(crate) enum Every {
    /// `daily`.
    Daily,
    /// A day, or a list of days.
    Days(Vec<At<Day>>),
    /// `{day_of_month: 15}`.
    DayOfMonth(i8),
    /// `{weeks: …, days: …}`.
    Weeks(WeeksOfMonth),
    /// `{after: {weeks: …, days: …}, days: 4}`.
    After(AfterDays),
    /// `{date: …}`.
    Date(Date),
}

super::written! {
    /// One day of each month; months without it have no window.
    struct MonthDay {
        /// 1 to 31.
        required day_of_month: DayOfMonth,
    }
}

super::written! {
    /// So many days after days in certain weeks of each month, such as the day on which updates appear.
    struct AfterDays {
        /// The days that are counted from.
        required after: WeeksOfMonth,
        /// How many days later, 31 at most.
        required days: DaysLater,
    }
}

super::written! {
    /// Once.
    struct OnceOn {
        /// The date.
        required date: Date,
    }
}

impl Written for Every {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar { .. } => {
                let daily = [("daily", None)].into_iter();
                let words: Vec<_> = daily.chain(DAYS.map(|(word, day)| (word, Some(day)))).collect();
                word(node, reader, &words).map(|day| match day {
                    Some(day) => Self::Days(vec![At { value: day, span: node.span }]),
                    None => Self::Daily,
                })
            }
            Value::List(_) => Vec::read(node, reader).map(Self::Days),
            Value::Map(_) => match keys(node).as_slice() {
                ["day_of_month"] => MonthDay::read(node, reader)?.day_of_month.map(|day| Self::DayOfMonth(day.value.0)),
                ["date"] => OnceOn::read(node, reader)?.date.map(|date| Self::Date(date.value)),
                found if found.contains(&"after") => AfterDays::read(node, reader).map(Self::After),
                found if found.contains(&"weeks") || found.contains(&"days") => {
                    WeeksOfMonth::read(node, reader).map(Self::Weeks)
                }
                _ => {
                    choose_one(node, reader, &["day_of_month", "date", "weeks", "after"]);
                    None
                }
            },
            Value::Nothing => {
                reader.wrong_type(node, "`daily`, a day, a list of days, or a mapping");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let days = generator.subschema_for::<Shape<OneOrMany<Day>>>();
        let month_day = generator.subschema_for::<Shape<MonthDay>>();
        let once = generator.subschema_for::<Shape<OnceOn>>();
        let weeks = generator.subschema_for::<Shape<WeeksOfMonth>>();
        let after = generator.subschema_for::<Shape<AfterDays>>();
        json_schema!({ "anyOf": [{ "type": "string", "enum": ["daily"] }, days, month_day, once, weeks, after] })
    }
}

/// When nothing is done.
#[derive(Debug, Clone)]
pub(crate) enum Freeze {
    /// `{from: …, to: …, reason: …}`.
    Days(FreezeDays),
    /// `{calendar: FILE}`.
    Calendar(FreezeCalendar),
}

impl Written for Freeze {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_)
                if keys(node).iter().any(|key| *key == "calendar" || reader.near(key, ["calendar"]).is_some()) =>
            {
                FreezeCalendar::read(node, reader).map(Self::Calendar)
            }
            Value::Map(_) => FreezeDays::read(node, reader).map(Self::Days),
            Value::Scalar { .. } | Value::List(_) | Value::Nothing => {
                reader.wrong_type(node, "a mapping with `from`, `to` and `reason`, or with `calendar`");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let days = generator.subschema_for::<Shape<FreezeDays>>();
        let calendar = generator.subschema_for::<Shape<FreezeCalendar>>();
        json_schema!({ "anyOf": [days, calendar] })
    }
}
