//! The addresses of one name at one server: A and AAAA, aliases followed.

use crate::exchange::{Duty, ExchangeError, Manner, ask};
use crate::reading::{Ending, MOST_ALIASES, NoReading, Reading, read, services};
use crate::seats::Seats;
use hickory_proto::ProtoError;
use hickory_proto::rr::{Name, RecordType};
use orchestrate_model::observe::AddressRecords;
use orchestrate_model::{DnsName, NameError};
use std::net::SocketAddr;
use thiserror::Error;

/// One server and how it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    pub(crate) seats: Seats,
    pub(crate) server: SocketAddr,
    pub(crate) manner: Manner,
}

/// Why the addresses of a name are not known.
#[derive(Debug, Clone, Error)]
pub(crate) enum Shortfall {
    /// A question had no answer.
    #[error("{server} ({kind} records): {reason}")]
    Exchange { server: SocketAddr, kind: RecordType, reason: ExchangeError },
    /// The answer said nothing.
    #[error("{server} ({kind} records): {reason}")]
    Reading { server: SocketAddr, kind: RecordType, reason: NoReading },
    /// An authoritative server answered without authority.
    #[error("{server} ({kind} records): the server is named as authoritative but answers without authority")]
    Lame { server: SocketAddr, kind: RecordType },
    /// An authoritative server knows the alias but not what it leads to.
    #[error("the alias leads to {alias}, which this server has no authority for")]
    AliasLeadsAway { alias: Name },
    /// The alias is not a name that a plan can hold.
    #[error("the alias leads to {alias}, which is not a fully qualified host name")]
    OddAlias { alias: Name, source: NameError },
    /// The name cannot be put into a question.
    #[error("{name} cannot be asked for")]
    OddName { name: DnsName, source: ProtoError },
}

impl Lookup {
    /// Returns the addresses of `name` as this server gives them. Of a service record, whose first label begins with `_`
    /// (RFC 2782), those of all its targets: where one does not answer, clients go to the next.
    pub(crate) async fn addresses(&self, name: &DnsName) -> Result<AddressRecords, Shortfall> {
        let wire = wire_name(name)?;
        if name.as_str().starts_with('_') { self.targets_of(&wire).await } else { self.addresses_of(&wire).await }
    }

    /// Returns the addresses of all targets of a service record.
    async fn targets_of(&self, name: &Name) -> Result<AddressRecords, Shortfall> {
        let (server, kind) = (self.server, RecordType::SRV);
        let response = ask(&self.seats, (server, self.manner), name, kind)
            .await
            .map_err(|reason| Shortfall::Exchange { server, kind, reason })?;
        let services = services(&response, name).map_err(|reason| Shortfall::Reading { server, kind, reason })?;
        if self.manner.duty == Duty::Authoritative && !response.metadata.authoritative {
            return Err(Shortfall::Lame { server, kind });
        }
        let mut all = AddressRecords { addresses: Vec::new(), ttl_s: services.ttl_s.unwrap_or(0), alias: None };
        for target in &services.targets {
            let found = match self.addresses_of(target).await {
                Ok(found) => found,
                Err(shortfall) => return Err(self.past_an_alias(shortfall, Some(target.clone()))),
            };
            all.ttl_s = if found.addresses.is_empty() { all.ttl_s } else { all.ttl_s.min(found.ttl_s) };
            all.addresses.extend(found.addresses);
        }
        all.addresses.sort_unstable();
        all.addresses.dedup();
        Ok(all)
    }

    /// Returns the addresses of a name in wire form.
    pub(crate) async fn addresses_of(&self, name: &Name) -> Result<AddressRecords, Shortfall> {
        let (four, six) = futures::join!(self.one_kind(name, RecordType::A), self.one_kind(name, RecordType::AAAA));
        let (four, six) = (four?, six?);
        let ttl_s = four.ttl_s.into_iter().chain(six.ttl_s).min().unwrap_or(0);
        let alias = match four.alias.or(six.alias) {
            None => None,
            Some(alias) => match DnsName::new(&alias.to_ascii()) {
                Ok(name) => Some(name),
                Err(source) => return Err(Shortfall::OddAlias { alias, source }),
            },
        };
        let mut addresses = four.addresses;
        addresses.extend(six.addresses);
        addresses.sort_unstable();
        addresses.dedup();
        Ok(AddressRecords { addresses, ttl_s, alias })
    }

    /// Asks for one record type, and again for what an alias leads to where the answer leaves that open.
    async fn one_kind(&self, name: &Name, kind: RecordType) -> Result<Reading, Shortfall> {
        let mut asked = name.clone();
        let mut ttl_s: Option<u32> = None;
        let mut alias: Option<Name> = None;
        for _ in 0..MOST_ALIASES {
            let reading = match self.one_question(&asked, kind).await {
                Ok(reading) => reading,
                Err(shortfall) => return Err(self.past_an_alias(shortfall, alias)),
            };
            ttl_s = ttl_s.into_iter().chain(reading.ttl_s).min();
            alias = reading.alias.or(alias);
            match (reading.ending, &alias) {
                (Ending::AtAlias, Some(next)) => asked = next.clone(),
                (Ending::AtAlias | Ending::Complete, _) => {
                    return Ok(Reading { addresses: reading.addresses, ttl_s, alias, ending: Ending::Complete });
                }
            }
        }
        let reason = NoReading::AliasLoop { last: asked };
        Err(Shortfall::Reading { server: self.server, kind, reason })
    }

    async fn one_question(&self, name: &Name, kind: RecordType) -> Result<Reading, Shortfall> {
        let server = self.server;
        let response = ask(&self.seats, (server, self.manner), name, kind)
            .await
            .map_err(|reason| Shortfall::Exchange { server, kind, reason })?;
        let reading = read(&response, name, kind).map_err(|reason| Shortfall::Reading { server, kind, reason })?;
        if self.manner.duty == Duty::Authoritative && !response.metadata.authoritative {
            return Err(Shortfall::Lame { server, kind });
        }
        Ok(reading)
    }

    /// An authoritative server that refuses, refers or answers without authority once an alias has been followed has
    /// done its duty: the alias left its zones.
    fn past_an_alias(&self, shortfall: Shortfall, alias: Option<Name>) -> Shortfall {
        let left_its_zones = self.manner.duty == Duty::Authoritative
            && matches!(shortfall, Shortfall::Reading { .. } | Shortfall::Lame { .. });
        match alias {
            Some(alias) if left_its_zones => Shortfall::AliasLeadsAway { alias },
            _ => shortfall,
        }
    }
}

/// Returns a name as it goes into a question, absolute, so that nothing is ever added to it.
pub(crate) fn wire_name(name: &DnsName) -> Result<Name, Shortfall> {
    Name::from_ascii(format!("{name}.")).map_err(|source| Shortfall::OddName { name: name.clone(), source })
}
