//! Is what the server does covered while it is out: by the pool's records, by another server, by the balancer?

use super::look::Other;
use super::{Asked, Covered, Look, Question};
use crate::coverage::{self, Web};
use crate::standing::Standing;
use crate::words::list;
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{Answer, Feature, Product, RunState, ServerName, ServiceName, Verdict};

/// Asks whether the records of a pool that DNS balances name every server and nothing else, where a service is blocked
/// that DNS spreads and that no feature of the list stands for. The features are asked about one by one, since the loss
/// of one can be accepted by its name; that of all users of a pool can not.
pub(super) fn records(look: &Look<'_>) -> Option<Asked> {
    let records = look.records.as_ref().filter(|_| spread(look))?;
    let (pool, advice) = (&look.pool.name, "Correct the records so that they list every server and nothing else.");
    let verdict = if records.problems.is_empty() {
        Verdict::Yes(records.proof.clone())
    } else if records.only_unknown() {
        Verdict::Unknown(format!("whether DNS spreads the clients of {pool} is not known: {}", records.text()))
    } else {
        Verdict::No(format!("DNS does not spread the clients of {pool} over its servers: {}", records.text()))
    };
    Some(super::questions::asked(Question::Coverage(Covered::Records), verdict, advice))
}

/// Asks whether clients outside find the other servers of an Edge pool, where a service is blocked that they use.
pub(super) fn external(look: &Look<'_>) -> Option<Asked> {
    let external = look.external.as_ref().filter(|_| spread(look))?;
    let pool = &look.pool.name;
    let verdict = if external.faults().next().is_none() {
        Verdict::Yes(external.proof.clone())
    } else if external.only_unknown() {
        Verdict::Unknown(format!(
            "whether clients outside find the servers of {pool} is not known: {}",
            external.text()
        ))
    } else {
        Verdict::No(format!("clients outside may find no other server of {pool}: {}", external.text()))
    };
    let advice = match look.pool.load_balancing.sip {
        SipBalancing::Dns => {
            "Correct the records so that each external name lists the external addresses of every server and nothing else."
        }
        SipBalancing::Hardware => "Let every external name lead to the balancer, and to no server.",
    };
    Some(super::questions::asked(Question::Coverage(Covered::External), verdict, advice))
}

/// Returns whether a service is blocked that DNS spreads, besides those that the features of the list stand for. The
/// web server is never balanced by DNS.
pub(crate) fn spread(look: &Look<'_>) -> bool {
    let listed = |name: &ServiceName| {
        let name = name.as_str();
        name.eq_ignore_ascii_case("W3SVC") || Feature::ALL.iter().any(|f| name.eq_ignore_ascii_case(f.service()))
    };
    // A generic pool says sip: dns by default, which means nothing there.
    look.pool.product != Product::Generic && look.scope.block.iter().any(|name| !listed(name))
}

/// Asks whether web clients find the balancer, and not the server that is blocked.
pub(super) fn web_name(look: &Look<'_>) -> Option<Asked> {
    let web = coverage::web(look.change, look.pool, &look.seen.dns).filter(|_| look.scope.blocks("W3SVC"))?;
    let verdict = match web {
        Web::Balanced(proof) => Verdict::Yes(proof),
        Web::Wrong(why) => Verdict::No(format!("{why}: web clients that it sends to a blocked server are refused")),
        Web::Unknown(why) => Verdict::Unknown(format!("where web clients go is not known: {why}")),
    };
    let advice = "Let the web services name lead to the HTTP(S) balancer, and to no server. Where other name servers know it, name \
                  them: dns: resolvers.";
    Some(super::questions::asked(Question::Coverage(Covered::WebName), verdict, advice))
}

pub(super) fn features(look: &Look<'_>, server: &ServerName) -> Vec<Asked> {
    let here = look.seen.servers.get(server);
    let runs_here = |service: &ServiceName| match here.map(|server| &server.services) {
        // Where nobody knows what runs here, everything of the role may.
        None | Some(Answer::Unknown(_)) => true,
        Some(Answer::Known(services)) => services.get(service).is_some_and(|status| !status.is(RunState::Stopped)),
    };
    features_of(look, server, runs_here)
}

/// Asks about the features of those services that were in use on the server.
pub(super) fn features_of(look: &Look<'_>, server: &ServerName, used: impl Fn(&ServiceName) -> bool) -> Vec<Asked> {
    let features = look.scope.features().filter(|(_, service)| used(service));
    features.map(|(feature, service)| covered(look, server, feature, service)).collect()
}

fn covered(look: &Look<'_>, server: &ServerName, feature: Feature, service: &ServiceName) -> Asked {
    let verdict = records_cover(look, feature).and(taken_over(look, server, feature, service));
    let accepted = !verdict.is_yes() && look.change.accepts_loss(look.pool, feature);
    let verdict = if accepted {
        let how =
            if look.change.maintenance.accept_loss.contains(&feature) { "by name" } else { "with the whole pool" };
        Verdict::Yes(format!("loss of {feature} accepted {how} ({})", verdict.text()))
    } else {
        verdict
    };
    let advice = match (verdict.is_yes(), look.pool.load_balancing.sip) {
        (true, _) => String::new(),
        (false, SipBalancing::Dns) => format!(
            "Correct the records of {} so that they list every server and nothing else, have another server run {service}, \
             or accept the loss by name: maintenance: {{accept_loss: [{feature}]}}.",
            look.pool.name
        ),
        // A balancer does not know which service is paused, whatever the records say.
        (false, SipBalancing::Hardware) => {
            format!("Balance SIP by DNS, or accept the loss by name: maintenance: {{accept_loss: [{feature}]}}.")
        }
    };
    Asked { question: Question::Coverage(Covered::Feature(feature)), verdict, advice }
}

fn records_cover(look: &Look<'_>, feature: Feature) -> Verdict {
    let lost = feature.loss();
    match &look.records {
        None => Verdict::No(format!(
            "{feature} is not covered: {} is balanced by hardware, which keeps sending; lost: {lost}",
            look.pool.name
        )),
        Some(records) if records.problems.is_empty() => Verdict::Yes(records.proof.clone()),
        Some(records) if records.only_unknown() => {
            Verdict::Unknown(format!("{feature} is not known to be covered: {}", records.text()))
        }
        Some(records) => Verdict::No(format!("{feature} is not covered: {}; lost: {lost}", records.text())),
    }
}

/// Returns whether another server of the pool runs the service, running and not paused.
fn taken_over(look: &Look<'_>, server: &ServerName, feature: Feature, service: &ServiceName) -> Verdict {
    let (mut no, mut unknown) = (Vec::new(), Vec::new());
    for Other { server: other, standing, seen } in look.others(server) {
        let name = other.name.short();
        match (standing, seen) {
            (Standing::Out(why), _) => no.push(format!("{name}: {why}")),
            (Standing::Unknown(why), _) => unknown.push(format!("{name}: {why}")),
            (Standing::Serving, None) => unknown.push(format!("{name}: it was not asked")),
            (Standing::Serving, Some(seen)) => match seen.service(service).map(|status| &status.state) {
                Some(Answer::Known(RunState::Running)) => {
                    return Verdict::Yes(format!("{name} runs {service}, running and not paused"));
                }
                Some(Answer::Known(state)) => no.push(format!("{name}: {service} is {state}")),
                Some(Answer::Unknown(why)) => unknown.push(format!("{name}: {why}")),
                None => no.push(format!("{name}: {service} is not installed")),
            },
        }
    }
    let lost = feature.loss();
    if unknown.is_empty() {
        Verdict::No(format!("{feature} is not covered: no other server runs {service} ({}); lost: {lost}", list(no)))
    } else {
        unknown.extend(no);
        Verdict::Unknown(format!(
            "{feature} is not known to be covered: no answer says that another server runs {service} ({})",
            list(unknown)
        ))
    }
}
