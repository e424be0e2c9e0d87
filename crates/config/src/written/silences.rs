//! How alerts are silenced while a server is out, as it is written.

use super::choices::{choose_one, keys};
use super::notify::AddressChoice;
use crate::codes;
use crate::durations::Length;
use crate::reader::{At, Filled, Reader, Shape, Written, written};
use crate::scalars::parsed;
use crate::yaml::{Node, Value};
use orchestrate_model::notify::Matcher;
use schemars::{Schema, SchemaGenerator, json_schema};

written! {
    /// One way by which alerts about a server are silenced while it is out: one of `alertmanager` and `webhook`.
    struct Silence {
        /// An Alertmanager.
        optional alertmanager: Alertmanager,
        /// Two addresses to which a JSON object is posted.
        optional webhook: WebhookPair,
        /// How long a silence lasts when it is not extended. Default: 30 minutes.
        optional lasts: Length,
    }
}

written! {
    /// An Alertmanager, by its API of version 2.
    struct Alertmanager {
        /// Where its address is, `{env: NAME}` or `{file: PATH}`.
        required url: AddressChoice,
        /// What the alerts of a server match, all of them: `label="value"`, with `{server}`, `{short}` and `{pool}` for names.
        /// Default: `instance=~"({server}|{short})(:[0-9]+)?"`.
        optional matchers: Filled<Matcher>,
    }
}

written! {
    /// Two addresses to which a JSON object is posted.
    struct WebhookPair {
        /// When a silence begins, and when it is extended.
        required start: AddressChoice,
        /// When it ends.
        required end: AddressChoice,
    }
}

/// The ways of which one is needed.
const WAYS: [&str; 2] = ["alertmanager", "webhook"];

/// One way by which alerts are silenced.
#[derive(Debug, Clone)]
pub(crate) struct SilenceChoice(pub(crate) Silence);

impl Written for SilenceChoice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let found = keys(node);
        let chosen = WAYS.into_iter().filter(|name| found.contains(name)).count();
        // Other keys are reported as unknown, which says what is wrong better.
        let known = found.iter().all(|key| WAYS.contains(key) || *key == "lasts");
        if chosen > 1 || (chosen == 0 && known && matches!(node.value, Value::Map(_))) {
            choose_one(node, reader, &WAYS);
        }
        Silence::read(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Shape<Silence>>()
    }
}

impl Written for Matcher {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_NAME, "a matcher of alerts", Self::parse)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*\\s*(=~|!~|!=|=)", "examples": ["instance=~\"{server}(:.*)?\""] })
    }
}

impl Alertmanager {
    /// Returns the place of the matchers, where none of them names the server: every alert would be silenced.
    pub(crate) fn names_no_server(&self) -> Option<&At<Filled<Matcher>>> {
        let matchers = self.matchers.as_ref()?;
        let names = matchers.value.0.iter().any(|matcher| matcher.value.names_server());
        (!names).then_some(matchers)
    }
}
