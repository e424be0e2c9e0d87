//! Names that are no Windows service's own: what several services run in, and the names of roles and clusters that the
//! product's cmdlets print.

use super::ServiceFacts;
use crate::ids::ServiceName;

/// A part of the product that is spread over several Windows services.
#[derive(Debug, Clone, Copy)]
pub struct SpreadFacts {
    /// What people call it.
    pub name: &'static str,
    /// Other names of it: the role in `Get-CsWindowsService`, or the process.
    pub aliases: &'static [&'static str],
    /// What it is.
    pub what: &'static str,
    /// The short names of its Windows services.
    services: &'static [&'static str],
    /// Where the facts come from.
    pub sources: &'static [&'static str],
}

/// What is spread over several services. The documented sample of roles does not say which services a role has: these
/// are the services of that kind.
pub static SPREAD: &[SpreadFacts] = &[
    SpreadFacts {
        name: "Application Host",
        aliases: &["Application", "Applications", "Application Server", "ApplicationServer", "OcsAppServerHost"],
        what: "what these run in",
        services: &["RTCCAA", "RTCCAS", "RTCRGS", "RTCCPS", "RTCATS"],
        sources: &["L13", "PS"],
    },
    SpreadFacts {
        name: "Conferencing Server",
        aliases: &["ConferencingServer", "Conferencing"],
        what: "the role of the conferencing services",
        services: &["RTCIMMCU", "RTCDATAMCU", "RTCAVMCU", "RTCASMCU"],
        sources: &["L13", "SFB"],
    },
    SpreadFacts {
        name: "Central Management",
        aliases: &["CentralManagement", "Central Management Server", "Central Management Store"],
        what: "the role of the services of the central management",
        services: &["MASTER", "FTA"],
        sources: &["L13", "SFB"],
    },
];

/// Roles that are one Windows service each.
const WHOLE: &[(&str, &str)] = &[("MediationServer", "RTCMEDSRV"), ("ClsAgent", "RTCCLSAGT")];

impl SpreadFacts {
    /// Returns the facts of its services, in the order of the catalogue.
    pub fn services(&self) -> impl Iterator<Item = &'static ServiceFacts> + use<> {
        let services = self.services;
        super::SERVICES.iter().filter(move |facts| facts.name.is_some_and(|name| services.contains(&name)))
    }

    /// Returns every name it goes by.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        [self.name].into_iter().chain(self.aliases.iter().copied())
    }
}

/// Returns the roles that are one service each, with it.
pub(super) fn whole() -> impl Iterator<Item = (&'static str, &'static ServiceFacts)> {
    WHOLE.iter().filter_map(|(role, name)| Some((*role, super::service(&ServiceName::new(name).ok()?)?)))
}

/// Returns the names of roles that [`whole`] knows.
pub(super) fn whole_names() -> impl Iterator<Item = &'static str> {
    WHOLE.iter().map(|(role, _)| *role)
}

/// Returns the application in the identity of one, such as `Service:Registrar:pool01.contoso.example/UdcAgent`, or the
/// text itself.
pub(super) fn application(text: &str) -> &str {
    let lower = text.trim_start().to_ascii_lowercase();
    let of_cluster = ["registrar:", "edgeserver:", "service:"].iter().any(|prefix| lower.starts_with(prefix));
    match text.rsplit_once('/') {
        Some((_, application)) if of_cluster => application,
        Some(_) | None => text,
    }
}
