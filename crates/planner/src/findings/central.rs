//! Where the central management is active, pool by pool and across paired pools.

use super::{Context, refusal, warning};
use crate::codes;
use crate::plan::Finding;
use crate::report::ServerSafety;
use crate::safety::{self, Asked, CENTRAL_ADVICE, Look, Question};

/// Says where the central management is not active as it should be: for a pair once, and else for each pool.
pub(super) fn change(context: &Context<'_>, safety: &[Vec<&ServerSafety>], found: &mut Vec<Finding>) {
    for (look, safety) in context.looks.iter().zip(safety) {
        let Some(look) = look.as_ref().filter(|_| !safety.is_empty()) else {
            continue;
        };
        if let Some((first, text)) = pair(context, look) {
            let finding = refusal(codes::CENTRAL_MANAGEMENT, text).pool(first.pool).advise(CENTRAL_ADVICE);
            // Both sides say so in the same words.
            if !found.contains(&finding) {
                found.push(finding);
            }
            continue;
        }
        // The answer is the same for every server of the pool.
        let asked = safety[0].asked.iter().find(|asked| asked.question == Question::CentralManagement);
        if let Some(Asked { verdict, advice, .. }) = asked.filter(|asked| !asked.verdict.is_yes()) {
            found.push(refusal(codes::CENTRAL_MANAGEMENT, verdict.text()).pool(look.pool).advise(advice));
        }
        found.extend(safety::silent(look).map(|why| {
            let text = format!(
                "no server of {} could say where the central management is active, and the plan does not say either: \
                 {why}",
                look.pool.name
            );
            warning(codes::CENTRAL_MANAGEMENT, text).pool(look.pool).advise(
                "Nothing of this change depends on it. Look at ActiveMasterFQDN on a server of each pool \
                 (Get-CsManagementStoreReplicationStatus -CentralManagementStoreStatus), or state hosts.",
            )
        }));
    }
}

/// Returns what a pool and its partner say when they do not say the same, with the one of them that comes first.
fn pair<'a>(context: &'a Context<'_>, look: &'a Look<'a>) -> Option<(&'a Look<'a>, String)> {
    let partner = context.change.partner(look.pool)?;
    let other = context.looks.iter().flatten().find(|other| other.pool.name == partner.name)?;
    let (first, second) = if look.pool.name < other.pool.name { (look, other) } else { (other, look) };
    safety::differ(first, second).map(|text| (first, text))
}
