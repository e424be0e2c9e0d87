//! The external names of an Edge pool, and each server's addresses behind them.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, OneOrMany, Reader, Shape, Written};
use crate::yaml::{Node, Value};
use orchestrate_model::{DnsName, ExternalUse};
use schemars::{Schema, SchemaGenerator, json_schema};
use std::net::IpAddr;

super::written! {
    /// The names by which clients outside find an Edge pool: at least one. One name may stand for several.
    struct EachName {
        /// The name of the Access Edge.
        optional access: DnsName,
        /// The name of the Web Conferencing Edge.
        optional web_conferencing: DnsName,
        /// The name of the A/V Edge.
        optional av: DnsName,
    }
}

/// The names by which clients outside find an Edge pool.
#[derive(Debug, Clone)]
pub(crate) struct ExternalNames(EachName);

impl ExternalNames {
    /// Returns the names that are written, each with its use.
    pub(crate) fn names(&self) -> impl Iterator<Item = (ExternalUse, &At<DnsName>)> {
        let names = [&self.0.access, &self.0.web_conferencing, &self.0.av];
        ExternalUse::ALL.into_iter().zip(names).filter_map(|(purpose, name)| Some((purpose, name.as_ref()?)))
    }
}

impl Written for ExternalNames {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        not_empty(node, reader);
        EachName::read(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<Shape<EachName>>();
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

/// Reports a mapping that has none of the three keys, since it says nothing.
fn not_empty(node: &Node, reader: &mut Reader) {
    if !matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        return;
    }
    let owner = reader.whole_path();
    reader.report(
        Diagnostic::error(codes::MISSING_KEY, node.span, format!("{owner} is empty"))
            .label("expected at least one of `access`, `web_conferencing` and `av`")
            .help("leave `external` out where nothing is to be said about it"),
    );
}

super::written! {
    /// A server's addresses of each external name of its pool.
    struct EachAddress {
        /// Those of the Access Edge.
        optional access: OneOrMany<IpAddr>,
        /// Those of the Web Conferencing Edge.
        optional web_conferencing: OneOrMany<IpAddr>,
        /// Those of the A/V Edge.
        optional av: OneOrMany<IpAddr>,
    }
}

/// A server's addresses outside.
#[derive(Debug, Clone)]
pub(crate) enum ExternalAddresses {
    /// `203.0.113.11`, or a list: behind every external name of the pool.
    All(At<OneOrMany<IpAddr>>),
    /// `{access: …, av: …}`.
    Each(EachAddress),
}

impl ExternalAddresses {
    /// Returns the addresses for a use, where there are any.
    pub(crate) fn of(&self, purpose: ExternalUse) -> Option<&At<OneOrMany<IpAddr>>> {
        match (self, purpose) {
            (Self::All(all), _) => Some(all),
            (Self::Each(each), ExternalUse::Access) => each.access.as_ref(),
            (Self::Each(each), ExternalUse::WebConferencing) => each.web_conferencing.as_ref(),
            (Self::Each(each), ExternalUse::Av) => each.av.as_ref(),
        }
    }

    /// Returns the uses that are written out, each with the place of its addresses.
    pub(crate) fn written_out(&self) -> impl Iterator<Item = (ExternalUse, Span)> {
        let each = matches!(self, Self::Each(_));
        ExternalUse::ALL.into_iter().filter(move |_| each).filter_map(|purpose| Some((purpose, self.of(purpose)?.span)))
    }

    /// Returns every address, as it is written.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &At<IpAddr>> {
        let lists = match self {
            Self::All(all) => [Some(all), None, None],
            Self::Each(each) => [each.access.as_ref(), each.web_conferencing.as_ref(), each.av.as_ref()],
        };
        lists.into_iter().flatten().flat_map(|list| &list.value.0)
    }
}

impl Written for ExternalAddresses {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {
                not_empty(node, reader);
                EachAddress::read(node, reader).map(Self::Each)
            }
            Value::Scalar { .. } | Value::List(_) => OneOrMany::read_at(node, reader).map(Self::All),
            Value::Nothing => {
                reader.wrong_type(node, "an address, a list of addresses, or a mapping");
                None
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let all = generator.subschema_for::<Shape<OneOrMany<IpAddr>>>();
        let mut each = generator.subschema_for::<Shape<EachAddress>>();
        each.insert("minProperties".to_owned(), 1.into());
        json_schema!({ "anyOf": [all, each] })
    }
}
