//! Servers that answer nothing at all: one cause, of which much follows. What follows is named with the cause, and is no
//! finding of its own.

use crate::codes;
use crate::report::ServerSafety;
use crate::safety::{Asked, Covered, Look, Question};
use crate::standing::Standing;
use orchestrate_model::{Feature, ServerName, ServerObservation, Verdict};
use std::collections::BTreeSet;

/// The servers of a pool that answer nothing.
pub(super) struct Silence<'a> {
    servers: BTreeSet<&'a ServerName>,
    /// Whether every other server of the pool serves.
    alone: bool,
    /// Whether every other server has passed on the product's word.
    others_said: bool,
}

/// The questions about a pool whose answer is no or unknown as long as one of its servers is not known to serve, each with
/// the code of its finding.
const OF_POOL: [(Question, &str); 4] = [
    (Question::Budget, codes::BUDGET_USED),
    (Question::Remaining, codes::LAST_SERVING),
    (Question::Quorum, codes::BELOW_QUORUM),
    (Question::UpgradeDomain, codes::UPGRADE_DOMAIN),
];

/// The questions that are put to the server itself.
const OF_SERVER: [(Question, &str); 3] =
    [(Question::Staged, codes::NOT_STAGED), (Question::Fit, codes::NOT_FIT), (Question::Lease, codes::LEASE_UNKNOWN)];

impl<'a> Silence<'a> {
    pub(super) fn of(look: &Look<'a>) -> Self {
        let is_silent = |server: &ServerName| look.seen.servers.get(server).is_some_and(ServerObservation::is_silent);
        let unknown = |standing: &Standing| matches!(standing, Standing::Unknown(_));
        let silent =
            |(server, standing): &(&orchestrate_model::Server, &Standing)| unknown(standing) && is_silent(&server.name);
        let servers: BTreeSet<&ServerName> = look.servers().filter(silent).map(|(server, _)| &server.name).collect();
        let alone = look.servers().all(|(server, standing)| standing.serves() || servers.contains(&server.name));
        let said =
            |server: &ServerName| look.seen.servers.get(server).is_some_and(|seen| seen.readiness.known().is_some());
        let others_said = look.servers().all(|(server, _)| servers.contains(&server.name) || said(&server.name));
        Self { servers, alone, others_said }
    }

    /// Whether a server answers nothing.
    pub(super) fn holds(&self, server: &ServerName) -> bool {
        self.servers.contains(server)
    }

    /// Whether that a question about a server is not answered yes follows from the silence alone.
    pub(super) fn explains(&self, server: &ServerName, asked: &Asked) -> bool {
        let of = |questions: &[(Question, &str)]| questions.iter().any(|(question, _)| *question == asked.question);
        let about_pool = !self.servers.is_empty() && self.alone && of(&OF_POOL);
        let covers = matches!(asked.question, Question::Coverage(Covered::Feature(_)));
        let is_unknown = matches!(asked.verdict, Verdict::Unknown(_)) && !self.servers.is_empty();
        let about_rest =
            is_unknown && ((covers && self.alone) || (asked.question == Question::Ready && self.others_said));
        let about_it = self.holds(server) && of(&OF_SERVER) && matches!(asked.verdict, Verdict::Unknown(_));
        about_pool || about_rest || about_it
    }

    /// The codes of what follows from the silence and is no finding of its own, in order.
    pub(super) fn folded(&self, safety: &[&ServerSafety]) -> Vec<&'static str> {
        let explained = |question: Question| {
            let mut asked = safety.iter().flat_map(|safety| safety.asked.iter().map(|asked| (&safety.server, asked)));
            asked.any(|(server, asked)| {
                asked.question == question && !asked.verdict.is_yes() && self.explains(server, asked)
            })
        };
        let features = Feature::ALL.into_iter().map(|feature| Question::Coverage(Covered::Feature(feature)));
        let rest = features.map(|question| (question, codes::NOT_COVERED)).chain([(Question::Ready, codes::NOT_READY)]);
        let all = OF_POOL.into_iter().chain(OF_SERVER).chain(rest);
        let mut codes: Vec<&'static str> =
            all.filter(|(question, _)| explained(*question)).map(|(_, code)| code).collect();
        codes.dedup();
        codes
    }
}
