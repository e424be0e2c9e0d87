//! What the pool as a whole looks like.

use super::silence::Silence;
use super::{note, refusal, warning};
use crate::codes;
use crate::coverage::{Problem, ProblemKind};
use crate::plan::Finding;
use crate::report::ServerSafety;
use crate::safety::{self, Asked, Count, Covered, Look, Question};
use crate::standing::Standing;
use crate::words::{are, list};
use orchestrate_model::observe::ReadinessState;
use orchestrate_model::{Answer, Feature, RunState, ServerName, Verdict};
use std::collections::BTreeSet;

/// Says what was seen of a pool, and which questions about its servers are not answered yes.
pub(super) fn pool(look: &Look<'_>, safety: &[&ServerSafety], found: &mut Vec<Finding>) {
    let silence = Silence::of(look);
    silent(look, (&silence, safety), found);
    stale(look, safety, found);
    records(look, found);
    dead(look, &silence, found);
    domains(look, found);
    for (question, code) in [
        (Question::Budget, codes::BUDGET_USED),
        (Question::Remaining, codes::LAST_SERVING),
        (Question::Quorum, codes::BELOW_QUORUM),
        (Question::UpgradeDomain, codes::UPGRADE_DOMAIN),
        (Question::Ready, codes::NOT_READY),
        (Question::Balancer, codes::BALANCER_EMPTY),
        (Question::Replication, codes::REPLICAS_BEHIND),
        (Question::Staged, codes::NOT_STAGED),
        (Question::Fit, codes::NOT_FIT),
        (Question::Coverage(Covered::WebName), codes::WEB_NAME),
        (Question::Coverage(Covered::Entry), codes::ENTRY_NAME),
    ] {
        found.extend(refused(look, (&silence, safety), question, code));
    }
    for feature in Feature::ALL {
        found.extend(taken_over(look, (&silence, safety), feature));
    }
    found.extend(at_quorum(look, safety));
}

fn silent(look: &Look<'_>, (silence, safety): (&Silence<'_>, &[&ServerSafety]), found: &mut Vec<Finding>) {
    let folded = silence.folded(safety);
    for (server, standing) in look.servers() {
        if let Standing::Unknown(why) = standing {
            let follows = if silence.holds(&server.name) && !folded.is_empty() {
                format!(". What follows from it is not listed apart: {}", list(&folded))
            } else {
                String::new()
            };
            let text =
                format!("whether {} serves is not known: {why}. Unknown is as unsafe as down{follows}", server.name);
            let advice = match has_another_address(look, &server.name) {
                true => format!(
                    "It is asked at the address that the plan gives it, and its own record says another one: see {} first.",
                    codes::ADDRESS_DIFFERS
                ),
                false => "Make the server answer: orchestrate probe PLAN says how far it gets. Or take it out of the plan once \
                          it is out of the topology."
                    .to_owned(),
            };
            found.push(refusal(codes::UNKNOWN, text).pool(look.pool).server(&server.name).advise(advice));
        }
    }
}

/// Whether a server's own record has another address than the plan, at which it was asked.
fn has_another_address(look: &Look<'_>, server: &ServerName) -> bool {
    let differing = look.records.iter().flat_map(|records| &records.differing);
    differing.filter_map(|problem| problem.server.as_ref()).any(|other| other == server)
}

/// Says so when the look at a pool took so long that it proves nothing. A pool that is busy takes long over its answer
/// too, and its guard waits for that.
fn stale(look: &Look<'_>, safety: &[&ServerSafety], found: &mut Vec<Finding>) {
    let asked = safety.iter().find_map(|safety| answer(safety, Question::Fresh));
    let Some(asked) = asked.filter(|asked| !asked.verdict.is_yes() && !only_busy(look)) else { return };
    found.push(refusal(codes::STALE, asked.verdict.text()).pool(look.pool).advise(&asked.advice));
}

/// Returns one finding for a question that some server's answer to is not yes.
fn refused(
    look: &Look<'_>,
    (silence, safety): (&Silence<'_>, &[&ServerSafety]),
    question: Question,
    code: &str,
) -> Option<Finding> {
    // What does not fit the plan at the balancer is a finding of its own.
    let doubted = |server: &ServerName| look.seen.balancer.known().is_some_and(|seen| seen.against(server).count() > 0);
    // A pool of one server is refused for that alone.
    if look.pool.servers.len() == 1 && question == Question::Remaining {
        return None;
    }
    let answers = safety.iter().filter_map(|safety| answer(safety, question).map(|asked| (&safety.server, asked)));
    let answers = answers.filter(|(server, _)| question != Question::Balancer || !doubted(server));
    let answers = answers.filter(|(server, asked)| !asked.verdict.is_yes() && !silence.explains(server, asked));
    let mut against: Vec<(&ServerName, &Asked)> = answers.collect();
    // No before unknown: it says more.
    against.sort_by_key(|(_, asked)| !matches!(asked.verdict, Verdict::No(_)));
    let (server, asked) = against.first()?;
    let rest = against.len() - 1;
    let more = match rest {
        0 => String::new(),
        _ => format!(" (and so for {rest} more)"),
    };
    let text = format!("{}{more}", asked.verdict.text());
    if question == Question::Ready && only_busy(look) {
        // The guard of each server waits for it by the product's own flow chart, and blocks nothing meanwhile.
        let advice = "Nothing to do yet: the run waits ten minutes and asks again, and gives up at the third time.";
        return Some(warning(code, text).pool(look.pool).server(server).advise(advice));
    }
    Some(refusal(code, text).pool(look.pool).server(server).advise(&asked.advice))
}

/// Returns whether all that speaks against readiness is that the pool is busy, which passes.
fn only_busy(look: &Look<'_>) -> bool {
    let said = || look.readiness.iter().map(|(readiness, _)| &readiness.state);
    let harmless = |state| matches!(state, &ReadinessState::Busy | &ReadinessState::Ready);
    said().any(|state| *state == ReadinessState::Busy) && said().all(harmless)
}

fn answer(safety: &ServerSafety, question: Question) -> Option<&Asked> {
    safety.asked.iter().find(|asked| asked.question == question)
}

/// Says so when the pool, with servers already down, would run with exactly as many as it needs.
fn at_quorum(look: &Look<'_>, safety: &[&ServerSafety]) -> Option<Finding> {
    let tight = safety.iter().find_map(|safety| {
        let asked = answer(safety, Question::Quorum).filter(|asked| asked.verdict.is_yes())?;
        let count = Count::of(look, &safety.server)?;
        let down = !count.down.is_empty() || !count.unknown.is_empty();
        (look.scope.blocks("RTCSRV") && down && count.after == count.need).then_some((safety, asked))
    });
    let (safety, asked) = tight?;
    let text = format!("without {}: {}; one more failure stops the pool", safety.server.short(), asked.verdict.text());
    let advice = "Bring the servers that are down back before the change.";
    Some(warning(codes::AT_QUORUM, text).pool(look.pool).server(&safety.server).advise(advice))
}

/// The features of the scope whose loss is not accepted.
fn open_features(look: &Look<'_>) -> Vec<Feature> {
    let features = look.scope.features().map(|(feature, _)| feature);
    features.filter(|feature| !look.change.accepts_loss(look.pool, *feature)).collect()
}

fn records(look: &Look<'_>, found: &mut Vec<Finding>) {
    let Some(records) = &look.records else {
        return;
    };
    let open = open_features(look);
    let mut said = BTreeSet::new();
    for problem in &records.problems {
        if said.insert((problem.kind, problem.text.clone())) {
            found.push(record(look, problem, &open));
        }
    }
    for problem in &records.differing {
        let finding = warning(codes::ADDRESS_DIFFERS, &problem.text).pool(look.pool);
        let finding = match &problem.server {
            Some(server) => finding.server(server),
            None => finding,
        };
        found.push(finding.advise("Correct the address in the plan, or the record."));
    }
}

/// Says so when the pool's name lists a server that does not serve, by whosever hand.
fn dead(look: &Look<'_>, silence: &Silence<'_>, found: &mut Vec<Finding>) {
    let Some(records) = &look.records else {
        return;
    };
    for (server, standing) in look.servers() {
        let (Standing::Out(why) | Standing::Unknown(why)) = standing else {
            continue;
        };
        // That it does not answer is said, with what to do about it.
        if silence.holds(&server.name) {
            continue;
        }
        let seen = look.seen.servers.get(&server.name);
        let runs = |service| seen.and_then(|seen| seen.service(service)).is_some_and(|s| s.is(RunState::Running));
        if look.scope.serving.iter().any(runs) {
            // It serves in part: what is missing is asked about feature by feature.
            continue;
        }
        if let Some(address) = records.listed.get(&server.name) {
            let text = format!(
                "{} lists {} ({address}), which is not known to serve: {why}. Clients that try it first lose time, and \
                 old ones find no other server",
                look.pool.name, server.name
            );
            let advice = "Bring the server back, or take its address out of the pool's name as long as it is away.";
            found.push(warning(codes::DEAD_LISTED, text).pool(look.pool).server(&server.name).advise(advice));
        }
    }
}

fn record(look: &Look<'_>, problem: &Problem, open: &[Feature]) -> Finding {
    let (code, advice) = match problem.kind {
        ProblemKind::Missing => (
            codes::MISSING_RECORD,
            "Add the server's address to the pool's name. Where other name servers know it, name them: dns: resolvers.",
        ),
        ProblemKind::Stale => (codes::STALE_RECORD, "Remove the address from the pool's name."),
        ProblemKind::Foreign => (codes::FOREIGN_RECORD, "Remove the other pool's address from the pool's name."),
        ProblemKind::Alias => (codes::ALIAS, "Replace the alias by one address record per server."),
        ProblemKind::Balancer => (
            codes::SINGLE_ADDRESS,
            "Give the pool's name one record per server, or say load_balancing: {sip: hardware} under the pool.",
        ),
        ProblemKind::NoOwnRecord => (
            codes::NO_OWN_RECORD,
            "Add an address record for the server's own name. Where other name servers know it, name them: dns: resolvers.",
        ),
        ProblemKind::Unknown => {
            (codes::RECORDS_UNKNOWN, "Make the name servers answer, or name those that do: dns: resolvers.")
        }
    };
    let finding = if open.is_empty() && safety::spread(look) {
        let unknown = problem.kind == ProblemKind::Unknown;
        let text = if unknown { "It is not known whether clients have" } else { "Clients may not have" };
        refusal(code, format!("{}. {text} another server to go to while one is blocked", problem.text))
    } else if open.is_empty() {
        warning(code, &problem.text)
    } else {
        let text = format!(
            "{}. {} {} {}. While a server is blocked these may be lost: {}",
            problem.text,
            list(open),
            are(open.len()),
            if problem.kind == ProblemKind::Unknown { "not known to be covered" } else { "not covered" },
            list(open.iter().map(|feature| feature.loss())),
        );
        refusal(code, text)
    };
    let finding = finding.pool(look.pool).advise(advice);
    match &problem.server {
        Some(server) => finding.server(server),
        None => finding,
    }
}

/// Says so when the records are in order and yet no other server would take a feature over.
fn taken_over(look: &Look<'_>, asked: (&Silence<'_>, &[&ServerSafety]), feature: Feature) -> Option<Finding> {
    let records_fine = look.records.as_ref().is_some_and(|records| records.problems.is_empty());
    // A pool of one server is refused for that alone.
    if !records_fine || look.pool.servers.len() == 1 {
        return None;
    }
    refused(look, asked, Question::Coverage(Covered::Feature(feature)), codes::NOT_COVERED)
}

/// Compares the plan's upgrade domains with the product's own.
fn domains(look: &Look<'_>, found: &mut Vec<Finding>) {
    let readiness = look.seen.servers.values().find_map(|server| {
        let readiness = server.readiness.known()?;
        (!readiness.domains.is_empty()).then_some(readiness)
    });
    let Some(readiness) = readiness.filter(|_| look.pool.has_fabric()) else {
        return;
    };
    for server in &look.pool.servers {
        let theirs = readiness.domains.iter().find(|domain| domain.servers.contains(&server.name));
        let Some(theirs) = theirs.map(|domain| &domain.name) else {
            continue;
        };
        match &server.upgrade_domain {
            Some(ours) if ours != theirs => {
                let text = format!("the plan puts {} into upgrade domain {ours}, the pool says {theirs}", server.name);
                let finding = refusal(codes::UPGRADE_DOMAIN, text).pool(look.pool).server(&server.name);
                found.push(finding.advise("Correct the upgrade domain in the plan."));
            }
            Some(_) => {}
            None if look.change.maintenance.at_once > 1 => {
                let text = format!("{} is in upgrade domain {theirs}, which the plan does not say", server.name);
                let finding = note(codes::UPGRADE_DOMAIN, text).pool(look.pool).server(&server.name);
                found.push(finding.advise("State it in the plan, so that servers of one domain can go together."));
            }
            None => {}
        }
    }
    if let Some(domain) = readiness.domains.iter().find(|domain| matches!(domain.ready, Answer::Unknown(_))) {
        let text = format!("{} does not say whether upgrade domain {} is ready", look.pool.name, domain.name);
        found.push(warning(codes::NOT_READY, text).pool(look.pool).advise("Ask the product on a server of the pool."));
    }
}
