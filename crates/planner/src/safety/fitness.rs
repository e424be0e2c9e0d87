//! Whether a server is fit for the installer of the plan: what would make it fail is asked before anybody is drained for it.

use super::questions::asked;
use super::{Asked, Look, Question};
use orchestrate_model::change::{Maintenance, PendingRestart};
use orchestrate_model::observe::Fitness;
use orchestrate_model::probe::PendingSign;
use orchestrate_model::{Answer, ServerName, Verdict};

/// What to do about a drive that is too full.
const ROOM: &str = "Make room on the drive: old updates, logs and temporary files.";
/// What to do about a restart that is due.
pub(crate) const RESTART: &str = "Restart the server in a maintenance of its own first, or have it restarted once it is drained: \
                                  maintenance: {patch: {pending_restart: restart-first}}. Where a restart that is due keeps \
                                  nothing from being installed, the plan can say ignore there.";
/// What to do where it is not known.
const PROBE: &str = "orchestrate probe says what the server answers.";

/// Returns the answer, where the plan asks.
pub(super) fn fit(look: &Look<'_>, server: &ServerName) -> Option<Asked> {
    let maintenance = Some(&look.change.maintenance).filter(|maintenance| maintenance.asks_fitness())?;
    let name = server.short();
    let (verdict, advice) = match look.seen.servers.get(server).map(|seen| &seen.fitness) {
        None => (Verdict::Unknown(format!("{name} was not asked whether it is fit for the installer")), PROBE),
        Some(Answer::Unknown(why)) => {
            (Verdict::Unknown(format!("{name} did not say whether it is fit for the installer: {why}")), PROBE)
        }
        Some(Answer::Known(fitness)) => {
            let room = room(maintenance, name, fitness);
            let advice = if matches!(room, Verdict::Yes(_)) { RESTART } else { ROOM };
            let restart = restart(maintenance.pending_restart(), name, fitness);
            // A restart that is made first is told, whatever room there is.
            let is_due = matches!(due(name, fitness), Answer::Known(Some(_)));
            (if is_due && room.is_yes() { restart } else { room.and(restart) }, advice)
        }
    };
    Some(asked(Question::Fit, verdict, advice))
}

fn room(maintenance: &Maintenance, name: &str, fitness: &Fitness) -> Verdict {
    let Some(needs) = maintenance.needs_free() else { return Verdict::Yes(format!("{name} is fit for the installer")) };
    let wanted = size(needs);
    match &fitness.free {
        Answer::Unknown(why) => Verdict::Unknown(format!("{name} did not say what is free on its drives: {why}")),
        Answer::Known(free) if free.is_empty() => Verdict::Unknown(format!("{name} named no drive")),
        Answer::Known(free) => {
            let short = free.iter().find(|(_, free)| **free < needs);
            short.map_or_else(
                || Verdict::Yes(format!("{name} has {wanted} free")),
                |(drive, free)| {
                    let what = match maintenance.installers.len() {
                        1 => "the installer needs".to_owned(),
                        several => format!("the {several} installers need"),
                    };
                    Verdict::No(format!("{name} has {} free on {drive}, and {what} {wanted}", size(*free)))
                },
            )
        }
    }
}

fn restart(policy: PendingRestart, name: &str, fitness: &Fitness) -> Verdict {
    let good = || Verdict::Yes(format!("{name} is fit for the installer"));
    if policy == PendingRestart::Ignore {
        return good();
    }
    match due(name, fitness) {
        Answer::Unknown(why) => Verdict::Unknown(why),
        Answer::Known(None) => good(),
        Answer::Known(Some(what)) if policy == PendingRestart::RestartFirst => {
            Verdict::Yes(format!("{what}; it is made once the server is stopped, before the installer"))
        }
        Answer::Known(Some(what)) => Verdict::No(what),
    }
}

/// Returns which restart of a server is due that may keep something from being installed, if one is.
#[must_use]
pub fn due(name: &str, fitness: &Fitness) -> Answer<Option<String>> {
    let (mut found, mut unknown) = (None, None);
    for sign in PendingSign::ALL {
        // Files that wait to be renamed are common, and most of them keep nothing from being installed.
        if sign == PendingSign::FileRenames {
            continue;
        }
        let title = sign.title();
        let (place, text) = match fitness.pending.get(&sign) {
            Some(Answer::Known(None)) => continue,
            Some(Answer::Known(Some(what))) => (&mut found, format!("a restart of {name} is due: {title}: {what}")),
            Some(Answer::Unknown(why)) => {
                (&mut unknown, format!("{name} did not say whether a restart is due: {title}: {why}"))
            }
            None => (&mut unknown, format!("{name} was not asked whether a restart is due: {title}")),
        };
        place.get_or_insert(text);
    }
    match (found, unknown) {
        (Some(found), _) => Answer::Known(Some(found)),
        (None, Some(why)) => Answer::Unknown(why),
        (None, None) => Answer::Known(None),
    }
}

fn size(bytes: u64) -> String {
    crate::probe::size(bytes)
}
